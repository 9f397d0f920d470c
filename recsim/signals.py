"""Human signals: ways in which people, not the model, decide what enters the log."""

from __future__ import annotations

from typing import Self

import numpy as np
from pydantic import Field, model_validator

from recsim.randomness import Floats
from recsim.recipe import Recipe
from recsim.world import DAY, Bools, Ints, Slate, Visits


class Signal(Recipe):
    """A recipe for one stream of human signal, with a schedule.

    What a kind does not do it inherits: no lift of organic visits, and a slate left as it is.
    """

    from_day: float = Field(0.0, ge=0, description="day on which the signal starts")
    to_day: float = Field(float("inf"), ge=0, allow_inf_nan=True, description="day before which the signal ends")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.to_day > self.from_day:
            raise ValueError("to_day must be later than from_day")
        return self

    def active(self, time: Ints) -> Bools:
        """Return whether the signal is on at each second: (n,)."""
        return (time >= self.from_day * DAY) & (time < self.to_day * DAY)

    def lift(self, time: Ints) -> Floats:
        """Return what the signal adds to the probability that a visit at each second is organic: (n,)."""
        return np.zeros(len(time))

    def amend(self, visits: Visits, slate: Slate) -> Slate:
        """Return the slate with the signal's own items in it, for the visits at whose time it is on."""
        return slate


class OrganicLift(Signal):
    """Make more visits organic: a search box, a library page, anything that lets people choose for themselves."""

    rate: float = Field(0.1, ge=0, le=1, description="added to the probability that a visit is organic")

    def lift(self, time: Ints) -> Floats:
        """Return the rate where the signal is on."""
        return np.where(self.active(time), self.rate, 0.0)
