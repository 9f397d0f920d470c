"""Candidates: what is left of a ranking when some items are placed, and how relevant it is; for policies to build on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsim.lottery import Lottery
from recsim.randomness import Floats
from recsim.world import NOTHING, Bools, Ints, Items32, Ranking, Visits

_HEAD = 0.8  # of the counts, held by the head of the catalogue


def even(visits: Visits, ranking: Ranking) -> Lottery:
    """Return a lottery in which all items that are out are alike."""
    made: Lottery = ranking.published.once(f"even {visits.released}", lambda: Lottery(np.ones(visits.released), visits.slots))
    return made


def left(visits: Visits, placed: Items32) -> Ints:
    """Return how many items, (n,), may be shown and are not placed, but at least 1."""
    return np.maximum(visits.eligible - (placed != NOTHING).sum(axis=1), 1)


def best_left(ranking: Ranking, placed: Items32) -> Items32:
    """Return the best item of the ranking that is not placed, (n,); NOTHING where there is none."""
    if not ranking.items.shape[1]:
        return np.full(len(ranking.items), NOTHING, np.int32)
    there = open_among(ranking.items, placed)
    best = ranking.items[np.arange(len(there)), np.argmax(there, axis=1)]
    return np.where(there.any(axis=1), best, NOTHING).astype(np.int32)


def as_best(visits: Visits, ranking: Ranking, placed: Items32, item: Items32) -> Floats:
    """Return the probability, (n,), that the ranking has *item* next below *placed*: 1 or 0 where its order is fixed."""
    if ranking.weights is None:
        return ((item != NOTHING) & (item == best_left(ranking, placed))).astype(np.float64)
    return _chances(visits, ranking, ranking.weights).share(visits, placed, item)


def as_ranked(visits: Visits, ranking: Ranking, items: Items32) -> Floats:
    """Return the probability, (n, k), of each of the first items of a ranking, (n, k), given those before it; 0 for NOTHING."""
    if ranking.weights is None:
        return (items != NOTHING).astype(np.float64)
    return _chances(visits, ranking, ranking.weights).shares(visits, items)


def _chances(visits: Visits, ranking: Ranking, weights: Floats) -> Lottery:
    lottery: Lottery = ranking.published.once("chances", lambda: Lottery(weights, visits.slots))
    return lottery


def open_among(items: Items32, placed: Items32) -> Bools:
    """Return which of some items, (n, c), are there and not placed."""
    there = items != NOTHING
    for position in range(placed.shape[1]):
        there &= items != placed[:, position, None]
    return there


def best_by(worth: Floats, items: Items32, placed: Items32) -> tuple[Items32, Bools]:
    """Return the item left, (n,), that is worth most by *worth* (n, c), ties to the first; and whether any is left."""
    if not items.shape[1]:
        return np.full(len(items), NOTHING, np.int32), np.zeros(len(items), np.bool_)
    there = open_among(items, placed)
    rows, column = np.arange(len(items)), np.argmax(np.where(there, worth, -np.inf), axis=1)
    return items[rows, column], there[rows, column]


def first_left(order: Items32, visits: Visits, placed: Items32) -> Items32:
    """Return the first item, (n,), of one order of all items, (items,), that may be shown and is not placed."""
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    row, column = np.nonzero(placed != NOTHING)
    barred, gone = visits.consumed
    taken = np.unique(np.append(barred, row) * len(order) + place[np.append(gone, placed[row, column])])
    row, rank = np.divmod(taken, max(len(order), 1))
    start = np.searchsorted(row, np.arange(len(visits)))
    first = np.bincount(row[np.arange(len(row)) - start[row] == rank], minlength=len(visits))  # ranks 0, 1, ... without a gap
    return np.append(order, np.int32(NOTHING))[first]


def total(values: Floats) -> Floats:
    """Return the sums of rows, (n,), of (n, c): added one after the other, so that no row depends on another."""
    return np.cumsum(values, axis=1)[:, -1] if values.shape[1] else np.zeros(len(values))


class Candidates(NamedTuple):
    """The best items of each visit's ranking, (n, c), and their relevance, (n, c)."""

    items: Items32
    relevance: Floats


def candidates(ranking: Ranking, count: int) -> Candidates:
    """Return the best *count* items of a ranking, and how relevant they are."""
    items = ranking.items[:, :count]
    return Candidates(items, relevance(items, None if ranking.scores is None else ranking.scores[:, :count]))


def relevance(items: Items32, scores: Floats | None) -> Floats:
    """Return the scores of ranked items, (n, c), standardised in each row to mean 0 and standard deviation 1.

    Recommenders score in units of their own, and only differences mean anything; measured in standard deviations
    among the candidates of a visit they mean the same for every recommender. A candidate without a score (-inf) is as
    relevant as the lowest that has one; where none has any, or scores is None, the places stand for scores: 0, -1,
    -2, ... Where all scores are the same all are 0.
    """
    if not items.shape[1]:
        return np.zeros(items.shape)
    there = items != NOTHING
    known = there & np.isfinite(scores) if scores is not None else np.zeros(items.shape, np.bool_)
    none = ~known.any(axis=1, keepdims=True)
    known = np.where(none, there, known)
    places = -np.arange(items.shape[1], dtype=np.float64)
    value = np.where(none | ~known, places, places if scores is None else scores)
    top = np.where(known, value, -np.inf).max(axis=1, keepdims=True)
    width = top - np.where(known, value, np.inf).min(axis=1, keepdims=True)
    spread = known & (width > 0)
    value = np.divide(value - np.where(spread, top, 0.0), width, out=np.zeros(items.shape), where=spread)
    number = np.maximum(known.sum(axis=1), 1)
    centred = np.where(spread, value - (total(value) / number)[:, None], 0.0)
    deviation = np.sqrt(total(centred * centred) / number)[:, None]
    result = np.divide(centred, deviation, out=np.zeros(items.shape), where=spread)
    return np.where(known, result, result.min(axis=1, keepdims=True))


def tail(counts: Floats) -> Bools:
    """Return which items, (items,), are outside the head: the fewest items that hold 80 % of the counts, the largest
    first.

    >>> tail(np.array([1.0, 70.0, 10.0, 19.0, 0.0])).tolist()
    [True, False, True, False, True]
    """
    order = np.lexsort((np.arange(len(counts)), -counts))
    before = np.cumsum(counts[order]) - counts[order]
    result = np.ones(len(counts), np.bool_)
    result[order[before < _HEAD * counts.sum()]] = False
    return result


def directions(topics: Floats) -> Floats:
    """Return the topics of items as vectors of length 1, one row a topic: (topics, items)."""
    length = np.sqrt(total(topics * topics))[:, None]
    return np.ascontiguousarray(np.divide(topics, length, out=np.zeros(topics.shape), where=length > 0).T)
