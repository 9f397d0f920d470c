"""Coming and going: nobody is lost, nobody visits who is not there, and nobody else's life can be told from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from conftest import kill_again_and_again
from hypothesis import given, settings
from hypothesis import strategies as st
from small_presence import LEAVING, LIVES, LIVING, OPEN, PLAIN

import recsim as rs
from recsim.crowd import Crowd
from recsim.dynamics import AWAY
from recsim.expectation import expect
from recsim.models import Chances, Factors, Neighbours
from recsim.population import Own
from recsim.presence import newcomers
from recsim.randomness import Floats, Randomness
from recsim.simulation import World
from recsim.world import DAY, NOTHING, Visits

Ints = npt.NDArray[np.int64]


def everything(world: World) -> dict[str, object]:
    """Return all that a world leaves at its end: its logs, its figures of epochs, and what people have become."""
    world.close_epoch()
    own = world.crowd.own | {"settled": world.crowd.settled, "ordinal": world.crowd.ordinal}
    return (
        {"clicks": world.log.digest, "impressions": world.impressions.digest}
        | {"history": repr([row for row in world.history if row[2] == "epoch"])}
        | {name: column.tobytes() for name, column in own.items()}
    )


def clicks(scenario: rs.Scenario, day: float | None = None, seed: int = 5) -> pd.DataFrame:
    """Return all rows of the log up to a day, by default to the end."""
    world = World(scenario, seed).advance(scenario.days if day is None else day)
    return pd.DataFrame(world.log.columns())


def readings(run: rs.Run, *metrics: str) -> list[Ints]:
    """Return figures of people at every reading and at the end of every epoch."""
    rows = run.history[run.history["group"] == "all"]
    return [rows[rows["metric"] == metric]["value"].to_numpy() for metric in metrics]


def noted(monkeypatch: pytest.MonkeyPatch, scenario: rs.Scenario, seed: int = 5) -> tuple[World, pd.DataFrame]:
    """Return a world at its end and a row for each visit that took place, with the second before which its user was away."""
    rows: list[pd.DataFrame] = []
    arrivals = Crowd.visits

    def watched(crowd: Crowd, rounds: Iterable[Visits]) -> Iterator[Visits]:
        for part in rounds:
            away = crowd.own[AWAY][part.user] if AWAY in crowd.own else np.zeros(len(part))
            columns = {"user": part.user, "ordinal": part.ordinal, "time": part.time, "away": away}
            rows.append(pd.DataFrame(columns))
            yield part

    with monkeypatch.context() as patch:
        patch.setattr(Crowd, "visits", lambda crowd, until: (watched(crowd, rounds) for rounds in arrivals(crowd, until)))
        world = World(scenario, seed).advance(scenario.days)
    return world, pd.concat(rows).sort_values(["user", "ordinal"], ignore_index=True)


# --------------------------------------------------------------------------------------------------------- who there is
lives = st.one_of(
    st.none(),
    st.builds(rs.ExponentialLife, mean=st.floats(0.1, 20)),
    st.builds(rs.FixedLife, mean=st.floats(0.1, 20)),
    st.builds(rs.WeibullLife, mean=st.floats(0.1, 20), shape=st.floats(0.2, 5)),
    st.builds(rs.HyperexponentialLife, mean=st.floats(0.1, 20), spread=st.floats(1, 10)),
)
arrivals = st.one_of(st.none(), st.builds(rs.PoissonArrivals, rate=st.floats(0.1, 20), from_day=st.floats(0, 4)))
chances = st.floats(0, 1)
leavings = st.builds(
    rs.Leaving, patience=st.integers(1, 4), chance=chances, forever=chances, away=st.floats(0.05, 10)
)  # fmt: skip


@given(arrivals, lives, st.lists(leavings, max_size=1), st.integers(0, 2**32))
@settings(max_examples=25)
def test_nobody_is_lost(come: Any, life: Any, leaving: list[rs.Dynamics], seed: int) -> None:
    """At every reading founders + arrived = present + away + gone; nobody unarrives or comes back from having gone."""
    scenario = PLAIN.but(arrivals=come, lifetime=life, dynamics=tuple(leaving), readings_every=0.37, days=5.0)
    run = rs.run(scenario, seed=seed, progress=False)
    present, away, gone, arrived = readings(run, "present", "away", "gone", "arrived")
    assert len(present) == 13 + 3
    assert (15 + arrived == present + away + gone).all()
    assert (np.diff(arrived) >= 0).all() and (np.diff(gone) >= 0).all()
    assert leaving or not away.any()
    assert come or not arrived.any()


@pytest.mark.parametrize("life", LIVES)
def test_nobody_visits_who_is_not_there(monkeypatch: pytest.MonkeyPatch, life: str) -> None:
    """All visits lie between a user's coming and her going, and none while she is away; those who left for ever stay so."""
    world, visits = noted(monkeypatch, OPEN.but(lifetime=LIVES[life], dynamics=(LEAVING,), days=20.0))
    crowd, user, time = world.crowd, visits["user"].to_numpy(), visits["time"].to_numpy()
    assert (crowd.since[user] <= time).all() and (time < crowd.ends[user]).all() and (visits["away"] <= time).all()
    assert (crowd.own[AWAY] > 0).sum() > 5 and np.isinf(crowd.own[AWAY]).any()
    rows = pd.DataFrame(world.log.columns())
    assert set(zip(rows["user"], rows["visit"], strict=True)) <= set(zip(user, visits["ordinal"], strict=True))
    assert len(rows) > 50 and (rows["time"] < crowd.ends[rows["user"]]).all()


