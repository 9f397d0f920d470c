"""Measures by group and window, on data frames of any make."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import recsim as rs
from recsim import metrics
from recsim.errors import RecsimError

FIGURES: dict[str, Callable[[metrics.Part], float]] = {
    "shown": lambda part: float(part.counts.sum()),
    "items": lambda part: float(len(part.catalogue)),
    "coverage": lambda part: metrics.coverage(part.counts),
}


def plays() -> pd.DataFrame:
    """Return somebody's own log, with names of her own."""
    return pd.DataFrame({
        "song": ["a", "b", "a", "c", "a", "b"],
        "listener": ["Ann", "Ann", "Bob", "Bob", "Cy", "Cy"],
        "day": pd.to_datetime(["2024-01-01", "2024-01-01", "2024-01-02", "2024-01-05", "2024-01-05", "2024-01-09"]),
        "app": ["web", "web", "tv", "tv", "web", "tv"],
        "finished": [1, 0, 1, 1, 0, 0],
    })  # fmt: skip


OWN = metrics.Log(plays(), catalogue="abcd", item="song", user="listener", epoch="day")


def values(frame: pd.DataFrame, metric: str) -> dict[Any, float]:
    return frame[frame["metric"] == metric].set_index("group")["value"].to_dict()


def test_her_own_log() -> None:
    """Any columns will do: by a column, by groups of users, by groups of items measured against their own items."""
    assert values(metrics.by_group(OWN, FIGURES), "coverage") == {"all": 0.75}
    assert values(metrics.by_group(OWN, FIGURES, "app"), "coverage") == {"tv": 0.75, "web": 0.5}
    tastes = {"Ann": "mainstream", "Bob": "niche", "Cy": "mainstream", "Dee": "newcomer"}
    table = metrics.by_group(OWN, FIGURES, "listener", tastes)
    assert values(table, "shown") == {"mainstream": 4, "niche": 2, "newcomer": 0}
    assert values(table, "coverage") == {"mainstream": 0.5, "niche": 0.5, "newcomer": 0}
    parts = pd.Series({"a": "head", "b": "head", "c": "tail", "d": "tail"})
    table = metrics.by_group(OWN, FIGURES, "song", parts)
    assert values(table, "items") == {"head": 2, "tail": 2}
    assert values(table, "coverage") == {"head": 1, "tail": 0.5}
    assert values(metrics.by_group(OWN, FIGURES, "song"), "shown") == {"a": 3, "b": 2, "c": 1}
    assert values(metrics.by_group(OWN, FIGURES, "song"), "items") == {"a": 1, "b": 1, "c": 1}


def test_windows_of_any_kind() -> None:
    """Windows hold the first epoch and not the one beyond; they may overlap and be days; items count once they are out."""
    days = [(pd.Timestamp("2024-01-01"), pd.Timestamp("2024-01-05")), (pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-06")),
            (pd.Timestamp("2025-01-01"), pd.Timestamp("2025-02-01"))]  # fmt: skip
    table = metrics.by_group(OWN, FIGURES, windows=days)
    assert list(table.columns) == ["first", "beyond", "group", "metric", "value"]
    assert table[table["metric"] == "shown"]["value"].tolist() == [3, 3, 0]
    assert list(zip(table["first"], table["beyond"], strict=True))[::3] == days
    log = metrics.Log(pd.DataFrame({"item": [0, 0, 1, 2], "epoch": [3, 4, 5, 7]}), 3, released={0: 0, 1: 5, 2: 7})
    table = metrics.by_group(log, FIGURES, windows=2)
    assert table[table["metric"] == "coverage"]["value"].tolist() == [1, 0.5, 1 / 3]
    assert table.drop_duplicates("first")[["first", "beyond"]].to_numpy().tolist() == [[3, 5], [5, 7], [7, 9]]


def test_other_measures_of_a_part() -> None:
    """A part has what measures of users, sums and slates ask for, too."""
    figures: dict[str, Callable[[metrics.Part], float]] = {
        "homogeneity": lambda part: metrics.homogeneity(part.user, part.item),
        "click_rate": lambda part: metrics.click_rate(part.rows["finished"], len(part.rows)),
        "gini_of_finished": lambda part: metrics.gini(part.sums("finished")),
    }
    table = metrics.by_group(OWN, figures).set_index("metric")["value"]
    assert table["homogeneity"] == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert table["click_rate"] == 0.5
    assert table["gini_of_finished"] == metrics.gini([2, 0, 1, 0])


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=40))
def test_groups_and_windows_add_up(rows: list[tuple[int, int, int]]) -> None:
    """Counts of all groups and of all windows are the counts of the whole log, whoever makes the groups."""
    log = metrics.Log(pd.DataFrame(rows, columns=["user", "item", "epoch"], dtype=np.int64), catalogue=5)
    whole = {"shown": lambda part: float(part.counts.sum())}
    halves = {number: number % 2 for number in range(5)}
    for by, groups in [("user", halves), ("item", halves), ("epoch", None), ("user", None), ("item", None)]:
        assert metrics.by_group(log, whole, by, groups)["value"].sum() == len(rows)
        assert metrics.by_group(log, whole, by, groups, windows=2)["value"].sum() == len(rows)


