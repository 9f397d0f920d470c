"""Work in threads: what becomes of parts, in their order, while the next ones are being worked out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Result = TypeVar("Result")


def ahead(work: Callable[[Part], Result], parts: Iterable[Part], threads: int) -> Generator[Result]:
    """Yield what *work* makes of each part, in their order; in threads, at most twice as many parts as threads ahead.

    *work* may read what the caller writes meanwhile only where that makes no difference to it. What it raises is raised here.

    >>> list(ahead(lambda part: 2 * part, range(5), threads=2))
    [0, 2, 4, 6, 8]
    """
    if threads == 1:
        for part in parts:
            yield work(part)
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(work, part))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for result in waiting:
                result.cancel()
