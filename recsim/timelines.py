"""Timelines: what became of arms as time went on: metrics by epoch, days until people found what is new, benchmark and truth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from recsim.archive import Run
from recsim.benchmark import MEASURES, alarm
from recsim.comparison import Comparison
from recsim.drawing import (
    DASHED,
    FLOOR_NAME,
    GRID,
    INK,
    PALE,
    WIDE,
    Floats,
    Place,
    bands,
    finite,
    floor_handle,
    framed,
    marked,
    named,
    nothing,
    over_epochs,
    plain,
    scaled,
    sheet,
    widened,
    within,
)
from recsim.errors import RecsimError, nearest
from recsim.palette import COLOURS, MARKERS, Look, looks
from recsim.scenario import Scenario
from recsim.survival import Curve, curve

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Runs = Run | Comparison | Mapping[str, Run | Sequence[Run]]
"""What timelines are drawn of: a run, a comparison, or runs by the names of arms, one a seed."""
How = Literal["shown", "clicked"]

BANDS = 12  # arms beyond which bands would cover each other
SHOWN = "coverage_model", "gini", "novelty", "utility"


@dataclass(frozen=True)
class _Arm:
    """An arm: its scenario, and for each seed its metrics by epoch, a column a metric; those of a group are "utility.niche"."""

    scenario: Scenario
    tables: list[pd.DataFrame]

    def by_epoch(self, metric: str) -> tuple[Floats, Floats]:
        """Return the epochs, and the values of a metric, (seeds, epochs), NaN where there is none."""
        epochs = np.unique(np.concatenate([table.index.to_numpy() for table in self.tables]))
        columns = [table[metric] if metric in table else table.iloc[:, 0] * math.nan for table in self.tables]
        return epochs.astype(np.float64), np.array([finite(column.reindex(epochs)) for column in columns])


def _arms(found: Runs) -> dict[str, _Arm]:
    """Return the arms by name."""
    if isinstance(found, Run):
        return {found.scenario.name: _Arm(found.scenario, [_wide(found)])}
    if isinstance(found, Comparison):
        tables = {
            key: rows.pivot(index="epoch", columns="metric", values="value")
            for key, rows in found.history.groupby(["arm", "seed"], sort=False)
        }
        arms = {
            name: _Arm(scenario, [tables[name, seed] for seed in found.seeds if (name, seed) in tables])
            for name, scenario in found.arms.items()
        }
        return {name: arm for name, arm in arms.items() if arm.tables}
    arms = {}
    for name, runs in _listed(found).items():
        arms[name] = _Arm(runs[0].scenario, [_wide(run) for run in runs])
    return arms


def _listed(found: Mapping[str, Run | Sequence[Run]]) -> dict[str, list[Run]]:
    """Return runs by the names of arms, as lists. Raises RecsimError where something else is given."""
    if not isinstance(found, Mapping) or not found:
        raise RecsimError(f"found: {type(found).__name__} is nothing to draw; give a run, a comparison, or runs by name")
    listed = {name: list(runs) if isinstance(runs, Sequence) else [runs] for name, runs in found.items()}
    for name, runs in listed.items():
        if not runs or not all(isinstance(run, Run) for run in runs):
            raise RecsimError(f"found: {name!r} is no run; give one or more to each name")
    return listed


def _wide(run: Run) -> pd.DataFrame:
    """Return the history of a run, a row an epoch, a column a metric."""
    rows = run.history[run.history["window"] == "epoch"]
    if rows.empty:
        raise RecsimError("run: has no epoch that is closed; let it finish one first")
    names = rows["metric"].where(rows["group"] == "all", rows["metric"] + "." + rows["group"])
    return rows.assign(metric=names).pivot(index="epoch", columns="metric", values="value").sort_index()


def _known(arms: Mapping[str, _Arm], metric: str) -> None:
    """Raise RecsimError where no arm has a metric."""
    there = {str(name) for arm in arms.values() for table in arm.tables for name in table}
    if metric not in there:
        raise RecsimError(f"metrics: {metric!r} is not in this history; {nearest(metric, there)}")


# ------------------------------------------------------------------------------------------------------- trajectories
def trajectories(
    found: Runs, metrics: str | Iterable[str] = SHOWN, path: Place = None, title: str | None = None, ax: Axes | None = None
) -> Figure:
    """Return one figure of metrics by epoch: a panel a metric, a line an arm, its mean over the seeds with the 95 % band.

    found: a run, a comparison, or runs by name, one or more a name. metrics: names as in the history, those of a group as
    "utility.niche". Dashed is the floor of a metric that has one (`coverage_floor` and the like), in an arm's colour where arms
    differ in volume. The band is Student's t over the seeds, at each epoch by itself; one seed has none, and more than
    twelve arms are drawn without. Scales leave out ends of bands that are far off.
    path, title: as for `narrowing`. ax: where to draw, for one metric. Raises RecsimError for what the history lacks.
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    arms = _arms(found)
    for name in names:
        _known(arms, name)
    page = sheet(ax, len(names), 1 if len(names) == 1 else 2, sharex=True)
    drawn = looks(arms)
    floors = [_trajectory(axes, arms, name, drawn) for axes, name in zip(page.axes, names, strict=True)]
    epochs = [int(epoch) for epoch in np.unique(np.concatenate([arm.by_epoch(names[0])[0] for arm in arms.values()]))]
    for place, axes in enumerate(page.axes):
        over_epochs(axes, epochs)
        if place < len(page.axes) - 2:
            axes.set_xlabel("")
    several = {} if len(arms) == 1 else {name: _line(drawn[name]) for name in arms}
    key = several | ({FLOOR_NAME: floor_handle()} if any(floors) else {})
    if len(names) == 1 and page.ends({name: _end(*arms[name].by_epoch(names[0])) for name in several}):
        key = {name: handle for name, handle in key.items() if name not in several}
    page.key(list(key.values()), key)
    page.done(path, title)
    return page.figure


