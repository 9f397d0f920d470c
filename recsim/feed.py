"""The feed: the model that serves, what is published with it, and how the next one is taught. It sees the log and what the
catalogue says openly; people only where a recommender is trusted with the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from recsim import training
from recsim.catalog import Shelf
from recsim.consumption import spread
from recsim.counting import Counters
from recsim.eventlog import EventLog
from recsim.logrows import before_the_loop
from recsim.models import Model
from recsim.population import Users
from recsim.randomness import Floats, Randomness
from recsim.recommenders import Fitting, Recommender, Truth, depth
from recsim.scenario import Scenario
from recsim.shortlists import Shortlists
from recsim.signals import Stream
from recsim.training import Lesson, tastes
from recsim.world import DAY, HUMAN, NOTHING, Counts, Ints, Items32, Published, Ranking, Rows, Visits


class Feed:
    """What the platform has.

    log: what may teach. epoch, cuts: the numbers of the model that serves and of the last one trained. provenance: human
    share of the rows and of their weight, and mean depth, of what taught the model trained last.
    """

    def __init__(
        self, scenario: Scenario, randomness: Randomness, users: Users, since: Floats, shelf: Shelf, room: int, log: EventLog,
        streams: Sequence[Stream], truth: Callable[[], Truth], *, threads: int, tastes: bool,
    ) -> None:  # fmt: skip
        """Begin with the model that serves first. since: (users,), seconds at which they come, ascending. truth: as it is
        now, asked for where a recommender is trusted with it. shelf: what is out; room: for so many items. tastes: publish them
        in any case, for arms that may want them.
        """
        self.scenario, self.randomness, self.threads, self.log, self.streams = scenario, randomness, threads, log, streams
        self._truth, self._tastes = truth, tastes or scenario.policy.tastes
        self.users, self.since, self.shelf = users.address, since, shelf
        spare = scenario.slate + 6 if scenario.consumed == "leave" else 0
        reach, scored = scenario.policy.reach(scenario.slate), scenario.policy.scored
        self.shortlists = Shortlists(len(users), reach, scored, spare, scenario.benchmark)
        self.counters = Counters(len(users), room, shelf.topics, training.intervals(scenario.training), tastes)
        self.epoch, self.cuts = 0, 0
        self.trained: Model | None = None
        rows = self._before()
        self.provenance = provenance(rows)
        self.model = self._fit(scenario.start, rows, self._counts(), 0, 0)
        self.published = self.to_publish = self._publish(self.model, rows)
        self.depth = self.model.depth

    def take_over(self, other: Feed) -> None:
        """Go on with the model and the counts of another feed."""
        self.epoch, self.cuts, self.provenance = other.epoch, other.cuts, other.provenance
        self.model, self.trained = other.model, other.trained
        self.published = self.to_publish = other.published
        self.shelf, self.depth = other.shelf, other.depth
        self.counters.take_over(other.counters)

    @property
    def released(self) -> int:
        """How many items are out."""
        return len(self.shelf)

    # ------------------------------------------------------------------------------------------------ while it serves
    def rank(self, visits: Visits) -> Ranking:
        """Return the ranking of the serving model, kept from visit to visit where it is steady."""
        size, known = self.scenario.policy.reach(self.scenario.slate), len(self.model.counts)
        asked = visits if known == self.released else replace(visits, released=known)
        if not size:
            ranking = Ranking(np.zeros((len(visits), 0), np.int32), self.published)
        elif not self.model.steady:
            ranking = self.model.rank(asked, self.scenario.slate)
        else:
            ranking = self.shortlists.rank(self.model, asked)
        if known < self.released:
            ranking = unknown_behind(ranking, visits, known)
        picks = [stream.picks for stream in self.streams if len(stream.picks)]
        if picks:
            return replace(ranking, published=self.published, picks=np.unique(np.concatenate(picks)))
        return replace(ranking, published=self.published)

    def restock(self, shelf: Shelf) -> None:
        """Let the feed have the items that are out now: those that its model does not know stand behind the others."""
        self.shelf = shelf
        self.counters.know(shelf.topics)
        self.published = self.published.grown(shelf.topics, shelf.label)
        self.depth = np.append(self.model.depth, np.ones(self.released - len(self.model.depth)))

    def deploy(self) -> None:
        """Let the model trained last serve."""
        if self.trained is not None:
            self.model, self.published = self.trained, self.to_publish
        self.restock(self.shelf)
        self.epoch += 1
        self.counters.new_epoch(self.provenance)
        self.shortlists.clear()

    # ---------------------------------------------------------------------------------------------- how it is taught
    def train(self, now: int) -> None:
        """Fit the next model on the rows before second *now*."""
        rows, counts = self.training_rows(now), self._counts()
        lesson = self._lesson(now)
        for rule in self.scenario.training:
            rows = rule.apply(rows, lesson)
        self.trained = self._fit(self.scenario.recommender, rows, counts, self.cuts + 1, now)
        self.to_publish = self._publish(self.trained, rows)
        self.provenance = provenance(rows)
        self.cuts += 1
        self.counters.new_interval()

    def training_rows(self, now: int) -> Rows:
        """Return the rows of the log before *now* that the window lets through, each with weight 1."""
        last = training.intervals(self.scenario.training)
        return self._taught(-1 if last is None else now - last * round(self.scenario.retrain.every * DAY), now)

    def _taught(self, since: int, now: int) -> Rows:
        """Return the rows that may teach, from a second on, up to *now*."""
        return Rows.of(self.log.columns(self.log.since(since), self.log.since(now)))

    def _lesson(self, now: int) -> Lesson:
        """Return what training rules are told beside the rows."""
        number = self.cuts + 1
        chance = Randomness(self.randomness.integer("Lesson.rank", when=number))

        def rank(user: Ints, n: int) -> Items32:
            who, back = np.unique(user, return_inverse=True) if self.model.steady else (user, np.arange(len(user)))
            ordinal, time = np.arange(len(who), dtype=np.uint32), np.full(len(who), now)
            visits = Visits(who, self.users[who], ordinal, time, len(self.model.counts), chance, None, self.shelf.slots)
            return self.model.rank(visits, n, self.threads).items[back]

        return Lesson(number, self.users, self.shelf.address, self.randomness, lambda: self._taught(-1, now), rank, self.depth)

    def _counts(self) -> Counts:
        """Return what was counted over the time of the training rows about the items that are out."""
        counts = self.counters.training()
        return Counts(counts.impressions[:, : self.released], counts.clicks[:, : self.released])

    def _fit(self, recommender: Recommender, rows: Rows, counts: Counts, epoch: int, now: int) -> Model:
        previous = self.trained if isinstance(self.trained, recommender.model) else None
        come = int(np.searchsorted(self.since, now, "right"))
        setting = Fitting(
            epoch, come, self.shelf.address, counts, depth(rows, self.released), self.randomness, previous,
            self.threads, self._truth() if recommender.trusted else None,
        )  # fmt: skip
        return recommender.fit(rows, setting)

    def _publish(self, model: Model, rows: Rows) -> Published:
        """Return what the platform publishes with a model: counts as of the cut, and what users were taught to like."""
        counts, topics = self._counts(), self.shelf.topics
        shown = counts.impressions.sum(axis=0)
        clicked = np.where(counts.impressions > 0, counts.clicks, 0).sum(axis=0)
        taste = tastes(rows, len(self.users), topics) if self._tastes else np.zeros((len(self.users), 0))
        return Published(model.counts, shown.astype(np.float64), clicked.astype(np.float64), topics, taste, self.shelf.label)

    def _before(self) -> Rows:
        """Return what the model that serves first may learn from: a log of before the loop, where there is one."""
        rows = before_the_loop(np.zeros((2, 0), np.int32))
        for stream in self.streams:
            if not stream.signal.from_day:
                rows = rows.and_(before_the_loop(stream.anchor))
        return rows


def unknown_behind(ranking: Ranking, visits: Visits, known: int) -> Ranking:
    """Return a ranking in which items that the model does not know, from number *known* on, stand behind the others.

    They stand in their order, where there is room; a ranking that is a draw never draws them.
    """
    if ranking.weights is not None:
        return replace(ranking, weights=np.append(ranking.weights, np.zeros(visits.released - known)))
    rows = np.flatnonzero((ranking.items == NOTHING).any(axis=1))
    if not len(rows):
        return ranking
    items, new = ranking.items.copy(), np.arange(known, visits.released, dtype=np.int32)
    there = (items[rows] != NOTHING).sum(axis=1)  # they come first
    open_ = ~visits.take(rows).barred(np.broadcast_to(new, (len(rows), len(new))))
    row, column = np.nonzero(open_)
    place = there[row] + spread(open_.sum(axis=1))[1]
    fits = place < items.shape[1]
    items[rows[row[fits]], place[fits]] = new[column[fits]]
    return replace(ranking, items=items)


def provenance(rows: Rows) -> tuple[float, float, float]:
    """Return the human share of the rows and of their weight, and their mean depth by weight; NaN without rows."""
    if not len(rows):
        return np.nan, np.nan, np.nan
    human, weight = np.isin(rows.origin, HUMAN), rows.weight / rows.weight.sum()
    return float(human.mean()), float(weight[human].sum()), float((weight * rows.depth).sum())
