"""Concentration: how exposure or clicks are shared among the items of a catalogue, and what chance alone would give.

Pure functions of counts, one for each item *released, unseen ones included*. The main figures depend on how much was shown, so
they have a *floor*: what as many exposures would give if each were drawn uniformly and independently from the catalogue. NaN
means that there is nothing to measure.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from recsim.amounts import amounts, share_of, volume, whole


def gini(counts: npt.ArrayLike) -> float:
    """Return how unevenly exposure is shared among items: 0 is all alike, near 1 is one has it all.

    G = sum_i (2i - n - 1) x_(i) / (n sum_i x_i), x ascending, i = 1..n: twice the area between the Lorenz curve and the
    diagonal. It does not change when all counts are scaled, or every item is replaced by the same number of copies.

    counts: (items,) non-negative, one per released item, *unseen items included*. Range 0 to (items - 1) / items; no
    unit. NaN when nothing was shown, since nothing is then shared. Few exposures look unequal even when they are drawn
    uniformly: see `gini_floor`.

    Raises RecsimError for counts that are negative, not finite or not one-dimensional; so do all metrics of counts.
    Source: Gini 1912; the discrete form as in Dixon et al. 1987, corrected in 1988 (without the small-sample factor n / (n - 1)).

    >>> gini([0, 0, 0, 20])
    0.75
    """
    x = np.sort(amounts("counts", counts))
    total, items = float(x.sum()), len(x)
    if total == 0:
        return math.nan
    return float((np.arange(1 - items, items, 2) * (x / total)).sum()) / items


def gini_floor(items: int, draws: int) -> float:
    """Return the Gini index to expect of *draws* independent uniform draws: chance alone is unequal.

    e^{-2l} (I0(2l) + I1(2l)) with l = draws / items: the mean absolute difference of two Poisson(l) counts over twice
    their mean. About 1 - l when l is small and 1 / sqrt(pi l) when it is large. Exact for infinitely many items; for a
    finite number of them it is above the exact expectation by at most 0.55 / items (tested). 0 for one item.

    items: at least 1, the released ones. draws: at least 0, exposures or clicks. Range [0, 1), no unit. NaN for 0
    draws.
    Raises RecsimError for numbers outside these ranges; so do all floors.
    Source: Ramasubban 1958, "The mean difference and the mean deviation of some discontinuous distributions",
    Biometrika 45(3/4).

    >>> round(gini_floor(1000, 1000), 3)
    0.524
    """
    from scipy.special import i0e, i1e  # the scaled Bessel functions ive(0, x), ive(1, x), good for any x

    volume(items, draws)
    if draws == 0:
        return math.nan
    twice = 2 * draws / items
    return float(i0e(twice) + i1e(twice)) if items > 1 else 0.0


def coverage(counts: npt.ArrayLike) -> float:
    """Return the share of the catalogue that was shown at least once.

    |{i : x_i > 0}| / n. Also known as catalogue coverage or aggregate diversity.

    counts: (items,) non-negative, one per released item, *unseen items included*. Range [0, 1], no unit. 0 when nothing
    was shown; NaN when there are no items.
    Source: Herlocker et al. 2004, "Evaluating collaborative filtering recommender systems" (catalog coverage).

    >>> coverage([3, 0, 1, 0])
    0.5
    """
    x = amounts("counts", counts)
    return int(np.count_nonzero(x)) / len(x) if len(x) else math.nan


def coverage_floor(items: int, draws: int) -> float:
    """Return the exact expected coverage of *draws* independent uniform draws from the catalogue.

    1 - (1 - 1/m)^V with m items and V draws. A feed of slates without repeats covers slightly more.

    items: at least 1. draws: at least 0. Range [0, 1], no unit; 0 for 0 draws.
    Source: the classical occupancy problem (Feller 1968, volume 1, section IV.2).

    >>> coverage_floor(2, 3)
    0.875
    """
    volume(items, draws)
    if items == 1:
        return float(draws > 0)
    return -math.expm1(draws * math.log1p(-1 / items))


def effective_items(counts: npt.ArrayLike) -> float:
    """Return how many equally shown items would be as varied as this: the exponential of the entropy.

    exp(-sum_i p_i ln p_i), p_i = x_i / sum x: the Hill number of order 1.

    counts: (items,) non-negative, one per released item; unseen items add nothing. Range 1 to the number of items
    shown, in items. NaN when nothing was shown.
    Source: Hill 1973, "Diversity and evenness", Ecology 54(2); Jost 2006, "Entropy and diversity", Oikos 113(2).

    >>> round(effective_items([5, 5, 5, 0]), 12)
    3.0
    """
    x = amounts("counts", counts)
    x = x[x > 0]
    if not len(x):
        return math.nan
    p = x / x.sum()
    return math.exp(-float((p * np.log(p)).sum()))


def effective_items_floor(items: int, draws: int) -> float:
    """Return the effective number of items to expect of *draws* independent uniform draws.

    exp(E[H]), H the entropy of the counts: with V draws and m items E[H] = ln V - E[ln(1 + B)], B binomial(V - 1, 1/m),
    because k P(X = k) = V/m P(B = k - 1). That is exact where the Poisson approximation is not, at no further cost; for
    V over a million times m the expectation is a Taylor series with an error below 1e-11. By Jensen's inequality the
    mean of exp(H) itself is larger: by 6 % with two items and two draws, by less than 2 % from 20 items on and less
    than 1 % from 50 on, whatever the number of draws (tested against Monte Carlo).

    items: at least 1. draws: at least 0. Range 1 to min(items, draws), in items; NaN for 0 draws.
    Source: derived as stated; checked by enumeration and Monte Carlo.

    >>> round(effective_items_floor(2, 2), 6) == round(2 ** 0.5, 6)    # one item or two, evenly likely
    True
    """
    volume(items, draws)
    if draws == 0:
        return math.nan
    return math.exp(math.log(draws) - _mean_log1p(draws - 1, 1 / items))


def _mean_log1p(n: int, p: float) -> float:
    """Return E[ln(1 + B)], B binomial(n, p), summed over all within 12 standard deviations of the mean and 60 more.

    The logarithms of the probabilities are running sums of ln(P(k + 1) / P(k)): nothing cancels, however large n is.
    """
    mean, variance = n * p, n * p * (1 - p)
    if variance == 0:
        return math.log1p(mean)
    if mean > 1e6:
        return math.log1p(mean) - variance / (2 * (1 + mean) ** 2)
    reach = 12 * math.sqrt(variance) + 60
    k = np.arange(max(0, int(mean - reach)), min(n, int(mean + reach)) + 1)
    steps = np.log((n - k[:-1]) / (k[:-1] + 1.0)) + math.log(p / (1 - p))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return float((weights * np.log1p(k)).sum() / weights.sum())


def top_share(counts: npt.ArrayLike, share: float = 0.01) -> float:
    """Return the share of all exposures that the most exposed items hold: by default the top 1 % of the catalogue.

    sum of the h greatest x_i / sum x, with h = floor(share * items), but at least 1.

    counts: (items,) non-negative, one per released item, *unseen items included* (they set the size of the head).
    share: in (0, 1]. Range h / items to 1, no unit. NaN when nothing was shown.
    Raises RecsimError also for a share outside (0, 1]. Source: the concentration ratio of economics, on items.

    >>> top_share([1, 6, 1, 2], share=0.5)
    0.8
    """
    x = amounts("counts", counts)
    share_of("share", share, "the items")
    total = float(x.sum())
    if total == 0:
        return math.nan
    head = max(1, math.floor(share * len(x) + 1e-9))  # 0.29 * 100 is 28.999999999999996
    return float(np.partition(x, len(x) - head)[len(x) - head :].sum()) / total


def mean_popularity(counts: npt.ArrayLike) -> float:
    """Return the mean popularity of the clicks in a log: the chance that two random clicks are on the same item.

    A = sum_i p_i^2, p_i = x_i / sum x (the Herfindahl or Simpson index). When new clicks with shares q come to make up
    a part b of the log, A becomes (1 - b)^2 A + 2b(1 - b) p.q + b^2 q.q.

    counts: (items,) non-negative; unseen items add nothing. Range 1 / items to 1, no unit. NaN when there is no click.
    Source: Mansoury et al. 2020, "Feedback loop and bias amplification in recommender systems", CIKM.

    >>> mean_popularity([2, 1, 1])
    0.375
    """
    x = amounts("counts", counts)
    total = float(x.sum())
    return float(((x / total) ** 2).sum()) if total else math.nan


def unseen_mass(counts: npt.ArrayLike) -> float:
    """Return how likely the next click is on an item never clicked before, estimated from the log alone.

    f1 / T: the number of items with exactly one click over the number of clicks. Its expectation after T clicks is
    exactly the expected probability of the unseen items after T - 1 clicks, whatever the popularities are, as long as
    clicks are independent draws: a log that stays below it has lost rare cases.

    counts: (items,) whole non-negative numbers of clicks; unseen items need not be known. Range [0, 1], no unit. NaN
    when there is no click. Raises RecsimError also for counts that are not whole.
    Source: Good 1953, "The population frequencies of species and the estimation of population parameters", Biometrika.

    >>> unseen_mass([1, 1, 3, 0, 5])
    0.2
    """
    x = whole("counts", counts)
    total = float(x.sum())
    return int(np.count_nonzero(x == 1)) / total if total else math.nan
