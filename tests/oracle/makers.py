"""Makers who decide on the day what comes out: people who chase and may give up, and machines that imitate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri

import recsim as rs
from recsim.randomness import Randomness

from .arithmetic import in_turn
from .chance import Numbers, Tree, Visit
from .clock import DAY
from .eventlog import Log
from .releases import STREAM, Item, moments
from .simplex import Law, closure, coordinates, dirichlet


@dataclass
class Market:
    """What makers see at a second: the items that are out, their *topics* less those of new interests, the *leaves* where
    they stand in lotteries, and how often each has been shown and clicked since the beginning.
    """

    second: int
    items: list[Item]
    topics: list[list[float]]
    leaves: list[int]
    impressions: list[int]
    clicks: list[int]

    @classmethod
    def of(cls, second: int, items: list[Item], births: int, log: Log) -> Market:
        """Return the market of a second, of which the log knows nothing yet; without births topics are as they are."""
        topics = [closure(item.topics[: len(item.topics) - births]) if births else item.topics for item in items]
        shown, clicks = [0] * len(items), [0] * len(items)
        for row in log.impressions:
            shown[row.item] += 1
        for row in log.clicks:
            clicks[row.item] += row.clicked
        return cls(second, items, topics, [item.leaf for item in items], shown, clicks)


def since(now: list[int], before: list[int]) -> list[int]:
    """Return how much the count of each item has grown; new items come behind."""
    return [count - (before[item] if item < len(before) else 0) for item, count in enumerate(now)]


@dataclass
class People:
    """`HumanCreators`. profiles: what each cares for; seen: the moment by which something of hers had been shown since the
    one before, or of her first release; gone: who has given up.
    """

    recipe: rs.HumanCreators
    stream: int
    numbers: Numbers
    profiles: list[list[float]]
    seen: dict[int, int] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)
    impressions: list[int] = field(default_factory=list)
    clicks: list[int] = field(default_factory=list)

    def make(self, market: Market, due: list[Item]) -> list[Item | None]:
        """Return what comes out of each item that may come out now, None where nothing does."""
        shown, clicked = since(market.impressions, self.impressions), since(market.clicks, self.clicks)
        self.impressions, self.clicks = market.impressions, market.clicks
        for item, times in zip(market.items, shown, strict=True):
            if times and item.address // STREAM == self.stream:
                self.seen[item.creator] = market.second
        self.gone |= {who for who, second in self.seen.items() if market.second - second > self.recipe.patience * DAY}
        return [self.made(market, item, clicked) if item.creator not in self.gone else None for item in due]

    def made(self, market: Market, item: Item, clicked: list[int]) -> Item:
        """Return an item about the profile of who makes it, or after one that was clicked."""
        self.seen.setdefault(item.creator, market.second)
        about = self.profiles[item.creator]
        if any(clicked) and self.numbers.uniform("HumanCreators.chase", item.address) < self.recipe.chase:
            weights = Tree([float(clicks) for clicks in clicked], market.leaves)
            about = market.topics[Visit(self.numbers, item.address, 0).draw("HumanCreators.model", weights)]
        alpha = [max(self.recipe.focus * share, 1e-6) for share in about]
        return item._replace(topics=dirichlet(self.numbers, "HumanCreators.topics", item.address, alpha))


@dataclass
class Machines:
    """`AICreators`. known: how many items were out at the last fit; impressions: of each by then; generation: of what they
    make.
    """

    recipe: rs.AICreators
    stream: int
    numbers: Numbers
    moments: int = 0
    known: int = 0
    impressions: list[int] = field(default_factory=list)
    law: Law | None = None
    generation: float = 0.0

    def make(self, market: Market, due: list[Item]) -> list[Item | None]:
        """Return samples of the law, fitted anew where it is time; nothing comes out before there is one."""
        if self.moments % self.recipe.refit == 0:
            self.fit(market)
        self.moments += 1
        return [self.made(item, self.law) if self.law else None for item in due]

    def made(self, item: Item, law: Law) -> Item:
        """Return an item about a sample of a law."""
        chances = [self.numbers.uniform("AICreators.z", item.address, 0, j) for j in range(len(law.mean))]
        normal = [float(ndtri(chance)) for chance in chances]
        return item._replace(topics=law.sample(normal, self.recipe.temperature), generation=self.generation)

    def fit(self, market: Market) -> None:
        """Fit the law to what was shown most of the pool, and to human work."""
        pool = list(range(self.known if self.recipe.pool == "last" else 0, len(market.items)))
        if len(pool) < 2:
            return
        shown = since(market.impressions, self.impressions)
        size = max(2, math.ceil(self.recipe.share * len(pool) - 1e-9))
        most = sorted(pool, key=lambda item: (-shown[item], item))[:size]
        human = [item for item in range(len(market.items)) if market.items[item].by_hand]
        weights = [0.0] * len(market.items)
        for item in most:
            weights[item] = ((1 - self.recipe.human) if human else 1.0) / len(most)
        for item in human:
            weights[item] += self.recipe.human / len(human)
        chosen = [item for item, weight in enumerate(weights) if weight]
        points = [coordinates(closure(market.topics[item])) for item in chosen]
        self.law = Law.of(points, [weights[item] for item in chosen])
        self.generation = 1 + in_turn(weights[item] * market.items[item].generation for item in chosen)
        self.known, self.impressions = len(market.items), market.impressions


class Makers:
    """All makers of a world who decide on the day, by the place of each among the creators; *moments*: the seconds of each."""

    def __init__(self, scenario: rs.Scenario, numbers: Numbers) -> None:
        self.births = len(scenario.births)
        self.makers: dict[int, People | Machines] = {}
        self.moments: dict[int, set[int]] = {}
        for place, creators in enumerate(scenario.creators):
            match creators:
                case rs.HumanCreators():
                    last = (place + 2) * STREAM - 1
                    like = np.array([last - who for who in range(creators.creators)], np.uint32)
                    profiles = scenario.catalog.more(Randomness(numbers.seed), like).topics.tolist()
                    self.makers[place] = People(creators, 1 + place, numbers, profiles)
                case rs.AICreators():
                    self.makers[place] = Machines(creators, 1 + place, numbers)
                case _:
                    continue
            self.moments[place] = set(moments(creators, scenario.days))

    def decide(self, second: int, out: list[Item], due: list[Item], log: Log) -> list[Item]:
        """Return what comes out of the items that are due at a second: all makers see what was out before it."""
        if not any(second in theirs for theirs in self.moments.values()):
            return due
        market, made = Market.of(second, out, self.births, log), {item.leaf: item for item in due}
        for place, maker in self.makers.items():
            if second in self.moments[place]:
                theirs = [item for item in due if item.address // STREAM == 1 + place]
                for item, outcome in zip(theirs, maker.make(market, theirs), strict=True):
                    made[item.leaf] = outcome and outcome._replace(topics=outcome.topics + [0.0] * self.births)
        return [item for item in made.values() if item is not None]
