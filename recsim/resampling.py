"""Resampling: worlds fitted to bootstrap samples of a log's people, to see what depends on just whom the log happened to hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import closing
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from recsim.calibration import ASSUMED, FORMAT, fit, provide, read, read_rows, settings_of, write_world
from recsim.cells import processes, spread
from recsim.errors import RecsimError, whole_number
from recsim.files import appearing
from recsim.logfiles import Log, by_first_appearance
from recsim.progress import told
from recsim.randomness import Randomness


def bootstrapped(
    world: str | Path,
    out: str | Path,
    number: int = 20,
    seed: int = 1,
    *,
    workers: int | None = None,
    progress: bool | Callable[[float, str], None] = True,
) -> list[Path]:
    """Return folders of worlds fitted to samples of a log's people with replacement, all that each of them did going along.

    world: a folder of `calibrate`, or the name of a known data set; it keeps its log. Each sample has as many people as the
    log, and all its items; it is fitted as the world was. out: a folder, new or not, with a folder a sample in it, named by all
    that it follows from: one that is there is not fitted again, so that a larger number only adds. seed: of the samples.
    workers: processes, by default one a core; they change nothing in a world. progress: as in `compare`.
    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", ch. 6. Raises RecsimError in one line where there is no
    such world, or it is one of a log of impressions, of which a world keeps the clicks alone.
    """
    whole_number("number", number, 1)
    source = provide(world)
    _, report = _log_of(source)
    folders = [Path(out) / f"sample-{sample:03d}-{_address(source, report, seed, sample)}" for sample in range(1, number + 1)]
    missing = [sample for sample, folder in enumerate(folders, 1) if not folder.is_dir()]
    calls = [(source, folders[sample - 1], seed, sample) for sample in missing]
    with told("bootstrap", progress) as say, closing(spread(_fitted, calls, processes(workers))) as done:
        for over, (place, _) in enumerate(done, 1):
            say(over / len(calls), f"sample {missing[place]}")
    return folders


def _log_of(source: Path) -> tuple[Log, dict[str, Any]]:
    """Return the log that a world was fitted to, and the world's report. Raises RecsimError where it has none for us."""
    fitted, (user, item) = read(source), read_rows(source)
    report = json.loads((source / "report.json").read_text(encoding="utf-8"))
    if "clicks" in report:
        raise RecsimError(f"{source}: is of a log of impressions, which cannot be sampled again; give the world of a log")
    return Log(user, item, None, fitted.user_names, fitted.item_names), report


def _address(source: Path, report: dict[str, Any], seed: int, sample: int) -> str:
    """Return what a sample's world is told by: a hash of the log, the settings of the fit, the seed and the sample's number."""
    log, _ = _log_of(source)
    rows = sha256(np.stack([log.user, log.item]).astype("<i4").tobytes()).hexdigest()
    fitted = settings_of(report["topics"], report["settings"]["seed"])
    decisive = [FORMAT, rows, log.user_names, log.item_names, fitted, seed, sample]
    return sha256(json.dumps(decisive).encode()).hexdigest()[:16]


def _fitted(source: Path, folder: Path, seed: int, sample: int) -> None:
    """Fit a world to one sample, and write its folder, whole or not at all."""
    log, report = _log_of(source)
    log, topics, fit_seed = resampled(log, seed, sample), report["topics"], report["settings"]["seed"]
    about = {
        "format": FORMAT, "source": report["source"] | {"bootstrap": {"seed": seed, "sample": sample}},
        "settings": report["settings"] | settings_of(topics, fit_seed),
        "versions": {package: version(package) for package in ("numpy", "scipy", "scikit-learn")},
        "rows": len(log), "users": len(log.user_names), "items": len(log.item_names), "topics": topics,
        "assumed": ASSUMED, "held_out": None,
    }  # fmt: skip
    world = fit(log, topics, fit_seed)
    with appearing(folder) as beside:
        write_world(beside, world, about, log.user, log.item)


def resampled(log: Log, seed: int, sample: int) -> Log:
    """Return a log of as many people, each drawn from those of a log with replacement, with all her rows in their order.

    Whoever is drawn twice is two people, told apart by the number of the draw behind the name. Items are all those of the log.

    >>> log = Log(np.array([0, 1, 0], np.int32), np.array([0, 1, 1], np.int32), None, ("ann", "bob"), ("x", "y"))
    >>> again = resampled(log, seed=1, sample=1)
    >>> again.user_names, again.user.tolist(), again.item.tolist()
    (('ann~0', 'bob~1'), [0, 1, 0], [0, 1, 1])
    """
    people = len(log.user_names)
    drawn = (Randomness(seed).uniform("bootstrap.person", np.arange(people), sample) * people).astype(np.int64)
    counts = np.bincount(log.user, minlength=people)
    rows, many = np.argsort(log.user, kind="stable"), counts[drawn]
    draw = np.repeat(np.arange(people), many)
    place = np.arange(len(draw)) - np.repeat(np.cumsum(many) - many, many)  # of a row among those of its draw
    row = rows[np.repeat((np.cumsum(counts) - counts)[drawn], many) + place]
    order = np.argsort(row, kind="stable")
    user, names = by_first_appearance(draw[order])
    called = tuple(f"{log.user_names[drawn[int(name)]]}~{name}" for name in names)
    return Log(user, log.item[row[order]], None if log.time is None else log.time[row[order]], called, log.item_names)


def recalibrated(folders: Iterable[str | Path]) -> dict[str, dict[str, Any]]:
    """Return worlds, by name, whose people and items are those of world folders, such as `bootstrapped` returns.

    >>> recalibrated(["there/a"])
    {'recalibrated: 1': {'population.world': 'there/a', 'catalog.world': 'there/a'}}
    """
    paths = ("population.world", "catalog.world")
    return {f"recalibrated: {number}": dict.fromkeys(paths, str(folder)) for number, folder in enumerate(folders, 1)}
