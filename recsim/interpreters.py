"""Interpreters: processes of Python beside this one, each told on its standard input what to do and answering on its output.

None shares a lock or a queue with any other, so that one that is killed blocks nobody. They do not import the caller's main
module, so that notebooks and scripts without a guard can use them on any system. Each uses one thread, and goes when who started
it goes.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt

IDLE = 120.0  # seconds after which a process that is given nothing to do ends itself
DYING = 5.0  # seconds that a process may take to end after it has closed its output
THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS"
_WIDE = 1 << 20  # bytes that a pipe should hold
READY = b"R"  # what a process says first
Bytes = bytes | npt.NDArray[np.uint8]


# ---------------------------------------------------------------------------------------------------------- in the process
def serve(answer: Callable[[bytearray], Bytes]) -> None:
    """Answer what standard input asks, until it ends, what is printed meanwhile goes to standard error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked: queue.SimpleQueue[bytearray] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, asked), daemon=True).start()
    with suppress(queue.Empty):
        _send(answers, READY)
        while True:
            _send(answers, answer(asked.get(timeout=IDLE)))
    os._exit(0)  # the other thread waits for standard input, so that there is no ordinary end


def _listen(source: Any, asked: queue.SimpleQueue[bytearray]) -> None:
    """Hand on what is asked; when who asks has gone, go at once, whatever is being worked on."""
    while (frame := _receive(source)) is not None:
        asked.put(frame)
    os._exit(0)


def _send(sink: IO[bytes], *parts: Bytes) -> None:
    """Write the parts of a frame after their length."""
    sink.write(sum(len(part) for part in parts).to_bytes(8, "little"))
    for part in parts:
        sink.write(cast(bytes, part))
    sink.flush()


def _receive(source: Any) -> bytearray | None:
    """Return the next frame; None at the end, also amid a frame."""
    length = source.read(8)
    if len(length) < 8:
        return None
    frame = bytearray(int.from_bytes(length, "little"))
    return frame if source.readinto(frame) == len(frame) else None


# ---------------------------------------------------------------------------------------------------------- its other side
class Interpreter:
    """One process, its pipes, and what it says on standard error."""

    def __init__(self, module: str) -> None:
        """Start one that runs the function `work` of a module of ours. Raises OSError where it cannot be started."""
        code = f"import sys; sys.path[:] = {[str(path) for path in sys.path]!r}; from recsim.{module} import work; work()"
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (`end` closes it)
        self.began, self.told = False, 0  # told: bytes on standard error before what it is at
        try:
            self.popen = subprocess.Popen(  # in a group of its own: Ctrl-C is for the master
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
                env=os.environ | dict.fromkeys(THREADS, "1"), start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )  # fmt: skip
        except BaseException:
            self.errors.close()
            raise
        assert self.popen.stdin and self.popen.stdout
        self.into, self.out = self.popen.stdin, self.popen.stdout
        for pipe in (self.into, self.out):
            _widen(pipe)

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.popen.poll() is not None

    def begin(self) -> None:
        """Wait until it is ready to be asked, or has ended; what says anything else first is killed."""
        with suppress(OSError, ValueError):  # closed by us
            self.began = self.out.read(9) == len(READY).to_bytes(8, "little") + READY
        if not self.began:
            self.popen.kill()

    def ask(self, *parts: Bytes) -> bool:
        """Ask it something, in parts; return whether it was there to be asked."""
        try:
            self.told = os.fstat(self.errors.fileno()).st_size
            _send(self.into, *parts)
        except (OSError, ValueError):  # the pipe is broken, or closed by us
            return False
        return True

    def answer(self) -> bytearray | None:
        """Return its answer; None where it ends before it answers."""
        try:
            return _receive(self.out)
        except (OSError, ValueError):
            return None

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


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold more at a time, where the system can do that, so that the two ends wait for each other less often."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _WIDE)


def _how(code: int) -> str:
    """Return how a process ended, by its code.

    >>> _how(3)
    'its process ended with code 3'
    """
    if code >= 0:
        return f"its process ended with code {code}"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"its process was killed by {name}" + (", as the system does when memory runs out" if name == "SIGKILL" else "")
