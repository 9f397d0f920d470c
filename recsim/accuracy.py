"""Accuracy: how well lists of recommended items meet what was held out, which is what a platform's own team looks at.

Every measure takes *recommended*, (users, k) places of items, the best first, -1 where a list has ended, one row a user;
and the held-out interactions as two arrays (rows,), *held_user* and *held_item*: places of users among these rows, and of
items. Pairs held out twice count once. Users to whom nothing was held out do not count, and a user with an empty list
counts with 0. NaN means that nothing was held out. A measure at k of longer lists is that of `recommended[:, :k]`.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from recsim.amounts import amounts, codes, deciles, ratio, sets
from recsim.errors import RecsimError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def hits(recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike) -> tuple[Bools, Ints]:
    """Return where the lists hit what was held out, (users, k) bool, and how much was held out to each user, (users,).

    Raises RecsimError for lists that hold an item twice, and for users or items that are no places; so do all measures here.

    >>> found, number = hits([[4, 2], [2, 0]], held_user=[0, 0, 1], held_item=[2, 3, 1])
    >>> found.tolist(), number.tolist()
    ([[False, True], [False, False]], [2, 1])
    """
    lists = codes("recommended", recommended, below=2**31, dimensions=2, least=-1)
    ordered = np.sort(lists, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise RecsimError("recommended: a list holds an item twice; give distinct items, and -1 where a list has ended")
    user, item = sets(codes("held_user", held_user, below=len(lists)), codes("held_item", held_item))
    keys = user << 31 | item
    asked = np.arange(len(lists))[:, None] << 31 | np.maximum(lists, 0)
    place = np.minimum(np.searchsorted(keys, asked), max(0, len(keys) - 1))
    found = (keys[place] == asked) & (lists >= 0) if len(keys) else np.zeros(lists.shape, np.bool_)
    return found, np.bincount(user, minlength=len(lists))


def recall(recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike) -> float:
    """Return which share of a user's held-out items is in her list, averaged over users: recall@k.

    mean over u of |L_u and R_u| / |R_u|; with more than k held out it cannot reach 1.

    Range 0 to 1, no unit. Source: Herlocker et al. 2004, "Evaluating collaborative filtering recommender systems", ACM
    Transactions on Information Systems 22(1).

    >>> recall([[4, 2], [2, 0]], held_user=[0, 0, 1], held_item=[2, 3, 1])
    0.25
    """
    return _recall(*hits(recommended, held_user, held_item))


def precision(recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike) -> float:
    """Return which share of the k positions holds held-out items, averaged over users: precision@k.

    mean over u of |L_u and R_u| / k; positions left empty count as misses.

    Range 0 to 1, no unit. Source: as `recall`.

    >>> precision([[4, 2], [2, 0]], held_user=[0, 0, 1], held_item=[2, 3, 1])
    0.25
    """
    found, number = hits(recommended, held_user, held_item)
    return _over_users(found.sum(axis=1) / max(1, found.shape[1]), number)


def ndcg(recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike) -> float:
    """Return how far up in the list the held-out items are, averaged over users: NDCG@k with gains 0 and 1.

    mean over u of sum over hits at rank r of 1 / log2(r + 1), divided by what the best list of k would have: the sum over
    r = 1..min(k, |R_u|).

    Range 0 to 1, no unit. Source: Järvelin and Kekäläinen 2002, "Cumulated gain-based evaluation of IR techniques", ACM
    Transactions on Information Systems 20(4), with the discount log2(r + 1) of Burges et al. 2005, "Learning to rank using
    gradient descent", ICML, in place of their log2(max(r, 2)).

    >>> round(ndcg([[4, 2], [1, 0]], held_user=[0, 1], held_item=[2, 1]), 6)    # 1 / log2(3), and 1
    0.815465
    """
    return _ndcg(*hits(recommended, held_user, held_item))


def hit_rate(recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike) -> float:
    """Return the share of users whose list holds at least one of their held-out items: HR@k.

    Range 0 to 1, no unit. Source: Deshpande and Karypis 2004, "Item-based top-N recommendation algorithms", ACM
    Transactions on Information Systems 22(1).

    >>> hit_rate([[4, 2], [2, 0]], held_user=[0, 0, 1], held_item=[2, 3, 1])
    0.5
    """
    return _hit_rate(*hits(recommended, held_user, held_item))


def reciprocal_rank(recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike) -> float:
    """Return 1 over the rank of the first hit, averaged over users: MRR@k.

    mean over u of 1 / r_u, r_u from 1 on; 0 where no position hits.

    Range 0 to 1, no unit. Source: Voorhees 1999, "The TREC-8 question answering track report".

    >>> reciprocal_rank([[4, 2], [2, 0]], held_user=[0, 0, 1], held_item=[2, 3, 1])
    0.25
    """
    return _reciprocal_rank(*hits(recommended, held_user, held_item))


def at_once(recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike) -> dict[str, float]:
    """Return recall, ndcg, hit_rate and reciprocal_rank by name, in one pass over the lists.

    >>> at_once([[4, 2], [2, 0]], held_user=[0, 0, 1], held_item=[2, 3, 1])["recall"]
    0.25
    """
    found, number = hits(recommended, held_user, held_item)
    measures = {"recall": _recall, "ndcg": _ndcg, "hit_rate": _hit_rate, "reciprocal_rank": _reciprocal_rank}
    return {name: measure(found, number) for name, measure in measures.items()}


def serendipity(
    recommended: npt.ArrayLike, held_user: npt.ArrayLike, held_item: npt.ArrayLike, popularity: npt.ArrayLike
) -> float:
    """Return how much of the lists is wanted and yet not what popularity alone would have put so far up.

    mean over u of 1/k sum over hits at rank r of max(P(r) - P(q_i), 0), P(r) = (items + 1 - r) / items, and q_i the rank
    of item i by popularity: 1 the most popular, items alike in popularity share a rank and the next rank follows it
    (dense ranks). An item that nobody had has P = 0. A list of the most popular items, in order, has 0.

    popularity: (items,) non-negative, one per released item, *unseen items included*: interactions before the hold-out.
    Range 0 to 1, no unit. Raises RecsimError also for items that popularity does not have. Source: the idea of Murakami
    et al. 2008, "Metrics for evaluating the serendipity of recommendation lists", in the form of RecTools' Serendipity.

    >>> serendipity([[1, 0]], held_user=[0, 0], held_item=[0, 1], popularity=[9, 2, 5, 0])    # item 1 is third by popularity
    0.25
    """
    found, number = hits(recommended, held_user, held_item)
    known = amounts("popularity", popularity)
    lists = codes("recommended", recommended, below=len(known), dimensions=2, least=-1)
    items, levels = len(known), np.unique(known[known > 0])
    rank = len(levels) - np.searchsorted(levels, known)  # 1 for the most popular
    everybody = np.where(known > 0, (items + 1 - rank) / max(1, items), 0.0)
    here = (items - np.arange(lists.shape[1])) / max(1, items)
    above = np.maximum(here - np.append(everybody, 0.0)[lists], 0.0)
    return _over_users((found * above).sum(axis=1) / max(1, lists.shape[1]), number)


def recall_by_demand(
    recommended: npt.ArrayLike,
    held_user: npt.ArrayLike,
    held_item: npt.ArrayLike,
    demand: npt.ArrayLike,
    groups: int = 10,
) -> Floats:
    """Return the recall of rare and of common items: in each decile of true demand, which share of the held-out is found.

    |held-out pairs (u, i) with i in L_u| / |held-out pairs|, both of items of the decile; see `deciles`. Pairs count
    alike, so users count as often as they have items.

    demand: (items,) non-negative, one per released item, *unseen items included*. Returns (groups,), the least demanded
    first; range 0 to 1, no unit, NaN for deciles of which nothing was held out. Source: recall stratified by popularity,
    as in Steck 2011, "Item popularity and recommendation accuracy", RecSys, by true demand instead of clicks.

    >>> recall_by_demand([[3, 2], [3, 2]], [0, 0, 1, 1], [3, 0, 3, 2], demand=[1, 2, 3, 9], groups=2).tolist()
    [0.0, 1.0]
    """
    found, _ = hits(recommended, held_user, held_item)
    group = deciles(demand, groups)
    held = group[sets(held_user, codes("held_item", held_item, below=len(group)))[1]]
    met = group[codes("recommended", recommended, dimensions=2, least=-1)[found]]
    number = np.bincount(held, minlength=groups)
    return np.divide(np.bincount(met, minlength=groups), number, out=np.full(groups, np.nan), where=number > 0)


def _over_users(values: Floats, number: Ints) -> float:
    """Return the mean over users to whom something was held out."""
    counting = number > 0
    return ratio(float(values[counting].sum()), int(counting.sum())) if len(values) else math.nan


def _recall(found: Bools, number: Ints) -> float:
    return _over_users(found.sum(axis=1) / np.maximum(number, 1), number)


def _ndcg(found: Bools, number: Ints) -> float:
    discount = 1 / np.log2(np.arange(found.shape[1]) + 2)
    best = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(number, len(discount))]
    gained = (found * discount).sum(axis=1)
    return _over_users(np.divide(gained, best, out=np.zeros(len(best)), where=best > 0), number)


def _hit_rate(found: Bools, number: Ints) -> float:
    return _over_users(np.asarray(found.any(axis=1), np.float64), number)


def _reciprocal_rank(found: Bools, number: Ints) -> float:
    ranks = 1.0 / (np.arange(found.shape[1]) + 1)
    return _over_users((found * ranks).max(axis=1, initial=0.0), number)