def test_ordinals_pass_while_somebody_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The visits of those who go away are some of the visits that they would have made, under the same numbers and seconds."""
    lasting = OPEN.but(lifetime=rs.FixedLife(mean=12.0), days=20.0)
    _, all_ = noted(monkeypatch, lasting)
    world, some = noted(monkeypatch, lasting.but(dynamics=(LEAVING,)))
    pairs = all_.merge(some, on=["user", "ordinal", "time"])
    assert len(pairs) == len(some) < len(all_)
    gap = some.groupby("user")["ordinal"].diff()
    assert (gap.dropna() >= 1).all() and (gap > 1).any()  # some have been away, and come back to a later number
    ended = all_.groupby("user")["ordinal"].max() + 1
    assert (world.crowd.ordinal[ended.index] == ended).all()


def test_attendance_by_hand() -> None:
    """Who comes, goes and is away is counted as of the second: from her coming on, until just before her end."""
    crowd = World(OPEN.but(lifetime=rs.FixedLife(mean=2.0), dynamics=(LEAVING,)), 1).crowd
    first = int(crowd.since[15])
    assert crowd.attendance(first - 1) == {"present": 15.0, "away": 0.0, "gone": 0.0, "arrived": 0.0}
    assert crowd.attendance(first) == {"present": 16.0, "away": 0.0, "gone": 0.0, "arrived": 1.0}
    crowd.own[AWAY][:3] = [first + 10, np.inf, first]
    assert crowd.attendance(first) == {"present": 14.0, "away": 1.0, "gone": 1.0, "arrived": 1.0}
    assert crowd.here(first)[:4].tolist() == [False, False, True, True]
    later = crowd.attendance(2 * DAY)
    assert later["gone"] == 15.0 and later["arrived"] == later["present"] > 1
    assert crowd.attendance(first + 2 * DAY)["gone"] == 16.0


def test_newcomers_are_no_founders_however_early_they_come() -> None:
    """Many come in the first second, and in every other: none of them is there at second 0, all are counted as arrived."""
    rush = PLAIN.but(arrivals=rs.PoissonArrivals(rate=1e6), days=10 / DAY, visits=rs.Poisson(rate=0.01))
    crowd = World(rush, 1).crowd
    assert crowd.attendance(0) == {"present": 15.0, "away": 0.0, "gone": 0.0, "arrived": 0.0}
    for second in (1, 5, 10):
        figures = crowd.attendance(second)
        assert figures["present"] == 15 + figures["arrived"]
    assert crowd.attendance(10)["arrived"] == len(crowd.users) - 15 > 60


def test_a_world_that_everybody_has_left_goes_on() -> None:
    """Epochs in which nobody is there have figures, of nobody; nothing is warned about."""
    for empty in ({"lifetime": rs.FixedLife(mean=1.0)}, {"dynamics": (rs.Leaving(patience=1, chance=1.0, forever=1.0),)}):
        scenario = LIVING.but(
            **({"arrivals": None, "lifetime": None, "dynamics": ()} | empty), choice=rs.Luce(outside=1e6), graphs=True,
            population=PLAIN.population.but(curiosity=0.0), signals=(rs.Survey(rate=1.0),),
        )  # fmt: skip
        run = rs.run(scenario, progress=False)
        assert run.metrics["present"] == 0.0 and run.metrics["gone"] == 15.0 and run.metrics["visits"] == 0.0


# --------------------------------------------------------------------------------------------------- what changes nothing
def test_founders_do_not_notice_newcomers() -> None:
    """Where no model learns, the rows of founders are byte for byte those of a world into which nobody comes.

    But for the depth, which tells of everybody's rows that a model was trained on.
    """
    for life in (None, rs.ExponentialLife(mean=4.0)):
        for dynamics in ((), (LEAVING, rs.Reinforcement(rate=0.1))):
            closed = PLAIN.but(lifetime=life, dynamics=dynamics)
            alone, among = clicks(closed), clicks(closed.but(arrivals=rs.PoissonArrivals(rate=5.0)))
            assert (among["user"] >= 15).any()
            founders = among[among["user"] < 15].reset_index(drop=True)
            pd.testing.assert_frame_equal(founders.drop(columns="depth"), alone.drop(columns="depth"), check_exact=True)


def test_what_is_switched_off_leaves_the_log_as_it_was() -> None:
    """Nobody who comes, lives longer than the run, and leaving with probability 0 are the world without: byte for byte."""
    learning = LIVING.but(arrivals=None, lifetime=None, dynamics=())
    without = everything(World(learning, 5).advance(9.0))
    for settled in (
        {"arrivals": rs.PoissonArrivals(from_day=9.5)}, {"arrivals": rs.PoissonArrivals(rate=1e-12)},
        {"lifetime": rs.FixedLife(mean=10.0)}, {"dynamics": (rs.Leaving(chance=0.0),)},
    ):  # fmt: skip
        assert everything(World(learning.but(**settled), 5).advance(9.0)) == without
    assert everything(World(learning.but(lifetime=rs.FixedLife(mean=8.0)), 5).advance(9.0)) != without


@pytest.mark.parametrize("day", [4.1, 5.0, 7.77])
def test_a_longer_run_begins_with_the_shorter_one(day: float) -> None:
    """Who comes later cannot be seen in the log before, nor through what signals choose ahead of time.

    Nor in the figures, but in the last bit of sums over all who are ever there.
    """
    scenario = LIVING.but(network=None, signals=(rs.Panel(count=30), rs.OrganicLift(count=15), rs.Survey(rate=0.3)))
    short = World(scenario.but(days=day, readings_every=1.1), 5).advance(day)
    long = World(scenario.but(days=15.0, readings_every=1.1), 5).advance(day)
    assert len(long.users) > len(short.users)
    pd.testing.assert_frame_equal(pd.DataFrame(short.log.columns()), pd.DataFrame(long.log.columns()), check_exact=True)
    for world in (short, long):
        world.read("so far")
    pd.testing.assert_frame_equal(pd.DataFrame(short.history), pd.DataFrame(long.history), rtol=1e-13)


@pytest.fixture(scope="module")
def quiet() -> dict[str, object]:
    """All that the living world leaves when it is served at once."""
    return everything(World(LIVING, 7).advance(9.0))


@pytest.mark.parametrize(("tile", "threads"), [(1, 1), (37, 2), (4096, 4)])
def test_tiles_and_threads_change_nobody_who_comes_and_goes(quiet: dict[str, object], tile: int, threads: int) -> None:
    """Tiles of any size and several threads leave the same logs and the same people."""
    assert everything(World(LIVING, 7, threads=threads, tile=tile).advance(9.0)) == quiet


def test_order_of_users_changes_nobody_who_comes_and_goes(quiet: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Users served in any order leave the same logs and the same people."""
    arrivals, shuffle = Crowd.visits, np.random.default_rng(5).permutation
    monkeypatch.setattr(
        Crowd, "visits", lambda crowd, until: ([v.take(shuffle(len(v)))] for rounds in arrivals(crowd, until) for v in rounds)
    )
    assert everything(World(LIVING, 7, tile=37).advance(9.0)) == quiet


