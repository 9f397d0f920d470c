"""The stock: the catalogue of a world as it is now, how much its items are wanted, and those who make more of them."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from recsim import metrics, variety
from recsim.births import padded, with_births
from recsim.catalog import NEVER, Items, Maker, Shelf
from recsim.creators import Made, Market, State, sound
from recsim.errors import RecsimError
from recsim.eventlog import Columns
from recsim.lottery import Lottery
from recsim.randomness import Floats, Randomness
from recsim.scenario import Scenario
from recsim.simplex import closure
from recsim.world import DAY, Ints

_HALVINGS = 1000.0  # after so many an appeal is next to nothing, and stays so


class Stock:
    """The catalogue of a world as it is.

    planned: all items that may come out, in the order of their seconds. items: the same as far as it is settled: first those
    that are out, *released* of them, then those that may still come, then those that did not come out. slots: (items,), the
    place of each among those planned; None: its own. demand: a lottery over items for each topic, of those that are out.
    states: what the creators keep who decide on the day, by their place in the scenario.
    """

    def __init__(self, scenario: Scenario, seed: int, like: Stock | None = None) -> None:
        """Let the world begin; *like*: a stock of which the same may come out."""
        self.scenario, self.randomness = scenario, Randomness(seed)
        same = like is not None and like.scenario.creators == scenario.creators
        self.planned: Items = like.planned if like and same else everything(scenario, seed)
        if like and not _alike(self.planned, like.planned):
            raise RecsimError("creators: release on other days than in the first arm; arms may differ in what they make only")
        self.items, self.slots, self.released = self.planned, None, self.planned.released(0)
        self.makers = [place for place, creators in enumerate(scenario.creators) if creators.decides]
        self.states = {place: self._begin(place) for place in self.makers}
        self._moments = {place: scenario.creators[place].moments(scenario.days) for place in self.makers}
        self.schedule, self.turn = self._schedule(), 0
        self.demand = self._demand()

    slots: Ints | None

    def _begin(self, place: int) -> State:
        return self.scenario.creators[place].begin(self.randomness, 1 + place, self.scenario.catalog)

    def _schedule(self) -> Ints:
        """Return all seconds after the first at which the stock changes, or somebody decides whether it does, ascending."""
        days = np.arange(1, math.ceil(self.scenario.days)) if self.ages else np.zeros(0, np.int64)
        seconds = np.unique(np.concatenate([self.planned.born, days * DAY, *self._moments.values()]))
        return seconds[seconds > 0]

    @property
    def ages(self) -> bool:
        """Whether items lose appeal."""
        return math.isfinite(self.scenario.catalog.half_life)

    @property
    def moves(self) -> bool:
        """Whether what comes out is settled on the day."""
        return bool(self.makers)

    @property
    def shelf(self) -> Shelf:
        """What the platform may know of the items that are out."""
        items, out = self.items, slice(self.released)
        return Shelf(items.address[out], items.topics[out], items.label[out], self.slots)

    def take_over(self, other: Stock, second: int) -> None:
        """Go on from another stock of which the same may come out, as it is before the changes of a second.

        What is out stays what it is; who is of the same kind goes on with what she keeps.
        """
        out = np.arange(other.released) if other.slots is None else other.slots[: other.released]
        appeal = self.planned.appeal.copy()
        appeal[out] = other.planned.appeal[out]
        self.planned = replace(self.planned, appeal=appeal)
        planned = self.planned if other.slots is None else self.planned.take(other.slots)
        items = other.items.take(slice(other.released)).then(planned.take(slice(other.released, None)))
        self.items = replace(items, born=other.items.born)
        self.slots, self.released = other.slots, other.released
        self.turn = int(np.searchsorted(self.schedule, second))  # makers of another kind may have moments of their own
        for place, state in other.states.items():
            if place in self.states and self.scenario.creators[place].kind == other.scenario.creators[place].kind:
                self.states[place] = deepcopy(state)
        self.demand = other.demand

    # --------------------------------------------------------------------------------------------------- as time goes
    def next(self) -> int | None:
        """Return the second, now at the earliest, at which the stock changes next; None where it does not any more."""
        return int(self.schedule[self.turn]) if self.turn < len(self.schedule) else None

    def change(self, second: int, impressions: Ints, clicks: Ints) -> None:
        """Let come out what is due at a second, and all get older; *impressions*, *clicks*: (items,), since the beginning."""
        self.turn = int(np.searchsorted(self.schedule, second, "right"))
        due = slice(self.released, self.items.released(second))
        keep = np.ones(due.stop - due.start, np.bool_)
        market = self._market(second, impressions[: self.released], clicks[: self.released]) if self.makers else None
        for place in self.makers:
            creators = self.scenario.creators[place]
            if market is not None and second in self._moments[place]:
                theirs = np.flatnonzero(self.items.address[due] >> 24 == 1 + place)
                made = creators.make(self.randomness, self.states[place], market, self.items.take(due.start + theirs))
                if not type(creators).__module__.startswith("recsim."):
                    sound(made, len(theirs), market.topics.shape[1], f"creators.{place}: {creators.kind}")
                self._settle(due.start + theirs, made)
                keep[theirs] = made.out
        if not keep.all():
            self._leave_out(due.start + np.flatnonzero(~keep))
        self.released += int(keep.sum())
        if len(keep) or self.ages:
            self._age(second)
            self.demand = self._demand()

    def _market(self, second: int, impressions: Ints, clicks: Ints) -> Market:
        """Return what makers see of what is out; topics of new interests are left out of it."""
        items, out, own = self.items, slice(self.released), self._own_topics
        topics = closure(items.topics[out, :own]) if own < items.topics.shape[1] else items.topics[out]
        return Market(
            second, topics, items.label[out], items.generation[out], items.address[out], items.creator[out], impressions, clicks,
            self.slots,
        )  # fmt: skip

    @property
    def _own_topics(self) -> int:
        """How many topics the catalogue has without those of births."""
        return self.items.topics.shape[1] - len(self.scenario.births)

    def _settle(self, rows: Ints, made: Made) -> None:
        """Write what was made into items of their own, so that no other world is changed."""
        topics, generation = self.items.topics.copy(), self.items.generation.copy()
        topics[rows], generation[rows] = padded(made.topics, topics.shape[1]), made.generation
        self.items = replace(self.items, topics=topics, generation=generation)

    def _leave_out(self, rows: Ints) -> None:
        """Put items that do not come out behind all others."""
        order = np.append(np.delete(np.arange(len(self.items)), rows), rows)
        slots = np.arange(len(self.items)) if self.slots is None else self.slots
        self.items, self.slots = self.items.take(order), slots[order]
        self.items.born[len(order) - len(rows) :] = NEVER

    def _age(self, second: int) -> None:
        """Let the appeal of what is out be that of its age."""
        if self.ages:
            fresh = self.planned.appeal if self.slots is None else self.planned.appeal[self.slots]
            days, half_life = np.maximum(second - self.items.born[: self.released], 0) / DAY, self.scenario.catalog.half_life
            appeal = fresh.copy()
            appeal[: self.released] *= np.exp2(-np.minimum(days, _HALVINGS * half_life) / half_life)
            self.items = replace(self.items, appeal=appeal)

    def _demand(self) -> Lottery:
        return Lottery(self.items.demand_by_topic(self.released), self.slots)

    # ------------------------------------------------------------------------------------------------- what is kept
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what a checkpoint must keep of a stock that is settled on the day."""
        if not self.moves:
            return {}
        slots = np.arange(len(self.items)) if self.slots is None else self.slots
        kept: dict[str, npt.NDArray[Any]] = {
            "slots": slots, "released": np.array(self.released), "topics": self.items.topics,
            "generation": self.items.generation,
        }  # fmt: skip
        return kept | {f"{place}.{name}": array for place, state in self.states.items() for name, array in state.items()}

    def restore(self, kept: dict[str, npt.NDArray[Any]], second: int) -> None:
        """Be as at a second after its changes, given what was kept."""
        self.turn = int(np.searchsorted(self.schedule, second, "right"))
        self.released = int(kept["released"]) if self.moves else self.planned.released(second)
        if self.moves:
            self.slots = kept["slots"] if (np.diff(kept["slots"]) < 0).any() else None
            items = self.planned.take(kept["slots"])
            missing = (items.born <= second) & (np.arange(len(items)) >= self.released)
            self.items = replace(
                items, topics=kept["topics"], generation=kept["generation"], born=np.where(missing, NEVER, items.born)
            )
            for place, state in self.states.items():
                begins = f"{place}."
                state.clear()
                state.update({name.removeprefix(begins): kept[name] for name in kept if name.startswith(begins)})
        self._age(int(self.schedule[self.turn - 1]) if self.turn else 0)
        self.demand = self._demand()

    # ---------------------------------------------------------------------------------------------- what can be seen
    def table(self) -> Columns:
        """Return what came out, a row each: running number, name, day, maker, label, creator, generation, appeal when it came
        out, its main topic, and all its topics.
        """
        items = self.items.take(slice(self.released))
        fresh = (self.planned.appeal if self.slots is None else self.planned.appeal[self.slots])[: self.released]
        codes = np.array([maker.name.lower() for maker in Maker], object)
        return {
            "item": np.arange(len(items), dtype=np.int32), "name": np.array(items.names or [""] * len(items), object),
            "born": items.born / DAY, "maker": codes[items.maker], "label": codes[items.label], "creator": items.creator,
            "stream": (items.address >> 24).astype(np.int32), "generation": items.generation, "appeal": fresh,
            "topic": items.topics.argmax(axis=1).astype(np.int32),
            **{f"topic {place + 1}": column for place, column in enumerate(items.topics.T)},
        }  # fmt: skip

    def wanted(self, topics: Floats) -> Floats:
        """Return how much each item that is out is wanted, (released,), where *topics* (topics,) is how much each topic is."""
        pools = self.demand.weights[:, : self.released]
        return np.asarray(sum(much * pool for much, pool in zip(topics, pools, strict=True)), np.float64)

    @cached_property
    def _reference(self) -> variety.Reference:
        first = self.planned.topics[: self.planned.released(0), : self._own_topics]
        return variety.Reference.of(first)

    def figures(self, since: int, impressions: Ints, clicks: Ints) -> list[tuple[str, str, float]]:
        """Return the figures of the supply as rows (group, metric, value): see `SUPPLY`, `variety.VARIETY` and `metrics.GROUPED`.

        Variety is given of the catalogue, of what is new since a second, and of what was shown, by impressions. impressions,
        clicks: (items,), of those that are out, since then.
        """
        items = self.items.take(slice(self.released))
        ai, new = items.maker == Maker.AI, (items.born > since).astype(np.float64)
        active = [state["active"] for state in self.states.values() if "active" in state]
        rows = [
            ("all", "ai_share", float(ai.mean())),
            ("all", "ai_impressions", _ratio(impressions[ai].sum(), impressions.sum())),
            ("all", "ai_clicks", _ratio(clicks[ai].sum(), clicks.sum())),
            ("all", "generation", _ratio((impressions * items.generation).sum(), impressions.sum())),
            ("all", "creators", float(sum(people.sum() for people in active))),
        ]
        topics = items.topics[:, : self._own_topics]
        for group, weights in (("catalogue", None), ("new", new), ("shown", impressions.astype(np.float64))):
            figures = variety.measure(topics, self._reference, weights)
            rows += [(group, metric, value) for metric, value in figures.items()]
        return rows + [("creators", metric, value) for metric, value in _by_creator(items, impressions, clicks).items()]


