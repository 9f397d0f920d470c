"""How alike feeds are: by plain twins with sets, by enumeration, by Monte Carlo, and properties for any log."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from recsim import likeness, metrics
from recsim.errors import RecsimError

Rows = list[tuple[int, int]]
logs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=40)
masses = st.lists(st.floats(0, 10).map(lambda x: round(x, 3)), min_size=3, max_size=3)
people = st.lists(st.tuples(masses, masses), min_size=1, max_size=6)


def columns(rows: Rows) -> tuple[Any, Any]:
    users, items = zip(*rows, strict=True) if rows else ((), ())
    return np.array(users, np.int64), np.array(items, np.int64)


def owned(rows: Rows) -> dict[int, set[int]]:
    return {user: {item for other, item in rows if other == user} for user in sorted({user for user, _ in rows})}


def index(one: set[int], other: set[int]) -> float:
    return len(one & other) / len(one | other)


# ------------------------------------------------------------------------------------------------------ between users


@given(logs)
def test_homogeneity_pair_by_pair(rows: Rows) -> None:
    """It is the mean Jaccard index of all pairs of users in the log, to 1e-12, between 0 and 1."""
    pairs = [index(*both) for both in combinations(owned(rows).values(), 2)]
    value = metrics.homogeneity(*columns(rows))
    assert value == pytest.approx(np.mean(pairs) if pairs else math.nan, abs=1e-12, nan_ok=True)


@given(logs)
def test_tiles_do_not_matter(rows: Rows) -> None:
    """However many users are compared at a time, the mean is the same, to 1e-12."""
    whole, size = metrics.homogeneity(*columns(rows)), likeness._TILE
    try:
        likeness._TILE = 1
        assert metrics.homogeneity(*columns(rows)) == pytest.approx(whole, abs=1e-12, nan_ok=True)
    finally:
        likeness._TILE = size


@given(logs)
def test_personalisation_pair_by_pair(rows: Rows) -> None:
    """One pass over the log gives what all pairs of users give, to 1e-12."""
    sets = list(owned(rows).values())
    pairs = [len(one & other) / math.sqrt(len(one) * len(other)) for one, other in combinations(sets, 2)]
    value = metrics.personalisation(*columns(rows))
    assert value == pytest.approx(1 - np.mean(pairs) if pairs else math.nan, abs=1e-12, nan_ok=True)


@given(logs, st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=10))
def test_jaccard_of_given_pairs(rows: Rows, pairs: Rows) -> None:
    """Each pair gets its own index, NaN where one of the two has no rows."""
    sets = owned(rows)
    expected = [index(sets[one], sets[other]) if one in sets and other in sets else math.nan for one, other in pairs]
    assert metrics.jaccard(*columns(rows), pairs) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(logs, logs, st.randoms(use_true_random=False))
def test_names_do_not_matter(rows: Rows, base: Rows, shuffler: Any) -> None:
    """Users and items of other names, and rows in another order, change nothing, to 1e-12."""
    users, items = (shuffler.sample(range(20), 7) for _ in range(2))
    renamed = [(users[user], items[item]) for user, item in rows]
    shuffler.shuffle(renamed)
    for metric in (metrics.homogeneity, metrics.personalisation):
        assert metric(*columns(renamed)) == pytest.approx(metric(*columns(rows)), abs=1e-12, nan_ok=True)
    pairs = np.array(list(combinations(range(7), 2)))
    change = metrics.homogeneity_change(columns(rows), columns(base), pairs)
    moved = columns([(users[user], items[item]) for user, item in base])
    again = metrics.homogeneity_change(columns(renamed), moved, np.array(users)[pairs])
    assert again == pytest.approx(change, abs=1e-12, nan_ok=True)
    assert math.isnan(change) or -1 <= change <= 1


def test_change_against_a_base() -> None:
    """The mean change over all pairs is the difference of the two means, if everybody is in both logs; from itself it is 0."""
    rng, users = np.random.default_rng(1), 30
    now, base = ((np.repeat(np.arange(users), 5), rng.integers(0, most, 5 * users)) for most in (10, 40))
    pairs = np.array(list(combinations(range(users), 2)))
    difference = metrics.homogeneity(*now) - metrics.homogeneity(*base)
    assert metrics.homogeneity_change(now, base, pairs) == pytest.approx(difference, abs=1e-12)
    assert metrics.homogeneity_change(base, base, pairs) == 0
    assert difference > 0.1


def test_drawn_pairs_are_unbiased() -> None:
    """Pairs at random give the mean over all pairs, with the standard error that is stated: 4 sigma of 40,000 pairs, 6e-5."""
    rng, users = np.random.default_rng(2), 200
    log = np.repeat(np.arange(users), 8), rng.integers(0, 12, 8 * users) * (1 + np.repeat(np.arange(users), 8) % 2)
    whole, some = metrics.homogeneity(*log), metrics.homogeneity(*log, pairs=40_000)
    drawn = likeness._drawn(users, 40_000, 0)
    assert (drawn[:, 0] != drawn[:, 1]).all()
    assert abs(some - whole) < 4 * metrics.jaccard(*log, drawn).std() / 200
    assert metrics.homogeneity(*log, pairs=100, seed=1) != metrics.homogeneity(*log, pairs=100, seed=2)
    assert metrics.homogeneity([5, 9], [1, 1], pairs=3) == 1


@pytest.mark.parametrize(("sizes", "items"), [([1, 2], 3), ([2, 2, 3], 4), ([4, 1, 0], 4), ([3, 3], 3), ([2, 4], 5)])
def test_floor_by_enumeration(sizes: list[int], items: int) -> None:
    """It is the mean over all sets of these sizes, one by one, to 1e-12."""
    every = product(*(combinations(range(items), size) for size in sizes if size))
    means = [np.mean([index(set(a), set(b)) for a, b in combinations(sets, 2)]) for sets in every]
    assert metrics.homogeneity_floor(sizes, items) == pytest.approx(np.mean(means), abs=1e-12)


@pytest.mark.parametrize(("items", "most"), [(30, 30), (400, 25), (3000, 400)])
def test_floor_of_a_uniform_feed(items: int, most: int) -> None:
    """Uniform sets of mixed sizes have this homogeneity: 4 sigma of 60 worlds, 6e-5 each."""
    rng, users = np.random.default_rng(items), 20
    sizes = rng.integers(0, most + 1, users)
    who = np.repeat(np.arange(users), sizes)
    worlds = [
        metrics.homogeneity(who, np.concatenate([rng.permutation(items)[:size] for size in sizes])) for _ in range(60)
    ]
    assert abs(np.mean(worlds) - metrics.homogeneity_floor(sizes, items)) <= 4 * np.std(worlds, ddof=1) / math.sqrt(60)


@pytest.mark.parametrize(("a", "b", "items"), [(1, 9, 10), (60, 90, 100), (2500, 2500, 5000), (800, 4000, 9000), (5, 5, 10**5)])
def test_floor_by_the_hypergeometric_law(a: int, b: int, items: int) -> None:
    """Two users: SciPy's probabilities of every overlap give the same, to 1e-10, for small sets and large."""
    shared = np.arange(max(0, a + b - items), min(a, b) + 1)
    exact = float((hypergeom(items, a, b).pmf(shared) * shared / (a + b - shared)).sum())
    assert metrics.homogeneity_floor([a, b], items) == pytest.approx(exact, abs=1e-10)


