"""A progress display with an estimate, for whatever takes longer than two seconds; plain lines where there is no terminal."""

from __future__ import annotations

import html
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

PATIENCE = 2.0  # seconds before anything is said
EVERY, SELDOM = 10.0, 0.05  # seconds between lines, or this share of the time so far if that is more
ROWS = 8  # rows of figures that stand in sight
PLAIN = "dumb", "unknown"  # terminals that cannot write a line over, on which rich shows nothing


class Say(Protocol):
    """What progress is said to: the share of the work that is done, what is being done, and a row of figures where one is new."""

    def __call__(self, share: float, text: str = "", row: Mapping[str, float] | None = None) -> None:
        """Say it."""


def span(seconds: float) -> str:
    """Return a stretch of time in a unit that suits it.

    >>> span(90), span(600), span(20_000)
    ('90 s', '10 minutes', '5.6 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


class Progress:
    """Called with the share of the work that is done, in [0, 1]; says how far it is, what is left, and the last figures.

    On a terminal a bar below a table of figures (rich) on standard error, in a notebook the same as a display of its own, else a
    plain line on standard error every ten seconds, more seldom as time goes on, so that a log stays readable. Nothing of a bar or
    display is left at the end. Use it as a context.
    """

    def __init__(self, title: str) -> None:
        self.title, self.began, self.said = title, time.monotonic(), 0.0
        self._rows: list[dict[str, str]] = []
        self._live: Any = None
        self._bar: Any = None
        self._cell: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        if self._cell is not None:
            self._cell.update({"text/html": "", "text/plain": ""}, raw=True)

    def __call__(self, share: float, text: str = "", row: Mapping[str, float] | None = None) -> None:
        """Say that *share* of the work is done; *row*: figures by name, the next row of a table of one heading."""
        if row is not None:
            self._rows = [*self._rows[1 - ROWS :], {name: _figure(value) for name, value in row.items()}]
        passed = time.monotonic() - self.began
        if passed < PATIENCE:
            return
        if "ipykernel" in sys.modules:
            if passed - self.said > 1:
                self.said = passed
                self._show_in_notebook(share, self._line(share, text, passed))
        elif sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in PLAIN:
            self._show_on_terminal(share, text)
        elif passed - self.said > max(EVERY, SELDOM * passed):
            self.said = passed
            last = ", ".join(f"{name} {value}" for name, value in self._rows[-1].items()) if self._rows else ""
            print(self._line(share, text, passed) + (f" ({last})" if last else ""), file=sys.stderr, flush=True)

    def _line(self, share: float, text: str, passed: float) -> str:
        left = f"about {span(passed / share * (1 - share))} left" if share else "no end in sight yet"
        return f"{self.title}: {share:.0%}, {span(passed)} so far, {left}; {text}".removesuffix("; ")

    def _show_in_notebook(self, share: float, line: str) -> None:
        """Show a bar and the table in one display that changes in its place."""
        import IPython.display

        heads = "".join(f"<th>{html.escape(name)}</th>" for name in (self._rows[-1] if self._rows else ()))
        body = "".join(f"<tr>{''.join(f'<td>{value}</td>' for value in row.values())}</tr>" for row in self._rows)
        table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>" if self._rows else ""
        shown = f'<progress value="{share:.4f}" max="1" style="width: 20em"></progress> {html.escape(line)}{table}'
        data = {"text/html": shown, "text/plain": line}
        if self._cell is None:
            show: Any = IPython.display.display
            self._cell = show(data, raw=True, display_id=True)
        else:
            self._cell.update(data, raw=True)

    def _show_on_terminal(self, share: float, text: str) -> None:
        """Show a bar below the table, in lines that are written over and gone at the end."""
        from rich import progress
        from rich.console import Console, Group
        from rich.live import Live
        from rich.table import Table
        from rich.text import Text

        if self._live is None:
            columns = progress.TextColumn("{task.description}", markup=False), progress.BarColumn(), progress.TaskProgressColumn()
            self._bar = progress.Progress(
                *columns, progress.TimeElapsedColumn(), progress.TimeRemainingColumn(),
                progress.TextColumn("{task.fields[text]}", markup=False),
            )  # fmt: skip
            self._bar.add_task(self.title, total=1.0, text=text)
            self._live = Live(console=Console(stderr=True), transient=True)
            self._live.start()
        self._bar.update(self._bar.task_ids[0], completed=share, text=text)
        table = Table(box=None, pad_edge=False)
        for name in self._rows[-1] if self._rows else ():
            table.add_column(Text(name), justify="right")
        for row in self._rows:
            table.add_row(*map(Text, row.values()))
        self._live.update(Group(table, self._bar) if self._rows else self._bar)


def _figure(value: float) -> str:
    """Return a figure as text.

    >>> _figure(7), _figure(0.12345), _figure(math.nan)
    ('7', '0.123', '-')
    """
    return (str(value) if isinstance(value, int) else f"{value:.3g}") if math.isfinite(value) else "-"


class _Told:
    """A context that hands what is said on to a function of the caller's own, or to nobody."""

    def __init__(self, function: Callable[[float, str], None] | None) -> None:
        self.function = function

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *fault: object) -> None:
        pass

    def __call__(self, share: float, text: str = "", row: Mapping[str, float] | None = None) -> None:
        """Hand it on, less the figures."""
        if self.function is not None:
            self.function(share, text)


def told(title: str, progress: bool | Callable[[float, str], None]) -> Progress | _Told:
    """Return a context that gives what progress is to be said to."""
    if callable(progress):
        return _Told(progress)
    return Progress(title) if progress else _Told(None)
