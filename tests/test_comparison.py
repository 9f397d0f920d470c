"""Comparison: arms that part from one world, paired by seed; costs; equal cost; folders that go on; and its command."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pydantic import Field
from scipy.stats import ttest_rel

import recsim as rs
from recsim import cli, comparison
from recsim.arms import check_arms
from recsim.cells import Bench, Job, read_cell, run_cell, write_columns
from recsim.comparison import compare
from recsim.inference import holm, interval, paired_p
from recsim.simulation import World
from recsim.tuning import REFINED, STEPS, Dial, dose_response

ROOT = Path(__file__).parent.parent
PLAIN = rs.Scenario(
    name="plain",
    days=13.3,
    slate=5,
    population=rs.SyntheticUsers(users=60, topics=4, curiosity=0.1),
    catalog=rs.SyntheticItems(items=50, topics=4),
    visits=rs.Poisson(rate=1.5, spread=0.5),
    choice=rs.Luce(outside=4.0),
    recommender=rs.Popularity(prior=1.0),
    retrain=rs.Retrain(every=3.0, latency=0.4),
)
EXPLORING = PLAIN.but(name="exploring", policy=rs.EpsilonGreedy(epsilon=0.3))
ASKING = PLAIN.but(name="asking", signals=(rs.Survey(count=20),))
ENDED = rs.Survey(count=20, to_day=6.0)
ARMS = {"plain": PLAIN, "30 % exploration": EXPLORING, "asking": ASKING}


def quietly(arms: object = ARMS, seeds: object = 3, out: Path | None = None, **more: object) -> rs.Comparison:
    """Compare in this process, without a word."""
    return compare(arms, seeds, out, **({"workers": 1, "progress": False} | more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def result() -> rs.Comparison:
    """Return the comparison of three arms over three seeds."""
    return quietly()


# ------------------------------------------------------------------------------------------------------ what is measured
def test_arms_from_the_beginning_are_separate_runs() -> None:
    """With no warm-up, every arm's history is that of a run of its own, to the last bit."""
    done = quietly(seeds=[4], warm_up=0)
    for name, arm in ARMS.items():
        history = rs.run(arm, seed=4, progress=False).history
        history = history[(history["window"] == "epoch") & (history["group"] == "all")]
        wanted = history.pivot(index="epoch", columns="metric", values="value")
        ours = done.history[done.history["arm"] == name].pivot(index="epoch", columns="metric", values="value")
        np.testing.assert_array_equal(ours[wanted.columns].to_numpy(), wanted.to_numpy())


@pytest.mark.parametrize("warm_up", [0.0, 2.0, 3.0, 6.0, 8.5])
def test_the_first_arm_is_a_straight_run(warm_up: float) -> None:
    """Parting from its own world, the first arm leaves the clicks of a run that nobody forked."""
    for arm in ARMS.values():
        assert run_cell(arm, arm, warm_up, 5).digest == rs.run(arm, seed=5, progress=False).digest


def test_arms_share_the_past(result: rs.Comparison) -> None:
    """Before they part all arms have the same history under a seed; after it they have not."""
    assert result.warm_up == 6.0
    table = result.history[result.history["seed"] == 2].pivot(index=["epoch", "metric"], columns="arm", values="value")
    before, after = table.loc[0], table.loc[2:]
    np.testing.assert_array_equal(before["plain"], before["30 % exploration"])
    assert not after["plain"].equals(after["30 % exploration"])


def test_values_are_means_of_the_last_epochs(result: rs.Comparison) -> None:
    """The value of an arm and a seed is the mean of the last epochs: by default a quarter of all."""
    for last, done in ((1, result), (2, quietly(seeds=1, last=2))):
        assert done.last == last
        series = done.history.query("arm == 'asking' and seed == 1 and metric == 'gini'").sort_values("epoch")["value"]
        value = done.values.query("arm == 'asking' and seed == 1 and metric == 'gini'")["value"].item()
        assert value == series.to_numpy()[-last:].mean()


def test_differences_are_paired_by_seed(result: rs.Comparison) -> None:
    """Difference, interval and p are those of SciPy's paired t test, the p then adjusted over the two arms."""
    table = result.values.query("metric == 'gini'").pivot(index="seed", columns="arm", values="value")
    rows = result.differences.query("metric == 'gini'").set_index("arm")
    raw = {}
    for arm in list(ARMS)[1:]:
        test = ttest_rel(table[arm], table["plain"])
        low, high = test.confidence_interval(0.95)
        assert rows.loc[arm, "difference"] == pytest.approx((table[arm] - table["plain"]).mean())
        assert rows.loc[arm, ["low", "high"]].tolist() == pytest.approx([low, high])
        assert rows.loc[arm, ["family_low", "family_high"]].tolist() == pytest.approx([*test.confidence_interval(0.975)])
        raw[arm] = test.pvalue
    assert rows.loc[list(raw), "p"].tolist() == pytest.approx(holm([*raw.values()]).tolist())


