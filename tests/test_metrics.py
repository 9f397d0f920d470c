"""The metrics against closed forms, exact expectations, Monte Carlo and properties that must hold for any counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import beta, erf, gammaln
from scipy.stats import binom

from recsim import metrics
from recsim.errors import RecsimError

Floats = npt.NDArray[np.float64]

of_counts: list[Callable[[npt.ArrayLike], float]] = [
    metrics.gini,
    metrics.coverage,
    metrics.effective_items,
    metrics.top_share,
    metrics.mean_popularity,
    metrics.unseen_mass,
]
scale_free = [metric for metric in of_counts if metric is not metrics.unseen_mass]

any_counts = st.lists(st.integers(0, 1000), min_size=1, max_size=40).filter(any).map(np.array)
def zipf(items: int, exponent: float) -> Floats:
    """Return the shares of a Zipf law."""
    weights = np.arange(1, items + 1) ** -float(exponent)
    return np.asarray(weights / weights.sum(), np.float64)


def within_4_sigma(sample: Sequence[float] | Floats, exact: float, bias: float = 0.0) -> bool:
    """Return whether the mean of a sample is its exact expectation: a false alarm in 6e-5 of all seeds."""
    return bool(abs(np.mean(sample) - exact) <= 4 * np.std(sample, ddof=1) / math.sqrt(len(sample)) + bias)


# ------------------------------------------------------------------------------------------- P01: closed forms


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 2, 3], 2 / 9),
        ([4, 4, 4, 4], 0),
        ([0] * 9 + [7], 0.9),
        ([0, 0, 1, 1], 0.5),
        (zipf(100, 1), 0.624449),
        (zipf(1000, 1), 0.733816),
        (zipf(1000, 0.8), 0.571880),
        (zipf(200, 1.2), 0.781965),
    ],
)
def test_gini_of_known_counts(counts: Sequence[float], expected: float) -> None:
    """The Gini index counts the zeros and is what the textbook says, to the digits that are printed there."""
    assert metrics.gini(counts) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(("items", "exponent"), [(100, 1.0), (1000, 1.0), (1000, 0.8), (200, 1.2)])
def test_gini_of_zipf(items: int, exponent: float) -> None:
    """A Zipf law has G = (N + 1)/N - (2/N) sum i^(1-s) / sum i^(-s), to 1e-9."""
    ranks = np.arange(1, items + 1.0)
    expected = (items + 1) / items - 2 / items * (ranks ** (1 - exponent)).sum() / (ranks**-exponent).sum()
    assert metrics.gini(zipf(items, exponent)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("items", [1, 2, 3, 10, 1000])
def test_extremes(items: int) -> None:
    """Equal counts and one item that has it all give the ends of every range, to 1e-9."""
    equal, one = np.full(items, 3), np.eye(items, dtype=int)[0]
    assert metrics.gini(equal) == pytest.approx(0, abs=1e-9)
    assert metrics.gini(one) == pytest.approx((items - 1) / items, abs=1e-9)
    assert metrics.effective_items(equal) == pytest.approx(items, rel=1e-9)
    assert metrics.effective_items(one) == 1
    assert (metrics.coverage(equal), metrics.coverage(one)) == (1, 1 / items)
    assert metrics.mean_popularity(equal) == pytest.approx(1 / items, abs=1e-9)
    assert metrics.mean_popularity(one) == metrics.top_share(one) == metrics.unseen_mass(one) == 1


POPULATIONS: dict[str, tuple[Callable[[np.random.Generator, int], Floats], float]] = {
    "uniform": (lambda rng, n: rng.random(n), 1 / 3),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1 / 2),
    "lognormal(1)": (lambda rng, n: rng.lognormal(size=n), float(erf(1 / 2))),
    "lognormal(.5)": (lambda rng, n: rng.lognormal(sigma=0.5, size=n), float(erf(1 / 4))),
    "Pareto(3)": (lambda rng, n: 1 + rng.pareto(3, n), 1 / 5),
    "Gamma(2)": (lambda rng, n: rng.gamma(2, size=n), math.gamma(2.5) / (math.sqrt(math.pi) * math.gamma(3))),
    "Beta(2,5)": (lambda rng, n: rng.beta(2, 5, n), 2 * float(beta(4, 10)) / (2 * float(beta(2, 5)) ** 2)),
}


@pytest.mark.parametrize("name", POPULATIONS)
def test_gini_of_populations(name: str) -> None:
    """In 400,000 independent draws the index is that of the distribution within .003.

    One standard error is at most .0007 (Pareto), so the tolerance is more than 4 of them: false alarm under 6e-5.
    """
    draw, exact = POPULATIONS[name]
    assert metrics.gini(draw(np.random.default_rng(1), 400_000)) == pytest.approx(exact, abs=0.003)


@pytest.mark.parametrize(("items", "alpha", "printed"), [(10, 1.0, 0.45), (20, 0.2, 0.757739), (5, 3.0, 0.25)])
def test_gini_of_dirichlet(items: int, alpha: float, printed: float) -> None:
    """The mean index of Dirichlet shares is exact for finite N: 4 sigma of 4,000 draws, false alarm 6e-5."""
    exact = (items - 1) / items * math.gamma(alpha + 0.5) / (math.sqrt(math.pi) * math.gamma(alpha + 1))
    assert exact == pytest.approx(printed, abs=1e-6)
    shares = np.random.default_rng(2).dirichlet(np.full(items, alpha), size=4000)
    assert within_4_sigma([metrics.gini(row) for row in shares], exact)


@pytest.mark.parametrize(
    ("shown", "bits"), [(np.ones(100), 7.62266), (zipf(100, 1), 5.31024), (np.eye(100)[0], 2.37501)]
)
def test_novelty_of_zipf(shown: Floats, bits: float) -> None:
    """Among 100 items known to Zipf shares of the users: uniform, popular and best item only, in bits."""
    users = 10**9  # so many that nobody's share is below one user
    assert metrics.novelty(shown, zipf(100, 1) * users, users) == pytest.approx(bits, abs=5e-6)


def test_novelty_of_popular_is_entropy() -> None:
    """Shown in proportion to how well they are known, items have a novelty equal to their entropy, to 1e-9."""
    shares = zipf(50, 0.7)
    entropy = math.log2(metrics.effective_items(shares))
    assert metrics.novelty(shares, shares * 10**9, 10**9) == pytest.approx(entropy, abs=1e-9)


# ------------------------------------------------------------------- P02: coverage of slates drawn at random


@pytest.mark.parametrize(
    ("items", "size", "slates", "printed"), [(200, 10, 50, 0.923055), (100, 5, 20, 0.641514), (1000, 10, 100, 0.633968)]
)
def test_coverage_of_uniform_slates(items: int, size: int, slates: int, printed: float) -> None:
    """Slates without repeats cover 1 - (1 - k/n)^m of the catalogue: 4 sigma of 50 worlds, false alarm 6e-5."""
    exact, rng = 1 - (1 - size / items) ** slates, np.random.default_rng(3)
    assert exact == pytest.approx(printed, abs=1e-6)
    worlds = []
    for _ in range(50):
        slate = np.argpartition(rng.random((slates, items)), size, axis=1)[:, :size]
        worlds.append(metrics.coverage(np.bincount(slate.ravel(), minlength=items)))
    assert within_4_sigma(worlds, exact)


def test_coverage_of_unequal_draws() -> None:
    """Draws with chances p cover sum 1 - (1 - p)^m items: 4 sigma of 400 worlds, false alarm 6e-5."""
    chances, draws = zipf(200, 1), 300
    worlds = np.random.default_rng(4).multinomial(draws, chances, size=400)
    assert within_4_sigma([metrics.coverage(counts) for counts in worlds], (1 - (1 - chances) ** draws).mean())


# ---------------------------------------------------------------------------------------------- the floors


def exact_gini_floor(items: int, draws: int) -> float:
    """Return the exact expectation, by the mean distance of a symmetric random walk of binomially many steps."""
    steps = np.arange(draws + 1)
    half = (steps + 1) // 2
    distance = 2 * half * np.exp(gammaln(2 * half + 1) - 2 * gammaln(half + 1) - 2 * half * math.log(2))
    return (items - 1) / (2 * draws) * float(binom.pmf(steps, draws, 2 / items) @ distance)


@pytest.mark.parametrize(("items", "draws"), list(product([2, 3, 5, 10, 50, 1000], [1, 2, 3, 10, 50, 1000, 5000])))
def test_gini_floor_is_as_near_as_it_says(items: int, draws: int) -> None:
    """The closed form is above the exact expectation, by at most 0.55 / items."""
    excess = metrics.gini_floor(items, draws) - exact_gini_floor(items, draws)
    assert -1e-9 <= excess <= 0.55 / items


@pytest.mark.parametrize(("items", "draws"), [(100, 5), (100, 100), (50, 150), (300, 600)])
def test_floors_are_the_means_of_uniform_draws(items: int, draws: int) -> None:
    """Coverage, entropy and Gini of uniform draws have the floors as means: 4 sigma, false alarm 6e-5 each.

    The Gini floor may be off by its stated 0.55 / items.
    """
    worlds = np.random.default_rng(5).multinomial(draws, np.full(items, 1 / items), size=1000)
    assert within_4_sigma([metrics.coverage(x) for x in worlds], metrics.coverage_floor(items, draws))
    assert within_4_sigma([metrics.gini(x) for x in worlds], metrics.gini_floor(items, draws), bias=0.55 / items)
    entropy = [math.log(metrics.effective_items(x)) for x in worlds]
    assert within_4_sigma(entropy, math.log(metrics.effective_items_floor(items, draws)))


@pytest.mark.parametrize(("items", "draws", "most"), [(2, 2, 0.065), (20, 5, 0.02), (20, 10, 0.02), (50, 20, 0.01)])
def test_effective_items_floor_is_below_the_mean_by_what_it_says(items: int, draws: int, most: float) -> None:
    """The mean of exp(entropy) is above exp(mean entropy), by no more than is stated, where it is worst.

    5,000 draws leave a standard error of at most .3 % (.05 % for 50 items); the seed is fixed.
    """
    worlds = np.random.default_rng(6).multinomial(draws, np.full(items, 1 / items), size=5000)
    mean = np.mean([metrics.effective_items(x) for x in worlds])
    assert 0 < mean / metrics.effective_items_floor(items, draws) - 1 < most


@pytest.mark.parametrize(("items", "draws"), [(2, 5), (3, 4), (4, 3)])
def test_effective_items_floor_by_enumeration(items: int, draws: int) -> None:
    """The expected entropy is exact: all sequences of draws, one by one, to 1e-12."""
    sequences = product(range(items), repeat=draws)
    entropies = [math.log(metrics.effective_items(np.bincount(sequence))) for sequence in sequences]
    assert math.log(metrics.effective_items_floor(items, draws)) == pytest.approx(np.mean(entropies), abs=1e-12)


def test_limits_of_the_floors() -> None:
    """One draw shows one item; ever more draws approach the equal feed, without a jump, overflow or long sum."""
    assert metrics.coverage_floor(1000, 1) == pytest.approx(1 / 1000)
    assert metrics.effective_items_floor(1000, 1) == 1
    assert metrics.gini_floor(1000, 1) == pytest.approx(1 - 1 / 1000, abs=1e-5)
    assert metrics.gini_floor(1000, 1000) == pytest.approx(0.524, abs=5e-4)
    assert metrics.gini_floor(10, 10**15) == pytest.approx(1 / math.sqrt(math.pi * 1e14), rel=1e-6)
    assert metrics.coverage_floor(10, 10**15) == 1
    assert metrics.effective_items_floor(10, 10**15) == pytest.approx(10, rel=1e-9)
    below, above = (metrics.effective_items_floor(10, draws) for draws in (10**7 - 10, 10**7 + 20))
    assert abs(below - above) < 1e-10
    assert (metrics.gini_floor(1, 9), metrics.coverage_floor(1, 9), metrics.effective_items_floor(1, 9)) == (0, 1, 1)
    assert metrics.coverage_floor(7, 0) == metrics.coverage_floor(1, 0) == 0
    assert math.isnan(metrics.gini_floor(7, 0))
    assert math.isnan(metrics.effective_items_floor(7, 0))


# ------------------------------------------------------------------------- P16 and P19: identities on clicks


def test_unseen_mass_is_unbiased() -> None:
    """Good-Turing: E[items clicked once in T] / T is the chance that click T is on a new item (P16).

    4 sigma of 400 worlds of 1,000 clicks, false alarm 6e-5.
    """
    chances, clicks = zipf(100_000, 1.5), 1000
    exact = float((chances * (1 - chances) ** (clicks - 1)).sum())
    assert exact == pytest.approx(0.0919, abs=5e-5)
    drawn = np.searchsorted(np.cumsum(chances)[:-1], np.random.default_rng(7).random((400, clicks)))
    assert within_4_sigma([metrics.unseen_mass(np.bincount(world)) for world in drawn], exact)


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(*[st.lists(st.integers(0, 99), min_size=n, max_size=n)] * 2)))
def test_mean_popularity_updates_as_published(logs: tuple[list[int], list[int]]) -> None:
    """A' = (1 - b)^2 A + 2b(1 - b) p.q + b^2 q.q when new clicks make up a part b of the log (P19), to 1e-12."""
    old, new = (np.array(log) + np.eye(len(log), dtype=int)[0] for log in logs)
    b, p, q = new.sum() / (old.sum() + new.sum()), old / old.sum(), new / new.sum()
    updated = (1 - b) ** 2 * metrics.mean_popularity(old) + 2 * b * (1 - b) * float(p @ q) + b**2 * float(q @ q)
    assert metrics.mean_popularity(old + new) == pytest.approx(updated, abs=1e-12)


