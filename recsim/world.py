"""What the rooms hand to each other: Visits, Ranking, Slate, Clicks on the way of a visit; Rows and Counts for training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from recsim.codes import Codes
from recsim.consumption import Consumed
from recsim.randomness import Floats, Randomness

Ints = npt.NDArray[np.int64]
Items32 = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

DAY = 86_400  # seconds
NOTHING = -1  # in place of an item: this position is empty


class Origin(Codes):
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
STATED = (Origin.SURVEY, Origin.ANCHOR, Origin.SYNTHETIC)  # rows that teach, but that nobody consumed in the run
HUMAN = (Origin.ORGANIC, Origin.FRIEND, Origin.EDITOR, Origin.SURVEY, Origin.PANEL, Origin.ANCHOR)


@dataclass(frozen=True)
class Visits:
    """Users who visit once each; row i of every array belongs to one visit.

    user: (n,) running numbers. address: (n,) uint64, where each user's random numbers live. ordinal: (n,) the number of
    this visit in the user's schedule, from 0. time: (n,) seconds. released: the number of items that are out.
    gone: the consumed items of each user that no slate may show again; None where all may be shown. slots: where items stand
    in lotteries, of all that are out at least; None: item i in slot i.
    """

    user: Ints
    address: npt.NDArray[np.uint64]
    ordinal: npt.NDArray[np.uint32]
    time: Ints
    released: int
    randomness: Randomness
    gone: Consumed | None
    slots: Ints | None = None
    _kept: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

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

    def number(self, label: str, which: int) -> Floats:
        """Return number *which* of `block`, (n,), without the ones before it."""
        place = label, which // 4
        if place not in self._kept:
            self._kept[place] = self.randomness.words(label, self.address, self.ordinal, which // 4)
        return (self._kept[place][:, which % 4].astype(np.float64) + 0.5) * 2.0**-32

    def slot(self, items: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Return the slots of items, in their shape: numbers that are the same in every arm, whatever else came out there."""
        return items if self.slots is None else self.slots[items]

    def take(self, rows: Ints | Bools | slice) -> Self:
        """Return some of the visits."""
        columns = self.user[rows], self.address[rows], self.ordinal[rows], self.time[rows]
        return type(self)(*columns, self.released, self.randomness, self.gone, self.slots)

    @property
    def eligible(self) -> Ints:
        """How many items may be shown in each visit: (n,)."""
        gone = 0 if self.gone is None else self.gone.count[self.user]
        return np.full(len(self), self.released, np.int64) - gone

    def barred(self, items: npt.NDArray[np.integer]) -> Bools:
        """Return whether each item, (n,) or (n, k), may not be shown in its visit."""
        if self.gone is None:
            return np.zeros(items.shape, np.bool_)
        return self.gone.contains(self.user, items)

    @property
    def consumed(self) -> tuple[Ints, Items32]:
        """All items that may not be shown again, as pairs of (visit, item)."""
        if "consumed" not in self._kept:  # a cached_property would let threads wait for each other, in Python 3.11
            self._kept["consumed"] = self._consumed()
        pairs: tuple[Ints, Items32] = self._kept["consumed"]
        return pairs

    def _consumed(self) -> tuple[Ints, Items32]:
        if self.gone is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int32)
        row, item = self.gone.stretch(self.user)
        known = item < self.released  # one may have had what those who ask do not know yet
        return (row, item) if known.all() else (row[known], item[known])


