"""A progress bar with an estimate, for whatever takes longer than two seconds; plain lines where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self

PATIENCE = 2.0  # seconds before anything is said


class Progress:
    """Called with the share of the work that is done, in [0, 1]; says on standard error how far it is and what is left.

    On a terminal and in a notebook a bar (rich), else one plain line every ten seconds. Use it as a context.
    """

    def __init__(self, title: str) -> None:
        self.title, self.began, self.said = title, time.monotonic(), 0.0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, share: float, text: str = "") -> None:
        """Say that *share* of the work is done."""
        passed = time.monotonic() - self.began
        if passed < PATIENCE:
            return
        if sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules):
            self._show(share, text)
        elif passed - self.said > 10:
            self.said = passed
            left = passed / share * (1 - share) if share else float("nan")
            print(f"{self.title}: {share:.0%}, {passed:.0f} s so far, about {left:.0f} s left {text}", file=sys.stderr)

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
