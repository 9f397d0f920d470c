"""Creators: who makes the items that come out while the world goes on, and when.

When somebody may release something is settled before the world begins, and where its random numbers live, so that two arms
have the same moments. What comes out may be settled on the day, by what the feed has shown until then.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import ndtri

from recsim.catalog import Catalog, Items, Maker, dirichlet
from recsim.errors import RecsimError
from recsim.lottery import Lottery
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe
from recsim.simplex import Fit, closure
from recsim.world import DAY, Bools

STREAM = 2**24  # items that a stream can have

State = dict[str, npt.NDArray[Any]]
"""What creators keep from one moment to the next, as arrays by name; replaced or written to by `make` alone."""

SUPPLY: dict[str, str] = {
    "ai_share": "share of items by AI among those that are out, 0 to 1",
    "ai_impressions": "share of impressions in the feed that were of items by AI, 0 to 1",
    "ai_clicks": "share of all clicks that were on items by AI, 0 to 1",
    "generation": "mean over impressions of the generations between an item and human work, in generations",
    "creators": "human creators who have not given up, in creators",
}


@dataclass(frozen=True, eq=False)
class Market:
    """What makers see at a moment of all items that came out before it; row i of every array belongs to item i.

    topics: (items, topics), of the catalogue's own topics, rows sum to 1. label: (items,), who made it, as the platform believes.
    generation: (items,). address, creator: (items,), whose it is. impressions, clicks: (items,), since the beginning. slots:
    (items or more,), where they stand in lotteries; None: item i in slot i.
    """

    second: int
    topics: Floats
    label: npt.NDArray[np.int8]
    generation: Floats
    address: npt.NDArray[np.uint32]
    creator: npt.NDArray[np.int32]
    impressions: npt.NDArray[np.int64]
    clicks: npt.NDArray[np.int64]
    slots: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, eq=False)
class Made:
    """What becomes of the items that may come out now: whether they do, (n,); their topics, (n, topics); and generation, (n,)."""

    out: Bools
    topics: Floats
    generation: Floats


def sound(made: Made, due: int, topics: int, where: str) -> None:
    """Raise RecsimError where what somebody's own creators made of *due* items is none."""
    out, mixtures, generation = (np.asarray(part) for part in (made.out, made.topics, made.generation))
    whole = out.shape == generation.shape == (due,) and out.dtype == np.bool_ and mixtures.shape == (due, topics)
    if not (whole and (mixtures[out] >= 0).all() and (np.abs(mixtures[out].sum(axis=1) - 1) < 1e-6).all()):
        raise RecsimError(f"{where}.make: give whether each of {due} items comes out, and topics, {(due, topics)}, that sum to 1")
    if not (np.isfinite(generation[out]) & (generation[out] >= 0)).all():
        raise RecsimError(f"{where}.make: some generation is below 0 or no number; give 0 for human work")


class Creators(Recipe):
    """A recipe for one stream of releases: at day from_day + every, from_day + 2 every, ..., before to_day."""

    maker: ClassVar[Maker] = Maker.HUMAN
    """Who makes their items."""
    decides: ClassVar[bool] = False
    """Whether they settle on the day what comes out: `make` is asked at each of their moments."""

    every: float = Field(1.0, ge=1 / DAY, description="days between the moments at which something may be released")
    from_day: float = Field(0.0, ge=0, description="day from which they work; the first release is a moment later")
    to_day: float = Field(float("inf"), ge=0, allow_inf_nan=True, description="day before which the last release is")
    appeal: float = Field(1.0, gt=0, le=1e6, description="factor on the appeal that the catalogue would give their items")
    wrong: float = Field(0.0, ge=0, le=1, description="share of their items whose maker the platform gets wrong")

    @abstractmethod
    def opportunities(self, randomness: Randomness, stream: int, moments: int) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the running number of the moment of each item that may come out, ascending, and of who makes it, -1 for none."""

    def works(self, randomness: Randomness, stream: int, catalog: Catalog, days: float) -> Items:
        """Return what may come out before the run ends, in order, its random numbers living in a *stream* of their own.

        Every item is one that the catalogue might have drawn; kinds that decide on the day exchange its topics. Raises
        RecsimError where they are too many.
        """
        if self.decides and type(self).make is Creators.make:
            raise self.lacks("make")
        seconds = self.moments(days)
        moment, creator = self.opportunities(randomness, stream, len(seconds))
        few(len(moment))
        items = catalog.more(randomness, np.uint32(stream * STREAM) + np.arange(len(moment), dtype=np.uint32))
        wrong = randomness.uniform("Creators.label", items.address) < self.wrong
        maker = np.full(len(moment), self.maker, np.int8)
        return replace(
            items, appeal=items.appeal * self.appeal, born=seconds[moment], maker=maker, creator=creator.astype(np.int32),
            label=np.where(wrong, 1 - maker, maker).astype(np.int8),
        )  # fmt: skip

    def moments(self, days: float) -> npt.NDArray[np.int64]:
        """Return the seconds of all moments of a run: (moments,)."""
        end = min(days, self.to_day)
        number = np.arange(1, max(0, int((end - self.from_day) / self.every)) + 2)
        seconds = np.round((self.from_day + number * self.every) * DAY)
        return seconds[seconds < end * DAY].astype(np.int64)

    def begin(self, randomness: Randomness, stream: int, catalog: Catalog) -> State:
        """Return what they keep, before their first moment."""
        return {}

    def make(self, randomness: Randomness, state: State, market: Market, due: Items) -> Made:
        """Return what becomes of the items that may come out at this moment; *state* is theirs to write to."""
        raise self.lacks("make")


def few(items: float) -> None:
    """Raise RecsimError where so many items are more than a stream can have, beside the profiles of its creators."""
    if items > STREAM // 2:
        raise RecsimError(f"creators: would release {items:.12g} items, {STREAM // 2} are the most; let them release less")


def _numbers(randomness: Randomness, stream: int, moments: int, items: float) -> tuple[npt.NDArray[np.int64], ...]:
    """Return the opportunities of those who release *items* at each moment, one more with the probability of the fraction."""
    few(items * moments)
    one_more = randomness.uniform("Releases.one", stream, np.arange(moments)) < items % 1
    number = np.repeat(np.arange(moments), int(items) + one_more)
    return number, np.full(len(number), -1)


class Releases(Creators):
    """More of what the catalogue holds: *items* at each moment, of the same distribution."""

    items: float = Field(1.0, ge=0, description="items released at each moment; a fraction is the probability of one more")

    def opportunities(self, randomness: Randomness, stream: int, moments: int) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the items of each moment, all of nobody."""
        return _numbers(randomness, stream, moments, self.items)


