"""Robustness: whether the ranking of arms survives what is not known about people.

A log is a sample of people, more than one model of choice goes with it, and some settings it says nothing about. So the arms are
compared once more in other worlds: fitted to bootstrap samples of the log's people, with rival models, and with settings from
anywhere in their ranges. All worlds are run under the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations, pairwise
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim.arms import check_arms, last_epochs, lean, named_arms, parting_day, seed_numbers
from recsim.cells import COSTS, Bench, Cell, Job
from recsim.designs import Design, Factor, LatinHypercube
from recsim.errors import RecsimError, encodable, nearest
from recsim.files import faults, nameable
from recsim.inference import SURE, holm, interval, paired_p
from recsim.keeping import figures_of
from recsim.progress import told
from recsim.scenario import Scenario
from recsim.settings import changed
from recsim.simulation import World
from recsim.tables import blocks_of, decimals_for, with_half

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Settings = Mapping[str, Any]
Say = Callable[[float, str], None]

BASE = "base"
SHOWN = "coverage_model", "gini", "utility", "cost"
ALL = "all"  # the kind that has the worlds of all kinds


# ----------------------------------------------------------------------------------------------------------------------
# Worlds


def assumed(ranges: Settings, design: Design | None = None) -> dict[str, dict[str, Any]]:
    """Return worlds, by name, at points of the ranges of settings that are not known.

    ranges: by path, two ends, a list of levels, or a table as for a factor of a study. design: which points; by default 8 of a
    Latin hypercube; `Grid()` takes the corners. Raises RecsimError for what is no range.

    >>> worlds = assumed({"choice.outside": {"low": 5.0, "high": 20.0, "scale": "log"}, "population.curiosity": (0.0, 0.2)})
    >>> len(worlds), list(worlds["assumed: 1"])
    (8, ['choice.outside', 'population.curiosity'])
    """
    factors = [_range(path, given) for path, given in ranges.items()]
    points = (design or LatinHypercube(points=8)).lay(factors)
    return {
        f"assumed: {number}": {factor.path: level.value for factor, level in zip(factors, levels, strict=True)}
        for number, levels in enumerate(points, 1)
    }


def _range(path: str, given: Any) -> Factor:
    if isinstance(given, tuple) and len(given) == 2:
        given = {"low": given[0], "high": given[1]}
    if isinstance(given, Mapping):
        return Factor(path=path, **({"steps": 2} if "low" in given else {}) | dict(given))
    return Factor(path=path, levels=tuple(given) if isinstance(given, (list, tuple)) else (given,))


# ----------------------------------------------------------------------------------------------------------------------
# Two-way tables


def crossed(table: npt.ArrayLike) -> dict[str, float]:
    """Return what (worlds, seeds) differences tell of all such worlds, where every world has every seed.

    Two-way random effects without repetition. mean; low, high: its 95 % interval, for worlds and seeds like these. between,
    seeds: standard deviations of what a world and a seed add, in the unit of the table. another_low, another_high: where, at 95
    %, the mean over seeds of one more world lies. With W worlds, n seeds and mean squares M of worlds, seeds and the rest:
    between^2 = (M_w - M_e) / n, seeds^2 = (M_s - M_e) / W, both at least 0; Var(mean) = (M_w + W seeds^2) / (W n) with
    Satterthwaite's degrees of freedom (Searle, Casella and McCulloch 1992, "Variance components", ch. 4); another world: mean
    +- t_(W-2) sqrt(between^2 + Var(mean)) (Higgins, Thompson and Spiegelhalter 2009, JRSS A 172). Worlds with a NaN do not
    count. NaN where there are too few: two worlds for the interval, three for another.

    >>> found = crossed([[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]])
    >>> found["mean"], found["between"], round(found["seeds"], 4)
    (2.5, 1.0, 0.7071)
    """
    from scipy.stats import t

    x = np.asarray(table, np.float64)
    x = x[~np.isnan(x).any(axis=1)]
    worlds, seeds = x.shape
    result = dict.fromkeys(("mean", "low", "high", "between", "seeds", "another_low", "another_high"), math.nan)
    if worlds:
        result["mean"] = float(x.mean())
    if worlds < 2:
        return result
    of_world, of_seed, rest = _mean_squares(x)
    between, shared = max(0.0, (of_world - rest) / seeds), max(0.0, (of_seed - rest) / worlds)
    variance = (of_world + worlds * shared) / (worlds * seeds)
    parts = (of_world**2 / (worlds - 1), *((of_seed**2 + rest**2 / (worlds - 1)) / (seeds - 1) for _ in range(shared > 0)))
    freedom = (worlds * seeds * variance) ** 2 / sum(parts) if variance else 1.0
    half = float(t.ppf(0.5 + SURE / 2, freedom)) * math.sqrt(variance)
    result |= {"low": result["mean"] - half, "high": result["mean"] + half}
    result |= {"between": math.sqrt(between), "seeds": math.sqrt(shared)}
    if worlds > 2:
        wide = float(t.ppf(0.5 + SURE / 2, worlds - 2)) * math.sqrt(between + variance)
        result |= {"another_low": result["mean"] - wide, "another_high": result["mean"] + wide}
    return result


def _mean_squares(x: Floats) -> tuple[float, float, float]:
    """Return the mean squares of rows, columns and the rest; with one column all is of the rows."""
    worlds, seeds = x.shape
    rows, columns = x.mean(axis=1), x.mean(axis=0)
    of_world = seeds * float(rows.var(ddof=1))
    if seeds < 2:
        return of_world, 0.0, 0.0
    left = x - rows[:, None] - columns + x.mean()
    return of_world, worlds * float(columns.var(ddof=1)), float((left**2).sum()) / ((worlds - 1) * (seeds - 1))


# ----------------------------------------------------------------------------------------------------------------------
# What survives


@dataclass
class Robustness:
    """Arms compared in several worlds, under the same seeds in all.

    arms: their names. worlds: what each world changes, by path; the first one, the base, nothing. What stands before a colon
    in the name of a world is its kind. metrics: in which arms are ranked, each from high to low, whether that is good or bad.
    last: epochs at the end over which metrics are averaged. values: world, arm, seed, metric, value.
    """

    arms: list[str]
    worlds: dict[str, dict[str, Any]]
    metrics: list[str]
    seeds: list[int]
    last: int
    values: pd.DataFrame = field(repr=False)

    @cached_property
    def kinds(self) -> dict[str, list[str]]:
        """The names of the worlds but the base, by kind; the last kind, "all", has them all."""
        others = [name for name in self.worlds if name != BASE]
        kinds: dict[str, list[str]] = {}
        for name in others:
            kinds.setdefault(kind_of(name), []).append(name)
        return kinds | ({ALL: others} if len(kinds) > 1 else {})

    def table_of(self, metric: str) -> dict[str, Floats]:
        """Return a metric of each arm, (worlds, seeds). Raises RecsimError for one that arms were not compared in."""
        if metric not in self.metrics:
            raise RecsimError(f"metric: there is no {metric!r}; {nearest(metric, self.metrics)}")
        rows = self.values[self.values["metric"] == metric]
        wide = rows.pivot(index="world", columns=["arm", "seed"], values="value").loc[list(self.worlds)]
        return {arm: wide[arm][self.seeds].to_numpy(np.float64) for arm in self.arms}

    @cached_property
    def rankings(self) -> pd.DataFrame:
        """How each world ranks the arms, a row a metric and world: metric, world, kind, ranking, tau, survives, turned.

        ranking: by means over seeds, from high to low. tau: Kendall's, with the ranking of the base, -1 to 1 (tau-b). turned: the
        pairs that the base tells apart and that stand the other way round here, told or not; survives: whether there is none.
        """
        import pandas as pd
        from scipy.stats import kendalltau

        rows = []
        for metric in self.metrics:
            means = {arm: values.mean(axis=1) for arm, values in self.table_of(metric).items()}
            first = [means[arm][0] for arm in self.arms]
            for place, world in enumerate(self.worlds):
                here = [means[arm][place] for arm in self.arms]
                turned = self._turned(metric, world)
                rows.append({
                    "metric": metric, "world": world, "kind": kind_of(world), "ranking": " > ".join(_ranked(self.arms, here)),
                    "tau": float(kendalltau(first, here).statistic), "survives": not turned, "turned": "; ".join(turned),
                })  # fmt: skip
        return pd.DataFrame(rows)

    def _turned(self, metric: str, world: str) -> list[str]:
        pairs = self.pairs[(self.pairs["metric"] == metric) & self.pairs["apart"]]
        here = pairs[(pairs["world"] == world) & (pairs["difference"] < 0)]
        return [f"{one} over {other}" for one, other in zip(here["arm"], here["other"], strict=True)]

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Each pair of arms in each world: metric, arm, other, world, kind, difference, low, high, p, apart, verdict.

        arm stands higher in the base. difference: mean over seeds of arm - other, with its 95 % interval and the p of the paired
        t test. apart: whether the base tells the two apart (p adjusted over the pairs, Holm). verdict: of the base
        "told" or "not told"; of another world "same", where its p is below 5 % and the sign that of the base; "flips", where p
        adjusted over all pairs and worlds (Holm) is below 5 % and the sign is the other; else "not told".
        """
        import pandas as pd

        return pd.DataFrame([row for metric in self.metrics for row in self._pairs_in(metric)])

    def _pairs_in(self, metric: str) -> list[dict[str, Any]]:
        table, rows = self.table_of(metric), []
        order = _ranked(self.arms, [table[arm][0].mean() for arm in self.arms])
        for (one, other), alone, adjusted in zip(combinations(order, 2), *self._tests(table, order), strict=True):
            apart = bool(adjusted[0] < 1 - SURE)
            for place, world in enumerate(self.worlds):
                difference, low, high = interval(table[one][place] - table[other][place])
                side = np.sign(difference) * np.sign(table[one][0].mean() - table[other][0].mean())
                told_here = "told" if apart else "not told"
                verdict = told_here if world == BASE else _verdict(side, alone[place], adjusted[place])
                rows.append({
                    "metric": metric, "arm": one, "other": other, "world": world, "kind": kind_of(world),
                    "difference": difference, "low": low, "high": high, "p": alone[place], "apart": apart, "verdict": verdict,
                })  # fmt: skip
        return rows

    @staticmethod
    def _tests(table: dict[str, Floats], order: Sequence[str]) -> tuple[Floats, Floats]:
        """Return the p-values of all pairs, (pairs, worlds), alone, and adjusted: in the base, and in all others together."""
        gaps = [table[one] - table[other] for one, other in combinations(order, 2)]
        alone = np.array([[paired_p(seeds) for seeds in gap] for gap in gaps])
        others = holm(alone[:, 1:].ravel()).reshape(alone[:, 1:].shape)
        return alone, np.concatenate([holm(alone[:, 0])[:, None], others], axis=1)

    @cached_property
    def over(self) -> pd.DataFrame:
        """Each pair of arms over the worlds of each kind, the base left out.

        metric, arm, other (arm stands higher in the base), apart (whether the base tells them apart), kind, worlds (how many);
        agree: the share of them whose mean difference has the sign that it has in the base; same, flips: how many tell so, and
        how many tell the contrary, see `pairs`; then what `crossed` returns; turned: the worlds of the other sign.
        """
        import pandas as pd

        rows = []
        for (metric, one, other), found in self.pairs.groupby(["metric", "arm", "other"], sort=False):
            table, here = self.table_of(str(metric)), found.set_index("world")
            gaps = dict(zip(self.worlds, table[str(one)] - table[str(other)], strict=True))
            sides = np.sign(here["difference"])
            for kind, names in self.kinds.items():
                turned = [name for name in names if sides[name] == -sides[BASE] != 0]
                verdicts = list(here["verdict"][names])
                rows.append({
                    "metric": metric, "arm": one, "other": other, "apart": bool(found["apart"].iloc[0]), "kind": kind,
                    "worlds": len(names), "agree": float((sides[names] == sides[BASE]).mean()),
                    "same": verdicts.count("same"), "flips": verdicts.count("flips"),
                } | crossed([gaps[name] for name in names]) | {"turned": "; ".join(turned)})  # fmt: skip
        return pd.DataFrame(rows)

    def table(self, width: int = 80) -> str:
        """Return, as text of lines of some width, for each metric the pairs in the base and over the worlds of each kind."""
        blocks = [self._block(metric, width) for metric in self.metrics]
        ends = "the last epoch" if self.last == 1 else f"the last {self.last} epochs"
        foot = (
            f"Means of {ends} over {_many(self.seeds, 'seed')}, ± half the {SURE:.0%} interval; * told apart in the base (paired "
            "t tests, Holm over the pairs). Under a kind of worlds: in how many of them the difference has the sign it has in "
            "the base. over worlds: mean difference over the worlds of all kinds; another: where it lies in one more such world. "
            "tau: Kendall's, with the ranking of the base."
        )
        return "\n".join([*blocks, fill(foot, width)])

    def _block(self, metric: str, width: int) -> str:
        """Return the part of the table about one metric."""
        pairs, over = (frame[frame["metric"] == metric] for frame in (self.pairs, self.over))
        base = pairs[pairs["world"] == BASE]
        decimals = decimals_for(list(base["difference"]))
        heads = ["", *(f"{one} over {other}" for one, other in zip(base["arm"], base["other"], strict=True)), "least tau"]
        columns = [[BASE, *(_starred(row, decimals) for row in _rows(base)), ""]]
        ranked = self.rankings[self.rankings["metric"] == metric].set_index("world")
        for kind, names in self.kinds.items():
            rows = over[over["kind"] == kind]
            agree = [f"{round(share * many)}/{many}" for share, many in zip(rows["agree"], rows["worlds"], strict=True)]
            columns.append([kind, *agree, f"{ranked.loc[names, 'tau'].min():.2f}"])
        whole = _rows(over[over["kind"] == next(reversed(self.kinds))])
        columns.append(["over worlds", *(with_half(row["mean"], row["high"] - row["mean"], decimals, "+") for row in whole), ""])
        columns.append(["another", *(_span(row["another_low"], row["another_high"], decimals) for row in whole), ""])
        return f"{metric}\n" + blocks_of(heads, columns, width)

    def answer(self) -> str:
        """Return in plain words, a paragraph a metric, what the base tells, and in how many worlds that survives."""
        if len(self.seeds) < 2:
            return "One seed cannot tell an effect from chance: give at least two."
        return "\n".join(self._said(metric) for metric in self.metrics)

    def _said(self, metric: str) -> str:
        over, kinds = self.over[self.over["metric"] == metric], self.kinds
        rows = _rows(over[over["kind"] == next(reversed(kinds))])
        order, apart = self._order(metric)
        if not apart:
            return f"{metric}: {_many(self.seeds, 'seed')} tell no two arms apart in the base world."
        others = self.rankings[(self.rankings["metric"] == metric) & (self.rankings["world"] != BASE)]
        text = f"{metric}: {order} (~: not told apart) survives in {int(others['survives'].sum())} of {len(others)} worlds."
        for row in rows:
            if row["apart"] and row["turned"]:
                sure = f", told in {row['flips']} of them" if row["flips"] else ", told in none of them"
                text += f" {row['arm']} over {row['other']} turns round in {_listed(row['turned'].split('; '))}{sure}."
        untold = [f"{row['arm']} over {row['other']}" for row in rows if not row["apart"]]
        return text + (f" Not told: {', '.join(untold)}." if untold else "")

    def _order(self, metric: str) -> tuple[str, bool]:
        """Return the ranking of the base as text, ~ between neighbours that it does not tell apart; and whether it tells any."""
        base = self.pairs[(self.pairs["metric"] == metric) & (self.pairs["world"] == BASE)]
        apart = {(one, other): told for one, other, told in zip(base["arm"], base["other"], base["apart"], strict=True)}
        order = list(dict.fromkeys([*base["arm"], *base["other"]]))
        signs = [" > " if apart[pair] else " ~ " for pair in pairwise(order)]
        return order[0] + "".join(sign + arm for sign, arm in zip(signs, order[1:], strict=True)), any(apart.values())


