"""Laws of what a feed shows: coverage, exposure by rank, the list it commits itself to, and its hit rate on its own clicks."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from scipy import stats

import recsim as rs

from .judge import (
    Floats,
    Ints,
    Slates,
    alike,
    clicks_by_item,
    expect,
    expect_counts,
    expect_share,
    runs,
    sizes,
    zipf,
)

# ---------------------------------------------------------------------------- P02: coverage under uniform random slates
UNIFORM = {
    "random": {"start": rs.Random(), "policy": rs.Greedy()},
    "explore": {"start": rs.Popularity(), "policy": rs.EpsilonGreedy(epsilon=1)},
    "mixed": {"start": rs.Random(), "policy": rs.EpsilonGreedy(epsilon=0.3)},
    "flat": {"start": rs.Popularity(prior=1), "policy": rs.Proportional(exponent=0)},
}


@sizes("worlds", light=40, full=400)
@pytest.mark.parametrize("feed", UNIFORM)
@pytest.mark.parametrize(
    ("items", "slate", "visits", "exact"), [(200, 10, 50, 0.923055), (100, 5, 20, 0.641514), (1000, 10, 100, 0.633968)]
)
def test_coverage_of_random_slates(worlds: int, feed: str, items: int, slate: int, visits: int, exact: float) -> None:
    """M uniform slates of k of n items without repeats cover 1 - (1 - k/n)^m of them; one 4-sigma test (6e-5) a case."""
    assert 1 - (1 - slate / items) ** visits == pytest.approx(exact, abs=1e-6)
    scenario = alike(items, visits, slate=slate, **UNIFORM[feed])
    expect([run.metrics["coverage"] for run in runs(scenario, worlds)], exact)


@sizes("worlds", light=40, full=400)
@pytest.mark.parametrize("policy", [rs.Greedy(), rs.Proportional()], ids=lambda policy: policy.kind)
def test_coverage_of_unequal_draws(worlds: int, policy: rs.Policy) -> None:
    """M draws with shares p cover sum 1 - (1 - p_i)^m items: 97.208 of 200 for Zipf and m = 300; one 4-sigma test (6e-5)."""
    exact = float((1 - (1 - zipf(200)) ** 300).sum())
    assert exact == pytest.approx(97.208, abs=5e-4)
    scenario = alike(200, 300, start=rs.Shares(shares=tuple(zipf(200))), policy=policy)
    expect([200 * run.metrics["coverage"] for run in runs(scenario, worlds)], exact)


# ---------------------------------------------------------------------- P03: the fixed point of epsilon-greedy exposure
def exposure_by_rank(items: int, slate: int, epsilon: float) -> Floats:
    """Return each rank's share of all exposure, (items,), when slates are filled from the top without repeats.

    A sum over all ways to fill a slate. What can be best left is among the first *slate* ranks, so it is enough to
    know which of those are placed; the other items are all in the same case.
    """
    shown, ways = np.zeros(items), {frozenset[int](): 1.0}
    for position in range(slate):
        further: dict[frozenset[int], float] = defaultdict(float)
        for placed, chance in ways.items():
            left = [rank for rank in range(slate) if rank not in placed]
            explored = epsilon / (items - position)
            for rank in left:
                here = chance * ((1 - epsilon) * (rank == left[0]) + explored)
                shown[rank] += here
                further[placed | {rank}] += here
            others = items - position - len(left)
            shown[slate:] += chance * explored * others / (items - slate)
            further[placed] += chance * explored * others
        ways = further
    return shown / slate


@sizes("worlds", light=10, full=400)
@pytest.mark.parametrize(("slate", "gini"), [(1, 0.882), (5, 0.81331)])
def test_exposure_under_epsilon_greedy(worlds: int, slate: int, gini: float) -> None:
    """A list locked by luck has, for epsilon .1 and 50 items, the exposure by rank that follows position by position.

    One slot: (1 - eps) + eps/N and eps/N, Gini (1 - eps)(N - 1)/N = .882. Five slots: Gini .81331, summed over all ways
    (a simulation lies above it, as finite counts are more unequal). Taken in the order of the ranks the Gini is linear
    in the exposures, so unbiased. A 4-sigma test for it, a binomial one for each place of the list (6e-5 each), one
    chi-square (1e-4) for all others being alike.
    """
    items, epsilon, visits = 50, 0.1, 4000
    exact = exposure_by_rank(items, slate, epsilon)
    assert exact.sum() == pytest.approx(1)
    assert rs.metrics.gini(exact) == pytest.approx(gini, abs=5e-6)
    scenario = alike(
        items, visits, days=2, slate=slate, recommender=rs.Popularity(), policy=rs.EpsilonGreedy(epsilon=epsilon),
        log="impressions",
    )  # fmt: skip
    exposure = np.zeros((worlds, items))
    for row, run in zip(exposure, runs(scenario, worlds), strict=True):
        slates = Slates.of(run, epoch=1)
        others = np.setdiff1d(np.arange(items), slates.list)
        row[:] = np.bincount(slates.item.ravel(), minlength=items)[np.concatenate([slates.list, others])]
    share = exposure / exposure.sum(axis=1, keepdims=True)
    expect(share @ np.arange(items - 1, -items, -2) / items, rs.metrics.gini(exact))
    for rank in range(slate):
        expect_share(exposure[:, rank].sum(), visits * worlds, slate * exact[rank])
    expect_counts(exposure[:, slate:].sum(axis=0), np.ones(items - slate))


@sizes("worlds", light=40, full=400)
def test_coverage_under_epsilon_greedy(worlds: int) -> None:
    """M impressions of one slot cover [1 + (N - 1)(1 - (1 - eps/N)^m)]/N: .635982 for N 100, eps .1, m 1000; 4 sigma, 6e-5."""
    exact = (1 + 99 * (1 - (1 - 0.1 / 100) ** 1000)) / 100
    assert exact == pytest.approx(0.635982, abs=1e-6)
    scenario = alike(100, 1000, days=2, recommender=rs.Popularity(), policy=rs.EpsilonGreedy(epsilon=0.1))
    expect([run.series("coverage").loc[1] for run in runs(scenario, worlds)], exact)


# -------------------------------------------------------------------------------------- P10: explore first, then commit
BETTER, WORSE = 0.3, 0.2


def wrong(better: int, worse: int) -> float:
    """Return the probability that the worse item has the higher click rate after so many impressions each; ties count half.

    An item that was never shown has rate 0.
    """
    good, bad = np.arange(better + 1), np.arange(worse + 1)
    joint = np.outer(stats.binom.pmf(good, better, BETTER), stats.binom.pmf(bad, worse, WORSE))
    cross = bad * max(better, 1) - good[:, None] * max(worse, 1)  # whole numbers, so that ties are ties
    return float(joint[cross > 0].sum() + joint[cross == 0].sum() / 2)


def committed(slate: int, visits: int, worlds: int) -> Ints:
    """Return the item, (worlds,), to which a click-rate feed commits itself after so many visits to a random feed."""
    scenario = alike(
        2, visits, days=2, slate=slate, choice=rs.Given(theta=(BETTER, WORSE), bias="none"),
        recommender=rs.Popularity(score="click_rate"), log="impressions",
    )  # fmt: skip
    items = []
    for run in runs(scenario, worlds):
        explored, top = Slates.of(run, 0).item, Slates.of(run, 1).item[:, 0]
        assert (top == top[0]).all()
        if slate == 2:
            assert (np.bincount(explored.ravel()) == visits).all()
        items.append(top[0])
    return np.array(items)


@sizes("worlds", light=100, full=3000)
@pytest.mark.parametrize(("visits", "exact"), [(5, 0.36278), (20, 0.23373), (100, 0.05063)])
def test_explore_then_commit(worlds: int, visits: int, exact: float) -> None:
    """After m impressions each the worse of (.3, .2) leads with .36278, .23373, .05063 for m 5, 20, 100: binomial, 6e-5.

    Two items on a slate of two, positions without bias, give exactly m impressions of each in m visits; what the feed
    has committed itself to is the top of its list afterwards.
    """
    assert wrong(visits, visits) == pytest.approx(exact, abs=5e-6)
    expect_share((committed(2, visits, worlds) == 1).sum(), worlds, exact)


@sizes("worlds", light=100, full=3000)
@pytest.mark.parametrize("visits", [10, 40])
def test_explore_one_at_a_time_then_commit(worlds: int, visits: int) -> None:
    """The same with one position: impressions of the better are Bin(visits, 1/2), over which P(wrong) is summed; 6e-5 a case."""
    shown = np.arange(visits + 1)
    exact = float(stats.binom.pmf(shown, visits, 0.5) @ [wrong(number, visits - number) for number in shown])
    expect_share((committed(1, visits, worlds) == 1).sum(), worlds, exact)


# ---------------------------------------------------------------------------------------- P11: the benchmark looks fine
@sizes(("worlds", "visits"), light=(3, 2000), full=(50, 2000))
def test_the_benchmark_looks_fine(worlds: int, visits: int) -> None:
    """Hit rate at 1 of a popularity feed is 1 - eps + eps/N = .902 on its own clicks and 1/N = .02 on an organic log.

    Fifty items that all like alike, a tenth of the positions left to chance. The organic log is that of the same people,
    items and seed where everybody searches for herself. Two binomial tests, 6e-5 each; the gap is the illusion.
    """
    items, epsilon = 50, 0.1
    feed = alike(items, visits, days=2, recommender=rs.Popularity(), policy=rs.EpsilonGreedy(epsilon=epsilon))
    hits = {"own": 0, "organic": 0}
    for own, organic in zip(
        runs(feed, worlds), runs(feed.but(signals=(rs.OrganicLift(rate=1),)), worlds), strict=True
    ):
        assert (organic.clicks["origin"] == rs.Origin.ORGANIC).all()
        rows = own.clicks[own.clicks["epoch"] == 1]
        (top,) = rows.loc[rows["origin"] == rs.Origin.MODEL, "item"].unique()
        assert clicks_by_item(own, 0)[top] == clicks_by_item(own, 0).max()
        hits["own"] += clicks_by_item(own, 1)[top]
        hits["organic"] += clicks_by_item(organic, 1)[top]
    expect_share(hits["own"], worlds * visits, 1 - epsilon + epsilon / items)
    expect_share(hits["organic"], worlds * visits, 1 / items)
