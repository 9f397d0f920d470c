"""Laws of the illusion (P11): what a benchmark says on clicks that the feed caused, and on choices that it did not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import recsim as rs

from .judge import Floats, alike, expect, expect_share, runs, sizes
from .test_exposure import exposure_by_rank

ITEMS, EPSILON = 50, 0.1


def feed(visits: int, k: int, **settings: Any) -> rs.Scenario:
    """Return a count-popularity feed with a tenth of its positions left to chance, and a benchmark with lists of k."""
    plain = {"days": 4, "recommender": rs.Popularity(), "policy": rs.EpsilonGreedy(epsilon=EPSILON), "benchmark": k}
    return alike(ITEMS, visits, **(plain | settings))


def trained(run: rs.Run, metric: str) -> Floats:
    """Return a metric of every epoch that a trained model served."""
    return np.asarray(run.series(metric).loc[1:], np.float64)


@sizes(("worlds", "visits"), light=(3, 2000), full=(50, 2000))
def test_the_benchmark_of_a_run_looks_fine(worlds: int, visits: int) -> None:
    """Hit rate at 1 is 1 - eps + eps/N = .902 on the feed's own clicks, 1/N = .02 on an organic log; the gap is the illusion.

    Fifty items that all like alike, one slot, one click of each user an epoch, three models one after the other, each trained
    on the clicks before it. The list of the benchmark is the model's, without what the policy explores: so its top meets all
    that was not explored, and one in N of what was. Two binomial tests (6e-5 each): given the lists, clicks are independent.
    """
    exact = 1 - EPSILON + EPSILON / ITEMS
    assert (exact, 1 / ITEMS) == (pytest.approx(0.902), pytest.approx(0.02))
    own, organic = [], []
    for run in runs(feed(visits, k=1), worlds):
        own.append(trained(run, "hit_rate"))
        organic.append(trained(run, "hit_rate_organic"))
        assert np.array_equal(trained(run, "hit_rate_illusion"), own[-1] - organic[-1])
        assert run.series("recall").equals(run.series("hit_rate").rename("recall"))  # one click each, so these are one
    expect_share(round(np.sum(own) * visits), np.size(own) * visits, exact)
    expect_share(round(np.sum(organic) * visits), np.size(organic) * visits, 1 / ITEMS)


@sizes("worlds", light=8, full=100)
@pytest.mark.parametrize("metric", ["recall", "ndcg", "reciprocal_rank"])
def test_the_illusion_at_k(worlds: int, metric: str) -> None:
    """With lists of k, a click on the top is worth 1, one explored or unsteered the mean value v of a uniform place: k/N for
    recall, 1/N sum 1/log2(r + 1) for NDCG, 1/N sum 1/r for the reciprocal rank. So own 1 - eps + eps v, organic v.

    Two 4-sigma tests (6e-5 each).
    """
    k, rank = 5, np.arange(1, 6)
    value = {"recall": 1.0 + 0 * rank, "ndcg": 1 / np.log2(rank + 1), "reciprocal_rank": 1 / rank}[metric].sum() / ITEMS
    own, organic = [], []
    for run in runs(feed(500, k), worlds):
        own.append(trained(run, metric).mean())
        organic.append(trained(run, f"{metric}_organic").mean())
    expect(own, 1 - EPSILON + EPSILON * value)
    expect(organic, value)


@sizes("worlds", light=8, full=100)
@pytest.mark.parametrize("k", [1, 3, 5])
def test_the_illusion_where_slates_are_filled_position_by_position(worlds: int, k: int) -> None:
    """Where people click any of five positions alike, the hit rate at k is the share of exposure that the first k ranks have.

    Each position is explored for itself, without repeats, so that a rank can be shown lower than it stands: the exposure by
    rank is summed over all ways to fill a slate. On the organic log it is k/N. Two 4-sigma tests (6e-5 each).
    """
    choice = rs.Luce(outside=0.0, bias="none")
    own, organic = [], []
    for run in runs(feed(500, k, slate=5, choice=choice), worlds):
        own.append(trained(run, "hit_rate").mean())
        organic.append(trained(run, "hit_rate_organic").mean())
    expect(own, float(exposure_by_rank(ITEMS, 5, EPSILON)[:k].sum()))
    expect(organic, k / ITEMS)


@sizes("worlds", light=8, full=100)
def test_the_organic_log_has_what_people_want(worlds: int) -> None:
    """Where some items appeal more, and lists are in that order, the organic hit rate at k is the sum of the k greatest shares.

    The own one is as if all appealed alike, since the feed causes it: 1 - eps + eps k/N. Two 4-sigma tests (6e-5 each).
    """
    k, catalog = 3, rs.SyntheticItems(items=ITEMS, topics=1, mainstream=0, appeal_spread=1.0)
    own, organic = [], []
    for run in runs(feed(500, k, catalog=catalog, recommender=rs.Oracle()), worlds):
        appeal = np.sort(run.catalog["appeal"])[::-1]
        own.append(trained(run, "hit_rate").mean())
        organic.append(trained(run, "hit_rate_organic").mean())
    expect(own, 1 - EPSILON + EPSILON * k / ITEMS)
    expect(organic, appeal[:k].sum() / appeal.sum())


@sizes("worlds", light=8, full=100)
def test_lists_that_are_a_draw_meet_by_chance_alone(worlds: int) -> None:
    """A random feed's hit rate at k is k/N on both logs: its list is a draw of its own, not the one that people were shown.

    Two 4-sigma tests (6e-5 each).
    """
    found = [run.series(name) for run in runs(feed(500, 5, recommender=rs.Random()), worlds)
             for name in ("hit_rate", "hit_rate_organic")]  # fmt: skip
    for own_or_organic in (found[::2], found[1::2]):
        expect(np.mean(own_or_organic, axis=1), 5 / ITEMS)


@sizes("worlds", light=8, full=100)
@pytest.mark.parametrize("consumption", ["once", "again"])
@pytest.mark.parametrize("recommender", [rs.ItemKNN(), rs.Random()], ids=lambda made: made.kind)
def test_without_a_feed_there_is_no_illusion(worlds: int, consumption: str, recommender: rs.Recommender) -> None:
    """Where everybody searches for herself the own log is an organic one: the illusion is 0 on average, by each measure.

    Also where an item is consumed once, so that what is held out depends on what was had before and in the epoch. Four
    4-sigma tests (6e-5 each).
    """
    scenario = rs.Scenario(
        days=12, slate=5, population=rs.SyntheticUsers(users=60, topics=4), catalog=rs.SyntheticItems(items=40, topics=4),
        visits=rs.Poisson(rate=1.0), consumption=consumption, consumed="leave" if consumption == "once" else "stay",
        recommender=recommender, retrain=rs.Retrain(every=4), signals=(rs.OrganicLift(rate=1.0),), benchmark=5,
    )  # fmt: skip
    found = [[run.series(f"{name}_illusion").mean() for name in ("recall", "ndcg", "hit_rate", "reciprocal_rank")]
             for run in runs(scenario, worlds)]  # fmt: skip
    for column in np.transpose(found):
        expect(column, 0.0)
