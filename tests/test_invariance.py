"""The law of the window: nothing about how the visits are served can be seen in the log."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import kill_again_and_again

import recsim as rs
from recsim import amounts, eventlog, metrics
from recsim.ahead import ahead
from recsim.crowd import Crowd
from recsim.simulation import World
from recsim.world import Visits


def digests(scenario: rs.Scenario, seed: int = 7, **how: int) -> tuple[str, str]:
    """Return the digests of clicks and impressions of a run."""
    world = World(scenario, seed, **how).advance(scenario.days)
    world.close_epoch()
    return world.log.digest.hex(), world.impressions.digest.hex()


@pytest.mark.parametrize("tile", [1, 37, 4096])
def test_tile_size_changes_nothing(small: rs.Scenario, tile: int) -> None:
    """Visits served one by one, by 37 or all at once leave the same log byte for byte."""
    assert digests(small, tile=tile) == digests(small)


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_nothing(small: rs.Scenario, threads: int) -> None:
    """Fitting, ranking and serving in several threads leaves the same log byte for byte."""
    crowd = small.but(population=rs.SyntheticUsers(users=700, topics=6), days=9.0)
    assert digests(crowd, threads=threads, tile=100) == digests(crowd)


@pytest.mark.parametrize("threads", [1, 3])
def test_parts_come_in_their_order_and_not_all_at_once(threads: int) -> None:
    """Whatever takes how long, results come in the order of the parts, few of which are begun before they are wanted."""
    begun: list[int] = []

    def work(part: int) -> int:
        time.sleep(0.003 * (part % 3))
        begun.append(part)
        return part * part

    with closing(ahead(work, range(40), threads)) as results:
        assert [next(results) for _ in range(5)] == [0, 1, 4, 9, 16]
        assert len(begun) <= 5 + 3 * threads
        assert list(results) == [part * part for part in range(5, 40)]
    assert sorted(begun) == list(range(40))


@pytest.mark.parametrize("threads", [1, 3])
def test_what_a_part_raises_is_raised_and_ends_the_work(threads: int) -> None:
    """The first error in the order of the parts reaches the caller, later ones though they came first; parts far behind it are
    never begun.
    """
    begun: list[int] = []

    def work(part: int) -> int:
        begun.append(part)
        if part >= 4:
            time.sleep(0.05 * (part == 4))
            raise KeyError(part)
        return part

    done = []
    with pytest.raises(KeyError, match="4"), closing(ahead(work, range(1000), threads)) as results:
        for result in results:
            done.append(result)
    assert done == [0, 1, 2, 3] and max(begun) < 30


@pytest.mark.parametrize("threads", [1, 3])
def test_no_part_begins_before_the_results_it_waits_for_are_written(threads: int) -> None:
    """Each third part waits for all before, the others for what is four parts back; the caller is slow to write."""
    written, begun = 0, {}

    def work(part: int) -> int:
        begun[part] = written
        time.sleep(0.001 * (part % 2))
        return part

    def after(part: int) -> int:
        return part if part % 3 == 0 else max(0, part - 4)

    with closing(ahead(work, range(60), threads, after)) as results:
        for result in results:
            time.sleep(0.002)
            assert result == written
            written += 1
    assert written == 60 and all(begun[part] >= after(part) for part in range(60))


def test_drawing_figures_and_log_in_threads_are_those_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """People are drawn, measured and written down in parts, by several threads where there are; not a bit is another."""
    asked: list[tuple[str, int]] = []
    shared = (amounts, "ahead"), (metrics, "together"), (eventlog, "together")
    for module, name in shared:
        inside = getattr(module, name)

        def watched(*parts: Any, threads: int, module: Any = module, inside: Any = inside) -> Any:
            asked.append((module.__name__, threads))
            return inside(*parts, threads=threads)

        monkeypatch.setattr(module, name, watched)
    monkeypatch.setattr(eventlog, "MANY", 1000)
    scenario = rs.Scenario(days=3, population=rs.SyntheticUsers(users=9001), catalog=rs.SyntheticItems(items=60))
    one = rs.run(scenario, seed=2, progress=False)
    assert {threads for _, threads in asked} == {1}
    three = rs.run(scenario, seed=2, threads=3, progress=False)
    assert {(module.__name__, 3) for module, _ in shared} <= set(asked)
    assert (one.digest, one.history.to_csv()) == (three.digest, three.history.to_csv())


def test_order_of_users_changes_nothing(small: rs.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving the users who are due in any order leaves the same log byte for byte."""
    straight, arrivals = digests(small), Crowd.visits
    shuffle = np.random.default_rng(5).permutation

    def shuffled(crowd: Crowd, until: int) -> Iterator[list[Visits]]:
        return ([visits.take(shuffle(len(visits)))] for rounds in arrivals(crowd, until) for visits in rounds)

    monkeypatch.setattr(Crowd, "visits", shuffled)
    assert digests(small, tile=37) == straight


