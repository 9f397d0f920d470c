"""The benchmark that a team sees of its model, the organic log that it does not have, and the alarm."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import kill_again_and_again

import recsim as rs
from recsim.benchmark import BENCHMARK, MEASURES, Alarm, Benchmark, Waiting, alarm, looks_fine
from recsim.consumption import Consumed
from recsim.simulation import World
from recsim.world import Items32

K = 5


@pytest.fixture(scope="module")
def watched(small: rs.Scenario) -> rs.Scenario:
    """The small world, with a benchmark."""
    return small.but(benchmark=K)


def history(scenario: rs.Scenario, seed: int = 7, **how: int) -> str:
    """Return all metrics of a run, to the last bit, as text."""
    world = World(scenario, seed, **how).advance(scenario.days)
    world.close_epoch()
    return repr(world.history)


MOVING: dict[str, dict[str, Any]] = {
    "as it is": {},
    "had again": {"consumption": "again", "consumed": "stay", "signals": ()},
    "lists that are a draw": {"recommender": rs.Drawn(), "policy": rs.Greedy()},
    "people change, come and go": {
        "dynamics": (rs.Reinforcement(rate=0.1),), "arrivals": rs.PoissonArrivals(rate=5.0),
        "lifetime": rs.ExponentialLife(mean=10.0),
    },
    "items come out": {"creators": (rs.Releases(every=1.0, items=4),), "open_loop": True},
    "makers decide": {"creators": (rs.HumanCreators(),), "recommender": rs.Random()},
}  # fmt: skip


@pytest.mark.parametrize("what", MOVING)
def test_the_benchmark_is_the_same_however_visits_are_served(watched: rs.Scenario, what: str) -> None:
    """Tiles, threads and steps leave the history the same to the last bit, and with it the benchmark."""
    scenario = watched.but(**MOVING[what])
    straight = history(scenario)
    assert "'ndcg_illusion'" in straight
    assert history(scenario, tile=37, threads=2) == straight
    world = World(scenario, 7)
    for day in (0.5, 3.2, 8.0, scenario.days):
        world.advance(day)
    world.close_epoch()
    assert repr(world.history) == straight


@pytest.mark.parametrize("what", ["as it is", "lists that are a draw"])
def test_taking_a_benchmark_changes_nothing(watched: rs.Scenario, what: str) -> None:
    """The log, and all other metrics, are those of a run without one; and a run without one has none of its metrics."""
    scenario = watched.but(**MOVING[what])
    taken, plain = (rs.run(one, seed=3, progress=False) for one in (scenario, scenario.but(benchmark=0)))
    assert (taken.digest, taken.impressions.equals(plain.impressions)) == (plain.digest, True)
    ours = taken.history["metric"].isin(list(BENCHMARK))
    assert taken.history[~ours].reset_index(drop=True).equals(plain.history)
    assert list(taken.history.loc[ours & (taken.history["epoch"] == 0), "metric"]) == list(BENCHMARK)


def test_a_run_that_was_killed_leaves_the_same_benchmark(watched: rs.Scenario, tmp_path: Path) -> None:
    """Going on from a checkpoint gives the history of a quiet run, benchmark and all."""
    kill_again_and_again(watched, tmp_path / "run", (0.3, 0.7))


def test_a_fork_in_the_middle_of_an_epoch_has_the_same_benchmark(watched: rs.Scenario) -> None:
    """A world that branches on day 5 has the history of one that did not, and leaves that of the first alone."""
    world = World(watched, 7, forks=True).advance(5.0)
    twin = world.fork(watched)
    for one in (twin, world):
        one.advance(watched.days)
        one.close_epoch()
    assert repr(twin.history) == repr(world.history) == history(watched)


def test_arms_have_one_benchmark(watched: rs.Scenario) -> None:
    """An arm with other lists would not be held against the same; one line says so."""
    with pytest.raises(rs.RecsimError, match="benchmark: differs between arms"):
        World(watched, 7).fork(watched.but(benchmark=K + 1))


# ------------------------------------------------------------------------------------------------ what it is, by hand
class Watch:
    """Follows a world and works its benchmark out with sets and loops, from the log and what stood at each deployment."""

    def __init__(self, scenario: rs.Scenario, seed: int = 7) -> None:
        self.world = World(scenario, seed)
        self.had: list[set[int]] = [set() for _ in self.world.users.address]
        self.model, self.choices = self.world.model, self.world.benchmark.choices
        self.figures: list[dict[str, float]] = []
        self.world.on_epoch, self.world.on_window = self.epoch, self.window
        self.world.advance(scenario.days)
        self.world.close_epoch()

    def window(self, world: World) -> None:
        """Remember the unsteered choices, which are let go of as the epoch ends, and the model, which is replaced."""
        self.model, self.choices = world.model, world.benchmark.choices

    def epoch(self, world: World, clicks: dict[str, np.ndarray], _: object) -> None:
        """Work out an epoch's figures."""
        assert isinstance(self.model.order, np.ndarray)  # type: ignore[attr-defined]
        held: dict[int, set[int]] = {}
        for user, item in zip(clicks["user"][clicks["clicked"]], clicks["item"][clicks["clicked"]], strict=True):
            held.setdefault(int(user), set()).add(int(item))
        unsteered: dict[int, set[int]] = {}
        for users, items in self.choices:
            for user, item in zip(users, items, strict=True):
                assert item not in self.had[user] and item not in unsteered.get(int(user), set())
                unsteered.setdefault(int(user), set()).add(int(item))
        assert {user: len(items) for user, items in unsteered.items()} == {user: len(items) for user, items in held.items()}
        order = self.model.order.tolist()  # type: ignore[attr-defined]
        lists = {user: [item for item in order if item not in self.had[user]][:K] for user in held}
        own, organic = self.of(lists, held), self.of(lists, unsteered)
        self.figures.append(own | {f"{name}_organic": value for name, value in organic.items()})
        for user, items in held.items():
            self.had[user] |= items

    @staticmethod
    def of(lists: dict[int, list[int]], held: dict[int, set[int]]) -> dict[str, float]:
        """Return the measures, user by user."""
        sums = dict.fromkeys(MEASURES, 0.0)
        for user, items in held.items():
            ranks = [rank for rank, item in enumerate(lists[user], 1) if item in items]
            best = sum(1 / math.log2(rank + 1) for rank in range(1, min(K, len(items)) + 1))
            sums["recall"] += len(ranks) / len(items)
            sums["ndcg"] += sum(1 / math.log2(rank + 1) for rank in ranks) / best
            sums["hit_rate"] += bool(ranks)
            sums["reciprocal_rank"] += 1 / ranks[0] if ranks else 0.0
        return {name: total / len(held) for name, total in sums.items()}


