"""The page of a study: what its factors do, maps and fronts where the design has them, and the means of all its points."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim import charts
from recsim.answers import Answer, answer_study
from recsim.archive import versions
from recsim.contrasts import Effects
from recsim.designs import Factor
from recsim.drawing import named
from recsim.errors import RecsimError
from recsim.figures import Series, between, keys_of, lines_of, number_cell, number_cells, over_epochs, told_epochs
from recsim.files import read_toml
from recsim.fronts import Front
from recsim.inference import SURE, interval
from recsim.metrics import METRICS as MEANINGS
from recsim.outcomes import BESIDE, COST, COUNTED, in_words, told, told_apart
from recsim.pages import ALL, Cell, Figure, Fold, Key, Page, Row, Section, Table
from recsim.palette import COLOURS
from recsim.panels import ARMS
from recsim.provenance import again, whole_file
from recsim.stores import Store
from recsim.studies import open_study
from recsim.surfaces import Indices, Surface
from recsim.tables import with_halves
from recsim.verdict import numbers

if TYPE_CHECKING:
    import pandas as pd

METRICS = "coverage_model", "coverage", "gini", "novelty", "utility", "click_rate"
"""What the page tells of, of these what a study has kept; else of its first metric."""
POINTS = 1000  # rows of the table of points
FEW = 12  # levels of a factor that has checkboxes
ROOM = 6  # cells of a map beside each other that have room for their figure
ANSWERED = "coverage", "utility"
"""What the answer tells of besides the first metric."""
TILES = 30  # of a map, each way

Names = Mapping[str, Mapping[Any, str]]
"""How levels are told, by factor; those of ranges are not in it."""


def page(folder: Path) -> Page:
    """Return the page of the study in a folder.

    Raises RecsimError where there is none in it, or no cell of it is done.
    """
    every, asked = open_study(folder), read_toml(folder / "study.toml", "study")
    group = "all" if "all" in set(every["group"]) else str(every["group"].iloc[0])
    frame = every[every["group"] == group]
    metrics = [name for name in METRICS if name in set(frame["metric"])] or [str(frame["metric"].iloc[0])]
    window = _window(frame)
    found, fault = _found(folder, asked["design"]["kind"], frame, metrics, window)
    names = {name: told_apart(frame[name].tolist()) for name in _factors(frame) if "levels" in asked["factors"][name]}
    factor = next((name for name, levels in names.items() if 2 <= len(levels) <= FEW), "")
    keys = _keys(list(names[factor].values())) if factor else {}
    moving, ended = (frame[frame["window"] == one] for one in ("every epoch", window))
    epochs = told_epochs(sorted({int(epoch) for epoch in moving["epoch"]}))
    over = [
        over_epochs(panel, epochs, _lines(moving, metric, (factor, names[factor]), epochs), keys, factor)
        for panel in ARMS if factor and len(epochs) > 1 and (metric := panel.lines[""]) in set(moving["metric"])
    ]  # fmt: skip
    sections = [
        Section("What the factors do", _notes(found), _answers(found, in_words(window)) if found else []),
        *([Section("Epoch by epoch", [f"Means over all points with a level of {factor}, each epoch by itself."], over)]
          if over else []),
        Section("All points", [], [_points(ended, names, metrics, factor, keys)]),
        _question(asked),
        _again(folder, asked, frame),
    ]
    told_of = [metrics[0], *(name for name in ANSWERED if name in metrics[1:])]
    answer = [
        asked.get("about", ""), fault, *(_only(found, metric).text() for metric in told_of if found),
        _range(ended, names, metrics[0]), _front_text(found), _missing(folder, frame),
    ]  # fmt: skip
    shown = {factor: list(keys.values())} if factor else {}
    said = {epoch: f"{epoch}" for epoch in epochs} if over else {}
    told_first = [text for text in answer if text]
    return Page("Study", str(asked["name"]), told_first, _facts(frame, asked, window), shown, sections, said)


def _window(frame: pd.DataFrame) -> str:
    """Return the window that the page's figures are of: the one that `answer_study` takes by itself, else the last one kept."""
    windows = list(dict.fromkeys(frame["window"]))
    means = [window for window in windows if window != "every epoch"]
    return "last quarter" if "last quarter" in windows else str([*windows, *means][-1])


