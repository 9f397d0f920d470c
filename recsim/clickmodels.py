"""Click models fitted to impressions by maximum likelihood, each figure with its interval, and what a log cannot tell.

Two models, the two kinds of choice that a scenario knows. With b_r the attention that position r gets:

Luce: one click at most in a visit; P(item i at r | slate) = v_i b_r / (w + sum_j v_j b_j), w the weight of leaving without
a click (Luce 1959; with positions as one more factor). Its log-likelihood is concave in the logarithms (McFadden,
"Conditional logit analysis of qualitative choice behavior", 1974).
Given: rows by themselves; P(click on i at r) = theta_i b_r, the examination hypothesis (Richardson, Dominowska, Ragno,
"Predicting clicks", WWW 2007; Craswell et al., "An experimental comparison of click position-bias models", WSDM 2008).
Concave in the logarithms too.

Intervals are Wald's on the logarithmic scale, from the observed information.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from recsim.errors import RecsimError
from recsim.impressions import Bools, Floats, Impressions
from recsim.inference import SURE
from recsim.likelihoods import Cells, Model, Shape, Slates, Solved, Task
from recsim.logfiles import Ints


class Estimate(NamedTuple):
    """A figure and its interval, which holds the true one with probability *level*; low = 0 marks a bound from above."""

    value: float
    low: float
    high: float
    level: float = SURE


@dataclass(frozen=True)
class ClickFit:
    """What a log of impressions says about what people do with a slate.

    estimates: by name. luce: "outside" (an average item weighs 1); given: "theta", the click rate at the top, of an average
    item; then "bias@2", ... in the positions of the file, that of the top being 1, or "exponent". Each interval is for its
    own figure alone. simultaneous: the same with intervals that hold all true figures at once (Bonferroni).
    names, covariance: of the logarithms of those with two-sided intervals (of the exponent itself). not_identified: what
    the log cannot tell, each with the reason. parameters: how many numbers were fitted.
    appeal: (items,), luce: v_i, mean 1, or 1 where weights were given; given: theta_i; with the ends of their intervals, 0
    and a one-sided upper end for who was never clicked. shrunk: (items,) the same drawn together by the gamma distribution
    that fits them best, all positive. click_rate: of all rows. uniform_rate: of a feed that shows all items alike, by
    inverse propensities.
    choice: the table of a scenario that clicks like this, None where something in it is not identified.
    """

    model: Model
    bias: Shape
    estimates: dict[str, Estimate]
    simultaneous: dict[str, Estimate]
    names: tuple[str, ...]
    covariance: Floats
    not_identified: dict[str, str]
    log_likelihood: float
    parameters: int
    appeal: Floats
    appeal_low: Floats
    appeal_high: Floats
    shrunk: Floats
    click_rate: Estimate
    uniform_rate: Estimate | None
    choice: dict[str, Any] | None

    @property
    def identified(self) -> tuple[str, ...]:
        """The names of all that the log can tell."""
        return tuple(self.estimates)


def fit_clicks(
    impressions: Impressions, model: Model | None = None, weights: Floats | None = None, bias: Shape = "free"
) -> ClickFit:
    """Return what fits the clicks best.

    model: "luce" where the log has visits, else "given by item" (a theta for each); "given" is one theta for all.
    weights: (rows,) m p_u(i) of each row in a known world, above 0, in place of fitted appeals; luce only. Its intervals
    take them as certain. bias: "free", a share for each position; "power", r^-exponent; "log", 1/log2(r + 1); "none".

    Raises RecsimError when nothing was clicked, when a visit has two clicks (luce), when clicks are certain (given), when
    there are more than 3,000 items to fit (luce without weights), or when the likelihood has no maximum.
    """
    from threadpoolctl import threadpool_limits

    chosen: Model = model or ("luce" if impressions.visit is not None else "given by item")
    if not impressions.clicked.any():
        raise RecsimError("impressions: nothing was clicked, which fits any model; give a longer log")
    if weights is not None and chosen != "luce":
        raise RecsimError("weights: are for the model luce; leave them out")
    if weights is not None and not (len(weights) == len(impressions) and (weights > 0).all() and np.isfinite(weights).all()):
        raise RecsimError("weights: must be one positive number a row; see CalibratedUsers and CalibratedItems")
    # A likelihood without a maximum is climbed until numbers overflow, and is then told so.
    with threadpool_limits(limits=1, user_api="blas"), np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        task = Task.of(impressions, chosen, weights, bias)
        solved = Slates(task).solve() if chosen == "luce" else Cells(task).solve()
        return _told(task, solved)


def compare_shapes(impressions: Impressions, fit: ClickFit, weights: Floats | None = None) -> dict[str, dict[str, float]]:
    """Return, for each shape of the bias with fewer parameters, the likelihood-ratio test of it against the free one.

    statistic: twice the log-likelihood lost; degrees: parameters spared; p: from the chi-squared distribution. A shape that
    cannot be fitted, or spares nothing, is left out.
    """
    from scipy.stats import chi2

    result: dict[str, dict[str, float]] = {}
    shapes: tuple[Shape, ...] = ("power", "log", "none")
    for shape in shapes:
        try:
            other = fit_clicks(impressions, fit.model, weights, shape)
        except RecsimError:
            continue
        degrees, statistic = fit.parameters - other.parameters, 2 * (fit.log_likelihood - other.log_likelihood)
        if degrees > 0:
            result[shape] = {"statistic": statistic, "degrees": degrees, "p": float(chi2.sf(statistic, degrees))}
    return result


# ------------------------------------------------------------------------------------------------------ what is told
def _told(task: Task, solved: Solved) -> ClickFit:
    """Return a fit with its intervals, and what it leaves open."""
    figures = _figures(task, solved)
    names = tuple(figures)
    covariance = solved.covariance(
        np.array([beta for _, beta, _ in figures.values()]).reshape(len(names), len(solved.beta)),
        np.array([gamma for _, _, gamma in figures.values()]).reshape(len(names), task.groups),
    )
    spreads = np.sqrt(np.diag(covariance))
    found = [(name, place, spread) for (name, (place, _, _)), spread in zip(figures.items(), spreads, strict=True)]
    each = 1 - (1 - SURE) / max(1, len(found))
    alone = {name: _around(place, spread, SURE, name != "exponent") for name, place, spread in found}
    together = {name: _around(place, spread, each, name != "exponent")._replace(level=SURE) for name, place, spread in found}
    bounds = _bounded(task, solved)
    appeal, low, high = _appeals(task, solved)
    shrunk = _shrunk(task, solved)
    why = _not_identified(task, solved)
    return ClickFit(
        task.model, task.bias, _sorted(alone | bounds), _sorted(together | bounds), names, covariance, why,
        solved.log_likelihood, len(solved.beta) + int(np.isfinite(solved.gamma).sum()) - (solved.outside == 0),
        appeal, low, high, shrunk, _rate(task.log.clicked, np.ones(len(task.log))), _uniform_rate(task.log),
        None if why.keys() & _NEEDED else _table(task, alone | bounds, shrunk),
    )  # fmt: skip


_NEEDED = {"outside", "theta", "bias", "exponent"}  # by a choice that is to click as the log does


def _around(place: float, spread: float, level: float, is_log: bool = True) -> Estimate:
    """Return a figure with its interval, normal on the scale of its logarithm if the place is one."""
    far = _normal(level) * float(spread)
    value, low, high = (float(np.exp(end)) if is_log else float(end) for end in (place, place - far, place + far))
    return Estimate(value, low, high, level)


def _normal(level: float) -> float:
    """Return how many standard errors to each side hold a normal number with this probability."""
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def _sorted(estimates: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """Return the estimates in the order of the slate, the level first."""
    level = [name for name in estimates if "@" not in name]
    return {n: estimates[n] for n in [*level, *sorted(estimates.keys() - set(level), key=lambda name: int(name.split("@")[1]))]}


def _level(task: Task) -> str:
    return "outside" if task.model == "luce" else "theta"


def _figures(task: Task, solved: Solved) -> dict[str, tuple[float, Floats, Floats]]:
    """Return what has a two-sided interval: its logarithm, the exponent itself, and how that depends on beta and gamma."""
    q, result = len(solved.beta), {}
    if (task.components == 1 or task.groups == 1) and solved.outside:
        v = np.where(np.isfinite(solved.gamma), np.exp(solved.gamma), 0.0)
        sign = -1 if task.model == "luce" else 1
        mean = v.sum() / (~task.certain).sum()
        result[_level(task)] = (sign * float(np.log(mean)), np.zeros(q), sign * v / v.sum())
    if task.bias == "power" and q:
        result["exponent"] = (float(solved.beta[0]), np.ones(1), np.zeros(task.groups))
    for column, place in enumerate(task.places):
        unit = np.arange(q) == column
        result[f"bias@{task.log.named(place)}"] = (float(solved.beta[column]), unit.astype(np.float64), np.zeros(task.groups))
    return result


def _bounded(task: Task, solved: Solved) -> dict[str, Estimate]:
    """Return what is 0 as far as the log tells, with the highest value that would leave it so in 5 % of logs.

    The other parameters stand as they are fitted.
    """
    log, result = task.log, {}
    if not solved.outside:
        assert log.visit is not None
        v = np.exp(np.where(task.live, task.log_bias(solved.beta)[log.position] + solved.gamma[task.group], -np.inf))
        total = np.bincount(log.visit, v * task.factor)
        unit = np.zeros(len(total), np.int64)
        there = total > 0
        high = float(_bound(unit[there], 1, 1 / total[there], False)[0])
        scale = float(np.exp(solved.gamma[np.isfinite(solved.gamma)]).sum() / task.groups)
        result["outside"] = Estimate(0.0, 0.0, high / scale)
    if task.bias == "free":
        dead = np.intersect1d(np.unique(log.position), np.flatnonzero(np.isinf(task.offset)))
        rows = np.isin(log.position, dead) & np.isfinite(solved.gamma)[task.group]
        chance = np.exp(solved.gamma[task.group[rows]]) * solved.exposure()[rows]
        ends = _bound(log.position[rows], log.depth, chance, task.model != "luce")
        result |= {f"bias@{log.named(int(r))}": Estimate(0.0, 0.0, float(ends[r])) for r in dead}
    return result


def _bound(group: Ints, groups: int, slope: Floats, independent: bool) -> Floats:
    """Return the value t of each group under which its rows are all without a click with probability 5 %: (groups,).

    slope: (rows,). independent: a row has no click with probability 1 - t slope, else with 1 / (1 + t slope). inf where
    no value brings it down so far.
    """
    steepest = np.zeros(groups)
    np.maximum.at(steepest, group, slope)
    top = np.divide(1.0, steepest, out=np.full(groups, np.inf), where=steepest > 0)
    high = np.where(np.isfinite(top), np.log(top) + (0.0 if independent else 60.0), 0.0)
    low = high - 80.0
    for _ in range(60):
        middle = (low + high) / 2
        x = np.exp(middle)[group] * slope
        missed = np.bincount(group, np.log1p(-np.minimum(x, 1 - 1e-15)) if independent else -np.log1p(x), groups)
        low, high = np.where(missed > np.log(1 - SURE), middle, low), np.where(missed > np.log(1 - SURE), high, middle)
    return np.where(np.isfinite(top), np.exp(high), np.inf)


def _appeals(task: Task, solved: Solved) -> tuple[Floats, Floats, Floats]:
    """Return the appeal of each item and the ends of its interval: (items,)."""
    items = len(task.log.item_names)
    if task.groups == 1 and items > 1:
        theta = _around(float(solved.gamma[0]), float(solved.spreads()[0]), SURE)
        same = theta[:3] if task.model == "given" else (1.0, np.nan, np.nan)
        one, bottom, top = (np.full(items, end) for end in same)
        return one, bottom, top
    v = np.exp(solved.gamma)
    far = _normal(SURE) * solved.spreads()
    if task.model == "luce":
        v = v / (v[np.isfinite(v)].sum() / (~task.certain).sum())
    low, high = np.where(v > 0, v * np.exp(-far), 0.0), v * np.exp(far)
    never = np.flatnonzero(v == 0)
    if len(never):
        rows = np.isin(task.group, never) & np.isfinite(task.log_bias(solved.beta)[task.log.position])
        slope = np.exp(task.log_bias(solved.beta)[task.log.position[rows]]) * solved.exposure()[rows]
        high[never] = _bound(task.group[rows], task.groups, slope, task.model != "luce")[never]
        if task.model == "luce":
            high[never] /= np.exp(solved.gamma[np.isfinite(solved.gamma)]).sum() / (~task.certain).sum()
    low[task.certain] = np.nan
    v[task.certain] = high[task.certain] = np.inf if task.model == "luce" else 1.0
    return v, low, high


def _shrunk(task: Task, solved: Solved) -> Floats:
    """Return (items,) appeals drawn together: posterior means under the gamma distribution that fits all items best.

    An item with appeal a is clicked a Poisson number of times with mean a E, E the sum of its exposures times biases, which
    at the maximum is clicks / appeal; that number is then negative binomial, and the shape of the distribution the one
    under which the clicks are likeliest (empirical Bayes). As appeals: mean 1 for luce, click rates for given.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import gammaln

    log, items = task.log, len(task.log.item_names)
    attention = np.exp(task.log_bias(solved.beta))[log.position]
    exposed = np.maximum(np.bincount(log.item, attention * solved.exposure(), items), 1e-300)
    clicks = np.bincount(log.item[log.clicked], minlength=items).astype(np.float64)
    mean = clicks.sum() / exposed.sum()

    def unlikely(log_shape: float) -> float:
        a, m = np.exp(log_shape), mean * exposed
        return -float((gammaln(clicks + a) - gammaln(a) + a * np.log(a / (a + m)) + clicks * np.log(m / (a + m))).sum())

    shape = np.exp(minimize_scalar(unlikely, bounds=(-6, 14), method="bounded").x)
    shrunk = (clicks + shape) / (exposed + shape / mean)
    return np.asarray(shrunk / shrunk.mean() if task.model == "luce" else np.minimum(shrunk, 1.0), np.float64)


