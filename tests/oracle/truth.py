"""What there is: the people as they were born, the items, their demand, and who prefers what."""

from __future__ import annotations

import recsim as rs
from recsim.randomness import Randomness

from .arithmetic import in_turn
from .chance import Tree


class Truth:
    """The people as they were born, and the items: interests, topics and demand."""

    def __init__(self, scenario: rs.Scenario) -> None:
        randomness = Randomness(scenario.world_seed)
        people, items = scenario.population.draw(randomness), scenario.catalog.draw(randomness)
        self.interests: list[list[float]] = people.interests.tolist()
        self.activity: list[float] = people.activity.tolist()
        self.curiosity: list[float] = people.curiosity.tolist()
        self.about: list[list[float]] = items.topics.tolist()
        self.users, self.items, self.topics = len(people), len(items), len(self.interests[0])
        self.demand = [self.demand_of(k, self.about, items.appeal.tolist()) for k in range(self.topics)]
        self.demand_trees = [Tree(demand) for demand in self.demand]

    def demand_of(self, topic: int, topics: list[list[float]], appeal: list[float]) -> list[float]:
        """Return, of those who want a topic, the share that wants each item."""
        weights = [topics[item][topic] * appeal[item] for item in range(self.items)]
        total = in_turn(weights)
        return [weight / total for weight in weights]

    def preference(self, wants: list[float], item: int) -> float:
        """Return p_u(i): the share of an item in what a user wants, who wants so much of each topic."""
        return in_turn(want * demand[item] for want, demand in zip(wants, self.demand, strict=True))
