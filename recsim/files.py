"""Files that are whole or not there, and the faults of a disk said in one line."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from recsim.errors import RecsimError, encodable

PART = ".part"  # the ending of what is not whole yet


@contextmanager
def faults(path: Path) -> Iterator[None]:
    """Turn a fault of the disk into one line that names the path.

    Raises RecsimError for a full disk, a missing permission, a path that leads through a file, and the like.
    """
    try:
        yield
    except OSError as fault:
        reason = (fault.strerror or str(fault)).lower()
        raise RecsimError(f"{path}: cannot be written: {reason}; make room there or choose another folder") from None


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to, and rename it to *path* when all is written; on any fault nothing is left.

    Raises RecsimError when the disk does not let us.
    """
    part = path.with_name(f".{path.name}.{uuid4().hex[:8]}{PART}")  # another process may be writing the same file
    with faults(path):
        try:
            yield part
            part.replace(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return the table of a TOML file; *what* file it should be.

    Raises RecsimError when it is missing, no text, or broken.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecsimError(f"{path}: there is no such file; give the path of a {what} file") from None
    except (OSError, UnicodeDecodeError) as fault:
        raise RecsimError(f"{path}: cannot be read as text ({fault}); give a TOML file") from None
    except tomllib.TOMLDecodeError as fault:
        raise RecsimError(f"{path}: broken TOML: {fault}; mend it there") from None


def nameable(folder: Path) -> None:
    """Raise RecsimError for a folder whose path cannot be written as UTF-8: Parquet files can be read from no such place."""
    if not encodable(str(folder)):
        raise RecsimError(f"{str(folder)!r}: cannot be written as UTF-8, as Parquet needs it; choose another folder")


def absent(path: Path, mend: str) -> None:
    """Raise RecsimError when there is something at *path*, *mend* is what to do then; and as `nameable` does."""
    nameable(path)
    with faults(path):
        if path.exists() or path.is_symlink():
            raise RecsimError(f"{path}: exists already; {mend}")


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Give a folder to write in beside *folder*, which appears under its name when whole, or not at all.

    When another process was faster, its folder stands and ours is dropped. Raises RecsimError when the place cannot be
    written.
    """
    with faults(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            yield beside
            beside.chmod(0o755)  # mkdtemp makes folders that nobody else may read
            try:
                beside.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
