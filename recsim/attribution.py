"""Attribution: how much of the narrowing each of several causes explains, from the worlds with and without each of them.

With k causes there are 2^k worlds, all under the same seeds: they share their random numbers by address. A cause is taken away
by a switch, a function from a scenario to the scenario without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from itertools import combinations
from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from recsim.arms import last_epochs, lean, seed_numbers
from recsim.behaviour import Luce, position_bias
from recsim.cells import Bench, Cell, Job, by_epoch
from recsim.dynamics import Reinforcement
from recsim.errors import RecsimError, encodable, nearest
from recsim.inference import SURE, interval
from recsim.progress import told
from recsim.ratios import ratio
from recsim.scenario import Scenario
from recsim.signals import Stream
from recsim.simulation import World
from recsim.tables import decimals_for, with_half
from recsim.world import Origin

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Switch = Callable[[Scenario], Scenario]

MOST = 6
"""Causes at most: 64 worlds under each seed."""


# --------------------------------------------------------------------------------------------------- what is taken away
def without_loop(scenario: Scenario) -> Scenario:
    """Return the scenario in which models learn from what people would have done unsteered."""
    return scenario.but(open_loop=True)


def without_position_bias(scenario: Scenario) -> Scenario:
    """Return the scenario in which every position gets the attention that positions get on average, so that volume stays.

    Raises RecsimError where choice has no position bias to take away. Only `Luce` has: its worths are relative to *outside*,
    which is divided by the mean attention instead.
    """
    choice = scenario.choice
    if not isinstance(choice, Luce):
        raise RecsimError(f"switches: position bias cannot be taken from a choice of kind {choice.kind}; let choice be Luce")
    mean = float(position_bias(choice.bias, scenario.slate).mean())
    return scenario.but(choice=choice.but(bias="none", outside=choice.outside / mean))


def without_reinforcement(scenario: Scenario) -> Scenario:
    """Return the scenario in which people do not come to want more of what they consume."""
    return scenario.but(dynamics=tuple(moved for moved in scenario.dynamics if not isinstance(moved, Reinforcement)))


def without_cold_start(scenario: Scenario) -> Scenario:
    """Return the scenario in which a row by somebody who wants it teaches each model every item: see `Scenario.controls`.

    That is more than items being known: where the window is short, these rows are a good part of all that teach.
    """
    known: Scenario = scenario.controls()["all items known"]
    return known


SWITCHES: dict[str, Switch] = {
    "loop": without_loop,
    "position bias": without_position_bias,
    "reinforcement": without_reinforcement,
    "cold start": without_cold_start,
}
"""Causes by name, and what takes each away."""


# ------------------------------------------------------------------------------------------------------- how it is shared
def shapley(values: npt.ArrayLike) -> Floats:
    """Return the Shapley value of each of k causes, (..., k), from the values of all worlds, (..., 2^k).

    World number w has cause i where bit i of w is set. phi_i = sum over the worlds S without i of |S|! (k - |S| - 1)! / k! times
    (v(S with i) - v(S)): what i adds, averaged over all orders in which causes may come. They add up to v(all) - v(none).
    In the unit of the values. Source: Shapley 1953, "A value for n-person games" (Contributions to the Theory of Games II).

    >>> shapley([0.0, 0.0, 0.0, 1.0]).tolist()    # two causes that do nothing without each other
    [0.5, 0.5]
    >>> shapley([0.0, 2.0, 1.0, 3.0]).tolist()    # two that add up
    [2.0, 1.0]
    """
    return np.stack([_added(values, cause, _of_orders) for cause in range(_causes(values))], axis=-1)


def main_effect(values: npt.ArrayLike, cause: int) -> Floats:
    """Return what a cause adds, (...), averaged over the 2^(k-1) worlds of the others, all weighing alike.

    values: (..., 2^k), as for `shapley`. The main effect of a two-level factorial: Box, Hunter and Hunter, "Statistics for
    experimenters", ch. 5.

    >>> float(main_effect([0.0, 0.0, 0.0, 1.0], 0))
    0.5
    """
    return _added(values, cause, lambda others, k: 1 / 2 ** (k - 1))


def interaction(values: npt.ArrayLike, one: int, other: int) -> Floats:
    """Return how much more a cause adds where the other is there, (...), averaged over the worlds of the rest.

    v(both) - v(one) - v(other) + v(neither); 0 where they only add up. values: (..., 2^k), as for `shapley`. Twice what
    Box, Hunter and Hunter call the two-factor interaction.

    >>> float(interaction([0.0, 0.0, 0.0, 1.0], 0, 1)), float(interaction([0.0, 2.0, 1.0, 3.0], 0, 1))
    (1.0, 0.0)
    """
    v = np.asarray(values, np.float64)
    rest = [world for world in range(v.shape[-1]) if not world >> one & 1 and not world >> other & 1]
    a, b = 1 << one, 1 << other
    return np.mean([v[..., w | a | b] - v[..., w | a] - v[..., w | b] + v[..., w] for w in rest], axis=0)


def _causes(values: npt.ArrayLike) -> int:
    worlds = np.shape(values)[-1]
    if worlds < 2 or worlds & (worlds - 1):
        raise RecsimError(f"values: there are {worlds} worlds; give the values of all 2^k worlds of k causes, at least 2")
    return worlds.bit_length() - 1


def _of_orders(others: int, k: int) -> float:
    """Return the share of all orders in which a cause comes after these *others*, as many, and before the rest."""
    return math.factorial(others) * math.factorial(k - others - 1) / math.factorial(k)


def _added(values: npt.ArrayLike, cause: int, weight: Callable[[int, int], float]) -> Floats:
    """Return the sum over the worlds without a cause of what it adds to each, weighed by how many others are there."""
    v, k, bit = np.asarray(values, np.float64), _causes(values), 1 << cause
    total = np.zeros(v.shape[:-1])
    for world in range(len(v.T)):
        if not world & bit:
            total = total + weight(world.bit_count(), k) * (v[..., world | bit] - v[..., world])
    return total


# ------------------------------------------------------------------------------------------------------------ the worlds
@dataclass
class Attribution:
    """What each cause adds to a metric, from all worlds with and without each, under the same seeds.

    causes: their names; bit i of a world's number says whether cause i is there. metric: by default; any other of the worlds can
    be asked for. seeds: the replications. last: epochs at the end over which metrics are averaged.
    values: seed, world (its number), a column a cause (bool), metric, value.
    """

    causes: list[str]
    metric: str
    seeds: list[int]
    last: int
    values: pd.DataFrame = field(repr=False)

    def worlds(self, metric: str | None = None) -> Floats:
        """Return the metric of each seed and world: (seeds, 2^k). Raises RecsimError for one that was not measured."""
        name = self.metric if metric is None else metric
        rows = self.values[self.values["metric"] == name]
        if rows.empty:
            raise RecsimError(f"metric: there is no {name!r}; {nearest(name, sorted(set(self.values['metric'])))}")
        return rows.pivot(index="seed", columns="world", values="value").to_numpy(np.float64)

    @cached_property
    def effects(self) -> pd.DataFrame:
        """The effects on the metric, see `effects_on`."""
        return self.effects_on(self.metric)

    def effects_on(self, metric: str) -> pd.DataFrame:
        """Return every effect on a metric, a row each.

        kind: "total", all causes together, v(all) - v(none); "alone", one cause in a world without the others; "last", what is
        lost with one where all are; "main", "shapley" and "interaction" as the functions of these names. term: the cause, or two.
        value: mean over seeds, with the ends low and high of its 95 % interval (Student's t, paired by seed). share, share_low,
        share_high: of the total, for alone, last and shapley (ratio of means, delta method); those of shapley add up to 1.
        """
        import pandas as pd

        v = self.worlds(metric)
        total = v[:, -1] - v[:, 0]
        rows = []
        for kind, term, each in self._terms(v):
            row = dict(zip(("value", "low", "high"), interval(each), strict=True))
            parts = kind in ("alone", "last", "shapley")
            share = ratio(each, total) if parts else (math.nan,) * 3
            rows.append({"kind": kind, "term": term} | row | dict(zip(("share", "share_low", "share_high"), share, strict=True)))
        return pd.DataFrame(rows)

    def _terms(self, v: Floats) -> Iterable[tuple[str, str, Floats]]:
        """Yield kind and term of every effect, and its value under each seed."""
        yield "total", "all causes", v[:, -1] - v[:, 0]
        everything, fair = v.shape[1] - 1, shapley(v)
        for place, cause in enumerate(self.causes):
            yield "alone", cause, v[:, 1 << place] - v[:, 0]
            yield "last", cause, v[:, -1] - v[:, everything ^ 1 << place]
            yield "main", cause, main_effect(v, place)
            yield "shapley", cause, fair[:, place]
        for one, other in combinations(range(len(self.causes)), 2):
            yield "interaction", f"{self.causes[one]} x {self.causes[other]}", interaction(v, one, other)

    def table(self, width: int = 120) -> str:
        """Return the effects as text, a line a cause and then a line an interaction. width: of the line below."""
        found, v = {(row["kind"], row["term"]): row for row in self.effects.to_dict("records")}, self.worlds()
        decimals = decimals_for([row["value"] for row in found.values()])
        told = {key: with_half(row["value"], row["high"] - row["value"], decimals, "+") for key, row in found.items()}
        room = max(len(str(term)) for _, term in found)
        kinds = "alone", "last", "main", "shapley"
        lines = [f"{'cause':{room}}" + "".join(f"{kind:>19}" for kind in kinds) + f"{'share':>16}"]
        for cause in self.causes:
            row = found["shapley", cause]
            share = with_half(row["share"], row["share_high"] - row["share"], 2)
            lines.append(f"{cause:{room}}" + "".join(f"{told[kind, cause]:>19}" for kind in kinds) + f"{share:>16}")
        lines.append(f"{'all causes':{room}}{told['total', 'all causes']:>{19 * len(kinds)}}")
        lines += [f"{term:{room}}{text:>19}" for (kind, term), text in told.items() if kind == "interaction"]
        foot = (
            f"{self.metric}: {v[:, 0].mean():.{decimals}f} without the causes, {v[:, -1].mean():.{decimals}f} with all. Means "
            f"over {len(self.seeds)} seeds ± half the {SURE:.0%} interval (Student's t). alone: without the others; last: where "
            "all others are; main: over all worlds of the others; shapley: over all orders; share: of all causes together, by "
            "shapley. Two causes: how much more the one adds where the other is."
        )
        return "\n".join([*lines, fill(foot, width)])


class Apart(World):
    """A world by itself, in which rows of before the loop teach whether it is open or closed.

    In the open loop only shadow rows teach; without this an item known from before would be known in the closed loop alone.
    """

    def tell(self, stream: Stream) -> None:
        """Let a signal do what this moment asks for; what it replays is put beside the shadow rows as well."""
        before = self.log.rows
        super().tell(stream)
        rows = self.log.columns(before)
        if self.scenario.open_loop:
            self.shadow.append({name: column[rows["origin"] == Origin.ANCHOR] for name, column in rows.items()})
            self.shadow.close_window()


def run_apart(first: Scenario, arm: Scenario, warm_up: float, seed: int) -> Cell:
    """Return the cell of a world by itself: it may differ from the first in anything."""
    world = Apart(arm, seed).advance(arm.days)
    world.close_epoch()
    return Cell(by_epoch(world), {}, world.log.digest.hex())


def attribute(
    scenario: Scenario,
    switches: Sequence[str] | Mapping[str, Switch] = tuple(SWITCHES),
    metric: str = "coverage_model",
    seeds: int | Iterable[int] = 10,
    *,
    last: int | None = None,
    workers: int | None = None,
    progress: bool | Callable[[float, str], None] = True,
) -> Attribution:
    """Run the worlds with and without each of several causes, and return how much of a metric each explains.

    scenario: the world in which all causes are at work. switches: names out of `SWITCHES`, or functions by name that each take
    a cause away, applied in their order; from 1 to 6. metric: of the last epochs. last: epochs at the end over which metrics are
    averaged; by default a quarter of all. seeds, workers, progress: as in `compare`.
    Raises RecsimError in one line for what the user can mend, such as a cause that is not there to be taken away.
    """
    chosen, numbers = _chosen(switches), seed_numbers(seeds)
    epochs = last_epochs(scenario, 0.0, last)
    worlds = _worlds(scenario, chosen)
    with told("attribution", progress) as say:
        bench = Bench(worlds[-1], 0.0, None, workers, say, run_apart)
        jobs = [Job(f"world {number} seed {seed}", world, seed) for seed in numbers for number, world in enumerate(worlds)]
        cells = bench.cells(jobs)
    found = Attribution(list(chosen), metric, numbers, epochs, _values(list(chosen), numbers, cells, epochs))
    found.worlds()
    return found


def _chosen(switches: Sequence[str] | Mapping[str, Switch]) -> dict[str, Switch]:
    """Return the switches by name."""
    if not isinstance(switches, Mapping):
        names = [switches] if isinstance(switches, str) else list(switches)
        unknown = [name for name in names if name not in SWITCHES]
        if unknown:
            raise RecsimError(f"switches: there is no {unknown[0]!r}; {nearest(str(unknown[0]), SWITCHES)}")
        switches = {name: SWITCHES[name] for name in names}
    if not 1 <= len(switches) <= MOST:
        raise RecsimError(f"switches: there are {len(switches)}; give from 1 to {MOST}, since each doubles the number of worlds")
    for name in switches:
        if not (isinstance(name, str) and encodable(name)):
            raise RecsimError(f"switches: {name!r} cannot be written as UTF-8; give another name")
    return dict(switches)


def _worlds(scenario: Scenario, switches: Mapping[str, Switch]) -> list[Scenario]:
    """Return the scenarios of all worlds: in number w cause i is at work where bit i is set."""
    for name, switch in switches.items():
        if switch(scenario).hash == scenario.hash:
            raise RecsimError(f"switches: {name} is not at work in this scenario; put the cause into it, or leave it out")

    def world(number: int) -> Scenario:
        away = [switch for place, switch in enumerate(switches.values()) if not number >> place & 1]
        return lean(reduce(lambda with_it, switch: switch(with_it), away, scenario))

    return [world(number) for number in range(1 << len(switches))]


def _values(causes: list[str], seeds: Sequence[int], cells: Sequence[Cell], last: int) -> pd.DataFrame:
    """Return each metric of each world and seed, its mean over the last epochs."""
    import pandas as pd

    worlds = 1 << len(causes)
    rows = [
        (seeds[place // worlds], place % worlds, metric, float(column[-last:].mean()))
        for place, cell in enumerate(cells)
        for metric, column in cell.columns.items()
        if metric != "epoch"
    ]
    frame = pd.DataFrame(rows, columns=["seed", "world", "metric", "value"])
    there = {cause: (frame["world"].to_numpy() >> place & 1).astype(bool) for place, cause in enumerate(causes)}
    return frame.assign(**there)[["seed", "world", *causes, "metric", "value"]]
