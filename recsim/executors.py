"""Executors: who runs the cells of a study, on this machine or on others, and how often one is tried whose process died."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import Any, Protocol
from uuid import uuid4

from recsim.cells import processes
from recsim.errors import RecsimError
from recsim.workers import Outcome, Task, Worker, packed

TRIES = 3  # of a cell whose process dies, hangs or runs out of memory; what fails by itself would fail again
TICK = 1.0  # seconds after which it is said how far the study is, though nothing has changed
PATIENCE = 30.0  # seconds in which the first worker of a cluster must come


class Crew(Protocol):
    """Runs tasks: how many at once, one attempt at one of them, and the end, at which what is still running is stopped."""

    @property
    def size(self) -> int:
        """How many cells run at once."""

    def submit(self, frame: bytes) -> Future[Outcome]:
        """Begin an attempt."""

    def close(self) -> None:
        """Stop what runs."""


class Local:
    """So many worker processes on this machine; a thread waits for each."""

    def __init__(self, size: int, limit: float | None) -> None:
        self.size = size
        self._workers = [Worker(limit) for _ in range(size)]
        self._free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)
        self._threads = ThreadPoolExecutor(size)

    def submit(self, frame: bytes) -> Future[Outcome]:
        """Begin an attempt."""
        return self._threads.submit(self._attempt, frame)

    def _attempt(self, frame: bytes) -> Outcome:
        worker = self._free.get()
        try:
            return worker.attempt(frame)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Stop what runs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.close()
        self._threads.shutdown()


class Foreign:
    """Worker processes wherever a `concurrent.futures.Executor` runs what it is given: one beside each thread of it.

    size: returns how many run at once. everywhere: calls a function with an argument once wherever attempts may have been made.
    """

    def __init__(
        self, executor: Executor, limit: float | None, size: Callable[[], int],
        everywhere: Callable[[Callable[[str], None], str], Any] = lambda function, argument: None,
    ) -> None:  # fmt: skip
        self._executor, self._limit, self._size, self._everywhere = executor, limit, size, everywhere
        self._name = uuid4().hex

    @property
    def size(self) -> int:
        """How many cells run at once."""
        return max(1, self._size())

    def submit(self, frame: bytes) -> Future[Outcome]:
        """Begin an attempt."""
        return self._executor.submit(attempt, frame, self._limit, self._name)

    def close(self) -> None:
        """Stop what runs; the executor itself is its owner's."""
        self._everywhere(dismiss, self._name)


_HERE: dict[tuple[str, int], Worker] = {}  # workers beside the threads of this process, by study and thread


def attempt(frame: bytes, limit: float | None, study: str) -> Outcome:
    """Make an attempt at a task by the worker beside this thread."""
    worker = _HERE.setdefault((study, threading.get_ident()), Worker(limit))
    return worker.attempt(frame)


def dismiss(study: str) -> None:
    """Stop the workers of a study that were started from this process."""
    for key in [key for key in _HERE if key[0] == study]:
        _HERE.pop(key).close()


# ----------------------------------------------------------------------------------------------------------- who it is
@contextmanager
def crew_of(executor: Any, workers: int | None, limit: float | None) -> Iterator[Crew]:
    """Give who runs cells: processes here, a Dask cluster by its address or client, or what another executor reaches.

    Raises RecsimError where the cluster cannot be reached, or the executor is none.
    """
    if executor is None:
        yield from _closing(Local(processes(workers), limit))
    elif isinstance(executor, str):
        with _client(executor) as client:
            yield from _closing(_dask(client, limit))
    elif hasattr(executor, "get_executor"):
        yield from _closing(_dask(executor, limit))
    elif isinstance(executor, Executor):
        yield from _closing(Foreign(executor, limit, lambda: int(getattr(executor, "_max_workers", 0) or 8), _call))
    else:
        raise RecsimError(f"executor: {executor!r} is none; give the address of a Dask cluster, its client or an Executor")


def _closing(crew: Crew) -> Iterator[Crew]:
    try:
        yield crew
    finally:
        crew.close()


def _call(function: Callable[[str], None], argument: str) -> None:
    function(argument)


def _dask(client: Any, limit: float | None) -> Foreign:
    """Return the crew of a Dask client."""

    def everywhere(function: Callable[[str], None], argument: str) -> None:
        with suppress(Exception):  # a cluster that has gone has stopped already
            client.run(function, argument)

    return Foreign(client.get_executor(pure=False), limit, lambda: sum(client.ncores().values()), everywhere)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    """Give a client of the Dask cluster at an address.

    Raises RecsimError where Dask is not installed, nobody answers, or no worker comes.
    """
    try:
        import distributed
    except ImportError:
        raise RecsimError('cluster: needs Dask; install it by pip install "recsim-loop[dask]", on every machine') from None
    try:
        connect: Any = distributed.Client  # the library is untyped
        client = connect(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as fault:
        raise RecsimError(f"cluster: {address}: {fault}; give the address that dask scheduler prints") from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise RecsimError(f"cluster: {address} has no worker; start one by dask worker {address}") from None
        yield client


# ------------------------------------------------------------------------------------------------------------ all cells
def perform(crew: Crew, tasks: Sequence[Task], tick: Callable[[int], None]) -> Generator[tuple[Task, Outcome, int]]:
    """Yield each task as it is over, with what became of it and how often it was tried.

    One whose process died is tried again behind all others, by a process that is a fresh one. tick: is told how many run, every
    now and then. Raises RecsimError where the executor is no longer there.
    """
    ahead = deque((task, 1) for task in tasks)
    running: dict[Future[Outcome], tuple[Task, int]] = {}
    while ahead or running:
        size = crew.size
        while ahead and len(running) < 2 * size:  # twice, so that nobody waits for the master
            task, tries = ahead.popleft()
            running[crew.submit(packed(task))] = task, tries
        over, _ = wait(running, TICK, FIRST_COMPLETED)
        tick(min(size, len(running)))
        for future in over:
            task, tries = running.pop(future)
            outcome = _outcome(future)
            if outcome.again and tries < TRIES:
                ahead.append((task, tries + 1))
            else:
                yield task, outcome, tries


def _outcome(future: Future[Outcome]) -> Outcome:
    """Return what became of an attempt; an executor that lost it may say so by an error of its own."""
    try:
        fault = future.exception()
    except BaseException as cancelled:  # by a cluster that was closed
        what = type(cancelled).__name__
        raise RecsimError(f"executor: it is gone ({what}); what is done is kept, run the study again") from None
    return future.result() if fault is None else Outcome(None, f"{type(fault).__name__}: {fault}", again=True)
