"""Births: a new interest comes into the world on a day, with items about it and people who take it up.

Its topic stands behind those of people and catalogue; before its day nobody wants it and no item is about it, so that nothing
that happens before is changed by it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import Field

from recsim.catalog import Catalog, Items
from recsim.population import Own, Users
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe
from recsim.world import DAY, NOTHING, Bools, Seen, Visits

STREAM = 2**24  # items that a stream can have
PUREST = 1 - 1e-9  # share of the topic in them at most: something of all other topics is in every item
ABOUT = 0.5  # share of the topic from which on an item counts as being about it


class Birth(Recipe):
    """A new interest: its day, who takes it up, and the items about it that come out on that day.

    On that second the interests of those who take it up become (1 - weight) theta + weight (the new topic), those they were
    born with as well, so that it stays with them; people who come later take it up as they come, by the same coin. Each item is a
    mixture of *purity* of the new topic with an item as the catalogue draws it.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="what it is called in figures and tables")
    day: float = Field(ge=0, le=1e9, description="day on which it comes into the world")
    share: float = Field(0.2, ge=0, le=1, description="share of people who take it up")
    weight: float = Field(0.4, ge=0, le=1, description="share of their interests that it takes")
    items: int = Field(40, ge=0, le=STREAM, description="items about it that come out on that day")
    purity: float = Field(0.9, ge=ABOUT, le=1, description="share of the new topic in them")

    @property
    def second(self) -> int:
        """The second on which it comes into the world."""
        return round(self.day * DAY)

    def takes(self, randomness: Randomness, users: Users, place: int) -> Bools:
        """Return who takes it up, now or when she comes: (users,). place: among all births."""
        return randomness.uniform("Birth.takes", users.address, 0, place) < self.share

    def works(self, randomness: Randomness, place: int, topic: int, catalog: Catalog, topics: int) -> Items:
        """Return its items, about *topics* topics of which *topic* is the new one."""
        address = np.uint32((255 - place) * STREAM) + np.arange(self.items, dtype=np.uint32)
        like = catalog.more(randomness, address)
        purity = min(self.purity, PUREST)
        mixture = padded(like.topics, topics) * (1 - purity)
        mixture[:, topic] += purity
        return replace(like, topics=mixture, born=np.full(self.items, self.second, np.int64))


def padded(rows: Floats, topics: int) -> Floats:
    """Return rows of shares, (n, fewer), with zeros for topics that are not yet born: (n, topics)."""
    return np.concatenate([rows, np.zeros((len(rows), topics - rows.shape[1]))], axis=1)


def with_births(items: Items, births: Sequence[Birth], catalog: Catalog, randomness: Randomness) -> Items:
    """Return the items, and those that the births bring, in the order in which they come out."""
    old = items.topics.shape[1]
    items = replace(items, topics=padded(items.topics, old + len(births)))
    for place, birth in enumerate(births):
        items = items.and_(birth.works(randomness, place, old + place, catalog, old + len(births)))
    return items


def unmet(births: Sequence[Birth], users: int) -> Own:
    """Return the state columns in which it stands when users met each birth: inf, not yet."""
    return {f"{birth.name} {how}": np.full(users, np.inf) for birth in births for how in ("shown", "clicked")}


def meet(births: Sequence[Birth], own: Own, visits: Visits, seen: Seen, items: Items) -> None:
    """Note the second at which those who visit are first shown an item about each birth, and first consume one."""
    old = items.topics.shape[1] - len(births)
    for place, birth in enumerate(births):
        about = items.topics[:, old + place] >= ABOUT
        shown = (seen.items != NOTHING) & about[seen.items]
        clicked = (shown & (seen.order > 0)).any(axis=1) | ((seen.found != NOTHING) & about[seen.found])
        for how, now in (("shown", shown.any(axis=1)), ("clicked", clicked)):
            column = own[f"{birth.name} {how}"]
            column[:] = np.where(now, np.minimum(column, visits.time), column)


def discovered(births: Sequence[Birth], table: dict[str, np.ndarray[Any, Any]]) -> list[tuple[str, str, float]]:
    """Return, for each birth by name, the share of those who took it up that was shown an item about it, and that consumed
    one, as rows (group, metric, value); NaN where nobody has taken it up. table: as of `Crowd.discovery`.
    """
    rows = []
    for place, birth in enumerate(births):
        theirs = table["birth"] == place
        for metric, how in (("discovered", "shown"), ("taken_up", "clicked")):
            met = np.isfinite(table[how][theirs])
            rows.append((birth.name, metric, float(met.mean()) if len(met) else math.nan))
    return rows
