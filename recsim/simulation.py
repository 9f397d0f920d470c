"""World: people, feed and log moved on by the clock; a window between two changes; and one visit, top to bottom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from recsim import clock, logrows, polarisation
from recsim.ahead import ahead, allowing
from recsim.amounts import row_sums
from recsim.archive import History
from recsim.behaviour import People
from recsim.benchmark import Benchmark
from recsim.births import discovered
from recsim.catalog import Items
from recsim.consumption import nth
from recsim.counting import Counters
from recsim.crowd import Crowd, everybody
from recsim.errors import RecsimError, whole_number
from recsim.eventlog import Columns, EventLog
from recsim.feed import Feed
from recsim.metrics import measure
from recsim.models import Model
from recsim.network import Friends
from recsim.policies import Policy
from recsim.population import Users
from recsim.randomness import Floats, Randomness
from recsim.scenario import Scenario
from recsim.signals import Occasion, Stream
from recsim.slates import compose, real, sound
from recsim.stock import Stock
from recsim.tiles import TILE, Tile, tiles
from recsim.world import DAY, NOTHING, Clicks, Ints, Items32, Seen, Slate, Visits, unfilled

SHARED = (
    "world_seed", "population", "catalog", "births", "network", "arrivals", "lifetime", "visits", "choice",
    "consumption", "consumed", "dynamics", "retrain", "benchmark",
)  # fmt: skip
"""Settings in which arms may not differ."""


class World:
    """People, feed and log at one second of the simulation; `advance` moves it on.

    threads and tile (visits served at a time) change how fast it goes, never what happens.
    """

    def __init__(
        self, scenario: Scenario, seed: int, threads: int = 1, tile: int = TILE, *, forks: bool = False,
        like: World | None = None,
    ) -> None:  # fmt: skip
        """Draw the world at second 0. forks: keep what a fork may need, tastes of users and the shadow log; like: a world of
        the same people and items.
        """
        self.scenario, self.seed, self.forks = scenario, whole_number("seed", seed, 0), forks
        self.threads, self.tile = whole_number("threads", threads, 1), whole_number("tile", tile, 1)
        self.randomness = Randomness(self.seed)
        people, items = getattr(scenario.population, "users", None), getattr(scenario.catalog, "items", None)
        if scenario.models(scenario.days)[0] and isinstance(people, int) and isinstance(items, int):
            scenario.recommender.expect(people, items, self.threads)
        with allowing(self.threads):
            users: Users = like.users if like else everybody(scenario, self.seed)
            stock: Stock = Stock(scenario, self.seed, like.crowd.stock if like else None)
        check(scenario, users, stock.items)
        friends = like.crowd.friends if like else _friends(scenario, Randomness(scenario.world_seed), users)
        self.log, self.impressions, self.shadow = EventLog(), EventLog(), EventLog()
        self.streams = _streams(scenario, len(users))
        self.crowd: Crowd = Crowd(scenario, self.randomness, users, stock, friends, self.streams)
        for stream in self.streams:
            stream.anchor = stream.signal.before(stream, self.occasion(0))
        self.shadows = scenario.open_loop or forks
        self.feed = self._feed(scenario)
        self.next_reading = round(scenario.readings_every * DAY)
        self.history: History = []
        self.benchmark = Benchmark(scenario, users.address)
        self.on_epoch: Callable[[World, Columns, Columns], None] = lambda world, clicks, impressions: None
        self.on_deploy: Callable[[World], None] = lambda world: None
        self.on_window: Callable[[World], None] = lambda world: None
        self.env: clock.Environment | None = None

    feed_kind: ClassVar[type[Feed]] = Feed

    def _feed(self, scenario: Scenario) -> Feed:
        """Return a feed for these people and items, as it begins."""
        stock, teaching = self.crowd.stock, self.shadow if scenario.open_loop else self.log
        return self.feed_kind(
            scenario, self.randomness, self.users, self.crowd.since, stock.shelf, len(stock.items), teaching, self.streams,
            lambda: self.crowd.truth(self._now), threads=self.threads, tastes=self.forks,
        )  # fmt: skip

    @classmethod
    def draw(cls, scenario: Scenario, seed: int = 1, threads: int = 1, tile: int = TILE) -> Self:
        """Return the world of a scenario at second 0."""
        return cls(scenario, seed, threads, tile)

    # ---------------------------------------------------------------------------------------------------- what it is
    @property
    def users(self) -> Users:
        """The people."""
        return self.crowd.users

    @property
    def items(self) -> Items:
        """The catalogue."""
        return self.crowd.items

    @property
    def model(self) -> Model:
        """The model that serves."""
        return self.feed.model

    @property
    def counters(self) -> Counters:
        """What is counted while visits are served."""
        return self.feed.counters

    @property
    def epoch(self) -> int:
        """The number of the model that serves."""
        return self.feed.epoch

    @property
    def cuts(self) -> int:
        """How many models have been trained."""
        return self.feed.cuts

    @property
    def drawn(self) -> str:
        """The SHA-256 of what people and items are, as hexadecimal text: a run can only go on in the world it began in."""
        users, items = self.users, self.crowd.stock.planned
        arrays = [users.interests, users.activity, users.curiosity, users.niche, items.topics, items.appeal]
        arrays += [self.crowd.friends.start, self.crowd.friends.friend] if self.scenario.network else []
        arrays += [self.crowd.since, self.crowd.ends] if self.scenario.arrivals or self.scenario.lifetime else []
        arrays += [items.born] if self.scenario.creators or self.scenario.births else []
        return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()

    @property
    def now(self) -> int:
        """The second up to which visits have been served."""
        return self._now

    _now = 0
    _deployed = 0  # the second at which the epoch began

    @property
    def horizon(self) -> int:
        """The second at which the run ends."""
        return round(self.scenario.days * DAY)

    # ------------------------------------------------------------------------------------------------- how it goes on
    def advance(self, until: float) -> Self:
        """Let the world go on to day *until*: all visits before that second; neither visits nor changes at it.

        Raises RecsimError when that day has passed.
        """
        second = round(until * DAY)
        if second < self._now:
            raise RecsimError(f"until: day {until} has passed, it is day {self._now / DAY}; a world does not go back")
        if self.env is None:
            self.env = clock.timetable(self)
        with threadpool_limits(1, user_api="blas"), allowing(self.threads):
            if second > self.env.now:
                self.env.run(until=second)
            self.serve(second)
        return self

    def serve(self, until: int) -> None:
        """Serve all visits before a second; users commute."""
        for rounds in self.crowd.visits(until):
            self.receive(rounds)
        for log in (self.log, self.impressions, self.shadow):
            log.close_window()
        self._now = until
        self.on_window(self)

    def receive(self, rounds: Iterable[Visits]) -> None:
        """Let users visit the feed, a tile at a time; while what comes of one is written down, others are being served."""
        parts = tiles(rounds, self.tile, self.threads)
        with closing(ahead(partial(visit, self), parts, self.threads, attrgetter("after"))) as met:
            for one in met:
                write(self, one)

    def next_birth(self) -> int | None:
        """Return the second, now at the earliest, at which an interest is born next; None where none is any more."""
        left = self.crowd.births[self.crowd.born :]
        return left[0][1].second if left else None

    def bear(self) -> None:
        """Let the next interest come into the world."""
        self.crowd.bear()

    def next_release(self) -> int | None:
        """Return the second, now at the earliest, at which the catalogue changes next; None where it does not any more."""
        return self.crowd.stock.next()

    def release(self) -> None:
        """Let the items come out that are due, and all get older."""
        self.crowd.stock.change(self._now, *self.counters.ever)
        self.feed.restock(self.crowd.stock.shelf)

    def train(self) -> None:
        """Fit the next model on the rows before this second."""
        self.feed.train(self._now)

    def deploy(self) -> None:
        """Close the epoch, and let the model trained last serve the next."""
        self.close_epoch()
        self.feed.deploy()
        self._deployed = self._now
        self.on_deploy(self)

    def close_epoch(self) -> None:
        """Measure the epoch, take its rows into the digest and hand them on."""
        with allowing(self.threads):
            self.read("epoch")
            self.on_epoch(self, self.log.close_epoch(), self.impressions.close_epoch())

    def read(self, window: str) -> None:
        """Put the metrics of the epoch so far into the history."""
        active = int((self.crowd.ordinal > 0).sum())
        people = self.crowd.minds(self._now) | self.crowd.attendance(self._now) | self._truth()
        figures = measure(self.counters.window(self.users.niche, active, self.feed.released, people))
        if self.scenario.creators:
            seen = (tally[: self.feed.released] for tally in self.counters.epoch.sum(axis=1))
            figures += self.crowd.stock.figures(self._deployed, *seen)
        figures += discovered(self.scenario.births, self.crowd.discovery(self._now))
        if self.scenario.benchmark and window == "epoch":
            figures += self._benchmark()
        for group, metric, value in figures + (self._polarisation() if self.scenario.graphs else []):
            self.history.append((self._now / DAY, self.epoch, window, group, metric, value))

    def _truth(self) -> dict[str, Any]:
        """Return what figures of rare cases are held against, by the names of a window: true demand, who is here, and clicks."""
        here, wants = self.crowd.here(self._now), self.crowd.truth(self._now).wants
        pace = np.where(here, self.crowd.rate, 0.0) / np.maximum(row_sums(wants), 1e-300)  # visits a day
        rows = self.log.columns(self.log.epoch_start)
        return {
            "demand": self.crowd.stock.wanted(np.einsum("u,ut->t", pace, wants)), "here": here, "epochs": self.epoch + 1,
            "clicked": tuple(rows[name][rows["clicked"]] for name in ("user", "item")),
            "panel": self.counters.panel(self.users.address),
        }  # fmt: skip

    def _benchmark(self) -> list[tuple[str, str, float]]:
        """Return what the team's benchmark says of the model that has served the epoch, and what it cannot know."""
        held, stock = self.log.columns(self.log.epoch_start), self.crowd.stock
        address, kept = self.users.address, self.feed.shortlists
        return self.benchmark.close(self.model, held, address, stock.slots, self.randomness, self.threads, kept)

    def _polarisation(self) -> list[tuple[str, str, float]]:
        """Return the figures of the graphs of co-clicks of the epoch so far, people by the interest they were born with."""
        rows = self.log.columns(self.log.epoch_start)
        user, item = (rows[name][rows["clicked"]] for name in ("user", "item"))
        edges = self.crowd.friends.edges() if self.scenario.network else None
        return polarisation.measure(user, item, self.users.interests.argmax(axis=1), self.items.topics.argmax(axis=1), edges)

    def tell(self, stream: Stream) -> None:
        """Let a signal do what this moment of its timetable asks for; its rows enter the log before those of visits."""
        told, labels = stream.signal.moment(stream, self.occasion(stream.moments))
        stream.moments += 1
        self.counters.labels += labels
        self.counters.spent += labels * stream.signal.price
        if told is not None:
            self.log.append(logrows.of_told(told, self._now, self.epoch))
            self.log.close_window()

    def occasion(self, moment: int) -> Occasion:
        """Return what a signal is handed at a moment of its timetable."""

        def clicks(since: int) -> Columns:
            rows = self.log.columns(self.log.since(since))
            return {name: column[rows["clicked"]] for name, column in rows.items()}

        return self.crowd.occasion(moment, self._now, clicks)

    # ------------------------------------------------------------------------------------------------ how it branches
    def fork(self, scenario: Scenario) -> World:
        """Return a world that is as this one is now, and goes on under another feed, other training, signals or makers.

        Raises RecsimError where the scenario differs in more than that, or a model waits to go live. Streams whose
        signal is the same go on; others begin now. Where this world was not drawn with forks=True, the counts of
        impressions of the past are those of its own training window.
        """
        for name in SHARED:
            if getattr(scenario, name) != getattr(self.scenario, name):
                raise RecsimError(f"{name}: differs between arms; arms may differ in feed, training, signals and makers only")
        comes = "people" if scenario.arrivals else "items" if scenario.creators else ""
        if comes and scenario.days != self.scenario.days:
            raise RecsimError(f"days: differs between arms into which {comes} come; let both be of one length")
        if self.cuts != self.epoch:
            raise RecsimError(f"fork: on day {self._now / DAY:g} a model waits to go live; fork after it is deployed")
        tastes = f"policy: {scenario.policy.kind}", scenario.policy.tastes, self.forks
        for setting, wanted, kept in (tastes, ("open_loop", scenario.open_loop, self.shadows)):
            if self._now and wanted and not kept:
                raise RecsimError(f"{setting}: needs what a world keeps that is drawn with forks=True")
        twin = World(scenario, self.seed, self.threads, self.tile, like=self)
        if self._now:
            twin._take_over(self)
        return twin

    def _take_over(self, other: World) -> None:
        """Go on from where another world is."""
        self._now, self.next_reading, self.history = other._now, other.next_reading, list(other.history)
        self._deployed = other._deployed
        if self.scenario.readings_every != other.scenario.readings_every:
            every = round(self.scenario.readings_every * DAY)
            self.next_reading = every * max(1, -(-self._now // max(every, 1)))
        for ours, theirs in ((self.log, other.log), (self.impressions, other.impressions), (self.shadow, other.shadow)):
            ours.take_over(theirs)
        self.crowd.stock.take_over(other.crowd.stock, other._now)
        self.crowd.take_over(other.crowd)
        self.benchmark = deepcopy(other.benchmark)
        self.feed.take_over(other.feed)
        for place, stream in enumerate(self.streams):
            same = [theirs for theirs in other.streams if (theirs.signal, theirs.serial) == (stream.signal, stream.serial)]
            if same:
                self.streams[place] = deepcopy(same[0])
            else:
                stream.begin(self._now)


# ------------------------------------------------------------------------------------------------------ one visit
class Consumption(NamedTuple):
    """What was consumed, in the order of *clicks*: by whom in which visit, the utility, that by the interests people were born
    with, and the rows of the log.
    """

    visits: Visits
    people: People
    clicks: Clicks
    utility: Floats
    innate: Floats
    rows: Columns


class Met(NamedTuple):
    """What comes of *visits*: *people*, row i belonging to visit i. Those *fed* see a slate and click in an *order*, 0 for
    none; those *alone* have *found* something without the feed. Row i of these belongs to number i of them. *consumption* is
    None where there was none.
    """

    visits: Visits
    people: People
    fed: Ints
    slate: Slate
    order: npt.NDArray[np.int16]
    alone: Ints
    found: Items32
    consumption: Consumption | None


def visit(world: World, tile: Tile) -> Met:
    """Let users visit, nobody twice where a visit reads what one before has written.

    Read is what does not change while the model serves, and what belongs to these users; written is nothing but their
    shortlists and what signals keep of them. So it makes no difference what others do meanwhile, nor what else the same
    users do where nothing that a visit leaves behind is read by the next: their shortlists come out the same twice.
    """
    visits = tile.visits
    people = world.crowd.meet(visits)
    searching = world.crowd.searching(visits, people)
    fed, alone = np.flatnonzero(~searching), np.flatnonzero(searching)
    slate, order = browse(world, *of(fed, visits, people))
    found = search(world, *of(alone, visits, people))
    clicks = logrows.clicks_of(slate, order, fed).and_(logrows.found(alone, found))
    return Met(visits, people, fed, slate, order, alone, found, consumption(world, visits, people, clicks))


def of(rows: Ints, *tables: Any) -> tuple[Any, ...]:
    """Return these rows, ascending, of some tables, without a copy where they are all."""
    return tuple(table.take(slice(None) if len(rows) == len(table) else rows) for table in tables)


def write(world: World, met: Met) -> None:
    """Write down what came of visits: counts, log, what they have had, and how it has changed them."""
    visits, people, fed, slate, order, alone, found, consumed = met
    show(world, of(fed, visits)[0], slate, order)
    if consumed:
        consume(world, *consumed)
    world.counters.visits += len(visits)
    if world.crowd.own:
        world.crowd.react(visits, people, Seen.of(len(visits), fed, slate, order, alone, found))


def browse(world: World, visits: Visits, people: People) -> tuple[Slate, npt.NDArray[np.int16]]:
    """Let users look at the feed; return what they are shown, and the order of their clicks, 0 for none."""
    scenario = world.scenario
    if not len(visits):
        return unfilled(scenario.slate), np.zeros((0, scenario.slate), np.int16)
    slate = compose(visits, world.feed.rank(visits), scenario.slate, scenario.policy, world.streams)
    if not type(scenario.policy).__module__.startswith("recsim."):
        sound(visits, slate, scenario.policy)
    real(visits, slate)
    return slate, scenario.choice.click(visits, slate, people)


def search(world: World, visits: Visits, people: People) -> Items32:
    """Let users find something without the feed: one item each, drawn from their true preference."""
    return world.crowd.find(visits, people) if len(visits) else np.zeros(0, np.int32)


def show(world: World, visits: Visits, slate: Slate, order: npt.NDArray[np.int16]) -> None:
    """Count what was shown, and write it into the log of impressions where there is one."""
    world.counters.show(visits, slate)
    if world.scenario.log == "impressions" and len(visits):
        world.impressions.append(logrows.of_slates(visits, slate, order, world.epoch, world.feed.depth, world.streams))


def consumption(world: World, visits: Visits, people: People, clicks: Clicks) -> Consumption | None:
    """Return what the clicks of some visits come to."""
    if not len(clicks.row):
        return None
    choice, visits, people = world.scenario.choice, visits.take(clicks.row), people.take(clicks.row)
    utility = choice.utility(visits, clicks.item, people)
    born = replace(people, interests=people.own["innate"]) if people.own else people
    innate = choice.utility(visits, clicks.item, born) if people.own else utility
    rows = logrows.of_clicks(visits, clicks, world.epoch, world.feed.depth, world.streams)
    return Consumption(visits, people, clicks, utility, innate, rows)


def consume(
    world: World, visits: Visits, people: People, clicks: Clicks, utility: Floats, innate: Floats, rows: Columns
) -> None:  # fmt: skip
    """Write clicks, row i being that of visit i, into the log, the counts and the users' own rows."""
    scenario = world.scenario
    world.log.append(rows)
    world.benchmark.choose(visits, clicks.row, people.interests, world.crowd.demand, world.crowd.consumed)
    new = world.crowd.consumed.add(visits.user, clicks.item)
    world.counters.click(visits.user, clicks.item, clicks.origin, utility, innate, new)
    if scenario.consumed == "leave":
        world.feed.shortlists.drop(visits.user, clicks.item)
    if world.shadows:
        number = nth(clicks.row)
        for turn in (np.flatnonzero(number == place) for place in range(int(number.max()) + 1)):
            imagine(world, visits.take(turn), people.take(turn), int(number[turn[0]]))


def imagine(world: World, visits: Visits, people: People, number: int) -> None:
    """For click *number* of each visit, draw what its user would have consumed unsteered, and write it into the shadow log.

    Nobody consumes it: it teaches in place of the click. A shadow that has had everything leaves no row.
    """
    item = world.crowd.imagine(visits, people, number)
    visits, item = visits.take(item != NOTHING), item[item != NOTHING]
    world.crowd.shadow_consumed.add(visits.user, item)
    world.shadow.append(logrows.of_shadow(visits, item, number, world.epoch))


def _friends(scenario: Scenario, randomness: Randomness, users: Users) -> Friends:
    """Return who is a friend of whom: nobody, where there is no network."""
    nobody = np.zeros((0, 2), np.int64)
    return scenario.network.draw(randomness, users) if scenario.network else Friends.of(len(users), nobody)


def _streams(scenario: Scenario, users: int) -> list[Stream]:
    """Return the state of all signals that are not off; serials count those of one kind, so that one more kind
    changes none.
    """
    active = [signal for signal in scenario.signals if not signal.off]
    before = [sum(other.kind == signal.kind for other in active[:place]) for place, signal in enumerate(active)]
    return [signal.stream(serial, users, scenario.retrain.every) for signal, serial in zip(active, before, strict=True)]


def check(scenario: Scenario, users: Users, items: Items) -> None:
    """Raise RecsimError where people, catalogue and settings do not fit each other."""
    people, catalog = users.interests.shape[1], items.topics.shape[1]
    if people != catalog:
        raise RecsimError(
            f"population.topics: people have {people} topics and items {catalog}; give both the same number"
        )
    if not items.released(0):
        raise RecsimError("catalog: nothing is out on the first day; let some item be born at second 0")
    scenario.choice.check(scenario.slate, len(users), len(items))
    policy = type(scenario.policy)
    for method in ("place", "chance"):
        if policy.slate is Policy.slate and getattr(policy, method) is getattr(Policy, method):
            raise policy.lacks(method)
    if sum(signal.places and not signal.off for signal in scenario.signals) > 8:
        raise RecsimError("signals: more than 8 place items in slates, and every combination of them is weighed; take fewer")
    for signal in scenario.signals:
        signal.check(len(users), items.released(0), scenario.slate)
