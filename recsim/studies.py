"""Studies: a scenario run at many settings and seeds, cell by cell, in a folder to which more can be added."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pydantic import Field, ValidationError, field_validator

from recsim.arms import lean, seed_numbers
from recsim.cells import made_by, sources
from recsim.designs import Design, Factor, Grid, Row
from recsim.errors import RecsimError
from recsim.executors import crew_of, perform
from recsim.files import read_toml
from recsim.keeping import Keep, figures_of, kept_rows
from recsim.progress import told
from recsim.recipe import Kind, Recipe, explain, plain
from recsim.scenario import Scenario
from recsim.settings import changed
from recsim.simulation import SHARED, World, check
from recsim.stores import Store
from recsim.workers import Outcome, Task, attempt_here

if TYPE_CHECKING:
    import pandas as pd

ROW, FILE = 16, 4000  # bytes of a kept value, and of a cell's file beside them


class Study(Recipe):
    """What is asked: a base scenario, the settings of it that vary, in which design, under which seeds, and what is kept."""

    name: str = Field("study", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="a name for folders")
    about: str = Field("", max_length=2000, description="the question, in a sentence")
    base: Scenario = Field(description="a scenario file, by its path from where this one lies, or a whole scenario")
    factors: tuple[Factor, ...] = Field(min_length=1, description="settings by path: their levels, or low and high")
    design: Kind[Design] = Field(default_factory=Grid, description="which levels are tried together")
    seeds: tuple[int, ...] = Field((1, 2, 3, 4, 5), description="replications: their number, or a list of seeds")
    keep: Keep = Field(default_factory=Keep, description="what is kept of each cell")
    most: int = Field(10_000, ge=1, description="cells at most: a guard against a design that is larger than was meant")

    @field_validator("factors", mode="before")
    @classmethod
    def _by_path(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            return tuple(_factors(given))
        return tuple(given) if isinstance(given, list) else given

    @field_validator("factors")
    @classmethod
    def _once(cls, factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
        paths = [factor.path for factor in factors]
        twice = next((path for path in paths if paths.count(path) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is there twice; put its levels together")
        return factors

    @field_validator("seeds", mode="before")
    @classmethod
    def _numbers(cls, seeds: Any) -> Any:
        return tuple(seed_numbers(seeds))

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Return the study of a TOML file; without a name of its own it is called after the file.

        Raises RecsimError in one line when a file is missing, broken, or wrong in any setting.
        """
        path = Path(path)
        table = {"name": path.stem} | read_toml(path, "study")
        if "base" in table:
            table["base"] = _base(path, table["base"])
        try:
            return cls.model_validate(table)
        except ValidationError as fault:
            raise RecsimError(f"{path}: {explain(fault, cls)}") from None
        except RecsimError as fault:
            raise RecsimError(f"{path}: {fault}") from None

    def toml(self) -> str:
        """Return the study as TOML, its base written out, so that the file stands alone."""
        import tomli_w

        factors = {factor.path: _table(factor) for factor in self.factors}
        rest = self.model_dump(include={"name", "about", "design", "most"}) | {"keep": plain(self.keep.model_dump())}
        return tomli_w.dumps(rest | {"seeds": list(self.seeds), "factors": factors, "base": self.base.table()})


def _table(factor: Factor) -> dict[str, Any]:
    """Return a factor as a file has it; a level that is a recipe keeps what stands for it in tables."""
    settings = {name: getattr(factor, name) for name in factor.model_fields_set - {"path"}}
    if factor.levels:
        listed = zip(factor.levels, factor.listed(), strict=True)
        settings["levels"] = [
            {"name": level.label, "value": level.value} if isinstance(given, Recipe) else given for given, level in listed
        ]
    table: dict[str, Any] = plain(settings)
    return table


def _factors(given: Mapping[str, Any], before: str = "") -> Iterator[Any]:
    """Yield the factors of a table by path: lists of levels, tables with levels or low and high, or tables of more paths."""
    for name, value in given.items():
        path = f"{before}{name}"
        if isinstance(value, Mapping) and not {"levels", "low", "high"} & set(value):
            yield from _factors(value, f"{path}.")
        elif isinstance(value, Mapping):
            yield {"path": path} | dict(value)
        else:
            yield {"path": path, "levels": list(value) if isinstance(value, (list, tuple, range)) else [value]}


