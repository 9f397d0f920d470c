"""Off-policy estimates: what another feed would have got, from a log of what this one showed and how likely that was.

A case is a visit with its slate, or a row by itself where the log has no visits. What is estimated is the expected reward of a
case had the target filled it, everything else as it was: the same visits, the same models, the same past. Rows of a visit
have chances *given the visit and the items above*, so the chance of a whole slate is their product, and the weight of a
case is that of the target over that of the log:

* scope "slate": every reward of a visit has the weight of the whole slate. Right whatever the reward depends on (as where
  items compete for one click: `Luce`).
* scope "cascade": a reward has the weight of its own row and of those above it. Right where nothing below changes it
  (`Given`, `Cascade`), and narrower. McInerney et al. 2020, "Counterfactual evaluation of slate recommendations with
  sequential reward interactions" (KDD).
* without visits each row has its own weight. That is right for slates of one item; for longer ones only where a reward depends
  on nothing but item and position, and if both chances are those of the item at the position *whatever stands above*:
  Li et al. 2018, "Offline evaluation of ranking policies with click models" (KDD). The log of a run has no such chances.

All that is needed are columns of numbers, of any log; `recsim.offpolicy` makes them of a run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from recsim.consumption import nth
from recsim.errors import RecsimError, nearest
from recsim.inference import SURE

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEEDED = "propensity", "target"
MODEL = "prediction", "expected"
FEW, HEAVY = 100, 0.05  # effective cases below which, and share of one case above which, a mean is not yet near normal
CERTAIN = 1 - 6e-5  # of what is said about mean weights: four standard errors


class Estimate(NamedTuple):
    """A value and the ends of its interval, in units of the reward; NaN where there is too little to say."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Cases:
    """Visits and how their rewards are weighed: row i of every array is a case, column r its position r from the top.

    reward: (n, k), 0 where nothing was shown. upto, above: (n, k), what the items down to r, and those above r, are as likely
    under the target as under the log. weight: (n, k), that of the reward. cluster: (n,), who may depend on each other.
    prediction, expected: (n, k), of all that the row's weight is for, see `doubly_robust`; None where the log has none.
    unsupported: (n,), see `diagnose`.
    """

    reward: Floats
    weight: Floats
    upto: Floats
    above: Floats
    cluster: Ints
    prediction: Floats | None = None
    expected: Floats | None = None
    unsupported: Floats | None = None

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def whole(self) -> Floats:
        """The weight of each whole slate: (n,)."""
        return self.upto[:, -1]


# ------------------------------------------------------------------------------------------------------ from rows to cases
def cases(
    log: Mapping[str, Any] | pd.DataFrame,
    scope: Literal["slate", "cascade"] = "slate",
    per: Literal["visit", "impression"] = "visit",
) -> Cases:
    """Return the cases of a log of impressions, one a row, in any order.

    log: a data frame, or columns by name. propensity: in (0, 1], how likely the log was to show this item at this place, given
    the visit and the items above. target: in [0, 1], how likely the target was to, *below the same items*. reward: any
    number (without it: clicked). user: who; rows of one user may depend on each other, and intervals allow for it. visit: which
    rows were shown together; where there are users each counts her own. position: whole numbers from the top of each
    slate on, none left out; without it rows of a visit stand from the top. prediction, expected: see `doubly_robust`.
    unsupported: see `diagnose`. per: what the reward is counted by; "impression" divides it by the rows of its visit.

    Raises RecsimError in one line where a column is missing or holds what it cannot hold.

    >>> log = {"visit": [1, 1], "reward": [0, 1], "propensity": [0.5, 0.5], "target": [1.0, 0.25]}
    >>> cases(log).weight.tolist(), cases(log, "cascade").weight.tolist()
    ([[1.0, 1.0]], [[2.0, 1.0]])
    """
    for name, given, valid in (("scope", scope, ("slate", "cascade")), ("per", per, ("visit", "impression"))):
        if given not in valid:
            raise RecsimError(f"{name}: {given!r} is none; {nearest(str(given), valid)}")
    columns = _columns(log)
    visit, place = _places(columns)
    at, shape = (visit, place), (int(visit.max()) + 1, int(place.max()) + 1)

    def grid(column: Floats, empty: float) -> Floats:
        table = np.full(shape, empty)
        table[at] = column
        return table

    share = 1 / np.bincount(visit)[visit] if per == "impression" else np.ones(len(visit))
    upto: Floats = np.asarray(np.cumprod(grid(columns["target"] / columns["propensity"], 1.0), axis=1), np.float64)
    above = np.ones(shape)
    above[:, 1:] = upto[:, :-1]
    weight: Floats = upto if scope == "cascade" else np.broadcast_to(upto[:, -1:], shape)
    model: dict[str, Floats] = {}
    if "prediction" in columns:
        own, mean = (grid(columns[name] * share, 0.0) for name in MODEL)
        below = np.maximum(np.bincount(visit)[:, None] - 1 - np.arange(shape[1]), 0)
        other = below * mean + (np.cumsum(own, axis=1) - own if scope == "slate" else 0.0)
        model = {"prediction": own + other, "expected": mean + other}
    cluster, unsupported = np.arange(shape[0]), None
    if "user" in columns:
        cluster[visit] = columns["user"]
    if "unsupported" in columns:
        unsupported = np.zeros(shape[0])
        unsupported[visit] = columns["unsupported"]
    return Cases(grid(columns["reward"] * share, 0.0), weight, upto, above, cluster, **model, unsupported=unsupported)