def kind_of(world: str) -> str:
    """Return the kind of a world, which stands before a colon in its name.

    >>> kind_of("recalibrated: 3"), kind_of("no bias")
    ('recalibrated', 'no bias')
    """
    return world.partition(":")[0]


def _ranked(arms: Sequence[str], values: Sequence[float]) -> list[str]:
    """Return arms from the highest value to the lowest, those without one at the end."""
    return [arms[place] for place in np.argsort(-np.asarray(values, np.float64), kind="stable")]


def _verdict(side: float, alone: float, adjusted: float) -> str:
    """Return what a world tells of a pair; side: 1 where its difference has the sign of the base, -1 where the other."""
    if side > 0 and alone < 1 - SURE:
        return "same"
    return "flips" if side < 0 and adjusted < 1 - SURE else "not told"


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _starred(row: dict[str, Any], decimals: int) -> str:
    half = row["high"] - row["difference"]
    return with_half(row["difference"], half, decimals, "+") + "*" * row["apart"]


def _span(low: float, high: float, decimals: int) -> str:
    return f"{low:+.{decimals}f} to {high:+.{decimals}f}" if math.isfinite(low) else "-"


def _many(things: Sequence[Any], what: str) -> str:
    return f"{len(things)} {what}{'s' * (len(things) != 1)}"