def _base(path: Path, given: Any) -> Scenario:
    """Return the base of a study file: a scenario file, or a table, which may itself build on a file by its `base`."""
    if isinstance(given, dict):
        under = _base(path, given["base"]).table() if "base" in given else {}
        table = under | {key: value for key, value in given.items() if key != "base"}
        return Scenario.parse(table, where=f"{path}: base", name=path.stem)
    if not (isinstance(given, str) and given.endswith(".toml")):
        raise RecsimError(f"{path}: base: {given!r} is no scenario file; give the path of one, from where this file lies")
    below = path.parent / given
    if not below.is_file():
        raise RecsimError(f"{path}: base: there is no file {given!r}; give the path of one, from where this file lies")
    return Scenario.load(below)


# ---------------------------------------------------------------------------------------------------------- its cells
class Point(NamedTuple):
    """One point of a design: its number, the levels of the factors, and the scenario that they make."""

    number: int
    levels: Row
    scenario: Scenario


def points(study: Study) -> list[Point]:
    """Return the points of a study's design, each with its scenario.

    Raises RecsimError where there are too many cells, a path leads nowhere, or a level is not possible.
    """
    number = study.design.size(study.factors)
    if number * len(study.seeds) > study.most:
        what = f"{number:,} points under {len(study.seeds):,} seeds are {number * len(study.seeds):,} cells"
        raise RecsimError(f"{study.name}: {what}, and at most {study.most:,} are allowed; take fewer, or raise `most`")
    return [point_of(study, place, levels) for place, levels in enumerate(study.design.lay(study.factors))]


def point_of(study: Study, number: int, levels: Row) -> Point:
    """Return a point with its scenario."""
    try:
        paths = [factor.path for factor in study.factors]
        scenario = changed(study.base, {path: level.value for path, level in zip(paths, levels, strict=True)})
    except RecsimError as fault:
        raise RecsimError(f"{_where(study, number, levels)}: {fault}") from None
    return Point(number, levels, lean(scenario))


def _where(study: Study, number: int, levels: Row) -> str:
    settings = ", ".join(f"{factor.path} = {level.label}" for factor, level in zip(study.factors, levels, strict=True))
    return f"{study.name}: point {number} ({settings[:200]})"


def tasks_of(study: Study, some: Sequence[Point]) -> list[Task]:
    """Return the cells of some points under all seeds of a study, point by point, each with its address.

    The address follows from the settings, the seed, what is kept, the source of recsim and of all kinds that are not ours, the
    versions of what it builds on, and the people and items that are drawn, which tells of the data.
    Raises RecsimError where a scenario does not fit its world, or a metric or window is not there.
    """
    keep, made = study.keep.model_dump_json(), made_by()
    drawn = _drawn(study, some)
    tasks = []
    for point in some:
        parts = point.scenario.hash, sources(point.scenario), drawn[point.number], keep, made
        for seed in study.seeds:
            cell = hashlib.sha256(json.dumps([*parts, seed]).encode()).hexdigest()
            tasks.append(Task(cell, point.scenario, seed, study.keep, made))
    return tasks


def _drawn(study: Study, some: Sequence[Point]) -> dict[int, str]:
    """Return the hash of the people and items of each point, by its number; all scenarios are checked against their worlds.

    Points of one world are taken together, since to draw it may cost more than to run a small cell.
    """
    together: dict[str, list[Point]] = {}
    for point in some:
        table = point.scenario.table()
        key = json.dumps([table.get(name) for name in (*SHARED, "days", "creators", "graphs")], sort_keys=True)
        together.setdefault(key, []).append(point)
    drawn, figures = {}, set[tuple[str, str]]()
    for same in together.values():
        point = same[0]
        try:
            world = World(point.scenario, 0)
            hashed = world.drawn
            for point in same:
                check(point.scenario, world.users, world.items)
                drawn[point.number] = hashed
            figures |= set(figures_of(world))
        except RecsimError as fault:
            raise RecsimError(f"{_where(study, point.number, point.levels)}: {fault}") from None
    for same in together.values():
        study.keep.check(same[0].scenario, figures)
    return drawn


