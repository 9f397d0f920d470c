"""Equal cost: strengths tuned to a budget on seeds of their own; and how an arm responds to its strength."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ASKING, EXPLORING, PLAIN, quietly

import recsim as rs
from recsim.tuning import REFINED, STEPS, Dial, dose_response


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


def test_what_costs_too_much_at_its_least_is_said(compared: rs.Comparison) -> None:
    """An arm whose least level costs more than the budget has not reached it, and the table says which way."""
    dial = Dial("asking", ASKING, "signals.0.count", [])
    dial.costs = {0: np.full(4, 7.0), 10: np.full(4, 9.0)}
    strength, cost, reached = dial.settled(2.0)
    assert (strength, cost, reached, dial.settled(7.0)[2], dial.settled(9.5)) == (0, 7.0, False, True, (10, 9.0, False))
    row = {"arm": "asking", "setting": dial.setting, "strength": strength, "cost": cost, "reached": reached, "monotone": True}
    told = " ".join(replace(compared, budget=2.0, strengths=pd.DataFrame([row])).table().split())
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


# ---------------------------------------------------------------------------------------------------- dose and response
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
