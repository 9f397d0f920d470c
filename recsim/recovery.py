"""Recovery: a remedy that comes late. What comes back, how fast, and what never does.

Three arms under the same seeds: never the remedy, always, and from a day on. The late arm is the never arm up to that day, and
share of the distance to the always arm that it makes good afterwards is what comes back; the rest is hysteresis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim import survival
from recsim.arms import check_arms, last_epochs, lean, parting_day, seed_numbers
from recsim.cells import Bench, Cell, Job
from recsim.errors import RecsimError, nearest
from recsim.inference import SURE, interval
from recsim.progress import told
from recsim.ratios import ratio
from recsim.scenario import Scenario
from recsim.tables import decimals_for, with_half

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

ARMS = "never", "late", "always"
SHOWN = "coverage_model", "gini", "novelty", "depth", "feed_topics", "interest_topics", "utility", "click_rate"
"""Metrics of the text table, as far as they are there."""


def half_way(never: npt.ArrayLike, late: npt.ArrayLike, always: npt.ArrayLike, days: npt.ArrayLike) -> tuple[float, bool]:
    """Return the first day on which half of the gap is closed, and False; or the last day, and True where on none it is.

    The gap is always - never, all (n,) on the days (n,), rising; the side on which it lies is that of its mean. A day with a NaN
    does not count. Unit: that of the days. It is the first time: chance may bring it about once and take it back.

    >>> half_way([0, 0, 0], [0.1, 0.4, 0.6], [1, 1, 1], [7, 14, 21])
    (21.0, False)
    >>> half_way([0, 0, 0], [0.1, 0.4, 0.4], [1, 1, 1], [7, 14, 21])
    (21.0, True)
    """
    below, ours, above, when = (np.asarray(values, np.float64) for values in (never, late, always, days))
    gap = above - below
    side = np.sign(np.nansum(gap))
    there = np.flatnonzero(side * (ours - below) >= side * gap / 2) if side else np.zeros(0, np.int64)
    return (float(when[there[0]]), False) if len(there) else (float(when[-1]), True)


@dataclass
class Recovery:
    """A remedy from a day on, between the same world without it and with it from the start.

    scenario, remedy: the arms. day: from which the late arm has the remedy. seeds: the replications. last: epochs at the end over
    which `summary` averages. history: arm, seed, epoch, day (on which the epoch ends), metric, value.
    """

    scenario: Scenario
    remedy: Scenario
    day: float
    seeds: list[int]
    last: int
    history: pd.DataFrame = field(repr=False)

    def arms(self, metric: str) -> tuple[dict[str, Floats], Floats]:
        """Return a metric of each arm, (seeds, epochs), and the days on which the epochs end, (epochs,).

        Raises RecsimError for a metric that was not measured.
        """
        rows = self.history[self.history["metric"] == metric]
        if rows.empty:
            raise RecsimError(f"metric: there is no {metric!r}; {nearest(metric, self.metrics)}")
        tables = {arm: rows[rows["arm"] == arm].pivot(index="seed", columns="day", values="value") for arm in ARMS}
        return {arm: table.to_numpy(np.float64) for arm, table in tables.items()}, tables["late"].columns.to_numpy(np.float64)

    @cached_property
    def metrics(self) -> list[str]:
        """The metrics that were measured."""
        return list(dict.fromkeys(self.history["metric"]))

    def path(self, metric: str) -> pd.DataFrame:
        """Return what was closed of the gap as time went by, a row an epoch that ends after the remedy came.

        day: on which the epoch ends; never, late, always: means over seeds; closed: mean (late - never) over mean (always -
        never), and the ends low and high of its 95 % interval (delta method). Where there is hardly a gap, closed means little.
        """
        import pandas as pd

        values, days = self.arms(metric)
        rows = []
        for place in np.flatnonzero(days > self.day):
            never, late, always = (values[arm][:, place] for arm in ARMS)
            means = {arm: float(np.mean(values[arm][:, place])) for arm in ARMS}
            closed = dict(zip(("closed", "low", "high"), ratio(late - never, always - never), strict=True))
            rows.append({"day": days[place]} | means | closed)
        return pd.DataFrame(rows)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """What came back of each metric, a row each.

        never, late, always: means over the last epochs and all seeds. gap: always - never; left: always - late; closed: (late
        - never) / (always - never); each with the ends of its 95 % interval over the seeds, such as gap_low. half: median days
        from the remedy on until half of the gap was closed, half_low, half_high: its interval (Kaplan-Meier over seeds, inf: not
        within sight); unhealed: share of seeds in which it never was. verdict: "no gap" where the interval of the gap holds 0;
        "back" where that of what is left does; "lost" where that of what is closed does, or lies below it; "beyond" where the
        latter lies above 1; else "part".
        """
        import pandas as pd

        return pd.DataFrame([self._summed(metric) for metric in self.metrics])

    def _summed(self, metric: str) -> dict[str, Any]:
        values, days = self.arms(metric)
        never, late, always = (values[arm][:, -self.last :].mean(axis=1) for arm in ARMS)
        row: dict[str, Any] = {"metric": metric, "never": never.mean(), "late": late.mean(), "always": always.mean()}
        found = {"gap": interval(always - never), "left": interval(always - late), "closed": ratio(late - never, always - never)}
        for name, ends in found.items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        since = days > self.day
        paths, wait = [values[arm][:, since] for arm in ARMS], days[since] - self.day
        waits = [half_way(paths[0][seed], paths[1][seed], paths[2][seed], wait) for seed in range(len(self.seeds))]
        until, censored = zip(*waits, strict=True)
        median = survival.median(survival.curve(until, censored))
        row |= dict(zip(("half", "half_low", "half_high"), median, strict=True))
        return row | {"unhealed": float(np.mean(censored)), "verdict": _verdict(row)}

    def table(self, metrics: Sequence[str] = SHOWN, width: int = 120) -> str:
        """Return the summary of some metrics as text. width: of the line below."""
        lines = [f"{'metric':16}{'never':>9}{'late':>9}{'always':>9}{'closed':>15}{'left':>17}{'half after':>13}  verdict"]
        for row in self.summary[self.summary["metric"].isin(metrics)].to_dict("records"):
            decimals = decimals_for([row[arm] for arm in ARMS])
            means = "".join(f"{row[arm]:>9,.{decimals}f}" for arm in ARMS)
            closed = with_half(row["closed"], row["closed_high"] - row["closed"], 2) if row["verdict"] != "no gap" else "-"
            left = with_half(row["left"], row["left_high"] - row["left"], decimals, "+")
            half = "-" if row["verdict"] == "no gap" else "never" if math.isinf(row["half"]) else f"{row['half']:.1f}"
            lines.append(f"{row['metric']:16}{means}{closed:>15}{left:>17}{half:>13}  {row['verdict']}")
        foot = (
            f"The remedy comes on day {self.day:g}. Means of the last {self.last} epochs over {len(self.seeds)} seeds ± half "
            f"the {SURE:.0%} interval. closed: share of the gap between never and always; left: always less late; half after: "
            "days from the remedy on until half of the gap was closed, median over seeds. back: what is left cannot be told from "
            "0; lost: what is closed cannot; beyond: more than all is closed."
        )
        return "\n".join([*lines, fill(foot, width)])


def _verdict(row: dict[str, Any]) -> str:
    """Return in a word what came back, by the intervals of a row of the summary; empty where there is none."""
    if math.isnan(row["gap_low"]):
        return ""
    if row["gap_low"] <= 0 <= row["gap_high"]:
        return "no gap"
    if row["left_low"] <= 0 <= row["left_high"]:
        return "back"
    return "lost" if row["closed_low"] <= 0 else "beyond" if row["closed_low"] > 1 else "part"


def recover(
    scenario: Scenario,
    remedy: Scenario,
    day: float,
    seeds: int | Iterable[int] = 20,
    *,
    last: int | None = None,
    workers: int | None = None,
    progress: bool | Callable[[float, str], None] = True,
) -> Recovery:
    """Run a world without a remedy, with it from the start, and with it from a day on, and return what comes back.

    remedy: the scenario with the remedy; it may differ in feed, training and signals. day: on which no model waits to go live,
    such as that of a cut. last: epochs at the end over which the summary averages; by default a quarter of all. seeds, workers,
    progress: as in `compare`. Raises RecsimError in one line for what the user can mend.
    """
    numbers, second = seed_numbers(seeds), _late(scenario, day)
    epochs = last_epochs(scenario, second, last)
    if remedy.but(name=scenario.name, about=scenario.about) == scenario:
        raise RecsimError("remedy: is the same as the scenario; change something in it")
    check_arms({"never": scenario, "late": remedy}, second)
    never, always = lean(scenario), lean(remedy)
    with told("recovery", progress) as say:
        late = Bench(never, second, None, workers, lambda done, text: say(done * 2 / 3, text))
        whole = Bench(never, 0.0, None, workers, lambda done, text: say((2 + done) / 3, text))
        names = [(arm, seed) for seed in numbers for arm in ARMS[:2]]
        jobs = [Job(f"{arm} seed {seed}", always if arm == "late" else never, seed) for arm, seed in names]
        cells = dict(zip(names, late.cells(jobs), strict=True))
        found = whole.cells([Job(f"always seed {seed}", always, seed) for seed in numbers])
    cells |= {("always", seed): cell for seed, cell in zip(numbers, found, strict=True)}
    return Recovery(scenario, remedy, second, numbers, epochs, _history(scenario, cells))


def _late(scenario: Scenario, day: float) -> float:
    """Return the day on which a remedy may come late."""
    try:
        second = parting_day(scenario, day)
    except RecsimError as fault:  # which calls it by another name
        raise RecsimError("day" + str(fault).removeprefix("warm_up")) from None
    if not second:
        raise RecsimError("day: a remedy that comes on day 0 was always there; give a later day")
    return second


def _history(scenario: Scenario, cells: dict[tuple[str, int], Cell]) -> pd.DataFrame:
    """Return every metric of every epoch of all arms, with the day on which the epoch ends."""
    import pandas as pd

    frames = [
        pd.DataFrame(cell.columns).melt("epoch", var_name="metric").assign(arm=arm, seed=seed)
        for (arm, seed), cell in cells.items()
    ]
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(day=frame["epoch"].map(scenario.end_of))[["arm", "seed", "epoch", "day", "metric", "value"]]
