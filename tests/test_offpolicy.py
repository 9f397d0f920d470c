"""Off-policy estimates: exact where every slate is counted, at home in any log, and beside a run of any policy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import recsim as rs
from recsim.offpolicy import (
    Cases,
    beside,
    cases,
    diagnose,
    doubly_robust,
    evaluate,
    ips,
    logged,
    self_normalised,
    served,
    to_open_bandit,
)

# --------------------------------------------------------------------------- a log in which every slate is as frequent as likely
# Three items, slates of two. The log draws them in proportion to 1, 2, 3 without replacement, so that 60 visits hold every
# slate exactly as often as its chance says: what holds for this log holds in expectation.
LOG, TARGET = np.array([1.0, 2.0, 3.0]), np.array([4.0, 1.0, 2.0])
SLATES = np.array(list(permutations(range(3), 2)))
VISITS = np.repeat(SLATES, [4, 6, 5, 15, 10, 20], axis=0)
THETA, LOVE = np.array([0.1, 0.4, 0.7]), np.array([3.0, 1.0, 2.0])


def chances(weights: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """Return the probability of each item given that above it: (slates, 2)."""
    top = weights[slates[:, 0]]
    return np.stack([top / weights.sum(), weights[slates[:, 1]] / (weights.sum() - top)], axis=1)


def marginals(weights: np.ndarray, slates: np.ndarray) -> np.ndarray:
    """Return the probability of each item at its position, whatever stands above: (slates, 2)."""
    whole = chances(weights, SLATES).prod(axis=1)
    at = np.array([[whole[SLATES[:, place] == item].sum() for item in range(3)] for place in range(2)])
    return np.stack([at[place][slates[:, place]] for place in range(2)], axis=1)


REWARDS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "independent": lambda slates: THETA[slates] * [1.0, 0.6],
    "cascade": lambda slates: THETA[slates] * np.stack([np.ones(len(slates)), 1 - THETA[slates[:, 0]]], axis=1),
    "competing": lambda slates: LOVE[slates] / (1 + LOVE[slates].sum(axis=1, keepdims=True)),
}


def rows(reward: str, **more: Any) -> dict[str, np.ndarray]:
    """Return the log of all visits, rewards being what is expected of them."""
    table = {
        "visit": np.repeat(np.arange(60), 2), "position": np.tile([0, 1], 60), "reward": REWARDS[reward](VISITS).ravel(),
        "propensity": chances(LOG, VISITS).ravel(), "target": chances(TARGET, VISITS).ravel(),
    }  # fmt: skip
    return table | more


def truth(reward: str) -> float:
    """Return what the target gets a visit, slate by slate."""
    return float(chances(TARGET, SLATES).prod(axis=1) @ REWARDS[reward](SLATES).sum(axis=1))


def predicted(table: np.ndarray) -> dict[str, np.ndarray]:
    """Return predictions from a table, (position, above + 1, item), and what is expected of them under the target."""
    above = np.stack([np.zeros(60, np.int64), VISITS[:, 0] + 1], axis=1)
    place = np.tile([0, 1], (60, 1))
    expected = np.zeros((60, 2))
    for item in range(3):
        there = np.stack([np.ones(60, np.bool_), VISITS[:, 0] != item], axis=1)
        second = np.stack([VISITS[:, 0], np.full(60, item)], axis=1)
        chance = np.stack([np.full(60, TARGET[item] / TARGET.sum()), chances(TARGET, second)[:, 1]], axis=1)
        expected += np.where(there, chance * table[place, above, item], 0)
    return {"prediction": table[place, above, VISITS].ravel(), "expected": expected.ravel()}


@pytest.mark.parametrize("estimate", [ips, self_normalised])
@pytest.mark.parametrize(
    ("scope", "reward"), [*(("slate", reward) for reward in REWARDS), ("cascade", "independent"), ("cascade", "cascade")]
)
def test_weighed_by_slate_or_cascade_every_estimate_is_exact(estimate: Any, scope: Any, reward: str) -> None:
    """With every slate as often as its chance says, the estimate is the target's value, to rounding."""
    assert estimate(cases(rows(reward), scope)).value == pytest.approx(truth(reward), abs=1e-12)
    assert abs(logged(cases(rows(reward))).value - truth(reward)) > 0.01, "the log's own mean is another"


