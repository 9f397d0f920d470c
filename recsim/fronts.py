"""Fronts: which points of a study are not beaten in everything, and which is the cheapest that keeps what must be kept.

How sure that is follows from the seeds: what the means might be is drawn from the distribution of which Student's t interval is
the ends, with the same draw for all points and metrics, so that what seeds share cancels in every comparison.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from recsim.contrasts import digits
from recsim.errors import RecsimError
from recsim.inference import SURE, interval
from recsim.outcomes import Bools, Floats, Outcomes, Reference, outcomes, references, together
from recsim.randomness import Randomness
from recsim.tables import blocks_of, with_half

if TYPE_CHECKING:
    import pandas as pd

CHANCE = Randomness(1)  # of what the means might be
DRAWS = 2000
SHOWN = 12  # points of a table
WIDEST = 44  # characters of what a point is called there
Sense = Literal["max", "min"]


def possible_means(values: Floats, draws: int = DRAWS) -> Floats:
    """Return what the means might be, given the seeds there are: (draws, metrics, points).

    values: (metrics, points, seeds), two seeds or more. A draw is mean + sum_s z_s (x_s - mean) / sqrt(n (n - 1)) times the
    square root of (n - 1) / chi-square(n - 1), with the same n standard normal z for all metrics and points: each mean has the
    t distribution of which `interval` gives the ends, and so has each difference of paired seeds. A bootstrap over so few seeds
    would be too narrow: with five its variance is 4/5 of the right one, and its tails are those of five values.

    >>> possible_means(np.array([[[1.0, 1.0, 1.0]]]), 2).tolist()
    [[[1.0]], [[1.0]]]
    """
    from scipy.special import ndtri
    from scipy.stats import chi2

    n = values.shape[-1]
    mean = values.mean(axis=-1)
    draw = np.arange(draws)
    z = ndtri(CHANCE.uniform("front.mean", np.arange(n), which=draw[:, None]))
    stretch = np.sqrt((n - 1) / chi2.ppf(CHANCE.uniform("front.spread", draw), n - 1))
    weights = z * stretch[:, None] / math.sqrt(n * (n - 1))
    return mean + np.tensordot(weights, values - mean[..., None], axes=(1, 2))


# ----------------------------------------------------------------------------------------------------------- the front
@dataclass(frozen=True, eq=False)
class Front:
    """The points of a study, and which of them are on the Pareto front of several metrics.

    frame: a row a point, with columns point, the factors; each metric's mean, and its interval as METRIC_low, METRIC_high;
    front: whether no point is at least as good in everything and better in something, by these means; chance: the probability
    that this holds of the true means.
    """

    frame: pd.DataFrame
    senses: Mapping[str, Sense]
    found: Outcomes

    def table(self, width: int = 80) -> str:
        """Return the points on the front, and those that may well be, as text."""
        likely = self.frame[self.frame["front"] | (self.frame["chance"] >= 0.5)]
        some = likely.sort_values(next(iter(self.senses)))[:SHOWN]
        columns = [_column(some, metric) for metric in self.senses]
        chances = ["on front", *(f"{chance:.2f}" for chance in some["chance"])]
        left = len(likely) - len(some)
        aims = " and ".join(f"{metric} ({sense})" for metric, sense in self.senses.items())
        foot = (
            f"Of {len(self.frame)} points {int(self.frame['front'].sum())} are on the front of {aims}; means over "
            f"{len(self.found.seeds)} seeds ± half the {SURE:.0%} interval, and the probability of being on it."
        )
        return blocks_of(_heads(some, self.found), [chances, *columns], width) + "\n" + fill(foot + _unseen(left), width)


def front(
    frame: pd.DataFrame,
    objectives: Mapping[str, Sense],
    group: str = "all",
    window: str | None = None,
    reference: Reference = None,
) -> Front:
    """Return which points of a study are on the Pareto front of several metrics, and with what probability.

    objectives: "max" or "min" by metric, such as {"cost": "min", "coverage": "max", "low_utility": "max"}; metrics, group,
    window: as for `outcomes`; reference: what "cost" is relative to. Chance is that of the seeds, see `possible_means`.
    Raises RecsimError for fewer than two metrics or seeds, and for what the study has not kept.
    """
    if not isinstance(objectives, Mapping) or len(objectives) < 2 or not set(objectives.values()) <= {"max", "min"}:
        raise RecsimError(f"objectives: {objectives!r} is no front; give 'max' or 'min' for two metrics or more")
    found = [outcomes(frame, metric, group, window, reference=reference) for metric in objectives]
    values = together(found)
    signs = np.array([1.0 if sense == "max" else -1.0 for sense in objectives.values()])[:, None]
    drawn = possible_means(values)
    chance = np.mean([unbeaten(signs * means) for means in drawn], axis=0)
    table = _points(found, values).assign(front=unbeaten(signs * values.mean(axis=-1)), chance=chance)
    return Front(table, dict(objectives), found[0])


def unbeaten(values: Floats) -> Bools:
    """Return which points nobody beats: (points,). values: (metrics, points), more is better.

    A point is beaten by one that is at least as good in everything and better in something; two that are alike do not beat
    each other. One with a NaN beats nobody, and does not count as unbeaten.

    >>> unbeaten(np.array([[1.0, 2.0, 0.0, np.nan], [2.0, 1.0, 1.0, 3.0]])).tolist()
    [True, True, False, False]
    """
    as_good = (values[:, :, None] >= values[:, None, :]).all(axis=0)
    better = (values[:, :, None] > values[:, None, :]).any(axis=0)
    return np.asarray(~(as_good & better).any(axis=0) & ~np.isnan(values).any(axis=0))


# -------------------------------------------------------------------------------------------------------- the cheapest
@dataclass(frozen=True, eq=False)
class Cheapest:
    """The cheapest point of a study that keeps what must be kept.

    frame: a row a point, with columns point, the factors; cost and each bounded metric with their intervals, as METRIC,
    METRIC_low, METRIC_high; "loss of METRIC", the share of the reference's mean; keeps: whether the means keep all bounds;
    chance_keeps, chance_cheapest: the probabilities that the true means keep them all, and that the point is the cheapest that
    does. point: its number, None where none keeps them. bounds: in words. sure: the least probability that was asked for.
    """

    frame: pd.DataFrame
    cost: str
    bounds: tuple[str, ...]
    point: int | None
    found: Outcomes
    sure: float = 0.0

    def table(self, width: int = 80) -> str:
        """Return the cheapest points that keep the bounds, or come nearest to it, as text."""
        by, up = ("chance_keeps", False) if self.point is None else (self.cost, True)
        some = self.frame.sort_values(["keeps", by], ascending=[False, up], kind="stable")[:SHOWN]
        names = [name for name in self.frame if f"{name}_low" in self.frame or str(name).startswith("loss of ")]
        columns = [_column(some, str(name)) for name in names]
        chances = [[title, *(f"{chance:.2f}" for chance in some[name])] for title, name in
                   (("keeps", "chance_keeps"), ("cheapest", "chance_cheapest"))]  # fmt: skip
        foot = (
            f"Means over {len(self.found.seeds)} seeds ± half the {SURE:.0%} interval; the probabilities that a point keeps "
            f"{', '.join(self.bounds)}, and that it is the cheapest that does."
        )
        left = len(self.frame) - len(some)
        return blocks_of(_heads(some, self.found), [*chances, *columns], width) + "\n" + fill(foot + _unseen(left), width)

    def text(self) -> str:
        """Return the answer in a sentence or two."""
        bounds = " and ".join(self.bounds)
        if self.point is None:
            row = self.frame.iloc[int(self.frame["chance_keeps"].argmax())]
            chance = f"{self._called(row)}, does with probability {row['chance_keeps']:.2f}"
            asked = f" with probability {self.sure:g}" if self.sure else ""
            return f"No point of the study keeps {bounds}{asked}; the likeliest, {chance}."
        row = self.frame[self.frame["point"] == self.point].iloc[0]
        half = float(row[f"{self.cost}_high"] - row[self.cost])
        price = with_half(float(row[self.cost]), half, digits(np.array([half])))
        return (
            f"The cheapest of {len(self.frame)} points that keeps {bounds} is {self._called(row)}, at a {self.cost} of {price}. "
            f"It keeps that with probability {row['chance_keeps']:.2f}, and is the cheapest that does with "
            f"{row['chance_cheapest']:.2f}."
        )

    def _called(self, row: pd.Series) -> str:
        return f"{self.found.called(row)} (point {row['point']})"


def cheapest(
    frame: pd.DataFrame,
    cost: str = "cost",
    *,
    at_least: Mapping[str, float] | None = None,
    at_most: Mapping[str, float] | None = None,
    loss: Mapping[str, float] | None = None,
    reference: Reference = None,
    sure: float = 0.0,
    group: str = "all",
    window: str | None = None,
) -> Cheapest:
    """Return the point of least cost among those that keep all bounds, and how sure both are.

    cost: a metric, of which less is better; "cost" is that of `outcomes`, in clicks per 1,000 visits beside the reference.
    at_least, at_most: bounds by metric. loss: the largest share of the reference's mean that may be lost, by metric, such as
    {"click_rate": 0.05}. reference: None for the first point, the number of a point, or levels by factor, such as
    {"policy": "none"}: each point is then held against the one that has these and else the same levels. sure: least
    probability that the point keeps its bounds; by default the means alone must. group, window: as for `outcomes`.
    Chance is that of the seeds, see `possible_means`; of points that cost the same, as all do at no cost, the first is taken.
    Raises RecsimError for no bound, a bound that is no number, fewer than two seeds, and for what the study has not kept.
    """
    limits = [("at_least", at_least or {}), ("at_most", at_most or {}), ("loss", loss or {})]
    bounds = [(how, metric, _bound(how, metric, value)) for how, given in limits for metric, value in given.items()]
    if not bounds:
        raise RecsimError("cheapest: nothing is to be kept; give at_least, at_most or loss, such as at_least={'coverage': 0.4}")
    found = [outcomes(frame, name, group, window, reference=reference) for name in (cost, *(metric for _, metric, _ in bounds))]
    values = together(found)
    held = references(found[0], reference)
    drawn, means = possible_means(values), values.mean(axis=-1)
    keeps, kept = _kept(means[None], bounds, held)[0], _kept(drawn, bounds, held)
    table = _points(found, values)
    for place, (how, metric, _) in enumerate(bounds, 1):
        if how == "loss":
            table[f"loss of {metric}"] = 1 - means[place] / means[place][held]
    table = table.assign(keeps=keeps, chance_keeps=kept.mean(axis=0), chance_cheapest=_least(drawn[:, 0], kept))
    able = table[keeps & (table["chance_keeps"] >= sure)]
    point = None if able.empty else int(able.loc[able[cost].idxmin(), "point"])
    return Cheapest(table, cost, tuple(_worded(*bound) for bound in bounds), point, found[0], sure)


def _bound(how: str, metric: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RecsimError(f"{how}: {metric} is bounded by {value!r}, which is no number; give one")
    return float(value)


def _worded(how: str, metric: str, value: float) -> str:
    return f"{metric} {'>=' if how == 'at_least' else '<='} {value:g}" if how != "loss" else f"a loss of {metric} <= {value:.3g}"


def _kept(means: Floats, bounds: list[tuple[str, str, float]], held: Any) -> Bools:
    """Return which points keep all bounds: (draws, points). means: (draws, 1 + bounds, points). held: their references."""
    kept = np.ones(means[:, 0].shape, np.bool_)
    for place, (how, _, value) in enumerate(bounds, 1):
        x = means[:, place]
        kept &= x >= value if how == "at_least" else x <= value if how == "at_most" else x >= (1 - value) * x[:, held]
    return kept


def _least(cost: Floats, kept: Bools) -> Floats:
    """Return how often each point is the cheapest of those that keep the bounds, points that cost the same sharing: (points,)."""
    costs = np.where(kept, cost, np.inf)
    first = kept & (costs == costs.min(axis=1, keepdims=True))
    shares: Floats = (first / np.maximum(first.sum(axis=1, keepdims=True), 1)).mean(axis=0)
    return shares


# -------------------------------------------------------------------------------------------------------------- tables
def _unseen(points: int) -> str:
    return f" {points:,} more points are not shown." if points else ""


def _points(found: list[Outcomes], values: Floats) -> pd.DataFrame:
    """Return the points with their levels, and each metric once with its interval."""
    table = found[0].levels.reset_index()
    for one, rows in zip(found, values, strict=True):
        ends = np.array([interval(row) for row in rows])
        for place, name in enumerate((one.metric, f"{one.metric}_low", f"{one.metric}_high")):
            table[name] = ends[:, place]
    return table


def _column(rows: pd.DataFrame, metric: str) -> list[str]:
    """Return the lines of a metric, or of what is lost of it."""
    if metric.startswith("loss of "):
        return [metric, *(f"{share:.1%}" for share in rows[metric])]
    return [metric, *_lines(rows[metric].to_numpy(np.float64), (rows[f"{metric}_high"] - rows[metric]).to_numpy(np.float64))]


def _lines(values: Floats, halves: Floats) -> Iterator[str]:
    decimals = digits(halves)
    return (with_half(float(x), float(half), decimals) for x, half in zip(values, halves, strict=True))


def _heads(rows: pd.DataFrame, found: Outcomes) -> list[str]:
    """Return the heads of the lines: the number of each point and its levels."""
    levels = ((row["point"], [found.said(name, row[name]) for name in found.factors]) for row in rows.to_dict("records"))
    names = (f"{point}: {', '.join(said)}" for point, said in levels)
    return ["point", *(name if len(name) <= WIDEST else f"{name[: WIDEST - 1]}…" for name in names)]
