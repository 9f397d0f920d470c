"""Draw items from a catalogue in proportion to weights, so that one item appended, missing or emptied changes few other draws.

A binary tree stands over slots, one an item; a draw walks from the root to a leaf and takes at each level the number that
belongs to the visit and that level, counted from the leaves. A new item moves each decision on the way by its share of
the weight there, about log2(items)/items in all, where a cumulative sum would shift every boundary behind it. Where items
may fail to come out, each keeps a slot of its own, so that those behind one that is missing stand where they would.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from recsim.randomness import Floats, Randomness
from recsim.world import NOTHING, Bools, Ints, Items32, Visits

ATTEMPTS = 32  # draws with replacement before the exact restricted distribution is worked out
CELLS = 4_000_000  # of a (visits, items) block, at a time


class Lottery:
    """Weighted draws from one or several pools over the same items.

    weights: (items,) or (pools, items), not negative; an item of weight 0 is never drawn. slots: the slot of each item, at
    least as many as there are items, none twice; None: that of item i is i.
    """

    def __init__(self, weights: Floats, slots: Ints | None = None) -> None:
        self.weights = np.atleast_2d(weights).astype(np.float64)
        self._slots = None if slots is None else slots[: self.items]
        self._heap = _tree(self.weights, self._slots)
        self._levels = _levels(self._heap)

    @cached_property
    def by_item(self) -> Floats:
        """The share of each item in each pool, laid out by item: (items, pools)."""
        return np.ascontiguousarray(self.weights.T)

    @property
    def items(self) -> int:
        """The number of items in each pool."""
        return self.weights.shape[1]

    def draw(self, visits: Visits, label: str, pool: Ints | None = None) -> Items32:
        """Return one item a visit, (n,), from all items with weight; NOTHING where no item has any."""
        return self._drawn(visits.block(label, len(self._levels)), pool)

    def at(
        self, randomness: Randomness, label: str, who: npt.NDArray[np.uint64], pool: Ints | None = None
    ) -> Items32:
        """Return one item for each address *who* (n,) that is no visit, from all items with weight."""
        return self._drawn(randomness.block(label, who, 0, len(self._levels)), pool)

    def first(self, visits: Visits, labels: Sequence[str], row: Ints, nth: Ints) -> Items32:
        """Return the first draw of `pick`, (draws,), for the visits *row* under the labels labels[nth], all at once."""
        labels = [f"{label}#0" for label in labels]
        chance = visits.randomness.blocks(labels, nth, visits.address[row], visits.ordinal[row], len(self._levels))
        return self._drawn(chance, None)

    def _drawn(self, chance: Floats, pool: Ints | None) -> Items32:
        return _items(_walk(self._heap, chance, pool), self._slots)

    def pick(
        self, visits: Visits, label: str, placed: Items32, pool: Ints | None = None, first: Items32 | None = None
    ) -> Items32:
        """Return one item a visit, (n,), from those that may be shown and are not in *placed* (n, r).

        pool: (n,), the pool that each visit draws from, where there are several. first: (n,), first draws if known.
        Draws are repeated under the labels "label#0", "label#1", ... until one is allowed; after ATTEMPTS of them
        the restricted distribution is worked out, and "label#rest" draws from it. NOTHING where none is left.
        """
        result = np.full(len(visits), NOTHING, np.int32)
        open_ = np.arange(len(visits))
        for attempt in range(ATTEMPTS):
            if not len(open_):
                return result
            part = visits.take(open_) if attempt else visits
            if attempt or first is None:
                drawn = self.draw(part, f"{label}#{attempt}", None if pool is None else pool[open_])
            else:
                drawn = first
            fine = (drawn != NOTHING) & ~(placed[open_] == drawn[:, None]).any(axis=1)
            fine[fine] = ~part.take(fine).barred(drawn[fine])
            result[open_[fine]] = drawn[fine]
            open_ = open_[~fine]
        step = max(1, CELLS // self.items)
        for start in range(0, len(open_), step):
            rows = open_[start : start + step]
            weights = self.weights if pool is None else self.weights[pool[rows]]
            left = np.where(self._allowed(visits.take(rows), placed[rows]), weights, 0.0)
            result[rows] = draw_rows(visits.take(rows), f"{label}#rest", left, self._slots)
        return result

    def left(self, visits: Visits, placed: Items32) -> Floats:
        """Return the weight, (n,), of all items that `pick` may still give below *placed* (n, r), where there is one pool.

        It is the root of the tree without what is placed or barred, worked out anew on the ways up from there: nothing is
        subtracted, so that nothing cancels.
        """
        if not self._levels[-1][0, 0]:
            return np.zeros(len(visits))
        row, column = np.nonzero(placed != NOTHING)
        barred, gone = visits.consumed
        without = np.concatenate([barred, row]), np.concatenate([gone, placed[row, column]])
        if self._whole:
            return self._levels[-1][0, 0] - np.bincount(without[0], self.weights[0][without[1]], len(visits))
        return self._root_without(len(visits), *without)

    def share(self, visits: Visits, placed: Items32, item: Items32) -> Floats:
        """Return the probability, (n,), that `pick` gives *item* (n,): its weight over that of all that is `left`.

        0 for NOTHING, and for what is placed or barred.
        """
        here = np.where(free(visits, placed, item), self.weights[0][item], 0.0)
        return np.divide(here, self.left(visits, placed), out=np.zeros(len(visits)), where=here > 0)

    def shares(self, visits: Visits, drawn: Items32) -> Floats:
        """Return the probability, (n, k), that `pick` gives each item of *drawn* (n, k) below those before it, as `share` does,
        where no item is barred or there twice.
        """
        if not self._whole:
            each = [self.share(visits, drawn[:, :place], drawn[:, place]) for place in range(drawn.shape[1])]
            return np.stack(each, axis=1) if each else np.zeros(drawn.shape)
        weight = np.where(drawn == NOTHING, 0.0, self.weights[0][drawn])
        left = self.left(visits, drawn[:, :0])[:, None] - (np.cumsum(weight, axis=1) - weight)
        return np.divide(weight, left, out=np.zeros(drawn.shape), where=weight > 0)

    @cached_property
    def _whole(self) -> bool:
        """Whether all sums of weights are exact, and so the same in any order, subtracted too."""
        return bool((self.weights == np.floor(self.weights)).all() and self.weights.sum() < 2.0**53)

    def _root_without(self, rows: int, row: Ints, item: Items32) -> Floats:
        """Return the root, (rows,), of one tree a row, the weights of the given items of that row being 0."""
        root = np.full(rows, self._levels[-1][0, 0])
        if not len(row):
            return root
        node = np.unique(row * self._levels[0].shape[1] + (item if self._slots is None else self._slots[item]))
        value = np.zeros(len(node))
        for level in self._levels[:-1]:
            above = node >> 1
            first = np.flatnonzero(np.append(True, above[1:] != above[:-1]))
            after = np.minimum(first + 1, len(node) - 1)
            beside = level[0][(node[first] ^ 1) % level.shape[1]]
            value = value[first] + np.where(node[after] == node[first] ^ 1, value[after], beside)
            node = above[first]
        root[node] = value
        return root

    def _allowed(self, visits: Visits, placed: Items32) -> Bools:
        allowed = np.ones((len(visits), self.items), np.bool_)
        allowed[visits.consumed] = False
        row, column = np.nonzero(placed != NOTHING)
        allowed[row, placed[row, column]] = False
        return allowed


def free(visits: Visits, placed: Items32, item: Items32) -> Bools:
    """Return whether each item, (n,), may be shown and is not in *placed* (n, r); False for NOTHING."""
    return (item != NOTHING) & ~(placed == item[:, None]).any(axis=1) & ~visits.barred(np.maximum(item, 0))


def draw_rows(visits: Visits, label: str, weights: Floats, slots: Ints | None = None) -> Items32:
    """Return one item a visit, (n,), each from weights of its own: (n, items). NOTHING where all are 0."""
    slots = None if slots is None else slots[: weights.shape[1]]
    heap = _tree(weights, slots)
    return _items(_walk(heap, visits.block(label, len(_levels(heap))), np.arange(len(visits))), slots)


def _tree(weights: Floats, slots: Ints | None) -> Floats:
    """Return the sums of weights as heaps, (pools, 2 leaves): node i has the children 2i and 2i + 1, the root is 1, and the
    second half are the leaves by slot, padded to a power of two.
    """
    pools, items = weights.shape
    leaves = 1 << max(0, (items if slots is None else int(slots.max(initial=0)) + 1) - 1).bit_length()
    heap = np.zeros((pools, 2 * leaves))
    heap[:, slice(leaves, leaves + items) if slots is None else leaves + slots] = weights
    while leaves > 1:
        leaves //= 2
        heap[:, leaves : 2 * leaves] = heap[:, 2 * leaves : 4 * leaves : 2] + heap[:, 2 * leaves + 1 : 4 * leaves : 2]
    return heap


def _levels(heap: Floats) -> list[Floats]:
    """Return the levels of heaps, the leaves first, the root last: (pools, nodes) each."""
    sizes = [1 << level for level in range((heap.shape[1] // 2).bit_length())]
    return [heap[:, size : 2 * size] for size in reversed(sizes)]


def _items(leaf: Items32, slots: Ints | None) -> Items32:
    """Return the item of each leaf, (n,); NOTHING stays what it is."""
    if slots is None or not len(slots):
        return leaf
    item = np.full(int(slots.max()) + 2, NOTHING, np.int32)  # its last is NOTHING's
    item[slots] = np.arange(len(slots), dtype=np.int32)
    return item[leaf]


def _walk(heap: Floats, chance: Floats, pool: npt.NDArray[np.int64] | None) -> Items32:
    """Return the leaf that each row of *chance* (n, levels) leads to; column j decides below level j + 1."""
    from recsim import kernels

    leaf = np.empty(len(chance), np.int32)
    pool = np.zeros(len(chance), np.int64) if pool is None else pool
    kernels.walk(heap, kernels.plain(chance, np.float64), kernels.plain(pool, np.int64), leaf)
    return leaf
