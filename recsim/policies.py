"""Policies: from a ranking to a slate, filled from the top, never twice the same item, with exact propensities.

A policy sees the ranking and the model's published counts. It draws its chance by address: label, visit and position.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
from pydantic import Field

from recsim.lottery import Lottery
from recsim.randomness import Floats
from recsim.recipe import Recipe
from recsim.world import NOTHING, Ints, Origin, Ranking, Slate, Visits


class Policy(Recipe):
    """A recipe that turns a ranking into a slate."""

    ranked: ClassVar[bool] = True
    """Whether it looks at the order of the ranking; if not it is handed the model's counts alone."""

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return at most *size* items a visit. *ranking* holds at least as many, or all that may be shown."""
        raise NotImplementedError


class Greedy(Policy):
    """Show the ranking as it is. Every propensity is 1 under a fixed ranking: nothing else has support."""

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the best *size* items of the ranking."""
        return _mostly_best(visits, ranking, size, epsilon=0.0)


class EpsilonGreedy(Policy):
    """Show the ranking, but fill each position with a random item with probability *epsilon*.

    The random item is uniform over the eligible items not yet placed, the best one included, so that the propensity is
    (1 - epsilon) [best not yet placed] + epsilon / (eligible - position). Full support for epsilon > 0. Source: Sutton
    and Barto, Reinforcement Learning (2018), section 2.2, applied position by position.
    """

    epsilon: float = Field(0.1, ge=0, le=1, description="share of positions given to chance")

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the best items of the ranking, each position exchanged for a random one by a coin of its own."""
        return _mostly_best(visits, ranking, size, self.epsilon)


class Proportional(Policy):
    """Draw items one by one in proportion to the model's counts to the power *exponent*, without replacement.

    An item of count 0 is never shown, whatever the exponent. Propensity: its weight over the weight of all eligible items not
    yet placed. Full support where every count is positive.
    """

    ranked: ClassVar[bool] = False

    exponent: float = Field(1.0, ge=0, le=20, description="0: uniform; 1: in proportion; large: the most clicked only")

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return *size* items drawn for each visit afresh."""
        lottery = Lottery(np.where(ranking.counts > 0, ranking.counts**self.exponent, 0.0))
        items = np.full((len(visits), size), NOTHING, np.int32)
        propensity = np.full((len(visits), size), np.nan)
        for position in range(size):
            placed = items[:, :position]
            drawn = lottery.pick(visits, f"Proportional.pick@{position}", placed)
            items[:, position] = drawn
            propensity[:, position] = np.where(drawn == NOTHING, np.nan, lottery.share(visits, placed, drawn))
        return Slate(items, np.full(items.shape, Origin.MODEL, np.int8), propensity)


@lru_cache(maxsize=8)
def _even(items: int) -> Lottery:
    return Lottery(np.ones(items))


def _mostly_best(visits: Visits, ranking: Ranking, size: int, epsilon: float) -> Slate:
    """Return the slate whose every position holds the best item left, or by a coin of *epsilon* any item left.

    It ends at the first position for which there is nothing, also where chance could still fill a later one.
    """
    origin = np.full((len(visits), size), Origin.MODEL, np.int8)
    if not epsilon and ranking.weights is None:
        shown = np.full((len(visits), size), NOTHING, np.int32)
        shown[:, : ranking.items.shape[1]] = ranking.items[:, :size]
        return Slate(shown, origin, np.where(shown == NOTHING, np.nan, 1.0))
    items = np.full((len(visits), size), NOTHING, np.int32)
    propensity = np.full((len(visits), size), np.nan)
    explored = visits.block("EpsilonGreedy.coin", size) < epsilon if epsilon else np.zeros((len(visits), size), np.bool_)
    chances = None if ranking.weights is None else Lottery(ranking.weights)
    taken = ranking.items == NOTHING
    rows, ended = np.arange(len(visits)), np.zeros(len(visits), np.bool_)
    for position in range(size):
        placed = items[:, :position]
        best = ranking.items[rows, np.argmin(taken, axis=1)] if taken.shape[1] else np.full(len(visits), NOTHING)
        best = np.where(taken.all(axis=1), NOTHING, best).astype(np.int32)
        chosen, coin = best.copy(), np.flatnonzero(explored[:, position])
        if len(coin):
            chosen[coin] = _even(visits.released).pick(
                visits.take(coin), f"EpsilonGreedy.pick@{position}", placed[coin]
            )
        chosen[ended] = NOTHING
        ended |= chosen == NOTHING
        filled = ~ended
        as_best = (chosen == best).astype(np.float64) if chances is None else chances.share(visits, placed, chosen)
        items[:, position] = chosen
        origin[:, position] = np.where(explored[:, position], Origin.EXPLORE, Origin.MODEL)
        propensity[filled, position] = _mixed(epsilon, as_best, visits.eligible - position)[filled]
        taken |= ranking.items == chosen[:, None]
    return Slate(items, origin, propensity)


def _mixed(epsilon: float, as_best: Floats, left: Ints) -> Floats:
    """Return the probability of an item that the ranking places with *as_best*, and chance among *left* items."""
    return (1 - epsilon) * as_best + epsilon / np.maximum(left, 1)
