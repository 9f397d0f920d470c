"""Counters: what is counted while visits are served, by origin and item, and in each user's own row."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim.eventlog import Columns
from recsim.metrics import Window
from recsim.randomness import Floats
from recsim.world import NOTHING, Bools, Counts, Ints, Items32, Origin, Slate, Visits

Tally = npt.NDArray[np.int64]  # (2, origins, items): impressions and clicks


class Counters:
    """What is counted while visits are served: by origin and item, and in each user's own row."""

    def __init__(self, users: int, items: int, topics: Floats, window: int | None, each: bool = False) -> None:
        """Count for *users* users and *items* items, of which those that are out are about *topics* (released, topics); keep
        *window* intervals, None: their sum.

        each: keep all intervals apart, for worlds that `take_over` with windows of their own.
        """
        self._topics = np.zeros((items + 1, topics.shape[1]))  # the last row is that of NOTHING, -1
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
        self.provenance = (np.nan, np.nan, np.nan)
        self.visits, self.labels, self.spent = 0, 0, 0.0

    def take_over(self, other: Counters) -> None:
        """Go on from the counts of another world, which kept each interval."""
        for name in ("epoch", "past", "shown_topics", "utility", "utility_innate", "consumed", "clickers", "clickers_before"):
            setattr(self, name, getattr(other, name).copy())
        self.provenance, self.visits, self.labels, self.spent = other.provenance, other.visits, other.labels, other.spent
        kept = list(other.intervals)
        self.intervals.clear()
        self.intervals.extend([np.sum(kept, axis=0)] if self._sums else [tally.copy() for tally in kept])

    def know(self, topics: Floats) -> None:
        """Take note of what the items that are out are about: (released, topics)."""
        self._topics[: len(topics)] = topics

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
        for array in (self.epoch, self.shown_topics, self.utility, self.utility_innate, self.consumed):
            array[:] = 0
        self.visits, self.labels, self.spent = 0, 0, 0.0
        self.clickers_before = self.clickers.copy()
        self.provenance = provenance

    def training(self) -> Counts:
        """Return the counts of the intervals that the training window covers; more may be kept."""
        impressions, clicks = np.sum(list(self.intervals)[-self._window :], axis=0)
        return Counts(impressions, clicks)

    def show(self, visits: Visits, slate: Slate) -> None:
        """Count the impressions, and add the topics shown to each user's own row, from the top."""
        there = slate.items != NOTHING
        self._count(0, slate.origin[there], slate.items[there])
        shown = np.zeros((len(visits), self._topics.shape[1]))
        for position in range(slate.items.shape[1]):
            shown += self._topics.take(slate.items[:, position], axis=0, mode="wrap")
        topics = shown.shape[1]  # by ufunc.at: row after row, so that a user's sums are the same however visits are put together
        place = (visits.user[:, None] * topics + np.arange(topics)).ravel()
        np.add.at(self.shown_topics.reshape(-1), place, shown.ravel())

    def click(
        self, user: Ints, item: Items32, origin: npt.NDArray[np.int8], utility: Floats, innate: Floats, new: Bools
    ) -> None:
        """Count clicks of some users, those of one user in the order in which they were made; *innate*: their utility by
        the interests that users were born with.
        """
        self._count(1, origin, item)
        np.add.at(self.utility, user, utility)
        np.add.at(self.utility_innate, user, innate)
        np.add.at(self.consumed, user, 1)
        self.clickers += np.bincount(item[new], minlength=len(self.clickers))

    def _count(self, what: int, origin: npt.NDArray[np.int8], item: Items32) -> None:
        size = self.epoch.shape[2]
        place = origin.astype(np.int64) * size + item
        for tally in (self.epoch[what].reshape(-1), self.intervals[-1][what].reshape(-1)):
            if 8 * len(place) < size:
                np.add.at(tally, place, 1)
            else:
                tally += np.bincount(place, minlength=len(tally))

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
            visits=self.visits, labels=self.labels, spent=self.spent, utility_innate=self.utility_innate, **people,
        )  # fmt: skip
