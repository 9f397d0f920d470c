"""Laws of off-policy estimates: intervals hold what they say, means and variances are those of P08, and the truth agrees."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest

import recsim as rs
from recsim.offpolicy import Estimate, beside, cases, doubly_robust, ips, logged, self_normalised, served
from recsim.randomness import Randomness

from .judge import FIRST_SEED, Floats, Ints, alike, clicks_by_item, expect, expect_share, expect_variance, runs, sizes

THETA = np.array([0.1, 0.2, 0.3, 0.4, 0.6])
ESTIMATES: dict[str, Callable[..., Estimate]] = {"ips": ips, "self-normalised": self_normalised, "doubly robust": doubly_robust}


def proportional(weights: Floats, slates: Ints) -> Floats:
    """Return the probability of slates drawn in proportion to weights, without replacement: (slates,)."""
    chance, left = np.ones(len(slates)), np.full(len(slates), weights.sum())
    for item in slates.T:
        chance, left = chance * weights[item] / left, left - weights[item]
    return chance


def by_list(best: Ints, epsilon: float, slates: Ints) -> Floats:
    """Return the probability of slates that are the best left of a list, but for a share of the positions: (slates,)."""
    chance = np.ones(len(slates))
    for place in range(slates.shape[1]):
        open_ = (best[None, :, None] != slates[:, None, :place]).all(axis=2)
        top = slates[:, place] == best[open_.argmax(axis=1)]
        chance *= (1 - epsilon) * top + epsilon / (len(best) - place)
    return chance


# ----------------------------------------------------------------------------------- P08, and intervals that hold what they say
Served = tuple[rs.Policy, Callable[[Floats, Ints, Ints], Floats]]  # and the chance of slates by counts and by list
EXPLORING: Served = (rs.EpsilonGreedy(epsilon=0.6), lambda counts, best, slates: by_list(best, 0.6, slates))
COUNTING: Served = (rs.Proportional(exponent=1.0), lambda counts, best, slates: proportional(counts, slates))
LESS: Served = (rs.EpsilonGreedy(epsilon=0.2), lambda counts, best, slates: by_list(best, 0.2, slates))
PAIRS: dict[str, tuple[Served, Served]] = {
    "less exploration": (EXPLORING, LESS),
    "counts from exploration": (EXPLORING, COUNTING),
    "exploration from counts": (COUNTING, EXPLORING),
}


@sizes("worlds", light=25, full=2000)
@pytest.mark.parametrize(("pair", "slate"), [(pair, 2) for pair in PAIRS] + [("less exploration", 1)])
def test_intervals_hold_the_truth_as_often_as_they_say(worlds: int, pair: str, slate: int) -> None:
    """Of 2,000 runs 93 to 97 % of the 95 % intervals of each estimate hold what the target gets; P08 holds of the first.

    A model of counts, learned from a random first day, serves 1,500 visits of the second, half of it by chance, and another
    policy with full support is asked what it would have got with the same model. Its value V, a sum over all slates of its
    own definition of the policy, differs from run to run as the model does. Light: each share by a binomial test (6e-5);
    full: within 0.93 and 0.97, four standard errors of a share of 2,000. (mean of w R - V) / its exact standard deviation,
    sqrt((sum pi^2/mu E[R^2] - V^2) / n), has mean 0 and variance 1 (4 sigma each); what the log got has another mean.
    """
    n, bias = 1500, np.array([1.0, 0.7])[:slate]
    (serving, mu_of), (target, pi_of) = PAIRS[pair]
    scenario = alike(
        len(THETA), n, days=2, slate=slate, log="impressions", choice=rs.Given(theta=THETA, bias=tuple(bias)),
        recommender=rs.Popularity(prior=1), policy=serving,
    )  # fmt: skip
    slates = np.array(list(permutations(range(len(THETA)), slate)))
    click = bias * THETA[slates]
    mean, square = click.sum(axis=1), click.sum(axis=1) ** 2 + (click * (1 - click)).sum(axis=1)
    held, z, naive = dict.fromkeys(ESTIMATES, 0), np.zeros(worlds), np.zeros(worlds)
    for world, run in enumerate(runs(scenario, worlds)):
        counts = clicks_by_item(run, 0) + 1.0
        best = model_list(run, counts)
        mu, pi = (chance(counts, best, slates) for chance in (mu_of, pi_of))
        value = float(pi @ mean)
        given = cases(beside(run, target, 1, predict=True))
        assert len(given) == n and pi.sum() == pytest.approx(1)
        for name, estimate in ESTIMATES.items():
            _, low, high = estimate(given)
            held[name] += low <= value <= high
        z[world] = (ips(given).value - value) / math.sqrt(float(pi**2 / mu @ square - value**2) / n)
        naive[world] = logged(given).value - value
    print(f"\n{pair}, slates of {slate}: {held} of {worlds}, z {z.mean():.3f}, its variance {z.var():.3f}")
    expect(z, 0)
    expect_variance(z)
    assert abs(naive.mean()) > 4 * naive.std(ddof=1) / math.sqrt(worlds), "there was something to correct"
    for name, number in held.items():
        expect_share(number, worlds, 0.95)
        assert worlds < 2000 or 0.93 <= number / worlds <= 0.97, name


def model_list(run: rs.Run, counts: Floats) -> Ints:
    """Return the items as model 1 lists them: most clicked first, ties by a number at the address of each."""
    tie = Randomness(run.seed).uniform("Popularity.tie", np.arange(len(counts)), 1)
    return np.lexsort((tie, -counts))


@sizes("logs", light=300, full=2000)
def test_users_with_rates_of_their_own_are_clusters(logs: int) -> None:
    """Users whose visits are alike: intervals by user hold the truth in 95 % of all logs, those by visit in far fewer.

    300 users of 1 to 20 visits each, two items, and half of the users click on both far more than the others; each share
    is within 4 standard errors of 95 % (6e-5), after .01 is left for the skewness of sums of 300. Logs are drawn here,
    without a world.
    """
    chance, held, alone = np.random.default_rng(FIRST_SEED), dict.fromkeys(ESTIMATES, 0), 0
    propensity, target, low, wide = np.array([0.7, 0.3]), np.array([0.2, 0.8]), np.array([0.0, 0.1]), np.array([0.5, 0.8])
    value = float(target @ (low + wide / 2))
    for _ in range(logs):
        user = np.repeat(np.arange(300), chance.integers(1, 21, 300))
        item = (chance.random(len(user)) < propensity[1]).astype(int)
        rate = low + wide * (chance.random(300) < 0.5)[user, None]
        reward = chance.random(len(user)) < rate[np.arange(len(user)), item]
        log = {
            "user": user, "reward": reward, "propensity": propensity[item], "target": target[item],
            "prediction": np.array([0.2, 0.6])[item], "expected": np.full(len(user), target @ [0.2, 0.6]),
        }  # fmt: skip
        given, strangers = cases(log), cases(log | {"user": np.arange(len(user))})
        for name, estimate in ESTIMATES.items():
            _, least, most = estimate(given)
            held[name] += least <= value <= most
        _, least, most = ips(strangers)
        alone += least <= value <= most
    for number in held.values():
        assert abs(number / logs - 0.95) <= 0.01 + 4 * math.sqrt(0.95 * 0.05 / logs)
    assert alone / logs < 0.85


# ------------------------------------------------------------------------------------------------------- beside the truth
@sizes("worlds", light=16, full=200)
@pytest.mark.parametrize("target", [rs.EpsilonGreedy(epsilon=0.2), rs.Softmax(temperature=0.8)], ids=lambda p: p.kind)
def test_the_estimate_is_what_the_policy_really_gets(worlds: int, target: rs.Policy) -> None:
    """People with tastes, a factor model, and items that compete for one click: estimate and served truth have one mean.

    The epoch of model 1 is forked and served by the target for the same visits. All three estimates by slates less the
    clicks a visit that it really got: 4 sigma each, 6e-5 (the self-normalised one is biased by less than that). What
    the log got is off.
    """
    scenario = rs.Scenario(
        days=8, slate=2, consumption="again", consumed="stay", log="impressions", visits=rs.Regular(period=0.5),
        population=rs.SyntheticUsers(users=300, topics=3, curiosity=0.0), catalog=rs.SyntheticItems(items=12, topics=3),
        choice=rs.Luce(outside=1.0, bias="none"), recommender=rs.ALS(factors=4, iterations=3),
        policy=rs.EpsilonGreedy(epsilon=0.7), retrain=rs.Retrain(every=4, latency=0.5),
    )  # fmt: skip
    off = {name: np.zeros(worlds) for name in (*ESTIMATES, "log")}
    for world, run in enumerate(runs(scenario, worlds)):
        rows = beside(run, target, 1, predict=True)
        assert not rows["unsupported"].any()
        real = served(run, target, 1)
        truth = real["clicked"].sum() / (len(real) / 2)
        for name, estimate in ESTIMATES.items():
            off[name][world] = estimate(cases(rows)).value - truth
        off["log"][world] = logged(cases(rows)).value - truth
    for name in ESTIMATES:
        expect(off[name], 0)
    assert abs(off["log"].mean()) > 4 * off["log"].std(ddof=1) / math.sqrt(worlds)