def test_pairing_pays() -> None:
    """Differences by seed vary less than those of arms under seeds of their own."""
    done = quietly({"plain": PLAIN, "little": PLAIN.but(policy=rs.EpsilonGreedy(epsilon=0.02))}, 8)
    table = done.values.query("metric == 'gini'").pivot(index="seed", columns="arm", values="value")
    assert (table["little"] - table["plain"]).var() < (table["little"].var() + table["plain"].var()) / 2


def test_holm_is_that_of_the_textbook() -> None:
    """The worked example of four tests (0.01, 0.04, 0.03, 0.005) gives 0.03, 0.06, 0.06, 0.02; what is NaN is no test."""
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([math.nan, 0.02, 0.9, 0.6]), [math.nan, 0.06, 1.0, 1.0])
    assert holm([math.nan]).tolist() != holm([1.0]).tolist() == [1.0]


def test_intervals_hold_what_they_say() -> None:
    """Of 2,000 intervals of 6 normal numbers 95 % hold the mean, within 4 standard errors."""
    draws = rs.World.draw(PLAIN).randomness.uniform("test", np.arange(12_000, dtype=np.uint64)).reshape(2, 1000, 6)
    normal = np.sqrt(-2 * np.log(draws[0])) * np.cos(2 * np.pi * draws[1])
    ends = [interval(row)[1:] for row in normal]
    held = np.mean([low < 0 < high for low, high in ends])
    assert abs(held - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 1000)


def test_differences_without_spread() -> None:
    """Arms that are the same differ by exactly 0, with p 1; a difference without any spread has p 0."""
    rows = quietly({"plain": PLAIN, "same": PLAIN}, 2).differences.query("arm == 'same'")
    known = rows[rows["seeds"] > 0]
    assert (known[["difference", "low", "high", "family_high"]] == 0).all(axis=None)
    assert (known["p"] == 1).all()
    assert paired_p([1.0, 1.0]) == 0


def test_one_seed_has_no_intervals() -> None:
    """With one seed there are means and differences, NaN ends, and the table says so."""
    done = quietly(seeds=1)
    assert done.differences[["low", "high", "family_low", "p", "mean_high"]].isna().all(axis=None)
    assert done.differences.query("metric == 'coverage'")["difference"].notna().all()
    assert "there are no intervals" in done.table()
    assert "±" not in done.table()
    assert "One seed cannot tell" in done.answer()


def test_what_an_arm_does_not_have_is_no_number() -> None:
    """An arm without a feed has no Gini index: a dash in the table, no pairs in the frame, and nothing else is lost."""
    done = quietly({"plain": PLAIN, "no feed": PLAIN.but(signals=(rs.OrganicLift(rate=1.0),)), "asking": ASKING}, 2)
    rows = done.differences.query("metric == 'gini'").set_index("arm")
    assert rows.loc["no feed", "seeds"] == 0
    assert rows.loc[["no feed"], ["mean", "difference", "low", "p"]].isna().all(axis=None)
    assert rows.loc[["asking"], ["mean", "difference", "low", "p"]].notna().all(axis=None)
    assert " -" in done.table()


# ---------------------------------------------------------------------------------------------------------------- costs
def test_costs_count_from_the_fork_on() -> None:
    """The cost is worked out from the log: clicks in the feed lost, and labels paid for, since the day of the fork."""
    done = quietly(seeds=[7], warm_up=4.0, price_click=2.0)
    costs = done.costs.set_index("arm")
    clicks, spent, visits = {}, {}, {}
    for name, arm in ARMS.items():
        world = World(PLAIN, 7, forks=True).advance(4.0)
        served = int(world.ordinal.sum())
        twin = world.fork(arm).advance(arm.days)
        log = twin.log.columns()
        late = (log["time"] >= 4 * 86400) & log["clicked"]
        clicks[name] = int((late & (log["position"] >= 0)).sum())
        spent[name] = int(((log["time"] >= 4 * 86400) & (log["origin"] == rs.Origin.SURVEY)).sum())
        visits[name] = int(twin.ordinal.sum()) - served
        assert costs.loc[name, ["feed_clicks", "spent", "visits"]].tolist() == [clicks[name], spent[name], visits[name]]
        cost = (2 * (clicks["plain"] - clicks[name]) + spent[name]) / visits[name] * 1000
        assert costs.loc[name, "cost"] == pytest.approx(cost)
    assert spent["asking"] > 0
    assert costs.loc["plain", "cost"] == 0


