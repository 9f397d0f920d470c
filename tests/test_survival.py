"""Curves of survival against tables printed in the literature, and what must hold for any of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim.errors import RecsimError
from recsim.survival import curve, median

# Weeks of remission of 42 children with leukaemia (Freireich et al. 1963, Blood 21; also Gehan 1965): with 6-mercaptopurine,
# some still in remission, and with placebo.
TREATED = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]
STILL_IN_REMISSION = [False] * 9 + [True] * 12
CONTROL = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]


def test_table_of_the_treated() -> None:
    """Survivor and log-log interval of the 6-MP group are those that Stata's sts list prints, to all its digits."""
    found = curve(TREATED, STILL_IN_REMISSION)
    printed = {
        6: (0.8571, 0.6197, 0.9516), 7: (0.8067, 0.5631, 0.9228), 10: (0.7529, 0.5032, 0.8894), 13: (0.6902, 0.4316, 0.8491),
        16: (0.6275, 0.3675, 0.8049), 22: (0.5378, 0.2678, 0.7468), 23: (0.4482, 0.1881, 0.6801),
    }  # fmt: skip
    rows = {day: row for day, *row in zip(*(column.tolist() for column in found), strict=True)}
    for week, row in printed.items():
        assert rows[week] == pytest.approx(row, abs=5e-5)
    assert rows[0] == [1, 1, 1]
    assert rows[20] == rows[16] and rows[35] == rows[23]  # who is censored makes no step


def test_table_of_the_control_group() -> None:
    """Without censoring the survivor is the share that is left; intervals at weeks 1 and 2 are those that Stata prints."""
    found = curve(CONTROL, [False] * 21)
    assert found.survivor.tolist() == pytest.approx([sum(week > day for week in CONTROL) / 21 for day in found.days], abs=1e-12)
    assert [found.low[1], found.high[1]] == pytest.approx([0.6700, 0.9753], abs=5e-5)
    assert [found.low[2], found.high[2]] == pytest.approx([0.5689, 0.9239], abs=5e-5)


def test_medians_of_both_groups() -> None:
    """The medians of the textbooks are 23 and 8 weeks; the treated group's has no upper end, for its band never falls to 1/2."""
    assert median(curve(TREATED, STILL_IN_REMISSION)) == (23, 13, math.inf)
    assert median(curve(CONTROL, [False] * 21)) == (8, 4, 11)


def test_example_of_kaplan_and_meier() -> None:
    """Eight items, deaths at .8, 3.1, 5.4, 9.2, losses at 1, 2.7, 7, 12.1: 7/8, times 4/5, times 3/4, times 1/2."""
    found = curve([0.8, 3.1, 5.4, 9.2, 1.0, 2.7, 7.0, 12.1], [False] * 4 + [True] * 4)
    steps = dict(zip(found.days.tolist(), found.survivor.tolist(), strict=True))
    by_hand = {0.8: 7 / 8, 1.0: 7 / 8, 3.1: 0.7, 5.4: 0.525, 7.0: 0.525, 9.2: 0.2625, 12.1: 0.2625}
    assert {day: steps[day] for day in by_hand} == pytest.approx(by_hand, abs=1e-12)


def test_interval_by_hand() -> None:
    """One of two by day 1: s^2 = 1/2, so ends are 2^-exp(+- 1.96 sqrt(1/2) / ln 2)."""
    found = curve([1, 2], [False, True])
    half = 1.959964 * math.sqrt(0.5) / math.log(2)
    assert found.low[1] == pytest.approx(2 ** -math.exp(half), abs=1e-6)
    assert found.high[1] == pytest.approx(2 ** -math.exp(-half), abs=1e-6)


def test_the_ends_of_a_curve() -> None:
    """Where none or all have seen it there is no variance: both ends are 1, or 0 and what was known before."""
    found = curve([1, 2, 3], [True, False, False])
    assert (found.low[1], found.high[1]) == (1, 1)
    assert (found.survivor[-1], found.low[-1], found.high[-1]) == (0, 0, found.high[-2])
    at_once = curve([5, 5], [False, False])
    assert [column.tolist() for column in at_once] == [[0, 5], [1, 0], [1, 0], [1, 1]]
    assert median(at_once) == (5, 5, math.inf)


def test_nobody_found_it() -> None:
    """If all are censored the curve stays at 1, and the median is out of sight."""
    found = curve([3, 9, 9], [True] * 3)
    assert (found.survivor == 1).all() and (found.low == 1).all()
    assert median(found) == (math.inf, math.inf, math.inf)


def test_some_find_it_at_once() -> None:
    """What happens at day 0 is a step at the start; no row of 1 is put before it."""
    found = curve([0, 0, 4, 4], [False, False, False, True])
    assert found.days.tolist() == [0, 4] and found.survivor.tolist() == [0.5, 0.25]
    only = curve([0, 0], [False, False])
    assert [column.tolist() for column in only] == [[0], [0], [0], [1]]


people = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30)


@given(people, st.floats(0.5, 0.99))
def test_any_curve(rows: list[tuple[int, bool]], sure: float) -> None:
    """It falls from at most 1, lies in its band, is the product of Kaplan and Meier, and its median lies in its interval."""
    days, censored = zip(*rows, strict=True)
    found = curve(days, censored, sure)
    product = 1.0
    for day, survivor in zip(found.days, found.survivor, strict=True):
        watched = sum(other >= day for other in days)
        product *= 1 - sum(other == day and not cut for other, cut in rows) / watched
        assert survivor == pytest.approx(product, abs=1e-12)
    assert (np.diff(found.days) > 0).all() and found.days[0] == 0
    assert (found.low >= 0).all() and (found.low <= found.survivor).all()
    assert (found.survivor <= found.high).all() and (found.high <= 1).all()
    value, low, high = median(found)
    assert low <= value <= high


def test_median_is_covered() -> None:
    """Of 1,000 sets of 60 exponential times, a third of them censored, the interval covers ln 2 in 95 % within 4 sigma and .01.

    The interval is asymptotic; .01 is left for that. False alarm 6e-5.
    """
    generator, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        life, watched = generator.exponential(size=60), generator.exponential(2, size=60)
        _, low, high = median(curve(np.minimum(life, watched), watched < life))
        covered += low <= math.log(2) < high
    assert covered / 1000 == pytest.approx(0.95, abs=4 * math.sqrt(0.95 * 0.05 / 1000) + 0.01)


@pytest.mark.parametrize(
    ("days", "censored", "sure", "fault"),
    [
        ([], [], 0.95, "for each person"),
        ([1, 2], [True], 0.95, "for each person"),
        ([[1]], [[True]], 0.95, "for each person"),
        ([-1], [True], 0.95, "days"),
        ([math.nan], [True], 0.95, "days"),
        ([math.inf], [False], 0.95, "days"),
        ([1], [True], 1.0, "sure"),
        ([1], [True], 0.0, "sure"),
    ],
)
def test_what_is_no_survival(days: Any, censored: Any, sure: float, fault: str) -> None:
    """Nobody, columns that do not fit, days that are none and levels that are none are refused."""
    with pytest.raises(RecsimError, match=fault):
        curve(days, censored, sure)
