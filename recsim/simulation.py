"""The clock, the windows between two changes, and one visit, top to bottom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from copy import deepcopy
from dataclasses import replace
from enum import IntEnum
from typing import Any, Self, cast

import numpy as np
import simpy
from threadpoolctl import threadpool_limits

from recsim import behaviour, logrows, training
from recsim.archive import History
from recsim.behaviour import People
from recsim.catalog import Items
from recsim.consumption import Consumed, nth
from recsim.counting import Counters
from recsim.errors import RecsimError, whole_number
from recsim.eventlog import Columns, EventLog
from recsim.lottery import Lottery
from recsim.metrics import measure
from recsim.policies import Policy
from recsim.population import Users
from recsim.randomness import Randomness
from recsim.recommenders import Fitting, Model, Recommender, depth
from recsim.scenario import Scenario
from recsim.shortlists import Shortlists
from recsim.signals import AnchorReplay, Occasion, Signal, Stream
from recsim.slates import compose, sound
from recsim.training import Lesson, tastes
from recsim.world import (
    DAY,
    HUMAN,
    NOTHING,
    Clicks,
    Counts,
    Ints,
    Items32,
    Published,
    Ranking,
    Rows,
    Visits,
)

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

    def __init__(self, env: simpy.Environment, second: int, phase: Phase, place: int = 0) -> None:
        """Happen at a second, in a phase, those of one phase in the order of their places."""
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, priority=cast(Any, 1000 * int(phase) + place), delay=second - env.now)


class World:
    """People, feed and log at one second of the simulation; `advance` moves it on.

    threads and tile (visits served at a time) change how fast it goes, never what happens.
    """

    def __init__(
        self, scenario: Scenario, seed: int, threads: int = 1, tile: int = TILE, *, forks: bool = False,
        like: World | None = None,
    ) -> None:  # fmt: skip
        """Draw the world at second 0. forks: keep what a fork may need; like: a world of the same people and items."""
        self.scenario, self.seed, self.forks = scenario, whole_number("seed", seed, 0), forks
        self.threads, self.tile = whole_number("threads", threads, 1), whole_number("tile", tile, 1)
        self.randomness = Randomness(self.seed)
        drawn = Randomness(scenario.world_seed)
        self.users: Users = like.users if like else scenario.population.draw(drawn)
        self.items: Items = like.items if like else scenario.catalog.draw(drawn)
        check(scenario, self.users, self.items)
        self.demand: Lottery = like.demand if like else Lottery(self.items.demand_by_topic())
        self.consumed, self.shadow_consumed = Consumed(len(self.users)), Consumed(len(self.users))
        reach = scenario.policy.reach(scenario.slate)
        spare = scenario.slate + 6 if scenario.consumed == "leave" else 0
        self.shortlists = Shortlists(len(self.users), reach, scenario.policy.scored, spare)
        self.log, self.impressions, self.shadow = EventLog(), EventLog(), EventLog()
        window = training.intervals(scenario.training)
        self.counters = Counters(len(self.users), self.items.topics, window, forks)
        self.rate = scenario.visits.rates(self.randomness, self.users)
        self.ordinal = np.zeros(len(self.users), np.int64)
        self.next_time = self._visit_time(np.arange(len(self.users)), self.ordinal, np.zeros(len(self.users)))
        self.epoch, self.cuts = 0, 0
        self.next_reading = round(scenario.readings_every * DAY)
        self.streams = _streams(scenario, len(self.users))
        self.trained: Model | None = None
        self.model = self._start_model()
        self.published = self.to_publish = self._publish(self.model, logrows.before_the_loop(np.zeros((2, 0), np.int32)))
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
        first = sorted(self.streams, key=lambda stream: not stream.signal.searches)  # others count on what lifts chose
        for place, stream in enumerate(first):
            if stream.signal.has_moments:
                env.process(moments(env, self, stream, place))
        return env

    def fork(self, scenario: Scenario) -> World:
        """Return a world that is as this one is now, and goes on under another feed, other training or other signals.

        Raises RecsimError where the scenario differs in more than that, or a model waits to go live. Streams whose
        signal is the same go on; others begin now. Where this world was not drawn with forks=True, the counts of
        impressions of the past are those of its own training window.
        """
        for name in ("world_seed", "population", "catalog", "visits", "choice", "consumption", "consumed", "retrain"):
            if getattr(scenario, name) != getattr(self.scenario, name):
                raise RecsimError(f"{name}: differs between arms; arms may differ in feed, training and signals only")
        if self.cuts != self.epoch:
            raise RecsimError(f"fork: on day {self._now / DAY:g} a model waits to go live; fork after it is deployed")
        twin = World(scenario, self.seed, self.threads, self.tile, like=self)
        if not self._now:
            return twin
        twin._now, twin.epoch, twin.cuts, twin.next_reading = self._now, self.epoch, self.cuts, self.next_reading
        if scenario.readings_every != self.scenario.readings_every:
            every = round(scenario.readings_every * DAY)
            twin.next_reading = every * max(1, -(-self._now // max(every, 1)))
        twin.ordinal, twin.next_time, twin.history = self.ordinal.copy(), self.next_time.copy(), list(self.history)
        twin.log, twin.impressions, twin.consumed = deepcopy((self.log, self.impressions, self.consumed))
        twin.counters.take_over(self.counters)
        twin.model, twin.trained, twin.provenance = self.model, self.trained, self.provenance
        twin.published = twin.to_publish = self.published
        if scenario.policy.tastes and not self.forks:
            raise RecsimError(f"policy: {scenario.policy.kind} needs what a world keeps that is drawn with forks=True")
        twin.imagine_past()
        for place, stream in enumerate(twin.streams):
            same = [ours for ours in self.streams if (ours.signal, ours.serial) == (stream.signal, stream.serial)]
            if same:
                twin.streams[place] = deepcopy(same[0])
            else:
                stream.begin(twin._now)
        return twin

    def imagine_past(self) -> None:
        """Draw the shadow rows of all clicks so far, where the scenario wants any: they have addresses, so they are
        always the same.
        """
        if not self.scenario.open_loop:
            return
        rows = self.log.columns()
        rows = {name: column[rows["clicked"]] for name, column in rows.items()}
        nth_of_visit, nth_of_user = nth(rows["user"], rows["visit"]), nth(rows["user"])
        for turn in range(int(nth_of_user.max(initial=-1)) + 1):
            for number in np.unique(nth_of_visit[nth_of_user == turn]):
                now = np.flatnonzero((nth_of_user == turn) & (nth_of_visit == number))
                user = rows["user"][now].astype(np.int64)
                visits = Visits(
                    user, self.users.address[user], rows["visit"][now].astype(np.uint32), rows["time"][now],
                    len(self.items), self.randomness, None,
                )  # fmt: skip
                imagine(self, visits, int(number), rows["epoch"][now])
        self.shadow.close_window()

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
    def _visit_time(self, user: Ints, ordinal: Ints, last: np.ndarray) -> np.ndarray:
        return self.scenario.visits.time(self.randomness, self.users.address[user], ordinal, last, self.rate[user])

    def arrivals(self, until: int) -> Iterator[Visits]:
        """Yield all visits before a second, those of one user in the order of their times, and move the schedules on.

        No two visits of one user at once, unless nothing that a visit leaves behind is read by her next.
        """
        gone = self.consumed if self.scenario.consumed == "leave" else None
        rounds = self._rounds(until, self.ordinal, self.next_time)
        if self.forgetful and (parts := list(rounds)):
            user, ordinal, time = (np.concatenate(part) for part in zip(*parts, strict=True))
            rounds = iter([(user, ordinal, time)])
        for user, ordinal, time in rounds:
            address, when = self.users.address[user], ordinal.astype(np.uint32)
            yield Visits(user, address, when, time, len(self.items), self.randomness, gone)

    @property
    def forgetful(self) -> bool:
        """Whether no visit reads what the same user's visits before have written, since the model was deployed."""
        again = self.scenario.consumption == "again" and self.scenario.consumed == "stay"
        return again and all(type(stream.signal).settle is Signal.settle for stream in self.streams)

    def _rounds(self, until: int, ordinal: Ints, next_time: np.ndarray) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield user, ordinal and second of the visits before a second, one of each user who is due, then again; both
        arrays are moved on.
        """
        due = np.flatnonzero(next_time < until)
        while len(due):
            now = due, ordinal[due], next_time[due].astype(np.int64)
            ordinal[due] += 1
            next_time[due] = self._visit_time(due, ordinal[due], next_time[due])
            yield now
            due = due[next_time[due] < until]

    def people(self, visits: Visits) -> People:
        """Return the truth about those who visit."""
        again = self.scenario.consumption == "again" or self.scenario.consumed == "leave"  # what left is not shown
        had = None if again else lambda items: self.consumed.contains(visits.user, items)
        return People(self.users.interests[visits.user], self.demand.weights, self.items.address, had)

    def curiosity(self, user: Ints, time: Ints) -> np.ndarray:
        """Return the probability that each visit does without the feed: the user's curiosity and the lifts at its time."""
        probability = self.users.curiosity[user]
        for stream in self.streams:
            probability = probability + stream.signal.lift(time)
        return np.minimum(1.0, probability)

    def searching(self, visits: Visits) -> np.ndarray:
        """Return which visits do without the feed: (n,) of bool."""
        searching = visits.uniform("visit.organic") < self.curiosity(visits.user, visits.time)
        for stream in self.streams:
            if stream.signal.searches and stream.signal.count is not None:
                searching |= stream.signal.touches(stream, visits)
        return searching

    def coming(self, until: int) -> tuple[Ints, Ints]:
        """Return user and ordinal of the visits from now to a second that begin in the feed, as people's own
        timetable has them, less those that counted lifts have chosen.
        """
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        for user, ordinal, time in self._rounds(until, self.ordinal.copy(), self.next_time.copy()):
            organic = self.randomness.uniform("visit.organic", self.users.address[user], ordinal)
            feed = organic >= self.curiosity(user, time)
            for stream in self.streams:
                if stream.signal.searches:
                    feed &= ~(np.isin((user << 32) | ordinal, stream.chosen) & stream.signal.active(time))
            parts.append((user[feed], ordinal[feed]))
        user, number = (np.concatenate(part) for part in zip(*parts, strict=True))
        return user, number

    def occasion(self, moment: int) -> Occasion:
        """Return what a signal is handed at a moment of its timetable."""
        once = self.consumed if self.scenario.consumption == "once" else None

        def ask(user: Ints, address: np.ndarray, label: str) -> Items32:
            nth = np.full(len(user), moment, np.uint32)
            visits = Visits(user, address, nth, np.full(len(user), self._now), len(self.items), self.randomness, once)
            return behaviour.organic(visits, self.users.interests[user], self.demand, label)

        def fans(item: Items32, label: str) -> Ints:
            return behaviour.fans(self.randomness, label, self.users.interests, self.demand.weights, item)

        def clicks(since: int) -> Columns:
            rows = self.log.columns(self.log.since(since))
            return {name: column[rows["clicked"]] for name, column in rows.items()}

        return Occasion(
            moment, self._now, self.randomness, self.users.address, self.items.address, self.rate, self.coming,
            self.demand.weights, ask, fans, clicks,
        )  # fmt: skip

    def tell(self, stream: Stream) -> None:
        """Let a signal do what this moment of its timetable asks for; its rows enter the log before those of visits."""
        told, labels = stream.signal.moment(stream, self.occasion(stream.moments))
        stream.moments += 1
        self.counters.labels += labels
        self.counters.spent += labels * stream.signal.price
        if told is not None:
            self.log.append(logrows.of_told(told, self._now, self.epoch))
            self.log.close_window()

    # -------------------------------------------------------------------------------------------------- the feed
    def rank(self, visits: Visits) -> Ranking:
        """Return the ranking of the serving model, kept from visit to visit where it is steady."""
        size = self.scenario.policy.reach(self.scenario.slate)
        if not size:
            ranking = Ranking(np.zeros((len(visits), 0), np.int32), self.published)
        elif not self.model.steady:
            ranking = self.model.rank(visits, self.scenario.slate, self.threads)
        else:
            ranking = self.shortlists.rank(self.model, visits, self.threads)
        picks = [stream.picks for stream in self.streams if len(stream.picks)]
        if picks:
            return replace(ranking, published=self.published, picks=np.unique(np.concatenate(picks)))
        return replace(ranking, published=self.published)

    def train(self) -> None:
        """Fit the next model on the rows before this second."""
        rows, counts = self.training_rows(), self.counters.training()
        lesson = self._lesson()
        for rule in self.scenario.training:
            rows = rule.apply(rows, lesson)
        self.trained = self._fit(self.scenario.recommender, rows, counts, self.cuts + 1)
        self.to_publish = self._publish(self.trained, rows)
        self.provenance = _provenance(rows)
        self.cuts += 1

    def training_rows(self) -> Rows:
        """Return the rows of the log before now that the window lets through, each with weight 1."""
        last = training.intervals(self.scenario.training)
        return self._taught(-1 if last is None else self._now - last * round(self.scenario.retrain.every * DAY))

    def _taught(self, since: int) -> Rows:
        """Return the rows that may teach, from a second on, up to now."""
        log = self.shadow if self.scenario.open_loop else self.log
        return Rows.of(log.columns(log.since(since), log.since(self._now)))

    def _lesson(self) -> Lesson:
        """Return what training rules are told beside the rows."""
        number = self.cuts + 1
        chance = Randomness(self.randomness.integer("Lesson.rank", when=number))

        def rank(user: Ints, n: int) -> Items32:
            who, back = np.unique(user, return_inverse=True) if self.model.steady else (user, np.arange(len(user)))
            ordinal, time = np.arange(len(who), dtype=np.uint32), np.full(len(who), self._now)
            visits = Visits(who, self.users.address[who], ordinal, time, len(self.items), chance, None)
            return self.model.rank(visits, n, self.threads).items[back]

        return Lesson(
            number, self.users.address, self.items.address, self.randomness, lambda: self._taught(-1), rank, self.model.depth
        )

    def _fit(self, recommender: Recommender, rows: Rows, counts: Counts, epoch: int) -> Model:
        previous = self.trained if isinstance(self.trained, recommender.model) else None
        setting = Fitting(
            epoch, len(self.users), self.items.address, counts, depth(rows, len(self.items)), self.randomness,
            previous, self.threads, (self.users, self.items) if recommender.trusted else None,
        )  # fmt: skip
        return recommender.fit(rows, setting)

    def _publish(self, model: Model, rows: Rows) -> Published:
        """Return what the platform publishes with a model: counts as of the cut, and what users were taught to like."""
        counts = self.counters.training()
        shown = counts.impressions.sum(axis=0)
        clicked = np.where(counts.impressions > 0, counts.clicks, 0).sum(axis=0)
        taste = np.zeros((len(self.users), 0))
        if self.scenario.policy.tastes or self.forks:
            taste = tastes(rows, len(self.users), self.items.topics)
        return Published(model.counts, shown.astype(np.float64), clicked.astype(np.float64), self.items.topics, taste)

    def _start_model(self) -> Model:
        """Return the model that serves first; it may learn from a log of before the loop, where there is one."""
        rows = logrows.before_the_loop(np.zeros((2, 0), np.int32))
        for stream in self.streams:
            if isinstance(stream.signal, AnchorReplay):
                stream.anchor = stream.signal.before(stream, self.occasion(0))
                rows = rows if stream.signal.from_day else rows.and_(logrows.before_the_loop(stream.anchor))
        self.provenance = _provenance(rows)
        return self._fit(self.scenario.start, rows, self.counters.training(), 0)

    def deploy(self) -> None:
        """Close the epoch, and let the model trained last serve the next."""
        self.close_epoch()
        if self.trained is not None:
            self.model, self.published = self.trained, self.to_publish
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


