"""A/B tests inside a world: the split world, what the team estimates, and when it is wrong."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import recsim as rs
from recsim.abtest import ABTest, Trial, ab_test, run_test
from recsim.cells import Job
from recsim.ratios import difference, linearised, ratio
from recsim.simulation import World

A = rs.Scenario(
    days=26.5,
    slate=4,
    population=rs.SyntheticUsers(users=80, topics=4, curiosity=0.2),
    catalog=rs.SyntheticItems(items=50, topics=4),
    visits=rs.Poisson(rate=1.0),
    choice=rs.Luce(outside=4.0),
    recommender=rs.ALS(factors=6, iterations=3),
    retrain=rs.Retrain(every=5.0, latency=0.4),
)
B = A.but(policy=rs.EpsilonGreedy(epsilon=0.3))
COUNTING = {"recommender": rs.Popularity(score="click_rate", prior=1.0), "training": (rs.Window(last=2),)}
LIVING = {
    "dynamics": (rs.Reinforcement(rate=0.05), rs.Leaving(chance=0.1, away=3.0)),
    "creators": (rs.HumanCreators(creators=3, rate=0.3, every=2.0, chase=0.5),),
    "signals": (rs.Survey(rate=0.1), rs.Panel(rate=0.1)),
}
PAIRS = {
    "plain": (A, B),
    "counts": (A.but(**COUNTING), B.but(**COUNTING, policy=rs.UCB(width=0.3))),
    "living": (A.but(**LIVING), B.but(**LIVING)),
    "open loop": (A.but(open_loop=True), B.but(open_loop=True)),
}


def same_log(one: World, other: World) -> bool:
    """Return whether the logs of two worlds are the same, byte for byte, and not empty."""
    ours, theirs = one.log.columns(), other.log.columns()
    return len(ours["time"]) > 100 and all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


# ------------------------------------------------------------------------------------------------------ the split world
@pytest.mark.parametrize("warm_up", [0.0, 5.0, 12.0])
@pytest.mark.parametrize("pair", PAIRS)
def test_a_world_with_all_users_in_one_arm_is_that_arms_world(pair: str, warm_up: float) -> None:
    """At a share of 0 or 1, whatever the log, the split world is the fork that `compare` would run, byte for byte."""
    warm = World(PAIRS[pair][0], 3, forks=True).advance(warm_up)
    for arm, share in zip(PAIRS[pair], (0.0, 1.0), strict=True):
        fork = warm.fork(arm).advance(A.days)
        for log in ("shared", "diverted"):
            assert same_log(Trial(warm, PAIRS[pair], share, log).advance(A.days), fork)


@pytest.mark.parametrize("pair", PAIRS)
def test_two_arms_alike_with_one_log_are_one_world(pair: str) -> None:
    """Both models are then the same, so that nobody's slate depends on her arm: the log is that of the plain world."""
    arm = PAIRS[pair][1]
    warm = World(arm, 4, forks=True).advance(5.0)
    assert same_log(Trial(warm, (arm, arm), 0.5).advance(A.days), warm.fork(arm).advance(A.days))


@pytest.mark.parametrize("log", ["shared", "diverted"])
def test_a_split_world_does_not_depend_on_tiles(log: str) -> None:
    """Visits served seven at a time, in one thread or three, give the log of visits served all together."""
    whole, *cut = (
        Trial(World(B, 5, threads, tile, forks=True).advance(5.0), (A, B), 0.4, log).advance(A.days)
        for tile, threads in ((4096, 1), (7, 1), (7, 3))
    )
    assert all(same_log(one, whole) for one in cut)


def test_diverted_feeds_learn_from_their_own_users_alone() -> None:
    """Rows since the split are of an arm's own users, counts are of those rows; before it, and with one log, they are all."""
    warm = World(A, 6, forks=True).advance(10.0)
    own = {}
    for log in ("shared", "diverted"):
        trial = Trial(warm, (A, B), 0.3, log).advance(24.0)
        rows = trial.log.columns()
        for place, feed in enumerate(trial.feeds):
            taught = feed.training_rows(trial.now)
            mine = trial.group[rows["user"]] == place
            wanted = (rows["time"] < warm.now) | mine if log == "diverted" else np.ones(len(mine), bool)
            assert np.array_equal(taught.user, rows["user"][wanted])
            assert feed._counts().clicks.sum() == wanted.sum()
            own[log, place] = int(wanted.sum())
    assert own["diverted", 0] > own["diverted", 1] > warm.log.rows
    assert own["diverted", 0] < own["shared", 0] == own["shared", 1]


