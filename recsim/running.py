"""Run a scenario to its end, keep what it leaves behind, and go on with one that was interrupted."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from recsim.archive import FRESH, Archive, History, Run, history_columns, read_manifest, stacked
from recsim.consumption import Consumed
from recsim.errors import RecsimError
from recsim.eventlog import Columns
from recsim.files import absent
from recsim.progress import Say, told
from recsim.scenario import Scenario
from recsim.simulation import World
from recsim.tiles import TILE
from recsim.world import DAY, Published

SIGHT = {"coverage": "coverage", "Gini": "gini", "novelty": "novelty", "click rate": "click_rate"}
"""What one watches while a run goes on: its name, and the metric."""


def run(
    scenario: Scenario | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    *,
    threads: int = 1,
    tile: int = TILE,
    resume: bool = False,
    progress: bool | Callable[[float, str], None] = True,
) -> Run:
    """Run a scenario to its end and return what happened; the same scenario and seed give the same log, byte for byte.

    out: a folder that is not there yet; None keeps everything in memory. resume: go on with the run in *out*, whose
    scenario and seed need not be given again. threads and tile change the speed only. progress: True for a bar, or a
    function of the share done and a text.
    Raises RecsimError in one line for what the user can mend; an interrupted run in a folder can be resumed.
    """
    if scenario is not None and not isinstance(scenario, Scenario):
        raise RecsimError(f"scenario: {scenario!r} is no Scenario; give Scenario.load of a file")
    if resume and out is None:
        raise RecsimError("resume: there is no folder to go on with; name it as out")
    with told(scenario.name if scenario else "run", progress) as say:
        return _run(scenario, seed, out, threads, tile, resume, say)


def _run(
    scenario: Scenario | None, seed: int | None, out: str | Path | None, threads: int, tile: int, resume: bool,
    progress: Say,
) -> Run:  # fmt: skip
    began = time.monotonic()
    if resume and read_manifest(Path(out or "."))["status"] == "done":
        return Run.load(Archive.reopen(Path(out or "."), scenario, seed).folder)
    world, archive = (_again if resume else _anew)(scenario, seed, out, threads, tile)
    keeper = Keeper(world, archive, began)

    def tell(world: World, row: Mapping[str, float] | None = None) -> None:
        progress(world.now / world.horizon, f"epoch {world.epoch}", row)

    def closed(world: World, clicks: Columns, impressions: Columns) -> None:
        keeper.epoch(world, clicks, impressions)
        tell(world, in_sight(world))

    world.on_epoch, world.on_deploy, world.on_window = closed, keeper.deploy, tell
    try:
        world.advance(world.scenario.days)
        world.close_epoch()
    except KeyboardInterrupt:
        keeper.end("interrupted")
        raise
    return keeper.end("done")


def in_sight(world: World) -> dict[str, float]:
    """Return the figures of the epoch that was closed last, those that one watches while a run goes on, by their names."""
    last = takewhile(lambda row: row[1:3] == (world.epoch, "epoch"), reversed(world.history))
    rows = {metric: value for *_, group, metric, value in last if group == "all"}
    return {"epoch": world.epoch} | {name: rows[metric] for name, metric in SIGHT.items()}


def _anew(
    scenario: Scenario | None, seed: int | None, out: str | Path | None, threads: int, tile: int
) -> tuple[World, Archive | None]:
    """Return the world at second 0, and a new folder; the world first, so that a fault in it leaves no folder."""
    if out is not None:
        absent(Path(out), FRESH)
    world = World(scenario or Scenario(), 1 if seed is None else seed, threads, tile)
    return world, Archive.create(Path(out), world.scenario, world.seed) if out is not None else None


def _again(
    scenario: Scenario | None, seed: int | None, out: str | Path | None, threads: int, tile: int
) -> tuple[World, Archive | None]:
    """Return the world as the last checkpoint has it, and its folder."""
    archive = Archive.reopen(Path(out or "."), scenario, seed)
    world = World(archive.scenario, archive.seed, threads, tile)
    kept = archive.latest()
    if kept:
        if bytes(kept[0]["drawn"]).decode() != world.drawn:
            raise RecsimError(f"{out}: its people or items are not those it began with; bring them back, or start anew")
        restore(world, *kept)
        if world.scenario.open_loop:
            restore_shadow(world, archive.parts("shadow", world.epoch))
    return world, archive


class Keeper:
    """Keeps what a run leaves behind, in memory or in its folder."""

    def __init__(self, world: World, archive: Archive | None, began: float) -> None:
        self.world, self.archive, self.began = world, archive, began
        self.items: list[Columns] = []
        if archive is not None:
            archive.table("users", world.crowd.table())

    def epoch(self, world: World, clicks: Columns, impressions: Columns) -> None:
        """Keep a closed epoch."""
        counts = world.counters.nonzero(world.epoch)
        if self.archive is None:
            self.items.append(counts)
            return
        self.archive.rows("clicks", world.epoch, clicks, world.log.digest.hex())
        if world.scenario.log == "impressions":
            self.archive.rows("impressions", world.epoch, impressions, world.impressions.digest.hex())
            world.impressions.forget()
        self.archive.part("items", world.epoch, counts)
        if world.scenario.open_loop:
            self.archive.part("shadow", world.epoch, world.shadow.close_epoch())
        self.archive.history(world.history)

    def deploy(self, world: World) -> None:
        """Keep the state at a deployment."""
        if self.archive is not None:
            self.archive.checkpoint(world.epoch, state(world))
            self._manifest("running")

    def end(self, status: str) -> Run:
        """Return the run, with its last files written."""
        world = self.world
        if self.archive is not None:
            self.archive.items(world.epoch + (status == "done"))
            self.archive.history(world.history)
            if world.scenario.births:
                self.archive.table("discovery", world.crowd.discovery(world.now))
            self.archive.table("catalog", world.crowd.stock.table())
            self._manifest(status)
            return Run.load(self.archive.folder)
        tables = {
            "history": history_columns(world.history), "items": stacked(self.items),
            "clicks": world.log.columns(), "impressions": world.impressions.columns(), "users": world.crowd.table(),
            "discovery": world.crowd.discovery(world.now), "catalog": world.crowd.stock.table(),
        }  # fmt: skip
        return Run(world.scenario, world.seed, status, world.log.digest.hex(), self._seconds(), _tables=tables)

    def _seconds(self) -> float:
        return time.monotonic() - self.began + (self.archive.seconds_before if self.archive else 0.0)

    def _manifest(self, status: str) -> None:
        assert self.archive is not None
        world = self.world
        self.archive.manifest(
            status, world.log.digest.hex(), self._seconds(), impressions_digest=world.impressions.digest.hex(),
            world=world.drawn, rows=world.log.epoch_start, epochs=world.epoch + (status == "done"), day=world.now / DAY,
            threads=world.threads, tile=world.tile,
        )  # fmt: skip


def state(world: World) -> dict[str, Any]:
    """Return the arrays and numbers from which `restore` sets up a world at a deployment."""
    counters = world.counters
    return {
        "now": world.now, "epoch": world.epoch, "cuts": world.cuts, "digest": world.log.digest,
        "impressions_digest": world.impressions.digest, "next_time": world.crowd.next_time, "ordinal": world.crowd.ordinal,
        "settled": world.crowd.settled, "drawn": world.drawn.encode(), "next_reading": world.next_reading,
        "intervals": np.stack(counters.intervals), "past": counters.past, "provenance": np.array(counters.provenance),
        "met": counters.met, "idle": counters.idle,
    } | {
        f"{thing}.{name}": value
        for thing, arrays in _things(world).items()
        for name, value in arrays.items()
    }  # fmt: skip


def _things(world: World) -> dict[str, dict[str, Any]]:
    """Return the arrays of the model, of what is published with it, of the state of people, and of the signals' streams, by
    the name of each.
    """
    published = {name: getattr(world.feed.published, name) for name in ("counts", "impressions", "clicks", "taste", "label")}
    streams = {f"stream{place}": stream.arrays() for place, stream in enumerate(world.streams)}
    return {"model": world.feed.model.arrays(), "published": published, "own": world.crowd.own,
            "stock": world.crowd.stock.arrays()} | streams


def restore(world: World, kept: dict[str, Any], epochs: list[Columns], history: History) -> None:
    """Set a fresh world to the state of a checkpoint, given the clicks and metrics of all epochs before it."""
    crowd, feed = world.crowd, world.feed
    crowd.stock.restore(_part(kept, "stock"), int(kept["now"]))
    world._deployed = int(kept["now"])
    world._now, feed.epoch, feed.cuts = int(kept["now"]), int(kept["epoch"]), int(kept["cuts"])
    world.next_reading = int(kept["next_reading"])
    crowd.next_time, crowd.ordinal, crowd.settled, world.history = kept["next_time"], kept["ordinal"], kept["settled"], history
    for columns in epochs:
        world.log.extend(columns)
        world.log.close_epoch()
    world.impressions.digest = bytes(kept["impressions_digest"])
    clicks = world.log.columns()
    made = clicks["clicked"]
    crowd.consumed = Consumed.of(len(world.users), clicks["user"][made], clicks["item"][made])
    _, had = crowd.consumed.stretch(np.arange(len(world.users)))
    counters = world.counters
    counters.clickers = np.bincount(had, minlength=len(world.items))
    counters.intervals = deque(list(kept["intervals"]), maxlen=counters.intervals.maxlen)
    counters.past = kept["past"]
    share, weight, mean_depth = kept["provenance"].tolist()
    feed.provenance = share, weight, mean_depth
    counters.new_epoch(feed.provenance)
    counters.met, counters.idle = kept["met"], kept["idle"]
    if world.epoch:
        model = _part(kept, "model")
        model["epoch"] = int(model["epoch"])
        feed.model = feed.trained = world.scenario.recommender.model(**model)
        published = Published(topics=world.items.topics[: len(kept["published.counts"])], **_part(kept, "published"))
        feed.published = feed.to_publish = published
    crowd.born = sum(birth.second <= world.now for _, birth in crowd.births)
    feed.restock(crowd.stock.shelf)
    crowd.own.update(_part(kept, "own"))
    for place, stream in enumerate(world.streams):
        for name, value in _part(kept, f"stream{place}").items():
            setattr(stream, name, value if value.ndim else value.item())


def restore_shadow(world: World, epochs: list[Columns]) -> None:
    """Set the shadow log to what it was, given its rows of all epochs before."""
    for columns in epochs:
        world.shadow.extend(columns)
        world.shadow.close_epoch()
    rows = world.shadow.columns()
    world.crowd.shadow_consumed = Consumed.of(len(world.users), rows["user"], rows["item"])


def _part(kept: dict[str, Any], thing: str) -> dict[str, Any]:
    """Return the arrays of one thing in a checkpoint, by name."""
    return {name.removeprefix(f"{thing}."): value for name, value in kept.items() if name.startswith(f"{thing}.")}
