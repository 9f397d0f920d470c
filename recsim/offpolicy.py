"""What another policy would have got in a run: its chance of what was shown, for estimates, and what it really gets.

`beside` gives a run's log what `recsim.estimators` need; `served` lets the other policy have the same visits. All of
`recsim.estimators` can be had here as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from recsim.archive import Run
from recsim.errors import RecsimError
from recsim.estimators import (
    Cases,
    Diagnostics,
    Estimate,
    Evaluation,
    cases,
    diagnose,
    doubly_robust,
    evaluate,
    ips,
    logged,
    self_normalised,
    to_open_bandit,
)
from recsim.policies import Placing, Policy
from recsim.simulation import World
from recsim.world import DAY, NOTHING, Items32, Published, Ranking, Slate, Visits

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Cases",
    "Diagnostics",
    "Estimate",
    "Evaluation",
    "beside",
    "cases",
    "diagnose",
    "doubly_robust",
    "evaluate",
    "ips",
    "logged",
    "self_normalised",
    "served",
    "to_open_bandit",
]

Floats = npt.NDArray[np.float64]

CREDIT = 10.0  # impressions at the mean click rate that a prediction credits every item with
OTHERWISE = "run: it does not come out as it did, so nothing can be said beside it; run it again on this machine"
PAIRS = 65_536  # visits times items that are worked on at a time


class _Watched(Policy):
    """Serves as one policy does, and hands every slate to *note* before it goes out.

    The feed ranks as deep as *other* wants as well, with scores and tastes.
    """

    scored: ClassVar[bool] = True
    tastes: ClassVar[bool] = True

    serving: Policy
    other: Policy
    note: Callable[[Visits, Ranking, Slate], None]

    def reach(self, size: int) -> int:
        """Return the larger reach of both."""
        return max(self.serving.reach(size), self.other.reach(size))

    def place(self, visits: Visits, ranking: Ranking, placed: Items32) -> Placing:
        """Return what is served next."""
        return self.serving.place(visits, ranking, placed)

    def chance(self, visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
        """Return how likely that was to be served."""
        return self.serving.chance(visits, ranking, placed, item)

    def slate(self, visits: Visits, ranking: Ranking, size: int) -> Slate:
        """Return the slates that are served."""
        slate = self.serving.slate(visits, ranking, size)
        self.note(visits, ranking, slate)
        return slate


def beside(run: Run, target: Policy, first: int = 0, last: int | None = None, *, predict: bool = False) -> pd.DataFrame:
    """Return the impressions of a run from epoch *first* to *last*, with how likely *target* was to show each.

    A finished run keeps no models. It is a function of its scenario and seed, so it is run once more, and the target is asked at
    every visit with the very ranking, counts and consumed items that were there: its chances are exact for every policy.
    Columns: those of `recsim.eventlog.SCHEMA`; *target*; *unsupported*, whether the slate that the target drew for this visit
    could not have been shown; with *predict* also *prediction* and *expected*, from the click rates published with the
    model, (clicks + 10 c) / (impressions + 10), c that of all items: known before the epoch, so that no reward predicts
    itself (it asks the target for every item at every position, which takes long for large catalogues).

    Raises RecsimError where the run is not whole or kept no impressions, where signals place items (which belong to neither
    policy), where there are no such epochs, and where the run does not come out as it did.
    """
    _check(run, target)
    rows, last = _of_epochs(run, first, last)
    parts: list[dict[str, Any]] = []

    def note(visits: Visits, ranking: Ranking, slate: Slate) -> None:
        if first <= world.epoch <= last:
            parts.append(_noted(run.scenario.policy, target, visits, ranking, slate, predict))

    watched = _Watched(serving=run.scenario.policy, other=target, note=note)
    world = World(run.scenario.but(policy=watched), run.seed)
    world.advance(run.scenario.end_of(last))
    return _joined(rows, parts)


def _noted(
    serving: Policy, target: Policy, visits: Visits, ranking: Ranking, slate: Slate, predict: bool
) -> dict[str, Any]:
    """Return columns of what was shown, a row an impression: whose, where, the chance of the target, and what was missing."""
    at = np.nonzero(slate.items != NOTHING)
    theirs = target.slate(visits, ranking, slate.items.shape[1]).items
    could = _chances(serving, visits, ranking, theirs)
    missing = ((could == 0) | ((theirs == NOTHING) != (slate.items == NOTHING))).any(axis=1)
    columns = {
        "user": visits.user[at[0]], "visit": visits.ordinal[at[0]].astype(np.int64), "position": at[1], "shown": slate.items[at],
        "chance": slate.propensity[at], "target": _chances(target, visits, ranking, slate.items)[at],
        "unsupported": missing[at[0]].astype(np.float64),
    }  # fmt: skip
    if predict:
        rate = _click_rates(ranking.published)
        columns |= {"prediction": rate[slate.items[at]], "expected": _expected(target, visits, ranking, slate.items, rate)[at]}
    return columns


def _chances(policy: Policy, visits: Visits, ranking: Ranking, items: Items32) -> Floats:
    """Return how likely a policy is to put each item below those above it: (n, k), 1 where there is none."""
    chances = [policy.chance(visits, ranking, items[:, :place], items[:, place]) for place in range(items.shape[1])]
    return np.where(items == NOTHING, 1.0, np.stack(chances, axis=1))


def _click_rates(published: Published) -> Floats:
    """Return the click rate of each item that the platform published, near that of all where little is known: (items,)."""
    shown, clicks = published.impressions, published.clicks
    mean = float(clicks.sum()) / max(float(shown.sum()), 1.0)
    return (clicks + CREDIT * mean) / (shown + CREDIT)


def _expected(policy: Policy, visits: Visits, ranking: Ranking, items: Items32, rate: Floats) -> Floats:
    """Return the mean click rate of what a policy would put below the items above each place: (n, k)."""
    catalogue, expected = np.arange(len(rate), dtype=np.int32), np.zeros(items.shape)
    step = max(1, PAIRS // len(rate))
    for start in range(0, len(visits), step):
        rows = np.repeat(np.arange(start, min(start + step, len(visits))), len(rate))
        scores = None if ranking.scores is None else ranking.scores[rows]
        whom, ranked = visits.take(rows), replace(ranking, items=ranking.items[rows], scores=scores)
        item = np.tile(catalogue, len(rows) // len(rate))
        for place in range(items.shape[1]):
            chance = policy.chance(whom, ranked, items[rows, :place], item).reshape(-1, len(rate))
            expected[start : start + step, place] = (chance * rate).sum(axis=1)
    return expected


def _joined(rows: pd.DataFrame, parts: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows of the log with the columns that were noted for them."""
    import pandas as pd

    if not parts:
        raise RecsimError(OTHERWISE)
    noted = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    found = rows.merge(noted, on=["user", "visit", "position"], how="outer", validate="1:1", indicator=True)
    same = (found["_merge"] == "both") & (found["shown"] == found["item"]) & (found["chance"] == found["propensity"])
    if not same.all():
        raise RecsimError(OTHERWISE)
    more = [name for name in noted if name not in (*rows, "shown", "chance")]
    return rows.merge(noted[["user", "visit", "position", *more]], on=["user", "visit", "position"], how="left")


