"""Figures: what narrowed, epoch by epoch; arms beside each other; doses and responses; what a study says.

Drawn with matplotlib's objects alone, so nothing global changes.
"""

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

    from recsim.comparison import Comparison
    from recsim.contrasts import Effects
    from recsim.surfaces import Indices, Surface

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


# -------------------------------------------------------------------------------------------- arms beside each other
_COMPARED = {
    "coverage_model": ("Coverage by the model", "share of items"),
    "coverage": ("Coverage of the catalogue", "share of items"),
    "gini": ("Concentration", "Gini index"),
    "novelty": ("Novelty of what is shown", "bits"),
    "utility": ("What people get", "true utility per item"),
    "cost": ("Cost", "clicks per 1,000 visits"),
}


def league(
    comparison: Comparison, path: str | os.PathLike[str] | None = None, title: str | None = None
) -> Figure:
    """Return one figure of paired differences to the first arm, with intervals: a panel a metric, a line an arm.

    A thick bar is the 95 % interval of one difference, a thin one that of the family of all arms (Bonferroni); a filled
    point has p < 0.05 after Holm. With one seed there are points alone. The zero line is the first arm, its mean
    stands in each panel's title.
    path, title: as for `narrowing`. The figure is 9 inches wide and grows with the number of arms.
    """
    from matplotlib.figure import Figure

    table = comparison.differences
    first, *others = comparison.arms
    figure = Figure(figsize=(9.0, 2.2 + 0.5 * len(others)), layout="constrained")
    grid = figure.subplots(2, 3, sharey=True)
    for axes, (metric, (name, unit)) in zip(grid.flat, _COMPARED.items(), strict=True):
        rows = table[table["metric"] == metric].set_index("arm")
        mean = float(rows["mean"].astype(float)[first])
        _differences(axes, rows.loc[others], f"{name}\n{first}: {mean:.3g}", f"difference, {unit}")
    grid[0, 0].set_yticks(range(len(others)), [_short(other) for other in others])
    grid[0, 0].set_ylim(len(others) - 0.5, -0.5)
    return _finished(figure, path, title or f"Paired differences to {first}, {len(comparison.seeds)} seeds")


def _differences(axes: Axes, rows: pd.DataFrame, title: str, unit: str) -> None:
    """Draw the differences of one metric, a line an arm."""
    axes.axvline(0.0, color=_PALE, linewidth=1.0, zorder=1)
    for place, row in enumerate(rows.to_dict("records")):
        sure = row["p"] < 0.05
        axes.plot([row["family_low"], row["family_high"]], [place, place], color=_INK, linewidth=0.9, zorder=2)
        axes.plot([row["low"], row["high"]], [place, place], color=_INK, linewidth=2.6, zorder=3, solid_capstyle="butt")
        axes.plot(row["difference"], place, "o", color=_INK if sure else "white", mec=_INK, markersize=5.5, zorder=4)
    _framed(axes, title, unit, np.concatenate([rows[end].to_numpy(np.float64) for end in ("difference", "family_low")]))


def dose(frame: pd.DataFrame, path: str | os.PathLike[str] | None = None, title: str | None = None) -> Figure:
    """Return one figure of how metrics answer to strengths: a row an arm, a column a metric, bands of 95 %.

    frame: as `dose_response` gives it, with columns arm, setting, strength, metric, mean, low, high. The scale of a metric is
    the same for all arms. path, title: as for `narrowing`. Raises RecsimError when columns are missing or there are no rows.
    """
    from matplotlib.figure import Figure

    missing = {"arm", "setting", "strength", "metric", "mean", "low", "high"} - set(frame.columns)
    if missing or frame.empty:
        what = f"has no column {', '.join(sorted(missing))}" if missing else "has no rows"
        raise RecsimError(f"frame: {what}; give what dose_response returns")
    arms = list(dict.fromkeys(frame["arm"]))
    metrics = [metric for metric in _COMPARED if metric in set(frame["metric"])]
    figure = Figure(figsize=(0.8 + 2.3 * len(metrics), 0.9 + 2.1 * len(arms)), layout="constrained")
    grid = figure.subplots(len(arms), len(metrics), sharey="col", squeeze=False)
    for line, arm in zip(grid, arms, strict=True):
        rows = frame[frame["arm"] == arm].sort_values("strength")
        for axes, metric in zip(line, metrics, strict=True):
            name, unit = _COMPARED[metric]
            heading = name if axes in grid[0] else ""
            _response(axes, rows[rows["metric"] == metric], heading, str(rows["setting"].iloc[0]), unit)
        line[0].annotate(
            _short(arm), (-0.42, 0.5), xycoords="axes fraction", rotation=90, va="center", ha="center", fontsize=10, color=_INK,
            fontweight="bold",
        )  # fmt: skip
    return _finished(figure, path, title)


def _response(axes: Axes, rows: pd.DataFrame, title: str, setting: str, unit: str) -> None:
    """Draw one metric of one arm over its strength."""
    strength, mean, low, high = (rows[name].to_numpy(np.float64) for name in ("strength", "mean", "low", "high"))
    axes.fill_between(strength, low, high, color=_PALE, alpha=0.35, linewidth=0)
    axes.plot(strength, mean, "o-", color=_INK, linewidth=1.6, markersize=4)
    _framed(axes, title, setting, mean)
    axes.set_ylabel(unit, fontsize=9, color=_INK)


