"""Creators: who makes the items that come out while the world goes on, and when.

When somebody may release something is settled before the world begins, so that two arms have the same items on every day.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.catalog import Catalog, Items
from recsim.errors import RecsimError
from recsim.randomness import Randomness
from recsim.recipe import Recipe
from recsim.world import DAY

STREAM = 2**24  # items that a stream can have


class Creators(Recipe):
    """A recipe for one stream of releases: at day from_day + every, from_day + 2 every, ..., before to_day."""

    every: float = Field(1.0, ge=1 / DAY, description="days between the moments at which something may be released")
    from_day: float = Field(0.0, ge=0, description="day from which they work; the first release is a moment later")
    to_day: float = Field(float("inf"), ge=0, allow_inf_nan=True, description="day before which the last release is")

    def works(self, randomness: Randomness, stream: int, catalog: Catalog, days: float) -> Items:
        """Return what they release before the run ends, in order, their random numbers living in a *stream* of their own."""
        raise NotImplementedError

    def moments(self, days: float) -> npt.NDArray[np.int64]:
        """Return the seconds of all moments of a run: (moments,)."""
        end = min(days, self.to_day)
        number = np.arange(1, max(0, int((end - self.from_day) / self.every)) + 2)
        seconds = np.round((self.from_day + number * self.every) * DAY).astype(np.int64)
        return seconds[seconds < end * DAY]


class Releases(Creators):
    """More of what the catalogue holds: *items* at each moment, of the same distribution."""

    items: float = Field(1.0, ge=0, description="items released at each moment; a fraction is the probability of one more")

    def works(self, randomness: Randomness, stream: int, catalog: Catalog, days: float) -> Items:
        """Return the items, each drawn at its own address."""
        seconds = self.moments(days)
        one_more = randomness.uniform("Releases.one", stream, np.arange(len(seconds))) < self.items % 1
        number = int(self.items) + one_more
        if number.sum() > STREAM:
            raise RecsimError(f"creators: would release {number.sum()} items, a stream holds {STREAM}; let them release less")
        address = np.uint32(stream * STREAM) + np.arange(number.sum(), dtype=np.uint32)
        return replace(catalog.more(randomness, address), born=np.repeat(seconds, number))
