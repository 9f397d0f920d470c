"""Calibration from impressions: known choices are recovered within their intervals, and what a log cannot tell is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from conftest import call
from scipy.optimize import minimize
from scipy.stats import binom

import recsim as rs
from recsim.clickmodels import ClickFit, compare_shapes, fit_clicks
from recsim.clickworlds import calibrate_clicks
from recsim.errors import RecsimError
from recsim.impressions import Impressions, grouped, read_impressions
from recsim.likelihoods import Cells, Slates, Task
from recsim.randomness import Randomness

Floats = npt.NDArray[np.float64]
BIAS = np.arange(1.0, 6.0) ** -0.7


# -------------------------------------------------------------------------------------------------------- known worlds
def slates(visits: int, items: int, size: int, seed: int) -> npt.NDArray[np.int64]:
    """Return random slates: (visits, size)."""
    return np.argsort(Randomness(seed).block("slate", np.arange(visits), 0, items), axis=1)[:, :size]


def log_of(shown: npt.NDArray[np.int64], clicked: npt.NDArray[np.bool_], items: int, visits: bool = True) -> Impressions:
    """Return slates and clicks, (visits, size), as a log."""
    many, size = shown.shape
    visit = np.repeat(np.arange(many), size).astype(np.int32) if visits else None
    names = tuple(map(str, range(items)))
    return Impressions(shown.ravel().astype(np.int32), np.tile(np.arange(size), many), clicked.ravel(), names, 1, visit)


def appeals(items: int) -> Floats:
    """Return weights of mean 1, spread exponentially."""
    v = Randomness(5).exponential("appeal", np.arange(items))
    return v / v.mean()


def chosen(visits: int, items: int, outside: float, bias: Floats, seed: int) -> Impressions:
    """Return what people click who choose by Luce's rule: exponential races (Yellott 1977)."""
    shown, who = slates(visits, items, len(bias), seed), np.arange(visits)[:, None]
    race = Randomness(seed).exponential("race", who, 0, np.arange(len(bias))) / (appeals(items)[shown] * bias)
    limit = Randomness(seed).exponential("outside", who) / outside
    return log_of(shown, (race == race.min(axis=1, keepdims=True)) & (race < limit), items)


def examined(visits: int, theta: Floats, bias: Floats, seed: int) -> Impressions:
    """Return what people click who click each position by itself."""
    shown = slates(visits, len(theta), len(bias), seed)
    coin = Randomness(seed).uniform("click", np.arange(visits)[:, None], 0, np.arange(len(bias)))
    return log_of(shown, coin < theta[shown] * bias, len(theta), visits=False)


def covered(fit: ClickFit, truth: dict[str, float], together: bool = False) -> npt.NDArray[np.bool_]:
    """Return whether each true figure lies in its interval."""
    found = fit.simultaneous if together else fit.estimates
    return np.array([found[name].low <= value <= found[name].high for name, value in truth.items()])


def enough(tries: int, error: float) -> int:
    """Return how many tries of 95 % intervals hold the truth at least, but with a probability of *error* at most."""
    return int(binom.ppf(error, tries, 0.95))


# ------------------------------------------------------------------------------------------------ likelihood and maxima
def brute(log: Impressions, items: int, size: int) -> tuple[Floats, float]:
    """Return the maximum of Luce's likelihood and its value by a general optimiser, written down a second time."""
    shown, choice = grouped(log)

    def loss(x: Floats) -> float:
        weight = np.exp(x[size - 1 :][shown] + np.append(0.0, x[: size - 1]))
        top = np.where(choice < 0, 1.0, weight[np.arange(len(shown)), np.maximum(choice, 0)])
        return -float((np.log(top) - np.log(1 + weight.sum(axis=1))).sum())

    found = minimize(loss, np.full(size - 1 + items, -1.0), method="BFGS", options={"gtol": 1e-5})
    return found.x, -found.fun


