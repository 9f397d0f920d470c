"""What is to be expected of a scenario before it runs: its timeline, sizes, rows, memory, and odd settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from recsim import solvers, training
from recsim.crowd import everybody, presence
from recsim.randomness import Randomness
from recsim.recommenders import ALS
from recsim.scenario import Scenario
from recsim.signals import Signal
from recsim.simulation import check
from recsim.stock import everything
from recsim.tiles import at_once
from recsim.world import DAY

LIBRARIES = 285_000_000  # bytes that Python and the libraries take before there is any world
THREAD = 60_000_000  # bytes of the tiles that one more thread has on their way
SOLVER = 65_000_000  # bytes of a process that solves rows of ALS, without its rows
PARQUET = 16  # bytes of a row on disk, compressed


def expect(scenario: Scenario) -> dict[str, Any]:
    """Return what follows from a scenario, from drawing its people and items; nothing is simulated."""
    users, items = everybody(scenario, 1), everything(scenario, 1)
    check(scenario, users, items)
    timeline = _timeline(scenario)
    sizes = {"users": len(users), "items": len(items), "topics": users.interests.shape[1]}
    visits = _visits(scenario, users)
    memory_ = memory(scenario, sizes, visits, visits["clicks_at_most"])
    bytes_ = {"memory_at_most": memory_, "disk_at_most": _disk(scenario, sizes, visits)}
    odd = _odd(scenario, sizes, visits)
    if scenario.catalog.half_life < float("inf") and not items.born.any():
        odd.append("catalog.half_life: all items are of one age, since nothing comes out later: it changes nothing")
    facts = {"name": scenario.name, "about": scenario.about, "timeline": timeline, "sizes": sizes, "expected": visits}
    return facts | {"bytes": bytes_, "odd": odd}


def _timeline(scenario: Scenario) -> dict[str, Any]:
    """Return how often the model is cut and deployed before the run ends, and the days of the first and last epoch."""
    cuts, deployments = scenario.models(scenario.days)
    began = scenario.end_of(deployments - 1) if deployments else 0.0
    return {
        "days": scenario.days, "epochs": deployments + 1, "cuts": cuts, "deployments": deployments,
        "every_days": scenario.retrain.every, "latency_days": scenario.retrain.latency,
        "first_epoch_days": scenario.end_of(0), "last_epoch_days": scenario.days - began,
    }  # fmt: skip


def _visits(scenario: Scenario, users: Any) -> dict[str, int]:
    """Return expected visits, with and without the feed, and what they can leave behind at most."""
    rates, (since, ends) = scenario.visits.rates(Randomness(1), users), presence(scenario, Randomness(1), users)

    def there(begin: float, end: float) -> Any:  # days of each user in a stretch of the run
        return (ends.clip(max=end * DAY) - since.clip(min=begin * DAY)).clip(min=0) / DAY

    organic = sum(
        float((there(begin, end) * rates * (users.curiosity + lift).clip(max=1)).sum()) for begin, end, lift in _lifts(scenario)
    )
    organic += sum(_counted(scenario, signal) for signal in scenario.signals if signal.searches)
    visits = float((rates * there(0.0, scenario.days)).sum())
    organic = min(organic, visits)
    clicks = min(scenario.slate, getattr(scenario.choice, "clicks", scenario.slate))
    if scenario.choice.kind == "AlwaysClick":
        clicks = 1
    return {
        "visits": round(visits), "organic_visits": round(organic), "feed_visits": round(visits - organic),
        "impressions_at_most": round((visits - organic) * scenario.slate),
        "clicks_at_most": round((visits - organic) * clicks + organic),
    }  # fmt: skip


def _counted(scenario: Scenario, signal: Signal) -> float:
    """Return how many visits a signal touches that has a count, over the whole run."""
    days = max(0.0, min(signal.to_day, scenario.days) - signal.from_day)
    return (signal.count or 0) * days / (signal.every or scenario.retrain.every)


def _lifts(scenario: Scenario) -> Iterator[tuple[float, float, float]]:
    """Yield the stretches of a run, from day to day, and the lift of organic visits that signals give in each."""
    import numpy as np

    turns = {0.0, scenario.days} | {day for stream in scenario.signals for day in (stream.from_day, stream.to_day)}
    for begin, end in pairwise(sorted(day for day in turns if day <= scenario.days)):
        middle = np.array([round((begin + end) / 2 * DAY)])
        yield begin, end, sum(float(stream.lift(middle)[0]) for stream in scenario.signals)


def memory(scenario: Scenario, sizes: Mapping[str, int], visits: Mapping[str, int], clicks: int, threads: int = 1) -> int:
    """Return about how many bytes a run into a folder takes at its peak, with so many clicks: libraries, people, items, log,
    training rows, benchmark, and where there are several threads, tiles on their way and processes that solve rows.

    The bytes of each were found by varying it; `benchmarks/forecast.py` holds them against runs.
    """
    topics, factors = sizes["topics"], int(getattr(scenario.recommender, "factors", 0))
    moving = 24 * topics * bool(scenario.dynamics)
    people = sizes["users"] * (33 * topics + moving + 8 * scenario.slate + 13 * factors + 280)
    catalogue = sizes["items"] * (60 * topics + 23 * factors + 900)
    shown = visits["impressions_at_most"] // scenario.epochs if scenario.log == "impressions" else 0
    benchmark = 40 * clicks + 24 * scenario.benchmark * sizes["users"] if scenario.benchmark else 0
    tiles = THREAD * (at_once(threads, sizes["users"]) - 1)
    shared = isinstance(scenario.recommender, ALS) and sizes["users"] >= max(solvers.LEAST, sizes["items"])
    solving = SOLVER * (threads - 1) + (4 * factors + 40) * sizes["users"] if shared and threads > 1 else 0
    return LIBRARIES + people + catalogue + 120 * clicks + 200 * shown + benchmark + tiles + solving


def _disk(scenario: Scenario, sizes: Mapping[str, int], visits: Mapping[str, int]) -> int:
    """Return how many bytes the run folder takes at most: rows, counts of items by epoch, a checkpoint, the figure."""
    factors = 4 * int(getattr(scenario.recommender, "factors", 0))
    counts: int = 150 * (training.intervals(scenario.training) or 1) + 60 * scenario.epochs
    checkpoint = sizes["users"] * (factors + 20) + sizes["items"] * (factors + counts)
    shown = visits["impressions_at_most"] if scenario.log == "impressions" else 0
    return PARQUET * (visits["clicks_at_most"] + shown) + checkpoint + 1_000_000


def _odd(scenario: Scenario, sizes: Mapping[str, int], visits: Mapping[str, int]) -> list[str]:
    """Return what is allowed, but seldom meant, a line each."""
    return [*_odd_timetable(scenario), *_odd_catalogue(scenario, sizes, visits), *_odd_strategies(scenario, sizes)]


def _odd_timetable(scenario: Scenario) -> Iterator[str]:
    every, days, timeline = scenario.retrain.every, scenario.days, _timeline(scenario)
    if not timeline["deployments"]:
        yield f"retrain.every: {every:g} days in a run of {days:g}: no model is ever deployed, start serves all of it"
    elif timeline["last_epoch_days"] < 0.8 * every:
        short = timeline["last_epoch_days"]
        yield f"days: the last epoch has {short:.3g} days instead of {every:g}; its figures have less volume"
    if not scenario.retrain.latency:
        yield "retrain.latency: 0: a model serves in the very second in which its training data end"
    for place, rule in enumerate(scenario.training):
        if (rule.intervals() or 0) > timeline["cuts"] > 0:
            yield f"training.{place}: a window of {rule.intervals()} in a run of {timeline['cuts']} cuts drops no row"
    for place, stream in enumerate(scenario.signals):
        if stream.from_day >= min(days, stream.to_day):
            yield f"signals.{place}: from day {stream.from_day:g} to {stream.to_day:g} in {days:g} days: never on"
    for place, makers in enumerate(scenario.creators):
        if not len(makers.moments(days)):
            yield f"creators.{place}: every {makers.every:g} days after day {makers.from_day:g} in {days:g} days: never release"
    for place, birth in enumerate(scenario.births):
        if birth.day >= days:
            yield f"births.{place}: on day {birth.day:g} in a run of {days:g}: never born"
    if scenario.readings_every >= days:
        yield f"readings_every: {scenario.readings_every:g} days in a run of {days:g}: there is no reading"


def _odd_catalogue(scenario: Scenario, sizes: Mapping[str, int], visits: Mapping[str, int]) -> Iterator[str]:
    if scenario.slate >= sizes["items"]:
        yield f"slate: {scenario.slate} positions hold all {sizes['items']} items: there is nothing to choose"
    if (scenario.consumption, scenario.consumed) == ("again", "leave"):
        yield 'consumption, consumed: "again" and "leave": the feed hides what people would consume again'
    if (scenario.consumption, scenario.consumed) == ("once", "stay"):
        yield 'consumption, consumed: "once" and "stay": the feed shows what people cannot consume again'
    had = visits["clicks_at_most"] / sizes["users"]
    if scenario.consumption == "once" and had > 0.2 * sizes["items"]:
        share = f"up to {had:.0f} of {sizes['items']} items a user"
        yield f'consumption: "once", {share}: what people like runs out, and clicks fall for that alone'
    if not visits["feed_visits"]:
        yield "curiosity: all visits are organic: nobody sees the feed"


def _odd_strategies(scenario: Scenario, sizes: Mapping[str, int]) -> Iterator[str]:
    if "editor" in getattr(scenario.policy, "pattern", ()) and not any(sign.kind == "EditorPicks" for sign in scenario.signals):
        yield "policy.pattern: has slots for editors, but no signal EditorPicks: they show the best match"
    if not scenario.network:
        for place, sign in enumerate(scenario.signals):
            if sign.kind == "FriendShares" and not getattr(sign, "edges", ()):
                yield f"signals.{place}: friends share, but nobody has any; give the scenario a network"
    for place, dynamics in enumerate(scenario.dynamics):
        if dynamics.off:
            yield f"dynamics.{place}: {dynamics.kind} is switched off: it changes nobody"
    recommender, fewest = scenario.recommender, min(sizes["users"], sizes["items"])
    factors = getattr(recommender, "factors", 0)
    if recommender.in_one_thread:
        yield f"recommender: {recommender.kind} trains in one thread whatever --threads says, to be reproducible"
    if not recommender.learns:
        yield f"recommender: {recommender.kind} does not learn from clicks: there is no loop"
    if factors > fewest:
        yield f"recommender.factors: {factors} is more than there are users or items ({fewest})"