def moments(env: simpy.Environment, world: World, stream: Stream, place: int) -> Generator[simpy.Event]:
    """Let a signal have the moments of its timetable, from its first day to its last; *place*: among the signals."""
    while stream.due() < min(stream.signal.to_day * DAY, world.horizon):
        yield Moment(env, stream.due(), Phase[stream.signal.phase], place)
        serve(world, int(env.now))
        world.tell(stream)


# ------------------------------------------------------------------------------------------------------ the visits
def serve(world: World, until: int) -> None:
    """Serve all visits before a second; users commute."""
    for visits in world.arrivals(until):
        for start in range(0, len(visits), world.tile):
            visit(world, visits.take(slice(start, start + world.tile)))
    world.log.close_window()
    world.impressions.close_window()
    world.shadow.close_window()
    world._now = until
    world.on_window(world)


def visit(world: World, visits: Visits) -> None:
    """Let users visit: row i of every array below belongs to visit i."""
    searching = world.searching(visits)
    world.counters.visits += len(visits)
    consume(world, visits, browse(world, visits, np.flatnonzero(~searching)), search(world, visits, np.flatnonzero(searching)))


def browse(world: World, visits: Visits, rows: Ints) -> Clicks:
    """Let the visits *rows* look at the feed; return what they click."""
    if not len(rows):
        return Clicks.none()
    visits = visits.take(rows)
    people = world.people(visits)
    ranking = world.rank(visits)
    slate = compose(visits, ranking, world.scenario.slate, world.scenario.policy, world.streams)
    if not type(world.scenario.policy).__module__.startswith("recsim."):
        sound(visits, slate, world.scenario.policy)
    order = world.scenario.choice.click(visits, slate, people)
    world.counters.show(visits, slate)
    if world.scenario.log == "impressions":
        world.impressions.append(
            logrows.of_slates(visits, slate, order, world.epoch, world.model.depth, world.streams)
        )
    return logrows.clicks_of(slate, order, rows)


