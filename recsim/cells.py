"""Cells: one arm under one seed, run from a world that all arms of the seed share, and kept in a file for as long as it holds.

The arms share that past and, by address, every random number that they have in common, so that the difference of two cells
is mostly that of the arms.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
import re
import signal
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from recsim.archive import versions
from recsim.errors import RecsimError, whole_number
from recsim.files import faults, whole
from recsim.recipe import Recipe
from recsim.scenario import Scenario
from recsim.simulation import World
from recsim.world import DAY, FEED

COSTS = "cost", "cost_all"
COUNTED = "visits", "feed_clicks", "clicks", "spent", "labels"  # summed from the fork on
APART = (
    "__init__", "__main__", "cli", "arguments", "telling", "console", "plot", "verdict", "expectation", "comparison", "plans",
    "tuning", "inference", "tables", "progress", "clickworlds", "clickmodels", "likelihoods", "impressions", "ratios", "abtest",
    "attribution", "recovery", "offpolicy", "estimators", "studies", "designs", "executors", "workers", "stores",
    "resampling", "robustness", "searching", "answers", "contrasts", "fronts", "outcomes", "surfaces",
    "tipping", "bisection", "palette", "panels", "charts", "pages", "figures", "provenance", "runpage", "armspage", "studypage",
    "reports", "drawing", "forecast", "narrowing", "exposures", "timelines", "standings", "studypictures", "coclicks",
)  # fmt: skip
"""Modules that cannot change what a cell holds: those that no cell is made by, and what only tells how far it is."""


# ---------------------------------------------------------------------------------------------------- one arm, one seed
@dataclass
class Cell:
    """What one arm did under one seed.

    columns: the metrics of each epoch, a column a metric, and `epoch` itself; those of a group are called `utility.niche`.
    totals: sums of what was counted since the fork, by name. digest: of the clicks, those before the fork too.
    """

    columns: dict[str, npt.NDArray[Any]]
    totals: dict[str, float]
    digest: str

    def cost(self, first: Cell | None, price: float) -> dict[str, float]:
        """Return what the arm cost since the fork, per 1,000 of its visits: by clicks in the feed, and by all clicks.

        first: the cell of the first arm under this seed; NaN where there is none. price: of a click.
        """
        ours, theirs = self.totals, first.totals if first else dict.fromkeys(COUNTED, math.nan)
        scale = 1000 / ours["visits"] if ours["visits"] else math.nan
        return {
            name: (price * (theirs[clicks] - ours[clicks]) + ours["spent"]) * scale
            for name, clicks in zip(COSTS, ("feed_clicks", "clicks"), strict=True)
        }


_WARM: dict[Any, World] = {}  # the world that was warmed up last


def _warmed(first: Scenario, warm_up: float, seed: int) -> World:
    """Return the world from which the arms of a seed part; kept, since the next cell mostly wants the same.

    Looked up by its hash and classes: a class that was changed may have kept its name, and a recipe need not be hashable.
    """
    key = first.hash, tuple(map(type, recipes(first))), warm_up, seed
    if key not in _WARM:
        _WARM.clear()
        world = World(first, seed, forks=True)
        _WARM[key] = world.advance(warm_up) if warm_up else world
    return _WARM[key]


def run_cell(first: Scenario, arm: Scenario, warm_up: float, seed: int) -> Cell:
    """Let one arm part from the warmed-up world of the first, and run it to its end."""
    warm = _warmed(first, warm_up, seed)
    counters = warm.counters
    before = {
        "visits": counters.visits, "feed_clicks": counters.epoch[1][FEED, :].sum(), "clicks": counters.epoch[1].sum(),
        "spent": counters.spent, "labels": counters.labels,
    }  # fmt: skip
    world = warm.fork(arm).advance(arm.days)
    world.close_epoch()
    columns = by_epoch(world)
    since = columns["epoch"] >= warm.epoch
    totals = {name: float(columns[name][since].sum() - before[name]) for name in COUNTED}
    return Cell(columns, totals, world.log.digest.hex())


def by_epoch(world: World) -> dict[str, npt.NDArray[Any]]:
    """Return the history of whole epochs as columns; NaN in epochs that lack a figure, where arms differ in that."""
    epochs: list[int] = []
    columns: dict[str, dict[int, float]] = {}
    for _, epoch, _, group, metric, value in world.history:
        if not epochs or epochs[-1] != epoch:
            epochs.append(epoch)
        columns.setdefault(metric if group == "all" else f"{metric}.{group}", {})[epoch] = value
    filled = {name: np.array([column.get(epoch, math.nan) for epoch in epochs]) for name, column in columns.items()}
    return {"epoch": np.array(epochs, np.int32)} | filled


Work = Callable[[Scenario, Scenario, float, int], Cell]  # first arm, arm, warm-up and seed to a cell


def spread(work: Callable[..., Any], calls: Sequence[tuple[Any, ...]], workers: int) -> Generator[tuple[int, Any]]:
    """Yield what becomes of some calls as they are done, each with its place, on several processes of one thread each.

    Raises RecsimError where a process was killed, and what the calls raise.
    """
    if (workers := min(workers, len(calls))) <= 1:
        yield from ((place, work(*call)) for place, call in enumerate(calls))
        return
    from joblib import Parallel, delayed, parallel_config

    try:
        with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
            pool = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2 * n_jobs")
            done = pool(delayed(_at_work)(work, place, call) for place, call in enumerate(calls))
        try:
            for found in done:  # noqa: UP028  (`yield from` would close it before the filter below is set)
                yield found
        finally:
            with warnings.catch_warnings():  # joblib warns of what an interruption leaves undone
                warnings.simplefilter("ignore", UserWarning)
                done.close()
    except BrokenProcessPool as fault:
        why = str(fault).partition(". ")[0].lower()
        raise RecsimError(f"workers: {why}; take fewer of them, or one to see the fault itself") from None


def _at_work(work: Callable[..., Any], place: int, call: tuple[Any, ...]) -> tuple[int, Any]:
    """Return what becomes of a call, and its place; Ctrl-C is for the process that handed it out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return place, work(*call)