def test_the_coin_is_at_the_address_and_of_the_share() -> None:
    """Who is under B does not depend on the arms; the share is met within 4 standard errors (p = 6e-5)."""
    world = World(A.but(population=rs.SyntheticUsers(users=2000, topics=4)), 1, forks=True)
    groups = [Trial(world, (world.scenario, world.scenario), share).group for share in (0.2, 0.5)]
    assert abs(groups[0].mean() - 0.2) < 4 * math.sqrt(0.2 * 0.8 / 2000)
    assert (groups[1] >= groups[0]).all()
    other = World(world.scenario.but(policy=rs.EpsilonGreedy(epsilon=0.1)), 1, forks=True)
    assert np.array_equal(Trial(other, (other.scenario, other.scenario), 0.2).group, groups[0])


def test_totals_are_those_of_the_log_since_they_began() -> None:
    """Visits, clicks and utility of each user are counted from the middle of an epoch over several deployments to the end."""
    warm = World(A, 2, forks=True).advance(7.0)
    trial = Trial(warm, (A, B), 0.5).advance(12.5)
    trial.begin()
    before, came, seen = trial.log.rows, trial.crowd.ordinal.copy(), trial.feeds[0].counters.utility.sum()
    totals = trial.advance(A.days).totals
    rows = trial.log.columns(before)
    assert np.array_equal(totals["clicks"], np.bincount(rows["user"], minlength=80))
    fed = rows["origin"] != rs.Origin.ORGANIC
    assert 0 < fed.sum() < len(fed)
    assert np.array_equal(totals["feed_clicks"], np.bincount(rows["user"][fed], minlength=80))
    assert np.array_equal(totals["visits"], trial.crowd.ordinal - came)
    wants, catalog = warm.users.interests, warm.items
    demand = catalog.topics * catalog.appeal[:, None]
    wanted = np.log(50 * (wants @ (demand / demand.sum(axis=0)).T))[rows["user"], rows["item"]]
    assert totals["utility"].sum() == pytest.approx(wanted.sum())
    assert seen != 0  # so that what was counted before mattered


# ---------------------------------------------------------------------------------------------------- what is concluded
TWO = rs.Scenario(
    days=2,
    slate=1,
    population=rs.SyntheticUsers(users=1500, topics=2),
    catalog=rs.SyntheticItems(items=2, topics=2),
    visits=rs.Regular(),
    choice=rs.Given(theta=((0.2, 0.5),), bias="none"),
    consumption="again",
    consumed="stay",
    start=rs.Shares(shares=(1.0, 0.0)),
    recommender=rs.Popularity(score="click_rate"),
    retrain=rs.Retrain(every=1.0),
)


def test_two_items_turn_the_sign_of_a_shared_test() -> None:
    """The bias in closed form: A shows item 0 (clicked at 0.2) until somebody else finds item 1 (0.5), B explores at epsilon.

    On the day after the first cut the world wholly under A has 0.2, that under B 0.5 - 0.3 epsilon/2: exploration pays. With a
    shared log A's model knows item 1 from B's users and shows it all the time, so that the test finds -0.3 epsilon/2: it decides
    for the wrong side. With diverted logs it finds the truth. Six tests a kind: means within 4 standard errors of the closed
    form (p = 6e-5 each); that too few look at item 1 to see that it is better has a chance below 1e-6.
    """
    epsilon, seeds = 0.4, 6
    found = ab_test(
        TWO, TWO.but(policy=rs.EpsilonGreedy(epsilon=epsilon)), seeds, log=("shared", "diverted"), warm_up=0, settle=1, workers=1,
        progress=False,
    )  # fmt: skip
    clicks = found.frame[found.frame["metric"] == "clicks"]
    error = 4 * math.sqrt(2 * 0.25 / 750 / seeds)
    truth = 0.3 * (1 - epsilon / 2)
    assert clicks["truth"].mean() == pytest.approx(truth, abs=error)
    means = clicks.groupby("log")["estimate"].mean()
    assert means["shared"] == pytest.approx(-0.3 * epsilon / 2, abs=error)
    assert means["diverted"] == pytest.approx(truth, abs=error)
    worth = found.summary[found.summary["metric"] == "clicks"].set_index("log")
    assert worth.loc["shared", "wrong_sign"] == 1
    assert worth.loc["shared", "coverage"] == 0
    assert worth.loc["shared", "wrong"] > 0.3
    assert worth.loc["diverted", ["right", "wrong"]].tolist() == [1, 0]
    assert worth.loc["shared", "bias"] == pytest.approx(-0.3, abs=error)
    assert found.answer().startswith("With shared logs B brings +0.2")


