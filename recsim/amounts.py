"""Amounts: the counts, masses and pairs that measures accept, and what several of them make of these.

Sums are numpy's own, never those of a linear-algebra library, whose last bits depend on its number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim.ahead import ahead
from recsim.errors import RecsimError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_LN2 = math.log(2)
_TINY = 1e-250  # far from where numbers vanish, as its inverse is from where they overflow
_ROWS = 4096  # worked on at a time, so that they stay in the processor's cache


def numbers(name: str, values: npt.ArrayLike, dimensions: int | None = None) -> Floats:
    """Return the values as float64, or say what is wrong: two passes over them, for the least and the greatest."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise RecsimError(f"{name}: holds {array.dtype}, not numbers; give an array of numbers")
    if dimensions is not None and array.ndim != dimensions:
        raise RecsimError(f"{name}: has {array.ndim} dimensions instead of {dimensions}; its shape is {array.shape}")
    least, greatest = array.min(initial=0), array.max(initial=0)
    if least < 0:
        raise RecsimError(f"{name}: {least:g} is below 0; counts start at 0")
    if not np.isfinite(greatest):
        raise RecsimError(f"{name}: {greatest:g} is not finite; replace or drop it first")
    return array.astype(np.float64, copy=False)


def amounts(name: str, values: npt.ArrayLike, like: int | None = None, of: str = "items") -> Floats:
    """Return one non-negative number for each item: (items,) float64; *like*: how many there must be, *of* what."""
    array = numbers(name, values, dimensions=1)
    if like is not None and len(array) != like:
        raise RecsimError(f"{name}: there are {len(array)} for {like} {of}; give one number for each")
    return array


def whole(name: str, values: npt.ArrayLike) -> Floats:
    """Return whole non-negative numbers, one for each item: (items,) float64."""
    array = amounts(name, values)
    if (array != np.floor(array)).any():
        raise RecsimError(f"{name}: some are not whole numbers; give the number of clicks of each item, without weights")
    return array


def codes(name: str, values: npt.ArrayLike, below: int | None = None, dimensions: int = 1, least: int = 0) -> Ints:
    """Return places as int64, each from *least* on and *below* a number where one is given."""
    array = np.asarray(values)
    if not array.size:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise RecsimError(f"{name}: holds {array.dtype}, not places; number them from 0 on, by pandas.factorize for instance")
    if array.ndim != dimensions:
        raise RecsimError(f"{name}: has {array.ndim} dimensions instead of {dimensions}; its shape is {array.shape}")
    if array.min(initial=0) < least:
        raise RecsimError(f"{name}: {array.min()} is below {least}; places start at 0")
    if below is not None and array.max(initial=-1) >= below:
        raise RecsimError(f"{name}: {array.max()} is no place among {below}; they end at {below - 1}")
    return array.astype(np.int64, copy=False)


def volume(items: int, draws: int) -> None:
    """Say what is wrong with a number of items or draws."""
    if not 1 <= items < math.inf:
        raise RecsimError(f"items: {items} is not a number of items; give at least 1")
    if not 0 <= draws < math.inf:
        raise RecsimError(f"draws: {draws} is not a number of draws; give at least 0")


def share_of(name: str, share: float, of: str) -> float:
    """Return a number above 0 and at most 1, or say what is wrong with it."""
    if not 0 < share <= 1:
        raise RecsimError(f"{name}: {share} is not a share of {of}; give a number above 0, at most 1")
    return share


def ratio(part: float, whole: float) -> float:
    """Return part / whole, and NaN where there is nothing to divide by."""
    return part / whole if whole else math.nan


def mean(values: Floats) -> float:
    """Return the mean of those that are not NaN; NaN where there are none."""
    there = values[~np.isnan(values)]
    return ratio(float(there.sum()), len(there))


def by_rows(work: Callable[..., Floats], *tables: npt.NDArray[Any], threads: int = 1) -> Floats:
    """Return what *work* makes of tables of the same rows, some at a time, in threads: (rows, ...)."""
    starts = range(0, max(1, len(tables[0])), _ROWS)
    parts = (tuple(table[start : start + _ROWS] for table in tables) for start in starts)
    return np.concatenate(list(ahead(lambda part: work(*part), parts, threads=threads)))


