"""Strengths: the setting that says how much of an arm there is, tuned to what the arm may cost, or varied to see what answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.arms import check_arms, last_epochs, lean, named_arms, parting_day, seed_numbers
from recsim.cells import Bench, Cell, Job, cell_file, told
from recsim.errors import RecsimError, nearest
from recsim.inference import Floats, interval
from recsim.scenario import Scenario
from recsim.simulation import World

if TYPE_CHECKING:
    import pandas as pd

DOSED = ("coverage", "coverage_model", "novelty", "utility", "cost")
TUNING = 4  # seeds on which strengths are tuned
STEPS = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # levels of a strength, as shares of the largest
REFINED = 3  # levels tried between those around the budget
BEYOND = 8  # how many times what is given the largest level is, where a setting has no upper end


# -------------------------------------------------------------------------------------------------- which setting it is
def strength_setting(first: Scenario, arm: Scenario) -> list[str]:
    """Return the settings, as dotted paths, that say how much of what makes an arm differ from the first there is."""
    found = [f"policy.{arm.policy.strength}"] if arm.policy != first.policy and arm.policy.strength else []
    for place, rule in enumerate(arm.training):
        if rule not in first.training and rule.strength:
            found.append(f"training.{place}.{rule.strength}")
    for place, sign in enumerate(arm.signals):
        if sign not in first.signals:
            found.append(f"signals.{place}.{sign.strength}")
    return found


def _setting(name: str, first: Scenario, arm: Scenario, named: str | None) -> str:
    """Return the one setting that is an arm's strength: the one named, or the only one there is."""
    found = [named] if named else strength_setting(first, arm)
    if len(found) == 1:
        return found[0]
    what = f"has {len(found)} strengths ({', '.join(found)})" if found else "differs from the first in nothing with a strength"
    raise RecsimError(f"{name}: {what}; name the setting to tune, such as policy.epsilon, or none to leave the arm as it is")


def _value_at(name: str, arm: Scenario, setting: str) -> tuple[float, float | None]:
    """Return the value of a setting, and the upper end of its range where it has one."""
    *path, last = setting.split(".")
    holder: Any = arm
    for part in path:
        known = part.isdigit() and isinstance(holder, tuple) and int(part) < len(holder)
        holder = holder[int(part)] if known else getattr(holder, part, None)
    fields = getattr(type(holder), "model_fields", {})
    if last not in fields:
        raise RecsimError(f"{name}: has no setting {setting}; {nearest(last, fields)}")
    value = getattr(holder, last)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RecsimError(f"{name}: {setting} is {value!r}, no number; name a setting that says how much")
    ends = [getattr(limit, "le", getattr(limit, "lt", None)) for limit in fields[last].metadata]
    return value, min((end for end in ends if end is not None), default=None)