# --------------------------------------------------------------------------- properties for any counts (P20)


@given(any_counts)
def test_ranges(counts: npt.NDArray[np.int64]) -> None:
    """Every metric stays in the range that its docstring promises."""
    items, shown = len(counts), np.count_nonzero(counts)
    assert -1e-12 <= metrics.gini(counts) <= (items - 1) / items + 1e-12
    assert 1 / items <= metrics.coverage(counts) <= 1
    assert 1 - 1e-12 <= metrics.effective_items(counts) <= shown * (1 + 1e-12)
    assert 1 / items - 1e-12 <= metrics.top_share(counts) <= 1
    assert 1 / items - 1e-12 <= metrics.mean_popularity(counts) <= 1 + 1e-12
    assert 0 <= metrics.unseen_mass(counts) <= 1
    assert -1e-12 <= metrics.novelty(counts, counts, 1000) <= math.log2(1000) + 1e-12
    assert 1 - 1e-12 <= metrics.effective_topics(counts[None]) <= shown * (1 + 1e-12)


@given(any_counts, st.randoms(use_true_random=False))
def test_names_of_items_do_not_matter(counts: npt.NDArray[np.int64], shuffler: object) -> None:
    """Relabelling the items changes no metric, to 1e-12."""
    order = np.argsort([shuffler.random() for _ in counts])  # type: ignore[attr-defined]
    for metric in of_counts:
        assert metric(counts[order]) == pytest.approx(metric(counts), rel=1e-12, abs=1e-12)
    known = np.arange(len(counts))
    novelty = metrics.novelty(counts, known, 100)
    assert metrics.novelty(counts[order], known[order], 100) == pytest.approx(novelty, abs=1e-12)


