"""The crowd: the people of a world, when they come, what they want and what they have had. The feed never sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace

import numpy as np

from recsim import behaviour
from recsim.behaviour import People
from recsim.catalog import Items
from recsim.consumption import Consumed
from recsim.eventlog import Columns
from recsim.lottery import Lottery
from recsim.population import Users
from recsim.randomness import Floats, Randomness
from recsim.scenario import Scenario
from recsim.signals import Occasion, Signal, Stream
from recsim.world import Bools, Ints, Items32, Visits


class Crowd:
    """The people of a world and their state.

    ordinal, next_time: (users,), the number and the second of the visit that each makes next; consumed: what each has
    had, shadow_consumed: what her shadow in the open loop has had. streams: the signals, which may make visits organic.
    """

    def __init__(
        self, scenario: Scenario, randomness: Randomness, users: Users, items: Items, demand: Lottery, streams: Sequence[Stream]
    ) -> None:
        self.scenario, self.randomness = scenario, randomness
        self.users, self.items, self.demand, self.streams = users, items, demand, streams
        self.consumed, self.shadow_consumed = Consumed(len(users)), Consumed(len(users))
        self.rate = scenario.visits.rates(randomness, users)
        self.ordinal = np.zeros(len(users), np.int64)
        self.next_time = self._visit_time(np.arange(len(users)), self.ordinal, np.zeros(len(users)))

    def take_over(self, other: Crowd) -> None:
        """Go on from where the same people are in another world; shadows begin anew."""
        self.ordinal, self.next_time, self.consumed = deepcopy((other.ordinal, other.next_time, other.consumed))

    # ------------------------------------------------------------------------------------------------ when they come
    def visits(self, until: int) -> Iterator[Visits]:
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

    def _rounds(self, until: int, ordinal: Ints, next_time: Floats) -> Iterator[tuple[Ints, Ints, Ints]]:
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

    def _visit_time(self, user: Ints, ordinal: Ints, last: Floats) -> Floats:
        return self.scenario.visits.time(self.randomness, self.users.address[user], ordinal, last, self.rate[user])

    # --------------------------------------------------------------------------------------- whether they need a feed
    def curiosity(self, user: Ints, time: Ints) -> Floats:
        """Return the probability that each visit does without the feed: the user's curiosity and the lifts at its time."""
        probability = self.users.curiosity[user]
        for stream in self.streams:
            probability = probability + stream.signal.lift(time)
        return np.minimum(1.0, probability)

    def searching(self, visits: Visits) -> Bools:
        """Return which visits do without the feed: (n,)."""
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

    # ------------------------------------------------------------------------------------------------ what they want
    def people(self, visits: Visits) -> People:
        """Return the truth about those who visit."""
        again = self.scenario.consumption == "again" or self.scenario.consumed == "leave"  # what left is not shown
        had = None if again else lambda items: self.consumed.contains(visits.user, items)
        return People(self.users.interests[visits.user], self.demand.weights, self.items.address, had)

    def find(self, visits: Visits) -> Items32:
        """Return what people find without the feed, one item a visit: (n,); NOTHING where they have had everything."""
        gone = self.consumed if self.scenario.consumption == "once" else None
        return behaviour.organic(replace(visits, gone=gone), self.users.interests[visits.user], self.demand)

    def imagine(self, visits: Visits, number: int) -> Items32:
        """Return what users would have consumed unsteered in place of click *number* of each visit: (n,).

        What the user's shadow has had once it does not have again where people do not; NOTHING where it has had all.
        """
        gone = self.shadow_consumed if self.scenario.consumption == "once" else None
        interests = self.users.interests[visits.user]
        return behaviour.organic(replace(visits, gone=gone), interests, self.demand, f"shadow#{number}")

    def occasion(self, moment: int, second: int, clicks: Callable[[int], Columns]) -> Occasion:
        """Return what a signal is handed at a moment of its timetable; *clicks*: those since a second."""
        once = self.consumed if self.scenario.consumption == "once" else None

        def ask(user: Ints, address: np.ndarray, label: str) -> Items32:
            nth = np.full(len(user), moment, np.uint32)
            visits = Visits(user, address, nth, np.full(len(user), second), len(self.items), self.randomness, once)
            return behaviour.organic(visits, self.users.interests[user], self.demand, label)

        def fans(item: Items32, label: str) -> Ints:
            return behaviour.fans(self.randomness, label, self.users.interests, self.demand.weights, item)

        return Occasion(
            moment, second, self.randomness, self.users.address, self.items.address, self.rate, self.coming,
            self.demand.weights, ask, fans, clicks,
        )  # fmt: skip
