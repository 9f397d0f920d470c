"""What measuring costs: a run with every figure of every epoch beside the same run without any.

    python benchmarks/metrics.py [--users 20000] [--items 2000] [--epochs 10] [--scenario FILE] [--repeats 5] [--json FILE]

A world of ALS with 32 factors, slates of 10 and about five visits per user and epoch, or the world of a scenario file, is run
three ways in turns, in one process and one thread: without figures, where all that is counted is what models and signals
need; with the figures of every epoch; and with the benchmark on lists of 10 as well. Printed are the median ratios of their
times to the first. At last the figures of one epoch of a million impressions, among 100,000 people and 10,000 items, are timed,
and the measures of lists and logs of that size; it ends with 1 where either takes over --at-most seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import recsim as rs
from recsim import metrics
from recsim.counting import Counters
from recsim.simulation import World
from recsim.world import NOTHING


def scenario(users: int, items: int, epochs: int) -> rs.Scenario:
    """Return the world of the benchmark."""
    return rs.Scenario(
        name="benchmark",
        days=7.0 * epochs,
        population=rs.SyntheticUsers(users=users, topics=16, mainstream=4),
        catalog=rs.SyntheticItems(items=items, topics=16, mainstream=4),
        visits=rs.Poisson(rate=5 / 7, spread=0.5),
        recommender=rs.ALS(factors=32, warm=True),
    )


@contextmanager
def unmeasured() -> Iterator[None]:
    """Let worlds count what models and signals are handed, and nothing else."""

    def show(counters: Counters, visits: Any, slate: Any) -> None:
        there = slate.items != NOTHING
        counters._count(0, slate.origin[there], slate.items[there])

    def click(counters: Counters, user: Any, item: Any, origin: Any, *rest: Any) -> None:
        counters._count(1, origin, item)

    with patch.multiple(Counters, show=show, click=click), patch.object(World, "read", lambda world, window: None):
        yield


def seconds(what: Callable[[], Any]) -> float:
    """Return the processor time of a call."""
    began = time.process_time()
    what()
    return time.process_time() - began


def lived(world: rs.Scenario) -> None:
    """Run a world to its end."""
    World(world, 1).advance(world.days).close_epoch()


def turns(world: rs.Scenario, repeats: int) -> dict[str, list[float]]:
    """Return the seconds of a run without figures, with them, and with the benchmark too."""
    plain, full = world.but(benchmark=0), world.but(benchmark=10)
    found: dict[str, list[float]] = {"none": [], "figures": [], "benchmark": []}
    for _ in range(repeats):
        with unmeasured():
            found["none"].append(seconds(lambda: lived(plain)))
        found["figures"].append(seconds(lambda: lived(plain)))
        found["benchmark"].append(seconds(lambda: lived(full)))
    return found


def one_epoch() -> float:
    """Return the seconds of the figures of an epoch of a million impressions, among 100,000 people and 10,000 items."""
    large = scenario(100_000, 10_000, 1).but(visits=rs.Regular(period=7.0), recommender=rs.Random())
    world = World(large, 1).advance(large.days)
    shown = int(world.counters.epoch[0].sum())
    spent = [seconds(lambda: world.read("reading")) for _ in range(5)]
    print(f"figures of one epoch: {statistics.median(spent):.2f} s for {shown:,} impressions")
    return statistics.median(spent)


def of_your_own_log() -> float:
    """Return the seconds of the measures of lists, logs and slates, of a million impressions of as many people and items."""
    rng, users, items = np.random.default_rng(9), 100_000, 10_000
    weights = 1 / np.arange(1, items + 1)
    demand = weights / weights.sum()
    item = np.searchsorted(np.cumsum(demand)[:-1], rng.random(1_000_000))
    user, slates, topics = rng.integers(0, users, len(item)), item.reshape(-1, 10), rng.dirichlet(np.full(16, 0.2), items)
    shown, interests = rng.random((users, 16)), rng.dirichlet(np.ones(16), users)
    lists = rng.integers(0, items // 10, (users, 10)) + np.arange(10) * (items // 10)
    held = rng.integers(0, users, 200_000), item[:200_000]

    def all_of_them() -> None:
        counts = np.bincount(item, minlength=items)
        for of_lists in (metrics.recall, metrics.precision, metrics.ndcg, metrics.hit_rate, metrics.reciprocal_rank):
            of_lists(lists, *held)
        metrics.serendipity(lists, *held, counts)
        metrics.recall_by_demand(lists, *held, demand)
        metrics.lorenz(counts)
        metrics.rarefied_coverage(counts, items)
        metrics.tail_share(counts, demand)
        metrics.demand_divergence(counts, demand)
        metrics.half_life(item[::10], np.arange(len(item[::10])))
        metrics.low_welfare(shown[:, 0])
        metrics.homogeneity(user, item, pairs=10_000)
        metrics.homogeneity_floor(np.bincount(user, minlength=users), items)
        metrics.personalisation(user, item)
        metrics.intra_list_diversity(slates, topics)
        metrics.miscalibration(shown, interests)
        metrics.discovery(shown, interests)

    spent = statistics.median(seconds(all_of_them) for _ in range(3))
    print(f"measures of your own log: {spent:.2f} s for 1,000,000 impressions")
    return spent


def main() -> None:
    """Run in turns, and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 20_000), ("items", 2_000), ("epochs", 10), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--scenario", type=Path)
    parser.add_argument("--at-most", type=float, default=1.5)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    world = rs.Scenario.load(chosen.scenario) if chosen.scenario else scenario(chosen.users, chosen.items, chosen.epochs)
    lived(world.but(days=min(world.days, 2 * world.retrain.every)))  # what is imported and compiled once
    found = turns(world, chosen.repeats)
    ratios = {
        name: statistics.median(np.divide(spent, found["none"]).tolist()) for name, spent in found.items() if name != "none"
    }
    medians = {name: statistics.median(spent) for name, spent in found.items()}
    print(f"without figures {medians['none']:.2f} s; with them {medians['figures']:.2f} s, x {ratios['figures']:.3f}; ", end="")
    print(f"with the benchmark too {medians['benchmark']:.2f} s, x {ratios['benchmark']:.3f}")
    epoch, log = one_epoch(), of_your_own_log()
    if chosen.json:
        told = {"seconds": found, "ratios": ratios, "one_epoch_seconds": epoch, "log_seconds": log, "cores": os.cpu_count()}
        chosen.json.write_text(json.dumps(told | {"platform": platform.platform()}, indent=2) + "\n", encoding="utf-8")
    sys.exit(max(epoch, log) > chosen.at_most)


if __name__ == "__main__":
    main()