def _rate(clicked: Bools, weight: Floats) -> Estimate:
    """Return the weighted share of rows that were clicked, as if rows were independent."""
    rate = float(weight[clicked].sum() / weight.sum())
    spread = float(np.sqrt((weight**2 * (clicked - rate) ** 2).sum()) / weight.sum())
    return _around(float(np.log(rate)), spread / rate, SURE)


def _uniform_rate(log: Impressions) -> Estimate | None:
    """Return the click rate of a feed that shows all items alike, rows weighing 1 / propensity, self-normalised.

    No row weighs more than ten times what it would if the feed did so.
    """
    if log.propensity is None:
        return None
    return _rate(log.clicked, np.minimum(1 / log.propensity, 10.0 * len(log.item_names)))


def _not_identified(task: Task, solved: Solved) -> dict[str, str]:
    """Return what the log cannot tell, each with the reason."""
    log, level, why = task.log, _level(task), {}
    if task.components > 1 and task.groups > 1:
        parts = [[log.named(int(r)) for r in np.flatnonzero(task.component == c)] for c in range(task.components)]
        told = " and ".join(", ".join(map(str, part)) for part in parts)
        why["bias"] = f"no item was shown in two of these groups of positions: {told}; within each the first counts as 1"
        why[level] = "it hangs on the biases of positions that no item links"
    if task.bias == "power" and not len(solved.beta):
        why["exponent"] = "no item was shown at two positions"
    if task.model != "luce":
        reason = "the log does not say which rows were shown in one visit" if log.visit is None else "rows are taken one by one"
        why["outside option"] = f"{reason}, so what was shown beside an item, and visits without a click, say nothing"
        why["scale of bias and theta"] = "only their products are clicks; the top position's bias counts as 1"
    elif not solved.outside:
        why["scale of outside"] = "every visit clicked, so that there is only a bound from above"
    if task.model == "given":
        why["appeal of items"] = "all are taken as alike; what better items at the top do is counted as bias of the position"
    never, certain = int((task.clicks == 0).sum()), int(task.certain.sum())
    if never and task.groups > 1:
        why[f"appeal of {never} items"] = "they were never clicked: there is only a bound from above"
    if certain:
        told = "they were clicked whenever they were shown" + (", or lost to each other alone" if task.model == "luce" else "")
        why[f"appeal of {certain} other items"] = f"{told}: no bound from above, and left out of the mean"
    gaps = sorted(set(range(log.depth)) - set(np.unique(log.position).tolist()))
    if gaps and task.bias == "free":
        why["bias of positions " + ", ".join(str(log.named(r)) for r in gaps)] = "nothing was shown there"
    people = "the log has no users" if log.user is None else "appeals are those of an average visit"
    if task.weights is None:
        why["interests of single people"] = f"{people}; all are taken as alike here"
    return why


