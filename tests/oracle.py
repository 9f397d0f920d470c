"""The simulation a second time, slowly and to be read: scalars, lists and dicts, one SimPy process a user.

It follows `docs/design.md`, "The arithmetic, to the last bit", and shares no code with the engine but the recipes (which
hold the settings) and the drawing of people and items. `World(scenario, seed).run()` gives the log that the engine must give.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Container, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, NamedTuple

import numpy as np
import simpy
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from scipy.special import gammaincinv
from threadpoolctl import threadpool_limits

import recsim as rs
from recsim.randomness import Randomness

Choice = rs.Luce | rs.Given | rs.AlwaysClick | rs.Cascade

DAY = 86_400
TRIES = 32
MODEL, EXPLORE, ORGANIC, FRIEND, EDITOR, SURVEY, PANEL, ANCHOR, SYNTHETIC = range(9)
HUMAN = {ORGANIC, FRIEND, EDITOR, SURVEY, PANEL, ANCHOR}
CAMPAIGN_PHASE, SURVEY_PHASE, SHARE_PHASE, RETRAIN_PHASE, DEPLOY_PHASE, VISIT_PHASE = range(1, 7)


# ------------------------------------------------------------------------------------------------------------- numbers
def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the four words of Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011) at one counter."""
    a, b, c, d = counter
    k, m = key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = (right >> 32) ^ b ^ k, right & 0xFFFFFFFF, (left >> 32) ^ d ^ m, left & 0xFFFFFFFF
        k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
    return a, b, c, d


def log(number: float) -> float:
    """Return NumPy's logarithm of a float64, which need not be that of `math`."""
    return float(np.log(number))


