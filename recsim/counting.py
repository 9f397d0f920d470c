"""Counters: what is counted while visits are served, by origin and item, and in each user's own row."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim.eventlog import Columns
from recsim.metrics import Window
from recsim.randomness import Floats
from recsim.world import FEED, NOTHING, Bools, Counts, Ints, Items32, Origin, Slate, Visits

Tally = npt.NDArray[np.int64]  # (2, origins, items): impressions and clicks
PANEL = 100  # people at most whose sets of items are held against each other: 4,950 pairs
COMPARED = 500  # people of whose visits there are as many as slates whose items are compared, spread over all people
EMPTIED = "epoch", "shown_topics", "utility", "utility_innate", "consumed", "alike", "slates"  # counted anew in each epoch
KEPT = "past", "clickers", "clickers_before", "met", "idle"  # and what is counted since the beginning


class Counters:
    """What is counted while visits are served: by origin and item, and in each user's own row."""

    def __init__(self, users: int, items: int, topics: Floats, window: int | None, each: bool = False) -> None:
        """Count for *users* users and *items* items, of which those that are out are about *topics* (released, topics); keep
        *window* intervals, None: their sum.

        each: keep all intervals apart, for worlds that `take_over` with windows of their own.
        """
        self._topics = np.zeros((items + 1, topics.shape[1]))  # the last row is that of NOTHING, -1
        self._unit, self._known = np.zeros_like(self._topics), 0  # the same, of length 1, and of how many items
        self.know(topics)
        self._sums, self._window = window is None and not each, window or 0
        self.intervals: deque[Tally] = deque(
            [np.zeros((2, len(Origin), items), np.int64)], maxlen=None if each else window or 1
        )
        self.epoch = np.zeros((2, len(Origin), items), np.int64)
        self.past = np.zeros((2, items), np.int64)
        self.shown_topics = np.zeros((users, topics.shape[1]))
        self.utility, self.utility_innate, self.consumed = np.zeros(users), np.zeros(users), np.zeros(users, np.int64)
        self.clickers = np.zeros(items, np.int64)
        self.clickers_before = self.clickers.copy()
        self.met, self.idle = np.zeros_like(self.shown_topics), np.zeros(items, np.int64)
        self.alike, self.slates = np.zeros(users), np.zeros(users, np.int64)
        self._one_in = {size: np.uint64(max(1, -(-users // size))) for size in (PANEL, COMPARED)}
        self._shown = [np.zeros((2, 0), np.int64)]
        self.provenance = (np.nan, np.nan, np.nan)
        self.visits, self.labels, self.spent = 0, 0, 0.0

    def take_over(self, other: Counters) -> None:
        """Go on from the counts of another world, which kept each interval."""
        for name in EMPTIED + KEPT:
            setattr(self, name, getattr(other, name).copy())
        self._shown = list(other._shown)
        self.know(other._topics[: other._known])
        self.provenance, self.visits, self.labels, self.spent = other.provenance, other.visits, other.labels, other.spent
        kept = list(other.intervals)
        self.intervals.clear()
        self.intervals.extend([np.sum(kept, axis=0)] if self._sums else [tally.copy() for tally in kept])

    def know(self, topics: Floats) -> None:
        """Take note of what the items that are out are about, (released, topics), which does not change once they are."""
        new = slice(self._known, len(topics))
        length = np.sqrt((topics[new] ** 2).sum(axis=1, keepdims=True))
        self._topics[new], self._unit[new] = topics[new], topics[new] / np.maximum(length, 1e-300)
        self._known = len(topics)

    def panel(self, address: npt.NDArray[np.uint64]) -> Bools:
        """Return which of these users are on the panel: every so-manieth by address, the same in every epoch and arm."""
        return address % self._one_in[PANEL] == 0

    @property
    def ever(self) -> tuple[Ints, Ints]:
        """Impressions and clicks of each item since the beginning, of all origins: (items,) each."""
        impressions, clicks = self.past + self.epoch.sum(axis=1)
        return impressions, clicks

    def new_interval(self) -> None:
        """Begin a cut-to-cut interval."""
        if not self._sums:
            self.intervals.append(np.zeros_like(self.epoch))

    def new_epoch(self, provenance: tuple[float, float, float]) -> None:
        """Begin an epoch served by a model with rows of this provenance."""
        self.past += self.epoch.sum(axis=1)
        self.met += self.shown_topics
        self.idle[: self._known] = self._idle(self._known)
        for name in EMPTIED:
            getattr(self, name)[:] = 0
        self._shown = self._shown[:1]
        self.visits, self.labels, self.spent = 0, 0, 0.0
        self.clickers_before = self.clickers.copy()
        self.provenance = provenance

    def training(self) -> Counts:
        """Return the counts of the intervals that the training window covers; more may be kept."""
        impressions, clicks = np.sum(list(self.intervals)[-self._window :], axis=0)
        return Counts(impressions, clicks)

    def show(self, visits: Visits, slate: Slate) -> None:
        """Count the impressions, add the topics shown to each user's own row, from the top, compare items, and note what the
        panel was shown.
        """
        user, items = visits.user, slate.items
        self._count(0, slate.origin, items)
        _add(user, items, self._topics, self.shown_topics)
        some = np.flatnonzero((visits.address + visits.ordinal) % self._one_in[COMPARED] == 0)  # each user's, at her turn
        self._compare(user[some], items[some], (items[some] != NOTHING).sum(axis=1))
        ours = np.flatnonzero(self.panel(visits.address))
        row, at = np.nonzero(items[ours] != NOTHING)
        self._shown.append(np.stack([user[ours[row]], items[ours[row], at]]))

    def _compare(self, user: Ints, items: Items32, number: Ints) -> None:
        """Add the mean cosine of the pairs of items of slates, (n, positions), with *number* (n,) items each."""
        total, pairs = np.zeros((len(items), self._unit.shape[1])), number * (number - 1)
        _add(np.arange(len(items)), items, self._unit, total)
        alike = (np.einsum("vt,vt->v", total, total) - number) / np.maximum(pairs, 1)  # |total|^2 has each pair twice
        np.add.at(self.alike, user, np.where(pairs > 0, np.clip(alike, 0.0, 1.0), 0.0))
        np.add.at(self.slates, user, np.minimum(pairs, 1))

    def click(
        self, user: Ints, item: Items32, origin: npt.NDArray[np.int8], utility: Floats, innate: Floats, new: Bools
    ) -> None:
        """Count clicks of some users, those of one user in the order in which they were made; *innate*: their utility by
        the interests that users were born with.
        """
        self._count(1, origin[:, None], item[:, None])
        np.add.at(self.utility, user, utility)
        np.add.at(self.utility_innate, user, innate)
        np.add.at(self.consumed, user, 1)
        self.clickers += np.bincount(item[new], minlength=len(self.clickers))

    def _idle(self, released: int) -> Ints:
        """Return for how many epochs in a row each item that is out has had no impression, this epoch included: (released,)."""
        shown = self.epoch[0][FEED, :released].any(axis=0)
        return np.where(shown, 0, self.idle[:released] + 1)

    def _count(self, what: int, origin: npt.NDArray[np.int8], item: Items32) -> None:
        from recsim import kernels

        kernels.tally(kernels.plain(origin, np.int8), kernels.plain(item, np.int32), self.epoch[what], self.intervals[-1][what])

    def nonzero(self, epoch: int) -> Columns:
        """Return the counts of the epoch as columns: epoch, item, origin, impressions, clicks."""
        impressions, clicks = self.epoch
        origin, item = np.nonzero(impressions + clicks)
        return {
            "epoch": np.full(len(item), epoch), "item": item, "origin": origin,
            "impressions": impressions[origin, item], "clicks": clicks[origin, item],
        }  # fmt: skip

    def window(self, niche: Bools, active: int, released: int, people: dict[str, Any]) -> Window:
        """Return what the metrics need of the epoch so far.

        active: users who have come by now; released: items that are out; people: what they are and how many, by the names of
        the window.
        """
        human_share, human_weight, mean_depth = self.provenance
        return Window(
            impressions=self.epoch[0][:, :released], clicks=self.epoch[1][:, :released],
            shown_topics=self.shown_topics, niche=niche,
            utility=self.utility, consumed=self.consumed, clickers=self.clickers_before[:released],
            active=active, human_share=human_share, human_weight=human_weight, depth=mean_depth,
            visits=self.visits, labels=self.labels, spent=self.spent, utility_innate=self.utility_innate,
            idle=self._idle(released), met=self.met + self.shown_topics, alike=self.alike, slates=self.slates,
            shown=tuple(np.concatenate(self._shown, axis=1)), **people,
        )  # fmt: skip


def _add(user: Ints, items: Items32, table: Floats, sums: Floats) -> None:
    """Add to each user's row of *sums* the sum of the rows of a table that her slate (n, positions) names, from the top.

    Row after row, so that a user's sums are the same however visits are put together.
    """
    from recsim import kernels

    kernels.gather(kernels.plain(user, np.int64), kernels.plain(items, np.int32), table, sums)