def test_a_cascade_is_wrong_where_items_compete() -> None:
    """Where what stands below takes rewards away, the weight of the rows above is not enough: the docs say slate."""
    assert abs(ips(cases(rows("competing"), "cascade")).value - truth("competing")) > 0.01


@pytest.mark.parametrize("reward", REWARDS)
def test_rows_by_themselves_need_chances_whatever_stands_above(reward: str) -> None:
    """Without visits the chances of the items at their positions are exact for independent rewards, and for these alone;
    chances given what stands above are wrong even there.
    """
    def value(chance: Callable[..., np.ndarray]) -> float:
        table = rows(reward, propensity=chance(LOG, VISITS).ravel(), target=chance(TARGET, VISITS).ravel())
        return 2 * ips(cases({name: table[name] for name in ("reward", "propensity", "target")})).value

    exact = value(marginals) == pytest.approx(truth(reward), abs=1e-12)
    assert exact == (reward == "independent")
    assert abs(value(chances) - truth(reward)) > 0.01


@pytest.mark.parametrize("reward", REWARDS)
def test_predictions_of_any_kind_leave_the_doubly_robust_estimate_exact(reward: str) -> None:
    """Whatever was predicted, its weighed mean on the log takes away what its mean under the target brings."""
    table = np.random.default_rng(3).normal(size=(2, 4, 3))
    given = cases(rows(reward, **predicted(table)))
    assert doubly_robust(given).value == pytest.approx(truth(reward), abs=1e-12)
    assert abs(given.prediction).sum() > 1  # type: ignore[arg-type]


def test_right_predictions_make_up_for_wrong_chances() -> None:
    """With slates of one item and chances of the log that are all wrong, right predictions still give the target's value."""
    top = VISITS[:, 0]
    share = TARGET / TARGET.sum()
    log = {"reward": THETA[top], "propensity": np.full(60, 0.9), "target": share[top]}
    model = {"prediction": THETA[top], "expected": np.full(60, share @ THETA)}
    assert doubly_robust(cases(log | model)).value == pytest.approx(share @ THETA, abs=1e-12)
    assert abs(ips(cases(log)).value - share @ THETA) > 0.01


def test_good_predictions_make_intervals_narrow() -> None:
    """Predictions that are right leave less than half of the interval, in both scopes: else they were of no use."""
    right = np.zeros((2, 4, 3)) + THETA * np.array([1.0, 0.6])[:, None, None]
    for scope in ("slate", "cascade"):
        given = cases(rows("independent", **predicted(right)), scope)
        width = [found.high - found.low for found in (doubly_robust(given), ips(given))]
        assert width[0] < width[1] / 2, (scope, width)