def test_an_arm_beside_itself_has_no_true_difference() -> None:
    """The truth of an A/A test is exactly 0, with diverted logs too, where the two models differ."""
    found = ab_test(A, A.but(name="same"), 3, log=("shared", "diverted"), workers=1, progress=False).frame
    assert (found["truth"] == 0).all()
    assert set(found["verdict"]) <= {"right", "false alarm"}
    shared, diverted = (found.loc[found["log"] == log, "estimate"].to_numpy() for log in ("shared", "diverted"))
    assert (shared != diverted).any()
    assert np.array_equal(shared, found.loc[found["log"] == "shared", "unspoilt"])  # nothing is spoilt where both arms are alike


@pytest.mark.laws
@pytest.mark.timeout(1500)
def test_a_test_of_nothing_raises_a_false_alarm_once_in_twenty() -> None:
    """A/A with one log: 500 tests are unbiased, and 5 % of them are significant, within 4 standard errors (p = 6e-5 each)."""
    small = A.but(days=8.0, retrain=rs.Retrain(every=3.0), recommender=rs.Popularity())
    found = ab_test(small, small, 500, warm_up=3, progress=False).frame
    for _, rows in found[found["metric"] != "utility"].groupby("metric"):
        assert abs(rows["estimate"].mean()) < 4 * rows["estimate"].std() / math.sqrt(500)
        assert abs((rows["p"] < 0.05).mean() - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 500)


