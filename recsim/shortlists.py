"""Shortlists: the best items of each user under the serving model, so that she is ranked once an epoch, not once a visit."""

from __future__ import annotations

import numpy as np

from recsim.models import Model
from recsim.world import NOTHING, Bools, Ints, Items32, Ranking, Visits


class Shortlists:
    """The best items of each user under the serving model, ranked once and kept until the next deployment."""

    def __init__(self, users: int, size: int, scored: bool, spare: int, first: int = 0) -> None:
        """Keep *size* items a user, their scores if *scored*, and *spare* more in place of those that leave; and apart the
        *first* ones of each user's first list, whatever leaves.
        """
        self.size, self.scored = size, scored
        self._items = np.empty((users, size + spare), np.int32)  # rows of those who are not ready hold anything
        self._scores = np.empty((users if scored else 0, size + spare))
        self._ready = np.zeros(users, np.bool_)
        self._whole = np.zeros(users, np.bool_)
        self._left = np.zeros(users, np.int32)
        self._first = np.full((users if first <= size + spare else 0, first), NOTHING, np.int32)
        self._had = np.full(users, -1)  # how many items each might not be shown as her first list was made

    def clear(self) -> None:
        """Forget all lists: another model serves."""
        self._ready[:] = False
        self._had[:] = -1

    def first(self, user: Ints, had: Ints) -> tuple[Items32, Bools]:
        """Return the first items of users' lists, (n, first), as they were when each had had so many items that are not shown
        again, *had* (n,); and of whom they are known.
        """
        if not len(self._first):
            return np.full((len(user), self._first.shape[1]), NOTHING, np.int32), np.zeros(len(user), np.bool_)
        return self._first[user], self._had[user] == had

    def drop(self, user: Ints, item: np.ndarray) -> None:
        """Take items off the lists of users, (n,) each; what stood below moves up, and its score with it."""
        from recsim import kernels

        ready = self._ready[user]
        user, item = kernels.plain(user[ready], np.int64), kernels.plain(item[ready], np.int32)
        kernels.drop(user, item, self._items, self._scores, self._left)

    def rank(self, model: Model, visits: Visits) -> Ranking:
        """Return the lists of those who visit, ranked where there is none or where too few of it are left.

        It writes the rows of those users only, and what it writes follows from the model and from what they have had, so that
        two threads may rank the same user.
        """
        self._fill(model, visits, ~self._ready[visits.user])
        self._fill(model, visits, (self._left[visits.user] < self.size) & ~self._whole[visits.user])
        scores = self._scores.take(visits.user, axis=0)[:, : self.size] if self.scored else None
        return Ranking(self._items.take(visits.user, axis=0)[:, : self.size], model.published, scores=scores)

    def _fill(self, model: Model, visits: Visits, wanting: Bools) -> None:
        """Rank those of the visits that are *wanting* (n,) of a list, each user once."""
        rows = np.flatnonzero(wanting)
        if not len(rows):
            return
        visits = visits.take(rows[np.unique(visits.user[rows], return_index=True)[1]])
        ranking = model.rank(visits, self._items.shape[1])
        fresh = ~self._ready[visits.user]  # looked at once: another thread may be about to make the same lists
        new = visits.user[fresh]
        if len(self._first):
            self._first[new] = ranking.items[fresh, : self._first.shape[1]]
            self._had[new] = 0 if visits.gone is None else visits.gone.count[new]
        self._items[visits.user] = ranking.items
        if self.scored:
            self._scores[visits.user] = -np.inf if ranking.scores is None else ranking.scores
        self._left[visits.user] = (ranking.items != NOTHING).sum(axis=1)
        self._whole[visits.user] = ranking.items[:, -1] == NOTHING
        self._ready[visits.user] = True
