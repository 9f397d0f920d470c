"""Items: what they are about, and how appealing they are."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import gammaincinv, ndtri

from recsim.ahead import THREADS
from recsim.amounts import by_rows
from recsim.codes import Codes
from recsim.errors import RecsimError
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe

NEVER = np.iinfo(np.int64).max  # the second of what will not come out


class Maker(Codes):
    """Who made an item; the code is what tables store."""

    HUMAN = 0
    AI = 1


@dataclass
class Items:
    """All items there will ever be, in the order in which they are released.

    address: (items,) uint32, where an item's random numbers live: stream * 2**24 + serial, the catalogue being stream 0.
    topics: (items, topics), not negative, rows sum to 1: what the item is about (phi). appeal: (items,) positive (a).
    names: (items,) str, as in the log that the items come from, or empty. born: (items,) the second of the release,
    ascending; 0 where none is given. maker: (items,) 0 human, 1 AI; label: the same as the platform believes it. creator:
    (items,) who of several made it, -1 where nobody is named. generation: (items,) how many makers who imitate stand between it
    and human work, on average over what was imitated; 0 for human work. All of them 0, or -1, where none are given.
    """

    address: npt.NDArray[np.uint32]
    topics: Floats
    appeal: Floats
    names: tuple[str, ...] = ()
    born: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    maker: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    label: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    creator: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    generation: Floats = field(default_factory=lambda: np.zeros(0, np.float64))

    def __post_init__(self) -> None:
        for name in ("born", "maker", "label", "creator", "generation"):
            if not len(getattr(self, name)):
                missing = np.full(len(self.address), -1 if name == "creator" else 0, getattr(self, name).dtype)
                setattr(self, name, missing)

    def __len__(self) -> int:
        return len(self.address)

    def released(self, second: int) -> int:
        """Return how many items are out at a second: those before this running number."""
        return int(np.searchsorted(self.born, second, "right"))

    def demand_by_topic(self, released: int | None = None) -> Floats:
        """Return (topics, items): of those who want topic k, the share that wants item i: phi_ik a_i / W_k.

        W_k, the sum of phi_ik a_i over the first *released* items (None: all), is taken in item order, so that any machine gets
        the same. 0 for the others, and for topics that no item is about.
        """
        weight = self.topics.T * self.appeal
        weight[:, len(self) if released is None else released :] = 0.0
        total = np.cumsum(weight, axis=1)[:, -1:]
        return np.divide(weight, total, out=np.zeros(weight.shape), where=total > 0)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that is known of them but their names, one array each."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "names"}

    def take(self, rows: npt.NDArray[np.integer] | slice) -> Items:
        """Return some of the items."""
        names = tuple(np.array(self.names, object)[rows]) if self.names else ()
        return Items(**{name: array[rows] for name, array in self.arrays().items()}, names=names)

    def then(self, more: Items) -> Items:
        """Return these items and then the others."""
        new = more.names or tuple(f"release {address >> 24}.{(address & 0xFFFFFF) + 1}" for address in more.address.tolist())
        names = self.names + new if self.names else ()
        theirs = more.arrays()
        return Items(**{name: np.concatenate([array, theirs[name]]) for name, array in self.arrays().items()}, names=names)

    def and_(self, more: Items) -> Items:
        """Return these items and the others, in the order of release; those released together in the order given."""
        both = self.then(more)
        return both.take(np.argsort(both.born, kind="stable"))


@dataclass(frozen=True, eq=False)
class Shelf:
    """What a platform knows of the items that are out; row i belongs to item i.

    address: (items,) uint32. topics: (items, topics). label: (items,) int8, who made it as the platform believes: 0 human, 1 AI.
    slots: (items,), where they stand in lotteries; None: item i in slot i.
    """

    address: npt.NDArray[np.uint32]
    topics: Floats
    label: npt.NDArray[np.int8]
    slots: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.address)


class Catalog(Recipe):
    """A recipe for items, and for how fast they are forgotten.

    An item's appeal halves every *half_life* days from its release on, day by day, as news lose their novelty in the simulator
    SIREN (Bountouridis et al. 2019); the form is ours. Only what is younger than another gains by that.
    """

    half_life: float = Field(
        float("inf"), gt=0, allow_inf_nan=True, description="days in which an item's appeal halves; inf: it never ages"
    )

    @abstractmethod
    def draw(self, randomness: Randomness) -> Items:
        """Return the items of one world; *randomness* is that of the world's seed."""

    def more(self, randomness: Randomness, address: npt.NDArray[np.uint32]) -> Items:
        """Return items that come later, whose random numbers live at the given addresses.

        Raises RecsimError where a kind cannot draw them.
        """
        raise RecsimError(f"catalog: {self.kind} cannot draw items that come later; give it a method more")


def dirichlet(randomness: Randomness, label: str, who: npt.NDArray[np.unsignedinteger], alpha: Floats) -> Floats:
    """Return one draw a row from Dirichlet(alpha): (n, topics), every entry at least 1e-9, rows sum to 1.

    alpha: (topics,) or (n, topics). Gamma variates by inversion, each at its own address (Devroye 1986, XI.4).
    """

    def some(who: npt.NDArray[np.unsignedinteger], alpha: Floats) -> Floats:
        uniform = randomness.uniform(label, who[:, None], which=np.arange(alpha.shape[1]))
        gammas = np.maximum(gammaincinv(alpha, uniform), 1e-300)
        shares = np.maximum(gammas / gammas.sum(axis=1, keepdims=True), 1e-9)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float64)

    return by_rows(some, who, np.broadcast_to(alpha, (len(who), alpha.shape[-1])), threads=THREADS.get())


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
        return self.more(randomness, np.arange(self.items, dtype=np.uint32))

    def more(self, randomness: Randomness, address: npt.NDArray[np.uint32]) -> Items:
        """Return items of the same kind at other addresses."""
        alpha = self.focus * topic_shares(self.topics, self.mainstream, self.mainstream_share)
        normal = ndtri(randomness.uniform("items.appeal", address))
        return Items(
            address=address,
            topics=dirichlet(randomness, "items.topics", address, np.maximum(alpha, 1e-6)),
            appeal=np.exp(self.appeal_spread * normal),
        )