def test_readings_and_steps_change_nobody_who_comes_and_goes(quiet: dict[str, object]) -> None:
    """Hundreds of readings and uneven steps leave the same logs and the same people."""
    world = World(LIVING.but(readings_every=9.0 / 300), 7)
    for day in (0.1, 1.9999, 2.0, 2.3, 5.5, 9.0):
        world.advance(day)
    assert everything(world) == quiet


@pytest.mark.parametrize("day", [0.0, 3.3, 6.7])
def test_a_fork_goes_on_as_the_world_that_it_left(quiet: dict[str, object], day: float) -> None:
    """A world that parts from itself ends as the one that was left alone, and so does the first."""
    trunk = World(LIVING, 7, forks=True).advance(day)
    assert everything(trunk.fork(LIVING).advance(9.0)) == quiet
    assert everything(trunk.advance(9.0)) == quiet


def test_a_fork_of_another_length_is_refused() -> None:
    """Who comes is drawn up to the end of the run: arms of different lengths would have different people."""
    trunk = World(OPEN, 7).advance(2.0)
    for days in (4.0, 30.0):
        with pytest.raises(rs.RecsimError, match=r"^days: .*one length$"):
            trunk.fork(OPEN.but(days=days))
    for setting in ({"arrivals": None}, {"lifetime": None}, {"arrivals": rs.PoissonArrivals(rate=1.0)}):
        with pytest.raises(rs.RecsimError, match="differs between arms"):
            trunk.fork(OPEN.but(**setting))


