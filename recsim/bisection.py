"""Bisection under noise: where the mean of a statistic changes its sign, by replications, with an interval that holds it.

A level is a share of a range, 0 its low end, 1 its high end. At a level the statistic has a value for each seed, and the same
seed may move it alike at all levels; how much it scatters may differ from level to level. So seeds are what is independent here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from recsim.inference import SURE, paired_p

Floats = npt.NDArray[np.float64]

SCAN = 0.0, 0.25, 0.5, 0.75, 1.0  # levels that are tried first: they show whether the sign changes once
ERROR = 0.02  # level of the t test by which the search takes the sign at a level for told
LEAST = 12  # seeds without which nothing is measured, and equal values tell nothing
DOUBLINGS = 4  # of the seeds at levels whose sign is not told, as long as no two signs differ
NEAR = 1.5  # the search is over when a level is as near as this share of the width, give or take
REACH = 1.2  # of the width: how far from the crossing the mean is interpolated
ASIDE = 0.6  # of that: how far the crossing may lie from the level in the middle before another takes its place
CAREFUL = 0.96  # in place of 0.95: to stop as soon as an interval is narrow enough costs it a percent (simulated)
GRID = 2001  # places at which the interpolated mean is tested


class Stretch(NamedTuple):
    """What is to be drawn: the statistic at a level, under the seeds of these running numbers, from first to before last."""

    level: float
    first: int
    last: int


Draw = Callable[[Sequence[Stretch]], Sequence[npt.ArrayLike]]


@dataclass(frozen=True)
class Crossing:
    """What a search found, in shares of the range.

    outcome: "found"; "wide": found, but the cells were spent before the interval was narrow enough; "none": one sign all over;
    "several": the sign changes more than once; "edge": all signs that are told are alike, but that of one end is not told;
    "untold": no more than that is known. value: where the mean crosses 0; low and high: the ends of its interval; NaN where there
    is none. sign: of the mean below the crossing, or all over; 0 where it is not told. fitted: whether the interval is that of
    the interpolated mean, or lies between two levels whose signs are told. between: the levels next to each change of sign.
    """

    outcome: str
    sign: int
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    fitted: bool = False
    between: tuple[tuple[float, float], ...] = ()

    @property
    def width(self) -> float:
        """How wide the interval is."""
        return self.high - self.low


class Spent(Exception):
    """There are no cells left."""


class Levels:
    """The levels that were tried, the values there under the seeds from *start* on, and how many cells that took."""

    def __init__(self, draw: Draw, most: int, start: int = 0) -> None:
        self.values: dict[float, Floats] = {}
        self.cells, self.start = 0, start
        self._draw, self._most = draw, most

    def fill(self, wanted: Mapping[float, int]) -> None:
        """See to it that levels have so many seeds. Raises Spent where that would take too many cells."""
        had = {level: len(self.values.get(level, ())) for level in wanted}
        start = self.start
        more = [Stretch(level, start + had[level], start + seeds) for level, seeds in wanted.items() if seeds > had[level]]
        cells = self.cells + sum(stretch.last - stretch.first for stretch in more)
        if cells > self._most:
            raise Spent
        for stretch, values in zip(more, self._draw(more) if more else (), strict=True):
            before = self.values.get(stretch.level, np.zeros(0))
            self.values[stretch.level] = np.concatenate([before, np.asarray(values, np.float64)])
        self.cells = cells

    def sign(self, level: float, error: float = ERROR) -> int:
        """Return the sign of the mean at a level; 0 where it is not told."""
        return told_sign(self.values[level], error)

    def mean(self, level: float) -> float:
        """Return the mean at a level."""
        return float(self.values[level].mean())


def told_sign(values: npt.ArrayLike, error: float = ERROR) -> int:
    """Return the sign of the mean of independent values by a t test at level *error*; 0 where it does not tell.

    Values that are all alike tell nothing as long as they are fewer than LEAST: a statistic that is one of two numbers comes
    out alike under a few seeds by chance.

    >>> told_sign([1.0, 1.1, 0.9, 1.0]), told_sign([-1.0, 1.1, 0.9]), told_sign([1.0, 1.0, 1.0])
    (1, 0, 0)
    """
    x = np.asarray(values, np.float64)
    if len(x) < 2 or (len(x) < LEAST and float(np.ptp(x)) == 0):
        return 0
    return int(np.sign(x.mean())) if paired_p(x) < error else 0


# ------------------------------------------------------------------------------------------------ the interpolated mean
def weights(levels: Sequence[float], at: Floats) -> Floats:
    """Return the weights of three levels in the value at other places of the parabola through them: (3, places).

    Source: Lagrange's interpolation polynomial.

    >>> weights([0.0, 1.0, 2.0], np.array([1.0, 1.5])).T.tolist()
    [[0.0, 1.0, 0.0], [-0.125, 0.75, 0.375]]
    """
    x = np.asarray(levels, np.float64)
    rows = [
        np.prod([(at - other) / (own - other) for other in np.delete(x, place)], axis=0) for place, own in enumerate(x)
    ]
    return np.stack(rows) + 0.0


def where_zero(levels: Sequence[float], values: Sequence[npt.ArrayLike], sure: float = SURE) -> tuple[float, float, float]:
    """Return where the mean of a statistic is 0 between three levels, and the interval of that.

    The mean between the levels is interpolated by a parabola; a place belongs to the interval if the mean there is not
    significantly different from 0 by Welch's t test (Fieller's method, for a parabola in place of a line). An interval that
    reaches an outer level is not closed there: its end is infinite. All three are NaN where the mean is nowhere 0; the first
    alone where it is nowhere 0 but for its error.

    levels: three, ascending. values: at each of them, by seed; the seeds of the outer levels are the first of those in the
    middle, which may have more. A seed may move all levels alike, and each may have a scatter of its own: seeds with all
    three levels are one sample, those with the middle alone another. The outer ones need 2 seeds; where the middle has more,
    2 more. Ends are rounded outwards by a share 1 / 2000 of the way between the levels.
    Source: Fieller 1954, "Some problems in interval estimation", Journal of the Royal Statistical Society B 16(2); Welch 1947,
    "The generalization of 'Student's' problem when several different population variances are involved", Biometrika 34.

    >>> noise = np.array([-0.1, 0.1, -0.05, 0.05])
    >>> [round(end, 3) for end in where_zero([0.0, 1.0, 2.0], [noise - 1, noise, noise + 1])]
    [1.0, 0.854, 1.146]
    """
    from scipy.stats import t

    places = np.linspace(levels[0], levels[2], GRID)
    weigh = weights(levels, places)
    left, middle, right = (np.asarray(some, np.float64) for some in values)
    mean = weigh.T @ np.array([left.mean(), middle.mean(), right.mean()])
    error, freedom = _error(weigh, left, middle, right)
    crossed = np.flatnonzero(np.sign(mean[:-1]) * np.sign(mean[1:]) <= 0)
    inside = np.abs(mean) <= t.isf((1 - sure) / 2, freedom) * error
    inside[crossed] = inside[crossed + 1] = True
    there = np.flatnonzero(inside)
    if not len(there):
        return math.nan, math.nan, math.nan
    low = -math.inf if there[0] == 0 else float(places[there[0] - 1])
    high = math.inf if there[-1] == GRID - 1 else float(places[there[-1] + 1])
    return _crossed(places, mean, crossed, levels[1]), low, high


def _error(weigh: Floats, left: Floats, middle: Floats, right: Floats) -> tuple[Floats, Floats]:
    """Return the standard error of the interpolated mean, and Welch's degrees of freedom: (places,) each."""
    outer, centre = len(left), len(middle)
    together = np.stack([left / outer, middle[:outer] / centre, right / outer])
    whole = outer * np.einsum("jp,jk,kp->p", weigh, np.cov(together), weigh)
    rest = 0 * whole
    if centre > outer:
        rest = weigh[1] ** 2 * (centre - outer) * float(np.var(middle[outer:], ddof=1)) / centre**2
    squares = whole**2 / (outer - 1) + rest**2 / max(1, centre - outer - 1)
    freedom = np.divide((whole + rest) ** 2, squares, out=np.full(len(whole), outer - 1.0), where=squares > 0)
    return np.sqrt(np.maximum(whole + rest, 0.0)), freedom


