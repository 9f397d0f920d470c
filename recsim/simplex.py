"""The simplex: coordinates in which topic mixtures may be averaged, and a normal law fitted to them and sampled from.

A mixture of d topics has d - 1 coordinates, its isometric log-ratios. All sums are running ones, one rounding a step:
over items in item order, over topics and coordinates from the first, where nothing else is said. So no number depends
on how many rows there are, and a program that goes through the items one by one gets the same to the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError

Floats = npt.NDArray[np.float64]

FLOOR = 1e-9  # the least share of a topic, as `catalog.dirichlet` has it
VANISHED = 1e-12  # a pivot below this part of its variance is one of rounding


def closure(weights: npt.ArrayLike) -> Floats:
    """Return each row as shares of its sum, none much below 1e-9: topic mixtures as the catalogue has them.

    s = max(w / sum w, 1e-9), then s / sum s: a share that was below 1e-9 becomes 1e-9 / (1 + topics * 1e-9) at least.

    weights: (items, topics), non-negative, each row with a positive sum. Returns (items, topics), positive, rows sum to
    1. Raises RecsimError for anything else. Source: the closure of Aitchison 1986, "The statistical analysis of
    compositional data"; the floor is ours, since log 0 is none.

    >>> closure([[1.0, 3.0], [2.0, 0.0]]).round(6).tolist()
    [[0.25, 0.75], [1.0, 0.0]]
    """
    w = np.asarray(weights, np.float64)
    if w.ndim != 2 or not w.shape[1] or not (np.isfinite(w) & (w >= 0)).all() or not w.any(axis=1).all():
        raise RecsimError("topics: give (items, topics), finite and not negative, with something above 0 in each row")
    shares = np.maximum(w / _total(w), FLOOR)
    return shares / _total(shares)


def _total(rows: Floats) -> Floats:
    """Return the sum of each row, (n, 1), from the first column to the last."""
    return np.cumsum(rows, axis=1)[:, -1:]


def coordinates(topics: npt.ArrayLike) -> Floats:
    """Return the isometric log-ratio coordinates of mixtures: distances and angles are those of Aitchison's geometry.

    y_j = sqrt(j / (j + 1)) ((ln x_1 + .. + ln x_j) / j - ln x_(j+1)), j = 1 .. d - 1: the first j topics against the
    next. Scaling a row changes nothing.

    topics: (items, topics), positive. Returns (items, topics - 1), any real numbers, no unit; 0 is the even mixture.
    Raises RecsimError where a share is not positive. Source: Egozcue, Pawlowsky-Glahn, Mateu-Figueras, Barcelo-Vidal
    2003, "Isometric logratio transformations for compositional data analysis", Mathematical Geology 35(3).

    >>> coordinates([[0.5, 0.25, 0.25]]).round(6).tolist()    # sqrt(1/2) ln 2, sqrt(2/3) ln(2) / 2
    [[0.490129, 0.282976]]
    """
    x = np.asarray(topics, np.float64)
    if x.ndim != 2 or not x.shape[1] or not (x > 0).all():
        raise RecsimError("topics: some share is not above 0, or they are no table of (items, topics); take their closure")
    logs, first = np.log(x), np.arange(1.0, x.shape[1])
    return np.sqrt(first / (first + 1)) * (np.cumsum(logs, axis=1)[:, :-1] / first - logs[:, 1:])


def mixtures(points: npt.ArrayLike) -> Floats:
    """Return the topic mixtures that have these coordinates: the inverse of `coordinates`, with the floor of `closure`.

    With w_j = y_j / sqrt(j (j + 1)): ln x_k = w_(d-1) + .. + w_k - (k - 1) w_(k-1), summed from the last, up to a
    constant; the greatest is taken off before exp, so that nothing overflows.

    points: (items, topics - 1), finite. Returns (items, topics), positive, rows sum to 1. Source: as `coordinates`.

    >>> mixtures([[0.490129, 0.282976]]).round(6).tolist()
    [[0.5, 0.25, 0.25]]
    """
    y = np.asarray(points, np.float64)
    first = np.arange(1.0, y.shape[1] + 1)
    parts = y / np.sqrt(first * (first + 1))
    logs = np.zeros((len(y), y.shape[1] + 1))
    logs[:, :-1] = np.cumsum(parts[:, ::-1], axis=1)[:, ::-1]
    logs[:, 1:] -= first * parts
    return closure(np.exp(logs - logs.max(axis=1, keepdims=True)))


def moments(points: Floats, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Return the mean (k,) and the covariance (k, k) of weighted points, as shares of the whole weight: 1/n, not 1/(n - 1).

    Points are taken from the first one on, so that points that are all the same have a covariance of exactly 0.

    points: (items, k), at least one. weights: (items,), non-negative, some positive; all alike if not given.

    >>> mean, covariance = moments(np.array([[0.0, 1.0], [2.0, 1.0]]))
    >>> mean.tolist(), covariance.tolist()
    ([1.0, 1.0], [[1.0, 0.0], [0.0, 0.0]])
    """
    weight = np.ones((len(points), 1)) if weights is None else weights[:, None]
    whole = np.cumsum(weight)[-1]
    moved = points - points[0]
    mean = np.cumsum(weight * moved, axis=0)[-1] / whole
    centred = moved - mean
    covariance = np.empty((points.shape[1], points.shape[1]))
    for k in range(points.shape[1]):
        covariance[k, : k + 1] = np.cumsum(weight * centred[:, : k + 1] * centred[:, k : k + 1], axis=0)[-1] / whole
        covariance[: k + 1, k] = covariance[k, : k + 1]
    return points[0] + mean, covariance