# --------------------------------------------------------------------------------------------------------------- intervals
def some(seed: int = 1, n: int = 300, k: int = 3) -> dict[str, np.ndarray]:
    """Return a log of 100 users, three visits each, three rows a visit, with predictions."""
    chance = np.random.default_rng(seed)
    shape = n * k
    return {
        "user": np.repeat(np.arange(n) % 100, k), "visit": np.repeat(np.arange(n) // 100, k),
        "position": np.tile(np.arange(k), n),
        "reward": chance.integers(0, 2, shape).astype(np.float64), "propensity": chance.uniform(0.3, 1, shape),
        "target": chance.uniform(0, 1, shape), "prediction": chance.uniform(size=shape), "expected": chance.uniform(size=shape),
    }  # fmt: skip


def test_the_interval_of_independent_cases_is_students() -> None:
    """Without users it is that of a t test of the weighed rewards."""
    given = cases({name: column for name, column in some().items() if name != "user"} | {"visit": np.repeat(np.arange(300), 3)})
    terms = (given.weight * given.reward).sum(axis=1)
    low, high = stats.ttest_1samp(terms, 0).confidence_interval(0.95)
    assert ips(given) == pytest.approx((terms.mean(), low, high), rel=1e-12)
    low, high = stats.ttest_1samp(terms, 0).confidence_interval(0.5)
    assert ips(given, 0.5) == pytest.approx((terms.mean(), low, high), rel=1e-12)


@pytest.mark.parametrize("estimate", [ips, self_normalised, doubly_robust, logged])
def test_copies_of_visits_by_the_same_user_tell_nothing_new(estimate: Any) -> None:
    """A log in which each user made all her visits twice gives the same value and the same interval; as visits of
    strangers they would make it narrower.
    """
    once = some()
    again = {name: np.concatenate([column, column + (10 if name == "visit" else 0)]) for name, column in once.items()}
    strangers = again | {"user": np.concatenate([once["user"], once["user"] + 1000])}
    found, copied, fooled = (estimate(cases(log)) for log in (once, again, strangers))
    assert copied == pytest.approx(found, rel=1e-9)
    assert fooled.high - fooled.low < 0.75 * (found.high - found.low)


@pytest.mark.parametrize("estimate", [ips, self_normalised, doubly_robust])
def test_the_interval_is_that_of_leaving_users_out(estimate: Any) -> None:
    """The error is that of the jackknife over users, another way to the same, within a tenth."""
    log = pd.DataFrame(some())
    left = [estimate(cases(log[log["user"] != user])).value for user in range(100)]
    jackknife = np.sqrt(99 / 100 * ((np.array(left) - np.mean(left)) ** 2).sum())
    _, low, high = estimate(cases(log))
    assert (high - low) / 2 / stats.t.ppf(0.975, 99) == pytest.approx(jackknife, rel=0.1)


def test_the_order_of_rows_and_the_names_of_users_do_not_matter() -> None:
    """Rows in any order, users by name and visits under other numbers give the same figures."""
    log = pd.DataFrame(some())
    named = log["user"].map(lambda user: f"user {(user * 7) % 100}")
    other = log.assign(user=named, visit=50 - log["visit"], position=log["position"] + 1).sample(frac=1, random_state=1)
    for found, same in zip(evaluate(cases(log)), evaluate(cases(other)), strict=True):
        assert same[:4] == pytest.approx(found[:4], rel=1e-9)


def test_a_target_that_serves_as_the_log_does_gets_what_the_log_got() -> None:
    """All weights are 1; value and interval are those of the log."""
    log = some()
    told = evaluate(cases(log | {"target": log["propensity"]}))
    assert told.ips == told.logged
    assert told.self_normalised == pytest.approx(told.logged, rel=1e-12)
    assert told.diagnostics[2:4] == pytest.approx((300, 1 / 300)) and told.diagnostics.mean_weight == (1, 1, 1)
    assert told.diagnostics.warning == ""


def test_per_impression_is_per_visit_over_the_rows_of_a_visit() -> None:
    """Slates of three: a third of the value; the same weights."""
    visit, impression = (evaluate(cases(some(), per=per)) for per in ("visit", "impression"))
    for name in ("logged", "ips", "self_normalised", "doubly_robust"):
        assert np.multiply(3, getattr(impression, name)) == pytest.approx(getattr(visit, name), rel=1e-9)


def test_short_slates_count_as_they_are() -> None:
    """A visit with one row weighs by that row; below it there is no reward."""
    log = {"visit": [0, 0, 1], "position": [0, 1, 0], "reward": [1, 1, 1], "propensity": [0.5] * 3, "target": [1, 0.25, 0.5]}
    given = cases(log, "cascade")
    assert (given.upto.tolist(), given.reward.tolist()) == ([[2, 1], [1, 1]], [[1, 1], [1, 0]])
    assert ips(given).value == (2 + 1 + 1) / 2


def test_too_little_is_said_to_be_too_little() -> None:
    """One case has no interval; weights that are all 0 have no self-normalised mean; no predictions, no doubly robust one."""
    one = cases({"reward": [1], "propensity": [0.5], "target": [0.5]})
    assert np.isnan(ips(one)[1:]).all() and ips(one).value == 1
    none = cases({"reward": [1, 1], "propensity": [0.5, 0.5], "target": [0, 0]})
    assert np.isnan(self_normalised(none)).all() and ips(none).value == 0
    assert np.isnan(doubly_robust(none)).all()
    assert "effective 0 of 2" in diagnose(none).warning


# ------------------------------------------------------------------------------------------------------------- diagnostics
def weighed(*ratios: float, **more: Any) -> Cases:
    """Return cases of one row each with these weights."""
    log = {"reward": np.ones(len(ratios)), "propensity": np.full(len(ratios), 0.01), "target": np.multiply(0.01, ratios)}
    return cases(log | more)


def test_what_is_doubted() -> None:
    """Missing support, weights that cannot be, and few cases are said; a good log has no warning."""
    assert diagnose(weighed(*[0.5, 1.5] * 100)).warning == ""
    assert diagnose(weighed(*[0.5, 1.0] * 200)).warning.startswith("without support: the log could not show 25 %")
    assert diagnose(weighed(*[1.0, 2.0] * 200)).warning.startswith("the mean weight is 1.5, above 1")
    assert diagnose(weighed(*[0.5, 1.5] * 25)).warning.startswith("few cases carry the estimate (effective 40 of 50")
    heavy = diagnose(weighed(*[0.5, 1.5] * 400, 60.0))
    assert heavy.warning.startswith("few cases carry the estimate (effective 161 of 801)")
    assert heavy.largest == pytest.approx(60 / 860)
    unmet = diagnose(weighed(*[0.5, 1.0] * 200, unsupported=np.zeros(400)))
    assert unmet.warning.startswith("the mean weight is 0.75, below 1") and unmet.unsupported == 0
    known = diagnose(weighed(*[0.5, 1.5] * 100, unsupported=[0, 0, 0, 1] * 50))
    assert known.unsupported == 0.25 and known.warning.startswith("without support: the log could not show 25 %")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"propensity": None}, "no column 'propensity'"),
        ({"target": None}, "no column 'target'"),
        ({"reward": None}, "no column 'clicked'"),
        ({"propensity": [0.0, 0.5]}, "^propensity: some are 0"),
        ({"propensity": [np.nan, 0.5]}, "^propensity: give a finite number from 0 to 1"),
        ({"target": [1.5, 0.5]}, "^target: give"),
        ({"reward": ["a", "b"]}, "^reward: holds what is no number"),
        ({"reward": [[1.0], [2.0]]}, "^reward: give"),
        ({"reward": [1.0]}, "rows"),
        ({"prediction": [1.0, 1.0]}, "prediction and expected"),
        ({"position": [0, 0]}, "^position"),
        ({"position": [0, 2]}, "^position"),
        ({name: [] for name in ("reward", "propensity", "target", "visit")}, "at least one"),
    ],
)  # fmt: skip
def test_what_is_no_log(changes: dict[str, Any], fault: str) -> None:
    """Columns that are missing or hold what they cannot are named in one line."""
    log = {"visit": [1, 1], "reward": [0.0, 1.0], "propensity": [0.5, 0.5], "target": [0.5, 0.5]} | changes
    with pytest.raises(rs.RecsimError, match=fault):
        cases({name: column for name, column in log.items() if column is not None})