def _by_creator(items: Items, impressions: Ints, clicks: Ints) -> dict[str, float]:
    """Return how exposure is shared among the creators who are named and have an item out: see `metrics.GROUPED`."""
    named = items.creator >= 0
    creator = (items.address[named] >> 24).astype(np.int64) << 32 | items.creator[named]  # those of one stream share a number
    place = np.unique(creator, return_inverse=True)[1]
    shown, had = (metrics.by_creator(counts[named], place) for counts in (impressions, clicks))
    return {"gini": metrics.gini(shown), "gini_clicks": metrics.gini(had), "exposed": metrics.coverage(shown)}


def _alike(items: Items, others: Items) -> bool:
    """Return whether the same may come out, at the same seconds."""
    return np.array_equal(items.address, others.address) and np.array_equal(items.born, others.born)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else math.nan


def everything(scenario: Scenario, seed: int) -> Items:
    """Return all items of a world in the order in which they come out: the catalogue, drawn by its world_seed, then what
    creators release and births bring, drawn by the seed.
    """
    items, randomness = scenario.catalog.draw(Randomness(scenario.world_seed)), Randomness(seed)
    for place, creators in enumerate(scenario.creators):
        items = items.and_(creators.works(randomness, 1 + place, scenario.catalog, scenario.days))
    return with_births(items, scenario.births, scenario.catalog, randomness) if scenario.births else items