def test_limits_of_the_floor() -> None:
    """Whole catalogues are all alike, single items alike by one chance in n, large catalogues hardly; no set, no floor."""
    assert metrics.homogeneity_floor([7, 7, 7], 7) == pytest.approx(1, abs=1e-12)
    assert metrics.homogeneity_floor([1] * 5, 100) == pytest.approx(0.01, abs=1e-12)
    assert metrics.homogeneity_floor([10, 10], 10**6) == pytest.approx(100 / 20 / 10**6, rel=0.1)
    assert math.isnan(metrics.homogeneity_floor([3], 7))
    assert math.isnan(metrics.homogeneity_floor([3, 0, 0], 7))


# ---------------------------------------------------------------------------------------------------- within one slate


@given(
    st.lists(st.lists(st.integers(-1, 4), min_size=4, max_size=4), min_size=1, max_size=5),
    st.lists(masses, min_size=5, max_size=5),
    st.permutations(range(4)),
)
def test_diversity_pair_by_pair(slates: list[list[int]], topics: list[list[float]], order: list[int]) -> None:
    """By topics it is the mean over pairs of 1 - cosine, as by the table of those distances, and the order does not matter."""
    unit = np.array([np.array(row) / (math.hypot(*row) or 1) for row in topics])
    apart = 1 - np.clip((unit[:, None] * unit[None]).sum(axis=2), 0, 1)
    expected = []
    for slate in slates:
        pairs = list(combinations([item for item in slate if item >= 0], 2))
        expected += [np.mean([apart[pair] for pair in pairs])] if pairs else []
    value = metrics.intra_list_diversity(slates, topics)
    assert value == pytest.approx(np.mean(expected) if expected else math.nan, abs=1e-9, nan_ok=True)
    table = metrics.intra_list_diversity(slates, distance=(apart + apart.T) / 2)
    assert table == pytest.approx(value, abs=1e-9, nan_ok=True)
    assert math.isnan(value) or 0 <= value <= 1
    turned = [[slate[place] for place in order] for slate in slates]
    assert metrics.intra_list_diversity(turned, topics) == pytest.approx(value, abs=1e-12, nan_ok=True)


