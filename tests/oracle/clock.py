"""When something happens: the seconds at which people come, and the order of what happens at the same second."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.special import gammaincinv

import recsim as rs

from .chance import Numbers

DAY = 86_400
BIRTH_PHASE, RELEASE_PHASE, CAMPAIGN_PHASE, SURVEY_PHASE, SHARE_PHASE, RETRAIN_PHASE, DEPLOY_PHASE, VISIT_PHASE = range(1, 9)


def visit_rate(pace: rs.Poisson | rs.Regular, numbers: Numbers, who: int, activity: float) -> float:
    """Return how many visits a day the user of an address makes."""
    if isinstance(pace, rs.Regular):
        return 1 / pace.period
    gamma = 1.0
    if pace.spread > 0:
        shape = pace.spread**-2
        gamma = max(float(gammaincinv(shape, numbers.uniform("Poisson.rate", who))) / shape, 1e-9)
    return pace.rate * activity * gamma


def visit_times(pace: rs.Poisson | rs.Regular, numbers: Numbers, who: int, activity: float) -> Iterator[float]:
    """Yield the times of the visits of the user of an address, in seconds since she came, for ever."""
    match pace:
        case rs.Regular():
            offset = numbers.uniform("Regular.offset", who)
            ordinal = 0
            while True:
                yield (ordinal + offset) * round(pace.period * DAY)
                ordinal += 1
        case rs.Poisson():
            rate = visit_rate(pace, numbers, who, activity)
            time, ordinal = 0.0, 0
            while True:
                time += numbers.exponential("Poisson.gap", who, ordinal) * (DAY / rate)
                yield time
                ordinal += 1
