"""Models: what a recommender has learned, immutable, and how it ranks items for the users who visit.

Rankings do not depend on who else is ranked, on threads or on the processor. Scores are exact: factors are rounded to
whole multiples of a power of two, so small that every sum of products is a whole number below 2**53, which float64
arithmetic gets right in any order.

The rule for the cold: an item without training rows, and every item for a user without any, is ranked behind all that
have a score. Equal scores, and what has none, go by descending weight of the training rows about the item, then to the lower
item.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recsim.ahead import ahead
from recsim.consumption import spread
from recsim.lottery import Lottery
from recsim.randomness import Floats
from recsim.world import NOTHING, Bools, Items32, Published, Ranking, Visits

_ROWS, _CELLS = 64, 1 << 17  # users scored at a time, at least, and scores that stay in the processor's cache
_HEAD, _HEAD_EACH = 128, 8  # columns looked at first, at least, and for each item that is wanted
_COLD = -(2.0**54)  # what has no score scores this, below every exact score


@dataclass(frozen=True)
class Model(ABC):
    """A fitted recommender. Immutable.

    epoch: the number of the model, 0 for the one that serves before the first deployment. counts: (items,), the weight of
    the training rows about each item, prior included: all that a policy learns. depth: (items,), generations of the
    recommender between a row that this model causes and a human cause.
    """

    epoch: int
    counts: Floats
    depth: Floats

    steady: ClassVar[bool] = True
    """Whether the ranking is fixed given the model and the user, so that it can be kept until the next deployment."""

    @abstractmethod
    def rank(self, visits: Visits, n: int, threads: int = 1) -> Ranking:
        """Return the best *n* items of each visit that may be shown."""

    @cached_property
    def published(self) -> Published:
        """What a policy may know where the model is all there is."""
        return Published.of(self.counts)

    def arrays(self) -> dict[str, Any]:
        """Return all that the model is made of, by name, for a checkpoint."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Chances(Model):
    """Ranks by a draw without replacement in proportion to *counts*, afresh for every visit (Plackett-Luce)."""

    steady: ClassVar[bool] = False

    def rank(self, visits: Visits, n: int, threads: int = 1) -> Ranking:
        """Return *n* items drawn one after the other."""
        items = np.full((len(visits), n), NOTHING, np.int32)
        lottery: Lottery = self.published.once("chances", lambda: Lottery(self.counts, visits.slots))
        for place in range(n):
            items[:, place] = lottery.pick(visits, f"Chances.rank@{place}", items[:, :place])
        return Ranking(items, self.published, self.counts)


@dataclass(frozen=True)
class Order(Model):
    """Ranks all users alike, by *order* (items,), less what each may not be shown; *score*: (items,)."""

    order: Items32
    score: Floats

    def rank(self, visits: Visits, n: int, threads: int = 1) -> Ranking:
        """Return the first *n* items of the order that may be shown."""
        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.arange(len(self.order))
        barred, items = _Barred(visits, place), np.full((len(visits), n), NOTHING, np.int32)
        items[:, : len(self.order)] = self.order[:n]
        number = np.diff(barred.begins)
        for rows, wide in _blocks(np.flatnonzero(number), np.minimum(len(self.order), n + number)):
            open_ = np.ones((len(rows), wide), np.bool_)
            open_[barred.of(rows, wide)] = False
            some = np.full((len(rows), n), NOTHING, np.int32)
            kept, column = np.nonzero(open_)
            _put(some, kept, column, self.order)
            items[rows] = some
        return Ranking(items, self.published, scores=np.where(items == NOTHING, -np.inf, self.score[items]))


