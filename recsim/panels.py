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


TITLES = {
    "coverage_model": ("Coverage by the model", "share of items"),
    "coverage": ("Coverage of the catalogue", "share of items"),
    "coverage_clicks": ("Coverage by clicks", "share of items"),
    "gini": ("Concentration", "Gini index"),
    "gini_clicks": ("Concentration of clicks", "Gini index"),
    "gini_model": ("Concentration by the model", "Gini index"),
    "effective_items": ("Effective items", "items"),
    "novelty": ("Novelty of what is shown", "bits"),
    "click_rate": ("Click rate", "clicks per impression"),
    "feed_topics": ("Variety of a user's feed", "effective topics"),
    "homogeneity": ("How alike feeds are", "Jaccard index"),
    "miscalibration": ("Feed beside interests", "divergence in bits"),
    "utility": ("What people get", "true utility per item"),
    "low_utility": ("What the worst off get", "true utility per item"),
    "human_share": ("Human rows in training", "share of rows"),
    "depth": ("Generations since a human", "generations (mean)"),
    "cost": ("Cost", "clicks per 1,000 visits"),
    "cost_all": ("Cost, all clicks counted", "clicks per 1,000 visits"),
    "discovered": ("Shown what is new", "share of people"),
    "taken_up": ("Had what is new", "share of people"),
}
"""What figures and pages call a metric, and its unit; others are called by their names, with the unit that `recsim.metrics`
states.
"""


def _titled(metric: str, lines: Mapping[str, str], floors: Mapping[str, str] = {}, top: float | None = None) -> Panel:
    """Return a panel that is called as a metric is."""
    title, unit = TITLES[metric]
    return Panel(title, unit, lines, floors, top)


LINES = {"shown": "shown in the feed", "model": "shown by the model itself", "clicked": "clicked"}
"""What the lines of a run are, by the key that panels use."""

RUN = (
    _titled(
        "coverage", {"shown": "coverage", "model": "coverage_model"},
        {"shown": "coverage_floor", "model": "coverage_model_floor"}, 1.0,
    ),
    _titled(
        "effective_items", {"shown": "effective_items", "model": "effective_items_model"},
        {"shown": "effective_items_floor", "model": "effective_items_model_floor"},
    ),
    _titled(
        "gini", {"shown": "gini", "model": "gini_model", "clicked": "gini_clicks"},
        {"shown": "gini_floor", "model": "gini_model_floor", "clicked": "gini_clicks_floor"}, 1.0,
    ),
    _titled("novelty", {"shown": "novelty", "model": "novelty_model"}),
    _titled("feed_topics", {"shown": "feed_topics"}),
    _titled("click_rate", {"shown": "click_rate"}),
    _titled("utility", {"clicked": "utility"}),
    _titled("depth", {"clicked": "depth"}),
)  # fmt: skip
"""A run, epoch by epoch."""

ARMS = (
    _titled("coverage_model", {"": "coverage_model"}, {"": "coverage_model_floor"}, 1.0),
    _titled("coverage", {"": "coverage"}, {"": "coverage_floor"}, 1.0),
    _titled("gini", {"": "gini"}, {"": "gini_floor"}, 1.0),
    _titled("novelty", {"": "novelty"}),
    _titled("feed_topics", {"": "feed_topics"}),
    _titled("click_rate", {"": "click_rate"}),
    _titled("utility", {"": "utility"}),
    _titled("depth", {"": "depth"}),
)
"""The arms of a comparison, epoch by epoch."""

GROUPS = {"mainstream": "mainstream users", "niche": "niche users", "head": "popular items", "tail": "the other items"}
"""Groups of people, by true interests, and of items, by true demand, that are told apart where a run has them."""

GROUPED = (
    _titled("utility", dict.fromkeys(("mainstream", "niche"), "utility")),
    _titled("feed_topics", dict.fromkeys(("mainstream", "niche"), "feed_topics")),
    Panel("Items shown to anyone", "share of the group's items", dict.fromkeys(("head", "tail"), "exposed"), {}, 1.0),
    Panel("Clicks", "share of all clicks", dict.fromkeys(GROUPS, "click_share"), {}, 1.0),
)
"""A run, group by group."""
