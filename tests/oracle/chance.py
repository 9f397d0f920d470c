"""Chance: random numbers that have addresses, and draws from a catalogue by them."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from .arithmetic import log

TRIES = 32


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the four words of Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011) at one counter."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ k, right & 0xFFFFFFFF, (left >> 32) ^ d ^ m, left & 0xFFFFFFFF
        k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


class Numbers:
    """All random numbers of one seed, each at its address: label, who, when, which."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.keys: dict[str, tuple[int, int]] = {}

    def words(self, label: str, who: int, when: int, which: int) -> tuple[int, int, int, int]:
        """Return the four words at an address."""
        if label not in self.keys:
            key = hashlib.blake2b(f"{self.seed}:{label}".encode(), digest_size=8).digest()
            self.keys[label] = struct.unpack("<II", key)
        return philox((which, when, who & 0xFFFFFFFF, who >> 32), self.keys[label])

    def uniform(self, label: str, who: int, when: int = 0, which: int = 0) -> float:
        """Return a number in (0, 1) of 52 bits."""
        words = self.words(label, who, when, which)
        return (((words[1] << 32 | words[0]) >> 12) + 0.5) * 2.0**-52

    def exponential(self, label: str, who: int, when: int = 0, which: int = 0) -> float:
        """Return an exponential number of mean 1."""
        return -log(self.uniform(label, who, when, which))

    def block(self, label: str, who: int, when: int, count: int) -> list[float]:
        """Return *count* numbers in (0, 1) of 32 bits."""
        words = [word for which in range(math.ceil(count / 4)) for word in self.words(label, who, when, which)]
        return [(word + 0.5) * 2.0**-32 for word in words[:count]]


class Tree:
    """Weights of items, and above them the sums of pairs: `levels[0]` are the leaves, the last level is the root.

    leaves: the leaf of each item, of at least as many as there are weights; where none are given item i has leaf i.
    """

    def __init__(self, weights: list[float], leaves: list[int] | None = None) -> None:
        self.weights = weights
        self.leaves = list(range(len(weights))) if leaves is None else leaves[: len(weights)]
        size = 1
        while size <= max(self.leaves, default=0):
            size *= 2
        self.levels = [[0.0] * size]
        for leaf, weight in zip(self.leaves, weights, strict=True):
            self.levels[0][leaf] = weight
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([below[i] + below[i + 1] for i in range(0, len(below), 2)])

    def item(self, numbers: list[float]) -> int | None:
        """Return the item where the way down ends, given one number a level; None where all weights are 0."""
        if self.root == 0:
            return None
        node = 0
        for level in reversed(range(len(self.levels) - 1)):
            left, right = self.levels[level][2 * node], self.levels[level][2 * node + 1]
            node = 2 * node + (numbers[level] * (left + right) >= left and right > 0)
        return self.leaves.index(node)

    @property
    def root(self) -> float:
        """The sum of all weights, as the tree adds them up."""
        return self.levels[-1][0]

    def only(self, allowed: Callable[[int], bool]) -> Tree:
        """Return the tree with the weights of all other items set to 0."""
        return Tree([weight if allowed(item) else 0.0 for item, weight in enumerate(self.weights)], self.leaves)


@dataclass
class Visit:
    """One visit of one user, and the random numbers that are hers in it; or another draw that has an address like hers.

    who: the address; user: who it is of all people, -1 for nobody.
    """

    numbers: Numbers
    who: int
    ordinal: int
    user: int = -1
    second: int = -1

    def uniform(self, label: str, which: int = 0) -> float:
        """Return a number in (0, 1)."""
        return self.numbers.uniform(label, self.who, self.ordinal, which)

    def exponential(self, label: str, which: int = 0) -> float:
        """Return an exponential number of mean 1."""
        return self.numbers.exponential(label, self.who, self.ordinal, which)

    def block(self, label: str, count: int) -> list[float]:
        """Return *count* numbers in (0, 1)."""
        return self.numbers.block(label, self.who, self.ordinal, count)

    def draw(self, label: str, tree: Tree) -> int | None:
        """Return one item, each in proportion to its weight."""
        return tree.item(self.block(label, len(tree.levels) - 1))

    def pick(self, label: str, tree: Tree, allowed: Callable[[int], bool]) -> int | None:
        """Return one allowed item, each in proportion to its weight."""
        for attempt in range(TRIES):
            item = self.draw(f"{label}#{attempt}", tree)
            if item is not None and allowed(item):
                return item
        return self.draw(f"{label}#rest", tree.only(allowed))
