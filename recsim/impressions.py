"""Logs of impressions: what was shown, where, and whether it was clicked, read with every fault named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError
from recsim.logfiles import Codes, Ints, Table, by_first_appearance

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

DEEPEST = 1000  # positions of a slate
_CLICKED = {"0": False, "1": True, "false": False, "true": True, "0.0": False, "1.0": True}


@dataclass(frozen=True)
class Impressions:
    """What people were shown, a row for each item and each time, in the order of the file.

    item: (rows,) int32, places in item_names. position: (rows,), from 0, the top of the slate, which the file calls
    *top*. clicked: (rows,) bool. visit: (rows,) int32 from 0 in the order of first appearance, or None where the log does
    not say which rows were shown together. user: (rows,) int32, places in user_names, or None. propensity: (rows,) the
    probability with which the item was shown at its position, in (0, 1], or None.
    """

    item: Codes
    position: Ints
    clicked: Bools
    item_names: tuple[str, ...]
    top: int = 0
    visit: Codes | None = None
    user: Codes | None = None
    user_names: tuple[str, ...] = ()
    propensity: Floats | None = None

    def __len__(self) -> int:
        return len(self.item)

    @property
    def depth(self) -> int:
        """Positions from the top to the last that something was shown at."""
        return int(self.position.max()) + 1

    def named(self, position: int) -> int:
        """Return what the file calls a position that is counted from 0."""
        return position + self.top


def read_impressions(
    path: str | Path,
    item: str,
    position: str,
    clicked: str,
    visit: str | None = None,
    user: str | None = None,
    propensity: str | None = None,
) -> Impressions:
    """Return the impressions in a CSV, TSV (both also as .gz) or Parquet file with a header, one a row.

    item ... propensity: names of columns. Positions are whole numbers from 0; the least one in the file is the top of the
    slate, whatever it is, and a slate has at most 1,000 of them. clicked is 0 or 1, or false or true. Visits are told
    apart by user and visit where there are users, and two rows of a visit have different positions; without visits, rows
    stand by themselves.

    Raises RecsimError in one line, as `recsim.logfiles.read_log` does: file, line, column, value, mend.
    """
    columns = {"item": item, "position": position, "clicked": clicked, "visit": visit, "user": user, "propensity": propensity}
    table = Table.open(Path(path), [name for name in columns.values() if name is not None])
    items, item_names = by_first_appearance(table.texts(item))
    places = _positions(table, position)
    users, user_names = by_first_appearance(table.texts(user)) if user else (None, ())
    visits = _visits(table, visit, places, users) if visit else None
    top = int(places.min())
    return Impressions(
        items, places - top, _clicks(table, clicked), item_names, top, visits, users, user_names,
        _propensities(table, propensity) if propensity else None,
    )  # fmt: skip


def _positions(table: Table, column: str) -> Ints:
    """Return the positions as they stand in the file: (rows,)."""
    numbers = table.numbers(column, "position")
    broken = (numbers != np.floor(numbers)) | (numbers >= 2**53)
    if broken.any():
        row = int(broken.argmax())
        table.fault(row, column, f"{numbers[row]:g} is no position; give a whole number, counted from the top")
    if np.ptp(numbers) >= DEEPEST:
        row = int(numbers.argmax())
        far = f"{numbers[row]:g} lies {np.ptp(numbers):g} places below {numbers.min():g}, the top of the slate"
        table.fault(row, column, f"{far}, but at most {DEEPEST - 1} are possible; is it another column?")
    return numbers.astype(np.int64)


def _clicks(table: Table, column: str) -> Bools:
    """Return whether each row was clicked: (rows,)."""
    import pandas as pd

    texts = table.texts(column)
    found = pd.Series(texts).str.strip().str.lower().map(_CLICKED)
    wrong = np.asarray(found.isna())
    if wrong.any():
        row = int(wrong.argmax())
        table.fault(row, column, f"{texts[row]!r} is neither 0 nor 1; write 1 for a click and 0 for none")
    return np.asarray(found, np.bool_)


def _propensities(table: Table, column: str) -> Floats:
    """Return the probabilities with which items were shown: (rows,)."""
    numbers = table.numbers(column, "probability")
    wrong = (numbers <= 0) | (numbers > 1)
    if wrong.any():
        row = int(wrong.argmax())
        table.fault(row, column, f"{numbers[row]:g} is no propensity; what was shown had one above 0, at most 1")
    return numbers


def _visits(table: Table, column: str, position: Ints, user: Codes | None) -> Codes:
    """Return the number of each row's visit: (rows,)."""
    import pandas as pd

    codes = by_first_appearance(table.texts(column))[0]
    if user is not None:  # two users may both count their visits from 1
        codes = pd.factorize(user.astype(np.int64) * len(codes) + codes)[0].astype(np.int32)
    frame = pd.DataFrame({"visit": codes, "position": position})
    again = np.asarray(frame.duplicated())
    if again.any():
        row = int(again.argmax())
        first = int(((codes == codes[row]) & (position == position[row])).argmax())
        there = f"position {position[row]} of this visit is already on {table.place(first)}"
        table.fault(row, column, f"{there}; drop one of them, or name the column that tells visits apart")
    return codes


def grouped(impressions: Impressions) -> tuple[npt.NDArray[np.int32], Ints]:
    """Return the items of each visit by position, (visits, depth), -1 where nothing was shown, and the position that was
    clicked, (visits,), -1 for none.

    Raises RecsimError where there are no visits, or one of them has two clicks.
    """
    if impressions.visit is None:
        raise RecsimError("impressions: has no visits, so what was shown together is not known; name the column with visit")
    slates = np.full((int(impressions.visit.max()) + 1, impressions.depth), -1, np.int32)
    slates[impressions.visit, impressions.position] = impressions.item
    clicks = np.bincount(impressions.visit[impressions.clicked], minlength=len(slates))
    if clicks.max() > 1:
        many = f"{int((clicks > 1).sum())} of {len(slates)} visits have more than one click"
        raise RecsimError(f"impressions: {many}, but people who choose one item (Luce) click once; leave visits out: Given")
    choice = np.full(len(slates), -1, np.int64)
    choice[impressions.visit[impressions.clicked]] = impressions.position[impressions.clicked]
    return slates, choice
