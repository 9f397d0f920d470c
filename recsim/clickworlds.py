"""A world from a log of impressions: people and items from what was clicked, and the choice that clicks as the log does."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from recsim.calibration import FORMAT, TOPICS, Fitted, Tell, fit, hash_of, settings_of, write_world
from recsim.clickmodels import ClickFit, Estimate, compare_shapes, fit_clicks
from recsim.errors import RecsimError
from recsim.files import appearing
from recsim.impressions import Floats, Impressions, read_impressions
from recsim.logfiles import Log

ALIKE = "the log has no users: one person stands for all, wanting items by their fitted appeals"
STEERED = (
    "interests and appeals are fitted to clicks on what a feed chose to show, not corrected for what it left out, and the "
    "intervals of the choice take them as certain"
)


def calibrate_clicks(
    log_path: str | Path,
    out: str | Path,
    *,
    item: str,
    position: str,
    clicked: str,
    visit: str | None = None,
    user: str | None = None,
    propensity: str | None = None,
    topics: int = TOPICS,
    seed: int = 0,
    progress: Tell = lambda share, what: None,
) -> dict[str, Any]:
    """Fit a world and a choice to a log of impressions, write the world as the folder *out*, and return its report.

    log_path, item ... propensity: as in `read_impressions`. topics, seed: as in `recsim.calibration.fit`, used where there
    are users; without them the world has one person and one topic. The report's "choice" is a table for a scenario, with
    the world's people and items; "clicks" says what is identified, with intervals, and what is not. Where the log has
    visits and users, items weigh m p_u(i) of the fitted people; else each has an appeal of its own.

    Raises RecsimError when *out* exists, and what `read_impressions`, `fit` and `fit_clicks` raise.
    """
    out = Path(out)
    if out.exists():
        raise RecsimError(f"{out}: exists already; choose another folder, or delete it")
    progress(0.0, "reading the log")
    log = read_impressions(log_path, item, position, clicked, visit, user, propensity)
    progress(0.1, "fitting people and items")
    people = _people(log, topics, seed, progress) if log.user is not None else None
    weights = None if people is None or log.visit is None else _weights(people, log)
    progress(0.7, "fitting clicks")
    clicks = fit_clicks(log, weights=weights)
    fitted = people or _everyone(log, clicks)
    asked = {"item": item, "position": position, "clicked": clicked, "visit": visit, "user": user, "propensity": propensity}
    report = {
        "format": FORMAT,
        "source": {"file": Path(log_path).name, "sha256": hash_of(Path(log_path))},
        "settings": settings_of(topics, seed) | asked,
        "versions": {package: version(package) for package in ("numpy", "scipy", "scikit-learn")},
        "assumed": ALIKE if people is None else STEERED,
    }
    report |= _told(log, fitted, clicks) | {"shapes": compare_shapes(log, clicks, weights)}
    with appearing(out) as folder:
        write_world(folder, fitted, report, *_rows(log))
    progress(1.0, "done")
    return report


def _rows(log: Impressions) -> tuple[np.ndarray, np.ndarray]:
    """Return users and items of the clicks; one user stands for all where the log names none."""
    user = np.zeros(len(log.item), np.int32) if log.user is None else log.user
    return user[log.clicked], log.item[log.clicked]


def _people(log: Impressions, topics: int, seed: int, progress: Tell) -> Fitted:
    """Return people and items fitted to the clicks; how active somebody is, is known from all that was shown to her."""
    assert log.user is not None
    clicks = Log(log.user[log.clicked], log.item[log.clicked], None, log.user_names, log.item_names)
    fitted = fit(clicks, topics, seed, progress=lambda share, what: progress(0.1 + 0.6 * share, what))
    shown = np.bincount(log.user, minlength=len(log.user_names))
    relative = np.clip(shown / shown.mean(), 0.1, 10)
    return replace(fitted, activity=relative / relative.mean())


def _weights(people: Fitted, log: Impressions) -> Floats:
    """Return m p_u(i) of each row: (rows,)."""
    demand, result = people.demand(), np.zeros(len(log))
    for interest, wanted in zip(people.interests.T, demand, strict=True):
        result += interest[log.user] * wanted[log.item]
    return result * len(log.item_names)


def _everyone(log: Impressions, clicks: ClickFit) -> Fitted:
    """Return a world of one topic, and of one person, who wants items by their appeals drawn together."""
    items = len(log.item_names)
    return Fitted(
        np.ones((1, 1)), np.ones(1), np.zeros(1, np.bool_), np.ones((items, 1)), clicks.shrunk, ("everyone",), log.item_names
    )


def _told(log: Impressions, fitted: Fitted, clicks: ClickFit) -> dict[str, Any]:
    """Return what a report says about a world and its choice."""
    users, items, topics = len(fitted.user_names), len(fitted.item_names), fitted.topics.shape[1]
    sizes = {"rows": len(log), "users": users, "items": items, "topics": topics}
    return sizes | {"held_out": None, "choice": clicks.choice, "clicks": _clicks(log, clicks)}


def _clicks(log: Impressions, clicks: ClickFit) -> dict[str, Any]:
    """Return what a report says about a fit."""
    return {
        "model": clicks.model,
        "visits": None if log.visit is None else int(log.visit.max()) + 1,
        "clicked": int(log.clicked.sum()),
        "top": log.top,
        "click_rate": _plain(clicks.click_rate),
        "uniform_rate": None if clicks.uniform_rate is None else _plain(clicks.uniform_rate),
        "estimates": {name: _plain(estimate) for name, estimate in clicks.estimates.items()},
        "simultaneous": {name: _plain(estimate) for name, estimate in clicks.simultaneous.items()},
        "not_identified": clicks.not_identified,
        "log_likelihood": clicks.log_likelihood,
        "parameters": clicks.parameters,
    }


def _plain(estimate: Estimate) -> dict[str, float | None]:
    """Return a figure with its interval as JSON knows it; None stands for no bound."""
    return {name: float(value) if np.isfinite(value) else None for name, value in estimate._asdict().items()}
