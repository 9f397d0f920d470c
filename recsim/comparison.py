"""Compare: arms that part from one warmed-up world, seed by seed, with paired differences, intervals, and what each arm costs.

A cell is one arm under one seed. All arms of a seed share its past and, by address, every random number that they have in common,
so that the difference of two cells is mostly that of the arms.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import signal
import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from operator import index
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim.archive import versions
from recsim.errors import RecsimError, nearest
from recsim.files import PART, absent, appearing, faults, whole
from recsim.progress import Progress
from recsim.scenario import Scenario
from recsim.simulation import World
from recsim.world import DAY, FEED

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

LEAGUE = {
    "coverage_model": "share of items",
    "coverage": "share of items",
    "gini": "0 even to 1 uneven",
    "novelty": "bits",
    "utility": "per item consumed",
    "cost": "clicks per 1,000 visits",
}
"""The columns of the league table, and their units."""
DOSED = ("coverage", "coverage_model", "novelty", "utility", "cost")
COSTS = "cost", "cost_all"
COUNTED = "visits", "feed_clicks", "clicks", "spent", "labels"  # summed from the fork on
SURE = 0.95  # of the intervals, and 1 minus the level of the tests
TUNING = 4  # seeds on which strengths are tuned
STEPS = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)  # levels of a strength, as shares of the largest
REFINED = 3  # levels tried between those around the budget
BEYOND = 8  # how many times what is given the largest level is, where a setting has no upper end
APART = ("__init__", "__main__", "cli", "plot", "verdict", "expectation", "progress")  # modules that cannot change a cell
KEPT = "comparison.json"
FRESH = "choose another folder, or go on with the comparison in it by resuming it"


# ---------------------------------------------------------------------------------------------------- one arm, one seed
@dataclass
class Cell:
    """What one arm did under one seed.

    columns: the metrics of each epoch, a column a metric, and `epoch` itself; those of a group are called `utility.niche`.
    totals: sums of what was counted since the fork, by name. digest: of the clicks, those before the fork too.
    """

    columns: dict[str, npt.NDArray[Any]]
    totals: dict[str, float]
    digest: str


@lru_cache(maxsize=1)
def _warmed(first: Scenario, warm_up: float, seed: int) -> World:
    """Return the world from which the arms of a seed part; kept, since the next cell mostly wants the same."""
    world = World(first, seed, forks=True)
    return world.advance(warm_up) if warm_up else world


def _cell(first: Scenario, arm: Scenario, warm_up: float, seed: int) -> Cell:
    """Let one arm part from the warmed-up world of the first, and run it to its end."""
    warm = _warmed(first, warm_up, seed)
    counters = warm.counters
    before = {
        "visits": counters.visits, "feed_clicks": counters.epoch[1][FEED, :].sum(), "clicks": counters.epoch[1].sum(),
        "spent": counters.spent, "labels": counters.labels,
    }  # fmt: skip
    world = warm.fork(arm).advance(arm.days)
    world.close_epoch()
    columns = _by_epoch(world)
    since = columns["epoch"] >= warm.epoch
    totals = {name: float(columns[name][since].sum() - before[name]) for name in COUNTED}
    return Cell(columns, totals, world.log.digest.hex())


def _by_epoch(world: World) -> dict[str, npt.NDArray[Any]]:
    """Return the history of whole epochs as columns."""
    columns: dict[str, list[float]] = {}
    for _, epoch, _, group, metric, value in world.history:
        if metric == "coverage":  # the first row of an epoch
            columns.setdefault("epoch", []).append(epoch)
        columns.setdefault(metric if group == "all" else f"{metric}.{group}", []).append(value)
    return {name: np.array(column, np.int32 if name == "epoch" else np.float64) for name, column in columns.items()}


def _at_work(place: int, first: Scenario, arm: Scenario, warm_up: float, seed: int) -> tuple[int, Cell]:
    """Return a cell and its place among the jobs; Ctrl-C is for the process that handed it out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return place, _cell(first, arm, warm_up, seed)


class _Job(NamedTuple):
    """A cell that is wanted, and the file it is kept in, by its path in the folder."""

    file: str
    arm: Scenario
    seed: int


