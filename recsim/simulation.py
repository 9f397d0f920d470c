"""The clock, the windows between two changes, and one visit, top to bottom."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Generator
from dataclasses import replace
from enum import IntEnum
from typing import Any, Self, cast

import numpy as np
import simpy
from threadpoolctl import threadpool_limits

from recsim import behaviour, training
from recsim.archive import History
from recsim.behaviour import People
from recsim.catalog import Items
from recsim.consumption import Consumed
from recsim.counting import Counters
from recsim.errors import RecsimError
from recsim.eventlog import Columns, EventLog
from recsim.lottery import Lottery
from recsim.metrics import measure
from recsim.population import Users
from recsim.randomness import Randomness
from recsim.recommenders import Fitting, Model, Recommender, depth
from recsim.scenario import Scenario
from recsim.shortlists import Shortlists
from recsim.world import DAY, HUMAN, NOTHING, Clicks, Counts, Ints, Origin, Ranking, Rows, Slate, Visits

TILE = 4096  # visits served at a time


class Phase(IntEnum):
    """The order of changes at one instant; SimPy's own events come before them all."""

    RELEASE = 10
    CAMPAIGN = 20
    SURVEY = 30
    SHARE = 40
    RETRAIN = 50
    DEPLOY = 60
    READING = 70


class Moment(simpy.Event):
    """An event at a second of the simulation, in a phase."""

    def __init__(self, env: simpy.Environment, second: int, phase: Phase) -> None:
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, priority=cast(Any, int(phase)), delay=second - env.now)