@pytest.mark.parametrize("more", [{}, {"creators": (rs.Releases(every=1.0, items=4),), "arrivals": rs.PoissonArrivals(rate=5.0)}])
def test_the_benchmark_is_that_of_a_slow_reading(watched: rs.Scenario, more: dict[str, Any]) -> None:
    """Lists as of the epoch's beginning against its clicks and its unsteered choices give the figures, worked out by sets.

    With items and people that come after the cut: the model ranks those people as it ranks all, and never those items.
    """
    scenario = watched.but(recommender=rs.Popularity(), start=rs.Popularity(prior=1.0), **more)
    watch = Watch(scenario)
    assert len(watch.figures) == 5
    run = rs.run(scenario, seed=7, progress=False)
    for name in watch.figures[0]:
        assert run.series(name).to_numpy() == pytest.approx([figures[name] for figures in watch.figures], abs=1e-12)
        assert run.series(name).iloc[1:].max() > 0
    for name in MEASURES:
        assert run.series(f"{name}_illusion").equals(
            (run.series(name) - run.series(f"{name}_organic")).rename(f"{name}_illusion")
        )


def test_the_list_is_that_of_the_beginning(watched: rs.Scenario) -> None:
    """What was consumed in the epoch is on the list still: else nothing consumed once could ever be met."""
    run = rs.run(watched.but(policy=rs.Greedy(), signals=()), seed=7, progress=False)
    assert (run.series("hit_rate").iloc[1:] > 0.5).all()


def test_lists_longer_than_the_catalogue(watched: rs.Scenario) -> None:
    """Where k is more than there are items, every held-out item is met: recall is 1 on both logs."""
    scarce = watched.but(catalog=rs.SyntheticItems(items=12, topics=6), benchmark=40, recommender=rs.Popularity())
    run = rs.run(scarce, seed=7, progress=False)
    assert run.series("recall").tolist() == run.series("recall_organic").tolist() == [1.0] * run.epochs