def test_organic_visits_are_free_only_where_all_clicks_count() -> None:
    """More search costs clicks in the feed; counted with all clicks it looks like a gain, which is why it is not."""
    costs = quietly({"plain": PLAIN, "search": PLAIN.but(signals=(rs.OrganicLift(rate=0.4),))}, 3).costs
    search = costs[costs["arm"] == "search"]
    assert (search["cost"] > 0).all()
    assert (search["cost_all"] < 0).all()


# ----------------------------------------------------------------------------------------------------------- equal cost
def test_equal_cost_reaches_a_budget_and_says_where_it_cannot() -> None:
    """Arms are tuned to a cost within its interval on seeds of their own; an arm too weak keeps its largest and is flagged."""
    weak = PLAIN.but(name="weak", signals=(rs.Survey(count=1, price=0.1),))
    arms = {"plain": PLAIN, "asking": ASKING, "search": PLAIN.but(signals=(rs.OrganicLift(rate=0.1),)), "weak": weak}
    done = quietly(arms, 6, equal_cost=60.0)
    rows = done.strengths.set_index("arm")
    assert rows["reached"].to_dict() == {"asking": True, "search": True, "weak": False}
    assert rows["setting"].to_dict() == {"asking": "signals.0.count", "search": "signals.0.rate", "weak": "signals.0.count"}
    assert rows.loc["weak", "strength"] == 8
    assert done.arms["asking"].signals[0].count == rows.loc["asking", "strength"]
    cost = done.differences.query("metric == 'cost'").set_index("arm")
    for name in ("asking", "search"):
        assert cost.loc[name, "mean_low"] < 60 < cost.loc[name, "mean_high"]
    assert done.table().count("CANNOT BE REACHED") == 1
    assert "search: signals.0.rate = " in done.table()


def test_tuning_inverts_a_curve_that_never_falls() -> None:
    """The strength is where the isotonic fit reaches the budget, by linear interpolation; a fit far from the means is said."""
    dial = Dial("x", EXPLORING, "policy.epsilon", [])
    steady = {0.0: 0.0, 0.2: 10.0, 0.4: 30.0}
    dial.costs = {level: np.full(4, cost) for level, cost in steady.items()}
    assert dial.tuned(20.0) == (pytest.approx(0.3), True)
    assert dial.tuned(10.0) == (pytest.approx(0.2), True)
    assert dial.tuned(-5.0) == (0.0, False)
    assert dial.tuned(31.0) == (0.4, False)
    assert dial.fit()[2]
    dial.costs[0.3] = np.full(4, -5.0)
    levels, fitted, monotone = dial.fit()
    assert (levels, fitted.tolist(), monotone) == ([0.0, 0.2, 0.3, 0.4], [0.0, 2.5, 2.5, 30.0], False)


@pytest.mark.parametrize(
    ("arm", "levels"),
    [
        (PLAIN.but(policy=rs.Softmax(temperature=0.3)), [0, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4]),
        (PLAIN.but(policy=rs.PopularityDiscount(exponent=8.0)), [0, 1 / 4, 1 / 2, 1, 2, 4, 8]),
        (PLAIN.but(training=(rs.InversePropensity(clip=5.0),)), [10 ** (step / 2) for step in range(7)]),
        (PLAIN.but(training=(rs.Reservoir(rows=4),)), [0, 1, 2, 4, 8, 16, 32]),
        (PLAIN.but(signals=(rs.OrganicLift(rate=0.1),)), [0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]),
        (PLAIN.but(signals=(rs.Survey(count=4),)), [0, 1, 2, 4, 8, 16, 32]),
    ],
)
def test_levels_are_those_worth_trying(arm: rs.Scenario, levels: list[float]) -> None:
    """Levels go in geometric steps to where the kind does nothing, from the largest useful one or what is given."""
    dial = Dial.of("x", PLAIN, arm, None, None)
    assert dial.levels == pytest.approx(levels)
    assert dial.none() == levels[0]