def _columns(log: Mapping[str, Any] | pd.DataFrame) -> dict[str, Any]:
    """Return the columns that are used, each checked; users and visits as numbers from 0."""
    reward = "reward" if "reward" in log else "clicked"
    for name in (reward, *NEEDED):
        if name not in log:
            raise RecsimError(f"log: has no column {name!r}; {nearest(name, map(str, log))}")
    if sum(name in log for name in MODEL) == 1:
        raise RecsimError("log: has one of the columns prediction and expected; give both, or neither")
    found: dict[str, Any] = {"reward": _numbers(log, reward, -math.inf, math.inf)}
    found |= {"propensity": _numbers(log, "propensity", 0, 1), "target": _numbers(log, "target", 0, 1 + 1e-9)}
    found |= {name: _numbers(log, name, -math.inf, math.inf) for name in (*MODEL, "position") if name in log}
    found |= {name: _numbers(log, name, 0, 1) for name in ("unsupported",) if name in log}
    found |= {name: np.unique(np.asarray(log[name]), return_inverse=True)[1] for name in ("user", "visit") if name in log}
    if not found["propensity"].all():
        raise RecsimError("propensity: some are 0, but what was shown had a chance; mend or drop these rows")
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1 or not lengths["reward"]:
        raise RecsimError(f"log: columns have {lengths} rows; give all of them the same number, at least one")
    return found


def _numbers(log: Mapping[str, Any] | pd.DataFrame, name: str, least: float, most: float) -> Floats:
    """Return a column as (rows,) finite numbers from *least* to *most*."""
    try:
        column = np.asarray(log[name], np.float64)
    except (TypeError, ValueError):
        raise RecsimError(f"{name}: holds what is no number; give numbers") from None
    if column.ndim != 1 or not (np.isfinite(column) & (column >= least) & (column <= most)).all():
        raise RecsimError(f"{name}: give a finite number from {least:g} to {most:g} a row; drop rows that the feed did not place")
    return column


def _places(columns: dict[str, Any]) -> tuple[Ints, Ints]:
    """Return the case of each row and its place in it, from 0: both (rows,)."""
    rows = len(columns["reward"])
    if "visit" not in columns:
        return np.arange(rows), np.zeros(rows, np.int64)
    keys = columns["visit"]
    if "user" in columns:
        keys = np.unique(columns["user"] * (int(keys.max()) + 1) + keys, return_inverse=True)[1]
    if "position" not in columns:
        return keys, nth(keys)
    position, place = columns["position"], np.empty(rows, np.int64)
    order = np.lexsort((position, keys))
    place[order] = nth(keys[order])
    if (position - place != position.min()).any():
        raise RecsimError("position: a visit has a place twice or leaves one out; give every row of a slate, from the top on")
    return keys, place


