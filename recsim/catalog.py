"""Items: what they are about, and how appealing they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import gammaincinv, ndtri

from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe


@dataclass
class Items:
    """All items, in running order; all are out from second 0 on.

    address: (items,) uint32, where an item's random numbers live. topics: (items, topics), positive, rows sum to 1: what
    the item is about (phi). appeal: (items,) positive (a).
    names: (items,) str, as in the log that the items come from, or empty.
    """

    address: npt.NDArray[np.uint32]
    topics: Floats
    appeal: Floats
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.address)

    def demand_by_topic(self) -> Floats:
        """Return (topics, items): of those who want topic k, the share that wants item i: phi_ik a_i / W_k.

        W_k, the sum of phi_ik a_i over released items, is taken in item order, so that any machine gets the same.
        """
        weight = self.topics.T * self.appeal
        return np.ascontiguousarray(weight / np.cumsum(weight, axis=1)[:, -1:])


class Catalog(Recipe):
    """A recipe for items."""

    def draw(self, randomness: Randomness) -> Items:
        """Return the items of one world; *randomness* is that of the world's seed."""
        raise NotImplementedError


def dirichlet(randomness: Randomness, label: str, who: npt.NDArray[np.unsignedinteger], alpha: Floats) -> Floats:
    """Return one draw a row from Dirichlet(alpha): (n, topics), every entry at least 1e-9, rows sum to 1.

    alpha: (topics,) or (n, topics). Gamma variates by inversion, each at its own address (Devroye 1986, XI.4).
    """
    uniform = randomness.uniform(label, who[:, None], which=np.arange(alpha.shape[-1]))
    gammas = np.maximum(gammaincinv(np.broadcast_to(alpha, uniform.shape), uniform), 1e-300)
    shares = np.maximum(gammas / gammas.sum(axis=1, keepdims=True), 1e-9)
    return shares / shares.sum(axis=1, keepdims=True)


def topic_shares(topics: int, mainstream: int, share: float) -> Floats:
    """Return (topics,): how demand is shared when the first *mainstream* topics hold *share* of it.

    >>> topic_shares(4, 2, 0.8).round(3).tolist()
    [0.4, 0.4, 0.1, 0.1]
    """
    if not 0 < mainstream < topics:
        return np.full(topics, 1 / topics)
    return np.repeat([share / mainstream, (1 - share) / (topics - mainstream)], [mainstream, topics - mainstream])


class SyntheticItems(Catalog):
    """Made-up items: Dirichlet topic mixtures around a few mainstream and many niche topics, log-normal appeal."""

    items: int = Field(500, ge=1, le=2**24, description="number of items")
    topics: int = Field(12, ge=1, le=4096, description="number of topics; the population must have as many")
    mainstream: int = Field(3, ge=0, description="how many of the topics are mainstream; 0: all topics are alike")
    mainstream_share: float = Field(0.6, ge=0, le=1, description="share of the items' content in mainstream topics")
    focus: float = Field(1.0, gt=0, description="sum of the Dirichlet parameters; the smaller, the purer the items")
    appeal_spread: float = Field(1.0, ge=0, le=10, description="standard deviation of log appeal; 0: all alike")

    def draw(self, randomness: Randomness) -> Items:
        """Return the items."""
        address = np.arange(self.items, dtype=np.uint32)
        alpha = self.focus * topic_shares(self.topics, self.mainstream, self.mainstream_share)
        normal = ndtri(randomness.uniform("items.appeal", address))
        return Items(
            address=address,
            topics=dirichlet(randomness, "items.topics", address, np.maximum(alpha, 1e-6)),
            appeal=np.exp(self.appeal_spread * normal),
        )
