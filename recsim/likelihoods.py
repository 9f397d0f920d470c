"""Likelihoods of clicks given slates: what their parameters are, where they are highest, and how sharply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from recsim.errors import RecsimError
from recsim.impressions import Bools, Floats, Impressions, grouped
from recsim.logfiles import Ints

Model = Literal["luce", "given", "given by item"]
Shape = Literal["free", "power", "log", "none"]

MOST_ITEMS = 3000  # whose appeals Luce's model fits at once: the information is a matrix of so many rows
_STEPS, _EXACT = 60, 1e-9  # Newton's steps at most, and the change of a logarithm that ends them


# ------------------------------------------------------------------------------------------------------ what is fitted
@dataclass(frozen=True)
class Task:
    """A log and the parameters that its likelihood has.

    group: (rows,) whose appeal a row has: its item, or 0 for all alike; groups: their number. clicks: (groups,).
    factor: (rows,) what that appeal is multiplied with beside the bias. offset (depth,), design (depth, q): the logarithm of
    the bias is offset + design @ beta, and -inf where it is 0. places: the position of each column of the design.
    certain: (groups,) those that were clicked whenever they could be: their appeal has no bound from above, and they and
    what was beside them say nothing about the rest. live: (rows,) the rows that count: of the others, those whose item and,
    if biases are free, whose position was clicked at all.
    component: (depth,) positions linked by items that were shown at both have the same number, -1: none that is live.
    """

    log: Impressions
    model: Model
    bias: Shape
    weights: Floats | None
    group: Ints
    groups: int
    clicks: Ints
    factor: Floats
    offset: Floats
    design: Floats
    places: tuple[int, ...]
    live: Bools
    certain: Bools
    component: Ints

    @classmethod
    def of(cls, log: Impressions, model: Model, weights: Floats | None, bias: Shape) -> Task:
        """Find out what can be fitted to a log."""
        alike = model == "given" or weights is not None
        group = np.zeros(len(log), np.int64) if alike else log.item.astype(np.int64)
        groups = 1 if alike else len(log.item_names)
        clicks = np.bincount(group[log.clicked], minlength=groups)
        there = (clicks > 0)[group]
        live = there & _clicked_places(log, there, bias)[log.position]
        certain = np.zeros(groups, np.bool_)
        if weights is None:
            certain = (_unbeaten if model == "luce" else _never_missed)(log, live, group, clicks)
        there &= _apart(log, certain[group], model)
        hit = _clicked_places(log, there, bias)
        live = there & hit[log.position]
        if not live.any():
            raise RecsimError("impressions: whatever is clicked is clicked whenever it is shown; give a longer log")
        component = _linked(group[live], groups, log.position[live], log.depth)
        offset, design, places = _shape(bias, hit, component)
        factor = np.ones(len(log)) if weights is None else weights
        return cls(log, model, bias, weights, group, groups, clicks, factor, offset, design, places, live, certain, component)

    @property
    def components(self) -> int:
        """How many sets of positions are linked to each other only."""
        return int(self.component.max()) + 1

    def log_bias(self, beta: Floats) -> Floats:
        """Return the logarithm of the attention that each position gets: (depth,)."""
        return self.offset + (self.design * beta).sum(axis=1)


def _clicked_places(log: Impressions, rows: Bools, bias: Shape) -> Bools:
    """Return the positions that were clicked in some rows, (depth,); all where biases are not free."""
    return (np.bincount(log.position[log.clicked & rows], minlength=log.depth) > 0) | (bias != "free")


def _unbeaten(log: Impressions, live: Bools, group: Ints, clicks: Ints) -> Bools:
    """Return the groups that never lost, not even to one that lost to another, and so on, (groups,); luce.

    The graph of who lost to whom must lead from the outside option to everybody (on the existence of a maximum: Hunter,
    "MM algorithms for generalized Bradley-Terry models", Annals of Statistics 32, 2004). Visits that show one of the
    others are always won by such.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import breadth_first_order

    _, choice = grouped(log)
    assert log.visit is not None
    if (choice >= 0).all():
        return np.zeros(len(clicks), np.bool_)
    winner = np.full(len(choice), len(clicks))
    winner[log.visit[log.clicked]] = group[log.clicked]
    edges = winner[log.visit[live]], group[live]
    graph = coo_array((np.ones(len(edges[0])), edges), shape=(len(clicks) + 1,) * 2).tocsr()
    reached = breadth_first_order(graph, len(clicks), return_predecessors=False)
    return (clicks > 0) & ~np.isin(np.arange(len(clicks)), reached)


