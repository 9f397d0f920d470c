"""Interests that are born: nothing before their day is changed, some take them up, and it is told when each met them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import grown, kill_again_and_again

import recsim as rs
from recsim.simulation import World
from recsim.world import DAY

BIRTHS = (rs.Birth(name="late", day=6.0, items=8, share=0.4), rs.Birth(name="early", day=2.0, items=5, share=0.3))

AI = rs.AICreators(items=1.5, wrong=0.2, human=0.3)


def living(small: rs.Scenario) -> rs.Scenario:
    """Return a world in which all that can move moves."""
    return small.but(
        births=BIRTHS, creators=(rs.HumanCreators(creators=8, rate=0.3, chase=0.2, patience=0.9), rs.Releases(items=1.3), AI),
        catalog=rs.SyntheticItems(items=80, topics=6, half_life=5.0), arrivals=rs.PoissonArrivals(rate=4.0),
        lifetime=rs.WeibullLife(mean=15.0), network=rs.Blocks(friends=6), graphs=True,
        dynamics=(rs.Reinforcement(), rs.Relaxation(), rs.Fatigue(), rs.Exposure(), rs.Withering(), rs.Leaving(patience=2)),
        signals=(rs.FriendShares(rate=0.2), rs.Survey(count=5), rs.Panel(count=10), rs.OrganicLift(count=10)),
    )  # fmt: skip


def test_before_its_day_nothing_is_changed(small: rs.Scenario) -> None:
    """Up to its second the log is that of a world without it, byte for byte; after it, it is not."""
    for day, same in ((2.0, True), (small.days, False)):
        ours, theirs = (World(one, 7).advance(day).log.columns() for one in (small.but(births=BIRTHS), small))
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours) is same


def test_a_birth_by_hand(small: rs.Scenario) -> None:
    """Interests become (1 - weight) theta + weight e for those who take it up, for nobody else; items are purity e + the rest."""
    birth = rs.Birth(name="one", day=1.0, items=6, share=0.5, weight=0.25, purity=0.75)
    before = World(small.but(births=(birth,)), 7).advance(1.0)
    after = World(small.but(births=(birth,)), 7).advance(1.0 + 1 / DAY)
    old, new = before.crowd.own["interests"], after.crowd.own["interests"]
    takes = new[:, -1] > 0
    assert not old[:, -1].any() and 30 < takes.sum() < 90  # of 120, half of them: 6 standard deviations
    assert new[takes, -1] == pytest.approx(0.25)
    assert new[takes, :-1] == pytest.approx(0.75 * old[takes, :-1])
    assert (new[~takes] == old[~takes]).all()
    items = after.items.topics[after.items.born == DAY]
    assert len(items) == 6 and items[:, -1] == pytest.approx(0.75) and items.sum(axis=1) == pytest.approx(1.0)
    assert not after.items.topics[after.items.born == 0, -1].any()


def test_it_is_told_when_each_met_it(small: rs.Scenario) -> None:
    """First shown and first consumed are those of the log of impressions and of clicks, for all who take it up."""
    run = rs.run(small.but(births=BIRTHS, policy=rs.EpsilonGreedy(epsilon=0.3)), seed=7, progress=False)
    world = World(run.scenario, 7)
    found = run.discovery.set_index(["birth", "user"])
    for place in (0, 1):
        about = np.flatnonzero(world.items.topics[:, 6 + place] >= 0.5)
        logs = (log[log["item"].isin(about)] for log in (run.impressions, run.clicks))
        shown, clicked = (log.groupby("user")["time"].min() / DAY for log in logs)
        assert len(found.loc[place]) > 20 and np.isfinite(found.loc[place]["clicked"]).sum() > 3
        for user, row in found.loc[place].iterrows():
            assert row["shown"] == pytest.approx(shown.get(user, np.inf))
            assert row["clicked"] == pytest.approx(clicked.get(user, np.inf))
            assert (row["since"], row["until"]) == (BIRTHS[place].day, small.days)
    last = run.history[(run.history["epoch"] == run.epochs - 1) & (run.history["window"] == "epoch")]
    share = last.set_index(["group", "metric"])["value"]["late", "discovered"]
    assert share == np.isfinite(found.loc[0]["shown"]).mean()
    assert rs.run(small.but(days=1.0), seed=7, progress=False).discovery.empty


@pytest.mark.parametrize("tile, threads", [(1, 1), (37, 2)])
def test_a_living_world_is_indifferent_to_how_it_is_served(small: rs.Scenario, tile: int, threads: int) -> None:
    """With all that can move switched on, tiles and threads change neither log nor history."""
    straight, other = grown(living(small)), grown(living(small), tile=tile, threads=threads)
    assert straight.log.digest == other.log.digest and straight.impressions.digest == other.impressions.digest
    assert repr(straight.history) == repr(other.history)
    assert (straight.log.columns()["origin"] == rs.Origin.FRIEND).any()


def test_a_living_world_goes_on_after_interruptions(small: rs.Scenario, tmp_path: Path) -> None:
    """Killed at two places and gone on with, all tables are those of a run left alone."""
    kill_again_and_again(living(small), tmp_path / "run", (0.3, 0.7))


@pytest.mark.parametrize("day", [2.0, 4.0, 6.0])
def test_a_fork_of_a_living_world_goes_on_as_it_would(small: rs.Scenario, day: float) -> None:
    """Even on the second of a birth or of a release."""
    fork = World(living(small), 7, forks=True).advance(day).fork(living(small)).advance(small.days)
    fork.close_epoch()
    assert fork.log.digest == grown(living(small)).log.digest


def test_what_cannot_be_born_is_refused(small: rs.Scenario) -> None:
    """Two of one name, and arms with other births, each in a line."""
    with pytest.raises(rs.RecsimError, match="two are called late"):
        small.but(births=(BIRTHS[0], BIRTHS[0]))
    with pytest.raises(rs.RecsimError, match="births: differs between arms"):
        World(small.but(births=BIRTHS), 7).fork(small)
