"""What a whole run costs beside the work it cannot avoid: implicit's own fits and filtered `recommend`, and its own.

    python benchmarks/loop.py [--users 100000] [--items 10000] [--epochs 10] [--visits 5] [--cold] [--impressions]
                              [--window N] [--threads 1] [--folder] [--alone] [--json FILE]

A world of ALS with 32 factors, slates of 10 and about five visits per user and epoch is run once, its training matrices
taken along. Then, in the same process and with the same setting of warmth, passes and threads, implicit fits those very
matrices and recommends, with liked items filtered, to all users, once an epoch. Printed are the wall times, the ratio of the run
to implicit's fits and lists, and to its own fits and lists, and the peak memory of the process up to the end of the run, and of
those that solve beside it. With --impressions all that was shown is kept, in a folder, and the team's benchmark is measured
too. --folder keeps the run in one, --window trains on the last N epochs only, --alone leaves implicit out.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from machine import pin, spent
from threadpoolctl import threadpool_limits

import recsim as rs
from recsim import models, recommenders
from recsim.solvers import CREW


def scenario(
    users: int, items: int, epochs: int, visits: float, warm: bool, impressions: bool = False, window: int = 0
) -> rs.Scenario:
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
        log="impressions" if impressions else "clicks",
        benchmark=10 if impressions else 0,
        training=(rs.Window(last=window),) if window else (),
    )


def ours(world: rs.Scenario, threads: int, keep: bool) -> tuple[dict[str, Any], list[Any]]:
    """Return the figures of a run, and the matrices it was trained on."""
    matrices: list[Any] = []
    build = recommenders._matrix

    def watched(*arguments: Any) -> Any:
        matrices.append(build(*arguments))
        return matrices[-1]

    recommenders._matrix = watched  # taken along as they are made, so that building them again costs nothing
    try:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            fits, lists = stack.enter_context(spent(rs.ALS, "fit")), stack.enter_context(spent(models.Factors, "rank"))
            began = time.perf_counter()
            out = Path(folder) / "run" if keep else None
            run = rs.run(world, seed=1, threads=threads, progress=False, out=out)
            seconds = time.perf_counter() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
            visits = int(run.series("visits").sum())
            return {
                "seconds": seconds, "fits": fits(), "lists": lists(), "own_ratio": seconds / (fits() + lists()), "visits": visits,
                "visits_per_second": visits / seconds, "peak_gib": peak, "beside_gib": solving_gib(), "digest": run.digest,
            }, matrices  # fmt: skip
    finally:
        recommenders._matrix = build


def solving_gib() -> float:
    """Return the peak memory in GiB of the processes that solve beside this one, together; NaN where the system does not tell.

    What the system says of children that have ended begins with the memory of who started them, so they are asked while they are.
    """
    total = 0.0
    for solver in CREW._here.get(os.getpid(), []):
        status = Path(f"/proc/{solver.popen.pid}/status")
        peaks = re.findall(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8")) if status.exists() else []
        total += float(peaks[0]) / 2**20 if peaks else math.nan
    return total


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
    for name, default in (("users", 100_000), ("items", 10_000), ("epochs", 10), ("window", 0), ("threads", 1), ("batch", 1000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--visits", type=float, default=5.0)
    for flag in ("cold", "impressions", "folder", "alone"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--json", metavar="FILE", type=Path)
    given = parser.parse_args()
    pinned = pin(given.threads)
    world = scenario(given.users, given.items, given.epochs, given.visits, not given.cold, given.impressions, given.window)
    figures, matrices = ours(world, given.threads, given.folder or given.impressions)
    told = f"recsim {figures['seconds']:.1f} s for {figures['visits']:,} visits, {figures['own_ratio']:.2f} x its fits and lists"
    if not given.alone:
        with threadpool_limits(1, user_api="blas"):
            fits, tops = bare(matrices, world.recommender, given.threads, given.batch)
        figures |= {"implicit_fits": fits, "implicit_lists": tops, "ratio": figures["seconds"] / (fits + tops)}
        told += f"; implicit fits {fits:.1f} s + lists {tops:.1f} s: ratio {figures['ratio']:.2f}"
    print(f"{told}; peak memory {figures['peak_gib']:.2f} GiB, {figures['beside_gib']:.2f} beside")
    if given.json:
        figures |= {"pinned": pinned, "asked": vars(given)}
        given.json.write_text(json.dumps(figures, indent=2, default=str), encoding="utf-8")


if __name__ == "__main__":
    main()