def test_diversity_of_the_same_and_of_others() -> None:
    """Slates about one topic have none, slates of pure topics all different have 1, an item without topics is far from all."""
    assert metrics.intra_list_diversity([[0, 1, 2]], [[1, 2], [2, 4], [3, 6]]) == pytest.approx(0, abs=1e-12)
    assert metrics.intra_list_diversity([[0, 1], [2, -1]], np.eye(3)) == 1
    assert metrics.intra_list_diversity([[0, 1]], [[0, 0], [1, 0]]) == 1


# ---------------------------------------------------------------------------------------------- feed and true interests


@given(people, st.permutations(range(3)), st.floats(0.5, 9))
def test_calibration_and_discovery(users: list[tuple[list[float], list[float]]], order: list[int], scale: float) -> None:
    """In their ranges; a feed like the interests is calibrated; topics of other names and scaled interests change nothing."""
    shown, interests = (np.array(table) for table in zip(*users, strict=True))
    off, met = metrics.miscalibration(shown, interests), metrics.discovery(shown, interests)
    assert math.isnan(off) or 0 <= off <= 1
    assert math.isnan(met) or 0 <= met <= 1 + 1e-12
    same = metrics.miscalibration(interests * scale, interests)
    assert math.isnan(same) or same == pytest.approx(0, abs=1e-12)
    moved = metrics.miscalibration(shown[:, order] * scale, interests[:, order])
    assert moved == pytest.approx(off, abs=1e-9, nan_ok=True)
    assert metrics.discovery(shown[:, order], scale * interests[:, order]) == pytest.approx(met, abs=1e-9, nan_ok=True)


@given(people, people, st.floats(0.1, 3))
def test_showing_more_never_loses_an_interest(users: Any, more: Any, least: float) -> None:
    """Discovery never falls as more is shown, and never rises as more is asked for."""
    shown, interests = (np.array(table) for table in zip(*users, strict=True))
    further = shown + np.resize(np.array([table for table, _ in more]), shown.shape)
    now, then = (metrics.discovery(table, interests, least) for table in (shown, further))
    assert math.isnan(now) or now <= then + 1e-12
    assert math.isnan(now) or metrics.discovery(shown, interests, 2 * least) <= now + 1e-12


