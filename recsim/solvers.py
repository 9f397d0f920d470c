"""Solvers: implicit's alternating least squares, its steps over many rows shared with processes beside this one.

Each solve asks OpenBLAS for a buffer, and that takes a lock of its process. Where rows are short, threads spend more time waiting
for it than solving, and two can be half as fast as one; processes share no lock. Who solves a row changes nothing: what a process
does not answer, because it is not there yet or was killed, is solved here.
"""

from __future__ import annotations

import atexit
import math
import os
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache, partial
from importlib import import_module
from typing import Any
from weakref import ref

import numpy as np
import numpy.typing as npt

from recsim.ahead import together
from recsim.interpreters import Interpreter, serve

LONG = 32  # entries a row, in the mean, from which several threads of one process are no slower than one
LEAST = 20_000  # rows of a step that are worth sharing, where they are no fewer than the columns, whose factors go to all
TRIES = 3  # processes that end before they are ready; then no other is started
ABLE = bool(sys.executable) and not getattr(sys, "frozen", False) and sys.platform != "darwin"
"""Whether processes can solve here: a frozen program has no interpreter, and the BLAS of macOS may add in another order there."""
_EACH, _SENT = 16, 5  # entries that cost as much as a row itself, and as its factors on their way
_HEAD = "<5qd"  # rows, columns, factors, entries (-1: the rows of before), steps of conjugate gradients; regularization


def implicit(module: str) -> Any:
    """Return a module of implicit, without what its progress bar says about notebooks while it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(f"implicit.{module}")


@cache
def alternating() -> Any:
    """Return implicit's `AlternatingLeastSquares`, its steps over many rows shared with a process for each thread but one."""
    whole: Any = implicit("cpu.als").AlternatingLeastSquares

    class Steps(whole):  # type: ignore[misc]  # implicit has no types
        @property
        def solver(self) -> Any:
            alone, shared = super().solver, Fit(self.cg_steps)

            def solve(matrix: Any, ours: Any, theirs: Any, regularization: float, *, num_threads: int) -> None:
                rows, columns = matrix.shape
                with crew(rows, columns, num_threads) as others:
                    if others:
                        shared.step(matrix, ours, theirs, regularization, others)
                if not others:
                    shared.forget(matrix)
                    long = matrix.nnz >= LONG * rows
                    alone(matrix, ours, theirs, regularization, num_threads=num_threads if long else 1)

            return solve

    return Steps


