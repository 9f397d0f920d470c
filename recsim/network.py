"""Friendships: who is a friend of whom, drawn by networkx as a world begins and kept as two arrays."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.consumption import spread
from recsim.errors import RecsimError
from recsim.logfiles import Table
from recsim.population import Users
from recsim.randomness import Floats, Ints, Randomness
from recsim.recipe import Recipe

_LOW = np.int64(0xFFFFFFFF)


@dataclass(frozen=True, eq=False)
class Friends:
    """All friendships of a world, by running number; they are mutual, and nobody is a friend of herself.

    start: (users + 1,) int64; friend: (2 * friendships,) int32. The friends of user u, ascending, are
    friend[start[u]:start[u + 1]]: compressed sparse rows of a symmetric matrix.
    """

    start: Ints
    friend: npt.NDArray[np.int32]

    @classmethod
    def of(cls, users: int, pairs: npt.NDArray[np.integer]) -> Self:
        """Return the friendships that the pairs (n, 2) of users name, in any order; repeats and loops add nothing.

        Raises RecsimError where a pair names somebody who is not there.

        >>> friends = Friends.of(4, np.array([[2, 0], [0, 1], [1, 0], [3, 3]]))
        >>> friends.start.tolist(), friends.friend.tolist()
        ([0, 2, 3, 4, 4], [1, 2, 0, 0])
        """
        one, other = (np.asarray(end, np.int64) for end in np.reshape(pairs, (-1, 2)).T)
        if len(one) and not (min(one.min(), other.min()) >= 0 and max(one.max(), other.max()) < users):
            raise RecsimError(
                f"network: a pair names somebody who is none of the {users} users, counted from 0; leave it out"
            )
        one, other = one[one != other], other[one != other]
        both = np.unique(np.concatenate([(one << 32) | other, (other << 32) | one]))
        return cls(np.searchsorted(both, np.arange(users + 1) << 32), (both & _LOW).astype(np.int32))

    def __len__(self) -> int:
        """Return the number of users, those without friends too."""
        return len(self.start) - 1

    @property
    def degree(self) -> Ints:
        """The number of friends of each user: (users,)."""
        return np.diff(self.start)

    def stretch(self, user: Ints) -> tuple[Ints, npt.NDArray[np.int32]]:
        """Return all friends of these users (n,), as pairs of (row among *user*, friend), by row and friend.

        >>> friends = Friends.of(3, np.array([[0, 1], [0, 2]]))
        >>> [part.tolist() for part in friends.stretch(np.array([2, 0, 2]))]
        [[0, 1, 1, 2], [0, 1, 2, 0]]
        """
        run, place = spread(self.start[user + 1] - self.start[user])
        return run, self.friend[self.start[user][run] + place]

    def edges(self) -> Ints:
        """Return each friendship once, (friendships, 2), the smaller number first, in ascending order."""
        one = np.repeat(np.arange(len(self)), self.degree)
        once = one < self.friend
        return np.stack([one[once], self.friend[once].astype(np.int64)], axis=1)


class Network(Recipe):
    """A recipe for the friendships of a world.

    The kinds that networkx draws take a whole number from the world's randomness to seed it, and hand the users to it
    in an order that is drawn by their addresses, so that who stands where in its graph depends on nothing else about
    them. What networkx makes of a seed may change from one version of it to another: the same friendships need the same
    version, which the manifest of a run names.
    """

    @abstractmethod
    def draw(self, randomness: Randomness, users: Users) -> Friends:
        """Return the friendships of these users; *randomness* is that of the world's seed."""


class SmallWorld(Network):
    """A ring of neighbours, some of whose friendships are rewired to anybody: many triangles, and short ways.

    Everyone has *friends* friends on average; with nothing rewired a share 3 (friends - 2) / (4 (friends - 1)) of the
    pairs of somebody's friends are friends too, and about (1 - rewired)^3 of that is left (Barrat and Weigt 2000, "On
    the properties of small-world network models", European Physical Journal B 13).
    Source: Watts and Strogatz 1998, "Collective dynamics of 'small-world' networks", Nature 393.
    """

    friends: int = Field(10, ge=2, multiple_of=2, description="mean number of friends, an even number")
    rewired: float = Field(0.1, ge=0, le=1, description="share of friendships that are rewired to anybody")

    def draw(self, randomness: Randomness, users: Users) -> Friends:
        """Return the friendships."""
        import networkx as nx

        seat = _seats(randomness, "SmallWorld", users, self.friends)
        graph = nx.watts_strogatz_graph(len(seat), self.friends, self.rewired, seed=randomness.integer("SmallWorld"))
        return Friends.of(len(seat), seat[_links(graph)])