class World:
    """People, feed and log at one second of the simulation; `advance` moves it on.

    threads and tile (visits served at a time) change how fast it goes, never what happens.
    """

    def __init__(self, scenario: Scenario, seed: int, threads: int = 1, tile: int = TILE) -> None:
        self.scenario, self.seed = scenario, _whole("seed", seed, 0)
        self.threads, self.tile = _whole("threads", threads, 1), _whole("tile", tile, 1)
        self.randomness = Randomness(self.seed)
        drawn = Randomness(scenario.world_seed)
        self.users, self.items = scenario.population.draw(drawn), scenario.catalog.draw(drawn)
        check(scenario, self.users, self.items)
        self.demand = Lottery(self.items.demand_by_topic())
        self.consumed = Consumed(len(self.users))
        self.shortlists = Shortlists(len(self.users), scenario.slate)
        self.log, self.impressions = EventLog(), EventLog()
        self.counters = Counters(len(self.users), self.items.topics, training.intervals(scenario.training))
        self.rate = scenario.visits.rates(self.randomness, self.users)
        self.ordinal = np.zeros(len(self.users), np.int64)
        self.next_time = self._visit_time(np.arange(len(self.users)), np.zeros(len(self.users)))
        self.epoch, self.cuts = 0, 0
        self.next_reading = round(scenario.readings_every * DAY)
        self.trained: Model | None = None
        self.model = self._start_model()
        self.history: History = []
        self.on_epoch: Callable[[World, Columns, Columns], None] = lambda world, clicks, impressions: None
        self.on_deploy: Callable[[World], None] = lambda world: None
        self.on_window: Callable[[World], None] = lambda world: None
        self.env: simpy.Environment | None = None

    @classmethod
    def draw(cls, scenario: Scenario, seed: int = 1, threads: int = 1, tile: int = TILE) -> Self:
        """Return the world of a scenario at second 0."""
        return cls(scenario, seed, threads, tile)

    # ------------------------------------------------------------------------------------------------ the clock
    def advance(self, until: float) -> Self:
        """Let the world go on to day *until*: all visits before that second; neither visits nor changes at it.

        Raises RecsimError when that day has passed.
        """
        second = round(until * DAY)
        if second < self._now:
            raise RecsimError(f"until: day {until} has passed, it is day {self._now / DAY}; a world does not go back")
        if self.env is None:
            self.env = self._timetable()
        with threadpool_limits(1, user_api="blas"):
            if second > self.env.now:
                self.env.run(until=second)
            serve(self, second)
        return self

    def _timetable(self) -> simpy.Environment:
        env = simpy.Environment(initial_time=self.now)
        for process in (retrains, readings):
            env.process(process(env, self))
        return env

    @property
    def drawn(self) -> str:
        """The SHA-256 of what people and items are, as hexadecimal text: a run can only go on in the world it began in."""
        users, items = self.users, self.items
        arrays = users.interests, users.activity, users.curiosity, users.niche, items.topics, items.appeal
        return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()

    @property
    def now(self) -> int:
        """The second up to which visits have been served."""
        return self._now

    _now = 0

    @property
    def horizon(self) -> int:
        """The second at which the run ends."""
        return round(self.scenario.days * DAY)

    # ------------------------------------------------------------------------------------------------ the people
    def _visit_time(self, user: Ints, last: np.ndarray) -> np.ndarray:
        return self.scenario.visits.time(
            self.randomness, self.users.address[user], self.ordinal[user], last, self.rate[user]
        )

    def due(self, until: int) -> Ints:
        """Return the users whose next visit is before a second."""
        return np.flatnonzero(self.next_time < until)

    def arrive(self, user: Ints) -> Visits:
        """Return the visits that begin now, one of each user."""
        leave = self.scenario.consumed == "leave"
        return Visits(
            user, self.users.address[user], self.ordinal[user].astype(np.uint32), self.next_time[user].astype(np.int64),
            len(self.items), self.randomness, self.consumed if leave else None,
        )  # fmt: skip

    def people(self, visits: Visits) -> People:
        """Return the truth about those who visit."""
        again = self.scenario.consumption == "again" or self.scenario.consumed == "leave"  # what left is not shown
        had = None if again else lambda items: self.consumed.contains(visits.user, items)
        return People(self.users.interests[visits.user], self.demand.weights, self.items.address, had)

    def leave(self, visits: Visits) -> None:
        """Let the visits end: each user's next one is due at a time of her own schedule."""
        self.ordinal[visits.user] += 1
        self.next_time[visits.user] = self._visit_time(visits.user, self.next_time[visits.user])

    def curiosity(self, visits: Visits) -> np.ndarray:
        """Return the probability that each visit does without the feed: the user's curiosity and the lifts at its time."""
        probability = self.users.curiosity[visits.user]
        for signal in self.scenario.signals:
            probability = probability + signal.lift(visits.time)
        return np.minimum(1.0, probability)

    # -------------------------------------------------------------------------------------------------- the feed
    def rank(self, visits: Visits) -> Ranking:
        """Return the ranking of the serving model, kept from visit to visit where it is steady."""
        if not self.scenario.policy.ranked:
            return Ranking(np.zeros((len(visits), 0), np.int32), self.model.counts)
        if not self.model.steady:
            return self.model.rank(visits, self.scenario.slate, self.threads)
        return self.shortlists.rank(self.model, visits, self.threads)

    def train(self) -> None:
        """Fit the next model on the rows before this second."""
        rows, counts = self.training_rows(), self.counters.training()
        for rule in self.scenario.training:
            rows = rule.apply(rows)
        self.trained = self._fit(self.scenario.recommender, rows, counts, self.cuts + 1)
        self.provenance = _provenance(rows)
        self.cuts += 1

    def training_rows(self) -> Rows:
        """Return the rows of the log before now that the window lets through, each with weight 1."""
        last = training.intervals(self.scenario.training)
        began = -1 if last is None else self._now - last * round(self.scenario.retrain.every * DAY)
        columns = self.log.columns(self.log.since(began))
        weight = np.ones(len(columns["user"]))
        return Rows(columns["user"], columns["item"], weight, columns["origin"], columns["depth"], columns["epoch"])

    def _fit(self, recommender: Recommender, rows: Rows, counts: Counts, epoch: int) -> Model:
        setting = Fitting(
            epoch, len(self.users), self.items.address, counts, depth(rows, len(self.items)), self.randomness,
            self.trained, self.threads, (self.users, self.items) if recommender.trusted else None,
        )  # fmt: skip
        return recommender.fit(rows, setting)

    def _start_model(self) -> Model:
        nothing = Rows(*(np.zeros(0, dtype) for dtype in ("i4", "i4", "f8", "i1", "f8", "i4")))
        self.provenance = _provenance(nothing)
        return self._fit(self.scenario.start, nothing, self.counters.training(), 0)

    def deploy(self) -> None:
        """Close the epoch, and let the model trained last serve the next."""
        self.close_epoch()
        if self.trained is not None:
            self.model = self.trained
        self.epoch += 1
        self.counters.new_epoch(self.provenance)
        self.shortlists.clear()
        self.on_deploy(self)

    def close_epoch(self) -> None:
        """Measure the epoch, take its rows into the digest and hand them on."""
        self.read("epoch")
        self.on_epoch(self, self.log.close_epoch(), self.impressions.close_epoch())

    def read(self, window: str) -> None:
        """Put the metrics of the epoch so far into the history."""
        for group, metric, value in measure(self.counters.window(self.users.niche, int((self.ordinal > 0).sum()))):
            self.history.append((self._now / DAY, self.epoch, window, group, metric, value))


