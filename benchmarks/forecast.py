"""How well `recsim describe` foresees the seconds and the peak memory of runs: several worlds, each in processes of its own.

    python benchmarks/forecast.py [--worlds quickstart als ...] [--threads 1] [--at-most 1.5] [--json FILE]

Printed is a line a world: seconds and peak memory as foreseen and as they were, and the ratios of the two, above 1 where too much
was foreseen. What else the machine does moves the ratios of time, so its load is told beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import recsim as rs
from recsim.datasets import cache


def made_up(users: int, items: int, epochs: int, recommender: Any, **more: Any) -> rs.Scenario:
    """Return a world of five visits per person and week, with a model a week."""
    return rs.Scenario(
        days=7.0 * epochs,
        population=rs.SyntheticUsers(users=users, topics=16, mainstream=4),
        catalog=rs.SyntheticItems(items=items, topics=16, mainstream=4),
        visits=rs.Poisson(rate=5 / 7, spread=0.5),
        recommender=recommender,
        **more,
    )


def packaged(name: str) -> rs.Scenario:
    """Return a scenario that comes with recsim."""
    return rs.Scenario.load(Path(__file__).resolve().parent.parent / "scenarios" / f"{name}.toml")


WORLDS = {
    "quickstart": lambda: packaged("quickstart"),
    "movielens": lambda: packaged("movielens"),
    "ai-creators": lambda: packaged("ai-creators"),
    "als": lambda: made_up(20_000, 2_000, 8, rs.ALS(factors=32, warm=True)),
    "als-cold": lambda: made_up(100_000, 10_000, 5, rs.ALS(factors=32)),
    "popularity": lambda: made_up(50_000, 5_000, 8, rs.Popularity()),
    "impressions": lambda: made_up(20_000, 2_000, 6, rs.Popularity(), log="impressions"),
}  # fmt: skip


def foreseen(name: str, threads: int) -> dict[str, float]:
    """Return what is foreseen of a world, and how long that took."""
    from recsim.forecast import forecast

    began = time.perf_counter()
    told = forecast(WORLDS[name](), threads)
    return {**told, "took": time.perf_counter() - began}


def happened(name: str, threads: int) -> dict[str, float]:
    """Return the seconds of a run into a folder, and the peak memory of this process up to its end."""
    world = WORLDS[name]()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        rs.run(world, 1, Path(folder) / "run", threads=threads, progress=False)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "memory_bytes": peak}


def apart(part: str, name: str, threads: int) -> dict[str, Any]:
    """Return what a part of this script says in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--worlds", name, "--threads", str(threads)]
    said: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return said


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--at-most", type=float, default=float("inf"), help="exit with 1 when a ratio is off by more")
    parser.add_argument("--part", choices=["foreseen", "happened"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps({"foreseen": foreseen, "happened": happened}[given.part](given.worlds[0], given.threads)))
        return
    lines, worst = {}, 1.0
    print(f"{'world':12} {'took':>5} {'seconds':>15} {'ratio':>6} {'MB':>13} {'ratio':>6} {'load':>5}")
    for name in given.worlds:
        if name == "movielens" and not (cache() / "movielens-100k").exists():
            print(f"{name:12} left out: its data are not here; recsim data movielens-100k brings them")
            continue
        told, was = apart("foreseen", name, given.threads), apart("happened", name, given.threads)
        time_, memory = (told[key] / was[key] for key in ("seconds", "memory_bytes"))
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        lines[name] = {"foreseen": told, "happened": was, "ratio_seconds": time_, "ratio_memory": memory, "load": load}
        worst = max(worst, *(max(ratio, 1 / ratio) for ratio in (time_, memory)))
        seconds = f"{told['seconds']:.1f} / {was['seconds']:.1f}"
        sizes = f"{told['memory_bytes'] / 1e6:.0f} / {was['memory_bytes'] / 1e6:.0f}"
        print(f"{name:12} {told['took']:5.1f} {seconds:>15} {time_:6.2f} {sizes:>13} {memory:6.2f} {load:5.1f}", flush=True)
    if given.json:
        given.json.write_text(json.dumps(lines, indent=2), encoding="utf-8")
    sys.exit(worst > given.at_most)


if __name__ == "__main__":
    main()
