"""Policies: from a ranking to a slate, filled from the top, never twice the same item, with exact propensities.

A policy sees the ranking and what the platform published with the model. It draws its chance by address: label, visit
and position. It says two things: which item it puts next, and how likely it was to put any given item there.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.candidates import (
    Candidates,
    as_best,
    as_ranked,
    best_by,
    best_left,
    candidates,
    directions,
    even,
    first_left,
    left,
    open_among,
    total,
)
from recsim.catalog import Maker
from recsim.lottery import Lottery, draw_rows, free
from recsim.posteriors import Posteriors
from recsim.randomness import Floats
from recsim.recipe import Recipe
from recsim.world import NOTHING, Items32, Origin, Published, Ranking, Slate, Visits, filled

_SMOOTHING = 0.01  # of the taste, mixed into the topics of a slate, so that a topic not yet there costs no infinity

Placing = tuple[Items32, npt.NDArray[np.int8]]  # the next item of each visit, and its origin


class Policy(Recipe):
    """A recipe that turns a ranking into a slate: `place` says what comes next, `chance` how likely that was."""

    strength: ClassVar[str] = ""
    """The setting that says how much a policy departs from the ranking; empty where there is none."""
    none: ClassVar[float] = 0.0
    """The strength at which it does not depart at all."""
    largest: ClassVar[float | None] = None
    """The largest strength worth trying; None: the upper end of the setting if that is at most 1, else 8 times what is given."""
    scored: ClassVar[bool] = False
    """Whether it looks at the scores of the ranking."""
    tastes: ClassVar[bool] = False
    """Whether it looks at the published tastes of users."""
    counts_impressions: ClassVar[bool] = False
    """Whether it learns from how often items were shown."""

    @classmethod
    def __pydantic_init_subclass__(cls, **more: Any) -> None:
        """Fill slates position by position wherever a kind places in a way of its own: no short cut that it inherits is its."""
        super().__pydantic_init_subclass__(**more)
        if {"place", "chance"} & vars(cls).keys() and "slate" not in vars(cls):
            cls.slate = Policy.slate  # type: ignore[method-assign]

    def reach(self, size: int) -> int:
        """Return how many ranked items it must see to fill *size* positions; 0: none, what was published is enough."""
        return size

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return the item, (n,), that comes below those *placed* (n, r), NOTHING where there is none; and its origin."""
        raise self.lacks("place")

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return the probability, (n,), that `place` gives *item* (n,) below *placed*, whoever put those there."""
        raise self.lacks("chance")

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return at most *size* items a visit. *ranking* holds at least as many as `reach` asks for, or all there
        are.
        """

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
        """Return the best *size* items of the ranking, all at once."""
        shown = np.full((len(visits), size), NOTHING, np.int32)
        best = ranking.items[:, :size]
        shown[:, : best.shape[1]] = best
        propensity = np.where(shown == NOTHING, np.nan, as_ranked(visits, ranking, shown))
        return Slate(shown, np.full(shown.shape, Origin.MODEL, np.int8), propensity)


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
            chosen[coin] = even(visits, ranking).pick(visits.take(coin), f"EpsilonGreedy.pick@{position}", placed[coin])
        return chosen, np.where(explored, Origin.EXPLORE, Origin.MODEL).astype(np.int8)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return (1 - epsilon) [best item left] + epsilon / (items left)."""
        best = as_best(visits, ranking, placed, item)
        if not self.epsilon:
            return best
        return (1 - self.epsilon) * best + np.where(free(visits, placed, item), self.epsilon / left(visits, placed), 0.0)

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the best items of the ranking, each position exchanged for a random one by a coin of its own.

        The same as position by position, with the first draws of all positions at once, and what is left kept in mind.
        """
        if not self.epsilon or ranking.weights is not None or not ranking.items.shape[1]:
            return super().slate(visits, ranking, size) if self.epsilon else Greedy().slate(visits, ranking, size)
        explored = visits.block("EpsilonGreedy.coin", size) < self.epsilon
        labels = [f"EpsilonGreedy.pick@{position}" for position in range(size)]
        lottery, rows, there = even(visits, ranking), np.arange(len(visits)), ranking.items != NOTHING
        row, position = np.nonzero(explored)
        first = np.full(explored.shape, NOTHING, np.int32)
        first[row, position] = lottery.first(visits, labels, row, position)

        def put(placed: Items32) -> tuple[Items32, npt.NDArray[np.int8], Floats]:
            nonlocal there
            position = placed.shape[1]
            best = np.where(there.any(axis=1), ranking.items[rows, np.argmax(there, axis=1)], NOTHING).astype(np.int32)
            item, coin = best.copy(), np.flatnonzero(explored[:, position])
            if len(coin):
                drawn = first[coin, position]
                item[coin] = lottery.pick(visits.take(coin), labels[position], placed[coin], first=drawn)
            there &= ranking.items != item[:, None]
            chance = (1 - self.epsilon) * (item == best) + self.epsilon / left(visits, placed)
            return item, np.where(explored[:, position], Origin.EXPLORE, Origin.MODEL).astype(np.int8), chance

        return filled(len(visits), size, put)