class HumanCreators(Creators):
    """People who make items about what they care for, may chase what is clicked, and may give up when nobody is shown theirs.

    Each has a profile, that of an item as the catalogue draws it. What she makes is Dirichlet(focus x profile); or, with
    probability *chase*, Dirichlet(focus x the topics of an item), drawn from all in proportion to their clicks since the last
    moment, those of searches too. Who had items out for *patience* days of which none was shown gives up for good; her items
    stay. Sources: creators who leave when the audience they reach is too small, Mladenov et al. 2020, "Optimizing long-term
    social welfare in recommender systems: a constrained matching approach" (ICML); creators who go where the clicks are, Hron
    et al. 2023, "Modeling content creator incentives on algorithm-curated platforms" (ICLR). The forms are ours.
    """

    decides: ClassVar[bool] = True  # since it is about their profiles

    creators: int = Field(20, ge=1, le=100_000, description="number of creators")
    rate: float = Field(0.05, ge=0, le=1, description="probability that each releases an item at a moment")
    focus: float = Field(20.0, gt=0, le=1e6, description="the larger, the closer are items to what they are meant to be about")
    chase: float = Field(0.0, ge=0, le=1, description="share of items made after something clicked, not after a profile")
    patience: float = Field(
        float("inf"), gt=0, allow_inf_nan=True, description="days that her items may go unseen before she gives up"
    )

    def opportunities(self, randomness: Randomness, stream: int, moments: int) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the items by a coin for each creator and moment."""
        few(self.creators * self.rate * moments)
        who = np.uint64(stream * STREAM) + np.arange(self.creators, dtype=np.uint64)
        found = [np.flatnonzero(randomness.uniform("HumanCreators.coin", who, when) < self.rate) for when in range(moments)]
        when = np.repeat(np.arange(moments), [len(creator) for creator in found])
        return when, np.concatenate([np.zeros(0, np.int64), *found])

    def begin(self, randomness: Randomness, stream: int, catalog: Catalog) -> State:
        """Return the profiles, (creators, topics), and when each was last shown, or first had something to show, in seconds."""
        like = np.uint32((stream + 1) * STREAM - 1) - np.arange(self.creators, dtype=np.uint32)  # where no item lives
        return {
            "stream": np.array(stream), "profile": catalog.more(randomness, like).topics, "seen": np.full(self.creators, np.inf),
            "active": np.ones(self.creators, np.bool_),
            "impressions": np.zeros(0, np.int64), "clicks": np.zeros(0, np.int64),
        }  # fmt: skip

    def make(self, randomness: Randomness, state: State, market: Market, due: Items) -> Made:
        """Return items about the profiles of those who have not given up, or after what is clicked."""
        shown, clicked = (_since(state, name, getattr(market, name)) for name in ("impressions", "clicks"))
        self._look(state, market, shown > 0)
        about = state["profile"][due.creator]
        if clicked.any():
            chases = np.flatnonzero(randomness.uniform("HumanCreators.chase", due.address) < self.chase)
            lottery, who = Lottery(clicked.astype(np.float64), market.slots), due.address[chases].astype(np.uint64)
            about[chases] = market.topics[lottery.at(randomness, "HumanCreators.model", who)]
        topics = dirichlet(randomness, "HumanCreators.topics", due.address, np.maximum(self.focus * about, 1e-6))
        out = state["active"][due.creator]
        state["seen"][due.creator[out]] = np.minimum(state["seen"][due.creator[out]], market.second)
        return Made(out, topics, np.zeros(len(due)))

    def _look(self, state: State, market: Market, shown: Bools) -> None:
        """Let them see which items were shown since the last moment, and give up."""
        theirs = (market.address // STREAM == state["stream"]) & shown
        state["seen"][market.creator[theirs]] = market.second
        state["active"] &= ~(market.second - state["seen"] > self.patience * DAY)  # inf: has nothing out


def _since(state: State, name: str, now: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return how much a count of each item has grown since the last time, and keep it for the next."""
    before = state[name]
    state[name] = now.copy()
    return now - np.append(before, np.zeros(len(now) - len(before), np.int64))


