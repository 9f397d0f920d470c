"""Arms: what is asked of a comparison, checked before anything is run: scenarios, seeds, and the day on which they part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recsim.errors import RecsimError, encodable, whole_number
from recsim.recommenders import Random
from recsim.scenario import Scenario
from recsim.signals import Signal
from recsim.simulation import World
from recsim.world import DAY


def named_arms(arms: Any) -> dict[str, Scenario]:
    """Return arms by name, in their order, the first being what the others are compared with.

    Raises RecsimError for fewer than two, and for what is no name or no scenario, and for a name that cannot be written as UTF-8.
    """
    if not isinstance(arms, Mapping) or len(arms) < 2:
        raise RecsimError("arms: give at least two scenarios by name, the first being what the others are compared with")
    for name, arm in arms.items():
        if not (isinstance(name, str) and name.strip() and isinstance(arm, Scenario)):
            raise RecsimError(f"arms: {name!r} is no name with a Scenario; give scenarios by name")
        if not encodable(name):
            raise RecsimError(f"arms: {name!r} cannot be written as UTF-8; give the arm another name")
    return dict(arms)


def seed_numbers(seeds: Any) -> list[int]:
    """Return the seeds as numbers, in order: as they are given, or 1, 2, ... where it is said how many.

    Raises RecsimError where there are none, or one is there twice.

    >>> seed_numbers(3), seed_numbers(range(2)), seed_numbers([5, 2])
    ([1, 2, 3], [0, 1], [2, 5])
    """
    if not isinstance(seeds, Iterable):
        return list(range(1, whole_number("seeds", seeds, 1) + 1))
    numbers = sorted(whole_number("seeds", seed, 0) for seed in seeds)
    if not numbers or len(set(numbers)) < len(numbers):
        raise RecsimError("seeds: give at least one, and none of them twice")
    return numbers


def check_arms(arms: Mapping[str, Scenario], warm_up: float) -> None:
    """Raise RecsimError, before anything is run, where an arm does not fit the first one or its world.

    So it does where it differs in what is over when the arms part: that it has no effect would not be seen.
    """
    first = next(iter(arms.values()))
    world = World(first, 0)
    for name, arm in arms.items():
        if arm.days != first.days:
            raise RecsimError(f"{name}: days is {arm.days:g}, in the first arm {first.days:g}; let all arms be of one length")
        _check_parting(name, first, arm, warm_up)
        try:
            world.fork(arm)
        except RecsimError as fault:
            raise RecsimError(f"{name}: {fault}") from None


def _check_parting(name: str, first: Scenario, arm: Scenario, warm_up: float) -> None:
    """Raise RecsimError where an arm has a signal of its own that is over when the arms part, or differs in nothing that is not.

    An arm that serves one ranking from the beginning on, as the controls oracle and random do, differs by that.
    """
    if not warm_up:
        return
    over = [place for place, sign in enumerate(arm.signals) if _is_over(sign, warm_up) and sign not in first.signals]
    if over:
        ended = f"signals.{over[0]} ends on day {arm.signals[over[0]].to_day:g}"
        raise RecsimError(f"{name}: {ended}, and the arms part on day {warm_up:g}; give a later to_day, or warm_up=0")
    one_ranking = arm.start == arm.recommender and not arm.recommender.learns
    if lean(arm).hash != lean(first).hash and _left(arm, warm_up) == _left(first, warm_up) and not one_ranking:
        what = "start" if arm.start != first.start else "signals that have ended"
        raise RecsimError(f"{name}: differs from the first in {what} alone, and the arms part on day {warm_up:g}; give warm_up=0")


def _is_over(sign: Signal, day: float) -> bool:
    return round(min(sign.to_day, 1e9) * DAY) <= round(day * DAY)


def _left(arm: Scenario, day: float) -> str:
    """Return the hash of what can have an effect after a day."""
    return lean(arm).but(start=Random(), signals=tuple(sign for sign in arm.signals if not _is_over(sign, day))).hash


def lean(scenario: Scenario) -> Scenario:
    """Return the scenario without what costs time and changes no metric."""
    return scenario.but(log="clicks", readings_every=0.0)


# ----------------------------------------------------------------------------------------------------------- the timing
def _whole_epochs(scenario: Scenario, warm_up: float) -> int:
    """Return how many epochs lie wholly after the fork."""
    return scenario.epochs - scenario.models(warm_up)[1] - (1 if warm_up else 0)


def parting_day(first: Scenario, given: float | None = None) -> float:
    """Return the day on which the arms part; by default that of the second cut, by which one model of the first arm has served.

    Where too little is left after it, that of the first cut, or day 0. Raises RecsimError for a day on which a model waits to go
    live, or after which there is no whole epoch.
    """
    if given is None:
        days = [2 * first.retrain.every, first.retrain.every, 0.0]
        return next((day for day in days if day < first.days and _whole_epochs(first, day) > 0), 0.0)
    if not (isinstance(given, (int, float)) and 0 <= given < first.days):
        raise RecsimError(f"warm_up: must be a day from 0 to before {first.days:g}, the end of the run, not {given!r}")
    cuts, deployments = first.models(given)
    if cuts != deployments:
        good = cuts * first.retrain.every
        raise RecsimError(f"warm_up: on day {given:g} a model waits to go live; give {good:g}, the day of the cut, or 0")
    if _whole_epochs(first, given) < 1:
        raise RecsimError(f"warm_up: after day {given:g} there is no whole epoch; give an earlier day or run for longer")
    return float(given)


def last_epochs(first: Scenario, warm_up: float, given: int | None) -> int:
    """Return over how many epochs at the end metrics are averaged: by default a quarter of all.

    Raises RecsimError for more than there are after the warm-up.
    """
    most = _whole_epochs(first, warm_up)
    last = max(1, min(most, first.epochs // 4)) if given is None else whole_number("last", given, 1)
    if last > most:
        raise RecsimError(f"last: there are {most} whole epochs after the warm-up; average over that many at most")
    return last
