"""The console: text, tables and JSON on standard output, whatever it is connected to; nothing from a file is interpreted."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def say(text: str) -> None:
    """Print to standard output; who has stopped reading is not an error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        hush()


def hush() -> None:
    """Let what is still to be printed go nowhere, at the exit of Python too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(text: str) -> None:
    """Print one line to standard error."""
    with suppress(BrokenPipeError):
        print(printable(text), file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return text that only shows itself on a terminal: a file may hold escape sequences that do more."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def say_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object; what is not a finite number is null."""
    say(json.dumps(as_json(value), indent=2, allow_nan=False))


def as_json(value: Any, told: Callable[[Any], Any] = lambda leaf: leaf) -> Any:
    """Return a value as JSON knows it; a number that is not finite is null. told: what becomes of all that is no list or table.

    >>> as_json({1: (0.5, float("nan"))}), as_json(["a", 2.0], told=str)
    ({'1': [0.5, None]}, ['a', '2.0'])
    """
    if isinstance(value, Mapping):
        return {str(key): as_json(part, told) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(part, told) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else told(value)


def console() -> Console:
    """Return a console for standard output that takes text as it is."""
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False)


def show(what: Any) -> None:
    """Print text, wrapped to the terminal and not interpreted, or a table."""
    from rich.text import Text

    target = console()
    with target.capture() as printed:
        target.print(Text(what) if isinstance(what, str) else what)
    say("\n".join(line.rstrip() for line in printed.get().splitlines()))


def say_pairs(lines: Mapping[str, str]) -> None:
    """Print names and what is to be said about each, wrapped in a column of its own."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in lines.items():
        table.add_row(Text(name, style="bold"), Text(printable(text)))
    show(table)