# ------------------------------------------------------------------------------------------------------------- estimates
def ips(given: Cases, sure: float = SURE) -> Estimate:
    """Return the mean of weighed rewards: unbiased wherever the log could show all that the target would show.

    V = 1/n sum_i sum_r w_ir R_ir. Variance for independent cases: (E[w^2 R^2] - V^2) / n. Interval: Student's t over the
    clusters' sums of what cases are off by, with clusters - 1 degrees of freedom; NaN ends for fewer than two. It holds
    where the mean is near normal: see `diagnose`. Source: Horvitz and Thompson 1952, "A generalization of sampling
    without replacement from a finite universe" (JASA 47); for slates see the scopes of this module.

    >>> log = {"reward": [1, 0, 1, 0], "propensity": [0.5, 0.5, 0.25, 0.25], "target": [0.25, 0.25, 0.5, 0.5]}
    >>> ips(cases(log)).value
    0.625
    """
    terms = (given.weight * given.reward).sum(axis=1)
    return _around(float(terms.mean()), terms - terms.mean(), given.cluster, sure)


def self_normalised(given: Cases, sure: float = SURE) -> Estimate:
    """Return the mean of rewards by weight: it cannot leave the range of the rewards, at the price of a bias of order 1/n.

    V = sum over positions r of (sum_i w_ir R_ir) / (sum_i w_ir). Interval as in `ips`, with w_ir (R_ir - V_r) over the mean
    weight of the position in place of what cases are off by (the delta method). NaN where all weights are 0.
    Source: Swaminathan and Joachims 2015, "The self-normalized estimator for counterfactual learning" (NIPS); position by
    position as in McInerney et al. 2020.

    >>> log = {"reward": [1, 0, 1, 0], "propensity": [0.5, 0.5, 0.25, 0.25], "target": [0.25, 0.25, 0.5, 0.5]}
    >>> self_normalised(cases(log)).value
    0.5
    """
    mean = given.weight.mean(axis=0)
    if not mean.all():
        return Estimate(math.nan, math.nan, math.nan)
    by_position = (given.weight * given.reward).mean(axis=0) / mean
    off = (given.weight / mean * (given.reward - by_position)).sum(axis=1)
    return _around(float(by_position.sum()), off, given.cluster, sure)


def doubly_robust(given: Cases, sure: float = SURE) -> Estimate:
    """Return what a model predicts for the target, corrected by the weighed errors that it made on the log.

    V = 1/n sum_i sum_r (w_ir R_ir + a_ir E_ir - u_ir Q_ir), where u weighs the items down to r and a those above it. For
    slates of one item Q is the column *prediction*, what the model made of this row's reward, and E is *expected*, the mean of
    its predictions over what the target would put there. For longer ones both have added what neither knows of the item:
    that each row below does as well as *expected* here, and for scope "slate" the predictions of the rows above. With
    right chances the estimate is unbiased for any predictions made without the rewards of these rows, and the better they are the
    narrower; with slates of one item it is unbiased for right predictions and wrong chances too.
    NaN where the log has no predictions. Interval as in `ips`. Source: Dudik, Langford and Li 2011, "Doubly robust policy
    evaluation and learning" (ICML); from the top down, after Jiang and Li 2016 (ICML).

    >>> log = {"reward": [1, 0], "propensity": [0.5, 0.5], "target": [1, 0], "prediction": [0.9, 0.2], "expected": [0.9, 0.9]}
    >>> doubly_robust(cases(log)).value
    1.0
    """
    if given.prediction is None or given.expected is None:
        return Estimate(math.nan, math.nan, math.nan)
    terms = (given.weight * given.reward + given.above * given.expected - given.upto * given.prediction).sum(axis=1)
    return _around(float(terms.mean()), terms - terms.mean(), given.cluster, sure)


def logged(given: Cases, sure: float = SURE) -> Estimate:
    """Return what the log itself got: the mean reward of a case, with its interval.

    >>> logged(cases({"reward": [1, 0, 0, 1], "propensity": [1] * 4, "target": [1] * 4})).value
    0.5
    """
    return ips(replace(given, weight=np.ones(given.weight.shape)), sure)


