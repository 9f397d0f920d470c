"""What the rooms hand to each other: Visits, Ranking, Slate, Clicks on the way of a visit; Rows and Counts for training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from recsim.consumption import Consumed
from recsim.randomness import Floats, Randomness

Ints = npt.NDArray[np.int64]
Items32 = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

DAY = 86_400  # seconds
NOTHING = -1  # in place of an item: this position is empty


class Origin(IntEnum):
    """Why an impression or click came about; the code is what the log stores."""

    MODEL = 0
    EXPLORE = 1
    ORGANIC = 2
    FRIEND = 3
    EDITOR = 4
    SURVEY = 5
    PANEL = 6
    ANCHOR = 7
    SYNTHETIC = 8


FEED = (Origin.MODEL, Origin.EXPLORE, Origin.FRIEND, Origin.EDITOR, Origin.PANEL)  # what a feed shows
HUMAN = (Origin.ORGANIC, Origin.FRIEND, Origin.EDITOR, Origin.SURVEY, Origin.PANEL, Origin.ANCHOR)


@dataclass(frozen=True)
class Visits:
    """Users who visit once each; row i of every array belongs to one visit.

    user: (n,) running numbers. address: (n,) uint64, where each user's random numbers live. ordinal: (n,) the number of
    this visit in the user's schedule, from 0. time: (n,) seconds. released: the number of items that are out.
    gone: the consumed items of each user that no slate may show again; None where all may be shown.
    """

    user: Ints
    address: npt.NDArray[np.uint64]
    ordinal: npt.NDArray[np.uint32]
    time: Ints
    released: int
    randomness: Randomness
    gone: Consumed | None

    def __len__(self) -> int:
        return len(self.user)

    def uniform(self, label: str, which: npt.ArrayLike = 0) -> Floats:
        """Return one number in (0, 1) a visit, (n,); or (n, k) where *which* is (k,) or (n, k)."""
        if np.ndim(which) == 0:
            return self.randomness.uniform(label, self.address, self.ordinal, which)
        return self.randomness.uniform(label, self.address[:, None], self.ordinal[:, None], which)

    def block(self, label: str, count: int) -> Floats:
        """Return *count* numbers in (0, 1) a visit: (n, count)."""
        return self.randomness.block(label, self.address, self.ordinal, count)

    def take(self, rows: Ints | Bools) -> Self:
        """Return some of the visits."""
        return replace(
            self, user=self.user[rows], address=self.address[rows], ordinal=self.ordinal[rows], time=self.time[rows]
        )

    @cached_property
    def eligible(self) -> Ints:
        """How many items may be shown in each visit: (n,)."""
        gone = 0 if self.gone is None else self.gone.count[self.user]
        return np.full(len(self), self.released, np.int64) - gone

    def barred(self, items: npt.NDArray[np.integer]) -> Bools:
        """Return whether each item, (n,) or (n, k), may not be shown in its visit."""
        if self.gone is None:
            return np.zeros(items.shape, np.bool_)
        return self.gone.contains(self.user, items)

    @cached_property
    def consumed(self) -> tuple[Ints, Items32]:
        """All items that may not be shown again, as pairs of (visit, item)."""
        if self.gone is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int32)
        return self.gone.stretch(self.user)


@dataclass(frozen=True)
class Ranking:
    """What a model would show, best first: items (n, c) int32, NOTHING behind the last.

    counts: (items,), how often the model saw each item clicked, its prior included; that is all a policy learns of it.
    weights: None where the order is fixed given the model and the user. Else (items,), and the order is a draw without
    replacement in proportion to them (Plackett-Luce), fresh for every visit.
    """

    items: Items32
    counts: Floats
    weights: Floats | None = None


@dataclass(frozen=True)
class Slate:
    """What is shown: items (n, k) int32, from the top; NOTHING where there was nothing left to show.

    origin: (n, k) int8. propensity: (n, k), the probability of this item at this position, given the visit and the items
    above it, over every way in which it could get there.
    """

    items: Items32
    origin: npt.NDArray[np.int8]
    propensity: Floats


@dataclass(frozen=True)
class Clicks:
    """What was consumed: *row* (of the visits), *position* (-1 where the feed did not place it), item, origin, propensity.

    All (clicks,), one visit's clicks in the order in which they were made.
    """

    row: Ints
    position: npt.NDArray[np.int16]
    item: Items32
    origin: npt.NDArray[np.int8]
    propensity: Floats


@dataclass(frozen=True)
class Rows:
    """Training rows in the order of the log: user, item, weight, origin, depth, epoch, all (rows,)."""

    user: npt.NDArray[np.int32]
    item: Items32
    weight: Floats
    origin: npt.NDArray[np.int8]
    depth: Floats
    epoch: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.user)

    def per_item(self, items: int) -> Floats:
        """Return the weight of the rows about each item: (items,)."""
        return np.bincount(self.item, weights=self.weight, minlength=items).astype(np.float64, copy=False)


@dataclass(frozen=True)
class Counts:
    """What the platform counted over the time of the training rows: impressions and clicks, (origins, items) int64."""

    impressions: npt.NDArray[np.int64]
    clicks: npt.NDArray[np.int64]
