"""Random numbers with an address instead of a place in a queue: uniform(label, who, when, which).

The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 3.3). The key is made of seed and label, the counter of *which*, *when* and *who*, so any number can be had at
any time, in any order and by any thread, and two worlds that differ in one setting share every other number.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint32]
Wide = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
_CHUNK = 16384  # counters worked on at a time, so that the buffers stay in the processor's cache


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[Any, Any]) -> tuple[Words, Words, Words, Words]:
    """Return the four output words of Philox4x32-10 for each counter.

    counter: four arrays (n,) of uint32, word 0 first. key: two numbers below 2**32, or two arrays (n,) of such.
    Source: Salmon et al. 2011, section 3.3; checked against the known answers of Random123.
    """
    c0, c1, c2, c3 = _rounds(counter, key)
    return c0.astype(np.uint32), c1.astype(np.uint32), c2.astype(np.uint32), c3.astype(np.uint32)


def _rounds(counter: tuple[Any, Any, Any, Any], key: tuple[Any, Any]) -> tuple[Wide, Wide, Wide, Wide]:
    """Return the same as `philox`, in 64 bits a word."""
    c0, c1, c2, c3 = (word.astype(np.uint64) for word in counter)
    p0, p1 = np.empty_like(c0), np.empty_like(c0)
    k0, k1 = (np.asarray(word, np.uint64)[()] for word in key)
    for _ in range(10):  # in place: fresh arrays would cost more than the arithmetic
        np.multiply(c0, _MULTIPLIERS[0], out=p0)
        np.multiply(c2, _MULTIPLIERS[1], out=p1)
        np.right_shift(p1, _HALF, out=c0)
        c0 ^= c1
        c0 ^= k0
        np.right_shift(p0, _HALF, out=c2)
        c2 ^= c3
        c2 ^= k1
        np.bitwise_and(p1, _LOW, out=c1)
        np.bitwise_and(p0, _LOW, out=c3)
        k0, k1 = (k0 + _WEYL[0]) & _LOW, (k1 + _WEYL[1]) & _LOW
    return c0, c1, c2, c3


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
        shape, parts = self._at(label, who, when, which)
        result = np.empty((math.prod(shape), 4), np.uint32)
        for part, words in parts:
            for word, column in enumerate(words):
                result[part, word] = column
        return result.reshape((*shape, 4))

    def _at(
        self, label: str, who: npt.ArrayLike, when: npt.ArrayLike, which: npt.ArrayLike
    ) -> tuple[tuple[int, ...], Iterator[tuple[slice, tuple[Wide, Wide, Wide, Wide]]]]:
        """Return the shape of the address, and the words at it, part by part as they lie in memory."""
        address = np.broadcast_arrays(np.asarray(who, np.uint64), np.asarray(when, np.uint32), np.asarray(which, np.uint32))
        shape, stream = address[0].shape, key(self.seed, label)
        who, when, which = (part.ravel() for part in address)
        parts = [slice(start, start + _CHUNK) for start in range(0, who.size, _CHUNK)]
        return shape, (
            (part, _rounds((which[part], when[part], who[part] & _LOW, who[part] >> _HALF), stream)) for part in parts
        )

    def uniform(self, label: str, who: npt.ArrayLike, when: npt.ArrayLike = 0, which: npt.ArrayLike = 0) -> Floats:
        """Return numbers strictly between 0 and 1, of 52 random bits from words 0 and 1, in the shape of the address.

        >>> r = Randomness(seed=1)
        >>> everyone = r.uniform("example", who=np.arange(4), when=7)
        >>> bool(everyone[2] == r.uniform("example", who=2, when=7))
        True
        """
        shape, parts = self._at(label, who, when, which)
        result = np.empty(math.prod(shape))
        for part, words in parts:
            result[part] = ((words[1] << _HALF) | words[0]) >> np.uint64(12)
        result += 0.5
        result *= 2.0**-52
        return result.reshape(shape)

    def block(self, label: str, who: npt.ArrayLike, when: npt.ArrayLike, count: int) -> Floats:
        """Return *count* numbers strictly between 0 and 1 for each who and when, of 32 random bits: (n, count).

        Number j is word j % 4 at which = j // 4, so that asking for more does not change those that were there.
        """
        who, when = np.broadcast_arrays(np.asarray(who, np.uint64), np.asarray(when, np.uint32))
        words = self.words(label, who[:, None], when[:, None], np.arange(-(-count // 4)))
        return (words.reshape(len(who), 4 * words.shape[1])[:, :count].astype(np.float64) + 0.5) * 2.0**-32

    def blocks(self, labels: Sequence[str], nth: Ints, who: npt.ArrayLike, when: npt.ArrayLike, count: int) -> Floats:
        """Return what `block` returns, (n, count), where row i has the label labels[nth[i]]: many streams in one call."""
        keys = np.array([key(self.seed, label) for label in labels], np.uint64).reshape(-1, 2)
        who, when = np.broadcast_arrays(np.asarray(who, np.uint64), np.asarray(when, np.uint32))
        wide = -(-count // 4)
        result = np.empty((len(nth), wide, 4), np.uint32)
        step = max(1, _CHUNK // max(1, wide))
        for start in range(0, len(nth), step):
            part = slice(start, start + step)
            rows = len(nth[part])
            low, high, row_when, k0, k1 = (
                np.repeat(column, wide)
                for column in (who[part] & _LOW, who[part] >> _HALF, when[part], *keys[nth[part]].T)
            )
            for word, column in enumerate(philox((np.tile(np.arange(wide), rows), row_when, low, high), (k0, k1))):
                result[part, :, word] = column.reshape(rows, wide)
        return (result.reshape(len(nth), 4 * wide)[:, :count].astype(np.float64) + 0.5) * 2.0**-32

    def exponential(self, label: str, who: npt.ArrayLike, when: npt.ArrayLike = 0, which: npt.ArrayLike = 0) -> Floats:
        """Return standard exponential numbers: -log of `uniform` at the same address."""
        return -np.log(self.uniform(label, who, when, which))

    def integer(self, label: str, who: int = 0, when: int = 0) -> int:
        """Return one whole number in [0, 2**31), to seed a library that wants a seed of its own."""
        return int(self.uniform(label, who, when) * 2**31)
