"""Posteriors of click rates for Thompson's draws: logarithms of their distribution functions, on a grid, in whole multiples."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
from scipy.special import betainc, digamma, expit, log_ndtr, ndtri, polygamma

from .arithmetic import exp, log

LEAST = 64  # of -log of a chance: less is as good as 0
LEVELS = np.geomspace(40.0, 1e-4, 16).tolist()  # of -log of a product of distribution functions
POINTS = 448


@cache
def tabulated(kinds: tuple[tuple[float, float], ...]) -> list[list[float]]:
    """Return log F of each item at each point of a grid, given the two parameters of each item's Beta distribution."""
    points = grid(Counter(kinds))
    unit = 2.0 ** (LEAST.bit_length() + len(kinds).bit_length() - 53)
    table = {}
    for kind in set(kinds):
        row, highest = [], -np.inf
        for point in points:
            value = round(log(max(float(betainc(*kind, point)), exp(-LEAST))) / unit) * unit
            highest = max(highest, value)
            row.append(highest)
        table[kind] = row
    return [table[kind] for kind in kinds]


def grid(number: Counter[tuple[float, float]]) -> list[float]:
    """Return click rates from 0 to 1, close together where the highest of many samples lies.

    A logistic normal distribution stands for each kind of Beta, of which there are so many. The points are the rates at which
    the product of all but the best 0, 1, ... has certain values; then, while there is room, quantiles of kinds, the best first.
    """
    normal = []
    for clicks, misses in sorted(number):
        mean = float(digamma(clicks) - digamma(misses))
        normal.append((mean, float(np.sqrt(polygamma(1, clicks) + polygamma(1, misses))), number[clicks, misses]))
    normal.sort(key=lambda one: -one[0])
    items = sum(number.values())
    powers = {2**power for power in range((items - 1).bit_length())}
    rates = []
    for without in sorted(missing for missing in set(range(16)) | powers if missing < items):
        rates += [rate_at(level, normal, without) for level in LEVELS]
    room = max(0, POINTS - len(rates))
    each = max(1, room // len(normal))
    quantiles = ndtri(np.exp(-np.geomspace(20.0, 0.01, each + 2)[1:-1])).tolist()
    rates += [mean + deviation * quantile for mean, deviation, _ in normal[: room // each] for quantile in quantiles]
    inside = {float(expit(rate)) for rate in rates}
    return [0.0, *sorted(rate for rate in inside if 0 < rate < 1), 1.0]


def rate_at(level: float, normal: list[tuple[float, float, int]], without: int) -> float:
    """Return the logit at which -log of the product of all but the best few is at a level, from below, by halving."""
    low = min(mean - 40 * deviation for mean, deviation, _ in normal)
    high = max(mean + 40 * deviation for mean, deviation, _ in normal)
    for _ in range(24):
        middle, over, missing = (low + high) / 2, 0.0, without
        for mean, deviation, items in normal:
            taken = min(missing, items)
            missing -= taken
            over -= float(log_ndtr((middle - mean) / deviation)) * (items - taken)
        low, high = (middle, high) if over > level else (low, middle)
    return low
