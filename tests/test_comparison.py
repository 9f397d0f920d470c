"""Comparison: arms that part from one world, paired by seed; what they cost; what cannot be compared; and the figures."""

from __future__ import annotations

import math
from runpy import run_path

import numpy as np
import pandas as pd
import pytest
from conftest import ARMS, ASKING, PLAIN, ROOT, quietly
from scipy.stats import ttest_rel

import recsim as rs
from recsim import comparison
from recsim.arms import check_arms
from recsim.cells import run_cell
from recsim.inference import holm, interval, paired_p
from recsim.simulation import World

ENDED = rs.Survey(count=20, to_day=6.0)


# ----------------------------------------------------------------------------------------------------- what is measured
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


def test_arms_share_the_past(compared: rs.Comparison) -> None:
    """Before they part all arms have the same history under a seed; after it they have not."""
    assert compared.warm_up == 6.0
    table = compared.history[compared.history["seed"] == 2].pivot(index=["epoch", "metric"], columns="arm", values="value")
    before, after = table.loc[0], table.loc[2:]
    np.testing.assert_array_equal(before["plain"], before["30 % exploration"])
    assert not after["plain"].equals(after["30 % exploration"])


def test_values_are_means_of_the_last_epochs(compared: rs.Comparison) -> None:
    """The value of an arm and a seed is the mean of the last epochs: by default a quarter of all."""
    for last, done in ((1, compared), (2, quietly(seeds=1, last=2))):
        assert done.last == last
        series = done.history.query("arm == 'asking' and seed == 1 and metric == 'gini'").sort_values("epoch")["value"]
        value = done.values.query("arm == 'asking' and seed == 1 and metric == 'gini'")["value"].item()
        assert value == series.to_numpy()[-last:].mean()


def test_differences_are_paired_by_seed(compared: rs.Comparison) -> None:
    """Difference, interval and p are those of SciPy's paired t test, the p then adjusted over the two arms."""
    table = compared.values.query("metric == 'gini'").pivot(index="seed", columns="arm", values="value")
    rows = compared.differences.query("metric == 'gini'").set_index("arm")
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


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_common_random_numbers_pay() -> None:
    """The paired difference in Gini of two arms has a twentieth of the variance of the unpaired one at first, a third later.

    Greedy and 2 % exploration, forked after the start epoch; epoch 1, the first that a model serves, and epoch 8; 100
    seeds. The ratios themselves are held to this, no bounds of intervals; the errors of their logarithms are printed.
    """
    crn = run_path(str(ROOT / "benchmarks" / "crn.py"))
    arms = crn["measure"](100, fork=True)
    gini, error = crn["ratio"](arms)[0], crn["error"](arms)[0]
    print("unpaired / paired variance by epoch", gini.round(1).tolist(), "error of its log", error.round(2).tolist())
    assert gini[0] >= 20
    assert gini[-1] >= 3


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


def test_controls_are_no_cures() -> None:
    """An oracle that shows more is not called the cheapest cure; an arm of the same kind that is no control may be."""
    oracle, chance = (PLAIN.controls(6.0)[name] for name in ("oracle", "random"))
    mine = PLAIN.but(policy=rs.EpsilonGreedy(epsilon=0.5))
    alone = quietly({"plain": PLAIN, "oracle": oracle}, 3)
    assert alone.controls == ["oracle"]
    assert alone.answer() == "All arms beside plain are controls: they show what the loop does, and none of them is a cure."
    beside = quietly({"plain": PLAIN, "oracle": oracle, "random": chance, "mine": mine}, 3)
    assert beside.controls == ["oracle", "random"]
    assert set(beside.wider()) <= {"mine"}
    assert beside.differences.query("arm == 'random' and metric == 'coverage_model'")["difference"].item() > 0
    assert "random" not in beside.answer()


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
        served = int(world.crowd.ordinal.sum())
        twin = world.fork(arm).advance(arm.days)
        log = twin.log.columns()
        late = (log["time"] >= 4 * 86400) & log["clicked"]
        clicks[name] = int((late & (log["position"] >= 0)).sum())
        spent[name] = int(((log["time"] >= 4 * 86400) & (log["origin"] == rs.Origin.SURVEY)).sum())
        visits[name] = int(twin.crowd.ordinal.sum()) - served
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


# ---------------------------------------------------------------------------------------------------------- the figures
def test_figures_show_arms_and_units(compared: rs.Comparison) -> None:
    """The league has a panel for each of its metrics; doses a row an arm; what is not measured is said."""
    figure = rs.plot.league(compared)
    assert len(figure.axes) == len(comparison.LEAGUE)
    assert all(axes.get_title(loc="left") and axes.get_xlabel() for axes in figure.axes)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == list(ARMS)[1:]
    rows = [("x", "policy.epsilon", level, metric, level, level, level) for level in (0.0, 0.5) for metric in ("cost", "utility")]
    frame = pd.DataFrame(rows, columns=["arm", "setting", "strength", "metric", "mean", "low", "high"])
    assert len(rs.plot.dose(frame).axes) == 2
    with pytest.raises(rs.RecsimError, match="frame: has no column low"):
        rs.plot.dose(frame.drop(columns="low"))
