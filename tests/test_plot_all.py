"""What holds of every figure: names that mean harm do none, one epoch is enough, the Axes that is given is drawn into."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from plotted import NAMES, WORLD, texts
from small_studies import study_now, study_of

import recsim as rs
from recsim import plot
from recsim.drawing import bands, named, plain, shades, within
from recsim.inference import interval
from recsim.metrics import METRICS

Draw = Callable[..., Any]


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What figures are drawn of: a run, one of one epoch, a comparison whose arms have hostile names, a study."""
    short = WORLD.but(days=1.5, births=(rs.Birth(name="new", day=0.5, share=0.5, items=8),))
    factors = {"policy": [rs.Greedy(), rs.EpsilonGreedy(epsilon=0.5)], "slate": [2, 4]}
    study = study_now(study_of(factors, seeds=2, keep=rs.Keep(windows=("last 2",))), tmp_path_factory.mktemp("study") / "it")
    rows = [
        {"arm": name, "setting": "policy.epsilon", "strength": x, "metric": "gini", "mean": x, "low": x, "high": x}
        for name in NAMES for x in (0.1, 0.2)
    ]  # fmt: skip
    return {
        "run": rs.run(WORLD, seed=3, progress=False), "short": rs.run(short, seed=3, progress=False), "study": study,
        "arms": rs.compare(dict.fromkeys(NAMES, WORLD), 2, warm_up=0, workers=1, progress=False), "doses": pd.DataFrame(rows),
    }  # fmt: skip


# for each public function: what is drawn in the examination, and how; the second is drawn with one Axes
EXAMPLES: dict[str, tuple[Draw, Draw | None]] = {
    "answer": (
        lambda given, **how: plot.answer(rs.effects(given["study"].frame, "gini"), **how),
        lambda given, **how: plot.answer(rs.effects(given["study"].frame, "gini"), **how),
    ),
    "benchmark": (
        lambda given, **how: plot.benchmark(given["arms"], **how),
        lambda given, **how: plot.benchmark(given["run"], "click_rate", **how),
    ),
    "co_clicks": (
        lambda given, **how: plot.co_clicks(given["run"], **how),
        lambda given, **how: plot.co_clicks(given["short"], most=9, **how),
    ),
    "discovery": (
        lambda given, **how: plot.discovery(given["arms"], **how),
        lambda given, **how: plot.discovery(given["run"], **how),
    ),
    "dose": (lambda given, **how: plot.dose(given["doses"], **how), None),
    "front": (lambda given, **how: plot.front(given["arms"], **how), lambda given, **how: plot.front(given["arms"], **how)),
    "heat_map": (
        lambda given, **how: plot.heat_map(given["study"], "slate", "policy", "gini", **how),
        lambda given, **how: plot.heat_map(given["study"], "policy", "slate", "gini", **how),
    ),
    "item_map": (
        lambda given, **how: plot.item_map(given["run"], **how), lambda given, **how: plot.item_map(given["run"], 0, **how),
    ),
    "league": (lambda given, **how: plot.league(given["arms"], **how), None),
    "lorenz": (lambda given, **how: plot.lorenz(given["run"], **how), lambda given, **how: plot.lorenz(given["run"], **how)),
    "narrowing": (lambda given, **how: plot.narrowing(given["run"], **how), None),
    "ranks": (lambda given, **how: plot.ranks(given["run"], **how), lambda given, **how: plot.ranks(given["run"], **how)),
    "topics": (lambda given, **how: plot.topics(given["run"], **how), lambda given, **how: plot.topics(given["run"], **how)),
    "trajectories": (
        lambda given, **how: plot.trajectories(given["arms"], **how),
        lambda given, **how: plot.trajectories(given["arms"], "gini", **how),
    ),
}


OF_RUNS = "benchmark", "co_clicks", "discovery", "item_map", "lorenz", "narrowing", "ranks", "topics", "trajectories"