@pytest.mark.parametrize("power", [0.2, 1.0, 3.0])
def test_the_bracket_is_halved_until_the_cost_is_the_budget(power: float) -> None:
    """However the curve bends, a level is found whose cost on the tuning seeds is the budget within its standard error."""
    dial = Dial("x", EXPLORING, "policy.epsilon", [])
    levels = [share * 1.0 for share in STEPS]
    for _ in range(1 + REFINED):
        dial.costs |= {level: 50 * level**power + np.array([-1.0, -0.5, 0.5, 1.0]) for level in levels}
        levels = dial.closer(20.0)
    strength, cost, reached = dial.settled(20.0)
    assert reached
    assert cost == pytest.approx(50 * strength**power)
    assert abs(cost - 20) < np.std([-1.0, -0.5, 0.5, 1.0], ddof=1) / 2


def test_what_costs_too_much_at_its_least_is_said(result: rs.Comparison) -> None:
    """An arm whose least level costs more than the budget has not reached it, and the table says which way."""
    dial = Dial("asking", ASKING, "signals.0.count", [])
    dial.costs = {0: np.full(4, 7.0), 10: np.full(4, 9.0)}
    strength, cost, reached = dial.settled(2.0)
    assert (strength, cost, reached, dial.settled(7.0)[2], dial.settled(9.5)) == (0, 7.0, False, True, (10, 9.0, False))
    row = {"arm": "asking", "setting": dial.setting, "strength": strength, "cost": cost, "reached": reached, "monotone": True}
    told = " ".join(replace(result, budget=2.0, strengths=pd.DataFrame([row])).table().split())
    assert "costs more than the budget even at its least strength" in told


@pytest.mark.parametrize(
    ("arm", "strengths", "says"),
    [
        (PLAIN.but(slate=4), {}, "differs from the first in nothing with a strength; name the setting"),
        (EXPLORING.but(signals=(rs.Survey(count=3),)), {}, "has 2 strengths (policy.epsilon, signals.0.count)"),
        (EXPLORING, {"x": "policy.epsilonn"}, "no setting policy.epsilonn; did you mean 'epsilon'?"),
        (EXPLORING, {"x": "name"}, "no number"),
        (EXPLORING, {"y": "policy.epsilon"}, "there is no arm 'y'"),
    ],
)
def test_a_strength_must_be_plain(arm: rs.Scenario, strengths: dict[str, str], says: str) -> None:
    """Without exactly one strength, or a right name for it, nothing is run, and one line says why."""
    with pytest.raises(rs.RecsimError) as fault:
        quietly({"plain": PLAIN, "x": arm}, 2, equal_cost=10.0, strengths=strengths)
    assert says in str(fault.value)


def test_a_named_strength_is_tuned_and_none_is_left_alone(tmp_path: Path) -> None:
    """The caller may name one of several strengths, and leave an arm as it is."""
    both = EXPLORING.but(signals=(rs.Survey(count=3),))
    done = quietly(
        {"plain": PLAIN, "both": both, "kept": ASKING}, 2, tmp_path / "there", equal_cost=30.0,
        strengths={"both": "signals.0.count", "kept": None},
    )  # fmt: skip
    assert done.strengths["arm"].tolist() == ["both"]
    assert done.arms["kept"] == ASKING
    assert done.arms["both"].policy == both.policy
    again = quietly(None, None, tmp_path / "there", resume=True)
    pd.testing.assert_frame_equal(again.strengths, done.strengths)
    pd.testing.assert_frame_equal(again.values, done.values)
    with pytest.raises(rs.RecsimError, match="seeds: strengths were tuned on seed 1002"):
        quietly(None, [1002], tmp_path / "there", resume=True)


def test_dose_and_response() -> None:
    """Every level of an arm's strength has its row a metric, cost rises with it, and level 0 is the first arm."""
    frame = dose_response({"plain": PLAIN, "asking": ASKING}, [0, 10, 40], 2, workers=1, progress=False)
    assert frame["strength"].unique().tolist() == [0.0, 10.0, 40.0]
    assert set(frame["metric"]) == {"coverage", "coverage_model", "novelty", "utility", "cost"}
    cost = frame[frame["metric"] == "cost"].set_index("strength")
    assert cost.loc[0.0, "mean"] == 0 < cost.loc[10.0, "mean"] < cost.loc[40.0, "mean"]
    assert (cost["low"] <= cost["mean"]).all()
    alone = dose_response(ASKING, [0, 10, 40], 2, workers=1, progress=False)
    np.testing.assert_array_equal(alone["mean"], frame["mean"])


