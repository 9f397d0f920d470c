"""P15: models fed with what they made collapse where data replace each other, and do not where they accumulate.

The plain numpy reference follows the laws, and the logistic-normal fit of topic mixtures follows the reference number by number.
Means of variances are only judged where they are near normal: after 20 generations of 10 samples the variance has 7 times its
mean for a standard deviation, so there the ratio of a fit to the one before is judged, which is independent of all before it,
and the logarithm.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri

import recsim as rs
from recsim.randomness import Randomness
from recsim.simplex import Fit, coordinates, mixtures

from .judge import FIRST_SEED, Floats, expect, sizes
from .selfconsuming import drift, gaussian, kept, log_kept, regression, regression_error


def numbers(*shape: int) -> Floats:
    """Return independent standard normal numbers of this shape."""
    return np.random.default_rng(FIRST_SEED).standard_normal(shape)


def addressed(seed: int, items: int, topics: int) -> Floats:
    """Return the numbers that makers of items sample from, (items, topics - 1), each at its address."""
    return ndtri(Randomness(seed).uniform("AICreators.z", np.arange(items)[:, None], 0, np.arange(topics - 1)))


def consume(z: Floats, accumulate: bool = False, temperature: float = 1.0) -> tuple[Floats, Floats]:
    """Return mean and variance of each fit of topic mixtures, both (generations, topics - 1): the loop of makers, bare.

    z: (generations, items, topics - 1). The first items are standard normal in coordinates; each later generation is sampled
    from the fit to the one before, or to all before.
    """
    pool, found = mixtures(z[0]), []
    for n in range(len(z)):
        fit = Fit.of(pool)
        found.append((fit.mean, fit.variance))
        if n + 1 < len(z):
            made = fit.sample(z[n + 1], temperature)
            pool = np.concatenate([pool, made]) if accumulate else made
    return np.array([mean for mean, _ in found]), np.array([variance for _, variance in found])


def worlds_of(
    worlds: int, samples: int, topics: int, generations: int, accumulate: bool = False, temperature: float = 1.0
) -> tuple[Floats, Floats]:
    """Return mean and variance of each fit in each world, both (worlds, generations, topics - 1)."""
    draws = (addressed(FIRST_SEED + world, samples * generations, topics) for world in range(worlds))
    runs = [consume(z.reshape(generations, samples, topics - 1), accumulate, temperature) for z in draws]
    return np.array([mean for mean, _ in runs]), np.array([variance for _, variance in runs])


# ------------------------------------------------------------------------------------------------------- the numbers
def test_the_numbers_of_the_laws() -> None:
    """The closed forms give the printed figures, to their last digit."""
    assert [kept(m, 20)[-1] for m in (10, 50)] == pytest.approx([0.12158, 0.66761], abs=5e-6)
    assert log_kept(10, 20, unbiased=True) == pytest.approx(-2.3041, abs=5e-5)
    assert kept(10, 21, accumulate=True)[-1] == pytest.approx(0.8474, abs=5e-5)
    limit = math.sin(math.pi / math.sqrt(10)) / (math.pi / math.sqrt(10))
    assert kept(10, 100_000, accumulate=True)[-1] == pytest.approx(limit, abs=1e-6)
    assert regression_error(25, 5, 20)[-1] == pytest.approx(5.263, abs=5e-4)
    assert regression_error(25, 5, 20, accumulate=True)[-1] == pytest.approx(0.4200, abs=5e-5)
    assert (regression_error(25, 5, 1000, accumulate=True) < 5 / 19 * math.pi**2 / 6).all()


# ------------------------------------------------------------------------------------------------------ the reference
@sizes("worlds", light=2_000, full=50_000)
@pytest.mark.parametrize("samples", [10, 50])
def test_replaced_normal_data_collapse(worlds: int, samples: int) -> None:
    """A fit has 1 - 1/M of the variance of the one before; the log falls by psi((M-1)/2) - ln(M/2) a fit: 4 sigma, 6e-5 each.

    With 50 samples the variance itself after 20 fits, .66761, and the squared distance of the mean are near enough to normal.
    """
    mean, variance = gaussian(numbers(worlds, 20, samples))
    expect((variance[:, 1:] / variance[:, :-1]).mean(axis=1), 1 - 1 / samples)
    expect(np.log(variance[:, -1]), log_kept(samples, 20))
    if samples == 50:
        expect(variance[:, -1], kept(50, 20)[-1])
        expect(mean[:, -1] ** 2, drift(50, 20))


@sizes("worlds", light=2_000, full=50_000)
def test_unbiased_variance_collapses_too(worlds: int) -> None:
    """An unbiased variance has the same mean for ever, and yet its log falls, to -2.3041 after 20 fits: 4 sigma, 6e-5 each."""
    _, variance = gaussian(numbers(worlds, 20, 10), unbiased=True)
    expect((variance[:, 1:] / variance[:, :-1]).mean(axis=1), 1)
    expect(np.log(variance[:, -1]), log_kept(10, 20, unbiased=True))
    assert np.median(variance[:, -1]) < 0.2


@sizes("worlds", light=2_000, full=50_000)
def test_accumulated_normal_data_do_not_collapse(worlds: int) -> None:
    """With all generations in the pool .8474 of the variance is left after 21 fits; the mean stays near: 4 sigma, 6e-5 each."""
    mean, variance = gaussian(numbers(worlds, 21, 10), accumulate=True)
    expect(variance[:, -1], kept(10, 21, accumulate=True)[-1])
    expect(mean[:, -1] ** 2, drift(10, 21, accumulate=True))


@sizes("worlds", light=2_000, full=50_000)
@pytest.mark.parametrize("accumulate", [False, True])
def test_regression(worlds: int, accumulate: bool) -> None:
    """Squared errors of 5 columns and 25 rows after 20 fits: 5.263 replaced, .4200 accumulated. Fit 1 too, 4 sigma, 6e-5 each."""
    rows = numbers(worlds, 25, 5 + 20)
    errors = regression(rows[:, :, :5], rows[:, :, 5:].transpose(0, 2, 1), accumulate)
    exact = regression_error(25, 5, 20, accumulate)
    for n in (0, 19):
        expect(errors[:, n], exact[n])


# --------------------------------------------------------------------------------------------------- topic mixtures
@pytest.mark.parametrize("accumulate", [False, True])
def test_mixtures_of_two_topics_are_the_reference(accumulate: bool) -> None:
    """Fed with the same numbers, the fit of mixtures has the mean and the variance of plain numpy, to 1e-9."""
    z = addressed(FIRST_SEED, 10 * 20, 2).reshape(20, 10, 1)
    mine, theirs = consume(z, accumulate), gaussian(z[None, :, :, 0], accumulate)
    for found, reference in zip(mine, theirs, strict=True):
        assert found[:, 0] == pytest.approx(reference[0], rel=1e-9, abs=1e-12)


@sizes("worlds", light=200, full=2_000)
@pytest.mark.parametrize(("samples", "topics"), [(10, 2), (4, 9), (50, 6)])
def test_replaced_items_collapse(worlds: int, samples: int, topics: int) -> None:
    """In each direction of topic space a fit has 1 - 1/M of the variance before, and the log falls: 4 sigma, 6e-5 each.

    Also where items are few for their topics. With 50 items .66761 of the variance is left after 20 fits.
    """
    _, variance = worlds_of(worlds, samples, topics, 20)
    expect((variance[:, 1:] / variance[:, :-1]).mean(axis=(1, 2)), 1 - 1 / samples)
    expect(np.log(variance[:, -1]).mean(axis=1), log_kept(samples, 20))
    if samples == 50:
        expect(variance[:, -1].mean(axis=1), kept(50, 20)[-1])


@sizes("worlds", light=200, full=2_000)
def test_temperature_that_unbiases(worlds: int) -> None:
    """At temperature sqrt(M / (M - 1)) items are made with the unbiased variance: the mean ratio is 1, the log goes to -2.3041.

    Variances made, not fitted: the temperature's square times those of the fit. 4 sigma, 6e-5 each.
    """
    temperature = math.sqrt(10 / 9)
    _, fitted = worlds_of(worlds, 10, 3, 20, temperature=temperature)
    made = temperature**2 * fitted
    expect((made[:, 1:] / made[:, :-1]).mean(axis=(1, 2)), 1)
    expect(np.log(made[:, -1]).mean(axis=1), log_kept(10, 20, unbiased=True))


@sizes("worlds", light=200, full=2_000)
@pytest.mark.parametrize(("samples", "topics"), [(10, 3), (50, 6)])
def test_accumulated_items_do_not_collapse(worlds: int, samples: int, topics: int) -> None:
    """With all items in the pool prod (1 - 1/(M i^2)) of the variance is left, and the centre stays near: 4 sigma, 6e-5 each."""
    mean, variance = worlds_of(worlds, samples, topics, 21, accumulate=True)
    expect(variance[:, -1].mean(axis=1), kept(samples, 21, accumulate=True)[-1])
    expect((mean[:, -1] ** 2).mean(axis=1), drift(samples, 21, accumulate=True))


def test_few_items_stay_in_their_plane() -> None:
    """Four items of nine topics vary in three directions, and so do all that are made of them."""
    fit = Fit.of(mixtures(addressed(FIRST_SEED, 4, 9)))
    made = coordinates(fit.sample(addressed(FIRST_SEED + 1, 40, 9)))
    assert np.linalg.matrix_rank(made - made.mean(axis=0), tol=1e-8) == 3


# ------------------------------------------------------------------------------------------------- through the simulator
def imitated(seed: int, samples: int, topics: int, fits: int, **how: object) -> Floats:
    """Return the variance of each fit, (fits, topics - 1), of makers who imitate all that a random feed had to show.

    A catalogue of as many items as they make each day; a fit a day, each to all of its pool.
    """
    makers = rs.AICreators.model_validate({"items": samples, "share": 1.0, "temperature": 1.0} | how)
    scenario = rs.Scenario(
        name="imitation", days=fits + 1.0, slate=2, population=rs.SyntheticUsers(users=2, topics=topics, mainstream=0),
        catalog=rs.SyntheticItems(items=samples, topics=topics, mainstream=0, focus=float(topics), appeal_spread=0.0),
        recommender=rs.Random(), start=rs.Random(), retrain=rs.Retrain(every=1.0), creators=(makers,),
    )  # fmt: skip
    world, found = rs.World(scenario, seed), []
    for fit in range(fits):
        world.advance(fit + 1.5)
        state = world.crowd.stock.states[0]
        found.append(Fit(state["mean"], state["root"]).variance)
    return np.array(found)


def imitations(worlds: int, samples: int, topics: int, fits: int, **how: object) -> Floats:
    """Return the variance of each fit in each world: (worlds, fits, topics - 1)."""
    return np.array([imitated(FIRST_SEED + world, samples, topics, fits, **how) for world in range(worlds)])


@sizes("worlds", light=40, full=1_000)
@pytest.mark.parametrize(("samples", "topics"), [(10, 2), (10, 4), (50, 3)])
def test_makers_who_imitate_the_last_generation_collapse(worlds: int, samples: int, topics: int) -> None:
    """Replaced: a fit has 1 - 1/M of the variance of the one before, its log falls by psi((M-1)/2) - ln(M/2): 4 sigma, 6e-5 each.

    Exact from the second fit on, whatever the catalogue was like; coordinates of one world count together, as one value.
    """
    variance = imitations(worlds, samples, topics, 20, pool="last")
    ratio = variance[:, 1:] / variance[:, :-1]
    expect(ratio.mean(axis=(1, 2)), 1 - 1 / samples)
    expect(np.log(ratio).sum(axis=1).mean(axis=1), log_kept(samples, 19))


@sizes("worlds", light=40, full=1_000)
@pytest.mark.parametrize("samples", [10, 50])
def test_makers_with_the_unbiased_variance_collapse_as_well(worlds: int, samples: int) -> None:
    """At temperature sqrt(M/(M-1)) a fit keeps the variance on average, and its log still falls: 4 sigma, 6e-5 each."""
    variance = imitations(worlds, samples, 3, 20, pool="last", temperature=math.sqrt(samples / (samples - 1)))
    ratio = variance[:, 1:] / variance[:, :-1]
    expect(ratio.mean(axis=(1, 2)), 1.0)
    expect(np.log(ratio).sum(axis=1).mean(axis=1), log_kept(samples, 19, unbiased=True))


@sizes("worlds", light=40, full=1_000)
@pytest.mark.parametrize(("samples", "topics"), [(10, 2), (10, 4), (50, 3)])
def test_makers_who_imitate_all_there_has_been_do_not_collapse(worlds: int, samples: int, topics: int) -> None:
    """Accumulated: after n fits prod_(i = 2..n) (1 - 1/(M i^2)) of the variance of the first is left: 4 sigma, 6e-5 each."""
    variance = imitations(worlds, samples, topics, 21, pool="all")
    left = kept(samples, 21, accumulate=True) / kept(samples, 1, accumulate=True)[0]
    for fit in (1, 20):
        expect((variance[:, fit] / variance[:, 0]).mean(axis=1), left[fit])
