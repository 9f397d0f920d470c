"""Recommenders: recipes that turn training rows into a model."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.ahead import together
from recsim.catalog import Items
from recsim.errors import RecsimError
from recsim.models import Chances, Factors, Model, Neighbours, Order
from recsim.population import Own, Users
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe, Weights
from recsim.solvers import alternating, crew, implicit
from recsim.world import Bools, Counts, Rows


class Recommender(Recipe):
    """A recipe that turns training rows into a model. The feed never sees the truth; `Oracle` is the marked exception."""

    trusted: ClassVar[bool] = False
    """Whether the truth is handed to it, on purpose."""
    model: ClassVar[type[Model]] = Model  # type: ignore[type-abstract]  # a kind puts its own in its place

    learns: ClassVar[bool] = True
    """Whether the rows teach it anything: without that there is no loop."""
    @property
    def counts_impressions(self) -> bool:
        """Whether it learns from how often items were shown, not from the rows alone."""
        return False

    in_one_thread: ClassVar[bool] = False
    """Whether it trains in one thread, however many there are, so that the same rows give the same model."""

    def expect(self, users: int, items: int, threads: int) -> None:
        """Let begin, before people are drawn, what a fit for about so many would wait for: nothing."""

    @abstractmethod
    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return the model that the rows teach.

        Raises RecsimError where the settings do not suit the rows.
        """


class Truth(NamedTuple):
    """People and items as they are: wants (users, topics), what each wants now; own: their state columns by name."""

    users: Users
    items: Items
    wants: Floats
    own: Own


@dataclass(frozen=True)
class Fitting:
    """What every fit is told beside the rows; nothing of what people want or items are.

    epoch: the number of the new model. users: how many have come by the cut; later ones follow them. address:
    (items,), where items' random numbers live. counts: of the intervals that the training window covers. depth:
    (items,), of rows that the model will cause, in generations. previous: the model before, for those that start
    warm. threads: how many may work. truth: people and items as they are at the cut, for a trusted recommender only.
    """

    epoch: int
    users: int
    address: npt.NDArray[np.uint32]
    counts: Counts
    depth: Floats
    randomness: Randomness
    previous: Model | None = None
    threads: int = 1
    truth: Truth | None = None

    @property
    def items(self) -> int:
        """How many items there are."""
        return len(self.address)


class Random(Recommender):
    """Rank items at random, afresh for every visit."""

    learns = False
    model = Chances

    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return equal chances for all items."""
        return Chances(setting.epoch, np.ones(setting.items), setting.depth)


class Shares(Recommender):
    """Rank by a draw in proportion to given shares; items behind the end of the list have none."""

    shares: Weights = Field(min_length=1, description="one number an item, not negative")
    learns = False
    model = Chances

    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return the given shares as chances."""
        shares = np.zeros(setting.items)
        shares[: len(self.shares)] = self.shares[: setting.items]
        if not shares.any():
            raise RecsimError(f"shares: are all 0 for the {setting.items} items there are; give one of them a share")
        return Chances(setting.epoch, shares, setting.depth)


class Drawn(Recommender):
    """Rank by a draw in proportion to the weight of the training rows about each item, afresh for every visit.

    Each visit copies a past row chosen at random, the urn of Polya; items without rows are never drawn. With
    releases that get a first click it is the process of Simon, "On a class of skew distribution functions" (1955).
    """

    model = Chances

    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return the weights of the rows as chances."""
        return Chances(setting.epoch, rows.per_item(setting.items), setting.depth)


class Popularity(Recommender):
    """Rank all users alike, by the number of clicks or by the click rate; ties in an order drawn for each model.

    count: weight of the training rows about the item + prior. click_rate: (clicks + prior) / (impressions + 2 prior),
    0 where that is 0/0: the posterior mean under Beta(prior, prior), over feed impressions and clicks of the window.
    """

    score: Literal["count", "click_rate"] = Field("count", description="what makes an item popular")
    prior: float = Field(0.0, ge=0, description="added to each count")
    model = Order

    @property
    def counts_impressions(self) -> bool:
        """Whether it learns from how often items were shown, not from the rows alone."""
        return self.score == "click_rate"

    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return the items by score; the model's counts are the weights of the rows plus the prior."""
        clicks = rows.per_item(setting.items) + self.prior
        score = clicks if self.score == "count" else self._rate(setting.counts)
        tie = setting.randomness.uniform("Popularity.tie", setting.address, setting.epoch)
        return Order(setting.epoch, clicks, setting.depth, np.lexsort((tie, -score)).astype(np.int32), score)

    def _rate(self, counts: Counts) -> Floats:
        shown = counts.impressions.sum(axis=0)
        clicked = np.where(counts.impressions > 0, counts.clicks, 0).sum(axis=0)
        total = shown + 2 * self.prior
        return np.divide(clicked + self.prior, total, out=np.zeros(len(total)), where=total > 0)


