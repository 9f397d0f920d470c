"""What a network of friends costs: drawing it, and a run in which friends share beside the same run without.

    python benchmarks/friends.py [--users 100000] [--items 10000] [--days 28] [--friends 10] [--repeats 3] [--json FILE]

Every kind of network is drawn once; then a world of ALS with 32 factors and slates of 10 is run without friends and with
friends who share, in turns, in one process and one thread. Printed are seconds, and the median ratio of the two wall times, the
drawing included.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import recsim as rs
from recsim.randomness import Randomness


def kinds(friends: int) -> tuple[rs.Network, ...]:
    """Return a network of each kind."""
    return rs.SmallWorld(friends=friends), rs.PreferentialAttachment(friends=friends), rs.Blocks(friends=friends)


def scenario(users: int, items: int, days: float) -> rs.Scenario:
    """Return the world without friends."""
    return rs.Scenario(
        name="benchmark",
        days=days,
        population=rs.SyntheticUsers(users=users),
        catalog=rs.SyntheticItems(items=items),
        visits=rs.Poisson(rate=5 / 7, spread=0.5),
        recommender=rs.ALS(factors=32, warm=True),
    )


def seconds(world: rs.Scenario) -> float:
    """Return the wall time of a run."""
    began = time.perf_counter()
    rs.run(world, seed=1, progress=False)
    return time.perf_counter() - began


def main() -> None:
    """Draw, run in turns, and print the ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--days", type=float, default=28.0)
    parser.add_argument("--friends", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    alone = scenario(chosen.users, chosen.items, chosen.days)
    users, drawn = alone.population.draw(Randomness(1)), {}
    for network in kinds(chosen.friends):
        began = time.perf_counter()
        pairs = len(network.draw(Randomness(1), users).edges())
        drawn[network.kind] = time.perf_counter() - began
        print(f"{network.kind:24} drawn in {drawn[network.kind]:5.2f} s, mean degree {2 * pairs / chosen.users:.2f}", flush=True)
    sharing = alone.but(network=rs.SmallWorld(friends=chosen.friends), signals=(rs.FriendShares(rate=0.05),))
    times = [(seconds(alone), seconds(sharing)) for _ in range(chosen.repeats)]
    ratio = statistics.median(with_ / without for without, with_ in times)
    without, with_ = (statistics.median(side) for side in zip(*times, strict=True))
    print(f"with friends / without: {ratio:.2f} (medians {with_:.1f} and {without:.1f} s)")
    if chosen.json:
        told: dict[str, Any] = {"drawn": drawn, "times": times, "ratio": ratio, "cores": os.cpu_count()}
        chosen.json.write_text(json.dumps(told | {"platform": platform.platform()}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
