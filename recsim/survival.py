"""Survival: how long it takes until something happens, where some were watched for too short a time to see it.

A curve per strategy says who has not discovered a new interest yet; those who left or whom the run's end cut off are
censored.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError

Floats = npt.NDArray[np.float64]

SURE = 0.95  # of the band, at each day by itself


class Curve(NamedTuple):
    """A curve of survival: steps down at each day, and stays till the next.

    days: (n,), from 0 on, rising. survivor: (n,), share of people to whom it has not happened by the end of that
    moment. low, high: (n,), ends of its interval. All shares in [0, 1], no unit.
    """

    days: Floats
    survivor: Floats
    low: Floats
    high: Floats


def curve(days: npt.ArrayLike, censored: npt.ArrayLike, sure: float = SURE) -> Curve:
    """Return the Kaplan-Meier curve of survival, with intervals that stay between 0 and 1.

    S(t) = prod over t_i <= t of (1 - d_i / n_i): d_i to whom it happened at t_i, of n_i still watched just before; who
    is censored at t_i counts as watched. Interval: S^exp(+- z s / |ln S|), s^2 = sum d_i / (n_i (n_i - d_i))
    (Greenwood), z the normal quantile; `sure` holds for each day by itself, not for the whole curve. Where S is 1 so
    are both ends; where S is 0 Greenwood has no variance: low is 0, high stays where it was.

    days: (people,), at least 0, when it happened or how long it was watched for. censored: (people,) bool, true where
    it had not happened by then. sure: in (0, 1). Raises RecsimError for anything else, and without people. Source:
    Kaplan and Meier 1958, "Nonparametric estimation from incomplete observations", Journal of the American Statistical
    Association 53(282); the band: Kalbfleisch and Prentice 1980, "The statistical analysis of failure time data". By
    scipy.stats.ecdf.

    >>> found = curve([0.8, 1.0, 2.7, 3.1, 5.4, 7.0, 9.2, 12.1], censored=[0, 1, 1, 0, 0, 1, 0, 1])    # theirs of 1958
    >>> [(float(t), round(float(s), 4)) for t, s in zip(found.days, found.survivor) if t in (0, 0.8, 3.1, 5.4, 9.2)]
    [(0.0, 1.0), (0.8, 0.875), (3.1, 0.7), (5.4, 0.525), (9.2, 0.2625)]
    >>> round(float(found.low[-1]), 3), round(float(found.high[-1]), 3)
    (0.013, 0.664)
    """
    from scipy.stats import CensoredData, ecdf

    when, cut = _accepted(days, censored, sure)
    steps = ecdf(CensoredData(uncensored=when[~cut], right=when[cut])).sf
    with warnings.catch_warnings():  # SciPy warns of S = 1 and S = 0, whose ends are set below
        warnings.simplefilter("ignore", RuntimeWarning)
        band: Any = steps.confidence_interval(sure, method="log-log")
    survivor, low, high = steps.probabilities, band.low.probabilities, band.high.probabilities
    low, high = np.where(survivor == 1, 1.0, low), np.where(survivor == 1, 1.0, high)
    if survivor[-1] == 0:
        low[-1], high[-1] = 0.0, high[-2] if len(high) > 1 else 1.0
    return _from_start(Curve(steps.quantiles, survivor, low, high))


def _from_start(steps: Curve) -> Curve:
    """Return the curve with day 0, on which all are left, unless it happened to some at once."""
    if steps.days[0] == 0:
        return steps
    return Curve(*(np.concatenate([[first], column]) for first, column in zip((0.0, 1.0, 1.0, 1.0), steps, strict=True)))


def median(steps: Curve) -> tuple[float, float, float]:
    """Return the day by which it has happened to half of the people, and the ends of its interval; inf: not within sight.

    The first day with S <= 1/2; from the first day with low <= 1/2 to the first with high <= 1/2: the days at which 1/2
    lies within the band, so the interval is as sure as the band.

    Range 0 to inf, in the unit of the curve's days. Source: Brookmeyer and Crowley 1982, "A confidence interval for the
    median survival time", Biometrics 38(1), with the band of `curve` in place of theirs.

    >>> median(curve([1, 2, 3, 4, 5, 6, 7, 8], censored=[False] * 8))
    (4.0, 1.0, 7.0)
    >>> median(curve([1, 2, 3, 9, 9, 9], censored=[0, 0, 0, 1, 1, 1]))
    (3.0, 1.0, inf)
    """
    half = 0.5 + 1e-12  # a product of shares that is one half may be rounded to a little more
    first = (np.flatnonzero(column <= half) for column in (steps.survivor, steps.low, steps.high))
    value, low, high = (float(steps.days[at[0]]) if len(at) else math.inf for at in first)
    return value, low, high


def _accepted(days: npt.ArrayLike, censored: npt.ArrayLike, sure: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the two columns, or say what is wrong with them."""
    when, cut = np.asarray(days, np.float64), np.asarray(censored, np.bool_)
    if when.ndim != 1 or when.shape != cut.shape or not len(when):
        raise RecsimError(f"days: shape {when.shape}, censored: shape {cut.shape}; give one number of each for each person")
    if not (np.isfinite(when) & (when >= 0)).all():
        raise RecsimError("days: some are below 0 or not finite; give days since the start, the last one watched if censored")
    if not 0 < sure < 1:
        raise RecsimError(f"sure: {sure} is not a probability; give a number between 0 and 1, such as {SURE}")
    return when, cut