class Fit:
    """A fit whose rows are cut into a part for this process and one for each of a crew."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._cut: tuple[Any, list[Interpreter]] = None, []
        self._parts: list[tuple[int, int, Any]] = []

    def forget(self, matrix: Any) -> None:
        """Let the next step for a matrix send all anew: another has changed the factors of its rows."""
        if matrix is self._cut[0]:
            self._cut, self._parts = (None, []), []

    def step(self, matrix: Any, ours: Any, theirs: Any, regularization: float, crew: list[Interpreter]) -> None:
        """Solve for *ours* (rows, factors), in place, given *theirs* (columns, factors)."""
        anew = CREW.solves() is not self or self._cut[0] is not matrix or self._cut[1] != crew
        if anew:
            self._cut, self._parts = (matrix, crew), _parts(matrix, len(crew) + 1)
            CREW.solves = ref(self)

        def ask(number: int) -> bool:
            start, end, rows = self._parts[number]
            head = struct.pack(_HEAD, end - start, *theirs.shape, rows.nnz if anew else -1, self.steps, regularization)
            arrays = (theirs, rows.data, rows.indices, rows.indptr, ours[start:end]) if anew else (theirs,)
            return crew[number - 1].ask(head, *map(_raw, arrays))

        def here(number: int) -> bool:
            start, end, rows = self._parts[number]
            _step(rows, ours[start:end], theirs, regularization, self.steps)
            return False

        asked = together(*(partial(ask, number) for number in range(1, len(crew) + 1)), partial(here, 0), threads=2)
        for number, (start, end, _) in enumerate(self._parts[1:], 1):
            answer = crew[number - 1].answer() if asked[number - 1] else None
            if answer is None:
                here(number)
            else:
                ours[start:end] = np.frombuffer(answer, ours.dtype).reshape(ours[start:end].shape)


def _raw(array: np.ndarray[Any, Any]) -> npt.NDArray[np.uint8]:
    return np.ravel(array).view(np.uint8)


def _parts(matrix: Any, number: int) -> list[tuple[int, int, Any]]:
    """Return where each of so many parts of the rows begins and ends, and its rows; others are given less than the first, which
    is solved here, for the way there and back.
    """
    work = matrix.indptr + _EACH * np.arange(matrix.shape[0] + 1)
    more = _SENT * matrix.shape[0] / work[-1]
    cuts = np.searchsorted(work, work[-1] * (np.arange(number + 1) + more) / (number + more))
    cuts[0], cuts[-1] = 0, matrix.shape[0]  # whatever was rounded
    return [(start, end, _rows(matrix, start, end)) for start, end in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True)]


def _rows(matrix: Any, start: int, end: int) -> Any:
    """Return some rows of a matrix, on the memory of the whole."""
    from scipy.sparse import csr_matrix

    ends = matrix.indptr[start : end + 1]
    some = slice(ends[0], ends[-1])
    return csr_matrix((matrix.data[some], matrix.indices[some], ends - ends[0]), shape=(end - start, matrix.shape[1]))


def _step(matrix: Any, ours: Any, theirs: Any, regularization: float, steps: int) -> None:
    from implicit.cpu import _als

    _als.least_squares_cg(matrix, ours, theirs, regularization, num_threads=1, cg_steps=steps)


# ------------------------------------------------------------------------------------------------- the processes from here
class Crew:
    """Processes that solve; solves: returns the fit whose rows they have, None where it has gone."""

    def __init__(self) -> None:
        self.solves: Callable[[], Fit | None] = lambda: None
        self._busy = threading.Lock()
        self._here: dict[int, list[Interpreter]] = {}  # by the process that started them: a fork uses none of its parent's
        self._failed = 0  # how many have ended before they were ready

    @contextmanager
    def of(self, size: int) -> Generator[list[Interpreter]]:
        """Give those of so many that are ready, started when first asked for; none while another thread has them.

        No more than there are processors for, and none where an interpreter cannot be started or may count otherwise.
        """
        size = min(size, (os.cpu_count() or 1) - 1)
        if size <= 0 or not ABLE or not self._busy.acquire(blocking=False):
            yield []
            return
        try:
            yield self._ready(size)
        except BaseException:  # an answer may be under way
            self.dismiss()
            raise
        finally:
            self._busy.release()

    def _ready(self, size: int) -> list[Interpreter]:
        if os.getpid() not in self._here:
            atexit.register(self.dismiss)
        here = self._here.setdefault(os.getpid(), [])
        for solver in [one for one in here if one.ended]:
            here.remove(solver)
            solver.end()
            self._failed += not solver.began
        with suppress(OSError, RuntimeError):  # no process, or no thread, can be started
            while len(here) < size and self._failed < TRIES:
                here.append(Interpreter("solvers"))
                threading.Thread(target=here[-1].begin, daemon=True).start()
        return [one for one in here if one.began][:size]

    def dismiss(self) -> None:
        """End the processes that this one has started."""
        for solver in self._here.pop(os.getpid(), []):
            solver.popen.kill()
            solver.end()


CREW = Crew()


def crew(rows: int, columns: int, threads: int) -> AbstractContextManager[list[Interpreter]]:
    """Give the processes that solve so many rows beside this one, as far as they are ready; those that are not there begin."""
    return CREW.of(threads - 1 if rows >= max(LEAST, columns) else 0)


# -------------------------------------------------------------------------------------------------------------- in one of them
def work() -> None:
    """Solve what standard input asks for, until it ends."""
    alternating()  # so that implicit is there before the first request
    serve(_Share().answer)


class _Share:
    """What a process solves: its rows of a matrix, and their factors as they are by now."""

    matrix: Any
    ours: Any

    def answer(self, frame: bytearray) -> npt.NDArray[np.uint8]:
        """Return the factors of the rows, solved once more."""
        from scipy.sparse import csr_matrix

        rows, columns, width, entries, steps, regularization = struct.unpack_from(_HEAD, frame)
        place = struct.calcsize(_HEAD)

        def array(kind: type[np.generic], *shape: int) -> np.ndarray[Any, Any]:
            nonlocal place
            found = np.frombuffer(frame, kind, math.prod(shape), place).reshape(shape)
            place += found.nbytes
            return found

        theirs = array(np.float32, columns, width)
        if entries >= 0:
            parts = array(np.float32, entries), array(np.int32, entries), array(np.int32, rows + 1)
            self.matrix, self.ours = csr_matrix(parts, shape=(rows, columns)), array(np.float32, rows, width)
        _step(self.matrix, self.ours, theirs, regularization, steps)
        return _raw(self.ours)