class Proportional(Policy):
    """Draw items one by one in proportion to the model's counts to the power *exponent*, without replacement.

    An item of count 0 is never shown, whatever the exponent. Propensity: its weight over the weight of all eligible
    items not yet placed. Full support where every count is positive.
    """

    exponent: float = Field(1.0, ge=0, le=20, description="0: uniform; 1: in proportion; large: the most clicked only")

    def reach(self, size: int) -> int:
        """Return 0: the counts are enough."""
        return 0

    def _lottery(self, visits: Visits, ranking: Ranking) -> Lottery:
        counts = ranking.published.counts
        return ranking.published.once(
            f"Proportional {self.exponent}", lambda: Lottery(np.where(counts > 0, counts**self.exponent, 0.0), visits.slots)
        )

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return an item drawn afresh."""
        item = self._lottery(visits, ranking).pick(visits, f"Proportional.pick@{placed.shape[1]}", placed)
        return item, np.full(len(visits), Origin.MODEL, np.int8)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return the item's share of the weights that are left."""
        return self._lottery(visits, ranking).share(visits, placed, item)


class _Reranking(Policy):
    """What policies share that put the best *candidates* of a ranking into an order of their own.

    `_worth` says what each candidate is worth below what is placed; the one worth most comes next, ties to the one
    that is ranked higher. When the candidates are used up the ranking goes on as it is. A ranking that is a draw
    (`Random`, `Shares`) is served as drawn, with the propensities of `Greedy`: it has no order that could be changed.
    So is every ranking at a strength of 0.
    """

    scored: ClassVar[bool] = True

    candidates: int = Field(50, ge=1, le=10_000, description="best items of the ranking that are put into a new order")

    @abstractmethod
    def _worth(self, visits: Visits, ranking: Ranking, best: Candidates, placed: Items32) -> Floats:
        """Return what each candidate is worth next, (n, c)."""

    def _plain(self, ranking: Ranking) -> bool:
        """Return whether the ranking is served as it is."""
        return ranking.weights is not None or not getattr(self, self.strength)

    def _next(self, worth: Floats, ranking: Ranking, best: Candidates, placed: Items32) -> Placing:
        """Return the candidate left that is worth most; the best item left where none is."""
        item, found = best_by(worth, best.items, placed)
        if not found.all():
            item = np.where(found, item, best_left(ranking, placed))
        return item, np.full(len(item), Origin.MODEL, np.int8)

    def reach(self, size: int) -> int:
        """Return the number of candidates, or the size of a slate where that is more."""
        return max(size, self.candidates)

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return the candidate left that is worth most."""
        if self._plain(ranking):
            return Greedy().place(visits, ranking, placed)
        best = candidates(ranking, self.candidates)
        return self._next(self._worth(visits, ranking, best, placed), ranking, best, placed)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return 1 for the candidate left that is worth most, else 0."""
        if self._plain(ranking):
            return Greedy().chance(visits, ranking, placed, item)
        return ((item != NOTHING) & (item == self.place(visits, ranking, placed)[0])).astype(np.float64)

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the candidates worth most, one after the other; what is placed has propensity 1."""
        if self._plain(ranking):
            return Greedy().slate(visits, ranking, size)
        best, certain = candidates(ranking, self.candidates), np.ones(len(visits))

        def put(placed: Items32) -> tuple[Items32, npt.NDArray[np.int8], Floats]:
            return *self._next(self._worth(visits, ranking, best, placed), ranking, best, placed), certain

        return filled(len(visits), size, put)


class Softmax(_Reranking):
    """Draw from the best *candidates* one by one, without replacement, in proportion to exp(relevance / temperature).

    That is the Plackett-Luce order: Plackett, "The analysis of permutations" (1975); its first draw is the soft-max
    of Sutton and Barto, Reinforcement Learning (2018), section 2.8, with a temperature. Relevance is the score in
    standard deviations of the candidates' scores (see `relevance`), so that a temperature means the same whatever
    the recommender scores in: at 1 a candidate that is one deviation better is e times as likely to come next.
    Drawn by a race of all candidates in Gumbel's form, one number for each visit and item, so that two worlds in
    which a rank differs agree in all other draws. Propensity, exact: the item's weight over that of all candidates
    left. Support: the candidates only; other items have none. Temperature 0 is `Greedy`; one below 1e-9 counts as
    1e-9. A ranking that is a draw is served as drawn.
    """

    strength: ClassVar[str] = "temperature"
    largest: ClassVar[float | None] = 4.0  # four deviations of relevance: hardly any order is left

    temperature: float = Field(0.3, ge=0, le=1e6, description="0: the ranking as it is; large: any candidate alike")

    def _warm(self, best: Candidates) -> Floats:
        """Return the logarithms of the weights of the candidates, (n, c)."""
        return best.relevance / max(self.temperature, 1e-9)

    def _worth(self, visits: Visits, ranking: Ranking, best: Candidates, placed: Items32) -> Floats:
        """Return the logarithm of the weight of each candidate, and Gumbel's number of its own, whatever is placed."""
        item = np.maximum(best.items, 0)
        return self._warm(best) - np.log(-np.log(visits.uniform("Softmax.race", visits.slot(item))))

    def _share(self, visits: Visits, ranking: Ranking, best: Candidates, placed: Items32, item: Items32) -> Floats:
        """Return the item's share in the weights of the candidates left; without any, 1 for the best item left."""
        there = open_among(best.items, placed)
        warm = np.where(there, self._warm(best), -np.inf)
        top = warm.max(axis=1, initial=-np.inf, keepdims=True)
        weight = np.exp(warm - np.where(np.isfinite(top), top, 0.0))
        here = total(np.where(best.items == item[:, None], weight, 0.0))
        whole = total(weight)
        share = np.divide(here, whole, out=np.zeros(len(item)), where=whole > 0)
        return share if there.any(axis=1).all() else np.where(whole > 0, share, as_best(visits, ranking, placed, item))

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return the item's share in the weights of the candidates left."""
        if self._plain(ranking):
            return Greedy().chance(visits, ranking, placed, item)
        return self._share(visits, ranking, candidates(ranking, self.candidates), placed, item)

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the candidates in the order of the race."""
        if self._plain(ranking):
            return Greedy().slate(visits, ranking, size)
        best = candidates(ranking, self.candidates)
        worth = self._worth(visits, ranking, best, best.items[:, :0])

        def put(placed: Items32) -> tuple[Items32, npt.NDArray[np.int8], Floats]:
            item, origin = self._next(worth, ranking, best, placed)
            return item, origin, self._share(visits, ranking, best, placed, item)

        return filled(len(visits), size, put)


class Diversify(_Reranking):
    """Show next the candidate that is relevant and unlike what stands above it: maximal marginal relevance.

    The candidate i with the largest (1 - diversity) relevance_i - diversity max_j cos(i, j), j over the items placed,
    whoever placed them; the maximum over none is 0. Source: Carbonell and Goldstein, "The use of MMR" (SIGIR 1998),
    section 2, with diversity in place of their 1 - lambda; relevance is the standardised score (see `relevance`), cos
    the cosine of the topics that the catalogue says openly. Deterministic given the ranking: propensity 1, no
    support. Diversity 0 is `Greedy`. A ranking that is a draw is served as drawn.
    """

    strength: ClassVar[str] = "diversity"

    diversity: float = Field(0.3, ge=0, le=1, description="0: relevance alone; 1: unlikeness alone")

    def _worth(self, visits: Visits, ranking: Ranking, best: Candidates, placed: Items32) -> Floats:
        """Return the relevance of each candidate less its likeness to what is placed."""
        likeness = self._likeness(ranking.published, best, placed)
        return (1 - self.diversity) * best.relevance - self.diversity * likeness

    def _likeness(self, published: Published, best: Candidates, placed: Items32) -> Floats:
        """Return the largest cosine of each candidate with anything placed, (n, c); topics are added in their order."""
        direction = published.once("directions", lambda: directions(published.topics))
        cosines = [np.zeros(best.items.shape) for _ in range(placed.shape[1])]
        for topic in direction:
            here = topic[best.items]
            for position, cosine in enumerate(cosines):
                above = placed[:, position]
                cosine += here * np.where(above == NOTHING, 0.0, topic[above])[:, None]
        return np.maximum.reduce(cosines) if cosines else np.zeros(best.items.shape)


class Calibrated(_Reranking):
    """Show next the candidate that is relevant and keeps the topics of the slate in the proportions of the user's
    taste.

    The candidate with the largest (1 - calibration) relevance - calibration KL(p || q~), where p is the published
    taste of the user, q the mean topics of the items placed and this one, all positions alike, and q~ = 0.99 q + 0.01
    p. Source: Steck, "Calibrated recommendations" (RecSys 2018), with his greedy search and his smoothing;
    relevance is the standardised score (see `relevance`), which at a given position differs from his sum over the
    slate by what is placed already. The entropy of p is left out, being the same for all. Users of whom no taste is
    known get the ranking as it is. Deterministic given the ranking: propensity 1, no support. Calibration 0 is
    `Greedy`. A ranking that is a draw is served as drawn.
    """

    strength: ClassVar[str] = "calibration"
    tastes: ClassVar[bool] = True

    calibration: float = Field(0.5, ge=0, le=1, description="0: relevance alone; 1: the user's proportions alone")

    def _worth(self, visits: Visits, ranking: Ranking, best: Candidates, placed: Items32) -> Floats:
        """Return the relevance of each candidate less how far it would take the slate from the user's taste."""
        as_ranked = np.broadcast_to(-np.arange(best.items.shape[1], dtype=np.float64), best.items.shape)
        if not ranking.published.taste.size:
            return as_ranked
        taste = ranking.published.taste[visits.user]
        gain = np.zeros(best.items.shape)
        topics = ranking.published.once("topics by row", lambda: np.ascontiguousarray(ranking.published.topics.T))
        number = 1 + (placed != NOTHING).sum(axis=1)
        for share, topic in zip(taste.T, topics, strict=True):
            above = np.zeros(len(taste))
            for position in range(placed.shape[1]):
                above += np.where(placed[:, position] == NOTHING, 0.0, topic[placed[:, position]])
            mean = (topic[best.items] + above[:, None]) / number[:, None]
            smooth = (1 - _SMOOTHING) * mean + (_SMOOTHING * share)[:, None]
            gain += share[:, None] * np.log(np.maximum(smooth, 1e-300))  # where smooth is 0 so is the share
        worth = (1 - self.calibration) * best.relevance + self.calibration * gain
        return np.where((taste > 0).any(axis=1, keepdims=True), worth, as_ranked)


