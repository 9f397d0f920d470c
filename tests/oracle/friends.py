"""Friends: who is a friend of whom, by lists that follow from a graph or from pairs."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

import networkx as nx

import recsim as rs

from .chance import Numbers
from .truth import Truth


def friends_of(network: rs.Network | None, truth: Truth, world_seed: int) -> list[list[int]]:
    """Return the friends of each user, ascending: of all who ever come, as they were born."""
    numbers = Numbers(world_seed)
    match network:
        case None:
            return mutual(truth.users, [])
        case rs.EdgeList():
            with Path(network.file).open(newline="") as file:
                return mutual(truth.users, [(int(row[network.one]), int(row[network.other])) for row in csv.DictReader(file)])
    name = type(network).__name__
    chance = {user: numbers.uniform(f"{name}.seat", truth.address[user]) for user in range(truth.users)}
    seat = sorted(chance, key=lambda user: (chance[user], truth.address[user]))
    match network:
        case rs.SmallWorld():
            graph = nx.watts_strogatz_graph(truth.users, network.friends, network.rewired, seed=number(numbers, name))
            pairs = list(graph.edges())
        case rs.PreferentialAttachment():
            pairs = list(nx.barabasi_albert_graph(truth.users, network.friends // 2, seed=number(numbers, name)).edges())
        case rs.Blocks():
            pairs = blocks(network, [main_interest(truth.interests[user]) for user in seat], numbers)
        case _:
            raise NotImplementedError(name)
    return mutual(truth.users, [(seat[one], seat[other]) for one, other in pairs])


def blocks(network: rs.Blocks, block: list[int], numbers: Numbers) -> list[tuple[int, int]]:
    """Return the pairs of a graph over all, and of one over each block; *block*: of whoever sits at each node."""
    anyone = network.friends * (1 - network.homophily) / (len(block) - 1)
    pairs = list(nx.fast_gnp_random_graph(len(block), anyone, seed=number(numbers, "Blocks.anyone")).edges())
    for topic in sorted(set(block)):
        own = [node for node, theirs in enumerate(block) if theirs == topic]
        left = max((len(own) - 1) * (1 - anyone), 1e-9)  # of the pairs of one, those that the graph over all has not joined
        chance = min(1.0, network.friends * network.homophily / left)
        graph = nx.fast_gnp_random_graph(len(own), chance, seed=number(numbers, "Blocks.own", topic))
        pairs += [(own[one], own[other]) for one, other in graph.edges()]
    return pairs


def main_interest(interests: list[float]) -> int:
    """Return the topic that somebody is most interested in, ties to the first."""
    return interests.index(max(interests))


def number(numbers: Numbers, label: str, who: int = 0) -> int:
    """Return a whole number below 2^31, to seed a library."""
    return int(numbers.uniform(label, who) * 2**31)


def mutual(users: int, pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Return the lists of friends that pairs make: nobody is a friend of herself, or of anybody twice."""
    friends: list[set[int]] = [set() for _ in range(users)]
    for one, other in pairs:
        if one != other:
            friends[one].add(other)
            friends[other].add(one)
    return [sorted(theirs) for theirs in friends]