def test_every_figure_is_examined_and_documented() -> None:
    """What recsim.plot hands out has an example here, and says what it returns."""
    assert set(EXAMPLES) == set(plot.__all__)
    for name in plot.__all__:
        text = getattr(plot, name).__doc__
        assert text.startswith("Return one ") and "path" in text and "title" in text


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_names_that_mean_harm_do_none(name: str, given: dict[str, Any], tmp_path: Path) -> None:
    """Arms and titles of 300 letters, from right to left, with tags, formulas, and letters that no font has are drawn and saved
    without a warning, in a figure of a sane size, and stand there as they were given where they fit.
    """
    for number, title in enumerate(NAMES[:6:3] + NAMES[5:6]):
        drawn = EXAMPLES[name][0](given, path=tmp_path / f"{number}.png", title=title)
        if number == 1:
            assert r"$\frac{1}$ and $x$" in texts(drawn if isinstance(drawn, Figure) else drawn.figure)
        assert (tmp_path / f"{number}.png").read_bytes().startswith(b"\x89PNG")
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    assert isinstance(drawn, (Figure, Axes))
    wide, high = figure.get_size_inches()
    assert 5 <= wide <= 9 and high <= 25
    figure.savefig(io.BytesIO(), format="svg")


def test_a_column_of_print_holds_what_is_drawn_into_it(given: dict[str, Any]) -> None:
    """In axes of 3.5 inches nothing is cut, the key covers no label, and most of the width is left to the picture."""
    arms = rs.compare({"greedy": WORLD, "epsilon-greedy": WORLD, "human-first": WORLD}, 2, warm_up=0, workers=1, progress=False)
    draws: list[Draw] = [
        lambda ax: plot.trajectories(arms, "coverage_model", ax=ax), lambda ax: plot.front(arms, ax=ax),
        lambda ax: plot.discovery(arms, ax=ax), lambda ax: plot.lorenz(given["run"], ax=ax),
    ]  # fmt: skip
    for draw in draws:
        figure = Figure(figsize=(3.5, 2.8), layout="constrained")
        axes = figure.subplots()
        draw(ax=axes)
        figure.draw_without_rendering()
        key = axes.get_legend().get_window_extent()
        assert axes.get_position().width > 0.55
        assert not key.overlaps(axes.xaxis.label.get_window_extent()) and not key.overlaps(axes.get_window_extent())
        for part in (key, *(text.get_window_extent() for text in (axes.xaxis.label, axes.yaxis.label))):
            assert figure.bbox.padded(1).contains(part.x0, part.y0) and figure.bbox.padded(1).contains(part.x1, part.y1)


@pytest.mark.parametrize("name", sorted(name for name, (_, alone) in EXAMPLES.items() if alone))
def test_figures_are_drawn_into_the_axes_that_are_given(name: str, given: dict[str, Any]) -> None:
    """What is drawn is in that Axes, under its title, and the rest of the figure stays as it was."""
    alone = EXAMPLES[name][1]
    assert alone is not None
    figure = Figure(figsize=(9, 5), layout="constrained")
    ours, other = figure.subplots(1, 2)
    drawn = alone(given, ax=ours, title="here")
    assert drawn is (figure if isinstance(drawn, Figure) else ours)
    assert ours.get_title(loc="left") == "here"
    assert ours.lines or ours.collections
    assert not (other.lines or other.collections or other.texts or figure.legends)
    assert figure.get_size_inches().tolist() == [9, 5]
    figure.savefig(io.BytesIO(), format="png")


@pytest.mark.parametrize("name", ["benchmark", "item_map", "trajectories"])
def test_several_panels_do_not_fit_into_one_axes(name: str, given: dict[str, Any]) -> None:
    """That is said in one line."""
    with pytest.raises(rs.RecsimError, match=r"ax: one Axes cannot hold \d panels"):
        EXAMPLES[name][0](given, ax=Figure().subplots())


@pytest.mark.parametrize("name", OF_RUNS)
@pytest.mark.parametrize("kind", ["run", "short"])
def test_one_epoch_is_enough(name: str, kind: str, given: dict[str, Any]) -> None:
    """A run is drawn without a warning, one that ended within its first epoch too, and no line leaves its panel."""
    assert given["short"].epochs == 1
    more = {"measure": "click_rate"} if name == "benchmark" else {}
    drawn = getattr(plot, name)(given[kind], **more)
    figure = drawn if isinstance(drawn, Figure) else drawn.figure
    figure.savefig(io.BytesIO(), format="png")
    assert any(axes.lines or axes.collections for axes in figure.axes)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        heights = [np.asarray(one.get_ydata(), float) for one in axes.lines if one.get_transform() == axes.transData]
        for seen in heights if name != "ranks" else []:
            assert not ((seen < low) | (seen > high)).any()