def test_a_run_killed_at_three_places_goes_on_to_the_same_end(tmp_path: Path) -> None:
    """Killed again and again and gone on with, people come and go as in a quiet run, and leave its tables."""
    kill_again_and_again(LIVING, tmp_path / "run", (0.1, 0.5, 0.9))


def test_arms_have_the_same_people() -> None:
    """Under one seed all arms see the same people come, other seeds see others."""
    scenario = OPEN.but(recommender=rs.Popularity(prior=1.0), days=6.0)
    arms = {"greedy": scenario, "exploring": scenario.but(policy=rs.EpsilonGreedy(epsilon=0.5))}
    frame = rs.compare(arms, seeds=3, workers=1, progress=False).history
    arrived = frame[frame["metric"] == "arrived"].pivot(index="epoch", columns=["seed", "arm"], values="value")
    assert arrived.T.groupby("seed").nunique().eq(1).all(axis=None)
    assert arrived.iloc[-1].nunique() == 3 and (arrived.iloc[-1] > 5).all()


# --------------------------------------------------------------------------------------- people who came after the cut
def asked(user: list[int], items: int, second: int) -> Visits:
    """Return a visit of each of some users."""
    who = np.array(user)
    nth, time = np.zeros(len(who), np.uint32), np.full(len(who), second)
    return Visits(who, who.astype(np.uint64), nth, time, items, Randomness(1), None)


