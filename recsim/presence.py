"""Presence: when new people come, and how long anybody stays whatever happens; both are settled before the world begins.

Neither depends on what the feed does, so that two arms have the same people on every day. Who leaves because of what
she saw does so by `recsim.dynamics.Leaving`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator
from scipy.special import gamma

from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe
from recsim.world import DAY


def newcomers(number: int) -> npt.NDArray[np.uint64]:
    """Return the addresses of the first *number* people who come later: a stream of their own."""
    return np.uint64(1 << 32) + np.arange(number, dtype=np.uint64)


class Arrivals(Recipe):
    """A recipe for the times at which new people come."""

    @abstractmethod
    def times(self, randomness: Randomness, days: float) -> Floats:
        """Return the seconds, ascending and above 0, at which somebody new comes up to the end of the run: (newcomers,)."""


class PoissonArrivals(Arrivals):
    """New people come at random, *rate* a day on average: a Poisson process."""

    rate: float = Field(10.0, gt=0, le=1e7, description="newcomers a day, on average")
    from_day: float = Field(0.0, ge=0, description="day on which they begin to come")
    to_day: float = Field(float("inf"), ge=0, allow_inf_nan=True, description="day from which nobody new comes")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.to_day > self.from_day:
            raise ValueError("to_day must be later than from_day")
        return self

    def times(self, randomness: Randomness, days: float) -> Floats:
        """Return the sums of exponential gaps, each at the address of the one who comes, rounded up to whole seconds.

        Up, so that nobody comes at second 0, when the founders are there, and a reading counts all who came before it.
        """
        begin, end = self.from_day * DAY, min(round(days * DAY), self.to_day * DAY)
        expected = max(0.0, end - begin) / DAY * self.rate
        number = int(expected + 8 * np.sqrt(expected) + 32)
        while True:  # once, but for one run in many billions
            gaps = randomness.exponential("Arrivals.gap", newcomers(number)) * (DAY / self.rate)
            times = begin + np.cumsum(gaps)
            if times[-1] > end:
                return np.ceil(times[times <= end])
            number *= 2


class Lifetime(Recipe):
    """A recipe for how long people stay, from the second they come, whatever happens to them."""

    @abstractmethod
    def stay(self, chance: Floats) -> Floats:
        """Return the days, positive, for numbers drawn evenly from (0, 1): of the shape of *chance*."""

    def days(self, randomness: Randomness, address: npt.NDArray[np.uint64]) -> Floats:
        """Return how long each user stays, (users,), in days: by inversion, one number at each one's address."""
        return self.stay(randomness.uniform("Lifetime", address))


class ExponentialLife(Lifetime):
    """Stay without growing old: an exponential time."""

    mean: float = Field(90.0, gt=0, description="mean stay in days")

    def stay(self, chance: Floats) -> Floats:
        """Return -mean log(1 - chance)."""
        return -self.mean * np.log1p(-chance)


class FixedLife(Lifetime):
    """Stay for exactly so many days."""

    mean: float = Field(90.0, gt=0, description="stay in days")

    def stay(self, chance: Floats) -> Floats:
        """Return the stay, whatever the chance."""
        return np.full(np.shape(chance), self.mean)


class WeibullLife(Lifetime):
    """Stay for a Weibull time: with a shape below 1 most who go do so early, and who has stayed long stays longer."""

    mean: float = Field(90.0, gt=0, description="mean stay in days")
    shape: float = Field(0.7, ge=0.1, le=20, description="below 1: the risk of going falls with time; above 1: it rises")

    def stay(self, chance: Floats) -> Floats:
        """Return scale (-log(1 - chance))^(1 / shape), scale = mean / Gamma(1 + 1 / shape)."""
        scale = self.mean / gamma(1 + 1 / self.shape)
        days: Floats = scale * (-np.log1p(-chance)) ** (1 / self.shape)
        return days


class HyperexponentialLife(Lifetime):
    """Be one of two kinds of people, who stay for exponential times of very different means: passers-by and regulars.

    Balanced: each kind makes half of all days that are stayed. Source: Whitt, "Approximating a point process by a renewal
    process, I" (Operations Research, 1982), the fit of two moments.
    """

    mean: float = Field(90.0, gt=0, description="mean stay in days")
    spread: float = Field(2.0, ge=1, le=20, description="standard deviation over mean; 1: one kind of people")

    def stay(self, chance: Floats) -> Floats:
        """Return by inversion which kind somebody is, and from what is left of the number how long she stays."""
        square = self.spread**2
        regular = (1 - np.sqrt((square - 1) / (square + 1))) / 2
        kind = chance < regular
        share = np.where(kind, regular, 1 - regular)
        within = np.minimum(np.where(kind, chance, chance - regular) / share, 1 - 2**-53)  # rounding must not make it 1
        days: Floats = -self.mean / (2 * share) * np.log1p(-within)
        return days