def _crossed(places: Floats, mean: Floats, before: npt.NDArray[np.intp], middle: float) -> float:
    """Return where the mean crosses 0, the crossing nearest the middle where a parabola has two; NaN where there is none."""
    if not len(before):
        return math.nan
    place = before[np.argmin(np.abs(places[before] - middle))]
    low, high = mean[place], mean[place + 1]
    share = low / (low - high) if low != high else 0.5
    return float(places[place] + share * (places[place + 1] - places[place]))


# ----------------------------------------------------------------------------------------------------------- the search
@dataclass
class _Search:
    """A search: how wide the interval may be, the seeds of a level at first, and the levels there are.

    levels: those by which it finds its way. fresh: those at which it measures what it has found, under other seeds, so that where
    the search has gone by chance does not tell on the interval. best: the narrowest interval so far.
    """

    draw: Draw
    width: float
    first: int
    most: int
    snap: Callable[[float], float]

    def __post_init__(self) -> None:
        self.levels = Levels(self.draw, self.most)
        self.fresh = Levels(self.draw, 0)
        self.best: Crossing | None = None

    def crossing(self) -> Crossing:
        """Return what there is to be found."""
        try:
            return self._crossing()
        except Spent:
            return replace(self.best, outcome="wide") if self.best else Crossing("untold", 0)

    def _crossing(self) -> Crossing:
        signs = self._scanned()
        told = [(level, sign) for level, sign in sorted(signs.items()) if sign]
        changes = [(low, high) for (low, a), (high, b) in pairwise(told) if a != b]
        if not changes:
            return _one_sign(signs)
        if len(changes) > 1:
            return Crossing("several", told[0][1], between=tuple(changes))
        near, seeds = self._near(*changes[0])
        self.fresh = Levels(self.draw, self.most - self.levels.cells, max(map(len, self.levels.values.values())))
        assert self.best is not None
        if not seeds and self._confirmed(self.best.low, self.best.high):
            return self.best
        return self._measured(near, max(LEAST, seeds))

    def _scanned(self) -> dict[float, int]:
        """Return the signs over the whole range; as long as they do not change, levels whose sign is not told get more seeds."""
        scan = sorted({self.snap(level) for level in SCAN})
        for doubling in range(DOUBLINGS + 1):
            self.levels.fill({level: self.first << doubling for level in scan if not self._sign(level)})
            signs = {level: self.levels.sign(level) for level in scan}
            if {-1, 1} <= set(signs.values()) or 0 not in signs.values():
                break
        return signs

    def _sign(self, level: float) -> int:
        return self.levels.sign(level) if level in self.levels.values else 0

    # -------------------------------------------------------------------------------------------------- to find the way
    def _near(self, low: float, high: float) -> tuple[float, int]:
        """Return a level near the crossing between two whose signs are told, and the seeds that it takes to measure there.

        The stretch is halved until the sign in the middle cannot be told, or need not be: 0 seeds where it is narrow enough.
        """
        below = self.levels.sign(low)
        while True:
            self.best = Crossing("found", below, self._between(low, high), low, high)
            middle = self.snap((low + high) / 2)
            if high - low <= self.width or middle in (low, high):
                return self.best.value, 0
            sign, wide = self._tried(low, middle, high)
            if not sign:
                near = middle - self.levels.mean(middle) / self._slope(low, high)
                return near, math.ceil(len(self.levels.values[middle]) * (wide / self.width) ** 2)
            low, high = (middle, high) if sign == below else (low, middle)

    def _slope(self, low: float, high: float) -> float:
        return (self.levels.mean(high) - self.levels.mean(low)) / (high - low)

    def _between(self, low: float, high: float) -> float:
        """Return where the line between the means at two levels crosses 0."""
        return low - self.levels.mean(low) / self._slope(low, high)

    def _tried(self, low: float, middle: float, high: float) -> tuple[int, float]:
        """Return the sign at a level between two others, and how wide an interval its seeds would give.

        0 where it is near enough to the crossing before its sign is told; the mean is taken for a line from low to high.
        """
        seeds = self.first
        while True:
            self.levels.fill({middle: seeds})
            values = self.levels.values[middle]
            wide = 4 * float(values.std(ddof=1)) / math.sqrt(seeds) / abs(self._slope(low, high))
            sign = self.levels.sign(middle)
            if sign or (seeds >= LEAST and wide <= NEAR * self.width):
                return sign, wide
            seeds = self._more(seeds, wide / NEAR)

    def _more(self, seeds: int, wide: float) -> int:
        """Return with how many seeds to go on: as many as a narrow enough interval takes, by steps of a fifth to twice."""
        needed = math.ceil(min(1e9, 1.1 * seeds * (wide / self.width) ** 2))
        return max(LEAST, seeds + seeds // 5 + 2, min(needed, 2 * seeds))

    # ------------------------------------------------------------------------------------------------------- to measure
    def _confirmed(self, low: float, high: float) -> bool:
        """Return whether the signs at two levels are those that the search has told, by other seeds, each at 5 %."""
        self.fresh.fill({low: LEAST, high: LEAST})
        signs = [self.fresh.sign(level, 1 - SURE) for level in (low, high)]
        return signs == [self.levels.sign(level) for level in (low, high)]

    def _measured(self, near: float, seeds: int) -> Crossing:
        """Return the crossing near a level, with more and more seeds until its interval is narrow enough.

        The outer two of three levels get half the seeds of the middle one: they tell of the slope alone.
        """
        assert self.best is not None
        while True:
            levels = self._around(near)
            outer = seeds if seeds < 2 * LEAST else seeds // 2
            wanted = dict(zip(levels, (outer, seeds, outer), strict=True))
            self.fresh.fill(wanted)
            values = [self.fresh.values[level][:number] for level, number in wanted.items()]
            zero = where_zero(levels, values, CAREFUL)
            found = self._closed(levels, values, *zero)
            if found and found.width < self.best.width:
                self.best = found
            if self.best.width <= self.width and self.best.fitted:
                return self.best
            near = levels[1] if found else self._beside(levels, zero[0])
            seeds = self._more(seeds, max(self.width, found.width) if found else 1.1 * self.width)

    def _around(self, near: float) -> list[float]:
        """Return three levels around one, within the range."""
        reach = REACH * self.width
        while True:
            middle = min(max(near, reach), 1 - reach)
            levels = sorted({self.snap(middle + side * reach) for side in (-1, 0, 1)})
            if len(levels) == 3:
                return levels
            reach *= 1.5

    def _closed(
        self, levels: Sequence[float], values: Sequence[Floats], value: float, low: float, high: float
    ) -> Crossing | None:
        """Return the crossing if its interval is closed; at an end of the range it is, since the sign there is told."""
        assert self.best is not None
        low, high = (0.0 if levels[0] == 0 and low < 0 else low), (1.0 if levels[2] == 1 and high > 1 else high)
        sides = [-np.sign(some.mean()) * self.best.sign for some in values]
        right = (sides[0] < 0 or low == 0) and (sides[2] > 0 or high == 1)
        if not (right and math.isfinite(low) and math.isfinite(high) and math.isfinite(value)):
            return None
        return Crossing("found", self.best.sign, value, low, high, fitted=True)

    def _beside(self, levels: Sequence[float], value: float) -> float:
        """Return around which level to go on: where the mean is 0 if that is far aside, or the end that it is beyond."""
        assert self.best is not None
        if math.isfinite(value):
            return value if abs(value - levels[1]) > ASIDE * (levels[2] - levels[1]) else levels[1]
        return levels[2] if self.fresh.mean(levels[1]) * self.best.sign > 0 else levels[0]


def _one_sign(signs: Mapping[float, int]) -> Crossing:
    """Return what signs tell that do not change: that of one end may not be told, but all others must be."""
    levels = sorted(signs)
    told = [level for level in levels if signs[level]]
    sign = signs[told[0]] if told else 0
    if told == levels:
        return Crossing("none", sign)
    if told == levels[1:]:
        return Crossing("edge", sign, between=((levels[0], levels[1]),))
    if told == levels[:-1]:
        return Crossing("edge", sign, between=((levels[-2], levels[-1]),))
    return Crossing("untold", sign)


@dataclass(frozen=True)
class Tried:
    """The levels that a search has tried, the values there, seed by seed, and how many there are."""

    values: Mapping[float, Floats]
    cells: int


def find_crossing(
    draw: Draw, *, width: float, first: int = 5, most: int = 10_000, snap: Callable[[float], float] = float
) -> tuple[Crossing, Tried]:
    """Return where the mean of a statistic changes its sign in a range, with a 95 % interval, and the levels that were tried.

    The way there: five levels are tried with a few seeds; where the sign changes once, the stretch between is halved. A
    level in the middle gets more seeds until a t test tells its sign, or it is near enough for that not to matter. What is found
    is then measured by seeds that had no part in the search: at two levels no farther apart than the interval may be wide, if the
    signs of both are told by then, else at three that are as near, by interpolation (`where_zero`), with more
    and more seeds until the interval is narrow enough.

    draw: returns the values of stretches of seeds. width: of the interval, a share of the range in (0, 0.5]. first: seeds at each
    level, at least 2. most: cells, that is values, at most. snap: the nearest level that there is.
    The interval holds where the mean crosses 0 once, and is smooth around there on the scale of the width, or so steep that
    signs are told on that scale. It is too narrow where the mean runs flat through 0 within less than a width and is steep beside
    that; a smaller width shows it. Crossings that come in pairs may be missed.

    >>> def draw(some):
    ...     return [[stretch.level - 0.6 + 0.01 * (seed % 3 - 1) for seed in range(*stretch[1:])] for stretch in some]
    >>> found, tried = find_crossing(draw, width=0.1)
    >>> found.outcome, round(found.value, 2), found.low <= 0.6 <= found.high, tried.cells
    ('found', 0.6, True, 59)
    """
    search = _Search(draw, width, first, most, snap)
    found = search.crossing()
    both = search.levels, search.fresh
    values = {
        level: np.concatenate([some.values.get(level, np.zeros(0)) for some in both])
        for level in sorted({level for some in both for level in some.values})
    }
    return found, Tried(values, sum(some.cells for some in both))