def test_every_recommender_ranks_people_who_came_after_the_cut(small: rs.Scenario, recommender: rs.Recommender) -> None:
    """Who came after the cut is ranked as one without rows: items by the weight of the rows about them, then by number."""
    come = small.but(recommender=recommender, arrivals=rs.PoissonArrivals(rate=6.0), signals=())
    world = World(come, 7).advance(6.5)
    model, known = world.model, int((world.crowd.since <= 6 * DAY).sum())
    assert world.epoch == 2 and known < len(world.users)
    new = asked([known, len(world.users) - 1, 0], 80, 7 * DAY)
    ranked = model.rank(new, 80).items
    possible = np.flatnonzero(model.counts) if isinstance(model, Chances) else np.arange(80)
    assert all(sorted(row[row != NOTHING]) == possible.tolist() for row in ranked)
    cold = np.lexsort((np.arange(80), -model.counts))
    if isinstance(model, (Factors, Neighbours)) and not recommender.trusted:
        size = len(model.users) if isinstance(model, Factors) else len(model.history_start) - 1
        assert size == known
        assert (ranked[:2] == cold).all() and (ranked[2] != cold).any()
        assert (model.rank(new, 80, threads=2).items == ranked).all()
        alone = model.rank(asked([known], 80, 7 * DAY), 80)
        assert (alone.items[0] == ranked[0]).all() and np.isneginf(alone.scores).all()
    elif recommender.trusted:
        wants = world.users.interests[known] @ world.items.demand_by_topic()
        assert (np.diff(wants[ranked[0]]) <= 1e-6 * wants.max()).all()
    elif not isinstance(model, Chances):
        assert (ranked[0] == ranked[2]).all()


def test_every_recommender_lives_among_people_who_come_and_go(small: rs.Scenario, recommender: rs.Recommender) -> None:
    """Newcomers are served between their coming and the next cut, and taught from after it, in tiles as at once."""
    come = small.but(
        recommender=recommender, arrivals=rs.PoissonArrivals(rate=6.0), lifetime=rs.ExponentialLife(mean=6.0),
        dynamics=(rs.Leaving(patience=2),), training=(rs.Window(last=2), rs.SyntheticRows(share=0.1)),
    )  # fmt: skip
    one = World(come, 7).advance(small.days)
    rows = pd.DataFrame(one.log.columns())
    cut = rows["epoch"] * 3 * DAY
    fresh = (rows["origin"] == rs.Origin.MODEL) & (rows["epoch"] > 0) & (one.crowd.since[rows["user"]] > cut)
    assert fresh.sum() > 5
    assert everything(World(come, 7, threads=2, tile=37).advance(small.days)) == everything(one)


def test_every_policy_serves_people_who_came_after_the_cut(small: rs.Scenario, policy: rs.Policy) -> None:
    """No policy stumbles over users that nothing was published about."""
    come = small.but(policy=policy, arrivals=rs.PoissonArrivals(rate=6.0), lifetime=rs.FixedLife(mean=5.0), days=7.0)
    world = World(come, 7).advance(7.0)
    shown = pd.DataFrame(world.impressions.columns())
    assert (world.crowd.since[shown["user"]] > shown["epoch"] * 3 * DAY).any()


# -------------------------------------------------------------------------------------------------- people of every kind
class _Alone(rs.Population):
    """One user who wants everything alike, and of whose kind nobody else can be drawn."""

    def draw(self, randomness: Randomness) -> rs.Users:
        """Return her."""
        return rs.SyntheticUsers(users=1, topics=4, mainstream=2).draw(randomness)