def _listed(names: list[str], most: int = 5) -> str:
    """Return names as a list in a sentence, of many the first ones and their number."""
    return ", ".join(names) if len(names) <= most else f"{', '.join(names[:most])} and {len(names) - most} more"


# ----------------------------------------------------------------------------------------------------------------------
# The runs


def survives(
    arms: Mapping[str, Scenario],
    worlds: Mapping[str, Settings],
    metrics: Iterable[str] = SHOWN,
    seeds: int | Iterable[int] = 5,
    *,
    out: str | Path | None = None,
    warm_up: float | None = None,
    last: int | None = None,
    workers: int | None = None,
    progress: bool | Say = True,
) -> Robustness:
    """Compare arms in the world that they name and in others, under the same seeds, and return whether their ranking survives.

    arms: scenarios by name, as for `compare`. worlds: by name, what each changes in all arms, by dotted path; see
    `recalibrated` and `assumed`. What stands before a colon in a name is a kind, by which worlds are told together. metrics:
    names, those of a group as in "utility.niche", and the costs "cost" and "cost_all", a click at price 1. warm_up, last: as in
    `compare`, in each world. out: a folder in which cells are kept, by what they follow from, so that the same call goes on, and
    more worlds, arms or seeds only add. workers, progress: as in `compare`.
    Raises RecsimError in one line, before anything is run, for what the user can mend.
    """
    chosen, numbers, shown = named_arms(arms), seed_numbers(seeds), list(metrics)
    named = _named(worlds)
    places = {name: _Place.of(name, settings, chosen, warm_up, last) for name, settings in named.items()}
    _check_metrics(shown, next(iter(chosen.values())))
    folder = None if out is None else _folder(Path(out))
    rows: list[tuple[str, str, int, str, float]] = []
    with told("worlds", progress) as say:
        for number, (name, place) in enumerate(places.items()):

            def part(share: float, text: str, before: int = number, name: str = name) -> None:
                say((before + share) / len(places), f"{before} of {len(places)} worlds done, now {name}")

            cells = place.cells(numbers, folder, workers, part)
            rows += [(name, *row) for row in _measured(cells, shown, place.last)]
            say((number + 1) / len(places), f"{number + 1} of {len(places)} worlds done")
    return Robustness(list(chosen), named, shown, numbers, places[BASE].last, _frame(rows))