def test_a_run_is_a_log_like_any_other(small: rs.Scenario) -> None:
    """From the rows of a run one gets the figures that it worked out itself, epoch by epoch, and by origin."""
    run = rs.run(small, seed=1, progress=False)
    shown = run.impressions[run.impressions["position"] >= 0]
    figures: dict[str, Callable[[metrics.Part], float]] = {
        "coverage": lambda part: metrics.coverage(part.counts),
        "gini": lambda part: metrics.gini(part.counts),
        "effective_items": lambda part: metrics.effective_items(part.counts),
        "click_rate": lambda part: metrics.click_rate(part.rows["clicked"], len(part.rows)),
    }
    table = metrics.by_group(metrics.Log(shown, small.catalog.items), figures, windows=1)
    assert len(table) == 4 * run.epochs
    for name, rows in table.groupby("metric"):
        assert rows["value"].to_numpy() == pytest.approx(run.series(name).to_numpy(), abs=1e-12), name
    by_origin = metrics.by_group(metrics.Log(shown, small.catalog.items), figures, "origin", windows=1)
    model = by_origin[(by_origin["group"] == rs.Origin.MODEL) & (by_origin["metric"] == "coverage")]
    assert model["value"].to_numpy() == pytest.approx(run.series("coverage_model").to_numpy(), abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.by_group(OWN, FIGURES, "ap"), "ap: is no column of the log; did you mean 'app'?"),
        (lambda: metrics.by_group(OWN, FIGURES, "listener", {"Ann": 1}), "groups: 'Bob' of the column listener has no group"),
        (lambda: metrics.by_group(OWN, FIGURES, "song", dict.fromkeys("abc", 1)), "groups: 'd' of the column song has no group"),
        (lambda: metrics.by_group(OWN, FIGURES, windows=0), "windows: 0 is not a number of epochs"),
        (lambda: metrics.by_group(metrics.Log(plays(), "aba", "song"), FIGURES), "catalogue: 'a' is named twice"),
        (lambda: metrics.by_group(metrics.Log(plays(), "ab", "song"), FIGURES), "song: 'c' is not in the catalogue by then"),
        (lambda: metrics.by_group(metrics.Log(plays(), "abc"), FIGURES), "item: is no column of the log"),
        (lambda: metrics.by_group(metrics.Log(plays(), "abc", "song", epoch="week"), FIGURES, windows=1), "week: is no column"),
        (
            lambda: metrics.by_group(metrics.Log(plays().assign(app=[None] * 6), "abc", "song"), FIGURES, "app"),
            "app: some values are missing",
        ),
        (
            lambda: metrics.by_group(metrics.Log(plays().assign(epoch=1), "abcd", "song", released={"a": 1}), FIGURES, windows=1),
            "released: does not say when 'b' came out",
        ),
    ],
)  # fmt: skip
def test_mistakes_have_a_name(call: Callable[[], object], message: str) -> None:
    """Every mistake names the column and the value, in one line."""
    with pytest.raises(RecsimError) as caught:
        call()
    assert str(caught.value).startswith(message)
