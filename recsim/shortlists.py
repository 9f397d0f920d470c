"""Shortlists: the best items of each user under the serving model, so that she is ranked once an epoch, not once a visit."""

from __future__ import annotations

import numpy as np

from recsim.models import Model
from recsim.world import NOTHING, Bools, Ints, Ranking, Visits


class Shortlists:
    """The best items of each user under the serving model, ranked once and kept until the next deployment."""

    def __init__(self, users: int, size: int, scored: bool, spare: int) -> None:
        """Keep *size* items a user, their scores if *scored*, and *spare* more in place of those that leave."""
        self.size, self.scored = size, scored
        self._items = np.full((0, size + spare), NOTHING, np.int32)
        self._scores = np.full((0, self._items.shape[1]), -np.inf)
        self._ready = np.zeros(users, np.bool_)
        self._whole = np.zeros(users, np.bool_)

    def clear(self) -> None:
        """Forget all lists: another model serves."""
        self._ready[:] = False

    def drop(self, user: Ints, item: np.ndarray) -> None:
        """Take one item off the list of each user."""
        if not len(self._items):
            return
        lists = self._items[user]
        lists[lists == item[:, None]] = NOTHING
        self._items[user] = lists

    def rank(self, model: Model, visits: Visits, threads: int) -> Ranking:
        """Return the lists of those who visit, ranked where there is none or where too few of it are left."""
        self._fill(model, visits, ~self._ready[visits.user], threads)
        left = (self._items[visits.user] != NOTHING).sum(axis=1)
        self._fill(model, visits, (left < self.size) & ~self._whole[visits.user], threads)
        lists = self._items[visits.user]
        scores = self._scores[visits.user] if self.scored else None
        empty = lists == NOTHING
        if empty.any():
            order = np.argsort(empty, axis=1, kind="stable")[:, : self.size]
            lists = np.take_along_axis(lists, order, axis=1)
            if scores is not None:  # what left the list takes its score with it: something else may come to stand there
                scores = np.where(lists == NOTHING, -np.inf, np.take_along_axis(scores, order, axis=1))
        return Ranking(lists[:, : self.size], model.published, scores=None if scores is None else scores[:, : self.size])

    def _fill(self, model: Model, visits: Visits, wanting: Bools, threads: int) -> None:
        """Rank those of the visits that are *wanting* (n,) of a list, each user once."""
        rows = np.flatnonzero(wanting)
        if not len(rows):
            return
        visits = visits.take(rows[np.unique(visits.user[rows], return_index=True)[1]])
        if not len(self._items):
            self._items = np.full((len(self._ready), self._items.shape[1]), NOTHING, np.int32)
            if self.scored:
                self._scores = np.full(self._items.shape, -np.inf)
        ranking = model.rank(visits, self._items.shape[1], threads)
        self._items[visits.user] = ranking.items
        if self.scored:
            self._scores[visits.user] = -np.inf if ranking.scores is None else ranking.scores
        self._whole[visits.user] = ranking.items[:, -1] == NOTHING
        self._ready[visits.user] = True