class Oracle(Recommender):
    """Rank by the true preference p_u: the upper bound, and the one recommender that is handed the truth.

    The truth is that of the cut: where people change, retrain often, or it is behind them.
    """

    trusted = True
    learns = False
    model = Factors

    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return theta and phi a / W as factors."""
        if setting.truth is None:
            raise ValueError("Oracle must be handed the truth")
        users, items, wants, _ = setting.truth
        return Factors(
            setting.epoch, rows.per_item(setting.items), setting.depth, wants.copy(),
            np.ascontiguousarray(items.demand_by_topic(setting.items)[:, : setting.items].T), np.ones(len(users), np.bool_),
            np.ones(setting.items, np.bool_),
        )  # fmt: skip


class ItemKNN(Recommender):
    """Rank by the similarity to items that the user has rows about, over the nearest *neighbours* of each item.

    cosine or BM25-weighted inner product of the items' columns, as in the implicit library (Frederickson).
    """

    neighbours: int = Field(20, ge=1, description="nearest items kept for each item, itself included")
    similarity: Literal["cosine", "bm25"] = Field("cosine", description="how two items are compared")
    model = Neighbours

    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return the neighbours of every item and the rows of every user."""
        neighbours = implicit("nearest_neighbours")
        from scipy.sparse import csr_matrix

        matrix = _matrix(rows, setting.users, setting.items)
        similar = csr_matrix((setting.items, setting.items), dtype=np.float64)
        if matrix.nnz:
            cosine = self.similarity == "cosine"
            weigh = neighbours.normalize if cosine else partial(neighbours.bm25_weight, K1=1.2, B=0.75)
            fitted = neighbours.ItemItemRecommender(K=min(self.neighbours, setting.items), num_threads=setting.threads)
            fitted.fit(weigh(matrix.T).T.tocsr(), show_progress=False)
            similar = fitted.similarity.tocsr().astype(np.float64)
            similar.sort_indices()
        return Neighbours(
            setting.epoch, rows.per_item(setting.items), setting.depth,
            matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data.astype(np.float64),
            similar.indptr.astype(np.int64), similar.indices.astype(np.int32), similar.data,
        )  # fmt: skip


class _Implicit(Recommender):
    """A factor model of the implicit library: a new object each fit, handed its first factors where it starts warm.

    Warm, those who had training rows in the model before start from its factors, the others afresh; a model before that
    had no rows at all is no start.
    """

    factors: int = Field(32, ge=1, le=1024, description="length of the factors")
    regularization: float = Field(0.01, ge=0, description="L2 penalty")
    iterations: int = Field(15, ge=1, description="passes of a fit that starts cold")
    warm: bool = Field(False, description="whether a fit starts from the model before it")
    warm_iterations: int = Field(3, ge=1, description="passes of a fit that starts warm")
    model = Factors

    def fit(self, rows: Rows, setting: Fitting) -> Model:
        """Return the factors of users and items."""
        width, previous = self._width(), setting.previous
        before = previous if self.warm and isinstance(previous, Factors) and previous.known_users.any() else None
        parts = partial(_matrix, rows, setting.users, setting.items), partial(_start, setting, width, before)
        matrix: Any
        start: tuple[Floats, Floats]
        matrix, start = together(*parts, threads=setting.threads)
        known = np.diff(matrix.indptr) > 0, np.bincount(matrix.indices, minlength=setting.items) > 0
        if matrix.nnz:
            with _one_blas_thread():
                fitted = self._new(setting.randomness.integer(f"{self.kind}.seed", when=setting.epoch), setting.threads)
                if before:
                    fitted.iterations = self.warm_iterations
                if before or self._own_start:
                    fitted.user_factors, fitted.item_factors = start
                _fit_or_say(self.kind, fitted, matrix)
            start = np.asarray(fitted.user_factors), np.asarray(fitted.item_factors)
        if start[0].shape != (setting.users, width) or start[1].shape != (setting.items, width):
            raise ValueError(f"{self.kind} returned factors of shapes {start[0].shape} and {start[1].shape}")
        return Factors(setting.epoch, rows.per_item(setting.items), setting.depth, *start, *known)

    _own_start: ClassVar[bool] = False

    def _width(self) -> int:
        return self.factors

    @abstractmethod
    def _new(self, seed: int, threads: int) -> Any:
        """Return the model of implicit, not yet fitted."""


