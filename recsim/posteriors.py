"""Posteriors: Beta distributions of the click rates of all items, tabulated so that the highest of many samples is exact."""

from __future__ import annotations

import numpy as np
from scipy.special import betainc, digamma, expit, log_ndtr, ndtri, polygamma

from recsim.lottery import Lottery
from recsim.randomness import Floats
from recsim.world import Ints, Items32

_FLOOR = 64  # of -log F: e^-64 is far below the least random number, 2^-53
_LEVELS, _LOWEST, _HIGHEST = 16, 1e-4, 40.0  # of -log of a product: there the highest sample lies, but for 1e-4 of the chance
_FIRST = 16  # so many of the best items are taken out one by one
_HALVINGS = 24
_POINTS = 448  # of a grid, with those of single kinds


class Posteriors:
    """The Beta posteriors of all items, tabulated: log F_i on a grid of click rates from 0 to 1, a straight line
    between points.

    clicks, misses: (items,), the two parameters. log_below: (items, points), not below -64, where a chance is below
    what a random number can tell from 0; in whole multiples of a power of two, so small that all sums and differences
    of them are exact.
    """

    def __init__(self, clicks: Floats, misses: Floats) -> None:
        kinds, kind, number = np.unique(np.stack([clicks, misses], axis=1), axis=0, return_inverse=True, return_counts=True)
        self.grid = _grid(kinds[:, 0], kinds[:, 1], number)
        below = betainc(kinds[:, :1], kinds[:, 1:], self.grid)
        unit = 2.0 ** (_FLOOR.bit_length() + len(clicks).bit_length() - 53)
        table = np.rint(np.log(np.maximum(below, np.exp(-_FLOOR))) / unit) * unit
        self.log_below: Floats = np.maximum.accumulate(table, axis=1)[kind.ravel()]
        self.rise: Floats = np.diff(self.log_below, axis=1)
        self._cells: Lottery | None = None

    def cells(self, slots: Ints | None) -> Lottery:
        """Return a lottery over the items, which stand in some slots, in proportion to their rises, one pool a cell."""
        if self._cells is None:
            self._cells = Lottery(np.ascontiguousarray(self.rise.T), slots)
        return self._cells

    def sums(self, rows: int, row: Ints, item: Items32) -> Floats:
        """Return the sum of the logarithms of the given items of each row, each once: (rows, points)."""
        from scipy.sparse import csr_matrix

        pairs = np.unique(row * len(self.log_below) + item)
        where = np.divmod(pairs, len(self.log_below))
        return np.asarray(csr_matrix((np.ones(len(pairs)), where), shape=(rows, len(self.log_below))) @ self.log_below)


def _grid(clicks: Floats, misses: Floats, number: Ints) -> Floats:
    """Return click rates from 0 to 1 at which posteriors of some kinds, (kinds,), of each so many items, are to be
    tabulated.

    What counts is where the highest sample lies, of all items, and of those left when the best are placed or
    consumed. For the catalogue without its best 0, 1, ..., 15, 16, 32, 64, ... items the grid takes the rates at which
    -log of the product of the distribution functions is one of some levels, evenly spaced in the logarithm; then, while
    there is room, quantiles of single kinds, the best first. In all this a logistic normal distribution stands for each
    Beta: the grid need not be exact.
    """
    mean, deviation = digamma(clicks) - digamma(misses), np.sqrt(polygamma(1, clicks) + polygamma(1, misses))
    order = np.argsort(-mean, kind="stable")
    mean, deviation, upto = mean[order], deviation[order], np.cumsum(number[order])
    without = np.unique(np.append(np.arange(_FIRST), 2 ** np.arange(int(upto[-1] - 1).bit_length())))
    without = without[without < upto[-1]]
    left = np.clip(upto - without[:, None], 0, number[order]).astype(np.float64)
    levels = np.geomspace(_HIGHEST, _LOWEST, _LEVELS)
    low = np.full((len(without), _LEVELS), float((mean - 40 * deviation).min()))
    high = np.full(low.shape, float((mean + 40 * deviation).max()))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        over = -(log_ndtr((middle[:, :, None] - mean) / deviation) * left[:, None, :]).sum(axis=2) > levels
        low, high = np.where(over, middle, low), np.where(over, high, middle)
    room = max(0, _POINTS - low.size)
    each = max(1, room // len(mean))
    own = ndtri(np.exp(-np.geomspace(_HIGHEST / 2, _LOWEST * 100, each + 2)[1:-1]))
    kinds = (mean[:, None] + deviation[:, None] * own)[: room // each]
    inside = np.unique(expit(np.append(low, kinds)))
    return np.concatenate([[0.0], inside[(inside > 0) & (inside < 1)], [1.0]])
