"""Human signals: ways in which people, not the model, decide what enters the feed and the log.

A signal is a recipe; its state (whom it has invited, what lies in which inbox) is a stream, which the world keeps. At the
moments of its timetable a signal may read everything; between them it reads and writes the rows of those who visit, no
others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from recsim.errors import RecsimError
from recsim.eventlog import Columns
from recsim.lottery import Lottery
from recsim.network import Friends
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe, Weights, listed, possible
from recsim.world import DAY, NOTHING, Bools, Ints, Items32, Origin, Visits


@dataclass
class Stream:
    """The state of one signal in one world.

    began: the day of its first moment. serial: its place among the signals of its kind that are not off. every: days
    between its moments. moments: how many of them are over. chosen: the visits that a count has chosen, as sorted
    numbers user * 2**32 + ordinal; share: of those that it chose among; listed: these, where people change and others
    than these may come to the feed. inbox: (users,), the item that
    waits for each user, NOTHING where none does; opened: (users,), the one she was shown last; via: (users,), how the
    sender of what came last had met it. picks: items chosen last, and their addresses. anchor: (2, rows), users and
    items of a log from before the loop.
    """

    signal: Signal
    serial: int
    every: float
    inbox: Items32
    opened: Items32
    via: npt.NDArray[np.int8]
    picks: Items32
    picks_address: npt.NDArray[np.uint32]
    anchor: npt.NDArray[np.int32]
    chosen: Ints
    listed: Ints
    began: float
    share: float = 0.0
    moments: int = 0

    def arrays(self) -> dict[str, Any]:
        """Return all of the state by name, for a checkpoint."""
        return {name: value for name, value in vars(self).items() if name not in ("signal", "serial", "every")}

    def due(self) -> int:
        """Return the second of its next moment."""
        return self.second(self.moments)

    def second(self, moment: int) -> int:
        """Return the second of a moment, counted from 0."""
        return round((self.began + moment * self.every) * DAY)

    def begin(self, second: int) -> None:
        """Let it begin at a second, or at its own first day where that is later."""
        self.began = max(self.signal.from_day, second / DAY)


@dataclass(frozen=True)
class Occasion:
    """What a signal is handed at a moment of its timetable.

    moment: how many there were before. users: (users,) and items: (items,), where their random numbers live. here: (users,), who
    is there now.
    activity: (users,), visits a day. coming(until): user and ordinal of the feed visits from now to a second, of those who have
    come, as the timetable of people has them, less those that counted lifts have chosen.
    demand: (topics, items), of those who want a topic, the share that wants each item.
    ask(user, address, label): what these people would choose unsteered, their random numbers taken from other
    addresses. fans(item, label): one user for each item, drawn from those who want it. clicks(second): what was
    consumed since a second, as columns of the log. friends: who is a friend of whom. moving: whether
    people change or come, so that another visit may come to the feed than was to be expected.
    """

    moment: int
    second: int
    randomness: Randomness
    users: npt.NDArray[np.uint64]
    here: Bools
    items: npt.NDArray[np.uint32]
    activity: Floats
    coming: Callable[[int], tuple[Ints, Ints]]
    demand: Floats
    ask: Callable[[Ints, npt.NDArray[np.uint64], str], Items32]
    fans: Callable[[Items32, str], Ints]
    clicks: Callable[[int], Columns]
    friends: Friends
    moving: bool


@dataclass(frozen=True)
class Told:
    """Rows that a signal puts into the log at a moment: user and item, both (rows,), all of one origin."""

    user: Ints
    item: Items32
    origin: Origin


class Signal(Recipe):
    """A recipe for one stream of human signal: one strength, a schedule and a price.

    rate and count are two ways to give the strength; one of them is given. What a rate is a share of, each kind says;
    a count is an absolute number every *every* days, by default once an epoch; of the time that *to_day* cuts short it
    keeps its share. Where two signals choose the same visit, the one listed first fills the position. What a kind does
    not do it inherits: it leaves visits, slates and log alone.
    """

    rate: float | None = Field(None, ge=0, le=1, description="strength as a share; this or count")
    count: int | None = Field(None, ge=0, description="strength as an absolute number every *every* days; this or rate")
    from_day: float = Field(0.0, ge=0, description="day on which the signal starts")
    to_day: float = Field(float("inf"), ge=0, allow_inf_nan=True, description="day before which the signal ends")
    every: float | None = Field(None, ge=1 / DAY, description="days between its moments; by default those between cuts")
    price: float = Field(0.0, ge=0, description="price of one label, in clicks")

    phase: ClassVar[Literal["CAMPAIGN", "SURVEY", "SHARE"]] = "CAMPAIGN"
    origin: ClassVar[Origin] = Origin.ORGANIC
    places: ClassVar[bool] = False
    """Whether it puts items into slates."""
    searches: ClassVar[bool] = False
    """Whether the visits that it touches do without the feed."""
    timed: ClassVar[bool] = False
    """Whether something happens at the moments of its timetable even where its strength is a rate."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.to_day > self.from_day:
            raise ValueError("to_day must be later than from_day")
        if (self.rate is None) == (self.count is None):
            raise ValueError("give its strength as a rate or as a count, one of the two")
        return self

    @property
    def strength(self) -> str:
        """The setting that holds its strength."""
        return "count" if self.rate is None else "rate"

    @property
    def off(self) -> bool:
        """Whether its strength is nothing."""
        return not (self.rate or self.count)

    def check(self, users: int, items: int, slate: int) -> None:
        """Raise RecsimError where a setting does not fit the numbers of users, items and positions."""
        if self.places and getattr(self, "position", 0) >= slate:
            raise RecsimError(f"signals.position: {getattr(self, 'position', 0)} is not in a slate of {slate}, counted from 0")

    def active(self, time: Ints) -> Bools:
        """Return whether the signal is on at each second: (n,)."""
        return (time >= self.from_day * DAY) & (time < self.to_day * DAY)

    def stream(self, serial: int, users: int, every: float) -> Stream:
        """Return its state as a world begins; *every*: days between its moments where it does not say."""
        return Stream(
            self, serial, self.every or every, np.full(users, NOTHING, np.int32), np.full(users, NOTHING, np.int32),
            np.full(users, -1, np.int8), np.zeros(0, np.int32), np.zeros(0, np.uint32),
            np.zeros((2, 0), np.int32), np.zeros(0, np.int64), np.zeros(0, np.int64), self.from_day,
        )  # fmt: skip

    @property
    def has_moments(self) -> bool:
        """Whether anything happens at the moments of its timetable."""
        return not self.off and (self.timed or self.count is not None)

    def moment(self, stream: Stream, occasion: Occasion) -> tuple[Told | None, int]:
        """Do what a moment asks for; return the rows it puts into the log, and the number of labels to be paid.

        Where the strength is a count, so many of the feed visits up to the next moment are chosen, each set of them
        alike: people come when they come, whatever the feed does, so that their visits are known beforehand.
        """
        if self.count is not None:
            user, ordinal = occasion.coming(stream.second(occasion.moment + 1))
            chance = occasion.randomness.uniform(f"{self.kind}.choice", occasion.users[user], ordinal, stream.serial)
            taken = smallest(chance, self.count)
            stream.chosen = np.sort((user[taken] << 32) | ordinal[taken])
            stream.listed = np.sort((user << 32) | ordinal) if occasion.moving else stream.listed
            stream.share = len(taken) / max(len(user), 1)
        return None, 0

    def before(self, stream: Stream, occasion: Occasion) -> npt.NDArray[np.int32]:
        """Return the log from before the loop that the signal brings: (2, rows), users and items; mostly none."""
        return np.zeros((2, 0), np.int32)

    def _replayed(self, stream: Stream, occasion: Occasion) -> tuple[Told, int]:
        """Return the rows of the log from before the loop that are taken at a moment, and how many they are."""
        rows = np.arange(stream.anchor.shape[1], dtype=np.uint64)
        chance = occasion.randomness.uniform(f"{self.kind}.{stream.serial}", rows, occasion.moment)
        user, item = stream.anchor[:, self._taken(chance)]
        return Told(user.astype(np.int64), item, self.origin), len(user)

    def _taken(self, chance: Floats) -> Ints:
        """Return which of some candidates the strength takes, given a number in (0, 1) each: a share, or the count
        smallest.
        """
        if self.count is None:
            return np.flatnonzero(chance < (self.rate or 0.0))
        return np.sort(smallest(chance, self.count))

    def lift(self, time: Ints) -> Floats:
        """Return what the signal adds to the probability that a visit at each second is organic: (n,)."""
        return np.zeros(len(time))

    # ---------------------------------------------------------------------------------------- in the slates of visits
    def prior(self, stream: Stream, visits: Visits) -> Floats:
        """Return the probability, (n,), that the signal touches each visit: the rate, or the share that a count is."""
        possible = self.active(visits.time)
        if len(stream.listed):
            possible &= np.isin((visits.user << 32) | visits.ordinal, stream.listed)
        return np.where(possible, stream.share if self.rate is None else self.rate, 0.0)

    def touches(self, stream: Stream, visits: Visits) -> Bools:
        """Return which visits, (n,), the signal touches."""
        if self.rate is None:
            return np.isin((visits.user << 32) | visits.ordinal, stream.chosen) & self.active(visits.time)
        return visits.uniform(f"{self.kind}.coin", stream.serial) < self.prior(stream, visits)

    def claims(self, position: int) -> bool:
        """Return whether the signal fills this position of the slates that it touches."""
        return False

    def place(self, stream: Stream, visits: Visits, placed: Items32) -> Items32:
        """Return the item, (n,), that the signal puts below those *placed* (n, r); NOTHING where it has none."""
        raise self.lacks("place")

    def chance(self, stream: Stream, visits: Visits, placed: Items32, item: Items32) -> tuple[Floats, Bools]:
        """Return the probability, (n,), that `place` gives *item*, and whether it gives any: (n,) of bool."""
        raise self.lacks("chance")

    def settle(self, stream: Stream, visits: Visits) -> None:
        """Note that these visits were touched: own rows only."""


