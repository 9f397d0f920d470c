"""Laws of propensities: they are the frequencies, they know what is gone, and they make other feeds estimable."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest

import recsim as rs
from recsim import policies
from recsim.recipe import family

from .judge import (
    Floats,
    Ints,
    Slates,
    alike,
    clicks_by_item,
    expect,
    expect_chi_square,
    expect_share,
    expect_variance,
    runs,
    sizes,
)


# ------------------------------------------------------------------ P08: logged propensities make other feeds estimable
@dataclass(frozen=True)
class Feed:
    """How an epoch was served: by a list or in proportion to weights, each position left to chance with *epsilon*."""

    items: int
    epsilon: float
    weights: Floats | None = None
    list: Ints | None = None

    def chances(self, slates: Ints) -> Floats:
        """Return the probability of each item given those above it: (slates, positions)."""
        chance = np.zeros(slates.shape)
        for position in range(slates.shape[1]):
            above, here = slates[:, :position], slates[:, position]
            if self.weights is not None:
                ranked = self.weights[here] / (self.weights.sum() - self.weights[above].sum(axis=1))
            else:
                open_ = (self.list[None, :, None] != above[:, None, :]).all(axis=2)
                ranked = here == self.list[open_.argmax(axis=1)]
            chance[:, position] = (1 - self.epsilon) * ranked + self.epsilon / (self.items - position)
        return chance


THETA = np.array([0.05, 0.1, 0.2, 0.3, 0.5])
STEEP = (5.0, 2.0, 2.0, 1.0, 4.0)
FEEDS: dict[str, dict[str, Any]] = {
    "Random": {"recommender": rs.Random(), "policy": rs.Greedy()},
    "Random+EpsilonGreedy": {"recommender": rs.Random(), "policy": rs.EpsilonGreedy(epsilon=0.4)},
    "Shares": {"recommender": rs.Shares(shares=STEEP), "policy": rs.Greedy()},
    "Shares+EpsilonGreedy": {"recommender": rs.Shares(shares=STEEP), "policy": rs.EpsilonGreedy(epsilon=0.4)},
    "Popularity+EpsilonGreedy": {"recommender": rs.Popularity(), "policy": rs.EpsilonGreedy(epsilon=0.5)},
    "Popularity+Proportional": {"recommender": rs.Popularity(prior=100), "policy": rs.Proportional()},
    "Popularity+Proportional^.5": {"recommender": rs.Popularity(prior=1), "policy": rs.Proportional(exponent=0.5)},
}


def feed_of(run: rs.Run, slates: Slates) -> Feed:
    """Return how epoch 1 was served, from the settings and from the clicks of epoch 0 alone."""
    scenario = run.scenario
    recommender, policy = scenario.recommender, scenario.policy
    epsilon = policy.epsilon if isinstance(policy, rs.EpsilonGreedy) else 0.0
    if isinstance(policy, rs.Proportional):
        return Feed(len(THETA), 0.0, weights=(clicks_by_item(run, 0) + recommender.prior) ** policy.exponent)
    if isinstance(recommender, rs.Popularity):
        assert (np.diff(clicks_by_item(run, 0)[slates.list]) <= 0).all()
        return Feed(len(THETA), epsilon, list=slates.list)
    return Feed(len(THETA), epsilon, weights=np.array(getattr(recommender, "shares", np.ones(len(THETA)))))


@sizes("worlds", light=20, full=1000)
@pytest.mark.parametrize("slate", [1, 2])
@pytest.mark.parametrize("feed", FEEDS)
def test_propensities_make_other_feeds_estimable(worlds: int, slate: int, feed: str) -> None:
    """The mean of pi/mu x clicks over a log of mu has mean V(pi) and variance (sum pi^2/mu E[clicks^2] - V^2)/n.

    mu of a slate is the product of the logged propensities of its rows, each given those above, and is checked against
    the feed's definition in every row. V is the expected number of clicks a slate under target pi, summed over all
    slates. The log's own mean misses V by mu.theta - pi.theta. Three 4-sigma tests (6e-5 each) of the mean, the
    variance and the naive mean; the 95 % intervals hold V as often as they say, by a binomial test (6e-5). The feeds are
    near enough to the target that an interval of 2000 visits misses its rate by .005 at most (Edgeworth).
    """
    n, bias = 2000, np.array([1.0, 0.6])[:slate]
    scenario = alike(
        len(THETA), n, days=2, slate=slate, log="impressions",
        choice=rs.Given(theta=THETA, bias=tuple(bias)), **FEEDS[feed],
    )  # fmt: skip
    every = np.array(list(permutations(range(len(THETA)), slate)))
    target = Feed(len(THETA), 0.0, weights=np.linspace(2, 1, len(THETA)))
    pi, mean = target.chances(every).prod(axis=1), (bias * THETA[every]).sum(axis=1)
    square = mean**2 + (bias * THETA[every] * (1 - bias * THETA[every])).sum(axis=1)
    value = float(pi @ mean)
    z, naive, held = np.zeros(worlds), np.zeros(worlds), 0
    for world, run in enumerate(runs(scenario, worlds)):
        slates = Slates.of(run, epoch=1)
        served = feed_of(run, slates)
        np.testing.assert_allclose(slates.propensity, served.chances(slates.item), rtol=1e-9)
        weight = (target.chances(slates.item) / slates.propensity).prod(axis=1)
        terms, mu = weight * slates.clicked.sum(axis=1), served.chances(every).prod(axis=1)
        assert mu.sum() == pytest.approx(1)
        error = terms.mean() - value
        z[world] = error / math.sqrt(float(pi**2 / mu @ square - value**2) / n)
        held += abs(error) <= 1.959964 * terms.std(ddof=1) / math.sqrt(n)
        naive[world] = slates.clicked.sum() / n - mu @ mean
        assert abs(mu @ mean - value) > 0.01, "the target differs from what was served"
    expect(z, 0)
    expect_variance(z)
    expect(naive, 0)
    expect_share(held, worlds, 0.95)


# --------------------------------------------------------------------------------- P08: for each policy and each signal
BIAS = np.array([1.0, 0.6])
RATE, COUNT, VISITS = 0.4, 350, 1000
PANELS = {"rate": rs.Panel(rate=RATE), "count": rs.Panel(count=COUNT)}
EDITOR = rs.EditorPicks(rate=0.3, picks=2, taste="even")
WITH_SUPPORT: dict[str, rs.Policy] = {  # settings under which a thousand visits say enough about all items
    "EpsilonGreedy": rs.EpsilonGreedy(epsilon=0.5),
    "Proportional": rs.Proportional(exponent=0.5),
    "Slots": rs.Slots(pattern=("explore",)),
    "Softmax": policies.Softmax(temperature=2),
    "Thompson": policies.Thompson(prior_clicks=20_000, prior_misses=40_000),
}
WITHOUT: dict[str, rs.Policy] = {
    "HumanQuota": rs.HumanQuota(),
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


# ----------------------------------------------------------------------------------- P17: frequencies, and what is gone
@sizes("visits", light=20_000, full=1_000_000)
@pytest.mark.parametrize("feed", FEEDS)
def test_frequencies_are_the_propensities(visits: int, feed: str) -> None:
    """Given the items above it an item comes as often as its propensity says, and these sum to 1; one chi-square, 1e-4."""
    scenario = alike(
        len(THETA), visits, days=2, slate=3, log="impressions", choice=rs.Given(theta=THETA), **FEEDS[feed]
    )  # fmt: skip
    [run] = runs(scenario, 1)
    slates = Slates.of(run, epoch=1)
    statistic = freedom = 0.0
    for position in range(3):
        above = slates.item[:, :position] @ (10 ** np.arange(position))
        rows = pd.DataFrame({
            "above": above, "item": slates.item[:, position], "propensity": slates.propensity[:, position]
        })  # fmt: skip
        for _, part in rows.groupby("above"):
            by_item = part.groupby("item")["propensity"].agg(["size", "min", "max"])
            expected = len(part) * by_item["max"]
            if len(by_item) < len(THETA) - position or expected.min() < 5:
                continue
            np.testing.assert_allclose(by_item["min"], by_item["max"], rtol=1e-12)
            assert by_item["max"].sum() == pytest.approx(1, abs=1e-12)
            statistic += float(((by_item["size"] - expected) ** 2 / expected).sum())
            freedom += len(by_item) - 1
    assert freedom >= 4 + 5 * 3 + 5, "enough cases were common enough to be judged"
    expect_chi_square(statistic, freedom)


@sizes("worlds", light=16, full=400)
@pytest.mark.parametrize("feed", [feed for feed in FEEDS if "Shares" not in feed])
def test_propensities_know_what_is_gone(worlds: int, feed: str) -> None:
    """1/propensity has expectation N - (consumed by the user) - (position), what may be shown there; 4 sigma, 6e-5.

    This is the sum over the items of p x 1/p. Each visit's last position counts in the mean of its world.
    """
    items, size = 12, 2
    scenario = alike(
        items, 100, days=4, slate=size, consumption="once", consumed="leave", log="impressions",
        visits=rs.Regular(period=0.5), choice=rs.Given(theta=0.3), **FEEDS[feed],
    )  # fmt: skip
    excess = []
    for run in runs(scenario, worlds):
        rows = run.impressions
        clicks = rows.groupby(["user", "visit"])["clicked"].sum()
        before = clicks.groupby("user").cumsum() - clicks
        gone = before.loc[pd.MultiIndex.from_frame(rows[["user", "visit"]])].to_numpy()
        excess.append(float((1 / rows["propensity"] - (items - gone - rows["position"])).mean()))
    expect(excess, 0)