def _found(
    folder: Path, design: str, frame: pd.DataFrame, metrics: Sequence[str], window: str
) -> tuple[Answer | None, str]:
    """Return what a study says of metrics, with the front of its cost and the first of them, or why it cannot say that yet."""
    if window == "every epoch":
        return None, "The study has kept every epoch, and no window to answer over; keep \"last quarter\" as well."
    group, kept = str(frame["group"].iloc[0]), set(frame["metric"])
    told_of = metrics if design in ("Grid", "OneAtATime") else metrics[:1]
    try:
        found = answer_study(folder, told_of, group=group, window=window)
    except RecsimError as fault:
        return None, f"The study cannot answer yet: {fault}."
    if len(frame["seed"].unique()) < 2 or not (COST in kept or kept.issuperset(COUNTED)):
        return found, ""
    try:
        return replace(found, front=answer_study(folder, metrics[:1], cost=COST, group=group, window=window).front), ""
    except RecsimError as fault:
        return found, f"Of cost and {metrics[0]} the study has no front yet: {fault}."


def _only(found: Answer, metric: str) -> Answer:
    """Return the answer about one metric alone."""
    kinds = "effects", "indices", "surfaces", "together"
    parts = {kind: {name: part for name, part in getattr(found, kind).items() if name == metric} for kind in kinds}
    return replace(found, **parts)  # type: ignore[arg-type]


def _range(frame: pd.DataFrame, names: Names, metric: str) -> str:
    """Return what a metric is, and where its mean over the seeds is smallest and largest. frame, names: as for `_points`."""
    rows = _at_end(frame[frame["metric"] == metric])
    means = rows.groupby("point")["value"].mean().dropna()
    if len(means) < 2:
        return ""
    levels = _levels_by_point(rows).to_dict("index")
    (low, at_low), (high, at_high) = (
        (text, ", ".join(f"{name} = {level}" for name, level in _said(levels[point], names).items()))
        for text, point in zip(numbers([means.min(), means.max()]), (means.idxmin(), means.idxmax()), strict=True)
    )
    what = MEANINGS.get(metric, "")
    return f"{metric}{what and f' ({what})'} goes from {low} at {at_low} to {high} at {at_high}, means over the seeds."


def _factors(frame: pd.DataFrame) -> list[str]:
    """Return the columns of a study's frame that hold levels."""
    return [str(name) for name in frame if name not in BESIDE]


