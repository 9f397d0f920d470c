"""Workers: the process in which the cells of a study are run, and the other side of it, which survives its death."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from recsim.cells import made_by
from recsim.errors import RecsimError
from recsim.interpreters import Interpreter, serve
from recsim.keeping import Keep, cell_content
from recsim.scenario import Scenario

DONE, FAILED, SPENT = b"D", b"F", b"M"  # how an answer begins; M: memory ran out


class Task(NamedTuple):
    """A cell to be run: its address, what it is of, what is kept of it, and by what source and versions it is to be made."""

    cell: str
    scenario: Scenario
    seed: int
    keep: Keep
    made: str


class Outcome(NamedTuple):
    """What became of an attempt: the bytes of the cell, or a message, and whether another attempt may fare better."""

    content: bytes | None
    message: str = ""
    again: bool = False


def packed(task: Task) -> bytes:
    """Return a task as a worker is told it; classes of the caller's main module go along whole."""
    import cloudpickle

    frame: bytes = cloudpickle.dumps(task)
    return frame


# ---------------------------------------------------------------------------------------------------------- in the process
def work() -> None:
    """Run the cells that standard input asks for, until it ends."""
    import pyarrow.parquet  # noqa: F401  (now, so that no cell pays for it)

    serve(_answer)


def _answer(frame: bytearray) -> bytes:
    """Return how a task went, and the bytes of the cell, or a message."""
    import cloudpickle

    outcome = attempt_here(lambda: cloudpickle.loads(frame))
    if outcome.content is not None:
        return DONE + outcome.content
    return SPENT if outcome.again else FAILED + outcome.message.encode()


def attempt_here(given: Callable[[], Task]) -> Outcome:
    """Run a task in this process, and return what became of it; a kind that is not ours may raise anything."""
    try:
        return Outcome(_run(given()))
    except MemoryError:
        return Outcome(None, "ran out of memory", again=True)
    except RecsimError as fault:
        return Outcome(None, str(fault))
    except (Exception, SystemExit) as fault:
        first: BaseException = fault
        while first.__cause__ is not None:  # what raised it, which SimPy wraps
            first = first.__cause__
        last = traceback.extract_tb(first.__traceback__)[-1]
        text = f"{type(first).__name__}: {first} (line {last.lineno} of {Path(last.filename).name})"
        return Outcome(None, " ".join(text.split()))


def _run(task: Task) -> bytes:
    """Return the bytes of a cell, made by one thread.

    Raises RecsimError where it would be made by other code or versions than asked for.
    """
    from threadpoolctl import threadpool_limits

    if task.made != made_by():
        raise RecsimError("code or versions here are not those of the master; install the same recsim, Python and packages")
    with threadpool_limits(1):
        return cell_content(task.scenario, task.seed, task.keep, task.cell)


# ---------------------------------------------------------------------------------------------------------- its other side
class Worker:
    """Runs cells one after the other in a process of its own; a fresh one takes the place of each that died.

    limit: seconds that a cell may take before its process is killed, or None.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._process: Interpreter | None = None
        self._busy, self._starting = threading.Lock(), threading.Lock()
        self._closed = False

    def attempt(self, frame: bytes) -> Outcome:
        """Let the process run a task, and return what became of it."""
        with self._busy:
            return self._attempt(frame)

    def _attempt(self, frame: bytes) -> Outcome:
        try:
            process = self._ready()
        except OSError as fault:
            return Outcome(None, f"no process could be started: {fault}", again=True)
        with limited(process, self.limit) as late:
            said = process.answer() if process.began and process.ask(frame) else None
        if said is not None and said != SPENT:
            return Outcome(bytes(said[1:])) if said[:1] == DONE else Outcome(None, said[1:].decode(errors="replace"))
        self._process = None
        if said:  # it is there yet, but another may have more memory
            process.popen.kill()
        end = process.end()
        if late.is_set():
            return Outcome(None, f"took longer than the limit of {self.limit:g} s", again=True)
        return Outcome(None, "ran out of memory" if said else end, again=True)

    def stop(self) -> None:
        """Kill the process, whatever it is doing, and let no other be started."""
        with self._starting:
            self._closed = True
            if self._process is not None:
                self._process.popen.kill()

    def close(self) -> None:
        """Stop, wait until who waited for an answer knows, and leave nothing open."""
        self.stop()
        with self._busy:
            if self._process is not None:
                self._process.end()
                self._process = None

    def _ready(self) -> Interpreter:
        """Return the process, a fresh one where there is none or it has ended; it may have ended as soon as it began."""
        if self._process is not None and self._process.ended:
            self._process.end()
            self._process = None
        if self._process is None:
            with self._starting:
                if self._closed:
                    raise OSError("the study is over")
                self._process = Interpreter("workers")
            self._process.begin()
        return self._process


@contextmanager
def limited(process: Interpreter, seconds: float | None) -> Iterator[threading.Event]:
    """Kill a process when the body takes longer; the event tells whether that was so."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.popen.kill()

    timer = threading.Timer(seconds or 0.0, kill)
    if seconds is not None:
        timer.start()
    try:
        yield late
    finally:
        timer.cancel()
