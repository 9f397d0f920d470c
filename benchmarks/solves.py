"""What a second thread does for implicit's step of alternating least squares, by how many entries a row has.

    python benchmarks/solves.py [--entries 2000000] [--items 10000] [--processes 4] [--rounds 5]

Printed is a line a process and in it, for rows of each length, the seconds of one thread over those of two: medians of rounds in
turns. Each solve takes a lock of OpenBLAS, so that two threads on short rows are quick at times and hold each other up at others.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

import numpy as np
from implicit.cpu import _als
from machine import pin
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

LENGTHS = 10, 20, 40, 80, 160, 320


def speed_up(entries: int, items: int, length: int, rounds: int) -> float:
    """Return how many times as fast two threads are as one in solving rows of a length."""
    chance, rows = np.random.default_rng(1), entries // length
    shape, ends = (rows, items), np.arange(0, rows * length + 1, length)
    matrix = csr_matrix((np.ones(ends[-1], np.float32), chance.integers(0, items, ends[-1], np.int32), ends), shape)
    ours, theirs = (0.01 * chance.random((size, 32), np.float32) for size in shape)
    spent: dict[int, list[float]] = {1: [], 2: []}
    for threads in (1, 2) * rounds:
        into, began = ours.copy(), time.perf_counter()
        _als.least_squares_cg(matrix, into, theirs, 0.01, num_threads=threads, cg_steps=3)
        spent[threads].append(time.perf_counter() - began)
    return float(np.median(spent[1]) / np.median(spent[2]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("entries", 2_000_000), ("items", 10_000), ("processes", 4), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    if given.processes > 1:
        print("entries a row  " + "  ".join(f"{length:5}" for length in LENGTHS), flush=True)
        asked = [part for name in ("entries", "items", "rounds") for part in (f"--{name}", str(getattr(given, name)))]
        for _ in range(given.processes):
            subprocess.run([sys.executable, __file__, *asked, "--processes", "1"], check=True)
        return
    pin(2)
    with threadpool_limits(1, user_api="blas"):
        ratios = [speed_up(given.entries, given.items, length, given.rounds) for length in LENGTHS]
    print("times as fast  " + "  ".join(f"{ratio:5.2f}" for ratio in ratios), flush=True)


if __name__ == "__main__":
    main()