def _end(epochs: Floats, values: Floats) -> tuple[float, float]:
    """Return where the line of a mean over the seeds ends."""
    mean = bands(values)[0]
    known = np.flatnonzero(np.isfinite(mean))
    return (float(epochs[known[-1]]), float(mean[known[-1]])) if len(known) else (math.nan, math.nan)


def _trajectory(axes: Axes, arms: Mapping[str, _Arm], metric: str, drawn: Mapping[str, Look]) -> bool:
    """Draw one metric by epoch, and return whether it has a floor."""
    seen, ends, floors = [], [], {}
    for place, (name, arm) in enumerate(arms.items()):
        epochs, values = arm.by_epoch(metric)
        floor = arm.by_epoch(f"{metric}_floor")[1]
        if np.isfinite(floor).any():
            floors[name] = epochs, bands(floor)[0]
        mean, low, high = bands(values)
        look = drawn[name] if len(arms) > 1 else Look(COLOURS[0], "o", ())
        if len(arms) <= BANDS:
            axes.fill_between(epochs, low, high, color=look.colour, alpha=0.18, linewidth=0)
            ends += [low, high]
        (line,) = axes.plot(epochs, mean, **_style(look), clip_on=nothing(mean))
        line.set_markevery(marked(mean, first=place))
        seen.append(mean)
    for name, (epochs, level) in _apart(floors).items():
        colour = drawn[name].colour if name in drawn else PALE
        axes.plot(*widened(epochs, level), color=colour, linestyle=DASHED, linewidth=1.2, zorder=1)
        seen.append(level)
    heading, unit = named(metric)
    framed(axes, heading, y=unit)
    lines, share = np.concatenate([[math.nan], *seen]), f"{metric}_floor" in _SHARES
    reached = within(lines, np.concatenate([[math.nan], *ends]))
    scaled(axes, lines if share else np.append(lines, reached), 1.0 if share else None)
    return bool(floors)


_SHARES = {f"{name}{kind}_floor" for name in ("coverage", "gini") for kind in ("", "_clicks", "_model")}


