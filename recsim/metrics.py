"""Metrics: what a feed did to the catalogue and to the people, as pure functions of counts and of one window.

Every function takes plain arrays and returns a float; NaN means that there is nothing to measure. Figures of the
catalogue depend on how much was shown, so the main ones have a *floor*: what as many exposures would give if each were
drawn uniformly and independently from the catalogue. Compare a feed with its floor, not with 0 or 1. All measures are
had from here: those of rare cases live in `rarity`, of lists against a hold-out in `accuracy`, of how alike feeds are in
`likeness`, and `groups` applies any of them by group and window to any data frame.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim.accuracy import hit_rate, hits, ndcg, precision, recall, recall_by_demand, reciprocal_rank, serendipity
from recsim.amounts import Floats, Ints, amounts, deciles, jensen_shannon, numbers, ratio, share_of, volume, whole
from recsim.errors import RecsimError
from recsim.groups import Log, Part, by_group
from recsim.likeness import (
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

__all__ = [
    "METRICS", "Log", "Part", "Window", "by_creator", "by_group", "click_rate", "coverage", "coverage_floor", "deciles",
    "demand_divergence", "discovery", "effective_items", "effective_items_floor", "effective_topics", "extinct_items",
    "gini", "gini_floor", "half_life", "hit_rate", "hits", "homogeneity", "homogeneity_change", "homogeneity_floor",
    "interest_shift", "intra_list_diversity", "jaccard", "jensen_shannon", "lorenz", "low_welfare", "mean_popularity",
    "measure", "miscalibration", "ndcg", "novelty", "personalisation", "precision", "rarefied_coverage", "recall",
    "recall_by_demand", "reciprocal_rank", "serendipity", "tail", "tail_share", "top_share", "unseen_mass",
]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the catalogue


def gini(counts: npt.ArrayLike) -> float:
    """Return how unevenly exposure is shared among items: 0 is all alike, near 1 is one has it all.

    G = sum_i (2i - n - 1) x_(i) / (n sum_i x_i), x ascending, i = 1..n: twice the area between the Lorenz curve and the
    diagonal. It does not change when all counts are scaled, or every item is replaced by the same number of copies.

    counts: (items,) non-negative, one per released item, *unseen items included*. Range 0 to (items - 1) / items; no
    unit. NaN when nothing was shown, since nothing is then shared. Few exposures look unequal even when they are drawn
    uniformly: see `gini_floor`.

    Raises RecsimError for counts that are negative, not finite or not one-dimensional; so do all metrics of counts.
    Source: Gini 1912; the discrete form as in Dixon et al. 1987, corrected in 1988 (without the small-sample factor n / (n - 1)).

    >>> gini([0, 0, 0, 20])
    0.75
    """
    x = np.sort(amounts("counts", counts))
    total, items = float(x.sum()), len(x)
    if total == 0:
        return math.nan
    return float((np.arange(1 - items, items, 2) * (x / total)).sum()) / items


def gini_floor(items: int, draws: int) -> float:
    """Return the Gini index to expect of *draws* independent uniform draws: chance alone is unequal.

    e^{-2l} (I0(2l) + I1(2l)) with l = draws / items: the mean absolute difference of two Poisson(l) counts over twice
    their mean. About 1 - l when l is small and 1 / sqrt(pi l) when it is large. Exact for infinitely many items; for a
    finite number of them it is above the exact expectation by at most 0.55 / items (tested). 0 for one item.

    items: at least 1, the released ones. draws: at least 0, exposures or clicks. Range [0, 1), no unit. NaN for 0
    draws.
    Raises RecsimError for numbers outside these ranges; so do all floors.
    Source: Ramasubban 1958, "The mean difference and the mean deviation of some discontinuous distributions",
    Biometrika 45(3/4).

    >>> round(gini_floor(1000, 1000), 3)
    0.524
    """
    from scipy.special import i0e, i1e  # the scaled Bessel functions ive(0, x), ive(1, x), good for any x

    volume(items, draws)
    if draws == 0:
        return math.nan
    twice = 2 * draws / items
    return float(i0e(twice) + i1e(twice)) if items > 1 else 0.0


def coverage(counts: npt.ArrayLike) -> float:
    """Return the share of the catalogue that was shown at least once.

    |{i : x_i > 0}| / n. Also known as catalogue coverage or aggregate diversity.

    counts: (items,) non-negative, one per released item, *unseen items included*. Range [0, 1], no unit. 0 when nothing
    was shown; NaN when there are no items.
    Source: Herlocker et al. 2004, "Evaluating collaborative filtering recommender systems" (catalog coverage).

    >>> coverage([3, 0, 1, 0])
    0.5
    """
    x = amounts("counts", counts)
    return int(np.count_nonzero(x)) / len(x) if len(x) else math.nan


def coverage_floor(items: int, draws: int) -> float:
    """Return the exact expected coverage of *draws* independent uniform draws from the catalogue.

    1 - (1 - 1/m)^V with m items and V draws. A feed of slates without repeats covers slightly more.

    items: at least 1. draws: at least 0. Range [0, 1], no unit; 0 for 0 draws.
    Source: the classical occupancy problem (Feller 1968, volume 1, section IV.2).

    >>> coverage_floor(2, 3)
    0.875
    """
    volume(items, draws)
    if items == 1:
        return float(draws > 0)
    return -math.expm1(draws * math.log1p(-1 / items))


def effective_items(counts: npt.ArrayLike) -> float:
    """Return how many equally shown items would be as varied as this: the exponential of the entropy.

    exp(-sum_i p_i ln p_i), p_i = x_i / sum x: the Hill number of order 1.

    counts: (items,) non-negative, one per released item; unseen items add nothing. Range 1 to the number of items
    shown, in items. NaN when nothing was shown.
    Source: Hill 1973, "Diversity and evenness", Ecology 54(2); Jost 2006, "Entropy and diversity", Oikos 113(2).

    >>> round(effective_items([5, 5, 5, 0]), 12)
    3.0
    """
    x = amounts("counts", counts)
    x = x[x > 0]
    if not len(x):
        return math.nan
    p = x / x.sum()
    return math.exp(-float((p * np.log(p)).sum()))


def effective_items_floor(items: int, draws: int) -> float:
    """Return the effective number of items to expect of *draws* independent uniform draws.

    exp(E[H]), H the entropy of the counts: with V draws and m items E[H] = ln V - E[ln(1 + B)], B binomial(V - 1, 1/m),
    because k P(X = k) = V/m P(B = k - 1). That is exact where the Poisson approximation is not, at no further cost; for
    V over a million times m the expectation is a Taylor series with an error below 1e-11. By Jensen's inequality the
    mean of exp(H) itself is larger: by 6 % with two items and two draws, by less than 2 % from 20 items on and less
    than 1 % from 50 on, whatever the number of draws (tested against Monte Carlo).

    items: at least 1. draws: at least 0. Range 1 to min(items, draws), in items; NaN for 0 draws.
    Source: derived as stated; checked by enumeration and Monte Carlo.

    >>> round(effective_items_floor(2, 2), 6) == round(2 ** 0.5, 6)    # one item or two, evenly likely
    True
    """
    volume(items, draws)
    if draws == 0:
        return math.nan
    return math.exp(math.log(draws) - _mean_log1p(draws - 1, 1 / items))


def _mean_log1p(n: int, p: float) -> float:
    """Return E[ln(1 + B)], B binomial(n, p), summed over all within 12 standard deviations of the mean and 60 more.

    The logarithms of the probabilities are running sums of ln(P(k + 1) / P(k)): nothing cancels, however large n is.
    """
    mean, variance = n * p, n * p * (1 - p)
    if variance == 0:
        return math.log1p(mean)
    if mean > 1e6:
        return math.log1p(mean) - variance / (2 * (1 + mean) ** 2)
    reach = 12 * math.sqrt(variance) + 60
    k = np.arange(max(0, int(mean - reach)), min(n, int(mean + reach)) + 1)
    steps = np.log((n - k[:-1]) / (k[:-1] + 1.0)) + math.log(p / (1 - p))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return float((weights * np.log1p(k)).sum() / weights.sum())


def top_share(counts: npt.ArrayLike, share: float = 0.01) -> float:
    """Return the share of all exposures that the most exposed items hold: by default the top 1 % of the catalogue.

    sum of the h greatest x_i / sum x, with h = floor(share * items), but at least 1.

    counts: (items,) non-negative, one per released item, *unseen items included* (they set the size of the head).
    share: in (0, 1]. Range h / items to 1, no unit. NaN when nothing was shown.
    Raises RecsimError also for a share outside (0, 1]. Source: the concentration ratio of economics, on items.

    >>> top_share([1, 6, 1, 2], share=0.5)
    0.8
    """
    x = amounts("counts", counts)
    share_of("share", share, "the items")
    total = float(x.sum())
    if total == 0:
        return math.nan
    head = max(1, math.floor(share * len(x) + 1e-9))  # 0.29 * 100 is 28.999999999999996
    return float(np.partition(x, len(x) - head)[len(x) - head :].sum()) / total


def mean_popularity(counts: npt.ArrayLike) -> float:
    """Return the mean popularity of the clicks in a log: the chance that two random clicks are on the same item.

    A = sum_i p_i^2, p_i = x_i / sum x (the Herfindahl or Simpson index). When new clicks with shares q come to make up
    a part b of the log, A becomes (1 - b)^2 A + 2b(1 - b) p.q + b^2 q.q.

    counts: (items,) non-negative; unseen items add nothing. Range 1 / items to 1, no unit. NaN when there is no click.
    Source: Mansoury et al. 2020, "Feedback loop and bias amplification in recommender systems", CIKM.

    >>> mean_popularity([2, 1, 1])
    0.375
    """
    x = amounts("counts", counts)
    total = float(x.sum())
    return float(((x / total) ** 2).sum()) if total else math.nan


def unseen_mass(counts: npt.ArrayLike) -> float:
    """Return how likely the next click is on an item never clicked before, estimated from the log alone.

    f1 / T: the number of items with exactly one click over the number of clicks. Its expectation after T clicks is
    exactly the expected probability of the unseen items after T - 1 clicks, whatever the popularities are, as long as
    clicks are independent draws: a log that stays below it has lost rare cases.

    counts: (items,) whole non-negative numbers of clicks; unseen items need not be known. Range [0, 1], no unit. NaN
    when there is no click. Raises RecsimError also for counts that are not whole.
    Source: Good 1953, "The population frequencies of species and the estimation of population parameters", Biometrika.

    >>> unseen_mass([1, 1, 3, 0, 5])
    0.2
    """
    x = whole("counts", counts)
    total = float(x.sum())
    return int(np.count_nonzero(x == 1)) / total if total else math.nan


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
    mass = numbers("topic_mass", topic_mass, dimensions=2)
    total = mass.sum(axis=1, keepdims=True)
    p = np.divide(mass, total, out=np.zeros(mass.shape), where=total > 0)
    # A topic without mass has p ln p = 0: ln(p + (p == 0)) is ln 1 there, and costs a third of a masked logarithm.
    entropy = -np.einsum("ut,ut->u", p, np.log(p + (p == 0)))
    seen = entropy[total[:, 0] > 0]
    return float(np.exp(seen).mean()) if len(seen) else math.nan


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
    if not len(now):
        return math.nan
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
    who are there as it ends: *present* of them, others being away for a while or gone for ever; arrived: since the beginning.
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
    "novelty": "mean of -log2(share of active users who had clicked the item) over impressions, in bits",
    "novelty_model": "the same over impressions by the recommender itself, in bits",
    "feed_topics": "mean effective number of topics in a user's feed, in topics",
    "click_rate": "clicks in the feed per impression in the feed, 0 to 1",
    "utility": "mean true utility of what was consumed, per item consumed; also for mainstream and niche users",
    "utility_innate": "the same by the interests that people were born with, per item consumed",
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
    "released": "items that are out at the end of the window, in items",
    "impressions": "impressions in the feed, a number",
    "clicks": "clicks of all origins, a number",
    "feed_clicks": "clicks on what the feed showed, in clicks",
    "visits": "visits, organic ones too, in visits",
    "labels": "labels that human signals asked for: answers, picks, replayed rows, shares, in labels",
    "spent": "price of those labels, in clicks",
    "organic_share": "share of all clicks that people made without the feed, 0 to 1",
}


def measure(window: Window) -> list[tuple[str, str, float]]:
    """Return all metrics of one window as rows (group, metric, value); `METRICS` says what each is.

    The group is 'all'; utility is given for the groups 'mainstream' and 'niche' as well. The value is NaN where the
    metric is not defined, so every window has the same rows in the same order.
    Raises RecsimError for arrays that do not fit each other, or hold what the metric does not accept.
    """
    _fit(window)
    feed, model = window.impressions[FEED, :].sum(axis=0), window.impressions[Origin.MODEL]
    clicks, feed_clicks = window.clicks.sum(axis=0), window.clicks[FEED, :]
    values = {
        **_catalogue(feed, clicks, model),
        "novelty": novelty(feed, window.clickers, window.active),
        "novelty_model": novelty(model, window.clickers, window.active),
        "feed_topics": effective_topics(window.shown_topics),
        "click_rate": click_rate(feed_clicks, feed),
        "utility": _mean_utility(window, np.ones(len(window.niche), bool)),
        **_people(window),
        "human_share": window.human_share,
        "human_weight": window.human_weight,
        "depth": window.depth,
        "released": len(window.clickers),
        "impressions": feed.sum(),
        "clicks": clicks.sum(),
        "feed_clicks": feed_clicks.sum(),
        "visits": window.visits,
        "labels": window.labels,
        "spent": window.spent,
        "organic_share": ratio(float(window.clicks[Origin.ORGANIC].sum()), float(clicks.sum())),
    }
    return [
        *(("all", metric, float(value)) for metric, value in values.items()),
        ("mainstream", "utility", _mean_utility(window, ~window.niche)),
        ("niche", "utility", _mean_utility(window, window.niche)),
    ]


def _people(window: Window) -> dict[str, float]:
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


def _catalogue(feed: Ints, clicks: Ints, model: Ints) -> dict[str, float]:
    """Return the figures of the catalogue for impressions, clicks and impressions of the model, with their floors."""
    kinds = {"": feed, "_clicks": clicks, "_model": model}
    floored: dict[str, tuple[Callable[[npt.ArrayLike], float], Callable[[int, int], float]]] = {
        "coverage": (coverage, coverage_floor),
        "gini": (gini, gini_floor),
        "effective_items": (effective_items, effective_items_floor),
    }
    values = {}
    for name, (metric, floor) in floored.items():
        for kind, counts in kinds.items():
            values[f"{name}{kind}"] = metric(counts)
            values[f"{name}{kind}_floor"] = floor(len(counts), int(counts.sum())) if len(counts) else math.nan
    return values | {f"top_share{kind}": top_share(counts) for kind, counts in kinds.items()}


def _mean_utility(window: Window, group: npt.NDArray[np.bool_]) -> float:
    """Return the mean true utility of what the users of a group consumed; NaN when they consumed nothing."""
    return ratio(float(window.utility[group].sum()), float(window.consumed[group].sum()))


def _fit(window: Window) -> None:
    """Say which array of a window has not the shape that the others ask for."""
    users, items = len(window.niche), len(window.clickers)
    shapes: dict[str, tuple[int, ...]] = {
        "impressions": (len(Origin), items),
        "clicks": (len(Origin), items),
        "clickers": (items,),
        "shown_topics": (users, *window.shown_topics.shape[1:]),
        "niche": (users,),
        "utility": (users,),
        "consumed": (users,),
    }
    for name, shape in shapes.items():
        found = getattr(window, name).shape
        if found != shape:
            raise RecsimError(f"window.{name}: its shape is {found}; the other arrays ask for {shape}")