class _Barred:
    """In which columns what may not be shown stands, visit by visit; *column*: that of each item, (items,)."""

    def __init__(self, visits: Visits, column: npt.NDArray[np.int64]) -> None:
        row, gone = visits.consumed
        self.begins, self.columns = np.searchsorted(row, np.arange(len(visits) + 1)), column[gone]

    def of(self, rows: npt.NDArray[np.int64], width: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return pairs of a place in *rows* and a column below *width*."""
        run, place = spread(self.begins[rows + 1] - self.begins[rows])
        column = self.columns[self.begins[rows][run] + place]
        return run[column < width], column[column < width]


def _put(items: Items32, row: np.ndarray, column: np.ndarray, ids: Items32) -> None:
    """Write, for (row, column) pairs in row order, the items of the columns into the first places of each row."""
    _, place = spread(np.bincount(row, minlength=len(items)))
    fits = place < items.shape[1]
    items[row[fits], place[fits]] = ids[column[fits]]


@dataclass(frozen=True)
class _Scored(Model):
    """Ranks by exact scores of users against items. A kind lays the items out in columns, those that may score high first, and
    says how many of them can reach a given score: the others need not be looked at.
    """

    @property
    @abstractmethod
    def unit(self) -> float:
        """What a whole number among the scores stands for."""

    @property
    @abstractmethod
    def columns(self) -> Items32:
        """The item of each column: (items,)."""

    @abstractmethod
    def known(self, user: np.ndarray) -> Bools:
        """Return who has a score for any item: (n,)."""

    @abstractmethod
    def scores(self, user: np.ndarray, width: int) -> Floats:
        """Return (n, width), of the first columns: whole numbers below 2**53, and `_COLD` for what has no score."""

    def head(self, n: int) -> int:
        """Return how many columns to look at first for the best *n* items."""
        return len(self.counts)

    def reach(self, user: np.ndarray, least: Floats) -> npt.NDArray[np.int64]:
        """Return how many columns, (n,), can hold a score of *least* (n,) or more."""
        return np.full(len(user), len(self.counts))

    @cached_property
    def _order(self) -> Items32:
        """Items by descending weight of the training rows about them, then by number: the order of ties."""
        return np.lexsort((np.arange(len(self.counts)), -self.counts)).astype(np.int32)

    @cached_property
    def _column(self) -> npt.NDArray[np.int64]:
        """The column of each item: `columns` read backwards."""
        return np.argsort(self.columns)

    @cached_property
    def _ties(self) -> npt.NDArray[np.int64]:
        """The place of each column's item in the order of ties."""
        return np.argsort(self._order)[self.columns]

    def rank(self, visits: Visits, n: int, threads: int = 1) -> Ranking:
        """Return the *n* items of the highest score that may be shown.

        First among the columns that may score highest, then, for those for whom other columns can reach the last of what was
        found, among these too.
        """
        items, found = np.full((len(visits), n), NOTHING, np.int32), np.full((len(visits), n), -np.inf)
        from recsim import kernels

        known, first = self.known(visits.user), min(self.head(n), len(self.counts))
        cold = np.flatnonzero(~known)
        items[cold] = Order(self.epoch, self.counts, self.depth, self._order, self.counts).rank(visits.take(cold), n).items
        names, barred, width = kernels.plain(self.columns, np.int32), _Barred(visits, self._column), np.where(known, first, 0)

        def one(block: tuple[npt.NDArray[np.int64], int]) -> None:
            rows, wide = block
            scores = kernels.plain(self.scores(visits.user[rows], wide), np.float64)
            kernels.best(scores, rows, barred.begins, barred.columns, self._ties, names, items, found)
            if wide == first:
                width[rows] = self.reach(visits.user[rows], found[rows, -1])

        for looked in (0, first):
            deque(ahead(one, _blocks(np.flatnonzero(width > looked), width), threads), maxlen=0)
        return Ranking(items, self.published, scores=np.where(found == _COLD, -np.inf, found * self.unit))


def _blocks(rows: npt.NDArray[np.int64], width: npt.NDArray[np.int64]) -> Iterator[tuple[npt.NDArray[np.int64], int]]:
    """Yield the rows by the width, (n,), that they need, so many at a time that their scores stay in the processor's cache."""
    rows = rows[np.argsort(width[rows], kind="stable")]
    while len(rows):
        some = rows[: max(_ROWS, _CELLS // max(1, int(width[rows[0]])))]
        fit = int((np.arange(1, len(some) + 1) * width[some] <= _CELLS).sum())
        some = some[: max(_ROWS, fit)]
        rows = rows[len(some) :]
        yield some, int(width[some[-1]])


def snap(factors: Floats, bits: int) -> Floats:
    """Return factors as whole numbers of at most *bits* bits, the largest using them all.

    Two matrices with f columns and bits = (53 - ceil(log2 f)) // 2 have an exact product in float64.
    """
    return np.rint(np.ldexp(factors.astype(np.float64), -_unit(factors, bits)))


def _unit(factors: Floats, bits: int) -> int:
    """Return the power of two that a whole number of `snap` stands for."""
    return int(np.frexp(float(np.abs(factors).max(initial=0.0)))[1]) - bits


def exact_bits(terms: int) -> int:
    """Return how many bits each factor may have so that a sum of *terms* products is exact in float64.

    >>> exact_bits(32)
    24
    """
    return (53 - max(0, terms - 1).bit_length()) // 2


@dataclass(frozen=True)
class Factors(_Scored):
    """Ranks by the inner product of user and item factors.

    users: (users, factors), items: (items, factors), both as fitted; known_users, known_items: which had training rows.
    """

    users: Floats
    items: Floats
    known_users: Bools
    known_items: Bools

    def head(self, n: int) -> int:
        """Return how many columns to look at first: no product is larger than that of the lengths of its factors."""
        return max(_HEAD, _HEAD_EACH * n)

    @cached_property
    def columns(self) -> Items32:
        """Items by the length of their factors, the longest first; those without rows last: (items,)."""
        return np.lexsort((-self._lengths, ~self.known_items)).astype(np.int32)

    @cached_property
    def _bits(self) -> int:
        return exact_bits(self.users.shape[1])

    @cached_property
    def _whole(self) -> Floats:
        """The factors of items in whole numbers: (items, factors)."""
        return snap(self.items, self._bits)

    @cached_property
    def _lengths(self) -> Floats:
        return np.sqrt((self._whole**2).sum(axis=1))

    @cached_property
    def _laid_out(self) -> tuple[Floats, Floats]:
        """The factors of items by column, (factors, items), and minus the lengths of those with rows, ascending."""
        known = self.columns[: int(self.known_items.sum())]
        return np.ascontiguousarray(self._whole[self.columns].T), -self._lengths[known]

    @cached_property
    def _user_unit(self) -> int:
        return _unit(self.users, self._bits)

    @cached_property
    def unit(self) -> float:
        """What a whole number among the scores stands for."""
        return float(np.ldexp(1.0, self._user_unit + _unit(self.items, self._bits)))

    def known(self, user: np.ndarray) -> Bools:
        """Return who had training rows: (n,); who came after the cut is as cold as one without."""
        there = user < len(self.users)
        return there & self.known_users[np.where(there, user, 0)]

    def _user(self, user: np.ndarray) -> Floats:
        return np.rint(np.ldexp(self.users.take(user, axis=0).astype(np.float64), -self._user_unit))

    def scores(self, user: np.ndarray, width: int) -> Floats:
        """Return the exact products of the snapped factors; nothing for items without rows."""
        items, lengths = self._laid_out
        scores = self._user(user) @ items[:, :width]
        scores[:, len(lengths) :] = _COLD
        return scores

    def reach(self, user: np.ndarray, least: Floats) -> npt.NDArray[np.int64]:
        """Return the number of columns whose length times the user's is *least* or more, by Cauchy and Schwarz.

        The bound of Teflioudi, Gemulla and Mykytiuk, "LEMP: Fast retrieval of large entries in a matrix product", SIGMOD 2015.
        """
        lengths = self._laid_out[1]
        whole = self._user(user)
        own = np.sqrt(np.einsum("uf,uf->u", whole, whole)) * (1 + 1e-9)  # lengths are rounded, products are not
        shortest = np.divide(least, own, out=np.zeros(len(user)), where=(least > 0) & (own > 0))
        return np.where(least > _COLD, np.searchsorted(lengths, -shortest, "right"), len(self.counts))


@dataclass(frozen=True)
class Neighbours(_Scored):
    """Ranks by the similarity of items to those a user has rows about, weighed by the rows.

    Both matrices in compressed rows: history (users, items) and similar (items, items), as start, column, value.
    """

    history_start: np.ndarray
    history_item: Items32
    history_weight: Floats
    similar_start: np.ndarray
    similar_item: Items32
    similar_value: Floats

    @cached_property
    def _matrices(self) -> tuple[Any, Any]:
        from scipy.sparse import csr_matrix

        items = len(self.counts)
        bits = self._bits
        history = (snap(self.history_weight, bits), self.history_item, self.history_start)
        similar = (snap(self.similar_value, bits), self.similar_item, self.similar_start)
        columns = csr_matrix(similar, shape=(items, items))[:, self._order]
        return csr_matrix(history, shape=(len(self.history_start) - 1, items)), columns

    @property
    def columns(self) -> Items32:
        """Items in the order of ties: (items,)."""
        return self._order

    def known(self, user: np.ndarray) -> Bools:
        """Return who has rows: (n,); who came after the cut has none."""
        there = user < len(self.history_start) - 1
        rows = np.diff(self.history_start) > 0
        return there & rows[np.where(there, user, 0)]

    @cached_property
    def _bits(self) -> int:
        return exact_bits(int(np.diff(self.history_start).max(initial=1)))

    @cached_property
    def unit(self) -> float:
        """What a whole number among the scores stands for."""
        return float(np.ldexp(1.0, _unit(self.history_weight, self._bits) + _unit(self.similar_value, self._bits)))

    def scores(self, user: np.ndarray, width: int) -> Floats:
        """Return the exact sums of similarities; nothing where no neighbour speaks for an item."""
        history, similar = self._matrices
        scores = (history[user] @ similar).toarray()[:, :width]
        scores[scores <= 0] = _COLD
        return np.asarray(scores)
