"""Does the loop narrow the feed? The figures of a run that tell, by epoch, and a plain sentence worked out from them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

JUDGED = {
    "coverage_model": "the share of the catalogue that the model shows",
    "effective_items_model": "the effective number of items",
    "feed_topics": "that of topics in a user's feed",
}
"""The metrics by which a run is judged; each falls when a feed narrows."""

SHOWN = {
    "coverage": "share of items",
    "coverage_model": "share of items",
    "gini": "0 even to 1 uneven",
    "effective_items": "items",
    "novelty": "bits",
    "feed_topics": "topics per user",
    "click_rate": "clicks/impression",
    "utility": "per item consumed",
    "human_share": "share of rows",
    "depth": "generations",
}
"""The metrics of the table that ends a run, and their units."""

MOVED = 0.05  # change, relative to the first model's figure, below which a metric is said to have stayed


def numbers(values: Sequence[float | None]) -> list[str]:
    """Return numbers with as many decimals as suit the largest of them; '-' for what was not measured.

    >>> numbers([0.08512, None]), numbers([99.64, float("nan")]), numbers([1234.5])
    (['0.085', ''], ['99.6', '-'], ['1,234'])
    """
    largest = max((abs(value) for value in values if value is not None and math.isfinite(value)), default=0.0)
    decimals = 3 if largest < 10 else 1 if largest < 1000 else 0
    return ["" if x is None else f"{x:,.{decimals}f}" if math.isfinite(x) else "-" for x in values]


def verdict(by_epoch: pd.DataFrame, learns: bool, where: str = "") -> str:
    """Return one sentence that answers whether the loop narrows the feed.

    by_epoch: a row an epoch, a column a metric. learns: whether the recommender learns from clicks at all. where: what the
    figures are of, such as "under greedy"; "" where that is plain. The first
    trained model is compared with the last, in epochs that are not cut short. Coverage and effective items depend on
    the number of impressions: they are judged as shares of what a uniform feed of the same volume would have. A change
    below 5 % counts as none.
    """
    question, full = "Does the loop narrow the feed?", full_epochs(by_epoch)
    if full.empty or not learns:
        return f"{question} There is no loop here: no model that learns from clicks was put to work before the end."
    if len(full) < 2:
        return f"{question} It cannot be told from one trained model; let the run last for more retrainings."
    first, last = full.iloc[0], full.iloc[-1]
    if not (first["coverage_model"] > 0 or last["coverage_model"] > 0):
        return f"{question} It cannot be told: nobody was shown anything that the model itself put there."
    sign = {metric: _direction(_of_floor(first, metric), _of_floor(last, metric)) for metric in JUDGED}
    fell, rose = -1 in sign.values(), 1 in sign.values()
    answer = "Yes" if fell and not rose else "In part" if fell else "No, it widens it" if rose else "No"
    *changes, change = (_change(metric, first[metric], last[metric], sign[metric]) for metric in JUDGED)
    told = f"{', '.join(changes)}, and {change}"
    end = "last" if full.index[-1] == by_epoch.index[-1] else "last full one"
    between = f"from the first trained model (epoch {full.index[0]}) to the {end} (epoch {full.index[-1]})"
    return f"{question} {answer}{where and f', {where}'}: {between} {told}.{_grown(first, last)}"


def full_epochs(by_epoch: pd.DataFrame) -> pd.DataFrame:
    """Return the epochs of trained models that are not cut short, as rows; by_epoch: as for `verdict`."""
    trained = by_epoch[by_epoch["depth"].notna() & (by_epoch["impressions"] > 0)]
    return trained[trained["impressions"] >= 0.8 * trained["impressions"].median()]


def _grown(first: pd.Series, last: pd.Series) -> str:
    """Return a sentence on a catalogue that has grown; nothing on one that has not."""
    before, after = (float(epoch.get("released", math.nan)) for epoch in (first, last))
    if _direction(before, after) < 1:
        return ""
    return f" Meanwhile the catalogue grew from {before:,.0f} to {after:,.0f} items: as many items are a smaller share of it."


def _of_floor(epoch: pd.Series, metric: str) -> float:
    """Return a metric as a share of that of a uniform feed of the same volume; as it is where it has no such floor."""
    value, floor = float(epoch[metric]), float(epoch.get(f"{metric}_floor", 1.0))
    return value / floor if floor else math.nan  # a floor of 0 is that of a model that has shown nothing


def _direction(first: float, last: float) -> int:
    """Return -1, 0 or 1: whether a metric fell, stayed or rose.

    >>> _direction(1.0, 0.9), _direction(1.0, 0.96), _direction(0.0, 0.5), _direction(math.nan, 1.0)
    (-1, 0, 1, 0)
    """
    change = last - first
    return 0 if not abs(change) > MOVED * abs(first) else 1 if change > 0 else -1


def _change(metric: str, first: float, last: float, sign: int) -> str:
    verb = {-1: "fell", 0: "hardly moved", 1: "rose"}[sign]
    before, after = (f"{first:.1%}", f"{last:.1%}") if metric.startswith("coverage") else numbers([first, last])
    return f"{JUDGED[metric]} {verb} from {before} to {after}"


# ------------------------------------------------------------------------------------------------- figures by epoch
def by_epoch(history: pd.DataFrame, chosen: Collection[tuple[str, str]] = ()) -> pd.DataFrame:
    """Return the metrics of all users, a row an epoch and a column a metric; or those chosen, by (group, metric)."""
    rows = history[history["window"] == "epoch"]
    if not chosen:
        return rows[rows["group"] == "all"].pivot(index="epoch", columns="metric", values="value").sort_index()
    wide = rows.pivot(index="epoch", columns=["group", "metric"], values="value").sort_index()
    there = [where for where in chosen if where in wide]
    return wide[there].set_axis([named(*where) for where in there], axis=1)


def named(group: str, metric: str) -> str:
    """Return what a metric of a group is called in a table."""
    return metric if group == "all" else f"{group} {metric}"


def told_epochs(epochs: Sequence[int], narrow: bool) -> list[int]:
    """Return the epochs of the table: the start, the first trained model, the middle and the last.

    >>> told_epochs(range(20), narrow=False), told_epochs(range(20), narrow=True), told_epochs([0], narrow=False)
    ([0, 1, 10, 19], [0, 10, 19], [0])
    """
    places = {0, len(epochs) // 2, len(epochs) - 1} | (set() if narrow else {min(1, len(epochs) - 1)})
    return [epochs[place] for place in sorted(places)]


def told_figures(figures: pd.DataFrame, shown: Mapping[str, str], narrow: bool = False) -> tuple[list[str], list[list[str]]]:
    """Return the table that ends a run, as text: its headings, and a line for each metric of *shown*, which gives the unit.

    figures: as `by_epoch` returns them. A line has the metric, its value in some epochs, and what a uniform feed of the last
    epoch's volume would have; where there is room, the unit too.
    """
    epochs = told_epochs(list(figures.index), narrow)
    lines = []
    for metric, unit in shown.items():
        if metric in figures:
            floor = figures[f"{metric}_floor"].iloc[-1] if f"{metric}_floor" in figures else None
            cells = [metric, *numbers([*figures.loc[epochs, metric].tolist(), floor])]
            lines.append(cells if narrow else [*cells, unit])
    return ["metric" if narrow else "epoch", *map(str, epochs), "floor", *([] if narrow else [""])], lines
