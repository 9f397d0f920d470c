"""Outcomes: one metric of a study as a table of points by seeds, and how its points lie to each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim.designs import Factor
from recsim.errors import RecsimError, nearest

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Reference = int | Mapping[str, Any] | None

BESIDE = "point", "seed", "cell", "window", "epoch", "group", "metric", "value"
"""Columns of what `open_study` returns; the others are its factors."""
COST = "cost"  # follows from the three below where no metric of that name was kept
COUNTED = "feed_clicks", "visits", "spent"


@dataclass(frozen=True, eq=False)
class Outcomes:
    """One metric at every point of a study.

    metric: as it was asked for. window: the one that is read. levels: a row a point, a column a factor, by number of the point.
    seeds: those under which every point has a value; left_out: how many others there are. values: (points, seeds). sampled:
    whether a factor is a range of which the points are a sample.
    """

    metric: str
    window: str
    levels: pd.DataFrame
    seeds: list[int]
    left_out: int
    values: Floats
    sampled: bool = False

    @property
    def factors(self) -> list[str]:
        """The factors, by path."""
        return [str(name) for name in self.levels]

    def listed(self, factor: str) -> list[Any]:
        """Return the levels of a factor in the order of the points."""
        levels: list[Any] = list(dict.fromkeys(self.levels[factor].tolist()))
        return levels

    @cached_property
    def layout(self) -> str:
        """How the points lie: "grid", "one at a time" or "sample", which is what is neither."""
        numbers = [len(self.listed(factor)) for factor in self.factors]
        if not self.sampled and not self.levels.duplicated().any():
            if len(self.levels) == math.prod(numbers):
                return "grid"
            changed = (self.levels != self.levels.iloc[0]).sum(axis=1)
            if (changed <= 1).all() and len(self.levels) == 1 + sum(number - 1 for number in numbers):
                return "one at a time"
        return "sample"

    @cached_property
    def _names(self) -> dict[str, dict[Any, str]]:
        """Return the levels of each factor as text; nothing of ranges that were sampled, whose points go by their number."""
        listed = [name for name in self.factors if self.layout != "sample" or not numeric(self, name)]
        return {name: told_apart(self.listed(name)) for name in listed}

    def said(self, factor: str, level: Any) -> str:
        """Return a level of a factor as text that no other level of the factor has."""
        return self._names.get(factor, {}).get(level, told(level))

    def called(self, row: Mapping[Any, Any] | pd.Series) -> str:
        """Return the levels of a point as text. row: has them by factor."""
        return ", ".join(f"{name} = {self.said(name, row[name])}" for name in self.factors)


def told(level: Any, digits: int = 6, most: int = 30) -> str:
    """Return a level as text that is short enough for a table: a number of so many digits, or so many letters.

    >>> told("none"), told(0.05000000001), told(8.0), told(True)
    ('none', '0.05', '8', 'True')
    """
    number = isinstance(level, (int, float, np.integer, np.floating)) and not isinstance(level, bool)
    text = f"{level:.{digits}g}" if number else str(level)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def told_apart(levels: Iterable[Any]) -> dict[Any, str]:
    """Return levels as `told` does, but with as many more digits and letters as tell all of them apart.

    >>> told_apart([0.1, 0.25, 0.1]), told_apart([0.1, 0.1000001]), told_apart(["1", 1])
    ({0.1: '0.1', 0.25: '0.25'}, {0.1: '0.1', 0.1000001: '0.1000001'}, {'1': "'1'", 1: '1'})
    """
    different = list(dict.fromkeys(levels))
    for digits, most in ((6, 30), (9, 60), (12, 120), (17, 10**6)):
        names = {level: told(level, digits, most) for level in different}
        if len(set(names.values())) == len(different):
            return names
    return {level: repr(level) for level in different}


def outcomes(
    frame: pd.DataFrame,
    metric: str,
    group: str = "all",
    window: str | None = None,
    factors: Sequence[Factor] = (),
    reference: Reference = None,
) -> Outcomes:
    """Return one metric of a study as points by seeds.

    frame: as `open_study` returns it. metric: its name; that of a group may be given as "utility.niche". window: by default the
    only one there is, else "last quarter". factors: those of the study, which tell a sample of ranges from levels. "cost", where
    no metric of that name was kept, is (clicks in the feed of the reference - those of the point + spent) / visits x 1,000, under
    each seed; reference: as for `references`.
    Raises RecsimError in one line for what is not there, several epochs of a window, and where no seed has all values.

    >>> import pandas as pd
    >>> one = pd.DataFrame({"point": [0, 1], "seed": 1, "slate": [5, 10], "cell": "x", "window": "last 4", "epoch": 7,
    ...                     "group": "all", "metric": "gini", "value": [0.5, 0.25]})
    >>> outcomes(one, "gini").values.tolist(), outcomes(one, "gini").layout
    ([[0.5], [0.25]], 'grid')
    """
    _whole_frame(frame)
    there = set(frame["metric"].unique())
    if metric == COST and COST not in there and there.issuperset(COUNTED):
        return _cost(frame, group, window, factors, reference)
    return _table(*rows_of(frame, metric, group, window), factors)


def rows_of(
    frame: pd.DataFrame, metric: str, group: str = "all", window: str | None = None
) -> tuple[pd.DataFrame, str, str]:
    """Return the rows of one metric, group and window of a study, the metric as it was asked for, and the window.

    The arguments are as for `outcomes`, but that a cost must have been kept. Raises RecsimError for what is not there.
    """
    _whole_frame(frame)
    name, group = _named(metric, group, set(frame["metric"].unique()))
    rows = frame[(frame["metric"] == name) & (frame["group"] == group)]
    if not len(rows):
        groups = frame.loc[frame["metric"] == name, "group"].unique()
        raise RecsimError(f"group: {name} has no group {group!r} here; {nearest(group, groups)}")
    window = _window(rows, window)
    return rows[rows["window"] == window], metric, window


def _whole_frame(frame: pd.DataFrame) -> None:
    """Raise RecsimError for what is no frame of a study, or an empty one."""
    missing = [name for name in BESIDE if name not in frame]
    if missing or not len(frame):
        what = f"has no column {missing[0]}" if missing else "has no rows"
        raise RecsimError(f"frame: {what}; give what open_study returns")


def _named(metric: str, group: str, there: set[str]) -> tuple[str, str]:
    """Return the name of a metric and its group."""
    first, _, second = metric.partition(".")
    if metric not in there and second and first in there:
        return first, second
    if metric not in there:
        hint = f"keep {', '.join(COUNTED)} to have it" if metric == COST else nearest(metric, there)
        raise RecsimError(f"metric: the study has kept no {metric!r}; {hint}")
    return metric, group


def in_words(window: str) -> str:
    """Return over which epochs of a run the mean of a window goes.

    >>> in_words("last quarter"), in_words("last 4"), in_words("epoch 7")
    ('the last quarter of the epochs', 'the last 4 epochs', 'epoch 7')
    """
    known = {
        "every epoch": "each epoch by itself", "first trained": "the epoch of the first trained model",
        "last quarter": "the last quarter of the epochs", "last 1": "the last epoch",
    }  # fmt: skip
    return known.get(window, f"the {window} epochs" if window.startswith("last ") else window)


def _window(rows: pd.DataFrame, window: str | None) -> str:
    windows = [str(name) for name in rows["window"].unique()]
    chosen = window or (windows[0] if len(windows) == 1 else "last quarter")
    if chosen not in windows:
        raise RecsimError(f"window: the study has kept no {chosen!r}; {nearest(chosen, windows)}")
    return chosen


def _table(rows: pd.DataFrame, metric: str, window: str, factors: Sequence[Factor]) -> Outcomes:
    """Return the rows of one metric and window as points by seeds."""
    if rows.duplicated(["point", "seed"]).any():
        raise RecsimError(f"frame: has several epochs of {window!r}; take one of them: frame[frame['epoch'] == 7]")
    names = [str(name) for name in rows if name not in BESIDE]
    levels = rows.drop_duplicates("point").set_index("point")[names].sort_index()
    values = rows.pivot(index="point", columns="seed", values="value").sort_index().sort_index(axis=1)
    whole = values.notna().all()
    if not whole.any():
        number = values.notna().sum(axis=1)
        what = f"point {number.idxmin()} has one under {number.min()} of {len(whole)} seeds"
        raise RecsimError(f"{metric}: no seed has a value at every point, {what}; run the study again, or leave out that point")
    kept = values.loc[:, whole]
    sampled = any(not factor.levels and factor.steps is None for factor in factors)
    seeds = [int(seed) for seed in kept.columns]
    return Outcomes(metric, window, levels, seeds, len(whole) - len(seeds), kept.to_numpy(np.float64), sampled)


def _cost(
    frame: pd.DataFrame, group: str, window: str | None, factors: Sequence[Factor], reference: Reference
) -> Outcomes:
    """Return what each point costs beside its reference, in clicks per 1,000 visits."""
    clicks, visits, spent = (outcomes(frame, name, group, window, factors) for name in COUNTED)
    fewer = clicks.values[references(clicks, reference)] - clicks.values
    cost = (fewer + spent.values) / visits.values * 1000
    return Outcomes(COST, clicks.window, clicks.levels, clicks.seeds, clicks.left_out, cost, clicks.sampled)


def together(found: Sequence[Outcomes]) -> Floats:
    """Return several metrics at the same points under the seeds that have them all: (metrics, points, seeds).

    Raises RecsimError where no seed has them all, or only one.
    """
    seeds = sorted(set.intersection(*(set(one.seeds) for one in found)))
    if len(seeds) < 2:
        names = ", ".join(dict.fromkeys(one.metric for one in found))
        raise RecsimError(f"{names}: {len(seeds)} seeds have values at every point; run the study with more, 5 or so")
    return np.stack([one.values[:, [one.seeds.index(seed) for seed in seeds]] for one in found])


def references(found: Outcomes, reference: Reference) -> Ints:
    """Return the row of the point that each point is held against: (points,).

    reference: None for the first point, the number of a point, or levels by factor: each point is then held against the one that
    has these and else the same levels. Raises RecsimError where there is none.
    """
    numbers = [int(number) for number in found.levels.index]
    if reference is None:
        return np.zeros(len(numbers), np.int64)
    if not isinstance(reference, Mapping):
        if reference not in numbers:
            raise RecsimError(f"reference: the study has no point {reference!r}; give one from {numbers[0]} to {numbers[-1]}")
        return np.full(len(numbers), numbers.index(reference))
    for name, level in reference.items():
        if name not in found.factors:
            raise RecsimError(f"reference: the study has no factor {name!r}; {nearest(name, found.factors)}")
        if level not in found.listed(name):
            labels = [str(label) for label in found.listed(name)]
            raise RecsimError(f"reference: {name} has no level {level!r}; {nearest(str(level), labels)}")
    rows = {tuple(row): place for place, row in enumerate(found.levels.to_numpy(object).tolist())}
    held = found.levels.astype(object).assign(**reference)[found.factors].to_numpy(object).tolist()
    alone = next((place for place, row in enumerate(held) if tuple(row) not in rows), None)
    if alone is not None:
        levels = ", ".join(f"{name} = {found.said(name, level)}" for name, level in reference.items())
        raise RecsimError(f"reference: point {numbers[alone]} has no partner with {levels}; give the number of a point")
    return np.array([rows[tuple(row)] for row in held], np.int64)


# --------------------------------------------------------------------------------------------------------------- ranges
class Axis(NamedTuple):
    """The range of a factor that has numbers, and how it is measured out."""

    path: str
    low: float
    high: float
    log: bool = False
    whole: bool = False

    def share(self, values: npt.ArrayLike) -> Floats:
        """Return where values lie in the range, 0 to 1; beyond it where they do.

        >>> Axis("choice.outside", 1.0, 100.0, log=True).share([1.0, 10.0]).tolist()
        [0.0, 0.5]
        """
        x, low, high = np.asarray(values, np.float64), self.low, self.high
        if self.log:
            return np.log(x / low) / math.log(high / low)
        return (x - low) / (high - low)

    def at(self, share: npt.ArrayLike) -> Floats:
        """Return the values at shares of the range."""
        u = np.asarray(share, np.float64)
        x = self.low * (self.high / self.low) ** u if self.log else self.low + (self.high - self.low) * u
        return np.round(x) if self.whole else x


def numeric(found: Outcomes, factor: str) -> bool:
    """Return whether the levels of a factor are numbers."""
    kinds = {type(level) for level in found.listed(factor)}
    return kinds <= {int, float}


def axis_of(found: Outcomes, factor: str, factors: Sequence[Factor] = ()) -> Axis:
    """Return the axis of a factor with numbers: as the study's own factor says, else from its least to its largest level."""
    levels = found.listed(factor)
    recipe = next((one for one in factors if one.path == factor), None)
    low, high = float(min(levels)), float(max(levels))
    if recipe is None:
        return Axis(factor, low, high)
    if recipe.low is not None and recipe.high is not None:
        low, high = recipe.low, recipe.high
    return Axis(factor, low, high, recipe.scale == "log" and low > 0, recipe.whole)
