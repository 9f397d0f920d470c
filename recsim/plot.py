"""Figures: what narrowed, epoch by epoch. Drawn with matplotlib's objects alone, so nothing global changes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError
from recsim.files import whole

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

_INK, _PALE = "#262626", "#8c8c8c"


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
        "Coverage of the catalogue",
        "share of items",
        {"coverage": "shown", "coverage_model": "model"},
        1.0,
        {"coverage_floor": "shown", "coverage_model_floor": "model"},
    ),
    _Panel(
        "Concentration",
        "Gini index",
        {"gini": "shown", "gini_clicks": "clicked"},
        1.0,
        {"gini_floor": "shown", "gini_clicks_floor": "clicked"},
    ),
    _Panel("Novelty of what is shown", "bits", {"novelty": "shown", "novelty_model": "model"}),
    _Panel("Variety of a user's feed", "effective topics", {"feed_topics": "shown"}),
    _Panel("What the benchmark sees", "clicks per impression", {"click_rate": "shown"}),
    _Panel("What people get", "true utility per item", {"utility": "plain"}),
    _Panel("Human rows in training", "share of rows", {"human_share": "plain"}, 1.0),
    _Panel("Generations since a human", "generations (mean)", {"depth": "plain"}),
)
_KEY = {"shown": "shown in the feed", "model": "shown by the model itself", "clicked": "clicked"}
_MARKERS = {"shown": "o", "model": "^", "clicked": "s", "plain": "o"}
_FLOOR = (0, (3.5, 2.0))  # dashes


def narrowing(history: pd.DataFrame, path: str | os.PathLike[str] | None = None, title: str | None = None) -> Figure:
    """Return one figure of what the loop did, epoch by epoch: the catalogue, the feed, the people, the training rows.

    history: the long-form history of one run, with columns epoch, window, group, metric, value; rows of window 'epoch'
    and group 'all' are drawn. A colour means the same in every panel; dashed is what a uniform feed of the same volume
    would give. NaN is a gap; where a metric is missing, the panel says so. Scales start at 0 unless a value is below
    it, and those of shares end at 1.
    path: where to save it as well; its ending says as what (.png, .pdf, .svg). The file appears only when it is whole.
    title: a line above the figure. The figure is 6 x 8.4 inches and belongs to no window and no backend.

    Raises RecsimError when columns are missing, there is nothing to draw, an epoch is there twice (several runs), or
    the ending is none that matplotlib writes.
    """
    import seaborn
    from matplotlib.figure import Figure

    values = _values(history)
    blue, orange, green, *_ = seaborn.color_palette("colorblind").as_hex()
    colours = {"shown": blue, "model": orange, "clicked": green, "plain": _INK}
    figure = Figure(figsize=(6.0, 8.4), layout="constrained")
    grid = figure.subplots(len(_PANELS) // 2, 2, sharex=True)
    for axes, panel in zip(grid.flat, _PANELS, strict=True):
        _draw(axes, panel, values, colours)
    for axes in grid[-1]:
        _epochs(axes, [int(epoch) for epoch in values["epoch"]])
    seaborn.despine(fig=figure)
    figure.align_ylabels(grid)
    _head(figure, colours, title)
    if path is not None:
        _save(figure, Path(path))
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
    series = {str(metric): table[metric].to_numpy(np.float64) for metric in table.columns}
    return series | {"epoch": table.index.to_numpy(np.float64)}


def _draw(axes: Axes, panel: _Panel, values: Mapping[str, Floats], colours: Mapping[str, str]) -> None:
    """Draw one panel: floors dashed and below, then the lines, then what stands around them."""
    epochs = values["epoch"]
    floors = {metric: kind for metric, kind in panel.floors.items() if metric in values}
    lines = {metric: kind for metric, kind in panel.lines.items() if metric in values}
    for metric, kind in floors.items():
        axes.plot(*_widened(epochs, values[metric]), color=colours[kind], linestyle=_FLOOR, linewidth=1.1, zorder=1)
    for metric, kind in lines.items():
        (line,) = axes.plot(epochs, values[metric], color=colours[kind], linewidth=1.8, clip_on=False)
        line.set(marker=_MARKERS[kind], markersize=5, markeredgecolor="white", markeredgewidth=0.6)
        line.set_markevery(_marked(values[metric], first=list(_MARKERS).index(kind)))
    axes.set_title(panel.title, loc="left", fontsize=10.5, fontweight="bold", color=_INK)
    axes.set_ylabel(panel.unit, fontsize=10, color=_INK)
    axes.tick_params(labelsize=9.5, colors=_INK, length=3)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    _scale(axes, panel, np.concatenate([[np.nan], *(values[metric] for metric in (*floors, *lines))]))


def _widened(epochs: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return a floor to draw; of a single epoch a short level line, since a dashed line has no points of its own."""
    if len(epochs) > 1:
        return epochs, values
    return epochs + np.array([-0.4, 0.4]), np.repeat(values, 2)


