"""When people come and how long they stay: laws by their integrals, and chances at addresses of their own."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from small_presence import LIVES, LIVING, OPEN, PLAIN

import recsim as rs
from recsim.presence import Lifetime, newcomers
from recsim.randomness import Randomness
from recsim.recipe import family
from recsim.simulation import World
from recsim.world import DAY

# ------------------------------------------------------------------------------------------------------ when they come
rates = st.floats(0.01, 1000)


@given(rates, st.floats(0, 20), st.floats(0.1, 30), st.floats(0.1, 20), st.integers(0, 2**63 - 1))
@settings(max_examples=60)
def test_times_are_sorted_within_their_days_and_independent_of_the_length_of_the_run(
    rate: float, from_day: float, more: float, days: float, seed: int
) -> None:
    """Times ascend in whole seconds between the two days; those of a longer run begin with those of the shorter one."""
    kind, randomness = rs.PoissonArrivals(rate=rate, from_day=from_day, to_day=from_day + more), Randomness(seed)
    times, longer = kind.times(randomness, days), kind.times(randomness, days + 7.3)
    assert (np.diff(times) >= 0).all() and (times == np.floor(times)).all()
    assert (from_day * DAY <= times).all() and (times <= min(days, from_day + more) * DAY + 1).all()
    assert (longer[: len(times)] == times).all() and (longer[len(times) :] > round(days * DAY)).all()
    without = rs.PoissonArrivals(rate=rate, from_day=from_day).times(randomness, days)
    assert (without[: len(times)] == times).all()


def test_a_rate_says_when_people_come_not_who() -> None:
    """Twice the rate is the same people in half the time: the gap before each stands at her own address."""
    once, twice = (rs.PoissonArrivals(rate=rate).times(Randomness(3), 50.0) for rate in (3.0, 6.0))
    assert len(twice) > len(once) > 100
    np.testing.assert_allclose(once / 2, twice[: len(once)], atol=1.0)


def test_newcomers_live_at_addresses_of_their_own() -> None:
    """No newcomer shares an address with a founder; who she is depends on the seed, not on how many founders there are."""
    few, many = (World(OPEN.but(population=PLAIN.population.but(users=users)), 5).users for users in (15, 40))
    assert (few.address[:15] == np.arange(15)).all() and (few.address[15:] == newcomers(len(few) - 15)).all()
    assert (newcomers(3) == (1 << 32) + np.arange(3)).all() and newcomers(3).dtype == np.uint64
    assert few.interests[15:].tobytes() == many.interests[40:].tobytes()
    other = World(OPEN, 6).users
    assert other.interests[:15].tobytes() == few.interests[:15].tobytes()
    assert other.interests[15] != pytest.approx(few.interests[15])


def test_days_in_the_wrong_order_are_refused() -> None:
    """To stop before it begins is no timetable."""
    with pytest.raises(rs.RecsimError, match="to_day must be later than from_day"):
        rs.PoissonArrivals(from_day=5.0, to_day=2.0)


# ------------------------------------------------------------------------------------------------------ how long they stay
def moment(life: Lifetime, power: int, bends: tuple[float, ...] = (), pieces: int = 9) -> float:
    """Return the mean of a power of the stay: the integral of stay(1 - exp(-x))^power exp(-x), in pieces between bends; of
    so many pieces only.
    """

    def density(x: float) -> float:
        return float(life.stay(np.array(-np.expm1(-x)))) ** power * math.exp(-x)

    ends = [0.0, *(-math.log1p(-bend) for bend in bends), 36.0]  # beyond, where 1 - exp(-x) is 1, there is less than 1e-6
    return sum(integrate.quad(density, *piece, limit=400)[0] for piece in list(pairwise(ends))[:pieces])


@pytest.mark.parametrize("mean", [0.01, 90.0])
@pytest.mark.parametrize("shape", [0.3, 0.7, 1.0, 2.5, 20.0])
def test_weibull_lives_have_their_mean(mean: float, shape: float) -> None:
    """The mean is that stated, to 1e-5 of it by numeric integration; the spread is that of the Weibull law."""
    life = rs.WeibullLife(mean=mean, shape=shape)
    assert moment(life, 1) == pytest.approx(mean, rel=1e-5)
    if shape >= 0.7:  # the second moment of a wilder law lies beyond what can be integrated so
        second = math.gamma(1 + 2 / shape) / math.gamma(1 + 1 / shape) ** 2 * mean**2
        assert moment(life, 2) == pytest.approx(second, rel=1e-4)


@pytest.mark.parametrize("spread", [1.0, 1.3, 2.0, 6.0, 20.0])
def test_two_kinds_of_people_have_mean_and_spread(spread: float) -> None:
    """Mean, and standard deviation over mean, are those stated, to 1e-5 and 1e-4; each kind makes half of all days, to 1e-5."""
    life = rs.HyperexponentialLife(mean=7.0, spread=spread)
    regulars = (1 - math.sqrt((spread**2 - 1) / (spread**2 + 1))) / 2
    mean, square = (moment(life, power, (regulars,)) for power in (1, 2))
    assert mean == pytest.approx(7.0, rel=1e-5)
    assert math.sqrt(square - mean**2) / mean == pytest.approx(spread, rel=1e-4)
    assert moment(life, 1, (regulars,), pieces=1) == pytest.approx(3.5, rel=1e-5)


def test_plain_lives_have_their_mean() -> None:
    """Exponential stays have mean and standard deviation alike, fixed ones have no spread."""
    assert moment(rs.ExponentialLife(mean=3.0), 1) == pytest.approx(3.0, rel=1e-6)
    assert moment(rs.ExponentialLife(mean=3.0), 2) == pytest.approx(18.0, rel=1e-6)
    assert (rs.FixedLife(mean=3.0).stay(np.array([0.01, 0.5, 0.99])) == 3.0).all()


@pytest.mark.parametrize("life", LIVES)
def test_stays_are_positive_and_no_longer_for_a_smaller_chance(life: str) -> None:
    """From the smallest number that is ever drawn to the largest, stays are positive and finite; within a kind they ascend."""
    chance = np.concatenate([[2.0**-53], np.linspace(0.001, 0.999, 1999), [1 - 2.0**-53]])
    days = LIVES[life].stay(chance)
    assert (days > 0).all() and np.isfinite(days).all()
    assert (np.diff(days) < 0).sum() <= (life == "two kinds")


def test_every_kind_of_life_is_tested() -> None:
    """No kind is forgotten here."""
    ours = {name for name, kind in family(Lifetime).items() if kind.__module__ == "recsim.presence"}
    assert {life.kind for life in LIVES.values()} == ours


def test_a_life_is_the_same_in_every_arm() -> None:
    """How long somebody stays is drawn at her own address, whoever else there is and whatever she sees."""
    one, other = World(OPEN, 5).crowd, World(LIVING.but(arrivals=rs.PoissonArrivals(rate=9.0), signals=()), 5).crowd
    shared = min(len(one.users), len(other.users))
    np.testing.assert_allclose((one.ends - one.since)[:shared], (other.ends - other.since)[:shared], rtol=0, atol=1e-6)
