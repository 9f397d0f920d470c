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


def plain(values: npt.ArrayLike, dtype: type[np.generic]) -> np.ndarray[Any, Any]:
    """Return values as the kernels want them: of that type, row by row, and not write-protected."""
    return np.require(np.asarray(values), dtype, ("C", "W"))


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


@compiled("void(u8[::1], u4[::1], u4[::1], u8[:,::1], u4[:,::1])")
def words(who: Any, when: Any, which: Any, keys: Any, result: Any) -> None:
    """Put into *result* (n, 4) the words at each address, all (n,); keys: (1, 2), or (n, 2) where each has one of its own."""
    step = 1 if len(keys) > 1 else 0
    for row in range(len(result)):
        key = keys[step * row]
        c0, c1, c2, c3 = _philox(which[row], when[row], who[row], key[0], key[1])
        result[row, 0], result[row, 1], result[row, 2], result[row, 3] = c0, c1, c2, c3


@compiled("void(u8[::1], u4[::1], u4[::1], u8, u8, f8[::1])")
def uniform(who: Any, when: Any, which: Any, k0: Any, k1: Any, result: Any) -> None:
    """Put into *result* (n,) a number between 0 and 1 at each address, of 52 bits of words 1 and 0."""
    for row in range(len(result)):
        c0, c1, _, _ = _philox(which[row], when[row], who[row], k0, k1)
        result[row] = (np.float64(((c1 << _HALF) | c0) >> _TWELVE) + 0.5) * 2.0**-52


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