def _table(task: Task, estimates: Mapping[str, Estimate], shrunk: Floats) -> dict[str, Any]:
    """Return the table of a choice: no bias above 1, and where nothing was shown that of the position above."""
    log, level = task.log, _level(task)
    exponent = estimates["exponent"].value if task.bias == "power" else 0.0
    if task.bias in ("log", "none"):
        bias: Any = task.bias
        largest = 1.0
    elif task.bias == "power" and exponent >= 0:
        bias, largest = exponent, 1.0
    elif task.bias == "power":
        rising = np.arange(1, log.depth + 1) ** -exponent
        largest = float(rising[-1])
        bias = (rising / largest).tolist()
    else:
        known = {r: estimates[name].value for r in range(log.depth) if (name := f"bias@{log.named(r)}") in estimates}
        shown, values = np.unique(log.position), [1.0]
        for r in range(1, log.depth):
            values.append(known.get(r, 1.0 if r in shown else values[-1]))
        largest = max(values)
        bias = [value / largest for value in values]
    if level == "outside":
        return {"kind": "Luce", "outside": estimates["outside"].value / largest, "clicks": 1, "bias": bias}
    theta: Any = np.minimum(shrunk * largest, 1.0).tolist() if task.groups > 1 else min(estimates["theta"].value * largest, 1.0)
    return {"kind": "Given", "theta": theta, "bias": bias}
