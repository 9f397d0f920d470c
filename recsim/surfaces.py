"""Surfaces: how a metric answers to ranges of settings: which of them its variance comes from, and its value anywhere."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from recsim.designs import Factor
from recsim.errors import RecsimError
from recsim.inference import SURE
from recsim.outcomes import Axis, Floats, Outcomes, axis_of, numeric, outcomes
from recsim.randomness import Randomness
from recsim.tables import blocks_of

if TYPE_CHECKING:
    import pandas as pd

CHANCE = Randomness(1)  # of resampled rows and of folds, which are not what is asked about
AT_ONCE = 4_000_000  # numbers that are resampled at a time
MOST = 1_000  # points of a surface: its time grows with their cube
FOLDS = 10
STARTS = 0.3, 1.0, 3.0  # lengths from which the fit of a surface sets out, in shares of the ranges


# ------------------------------------------------------------------------------------------------------- Sobol indices
@dataclass(frozen=True, eq=False)
class Indices:
    """Which factors the variance of a metric comes from.

    frame: columns factor; first, the share of the variance between the points that the factor explains alone; total, the
    share that would be gone were it fixed; first_low, first_high, total_low, total_high, their 95 % intervals. found: what it is
    worked out from. rows: of the matrix A. noise: the share of the variance between the points' means that is chance of the
    seeds, NaN with one seed: where chance differs from point to point, it adds as much to the total index of each factor, even
    of one that does nothing, and takes such a share off the first indices.
    """

    frame: pd.DataFrame
    found: Outcomes
    rows: int
    noise: float

    def table(self, width: int = 80) -> str:
        """Return the indices as text, no wider than *width*."""
        columns = [
            [name, *(f"{row[name]:.2f} ({row[f'{name}_low']:.2f} to {row[f'{name}_high']:.2f})" for row in self._rows)]
            for name in ("first", "total")
        ]
        heads = ["", *(str(row["factor"]) for row in self._rows)]
        number = len(self.found.seeds)
        chance = f"{self.noise:.0%} of it is chance of {number} seeds"
        if number == 1:
            chance = "How much of it is chance takes a second seed to tell"
        foot = (
            f"Shares of the variance of {self.found.metric} between the points, with {SURE:.0%} intervals (bootstrap over "
            f"{self.rows} rows): first, by the factor alone; total, with all it does together with others. {chance}."
        )
        return blocks_of(heads, columns, width) + "\n" + fill(foot, width)

    @property
    def _rows(self) -> list[dict[Any, Any]]:
        return self.frame.to_dict("records")


def sobol(
    frame: pd.DataFrame, metric: str, group: str = "all", window: str | None = None, resamples: int = 1000
) -> Indices:
    """Return first and total Sobol indices of each factor, from a study of design `Sobol`, with 95 % intervals.

    The mean over the seeds is taken at each point, then the estimators of scipy.stats.sobol_indices; intervals are percentiles
    over *resamples* bootstrap samples of the rows of A, B and the others together, drawn by address. Rows of a Sobol sequence are
    spread more evenly than chance, so the intervals are rather too wide. frame, metric, group, window: as for `outcomes`.
    Raises RecsimError where the points are not those of that design, or the metric does not vary.
    Source: Saltelli et al. 2010, "Variance based sensitivity analysis of model output", Computer Physics Communications 181(2).
    """
    import pandas as pd

    found = outcomes(frame, metric, group, window)
    rows = _rows_of_a(found)
    means = found.values.mean(axis=1)
    if not np.ptp(means):
        raise RecsimError(f"{metric}: is the same at every point; there is no variance to share out")
    blocks = means.reshape(-1, rows)
    first, total = (index[0] for index in _indices(blocks[:, None, :]))
    drawn = [_indices(blocks[:, part]) for part in _resampled(rows, resamples, len(blocks))]
    share = 50 * (1 - SURE), 50 * (1 + SURE)
    ends = [np.percentile(np.concatenate(index), share, axis=0) for index in zip(*drawn, strict=True)]
    table = pd.DataFrame({
        "factor": found.factors, "first": first, "first_low": ends[0][0], "first_high": ends[0][1],
        "total": total, "total_low": ends[1][0], "total_high": ends[1][1],
    })  # fmt: skip
    return Indices(table, found, rows, _noise(found.values))


def _rows_of_a(found: Outcomes) -> int:
    """Return the number of rows of A; raise RecsimError where the points are no A, B and A with columns of B."""
    count, factors = len(found.levels), len(found.factors)
    rows, rest = divmod(count, factors + 2)
    levels = found.levels.to_numpy(object).reshape(-1, factors)
    if not rest and rows > 1 and not rows & (rows - 1):
        a, b, *mixed = np.split(levels, factors + 2)
        if all((np.where(np.arange(factors) == place, b, a) == one).all() for place, one in enumerate(mixed)):
            return rows
    raise RecsimError(f"{found.metric}: these {count} points are not those of a design of kind Sobol; run the study with it")


def _indices(blocks: Floats) -> tuple[Floats, Floats]:
    """Return first and total indices: (samples, factors) each. blocks: (2 + factors, samples, rows), of A, B and the others."""
    from scipy.stats import sobol_indices

    values: Any = {"f_A": blocks[0], "f_B": blocks[1], "f_AB": blocks[2:]}
    indices = sobol_indices(func=values, n=blocks.shape[-1])
    shape = blocks.shape[1], len(blocks) - 2
    return np.reshape(indices.first_order, shape), np.reshape(indices.total_order, shape)


def _resampled(rows: int, resamples: int, blocks: int) -> list[npt.NDArray[np.int64]]:
    """Return the rows of bootstrap samples, (some, rows) each time, so many at a time that the values fit into memory."""
    step = max(1, AT_ONCE // (rows * blocks))
    starts = range(0, resamples, step)
    samples = [np.arange(start, min(start + step, resamples))[:, None] for start in starts]
    return [(CHANCE.uniform("sobol.rows", np.arange(rows), which=some) * rows).astype(np.int64) for some in samples]


def _noise(values: Floats) -> float:
    """Return the share of the variance between the points' means that is chance of the seeds, (points, seeds); NaN for one seed.

    By the residuals of points + seeds, the mean square of which over the number of seeds is what chance adds to that variance.
    """
    points, seeds = values.shape
    if seeds < 2:
        return math.nan
    means = values.mean(axis=1)
    left = values - means[:, None] - values.mean(axis=0) + values.mean()
    square = float((left**2).sum()) / ((points - 1) * (seeds - 1))
    return min(1.0, square / seeds / float(means.var(ddof=1)))


# ---------------------------------------------------------------------------------------------------- response surface
@dataclass(frozen=True, eq=False)
class Surface:
    """What a metric is at any settings within the ranges, from those that were run.

    found: what it is worked out from. axes: a range a factor. lengths: (factors,), the share of its range over which the
    surface bends with each factor: where that is many ranges, it is a straight line, or flat. noise: standard deviation of the
    points' means about the surface, in the unit of the metric. q2: the share of the variance between the points that a surface
    predicts from which they were left out (cross-validation in ten folds): near 1 it is good; near 0 or below it is no better
    than the mean.
    """

    found: Outcomes
    axes: tuple[Axis, ...]
    lengths: Floats
    noise: float
    q2: float
    _process: Any
    _middle: float
    _scale: float

    def predict(self, settings: pd.DataFrame | Mapping[str, Any]) -> pd.DataFrame:
        """Return the settings with mean, error, low and high: the metric there without the chance of seeds, its standard
        error and 95 % interval.

        settings: a column or value for each factor. Raises RecsimError for a factor that is missing or unknown, and for settings
        out of the ranges, where a surface tells nothing.
        """
        import pandas as pd

        table = pd.DataFrame({str(name): np.atleast_1d(np.asarray(values)) for name, values in settings.items()})
        for name in {axis.path for axis in self.axes} ^ {str(name) for name in table}:
            what = "is missing" if name not in table else "is no factor of the surface"
            raise RecsimError(f"settings: {name} {what}; give {', '.join(axis.path for axis in self.axes)}")
        shares = self._shares(table)
        if not ((shares >= -1e-9) & (shares <= 1 + 1e-9)).all():
            ranges = ", ".join(f"{axis.path} from {axis.low:g} to {axis.high:g}" for axis in self.axes)
            raise RecsimError(f"settings: lie out of the ranges; stay within {ranges}")
        mean, error = self._at(shares)
        half = 1.959964 * error
        return table.assign(mean=mean, error=error, low=mean - half, high=mean + half)

    def best(self, sense: Literal["max", "min"] = "max") -> pd.DataFrame:
        """Return the settings at which the surface is highest or lowest, as `predict` returns them: one row.

        near: the share of the ranges, by an even sample, in which the surface is within that row's interval: a large one says
        that the place hardly matters.
        """
        import pandas as pd
        from scipy.optimize import minimize
        from scipy.stats import qmc

        if sense not in ("max", "min"):
            raise RecsimError(f"sense: is 'max' or 'min', not {sense!r}")
        sign = -1.0 if sense == "max" else 1.0
        sample = qmc.Sobol(d=len(self.axes), scramble=False).random_base2(10)
        values = self._at(sample)[0]
        starts = sample[np.argsort(sign * values, kind="stable")[:3]]
        box = [(0.0, 1.0)] * len(self.axes)

        def height(place: Floats) -> float:
            return sign * float(self._at(place[None])[0][0])

        ends = [minimize(height, start, bounds=box, method="L-BFGS-B") for start in starts]
        place = min(ends, key=lambda end: float(end.fun)).x
        row = self.predict(pd.DataFrame({axis.path: axis.at(u)[None] for axis, u in zip(self.axes, place, strict=True)}))
        end = float(row["low" if sense == "max" else "high"].iloc[0])
        return row.assign(near=float((values >= end).mean() if sense == "max" else (values <= end).mean()))

    def table(self, width: int = 80) -> str:
        """Return the surface as text: how far each factor reaches, and where it is highest and lowest."""
        high, low = self.best("max").iloc[0], self.best("min").iloc[0]
        heads = ["", *(axis.path for axis in self.axes), self.found.metric, "  ± half"]
        columns = [["length", *(f"{length:.2g}" for length in self.lengths), "", ""]]
        for name, row in (("highest", high), ("lowest", low)):
            ends = [f"{row['mean']:.4g}", f"{row['high'] - row['mean']:.2g}"]
            columns.append([name, *(f"{row[axis.path]:.4g}" for axis in self.axes), *ends])
        foot = (
            f"A Gaussian process through {len(self.found.levels)} points; of those that it has not seen it explains "
            f"{self.q2:.0%} of the variance (cross-validation). length: share of its range over which the surface bends with a "
            f"factor; a long one is a straight line, or flat."
        )
        return blocks_of(heads, columns, width) + "\n" + fill(foot, width)

    def _shares(self, table: pd.DataFrame) -> Floats:
        return np.column_stack([axis.share(table[axis.path]) for axis in self.axes])

    def _at(self, shares: Floats) -> tuple[Floats, Floats]:
        """Return mean and standard error at shares of the ranges: (n,) each."""
        mean, spread = self._process.predict(shares, return_std=True)
        error = np.sqrt(np.maximum(spread**2 - (self.noise / self._scale) ** 2, 0.0))  # the surface's own, without the noise
        return self._middle + self._scale * mean, self._scale * error


def surface(
    frame: pd.DataFrame, metric: str, group: str = "all", window: str | None = None, factors: Sequence[Factor] = ()
) -> Surface:
    """Return the response surface of a metric: a Gaussian process through the points' means over the seeds.

    Its kernel is Matern's of order 5/2 with a length for each factor, and noise, all by maximum likelihood (Rasmussen and
    Williams 2006, "Gaussian processes for machine learning", ch. 2 and 5), on axes from 0 to 1, logarithmic where the study's
    factor is. frame, metric, group, window: as for `outcomes`; factors: `study.factors`, for ranges and scales. Its standard
    errors take these lengths for known, so that intervals are somewhat too narrow with few points. It takes 2 (factors + 1)
    points at least, 1,000 at most, and factors with numbers only.
    Raises RecsimError in one line for other points and factors, and where the metric does not vary.
    """
    found = outcomes(frame, metric, group, window, factors)
    fault = unsuited(found)
    if fault:
        raise RecsimError(fault)
    axes = tuple(axis_of(found, factor, factors) for factor in found.factors)
    means = found.values.mean(axis=1)
    middle, scale = float(means.mean()), float(means.std())
    shares = np.column_stack([axis.share(found.levels[axis.path]) for axis in axes])
    z = (means - middle) / scale
    tried = [_fitted(shares, z, _kernel(len(axes), length)) for length in STARTS]
    process = max(tried, key=lambda fit: float(fit.log_marginal_likelihood_value_))
    kernel = process.kernel_
    noise = scale * math.sqrt(kernel.k2.noise_level)
    lengths = np.atleast_1d(kernel.k1.k2.length_scale).astype(np.float64)
    return Surface(found, axes, lengths, noise, _q2(shares, z, kernel), process, middle, scale)


def unsuited(found: Outcomes) -> str | None:
    """Return why there is no surface of these points, in a line that says how to mend it; None where there is one."""
    for factor in found.factors:
        if not numeric(found, factor) or len(found.listed(factor)) < 2:
            return f"{factor}: has no range of numbers, which a surface needs; take one level of it, and leave out its column"
    least, count = 2 * (len(found.factors) + 1), len(found.levels)
    if not least <= count <= MOST:
        return f"{found.metric}: a surface of {len(found.factors)} factors takes {least} to {MOST:,} points, not {count:,}"
    if not np.ptp(found.values.mean(axis=1)):
        return f"{found.metric}: is the same at every point; there is no surface to find"
    return None


def _kernel(factors: int, length: float) -> Any:
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    smooth = Matern([length] * factors, (0.05, 50.0), nu=2.5)
    return ConstantKernel(1.0, (1e-2, 1e3)) * smooth + WhiteKernel(0.1, (1e-8, 2.0))


def _fitted(shares: Floats, z: Floats, kernel: Any) -> Any:
    """Return a process fitted from a kernel; that a length ends at its bound is no news, since that is what it is for."""
    from sklearn.gaussian_process import GaussianProcessRegressor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianProcessRegressor(kernel, random_state=0).fit(shares, z)


def _q2(shares: Floats, z: Floats, kernel: Any) -> float:
    """Return the share of the variance that is predicted of points left out, fold by fold."""
    order = np.argsort(CHANCE.uniform("surface.fold", np.arange(len(z))), kind="stable")
    fold = np.empty(len(z), np.int64)
    fold[order] = np.arange(len(z)) % FOLDS
    missed = 0.0
    for number in range(min(FOLDS, len(z))):
        out = fold == number
        missed += float(((_fitted(shares[~out], z[~out], kernel).predict(shares[out]) - z[out]) ** 2).sum())
    return 1 - missed / float((z**2).sum())