def test_discovery_by_pencil() -> None:
    """As much of a topic as one item holds is enough, less is not; the user without a feed counts, with nothing."""
    assert metrics.discovery([[1.0, 0.999], [0, 0]], [[0.6, 0.4], [0.5, 0.5]]) == pytest.approx(0.3, abs=1e-12)
    assert metrics.discovery([[1.0, 0.999]], [[6, 4]], least=0.999) == 1


def test_calibration_by_pencil() -> None:
    """Half of the feed on a wrong topic: H(3/4, 1/4) - (H(1/2, 1/2) + 0) / 2 bits; the user without a feed does not count."""
    entropy = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    assert metrics.miscalibration([[1, 1], [0, 0]], [[1, 0], [0, 1]]) == pytest.approx(entropy - 0.5, abs=1e-12)


# ------------------------------------------------------------------------------------------------------ edges and errors


def test_nothing_is_nan() -> None:
    """Without two users, two items in a slate, or a feed, there is nothing to measure."""
    for metric in (metrics.homogeneity, metrics.personalisation):
        assert math.isnan(metric([], []))
        assert math.isnan(metric([3, 3], [1, 2]))
    assert math.isnan(metrics.homogeneity_change(([], []), ([], []), []))
    assert metrics.jaccard([], [], [[0, 1]]) == pytest.approx([math.nan], nan_ok=True)
    assert math.isnan(metrics.intra_list_diversity([[0, -1]], np.eye(2)))
    assert math.isnan(metrics.intra_list_diversity(np.zeros((0, 3), int), np.eye(2)))
    assert math.isnan(metrics.miscalibration(np.zeros((2, 2)), np.ones((2, 2))))
    assert math.isnan(metrics.discovery(np.zeros((0, 2)), np.zeros((0, 2))))
    assert metrics.discovery(np.zeros((2, 2)), np.ones((2, 2))) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.homogeneity([0, 1], [2]), "item: there are 1 for 2 rows"),
        (lambda: metrics.homogeneity([0, 1], [2], pairs=9), "item: there are 1 for 2 rows"),
        (lambda: metrics.homogeneity([0.5], [2]), "user: holds float64, not places"),
        (lambda: metrics.homogeneity([0], [-1]), "item: -1 is below 0"),
        (lambda: metrics.homogeneity([0, 1], [2, 2], pairs=0), "pairs: 0 is not a number of pairs"),
        (lambda: metrics.jaccard([0], [1], [0, 1]), "pairs: has 1 dimensions instead of 2"),
        (lambda: metrics.jaccard([0], [1], [[0, 1, 2]]), "pairs: its shape is (1, 3)"),
        (lambda: metrics.homogeneity_floor([3], 2), "sizes: 3 distinct items of 2 cannot be"),
        (lambda: metrics.intra_list_diversity([[0]]), "topics: give either topics or distance"),
        (lambda: metrics.intra_list_diversity([[2]], np.eye(2)), "slates: 2 is no place among 2"),
        (lambda: metrics.intra_list_diversity([[0]], distance=[[0, 1], [2, 0]]), "distance: its shape is (2, 2)"),
        (lambda: metrics.miscalibration([[1]], [[1, 2]]), "interests: its shape is (1, 2)"),
        (lambda: metrics.discovery([[1]], [[1, 2]]), "interests: its shape is (1, 2)"),
        (lambda: metrics.discovery([[1]], [[1]], least=0), "least: 0 is not above 0"),
    ],
)
def test_mistakes_have_a_name(call: Callable[[], object], message: str) -> None:
    """Every mistake names the argument and the value, in one line."""
    with pytest.raises(RecsimError) as caught:
        call()
    assert str(caught.value).startswith(message)