def test_doses_start_where_the_kind_does_nothing(tmp_path: Path) -> None:
    """A rule that is off at 1 is varied from 1 on; a folder that is not there yet is made for the runs."""
    arm = EXPLORING.but(training=(rs.InversePropensity(clip=9.0),))
    there = tmp_path / "not" / "yet"
    setting = {arm.name: "training.0.clip"}
    frame = dose_response(arm, [1, 9], 1, there, strengths=setting, workers=1, progress=False)
    assert frame.query("metric == 'cost'").set_index("strength").loc[1.0, "mean"] == 0
    assert len(list(there.glob("levels/*.parquet"))) == 3


# ----------------------------------------------------------------------------------------------------------- the folder
def contents(folder: Path) -> dict[str, bytes]:
    """Return the cells of a folder."""
    return {path.name: path.read_bytes() for path in sorted((folder / "cells").iterdir())}


def test_a_folder_holds_all(tmp_path: Path, result: rs.Comparison) -> None:
    """What was kept and loaded is what was compared; its tables open in any Parquet reader."""
    done = quietly(out=tmp_path / "there")
    loaded = rs.Comparison.load(tmp_path / "there")
    for frame in ("values", "differences", "history", "costs", "strengths"):
        pd.testing.assert_frame_equal(getattr(loaded, frame), getattr(result, frame), check_like=True)
    assert (loaded.arms, loaded.seeds, loaded.table()) == (done.arms, [1, 2, 3], result.table())
    assert len(pq.read_table(tmp_path / "there" / "differences.parquet")) == len(result.differences)
    assert [path.name for path in sorted((tmp_path / "there" / "arms").iterdir())] == [
        "00-plain.toml", "01-30-exploration.toml", "02-asking.toml",
    ]  # fmt: skip
    about = json.loads((tmp_path / "there" / "comparison.json").read_text())
    assert (about["status"], about["arms"], about["warm_up"]) == ("done", list(ARMS), 6.0)


def test_more_seeds_and_arms_extend(tmp_path: Path) -> None:
    """Going on with more seeds or arms keeps the cells there are, and ends with those of a comparison made at once."""
    once, grown = tmp_path / "once", tmp_path / "grown"
    quietly(out=once)
    quietly({"plain": PLAIN, "30 % exploration": EXPLORING}, [1, 3], grown)
    ran: list[str] = []
    quietly(ARMS, [2], grown, resume=True, progress=lambda share, text: ran.append(text))
    assert sorted(ran) == [
        "00-plain-seed00002", "01-30-exploration-seed00002", *(f"02-asking-seed{seed:05d}" for seed in (1, 2, 3)),
    ]  # fmt: skip
    assert contents(grown) == contents(once)
    again: list[str] = []
    quietly(None, None, grown, resume=True, progress=lambda share, text: again.append(text))
    assert again == []


