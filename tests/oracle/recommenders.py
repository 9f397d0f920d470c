"""Models: the rows they learn from, what they publish, and how each kind of them ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import recsim as rs

from .arithmetic import best_first, products
from .chance import Numbers, Tree, Visit
from .truth import Truth


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
    """What a model may learn from: the number it will have, the rows, feed impressions and clicks, the model before; and for the
    one that is trusted with it, what each user wants of each topic now.
    """

    number: int
    rows: list[Taught]
    impressions: list[int]
    clicks: list[int]
    before: Model | None
    wants: list[list[float]]


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
            scores = products(lesson.wants, wanted)
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
