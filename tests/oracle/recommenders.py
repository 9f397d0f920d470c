"""Models: the rows they learn from, what they publish, and how each kind of them ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import ItemItemRecommender, bm25_weight, normalize
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import recsim as rs

from .arithmetic import best_first, in_turn, products, whole
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

    order: all items that it knows, the best first, for a user; None where the ranking is random. counts: the weight of the
    training rows about each item, prior included, or what a random ranking is drawn from. depth: of its rows, one an item.
    scores: of all items for a user, in any unit; None where there is none. impressions, clicks: as of its cut. taste: of who
    had training rows, the mean topics of these by weight. leaves: where the items that it knows stand in lotteries.
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
    taste: dict[int, list[float]] = field(default_factory=dict)
    leaves: list[int] = field(default_factory=list)

    def ranking(self, visit: Visit, may_show: Callable[[int], bool], items: int | None = None) -> Iterator[int]:
        """Yield the items that may be shown, the best first; *items*: how many are out, those that it does not know last."""
        if self.order is not None:
            yield from filter(may_show, self.order(visit.user))
            yield from filter(may_show, range(len(self.counts), items or 0))
            return
        tree = Tree(self.counts, self.leaves)
        placed: list[int] = []
        while True:
            item = visit.pick(f"Chances.rank@{len(placed)}", tree, lambda item: may_show(item) and item not in placed)
            if item is None:
                return
            placed.append(item)
            yield item


@dataclass
class Lesson:
    """What a model may learn from: the number it will have, the rows, feed impressions and clicks, the model before, how many
    people have come; and for the one that is trusted with it, what each user wants of each topic now, or when she comes.
    """

    number: int
    rows: list[Taught]
    impressions: list[int]
    clicks: list[int]
    before: Model | None
    users: int
    wants: list[list[float]]


def train(recipe: rs.Recommender, lesson: Lesson, truth: Truth, numbers: Numbers) -> Model:
    """Return a model of the kind that a recipe asks for, and what is published with it."""
    model = fitted(recipe, lesson, truth, numbers)
    model.impressions, model.clicks = lesson.impressions, lesson.clicks
    model.leaves = truth.leaves[: truth.items]
    model.taste = {user: taste(user, lesson.rows, truth) for user in {row.user for row in lesson.rows}}
    return model


def taste(user: int, rows: list[Taught], truth: Truth) -> list[float]:
    """Return the mean topics of a user's rows by weight, item after item."""
    weight: dict[int, float] = {}
    for row in rows:
        if row.user == user:
            weight[row.item] = weight.get(row.item, 0.0) + row.weight
    total = in_turn(weight[item] for item in sorted(weight))
    return [in_turn(weight[item] * truth.about[item][topic] for item in sorted(weight)) / total for topic in range(truth.topics)]


def fitted(recipe: rs.Recommender, lesson: Lesson, truth: Truth, numbers: Numbers) -> Model:
    """Return a model of the kind that a recipe asks for."""
    weight, depth = weight_by_item(lesson.rows, truth.items), depth_by_item(lesson.rows, truth.items)
    match recipe:
        case rs.Random():
            return Model(lesson.number, None, [1.0] * truth.items, depth)
        case rs.Shares():
            shares = list(recipe.shares) + [0.0] * truth.items
            return Model(lesson.number, None, shares[: truth.items], depth)
        case rs.Drawn():
            return Model(lesson.number, None, weight, depth)
        case rs.Popularity():
            return popularity(recipe, lesson, truth, numbers, depth)
        case rs.ALS():
            return als(recipe, lesson, truth, numbers, depth)
        case rs.ItemKNN():
            return item_knn(recipe, lesson, truth, depth)
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
    tie = [numbers.uniform("Popularity.tie", truth.item_address[item], lesson.number) for item in range(truth.items)]
    order = sorted(range(truth.items), key=lambda item: (-score[item], tie[item]))
    return Model(lesson.number, lambda user: order, counts, depth, scores=lambda user: score)


def als(recipe: rs.ALS, lesson: Lesson, truth: Truth, numbers: Numbers, depth: list[float]) -> Model:
    """Return a model of factors, fitted by implicit from starting factors that have addresses."""
    weight = weight_by_item(lesson.rows, truth.items)
    by_weight = best_first(weight)
    users = starting_factors(numbers, "factors.user", list(range(lesson.users)), lesson.number, recipe.factors)
    addresses = truth.item_address[: truth.items]
    items = starting_factors(numbers, "factors.item", addresses, lesson.number, recipe.factors)
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
            fit.fit(clicks_matrix(lesson.rows, lesson.users, truth.items), show_progress=False)
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
        if user not in known:
            return [None] * len(weight)
        return [float(score) if about > 0 else None for score, about in zip(scores[user], weight, strict=True)]

    return Model(lesson.number, order, weight, depth, users, items, known, {row.item for row in lesson.rows}, opinions)


def item_knn(recipe: rs.ItemKNN, lesson: Lesson, truth: Truth, depth: list[float]) -> Model:
    """Return a model that ranks by the similarity of items to those that a user has rows about, as implicit measures it."""
    weight = weight_by_item(lesson.rows, truth.items)
    by_weight = best_first(weight)
    rows = clicks_matrix(lesson.rows, lesson.users, truth.items).toarray().astype(float).tolist()
    similar = similarities(recipe, lesson, truth) if lesson.rows else [[0.0] * truth.items] * truth.items
    longest = max(1, *(sum(cell != 0 for cell in row) for row in rows))
    mine, near = whole(rows, longest), whole(similar, longest)
    scores = [
        [sum(have * near[other][item] for other, have in enumerate(row) if have) for item in range(truth.items)] for row in mine
    ]

    def opinions(user: int) -> list[float | None]:
        theirs = scores[user] if user < len(scores) else [0] * len(weight)
        return [float(score) if score > 0 else None for score in theirs]

    def order(user: int) -> list[int]:
        return sorted(by_weight, key=lambda item: -(opinions(user)[item] or 0.0))

    return Model(lesson.number, order, weight, depth, scores=opinions)


def similarities(recipe: rs.ItemKNN, lesson: Lesson, truth: Truth) -> list[list[float]]:
    """Return how similar the nearest neighbours of each item are, 0 for all others."""
    users_of = clicks_matrix(lesson.rows, lesson.users, truth.items).T
    weighed = normalize(users_of) if recipe.similarity == "cosine" else bm25_weight(users_of, K1=1.2, B=0.75)
    fit = ItemItemRecommender(K=min(recipe.neighbours, truth.items), num_threads=1)
    fit.fit(weighed.T.tocsr(), show_progress=False)
    return fit.similarity.toarray().astype(float).tolist()


def starting_factors(numbers: Numbers, label: str, rows: list[int], number: int, factors: int) -> np.ndarray:
    """Return the factors from which a cold fit starts, a row for each of the places where their numbers live."""
    return np.array(
        [[0.01 * numbers.uniform(label, row, number, column) for column in range(factors)] for row in rows],
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
