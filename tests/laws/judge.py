"""How laws are judged: sizes of a suite, tests with stated error rates, and the worlds and counts that they share.

A world is one run with a seed of its own. The mean over worlds must lie within 4 standard errors of the exact value, or a
chi-square test must give p > 1e-4; the fewer worlds, the wider that is, at the same error rate. The seeds are fixed;
RECSIM_LAWS_SEED=100000 moves them all, for a second opinion on a failure.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

import recsim as rs

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FIRST_SEED = int(os.environ.get("RECSIM_LAWS_SEED", "1"))
DAY = 86_400
FOUR_SIGMA = 2 * stats.norm.sf(4)  # 6.3e-5, both sides together
SMALL = 1e-4


# ------------------------------------------------------------------------------------------------------ how it is judged
def sizes(names: str, light: Any, full: Any) -> pytest.MarkDecorator:
    """Return the two sizes of a law; the full one runs under the marker laws and may take its time."""
    small = pytest.param(*_tuple(light), id="light")
    whole = pytest.param(*_tuple(full), id="full", marks=(pytest.mark.laws, pytest.mark.timeout(3000)))
    return pytest.mark.parametrize(names, [small, whole])


def _tuple(size: Any) -> tuple[Any, ...]:
    return size if isinstance(size, tuple) else (size,)


def expect(sample: Sequence[float] | Floats, exact: float) -> None:
    """Assert that independent values have this expectation; a false alarm in 6e-5 of all seeds.

    4 standard errors, widened by Student's t where the values are few, so that the rate is the same for any number. It
    holds for means that are near normal; those of a few dozen skewed values, such as the shares of light urns, are
    still off in up to 1e-3 of all seeds.
    """
    values = np.asarray(sample, np.float64)
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(len(values))
    reach = stats.t.isf(FOUR_SIGMA / 2, len(values) - 1)
    rounding = 1e-12  # where the law leaves nothing to chance the standard error is one of rounding, or 0
    fault = f"mean {mean:.6g} instead of {exact:.6g}, standard error {error:.2g}"
    assert abs(mean - exact) <= reach * error + rounding, fault


def expect_same(sample: Floats, reference: Floats) -> None:
    """Assert that two independent samples have one expectation, by Welch's test; a false alarm in 6e-5 of all seeds."""
    fault = f"mean {sample.mean():.6g} instead of {reference.mean():.6g}"
    assert stats.ttest_ind(sample, reference, equal_var=False).pvalue > FOUR_SIGMA, fault


def expect_variance(z: Floats) -> None:
    """Assert that near normal values about 0 have variance 1: chi-square, both sides, a false alarm in 6e-5 of all seeds."""
    beyond = stats.chi2(len(z)).cdf(float((z**2).sum()))
    assert FOUR_SIGMA / 2 < beyond < 1 - FOUR_SIGMA / 2, f"variance {np.mean(z**2):.4f} instead of 1, {len(z)} values"


def expect_share(successes: int, trials: int, exact: float) -> None:
    """Assert that a share of independent trials is this probability, by the binomial test; false alarm at most 6e-5."""
    fault = f"{successes} of {trials} instead of a share of {exact:.6g}"
    assert stats.binomtest(int(successes), int(trials), exact).pvalue > FOUR_SIGMA, fault


def expect_chi_square(statistic: float, freedom: float) -> None:
    """Assert that a chi-square statistic is not too large; a false alarm in 1e-4 of all seeds."""
    assert stats.chi2.sf(statistic, freedom) > SMALL, f"chi-square {statistic:.1f} with {freedom} degrees of freedom"


def expect_counts(counts: npt.ArrayLike, chances: npt.ArrayLike) -> None:
    """Assert that counts of independent draws follow these chances; a false alarm in 1e-4 of all seeds."""
    counts, chances = np.asarray(counts, np.float64), np.asarray(chances, np.float64)
    expected = counts.sum() * chances / chances.sum()
    expect_chi_square(float(((counts - expected) ** 2 / expected).sum()), len(counts) - 1)


# ------------------------------------------------------------------------------------------------------ what is judged
def alike(items: int, users: int, **settings: Any) -> rs.Scenario:
    """Return people and items that are all the same, one visit and one click a day each, and one model a day."""
    world = rs.Scenario(
        days=1, slate=1, consumption="again", consumed="stay", visits=rs.Regular(period=1), choice=rs.AlwaysClick(),
        population=rs.SyntheticUsers(users=users, topics=1, mainstream=0), recommender=rs.Random(),
        catalog=rs.SyntheticItems(items=items, topics=1, mainstream=0, appeal_spread=0), retrain=rs.Retrain(every=1),
    )  # fmt: skip
    return world.but(**settings)


def runs(scenario: rs.Scenario, worlds: int) -> Iterator[rs.Run]:
    """Run a scenario in as many independent worlds."""
    return (rs.run(scenario, seed=FIRST_SEED + world, progress=False) for world in range(worlds))


def polya(items: int, clicks: int, **settings: Any) -> rs.Scenario:
    """Return a world retrained after every click and served in proportion to all clicks, one more for each item."""
    return alike(
        items, users=1, days=clicks, recommender=rs.Popularity(prior=1), policy=rs.Proportional(),
        start=rs.Shares(shares=(1,) * items),
    ).but(**settings)  # fmt: skip


def drift(shares: Sequence[float] | Floats, users: int, days: int, **settings: Any) -> rs.Scenario:
    """Return a world served in proportion to the clicks of the day before, the first day in proportion to *shares*."""
    return alike(
        len(shares), users, days=days, recommender=rs.Popularity(prior=0), policy=rs.Proportional(),
        start=rs.Shares(shares=tuple(shares)), training=(rs.Window(last=1),),
    ).but(**settings)  # fmt: skip


def clicks_by_item(run: rs.Run, epoch: int | None = None) -> Ints:
    """Return how often each item was clicked, (items,), in one epoch or in all."""
    rows = run.clicks if epoch is None else run.clicks[run.clicks["epoch"] == epoch]
    return np.bincount(rows["item"], minlength=run.scenario.catalog.items)


@dataclass
class Slates:
    """All that was shown in one epoch, every array (visits, positions)."""

    item: Ints
    origin: Ints
    propensity: Floats
    clicked: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, run: rs.Run, epoch: int) -> Slates:
        """Return the slates of a run that keeps impressions; none is shorter than the scenario says or repeats an item."""
        rows = run.impressions[run.impressions["epoch"] == epoch]
        size = run.scenario.slate
        self = cls(**{name: rows[name].to_numpy().reshape(-1, size) for name in cls.__annotations__})
        assert (rows["position"].to_numpy().reshape(-1, size) == np.arange(size)).all()
        assert (np.diff(np.sort(self.item, axis=1), axis=1) > 0).all()
        return self

    @property
    def list(self) -> Ints:
        """The slate on which chance had no part: the top of the model's list."""
        return self.item[np.flatnonzero((self.origin == rs.Origin.MODEL).all(axis=1))[0]]


def zipf(items: int) -> Floats:
    """Return the shares of a Zipf law of exponent 1."""
    weights = 1 / np.arange(1, items + 1)
    return np.asarray(weights / weights.sum(), np.float64)
