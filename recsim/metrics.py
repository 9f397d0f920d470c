"""Metrics: what a feed did to the catalogue and to the people, as pure functions of counts and of one window.

Every function takes plain arrays and returns a float; NaN means that there is nothing to measure. All measures are had from
here: those of how exposure is shared live in `concentration`, of rare cases in `rarity`, of lists against a hold-out in
`accuracy`, of how alike feeds are in `likeness`, and `groups` applies any of them by group and window to any data frame.
`measure` puts them together into the figures of one epoch, and `catalogue_over` into those of several epochs of a run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from recsim.accuracy import hit_rate, hits, ndcg, precision, recall, recall_by_demand, reciprocal_rank, serendipity
from recsim.ahead import THREADS, together
from recsim.amounts import Floats, Ints, amounts, by_rows, deciles, jensen_shannon, mean, numbers, ratio, row_sums, sets
from recsim.concentration import (
    coverage,
    coverage_floor,
    effective_items,
    effective_items_floor,
    gini,
    gini_floor,
    mean_popularity,
    top_share,
    unseen_mass,
)
from recsim.errors import RecsimError
from recsim.groups import Log, Part, by_group
from recsim.likeness import (
    discovered,
    discovery,
    homogeneity,
    homogeneity_change,
    homogeneity_floor,
    intra_list_diversity,
    jaccard,
    miscalibration,
    personalisation,
)
from recsim.rarity import (
    by_creator,
    demand_divergence,
    extinct_items,
    half_life,
    lorenz,
    low_welfare,
    rarefied_coverage,
    tail,
    tail_share,
)
from recsim.world import FEED, Origin

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "GROUPED", "METRICS", "Log", "Part", "Window", "by_creator", "by_group", "catalogue_over", "click_rate", "coverage",
    "coverage_floor", "deciles", "demand_divergence", "discovery", "effective_items", "effective_items_floor",
    "effective_topics", "extinct_items", "gini", "gini_floor", "half_life", "hit_rate", "hits", "homogeneity",
    "homogeneity_change", "homogeneity_floor", "interest_shift", "intra_list_diversity", "item_half_life", "jaccard",
    "jensen_shannon", "lorenz", "low_welfare", "mean_popularity", "measure", "miscalibration", "ndcg", "novelty",
    "personalisation", "precision", "rarefied_coverage", "recall", "recall_by_demand", "reciprocal_rank", "serendipity",
    "tail", "tail_share", "top_share", "unseen_mass",
]  # fmt: skip

Bools = npt.NDArray[np.bool_]
Rows = tuple[Ints, Ints]
"""A log as two arrays (rows,), user and item."""


# -------------------------------------------------------------------------------------------------------- the feed


def novelty(counts: npt.ArrayLike, clickers: npt.ArrayLike, users: int) -> float:
    """Return how unknown the items shown were, on average over impressions: 0 is what everybody has clicked.

    sum_i x_i (-log2(max(c_i, 1) / U)) / sum_i x_i: mean self-information. An item without clicks counts as if it had
    one.

    counts: (items,) non-negative, impressions of each item; an item never shown adds nothing. clickers: (items,)
    distinct users who had clicked it before (c), at most *users*. users: U, active so far. Range 0 to log2(users), in
    bits. NaN when nothing was shown, or U = 0.
    Raises RecsimError also for more clickers than users, or arrays of different length.
    Source: Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10).

    >>> novelty([1, 1], clickers=[8, 2], users=8)
    1.0
    """
    x, known = amounts("counts", counts), amounts("clickers", clickers)
    if len(x) != len(known):
        raise RecsimError(f"clickers: there are {len(known)} for {len(x)} items; give one number for each item")
    total = float(x.sum())
    if total == 0 or users == 0:
        return math.nan
    if known.max() > users:
        raise RecsimError(f"clickers: an item has {known.max():g}, but users is {users}; count each active user once")
    return math.log2(users) - float((x * np.log2(np.maximum(known, 1))).sum()) / total


def effective_topics(topic_mass: npt.ArrayLike) -> float:
    """Return how many topics a user's feed is about: the exponential of its entropy, averaged over users.

    mean over users of exp(-sum_k p_uk ln p_uk), p_uk = mass of topic k over all mass shown to u.

    topic_mass: (users, topics) non-negative, the sum of the topic mixtures of the items shown to each user. Users who
    were shown nothing do not count. Range 1 to topics, in topics. NaN when no user was shown anything.
    Raises RecsimError for mass that is negative, not finite or not two-dimensional.
    Source: as `effective_items`, within each user.

    >>> round(effective_topics([[1, 1], [3, 0], [0, 0]]), 12)
    1.5
    """
    return mean(by_rows(_topics_each, numbers("topic_mass", topic_mass, dimensions=2)))


def _topics_each(topic_mass: npt.ArrayLike) -> Floats:
    """Return the effective topics of each user: (users,), NaN for those who were shown nothing."""
    mass = numbers("topic_mass", topic_mass, dimensions=2)
    total = row_sums(mass)[:, None]
    p = mass / (total + (total == 0))
    # A topic without mass has p ln p = 0: ln(p + (p == 0)) is ln 1 there, and costs a third of a masked logarithm.
    entropy = -np.einsum("ut,ut->u", p, np.log(p + (p == 0)))
    return np.asarray(np.where(total[:, 0] > 0, np.exp(entropy), np.nan), np.float64)


def interest_shift(interests: npt.ArrayLike, innate: npt.ArrayLike) -> float:
    """Return how far people have moved: the mean over users of half the sum of |p_uk - q_uk| over topics k.

    That is the total variation distance of p, what she is interested in now, from q, what she was born with.

    interests, innate: (users, topics) non-negative; rows are scaled to sum to 1. Range 0 to 1, no unit. NaN without users.
    Raises RecsimError for shares that are negative or not finite, and for two shapes.
    Source: the total variation distance, e.g. Levin and Peres, Markov Chains and Mixing Times (2017), chapter 4.

    >>> interest_shift([[0.5, 0.5], [1, 0]], [[1, 0], [1, 0]])
    0.25
    """
    now, born = (numbers(name, array, dimensions=2) for name, array in (("interests", interests), ("innate", innate)))
    if now.shape != born.shape:
        raise RecsimError(f"innate: its shape is {born.shape}, that of interests {now.shape}; give the same users and topics")
    if now is born or not len(now):
        return 0.0 if len(now) else math.nan
    now, born = (rows / np.maximum(rows.sum(axis=1, keepdims=True), 1e-300) for rows in (now, born))
    return float(np.abs(now - born).sum(axis=1).mean() / 2)


def click_rate(clicks: npt.ArrayLike, impressions: npt.ArrayLike) -> float:
    """Return the clicks per impression: what the platform's own benchmark sees.

    sum of clicks / sum of impressions; a ratio of sums, so items and users weigh as often as they were shown.

    clicks, impressions: numbers or arrays of any shape, non-negative and finite. Range [0, 1] when each click is on an
    impression, in clicks per impression. NaN without impressions. Raises RecsimError for anything else.

    >>> click_rate([1, 0, 2], [10, 10, 10])
    0.1
    """
    taken, shown = numbers("clicks", clicks), numbers("impressions", impressions)
    return ratio(float(taken.sum()), float(shown.sum()))


# ------------------------------------------------------------------------------------------------------ one window


@dataclass
class Window:
    """What one epoch, or a part of it, leaves for the metrics.

    impressions, clicks: (9, items) int64, one row for each origin code: 0 MODEL, 1 EXPLORE, 2 ORGANIC, 3 FRIEND,
    4 EDITOR, 5 SURVEY, 6 PANEL, 7 ANCHOR, 8 SYNTHETIC; one column for each item released by the end of the window,
    unseen ones included. Rows ORGANIC, SURVEY, ANCHOR and SYNTHETIC are not slates of a feed: never impressions.
    shown_topics: (users, topics) float64, topic mass shown to each user in the feed.
    niche: (users,) bool, whether she is a niche user. utility: (users,) float64, sum of the true utility of what she
    consumed. consumed: (users,) int64, number of things consumed.
    clickers: (items,) int64, distinct users who had clicked the item before the epoch. active: users active before or
    in the epoch, all of those clickers among them.
    utility_innate: (users,), the same by the interests that she was born with; None where nobody changes. interests,
    innate: (users, topics), shares of topics that each is interested in as the window ends, and was born with.
    curiosity: (users,), the probability that her visits do without the feed, but for lifts. These three are of those
    who are *here*, (users,) bool, as it ends, None for all: *present* of them, others being away for a while or gone for ever;
    arrived: since the beginning.
    demand: (items,), what those who are here would consume of each item a day if nobody steered them. idle: (items,), epochs in
    a row without an impression in the feed, this one included, of *epochs* so far.
    met: (users, topics), topic mass shown to each user since the beginning. alike: (users,), the sum over some of her slates of
    two items or more, *slates* (users,) of them, of the mean cosine of their pairs of items.
    clicked: user and item of every click. panel: (users,) bool, those whose sets of items are held against each other; shown:
    user and item of what they were shown. None of these, and 0 epochs, where it is not known; what needs them is NaN then.
    visits: in the window, organic ones too. labels: paid for by human signals; spent: their price, in clicks.
    human_share, human_weight: in [0, 1], share of human signal in the training rows of the serving model, and in their
    weight. depth: mean generations between those rows and a human cause. All three NaN when it was not trained.
    """

    impressions: Ints
    clicks: Ints
    shown_topics: Floats
    niche: npt.NDArray[np.bool_]
    utility: Floats
    consumed: Ints
    clickers: Ints
    active: int
    human_share: float
    human_weight: float
    depth: float
    visits: int = 0
    labels: int = 0
    spent: float = 0.0
    utility_innate: Floats | None = None
    interests: Floats | None = None
    innate: Floats | None = None
    curiosity: Floats | None = None
    present: float = math.nan
    away: float = math.nan
    gone: float = math.nan
    arrived: float = math.nan
    here: Bools | None = None
    demand: Floats | None = None
    idle: Ints | None = None
    epochs: int = 0
    met: Floats | None = None
    alike: Floats | None = None
    slates: Ints | None = None
    clicked: Rows | None = None
    panel: Bools | None = None
    shown: Rows | None = None


IDLE = 3
"""Epochs in a row without an impression after which an item is extinct."""

METRICS: dict[str, str] = {
    "coverage": "share of the released items shown in the feed, 0 to 1",
    "coverage_floor": "coverage expected of as many uniform draws as impressions, 0 to 1",
    "coverage_clicks": "share of the released items clicked, by any way to them, 0 to 1",
    "coverage_clicks_floor": "coverage expected of as many uniform draws as clicks, 0 to 1",
    "coverage_model": "share of the released items that the recommender itself showed, 0 to 1",
    "coverage_model_floor": "coverage expected of as many uniform draws as impressions by the recommender, 0 to 1",
    "gini": "inequality of impressions among released items, 0 (equal) to 1",
    "gini_floor": "Gini index expected of as many uniform draws as impressions, 0 to 1",
    "gini_clicks": "inequality of clicks among released items, 0 (equal) to 1",
    "gini_clicks_floor": "Gini index expected of as many uniform draws as clicks, 0 to 1",
    "gini_model": "inequality of impressions by the recommender itself among released items, 0 (equal) to 1",
    "gini_model_floor": "Gini index expected of as many uniform draws as impressions by the recommender, 0 to 1",
    "effective_items": "exponential of the entropy of impressions, in items",
    "effective_items_floor": "effective items expected of as many uniform draws as impressions, in items",
    "effective_items_clicks": "exponential of the entropy of clicks, in items",
    "effective_items_clicks_floor": "effective items expected of as many uniform draws as clicks, in items",
    "effective_items_model": "exponential of the entropy of impressions by the recommender itself, in items",
    "effective_items_model_floor": "effective items expected of as many uniform draws as those, in items",
    "top_share": "share of impressions held by the top 1 % of released items, 0 to 1",
    "top_share_clicks": "share of clicks held by the top 1 % of released items, 0 to 1",
    "top_share_model": "share of the recommender's own impressions held by the top 1 % of released items, 0 to 1",
    "rarefied_coverage": "coverage expected of as many of the impressions, at random, as there are released items, 0 to 1",
    "rarefied_coverage_clicks": "coverage expected of as many of the clicks, at random, as there are released items, 0 to 1",
    "rarefied_coverage_model": "coverage expected of so many of the recommender's own impressions, 0 to 1",
    "unseen_mass": "probability that one more click is on an item without a click in the epoch, 0 to 1",
    "click_rate": "clicks in the feed per impression in the feed, 0 to 1; also of head and tail",
    "released": "items that are out at the end of the window, in items",
    "impressions": "impressions in the feed, a number",
    "clicks": "clicks of all origins, a number",
    "feed_clicks": "clicks on what the feed showed, in clicks",
    "organic_share": "share of all clicks that people made without the feed, 0 to 1",
    "tail_share": "share of impressions held by the tail, items outside the head that holds 80 % of true demand, 0 to 1",
    "tail_share_clicks": "share of clicks held by the tail, 0 to 1",
    "tail_share_model": "share of the recommender's own impressions held by the tail, 0 to 1",
    "demand_divergence": "Jensen-Shannon divergence of impressions from true demand, item by item, 0 to 1 bit",
    "demand_divergence_clicks": "Jensen-Shannon divergence of clicks from true demand, 0 to 1 bit",
    "demand_divergence_model": "Jensen-Shannon divergence of the recommender's own impressions from true demand, 0 to 1 bit",
    "extinct": f"items out for {IDLE} epochs or more, and not shown in the last {IDLE}, in items; also of head and tail",
    "novelty": "mean of -log2(share of active users who had clicked the item) over impressions, in bits",
    "novelty_model": "the same over impressions by the recommender itself, in bits",
    "homogeneity": "mean Jaccard index of what two people of a panel were shown, 0 to 1",
    "homogeneity_floor": "the same if each had been shown as many different items drawn uniformly, 0 to 1",
    "homogeneity_clicks": "mean Jaccard index of what two people of the panel clicked, 0 to 1",
    "homogeneity_clicks_floor": "the same if each had clicked as many different items drawn uniformly, 0 to 1",
    "personalisation_clicks": "1 minus the mean cosine of what two people clicked, 0 to 1; of all people",
    "feed_topics": "mean effective number of topics in a user's feed, in topics; also of mainstream and niche",
    "intra_list_diversity": "mean of 1 - cosine of the topics of two items of a slate, 0 to 1; also of mainstream and niche",
    "miscalibration": "mean divergence of feed topics from interests, 0 to 1 bit; also of mainstream and niche",
    "miscalibration_innate": "mean divergence of feed topics from interests at birth, 0 to 1 bit; also of mainstream and niche",
    "discovery": "mean share of interests at birth that a person has ever been shown, 0 to 1; also of mainstream and niche",
    "utility": "mean true utility of what was consumed, per item consumed; also of mainstream and niche",
    "low_utility": "10th percentile over users of that mean, per item consumed; also of mainstream and niche",
    "utility_innate": "mean utility by the interests that people were born with, per item consumed",
    "interest_topics": "mean effective number of topics in a person's interests, in topics",
    "interest_shift": "mean share of a person's interests that has moved away from those she was born with, 0 to 1",
    "curiosity": "mean probability that a visit does without the feed, but for lifts, 0 to 1",
    "present": "people who are there at the end of the window, in people",
    "away": "people who are away for a while, in people",
    "gone": "people who have gone for ever, in people",
    "arrived": "people who have come since the beginning, in people",
    "human_share": "share of human signal in the rows that the serving model was trained on, 0 to 1",
    "human_weight": "share of human signal in the weight of those rows, 0 to 1",
    "depth": "mean generations of the recommender between those rows and a human cause, in generations",
    "visits": "visits, organic ones too, in visits",
    "labels": "labels that human signals asked for: answers, picks, replayed rows, shares, in labels",
    "spent": "price of those labels, in clicks",
}

GROUPED: dict[str, str] = {
    "click_share": "share of all clicks that are on head or tail items, or of mainstream or niche users, 0 to 1",
    "exposed": "share of head or tail items, or of creators with an item out, that the feed showed, 0 to 1",
    "gini": "inequality of impressions among creators with an item out, 0 (equal) to 1",
    "gini_clicks": "inequality of clicks among creators with an item out, 0 (equal) to 1",
}
"""What is given of groups: 'head' and 'tail' of items, 'creators' where there are any, 'mainstream' and 'niche' of people."""


def measure(window: Window) -> list[tuple[str, str, float]]:
    """Return all metrics of one window as rows (group, metric, value); `METRICS` says what each is.

    The group is 'all', then 'head' and 'tail' for items and 'mainstream' and 'niche' for people, which have some of the
    metrics, and those of `GROUPED`. The value is NaN where the metric is not defined, so every window has the same rows in the
    same order.
    Raises RecsimError for arrays that do not fit each other, or hold what the metric does not accept.
    """
    _fit(window)
    feed, clicks, model = _kinds(window.impressions, window.clicks).values()
    people = {"all": np.ones(len(window.niche), np.bool_), "mainstream": ~window.niche, "niche": window.niche}
    calibration, between, topics, minds = together(
        partial(_of_those_here, window), partial(_between_people, window), partial(by_rows, _topics_each, window.shown_topics),
        partial(_minds, window), threads=THREADS.get(),
    )  # fmt: skip
    of_people = _of_people(window, people, topics, *calibration)
    outside = tail(_demand(window))
    values = {
        **_catalogue(window.impressions, window.clicks),
        **_against_demand(window),
        "novelty": novelty(feed, window.clickers, window.active),
        "novelty_model": novelty(model, window.clickers, window.active),
        **between,
        **of_people.pop("all"),
        **minds,
        "human_share": window.human_share,
        "human_weight": window.human_weight,
        "depth": window.depth,
        "visits": window.visits,
        "labels": window.labels,
        "spent": window.spent,
    }
    groups = {"all": values, "head": _of_items(window, 1 - outside), "tail": _of_items(window, outside)} | of_people
    for name in of_people:
        groups[name]["click_share"] = ratio(float(window.consumed[people[name]].sum()), float(clicks.sum()))
    return [
        (group, metric, float(value))
        for group, figures in groups.items()
        for metric, value in figures.items()
    ]


def _kinds(impressions: Ints, clicks: Ints) -> dict[str, Ints]:
    """Return impressions in the feed, clicks, and impressions of the model, (items,) each, by what their figures end in."""
    return {"": impressions[FEED, :].sum(axis=0), "_clicks": clicks.sum(axis=0), "_model": impressions[Origin.MODEL]}


def _catalogue(impressions: Ints, clicks: Ints) -> dict[str, float]:
    """Return the figures of counts by origin and item, those of inequality and coverage with their floors."""
    kinds, values = _kinds(impressions, clicks), {}
    floored: dict[str, tuple[Callable[[npt.ArrayLike], float], Callable[[int, int], float]]] = {
        "coverage": (coverage, coverage_floor),
        "gini": (gini, gini_floor),
        "effective_items": (effective_items, effective_items_floor),
    }
    for name, (metric, floor) in floored.items():
        for kind, counts in kinds.items():
            values[f"{name}{kind}"] = metric(counts)
            values[f"{name}{kind}_floor"] = floor(len(counts), int(counts.sum())) if len(counts) else math.nan
    values |= {f"top_share{kind}": top_share(counts) for kind, counts in kinds.items()}
    values |= {f"rarefied_coverage{kind}": rarefied_coverage(counts, len(counts)) for kind, counts in kinds.items()}
    feed, clicked, feed_clicks = kinds[""], kinds["_clicks"], clicks[FEED, :]
    return values | {
        "unseen_mass": unseen_mass(clicked),
        "click_rate": click_rate(feed_clicks, feed),
        "released": len(feed),
        "impressions": float(feed.sum()),
        "clicks": float(clicked.sum()),
        "feed_clicks": float(feed_clicks.sum()),
        "organic_share": ratio(float(clicks[Origin.ORGANIC].sum()), float(clicked.sum())),
    }


def _against_demand(window: Window) -> dict[str, float]:
    """Return how far impressions, clicks and impressions of the model are from true demand, and how many items died out."""
    kinds, demand = _kinds(window.impressions, window.clicks), _demand(window)
    return {
        **{f"tail_share{kind}": tail_share(counts, demand) for kind, counts in kinds.items()},
        **{f"demand_divergence{kind}": demand_divergence(counts, demand) for kind, counts in kinds.items()},
        "extinct": float(_extinct(window).sum()) if window.epochs >= IDLE else math.nan,
    }


def _demand(window: Window) -> Floats:
    """Return true demand, (items,); none where the window does not say."""
    return np.zeros(len(window.clickers)) if window.demand is None else window.demand


def _extinct(window: Window) -> Bools:
    """Return which items have died out: (items,)."""
    return np.zeros(len(window.clickers), np.bool_) if window.idle is None else window.idle >= IDLE


def _of_items(window: Window, part: Floats) -> dict[str, float]:
    """Return the figures of a group of items that each is *part* of, (items,) in [0, 1]: see `tail`."""
    feed, clicks, _ = _kinds(window.impressions, window.clicks).values()
    items = float(part.sum())
    return {
        "exposed": ratio(float(part[feed > 0].sum()), items),
        "click_share": ratio(float((part * clicks).sum()), float(clicks.sum())),
        "click_rate": ratio(float((part * window.clicks[FEED, :]).sum()), float((part * feed).sum())),
        "extinct": float(part[_extinct(window)].sum()) if window.epochs >= IDLE and items > 0 else math.nan,
    }


def _between_people(window: Window) -> dict[str, float]:
    """Return how alike people's sets of items are, those of a panel and those of all."""
    none = np.zeros(0, np.int64)
    user, item = window.clicked or (none, none)
    ours = np.zeros(len(user), np.bool_) if window.panel is None else window.panel[user]
    values = {}
    for kind, log in {"": window.shown or (none, none), "_clicks": (user[ours], item[ours])}.items():
        values[f"homogeneity{kind}"] = homogeneity(*log)
        sizes = np.bincount(sets(*log)[0])
        values[f"homogeneity{kind}_floor"] = homogeneity_floor(sizes, len(window.clickers)) if len(sizes) else math.nan
    return values | {"personalisation_clicks": personalisation(user, item)}


