"""Variety in topic space: known laws of coordinates, sets worked out by hand, and what no relabelling may change."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from recsim.errors import RecsimError
from recsim.simplex import Fit, closure, mixtures
from recsim.variety import VARIETY, Reference, dimension, measure, modes_kept, tail_kept, variance_kept

Floats = npt.NDArray[np.float64]

def gaussian(items: int, deviations: list[float], seed: int = 1) -> Floats:
    """Return items whose coordinates are independent and normal, with these standard deviations."""
    return mixtures(np.random.default_rng(seed).standard_normal((items, len(deviations))) * deviations)


def cross(deviations: list[float]) -> Floats:
    """Return two items a direction, so that the covariance (1/n) is diagonal with squares of these, to rounding."""
    reach = np.diag(deviations) * math.sqrt(len(deviations))
    return mixtures(np.concatenate([reach, -reach]))


def tables(least_items: int = 1) -> st.SearchStrategy[Floats]:
    """Return strategies for tables of (items, topics) with whole numbers, so that ties are frequent and rounding is not."""
    shapes = st.tuples(st.integers(least_items, 12), st.integers(2, 6))
    return arrays(np.float64, shapes, elements=st.integers(1, 9).map(float))


# ---------------------------------------------------------------------------------------------------- known laws
def test_variance_and_dimension_of_known_covariances() -> None:
    """Diagonal covariances 4, 1, 1 and 1, 1, 1: variance 6 over 3, dimension 36/18 and 3, to 1e-9."""
    wide, round_ = cross([2.0, 1.0, 1.0]), cross([1.0, 1.0, 1.0])
    assert variance_kept(wide, Reference.of(round_)) == pytest.approx(2, rel=1e-9)
    assert dimension(wide) == pytest.approx(2, rel=1e-9)
    assert dimension(round_) == pytest.approx(3, rel=1e-9)
    assert variance_kept(round_, Reference.of(round_)) == 1


def test_dimension_is_that_of_the_eigenvalues() -> None:
    """(sum l)^2 / sum l^2 by numpy's eigenvalues of a covariance that is not diagonal."""
    y = np.random.default_rng(2).standard_normal((30, 4)) @ np.random.default_rng(3).standard_normal((4, 4))
    eigenvalues = np.linalg.eigvalsh(np.cov(y.T, bias=True))
    assert dimension(mixtures(y)) == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum(), rel=1e-9)


def test_gaussian_that_is_narrowed() -> None:
    """At temperature .5 a normal law keeps .25 of its variance, all of its dimension, P(chi2 > q / .25) / .1 of its tail.

    100,000 items on both sides: bounds are 4 standard errors, those of the tail by the binomial law, false alarm 6e-5 each;
    the reference's quantile adds a tenth of that at most, since the tail of the narrowed law is ten times flatter there.
    """
    items, temperature = 100_000, 0.5
    day_0 = Reference.of(gaussian(items, [1.0, 0.5, 2.0]))
    narrowed = gaussian(items, [0.5, 0.25, 1.0], seed=2)
    whole = sum(d**2 for d in (1.0, 0.5, 2.0))
    error = 0.25 * math.sqrt(2 * 2 * sum(d**4 for d in (1.0, 0.5, 2.0)) / items) / whole
    assert variance_kept(narrowed, day_0) == pytest.approx(0.25, abs=4 * error)
    assert dimension(narrowed) == pytest.approx(whole**2 / sum(d**4 for d in (1.0, 0.5, 2.0)), rel=0.02)
    beyond = float(stats.chi2(3).sf(stats.chi2(3).isf(0.1) / temperature**2))
    assert tail_kept(narrowed, day_0) == pytest.approx(beyond / 0.1, abs=4.4 * math.sqrt(beyond / items) / 0.1)


def test_another_draw_of_the_same_law_keeps_everything() -> None:
    """Of the law that the reference was drawn from the tail is 1 within 4 standard errors of both sides, false alarm 6e-5."""
    day_0 = Reference.of(gaussian(20_000, [1.0, 0.5]))
    assert tail_kept(gaussian(20_000, [1.0, 0.5], seed=2), day_0) == pytest.approx(1, abs=4 * math.sqrt(2 * 0.9 / 0.1 / 20_000))
    assert day_0.edge == pytest.approx(stats.chi2(2).isf(0.1), rel=0.05)


def test_converging_styles_lose_everything() -> None:
    """Towards the mean variance falls as the square and the tail goes; the mean itself keeps one mode at most."""
    catalogue = gaussian(2_000, [1.0] * 5)
    day_0, fit = Reference.of(catalogue), Fit.of(catalogue)
    z = fit.standardized(catalogue)
    found = [measure(fit.sample(z, temperature), day_0) for temperature in (1.0, 0.6, 0.2, 0.0)]
    assert [row["variance_kept"] for row in found] == pytest.approx([1, 0.36, 0.04, 0], abs=1e-9)
    assert [row["tail_kept"] for row in found][::3] == pytest.approx([1, 0], abs=1e-9)
    assert found[0]["tail_kept"] > found[1]["tail_kept"] >= found[2]["tail_kept"]
    assert found[0]["modes_kept"] == 1 and found[3]["modes_kept"] <= 1 / 3
    assert found[2]["dimension"] == pytest.approx(found[0]["dimension"], rel=1e-6) and math.isnan(found[3]["dimension"])


