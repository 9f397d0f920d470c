"""What people do: when they come, what they look for, and what they click."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeGuard

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator
from scipy.special import gammaincinv

from recsim.consumption import Consumed
from recsim.errors import RecsimError
from recsim.lottery import ATTEMPTS, CELLS, Lottery, draw_rows
from recsim.population import Own, Users
from recsim.randomness import Floats, Randomness
from recsim.recipe import Recipe
from recsim.world import DAY, NOTHING, Bools, Ints, Items32, Slate, Visits


# ---------------------------------------------------------------------------------------------------- when they come
class Pace(Recipe):
    """A recipe for the times of visits; they depend on the seed, the user and the pace only, never on what happens."""

    @abstractmethod
    def rates(self, randomness: Randomness, users: Users) -> Floats:
        """Return the visits per day of each user: (users,)."""

    @abstractmethod
    def time(self, randomness: Randomness, address: npt.ArrayLike, ordinal: Ints, last: Floats, rate: Floats) -> Floats:
        """Return the second, (n,), at which visit *ordinal* begins, the one before it having been at *last*.

        A visit takes place in the whole second that holds this time. *last* is 0 for the first visit.
        """


class Poisson(Pace):
    """Visits at random: a Poisson process for each user, whose rates differ by a gamma distribution."""

    rate: float = Field(1.0, gt=0, le=10_000, description="mean visits per user and day")
    spread: float = Field(0.0, ge=0, le=10, description="standard deviation of users' rates over their mean; 0: alike")

    def rates(self, randomness: Randomness, users: Users) -> Floats:
        """Return rate * activity * Gamma(shape 1/spread^2, mean 1), by inversion."""
        rates = self.rate * users.activity
        if not self.spread:
            return rates
        shape = self.spread**-2
        return rates * np.maximum(gammaincinv(shape, randomness.uniform("Poisson.rate", users.address)) / shape, 1e-9)

    def time(self, randomness: Randomness, address: npt.ArrayLike, ordinal: Ints, last: Floats, rate: Floats) -> Floats:
        """Return the last time plus an exponential gap addressed by user and ordinal."""
        return last + randomness.exponential("Poisson.gap", address, ordinal) * (DAY / rate)


class Regular(Pace):
    """Exactly one visit per user in every period, at a second of the period that is the user's own."""

    period: float = Field(1.0, ge=1 / DAY, description="days between the visits of one user, at least one second")

    def rates(self, randomness: Randomness, users: Users) -> Floats:
        """Return one visit a period for everybody."""
        return np.full(len(users), 1 / self.period)

    def time(self, randomness: Randomness, address: npt.ArrayLike, ordinal: Ints, last: Floats, rate: Floats) -> Floats:
        """Return ordinal periods plus the user's own offset, a uniform share of the period."""
        return (ordinal + randomness.uniform("Regular.offset", address)) * float(round(self.period * DAY))


# --------------------------------------------------------------------------------------------------- what they want
@dataclass(frozen=True)
class People:
    """The truth about those who visit, which the feed never sees; row i belongs to visit i.

    user: (n,). interests: (n, topics), what they want now: theta, or less of a topic that they are tired of.
    demand: (items, topics), share of item i in the demand for topic k. address: (items,), where items' random numbers live.
    had: what each user has consumed and cannot again; None where all can be had again.
    own: the state columns of each user's own row, by name; empty in a world where nobody changes.
    """

    user: Ints
    interests: Floats
    demand: Floats
    address: npt.NDArray[np.uint32]
    had: Consumed | None
    own: Own

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints | Bools | slice) -> People:
        """Return some of them."""
        if not isinstance(rows, slice):
            rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows

        def some(table: np.ndarray) -> np.ndarray:
            return table[rows] if isinstance(rows, slice) else table.take(rows, axis=0)  # thrice as fast

        own = {name: some(column) for name, column in self.own.items()}
        return People(some(self.user), some(self.interests), self.demand, self.address, self.had, own)

    def preference(self, items: Items32) -> Floats:
        """Return p_u(i) = sum_k theta_uk phi_ik a_i / W_k for items (n, k) or (n,); NOTHING has preference 0.

        The sum is taken in the order of the topics, one rounding a step, so that every machine and batch agree.
        """
        from recsim import kernels

        wide = kernels.plain(items.reshape(len(items), -1), np.int32)
        total = np.empty(wide.shape)
        kernels.preference(kernels.plain(self.interests, np.float64), self.demand, wide, total)
        return total.reshape(items.shape)

    def whim(self, visits: Visits, items: Items32) -> Floats:
        """Return a number in (0, 1) for each user, visit and item: (n, k)."""
        return visits.uniform("whim", self.address.take(np.maximum(items, 0)))

    def free(self, items: Items32) -> Bools:
        """Return whether each item (n, k) is there and can be consumed."""
        there = items != NOTHING
        return there if self.had is None else there & ~self.had.contains(self.user, np.maximum(items, 0))


