"""Models: what a recommender has learned, immutable, and how it ranks items for the users who visit.

Rankings do not depend on who else is ranked, on threads or on the processor. Scores are exact: factors are rounded to
whole multiples of a power of two, so small that every sum of products is a whole number below 2**53, which float64
arithmetic gets right in any order.

The rule for the cold: an item without training rows, and every item for a user without any, is ranked behind all that
have a score. Equal scores, and what has none, go by descending weight of the training rows about the item, then to the lower
item.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from recsim.consumption import spread
from recsim.lottery import Lottery
from recsim.randomness import Floats
from recsim.world import NOTHING, Bools, Items32, Published, Ranking, Visits

_BLOCK = 64  # users scored at a time: a block of scores stays in the processor's cache
_COLD = -(2.0**54)  # what has no score scores this, below every exact score


@dataclass(frozen=True)
class Model:
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

    def rank(self, visits: Visits, n: int, threads: int = 1) -> Ranking:
        """Return the best *n* items of each visit that may be shown."""
        raise NotImplementedError

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
        row, gone = visits.consumed
        skipped = np.bincount(row, minlength=len(visits))
        items = np.full((len(visits), n), NOTHING, np.int32)
        for start in range(0, len(visits), _BLOCK):
            stop = min(start + _BLOCK, len(visits))
            width = min(len(self.order), n + int(skipped[start:stop].max(initial=0)))
            open_ = np.ones((stop - start, width), np.bool_)
            inside = slice(*np.searchsorted(row, [start, stop]))
            near = place[gone[inside]] < width
            open_[row[inside][near] - start, place[gone[inside]][near]] = False
            kept, column = np.nonzero(open_)
            _put(items[start:stop], kept, column, self.order)
        return Ranking(items, self.published, scores=np.where(items == NOTHING, -np.inf, self.score[items]))


def _put(items: Items32, row: np.ndarray, column: np.ndarray, ids: Items32) -> None:
    """Write, for (row, column) pairs in row order, the items of the columns into the first places of each row."""
    _, place = spread(np.bincount(row, minlength=len(items)))
    fits = place < items.shape[1]
    items[row[fits], place[fits]] = ids[column[fits]]


@dataclass(frozen=True)
class _Scored(Model):
    """Ranks by exact scores of a block of users against all items, the columns in the order that breaks ties."""

    @property
    def unit(self) -> float:
        """What a whole number among the scores stands for."""
        raise NotImplementedError

    def scores(self, user: np.ndarray) -> Floats:
        """Return (n, items): whole numbers below 2**53, and `_COLD` for what has no score; columns by `_order`."""
        raise NotImplementedError

    @cached_property
    def _order(self) -> Items32:
        """Items by descending weight of the training rows about them, then by number: the order of ties."""
        return np.lexsort((np.arange(len(self.counts)), -self.counts)).astype(np.int32)

    @cached_property
    def _column(self) -> npt.NDArray[np.int64]:
        """The column of each item: `_order` read backwards."""
        column = np.empty(len(self.counts), np.int64)
        column[self._order] = np.arange(len(column))
        return column

    def rank(self, visits: Visits, n: int, threads: int = 1) -> Ranking:
        """Return the *n* items of the highest score that may be shown."""
        items, scores_of = np.full((len(visits), n), NOTHING, np.int32), np.full((len(visits), n), -np.inf)
        row, gone = visits.consumed

        def one(start: int) -> None:
            stop = min(start + _BLOCK, len(visits))
            scores = self.scores(visits.user[start:stop])
            inside = slice(*np.searchsorted(row, [start, stop]))
            scores[row[inside] - start, self._column[gone[inside]]] = -np.inf
            best(scores, items[start:stop])
            part = items[start:stop]
            found = np.take_along_axis(scores, np.maximum(part, 0), axis=1)
            scores_of[start:stop] = np.where((part == NOTHING) | (found == _COLD), -np.inf, found)
            items[start:stop] = np.where(part == NOTHING, NOTHING, self._order[part])

        starts = range(0, len(visits), _BLOCK)
        if threads > 1 and len(starts) > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(one, starts))
        else:
            for start in starts:
                one(start)
        return Ranking(items, self.published, scores=scores_of * self.unit)


def best(scores: Floats, items: Items32) -> None:
    """Write into *items* (n, c) the columns of the c highest scores (n, m) of each row, best first.

    Ties go to the lower column; -inf never enters. The c-th highest of the maxima of column groups is a bound that at
    least c scores reach, so few candidates are left to be sorted.
    """
    count, width = items.shape[1], scores.shape[1]
    groups = min(width, 8 * count)
    tops = scores[:, : width - width % groups].reshape(len(scores), -1, groups).max(axis=1)
    if tops.shape[1] > count:
        bound = np.partition(tops, tops.shape[1] - count, axis=1)[:, -count, None]
    else:
        bound = np.full((len(scores), 1), -np.inf)
    flat = np.flatnonzero((scores >= np.maximum(bound, -np.finfo(np.float64).max)).ravel())
    row, column = np.divmod(flat, width)
    order = np.lexsort((-scores.ravel()[flat], row))
    _put(items, row[order], column[order], np.arange(width, dtype=np.int32))


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

    @cached_property
    def _exact(self) -> tuple[Floats, Floats]:
        bits = exact_bits(self.users.shape[1])
        return snap(self.users, bits), np.ascontiguousarray(snap(self.items, bits)[self._order].T)

    @cached_property
    def unit(self) -> float:
        """What a whole number among the scores stands for."""
        bits = exact_bits(self.users.shape[1])
        return float(np.ldexp(1.0, _unit(self.users, bits) + _unit(self.items, bits)))

    def scores(self, user: np.ndarray) -> Floats:
        """Return the exact products of the snapped factors; nothing for items and users without rows."""
        users, items = self._exact
        there = user < len(users)  # who came after the cut is as cold as one without rows
        user = np.where(there, user, 0)
        scores = users[user] @ items
        scores[:, ~self.known_items[self._order]] = _COLD
        scores[~(there & self.known_users[user])] = _COLD
        return scores


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

    @cached_property
    def _bits(self) -> int:
        return exact_bits(int(np.diff(self.history_start).max(initial=1)))

    @cached_property
    def unit(self) -> float:
        """What a whole number among the scores stands for."""
        return float(np.ldexp(1.0, _unit(self.history_weight, self._bits) + _unit(self.similar_value, self._bits)))

    def scores(self, user: np.ndarray) -> Floats:
        """Return the exact sums of similarities; nothing where no neighbour speaks for an item."""
        history, similar = self._matrices
        there = user < history.shape[0]  # who came after the cut has no rows
        scores = (history[np.where(there, user, 0)] @ similar).toarray()
        scores[(scores <= 0) | ~there[:, None]] = _COLD
        return scores