# --------------------------------------------------------------------------------------------------------- many of them
class Job(NamedTuple):
    """A cell that is wanted, and the file it is kept in, by its path in the folder."""

    file: str
    arm: Scenario
    seed: int


class Bench:
    """Gives cells: those that are kept and still hold, and the others run, on several processes.

    A cell holds for as long as the settings, the code of recsim, the versions of what it builds on, the data, and the source of
    the caller's own classes are the same: of those the class and its whole file, not what that imports. A class whose source
    cannot be had, such as one typed into a prompt, may be another every time: its cells are never taken from a folder.
    work: what runs a cell; another than `run_cell` is not told by the identity of a cell, so that it goes without a folder.
    """

    def __init__(
        self, first: Scenario, warm_up: float, folder: Path | None, workers: int | None, say: Callable[[float, str], None],
        work: Work = run_cell,
    ) -> None:  # fmt: skip
        self.work = work
        self.first, self.warm_up, self.folder, self.say = first, warm_up, folder, say
        self.workers = processes(workers)
        self.planned, self.done = 0, 0
        self._kept: dict[str, Cell] = {}
        self._abouts: dict[int, tuple[Scenario, str]] = {}
        self._made = f"{World(first, 0).drawn} {made_by()}"

    def cells(self, jobs: Sequence[Job]) -> list[Cell]:
        """Return the cells of some jobs, in their order; each that had to be run is kept at once.

        Raises RecsimError where an arm cannot be run, or a process was killed.
        """
        found = [self._look(job) for job in jobs]
        self.planned = max(self.planned, len(jobs)) - sum(cell is not None for cell in found)
        missing = [place for place, cell in enumerate(found) if cell is None]
        try:
            with closing(self._run(jobs, missing)) as done:
                for place, cell in done:
                    found[place] = cell
                    self._keep(jobs[place], cell)
                    self.done += 1
                    self.say(min(1.0, self.done / max(1, self.planned)), Path(jobs[place].file).stem)
        finally:
            _WARM.clear()
        return [cell for cell in found if cell is not None]

    def _run(self, jobs: Sequence[Job], missing: Sequence[int]) -> Generator[tuple[int, Cell]]:
        """Yield cells as they are done, each with its place among the jobs."""
        calls = [(self.first, jobs[place].arm, self.warm_up, jobs[place].seed) for place in missing]
        with closing(spread(self.work, calls, self.workers)) as done:
            yield from ((missing[number], cell) for number, cell in done)

    def identity(self, job: Job) -> str:
        """Return the SHA-256 of all that a cell follows from, as hexadecimal text."""
        parts = self._about(self.first), self._about(job.arm), round(self.warm_up * DAY), job.seed, self._made
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _about(self, scenario: Scenario) -> str:
        """Return the hash of a scenario and of the sources of its own classes, worked out once: many cells are of one arm."""
        if id(scenario) not in self._abouts:  # the scenario is kept beside it, so that its id stays its own
            self._abouts[id(scenario)] = scenario, f"{scenario.hash} {sources(scenario)}"
        return self._abouts[id(scenario)][1]

    def _look(self, job: Job) -> Cell | None:
        """Return a cell that is kept; one that comes from other code, versions or data is removed."""
        identity = self.identity(job)
        if self.folder is None or not (path := self.folder / job.file).exists():
            return self._kept.get(identity)
        try:
            cell, made = read_cell(path)
        except RecsimError:
            cell, made = None, ""
        if made != identity:
            with faults(path):
                path.unlink()
            return None
        return cell

    def _keep(self, job: Job, cell: Cell) -> None:
        if self.folder is None:
            self._kept[self.identity(job)] = cell
            return
        about = {"identity": self.identity(job), "seed": str(job.seed), "digest": cell.digest}
        with faults(self.folder):
            (self.folder / job.file).parent.mkdir(exist_ok=True)
        write_columns(self.folder / job.file, cell.columns, about | {"totals": json.dumps(cell.totals)})


