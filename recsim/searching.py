"""Searching: settings of a study that are best in several things at once, found by Optuna, trial after trial in its folder.

Trials are asked for in batches of fixed size, and what is learned from one is what its cells in the folder say. So a search does
not depend on who runs the cells, and one that is asked for again repeats itself from the folder, to go on from there.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim.designs import Factor, Listed
from recsim.errors import RecsimError, nearest, whole_number
from recsim.fronts import unbeaten
from recsim.inference import SURE, interval
from recsim.keeping import figures_of, spans
from recsim.progress import told
from recsim.randomness import Randomness
from recsim.simulation import World
from recsim.studies import Study, open_study, run_study
from recsim.tables import decimals_for, with_half

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Say = Callable[[float, str], None]

SIGNS = {"max": 1.0, "min": -1.0}


# ------------------------------------------------------------------------------------------------------- what is better
def hypervolume(values: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Return the volume that n points with d values, (n, d), the more the better, dominate above a reference point (d,).

    In the product of the units of the values; 0 of no points. By slices along the last value (While, Hingston, Barone and
    Huband 2006, "A faster algorithm for calculating hypervolume", IEEE Transactions on Evolutionary Computation 10(1), HSO).

    >>> hypervolume([[1.0, 3.0], [2.0, 2.0]], [0.0, 0.0])
    5.0
    >>> hypervolume([[1.0, 1.0, 1.0], [2.0, 0.5, 0.5]], [0.0, 0.0, 0.0])
    1.25
    """
    v, floor = np.asarray(values, np.float64), np.asarray(reference, np.float64)
    v = v[(v > floor).all(axis=1)]
    if not len(v):
        return 0.0
    if v.shape[1] == 1:
        return float(v.max() - floor[0])
    v = v[np.argsort(-v[:, -1], kind="stable")]
    ends = [*v[1:, -1], floor[-1]]
    depths = [top - end for top, end in zip(v[:, -1], ends, strict=True)]
    return math.fsum(
        depth * hypervolume(v[: place + 1, :-1], floor[:-1]) for place, depth in enumerate(depths) if depth > 0
    )


# ------------------------------------------------------------------------------------------------------------ who asks
class Asker:
    """Asks for points, a batch at a time, and is told how good they are: Optuna's study, in memory.

    factors: of what. objectives: how many. batch: points that are asked for before any of them is known. Everything that it
    asks for follows from these, the seed, and what it was told. Raises RecsimError where Optuna is not installed.
    """

    def __init__(self, factors: Sequence[Factor], objectives: int, batch: int, seed: int) -> None:
        self._factors = factors
        self._trials: list[Any] = []
        number = Randomness(seed).integer("search.sampler")
        with _quiet() as optuna:
            sampler = optuna.samplers.NSGAIISampler(population_size=max(2, batch), seed=number)
            self._study = optuna.create_study(directions=["maximize"] * objectives, sampler=sampler)
            self._sides = {factor.path: _side(optuna.distributions, factor) for factor in factors}

    def ask(self, number: int) -> list[tuple[Any, ...]]:
        """Return points, each with the level of every factor, as a design of kind Listed has them."""
        with _quiet():
            self._trials = [self._study.ask(self._sides) for _ in range(number)]
        return [tuple(_level(factor, trial.params[factor.path]) for factor in self._factors) for trial in self._trials]

    def tell(self, values: Floats) -> None:
        """Say how good the points are that were asked for last, (number, objectives), the more the better; NaN: not known."""
        with _quiet() as optuna:
            for trial, row in zip(self._trials, values.tolist(), strict=True):
                if any(map(math.isnan, row)):
                    self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
                else:
                    self._study.tell(trial, row)


