"""The clock: when a world changes. Each process is a loop whose only state is its next time and what the world keeps, so
that it can be started afresh at any second.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import IntEnum
from typing import Any, Protocol, cast

from simpy import Environment as Environment
from simpy import Event

from recsim.scenario import Scenario
from recsim.signals import Stream
from recsim.world import DAY


class Phase(IntEnum):
    """The order of changes at one instant; SimPy's own events come before them all."""

    BIRTH = 5
    RELEASE = 10
    CAMPAIGN = 20
    SURVEY = 30
    SHARE = 40
    RETRAIN = 50
    DEPLOY = 60
    READING = 70


class Moment(Event):
    """An event at a second of the simulation, in a phase."""

    def __init__(self, env: Environment, second: int, phase: Phase, place: int = 0) -> None:
        """Happen at a second, in a phase, those of one phase in the order of their places."""
        super().__init__(env)
        self._ok, self._value = True, None
        env.schedule(self, priority=cast(Any, 1000 * int(phase) + place), delay=second - env.now)


class Clocked(Protocol):
    """What has a clock: the second it is, what it keeps of its timetable, and what it does when a change is due."""

    scenario: Scenario
    streams: list[Stream]
    next_reading: int

    @property
    def now(self) -> int:
        """The second up to which visits have been served."""

    @property
    def horizon(self) -> int:
        """The second at which it all ends."""

    @property
    def epoch(self) -> int:
        """The number of the model that serves."""

    @property
    def cuts(self) -> int:
        """How many models have been trained."""

    def serve(self, until: int) -> None:
        """Serve all visits before a second."""

    def next_birth(self) -> int | None:
        """Return the second, now at the earliest, at which an interest is born next; None where none is any more."""

    def bear(self) -> None:
        """Let the next interest come into the world."""

    def next_release(self) -> int | None:
        """Return the second, now at the earliest, at which the catalogue changes next; None where it does not any more."""

    def release(self) -> None:
        """Let the items come out that are due, and all get older."""

    def train(self) -> None:
        """Fit the next model on the rows before this second."""

    def deploy(self) -> None:
        """Let the model trained last serve."""

    def read(self, window: str) -> None:
        """Put the metrics of the epoch so far into the history."""

    def tell(self, stream: Stream) -> None:
        """Let a signal do what this moment of its timetable asks for."""


def timetable(world: Clocked) -> Environment:
    """Return an environment in which all that is still to come is scheduled."""
    env = Environment(initial_time=world.now)
    for process in (births, releases, retrains, readings):
        env.process(process(env, world))
    first = sorted(world.streams, key=lambda stream: not stream.signal.searches)  # others count on what lifts chose
    for place, stream in enumerate(first):
        if stream.signal.has_moments:
            env.process(moments(env, world, stream, place))
    return env


def births(env: Environment, world: Clocked) -> Generator[Event]:
    """Let new interests come into the world on their days."""
    while (second := world.next_birth()) is not None:
        yield Moment(env, second, Phase.BIRTH)
        world.serve(int(env.now))
        world.bear()


def releases(env: Environment, world: Clocked) -> Generator[Event]:
    """Let the items come out that are due, again and again."""
    while (second := world.next_release()) is not None:
        yield Moment(env, second, Phase.RELEASE)
        world.serve(int(env.now))
        world.release()


def retrains(env: Environment, world: Clocked) -> Generator[Event]:
    """Cut, train, and deploy after the latency, again and again."""
    every, latency = (round(days * DAY) for days in (world.scenario.retrain.every, world.scenario.retrain.latency))
    while True:
        if world.cuts == world.epoch:  # no model waits to go live
            yield Moment(env, (world.cuts + 1) * every, Phase.RETRAIN)
            world.serve(int(env.now))
            world.train()
        yield Moment(env, world.cuts * every + latency, Phase.DEPLOY)
        world.serve(int(env.now))
        world.deploy()


def readings(env: Environment, world: Clocked) -> Generator[Event]:
    """Read the metrics of the epoch so far, again and again, if the scenario wants it."""
    every = round(world.scenario.readings_every * DAY)
    while every:
        yield Moment(env, world.next_reading, Phase.READING)
        world.serve(int(env.now))
        world.next_reading += every
        world.read("so far")


def moments(env: Environment, world: Clocked, stream: Stream, place: int) -> Generator[Event]:
    """Let a signal have the moments of its timetable, from its first day to its last; *place*: among the signals."""
    while stream.due() < min(stream.signal.to_day * DAY, world.horizon):
        yield Moment(env, stream.due(), Phase[stream.signal.phase], place)
        world.serve(int(env.now))
        world.tell(stream)
