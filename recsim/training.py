"""Training rules: which rows of the log teach the next model, and with what weight.

The shortest window among them is cut out first; then each rule weighs what is left, in the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from recsim.recipe import Recipe
from recsim.world import Origin, Rows


class Rule(Recipe):
    """A recipe that chooses or weighs training rows. Rows from after the cut never reach it."""

    def intervals(self) -> int | None:
        """Return how many cut-to-cut intervals back from the cut the rows go; None for all."""
        return None

    def apply(self, rows: Rows) -> Rows:
        """Return the rows, chosen and weighed."""
        return rows


class Window(Rule):
    """Train on the last *last* cut-to-cut intervals only; 1 is "replace". Without a window rows accumulate."""

    last: int = Field(1, ge=1, description="cut-to-cut intervals counted back from the cut")

    def intervals(self) -> int | None:
        """Return the length of the window."""
        return self.last


class OriginWeights(Rule):
    """Weigh rows by their origin: human signal first. A weight of 0 drops the rows."""

    model: float = Field(1.0, ge=0, description="weight of rows that the model ranked")
    explore: float = Field(1.0, ge=0, description="weight of rows that exploration placed")
    organic: float = Field(1.0, ge=0, description="weight of rows that people found without the feed")
    friend: float = Field(1.0, ge=0, description="weight of rows that came from friends")
    editor: float = Field(1.0, ge=0, description="weight of rows that editors placed")
    survey: float = Field(1.0, ge=0, description="weight of rows from surveys")
    panel: float = Field(1.0, ge=0, description="weight of rows from the reserved random panel")
    anchor: float = Field(1.0, ge=0, description="weight of replayed rows from before the loop")
    synthetic: float = Field(1.0, ge=0, description="weight of rows that no person produced")

    def apply(self, rows: Rows) -> Rows:
        """Return the rows with their weights multiplied by those of their origins, those of weight 0 left out."""
        weights = np.array([getattr(self, origin.name.lower()) for origin in Origin])
        weight = rows.weight * weights[rows.origin]
        return take(replace(rows, weight=weight), weight > 0)


def take(rows: Rows, keep: np.ndarray) -> Rows:
    """Return some of the rows."""
    return Rows(**{name: column[keep] for name, column in vars(rows).items()})


def intervals(rules: Sequence[Rule]) -> int | None:
    """Return the shortest window among the rules; None where all rows count.

    >>> intervals([Window(last=3), OriginWeights(organic=5.0)])
    3
    """
    windows = [rule.intervals() for rule in rules]
    return min((length for length in windows if length is not None), default=None)
