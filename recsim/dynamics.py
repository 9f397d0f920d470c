"""Dynamics: how people change by what they see and consume, and as time passes; each in her own row only.

A dynamics is a recipe; its state are columns with a row a user, which the world keeps. It is handed the rows of those who
visit, and nobody else's: so users commute, and nothing about how visits are served can be seen in the log. Interests stay
shares of topics: every change of them is a mixture with other shares, and they are made to sum to 1 after each visit.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from pydantic import Field

from recsim.candidates import total
from recsim.catalog import Items
from recsim.population import Own, Users
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe
from recsim.world import DAY, NOTHING, Seen, Visits

AWAY = "away until"
"""The state column, if there is one, of the second before which a user makes no visits; inf: she never comes back."""


class Dynamics(Recipe):
    """A recipe for one way in which people change. What a kind does not do it inherits: it leaves everybody as she is.

    *own* holds the rows of some users, row i of each column belonging to visit i: "interests" (n, topics), "curiosity"
    (n,), "innate" (n, topics), which is for reading only, and the columns that the dynamics of the world bring.
    """

    strength: ClassVar[str] = ""
    """The setting at which 0 means that nobody changes; empty where there is none."""

    @property
    def off(self) -> bool:
        """Whether it changes nobody."""
        return bool(self.strength) and not getattr(self, self.strength)

    def columns(self, randomness: Randomness, users: Users, items: Items) -> Own:
        """Return the columns that it keeps, by name, as the world begins: each (users, ...)."""
        return {}

    def rest(self, own: Own, days: Floats) -> None:
        """Let *days* (n,) pass since each user's last visit: change the rows of *own* in place."""

    def want(self, own: Own, interests: Floats) -> Floats:
        """Return what people want, (n, topics), given their rows, and what they want but for this dynamics."""
        return interests

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        """Let people change by what they saw and consumed: change the rows of *own* in place, at the end of the visit."""


def decay(days: Floats, scale: float) -> Floats:
    """Return exp(-days / scale): what is left after some days."""
    return np.exp(-days / scale)


def toward(rows: Floats, share: float, goal: Floats) -> Floats:
    """Return the mixture (1 - share) rows + share goal, of the same shape."""
    return (1 - share) * rows + share * goal


class Reinforcement(Dynamics):
    """Want more of what one consumes: theta becomes (1 - rate) theta + rate phi_i with each item i, one after the other.

    The linear form in which opinions follow recommendations: Rossi, Polderman and Frasca, "The closed loop between
    opinion formation and personalized recommendations" (2021); as a model of preference shifts Curmei, Haupt,
    Hadfield-Menell and Recht, "Towards psychologically-grounded dynamic preference models" (RecSys 2022).
    """

    strength: ClassVar[str] = "rate"

    rate: float = Field(0.02, ge=0, le=1, description="how far interests move to the topics of one consumed item")

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        """Move interests to the topics of what was consumed, by the feed or without it."""
        for row, item in seen.consumed():
            own["interests"][row] = toward(own["interests"][row], self.rate, items.topics[item])


class Relaxation(Dynamics):
    """Come back to what one was born with: theta - innate shrinks by exp(-t / days) in time t.

    The pull of innate opinions in the model of Friedkin and Johnsen (1990), in continuous time.
    """

    days: float = Field(30.0, gt=0, allow_inf_nan=True, description="days in which 63 % of a shift is gone; inf: none is")

    @property
    def off(self) -> bool:
        """Whether nothing ever comes back."""
        return math.isinf(self.days)

    def rest(self, own: Own, days: Floats) -> None:
        """Let interests relax."""
        shift = own["interests"] - own["innate"]
        own["interests"][:] = own["innate"] + shift * decay(days, self.days)[:, None]


_MOST = 500.0  # of fatigue that shows: e^-500 of an interest is still a number that one can divide by


class Fatigue(Dynamics):
    """Tire of topics: what is wanted of topic k is theta_k exp(-f_k), where f_k grows by *gain* times the share of the topic
    in each item consumed and fades by exp(-t / days) in time t.

    Linear satiation as in Leqi, Kilinc-Karzan, Lipton and Montgomery, "Rebounding bandits for modeling satiation effects"
    (NeurIPS 2021). A tired user wants less of everything in a slate of that topic, so she also leaves without a click
    more often; what she searches for is mostly something else.
    """

    strength: ClassVar[str] = "gain"

    gain: float = Field(0.5, ge=0, le=100, description="fatigue that an item leaves that is all about one topic")
    days: float = Field(2.0, gt=0, description="days in which 63 % of the fatigue fades")

    def columns(self, randomness: Randomness, users: Users, items: Items) -> Own:
        """Return nobody tired of anything: `fatigue` (users, topics)."""
        return {"fatigue": np.zeros(users.interests.shape)}

    def rest(self, own: Own, days: Floats) -> None:
        """Let the fatigue fade."""
        own["fatigue"] *= decay(days, self.days)[:, None]

    def want(self, own: Own, interests: Floats) -> Floats:
        """Return less of what people are tired of; the rows sum to less than 1."""
        return interests * np.exp(-np.minimum(own["fatigue"], _MOST))

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        """Tire of the topics of what was consumed."""
        for row, item in seen.consumed():
            own["fatigue"][row] += self.gain * items.topics[item]


