"""Random numbers with an address instead of a place in a queue: uniform(label, who, when, which).

The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 3.3). The key is made of seed and label, the counter of *which*, *when* and *who*, so any number can be had at
any time, in any order and by any thread, and two worlds that differ in one setting share every other number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint32]
Wide = npt.NDArray[np.uint64]
Address = tuple[Wide, Words, Words]  # who (n,), when (n,), which (n, k), or (1, k) where it is the same in all rows
Ints = npt.NDArray[np.int64]

_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Return the four output words of Philox4x32-10 for each counter.

    counter: four arrays (n,) of uint32, word 0 first. key: two numbers below 2**32.
    Source: Salmon et al. 2011, section 3.3; checked against the known answers of Random123.
    """
    which, when, low, high = counter
    who = low.astype(np.uint64) | (high.astype(np.uint64) << _HALF)
    words = _words(_rows(who, when, which)[1], np.array([key], np.uint64))
    return words[:, 0], words[:, 1], words[:, 2], words[:, 3]


def _words(address: Address, keys: Wide) -> Words:
    """Return the words at addresses: (n * k, 4); keys: (1, 2), or (n, 2)."""
    from recsim import kernels

    result = np.empty((len(address[0]) * address[2].shape[1], 4), np.uint32)
    kernels.words(*address, keys, result)
    return result


def _rows(who: npt.ArrayLike, when: npt.ArrayLike, which: npt.ArrayLike) -> tuple[tuple[int, ...], Address]:
    """Return the shape in which the parts of addresses broadcast, and the parts by rows: the last axis is that of *which* alone,
    or has one column.
    """
    from recsim.kernels import plain

    parts: list[np.ndarray[Any, Any]] = [np.asarray(who, np.uint64), np.asarray(when, np.uint32), np.asarray(which, np.uint32)]
    whole = shape = np.broadcast(*parts).shape
    if not shape or any(part.shape[-1:] not in ((), (1,)) for part in parts[:2]):
        parts, whole = [_as(shape, part)[..., None] if part.ndim else part for part in parts], (*shape, 1)
    one, two = (_as(whole[:-1], part[..., 0] if part.ndim else part).reshape(-1) for part in parts[:2])
    same = parts[2].size == whole[-1]
    three = (parts[2] if same else _as(whole, parts[2])).reshape(1 if same else len(one), whole[-1])
    return shape, (plain(one, np.uint64), plain(two, np.uint32), plain(three, np.uint32))


def _as(shape: tuple[int, ...], part: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a part of addresses in that shape; what has it already is spared numpy's way there, which takes a while."""
    return part if part.shape == shape else np.broadcast_to(part, shape)


@lru_cache(maxsize=65_536)
def key(seed: int, label: str) -> tuple[int, int]:
    """Return the two key words of a stream: the first eight bytes of BLAKE2b over "seed:label", little-endian."""
    digest = blake2b(f"{seed}:{label}".encode(), digest_size=8).digest()
    return int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")


@dataclass(frozen=True)
class Randomness:
    """All the random numbers of one seed, each at its address.

    who: address of a user or item, below 2**64. when: ordinal (of a visit, of a model), below 2**32.
    which: item address, position or attempt, below 2**32. All broadcast against each other as numpy arrays do.
    """

    seed: int

    def words(self, label: str, who: npt.ArrayLike, when: npt.ArrayLike = 0, which: npt.ArrayLike = 0) -> Words:
        """Return the four raw words at each address: the broadcast shape of the address, and 4, uint32."""
        shape, address = _rows(who, when, which)
        return _words(address, np.array([key(self.seed, label)], np.uint64)).reshape((*shape, 4))

    def uniform(self, label: str, who: npt.ArrayLike, when: npt.ArrayLike = 0, which: npt.ArrayLike = 0) -> Floats:
        """Return numbers strictly between 0 and 1, of 52 random bits from words 0 and 1, in the shape of the address.

        >>> r = Randomness(seed=1)
        >>> everyone = r.uniform("example", who=np.arange(4), when=7)
        >>> bool(everyone[2] == r.uniform("example", who=2, when=7))
        True
        """
        from recsim import kernels

        shape, address = _rows(who, when, which)
        k0, k1 = key(self.seed, label)
        result = np.empty(len(address[0]) * address[2].shape[1])
        kernels.uniform(*address, np.uint64(k0), np.uint64(k1), result)
        return result.reshape(shape)

    def block(self, label: str, who: npt.ArrayLike, when: npt.ArrayLike, count: int) -> Floats:
        """Return *count* numbers strictly between 0 and 1 for each who and when, of 32 random bits: (n, count).

        Number j is word j % 4 at which = j // 4, so that asking for more does not change those that were there.
        """
        who, when = (np.atleast_1d(part)[:, None] for part in (who, when))
        words = self.words(label, who, when, np.arange(-(-count // 4)))
        return (words.reshape(len(words), 4 * words.shape[1])[:, :count].astype(np.float64) + 0.5) * 2.0**-32

    def blocks(self, labels: Sequence[str], nth: Ints, who: npt.ArrayLike, when: npt.ArrayLike, count: int) -> Floats:
        """Return what `block` returns, (n, count), where row i has the label labels[nth[i]]: many streams in one call."""
        keys = np.array([key(self.seed, label) for label in labels], np.uint64).reshape(-1, 2)
        wide = -(-count // 4)
        who, when = (np.atleast_1d(part)[:, None] for part in (who, when))
        address = _rows(who, when, np.arange(wide))[1]
        words = _words(address, np.ascontiguousarray(keys[nth])).reshape(len(nth), 4 * wide)
        return (words[:, :count].astype(np.float64) + 0.5) * 2.0**-32

    def exponential(self, label: str, who: npt.ArrayLike, when: npt.ArrayLike = 0, which: npt.ArrayLike = 0) -> Floats:
        """Return standard exponential numbers: -log of `uniform` at the same address."""
        return -np.log(self.uniform(label, who, when, which))

    def integer(self, label: str, who: int = 0, when: int = 0) -> int:
        """Return one whole number in [0, 2**31), to seed a library that wants a seed of its own."""
        return int(self.uniform(label, who, when) * 2**31)