def test_settings_that_are_none() -> None:
    """A scope, a unit and a level that are none are refused."""
    log = {"reward": [0.0, 1.0], "propensity": [0.5, 0.5], "target": [0.5, 0.5]}
    for call, fault in (
        (lambda: cases(log, scope="cascades"), "did you mean 'cascade'"),  # type: ignore[arg-type]
        (lambda: cases(log, per="user"), "^per"),  # type: ignore[arg-type]
        (lambda: ips(cases(log), 1.0), "^sure"),
    ):  # fmt: skip
        with pytest.raises(rs.RecsimError, match=fault):
            call()


# ------------------------------------------------------------------------------------------------------------ beside a run
@pytest.fixture(scope="module")
def explored(small: rs.Scenario) -> rs.Run:
    """A run of the small world in which a third of the positions is left to chance."""
    return rs.run(small.but(policy=rs.EpsilonGreedy(epsilon=0.3)), seed=2, progress=False)


def test_the_policy_that_served_is_as_likely_as_it_was(small: rs.Scenario, policy: rs.Policy) -> None:
    """For every policy: asked again beside its own run, it gives the logged propensities, and it could show all it shows."""
    run = rs.run(small.but(policy=policy), seed=1, progress=False)
    found = beside(run, policy)
    np.testing.assert_allclose(found["target"], found["propensity"], rtol=1e-12)
    assert not found["unsupported"].any()
    pd.testing.assert_frame_equal(found[run.impressions.columns.tolist()], run.impressions)


