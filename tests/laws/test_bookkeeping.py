"""Laws of bookkeeping: visits are Poisson, every visit shows a whole slate, and no model knows a row from after its cut."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import recsim as rs

from .judge import DAY, Ints, Slates, alike, expect_counts, runs, sizes


# ------------------------------------------------------------------------------------------ P17: visits and impressions
@sizes("users", light=200, full=4000)
def test_visits_are_poisson(users: int) -> None:
    """Visits of a user in an epoch are Poisson and independent, and so are the clicks on each item under uniform serving.

    Dispersion 1 +- 4 sqrt(2/(n - 1)) for users by epochs, items by epochs and all by epochs; lag correlation 0 +-
    4/sqrt(n): 6e-5 each. Chi-square against the Poisson law and of the items being alike, 1e-4 each.
    """
    rate, epochs, items = 2.0, 40, 20
    [run] = runs(alike(items, users, days=epochs, visits=rs.Poisson(rate=rate)), 1)
    at = run.clicks["epoch"], run.clicks["user"]
    visits, bought = np.zeros((epochs, users)), np.zeros((epochs, items))
    np.add.at(visits, at, 1)
    np.add.at(bought, (at[0], run.clicks["item"]), 1)
    assert (run.clicks["epoch"] == run.clicks["time"] // DAY).all()
    for counts in (visits, bought, visits.sum(axis=1)):
        dispersion = counts.var(ddof=1) / counts.mean()
        assert abs(dispersion - 1) <= 4 * math.sqrt(2 / (counts.size - 1)) + 1 / counts.size
    lag = ((visits[1:] - rate) * (visits[:-1] - rate)).mean() / rate
    assert abs(lag) <= 4 / math.sqrt(visits[1:].size)
    most = 6
    expect_counts(
        np.bincount(np.minimum(visits, most).astype(int).ravel()),
        [*stats.poisson.pmf(range(most), rate), stats.poisson.sf(most - 1, rate)],
    )
    expect_counts(bought.sum(axis=0), np.ones(items))


CHOICES = [rs.Given(theta=0.3), rs.Luce(outside=2, clicks=3), rs.Cascade(outside=1), rs.AlwaysClick()]


@sizes("worlds", light=2, full=20)
@pytest.mark.parametrize("choice", CHOICES, ids=lambda choice: choice.kind)
def test_impressions_are_visits_times_positions(worlds: int, choice: Any) -> None:
    """Every visit shows exactly K items and clicks are on what was shown; certain, so at no error rate.

    When people come does not depend on what they are shown or do: a world in which every visit is a click counts them.
    """
    scenario = alike(12, 60, days=6, slate=5, choice=choice, visits=rs.Poisson(rate=2.5), log="impressions")
    every = scenario.but(choice=rs.AlwaysClick(), slate=1, policy=rs.Proportional(), start=rs.Popularity(prior=1))
    for run, counted in zip(runs(scenario, worlds), runs(every, worlds), strict=True):
        where = ["time", "user", "visit"]
        assert len(run.impressions) == 5 * len(counted.clicks)
        pd.testing.assert_frame_equal(run.impressions[where][::5].reset_index(drop=True), counted.clicks[where])
        pd.testing.assert_frame_equal(run.impressions[run.impressions["clicked"]].reset_index(drop=True), run.clicks)
        assert run.series("impressions").sum() == len(run.impressions) == run.items["impressions"].sum()
        assert run.series("clicks").sum() == len(run.clicks) == run.items["clicks"].sum() <= len(run.impressions)
        assert not run.impressions.duplicated([*where, "item"]).any()


# -------------------------------------------------------------------------------------------- P17: cuts and deployments
RULES = {"all": (), "last": (rs.Window(last=1),), "last two": (rs.Window(last=2),)}


@dataclass(frozen=True)
class Cuts:
    """Cuts every ten minutes and deployments 200 seconds later, in a world of so many visits that some fall on a cut."""

    every: int = 600
    latency: int = 200

    def scenario(self, **settings: Any) -> rs.Scenario:
        """Return such a world."""
        return alike(
            8, 40, days=30 * self.every / DAY, visits=rs.Poisson(rate=2000), start=rs.Random(),
            retrain=rs.Retrain(every=self.every / DAY, latency=self.latency / DAY),
        ).but(**settings)  # fmt: skip

    def counts(self, run: rs.Run, epoch: int, late: int = 0) -> Ints:
        """Return the clicks by item before the cut of a model, or *late* seconds after it, as far as its window goes."""
        intervals = [rule.last for rule in run.scenario.training]
        since = (epoch - intervals[0]) * self.every if intervals else 0
        time = run.clicks["time"]
        rows = run.clicks[(time >= since) & (time < epoch * self.every + late)]
        return np.bincount(rows["item"], minlength=8)


@sizes("worlds", light=1, full=10)
@pytest.mark.parametrize("rules", RULES)
def test_no_row_from_after_the_cut_is_learned(worlds: int, rules: str) -> None:
    """A model knows exactly the clicks before its cut: served in proportion, the propensity in every row says so.

    Certain, so at no error rate. Some visits fall on the very second of a cut, and belong after it.
    """
    cuts = Cuts()
    scenario = cuts.scenario(recommender=rs.Popularity(prior=1), policy=rs.Proportional(), training=RULES[rules])
    for run in runs(scenario, worlds):
        time, epoch = run.clicks["time"], run.clicks["epoch"]
        assert (epoch == np.maximum(0, (time - cuts.latency) // cuts.every)).all()
        assert (time % cuts.every == 0).sum() > 5
        for number in range(1, run.epochs):
            rows = run.clicks[epoch == number]
            weight = cuts.counts(run, number) + 1
            np.testing.assert_allclose(rows["propensity"], (weight / weight.sum())[rows["item"]], rtol=1e-12)


@sizes("worlds", light=1, full=10)
@pytest.mark.parametrize("rules", RULES)
def test_the_ranking_is_that_of_the_cut(worlds: int, rules: str) -> None:
    """The list of epoch e is ordered by the clicks before cut e, and would often not be by those up to its deployment.

    Certain; that so many clicks after the cut would change no order in thirty epochs is out of the question.
    """
    cuts = Cuts()
    scenario = cuts.scenario(
        recommender=rs.Popularity(), slate=8, choice=rs.Given(theta=0.2, bias="none"), training=RULES[rules],
        log="impressions",
    )  # fmt: skip
    for run in runs(scenario, worlds):
        leaks = 0
        for number in range(1, run.epochs):
            slates = Slates.of(run, number)
            assert (slates.item == slates.list).all()
            assert (np.diff(cuts.counts(run, number)[slates.list]) <= 0).all()
            leaks += (np.diff(cuts.counts(run, number, late=cuts.latency)[slates.list]) > 0).any()
        assert leaks > 2
