"""Coordinates of topic mixtures, and the logistic-normal law fitted to them: geometry, bits, and few items."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import ndtri

from recsim.errors import RecsimError
from recsim.randomness import Randomness
from recsim.simplex import FLOOR, Fit, cholesky, closure, coordinates, mixtures, moments

Floats = npt.NDArray[np.float64]

def shapes(least_items: int = 1, least_topics: int = 1) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least_items, 12), st.integers(least_topics, 9))


def mixed(least_items: int = 1, least_topics: int = 1) -> st.SearchStrategy[Floats]:
    """Return strategies for positive tables of (items, topics), shares between about 1e-6 and 1."""
    return arrays(np.float64, shapes(least_items, least_topics), elements=st.floats(1e-5, 1.0)).map(closure)


def normal(items: int, topics: int, seed: int = 1) -> Floats:
    """Return standard normal numbers, each at its address: (items, topics - 1)."""
    return ndtri(Randomness(seed).uniform("z", np.arange(items)[:, None], 0, np.arange(topics - 1)))


def basis(topics: int) -> Floats:
    """Return the orthonormal basis of Egozcue et al. written out, (topics - 1, topics)."""
    rows = np.zeros((topics - 1, topics))
    for j in range(1, topics):
        rows[j - 1, :j], rows[j - 1, j] = 1 / j, -1
        rows[j - 1] *= math.sqrt(j / (j + 1))
    return rows


# ------------------------------------------------------------------------------------------------------- coordinates
@given(mixed())
def test_coordinates_are_those_of_the_basis(topics: Floats) -> None:
    """Coordinates are the logarithms projected on an orthonormal basis that is orthogonal to the even direction."""
    v = basis(topics.shape[1])
    assert v @ v.T == pytest.approx(np.eye(len(v)), abs=1e-12)
    assert v.sum(axis=1) == pytest.approx(np.zeros(len(v)), abs=1e-12)
    assert coordinates(topics) == pytest.approx(np.log(topics) @ v.T, abs=1e-10)


@given(mixed())
def test_there_and_back(topics: Floats) -> None:
    """Mixtures of coordinates of mixtures are the same mixtures."""
    assert mixtures(coordinates(topics)) == pytest.approx(topics, rel=1e-9)


@given(arrays(np.float64, shapes().map(lambda shape: (shape[0], shape[1] - 1)), elements=st.floats(-8, 8)))
def test_back_and_there(points: Floats) -> None:
    """Coordinates of mixtures of coordinates are the same, where no share is below the floor."""
    there = mixtures(points)
    assert (there > 0).all()
    assert there.sum(axis=1) == pytest.approx(1, abs=1e-12)
    apart = there.min(axis=1) > 1.1 * FLOOR
    assert coordinates(there)[apart] == pytest.approx(points[apart], abs=1e-6)


@given(mixed(least_items=2), st.randoms(use_true_random=False))
def test_distances_are_aitchisons_whatever_the_order_of_topics(topics: Floats, random: Any) -> None:
    """Squared distance is sum over pairs of topics of (ln x_j/x_k - ln y_j/y_k)^2 / (2 d), so relabelling changes none."""
    difference = np.log(topics[0] / topics[1])
    aitchison = ((difference[:, None] - difference) ** 2).sum() / (2 * len(difference))
    relabelled = topics[:, random.sample(range(topics.shape[1]), topics.shape[1])]
    for table in (topics, relabelled):
        y = coordinates(table)
        assert ((y[0] - y[1]) ** 2).sum() == pytest.approx(aitchison, abs=1e-9)


def test_extreme_coordinates_stop_at_the_floor() -> None:
    """Coordinates beyond all bounds neither overflow nor give a share of 0."""
    there = mixtures([[1000.0, 0.0], [-1000.0, 1000.0]])
    assert there.min() == pytest.approx(FLOOR, rel=1e-6) and there.max() < 1


def test_closure_is_that_of_the_catalogue() -> None:
    """Shares are floored and sum to 1; what is a catalogue's mixture already stays as it is."""
    topics = closure([[0.0, 0.0, 5.0], [1.0, 1.0, 2.0]])
    assert topics[0, 0] == pytest.approx(1e-9, rel=1e-6) and topics[1].tolist() == [0.25, 0.25, 0.5]
    assert closure(topics) == pytest.approx(topics, rel=1e-8)


@pytest.mark.parametrize("topics", [[[0.0, 0.0]], [[1.0, -1.0]], [[1.0, np.nan]], [[np.inf, 1.0]], [1.0, 2.0], np.empty((2, 0))])
def test_closure_refuses_what_is_no_mixture(topics: Any) -> None:
    """Nothing at all, negative numbers, numbers that are none, and other shapes."""
    with pytest.raises(RecsimError, match="topics: give"):
        closure(topics)


