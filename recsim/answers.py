"""Answers: what a study says about its question, as tables and in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.contrasts import Effects, digits, effects, interactions, seeds_needed
from recsim.designs import Factor
from recsim.errors import RecsimError, nearest
from recsim.files import read_toml
from recsim.fronts import Cheapest, Front, Sense, cheapest, front
from recsim.inference import SURE
from recsim.outcomes import BESIDE, COST, Outcomes, Reference, outcomes, told, told_apart
from recsim.stores import Store
from recsim.studies import open_study
from recsim.surfaces import Indices, Surface, sobol, surface, unsuited

if TYPE_CHECKING:
    import pandas as pd

USUAL = "coverage_model", "coverage", "gini", "utility"
"""The metric that is told of where none is named: the first of these that was kept."""
LESS = "gini", "top_share", "extinct", "miscalibration", "homogeneity", "demand_divergence", "depth", "spent", "labels"
"""Metrics, by how they begin, of which less is better."""
GOOD = 0.5  # share of the variance from which on a surface is worth telling of


@dataclass(frozen=True, eq=False)
class Answer:
    """What a study says: see `answer_study`.

    about: the question, as the study puts it. effects: by metric, empty for a study of Sobol indices; indices: by metric, of
    such a study; surfaces: by metric, of samples of ranges. together: by metric, the interactions of a full grid of several
    factors. front, cheapest: where they were asked for. needed: by metric, the seeds for a wanted width.
    """

    about: str
    effects: Mapping[str, Effects] = field(default_factory=dict)
    indices: Mapping[str, Indices] = field(default_factory=dict)
    surfaces: Mapping[str, Surface] = field(default_factory=dict)
    together: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    front: Front | None = None
    cheapest: Cheapest | None = None
    needed: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    width: float | None = None

    @property
    def picture(self) -> Effects | Indices | Surface:
        """What a figure shows: the indices, a surface over two ranges, or the effects, of the first metric."""
        flat = [one for one in self.surfaces.values() if len(one.axes) == 2]
        shown: list[Effects | Indices | Surface] = [*self.indices.values(), *flat, *self.effects.values()]
        return shown[0]

    def table(self, width: int = 80) -> str:
        """Return all tables as text, no wider than *width*."""
        parts = (*self.effects.values(), *self.indices.values(), *self.surfaces.values(), self.front, self.cheapest)
        return "\n\n".join(part.table(width) for part in parts if part is not None)

    def text(self) -> str:
        """Return the answer in plain words, a few sentences."""
        parts = [
            *map(_of_effects, self.effects.values()),
            *(_of_interactions(self.effects[metric].found, rows) for metric, rows in self.together.items()),
            *map(_of_indices, self.indices.values()), *map(_of_surface, self.surfaces.values()),
            self.cheapest.text() if self.cheapest else "",
            *(_of_seeds(metric, rows, self.width or 0.0) for metric, rows in self.needed.items()),
        ]  # fmt: skip
        return " ".join(filter(None, parts))

    def facts(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {
            "about": self.about,
            "effects": {metric: _records(one.frame) for metric, one in self.effects.items()},
            "interactions": {metric: _records(rows) for metric, rows in self.together.items()},
            "indices": {
                metric: {"noise": one.noise, "rows": one.rows, "factors": _records(one.frame)}
                for metric, one in self.indices.items()
            },
            "surfaces": {
                metric: {"q2": one.q2, "noise": one.noise, "highest": _records(one.best("max"))[0],
                         "lowest": _records(one.best("min"))[0]}
                for metric, one in self.surfaces.items()
            },
            "front": _records(self.front.frame) if self.front else None,
            "cheapest": {
                "point": self.cheapest.point, "bounds": list(self.cheapest.bounds), "points": _records(self.cheapest.frame),
            } if self.cheapest else None,
            "seeds_needed": {metric: _records(rows) for metric, rows in self.needed.items()},
            "answer": self.text(),
        }  # fmt: skip


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as dicts of plain values."""
    return [
        {str(name): value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


def answer_study(
    folder: str | Path,
    metrics: Sequence[str] = (),
    *,
    cost: str | None = None,
    at_least: Mapping[str, float] | None = None,
    at_most: Mapping[str, float] | None = None,
    loss: Mapping[str, float] | None = None,
    reference: Reference = None,
    width: float | None = None,
    group: str = "all",
    window: str | None = None,
) -> Answer:
    """Return what the study in a folder says: the effects of its factors, or Sobol indices, a surface, and what is asked besides.

    metrics: by default the model's coverage or the like. cost with bounds (at_least, at_most, loss, reference as for `cheapest`):
    the cheapest point that keeps them; cost without: the front of cost and the metrics. Without cost, bounds mean the cost
    "cost". width: how many seeds differences need until half their interval is that. group, window: as for `outcomes`.
    Raises RecsimError in one line where the folder holds no study, or it cannot tell what is asked.
    """
    frame, asked = open_study(folder), read_toml(Path(folder) / "study.toml", "study")
    factors = [Factor(path=path, **table) for path, table in asked["factors"].items()]
    chosen = list(metrics) or _usual(frame)
    where: dict[str, Any] = {"group": group, "window": window}
    given: dict[str, Any] = {"at_least": at_least or {}, "at_most": at_most or {}, "loss": loss or {}}
    found = {metric: outcomes(frame, metric, group, window, factors) for metric in chosen}
    shares = asked["design"]["kind"] == "Sobol"
    ranges = [metric for metric, one in found.items() if one.layout == "sample" and not shares and not unsuited(one)]
    crossed = [metric for metric, one in found.items() if one.layout == "grid" and len(one.factors) > 1]
    return Answer(
        asked.get("about", ""),
        effects={} if shares else {metric: effects(frame, metric, factors=factors, **where) for metric in chosen},
        indices={metric: sobol(frame, metric, **where) for metric in chosen} if shares else {},
        surfaces={metric: surface(frame, metric, factors=factors, **where) for metric in ranges},
        together={metric: interactions(frame, metric, **where) for metric in crossed},
        front=_front(frame, cost, chosen, reference, where) if cost and not any(given.values()) else None,
        cheapest=cheapest(frame, cost or COST, **given, reference=reference, **where) if any(given.values()) else None,
        needed={metric: seeds_needed(frame, metric, width, factors=factors, **where) for metric in chosen}
        if width is not None else {},
        width=width,
    )


def _usual(frame: pd.DataFrame) -> list[str]:
    there = set(frame["metric"].unique())
    return [next((name for name in USUAL if name in there), str(frame["metric"].iloc[0]))]


def _front(
    frame: pd.DataFrame, cost: str, metrics: Sequence[str], reference: Reference, where: Mapping[str, Any]
) -> Front:
    """Return the front of a cost and metrics, of which more is better, or less where `LESS` has them."""
    senses: dict[str, Sense] = {cost: "min"}
    for metric in metrics:
        senses.setdefault(metric, "min" if metric.startswith(LESS) else "max")
    return front(frame, senses, reference=reference, **where)


# ------------------------------------------------------------------------------------------------- of the command line
def by_name(option: str, given: Sequence[str] | None) -> dict[str, float]:
    """Return bounds that were given as METRIC=VALUE. Raises RecsimError for what is not that.

    >>> by_name("--at-least", ["coverage=0.4"])
    {'coverage': 0.4}
    """
    bounds = {}
    for text in given or []:
        metric, _, value = text.partition("=")
        try:
            bounds[metric.strip()] = float(value)
        except ValueError:
            raise RecsimError(f"{option} {text}: is no METRIC=VALUE; write {option} coverage=0.4") from None
    return bounds


def levels_by_name(folder: str | Path, given: Sequence[str] | None) -> dict[str, Any] | None:
    """Return levels that were given as FACTOR=LEVEL, each of the kind that the study in the folder has; None for none.

    Raises RecsimError for what is not that, and for what the study does not have.
    """
    if not given:
        return None
    design = Store(folder).design()
    levels = {}
    for text in given:
        factor, equals, level = text.partition("=")
        if not equals or factor not in design:
            there = nearest(factor, [str(name) for name in design if name not in BESIDE])
            raise RecsimError(f"--reference {text}: is no FACTOR=LEVEL of this study; {there}")
        called = {name: level for level, name in told_apart(design[factor].tolist()).items()}
        if level not in called:
            raise RecsimError(f"--reference {text}: {factor} has no such level; {nearest(level, called)}")
        levels[factor] = called[level]
    return levels


# ------------------------------------------------------------------------------------------------------- in plain words
def _of_effects(found: Effects) -> str:
    """Return which factor matters most, and what the others do."""
    rows, metric = found.frame.dropna(subset=["difference"]), found.found.metric
    sure = rows[rows["p"] < 1 - SURE]
    seeds = len(found.found.seeds)
    if sure.empty:
        return f"No factor changes {metric} by more than chance may, as far as {seeds} seed{'s' * (seeds != 1)} can tell."
    largest = sure["difference"].abs().sort_values(ascending=False, kind="stable").index
    each = sure.loc[largest].drop_duplicates("factor").to_dict("records")
    text = f"What matters most to {metric} is {each[0]['factor']}: {_moved(each[0], found)}."
    if len(each) > 1:
        text += f" Then {'; '.join(row['factor'] + ': ' + _moved(row, found) for row in each[1:4])}."
    unsure = [name for name in dict.fromkeys(rows["factor"]) if name not in set(sure["factor"])]
    averaged = " on average over the others" if found.found.layout == "grid" and len(found.found.factors) > 1 else ""
    return text + (f" What {' and '.join(unsure)} does{averaged} cannot be told from chance." if unsure else "")


def _moved(row: Mapping[Any, Any], found: Effects) -> str:
    """Return what a level does beside the first of its factor."""
    factor, study = row["factor"], found.found
    first = "" if study.layout == "sample" else f"{study.said(factor, study.listed(factor)[0])} to "
    return f"from {first}{study.said(factor, row['level'])} it moves by {_between(row)}"


def _between(row: Mapping[Any, Any]) -> str:
    """Return a difference with the ends of its interval.

    >>> _between({"difference": 0.1234, "low": 0.1, "high": 0.1468})
    '+0.123 (+0.100 to +0.147)'
    """
    decimals = digits(np.array([row["high"] - row["difference"]]))
    difference, low, high = (f"{row[name]:+,.{decimals}f}" for name in ("difference", "low", "high"))
    return f"{difference} ({low} to {high})"


def _of_interactions(found: Outcomes, rows: pd.DataFrame) -> str:
    """Return the largest interaction that is sure; nothing where there is none."""
    sure = rows[rows["p"] < 1 - SURE]
    if sure.empty:
        return ""
    row: dict[Any, Any] = sure.iloc[int(sure["difference"].abs().argmax())].to_dict()
    places = ("factor", "level"), ("other", "other_level")
    both = " and ".join(f"{row[name]} = {found.said(row[name], row[level])}" for name, level in places)
    what = f"Effects on {found.metric} do not just add up"
    return f"{what}: {both} together give {_between(row)} beside the sum of what each does alone."


def _of_indices(found: Indices) -> str:
    """Return which factor the variance comes from."""
    row = found.frame.sort_values("total", ascending=False, kind="stable").iloc[0]
    text = (
        f"Most of what varies in {found.found.metric} comes from {row['factor']}: {row['total']:.0%} "
        f"({row['total_low']:.0%} to {row['total_high']:.0%}) with all it does together with others, {row['first']:.0%} alone."
    )
    if not found.noise < 0.1:
        text += (
            f" Chance of the seeds is {found.noise:.0%} of what varies, which makes total indices too large; take more seeds."
            if len(found.found.seeds) > 1 else " With one seed it is not known how much of that is chance."
        )  # fmt: skip
    return text


def _of_surface(found: Surface) -> str:
    """Return where a surface has its ends; nothing where it explains too little."""
    metric = found.found.metric
    if found.q2 < GOOD:
        well = f"well ({max(found.q2, 0.0):.0%} of its variance)"
        return f"No smooth surface over the ranges predicts {metric} {well}; take more points or seeds."
    ends, words = [], {"max": "highest", "min": "lowest"}
    senses: tuple[Sense, ...] = ("max", "min")
    for sense in senses:
        row = found.best(sense).iloc[0]
        place = ", ".join(f"{axis.path} = {told(float(row[axis.path]))}" for axis in found.axes)
        ends.append(f"{words[sense]} ({row['mean']:.3g} ± {row['high'] - row['mean']:.2g}) at {place}")
    good = f"the surface explains {found.q2:.0%} of the variance of points that it has not seen"
    return f"Over the ranges {metric} is {', and '.join(ends)}; {good}."


def _of_seeds(metric: str, rows: pd.DataFrame, width: float) -> str:
    """Return how many seeds are needed for a width."""
    there, needed, cautious = (int(rows[name].max()) for name in ("seeds", "needed", "cautious"))
    if cautious <= there:
        return f"The {there} seeds tell every difference of {metric} to ± {width:g}."
    what = f"To tell every difference of {metric} to ± {width:g}"
    return f"{what} takes about {needed} seeds, {cautious} to be safe; there are {there}."
