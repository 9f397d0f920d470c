"""Releases: the items that come out while the world goes on, of creators and of new interests, each at its second."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

import recsim as rs
from recsim.randomness import Randomness

from .chance import Numbers
from .clock import DAY

STREAM = 2**24  # items of a stream: their addresses follow each other


class Item(NamedTuple):
    """One item: where its random numbers live, what it is about, how appealing it is, the second it comes out, and whether
    the platform believes that people made it; its place in the plan, which is its leaf in lotteries; who of its stream makes
    it; and how many imitations it is from human work.
    """

    address: int
    topics: list[float]
    appeal: float
    born: int
    by_hand: bool = True
    leaf: int = -1
    creator: int = -1
    generation: float = 0.0


def all_items(scenario: rs.Scenario, numbers: Numbers) -> list[Item]:
    """Return all items that may ever come out, in the order in which they would; at one second the catalogue's stand first,
    then those of creators, then those of births, each in the order listed.
    """
    old = scenario.catalog.draw(Randomness(scenario.world_seed))
    count = len(old)
    items = [Item(serial, old.topics[serial].tolist(), float(old.appeal[serial]), 0) for serial in range(count)]
    for place, creators in enumerate(scenario.creators):
        items += released(scenario, creators, 1 + place, numbers)
    items = [item._replace(topics=item.topics + [0.0] * len(scenario.births)) for item in items]
    for place, birth in enumerate(scenario.births):
        items += newborn(scenario, birth, place, numbers)
    return [item._replace(leaf=leaf) for leaf, item in enumerate(sorted(items, key=lambda item: item.born))]


def moments(creators: rs.Creators, days: float) -> list[int]:
    """Return the seconds at which creators may release something, before they stop or the world ends; the first is one step
    after their first day.
    """
    end, seconds = min(days, creators.to_day), []
    while (second := round((creators.from_day + (len(seconds) + 1) * creators.every) * DAY)) < end * DAY:
        seconds.append(second)
    return seconds


def released(scenario: rs.Scenario, creators: rs.Creators, stream: int, numbers: Numbers) -> list[Item]:
    """Return what creators may release, as the catalogue would draw it."""
    who: list[tuple[int, int]] = []
    for moment, second in enumerate(moments(creators, scenario.days)):
        match creators:
            case rs.HumanCreators():
                coin = (numbers.uniform("HumanCreators.coin", stream * STREAM + c, moment) for c in range(creators.creators))
                who += [(second, creator) for creator, number in enumerate(coin) if number < creators.rate]
            case _:
                whole, more = divmod(creators.items, 1)
                who += [(second, -1)] * (int(whole) + (numbers.uniform("Releases.one", stream, moment) < more))
    items = drawn(scenario, numbers, stream * STREAM, [second for second, _ in who])
    people = not isinstance(creators, rs.AICreators)
    return [
        item._replace(
            appeal=item.appeal * creators.appeal, creator=creator,
            by_hand=people != (numbers.uniform("Creators.label", item.address) < creators.wrong),
        )
        for item, (_, creator) in zip(items, who, strict=True)
    ]  # fmt: skip


def newborn(scenario: rs.Scenario, birth: rs.Birth, place: int, numbers: Numbers) -> list[Item]:
    """Return the items of a new interest: mixtures of its topic with items as the catalogue draws them."""
    items = []
    for item in drawn(scenario, numbers, (255 - place) * STREAM, [round(birth.day * DAY)] * birth.items):
        topics = [share * (1 - birth.purity) for share in item.topics] + [0.0] * len(scenario.births)
        topics[len(item.topics) + place] += birth.purity
        items.append(item._replace(topics=topics))
    return items


def drawn(scenario: rs.Scenario, numbers: Numbers, first: int, born: list[int]) -> list[Item]:
    """Return items as the catalogue draws them, at addresses from *first* on."""
    addresses = [first + serial for serial in range(len(born))]
    like = scenario.catalog.more(Randomness(numbers.seed), np.array(addresses, np.uint32))
    return [
        Item(address, like.topics[row].tolist(), float(like.appeal[row]), born[row]) for row, address in enumerate(addresses)
    ]
