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
        self._end = 0

    @classmethod
    def of(cls, users: int, user: Ints, item: Ints) -> Self:
        """Return the sets that hold the given pairs; a pair may be given twice."""
        self = cls(users)
        keys = np.unique((user.astype(np.int64) << 32) | item)
        who, self._pool = keys >> 32, np.append(keys & 0xFFFFFFFF, 0).astype(np.int32)
        self.count = np.bincount(who, minlength=users).astype(np.int32)
        self._room, self._start = self.count.copy(), np.cumsum(self.count, dtype=np.int64) - self.count
        self._end = len(keys)
        return self

    def contains(self, user: Ints, item: Ints) -> npt.NDArray[np.bool_]:
        """Return whether each user (n,) has had the item, or each of the items (n,) or (n, k) beside her."""
        who = np.broadcast_to(user if item.ndim == 1 else user[:, None], item.shape)
        return self._is_at(self._place(who.ravel(), item.ravel()).reshape(item.shape), who, item)

    def _is_at(self, place: Ints, user: Ints, item: Ints) -> npt.NDArray[np.bool_]:
        """Return whether the item is at that place of the user's set."""
        inside = place < self.count[user]
        return inside & (self._pool[np.where(inside, self._start[user] + place, 0)] == item)

    def stretch(self, user: Ints) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """Return all that these users have had, as pairs of (row among *user*, item), by row and item."""
        run, place = spread(self.count[user])
        return run, self._pool[self._start[user][run] + place]

    def add(self, user: Ints, item: Ints) -> npt.NDArray[np.bool_]:
        """Put items into the sets of users, and return which were new: of a pair given twice the first one."""
        order = np.lexsort((item, user))
        user, item = user[order], item[order].astype(np.int32)
        place = self._place(user, item)
        fresh = ~self._is_at(place, user, item)
        fresh[1:] &= (user[1:] != user[:-1]) | (item[1:] != item[:-1])
        self._insert(user[fresh], item[fresh], place[fresh])
        new = np.empty(len(order), np.bool_)
        new[order] = fresh
        return new

    def _insert(self, user: Ints, item: Ints, place: Ints) -> None:
        """Put items, sorted by user and item, into the sets, each at its place among what is there already."""
        if not len(user):
            return
        last = np.append(user[1:] != user[:-1], True)
        ends = np.flatnonzero(last)
        who, more = user[ends], np.diff(ends, prepend=-1)
        self._make_room(who, self.count[who] + more)
        above = np.where(last, self.count[user], np.append(place[1:], 0)) - place  # stay between this one and the next
        turn = spread(more)[1]
        run, step = spread(above)
        moved = self._start[user][run] + place[run] + step
        self._pool[moved + turn[run] + 1] = self._pool[moved]
        self._pool[self._start[user] + place + turn] = item
        self.count[who] += more.astype(np.int32)

    def _place(self, user: Ints, item: Ints) -> npt.NDArray[np.int64]:
        """Return how many items of each user's set are below the given one: a binary search for all at once."""
        start, low, high = self._start[user], np.zeros(len(user), np.int64), self.count[user].astype(np.int64)
        last = len(self._pool) - 1
        for _ in range(int(high.max(initial=0)).bit_length()):
            middle = (low + high) >> 1
            below = (self._pool[np.minimum(start + middle, last)] < item) & (low < high)
            low, high = np.where(below, middle + 1, low), np.where(below, high, middle)
        return low

    def _make_room(self, user: Ints, wanted: Ints) -> None:
        """Move the sets of these users that are to hold more than they can to the end of the pool, with twice the room."""
        user, wanted = user[wanted > self._room[user]], wanted[wanted > self._room[user]]
        if not len(user):
            return
        room = np.maximum(4, 2 * wanted)
        start = self._end + np.cumsum(room, dtype=np.int64) - room
        self._end = int(start[-1] + room[-1])
        if self._end > len(self._pool):
            self._pool = np.concatenate([self._pool, np.zeros(max(self._end, len(self._pool)), np.int32)])
        run, place = spread(self.count[user])
        self._pool[start[run] + place] = self._pool[self._start[user][run] + place]
        self._start[user], self._room[user] = start, room