def _around(value: float, off: Floats, cluster: Ints, sure: float) -> Estimate:
    """Return Student's t interval around a mean from what cases, (n,), are off by: those of one cluster are added first."""
    from scipy.stats import t

    if not 0 < sure < 1:
        raise RecsimError(f"sure: {sure} is not a probability; give a number between 0 and 1, such as {SURE}")
    sums = np.bincount(np.unique(cluster, return_inverse=True)[1], off)
    if len(sums) < 2:
        return Estimate(value, math.nan, math.nan)
    error = math.sqrt(len(sums) / (len(sums) - 1) * float((sums**2).sum())) / len(off)
    half = float(t.ppf(0.5 + sure / 2, len(sums) - 1)) * error
    return Estimate(value, value - half, value + half)


# ----------------------------------------------------------------------------------------------------------- diagnostics
class Diagnostics(NamedTuple):
    """What there is to doubt about an estimate.

    cases, clusters: how many. effective: (sum w)^2 / sum w^2, as how many equally weighed cases they count (Kish 1965).
    largest: the share of one case in all weights. mean_weight: 1 where the log has support for the target. unsupported: the
    share of the target's slates that the log could not show. warning: plain sentences; empty where nothing is wrong.
    """

    cases: int
    clusters: int
    effective: float
    largest: float
    mean_weight: Estimate
    unsupported: float
    warning: str


def diagnose(given: Cases) -> Diagnostics:
    """Return how far the weights of whole slates can be trusted.

    The expected weight of a case is the share of the target's slates that the log could show, so what is missing to 1 is
    without support. Heavy tails hide it: the mean weight of a log is mostly too low when the largest weights are rare. Where
    the log has the column *unsupported* (0 or 1 a visit: whether what the target would show could not have been shown) that is
    counted instead.

    >>> found = diagnose(cases({"reward": [1, 0], "propensity": [1, 1], "target": [0.5, 0.5]}))
    >>> found.effective, found.largest, found.unsupported
    (2.0, 0.5, 0.5)
    >>> print(found.warning)
    without support: the log could not show 50 % of what the target would, and says nothing of it. ...
    """
    weight, total = given.whole, float(given.whole.sum())
    mean = float(weight.mean())
    sure = _around(mean, weight - mean, given.cluster, CERTAIN)
    missing = max(0.0, 1 - mean) if given.unsupported is None else float(given.unsupported.mean())
    effective = total**2 / float((weight**2).sum()) if total else 0.0
    largest = float(weight.max()) / total if total else math.nan
    faults = {
        f"without support: the log could not show {100 * missing:.2g} % of what the target would, and says nothing of it.":
            missing > 0 if given.unsupported is not None else sure.high < 1,
        f"the mean weight is {mean:.3g}, below 1 by four standard errors: the log has not met what would weigh most.":
            missing == 0 and sure.high < 1,
        f"the mean weight is {mean:.3g}, above 1 by four standard errors: chances do not belong together.": sure.low > 1,
        f"few cases carry the estimate (effective {effective:.0f} of {len(weight)}): its interval is likely to be too narrow.":
            effective < FEW or largest > HEAVY,
    }  # fmt: skip
    told = " ".join(text for text, there in faults.items() if there)
    clusters, interval = len(np.unique(given.cluster)), _around(mean, weight - mean, given.cluster, SURE)
    return Diagnostics(len(weight), clusters, effective, largest, interval, missing, told)


class Evaluation(NamedTuple):
    """What the log got, three estimates of what the target would have got, and what there is to doubt about them."""

    logged: Estimate
    ips: Estimate
    self_normalised: Estimate
    doubly_robust: Estimate
    diagnostics: Diagnostics

    def __str__(self) -> str:
        told = self.diagnostics
        lines = [
            f"{name.replace('_', ' '):15}  {value:.4f}  ({low:.4f} to {high:.4f})"
            for name, (value, low, high) in zip(self._fields[:4], self[:4], strict=True)
            if not math.isnan(value)
        ]
        lines.append(f"{told.cases} cases, effective {told.effective:.0f}, largest weight {100 * told.largest:.2g} % of all")
        return "\n".join([*lines, f"warning: {told.warning}"] if told.warning else lines)


