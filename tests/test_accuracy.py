"""Measures of lists against a hold-out: by a plain twin, at their ends, and properties for any lists."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim import metrics
from recsim.errors import RecsimError

ITEMS, DEEP = 8, 4
BASIC = [metrics.recall, metrics.precision, metrics.ndcg, metrics.hit_rate, metrics.reciprocal_rank]

a_list = st.permutations(range(ITEMS)).flatmap(lambda order: st.integers(0, DEEP).map(lambda n: order[:n] + [-1] * (DEEP - n)))
a_truth = st.sets(st.integers(0, ITEMS - 1), max_size=ITEMS)
cases = st.lists(st.tuples(a_list, a_truth), min_size=1, max_size=6)
Case = list[tuple[list[int], set[int]]]


def arrays(case: Case) -> tuple[Any, Any, Any]:
    """Return lists and held-out pairs as the measures take them."""
    pairs = [(user, item) for user, (_, truth) in enumerate(case) for item in truth]
    users, items = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array([shown for shown, _ in case]), np.array(users, np.int64), np.array(items, np.int64)


def plain(case: Case, one: Callable[[list[int], set[int]], float]) -> float:
    """Return the mean of a figure over users to whom something was held out, one after the other."""
    values = [one([item for item in shown if item >= 0], truth) for shown, truth in case if truth]
    return sum(values) / len(values) if values else math.nan


def dcg(flags: list[bool]) -> float:
    return sum(flag / math.log2(rank + 2) for rank, flag in enumerate(flags))


TWINS: dict[Callable[..., float], Callable[[list[int], set[int]], float]] = {
    metrics.recall: lambda shown, truth: len(set(shown) & truth) / len(truth),
    metrics.precision: lambda shown, truth: len(set(shown) & truth) / DEEP,
    metrics.ndcg: lambda shown, truth: dcg([i in truth for i in shown]) / dcg([True] * min(DEEP, len(truth))),
    metrics.hit_rate: lambda shown, truth: float(any(i in truth for i in shown)),
    metrics.reciprocal_rank: lambda shown, truth: next((1 / (r + 1) for r, i in enumerate(shown) if i in truth), 0.0),
}


@pytest.mark.parametrize("metric", BASIC, ids=lambda metric: metric.__name__)
@given(cases)
def test_a_plain_twin_agrees(metric: Callable[..., float], case: Case) -> None:
    """User by user with sets, the figure is the same, to 1e-12, and between 0 and 1."""
    value = metric(*arrays(case))
    assert value == pytest.approx(plain(case, TWINS[metric]), abs=1e-12, nan_ok=True)
    assert math.isnan(value) or 0 <= value <= 1 + 1e-12


@given(cases, st.lists(st.integers(0, 5), min_size=ITEMS, max_size=ITEMS))
def test_a_plain_twin_of_serendipity(case: Case, popularity: list[int]) -> None:
    """So is serendipity, its ranks by popularity counted one by one; it never exceeds precision."""

    def gain(shown: list[int], truth: set[int]) -> float:
        total = 0.0
        for rank, item in enumerate(shown, 1):
            place = 1 + len({other for other in popularity if other > popularity[item]})
            everybody = (ITEMS + 1 - place) / ITEMS if popularity[item] else 0.0
            total += (item in truth) * max((ITEMS + 1 - rank) / ITEMS - everybody, 0.0)
        return total / DEEP

    value = metrics.serendipity(*arrays(case), popularity=popularity)
    assert value == pytest.approx(plain(case, gain), abs=1e-12, nan_ok=True)
    assert math.isnan(value) or value <= metrics.precision(*arrays(case)) + 1e-12


@given(cases, st.permutations(range(ITEMS)), st.randoms(use_true_random=False))
def test_names_do_not_matter(case: Case, items: list[int], shuffler: Any) -> None:
    """Users in another order, items of other names and rows held out twice change nothing, to 1e-12."""
    renamed = [([items[i] if i >= 0 else -1 for i in shown], {items[i] for i in truth}) for shown, truth in case]
    shuffler.shuffle(renamed)
    lists, user, item = arrays(renamed)
    again = lists, np.concatenate([user, user]), np.concatenate([item, item])
    demand, moved = np.arange(ITEMS) % 3, np.empty(ITEMS, np.int64)
    moved[items] = demand
    for metric in BASIC:
        assert metric(*again) == pytest.approx(metric(*arrays(case)), abs=1e-12, nan_ok=True)
    for figure in (metrics.serendipity, metrics.recall_by_demand):
        assert np.array(figure(*again, moved)) == pytest.approx(figure(*arrays(case), demand), abs=1e-12, nan_ok=True)


@given(cases)
def test_longer_lists_find_no_less(case: Case) -> None:
    """Recall, hit rate and reciprocal rank never fall with k; precision times k never does."""
    lists, *held = arrays(case)
    for metric in (metrics.recall, metrics.hit_rate, metrics.reciprocal_rank):
        values = [metric(lists[:, :k], *held) for k in range(DEEP + 1)]
        assert math.isnan(values[0]) or (values[0] == 0 and (np.diff(values) >= -1e-12).all())
    found = [k * metrics.precision(lists[:, :k], *held) for k in range(DEEP + 1)]
    assert math.isnan(found[0]) or (np.diff(found) >= -1e-12).all()


@given(cases.filter(lambda case: any(truth for _, truth in case)))
def test_the_best_list_has_all(case: Case) -> None:
    """What was held out, put first, gives 1 in everything that it can; a list without it gives 0."""
    best = [((sorted(truth) + sorted(set(range(ITEMS)) - truth))[:DEEP], truth) for _, truth in case]
    for metric in (metrics.ndcg, metrics.hit_rate, metrics.reciprocal_rank):
        assert metric(*arrays(best)) == pytest.approx(1, abs=1e-12)
    worst = [([item for item in range(ITEMS) if item not in truth][:DEEP], truth) for _, truth in case]
    worst = [(shown + [-1] * (DEEP - len(shown)), truth) for shown, truth in worst]
    assert [metric(*arrays(worst)) for metric in BASIC] == [0] * 5


@given(cases, st.lists(st.integers(0, 9), min_size=ITEMS, max_size=ITEMS))
def test_recall_by_demand_adds_up(case: Case, demand: list[int]) -> None:
    """Recall of all groups, weighted by what was held out in each, is the share of all held-out pairs that were found."""
    lists, user, item = arrays(case)
    by_group = metrics.recall_by_demand(lists, user, item, demand, groups=4)
    held = np.bincount(metrics.deciles(demand, 4)[item], minlength=4)
    assert (np.isnan(by_group) == (held == 0)).all()
    found, _ = metrics.hits(lists, user, item)
    assert float((np.nan_to_num(by_group) * held).sum()) == pytest.approx(found.sum())


def test_popular_lists_are_not_serendipitous() -> None:
    """The most popular items in order surprise nobody, whatever was held out; reversed they do."""
    popularity = np.array([50, 40, 30, 20, 10])
    held = [0] * 5, range(5)
    assert metrics.serendipity([[0, 1, 2, 3, 4]], *map(list, held), popularity=popularity) == 0
    assert metrics.serendipity([[4, 3, 2, 1, 0]], *map(list, held), popularity=popularity) == pytest.approx((4 + 2) / 25)


def test_uniform_lists_hit_by_chance() -> None:
    """K of n items at random find k/n of what was held out, and hit one held-out item with that chance: 4 sigma, 6e-5 each."""
    rng, users, n, k = np.random.default_rng(5), 4000, 50, 5
    lists = np.argsort(rng.random((users, n)), axis=1)[:, :k]
    held = np.arange(users), rng.integers(0, n, users)
    error = math.sqrt(k / n * (1 - k / n) / users)
    assert abs(metrics.recall(lists, *held) - k / n) < 4 * error
    assert metrics.hit_rate(lists, *held) == metrics.recall(lists, *held)
    exact = sum(1 / r for r in range(1, k + 1)) / n
    spread = math.sqrt(sum(1 / r**2 for r in range(1, k + 1)) / n - exact**2)
    assert abs(metrics.reciprocal_rank(lists, *held) - exact) < 4 * spread / math.sqrt(users)


def test_nothing_held_out_is_nan() -> None:
    """Without a hold-out, or without users, there is nothing to measure; an empty list finds nothing."""
    for metric in BASIC:
        assert math.isnan(metric([[1, 2]], [], []))
        assert math.isnan(metric(np.zeros((0, 3), int), [], []))
        assert metric([[-1, -1]], [0], [1]) == 0
        assert metric(np.zeros((1, 0), int), [0], [1]) == 0
    assert np.isnan(metrics.recall_by_demand([[1, 2]], [], [], [1, 2, 3])).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.recall([[1, 1]], [0], [1]), "recommended: a list holds an item twice"),
        (lambda: metrics.recall([1, 1], [0], [1]), "recommended: has 1 dimensions instead of 2"),
        (lambda: metrics.recall([[-2]], [0], [1]), "recommended: -2 is below -1"),
        (lambda: metrics.recall([[0.5]], [0], [1]), "recommended: holds float64, not places"),
        (lambda: metrics.ndcg([[1]], [1], [1]), "held_user: 1 is no place among 1"),
        (lambda: metrics.ndcg([[1]], [0], [-1]), "held_item: -1 is below 0"),
        (lambda: metrics.hit_rate([[1]], [0, 0], [1]), "item: there are 1 for 2 rows"),
        (lambda: metrics.serendipity([[4]], [0], [1], [1, 2]), "recommended: 4 is no place among 2"),
        (lambda: metrics.recall_by_demand([[0]], [0], [3], [1, 2]), "held_item: 3 is no place among 2"),
    ],
)
def test_mistakes_have_a_name(call: Callable[[], object], message: str) -> None:
    """Every mistake names the argument and the value, in one line."""
    with pytest.raises(RecsimError) as caught:
        call()
    assert str(caught.value).startswith(message)