class HumanQuota(_Reranking):
    """Show the ranking, but let at least a *share* of every slate, from the top down, be labelled as made by people.

    Of the first r positions at least floor(share r) are labelled human, whoever placed them: while fewer are, the best
    candidate so labelled comes next, otherwise the best of all; where no candidate is left with that label the ranking
    goes on. It goes by the label that the platform believes, which may be wrong. A quota for every prefix of a ranking is
    that of Zehlike et al. 2017, "FA*IR: a fair top-k ranking algorithm" (CIKM), here without their statistical test.
    Deterministic given the ranking: propensity 1, no support. Share 0 is `Greedy`. A ranking that is a draw is served as
    drawn.
    """

    scored: ClassVar[bool] = False
    strength: ClassVar[str] = "share"

    share: float = Field(0.5, ge=0, le=1, description="of the positions, counted from the top, that are labelled human")

    def _worth(self, visits: Visits, ranking: Ranking, best: Candidates, placed: Items32) -> Floats:
        """Return the order of the ranking, those labelled human before all others where one is due."""
        human = ranking.published.label == Maker.HUMAN
        wanted = math.floor(self.share * (placed.shape[1] + 1) + 1e-9)
        due = (human[placed] & (placed != NOTHING)).sum(axis=1) < wanted
        order = -np.arange(best.items.shape[1], dtype=np.float64)
        return order + 2.0 * len(order) * (human[best.items] & (best.items != NOTHING) & due[:, None])


