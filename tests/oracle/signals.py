"""Human signals: when they are on, which visits they touch, and what they put into slates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import recsim as rs

from .chance import Visit
from .clock import CAMPAIGN_PHASE, DAY, SHARE_PHASE, SURVEY_PHASE
from .eventlog import ANCHOR, EDITOR, FRIEND, PANEL, SURVEY
from .policies import Feed


@dataclass
class Signal:
    """A human signal and its state.

    serial: among those of its kind that are not off. every: days between its moments. chosen: visits, as pairs of user
    and ordinal, that a count has chosen; listed: those among which it chose, and what share of them was chosen. inbox: the
    item that waits for a user, and how its sender had met it. picks: of the editors. before: users and items of the log
    from before the loop. address: where the random numbers of items live.
    """

    recipe: rs.Signal
    serial: int
    every: float
    address: list[int]
    chosen: set[tuple[int, int]] = field(default_factory=set)
    listed: set[tuple[int, int]] = field(default_factory=set)
    chosen_share: float = 0.0
    inbox: dict[int, tuple[int, int]] = field(default_factory=dict)
    picks: set[int] = field(default_factory=set)
    before: list[tuple[int, int]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """The name of its class."""
        return type(self.recipe).__name__

    @property
    def phase(self) -> int:
        """When it has its moments among the changes of one second."""
        return {"Survey": SURVEY_PHASE, "FriendShares": SHARE_PHASE}.get(self.kind, CAMPAIGN_PHASE)

    @property
    def origin(self) -> int:
        """The origin of what it places or tells."""
        names = {"Panel": PANEL, "EditorPicks": EDITOR, "FriendShares": FRIEND, "Survey": SURVEY}
        return names.get(self.kind, ANCHOR)

    @property
    def places(self) -> bool:
        """Whether it puts items into slates."""
        return self.kind in ("Panel", "EditorPicks", "FriendShares")

    @property
    def replays(self) -> bool:
        """Whether it puts a log from before the loop into the log of the run."""
        return self.kind in ("AnchorReplay", "LogReplay")

    @property
    def has_moments(self) -> bool:
        """Whether anything happens at its moments."""
        return self.recipe.count is not None or self.kind not in ("OrganicLift", "Panel")

    def moment(self, number: int) -> int:
        """Return the second of a moment."""
        return round((self.recipe.from_day + number * self.every) * DAY)

    def is_on(self, second: int) -> bool:
        """Return whether it is on at a second."""
        return self.recipe.from_day * DAY <= second < self.recipe.to_day * DAY

    def lift(self, second: int) -> float:
        """Return what it adds to the probability that a visit is organic."""
        return self.recipe.rate or 0.0 if self.kind == "OrganicLift" and self.is_on(second) else 0.0

    def takes(self, candidates: dict[Any, float]) -> list[Any]:
        """Return which candidates the strength takes, given a number each: a share of them, or a count of the smallest."""
        if self.recipe.count is None:
            return [key for key, number in candidates.items() if number < self.recipe.rate]
        taken = set(sorted(candidates, key=candidates.__getitem__)[: self.recipe.count])
        return [key for key in candidates if key in taken]

    # ------------------------------------------------------------------------------------------------------- in visits
    def prior(self, visit: Visit) -> float:
        """Return the probability that it touches a visit to the feed."""
        if self.kind == "FriendShares":
            return float(self.touches(visit))
        if self.recipe.rate is None:
            rate = self.chosen_share if (visit.user, visit.ordinal) in self.listed else 0.0
        else:
            rate = self.recipe.rate
        return rate if self.is_on(visit.second) else 0.0

    def touches(self, visit: Visit) -> bool:
        """Return whether it touches a visit."""
        if not self.is_on(visit.second):
            return False
        if self.kind == "FriendShares":
            return visit.user in self.inbox
        if self.recipe.count is not None:
            return (visit.user, visit.ordinal) in self.chosen
        return visit.uniform(f"{self.kind}.coin", self.serial) < self.recipe.rate

    def claims(self, position: int) -> bool:
        """Return whether it fills a position of the slates that it touches."""
        return self.kind == "Panel" or position == self.recipe.position

    def open_to(self, feed: Feed, placed: list[int]) -> set[int]:
        """Return the items that it might put below those placed."""
        if not self.claims(len(placed)):
            return set()
        match self.recipe:
            case rs.EditorPicks():
                return self.picks & feed.left(placed)
            case rs.FriendShares():
                waiting = self.inbox.get(feed.visit.user)
                return {waiting[0]} & feed.left(placed) if waiting else set()
        return feed.left(placed)

    def item(self, feed: Feed, placed: list[int]) -> int | None:
        """Return the item that it puts below those placed; None where it has none."""
        allowed = self.open_to(feed, placed)
        match self.recipe:
            case rs.Panel():
                equal = feed.tree([1.0] * feed.items)
                return feed.visit.pick(f"Panel.pick.{self.serial}@{len(placed)}", equal, allowed.__contains__)
            case rs.EditorPicks():
                label = f"EditorPicks.pick.{self.serial}"
                return min(allowed, key=lambda item: feed.visit.uniform(label, self.address[item]), default=None)
        return next(iter(allowed), None)

    def chance(self, feed: Feed, placed: list[int], item: int) -> float | None:
        """Return the probability that it puts an item below those placed: all alike; None where it puts none."""
        allowed = self.open_to(feed, placed)
        return float(item in allowed) / len(allowed) if allowed else None

    def via(self, visit: Visit) -> int:
        """Return how the sender of what it places had met it; -1 where it is no friend."""
        return self.inbox[visit.user][1] if self.kind == "FriendShares" else -1


def signals_of(scenario: rs.Scenario, address: list[int]) -> list[Signal]:
    """Return the signals of a scenario in their order, less those that are off."""
    kinds: dict[str, int] = {}
    signals = []
    for recipe in scenario.signals:
        if recipe.rate or recipe.count:
            serial = kinds.setdefault(type(recipe).__name__, 0)
            kinds[type(recipe).__name__] += 1
            signals.append(Signal(recipe, serial, recipe.every or scenario.retrain.every, address))
    return signals
