"""A catalogue that grows: items come out when they are due, nobody meets one before, and models that do not know them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import digests, grown, kill_again_and_again

import recsim as rs
from recsim.feed import unknown_behind
from recsim.randomness import Randomness
from recsim.simulation import World
from recsim.world import DAY, Ranking, Visits

GROWING = (rs.Releases(items=1.3), rs.Releases(items=4, every=3.0, from_day=1.0))


def test_items_come_out_when_they_are_due() -> None:
    """Moments are from_day + every, + 2 every, ...; a fraction of an item is a coin; addresses are streams of their own."""
    catalog, chance = rs.SyntheticItems(items=5), Randomness(3)
    works = rs.Releases(items=2.25, every=2.0, from_day=1.0, to_day=100.0).works(chance, 3, catalog, 1000.0)
    seconds, number = np.unique(works.born, return_counts=True)
    assert (seconds / DAY).tolist() == list(np.arange(3.0, 100.0, 2.0))
    assert set(number) == {2, 3} and abs(number.mean() - 2.25) < 4 * np.sqrt(0.25 * 0.75 / len(number))  # 6e-5
    assert works.address.tolist() == [3 * 2**24 + serial for serial in range(len(works))]
    assert len(rs.Releases(items=0).works(chance, 1, catalog, 50.0)) == 0
    with pytest.raises(rs.RecsimError, match="8388608 are the most"):
        rs.Releases(items=1e6).works(chance, 1, catalog, 50.0)


def test_nobody_meets_an_item_before_it_is_out(
    small: rs.Scenario, recommender: rs.Recommender, policy: rs.Policy
) -> None:
    """Whatever the strategy, all that is shown or clicked is out; tiles and threads change nothing."""
    if isinstance(recommender, rs.Shares):
        pytest.skip("its shares are one an item of a catalogue that does not grow")
    scenario = small.but(creators=GROWING, recommender=recommender, policy=policy, days=7.0)
    world = grown(scenario)
    for log in (world.log.columns(), world.impressions.columns()):
        assert (log["time"] >= world.items.born[log["item"]]).all()
    assert digests(grown(scenario, tile=37, threads=2)) == digests(world)


def test_new_items_are_met(small: rs.Scenario) -> None:
    """Chance finds them at once, a model once it has rows about them."""
    world = grown(small.but(creators=GROWING, policy=rs.EpsilonGreedy(epsilon=0.5)))
    rows, first = world.impressions.columns(), world.items.released(0)
    new = rows["item"] >= first
    assert new.sum() > 100 and {0, 1} <= set(rows["origin"][new])


def test_a_growing_world_is_indifferent_to_how_it_is_served(small: rs.Scenario) -> None:
    """Readings, uneven steps and the length of the run leave the same log; a stream of no items is none."""
    scenario = small.but(creators=GROWING)
    straight = digests(grown(scenario))
    assert digests(grown(scenario.but(readings_every=small.days / 100))) == straight
    world = World(scenario, 7)
    for day in (0.1, 2.9999, 3.0, 3.4, 8.0, small.days):
        world.advance(day)
    world.close_epoch()
    assert digests(world) == straight
    longer = World(scenario.but(days=2 * small.days), 7).advance(small.days)
    longer.close_epoch()
    assert digests(longer) == straight
    assert digests(grown(small.but(creators=(rs.Releases(items=0),)))) == digests(grown(small)) != straight


def test_a_growing_world_goes_on_after_interruptions(small: rs.Scenario, tmp_path: Path) -> None:
    """Killed at two places and gone on with, all tables are those of a run left alone, the open loop's too."""
    kill_again_and_again(small.but(creators=GROWING, open_loop=True), tmp_path / "run", (0.3, 0.7))


def test_a_fork_of_a_growing_world_goes_on_as_it_would(small: rs.Scenario) -> None:
    """Under the same scenario a fork is the world itself; all arms have the same moments."""
    scenario = small.but(creators=GROWING)
    fork = World(scenario, 7, forks=True).advance(4.0).fork(scenario).advance(small.days)
    fork.close_epoch()
    assert digests(fork) == digests(grown(scenario))
    with pytest.raises(rs.RecsimError, match="creators: release on other days than in the first arm"):
        World(scenario, 7).fork(small)


def test_figures_count_what_is_out(small: rs.Scenario) -> None:
    """The history tells how many items are out, and shares of the catalogue are shares of these."""
    scenario = small.but(creators=GROWING, recommender=rs.Random())
    run, world = rs.run(scenario, seed=7, progress=False), World(scenario, 7)
    rows = run.history[(run.history["window"] == "epoch") & (run.history["group"] == "all")]
    for epoch, part in rows.groupby("epoch"):
        value = part.set_index("metric")["value"]
        out = world.items.released(round(part["day"].iloc[0] * DAY))
        assert value["released"] == out > 0, epoch
        shown = run.items[(run.items["epoch"] == epoch) & (run.items["impressions"] > 0)]["item"].nunique()
        assert value["coverage"] == shown / out


def test_unknown_items_stand_behind_those_that_a_model_knows() -> None:
    """They fill what is empty, in their order, less what a user has had; a draw never draws them."""
    items = np.array([[2, 0, -1, -1], [1, 0, 2, 3]], np.int32)
    visits = Visits(
        np.arange(2), np.arange(2, dtype=np.uint64), np.zeros(2, np.uint32), np.zeros(2, np.int64), 7, Randomness(1), None
    )
    published = rs.Published.of(np.ones(7))
    assert unknown_behind(Ranking(items, published), visits, 4).items.tolist() == [[2, 0, 4, 5], [1, 0, 2, 3]]
    drawn = unknown_behind(Ranking(items, published, weights=np.ones(4)), visits, 4)
    assert drawn.items.tolist() == items.tolist() and drawn.weights is not None and drawn.weights.tolist() == [1] * 4 + [0] * 3


def test_a_catalogue_that_cannot_grow_says_so(small: rs.Scenario) -> None:
    """One line names the catalogue and the method that it lacks."""

    class _Two(rs.Catalog):
        def draw(self, randomness: Randomness) -> rs.Items:
            return rs.SyntheticItems(items=2, topics=6).draw(randomness)

    with pytest.raises(rs.RecsimError, match="catalog: _Two cannot draw items that come later"):
        World(small.but(catalog=_Two(), creators=GROWING), 1)