def cholesky(covariance: Floats) -> Floats:
    """Return a lower triangular root, root root' = covariance, with a column of zeros where nothing is left to explain.

    Column by column from the first: the column of what is left over the square root of its pivot, whose outer product
    is then taken off. A pivot of at most 1e-12 of its variance is rounding, and its column 0, so covariances of fewer
    items than dimensions have a root as well.

    covariance: (k, k), symmetric, no negative eigenvalue. Source: the outer product form of Golub and Van Loan, "Matrix
    computations", with the rule for pivots that vanish added.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 1.0]])).tolist()
    [[2.0, 0.0], [1.0, 0.0]]
    """
    left, root = covariance.copy(), np.zeros(covariance.shape)
    for k in range(len(left)):
        if left[k, k] > VANISHED * covariance[k, k]:
            root[k:, k] = left[k:, k] / math.sqrt(left[k, k])
            left -= root[:, k, None] * root[:, k]
    return root


@dataclass(frozen=True, eq=False)
class Fit:
    """A logistic-normal law of topic mixtures: normal in isometric log-ratio coordinates.

    mean: (topics - 1,). root: (topics - 1, topics - 1), lower triangular; root root' is the covariance.
    Source: Aitchison and Shen 1980, "Logistic-normal distributions: some properties and uses", Biometrika 67(2).

    >>> fit = Fit.of(np.array([[0.2, 0.8], [0.5, 0.5], [0.8, 0.2]]))
    >>> fit.sample([[0.0], [1.5]]).round(3).tolist()    # from two standard normal numbers
    [[0.5, 0.5], [0.845, 0.155]]
    >>> fit.sample([[0.0], [1.5]], temperature=0.5).round(3).tolist()
    [[0.5, 0.5], [0.7, 0.3]]
    """

    mean: Floats
    root: Floats

    @classmethod
    def of(cls, topics: npt.ArrayLike, weights: Floats | None = None) -> Fit:
        """Return the law of maximum likelihood for weighted items: mean, and covariance over the whole weight.

        topics: (items, topics), positive. weights: (items,), non-negative, some positive; all alike if not given. One item
        alone gives a law that has no spread; so do items that are all the same. Raises RecsimError without items.
        """
        points = coordinates(topics)
        if not len(points):
            raise RecsimError("topics: there are no items to fit; give at least one")
        mean, covariance = moments(points, weights)
        return cls(mean, cholesky(covariance))

    @property
    def variance(self) -> Floats:
        """The variance of each coordinate, (topics - 1,): the squares of each row of the root."""
        return np.cumsum(self.root**2, axis=1)[:, -1] if len(self.root) else np.zeros(0)

    def sample(self, normal: npt.ArrayLike, temperature: float = 1.0) -> Floats:
        """Return one mixture for each row of standard normal numbers: mean + temperature * (root z), back on the simplex.

        root z is z_1 times the first column, plus z_2 times the second, and so on.

        normal: (items, topics - 1), whoever draws them. temperature: at least 0; below 1 narrows the law, 0 leaves its
        mean alone, sqrt(n / (n - 1)) makes its variance the unbiased one. Returns (items, topics), at least about 1e-9:
        a law as wide as the floor comes back narrower.
        """
        z = np.asarray(normal, np.float64)
        spread = np.zeros(z.shape)
        for k in range(len(self.root)):
            spread += z[:, k, None] * self.root[:, k]
        return mixtures(self.mean + temperature * spread)

    def standardized(self, topics: npt.ArrayLike) -> Floats:
        """Return the numbers z that `sample` would make these mixtures of: (items, topics - 1); z'z is Mahalanobis' distance.

        NaN in the columns of directions in which the law has no spread. topics: (items, topics), positive.
        """
        left = coordinates(topics) - self.mean
        for k in range(len(self.root)):
            if self.root[k, k]:
                left[:, k] /= self.root[k, k]
                left[:, k + 1 :] -= left[:, k, None] * self.root[k + 1 :, k]
            else:
                left[:, k] = np.nan
        return left