def test_cells_are_the_same_whoever_makes_them(tmp_path: Path) -> None:
    """Two processes leave the same cells as one, to the byte."""
    quietly(out=tmp_path / "one")
    quietly(out=tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_cell_that_does_not_hold_is_made_anew(tmp_path: Path) -> None:
    """A cell that is damaged, or made by other code, is not taken; the rest is."""
    quietly(seeds=2, out=tmp_path / "there")
    before = contents(tmp_path / "there")
    cells = tmp_path / "there" / "cells"
    (cells / "00-plain-seed00001.parquet").write_bytes(b"PAR1 nothing PAR1")
    foreign, _ = read_cell(cells / "02-asking-seed00001.parquet")
    about = {"identity": "other code", "digest": "", "totals": json.dumps(foreign.totals)}
    write_columns(cells / "02-asking-seed00002.parquet", foreign.columns, about)
    (cells / ".02-asking-seed00003.parquet.part").write_bytes(b"half")
    ran: list[str] = []
    quietly(None, None, tmp_path / "there", resume=True, progress=lambda share, text: ran.append(text))
    assert sorted(ran) == ["00-plain-seed00001", "02-asking-seed00002"]
    assert contents(tmp_path / "there") == before


def test_identity_tells_all_that_a_cell_follows_from() -> None:
    """Another seed, arm, first arm, warm-up, or other code gives another identity; name and log do not."""

    def identity(first: rs.Scenario = PLAIN, arm: rs.Scenario = ASKING, seed: int = 1, warm_up: float = 6.0) -> str:
        bench = Bench(first, warm_up, None, 1, lambda share, text: None)
        return bench.identity(Job("file", arm, seed))

    same = identity()
    assert same == identity(arm=ASKING.but(name="other"))
    others = [identity(PLAIN.but(slate=4)), identity(arm=PLAIN), identity(seed=2), identity(warm_up=3.0)]
    assert len({same, *others}) == 5


def test_identity_tells_the_source_of_own_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of the caller's, changed in body or in its file, gives another identity; one without source always does."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "some_own_policy.py"

    def identity(text: str) -> str:
        file.write_text(f"import recsim as rs\nHALF = 1\nclass _Own(rs.Greedy):\n    def reach(self, size):\n        {text}\n")
        sys.modules.pop(file.stem, None)
        importlib.invalidate_caches()
        return of(importlib.import_module(file.stem)._Own)

    def of(kind: type[rs.Policy]) -> str:
        bench = Bench(PLAIN, 6.0, None, 1, lambda share, text: None)
        return bench.identity(Job("file", PLAIN.but(policy=kind()), 1))

    texts = ["return size", "return size + 1", "return size + HALF\nHALF = 2"]
    found = [identity(text) for text in texts]
    monkeypatch.delitem(sys.modules, file.stem)
    assert len(set(found)) == 3
    assert identity(texts[0]) == found[0]
    typed: dict[str, Any] = {"__name__": "__nowhere__", "Greedy": rs.Greedy}
    exec("class _Typed(Greedy):\n    pass", typed)
    assert of(typed["_Typed"]) != of(typed["_Typed"])


class _Listed(rs.EpsilonGreedy):
    """A policy with a setting that cannot be hashed."""

    notes: list[str] = Field(default_factory=list)


def test_own_recipes_need_not_be_hashable() -> None:
    """A recipe with a list among its settings can be compared, and stand in the first arm."""
    done = quietly({"plain": PLAIN.but(policy=_Listed(epsilon=0.3, notes=["a"])), "same": EXPLORING}, 1)
    assert (done.differences["difference"].dropna() == 0).all()


def test_going_on_is_as_the_folder_says(tmp_path: Path) -> None:
    """What is not given when going on is what it was: the epochs averaged, the price of a click, with equal cost too."""
    for name, equal in (("plainly", {}), ("equal", {"equal_cost": 30.0})):
        quietly({"plain": PLAIN, "asking": ASKING}, 1, tmp_path / name, last=2, price_click=0.5, **equal)
        again = quietly(None, None, tmp_path / name, resume=True)
        assert (again.last, again.price_click) == (2, 0.5)
    assert quietly(None, None, tmp_path / "plainly", resume=True, price_click=2.0).price_click == 2


def interrupted(folder: Path, stop: int, whole_group: bool) -> subprocess.Popen[str]:
    """Start a comparison by command, stop it after its first cells, and return its process, ended."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from recsim import cli; cli.main(sys.argv[1:])"
    )
    command = ["compare", "plain.toml", "asking.toml", "--seeds", "20", "--out", folder.name, "--workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], cwd=folder.parent, env=environment, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while len(list(folder.glob("cells/0*"))) < 3 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    (os.killpg if whole_group else os.kill)(process.pid, stop)
    process.wait(30)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="groups of processes are killed otherwise there")
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_whoever_stops_it_whole_cells_are_kept(tmp_path: Path, stop: int, code: int) -> None:
    """Ctrl-C, SIGTERM and kill -9 leave whole cells, and going on gives those that nobody interrupted."""
    for name, arm in (("plain", PLAIN), ("asking", ASKING)):
        (tmp_path / f"{name}.toml").write_text(arm.toml())
    process = interrupted(tmp_path / "there", stop, whole_group=stop == signal.SIGKILL)
    assert process.stdout and process.stderr
    words = process.stderr.read()
    process.stdout.close(), process.stderr.close()
    assert process.returncode == code, words
    if code == 130:
        assert words.splitlines()[-1].endswith("go on with recsim compare --resume --out there")
        assert "Traceback" not in words
        assert "Warning" not in words
    cut = rs.Comparison.load(tmp_path / "there")
    kept = {name: content for name, content in contents(tmp_path / "there").items() if not name.startswith(".")}
    assert len(cut.history.groupby(["arm", "seed"])) == len(kept) < 40
    ran: list[str] = []
    done = quietly(None, None, tmp_path / "there", resume=True, progress=lambda share, text: ran.append(text))
    assert (len(ran), done.seeds) == (40 - len(kept), list(range(1, 21)))
    assert {name: contents(tmp_path / "there")[name] for name in kept} == kept
    quietly({"plain": PLAIN, "asking": ASKING}, 20, tmp_path / "whole")
    assert contents(tmp_path / "there") == contents(tmp_path / "whole")


# ------------------------------------------------------------------------------------------------------------ bad input
@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"arms": {"plain": PLAIN}}, "arms: give at least two"),
        ({"arms": [PLAIN, ASKING]}, "arms: give at least two"),
        ({"arms": {"plain": PLAIN, "x": 3}}, "arms: 'x' is no name with a Scenario"),
        ({"arms": {"plain": PLAIN, "x": PLAIN.but(days=20.0)}}, "x: days is 20, in the first arm 13.3"),
        ({"arms": {"plain": PLAIN, "x": PLAIN.but(world_seed=2)}}, "x: world_seed: differs between arms"),
        ({"arms": {"plain": PLAIN, "x": PLAIN.but(signals=(rs.Survey(count=61),))}}, "x: signals.count: asks 61 of 60"),
        ({"arms": {"plain": PLAIN, "x": PLAIN.but(start=rs.Oracle())}}, "x: differs from the first in start alone"),
        ({"arms": {"plain": PLAIN, "x": PLAIN.but(signals=(ENDED,))}}, "x: signals.0 ends on day 6, and the arms part on day 6"),
        ({"arms": {"plain": PLAIN.but(signals=(ENDED,)), "x": PLAIN}}, "x: differs from the first in signals that have ended"),
        ({"seeds": 0}, "seeds: must be a whole number from 1 on"),
        ({"seeds": [1, 1]}, "seeds: give at least one, and none of them twice"),
        ({"seeds": []}, "seeds: give at least one"),
        ({"seeds": [-1]}, "seeds: must be a whole number from 0 on, not -1"),
        ({"warm_up": 3.2}, "warm_up: on day 3.2 a model waits to go live; give 3"),
        ({"warm_up": 3.4}, "warm_up: on day 3.4 a model waits"),
        ({"warm_up": -1.0}, "warm_up: must be a day from 0"),
        ({"warm_up": 13.3}, "warm_up: must be a day from 0"),
        ({"warm_up": 12.9}, "warm_up: after day 12.9 there is no whole epoch"),
        ({"last": 4}, "last: there are 3 whole epochs"),
        ({"last": 0}, "last: must be a whole number"),
        ({"workers": 0}, "workers: must be a whole number"),
        ({"price_click": math.nan}, "price_click: nan is no number"),
        ({"equal_cost": "10"}, "equal_cost: '10' is no number"),
        ({"resume": True}, "resume: there is no folder"),
    ],
)
def test_bad_input_is_one_line(more: dict[str, object], says: str) -> None:
    """What the user can mend is said in one line, before anything is run."""
    with pytest.raises(rs.RecsimError) as fault:
        quietly(**more)  # type: ignore[arg-type]
    assert says in str(fault.value)
    assert "\n" not in str(fault.value)


def test_what_is_over_may_differ_where_something_else_does() -> None:
    """From the beginning nothing is over; the controls part by what they recommend, even where that was served all along."""
    check_arms({"plain": PLAIN, "start": PLAIN.but(start=rs.Oracle()), "early": PLAIN.but(signals=(ENDED,))}, 0.0)
    check_arms({"plain": PLAIN} | PLAIN.controls(6.0), 6.0)
    oracle = PLAIN.but(recommender=rs.Oracle())
    check_arms({"oracle first": oracle} | oracle.controls(6.0), 6.0)


def test_another_comparison_is_refused(tmp_path: Path) -> None:
    """A folder takes more arms and seeds of its comparison, and no other."""
    there = tmp_path / "there"
    pair = {"plain": PLAIN, "asking": ASKING}
    quietly(pair, 1, there)
    refused: list[tuple[dict[str, object], str]] = [
        ({"resume": False}, "exists already"),
        ({"arms": {"plain": PLAIN, "asking": EXPLORING}}, "asking is another scenario there"),
        ({"arms": {"plain": PLAIN, "other": EXPLORING}}, "asking is missing here"),
        ({"arms": {"asking": ASKING, "plain": PLAIN}}, "its first arm is plain"),
        ({"warm_up": 3.0}, "with warm_up 6.0"),
        ({"equal_cost": 3.0}, "with equal_cost None"),
    ]
    for more, says in refused:
        with pytest.raises(rs.RecsimError) as fault:
            quietly(**({"arms": pair, "seeds": 1, "out": there, "resume": True} | more))  # type: ignore[arg-type]
        assert says in str(fault.value)
    for empty in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(rs.RecsimError, match="holds no comparison"):
            quietly(out=empty, resume=True)
        with pytest.raises(rs.RecsimError, match="holds no comparison"):
            rs.Comparison.load(empty)


# ---------------------------------------------------------------------------------------------------------- the command
def call(*arguments: str) -> tuple[int, str, str]:
    """Run a command within this process; return its exit code, and what it wrote to both streams."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code, out.getvalue(), err.getvalue()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder that holds two scenarios."""
    monkeypatch.chdir(tmp_path)
    for name, arm in (("plain", PLAIN), ("asking", ASKING)):
        Path(f"{name}.toml").write_text(arm.toml())


COMMAND = ["compare", "plain.toml", "asking.toml", "--seeds", "2", "--workers", "1"]


def test_people_get_table_answer_and_figure(files: None) -> None:
    """The command ends with the league, a sentence, a figure and the folder; no escape codes where there is no terminal."""
    code, out, err = call(*COMMAND)
    assert (code, err) == (0, "")
    folder = Path("runs") / "compare-plain"
    loaded = rs.Comparison.load(folder)
    assert all(metric in out for metric in comparison.LEAGUE)
    assert " ".join(loaded.answer().split()) in " ".join(out.split())
    assert out.rstrip().endswith(str(folder))
    assert (folder / "league.png").read_bytes().startswith(b"\x89PNG")
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_is_one_object(files: None) -> None:
    """With --json there is one object: what was compared, and the differences; more seeds extend it."""
    code, out, err = call(*COMMAND, "--out", "there", "--json", "--last", "2", "--controls", "--price-click", "0.5")
    told = json.loads(out, parse_constant=pytest.fail)
    assert (code, err, told["arms"][:2], told["seeds"], told["last"]) == (0, "", ["plain", "asking"], [1, 2], 2)
    assert set(told["arms"][2:]) == set(PLAIN.controls())
    code, out, _ = call("compare", "--resume", "--out", "there", "--seeds", "3", "--json", "--workers", "1")
    told = json.loads(out)
    assert (code, told["seeds"], told["last"], told["price_click"]) == (0, [1, 2, 3], 2, 0.5)


def test_doses_and_equal_cost_by_command(files: None) -> None:
    """--equal-cost tunes the arms, --dose draws their responses; controls are left as they are."""
    code, out, _ = call(*COMMAND, "--out", "there", "--equal-cost", "30", "--dose", "--controls")
    assert code == 0
    assert "asking: signals.0.count = " in out
    assert rs.Comparison.load("there").strengths["arm"].tolist() == ["asking"]
    assert Path("there/dose.png").read_bytes().startswith(b"\x89PNG")
    assert "asking" in pd.read_parquet("there/dose.parquet")["arm"].unique()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare"], "there is nothing to compare"),
        (["compare", "plain.toml"], "arms: give at least two scenarios"),
        (["compare", "plain.toml", "plain.toml"], "two scenarios are called plain"),
        (["compare", "--resume"], "--resume: there is no folder"),
        ([*COMMAND, "--strength", "asking"], "is no ARM=PATH"),
        ([*COMMAND, "--warm-up", "3.2"], "a model waits to go live"),
        ([*COMMAND, "--seeds", "x"], "compare: invalid value"),
    ],
)
def test_mistakes_are_one_line(files: None, arguments: list[str], says: str) -> None:
    """A mistake on the command line ends with 2 and one line."""
    code, out, err = call(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_arms_of_one_name_are_called_after_their_files(files: None) -> None:
    """Two scenarios of the same name are told apart by their files."""
    Path("other.toml").write_text(ASKING.but(name="plain").toml())
    _, out, _ = call("compare", "plain.toml", "other.toml", "--seeds", "1", "--workers", "1", "--json")
    assert json.loads(out)["arms"] == ["plain", "other"]


# ----------------------------------------------------------------------------------------------------------- the figures
def test_figures_show_arms_and_units(result: rs.Comparison) -> None:
    """The league has a panel for each of its metrics; doses a row an arm; what is not measured is said."""
    figure = rs.plot.league(result)
    assert len(figure.axes) == len(comparison.LEAGUE)
    assert all(axes.get_title(loc="left") and axes.get_xlabel() for axes in figure.axes)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(ARMS)[1:]
    rows = [("x", "policy.epsilon", level, metric, level, level, level) for level in (0.0, 0.5) for metric in ("cost", "utility")]
    frame = pd.DataFrame(rows, columns=["arm", "setting", "strength", "metric", "mean", "low", "high"])
    assert len(rs.plot.dose(frame).axes) == 2
    with pytest.raises(rs.RecsimError, match="frame: has no column low"):
        rs.plot.dose(frame.drop(columns="low"))