class _Bench:
    """Gives cells: those that are kept and still hold, and the others run, on several processes."""

    def __init__(
        self, first: Scenario, warm_up: float, folder: Path | None, workers: int | None, say: Callable[[float, str], None],
    ) -> None:  # fmt: skip
        self.first, self.warm_up, self.folder, self.say = first, warm_up, folder, say
        self.workers = _workers(workers)
        self.planned, self.done = 0, 0
        self._kept: dict[str, Cell] = {}
        self._made = f"{World(first, 0).drawn} {_code()} {sorted(versions().items())}"

    def cells(self, jobs: Sequence[_Job]) -> list[Cell]:
        """Return the cells of some jobs, in their order; each that had to be run is kept at once.

        Raises RecsimError where an arm cannot be run, or a process was killed.
        """
        found = [self._look(job) for job in jobs]
        self.planned = max(self.planned, len(jobs)) - sum(cell is not None for cell in found)
        missing = [place for place, cell in enumerate(found) if cell is None]
        try:
            with closing(self._run(jobs, missing)) as done:
                for place, cell in done:
                    found[place] = cell
                    self._keep(jobs[place], cell)
                    self.done += 1
                    self.say(min(1.0, self.done / max(1, self.planned)), Path(jobs[place].file).stem)
        finally:
            _warmed.cache_clear()
        return [cell for cell in found if cell is not None]

    def _run(self, jobs: Sequence[_Job], missing: Sequence[int]) -> Generator[tuple[int, Cell]]:
        """Yield cells as they are done, each with its place among the jobs."""
        calls = [(place, self.first, jobs[place].arm, self.warm_up, jobs[place].seed) for place in missing]
        workers = min(self.workers, len(calls))
        if workers <= 1:
            yield from ((call[0], _cell(*call[1:])) for call in calls)
            return
        from joblib import Parallel, delayed, parallel_config

        try:
            with parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
                pool = Parallel(return_as="generator_unordered", batch_size=1, pre_dispatch="2 * n_jobs")
                done = pool(delayed(_at_work)(*call) for call in calls)
            try:
                for cell in done:  # noqa: UP028  (`yield from` would close it before the filter below is set)
                    yield cell
            finally:
                with warnings.catch_warnings():  # joblib warns of what an interruption leaves undone
                    warnings.simplefilter("ignore", UserWarning)
                    done.close()
        except BrokenProcessPool as fault:
            why = str(fault).partition(". ")[0].lower()
            raise RecsimError(f"workers: {why}; take fewer of them, or one to see the fault itself") from None

    def identity(self, job: _Job) -> str:
        """Return the SHA-256 of all that a cell follows from, as hexadecimal text."""
        parts = _settings_hash(self.first), _settings_hash(job.arm), round(self.warm_up * DAY), job.seed, self._made
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _look(self, job: _Job) -> Cell | None:
        """Return a cell that is kept; one that comes from other code, versions or data is removed."""
        identity = self.identity(job)
        if self.folder is None or not (path := self.folder / job.file).exists():
            return self._kept.get(identity)
        try:
            cell, made = _read(path)
        except RecsimError:
            cell, made = None, ""
        if made != identity:
            with faults(path):
                path.unlink()
            return None
        return cell

    def _keep(self, job: _Job, cell: Cell) -> None:
        if self.folder is None:
            self._kept[self.identity(job)] = cell
            return
        about = {"identity": self.identity(job), "seed": str(job.seed), "digest": cell.digest}
        with faults(self.folder):
            (self.folder / job.file).parent.mkdir(exist_ok=True)
        _write(self.folder / job.file, cell.columns, about | {"totals": json.dumps(cell.totals)})


def _workers(number: int | None) -> int:
    """Return how many processes to use: as many as asked for, or one a core."""
    if number is None:
        from joblib import cpu_count

        return int(cpu_count())
    return _whole("workers", number, 1)


def _whole(name: str, value: Any, least: int) -> int:
    try:
        number = index(value)
    except TypeError:
        number = least - 1
    if number < least:
        raise RecsimError(f"{name}: must be a whole number from {least} on, not {value!r}")
    return number


@lru_cache(maxsize=1024)
def _settings_hash(scenario: Scenario) -> str:
    return scenario.hash


