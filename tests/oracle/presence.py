"""Presence: when new people come, and until when each may stay, whatever happens to her."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import gamma

import recsim as rs

from .chance import Numbers
from .clock import DAY

NEWCOMERS = 2**32  # the address of the first of them


def arrivals(recipe: rs.PoissonArrivals | None, numbers: Numbers, horizon: int) -> list[int]:
    """Return the seconds at which new people come, in order: exponential gaps one after the other, rounded up."""
    if recipe is None:
        return []
    seconds, waited = [], 0.0
    while True:
        waited += numbers.exponential("Arrivals.gap", NEWCOMERS + len(seconds)) * (DAY / recipe.rate)
        time = recipe.from_day * DAY + waited
        if time > min(horizon, recipe.to_day * DAY):
            return seconds
        seconds.append(math.ceil(time))


def stay(recipe: rs.Lifetime | None, numbers: Numbers, address: int) -> float:
    """Return how many days somebody stays, by inversion of one number that is hers."""
    if recipe is None:
        return math.inf
    chance = numbers.uniform("Lifetime", address)
    match recipe:
        case rs.FixedLife():
            return recipe.mean
        case rs.ExponentialLife():
            return -recipe.mean * log1p(-chance)
        case rs.WeibullLife():
            return recipe.mean / float(gamma(1 + 1 / recipe.shape)) * (-log1p(-chance)) ** (1 / recipe.shape)
        case rs.HyperexponentialLife():
            square = recipe.spread * recipe.spread
            few = (1 - math.sqrt((square - 1) / (square + 1))) / 2
            share, within = (few, chance) if chance < few else (1 - few, chance - few)
            return -recipe.mean / (2 * share) * log1p(-min(within / share, 1 - 2**-53))
    raise NotImplementedError(type(recipe).__name__)


def log1p(number: float) -> float:
    """Return NumPy's log(1 + number) of a float64."""
    return float(np.log1p(number))