TOGETHER: dict[str, dict[str, Any]] = {
    "as it is": {},
    "several clicks a visit": {"choice": rs.Luce(clicks=3)},
    "signals": {"signals": (rs.Panel(rate=0.1), rs.EditorPicks(count=20), rs.OrganicLift(count=15), rs.Survey(rate=0.1))},
    "open loop": {"open_loop": True},
    "epsilon": {"policy": rs.EpsilonGreedy(epsilon=0.2)},
}


@pytest.mark.parametrize("what", TOGETHER)
def test_serving_the_visits_of_one_user_together_changes_nothing(
    small: rs.Scenario, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Where no visit reads what the one before wrote, all of a window are served together: log and history stay the same."""
    forgetful = small.but(consumption="again", consumed="stay", signals=()).but(**TOGETHER[what])

    def traces(tile: int) -> tuple[str, str, str]:
        world = World(forgetful, 7, tile=tile).advance(forgetful.days)
        world.close_epoch()
        return world.log.digest.hex(), world.impressions.digest.hex(), repr(world.history)

    assert World(forgetful, 7).crowd.forgetful
    together = traces(4096)
    assert traces(37) == together
    monkeypatch.setattr(Crowd, "forgetful", False)
    assert traces(4096) == together


def test_visits_are_served_one_by_one_where_one_reads_what_another_wrote(small: rs.Scenario) -> None:
    """Items that are had once or leave the feed, and inboxes that a visit empties, keep the visits of one user apart."""
    again = small.but(consumption="again", consumed="stay", signals=())
    remembering = (
        again.but(consumption="once"),
        again.but(consumed="leave"),
        again.but(signals=(rs.FriendShares(rate=0.5, edges=((0, 1),)),)),
    )
    assert not any(World(scenario, 7).crowd.forgetful for scenario in remembering)


def test_two_threads_may_rank_the_same_person(small: rs.Scenario) -> None:
    """Where one thread makes her list while another is about to, both make the same, whoever is there first."""
    world = World(small.but(consumption="again", consumed="stay", signals=(), benchmark=5), 7)
    lists, visits = world.feed.shortlists, next(iter(next(world.crowd.visits(10 * 86_400))))
    users = np.unique(visits.user)
    quiet = lists.rank(world.feed.model, visits).items, lists._first[users].copy(), lists._had[users].copy()
    lists.clear()
    lists._first[:] = -1

    class Overtaken(np.ndarray[Any, np.dtype[np.bool_]]):
        """Whose lists are made; the other thread is done with some just after they were looked at."""

        reads = 0

        def __getitem__(self, key: Any) -> Any:
            found = np.asarray(self)[key].copy()
            Overtaken.reads += 1
            if Overtaken.reads == 2:
                np.asarray(self)[users[:-1]] = True
            return found

    lists._ready = lists._ready.view(Overtaken)
    ranked = lists.rank(world.feed.model, visits).items
    assert Overtaken.reads >= 2
    for one, other in zip(quiet, (ranked, lists._first[users], lists._had[users]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_silent_readings_change_nothing(small: rs.Scenario) -> None:
    """Cutting the windows with a thousand readings leaves the same log byte for byte."""
    read = small.but(readings_every=small.days / 1000)
    assert digests(read) == digests(small)
    assert rs.run(read.but(days=1.0), seed=7, progress=False).history["window"].eq("so far").any()


def test_every_recommender_and_policy_is_indifferent_to_tiles(
    small: rs.Scenario, recommender: rs.Recommender, policy: rs.Policy
) -> None:
    """Whatever the strategy, tiles of 37 and two threads leave the log that one tile and one thread leave."""
    one = small.but(recommender=recommender, policy=policy)
    assert digests(one, tile=37, threads=2) == digests(one)


@pytest.mark.parametrize("consumption", ["once", "again"])
@pytest.mark.parametrize("consumed", ["leave", "stay"])
def test_every_rule_of_consumption_is_indifferent_to_tiles(
    small: rs.Scenario, consumption: str, consumed: str
) -> None:
    """Whether items can be had again or leave the slate, tiles change nothing, nor does a catalogue that runs out."""
    scarce = small.but(catalog=rs.SyntheticItems(items=12, topics=6), consumption=consumption, consumed=consumed)
    assert digests(scarce, tile=11) == digests(scarce)


def test_a_strategy_switched_off_leaves_the_baseline(small: rs.Scenario) -> None:
    """EpsilonGreedy(0) is Greedy, a lift of 0 is no lift, a weight of 1 is no weight: byte for byte."""
    plain = small.but(policy=rs.Greedy(), signals=())
    baseline = digests(plain)
    assert digests(plain.but(policy=rs.EpsilonGreedy(epsilon=0.0))) == baseline
    assert digests(plain.but(signals=(rs.OrganicLift(rate=0.0),))) == baseline
    assert digests(plain.but(training=(rs.OriginWeights(),))) == baseline
    assert digests(plain.but(policy=rs.EpsilonGreedy(epsilon=0.1))) != baseline


def test_steps_change_nothing(small: rs.Scenario) -> None:
    """A world advanced in uneven steps leaves the log of one advanced at once."""
    world = World(small, 7)
    for day in (0.1, 2.9999, 3.0, 3.4, 8.0, small.days):
        world.advance(day)
    world.close_epoch()
    assert (world.log.digest.hex(), world.impressions.digest.hex()) == digests(small)


def test_seeds_matter(small: rs.Scenario) -> None:
    """Another seed gives another log; another world_seed other people."""
    assert digests(small, seed=8) != digests(small)
    assert digests(small.but(world_seed=2)) != digests(small)


# ------------------------------------------------------------------------------------ with every dynamic switched on
MOVING: dict[str, dict[str, Any]] = {
    "as it is": {},
    "again, stay": {"consumption": "again", "consumed": "stay"},
    "open loop": {"open_loop": True},
    "open loop, again, stay": {"open_loop": True, "consumption": "again", "consumed": "stay", "choice": rs.Luce(clicks=3)},
}


@pytest.fixture(scope="module", params=MOVING)
def moving(request: pytest.FixtureRequest, small: rs.Scenario) -> rs.Scenario:
    """The small world in which people change in every way there is, and signals of every sort, in several variants."""
    return small.but(
        dynamics=(
            rs.Reinforcement(rate=0.1), rs.Relaxation(days=4.0), rs.Fatigue(), rs.Exposure(rate=0.05), rs.Withering(withers=0.2),
        ),
        population=rs.SyntheticUsers(users=60, topics=6, curiosity=0.3),
        recommender=rs.ALS(factors=4, iterations=2),
        signals=(
            rs.Panel(count=20), rs.EditorPicks(count=15, every=2.0), rs.OrganicLift(count=15), rs.Survey(rate=0.1, every=1.3),
            rs.FriendShares(rate=0.5, edges=tuple((user, (user + 7) % 60) for user in range(60))), rs.AnchorReplay(rate=0.1),
        ),
        **MOVING[request.param],
    )  # fmt: skip


@pytest.fixture(scope="module")
def still_one(moving: rs.Scenario) -> dict[str, object]:
    """All that the world leaves when its visits are served as they come, at once."""
    return everything(World(moving, 7).advance(moving.days))


def everything(world: World) -> dict[str, object]:
    """Return all that a world leaves: its logs, that of shadows where it teaches, its figures of epochs, and what people have
    become.
    """
    world.close_epoch()
    world.shadow.close_epoch()
    logs = {"clicks": world.log, "impressions": world.impressions}
    logs |= {"shadow": world.shadow} if world.scenario.open_loop else {}
    own = world.crowd.own | {"settled": world.crowd.settled}
    return (
        {name: log.digest.hex() for name, log in logs.items()}
        | {"history": repr([row for row in world.history if row[2] == "epoch"])}
        | {name: column.tobytes() for name, column in own.items()}
    )


@pytest.mark.parametrize("tile", [1, 37])
def test_tiles_change_nobody_who_changes(moving: rs.Scenario, still_one: dict[str, object], tile: int) -> None:
    """With every dynamic switched on, tiles of 1 and of 37 with two threads leave the same logs and the same people."""
    assert everything(World(moving, 7, threads=1 if tile == 1 else 2, tile=tile).advance(moving.days)) == still_one


def test_order_of_users_changes_nobody_who_changes(
    moving: rs.Scenario, still_one: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every dynamic switched on, users served in any order are the same people with the same log in the end."""
    arrivals, shuffle = Crowd.visits, np.random.default_rng(5).permutation
    monkeypatch.setattr(
        Crowd, "visits", lambda crowd, until: ([v.take(shuffle(len(v)))] for rounds in arrivals(crowd, until) for v in rounds)
    )
    assert everything(World(moving, 7, tile=37).advance(moving.days)) == still_one


def test_readings_and_steps_change_nobody_who_changes(moving: rs.Scenario, still_one: dict[str, object]) -> None:
    """With every dynamic switched on, hundreds of readings and uneven steps leave the same logs and the same people."""
    world = World(moving.but(readings_every=moving.days / 300), 7)
    for day in (0.1, 2.9999, 3.0, 3.4, 8.0, moving.days):
        world.advance(day)
    assert everything(world) == still_one


@pytest.mark.parametrize("day", [0.0, 2.7, 7.3, 12.0])
def test_a_fork_under_the_same_scenario_goes_on_alike(moving: rs.Scenario, still_one: dict[str, object], day: float) -> None:
    """With every dynamic switched on, a world that parts from itself ends as the one that was left alone; so does the first."""
    trunk = World(moving, 7, forks=True).advance(day)
    fork = trunk.fork(moving).advance(moving.days)
    assert everything(fork) == still_one
    assert everything(trunk.advance(moving.days)) == still_one


def test_an_open_loop_parts_from_itself(small: rs.Scenario) -> None:
    """A world that keeps shadow rows for its own models needs no more to be forked under the open loop."""
    placebo = small.but(open_loop=True)
    fork = World(placebo, 7).advance(5.0).fork(placebo).advance(placebo.days)
    assert everything(fork) == everything(World(placebo, 7).advance(placebo.days))


def test_a_run_killed_again_and_again_goes_on_to_the_same_end(moving: rs.Scenario, tmp_path: Path) -> None:
    """With every dynamic switched on, a run killed at five places, and gone on with, leaves the tables of a quiet one."""
    kill_again_and_again(moving, tmp_path / "run", (0.1, 0.33, 0.5, 0.72, 0.97))


# ------------------------------------------------------------------------------------------------ stop and go on
@pytest.mark.parametrize("share", [0.05, 0.3, 0.62, 0.97])
def test_an_interrupted_run_goes_on_to_the_same_end(
    small: rs.Scenario, recommender: rs.Recommender, tmp_path: Path, share: float
) -> None:
    """Ctrl-C at any moment, then --resume: log, history and item counts equal those of a run that was left alone."""
    scenario = small.but(recommender=recommender, training=(rs.Window(last=2),))

    def stop(done: float, text: str) -> None:
        if done > share:
            raise KeyboardInterrupt

    whole = rs.run(scenario, seed=3, progress=False)
    with pytest.raises(KeyboardInterrupt):
        rs.run(scenario, seed=3, out=tmp_path / "run", progress=stop)
    assert rs.Run.load(tmp_path / "run").status == "interrupted"
    resumed = rs.run(out=tmp_path / "run", resume=True, progress=False)
    assert (resumed.status, resumed.digest) == ("done", whole.digest)
    for table in ("clicks", "impressions", "history", "items"):
        assert getattr(resumed, table).equals(getattr(whole, table)), table


KILLED = """
import sys, pathlib, recsim as rs
from recsim.simulation import World
from recsim.world import Visits
out, mark = sys.argv[2], pathlib.Path(sys.argv[4])
train = World.train

def marked(world):
    mark.write_text("training")
    train(world)
    mark.write_text("serving")

World.train = marked
mark.write_text("serving")
if sys.argv[3] == "resume":
    rs.run(out=out, resume=True, progress=False)
else:
    rs.run(rs.Scenario.load(sys.argv[1]), seed=3, out=out, progress=False)
"""


@pytest.mark.long
@pytest.mark.skipif(os.name == "nt", reason="there is no kill -9")
@pytest.mark.timeout(1800)
def test_twenty_kills_change_nothing(small: rs.Scenario, tmp_path: Path) -> None:
    """Kill -9 at 20 random moments, some inside a training, each gone on with: every table is that of a quiet run.

    A kill counts once the run has its folder; each run is killed again and again until it gets through.
    """
    chance, mark = random.Random(11), tmp_path / "mark"
    slow = small.but(recommender=rs.ALS(factors=64, iterations=3000), days=26.0, training=(rs.Window(last=3),))
    path = tmp_path / "slow.toml"
    path.write_text(slow.toml(), encoding="utf-8")
    whole = rs.run(slow, seed=3, out=tmp_path / "whole", progress=False)
    command = [sys.executable, "-c", KILLED, str(path)]
    began = time.monotonic()
    subprocess.run([*command, str(tmp_path / "first"), "new", str(mark)], check=True)
    length, moments = time.monotonic() - began, []
    while len(moments) < 20:
        out = tmp_path / f"run after {len(moments)} kills"
        done = False
        while not done:
            how = "resume" if (out / "manifest.json").exists() else "new"
            process = subprocess.Popen([*command, str(out), how, str(mark)])
            try:
                limit = chance.uniform(0.2, 1.0) * length if len(moments) < 20 else None
                done = process.wait(limit) == 0
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                if (out / "manifest.json").exists():
                    moments.append(mark.read_text())
        run = rs.Run.load(out)
        assert run.digest == whole.digest
        for table in ("clicks", "impressions", "history", "items"):
            assert getattr(run, table).equals(getattr(whole, table)), table
        assert not list(out.rglob("*.part"))
        shutil.rmtree(out)
    print(f"{len(moments)} kills, {moments.count('training')} of them inside a training")
    assert moments.count("training") >= 3


def test_a_run_does_not_go_on_among_other_people(small: rs.Scenario, tmp_path: Path) -> None:
    """When the people of a scenario are drawn otherwise than at the start, resuming says so in one line."""

    def stop(done: float, text: str) -> None:
        if done > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rs.run(small, seed=3, out=tmp_path / "run", progress=stop)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsim.population.topic_shares", lambda topics, *_: np.full(topics, 1 / topics))
        with pytest.raises(rs.RecsimError, match="not those it began with"):
            rs.run(out=tmp_path / "run", resume=True, progress=False)
    assert rs.run(out=tmp_path / "run", resume=True, progress=False).status == "done"
