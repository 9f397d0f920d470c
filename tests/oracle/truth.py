"""What there is: the people as they were born, when they come and go, the items that are out, demand, and who prefers what."""

from __future__ import annotations

import numpy as np

import recsim as rs
from recsim.randomness import Randomness

from .arithmetic import in_turn
from .chance import Numbers, Tree
from .clock import DAY
from .presence import NEWCOMERS, arrivals, stay
from .releases import Item, all_items


class Truth:
    """The people as they were born, founders first and newcomers as they come; the items that are out, and demand for them.

    address, item_address: where their random numbers live. leaves: where items stand in lotteries: those that do not come out
    keep their places there, and no number. since, ends: the seconds from and before which each user is
    there. users: how many there will ever be; items: how many are out.
    """

    def __init__(self, scenario: rs.Scenario, numbers: Numbers) -> None:
        founders = scenario.population.draw(Randomness(scenario.world_seed))
        later = arrivals(scenario.arrivals, numbers, round(scenario.days * DAY))
        addresses = [NEWCOMERS + serial for serial in range(len(later))]
        people = [founders]
        if later:
            people.append(scenario.population.more(Randomness(numbers.seed), np.array(addresses, np.uint64)))
        unborn = [0.0] * len(scenario.births)
        self.interests: list[list[float]] = [born + unborn for some in people for born in some.interests.tolist()]
        self.activity: list[float] = [pace for some in people for pace in some.activity.tolist()]
        self.curiosity: list[float] = [curious for some in people for curious in some.curiosity.tolist()]
        self.address = list(range(len(founders))) + addresses
        self.since = [0] * len(founders) + later
        self.ends = [
            since + stay(scenario.lifetime, numbers, address) * DAY
            for since, address in zip(self.since, self.address, strict=True)
        ]
        self.users, self.topics = len(self.since), len(self.interests[0])
        self.half_life = scenario.catalog.half_life
        self.about: list[list[float]] = []
        self.item_address: list[int] = []
        self.leaves: list[int] = []
        self.settle(all_items(scenario, numbers))
        self.stock(0)

    def settle(self, catalogue: list[Item]) -> None:
        """Let these be the items that are out, and those that may still come."""
        self.catalogue = catalogue
        self.about[:] = [item.topics for item in catalogue]
        self.item_address[:] = [item.address for item in catalogue]
        self.leaves[:] = [item.leaf for item in catalogue]

    def stock(self, second: int) -> None:
        """Let people want the items that are out at a second, each by its age."""
        self.items = sum(item.born <= second for item in self.catalogue)
        self.appeal = [aged(item, second, self.half_life) for item in self.catalogue[: self.items]]
        self.demand = [self.demand_of(topic) for topic in range(self.topics)]
        self.demand_trees = [Tree(demand, self.leaves) for demand in self.demand]

    def demand_of(self, topic: int) -> list[float]:
        """Return, of those who want a topic, the share that wants each item that is out; nobody where none is about it."""
        weights = [self.about[item][topic] * self.appeal[item] for item in range(self.items)]
        total = in_turn(weights)
        return [weight / total if total > 0 else 0.0 for weight in weights]

    def is_there(self, user: int, second: int) -> bool:
        """Return whether somebody has come by a second, and her stay is not over."""
        return self.since[user] <= second < self.ends[user]

    def come(self, second: int) -> int:
        """Return how many have come by a second."""
        return sum(since <= second for since in self.since)

    def preference(self, wants: list[float], item: int) -> float:
        """Return p_u(i): the share of an item in what a user wants, who wants so much of each topic."""
        return in_turn(want * demand[item] for want, demand in zip(wants, self.demand, strict=True))


def aged(item: Item, second: int, half_life: float) -> float:
    """Return the appeal of an item that has been out for some time: it halves every *half_life* days."""
    return item.appeal * float(np.exp2(-min((second - item.born) / DAY / half_life, 1000.0)))
