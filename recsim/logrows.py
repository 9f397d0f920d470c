"""Rows of the log: columns from what was shown and clicked, from what signals tell, and from what is only imagined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recsim.eventlog import SCHEMA, Columns
from recsim.randomness import Floats
from recsim.signals import Stream, Told
from recsim.world import NOTHING, Clicks, Ints, Items32, Origin, Rows, Slate, Visits


def clicks_of(slate: Slate, order: np.ndarray, rows: Ints) -> Clicks:
    """Return the clicks of slates that are those of the visits *rows* (n,), in the order in which they were made: *order*
    (n, k), 0 for none.
    """
    flat = np.flatnonzero(order.ravel() > 0)
    row, position = np.divmod(flat, max(1, order.shape[1]))
    number = order.take(flat)
    if number.max(initial=0) > 1:
        by = np.lexsort((number, row))
        row, position = row[by], position[by]
    at = row, position
    return Clicks(rows[row], position.astype(np.int16), slate.items[at], slate.origin[at], slate.propensity[at])


def found(rows: Ints, item: Items32) -> Clicks:
    """Return what the visits *rows* (n,) found without the feed, *item* (n,), as clicks."""
    rows, item = rows[item != NOTHING], item[item != NOTHING]
    position, origin = np.full(len(rows), -1, np.int16), np.full(len(rows), Origin.ORGANIC, np.int8)
    return Clicks(rows, position, item, origin, np.full(len(rows), np.nan))


def of_clicks(visits: Visits, clicks: Clicks, epoch: int, depth: Floats, streams: Sequence[Stream]) -> Columns:
    """Return log columns of clicks, row i of *visits* being that of click i.

    epoch: of the model that serves; depth: (items,), of the rows that it causes. streams: of the signals, which know how
    a friend had met what she shared.
    """
    return {
        "time": visits.time,
        "epoch": np.full(len(visits), epoch, np.int32),
        "visit": visits.ordinal.astype(np.int32),
        "user": visits.user.astype(np.int32),
        "item": clicks.item,
        "position": clicks.position,
        "origin": clicks.origin,
        "propensity": clicks.propensity,
        "clicked": np.ones(len(visits), np.bool_),
        "depth": np.where(clicks.origin == Origin.MODEL, depth[clicks.item], 0.0),
        "via": _via(visits, clicks, streams),
    }


def of_slates(
    visits: Visits, slate: Slate, order: np.ndarray, epoch: int, depth: Floats, streams: Sequence[Stream]
) -> Columns:
    """Return log columns of all that was shown; *order* (n, k) is that of the clicks, 0 for none."""
    at = np.nonzero(slate.items != NOTHING)
    shown = Clicks(at[0], at[1].astype(np.int16), slate.items[at], slate.origin[at], slate.propensity[at])
    return of_clicks(visits.take(at[0]), shown, epoch, depth, streams) | {"clicked": order[at] > 0}


def _via(visits: Visits, clicks: Clicks, streams: Sequence[Stream]) -> np.ndarray:
    """Return how the sender of each shared item had met it, (clicks,); -1 where nobody shared it."""
    via = np.full(len(visits), -1, np.int8)
    shared = clicks.origin == Origin.FRIEND
    for stream in streams:
        if shared.any() and stream.signal.origin == Origin.FRIEND:
            theirs = shared & (stream.opened[visits.user] == clicks.item)
            via[theirs] = stream.via[visits.user[theirs]]
    return via


def of_told(told: Told, second: int, epoch: int) -> Columns:
    """Return log columns of what a signal tells at a second: rows of no visit."""
    rows = len(told.item)
    return _unconsumed(rows, told.origin) | {
        "time": np.full(rows, second), "epoch": np.full(rows, epoch, np.int32), "visit": np.full(rows, -1, np.int32),
        "user": told.user.astype(np.int32), "item": told.item,
    }  # fmt: skip


def of_shadow(visits: Visits, item: Items32, number: int, epoch: int) -> Columns:
    """Return columns of shadow rows, one for click *number* of each visit: (n,) items, in an epoch."""
    return _unconsumed(len(item), Origin.ORGANIC) | {
        "time": visits.time, "epoch": np.full(len(item), epoch, np.int32),
        "visit": visits.ordinal.astype(np.int32), "user": visits.user.astype(np.int32),
        "item": item, "position": np.full(len(item), number, np.int16),
    }  # fmt: skip


def _unconsumed(rows: int, origin: Origin) -> Columns:
    """Return log columns of rows that the feed did not place and nobody consumed."""
    return {
        "position": np.full(rows, -1, np.int16), "origin": np.full(rows, origin, np.int8), "propensity": np.full(rows, np.nan),
        "clicked": np.zeros(rows, np.bool_), "depth": np.zeros(rows), "via": np.full(rows, -1, np.int8),
    }  # fmt: skip


def before_the_loop(log: np.ndarray) -> Rows:
    """Return training rows of a log of before the loop, users and items: (2, rows)."""
    rows = _unconsumed(log.shape[1], Origin.ANCHOR) | {"user": log[0], "item": log[1]}
    none = {name: np.full(log.shape[1], -1, dtype) for name, dtype in SCHEMA.items() if name not in rows}
    return Rows.of(rows | none)
