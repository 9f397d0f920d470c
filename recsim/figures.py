"""Figures of a page: a chart with its rows, and the same numbers as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim import charts
from recsim.charts import Line
from recsim.drawing import alone_in
from recsim.pages import Cell, Figure, Key, Row, Table
from recsim.palette import COLOURS, looks
from recsim.panels import Panel
from recsim.verdict import numbers

Floats = npt.NDArray[np.float64]

MOST = 100  # epochs on a page; of more of them every so many are taken, and the last


class Series(NamedTuple):
    """A line over epochs: its values, its band and its floor, each (epochs,) or None."""

    values: Floats
    low: Floats | None = None
    high: Floats | None = None
    floor: Floats | None = None


def keys_of(names: Sequence[str], sign: str = "a", first: int | None = None) -> dict[str, Key]:
    """Return how names are drawn, each with its code: *sign* and its place.

    first: None for the looks of arms, by name; else the place of the first name's look among the colours and shapes.

    >>> keys_of(["greedy", "panel"])["panel"].line.code
    'a1'
    """
    drawn: dict[str, tuple[str, str, tuple[float, ...]]]
    if first is None:
        drawn = {name: (look.colour, charts.SHAPES[look.marker], look.dashes) for name, look in looks(names).items()}
    else:
        shapes = list(charts.SHAPES.values())
        at = [(first + place) % len(COLOURS) for place in range(len(names))]
        drawn = {name: (COLOURS[place], shapes[place], ()) for name, place in zip(names, at, strict=True)}
    return {name: Key(Line(f"{sign}{at}", *drawn[name]), name) for at, name in enumerate(names)}


def lines_of(keys: Mapping[str, Key]) -> list[Line]:
    """Return how all keys are drawn."""
    return [key.line for key in keys.values()]


def told_epochs(epochs: Sequence[int]) -> list[int]:
    """Return the epochs that a page shows: all, or about `MOST` of them, and the last.

    >>> told_epochs([0, 1, 2]), len(told_epochs(range(1000))), told_epochs(range(1000))[-1]
    ([0, 1, 2], 100, 999)
    """
    if len(epochs) <= MOST:
        return [int(epoch) for epoch in epochs]
    places = np.unique(np.linspace(0, len(epochs) - 1, MOST).round().astype(np.int64))
    return [int(epochs[place]) for place in places]


def number_cells(values: Sequence[float | None]) -> list[Cell]:
    """Return numbers as cells, '-' for what was not measured, which is sorted last."""
    return [number_cell(value, _short(value, text)) for value, text in zip(values, numbers(values), strict=True)]


def _short(value: float | None, text: str) -> str:
    """Return a number that no column has room for by its power of ten."""
    return text if len(text) < 16 or value is None else f"{value:.3g}"


def number_cell(value: float | None, text: str, marked: bool = False) -> Cell:
    """Return a number as a cell that says *text*."""
    known = value is not None and math.isfinite(value)
    return Cell(text, float(f"{value:.9g}") if known and value is not None else None, marked)


def between(value: float, low: float, high: float, sign: str = "+") -> str:
    """Return a number with the ends of its interval, as far as they are known.

    >>> between(0.1234, 0.1, 0.15), between(0.5, math.nan, math.nan), between(math.nan, math.nan, math.nan)
    ('+0.123 (+0.100 to +0.150)', '+0.500', '-')
    """
    if not math.isfinite(value):
        return "-"
    largest = abs(value)
    decimals = 3 if largest < 10 else 1 if largest < 1000 else 0
    text = f"{value:{sign},.{decimals}f}"
    return f"{text} ({low:{sign},.{decimals}f} to {high:{sign},.{decimals}f})" if math.isfinite(low) else text


def over_epochs(
    panel: Panel, epochs: Sequence[int], series: Mapping[str, Series], keys: Mapping[str, Key], what: str, about: str = ""
) -> Figure:
    """Return lines over epochs. series: by name, as in *keys*. what: a line is. about: how to read it, beside the unit."""
    columns: dict[str, list[object]] = {name: [] for name in ("a", "e", "v", "lo", "hi", "f", "m")}
    every = max(1, round(len(epochs) / 8))
    for at, (name, one) in enumerate(series.items()):
        code, nothing = keys[name].line.code, np.full(len(epochs), np.nan)
        alone = alone_in(one.values)
        marks = [int(place % every == at % every or alone[place]) for place in range(len(epochs))]
        low, high = (nothing if end is None else end for end in (one.low, one.high))
        _extend(columns, code, epochs, one.values, low, high, 0, marks)
        if one.floor is not None:
            _extend(columns, code, epochs, one.floor, nothing, nothing, 1, [0] * len(epochs))
    cells = iter(number_cells([float(value) for one in series.values() for value in one.values]))
    rows = [Row([Cell(name, name), *islice(cells, len(one.values))], keys[name].line.code) for name, one in series.items()]
    floors = any(one.floor is not None for one in series.values())
    bands = any(one.low is not None and np.isfinite(one.low).any() for one in series.values())
    known = [value for one in series.values() for value in one.values[np.isfinite(one.values)]]
    sentences = [
        f"{panel.unit[0].upper()}{panel.unit[1:]}.", about, "Band: 95% interval over the seeds." if bands else "",
        "Dashed: a uniform feed of the same volume." if floors else "", "" if known else "It was not measured here.",
    ]  # fmt: skip
    table = Table(f"{panel.title}, {panel.unit}, by epoch", [what, *map(str, epochs)], rows)
    top = panel.top if max(known, default=0.0) <= (panel.top or 0.0) else None
    spec = charts.lines([keys[name].line for name in series], panel.unit, top, what, bands, floors)
    return Figure(panel.title, " ".join(filter(None, sentences)), spec, columns, table)


def _extend(
    columns: dict[str, list[object]], code: str, epochs: Sequence[int], values: Floats, low: Floats, high: Floats, floor: int,
    marks: Sequence[int],
) -> None:  # fmt: skip
    number = len(epochs)
    more = {"a": [code] * number, "e": list(epochs), "v": values.tolist(), "lo": low.tolist(), "hi": high.tolist(),
            "f": [floor] * number, "m": list(marks)}  # fmt: skip
    for name, column in more.items():
        columns[name] += column