class PopularityDiscount(_Reranking):
    """Take popularity off relevance: the candidate with the largest relevance - exponent log(1 + count) comes next.

    count: the published weight of the training rows about the item. Relevance is the standardised score (see
    `relevance`): with an exponent of 1 an item e times as popular must be one standard deviation better. It is the
    logarithm of exp(relevance) / (1 + count)^exponent: the inverse power of popularity by which Steck, "Item
    popularity and recommendation accuracy" (RecSys 2011), weighs evaluation and training, put to re-ranking;
    Abdollahpouri, Burke and Mobasher (FLAIRS 2019) re-rank a finished list too, by another rule. Deterministic
    given the ranking: propensity 1, no support. Exponent 0 is `Greedy`. A ranking that is a draw is served as
    drawn.
    """

    strength: ClassVar[str] = "exponent"
    largest: ClassVar[float | None] = 4.0  # an item e times as popular must be four deviations better: rarity alone decides

    exponent: float = Field(0.5, ge=0, le=1000, description="deviations of relevance that a factor of e in popularity costs")

    def _worth(self, visits: Visits, ranking: Ranking, best: Candidates, placed: Items32) -> Floats:
        """Return the relevance of each candidate less the discount, whatever is placed."""
        published = ranking.published
        popularity: Floats = published.once("log counts", lambda: np.log(1 + published.counts))
        return best.relevance - self.exponent * popularity[best.items]