class OrganicLift(Signal):
    """Make more visits organic: a search box, a library page, anything that lets people choose for themselves.

    rate: added to the probability that a visit is organic. count: so many visits that would have been in the feed are
    organic.
    """

    searches: ClassVar[bool] = True

    def lift(self, time: Ints) -> Floats:
        """Return the rate where the signal is on."""
        return np.where(self.active(time), self.rate or 0.0, 0.0)


class Panel(Signal):
    """Reserve visits for a feed of random items: the unbiased sample that a platform can still take.

    rate: share of the feed visits; count: number of them. Every position of such a visit is uniform over the items that may
    be shown and are not placed. Full support.
    """

    origin: ClassVar[Origin] = Origin.PANEL
    places: ClassVar[bool] = True

    def claims(self, position: int) -> bool:
        """Return True: the whole slate."""
        return True

    def place(self, stream: Stream, visits: Visits, placed: Items32) -> Items32:
        """Return any item left."""
        even = Lottery(np.ones(visits.released), visits.slots)
        return even.pick(visits, f"Panel.pick.{stream.serial}@{placed.shape[1]}", placed)

    def chance(self, stream: Stream, visits: Visits, placed: Items32, item: Items32) -> tuple[Floats, Bools]:
        """Return 1 over the number of items left."""
        left = visits.eligible - (placed != NOTHING).sum(axis=1)
        return 1 / np.maximum(left, 1), left > 0


