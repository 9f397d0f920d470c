"""Inference: what a few independent values tell about their mean, and tests of several arms at once."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

SURE = 0.95  # of the intervals, and 1 minus the level of the tests


def interval(values: npt.ArrayLike, sure: float = SURE) -> tuple[float, float, float]:
    """Return the mean of independent values and Student's t interval for it; NaN ends for fewer than two values.

    values: (n,), of which NaN do not count. sure: its probability of holding the true mean.

    >>> [round(end, 3) for end in interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    from scipy.stats import t

    x = np.asarray(values, np.float64)
    x = x[~np.isnan(x)]
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return mean, math.nan, math.nan
    half = float(t.ppf(0.5 + sure / 2, len(x) - 1)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return mean, mean - half, mean + half


def paired_p(differences: npt.ArrayLike) -> float:
    """Return the p-value of the paired t test, two-sided; NaN for fewer than two differences.

    Differences that are all alike have no spread: 1 if they are 0, else 0.

    >>> round(paired_p([1.0, 2.0, 3.0]), 4), paired_p([0.0, 0.0])
    (0.0742, 1.0)
    """
    from scipy.stats import t

    d = np.asarray(differences, np.float64)
    d = d[~np.isnan(d)]
    if len(d) < 2:
        return math.nan
    mean, error = float(d.mean()), float(d.std(ddof=1)) / math.sqrt(len(d))
    if error == 0:
        return float(mean == 0)
    return 2 * float(t.sf(abs(mean) / error, len(d) - 1))


def holm(p: npt.ArrayLike) -> Floats:
    """Return p-values adjusted so that the chance of any false alarm among them stays at the level: (n,), NaN stays NaN.

    The k-th smallest of n is multiplied by n - k + 1; each is at least those before it and at most 1.
    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2).

    >>> [round(float(value), 6) for value in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted = np.array(p, np.float64)
    order = np.argsort(adjusted)[: int((~np.isnan(adjusted)).sum())]  # NaN are sorted last
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(adjusted[order] * factors))
    return adjusted
