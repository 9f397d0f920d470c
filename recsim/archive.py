"""Run: what a run leaves behind, in memory or as a folder that any Parquet reader opens; and the checkpoint to go on from."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import zipfile
import zlib
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.errors import RecsimError
from recsim.eventlog import SCHEMA, Columns, digest
from recsim.files import PART, absent, faults, whole
from recsim.scenario import Scenario
from recsim.tables import as_html
from recsim.verdict import SHOWN, by_epoch, told_figures, verdict

if TYPE_CHECKING:
    import pandas as pd

HISTORY = {"day": "<f8", "epoch": "<i4", "window": "O", "group": "O", "metric": "O", "value": "<f8"}
FRESH = "choose another folder for the run, or go on with the run in it by resuming it"
ITEMS = {"epoch": "<i4", "item": "<i4", "origin": "|i1", "impressions": "<i8", "clicks": "<i8"}
DISCOVERY = {"birth": "<i4", "user": "<i4", "since": "<f8", "shown": "<f8", "clicked": "<f8", "until": "<f8"}
History = list[tuple[float, int, str, str, str, float]]


@dataclass
class Run:
    """A run as it stands: its scenario and seed, and frames of what happened.

    status: "done", "running" or "interrupted". digest: of the clicks of all closed epochs, as hexadecimal text.
    seconds: wall time so far. folder: where it is kept, or None.
    """

    scenario: Scenario
    seed: int
    status: str
    digest: str
    seconds: float
    folder: Path | None = None
    manifest: dict[str, Any] = field(default_factory=dict, repr=False)
    _tables: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, folder: str | Path) -> Run:
        """Return the run that a folder holds; its tables are read when they are asked for.

        Raises RecsimError in one line when there is no whole run in it.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        scenario = Scenario.load(folder / "scenario.toml")
        return cls(
            scenario, int(manifest["seed"]), manifest["status"], manifest["digest"], manifest["seconds"], folder, manifest
        )

    @cached_property
    def history(self) -> pd.DataFrame:
        """Metrics in long form: day, epoch, window ("epoch" or "so far"), group, metric, value."""
        return self._table("history")

    @cached_property
    def items(self) -> pd.DataFrame:
        """Impressions and clicks of each epoch, item and origin code; what is zero in both is left out."""
        return self._table("items")

    @cached_property
    def users(self) -> pd.DataFrame:
        """Who the people are: user, name, since and until (days), cohort, niche, interest (main topic at birth).

        Cohort 0 are the founders, cohort k those who came within the k-th 30 days. `clicks.merge(users, on="user")` gives the
        log by cohort.
        """
        return self._table("users")

    @cached_property
    def discovery(self) -> pd.DataFrame:
        """When those who take up a new interest met it: birth (its place in the scenario), user, and in days since (from when she
        could), shown, clicked (the first item about it; inf: none) and until (up to when she was watched).

        Empty where no interest is born. `recsim.survival.curve` makes a curve of it.
        """
        return self._table("discovery")

    @cached_property
    def clicks(self) -> pd.DataFrame:
        """The log of clicks, in the columns of `recsim.eventlog.SCHEMA`."""
        return self._table("clicks")

    @cached_property
    def impressions(self) -> pd.DataFrame:
        """The log of impressions; empty unless the scenario keeps them."""
        return self._table("impressions")

    @cached_property
    def catalog(self) -> pd.DataFrame:
        """What came out, a row each: item, name, born (day), maker (human or ai), label (the same as the platform believed it),
        creator (-1: nobody is named) of a stream (0: the catalogue; k: the k-th of `creators`; from 255 down: births), generation
        (0: human work), appeal when it came out, topic (its main one), and topic 1, topic 2, ...: the share of each.
        """
        return self._table("catalog")

    def _table(self, name: str) -> pd.DataFrame:
        import pandas as pd

        if self.folder is None:
            return pd.DataFrame(self._tables[name])
        if name == "discovery" and not self.scenario.births:
            return pd.DataFrame({column: np.zeros(0, dtype) for column, dtype in DISCOVERY.items()})
        if name in ("history", "items", "users", "discovery", "catalog"):
            return _frame(self.folder / f"{name}.parquet")
        paths = sorted((self.folder / name).glob("*.parquet"), key=_number)
        parts = [_frame(path) for path in paths]
        empty = pd.DataFrame({column: np.zeros(0, dtype) for column, dtype in SCHEMA.items()})
        return pd.concat(parts, ignore_index=True) if parts else empty

    def series(self, metric: str, group: str = "all") -> pd.Series:
        """Return one metric by epoch.

        Raises RecsimError when there is no such metric in the history.
        """
        from recsim.errors import nearest

        frame = self.history
        if metric not in set(frame["metric"]):
            raise RecsimError(f"{metric}: is not a metric of this run; {nearest(metric, frame['metric'])}")
        chosen = frame[(frame["metric"] == metric) & (frame["group"] == group) & (frame["window"] == "epoch")]
        return chosen.set_index("epoch")["value"].rename(metric)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of the last epoch, by name, for all users and items."""
        frame = self.history
        last = frame[(frame["window"] == "epoch") & (frame["group"] == "all")]
        last = last[last["epoch"] == last["epoch"].max()]
        return dict(zip(last["metric"], last["value"].astype(float), strict=True))

    def __repr__(self) -> str:
        """Return one line: which run it is, and how far it is."""
        return f"<Run of {self.scenario.name}, seed {self.seed}: {self.status}, digest {self.digest[:12]}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows of the run: its figures by epoch, and whether the loop narrowed the feed."""
        if not self.epochs:
            return as_html(f"{self.scenario.name}, seed {self.seed}: {self.status}, no epoch is closed yet", [], [])
        figures = by_epoch(self.history)
        title = f"{self.scenario.name}, seed {self.seed}: {self.status}, {self.epochs} epochs, {self.seconds:.1f} s"
        notes = verdict(figures, self.scenario.recommender.learns), "floor: a uniform feed of the last epoch's volume."
        return as_html(title, *told_figures(figures, SHOWN), notes)

    @property
    def epochs(self) -> int:
        """How many epochs are closed."""
        frame = self.history
        return int(frame.loc[frame["window"] == "epoch", "epoch"].nunique())


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a run folder.

    Raises RecsimError when there is none, or one that is damaged.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        kinds: dict[str, Any] = {
            "seed": int, "status": str, "digest": str, "seconds": (int, float), "scenario_hash": str, "versions": dict,
        }  # fmt: skip
        if not all(isinstance(manifest[key], kind) for key, kind in kinds.items()):
            raise TypeError
        return manifest
    except (OSError, ValueError, KeyError, TypeError):
        raise RecsimError(f"{folder}: holds no run that can be read; give the folder that a run has written") from None


