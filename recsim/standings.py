"""Standings: how arms stand to each other: paired differences, answers to strengths, what they cost for what they bring."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.comparison import LEAGUE, Comparison
from recsim.drawing import INK, MANY, PALE, WIDE, Floats, Place, empty, finite, framed, named, plain, sheet, within
from recsim.errors import RecsimError, nearest
from recsim.fronts import Sense, unbeaten
from recsim.fronts import front as front_of
from recsim.palette import COLOURS, MARKERS, Look, looks
from recsim.studies import StudyResult

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# ------------------------------------------------------------------------------------------------------------- league
def league(comparison: Comparison, path: Place = None, title: str | None = None) -> Figure:
    """Return one figure of paired differences to the first arm, with intervals: a panel a metric, a line an arm.

    A thick bar is the 95 % interval of one difference, a thin one that of the family of all arms (Bonferroni); a filled
    point has p < 0.05 after Holm. With one seed there are points alone. The zero line is the first arm, its mean
    stands in each panel's title. Arms have the colours and markers of `recsim.palette`.
    path, title: as for `narrowing`. The figure is 6.4 inches wide and grows with the number of arms.
    """
    from matplotlib.lines import Line2D

    table = comparison.differences
    first, *others = comparison.arms
    line = 0.26 if len(others) <= MANY else 0.15
    page = sheet(None, len(LEAGUE), 2, (WIDE / 2, 1.1 + line * max(1, len(others))), sharey=True)
    drawn = looks(comparison.arms)
    for place, (axes, metric) in enumerate(zip(page.axes, LEAGUE, strict=True)):
        rows = table[table["metric"] == metric].set_index("arm")
        name, unit = named(metric)
        mean = float(rows["mean"].astype(float)[first])
        _differences(axes, rows.loc[others], drawn)
        framed(axes, name, f"difference, {unit}", grid="both")
        axes.set_title(name, loc="left", fontsize=10.5, fontweight="bold", color=INK, pad=17)
        beside = f"{plain(first, 16)}: {mean:.3g}"
        axes.annotate(beside, (0, 1), (0, 5), "axes fraction", textcoords="offset points", fontsize=9.5, color=INK)
        if not np.isfinite(finite(rows.loc[others, "difference"])).any():
            axes.annotate("not measured", (0.5, 0.5), xycoords="axes fraction", ha="center", color=PALE, fontsize=10)
        if not place % 2:
            axes.set_yticks(range(len(others)), [plain(other) for other in others], fontsize=9.5 if len(others) <= MANY else 7.5)
    page.axes[0].set_ylim(max(1, len(others)) - 0.5, -0.5)
    seeds = len(comparison.seeds)
    if seeds > 1:
        how: dict[str, Any] = {"color": INK, "marker": "o", "mec": INK}
        thick, thin = Line2D([], [], color=INK, linewidth=2.6), Line2D([], [], color=INK, linewidth=0.9)
        filled = Line2D([], [], linestyle="", markersize=6, **how)
        page.key([thick, thin, filled], ["95 % interval", "the same of all arms together", "p < 0.05 (Holm)"])
    heading = title or f"Paired differences to {first}, {seeds} seed{'s' * (seeds != 1)}"
    page.done(path, heading)
    return page.figure


def _differences(axes: Axes, rows: pd.DataFrame, drawn: dict[str, Look]) -> None:
    """Draw the differences of one metric, a line an arm."""
    from matplotlib.ticker import MaxNLocator

    axes.axvline(0.0, color=PALE, linewidth=1.0, zorder=1)
    for place, (arm, row) in enumerate(rows.to_dict("index").items()):
        sure, look = row["p"] < 0.05, drawn[str(arm)]
        point, low, high, family_low, family_high = finite(
            [row[name] for name in ("difference", "low", "high", "family_low", "family_high")]
        )
        axes.plot([family_low, family_high], [place, place], color=look.colour, linewidth=0.9, zorder=2)
        axes.plot([low, high], [place, place], color=look.colour, linewidth=2.6, zorder=3, solid_capstyle="butt")
        fill = look.colour if sure else "white"
        axes.plot(point, place, look.marker, color=fill, mec=look.colour, mew=1.2, markersize=6, zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(4))


# --------------------------------------------------------------------------------------------------------------- dose
def dose(frame: pd.DataFrame, path: Place = None, title: str | None = None) -> Figure:
    """Return one figure of how metrics answer to strengths: a row an arm, a column a metric, bands of 95 %.

    frame: as `dose_response` gives it, with columns arm, setting, strength, metric, mean, low, high. The scale of a metric is
    the same for all arms. path, title: as for `narrowing`. Raises RecsimError when columns are missing or there are no rows.
    """
    missing = {"arm", "setting", "strength", "metric", "mean", "low", "high"} - set(frame.columns)
    if missing or frame.empty:
        what = f"has no column {', '.join(sorted(missing))}" if missing else "has no rows"
        raise RecsimError(f"frame: {what}; give what dose_response returns")
    arms = list(dict.fromkeys(frame["arm"]))
    metrics = [metric for metric in LEAGUE if metric in set(frame["metric"])] or list(dict.fromkeys(frame["metric"]))
    page = sheet(None, len(arms) * len(metrics), len(metrics), (max(2.3, WIDE / len(metrics)), 2.1), sharey="col")
    drawn, places = looks(arms), iter(page.axes)
    for arm in arms:
        rows = frame[frame["arm"] == arm].sort_values("strength")
        line = [next(places) for _ in metrics]
        for axes, metric in zip(line, metrics, strict=True):
            name, unit = named(metric)
            _response(axes, rows[rows["metric"] == metric], drawn[arm])
            framed(axes, name if arm == arms[0] else "", plain(str(rows["setting"].iloc[0])), unit, grid="both")
        line[0].annotate(
            plain(arm), (-0.46, 0.5), xycoords="axes fraction", rotation=90, va="center", ha="center", fontsize=10, color=INK,
            fontweight="bold",
        )  # fmt: skip
    page.done(path, title)
    return page.figure


def _response(axes: Axes, rows: pd.DataFrame, look: Look) -> None:
    """Draw one metric of one arm over its strength."""
    from matplotlib.ticker import MaxNLocator

    strength, mean, low, high = (finite(rows[name]) for name in ("strength", "mean", "low", "high"))
    axes.fill_between(strength, low, high, color=look.colour, alpha=0.2, linewidth=0)
    axes.plot(strength, mean, marker=look.marker, color=look.colour, linewidth=1.6, markersize=4.5)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    if not np.isfinite(mean).any():
        empty(axes)


# -------------------------------------------------------------------------------------------------------------- front
@dataclass(frozen=True)
class _Points:
    """Points with two metrics: names, and of cost and gain (3, points) each: mean and the ends of its interval."""

    names: list[str]
    cost: Floats
    gain: Floats
    best: list[bool]


def front(
    found: Comparison | StudyResult | pd.DataFrame, gain: str = "coverage_model", cost: str = "cost", aim: Sense = "max",
    path: Place = None, title: str | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Return one picture of what points cost and what they bring, with 95 % intervals on both, and those that nobody beats.

    found: a comparison, a point an arm; or a study, or its frame, a point a point of its design. gain: a metric, of which more is
    better (aim "max") or less ("min"); cost: one of which less is better. Filled points, joined by steps, are on the front: no
    other is at least as good in both and better in one, by the means; `recsim.front` says with what probability. Arms that are
    beaten are open, and the key names those whose name has no room beside them; points of a study that are beaten are grey, and
    the key names those on the front.
    path, title, ax: as for `lorenz`. Raises RecsimError for what is not there.
    """
    if aim not in ("max", "min"):
        raise RecsimError(f"aim: {aim!r} is neither; give 'max' where more of {gain} is better, 'min' where less is")
    arms = isinstance(found, Comparison)
    points = _of_arms(found, gain, cost, aim) if isinstance(found, Comparison) else _of_study(found, gain, cost, aim)
    page = sheet(ax, across=1, size=(WIDE, 4.2))
    axes = page.axes[0]
    ours = [place for place, best in enumerate(points.best) if best]
    order = sorted(ours, key=lambda place: points.cost[0, place])
    axes.step(points.cost[0, order], points.gain[0, order], where="post", color=PALE, linewidth=1.2, zorder=1)
    drawn = looks(points.names)
    if not arms:
        turns = {place: divmod(turn, len(COLOURS)) for turn, place in enumerate(order)}
        ranked = {place: Look(COLOURS[colour], MARKERS[again % len(MARKERS)], ()) for place, (again, colour) in turns.items()}
        drawn = {name: ranked.get(place, Look(PALE, "o", ())) for place, name in enumerate(points.names)}
    handles, bars = {}, list[Floats]()  # bars: what names beside points are not to cover
    for one, other in pairwise(order):
        corner = [points.cost[0, other], points.gain[0, one]]
        bars += [np.array([[points.cost[0, end], points.gain[0, end]], corner]) for end in (one, other)]
    for place, name in enumerate(points.names):
        look, best = drawn[name], points.best[place]
        x, y = points.cost[:, place], points.gain[:, place]
        faint = {"color": look.colour, "linewidth": 1.2, "alpha": 0.9 if best or arms else 0.45, "zorder": 2}
        axes.plot(x[1:], [y[0]] * 2, **faint)  # type: ignore[arg-type]
        axes.plot([x[0]] * 2, y[1:], **faint)  # type: ignore[arg-type]
        bars += [np.array([x[1:], [y[0]] * 2]).T, np.array([[x[0]] * 2, y[1:]]).T]
        (point,) = axes.plot(
            x[0], y[0], look.marker, color=look.colour if best else "white", mec=look.colour, mew=1.4,
            markersize=7.5 if best else 6, linestyle="", zorder=4 if best else 3,
        )  # fmt: skip
        if arms or best:
            handles[name] = point
    (title_x, unit_x), (title_y, unit_y) = named(cost), named(gain)
    framed(axes, x=f"{title_x}: {unit_x}", y=f"{title_y}: {unit_y}", grid="both")
    axes.set_title("filled: no other is better in both", loc="left", fontsize=9.5, color=INK)
    for ends, limits in ((points.cost, axes.set_xlim), (points.gain, axes.set_ylim)):
        reached = np.append(finite(ends[0]), within(ends[0], ends[1:]))
        if np.isfinite(reached).any():
            low, high = float(np.nanmin(reached)), float(np.nanmax(reached))
            room = 0.06 * (high - low) or 0.06 * abs(high) or 1.0
            limits(low - room, high + room)
    if not np.isfinite(points.cost[0] + points.gain[0]).any():
        empty(axes)
    if arms and page.own:
        left = page.beside(dict(zip(points.names, zip(points.cost[0], points.gain[0], strict=True), strict=True)), bars)
        handles = {name: handle for name, handle in handles.items() if name in left}
    page.key(list(handles.values()), handles)
    page.done(path, title)
    return axes


