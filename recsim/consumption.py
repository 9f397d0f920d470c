"""Who has had what: the set of consumed items of each user, in memory that grows with the clicks."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]


def spread(lengths: Ints) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return, for runs of the given lengths laid end to end, the run of each element and its place in the run.

    >>> [part.tolist() for part in spread(np.array([2, 0, 1]))]
    [[0, 0, 2], [0, 1, 0]]
    """
    run = np.repeat(np.arange(len(lengths)), lengths)
    return run, np.arange(len(run)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def nth(*keys: np.ndarray) -> np.ndarray:
    """Return how many rows before each one have the same keys: (rows,)."""
    order = np.lexsort(keys[::-1])
    changed = np.zeros(len(order), np.bool_)
    for key in keys:
        changed[1:] |= key[order][1:] != key[order][:-1]
    start = np.maximum.accumulate(np.where(changed, np.arange(len(order)), 0))
    result = np.empty(len(order), np.int64)
    result[order] = np.arange(len(order)) - start
    return result


class Consumed:
    """A set of items for each user: one pool of int32 in which every user has a sorted stretch with room to grow."""

    def __init__(self, users: int) -> None:
        self._start = np.zeros(users, np.int64)
        self._room = np.zeros(users, np.int32)
        self.count = np.zeros(users, np.int32)
        self._pool = np.zeros(1024, np.int32)
        self._end = np.zeros(1, np.int64)

    @classmethod
    def of(cls, users: int, user: Ints, item: Ints) -> Self:
        """Return the sets that hold the given pairs; a pair may be given twice."""
        self = cls(users)
        keys = np.unique((user.astype(np.int64) << 32) | item)
        who, self._pool = keys >> 32, np.append(keys & 0xFFFFFFFF, 0).astype(np.int32)
        self.count = np.bincount(who, minlength=users).astype(np.int32)
        self._room, self._start = self.count.copy(), np.cumsum(self.count, dtype=np.int64) - self.count
        self._end[0] = len(keys)
        return self

    def contains(self, user: Ints, item: Ints) -> npt.NDArray[np.bool_]:
        """Return whether each user (n,) has had the item, or each of the items (n,) or (n, k) beside her."""
        from recsim import kernels

        wide = kernels.plain(item if item.ndim == 2 else item[:, None], np.int32)
        result = np.empty(wide.shape, np.bool_)
        kernels.holds(kernels.plain(user, np.int64), wide, self._start, self.count, self._pool, result)
        return result.reshape(item.shape)

    def stretch(self, user: Ints) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return all that these users have had, as pairs of (row among *user*, item), by row and item."""
        run, place = spread(self.count[user])
        return run, self._pool[self._start[user][run] + place]

    def add(self, user: Ints, item: Ints) -> npt.NDArray[np.bool_]:
        """Put items into the sets of users, and return which were new: of a pair given twice the first one."""
        from recsim import kernels

        user, item, new = kernels.plain(user, np.int64), kernels.plain(item, np.int32), np.empty(len(user), np.bool_)
        done, stretches = 0, (self._start, self._room, self.count)
        while (done := kernels.insert(done, user, item, *stretches, self._pool, self._end, new)) < len(user):
            more = max(len(self._pool), 2 * int(self.count[user[done]]) + 2)
            self._pool = np.concatenate([self._pool, np.zeros(more, np.int32)])
        return new