# --------------------------------------------------------------------------------------------------- by hand
def test_modes_by_hand() -> None:
    """Main topics of four items are 0, 0, 1, and both 1 and 2; a set without 0 keeps two thirds, a new topic adds nothing."""
    day_0 = Reference.of([[5, 1, 1, 1], [4, 3, 1, 1], [1, 4, 1, 1], [1, 3, 3, 1]])
    assert day_0.modes.tolist() == [True, True, True, False]
    assert modes_kept([[1, 2, 2, 1]], day_0) == pytest.approx(2 / 3)
    assert modes_kept([[1, 1, 1, 9]], day_0) == 0


def test_tail_by_hand() -> None:
    """Of ten items on a line the farthest is the tail: a set with half of its weight there keeps five times as much."""
    day_0 = Reference.of([[k, 1.0] for k in (1, 2, 2, 2, 2, 2, 2, 2, 2, 40)])
    assert day_0.beyond == 0.1
    assert tail_kept([[40, 1], [2, 1]], day_0) == 5
    assert tail_kept([[40, 1], [2, 1]], day_0, weights=[1, 4]) == pytest.approx(2)
    assert tail_kept([[100, 1]], day_0) == 10


def test_weights_count_items_as_often() -> None:
    """Whole weights are copies, and items of weight 0 are not there at all."""
    topics, weights = gaussian(12, [1.0, 2.0]), [1, 3, 0, 2, 1, 1, 0, 0, 5, 1, 1, 2]
    day_0 = Reference.of(gaussian(50, [1.0, 2.0], seed=2))
    assert measure(topics, day_0, weights) == pytest.approx(measure(np.repeat(topics, weights, axis=0), day_0), rel=1e-9)


def test_what_cannot_be_measured_is_nan() -> None:
    """Without items there is nothing; one item varies along no direction; few items have no distance from their mean."""
    topics = gaussian(40, [1.0, 1.0])
    day_0 = Reference.of(topics)
    for nothing in (measure(np.empty((0, 3)), day_0), measure(topics, day_0, np.zeros(40))):
        assert all(math.isnan(value) for value in nothing.values())
    one = measure(topics[:1], day_0)
    assert one["variance_kept"] == 0 and math.isnan(one["dimension"]) and one["modes_kept"] > 0
    few = measure(topics, Reference.of(topics[:2]))
    assert math.isnan(few["tail_kept"]) and few["variance_kept"] > 0
    same = measure(topics, Reference.of(topics[[0, 0, 0]]))
    assert math.isnan(same["variance_kept"]) and math.isnan(same["tail_kept"])


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, np.nan], [[1.0, 1.0]]])
def test_weights_are_one_a_row(weights: Any) -> None:
    """Weights of another number, below 0 or not finite are refused, and so is a reference without items."""
    with pytest.raises(RecsimError, match="weights"):
        dimension([[1, 2], [2, 1]], weights)
    with pytest.raises(RecsimError, match="reference"):
        Reference.of(np.empty((0, 3)))


# ------------------------------------------------------------------------------------------------------ properties
def alike(mine: dict[str, float], theirs: dict[str, float]) -> bool:
    """Return whether two measures are the same to 1e-7, the tail but for an item that is on the edge to rounding."""
    return mine == pytest.approx(theirs, rel=1e-7, abs=1e-9, nan_ok=True)


@given(tables(), tables(least_items=2), st.randoms(use_true_random=False))
def test_order_and_names_change_nothing(topics: Floats, others: Floats, random: Any) -> None:
    """Items in another order, and topics in another order in both sets, give the same figures."""
    width = min(topics.shape[1], others.shape[1])
    topics, others = topics[:, :width], others[:, :width]
    weights = np.arange(len(topics)) % 4 + 1.0
    plain = measure(topics, Reference.of(others), weights)
    assert list(plain) == list(VARIETY)
    order = random.sample(range(len(topics)), len(topics))
    assert alike(measure(topics[order], Reference.of(others), weights[order]), plain)
    names = random.sample(range(width), width)
    reordered = Reference.of(others[random.sample(range(len(others)), len(others))][:, names])
    assert alike(measure(topics[:, names], reordered, weights), plain)


@given(tables(), tables(least_items=2), st.floats(0.01, 100))
def test_bounds_and_scale(topics: Floats, others: Floats, scale: float) -> None:
    """Every figure is in its range, and neither the scale of rows nor that of weights matters."""
    width = min(topics.shape[1], others.shape[1])
    topics, others = topics[:, :width], others[:, :width]
    day_0 = Reference.of(others)
    found = measure(topics, day_0)
    assert found["variance_kept"] >= 0 or math.isnan(found["variance_kept"])
    assert math.isnan(found["dimension"]) or 1 - 1e-9 <= found["dimension"] <= min(width - 1, len(topics) - 1) + 1e-9
    assert 0 <= found["modes_kept"] <= 1
    assert math.isnan(found["tail_kept"]) or 0 <= found["tail_kept"] <= 1 / day_0.beyond + 1e-9
    assert alike(measure(scale * topics, day_0, np.full(len(topics), scale)), found)


@given(tables(least_items=2))
def test_a_set_keeps_all_of_itself(topics: Floats) -> None:
    """Against itself a set keeps all its variance, modes and tail, where there are any."""
    found = measure(topics, Reference.of(topics))
    for name in ("variance_kept", "modes_kept", "tail_kept"):
        assert math.isnan(found[name]) or found[name] == 1
    assert found["modes_kept"] == 1


def test_pure_items_are_measured_too() -> None:
    """Shares of 0 are taken as 1e-9, so pure items of three topics are the corners of a triangle."""
    day_0 = Reference.of(np.eye(3))
    assert dimension(np.eye(3)) == pytest.approx(2)
    assert modes_kept(np.eye(3)[:2], day_0) == pytest.approx(2 / 3)
    assert variance_kept(closure(np.eye(3))[:2], day_0) == pytest.approx(0.75)
