"""Likeness: how alike users' feeds have become, how alike the items of one slate are, and how alike feed and interests.

Pure functions of logs (two arrays, a user and an item a row), of slates and of tables of topics. No measure forms a table
of users by users. NaN means that there is nothing to measure.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from recsim.amounts import Ints, codes, jensen_shannon, mean, numbers, ratio, row_sums, rows, sets
from recsim.errors import RecsimError
from recsim.randomness import Randomness

Floats = npt.NDArray[np.float64]

_TILE = 2_000_000  # pairs of users at a time


# ------------------------------------------------------------------------------------------------------ between users


def homogeneity(user: npt.ArrayLike, item: npt.ArrayLike, pairs: int | None = None, seed: int = 0) -> float:
    """Return how alike the sets of items of two users are: the mean Jaccard index over pairs of users.

    mean over u < v of |S_u and S_v| / |S_u or S_v|, S_u the distinct items of u in the log. Exact over all pairs where
    *pairs* is None, at a cost of the number of pairs; else over so many pairs drawn at random, of two different users
    each, with a standard error of at most 0.5 / sqrt(pairs).

    user, item: (rows,) places from 0 on, impressions or clicks; repeated rows count once. Users without rows do not
    count. seed: of the pairs drawn. Range 0 to 1, no unit. NaN with fewer than two users. Larger sets are more alike by
    chance alone: see `homogeneity_floor`. Raises RecsimError for rows that do not fit each other.
    Source: Jaccard 1912, "The distribution of the flora in the alpine zone", New Phytologist 11(2); as homogeneity between
    users in Chaney et al. 2018, "How algorithmic confounding in recommendation systems increases homogeneity and
    decreases utility", RecSys.

    >>> homogeneity([0, 0, 1, 1, 2], [7, 8, 8, 9, 3])    # 1/3, 0 and 0
    0.1111111111111111
    """
    who, what = rows(user, item)
    number = np.bincount(who)
    there = np.flatnonzero(number)
    if len(there) < 2:
        return math.nan
    if pairs is None:
        return _over_all_pairs(*sets(who, what))
    drawn = there[_drawn(len(there), pairs, seed)]
    number[drawn] = -1
    ours = number[who] < 0  # rows of other users cost a sort for nothing
    return float(jaccard(who[ours], what[ours], drawn).mean())


def homogeneity_change(
    now: tuple[npt.ArrayLike, npt.ArrayLike], base: tuple[npt.ArrayLike, npt.ArrayLike], pairs: npt.ArrayLike
) -> float:
    """Return how much more alike users are than in a base world: the mean change of the Jaccard index of the same pairs.

    mean over pairs of J_now(u, v) - J_base(u, v).

    now, base: logs, each as (user, item), two arrays (rows,) of places from 0 on, the same users in both. pairs: (pairs, 2)
    places of users, each user with the one most similar to her, say, or all pairs. Pairs of which a user has no rows in
    one of the logs do not count. Range -1 to 1, no unit. NaN where no pair counts.
    Source: Chaney et al. 2018, as `homogeneity`, the base being an ideal recommender.

    >>> homogeneity_change(([0, 1], [5, 5]), ([0, 1], [5, 6]), pairs=[[0, 1]])
    1.0
    """
    return mean(jaccard(*now, pairs) - jaccard(*base, pairs))


def jaccard(user: npt.ArrayLike, item: npt.ArrayLike, pairs: npt.ArrayLike) -> Floats:
    """Return how alike the sets of two users are, for each of some pairs: (pairs,), 0 to 1, NaN where one has no rows.

    |S_u and S_v| / |S_u or S_v|, see `homogeneity`. pairs: (pairs, 2) places of users.

    >>> jaccard([0, 0, 1, 1], [7, 8, 8, 9], pairs=[[0, 1], [0, 0], [1, 5]]).tolist()
    [0.3333333333333333, 1.0, nan]
    """
    who, what = sets(user, item)
    both = codes("pairs", pairs if np.size(pairs) else np.zeros((0, 2)), dimensions=2)
    if both.shape[1] != 2:
        raise RecsimError(f"pairs: its shape is {both.shape}; give two users a row, (pairs, 2)")
    one, other = both.T
    sizes = np.bincount(who, minlength=int(max(one.max(initial=0), other.max(initial=0))) + 1)
    first = np.cumsum(sizes) - sizes
    number = sizes[one]
    row = np.repeat(np.arange(len(one)), number)  # a row for each item of the first user of each pair
    place = np.repeat(first[one] - (np.cumsum(number) - number), number) + np.arange(len(row))
    keys, asked = who << 31 | what, other[row] << 31 | what[place]
    at = np.searchsorted(keys, asked)
    shared = np.bincount(row[keys.take(at, mode="clip") == asked] if len(keys) else row, minlength=len(one))
    union = sizes[one] + sizes[other] - shared
    there = (sizes[one] > 0) & (sizes[other] > 0)
    return np.divide(shared, union, out=np.full(len(one), np.nan), where=there)


def _drawn(users: int, pairs: int, seed: int) -> Ints:
    """Return pairs of different places among users, each drawn at an address of its own: (pairs, 2)."""
    if pairs < 1:
        raise RecsimError(f"pairs: {pairs} is not a number of pairs; give at least 1, or None for all")
    numbers = np.arange(pairs)
    draw = Randomness(seed)
    one = (draw.uniform("homogeneity.one", numbers) * users).astype(np.int64)
    other = (draw.uniform("homogeneity.other", numbers) * (users - 1)).astype(np.int64)
    return np.column_stack([one, other + (other >= one)])


def _over_all_pairs(who: Ints, what: Ints) -> float:
    """Return the mean Jaccard index over all pairs of users in the log, some users against all at a time."""
    from scipy.sparse import csr_array

    users, who = np.unique(who, return_inverse=True)
    items, what = np.unique(what, return_inverse=True)
    table = csr_array((np.ones(len(who), np.int64), (who, what)), shape=(len(users), len(items)))
    across, sizes = table.T.tocsr(), np.bincount(who)
    step, total = max(1, _TILE // len(users)), 0.0
    for start in range(0, len(users), step):
        shared = (table[start : start + step] @ across).tocoo()
        one, other = shared.row + start, shared.col
        later = other > one
        common = shared.data[later]
        total += float((common / (sizes[one[later]] + sizes[other[later]] - common)).sum())
    return total / (len(users) * (len(users) - 1) / 2)


def homogeneity_floor(sizes: npt.ArrayLike, items: int) -> float:
    """Return the mean Jaccard index to expect if each user's set were drawn uniformly from the catalogue.

    The mean over pairs of E[I / (a + b - I)], a and b the sizes of two sets of distinct items, I hypergeometric: the
    overlap of b draws without repeats with a given a of the items. Exact: given how many distinct items a user was shown,
    all sets of that size are alike to a uniform feed. Terms beyond 12 standard deviations are left out.

    sizes: (users,) whole numbers, distinct items of each user, at most *items*; users with 0 do not count. items: at least
    1, the released ones, *unseen ones included*. Range 0 to 1, no unit. NaN with fewer than two users.
    Raises RecsimError for anything else. Source: derived as stated; checked by enumeration and Monte Carlo.

    >>> homogeneity_floor([1, 1], items=4)    # one of four is the same
    0.25
    """
    number = codes("sizes", sizes)
    if items < 1 or number.max(initial=0) > items:
        raise RecsimError(f"sizes: {number.max(initial=0)} distinct items of {items} cannot be; give all released items")
    value, users = np.unique(number[number > 0], return_counts=True)
    one, other = np.triu_indices(len(value))
    pairs = np.where(one == other, users[one] * (users[one] - 1) / 2, users[one] * users[other])
    one, other, pairs = one[pairs > 0], other[pairs > 0], pairs[pairs > 0]
    expected = _expected_jaccard(value[one], value[other], items)
    return ratio(float((pairs * expected).sum()), float(pairs.sum()))


def _expected_jaccard(a: Ints, b: Ints, items: int) -> Floats:
    """Return E[I / (a + b - I)] for sets of sizes a and b: (pairs,), I the overlap of two uniform sets."""
    from scipy.special import gammaln

    factorial = gammaln(np.arange(items + 1) + 1.0)
    centre = (a * b / items).astype(np.int64)
    spread = np.sqrt(a * (b / items) * (1 - a / items) * (items - b) / max(1, items - 1))
    reach = int(12 * spread.max(initial=0)) + 30
    least, most = np.maximum(0, a + b - items), np.minimum(a, b)
    first, last = int((least - centre).min(initial=0)), int((most - centre).max(initial=0))
    weights, sums = np.zeros(len(a)), np.zeros(len(a))
    for step in range(max(-reach, first), min(reach, last) + 1):
        shared = centre + step
        fits = (shared >= least) & (shared <= most)
        k, x, y = shared[fits], a[fits], b[fits]
        ways = factorial[x] - factorial[k] - factorial[x - k] - factorial[y - k] - factorial[items - x - y + k]
        chance = np.exp(ways + factorial[items - x] + factorial[y] + factorial[items - y] - factorial[items])
        weights[fits] += chance
        sums[fits] += chance * k / (x + y - k)
    return np.asarray(sums / weights, np.float64)


def personalisation(user: npt.ArrayLike, item: npt.ArrayLike) -> float:
    """Return how different users' sets are from each other: 1 minus the mean cosine of all pairs of users.

    1 - mean over u < v of |S_u and S_v| / sqrt(|S_u| |S_v|), S_u the distinct items of u. Exact by item, in one pass over
    the log: with s_i the sum of 1 / sqrt(|S_u|) over users u of item i, the mean is (sum_i s_i^2 - U) / (U (U - 1)).

    user, item: (rows,) places from 0 on; repeated rows count once. Users without rows do not count. Range 0 to 1, no
    unit: 0 all the same, 1 nothing in common. NaN with fewer than two users. Source: the mean Hamming distance of Zhou et
    al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107(10), which it equals for
    lists of one length.

    >>> round(personalisation([0, 0, 1, 1], [7, 8, 8, 9]), 12)
    0.5
    """
    who, what = sets(user, item)
    sizes = np.bincount(who)
    users = int(np.count_nonzero(sizes))
    if users < 2:
        return math.nan
    weight = np.bincount(what, weights=1 / np.sqrt(sizes[who]))
    return float(np.clip(1 - (float((weight**2).sum()) - users) / (users * (users - 1)), 0.0, 1.0))


# ---------------------------------------------------------------------------------------------------- within one slate


def intra_list_diversity(
    slates: npt.ArrayLike, topics: npt.ArrayLike | None = None, distance: npt.ArrayLike | None = None
) -> float:
    """Return how different the items of one slate are from each other: the mean distance of its pairs, over slates.

    mean over slates of 2 / (n (n - 1)) sum over positions r < s of d(i_r, i_s), n items in the slate; d = 1 - cosine of
    their topic mixtures, or a given table.

    slates: (slates, positions) places of items, -1 where nothing was shown. topics: (items, topics) non-negative; an item
    without topics is at distance 1 from all others. distance: (items, items) instead of topics, symmetric and finite; only
    for catalogues for which that is small. Slates with fewer than two items do not count. Range 0 to 1 with topics, in
    the unit of distance. NaN where no slate counts. Raises RecsimError for arrays that do not fit each other.
    Source: Ziegler et al. 2005, "Improving recommendation lists through topic diversification", WWW, as a mean.

    >>> round(intra_list_diversity([[0, 1, 2]], topics=[[1, 0], [0, 1], [2, 0]]), 12)    # 1, 0 and 1
    0.666666666667
    """
    if (topics is None) == (distance is None):
        raise RecsimError("topics: give either topics or distance, and not both")
    if topics is not None:
        return mean(_by_topics(slates, numbers("topics", topics, dimensions=2)))
    apart = numbers("distance", [] if distance is None else distance, dimensions=2)
    if apart.shape[0] != apart.shape[1] or (apart != apart.T).any():
        raise RecsimError(f"distance: its shape is {apart.shape}; give a symmetric table (items, items)")
    return mean(_by_distance(slates, apart))


def _by_topics(slates: npt.ArrayLike, topics: Floats) -> Floats:
    """Return the mean of 1 - cosine over pairs of each slate: |sum of unit vectors|^2 holds all pairs at once."""
    items = codes("slates", slates, below=len(topics), dimensions=2, least=-1)
    length = np.sqrt((topics**2).sum(axis=1, keepdims=True))
    unit = np.divide(topics, length, out=np.zeros_like(topics), where=length > 0)
    unit = np.concatenate([unit, np.zeros((1, unit.shape[1]))])  # the last row is that of nothing, -1
    total, own = np.zeros((len(items), unit.shape[1])), np.zeros(len(items))
    for position in range(items.shape[1]):
        here = unit[items[:, position]]
        total += here
        own += (here**2).sum(axis=1)
    pairs = _pairs(items)
    alike = ((total**2).sum(axis=1) - own) / 2
    return np.clip(1 - np.divide(alike, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0), 0.0, 1.0)


def _by_distance(slates: npt.ArrayLike, apart: Floats) -> Floats:
    """Return the mean distance over pairs of each slate, by a loop over pairs of positions."""
    items = codes("slates", slates, below=len(apart), dimensions=2, least=-1)
    table = np.pad(apart, (0, 1))  # nothing, -1, is at distance 0, and in no pair
    total = np.zeros(len(items))
    for lower in range(1, items.shape[1]):
        for upper in range(lower):
            total += table[items[:, upper], items[:, lower]]
    pairs = _pairs(items)
    return np.divide(total, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def _pairs(items: Ints) -> Floats:
    """Return how many pairs of items each slate has."""
    number = (items >= 0).sum(axis=1)
    return np.asarray(number * (number - 1) / 2, np.float64)


# ---------------------------------------------------------------------------------------------- feed and true interests


def miscalibration(shown_topics: npt.ArrayLike, interests: npt.ArrayLike) -> float:
    """Return how far feeds are from true interests, topic by topic: 0 is calibrated, 1 nothing in common.

    mean over users of the Jensen-Shannon divergence of the topic shares of her feed from those of her interests.

    shown_topics, interests: (users, topics) non-negative; rows are scaled to sum to 1. Users who were shown nothing do
    not count. Range 0 to 1, in bits. NaN when no user was shown anything. Raises RecsimError for two shapes.
    Source: Steck 2018, "Calibrated recommendations", RecSys, with the bounded and symmetric divergence of Lin 1991 in
    place of the smoothed one of Kullback and Leibler.

    >>> miscalibration([[6, 2], [0, 5], [0, 0]], [[0.75, 0.25], [1, 0], [1, 0]])
    0.5
    """
    return mean(jensen_shannon(*_tables(shown_topics, interests)))


def discovery(shown_topics: npt.ArrayLike, interests: npt.ArrayLike, least: float = 1.0) -> float:
    """Return how much of their real interests people have met: the share of them that lies in topics shown to them.

    mean over users of sum_k theta_uk [s_uk >= least], theta her interests as shares and s the topic mass shown to her so
    far: a topic is met when she was shown as much of it as *least* items about nothing else hold.

    shown_topics: (users, topics) non-negative, since the beginning or in a window, the sum of the topic mixtures of what
    was shown. interests: the same shape. least: above 0, in items. Users who were shown nothing count with 0, users
    without interests do not count. Range 0 to 1, no unit. NaN without users. Raises RecsimError for two shapes.
    Source: recall of a user's subtopics (S-recall: Zhai et al. 2003, "Beyond independent relevance", SIGIR), weighted.

    >>> discovery([[4, 0.5], [1, 2]], [[0.75, 0.25], [0.5, 0.5]])
    0.875
    """
    return mean(discovered(shown_topics, interests, least))


def discovered(shown_topics: npt.ArrayLike, interests: npt.ArrayLike, least: float = 1.0) -> Floats:
    """Return the `discovery` of each user, (users,), NaN for who has no interests; it takes what that takes."""
    shown, wanted = _tables(shown_topics, interests)
    if not least > 0:
        raise RecsimError(f"least: {least} is not above 0; give the items' worth of a topic that makes it known")
    total, part = row_sums(wanted), row_sums(np.where(shown >= least, wanted, 0.0))
    return np.divide(part, total, out=np.full(len(total), np.nan), where=total > 0)


def _tables(shown_topics: npt.ArrayLike, interests: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return both tables of users by topics, or say what is wrong with them."""
    shown = numbers("shown_topics", shown_topics, dimensions=2)
    wanted = numbers("interests", interests, dimensions=2)
    if shown.shape != wanted.shape:
        raise RecsimError(f"interests: its shape is {wanted.shape}, that of shown_topics {shown.shape}; give the same users")
    return shown, wanted
