"""Training rules: which rows of the log teach the next model, and with what weight.

The shortest window among them is cut out first; then each rule takes, weighs or adds rows, in the order given,
working on what those before it left. Rows that a rule adds come after those that were there. What rules make of the
log teaches one model; it is never written into the log.

Rules go by labels, which is what a platform believes; measures of provenance go by origins, which is how it was. All
sums are added one after the other in the order of the rows, so that they can be followed by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.lottery import Lottery
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe
from recsim.world import HUMAN, NOTHING, Bools, Items32, Origin, Rows

_MADE = (Origin.MODEL, Origin.SYNTHETIC)  # what a recommender caused


@dataclass(frozen=True)
class Lesson:
    """What a rule is told beside the rows.

    number: of the model to be trained. address: (users,) and items: (items,), where users' and items' random numbers
    live. log: gives all rows before the cut, from the beginning, those that the window leaves out too. rank: gives
    what the model in service ranks best for some users, (n,) running numbers: (n, k) as many items as asked for.
    depth: (items,), of rows that it causes. believed: what the rules so far have done to the labels, wherever a row
    may turn up.
    """

    number: int
    address: npt.NDArray[np.uint64]
    items: npt.NDArray[np.uint32]
    randomness: Randomness
    log: Callable[[], Rows]
    rank: Callable[[npt.NDArray[np.int64], int], npt.NDArray[np.int32]]
    depth: npt.NDArray[np.float64]
    believed: list[Callable[[Rows], Rows]] = field(default_factory=list)

    def past(self) -> Rows:
        """Return all rows before the cut, labelled as the rules so far have it."""
        rows = self.log()
        for believe in self.believed:
            rows = believe(rows)
        return rows


class Rule(Recipe):
    """A recipe that takes, weighs or adds training rows. Rows from after the cut never reach it."""

    strength: ClassVar[str] = ""
    """The setting that says how much the rule does; empty where there is none."""
    none: ClassVar[float] = 0.0
    """The strength at which it does nothing."""
    largest: ClassVar[float | None] = None
    """The largest strength worth trying; None: the upper end of the setting if that is at most 1, else 8 times what is given."""

    def intervals(self) -> int | None:
        """Return how many cut-to-cut intervals back from the cut the rows go; None for all."""
        return None

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows, chosen and weighed."""
        return rows


class Window(Rule):
    """Train on the last *last* cut-to-cut intervals only; 1 is "replace". Without a window rows accumulate."""

    last: int = Field(1, ge=1, description="cut-to-cut intervals counted back from the cut")

    def intervals(self) -> int | None:
        """Return the length of the window."""
        return self.last


class OriginWeights(Rule):
    """Weigh rows by the origin that their label gives: human signal first. A weight of 0 drops the rows."""

    model: float = Field(1.0, ge=0, description="weight of rows that the model ranked")
    explore: float = Field(1.0, ge=0, description="weight of rows that exploration placed")
    organic: float = Field(1.0, ge=0, description="weight of rows that people found without the feed")
    friend: float = Field(1.0, ge=0, description="weight of rows that came from friends")
    editor: float = Field(1.0, ge=0, description="weight of rows that editors placed")
    survey: float = Field(1.0, ge=0, description="weight of rows from surveys")
    panel: float = Field(1.0, ge=0, description="weight of rows from the reserved random panel")
    anchor: float = Field(1.0, ge=0, description="weight of replayed rows from before the loop")
    synthetic: float = Field(1.0, ge=0, description="weight of rows that no person produced")

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows with their weights multiplied by those of their labels, those of weight 0 left out."""
        weights = np.array([getattr(self, origin.name.lower()) for origin in Origin])
        return weighed(rows, weights[rows.label])


class DepthWeights(Rule):
    """Down-weight rows by the generations between them and a human cause: weight times (1 - decay)^depth.

    The depth is as labels have it: 0 for what is labelled human signal or EXPLORE; what is labelled MODEL or
    SYNTHETIC has its depth, and at least 1. Rows deeper than *deepest* are dropped.
    """

    decay: float = Field(0.5, ge=0, lt=1, description="share of its weight that a row loses a generation; 0: none")
    deepest: float | None = Field(None, ge=0, description="depth beyond which rows are dropped; by default none are")
    strength: ClassVar[str] = "decay"
    largest: ClassVar[float | None] = 0.99  # a generation leaves a hundredth

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows, weighed and dropped by depth."""
        depth = np.where(np.isin(rows.label, _MADE), np.maximum(rows.depth, 1.0), 0.0)
        near = depth <= (np.inf if self.deepest is None else self.deepest)
        return weighed(rows, np.power(1 - self.decay, depth) * near)


