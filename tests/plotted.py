"""What tests of figures share: a small world with all there is to draw, hostile names, and a look into what was drawn."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import pandas as pd

import recsim as rs

WORLD = rs.Scenario(
    name="small",
    days=12.0,
    slate=5,
    population=rs.SyntheticUsers(users=60, topics=4, curiosity=0.2),
    catalog=rs.SyntheticItems(items=40, topics=4),
    visits=rs.Poisson(rate=1.5),
    choice=rs.Luce(outside=4.0, clicks=2),
    recommender=rs.Popularity(prior=1.0),
    policy=rs.EpsilonGreedy(epsilon=0.2),
    retrain=rs.Retrain(every=2.0, latency=0.1),
    births=(rs.Birth(name="new", day=3.0, share=0.5, items=8),),
    creators=(rs.AICreators(items=1.0, refit=2),),
    benchmark=5,
)
NAMES = (
    "a" * 300, "שלום עולם של המלצות", "<b>bold</b>", r"$\frac{1}$ and $x$", "_hidden", "漢字 \U0001f3b5",
    "new\nline\t\u202e", "cost $5",
)  # fmt: skip


def with_history(run: rs.Run, history: pd.DataFrame) -> rs.Run:
    """Return a run with another history."""
    other = copy(run)
    other.__dict__["history"] = history
    return other


def changed(run: rs.Run, metric: str, values: dict[int, float]) -> rs.Run:
    """Return a run in which a metric of all has other values in some epochs."""
    history = run.history.copy()
    for epoch, value in values.items():
        rows = (history["metric"] == metric) & (history["group"] == "all") & (history["epoch"] == epoch)
        assert rows.sum() == 1
        history.loc[rows, "value"] = value
    return with_history(run, history)


def texts(drawn: Any) -> list[str]:
    """Return all the words in a figure or Axes, a "$" as it is read."""
    from matplotlib.text import Text

    return [text.get_text().replace(r"\$", "$") for text in drawn.findobj(Text)]


def line(axes: Any, wanted: Any) -> Any:
    """Return the line of some Axes with these heights, NaN like NaN."""
    found = [one for one in axes.lines if np.shape(one.get_ydata()) == np.shape(wanted)]
    same = [one for one in found if np.allclose(np.asarray(one.get_ydata(), float), wanted, equal_nan=True)]
    assert same, f"no line has the heights {wanted}"
    return same[0]
