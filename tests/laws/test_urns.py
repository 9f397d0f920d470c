"""Laws of the loop that accumulates and of the loop that replaces: Polya's urn, and the drift of Wright and Fisher."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

import recsim as rs
from recsim.recipe import family

from .judge import (
    FIRST_SEED,
    SMALL,
    Ints,
    clicks_by_item,
    drift,
    expect,
    expect_counts,
    expect_share,
    polya,
    runs,
    sizes,
    zipf,
)


# -------------------------------------------------------------------------- P04: Polya's urn, the loop that accumulates
def urn(items: int, clicks: int, worlds: int) -> Ints:
    """Return the clicks by item of each world, (worlds, items): retrained after every click, served in proportion."""
    return np.array([clicks_by_item(run) for run in runs(polya(items, clicks), worlds)])


def compositions(total: int, parts: int) -> int:
    """Return in how many ways *total* clicks fall on *parts* items; 0 for a negative number."""
    return math.comb(total + parts - 1, parts - 1) if total >= 0 else 0


def urn_gini(items: int, clicks: int) -> float:
    """Return E[Gini] of clicks + 1: all compositions are equally likely, so |c_1 - c_2| is summed over all pairs."""
    ways = compositions(clicks, items)
    gap = sum(
        2 * (high - low) * compositions(clicks - high - low, items - 2) / ways
        for low in range(clicks // 2 + 1) for high in range(low + 1, clicks - low + 1)
    )  # fmt: skip
    return (items - 1) / 2 * gap / (items + clicks)


def urn_top_share(items: int, clicks: int) -> float:
    """Return E[largest share] of clicks + 1, by inclusion and exclusion over the items with more than m clicks."""
    ways = compositions(clicks, items)
    above = 0.0
    for m in range(clicks):
        terms = (
            (-1) ** (k + 1) * math.comb(items, k) * compositions(clicks - k * (m + 1), items)
            for k in range(1, items + 1)
        )
        above += sum(terms) / ways
    return (above + 1) / (items + clicks)


@sizes(("worlds", "clicks"), light=(80, 16), full=(1000, 200))
def test_urn_of_two_items_ends_anywhere(worlds: int, clicks: int) -> None:
    """With two items every number of clicks from 0 to t is equally likely: chi-square and Kolmogorov-Smirnov, 1e-4 each."""
    first = urn(2, clicks, worlds)[:, 0]
    cells = np.array_split(np.arange(clicks + 1), min(clicks + 1, worlds // 5))
    counts = np.bincount(first, minlength=clicks + 1)
    expect_counts([counts[cell].sum() for cell in cells], [len(cell) for cell in cells])
    spread = np.random.default_rng(FIRST_SEED).uniform(size=worlds)  # makes a uniform whole number a uniform real one
    assert stats.kstest((first + spread) / (clicks + 1), "uniform").pvalue > SMALL


@sizes(("worlds", "items", "clicks"), light=(40, 10, 40), full=(400, 10, 500))
def test_urn_concentrates(worlds: int, items: int, clicks: int) -> None:
    """Shares of N items after t clicks: E sum x^2 = 1 - (N-1)(N+t+1)/((N+1)(N+t)) = .18021 for N 10, t 500.

    The Gini index and the largest share are exact too, tending to .45 and H_N/N = .2929. Three 4-sigma tests, 6e-5 each.
    """
    counts = urn(items, clicks, worlds) + 1
    exact = 1 - (items - 1) * (items + clicks + 1) / ((items + 1) * (items + clicks))
    expect([rs.metrics.mean_popularity(row) for row in counts], exact)
    expect([rs.metrics.gini(row) for row in counts], urn_gini(items, clicks))
    expect([rs.metrics.top_share(row, 1 / items) for row in counts], urn_top_share(items, clicks))


def test_urn_expectations_tend_to_those_of_dirichlet() -> None:
    """The exact sums have the known limits: Gini .45 and largest share (1 + 1/2 + ... + 1/10)/10 for ten items."""
    assert urn_gini(10, 2000) == pytest.approx(0.45, abs=2e-3)
    assert urn_top_share(10, 20_000) == pytest.approx(sum(1 / k for k in range(1, 11)) / 10, abs=1e-3)


@sizes(("worlds", "clicks"), light=(40, 30), full=(200, 1000))
def test_urn_of_twenty(worlds: int, clicks: int) -> None:
    """The same for N 20: E sum x^2 = .094351 at t 1000; one 4-sigma test, 6e-5."""
    exact = 1 - 19 * (21 + clicks) / (21 * (20 + clicks))
    expect([rs.metrics.mean_popularity(row) for row in urn(20, clicks, worlds) + 1], exact)


# --------------------------------------------------------------- P05: Wright and Fisher's drift, the loop that replaces
PACES = {"regular": (rs.Regular(period=1), 1 / 20), "poisson": (rs.Poisson(rate=1), 0.0528)}


@sizes("worlds", light=40, full=400)
@pytest.mark.parametrize("pace", PACES)
def test_diversity_drifts_away(worlds: int, pace: str) -> None:
    """E H_t = H_0 (1 - E[1/B])^t for H = 1 - sum x^2: with 10 items and B = 20 .53886, .32264, .0415 at t = 10, 20, 60.

    H_0 is that of the start shares and the clicks of epoch e are the sample t = e + 1. B is 20 for regular visits;
    for a Poisson number, E[1/B | B > 0] = .05280 instead of .05. Three 4-sigma tests a case, 6e-5 each.
    """
    visits, inverse = PACES[pace]
    steps = [1, 10, 20] if worlds < 400 else [1, 10, 20, 60]
    lost = np.array([
        [1 - rs.metrics.mean_popularity(clicks_by_item(run, step - 1)) for step in steps]
        for run in runs(drift(np.full(10, 0.1), 20, steps[-1], visits=visits), worlds)
    ])  # fmt: skip
    for column, step in enumerate(steps):
        expect(lost[:, column], 0.9 * (1 - inverse) ** step)


@sizes(("worlds", "clicks", "epochs"), light=(40, 3, 40), full=(500, 10, 300))
def test_the_winner_is_a_matter_of_shares(worlds: int, clicks: int, epochs: int) -> None:
    """In the end one item has it all, and each is the one with a chance of its first share: four binomial tests, 6e-5 each.

    That it is decided after so many epochs is wrong in 2e-5 of the light suites, and in none of the full ones.
    """
    shares = (0.5, 0.2, 0.2, 0.1)
    last = np.array([clicks_by_item(run, epochs - 1) for run in runs(drift(shares, clicks, epochs), worlds)])
    assert (last.max(axis=1) == clicks).all(), "one item has it all"
    for item, share in enumerate(shares):
        expect_share((last.argmax(axis=1) == item).sum(), worlds, share)


@sizes("worlds", light=40, full=400)
def test_survivors_of_the_first_epoch(worlds: int) -> None:
    """Of 200 items of Zipf shares 97.208 are clicked in 300 clicks, and the next model can show no others; 4 sigma, 6e-5."""
    clicked = []
    for run in runs(drift(zipf(200), 300, 2), worlds):
        first, second = clicks_by_item(run, 0) > 0, clicks_by_item(run, 1) > 0
        assert not (second & ~first).any()
        clicked.append(200 * run.series("coverage_clicks").loc[0])
    expect(clicked, float((1 - (1 - zipf(200)) ** 300).sum()))


# -------------------------------------------------------------------- P04, P05: rules of training that are switched off
OFF = {"clip": 1}  # the strength at which a rule does nothing, where that is not 0
SILENT = {
    name: kind(**({kind.strength: OFF.get(kind.strength, 0)} if kind.strength else {}))
    for name, kind in family(rs.Rule).items()
    if kind is not rs.Window
}
URN, DRIFT = polya(10, 40), drift(np.full(10, 0.1), 20, 10)
LOOPS = {
    "urn": URN,
    "drift": DRIFT,
    "urn with human signal": URN.but(signals=(rs.OrganicLift(rate=0.3),)),
    "drift with human signal": DRIFT.but(signals=(rs.OrganicLift(rate=0.3),), policy=rs.EpsilonGreedy(epsilon=0.3)),
}


@sizes("worlds", light=1, full=20)
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("rule", [*SILENT, "all", "Window"])
def test_a_rule_that_is_off_leaves_the_laws_alone(worlds: int, rule: str, loop: str) -> None:
    """The loops of P04 and P05 give the same log byte by byte with a rule switched off, alone or with all; certain."""
    scenario = LOOPS[loop]
    rules = tuple(SILENT.values()) if rule == "all" else (SILENT.get(rule, rs.Window(last=99)),)
    other = scenario.but(training=(*rules, *scenario.training))
    for left, right in zip(runs(scenario, worlds), runs(other, worlds), strict=True):
        assert left.digest == right.digest


def test_rules_that_are_on_are_seen_by_these_loops() -> None:
    """The same rules with their usual strength change the log of a loop with human signal, all but WrongLabels alone."""
    scenario = LOOPS["urn with human signal"].but(recommender=rs.Popularity(prior=1), training=(rs.Window(last=5),))
    before = rs.run(scenario, seed=FIRST_SEED, progress=False).digest
    for kind in family(rs.Rule).values():
        if kind.strength and kind is not rs.WrongLabels:
            on = scenario.but(training=(rs.Window(last=5), kind()))
            assert rs.run(on, seed=FIRST_SEED, progress=False).digest != before, kind.__name__