class InversePropensity(Rule):
    """Weigh each row by the inverse of its propensity, at most *clip*; 1 is off.

    The propensity is that of the item at its position, given those above it: what is corrected is which item stood
    there, not how much attention the position gets. Rows that the feed did not place (propensity NaN) keep their
    weight. Source: Schnabel et al., "Recommendations as treatments" (ICML 2016); truncated as in Ionides 2008.
    """

    clip: float = Field(10.0, ge=1, le=1e300, description="greatest factor that a row can get; 1: no weighing")
    strength: ClassVar[str] = "clip"
    none: ClassVar[float] = 1.0
    largest: ClassVar[float | None] = 1000.0

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows, weighed by 1 / propensity."""
        factor = np.clip(1 / np.maximum(rows.propensity, 1e-300), 1.0, self.clip)
        return weighed(rows, np.where(np.isnan(factor), 1.0, factor))


class TailWeights(Rule):
    """Weigh rare items up: weight times w_i^-exponent, w_i the weight of the rows about the item as they arrive here.

    A common factor then leaves the total weight as it was, so that w_i may be taken relative to anything: it is to the
    least of them, so that nothing runs to infinity. With 1 all items that have rows weigh alike.
    """

    exponent: float = Field(0.5, ge=0, le=10, description="0: no weighing; 1: all items with rows weigh alike")
    strength: ClassVar[str] = "exponent"
    largest: ClassVar[float | None] = 2.0  # at 1 all items weigh alike already

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows, weighed by how rare their items are."""
        if not len(rows):
            return rows
        about = rows.per_item(len(lesson.items))[rows.item]
        factor = np.power(about / about.min(), -self.exponent)
        return weighed(rows, factor * (_total(rows.weight) / _total(rows.weight * factor)))


class Reservoir(Rule):
    """Never forget an item's last *rows* human rows: those that are not there come back, in the order of the log.

    It looks through the log from its beginning for rows labelled human signal. Whether a window or another rule took a
    row away, it comes back with weight 1; rules that are to weigh what came back stand behind. Labels that a rule
    before it got wrong are wrong in the log too: a platform that mistakes a row does so wherever it meets it, and must
    not find the truth in its archive.
    """

    rows: int = Field(5, ge=0, description="human rows about each item that are kept for ever; 0: none")
    strength: ClassVar[str] = "rows"

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows, and then those that come back."""
        if not self.rows:
            return rows
        past = lesson.past()
        human = np.flatnonzero(np.isin(past.label, HUMAN))
        by_item = human[np.argsort(past.item[human], kind="stable")]
        end = np.searchsorted(past.item[by_item], past.item[by_item], side="right")
        kept = past.take(np.sort(by_item[end - np.arange(len(by_item)) <= self.rows]))
        return rows.and_(kept.take(~_among(kept, rows)))


class SyntheticRows(Rule):
    """Fill in rows that the model in service makes up: contamination of its successor, at a *share* that may grow.

    The share is that of the total weight of the training set when they are in: min(share + growth x (number - 1),
    most) for the model of that number, from 1. Each row weighs the mean of the rows that were there; there are as
    many as the share asks for, rounded (half to even). Row j = 0, 1, ...: its user uniform among those with rows, a
    draw at who = j under "SyntheticRows.user@number"; its item uniform among the *best* best that the model has for
    that user, number floor(uniform("SyntheticRows.item", who = j, when = number) x how many there are). Origin and
    label are SYNTHETIC, the depth is that of rows which the model causes, the time that of the last row.
    """

    share: float = Field(0.2, ge=0, le=0.99, description="share of the weight of all rows, for the first model")
    growth: float = Field(0.0, ge=0, le=1, description="what is added to the share with each model")
    most: float = Field(0.95, ge=0, le=0.99, description="greatest share")
    best: int = Field(10, ge=1, description="items of the model's ranking from which that of a row is taken")
    strength: ClassVar[str] = "share"

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows, and then those that the model makes up."""
        share = min(self.share + self.growth * (lesson.number - 1), self.most)
        count = round(len(rows) * share / (1 - share))
        if not count:
            return rows
        each, label = np.arange(count, dtype=np.uint64), f"SyntheticRows.user@{lesson.number}"
        has_rows = np.bincount(rows.user, minlength=len(lesson.address)) > 0
        user = Lottery(has_rows.astype(np.float64)).at(lesson.randomness, label, each)
        ranked = lesson.rank(user.astype(np.int64), min(self.best, len(lesson.items)))
        found = (ranked != NOTHING).sum(axis=1)
        which = lesson.randomness.uniform("SyntheticRows.item", each, lesson.number) * found
        item = ranked[np.arange(count), which.astype(np.int64)]
        made = _made_up(user, item, lesson, int(rows.time.max()), _total(rows.weight) / len(rows))
        return rows.and_(made.take(item != NOTHING))