def search(world: World, visits: Visits, rows: Ints) -> Clicks:
    """Let the visits *rows* find something without the feed: one item each, drawn from their true preference."""
    if not len(rows):
        return Clicks.none()
    visits = visits.take(rows)
    unsteered = replace(visits, gone=world.consumed if world.scenario.consumption == "once" else None)
    item = behaviour.organic(unsteered, world.users.interests[visits.user], world.demand)
    return logrows.found(rows, item)


def consume(world: World, visits: Visits, clicks: Clicks, searched: Clicks) -> None:
    """Write clicks in the feed, and those without it, into the log, the counts and the users' own rows."""
    clicks = clicks.and_(searched)
    if not len(clicks.row):
        return
    made = visits.take(clicks.row)
    utility = world.scenario.choice.utility(made, clicks.item, replace(world.people(made), had=None))
    world.log.append(logrows.of_clicks(made, clicks, world.epoch, world.model.depth, world.streams))
    new = world.consumed.add(made.user, clicks.item)
    world.counters.click(made.user, clicks.item, clicks.origin, utility, new)
    if world.scenario.consumed == "leave" or world.scenario.open_loop:
        number = nth(clicks.row)
        for turn in (np.flatnonzero(number == place) for place in range(int(number.max()) + 1)):
            if world.scenario.consumed == "leave":
                world.shortlists.drop(made.user[turn], clicks.item[turn])
            if world.scenario.open_loop:
                imagine(world, made.take(turn), int(number[turn[0]]), np.full(len(turn), world.epoch, np.int32))


