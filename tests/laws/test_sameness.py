"""Laws of what must stay the same: under the same seed, said in another way, under other labels, whatever is learned."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import recsim as rs

from .judge import Ints, Slates, alike, expect_counts, runs, sizes, zipf

LIVELY = rs.Scenario(
    days=6, slate=4, population=rs.SyntheticUsers(users=80, curiosity=0.2), catalog=rs.SyntheticItems(items=40),
    retrain=rs.Retrain(every=1, latency=0.25), recommender=rs.Popularity(), visits=rs.Poisson(rate=2), choice=rs.Luce(outside=2),
)  # fmt: skip
LEARNERS = [
    rs.Popularity(), rs.Random(), rs.Oracle(), rs.ItemKNN(), rs.ALS(factors=4), rs.BPR(factors=4, iterations=5),
    rs.LogisticMF(factors=4, iterations=3), rs.Shares(shares=tuple(zipf(40))),
]  # fmt: skip


# -------------------------------------------------------------------------------- P17: the same seed, the same strategy
@sizes("worlds", light=1, full=5)
@pytest.mark.parametrize("recommender", LEARNERS, ids=lambda recommender: recommender.kind)
def test_the_same_seed_gives_the_same_world(worlds: int, recommender: rs.Recommender) -> None:
    """The same seed gives the same log and history byte by byte, whatever the tile; the next seed gives another."""
    scenario = LIVELY.but(recommender=recommender, policy=rs.EpsilonGreedy(epsilon=0.1))
    digests = set()
    for first in runs(scenario, worlds):
        second = rs.run(scenario, seed=first.seed, tile=7, progress=False)
        assert first.digest == second.digest
        pd.testing.assert_frame_equal(first.clicks, second.clicks, check_exact=True)
        pd.testing.assert_frame_equal(first.history, second.history, check_exact=True)
        digests |= {first.digest, rs.run(scenario, seed=first.seed + worlds, progress=False).digest}
    assert len(digests) == 2 * worlds


TWINS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{
        f"greedy {learner.kind}": (
            {"recommender": learner, "policy": rs.Greedy()},
            {"recommender": learner, "policy": rs.EpsilonGreedy(epsilon=0)},
        )
        for learner in LEARNERS
    },
    "equal shares": ({"recommender": rs.Random()}, {"recommender": rs.Shares(shares=(1,) * 40)}),
    "silent rule": ({}, {"training": (rs.OriginWeights(),)}),
    "endless window": ({}, {"training": (rs.Window(last=99),)}),
    "silent signal": ({}, {"signals": (rs.OrganicLift(rate=0),)}),
    "no spread": ({}, {"visits": rs.Poisson(rate=2, spread=0)}),
}


@sizes("worlds", light=1, full=10)
@pytest.mark.parametrize("twins", TWINS)
def test_equal_strategies_give_equal_logs(worlds: int, twins: str) -> None:
    """Two ways to say the same give the same log byte by byte under the same seed; certain, so at no error rate."""
    one, other = (LIVELY.but(**settings) for settings in TWINS[twins])
    for left, right in zip(runs(one, worlds), runs(other, worlds), strict=True):
        assert left.digest == right.digest
        assert len(left.clicks) > 100


# ------------------------------------------------------------------------------------------------ P20: metamorphic laws
class _Relabelled:
    """Made-up people or items whose running numbers are dealt out anew; their random numbers stay with them."""

    def draw(self, randomness: Any) -> Any:
        drawn = super().draw(randomness)
        order = relabelling(len(drawn))
        columns = {name: column[order] for name, column in vars(drawn).items() if name != "names"}
        return replace(drawn, **columns)


class _RelabelledUsers(_Relabelled, rs.SyntheticUsers):
    pass


class _RelabelledItems(_Relabelled, rs.SyntheticItems):
    pass


def relabelling(number: int) -> Ints:
    """Return, for each new number, the old one."""
    return np.random.default_rng(number).permutation(number)


@sizes("worlds", light=1, full=10)
@pytest.mark.parametrize("who", ["user", "item"])
def test_labels_do_not_matter(worlds: int, who: str) -> None:
    """Other running numbers for users or items permute the log and change no metric; certain, to rounding in sums."""
    scenario = LIVELY.but(
        population=rs.SyntheticUsers(users=80), start=rs.Popularity(), choice=rs.Luce(outside=2, clicks=2)
    )
    changes = {"user": {"population": _RelabelledUsers(users=80)}, "item": {"catalog": _RelabelledItems(items=40)}}
    old = relabelling({"user": 80, "item": 40}[who])
    order = ["time", "user", "visit", "position"]
    for left, right in zip(runs(scenario, worlds), runs(scenario.but(**changes[who]), worlds), strict=True):
        renamed = right.clicks.assign(**{who: old[right.clicks[who]].astype("int32")})
        pd.testing.assert_frame_equal(
            left.clicks.sort_values(order, ignore_index=True), renamed.sort_values(order, ignore_index=True), rtol=1e-12
        )
        assert (left.clicks[who].to_numpy() != right.clicks[who].to_numpy()).any()
        pd.testing.assert_frame_equal(left.history, right.history, rtol=1e-9)


@sizes("worlds", light=1, full=20)
def test_one_factor_ranks_all_users_alike(worlds: int) -> None:
    """With one factor and clicks that connect everybody all users get the same list, and coverage is K/N; certain.

    Positive first factors stay positive under alternating least squares on non-negative data, so that a user's only
    number cannot change an order (Perron). Eight factors tell users apart.
    """
    items, slate = 60, 5
    scenario = LIVELY.but(
        days=4, slate=slate, consumption="again", consumed="stay", visits=rs.Regular(period=0.04),
        catalog=rs.SyntheticItems(items=items), population=rs.SyntheticUsers(users=80), recommender=rs.ALS(factors=1),
        retrain=rs.Retrain(every=1), log="impressions",
    )  # fmt: skip
    for run, other in zip(
        runs(scenario, worlds), runs(scenario.but(recommender=rs.ALS(factors=8)), worlds), strict=True
    ):
        assert run.clicks.loc[run.clicks["epoch"] == 0, "user"].nunique() == 80, "everybody is known to the model"
        for epoch in range(1, 4):
            slates = Slates.of(run, epoch).item
            assert (slates == slates[0]).all()
            assert run.series("coverage").loc[epoch] == slate / items
            assert other.series("coverage").loc[epoch] > slate / items


@sizes("worlds", light=1, full=20)
def test_neighbours_never_cross_to_another_community(worlds: int) -> None:
    """Where two communities share no click, item-kNN shows nobody anything of the other one; popularity does; certain."""
    users, items = 60, 24
    theta = np.where(np.arange(users)[:, None] % 2 == np.arange(items) % 2, 0.6, 0.0)
    scenario = alike(
        items, users, days=4, slate=4, visits=rs.Regular(period=0.05), choice=rs.Given(theta=theta),
        recommender=rs.ItemKNN(neighbours=items), log="impressions",
    )  # fmt: skip
    for run, other in zip(runs(scenario, worlds), runs(scenario.but(recommender=rs.Popularity()), worlds), strict=True):
        assert _crossing(run, epoch=0) > 0.4
        assert _crossing(run) == 0
        assert _crossing(other) > 0.1


def _crossing(run: rs.Run, epoch: int | None = None) -> float:
    """Return the share of impressions on items of the other community, in one epoch or in all that a model served."""
    rows = run.impressions
    rows = rows[rows["epoch"] == epoch] if epoch is not None else rows[rows["epoch"] > 0]
    return float((rows["user"] % 2 != rows["item"] % 2).mean())


@sizes(("worlds", "users"), light=(1, 80), full=(10, 400))
def test_all_chance_is_uniform_whatever_is_learned(worlds: int, users: int) -> None:
    """With epsilon 1 every recommender gives the same log, and items come uniformly: one chi-square, 1e-4."""
    scenario = LIVELY.but(policy=rs.EpsilonGreedy(epsilon=1), population=rs.SyntheticUsers(users=users))
    scenario = scenario.but(consumption="again", consumed="stay", start=rs.Popularity())
    shown = np.zeros(40)
    every = [runs(scenario.but(recommender=learner), worlds) for learner in LEARNERS]
    for same in zip(*every, strict=True):
        assert len({run.digest for run in same}) == 1
        shown += same[0].items.groupby("item")["impressions"].sum().reindex(range(40), fill_value=0).to_numpy()
    expect_counts(shown, np.ones(40))