@dataclass(frozen=True)
class Published:
    """What the platform publishes with a model for policies to use, all as of the model's cut; never live counts.

    counts: (items,), the weight of the training rows about each item, the model's prior included. impressions,
    clicks: (items,), of the feed over the time of the training rows. topics: (items, topics), what items are about,
    as the catalogue says openly. taste: (users, topics), the mean topics of each user's training rows by weight, rows
    of zeros for users without any; (users, 0) where the policy does not want it. label: (items,) int8, who made each as the
    platform believes: 0 human, 1 AI.
    """

    counts: Floats
    impressions: Floats
    clicks: Floats
    topics: Floats
    taste: Floats
    label: npt.NDArray[np.int8]
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, counts: Floats) -> Self:
        """Return what a model publishes that has nothing but counts."""
        nothing = np.zeros(len(counts))
        return cls(counts, nothing, nothing, np.ones((len(counts), 1)), np.zeros((0, 0)), nothing.astype(np.int8))

    def grown(self, topics: Floats, label: npt.NDArray[np.int8]) -> Published:
        """Return the same after items were released that nobody was shown yet; *topics*, *label*: of all that are out."""
        more = len(topics) - len(self.counts)
        if not more:
            return self
        counts, impressions, clicks = (np.append(part, np.zeros(more)) for part in (self.counts, self.impressions, self.clicks))
        return Published(counts, impressions, clicks, topics, self.taste, label)

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what *make* gives, made once for this model and kept under a name."""
        return self._kept[name] if name in self._kept else self._kept.setdefault(name, make())


@dataclass(frozen=True)
class Ranking:
    """What a model would show, best first: items (n, c) int32, NOTHING behind the last.

    published: what a policy may know beside the order. weights: None where the order is fixed given the model and the user.
    Else (items,), and the order is a draw without replacement in proportion to them (Plackett-Luce), fresh for every visit.
    scores: (n, c), what the model thinks of each, -inf where it has no opinion; None where it has none of any. picks: the
    items that editors chose last.
    """

    items: Items32
    published: Published
    weights: Floats | None = None
    scores: Floats | None = None
    picks: Items32 = field(default_factory=lambda: np.zeros(0, np.int32))


@dataclass(frozen=True)
class Slate:
    """What is shown: items (n, k) int32, from the top; NOTHING where there was nothing left to show.

    origin: (n, k) int8. propensity: (n, k), the probability of this item at this position, given the visit and the items
    above it, over every way in which it could get there.
    """

    items: Items32
    origin: npt.NDArray[np.int8]
    propensity: Floats


def unfilled(size: int) -> Slate:
    """Return the slates of no visits, of *size* positions."""
    return filled(0, size, lambda placed: (np.zeros(0, np.int32), np.zeros(0, np.int8), np.zeros(0)))


def filled(rows: int, size: int, put: Callable[[Items32], tuple[Items32, npt.NDArray[np.int8], Floats]]) -> Slate:
    """Return slates filled from the top by *put*, which is given what is placed (n, r) and returns item, origin, propensity.

    A slate ends at the first position for which there is nothing.
    """
    items = np.full((rows, size), NOTHING, np.int32)
    origin = np.full((rows, size), Origin.MODEL, np.int8)
    propensity = np.full((rows, size), np.nan)
    for position in range(size):
        item, cause, chance = put(items[:, :position])
        there = (item != NOTHING) & ((items[:, position - 1] != NOTHING) if position else True)
        items[:, position] = np.where(there, item, NOTHING)
        origin[:, position] = cause
        propensity[:, position] = np.where(there, chance, np.nan)
    return Slate(items, origin, propensity)


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

    @classmethod
    def none(cls) -> Self:
        """Return no clicks at all."""
        none = np.zeros(0, np.int64)
        return cls(none, none.astype(np.int16), none.astype(np.int32), none.astype(np.int8), none.astype(np.float64))

    def and_(self, more: Clicks) -> Clicks:
        """Return these clicks and the others, by visit; no visit is in both."""
        if not len(more.row) or not len(self.row):
            return self if len(self.row) else more
        joined = {name: np.concatenate([column, getattr(more, name)]) for name, column in vars(self).items()}
        order = np.argsort(joined["row"], kind="stable")
        return type(self)(**{name: column[order] for name, column in joined.items()})


@dataclass(frozen=True)
class Seen:
    """What visits saw and consumed; row i belongs to visit i.

    items: (n, k) int32, what the feed showed from the top, NOTHING where it showed nothing and for those who did without it.
    order: (n, k) int16, 0 where there was no click, else 1 for the first click of the visit, 2 for the second, ...
    found: (n,) int32, what was consumed without the feed, else NOTHING.
    """

    items: Items32
    order: npt.NDArray[np.int16]
    found: Items32

    @classmethod
    def of(
        cls, visits: int, fed: Ints, slate: Slate, order: npt.NDArray[np.int16], searched: Ints, found: Items32
    ) -> Self:
        """Return what *visits* visits saw: *slate* and *order* belong to the visits *fed*, *found* to those *searched*."""
        shape = visits, slate.items.shape[1]
        all_items, all_order = np.full(shape, NOTHING, np.int32), np.zeros(shape, np.int16)
        all_found = np.full(visits, NOTHING, np.int32)
        all_items[fed], all_order[fed], all_found[searched] = slate.items, order, found
        return cls(all_items, all_order, all_found)

    @property
    def fed(self) -> Bools:
        """Which visits were in the feed and shown anything: (n,)."""
        return (self.items != NOTHING).any(axis=1)

    def consumed(self) -> Iterator[tuple[Ints, Items32]]:
        """Yield rows and items of what was consumed first in each visit, then second, ..."""
        rows = np.flatnonzero(self.found != NOTHING)
        yield rows, self.found[rows]
        for turn in range(1, int(self.order.max(initial=0)) + 1):
            row, position = np.nonzero(self.order == turn)
            yield row, self.items[row, position]


@dataclass(frozen=True)
class Rows:
    """Training rows in the order of the log, all (rows,): user, item, weight, origin, label, depth, epoch, time,
    visit, propensity.

    label: the origin as the platform believes it, which rules go by; origin: as it is, which measures go by. time in
    seconds; visit: the ordinal of the user's visit, -1 for rows of no visit; propensity: NaN where the feed did not
    place the item.
    """

    user: npt.NDArray[np.int32]
    item: Items32
    weight: Floats
    origin: npt.NDArray[np.int8]
    label: npt.NDArray[np.int8]
    depth: Floats
    epoch: npt.NDArray[np.int32]
    time: Ints
    visit: npt.NDArray[np.int32]
    propensity: Floats

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def of(cls, columns: dict[str, np.ndarray[Any, Any]]) -> Self:
        """Return rows of the log as they stand, each of weight 1 and believed to be what it is."""
        plain = {name: columns[name] for name in ("user", "item", "origin", "depth", "epoch", "time", "visit", "propensity")}
        return cls(weight=np.ones(len(columns["user"])), label=columns["origin"], **plain)

    def take(self, keep: Ints | Bools) -> Self:
        """Return some of the rows."""
        return type(self)(**{name: column[keep] for name, column in vars(self).items()})

    def and_(self, more: Rows) -> Self:
        """Return these rows and then the others."""
        return type(self)(**{name: np.concatenate([column, getattr(more, name)]) for name, column in vars(self).items()})

    def per_item(self, items: int) -> Floats:
        """Return the weight of the rows about each item: (items,)."""
        return np.bincount(self.item, weights=self.weight, minlength=items).astype(np.float64, copy=False)


@dataclass(frozen=True)
class Counts:
    """What the platform counted over the time of the training rows: impressions and clicks, (origins, items) int64."""

    impressions: npt.NDArray[np.int64]
    clicks: npt.NDArray[np.int64]
