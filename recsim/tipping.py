"""The tipping point of a factor: where what a feed does changes its sign, by bisection over the cells of a study."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.bisection import SCAN, Crossing, Floats, Stretch, find_crossing, told_sign
from recsim.designs import Factor, Level, Listed
from recsim.errors import RecsimError, nearest, whole_number
from recsim.executors import Crew, crew_of, perform
from recsim.inference import SURE, interval
from recsim.keeping import Keep, figures_of, spans
from recsim.progress import told
from recsim.simulation import World
from recsim.stores import Store
from recsim.studies import Point, Study, point_of, settle, tasks_of, write_down
from recsim.tables import blocks_of, decimals_for
from recsim.workers import Task

if TYPE_CHECKING:
    import pandas as pd

LEAST_SEEDS = 3  # at each level that is tried first
LEAST_STEPS = 4  # between the ends of a range of whole numbers
PARTS = 10  # of its range: how wide the interval of a factor may be where nothing is said
SIDES = {-1: "below", 0: "not told from", 1: "above"}


@dataclass(frozen=True)
class Asked:
    """The statistic: a metric of a group, its mean over one window, less that over an earlier one, less a number."""

    metric: str
    group: str
    late: str
    early: str | None
    at: float

    @property
    def text(self) -> str:
        """What it is called in an answer."""
        name = self.metric if self.group == "all" else f"{self.metric} of {self.group}"
        return f"{name} in {self.late}" if self.early is None else f"change of {name} from {self.early} to {self.late}"


@dataclass(frozen=True)
class Tipping:
    """The tipping point of a factor, and how it was found.

    outcome: "found"; "wide": found, but the cells were spent before the interval was as narrow as asked; "none": the mean of
    the statistic has one sign all over the range; "several": its sign changes more than once; "edge": all signs that are told
    are alike, that of one end is not told; "untold": too little is told. value: the level of the factor at which the mean
    changes its sign; low and high: its interval, of 95 %; NaN where there is none. below: the sign of the mean below it, or
    all over. fitted: whether the interval is interpolated, or lies between two levels whose signs are told. between: levels
    next to each change of sign, where there are several, or the end that is not told and its neighbour. levels: a row for
    each level that was tried: level, seeds, mean of the statistic before *at* is taken off, low, high (95 %), sign (of mean
    less *at*, at 5 %, each for itself). cells: how many there are; ran: how many were run now. folder: where they are, None
    where nothing was to be kept.
    """

    factor: str
    asked: Asked
    outcome: str
    value: float
    low: float
    high: float
    below: int
    fitted: bool
    between: tuple[tuple[float, float], ...]
    levels: pd.DataFrame
    cells: int
    ran: int
    folder: Path | None

    def summary(self) -> dict[str, Any]:
        """Return what `study tipping --json` prints."""
        return {
            "out": str(self.folder), "factor": self.factor, **asdict(self.asked), "outcome": self.outcome, "value": self.value,
            "low": self.low, "high": self.high, "below": self.below, "fitted": self.fitted, "between": self.between,
            "levels": self.levels.to_dict("records"), "cells": self.cells, "ran": self.ran, "answer": self.answer(),
        }  # fmt: skip

    def answer(self) -> str:
        """Return in words what was found."""
        what = f"the mean of {self.asked.text} is {{}} {self.asked.at:g}"
        here, there = (what.format(SIDES[side]) for side in (self.below, -self.below))
        cells = f"{self.cells:,} cells at {len(self.levels)} levels"
        if self.outcome in ("found", "wide"):
            how = "interpolated" if self.fitted else "between two levels whose signs are told"
            more = "" if self.outcome == "found" else " That is wider than asked: the cells were spent; allow more."
            return (
                f"The tipping point of {self.factor} is {self.value:.4g} (95 % interval {self.low:.4g} to {self.high:.4g}, "
                f"{how}): below it {here}, above it {SIDES[-self.below]}. {cells}.{more}"
            )
        pairs = ", ".join(f"between {low:.4g} and {high:.4g}" for low, high in self.between)
        return {
            "none": f"There is no tipping point of {self.factor} in its range: {here} all over it. {cells}.",
            "several": f"There is more than one tipping point of {self.factor}: the sign changes {pairs}. "
            f"Study each in a range of its own. {cells}.",
            "edge": f"If there is a tipping point of {self.factor}, it lies {pairs} or beyond: {here} everywhere else, and "
            f"not told at that end. Widen the range, or take more seeds. {cells}.",
            "untold": f"Whether {there if self.below else what.format('above or below')} somewhere is not told. "
            f"Take more seeds, or a wider range. {cells}.",
        }[self.outcome]

    def table(self, width: int = 80) -> str:
        """Return the levels that were tried as text, no wider than that."""
        frame = self.levels
        digits = decimals_for([*frame["mean"], self.asked.at])
        columns = [
            ["seeds", *(str(seeds) for seeds in frame["seeds"])],
            ["mean", *(f"{mean:+.{digits}f}" for mean in frame["mean"])],
            ["95 % interval", *_intervals(frame, digits)],
            ["is", *(SIDES[sign] for sign in frame["sign"])],
        ]
        return blocks_of([self.factor[-30:], *(f"{level:.6g}" for level in frame["level"])], columns, width)


def _intervals(frame: pd.DataFrame, digits: int) -> list[str]:
    return [f"{low:+.{digits}f} to {high:+.{digits}f}" for low, high in zip(frame["low"], frame["high"], strict=True)]


def tipping_point(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    metric: str,
    group: str = "all",
    late: str = "last quarter",
    early: str | None = None,
    at: float = 0.0,
    width: float | None = None,
    most: int | None = None,
    workers: int | None = None,
    executor: Any = None,
    limit: float | None = None,
    progress: bool | Callable[[float, str], None] = True,
) -> Tipping:
    """Return where the mean of a statistic changes its sign as the one factor of a study goes from low to high.

    The statistic of a cell is the metric over the window *late*, less that over the window *early* if one is given, less
    *at*. study: a Study, or the path of its file, with one factor that has a range; its design is not used. Its seeds are
    those of the levels that are tried first; further ones are the numbers that follow the largest. out: a folder, as of
    `run_study`: what is in it is not run again, so that a search that was interrupted goes on, and ends as one that was not;
    None: nothing is kept. width: of the interval in units of the factor, on a logarithmic scale the share by which its high
    end exceeds the low one (0.1: 10 %); by default a tenth of the range on its scale. most: cells, by default what the study
    allows. workers, executor, limit and progress: as of `run_study`. How the search goes, and when its interval holds:
    `recsim.bisection.find_crossing`.

    Raises RecsimError in one line, before anything is run, for what the user can mend; and where a cell fails or has no value.
    """
    asked = study if isinstance(study, Study) else Study.load(study)
    if limit is not None and not limit > 0:
        raise RecsimError(f"limit: must be a number of seconds above 0, not {limit!r}")
    scale = Scale.of(asked)
    share = scale.share(width)
    what = Asked(metric, group, late, early, _number(at))
    asked = asked.but(keep=_keep(asked, what))
    _check(asked, what, scale)
    most = whole_number("most", asked.most if most is None else most, len(SCAN) * len(asked.seeds))
    with _folder(out) as folder, told(f"tipping point of {scale.factor.path}", progress) as say:
        store = Store(folder)
        tasks_of(asked, [point_of(asked, 0, (scale.level(0.0),))])  # checked before the folder is made
        with store.held(), crew_of(executor, workers, limit) as crew:
            cells = _Cells(store, crew, asked, what, scale, say)
            found, tried = find_crossing(cells.draw, width=share, first=len(asked.seeds), most=most, snap=scale.snapped)
    return _told(found, tried.values, cells, None if out is None else folder)


def _told(found: Crossing, values: Any, cells: _Cells, folder: Path | None) -> Tipping:
    """Return what was found, in units of the factor."""
    import pandas as pd

    rows = []
    for level, some in values.items():
        mean, low, high = interval(some)
        rows.append((cells.scale.value(level), len(some), mean, low, high, told_sign(some, 1 - SURE)))
    at, columns = cells.asked.at, ["level", "seeds", "mean", "low", "high", "sign"]
    frame = pd.DataFrame(rows, columns=columns)
    frame[["mean", "low", "high"]] += at
    value, low, high = (cells.scale.between(share) for share in (found.value, found.low, found.high))
    pairs = tuple((cells.scale.value(a), cells.scale.value(b)) for a, b in found.between)
    return Tipping(
        cells.scale.factor.path, cells.asked, found.outcome, value, low, high, found.sign, found.fitted, pairs, frame,
        sum(map(len, values.values())), cells.ran, folder,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------ what is asked
@dataclass(frozen=True)
class Scale:
    """The range of a factor, measured out in shares: 0 its low end, 1 its high end."""

    factor: Factor

    @classmethod
    def of(cls, study: Study) -> Scale:
        """Return the range of the one factor of a study. Raises RecsimError where it has others, or levels."""
        if len(study.factors) > 1:
            paths = ", ".join(factor.path for factor in study.factors)
            raise RecsimError(f"{study.name}: a tipping point is that of one factor, not of {paths}; leave out others")
        (factor,) = study.factors
        if factor.levels:
            raise RecsimError(f"{study.name}: {factor.path} has levels; give it low and high, between which to search")
        if factor.whole and (factor.high or 0.0) - (factor.low or 0.0) < LEAST_STEPS:
            raise RecsimError(f"{study.name}: {factor.path} has too few whole numbers to search; list them as levels of a study")
        return cls(factor)

    @property
    def _ends(self) -> tuple[float, float]:
        low, high = self.factor.low or 0.0, self.factor.high or 0.0
        return (math.log(low), math.log(high)) if self.factor.scale == "log" else (low, high)

    def level(self, share: float) -> Level:
        """Return the level at a share of the range."""
        return self.factor.drawn(share)

    def value(self, share: float) -> float:
        """Return the value of the level at a share of the range."""
        return float(self.level(share).value)

    def between(self, share: float) -> float:
        """Return the value at a share, where there need not be a level."""
        low, high = self._ends
        place = low + (high - low) * share
        return math.exp(place) if self.factor.scale == "log" else place

    def snapped(self, share: float) -> float:
        """Return the share at which the nearest level lies."""
        if not self.factor.whole:
            return float(share)
        low, high = self._ends
        value = self.value(share)
        return ((math.log(value) if self.factor.scale == "log" else value) - low) / (high - low)

    def share(self, width: float | None) -> float:
        """Return a width as a share of the range. Raises RecsimError for one that is none, or wider than half the range."""
        low, high = self._ends
        share = 0.0
        if width is None:
            share = 1 / PARTS
        elif _positive(width):
            share = (math.log1p(width) if self.factor.scale == "log" else width) / (high - low)
        if not 1e-6 <= share <= 0.25:
            raise RecsimError(f"width: must be above 0 and at most a quarter of the range of {self.factor.path}, not {width!r}")
        return max(share, 1 / (high - low)) if self.factor.whole and self.factor.scale == "linear" else share


def _positive(number: Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number) and number > 0


def _number(at: Any) -> float:
    if isinstance(at, bool) or not isinstance(at, (int, float)) or not math.isfinite(at):
        raise RecsimError(f"at: must be a number, with which the metric is compared, not {at!r}")
    return float(at)


def _keep(study: Study, asked: Asked) -> Keep:
    """Return what a study keeps, and what is asked where it does not."""
    keep, windows = study.keep, [window for window in (asked.late, asked.early) if window is not None]
    for name, window in (("late", asked.late), ("early", asked.early)):
        if window == "every epoch":
            raise RecsimError(f'{name}: must be one stretch of epochs, such as "last quarter" or "epoch 7", not {window!r}')
    if not keep.holds(asked.group, asked.metric):
        keep = keep.but(metrics=(*keep.metrics, asked.metric), groups=(*keep.groups, asked.group))
    try:
        return keep.but(windows=tuple(dict.fromkeys([*keep.windows, *windows])))
    except RecsimError as fault:
        raise RecsimError(str(fault).replace("windows", "late, early")) from None


def _check(study: Study, asked: Asked, scale: Scale) -> None:
    """Raise RecsimError where the seeds are too few, or a world of the study has no such metric, group or window."""
    if len(study.seeds) < LEAST_SEEDS:
        raise RecsimError(f"seeds: a tipping point takes at least {LEAST_SEEDS} to begin with, not {len(study.seeds)}")
    scenario = point_of(study, 0, (scale.level(0.0),)).scenario
    for window in filter(None, (asked.late, asked.early)):
        spans(window, scenario.epochs)
    figures = figures_of(World(scenario, 0))
    for name, given, there in (
        ("group", asked.group, {group for group, _ in figures}),
        ("metric", asked.metric, {metric for group, metric in figures if group == asked.group}),
    ):
        if given not in there:
            raise RecsimError(f"{name}: there is no {given!r} in this world; {nearest(given, there)}")


@contextmanager
def _folder(out: str | Path | None) -> Iterator[Path]:
    """Give the folder, or one that goes when the search is over."""
    if out is not None:
        yield Path(out)
        return
    with TemporaryDirectory(prefix="recsim-tipping-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


# ------------------------------------------------------------------------------------------------------------- its cells
class _Cells:
    """The cells of a search: those asked for so far, in a folder; run where they are not there."""

    def __init__(
        self, store: Store, crew: Crew, study: Study, asked: Asked, scale: Scale, say: Callable[[float, str], None]
    ) -> None:
        self.store, self.crew, self.study, self.asked, self.scale = store, crew, study, asked, scale
        self.ran, self._say = 0, say
        self._points: dict[float, Point] = {}
        self._design: list[tuple[Point, Task]] = []
        write_down(store, study, [], [])  # which refuses the folder of another study

    def draw(self, some: Sequence[Stretch]) -> list[Floats]:
        """Return the statistic at levels under seeds by their running numbers, from cells that are run where they are missing."""
        cells = self._tasks(some)
        self._design += [pair for stretch in cells for pair in stretch]
        self._write_down()
        wanted = {task.cell: (point, task) for stretch in cells for point, task in stretch}
        self._run([pair for pair in wanted.values() if not self.store.has(pair[1].cell)])
        return [np.array([self._value(point, task) for point, task in stretch]) for stretch in cells]

    def _tasks(self, some: Sequence[Stretch]) -> list[list[tuple[Point, Task]]]:
        """Return the cells of each stretch; those under the same seeds are addressed together, which draws their world once."""
        for stretch in some:
            if stretch.level not in self._points:
                level = self.scale.level(stretch.level)
                self._points[stretch.level] = point_of(self.study, len(self._points), (level,))
        found: dict[Stretch, list[tuple[Point, Task]]] = {}
        for first, last in dict.fromkeys((stretch.first, stretch.last) for stretch in some):
            same = [stretch for stretch in some if stretch[1:] == (first, last)]
            points = [self._points[stretch.level] for stretch in same]
            tasks = iter(tasks_of(self.study.but(seeds=tuple(map(self._seed, range(first, last)))), points))
            for stretch, point in zip(same, points, strict=True):
                found[stretch] = [(point, next(tasks)) for _ in range(first, last)]
        return [found[stretch] for stretch in some]

    def _seed(self, number: int) -> int:
        """Return a seed by its running number: one of the study, then the numbers after the largest of them."""
        seeds = self.study.seeds
        return seeds[number] if number < len(seeds) else max(seeds) + 1 + number - len(seeds)

    def _write_down(self) -> None:
        """Write down the cells so far: a study of the levels that were tried, and for each level its own seeds."""
        points, seeds = self._points.values(), dict.fromkeys(task.seed for _, task in self._design)
        listed = Listed(points=tuple((point.levels[0].label,) for point in points))
        columns: dict[str, list[Any]] = {
            "cell": [task.cell for _, task in self._design], "point": [point.number for point, _ in self._design],
            "seed": [task.seed for _, task in self._design],
            self.scale.factor.path: [point.levels[0].label for point, _ in self._design],
        }  # fmt: skip
        self.store.begin(self.study.but(design=listed, seeds=tuple(seeds)).toml(), columns)

    def _run(self, missing: Sequence[tuple[Point, Task]]) -> None:
        """Run cells and keep each as it is done. Raises RecsimError when all are over, if one has failed."""
        over, failed = 0, ""

        def tell(running: int) -> None:
            done = len(self._design) - len(missing) + over
            self._say(0.0, f"{done} cells done, {running} running")  # nobody knows how many it will take

        with closing(perform(self.crew, [task for _, task in missing], tell)) as outcomes:
            for task, outcome, tries in outcomes:
                if not settle(self.store, task, outcome, tries):
                    failed = failed or outcome.message
                over += 1
        self.ran += over
        if failed:
            raise RecsimError(f"{self.scale.factor.path}: a cell failed: {failed}; mend that, the same call goes on")

    def _value(self, point: Point, task: Task) -> float:
        """Return the statistic of a cell. Raises RecsimError where it has none."""
        import pyarrow.parquet as pq

        asked = self.asked
        kept = pq.read_table(self.store.cells / f"{task.cell}.parquet", partitioning=None).to_pylist()
        values = {row["window"]: row["value"] for row in kept if (row["group"], row["metric"]) == (asked.group, asked.metric)}
        early = 0.0 if asked.early is None else values.get(asked.early, math.nan)
        value = values.get(asked.late, math.nan) - early - asked.at
        if not math.isfinite(value):
            where = f"at {self.scale.factor.path} = {point.levels[0].label:g} under seed {task.seed}"
            raise RecsimError(f"metric: {asked.metric} of {asked.group} has no value {where}; take other windows or levels")
        return float(value)
