"""Tiles: visits that are served together, and how far what came of those before must have been written down first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from recsim.world import Visits

TILE, LEAST = 16384, 1024  # visits a tile at most; and fewer, down to so many, where all threads are to have work


class Tile(NamedTuple):
    """Visits that are served together, once what came of the first *after* tiles has been written down."""

    visits: Visits
    after: int


def tiles(rounds: Iterable[Visits], size: int, threads: int) -> Iterator[Tile]:
    """Yield the tiles, of *size* visits at most, of rounds: each one visit of some users, ascending, who are all in the first of
    them; or of a single round in any order.

    Rounds are cut between the same users, the shorter ones into fewer parts, each of which is several of a longer round. So a
    tile waits for those up to the one in which the last of its users has visited before, and not for the whole round.
    """
    first, begun, ends, done = np.zeros(0, np.int64), 0, np.zeros(0, np.int64), np.zeros(0, np.int64)
    for number, visits in enumerate(rounds):
        first = first if number else visits.user
        parts = _parts(len(visits), size, threads)
        before, ends = (ends, done), len(first) * np.arange(1, parts + 1) // parts
        cuts = np.append(np.searchsorted(visits.user, first[ends[:-1]]), len(visits)) if number else ends
        after = before[1][np.searchsorted(before[0], ends)] if number else np.zeros(parts, np.int64)
        done = begun + np.cumsum(-(-np.diff(cuts, prepend=0) // size))
        begun = int(done[-1])
        for start, end, wanted in zip(np.append(0, cuts[:-1]).tolist(), cuts.tolist(), after.tolist(), strict=True):
            for place in range(start, end, size):  # once, but where those who come again are neighbours
                yield Tile(visits.take(slice(place, min(place + size, end))), wanted)


def _parts(visits: int, size: int, threads: int) -> int:
    """Return into how many parts a round is cut: a power of two, so that the cuts of fewer are among those of more."""
    wanted = max(1, -(-visits // size), min(2 * threads, visits // LEAST) if threads > 1 else 1)
    return 1 << (wanted - 1).bit_length()


def at_once(threads: int, users: int) -> int:
    """Return how many tiles are served at a time where all users visit about once at a time."""
    return min(threads, max(1, users // LEAST))