def _levels_by_point(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the levels of each point: a row a point, in order, a column a factor."""
    return rows.drop_duplicates("point").set_index("point")[_factors(rows)].sort_index()


def _said(levels: Mapping[Any, Any], names: Names) -> dict[str, str]:
    """Return the levels of a point as text, by factor. names: as for `_points`."""
    return {str(name): names.get(str(name), {}).get(level, told(level)) for name, level in levels.items()}


def _keys(levels: Sequence[str]) -> dict[str, Key]:
    """Return how each level of a factor is drawn, by its name."""
    return keys_of(levels, first=0 if len(levels) <= len(COLOURS) else None)


def _lines(
    rows: pd.DataFrame, metric: str, named_factor: tuple[str, Mapping[Any, str]], epochs: Sequence[int]
) -> dict[str, Series]:
    """Return a metric by epoch for each level of a factor: the mean over points, with its interval over the seeds."""
    rows = rows[rows["metric"] == metric]
    factor, names = named_factor
    leveled = rows.assign(level=[names[level] for level in rows[factor].tolist()])
    table = leveled.groupby(["level", "epoch", "seed"], sort=False)["value"].mean().unstack("seed")
    found = {}
    for level in dict.fromkeys(table.index.get_level_values("level")):
        values = np.array([interval(row) for row in table.loc[level].reindex(epochs).to_numpy(np.float64)])
        found[str(level)] = Series(values[:, 0], values[:, 1], values[:, 2])
    return found


# ------------------------------------------------------------------------------------------------------------ its answers
def _notes(found: Answer | None) -> list[str]:
    """Return how the figures are to be read."""
    if found is None:
        return ["There is nothing to show here yet."]
    told_how = [one.reading("with its") for one in list(found.effects.values())[:1]]
    return [text[0].upper() + text[1:] for text in told_how]


def _answers(found: Answer, epochs: str) -> list[Figure]:
    """Return a figure for each metric and kind of answer, and the front. epochs: over which the means go."""
    figures = [_effects(metric, one) for metric, one in found.effects.items()]
    figures += [_grid(one) for one in found.effects.values() if one.found.layout == "grid" and len(one.found.factors) > 1]
    figures += [_indices(metric, one) for metric, one in found.indices.items()]
    figures += [_surface(metric, one) for metric, one in found.surfaces.items() if len(one.axes) == 2]
    figures += [_front(found.front)] if found.front else []
    return [replace(figure, about=f"{figure.about} Means over {epochs}.") for figure in figures]


def _effects(metric: str, found: Effects) -> Figure:
    rows = [row for row in found.frame.to_dict("records") if math.isfinite(row["difference"])]
    pairs = found.frame[["factor", "level"]].itertuples(index=False, name=None)
    said = {(factor, level): found.found.said(factor, level) for factor, level in pairs}
    columns: dict[str, list[Any]] = {
        "label": [f"{row['factor']}: {said[row['factor'], row['level']]}" for row in rows],
        "s": [int(row["p"] < 1 - SURE) for row in rows],
    }
    columns |= {name: [row[field] for row in rows] for name, field in (("v", "difference"), ("lo", "low"), ("hi", "high"))}
    fields = ("mean", "difference", "low", "high")
    table = Table(f"Effects on {metric}", ["factor", "level", *fields, "p"], words=2, rows=[
        Row([Cell(row["factor"], row["factor"]), _level(row["level"], said[row["factor"], row["level"]]),
             *number_cells([row[field] for field in fields]),
             number_cell(row["p"], "-" if math.isnan(row["p"]) else f"{row['p']:.3f}")])
        for row in found.frame.to_dict("records")])  # fmt: skip
    sample = found.found.layout == "sample"
    called, unit = named(metric)
    title = f"{'from the low to the high end of the range' if sample else 'difference to the first level'}, {unit}"
    about = f"With 95% intervals; filled where p < {1 - SURE:.2f} (Holm)."
    return Figure(f"Effects on {metric}: {called[0].lower()}{called[1:]}", about, charts.levels(title), columns, table)


def _level(level: Any, name: str) -> Cell:
    """Return a level as a cell that says its name, sorted as a number where it is one."""
    number = isinstance(level, (int, float)) and not isinstance(level, bool) and math.isfinite(level)
    return Cell(name, float(level) if number else name)


def _grid(found: Effects) -> Figure:
    """Return a map of the means over the first two factors, averaged over the others."""
    one, other, *rest = found.found.factors
    points = list(zip(found.found.levels[one], found.found.levels[other], strict=True))
    ends = {
        pair: interval(found.found.values[[place for place, point in enumerate(points) if point == pair]].mean(axis=0))
        for pair in dict.fromkeys(points)
    }
    pairs = [(found.found.said(one, a), found.found.said(other, b)) for a, b in ends]
    values, lows, highs = (list(column) for column in zip(*ends.values(), strict=True))
    columns: dict[str, list[Any]] = {"xl": [a for a, _ in pairs], "label": [b for _, b in pairs], "v": values}
    columns |= {"lo": lows, "hi": highs}
    texts = with_halves(values, highs)
    roomy = len(set(columns["xl"])) <= ROOM
    columns["t"] = [text.replace(" ", "\n", 1).replace("± ", "±") if roomy else "" for text in texts]
    rows = [
        Row([Cell(a, a), Cell(b, b), number_cell(value, text)])
        for (a, b), value, text in zip(pairs, values, texts, strict=True)
    ]
    metric = found.found.metric
    called, unit = named(metric)
    table = Table(f"Means of {metric}", [one, other, metric], rows, words=2)
    over = ", averaged over the other factors" if rest else ""
    half = f"; ± half the {SURE:.0%} interval over the seeds" if np.isfinite(lows).any() else ""
    about = f"{unit[0].upper()}{unit[1:]}{half}. Across: {one}; up: {other}{over}."
    return Figure(f"Map of {metric}: {called[0].lower()}{called[1:]}", about, charts.grid(roomy), columns, table)


def _indices(metric: str, found: Indices) -> Figure:
    rows = found.frame.to_dict("records")
    pairs = [(row, kind) for row in rows for kind in ("total", "first")]
    columns: dict[str, list[Any]] = {
        "label": [f"{row['factor']}: {kind}" for row, kind in pairs], "s": [int(kind == "total") for _, kind in pairs],
    }  # fmt: skip
    for name, end in (("v", ""), ("lo", "_low"), ("hi", "_high")):
        columns[name] = [row[f"{kind}{end}"] for row, kind in pairs]
    fields = [f"{kind}{end}" for kind in ("total", "first") for end in ("", "_low", "_high")]
    table = Table(f"Sobol indices of {metric}", ["factor", *fields], [
        Row([Cell(row["factor"], row["factor"]), *number_cells([row[field] for field in fields])]) for row in rows])
    about = "Share of the variance, with 95% intervals: total with all that a factor does together with others, first alone."
    spec = charts.levels("share of the variance", "index")
    return Figure(f"What the variance of {metric} comes from", about, spec, columns, table)


def _surface(metric: str, found: Surface) -> Figure:
    """Return a map of a surface over two ranges, in tiles."""
    one, other = (axis._replace(whole=False) for axis in found.axes)
    edges, middles = np.linspace(0, 1, TILES + 1), (np.arange(TILES) + 0.5) / TILES
    x, y = (axis.at(edges) for axis in (one, other))
    across, up = np.meshgrid(one.at(middles), other.at(middles))
    mean = found.predict({one.path: across.ravel(), other.path: up.ravel()})["mean"].to_numpy(np.float64)
    column, row = np.tile(np.arange(TILES), TILES), np.repeat(np.arange(TILES), TILES)
    columns = {"x": x[column], "x2": x[column + 1], "y": y[row], "y2": y[row + 1], "v": mean}
    ends = [found.best("max").iloc[0], found.best("min").iloc[0]]
    rows = [
        Row([Cell(name, name), *number_cells([float(end[one.path])]), *number_cells([float(end[other.path])]),
             *number_cells([float(end[field]) for field in ("mean", "low", "high")])])
        for name, end in zip(("highest", "lowest"), ends, strict=True)
    ]  # fmt: skip
    table = Table(f"Ends of the surface of {metric}", ["", one.path, other.path, "mean", "low", "high"], rows)
    about = f"Across: {one.path}; up: {other.path}. It explains {found.q2:.0%} of the variance of points that it has not seen."
    plain = {name: values.tolist() for name, values in columns.items()}
    return Figure(f"Surface of {metric}", about, charts.surface((one.log, other.log)), plain, table)


def _front(found: Front) -> Figure:
    """Return the points in the plane of cost and the first other metric, those on the front ringed."""
    cost, up, *_ = found.senses
    rows = found.frame.to_dict("records")
    names = [f"{row['point']}: {found.found.called(row)}" for row in rows]
    keys = keys_of(["point"])
    code = keys["point"].line.code
    columns: dict[str, list[Any]] = {"label": names, "a": [code] * len(rows), "b": [int(row["front"]) for row in rows]}
    for ends, metric in ((("x", "xlo", "xhi"), cost), (("v", "lo", "hi"), up)):
        columns |= {name: [row[f"{metric}{end}"] for row in rows] for name, end in zip(ends, ("", "_low", "_high"), strict=True)}
    table = Table(f"Points by {cost} and {up}", ["point", cost, up, "chance of being on the front"], [
        Row([Cell(name, name), *number_cells([row[cost]]), *number_cells([row[up]]), *number_cells([row["chance"]])])
        for name, row in zip(names, rows, strict=True)])  # fmt: skip
    spec = charts.front(lines_of(keys), cost, up, "point")
    title = f"Front of {' and '.join(found.senses)}"
    return Figure(title, "Ringed: not beaten in all of these.", spec, columns, table, wide=True)


def _front_text(found: Answer | None) -> str:
    """Return which points are worth their cost; nothing where no cost was kept."""
    if found is None or found.front is None:
        return ""
    front = found.front
    cost, gain, *_ = front.senses
    rows = front.frame[front.frame["front"]].sort_values(cost)
    best = rows.sort_values(gain, ascending=front.senses[gain] == "min").iloc[0]
    price = between(float(best[cost]), float(best[f"{cost}_low"]), float(best[f"{cost}_high"]))
    are = "are" if len(rows) > 1 else "is"
    worth = f"{len(rows)} of {len(front.frame)} points {are} not beaten in {' and '.join(front.senses)}"
    return f"{worth}; of those {gain} is best at {front.found.called(best)}, at a {cost} of {price}."


# ------------------------------------------------------------------------------------------------------ tables, provenance
def _at_end(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last epoch of each point; points may differ in how many they have."""
    return rows[rows["epoch"] == rows.groupby("point")["epoch"].transform("max")]


def _points(frame: pd.DataFrame, names: Names, metrics: Sequence[str], factor: str, keys: Mapping[str, Key]) -> Table:
    """Return the means of all points over their seeds, a row a point. frame: of one window. names: of levels, by factor."""
    rows = _at_end(frame[frame["metric"].isin(metrics)])
    levels, window = _levels_by_point(rows), str(rows["window"].iloc[0])
    seeds = rows.groupby("point")["seed"].nunique()
    there = [metric for metric in metrics if metric in set(rows["metric"])]
    some = list(levels.index[:POINTS])
    columns = {}
    for metric in there:
        by_point = dict(list(rows[rows["metric"] == metric].groupby("point")["value"]))
        ends = [interval(by_point.get(point, [])) for point in some]
        texts = with_halves([mean for mean, _, _ in ends], [high for _, _, high in ends])
        columns[metric] = [number_cell(mean, text) for (mean, _, _), text in zip(ends, texts, strict=True)]
    found = []
    for at, point in enumerate(some):
        at_levels = levels.loc[point]
        number = Cell(str(seeds[point]), int(seeds[point]))
        said = _said(at_levels.to_dict(), names)
        cells = [Cell(str(point), int(point)), *(_level(at_levels[name], text) for name, text in said.items()), number]
        code = keys[said[factor]].line.code if factor else ""
        found.append(Row([*cells, *(columns[metric][at] for metric in there)], code))
    over = "The last epoch" if window == "every epoch" else f"Means over {in_words(window)}"
    half = f"; ± half the {SURE:.0%} interval (Student's t)" if seeds.max() > 1 else ""
    note = f"{over}{half}." + (f" The first {POINTS:,} of {len(levels):,} points." if len(levels) > POINTS else "")
    return Table("Means over the seeds", ["point", *levels, "seeds", *there], found, note, words=1 + len(levels.columns))


def _question(asked: Mapping[str, Any]) -> Section:
    """Return what was asked: the factors and their levels, the design, and the whole file."""
    rows = [Row([Cell(path, path), Cell(_levels(table), "")]) for path, table in asked["factors"].items()]
    table = Table("Factors", ["setting", "levels"], rows, words=ALL)
    return Section("The study", [f"Design: {asked['design']['kind']}."], [table, whole_file("The whole study", asked)])


def _levels(table: Mapping[str, Any]) -> str:
    """Return the levels of a factor, or its range, in a line."""
    if "levels" not in table:
        return f"from {table.get('low')} to {table.get('high')}"
    return ", ".join(told_apart(level.label for level in Factor(path="levels", **table).listed()).values())


def _facts(frame: pd.DataFrame, asked: Mapping[str, Any], window: str) -> dict[str, str]:
    return {
        "points": f"{frame['point'].nunique():,}", "seeds": str(len(asked["seeds"])),
        "cells done": f"{frame['cell'].nunique():,}", "factors": str(len(asked["factors"])),
        "design": str(asked["design"]["kind"]),
        "figures are of": "the last epoch" if window == "every epoch" else in_words(window),
    }  # fmt: skip


def _missing(folder: Path, frame: pd.DataFrame) -> str:
    """Return how many cells are not there; nothing where all are."""
    store = Store(folder)
    cells, failed = store.design()["cell"].nunique(), store.failed()["cell"].nunique()
    missing = cells - frame["cell"].nunique()
    if not missing:
        return ""
    what = f"Not all is there: {missing:,} of {cells:,} cells are missing"
    return f"{what}, {failed:,} of them have failed; run the study again." if failed else f"{what}; run the study again."


def _again(folder: Path, asked: Mapping[str, Any], frame: pd.DataFrame) -> Section:
    text = (folder / "study.toml").read_bytes()
    facts = {
        "seeds": ", ".join(map(str, asked["seeds"])), "world_seed": asked["base"].get("world_seed", "-"),
        "SHA-256 of study.toml": hashlib.sha256(text).hexdigest(),
    }  # fmt: skip
    cells = sorted(frame["cell"].unique())[:POINTS]
    rows = [Row([Cell(cell, cell)]) for cell in cells]
    note = "A cell's address follows from its settings, seed, code, versions and data."
    found = [Fold("Addresses of the cells", [Table("Addresses of the cells", ["cell"], rows, note, words=ALL)])]
    command = "recsim study study.toml --out again"
    return again([], {"On the command line:": command}, facts, versions(), found)
