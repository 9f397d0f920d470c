"""Study pictures: what a study says of a metric, level by level, factor by factor, or as a map over two factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.contrasts import Effects, digits
from recsim.drawing import GRID, INK, PALE, WIDE, Floats, Place, empty, finite, framed, named, plain, sheet
from recsim.errors import RecsimError, nearest
from recsim.inference import interval
from recsim.outcomes import BESIDE, COST, outcomes, rows_of, told_apart
from recsim.studies import StudyResult
from recsim.surfaces import Indices, Surface

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


def answer(
    found: Effects | Indices | Surface, path: Place = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Return one picture of what a study says of a metric, and save it where a path is given.

    found: effects, a line a level: the difference to the first level of its factor with its 95 % interval, filled where p < 0.05
    after Holm; Sobol indices, a line a factor: first (open) and total (filled) with theirs; or a surface over two factors, as a
    map with the points that were run. ax: where to draw, by default a figure of its own. path, title: as for `narrowing`.
    Raises RecsimError for a surface over more or fewer than two factors.
    """
    lines = 0 if isinstance(found, Surface) else len(found.frame)
    page = sheet(ax, across=1, size=(WIDE, max(3.6, 1.4 + 0.3 * lines)))
    if isinstance(found, Surface):
        _map(page.axes[0], found)
    elif isinstance(found, Indices):
        page.key(*_shares(page.axes[0], found))
    else:
        _levels(page.axes[0], found)
    page.done(path, title)
    return page.axes[0]


def _levels(axes: Axes, found: Effects) -> None:
    """Draw the effects of a study, a line a level."""
    names, sample = [], found.found.layout == "sample"
    axes.axvline(0.0, color=PALE, linewidth=1.0, zorder=1)
    for place, row in enumerate(found.frame.to_dict("records")):
        head = row["factor"] != found.frame["factor"].iloc[place - 1] or not place
        level = plain(found.found.said(row["factor"], row["level"]))
        names.append(f"{plain(row['factor'])}: {level}" if head else level)
        if np.isfinite(row["difference"]):
            axes.plot(finite([row["low"], row["high"]]), [place] * 2, color=INK, linewidth=2.2, solid_capstyle="butt", zorder=2)
            fill = INK if row["p"] < 0.05 else "white"
            axes.plot(row["difference"], place, "o", color=fill, mec=INK, markersize=5.5, zorder=3)
        else:
            axes.plot(0.0, place, "|", color=PALE, markersize=12, zorder=2)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    what = "from the low to the high end of the range" if sample else "difference to the first level"
    seeds = len(found.found.seeds)
    called, unit = named(found.found.metric)
    heading = f"{called} ({found.found.metric}), {found.found.window}, {seeds} seed{'s' * (seeds != 1)}"
    framed(axes, heading, f"{what}, {unit}, 95 % interval", grid="both")
    if not np.isfinite(found.frame["mean"]).any():
        empty(axes)


def _shares(axes: Axes, found: Indices) -> tuple[list[Line2D], list[str]]:
    """Draw Sobol indices, a line a factor, and return what the key says."""
    points: dict[str, Line2D] = {}
    for place, row in enumerate(found.frame.to_dict("records")):
        for name, shift, fill in (("first", -0.12, "white"), ("total", 0.12, INK)):
            ends = finite([row[f"{name}_low"], row[f"{name}_high"]])
            axes.plot(ends, [place + shift] * 2, color=INK, linewidth=1.6, zorder=2)
            (points[name],) = axes.plot(
                row[name], place + shift, "o", color=fill, mec=INK, markersize=5.5, linestyle="", zorder=3
            )
    axes.set_yticks(range(len(found.frame)), [plain(name) for name in found.frame["factor"]])
    axes.set_ylim(len(found.frame) - 0.5, -0.5)
    heading = f"What the variance of {found.found.metric} comes from"
    framed(axes, heading, "share of the variance, 95 % interval", grid="both")
    return list(points.values()), list(points)


def _map(axes: Axes, found: Surface) -> None:
    """Draw a surface over two factors, and the points that were run."""
    if len(found.axes) != 2:
        raise RecsimError(f"surface: has {len(found.axes)} factors; only one over two can be drawn as a map")
    one, other = found.axes
    x, y = (axis._replace(whole=False).at(np.linspace(0, 1, 60)) for axis in (one, other))
    across, up = np.meshgrid(x, y)
    mean = found.predict({one.path: across.ravel(), other.path: up.ravel()})["mean"].to_numpy().reshape(across.shape)
    shades = axes.pcolormesh(across, up, mean, cmap="cividis", shading="gouraud")
    axes.plot(found.found.levels[one.path], found.found.levels[other.path], ".", color="white", mec=INK, markersize=6)
    called, unit = named(found.found.metric)
    framed(axes, f"{called} ({found.found.metric}), {found.found.window}", plain(one.path, 40), plain(other.path, 40))
    axes.grid(visible=False)
    axes.set_xscale("log" if one.log else "linear")
    axes.set_yscale("log" if other.log else "linear")
    bar = axes.figure.colorbar(shades, ax=axes)
    bar.set_label(unit, fontsize=10, color=INK)


