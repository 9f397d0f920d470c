"""Strengths: the setting that says how much of an arm there is, tuned to what the arm may cost, or varied to see what answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim.arms import check_arms, last_epochs, lean, named_arms, parting_day, seed_numbers
from recsim.cells import Bench, Cell, Job, cell_file
from recsim.errors import RecsimError, nearest
from recsim.files import faults
from recsim.inference import Floats, interval
from recsim.progress import told
from recsim.scenario import Scenario
from recsim.simulation import World

if TYPE_CHECKING:
    import pandas as pd

DOSED = ("coverage", "coverage_model", "novelty", "utility", "cost")
TUNING = 4  # seeds on which strengths are tuned
STEPS = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # levels of a strength, as shares of the largest
REFINED = 3  # times that the bracket around the budget is halved, two levels each
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


def _holder(name: str, arm: Scenario, setting: str) -> tuple[Any, str]:
    """Return the recipe that holds a setting, and the setting's own name.

    Raises RecsimError where there is none, or it is no number.
    """
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
    return holder, last


def _ends(holder: Any, last: str) -> tuple[float, float]:
    """Return between which values of a setting levels are tried: that which does nothing, and the largest worth trying.

    A recipe's kind says so for its strength; else it is the least value, and the upper end if that is at most 1, else 8 times
    what is given. What is given is never left out.
    """
    limits = type(holder).model_fields[last].metadata
    least = [limit.ge for limit in limits if getattr(limit, "ge", None) is not None]
    bounds = [getattr(limit, "le", getattr(limit, "lt", None)) for limit in limits]
    bound = min((end for end in bounds if end is not None), default=math.inf)
    own, value = last == getattr(holder, "strength", ""), getattr(holder, last)
    none = float(getattr(holder, "none", 0.0) if own else max(least, default=0.0))
    largest = getattr(holder, "largest", None) if own else None
    if largest is None:
        largest = bound if bound <= 1 else none + BEYOND * (value - none)
    return none, float(min(bound, max(largest, value)))


def _steps(none: float, top: float) -> list[float]:
    """Return levels in geometric steps towards none: shares of the largest, or equal ratios where none is no 0.

    >>> _steps(0.0, 4.0), [round(level) for level in _steps(1.0, 1000.0)]
    ([0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0], [1, 3, 10, 32, 100, 316, 1000])
    """
    if none > 0:
        return [none * (top / none) ** (step / (len(STEPS) - 1)) for step in range(len(STEPS))]
    return [none + step * (top - none) for step in STEPS]


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
        """Return the dial of an arm, with levels in geometric steps from the largest worth trying to none.

        A setting of whole numbers has whole levels. Levels that the arm or its world refuses are left out, unless they were
        given.
        Raises RecsimError where there is no such setting, or fewer than two levels.
        """
        setting = _setting(name, first, arm, named)
        holder, last = _holder(name, arm, setting)
        dial = cls(name, arm, setting, [])
        if levels is not None:
            dial.levels = [dial.level(level) for level in levels]
            for level in dial.levels:
                dial.at(level)
            return dial
        none, top = _ends(holder, last)
        tried = sorted({dial.level(level) for level in _steps(none, top)})
        dial.levels = [level for level in tried if dial.fits(level)]
        if len(dial.levels) < 2:
            given = f"{setting} = {getattr(holder, last)!r}"
            raise RecsimError(f"{name}: {given} leaves no levels to try; give it a value above {none:g} that it can have")
        return dial

    def none(self) -> float:
        """Return the level at which the setting does nothing."""
        return self.level(_ends(*_holder(self.name, self.arm, self.setting))[0])

    def level(self, level: float) -> float:
        """Return a level as the setting can have it."""
        number = float(level)
        return round(number) if isinstance(getattr(*_holder(self.name, self.arm, self.setting)), int) else number

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
        fitted = np.asarray(isotonic_regression(means).x, np.float64)
        return levels, fitted, bool((np.abs(fitted - means) <= 2 * self.errors() + 1e-12).all())

    def errors(self) -> Floats:
        """Return the standard errors of the mean costs, in the order of the levels."""
        return np.array([costs.std(ddof=1) / math.sqrt(len(costs)) for _, costs in sorted(self.costs.items())])

    def tuned(self, budget: float) -> tuple[float, bool]:
        """Return the smallest strength whose fitted cost is the budget, and whether any is; else the end that is nearer.

        Between two levels the cost is taken to be linear.
        """
        levels, fitted, _ = self.fit()
        if not fitted[0] <= budget <= fitted[-1]:
            return levels[0 if fitted[0] > budget else -1], False
        above = int(np.argmax(fitted >= budget))
        if not above:
            return levels[0], True
        share = (budget - fitted[above - 1]) / (fitted[above] - fitted[above - 1])
        return self.level(levels[above - 1] + share * (levels[above] - levels[above - 1])), True

    def closer(self, budget: float) -> list[float]:
        """Return levels to try next, where none yet costs the budget within its standard error.

        They lie in the bracket, the levels between which the fitted cost passes the budget: halfway, and where a straight line
        would. None where there is no bracket, or nothing new in it.
        """
        levels, fitted, _ = self.fit()
        strength, reached = self.tuned(budget)
        above = int(np.argmax(fitted >= budget))
        if not (reached and above) or (np.abs(fitted - budget) <= self.errors()).any():
            return []
        halfway = self.level((levels[above - 1] + levels[above]) / 2)
        return sorted({halfway, strength} - set(levels))

    def settled(self, budget: float) -> tuple[float, float, bool]:
        """Return the level tried whose fitted cost is nearest the budget, that cost, and whether the budget is within reach.

        That it is where it lies between the fitted costs of the least and the largest level, or within a standard error of
        the level's.
        """
        levels, fitted, _ = self.fit()
        nearest_level = int(np.argmin(np.abs(fitted - budget)))
        close = abs(fitted[nearest_level] - budget) <= self.errors()[nearest_level]
        reached = bool(close or fitted[0] <= budget <= fitted[-1])
        return levels[nearest_level], float(fitted[nearest_level]), reached


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
    """Find each arm's strength for a budget; return rows of arm, setting, strength, cost, reached, monotone.

    dials: by the arm's place among the arms. The bracket around the budget is halved until the cost of a level that was tried is
    the budget within its standard error over the seeds, or it has been halved often enough.
    """
    firsts = bench.cells([Job(cell_file("levels", 0, "first", seed), bench.first, seed) for seed in seeds])
    levels = {place: dial.levels for place, dial in dials.items()}
    for _ in range(1 + REFINED):
        tried = [(place, level) for place in dials for level in levels[place]]
        jobs = [job for place, level in tried for job in dials[place].jobs(place, [level], seeds)]
        cells = iter(bench.cells(jobs))
        for place, level in tried:
            dials[place].costs[level] = np.array([next(cells).cost(first, price)["cost"] for first in firsts])
        levels = {place: dial.closer(budget) for place, dial in dials.items()}
    rows = []
    for dial in dials.values():
        strength, cost, reached = dial.settled(budget)
        found = {"arm": dial.name, "setting": dial.setting, "strength": strength, "cost": cost, "reached": reached}
        rows.append(found | {"monotone": dial.fit()[2]})
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

    arms: scenarios by name; or one scenario, whose own strength is varied, the first arm being that without it. levels: of
    the strength; by default in geometric steps from the largest worth trying (see `largest` of the kind) to none. out: a folder
    in which the runs are kept, that of a comparison or one of their own, made if it is not there. The rest is as for `compare`.
    The frame has a row for each arm, level and metric: arm, setting, strength, metric, seeds, mean, low, high (95 %,
    Student's t; NaN with one seed, or where fewer than two have a value).
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
        bench = Bench(lean(first), day, _room(out), workers, say)
        firsts = [Job(cell_file("levels", 0, "first", seed), bench.first, seed) for seed in numbers]
        doses = [(dial, level, dial.jobs(place, [level], numbers)) for place, dial in dials.items() for level in dial.levels]
        cells = bench.cells(firsts + [job for _, _, jobs in doses for job in jobs])
    rows = []
    for run, (dial, level, _) in enumerate(doses, start=1):
        own = cells[run * len(numbers) : (run + 1) * len(numbers)]
        rows += _response(dial, level, own, cells[: len(numbers)], epochs, price_click)
    return pd.DataFrame(rows)


def _own(scenario: Scenario, strengths: Mapping[str, str | None] | None) -> dict[str, Scenario]:
    """Return a scenario with its strength at none, and as it is."""
    named = (strengths or {}).get(scenario.name) or _setting(scenario.name, Scenario(), scenario, None)
    dial = Dial(scenario.name, scenario, named, [])
    none = dial.none()
    return {f"{scenario.name} at {named} = {none:g}": dial.at(none), scenario.name: scenario}


def _room(out: str | Path | None) -> Path | None:
    """Return the folder in which runs are kept, made if it is not there."""
    if out is None:
        return None
    with faults(Path(out)):
        Path(out).mkdir(parents=True, exist_ok=True)
    return Path(out)


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
