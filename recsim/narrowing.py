"""Narrowing: one figure of what the loop did in a run, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from recsim.archive import Run
from recsim.drawing import (
    DASHED,
    FLOOR_NAME,
    INK,
    Floats,
    Place,
    finite,
    floor_handle,
    framed,
    marked,
    nothing,
    over_epochs,
    plain,
    save,
    scaled,
    widened,
)
from recsim.errors import RecsimError
from recsim.palette import COLOURS
from recsim.panels import LINES, TITLES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Panel:
    """One small picture: its title, unit, and for each metric the kind of line that it is."""

    title: str
    unit: str
    lines: Mapping[str, str]
    top: float | None = None  # upper end of the scale, where the unit has one
    floors: Mapping[str, str] = field(default_factory=dict)


_PANELS = (
    _Panel(
        *TITLES["coverage"], {"coverage": "shown", "coverage_model": "model"}, 1.0,
        {"coverage_floor": "shown", "coverage_model_floor": "model"},
    ),
    _Panel(
        *TITLES["gini"], {"gini": "shown", "gini_clicks": "clicked"}, 1.0,
        {"gini_floor": "shown", "gini_clicks_floor": "clicked"},
    ),
    _Panel(*TITLES["novelty"], {"novelty": "shown", "novelty_model": "model"}),
    _Panel(*TITLES["feed_topics"], {"feed_topics": "shown"}),
    _Panel(*TITLES["click_rate"], {"click_rate": "shown"}),
    _Panel(*TITLES["utility"], {"utility": "plain"}),
    _Panel(*TITLES["human_share"], {"human_share": "plain"}, 1.0),
    _Panel(*TITLES["depth"], {"depth": "plain"}),
)  # fmt: skip
_MARKERS = {"shown": "o", "model": "^", "clicked": "s", "plain": "o"}


def narrowing(found: Run | pd.DataFrame, path: Place = None, title: str | None = None) -> Figure:
    """Return one figure of what the loop did, epoch by epoch: the catalogue, the feed, the people, the training rows.

    found: a run, or its long-form history with columns epoch, window, group, metric, value; rows of window 'epoch' and
    group 'all' are drawn. A colour means the same in every panel; dashed is what a uniform feed of the same volume
    would give. NaN is a gap; where a metric is missing, the panel says so. Scales start at 0 unless a value is below
    it, and those of shares end at 1.
    path: where to save it as well; its ending says as what (.png, .pdf, .svg). The file appears only when it is whole.
    title: a line above the figure. The figure is 6 x 8.4 inches and belongs to no window and no backend.

    Raises RecsimError when columns are missing, there is nothing to draw, an epoch is there twice (several runs), or
    the ending is none that matplotlib writes.
    """
    from matplotlib.figure import Figure

    values = _values(found.history if isinstance(found, Run) else found)
    colours = dict(zip(LINES, COLOURS, strict=False)) | {"plain": INK}
    figure = Figure(figsize=(6.0, 8.4), layout="constrained")
    grid = figure.subplots(len(_PANELS) // 2, 2, sharex=True)
    for axes, panel in zip(grid.flat, _PANELS, strict=True):
        _draw(axes, panel, values, colours)
    for axes in grid[-1]:
        over_epochs(axes, [int(epoch) for epoch in values["epoch"]])
    figure.align_ylabels(grid)
    _head(figure, colours, title)
    if path is not None:
        save(figure, Path(path))
    return figure


def _values(history: pd.DataFrame) -> dict[str, Floats]:
    """Return the values of each metric by epoch, and the epochs themselves under 'epoch'; NaN where there is none."""
    missing = {"epoch", "window", "group", "metric", "value"} - set(history.columns)
    if missing:
        raise RecsimError(f"history: has no column {', '.join(sorted(missing))}; give the history of a run")
    rows = history[(history["window"] == "epoch") & (history["group"] == "all")]
    if rows.empty:
        raise RecsimError("history: has no row of window 'epoch' and group 'all'; let the run finish an epoch first")
    if rows.duplicated(["epoch", "metric"]).any():
        raise RecsimError("history: has an epoch twice; give the history of one run, not of several")
    table = rows.pivot(index="epoch", columns="metric", values="value").sort_index()
    series = {str(metric): finite(table[metric]) for metric in table.columns}
    return series | {"epoch": table.index.to_numpy(np.float64)}


def _draw(axes: Axes, panel: _Panel, values: Mapping[str, Floats], colours: Mapping[str, str]) -> None:
    """Draw one panel: floors dashed and below, then the lines, then what stands around them."""
    epochs = values["epoch"]
    floors = {metric: kind for metric, kind in panel.floors.items() if metric in values}
    lines = {metric: kind for metric, kind in panel.lines.items() if metric in values}
    for metric, kind in floors.items():
        axes.plot(*widened(epochs, values[metric]), color=colours[kind], linestyle=DASHED, linewidth=1.1, zorder=1)
    for metric, kind in lines.items():
        (line,) = axes.plot(epochs, values[metric], color=colours[kind], linewidth=1.8, clip_on=nothing(values[metric]))
        line.set(marker=_MARKERS[kind], markersize=5, markeredgecolor="white", markeredgewidth=0.6)
        line.set_markevery(marked(values[metric], first=list(_MARKERS).index(kind)))
    framed(axes, panel.title, y=panel.unit)
    scaled(axes, np.concatenate([[np.nan], *(values[metric] for metric in (*floors, *lines))]), panel.top)


def _head(figure: Figure, colours: Mapping[str, str], title: str | None) -> None:
    """Put the key, and the title as its heading, above the panels: one key for all of them."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D

    keys = [Line2D([], [], color=colours[kind], linewidth=1.8, marker=_MARKERS[kind], mec="white") for kind in LINES]
    names = [*LINES.values(), FLOOR_NAME]
    legend = figure.legend([*keys, floor_handle()], names, loc="outside upper center", ncols=2, frameon=False, fontsize=10)
    if title is not None:
        legend.set_title(fill(plain(title, 300), 56), prop=FontProperties(size=12, weight="bold"))
