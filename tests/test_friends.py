"""Friendships in a world: who passes on what to whom, and what the graphs of an epoch's clicks say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import recsim as rs
from recsim.simulation import World

BLOCKS = rs.Blocks(friends=6, homophily=0.7)


def shared(small: rs.Scenario) -> rs.Scenario:
    """Return a small world in which friends share."""
    return small.but(network=BLOCKS, signals=(rs.FriendShares(rate=0.3),))


def test_friends_of_the_network_share_as_listed_pairs_do(small: rs.Scenario) -> None:
    """The network of a scenario and the same friendships listed one by one give one and the same log."""
    ours = World(shared(small), 7)
    pairs = tuple((int(one), int(other)) for one, other in ours.crowd.friends.edges())
    theirs = World(small.but(signals=(rs.FriendShares(rate=0.3, edges=pairs),)), 7)
    for world in (ours, theirs):
        world.advance(small.days).close_epoch()
    assert len(pairs) > 50
    assert (ours.log.columns()["origin"] == rs.Origin.FRIEND).sum() > 20
    assert ours.log.digest == theirs.log.digest
    assert ours.impressions.digest == theirs.impressions.digest


def test_listed_pairs_come_before_the_network(small: rs.Scenario) -> None:
    """Where a signal has pairs of its own, nobody else shares."""
    world = World(shared(small).but(signals=(rs.FriendShares(rate=1.0, edges=((0, 1),)),)), 7).advance(small.days)
    rows = world.log.columns()
    assert set(rows["user"][rows["origin"] == rs.Origin.FRIEND]) <= {0, 1}


def test_without_friends_nobody_shares(small: rs.Scenario) -> None:
    """No network and no pairs: the log of a world without the signal, and `describe` points it out."""
    lonely = small.but(signals=(rs.FriendShares(rate=0.5),))
    logs = [World(one, 7).advance(9.0).log.columns() for one in (lonely, small.but(signals=()))]
    assert all(np.array_equal(logs[0][name], logs[1][name], equal_nan=name == "propensity") for name in logs[0])
    assert any("nobody has any" in line for line in rs.expect(lonely)["odd"])


def test_a_run_among_friends_goes_on_and_its_world_is_known(small: rs.Scenario, tmp_path: Path) -> None:
    """An interrupted run with a network resumes to the same digest; another network is another world."""

    def stop(done: float, text: str) -> None:
        if done > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rs.run(shared(small), seed=3, out=tmp_path / "run", progress=stop)
    resumed = rs.run(out=tmp_path / "run", resume=True, progress=False)
    assert resumed.digest == rs.run(shared(small), seed=3, progress=False).digest
    other = shared(small).but(network=rs.SmallWorld(friends=6))
    assert World(other, 3).drawn != World(shared(small), 3).drawn != World(small, 3).drawn
    with pytest.raises(rs.RecsimError, match="network: differs between arms"):
        World(shared(small), 3).fork(other)


def test_the_graphs_of_an_epoch_are_those_of_its_clicks(small: rs.Scenario) -> None:
    """The rows in the history are what `polarisation.measure` gives for the clicks of that epoch."""
    scenario = shared(small).but(graphs=True)
    run = rs.run(scenario, seed=3, progress=False)
    world = World(scenario, 3)
    users, items = world.users.interests.argmax(axis=1), world.items.topics.argmax(axis=1)
    epoch = run.clicks[run.clicks["epoch"] == 2]
    wanted = rs.polarisation.measure(epoch["user"], epoch["item"], users, items, world.crowd.friends.edges())
    rows = run.history[(run.history["epoch"] == 2) & (run.history["window"] == "epoch")].set_index(["group", "metric"])["value"]
    assert len(wanted) == 8
    for group, metric, value in wanted:
        assert rows[group, metric] == pytest.approx(value, nan_ok=True), (group, metric)
    plain = rs.run(small, seed=3, progress=False)
    assert not set(rs.polarisation.POLARISATION) & set(plain.history["metric"])