def _never_missed(log: Impressions, live: Bools, group: Ints, clicks: Ints) -> Bools:
    """Return the groups that were clicked in each of their live rows, (groups,); given."""
    return (clicks > 0) & (np.bincount(group[live & ~log.clicked], minlength=len(clicks)) == 0)


def _apart(log: Impressions, certain: Bools, model: Model) -> Bools:
    """Return the rows that are neither certain nor, in Luce's model, beside one that is: (rows,)."""
    if model != "luce" or log.visit is None:
        return ~certain
    return (np.bincount(log.visit[certain], minlength=int(log.visit.max()) + 1) == 0)[log.visit]


def _linked(group: Ints, groups: int, position: Ints, depth: int) -> Ints:
    """Return the number of the component of each position in the graph of groups and positions; -1 of those that are not."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(group)), (group, groups + position)), shape=(groups + depth,) * 2)
    number = connected_components(edges, directed=False)[1][groups:]
    there = np.bincount(position, minlength=depth) > 0
    result = np.full(depth, -1)
    result[there] = np.unique(number[there], return_inverse=True)[1]
    return result


def _shape(bias: Shape, hit: Bools, component: Ints) -> tuple[Floats, Floats, tuple[int, ...]]:
    """Return offset and design of the logarithms of the biases, and the position of each free one."""
    depth = len(hit)
    rank = np.arange(1, depth + 1, dtype=np.float64)
    none = np.zeros((depth, 0))
    if bias == "free":
        first = {int(number): int((component == number).argmax()) for number in np.unique(component)}
        places = tuple(r for r in range(depth) if component[r] >= 0 and r != first[int(component[r])])
        return np.where(hit, 0.0, -np.inf), np.eye(depth)[:, list(places)], places
    if bias == "power":
        two = np.bincount(component[component >= 0]).max() > 1
        return np.zeros(depth), -np.log(rank)[:, None] if two else none, ()
    return (-np.log(np.log2(rank + 1)) if bias == "log" else np.zeros(depth)), none, ()


class Solved(Protocol):
    """A maximum of the likelihood: beta (q,), gamma (groups,) the logarithms of appeals, -inf or inf where they have none."""

    beta: Floats
    gamma: Floats
    log_likelihood: float
    outside: float  # 1, or 0 where every visit clicks

    def covariance(self, of_beta: Floats, of_gamma: Floats) -> Floats:
        """Return the covariance of linear combinations, (m, q) and (m, groups)."""
        ...

    def spreads(self) -> Floats:
        """Return the standard errors of gamma: (groups,)."""
        ...

    def exposure(self) -> Floats:
        """Return (rows,), by how much a row's chance of a click rises with appeal times bias, the others as fitted."""
        ...


def _newton(start: Floats, value: Any, step: Any) -> tuple[Floats, float]:
    """Return where a concave function is highest, and its value there: Newton's steps, halved while they lead down."""
    x, height = start, value(start)
    for _ in range(_STEPS):
        by = step(x)
        if not np.isfinite(by).all():
            break
        size = min(1.0, 3.0 / max(float(np.abs(by).max(initial=0)), 1e-300))  # no factor above e^3 in one step
        while size > 1e-12 and not value(x + size * by) >= height - 1e-9 * abs(height):
            size /= 2
        x = x + size * by
        height = value(x)
        if np.abs(size * by).max(initial=0) < _EXACT and size > 1e-12:
            return x, float(height)
    raise RecsimError("impressions: the likelihood has no maximum: clicks at some position are certain; give a longer log")


