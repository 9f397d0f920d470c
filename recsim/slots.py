"""Slots: a policy that gives each position of a slate to a named slot with a set of its own."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from recsim.candidates import as_best, even, tail
from recsim.lottery import Lottery
from recsim.policies import Greedy, Placing, Policy
from recsim.randomness import Floats
from recsim.world import Items32, Origin, Ranking, Visits

Slot = Literal["match", "fresh", "tail", "explore", "editor"]


class Slots(Policy):
    """Give each position to a named slot, as the pattern says, repeated where the slate is longer.

    match: the best item left of the ranking. Uniform among what is left of a set: fresh: the items that were shown
    less than *fresh_below* times, as published; tail: the items outside the head, which is the fewest items that
    together hold 80 % of the published counts, the most counted first, ties to the lower item; explore: all items;
    editor: what the editors picked last, which needs the signal EditorPicks. A slot of whose set nothing is left is a
    match. The head is cut where the figures of this package cut it. Origin: EXPLORE for fresh, tail and explore,
    since the policy put the item there without asking the model; EDITOR for editor, since a person chose it; MODEL
    for match. Propensity, exact: 1 over the number of items left in the set, or that of the match; a set may hold the
    best item too, but which slot a position belongs to is known. Full support only where the slot is explore.
    """

    pattern: tuple[Slot, ...] = Field(("match", "match", "tail"), min_length=1, description="slots, from the top of the slate")
    fresh_below: float = Field(10.0, gt=0, description="impressions below which an item is fresh")

    @field_validator("pattern", mode="before")
    @classmethod
    def _listed(cls, pattern: object) -> object:
        return tuple(pattern) if isinstance(pattern, list) else pattern

    def _slot(self, visits: Visits, ranking: Ranking, placed: Items32) -> tuple[str, Lottery]:
        """Return the slot of the next position, and a lottery over its set, in which a match has nothing."""
        name, published = self.pattern[placed.shape[1] % len(self.pattern)], ranking.published
        if name == "explore":
            return name, even(visits, ranking)
        inside: dict[str, tuple[Any, Any]] = {
            "match": ("", lambda: np.zeros(len(published.counts))),
            "fresh": (self.fresh_below, lambda: published.impressions < self.fresh_below),
            "tail": ("", lambda: tail(published.counts)),
            "editor": (ranking.picks.tolist(), lambda: np.isin(np.arange(len(published.counts)), ranking.picks)),
        }
        detail, make = inside[name]
        return name, published.once(f"Slots.{name} {detail}", lambda: Lottery(make(), visits.slots))

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return an item of the slot's set, where any is left; else the best item left."""
        name, lottery = self._slot(visits, ranking, placed)
        item, origin = Greedy().place(visits, ranking, placed)
        rows = np.flatnonzero(lottery.left(visits, placed) > 0)
        if len(rows):
            item[rows] = lottery.pick(visits.take(rows), f"Slots.{name}@{placed.shape[1]}", placed[rows])
            origin[rows] = Origin.EDITOR if name == "editor" else Origin.EXPLORE
        return item, origin

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return 1 over the number of items left in the slot's set for those in it; where none is left, that of a
        match.
        """
        _, lottery = self._slot(visits, ranking, placed)
        drawn = lottery.left(visits, placed) > 0
        share = lottery.share(visits, placed, item)
        return share if drawn.all() else np.where(drawn, share, as_best(visits, ranking, placed, item))