class Archive:
    """The writing side of a run folder. Every file is written beside and renamed when whole."""

    def __init__(self, folder: Path, scenario: Scenario, seed: int) -> None:
        self.folder, self.scenario, self.seed = folder, scenario, seed
        self.hash = scenario.hash  # once: an interruption within pydantic would not come out as what it is
        self.seconds_before = 0.0

    @classmethod
    def create(cls, folder: Path, scenario: Scenario, seed: int) -> Archive:
        """Make the folder of a new run.

        Raises RecsimError when it exists or cannot be made.
        """
        absent(folder, FRESH)
        part = cls(folder.with_name(f".{folder.name}{PART}"), scenario, seed)
        with faults(folder):
            shutil.rmtree(part.folder, ignore_errors=True)
            for name in ("clicks", "checkpoint", *(["impressions"] if scenario.log == "impressions" else [])):
                (part.folder / name).mkdir(parents=True)
            part._text("scenario.toml", scenario.toml())
            part.manifest("running", "", 0.0)
            part.folder.rename(folder)
        return cls(folder, scenario, seed)

    @classmethod
    def reopen(cls, folder: Path, scenario: Scenario | None, seed: int | None) -> Archive:
        """Return the folder of a run to go on with, cleared of what was not whole.

        Raises RecsimError when it holds no run, or one of another scenario or seed.
        """
        manifest = read_manifest(folder)
        kept = Scenario.load(folder / "scenario.toml")
        if kept.hash != manifest["scenario_hash"]:
            raise RecsimError(f"{folder / 'scenario.toml'}: was changed after the run began; undo that, or start anew")
        if scenario is not None and scenario.hash != manifest["scenario_hash"]:
            raise RecsimError(f"{folder}: holds a run of another scenario; resume it without naming a scenario")
        if seed is not None and seed != manifest["seed"]:
            raise RecsimError(f"{folder}: holds a run of seed {manifest['seed']}; resume it without naming a seed")
        now = versions()
        for package, used in manifest["versions"].items():
            if used != now.get(package):
                raise RecsimError(
                    f"{folder}: was begun with {package} {used}, here is {now.get(package)}; "
                    "resume it with that version, or start anew"
                )
        with faults(folder):
            for part in folder.rglob(f".*{PART}"):
                part.unlink()
        self = cls(folder, kept, int(manifest["seed"]))
        self.seconds_before = float(manifest["seconds"])
        return self

    # ------------------------------------------------------------------------------------------------- what is written
    def manifest(self, status: str, digest: str, seconds: float, **more: Any) -> dict[str, Any]:
        """Write and return the manifest: what ran, on what, how far it is."""
        manifest = {
            "name": self.scenario.name, "status": status, "seed": self.seed, "world_seed": self.scenario.world_seed,
            "scenario_hash": self.hash, "digest": digest, "seconds": round(seconds, 3),
        } | more | {"versions": versions(), "platform": _platform()}  # fmt: skip
        self._text("manifest.json", json.dumps(manifest, indent=2) + "\n")
        return manifest

    def rows(self, name: str, epoch: int, columns: Columns, digest: str) -> None:
        """Write the rows of a closed epoch to clicks/ or impressions/."""
        self._parquet(self.folder / name / f"epoch={epoch:05d}.parquet", columns, {"digest": digest})

    def table(self, name: str, columns: Columns) -> None:
        """Write one of the tables: users, discovery, catalog."""
        self._parquet(self.folder / f"{name}.parquet", columns)

    def history(self, history: History) -> None:
        """Write all metrics so far."""
        self._parquet(self.folder / "history.parquet", history_columns(history))

    def part(self, name: str, epoch: int, columns: Columns) -> None:
        """Keep columns of a closed epoch until the run ends: its item counts ("items"), or its shadow rows ("shadow")."""
        with whole(self._part(name, epoch)) as path:
            _save(path, columns)

    def parts(self, name: str, epochs: int) -> list[Columns]:
        """Return what is kept under a name of each of the first *epochs* epochs."""
        return [_load(self._part(name, epoch)) for epoch in range(epochs)]

    def items(self, epochs: int) -> None:
        """Write the item counts of all closed epochs, of which there are *epochs*, as one table."""
        self._parquet(self.folder / "items.parquet", stacked(self.parts("items", epochs)))

    def checkpoint(self, epoch: int, state: dict[str, Any]) -> None:
        """Write the state from which the run can go on at the deployment of model *epoch*, and drop the one before."""
        with whole(self._checkpoint(epoch)) as path:
            _save(path, state)
        for older in (self.folder / "checkpoint").glob("epoch=*.npz"):
            if older != self._checkpoint(epoch):
                older.unlink()

    # ---------------------------------------------------------------------------------------------------- what is read
    def latest(self) -> tuple[dict[str, Any], list[Columns], History] | None:
        """Return the last checkpoint, the clicks and the history of all epochs before it; None when there is none yet.

        Files of later epochs are removed: they are written again, the same to the byte.
        """
        found = sorted((self.folder / "checkpoint").glob("epoch=*.npz"), key=_number)
        if not found:
            return None
        state = _load(found[-1], "epoch", "digest", "drawn")
        epoch = int(state["epoch"])
        for pattern in ("clicks/epoch=*.parquet", "impressions/epoch=*.parquet", "checkpoint/items=*.npz",
                        "checkpoint/shadow=*.npz"):
            for path in self.folder.glob(pattern):
                if _number(path) >= epoch:
                    path.unlink()
        clicks = [self._columns(path) for path in sorted((self.folder / "clicks").glob("*.parquet"), key=_number)]
        chain = b""
        for columns in clicks:
            chain = digest(chain, columns)
        if chain != bytes(state["digest"]):
            raise RecsimError(f"{self.folder / 'clicks'}: are not those of the checkpoint; start the run anew in another folder")
        return state, clicks, self._history(epoch)

    def _history(self, epoch: int) -> History:
        frame = _frame(self.folder / "history.parquet")
        return [tuple(row) for row in frame[frame["epoch"] < epoch].itertuples(index=False)]

    def _columns(self, path: Path) -> Columns:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path, partitioning=None)
        except (OSError, pa.ArrowException) as fault:
            raise _damaged(path, fault) from None
        return {name: table[name].to_numpy().astype(dtype) for name, dtype in SCHEMA.items()}

    def _checkpoint(self, epoch: int) -> Path:
        return self.folder / "checkpoint" / f"epoch={epoch:05d}.npz"

    def _part(self, name: str, epoch: int) -> Path:
        return self.folder / "checkpoint" / f"{name}={epoch:05d}.npz"

    def _text(self, name: str, text: str) -> None:
        with whole(self.folder / name) as path:
            path.write_text(text, encoding="utf-8", newline="\n")

    def _parquet(self, path: Path, columns: Columns, about: dict[str, str] | None = None) -> None:
        import pandas  # noqa: F401  (pyarrow would, and drop an interruption that comes meanwhile)
        import pyarrow as pa
        import pyarrow.parquet as pq

        metadata = {"seed": str(self.seed), "scenario": self.hash} | (about or {})
        with whole(path) as part:
            pq.write_table(pa.table(columns, metadata=metadata), part, compression="zstd", compression_level=1)