# -------------------------------------------------------------------------------------------- levels and what they cost
@dataclass
class Dial:
    """The strength of one arm: the setting that holds it, the levels tried, and what they cost on the tuning seeds."""

    name: str
    arm: Scenario
    setting: str
    levels: list[float]
    costs: dict[float, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, first: Scenario, arm: Scenario, named: str | None, levels: Sequence[float] | None) -> Dial:
        """Return the dial of an arm, with levels from none to the largest: the end of the range, or 8 times what is given.

        A setting of whole numbers has whole levels. Levels that the arm or its world refuses are left out, unless they were
        given.
        Raises RecsimError where there is no such setting, or fewer than two levels.
        """
        setting = _setting(name, first, arm, named)
        value, end = _value_at(name, arm, setting)
        dial = cls(name, arm, setting, [])
        if levels is not None:
            dial.levels = [dial.level(level) for level in levels]
            for level in dial.levels:
                dial.at(level)
            return dial
        top = end if end is not None else BEYOND * value
        tried = sorted({dial.level(step * top) for step in STEPS})
        dial.levels = [level for level in tried if dial.fits(level)]
        if len(dial.levels) < 2:
            raise RecsimError(f"{name}: {setting} = {value!r} leaves no levels to try; give it a value above 0 that it can have")
        return dial

    def level(self, level: float) -> float:
        """Return a level as the setting can have it."""
        number = float(level)
        return round(number) if isinstance(_value_at(self.name, self.arm, self.setting)[0], int) else number

    def at(self, level: float) -> Scenario:
        """Return the arm at a level.

        Raises RecsimError where it cannot have that.
        """
        return self.arm.with_settings({self.setting: repr(level)}, where=self.name)

    def fits(self, level: float) -> bool:
        """Return whether the arm can have a level, and its world can be drawn."""
        try:
            World(self.at(level), 0)
        except RecsimError:
            return False
        return True

    def jobs(self, place: int, levels: Iterable[float], seeds: Sequence[int]) -> list[Job]:
        """Return the cells that show the arm at some levels."""
        return [
            Job(cell_file("levels", place, f"{level!r}-{self.name}", seed), self.at(level), seed)
            for level in levels
            for seed in seeds
        ]

    def fit(self) -> tuple[list[float], Floats, bool]:
        """Return levels, the mean costs as the best curve that never falls, and whether the means are one within 2 SE.

        Source: isotonic regression by the pool adjacent violators algorithm (Barlow et al. 1972), as SciPy has it.
        """
        from scipy.optimize import isotonic_regression

        levels = sorted(self.costs)
        means = np.array([self.costs[level].mean() for level in levels])
        errors = np.array([self.costs[level].std(ddof=1) / math.sqrt(len(self.costs[level])) for level in levels])
        fitted = np.asarray(isotonic_regression(means).x, np.float64)
        return levels, fitted, bool((np.abs(fitted - means) <= 2 * errors + 1e-12).all())

    def tuned(self, budget: float) -> tuple[float, bool]:
        """Return the smallest strength whose fitted cost reaches the budget, and whether any does; else the largest.

        Between two levels the cost is taken to be linear.
        """
        levels, fitted, _ = self.fit()
        if not fitted[-1] >= budget:
            return levels[-1], False
        above = int(np.argmax(fitted >= budget))
        if not above:
            return levels[0], True
        share = (budget - fitted[above - 1]) / (fitted[above] - fitted[above - 1])
        return self.level(levels[above - 1] + share * (levels[above] - levels[above - 1])), True

    def closer(self, budget: float) -> list[float]:
        """Return levels around the strength that the budget asks for: there, and halfway to the levels beside it."""
        strength, reached = self.tuned(budget)
        levels = sorted(self.costs)
        if not reached:
            return []
        below = max((level for level in levels if level < strength), default=strength)
        above = min((level for level in levels if level > strength), default=strength)
        wanted = {self.level(level) for level in ((below + strength) / 2, strength, (strength + above) / 2)}
        return sorted(wanted - set(levels))


def dials_of(
    arms: Mapping[str, Scenario],
    named: Mapping[str, str | None],
    levels: Sequence[float] | None = None,
    but: Collection[str] = (),
) -> dict[int, Dial]:
    """Return the dials of all arms but the first, by their places.

    named: the setting of an arm, or None for one that has no dial. but: the names of other arms that have none.
    """
    first = next(iter(arms.values()))
    return {
        place: Dial.of(name, first, lean(arm), named.get(name), levels)
        for place, (name, arm) in enumerate(arms.items())
        if place and name not in but and named.get(name, "found") is not None
    }


