"""When something happens: the seconds at which people come, and the order of what happens at the same second."""

from __future__ import annotations

import math
from collections.abc import Iterator

from scipy.special import gammaincinv

import recsim as rs

from .chance import Numbers

DAY = 86_400
CAMPAIGN_PHASE, SURVEY_PHASE, SHARE_PHASE, RETRAIN_PHASE, DEPLOY_PHASE, VISIT_PHASE = range(1, 7)


def visit_rate(pace: rs.Poisson | rs.Regular, numbers: Numbers, user: int, activity: float) -> float:
    """Return how many visits a day one user makes."""
    if isinstance(pace, rs.Regular):
        return 1 / pace.period
    gamma = 1.0
    if pace.spread > 0:
        shape = pace.spread**-2
        gamma = max(float(gammaincinv(shape, numbers.uniform("Poisson.rate", user))) / shape, 1e-9)
    return pace.rate * activity * gamma


def visit_seconds(pace: rs.Poisson | rs.Regular, numbers: Numbers, user: int, activity: float) -> Iterator[int]:
    """Yield the seconds of the visits of one user, for ever."""
    match pace:
        case rs.Regular():
            offset = numbers.uniform("Regular.offset", user)
            ordinal = 0
            while True:
                yield math.floor((ordinal + offset) * round(pace.period * DAY))
                ordinal += 1
        case rs.Poisson():
            rate = visit_rate(pace, numbers, user, activity)
            time, ordinal = 0.0, 0
            while True:
                time += numbers.exponential("Poisson.gap", user, ordinal) * (DAY / rate)
                yield math.floor(time)
                ordinal += 1