def _framed(axes: Axes, title: str, label: str, seen: Floats) -> None:
    """Put what stands around a small picture of a comparison; say so where there is nothing in it."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title, loc="left", fontsize=9.5, color=_INK)
    axes.set_xlabel(label, fontsize=9, color=_INK)
    axes.tick_params(labelsize=8.5, colors=_INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e6e6e6", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if not np.isfinite(seen).any():
        axes.annotate("not measured", (0.5, 0.5), xycoords="axes fraction", ha="center", color=_PALE, fontsize=10)


# ------------------------------------------------------------------------------------------------- what a study says
def answer(
    found: Effects | Indices | Surface, path: str | os.PathLike[str] | None = None, title: str | None = None,
    axes: Axes | None = None,
) -> Axes:  # fmt: skip
    """Return one picture of what a study says of a metric, and save it where a path is given.

    found: effects, a line a level: the difference to the first level of its factor with its 95 % interval, filled where p < 0.05
    after Holm; Sobol indices, a line a factor: first (open) and total (filled) with theirs; or a surface over two factors, as a
    map with the points that were run. axes: where to draw, by default a figure of its own. path, title: as for `narrowing`.
    Raises RecsimError for a surface over more or fewer than two factors.
    """
    from matplotlib.figure import Figure

    from recsim.surfaces import Indices, Surface

    if axes is None:
        lines = 0 if isinstance(found, Surface) else len(found.frame)
        axes = Figure(figsize=(6.4, max(3.6, 1.4 + 0.3 * lines)), layout="constrained").subplots()
    if isinstance(found, Surface):
        _map(axes, found)
    elif isinstance(found, Indices):
        _shares(axes, found)
    else:
        _levels(axes, found)
    if isinstance(axes.figure, Figure):
        _finished(axes.figure, path, title)
    return axes


def _levels(axes: Axes, found: Effects) -> None:
    """Draw the effects of a study, a line a level."""
    from recsim.outcomes import told

    names, sample = [], found.found.layout == "sample"
    axes.axvline(0.0, color=_PALE, linewidth=1.0, zorder=1)
    for place, row in enumerate(found.frame.to_dict("records")):
        head = row["factor"] != found.frame["factor"].iloc[place - 1] or not place
        names.append(_short(row["factor"]) + ": " + told(row["level"]) if head else told(row["level"]))
        if np.isfinite(row["difference"]):
            axes.plot([row["low"], row["high"]], [place, place], color=_INK, linewidth=2.2, solid_capstyle="butt", zorder=2)
            fill = _INK if row["p"] < 0.05 else "white"
            axes.plot(row["difference"], place, "o", color=fill, mec=_INK, markersize=5.5, zorder=3)
        else:
            axes.plot(0.0, place, "|", color=_PALE, markersize=12, zorder=2)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    what = "from the low to the high end of the range" if sample else "difference to the first level"
    seeds = len(found.found.seeds)
    heading = f"{found.found.metric}, {found.found.window}, {seeds} seed{'s' * (seeds != 1)}"
    _framed(axes, heading, f"{what}, 95 % interval", found.frame["mean"].to_numpy())


def _shares(axes: Axes, found: Indices) -> None:
    """Draw Sobol indices, a line a factor."""
    for place, row in enumerate(found.frame.to_dict("records")):
        for name, shift, fill in (("first", -0.12, "white"), ("total", 0.12, _INK)):
            ends = [row[f"{name}_low"], row[f"{name}_high"]]
            axes.plot(ends, [place + shift] * 2, color=_INK, linewidth=1.6, zorder=2)
            label = name if not place else None
            axes.plot(row[name], place + shift, "o", color=fill, mec=_INK, markersize=5.5, zorder=3, label=label)
    axes.set_yticks(range(len(found.frame)), [_short(name) for name in found.frame["factor"]])
    axes.set_ylim(len(found.frame) - 0.5, -0.5)
    axes.legend(frameon=False, fontsize=8.5)
    heading = f"What the variance of {found.found.metric} comes from"
    _framed(axes, heading, "share of the variance, 95 % interval", found.frame["total"].to_numpy())


def _map(axes: Axes, found: Surface) -> None:
    """Draw a surface over two factors, and the points that were run."""
    if len(found.axes) != 2:
        raise RecsimError(f"surface: has {len(found.axes)} factors; only one over two can be drawn as a map")
    one, other = found.axes
    x, y = (axis._replace(whole=False).at(np.linspace(0, 1, 60)) for axis in (one, other))
    across, up = np.meshgrid(x, y)
    mean = found.predict({one.path: across.ravel(), other.path: up.ravel()})["mean"].to_numpy().reshape(across.shape)
    shades = axes.pcolormesh(across, up, mean, cmap="cividis", shading="gouraud")
    axes.plot(found.found.levels[one.path], found.found.levels[other.path], ".", color="white", mec=_INK, markersize=6)
    axes.set_title(f"{found.found.metric}, {found.found.window}", loc="left", fontsize=9.5, color=_INK)
    axes.set_xlabel(one.path, fontsize=9, color=_INK)
    axes.set_ylabel(other.path, fontsize=9, color=_INK)
    axes.set_xscale("log" if one.log else "linear")
    axes.set_yscale("log" if other.log else "linear")
    axes.figure.colorbar(shades, ax=axes)


def _short(name: str) -> str:
    return name if len(name) <= 28 else f"{name[:27]}…"


def _finished(figure: Figure, path: str | os.PathLike[str] | None, title: str | None) -> Figure:
    """Return a figure with its heading, saved where a path is given."""
    if title is not None:
        figure.suptitle(title, fontsize=12, fontweight="bold", color=_INK)
    if path is not None:
        _save(figure, Path(path))
    return figure