def _of_people(
    window: Window, groups: dict[str, Bools], topics: Floats, now: Floats, born: Floats, found: Floats
) -> dict[str, dict[str, float]]:
    """Return the figures of the feeds and the welfare of groups of people, (users,) bool each, by the names of the groups.

    topics, now, born, found: (users,), what `_topics_each` and `_of_those_here` say of each.
    """
    none = np.zeros(len(window.niche))
    alike, slates = (none if sums is None else sums for sums in (window.alike, window.slates))
    return {
        name: {
            "feed_topics": mean(topics[group]),
            "intra_list_diversity": 1 - ratio(float(alike[group].sum()), float(slates[group].sum())),
            "miscalibration": mean(now[group]),
            "miscalibration_innate": mean(born[group]),
            "discovery": mean(found[group]),
            "utility": ratio(float(window.utility[group].sum()), float(window.consumed[group].sum())),
            "low_utility": low_welfare(window.utility[group], window.consumed[group]),
        }
        for name, group in {name: np.flatnonzero(group) for name, group in groups.items()}.items()
    }


def _of_those_here(window: Window) -> tuple[Floats, Floats, Floats]:
    """Return the miscalibration of each user by interests now, and at birth, and her discovery: (users,), NaN if not here or not
    known.
    """
    here = np.ones(len(window.niche), np.bool_) if window.here is None else window.here
    now, born, found = (np.full(len(here), np.nan) for _ in range(3))
    interests, innate = window.interests, window.innate
    met = np.zeros(window.shown_topics.shape) if window.met is None else window.met
    shown, met = (table if here.all() else table[here] for table in (window.shown_topics, met))
    if interests is not None:
        now[here] = by_rows(jensen_shannon, shown, interests)
    if innate is not None:
        same = interests is innate  # where nobody changes: not twice the same work
        born[here] = now[here] if same else by_rows(jensen_shannon, shown, innate)
        found[here] = by_rows(discovered, met, innate)
    return now, born, found


