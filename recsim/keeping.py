"""What a study keeps of a cell: which metrics, of which groups, over which windows; and the bytes of its file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from pydantic import Field, field_validator

from recsim.archive import History
from recsim.errors import RecsimError, nearest
from recsim.recipe import Recipe
from recsim.scenario import Scenario
from recsim.simulation import World

Rows = list[tuple[str, int, str, str, float]]
WINDOWS = "every epoch", "first trained", "last quarter", "last 4", "epoch 7"


class Keep(Recipe):
    """The metrics of a cell that a study keeps: all of them, or those of these names or patterns, over these windows."""

    metrics: tuple[str, ...] = Field(("*",), min_length=1, description='names, or patterns such as "coverage*"')
    groups: tuple[str, ...] = Field(("*",), min_length=1, description='groups, such as "all" or "niche", or patterns')
    windows: tuple[str, ...] = Field(
        ("last quarter",), min_length=1, description='"every epoch", "first trained", "last quarter", "last 4" or "epoch 7"'
    )

    @field_validator("metrics", "groups", "windows", mode="before")
    @classmethod
    def _listed(cls, names: Any) -> Any:
        return tuple(names) if isinstance(names, list) else names

    @field_validator("windows")
    @classmethod
    def _known(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        for window in windows:
            if window not in WINDOWS and not re.fullmatch(r"(last [1-9]|epoch \d)\d{0,5}", window):
                raise ValueError(f"there is no window {window!r}; {nearest(window, WINDOWS)}")
        return tuple(dict.fromkeys(windows))

    def check(self, scenario: Scenario, figures: Iterable[tuple[str, str]]) -> None:
        """Raise RecsimError where a window does not fit into a run, or nothing among its figures (group, metric) is kept."""
        for window in self.windows:
            spans(window, scenario.epochs)
        groups, metrics = {group for group, _ in figures}, {metric for _, metric in figures}
        for name, wanted, there in (("groups", self.groups, groups), ("metrics", self.metrics, metrics)):
            for pattern in wanted:
                if not any(fnmatchcase(one, pattern) for one in there):
                    raise RecsimError(f"keep.{name}: there is no {pattern!r} in this world; {nearest(pattern, there)}")

    def holds(self, group: str, metric: str) -> bool:
        """Return whether a metric of a group is kept."""
        return any(fnmatchcase(metric, one) for one in self.metrics) and any(fnmatchcase(group, one) for one in self.groups)


def spans(window: str, epochs: int) -> list[tuple[int, int]]:
    """Return the first and the last epoch of each stretch over which a window takes the mean.

    Raises RecsimError where a run has too few epochs for it.

    >>> spans("every epoch", 3), spans("first trained", 3), spans("last quarter", 8), spans("last 3", 8), spans("epoch 4", 8)
    ([(0, 0), (1, 1), (2, 2)], [(1, 1)], [(6, 7)], [(5, 7)], [(4, 4)])
    """
    if window == "every epoch":
        return [(epoch, epoch) for epoch in range(epochs)]
    if window == "first trained":
        if epochs < 2:
            raise RecsimError("keep.windows: no model is ever deployed; leave out 'first trained', or run for longer")
        return [(1, 1)]
    if window.startswith("epoch "):
        epoch = int(window.removeprefix("epoch "))
        if epoch >= epochs:
            raise RecsimError(f"keep.windows: {window!r} is beyond the last of a run, {epochs - 1}; take an earlier one")
        return [(epoch, epoch)]
    last = max(1, epochs // 4) if window == "last quarter" else int(window.removeprefix("last "))
    if last > epochs:
        raise RecsimError(f"keep.windows: {window!r} is more than the {epochs} epochs of a run; take fewer")
    return [(epochs - last, epochs - 1)]


def figures_of(world: World) -> list[tuple[str, str]]:
    """Return the metrics that a world tells of each epoch, as (group, metric); the world is used up."""
    world.close_epoch()
    return [(group, metric) for _, _, _, group, metric, _ in world.history]


def kept_rows(history: History, epochs: int, keep: Keep) -> Rows:
    """Return what is kept of the history of a run: window, its last epoch, group, metric, mean over the epochs of the window.

    The mean is NaN where an epoch of the window has no value.
    """
    values: dict[tuple[str, str], dict[int, float]] = {}
    for _, epoch, window, group, metric, value in history:
        if window == "epoch" and keep.holds(group, metric):
            values.setdefault((group, metric), {})[epoch] = value
    return [
        (window, last, group, metric, _mean([by_epoch.get(epoch, math.nan) for epoch in range(first, last + 1)]))
        for window in keep.windows
        for first, last in spans(window, epochs)
        for (group, metric), by_epoch in values.items()
    ]


def _mean(values: Sequence[float]) -> float:
    """Return the mean, correctly summed whatever the order."""
    return math.fsum(values) / len(values)


def cell_content(scenario: Scenario, seed: int, keep: Keep, cell: str) -> bytes:
    """Run a scenario under a seed to its end, and return the Parquet file of what is kept; the same bytes every time.

    Columns: cell, seed, window, epoch, group, metric, value. Its metadata hold the digest of the clicks.
    """
    world = World(scenario, seed).advance(scenario.days)
    world.close_epoch()
    rows = kept_rows(world.history, world.epoch + 1, keep)
    return encoded(cell, seed, rows, world.log.digest.hex())


def encoded(cell: str, seed: int, rows: Rows, digest: str) -> bytes:
    """Return the Parquet file of a cell; there is nothing in it of when, where or by whom it was made."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    window, epoch, group, metric, value = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [], [])
    columns = {
        "cell": pa.array([cell] * len(rows), pa.string()), "seed": pa.array([seed] * len(rows), pa.int64()),
        "window": pa.array(window, pa.string()), "epoch": pa.array(epoch, pa.int32()),
        "group": pa.array(group, pa.string()), "metric": pa.array(metric, pa.string()), "value": pa.array(value, pa.float64()),
    }  # fmt: skip
    sink = pa.BufferOutputStream()
    table = pa.table(columns, metadata={"cell": cell, "seed": str(seed), "digest": digest})
    pq.write_table(table, sink, compression="zstd", compression_level=1)
    return sink.getvalue().to_pybytes()