@contextmanager
def _quiet() -> Iterator[Any]:
    """Give Optuna, which says nothing meanwhile. Raises RecsimError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise RecsimError('search: needs Optuna; install it by pip install "recsim-loop[optuna]"') from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield optuna
    finally:
        optuna.logging.set_verbosity(before)


def _side(distributions: Any, factor: Factor) -> Any:
    """Return what Optuna draws a level of a factor from: places among listed levels, or a range."""
    if factor.levels:
        return distributions.CategoricalDistribution(tuple(range(len(factor.levels))))
    low, high, log = factor.low or 0.0, factor.high or 0.0, factor.scale == "log"
    if factor.whole:
        return distributions.IntDistribution(math.ceil(low), math.floor(high), log=log)
    return distributions.FloatDistribution(low, high, log=log)


def _level(factor: Factor, drawn: Any) -> Any:
    return factor.listed()[drawn].label if factor.levels else factor.chosen(drawn).label


# ---------------------------------------------------------------------------------------------------------- what is found
@dataclass
class Search:
    """Trials of a search, in the order in which they were asked for.

    study: with all points that were tried. objectives: "max" or "min" by metric. batch, window: as asked for. folder: of the
    study. frame: trial, batch, a column for each factor, named by its path, and for each metric its mean over seeds, the ends of
    its 95 % interval, such as coverage_low (Student's t), and front: whether no other trial is better. NaN where a cell failed.
    """

    study: Study
    objectives: dict[str, str]
    batch: int
    window: str
    folder: Path
    frame: pd.DataFrame = field(repr=False)

    @cached_property
    def front(self) -> pd.DataFrame:
        """The trials than which no other is as good in all objectives and better in one, the best in the first objective first.

        They are chosen for their means: the luck of the seeds is in them, so that new seeds are likely to show them less good.
        """
        first, side = next(iter(self.objectives.items()))
        return self.frame[self.frame["front"]].sort_values(first, ascending=side == "min", kind="stable")

    @cached_property
    def gains(self) -> Floats:
        """The objectives of all trials, (trials, objectives), those to be made small with their sign turned."""
        return _gains(self.frame, self.objectives)

    def hypervolumes(self, reference: Mapping[str, float] | None = None) -> pd.DataFrame:
        """Return how far the front had come after each batch: batch, trials, hypervolume.

        reference: the value of each objective above (below, where it is made small) which volume counts; by default the worst
        of all trials. Raises RecsimError where one of them is missing.
        """
        import pandas as pd

        if reference is not None and set(reference) != set(self.objectives):
            raise RecsimError(f"reference: give a value for each of {', '.join(self.objectives)}")
        known = self.gains[~np.isnan(self.gains).any(axis=1)]
        given = reference and [SIGNS[side] * reference[name] for name, side in self.objectives.items()]
        floor = np.array(given) if given else known.min(axis=0, initial=np.inf)
        rows = []
        for number, end in enumerate(range(self.batch, len(self.frame) + self.batch, self.batch)):
            so_far = self.gains[:end]
            volume = hypervolume(so_far[unbeaten(so_far.T)], floor)
            rows.append({"batch": number, "trials": len(so_far), "hypervolume": volume})
        return pd.DataFrame(rows)

    def table(self, width: int = 80) -> str:
        """Return the front as text, a trial a paragraph: its objectives with half their 95 % intervals, and its settings."""
        decimals = {name: decimals_for(list(self.front[name])) for name in self.objectives}
        lines = []
        for row in self.front.to_dict("records"):
            halves = {name: row[f"{name}_high"] - row[name] for name in self.objectives}
            means = [f"{name} {with_half(row[name], half, decimals[name])}" for name, half in halves.items()]
            settings = [f"{factor.path} = {row[factor.path]}" for factor in self.study.factors]
            lines.append(f"trial {row['trial']}: {', '.join(means)}")
            lines.append(fill(", ".join(settings), width, initial_indent="  ", subsequent_indent="  "))
        aims = ", ".join(f"{name} ({side})" for name, side in self.objectives.items())
        foot = (
            f"{len(self.front)} of {len(self.frame)} trials, than which no other is better in {aims}. Means of {self.window} "
            f"over {len(self.study.seeds)} seeds ± half the {SURE:.0%} interval (Student's t); they were chosen for them."
        )
        return "\n".join([*lines, fill(foot, width)])


# ------------------------------------------------------------------------------------------------------------- the search
def search(
    study: Study | str | Path,
    objectives: Mapping[str, str],
    out: str | Path,
    trials: int = 100,
    *,
    batch: int = 10,
    seed: int = 1,
    window: str | None = None,
    workers: int | None = None,
    executor: Any = None,
    limit: float | None = None,
    progress: bool | Say = True,
) -> Search:
    """Search the factors of a study for settings that are best in several metrics at once, and return all that was tried.

    study: a Study, or the path of its file, whose design is not used: a trial is a point with a level of every factor, run under
    all seeds of the study. objectives: "max" or "min" by metric, those of a group as in "utility.niche"; each a mean over seeds.
    window: of the study's, over which it is taken; by default the last of them. trials: how many in all. batch: that many are
    asked for at a time, whoever runs them: another batch or seed is another search. out, workers, executor, limit, progress:
    as in `run_study`: what the folder holds is not run again, so that the same call goes on, and with more trials only adds. A
    trial of which a cell failed teaches nothing.
    By NSGA-II, a generation a batch (Deb, Pratap, Agarwal and Meyarivan 2002, IEEE Transactions on Evolutionary Computation
    6(2)), of Optuna (Akiba et al. 2019, KDD). Raises RecsimError in one line, before anything is run, for what the user can mend.
    """
    asked = study if isinstance(study, Study) else Study.load(study)
    many, size = whole_number("trials", trials, 1), whole_number("batch", batch, 1)
    if many * len(asked.seeds) > asked.most:
        what = f"{many:,} trials under {len(asked.seeds):,} seeds are more than {asked.most:,} cells"
        raise RecsimError(f"{asked.name}: {what}; take fewer, or raise `most`")
    over = _window(asked, window)
    names = _objectives(asked, objectives)
    asker = Asker(asked.factors, len(names), size, seed)
    points: list[tuple[Any, ...]] = []
    tried, frame = asked, None
    with told(f"search {asked.name}", progress) as say:
        for start in range(0, many, size):

            def part(share: float, text: str, start: int = start) -> None:
                say((start + share * min(size, many - start)) / many, f"{start} of {many} trials done; {text}")

            points += asker.ask(min(size, many - start))
            tried = asked.but(design=Listed(points=tuple(points)))
            done = run_study(tried, out, workers=workers, executor=executor, limit=limit, progress=part)
            if len(done.failed) == done.cells:
                raise RecsimError(f"{asked.name}: every cell failed; the first: {done.failed['message'].iloc[0]}")
            frame = _frame(tried, names, over, size, Path(out))
            asker.tell(_gains(frame, objectives)[start:])
    assert frame is not None
    return Search(tried, dict(objectives), size, over, Path(out), frame.assign(front=unbeaten(_gains(frame, objectives).T)))


def _window(study: Study, given: str | None) -> str:
    """Return the window over which objectives are taken. Raises RecsimError where the study has no such one."""
    single = [window for window in study.keep.windows if window != "every epoch"]
    if not single or (given is not None and given not in single):
        what = f"window {given!r}" if given else "window but every epoch"
        raise RecsimError(f"window: {study.name} keeps no {what}; {nearest(given or '', single)}")
    window = given or single[-1]
    spans(window, study.base.epochs)
    return window


def _objectives(study: Study, given: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return group and metric of each objective. Raises RecsimError where one is not kept, or it is not said what is better."""
    figures = {_name(group, metric): (group, metric) for group, metric in figures_of(World(study.base, 0))}
    kept = {name: figure for name, figure in figures.items() if study.keep.holds(*figure)}
    for name, side in given.items():
        if name not in kept:
            raise RecsimError(f"objectives: {study.name} keeps no {name!r}; {nearest(str(name), kept)}")
        if side not in SIGNS:
            raise RecsimError(f"objectives: {name} must be 'max' or 'min', not {side!r}")
    if not given:
        raise RecsimError("objectives: give at least one metric, with 'max' or 'min'")
    return {name: kept[name] for name in given}


def _name(group: str, metric: str) -> str:
    return metric if group == "all" else f"{metric}.{group}"


def _frame(study: Study, names: Mapping[str, tuple[str, str]], window: str, batch: int, out: Path) -> pd.DataFrame:
    """Return the trials that were run: their settings, and mean and interval of each objective over all seeds."""
    import pandas as pd

    size = study.design.size(study.factors)
    rows: list[dict[str, Any]] = [{"trial": number, "batch": number // batch} for number in range(size)]
    for row, levels in zip(rows, study.design.lay(study.factors), strict=True):
        row |= {factor.path: level.label for factor, level in zip(study.factors, levels, strict=True)}
    found = open_study(out)
    found = found[found["window"] == window]
    for name, (group, metric) in names.items():
        values = found[(found["group"] == group) & (found["metric"] == metric)]
        wide = values.pivot(index="point", columns="seed", values="value")
        wide = wide.reindex(index=range(len(rows)), columns=list(study.seeds))
        for row, seeds in zip(rows, wide.to_numpy(np.float64), strict=True):
            ends = interval(seeds) if not np.isnan(seeds).any() else (math.nan,) * 3
            row.update(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
    return pd.DataFrame(rows)


def _gains(frame: pd.DataFrame, objectives: Mapping[str, str]) -> Floats:
    """Return the objectives, (trials, objectives), those to be made small with their sign turned."""
    return np.stack([SIGNS[side] * frame[name].to_numpy(np.float64) for name, side in objectives.items()], axis=1)