class UCB(Policy):
    """Show the items with the highest upper confidence bound of their click rate, the same to everybody.

    Bound: clicks / impressions + width sqrt(2 log N / impressions), N all impressions, as published with the model:
    not live, so that all visits between two deployments see the same bounds. Source: Auer, Cesa-Bianchi and Fischer,
    "Finite-time analysis of the multiarmed bandit problem" (2002), figure 1 (UCB1), where width is 1. Items never
    shown come first; ties go to fewer impressions, then to the lower item. It needs no ranking. Deterministic:
    propensity 1, no support.
    """

    counts_impressions: ClassVar[bool] = True

    width: float = Field(1.0, ge=0, le=1000, description="of the bound; 0: the highest click rate seen")

    def reach(self, size: int) -> int:
        """Return 0: what was counted is enough."""
        return 0

    def _order(self, published: Published) -> Items32:
        """Return all items, the highest bound first."""
        shown, clicks = published.impressions, published.clicks
        mean = np.divide(clicks, shown, out=np.full(len(shown), np.inf), where=shown > 0)
        spread = np.sqrt(2 * np.log(max(shown.sum(), 1.0)) / np.maximum(shown, 1e-300))
        bound = np.where(shown > 0, mean + self.width * spread, np.inf)
        return np.lexsort((np.arange(len(shown)), shown, -bound)).astype(np.int32)

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return the item left with the highest bound."""
        published = ranking.published
        order: Items32 = published.once(f"UCB {self.width}", lambda: self._order(published))
        return first_left(order, visits, placed), np.full(len(visits), Origin.MODEL, np.int8)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return 1 for the item left with the highest bound, else 0."""
        return ((item != NOTHING) & (item == self.place(visits, ranking, placed)[0])).astype(np.float64)

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the items with the highest bounds; what is placed has propensity 1."""
        certain = np.ones(len(visits))
        return filled(len(visits), size, lambda placed: (*self.place(visits, ranking, placed), certain))


class Thompson(Policy):
    """Draw a click rate for every item from its posterior, afresh for each visit and position; the highest comes next.

    Posterior of an item: Beta(prior_clicks + clicks, prior_misses + impressions - clicks), as published with the model.
    Source: Thompson (1933); Chapelle and Li, "An empirical evaluation of Thompson sampling" (NIPS 2011), algorithm 2.
    With candidates = 0 all items take part and every item has support (in float64: chances below about 1e-11 may count
    as 0); else the best *candidates* of the ranking do, and others have none; when those are used up the ranking goes on
    as it is, and a ranking that is a draw is served as drawn.

    Computed so: the distribution functions F_i are tabulated once a model on a grid, and log F_i is a straight line
    between its points (see `Posteriors`). Then the highest sample of the items left lies in a cell of the grid with
    probability prod F_i(right) - prod F_i(left), and is there that of item i with probability rise_i / (sum of all
    rises), rise_i being what log F_i gains over the cell: both are exact for the tabulated posteriors. An item is drawn
    by drawing a cell and then an item in proportion to rises; its propensity, the sum over the cells, is exactly that
    of the draw. What the table leaves out: against the Beta posteriors themselves, by quadrature, a chance is off by
    less than 0.005 while no more than the best 12 items are missing (a test measures it); where hundreds of items, each
    shown a million times, have left a user, those far down the list are told apart only coarsely.
    """

    counts_impressions: ClassVar[bool] = True

    prior_clicks: float = Field(1.0, gt=0, le=1e9, description="clicks that an item is credited with beforehand")
    prior_misses: float = Field(1.0, gt=0, le=1e9, description="impressions without a click that it is credited with")
    candidates: int = Field(0, ge=0, le=10_000, description="best items of the ranking that take part; 0: all items")

    def reach(self, size: int) -> int:
        """Return the number of candidates; 0 where all items take part."""
        return max(size, self.candidates) if self.candidates else 0

    def _plain(self, ranking: Ranking) -> bool:
        """Return whether the ranking is served as it is: a draw of which candidates would be taken."""
        return bool(self.candidates) and ranking.weights is not None

    def _posteriors(self, published: Published) -> Posteriors:
        clicks = self.prior_clicks + published.clicks
        misses = self.prior_misses + np.maximum(published.impressions - published.clicks, 0)
        made: Posteriors = published.once(
            f"Thompson {self.prior_clicks} {self.prior_misses}", lambda: Posteriors(clicks, misses)
        )
        return made

    def _below(self, visits: Visits, ranking: Ranking, placed: Items32) -> Floats:
        """Return the logarithm of the product of the distribution functions of all that is left, (n, points)."""
        posteriors = self._posteriors(ranking.published)
        if self.candidates:
            items = ranking.items[:, : self.candidates]
            row, column = np.nonzero(open_among(items, placed))
            return posteriors.sums(len(visits), row, items[row, column])
        row, column = np.nonzero(placed != NOTHING)
        barred, gone = visits.consumed
        without = posteriors.sums(len(visits), np.append(barred, row), np.append(gone, placed[row, column]))
        return posteriors.log_below.sum(axis=0) - without

    def _draw(self, visits: Visits, ranking: Ranking, placed: Items32, below: Floats) -> Placing:
        """Return the item whose sample is highest: the cell of the maximum first, then who has it."""
        posteriors, position = self._posteriors(ranking.published), placed.shape[1]
        sample = np.log(visits.uniform(f"Thompson.highest@{position}"))
        cell = np.minimum((below[:, 1:] < sample[:, None]).sum(axis=1), below.shape[1] - 2)
        if self.candidates:
            items = ranking.items[:, : self.candidates]
            rise = np.where(open_among(items, placed), posteriors.rise[items, cell[:, None]], 0.0)
            column = draw_rows(visits, f"Thompson.item@{position}", rise)
            item = best_left(ranking, placed)
            rows = np.flatnonzero(column != NOTHING)
            item[rows] = items[rows, column[rows]]
        else:
            item = posteriors.cells(visits.slots).pick(visits, f"Thompson.item@{position}", placed, cell)
        return item, np.full(len(visits), Origin.MODEL, np.int8)

    def _share(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32, below: Floats) -> Floats:
        """Return the probability that the highest sample is that of *item*: over all cells, that of the cell times
        its rise.
        """
        there = free(visits, placed, item)
        if self.candidates:
            items = ranking.items[:, : self.candidates]
            there &= (items == item[:, None]).any(axis=1)
        rise = np.where(there[:, None], self._posteriors(ranking.published).rise[item], 0.0)
        product = np.exp(below)
        mass, all_rises = product[:, 1:] - product[:, :-1], below[:, 1:] - below[:, :-1]
        share = total(np.divide(mass * rise, all_rises, out=np.zeros(rise.shape), where=rise > 0))
        if self.candidates:
            used_up = ~open_among(items, placed).any(axis=1)
            share = np.where(used_up, as_best(visits, ranking, placed, item), share) if used_up.any() else share
        return share

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return the item left whose sample is highest."""
        if self._plain(ranking):
            return Greedy().place(visits, ranking, placed)
        return self._draw(visits, ranking, placed, self._below(visits, ranking, placed))

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return the probability that the highest sample is that of *item*."""
        if self._plain(ranking):
            return Greedy().chance(visits, ranking, placed, item)
        return self._share(visits, ranking, placed, item, self._below(visits, ranking, placed))

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the items that won, taking each out of the product as it is placed: its logarithms are exact."""
        if self._plain(ranking):
            return Greedy().slate(visits, ranking, size)
        nothing = np.zeros((len(visits), 0), np.int32)
        below = self._below(visits, ranking, nothing)
        log_below, among = self._posteriors(ranking.published).log_below, ranking.items[:, : self.candidates]

        def put(placed: Items32) -> tuple[Items32, npt.NDArray[np.int8], Floats]:
            item, origin = self._draw(visits, ranking, placed, below)
            share = self._share(visits, ranking, placed, item, below)
            rows = (among == item[:, None]).any(axis=1) if self.candidates else item != NOTHING
            below[rows] -= log_below[item[rows]]
            return item, origin, share

        return filled(len(visits), size, put)
