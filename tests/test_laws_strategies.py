"""Exact laws of exploration and of what is trained on, each seen from outside: a scenario in, a run out, nothing else.

Two sizes each, as in `test_laws`; how they are judged stands in `judge`.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from runpy import run_path
from typing import Any

import numpy as np
import pytest
from judge import (
    FIRST_SEED,
    Floats,
    Ints,
    Slates,
    alike,
    clicks_by_item,
    drift,
    expect,
    expect_same,
    expect_share,
    polya,
    runs,
    sizes,
)
from scipy import stats

import recsim as rs
from recsim import policies
from recsim.catalog import Items
from recsim.recipe import family


# ------------------------------------------------------- P06: reinforcement with an exponent, retrained after every click
def reinforced(exponent: float, clicks: int, worlds: int) -> Ints:
    """Return counts with one more for each of ten items, (worlds, items), by a simulation of the law that shares no code.

    Each click falls on an item in proportion to its count to the power *exponent*.
    """
    chance = np.random.default_rng([FIRST_SEED, round(10 * exponent)])
    counts = np.ones((worlds, 10), np.int64)
    for _ in range(clicks):
        reach = np.cumsum(counts**exponent, axis=1)
        picked = (reach < chance.uniform(size=(worlds, 1)) * reach[:, -1:]).sum(axis=1)
        counts[np.arange(worlds), picked] += 1
    return counts


def ginis(counts: Ints) -> Floats:
    """Return the Gini index of every row of counts."""
    return np.array([rs.metrics.gini(row) for row in counts])


PUBLISHED = {0.0: 0.029, 0.5: 0.073, 0.8: 0.218, 1.0: 0.449, 1.2: 0.719, 2.0: 0.894}  # mean Gini after 3000 clicks


@sizes("worlds", light=200, full=4000)
@pytest.mark.parametrize("exponent", PUBLISHED)
def test_the_reference_gives_the_known_concentration(worlds: int, exponent: float) -> None:
    """The plain simulation that the loop is held to has the known mean Gini after 3000 clicks, to its three digits.

    A known figure is a mean of a few hundred worlds itself: 4 standard errors of both samples, taken as 200 worlds for the
    known one, and half a digit for its rounding (6e-5 a case).
    """
    gini = ginis(reinforced(exponent, 3000, worlds))
    error = gini.std(ddof=1) * math.sqrt(1 / worlds + 1 / 200)
    assert abs(gini.mean() - PUBLISHED[exponent]) <= 4 * error + 5e-4


def reinforced_by_the_loop(exponent: float, clicks: int, worlds: int) -> tuple[Floats, Floats]:
    """Return the Gini indices, (worlds,), after a quarter of the clicks and after all, one more for each item."""
    scenario = polya(10, clicks, policy=rs.Proportional(exponent=exponent))
    quarter, whole = [], []
    for run in runs(scenario, worlds):
        quarter.append(np.bincount(run.clicks["item"][: clicks // 4], minlength=10) + 1)
        whole.append(clicks_by_item(run) + 1)
    return ginis(np.array(quarter)), ginis(np.array(whole))


@sizes(("worlds", "clicks", "exponents"), light=(30, 80, (0.0, 1.0, 2.0)), full=(100, 600, tuple(PUBLISHED)))
def test_reinforcement_with_an_exponent(worlds: int, clicks: int, exponents: tuple[float, ...]) -> None:
    """Served in proportion to count^gamma, the loop concentrates as the law does; two 4-sigma tests a gamma, 6e-5 each.

    After a quarter of the clicks and after all; the exact mean is that of 4000 worlds of a plain simulation, its own error
    included. Mean Gini rises strictly with gamma. As clicks go on it falls for gamma up to .5 and rises above 1. Each of these
    differences, paired by seed, is more than 3 standard errors; they are 6 or more in expectation.
    """
    final = []
    for exponent in exponents:
        early, late = reinforced_by_the_loop(exponent, clicks, worlds)
        expect_same(early, ginis(reinforced(exponent, clicks // 4, 4000)))
        expect_same(late, ginis(reinforced(exponent, clicks, 4000)))
        assert exponent >= 0.8 or _sigmas(early - late) > 3
        assert exponent <= 1 or _sigmas(late - early) > 3
        final.append(late)
    for less, more in pairwise(final):
        assert _sigmas(more - less) > 3
        assert (more > less).mean() >= 0.8


def _sigmas(sample: Floats) -> float:
    return float(sample.mean() / sample.std(ddof=1) * math.sqrt(len(sample)))


# --------------------------------------------------------------------------------- P10: explore first, then commit
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


# ----------------------------------------------------------------------------------- P11: the benchmark looks fine
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


# ------------------------------------------------------------------ P14: two urns, a best-seller and one's own choice
class _TwoUnequal(rs.SyntheticItems):
    """Two items of one topic whose appeals are *share* and the rest."""

    items: int = 2
    topics: int = 1
    mainstream: int = 0
    share: float = 0.5

    def draw(self, randomness: Any) -> Items:
        """Return them."""
        return Items(np.arange(2, dtype=np.uint32), np.ones((2, 1)), np.array([self.share, 1 - self.share]))


def best_seller(appeal: float, follow: float, clicks: int) -> Floats:
    """Return the chance of each number of clicks on the first item, (clicks + 1,), click by click.

    The best-seller is recommended, either of two that sold alike by a coin; it is followed with chance *follow*, else the
    first item is picked with chance *appeal*.
    """
    chance = np.ones(1)
    for sold in range(clicks):
        first = np.arange(sold + 1)
        leads = (np.sign(2 * first - sold) + 1) / 2
        up = follow * leads + (1 - follow) * appeal
        chance = np.append(chance * (1 - up), 0.0) + np.append(0.0, chance * up)
    return chance


def limits(chance: Floats) -> tuple[float, float, float]:
    """Return the probability that the first item leads, counting ties half, and its mean share where it leads and where not.

    The share where it is not the best-seller is NaN where that never happens, to 1e-9.
    """
    share = np.arange(len(chance)) / (len(chance) - 1)
    leads = chance * (np.sign(share - 0.5) + 1) / 2
    other = chance - leads
    return leads.sum(), leads @ share / leads.sum(), other @ share / other.sum() if other.sum() > 1e-9 else math.nan


URNS = {(0.7, 0.5): (0.85, 0.35), (0.55, 0.75): (0.8875, 0.1375), (0.7, 0.2): (0.76, math.nan)}


@pytest.mark.parametrize(("appeal", "follow"), URNS)
def test_two_urns_tend_to_their_limits(appeal: float, follow: float) -> None:
    """The chances that the loop is held to have the known limits p(1-r) + r and p(1-r); deterministic, within .002."""
    high, low = URNS[appeal, follow]
    leads, above, below = limits(best_seller(appeal, follow, 3000))
    assert above == pytest.approx(high, abs=2e-3)
    if math.isnan(low):
        assert leads == pytest.approx(1, abs=1e-6)
    else:
        assert below == pytest.approx(low, abs=2e-3)


@sizes(("worlds", "clicks"), light=(20, 99), full=(100, 999))
@pytest.mark.parametrize(("appeal", "follow"), URNS)
def test_a_best_seller_takes_one_of_two_shares(worlds: int, clicks: int, appeal: float, follow: float) -> None:
    """Who follows the best-seller with chance r and else picks w with chance p gives w one of two shares.

    The mean share where w leads in the end, the same where it does not, and how often it leads, against their exact values
    at so many clicks, which tend to p(1-r) + r and p(1-r). One binomial test and up to two 4-sigma ones, 6e-5 each. The number of
    clicks is odd, so that one leads. Where p(1-r) is above 1/2 the other can lead only early.
    """
    scenario = alike(
        2, 1, days=clicks, recommender=rs.Popularity(), start=rs.Popularity(), catalog=_TwoUnequal(share=appeal),
        population=rs.SyntheticUsers(users=1, topics=1, mainstream=0, curiosity=1 - follow),
    )  # fmt: skip
    share = np.array([clicks_by_item(run)[0] / clicks for run in runs(scenario, worlds)])
    leads, above, below = limits(best_seller(appeal, follow, clicks))
    expect_share((share > 0.5).sum(), worlds, leads)
    for part, exact in ((share[share > 0.5], above), (share[share < 0.5], below)):
        if len(part) > 5:
            expect(part, exact)


# --------------------------------------------------------------------- P04, P05: rules of training that are switched off
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


# ------------------------------------------------------------- P08: logged propensities, for each policy and each signal
THETA = np.array([0.05, 0.1, 0.2, 0.3, 0.5])
BIAS = np.array([1.0, 0.6])
RATE, COUNT, VISITS = 0.4, 350, 1000
PANELS = {"rate": rs.Panel(rate=RATE), "count": rs.Panel(count=COUNT)}
EDITOR = rs.EditorPicks(rate=0.3, picks=2, taste="even")
WITH_SUPPORT: dict[str, rs.Policy] = {  # settings under which a thousand visits say enough about all items
    "EpsilonGreedy": rs.EpsilonGreedy(epsilon=0.5),
    "Proportional": rs.Proportional(exponent=0.5),
    "Slots": policies.Slots(pattern=("explore",)),
    "Softmax": policies.Softmax(temperature=2),
    "Thompson": policies.Thompson(prior_clicks=20_000, prior_misses=40_000),
}
WITHOUT: dict[str, rs.Policy] = {
    "Calibrated": policies.Calibrated(),
    "Diversify": policies.Diversify(),
    "Greedy": rs.Greedy(),
    "PopularityDiscount": policies.PopularityDiscount(exponent=3),
    "UCB": policies.UCB(),
}
OPEN: dict[str, dict[str, Any]] = {
    **{name: {"policy": policy} for name, policy in WITH_SUPPORT.items()},
    "EpsilonGreedy, editors": {"policy": WITH_SUPPORT["EpsilonGreedy"], "signals": (EDITOR,)},
}
for _by, _panel in PANELS.items():
    for _name, _policy in (WITHOUT | {"EpsilonGreedy": rs.EpsilonGreedy(epsilon=0.3)}).items():
        OPEN[f"{_name}, panel by {_by}"] = {"policy": _policy, "signals": (_panel,)}
    for _name in ("Greedy", "EpsilonGreedy"):
        both = OPEN[f"{_name}, panel by {_by}"]
        OPEN[f"{_name}, editors, panel by {_by}"] = both | {"signals": (EDITOR, _panel)}


def test_every_policy_is_known_to_have_support_or_not() -> None:
    """Whoever adds a policy says whether it shows every item now and then."""
    assert sorted(WITH_SUPPORT | WITHOUT) == sorted(name for name in family(rs.Policy))


def open_world(**settings: Any) -> rs.Scenario:
    """Return a world of five items of unequal click rates, two positions, and a thousand visits to a model of counts."""
    return alike(
        len(THETA), VISITS, days=2, slate=2, log="impressions", choice=rs.Given(theta=THETA, bias=tuple(BIAS)),
        recommender=rs.Popularity(prior=1),
    ).but(**settings)  # fmt: skip


@sizes("worlds", light=15, full=300)
@pytest.mark.parametrize("feed", OPEN)
def test_the_click_rate_of_a_random_feed_is_estimable(worlds: int, feed: str) -> None:
    """The mean of pi/mu x clicks over any log with full support is the click rate of a uniform feed: 4 sigma, 6e-5 a case.

    pi of a slate is 1/5 x 1/4, mu the product of the logged propensities of its rows, each given those above. The log's
    own click rate is off by more than chance explains, else there would be nothing to correct.
    """
    value = float(THETA.mean() * BIAS.sum())
    error, naive = np.zeros(worlds), np.zeros(worlds)
    for world, run in enumerate(runs(open_world(**OPEN[feed]), worlds)):
        slates = Slates.of(run, epoch=1)
        assert len(slates.item) == VISITS
        clicks = slates.clicked.sum(axis=1)
        weight = 1 / (5 * 4) / slates.propensity.prod(axis=1)
        error[world], naive[world] = (weight * clicks).mean() - value, clicks.mean() - value
    expect(error, 0)
    off = abs(naive.mean()) > 4 * naive.std(ddof=1) / math.sqrt(worlds)
    assert off or feed == "Slots", "a slate that is left to chance is the uniform feed itself"


@sizes("worlds", light=1, full=20)
@pytest.mark.parametrize("by", PANELS)
def test_the_propensity_of_a_panel_is_its_share(worlds: int, by: str) -> None:
    """An item at the top has share/5, the best one 1 - share more; the share of a count is count/visits: certain.

    As many visits as the count says are in the panel, and of those with a rate a binomial share (6e-5).
    """
    share = RATE if by == "rate" else COUNT / VISITS
    reserved = 0
    for run in runs(open_world(signals=(PANELS[by],), slate=1), worlds):
        slates = Slates.of(run, epoch=1)
        best = slates.list[0]
        exact = share / len(THETA) + (1 - share) * (slates.item == best)
        np.testing.assert_allclose(slates.propensity, exact, rtol=1e-12)
        panel = int((slates.origin == rs.Origin.PANEL).sum())
        assert by == "rate" or panel == COUNT
        reserved += panel
    expect_share(reserved, worlds * VISITS, share)


# ------------------------------------------------------------------------------------------- common random numbers
@pytest.mark.long
@pytest.mark.timeout(3000)
def test_common_random_numbers_pay() -> None:
    """The paired difference in Gini of two arms has a twentieth of the variance of the unpaired one at first, a third later.

    Greedy and 2 % exploration, forked after the start epoch; epoch 1, the first that a model serves, and epoch 8; 100
    seeds. The ratios themselves are held to this, no bounds of intervals; the errors of their logarithms are printed.
    """
    crn = run_path(str(Path(__file__).parent.parent / "benchmarks" / "crn.py"))
    arms = crn["measure"](100, fork=True)
    gini, error = crn["ratio"](arms)[0], crn["error"](arms)[0]
    print("unpaired / paired variance by epoch", gini.round(1).tolist(), "error of its log", error.round(2).tolist())
    assert gini[0] >= 20
    assert gini[-1] >= 3
