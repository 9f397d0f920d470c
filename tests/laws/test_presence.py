"""Laws of coming and going: people come by a Poisson process and stay as their lifetime says, whatever law that has.

Nobody waits for anybody, so that a world from empty is the queue M/G/infinity: the number of newcomers who are there at
time t is Poisson, of mean rate * int_0^t P(S > s) ds, for any law of the stay S (Eick, Massey and Whitt, "The physics of
the Mt/G/infinity queue", Operations Research 1993, theorem 1 with a constant rate). All is read off histories and logs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

import recsim as rs

from .judge import DAY, Floats, Ints, alike, expect, expect_counts, expect_variance, runs, sizes

MEAN = 4.0  # days of a stay
LAWS = {
    "exponential": rs.ExponentialLife(mean=MEAN),
    "fixed": rs.FixedLife(mean=MEAN),
    "Weibull, early": rs.WeibullLife(mean=MEAN, shape=0.7),
    "Weibull, late": rs.WeibullLife(mean=MEAN, shape=3.0),
    "two kinds": rs.HyperexponentialLife(mean=MEAN, spread=2.0),
}
STEADY = 200.0  # days after which less than 1e-5 of the mean is missing, under every one of these laws


def survival(law: rs.Lifetime, days: float) -> float:
    """Return P(S > days), written down apart from the quantiles that the engine inverts."""
    if isinstance(law, rs.FixedLife):
        return float(days < law.mean)
    if isinstance(law, rs.WeibullLife):
        return float(stats.weibull_min(law.shape, scale=law.mean / math.gamma(1 + 1 / law.shape)).sf(days))
    spread = law.spread if isinstance(law, rs.HyperexponentialLife) else 1.0
    often = (1 + math.sqrt((spread**2 - 1) / (spread**2 + 1))) / 2
    return sum(share * math.exp(-2 * share * days / law.mean) for share in (often, 1 - often))


def mean_stay(law: rs.Lifetime, days: float) -> float:
    """Return int_0^days P(S > s) ds."""
    bend = [law.mean] if law.mean < days else None
    return float(integrate.quad(lambda s: survival(law, s), 0, days, points=bend, limit=200)[0])


def coming(law: rs.Lifetime, rate: float, **settings: Any) -> rs.Scenario:
    """Return a world of one founder into which people come, *rate* a day, and see a random item now and then."""
    world = alike(4, users=1, arrivals=rs.PoissonArrivals(rate=rate), lifetime=law, visits=rs.Poisson(rate=0.02))
    return world.but(retrain=rs.Retrain(every=1000), **settings)


def present(run: rs.Run) -> Floats:
    """Return how many were there at each reading within the run."""
    rows = run.history[(run.history["metric"] == "present") & (run.history["window"] == "so far")]
    return rows["value"].to_numpy()


def visits_in_a_life(run: rs.Run, people: int) -> Ints:
    """Return how often each of the first *people* visited: in these worlds every visit is one click."""
    return np.bincount(run.clicks["user"], minlength=people)[:people]


# --------------------------------------------------------------------------------------------------- how many are there
@sizes("worlds", light=40, full=600)
@pytest.mark.parametrize("law", LAWS)
def test_the_number_present_is_that_of_a_queue_without_waiting(worlds: int, law: str) -> None:
    """From empty, mean and variance of the number present after 2, 6 and 30 days are both rate * int_0^t P(S > s) ds.

    The founder is there with probability P(S > t), and adds P(S > t) P(S <= t) to the variance. Means 4 standard errors,
    6e-5 each; variances by chi-square, 6e-5 each (Poisson numbers of mean m have 1 / (2 m) more spread in their variance
    than normal ones, less than 1 % here). 30 figures in all: a false alarm in 2e-3 of all seeds.
    """
    life, rate, days = LAWS[law], 40.0, (2, 6, 30)
    scenario = coming(life, rate, days=30.5, readings_every=2)
    numbers = np.array([present(run)[[day // 2 - 1 for day in days]] for run in runs(scenario, worlds)])
    for sample, day in zip(numbers.T, days, strict=True):
        mean, founder = rate * mean_stay(life, day), survival(life, day)
        expect(sample, mean + founder)
        expect_variance((sample - mean - founder) / math.sqrt(mean + founder * (1 - founder)))


@sizes("days", light=400, full=6000)
def test_people_come_by_a_poisson_process(days: int) -> None:
    """Those who come in a day are Poisson and independent of those of the day before; nobody comes after `to_day`.

    Dispersion by chi-square, 6e-5, lag correlation 0 +- 4 / sqrt(n), 6e-5, and the law of the counts by chi-square, 1e-4.
    """
    rate = 3.0
    arrivals = rs.PoissonArrivals(rate=rate, from_day=10, to_day=10 + days)
    [run] = runs(coming(rs.FixedLife(mean=1), rate, days=days + 20, readings_every=1).but(arrivals=arrivals), 1)
    rows = run.history[(run.history["metric"] == "arrived") & (run.history["window"] == "so far")]
    come = np.diff(rows["value"].to_numpy(), prepend=0.0)
    assert not come[:10].any() and not come[10 + days :].any()
    come = come[10 : 10 + days]
    beyond = stats.chi2(days - 1).cdf((days - 1) * come.var(ddof=1) / come.mean())
    assert stats.norm.sf(4) < beyond < stats.norm.cdf(4)
    assert abs(((come[1:] - rate) * (come[:-1] - rate)).mean() / rate) <= 4 / math.sqrt(days - 1)
    most = 7
    chances = [*stats.poisson.pmf(range(most), rate), stats.poisson.sf(most - 1, rate)]
    expect_counts(np.bincount(np.minimum(come, most).astype(int), minlength=most + 1), chances)


# ------------------------------------------------------------------------------------------------------------ Little's law
@sizes("batches", light=12, full=120)
@pytest.mark.parametrize("law", LAWS)
def test_littles_law(batches: int, law: str) -> None:
    """In the steady state the time average of the number present is rate * mean sojourn (Little 1961), by batch means.

    With the sojourns as observed: under `Regular` visits, whose offset is uniform, a sojourn is period * visits on average,
    whatever its length; those of the people who come in a batch, added up, make its time average, but for those who are
    there at its ends. With the sojourns as the law has them: rate * mean. 4 standard errors, 6e-5 each, 10 figures: less
    than 1e-3. Batches last ten mean stays or more, so that neighbours share little; the differences of the first kind undo
    each other from batch to batch, so that their rate is far below what is stated.
    """
    life, rate, long, period = LAWS[law], 5.0, 60, 1.0
    end = STEADY + batches * long
    scenario = coming(life, rate, days=end + STEADY, readings_every=0.5, visits=rs.Regular(period=period))
    [run] = runs(scenario, 1)
    rows = run.history[run.history["window"] == "so far"]
    there, come = (rows[rows["metric"] == metric]["value"].to_numpy() for metric in ("present", "arrived"))
    first = round(2 * STEADY) - 1  # the reading at the begin of the first batch
    average = there[first : first + 2 * long * batches].reshape(batches, -1).mean(axis=1)
    edges = 1 + come[first :: 2 * long][: batches + 1].astype(int)  # people are numbered as they come, the founder first
    visits = np.cumsum(np.append(0, visits_in_a_life(run, int(edges[-1]))))
    expect(average - period * np.diff(visits[edges]) / long, 0.0)
    expect(average, rate * life.mean)


# ------------------------------------------------------------------------------------------------------- visits in a life
PACES = {"Poisson": rs.Poisson(rate=1.5), "regular": rs.Regular(period=1 / 1.5)}


@sizes("people", light=400, full=20_000)
@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("law", LAWS)
def test_visits_in_a_life_are_rate_times_life(people: int, law: str, pace: str) -> None:
    """Of founders and of newcomers, the mean number of visits is rate * mean stay: 4 standard errors, 6e-5 each of 20.

    Under exponential lives Poisson visits are geometric, P(n) = q (1 - q)^n, q = 1 / (1 + rate * mean): chi-square, 1e-4.
    """
    life, days = LAWS[law], people / 100
    scenario = alike(
        4, users=people, days=days + STEADY, visits=PACES[pace], lifetime=life, retrain=rs.Retrain(every=1000),
        arrivals=rs.PoissonArrivals(rate=100, to_day=days),
    )  # fmt: skip
    [run] = runs(scenario, 1)
    newcomers = int(run.series("arrived").iloc[-1])
    visits = visits_in_a_life(run, people + newcomers)
    for lives in (visits[:people], visits[people:]):
        expect(lives, 1.5 * MEAN)
        if (law, pace) == ("exponential", "Poisson"):
            chance, most = 1 / (1 + 1.5 * MEAN), 12
            chances = [*(chance * (1 - chance) ** np.arange(most)), (1 - chance) ** most]
            expect_counts(np.bincount(np.minimum(lives, most), minlength=most + 1), chances)
    assert run.series("gone").iloc[-1] >= 0.99 * (people + newcomers)
    assert (run.clicks["time"] < (days + STEADY) * DAY).all()