def test_any_policy_can_be_a_target(explored: rs.Run, policy: rs.Policy) -> None:
    """Its chances are chances, the log has support for it, and what it really gets are slates for the same visits."""
    found = beside(explored, policy, 1, 2, predict=True)
    assert found["target"].between(0, 1 + 1e-12).all() and found["target"].gt(0).any() and not found["unsupported"].any()
    low, high = found["prediction"].min(), found["prediction"].max()
    assert found["expected"].between(0, high + 1e-12).all() and low < high
    real = served(explored, policy, 1, 1)
    first = found[found["epoch"] == 1]
    visits = [set(zip(rows["user"], rows["visit"], strict=True)) for rows in (first, real)]
    assert visits[0] == visits[1]


def test_a_run_in_a_folder_is_as_good(explored: rs.Run, tmp_path: Path) -> None:
    """What is said beside a run does not depend on whether it is kept in memory or in a folder."""
    rs.run(explored.scenario, seed=2, out=tmp_path / "run", progress=False)
    kept, target = rs.Run.load(tmp_path / "run"), rs.Softmax(temperature=0.5)
    pd.testing.assert_frame_equal(beside(kept, target, 2), beside(explored, target, 2))
    pd.testing.assert_frame_equal(served(kept, target, 2), served(explored, target, 2))


@pytest.mark.parametrize("first", [0, 1, 3])
def test_the_same_policy_served_again_leaves_the_same_log(explored: rs.Run, first: int) -> None:
    """What the policy of the run really gets is what it got, to the byte, from any epoch on; models go live with latency."""
    log = explored.impressions
    pd.testing.assert_frame_equal(
        served(explored, explored.scenario.policy, first, 3), log[log["epoch"].between(first, 3)].reset_index(drop=True)
    )


def test_what_greedy_would_show_is_the_best_left(explored: rs.Run) -> None:
    """Its chance is 1 where the model's own order was kept from the top, and what is expected of it is the rate of one item."""
    found = beside(explored, rs.Greedy(), 1, predict=True)
    assert set(found["target"]) == {0.0, 1.0}
    certain = found["target"] == 1
    assert (found["prediction"] == found["expected"])[certain].all()
    assert certain.mean() > 0.6, "two thirds of the positions were not explored"


def test_what_chance_would_show_is_the_mean_of_all_left(explored: rs.Run) -> None:
    """For a target that shows anything, what is expected at the top is the mean of the rates of all that may be shown there."""
    found = beside(explored, rs.EpsilonGreedy(epsilon=1.0), 1, 1, predict=True)
    top = found[found["position"] == 0]
    rate = found.groupby("item")["prediction"].agg(["min", "max"])
    assert (rate["min"] == rate["max"]).all()
    left = np.rint(1 / top["target"])
    assert left.max() <= 80 and len(rate) == 80, "every item was shown to somebody"
    whole = top[left == 80]
    assert len(whole) > 5
    np.testing.assert_allclose(whole["expected"], rate["min"].mean(), rtol=1e-12)


FIVE = rs.Scenario(
    days=14, slate=1, consumption="again", consumed="stay", visits=rs.Regular(), recommender=rs.Popularity(prior=1.0),
    population=rs.SyntheticUsers(users=300, topics=2), catalog=rs.SyntheticItems(items=5, topics=2), log="impressions",
)  # fmt: skip


