"""Training rules: which rows of the log teach the next model, and with what weight.

The shortest window among them is cut out first; then each rule takes, weighs or adds rows, in the order given, working on
what those before it left. What rules make of the log teaches one model; it is never written into the log.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.randomness import Randomness
from recsim.recipe import Recipe
from recsim.world import Origin, Rows


@dataclass(frozen=True)
class Lesson:
    """What a rule is told beside the rows.

    number: of the model to be trained. address: (users,) and items: (items,), where users' and items' random numbers live.
    log: gives all rows before the cut, from the beginning, those that the window leaves out too. rank: gives what the model in
    service ranks best for some users, (n,) running numbers: (n, k) as many items as asked for. depth: (items,), of rows that it causes.
    """

    number: int
    address: npt.NDArray[np.uint64]
    items: npt.NDArray[np.uint32]
    randomness: Randomness
    log: Callable[[], Rows]
    rank: Callable[[npt.NDArray[np.int64], int], npt.NDArray[np.int32]]
    depth: npt.NDArray[np.float64]


class Rule(Recipe):
    """A recipe that takes, weighs or adds training rows. Rows from after the cut never reach it."""

    strength: ClassVar[str] = ""
    """The setting that says how much the rule does; empty where there is none."""

    def intervals(self) -> int | None:
        """Return how many cut-to-cut intervals back from the cut the rows go; None for all."""
        return None

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows, chosen and weighed."""
        return rows


class Window(Rule):
    """Train on the last *last* cut-to-cut intervals only; 1 is "replace". Without a window rows accumulate."""

    last: int = Field(1, ge=1, description="cut-to-cut intervals counted back from the cut")

    def intervals(self) -> int | None:
        """Return the length of the window."""
        return self.last


class OriginWeights(Rule):
    """Weigh rows by the origin that their label gives: human signal first. A weight of 0 drops the rows."""

    model: float = Field(1.0, ge=0, description="weight of rows that the model ranked")
    explore: float = Field(1.0, ge=0, description="weight of rows that exploration placed")
    organic: float = Field(1.0, ge=0, description="weight of rows that people found without the feed")
    friend: float = Field(1.0, ge=0, description="weight of rows that came from friends")
    editor: float = Field(1.0, ge=0, description="weight of rows that editors placed")
    survey: float = Field(1.0, ge=0, description="weight of rows from surveys")
    panel: float = Field(1.0, ge=0, description="weight of rows from the reserved random panel")
    anchor: float = Field(1.0, ge=0, description="weight of replayed rows from before the loop")
    synthetic: float = Field(1.0, ge=0, description="weight of rows that no person produced")

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows with their weights multiplied by those of their labels, those of weight 0 left out."""
        weights = np.array([getattr(self, origin.name.lower()) for origin in Origin])
        return weighed(rows, weights[rows.label])


def weighed(rows: Rows, factor: npt.NDArray[np.float64]) -> Rows:
    """Return the rows with their weights multiplied by a factor each, those of weight 0 left out."""
    weight = rows.weight * factor
    return replace(rows, weight=weight).take(weight > 0)


def tastes(rows: Rows, users: int, topics: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (users, topics): the mean topics of each user's rows by weight; zeros for users without any."""
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((rows.weight, (rows.user, rows.item)), shape=(users, len(topics)))
    weight = np.asarray(matrix.sum(axis=1)).reshape(-1, 1)
    return np.divide(np.asarray(matrix @ topics), weight, out=np.zeros((users, topics.shape[1])), where=weight > 0)


def intervals(rules: Sequence[Rule]) -> int | None:
    """Return the shortest window among the rules; None where all rows count.

    >>> intervals([Window(last=3), OriginWeights(organic=5.0)])
    3
    """
    windows = [rule.intervals() for rule in rules]
    return min((length for length in windows if length is not None), default=None)
