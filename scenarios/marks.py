"""Put what a script makes into text files, between the lines <!-- NAME: begin --> and <!-- NAME: end -->."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import recsim as rs
from recsim.files import whole


def fill(
    parser: argparse.ArgumentParser,
    name: str,
    make: Callable[[argparse.Namespace], str],
    besides: Mapping[str, Callable[[str], str]] | None = None,
) -> None:
    """Make a table as the command line says, and replace with it what stands between the marks in the files of --write.

    besides: what is made from that table, by the name of its own marks; a file has the marks of one of them or of several.
    Where a file has no marks, nothing is made or written: one line says so.
    """
    parser.add_argument("--write", type=Path, nargs="+", default=[], help="files that have the two marks")
    chosen = parser.parse_args()
    names = [name, *(besides or {})]
    try:
        _texts(chosen.write, names)  # now, not after all the runs
        table = make(chosen)
        made = {name: table} | {other: tell(table) for other, tell in (besides or {}).items()}
        for path, text in _texts(chosen.write, names).items():
            for one, content in made.items():
                text = _put(text, one, content)
            with whole(path) as part:
                part.write_text(text, encoding="utf-8", newline="\n")
    except rs.RecsimError as fault:
        sys.exit(f"{parser.prog}: {fault}")


def between(text: str, name: str) -> str | None:
    """Return what stands between the marks of a name in a text; None where it has not both of them."""
    begin, end = _marks(name)
    _, first, rest = text.partition(begin)
    content, second, _ = rest.partition(end)
    return content if first and second else None


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"


def _put(text: str, name: str, content: str) -> str:
    """Return a text with something else between the marks of a name, if it has them."""
    if between(text, name) is None:
        return text
    begin, end = _marks(name)
    before, _, rest = text.partition(begin)
    return before + begin + content + end + rest.partition(end)[2]


def _texts(paths: list[Path], names: list[str]) -> dict[Path, str]:
    """Return the text of each file. Raises RecsimError for one that cannot be read, or has no marks of any of these names."""
    found = {}
    for path in paths:
        try:
            found[path] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as fault:
            reason = getattr(fault, "strerror", "it is not text").lower()
            raise rs.RecsimError(f"--write {path}: cannot be read: {reason}; name a file that has the marks") from None
        if all(between(found[path], name) is None for name in names):
            begin, end = _marks(names[0])
            raise rs.RecsimError(f"--write {path}: has no place for the table; add the lines {begin.strip()} and {end}")
    return found