@pytest.mark.parametrize(("slate", "supported"), [(1, 0.6 + 0.4 / 5), (2, (0.6 + 0.4 / 5) * (0.6 + 0.4 / 4))])
def test_what_the_log_could_not_show_is_counted(slate: int, supported: float) -> None:
    """Greedy against 40 % chance over five items: the best left stands at each place with 0.6 and its share of 0.4; all else
    has no support; binomial, 4 sigma (6e-5).
    """
    found = beside(rs.run(FIVE.but(slate=slate), seed=1, progress=False), rs.EpsilonGreedy(epsilon=0.4), 1)
    missing = int(found.loc[found["position"] == 0, "unsupported"].sum())
    assert stats.binomtest(missing, len(found) // slate, 1 - supported).pvalue > 6e-5
    told = diagnose(cases(found))
    assert told.unsupported == missing * slate / len(found) and told.warning.startswith("without support")
    assert told.mean_weight == pytest.approx((supported,) * 3), "what has support weighs that much in every visit"


def test_slates_that_end_elsewhere_have_no_support() -> None:
    """A target that ranks one item only shows shorter slates than a log that shows two: the log never shows such a one."""
    only = FIVE.but(slate=2, start=rs.Shares(shares=(1, 0, 0, 0, 0)), policy=rs.EpsilonGreedy(epsilon=1.0))
    assert beside(rs.run(only, seed=1, progress=False), rs.Greedy(), 0, 0)["unsupported"].all()


def test_a_catalogue_that_is_used_up_is_no_want_of_support() -> None:
    """Where there are five items for slates of seven, all slates end at the fifth, and the log could show any."""
    run = rs.run(FIVE.but(slate=7, policy=rs.EpsilonGreedy(epsilon=1.0)), seed=1, progress=False)
    found = beside(run, rs.Greedy(), 1)
    assert not found["unsupported"].any() and found["position"].max() == 4


def test_a_log_with_other_chances_is_not_that_of_the_run(explored: rs.Run) -> None:
    """The same slates with other propensities are refused: weights of the two would not belong together."""
    other = explored._tables["impressions"] | {"propensity": explored._tables["impressions"]["propensity"] * 0.999}
    with pytest.raises(rs.RecsimError, match="does not come out as it did"):
        beside(replace(explored, _tables=explored._tables | {"impressions": other}), rs.Greedy())


def test_predictions_are_the_click_rates_that_were_published(explored: rs.Run) -> None:
    """Those of epoch 1 are (clicks + 10 c) / (shown + 10) of what was shown before its cut on day 3, c that of all items."""
    before = explored.impressions[explored.impressions["time"] < 3 * 86_400]
    shown, clicks = (np.bincount(part["item"], minlength=80) for part in (before, before[before["clicked"]]))
    found = beside(explored, rs.Greedy(), 1, 1, predict=True)
    rate = (clicks + 10 * clicks.sum() / shown.sum()) / (shown + 10)
    np.testing.assert_allclose(found["prediction"], rate[found["item"]], rtol=1e-12)


@pytest.mark.parametrize("target", [rs.Softmax(temperature=0.5, candidates=20), rs.Calibrated(calibration=0.5, candidates=20)])
def test_visits_are_asked_about_by_themselves(explored: rs.Run, target: rs.Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected of a target in one visit does not depend on the others that are worked on with it."""
    together = beside(explored, target, 1, 1, predict=True)
    monkeypatch.setattr("recsim.offpolicy.PAIRS", 1)
    pd.testing.assert_frame_equal(beside(explored, target, 1, 1, predict=True), together)


@pytest.mark.parametrize(
    ("settings", "call", "fault"),
    [
        ({"signals": (rs.Panel(rate=0.2),)}, lambda run: beside(run, rs.Greedy()), "^signals: Panel places"),
        ({"signals": (rs.Panel(rate=0.2),)}, lambda run: served(run, rs.Greedy()), "^signals: Panel places"),
        ({"log": "clicks"}, lambda run: beside(run, rs.Greedy()), "kept no impressions"),
        ({}, lambda run: beside(run, rs.Greedy(), 2, 1), "^epochs: 2 to 1 are none; the run has 0 to 1"),
        ({}, lambda run: beside(run, rs.Greedy(), 0, 2), "^epochs"),
        ({}, lambda run: served(run, rs.Greedy(), -1), "^epochs"),
        ({}, lambda run: beside(run, rs.Random()), "^target"),
        ({}, lambda run: beside(replace(run, status="interrupted"), rs.Greedy()), "is interrupted"),
        ({}, lambda run: beside(replace(run, seed=5), rs.Greedy()), "does not come out as it did"),
        ({"population": rs.SyntheticUsers(users=5, curiosity=1.0)}, lambda run: beside(run, rs.Greedy()), "nothing was shown"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_beside_a_run(settings: dict[str, Any], call: Callable[[rs.Run], Any], fault: str) -> None:
    """Signals that place items, runs that are not whole, epochs that are not there: one line each."""
    world = rs.Scenario(
        days=6, population=rs.SyntheticUsers(users=20), catalog=rs.SyntheticItems(items=20), log="impressions",
        recommender=rs.Popularity(), retrain=rs.Retrain(every=3),
    )  # fmt: skip
    run = rs.run(world.but(**settings), seed=1, progress=False)
    with pytest.raises(rs.RecsimError, match=fault) as raised:
        call(run)
    assert "\n" not in str(raised.value)


# --------------------------------------------------------------------------------------------------- the other pipeline
def test_there_and_back(explored: rs.Run) -> None:
    """In the layout of the Open Bandit Pipeline nothing is lost: read back, the log gives the same estimates."""
    log = beside(explored, rs.EpsilonGreedy(epsilon=0.5), 1, 2)
    feedback = to_open_bandit(log, items=80, context=np.eye(120), action_context=np.arange(160).reshape(80, 2))
    back = {
        "visit": feedback["slate_id"], "user": feedback["context"].argmax(axis=1), "position": feedback["position"],
        "item": feedback["action"], "clicked": feedback["reward"], "propensity": feedback["pscore"],
    }  # fmt: skip
    for name in ("user", "position", "item", "clicked", "propensity"):
        np.testing.assert_array_equal(back[name], log[name])
    back |= {name: log[name].to_numpy() for name in ("target", "unsupported")}
    for found, same in zip(evaluate(cases(back)), evaluate(cases(log)), strict=True):
        np.testing.assert_array_equal(np.hstack(found[:3]), np.hstack(same[:3]))


def test_the_layout_is_theirs(explored: rs.Run) -> None:
    """Names, shapes and kinds are those of `OpenBanditDataset`, and of their slate data for the rest."""
    log = explored.impressions
    feedback = to_open_bandit(log, items=80)
    rounds = len(log)
    shapes = {name: np.shape(column) for name, column in feedback.items()}
    column = (rounds,)
    assert shapes == {
        "n_rounds": (), "n_actions": (), "action": column, "position": column, "reward": column, "pscore": column,
        "context": (rounds, 1), "action_context": (80, 80), "slate_id": column, "pscore_cascade": column,
    }  # fmt: skip
    assert (feedback["n_rounds"], feedback["n_actions"]) == (rounds, 80)
    assert all(feedback[name].dtype == np.int64 for name in ("action", "position", "slate_id"))
    by_slate = log.assign(slate=feedback["slate_id"]).sort_values("position").groupby("slate")["propensity"]
    np.testing.assert_allclose(feedback["pscore_cascade"], by_slate.cumprod().sort_index(), rtol=1e-12)
    alone = to_open_bandit({"item": [3], "reward": [2.5], "propensity": [0.5]}, items=4)
    below = to_open_bandit({"item": [3, 1], "position": [1, 2], "reward": [1, 0], "propensity": [0.5, 0.5]}, items=4)
    assert below["position"].tolist() == [0, 1], "counted from 0, whatever the log calls the top"
    assert set(alone) == set(feedback) - {"slate_id", "pscore_cascade"} and alone["position"].tolist() == [0]


@pytest.mark.parametrize(
    ("log", "more", "fault"),
    [
        ({"item": None}, {}, "no column 'item'"),
        ({"propensity": None}, {}, "no column 'propensity'"),
        ({"item": [0, 3]}, {}, "^item: numbers go from 0 to 2"),
        ({"item": [-1, 0]}, {}, "^item"),
        ({"item": [0.5, 1.0]}, {}, "^item"),
        ({}, {"action_context": np.eye(2)}, "^item"),
        ({}, {"context": np.eye(1)}, "^context"),
        ({}, {"context": np.ones(2)}, "^context"),
        ({"user": ["a", "b"]}, {"context": np.eye(2)}, "^context"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_the_layout(log: dict[str, Any], more: dict[str, Any], fault: str) -> None:
    """Items and users without a row, and columns that are missing, are said in one line."""
    table = {"item": [0, 1], "user": [0, 1], "clicked": [0, 1], "propensity": [0.5, 0.5]} | log
    with pytest.raises(rs.RecsimError, match=fault):
        to_open_bandit({name: column for name, column in table.items() if column is not None}, items=3, **more)