def _minds(window: Window) -> dict[str, float]:
    """Return the figures of how people have changed; NaN where the window does not say."""
    born = window.utility if window.utility_innate is None else window.utility_innate
    interests, innate = window.interests, window.innate
    curiosity = np.zeros(0) if window.curiosity is None else window.curiosity
    return {
        "utility_innate": ratio(float(born.sum()), float(window.consumed.sum())),
        "interest_topics": math.nan if interests is None else effective_topics(interests),
        "interest_shift": math.nan if interests is None or innate is None else interest_shift(interests, innate),
        "curiosity": ratio(float(curiosity.sum()), len(curiosity)),
        "present": window.present,
        "away": window.away,
        "gone": window.gone,
        "arrived": window.arrived,
    }


def _fit(window: Window) -> None:
    """Say which array of a window has not the shape that the others ask for."""
    users, items = len(window.niche), len(window.clickers)
    table = (users, *window.shown_topics.shape[1:])
    people = table if window.here is None else (int(np.sum(window.here)), *table[1:])
    shapes: dict[str, tuple[int, ...]] = {
        "impressions": (len(Origin), items),
        "clicks": (len(Origin), items),
        "clickers": (items,),
        "shown_topics": table,
        "niche": (users,),
        "utility": (users,),
        "consumed": (users,),
        "here": (users,),
        "demand": (items,),
        "idle": (items,),
        "met": table,
        "alike": (users,),
        "slates": (users,),
        "panel": (users,),
        "interests": people,
        "innate": people,
    }
    for name, shape in shapes.items():
        found = np.shape(getattr(window, name))
        if found != shape and getattr(window, name) is not None:
            raise RecsimError(f"window.{name}: its shape is {found}; the other arrays ask for {shape}")