def _solve(matrix: Floats, right: Floats) -> Floats:
    """Return the solution of a symmetric positive definite system."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    if not len(matrix):
        return right
    try:
        return np.asarray(cho_solve(cho_factor(matrix), right))
    except (LinAlgError, ValueError):  # no curvature in some direction, or none that is finite
        raise RecsimError("impressions: the clicks do not tell all parameters apart; give a longer log") from None


# ------------------------------------------------------------------------------------------- Luce: slates, one click each
class Slates:
    """The likelihood of Luce's model; its outside option weighs 1 while appeals are fitted, or 0 if everybody clicks."""

    def __init__(self, task: Task) -> None:
        self.task, log = task, task.log
        _, choice = grouped(log)
        assert log.visit is not None
        self.outside = float((choice < 0).any())
        self.rows = np.flatnonzero(task.live)
        self.visit, self.visits = log.visit[self.rows], len(choice)
        self.at, self.clicked = log.position[self.rows], log.clicked[self.rows]
        self.which = np.unique(task.group[self.rows])
        if len(self.which) > MOST_ITEMS:
            many = f"{len(self.which)} items were clicked, and the appeals of at most {MOST_ITEMS} are fitted together"
            raise RecsimError(f"impressions: {many}; give users, whose world then says what items weigh, or leave visits out")
        self.whose = np.searchsorted(self.which, task.group[self.rows])
        self.plain = np.log(task.factor[self.rows]) + task.offset[self.at]
        # Without an outside option only ratios count: the item that was clicked most is the unit.
        q = task.design.shape[1]
        every = np.arange(q + len(self.which))
        self.free = every if self.outside else np.delete(every, q + int(task.clicks[self.which].argmax()))

    def solve(self) -> Slates:
        """Find the maximum, and keep it."""
        task, q = self.task, self.task.design.shape[1]
        start = np.zeros(q + len(self.which))
        shown = np.bincount(self.whose, self.task.factor[self.rows], minlength=len(self.which))
        start[q:] = np.log(task.clicks[self.which] / np.maximum(shown, 1))
        start[q:] -= 0 if self.outside else start[q:][task.clicks[self.which].argmax()]
        x, self.log_likelihood = _newton(start, self._value, self._step)
        self.beta, gamma = x[:q], x[q:]
        self.gamma = np.where(task.certain, np.inf, -np.inf)
        self.gamma[self.which] = gamma
        self._information = self._parts(x)[1]
        return self

    def _chances(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Return, for each row, the logarithm of its weight and its chance; and for each visit the sum of all weights."""
        q = self.task.design.shape[1]
        log_weight: Floats = self.plain + (self.task.design * x[:q]).sum(axis=1)[self.at] + x[q:][self.whose]
        weight = np.exp(log_weight)
        total = self.outside + np.bincount(self.visit, weight, self.visits).astype(np.float64)
        return log_weight, weight / total[self.visit], total

    def _value(self, x: Floats) -> float:
        log_weight, _, total = self._chances(x)
        there = total > 0  # visits that are left
        return float(log_weight[self.clicked].sum() - np.log(total[there]).sum())

    def _parts(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the gradient and the observed information, of all parameters.

        The information is that of a multinomial choice: sum over visits of E[f f'] - E[f] E[f]', f being the parameters
        that a row has.
        """
        from scipy.sparse import csr_matrix

        design, groups = self.task.design, len(self.which)
        _, p, _ = self._chances(x)
        z = design[self.at]
        surplus = self.clicked - p
        gradient = np.append((z * surplus[:, None]).sum(axis=0), np.bincount(self.whose, surplus, groups))
        ones = (p, (self.visit, self.whose))
        of_group = csr_matrix(ones, shape=(self.visits, groups))
        of_bias = np.array([np.bincount(self.visit, p * column, self.visits) for column in z.T]).reshape(-1, self.visits).T
        cross = csr_matrix((p, (self.whose, self.at)), shape=(groups, len(design))) @ design - of_group.T @ of_bias
        corner = (z * p[:, None]).T @ z - of_bias.T @ of_bias
        block = np.diag(np.bincount(self.whose, p, groups)) - (of_group.T @ of_group).toarray()
        return gradient, np.block([[corner, cross.T], [cross, block]])

    def _step(self, x: Floats) -> Floats:
        gradient, information = self._parts(x)
        result = np.zeros(len(x))
        result[self.free] = _solve(information[np.ix_(self.free, self.free)], gradient[self.free])
        return result

    def covariance(self, of_beta: Floats, of_gamma: Floats) -> Floats:
        """Return the covariance of linear combinations, (m, q) and (m, groups)."""
        rows = np.hstack([of_beta, of_gamma[:, self.which]])[:, self.free]
        return rows @ _solve(self._information[np.ix_(self.free, self.free)], rows.T)

    def spreads(self) -> Floats:
        """Return the standard errors of the appeals relative to their mean: (groups,)."""
        q, free = len(self.beta), self.free
        inverse = np.zeros(self._information.shape)
        inverse[np.ix_(free, free)] = _solve(self._information[np.ix_(free, free)], np.eye(len(free)))
        c, a = inverse[q:, q:], np.exp(self.gamma[self.which] - self.gamma[self.which].max())
        a /= a.sum()
        ca = (c * a).sum(axis=1)
        result = np.full(self.task.groups, np.nan)
        result[self.which] = np.sqrt(np.maximum(np.diag(c) - 2 * ca + (ca * a).sum(), 0))
        return result

    def exposure(self) -> Floats:
        """Return factor / (sum of all weights in the visit), for all rows."""
        assert self.task.log.visit is not None
        total = self._chances(np.append(self.beta, self.gamma[self.which]))[2]
        return np.asarray(self.task.factor / np.maximum(total, 1e-300)[self.task.log.visit], np.float64)


# ------------------------------------------------------------------------------------------------ Given: row by row
class Cells:
    """The likelihood of the model of Given; rows of one group and position are alike, so that their numbers suffice."""

    outside = 1.0

    def __init__(self, task: Task) -> None:
        self.task = task
        shape, cell = (task.groups, task.log.depth), task.group * task.log.depth + task.log.position
        size = task.groups * task.log.depth
        self.shown = np.bincount(cell[task.live], minlength=size).reshape(shape).astype(np.float64)
        self.clicks = np.bincount(cell[task.log.clicked & task.live], minlength=size).reshape(shape).astype(np.float64)
        self.which = np.unique(task.group[task.live])
        self.shown, self.clicks = self.shown[self.which], self.clicks[self.which]

    def solve(self) -> Cells:
        """Find the maximum, and keep it."""
        q = self.task.design.shape[1]
        worst = self.clicks.sum() / self.shown.sum(axis=0)[self.shown.any(axis=0)].sum()
        rate = (self.clicks.sum(axis=1) + worst) / (self.shown.sum(axis=1) + 1)
        lifted = np.where(np.isfinite(self.task.offset), self.task.offset, 0.0).max()
        x, self.log_likelihood = _newton(np.append(np.zeros(q), np.log(rate) - lifted), self._value, self._step)
        self.beta = x[:q]
        self.gamma = np.where(self.task.certain, np.inf, -np.inf)
        self.gamma[self.which] = x[q:]
        self._kept = self._parts(x)
        return self

    def _log_chance(self, x: Floats) -> Floats:
        """Return the logarithm of the chance of a click in each cell, 0 where nothing was shown."""
        q = self.task.design.shape[1]
        raw = x[q:, None] + self.task.log_bias(x[:q])
        return np.where(self.shown > 0, raw, -1.0)

    def _value(self, x: Floats) -> float:
        chance = self._log_chance(x)
        if (chance >= 0).any():
            return -np.inf
        missed = self.shown - self.clicks
        return float((self.clicks * chance + missed * np.log(-np.expm1(chance))).sum())

    def _parts(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return the gradient by beta and gamma, and the information: gamma's diagonal, mixed (groups, q), and beta's."""
        odds = 1 / np.expm1(-self._log_chance(x))
        missed = np.where(self.shown > 0, self.shown - self.clicks, 0.0)
        slope = np.where(self.shown > 0, self.clicks - missed * odds, 0.0)
        curve = missed * odds * (1 + odds)
        design = self.task.design
        return (
            (slope.sum(axis=0)[:, None] * design).sum(axis=0), slope.sum(axis=1), curve.sum(axis=1), curve @ design,
            (design * curve.sum(axis=0)[:, None]).T @ design,
        )  # fmt: skip

    def _step(self, x: Floats) -> Floats:
        """Return Newton's step; a group's appeal meets the others' in the biases alone, so those are solved first."""
        by_beta, by_gamma, own, mixed, corner = self._parts(x)
        share = mixed / own[:, None]
        beta = _solve(corner - mixed.T @ share, by_beta - share.T @ by_gamma)
        return np.append(beta, by_gamma / own - share @ beta)

    def covariance(self, of_beta: Floats, of_gamma: Floats) -> Floats:
        """Return the covariance of linear combinations, (m, q) and (m, groups)."""
        _, _, own, mixed, corner = self._kept
        share = mixed / own[:, None]
        groups = of_gamma[:, self.which]
        rows = of_beta - groups @ share
        return rows @ _solve(corner - mixed.T @ share, rows.T) + (groups / own) @ groups.T

    def spreads(self) -> Floats:
        """Return the standard errors of gamma: (groups,)."""
        _, _, own, mixed, corner = self._kept
        share = mixed / own[:, None]
        result = np.full(self.task.groups, np.nan)
        result[self.which] = np.sqrt(1 / own + (share * _solve(corner - mixed.T @ share, share.T).T).sum(axis=1))
        return result

    def exposure(self) -> Floats:
        """Return 1 for all rows."""
        return np.ones(len(self.task.log))