def _best(gain: Floats, cost: Floats, aim: Sense) -> list[bool]:
    """Return which points nobody beats, by means: (points,) each."""
    sign = 1.0 if aim == "max" else -1.0
    return [bool(best) for best in unbeaten(np.array([sign * finite(gain), -finite(cost)]))]


def _of_arms(found: Comparison, gain: str, cost: str, aim: Sense) -> _Points:
    """Return the points of a comparison: its arms."""
    table, columns = found.differences, ["mean", "mean_low", "mean_high"]
    both = []
    for metric in (gain, cost):
        rows = table[table["metric"] == metric].set_index("arm")
        if rows.empty:
            raise RecsimError(f"front: the comparison has no {metric!r}; {nearest(metric, table['metric'])}")
        both.append(finite(rows.reindex(list(found.arms))[columns]).T)
    return _Points(list(found.arms), both[1], both[0], _best(both[0][0], both[1][0], aim))


def _of_study(found: StudyResult | pd.DataFrame, gain: str, cost: str, aim: Sense) -> _Points:
    """Return the points of a study, named by their number and levels."""
    result = front_of(found.frame if isinstance(found, StudyResult) else found, {cost: "min", gain: aim})
    rows = result.frame.to_dict("records")
    names = [f"{row['point']}: {result.found.called(row)}" for row in rows]
    ends = [finite(result.frame[[metric, f"{metric}_low", f"{metric}_high"]]).T for metric in (cost, gain)]
    return _Points(names, ends[0], ends[1], [bool(best) for best in result.frame["front"]])
