"""The figures of one window: worked out by hand, described, defined where they can be, and refused where arrays do not fit."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from recsim import metrics
from recsim.errors import RecsimError
from recsim.metrics import Window, measure

Floats = npt.NDArray[np.float64]


def small() -> Window:
    """Return a window that can be worked out by hand: 4 items, 3 users of whom the last is niche."""
    impressions, clicks = np.zeros((2, 9, 4), np.int64)
    impressions[0], impressions[1], impressions[6] = [6, 2, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]
    clicks[0], clicks[6], clicks[2] = [3, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]
    return Window(
        impressions=impressions,
        clicks=clicks,
        shown_topics=np.array([[2.0, 2.0], [4.0, 0.0], [0.0, 0.0]]),
        niche=np.array([False, False, True]),
        utility=np.array([1.0, 2.0, 6.0]),
        consumed=np.array([2, 1, 2]),
        clickers=np.array([4, 2, 1, 0]),
        active=4,
        human_share=0.25,
        human_weight=0.5,
        depth=2.0,
    )


def told() -> Window:
    """Return the same window with all that it may know: two items are the head, and nobody was shown the last one for long."""
    window = small()
    window.impressions[6] = 0
    return replace(
        window, demand=np.array([50.0, 30.0, 15.0, 5.0]), idle=np.array([0, 0, 0, 3]), epochs=3,
        here=np.array([True, False, True]), interests=np.array([[1.0, 1.0], [0.0, 1.0]]),
        innate=np.array([[0.0, 1.0], [0.0, 1.0]]), met=np.array([[2.0, 2.0], [4.0, 0.0], [5.0, 0.5]]),
        alike=np.array([1.5, 0.5, 0.0]), slates=np.array([2, 2, 0]),
        clicked=(np.array([0, 0, 1, 2, 2]), np.array([0, 0, 0, 3, 2])), panel=np.array([True, True, False]),
        shown=(np.array([0, 0, 0, 1, 1]), np.array([0, 1, 1, 0, 0])),
    )  # fmt: skip


def measured(window: Window) -> dict[tuple[str, str], float]:
    return {(group, metric): value for group, metric, value in measure(window)}


def test_how_people_have_changed_by_hand() -> None:
    """Figures of people are those of a pencil; without what they need they are NaN, and utility as at birth is utility."""
    told = replace(
        small(), utility_innate=np.array([1.0, 1.0, 2.0]), interests=np.array([[0.5, 0.5], [2.0, 0.0], [0.5, 0.5]]),
        innate=np.array([[0.75, 0.25], [1.0, 0.0], [0.5, 0.5]]), curiosity=np.array([0.5, 0.1, 0.3]),
        present=3.0, away=1.0, gone=2.0, arrived=4.0,
    )  # fmt: skip
    expected = {
        "utility_innate": 4 / 5, "interest_topics": 5 / 3, "interest_shift": 0.25 / 3, "curiosity": 0.3,
        "present": 3.0, "away": 1.0, "gone": 2.0, "arrived": 4.0,
    }  # fmt: skip
    value, plain = measured(told), measured(small())
    for metric, number in expected.items():
        assert value["all", metric] == pytest.approx(number, abs=1e-12), metric
        assert metric == "utility_innate" or math.isnan(plain["all", metric])
    assert plain["all", "utility_innate"] == plain["all", "utility"]


def test_a_window_by_hand() -> None:
    """The metrics of a small window are what one works out with a pencil."""
    value = measured(small())
    expected = {
        "coverage": 1.0,
        "coverage_floor": 1 - 0.75**10,
        "coverage_clicks": 3 / 4,
        "coverage_clicks_floor": 1 - 0.75**5,
        "coverage_model": 1 / 2,
        "coverage_model_floor": 1 - 0.75**8,
        "gini": metrics.gini([6, 2, 1, 1]),
        "gini_clicks": metrics.gini([3, 0, 1, 1]),
        "gini_model": metrics.gini([6, 2, 0, 0]),
        "top_share": 0.6,
        "top_share_clicks": 0.6,
        "top_share_model": 0.75,
        "novelty": (2 * 1 + 1 * 2 + 1 * 2) / 10,
        "novelty_model": 2 / 8,
        "feed_topics": 1.5,
        "click_rate": 4 / 10,
        "utility": 9 / 5,
        "human_share": 0.25,
        "human_weight": 0.5,
        "depth": 2.0,
        "released": 4,
        "impressions": 10,
        "clicks": 5,
        "organic_share": 1 / 5,
    }
    for metric, number in expected.items():
        assert value["all", metric] == pytest.approx(number, abs=1e-12), metric
    assert value["mainstream", "utility"] == 1
    assert value["niche", "utility"] == 3
    assert value["all", "gini_clicks_floor"] == metrics.gini_floor(4, 5)
    assert value["all", "effective_items_model_floor"] == metrics.effective_items_floor(4, 8)


def test_rare_cases_by_hand() -> None:
    """Figures of true demand, of what dies out, of feeds and of groups are those of a pencil."""
    value = measured(told())
    demand = np.array([50, 30, 15, 5])
    expected = {
        ("all", "tail_share"): 1 / 9, ("all", "tail_share_clicks"): 2 / 5, ("all", "tail_share_model"): 0.0,
        ("all", "demand_divergence"): metrics.demand_divergence([6, 2, 1, 0], demand),
        ("all", "rarefied_coverage"): metrics.rarefied_coverage([6, 2, 1, 0], 4), ("all", "unseen_mass"): 2 / 5,
        ("all", "extinct"): 1.0, ("head", "extinct"): 0.0, ("tail", "extinct"): 1.0,
        ("head", "exposed"): 1.0, ("tail", "exposed"): 1 / 2, ("head", "click_share"): 3 / 5, ("tail", "click_share"): 2 / 5,
        ("head", "click_rate"): 3 / 8, ("tail", "click_rate"): 1.0,
        ("all", "homogeneity"): 1 / 2, ("all", "homogeneity_floor"): 1 / 4, ("all", "homogeneity_clicks"): 1.0,
        ("all", "homogeneity_clicks_floor"): 1 / 4, ("all", "personalisation_clicks"): 2 / 3,
        ("all", "intra_list_diversity"): 1 / 2, ("mainstream", "intra_list_diversity"): 1 / 2,
        ("all", "miscalibration"): 0.0, ("all", "miscalibration_innate"): metrics.miscalibration([[1, 1]], [[0, 1]]),
        ("all", "discovery"): 1 / 2, ("mainstream", "discovery"): 1.0, ("niche", "discovery"): 0.0,
        ("all", "low_utility"): metrics.low_welfare([0.5, 2.0, 3.0]), ("mainstream", "low_utility"): 0.5 + 0.1 * 1.5,
        ("niche", "low_utility"): 3.0, ("mainstream", "click_share"): 3 / 5, ("niche", "click_share"): 2 / 5,
        ("mainstream", "feed_topics"): 1.5,
    }  # fmt: skip
    for name, number in expected.items():
        assert value[name] == pytest.approx(number, abs=1e-12), name
    assert math.isnan(value["niche", "miscalibration"]) and math.isnan(value["niche", "intra_list_diversity"])
    assert math.isnan(measured(replace(told(), epochs=2))["all", "extinct"])


def test_items_alike_in_demand_are_in_the_tail_in_part() -> None:
    """Where one of two items alike in demand is enough for the head, each is half in it, and all shares add up."""
    value = measured(replace(told(), demand=np.array([60.0, 20.0, 20.0, 0.0])))
    assert (value["head", "exposed"], value["tail", "exposed"]) == (1.0, 0.5)
    assert value["head", "click_share"] == pytest.approx(0.7)
    assert value["tail", "click_share"] == value["all", "tail_share_clicks"] == pytest.approx(0.3)
    assert value["tail", "click_rate"] == pytest.approx(1 / 1.5)


def test_metrics_are_those_that_are_described() -> None:
    """measure() gives exactly the metrics that METRICS describes, in its order, each once a group, whatever a window knows."""
    rows = [(group, metric) for group, metric, _ in measure(small())]
    assert [metric for group, metric in rows if group == "all"] == list(metrics.METRICS)
    assert {group for group, _ in rows} == {"all", "head", "tail", "mainstream", "niche"}
    assert {metric for _, metric in rows} <= {*metrics.METRICS, *metrics.GROUPED}
    assert rows == [(group, metric) for group, metric, _ in measure(told())]
    assert len(set(rows)) == len(rows)
    assert all(type(value) is float for _, _, value in measure(small()))


@pytest.mark.parametrize("origin", [2, 5, 7, 8])
def test_what_no_feed_shows_is_no_impression(origin: int) -> None:
    """Impressions in the rows of searches, surveys, anchors and synthetic rows change nothing."""
    window, before = small(), measured(small())
    window.impressions[origin] = 100
    assert measured(window) == pytest.approx(before, abs=0, rel=0, nan_ok=True)


@pytest.mark.parametrize("origin", [3, 4, 6])
def test_friends_editors_and_panel_are_in_the_feed(origin: int) -> None:
    """Impressions that friends, editors and the panel put into the feed count, but not as the recommender's own."""
    window, before = small(), measured(small())
    window.impressions[origin, 3] += 5
    after = measured(window)
    assert after["all", "impressions"] == before["all", "impressions"] + 5
    assert after["all", "gini_model"] == before["all", "gini_model"]