class EditorPicks(Signal):
    """Show what editors picked, in one position of some visits.

    Every *every* days the editors choose *picks* items, without replacement, by their taste: "topics" gives all
    topics the same weight and within a topic follows true demand; "even" treats all items alike; a list gives one
    weight an item. rate: share of the feed visits that show a pick, count: number of them. Which of the picks is
    uniform over those that may be shown. Each pick is a label.
    """

    origin: ClassVar[Origin] = Origin.EDITOR
    places: ClassVar[bool] = True
    timed: ClassVar[bool] = True

    picks: int = Field(20, ge=1, le=10_000, description="items that the editors choose at each moment")
    taste: Annotated[Literal["topics", "even"] | tuple[float, ...], BeforeValidator(listed), AfterValidator(possible)] = (
        Field("topics", description="what editors choose by")
    )
    position: int = Field(0, ge=-1, description="position of the pick, from 0; -1: none, only `Slots` shows the picks")
    price: float = Field(1.0, ge=0, description="price of one pick, in clicks")

    def check(self, users: int, items: int, slate: int) -> None:
        """Raise RecsimError where the position is not in the slate, or the weights of a taste are not one an item."""
        super().check(users, items, slate)
        if isinstance(self.taste, tuple) and len(self.taste) != items:
            raise RecsimError(f"signals.taste: has {len(self.taste)} weights for {items} items; give one an item")

    def moment(self, stream: Stream, occasion: Occasion) -> tuple[Told | None, int]:
        """Choose the picks, by a race of all items whose rates are their weights (Plackett-Luce)."""
        super().moment(stream, occasion)
        if isinstance(self.taste, tuple):
            weight = np.append(self.taste, np.zeros(len(occasion.items) - len(self.taste)))  # nobody chose what came later
        else:
            weight = occasion.demand.sum(axis=0) if self.taste == "topics" else np.ones(len(occasion.items))
        race = occasion.randomness.exponential("EditorPicks.race", occasion.items, occasion.moment, stream.serial)
        time = np.divide(race, weight, out=np.full(len(race), np.inf), where=weight > 0)
        chosen = smallest(time, min(self.picks, int((weight > 0).sum())))
        stream.picks, stream.picks_address = chosen.astype(np.int32), occasion.items[chosen]
        return None, len(chosen)

    def claims(self, position: int) -> bool:
        """Return whether it is the position of the pick."""
        return position == self.position

    def _open(self, stream: Stream, visits: Visits, placed: Items32) -> Bools:
        """Return which of the picks, (n, picks), may be shown."""
        picks = np.broadcast_to(stream.picks, (len(visits), len(stream.picks)))
        open_ = ~visits.barred(picks)
        for position in range(placed.shape[1]):
            open_ &= picks != placed[:, position, None]
        return open_

    def place(self, stream: Stream, visits: Visits, placed: Items32) -> Items32:
        """Return one of the picks that may be shown, by a race among them."""
        if not len(stream.picks):
            return np.full(len(visits), NOTHING, np.int32)
        open_ = self._open(stream, visits, placed)
        race = visits.uniform(f"EditorPicks.pick.{stream.serial}", stream.picks_address)
        best = stream.picks[np.argmin(np.where(open_, race, np.inf), axis=1)]
        return np.where(open_.any(axis=1), best, NOTHING).astype(np.int32)

    def chance(self, stream: Stream, visits: Visits, placed: Items32, item: Items32) -> tuple[Floats, Bools]:
        """Return 1 over the number of picks that may be shown, 0 for what is no pick."""
        open_ = self._open(stream, visits, placed)
        number = open_.sum(axis=1)
        among = (open_ & (stream.picks == item[:, None])).any(axis=1)
        return among / np.maximum(number, 1), number > 0


