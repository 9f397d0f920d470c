"""Panels: which metrics are shown beside each other on a page, what they are called, and in which units they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Panel:
    """One small picture: its title, the unit of all that is in it, and its metrics by what each line is.

    lines: metric by line. floors: by line the metric of a uniform feed of the same volume. top: the upper end of the scale,
    where the unit has one.
    """

    title: str
    unit: str
    lines: Mapping[str, str]
    floors: Mapping[str, str] = field(default_factory=dict)
    top: float | None = None


LINES = {"shown": "shown in the feed", "model": "shown by the model itself", "clicked": "clicked"}
"""What the lines of a run are, by the key that panels use."""

RUN = (
    Panel(
        "Coverage of the catalogue", "share of items", {"shown": "coverage", "model": "coverage_model"},
        {"shown": "coverage_floor", "model": "coverage_model_floor"}, 1.0,
    ),
    Panel(
        "Effective number of items", "items", {"shown": "effective_items", "model": "effective_items_model"},
        {"shown": "effective_items_floor", "model": "effective_items_model_floor"},
    ),
    Panel(
        "Concentration", "Gini index: 0 even, 1 uneven", {"shown": "gini", "model": "gini_model", "clicked": "gini_clicks"},
        {"shown": "gini_floor", "model": "gini_model_floor", "clicked": "gini_clicks_floor"}, 1.0,
    ),
    Panel("Novelty of what is shown", "bits", {"shown": "novelty", "model": "novelty_model"}),
    Panel("Variety of a user's feed", "effective topics", {"shown": "feed_topics"}),
    Panel("What the benchmark sees", "clicks per impression", {"shown": "click_rate"}),
    Panel("What people get", "true utility per item consumed", {"clicked": "utility"}),
    Panel("Generations since a human", "mean over training rows", {"clicked": "depth"}),
)  # fmt: skip
"""A run, epoch by epoch."""

ARMS = (
    Panel("Coverage by the model", "share of items", {"": "coverage_model"}, {"": "coverage_model_floor"}, 1.0),
    Panel("Coverage of the catalogue", "share of items", {"": "coverage"}, {"": "coverage_floor"}, 1.0),
    Panel("Concentration", "Gini index: 0 even, 1 uneven", {"": "gini"}, {"": "gini_floor"}, 1.0),
    Panel("Novelty of what is shown", "bits", {"": "novelty"}),
    Panel("Variety of a user's feed", "effective topics", {"": "feed_topics"}),
    Panel("What the benchmark sees", "clicks per impression", {"": "click_rate"}),
    Panel("What people get", "true utility per item consumed", {"": "utility"}),
    Panel("Generations since a human", "mean over training rows", {"": "depth"}),
)
"""The arms of a comparison, epoch by epoch."""

GROUPS = {"mainstream": "mainstream users", "niche": "niche users", "head": "popular items", "tail": "the other items"}
"""Groups of people, by true interests, and of items, by true demand, that are told apart where a run has them."""

GROUPED = (
    Panel("What people get", "true utility per item consumed", dict.fromkeys(("mainstream", "niche"), "utility")),
    Panel("Variety of a user's feed", "effective topics", dict.fromkeys(("mainstream", "niche"), "feed_topics")),
    Panel("Items shown to anyone", "share of the group's items", dict.fromkeys(("head", "tail"), "exposed"), {}, 1.0),
    Panel("Clicks", "share of all clicks", dict.fromkeys(GROUPS, "click_share"), {}, 1.0),
)
"""A run, group by group."""

LEAGUE = {
    "coverage_model": ("Coverage by the model", "share of items"),
    "coverage": ("Coverage of the catalogue", "share of items"),
    "gini": ("Concentration", "Gini index"),
    "novelty": ("Novelty of what is shown", "bits"),
    "utility": ("What people get", "true utility per item"),
    "cost": ("Cost", "clicks per 1,000 visits"),
}
"""What the arms of a comparison are told apart by at its end."""