@given(any_counts, st.integers(2, 1000))
def test_volume_alone_does_not_matter(counts: npt.NDArray[np.int64], factor: int) -> None:
    """Scaling all counts changes no metric of shares, to 1e-12."""
    for metric in scale_free:
        assert metric(counts * factor) == pytest.approx(metric(counts), rel=1e-12, abs=1e-12)


@given(any_counts, st.integers(2, 5))
def test_copies_of_the_catalogue(counts: npt.NDArray[np.int64], copies: int) -> None:
    """Replacing each item by copies keeps inequality and coverage, and multiplies the effective items."""
    many = np.tile(counts, copies)
    assert metrics.gini(many) == pytest.approx(metrics.gini(counts), abs=1e-12)
    assert metrics.coverage(many) == pytest.approx(metrics.coverage(counts), abs=1e-12)
    assert metrics.effective_items(many) == pytest.approx(copies * metrics.effective_items(counts), rel=1e-12)
    assert metrics.mean_popularity(many) == pytest.approx(metrics.mean_popularity(counts) / copies, rel=1e-12)


@given(any_counts)
def test_giving_to_the_poorer_lowers_inequality(counts: npt.NDArray[np.int64]) -> None:
    """Moving one exposure from the most to the least exposed item lowers the Gini index (Pigou-Dalton)."""
    rich, poor = int(counts.argmax()), int(counts.argmin())
    if counts[rich] - counts[poor] < 2:
        return
    moved = counts.copy()
    moved[[rich, poor]] += [-1, 1]
    assert metrics.gini(moved) < metrics.gini(counts)
    assert metrics.effective_items(moved) > metrics.effective_items(counts)
    assert metrics.mean_popularity(moved) < metrics.mean_popularity(counts)


