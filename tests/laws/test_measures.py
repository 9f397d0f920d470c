"""Laws of the measures, on logs of worlds whose exposure is known: what they expect of draws, and what chance alone gives."""

from __future__ import annotations

import numpy as np
import pytest

import recsim as rs
from recsim import metrics

from .judge import Floats, Ints, alike, clicks_by_item, expect, runs, sizes, zipf

ITEMS, DRAWS = 200, 300
UNEQUAL = alike(ITEMS, DRAWS, start=rs.Shares(shares=tuple(zipf(ITEMS))), policy=rs.Greedy())


def of_uniform_draws(items: int, users: int, days: int, **settings: object) -> rs.Scenario:
    """Return a feed that is drawn anew for everybody, from a model of equal counts, every day."""
    return alike(items, users, days=days, start=rs.Shares(shares=(1,) * items), recommender=rs.Random(), **settings)


@sizes("worlds", light=40, full=400)
def test_unseen_mass_of_a_log(worlds: int) -> None:
    """P16: clicks of probability p give E[f1 / T] = sum p (1 - p)^(T - 1); one 4-sigma test (6e-5)."""
    chances = zipf(ITEMS)
    found = [metrics.unseen_mass(clicks_by_item(run)) for run in runs(UNEQUAL, worlds)]
    expect(found, float((chances * (1 - chances) ** (DRAWS - 1)).sum()))


@sizes("worlds", light=40, full=400)
@pytest.mark.parametrize("draws", [10, 100, 300])
def test_rarefied_coverage_of_a_log(worlds: int, draws: int) -> None:
    """However long the log, at *draws* it covers what so many clicks cover: sum 1 - (1 - p)^n; one 4-sigma test (6e-5) a case."""
    found = [ITEMS * metrics.rarefied_coverage(clicks_by_item(run), draws) for run in runs(UNEQUAL, worlds)]
    expect(found, float((1 - (1 - zipf(ITEMS)) ** draws).sum()))


@sizes("worlds", light=40, full=400)
def test_tail_share_of_a_feed_as_demanded(worlds: int) -> None:
    """Shown in proportion to demand, the tail gets its share of demand; one 4-sigma test (6e-5)."""
    chances = zipf(ITEMS)
    found = [metrics.tail_share(clicks_by_item(run), chances) for run in runs(UNEQUAL, worlds)]
    expect(found, float((chances * metrics.tail(chances)).sum()))


@sizes("worlds", light=30, full=300)
@pytest.mark.parametrize("slate", [1, 5])
def test_homogeneity_of_a_uniform_feed(worlds: int, slate: int) -> None:
    """P02 for sets: users with uniform slates are as alike as the floor says; one 4-sigma test (6e-5) a case."""
    users, items = 40, 60
    scenario = alike(items, users, slate=slate, start=rs.Random(), policy=rs.Greedy(), log="impressions")
    found = []
    for run in runs(scenario, worlds):
        shown = run.impressions
        assert len(shown) == users * slate
        found.append(metrics.homogeneity(shown["user"], shown["item"]))
    expect(found, metrics.homogeneity_floor([slate] * users, items))


@sizes("worlds", light=40, full=400)
@pytest.mark.parametrize("epochs", [1, 3])
def test_extinct_items_of_a_uniform_feed(worlds: int, epochs: int) -> None:
    """Of N items N (1 - 1/N)^(n B) are not among n B uniform draws; one 4-sigma test (6e-5) a case."""
    items, clicks, days = 50, 40, 4
    found = []
    for run in runs(of_uniform_draws(items, clicks, days), worlds):
        table = np.array([clicks_by_item(run, epoch) for epoch in range(days)])
        found.append(metrics.extinct_items(table, epochs))
    expect(found, items * (1 - 1 / items) ** (epochs * clicks))


def test_mean_popularity_of_a_log_that_grows() -> None:
    """P19: day by day A' = (1 - b)^2 A + 2b(1 - b) p.q + b^2 q.q, in a loop that learns from its own clicks, to 1e-12."""
    scenario = alike(30, 25, days=12, recommender=rs.Popularity(prior=1), policy=rs.Proportional(), start=rs.Random())
    run = next(runs(scenario, 1))
    days: list[Ints] = [clicks_by_item(run, epoch) for epoch in range(12)]
    old = days[0]
    for new in days[1:]:
        assert new.sum() == 25
        b, p, q = new.sum() / (old.sum() + new.sum()), old / old.sum(), new / new.sum()
        a: Floats = (1 - b) ** 2 * metrics.mean_popularity(old) + 2 * b * (1 - b) * (p * q).sum() + b**2 * (q * q).sum()
        old = old + new
        assert metrics.mean_popularity(old) == pytest.approx(a, abs=1e-12)


def test_one_list_for_all() -> None:
    """P20: a feed that shows everybody one list of k of n is fully alike: Jaccard 1, nothing personal, coverage k/n."""
    scenario = alike(40, 30, days=2, slate=5, recommender=rs.Popularity(prior=1), start=rs.Random(), log="impressions")
    run = next(runs(scenario, 1))
    shown = run.impressions[run.impressions["epoch"] == 1]
    assert metrics.homogeneity(shown["user"], shown["item"]) == 1
    assert metrics.personalisation(shown["user"], shown["item"]) == pytest.approx(0, abs=1e-12)
    assert metrics.coverage(np.bincount(shown["item"], minlength=40)) == 5 / 40
