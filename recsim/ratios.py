"""Ratios of means, and differences between two groups, with intervals: what an A/B test and a share of a gap are told by."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from recsim.inference import SURE

Floats = npt.NDArray[np.float64]


def linearised(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> tuple[float, Floats]:
    """Return R = mean y / mean x of units, and what each unit adds to its error: d_u = (y_u - R x_u) / mean x, (units,).

    The error of R is about that of the mean of d (delta method), which is 0. numerator y, denominator x: (units,), of one
    length; a unit with x = 0 counts too. NaN where mean x is 0. R in the unit of y / x. Source: Deng, Knoblich and Lu 2018,
    "Applying the delta method in metric analytics" (KDD).

    >>> linearised([1.0, 3.0], [2.0, 2.0])
    (1.0, array([-0.5,  0.5]))
    """
    y, x = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    below = float(x.mean()) if len(x) else 0.0
    if below == 0:
        return math.nan, np.full(len(y), np.nan)
    found = float(y.mean()) / below
    return found, (y - found * x) / below


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike, sure: float = SURE) -> tuple[float, float, float]:
    """Return mean y / mean x of independent pairs, and its interval by the delta method with Student's t.

    numerator y, denominator x: (n,); pairs in which one is NaN do not count. sure: probability of holding the true ratio, where
    mean x is far from 0 beside its own error; nearer to it the interval is too narrow. NaN ends for fewer than two pairs; all
    NaN where mean x is 0.

    >>> [round(end, 3) for end in ratio([1.0, 2.0, 3.0], [2.0, 4.0, 6.1])]
    [0.496, 0.482, 0.509]
    """
    from scipy.stats import t

    y, x = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    there = ~(np.isnan(y) | np.isnan(x))
    found, error = linearised(y[there], x[there])
    n = len(error)
    if n < 2:
        return found, math.nan, math.nan
    half = float(t.ppf(0.5 + sure / 2, n - 1)) * float(error.std(ddof=1)) / math.sqrt(n)
    return found, found - half, found + half


def difference(
    ours: tuple[npt.ArrayLike, npt.ArrayLike], theirs: tuple[npt.ArrayLike, npt.ArrayLike], sure: float = SURE
) -> tuple[float, float, float, float]:
    """Return R_ours - R_theirs of two independent groups, the ends of its interval and the p-value of no difference.

    ours, theirs: numerator and denominator of each unit of the group, (units,) each, as `linearised` takes them; with a
    denominator of ones the R are means. The interval is Welch's, on the linearised units. NaN where a group has fewer than two
    units; where nothing varies the ends are the difference, and p is 1 if it is 0, else 0. Source: Welch 1947, "The
    generalization of 'Student's' problem when several different population variances are involved", Biometrika 34(1/2).

    >>> [round(value, 3) for value in difference(([2.0, 4.0, 6.0], [1, 1, 1]), ([1.0, 2.0, 3.0], [1, 1, 1]))]
    [2.0, -2.155, 6.155, 0.221]
    """
    from scipy.stats import t

    groups = [linearised(*group) for group in (ours, theirs)]
    gap = groups[0][0] - groups[1][0]
    sizes = [len(error) for _, error in groups]
    if min(sizes) < 2 or math.isnan(gap):
        return gap, math.nan, math.nan, math.nan
    squares = [float(error.var(ddof=1)) / size for (_, error), size in zip(groups, sizes, strict=True)]
    error = math.sqrt(sum(squares))
    if error == 0:
        return gap, gap, gap, float(gap == 0)
    freedom = sum(squares) ** 2 / sum(square**2 / (size - 1) for square, size in zip(squares, sizes, strict=True))
    half = float(t.ppf(0.5 + sure / 2, freedom)) * error
    return gap, gap - half, gap + half, 2 * float(t.sf(abs(gap) / error, freedom))
