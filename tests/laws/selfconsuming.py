"""Models fed with what they made, in plain numpy: a normal law and a regression, whose data replace each other or accumulate.

What P15 says of them is exact for any number of generations. A generation's fit is number n = 1, 2, ..; the first is to true
data. Source: Shumailov et al. 2024, "AI models collapse when trained on recursively generated data", Nature 631 (replace);
Gerstgrasser et al. 2024, "Is model collapse inevitable? Breaking the curse of recursion by accumulating real and synthetic
data", arXiv 2404.01413 (accumulate; regression); Kazdan et al. 2024, "Collapse or thrive?", arXiv 2410.16713 (normal laws).
"""

from __future__ import annotations

import numpy as np
from scipy.special import psi

from .judge import Floats


# ------------------------------------------------------------------------------------------------------- normal laws
def gaussian(z: Floats, accumulate: bool = False, unbiased: bool = False) -> tuple[Floats, Floats]:
    """Return mean and variance of each fit, both (worlds, generations), where the truth is mean 0 and variance 1.

    z: (worlds, generations, samples), independent standard normal numbers. Each generation's samples come from the fit before
    it; they are all that the next fit sees, or are added to all before them. Variances are those of maximum likelihood (1/n),
    or unbiased (1/(n - 1)).
    """
    worlds, generations, _ = z.shape
    mean, variance = np.zeros((worlds, generations)), np.zeros((worlds, generations))
    centre, spread, pool = np.zeros(worlds), np.ones(worlds), np.zeros((worlds, 0))
    for n in range(generations):
        made = centre[:, None] + spread[:, None] * z[:, n]
        pool = np.concatenate([pool, made], axis=1) if accumulate else made
        centre = mean[:, n] = pool.mean(axis=1)
        variance[:, n] = pool.var(axis=1, ddof=int(unbiased))
        spread = np.sqrt(variance[:, n])
    return mean, variance


def kept(samples: int, generations: int, accumulate: bool = False) -> Floats:
    """Return E of the variance of each fit by maximum likelihood, (generations,), where the truth is 1.

    (1 - 1/M)^n; accumulated prod_(i <= n) (1 - 1/(M i^2)), which tends to sin(pi / sqrt M) / (pi / sqrt M).
    """
    n = np.arange(1.0, generations + 1)
    return np.asarray(np.cumprod(1 - 1 / (samples * (n**2 if accumulate else np.ones(generations)))), np.float64)


def log_kept(samples: int, generations: int, unbiased: bool = False) -> float:
    """Return E of the log of the variance after so many fits, replaced: n (psi((M - 1)/2) - ln(M/2)); unbiased ln((M - 1)/2)."""
    return generations * float(psi((samples - 1) / 2) - np.log((samples - int(unbiased)) / 2))


def drift(samples: int, generations: int, accumulate: bool = False) -> float:
    """Return E of the squared distance of the last mean from the true one, by maximum likelihood.

    A fit's mean is off its own truth by a variance of v/M, of which 1/n^2 remains in a pool of n generations.
    """
    before = np.concatenate([[1.0], kept(samples, generations - 1, accumulate)])
    weight = 1 / np.arange(1.0, generations + 1) ** 2 if accumulate else np.ones(generations)
    return float((before * weight).sum()) / samples


# ------------------------------------------------------------------------------------------------------- regressions
def regression(design: Floats, noise: Floats, accumulate: bool = False) -> Floats:
    """Return the squared error |w - w_true|^2 of each fit by least squares, (worlds, generations).

    design: (worlds, T, d), the same rows in every generation. noise: (worlds, generations, T), of variance 1. A generation's
    answers are the fit before it plus noise; they replace those before, or are added to them.
    """
    worlds, generations, _ = noise.shape
    hat = np.linalg.solve(np.einsum("wtd,wte->wde", design, design), design.transpose(0, 2, 1))  # (X'X)^-1 X'
    fit, answers = np.zeros((worlds, design.shape[2])), np.zeros(noise[:, 0].shape)
    errors = np.zeros((worlds, generations))
    for n in range(generations):
        new = np.einsum("wtd,wd->wt", design, fit) + noise[:, n]
        answers = (n * answers + new) / (n + 1) if accumulate else new  # least squares sees the mean answer of a row
        fit = np.einsum("wdt,wt->wd", hat, answers)
        errors[:, n] = (fit**2).sum(axis=1)
    return errors


def regression_error(rows: int, columns: int, generations: int, accumulate: bool = False) -> Floats:
    """Return E of the squared error of each fit, (generations,): d / (T - d - 1) times n, or times sum_(i <= n) 1/i^2.

    For standard normal designs; d / (T - d - 1) is the mean trace of an inverse Wishart matrix.
    """
    i = np.arange(1.0, generations + 1)
    return np.asarray(columns / (rows - columns - 1) * np.cumsum(1 / i**2 if accumulate else np.ones(generations)), np.float64)