class Exposure(Dynamics):
    """Come to like what one is shown: theta becomes (1 - rate) theta + rate (mean topics of the slate), clicked or not.

    Zajonc, "Attitudinal effects of mere exposure" (1968); as a linear update in Curmei et al. (RecSys 2022).
    """

    strength: ClassVar[str] = "rate"

    rate: float = Field(0.005, ge=0, le=1, description="how far interests move to the topics of one slate")

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        """Move interests to the mean topics of what was shown."""
        shown, number = np.zeros_like(own["interests"]), np.zeros(len(visits))
        for position in range(seen.items.shape[1]):
            item = seen.items[:, position]
            there = item != NOTHING
            shown += np.where(there[:, None], items.topics[item], 0.0)
            number += there
        fed = np.flatnonzero(number)
        own["interests"][fed] = toward(own["interests"][fed], self.rate, shown[fed] / number[fed, None])


class Withering(Dynamics):
    """Lose curiosity while the feed satisfies, and get it back otherwise.

    Curiosity, the probability that a visit does without the feed, is multiplied by 1 - *withers* at each visit in which
    the feed got a click; at every other it moves by *recovers* of the way back to what it was at birth. Who stops at
    what is good enough does not search on: the idea is that of Simon, "A behavioral model of rational choice" (1955);
    the form is our own.
    """

    withers: float = Field(0.05, ge=0, le=1, description="share of her curiosity that a user loses when the feed satisfies")
    recovers: float = Field(0.02, ge=0, le=1, description="share of what she lost that she gets back when it does not")
    strength: ClassVar[str] = "withers"

    def columns(self, randomness: Randomness, users: Users, items: Items) -> Own:
        """Return the curiosity that people were born with: `curiosity at birth` (users,)."""
        return {"curiosity at birth": users.curiosity.copy()}

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        """Let curiosity wither or recover."""
        before, born = own["curiosity"], own["curiosity at birth"]
        satisfied = (seen.order > 0).any(axis=1)
        own["curiosity"][:] = np.where(satisfied, before * (1 - self.withers), toward(before, self.recovers, born))


class Leaving(Dynamics):
    """Go away after bad visits, for a while or for ever.

    A visit in which the feed shows something and gets no click is a bad one; any other puts the count back to 0. Who has
    had *patience* bad visits in a row goes with probability *chance*: for ever with probability *forever*, else for an
    exponential time of mean *away* days, and starts the count anew. While she is away the visits of her timetable pass.
    The idea of modules for leaving and returning is that of KuaiSim (Zhao et al. 2023); the form is simpler, and our own.
    """

    strength: ClassVar[str] = "chance"

    patience: int = Field(3, ge=1, description="bad visits in a row that are put up with")
    chance: float = Field(0.5, ge=0, le=1, description="probability of going then")
    forever: float = Field(0.2, ge=0, le=1, description="probability that one who goes does not come back")
    away: float = Field(14.0, gt=0, description="mean days away of those who come back")

    def columns(self, randomness: Randomness, users: Users, items: Items) -> Own:
        """Return nobody away: `bad visits` (users,), and `away until` (users,), the second of her return."""
        return {"bad visits": np.zeros(len(users), np.int64), AWAY: np.zeros(len(users))}

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        """Count the bad visits, and let people go."""
        bad = seen.fed & ~(seen.order > 0).any(axis=1)
        own["bad visits"][:] = np.where(bad, own["bad visits"] + 1, 0)
        goes = np.flatnonzero((own["bad visits"] >= self.patience) & (visits.uniform("Leaving.coin") < self.chance))
        who = visits.take(goes)
        days = -np.log(who.uniform("Leaving.away")) * self.away
        back = np.where(who.uniform("Leaving.forever") < self.forever, np.inf, who.time + days * DAY)
        own[AWAY][goes], own["bad visits"][goes] = back, 0


def shares(interests: Floats, before: Floats) -> Floats:
    """Return rows that sum to 1 again, (n, topics), the sums taken topic after topic; rows that are as they were *before* stay
    so to the last bit, else those whom nothing changes would drift from what they were born with.
    """
    changed = (interests != before).any(axis=1)
    return np.where(changed[:, None], interests / total(interests)[:, None], interests)
