"""Policies: from a ranking to a slate, filled from the top, never twice the same item, with exact propensities.

A policy sees the ranking and what the platform published with the model. It draws its chance by address: label, visit
and position. It says two things: which item it puts next, and how likely it was to put any given item there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.lottery import Lottery
from recsim.randomness import Floats
from recsim.recipe import Recipe
from recsim.world import NOTHING, Ints, Items32, Origin, Ranking, Slate, Visits, filled

Placing = tuple[Items32, npt.NDArray[np.int8]]  # the next item of each visit, and its origin


class Policy(Recipe):
    """A recipe that turns a ranking into a slate: `place` says what comes next, `chance` how likely that was."""

    strength: ClassVar[str] = ""
    """The setting that says how much a policy departs from the ranking, 0 being not at all; empty where there is none."""
    scored: ClassVar[bool] = False
    """Whether it looks at the scores of the ranking."""
    tastes: ClassVar[bool] = False
    """Whether it looks at the published tastes of users."""

    def reach(self, size: int) -> int:
        """Return how many ranked items it must see to fill *size* positions; 0: none, what was published is enough."""
        return size

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return the item, (n,), that comes below those *placed* (n, r), NOTHING where there is none; and its origin."""
        raise NotImplementedError

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return the probability, (n,), that `place` gives *item* (n,) below *placed*, whoever put those there."""
        raise NotImplementedError

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return at most *size* items a visit. *ranking* holds at least as many as `reach` asks for, or all there are."""

        def put(placed: Items32) -> tuple[Items32, npt.NDArray[np.int8], Floats]:
            item, origin = self.place(visits, ranking, placed)
            return item, origin, self.chance(visits, ranking, placed, item)

        return filled(len(visits), size, put)


class Greedy(Policy):
    """Show the ranking as it is. Every propensity is 1 under a fixed ranking: nothing else has support."""

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return the best item left."""
        return best_left(ranking, placed), np.full(len(visits), Origin.MODEL, np.int8)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return 1 for the best item left; under a random ranking its share of the weights."""
        return as_best(visits, ranking, placed, item)

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the best *size* items of the ranking, at once where its order is fixed."""
        if ranking.weights is not None:
            return super().slate(visits, ranking, size)
        shown = np.full((len(visits), size), NOTHING, np.int32)
        best = ranking.items[:, :size]
        shown[:, : best.shape[1]] = best
        return Slate(shown, np.full(shown.shape, Origin.MODEL, np.int8), np.where(shown == NOTHING, np.nan, 1.0))


class EpsilonGreedy(Policy):
    """Show the ranking, but fill each position with a random item with probability *epsilon*.

    The random item is uniform over the eligible items not yet placed, the best one included, so that the propensity is
    (1 - epsilon) [best not yet placed] + epsilon / (eligible - position). Full support for epsilon > 0. Source: Sutton
    and Barto, Reinforcement Learning (2018), section 2.2, applied position by position.
    """

    strength: ClassVar[str] = "epsilon"

    epsilon: float = Field(0.1, ge=0, le=1, description="share of positions given to chance")

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return the best item left, or by a coin any item left."""
        position = placed.shape[1]
        chosen = best_left(ranking, placed)
        if not self.epsilon:
            return chosen, np.full(len(visits), Origin.MODEL, np.int8)
        explored = visits.number("EpsilonGreedy.coin", position) < self.epsilon
        coin = np.flatnonzero(explored)
        if len(coin):
            chosen[coin] = even(visits.released).pick(visits.take(coin), f"EpsilonGreedy.pick@{position}", placed[coin])
        return chosen, np.where(explored, Origin.EXPLORE, Origin.MODEL).astype(np.int8)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return (1 - epsilon) [best item left] + epsilon / (items left)."""
        best = as_best(visits, ranking, placed, item)
        return (1 - self.epsilon) * best + self.epsilon / left(visits, placed) if self.epsilon else best

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the best items of the ranking, each position exchanged for a random one by a coin of its own."""
        return super().slate(visits, ranking, size) if self.epsilon else Greedy().slate(visits, ranking, size)


class Proportional(Policy):
    """Draw items one by one in proportion to the model's counts to the power *exponent*, without replacement.

    An item of count 0 is never shown, whatever the exponent. Propensity: its weight over the weight of all eligible items not
    yet placed. Full support where every count is positive.
    """

    exponent: float = Field(1.0, ge=0, le=20, description="0: uniform; 1: in proportion; large: the most clicked only")

    def reach(self, size: int) -> int:
        """Return 0: the counts are enough."""
        return 0

    def _lottery(self, ranking: Ranking) -> Lottery:
        counts = ranking.published.counts
        return ranking.published.once(
            f"Proportional {self.exponent}", lambda: Lottery(np.where(counts > 0, counts**self.exponent, 0.0))
        )

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return an item drawn afresh."""
        item = self._lottery(ranking).pick(visits, f"Proportional.pick@{placed.shape[1]}", placed)
        return item, np.full(len(visits), Origin.MODEL, np.int8)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return the item's share of the weights that are left."""
        return self._lottery(ranking).share(visits, placed, item)


# ------------------------------------------------------------------------------------------- what policies have in common
@lru_cache(maxsize=8)
def even(items: int) -> Lottery:
    """Return a lottery in which all items are alike."""
    return Lottery(np.ones(items))


def left(visits: Visits, placed: Items32) -> Ints:
    """Return how many items, (n,), may be shown and are not placed, but at least 1."""
    return np.maximum(visits.eligible - (placed != NOTHING).sum(axis=1), 1)


def best_left(ranking: Ranking, placed: Items32) -> Items32:
    """Return the best item of the ranking that is not placed, (n,); NOTHING where there is none."""
    if not ranking.items.shape[1]:
        return np.full(len(ranking.items), NOTHING, np.int32)
    free = ranking.items != NOTHING
    for position in range(placed.shape[1]):
        free &= ranking.items != placed[:, position, None]
    best = ranking.items[np.arange(len(free)), np.argmax(free, axis=1)]
    return np.where(free.any(axis=1), best, NOTHING).astype(np.int32)


def as_best(visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
    """Return the probability, (n,), that the ranking has *item* next below *placed*: 1 or 0 where its order is fixed."""
    if ranking.weights is None:
        return ((item != NOTHING) & (item == best_left(ranking, placed))).astype(np.float64)
    weights = ranking.weights
    lottery: Lottery = ranking.published.once("chances", lambda: Lottery(weights))
    return lottery.share(visits, placed, item)
