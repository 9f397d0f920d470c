"""Policies: which item comes next on a slate, and with what probability each item would."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

import recsim as rs

from .arithmetic import best_first, exp, in_turn, log
from .chance import Tree, Visit
from .eventlog import EDITOR, EXPLORE, MODEL
from .posteriors import tabulated
from .recommenders import Model


@dataclass
class Feed:
    """What a policy can see in one visit. leaving: items that may not be shown; items: how many are out; picks: what editors
    chose last; about: the topics of items, as the catalogue says openly, and by_hand: whether it says that people made them. Of
    items that its model does not know nothing was counted. leaves: where items stand in lotteries.
    """

    policy: rs.Policy
    model: Model
    visit: Visit
    leaving: set[int]
    size: int
    items: int
    picks: set[int]
    about: list[list[float]]
    by_hand: list[bool]
    leaves: list[int]

    def __post_init__(self) -> None:
        """Rank as many items as the policy looks at, and work out what its candidates are worth."""
        self.candidates = getattr(self.policy, "candidates", 0)
        unknown = self.items - len(self.model.counts)
        self.counts = self.model.counts + [0.0] * unknown
        self.shown, self.clicks = self.model.impressions + [0] * unknown, self.model.clicks + [0] * unknown
        ranking = self.model.ranking(self.visit, lambda item: item not in self.leaving, self.items)
        self.ranking = list(islice(ranking, max(self.size, self.candidates)))
        self.relevance: dict[int, float] = {}
        if self.candidates:
            scores = self.model.scores(self.visit.user) + [None] * unknown if self.model.scores else [None] * self.items
            best = self.ranking[: self.candidates]
            self.relevance = dict(zip(best, standardised([scores[item] for item in best]), strict=True))

    def tree(self, weights: list[float]) -> Tree:
        """Return a lottery over the items that are out."""
        return Tree(weights, self.leaves)

    def left(self, placed: list[int]) -> set[int]:
        """Return the items that may be shown and are not placed."""
        return set(range(self.items)) - set(placed) - self.leaving

    def best(self, placed: list[int]) -> int | None:
        """Return the best item left."""
        return next((item for item in self.ranking if item not in placed), None)

    def as_best(self, placed: list[int], item: int) -> float:
        """Return the probability that an item is the best one left."""
        if self.model.order is not None:
            return float(item == self.best(placed))
        return share(item, self.tree(self.counts), self.left(placed))

    def next(self, placed: list[int]) -> tuple[int | None, int]:
        """Return the item that the policy puts below those placed, and its origin."""
        position, left = len(placed), self.left(placed)
        match self.policy:
            case rs.EpsilonGreedy():
                if self.visit.block("EpsilonGreedy.coin", self.size)[position] < self.policy.epsilon:
                    equal = self.tree([1.0] * self.items)
                    return self.visit.pick(f"EpsilonGreedy.pick@{position}", equal, left.__contains__), EXPLORE
            case rs.Proportional():
                return self.visit.pick(f"Proportional.pick@{position}", self.powers(), left.__contains__), MODEL
            case rs.UCB():
                return self.highest_bound(left), MODEL
            case rs.Thompson() if not (self.candidates and self.model.order is None):
                return self.highest_sample(placed), MODEL
            case rs.Slots():
                name = self.slot(position)
                if among := self.slot_set(name) & left:
                    weights = self.tree([float(item in self.slot_set(name)) for item in range(self.items)])
                    item = self.visit.pick(f"Slots.{name}@{position}", weights, among.__contains__)
                    return item, EDITOR if name == "editor" else EXPLORE
            case rs.PopularityDiscount() | rs.Diversify() | rs.Calibrated() | rs.HumanQuota() | rs.Softmax():
                return self.best(placed) if self.as_ranked() else self.worth_most(placed), MODEL
        return self.best(placed), MODEL

    def chance(self, placed: list[int], item: int) -> float:
        """Return the probability that `next` gives an item, whoever placed those above it."""
        left = self.left(placed)
        match self.policy:
            case rs.EpsilonGreedy():
                epsilon = self.policy.epsilon
                return (1 - epsilon) * self.as_best(placed, item) + epsilon / len(left)
            case rs.Proportional():
                return share(item, self.powers(), left)
            case rs.UCB():
                return float(item == self.highest_bound(left))
            case rs.Thompson() if not (self.candidates and self.model.order is None):
                if self.taking_part(placed) or not self.candidates:
                    return self.highest_share(placed, item)
            case rs.Slots():
                if among := self.slot_set(self.slot(len(placed))) & left:
                    return 1 / len(among) if item in among else 0.0
            case rs.PopularityDiscount() | rs.Diversify() | rs.Calibrated() | rs.HumanQuota() if not self.as_ranked():
                return float(item == self.worth_most(placed))
            case rs.Softmax() if not self.as_ranked():
                if any(candidate not in placed for candidate in self.relevance):
                    return self.softmax_share(placed, item)
        return self.as_best(placed, item)

    def powers(self) -> Tree:
        """Return the weights of `Proportional`."""
        exponent = self.policy.exponent
        return self.tree([float(np.power(count, exponent)) if count > 0 else 0.0 for count in self.counts])

    def highest_bound(self, left: set[int]) -> int | None:
        """Return the item left with the highest upper confidence bound: never shown first, then fewer impressions."""
        shown, clicks = self.shown, self.clicks

        def bound(item: int) -> float:
            if not shown[item]:
                return math.inf
            return clicks[item] / shown[item] + self.policy.width * math.sqrt(2 * log(sum(shown)) / shown[item])

        return min(left, key=lambda item: (-bound(item), shown[item], item), default=None)

    def taking_part(self, placed: list[int]) -> list[int]:
        """Return the items left whose samples take part for `Thompson`."""
        if self.candidates:
            return [item for item in self.ranking[: self.candidates] if item not in placed]
        return sorted(self.left(placed))

    def posteriors(self) -> list[list[float]]:
        """Return log F of the click rate of each item, at points from 0 to 1."""
        clicks, misses = self.policy.prior_clicks, self.policy.prior_misses
        counted = zip(self.clicks, self.shown, strict=True)
        return tabulated(tuple((clicks + clicked, misses + max(shown - clicked, 0)) for clicked, shown in counted))

    def highest_sample(self, placed: list[int]) -> int | None:
        """Return the item left with the highest sample: the cell of the grid first in which that lies, then whose it is."""
        position, table, there = len(placed), self.posteriors(), self.taking_part(placed)
        sample = log(self.visit.uniform(f"Thompson.highest@{position}"))
        below = [in_turn(table[item][point] for item in there) for point in range(len(table[0]))]
        cell = min(sum(value < sample for value in below[1:]), len(below) - 2)
        rise = [row[cell + 1] - row[cell] for row in table]
        label = f"Thompson.item@{position}"
        if not self.candidates:
            return self.visit.pick(label, self.tree(rise), there.__contains__)
        among = self.ranking[: self.candidates]
        column = self.visit.draw(label, Tree([rise[item] if item in there else 0.0 for item in among])) if among else None
        return self.best(placed) if column is None else among[column]

    def highest_share(self, placed: list[int], item: int) -> float:
        """Return the probability that the highest sample is that of an item: over all cells, that of the cell times its rise."""
        table, there = self.posteriors(), self.taking_part(placed)
        if item not in there:
            return 0.0
        below = [in_turn(table[other][point] for other in there) for point in range(len(table[0]))]
        parts = []
        for cell in range(len(below) - 1):
            rise = table[item][cell + 1] - table[item][cell]
            if rise > 0:
                parts.append((exp(below[cell + 1]) - exp(below[cell])) * rise / (below[cell + 1] - below[cell]))
        return in_turn(parts)

    def slot(self, position: int) -> str:
        """Return the name of the slot of a position."""
        return self.policy.pattern[position % len(self.policy.pattern)]

    def slot_set(self, name: str) -> set[int]:
        """Return the items that a slot draws from; a match draws from none."""
        match name:
            case "fresh":
                return {item for item, shown in enumerate(self.shown) if shown < self.policy.fresh_below}
            case "tail":
                return set(range(self.items)) - head(self.counts)
            case "explore":
                return set(range(self.items))
            case "editor":
                return self.picks
        return set()

    def as_ranked(self) -> bool:
        """Return whether a policy that works on candidates serves the ranking as it is."""
        return self.model.order is None or getattr(self.policy, self.policy.strength) == 0

    def worth_most(self, placed: list[int]) -> int | None:
        """Return the candidate left that is worth most, ties to the one ranked higher; without any, the best item left."""
        left = [item for item in self.relevance if item not in placed]
        return max(left, key=lambda item: self.worth(item, placed)) if left else self.best(placed)

    def worth(self, item: int, placed: list[int]) -> float | tuple[bool, int]:
        """Return what a candidate is worth below what is placed."""
        match self.policy:
            case rs.Softmax():
                return self.warm(item) - log(-log(self.visit.uniform("Softmax.race", self.leaves[item])))
            case rs.Diversify():
                alike = max((cosine(self.about[item], self.about[above]) for above in placed), default=0.0)
                return (1 - self.policy.diversity) * self.relevance[item] - self.policy.diversity * alike
            case rs.HumanQuota():
                wanted = math.floor(self.policy.share * (len(placed) + 1) + 1e-9)
                due = sum(self.by_hand[above] for above in placed) < wanted
                return (due and self.by_hand[item], -list(self.relevance).index(item))
            case rs.Calibrated():
                if not self.model.taste.get(self.visit.user):
                    return -float(list(self.relevance).index(item))
                likes = self.kept_taste(item, placed)
                return (1 - self.policy.calibration) * self.relevance[item] + self.policy.calibration * likes
        return self.relevance[item] - self.policy.exponent * log(1 + self.counts[item])

    def kept_taste(self, item: int, placed: list[int]) -> float:
        """Return how well a slate with an item keeps to the user's taste: -KL(taste || smoothed topics), less its entropy."""
        kept = 0.0
        for topic, share in enumerate(self.model.taste[self.visit.user]):
            above = in_turn(self.about[other][topic] for other in placed)
            mean = (self.about[item][topic] + above) / (1 + len(placed))
            kept += share * log(max((1 - 0.01) * mean + 0.01 * share, 1e-300))
        return kept

    def warm(self, item: int) -> float:
        """Return the logarithm of the weight that a candidate has for `Softmax`."""
        return self.relevance[item] / max(self.policy.temperature, 1e-9)

    def softmax_share(self, placed: list[int], item: int) -> float:
        """Return the weight of an item over that of all candidates left, relative to the largest of them."""
        left = [candidate for candidate in self.relevance if candidate not in placed]
        top = max(map(self.warm, left))
        weight = {candidate: float(np.exp(self.warm(candidate) - top)) for candidate in left}
        return weight.get(item, 0.0) / in_turn(weight.values())


