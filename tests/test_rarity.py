"""Rare cases and volume-honest figures: by pencil, by enumeration, by Monte Carlo, and properties for any counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from recsim import metrics
from recsim.errors import RecsimError

Counts = npt.NDArray[np.int64]

any_counts = st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any).map(np.array)
two_counts = st.integers(1, 30).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 99), min_size=n, max_size=n)] * 2))
def shuffled(shuffler: object, size: int) -> Counts:
    return np.argsort([shuffler.random() for _ in range(size)])  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------- the Lorenz curve


@given(any_counts)
def test_lorenz_curve_is_the_gini_index(counts: Counts) -> None:
    """Twice the area between the curve and the diagonal is the Gini index, to 1e-12; the curve is convex, below the diagonal."""
    items, exposure = metrics.lorenz(counts)
    area = float(((exposure[1:] + exposure[:-1]) / 2 * np.diff(items)).sum())
    assert 1 - 2 * area == pytest.approx(metrics.gini(counts), abs=1e-12)
    assert (exposure[0], exposure[-1], items[0], items[-1]) == (0, 1, 0, 1)
    assert (np.diff(exposure, 2) >= -1e-12).all()
    assert (exposure <= items + 1e-12).all()


@given(any_counts, st.integers(2, 4))
def test_lorenz_curve_of_copies(counts: Counts, copies: int) -> None:
    """Replacing each item by copies leaves the curve where it was, with more points on it."""
    _, exposure = metrics.lorenz(counts)
    _, finer = metrics.lorenz(np.repeat(counts, copies))
    assert finer[::copies] == pytest.approx(exposure, abs=1e-12)


# -------------------------------------------------------------------------------------------------- rarefaction


@given(st.lists(st.integers(0, 4), min_size=1, max_size=5).filter(any), st.data())
def test_rarefied_coverage_by_enumeration(counts: list[int], data: st.DataObject) -> None:
    """It is the mean coverage over all samples of that many exposures, one by one, to 1e-12."""
    exposures = np.repeat(np.arange(len(counts)), counts)[:9]
    counts = np.bincount(exposures, minlength=len(counts)).tolist()
    draws = data.draw(st.integers(0, len(exposures)))
    mean = np.mean([len(set(sample)) for sample in combinations(exposures, draws)]) / len(counts)
    assert metrics.rarefied_coverage(counts, draws) == pytest.approx(mean, abs=1e-12)


@given(any_counts, st.data())
def test_rarefied_coverage_rises_to_coverage(counts: Counts, data: st.DataObject) -> None:
    """It rises with the draws, by less and less, from none to the coverage of all; one draw sees one item."""
    total = int(counts.sum())
    draws = data.draw(st.integers(0, max(0, total - 2)))
    rise = [metrics.rarefied_coverage(counts, n) for n in range(draws, min(draws + 3, total + 1))]
    assert (np.diff(rise) >= -1e-12).all()
    assert (np.diff(rise, 2) <= 1e-12).all()
    assert metrics.rarefied_coverage(counts, 0) == 0
    assert metrics.rarefied_coverage(counts, 1) == pytest.approx(1 / len(counts), abs=1e-12)
    assert metrics.rarefied_coverage(counts, total) == pytest.approx(metrics.coverage(counts), abs=1e-12)


@pytest.mark.parametrize("draws", [1, 1000, 10**5, 2 * 10**6])
def test_rarefied_coverage_of_many_exposures(draws: int) -> None:
    """Of 10^7 exposures it is, for few draws, that of draws with repeats: n^2 / V at most are drawn again, and n / V of a chance.

    Logarithms of factorials would leave errors of 1e-8 here; for one draw it is exact.
    """
    counts = np.floor(10**7 / np.arange(1, 101) / 5.187)
    chances = counts / counts.sum()
    expected = -np.expm1(draws * np.log1p(-chances)).mean()
    assert metrics.rarefied_coverage(counts, draws) == pytest.approx(expected, abs=1e-12 + (draws > 1) * draws / 10**7)


def test_rarefied_coverage_makes_volumes_comparable() -> None:
    """A feed seen ten times as long covers more; at the volume of the shorter one the two agree. 4 sigma of 400 worlds, 6e-5."""
    rng, shares = np.random.default_rng(3), 1 / np.arange(1, 201)
    short = rng.multinomial(200, shares / shares.sum(), size=400)
    long = rng.multinomial(2000, shares / shares.sum(), size=400)
    gap = np.array([metrics.rarefied_coverage(x, 200) for x in long]) - [metrics.coverage(x) for x in short]
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / 20
    assert np.mean([metrics.coverage(x) for x in long]) > 2 * np.mean([metrics.coverage(x) for x in short])


# ------------------------------------------------------------------------------------------------- against demand


@given(two_counts, st.floats(0.05, 1), st.randoms(use_true_random=False))
def test_tail_share(tables: tuple[list[int], list[int]], head: float, shuffler: object) -> None:
    """Between 0 and 1; the tail has at most 1 - head of demand itself; numbers of items do not matter, even where demand ties."""
    counts, demand = map(np.array, tables)
    if not (counts.any() and demand.any()):
        assert math.isnan(metrics.tail_share(counts, demand, head))
        return
    value, order = metrics.tail_share(counts, demand, head), shuffled(shuffler, len(counts))
    assert -1e-12 <= value <= 1 + 1e-12
    assert metrics.tail_share(demand, demand, head) <= 1 - head + 1e-9
    assert metrics.tail_share(counts[order], demand[order], head) == pytest.approx(value, abs=1e-12)
    assert metrics.tail_share(counts * 7, demand * 3, head) == pytest.approx(value, abs=1e-9)


def test_tail_by_pencil() -> None:
    """The head is the fewest items that hold the share, ties at its edge are divided, and rounding takes none in too many."""
    assert metrics.tail([1, 3, 2, 4], head=0.7).tolist() == [1, 0, 1, 0]
    assert metrics.tail(np.full(10, 0.1), head=0.8) == pytest.approx(np.full(10, 0.2))
    assert metrics.tail([5, 0, 0], head=1).tolist() == [0, 1, 1]
    assert metrics.tail([1, 1], head=1).tolist() == [0, 0]


@given(two_counts, st.randoms(use_true_random=False))
def test_divergence_from_demand(tables: tuple[list[int], list[int]], shuffler: object) -> None:
    """As SciPy has it, to 1e-9; symmetric, between 0 and 1, 0 from itself, and the same for items renamed."""
    counts, demand = map(np.array, tables)
    if not (counts.any() and demand.any()):
        assert math.isnan(metrics.demand_divergence(counts, demand))
        return
    value, order = metrics.demand_divergence(counts, demand), shuffled(shuffler, len(counts))
    assert 0 <= value <= 1
    assert metrics.demand_divergence(demand, counts) == pytest.approx(value, abs=1e-12)
    assert metrics.demand_divergence(counts * 3, counts) == pytest.approx(0, abs=1e-12)
    assert metrics.demand_divergence(counts[order], demand[order]) == pytest.approx(value, abs=1e-12)
    with np.errstate(invalid="ignore"):  # SciPy takes the root of a number that rounding has put below 0
        theirs = np.nan_to_num(jensenshannon(counts, demand, base=2)) ** 2
    assert value == pytest.approx(theirs, abs=1e-9)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.integers(1, 12), st.randoms(use_true_random=False))
def test_deciles(demand: list[int], groups: int, shuffler: object) -> None:
    """More demand is never in a lower group, as much is in the same, and distinct demands fill groups evenly."""
    wanted, order = np.array(demand), shuffled(shuffler, len(demand))
    group = metrics.deciles(wanted, groups)
    below, alike = ([sum(compare(other, own) for other in demand) for own in demand] for compare in (int.__lt__, int.__eq__))
    twice = [2 * less + same - 1 for less, same in zip(below, alike, strict=True)]
    assert group.tolist() == [groups * rank // (2 * len(demand)) for rank in twice]
    assert 0 <= group.min() <= group.max() < groups
    assert (np.diff(group[np.argsort(wanted, kind="stable")]) >= 0).all()
    assert (metrics.deciles(wanted[order], groups) == group[order]).all()
    assert len({(w, g) for w, g in zip(demand, group.tolist(), strict=True)}) == len(set(demand))
    sizes = np.bincount(metrics.deciles(np.arange(len(demand)), groups), minlength=groups)
    assert sizes.max() - sizes.min() <= 1


# ------------------------------------------------------------------------------------------------------- what dies


def test_extinct_items_by_pencil() -> None:
    """What was not shown in the last n epochs is extinct, if it was out for as long; rows before them do not matter."""
    table = np.array([[9, 0, 1, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 3, 0], [2, 0, 0, 0, 0]])
    assert [metrics.extinct_items(table, n) for n in (1, 2, 3, 4)] == [4, 3, 3, 2]
    assert [metrics.extinct_items(table, n, released=[0, 0, 0, 0, 2]) for n in (1, 2, 3, 4)] == [4, 3, 2, 1]
    assert metrics.extinct_items(table[:, table.any(axis=0)], 3) == 1
    assert math.isnan(metrics.extinct_items(table, 5))


@given(st.lists(st.lists(st.integers(0, 1), min_size=6, max_size=6), min_size=1, max_size=8), st.integers(1, 8))
def test_longer_waiting_finds_fewer_extinct(table: list[list[int]], epochs: int) -> None:
    """What was not shown for n + 1 epochs was not shown for n; the last epoch alone gives the items it did not cover."""
    longer, shorter = metrics.extinct_items(table, epochs + 1), metrics.extinct_items(table, epochs)
    assert math.isnan(longer) or longer <= shorter
    assert metrics.extinct_items(table, 1) == pytest.approx(6 * (1 - metrics.coverage(table[-1])))


def test_half_life_of_exponential_clicks() -> None:
    """Clicks that fall off at a rate r have a half-life of ln 2 / r after release.

    The sample median of 1,001 exponentials has a standard deviation of 1 / (r sqrt(1001)); the median over 400 items of it
    is within 4 x 1.2533 / 20 of that (false alarm 6e-5).
    """
    rng, clicks, items, rate = np.random.default_rng(4), 1001, 400, 0.3
    released = rng.random(items) * 50
    item = np.repeat(np.arange(items), clicks)
    time = released[item] + rng.exponential(1 / rate, len(item))
    found = metrics.half_life(item, time, released=released)
    assert found == pytest.approx(math.log(2) / rate, abs=4 * 1.2533 / 20 / (rate * math.sqrt(clicks)))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20)), max_size=40), st.randoms(use_true_random=False))
def test_half_life_one_item_at_a_time(rows: list[tuple[int, int]], shuffler: object) -> None:
    """It is the median of what each item's own clicks give; neither order nor names matter; counts by epoch will do."""
    ages = []
    for name in {item for item, _ in rows}:
        own = sorted(time for item, time in rows if item == name)
        if len(own) >= 2:
            ages.append(own[(len(own) + 1) // 2 - 1] - own[0])
    item, time = (np.array(column, np.int64) for column in (zip(*rows, strict=True) if rows else ((), ())))
    value = metrics.half_life(item, time)
    assert value == (pytest.approx(np.median(ages)) if ages else pytest.approx(math.nan, nan_ok=True))
    order = shuffled(shuffler, len(rows))
    assert metrics.half_life(9 - item[order], time[order]) == pytest.approx(value, nan_ok=True)
    table = np.zeros((6, 21), np.int64)
    np.add.at(table, (item, time), 1)
    by_epoch = metrics.half_life(*np.nonzero(np.ones_like(table)), clicks=table.ravel())
    assert by_epoch == pytest.approx(value, nan_ok=True)


def test_low_welfare() -> None:
    """Nine tenths of the users are at least as well off; those who consumed nothing, and scale, are seen to."""
    utility = np.arange(101.0)
    assert metrics.low_welfare(utility) == pytest.approx(10)
    assert metrics.low_welfare(utility, np.full(101, 2)) == pytest.approx(5)
    assert metrics.low_welfare(utility, np.arange(101) > 50) == pytest.approx(51 + 4.9)
    assert metrics.low_welfare([-3.0, -1.0], share=1) == -1
    assert math.isnan(metrics.low_welfare([0.0, 0.0], [0, 0]))
    assert math.isnan(metrics.low_welfare([]))


def test_creators() -> None:
    """Exposure of creators adds up; those without exposure are there, in counts and in tables by epoch."""
    table, creator = np.array([[3, 0, 1, 0], [0, 0, 2, 0]]), [2, 0, 0, 1]
    by_epoch = metrics.by_creator(table, creator, creators=4)
    assert by_epoch.tolist() == [[1, 0, 3, 0], [2, 0, 0, 0]]
    assert metrics.by_creator(table.sum(axis=0), creator, creators=4).tolist() == by_epoch.sum(axis=0).tolist()
    assert metrics.by_creator(table[0], creator).tolist() == [1, 0, 3]
    assert metrics.by_creator(np.zeros((0, 4)), creator).shape == (0, 3)
    assert metrics.coverage(by_epoch[0]) == 0.5
    assert metrics.extinct_items(by_epoch, 1) == 3


# ----------------------------------------------------------------------------------------------- edges and errors


def test_nothing_is_nan() -> None:
    """Where there is nothing to measure the answer is NaN, without a warning."""
    assert math.isnan(metrics.rarefied_coverage([], 0))
    assert math.isnan(metrics.rarefied_coverage([1, 2], 4))
    assert metrics.rarefied_coverage([0, 0], 0) == 0
    assert np.isnan(metrics.lorenz([0, 0])[1]).all()
    assert np.isnan(metrics.tail([0, 0])).all()
    assert math.isnan(metrics.tail_share([0, 0], [1, 2]))
    assert math.isnan(metrics.tail_share([], []))
    assert math.isnan(metrics.demand_divergence([], []))
    assert math.isnan(metrics.half_life([], []))
    assert metrics.deciles([]).tolist() == []
    assert metrics.extinct_items(np.zeros((3, 0)), 2) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.lorenz([]), "counts: there are no items"),
        (lambda: metrics.lorenz([1, -1]), "counts: -1 is below 0"),
        (lambda: metrics.rarefied_coverage([0.5], 0), "counts: some are not whole numbers"),
        (lambda: metrics.rarefied_coverage([3], -1), "draws: -1 is not a number of draws"),
        (lambda: metrics.tail_share([1, 2], [1]), "demand: there are 1 for 2 items"),
        (lambda: metrics.tail_share([1], [1], head=0), "head: 0 is not a share of the demand"),
        (lambda: metrics.demand_divergence([1], [1, 2]), "demand: there are 2 for 1 items"),
        (lambda: metrics.extinct_items([1, 2], 1), "table: has 1 dimensions instead of 2"),
        (lambda: metrics.extinct_items([[1, 2]], 0), "epochs: 0 is not a number of epochs"),
        (lambda: metrics.extinct_items([[1, -2]], 1), "table: -2 is below 0"),
        (lambda: metrics.extinct_items([[1, 2]], 1, released=[0]), "released: there are 1 for 2 items"),
        (lambda: metrics.half_life([0.5], [1]), "item: holds float64, not places"),
        (lambda: metrics.half_life([0], [math.nan]), "time: give one finite number for each of the 1 rows"),
        (lambda: metrics.half_life([0, 1], [1, 2], clicks=[1]), "clicks: there are 1 for 2 rows"),
        (lambda: metrics.half_life([0, 3], [1, 2], released=[0, 0]), "item: 3 is no place among 2"),
        (lambda: metrics.low_welfare([[1]]), "utility: its shape is (1, 1)"),
        (lambda: metrics.low_welfare([math.inf]), "utility: its shape is (1,)"),
        (lambda: metrics.low_welfare([1, 2], [1]), "consumed: there are 1 for 2 users"),
        (lambda: metrics.low_welfare([1], share=2), "share: 2 is not a share of the users"),
        (lambda: metrics.by_creator([1, 2], [0]), "creator: there are 1 for counts of shape (2,)"),
        (lambda: metrics.by_creator([1], [3], creators=3), "creator: 3 is no place among 3"),
        (lambda: metrics.by_creator([1], [-1]), "creator: -1 is below 0"),
        (lambda: metrics.deciles([1], groups=0), "groups: 0 is not a number of groups"),
        (lambda: metrics.jensen_shannon([[1, 2]], [[1]]), "q: its shape is (1, 1), that of p (1, 2)"),
    ],
)
def test_mistakes_have_a_name(call: Callable[[], object], message: str) -> None:
    """Every mistake names the argument and the value, in one line."""
    with pytest.raises(RecsimError) as caught:
        call()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
