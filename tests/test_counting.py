"""What each epoch's history has: each figure is that of the pure function on the run's own tables, whatever goes on there."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from conftest import kill_again_and_again

import recsim as rs
from recsim import metrics
from recsim.counting import COMPARED, PANEL
from recsim.eventlog import Columns
from recsim.metrics import METRICS, catalogue_over, item_half_life
from recsim.simulation import World
from recsim.world import DAY, Origin

Floats = npt.NDArray[np.float64]
Figures = dict[tuple[str, str], float]


@pytest.fixture(scope="module")
def lively(small: rs.Scenario) -> rs.Scenario:
    """A small world in which people come, go and change, items come out and age, an interest is born, and signals speak."""
    return small.but(
        days=16.0,
        population=rs.SyntheticUsers(users=230, topics=6, curiosity=0.2),
        catalog=rs.SyntheticItems(items=80, topics=6, half_life=5.0),
        dynamics=(rs.Reinforcement(rate=0.1), rs.Relaxation(days=4.0), rs.Fatigue(), rs.Leaving()),
        arrivals=rs.PoissonArrivals(rate=4.0),
        lifetime=rs.ExponentialLife(mean=20.0),
        creators=(rs.HumanCreators(creators=12, rate=0.3, chase=0.2), rs.Releases(items=0.5), rs.AICreators(items=2.5)),
        births=(rs.Birth(name="new", day=4.0, items=5),),
        signals=(rs.Panel(rate=0.1), rs.EditorPicks(count=20), rs.OrganicLift(count=15), rs.Survey(rate=0.1, every=1.3)),
        policy=rs.Greedy(),
        readings_every=2.9,
    )


@pytest.fixture(scope="module")
def run(lively: rs.Scenario) -> rs.Run:
    """Return what the lively world leaves behind."""
    return rs.run(lively, seed=7, progress=False)


@pytest.fixture(scope="module")
def crowded(small: rs.Scenario) -> rs.Scenario:
    """A small world in which nobody changes, with more people than are compared."""
    return small.but(days=10.0, population=rs.SyntheticUsers(users=2 * COMPARED, topics=6, curiosity=0.2))


class Told:
    """A world at its end, and what was true in it as each epoch closed."""

    def __init__(self, scenario: rs.Scenario, seed: int = 7) -> None:
        self.truths: list[dict[str, Any]] = []
        self.world = World(scenario, seed)
        self.world.on_epoch = self._keep
        self.world.advance(scenario.days).close_epoch()
        self.clicks, self.impressions = self.world.log.columns(), self.world.impressions.columns()
        self.topics = self.world.items.topics

    def _keep(self, world: World, clicks: Columns, impressions: Columns) -> None:
        crowd, out = world.crowd, slice(world.crowd.released)
        everybody, here = np.arange(len(world.users)), crowd.here(world.now)
        wants = crowd.wants(everybody, world.now)
        weight = world.items.topics[out] * world.items.appeal[out, None]
        of_topic = weight / np.maximum(weight.sum(axis=0), 1e-300)  # (items, topics)
        own = crowd._rows(everybody, np.full(len(everybody), world.now))
        self.truths.append({
            "here": here, "released": world.crowd.released, "came": crowd.since <= world.now,
            "demand": crowd.rate[here] @ (wants / wants.sum(axis=1)[:, None])[here] @ of_topic.T,
            "interests": own.get("interests", world.users.interests), "innate": own.get("innate", world.users.interests),
            "utility": world.counters.utility.copy(), "consumed": world.counters.consumed.copy(),
        })  # fmt: skip

    def rows(self, table: Columns, epoch: int, upto: bool = False) -> Columns:
        """Return the rows of an epoch, or of all up to it, without those that nobody consumed and no feed showed."""
        seen = table["clicked"] if table is self.clicks else np.ones(len(table["item"]), np.bool_)
        mine = seen & ((table["epoch"] <= epoch) if upto else (table["epoch"] == epoch))
        return {name: column[mine] for name, column in table.items()}

    def mass(self, rows: Columns) -> Floats:
        """Return the topic mass shown to each user."""
        mass = np.zeros((len(self.world.users), self.topics.shape[1]))
        np.add.at(mass, rows["user"], self.topics[rows["item"]])
        return mass

    def slates(self, rows: Columns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return user, ordinal and items, -1 for none, of each slate."""
        visits, row = np.unique(np.stack([rows["user"], rows["visit"]]), axis=1, return_inverse=True)
        slates = np.full((visits.shape[1], self.world.scenario.slate), -1)
        slates[row.ravel(), rows["position"]] = rows["item"]
        return visits[0].astype(np.int64), visits[1].astype(np.int64), slates

    def history(self, epoch: int) -> Figures:
        """Return the figures of an epoch as the world has them."""
        return {
            (group, metric): value
            for _, number, window, group, metric, value in self.world.history
            if (number, window) == (epoch, "epoch")
        }


