"""Designs: which levels of its factors a study tries together; grids, one at a time, and samples of ranges."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections.abc import Sequence
from itertools import product
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from recsim.errors import RecsimError, encodable, nearest
from recsim.randomness import Randomness
from recsim.recipe import Recipe

Floats = npt.NDArray[np.float64]
DIGITS = 12  # significant ones of a sampled value, so that one that is written down and read again is the same


# -------------------------------------------------------------------------------------------------------------- factors
class Level(NamedTuple):
    """One level of a factor: what stands for it in tables, and the value that the setting gets; None leaves its default."""

    label: Any
    value: Any


class Factor(Recipe):
    """A setting that a study varies: over levels that are listed, or over a range."""

    path: str = Field(min_length=1, description="the setting, such as policy.epsilon or policy")
    levels: tuple[Any, ...] = Field((), description="values, or tables with a name of their own")
    low: float | None = Field(None, description="least value of a range")
    high: float | None = Field(None, description="largest value of a range")
    scale: Literal["linear", "log"] = Field("linear", description="how a range is measured out")
    whole: bool = Field(False, description="whether values of a range are whole numbers")
    steps: int | None = Field(None, ge=2, le=10_000, description="levels of a range, in designs that list them")

    @field_validator("levels", mode="before")
    @classmethod
    def _listed(cls, levels: Any) -> Any:
        return tuple(levels) if isinstance(levels, list) else levels

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if bool(self.levels) == (self.low is not None or self.high is not None):
            raise ValueError(f"{self.path} needs either levels, or low and high")
        if self.levels:
            unwritable = next((level.label for level in self.listed() if not encodable(str(level.label))), None)
            if unwritable is not None:
                raise ValueError(f"{self.path} has a level {unwritable!r} that cannot be written as UTF-8; give it another name")
            labels = [json.dumps(level.label, default=str) for level in self.listed()]
            twice = next((label for label in labels if labels.count(label) > 1), None)
            if twice is not None:
                raise ValueError(f"{self.path} has two levels {twice}; give each a name of its own, or leave one out")
        else:
            self._check_range()
        return self

    def _check_range(self) -> None:
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError(f"{self.path} needs low below high, not {self.low} and {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"{self.path} has a logarithmic scale, so low must be above 0, not {self.low:g}")

    def listed(self) -> tuple[Level, ...]:
        """Return the levels, those of a range at equal steps from low to high.

        Raises RecsimError for a range that does not say how many steps it has.

        >>> [level.value for level in Factor(path="slate", low=2, high=32, scale="log", whole=True, steps=3).listed()]
        [2, 8, 32]
        """
        if self.levels:
            return tuple(_level(value) for value in self.levels)
        if self.steps is None:
            raise RecsimError(f"factors: {self.path} is a range; say in how many steps, or take a design that samples ranges")
        return tuple(self._at(step / (self.steps - 1)) for step in range(self.steps))

    def drawn(self, share: float) -> Level:
        """Return the level at a share in [0, 1) of the range, or of the levels, each of which has as much of it.

        >>> Factor(path="policy.epsilon", low=0.0, high=0.2).drawn(0.25).value
        0.05
        >>> Factor(path="slate", levels=(5, 10)).drawn(0.5).value
        10
        """
        if self.levels:
            return _level(self.levels[int(share * len(self.levels))])
        return self._at(share)

    def chosen(self, given: Any) -> Level:
        """Return the listed level that is called *given*, or, of a range, the level of that value.

        Raises RecsimError for what is no level, or lies out of the range.

        >>> Factor(path="policy.epsilon", low=0.0, high=0.2).chosen(0.05).value
        0.05
        """
        if self.levels:
            found = next((level for level in self.listed() if level.label == given), None)
            if found is None:
                labels = [str(level.label) for level in self.listed()]
                raise RecsimError(f"{self.path} has no level {given!r}; {nearest(str(given), labels)}")
            return found
        low, high = self.low or 0.0, self.high or 0.0
        if isinstance(given, bool) or not isinstance(given, (int, float)) or not low <= given <= high:
            raise RecsimError(f"{self.path} goes from {low:g} to {high:g}, which {given!r} is not in; take another value")
        value = float(f"{given:.{DIGITS}g}")
        return Level(*2 * (round(value) if self.whole else value,))

    def _at(self, share: float) -> Level:
        low, high = self.low or 0.0, self.high or 0.0
        value = low * (high / low) ** share if self.scale == "log" else low + (high - low) * share
        value = float(f"{value:.{DIGITS}g}")
        return Level(*2 * (round(value) if self.whole else value,))


def _level(given: Any) -> Level:
    """Return a level as it is listed: {name, value}, a table with a name beside its settings, a recipe, or a plain value.

    >>> _level({"name": "shy", "kind": "EpsilonGreedy", "epsilon": 0.01})
    Level(label='shy', value={'kind': 'EpsilonGreedy', 'epsilon': 0.01})
    >>> _level({"name": "nothing", "value": []}), _level({"name": "as it is"}), _level(0.1)
    (Level(label='nothing', value=[]), Level(label='as it is', value=None), Level(label=0.1, value=0.1))
    """
    if isinstance(given, dict) and isinstance(given.get("name"), str):
        rest = {key: value for key, value in given.items() if key != "name"}
        value = rest["value"] if set(rest) == {"value"} else rest or None
        return Level(given["name"], value)
    if isinstance(given, Recipe):
        return Level(f"{given.kind}({', '.join(f'{name}={getattr(given, name)!r}' for name in given.model_fields_set)})", given)
    if isinstance(given, dict):
        return Level(given["kind"] if set(given) == {"kind"} else json.dumps(given, default=str), given)
    return Level(json.dumps(given, default=str) if isinstance(given, (list, tuple)) else given, given)


# -------------------------------------------------------------------------------------------------------------- designs
Row = tuple[Level, ...]


class Design(Recipe):
    """How the levels of factors are put together."""

    @abstractmethod
    def size(self, factors: Sequence[Factor]) -> int:
        """Return how many points there are, without making them."""

    @abstractmethod
    def lay(self, factors: Sequence[Factor]) -> list[Row]:
        """Return the points, each a level of every factor, in their order."""


class Grid(Design):
    """Every level of every factor with every level of the others; the last factor changes fastest."""

    def size(self, factors: Sequence[Factor]) -> int:
        """Return the product of the numbers of levels."""
        return math.prod(len(factor.listed()) for factor in factors)

    def lay(self, factors: Sequence[Factor]) -> list[Row]:
        """Return all combinations.

        >>> grid = Grid().lay([Factor(path="slate", levels=(5, 10)), Factor(path="days", levels=(7.0, 14.0))])
        >>> [tuple(level.value for level in point) for point in grid]
        [(5, 7.0), (5, 14.0), (10, 7.0), (10, 14.0)]
        """
        return list(product(*(factor.listed() for factor in factors)))


class OneAtATime(Design):
    """The first level of every factor together, and each other level alone in their midst."""

    def size(self, factors: Sequence[Factor]) -> int:
        """Return one, and one for each level that is not the first of its factor."""
        return 1 + sum(len(factor.listed()) - 1 for factor in factors)

    def lay(self, factors: Sequence[Factor]) -> list[Row]:
        """Return the point of the first levels, then the others, factor by factor.

        >>> some = OneAtATime().lay([Factor(path="slate", levels=(5, 10)), Factor(path="days", levels=(7.0, 14.0))])
        >>> [tuple(level.value for level in point) for point in some]
        [(5, 7.0), (10, 7.0), (5, 14.0)]
        """
        first = tuple(factor.listed()[0] for factor in factors)
        return [first] + [
            (*first[:place], level, *first[place + 1 :])
            for place, factor in enumerate(factors)
            for level in factor.listed()[1:]
        ]


class Listed(Design):
    """Points that are given one by one: for designs that other programs make, or that follow from what was found so far."""

    points: tuple[tuple[Any, ...], ...] = Field(min_length=1, description="of each point, the level of every factor in order")

    @field_validator("points", mode="before")
    @classmethod
    def _rows(cls, given: Any) -> Any:
        return tuple(tuple(row) if isinstance(row, (list, tuple)) else row for row in given) if isinstance(given, list) else given

    def size(self, factors: Sequence[Factor]) -> int:
        """Return the number of points."""
        return len(self.points)

    def lay(self, factors: Sequence[Factor]) -> list[Row]:
        """Return the points in their order. Raises RecsimError where one has too few values, or one that is no level.

        >>> factors = [Factor(path="slate", levels=(5, 10)), Factor(path="days", low=0, high=1)]
        >>> Listed(points=((5, 0.1), (10, 0.2))).lay(factors)[1]
        (Level(label=10, value=10), Level(label=0.2, value=0.2))
        """
        return [self._row(number, values, factors) for number, values in enumerate(self.points)]

    @staticmethod
    def _row(number: int, values: tuple[Any, ...], factors: Sequence[Factor]) -> Row:
        if len(values) != len(factors):
            raise RecsimError(f"design.points: point {number} has {len(values)} values for {len(factors)} factors; give one each")
        try:
            return tuple(factor.chosen(value) for factor, value in zip(factors, values, strict=True))
        except RecsimError as fault:
            raise RecsimError(f"design.points: point {number}: {fault}") from None


class _Sample(Design):
    """A design of points in the unit cube, whose sides are the factors."""

    seed: int = Field(1, ge=0, lt=2**63, description="of the design; the cells have seeds of their own")

    def lay(self, factors: Sequence[Factor]) -> list[Row]:
        """Return the points of the cube as levels."""
        shares = self.shares(len(factors)).tolist()
        return [tuple(factor.drawn(share) for factor, share in zip(factors, row, strict=True)) for row in shares]

    @abstractmethod
    def shares(self, factors: int) -> Floats:
        """Return the points: (points, factors), each in (0, 1)."""


class LatinHypercube(_Sample):
    """Points at random, such that each range, cut in as many parts as there are points, has one point in every part.

    Another number of points is another design: it does not extend this one. Source: McKay, Beckman and Conover 1979, "A
    comparison of three methods for selecting values of input variables", Technometrics 21(2).
    """

    points: int = Field(ge=2, le=1_000_000, description="how many points")

    def size(self, factors: Sequence[Factor]) -> int:
        """Return the number of points."""
        return self.points

    def shares(self, factors: int) -> Floats:
        """Return the points: (points, factors).

        >>> np.sort((LatinHypercube(points=4).shares(2) * 4).astype(int), axis=0).T.tolist()
        [[0, 1, 2, 3], [0, 1, 2, 3]]
        """
        factor, point = np.arange(factors), np.arange(self.points)[:, None]
        randomness = Randomness(self.seed)
        part = np.argsort(randomness.uniform("LatinHypercube.part", factor, which=point), axis=0, kind="stable")
        return (part + randomness.uniform("LatinHypercube.within", factor, which=point)) / self.points


class Sobol(_Sample):
    """The points from which Sobol indices are had: A, B, and for each factor A with the column of that factor from B.

    A and B are the halves of one Sobol sequence, shifted by address in base 2; n rows each, so n (factors + 2) points in all: A
    first, then B, then the others in the order of the factors, as `scipy.stats.sobol_indices` takes them. Twice the rows extend
    the design: its first half of A and B stays. Source: Saltelli et al. 2010, "Variance based sensitivity analysis of model
    output", Computer Physics Communications 181(2), the radial design with columns of B in A.
    """

    points: int = Field(ge=2, le=2**20, description="rows of A, a power of 2")

    @field_validator("points")
    @classmethod
    def _power(cls, points: int) -> int:
        if points & (points - 1):
            raise ValueError(f"must be a power of 2, such as {2 ** points.bit_length()}")
        return points

    def size(self, factors: Sequence[Factor]) -> int:
        """Return the number of all points."""
        return self.points * (len(factors) + 2)

    def shares(self, factors: int) -> Floats:
        """Return the points: (n (factors + 2), factors).

        >>> Sobol(points=4).shares(3).shape
        (20, 3)
        """
        from scipy.stats import qmc

        bits = 30
        plain = qmc.Sobol(d=2 * factors, scramble=False, bits=bits).random_base2(self.points.bit_length() - 1)
        shift = Randomness(self.seed).uniform("Sobol.shift", np.arange(2 * factors)) * 2**bits
        both = ((np.round(plain * 2**bits).astype(np.int64) ^ shift.astype(np.int64)) + 0.5) / 2**bits
        a, b = both[:, :factors], both[:, factors:]
        mixed = [np.where(np.arange(factors) == place, b, a) for place in range(factors)]
        return np.concatenate([a, b, *mixed])