def organic(visits: Visits, interests: Floats, demand: Lottery, label: str = "organic") -> Items32:
    """Return what people consume unsteered, one item a visit: (n,); NOTHING where they have had everything.

    A draw from p_u: what is `hit_upon`, or else, drawn from p_u restricted to what is left.
    """
    result = hit_upon(visits, interests, demand, label)
    open_ = np.flatnonzero(result == NOTHING)
    step = max(1, CELLS // demand.items)
    for start in range(0, len(open_), step):
        rows = open_[start : start + step]
        result[rows] = _restricted(visits.take(rows), interests[rows], demand.weights, f"{label}.rest")
    return result


def hit_upon(visits: Visits, interests: Floats, demand: Lottery, label: str) -> Items32:
    """Return one draw a visit from p_u, (n,), none of them barred; NOTHING where ATTEMPTS of them were.

    A topic by an exponential race with rates theta_u, then an item of it. An item that *visits* bars is drawn again, topic and
    item, and so is a topic that no item is about. Who bars more keeps the draw, as long as it does not bar that.
    """
    result = np.full(len(visits), NOTHING, np.int32)
    open_ = np.arange(len(visits))
    for attempt in range(ATTEMPTS):
        if not len(open_):
            return result
        part = visits.take(open_)
        race = _race(-np.log(part.block(f"{label}.topic#{attempt}", interests.shape[1])), interests[open_])
        drawn = demand.draw(part, f"{label}.item#{attempt}", np.argmin(race, axis=1))
        fine = (drawn != NOTHING) & ~part.barred(drawn)  # of a topic that no item is about nothing is drawn
        result[open_[fine]] = drawn[fine]
        open_ = open_[~fine]
    return result


def _restricted(visits: Visits, interests: Floats, demand: Floats, label: str) -> Items32:
    """Return one draw a visit from p_u over the items that are not barred."""
    wanted = np.zeros((len(visits), demand.shape[1]))
    for topic in range(demand.shape[0]):
        wanted += interests[:, topic, None] * demand[topic]
    wanted[visits.consumed] = 0.0
    return draw_rows(visits, label, wanted, visits.slots)


def fans(
    randomness: Randomness, label: str, interests: Floats, demand: Floats, item: Items32, address: npt.NDArray[np.uint32]
) -> Ints:
    """Return one user for each item (n,), drawn from all in proportion to p_u(i).

    P(u | i) is a mixture over topics: k in proportion to Theta_k demand_k(i), Theta_k the sum of theta_uk over users, by an
    exponential race; then u in proportion to theta_uk. The draw of an item is at the item's own *address*, (n,).
    """
    who, topic = address.astype(np.uint64), np.arange(len(demand))
    rate = interests.sum(axis=0)[:, None] * demand[:, item]
    race = randomness.exponential(f"{label}.topic", who[:, None], 0, topic)
    chosen = np.argmin(race / np.maximum(rate.T, 1e-300), axis=1)
    return Lottery(interests.T).at(randomness, f"{label}.user", who, chosen).astype(np.int64)


# -------------------------------------------------------------------------------------------------- what they click
Bias = Literal["none", "log"] | float | tuple[float, ...]


def position_bias(bias: Bias, size: int) -> Floats:
    """Return (size,): the attention that each position gets, from the top.

    "none": 1; "log": 1/log2(r+1); a number g: r^-g; a list: as given. r counts from 1.

    >>> position_bias("log", 3).round(3).tolist(), position_bias(1.0, 2).tolist()
    ([1.0, 0.631, 0.5], [1.0, 0.5])
    """
    rank = np.arange(1, size + 1, dtype=np.float64)
    if isinstance(bias, tuple):
        return np.array(bias[:size])
    if isinstance(bias, float):
        return rank**-bias
    return np.ones(size) if bias == "none" else 1 / np.log2(rank + 1)


def _number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class Choice(Recipe):
    """A recipe for what people click on a slate."""

    def check(self, slate: int, users: int, items: int) -> None:
        """Raise RecsimError where a setting does not fit the size of the slate or the numbers of users and items."""

    @abstractmethod
    def click(self, visits: Visits, slate: Slate, people: People) -> npt.NDArray[np.int16]:
        """Return (n, k): 0 where there was no click, else 1 for the first click of the visit, 2 for the second, ..."""

    def utility(self, visits: Visits, items: Items32, people: People) -> Floats:
        """Return the true utility of consumed items (n,): log(m p_u(i)), 0 for an average item (Luce 1959).

        What is not wanted at all, as an item about a new interest by who was not born with it, counts as one of 1e-12.
        """
        return np.log(np.maximum(visits.released * people.preference(items), 1e-12))


class _Biased(Choice):
    bias: Bias = Field("log", description='attention by position: "none", "log", a number g for r^-g, or a list')

    @field_validator("bias", mode="before")
    @classmethod
    def _plain(cls, bias: object) -> object:
        if isinstance(bias, (list, tuple)) and all(_number(share) for share in bias):
            return tuple(float(share) for share in bias)
        if not _number(bias) and bias not in ("none", "log"):
            raise ValueError('must be "none", "log", a number or a list of numbers')
        return float(bias) if _number(bias) else bias

    @field_validator("bias")
    @classmethod
    def _possible(cls, bias: Bias) -> Bias:
        shares = bias if isinstance(bias, tuple) else (1.0,)
        if not shares or not all(0 <= share <= 1 for share in shares) or (isinstance(bias, float) and not bias >= 0):
            raise ValueError("shares of attention must lie in [0, 1], an exponent must not be negative")
        return bias

    def check(self, slate: int, users: int, items: int) -> None:
        """Raise RecsimError where a list of biases is shorter than the slate."""
        if isinstance(self.bias, tuple) and len(self.bias) < slate:
            raise RecsimError(f"choice.bias: has {len(self.bias)} shares for a slate of {slate}; give one a position")


class Luce(_Biased):
    """Choose from the slate and an outside option in proportion to m p_u(i) times the attention of its position.

    Utility log(m p_u(i)) + log(bias) + a standard Gumbel number addressed by user, visit and item; outside option
    log(outside) + one more. Clicked are the items above the outside option, best first, at most *clicks*. Worked out as
    the equivalent exponential race E / (m p_u(i) bias), the smallest winning (Luce 1959; Yellott 1977).
    """

    outside: float = Field(10.0, ge=0, description="weight of leaving without a click; an average item weighs 1")
    clicks: int = Field(1, ge=1, le=1000, description="most clicks in one visit")

    def click(self, visits: Visits, slate: Slate, people: People) -> npt.NDArray[np.int16]:
        """Return the order of the clicks, 0 for none."""
        weight = visits.released * people.preference(slate.items) * position_bias(self.bias, slate.items.shape[1])
        if people.had is not None:
            weight[~people.free(slate.items)] = 0.0
        race = _race(-np.log(people.whim(visits, slate.items)), weight)
        outside = np.full((len(visits), 1), self.outside)
        limit = _race(-np.log(visits.uniform("Luce.outside"))[:, None], outside)
        return _first(race, limit, self.clicks)


def _race(exponential: Floats, weight: Floats) -> Floats:
    """Return the finishing times; who has no weight never arrives."""
    with np.errstate(over="ignore", divide="ignore"):  # who is wanted next to nothing never wins
        return np.where(weight > 0, exponential / weight, np.inf)


def _first(race: Floats, limit: Floats, most: int) -> npt.NDArray[np.int16]:
    """Return the order of those that come before the outside option, *limit* (n, 1), 0 for the others and from *most* on."""
    if most == 1:
        from recsim import kernels

        order = np.zeros(race.shape, np.int16)
        kernels.win(race, kernels.plain(limit[:, 0], np.float64), order)
        return order
    above = race < limit
    place = np.argsort(np.argsort(np.where(above, race, np.inf), axis=1, kind="stable"), axis=1, kind="stable") + 1
    return np.where(above & (place <= most), place, 0).astype(np.int16)


class Given(_Biased):
    """Click each position independently with probability bias * theta[user, item], theta being given."""

    theta: float | tuple[tuple[float, ...], ...] = Field(
        0.1, description="click probability: one number, one row for all users, or a row a user and a column an item"
    )

    @field_validator("theta", mode="before")
    @classmethod
    def _rows(cls, theta: object) -> object:
        rows = theta.tolist() if isinstance(theta, np.ndarray) else theta
        if isinstance(rows, (list, tuple)):
            rows = rows if rows and isinstance(rows[0], (list, tuple)) else [rows]
            return tuple(tuple(float(p) if isinstance(p, int) else p for p in row) for row in rows)
        return float(rows) if isinstance(rows, int) else rows

    @field_validator("theta")
    @classmethod
    def _probabilities(cls, theta: object) -> object:
        if isinstance(theta, tuple) and len({len(row) for row in theta}) != 1:
            raise ValueError("every row must be as long as the others")
        values = np.array(theta if isinstance(theta, tuple) else [[theta]])
        if values.size == 0 or not ((values >= 0) & (values <= 1)).all():
            raise ValueError("probabilities must lie in [0, 1]")
        return theta

    def check(self, slate: int, users: int, items: int) -> None:
        """Raise RecsimError where theta has neither one row nor one a user, or neither one column nor one an item."""
        super().check(slate, users, items)
        shape = np.shape(self.theta) or (1, 1)
        if shape[0] not in (1, users) or shape[1] not in (1, items):
            raise RecsimError(
                f"choice.theta: has {shape[0]} rows and {shape[1]} columns for {users} users and {items} items; "
                "give one row or one a user, and one column or one an item"
            )

    @cached_property
    def matrix(self) -> Floats:
        """Theta as an array: (1 or users, 1 or items)."""
        return np.array(self.theta if isinstance(self.theta, tuple) else [[self.theta]])

    def _theta(self, visits: Visits, items: Items32) -> Floats:
        matrix = self.matrix
        user = visits.user if len(matrix) > 1 else np.zeros_like(visits.user)
        return matrix[user[:, None] if items.ndim == 2 else user, items if matrix.shape[1] > 1 else 0 * items]

    def click(self, visits: Visits, slate: Slate, people: People) -> npt.NDArray[np.int16]:
        """Return the order of the clicks, from the top, 0 for none."""
        chance = position_bias(self.bias, slate.items.shape[1]) * self._theta(visits, np.maximum(slate.items, 0))
        clicked = visits.uniform("Given.click", np.arange(slate.items.shape[1])) < chance
        clicked &= people.free(slate.items)
        return np.where(clicked, np.cumsum(clicked, axis=1), 0).astype(np.int16)

    def utility(self, visits: Visits, items: Items32, people: People) -> Floats:
        """Return theta of what was consumed: (n,)."""
        return self._theta(visits, items)


class AlwaysClick(Choice):
    """Click the item at the top of the slate, whatever it is: every visit is one click."""

    def click(self, visits: Visits, slate: Slate, people: People) -> npt.NDArray[np.int16]:
        """Return 1 at position 0, where its item can be consumed."""
        order = np.zeros(slate.items.shape, np.int16)
        order[:, 0] = people.free(slate.items[:, :1])[:, 0]
        return order


class Cascade(_Biased):
    """Look down the slate, click what attracts, and stop once satisfied (Chapelle and Zhang 2009, section 3, simplified).

    The item at a position attracts with probability w / (w + outside), w = m p_u(i) bias; after a click the user is
    satisfied with probability *satisfied* and looks no further.
    """

    outside: float = Field(10.0, gt=0, description="weight of passing an item by; an average item weighs 1")
    satisfied: float = Field(0.7, ge=0, le=1, description="probability of stopping after a click")

    def click(self, visits: Visits, slate: Slate, people: People) -> npt.NDArray[np.int16]:
        """Return the order of the clicks, from the top, 0 for none."""
        positions = np.arange(slate.items.shape[1])
        weight = visits.released * people.preference(slate.items) * position_bias(self.bias, len(positions))
        attracted = people.whim(visits, slate.items) < weight / (weight + self.outside)
        attracted &= people.free(slate.items)
        stops = attracted & (visits.uniform("Cascade.satisfied", positions) < self.satisfied)
        gone = (np.cumsum(stops, axis=1) - stops) > 0
        clicked = attracted & ~gone
        return np.where(clicked, np.cumsum(clicked, axis=1), 0).astype(np.int16)