def test_several_processes_find_what_one_finds() -> None:
    """The frame does not depend on the number of workers."""
    other = TWO.but(policy=rs.EpsilonGreedy(epsilon=0.3))
    frames = [ab_test(TWO, other, 2, warm_up=0, workers=number, progress=False).frame for number in (1, 2)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_a_test_holds_the_groups_beside_each_other() -> None:
    """One test, worked out again from the totals of its split world."""
    warm = World(A, 9, forks=True).advance(10.0)
    trial = Trial(warm, (A, B), 0.5).advance(12.0)
    trial.begin()
    totals = trial.advance(A.days).totals
    rows = pd.DataFrame(run_test(A, B, 10.0, 9, settle=2.0).columns).set_index("metric")
    for place, name in enumerate("ab"):
        mine = trial.group == place
        assert rows.loc["clicks", name] == pytest.approx(totals["feed_clicks"][mine].sum() / totals["visits"][mine].sum())
        assert rows.loc["visits", f"users_{name}"] == mine.sum()
    welch = stats.ttest_ind(totals["visits"][trial.group == 1], totals["visits"][trial.group == 0], equal_var=False)
    ends = welch.confidence_interval()
    assert rows.loc["visits", ["estimate", "low", "high", "p"]].astype(float).tolist() == pytest.approx(
        [welch._estimate, ends.low, ends.high, welch.pvalue]
    )
    whole = warm.fork(B)
    whole.advance(12.0)
    before, visits = whole.log.rows, whole.crowd.ordinal.sum()
    whole.advance(A.days)
    fed = (whole.log.columns(before)["origin"] != rs.Origin.ORGANIC).sum()
    assert rows.loc["clicks", "true_b"] == pytest.approx(fed / (whole.crowd.ordinal.sum() - visits))


def test_the_summary_counts_verdicts() -> None:
    """Four tests: right, missed, wrong, and one without an interval, which does not count."""
    tests = [(0.10, 0.2, 0.05, 0.35, "right", 1.0), (0.10, 0.0, -0.1, 0.1, "missed", 1.0), (0.10, -0.2, -0.3, -0.1, "wrong", 0.0)]
    tests.append((0.10, math.nan, math.nan, math.nan, "", math.nan))
    frame = pd.DataFrame(tests, columns=["truth", "estimate", "low", "high", "verdict", "covered"]).assign(unspoilt=0.3)
    found = ABTest(A, B, [1, 2, 3, 4], ("shared",), 0.5, 10.0, 0.0, frame.assign(log="shared", metric="clicks"))
    row = found.summary.iloc[0]
    assert (row["seeds"], row["truth"], row["estimate"]) == (3, pytest.approx(0.1), pytest.approx(0.0))
    assert (row["error"], row["bias"]) == (pytest.approx(-0.1), pytest.approx(-0.3))
    assert row["coverage"] == pytest.approx(2 / 3)
    assert row[["right", "missed", "wrong", "wrong_sign"]].tolist() == pytest.approx([1 / 3] * 4)
    assert row["error_high"] == pytest.approx(-0.1 + stats.t.ppf(0.975, 2) * np.std([0.1, -0.1, -0.3], ddof=1) / math.sqrt(3))
    assert "shared   clicks" in found.table()


@pytest.mark.parametrize(
    ("change", "more", "says"),
    [
        ({"days": 20.0}, {}, "days: differs"),
        ({"signals": (rs.Survey(rate=0.1),)}, {}, "signals: differs"),
        ({"choice": rs.Luce(outside=5.0)}, {}, "choice: differs"),
        ({}, {"log": "divided"}, "log: there is no 'divided'"),
        ({}, {"log": ()}, "log: give"),
        ({}, {"share": 1.0}, "share: must lie"),
        ({}, {"settle": 30.0}, "settle: must be days"),
        ({}, {"warm_up": 5.1}, "warm_up: on day 5.1 a model waits"),
        ({}, {"seeds": []}, "seeds: give at least one"),
    ],
)
def test_what_cannot_be_tested_is_said(change: dict, more: dict, says: str) -> None:
    """One line says what is wrong, before anything is run."""
    with pytest.raises(rs.RecsimError) as fault:
        ab_test(A, B.but(**change), **({"seeds": 1, "progress": False} | more))
    assert str(fault.value).startswith(says)
    assert "\n" not in str(fault.value)


# ---------------------------------------------------------------------------------------------------------------- ratios
def test_a_difference_of_means_is_welchs_test() -> None:
    """With a denominator of ones the difference is SciPy's, to rounding."""
    draw = stats.norm(1.0, 2.0)
    ours, theirs = draw.rvs(30, random_state=1), draw.rvs(12, random_state=2) * 3
    found = difference((ours, np.ones(30)), (theirs, np.ones(12)))
    welch = stats.ttest_ind(ours, theirs, equal_var=False)
    ends = welch.confidence_interval()
    assert found == pytest.approx((ours.mean() - theirs.mean(), ends.low, ends.high, welch.pvalue))


def test_the_interval_of_a_ratio_covers() -> None:
    """Of 2,000 ratios of 40 correlated pairs, 95 % lie in their intervals, within 1 point of the method and 4 standard errors."""
    x = stats.gamma(4.0).rvs((2000, 40), random_state=3)
    y = 0.3 * x + stats.norm(0, 0.4).rvs((2000, 40), random_state=4)
    held = [low <= 0.3 <= high for _, low, high in map(ratio, y, x)]
    assert abs(np.mean(held) - 0.95) < 0.01 + 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_ratios_of_nothing_are_nan() -> None:
    """A denominator of zeros, or too few pairs, give NaN and no warning; NaN pairs do not count."""
    assert math.isnan(linearised([1.0], [0.0])[0])
    assert math.isnan(linearised([], [])[0])
    assert all(map(math.isnan, difference(([1.0, 2.0], [0, 0]), ([1.0], [1]))))
    assert ratio([1.0, math.nan], [2.0, 1.0])[0] == 0.5
    assert math.isnan(ratio([1.0, math.nan], [2.0, 1.0])[1])
    assert ratio([1.0, 2.0, math.nan, 4.0], [2.0, 4.0, 1.0, math.nan]) == pytest.approx((0.5, 0.5, 0.5))
    assert difference(([1.0, 1.0], [1, 1]), ([1.0, 1.0], [1, 1])) == (0.0, 0.0, 0.0, 1.0)


def test_a_bench_runs_other_work() -> None:
    """What a bench runs in place of cells is what it was given."""
    from recsim.cells import Bench, Cell

    def work(first: rs.Scenario, arm: rs.Scenario, warm_up: float, seed: int) -> Cell:
        return Cell({}, {"seed": seed + warm_up}, arm.name)

    bench = Bench(A, 5.0, None, 1, lambda share, text: None, work)
    assert bench.cells([Job("one", B, 7)]) == [Cell({}, {"seed": 12.0}, B.name)]