def _fit_or_say(kind: str, fitted: Any, matrix: Any) -> None:
    """Fit; raise RecsimError where the factors ran away."""
    try:
        fitted.fit(matrix, show_progress=False)
        finite = np.isfinite(fitted.user_factors).all() and np.isfinite(fitted.item_factors).all()
    except implicit("recommender_base").ModelFitError:
        finite = False
    if not finite:
        raise RecsimError(
            f"recommender: the factors of {kind} ran to infinity; "
            "give it a smaller learning_rate or alpha, or more regularization"
        )


def _start(setting: Fitting, width: int, before: Factors | None) -> tuple[Floats, Floats]:
    """Return the first factors: those of the model *before* of all that it knew, and small positive numbers, each at the
    address of its user or item and its column.
    """
    nothing = np.zeros((0, width)), np.zeros(0, np.bool_)
    people = (before.users, before.known_users) if before else nothing
    items = (before.items, before.known_items) if before else nothing

    def one(label: str, address: np.ndarray, theirs: Floats, had: Bools) -> np.ndarray:
        new, factors = np.ones(len(address), np.bool_), np.empty((len(address), width), np.float32)
        new[: len(had)] = ~had
        drawn = setting.randomness.uniform(label, address[new, None], setting.epoch, np.arange(width))
        factors[new], factors[~new] = drawn * 0.01, theirs[had]
        return factors

    return one("factors.user", np.arange(setting.users), *people), one("factors.item", setting.address, *items)


class ALS(_Implicit):
    """Weighted matrix factorisation by alternating least squares (Hu, Koren, Volinsky 2008), from implicit."""

    alpha: float = Field(1.0, gt=0, description="weight of a click against the background of the unseen")
    _own_start: ClassVar[bool] = True

    def expect(self, users: int, items: int, threads: int) -> None:
        """Let the processes begin that will solve for users beside this one."""
        with crew(users, items, threads):
            pass

    def _new(self, seed: int, threads: int) -> Any:
        return alternating()(
            factors=self.factors, regularization=self.regularization, alpha=self.alpha,
            iterations=self.iterations, random_state=seed, num_threads=threads,
        )  # fmt: skip


class BPR(_Implicit):
    """Bayesian personalised ranking (Rendle et al. 2009), from implicit, always in one thread.

    Its negatives are drawn from the log, so in proportion to popularity: it pushes popular items down by itself.
    """

    in_one_thread = True

    learning_rate: float = Field(0.01, gt=0, description="step of the stochastic gradient")
    iterations: int = Field(100, ge=1, description="passes of a fit that starts cold")
    warm_iterations: int = Field(20, ge=1, description="passes of a fit that starts warm")

    def _width(self) -> int:
        return self.factors + 1

    def _new(self, seed: int, threads: int) -> Any:
        return implicit("cpu.bpr").BayesianPersonalizedRanking(
            factors=self.factors, regularization=self.regularization, learning_rate=self.learning_rate,
            iterations=self.iterations, random_state=seed, num_threads=1,
        )  # fmt: skip


class LogisticMF(_Implicit):
    """Logistic matrix factorisation (Johnson 2014), from implicit, always in one thread."""

    in_one_thread = True

    learning_rate: float = Field(1.0, gt=0, description="step of the gradient")
    iterations: int = Field(30, ge=1, description="passes of a fit that starts cold")
    warm_iterations: int = Field(10, ge=1, description="passes of a fit that starts warm")
    negatives: int = Field(30, ge=1, description="unseen items drawn for each click")

    def _width(self) -> int:
        return self.factors + 2

    def _new(self, seed: int, threads: int) -> Any:
        return implicit("cpu.lmf").LogisticMatrixFactorization(
            factors=self.factors, regularization=self.regularization, learning_rate=self.learning_rate,
            iterations=self.iterations, neg_prop=self.negatives, random_state=seed, num_threads=1,
        )  # fmt: skip


def _matrix(rows: Rows, users: int, items: int) -> Any:
    """Return the (users, items) matrix of row weights, float32, as implicit wants it: sorted, summed, no zeros."""
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((rows.weight, (rows.user, rows.item)), shape=(users, items))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix.astype(np.float32)


def _one_blas_thread() -> AbstractContextManager[Any]:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def depth(rows: Rows, items: int) -> Floats:
    """Return (items,): the depth of a row that a model fitted on these rows causes, by item.

    1 + the weighted mean depth of the rows about the item; 1 where there is none.
    """
    weight = rows.per_item(items)
    total = np.bincount(rows.item, weights=rows.weight * rows.depth, minlength=items)
    return 1 + np.divide(total, weight, out=np.zeros(items), where=weight > 0)

