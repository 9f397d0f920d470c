"""Laws of the rich who get richer: in proportion to a power of the clicks, and by following the best-seller."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import recsim as rs
from recsim.catalog import Items

from .judge import (
    FIRST_SEED,
    Floats,
    Ints,
    alike,
    clicks_by_item,
    expect,
    expect_same,
    expect_share,
    polya,
    runs,
    sizes,
)


# ----------------------------------------------------- P06: reinforcement with an exponent, retrained after every click
def reinforced(exponent: float, clicks: int, worlds: int) -> Ints:
    """Return counts with one more for each of ten items, (worlds, items), by a simulation of the law that shares no code.

    Each click falls on an item in proportion to its count to the power *exponent*.
    """
    chance = np.random.default_rng([FIRST_SEED, round(10 * exponent)])
    counts = np.ones((worlds, 10), np.int64)
    for _ in range(clicks):
        reach = np.cumsum(counts**exponent, axis=1)
        picked = (reach < chance.uniform(size=(worlds, 1)) * reach[:, -1:]).sum(axis=1)
        counts[np.arange(worlds), picked] += 1
    return counts


def ginis(counts: Ints) -> Floats:
    """Return the Gini index of every row of counts."""
    return np.array([rs.metrics.gini(row) for row in counts])


PUBLISHED = {0.0: 0.029, 0.5: 0.073, 0.8: 0.218, 1.0: 0.449, 1.2: 0.719, 2.0: 0.894}  # mean Gini after 3000 clicks


@sizes("worlds", light=200, full=4000)
@pytest.mark.parametrize("exponent", PUBLISHED)
def test_the_reference_gives_the_known_concentration(worlds: int, exponent: float) -> None:
    """The plain simulation that the loop is held to has the known mean Gini after 3000 clicks, to its three digits.

    A known figure is a mean of a few hundred worlds itself: 4 standard errors of both samples, taken as 200 worlds for the
    known one, and half a digit for its rounding (6e-5 a case).
    """
    gini = ginis(reinforced(exponent, 3000, worlds))
    error = gini.std(ddof=1) * math.sqrt(1 / worlds + 1 / 200)
    assert abs(gini.mean() - PUBLISHED[exponent]) <= 4 * error + 5e-4


def reinforced_by_the_loop(exponent: float, clicks: int, worlds: int) -> tuple[Floats, Floats]:
    """Return the Gini indices, (worlds,), after a quarter of the clicks and after all, one more for each item."""
    scenario = polya(10, clicks, policy=rs.Proportional(exponent=exponent))
    quarter, whole = [], []
    for run in runs(scenario, worlds):
        quarter.append(np.bincount(run.clicks["item"][: clicks // 4], minlength=10) + 1)
        whole.append(clicks_by_item(run) + 1)
    return ginis(np.array(quarter)), ginis(np.array(whole))


@sizes(("worlds", "clicks", "exponents"), light=(30, 80, (0.0, 1.0, 2.0)), full=(100, 600, tuple(PUBLISHED)))
def test_reinforcement_with_an_exponent(worlds: int, clicks: int, exponents: tuple[float, ...]) -> None:
    """Served in proportion to count^gamma, the loop concentrates as the law does; two 4-sigma tests a gamma, 6e-5 each.

    After a quarter of the clicks and after all; the exact mean is that of 4000 worlds of a plain simulation, its own error
    included. Mean Gini rises strictly with gamma. As clicks go on it falls for gamma up to .5 and rises above 1. Each of these
    differences, paired by seed, is more than 3 standard errors; they are 6 or more in expectation.
    """
    final = []
    for exponent in exponents:
        early, late = reinforced_by_the_loop(exponent, clicks, worlds)
        expect_same(early, ginis(reinforced(exponent, clicks // 4, 4000)))
        expect_same(late, ginis(reinforced(exponent, clicks, 4000)))
        assert exponent >= 0.8 or _sigmas(early - late) > 3
        assert exponent <= 1 or _sigmas(late - early) > 3
        final.append(late)
    for less, more in pairwise(final):
        assert _sigmas(more - less) > 3
        assert (more > less).mean() >= 0.8


def _sigmas(sample: Floats) -> float:
    return float(sample.mean() / sample.std(ddof=1) * math.sqrt(len(sample)))


# -------------------------------------------------------------------- P14: two urns, a best-seller and one's own choice
class _TwoUnequal(rs.SyntheticItems):
    """Two items of one topic whose appeals are *share* and the rest."""

    items: int = 2
    topics: int = 1
    mainstream: int = 0
    share: float = 0.5

    def draw(self, randomness: Any) -> Items:
        """Return them."""
        return Items(np.arange(2, dtype=np.uint32), np.ones((2, 1)), np.array([self.share, 1 - self.share]))


def best_seller(appeal: float, follow: float, clicks: int) -> Floats:
    """Return the chance of each number of clicks on the first item, (clicks + 1,), click by click.

    The best-seller is recommended, either of two that sold alike by a coin; it is followed with chance *follow*, else the
    first item is picked with chance *appeal*.
    """
    chance = np.ones(1)
    for sold in range(clicks):
        first = np.arange(sold + 1)
        leads = (np.sign(2 * first - sold) + 1) / 2
        up = follow * leads + (1 - follow) * appeal
        chance = np.append(chance * (1 - up), 0.0) + np.append(0.0, chance * up)
    return chance


def limits(chance: Floats) -> tuple[float, float, float]:
    """Return the probability that the first item leads, counting ties half, and its mean share where it leads and where not.

    The share where it is not the best-seller is NaN where that never happens, to 1e-9.
    """
    share = np.arange(len(chance)) / (len(chance) - 1)
    leads = chance * (np.sign(share - 0.5) + 1) / 2
    other = chance - leads
    return leads.sum(), leads @ share / leads.sum(), other @ share / other.sum() if other.sum() > 1e-9 else math.nan


URNS = {(0.7, 0.5): (0.85, 0.35), (0.55, 0.75): (0.8875, 0.1375), (0.7, 0.2): (0.76, math.nan)}


@pytest.mark.parametrize(("appeal", "follow"), URNS)
def test_two_urns_tend_to_their_limits(appeal: float, follow: float) -> None:
    """The chances that the loop is held to have the known limits p(1-r) + r and p(1-r); deterministic, within .002."""
    high, low = URNS[appeal, follow]
    leads, above, below = limits(best_seller(appeal, follow, 3000))
    assert above == pytest.approx(high, abs=2e-3)
    if math.isnan(low):
        assert leads == pytest.approx(1, abs=1e-6)
    else:
        assert below == pytest.approx(low, abs=2e-3)


@sizes(("worlds", "clicks"), light=(20, 99), full=(100, 999))
@pytest.mark.parametrize(("appeal", "follow"), URNS)
def test_a_best_seller_takes_one_of_two_shares(worlds: int, clicks: int, appeal: float, follow: float) -> None:
    """Who follows the best-seller with chance r and else picks w with chance p gives w one of two shares.

    The mean share where w leads in the end, the same where it does not, and how often it leads, against their exact values
    at so many clicks, which tend to p(1-r) + r and p(1-r). One binomial test and up to two 4-sigma ones, 6e-5 each. The number of
    clicks is odd, so that one leads. Where p(1-r) is above 1/2 the other can lead only early.
    """
    scenario = alike(
        2, 1, days=clicks, recommender=rs.Popularity(), start=rs.Popularity(), catalog=_TwoUnequal(share=appeal),
        population=rs.SyntheticUsers(users=1, topics=1, mainstream=0, curiosity=1 - follow),
    )  # fmt: skip
    share = np.array([clicks_by_item(run)[0] / clicks for run in runs(scenario, worlds)])
    leads, above, below = limits(best_seller(appeal, follow, clicks))
    expect_share((share > 0.5).sum(), worlds, leads)
    for part, exact in ((share[share > 0.5], above), (share[share < 0.5], below)):
        if len(part) > 5:
            expect(part, exact)
