"""How much a whole run costs beside the work it cannot avoid: implicit's own fits and filtered `recommend`.

    python benchmarks/loop.py [--users 100000] [--items 10000] [--epochs 5] [--visits 5] [--warm] [--at-most 2] [--json FILE]

A world of ALS with 32 factors, slates of 10 and about five visits per user and epoch is run once, its training matrices
taken along. Then, in the same process and with the same setting of warmth, passes and threads, implicit fits those very
matrices and recommends, with liked items filtered, to all users, once an epoch. Printed is the ratio of the two wall
times, with the seconds beside it, and the peak memory of the process up to the end of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

import recsim as rs
from recsim import recommenders


def scenario(users: int, items: int, epochs: int, visits: float, warm: bool) -> rs.Scenario:
    """Return the world of the benchmark."""
    return rs.Scenario(
        name="benchmark",
        days=7.0 * epochs,
        slate=10,
        population=rs.SyntheticUsers(users=users, topics=16, mainstream=4),
        catalog=rs.SyntheticItems(items=items, topics=16, mainstream=4),
        visits=rs.Poisson(rate=visits / 7, spread=0.5),
        recommender=rs.ALS(factors=32, warm=warm),
        retrain=rs.Retrain(every=7.0),
    )


def ours(world: rs.Scenario, threads: int) -> tuple[float, list[Any], rs.Run]:
    """Return the seconds of a run, the matrices it was trained on, and the run."""
    matrices: list[Any] = []
    build = recommenders._matrix

    def watched(*arguments: Any) -> Any:
        matrices.append(build(*arguments))
        return matrices[-1]

    recommenders._matrix = watched  # taken along as they are made, so that building them again costs nothing
    try:
        began = time.perf_counter()
        run = rs.run(world, seed=1, threads=threads, progress=False)
        return time.perf_counter() - began, matrices, run
    finally:
        recommenders._matrix = build


def bare(matrices: list[Any], als: rs.ALS, threads: int, batch: int) -> tuple[float, float]:
    """Return the seconds of implicit's fits, and of its filtered recommendations to all users."""
    from implicit.cpu.als import AlternatingLeastSquares

    fits = tops = 0.0
    previous = None
    for matrix in matrices:
        warm = als.warm and previous is not None
        model = AlternatingLeastSquares(
            factors=als.factors, regularization=als.regularization, alpha=als.alpha,
            iterations=als.warm_iterations if warm else als.iterations, random_state=1, num_threads=threads,
        )  # fmt: skip
        if warm:
            model.user_factors, model.item_factors = previous.user_factors.copy(), previous.item_factors.copy()
        began = time.perf_counter()
        model.fit(matrix, show_progress=False)
        fits += time.perf_counter() - began
        began = time.perf_counter()
        for start in range(0, matrix.shape[0], batch):
            who = np.arange(start, min(start + batch, matrix.shape[0]))
            model.recommend(who, matrix[who], N=10, filter_already_liked_items=True)
        tops += time.perf_counter() - began
        previous = model
    return fits, tops


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 100_000), ("items", 10_000), ("epochs", 5), ("threads", 1), ("batch", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--visits", type=float, default=5.0)
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--at-most", type=float, default=float("inf"), help="exit with 1 when the ratio is above this")
    given = parser.parse_args()
    world = scenario(given.users, given.items, given.epochs, given.visits, given.warm)
    seconds, matrices, run = ours(world, given.threads)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    with threadpool_limits(1, user_api="blas"):
        fits, tops = bare(matrices, world.recommender, given.threads, given.batch)
    visits = int(run.items["impressions"].sum()) // world.slate
    figures = {
        "users": given.users, "items": given.items, "epochs": given.epochs, "threads": given.threads, "warm": given.warm,
        "visits": visits, "clicks": len(run.clicks), "recsim_seconds": seconds, "implicit_fit_seconds": fits,
        "implicit_recommend_seconds": tops, "fits": len(matrices), "ratio": seconds / (fits + tops), "peak_gib": peak,
        "machine": platform.machine(), "processors": os.cpu_count(),
        "blas": [f"{library['internal_api']} {library.get('architecture')}" for library in threadpool_info()],
    }  # fmt: skip
    print(f"recsim {seconds:.1f} s for {visits:,} visits; implicit fit {fits:.1f} s + recommend {tops:.1f} s; ", end="")
    print(f"ratio {figures['ratio']:.2f}; peak memory {peak:.2f} GiB")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")
    sys.exit(figures["ratio"] > given.at_most)


if __name__ == "__main__":
    main()