@lru_cache(maxsize=1)
def _code() -> str:
    """Return the SHA-256 of the source text of all modules that have a say in what a cell holds."""
    paths = sorted(path for path in Path(__file__).parent.glob("*.py") if path.stem not in APART)
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def _write(path: Path, columns: Mapping[str, Any], about: Mapping[str, str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with whole(path) as part:
        pq.write_table(pa.table(dict(columns), metadata=dict(about)), part, compression="zstd", compression_level=1)


def _read(path: Path) -> tuple[Cell, str]:
    """Return the cell of a file, and its identity.

    Raises RecsimError when the file is none, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, partitioning=None)
        about = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return Cell(columns, json.loads(about["totals"]), about["digest"]), about["identity"]
    except (OSError, pa.ArrowException, KeyError, ValueError, AttributeError) as fault:
        raise RecsimError(f"{path}: is damaged ({fault}); remove it and resume the comparison") from None


# ------------------------------------------------------------------------------------------------------- the statistics
def interval(values: npt.ArrayLike, sure: float = SURE) -> tuple[float, float, float]:
    """Return the mean of independent values and Student's t interval for it; NaN ends for fewer than two values.

    values: (n,), of which NaN do not count. sure: its probability of holding the true mean.

    >>> [round(end, 3) for end in interval([1.0, 2.0, 3.0])]
    [2.0, -0.484, 4.484]
    """
    from scipy.stats import t

    x = np.asarray(values, np.float64)
    x = x[~np.isnan(x)]
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return mean, math.nan, math.nan
    half = float(t.ppf(0.5 + sure / 2, len(x) - 1)) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return mean, mean - half, mean + half


def paired_p(differences: npt.ArrayLike) -> float:
    """Return the p-value of the paired t test, two-sided; NaN for fewer than two differences.

    Differences that are all alike have no spread: 1 if they are 0, else 0.

    >>> round(paired_p([1.0, 2.0, 3.0]), 4), paired_p([0.0, 0.0])
    (0.0742, 1.0)
    """
    from scipy.stats import t

    d = np.asarray(differences, np.float64)
    d = d[~np.isnan(d)]
    if len(d) < 2:
        return math.nan
    mean, error = float(d.mean()), float(d.std(ddof=1)) / math.sqrt(len(d))
    if error == 0:
        return float(mean == 0)
    return 2 * float(t.sf(abs(mean) / error, len(d) - 1))


def holm(p: npt.ArrayLike) -> Floats:
    """Return p-values adjusted so that the chance of any false alarm among them stays at the level: (n,), NaN stays NaN.

    The k-th smallest of n is multiplied by n - k + 1; each is at least those before it and at most 1.
    Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6(2).

    >>> [round(float(value), 6) for value in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted = np.array(p, np.float64)
    order = np.argsort(adjusted)[: int((~np.isnan(adjusted)).sum())]  # NaN are sorted last
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(adjusted[order] * factors))
    return adjusted


@dataclass
class Comparison:
    """Arms side by side: frames of what each did under each seed, and of the paired differences to the first arm.

    arms: by name, the first one being what the others are compared with; with equal cost they have their tuned strengths.
    seeds: the replications. warm_up: days that all arms share. last: epochs at the end over which metrics are averaged.
    price_click: of a click, in units of cost. budget: clicks per 1,000 visits that strengths were tuned to, or None.
    strengths: a row for each tuned arm: arm, setting, strength, reached, monotone. folder: where it is kept, or None.
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
        kept = _Folder.read(Path(folder))
        cells = {
            (name, seed): _read(kept.folder / file)[0]
            for place, name in enumerate(kept.arms)
            for seed in kept.seeds
            if (kept.folder / (file := _file("cells", place, name, seed))).exists()
        }
        if not cells:
            raise RecsimError(f"{folder}: no arm has been run in it yet; resume the comparison")
        return kept.comparison(cells)

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
            rows.append({"arm": arm, "seed": seed} | _cost(cell, first, self.price_click) | cell.totals)
        return pd.DataFrame(rows)

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
        arms together (Bonferroni); p of the paired t test, adjusted over the arms within the metric (Holm). NaN ends where
        there is one seed.
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
        lines = [_blocks(heads, columns, width), *(fill(text, width) for text in (foot, *self._tuned_lines()))]
        return "\n".join(lines)

    def answer(self) -> str:
        """Return one sentence: which arms make the model show more of the catalogue than the first, and the cheapest of them."""
        first, *others = self.arms
        if len(self.seeds) < 2:
            return f"One seed cannot tell an effect from chance: give at least two to compare with {first}."
        shown = {name: self._found[name, "coverage_model"] for name in others}
        wider = [name for name, row in shown.items() if row["p"] < 1 - SURE and row["difference"] > 0]
        if not wider:
            many = _seeds(len(self.seeds))
            return f"No arm makes the model show more of the catalogue than {first} does, as far as {many} can tell."
        cost, cheapest = min((self._found[name, "cost"]["mean"], name) for name in wider)
        price = _number(cost, self._found[cheapest, "cost"]["mean_high"] - cost, _decimals([cost]))
        return (
            f"In {len(wider)} of {len(others)} arms the model shows more of the catalogue than under {first}; "
            f"the cheapest of them is {cheapest}, at {price} clicks per 1,000 visits."
        )

    def _tuned_lines(self) -> list[str]:
        """Return a line for each tuned arm: its strength, what it was to cost and what it did."""
        lines = []
        for row in self.strengths.to_dict("records"):
            cost = self._found[row["arm"], "cost"]
            achieved = _number(cost["mean"], cost["mean_high"] - cost["mean"], _decimals([self.budget or 0.0]))
            text = f"{row['arm']}: {row['setting']} = {row['strength']:.4g}, cost {achieved}, budget {self.budget:g}"
            text += "" if row["reached"] else "; THE BUDGET CANNOT BE REACHED: its largest strength was kept"
            lines.append(text + ("" if row["monotone"] else "; its cost does not rise steadily with its strength"))
        return lines


def _seeds(number: int) -> str:
    return f"{number} seed{'s' * (number != 1)}"


def _cost(cell: Cell, first: Cell | None, price: float) -> dict[str, float]:
    """Return what an arm cost since the fork, per 1,000 of its visits: by clicks in the feed, and by all clicks."""
    ours, theirs = cell.totals, first.totals if first else dict.fromkeys(COUNTED, math.nan)
    scale = 1000 / ours["visits"] if ours["visits"] else math.nan
    return {
        name: (price * (theirs[clicks] - ours[clicks]) + ours["spent"]) * scale
        for name, clicks in zip(COSTS, ("feed_clicks", "clicks"), strict=True)
    }


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


def _column(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of one metric: one for the first arm, two for each other. rows: of the arms, as in `differences`."""
    decimals = _decimals([row["mean"] for row in rows])
    lines: list[str] = []
    for row in rows:
        lines.append(_number(row["mean"], row["mean_high"] - row["mean"], decimals) + " ")
        star = "*" if row["p"] < 1 - SURE else " "
        lines.append(_number(row["difference"], row["high"] - row["difference"], decimals, sign="+") + star)
    return [lines[0], *lines[2:]]  # the first arm has no difference to itself


def _decimals(values: Sequence[float]) -> int:
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 3 if largest < 10 else 1 if largest < 1000 else 0


def _number(value: float, half: float, decimals: int, sign: str = "") -> str:
    """Return a number with half its interval; '-' for what was not measured.

    >>> _number(0.1234, 0.002, 3), _number(0.1234, math.nan, 2, sign="+"), _number(math.nan, math.nan, 3)
    ('0.123 ± 0.002', '+0.12', '-')
    """
    if not math.isfinite(value):
        return "-"
    text = f"{value:{sign},.{decimals}f}"
    return f"{text} ± {half:,.{decimals}f}" if math.isfinite(half) else text


def _blocks(heads: list[str], columns: list[list[str]], width: int) -> str:
    """Return columns beside each other under the same heads of lines, in as many blocks as fit the width."""
    room = max(map(len, heads))
    blocks: list[list[list[str]]] = [[]]
    for column in columns:
        taken = room + sum(2 + max(map(len, other)) for other in blocks[-1])
        if blocks[-1] and taken + 2 + max(map(len, column)) > width:
            blocks.append([])
        blocks[-1].append(column)
    texts = []
    for block in blocks:
        cells = [[cell.rjust(max(map(len, column))) for cell in column] for column in block]
        lines = zip([head.ljust(room) for head in heads], *cells, strict=True)
        texts.append("\n".join("  ".join(line).rstrip() for line in lines))
    return "\n\n".join(texts) + "\n"


# ------------------------------------------------------------------------------------------------------------ strengths
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


@dataclass
class _Dial:
    """The strength of one arm: the setting that holds it, the levels tried, and what they cost on the tuning seeds."""

    name: str
    arm: Scenario
    setting: str
    levels: list[float]
    costs: dict[float, Floats] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, first: Scenario, arm: Scenario, named: str | None, levels: Sequence[float] | None) -> _Dial:
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

    def jobs(self, place: int, levels: Iterable[float], seeds: Sequence[int]) -> list[_Job]:
        """Return the cells that show the arm at some levels."""
        return [
            _Job(_file("levels", place, f"{level!r}-{self.name}", seed), self.at(level), seed)
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


def _tune(bench: _Bench, dials: Mapping[int, _Dial], seeds: Sequence[int], budget: float, price: float) -> list[dict[str, Any]]:
    """Find each arm's strength for a budget; return rows of arm, setting, strength, reached, monotone.

    dials: by the arm's place among the arms.
    """
    firsts = bench.cells([_Job(_file("levels", 0, "first", seed), bench.first, seed) for seed in seeds])
    levels = {place: dial.levels for place, dial in dials.items()}
    for _ in range(2):
        tried = [(place, level) for place in dials for level in levels[place]]
        jobs = [job for place, level in tried for job in dials[place].jobs(place, [level], seeds)]
        cells = iter(bench.cells(jobs))
        for place, level in tried:
            dials[place].costs[level] = np.array([_cost(next(cells), first, price)["cost"] for first in firsts])
        levels = {place: dial.closer(budget) for place, dial in dials.items()}
    rows = []
    for dial in dials.values():
        strength, reached = dial.tuned(budget)
        found = {"arm": dial.name, "setting": dial.setting, "strength": strength, "reached": reached, "monotone": dial.fit()[2]}
        rows.append(found)
    return rows


# ----------------------------------------------------------------------------------------------------------- the folder
def _file(folder: str, place: int, name: str, seed: int) -> str:
    return f"{folder}/{place:02d}-{_slug(name)}-seed{seed:05d}.parquet"


def _slug(name: str) -> str:
    """Return a name that any file system takes.

    >>> _slug("5 % exploration")
    '5-exploration'
    """
    return re.sub(r"[^A-Za-z0-9._]+", "-", name).strip("-.")[:60] or "arm"


@dataclass
class _Folder:
    """What a comparison is, and its folder: arms/ and cells/, levels/ of strengths, and `comparison.json`."""

    arms: dict[str, Scenario]
    seeds: list[int]
    warm_up: float
    last: int
    price_click: float
    equal_cost: float | None = None
    settings: dict[str, str | None] = field(default_factory=dict)
    tuning_seeds: list[int] = field(default_factory=list)
    strengths: list[dict[str, Any]] = field(default_factory=list)
    folder: Any = None

    @classmethod
    def read(cls, folder: Path) -> _Folder:
        """Return what a folder holds.

        Raises RecsimError when that is no comparison, or a damaged one.
        """
        try:
            kept = json.loads((folder / KEPT).read_text(encoding="utf-8"))
            kept = {key: kept[key] for key in (*_OPTIONS, "arms", "strengths")}
        except (OSError, ValueError, KeyError, TypeError):
            raise RecsimError(f"{folder}: holds no comparison that can be read; give the folder that one has written") from None
        arms = {name: Scenario.load(folder / _arm_file(place, name)) for place, name in enumerate(kept.pop("arms"))}
        return cls(arms=arms, folder=folder, **kept)

    def joined(self, asked: _Folder) -> _Folder:
        """Return this comparison with the arms and seeds that are asked for as well.

        Raises RecsimError where it is another comparison: an arm differs or is missing, or what its cells follow from.
        """
        mend = f"give what {self.folder / KEPT} says, or another folder"
        if next(iter(asked.arms)) != next(iter(self.arms)):
            raise RecsimError(f"{self.folder}: its first arm is {next(iter(self.arms))}; {mend}")
        for name, arm in self.arms.items():
            if name not in asked.arms or asked.arms[name].hash != arm.hash:
                how = "is another scenario there" if name in asked.arms else "is missing here"
                raise RecsimError(f"{self.folder}: holds a comparison of other arms, {name} {how}; {mend}, or only add arms")
        fixed = ["warm_up", "equal_cost"] + (["price_click"] if self.equal_cost is not None else [])
        for name in fixed:
            if getattr(self, name) != getattr(asked, name):
                raise RecsimError(f"{self.folder}: holds a comparison with {name} {getattr(self, name)}; {mend}")
        taken = set(self.tuning_seeds) & set(asked.seeds)
        if taken:
            raise RecsimError(f"seeds: strengths were tuned on seed {min(taken)}; report seeds below {min(self.tuning_seeds)}")
        arms = self.arms | {name: arm for name, arm in asked.arms.items() if name not in self.arms}
        seeds = sorted({*self.seeds, *asked.seeds})
        return _Folder(
            arms, seeds, self.warm_up, asked.last, asked.price_click, self.equal_cost, asked.settings | self.settings,
            self.tuning_seeds, self.strengths, self.folder,
        )  # fmt: skip

    def create(self, folder: Path) -> None:
        """Make the folder.

        Raises RecsimError when it is there already, or cannot be made.
        """
        absent(folder, FRESH)
        with appearing(folder) as self.folder:
            self.save("running")
        self.folder = folder

    def save(self, status: str) -> None:
        """Write arms and options."""
        if self.folder is None:
            return
        with faults(self.folder):
            (self.folder / "arms").mkdir(exist_ok=True)
        for place, (name, arm) in enumerate(self.arms.items()):
            _text(self.folder / _arm_file(place, name), arm.toml())
        options = {key: getattr(self, key) for key in _OPTIONS}
        about = {"status": status, "arms": list(self.arms)} | options | {"strengths": self.strengths, "versions": versions()}
        _text(self.folder / KEPT, json.dumps(about, indent=2) + "\n")

    def tuned(self) -> dict[str, Scenario]:
        """Return the arms as they are run: at their tuned strengths."""
        found = {row["arm"]: {row["setting"]: repr(row["strength"])} for row in self.strengths}
        return {name: arm.with_settings(found[name]) if name in found else arm for name, arm in self.arms.items()}

    def comparison(self, cells: dict[tuple[str, int], Cell]) -> Comparison:
        """Return the comparison of these cells."""
        import pandas as pd

        strengths = pd.DataFrame(self.strengths, columns=["arm", "setting", "strength", "reached", "monotone"])
        seeds = sorted({seed for _, seed in cells})
        cells = {(name, seed): cells[name, seed] for name in self.arms for seed in seeds if (name, seed) in cells}
        return Comparison(
            self.tuned(), seeds, self.warm_up, self.last, self.price_click, self.equal_cost, strengths, self.folder, cells
        )


_OPTIONS = ("seeds", "warm_up", "last", "price_click", "equal_cost", "settings", "tuning_seeds")


def _arm_file(place: int, name: str) -> str:
    return f"arms/{place:02d}-{_slug(name)}.toml"


def clear(folder: Path) -> None:
    """Remove what was being written when a process was killed."""
    with faults(folder):
        for part in folder.rglob(f".*{PART}"):
            part.unlink()


def _text(path: Path, text: str) -> None:
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


# ------------------------------------------------------------------------------------------------------------ the timing
def _epochs(scenario: Scenario, day: float) -> tuple[int, int]:
    """Return how many cuts and how many deployments there are before a day."""
    second, every, latency = (round(days * DAY) for days in (day, scenario.retrain.every, scenario.retrain.latency))
    return max(0, (second - 1) // every), max(0, (second - 1 - latency) // every)


def _whole_epochs(scenario: Scenario, warm_up: float) -> int:
    """Return how many epochs lie wholly after the fork."""
    total, before = _epochs(scenario, scenario.days)[1] + 1, _epochs(scenario, warm_up)[1]
    return total - before - (1 if warm_up else 0)


def parting_day(first: Scenario, given: float | None = None) -> float:
    """Return the day on which the arms part; by default that of the second cut, by which one model of the first arm has served.

    Where too little is left after it, that of the first cut, or day 0. Raises RecsimError for a day on which a model waits to go
    live, or after which there is no whole epoch.
    """
    if given is None:
        days = [2 * first.retrain.every, first.retrain.every, 0.0]
        return next((day for day in days if day < first.days and _whole_epochs(first, day) > 0), 0.0)
    if not (isinstance(given, (int, float)) and 0 <= given < first.days):
        raise RecsimError(f"warm_up: must be a day from 0 to before {first.days:g}, the end of the run, not {given!r}")
    cuts, deployments = _epochs(first, given)
    if cuts != deployments:
        good = cuts * first.retrain.every
        raise RecsimError(f"warm_up: on day {given:g} a model waits to go live; give {good:g}, the day of the cut, or 0")
    if _whole_epochs(first, given) < 1:
        raise RecsimError(f"warm_up: after day {given:g} there is no whole epoch; give an earlier day or run for longer")
    return float(given)


def _last(first: Scenario, warm_up: float, given: int | None) -> int:
    """Return over how many epochs at the end metrics are averaged: by default a quarter of all."""
    most = _whole_epochs(first, warm_up)
    last = max(1, min(most, (_epochs(first, first.days)[1] + 1) // 4)) if given is None else _whole("last", given, 1)
    if last > most:
        raise RecsimError(f"last: there are {most} whole epochs after the warm-up; average over that many at most")
    return last


# ------------------------------------------------------------------------------------------------------------- together
def compare(
    arms: Mapping[str, Scenario] | None = None,
    seeds: int | Iterable[int] | None = None,
    out: str | Path | None = None,
    *,
    warm_up: float | None = None,
    last: int | None = None,
    workers: int | None = None,
    price_click: float = 1.0,
    equal_cost: float | None = None,
    strengths: Mapping[str, str | None] | None = None,
    resume: bool = False,
    progress: bool | Callable[[float, str], None] = True,
) -> Comparison:
    """Run arms under the same seeds and return their paired differences to the first arm, with intervals and costs.

    arms: scenarios by name, equal in people, catalogue, timetable and days. seeds: the replications, as numbers, or how many
    (1, 2, ...); by default 20. Under each seed the first arm runs for *warm_up* days, then every arm parts from that world; by
    default on the day of the second cut; 0: from the beginning. last: epochs at the end over which metrics are averaged; by
    default a quarter of all. price_click: of a click that the feed loses, beside the prices of signals.
    equal_cost: clicks per 1,000 visits that the one strength of each arm but the first is tuned to, on seeds of its own.
    strengths: the setting that is an arm's strength, where that is not plain, or None to leave the arm as it is.
    out: a folder that is not there yet. resume: go on with the one in it, with more seeds or arms if they are given, or with
    what it says. workers: processes, by default one a core; they change the speed only. progress: True for a bar, or a
    function of the share done and a text.
    Raises RecsimError in one line for what the user can mend; what was done before an interruption is kept in the folder.
    """
    if resume and out is None:
        raise RecsimError("resume: there is no folder to go on with; name it as out")
    kept = _Folder.read(Path(out)) if resume and out is not None else None
    plan = _plan(kept, arms, seeds, warm_up, last, price_click, equal_cost, strengths)
    with _told("compare", progress) as say:
        bench = _Bench(_lean(next(iter(plan.arms.values()))), plan.warm_up, None, workers, say)
        dials = _dials(plan)
        if kept:
            clear(kept.folder)
        elif out is not None:
            plan.create(Path(out))
        plan.save("running")
        bench.folder = plan.folder
        cells = len(plan.arms) * len(plan.seeds)
        bench.planned = cells + len(plan.tuning_seeds) * ((len(STEPS) + REFINED) * len(dials) + bool(dials))
        if dials and plan.equal_cost is not None:
            plan.strengths = plan.strengths + _tune(bench, dials, plan.tuning_seeds, plan.equal_cost, plan.price_click)
            plan.save("running")
        bench.planned = bench.done + cells
        return _reported(plan, bench)


def _reported(plan: _Folder, bench: _Bench) -> Comparison:
    """Run the cells that are reported, and return and keep the comparison."""
    keys = [(name, seed) for seed in plan.seeds for name in plan.arms]
    places = {name: place for place, name in enumerate(plan.arms)}
    arms = {name: _lean(arm) for name, arm in plan.tuned().items()}
    jobs = [_Job(_file("cells", places[name], name, seed), arms[name], seed) for name, seed in keys]
    done = plan.comparison(dict(zip(keys, bench.cells(jobs), strict=True)))
    if plan.folder is not None:
        for name in ("values", "differences"):
            frame = getattr(done, name)
            columns = {column: frame[column].to_numpy() for column in frame}
            _write(plan.folder / f"{name}.parquet", columns, {"price_click": repr(plan.price_click), "last": str(plan.last)})
        plan.save("done")
    return done


def _plan(
    kept: _Folder | None, arms: Mapping[str, Scenario] | None, seeds: int | Iterable[int] | None, warm_up: float | None,
    last: int | None, price_click: float, equal_cost: float | None, strengths: Mapping[str, str | None] | None,
) -> _Folder:  # fmt: skip
    """Return what is to be compared, all of it checked: what is asked for, laid over what a folder holds."""
    chosen = _arms(kept.arms if kept and arms is None else arms)
    first = next(iter(chosen.values()))
    numbers = kept.seeds if kept and seeds is None else _numbers(20 if seeds is None else seeds)
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
    asked = _Folder(chosen, numbers, day, _last(first, day, last), price_click, budget, named, tuning)
    _check(chosen, day)
    return kept.joined(asked) if kept else asked


def _arms(arms: Any) -> dict[str, Scenario]:
    if not isinstance(arms, Mapping) or len(arms) < 2:
        raise RecsimError("arms: give at least two scenarios by name, the first being what the others are compared with")
    for name, arm in arms.items():
        if not (isinstance(name, str) and name.strip() and isinstance(arm, Scenario)):
            raise RecsimError(f"arms: {name!r} is no name with a Scenario; give scenarios by name")
    return dict(arms)


def _numbers(seeds: Any) -> list[int]:
    """Return the seeds as numbers.

    >>> _numbers(3), _numbers(range(2)), _numbers([5, 2])
    ([1, 2, 3], [0, 1], [2, 5])
    """
    if not isinstance(seeds, Iterable):
        return list(range(1, _whole("seeds", seeds, 1) + 1))
    numbers = sorted(_whole("seeds", seed, 0) for seed in seeds)
    if not numbers or len(set(numbers)) < len(numbers):
        raise RecsimError("seeds: give at least one, and none of them twice")
    return numbers


def _check(arms: Mapping[str, Scenario], warm_up: float) -> None:
    """Raise RecsimError, before anything is run, where an arm does not fit the first one or its world."""
    first = next(iter(arms.values()))
    world = World(first, 0)
    for name, arm in arms.items():
        if arm.days != first.days:
            raise RecsimError(f"{name}: days is {arm.days:g}, in the first arm {first.days:g}; let all arms be of one length")
        try:
            world.fork(arm)
        except RecsimError as fault:
            raise RecsimError(f"{name}: {fault}") from None


def _lean(scenario: Scenario) -> Scenario:
    """Return the scenario without what costs time and changes no metric."""
    return scenario.but(log="clicks", readings_every=0.0)


def _dials(plan: _Folder) -> dict[int, _Dial]:
    """Return the dials of all arms that are still to be tuned, by their places."""
    if plan.equal_cost is None:
        return {}
    first, done = next(iter(plan.arms.values())), {row["arm"] for row in plan.strengths}
    return {
        place: _Dial.of(name, first, _lean(arm), plan.settings.get(name), None)
        for place, (name, arm) in enumerate(plan.arms.items())
        if place and name not in done and plan.settings.get(name, "tuned") is not None
    }


def _told(title: str, progress: bool | Callable[[float, str], None]) -> Any:
    """Return a context that gives the function to say progress to."""
    if callable(progress):
        return nullcontext(progress)
    return Progress(title) if progress else nullcontext(lambda share, text: None)


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

    chosen = _arms(_own(arms, strengths) if isinstance(arms, Scenario) else arms)
    first = next(iter(chosen.values()))
    numbers, day = _numbers(seeds), parting_day(first, warm_up)
    epochs, named = _last(first, day, last), dict(strengths or {})
    _check(chosen, day)
    dials = {
        place: _Dial.of(name, first, _lean(arm), named.get(name), levels)
        for place, (name, arm) in enumerate(chosen.items())
        if place and named.get(name, "varied") is not None
    }
    with _told("dose and response", progress) as say:
        bench = _Bench(_lean(first), day, Path(out) if out is not None else None, workers, say)
        firsts = [_Job(_file("levels", 0, "first", seed), bench.first, seed) for seed in numbers]
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
    dial = _Dial(scenario.name, scenario, named, [])
    return {f"{scenario.name} at {named} = 0": dial.at(dial.level(0.0)), scenario.name: scenario}


def _response(
    dial: _Dial, level: float, cells: Sequence[Cell], firsts: Sequence[Cell], last: int, price: float
) -> list[dict[str, Any]]:
    """Return the rows of one arm at one level."""
    values = {metric: [cell.columns[metric][-last:].mean() for cell in cells] for metric in DOSED if metric != "cost"}
    values["cost"] = [_cost(cell, first, price)["cost"] for cell, first in zip(cells, firsts, strict=True)]
    about = {"arm": dial.name, "setting": dial.setting, "strength": float(level)}
    return [
        about | {"metric": metric, "seeds": len(cells)} | dict(zip(("mean", "low", "high"), interval(found), strict=True))
        for metric, found in values.items()
    ]
