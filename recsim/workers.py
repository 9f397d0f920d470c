"""Workers: the process in which the cells of a study are run, and the other side of it, which survives its death.

A worker is a bare interpreter that is told on its standard input what to run and answers on its standard output. It shares
neither lock nor queue with any other, so that one that is killed blocks nobody; it does not import the caller's main module, so
that notebooks and scripts without a guard can use it on any system; it uses one thread, and it goes when who started it goes.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

from recsim.cells import made_by
from recsim.errors import RecsimError
from recsim.keeping import Keep, cell_content
from recsim.scenario import Scenario

IDLE = 120.0  # seconds after which a process that is given nothing to do ends itself
DYING = 5.0  # seconds that a process may take to end after it has closed its output
THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"
DONE, FAILED, SPENT, READY = b"D", b"F", b"M", b"R"  # how an answer begins; M: memory ran out


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
    """Run the cells that standard input asks for, until it ends; what a kind prints goes to standard error."""
    import pyarrow.parquet  # noqa: F401  (now, so that no cell pays for it)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    with suppress(queue.Empty):
        _send(answers, READY)
        while True:
            _send(answers, _answer(asked.get(timeout=IDLE)))


def _listen(source: IO[bytes], asked: queue.SimpleQueue[bytes]) -> None:
    """Hand on what is asked; when who asks has gone, go at once, whatever is being worked on."""
    while (frame := _receive(source)) is not None:
        asked.put(frame)
    os._exit(0)


def _answer(frame: bytes) -> bytes:
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


def _send(sink: IO[bytes], frame: bytes) -> None:
    sink.write(len(frame).to_bytes(8, "little") + frame)
    sink.flush()


def _receive(source: IO[bytes]) -> bytes | None:
    """Return the next frame; None at the end, also amid a frame."""
    length = source.read(8)
    if len(length) < 8:
        return None
    frame = source.read(int.from_bytes(length, "little"))
    return frame if len(frame) == int.from_bytes(length, "little") else None


# ---------------------------------------------------------------------------------------------------------- its other side
class Worker:
    """Runs cells one after the other in a process of its own; a fresh one takes the place of each that died.

    limit: seconds that a cell may take before its process is killed, or None.
    """

    def __init__(self, limit: float | None) -> None:
        self.limit = limit
        self._process: _Process | None = None
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
        with process.limited(self.limit) as late:
            said = process.ask(frame) if process.began else None
        if said is not None and said != SPENT:
            return Outcome(said[1:]) if said[:1] == DONE else Outcome(None, said[1:].decode(errors="replace"))
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

    def _ready(self) -> _Process:
        """Return the process, a fresh one where there is none or it has ended; it may have ended as soon as it began."""
        if self._process is not None and self._process.ended:
            self._process.end()
            self._process = None
        if self._process is None:
            with self._starting:
                if self._closed:
                    raise OSError("the study is over")
                self._process = _Process()
            self._process.begin()
        return self._process


class _Process:
    """One process, its pipes, and what it says on standard error."""

    def __init__(self) -> None:
        code = f"import sys; sys.path[:] = {sys.path!r}; from recsim.workers import work; work()"
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (`end` closes it)
        self.began, self.told = False, 0  # told: bytes on standard error before the task that it is at
        self.popen = subprocess.Popen(  # in a group of its own: Ctrl-C is for the master
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            env=os.environ | dict.fromkeys(THREADS, "1"), start_new_session=sys.platform != "win32",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )  # fmt: skip
        assert self.popen.stdin and self.popen.stdout
        self.into, self.out = self.popen.stdin, self.popen.stdout

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def begin(self) -> None:
        """Wait until it is ready for a task, or has ended."""
        self.began = _receive(self.out) == READY

    def ask(self, frame: bytes) -> bytes | None:
        """Return its answer to a task; None where it ends before it answers."""
        self.told = os.fstat(self.errors.fileno()).st_size
        try:
            _send(self.into, frame)
            return _receive(self.out)
        except (OSError, ValueError):  # the pipe is broken, or closed by us
            return None

    @contextmanager
    def limited(self, seconds: float | None) -> Iterator[threading.Event]:
        """Kill it when the body takes longer; the event tells whether that was so."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            self.popen.kill()

        timer = threading.Timer(seconds or 0.0, kill)
        if seconds is not None:
            timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def end(self) -> str:
        """Return how it ended, after it has; it is killed where it does not end by itself in time."""
        try:
            self.popen.wait(DYING)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.errors.seek(self.told)
        said = self.errors.read().decode(errors="replace").strip().splitlines()
        for file in (self.into, self.out, self.errors):
            with suppress(OSError):  # what could not be written any more
                file.close()
        return _how(self.popen.returncode) + (f": {said[-1]}" if said else "")


def _how(code: int) -> str:
    """Return how a process ended, by its code.

    >>> _how(3)
    'its process ended with code 3'
    """
    if code >= 0:
        return f"its process ended with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"its process was killed by {name}" + (", as the system does when memory runs out" if name == "SIGKILL" else "")