# ------------------------------------------------------------------------------------------------------ the processes
def retrains(env: simpy.Environment, world: World) -> Generator[simpy.Event]:
    """Cut, train, and deploy after the latency, again and again."""
    every, latency = (round(days * DAY) for days in (world.scenario.retrain.every, world.scenario.retrain.latency))
    while True:
        if world.cuts == world.epoch:  # no model waits to go live
            yield Moment(env, (world.cuts + 1) * every, Phase.RETRAIN)
            serve(world, int(env.now))
            world.train()
            world.counters.new_interval()
        yield Moment(env, world.cuts * every + latency, Phase.DEPLOY)
        serve(world, int(env.now))
        world.deploy()


def readings(env: simpy.Environment, world: World) -> Generator[simpy.Event]:
    """Read the metrics of the epoch so far, again and again, if the scenario wants it."""
    every = round(world.scenario.readings_every * DAY)
    while every:
        yield Moment(env, world.next_reading, Phase.READING)
        serve(world, int(env.now))
        world.next_reading += every
        world.read("so far")


# ------------------------------------------------------------------------------------------------------ the visits
def serve(world: World, until: int) -> None:
    """Serve all visits before a second. No tile holds two visits of one user; users commute."""
    due = world.due(until)
    while len(due):
        for start in range(0, len(due), world.tile):
            visit(world, due[start : start + world.tile])
        due = due[world.next_time[due] < until]
    world.log.close_window()
    world.impressions.close_window()
    world._now = until
    world.on_window(world)


def visit(world: World, who: Ints) -> None:
    """Let the users *who* visit once each. Row i of every array below belongs to who[i]."""
    visits = world.arrive(who)
    searching = visits.uniform("visit.organic") < world.curiosity(visits)
    browse(world, visits.take(~searching))
    search(world, visits.take(searching))
    world.leave(visits)


def browse(world: World, visits: Visits) -> None:
    """Let users look at the feed and click."""
    if not len(visits):
        return
    people = world.people(visits)
    ranking = world.rank(visits)
    slate = world.scenario.policy.slate(visits, ranking, world.scenario.slate)
    for signal in world.scenario.signals:
        slate = signal.amend(visits, slate)
    order = world.scenario.choice.click(visits, slate, people)
    consume(world, visits, people, _clicks(slate, order))
    world.counters.show(visits, slate)
    if world.scenario.log == "impressions":
        world.impressions.append(_impressions(world, visits, slate, order))


def search(world: World, visits: Visits) -> None:
    """Let users find something without the feed: one item each, drawn from their true preference."""
    if not len(visits):
        return
    people = world.people(visits)
    unsteered = replace(visits, gone=world.consumed if world.scenario.consumption == "once" else None)
    item = behaviour.organic(unsteered, people.interests, world.demand)
    found = np.flatnonzero(item != NOTHING)
    clicks = Clicks(
        found, np.full(len(found), -1, np.int16), item[found],
        np.full(len(found), Origin.ORGANIC, np.int8), np.full(len(found), np.nan),
    )  # fmt: skip
    consume(world, visits, people, clicks)


