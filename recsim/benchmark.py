"""The benchmark that a platform's own team sees, the same on choices that nobody steered, and the alarm: the first looks
fine while the truth does not.

The team holds its own log out by time: the model that was trained on the rows before its cut is asked for the best k items of
everybody who clicked in the epoch that it served, as of the beginning of that epoch, and the lists are held against those
clicks. But the feed has placed what was clicked. The organic log of an epoch is what no team has: for each of these clicks
one choice of the same user in the same second, from what she wants by herself. The benchmark on the own log less that on the
organic log is the illusion: praise that the model gets for clicks which it caused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim.accuracy import at_once
from recsim.amounts import share_of
from recsim.behaviour import hit_upon, organic
from recsim.consumption import Consumed, nth
from recsim.errors import RecsimError, nearest, whole_number
from recsim.eventlog import Columns
from recsim.lottery import Lottery
from recsim.models import Model
from recsim.randomness import Floats, Randomness
from recsim.scenario import Scenario
from recsim.shortlists import Shortlists
from recsim.world import NOTHING, Bools, Ints, Items32, Visits

if TYPE_CHECKING:
    import pandas as pd

MEASURES: dict[str, str] = {
    "recall": "share of a user's held-out clicks that is in her list of k, mean over users",
    "ndcg": "how far up in her list they are, NDCG@k, mean over users",
    "hit_rate": "share of users whose list holds one of theirs at least",
    "reciprocal_rank": "1 over the rank of the first that is met, mean over users",
}
BENCHMARK: dict[str, str] = {
    name + suffix: f"{what}{of}"
    for name, what in MEASURES.items()
    for suffix, of in {
        "": ": on the clicks of the epoch, 0 to 1",
        "_organic": ": on as many choices that nobody steered, 0 to 1",
        "_illusion": ": the first less the second, -1 to 1",
    }.items()
}
"""What the history says of every epoch where the scenario asks for a benchmark; all of the group 'all'."""


# ------------------------------------------------------------------------------------------------------ in a world
JUDGED = 1000  # people at most on whose clicks a model is judged, spread over all people
WAITING = 16_384  # clicks that wait for their unsteered choices, so that many are drawn at once


class Waiting(NamedTuple):
    """Clicks, (n,) each, that wait for their unsteered choices: the visit, which of its clicks, and interests at that second."""

    visits: Visits
    number: Ints
    interests: Floats


class Benchmark:
    """What is kept through an epoch for its benchmark: what people had had as it began, and what they would have chosen.

    Judged is on JUDGED people at most, every so-manieth by address: the same ones in every epoch and arm.
    k: items a list; 0 where no benchmark is wanted, and then nothing is kept. had: what the epoch began with, None before its
    first click; imagined: the same and the unsteered choices since; choices: these, as (users, items).
    """

    def __init__(self, scenario: Scenario, address: npt.NDArray[np.uint64]) -> None:
        """Begin an epoch. address: (users,)."""
        self.k, self.once = scenario.benchmark, scenario.consumption == "once"
        self.bars = self.once or scenario.consumed == "leave"
        self.alike = self.bars == (scenario.consumed == "leave")  # the feed bars what the benchmark bars
        self.judged = address % np.uint64(max(1, -(-len(address) // JUDGED))) == 0
        self._begin()

    def _begin(self) -> None:
        self.had: Consumed | None = None
        self.imagined: Consumed | None = None
        self.choices: list[tuple[Ints, Items32]] = []
        self._waiting: list[Waiting] = []
        self._demand: Lottery | None = None  # from which those who wait choose

    def choose(self, visits: Visits, row: Ints, interests: Floats, demand: Lottery, consumed: Consumed) -> None:
        """For each click, row i being that of visit i, draw what its user would have chosen unsteered; nobody consumes it.

        row: (n,), the visits that the clicks belong to, one visit's in the order in which they were made. interests: (n, topics),
        what each wants now. consumed: what each has had, these clicks not yet among it. A user who would consume once chooses
        nothing that she had had as the epoch began, and nothing twice in it; who has had all leaves no choice.
        """
        if not self.k:
            return
        if self.had is None:
            self.had, self.imagined = deepcopy(consumed), deepcopy(consumed) if self.once else None
        if demand is not self._demand:
            self._draw()
            self._demand = demand
        ours = self.judged[visits.user]
        self._waiting.append(Waiting(replace(visits.take(ours), gone=None), nth(row)[ours], interests[ours]))
        if sum(len(part.number) for part in self._waiting) >= WAITING:
            self._draw()

    def _draw(self) -> None:
        """Draw the choices that wait, all at once."""
        if not self._waiting:
            return
        asked = _together(self._waiting)
        user, everyone = asked.visits.user, np.arange(len(asked.number))
        if self.imagined is None:
            item = self._unsteered(asked, everyone, organic)
        else:
            item = self._unsteered(asked, everyone, hit_upon)
            self._draw_apart(asked, item)
            self.imagined.add(user[item != NOTHING], item[item != NOTHING])
        self.choices.append((user[item != NOTHING], item[item != NOTHING]))
        self._waiting = []

    def _unsteered(self, asked: Waiting, rows: Ints, draw: Callable[[Visits, Floats, Lottery, str], Items32]) -> Items32:
        """Return what people draw, (rows,), of what they have not chosen by now; NOTHING where it is nothing."""
        assert self._demand is not None
        item = np.full(len(rows), NOTHING, np.int32)
        for number in range(int(asked.number[rows].max(initial=-1)) + 1):
            turn = np.flatnonzero(asked.number[rows] == number)
            visits = replace(asked.visits.take(rows[turn]), gone=self.imagined)
            item[turn] = draw(visits, asked.interests[rows[turn]], self._demand, f"unsteered#{number}")
        return item

    def _draw_apart(self, asked: Waiting, item: Items32) -> None:
        """Let nobody choose an item twice: where *item*, (n,), is what she chose before, or nothing was hit upon, draw it again.

        Of each user the first such choice first, since on that depends what her later ones may be.
        """
        assert self.imagined is not None
        user, open_, drawn = asked.visits.user, np.arange(len(item)), np.zeros(len(item), np.bool_)
        while True:
            there = item[open_] != NOTHING
            again = open_[np.where(there, nth(user[open_], item[open_]) > 0, ~drawn[open_])]
            if not len(again):
                return
            who, place = np.unique(user[again], return_index=True)
            first = again[place]
            open_ = open_[np.isin(user[open_], who)]
            stands = open_[(open_ < first[np.searchsorted(who, user[open_])]) & (item[open_] != NOTHING)]
            self.imagined.add(user[stands], item[stands])
            item[first], drawn[first] = self._unsteered(asked, first, organic), True

    def close(
        self, model: Model, log: Columns, address: npt.NDArray[np.uint64], slots: Ints | None, randomness: Randomness,
        threads: int, kept: Shortlists,
    ) -> list[tuple[str, str, float]]:  # fmt: skip
        """Return the benchmark of the model that has served the epoch as rows (group, metric, value), and begin the next one.

        log: the rows of the epoch; held out is all that those who are judged on clicked, by any way to it: rows that are to teach
        the next models. address: (users,). slots: where items stand in lotteries. kept: lists of the model that are known.
        """
        self._draw()
        held = log["clicked"] & self.judged[log["user"]]
        own = log["user"][held].astype(np.int64), log["item"][held]
        none = np.zeros(0, np.int64), np.zeros(0, np.int32)
        chosen = tuple(np.concatenate(part) for part in zip(none, *self.choices, strict=True))
        who = np.unique(own[0])
        had = np.zeros(len(who), np.int64) if self.had is None or not self.bars else self.had.count[who].astype(np.int64)
        lists, known = kept.first(who, had)
        known &= self.alike
        if not known.all():
            lists[~known] = self._lists(model, who[~known], address, slots, randomness, threads)
        self._begin()
        rows = []
        steered, unsteered = (at_once(lists, np.searchsorted(who, user), item) for user, item in (own, chosen))
        for name, value in steered.items():
            illusion = value - unsteered[name]
            rows += [("all", name, value), ("all", f"{name}_organic", unsteered[name]), ("all", f"{name}_illusion", illusion)]
        return rows

    def _lists(
        self, model: Model, who: Ints, address: npt.NDArray[np.uint64], slots: Ints | None, randomness: Randomness, threads: int
    ) -> Items32:
        """Return the best items of some users, (users, k), less what each had had as the epoch began, where that is not shown
        again; NOTHING behind the last. A model whose lists are a draw draws them afresh, at addresses of no visit.
        """
        chance = Randomness(randomness.integer("Benchmark.rank", when=model.epoch))
        never, gone = np.zeros(len(who), np.int64), self.had if self.bars else None
        visits = Visits(who, address[who], never.astype(np.uint32), never, len(model.counts), chance, gone, slots)
        return model.rank(visits, self.k, threads).items


def _together(parts: Sequence[Waiting]) -> Waiting:
    """Return all clicks that wait as one."""
    rows: dict[str, Any] = {
        name: np.concatenate([getattr(part.visits, name) for part in parts]) for name in ("user", "address", "ordinal", "time")
    }
    number, interests = (np.concatenate([part[place] for part in parts]) for place in (1, 2))
    return Waiting(replace(parts[0].visits, **rows), number, interests)


# ------------------------------------------------------------------------------------------------------- the alarm
TRUTHS = {
    "coverage": "the share of the catalogue that the model shows",
    "niche welfare": "how much niche users want what they consume",
}


@dataclass(frozen=True)
class Alarm:
    """An epoch in which the benchmark looks fine while the truth has fallen.

    epoch; since: the epoch of the model that it is compared with; benchmark: its name, with what it was then and is now;
    fallen: by which share each truth has fallen that has done so by more than is allowed, by the names of `TRUTHS`.
    """

    epoch: int
    since: int
    benchmark: str
    was: float
    now: float
    fallen: dict[str, float]

    @property
    def sentence(self) -> str:
        """What it says.

        >>> Alarm(7, 1, "ndcg", 0.118, 0.121, {"coverage": 0.34}).sentence
        'Alarm in epoch 7: ndcg on its own log is 0.121, in epoch 1 it was 0.118, but the share of the catalogue that the model
        shows has fallen by 34 %.'
        """
        fallen = " and ".join(f"{TRUTHS[name]} has fallen by {share:.0%}" for name, share in self.fallen.items())
        return (
            f"Alarm in epoch {self.epoch}: {self.benchmark} on its own log is {self.now:.3g}, in epoch {self.since} it was "
            f"{self.was:.3g}, but {fallen.replace('%', ' %')}."
        )


def alarm(
    history: pd.DataFrame, benchmark: str = "ndcg", fall: float = 0.1, slack: float = 0.05, lasting: int = 3, since: int = 1
) -> Alarm | None:
    """Return the first epoch in which the benchmark is stable or rises although the truth has fallen; None: there is none.

    That is the first epoch after *since* which is the last of *lasting* in a row for which `looks_fine` holds with the same
    truth. Truths are: `coverage_model` over its floor, which takes the volume into account; and exp of the `utility` of niche
    users, how many times as much as an average item they want what they consume (the utility is a logarithm, of which no
    share can be taken). Epochs shorter than four fifths of that of *since* are passed over: little is shown in them.

    history: as `run.history`, of a scenario with `benchmark` = k. benchmark: a metric of it, on the platform's own log: recall,
    ndcg, hit_rate, reciprocal_rank, or click_rate, which needs no setting. fall, slack: shares, see `looks_fine`. lasting: one
    epoch alone may be chance, above all where niche users are few. since: the epoch of the first trained model.
    Raises RecsimError where the history lacks one of these metrics.
    """
    epochs, benchmarks, truths = _told(history, benchmark, since)
    row = whole_number("lasting", lasting, 1)
    fine = {name: _in_a_row(looks_fine(benchmarks, truth, fall, slack), row) for name, truth in truths.items()}
    either = np.logical_or.reduce(list(fine.values()))
    if not either.any():
        return None
    at = int(either.argmax())
    fallen = {name: float(1 - truths[name][at] / truths[name][0]) for name in fine if fine[name][at]}
    return Alarm(int(epochs[at]), since, benchmark, float(benchmarks[0]), float(benchmarks[at]), fallen)


def looks_fine(benchmark: npt.ArrayLike, truth: npt.ArrayLike, fall: float = 0.1, slack: float = 0.05) -> Bools:
    """Return in which epochs the benchmark looks fine although the truth has fallen, both compared with the first: (epochs,).

    benchmark_e >= (1 - slack) benchmark_0 and truth_e < (1 - fall) truth_0.

    benchmark, truth: (epochs,), not negative; where one is NaN nothing is said. fall: in (0, 1], the share by which the truth may
    fall; slack: in [0, 1], by which the benchmark may, and still counts as stable. Raises RecsimError for other shares.

    >>> looks_fine([0.30, 0.31, 0.29, 0.20], [0.5, 0.48, 0.40, 0.30]).tolist()
    [False, False, True, False]
    """
    share_of("fall", fall, "the truth")
    if not 0 <= slack <= 1:
        raise RecsimError(f"slack: {slack} is no share; give a number from 0 to 1")
    seen, true = np.asarray(benchmark, np.float64), np.asarray(truth, np.float64)
    return (seen >= (1 - slack) * seen[:1]) & (true < (1 - fall) * true[:1])


def _in_a_row(holds: Bools, number: int) -> Bools:
    """Return where something holds for the *number*-th time in a row at least: (epochs,).

    >>> _in_a_row(np.array([True, False, True, True, True]), 2).tolist()
    [False, False, False, True, True]
    """
    since = np.maximum.accumulate(np.where(holds, -1, np.arange(len(holds))))  # where it did not hold last
    return np.arange(len(holds)) - since >= number


def _told(history: pd.DataFrame, benchmark: str, since: int) -> tuple[Ints, Floats, dict[str, Floats]]:
    """Return the epochs from *since* on that are long enough, and for them the benchmark and the truths."""
    whole = history[history["window"] == "epoch"]

    def series(metric: str, group: str = "all") -> pd.Series:
        rows = whole[(whole["metric"] == metric) & (whole["group"] == group)]
        if not len(rows):
            known = whole.loc[whole["group"] == group, "metric"].unique().tolist()
            mend = "run it with benchmark = 10" if metric in BENCHMARK else nearest(metric, known)
            raise RecsimError(f"{metric}: is not in this history; {mend}")
        return rows.set_index("epoch").sort_index()["value"]

    seen = series(benchmark)
    if since not in seen.index:
        raise RecsimError(f"since: there is no epoch {since} in this history; give one of {seen.index[0]} to {seen.index[-1]}")
    ends = whole.groupby("epoch")["day"].max()
    length = ends.diff().fillna(ends)
    long = [epoch for epoch in seen.index if epoch >= since and length[epoch] >= 0.8 * length[since]]
    covered = series("coverage_model") / series("coverage_model_floor")
    welfare = np.exp(series("utility", "niche"))
    truths = {name: truth.reindex(long).to_numpy() for name, truth in zip(TRUTHS, (covered, welfare), strict=True)}
    return np.array(long, np.int64), seen.loc[long].to_numpy(), truths