def _apart(floors: dict[str, tuple[Floats, Floats]]) -> dict[str, tuple[Floats, Floats]]:
    """Return the floors to draw: under the name "" the mean of all, where no two are told apart in print."""
    if not floors:
        return {}
    lengths = {len(level) for _, level in floors.values()}
    levels = np.array([level for _, level in floors.values()]) if len(lengths) == 1 else np.zeros((0, 0))
    if levels.size and (np.nanmax(levels, axis=0, initial=-np.inf) - np.nanmin(levels, axis=0, initial=np.inf)).max() < 0.02:
        known = np.isfinite(levels)
        mean = np.where(known, levels, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return {"": (next(iter(floors.values()))[0], np.where(known.any(axis=0), mean, math.nan))}
    return floors


def _style(look: Look) -> dict[str, Any]:
    """Return a look in matplotlib's words."""
    style: dict[str, Any] = {"color": look.colour, "marker": look.marker, "linewidth": 1.8, "markersize": 5.5}
    return style | {"mec": "white", "mew": 0.6} | ({"dashes": look.dashes} if look.dashes else {})


def _line(look: Look) -> Line2D:
    """Return what stands for an arm in a key."""
    from matplotlib.lines import Line2D

    return Line2D([], [], **_style(look))


# ---------------------------------------------------------------------------------------------------------- discovery
def waited(found: pd.DataFrame, how: How = "clicked") -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the days that each person waited for a new interest, and whether she still did when nobody watched her any more.

    found: as `recsim.Run.discovery` has it. how: until she was "shown" an item about it, or "clicked" one. Both (people,).
    """
    waiting = ~np.isfinite(found[how].to_numpy(np.float64))
    return np.where(waiting, found["until"], found[how]) - found["since"].to_numpy(np.float64), waiting


def discovery(
    found: Runs, how: How = "clicked", birth: str | None = None, path: Place = None, title: str | None = None,
    ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Return one picture of who has not found a new interest yet, by days since she could: curves with 95 % bands.

    found: a run (a curve a birth), runs by name (a curve an arm, people of all seeds together), or a comparison. how: until
    people were "shown" an item about it or "clicked" one. birth: its name; by default the first one of the scenario. Curves of
    runs are those of Kaplan and Meier, see `recsim.survival.curve`, those not watched to the end marked by "|". A comparison
    keeps no days of single people: its curves are 1 - `discovered` or `taken_up` at the end of each epoch since the birth, mean
    over the seeds with Student's t band, which is the same where nobody comes or goes.
    path, title, ax: as for `trajectories`. Raises RecsimError where no interest was born.
    """
    from matplotlib.ticker import PercentFormatter

    if how not in ("shown", "clicked"):
        raise RecsimError(f"how: {how!r} is not kept; {nearest(how, ['shown', 'clicked'])}")
    if isinstance(found, Comparison):
        curves = _of_comparison(found, how, _birth(next(iter(found.arms.values())), birth))
    else:
        curves = _of_runs(found, how, birth)
    page = sheet(ax, across=1)
    axes = page.axes[0]
    drawn = looks(curves)
    for name, (steps, _) in curves.items():
        look = drawn[name] if len(curves) > 1 else Look(COLOURS[0], "o", ())
        stepped: Literal["post"] | None = None if isinstance(found, Comparison) else "post"
        axes.fill_between(steps.days, steps.low, steps.high, step=stepped, color=look.colour, alpha=0.18, linewidth=0)
        how_drawn = "steps-post" if stepped else "default"
        (line,) = axes.plot(steps.days, steps.survivor, **_style(look), drawstyle=how_drawn, clip_on=nothing(steps.survivor))
        line.set_markevery(_spread(steps.days, steps.survivor))
    for name, (steps, cut) in curves.items():
        heights = steps.survivor[np.maximum(np.searchsorted(steps.days, cut, side="right") - 1, 0)]
        colour = drawn[name].colour if len(curves) > 1 else COLOURS[0]
        axes.plot(cut, heights, "|", color=colour, markersize=9, clip_on=nothing(cut))
    what = "been shown one" if how == "shown" else "had one"
    heading = plain(next(iter(curves)), 58) if len(curves) == 1 else ""
    framed(axes, heading, x="days since people could find it", y=f"share who have not {what} yet")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(0, 1)
    axes.set_xlim(0, None)
    several = {name: _line(drawn[name]) for name in curves} if len(curves) > 1 else {}
    if page.ends({name: (float(curves[name][0].days[-1]), float(curves[name][0].survivor[-1])) for name in several}):
        several = {}
    page.key(list(several.values()), several)
    page.done(path, title)
    return axes


def _spread(days: Floats, survivor: Floats) -> list[int]:
    """Return the steps to mark: some eight, as far from each other in days as there are any."""
    if not len(days) or not days[-1] > 0:
        return [0]
    wanted = np.linspace(0.06, 0.94, 8) * days[-1]
    places = np.unique(np.searchsorted(days, wanted, side="left").clip(0, len(days) - 1))
    return [int(place) for place in places if np.isfinite(survivor[place])]


def _birth(scenario: Scenario, name: str | None) -> int:
    """Return the place of a birth in a scenario."""
    names = [birth.name for birth in scenario.births]
    if not names:
        raise RecsimError(f"{scenario.name}: no interest is born in it; give runs of a scenario with [[births]]")
    if name is not None and name not in names:
        raise RecsimError(f"birth: there is no {name!r}; {nearest(name, names)}")
    return 0 if name is None else names.index(name)


def _of_runs(found: Run | Mapping[str, Run | Sequence[Run]], how: How, birth: str | None) -> dict[str, tuple[Curve, Floats]]:
    """Return the curves of runs, each with the days at which people were lost from sight."""
    import pandas as pd

    if isinstance(found, Run):
        births = [found.scenario.births[_birth(found.scenario, birth)]] if birth else list(found.scenario.births)
        _birth(found.scenario, birth)
        tables = {
            one.name: found.discovery[found.discovery["birth"] == found.scenario.births.index(one)] for one in births
        }
    else:
        tables = {}
        for name, runs in _listed(found).items():
            parts = [run.discovery[run.discovery["birth"] == _birth(run.scenario, birth)] for run in runs]
            tables[name] = pd.concat(parts, ignore_index=True)
    curves = {}
    for name, table in tables.items():
        if not len(table):
            raise RecsimError(f"{name}: nobody has taken the new interest up; let more people do so, or run for longer")
        days, cut = waited(table, how)
        curves[name] = curve(days, cut), np.unique(days[cut])
    return curves


def _of_comparison(found: Comparison, how: How, place: int) -> dict[str, tuple[Curve, Floats]]:
    """Return the curves of a comparison, from the share who have it at the end of each epoch."""
    curves = {}
    for name, arm in _arms(found).items():
        birth = arm.scenario.births[place]
        epochs, values = arm.by_epoch(f"{'discovered' if how == 'shown' else 'taken_up'}.{birth.name}")
        days = np.array([arm.scenario.end_of(int(epoch)) for epoch in epochs]) - birth.day
        mean, low, high = bands(1 - values[:, days > 0])
        columns = ([0.0, *days[days > 0]], [1.0, *mean], [1.0, *low.clip(0, 1)], [1.0, *high.clip(0, 1)])
        curves[name] = Curve(*(np.array(column) for column in columns)), np.zeros(0)
    return curves


# ---------------------------------------------------------------------------------------------------------- benchmark
def benchmark(
    found: Runs, measure: str = "ndcg", path: Place = None, title: str | None = None, ax: Axes | None = None
) -> Figure:
    """Return one figure of the benchmark that a team sees beside the truth: a panel an arm, the first trained model being 1.

    found: a run, a comparison, or runs by name, of scenarios with `benchmark` = k. measure: ndcg, recall, hit_rate or
    reciprocal_rank on the platform's own log; or click_rate, which needs no setting. Full lines are what the team sees: the
    measure and the click rate; dashed ones what it does not: the measure on choices that nobody steered, how much of the
    catalogue the model shows, and how much niche users want what they consume (exp of their utility, which is a logarithm).
    Lines are means over the seeds with the 95 % band; the triangle and the line below it mark the epoch, the median one, in
    which `recsim.benchmark.alarm` goes off.
    path, title: as for `narrowing`. ax: where to draw, for one arm. Raises RecsimError for what the history lacks.
    """
    arms, lines = _arms(found), _lines(measure)
    for metric in lines:
        if metric.startswith(measure) and not any(metric in table for arm in arms.values() for table in arm.tables):
            raise RecsimError(f"measure: {metric!r} is not in this history; run it with benchmark = 10, or take 'click_rate'")
        _known(arms, metric)
    page = sheet(ax, len(arms), 1 if len(arms) == 1 else 2, (WIDE / 2, 3.0) if len(arms) > 1 else None, sharey=True)
    styles = {
        metric: Look(COLOURS[place], MARKERS[place], () if seen else (4.0, 2.0))
        for place, (metric, (_, seen)) in enumerate(lines.items())
    }
    highest = 1.0
    for place, (axes, (name, arm)) in enumerate(zip(page.axes, arms.items(), strict=True)):
        highest = max(highest, _relative_lines(axes, arm, styles))
        told = _alarm(axes, arm, measure)
        heading = f"{plain(name)}\n{told}" if len(arms) > 1 else told
        framed(axes, heading, y="" if place % 2 else "first trained model = 1")
        over_epochs(axes, [int(epoch) for epoch in _trained(arm)])
        if place < len(arms) - 2:
            axes.set_xlabel("")
    page.axes[0].set_ylim(0, 1.06 * highest)
    page.key([_line(style) for style in styles.values()], [text for text, _ in lines.values()])
    page.done(path, title)
    return page.figure


def _lines(measure: str) -> dict[str, tuple[str, bool]]:
    """Return the lines of a benchmark figure by metric: what each is called, and whether the team sees it."""
    title = {"ndcg": "NDCG", "recall": "recall", "hit_rate": "hit rate", "reciprocal_rank": "reciprocal rank"}.get(measure)
    own = {} if title is None else {measure: (f"{title}, own log", True)}
    organic = {} if title is None else {f"{measure}_organic": (f"{title}, organic log", False)}
    if title is None and measure != "click_rate":
        raise RecsimError(f"measure: {measure!r} is no benchmark; {nearest(measure, [*MEASURES, 'click_rate'])}")
    truth = {"coverage_model": ("coverage by the model", False), "utility.niche": ("welfare of niche users", False)}
    return own | {"click_rate": ("click rate", True)} | organic | truth


def _trained(arm: _Arm) -> Floats:
    """Return the epochs with a trained model; of an arm without any, those there are."""
    epochs = arm.by_epoch("click_rate")[0]
    return epochs[epochs >= 1] if (epochs >= 1).any() else epochs


def _relative_lines(axes: Axes, arm: _Arm, styles: Mapping[str, Look]) -> float:
    """Draw the metrics of an arm relative to the first trained model, and return the largest value that is drawn."""
    axes.axhline(1.0, color=GRID, linewidth=1.2, zorder=0)
    means, ends = [1.0], [1.0]
    for place, (metric, style) in enumerate(styles.items()):
        epochs, values = arm.by_epoch(metric)
        shown = np.isin(epochs, _trained(arm))
        values = np.exp(values[:, shown]) if metric == "utility.niche" else values[:, shown]
        first = np.where(values[:, :1] > 0, values[:, :1], math.nan)
        mean, low, high = bands(values / first)
        axes.fill_between(epochs[shown], low, high, color=style.colour, alpha=0.15, linewidth=0)
        (line,) = axes.plot(epochs[shown], mean, **_style(style), clip_on=nothing(mean))
        line.set_markevery(marked(mean, first=place))
        means += mean.tolist()
        ends += high.tolist()
    return float(np.nanmax([*means, *within(means, ends)]))


def _alarm(axes: Axes, arm: _Arm, measure: str) -> str:
    """Mark the epoch in which the alarm goes off, the median one of several seeds, and return what is said of it."""
    found = [alarm(_long(arm, table), measure) for table in arm.tables if (table.index == 1).any()]
    epochs = [one.epoch for one in found if one is not None]
    if not epochs:
        return "no alarm"
    middle = float(np.median(epochs))
    axes.axvline(middle, color=INK, linewidth=1.0, linestyle=":", zorder=1)
    axes.plot(middle, 0.975, "v", color=INK, markersize=8, transform=axes.get_xaxis_transform(), clip_on=False, zorder=5)
    of = f", {len(epochs)} of {len(arm.tables)} seeds" if len(arm.tables) > 1 else ""
    return f"alarm in epoch {middle:g}{of}"


def _long(arm: _Arm, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of metrics by epoch as a history."""
    rows = table.rename_axis(columns="metric").reset_index().melt("epoch", value_name="value")
    names = rows["metric"].str.partition(".")
    days = {epoch: arm.scenario.end_of(int(epoch)) for epoch in table.index}
    return rows.assign(
        metric=names[0], group=names[2].where(names[2] != "", "all"), window="epoch", day=rows["epoch"].map(days)
    )
