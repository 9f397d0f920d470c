"""Arithmetic that must come out the same to the last bit: sums in turn, NumPy's logarithm and exponential, products in whole
numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


def log(number: float) -> float:
    """Return NumPy's logarithm of a float64, which need not be that of `math`."""
    return float(np.log(number))


def exp(number: float) -> float:
    """Return NumPy's exponential of a float64, which need not be that of `math`."""
    return float(np.exp(number))


def in_turn(numbers: Iterable[float]) -> float:
    """Return the sum of numbers, added one after the other (Python's own `sum` would carry what is rounded off)."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def products(users: list[list[float]], items: list[list[float]]) -> list[list[int]]:
    """Return the scores of all items for each user: products of factors, in exact whole numbers."""
    left, right = snapped(users), snapped(items)
    return [[sum(a * b for a, b in zip(user, item, strict=True)) for item in right] for user in left]


def snapped(factors: list[list[float]]) -> list[list[int]]:
    """Return factors as whole numbers, so small that a score stays below 2^53."""
    return whole(factors, len(factors[0]))


def whole(rows: list[list[float]], terms: int) -> list[list[int]]:
    """Return numbers as whole ones, on one scale, so small that a sum of so many products of two such stays below 2^53."""
    bits = (53 - math.ceil(math.log2(terms))) // 2
    _, exponent = math.frexp(max((abs(number) for row in rows for number in row), default=0.0))
    return [[round(math.ldexp(number, bits - exponent)) for number in row] for row in rows]


def best_first(scores: list[float] | list[int]) -> list[int]:
    """Return items by descending score, ties to the lower item."""
    return sorted(range(len(scores)), key=lambda item: (-scores[item], item))