def of_items(told: Told, epoch: int) -> Figures:
    """Return the figures of the catalogue by pure functions of the tables."""
    truth = told.truths[epoch]
    size, demand = truth["released"], truth["demand"]
    shown, clicked = told.rows(told.impressions, epoch), told.rows(told.clicks, epoch)
    feed, clicks = (np.bincount(rows["item"], minlength=size) for rows in (shown, clicked))
    model = np.bincount(shown["item"][shown["origin"] == Origin.MODEL], minlength=size)
    table = np.stack([np.bincount(told.rows(told.impressions, e)["item"], minlength=size) for e in range(epoch + 1)])
    released = np.searchsorted([told.truths[e]["released"] for e in range(epoch + 1)], np.arange(size), "right")
    figures = {
        "unseen_mass": metrics.unseen_mass(clicks),
        "extinct": metrics.extinct_items(table, 3, released),
    }
    for kind, counts in {"": feed, "_clicks": clicks, "_model": model}.items():
        figures[f"tail_share{kind}"] = metrics.tail_share(counts, demand)
        figures[f"demand_divergence{kind}"] = metrics.demand_divergence(counts, demand)
        figures[f"rarefied_coverage{kind}"] = metrics.rarefied_coverage(counts, size)
    figures = {("all", name): value for name, value in figures.items()}
    taken = np.bincount(shown["item"][shown["clicked"]], minlength=size)
    outside = metrics.tail(demand)
    assert set(outside) == {0.0, 1.0}, "no two items are alike in demand"
    for group, ours in (("head", outside == 0), ("tail", outside == 1)):
        figures[group, "exposed"] = metrics.coverage(feed[ours])
        figures[group, "click_share"] = clicks[ours].sum() / clicks.sum()
        figures[group, "click_rate"] = metrics.click_rate(taken[ours], feed[ours])
        figures[group, "extinct"] = metrics.extinct_items(table[:, ours], 3, released[ours])
    if told.world.scenario.creators:
        items = told.world.items.take(slice(size))
        named = items.creator >= 0
        pairs = list(zip(items.address[named] >> 24, items.creator[named], strict=True))
        number = {pair: place for place, pair in enumerate(dict.fromkeys(pairs))}
        creator = np.array([number[pair] for pair in pairs], np.int64)
        figures["creators", "gini"] = metrics.gini(metrics.by_creator(feed[named], creator))
        figures["creators", "gini_clicks"] = metrics.gini(metrics.by_creator(clicks[named], creator))
        figures["creators", "exposed"] = metrics.coverage(metrics.by_creator(feed[named], creator))
    return figures


