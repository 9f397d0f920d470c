"""Random numbers by address: the generator's known answers, and what addresses promise."""

from __future__ import annotations

import numpy as np
import pytest

from recsim import kernels
from recsim.lottery import Lottery
from recsim.randomness import Randomness, philox
from recsim.world import Visits

# Random123's known answers for philox4x32-10: counter, key, output (Salmon et al. 2011, file kat_vectors).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_the_generator_gives_its_known_answers(counter: tuple, key: tuple, output: tuple) -> None:
    """Philox4x32-10 gives the outputs that its authors publish."""
    words = philox(tuple(np.array([word], np.uint32) for word in counter), key)
    assert tuple(int(word[0]) for word in words) == output


def test_a_number_depends_on_its_address_alone() -> None:
    """One number asked for alone is the number that stands at its address in a large array, across work chunks."""
    chance = Randomness(3)
    who, which = np.arange(50_000, dtype=np.uint64) + 2**33, np.arange(3)
    many = chance.uniform("x", who[:, None], 5, which)
    assert many.shape == (50_000, 3)
    for row in (0, 16_383, 16_384, 49_999):
        assert many[row, 2] == chance.uniform("x", who[row], 5, 2)


def test_every_part_of_an_address_matters() -> None:
    """Seed, label, who (both halves), when and which each change the number."""
    chance = Randomness(3)
    base = float(chance.uniform("x", 1, 2, 3))
    others = [
        Randomness(4).uniform("x", 1, 2, 3), chance.uniform("y", 1, 2, 3), chance.uniform("x", 2, 2, 3),
        chance.uniform("x", 1 + 2**32, 2, 3), chance.uniform("x", 1, 3, 3), chance.uniform("x", 1, 2, 4),
    ]  # fmt: skip
    assert len({base, *map(float, others)}) == 7


def test_more_numbers_of_a_block_leave_the_first_as_they_were() -> None:
    """Asking for nine numbers gives the five that were there, and four more."""
    chance, who = Randomness(3), np.arange(100)
    assert (chance.block("x", who, 0, 9)[:, :5] == chance.block("x", who, 0, 5)).all()


def test_numbers_lie_strictly_between_0_and_1_and_are_uniform() -> None:
    """A million numbers: none at the borders; mean and variance within 4 standard errors (fixed seed; error rate 1e-4)."""
    numbers = Randomness(9).uniform("x", np.arange(1_000_000))
    assert numbers.min() > 0 and numbers.max() < 1
    assert abs(numbers.mean() - 1 / 2) < 4 * np.sqrt(1 / 12e6)
    assert abs(((numbers - 1 / 2) ** 2).mean() - 1 / 12) < 4 * np.sqrt(1 / 180e6)


def visits(count: int, items: int) -> Visits:
    """Return visits of users who have consumed nothing."""
    who = np.arange(count)
    return Visits(who, who.astype(np.uint64), np.zeros(count, np.uint32), who * 0, items, Randomness(5), None)


def test_one_item_more_changes_at_most_one_draw_in_a_hundred() -> None:
    """1,000 items and one more: beside the draws that the new item takes, at most 1 % of the others move."""
    before = Lottery(np.ones(1000)).draw(visits(40_000, 1000), "x")
    after = Lottery(np.ones(1001)).draw(visits(40_000, 1001), "x")
    assert (before != after)[after != 1000].mean() < 0.01
    doubled = Lottery(np.ones(1025)).draw(visits(40_000, 1025), "x")
    even = Lottery(np.ones(1024)).draw(visits(40_000, 1024), "x")
    assert (even != doubled)[doubled != 1024].mean() < 0.01


def test_a_lottery_draws_in_proportion() -> None:
    """Frequencies follow the weights within 4 standard errors each (7 items; error rate below 1e-3 at a fresh seed)."""
    weights = np.array([1, 0, 2, 3, 0.5, 0, 3.5])
    drawn = np.bincount(Lottery(weights).draw(visits(100_000, 7), "x"), minlength=7)
    share = weights / weights.sum()
    assert (abs(drawn - 100_000 * share) <= 4 * np.sqrt(100_000 * share * (1 - share))).all()


def test_an_empty_lottery_draws_nothing() -> None:
    """Weights of 0 give NOTHING, not item 0."""
    assert (Lottery(np.zeros(5)).draw(visits(10, 5), "x") == -1).all()


def test_many_streams_at_once_are_the_streams_one_by_one() -> None:
    """`blocks` gives each row what `block` gives it under its own label."""
    randomness, who = Randomness(3), np.arange(40_000, dtype=np.uint64) << np.uint64(20)
    nth = np.arange(len(who)) % 3
    many = randomness.blocks(["a", "b", "c"], nth, who, 7, 6)
    for number, label in enumerate("abc"):
        assert (many[nth == number] == randomness.block(label, who[nth == number], 7, 6)).all()


def test_kernels_are_compiled_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the package nor the user has a place that can be written to, they are compiled each time."""
    whole, asked = kernels.numba.njit, []

    def njit(signature: str, **options: bool) -> object:
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("no locator available")
        return whole(signature, **options)

    monkeypatch.setattr(kernels.numba, "njit", njit)

    def double(values: np.ndarray, result: np.ndarray) -> None:
        for row in range(len(values)):
            result[row] = 2 * values[row]

    result = np.empty(3)
    kernels.compiled("void(f8[::1], f8[::1])")(double)(np.arange(3.0), result)
    assert (asked, result.tolist()) == ([True, False], [0.0, 2.0, 4.0])
