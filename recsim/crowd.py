"""The crowd: the people of a world, when they come, what they want and what they have had. The feed never sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial

import numpy as np

from recsim import behaviour
from recsim.archive import DISCOVERY
from recsim.behaviour import People
from recsim.births import meet, padded, unmet
from recsim.catalog import Items
from recsim.consumption import Consumed
from recsim.dynamics import AWAY, shares, toward
from recsim.errors import RecsimError
from recsim.eventlog import Columns
from recsim.lottery import Lottery
from recsim.network import Friends
from recsim.population import Own, Users
from recsim.presence import newcomers
from recsim.randomness import Floats, Randomness
from recsim.recommenders import Truth
from recsim.scenario import Scenario
from recsim.signals import Occasion, Signal, Stream
from recsim.stock import Stock
from recsim.world import DAY, Bools, Ints, Items32, Origin, Seen, Visits


class Crowd:
    """The people of a world and their state.

    since, ends: (users,), the seconds between which each is there, but for those who leave earlier by themselves.
    ordinal, next_time: (users,), the number and the second of the visit that each makes next; consumed: what each has
    had, shadow_consumed: what her shadow in the open loop has had. own: the state columns of dynamics, a row a user, as of
    the second *settled* (users,), that of her last visit or else of her coming; empty where nobody changes. streams: the
    signals, which may make visits organic.
    """

    def __init__(
        self, scenario: Scenario, randomness: Randomness, users: Users, stock: Stock, friends: Friends,
        streams: Sequence[Stream],
    ) -> None:  # fmt: skip
        """Let the world begin."""
        self.scenario, self.randomness = scenario, randomness
        self.users, self.stock, self.friends, self.streams = users, stock, friends, streams
        self.since, self.ends = presence(scenario, randomness, users)
        self.consumed, self.shadow_consumed = Consumed(len(users)), Consumed(len(users))
        self.dynamics = [dynamics for dynamics in scenario.dynamics if not dynamics.off]
        self.births, self.born = sorted(enumerate(scenario.births), key=lambda birth: birth[1].second), 0
        moving = self.dynamics or self.births
        self.own: Own = self._columns(Randomness(scenario.world_seed)) if moving else {}
        self.settled = self.since.astype(np.int64)
        self.rate = scenario.visits.rates(randomness, users)
        self.ordinal = np.zeros(len(users), np.int64)
        self.next_time = self._visit_time(np.arange(len(users)), self.ordinal, self.since)
        while self.births[self.born :] and not self.births[self.born][1].second:
            self.bear()  # it is there as the world begins, as its items are

    def take_over(self, other: Crowd) -> None:
        """Go on from where the same people are in another world."""
        for name in ("ordinal", "next_time", "consumed", "shadow_consumed", "own", "settled", "born"):
            setattr(self, name, deepcopy(getattr(other, name)))

    @property
    def items(self) -> Items:
        """The catalogue as it is."""
        return self.stock.items

    @property
    def released(self) -> int:
        """How many items are out."""
        return self.stock.released

    @property
    def demand(self) -> Lottery:
        """A lottery over the items that are out, for those who want each topic."""
        return self.stock.demand

    def bear(self) -> None:
        """Let the next interest come into the world: those who take it up want it from now on, or from when they come."""
        place, birth = self.births[self.born]
        self.born += 1
        takes = birth.takes(self.randomness, self.users, place)
        new = np.zeros(self.users.interests.shape[1])
        new[len(new) - len(self.births) + place] = 1.0
        for name in ("interests", "innate"):
            self.own[name][takes] = toward(self.own[name][takes], birth.weight, new)

    def _columns(self, randomness: Randomness) -> Own:
        """Return the state columns as the world begins.

        Raises RecsimError where two dynamics bring columns of one name, or one has not a row a user.
        """
        own: Own = {
            "interests": self.users.interests.copy(), "innate": self.users.interests.copy(),
            "curiosity": self.users.curiosity.copy(), **unmet(self.scenario.births, len(self.users)),
        }  # fmt: skip
        for place, dynamics in enumerate(self.scenario.dynamics):
            columns = {} if dynamics.off else dynamics.columns(randomness, self.users, self.items)
            for name, column in columns.items():
                if name in own:
                    raise RecsimError(f"dynamics.{place}: its column {name!r} is there already; give it a name of its own")
                if len(column) != len(self.users):
                    raise RecsimError(f"dynamics.{place}: its column {name!r} has {len(column)} rows; give one a user")
                own[name] = column.copy()  # it may be of the people as they were born, whom nothing changes
        return own

    # ------------------------------------------------------------------------------------------------ when they come
    def visits(self, until: int) -> Iterator[Iterable[Visits]]:
        """Yield all visits before a second, in stretches of rounds, and move the schedules on.

        A round has one visit of each user who is due, ascending; where nothing that a visit leaves behind is read by her next,
        there is but one, which has all. A stretch holds all rounds, or a single one where it depends on the visits before who
        comes again: then all of these must be over before the next is asked for.
        """
        gone = self.consumed if self.scenario.consumed == "leave" else None

        def made(user: Ints, ordinal: Ints, time: Ints) -> Visits:
            address, when = self.users.address[user], ordinal.astype(np.uint32)
            return Visits(user, address, when, time, self.released, self.randomness, gone, self.stock.slots)

        rounds = self._rounds(until, self.ordinal, self.next_time)
        if self.forgetful and (parts := list(rounds)):
            user, ordinal, time = (np.concatenate(part) for part in zip(*parts, strict=True))
            rounds = iter([(user, ordinal, time)])
        visits = (made(*columns) for columns in rounds)
        if AWAY in self.own:
            yield from ([one] for one in visits)
        else:
            yield visits

    @property
    def forgetful(self) -> bool:
        """Whether no visit reads what the same user's visits before have written, since the model was deployed."""
        again = self.scenario.consumption == "again" and self.scenario.consumed == "stay" and not self.own
        signals = [stream.signal for stream in self.streams]
        return again and all(type(one).settle is Signal.settle and one.origin != Origin.FRIEND for one in signals)

    def _rounds(self, until: int, ordinal: Ints, next_time: Floats) -> Iterator[tuple[Ints, Ints, Ints]]:
        """Yield user, ordinal and second of the visits before a second, one of each user who is due, then again; both
        arrays are moved on. The visits of those who are away pass.
        """
        due = np.flatnonzero(next_time < until)
        while len(due):
            user, number, time = due, ordinal[due], next_time[due].astype(np.int64)
            ordinal[due] += 1
            next_time[due] = self._visit_time(due, ordinal[due], next_time[due])
            if AWAY in self.own:
                here = time >= self.own[AWAY][user]
                user, number, time = user[here], number[here], time[here]
            yield user, number, time
            due = due[next_time[due] < until]

    def _visit_time(self, user: Ints, ordinal: Ints, last: Floats) -> Floats:
        """Return when each user's visit *ordinal* begins, on a clock that starts as she comes; inf where she has gone by then."""
        began, address = self.since[user], self.users.address[user]
        time = began + self.scenario.visits.time(self.randomness, address, ordinal, last - began, self.rate[user])
        return np.where(time < self.ends[user], time, np.inf)

    def here(self, second: int) -> Bools:
        """Return who is there at a second, and not away: (users,)."""
        there = (self.since <= second) & (second < self.ends)
        return there & (self.own[AWAY] <= second) if AWAY in self.own else there

    def table(self) -> Columns:
        """Return who the people are, a row each: running number, name, day of coming and day of going whatever happens, cohort
        (0: founders; k: came within the k-th 30 days), whether they are niche users, and the topic they were born to like most.
        """
        users = self.users
        cohort = np.where(self.since > 0, self.since // (30 * DAY) + 1, 0).astype(np.int32)
        return {
            "user": np.arange(len(users), dtype=np.int32), "name": np.array(users.names or [""] * len(users), dtype=object),
            "since": self.since / DAY, "until": self.ends / DAY, "cohort": cohort, "niche": users.niche,
            "interest": users.interests.argmax(axis=1).astype(np.int32),
        }  # fmt: skip

    def discovery(self, second: int) -> Columns:
        """Return when those who take up a new interest met it, a row each for the births so far: the birth's place, user,
        the day from which she could, the days of the first item about it that she was shown and that she consumed (inf: none),
        and the day up to which she was watched: *second*, or when she went for ever.
        """
        away = self.own.get(AWAY, np.zeros(len(self.users)))
        until = np.minimum(np.minimum(self.ends, second), np.where(np.isinf(away), self.settled, np.inf))
        parts = []
        for place, birth in self.births[: self.born]:
            since = np.maximum(self.since, birth.second)
            user = np.flatnonzero(birth.takes(self.randomness, self.users, place) & (since < until))
            met = [self.own[f"{birth.name} {how}"][user] for how in ("shown", "clicked")]
            parts.append([np.full(len(user), place), user, *(days / DAY for days in (since[user], *met, until[user]))])
        columns = zip(*parts, strict=True) if parts else [[np.zeros(0)]] * len(DISCOVERY)
        return {
            name: np.concatenate(column).astype(kind)
            for (name, kind), column in zip(DISCOVERY.items(), columns, strict=True)
        }

    def attendance(self, second: int) -> dict[str, float]:
        """Return how many have come since the beginning, are here, are away, and have gone for ever."""
        come, here = self.since <= second, self.here(second)
        gone = come & ((self.ends <= second) | np.isinf(self.own.get(AWAY, np.zeros(len(self.users)))))
        away = come & ~here & ~gone
        counts = {"present": here, "away": away, "gone": gone, "arrived": come & (self.since > 0)}
        return {name: float(rows.sum()) for name, rows in counts.items()}

    # --------------------------------------------------------------------------------------- whether they need a feed
    @property
    def curiosity(self) -> Floats:
        """The probability that each user does without the feed, but for lifts: (users,), as of her last visit."""
        now: Floats = self.own.get("curiosity", self.users.curiosity)
        return now

    def _lifted(self, curiosity: Floats, time: Ints) -> Floats:
        """Return the probability that each visit does without the feed: the user's curiosity and the lifts at its time."""
        for stream in self.streams:
            curiosity = curiosity + stream.signal.lift(time)
        return np.minimum(1.0, curiosity)

    def searching(self, visits: Visits, people: People) -> Bools:
        """Return which visits do without the feed: (n,)."""
        curiosity = people.own["curiosity"] if self.own else self.users.curiosity[visits.user]
        searching = visits.uniform("visit.organic") < self._lifted(curiosity, visits.time)
        for stream in self.streams:
            if stream.signal.searches and stream.signal.count is not None:
                searching |= stream.signal.touches(stream, visits)
        return searching

    def coming(self, now: int, until: int) -> tuple[Ints, Ints]:
        """Return user and ordinal of the visits from now to a second that begin in the feed, of those who have come by now,
        as people's own timetable and their curiosity now have them, less those that counted lifts have chosen.
        """
        parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
        known = np.where(self.since <= now, self.next_time, np.inf)
        for user, ordinal, time in self._rounds(until, self.ordinal.copy(), known):
            organic = self.randomness.uniform("visit.organic", self.users.address[user], ordinal)
            feed = organic >= self._lifted(self.curiosity[user], time)
            for stream in self.streams:
                if stream.signal.searches:
                    feed &= ~(np.isin((user << 32) | ordinal, stream.chosen) & stream.signal.active(time))
            parts.append((user[feed], ordinal[feed]))
        user, number = (np.concatenate(part) for part in zip(*parts, strict=True))
        return user, number

    # ------------------------------------------------------------------------------------------------ what they want
    def meet(self, visits: Visits) -> People:
        """Return the truth about those who visit, as they are now."""
        again = self.scenario.consumption == "again" or self.scenario.consumed == "leave"  # what left is not shown
        own = self._rows(visits.user, visits.time)
        wants = self._wants(own) if own else self.users.interests.take(visits.user, axis=0)
        return People(visits.user, wants, self.demand.by_item, self.items.address, None if again else self.consumed, own)

    def react(self, visits: Visits, people: People, seen: Seen) -> None:
        """Let those who visit change by what they saw and consumed, each in her own row."""
        before = people.own["interests"].copy()
        meet(self.scenario.births, people.own, visits, seen, self.items)
        for dynamics in self.dynamics:
            dynamics.react(people.own, visits, seen, self.items)
        people.own["interests"] = shares(people.own["interests"], before)
        for name, column in self.own.items():
            column[visits.user] = people.own[name]
        self.settled[visits.user] = visits.time

    def wants(self, user: Ints, second: int) -> Floats:
        """Return what users want at a second, (n, topics), whether they visit or not; nobody changes by that."""
        own = self._rows(user, np.full(len(user), second))
        return self._wants(own) if own else self.users.interests[user]

    def minds(self, second: int) -> dict[str, Floats]:
        """Return interests, those people were born with, and curiosity at a second: a row each for all who are here."""
        own = self._rows(np.arange(len(self.users)), np.full(len(self.users), second))
        now = {name: own[name] for name in ("interests", "innate", "curiosity")} if own else {}
        minds = {"interests": self.users.interests, "innate": self.users.interests, "curiosity": self.users.curiosity} | now
        here = self.here(second)
        rows = {id(rows): rows if here.all() else rows[here] for rows in minds.values()}  # what is one table stays one
        return {name: rows[id(all_)] for name, all_ in minds.items()}

    def _rows(self, user: Ints, time: Ints) -> Own:
        """Return copies of users' own rows, brought up to a second each; nothing where nobody changes."""
        if not self.own:
            return {}
        own = {name: column.take(user, axis=0) for name, column in self.own.items()}
        days = np.maximum(time - self.settled[user], 0) / DAY  # who has not come yet is as she was born
        for dynamics in self.dynamics:
            dynamics.rest(own, days)
        return own

    def _wants(self, own: Own) -> Floats:
        interests: Floats = own["interests"]
        for dynamics in self.dynamics:
            interests = dynamics.want(own, interests)
        return interests

    def find(self, visits: Visits, people: People) -> Items32:
        """Return what people find without the feed, one item a visit: (n,); NOTHING where they have had everything."""
        gone = self.consumed if self.scenario.consumption == "once" else None
        return behaviour.organic(replace(visits, gone=gone), people.interests, self.demand)

    def imagine(self, visits: Visits, people: People, number: int) -> Items32:
        """Return what users would have consumed unsteered in place of click *number* of each visit: (n,).

        What the user's shadow has had once it does not have again where people do not; NOTHING where it has had all.
        """
        gone = self.shadow_consumed if self.scenario.consumption == "once" else None
        return behaviour.organic(replace(visits, gone=gone), people.interests, self.demand, f"shadow#{number}")

    def truth(self, second: int) -> Truth:
        """Return the truth at a second, for those who are trusted with it."""
        own = self._rows(np.arange(len(self.users)), np.full(len(self.users), second))
        return Truth(self.users, self.items, self._wants(own) if own else self.users.interests, own)

    def occasion(self, moment: int, second: int, clicks: Callable[[int], Columns]) -> Occasion:
        """Return what a signal is handed at a moment of its timetable; *clicks*: those since a second."""
        once, here = self.consumed if self.scenario.consumption == "once" else None, self.here(second)

        def ask(user: Ints, address: np.ndarray, label: str) -> Items32:
            nth = np.full(len(user), moment, np.uint32)
            when, slots = np.full(len(user), second), self.stock.slots
            visits = Visits(user, address, nth, when, self.released, self.randomness, once, slots)
            return behaviour.organic(visits, self.wants(user, second), self.demand, label)

        def fans(item: Items32, label: str) -> Ints:
            everybody = np.where(here[:, None], self.wants(np.arange(len(self.users)), second), 0.0)
            return behaviour.fans(self.randomness, label, everybody, self.demand.weights, item, self.items.address[item])

        return Occasion(
            moment, second, self.randomness, self.users.address, here, self.items.address[: self.released], self.rate,
            partial(self.coming, second), self.demand.weights[:, : self.released], ask, fans, clicks, self.friends,
            bool(self.own or self.scenario.arrivals),
        )  # fmt: skip


def everybody(scenario: Scenario, seed: int) -> Users:
    """Return all people of a world in the order in which they come: the founders, drawn by its world_seed, then those who
    come later, drawn by the seed.
    """
    users, randomness = scenario.population.draw(Randomness(scenario.world_seed)), Randomness(seed)
    if scenario.arrivals is not None:
        number = len(scenario.arrivals.times(randomness, scenario.days))
        users = users.and_(scenario.population.more(randomness, newcomers(number)))
    if not scenario.births:
        return users
    return replace(users, interests=padded(users.interests, users.interests.shape[1] + len(scenario.births)))


def presence(scenario: Scenario, randomness: Randomness, users: Users) -> tuple[Floats, Floats]:
    """Return the seconds at which users come, and at which they go whatever happens; inf: never. Both (users,)."""
    since, ends = np.zeros(len(users)), np.full(len(users), np.inf)
    if scenario.arrivals is not None:
        times = scenario.arrivals.times(randomness, scenario.days)
        since[len(users) - len(times) :] = times
    if scenario.lifetime is not None:
        ends = since + scenario.lifetime.days(randomness, users.address) * DAY
    return since, ends