AMOUNTS = {"impressions", "clicks", "feed_clicks", "visits", "labels", "spent"}


def test_an_empty_window_is_nan() -> None:
    """A window in which nothing happened has the same rows: 0 for amounts and coverage, NaN for what is undefined."""
    window = small()
    for name in ("impressions", "clicks", "shown_topics", "utility", "consumed", "clickers"):
        setattr(window, name, np.zeros_like(getattr(window, name)))
    value = measured(replace(window, active=0, human_share=math.nan, human_weight=math.nan, depth=math.nan))
    assert list(value) == list(measured(small()))
    defined = {metric for (_, metric), number in value.items() if not math.isnan(number)}
    assert value.pop(("all", "released")) == 4
    assert defined == {m for m in metrics.METRICS if m.startswith("coverage")} | AMOUNTS | {"released"}
    assert all(number == 0 for number in value.values() if not math.isnan(number))


def test_a_catalogue_without_items_is_nan() -> None:
    """Before the first release there is nothing to cover."""
    window = replace(
        small(), impressions=np.zeros((9, 0), int), clicks=np.zeros((9, 0), int), clickers=np.zeros(0, int)
    )
    assert math.isnan(measured(window)["all", "coverage"])
    assert math.isnan(measured(window)["all", "coverage_floor"])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("impressions", np.zeros((8, 4), int)),
        ("clicks", np.zeros((9, 5), int)),
        ("utility", np.zeros(2)),
        ("consumed", np.zeros((3, 1), int)),
        ("shown_topics", np.zeros((2, 2))),
        ("demand", np.zeros(3)),
        ("idle", np.zeros(3)),
        ("met", np.zeros((3, 1))),
        ("interests", np.zeros((3, 2))),
        ("here", np.ones(2, bool)),
        ("panel", np.ones(4, bool)),
    ],
)
def test_a_window_whose_arrays_do_not_fit(name: str, wrong: npt.NDArray[np.float64]) -> None:
    """The array that does not fit the others is named, with both shapes."""
    window = told()
    setattr(window, name, wrong)
    with pytest.raises(RecsimError, match=rf"^window\.{name}: its shape is "):
        measure(window)