def processes(number: int | None) -> int:
    """Return how many processes to use: as many as asked for, or one a core."""
    if number is None:
        from joblib import cpu_count

        return int(cpu_count())
    return whole_number("workers", number, 1)


# --------------------------------------------------------------------------------------------------- what is kept of it
def recipes(value: Any) -> Iterator[Recipe]:
    """Yield all recipes in a value: itself, and those in its settings."""
    if isinstance(value, Recipe):
        yield value
        value = [getattr(value, name) for name in type(value).model_fields]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and any(isinstance(part, (Recipe, list, tuple, dict)) for part in value):
        for part in value:
            yield from recipes(part)


def sources(scenario: Scenario) -> str:
    """Return the SHA-256 of the source of all classes of a scenario's recipes that are not recsim's, and of their bases.

    Of each the text of the class and of the file it stands in, where there is one; where the text cannot be had, something
    that is another every time. Empty where all classes are recsim's.
    """
    classes = {own for recipe in recipes(scenario) for own in type(recipe).__mro__ if _is_own(own)}
    texts = [_source(own) for own in sorted(classes, key=lambda own: (own.__module__, own.__qualname__))]
    return hashlib.sha256("".join(texts).encode()).hexdigest() if texts else ""


def _is_own(kind: type) -> bool:
    """Return whether a class is a recipe, or in one, that recsim and what it builds on do not bring."""
    return kind.__module__.partition(".")[0] not in ("recsim", "pydantic", "builtins", "abc", "typing")


def _source(kind: type) -> str:
    """Return the source of a class and of its file; something new every time where it cannot be had."""
    try:
        file = Path(inspect.getfile(kind))
        return inspect.getsource(kind) + (file.read_text(encoding="utf-8") if file.is_file() else "")
    except (OSError, TypeError, UnicodeDecodeError):
        return uuid4().hex


def made_by() -> str:
    """Return what makes all cells here: the hash of recsim's source, and the versions of what it builds on."""
    return f"{_code()} {sorted(versions().items())}"


@lru_cache(maxsize=1)
def _code() -> str:
    """Return the SHA-256 of the source text of all modules that have a say in what a cell holds."""
    paths = sorted(path for path in Path(__file__).parent.glob("*.py") if path.stem not in APART)
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def write_columns(path: Path, columns: Mapping[str, Any], about: Mapping[str, str]) -> None:
    """Write columns of one length to a Parquet file, and what is to be known about them into its metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with whole(path) as part:
        pq.write_table(pa.table(dict(columns), metadata=dict(about)), part, compression="zstd", compression_level=1)


def read_cell(path: Path) -> tuple[Cell, str]:
    """Return the cell of a file, and its identity.

    Raises RecsimError when the file is none, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
        about = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return Cell(columns, json.loads(about["totals"]), about["digest"]), about["identity"]
    except (OSError, pa.ArrowException, KeyError, ValueError, AttributeError) as fault:
        raise RecsimError(f"{path}: is damaged ({fault}); remove it and resume the comparison") from None


def cell_file(folder: str, place: int, name: str, seed: int) -> str:
    """Return the path, in the folder of a comparison, of a cell of the arm at a place; *folder* is cells or levels.

    >>> cell_file("cells", 1, "5 % exploration", 12)
    'cells/01-5-exploration-seed00012.parquet'
    """
    return f"{folder}/{place:02d}-{slug(name)}-seed{seed:05d}.parquet"


def slug(name: str) -> str:
    """Return a name that any file system takes.

    >>> slug("5 % exploration")
    '5-exploration'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:60] or "arm"
