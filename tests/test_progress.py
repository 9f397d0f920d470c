"""What one sees while something goes on: on a terminal, in a notebook, in a log; and what is left of it."""

from __future__ import annotations

import io
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

import recsim as rs
from recsim.progress import PATIENCE, ROWS, Progress
from recsim.running import SIGHT


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that sets the clock, which stands still otherwise; no notebook is there."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    return lambda second: now.__setitem__(0, second)


class Terminal(io.StringIO):
    """Standard error as a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


class Display:
    """A notebook's display: what it shows, one after the other."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def __call__(self, data: dict[str, str], raw: bool, display_id: bool) -> Display:
        """Show something for the first time."""
        assert raw and display_id
        self.shown.append(data)
        return self

    def update(self, data: dict[str, str], raw: bool) -> None:
        """Show something else in its place."""
        assert raw
        self.shown.append(data)


def test_a_log_of_ten_hours_stays_readable(pass_time: Callable[[float], None], capsys: pytest.CaptureFixture[str]) -> None:
    """It has some hundred lines, each with what is left, and no line that is written over."""
    with Progress("study tiny") as say:
        for second in range(0, 36_001, 4):
            pass_time(float(second))
            say(second / 36_000, f"{second // 360} of 100 cells done, 2 running, 0 failed")
    printed = capsys.readouterr().err
    assert "study tiny: 50%, 5.0 hours so far, about 5.0 hours left; 50 of 100 cells done, 2 running, 0 failed\n" in printed
    assert 50 < printed.count("\n") < 200
    assert "\r" not in printed and "\x1b" not in printed


def test_a_line_of_a_log_ends_with_the_last_figures(
    pass_time: Callable[[float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each by its name; what was not measured is a dash."""
    with Progress("plain") as say:
        say(0.1, "epoch 0", {"epoch": 0, "coverage": 1.0})
        pass_time(20.0)
        say(0.5, "epoch 2", {"epoch": 1, "coverage": 0.12345, "novelty": float("nan")})
    assert capsys.readouterr().err == "plain: 50%, 20 s so far, about 20 s left; epoch 2 (epoch 1, coverage 0.123, novelty -)\n"


def test_what_takes_no_time_says_nothing(pass_time: Callable[[float], None], capsys: pytest.CaptureFixture[str]) -> None:
    """Up to two seconds."""
    with Progress("plain") as say:
        pass_time(PATIENCE - 0.01)
        say(0.5, "epoch 2", {"epoch": 1})
    assert capsys.readouterr().err == ""


def test_a_notebook_has_one_display_that_is_empty_at_the_end(
    pass_time: Callable[[float], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has a bar, the last rows, and nothing that a name could have brought in."""
    import IPython.display

    display = Display()
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setattr(IPython.display, "display", display)
    with Progress("<img src=x>") as say:
        for epoch in range(20):
            pass_time(4.0 * epoch)
            say(epoch / 20, "<b>", {"epoch": epoch, "<i>": 0.5})
    assert capsys.readouterr().err == ""
    *_, last, end = display.shown
    assert last["text/html"].count("<tr>") == 1 + ROWS and '<progress value="0.9500" max="1"' in last["text/html"]
    assert last["text/plain"].startswith("<img src=x>: 95%") and "<td>19</td>" in last["text/html"]
    assert not any(tag in shown["text/html"] for shown in display.shown for tag in ("<img", "<b>", "<i>"))
    assert end == {"text/html": "", "text/plain": ""}


def test_a_terminal_has_a_table_of_figures_over_a_bar(
    pass_time: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are shown as they are; the cursor is given back at the end."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with Progress("[red]loop") as say:
        for epoch in range(3):
            pass_time(4.0 * epoch)
            say(epoch / 3, f"epoch {epoch}", {"epoch": epoch, "coverage": 0.5 / (epoch + 1)})
        say._live.refresh()
    written = terminal.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert "[red]loop" in plain and "epoch  coverage" in plain and "    2     0.167" in plain and "67%" in plain
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l") and written.endswith("\x1b[2K")  # shown again, and wiped


def test_a_run_tells_the_figures_of_each_epoch(small: rs.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its history has them; a function of the caller's own is told share and text."""
    rows: list[Any] = []
    monkeypatch.setattr(Progress, "__call__", lambda self, share, text="", row=None: rows.append(row) if row else None)
    run = rs.run(small, seed=1)
    assert [row.pop("epoch") for row in rows] == list(range(run.epochs))
    for name, metric in SIGHT.items():
        assert [row[name] for row in rows] == pytest.approx(run.series(metric).tolist(), nan_ok=True)
    told: list[tuple[float, str]] = []
    rs.run(small, seed=1, progress=lambda share, text: told.append((share, text)))
    assert told[-1] == (1.0, f"epoch {run.epochs - 1}")
    assert [share for share, _ in told] == sorted(share for share, _ in told)


def test_a_terminal_that_cannot_write_over_has_lines(
    pass_time: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within an editor, say, there is no bar: progress is told in lines, as in a log."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "dumb")
    with Progress("loop") as say:
        pass_time(20.0)
        say(0.5, "epoch 1", {"epoch": 1})
    assert terminal.getvalue() == "loop: 50%, 20 s so far, about 20 s left; epoch 1 (epoch 1)\n"