class FriendShares(Signal):
    """Let people pass on what they consumed to their friends; it waits in the friend's inbox for the next visit to the feed.

    Every *every* days each item that a user consumed since is passed to each friend with probability *rate*, or
    *count* such passes are drawn in all. An inbox holds what came last. Friends are those of the scenario's network,
    or, where *edges* are given, these pairs of users by running number. The log says in `via` how the sender had met the
    item.
    """

    origin: ClassVar[Origin] = Origin.FRIEND
    phase: ClassVar[Literal["CAMPAIGN", "SURVEY", "SHARE"]] = "SHARE"
    places: ClassVar[bool] = True
    timed: ClassVar[bool] = True

    edges: tuple[tuple[int, int], ...] = Field((), description="pairs of friends, by the users' running numbers")
    position: int = Field(0, ge=0, description="position of the shared item, from 0")
    every: float | None = Field(1.0, ge=1 / DAY, description="days between its moments")

    @field_validator("edges", mode="before")
    @classmethod
    def _listed(cls, edges: object) -> object:
        pairs = edges.tolist() if isinstance(edges, np.ndarray) else edges
        if not isinstance(pairs, (list, tuple)) or not all(isinstance(pair, (list, tuple)) for pair in pairs):
            return pairs
        return tuple(tuple(int(end) if isinstance(end, np.integer) else end for end in pair) for pair in pairs)

    def check(self, users: int, items: int, slate: int) -> None:
        """Raise RecsimError where the position is not in the slate, or an edge names a user who is not there."""
        super().check(users, items, slate)
        nobody = next((end for pair in self.edges for end in pair if not 0 <= end < users), None)
        if nobody is not None:
            raise RecsimError(f"signals.edges: names user {nobody} of {users}, counted from 0; leave that pair out")

    @cached_property
    def _pairs(self) -> Ints:
        return np.array(self.edges, np.int64).reshape(-1, 2)

    def moment(self, stream: Stream, occasion: Occasion) -> tuple[Told | None, int]:
        """Pass on what was consumed since the moment before."""
        clicks = occasion.clicks(stream.second(occasion.moment - 1) if occasion.moment else occasion.second)
        clicks = _last_of_each(clicks)
        friends = Friends.of(len(occasion.users), self._pairs) if self.edges else occasion.friends
        run, to = friends.stretch(clicks["user"])
        run, to = run[occasion.here[to]], to[occasion.here[to]]
        item = clicks["item"][run]
        label = f"FriendShares.pass.{stream.serial}@{occasion.moment}"
        sender, which = occasion.users[clicks["user"][run]], _short(occasion.users[to])
        chance = occasion.randomness.uniform(label, sender, occasion.items[item], which)
        passed = self._taken(chance)
        stream.inbox[to[passed]] = item[passed]  # where several came the last one stays, as numpy assigns in order
        stream.via[to[passed]] = clicks["origin"][run][passed]
        return None, len(passed)

    def prior(self, stream: Stream, visits: Visits) -> Floats:
        """Return 1 where something waits in the inbox."""
        return self.touches(stream, visits).astype(np.float64)

    def touches(self, stream: Stream, visits: Visits) -> Bools:
        """Return whether something waits in the inbox."""
        return (stream.inbox[visits.user] != NOTHING) & self.active(visits.time)

    def claims(self, position: int) -> bool:
        """Return whether it is the position of the shared item."""
        return position == self.position

    def place(self, stream: Stream, visits: Visits, placed: Items32) -> Items32:
        """Return what waits in the inbox, if it may be shown."""
        item = stream.inbox[visits.user]
        shown = (placed == item[:, None]).any(axis=1) | visits.barred(np.maximum(item, 0))
        return np.where(shown, NOTHING, item).astype(np.int32)

    def chance(self, stream: Stream, visits: Visits, placed: Items32, item: Items32) -> tuple[Floats, Bools]:
        """Return 1 for what waits in the inbox."""
        waiting = self.place(stream, visits, placed)
        return (waiting == item).astype(np.float64), waiting != NOTHING

    def settle(self, stream: Stream, visits: Visits) -> None:
        """Empty the inboxes of those who came."""
        stream.inbox[visits.user] = NOTHING