def imagine(world: World, visits: Visits, number: int, epoch: np.ndarray) -> None:
    """For click *number* of each visit, draw what its user would have consumed unsteered, and write it into the shadow log.

    Nobody consumes it: it teaches in place of the click. What the user's shadow has had once it does not have again
    where people do not; a shadow that has had everything leaves no row.
    """
    had = world.shadow_consumed if world.scenario.consumption == "once" else None
    item = behaviour.organic(replace(visits, gone=had), world.users.interests[visits.user], world.demand, f"shadow#{number}")
    found = item != NOTHING
    visits, item, epoch = visits.take(found), item[found], epoch[found]
    world.shadow_consumed.add(visits.user, item)
    world.shadow.append(logrows.of_shadow(visits, item, number, epoch))


def _streams(scenario: Scenario, users: int) -> list[Stream]:
    """Return the state of all signals that are not off; serials count those of one kind, so that one more kind
    changes none.
    """
    active = [signal for signal in scenario.signals if not signal.off]
    before = [sum(other.kind == signal.kind for other in active[:place]) for place, signal in enumerate(active)]
    return [signal.stream(serial, users, scenario.retrain.every) for signal, serial in zip(active, before, strict=True)]


def _provenance(rows: Rows) -> tuple[float, float, float]:
    """Return the human share of the rows and of their weight, and their mean depth by weight; NaN without rows."""
    if not len(rows):
        return np.nan, np.nan, np.nan
    human, weight = np.isin(rows.origin, HUMAN), rows.weight / rows.weight.sum()
    return float(human.mean()), float(weight[human].sum()), float((weight * rows.depth).sum())


def check(scenario: Scenario, users: Users, items: Items) -> None:
    """Raise RecsimError where people, catalogue and settings do not fit each other."""
    people, catalog = users.interests.shape[1], items.topics.shape[1]
    if people != catalog:
        raise RecsimError(
            f"population.topics: people have {people} topics and items {catalog}; give both the same number"
        )
    scenario.choice.check(scenario.slate, len(users), len(items))
    policy = type(scenario.policy)
    for method in ("place", "chance"):
        if policy.slate is Policy.slate and getattr(policy, method) is getattr(Policy, method):
            raise RecsimError(f"policy: {policy.__name__} has no method {method}; give it one, as in recsim.policies")
    if sum(signal.places and not signal.off for signal in scenario.signals) > 8:
        raise RecsimError("signals: more than 8 place items in slates, and every combination of them is weighed; take fewer")
    for signal in scenario.signals:
        signal.check(len(users), len(items), scenario.slate)
