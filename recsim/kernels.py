"""Compiled loops, for the few places in which numpy would go over the same numbers again and again.

Each does, number by number and in the same order, what its caller says, so that results are those of any other way to work it
out. They are compiled when first needed and kept beside this file or in the user's cache. Strategies are plain numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_TWELVE = np.uint64(12)
_BLOCK = 1024  # addresses written out at a time
_FEW = 64  # of a row that are kept in order while it is looked at


def plain(values: npt.ArrayLike, dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    """Return values as the kernels want them: of that type, row by row, and not write-protected."""
    array = np.ascontiguousarray(values, dtype)
    return array if array.flags.writeable else array.copy()


def compiled(signature: str) -> Callable[[Kernel], Kernel]:
    """Return a decorator that compiles a function for arguments of these types, to run without the interpreter's lock."""

    def build(function: Kernel) -> Kernel:
        try:
            done = numba.njit(signature, cache=True, nogil=True)(function)
        except RuntimeError:  # there is no place to keep it
            done = numba.njit(signature, nogil=True)(function)
        return cast(Kernel, done)

    return build


@numba.njit(inline="always")
def _philox(which: Any, when: Any, who: Any, k0: Any, k1: Any) -> Any:
    """Return the four words of Philox4x32-10 (Salmon et al. 2011, section 3.3), in 64 bits each."""
    c0, c1, c2, c3 = np.uint64(which), np.uint64(when), who & _LOW, who >> _HALF
    for _ in range(10):
        p0, p1 = c0 * _M0, c2 * _M1
        c0, c2 = (p1 >> _HALF) ^ c1 ^ k0, (p0 >> _HALF) ^ c3 ^ k1
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@numba.njit(inline="always")
def _spread(who: Any, when: Any, which: Any, begin: Any, rows: Any, whole: Any) -> None:
    """Put the addresses of some rows into *whole* (3, at least rows * k), one after the other, for one plain loop over them."""
    place = 0
    for row in range(begin, begin + rows):
        line = which[row if len(which) > 1 else 0]
        for column in range(len(line)):
            whole[0, place], whole[1, place], whole[2, place] = line[column], when[row], who[row]
            place += 1


