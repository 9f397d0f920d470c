"""Laws of what people choose from a slate: position bias, and Luce's choice axiom."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import recsim as rs

from .judge import (
    FIRST_SEED,
    Floats,
    Slates,
    alike,
    expect,
    expect_chi_square,
    expect_variance,
    runs,
    sizes,
)

# --------------------------------------------------------------------------------------------------- P09: position bias
BIASES = {"list": (1.0, 0.6, 0.4, 0.3, 0.2), "log": "log", "power": 1.0}


@sizes("worlds", light=50, full=400)
@pytest.mark.parametrize("bias", BIASES)
@pytest.mark.parametrize("theta", [(0.3,), (0.05, 0.1, 0.2, 0.3, 0.4, 0.45, 0.6)], ids=["same", "unequal"])
def test_position_bias(worlds: int, bias: str, theta: tuple[float, ...]) -> None:
    """Under random ranking the clicks at rank r are Bin(n, gamma_r theta), theta being the mean over items.

    So clicks/(n gamma_r) is unbiased with variance theta (1/gamma_r - theta)/n, .00282 for theta .3, gamma .2, n 500.
    Two 4-sigma tests a rank, for mean and variance, and one a rank for CTR_r / CTR_1 = gamma_r: 6e-5 each, 14 in all.
    """
    n, rank = 500, np.arange(1, 6)
    gamma = {"list": np.array([1, 0.6, 0.4, 0.3, 0.2]), "log": 1 / np.log2(rank + 1), "power": 1 / rank}[bias]
    mean = float(np.mean(theta))
    variance = mean * (1 / gamma - mean) / n
    choice = rs.Given(theta=theta if len(theta) > 1 else theta[0], bias=BIASES[bias])
    scenario = alike(len(theta) if len(theta) > 1 else 8, n, slate=5, choice=choice, log="impressions")
    rate = np.array([Slates.of(run, epoch=0).clicked.mean(axis=0) for run in runs(scenario, worlds)])
    z = (rate / gamma - mean) / np.sqrt(variance)
    for position in range(5):
        expect(z[:, position], 0)
        expect_variance(z[:, position])
        if position:
            expect(rate[:, position] - gamma[position] * rate[:, 0], 0)


# --------------------------------------------------------------------------------------------- P22: Luce's choice axiom
def shop(seed: int, topics: int, users: int, **settings: Any) -> tuple[rs.Run, Floats, Slates]:
    """Return a world where all visit once and see the same slate, what each item weighs for each user, and the slates."""
    scenario = rs.Scenario(
        days=1, slate=5, consumption="again", consumed="stay", visits=rs.Regular(period=1), start=rs.Popularity(),
        population=rs.SyntheticUsers(users=users, topics=topics), catalog=rs.SyntheticItems(items=8, topics=topics),
        log="impressions", world_seed=seed,
    ).but(**settings)  # fmt: skip
    run = rs.run(scenario, seed=seed, progress=False)
    slates, world = Slates.of(run, epoch=0), rs.World.draw(scenario, seed)
    assert (slates.item == slates.list).all()
    users_in_order = run.impressions["user"].to_numpy()[:: scenario.slate]
    preference = world.users.interests @ world.items.demand_by_topic()
    return run, 8 * preference[users_in_order][:, slates.list], slates


@sizes(("worlds", "users"), light=(5, 2000), full=(100, 20_000))
@pytest.mark.parametrize("topics", [1, 4])
@pytest.mark.parametrize("bias", ["none", "log"])
def test_choices_follow_softmax(worlds: int, users: int, topics: int, bias: str) -> None:
    """On a fixed slate the choice is w_i/(sum w + outside), w = m p_u(i) bias, and leaving is the rest.

    That is the softmax of utilities log w. Chi-square of all counts about the sum of the users' own chances, with their
    covariance, one of all worlds: 1e-4 a case.
    """
    attention = 1 / np.log2(np.arange(5) + 2) if bias == "log" else np.ones(5)
    statistic = freedom = 0.0
    for world in range(worlds):
        _, weight, slates = shop(FIRST_SEED + world, topics, users, choice=rs.Luce(outside=2, bias=bias))
        weight = np.column_stack([weight * attention, np.full(users, 2.0)])
        chance = weight / weight.sum(axis=1, keepdims=True)
        assert (slates.clicked.sum(axis=1) <= 1).all()
        off = slates.clicked.sum(axis=0) - chance[:, :5].sum(axis=0)
        covariance = np.diag(chance[:, :5].sum(axis=0)) - chance[:, :5].T @ chance[:, :5]
        statistic += float(off @ np.linalg.solve(covariance, off))
        freedom += 5
    expect_chi_square(statistic, freedom)


@sizes(("worlds", "users"), light=(5, 2000), full=(100, 20_000))
def test_a_third_item_leaves_the_ratio_of_two(worlds: int, users: int) -> None:
    """The odds of two items are those of their weights, with or without a third: two binomial 4-sigma tests, 6e-5 each.

    Under the same seed whoever does not take the third item takes what she took before, as highest Gumbel utility says.
    """
    choice = rs.Luce(outside=2, bias="none")
    off, variance = np.zeros(2), np.zeros(2)
    for world in range(worlds):
        two, three = (shop(FIRST_SEED + world, 1, users, choice=choice, slate=slate) for slate in (2, 3))
        before, after = two[2].clicked, three[2].clicked
        assert (before[~after[:, 2]] == after[~after[:, 2], :2]).all()
        assert after[:, 2].any()
        for case, clicked in enumerate((before, after[:, :2])):
            share, taken = two[1][0, 0] / two[1][0, :2].sum(), clicked.sum()
            off[case] += clicked[:, 0].sum() - taken * share
            variance[case] += taken * share * (1 - share)
    assert (np.abs(off) <= 4 * np.sqrt(variance)).all()


@sizes(("worlds", "users"), light=(5, 2000), full=(100, 20_000))
def test_many_choices_race_the_same_outside_option(worlds: int, users: int) -> None:
    """With as many clicks as positions an item is clicked with chance w/(w + outside): five 4-sigma tests, 6e-5 each."""
    z = []
    for world in range(worlds):
        _, weight, slates = shop(FIRST_SEED + world, 4, users, choice=rs.Luce(outside=2, bias="none", clicks=5))
        chance = weight / (weight + 2)
        z.append((slates.clicked - chance).sum(axis=0) / np.sqrt((chance * (1 - chance)).sum(axis=0)))
    assert (np.abs(np.sum(z, axis=0)) <= 4 * math.sqrt(worlds)).all()