def rows(user: npt.ArrayLike, item: npt.ArrayLike) -> tuple[Ints, Ints]:
    """Return the users and items of a log, one of each a row: two arrays (rows,) of whole numbers from 0 on, below 2**31."""
    who, what = codes("user", user, below=2**31), codes("item", item, below=2**31)
    if len(who) != len(what):
        raise RecsimError(f"item: there are {len(what)} for {len(who)} rows; give one user and one item a row")
    return who, what


def sets(user: npt.ArrayLike, item: npt.ArrayLike) -> tuple[Ints, Ints]:
    """Return the distinct pairs of a log, sorted by user and item: two arrays (pairs,). It takes what `rows` takes.

    >>> [column.tolist() for column in sets([1, 0, 1, 1], [3, 2, 3, 0])]
    [[0, 1, 1], [2, 0, 3]]
    """
    who, what = rows(user, item)
    pairs = np.sort(who << 31 | what)
    pairs = pairs[np.diff(pairs, prepend=-1) > 0]  # quicker than numpy.unique
    return pairs >> 31, pairs & (2**31 - 1)


def jensen_shannon(p: npt.ArrayLike, q: npt.ArrayLike) -> Floats:
    """Return how far the rows of two tables of masses are apart: (rows,), 0 the same shares, 1 nothing in common.

    H((p + q) / 2) - (H(p) + H(q)) / 2, H the entropy in bits, each row scaled to sum to 1; its square root is a metric.

    p, q: (rows, kinds) non-negative. Range 0 to 1, in bits. NaN for rows of which one has no mass.
    Source: Lin 1991, "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37(1).

    >>> jensen_shannon([[1, 1], [3, 0], [0, 0]], [[5, 5], [0, 2], [1, 1]]).tolist()
    [0.0, 1.0, nan]
    """
    p, q = numbers("p", p, dimensions=2), numbers("q", q, dimensions=2)
    if p.shape != q.shape:
        raise RecsimError(f"q: its shape is {q.shape}, that of p {p.shape}; give the same rows and kinds")
    there = (row_sums(p) > 0) & (row_sums(q) > 0)
    p, q = (_shares(table if there.all() else table[there]) for table in (p, q))
    middle = (p + q) / 2
    apart = row_sums(_gain(p, middle) + _gain(q, middle)) / 2
    result = np.full(len(there), np.nan)
    result[there] = np.clip(apart, 0.0, 1.0)  # by rounding alone it would end a bit outside
    return result


def _shares(masses: Floats) -> Floats:
    """Return rows scaled to sum to 1, first by their greatest where a sum would overflow or vanish."""
    total = row_sums(masses)
    if not ((total > _TINY) & (total < 1 / _TINY)).all():
        masses = masses / masses.max(axis=1, keepdims=True, initial=0)
        total = row_sums(masses)
    return np.asarray(masses / total[:, None], np.float64)


def row_sums(table: Floats) -> Floats:
    """Return the sum of each row: (rows,); several times as fast for short rows as numpy's sum."""
    return np.asarray(np.einsum("rc->r", table), np.float64)


def _gain(p: Floats, middle: Floats) -> Floats:
    """Return p log2(p / middle), 0 where there is no p; by the natural logarithm, which is several times as fast."""
    none = p == 0  # log(1) is 0 there, and costs a third of what leaving them out does
    return np.asarray(p * (np.log(p / (middle + none) + none) / _LN2), np.float64)


def deciles(demand: npt.ArrayLike, groups: int = 10) -> Ints:
    """Return in which of ten equal groups each item is by demand: (items,), 0 the least demanded, 9 the most.

    floor(groups * r / items), r = (items with less demand) + (others with as much) / 2: items alike in demand are in the
    same group, whatever their numbers. Groups are equal in items, not in demand.

    demand: (items,) non-negative. Raises RecsimError for anything else. Source: quantile groups by mid-ranks.

    >>> deciles([5, 0, 1, 2], groups=2).tolist(), deciles([1, 1, 1, 9], groups=4).tolist()
    ([1, 0, 0, 1], [1, 1, 1, 3])
    """
    wanted = amounts("demand", demand)
    if groups < 1:
        raise RecsimError(f"groups: {groups} is not a number of groups; give at least 1")
    _, place, alike = np.unique(wanted, return_inverse=True, return_counts=True)
    below = np.cumsum(alike) - alike
    return np.asarray(groups * (2 * below + alike - 1)[place] // max(1, 2 * len(wanted)), np.int64)
