"""Work in threads: what becomes of parts, in their order, while the next ones are being worked out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")

THREADS = ContextVar("THREADS", default=1)
"""How many threads may work on what takes no number of its own: drawing, figures, the columns of the log."""


@contextmanager
def allowing(threads: int) -> Generator[None]:
    """Let so many threads work on what the body asks for."""
    before = THREADS.set(threads)
    try:
        yield
    finally:
        THREADS.reset(before)


def ahead(
    work: Callable[[Part], Result], parts: Iterable[Part], threads: int, after: Callable[[Part], int] = lambda part: 0
) -> Generator[Result]:
    """Yield what *work* makes of each part, in their order; in threads, this one among them, at most two parts a thread ahead.

    *work* may read what the caller writes meanwhile only where that makes no difference to it; *after*: how many results, of
    parts before it, the caller must be done with before a part is begun. What it raises is raised here. A part that is alone as
    it comes is begun when it is wanted, here, or as others have come.

    >>> list(ahead(lambda part: 2 * part, range(5), threads=2))
    [0, 2, 4, 6, 8]
    """
    if threads == 1:
        for part in parts:
            yield work(part)
        return
    waiting: deque[tuple[Future[Result], Part]] = deque()
    taken = 0

    def first() -> Result:
        """Return the result of the first; as long as others are at it, work on one that nobody has begun."""
        while not waiting[0][0].done():
            place = next((place for place, (future, _) in enumerate(waiting) if future.cancel()), None)
            if place is None:
                break
            part, here = waiting[place][1], Future[Result]()
            try:
                here.set_result(work(part))
            except Exception as fault:  # raised when it is its turn
                here.set_exception(fault)
            waiting[place] = here, part
        return waiting.popleft()[0].result()

    with ThreadPoolExecutor(threads - 1) as pool:
        try:
            for part in parts:
                while len(waiting) > 2 * threads or after(part) > taken:
                    yield first()
                    taken += 1
                waiting.append((pool.submit(work, part) if waiting else Future(), part))  # one that is alone is worked on here
            while waiting:
                yield first()
        finally:
            for future, _ in waiting:
                future.cancel()


def together(*parts: Callable[[], Any], threads: int) -> list[Any]:
    """Return what several functions return, worked out in threads."""
    return list(ahead(lambda part: part(), parts, threads))
