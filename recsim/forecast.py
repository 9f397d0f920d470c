"""What a run will take on this machine: its seconds, its peak memory, and whether that fits into the memory there is.

The seconds come from scaled-down worlds of the same scenario, run for about two seconds in all, each with more people than the
one before. A part of a run is taken to cost something every time and something for each unit of what drives it: drawing for each
person, serving for each visit, ranking for each visit and item that is out, fitting for each training row and each person and
item that has one, figures for each person, writing for each visit. The costs are fitted to the epochs of the last two samples,
and none is negative.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from recsim import training
from recsim.archive import Archive
from recsim.errors import RecsimError
from recsim.eventlog import Columns
from recsim.expectation import expect, memory
from recsim.feed import Feed
from recsim.models import Model
from recsim.randomness import Floats
from recsim.recommenders import Recommender
from recsim.running import Keeper
from recsim.scenario import Scenario
from recsim.settings import changed
from recsim.simulation import World
from recsim.tiles import at_once
from recsim.world import DAY, Counts, Ranking, Rows, Visits

SECONDS = 2.0  # that the samples of a forecast may take, about
FIRST = 300  # people of the first sample
SEED = 1
PARTS = "serving", "ranking", "fitting", "figures", "writing"
FITS = 0.9  # share of the free memory that a run may take before it is said not to fit
GROWTH = 4.0  # how many times as many people the next sample has, where there is time
FEWEST, SHORT, LONG = 2, 3, 40  # epochs of any sample at least, of a sample that a larger one follows, and of the last at most

now: Callable[[], float] = time.perf_counter


def outlook(scenario: Scenario, threads: int = 1) -> dict[str, Any]:
    """Return all that is to be expected of a scenario: what `expect` does, `forecast` under that name, and what will not fit.

    Raises RecsimError as these do.
    """
    began = now()
    facts = expect(scenario)
    told = _forecast(scenario, threads, facts, now() - began)
    free, wanted = told["free_bytes"], told["memory_bytes"]
    if free is not None and wanted > FITS * free:
        amounts = f"a run takes about {wanted / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free"
        facts["odd"].append(f"memory: {amounts}: it will not fit; let fewer people come, or for fewer days")
    return facts | {"forecast": told}


def forecast(scenario: Scenario, threads: int = 1) -> dict[str, Any]:
    """Return what a run of a scenario will take on this machine, as busy as it is now; that takes about two seconds.

    seconds: of a `run` into a folder, with what this process has not loaded yet; parts: what they are made of, by name.
    memory_bytes: of a process that does nothing else, at its peak; free_bytes: what the machine has to spare, None where that
    is not known. sample: people and epochs of the larger sample, and the seconds of all samples, which are written to a folder
    for temporary files and removed. Raises RecsimError where the scenario cannot be run.
    """
    told: dict[str, Any] = outlook(scenario, threads)["forecast"]
    return told


def _forecast(scenario: Scenario, threads: int, facts: Mapping[str, Any], waited: float) -> dict[str, Any]:
    """Return the forecast of a scenario of which so much is known, after so many seconds of loading and drawing."""
    began = now()
    users, visits = facts["sizes"]["users"], facts["expected"]["visits"]
    first = _sample(scenario, FIRST, users, threads, SHORT, SECONDS / 4)
    loaded = first  # all libraries are, the second time; a world that cannot be had smaller may be too large for that
    if first.seconds < SECONDS / 2:
        loaded = _sample(scenario, FIRST, users, threads, len(first.epochs), SECONDS / 4)
    samples, starting = [loaded], max(0.0, first.seconds - loaded.seconds)
    while (left := SECONDS - (now() - began)) > SECONDS / 8:
        grows = min(GROWTH, left / max(samples[-1].seconds, 1e-9))
        size = min(users, round(samples[-1].users * max(1.0, grows)))
        final = grows < GROWTH or size == users
        samples.append(_sample(scenario, size, users, threads, LONG if final else SHORT, left))
        if final:
            break
    samples = samples[-2:]
    last, drawing = samples[-1], _drawing(samples, users)
    course = _course(scenario, last, users, visits)
    parts = {"starting": max(0.0, waited - drawing) + starting, "drawing": drawing}
    parts |= {name: _part(name, samples, course) for name in PARTS}
    clicks = min(round(sum(epoch.clicks for epoch in course)), facts["expected"]["clicks_at_most"])
    return {
        "seconds": round(sum(parts.values()), 2), "parts": {name: round(value, 3) for name, value in parts.items()},
        "memory_bytes": memory(scenario, facts["sizes"], facts["expected"], clicks, threads), "free_bytes": free_memory(),
        "threads": threads, "sample": {"users": last.users, "epochs": len(last.epochs), "seconds": round(now() - began, 2)},
    }  # fmt: skip


def free_memory() -> int | None:
    """Return how many bytes of memory are to be had: what Linux says is available, within the limit of its container; elsewhere
    all that the machine has; None where nobody says.
    """
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
        limit = Path("/sys/fs/cgroup/memory.max")
        text = limit.read_text(encoding="ascii").strip() if limit.exists() else "max"
        return free if text == "max" else min(free, int(text))
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # there is no sysconf on Windows
        return None


# ------------------------------------------------------------------------------------------------------- what is measured
@dataclass
class Epoch:
    """What one epoch did: its number, people of the world, visits, clicks, rows that taught the model cut in it, models cut,
    readings, items that were out as it began, and the seconds of each part.
    """

    number: int
    users: float
    items: int
    visits: float = 0.0
    clicks: float = 0.0
    rows: float = 0.0
    cuts: int = 0
    readings: int = 0
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    @property
    def total(self) -> float:
        """The seconds of all parts."""
        return sum(self.seconds.values())


@dataclass
class Sample:
    """A world that was run for some epochs: its people, the seconds of drawing it and in all, the epochs, and of each epoch of a
    whole run the share of its visits and the items that are out.
    """

    users: int
    drawing: float
    seconds: float
    epochs: list[Epoch]
    shares: Floats
    released: list[int]


class _TimedFeed(Feed):
    """A feed that takes the time of its fits and of its *rankings*: its share where several tiles are ranked at a time."""

    spent = Epoch(0, 0, 0)
    rankings: list[float]

    def rank(self, visits: Visits) -> Ranking:
        """Return the ranking, and take its time."""
        began = now()
        ranking = super().rank(visits)
        self.rankings.append((now() - began) / at_once(self.threads, len(self.users)))
        return ranking

    def train(self, now_: int) -> None:
        """Fit the next model, and take its time."""
        began = now()
        self.spent.cuts += 1
        super().train(now_)
        self.spent.seconds["fitting"] += now() - began

    def _fit(self, recommender: Recommender, rows: Rows, counts: Counts, epoch: int, now: int) -> Model:
        """Fit a model, and note how many rows teach it."""
        self.spent.rows = len(rows)
        return super()._fit(recommender, rows, counts, epoch, now)


class _TimedWorld(World):
    """A world that takes the time of the parts of each epoch."""

    feed_kind = _TimedFeed
    spent = Epoch(0, 0, 0)

    def receive(self, rounds: Iterable[Visits]) -> None:
        """Let users visit the feed, and count them."""

        def counted() -> Iterator[Visits]:
            for visits in rounds:
                self.spent.visits += len(visits)
                yield visits

        super().receive(counted())

    def read(self, window: str) -> None:
        """Put the metrics into the history, and take the time of that."""
        began = now()
        super().read(window)
        self.spent.seconds["figures"] += now() - began
        self.spent.readings += 1
        self.spent.clicks = self.log.rows - self.log.epoch_start

    def keep(self, folder: Path) -> Keeper:
        """Write what is left behind to a folder from now on."""
        keeper = Keeper(self, Archive.create(folder, self.scenario, self.seed), time.monotonic())

        def epoch(world: World, clicks: Columns, impressions: Columns) -> None:
            began = now()
            keeper.epoch(world, clicks, impressions)
            self.spent.seconds["writing"] += now() - began

        def deploy(world: World) -> None:
            began = now()
            keeper.deploy(world)
            self.spent.seconds["writing"] += now() - began

        self.on_epoch, self.on_deploy = epoch, deploy
        return keeper

    def pass_epoch(self) -> Epoch:
        """Let the epoch pass that is on, the next model be deployed or the run end, and return what it took."""
        spent = Epoch(self.epoch, len(self.users), self.crowd.released)
        self.spent = spent
        assert isinstance(self.feed, _TimedFeed)
        self.feed.spent, self.feed.rankings, began, end = spent, [], now(), self.scenario.end_of(self.epoch)
        if end < self.scenario.days:
            self.advance(end + 1 / DAY)
        else:
            self.advance(end).close_epoch()
        spent.seconds["ranking"] = sum(self.feed.rankings)
        spent.seconds["serving"] = max(0.0, now() - began - spent.total)
        return spent


def smaller(scenario: Scenario, users: int, of: int) -> Scenario:
    """Return the scenario with fewer people, the same share of newcomers, and all items; itself where that cannot be."""
    if users >= 0.8 * of or any(signal.kind == "LogReplay" for signal in scenario.signals):
        return scenario
    population = getattr(scenario.population, "users", None)
    share = users / of
    try:
        settings: dict[str, Any] = {"population.users": max(1, round((population or of) * share))}
        if scenario.arrivals:
            settings["arrivals.rate"] = getattr(scenario.arrivals, "rate", 0.0) * share
        return changed(scenario, settings)
    except RecsimError:  # a kind of one's own may have no such setting
        return scenario


def _sample(scenario: Scenario, users: int, of: int, threads: int, epochs: int, seconds: float) -> Sample:
    """Run a world of about *users* people of *of* for at most so many epochs, two at least, until so many seconds are over."""
    began = now()
    try:
        world = _TimedWorld(smaller(scenario, users, of), SEED, threads)
    except RecsimError:  # there may be friends or edges among those who were left out
        began = now()
        world = _TimedWorld(scenario, SEED, threads)
    drawing, passed = now() - began, list[Epoch]()
    with tempfile.TemporaryDirectory() as folder:
        keeper = world.keep(Path(folder) / "run")
        while len(passed) < min(epochs, scenario.epochs):
            passed.append(world.pass_epoch())
            if len(passed) >= FEWEST and now() - began + passed[-1].total > seconds:
                break
        keeper.end("interrupted")
    crowd, ends = world.crowd, [0.0, *(scenario.end_of(epoch) for epoch in range(scenario.epochs))]
    there = [float((crowd.rate * (crowd.ends.clip(max=day * DAY) - crowd.since.clip(max=day * DAY))).sum()) for day in ends]
    shares = np.diff(there) / max(there[-1], 1e-300)
    released = [crowd.stock.planned.released(round(day * DAY)) for day in ends[:-1]]
    return Sample(len(world.users), drawing, now() - began, passed, shares, released)


# ------------------------------------------------------------------------------------------------------- what it leads to
def _course(scenario: Scenario, sample: Sample, users: int, visits: float) -> list[Epoch]:
    """Return the epochs of the whole run as they are to be expected, without seconds: visits, clicks, rows and what is out."""
    seen, window = sample.epochs, training.intervals(scenario.training) or scenario.epochs
    rates = [epoch.clicks / max(epoch.visits, 1) for epoch in seen]
    steady = float(np.mean(rates[1:] or rates))
    readings = max(1, round(np.mean([epoch.readings for epoch in seen])))
    course = [
        Epoch(number, users, sample.released[number], visits=visits * share, readings=readings)
        for number, share in enumerate(sample.shares.tolist())
    ]
    cuts = scenario.models(scenario.days)[0]
    for epoch in course:
        epoch.clicks = epoch.visits * (rates[epoch.number] if epoch.number < len(rates) else steady)
        epoch.cuts = int(epoch.number < cuts)
    taught = [epoch for epoch in seen if epoch.cuts]
    if taught:
        last = taught[-1]
        logged = sum(epoch.clicks for epoch in seen[max(0, last.number + 1 - window) : last.number + 1])
        more, share = max(0.0, last.rows - logged), min(1.0, last.rows / max(logged, 1))
        for epoch in course:
            logged = sum(other.clicks for other in course[max(0, epoch.number + 1 - window) : epoch.number + 1])
            epoch.rows = logged * share + more * users / sample.users
    return course


def drivers(part: str, epoch: Epoch) -> list[float]:
    """Return what the seconds of a part of an epoch are a sum of, each times a cost: of each time, and of each unit."""
    if part in ("serving", "writing"):
        return [1.0, epoch.visits]
    if part == "ranking":
        return [1.0, epoch.visits * epoch.items]
    if part == "figures":
        return [epoch.readings, epoch.readings * epoch.users]
    met = sum(count * -np.expm1(-epoch.rows / max(count, 1)) for count in (epoch.users, epoch.items))
    return [epoch.cuts, epoch.cuts * met, epoch.cuts * epoch.rows]


def costs(driven: Sequence[Sequence[float]], seconds: Sequence[float]) -> Floats:
    """Return the cost of each driver, none below 0, whose sums come closest to the seconds in proportion.

    >>> costs([[1, 10], [1, 20], [1, 40]], [3.0, 5.0, 9.0]).round(6).tolist()
    [1.0, 0.2]
    """
    from scipy.optimize import nnls

    matrix, target = np.array(driven, np.float64), np.maximum(np.array(seconds), 1e-6)
    scale = np.maximum(matrix.max(axis=0), 1e-300)
    found: Floats = nnls(matrix / scale / target[:, None], np.ones(len(target)))[0] / scale
    return found


def _drawing(samples: Sequence[Sample], users: int) -> float:
    """Return the seconds of drawing the whole world."""
    return float(costs([[1.0, sample.users] for sample in samples], [sample.drawing for sample in samples]) @ [1.0, users])


def _part(part: str, samples: Sequence[Sample], course: Sequence[Epoch]) -> float:
    """Return the seconds of a part over the whole run; the first epoch, under the model that starts, has a level of its own."""
    seen = [epoch for sample in samples for epoch in sample.epochs if part != "fitting" or epoch.cuts]
    if not seen:
        return 0.0
    later, early = [epoch for epoch in seen if epoch.number], [epoch for epoch in seen if not epoch.number]
    cost = costs([drivers(part, epoch) for epoch in later or early], [epoch.seconds[part] for epoch in later or early])

    def fitted(epochs: Sequence[Epoch]) -> float:
        return sum(float(drivers(part, epoch) @ cost) for epoch in epochs)

    level = sum(epoch.seconds[part] for epoch in early) / max(fitted(early), 1e-9) if later and early else 1.0
    return level * fitted(course[:1]) + fitted(course[1:])
