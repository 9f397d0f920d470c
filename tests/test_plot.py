"""The figure of what narrowed: drawn from any history, without warnings, global state or half-written files."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsim.errors import RecsimError
from recsim.metrics import METRICS
from recsim.plot import narrowing


def history(epochs: int, first: int = 0) -> pd.DataFrame:
    """Return a made-up history with every metric, in which nothing is said about what came out."""
    rows = [
        {"day": float(e), "epoch": e, "window": "epoch", "group": "all", "metric": name, "value": 1 / (2 + e + n)}
        for e in range(first, first + epochs)
        for n, name in enumerate(METRICS)
    ]
    return pd.DataFrame(rows)


def texts(figure: object) -> list[str]:
    """Return all the words in a figure."""
    from matplotlib.text import Text

    return [text.get_text() for text in figure.findobj(Text)]  # type: ignore[attr-defined]


def test_every_panel_has_a_title_and_a_unit() -> None:
    """All eight panels name what they show and its unit, and the epochs stand below."""
    figure = narrowing(history(12), title="a made-up run")
    assert len(figure.axes) == 8
    assert all(axes.get_title(loc="left") and axes.get_ylabel() for axes in figure.axes)
    assert [axes.get_xlabel() for axes in figure.axes[-2:]] == ["epoch", "epoch"]
    assert "a made-up run" in texts(figure)
    assert "not measured" not in texts(figure)


def test_lines_are_the_history() -> None:
    """What is drawn is what was measured: the values by epoch, whatever the order of the rows and other windows."""
    table = history(9)
    partial = table.assign(window="part", value=99.0)
    niche = table.assign(group="niche", value=99.0)
    figure = narrowing(pd.concat([niche, partial, table]).sample(frac=1, random_state=1))
    coverage = [line.get_ydata() for line in figure.axes[0].lines]
    wanted = table[table["metric"] == "coverage"]["value"]
    assert any(np.array_equal(line, wanted) for line in coverage)
    assert not any(99.0 in np.asarray(line.get_ydata()) for axes in figure.axes for line in axes.lines)


@pytest.mark.parametrize("epoch", [0, 7])
def test_a_single_epoch_is_points(epoch: int) -> None:
    """One epoch gives a figure whose only tick is that epoch."""
    figure = narrowing(history(1, first=epoch))
    figure.savefig(io.BytesIO(), format="png")
    assert [float(tick) for tick in figure.axes[-1].get_xticks()] == [epoch]


def test_gaps_and_missing_metrics() -> None:
    """NaN leaves a gap, a value between two gaps keeps its marker, and a metric that is not there is said to be so."""
    table = history(40)
    novelty = table["metric"] == "novelty"
    table.loc[novelty & table["epoch"].isin([11, 13]), "value"] = math.nan
    table.loc[table["metric"] == "depth", "value"] = math.nan
    figure = narrowing(table[table["metric"] != "utility"])
    figure.savefig(io.BytesIO(), format="png")
    assert texts(figure).count("not measured") == 2
    line = figure.axes[2].lines[0]
    assert np.isnan(np.asarray(line.get_ydata(), float)[[11, 13]]).all()
    assert 12 in line.get_markevery()  # type: ignore[operator]


@pytest.mark.parametrize("value", [0.0, 1.0, -2.0, 1e-9, 1e9])
def test_level_lines_of_any_size(value: float) -> None:
    """A metric that never changes is drawn inside its panel, whatever its size and sign."""
    figure = narrowing(history(3).assign(value=value))
    figure.savefig(io.BytesIO(), format="png")
    low, high = figure.axes[5].get_ylim()
    assert low <= value <= high


@pytest.mark.parametrize(("ending", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_files_are_written_whole(tmp_path: Path, ending: str, start: bytes) -> None:
    """The file is of the kind that its ending says, replaces an older one, and leaves nothing beside it."""
    path = tmp_path / f"figure.{ending}"
    path.write_bytes(b"older")
    narrowing(history(3), path)
    assert path.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [path]


def test_a_figure_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When drawing or renaming fails, what was there before is still whole, and nothing lies beside it."""
    path = tmp_path / "figure.png"
    path.write_bytes(b"older")

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(RecsimError, match="no space left"):
        narrowing(history(2), path)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (history(2).drop(columns=["group", "value"]), "history: has no column group, value"),
        (history(2).assign(window="part"), "history: has no row of window 'epoch'"),
        (pd.concat([history(2), history(2)]), "history: has an epoch twice"),
    ],
)
def test_histories_that_cannot_be_drawn(table: pd.DataFrame, message: str) -> None:
    """A history of the wrong shape, an empty one and several at once are named in one line."""
    with pytest.raises(RecsimError, match="^" + message):
        narrowing(table)


@pytest.mark.parametrize("name", ["figure.docx", "figure"])
def test_endings_that_cannot_be_written(tmp_path: Path, name: str) -> None:
    """An ending that is no picture is refused with those that are, and nothing is written."""
    with pytest.raises(RecsimError, match=r"valid are .*png"):
        narrowing(history(1), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_importing_and_drawing_change_nothing() -> None:
    """Importing the module loads no drawing library, and drawing changes no setting and opens no figure of pyplot."""
    program = """
import sys
import recsim.plot
assert not {"matplotlib", "seaborn", "pandas"} & set(sys.modules)
import matplotlib as mpl, pandas as pd, seaborn
from matplotlib import pyplot
before = dict(mpl.rcParams)
row = {"day": 0.0, "epoch": 0, "window": "epoch", "group": "all", "metric": "gini", "value": 0.5}
recsim.plot.narrowing(pd.DataFrame([row]))
assert dict(mpl.rcParams) == before and not pyplot.get_fignums()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