def test_an_epoch_without_clicks_has_no_benchmark(watched: rs.Scenario) -> None:
    """Where nobody clicks nothing is held out: all is NaN, and nothing fails."""
    people = rs.SyntheticUsers(users=20, topics=6)
    run = rs.run(watched.but(choice=rs.Given(theta=0.0), signals=(), population=people), progress=False)
    assert all(run.series(name).isna().all() for name in BENCHMARK)


def test_unsteered_choices_are_drawn_from_what_people_want_now(watched: rs.Scenario) -> None:
    """Who wants one topic alone chooses its items by their share of it, each click of a visit for itself.

    By the mean share of what is chosen, and by how often two clicks of a visit stand for one item: 4 sigma (6e-5) each.
    """
    world = World(watched.but(consumption="again", consumed="stay"), 7)
    visits = next(iter(next(world.crowd.visits(watched.retrain.every * 86_400))))
    row = np.repeat(np.arange(len(visits)), 2)
    wants = np.zeros((len(row), world.items.topics.shape[1]))
    wants[:, 2] = 1.0
    world.benchmark.choose(visits.take(row), row, wants, world.crowd.demand, Consumed(len(world.users)))
    world.benchmark._draw()
    ((_, both),) = world.benchmark.choices
    first, second = both[0::2], both[1::2]
    share = world.crowd.demand.weights[2]
    mean, spread = (share**2).sum(), math.sqrt((share**3).sum() - (share**2).sum() ** 2)
    assert len(first) > 300 and mean > 1.5 * share.mean()
    assert abs(share[both].mean() - mean) < 4 * spread / math.sqrt(len(both))
    assert abs((first == second).mean() - mean) < 4 * math.sqrt(mean * (1 - mean) / len(first))


