"""Variety: how a set of items is spread in topic space, beside a reference such as the catalogue of the first day.

"Styles converge" has four faces: the items come closer together, along fewer directions, around fewer topics, and the
rare ones go first. Distances are those of isometric log-ratio coordinates (`simplex`), so a topic's fall from 2 % to 1
% counts as much as one from 40 % to 20 %, and no figure depends on the order of topics. Shares below 1e-9 count as
1e-9: among very pure items the coordinates tell first of all which topics are missing. Every function takes topic
mixtures (items, topics), non-negative with something in each row, and weights (items,) if items do not count alike;
items of weight 0 do not count at all. NaN means that there is nothing to measure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError
from recsim.simplex import Fit, cholesky, closure, coordinates, moments

Floats = npt.NDArray[np.float64]

TAIL = 0.1  # the part of the reference that is its tail

VARIETY: dict[str, str] = {
    "variance_kept": "total variance of topic mixtures in log-ratio coordinates, as a share of the reference's",
    "dimension": "effective number of directions in which topic mixtures vary, in dimensions",
    "modes_kept": "share of the reference's main topics that are still some item's main topic, 0 to 1",
    "tail_kept": "share of items as far out as the reference's farthest tenth, over their share in the reference",
}


@dataclass(frozen=True, eq=False)
class Reference:
    """What a set of items is held against, worked out once.

    fit: the law of its mixtures. variance: their total variance. modes: (topics,) bool, topics that are some item's
    main topic. edge: squared Mahalanobis distance that 90 % of its items do not exceed. beyond: share that does, about
    0.1.

    >>> sorted(measure(np.eye(3), Reference.of(np.eye(3))).items())    # edges of a triangle: all equally far out
    [('dimension', 2.0), ('modes_kept', 1.0), ('tail_kept', nan), ('variance_kept', 1.0)]
    """

    fit: Fit
    variance: float
    modes: npt.NDArray[np.bool_]
    edge: float
    beyond: float

    @classmethod
    def of(cls, topics: npt.ArrayLike) -> Reference:
        """Return the reference that these items make, all of equal weight; RecsimError without items."""
        shares = closure(topics)
        if not len(shares):
            raise RecsimError("reference: has no items; give those of the first day")
        mean, covariance = moments(coordinates(shares))
        fit = Fit(mean, cholesky(covariance))
        distance = _distance(fit, shares)
        edge = float(np.quantile(distance, 1 - TAIL)) * (1 + 1e-9)  # what is on the edge to rounding is not beyond it
        return cls(fit, float(np.trace(covariance)), _modes(shares), edge, float((distance > edge).mean()))


def measure(topics: npt.ArrayLike, reference: Reference, weights: npt.ArrayLike | None = None) -> dict[str, float]:
    """Return all figures of a set of items by name; `VARIETY` says what each is."""
    return {
        "variance_kept": variance_kept(topics, reference, weights),
        "dimension": dimension(topics, weights),
        "modes_kept": modes_kept(topics, reference, weights),
        "tail_kept": tail_kept(topics, reference, weights),
    }


def variance_kept(topics: npt.ArrayLike, reference: Reference, weights: npt.ArrayLike | None = None) -> float:
    """Return how much of the reference's total variance a set of items has: 1 is as varied, 0 all the same.

    tr C / tr C_0, C the weighted covariance (1/n) of isometric log-ratio coordinates: the mean squared Aitchison
    distance from the centre. A fit narrowed by a temperature t keeps t^2; after n generations that replace each other,
    each fitted to M items, (1 - 1/M)^n is left on average.

    Range 0 upwards, no unit. NaN without items or where the reference has no variance.
    Source: the metric variance of Pawlowsky-Glahn and Egozcue 2001, "Geometric approach to statistical analysis on the
    simplex", Stochastic Environmental Research and Risk Assessment 15(5).

    >>> day_0 = Reference.of([[0.2, 0.8], [0.8, 0.2]])
    >>> round(variance_kept([[1 / 3, 2 / 3], [2 / 3, 1 / 3]], day_0), 6)    # log-ratios half as wide
    0.25
    """
    covariance = _covariance(topics, weights)
    if covariance is None or not reference.variance:
        return math.nan
    return float(np.trace(covariance)) / reference.variance


def dimension(topics: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """Return in how many directions the items vary, as if all varied alike: the participation ratio.

    (sum l)^2 / sum l^2 = (tr C)^2 / sum_jk C_jk^2, l the eigenvalues of the covariance of log-ratio coordinates.

    Range 1 to min(topics - 1, items - 1), in dimensions. NaN where nothing varies. Source: the estimator n2 of Del
    Giudice 2021, "Effective dimensionality: a tutorial", Multivariate Behavioral Research 56(3); in physics Bell and
    Dean 1970.

    >>> round(dimension([[0.2, 0.2, 0.6], [0.3, 0.3, 0.4], [0.4, 0.4, 0.2]]), 6)    # along one line
    1.0
    >>> round(dimension([[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]), 6)
    2.0
    """
    covariance = _covariance(topics, weights)
    if covariance is None or not covariance.any():
        return math.nan
    shape = covariance / np.trace(covariance)  # so that no square underflows
    return 1.0 / float((shape**2).sum())


def modes_kept(topics: npt.ArrayLike, reference: Reference, weights: npt.ArrayLike | None = None) -> float:
    """Return the share of the reference's modes that still have items.

    A mode is a topic that is the main topic, the largest share, of at least one item; items with several largest shares
    stand in all of these modes. Catalogues are mixtures around their topics, so these are the heaps they consist of;
    nothing has to be tuned or started at random, as clusters would.

    Range 0 to 1, no unit; it steps by 1 / modes. NaN without items. Source: as the modes captured of a mixture in tests
    of generative models (Srivastava et al. 2017, VEEGAN), with main topics as modes.

    >>> day_0 = Reference.of([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    >>> modes_kept([[0.5, 0.4, 0.1], [0.1, 0.2, 0.7]], day_0)    # the second is lost, and the third is new
    0.5
    """
    shares, _ = _counting(topics, weights)
    if not len(shares):
        return math.nan
    return float((_modes(shares) & reference.modes).sum() / reference.modes.sum())


def tail_kept(topics: npt.ArrayLike, reference: Reference, weights: npt.ArrayLike | None = None) -> float:
    """Return how much of the tail is kept: the weight of items as unusual as the reference's most unusual tenth, over theirs.

    P(d^2 > q) / P_0(d^2 > q), d^2 = (y - m_0)' C_0^-1 (y - m_0) the squared Mahalanobis distance from the reference, q
    the 90 % quantile of the reference's own. For normal coordinates narrowed by a temperature t it is P(chi^2 > q_90 /
    t^2) / 0.1, of topics - 1 degrees of freedom. More than 1 where items are more unusual, or of another kind.

    Range 0 to about 10, no unit. NaN without items, and where the reference varies in fewer than topics - 1 directions,
    as with fewer items than topics, or has none beyond its quantile. Source: Mahalanobis 1936; the tail is where
    generated data fail first (Shumailov et al. 2024, "AI models collapse when trained on recursively generated data",
    Nature 631).

    >>> day_0 = Reference.of([[k, 1.0] for k in range(2, 22)])    # of twenty, 2 : 1 and 3 : 1 are farthest from the middle
    >>> tail_kept([[2, 1], [9, 1], [10, 1], [10, 1], [11, 1]], day_0)    # one of five, instead of one of ten
    2.0
    >>> tail_kept([[8, 1], [9, 1]], day_0)
    0.0
    """
    shares, weight = _counting(topics, weights)
    if not len(shares) or not reference.beyond:
        return math.nan
    return float(weight[_distance(reference.fit, shares) > reference.edge].sum() / weight.sum()) / reference.beyond


def _distance(fit: Fit, shares: Floats) -> Floats:
    """Return the squared Mahalanobis distance of each item, (items,); NaN where the law has no spread in some direction."""
    return (fit.standardized(shares) ** 2).sum(axis=1)


def _modes(shares: Floats) -> npt.NDArray[np.bool_]:
    """Return which topics are the main topic of some item, (topics,)."""
    return np.asarray((shares == shares.max(axis=1, keepdims=True)).any(axis=0), np.bool_)


def _covariance(topics: npt.ArrayLike, weights: npt.ArrayLike | None) -> Floats | None:
    """Return the covariance of the items' log-ratio coordinates, (topics - 1, topics - 1); None without items."""
    shares, weight = _counting(topics, weights)
    return moments(coordinates(shares), weight)[1] if len(shares) else None


def _counting(topics: npt.ArrayLike, weights: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    """Return the mixtures and weights of the items that count, or say what is wrong."""
    shares = closure(topics)
    weight = np.ones(len(shares)) if weights is None else np.asarray(weights, np.float64)
    if weight.shape != (len(shares),) or not (np.isfinite(weight) & (weight >= 0)).all():
        raise RecsimError("weights: give one number for each item, finite and not below 0")
    return shares[weight > 0], weight[weight > 0]