def of_people(told: Told, epoch: int) -> Figures:
    """Return the figures of people by pure functions of the tables."""
    truth, users = told.truths[epoch], told.world.users
    shown, clicked = told.rows(told.impressions, epoch), told.rows(told.clicks, epoch)
    panel = users.address % np.uint64(-(-len(users) // PANEL)) == 0
    assert 50 < panel.sum() <= PANEL + 1
    figures: Figures = {}
    for kind, rows in {"": shown, "_clicks": clicked}.items():
        log = tuple(rows[name][panel[rows["user"]]] for name in ("user", "item"))
        sizes = np.bincount(np.unique(np.stack(log), axis=1)[0])
        figures["all", f"homogeneity{kind}"] = metrics.homogeneity(*log)
        figures["all", f"homogeneity{kind}_floor"] = metrics.homogeneity_floor(sizes, truth["released"])
    figures["all", "personalisation_clicks"] = metrics.personalisation(clicked["user"], clicked["item"])
    visitor, ordinal, slates = told.slates(shown)
    some = (users.address[visitor] + ordinal.astype(np.uint64)) % np.uint64(-(-len(users) // COMPARED)) == 0
    mass, met = told.mass(shown), told.mass(told.rows(told.impressions, epoch, upto=True))
    here, niche = truth["here"], users.niche
    for group, ours in {"all": niche | ~niche, "mainstream": ~niche, "niche": niche}.items():
        feed, there = mass[ours], ours & here
        slate = slates[some & ours[visitor]]
        figures[group, "feed_topics"] = metrics.effective_topics(feed)
        figures[group, "intra_list_diversity"] = metrics.intra_list_diversity(slate, told.topics)
        figures[group, "miscalibration"] = metrics.miscalibration(mass[there], truth["interests"][there])
        figures[group, "miscalibration_innate"] = metrics.miscalibration(mass[there], truth["innate"][there])
        figures[group, "discovery"] = metrics.discovery(met[there], truth["innate"][there])
        figures[group, "low_utility"] = metrics.low_welfare(truth["utility"][ours], truth["consumed"][ours])
        if group != "all":
            figures[group, "click_share"] = np.isin(clicked["user"], np.flatnonzero(ours)).mean()
    return figures


@pytest.mark.parametrize("name", ["lively", "crowded"])
def test_the_figures_of_every_epoch_are_those_of_the_tables(name: str, request: pytest.FixtureRequest) -> None:
    """In a world where all goes on, and in a crowded one, every figure is the pure function of what was logged, to 1e-9."""
    told = Told(request.getfixturevalue(name))
    assert len(told.truths) >= 4
    for epoch in range(len(told.truths)):
        value, figures = told.history(epoch), of_items(told, epoch) | of_people(told, epoch)
        for (group, metric), number in figures.items():
            found = value[group, metric]
            assert found == pytest.approx(number, abs=1e-9, rel=1e-9, nan_ok=True), (epoch, group, metric)
            assert not math.isnan(found) or "rarefied" in metric or (metric == "extinct" and epoch < 2), (epoch, group, metric)
    assert {metric for group, metric in figures if group == "all"} <= set(METRICS)


def test_a_lively_world_is_lively(lively: rs.Scenario) -> None:
    """What the test above stands on: people and items of every kind come, go and change, and something dies out."""
    told = Told(lively)
    first, last = told.truths[0], told.truths[-1]
    assert (last["came"] & ~last["here"]).any() and first["came"].sum() < last["came"].sum()
    assert np.abs(last["interests"] - last["innate"]).max() > 0.1 and (last["innate"] != told.world.users.interests).any()
    assert first["released"] < last["released"] and told.history(4)["all", "extinct"] > 0
    assert all(math.isnan(told.history(epoch)["all", "extinct"]) for epoch in (0, 1))
    rows = {(epoch, window): 0 for _, epoch, window, *_ in told.world.history}
    for _, epoch, window, *_ in told.world.history:
        rows[epoch, window] += 1
    assert len(rows) > 8 and min(rows[epoch, "epoch"] for epoch in range(5)) == max(rows[epoch, "epoch"] for epoch in range(2, 5))


@pytest.mark.parametrize("day", [2.0, 7.3])
def test_a_fork_and_its_tiles_leave_the_same_history(lively: rs.Scenario, day: float) -> None:
    """A world that parts from itself in the middle of an epoch, in tiles of 37, has every figure of the one left alone."""
    still = lively.but(readings_every=0.0)
    fork = World(still, 7, forks=True, tile=37).advance(day).fork(still).advance(still.days)
    fork.close_epoch()
    assert repr(fork.history) == repr(Told(still).world.history)


@pytest.mark.parametrize("rows", [1, 7])
def test_how_many_visits_are_counted_at_once_changes_nothing(lively: rs.Scenario, rows: int) -> None:
    """One after the other, or a handful, leaves the same history to the last bit."""
    whole = World(lively, 7).advance(lively.days)
    whole.close_epoch()
    apart = World(lively, 7, tile=rows).advance(lively.days)
    apart.close_epoch()
    assert repr(apart.history) == repr(whole.history)


def test_a_run_killed_again_and_again_has_the_same_figures(lively: rs.Scenario, tmp_path: Path) -> None:
    """A run killed at three places, and gone on with, leaves the history of a quiet one."""
    kill_again_and_again(lively, tmp_path / "run", (0.3, 0.5, 0.9))


# ------------------------------------------------------------------------------------------------ several epochs of a run
def test_a_window_of_one_epoch_is_that_epoch(run: rs.Run) -> None:
    """The figures of a window of one epoch are those in the history."""
    for epoch in (0, 3):
        for metric, value in catalogue_over(run, epoch, epoch + 1).items():
            assert value == pytest.approx(run.series(metric).loc[epoch], abs=1e-12, nan_ok=True), metric


def test_a_window_of_several_epochs_is_all_they_showed(run: rs.Run) -> None:
    """The figures of three epochs are those of their impressions and clicks together, not the mean of three figures."""
    figures, size = catalogue_over(run, 1, 4), int(run.series("released").loc[3])
    shown = run.impressions[run.impressions["epoch"].between(1, 3)]
    clicked = run.clicks[run.clicks["epoch"].between(1, 3) & run.clicks["clicked"]]
    feed, clicks = (np.bincount(rows["item"], minlength=size) for rows in (shown, clicked))
    model = np.bincount(shown["item"][shown["origin"] == Origin.MODEL], minlength=size)
    expected = {
        "coverage": metrics.coverage(feed), "coverage_floor": metrics.coverage_floor(size, feed.sum()),
        "gini_clicks": metrics.gini(clicks), "effective_items_model": metrics.effective_items(model),
        "rarefied_coverage": metrics.rarefied_coverage(feed, size), "unseen_mass": metrics.unseen_mass(clicks),
        "top_share_model": metrics.top_share(model), "click_rate": shown["clicked"].mean(), "released": size,
        "impressions": len(shown), "clicks": len(clicked), "organic_share": (clicked["origin"] == Origin.ORGANIC).mean(),
    }  # fmt: skip
    assert {name: figures[name] for name in expected} == pytest.approx(expected, abs=1e-12)
    assert figures["coverage"] * size > (run.series("coverage") * run.series("released")).loc[1:3].max()
    assert set(figures) <= set(METRICS)


@pytest.mark.parametrize(("first", "beyond"), [(-1, 2), (2, 2), (0, 99)])
def test_a_window_that_is_not_in_the_run(run: rs.Run, first: int, beyond: int) -> None:
    """Epochs that the run does not have are named, with those that it has."""
    with pytest.raises(rs.RecsimError, match=f"^window: epochs {first} up to {beyond} are not in this run; it has"):
        catalogue_over(run, first, beyond)


def test_half_life_of_a_table_by_hand() -> None:
    """Half of the clicks of one item had come by the end of epoch 1, of the other by that of epoch 2: 8 - 1 and 9 - 6 days."""
    import pandas as pd

    ends = {"day": [4.0, 8.0, 9.0], "epoch": [0, 1, 2], "window": "epoch", "group": "all", "metric": "released", "value": 3.0}
    items = {"epoch": [0, 1, 2, 2, 2], "item": [0, 0, 0, 1, 2], "origin": 0, "impressions": 9, "clicks": [1, 3, 2, 5, 1]}
    born = pd.DataFrame({"born": [1.0, 6.0, 0.0]})
    tables = SimpleNamespace(history=pd.DataFrame(ends), items=pd.DataFrame(items), catalog=born)
    assert item_half_life(tables) == 5.0
    assert item_half_life(tables, least=6) == 7.0
    assert math.isnan(item_half_life(tables, least=7))


def test_half_life_by_epochs_is_that_of_the_log_within_an_epoch(run: rs.Run) -> None:
    """Clicks counted at the end of their epoch make the half-life longer, by no more than the longest epoch."""
    clicks = run.clicks[run.clicks["clicked"]]
    exact = metrics.half_life(clicks["item"], clicks["time"] / DAY, released=run.catalog["born"])
    assert exact < item_half_life(run) <= exact + 3.4
