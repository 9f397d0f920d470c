"""Slates: what a policy and the signals that place items make of a ranking together, with exact propensities.

A signal touches a visit by one coin. The source of a position is the first touching signal, in the order listed, that
claims it and has an item; else the policy. Seen from outside, which signals touch a visit is not known, but the items
above tell something of it: the propensity is the sum over all sets of touching signals of the probability of that set
given what stands above, times that of the item under it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from itertools import product

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError
from recsim.policies import Policy
from recsim.randomness import Floats
from recsim.signals import Stream
from recsim.world import NOTHING, Bools, Items32, Origin, Ranking, Slate, Visits, filled


def compose(visits: Visits, ranking: Ranking, size: int, policy: Policy, streams: Sequence[Stream]) -> Slate:
    """Return the slates that a policy and the streams that place items make; each stream is told whom it has touched."""
    streams = [stream for stream in streams if stream.signal.places]
    for stream in streams:
        if stream.signal.origin == Origin.FRIEND:
            stream.opened[visits.user] = NOTHING
    priors = [stream.signal.prior(stream, visits) for stream in streams]
    streams, priors = [s for s, p in zip(streams, priors, strict=True) if p.any()], [p for p in priors if p.any()]
    if not streams:
        return policy.slate(visits, ranking, size)
    mixture = _Mixture(visits, ranking, policy, streams, priors)
    slate = filled(len(visits), size, mixture.put)
    for stream, touched in zip(streams, mixture.touched, strict=True):
        stream.signal.settle(stream, visits.take(touched))
    return slate


class _Mixture:
    """The slates of some visits while they are filled: who touches them, and what the items above tell of that."""

    def __init__(
        self, visits: Visits, ranking: Ranking, policy: Policy, streams: Sequence[Stream], priors: Sequence[Floats]
    ) -> None:
        self.visits, self.ranking, self.policy, self.streams = visits, ranking, policy, streams
        self.touched: list[Bools] = [stream.signal.touches(stream, visits) for stream in streams]
        self.sets = list(product((False, True), repeat=len(streams)))
        self.weights = [
            reduce(np.multiply, [prior if up else 1 - prior for prior, up in zip(priors, one, strict=True)]) for one in self.sets
        ]

    def put(self, placed: Items32) -> tuple[Items32, npt.NDArray[np.int8], Floats]:
        """Return the next item of each visit, its origin, and its propensity."""
        item, origin = self.policy.place(self.visits, self.ranking, placed)
        claiming = [n for n, stream in enumerate(self.streams) if stream.signal.claims(placed.shape[1])]
        source = np.full(len(item), -1)
        for n in reversed(claiming):
            stream, rows = self.streams[n], np.flatnonzero(self.touched[n])
            if len(rows):
                theirs = stream.signal.place(stream, self.visits.take(rows), placed[rows])
                rows, theirs = rows[theirs != NOTHING], theirs[theirs != NOTHING]
                item[rows], origin[rows], source[rows] = theirs, stream.signal.origin, n
        for n in claiming:
            if self.streams[n].signal.origin == Origin.FRIEND:
                self.streams[n].opened[self.visits.user[source == n]] = item[source == n]
        return item, origin, self._propensity(placed, item, claiming)

    def _propensity(self, placed: Items32, item: Items32, claiming: list[int]) -> Floats:
        by_policy = self.policy.chance(self.visits, self.ranking, placed, item)
        given = {n: self.streams[n].signal.chance(self.streams[n], self.visits, placed, item) for n in claiming}
        joint = []
        for one, weight in zip(self.sets, self.weights, strict=True):
            chance = by_policy
            for n in reversed(claiming):
                if one[n]:
                    chance = np.where(given[n][1], given[n][0], chance)
            joint.append(weight * chance)
        total = reduce(np.add, joint)  # one after the other: np.sum would add in an order that depends on the tile
        self.weights = [np.divide(part, total, out=np.zeros(len(total)), where=total > 0) for part in joint]
        return total


def real(visits: Visits, slate: Slate) -> None:
    """Raise RecsimError where a slate holds an item or an origin that does not exist: what counts them does not look."""
    for what, codes, least, number in (
        ("item", slate.items, NOTHING, visits.released), ("origin", slate.origin, 0, len(Origin)),
    ):  # fmt: skip
        ends = codes.min(initial=least), codes.max(initial=least)
        wrong = ends[0] if ends[0] < least else ends[1]
        if not least <= wrong < number:
            raise RecsimError(
                f"slate: holds {what} {wrong} of {number}, counted from 0; mend the recommender, policy or signal of your own"
            )


def sound(visits: Visits, slate: Slate, policy: Policy) -> None:
    """Raise RecsimError where a policy of somebody else made slates that cannot be."""
    items = np.sort(slate.items, axis=1)
    there = slate.items != NOTHING
    chance = slate.propensity[there]
    fault = (
        "places an item twice" if ((items[:, 1:] == items[:, :-1]) & (items[:, 1:] != NOTHING)).any()
        else "places an item that does not exist" if not ((items >= NOTHING) & (items < visits.released)).all()
        else "places an item that its user must not be shown" if (there & visits.barred(np.maximum(slate.items, 0))).any()
        else "gives a chance that is not above 0 and at most 1" if not ((chance > 0) & (chance <= 1 + 1e-9)).all()
        else ""
    )  # fmt: skip
    if fault:
        raise RecsimError(f"policy: {policy.kind} {fault}; mend its methods place and chance")
