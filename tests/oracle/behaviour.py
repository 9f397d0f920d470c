"""What people do: what they click of a slate, and what they consume where nobody steers them."""

from __future__ import annotations

import math
from collections.abc import Callable, Container

import numpy as np

import recsim as rs

from .arithmetic import log
from .chance import TRIES, Tree, Visit
from .slates import Placed
from .truth import Truth

Choice = rs.Luce | rs.Given | rs.AlwaysClick | rs.Cascade


def attention(bias: str | float | tuple[float, ...], position: int) -> float:
    """Return the attention that a position gets; the top one gets 1 unless a list says otherwise."""
    match bias:
        case "none":
            return 1.0
        case "log":
            return 1 / float(np.log2(position + 2))
        case tuple():
            return bias[position] if position < len(bias) else 0.0
    return float(np.power(float(position + 1), -bias))


def clicked(
    choice: Choice, visit: Visit, slate: list[Placed], closed: Container[int], truth: Truth, wants: list[float]
) -> list[int]:
    """Return the positions that a user clicks, one after the other: *closed* are items that she cannot consume again, *wants* how
    much she wants of each topic.
    """
    open_positions = [position for position, placed in enumerate(slate) if placed.item not in closed]

    def weight(position: int) -> float:
        return truth.items * truth.preference(wants, slate[position].item) * attention(choice.bias, position)

    match choice:
        case rs.AlwaysClick():
            return [position for position in open_positions if position == 0]
        case rs.Luce():
            race = []
            for position in open_positions:
                if weight(position) > 0:
                    time = visit.exponential("whim", truth.item_address[slate[position].item]) / weight(position)
                    race.append((time, position))
            leave = visit.exponential("Luce.outside") / choice.outside if choice.outside > 0 else math.inf
            return [position for time, position in sorted(race) if time < leave][: choice.clicks]
        case rs.Given():
            return [
                position
                for position in open_positions
                if visit.uniform("Given.click", position)
                < attention(choice.bias, position) * given(choice.theta, visit.user, slate[position].item)
            ]
        case rs.Cascade():
            clicks = []
            for position in open_positions:
                attraction = weight(position) / (weight(position) + choice.outside)
                if visit.uniform("whim", truth.item_address[slate[position].item]) < attraction:
                    clicks.append(position)
                    if visit.uniform("Cascade.satisfied", position) < choice.satisfied:
                        break
            return clicks
    raise NotImplementedError(type(choice).__name__)


def given(theta: float | tuple[tuple[float, ...], ...], user: int, item: int) -> float:
    """Return the click probability of a user and an item."""
    if not isinstance(theta, tuple):
        return theta
    return theta[0 if len(theta) == 1 else user][item]


def found(truth: Truth, wants: list[float], visit: Visit, label: str, allowed: Callable[[int], bool]) -> int | None:
    """Return what a user consumes where nobody steers her, who wants so much of each topic: a draw at the address of a visit;
    None for want of items.
    """
    for attempt in range(TRIES):
        numbers = visit.block(f"{label}.topic#{attempt}", truth.topics)
        race = [-log(number) / want if want > 0 else math.inf for number, want in zip(numbers, wants, strict=True)]
        item = visit.draw(f"{label}.item#{attempt}", truth.demand_trees[race.index(min(race))])
        if item is not None and allowed(item):
            return item
    wanted = Tree([truth.preference(wants, item) for item in range(truth.items)], truth.leaves)
    return visit.draw(f"{label}.rest", wanted.only(allowed))
