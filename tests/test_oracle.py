"""The engine against a second, scalar program written from the specification: the same log, to the last bit."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from oracle import ANCHOR as REPLAYED
from oracle import DTYPES, FRIEND, Row, World, columns, philox
from oracle_worlds import ALS, ANCHOR, CHASERS, LIVING, MACHINES, PANEL, RULES, SMALL, WORLDS

import recsim as rs
from recsim import simulation


@pytest.mark.parametrize("world", WORLDS)
def test_the_engine_gives_the_log_of_the_specification(world: str) -> None:
    """Every column of every row is that of a program written from the specification alone, and so is the digest."""
    run, log = rs.run(SMALL.but(**WORLDS[world]), seed=7, tile=64, progress=False), specified(world).log
    assert len(log.clicks) > 50
    assert_same(run.impressions, log.impressions)
    assert_same(run.clicks, log.clicks)
    assert run.digest == log.digest


@pytest.mark.parametrize("world", [world for world in WORLDS if {"dynamics", "births"} & set(WORLDS[world])])
def test_the_engine_leaves_people_as_the_specification_does(world: str) -> None:
    """What everybody has become by the end is the same to the last bit: interests, also as they were born, curiosity, fatigue,
    bad visits and until when she is away; and since when.
    """
    scenario, minds = SMALL.but(**WORLDS[world]), specified(world).minds
    crowd = simulation.World(scenario, 7, tile=64).advance(scenario.days).crowd
    assert crowd.settled.tolist() == [mind.settled for mind in minds]
    expected = {
        "interests": [mind.interests for mind in minds], "innate": [mind.born for mind in minds],
        "curiosity": [mind.curiosity for mind in minds], "fatigue": [mind.fatigue for mind in minds],
        "bad visits": [mind.bad for mind in minds], "away until": [mind.away_until for mind in minds],
    }  # fmt: skip
    for name in set(expected) & set(crowd.own):
        column = expected[name]
        differ = np.argwhere(bits(crowd.own[name]) != bits(np.array(column)))
        assert not len(differ), f"{name} of user {differ[0][0]}: {crowd.own[name][differ[0][0]]}, {column[differ[0][0]]}"


@pytest.mark.parametrize("world", [world for world in WORLDS if {"arrivals", "lifetime", "network"} & set(WORLDS[world])])
def test_the_same_people_come_and_go_and_are_friends(world: str) -> None:
    """When everybody comes, when she goes whatever happens, and who her friends are, is as the specification says."""
    crowd, expected = simulation.World(SMALL.but(**WORLDS[world]), 7).crowd, specified(world)
    assert crowd.users.address.tolist() == expected.truth.address
    assert crowd.since.tolist() == expected.truth.since
    assert crowd.ends.tolist() == pytest.approx(expected.truth.ends, rel=1e-14)
    ends = crowd.friends.start[1:-1]
    assert [friends.tolist() for friends in np.split(crowd.friends.friend, ends)] == expected.friends


def makers_of(world: str) -> dict[int, rs.Creators]:
    """Return the makers of a world who decide on the day, by their place among its creators."""
    return {place: creators for place, creators in enumerate(WORLDS[world].get("creators", ())) if creators.decides}


@pytest.mark.parametrize("world", [world for world in WORLDS if makers_of(world)])
def test_the_engine_makes_the_items_of_the_specification(world: str) -> None:
    """What has come out by the end is the same to the last bit, where it stands in lotteries, and who has given up."""
    scenario, expected = SMALL.but(**WORLDS[world]), specified(world)
    stock, out = simulation.World(scenario, 7, tile=64).advance(scenario.days).crowd.stock, expected.truth.items
    items, catalogue = stock.items.take(slice(stock.released)), expected.truth.catalogue[:out]
    columns = {
        "address": [item.address for item in catalogue], "topics": [item.topics for item in catalogue],
        "generation": [item.generation for item in catalogue], "born": [item.born for item in catalogue],
        "label": [not item.by_hand for item in catalogue], "appeal": expected.truth.appeal,
        "creator": [item.creator for item in catalogue],
    }  # fmt: skip
    for name, column in columns.items():
        ours = getattr(items, name)
        assert bits(ours).tolist() == bits(np.array(column, ours.dtype)).tolist(), name
    slots = np.arange(out) if stock.slots is None else stock.slots[:out]
    assert slots.tolist() == expected.truth.leaves[:out]
    for place, creators in makers_of(world).items():
        if isinstance(creators, rs.HumanCreators):
            assert set(np.flatnonzero(~stock.states[place]["active"])) == expected.makers.makers[place].gone


def test_makers_come_to_all_that_they_may_do() -> None:
    """In the worlds above people chase and give up, machines wait for something to imitate and imitate each other, items are left
    out, and labels are wrong either way; and what makers made is shown and consumed.
    """
    alone, waiting = specified("people and machines"), specified("machines wait for something to imitate")
    people, last, every = (alone.makers.makers[place] for place in (0, 2, 3))
    assert 0 < len(people.gone) < CHASERS.creators and "HumanCreators.model" in alone.numbers.keys
    assert last.generation > 1.5 and every.generation > 1
    for world in (alone, waiting):
        leaves = world.truth.leaves[: world.truth.items]
        assert leaves == sorted(leaves) and len(leaves) < max(leaves) + 1
    believed = {(item.address >> 24, item.by_hand) for item in alone.truth.catalogue[: alone.truth.items]}
    assert believed >= {(1, True), (1, False), (3, True), (3, False)}
    for rows in (alone.log.clicks, alone.log.impressions):
        assert {alone.truth.item_address[row.item] >> 24 for row in rows} == {0, 1, 2, 3, 4}


def test_a_living_world_has_it_all() -> None:
    """In the world above in which all moves there are people who leave for a while, others for ever, who end their stay, and who
    come later; newcomers and founders pass things on to each other; released and newborn items are shown and consumed.
    """
    world, scenario = specified("living"), SMALL.but(**LIVING)
    founders, catalogue, horizon = 12, 37, round(scenario.days * 86_400)
    away = [mind.away_until for mind in world.minds]
    assert any(0 < until < np.inf for until in away) and np.inf in away
    assert any(end < horizon for end in world.truth.ends) and world.truth.users > founders + 5
    shared = [row for row in world.log.impressions if row.origin == FRIEND]
    assert {row.user >= founders for row in shared} == {True, False}
    for rows in (world.log.clicks, world.log.impressions):
        assert {world.truth.item_address[row.item] >> 24 for row in rows} == {0, 1, 2, 255}
        assert {row.user >= founders for row in rows if row.item >= catalogue} == {True, False}
    assert max(mind.interests[-1] for mind in world.minds) > 0.2


REPLAYS = {
    "at once": {"signals": (rs.LogReplay(),)},
    "the last rows, later, als": {"signals": (rs.LogReplay(last=50, from_day=3.0, to_day=3.5),), "recommender": ALS},
    "a count, in a window": {"signals": (rs.LogReplay(count=40), PANEL), "training": (rs.Window(last=1),), "start": ALS},
    "again and again": {
        "signals": (rs.LogReplay(rate=0.3, to_day=9.0), ANCHOR, rs.LogReplay(count=9, every=1.1, from_day=2.0, to_day=7.5)),
        "creators": (CHASERS, MACHINES), "training": RULES,
    },
}  # fmt: skip


@pytest.mark.parametrize("replay", REPLAYS)
def test_the_engine_replays_a_log_as_the_specification_does(replay: str, calibrated: str) -> None:
    """Rows of the log that a world was calibrated to teach what the specification says, and enter its log when it says."""
    change = dict(REPLAYS[replay])
    change["signals"] = tuple(one.but(world=calibrated) if isinstance(one, rs.LogReplay) else one for one in change["signals"])
    scenario = SMALL.but(
        days=10.0, population=rs.CalibratedUsers(world=calibrated), catalog=rs.CalibratedItems(world=calibrated),
        start=change.pop("start", rs.Popularity()), **change,
    )  # fmt: skip
    run, log = rs.run(scenario, seed=7, tile=64, progress=False), World(scenario, seed=7).run()
    assert any(row.origin == REPLAYED for row in log.clicks)
    assert_same(run.impressions, log.impressions)
    assert_same(run.clicks, log.clicks)
    assert run.digest == log.digest


@cache
def specified(world: str) -> World:
    """Return a world of the second program, run to its end."""
    specified = World(SMALL.but(**WORLDS[world]), seed=7)
    specified.run()
    return specified


def test_what_is_almost_exhausted_is_drawn_in_the_last_resort() -> None:
    """The worlds above do come to draws that need more than 32 attempts, and to users who have had everything."""
    worlds = [specified(world) for world in WORLDS if world.startswith("almost")]
    labels = {label.split("@")[0].split("#")[0] for world in worlds for label in world.numbers.keys if "rest" in label}
    assert labels == {
        "organic.rest", "EpsilonGreedy.pick", "Chances.rank", "Proportional.pick", "shadow", "Slots.explore", "Panel.pick.0",
        "Survey.0", "Thompson.item",
    }  # fmt: skip
    assert all(max(map(len, world.consumed)) == world.truth.items for world in worlds)
    assert all(len(world.log.clicks) > 50 for world in worlds)


def test_philox_gives_the_published_numbers() -> None:
    """The generator of the second program gives the known answers of Random123 (Salmon et al. 2011)."""
    most = 0xFFFFFFFF
    assert philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((most,) * 4, (most,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)


def assert_same(frame: pd.DataFrame, rows: list[Row]) -> None:
    """Compare a log with rows, column by column and to the bit; NaN is NaN."""
    expected, shared = columns(rows), min(len(frame), len(rows))
    assert {name: column.to_numpy().dtype for name, column in frame.items()} == DTYPES
    for name in DTYPES:
        engine, oracle = (np.asarray(column)[:shared] for column in (frame[name], expected[name]))
        differ = np.flatnonzero(bits(engine) != bits(oracle))
        assert not len(differ), f"{name}: the engine has\n{frame.iloc[differ[0]]}\nthe specification\n{rows[differ[0]]}"
    assert len(frame) == len(rows)


def bits(column: np.ndarray) -> np.ndarray:
    """Return a column as whole numbers of the same bits."""
    return column.view(f"u{column.itemsize}")
