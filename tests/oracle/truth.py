"""What there is: the people and the items, their interests, demand and preference."""

from __future__ import annotations

import recsim as rs
from recsim.randomness import Randomness

from .chance import Tree


class Truth:
    """The people and the items: interests, demand and preference."""

    def __init__(self, scenario: rs.Scenario) -> None:
        randomness = Randomness(scenario.world_seed)
        people, items = scenario.population.draw(randomness), scenario.catalog.draw(randomness)
        self.interests: list[list[float]] = people.interests.tolist()
        self.activity: list[float] = people.activity.tolist()
        self.curiosity: list[float] = people.curiosity.tolist()
        self.users, self.items, self.topics = len(people), len(items), len(self.interests[0])
        self.demand = [self.demand_of(k, items.topics.tolist(), items.appeal.tolist()) for k in range(self.topics)]
        self.demand_trees = [Tree(demand) for demand in self.demand]
        self.preference = [self.preference_of(interests) for interests in self.interests]

    def demand_of(self, topic: int, topics: list[list[float]], appeal: list[float]) -> list[float]:
        """Return, of those who want a topic, the share that wants each item."""
        weights = [topics[item][topic] * appeal[item] for item in range(self.items)]
        total = 0.0
        for weight in weights:
            total += weight
        return [weight / total for weight in weights]

    def preference_of(self, interests: list[float]) -> list[float]:
        """Return p_u: the share of each item in what a user wants."""
        preference = [0.0] * self.items
        for share, demand in zip(interests, self.demand, strict=True):
            for item in range(self.items):
                preference[item] += share * demand[item]
        return preference