# ----------------------------------------------------------------------------------------------------------- heat map
def cells(
    study: StudyResult | pd.DataFrame, x: str, y: str, metric: str, group: str = "all", window: str | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the means of a metric over seeds, and over all other factors, a row a level of *y*, a column a level of *x*.

    Beside them, in a second such table, half their 95 % intervals over the seeds (Student's t), NaN for one seed.

    study, metric, group, window: as for `heat_map`. Levels that are numbers are sorted, others as the study lists them; NaN where
    no seed has a finite value; only seeds that have a value at every point count, where there is one, so that levels are
    compared over the same ones. Raises RecsimError for factors, metrics and windows that are not there.
    """
    frame = study.frame if isinstance(study, StudyResult) else study
    rows = _rows(frame, metric, group, window)
    factors = [str(name) for name in rows if name not in BESIDE]
    for name, factor in (("x", x), ("y", y)):
        if factor not in factors:
            raise RecsimError(f"{name}: the study has no factor {factor!r}; {nearest(factor, factors)}")
    if x == y:
        raise RecsimError(f"y: is {x!r} as x is; give two factors")
    known = rows.assign(value=finite(rows["value"]))
    if "seed" in known:
        lacking = set(known.loc[known["value"].isna(), "seed"])
        count = known.groupby("seed")["point"].nunique()
        whole = [seed for seed in count.index if count[seed] == count.max() == known["point"].nunique() and seed not in lacking]
        known = known[known["seed"].isin(whole)] if whole else known
    how: dict[str, Any] = {"dropna": False, "sort": False, "observed": True}
    seeds = known["seed"] if "seed" in known else [0] * len(known)
    each = known.groupby([y, x, seeds], sort=False)["value"].mean().reset_index()
    half = each.pivot_table("value", y, x, aggfunc=_half, **how)
    table = known.pivot_table("value", y, x, aggfunc="mean", **how)
    listed = {factor: list(dict.fromkeys(rows[factor].tolist())) for factor in (x, y)}
    order = {name: sorted(some) if {type(level) for level in some} <= {int, float} else some for name, some in listed.items()}
    means, halves = (one.reindex(index=order[y], columns=order[x]) for one in (table, half))
    return means, halves


def _half(values: pd.Series) -> float:
    """Return half the interval of a mean."""
    mean, _, high = interval(values)
    return high - mean


def _rows(frame: pd.DataFrame, metric: str, group: str, window: str | None) -> pd.DataFrame:
    """Return the rows of a metric of a study; of a cost that was not kept, the means that follow from what was."""
    if metric == COST and "metric" in frame and COST not in set(frame["metric"]):
        found = outcomes(frame, metric, group, window)
        return found.levels.assign(value=found.values.mean(axis=1))
    return rows_of(frame, metric, group, window)[0]


def heat_map(
    study: StudyResult | pd.DataFrame, x: str, y: str, metric: str, group: str = "all", window: str | None = None,
    path: Place = None, title: str | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Return one picture of a metric at the levels of two factors: a cell a pair, its mean over the seeds as a number.

    study: a study, or its frame. x, y: factors by path, such as "policy.epsilon"; over other factors the mean is taken. metric,
    group, window: as for `recsim.outcomes.outcomes`. Below each mean stands half its 95 % interval
    over the seeds (Student's t). Grey is a pair without a value. path, title, ax: as for `lorenz`.
    Raises RecsimError for what is not there.
    """
    import seaborn

    table, halves = cells(study, x, y, metric, group, window)
    high, wide = table.shape
    page = sheet(ax, across=1, size=(max(WIDE, 1.6 + 0.62 * wide), 1.5 + 0.46 * max(high, 4)))
    axes = page.axes[0]
    axes.set_facecolor(GRID)
    values = table.to_numpy(np.float64)
    texts = np.vectorize(lambda value, half: _number(value, half, values), otypes=[object])(values, halves.to_numpy(np.float64))
    heading, unit = named(metric)
    known = values[np.isfinite(values)]
    low, high_end = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    seaborn.heatmap(
        table, vmin=low, vmax=high_end, ax=axes, annot=texts, fmt="", cmap="cividis", linewidths=0.8, annot_kws={"fontsize": 9.5},
        cbar=len(known) > 0, cbar_kws={"label": unit},
    )  # fmt: skip
    names, lines = ([plain(name, 30) for name in told_apart(levels).values()] for levels in (table.columns, table.index))
    turned = wide * max(map(len, names)) > 60
    axes.set_xticks(np.arange(wide) + 0.5, names, rotation=30 if turned else 0, ha="right" if turned else "center")
    axes.set_yticks(np.arange(high) + 0.5, lines, rotation=0)
    beside = "\n± half the 95 % interval" if np.isfinite(halves.to_numpy(np.float64)).any() else ""
    framed(axes, f"{heading}{beside}", plain(x, 44), plain(y, 44))
    axes.grid(visible=False)
    axes.invert_yaxis()
    page.done(path, title)
    return axes


def _number(value: float, half: float, among: Floats) -> str:
    """Return the text of a cell, with as many decimals as tell the cells apart, half its interval below; nothing for a gap."""
    if not np.isfinite(value):
        return ""
    known = among[np.isfinite(among)]
    decimals = digits(np.abs(known - known.mean()))
    return f"{value:.{decimals}f}" + (f"\n±{half:.{decimals}f}" if np.isfinite(half) else "")
