"""Stores: the folder of a study, in which every cell is whole or not there, and which one process at a time fills.

`study.toml` says what is asked, `design.parquet` which cells there are, a row each; `cells/ADDRESS.parquet` holds a cell that is
done, `failed/ADDRESS.json` says why one could not be had. Any Parquet reader opens it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsim.errors import RecsimError
from recsim.files import PART, faults, nameable, whole

if TYPE_CHECKING:
    import pandas as pd

STALE = 60.0  # seconds after which nobody is still writing a file of a few kilobytes
MAGIC = b"PAR1"  # a Parquet file begins and ends with it


class Store:
    """The folder of a study."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.cells, self.failures = self.folder / "cells", self.folder / "failed"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Make the folder if it is not there, and keep other masters out of it; a process that is killed lets go.

        Raises RecsimError when another process is at work in it, and for a path that is no UTF-8.
        """
        nameable(self.folder)
        with faults(self.folder):
            self.cells.mkdir(parents=True, exist_ok=True)
            self.failures.mkdir(exist_ok=True)
        with _locked(self.folder / ".lock", f"{self.folder}: another recsim is at work in it"):
            self._clear()
            yield

    @contextmanager
    def claimed(self, cell: str) -> Iterator[None]:
        """Keep others from running a cell by itself at the same time. Raises RecsimError when one does."""
        lock = self.cells / f".{cell}.lock"
        with _locked(lock, f"{self.folder}: cell {cell[:12]} is being run by another recsim"):
            yield
        with suppress(OSError):
            lock.unlink()

    def begin(self, study: str, design: Mapping[str, Sequence[Any]]) -> None:
        """Write what is asked: the study as TOML, and the columns of its design."""
        import pandas as pd

        sink = BytesIO()
        pd.DataFrame(dict(design)).to_parquet(sink, compression="zstd", index=False)
        put(self.folder / "study.toml", study.encode())
        put(self.folder / "design.parquet", sink.getvalue())

    def has(self, cell: str) -> bool:
        """Return whether a cell is there and whole; what is left of a damaged one is removed."""
        path = self._cell(cell)
        try:
            with path.open("rb") as file:
                begin = file.read(4)
                file.seek(-4, 2)
                there = begin == MAGIC == file.read(4)
        except FileNotFoundError:
            return False
        except OSError:
            there = False
        if not there:
            with faults(path):
                path.unlink()
        return there

    def keep(self, cell: str, content: bytes) -> None:
        """Keep a cell; it had failed before, perhaps."""
        put(self._cell(cell), content)
        with faults(self.failures):
            self._failure(cell).unlink(missing_ok=True)

    def fail(self, cell: str, about: Mapping[str, Any]) -> None:
        """Record why a cell could not be had."""
        with faults(self.failures):
            self.failures.mkdir(exist_ok=True)
        put(self._failure(cell), (json.dumps({"cell": cell} | dict(about), indent=2) + "\n").encode())

    def design(self) -> pd.DataFrame:
        """Return the design: cell, point, seed, and a column for each factor.

        Raises RecsimError when the folder holds no study.
        """
        import pandas as pd

        try:
            return pd.read_parquet(self.folder / "design.parquet")
        except (OSError, ValueError):
            raise RecsimError(f"{self.folder}: holds no study; give the folder that one has written") from None

    def frame(self) -> pd.DataFrame:
        """Return every value that there is: a row each with point, seed, the factors, cell, window, epoch, group, metric, value.

        Raises RecsimError when the folder holds no study, or a cell of it is damaged.
        """
        import pyarrow as pa
        from pyarrow import dataset

        design = self.design()
        files = [str(self._cell(cell)) for cell in dict.fromkeys(design["cell"]) if self._cell(cell).is_file()]
        if not files:
            raise RecsimError(f"{self.folder}: no cell of the study is there yet; run it")
        try:
            values = dataset.dataset(files, format="parquet").to_table().drop_columns(["seed"]).to_pandas()
        except (OSError, pa.ArrowException) as fault:
            raise RecsimError(f"{self.folder}: has a damaged cell ({fault}); run the study again") from None
        tidy = design.merge(values, on="cell")
        return tidy[[*(name for name in design if name != "cell"), *values]]

    def failed(self) -> pd.DataFrame:
        """Return the cells of the design that failed, with message and tries; empty where none did."""
        design = self.design()
        kept = [self._read(cell) for cell in dict.fromkeys(design["cell"]) if self._failure(cell).is_file()]
        columns = {name: [one.get(name) for one in kept] for name in ("cell", "tries", "message")}
        return design.merge(type(design)(columns), on="cell")

    def _read(self, cell: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._failure(cell).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found = {"cell": cell, "message": "its record cannot be read"}
        return found

    def _cell(self, cell: str) -> Path:
        return self.cells / f"{cell}.parquet"

    def _failure(self, cell: str) -> Path:
        return self.failures / f"{cell}.json"

    def _clear(self) -> None:
        """Remove what was being written when a process was killed, but not what another writes now."""
        with faults(self.folder):
            for part in self.folder.rglob(f".*{PART}"):
                with suppress(FileNotFoundError):
                    if time.time() - part.stat().st_mtime > STALE:
                        part.unlink()


def put(path: Path, content: bytes) -> None:
    """Write a file that is whole or not there. Raises RecsimError when the disk does not let us."""
    with whole(path) as part:
        part.write_bytes(content)


@contextmanager
def _locked(path: Path, taken: str) -> Iterator[None]:
    """Hold a lock of the operating system, which goes when its process goes, however it goes."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RecsimError(f"{taken}; wait until it has ended, or choose another folder") from None
    try:
        yield
    finally:
        lock.release()
