"""Minds: what each user wants and is like, and how that changes by what she sees and consumes, and as time passes."""

from __future__ import annotations

import math

import recsim as rs

from .arithmetic import exp, in_turn, log
from .chance import Visit
from .clock import DAY
from .truth import Truth


class Mind:
    """One user as of the second of her last visit.

    born, interests: shares of topics, as she was born with and as they are. curious_born, curiosity: the probability that
    a visit of hers does without the feed, but for lifts. fatigue: by topic. bad: visits of late, in a row, in which the feed
    showed her something and got no click. away_until: the second before which she makes no visits. settled: that second; that
    of her coming before there was any.
    """

    def __init__(self, dynamics: tuple[rs.Dynamics, ...], born: list[float], curiosity: float, since: int) -> None:
        self.dynamics = [one for one in dynamics if changes(one)]
        self.born = self.interests = born
        self.curious_born = self.curiosity = curiosity
        self.fatigue = [0.0] * len(born)
        self.bad, self.away_until = 0, 0.0
        self.settled = since

    def rest(self, second: int) -> None:
        """Let time pass up to a second; who has not come by then stays as she was born."""
        days, self.settled = max(second - self.settled, 0) / DAY, second
        for one in self.dynamics:
            match one:
                case rs.Relaxation():
                    left = exp(-days / one.days)
                    self.interests = [born + (now - born) * left for born, now in zip(self.born, self.interests, strict=True)]
                case rs.Fatigue():
                    self.fatigue = [tired * exp(-days / one.days) for tired in self.fatigue]

    def wants(self) -> list[float]:
        """Return what she wants of each topic; never nothing, however tired."""
        if any(isinstance(one, rs.Fatigue) for one in self.dynamics):
            return [share * exp(-min(tired, 500.0)) for share, tired in zip(self.interests, self.fatigue, strict=True)]
        return self.interests

    def take_up(self, topic: int, weight: float) -> None:
        """Want a topic that has just come into the world, as if born with it."""
        new = [float(k == topic) for k in range(len(self.born))]
        self.interests, self.born = toward(self.interests, weight, new), toward(self.born, weight, new)

    def react(self, visit: Visit, shown: list[int], consumed: list[int], truth: Truth) -> None:
        """Change by what the feed showed in a visit, from the top, and by what was consumed in it, one item after the other."""
        before = self.interests
        for one in self.dynamics:
            match one:
                case rs.Reinforcement():
                    for item in consumed:
                        self.interests = toward(self.interests, one.rate, truth.about[item])
                case rs.Exposure() if shown:
                    mean = [in_turn(truth.about[item][topic] for item in shown) / len(shown) for topic in range(truth.topics)]
                    self.interests = toward(self.interests, one.rate, mean)
                case rs.Fatigue():
                    for item in consumed:
                        added = (one.gain * share for share in truth.about[item])
                        self.fatigue = [tired + more for tired, more in zip(self.fatigue, added, strict=True)]
                case rs.Withering():
                    if shown and consumed:
                        self.curiosity = self.curiosity * (1 - one.withers)
                    else:
                        [self.curiosity] = toward([self.curiosity], one.recovers, [self.curious_born])
                case rs.Leaving():
                    self.bear_with(one, visit, bad=bool(shown and not consumed))
        if self.interests != before:
            total = in_turn(self.interests)
            self.interests = [share / total for share in self.interests]

    def bear_with(self, leaving: rs.Leaving, visit: Visit, *, bad: bool) -> None:
        """Count a visit, and go away when that is enough: for some days, or for ever."""
        self.bad = self.bad + 1 if bad else 0
        if self.bad >= leaving.patience and visit.uniform("Leaving.coin") < leaving.chance:
            days = -log(visit.uniform("Leaving.away")) * leaving.away
            self.away_until = visit.second + days * DAY
            if visit.uniform("Leaving.forever") < leaving.forever:
                self.away_until = math.inf
            self.bad = 0


def changes(dynamics: rs.Dynamics) -> bool:
    """Return whether a dynamics changes anybody."""
    match dynamics:
        case rs.Reinforcement() | rs.Exposure():
            return dynamics.rate > 0
        case rs.Relaxation():
            return dynamics.days < float("inf")
        case rs.Fatigue():
            return dynamics.gain > 0
        case rs.Withering():
            return dynamics.withers > 0
        case rs.Leaving():
            return dynamics.chance > 0
    raise NotImplementedError(type(dynamics).__name__)


def toward(numbers: list[float], share: float, goal: list[float]) -> list[float]:
    """Return a mixture of numbers and a share of others."""
    return [(1 - share) * number + share * other for number, other in zip(numbers, goal, strict=True)]
