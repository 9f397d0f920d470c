"""The simplex: topic mixtures, their isometric log-ratio coordinates, and a normal law fitted to these and sampled from.

The formulas stand in the docstrings of `recsim.simplex`. All sums are taken in turn: over items in their order, over topics
and coordinates from the first, where nothing else is said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from .arithmetic import exp, in_turn, log
from .chance import Numbers

FLOOR = 1e-9


def closure(weights: list[float]) -> list[float]:
    """Return weights as shares of their sum, none much below the floor."""
    total = in_turn(weights)
    shares = [max(weight / total, FLOOR) for weight in weights]
    whole = in_turn(shares)
    return [share / whole for share in shares]


def dirichlet(numbers: Numbers, label: str, address: int, alpha: list[float]) -> list[float]:
    """Return a draw from a Dirichlet law: gamma variates by inversion, over their sum.

    These sums are NumPy's, of one row of numbers: with 8 topics or more it does not add them in turn.
    """
    gammas = [
        max(float(gammaincinv(shape, numbers.uniform(label, address, 0, topic))), 1e-300) for topic, shape in enumerate(alpha)
    ]
    shares = [max(number / float(np.sum(gammas)), FLOOR) for number in gammas]
    return [share / float(np.sum(shares)) for share in shares]


def coordinates(topics: list[float]) -> list[float]:
    """Return the coordinates of a mixture, one fewer than topics: the first j topics against the next, j = 1, 2, ..."""
    logs = [log(share) for share in topics]
    return [math.sqrt(j / (j + 1)) * (in_turn(logs[:j]) / j - logs[j]) for j in range(1, len(logs))]


def mixture(point: list[float]) -> list[float]:
    """Return the mixture that has these coordinates; logarithms of its shares are summed from the last topic."""
    parts = [y / math.sqrt(j * (j + 1)) for j, y in enumerate(point, 1)]
    logs = [in_turn(reversed(parts[k:])) for k in range(len(parts) + 1)]
    for j, part in enumerate(parts, 1):
        logs[j] -= j * part
    return closure([exp(number - max(logs)) for number in logs])


@dataclass
class Law:
    """A normal law of coordinates. root: rows of a lower triangular matrix; root root' is the covariance."""

    mean: list[float]
    root: list[list[float]]

    @classmethod
    def of(cls, points: list[list[float]], weights: list[float]) -> Law:
        """Return the law of maximum likelihood for weighted points, which are taken from the first of them on."""
        size, whole = len(points[0]), in_turn(weights)
        moved = [[y - first for y, first in zip(point, points[0], strict=True)] for point in points]
        pairs = list(zip(weights, moved, strict=True))
        mean = [in_turn(weight * point[k] for weight, point in pairs) / whole for k in range(size)]
        covariance = [[0.0] * size for _ in range(size)]
        for k in range(size):
            for j in range(k + 1):
                parts = [weight * (point[j] - mean[j]) * (point[k] - mean[k]) for weight, point in pairs]
                covariance[k][j] = covariance[j][k] = in_turn(parts) / whole
        return cls([first + more for first, more in zip(points[0], mean, strict=True)], root_of(covariance))

    def sample(self, normal: list[float], temperature: float) -> list[float]:
        """Return the mixture that a law narrowed by a temperature makes of standard normal numbers."""
        spread = [in_turn(z * row[k] for k, z in enumerate(normal)) for row in self.root]
        return mixture([mean + temperature * wide for mean, wide in zip(self.mean, spread, strict=True)])


def root_of(covariance: list[list[float]]) -> list[list[float]]:
    """Return the rows of a root by outer products, column by column; a column is 0 where its pivot is but rounding."""
    size = len(covariance)
    left, root = [list(row) for row in covariance], [[0.0] * size for _ in range(size)]
    for k in range(size):
        if left[k][k] > 1e-12 * covariance[k][k]:
            pivot = math.sqrt(left[k][k])
            for i in range(k, size):
                root[i][k] = left[i][k] / pivot
            left = [[left[i][j] - root[i][k] * root[j][k] for j in range(size)] for i in range(size)]
    return root