def served(run: Run, policy: Policy, first: int = 0, last: int | None = None) -> pd.DataFrame:
    """Return the impressions of epochs *first* to *last* had *policy* served from the beginning of *first* on: the truth.

    The world of the run is drawn again, forked when model *first* goes live, and goes on under the policy: the same
    visits, the same people and the same chance. In epoch *first* the model is that of the run; later ones learn
    from what the policy showed, which no log of the run can tell.

    Raises RecsimError as `beside` does, but needs no impressions of the run.
    """
    import pandas as pd

    _check(run, policy)
    last = _last_epoch(run, first, last)
    scenario, twins = run.scenario.but(policy=policy, log="impressions"), []

    def part(world: World) -> None:
        if world.epoch == first:
            twins.append(world.fork(scenario))

    world = World(run.scenario, run.seed, forks=policy.tastes)
    if first:
        world.on_deploy = part
        world.advance(min(run.scenario.end_of(first - 1) + 1 / DAY, run.scenario.days))
    else:
        part(world)
    rows = pd.DataFrame(twins[0].advance(run.scenario.end_of(last)).impressions.columns())
    return rows[rows["epoch"] >= first].reset_index(drop=True)


def _check(run: Run, policy: Policy) -> None:
    if run.status != "done":
        raise RecsimError(f"run: is {run.status}; let it come to its end first")
    if not isinstance(policy, Policy):
        raise RecsimError(f"target: {policy!r} is no policy; give one, such as EpsilonGreedy(epsilon=0.1)")
    for signal in run.scenario.signals:
        if signal.places and not signal.off:
            raise RecsimError(
                f"signals: {signal.kind} places items of its own, which neither policy chose; take a run without it, "
                "or give the chances of a target with the same signals to cases"
            )


def _last_epoch(run: Run, first: int, last: int | None) -> int:
    """Return the last epoch asked for."""
    there = run.epochs - 1
    if not 0 <= first <= (there if last is None else last) <= there:
        raise RecsimError(f"epochs: {first} to {last} are none; the run has 0 to {there}")
    return there if last is None else last


def _of_epochs(run: Run, first: int, last: int | None) -> tuple[pd.DataFrame, int]:
    """Return the impressions of some epochs of a run, and the last of them."""
    if run.scenario.log != "impressions":
        raise RecsimError('run: kept no impressions; run the scenario with log = "impressions"')
    last, rows = _last_epoch(run, first, last), run.impressions
    rows = rows[(rows["epoch"] >= first) & (rows["epoch"] <= last)].reset_index(drop=True)
    if not len(rows):
        raise RecsimError(f"run: nothing was shown from epoch {first} to {last}; ask for other epochs")
    return rows, last