@compiled("void(u8[::1], u4[::1], u4[:,::1], u8[:,::1], u4[:,::1])")
def words(who: Any, when: Any, which: Any, keys: Any, result: Any) -> None:
    """Put into *result* (n k, 4) the words at who (n,), when (n,) and which (n, k), or (1, k) where it is the same in all rows;
    keys: (1, 2), or (n, 2) where each row has one of its own.
    """
    columns = which.shape[1]
    step = max(1, _BLOCK // max(1, columns))
    whole, drawn = np.empty((3, step * columns), np.uint64), np.empty((4, step * columns), np.uint32)
    key = np.empty((2, step * columns), np.uint64)
    for begin in range(0, len(who), step):
        rows, some = min(step, len(who) - begin), result[begin * columns :]
        _spread(who, when, which, begin, rows, whole)
        for place in range(rows * columns):
            row = begin + place // columns if len(keys) > 1 else 0
            key[0, place], key[1, place] = keys[row, 0], keys[row, 1]
        for place in range(rows * columns):
            c0, c1, c2, c3 = _philox(whole[0, place], whole[1, place], whole[2, place], key[0, place], key[1, place])
            drawn[0, place], drawn[1, place], drawn[2, place], drawn[3, place] = c0, c1, c2, c3
        for place in range(rows * columns):
            for word in range(4):
                some[place, word] = drawn[word, place]


@compiled("void(u8[::1], u4[::1], u4[:,::1], u8, u8, f8[::1])")
def uniform(who: Any, when: Any, which: Any, k0: Any, k1: Any, result: Any) -> None:
    """Put into *result* (n k,) a number between 0 and 1 at each address, as `words` has them, of 52 bits of words 1 and 0."""
    columns = which.shape[1]
    step = max(1, _BLOCK // max(1, columns))
    whole = np.empty((3, step * columns), np.uint64)
    for begin in range(0, len(who), step):
        rows, some = min(step, len(who) - begin), result[begin * columns :]
        _spread(who, when, which, begin, rows, whole)
        for place in range(rows * columns):
            c0, c1, _, _ = _philox(whole[0, place], whole[1, place], whole[2, place], k0, k1)
            some[place] = (np.float64(((c1 << _HALF) | c0) >> _TWELVE) + 0.5) * 2.0**-52


@compiled("void(f8[:,::1], f8[:,::1], i4[:,::1], f8[:,::1])")
def preference(interests: Any, demand: Any, items: Any, result: Any) -> None:
    """Put into *result* (n, k) the sum over topics, in their order, of interests (n, topics) times demand (items, topics) for
    items (n, k); 0 for those below 0.
    """
    for row in range(items.shape[0]):
        for place in range(items.shape[1]):
            item, total = items[row, place], 0.0
            if item >= 0:
                for topic in range(demand.shape[1]):
                    total += interests[row, topic] * demand[item, topic]
            result[row, place] = total


@compiled("void(f8[:,::1], f8[::1], i2[:,::1])")
def win(race: Any, limit: Any, result: Any) -> None:
    """Put a 1 into *result* (n, k), all 0, at the first of the smallest of each row of *race* (n, k), if below *limit* (n,)."""
    for row in range(race.shape[0]):
        first, winner = limit[row], -1
        for place in range(race.shape[1]):
            if race[row, place] < first:
                first, winner = race[row, place], place
        if winner >= 0:
            result[row, winner] = 1


@compiled("void(f8[:,::1], f8[:,::1], i8[::1], i4[::1])")
def walk(heap: Any, chance: Any, pool: Any, result: Any) -> None:
    """Put into *result* (n,) the leaf that each row of *chance* (n, levels) leads to, column j deciding at j + 1 levels above it.

    heap: (pools, 2 leaves), sums of weights: node i has the children 2i and 2i + 1, the root is 1. pool: (n,). -1 where the root
    is 0.
    """
    leaves = heap.shape[1] // 2
    for row in range(len(result)):
        tree, node, level = heap[pool[row]], 1, chance.shape[1]
        while node < leaves:
            level -= 1
            left, right = tree[2 * node], tree[2 * node + 1]
            node = 2 * node + (1 if chance[row, level - 1] * (left + right) >= left and right > 0 else 0)
        result[row] = node - leaves if tree[1] > 0 else -1


@compiled("void(u8[::1], i8[::1])")
def sort(keys: Any, order: Any) -> None:
    """Sort *order* (n,), numbers of rows, by their *keys* (rows,), eleven bits at a time; those alike stay as they stand."""
    spare, starts = np.empty(len(order), np.int64), np.empty(2049, np.int64)
    top, shift = np.uint64(0), np.uint64(0)
    for row in range(len(keys)):
        top |= keys[row]
    while shift < np.uint64(64) and top >> shift:
        for digit in range(2049):
            starts[digit] = 0
        for row in range(len(order)):
            starts[((keys[row] >> shift) & np.uint64(2047)) + np.uint64(1)] += 1
        for digit in range(2048):
            starts[digit + 1] += starts[digit]
        for row in range(len(order)):
            digit = (keys[order[row]] >> shift) & np.uint64(2047)
            spare[starts[digit]] = order[row]
            starts[digit] += 1
        for row in range(len(order)):
            order[row] = spare[row]
        shift += np.uint64(11)


@numba.njit(inline="always")
def _below(pool: Any, start: Any, count: Any, item: Any) -> Any:
    """Return how many items of a sorted stretch of a pool are below the given one."""
    low, high = np.int64(0), np.int64(count)
    while low < high:
        middle = (low + high) >> 1
        if pool[start + middle] < item:
            low = middle + 1
        else:
            high = middle
    return low


@compiled("void(i8[::1], i4[:,::1], i8[::1], i4[::1], i4[::1], b1[:,::1])")
def holds(user: Any, items: Any, start: Any, count: Any, pool: Any, result: Any) -> None:
    """Put into *result* (n, k) whether the stretch of each user (n,) holds each of the items (n, k) beside her."""
    for row in range(len(items)):
        who = user[row]
        for column in range(items.shape[1]):
            place = _below(pool, start[who], count[who], items[row, column])
            result[row, column] = place < count[who] and pool[start[who] + place] == items[row, column]


@compiled("i8(i8, i8[::1], i4[::1], i8[::1], i4[::1], i4[::1], i4[::1], i8[::1], b1[::1])")
def insert(begin: Any, user: Any, item: Any, start: Any, room: Any, count: Any, pool: Any, end: Any, fresh: Any) -> Any:
    """Put items (n,) into the stretches of users (n,), from number *begin* on, and into *fresh* (n,) whether they were new there.

    A stretch that is full moves behind the last one, at *end* (1,), with twice the room. Return how far it went: the number of
    the first one for which the pool is too short, or n.
    """
    for row in range(begin, len(user)):
        who = user[row]
        place = _below(pool, start[who], count[who], item[row])
        fresh[row] = place == count[who] or pool[start[who] + place] != item[row]
        if not fresh[row]:
            continue
        if count[who] == room[who]:
            more = max(4, 2 * (count[who] + 1))
            if end[0] + more > len(pool):
                return row
            for step in range(count[who]):
                pool[end[0] + step] = pool[start[who] + step]
            start[who], room[who] = end[0], more
            end[0] += more
        for step in range(start[who] + count[who], start[who] + place, -1):
            pool[step] = pool[step - 1]
        pool[start[who] + place] = item[row]
        count[who] += 1
    return len(user)


@compiled("void(i8[::1], i4[::1], i4[:,::1], f8[:,::1], i4[::1])")
def drop(user: Any, item: Any, lists: Any, scores: Any, left: Any) -> None:
    """Take each item (n,) off the list of its user (n,) where it is on it, so that what stands below moves up: lists (users, k),
    -1 behind the last, scores (users, k), or (0, k) where there are none, and *left* (users,), one less.
    """
    last = lists.shape[1] - 1
    for row in range(len(user)):
        who, place = user[row], 0
        while place <= last and lists[who, place] != item[row]:
            place += 1
        if place > last:
            continue
        for step in range(place, last):
            lists[who, step] = lists[who, step + 1]
        lists[who, last] = -1
        if len(scores):
            for step in range(place, last):
                scores[who, step] = scores[who, step + 1]
            scores[who, last] = -np.inf
        left[who] -= 1


@numba.njit(inline="always")
def _worse(score: Any, column: Any, other: Any, other_column: Any, ties: Any) -> Any:
    """Return whether one column stands behind another."""
    return score < other or (score == other and ties[column] > ties[other_column])


@numba.njit(inline="always")
def _sink(found: Any, columns: Any, size: Any, score: Any, column: Any, ties: Any) -> None:
    """Put a column at the top of a heap of so many in place of the one that is there, and let it sink below what is worse."""
    place = 0
    while 2 * place + 1 < size:
        below = 2 * place + 1
        if below + 1 < size and _worse(found[below + 1], columns[below + 1], found[below], columns[below], ties):
            below += 1
        if not _worse(found[below], columns[below], score, column, ties):
            break
        found[place], columns[place] = found[below], columns[below]
        place = below
    found[place], columns[place] = score, column


@compiled("void(f8[:,::1], i8[::1], i8[::1], i8[::1], i8[::1], i4[::1], i4[:,::1], f8[:,::1])")
def best(scores: Any, rows: Any, begins: Any, barred: Any, ties: Any, names: Any, items: Any, found: Any) -> None:
    """Put the names of the columns with the k highest of scores (n, m), best first, -1 behind the last, into the rows (n,) of
    *items* (at least n, k), and what they score into those of *found* (as items), -inf behind the last. Equal ones go by
    ascending *ties*; names, ties: (at least m,).

    What scores -inf does not enter, nor what is barred: for row i *barred* from begins[rows[i]] up to begins[rows[i] + 1].
    """
    most = items.shape[1]
    for row in range(len(scores)):
        top, columns = found[rows[row]], items[rows[row]]
        for number in range(begins[rows[row]], begins[rows[row] + 1]):
            if barred[number] < scores.shape[1]:
                scores[row, barred[number]] = -np.inf
        there, few = 0, most <= _FEW  # few are kept in order, many as a heap with the worst at its top
        last = most - 1 if few else 0
        for column in range(scores.shape[1]):
            score = scores[row, column]
            if score == -np.inf or (there == most and score < top[last]):
                continue
            if there == most and not _worse(top[last], columns[last], score, column, ties):
                continue
            if not few and there == most:
                _sink(top, columns, most, score, column, ties)
                continue
            place = min(there, most - 1)
            while place:
                above = place - 1 if few else (place - 1) >> 1
                if _worse(top[above], columns[above], score, column, ties) != few:
                    break
                top[place], columns[place] = top[above], columns[above]
                place = above
            top[place], columns[place] = score, column
            there = min(there + 1, most)
        for end in range(0 if few else there - 1, 0, -1):  # the worst goes behind those that are left
            score, column = top[end], columns[end]
            top[end], columns[end] = top[0], columns[0]
            _sink(top, columns, end, score, column, ties)
        for place in range(most):
            columns[place] = names[columns[place]] if place < there else -1
        top[there:] = -np.inf


@compiled("void(i1[:,::1], i4[:,::1], i8[:,::1], i8[:,::1])")
def tally(origin: Any, items: Any, one: Any, other: Any) -> None:
    """Count items (n, k) of origins (n, k) in two tables, (origins, items) each; none of those below 0."""
    for row in range(items.shape[0]):
        for place in range(items.shape[1]):
            if items[row, place] >= 0:
                one[origin[row, place], items[row, place]] += 1
                other[origin[row, place], items[row, place]] += 1


@compiled("void(i8[::1], i4[:,::1], f8[:,::1], f8[:,::1])")
def gather(user: Any, items: Any, table: Any, sums: Any) -> None:
    """Add to the row of each user (n,) of *sums* (users, columns) the sum, from the left, of the rows of *table* (items, columns)
    that items (n, k) name; none for those below 0.
    """
    total = np.empty(table.shape[1])
    for row in range(items.shape[0]):
        for column in range(len(total)):
            total[column] = 0.0
        for place in range(items.shape[1]):
            item = items[row, place]
            if item >= 0:
                for column in range(table.shape[1]):
                    total[column] += table[item, column]
        for column in range(table.shape[1]):
            sums[user[row], column] += total[column]
