"""Designs of studies: what they hold, that samples fill their ranges, and that Sobol indices can be had from them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.stats import sobol_indices

import recsim as rs
from recsim.recipe import family

SLATES = rs.Factor(path="slate", levels=(5, 10, 20))
RATES = rs.Factor(path="visits.rate", low=0.1, high=10.0, scale="log", steps=5)
SIZES = rs.Factor(path="recommender.factors", low=8, high=64, whole=True, steps=2)
FACTORS = [SLATES, RATES, SIZES]
ROWS = [[5, 0.2, 8], [20, 10.0, 9]]
EVERY = [rs.Grid(), rs.OneAtATime(), rs.LatinHypercube(points=7), rs.Sobol(points=8), rs.Listed(points=ROWS)]


def values(design: rs.Design, factors: list[rs.Factor] = FACTORS) -> list[tuple[object, ...]]:
    """Return the values of all points."""
    return [tuple(level.value for level in point) for point in design.lay(factors)]


@pytest.mark.parametrize("design", EVERY, ids=lambda design: design.kind)
def test_every_design_keeps_to_its_factors(design: rs.Design) -> None:
    """It has as many points as it says, each within the levels and ranges, the same every time."""
    points = values(design)
    assert len(points) == design.size(FACTORS)
    assert points == values(type(design)(**design.model_dump()))
    for slate, rate, size in points:
        assert slate in (5, 10, 20)
        assert 0.1 <= rate <= 10
        assert isinstance(size, int)
        assert 8 <= size <= 64


def test_every_design_is_examined() -> None:
    """No kind of design is missing above."""
    assert set(family(rs.Design)) == {design.kind for design in EVERY}


def test_a_grid_has_every_combination_once() -> None:
    """Steps on a logarithmic scale are equal ratios, and all levels meet all others."""
    points = values(rs.Grid())
    assert len(set(points)) == len(points) == 3 * 5 * 2
    assert sorted({point[1] for point in points}) == pytest.approx([0.1, 10**-0.5, 1, 10**0.5, 10])


def test_one_at_a_time_changes_one_setting() -> None:
    """Each point but the first differs from the first in one setting, and each level is there."""
    first, *others = values(rs.OneAtATime())
    assert all(sum(a != b for a, b in zip(first, other, strict=True)) == 1 for other in others)
    assert {value for point in [first, *others] for value in point} >= {5, 10, 20, 8, 64, 0.1}


@pytest.mark.parametrize("points", [2, 9, 100])
def test_a_latin_hypercube_has_one_point_in_every_part(points: int) -> None:
    """Each side, cut in as many parts as there are points, has one in every part; another seed is another design."""
    shares = rs.LatinHypercube(points=points, seed=4).shares(6)
    assert (np.sort((shares * points).astype(int), axis=0) == np.arange(points)[:, None]).all()
    assert not np.array_equal(shares, rs.LatinHypercube(points=points, seed=5).shares(6))
    assert len({tuple(column) for column in shares.T.tolist()}) == 6


def test_sobol_points_stand_as_saltelli_asks() -> None:
    """After A and B comes, for each factor, A with that factor's column from B; and both halves fill their cube evenly."""
    n, factors = 64, 3
    shares = rs.Sobol(points=n, seed=3).shares(factors).reshape(factors + 2, n, factors)
    a, b, mixed = shares[0], shares[1], shares[2:]
    for place in range(factors):
        assert np.array_equal(mixed[place][:, place], b[:, place])
        others = [other for other in range(factors) if other != place]
        assert np.array_equal(mixed[place][:, others], a[:, others])
    for side in np.hstack([a, b]).T:  # a shift in base 2 keeps what makes it a net: one point in every 64th
        assert sorted((side * n).astype(int)) == list(range(n))


def test_more_sobol_points_extend_the_design() -> None:
    """All points of a design are among those of twice its size, so that what was run for them is taken."""
    small, large = (set(values(rs.Sobol(points=n), [RATES, SIZES, SLATES])) for n in (8, 16))
    assert small < large


def test_sobol_indices_follow_from_the_layout() -> None:
    """For y = 3 x_1 + 2 x_2 + x_3 SciPy finds the indices 9/14, 4/14 and 1/14 from the points as they stand.

    The error of a smooth function on n points of a net shrinks almost as 1 / n; 1,024 points are given room for 0.01.
    """
    n, weights = 1024, np.array([3.0, 2.0, 1.0])
    y = (rs.Sobol(points=n, seed=1).shares(3) @ weights).reshape(5, n)
    found = sobol_indices(func={"f_A": y[:1], "f_B": y[1:2], "f_AB": y[2:, None]}, n=n)
    expected = weights**2 / 14
    assert np.abs(found.first_order - expected).max() < 0.01
    assert np.abs(found.total_order - expected).max() < 0.01


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "needs either levels, or low and high"),
        ({"levels": (1, 2), "low": 1.0, "high": 2.0}, "needs either levels, or low and high"),
        ({"low": 2.0, "high": 1.0}, "needs low below high"),
        ({"low": 1.0}, "needs low below high"),
        ({"low": 0.0, "high": 1.0, "scale": "log"}, "low must be above 0"),
        ({"levels": (0.1, 0.2, 0.1)}, "has two levels 0.1"),
        ({"low": 0.0, "high": 1.0, "scale": "logg"}, "scale: should be 'linear' or 'log'"),
    ],
)
def test_a_factor_that_cannot_be_is_one_line(settings: dict[str, object], says: str) -> None:
    """What is wrong with a factor is said as it is made."""
    with pytest.raises(rs.RecsimError, match=says):
        rs.Factor(path="x", **settings)


def test_a_range_without_steps_is_not_listed() -> None:
    """A grid of a range asks in how many steps; a sample does not."""
    free = rs.Factor(path="policy.epsilon", low=0.0, high=1.0)
    with pytest.raises(rs.RecsimError, match=r"policy\.epsilon is a range; say in how many steps"):
        rs.Grid().lay([free])
    assert len(rs.LatinHypercube(points=3).lay([free])) == 3


def test_a_sobol_design_takes_powers_of_two() -> None:
    """Other numbers are refused, with the next that would do."""
    with pytest.raises(rs.RecsimError, match="must be a power of 2, such as 128"):
        rs.Sobol(points=100)


@pytest.mark.parametrize(
    ("point", "says"),
    [
        ((5, 0.1), "point 1 has 2 values for 3 factors"),
        ((6, 0.1, 8), "point 1: slate has no level 6; valid are 10, 20, 5"),
        (([5], 0.1, 8), "point 1: slate has no level"),
        ((5, 11.0, 8), "point 1: visits.rate goes from 0.1 to 10, which 11.0 is not in"),
        ((5, float("nan"), 8), "which nan is not in"),
        ((5, "much", 8), "which 'much' is not in"),
        ((5, 1.0, True), "which True is not in"),
    ],
)
def test_a_listed_point_that_cannot_be_is_one_line(point: tuple[object, ...], says: str) -> None:
    """The point is named by its number, and the factor by its path."""
    with pytest.raises(rs.RecsimError, match=re.escape(says)):
        rs.Listed(points=((5, 0.1, 8), point)).lay(FACTORS)