def _marked(values: Floats, first: int) -> list[int]:
    """Return at which epochs to put a marker: about eight, and wherever a value stands alone between gaps."""
    known = np.isfinite(values)
    beside = np.pad(known, 1)
    alone = known & ~beside[:-2] & ~beside[2:]
    every = max(1, round(len(values) / 8))
    chosen = alone | (np.arange(len(values)) % every == first % every)
    return [int(epoch) for epoch in np.flatnonzero(chosen & known)]


def _scale(axes: Axes, panel: _Panel, seen: Floats) -> None:
    """Set the ends of the value axis, or say that there is nothing on it."""
    from matplotlib.ticker import MaxNLocator

    seen = seen[np.isfinite(seen)]
    if not len(seen):
        axes.annotate("not measured", (0.5, 0.5), xycoords="axes fraction", ha="center", color=_PALE, fontsize=10)
        axes.set_yticks([])
        return
    low, high = float(seen.min()), float(seen.max())
    top = max(panel.top, high) if panel.top is not None else high + 0.08 * (high - min(low, 0.0))
    bottom = low - 0.08 * (top - low) if low < 0 else 0.0
    axes.set_ylim(bottom, top if top > bottom else bottom + 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.ticklabel_format(axis="y", useOffset=False)


def _epochs(axes: Axes, epochs: list[int]) -> None:
    """Label the axis of epochs, with whole numbers and a little room at both ends."""
    from matplotlib.ticker import MaxNLocator

    room = max(0.5 if len(epochs) == 1 else 0.0, 0.025 * (epochs[-1] - epochs[0]))
    axes.set_xlabel("epoch", fontsize=10, color=_INK)
    axes.set_xlim(epochs[0] - room, epochs[-1] + room)
    if len(epochs) <= 6:
        axes.set_xticks(epochs)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))


def _head(figure: Figure, colours: Mapping[str, str], title: str | None) -> None:
    """Put the key, and the title as its heading, above the panels: one key for all of them."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.lines import Line2D

    keys = [Line2D([], [], color=colours[kind], linewidth=1.8, marker=_MARKERS[kind], mec="white") for kind in _KEY]
    keys.append(Line2D([], [], color=_PALE, linewidth=1.1, linestyle=_FLOOR))
    names = [*_KEY.values(), "uniform feed, same volume"]
    legend = figure.legend(keys, names, loc="outside upper center", ncols=2, frameon=False, fontsize=10)
    if title is not None:
        legend.set_title(title, prop=FontProperties(size=12, weight="bold"))


def _save(figure: Figure, path: Path) -> None:
    """Write the figure beside its place and rename it, so that nobody ever finds half of it."""
    kind = path.suffix.removeprefix(".").lower()
    valid = figure.canvas.get_supported_filetypes()
    if kind not in valid:
        raise RecsimError(f"{path}: matplotlib writes no '{kind}'; valid are {', '.join(sorted(valid))}")
    with whole(path) as part:
        figure.savefig(part, format=kind, dpi=200)