def evaluate(given: Cases, sure: float = SURE) -> Evaluation:
    """Return all estimates of what the target would have got, each with its interval, and the diagnostics.

    >>> log = {"reward": [1, 0] * 100, "propensity": [0.5] * 200, "target": [0.75, 0.25] * 100}
    >>> print(evaluate(cases(log)))
    logged           0.5000  (0.4301 to 0.5699)
    ips              0.7500  (0.6452 to 0.8548)
    self normalised  0.7500  (0.6976 to 0.8024)
    200 cases, effective 160, largest weight 0.75 % of all
    """
    return Evaluation(
        logged(given, sure), ips(given, sure), self_normalised(given, sure), doubly_robust(given, sure), diagnose(given)
    )


# ------------------------------------------------------------------------------------------------- for another pipeline
def to_open_bandit(
    log: Mapping[str, Any] | pd.DataFrame,
    items: int,
    context: npt.ArrayLike | None = None,
    action_context: npt.ArrayLike | None = None,
) -> dict[str, Any]:
    """Return a log of impressions in the layout of the Open Bandit Pipeline: a dictionary of arrays, one round a row.

    n_rounds, n_actions = *items*; action: the item; position: from 0, the top; reward; pscore: the propensity, which is given
    the items above, as is that of the log; context: (n_rounds, d), the row of *context* (users, d) of the user, or the user's
    number alone; action_context: (n_actions, d) as given, or the unit matrix, as their synthetic data have it. Where the
    log has visits also slate_id and pscore_cascade, the product of pscore from the top down to the row, as in their slate data.

    Source: Saito et al. 2021, "Open Bandit Dataset and Pipeline" (NeurIPS datasets), `obtain_batch_bandit_feedback`.
    Raises RecsimError as `cases` does, and where items or users have no row.

    >>> log = {"visit": [7, 7], "item": [2, 0], "position": [0, 1], "clicked": [0, 1], "propensity": [0.5, 0.25]}
    >>> feedback = to_open_bandit(log, items=3)
    >>> feedback["n_rounds"], feedback["action"].tolist(), feedback["pscore_cascade"].tolist()
    (2, [2, 0], [0.5, 0.125])
    """
    for name in ("item", "propensity"):
        if name not in log:
            raise RecsimError(f"log: has no column {name!r}; {nearest(name, map(str, log))}")
    plain = {name: log[name] for name in ("reward", "clicked", "propensity", "user", "visit", "position") if name in log}
    columns = _columns(plain | {"target": log["propensity"]})
    action, (case, place) = np.asarray(log["item"]), _places(columns)
    position = columns["position"] - columns["position"].min() if "position" in columns else place
    user = np.asarray(log["user"]) if "user" in log else np.zeros(len(action), np.int64)
    features = np.eye(items) if action_context is None else np.asarray(action_context)
    if len(features) != items or action.dtype.kind not in "iu" or not ((action >= 0) & (action < items)).all():
        raise RecsimError(f"item: numbers go from 0 to {items - 1}, with a row of action_context each; say how many there are")
    feedback = {
        "n_rounds": len(action), "n_actions": items, "action": action.astype(np.int64), "position": position.astype(np.int64),
        "reward": columns["reward"], "pscore": columns["propensity"], "context": _context(user, context),
        "action_context": features,
    }  # fmt: skip
    if "visit" in columns:
        chance = np.ones((int(case.max()) + 1, int(place.max()) + 1))
        chance[case, place] = columns["propensity"]
        feedback |= {"slate_id": case, "pscore_cascade": np.cumprod(chance, axis=1)[case, place]}
    return feedback


def _context(user: npt.NDArray[Any], context: npt.ArrayLike | None) -> npt.NDArray[Any]:
    """Return the context of each row, (rows, d)."""
    if context is None:
        return user.reshape(-1, 1)
    rows = np.asarray(context)
    if rows.ndim != 2 or user.dtype.kind not in "iu" or not ((user >= 0) & (user < len(rows))).all():
        raise RecsimError(f"context: has shape {rows.shape}; give one row a user, users being numbers from 0")
    return rows[user]