def cosine(topics: list[float], others: list[float]) -> float:
    """Return the cosine of the topics of two items, each made a vector of length 1 first."""
    one, other = (math.sqrt(in_turn(share * share for share in of)) for of in (topics, others))
    return in_turn((a / one) * (b / other) for a, b in zip(topics, others, strict=True))


def standardised(scores: list[float | None]) -> list[float]:
    """Return the relevance of ranked items: scores of mean 0 and deviation 1; without any score, the places stand."""
    if all(score is None for score in scores):
        scores = [-float(place) for place in range(len(scores))]
    known = [score for score in scores if score is not None]
    top, least = max(known, default=0.0), min(known, default=0.0)
    if top == least:
        return [0.0] * len(scores)
    scaled = [(score - top) / (top - least) for score in known]
    mean = in_turn(scaled) / len(known)
    deviation = math.sqrt(in_turn([(score - mean) * (score - mean) for score in scaled]) / len(known))
    relevance = [(score - mean) / deviation for score in scaled]
    lowest = min(relevance)
    found = iter(relevance)
    return [lowest if score is None else next(found) for score in scores]


def head(counts: list[float]) -> set[int]:
    """Return the fewest items that hold 80 % of the counts, the most counted first, ties to the lower item."""
    items, above, most = set(), 0.0, 0.8 * in_turn(counts)
    for item in best_first(counts):
        if not above < most:
            break
        items.add(item)
        above += counts[item]
    return items


def share(item: int, weights: Tree, among: set[int]) -> float:
    """Return the weight of an item over the weight of all items that it competes with; 0 for what is not among them."""
    if item not in among or not weights.weights[item]:
        return 0.0
    return weights.weights[item] / weights.only(among.__contains__).root
