"""Pictures of comparisons and studies: differences, fronts and grids are drawn at the numbers that the tables have."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from plotted import line, texts
from small_studies import TINY, study_now, study_of

import recsim as rs
from recsim import plot
from recsim.comparison import LEAGUE
from recsim.drawing import sheet
from recsim.fronts import unbeaten
from recsim.inference import interval
from recsim.palette import looks
from recsim.studypictures import cells

ARMS = {
    "greedy": TINY, "epsilon-greedy": TINY.but(policy=rs.EpsilonGreedy(epsilon=0.5)), "random": TINY.but(recommender=rs.Random()),
    "panel": TINY.but(signals=(rs.Panel(rate=0.5),)),
}  # fmt: skip
FACTORS = {"policy": [rs.Greedy(), rs.EpsilonGreedy(epsilon=0.5)], "slate": [2, 10, 4]}


@pytest.fixture(scope="module")
def compared() -> rs.Comparison:
    """Four arms of a tiny world under three seeds."""
    return rs.compare(ARMS, 3, warm_up=0, workers=1, progress=False)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> rs.StudyResult:
    """A study of a grid of six points under three seeds."""
    return study_now(study_of(FACTORS, seeds=3, keep=rs.Keep(windows=("last 2",))), tmp_path_factory.mktemp("study") / "it")


def points(axes: object) -> list[tuple[float, float, bool]]:
    """Return the markers that stand alone: place, and whether they are filled."""
    markers = [one for one in axes.lines if one.get_drawstyle() == "default"]  # type: ignore[attr-defined]
    alone = [one for one in markers if len(one.get_xdata()) == 1]
    return [(float(one.get_xdata()[0]), float(one.get_ydata()[0]), one.get_markerfacecolor() != "white") for one in alone]


# -------------------------------------------------------------------------------------------------------------- league
def test_the_league_draws_the_differences_and_their_intervals(compared: rs.Comparison) -> None:
    """Each point is a paired difference, filled where p < 0.05, each thick bar its interval, in the colour of its arm."""
    figure = plot.league(compared)
    for axes, metric in zip(figure.axes, LEAGUE, strict=True):
        rows = compared.differences[compared.differences["metric"] == metric].iloc[1:]
        assert [place[:2] for place in points(axes)] == [(pytest.approx(x), y) for y, x in enumerate(rows["difference"])]
        assert [place[2] for place in points(axes)] == (rows["p"] < 0.05).tolist()
        bars = [one for one in axes.lines if one.get_linewidth() == 2.6]
        assert [one.get_color() for one in bars] == [looks(ARMS)[arm].colour for arm in rows["arm"]]
        ends = np.array([np.asarray(one.get_xdata(), float) for one in bars])
        assert ends == pytest.approx(rows[["low", "high"]].to_numpy(float))
    names = [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
    assert names == list(ARMS)[1:]
    assert {"95 % interval", "the same of all arms together", "p < 0.05 (Holm)"} <= set(texts(figure))


# --------------------------------------------------------------------------------------------------------------- front
@pytest.mark.parametrize(("gain", "aim"), [("coverage_model", "max"), ("gini", "min")])
def test_the_front_marks_those_whom_nobody_beats(compared: rs.Comparison, gain: str, aim: str) -> None:
    """Points lie at cost and gain, with both intervals; filled are those that no other beats, and the steps join them."""
    axes = plot.front(compared, gain, aim=aim)  # type: ignore[arg-type]
    tables = [compared.differences[compared.differences["metric"] == metric].set_index("arm") for metric in ("cost", gain)]
    cost, gained = (table.loc[list(ARMS), "mean"].to_numpy(float) for table in tables)
    best = unbeaten(np.array([gained if aim == "max" else -gained, -cost]))
    assert points(axes) == [(pytest.approx(x), pytest.approx(y), b) for x, y, b in zip(cost, gained, best, strict=True)]
    for x, table in zip(cost, tables[1].loc[list(ARMS)].to_dict("records"), strict=True):
        upright = [np.asarray(one.get_data(), float) for one in axes.lines if len(one.get_xdata()) == 2]  # type: ignore[arg-type]
        assert any(np.allclose(ends, [[x, x], [table["mean_low"], table["mean_high"]]]) for ends in upright)
    steps = next(one for one in axes.lines if one.get_drawstyle() == "steps-post")
    assert np.asarray(steps.get_xdata(), float) == pytest.approx(np.sort(cost[best]))


def test_each_arm_of_a_front_is_named_once_where_nothing_is_covered(compared: rs.Comparison) -> None:
    """A name stands beside its point where it covers no other name and no point, else in the key; a crowd is in the key."""
    page = sheet(None, across=1)
    axes = page.axes[0]
    axes.set(xlim=(0, 10), ylim=(0, 10))
    places = {"far": (5.0, 5.0), "near": (9.0, 9.0), "one": (1.0, 1.0), "same": (1.0, 1.0), "again": (1.0, 1.0)}
    left = page.beside({**places, "fourth": (1.0, 1.0), "fifth": (1.0, 1.0)}, [np.array([[5, 0], [5, 10]])])
    assert left == {"fifth"}  # there are four corners
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 6 and not any(one.count_overlaps(boxes[:at]) for at, one in enumerate(boxes))
    named = texts(plot.front(compared).figure)
    assert [named.count(arm) for arm in ARMS] == [1] * len(ARMS)


def test_the_front_of_a_study_names_its_best_points(study: rs.StudyResult) -> None:
    """The filled points are those of rs.front, and the key has their levels; the frame is as good as the study."""
    axes = plot.front(study, "coverage", cost="click_rate")
    found = rs.front(study.frame, {"click_rate": "min", "coverage": "max"}).frame
    filled = sorted((x, y) for x, y, best in points(axes) if best)
    wanted = sorted(found.loc[found["front"], ["click_rate", "coverage"]].to_numpy().tolist())
    assert filled == [pytest.approx(row) for row in wanted]
    named = {text.split(":")[0] for text in texts(axes.figure) if ": policy = " in text}
    assert named == {str(point) for point in found.loc[found["front"], "point"]}
    assert points(plot.front(study.frame, "coverage", cost="click_rate")) == points(axes)


def test_fronts_that_cannot_be_drawn(compared: rs.Comparison, study: rs.StudyResult) -> None:
    """Metrics and aims that are not there are named with the nearest."""
    with pytest.raises(rs.RecsimError, match="front: the comparison has no 'coverge'; did you mean 'coverage'"):
        plot.front(compared, "coverge")
    with pytest.raises(rs.RecsimError, match="aim: 'most' is neither"):
        plot.front(compared, aim="most")  # type: ignore[arg-type]
    with pytest.raises(rs.RecsimError, match="metric: the study has kept no 'coverge'"):
        plot.front(study, "coverge", cost="click_rate")


def test_one_seed_has_points_without_intervals() -> None:
    """A comparison of one seed is drawn: league and front have their points."""
    once = rs.compare(ARMS, 1, warm_up=0, workers=1, progress=False)
    assert len(points(plot.front(once))) == len(points(plot.league(once).axes[0])) + 1 == 4


# ---------------------------------------------------------------------------------------------------------------- dose
def test_doses_are_drawn_with_their_bands() -> None:
    """A panel for each arm and metric, at the means of the frame, in the colour of the arm; NaN and inf are gaps."""
    rows = [
        {"arm": arm, "setting": "policy.epsilon", "strength": x, "metric": metric, "mean": x + place, "low": x, "high": 3 * x}
        for arm in ("one", "other") for place, metric in enumerate(("coverage_model", "gini")) for x in (0.1, 0.2, 0.3)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    frame.loc[1, "mean"] = math.inf
    figure = plot.dose(frame)
    assert len(figure.axes) == 4
    drawn = line(figure.axes[0], [0.1, math.nan, 0.3])
    assert drawn.get_color() == looks(["one", "other"])["one"].colour
    line(figure.axes[3], [1.1, 1.2, 1.3])


# ------------------------------------------------------------------------------------------------------------ heat map
def test_a_heat_map_has_the_means_over_seeds(study: rs.StudyResult) -> None:
    """Cells are means over the seeds, levels of numbers sorted, others as listed; each number stands in its cell."""
    table, halves = cells(study, "slate", "policy", "click_rate")
    rows = study.frame[(study.frame["metric"] == "click_rate") & (study.frame["group"] == "all")]
    assert list(table.columns) == [2, 4, 10] and list(table.index) == list(dict.fromkeys(rows["policy"]))
    for policy in table.index:
        for slate in table.columns:
            ours = rows[(rows["policy"] == policy) & (rows["slate"] == slate)]["value"]
            assert len(ours) == 3 and table.loc[policy, slate] == pytest.approx(ours.mean())
            assert halves.loc[policy, slate] == pytest.approx(interval(ours)[2] - ours.mean())
    axes = plot.heat_map(study.frame, "slate", "policy", "click_rate")
    written = np.array([[float(part) for part in text.get_text().split("\n±")] for text in axes.texts])
    assert written[:, 0] == pytest.approx(table.to_numpy().ravel(), abs=0.0051)
    assert written[:, 1] == pytest.approx(halves.to_numpy().ravel(), abs=0.0051)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "4", "10"]
    assert np.allclose(axes.collections[0].get_array(), table.to_numpy())  # type: ignore[arg-type]


def test_a_pair_without_a_value_is_a_gap(study: rs.StudyResult) -> None:
    """NaN, inf, and a point that is not there leave their cells empty; other factors are averaged over."""
    frame = study.frame.copy()
    here = (frame["slate"] == 2) & (frame["metric"] == "gini")
    frame.loc[here & (frame["point"] == frame["point"].min()), "value"] = math.inf
    frame = frame[~((frame["slate"] == 10) & (frame["point"] == frame["point"].max() - 1))]
    table, _ = cells(frame, "slate", "policy", "gini")
    assert table.isna().sum().sum() == 2
    assert sum(text.get_text() != "" for text in plot.heat_map(frame, "slate", "policy", "gini").texts) == 4
    nothing = frame.assign(value=math.nan)
    assert not [text for text in plot.heat_map(nothing, "slate", "policy", "gini").texts if text.get_text()]
    more = pd.concat([study.frame.assign(more=1), study.frame.assign(more=2, value=study.frame["value"] + 2)])
    assert np.allclose(cells(more, "slate", "policy", "gini")[0], cells(study, "slate", "policy", "gini")[0] + 1)


def test_levels_are_compared_over_the_same_seeds(study: rs.StudyResult) -> None:
    """A seed that lacks a point counts nowhere."""
    frame = study.frame
    lacking = frame[~((frame["point"] == frame["point"].max()) & (frame["seed"] == frame["seed"].max()))]
    without = frame[frame["seed"] < frame["seed"].max()]
    for one, other in zip(cells(lacking, "slate", "policy", "gini"), cells(without, "slate", "policy", "gini"), strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert not np.allclose(cells(lacking, "slate", "policy", "gini")[0], cells(frame, "slate", "policy", "gini")[0])


def test_the_cost_of_a_study_is_mapped_too(study: rs.StudyResult) -> None:
    """It follows from what was kept, as in rs.front."""
    table, _ = cells(study, "slate", "policy", "cost")
    costs = rs.front(study.frame, {"cost": "min", "gini": "min"}).frame
    assert sorted(table.to_numpy().ravel()) == pytest.approx(sorted(costs["cost"]))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("slat", "policy", "gini"), "x: the study has no factor 'slat'; did you mean 'slate'"),
        (("slate", "slate", "gini"), "y: is 'slate' as x is"),
        (("slate", "policy", "gina"), "metric: the study has kept no 'gina'; did you mean 'gini'"),
    ],
)
def test_heat_maps_that_cannot_be_drawn(study: rs.StudyResult, given: tuple[str, str, str], message: str) -> None:
    """What is not there is named with the nearest."""
    with pytest.raises(rs.RecsimError, match=message):
        plot.heat_map(study, *given)


def test_a_study_is_saved_as_a_picture(study: rs.StudyResult, tmp_path: Path) -> None:
    """The file is there, whole."""
    plot.heat_map(study, "slate", "policy", "gini", path=tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