def _made_up(user: Items32, item: Items32, lesson: Lesson, time: int, weight: float) -> Rows:
    """Return rows that no person produced, of the model that serves while the lesson's is trained."""
    origin = np.full(len(item), Origin.SYNTHETIC, np.int8)
    return Rows(
        user, item, np.full(len(item), weight), origin, origin, lesson.depth[item],
        np.full(len(item), lesson.number - 1, np.int32), np.full(len(item), time, np.int64),
        np.full(len(item), -1, np.int32), np.full(len(item), np.nan),
    )  # fmt: skip


class WrongLabels(Rule):
    """Mistake the origin of rows: at a *rate* human signal is taken for MODEL, and everything else for ORGANIC.

    The coin of a row stands at its own address, so that it is mistaken for every model or for none:
    uniform("WrongLabels.visit" or, for rows of no visit, "WrongLabels.time", who = user, when = visit or the second
    modulo 2^32, which = item) < rate. The origin stays.
    """

    rate: float = Field(0.1, ge=0, le=1, description="probability that the label of a row is wrong; 0: none is")
    strength: ClassVar[str] = "rate"

    def apply(self, rows: Rows, lesson: Lesson) -> Rows:
        """Return the rows with their labels, and let the rules that follow believe the same of the whole log."""

        def believe(rows: Rows) -> Rows:
            wrong = self._coin(rows, lesson) < self.rate
            mistaken = np.where(np.isin(rows.origin, HUMAN), Origin.MODEL, Origin.ORGANIC)
            return replace(rows, label=np.where(wrong, mistaken, rows.label).astype(np.int8))

        lesson.believed.append(believe)
        return believe(rows)

    def _coin(self, rows: Rows, lesson: Lesson) -> Floats:
        """Return one number in (0, 1) a row."""
        who, which = lesson.address[rows.user], lesson.items[rows.item]
        of_visit = lesson.randomness.uniform("WrongLabels.visit", who, np.maximum(rows.visit, 0), which)
        of_time = lesson.randomness.uniform("WrongLabels.time", who, rows.time & 0xFFFFFFFF, which)
        return np.where(rows.visit >= 0, of_visit, of_time)


def _total(numbers: Floats) -> float:
    """Return the sum of some numbers, added one after the other; there must be one."""
    return float(np.cumsum(numbers)[-1])


def _among(rows: Rows, others: Rows) -> Bools:
    """Return which rows, (rows,), are among the others: of the same user, second, visit, item and origin.

    Rows that have all these in common are weighed and dropped alike, so that they need not be told apart.
    """
    pair = rows.and_(others)
    keys = pair.time, pair.visit, (pair.user.astype(np.int64) << 32) | pair.item, pair.origin
    order = np.lexsort(keys)
    changed = np.any([key[order][1:] != key[order][:-1] for key in keys], axis=0)
    group = np.empty(len(order), np.int64)
    group[order] = np.append(np.zeros(min(1, len(order)), np.int64), np.cumsum(changed))
    there = np.zeros(len(order), np.bool_)
    there[group[len(rows) :]] = True
    return there[group[: len(rows)]]


def weighed(rows: Rows, factor: npt.NDArray[np.float64]) -> Rows:
    """Return the rows with their weights multiplied by a factor each, those of weight 0 left out."""
    weight = rows.weight * factor
    return replace(rows, weight=weight).take(weight > 0)


def tastes(rows: Rows, users: int, topics: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return (users, topics): the mean topics of each user's rows by weight; zeros for users without any."""
    from scipy.sparse import csr_matrix

    matrix = csr_matrix((rows.weight, (rows.user, rows.item)), shape=(users, len(topics)))
    weight = np.asarray(matrix.sum(axis=1)).reshape(-1, 1)
    return np.divide(np.asarray(matrix @ topics), weight, out=np.zeros((users, topics.shape[1])), where=weight > 0)


def intervals(rules: Sequence[Rule]) -> int | None:
    """Return the shortest window among the rules; None where all rows count.

    >>> intervals([Window(last=3), OriginWeights(organic=5.0)])
    3
    """
    windows = [rule.intervals() for rule in rules]
    return min((length for length in windows if length is not None), default=None)