class PreferentialAttachment(Network):
    """Users come one by one and befriend those who have friends already: a few hubs, and many with few friends.

    The first m + 1 of them, m = friends / 2, are a star; each newcomer takes m friends among those before her, in
    proportion to how many these have. The mean number of friends is 2m (1 - m / users), and among many users the share
    of those with k friends tends to 2m (m + 1) / (k (k + 1) (k + 2)), k from m on (Bollobás, Riordan, Spencer, Tusnády
    2001, "The degree sequence of a scale-free random graph process", Random Structures and Algorithms 18).
    Source: Barabási and Albert 1999, "Emergence of scaling in random networks", Science 286.
    """

    friends: int = Field(10, ge=2, multiple_of=2, description="mean number of friends, an even number")

    def draw(self, randomness: Randomness, users: Users) -> Friends:
        """Return the friendships."""
        import networkx as nx

        seat = _seats(randomness, "PreferentialAttachment", users, self.friends)
        seed = randomness.integer("PreferentialAttachment")
        return Friends.of(len(seat), seat[_links(nx.barabasi_albert_graph(len(seat), self.friends // 2, seed=seed))])


class Blocks(Network):
    """Like befriends like: a share of friends is found among those of the same main interest, the others among all.

    A block is all users whose greatest interest is the same topic. Everyone expects *friends* friends: *homophily* of
    them drawn from her own block, the rest from everybody, her own block included. So a share homophily + (1 -
    homophily) w of the friends of a block with a share w of the users are in it: *homophily* is the index of inbreeding
    homophily of each block (Coleman 1958, "Relational analysis", Human Organization 17; Currarini, Jackson, Pin 2009,
    "An economic model of friendship", Econometrica 77), and the assortativity to expect of the whole. In a block with
    too few people for that many friends all are friends.

    Every pair is joined or not by itself, within a block with one probability and between blocks with a lower one: a
    stochastic block model (Holland, Laskey, Leinhardt 1983, "Stochastic blockmodels: first steps", Social Networks 5).
    It is laid together of one random graph over all and one over each block, each in time proportional to its
    friendships (Batagelj and Brandes 2005, "Efficient generation of large random networks", Physical Review E 71).
    """

    friends: float = Field(10.0, gt=0, description="mean number of friends")
    homophily: float = Field(
        0.8, ge=0, le=1, description="share of friends drawn from the own block; 0: blocks do not matter"
    )

    def draw(self, randomness: Randomness, users: Users) -> Friends:
        """Return the friendships."""
        import networkx as nx

        seat = _seats(randomness, "Blocks", users, self.friends)
        block = users.interests.argmax(axis=1)[seat]
        anyone = self.friends * (1 - self.homophily) / (len(seat) - 1)
        parts = [_links(nx.fast_gnp_random_graph(len(seat), anyone, seed=randomness.integer("Blocks.anyone")))]
        for topic in np.unique(block).tolist():
            own = np.flatnonzero(block == topic)
            # of the pairs that the graph over all has left: so that both together give the friends that are expected
            left = max((len(own) - 1) * (1 - anyone), 1e-9)
            chance = min(1.0, self.friends * self.homophily / left)
            graph = nx.fast_gnp_random_graph(len(own), chance, seed=randomness.integer("Blocks.own", topic))
            parts.append(own[_links(graph)])
        return Friends.of(len(seat), seat[np.concatenate(parts)])


class EdgeList(Network):
    """Friendships from a file: a row for each, with the two users in two columns.

    The file is CSV, TSV (both also as .gz) or Parquet, with a header; its path counts from where recsim is called.
    Users are named as in the log that they come from; where they have no names, by their running numbers from 0 on. A
    pair may stand there in either order, or in both; a user beside herself adds nothing.
    """

    file: str = Field(description="a file of friendships")
    one: str = Field("a", description="column of one of the two")
    other: str = Field("b", description="column of the other")

    def draw(self, randomness: Randomness, users: Users) -> Friends:
        """Return the friendships; nothing about them is random.

        Raises RecsimError in one line when the file is missing or broken, a column is not there, a field is empty, a
        row names somebody who is no user, or nobody has a friend.
        """
        import pandas as pd

        if self.one == self.other:
            raise RecsimError(
                f"network.other: is {self.other!r}, as the first column is; name a different column for each"
            )
        table = Table.open(Path(self.file), [self.one, self.other])
        known = pd.Index(users.names or list(map(str, range(len(users)))))
        mend = "leave the row out" if users.names else f"they are numbered from 0 to {len(users) - 1}"
        ends = [self._places(table, column, known, mend) for column in (self.one, self.other)]
        friends = Friends.of(len(users), np.stack(ends, axis=1))
        if not len(friends.friend):
            raise RecsimError(
                f"{self.file}: nobody has a friend: each row names one user twice; give pairs of different users"
            )
        return friends

    @staticmethod
    def _places(table: Table, column: str, known: Any, mend: str) -> Ints:
        """Return the running number of the user in each row, (rows,)."""
        names = table.texts(column)
        place = np.asarray(known.get_indexer(names), np.int64)
        if (place < 0).any():
            row = int((place < 0).argmax())
            table.fault(row, column, f"there is no user {names[row]!r}; {mend}")
        return place


def _seats(randomness: Randomness, label: str, users: Users, friends: float) -> Ints:
    """Return which user stands at each node of a graph, (users,): an order drawn by address."""
    if not friends < len(users):
        raise RecsimError(
            f"network.friends: {friends:g} friends each among {len(users)} users; give at most {len(users) - 1}"
        )
    chance: Floats = randomness.uniform(f"{label}.seat", users.address)
    return np.lexsort((users.address, chance))


def _links(graph: Any) -> Ints:
    """Return the edges of a networkx graph over 0, 1, 2, ...: (edges, 2)."""
    ends = np.fromiter(chain.from_iterable(graph.edges()), np.int64, 2 * graph.number_of_edges())
    return ends.reshape(-1, 2)
