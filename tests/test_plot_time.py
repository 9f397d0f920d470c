"""Timelines: lines are means over seeds with their intervals, curves those of survival, the alarm stands where it goes off."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from plotted import WORLD, changed, line, texts, with_history

import recsim as rs
from recsim import plot, survival
from recsim.benchmark import alarm
from recsim.drawing import sheet
from recsim.inference import interval
from recsim.palette import looks
from recsim.timelines import waited

ARMS = {"greedy": WORLD.but(policy=rs.Greedy()), "epsilon-greedy": WORLD, "random": WORLD.but(recommender=rs.Random())}


@pytest.fixture(scope="module")
def run() -> rs.Run:
    """One run of the small world."""
    return rs.run(WORLD, seed=3, progress=False)


@pytest.fixture(scope="module")
def compared() -> rs.Comparison:
    """Three arms of the small world under three seeds."""
    return rs.compare(ARMS, 3, warm_up=0, workers=1, progress=False)


def of_arm(compared: rs.Comparison, arm: str, metric: str) -> np.ndarray:
    """Return a metric of an arm: (seeds, epochs)."""
    rows = compared.history[(compared.history["arm"] == arm) & (compared.history["metric"] == metric)]
    return rows.pivot(index="seed", columns="epoch", values="value").to_numpy()


# -------------------------------------------------------------------------------------------------------- trajectories
def test_lines_are_means_over_seeds_with_their_intervals(compared: rs.Comparison) -> None:
    """Each arm has its mean, in its own colour, and a band whose ends are Student's t interval at each epoch."""
    for metric in ("novelty", "utility.niche"):
        (axes,) = plot.trajectories(compared, metric).axes
        for arm, look in looks(ARMS).items():
            ends = np.array([interval(values) for values in of_arm(compared, arm, metric).T])
            assert line(axes, ends[:, 0]).get_color() == look.colour
            bands = [set(np.round(area.get_paths()[0].vertices[:, 1], 9)) for area in axes.collections]
            assert any(set(np.round(ends[:, 1:].ravel(), 9)) <= band for band in bands)
    assert {*ARMS} <= set(texts(plot.trajectories(compared)))


def test_lines_have_their_names_at_their_ends_where_these_lie_apart(compared: rs.Comparison) -> None:
    """Ends a line of text apart are named there, and ends closer than that, or more than six, are left to the key."""
    page = sheet(None, across=1)
    page.axes[0].set(xlim=(0, 1), ylim=(0, 1))
    assert not page.ends({"one": (1.0, 0.5), "other": (1.0, 0.52)})
    assert not page.ends({str(at): (1.0, at / 7) for at in range(7)}) and not page.axes[0].texts
    assert page.ends({"one": (1.0, 0.5), "other": (1.0, 0.6)})
    assert [(text.get_text(), text.xy) for text in page.axes[0].texts] == [("one", (1.0, 0.5)), ("other", (1.0, 0.6))]
    figure = plot.trajectories(compared, "coverage")
    assert [texts(figure).count(arm) for arm in ARMS] == [1] * len(ARMS)


def test_floors_are_drawn_dashed(compared: rs.Comparison, run: rs.Run) -> None:
    """A metric that has a floor is drawn with it and the key says what that is; one that has none is drawn without."""
    (axes,) = plot.trajectories(run, "coverage").axes
    assert line(axes, run.series("coverage_floor").to_numpy()).get_linestyle() == "--"
    (axes,) = plot.trajectories(compared, "gini").axes
    floors = np.mean([of_arm(compared, arm, "gini_floor").mean(axis=0) for arm in ARMS], axis=0)
    dashed = [np.asarray(one.get_ydata(), float) for one in axes.lines if one.get_linestyle() == "--"]
    assert any(np.allclose(level, floors, atol=0.02) for level in dashed)
    assert "uniform feed, same volume" in texts(axes.figure)
    assert "uniform feed, same volume" not in texts(plot.trajectories(compared, "novelty"))


def test_runs_by_name_are_arms(run: rs.Run) -> None:
    """Two seeds under one name are one line, their mean."""
    other = rs.run(WORLD, seed=4, progress=False)
    (axes,) = plot.trajectories({"both": [run, other], "one": run}, "gini").axes
    line(axes, (run.series("gini") + other.series("gini")).to_numpy() / 2)
    line(axes, run.series("gini").to_numpy())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_gap(run: rs.Run, value: float) -> None:
    """The line is broken there, a value between two gaps has its marker, and the scale is not led astray."""
    (axes,) = plot.trajectories(changed(run, "novelty", {1: value, 3: value}), "novelty").axes
    wanted = run.series("novelty").to_numpy().copy()
    wanted[[1, 3]] = math.nan
    drawn = line(axes, wanted)
    assert 2 in drawn.get_markevery()
    assert axes.get_ylim()[1] < 1.2 * np.nanmax(wanted)


def test_a_metric_that_was_never_measured_says_so(run: rs.Run) -> None:
    """All NaN is an empty panel; a name that is nowhere is an error with the nearest one."""
    empty = changed(run, "novelty", dict.fromkeys(range(run.epochs), math.nan))
    figure = plot.trajectories(empty, "novelty")
    assert "not measured" in texts(figure)
    figure.draw_without_rendering()
    assert figure.axes[0].get_position().height > 0.6  # a line of nothing takes no room
    with pytest.raises(rs.RecsimError, match="metrics: 'noveltyy' is not in this history; did you mean 'novelty'"):
        plot.trajectories(run, "noveltyy")


