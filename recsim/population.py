"""Users: what they want, how often they come, and the state that each carries through a run."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.catalog import dirichlet, topic_shares
from recsim.errors import RecsimError
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe


@dataclass
class Users:
    """All users, one a row.

    address: (users,) uint64, where a user's random numbers live. interests: (users, topics), positive, rows sum to 1:
    what she wants now (theta). activity: (users,) positive, her pace relative to the mean. curiosity: (users,) in [0, 1],
    the chance that a visit does without the feed. niche: (users,) bool, whether most of her interest is off the
    mainstream. names: as in the log that the users come from, or empty.
    """

    address: npt.NDArray[np.uint64]
    interests: Floats
    activity: Floats
    curiosity: Floats
    niche: npt.NDArray[np.bool_]
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.address)

    def and_(self, more: Users) -> Users:
        """Return these users and then the others, who have names where these have: "newcomer 1", "newcomer 2", ..."""
        arrays = {
            name: np.concatenate([getattr(self, name), getattr(more, name)])
            for name in ("address", "interests", "activity", "curiosity", "niche")
        }
        names = tuple(f"newcomer {number + 1}" for number in range(len(more))) if self.names else ()
        return Users(**arrays, names=self.names + names)


Own = dict[str, npt.NDArray[Any]]
"""State columns by name, each (users, ...); "interests", "curiosity" and "innate" (interests as they were born) among them."""


class Population(Recipe):
    """A recipe for users."""

    curiosity: float = Field(0.0, ge=0, le=1, description="share of visits that start with a search, not in the feed")

    @abstractmethod
    def draw(self, randomness: Randomness) -> Users:
        """Return the users of one world; *randomness* is that of the world's seed."""

    def more(self, randomness: Randomness, address: npt.NDArray[np.uint64]) -> Users:
        """Return users who come later, whose random numbers live at the given addresses.

        Raises RecsimError where a kind cannot draw them.
        """
        raise RecsimError(f"population: {self.kind} cannot draw people who come later; give it a method more")


class SyntheticUsers(Population):
    """Made-up people: Dirichlet interests, around mainstream topics for most and around niche topics for some."""

    users: int = Field(1000, ge=1, le=2**31 - 1, description="number of users")
    topics: int = Field(12, ge=1, le=4096, description="number of topics; the catalogue must have as many")
    mainstream: int = Field(3, ge=0, description="how many of the topics are mainstream; 0: all topics are alike")
    niche_users: float = Field(0.3, ge=0, le=1, description="share of users whose interests centre on niche topics")
    loyalty: float = Field(0.9, ge=0.5, le=1, description="share of her own side of the topics in a user's interests")
    focus: float = Field(2.0, gt=0, description="sum of the Dirichlet parameters; the smaller, the narrower the people")

    def draw(self, randomness: Randomness) -> Users:
        """Return the users; niche users are a random share of them."""
        return self.more(randomness, np.arange(self.users, dtype=np.uint64))

    def more(self, randomness: Randomness, address: npt.NDArray[np.uint64]) -> Users:
        """Return users of the same kind at other addresses."""
        niche = randomness.uniform("users.niche", address) < self.niche_users
        most = topic_shares(self.topics, self.mainstream, self.loyalty)
        few = topic_shares(self.topics, self.mainstream, 1 - self.loyalty)
        alpha = np.maximum(self.focus * np.where(niche[:, None], few, most), 1e-6)
        return Users(
            address=address,
            interests=dirichlet(randomness, "users.interests", address, alpha),
            activity=np.ones(len(address)),
            curiosity=np.full(len(address), self.curiosity),
            niche=niche,
        )