def test_people_who_cannot_come_later_are_told_in_one_line() -> None:
    """A population without `more` is no fault as long as nobody comes."""
    alone = OPEN.but(population=_Alone())
    with pytest.raises(rs.RecsimError, match=r"^population: _Alone cannot draw people who come later; give it a method more$"):
        World(alone, 1)
    assert len(World(alone.but(arrivals=None), 1).users) == 1


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a world fitted to a small log."""
    folder = tmp_path_factory.mktemp("calibrated")
    chance = np.random.default_rng(3)
    pairs = pd.DataFrame({"user": np.repeat(np.arange(30), 8), "item": chance.integers(0, 25, 240)}).drop_duplicates()
    pairs.assign(time=np.arange(len(pairs))).to_csv(folder / "log.csv", index=False)
    rs.calibrate(folder / "log.csv", folder / "world", user="user", item="item", topics=3)
    return str(folder / "world")


@pytest.mark.parametrize("users", [None, 12])
def test_fitted_people_come_later_too(calibrated: str, users: int | None) -> None:
    """Newcomers are each as one of the fitted people is, interests with the activity that belongs to them, and have names."""
    founders = rs.CalibratedUsers(world=calibrated, users=users)
    fitted = rs.CalibratedUsers(world=calibrated).draw(Randomness(1))
    world = World(PLAIN.but(population=founders, catalog=rs.CalibratedItems(world=calibrated), arrivals=OPEN.arrivals), 5)
    people, first = world.users, users or 30
    assert len(people) > first + 20 and (people.address[first:] == newcomers(len(people) - first)).all()
    known = {(row.tobytes(), pace) for row, pace in zip(fitted.interests, fitted.activity, strict=True)}
    assert {(row.tobytes(), pace) for row, pace in zip(people.interests, people.activity, strict=True)} <= known
    assert len({row.tobytes() for row in people.interests[first:]}) > 10
    if users is None:
        assert people.names[:30] == fitted.names and people.names[30:32] == ("newcomer 1", "newcomer 2")
        assert len(people.names) == len(people)
    else:
        assert people.names == ()
    assert not pd.DataFrame(world.advance(9.0).log.columns()).empty


# ----------------------------------------------------------------------------------------- signals ask those who are there
def test_a_survey_asks_only_those_who_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked are those who have come, have not gone, and are not away: all of them where everybody is to be asked."""
    there: dict[int, set[int]] = {}
    occasion = Crowd.occasion

    def kept(crowd: Crowd, moment: int, second: int, clicks: Any) -> Any:
        there[second] = set(np.flatnonzero(crowd.here(second)).tolist())
        return occasion(crowd, moment, second, clicks)

    monkeypatch.setattr(Crowd, "occasion", kept)
    for signal in (rs.Survey(rate=1.0, every=0.7), rs.Survey(count=4, every=0.7), rs.Survey(count=15, every=0.7)):
        there.clear()
        rows = clicks(OPEN.but(dynamics=(LEAVING,), signals=(signal,), consumption="again", lifetime=rs.FixedLife(mean=3.0)))
        rows = rows[rows["origin"] == rs.Origin.SURVEY]
        told = {int(second): set(part["user"]) for second, part in rows.groupby("time")}
        assert len(told) >= 10
        for second, users in told.items():
            assert users <= there[second]
            assert len(users) == min(signal.count or 10**6, len(there[second]))


def test_fans_and_friends_are_those_who_are_there() -> None:
    """Items find fans, and shares find friends, among those who are there and no others."""
    shares = rs.FriendShares(rate=1.0, every=1.0)
    scenario = OPEN.but(
        dynamics=(LEAVING,), signals=(shares,), network=rs.SmallWorld(friends=8), choice=rs.Luce(outside=2.0),
        lifetime=rs.FixedLife(mean=4.0),
    )  # fmt: skip
    world = World(scenario, 5).advance(6.0)
    crowd, occasion, stream = world.crowd, world.occasion(6), world.streams[0]
    here = crowd.here(6 * DAY)
    assert 0 < here.sum() < (crowd.since <= 6 * DAY).sum() < len(here)
    drawn = [occasion.fans(np.arange(25, dtype=np.int32), f"test.{draw}") for draw in range(40)]
    assert set(np.concatenate(drawn)) <= set(np.flatnonzero(here)) and len(set(np.concatenate(drawn))) > here.sum() / 2
    stream.inbox[:] = NOTHING
    shares.moment(stream, occasion)
    assert (stream.inbox != NOTHING).any() and not (stream.inbox[~here] != NOTHING).any()


@pytest.mark.parametrize("each", ["visit", "item"])
def test_the_log_from_before_the_loop_is_by_founders(each: str) -> None:
    """Nobody who comes later has a row in the log of before; with or without her it is the same."""
    anchor = rs.AnchorReplay(rate=0.5, each=each, size=300)
    among, alone = (World(OPEN.but(arrivals=come, signals=(anchor,)), 5).streams[0].anchor for come in (OPEN.arrivals, None))
    assert among[0].max() < 15 and (among == alone).all()