@pytest.mark.parametrize("found", [3, {}, {"a": 3}, {"a": []}])
def test_what_is_no_run_is_refused(found: object) -> None:
    """Numbers, and names without runs, are named in one line."""
    with pytest.raises(rs.RecsimError, match="found: "):
        plot.trajectories(found)  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------- discovery
@pytest.mark.parametrize("how", ["shown", "clicked"])
def test_curves_of_discovery_are_those_of_kaplan_and_meier(run: rs.Run, how: str) -> None:
    """Steps and band of a run are survival.curve of the days that people waited; who still waits at the end is censored."""
    axes = plot.discovery(run, how)  # type: ignore[arg-type]
    days = run.discovery[how].fillna(np.inf)
    still = ~np.isfinite(days)
    wanted = survival.curve(np.where(still, run.discovery["until"], days) - run.discovery["since"], still)
    drawn = line(axes, wanted.survivor)
    assert np.array_equal(drawn.get_xdata(), wanted.days) and drawn.get_drawstyle() == "steps-post"
    corners = np.round(axes.collections[0].get_paths()[0].vertices[:, 1], 9)
    assert set(np.round(wanted.low, 9)) | set(np.round(wanted.high, 9)) <= set(corners)


def test_seeds_of_one_name_are_one_curve(run: rs.Run) -> None:
    """The people of all its runs are taken together."""
    other = rs.run(WORLD, seed=4, progress=False)
    axes = plot.discovery({"arm": [run, other], "one": run})
    people = pd.concat([run.discovery, other.discovery])
    line(axes, survival.curve(*waited(people)).survivor)


def test_a_comparison_tells_the_share_who_have_it_by_epoch(compared: rs.Comparison) -> None:
    """Its curves begin at 1 and end at 1 less the mean share taken up."""
    axes = plot.discovery(compared)
    for arm in ARMS:
        share = of_arm(compared, arm, "taken_up.new")
        days = np.array([WORLD.end_of(epoch) for epoch in range(share.shape[1])]) - 3
        drawn = line(axes, np.append(1.0, 1 - share[:, days > 0].mean(axis=0)))
        assert np.asarray(drawn.get_xdata()).tolist() == pytest.approx([0, *days[days > 0]])


def test_discoveries_that_cannot_be_drawn(run: rs.Run) -> None:
    """A world without births, another name and another way of meeting are named."""
    still = rs.run(WORLD.but(births=(), days=4.0), seed=1, progress=False)
    with pytest.raises(rs.RecsimError, match="no interest is born in it"):
        plot.discovery(still)
    with pytest.raises(rs.RecsimError, match="birth: there is no 'old'; valid are new"):
        plot.discovery(run, birth="old")
    with pytest.raises(rs.RecsimError, match="how: 'click' is not kept; did you mean 'clicked'"):
        plot.discovery(run, "click")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------------------------------- benchmark
def told(run: rs.Run) -> rs.Run:
    """Return a run whose benchmark stays while what the model shows falls to a third."""
    epochs = range(run.epochs)
    told = changed(run, "ndcg", dict.fromkeys(epochs, 0.3))
    told = changed(told, "coverage_model", {epoch: 0.9 if epoch < 2 else 0.3 for epoch in epochs})
    return changed(told, "coverage_model_floor", dict.fromkeys(epochs, 1.0))


def test_the_alarm_is_marked_where_it_goes_off(run: rs.Run) -> None:
    """The line that marks it stands in the epoch that benchmark.alarm names, and the panel says which."""
    fallen = told(run)
    found = alarm(fallen.history)
    assert found is not None
    (axes,) = plot.benchmark(fallen).axes
    marks = [one for one in axes.lines if one.get_linestyle() == ":"]
    assert [np.asarray(one.get_xdata()).tolist() for one in marks] == [[found.epoch, found.epoch]]
    assert f"alarm in epoch {found.epoch}" in texts(axes)
    quiet = changed(fallen, "coverage_model", dict.fromkeys(range(run.epochs), 0.9))
    rows = (quiet.history["group"] == "niche") & (quiet.history["metric"] == "utility")
    quiet.history.loc[rows, "value"] = 1.0
    assert "no alarm" in texts(plot.benchmark(quiet))


def test_lines_are_relative_to_the_first_trained_model(run: rs.Run, compared: rs.Comparison) -> None:
    """Each line is a metric over what it was in epoch 1; of welfare, exp of the utility; of seeds, the mean of the ratios."""
    (axes,) = plot.benchmark(told(run)).axes
    share = told(run).series("coverage_model").to_numpy()[1:]
    line(axes, share / share[0])
    welfare = np.exp(run.series("utility", "niche").to_numpy()[1:])
    line(axes, welfare / welfare[0])
    rate = of_arm(compared, "random", "click_rate")[:, 1:]
    panel = plot.benchmark(compared, "click_rate").axes[list(ARMS).index("random")]
    line(panel, (rate / rate[:, :1]).mean(axis=0))


def test_benchmarks_that_cannot_be_drawn(run: rs.Run) -> None:
    """A history without a benchmark says how to have one; a measure that is none is named."""
    plain = with_history(run, run.history[~run.history["metric"].str.startswith("ndcg")])
    with pytest.raises(rs.RecsimError, match="measure: 'ndcg' is not in this history; run it with benchmark = 10"):
        plot.benchmark(plain)
    plot.benchmark(plain, "click_rate")
    with pytest.raises(rs.RecsimError, match="measure: 'ndgc' is no benchmark; did you mean 'ndcg'"):
        plot.benchmark(run, "ndgc")