def test_choices_are_the_same_however_many_wait(watched: rs.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawn one tile of a single visit after the other, or all of an epoch at once, though many would be made twice."""
    scarce = watched.but(catalog=rs.SyntheticItems(items=30, topics=6), consumption="once", choice=rs.Luce(outside=1.0, clicks=2))
    histories, again = [], []
    apart = Benchmark._draw_apart

    def noted(benchmark: Benchmark, asked: Waiting, item: Items32) -> None:
        before = item.copy()
        apart(benchmark, asked, item)
        again.append(int((before != item).sum()))

    monkeypatch.setattr(Benchmark, "_draw_apart", noted)
    for waiting, tile in ((10**6, 4096), (1, 1)):
        monkeypatch.setattr("recsim.benchmark.WAITING", waiting)
        world = World(scarce, 7, tile=tile).advance(scarce.days)
        world.close_epoch()
        histories.append([row for row in world.history if row[4] in BENCHMARK])
        assert sum(again) > 20  # in the first run
    assert repr(histories[0]) == repr(histories[1])


def test_few_are_judged_among_many(watched: rs.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of those whose clicks are held out there are no more than JUDGED, give or take chance, and the log is not changed."""
    monkeypatch.setattr("recsim.benchmark.JUDGED", 40)
    world = World(watched, 7).advance(watched.days)
    assert 20 <= world.benchmark.judged.sum() <= 60  # 40 of 120 by a hash: 4 sigma of the binomial, 6e-5
    world.benchmark._draw()
    assert world.benchmark.judged[world.benchmark.choices[-1][0]].all()
    monkeypatch.setattr("recsim.benchmark.JUDGED", 10**6)
    assert World(watched, 7).advance(watched.days).log.digest == world.log.digest


# ------------------------------------------------------------------------------------------------------- the alarm
def told(ndcg: list[float], coverage: list[float], utility: list[float], days: list[float] | None = None) -> pd.DataFrame:
    """Return the history of a run with these figures, epoch 0 included."""
    days = days or [7.0 * (epoch + 1) for epoch in range(len(ndcg))]
    metrics = {
        ("all", "ndcg"): ndcg, ("all", "coverage_model"): coverage, ("all", "coverage_model_floor"): [1.0] * len(ndcg),
        ("niche", "utility"): utility,
    }  # fmt: skip
    rows = [
        (days[epoch], epoch, "epoch", group, metric, value)
        for (group, metric), values in metrics.items()
        for epoch, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["day", "epoch", "window", "group", "metric", "value"])


def test_the_alarm_is_the_first_epoch_that_looks_fine_and_is_not() -> None:
    """Epoch 0 does not count, the fall has to be more than *fall*, and the benchmark may be lower by *slack*."""
    same = [1.0] * 6
    falling = told([0.0, 0.4, 0.5, 0.39, 0.41, 0.2], [1.0, 0.30, 0.28, 0.26, 0.20, 0.1], same)
    found = alarm(falling, lasting=1)
    assert found == Alarm(3, 1, "ndcg", 0.4, 0.39, {"coverage": pytest.approx(1 - 0.26 / 0.30)})
    assert found.sentence == (
        "Alarm in epoch 3: ndcg on its own log is 0.39, in epoch 1 it was 0.4, but the share of the catalogue that the model "
        "shows has fallen by 13 %."
    )
    assert [getattr(alarm(falling, lasting=row), "epoch", None) for row in (2, 3)] == [4, None]
    assert [getattr(alarm(falling, fall=fall, lasting=1), "epoch", None) for fall in (0.05, 0.3, 0.5)] == [2, 4, None]
    assert getattr(alarm(falling, slack=0.0, lasting=1), "epoch", None) == 4
    assert getattr(alarm(falling, since=2, slack=0.5, lasting=1), "epoch", None) == 4


def test_a_benchmark_that_falls_too_gives_no_alarm() -> None:
    """Where the team sees the fall itself, nobody has to tell it; nor where nothing falls."""
    low, same = [1.0, 0.3, 0.2, 0.1, 0.1], [0.0] * 5
    assert alarm(told([0.0, 0.5, 0.4, 0.3, 0.2], low, same), lasting=1) is None
    assert alarm(told([0.0, 0.5, 0.5, 0.5, 0.5], [0.3] * 5, same), lasting=1) is None


def test_welfare_falls_by_a_share_of_its_exponential() -> None:
    """A utility that is lower by -log(0.8) is a fifth less, whether it is above 0 or below."""
    for level in (2.0, 0.0, -1.0):
        lower = level + math.log(0.8)
        found = alarm(told([0.5] * 5, [0.3] * 5, [level, level, level, lower, lower]), lasting=2)
        assert found is not None and found.epoch == 4 and found.fallen == {"niche welfare": pytest.approx(0.2)}


def test_short_epochs_and_gaps_are_passed_over() -> None:
    """The last epoch of a run that is cut short shows little, and a figure that is not there says nothing."""
    days = [7.0, 14.0, 21.0, 28.0, 30.0]
    assert alarm(told([0.5] * 5, [1, 0.3, 0.3, 0.3, 0.1], [0.0] * 5, days), lasting=1) is None
    gap = [1, 0.3, math.nan, 0.3, 0.1]
    assert getattr(alarm(told([0.5] * 5, gap, [math.nan] * 5), lasting=1), "epoch", None) == 4


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"benchmark": "recall"}, "recall: is not in this history; run it with benchmark = 10"),
        ({"benchmark": "ndgc"}, "ndgc: is not in this history; did you mean 'ndcg'"),
        ({"since": 9}, "since: there is no epoch 9"),
        ({"fall": 0.0}, "fall: 0.0 is not a share"),
        ({"slack": 1.5}, "slack: 1.5 is no share"),
        ({"lasting": 0}, "lasting"),
    ],
)
def test_wrong_settings_of_the_alarm_are_told_in_one_line(more: dict[str, Any], says: str) -> None:
    """Each says what is wrong and how to mend it."""
    with pytest.raises(rs.RecsimError, match=says) as fault:
        alarm(told([0.5] * 3, [0.5] * 3, [0.5] * 3), **more)
    assert "\n" not in str(fault.value)


def test_series_of_one_s_own() -> None:
    """The rule alone takes any two series, and says nothing of none."""
    assert looks_fine([], []).tolist() == []
    assert looks_fine([1.0, 1.0], [1.0, 0.9]).tolist() == [False, False]  # by a tenth, and not by more
    assert looks_fine([1.0, 1.0], [1.0, 0.89]).tolist() == [False, True]