@given(any_counts)
def test_gini_is_twice_the_area_above_the_lorenz_curve(counts: npt.NDArray[np.int64]) -> None:
    """1 - 2 x the area under the Lorenz curve, by trapezoids, is the Gini index, to 1e-12."""
    lorenz = np.concatenate([[0], np.cumsum(np.sort(counts))]) / counts.sum()
    area = float((lorenz[1:] + lorenz[:-1]).sum()) / 2 / len(counts)
    assert metrics.gini(counts) == pytest.approx(1 - 2 * area, abs=1e-12)


@given(any_counts, st.data())
def test_showing_more_never_covers_less(counts: npt.NDArray[np.int64], data: st.DataObject) -> None:
    """One more exposure never lowers coverage, and raises it exactly when the item was unseen."""
    item = data.draw(st.integers(0, len(counts) - 1))
    more = counts.copy()
    more[item] += 1
    gain = metrics.coverage(more) - metrics.coverage(counts)
    assert gain == pytest.approx(1 / len(counts) if counts[item] == 0 else 0, abs=1e-12)


@given(any_counts, st.floats(0.01, 1))
def test_larger_heads_hold_more(counts: npt.NDArray[np.int64], share: float) -> None:
    """A larger head holds at least as much; the whole catalogue holds all."""
    assert metrics.top_share(counts, share / 2) <= metrics.top_share(counts, share) + 1e-12
    assert metrics.top_share(counts, 1) == 1


