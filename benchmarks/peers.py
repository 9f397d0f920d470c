"""The same feed in recsim and in loops that one would write by hand, one process or agent a person.

    python benchmarks/peers.py recsim|simpy|mesa [--users 10000] [--items 1000] [--steps 20] [--every 1] [--als] [--json FILE]

People, items and what they want are those of the same world. Everybody visits once a step, is shown ten items, the same for all
by popularity or a list of her own by ALS, and clicks at most one by Luce's choice. The recommender learns from all clicks so far
every so many steps. `simpy` is a process a person, `mesa` an agent a person; what a person does is the same few lines of numpy in
both, and neither measures anything, while recsim takes all figures of each epoch and keeps the log with propensities. Printed are
the seconds of the steps, what was there before them left out, those of fits and lists among them, and the clicks of a visit,
which must agree.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from machine import pin, spent
from threadpoolctl import threadpool_limits

import recsim as rs
from recsim import models
from recsim.behaviour import position_bias
from recsim.simulation import World

SLATE, OUTSIDE = 10, 10.0


def scenario(users: int, items: int, steps: int, every: int, als: bool) -> rs.Scenario:
    """Return the world: a visit a day and user, nothing leaves the feed, nobody searches."""
    return rs.Scenario(
        name="peers", days=float(steps), slate=SLATE, consumption="again", consumed="stay",
        population=rs.SyntheticUsers(users=users, topics=16, mainstream=4, curiosity=0.0),
        catalog=rs.SyntheticItems(items=items, topics=16, mainstream=4), visits=rs.Regular(period=1.0),
        choice=rs.Luce(outside=OUTSIDE, bias="log", clicks=1), start=rs.Popularity(),
        recommender=rs.ALS(factors=32, warm=True) if als else rs.Popularity(), retrain=rs.Retrain(every=float(every)),
    )  # fmt: skip


def recsim_loop(world: World, steps: int, every: int, als: bool) -> dict[str, float]:
    """Return the figures of recsim."""
    model, recommender = (models.Factors, rs.ALS) if als else (models.Order, rs.Popularity)
    with spent(recommender, "fit") as fits, spent(model, "rank") as lists:
        began = time.perf_counter()
        world.advance(float(steps))
        world.close_epoch()
        seconds = time.perf_counter() - began
        return {"seconds": seconds, "clicks": world.log.rows, "fits": fits(), "lists": lists()}


class Feed:
    """What a loop by hand has: the truth, the lists, and the log."""

    def __init__(self, world: World, als: bool) -> None:
        self.interests = world.users.interests
        self.wanted = np.ascontiguousarray(world.items.demand_by_topic().T) * len(world.items)
        self.bias, self.chance, self.als = position_bias("log", SLATE), np.random.default_rng(1), als
        self.log: list[tuple[float, int, int, int]] = []
        self.lists = np.tile(world.model.order[:SLATE], (len(self.interests), 1))  # what recsim begins with
        self.model: Any = None
        self.fits = self.listing = 0.0

    def visit(self, now: float, user: int) -> None:
        """Let a person look at her list, and click what wins the race against leaving."""
        slate = self.lists[user]
        weight = (self.wanted[slate] @ self.interests[user]) * self.bias
        race = self.chance.standard_exponential(SLATE + 1)
        arrival = race[:SLATE] / weight
        first = int(arrival.argmin())
        if arrival[first] < race[SLATE] / OUTSIDE:
            self.log.append((now, user, int(slate[first]), first))

    def retrain(self) -> None:
        """Learn from all clicks so far, and make new lists."""
        began = time.perf_counter()
        user, item = np.array([row[1:3] for row in self.log], np.int64).reshape(-1, 2).T
        if not self.als:
            order = np.argsort(-np.bincount(item, minlength=len(self.wanted)), kind="stable")
            self.fits += time.perf_counter() - began
            self.lists = np.tile(order[:SLATE], (len(self.interests), 1))
            return
        from implicit.cpu.als import AlternatingLeastSquares
        from scipy.sparse import csr_matrix

        als = rs.ALS()
        shape = len(self.interests), len(self.wanted)
        matrix = csr_matrix((np.ones(len(user), np.float32), (user, item)), shape=shape)
        model = AlternatingLeastSquares(
            factors=32, regularization=als.regularization, alpha=als.alpha, num_threads=1, random_state=1,
            iterations=als.warm_iterations if self.model else als.iterations,
        )  # fmt: skip
        if self.model:
            model.user_factors, model.item_factors = self.model.user_factors, self.model.item_factors
        model.fit(matrix, show_progress=False)
        self.model, trained = model, time.perf_counter()
        self.fits += trained - began
        for start in range(0, shape[0], 1000):
            who = np.arange(start, min(start + 1000, shape[0]))
            self.lists[who] = model.recommend(who, matrix[who], N=SLATE, filter_already_liked_items=False)[0]
        self.listing += time.perf_counter() - trained


def simpy_loop(world: World, steps: int, every: int, als: bool) -> dict[str, float]:
    """Return the figures of SimPy with a process a person."""
    import simpy

    feed, env, offsets = Feed(world, als), simpy.Environment(), np.random.default_rng(2)

    def person(user: int, offset: float) -> Generator[simpy.Event, None, None]:
        yield env.timeout(offset)
        while True:
            feed.visit(env.now, user)
            yield env.timeout(1.0)

    def retrains() -> Generator[simpy.Event, None, None]:
        while True:
            yield env.timeout(float(every))
            feed.retrain()

    for user, offset in enumerate(offsets.random(len(feed.interests)).tolist()):
        env.process(person(user, offset))
    env.process(retrains())
    began = time.perf_counter()
    env.run(until=steps)
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "clicks": len(feed.log), "fits": feed.fits, "lists": feed.listing}


def mesa_loop(world: World, steps: int, every: int, als: bool) -> dict[str, float]:
    """Return the figures of Mesa with an agent a person, all of them activated once a step."""
    import mesa

    feed = Feed(world, als)

    class Person(mesa.Agent):
        def __init__(self, model: mesa.Model, user: int) -> None:
            super().__init__(model)
            self.user = user

        def visit(self) -> None:
            feed.visit(self.model.steps, self.user)

    class Platform(mesa.Model):
        def __init__(self) -> None:
            super().__init__(seed=1)
            for user in range(len(feed.interests)):
                Person(self, user)

        def step(self) -> None:
            self.agents.do("visit")
            if self.steps % every == 0:
                feed.retrain()

    platform = Platform()
    began = time.perf_counter()
    for _ in range(steps):
        platform.step()
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "clicks": len(feed.log), "fits": feed.fits, "lists": feed.listing}


LOOPS = {"recsim": recsim_loop, "simpy": simpy_loop, "mesa": mesa_loop}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loop", choices=LOOPS)
    for name, default in (("users", 10_000), ("items", 1000), ("steps", 20), ("every", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--als", action="store_true")
    parser.add_argument("--json", metavar="FILE", type=Path)
    given = parser.parse_args()
    pinned = pin(1)
    world = World.draw(scenario(given.users, given.items, given.steps, given.every, given.als), 1)
    with threadpool_limits(1, user_api="blas"):
        figures = LOOPS[given.loop](world, given.steps, given.every, given.als)
    visits = given.users * given.steps
    figures |= {
        "visits": visits, "visits_per_second": visits / figures["seconds"], "clicks_per_visit": figures["clicks"] / visits,
        "serving": figures["seconds"] - figures["fits"] - figures["lists"],
    }
    print(", ".join(f"{name} {value:,.4g}" for name, value in figures.items()))
    if given.json:
        given.json.write_text(json.dumps(figures | {"pinned": pinned}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