class Survey(Signal):
    """Ask people what they would choose if nobody steered them; each answer is one row that nobody consumed, and one label.

    rate: probability that a user is asked at a moment; count: how many are asked, without replacement.
    """

    origin: ClassVar[Origin] = Origin.SURVEY
    phase: ClassVar[Literal["CAMPAIGN", "SURVEY", "SHARE"]] = "SURVEY"
    timed: ClassVar[bool] = True

    price: float = Field(1.0, ge=0, description="price of one answer, in clicks")

    def check(self, users: int, items: int, slate: int) -> None:
        """Raise RecsimError where more are to be asked than there are."""
        if (self.count or 0) > users:
            raise RecsimError(f"signals.count: asks {self.count} of {users} users at a time; ask at most all of them")

    def moment(self, stream: Stream, occasion: Occasion) -> tuple[Told | None, int]:
        """Ask."""
        label = f"Survey.{stream.serial}@{occasion.moment}"
        chance = occasion.randomness.uniform(label, occasion.users)
        asked = self._taken(np.where(occasion.here, chance, np.inf))
        asked = asked[occasion.here[asked]]
        item = occasion.ask(asked, occasion.users[asked], label)
        asked, item = asked[item != NOTHING], item[item != NOTHING]
        return Told(asked, item, self.origin), len(item)