def test_the_maximum_of_luces_likelihood_is_found() -> None:
    """Newton's steps end where a general optimiser of the same likelihood, written a second time, ends."""
    log = chosen(1500, 6, 3.0, BIAS[:3], seed=1)
    fit = fit_clicks(log)
    x, height = brute(log, 6, 3)
    assert fit.log_likelihood == pytest.approx(height, abs=1e-5)
    assert [fit.estimates[f"bias@{r}"].value for r in (2, 3)] == pytest.approx(np.exp(x[:2]), rel=1e-3)
    assert fit.estimates["outside"].value == pytest.approx(1 / np.exp(x[2:]).mean(), rel=1e-3)
    assert fit.appeal == pytest.approx(np.exp(x[2:]) / np.exp(x[2:]).mean(), rel=1e-3)
    assert fit.parameters == 2 + 6 and fit.appeal.mean() == pytest.approx(1)


@pytest.mark.parametrize("kind", [Slates, Cells])
@pytest.mark.parametrize("bias", ["free", "power"])
def test_gradient_and_information_are_those_of_the_likelihood(kind: type, bias: str) -> None:
    """Both agree with differences of the likelihood at a point that is not its maximum."""
    log = chosen(400, 5, 3.0, BIAS[:3], seed=2)
    task = Task.of(log, "luce" if kind is Slates else "given by item", None, bias)  # type: ignore[arg-type]
    like = kind(task)
    q = task.design.shape[1]
    x = np.append(np.full(q, 0.4 if bias == "power" else -0.2), -2.0 - 0.1 * np.arange(5))
    steps = 1e-5 * np.eye(len(x))
    slope = np.array([(like._value(x + h) - like._value(x - h)) / 2e-5 for h in steps])

    def gradient(at: Floats) -> Floats:
        parts = like._parts(at)
        return parts[0] if kind is Slates else np.append(parts[0], parts[1])

    curve = -np.array([(gradient(x + h) - gradient(x - h)) / 2e-5 for h in steps])
    if kind is Slates:
        information = like._parts(x)[1]
    else:
        _, _, own, mixed, corner = like._parts(x)
        information = np.block([[corner, mixed.T], [mixed, np.diag(own)]])
    np.testing.assert_allclose(gradient(x), slope, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(information, curve, rtol=1e-4, atol=1e-3)


def test_one_theta_has_a_closed_form() -> None:
    """With one theta the biases are ratios of click rates, and intervals those of logarithms of ratios of proportions."""
    log = examined(4000, np.full(4, 0.2), BIAS[:3], seed=3)
    fit = fit_clicks(log, "given")
    shown = np.bincount(log.position)
    rate = np.bincount(log.position, log.clicked) / shown
    assert fit.estimates["theta"].value == pytest.approx(rate[0])
    spread = np.sqrt((1 - rate) / (rate * shown))
    for r in (1, 2):
        found = fit.estimates[f"bias@{r + 1}"]
        assert found.value == pytest.approx(rate[r] / rate[0])
        assert np.log(found.high / found.low) / 2 / 1.959964 == pytest.approx(np.hypot(spread[0], spread[r]), rel=1e-6)


def test_a_known_world_weighs_items_in_place_of_appeals() -> None:
    """With the true weights given there are no appeals to fit, and outside option and biases are found all the same."""
    log = chosen(20_000, 30, 6.0, BIAS, seed=4)
    fit = fit_clicks(log, weights=3.0 * appeals(30)[log.item])
    assert fit.parameters == 5
    truth = {"outside": 18.0} | {f"bias@{r}": float(BIAS[r - 1]) for r in range(2, 6)}
    for name, value in truth.items():  # four standard errors: a chance of 6e-5 each
        found = fit.estimates[name]
        assert abs(np.log(found.value / value)) < 4 * np.log(found.high / found.low) / 3.92


def test_the_bias_may_have_one_exponent() -> None:
    """r^-g costs one parameter; a true power is not refused, and 1/log2(r+1) or no bias at all are.

    Error rate: 1e-4, that of the test of the true shape at this level.
    """
    log = chosen(20_000, 20, 6.0, BIAS, seed=5)
    fit, power = fit_clicks(log), fit_clicks(log, bias="power")
    tests = compare_shapes(log, fit)
    assert tests["power"]["degrees"] == 3 and tests["power"]["p"] > 1e-4
    assert tests["none"]["p"] < 1e-9 and tests["log"]["degrees"] == 4
    exponent = power.estimates["exponent"]
    assert abs(exponent.value - 0.7) < 4 * (exponent.high - exponent.low) / 3.92
    assert power.choice is not None and power.choice["bias"] == exponent.value


# ------------------------------------------------------------------------------------------------------------ coverage
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """60 logs of 3,000 visits: each parameter is in its 95 % interval as often as chance allows, alone and all at once.

    Error rate: six parameters and both models, each below its bound with a probability under 1e-4: about 1e-3.
    """
    names = {f"bias@{r}": float(BIAS[r - 1]) for r in (2, 3)}
    theta = 0.25 * appeals(12) / appeals(12).max() + 0.05
    alone, at_once = [], []
    for seed in range(60):
        luce, given = fit_clicks(chosen(3000, 12, 4.0, BIAS[:3], seed)), fit_clicks(examined(3000, theta, BIAS[:3], seed))
        truths = {"outside": 4.0} | names, {"theta": float(theta.mean())} | names
        alone.append(np.concatenate([covered(fit, truth) for fit, truth in zip((luce, given), truths, strict=True)]))
        at_once.append([covered(fit, truth, together=True).all() for fit, truth in zip((luce, given), truths, strict=True)])
    assert (np.sum(alone, axis=0) >= enough(60, 1e-4)).all(), np.mean(alone, axis=0)
    assert (np.sum(at_once, axis=0) >= enough(60, 1e-4)).all(), np.mean(at_once, axis=0)


SHOWN = rs.Scenario(
    name="shown",
    days=100.0,
    slate=5,
    population=rs.SyntheticUsers(users=2000, topics=1),
    catalog=rs.SyntheticItems(items=50, topics=1),
    visits=rs.Regular(period=1.0),
    choice=rs.Luce(outside=8.0, bias=0.7),
    recommender=rs.Random(),
    retrain=rs.Retrain(every=50.0),
    log="impressions",
)
TRUTH = {"outside": 8.0} | {f"bias@{r}": float(BIAS[r]) for r in range(1, 5)}


def columns_of(scenario: rs.Scenario, seed: int) -> Impressions:
    """Return the impressions of a run as they come out of its frame."""
    rows = rs.run(scenario, seed=seed, progress=False).impressions
    visit = np.unique(rows["user"].to_numpy() * 1000 + rows["visit"].to_numpy(), return_inverse=True)[1]
    names = tuple(map(str, range(scenario.catalog.items)))  # type: ignore[attr-defined]
    position = rows["position"].to_numpy(np.int64)
    return Impressions(rows["item"].to_numpy(), position, rows["clicked"].to_numpy(), names, 0, visit.astype(np.int32))


def test_the_simulators_own_log_gives_its_choice_back(tmp_path: Path) -> None:
    """The impressions of a run, written and read, give outside option, biases and appeals: four standard errors each.

    Error rate: 55 figures x 6e-5 = 0.4 %.
    """
    world = SHOWN.but(days=8.0)
    rs.run(world, seed=1, progress=False).impressions.to_parquet(tmp_path / "log.parquet")
    log = read_impressions(tmp_path / "log.parquet", "item", "position", "clicked", "visit", "user", "propensity")
    assert len(log) == 8 * 2000 * 5 and log.top == 0
    fit = fit_clicks(log)
    for name, value in TRUTH.items():
        found = fit.estimates[name]
        assert abs(np.log(found.value / value)) < 4 * np.log(found.high / found.low) / 3.92
    wanted = 50 * world.catalog.draw(Randomness(world.world_seed)).demand_by_topic()[0]
    true = wanted[np.array(log.item_names, np.int64)]
    assert (np.abs(np.log(fit.appeal / true)) < 4 * np.log(fit.appeal_high / fit.appeal_low) / 3.92).all()
    assert fit.choice is not None and fit.choice["kind"] == "Luce"
    rs.Luce.model_validate({key: value for key, value in fit.choice.items() if key != "kind"})


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_simulated_log_of_200_000_visits_gives_its_choice_back_100_times() -> None:
    """Each parameter of 100 runs of 200,000 visits lies in its 95 % interval at least 90 times.

    Error rate: at fresh seeds a right program has each parameter below 90 with probability 0.012, one of the five with 0.06.
    """
    tries = np.array([covered(fit_clicks(columns_of(SHOWN, seed)), TRUTH) for seed in range(1, 101)])
    print(dict(zip(TRUTH, tries.sum(axis=0).tolist(), strict=True)), "all at once:", int(tries.all(axis=1).sum()))
    assert (tries.sum(axis=0) >= 90).all()


# ------------------------------------------------------------------------------------------------ what cannot be told
def typed(text: str, names: str = "ab", visits: bool = True) -> Impressions:
    """Return a log of lines "item position clicked visit", each as one letter or digit."""
    item, position, clicked, visit = zip(*(line.split() for line in text.strip().splitlines()), strict=True)
    return Impressions(
        np.array([names.index(letter) for letter in item], np.int32), np.array(position, np.int64), np.array(clicked) == "1",
        tuple(names), 1, np.array(visit, np.int32) if visits else None,
    )  # fmt: skip


def joined(*logs: Impressions) -> Impressions:
    """Return logs of the same items one after the other, each visit its own."""
    starts = np.cumsum([0, *(int(log.visit.max()) + 1 for log in logs[:-1] if log.visit is not None)])
    visit = [log.visit + start for log, start in zip(logs, starts, strict=True) if log.visit is not None]
    columns = [np.concatenate([getattr(log, name) for log in logs]) for name in ("item", "position", "clicked")]
    return Impressions(*columns, logs[0].item_names, 1, np.concatenate(visit).astype(np.int32))


def test_positions_that_no_item_links_have_no_bias() -> None:
    """Where each item has a position of its own, appeal and bias are one; within linked positions they are told apart."""
    shown = np.tile([0, 1], (400, 1))
    coin = Randomness(1).uniform("coin", np.arange(400)[:, None], 0, np.arange(2)) < np.array([0.4, 0.2])
    given = fit_clicks(log_of(shown, coin, 2, visits=False))
    assert "bias" in given.not_identified and "1 and 2" in given.not_identified["bias"]
    assert given.identified == () and given.choice is None
    assert given.appeal == pytest.approx(coin.mean(axis=0))
    luce = fit_clicks(log_of(shown, coin & ~coin[:, ::-1], 2))
    assert {"bias", "outside"} <= luce.not_identified.keys() and luce.choice is None
    assert "bias" not in fit_clicks(log_of(shown, coin, 2, visits=False), "given").not_identified


def test_the_outside_option_needs_visits_and_some_that_leave() -> None:
    """Without visits it is not told; if every visit clicks there is a bound, which leaves 5 % of such logs."""
    log = chosen(3000, 8, 4.0, BIAS[:3], seed=1)
    assert "outside option" in fit_clicks(log, "given").not_identified
    _, choice = grouped(log)
    assert log.visit is not None
    left = np.isin(log.visit, np.flatnonzero(choice >= 0))
    visit = np.unique(log.visit[left], return_inverse=True)[1].astype(np.int32)
    always = Impressions(log.item[left], log.position[left], log.clicked[left], log.item_names, 1, visit)
    fit = fit_clicks(always)
    outside = fit.estimates["outside"]
    assert outside.value == outside.low == 0 and "scale of outside" in fit.not_identified
    slate, _ = grouped(always)
    stays = (fit.appeal[slate] * np.array([1, *(fit.estimates[f"bias@{r}"].value for r in (2, 3))])).sum(axis=1)
    assert (stays / (stays + outside.high)).prod() == pytest.approx(0.05, rel=1e-6)
    assert fit.estimates["bias@2"].low < BIAS[1] < fit.estimates["bias@2"].high


def test_what_was_never_clicked_has_a_bound() -> None:
    """An item and a position without a click are 0, and the ends of their intervals leave 5 % of logs without one."""
    shown = slates(3000, 6, 3, seed=1)
    coin = Randomness(2).uniform("coin", np.arange(3000)[:, None], 0, np.arange(3)) < 0.3
    coin &= (shown != 4) & (np.arange(3) < 2)
    fit = fit_clicks(log_of(shown, coin, 6, visits=False))
    last, top = fit.estimates["bias@3"], fit.appeal_high[4]
    assert last.value == last.low == 0 and fit.appeal[4] == fit.appeal_low[4] == 0
    seen = shown[:, 2][shown[:, 2] != 4]
    assert (1 - fit.appeal[seen] * last.high).prod() == pytest.approx(0.05, rel=1e-6)
    bias = np.array([1.0, fit.estimates["bias@2"].value, 0.0])
    assert (1 - top * bias[np.nonzero(shown == 4)[1]]).prod() == pytest.approx(0.05, rel=1e-6)
    assert any(name == "appeal of 1 items" for name in fit.not_identified)
    assert (fit.shrunk > 0).all() and fit.choice is not None and fit.choice["bias"][2] == 0
    luce = fit_clicks(log_of(shown, coin & (np.cumsum(coin, axis=1) == 1), 6))
    assert luce.appeal[4] == 0 and 0 < luce.appeal_high[4] < 0.1 and luce.estimates["bias@3"].value == 0


def test_who_never_lost_has_no_upper_bound_and_spoils_nothing() -> None:
    """An item that was clicked whenever it was shown is left out, with its visits; the rest is as without them."""
    plain = chosen(2000, 3, 3.0, BIAS[:2], seed=1)
    plain = Impressions(plain.item, plain.position, plain.clicked, ("a", "b", "c", "d"), 1, plain.visit)
    lucky = typed("d 0 1 0\na 1 0 0\nb 0 0 1\nd 1 1 1", "abcd")
    fit, without = fit_clicks(joined(plain, lucky)), fit_clicks(plain)
    assert np.isinf(fit.appeal[3]) and np.isnan(fit.appeal_low[3])
    assert any("clicked whenever" in why for why in fit.not_identified.values())
    rare = fit_clicks(joined(plain, lucky), "given by item")
    assert rare.appeal[3] == 1 and "appeal of 1 other items" in rare.not_identified
    assert rare.estimates["theta"].value == pytest.approx(rare.appeal[:3].mean())
    assert fit.estimates["bias@2"].value == pytest.approx(without.estimates["bias@2"].value, rel=1e-6)
    assert np.isfinite(fit.shrunk).all()


def test_a_gap_among_positions_takes_the_bias_of_the_one_above() -> None:
    """Where nothing was shown, the log tells nothing, and the table of the choice still has a share."""
    log = examined(2000, np.full(3, 0.3), BIAS[:2], seed=1)
    wide = Impressions(log.item, 2 * log.position, log.clicked, log.item_names, 1)
    fit = fit_clicks(wide)
    assert fit.not_identified["bias of positions 2"] == "nothing was shown there"
    assert fit.choice is not None and fit.choice["bias"][1] == 1.0 and len(fit.choice["bias"]) == 3


def test_a_bias_above_one_is_put_into_the_other_figures() -> None:
    """A scenario has no share of attention above 1: the table is scaled, and clicks alike."""
    log = examined(4000, np.full(3, 0.2), np.array([0.5, 1.0]), seed=1)
    fit = fit_clicks(log, "given")
    assert fit.estimates["bias@2"].value > 1.5 and fit.choice is not None and max(fit.choice["bias"]) == 1
    theta, bias = fit.choice["theta"], fit.choice["bias"]
    assert theta * bias[0] == pytest.approx(fit.estimates["theta"].value)


def test_the_rate_of_a_uniform_feed_comes_from_propensities() -> None:
    """Rows weigh the inverse of their propensity: the mean over items, whatever a policy showed; four standard errors."""
    theta, share = np.array([0.5, 0.1]), np.array([0.9, 0.1])
    who = np.arange(20_000)
    item = (Randomness(1).uniform("item", who) > share[0]).astype(np.int32)
    clicked = Randomness(1).uniform("click", who) < theta[item]
    log = Impressions(item, np.zeros(len(who), np.int64), clicked, ("a", "b"), 1, propensity=share[item])
    found = fit_clicks(log).uniform_rate
    assert found is not None and abs(found.value - 0.3) < 4 * (found.high - found.low) / 3.92
    assert fit_clicks(log).click_rate.low > 0.4


@pytest.mark.parametrize(
    ("log", "settings", "says"),
    [
        (typed("a 0 0 0\nb 1 0 0"), {}, "nothing was clicked"),
        (typed("a 0 1 0\nb 1 1 0"), {}, "more than one click.*leave visits out"),
        (typed("a 0 1 0\nb 1 0 0", visits=False), {"model": "luce"}, "has no visits"),
        (typed("a 0 1 0\nb 0 0 1"), {"model": "given by item"}, "whenever it is shown"),
        (typed("a 0 1 0\nb 1 0 0"), {"weights": np.array([1.0, 0.0])}, "one positive number a row"),
        (typed("a 0 1 0\nb 1 0 0"), {"weights": np.ones(2), "model": "given"}, "are for the model luce"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(log: Impressions, settings: dict[str, object], says: str) -> None:
    """Each fault says what is wrong with the log, and most say what to do."""
    with pytest.raises(RecsimError, match=says) as fault:
        fit_clicks(log, **settings)  # type: ignore[arg-type]
    assert "\n" not in str(fault.value)


# ------------------------------------------------------------------------------------------------------------- reading
GOOD = "visit,user,item,place,click,chance\n1,ann,x,1,0,0.5\n1,ann,y,2,1,0.25\n2,bob,y,1,0,0.5\n1,bob,x,1,0,1\n"
COLUMNS = {"visit": "visit", "user": "user", "item": "item", "position": "place", "clicked": "click", "propensity": "chance"}


def test_impressions_are_read_with_the_top_of_the_slate_found(tmp_path: Path) -> None:
    """Positions count from the least one; a visit is told by its user too; Parquet may say false and true."""
    path = tmp_path / "log.csv"
    path.write_text(GOOD)
    log = read_impressions(path, **COLUMNS)
    assert log.top == 1 and log.position.tolist() == [0, 1, 0, 0] and log.depth == 2 and log.named(1) == 2
    assert log.visit is not None and log.visit.tolist() == [0, 0, 1, 2] and log.user_names == ("ann", "bob")
    assert log.clicked.tolist() == [False, True, False, False]
    assert log.propensity is not None and log.propensity.tolist() == [0.5, 0.25, 0.5, 1.0]
    pd.read_csv(path).astype({"click": bool}).to_parquet(tmp_path / "log.parquet")
    other = read_impressions(tmp_path / "log.parquet", **COLUMNS)
    assert other.clicked.tolist() == log.clicked.tolist() and other.item_names == log.item_names
    assert read_impressions(path, "item", "place", "click").visit is None


@pytest.mark.parametrize(
    ("old", "new", "settings", "parts"),
    [
        ("y,2,1,", "y,2,2,", {}, ["line 3", "'click'", "'2' is neither 0 nor 1"]),
        ("y,2,1,", "y,2,,", {}, ["line 3", "'click'", "empty"]),
        ("y,2,1,", "y,1.5,1,", {}, ["line 3", "'place'", "1.5 is no position"]),
        ("y,2,1,", "y,-1,1,", {}, ["line 3", "'place'", "'-1'"]),
        ("y,2,1,", "y,2000,1,", {}, ["line 3", "'place'", "2000", "at most 999"]),
        ("0.25", "0", {}, ["line 3", "'chance'", "0 is no propensity"]),
        ("0.25", "1.5", {}, ["line 3", "'chance'", "1.5 is no propensity"]),
        ("y,2,1,", "y,1,1,", {}, ["line 3", "'visit'", "already on line 2", "drop one"]),
        ("", "", {"clicked": "clik"}, ["line 1", "'clik'", "did you mean 'click'?"]),
        ("", "", {"clicked": "place"}, ["'place'", "twice"]),
    ],
)
def test_a_bad_log_of_impressions_is_refused(
    tmp_path: Path, old: str, new: str, settings: dict[str, str], parts: list[str]
) -> None:
    """Each fault is told with its file, its line, its column, and the mend."""
    path = tmp_path / "log.csv"
    path.write_text(GOOD.replace(old, new, 1) if old else GOOD)
    with pytest.raises(RecsimError) as fault:
        read_impressions(path, **(COLUMNS | settings))
    line = str(fault.value)
    assert str(path) in line and "\n" not in line
    assert [part for part in parts if part not in line] == [], line


# -------------------------------------------------------------------------------------------------------------- worlds
ASKED = {"item": "item", "position": "position", "clicked": "clicked", "visit": "visit"}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the impressions of 40 people of three topics, who choose by Luce's rule, as a file."""
    people, items = rs.SyntheticUsers(users=40, topics=3), rs.SyntheticItems(items=30, topics=3)
    rows = rs.run(SHOWN.but(population=people, catalog=items), seed=1, progress=False).impressions
    path = tmp_path_factory.mktemp("shown") / "log.csv"
    rows.assign(visit=rows["user"] * 1000 + rows["visit"]).to_csv(path, index=False)
    return path


def played(world: Path, report: dict[str, Any]) -> float:
    """Return the click rate of people and items of a world who choose as its report says, under the feed of the log."""
    choice = rs.Luce.model_validate({key: value for key, value in report["choice"].items() if key != "kind"})
    people = rs.CalibratedUsers(world=str(world), users=40 if report["users"] == 1 else None)
    again = SHOWN.but(population=people, catalog=rs.CalibratedItems(world=str(world)), choice=choice)
    return float(rs.run(again, seed=2, progress=False).impressions["clicked"].mean())


@pytest.mark.parametrize("user", [None, "user"])
def test_a_world_of_impressions_clicks_as_its_log_does(shown: Path, tmp_path: Path, user: str | None) -> None:
    """The world and its choice, under the same feed, click as often as the log, with users and without.

    20,000 impressions each; four standard errors of both rates, an error rate of 6e-5; people that are fitted come out a
    little wrong, for which a tenth of the rate is granted.
    """
    out = tmp_path / "world"
    report = calibrate_clicks(shown, out, **ASKED, user=user, topics=3)
    assert report == json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert (report["users"], report["topics"], report["clicks"]["model"]) == ((40, 3, "luce") if user else (1, 1, "luce"))
    assert all(estimate["level"] == 0.95 for estimate in report["clicks"]["estimates"].values())
    assert set(report["shapes"]) == {"power", "log", "none"}
    rate = report["clicks"]["click_rate"]["value"]
    slack = 4 * np.sqrt(2 * rate / report["rows"])
    assert abs(played(out, report) - rate) < slack + (0.1 * rate if user else 0)
    with pytest.raises(RecsimError, match="exists already"):
        calibrate_clicks(shown, out, **ASKED)


def test_the_command_tells_figures_intervals_and_what_is_open(shown: Path, tmp_path: Path) -> None:
    """People read each figure with its interval and what is not told; scripts get the same numbers."""
    options = [part for name, column in ASKED.items() if name != "visit" for part in (f"--{name}", column)]
    code, out, err = call("calibrate", str(shown), *options, "--out", str(tmp_path / "a"))
    assert (code, err) == (0, "")
    told = json.loads(call("calibrate", str(shown), *options, "--out", str(tmp_path / "b"), "--json")[1])
    bias = told["clicks"]["estimates"]["bias@1"]
    assert f"{bias['value']:.4g} ({bias['low']:.4g} to {bias['high']:.4g})" in out
    assert told["clicks"]["model"] == "given by item" and told["choice"]["kind"] == "Given"
    assert "not told" in out and "outside option" in out and "no users" in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--position", "p"], "--clicked is missing"),
        (["--visit", "v", "--clicked", "c"], "--position is missing"),
        (["--position", "p", "--clicked", "c", "--at-least", "4"], "--at-least: is not for a log of impressions"),
        ([], "--user is missing"),
    ],
)
def test_columns_that_do_not_go_together_are_told(options: list[str], says: str) -> None:
    """What a log of impressions needs, and what only one of what was consumed has."""
    code, out, err = call("calibrate", "log.csv", "--item", "i", *options, "--out", "world")
    assert (code, out, err.count("\n")) == (2, "", 1) and says in err