def test_a_count_chooses_among_those_who_have_come() -> None:
    """What a signal with a count chooses at a moment are visits of people who are there or away then, not of those to come."""
    world = World(OPEN.but(signals=(rs.Panel(count=1000, every=3.0),)), 5).advance(6.5)
    chosen = world.streams[0].chosen >> 32
    since, ends = world.crowd.since[chosen], world.crowd.ends[chosen]
    assert len(chosen) > 10 and (since <= 6 * DAY).all() and (ends > 6 * DAY).all()
    shown = pd.DataFrame(world.impressions.columns())
    late = shown[(shown["time"] >= 6 * DAY) & (world.crowd.since[shown["user"]] > 6 * DAY)]
    assert (late["origin"] == rs.Origin.MODEL).all() and np.allclose(late["propensity"], 1 / (25 - late["position"]), atol=0.05)


# ------------------------------------------------------------------------------------------------------- what is expected
def test_describe_expects_the_visits_that_are_made() -> None:
    """For the people of seed 1, whom it looks at, within 4 standard errors of Poisson visits; for other seeds within 8 %.

    2,000 founders and 200 newcomers a day live 6 days, with a standard deviation as long: 4 standard errors of 8 %.
    """
    scenario = PLAIN.but(
        slate=1, population=PLAIN.population.but(users=2000), visits=rs.Poisson(rate=0.5), days=20.0, log="clicks",
        arrivals=rs.PoissonArrivals(rate=200.0, from_day=2.0), lifetime=rs.ExponentialLife(mean=6.0),
    )  # fmt: skip
    told = expect(scenario)["expected"]
    made = [sum(rs.run(scenario, seed=seed, progress=False).series("visits")) for seed in (1, 2, 3)]
    assert abs(made[0] - told["visits"]) <= 4 * math.sqrt(told["visits"])
    assert np.mean(made) == pytest.approx(told["visits"], rel=0.08)
    assert told["organic_visits"] == pytest.approx(0.2 * told["visits"], rel=0.001)


# ------------------------------------------------------------------------------------------------- leaving, and time
def test_who_is_put_off_for_ever_makes_no_visit_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a feed that gets no clicks, patience 3 and chance 1 leave everybody exactly three visits."""
    bad = PLAIN.but(choice=rs.Luce(outside=1e9), population=PLAIN.population.but(curiosity=0.0), days=30.0)
    _, visits = noted(monkeypatch, bad.but(dynamics=(rs.Leaving(patience=3, chance=1.0, forever=1.0),)))
    assert visits.groupby("user")["ordinal"].apply(list).tolist() == [[0, 1, 2]] * 15


# ------------------------------------------------------------------------------------------------ time begins as she comes
class _Ageing(rs.Dynamics):
    """Count the days that pass at rest: what a dynamics is told of time."""

    def columns(self, randomness: Randomness, users: rs.Users, items: rs.Items) -> Own:
        """Return nobody aged."""
        return {"days lived": np.zeros(len(users))}

    def rest(self, own: Own, days: Floats) -> None:
        """Add the days."""
        assert (days >= 0).all()
        own["days lived"] += days


def test_time_begins_as_somebody_comes() -> None:
    """Up to her last visit a user has lived the days since she came, not since the world began; before she comes none."""
    world = World(OPEN.but(dynamics=(_Ageing(),), readings_every=0.5, recommender=rs.Oracle()), 5).advance(9.0)
    crowd = world.crowd
    been = np.isfinite(crowd.next_time) & (crowd.ordinal > 0)
    lived = (crowd.settled - crowd.since) / DAY
    assert (crowd.since > 0)[been].sum() > 5
    np.testing.assert_allclose(crowd.own["days lived"][been], lived[been], atol=1e-9)
    assert (crowd.truth(0).own["days lived"][15:] == crowd.own["days lived"][15:]).all()


def test_clocks_of_newcomers_start_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under regular visits every user comes once in each period of her own, counted from her coming."""
    scenario = OPEN.but(visits=rs.Regular(period=0.5), lifetime=None)
    world, visits = noted(monkeypatch, scenario)
    age = visits["time"].to_numpy() - world.crowd.since[visits["user"]]
    assert (age // (DAY // 2) == visits["ordinal"]).all() and (visits["user"] >= 15).any()