def tune(bench: Bench, dials: Mapping[int, Dial], seeds: Sequence[int], budget: float, price: float) -> list[dict[str, Any]]:
    """Find each arm's strength for a budget; return rows of arm, setting, strength, reached, monotone.

    dials: by the arm's place among the arms.
    """
    firsts = bench.cells([Job(cell_file("levels", 0, "first", seed), bench.first, seed) for seed in seeds])
    levels = {place: dial.levels for place, dial in dials.items()}
    for _ in range(2):
        tried = [(place, level) for place in dials for level in levels[place]]
        jobs = [job for place, level in tried for job in dials[place].jobs(place, [level], seeds)]
        cells = iter(bench.cells(jobs))
        for place, level in tried:
            dials[place].costs[level] = np.array([next(cells).cost(first, price)["cost"] for first in firsts])
        levels = {place: dial.closer(budget) for place, dial in dials.items()}
    rows = []
    for dial in dials.values():
        strength, reached = dial.tuned(budget)
        found = {"arm": dial.name, "setting": dial.setting, "strength": strength, "reached": reached, "monotone": dial.fit()[2]}
        rows.append(found)
    return rows


# ---------------------------------------------------------------------------------------------------- dose and response
def dose_response(
    arms: Scenario | Mapping[str, Scenario],
    levels: Sequence[float] | None = None,
    seeds: int | Iterable[int] = 10,
    out: str | Path | None = None,
    *,
    strengths: Mapping[str, str | None] | None = None,
    warm_up: float | None = None,
    last: int | None = None,
    workers: int | None = None,
    price_click: float = 1.0,
    progress: bool | Callable[[float, str], None] = True,
) -> pd.DataFrame:
    """Return how coverage, novelty, utility and cost answer to the strength of each arm but the first.

    arms: scenarios by name; or one scenario, whose own strength is varied, the first arm being that at level 0. levels: of
    the strength; by default shares of its range, or of 8 times what is given where that has no upper end. out: the folder of
    a comparison, in which the runs are kept. The rest is as for `compare`.
    The frame has a row for each arm, level and metric: arm, setting, strength, metric, seeds, mean, low, high (95 %,
    Student's t).
    Raises RecsimError where an arm has no strength, or several and none is named.
    """
    import pandas as pd

    chosen = named_arms(_own(arms, strengths) if isinstance(arms, Scenario) else arms)
    first = next(iter(chosen.values()))
    numbers, day = seed_numbers(seeds), parting_day(first, warm_up)
    epochs, named = last_epochs(first, day, last), dict(strengths or {})
    check_arms(chosen, day)
    dials = dials_of(chosen, named, levels)
    with told("dose and response", progress) as say:
        bench = Bench(lean(first), day, Path(out) if out is not None else None, workers, say)
        firsts = [Job(cell_file("levels", 0, "first", seed), bench.first, seed) for seed in numbers]
        doses = [(dial, level, dial.jobs(place, [level], numbers)) for place, dial in dials.items() for level in dial.levels]
        cells = bench.cells(firsts + [job for _, _, jobs in doses for job in jobs])
    rows = []
    for run, (dial, level, _) in enumerate(doses, start=1):
        own = cells[run * len(numbers) : (run + 1) * len(numbers)]
        rows += _response(dial, level, own, cells[: len(numbers)], epochs, price_click)
    return pd.DataFrame(rows)


def _own(scenario: Scenario, strengths: Mapping[str, str | None] | None) -> dict[str, Scenario]:
    """Return a scenario without what its strength says, and as it is."""
    named = (strengths or {}).get(scenario.name) or _setting(scenario.name, Scenario(), scenario, None)
    dial = Dial(scenario.name, scenario, named, [])
    return {f"{scenario.name} at {named} = 0": dial.at(dial.level(0.0)), scenario.name: scenario}


def _response(
    dial: Dial, level: float, cells: Sequence[Cell], firsts: Sequence[Cell], last: int, price: float
) -> list[dict[str, Any]]:
    """Return the rows of one arm at one level."""
    values = {metric: [cell.columns[metric][-last:].mean() for cell in cells] for metric in DOSED if metric != "cost"}
    values["cost"] = [cell.cost(first, price)["cost"] for cell, first in zip(cells, firsts, strict=True)]
    about = {"arm": dial.name, "setting": dial.setting, "strength": float(level)}
    return [
        about | {"metric": metric, "seeds": len(cells)} | dict(zip(("mean", "low", "high"), interval(found), strict=True))
        for metric, found in values.items()
    ]