def history_columns(history: History) -> Columns:
    """Return the history as columns."""
    values = list(zip(*history, strict=True)) or [()] * len(HISTORY)
    return {name: np.array(column, dtype) for (name, dtype), column in zip(HISTORY.items(), values, strict=True)}


def stacked(parts: list[Columns]) -> Columns:
    """Return the item counts of several epochs as one table."""
    return {
        name: np.concatenate([part[name] for part in parts] or [np.zeros(0)]).astype(dtype)
        for name, dtype in ITEMS.items()
    }


def _save(path: Path, arrays: dict[str, Any]) -> None:
    plain = {name: np.frombuffer(value, np.uint8) if isinstance(value, bytes) else value for name, value in arrays.items()}
    try:
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **plain)
    except ValueError as fault:
        if isinstance(fault.__context__, KeyboardInterrupt):  # zipfile complains of what an interruption has left open
            raise KeyboardInterrupt from None
        raise


def _load(path: Path, *needed: str) -> dict[str, Any]:
    """Return the arrays of a file, which must hold those *needed*."""
    try:
        # opened here, since numpy leaves a file open in which it finds no archive
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            return {name: kept[name] for name in {*needed, *kept.files}}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as fault:
        raise _damaged(path, fault) from None


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path, partitioning=None)
    except (OSError, pa.ArrowException) as fault:
        raise _damaged(path, fault) from None


def _damaged(path: Path, fault: Exception) -> RecsimError:
    return RecsimError(f"{path}: is damaged ({fault}); start the run anew in another folder")


def _number(path: Path) -> int:
    """Return the epoch in a file's name."""
    return int(path.name.split("=")[1].split(".")[0])


def versions() -> dict[str, str]:
    """Return the versions of Python and of all packages that have a say in a result."""
    found = {"python": platform.python_version()}
    for package in ("recsim-loop", "numpy", "scipy", "implicit", "simpy", "networkx", "pandas", "pyarrow", "scikit-learn"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _platform() -> dict[str, Any]:
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads", "threading_layer")
    libraries = [{key: library[key] for key in keys if key in library} for library in threadpool_info()]
    return {"system": platform.system(), "machine": platform.machine(), "byteorder": sys.byteorder, "libraries": libraries}
