"""The log: its rows, their order, its columns and its digest."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

MODEL, EXPLORE, ORGANIC, FRIEND, EDITOR, SURVEY, PANEL, ANCHOR, SYNTHETIC = range(9)
HUMAN = {ORGANIC, FRIEND, EDITOR, SURVEY, PANEL, ANCHOR}


class Row(NamedTuple):
    """One row of the log, in the order of its columns."""

    time: int
    epoch: int
    visit: int
    user: int
    item: int
    position: int
    origin: int
    propensity: float
    clicked: bool
    depth: float
    via: int


DTYPES = dict(zip(Row._fields, ("<i8", "<i4", "<i4", "<i4", "<i4", "<i2", "|i1", "<f8", "|b1", "<f8", "|i1"), strict=True))


def in_order(rows: list[Row]) -> list[Row]:
    """Return rows in the order of the log: what signals told at a second stands before its visits, in order of telling."""
    return sorted(
        rows, key=lambda row: (row.time, 1, row.user, row.visit, row.position) if row.visit >= 0 else (row.time, 0)
    )


def columns(rows: list[Row]) -> dict[str, np.ndarray]:
    """Return rows as arrays, one a column."""
    return {name: np.array([getattr(row, name) for row in rows], dtype) for name, dtype in DTYPES.items()}


def digest(rows: list[Row], epochs: int) -> str:
    """Return the digest of a log: a chain over its epochs, empty ones too."""
    before = b""
    for epoch in range(epochs):
        arrays = columns([row for row in rows if row.epoch == epoch])
        parts = [hashlib.sha256(array.tobytes()).digest() for array in arrays.values()]
        before = hashlib.sha256(before + b"".join(parts)).digest()
    return before.hex()


@dataclass
class Log:
    """What a run leaves behind."""

    clicks: list[Row] = field(default_factory=list)
    shadow: list[Row] = field(default_factory=list)
    impressions: list[Row] = field(default_factory=list)
    epochs: int = 1
    digest: str = ""
