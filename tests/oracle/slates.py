"""Slates: filled from the top by a policy and the signals that place items, each item with its propensity."""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

from .arithmetic import in_turn
from .policies import Feed
from .signals import Signal


class Placed(NamedTuple):
    """One item of a slate, how it got there, with what probability, and how a friend who sent it had met it."""

    item: int
    origin: int
    propensity: float
    via: int = -1


def fill_slate(feed: Feed, signals: list[Signal]) -> list[Placed]:
    """Return the slate of a visit, from the top: of a policy and the signals that place items.

    believed: for each set of signals, as one who sees only the slate has it, the probability that it touches the visit.
    """
    touching = [signal.touches(feed.visit) for signal in signals]
    priors = [signal.prior(feed.visit) for signal in signals]
    believed: dict[tuple[bool, ...], float] = {}
    for which in product((False, True), repeat=len(signals)):
        believed[which] = math.prod(prior if up else 1 - prior for prior, up in zip(priors, which, strict=True))
    slate: list[Placed] = []
    while len(slate) < feed.size:
        placed = [one.item for one in slate]
        item, origin, via = *feed.next(placed), -1
        for signal, touches in reversed(list(zip(signals, touching, strict=True))):
            theirs = signal.item(feed, placed) if touches else None
            if theirs is not None:
                item, origin, via = theirs, signal.origin, signal.via(feed.visit)
        if item is None:
            break
        joint = {which: weight * chance_under(feed, signals, which, placed, item) for which, weight in believed.items()}
        propensity = in_turn(joint.values())
        believed = {which: part / propensity for which, part in joint.items()}
        slate.append(Placed(item, origin, propensity, via))
    for signal, touches in zip(signals, touching, strict=True):
        if touches:
            signal.inbox.pop(feed.visit.user, None)
    return slate


def chance_under(feed: Feed, signals: list[Signal], which: tuple[bool, ...], placed: list[int], item: int) -> float:
    """Return the probability that an item comes next if just these signals touch the visit: that of the first with one."""
    for signal, up in zip(signals, which, strict=True):
        chance = signal.chance(feed, placed, item) if up else None
        if chance is not None:
            return chance
    return feed.chance(placed, item)