def design_columns(study: Study, some: Sequence[Point], tasks: Sequence[Task]) -> dict[str, list[Any]]:
    """Return the columns of a design, a row a cell: cell, point, seed, and a column for each factor."""
    rows = [point for point in some for _ in study.seeds]
    columns: dict[str, list[Any]] = {
        "cell": [task.cell for task in tasks], "point": [point.number for point in rows], "seed": [task.seed for task in tasks],
    }  # fmt: skip
    for place, factor in enumerate(study.factors):
        columns[factor.path] = _of_one_type([point.levels[place].label for point in rows])
    return columns


def _of_one_type(labels: list[Any]) -> list[Any]:
    """Return labels as a table can hold them in one column: all numbers, all truths, or all text."""
    kinds = {type(label) for label in labels}
    if kinds <= {int, float} and len(kinds) == 2:
        return [float(label) for label in labels]
    return labels if len(kinds) == 1 else [str(label) for label in labels]


# ------------------------------------------------------------------------------------------------------------ run it
@dataclass
class StudyResult:
    """What a study has found: the folder, how many cells its design has, how many of them were run now, and the frames.

    failed: the cells that could not be had: cell, point, seed, the factors, tries, message.
    """

    folder: Path
    cells: int
    ran: int
    failed: pd.DataFrame

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All values that there are, as `open_study` returns them."""
        return open_study(self.folder)


def run_study(
    study: Study | str | Path,
    out: str | Path,
    *,
    workers: int | None = None,
    executor: Any = None,
    limit: float | None = None,
    progress: bool | Callable[[float, str], None] = True,
) -> StudyResult:
    """Run the cells of a study that are missing in a folder, and return what is there.

    study: a Study, or the path of its file. out: a folder, new or of this study: what is in it and still holds is not run again,
    so that more seeds or levels only add. workers: processes on this machine, by default one a core. executor: in place of
    them the address of a Dask cluster such as "tcp://host:8786", a Dask client, or any concurrent.futures.Executor. limit:
    seconds that a cell may take; one that takes longer, or whose process dies or runs out of memory, is tried three times. Who
    runs a cell changes nothing in it. progress: True for a bar, or a function of the share done and a text.
    Cells that fail are recorded with their message, the others are run; the same call tries them again. Raises RecsimError in one
    line, before anything is run, for what the user can mend.
    """
    if limit is not None and not limit > 0:
        raise RecsimError(f"limit: must be a number of seconds above 0, not {limit!r}")
    asked = study if isinstance(study, Study) else Study.load(study)
    store, all_points = Store(out), points(asked)
    tasks = tasks_of(asked, all_points)
    with store.held(), told(f"study {asked.name}", progress) as say:
        write_down(store, asked, all_points, tasks)
        wanted = {task.cell: task for task in tasks}
        missing = [task for task in wanted.values() if not store.has(task.cell)]
        if missing:
            with crew_of(executor, workers, limit) as crew:
                _run(store, crew, missing, len(wanted), say)
        return StudyResult(store.folder, len(wanted), len(missing), store.failed())


def _run(store: Store, crew: Any, missing: Sequence[Task], wanted: int, say: Callable[[float, str], None]) -> None:
    """Run cells and keep each as it is done."""
    over = failed = 0

    def tell(running: int) -> None:
        done = wanted - len(missing) + over - failed
        say(over / len(missing), f"{done} of {wanted} cells done, {running} running, {failed} failed")

    with closing(perform(crew, missing, tell)) as outcomes:
        for task, outcome, tries in outcomes:
            failed += not settle(store, task, outcome, tries)
            over += 1


def settle(store: Store, task: Task, outcome: Outcome, tries: int) -> bool:
    """Keep what became of a cell, and return whether it is done."""
    if outcome.content is None:
        store.fail(task.cell, {"seed": task.seed, "tries": tries, "message": outcome.message})
    else:
        store.keep(task.cell, outcome.content)
    return outcome.content is not None


def write_down(store: Store, study: Study, some: Sequence[Point], tasks: Sequence[Task]) -> None:
    """Write into the folder what is asked. Raises RecsimError where it holds a study of another name."""
    kept = store.folder / "study.toml"
    name = read_toml(kept, "study").get("name") if kept.is_file() else study.name
    if name != study.name:
        raise RecsimError(f"{store.folder}: holds the study {name}, not {study.name}; choose another folder")
    store.begin(study.toml(), design_columns(study, some, tasks))


def open_study(folder: str | Path) -> pd.DataFrame:
    """Return every value that a study has found so far, a row each: point, seed, a column for each factor, named by its path,
    cell, window, epoch (the last one of the window), group, metric, value.

    Raises RecsimError in one line when the folder holds no study, or no cell of it is there.
    """
    return Store(folder).frame()


# ---------------------------------------------------------------------------------------------------------- one of them
def plan_study(study: Study, out: str | Path) -> list[str]:
    """Write down a study in a folder, run nothing, and return the addresses of the cells that are missing.

    Raises RecsimError as `run_study` does.
    """
    store, all_points = Store(out), points(study)
    tasks = tasks_of(study, all_points)
    with store.held():
        write_down(store, study, all_points, tasks)
        return [cell for cell in dict.fromkeys(task.cell for task in tasks) if not store.has(cell)]


def outline(study: Study) -> dict[str, Any]:
    """Return what a study takes: cells, values and bytes that are kept, and seconds on one core, from two epochs of one cell."""
    all_points = points(study)
    tasks = tasks_of(study, all_points)
    first = tasks[0].scenario
    short = min(first.days, 2 * first.retrain.every + first.retrain.latency)
    began = time.perf_counter()
    world = World(first, tasks[0].seed).advance(short)
    world.close_epoch()
    passed = time.perf_counter() - began
    one = {(group, metric): 0.0 for _, _, _, group, metric, _ in world.history}
    history = [(0.0, epoch, "epoch", *name, value) for epoch in range(first.epochs) for name, value in one.items()]
    rows = kept_rows(history, first.epochs, study.keep)
    cells = {task.cell: task.scenario.days for task in tasks}
    return {
        "name": study.name, "about": study.about, "points": len(all_points), "seeds": len(study.seeds), "cells": len(cells),
        "rows": len(rows) * len(cells), "bytes": ROW * len(rows) * len(cells) + FILE * len(cells),
        "seconds": passed / short * sum(cells.values()),
    }  # fmt: skip


def run_one(folder: str | Path, cell: str) -> bool:
    """Run one cell of a study that was written down, here and now, and return whether that was needed: it may be there already.

    Raises RecsimError where there is no such cell, it would be another by now, another process runs it, or it fails; that is
    recorded too.
    """
    store = Store(folder)
    task = _planned(store, cell)
    with store.claimed(task.cell):
        if store.has(task.cell):
            return False
        outcome = attempt_here(lambda: task)
        if not settle(store, task, outcome, 1):
            raise RecsimError(f"{store.folder}: cell {cell[:12]} failed: {outcome.message}; mend that and try again")
    return True


def _planned(store: Store, cell: str) -> Task:
    """Return a cell by its address, as it would be run now."""
    design = store.design()
    rows = design[design["cell"] == cell]
    if not len(rows):
        raise RecsimError(f"{store.folder}: its study has no cell {cell[:80]}; give an address that recsim study plan printed")
    study = Study.load(store.folder / "study.toml")
    number, seed = int(rows["point"].iloc[0]), int(rows["seed"].iloc[0])
    levels = study.design.lay(study.factors)[number]
    (task,) = tasks_of(study.but(seeds=(seed,)), [point_of(study, number, levels)])
    if task.cell != cell:
        raise RecsimError(f"{store.folder}: cell {cell[:12]} was planned with other code, versions or data; plan the study again")
    return task