@pytest.mark.parametrize("topics", [[[0.0, 1.0]], [[np.nan, 1.0]], [0.5, 0.5], np.empty((0, 0))])
def test_coordinates_ask_for_positive_shares(topics: Any) -> None:
    """A share of 0 has no logarithm."""
    with pytest.raises(RecsimError, match="closure"):
        coordinates(topics)


# ------------------------------------------------------------------------------------------------------------- fits
@given(mixed())
def test_fit_is_the_law_of_maximum_likelihood(topics: Floats) -> None:
    """Mean and covariance are numpy's, with 1/n; root root' is the covariance also where items are fewer than dimensions."""
    fit, y = Fit.of(topics), coordinates(topics)
    covariance = (y - y.mean(axis=0)).T @ (y - y.mean(axis=0)) / len(y)
    scale = 1e-9 * max(1.0, float(np.abs(covariance).max(initial=0)))
    assert fit.mean == pytest.approx(y.mean(axis=0), abs=1e-9)
    assert fit.root @ fit.root.T == pytest.approx(covariance, abs=scale)
    assert fit.variance == pytest.approx(np.diag(covariance), abs=scale)
    assert (np.triu(fit.root, 1) == 0).all()


def test_fewer_items_than_dimensions_have_a_root() -> None:
    """Three items in seven dimensions vary in two; what is sampled from their law does as well."""
    topics = closure(np.exp(2 * normal(3, 9)))
    fit = Fit.of(topics)
    assert np.count_nonzero(np.diag(fit.root)) == 2
    assert (fit.root[:, np.diag(fit.root) == 0] == 0).all()
    spread = coordinates(fit.sample(normal(50, 8, seed=2))) - fit.mean
    assert np.linalg.matrix_rank(spread, tol=1e-8) == 2


def test_root_is_lapacks_where_nothing_vanishes() -> None:
    """The root of a covariance of full rank is the one and only of Cholesky, to 1e-12."""
    _, covariance = moments(normal(40, 7))
    assert cholesky(covariance) == pytest.approx(np.linalg.cholesky(covariance), abs=1e-12)


def test_items_that_are_the_same_have_no_spread_at_all() -> None:
    """Neither one item nor many copies of it leave anything to chance, not even rounding."""
    for copies in (1, 7):
        fit = Fit.of(closure([[0.1, 0.7, 0.3]] * copies))
        assert (fit.root == 0).all()
        assert (fit.sample([[5.0, -5.0]]) == fit.sample([[0.0, 0.0]])).all()


def test_one_topic_leaves_nothing_to_fit() -> None:
    """With a single topic there are no coordinates, and all items are the same."""
    fit = Fit.of([[1.0], [1.0]])
    assert fit.sample(np.empty((3, 0))).tolist() == [[1.0]] * 3 and fit.variance.shape == (0,)


def test_no_items_no_fit() -> None:
    """There is no law of nothing."""
    with pytest.raises(RecsimError, match="no items"):
        Fit.of(np.empty((0, 3)))


@given(mixed(least_items=2, least_topics=2), st.floats(0, 1.5))
def test_temperature_multiplies_the_root(topics: Floats, temperature: float) -> None:
    """A sample at a temperature is as far from the mean as that part of the sample at 1; 0 gives the mean itself."""
    fit = Fit.of(topics)
    z = normal(4, topics.shape[1])
    plain, moved = (coordinates(fit.sample(z, t)) - fit.mean for t in (1.0, temperature))
    clear = (np.minimum(fit.sample(z), fit.sample(z, temperature)) > 1e-6).all(axis=1)  # the floor is elsewhere
    assert moved[clear] == pytest.approx(temperature * plain[clear], abs=1e-6)
    assert (fit.sample(z, 0.0) == mixtures(fit.mean[None, :])).all()


@given(arrays(np.float64, (6, 3), elements=st.floats(-1, 1)))
def test_standardized_numbers_are_those_sampled_from(z: Floats) -> None:
    """From numbers to mixtures and back."""
    fit = Fit.of(closure(np.exp(normal(20, 5))))
    assert fit.standardized(fit.sample(z)) == pytest.approx(z, abs=1e-9)


def test_no_standardized_numbers_where_there_is_no_spread() -> None:
    """Directions in which the items of a law did not vary are NaN, the others are not."""
    fit = Fit.of([[0.2, 0.3, 0.5], [0.3, 0.45, 0.75], [0.3, 0.2, 0.5]])
    flat = Fit(fit.mean, np.array([[1.0, 0.0], [0.5, 0.0]]))
    found = flat.standardized([[0.2, 0.3, 0.5]])
    assert not np.isnan(found[0, 0]) and np.isnan(found[0, 1])