class Numbers:
    """All random numbers of one seed, each at its address: label, who, when, which."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.keys: dict[str, tuple[int, int]] = {}

    def words(self, label: str, who: int, when: int, which: int) -> tuple[int, int, int, int]:
        """Return the four words at an address."""
        if label not in self.keys:
            key = hashlib.blake2b(f"{self.seed}:{label}".encode(), digest_size=8).digest()
            self.keys[label] = struct.unpack("<II", key)
        return philox((which, when, who & 0xFFFFFFFF, who >> 32), self.keys[label])

    def uniform(self, label: str, who: int, when: int = 0, which: int = 0) -> float:
        """Return a number in (0, 1) of 52 bits."""
        words = self.words(label, who, when, which)
        return (((words[1] << 32 | words[0]) >> 12) + 0.5) * 2.0**-52

    def exponential(self, label: str, who: int, when: int = 0, which: int = 0) -> float:
        """Return an exponential number of mean 1."""
        return -log(self.uniform(label, who, when, which))

    def block(self, label: str, who: int, when: int, count: int) -> list[float]:
        """Return *count* numbers in (0, 1) of 32 bits."""
        words = [word for which in range(math.ceil(count / 4)) for word in self.words(label, who, when, which)]
        return [(word + 0.5) * 2.0**-32 for word in words[:count]]


# --------------------------------------------------------------------------------------------- draws from a catalogue
class Tree:
    """Weights of items, and above them the sums of pairs: `levels[0]` are the leaves, the last level is the root."""

    def __init__(self, weights: list[float]) -> None:
        size = 1
        while size < len(weights):
            size *= 2
        self.weights = weights
        self.levels = [weights + [0.0] * (size - len(weights))]
        while len(self.levels[-1]) > 1:
            below = self.levels[-1]
            self.levels.append([below[i] + below[i + 1] for i in range(0, len(below), 2)])

    def item(self, numbers: list[float]) -> int | None:
        """Return the item where the way down ends, given one number a level; None where all weights are 0."""
        if self.root == 0:
            return None
        node = 0
        for level in reversed(range(len(self.levels) - 1)):
            left, right = self.levels[level][2 * node], self.levels[level][2 * node + 1]
            node = 2 * node + (numbers[level] * (left + right) >= left and right > 0)
        return node

    @property
    def root(self) -> float:
        """The sum of all weights, as the tree adds them up."""
        return self.levels[-1][0]

    def only(self, allowed: Callable[[int], bool]) -> Tree:
        """Return the tree with the weights of all other items set to 0."""
        return Tree([weight if allowed(item) else 0.0 for item, weight in enumerate(self.weights)])


@dataclass
class Visit:
    """One visit of one user, and the random numbers that are hers in it; or another draw that has an address like hers."""

    numbers: Numbers
    user: int
    ordinal: int
    second: int = -1

    def uniform(self, label: str, which: int = 0) -> float:
        """Return a number in (0, 1)."""
        return self.numbers.uniform(label, self.user, self.ordinal, which)

    def exponential(self, label: str, which: int = 0) -> float:
        """Return an exponential number of mean 1."""
        return self.numbers.exponential(label, self.user, self.ordinal, which)

    def block(self, label: str, count: int) -> list[float]:
        """Return *count* numbers in (0, 1)."""
        return self.numbers.block(label, self.user, self.ordinal, count)

    def draw(self, label: str, tree: Tree) -> int | None:
        """Return one item, each in proportion to its weight."""
        return tree.item(self.block(label, len(tree.levels) - 1))

    def pick(self, label: str, tree: Tree, allowed: Callable[[int], bool]) -> int | None:
        """Return one allowed item, each in proportion to its weight."""
        for attempt in range(TRIES):
            item = self.draw(f"{label}#{attempt}", tree)
            if item is not None and allowed(item):
                return item
        return self.draw(f"{label}#rest", tree.only(allowed))


# ----------------------------------------------------------------------------------------------------------- the truth
class Truth:
    """The people and the items: interests, demand and preference."""

    def __init__(self, scenario: rs.Scenario) -> None:
        randomness = Randomness(scenario.world_seed)
        people, items = scenario.population.draw(randomness), scenario.catalog.draw(randomness)
        self.interests: list[list[float]] = people.interests.tolist()
        self.activity: list[float] = people.activity.tolist()
        self.curiosity: list[float] = people.curiosity.tolist()
        self.users, self.items, self.topics = len(people), len(items), len(self.interests[0])
        self.demand = [self.demand_of(k, items.topics.tolist(), items.appeal.tolist()) for k in range(self.topics)]
        self.demand_trees = [Tree(demand) for demand in self.demand]
        self.preference = [self.preference_of(interests) for interests in self.interests]

    def demand_of(self, topic: int, topics: list[list[float]], appeal: list[float]) -> list[float]:
        """Return, of those who want a topic, the share that wants each item."""
        weights = [topics[item][topic] * appeal[item] for item in range(self.items)]
        total = 0.0
        for weight in weights:
            total += weight
        return [weight / total for weight in weights]

    def preference_of(self, interests: list[float]) -> list[float]:
        """Return p_u: the share of each item in what a user wants."""
        preference = [0.0] * self.items
        for share, demand in zip(interests, self.demand, strict=True):
            for item in range(self.items):
                preference[item] += share * demand[item]
        return preference


# ----------------------------------------------------------------------------------------------------------- the clock
def visit_rate(pace: rs.Poisson | rs.Regular, numbers: Numbers, user: int, activity: float) -> float:
    """Return how many visits a day one user makes."""
    if isinstance(pace, rs.Regular):
        return 1 / pace.period
    gamma = 1.0
    if pace.spread > 0:
        shape = pace.spread**-2
        gamma = max(float(gammaincinv(shape, numbers.uniform("Poisson.rate", user))) / shape, 1e-9)
    return pace.rate * activity * gamma


def visit_seconds(pace: rs.Poisson | rs.Regular, numbers: Numbers, user: int, activity: float) -> Iterator[int]:
    """Yield the seconds of the visits of one user, for ever."""
    match pace:
        case rs.Regular():
            offset = numbers.uniform("Regular.offset", user)
            ordinal = 0
            while True:
                yield math.floor((ordinal + offset) * round(pace.period * DAY))
                ordinal += 1
        case rs.Poisson():
            rate = visit_rate(pace, numbers, user, activity)
            time, ordinal = 0.0, 0
            while True:
                time += numbers.exponential("Poisson.gap", user, ordinal) * (DAY / rate)
                yield math.floor(time)
                ordinal += 1


# ------------------------------------------------------------------------------------------------------------- the log
class Row(NamedTuple):
    """One row of the log, in the order of its columns."""

    time: int
    epoch: int
    visit: int
    user: int
    item: int
    position: int
    origin: int
    propensity: float
    clicked: bool
    depth: float
    via: int


DTYPES = dict(zip(Row._fields, ("<i8", "<i4", "<i4", "<i4", "<i4", "<i2", "|i1", "<f8", "|b1", "<f8", "|i1"), strict=True))


def in_order(rows: list[Row]) -> list[Row]:
    """Return rows in the order of the log: what signals told at a second stands before its visits, in order of telling."""
    return sorted(
        rows, key=lambda row: (row.time, 1, row.user, row.visit, row.position) if row.visit >= 0 else (row.time, 0)
    )


def columns(rows: list[Row]) -> dict[str, np.ndarray]:
    """Return rows as arrays, one a column."""
    return {name: np.array([getattr(row, name) for row in rows], dtype) for name, dtype in DTYPES.items()}


def digest(rows: list[Row], epochs: int) -> str:
    """Return the digest of a log: a chain over its epochs, empty ones too."""
    before = b""
    for epoch in range(epochs):
        arrays = columns([row for row in rows if row.epoch == epoch])
        parts = [hashlib.sha256(array.tobytes()).digest() for array in arrays.values()]
        before = hashlib.sha256(before + b"".join(parts)).digest()
    return before.hex()


# ----------------------------------------------------------------------------------------------------- training rows
class Taught(NamedTuple):
    """A row that a model is trained on, and what it weighs; *number*: its place in the log, -1 for what is in no log."""

    number: int
    time: int
    visit: int
    user: int
    item: int
    origin: int
    label: int
    depth: float
    propensity: float
    weight: float


@dataclass
class Training:
    """What the model of a number is trained on: the rules work on `rows`, one after the other.

    past: all rows before the cut, labelled as the rules so far have it. serving: the model that makes rows up.
    """

    number: int
    past: list[Taught]
    rows: list[Taught]
    serving: Model
    numbers: Numbers
    users: int

    @classmethod
    def of(cls, number: int, log: list[Row], first: int, serving: Model, numbers: Numbers, users: int) -> Training:
        """Return the training on a log before rules have worked on it; *first*: the second at which the window begins."""
        past = [
            Taught(n, row.time, row.visit, row.user, row.item, row.origin, row.origin, row.depth, row.propensity, 1.0)
            for n, row in enumerate(log)
        ]
        return cls(number, past, [row for row in past if row.time >= first], serving, numbers, users)

    def follow(self, rule: rs.Rule) -> None:
        """Let one rule take, weigh or add rows."""
        match rule:
            case rs.OriginWeights():
                names = ["model", "explore", "organic", "friend", "editor", "survey", "panel", "anchor", "synthetic"]
                self.weigh(lambda row: getattr(rule, names[row.label]))
            case rs.DepthWeights():
                self.weigh(lambda row: by_depth(rule, row))
            case rs.InversePropensity():
                self.weigh(lambda row: inverse(row.propensity, rule.clip))
            case rs.TailWeights():
                self.weigh_tail(rule.exponent)
            case rs.Reservoir():
                self.rows += self.forgotten(rule.rows)
            case rs.SyntheticRows():
                self.rows += self.made_up(rule)
            case rs.WrongLabels():
                self.past = [self.mistaken(row, rule.rate) for row in self.past]
                self.rows = [self.mistaken(row, rule.rate) for row in self.rows]

    def weigh(self, factor: Callable[[Taught], float]) -> None:
        """Multiply the weights of the rows; those of weight 0 are left out."""
        weighed = [row._replace(weight=row.weight * factor(row)) for row in self.rows]
        self.rows = [row for row in weighed if row.weight > 0]

    def weigh_tail(self, exponent: float) -> None:
        """Weigh rows by how rare their items are, so that the total stays."""
        about: dict[int, float] = {}
        for row in self.rows:
            about[row.item] = about.get(row.item, 0.0) + row.weight
        rare = {item: float(np.power(weight / min(about.values()), -exponent)) for item, weight in about.items()}
        before = after = 0.0
        for row in self.rows:
            before += row.weight
            after += row.weight * rare[row.item]
        self.weigh(lambda row: rare[row.item] * (before / after))

    def forgotten(self, keep: int) -> list[Taught]:
        """Return the last human rows about each item, so many of each, that are no longer among the rows."""
        left: dict[int, int] = {}
        found = []
        for row in reversed(self.past):
            if row.label in HUMAN and left.setdefault(row.item, keep) > 0:
                left[row.item] -= 1
                found.append(row)
        there = {row.number for row in self.rows}
        return [row for row in reversed(found) if row.number not in there]

    def made_up(self, rule: rs.SyntheticRows) -> list[Taught]:
        """Return rows that the serving model makes up."""
        share = min(rule.share + rule.growth * (self.number - 1), rule.most)
        have = {row.user for row in self.rows}
        tree = Tree([float(user in have) for user in range(self.users)])
        total, made = 0.0, []
        for row in self.rows:
            total += row.weight
        chance = Numbers(int(self.numbers.uniform("Lesson.rank", 0, self.number) * 2**31))
        for j in range(round(len(self.rows) * share / (1 - share))):
            label = f"SyntheticRows.user@{self.number}"
            user = tree.item(self.numbers.block(label, j, 0, len(tree.levels) - 1))
            ranking = self.serving.ranking(Visit(chance, user, j), lambda item: True)
            best = list(islice(ranking, rule.best))
            item = best[math.floor(self.numbers.uniform("SyntheticRows.item", j, self.number) * len(best))]
            last, depth = max(row.time for row in self.rows), self.serving.depth[item]
            made.append(
                Taught(-1, last, -1, user, item, SYNTHETIC, SYNTHETIC, depth, math.nan, total / len(self.rows))
            )
        return made

    def mistaken(self, row: Taught, rate: float) -> Taught:
        """Return the row with its label wrong, if its coin says so."""
        label, when = ("WrongLabels.visit", row.visit) if row.visit >= 0 else ("WrongLabels.time", row.time)
        if self.numbers.uniform(label, row.user, when, row.item) < rate:
            return row._replace(label=MODEL if row.origin in HUMAN else ORGANIC)
        return row


def by_depth(rule: rs.DepthWeights, row: Taught) -> float:
    """Return the factor of a row for its depth, as its label has it."""
    depth = max(row.depth, 1.0) if row.label in (MODEL, SYNTHETIC) else 0.0
    if rule.deepest is not None and depth > rule.deepest:
        return 0.0
    return float(np.power(1 - rule.decay, np.array([depth, depth]))[0])  # alone, NumPy would square for a depth of 2


def inverse(propensity: float, clip: float) -> float:
    """Return the inverse of a propensity, from 1 to *clip*; 1 for what the feed did not place."""
    return 1.0 if math.isnan(propensity) else max(1.0, min(1 / propensity, clip))


def weight_by_item(rows: list[Taught], items: int) -> list[float]:
    """Return the weight of the training rows about each item."""
    weight = [0.0] * items
    for row in rows:
        weight[row.item] += row.weight
    return weight


def depth_by_item(rows: list[Taught], items: int) -> list[float]:
    """Return the depth of what a model trained on these rows shows: 1 + the mean depth of the rows about the item."""
    total = [0.0] * items
    for row in rows:
        total[row.item] += row.weight * row.depth
    weight = weight_by_item(rows, items)
    return [1 + total[item] / weight[item] if weight[item] > 0 else 1.0 for item in range(items)]


# -------------------------------------------------------------------------------------------------------------- models
@dataclass
class Model:
    """A model that serves an epoch.

    order: all items, the best first, for a user; None where the ranking is random. counts: the weight of the training
    rows about each item, prior included, or what a random ranking is drawn from. depth: of its rows, one an item.
    scores: of all items for a user, in any unit; None where there is none. impressions, clicks: as of its cut.
    """

    number: int
    order: Callable[[int], list[int]] | None
    counts: list[float]
    depth: list[float]
    user_factors: np.ndarray | None = None
    item_factors: np.ndarray | None = None
    known_users: frozenset[int] | set[int] = frozenset()
    known_items: frozenset[int] | set[int] = frozenset()
    scores: Callable[[int], list[float | None]] | None = None
    impressions: list[int] = field(default_factory=list)
    clicks: list[int] = field(default_factory=list)

    def ranking(self, visit: Visit, may_show: Callable[[int], bool]) -> Iterator[int]:
        """Yield the items that may be shown, the best first."""
        if self.order is not None:
            yield from filter(may_show, self.order(visit.user))
            return
        tree = Tree(self.counts)
        placed: list[int] = []
        while True:
            item = visit.pick(f"Chances.rank@{len(placed)}", tree, lambda item: may_show(item) and item not in placed)
            if item is None:
                return
            placed.append(item)
            yield item


@dataclass
class Lesson:
    """What a model may learn from: the number it will have, the rows, feed impressions and clicks, the model before."""

    number: int
    rows: list[Taught]
    impressions: list[int]
    clicks: list[int]
    before: Model | None


def train(recipe: rs.Recommender, lesson: Lesson, truth: Truth, numbers: Numbers) -> Model:
    """Return a model of the kind that a recipe asks for, and what is published with it."""
    model = fitted(recipe, lesson, truth, numbers)
    model.impressions, model.clicks = lesson.impressions, lesson.clicks
    return model


def fitted(recipe: rs.Recommender, lesson: Lesson, truth: Truth, numbers: Numbers) -> Model:
    """Return a model of the kind that a recipe asks for."""
    weight, depth = weight_by_item(lesson.rows, truth.items), depth_by_item(lesson.rows, truth.items)
    match recipe:
        case rs.Random():
            return Model(lesson.number, None, [1.0] * truth.items, depth)
        case rs.Shares():
            shares = list(recipe.shares) + [0.0] * truth.items
            return Model(lesson.number, None, shares[: truth.items], depth)
        case rs.Popularity():
            return popularity(recipe, lesson, truth, numbers, depth)
        case rs.ALS():
            return als(recipe, lesson, truth, numbers, depth)
        case rs.Oracle():
            wanted = [[demand[item] for demand in truth.demand] for item in range(truth.items)]
            scores = products(truth.interests, wanted)
            by_weight = best_first(weight)
            return Model(
                lesson.number, lambda user: sorted(by_weight, key=lambda item: -scores[user][item]), weight, depth,
                scores=lambda user: list(map(float, scores[user])),
            )  # fmt: skip
    raise NotImplementedError(type(recipe).__name__)


def popularity(recipe: rs.Popularity, lesson: Lesson, truth: Truth, numbers: Numbers, depth: list[float]) -> Model:
    """Return a model that ranks all users alike."""
    counts = score = [weight + recipe.prior for weight in weight_by_item(lesson.rows, truth.items)]
    if recipe.score == "click_rate":
        score = [
            (clicks + recipe.prior) / (shown + 2 * recipe.prior) if shown + 2 * recipe.prior > 0 else 0.0
            for clicks, shown in zip(lesson.clicks, lesson.impressions, strict=True)
        ]
    tie = [numbers.uniform("Popularity.tie", item, lesson.number) for item in range(truth.items)]
    order = sorted(range(truth.items), key=lambda item: (-score[item], tie[item]))
    return Model(lesson.number, lambda user: order, counts, depth, scores=lambda user: score)


def als(recipe: rs.ALS, lesson: Lesson, truth: Truth, numbers: Numbers, depth: list[float]) -> Model:
    """Return a model of factors, fitted by implicit from starting factors that have addresses."""
    weight = weight_by_item(lesson.rows, truth.items)
    by_weight = best_first(weight)
    users = starting_factors(numbers, "factors.user", truth.users, lesson.number, recipe.factors)
    items = starting_factors(numbers, "factors.item", truth.items, lesson.number, recipe.factors)
    iterations, before = recipe.iterations, lesson.before
    if recipe.warm and before is not None and before.known_users:
        iterations = recipe.warm_iterations
        for user in before.known_users:
            users[user] = before.user_factors[user]
        for item in before.known_items:
            items[item] = before.item_factors[item]
    if lesson.rows:
        with threadpool_limits(1, "blas"):
            fit = AlternatingLeastSquares(
                recipe.factors, recipe.regularization, recipe.alpha, iterations=iterations, num_threads=1
            )
            fit.user_factors, fit.item_factors = users, items
            fit.fit(clicks_matrix(lesson.rows, truth.users, truth.items), show_progress=False)
            users, items = fit.user_factors, fit.item_factors
    scores = products(users.tolist(), items.tolist())
    known = {row.user for row in lesson.rows}

    def order(user: int) -> list[int]:
        if user not in known:
            return by_weight
        with_rows = (item for item in by_weight if weight[item] > 0)
        warm = sorted(with_rows, key=lambda item: -scores[user][item])  # a stable sort: ties stay by weight, then number
        return warm + [item for item in by_weight if weight[item] == 0]

    def opinions(user: int) -> list[float | None]:
        has = [user in known and weight[item] > 0 for item in range(truth.items)]
        return [float(score) if there else None for score, there in zip(scores[user], has, strict=True)]

    return Model(lesson.number, order, weight, depth, users, items, known, {row.item for row in lesson.rows}, opinions)


def starting_factors(numbers: Numbers, label: str, rows: int, number: int, factors: int) -> np.ndarray:
    """Return the factors from which a cold fit starts."""
    return np.array(
        [[0.01 * numbers.uniform(label, row, number, column) for column in range(factors)] for row in range(rows)],
        np.float32,
    )


def clicks_matrix(rows: list[Taught], users: int, items: int) -> csr_matrix:
    """Return the weight of the training rows of each user about each item."""
    weight: dict[tuple[int, int], float] = {}
    for row in rows:
        weight[row.user, row.item] = weight.get((row.user, row.item), 0.0) + row.weight
    cells = sorted(weight)
    values = np.array([weight[cell] for cell in cells], np.float32)
    return csr_matrix((values, ([user for user, _ in cells], [item for _, item in cells])), (users, items))


def products(users: list[list[float]], items: list[list[float]]) -> list[list[int]]:
    """Return the scores of all items for each user: products of factors, in exact whole numbers."""
    left, right = snapped(users), snapped(items)
    return [[sum(a * b for a, b in zip(user, item, strict=True)) for item in right] for user in left]


def snapped(factors: list[list[float]]) -> list[list[int]]:
    """Return factors as whole numbers, so small that a score stays below 2^53."""
    bits = (53 - math.ceil(math.log2(len(factors[0])))) // 2
    _, exponent = math.frexp(max(abs(number) for row in factors for number in row))
    return [[round(math.ldexp(number, bits - exponent)) for number in row] for row in factors]


def best_first(scores: list[float] | list[int]) -> list[int]:
    """Return items by descending score, ties to the lower item."""
    return sorted(range(len(scores)), key=lambda item: (-scores[item], item))


# -------------------------------------------------------------------------------------------------------------- slates
class Placed(NamedTuple):
    """One item of a slate, how it got there, with what probability, and how a friend who sent it had met it."""

    item: int
    origin: int
    propensity: float
    via: int = -1


@dataclass
class Feed:
    """What a policy can see in one visit. leaving: items that may not be shown; picks: what editors chose last."""

    policy: rs.Policy
    model: Model
    visit: Visit
    leaving: set[int]
    size: int
    items: int
    picks: set[int]

    def __post_init__(self) -> None:
        """Rank as many items as the policy looks at, and work out what its candidates are worth."""
        self.candidates = getattr(self.policy, "candidates", 0)
        ranking = self.model.ranking(self.visit, lambda item: item not in self.leaving)
        self.ranking = list(islice(ranking, max(self.size, self.candidates)))
        self.relevance: dict[int, float] = {}
        if self.candidates:
            scores = self.model.scores(self.visit.user) if self.model.scores else [None] * self.items
            best = self.ranking[: self.candidates]
            self.relevance = dict(zip(best, standardised([scores[item] for item in best]), strict=True))

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
        return share(item, Tree(self.model.counts), self.left(placed))

    def next(self, placed: list[int]) -> tuple[int | None, int]:
        """Return the item that the policy puts below those placed, and its origin."""
        position, left = len(placed), self.left(placed)
        match self.policy:
            case rs.EpsilonGreedy():
                if self.visit.block("EpsilonGreedy.coin", self.size)[position] < self.policy.epsilon:
                    equal = Tree([1.0] * self.items)
                    return self.visit.pick(f"EpsilonGreedy.pick@{position}", equal, left.__contains__), EXPLORE
            case rs.Proportional():
                return self.visit.pick(f"Proportional.pick@{position}", self.powers(), left.__contains__), MODEL
            case rs.UCB():
                return self.highest_bound(left), MODEL
            case rs.Slots():
                name = self.slot(position)
                if among := self.slot_set(name) & left:
                    weights = Tree([float(item in self.slot_set(name)) for item in range(self.items)])
                    item = self.visit.pick(f"Slots.{name}@{position}", weights, among.__contains__)
                    return item, EDITOR if name == "editor" else EXPLORE
            case rs.PopularityDiscount() | rs.Softmax() if not self.as_ranked():
                return self.worth_most(placed), MODEL
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
            case rs.Slots():
                if among := self.slot_set(self.slot(len(placed))) & left:
                    return 1 / len(among) if item in among else 0.0
            case rs.PopularityDiscount() if not self.as_ranked():
                return float(item == self.worth_most(placed))
            case rs.Softmax() if not self.as_ranked():
                if any(candidate not in placed for candidate in self.relevance):
                    return self.softmax_share(placed, item)
        return self.as_best(placed, item)

    def powers(self) -> Tree:
        """Return the weights of `Proportional`."""
        exponent = self.policy.exponent
        return Tree([float(np.power(count, exponent)) if count > 0 else 0.0 for count in self.model.counts])

    def highest_bound(self, left: set[int]) -> int | None:
        """Return the item left with the highest upper confidence bound: never shown first, then fewer impressions."""
        shown, clicks = self.model.impressions, self.model.clicks

        def bound(item: int) -> float:
            if not shown[item]:
                return math.inf
            return clicks[item] / shown[item] + self.policy.width * math.sqrt(2 * log(sum(shown)) / shown[item])

        return min(left, key=lambda item: (-bound(item), shown[item], item), default=None)

    def slot(self, position: int) -> str:
        """Return the name of the slot of a position."""
        return self.policy.pattern[position % len(self.policy.pattern)]

    def slot_set(self, name: str) -> set[int]:
        """Return the items that a slot draws from; a match draws from none."""
        match name:
            case "fresh":
                return {item for item, shown in enumerate(self.model.impressions) if shown < self.policy.fresh_below}
            case "tail":
                return set(range(self.items)) - head(self.model.counts)
            case "explore":
                return set(range(self.items))
            case "editor":
                return self.picks
        return set()

    def as_ranked(self) -> bool:
        """Return whether a policy that works on candidates serves the ranking as it is."""
        strength = self.policy.temperature if isinstance(self.policy, rs.Softmax) else self.policy.exponent
        return self.model.order is None or strength == 0

    def worth_most(self, placed: list[int]) -> int | None:
        """Return the candidate left that is worth most, ties to the one ranked higher; without any, the best item left."""
        left = [item for item in self.relevance if item not in placed]
        return max(left, key=self.worth) if left else self.best(placed)

    def worth(self, item: int) -> float:
        """Return what a candidate is worth."""
        if isinstance(self.policy, rs.Softmax):
            return self.warm(item) - log(-log(self.visit.uniform("Softmax.race", item)))
        return self.relevance[item] - self.policy.exponent * log(1 + self.model.counts[item])

    def warm(self, item: int) -> float:
        """Return the logarithm of the weight that a candidate has for `Softmax`."""
        return self.relevance[item] / max(self.policy.temperature, 1e-9)

    def softmax_share(self, placed: list[int], item: int) -> float:
        """Return the weight of an item over that of all candidates left, relative to the largest of them."""
        left = [candidate for candidate in self.relevance if candidate not in placed]
        top = max(map(self.warm, left))
        weight = {candidate: float(np.exp(self.warm(candidate) - top)) for candidate in left}
        return weight.get(item, 0.0) / in_turn(weight.values())


def in_turn(numbers: Iterable[float]) -> float:
    """Return the sum of numbers, added one after the other (Python's own `sum` would carry what is rounded off)."""
    total = 0.0
    for number in numbers:
        total += number
    return total


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


def fill_slate(feed: Feed, signals: list[Signal]) -> list[Placed]:
    """Return the slate of a visit, from the top: of a policy and the signals that place items.

    believed: for each set of signals, as one who sees only the slate has it, the probability that it touches the visit.
    """
    touching = [signal.touches(feed.visit) for signal in signals]
    priors = [signal.prior(feed.visit) for signal in signals]
    believed: dict[tuple[bool, ...], float] = {}
    for which in product((False, True), repeat=len(signals)):
        believed[which] = math.prod(prior if up else 1 - prior for prior, up in zip(priors, which, strict=True))
    slate: list[Placed] = []
    while len(slate) < feed.size:
        placed = [one.item for one in slate]
        item, origin, via = *feed.next(placed), -1
        for signal, touches in reversed(list(zip(signals, touching, strict=True))):
            theirs = signal.item(feed, placed) if touches else None
            if theirs is not None:
                item, origin, via = theirs, signal.origin, signal.via(feed.visit)
        if item is None:
            break
        joint = {which: weight * chance_under(feed, signals, which, placed, item) for which, weight in believed.items()}
        propensity = in_turn(joint.values())
        believed = {which: part / propensity for which, part in joint.items()}
        slate.append(Placed(item, origin, propensity, via))
    for signal, touches in zip(signals, touching, strict=True):
        if touches:
            signal.inbox.pop(feed.visit.user, None)
    return slate


def chance_under(feed: Feed, signals: list[Signal], which: tuple[bool, ...], placed: list[int], item: int) -> float:
    """Return the probability that an item comes next if just these signals touch the visit: that of the first with one."""
    for signal, up in zip(signals, which, strict=True):
        chance = signal.chance(feed, placed, item) if up else None
        if chance is not None:
            return chance
    return feed.chance(placed, item)


# ------------------------------------------------------------------------------------------------------------- signals
@dataclass
class Signal:
    """A human signal and its state.

    serial: among those of its kind that are not off. every: days between its moments. chosen: visits, as pairs of user
    and ordinal, that a count has chosen, and what share of those listed they were. inbox: the item that waits for a
    user, and how its sender had met it. picks: of the editors. before: users and items of the log from before the loop.
    """

    recipe: rs.Signal
    serial: int
    every: float
    chosen: set[tuple[int, int]] = field(default_factory=set)
    chosen_share: float = 0.0
    inbox: dict[int, tuple[int, int]] = field(default_factory=dict)
    picks: set[int] = field(default_factory=set)
    before: list[tuple[int, int]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The name of its class."""
        return type(self.recipe).__name__

    @property
    def phase(self) -> int:
        """When it has its moments among the changes of one second."""
        return {"Survey": SURVEY_PHASE, "FriendShares": SHARE_PHASE}.get(self.kind, CAMPAIGN_PHASE)

    @property
    def origin(self) -> int:
        """The origin of what it places or tells."""
        names = {"Panel": PANEL, "EditorPicks": EDITOR, "FriendShares": FRIEND, "Survey": SURVEY, "AnchorReplay": ANCHOR}
        return names[self.kind]

    @property
    def places(self) -> bool:
        """Whether it puts items into slates."""
        return self.kind in ("Panel", "EditorPicks", "FriendShares")

    @property
    def has_moments(self) -> bool:
        """Whether anything happens at its moments."""
        return self.recipe.count is not None or self.kind not in ("OrganicLift", "Panel")

    def moment(self, number: int) -> int:
        """Return the second of a moment."""
        return round((self.recipe.from_day + number * self.every) * DAY)

    def is_on(self, second: int) -> bool:
        """Return whether it is on at a second."""
        return self.recipe.from_day * DAY <= second < self.recipe.to_day * DAY

    def lift(self, second: int) -> float:
        """Return what it adds to the probability that a visit is organic."""
        return self.recipe.rate or 0.0 if self.kind == "OrganicLift" and self.is_on(second) else 0.0

    def takes(self, candidates: dict[Any, float]) -> list[Any]:
        """Return which candidates the strength takes, given a number each: a share of them, or a count of the smallest."""
        if self.recipe.count is None:
            return [key for key, number in candidates.items() if number < self.recipe.rate]
        taken = set(sorted(candidates, key=candidates.__getitem__)[: self.recipe.count])
        return [key for key in candidates if key in taken]

    # ------------------------------------------------------------------------------------------------------- in visits
    def prior(self, visit: Visit) -> float:
        """Return the probability that it touches a visit to the feed."""
        if self.kind == "FriendShares":
            return float(self.touches(visit))
        rate = self.chosen_share if self.recipe.rate is None else self.recipe.rate
        return rate if self.is_on(visit.second) else 0.0

    def touches(self, visit: Visit) -> bool:
        """Return whether it touches a visit."""
        if not self.is_on(visit.second):
            return False
        if self.kind == "FriendShares":
            return visit.user in self.inbox
        if self.recipe.count is not None:
            return (visit.user, visit.ordinal) in self.chosen
        return visit.uniform(f"{self.kind}.coin", self.serial) < self.recipe.rate

    def claims(self, position: int) -> bool:
        """Return whether it fills a position of the slates that it touches."""
        return self.kind == "Panel" or position == self.recipe.position

    def open_to(self, feed: Feed, placed: list[int]) -> set[int]:
        """Return the items that it might put below those placed."""
        if not self.claims(len(placed)):
            return set()
        match self.recipe:
            case rs.EditorPicks():
                return self.picks & feed.left(placed)
            case rs.FriendShares():
                waiting = self.inbox.get(feed.visit.user)
                return {waiting[0]} & feed.left(placed) if waiting else set()
        return feed.left(placed)

    def item(self, feed: Feed, placed: list[int]) -> int | None:
        """Return the item that it puts below those placed; None where it has none."""
        allowed = self.open_to(feed, placed)
        match self.recipe:
            case rs.Panel():
                equal = Tree([1.0] * feed.items)
                return feed.visit.pick(f"Panel.pick.{self.serial}@{len(placed)}", equal, allowed.__contains__)
            case rs.EditorPicks():
                label = f"EditorPicks.pick.{self.serial}"
                return min(allowed, key=lambda item: feed.visit.uniform(label, item), default=None)
        return next(iter(allowed), None)

    def chance(self, feed: Feed, placed: list[int], item: int) -> float | None:
        """Return the probability that it puts an item below those placed: all alike; None where it puts none."""
        allowed = self.open_to(feed, placed)
        return float(item in allowed) / len(allowed) if allowed else None

    def via(self, visit: Visit) -> int:
        """Return how the sender of what it places had met it; -1 where it is no friend."""
        return self.inbox[visit.user][1] if self.kind == "FriendShares" else -1


def signals_of(scenario: rs.Scenario) -> list[Signal]:
    """Return the signals of a scenario in their order, less those that are off."""
    kinds: dict[str, int] = {}
    signals = []
    for recipe in scenario.signals:
        if recipe.rate or recipe.count:
            serial = kinds.setdefault(type(recipe).__name__, 0)
            kinds[type(recipe).__name__] += 1
            signals.append(Signal(recipe, serial, recipe.every or scenario.retrain.every))
    return signals


# -------------------------------------------------------------------------------------------------------------- choice
def attention(bias: str | float | tuple[float, ...], position: int) -> float:
    """Return the attention that a position gets; the top one gets 1 unless a list says otherwise."""
    match bias:
        case "none":
            return 1.0
        case "log":
            return 1 / float(np.log2(position + 2))
        case tuple():
            return bias[position] if position < len(bias) else 0.0
    return float(np.power(float(position + 1), -bias))


def clicked(choice: Choice, visit: Visit, slate: list[Placed], closed: Container[int], truth: Truth) -> list[int]:
    """Return the positions that a user clicks; *closed* are items that she cannot consume again."""
    open_positions = [position for position, placed in enumerate(slate) if placed.item not in closed]
    preference = truth.preference[visit.user]

    def weight(position: int) -> float:
        return truth.items * preference[slate[position].item] * attention(choice.bias, position)

    match choice:
        case rs.AlwaysClick():
            return [position for position in open_positions if position == 0]
        case rs.Luce():
            race = []
            for position in open_positions:
                if weight(position) > 0:
                    time = visit.exponential("whim", slate[position].item) / weight(position)
                    race.append((time, position))
            leave = visit.exponential("Luce.outside") / choice.outside if choice.outside > 0 else math.inf
            return [position for time, position in sorted(race) if time < leave][: choice.clicks]
        case rs.Given():
            return [
                position
                for position in open_positions
                if visit.uniform("Given.click", position)
                < attention(choice.bias, position) * given(choice.theta, visit.user, slate[position].item)
            ]
        case rs.Cascade():
            clicks = []
            for position in open_positions:
                attraction = weight(position) / (weight(position) + choice.outside)
                if visit.uniform("whim", slate[position].item) < attraction:
                    clicks.append(position)
                    if visit.uniform("Cascade.satisfied", position) < choice.satisfied:
                        break
            return clicks
    raise NotImplementedError(type(choice).__name__)


def given(theta: float | tuple[tuple[float, ...], ...], user: int, item: int) -> float:
    """Return the click probability of a user and an item."""
    if not isinstance(theta, tuple):
        return theta
    return theta[0 if len(theta) == 1 else user][item]


# ----------------------------------------------------------------------------------------------------------- the world
@dataclass
class Log:
    """What a run leaves behind."""

    clicks: list[Row] = field(default_factory=list)
    shadow: list[Row] = field(default_factory=list)
    impressions: list[Row] = field(default_factory=list)
    epochs: int = 1
    digest: str = ""


class World:
    """The world as of the last change, and what each user has consumed; `run` gives the log that the engine must give."""

    def __init__(self, scenario: rs.Scenario, seed: int) -> None:
        self.scenario, self.numbers, self.truth = scenario, Numbers(seed), Truth(scenario)
        self.every, self.latency = round(scenario.retrain.every * DAY), round(scenario.retrain.latency * DAY)
        self.horizon = round(scenario.days * DAY)
        self.log = Log()
        self.consumed: list[set[int]] = [set() for _ in range(self.truth.users)]
        self.imagined: list[set[int]] = [set() for _ in range(self.truth.users)]
        self.signals = signals_of(scenario)
        nothing = [0] * self.truth.items
        self.model = train(scenario.start, Lesson(0, self.before(), nothing, nothing, None), self.truth, self.numbers)
        self.env = simpy.Environment()

    def at(self, second: int, phase: int, place: int = 0) -> simpy.Event:
        """Return an event that happens at a second; those of the same second happen by phase, then by place."""
        event = simpy.Event(self.env)
        event._ok, event._value = True, None
        self.env.schedule(event, 1000 * phase + place, second - self.env.now)
        return event

    def run(self) -> Log:
        """Run to the end and return the log."""
        self.env.process(self.retraining())
        for place, signal in enumerate(sorted(self.signals, key=lambda signal: signal.kind != "OrganicLift")):
            self.env.process(self.speaking(place, signal))
        for user in range(self.truth.users):
            self.env.process(self.visiting(user))
        self.env.run()
        self.log.clicks, self.log.impressions = in_order(self.log.clicks), in_order(self.log.impressions)
        self.log.shadow = in_order(self.log.shadow)
        self.log.digest = digest(self.log.clicks, self.log.epochs)
        return self.log

    # ------------------------------------------------------------------------------------------------------- processes
    def retraining(self) -> Generator[simpy.Event, None, None]:
        """Train a model at each cut, and deploy it when its latency is over."""
        number = 1
        while number * self.every < self.horizon:
            yield self.at(number * self.every, RETRAIN_PHASE)
            model = train(self.scenario.recommender, self.lesson(number), self.truth, self.numbers)
            if number * self.every + self.latency >= self.horizon:
                return
            yield self.at(number * self.every + self.latency, DEPLOY_PHASE)
            self.model = model
            self.log.epochs += 1
            number += 1

    def speaking(self, place: int, signal: Signal) -> Generator[simpy.Event, None, None]:
        """Let a signal have the moments of its timetable."""
        number = 0
        while signal.has_moments and signal.moment(number) < min(signal.recipe.to_day * DAY, self.horizon):
            yield self.at(signal.moment(number), signal.phase, place)
            self.let_speak(signal, number)
            number += 1

    def visiting(self, user: int) -> Generator[simpy.Event, None, None]:
        """Let one user come, time and again."""
        for visit in self.timetable(user, self.horizon):
            yield self.at(visit.second, VISIT_PHASE)
            self.serve(visit)

    def timetable(self, user: int, until: int) -> Iterator[Visit]:
        """Yield the visits of one user before a second, from her first."""
        seconds = visit_seconds(self.scenario.visits, self.numbers, user, self.truth.activity[user])
        for ordinal, second in enumerate(seconds):
            if second >= until:
                return
            yield Visit(self.numbers, user, ordinal, second)

    # --------------------------------------------------------------------------------------------------------- signals
    def let_speak(self, signal: Signal, number: int) -> None:
        """Do what the moment of a number asks for."""
        if signal.recipe.count is not None and signal.kind in ("OrganicLift", "Panel", "EditorPicks"):
            self.choose_visits(signal, signal.moment(number + 1))
        match signal.recipe:
            case rs.EditorPicks():
                signal.picks = self.editors(signal, number)
            case rs.FriendShares():
                self.pass_on(signal, number)
            case rs.Survey():
                self.tell(signal, self.answers(signal, number))
            case rs.AnchorReplay():
                self.tell(signal, self.replayed(signal, number))

    def choose_visits(self, signal: Signal, until: int) -> None:
        """Choose a count of the visits up to a second that, as far as is known now, will begin in the feed."""
        coming = {}
        for user in range(self.truth.users):
            for visit in self.timetable(user, until):
                if visit.second >= self.env.now and not self.is_organic(visit):
                    label = f"{signal.kind}.choice"
                    coming[user, visit.ordinal] = self.numbers.uniform(label, user, visit.ordinal, signal.serial)
        signal.chosen = set(signal.takes(coming))
        signal.chosen_share = len(signal.chosen) / max(len(coming), 1)

    def editors(self, signal: Signal, number: int) -> set[int]:
        """Return what editors pick: the first in a race of items whose rates are what the taste gives them."""
        weights = [1.0] * self.truth.items
        if signal.recipe.taste == "topics":
            weights = [in_turn(demand[item] for demand in self.truth.demand) for item in range(self.truth.items)]
        elif signal.recipe.taste != "even":
            weights = list(signal.recipe.taste)
        race = [
            (self.numbers.exponential("EditorPicks.race", item, number, signal.serial) / weight, item)
            for item, weight in enumerate(weights)
            if weight > 0
        ]
        return {item for _, item in sorted(race)[: signal.recipe.picks]}

    def pass_on(self, signal: Signal, number: int) -> None:
        """Pass on to friends what was consumed since the moment before; what comes last stays in an inbox."""
        since = signal.moment(number - 1) if number else int(self.env.now)
        pairs = {pair for a, b in signal.recipe.edges if a != b for pair in ((a, b), (b, a))}
        label = f"FriendShares.pass.{signal.serial}@{number}"
        fresh: dict[tuple[int, int], Row] = {}
        for row in in_order(self.log.clicks):
            if row.clicked and row.time >= since:
                fresh.pop((row.user, row.item), None)  # consumed twice it is one item, as old as the last time
                fresh[row.user, row.item] = row
        passes = {}
        for row in fresh.values():
            for friend in sorted(friend for user, friend in pairs if user == row.user):
                passes[friend, row] = self.numbers.uniform(label, row.user, row.item, friend)
        for friend, row in signal.takes(passes):
            signal.inbox[friend] = row.item, row.origin

    def answers(self, signal: Signal, number: int) -> list[tuple[int, int]]:
        """Return who says that she would choose which item."""
        label = f"Survey.{signal.serial}@{number}"
        asked = signal.takes({user: self.numbers.uniform(label, user) for user in range(self.truth.users)})
        once = self.scenario.consumption == "once"
        answers = []
        for user in asked:
            closed = self.consumed[user] if once else set()
            item = self.found(Visit(self.numbers, user, number), user, label, lambda item, closed=closed: item not in closed)
            if item is not None:
                answers.append((user, item))
        return answers

    def replayed(self, signal: Signal, number: int) -> list[tuple[int, int]]:
        """Return rows of the log from before the loop."""
        signal.before = signal.before or self.log_before(signal)
        label = f"AnchorReplay.{signal.serial}"
        rows = range(len(signal.before))
        return [signal.before[row] for row in signal.takes({row: self.numbers.uniform(label, row, number) for row in rows})]

    def log_before(self, signal: Signal) -> list[tuple[int, int]]:
        """Return the log from before the loop, when nobody had consumed anything."""
        label = f"AnchorReplay.log.{signal.serial}"
        if signal.recipe.each == "item":
            return [(self.fan(item, label), item) for item in range(self.truth.items)]
        pace, activity = self.scenario.visits, self.truth.activity
        users = Tree([visit_rate(pace, self.numbers, user, activity[user]) for user in range(self.truth.users)])
        rows = []
        for row in range(signal.recipe.size):
            address = Visit(self.numbers, row, 0)
            user = address.draw(f"{label}.user", users)
            if signal.recipe.shares:
                item = address.draw(f"{label}.item", Tree(list(signal.recipe.shares)))
            else:
                item = self.found(address, user, label, lambda item: True)
            rows.append((user, item))
        return rows

    def fan(self, item: int, label: str) -> int:
        """Return a user drawn from all in proportion to how much they want an item: a topic first, then one of its people."""
        race = []
        for topic, demand in enumerate(self.truth.demand):
            interest = in_turn(interests[topic] for interests in self.truth.interests)
            rate = max(interest * demand[item], 1e-300)
            race.append(self.numbers.exponential(f"{label}.topic", item, 0, topic) / rate)
        people = Tree([interests[race.index(min(race))] for interests in self.truth.interests])
        return Visit(self.numbers, item, 0).draw(f"{label}.user", people)

    def before(self) -> list[Taught]:
        """Return the rows from which the first model learns: the logs from before the loop of replays from day 0 on."""
        signals = [one for one in self.signals if one.kind == "AnchorReplay" and one.recipe.from_day == 0]
        pairs = [pair for signal in signals for pair in self.log_before(signal)]
        return [Taught(-1, -1, -1, user, item, ANCHOR, ANCHOR, 0.0, math.nan, 1.0) for user, item in pairs]

    def tell(self, signal: Signal, pairs: list[tuple[int, int]]) -> None:
        """Write users and items into the log, by user: nobody consumes them."""
        for user, item in sorted(pairs, key=lambda pair: pair[0]):
            nobody = Visit(self.numbers, user, -1)
            self.log.clicks.append(self.row(nobody, Placed(item, signal.origin, math.nan), -1, False))

    # -------------------------------------------------------------------------------------------------------- training
    def lesson(self, number: int) -> Lesson:
        """Return what the model of a number learns from: rows of its window, none from after its cut."""
        windows = [rule.last for rule in self.scenario.training if isinstance(rule, rs.Window)]
        first = (number - min(windows)) * self.every if windows else 0
        log = self.log.shadow if self.scenario.open_loop else self.log.clicks
        before_cut = in_order([row for row in log if row.time < number * self.every])
        training = Training.of(number, before_cut, first, self.model, self.numbers, self.truth.users)
        for rule in self.scenario.training:
            training.follow(rule)
        shown = [row for row in self.log.impressions if first <= row.time < number * self.every]
        return Lesson(
            number,
            training.rows,
            [sum(row.item == item for row in shown) for item in range(self.truth.items)],
            [sum(row.item == item and row.clicked for row in shown) for item in range(self.truth.items)],
            self.model if number > 1 else None,  # `start` may be of another kind: it is not one of those before
        )

    # --------------------------------------------------------------------------------------------------------- a visit
    def serve(self, visit: Visit) -> None:
        """Serve one visit from top to bottom."""
        if self.is_organic(visit):
            self.search(visit)
        else:
            self.show(visit)

    def is_organic(self, visit: Visit) -> bool:
        """Return whether a visit does without the feed: by its coin, or since a lift with a count has chosen it."""
        chance = self.truth.curiosity[visit.user]
        for signal in self.signals:
            chance += signal.lift(visit.second)
        counted = (one for one in self.signals if one.kind == "OrganicLift" and one.recipe.count is not None)
        return visit.uniform("visit.organic") < min(1.0, chance) or any(lift.touches(visit) for lift in counted)

    def search(self, visit: Visit) -> None:
        """Let the user find an item without the feed."""
        consumed = self.consumed[visit.user]
        closed = set(consumed) if self.scenario.consumption == "once" else set()
        item = self.found(visit, visit.user, "organic", lambda item: item not in closed)
        if item is not None:
            consumed.add(item)
            self.log.clicks.append(self.row(visit, Placed(item, ORGANIC, math.nan), -1, True))
            self.imagine(visit, 1)

    def imagine(self, visit: Visit, clicks: int) -> None:
        """Note for each click of a visit what the user would have consumed unsteered: that teaches in place of the click."""
        had = self.imagined[visit.user]
        for n in range(clicks if self.scenario.open_loop else 0):
            closed = set(had) if self.scenario.consumption == "once" else set()
            item = self.found(visit, visit.user, f"shadow#{n}", lambda item, closed=closed: item not in closed)
            if item is not None:
                had.add(item)
                self.log.shadow.append(self.row(visit, Placed(item, ORGANIC, math.nan), n, False))

    def found(self, visit: Visit, user: int, label: str, allowed: Callable[[int], bool]) -> int | None:
        """Return what a user consumes where nobody steers her, drawn at the address of a visit; None for want of items."""
        interests = self.truth.interests[user]
        for attempt in range(TRIES):
            numbers = visit.block(f"{label}.topic#{attempt}", self.truth.topics)
            race = [-log(number) / interest for number, interest in zip(numbers, interests, strict=True)]
            item = visit.draw(f"{label}.item#{attempt}", self.truth.demand_trees[race.index(min(race))])
            if item is not None and allowed(item):
                return item
        return visit.draw(f"{label}.rest", Tree(self.truth.preference[user]).only(allowed))

    def show(self, visit: Visit) -> None:
        """Show the user a slate and log what she clicks."""
        consumed = self.consumed[visit.user]
        leaving = set(consumed) if self.scenario.consumed == "leave" else set()
        closed = set(consumed) if self.scenario.consumption == "once" else set()
        picks = {item for signal in self.signals for item in signal.picks}
        feed = Feed(self.scenario.policy, self.model, visit, leaving, self.scenario.slate, self.truth.items, picks)
        slate = fill_slate(feed, [signal for signal in self.signals if signal.places])
        clicks = clicked(self.scenario.choice, visit, slate, closed, self.truth)
        for position, placed in enumerate(slate):
            row = self.row(visit, placed, position, position in clicks)
            self.log.impressions.append(row)
            if row.clicked:
                consumed.add(placed.item)
                self.log.clicks.append(row)
        self.imagine(visit, len(clicks))

    def row(self, visit: Visit, placed: Placed, position: int, clicked: bool) -> Row:
        """Return a row of the log as of now."""
        item, origin, propensity, via = placed
        depth = self.model.depth[item] if origin == MODEL else 0.0
        time, epoch = int(self.env.now), self.model.number
        return Row(time, epoch, visit.ordinal, visit.user, item, position, origin, propensity, clicked, depth, via)