@dataclass(frozen=True)
class _Place:
    """The arms in one world, the day on which they part there, and the epochs at the end over which metrics are averaged."""

    arms: dict[str, Scenario]
    day: float
    last: int

    @classmethod
    def of(cls, name: str, settings: Settings, arms: dict[str, Scenario], warm_up: float | None, last: int | None) -> _Place:
        """Return the arms with some settings changed, checked. Raises RecsimError, with the name of the world."""
        try:
            here = {arm: lean(changed(scenario, settings)) for arm, scenario in arms.items()}
            first = next(iter(here.values()))
            day = parting_day(first, warm_up)
            epochs = last_epochs(first, day, last)
            check_arms(here, day)
        except RecsimError as fault:
            raise RecsimError(f"{name}: {fault}") from None
        return cls(here, day, epochs)

    def cells(self, seeds: Sequence[int], folder: Path | None, workers: int | None, say: Say) -> dict[tuple[str, int], Cell]:
        """Return what each arm does under each seed."""
        keys = [(arm, seed) for seed in seeds for arm in self.arms]
        bench = Bench(next(iter(self.arms.values())), self.day, folder, workers, say)
        jobs = [Job("", self.arms[arm], seed) for arm, seed in keys]
        if folder is not None:  # a file is called by what its cell follows from: whatever else is asked for, it holds
            jobs = [job._replace(file=f"cells/{bench.identity(job)}.parquet") for job in jobs]
        return dict(zip(keys, bench.cells(jobs), strict=True))