class AICreators(Creators):
    """Machines that imitate what the feed showed most: they fit a law to it and sample from the law.

    At every *refit*-th moment the pool is all items that are out, or what came out since the last fit (at the first, all); of
    the pool the part *share* that was shown most since the last fit is chosen, ties to the older item. The law is logistic-normal
    of maximum likelihood (see `recsim.simplex`), on topics of the catalogue; a new interest's own topic is not imitated. What is
    chosen has weight 1 - human, each item alike, and all that is labelled human and out has weight *human*: the cure of
    accumulating human work. Samples are narrowed by *temperature*; 1 is the law itself. Nothing comes out
    before there are two items to fit. An item's generation is 1 + the weighted mean of what was imitated.

    Sources: generations of models fitted to samples of the last, Shumailov et al. 2024, "AI models collapse when trained on
    recursively generated data" (Nature 631); accumulating the pool instead of replacing it, Gerstgrasser et al. 2024, "Is model
    collapse inevitable?"; which items are imitated, and on what day, is ours.
    """

    maker: ClassVar[Maker] = Maker.AI
    decides: ClassVar[bool] = True

    items: float = Field(5.0, ge=0, description="items released at each moment; a fraction is the probability of one more")
    refit: int = Field(1, ge=1, description="moments from one fit to the next")
    pool: Literal["all", "last"] = Field("all", description="what may be imitated: all that is out, or what came out since")
    share: float = Field(0.1, gt=0, le=1, description="part of the pool that is imitated, what was shown most; 1: all of it")
    temperature: float = Field(0.8, ge=0, le=10, description="factor on the spread of the law; below 1 it is narrowed")
    human: float = Field(0.0, ge=0, le=1, description="weight in each fit of all items that are labelled human")

    def opportunities(self, randomness: Randomness, stream: int, moments: int) -> tuple[npt.NDArray[np.int64], ...]:
        """Return the items of each moment, all of one machine."""
        return _numbers(randomness, stream, moments, self.items)

    def begin(self, randomness: Randomness, stream: int, catalog: Catalog) -> State:
        """Return no law yet: moments so far, how many items were out at the last fit and how often each had been shown."""
        return {
            "moments": np.array(0), "known": np.array(0), "impressions": np.zeros(0, np.int64),
            "mean": np.zeros(0), "root": np.zeros((0, 0)), "generation": np.array(math.nan),
        }  # fmt: skip

    def make(self, randomness: Randomness, state: State, market: Market, due: Items) -> Made:
        """Return samples from the law, fitted anew where it is time."""
        if state["moments"] % self.refit == 0:
            self._fit(state, market)
        state["moments"] = state["moments"] + 1
        if np.isnan(state["generation"]):
            return Made(np.zeros(len(due), np.bool_), due.topics[:, : market.topics.shape[1]], np.zeros(len(due)))
        which = np.arange(len(state["mean"]))
        normal = ndtri(randomness.uniform("AICreators.z", due.address[:, None], 0, which))
        topics = Fit(state["mean"], state["root"]).sample(normal, self.temperature)
        return Made(np.ones(len(due), np.bool_), topics, np.full(len(due), float(state["generation"])))

    def _fit(self, state: State, market: Market) -> None:
        """Fit the law to what is imitated, where there are two items at least."""
        pool = np.arange(int(state["known"]) if self.pool == "last" else 0, len(market))
        if len(pool) < 2:
            return
        shown = _since(state, "impressions", market.impressions)
        most = np.lexsort((pool, -shown[pool]))[: max(2, math.ceil(self.share * len(pool) - 1e-9))]
        weights = _mixed(len(market), pool[most], np.flatnonzero(market.label == Maker.HUMAN), self.human)
        item = np.flatnonzero(weights)
        fit = Fit.of(closure(market.topics[item]), weights[item])
        mean = np.cumsum(weights[item] * market.generation[item])[-1]
        state.update(mean=fit.mean, root=fit.root, generation=np.array(1 + mean), known=np.array(len(market)))


def _mixed(items: int, chosen: npt.NDArray[np.integer], human: npt.NDArray[np.integer], share: float) -> Floats:
    """Return weights of items, (items,), that add up to 1: *share* of them for human work, if there is any."""
    weights = np.zeros(items)
    weights[chosen] = (1 - share if len(human) else 1.0) / len(chosen)
    if len(human):
        weights[human] += share / len(human)
    return weights
