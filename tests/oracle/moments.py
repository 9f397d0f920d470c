"""What signals do at the moments of their timetables: choose visits, pick, pass on, ask, and replay the log from before."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

import recsim as rs

from .arithmetic import in_turn
from .behaviour import found
from .chance import Tree, Visit
from .clock import visit_rate
from .eventlog import Row, in_order
from .friends import mutual
from .presence import NEWCOMERS
from .signals import Signal
from .slates import Placed

if TYPE_CHECKING:
    from .world import World


def speak(world: World, signal: Signal, number: int) -> None:
    """Do what the moment of a number asks for."""
    if signal.recipe.count is not None and signal.kind in ("OrganicLift", "Panel", "EditorPicks"):
        choose_visits(world, signal, signal.moment(number + 1))
    match signal.recipe:
        case rs.EditorPicks():
            signal.picks = editors(world, signal, number)
        case rs.FriendShares():
            pass_on(world, signal, number)
        case rs.Survey():
            tell(world, signal, answers(world, signal, number))
        case rs.AnchorReplay() | rs.LogReplay():
            tell(world, signal, replayed(world, signal, number))


def choose_visits(world: World, signal: Signal, until: int) -> None:
    """Choose a count of the visits up to a second, of those who have come by now, that would begin in the feed if nobody
    changed from now on.
    """
    coming = {}
    for user in range(world.truth.come(int(world.env.now))):
        for visit in world.timetable(user, until):
            if visit.second >= world.env.now and world.takes_place(visit) and not world.is_organic(visit):
                label = f"{signal.kind}.choice"
                coming[user, visit.ordinal] = world.numbers.uniform(label, visit.who, visit.ordinal, signal.serial)
    signal.chosen, signal.listed = set(signal.takes(coming)), set(coming)
    signal.chosen_share = len(signal.chosen) / max(len(coming), 1)


def editors(world: World, signal: Signal, number: int) -> set[int]:
    """Return what editors pick: the first in a race of items whose rates are what the taste gives them."""
    weights = [1.0] * world.truth.items
    if signal.recipe.taste == "topics":
        weights = [in_turn(demand[item] for demand in world.truth.demand) for item in range(world.truth.items)]
    elif signal.recipe.taste != "even":
        weights = list(signal.recipe.taste) + [0.0] * (world.truth.items - len(signal.recipe.taste))
    address = world.truth.item_address
    race = [
        (world.numbers.exponential("EditorPicks.race", address[item], number, signal.serial) / weight, item)
        for item, weight in enumerate(weights)
        if weight > 0
    ]
    return {item for _, item in sorted(race)[: signal.recipe.picks]}


def pass_on(world: World, signal: Signal, number: int) -> None:
    """Pass on to friends who are there what was consumed since the moment before; what comes last stays in an inbox."""
    since = signal.moment(number - 1) if number else int(world.env.now)
    friends, truth = mutual(world.truth.users, signal.recipe.edges) if signal.recipe.edges else world.friends, world.truth
    label = f"FriendShares.pass.{signal.serial}@{number}"
    fresh: dict[tuple[int, int], Row] = {}
    for row in in_order(world.log.clicks):
        if row.clicked and row.time >= since:
            fresh.pop((row.user, row.item), None)  # consumed twice it is one item, as old as the last time
            fresh[row.user, row.item] = row
    passes = {}
    for row in fresh.values():
        for friend in friends[row.user]:
            if world.is_here(friend):
                which = short(truth.address[friend])
                passes[friend, row] = world.numbers.uniform(label, truth.address[row.user], truth.item_address[row.item], which)
    for friend, row in signal.takes(passes):
        signal.inbox[friend] = row.item, row.origin


def short(address: int) -> int:
    """Return the address of a user as a number below 2^32: newcomers follow from 2^31 on."""
    return address if address < NEWCOMERS else 2**31 + address - NEWCOMERS


def answers(world: World, signal: Signal, number: int) -> list[tuple[int, int]]:
    """Return who says that she would choose which item, of those who are there."""
    label = f"Survey.{signal.serial}@{number}"
    here = (user for user in range(world.truth.users) if world.is_here(user))
    asked = signal.takes({user: world.numbers.uniform(label, world.truth.address[user]) for user in here})
    once = world.scenario.consumption == "once"
    answers = []
    for user in asked:
        closed = world.consumed[user] if once else set()
        address = Visit(world.numbers, world.truth.address[user], number, user)
        item = found(world.truth, world.wants(user), address, label, lambda item, closed=closed: item not in closed)
        if item is not None:
            answers.append((user, item))
    return answers


def replayed(world: World, signal: Signal, number: int) -> list[tuple[int, int]]:
    """Return rows of the log from before the loop."""
    label = f"{signal.kind}.{signal.serial}"
    numbers = {row: world.numbers.uniform(label, row, number) for row in range(len(signal.before))}
    return [signal.before[row] for row in signal.takes(numbers)]


def log_before(world: World, signal: Signal) -> list[tuple[int, int]]:
    """Return the log from before the loop: what people did that the world was fitted to; or, of founders, drawn as the world
    begins, when nobody has consumed anything.
    """
    if isinstance(signal.recipe, rs.LogReplay):
        rows = pd.read_parquet(Path(signal.recipe.world) / "log.parquet")[["user", "item"]].to_numpy().tolist()
        return [(user, item) for user, item in rows[-signal.recipe.last :]]
    label = f"AnchorReplay.log.{signal.serial}"
    if signal.recipe.each == "item":
        return [(fan(world, item, label), item) for item in range(world.truth.items)]
    pace, activity = world.scenario.visits, world.truth.activity
    founders, address = range(world.truth.come(0)), world.truth.address
    users = Tree([visit_rate(pace, world.numbers, address[user], activity[user]) for user in founders])
    rows = []
    for row in range(signal.recipe.size):
        address = Visit(world.numbers, row, 0)
        user = address.draw(f"{label}.user", users)
        if signal.recipe.shares:
            item = address.draw(f"{label}.item", Tree(list(signal.recipe.shares)))
        else:
            item = found(world.truth, world.wants(user), address, label, lambda item: True)
        rows.append((user, item))
    return rows


def fan(world: World, item: int, label: str) -> int:
    """Return a user drawn from all in proportion to how much they want an item: a topic first, then one of its people."""
    race, founders = [], [world.wants(user) for user in range(world.truth.come(0))]
    for topic, demand in enumerate(world.truth.demand):
        interest = in_turn(interests[topic] for interests in founders)
        rate = max(interest * demand[item], 1e-300)
        race.append(world.numbers.exponential(f"{label}.topic", world.truth.item_address[item], 0, topic) / rate)
    people = Tree([interests[race.index(min(race))] for interests in founders])
    return Visit(world.numbers, world.truth.item_address[item], 0).draw(f"{label}.user", people)


def tell(world: World, signal: Signal, pairs: list[tuple[int, int]]) -> None:
    """Write users and items into the log, by user: nobody consumes them."""
    for user, item in sorted(pairs, key=lambda pair: pair[0]):
        nobody = Visit(world.numbers, world.truth.address[user], -1, user)
        world.log.clicks.append(world.row(nobody, Placed(item, signal.origin, math.nan), -1, False))