class AnchorReplay(Signal):
    """Put rows of a log from before the loop into the log again, at every moment: an anchor in the human past.

    each = "visit": the log holds *size* rows, users drawn in proportion to how often they come, items as each of them
    would choose unsteered. each = "item": it holds one row for every item, its user drawn from those who want it:
    then no item is unknown to the model, and what a feed still does not show is not for want of a first click. rate:
    share of the log that is replayed at a moment; count: number of its rows.
    """

    origin: ClassVar[Origin] = Origin.ANCHOR
    timed: ClassVar[bool] = True

    size: int = Field(1000, ge=1, le=10_000_000, description="rows of the log from before the loop")
    shares: Weights = Field((), description="weight of each item in that log, in place of people's own choice")
    each: Literal["visit", "item"] = Field("visit", description="what a row of that log stands for")

    def check(self, users: int, items: int, slate: int) -> None:
        """Raise RecsimError where more rows are to be replayed than there are, or shares are not one an item."""
        if self.shares and len(self.shares) != items:
            raise RecsimError(f"signals.shares: has {len(self.shares)} weights for {items} items; give one an item")
        rows = self.size if self.each == "visit" else items
        if (self.count or 0) > rows:
            raise RecsimError(f"signals.count: replays {self.count} of {rows} rows at a time; replay at most all of them")

    def moment(self, stream: Stream, occasion: Occasion) -> tuple[Told | None, int]:
        """Replay rows of the log from before the loop, which was drawn as the world began."""
        return self._replayed(stream, occasion)

    def before(self, stream: Stream, occasion: Occasion) -> npt.NDArray[np.int32]:
        """Return the log from before the loop: (2, rows), users and items."""
        label = f"AnchorReplay.log.{stream.serial}"
        if self.each == "item":
            item = np.arange(len(occasion.items), dtype=np.int32)
            return np.stack([occasion.fans(item, label).astype(np.int32), item])
        rows = np.arange(self.size, dtype=np.uint64)
        user = Lottery(np.where(occasion.here, occasion.activity, 0.0)).at(occasion.randomness, f"{label}.user", rows)
        if self.shares:
            return np.stack([user, Lottery(np.array(self.shares)).at(occasion.randomness, f"{label}.item", rows)])
        item = occasion.ask(user.astype(np.int64), rows, label)
        return np.stack([user, item])[:, item != NOTHING]


def _short(address: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return addresses of users as numbers below 2**32, no two alike: newcomers stand from 2**31 on.

    >>> _short(np.array([0, 7, 2**32, 2**32 + 7], np.uint64)).tolist()
    [0, 7, 2147483648, 2147483655]
    """
    return (address & np.uint64(0xFFFFFFFF)) + ((address >> np.uint64(32)) << np.uint64(31))


def _last_of_each(clicks: Columns) -> Columns:
    """Return the last click of each user and item, in the order of the log: an item consumed twice is one item."""
    pair = (clicks["user"].astype(np.int64) << 32) | clicks["item"]
    last = len(pair) - 1 - np.unique(pair[::-1], return_index=True)[1]
    return {name: column[np.sort(last)] for name, column in clicks.items()}


def smallest(values: Floats, count: int) -> Ints:
    """Return where the *count* smallest values are; all of them where there are no more."""
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(values, count)[:count]