def consume(world: World, visits: Visits, people: People, clicks: Clicks) -> None:
    """Write clicks into the log, the counts and the users' own rows."""
    if not len(clicks.row):
        return
    made = visits.take(clicks.row)
    truth = replace(people, interests=people.interests[clicks.row], had=None)
    utility = world.scenario.choice.utility(made, clicks.item, truth)
    world.log.append(_rows(world, made, clicks))
    for turn in _turns(clicks.row):
        new = world.consumed.add(made.user[turn], clicks.item[turn])
        world.counters.click(made.user[turn], clicks.item[turn], clicks.origin[turn], utility[turn], new)
        if world.scenario.consumed == "leave":
            world.shortlists.drop(made.user[turn], clicks.item[turn])


def _turns(row: Ints) -> list[Ints]:
    """Return the clicks in turns that hold no visit twice: all first clicks, all second ones, ..."""
    first = np.concatenate([[True], row[1:] != row[:-1]])
    start = np.flatnonzero(first)
    nth = np.arange(len(row)) - np.repeat(start, np.diff(np.append(start, len(row))))
    return [np.flatnonzero(nth == turn) for turn in range(int(nth.max()) + 1)]


def _clicks(slate: Slate, order: np.ndarray) -> Clicks:
    """Return the clicks of a slate by visit, in the order in which they were made."""
    row, position = np.nonzero(order)
    if order.max(initial=0) > 1:
        by = np.lexsort((order[row, position], row))
        row, position = row[by], position[by]
    at = row, position
    return Clicks(row, position.astype(np.int16), slate.items[at], slate.origin[at], slate.propensity[at])


def _rows(world: World, visits: Visits, clicks: Clicks) -> Columns:
    """Return log columns of clicks, row i of *visits* being that of click i."""
    made = np.isin(clicks.origin, (Origin.MODEL, Origin.SYNTHETIC))
    return {
        "time": visits.time,
        "epoch": np.full(len(visits), world.epoch, np.int32),
        "visit": visits.ordinal.astype(np.int32),
        "user": visits.user.astype(np.int32),
        "item": clicks.item,
        "position": clicks.position,
        "origin": clicks.origin,
        "propensity": clicks.propensity,
        "clicked": np.ones(len(visits), np.bool_),
        "depth": np.where(made, world.model.depth[clicks.item], 0.0),
    }


def _impressions(world: World, visits: Visits, slate: Slate, order: np.ndarray) -> Columns:
    """Return log columns of all that was shown."""
    at = np.nonzero(slate.items != NOTHING)
    shown = Clicks(at[0], at[1].astype(np.int16), slate.items[at], slate.origin[at], slate.propensity[at])
    return _rows(world, visits.take(at[0]), shown) | {"clicked": order[at] > 0}


def _provenance(rows: Rows) -> tuple[float, float, float]:
    """Return the human share of the rows and of their weight, and their mean depth by weight; NaN without rows."""
    if not len(rows):
        return np.nan, np.nan, np.nan
    human, weight = np.isin(rows.origin, HUMAN), rows.weight / rows.weight.sum()
    return float(human.mean()), float(weight[human].sum()), float((weight * rows.depth).sum())


def _whole(name: str, value: Any, least: int) -> int:
    """Return a whole number, of numpy too; raise RecsimError for what is none, or too small."""
    try:
        number = operator.index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise RecsimError(f"{name}: must be a whole number from {least} on, not {value!r}")
    return number


def check(scenario: Scenario, users: Users, items: Items) -> None:
    """Raise RecsimError where people, catalogue and settings do not fit each other."""
    people, catalog = users.interests.shape[1], items.topics.shape[1]
    if people != catalog:
        raise RecsimError(
            f"population.topics: people have {people} topics and items {catalog}; give both the same number"
        )
    scenario.choice.check(scenario.slate, len(users), len(items))