def test_many_arms_keep_their_key() -> None:
    """Sixty arms all stand in the key, which lies below the panels and covers none of them."""
    run = rs.run(WORLD.but(days=4.0), seed=1, progress=False)
    arms = {f"arm {number}": run for number in range(60)}
    figure = plot.trajectories(arms, "gini")
    figure.draw_without_rendering()
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*arms, "uniform feed, same volume"]
    assert legend.get_window_extent().y1 <= figure.axes[0].get_tightbbox().y0 + 1  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------------ what is shared
@pytest.mark.parametrize("name", NAMES)
def test_plain_words_are_short_and_writable(name: str) -> None:
    """Whatever is given becomes one line of letters that the font has, without a formula, at most as long as is asked for."""
    from matplotlib.cbook import is_math_text

    written = plain(name, 20)
    assert len(written.replace(r"\$", "$").lstrip()) <= 20 and not is_math_text(written)
    assert not written.startswith("_") and "\n" not in written


def test_plain_words_of_nothing_have_a_name() -> None:
    """Control characters alone, and lone surrogates, are said to be no name; what no font has is a box."""
    assert plain("\u202e\ud800\x07") == plain("") == "(no name)"
    assert plain("漢字") == "□□"


def test_every_metric_has_a_title_and_a_unit() -> None:
    """No axis is left without what it measures."""
    for metric in METRICS:
        title, unit = named(metric)
        assert title and unit and len(unit) < 45, metric


def test_bands_are_students_intervals_by_column() -> None:
    """Mean and ends are those of inference.interval, where inf counts as NaN; a column without values is NaN."""
    values = np.array([[1.0, np.nan, 4.0], [2.0, np.nan, np.inf], [4.0, np.nan, 8.0]])
    found = bands(values)
    assert found[:, 0] == pytest.approx(interval([1, 2, 4])) and found[:, 2] == pytest.approx(interval([4, 8]))
    assert np.isnan(found[:, 1]).all()


def test_scales_leave_out_ends_that_are_far_off() -> None:
    """Ends within half the span of the means stay, others are cut off there."""
    assert within([0.0, 2.0], [-0.5, 2.5, -9.0, 9.0, np.nan])[:4].tolist() == [-0.5, 2.5, -1.0, 3.0]
    assert not len(within([np.nan], [1.0]))


def test_shades_go_from_dark_to_light() -> None:
    """What is later is lighter, so that the order is seen without colours, and none is lost on white."""
    light = [sum(int(shade[at : at + 2], 16) * part for at, part in ((1, 0.3), (3, 0.59), (5, 0.11))) for shade in shades(6)]
    assert (np.diff(light) > 15).all() and light[-1] < 200


def test_drawing_changes_nothing_global(tmp_path: Path) -> None:
    """Importing loads no drawing library; no figure changes a setting of matplotlib or opens a figure of pyplot."""
    program = """
import sys
import recsim as rs, recsim.plot
assert not {"matplotlib", "seaborn", "pandas", "networkx"} & set(sys.modules), sorted(sys.modules)
sys.path.insert(0, sys.argv[1])
import matplotlib as mpl, seaborn
from matplotlib import pyplot
from plotted import WORLD
run = rs.run(WORLD.but(days=5.0), seed=1, progress=False)
arms = {"one": WORLD.but(days=5.0), "other": WORLD.but(days=5.0, policy=rs.Greedy())}
arms = rs.compare(arms, 2, warm_up=0, workers=1, progress=False)
before = dict(mpl.rcParams)
for name in ("benchmark", "co_clicks", "discovery", "item_map", "lorenz", "narrowing", "ranks", "topics", "trajectories"):
    getattr(rs.plot, name)(run, path=f"{sys.argv[2]}/{name}.png", title="$")
for name in ("benchmark", "discovery", "front", "league", "trajectories"):
    getattr(rs.plot, name)(arms, path=f"{sys.argv[2]}/{name}.png")
assert dict(mpl.rcParams) == before and not pyplot.get_fignums()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(Path(__file__).parent), str(tmp_path)], check=True)
