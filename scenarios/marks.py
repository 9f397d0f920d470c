"""Put the table that a script makes into text files, between the lines <!-- NAME: begin --> and <!-- NAME: end -->."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import recsim as rs
from recsim.files import whole


def fill(parser: argparse.ArgumentParser, name: str, make: Callable[[argparse.Namespace], str]) -> None:
    """Make a table as the command line says, and replace with it what stands between the marks in the files of --write.

    Where a file has no marks, nothing is made or written: one line says so.
    """
    parser.add_argument("--write", type=Path, nargs="+", default=[], help="files that have the two marks")
    chosen = parser.parse_args()
    try:
        _around(chosen.write, name)  # now, not after all the runs
        table = make(chosen)
        for path, (before, after) in _around(chosen.write, name).items():
            with whole(path) as part:
                part.write_text(before + table + after, encoding="utf-8", newline="\n")
    except rs.RecsimError as fault:
        sys.exit(f"{parser.prog}: {fault}")


def _around(paths: list[Path], name: str) -> dict[Path, tuple[str, str]]:
    """Return what stands before and after the table in each file, the marks included."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    found = {}
    for path in paths:
        try:
            before, first, rest = path.read_text(encoding="utf-8").partition(begin)
        except (OSError, UnicodeDecodeError) as fault:
            reason = getattr(fault, "strerror", "it is not text").lower()
            raise rs.RecsimError(f"--write {path}: cannot be read: {reason}; name a file that has the marks") from None
        _, second, after = rest.partition(end)
        if not (first and second):
            raise rs.RecsimError(f"--write {path}: has no place for the table; add the lines {begin.strip()} and {end}")
        found[path] = (before + begin, end + after)
    return found