# ------------------------------------------------------------------------------------------------ several epochs of a run


class Tables(Protocol):
    """What a run leaves behind, as `recsim.Run` has it."""

    @property
    def items(self) -> pd.DataFrame:
        """Impressions and clicks of each epoch, item and origin."""

    @property
    def catalog(self) -> pd.DataFrame:
        """What came out, and on what day: born."""

    @property
    def history(self) -> pd.DataFrame:
        """The figures of each epoch."""


def catalogue_over(run: Tables, first: int, beyond: int) -> dict[str, float]:
    """Return the figures of the catalogue over several epochs taken together: what all of them showed, not their mean.

    The names are those of `METRICS`, from "coverage" to "organic_share", and the formulas those of one epoch, of the sums of
    its counts; what is out at the end of the last epoch counts. The longer a window, the more any feed covers: see the floors
    and `rarefied_coverage`.

    run: a `recsim.Run`. first, beyond: the epochs from first up to and without beyond, all of them closed.
    Raises RecsimError where the run has not all of these epochs.
    """
    released = _ends(run)["value"].to_numpy(np.int64)
    if not 0 <= first < beyond <= len(released):
        raise RecsimError(f"window: epochs {first} up to {beyond} are not in this run; it has those from 0 up to {len(released)}")
    frame = run.items[run.items["epoch"].between(first, beyond - 1)]
    counts = np.zeros((2, len(Origin), released[beyond - 1]), np.int64)
    for table, name in zip(counts, ("impressions", "clicks"), strict=True):
        np.add.at(table, (frame["origin"].to_numpy(np.int64), frame["item"].to_numpy(np.int64)), frame[name].to_numpy())
    return _catalogue(*counts)


def item_half_life(run: Tables, least: int = 2) -> float:
    """Return how long the items of a run live: the days from release until half of an item's clicks had come, its median.

    See `half_life`, which it applies to clicks by epoch: each counts as made at the epoch's end, so that the figure is too
    large by up to an epoch; `half_life` of `run.clicks` is exact. What the run's end cuts off makes it shorter.

    least: clicks that an item needs to count. In days. NaN where no item counts.
    """
    frame = run.items
    time = _ends(run)["day"].to_numpy(np.float64)[frame["epoch"].to_numpy(np.int64)]
    return half_life(frame["item"].to_numpy(), time, frame["clicks"].to_numpy(), run.catalog["born"].to_numpy(), least)


def _ends(run: Tables) -> pd.DataFrame:
    """Return the day on which each closed epoch ended, and how many items were out by then (value), a row each."""
    frame = run.history
    ends = (frame["window"] == "epoch") & (frame["group"] == "all") & (frame["metric"] == "released")
    return frame[ends].sort_values("epoch")
