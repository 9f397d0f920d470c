"""Recovery: a remedy that comes late, between the same world without it and with it from the start."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from conftest import TRAINED

import recsim as rs
from recsim.inference import interval
from recsim.ratios import ratio
from recsim.recovery import Recovery, half_way, recover
from recsim.simulation import World

REMEDY = TRAINED.but(policy=rs.EpsilonGreedy(epsilon=0.5))


@pytest.fixture(scope="module")
def found() -> Recovery:
    """A remedy that comes at half-time, under three seeds."""
    return recover(TRAINED, REMEDY, 16.0, 3, workers=1, progress=False)


def test_the_arms_are_the_worlds_they_say(found: Recovery) -> None:
    """Never and always are plain runs; late is the never arm up to the day, and then its fork under the remedy."""
    for place, seed in enumerate(found.seeds):
        values, days = found.arms("gini")
        for arm, scenario in (("never", TRAINED), ("always", REMEDY)):
            run = rs.run(scenario, seed=seed, progress=False)
            assert values[arm][place].tolist() == run.series("gini").tolist()
            assert days.tolist() == run.history.query("metric == 'gini'")["day"].tolist()
        before = days <= 16.0
        assert np.array_equal(values["late"][place, before], values["never"][place, before])
        assert before.sum() == 3
        fork = World(TRAINED, seed, forks=True).advance(16.0).fork(REMEDY).advance(32.0)
        fork.close_epoch()
        assert values["late"][place].tolist() == [row[5] for row in fork.history if row[4] == "gini"]
    assert (values["late"][:, ~before] != values["never"][:, ~before])[:, -1].all()


def test_the_path_and_the_summary_are_ratios_of_means(found: Recovery) -> None:
    """Gaps, what is left and what is closed, worked out again from the arms."""
    values, days = found.arms("coverage")
    path = found.path("coverage")
    assert path["day"].tolist() == days[days > 16.0].tolist()
    last = values["late"][:, -1] - values["never"][:, -1], values["always"][:, -1] - values["never"][:, -1]
    assert path[["closed", "low", "high"]].iloc[-1].tolist() == pytest.approx(ratio(*last))
    row = found.summary.set_index("metric").loc["coverage"]
    ends = {arm: values[arm][:, -found.last :].mean(axis=1) for arm in values}
    assert row[["left", "left_low", "left_high"]].tolist() == pytest.approx(interval(ends["always"] - ends["late"]))
    assert row["gap"] == pytest.approx((ends["always"] - ends["never"]).mean())
    assert row["closed"] == pytest.approx((ends["late"] - ends["never"]).mean() / row["gap"])
    assert row["verdict"] == "back"  # chance shows every item at once
    assert row["unhealed"] == 0
    assert "coverage_model" in found.table()


def made_up(late: list[float], spread: float = 0.0) -> Recovery:
    """Return a recovery of three seeds: x is 0 without the remedy, 1 with it, and late as given from the second epoch on."""
    rows = []
    for seed in (1, 2, 3):
        for epoch in range(len(late) + 1):
            values = {"never": 0.0, "always": 1.0 + spread * (seed - 2), "late": ([0.0, *late])[epoch] + spread * (seed - 2) / 2}
            rows += [(arm, seed, epoch, 7.0 * (epoch + 1), "x", value) for arm, value in values.items()]
    history = pd.DataFrame(rows, columns=["arm", "seed", "epoch", "day", "metric", "value"])
    return Recovery(TRAINED, REMEDY, 7.0, [1, 2, 3], 2, history)


@pytest.mark.parametrize(
    ("late", "verdict", "half"),
    [
        ([0.2, 0.6, 1.0, 1.0], "back", 14.0),
        ([0.0, 0.3, 0.6, 0.6], "part", 21.0),
        ([0.0, 0.0, 0.0, 0.0], "lost", math.inf),
        ([0.1, 0.2, 0.3, 0.3], "part", math.inf),
        ([0.8, 1.5, 2.0, 2.0], "beyond", 7.0),
    ],
)
def test_verdicts_of_known_paths(late: list[float], verdict: str, half: float) -> None:
    """What comes back, in part, not at all or beyond, and when half of it had; censored where it had not."""
    row = made_up(late, 0.02).summary.iloc[0]
    assert (row["verdict"], row["half"]) == (verdict, half)
    assert row["unhealed"] == (1.0 if math.isinf(half) else 0.0)
    assert row["closed"] == pytest.approx(late[-1])
    flat = made_up(late).summary.iloc[0]  # without spread every interval is a point
    assert flat["verdict"] == verdict
    assert flat["left_high"] == pytest.approx(1 - late[-1])


def test_half_way_knows_the_side_and_leaves_out_nan() -> None:
    """A gap downwards is closed downwards; days without a value do not count; without a gap nothing is ever closed."""
    assert half_way([1, 1, 1], [0.9, 0.4, 0.2], [0, 0, 0], [7, 14, 21]) == (14.0, False)
    assert half_way([0, 0, 0], [1.0, 0.4, 0.6], [math.nan, 1, 1], [7, 14, 21]) == (21.0, False)
    assert half_way([0, 0], [1, 1], [0, 0], [7, 14]) == (14.0, True)


def test_a_metric_without_a_gap_is_said() -> None:
    """Where always and never do not differ there is nothing to come back."""
    same = made_up([0.0, 0.0])
    same.history.loc[same.history["arm"] == "always", "value"] = 0.0
    assert same.summary["verdict"].tolist() == ["no gap"]
    assert same.table(["x"]).splitlines()[1].split()[-2:] == ["no", "gap"]


@pytest.mark.parametrize(
    ("remedy", "more", "says"),
    [
        (TRAINED.but(name="same"), {}, "remedy: is the same"),
        (REMEDY, {"day": 0.0}, "day: a remedy that comes on day 0"),
        (REMEDY, {"day": 16.1}, "day: on day 16.1 a model waits"),
        (REMEDY.but(days=40.0), {}, "late: days is 40"),
        (REMEDY.but(consumption="again"), {}, "late: consumption: differs"),
        (REMEDY, {"last": 6}, "last: there are 4"),
    ],
)
def test_what_cannot_be_recovered_from_is_said(remedy: rs.Scenario, more: dict, says: str) -> None:
    """One line says what is wrong, before anything is run."""
    with pytest.raises(rs.RecsimError) as fault:
        recover(TRAINED, remedy, **({"day": 16.0, "seeds": 1, "progress": False} | more))
    assert str(fault.value).startswith(says)
    assert "\n" not in str(fault.value)