# ------------------------------------------------------------------------------------------------------------- bits
def scalar_coordinates(row: list[float]) -> list[float]:
    """Return the coordinates of one item, number by number."""
    logs, total, y = [float(np.log(x)) for x in row], 0.0, []
    for j in range(1, len(row)):
        total += logs[j - 1]
        y.append(math.sqrt(j / (j + 1)) * (total / j - logs[j]))
    return y


def scalar_closure(row: list[float]) -> list[float]:
    """Return one item's closure, number by number."""
    total = 0.0
    for x in row:
        total += x
    shares = [max(x / total, FLOOR) for x in row]
    total = 0.0
    for share in shares:
        total += share
    return [share / total for share in shares]


def scalar_fit(topics: list[list[float]]) -> tuple[list[float], list[list[float]]]:
    """Return mean and root of a fit, number by number."""
    points = [scalar_coordinates(row) for row in topics]
    n, k = len(points), len(points[0])
    moved = [[y - first for y, first in zip(row, points[0], strict=True)] for row in points]
    mean, covariance = [0.0] * k, [[0.0] * k for _ in range(k)]
    for a in range(k):
        for row in moved:
            mean[a] += row[a]
        mean[a] /= n
    for a in range(k):
        for b in range(a + 1):
            for row in moved:
                covariance[a][b] += (row[b] - mean[b]) * (row[a] - mean[a])
            covariance[a][b] /= n
    root = [[0.0] * k for _ in range(k)]
    left = [row[:] for row in covariance]
    for c in range(k):
        if left[c][c] > 1e-12 * covariance[c][c]:
            pivot = math.sqrt(left[c][c])
            for a in range(c, k):
                root[a][c] = left[a][c] / pivot
            for a in range(c, k):
                for b in range(c, a + 1):
                    left[a][b] -= root[a][c] * root[b][c]
    return [first + m for first, m in zip(points[0], mean, strict=True)], root


def scalar_sample(mean: list[float], root: list[list[float]], z: list[float], temperature: float) -> list[float]:
    """Return one sampled mixture, number by number."""
    k = len(mean)
    y = []
    for a in range(k):
        spread = 0.0
        for c in range(k):
            spread += z[c] * root[a][c]
        y.append(mean[a] + temperature * spread)
    parts = [y[j - 1] / math.sqrt(j * (j + 1)) for j in range(1, k + 1)]
    logs, total = [0.0] * (k + 1), 0.0
    for j in reversed(range(k)):
        total += parts[j]
        logs[j] = total
    for j in range(1, k + 1):
        logs[j] -= j * parts[j - 1]
    return scalar_closure([float(np.exp(x - max(logs))) for x in logs])


@pytest.mark.parametrize(("items", "topics"), [(1, 2), (5, 3), (4, 13), (200, 20)])
def test_a_program_of_scalars_gets_the_same_bits(items: int, topics: int) -> None:
    """Closure, fit and sample are those of plain loops over items, topics and coordinates, to the last bit."""
    table = closure(np.exp(2 * normal(items, topics + 1)))
    assert table.tolist() == [scalar_closure(row) for row in np.exp(2 * normal(items, topics + 1)).tolist()]
    fit, z = Fit.of(table), normal(30, topics, seed=2)
    mean, root = scalar_fit(table.tolist())
    assert fit.mean.tolist() == mean
    assert fit.root.tolist() == root
    assert fit.sample(z, 0.7).tolist() == [scalar_sample(mean, root, row, 0.7) for row in z.tolist()]


def test_a_row_depends_on_no_other_row() -> None:
    """A sample one by one is the sample all at once, to the last bit; so are coordinates and closures."""
    fit, z = Fit.of(closure(np.exp(normal(30, 13)))), normal(50, 12)
    many = fit.sample(z)
    assert (np.concatenate([fit.sample(z[i : i + 1]) for i in range(50)]) == many).all()
    assert (np.concatenate([coordinates(many[i : i + 1]) for i in range(50)]) == coordinates(many)).all()


def test_weights_count_items_as_often() -> None:
    """Whole weights are copies: the same mean and covariance to 1e-12; weights of 1 are none, to the last bit."""
    y, weights = normal(6, 4), np.array([1.0, 3.0, 0.0, 2.0, 1.0, 1.0])
    for mine, theirs in zip(moments(y, weights), moments(np.repeat(y, weights.astype(int), axis=0)), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-12)
    for mine, theirs in zip(moments(y, np.ones(6)), moments(y), strict=True):
        assert (mine == theirs).all()