def test_head_of_the_catalogue_is_rounded_down() -> None:
    """The top 1 % of 199 items is one item, of 200 two; 29 % of 100 is 29, whatever the binary fraction says."""
    ones = np.ones(199)
    assert metrics.top_share(ones) == pytest.approx(1 / 199)
    assert metrics.top_share(np.ones(200)) == pytest.approx(2 / 200)
    assert metrics.top_share(np.ones(100), 0.29) == pytest.approx(0.29)


# ---------------------------------------------------------------------------------------- edges and errors


def test_nothing_shown_is_nan() -> None:
    """Where there is nothing to share or to divide by, the answer is NaN, without a warning."""
    for metric in of_counts:
        assert math.isnan(metric([]))
        assert math.isnan(metric([0, 0, 0])) == (metric is not metrics.coverage)
    assert metrics.coverage([0, 0, 0]) == 0
    assert math.isnan(metrics.novelty([0, 0], [1, 1], 5))
    assert math.isnan(metrics.novelty([1, 0], [0, 0], 0))
    assert math.isnan(metrics.novelty([], [], 5))
    assert math.isnan(metrics.effective_topics(np.zeros((3, 2))))
    assert math.isnan(metrics.effective_topics(np.zeros((0, 2))))
    assert math.isnan(metrics.click_rate(0, 0))


@pytest.mark.parametrize("metric", of_counts)
@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1, -1], "counts: -1 is below 0; counts start at 0"),
        ([1.0, math.nan], "counts: nan is not finite; replace or drop it first"),
        ([1.0, math.inf], "counts: inf is not finite; replace or drop it first"),
        ([[1, 2]], "counts: has 2 dimensions instead of 1; its shape is (1, 2)"),
        (3, "counts: has 0 dimensions instead of 1; its shape is ()"),
        (["a"], "counts: holds <U1, not numbers; give an array of numbers"),
    ],
)
def test_counts_that_cannot_be(metric: Callable[[npt.ArrayLike], float], counts: npt.ArrayLike, message: str) -> None:
    """Counts that are negative, not finite, not numbers or not one-dimensional are named in one line."""
    with pytest.raises(RecsimError) as caught:
        metric(counts)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.unseen_mass([0.5, 1]), "counts: some are not whole numbers"),
        (lambda: metrics.top_share([1], 0), "share: 0 is not a share"),
        (lambda: metrics.top_share([1], 1.5), "share: 1.5 is not a share"),
        (lambda: metrics.top_share([1], math.nan), "share: nan is not a share"),
        (lambda: metrics.novelty([1, 1], [1], 5), "clickers: there are 1 for 2 items"),
        (lambda: metrics.novelty([1], [6], 5), "clickers: an item has 6, but users is 5"),
        (lambda: metrics.novelty([1], [-1], 5), "clickers: -1 is below 0"),
        (lambda: metrics.effective_topics([1, 2]), "topic_mass: has 1 dimensions instead of 2"),
        (lambda: metrics.effective_topics([[-0.5]]), "topic_mass: -0.5 is below 0"),
        (lambda: metrics.click_rate(-1, 2), "clicks: -1 is below 0"),
        (lambda: metrics.click_rate(1, math.inf), "impressions: inf is not finite"),
        (lambda: metrics.gini_floor(0, 1), "items: 0 is not a number of items"),
        (lambda: metrics.coverage_floor(2, -1), "draws: -1 is not a number of draws"),
        (lambda: metrics.effective_items_floor(0, 1), "items: 0 is not a number of items"),
    ],
)
def test_mistakes_have_a_name(call: Callable[[], float], message: str) -> None:
    """Every other mistake names the argument and the value, too."""
    with pytest.raises(RecsimError, match="^" + message.replace(".", r"\.")):
        call()
