"""A progress bar with an estimate, for whatever takes longer than two seconds; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self

PATIENCE = 2.0  # seconds before anything is said
EVERY, SELDOM = 10.0, 0.05  # seconds between lines, or this share of the time so far if that is more


def span(seconds: float) -> str:
    """Return a stretch of time in a unit that suits it.

    >>> span(90), span(600), span(20_000)
    ('90 s', '10 minutes', '5.6 hours')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


class Progress:
    """Called with the share of the work that is done, in [0, 1]; says on standard error how far it is and what is left.

    On a terminal a bar (rich), in a notebook one line that changes in its place, else a plain line every ten seconds, more
    seldom as time goes on, so that a log stays readable. Use it as a context.
    """

    def __init__(self, title: str) -> None:
        self.title, self.began, self.said = title, time.monotonic(), 0.0
        self._changing = 0  # letters of the line that changes in its place
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._changing:
            print(file=sys.stderr, flush=True)

    def __call__(self, share: float, text: str = "") -> None:
        """Say that *share* of the work is done."""
        passed = time.monotonic() - self.began
        if passed < PATIENCE:
            return
        left = f"about {span(passed / share * (1 - share))} left" if share else "no end in sight yet"
        line = f"{self.title}: {share:.0%}, {span(passed)} so far, {left}; {text}".removesuffix("; ")
        if "ipykernel" in sys.modules:
            if passed - self.said > 1:
                self.said = passed
                print(f"\r{line:<{self._changing}}", end="", file=sys.stderr, flush=True)
                self._changing = len(line)
        elif sys.stderr is not None and sys.stderr.isatty():
            self._show(share, text)
        elif passed - self.said > max(EVERY, SELDOM * passed):
            self.said = passed
            print(line, file=sys.stderr, flush=True)

    def _show(self, share: float, text: str) -> None:
        if self._bar is None:
            from rich import progress
            from rich.console import Console

            columns = progress.TextColumn("{task.description}"), progress.BarColumn(), progress.TaskProgressColumn()
            self._bar = progress.Progress(
                *columns, progress.TimeElapsedColumn(), progress.TimeRemainingColumn(),
                progress.TextColumn("{task.fields[text]}"), console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task(self.title, total=1.0, text=text)
            self._bar.start()
        self._bar.update(self._task, completed=share, text=text)


def told(title: str, progress: bool | Callable[[float, str], None]) -> Any:
    """Return a context that gives the function to say progress to."""
    if callable(progress):
        return nullcontext(progress)
    return Progress(title) if progress else nullcontext(lambda share, text: None)
