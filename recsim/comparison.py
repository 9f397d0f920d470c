"""Compare: arms that part from one warmed-up world, seed by seed, with paired differences, intervals, and what each arm costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.arms import check_arms, last_epochs, lean, named_arms, parting_day, seed_numbers
from recsim.cells import COSTS, Bench, Cell, Job, cell_file, read_cell, write_columns
from recsim.errors import RecsimError, nearest
from recsim.inference import SURE, holm, interval, paired_p
from recsim.plans import Plan, clear
from recsim.progress import told
from recsim.scenario import Scenario
from recsim.tables import as_html, blocks_of, decimals_for, with_half
from recsim.tuning import REFINED, STEPS, TUNING, dials_of, tune

if TYPE_CHECKING:
    import pandas as pd

LEAGUE = {
    "coverage_model": "share of items",
    "coverage": "share of items",
    "gini": "0 even to 1 uneven",
    "novelty": "bits",
    "utility": "per item consumed",
    "cost": "clicks per 1,000 visits",
}
"""The columns of the league table, and their units."""


@dataclass
class Comparison:
    """Arms side by side: frames of what each did under each seed, and of the paired differences to the first arm.

    arms: by name, the first one being what the others are compared with; with equal cost they have their tuned strengths.
    seeds: the replications. warm_up: days that all arms share. last: epochs at the end over which metrics are averaged.
    price_click: of a click, in units of cost. budget: clicks per 1,000 visits that strengths were tuned to, or None.
    strengths: a row for each tuned arm: arm, setting, strength, its cost on the tuning seeds, reached, monotone. folder: where it
    is kept, or None.
    """

    arms: dict[str, Scenario]
    seeds: list[int]
    warm_up: float
    last: int
    price_click: float
    budget: float | None
    strengths: pd.DataFrame
    folder: Path | None
    _cells: dict[tuple[str, int], Cell] = field(repr=False)

    @classmethod
    def load(cls, folder: str | Path) -> Comparison:
        """Return the comparison that a folder holds; of one that was interrupted, what there is.

        Raises RecsimError in one line when there is none in it.
        """
        kept = Plan.read(Path(folder))
        cells = {
            (name, seed): read_cell(kept.folder / file)[0]
            for place, name in enumerate(kept.arms)
            for seed in kept.seeds
            if (kept.folder / (file := cell_file("cells", place, name, seed))).exists()
        }
        if not cells:
            raise RecsimError(f"{folder}: no arm has been run in it yet; resume the comparison")
        return _beside(kept, cells)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Every metric of every epoch: arm, seed, epoch, metric, value."""
        import pandas as pd

        parts = [
            pd.DataFrame(cell.columns).melt("epoch", var_name="metric").assign(arm=arm, seed=seed)
            for (arm, seed), cell in self._cells.items()
        ]
        return pd.concat(parts, ignore_index=True)[["arm", "seed", "epoch", "metric", "value"]]

    @cached_property
    def costs(self) -> pd.DataFrame:
        """What each arm cost since the fork, under each seed, and the counts it follows from.

        cost: (price_click (feed clicks of the first arm - its own) + spent) / visits x 1,000. Clicks in the feed, since every
        organic visit ends in one: cost_all counts those as well, and makes any lift of organic visits look free.
        """
        import pandas as pd

        rows = []
        for (arm, seed), cell in self._cells.items():
            first = self._cells.get((next(iter(self.arms)), seed))
            rows.append({"arm": arm, "seed": seed} | cell.cost(first, self.price_click) | cell.totals)
        return pd.DataFrame(rows)

    @property
    def digests(self) -> pd.DataFrame:
        """The digest of the clicks of each cell, as hexadecimal text: arm, seed, digest."""
        import pandas as pd

        return pd.DataFrame(
            [(arm, seed, cell.digest) for (arm, seed), cell in self._cells.items()], columns=["arm", "seed", "digest"]
        )

    @cached_property
    def values(self) -> pd.DataFrame:
        """Each metric of each arm and seed, its mean over the last epochs (NaN where one has none): arm, seed, metric, value.

        The costs are among them, under the names `cost` and `cost_all`.
        """
        import pandas as pd

        rows = [
            (arm, seed, metric, float(column[-self.last :].mean()))
            for (arm, seed), cell in self._cells.items()
            for metric, column in cell.columns.items()
            if metric != "epoch"
        ]
        values = pd.DataFrame(rows, columns=["arm", "seed", "metric", "value"])
        costs = self.costs.melt(["arm", "seed"], list(COSTS), var_name="metric")
        return pd.concat([values, costs], ignore_index=True)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """Each arm beside the first, by metric, over the seeds.

        arm, metric, seeds (pairs in which both have a value); mean and its 95 % interval mean_low, mean_high; difference, the
        mean of the arm less the first arm by seed, and its 95 % intervals: low, high alone, family_low, family_high for all
        arms together (Bonferroni); p of the paired t test, adjusted over the arms within the metric (Holm).
        NaN: mean where no seed of the arm has a value, its ends where fewer than two have; difference where no pair has, its
        ends and p where fewer than two have; p of the first arm, which is beside itself. A seed has no value where one of the
        last epochs has none, as the Gini index of an epoch without a feed.
        """
        import pandas as pd

        return pd.DataFrame(list(self._found.values()))

    @cached_property
    def _found(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The rows of `differences`, by arm and metric."""
        table = self.values.pivot(index="seed", columns=["metric", "arm"], values="value")
        metrics = list(dict.fromkeys(self.values["metric"]))
        rows = [row for metric in metrics for row in _against_first(table[metric], metric, list(self.arms))]
        return {(row["arm"], row["metric"]): row for row in rows}

    def table(self, width: int = 120) -> str:
        """Return the league as text: of each arm the means with half their 95 % intervals, and below them the paired differences.

        width: of a line; columns that do not fit go below. A star marks a difference with p below 5 % after Holm.
        """
        names = list(self.arms)
        heads = ["", *(line for name in names for line in _labels(name, names[0]))]
        columns = [[metric, *_column([self._found[name, metric] for name in names])] for metric in LEAGUE]
        ends = f"the last {self.last} epochs" if self.last > 1 else "the last epoch"
        foot = f"Means of {ends} over {_seeds(len(self.seeds))}"
        if len(self.seeds) > 1:
            foot += (
                f" ± half the {SURE:.0%} interval (Student's t); below them the paired difference to {names[0]}, * where it has "
                f"p < {1 - SURE:.2f} (paired t test, Holm over the arms). "
            )
        else:
            foot += ": there are no intervals without a second seed. "
        foot += "Units: " + "; ".join(f"{metric}: {unit}" for metric, unit in LEAGUE.items()) + "."
        lines = [blocks_of(heads, columns, width), *(fill(text, width) for text in (foot, *self._tuned_lines()))]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Return one line: which arms there are, and how many seeds."""
        return f"<Comparison of {', '.join(self.arms)}: {_seeds(len(self.seeds))}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows of the comparison: a line an arm, and the answer."""
        found = [[self._found[name, metric] for name in self.arms] for metric in LEAGUE]
        cells = [[_mean(row, decimals_for([one["mean"] for one in rows])) for row in rows] for rows in found]
        heads = ["", *(f"{metric}, {unit}" for metric, unit in LEAGUE.items())]
        title = f"{len(self.arms)} arms, {_seeds(len(self.seeds))}, means of the last epochs ({self.last})"
        rows = [[name, *(column[place] for column in cells)] for place, name in enumerate(self.arms)]
        first = next(iter(self.arms))
        foot = f"±: half the {SURE:.0%} interval; *: the paired difference to {first} has p < {1 - SURE:.2f} (Holm)."
        return as_html(title, heads, rows, (self.answer(), foot, *self._tuned_lines()))

    @cached_property
    def controls(self) -> list[str]:
        """The arms that are controls of the first one, as `Scenario.controls` makes them: they separate what the loop does from
        the rest, and are no cures.
        """
        first, *others = self.arms
        made = self.arms[first].controls(self.warm_up)
        return [name for name in others if made.get(name) == self.arms[name]]

    def wider(self) -> list[str]:
        """Return the arms in which the model shows more of the catalogue than in the first, beyond chance; the cheapest first,
        controls left out.
        """
        rows = [self._found[name, "coverage_model"] for name in list(self.arms)[1:] if name not in self.controls]
        wider = [row["arm"] for row in rows if row["p"] < 1 - SURE and row["difference"] > 0]
        return sorted(wider, key=lambda name: (self._found[name, "cost"]["mean"], name))

    def answer(self) -> str:
        """Return one sentence: which arms make the model show more of the catalogue than the first, and the cheapest of them.

        Controls do not count: nobody could put an oracle in.
        """
        first, *others = self.arms
        if len(self.seeds) < 2:
            return f"One seed cannot tell an effect from chance: give at least two to compare with {first}."
        others, wider = [name for name in others if name not in self.controls], self.wider()
        if self.controls and not others:
            return f"All arms beside {first} are controls: they show what the loop does, and none of them is a cure."
        if not wider:
            many, besides = _seeds(len(self.seeds)), " but for controls" if self.controls else ""
            return f"No arm{besides} makes the model show more of the catalogue than {first} does, as far as {many} can tell."
        cheapest = wider[0]
        cost = self._found[cheapest, "cost"]["mean"]
        half = self._found[cheapest, "cost"]["mean_high"] - cost
        gains = cost + half < 0  # it loses no clicks, and that is no chance
        price = with_half(-cost if gains else cost, half, decimals_for([max(10.0, abs(cost))]))
        besides = ", controls apart," if self.controls else ""
        brings = "which costs nothing, but gains" if gains else "at"
        return (
            f"In {len(wider)} of {len(others)} arms{besides} the model shows more of the catalogue than under {first}; the "
            f"cheapest of them is {cheapest}, {brings} {price} clicks per 1,000 visits."
        )

    def _tuned_lines(self) -> list[str]:
        """Return a line for each tuned arm: its strength, what it was to cost and what it did."""
        lines = []
        for row in self.strengths.to_dict("records"):
            cost = self._found[row["arm"], "cost"]
            achieved = with_half(cost["mean"], cost["mean_high"] - cost["mean"], decimals_for([self.budget or 0.0]))
            text = f"{row['arm']}: {row['setting']} = {row['strength']:.4g}, cost {achieved}, budget {self.budget:g}"
            if not row["reached"]:
                above = row["cost"] > (self.budget or 0.0)
                text += "; THE BUDGET CANNOT BE REACHED: " + (
                    "it costs more than the budget even at its least strength" if above else "its largest strength was kept"
                )
            lines.append(text + ("" if row["monotone"] else "; its cost does not rise steadily with its strength"))
        return lines


def _seeds(number: int) -> str:
    return f"{number} seed{'s' * (number != 1)}"


def _beside(plan: Plan, cells: dict[tuple[str, int], Cell]) -> Comparison:
    """Return the comparison of the cells there are."""
    import pandas as pd

    strengths = pd.DataFrame(plan.strengths, columns=["arm", "setting", "strength", "cost", "reached", "monotone"])
    seeds = sorted({seed for _, seed in cells})
    cells = {(name, seed): cells[name, seed] for name in plan.arms for seed in seeds if (name, seed) in cells}
    return Comparison(
        plan.tuned(), seeds, plan.warm_up, plan.last, plan.price_click, plan.equal_cost, strengths, plan.folder, cells
    )


def _against_first(table: pd.DataFrame, metric: str, arms: list[str]) -> list[dict[str, Any]]:
    """Return the rows of one metric: every arm beside the first one. table: a row a seed, a column an arm."""
    rows: list[dict[str, Any]] = []
    for arm in arms:
        ours = table[arm].to_numpy(np.float64) if arm in table else np.full(len(table), np.nan)
        first = table[arms[0]].to_numpy(np.float64) if arms[0] in table else np.full(len(table), np.nan)
        mean, mean_low, mean_high = interval(ours)
        difference, low, high = interval(ours - first)
        family = interval(ours - first, 1 - (1 - SURE) / max(1, len(arms) - 1))
        rows.append({
            "arm": arm, "metric": metric, "seeds": int(np.isfinite(ours - first).sum()), "mean": mean,
            "mean_low": mean_low, "mean_high": mean_high, "difference": difference, "low": low, "high": high,
            "family_low": family[1], "family_high": family[2], "p": paired_p(ours - first),
        })  # fmt: skip
    rows[0]["p"] = math.nan  # the first arm beside itself is no test
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p"] = float(p)
    return rows


# ---------------------------------------------------------------------------------------------------- the table as text
def _labels(name: str, first: str) -> list[str]:
    return [name] if name == first else [name, f"  less {first}"]


def _mean(row: Mapping[str, Any], decimals: int) -> str:
    """Return the mean of an arm with half its interval, and a star where its difference to the first arm is told apart."""
    star = "*" if row["p"] < 1 - SURE else ""
    return with_half(row["mean"], row["mean_high"] - row["mean"], decimals) + star


def _column(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of one metric: one for the first arm, two for each other. rows: of the arms, as in `differences`."""
    decimals = decimals_for([row["mean"] for row in rows])
    lines: list[str] = []
    for row in rows:
        lines.append(with_half(row["mean"], row["mean_high"] - row["mean"], decimals) + " ")
        star = "*" if row["p"] < 1 - SURE else " "
        lines.append(with_half(row["difference"], row["high"] - row["difference"], decimals, sign="+") + star)
    return [lines[0], *lines[2:]]  # the first arm has no difference to itself


# ------------------------------------------------------------------------------------------------------------- together
def compare(
    arms: Mapping[str, Scenario] | None = None,
    seeds: int | Iterable[int] | None = None,
    out: str | Path | None = None,
    *,
    warm_up: float | None = None,
    last: int | None = None,
    workers: int | None = None,
    price_click: float | None = None,
    equal_cost: float | None = None,
    strengths: Mapping[str, str | None] | None = None,
    resume: bool = False,
    progress: bool | Callable[[float, str], None] = True,
) -> Comparison:
    """Run arms under the same seeds and return their paired differences to the first arm, with intervals and costs.

    arms: scenarios by name, equal in people, catalogue, timetable and days. seeds: the replications, as numbers, or how many
    (1, 2, ...); by default 20. Under each seed the first arm runs for *warm_up* days, then every arm parts from that world; by
    default on the day of the second cut; 0: from the beginning. last: epochs at the end over which metrics are averaged; by
    default a quarter of all. price_click: of a click that the feed loses, beside the prices of signals; by default 1.
    equal_cost: clicks per 1,000 visits that the one strength of each arm but the first is tuned to, on seeds of its own.
    strengths: the setting that is an arm's strength, where that is not plain, or None to leave the arm as it is.
    out: a folder that is not there yet. resume: go on with the one in it, with more seeds or arms if they are given; what is
    not given is as the folder says. Cells in it are taken where they still hold: where recipes of the caller's own classes take
    part, and their source cannot be had (typed into a prompt, say), they are run again. workers: processes, by default one a
    core; they change the speed only. progress: True for a bar, or a function of the share done and a text.
    Raises RecsimError in one line for what the user can mend; what was done before an interruption is kept in the folder.
    """
    if resume and out is None:
        raise RecsimError("resume: there is no folder to go on with; name it as out")
    kept = Plan.read(Path(out)) if resume and out is not None else None
    plan = _plan(kept, arms, seeds, warm_up, last, price_click, equal_cost, strengths)
    with told("compare", progress) as say:
        bench = Bench(lean(next(iter(plan.arms.values()))), plan.warm_up, None, workers, say)
        tuned = {row["arm"] for row in plan.strengths}
        dials = dials_of(plan.arms, plan.settings, but=tuned) if plan.equal_cost is not None else {}
        if kept:
            clear(kept.folder)
        elif out is not None:
            plan.create(Path(out))
        plan.save("running")
        bench.folder = plan.folder
        cells = len(plan.arms) * len(plan.seeds)
        bench.planned = cells + len(plan.tuning_seeds) * ((len(STEPS) + 2 * REFINED) * len(dials) + bool(dials))
        if dials and plan.equal_cost is not None:
            plan.strengths = plan.strengths + tune(bench, dials, plan.tuning_seeds, plan.equal_cost, plan.price_click)
            plan.save("running")
        bench.planned = bench.done + cells
        return _reported(plan, bench)


def _reported(plan: Plan, bench: Bench) -> Comparison:
    """Run the cells that are reported, and return and keep the comparison."""
    keys = [(name, seed) for seed in plan.seeds for name in plan.arms]
    places = {name: place for place, name in enumerate(plan.arms)}
    arms = {name: lean(arm) for name, arm in plan.tuned().items()}
    jobs = [Job(cell_file("cells", places[name], name, seed), arms[name], seed) for name, seed in keys]
    done = _beside(plan, dict(zip(keys, bench.cells(jobs), strict=True)))
    if plan.folder is not None:
        for name in ("values", "differences"):
            frame = getattr(done, name)
            columns = {column: frame[column].to_numpy() for column in frame}
            about = {"price_click": repr(plan.price_click), "last": str(plan.last)}
            write_columns(plan.folder / f"{name}.parquet", columns, about)
        plan.save("done")
    return done


def _plan(
    kept: Plan | None, arms: Mapping[str, Scenario] | None, seeds: int | Iterable[int] | None, warm_up: float | None,
    last: int | None, price_click: float | None, equal_cost: float | None, strengths: Mapping[str, str | None] | None,
) -> Plan:  # fmt: skip
    """Return what is to be compared, all of it checked: what is asked for, laid over what a folder holds."""
    chosen = named_arms(kept.arms if kept and arms is None else arms)
    first = next(iter(chosen.values()))
    numbers = kept.seeds if kept and seeds is None else seed_numbers(20 if seeds is None else seeds)
    day = kept.warm_up if kept and warm_up is None else parting_day(first, warm_up)
    named = dict(strengths or {})
    for name, value in {"price_click": price_click, "equal_cost": equal_cost}.items():
        if value is not None and not (isinstance(value, (int, float)) and math.isfinite(value)):
            raise RecsimError(f"{name}: {value!r} is no number; give one, in clicks")
    unknown = sorted(set(named) - set(chosen))
    if unknown:
        raise RecsimError(f"strengths: there is no arm {unknown[0]!r}; {nearest(unknown[0], chosen)}")
    budget = kept.equal_cost if kept and equal_cost is None else equal_cost
    tuning = [max(numbers) + 1000 + number for number in range(TUNING)] if budget is not None else []
    price = price_click if price_click is not None else kept.price_click if kept else 1.0
    epochs = last_epochs(first, day, kept.last if kept and last is None else last)
    asked = Plan(chosen, numbers, day, epochs, price, budget, named, tuning)
    check_arms(chosen, day)
    return kept.joined(asked) if kept else asked
