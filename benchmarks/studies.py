"""What a study costs beside its cells: start, overhead of a cell, and how much two workers do more than one.

    python benchmarks/studies.py [--cells 200] [--parts 2] [--wait 0.5] [--dask]

The cells are those of a small world, of the quickstart's kind. They are run part by part, each part by one worker and by two (and
by a Dask cluster of two on this machine), one after the other, so that whatever else the machine does meets all alike; ratios are
those of the total times, start included. What two processes can do more than one on this machine as it is now is printed beside
them, by a loop that shares nothing. With --wait each cell waits so many seconds in place of computing: the executor alone.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import recsim as rs
from recsim.executors import Local, perform
from recsim.stores import put
from recsim.studies import points, tasks_of

CELL = 2.0  # seconds, the cell that the overhead is a share of
HERE = Path(__file__).parent.parent


def world(days: float) -> rs.Scenario:
    """Return a quickstart of a few hundred people."""
    quickstart = rs.Scenario.load(HERE / "scenarios" / "quickstart.toml")
    people, items = quickstart.population.but(users=400), quickstart.catalog.but(items=300)
    return quickstart.but(days=days, population=people, catalog=items)


class Waiting(rs.Greedy):
    """Waits before it fills the first position of slates: in a world of one window, once a cell."""

    seconds: float = 0.5

    def place(self, visits: Any, ranking: Any, placed: Any) -> Any:
        """Wait, then serve."""
        if not placed.shape[1]:
            time.sleep(self.seconds)
        return super().place(visits, ranking, placed)


def study(seeds: range, days: float, wait: float = 0.0) -> rs.Study:
    """Return a study of two points."""
    if wait:
        base = world(1.0).but(recommender=rs.Random(), population=rs.SyntheticUsers(users=10, topics=12))
        return rs.Study(name="benchmark", base=base, factors={"slate": [9, 10], "policy": [Waiting(seconds=wait)]}, seeds=seeds)
    policies = {"policy": [rs.Greedy(), rs.EpsilonGreedy(epsilon=0.1)]}
    return rs.Study(name="benchmark", base=world(days), factors=policies, seeds=seeds)


def capacity() -> float:
    """Return how much two processes that share nothing do in a time, over what one does."""
    burn = [sys.executable, "-c", "x = 0\nfor i in range(20_000_000): x += i * i % 7"]

    def together(number: int) -> None:
        for process in [subprocess.Popen(burn) for _ in range(number)]:
            process.wait()

    alone, both = (statistics.median(timed(partial(together, number)) for _ in range(3)) for number in (1, 2))
    return 2 * alone / both


def timed(call: Callable[[], Any]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def overhead(folder: Path, number: int) -> tuple[float, float, float]:
    """Return the seconds until the first worker is ready, of a cell that is refused at once, and of writing one."""
    tasks = tasks_of(study(range(1), 14), points(study(range(1), 14)))[:1]
    crew = Local(1, None)
    refused = [task._replace(made="") for task in tasks * number]
    start = timed(lambda: list(perform(crew, refused[:1], lambda running: None)))
    each = timed(lambda: list(perform(crew, refused, lambda running: None))) / number
    (done,) = perform(crew, tasks, lambda running: None)
    content = done[1].content or b""
    crew.close()
    written = statistics.median(timed(lambda: put(folder / "cell.parquet", content)) for _ in range(number))
    return start, each, written


def throughput(folder: Path, cells: int, parts: int, days: float, wait: float, dask: bool) -> dict[str, float]:
    """Return the seconds that each executor takes for all cells."""
    with ExitStack() as open_until_the_end:
        ways: dict[str, dict[str, Any]] = {"one worker": {"workers": 1}, "two workers": {"workers": 2}}
        if dask:
            from distributed import LocalCluster

            cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1")
            open_until_the_end.enter_context(cluster)
            ways["dask, two workers"] = {"executor": cluster.scheduler_address}
        taken = dict.fromkeys(ways, 0.0)
        size = cells // 2 // parts
        for part in range(parts):
            asked = study(range(part * size, (part + 1) * size), days, wait)
            kept = []
            for name, how in ways.items():
                out = folder / f"{name}-{part}"
                taken[name] += timed(partial(rs.run_study, asked, out, progress=False, **how))
                kept.append({path.name: path.read_bytes() for path in (out / "cells").glob("[!.]*")})
            assert all(one == kept[0] and len(one) == 2 * size for one in kept), "cells differ"
    return taken


def main() -> None:
    """Print the figures."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--cells", type=int, default=200)
    asked.add_argument("--parts", type=int, default=2)
    asked.add_argument("--days", type=float, default=140.0)
    asked.add_argument("--wait", type=float, default=0.0)
    asked.add_argument("--dask", action="store_true")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        start, each, written = overhead(Path(name), 100)
        print(f"until the first worker is ready: {start:.2f} s")
        print(f"a cell beside its work: {1000 * each:.1f} ms, and {1000 * written:.1f} ms to write it: ", end="")
        print(f"{(each + written) / CELL:.2%} of a cell of {CELL:g} s")
        taken = throughput(Path(name), options.cells, options.parts, options.days, options.wait, options.dask)
        print(f"two processes that share nothing: {capacity():.2f} x")
        for way, seconds in taken.items():
            print(f"{options.cells} cells, {way}: {seconds:.1f} s, {taken['one worker'] / seconds:.2f} x")
        print("all cells byte-identical")


if __name__ == "__main__":
    main()