def _named(worlds: Mapping[str, Settings]) -> dict[str, dict[str, Any]]:
    """Return the worlds by name, the base first. Raises RecsimError where there is none beside it, or one is called as it is."""
    for name, settings in worlds.items():
        if not (isinstance(name, str) and name.strip() and isinstance(settings, Mapping) and settings):
            raise RecsimError(f"worlds: {name!r} is no name with settings; give what it changes, by path")
        if not encodable(name):
            raise RecsimError(f"worlds: {name!r} cannot be written as UTF-8; give another name")
        if kind_of(name) in (BASE, ALL):
            raise RecsimError(f"worlds: {name!r}: {BASE!r} is the world of the arms, and {ALL!r} all others; give another name")
    if not worlds:
        raise RecsimError("worlds: give at least one beside that of the arms")
    return {BASE: {}} | {name: dict(settings) for name, settings in worlds.items()}


def _check_metrics(metrics: list[str], first: Scenario) -> None:
    """Raise RecsimError for a metric that the world does not have, or that is there twice."""
    figures = figures_of(World(lean(first), 0))
    known = {metric if group == "all" else f"{metric}.{group}" for group, metric in figures} | set(COSTS)
    for metric in metrics:
        if metric not in known or metrics.count(metric) > 1:
            raise RecsimError(f"metrics: {metric!r} is none of this world, or there twice; {nearest(metric, known)}")
    if not metrics:
        raise RecsimError("metrics: give at least one")


def _folder(out: Path) -> Path:
    nameable(out)
    with faults(out):
        out.mkdir(parents=True, exist_ok=True)
    return out


def _measured(cells: dict[tuple[str, int], Cell], metrics: Sequence[str], last: int) -> list[tuple[str, int, str, float]]:
    """Return arm, seed, metric and value of all cells: means over the last epochs, and costs beside the first arm."""
    first, rows = next(iter(cells))[0], []
    for (arm, seed), cell in cells.items():
        costs = cell.cost(cells[first, seed], 1.0)
        for metric in metrics:
            column = cell.columns.get(metric, np.full(1, math.nan))
            rows.append((arm, seed, metric, costs[metric] if metric in costs else float(column[-last:].mean())))
    return rows


def _frame(rows: list[tuple[str, str, int, str, float]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=["world", "arm", "seed", "metric", "value"])
