"""What a second thread, or a process beside, does for implicit's step of alternating least squares, by the length of rows.

    python benchmarks/solves.py [--rows 100000] [--items 10000] [--processes 3] [--rounds 5]

Printed are, for rows of so many entries, the seconds of one thread over those of two, and over those of one thread and one
process beside it as recsim shares them: medians of rounds in turns, a pair of lines a process. Each solve takes a lock of
OpenBLAS, so that two threads on short rows are quick at times and hold each other up at others; processes have a lock each.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from implicit.cpu import _als
from machine import pin
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from recsim import solvers
from recsim.interpreters import Interpreter

LENGTHS = 5, 10, 20, 40, 80, 160


def speed_ups(rows: int, items: int, length: int, rounds: int, crew: list[Interpreter]) -> tuple[float, float]:
    """Return how many times as fast two threads are as one in solving rows of a length, and a thread and a process."""
    chance = np.random.default_rng(1)
    shape, ends = (rows, items), np.arange(0, rows * length + 1, length, dtype=np.int32)
    matrix = csr_matrix((np.ones(ends[-1], np.float32), chance.integers(0, items, ends[-1], np.int32), ends), shape)
    ours, theirs = (0.01 * chance.random((size, 32), np.float32) for size in shape)

    def threads(number: int) -> Callable[[np.ndarray], None]:
        return lambda into: _als.least_squares_cg(matrix, into, theirs, 0.01, num_threads=number, cg_steps=3)

    shared = solvers.Fit(3)
    ways = threads(1), threads(2), lambda into: shared.step(matrix, into, theirs, 0.01, crew)
    spent: list[list[float]] = [[], [], []]
    for _ in range(rounds):
        for way, seconds in zip(ways, spent, strict=True):
            into, began = ours.copy(), time.perf_counter()
            way(into)
            seconds.append(time.perf_counter() - began)
    one, two, beside = (float(np.median(seconds)) for seconds in spent)
    return one / two, one / beside


def ready() -> list[Interpreter]:
    """Return a process that solves, as soon as it is there."""
    while True:
        with solvers.CREW.of(1) as crew:
            if crew:
                return crew
        time.sleep(0.05)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 100_000), ("items", 10_000), ("processes", 3), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    if given.processes > 1:
        print("entries a row      " + "  ".join(f"{length:5}" for length in LENGTHS), flush=True)
        asked = [part for name in ("rows", "items", "rounds") for part in (f"--{name}", str(getattr(given, name)))]
        for _ in range(given.processes):
            subprocess.run([sys.executable, __file__, *asked, "--processes", "1"], check=True)
        return
    pin(2)
    with threadpool_limits(1, user_api="blas"):
        crew = ready()
        found = [speed_ups(given.rows, given.items, length, given.rounds, crew) for length in LENGTHS]
    for name, ratios in zip(("two threads", "thread and process"), zip(*found, strict=True), strict=True):
        print(f"{name:18} " + "  ".join(f"{ratio:5.2f}" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
