"""Contrasts: what each factor of a study does to a metric, what two do together, and how many seeds would tell it better.

Seeds are the independent units. Under common random numbers all points of a seed share their luck, so differences are taken
within each seed first, and Student's t goes over the seeds. An interval tells what other seeds would give in the same world:
people and items are drawn once, from `world_seed`, or come from a log.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from recsim.designs import Factor
from recsim.errors import RecsimError
from recsim.inference import SURE, holm, interval, paired_p
from recsim.outcomes import Floats, Outcomes, axis_of, numeric, outcomes
from recsim.tables import blocks_of, with_half

if TYPE_CHECKING:
    import pandas as pd

MOST = 10**7  # seeds; who needs more will not run them
HOW = {
    "grid": "averaged within each seed over the levels of the other factors",
    "one at a time": "the other factors at their first levels",
    "sample": "of a linear fit, from the low to the high end of the range",
}
"""What a difference is, by the layout of the points."""


class _Contrast(NamedTuple):
    """A level beside the first of its factor: the mean there, and the difference under each seed; None for the first itself."""

    factor: str
    level: Any
    mean: float
    by_seed: Floats | None


@dataclass(frozen=True, eq=False)
class Effects:
    """What each factor does to a metric.

    frame: a row a level, with columns factor, level; mean of the metric there; difference to the first level of the factor, its
    95 % interval low, high, and p, adjusted over the table (Holm); NaN in the row of the first level. In a sample of ranges a
    factor with numbers has one row: the difference from one end of its range to the other, by a linear fit. found: what it is
    worked out from. by_seed: (rows, seeds), the differences one by one; NaN where there are none. fit: of a sample, the
    share of the variance of the points' means that the linear fit explains; NaN elsewhere.
    """

    frame: pd.DataFrame
    found: Outcomes
    by_seed: Floats
    fit: float

    def table(self, width: int = 80) -> str:
        """Return the effects as text, no wider than *width*."""
        heads, means, gaps = [""], ["mean"], ["difference"]
        halves = (self.frame["high"] - self.frame["difference"]).to_numpy(np.float64)
        decimals = digits(halves)
        for place, row in enumerate(self.frame.to_dict("records")):
            if not place or row["factor"] != self.frame["factor"].iloc[place - 1]:
                heads, means, gaps = [*heads, row["factor"]], [*means, ""], [*gaps, ""]
            heads.append(f"  {self.found.said(row['factor'], row['level'])}")
            means.append(with_half(row["mean"], math.nan, decimals))
            gap = with_half(row["difference"], float(halves[place]), decimals, sign="+")
            gaps.append("" if gap == "-" else gap + ("*" if row["p"] < 1 - SURE else " "))
        return blocks_of(heads, [means, gaps], width) + "\n" + fill(self.foot(), width)

    def foot(self) -> str:
        """Return what the numbers of the table mean, in a sentence or two."""
        return f"{self.found.metric}, {self.reading('± half the', f'; * p < {1 - SURE:.2f} (Holm, all differences here)')}"

    def reading(self, beside: str, sure: str = "") -> str:
        """Return how differences are to be read. beside: what stands beside them, of "95% interval". sure: what marks say."""
        number = len(self.found.seeds)
        over = f"Student's t over {number} seeds" if number > 1 else "from the residuals of the fit, since there is one seed"
        text = (
            f"{self.found.window}: difference to the first level, {HOW[self.found.layout]}, {beside} {SURE:.0%} interval ({over})"
            f"{sure}. It is about other seeds in the same world."
        )
        if self.found.layout == "sample":
            text += f" A straight line explains {self.fit:.0%} of what varies between the points."
        if self.found.left_out:
            text += f" Left out: {self.found.left_out} seeds without a value at every point."
        return text


def digits(halves: Floats) -> int:
    """Return with how many decimals numbers are written whose intervals have these halves: two digits of the middle one.

    >>> digits(np.array([0.0123, np.nan])), digits(np.array([45.0])), digits(np.array([0.0]))
    (3, 0, 3)
    """
    sizes = halves[np.isfinite(halves) & (halves > 0)]
    return 3 if not len(sizes) else min(6, max(0, 1 - math.floor(math.log10(float(np.median(sizes))))))


def effects(
    frame: pd.DataFrame, metric: str, group: str = "all", window: str | None = None, factors: Sequence[Factor] = ()
) -> Effects:
    """Return what each level of each factor does to a metric, beside the first level of its factor, with 95 % intervals.

    In a grid the difference is first averaged within each seed over all levels of the other factors, one at a time the others
    stay at their first levels; then Student's t goes over the seeds (paired by common random numbers). Of other points, such
    as a Latin hypercube, a linear fit under each seed gives one slope a factor, in units of the metric per whole range (in
    logarithms where the study's factor is logarithmic), and t goes over the seeds: what a straight line misses does not count
    as error. With one seed such a fit has the classical errors of its residuals, in which that does count.

    frame: as `open_study` returns it. metric, group, window: as for `outcomes`. factors: `study.factors`, for the ranges and
    scales of samples; without them a range goes from the least to the largest value. Seeds that lack a value at some point are
    left out. Raises RecsimError in one line where there is too little to tell anything.

    >>> import pandas as pd
    >>> rows = [(point, seed, level, value) for seed, values in ((1, (1.0, 2.0)), (2, (3.0, 4.5)), (3, (2.0, 3.0)))
    ...         for point, (level, value) in enumerate(zip(("off", "on"), values))]
    >>> some = pd.DataFrame(rows, columns=["point", "seed", "policy", "value"]).assign(
    ...     cell="x", window="last quarter", epoch=3, group="all", metric="gini")
    >>> print(effects(some, "gini").frame.loc[1, ["mean", "difference", "low", "high"]].astype(float).round(3).tolist())
    [3.167, 1.167, 0.45, 1.884]
    """
    found = outcomes(frame, metric, group, window, factors)
    if len(found.levels) < 2:
        raise RecsimError(f"{metric}: the study has one point; there is nothing to set beside it")
    if found.layout == "sample":
        return _slopes(found, factors)
    if len(found.seeds) < 2:
        raise RecsimError(f"{metric}: one seed cannot tell an effect from chance; run the study with more, 5 or so")
    return _effects(found, list(_by_level(found)))


def _by_level(found: Outcomes) -> Iterator[_Contrast]:
    """Yield the levels of each factor beside the first."""
    first = found.levels.iloc[0]
    for factor in found.factors:
        others = [name for name in found.factors if name != factor]
        alone = (found.levels[others] == first[others]).all(axis=1).to_numpy()
        within = np.ones(len(alone), np.bool_) if found.layout == "grid" else alone
        column = found.levels[factor].to_numpy(object)
        listed = found.listed(factor)
        means = [found.values[within & (column == level)].mean(axis=0) for level in listed]
        for level, mean in zip(listed, means, strict=True):
            yield _Contrast(factor, level, float(mean.mean()), None if level == listed[0] else mean - means[0])


def _effects(found: Outcomes, contrasts: Sequence[_Contrast], fit: float = math.nan) -> Effects:
    """Return differences with their intervals over the seeds."""
    import pandas as pd

    nothing = np.full(len(found.seeds), np.nan)
    by_seed = np.stack([nothing if one.by_seed is None else one.by_seed for one in contrasts])
    rows = [(one.factor, one.level, one.mean, *interval(gaps)) for one, gaps in zip(contrasts, by_seed, strict=True)]
    table = pd.DataFrame(rows, columns=["factor", "level", "mean", "difference", "low", "high"])
    return Effects(table.assign(p=holm([paired_p(gaps) for gaps in by_seed])), found, by_seed, fit)


def _slopes(found: Outcomes, factors: Sequence[Factor]) -> Effects:
    """Return the slopes of a linear fit."""
    named = list(_terms(found, factors))
    x = np.column_stack([np.ones(len(found.levels)), *(column for _, _, column in named)])
    n, terms = x.shape
    if n <= terms:
        raise RecsimError(f"{found.metric}: {n} points are too few for a linear fit of {terms} terms; take {2 * terms} or more")
    if np.linalg.matrix_rank(x) < terms:
        raise RecsimError(f"{found.metric}: the points do not tell its factors apart; take a grid, or more points")
    solver = np.linalg.pinv(x)
    by_seed = solver @ found.values
    means = found.values.mean(axis=1)
    left = means - x @ by_seed.mean(axis=1)
    spread = float(((means - means.mean()) ** 2).sum())
    fit = 1 - float((left**2).sum()) / spread if spread else math.nan
    contrasts = [
        _Contrast(factor, level, float(means.mean()), gaps) for (factor, level, _), gaps in zip(named, by_seed[1:], strict=True)
    ]
    told_apart = _effects(found, contrasts, fit)
    return told_apart if len(found.seeds) > 1 else _by_residuals(told_apart, left, np.sum(solver[1:] ** 2, axis=1), n - terms)


def _terms(found: Outcomes, factors: Sequence[Factor]) -> Iterator[tuple[str, Any, Floats]]:
    """Yield the columns of a linear fit: one for a range, 0 to 1, or one for each listed level but the first, 0 or 1."""
    for factor in found.factors:
        listed = found.listed(factor)
        if numeric(found, factor) and len(listed) > 1:
            axis = axis_of(found, factor, factors)
            yield factor, f"{axis.low:g} to {axis.high:g}", axis.share(found.levels[factor])
        else:
            column = found.levels[factor].to_numpy(object)
            yield from ((factor, level, (column == level).astype(np.float64)) for level in listed[1:])


def _by_residuals(slopes: Effects, left: Floats, leverage: Floats, free: int) -> Effects:
    """Return slopes of a single seed with intervals from the residuals of their fit."""
    from scipy.stats import t

    error = np.sqrt((left**2).sum() / free * leverage)
    gap = slopes.frame["difference"].to_numpy(np.float64)
    half = float(t.ppf(0.5 + SURE / 2, free)) * error
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(error > 0, 2 * t.sf(np.abs(gap) / error, free), gap == 0)
    return Effects(slopes.frame.assign(low=gap - half, high=gap + half, p=holm(p)), slopes.found, slopes.by_seed, slopes.fit)


def interactions(frame: pd.DataFrame, metric: str, group: str = "all", window: str | None = None) -> pd.DataFrame:
    """Return by how much the effect of one factor changes with the level of another, for each two factors of a grid.

    (both - the one alone) - (the other alone - neither), averaged within each seed over all levels of the rest; 0 where effects
    add up. Columns factor, level, other, other_level, difference, its 95 % interval low, high over the seeds (Student's t), and
    p, adjusted over the table (Holm). The arguments are those of `effects`.
    Raises RecsimError for what is no full grid, a single factor or a single seed.
    """
    import pandas as pd

    found = outcomes(frame, metric, group, window)
    if found.layout != "grid" or len(found.factors) < 2 or len(found.seeds) < 2:
        raise RecsimError(f"{metric}: interactions need a full grid of two factors at least, and two seeds; run such a study")
    rows, p = [], []
    for one, other in combinations(found.factors, 2):
        mean = {
            (a, b): found.values[((found.levels[one] == a) & (found.levels[other] == b)).to_numpy()].mean(axis=0)
            for a in found.listed(one) for b in found.listed(other)
        }  # fmt: skip
        (a0, *more), (b0, *others) = found.listed(one), found.listed(other)
        for a, b in ((a, b) for a in more for b in others):
            gaps = mean[a, b] - mean[a, b0] - mean[a0, b] + mean[a0, b0]
            rows.append((one, a, other, b, *interval(gaps)))
            p.append(paired_p(gaps))
    table = pd.DataFrame(rows, columns=["factor", "level", "other", "other_level", "difference", "low", "high"])
    return table.assign(p=holm(p))


# ----------------------------------------------------------------------------------------------------- how many seeds
def seeds_needed(
    frame: pd.DataFrame,
    metric: str,
    width: float,
    group: str = "all",
    window: str | None = None,
    factors: Sequence[Factor] = (),
) -> pd.DataFrame:
    """Return how many seeds each difference of `effects` needs until half its 95 % interval is at most *width*.

    Columns factor, level, difference; half, of the interval as it is; spread, the standard deviation s over the seeds; seeds,
    that there are; needed, the least n with t(n - 1) s / sqrt(n) <= width; cautious, the same with the upper end of the
    one-sided 95 % interval of s (chi-square), since a few seeds know s badly. width: in the unit of the metric, above 0.
    Raises RecsimError as `effects` does, for fewer than two seeds, and for a width that is none.
    """
    import pandas as pd
    from scipy.stats import chi2

    if not (isinstance(width, (int, float)) and 0 < width < math.inf):
        raise RecsimError(f"width: must be a number above 0, in the unit of {metric}, not {width!r}")
    told_apart = effects(frame, metric, group, window, factors)
    number = len(told_apart.found.seeds)
    if number < 2:
        raise RecsimError(f"{metric}: one seed does not tell how much seeds differ; run the study with two at least")
    worse = math.sqrt((number - 1) / float(chi2.ppf(1 - SURE, number - 1)))
    rows = []
    for row, gaps in zip(told_apart.frame.to_dict("records"), told_apart.by_seed, strict=True):
        if np.isfinite(gaps).all():
            spread = float(gaps.std(ddof=1))
            counts = least_seeds(spread, width), least_seeds(spread * worse, width)
            half = row["high"] - row["difference"]
            rows.append((row["factor"], row["level"], row["difference"], half, spread, number, *counts))
    return pd.DataFrame(
        rows, columns=["factor", "level", "difference", "half", "spread", "seeds", "needed", "cautious"]
    )


def least_seeds(spread: float, width: float) -> int:
    """Return the least number of seeds under which half the 95 % interval of a mean is at most *width*; 2 at least.

    >>> least_seeds(1.0, 1.0), least_seeds(0.0, 1.0)
    (7, 2)
    """
    from scipy.stats import t

    def enough(number: int) -> bool:
        return bool(t.ppf(0.5 + SURE / 2, number - 1) * spread / math.sqrt(number) <= width)

    return 2 + bisect_left(range(2, MOST), True, key=enough)
