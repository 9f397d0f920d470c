"""The log: columns of rows in the order (time, user, visit, position), closed by epochs, with a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np

from recsim.ahead import THREADS, together

Columns = dict[str, np.ndarray[Any, Any]]

SCHEMA: dict[str, str] = {
    "time": "<i8",
    "epoch": "<i4",
    "visit": "<i4",
    "user": "<i4",
    "item": "<i4",
    "position": "<i2",
    "origin": "|i1",
    "propensity": "<f8",
    "clicked": "|b1",
    "depth": "<f8",
    "via": "|i1",
}
"""Columns and their dtypes: time in seconds, epoch of the model that served, visit = ordinal of the visit of that user (-1:
of no visit), position from 0 (-1: not placed by the feed, propensity NaN), origin code, propensity, clicked, depth in
generations, via = origin through which the friend who shared an item had met it (-1: nobody shared it)."""


MANY = 100_000  # rows whose columns are worth sharing among threads


def digest(before: bytes, columns: Columns) -> bytes:
    """Return the digest after one more epoch: SHA-256 of the one before and the SHA-256 of each column in schema order."""

    def of(name: str) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(columns[name], SCHEMA[name]).data).digest()

    return hashlib.sha256(before + b"".join(_each(of, len(columns["time"])))).digest()


def _each(work: Callable[[str], Any], rows: int) -> list[Any]:
    """Return what *work* makes of each column; of many rows, in threads where they are allowed."""
    return together(*(partial(work, name) for name in SCHEMA), threads=THREADS.get() if rows >= MANY else 1)


def _order(*columns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the order of rows by whole numbers, those of the first column first; rows that are alike stay as they stand."""
    from recsim import kernels

    order = np.arange(len(columns[0]))
    for column in reversed(columns):
        kernels.sort((column - column.min()).astype(np.uint64), order)
    return order


class EventLog:
    """Rows that grow by windows. A window's rows are sorted when it closes, so that the order of serving is forgotten."""

    def __init__(self) -> None:
        self._columns: Columns = {name: np.empty(1024, dtype) for name, dtype in SCHEMA.items()}
        self._pending: list[Columns] = []
        self.rows = 0
        self.epoch_start = 0
        self.digest = b""

    def take_over(self, other: EventLog) -> None:
        """Go on from a copy of another log."""
        vars(self).update(deepcopy(vars(other)))

    def append(self, columns: Columns) -> None:
        """Take the rows of some visits of the open window, in any order."""
        if len(columns["time"]):
            self._pending.append(columns)

    def close_window(self) -> None:
        """Sort the rows of the window and put them behind those of earlier windows."""
        if not self._pending:
            return
        number = sum(len(part["time"]) for part in self._pending)
        columns = _each(lambda name: np.concatenate([part[name] for part in self._pending]), number)
        rows = dict(zip(SCHEMA, columns, strict=True))
        order = _order(*(rows[name] for name in ("time", "user", "visit", "position")))
        self._put(number, lambda name: rows[name][order])
        self._pending.clear()

    def extend(self, columns: Columns) -> None:
        """Put sorted rows behind those that are there."""
        self._put(len(columns["time"]), columns.__getitem__)

    def _put(self, rows: int, column: Callable[[str], np.ndarray[Any, Any]]) -> None:
        """Put rows, of each column by its name, behind those that are there."""
        stop = self.rows + rows

        def one(name: str) -> None:
            kept = self._columns[name]
            if stop > len(kept):
                room = np.empty(max(stop, len(kept) + len(kept) // 2), kept.dtype)
                room[: self.rows] = kept[: self.rows]
                kept = self._columns[name] = room
            kept[self.rows : stop] = column(name)

        _each(one, rows)
        self.rows = stop

    def columns(self, start: int = 0, stop: int | None = None) -> Columns:
        """Return views of the rows from *start* to *stop*, by column."""
        stop = self.rows if stop is None else stop
        return {name: column[start:stop] for name, column in self._columns.items()}

    def since(self, second: float) -> int:
        """Return the first row whose time is not before *second*."""
        return int(np.searchsorted(self._columns["time"][: self.rows], second))

    def close_epoch(self) -> Columns:
        """Return the rows since the last epoch was closed, and take them into the digest."""
        columns = self.columns(self.epoch_start)
        self.digest = digest(self.digest, columns)
        self.epoch_start = self.rows
        return columns

    def forget(self) -> None:
        """Let go of all closed rows; what goes on is the digest."""
        self._columns = {name: np.empty(1024, dtype) for name, dtype in SCHEMA.items()}
        self.rows = self.epoch_start = 0
