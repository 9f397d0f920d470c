"""Groups: any measure by group of users, items or rows, and over any window of epochs, of any data frame of a log.

No simulation is needed: a log is a pandas data frame with a row for each impression or click, in columns of any name.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError, nearest

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Span = tuple[Any, Any]


@dataclass(frozen=True, eq=False)
class Log:
    """A data frame of impressions or clicks, and what it is about.

    frame: one row each. catalogue: the names of all items, *those never seen included*, or how many there are, if they
    are called 0, 1, ... item, user, epoch: names of its columns, of which only those that are used must be there; epochs
    may be anything that can be ordered, such as days. released: the epoch in which each item came out, by item; None: all
    were there from the start.
    """

    frame: pd.DataFrame
    catalogue: int | Iterable[Hashable]
    item: str = "item"
    user: str = "user"
    epoch: str = "epoch"
    released: Mapping[Any, Any] | None = None

    def column(self, name: str) -> pd.Series:
        """Return a column of the frame; RecsimError where there is none of that name."""
        if name not in self.frame.columns:
            raise RecsimError(f"{name}: is no column of the log; {nearest(name, map(str, self.frame.columns))}")
        return self.frame[name]

    def items(self) -> pd.Index:
        """Return the names of all items, each once."""
        import pandas as pd

        names = pd.RangeIndex(self.catalogue) if isinstance(self.catalogue, int) else pd.Index(list(self.catalogue))
        if names.has_duplicates:
            raise RecsimError(f"catalogue: {names[names.duplicated()][0]!r} is named twice; name each item once")
        return names


@dataclass(frozen=True, eq=False)
class Part:
    """The rows of a log that belong to one group and one window, for a measure to work on.

    rows: the rows. catalogue: the items that they are measured against: all that are out before the window's end, or
    those of the group where the groups are of items. log: what it is a part of.
    """

    rows: pd.DataFrame
    catalogue: pd.Index
    log: Log

    @property
    def counts(self) -> Ints:
        """Rows of each item of the catalogue: (items,), unseen ones with 0."""
        return np.bincount(self.item, minlength=len(self.catalogue))

    @property
    def item(self) -> Ints:
        """The place of each row's item in the catalogue: (rows,)."""
        import pandas as pd

        self.log.column(self.log.item)
        column = self.rows[self.log.item]
        places = np.asarray(self.catalogue.get_indexer(pd.Index(column)), np.int64)
        if (places < 0).any():
            name = column.iloc[int((places < 0).argmax())]
            raise RecsimError(f"{self.log.item}: {name!r} is not in the catalogue by then; name all items, and when they came")
        return places

    @property
    def user(self) -> Ints:
        """A number for each row's user, from 0 in the order of first appearance: (rows,)."""
        import pandas as pd

        self.log.column(self.log.user)
        return np.asarray(pd.factorize(self.rows[self.log.user])[0], np.int64)

    def sums(self, column: str) -> Floats:
        """Return the sum of a column, clicks say, over the rows of each item of the catalogue: (items,)."""
        self.log.column(column)
        weights = np.asarray(self.rows[column], np.float64)
        return np.asarray(np.bincount(self.item, weights, minlength=len(self.catalogue)), np.float64)


def by_group(
    log: Log,
    figures: Mapping[str, Callable[[Part], float]],
    by: str | None = None,
    groups: Mapping[Any, Any] | None = None,
    windows: int | Sequence[Span] | None = None,
) -> pd.DataFrame:
    """Return measures of each group in each window, one row each: first, beyond, group, metric, value.

    figures: measures by name, each a function of a `Part`. by: the column that tells groups apart, None for all rows
    together. groups: the group of each of its values, such as niche or mainstream by user, head or tail by item; without
    it each value is a group, as with origins or cohorts. Groups of items are measured against their own items, all others
    against the whole catalogue. A group that *groups* names is there even where the log has no row of it.
    windows: so many epochs each, from the first in the log to the last; or pairs (first, beyond), which hold the epochs
    from first up to and without beyond, and may overlap. None: the whole log, without the columns first and beyond.

    Raises RecsimError for columns that are not there, values without a group, items that are not in the catalogue.

    >>> import pandas as pd
    >>> from recsim import metrics
    >>> seen = pd.DataFrame({"film": ["Alien", "Alien", "Brazil", "Alien"], "week": [1, 1, 1, 2]})
    >>> log = Log(seen, catalogue=["Alien", "Brazil", "Clue", "Dune"], item="film", epoch="week")
    >>> kinds = {"Alien": "head", "Brazil": "tail", "Clue": "tail", "Dune": "tail"}
    >>> table = by_group(log, {"coverage": lambda part: metrics.coverage(part.counts)}, "film", kinds, windows=1)
    >>> print(table.round(3).to_string(index=False))
     first  beyond group   metric  value
         1       2  head coverage  1.000
         1       2  tail coverage  0.333
         2       3  head coverage  1.000
         2       3  tail coverage  0.000
    """
    import pandas as pd

    member, names = _members(log, by, groups)
    catalogue = log.items()
    home = _given(catalogue, groups, by) if by == log.item and groups is not None else None
    spans = _spans(log, windows)
    lines = []
    for span in spans:
        inside = np.ones(len(member), np.bool_) if span is None else _inside(log.column(log.epoch), span)
        out = _released(log, catalogue, span)
        for place, name in enumerate(names):
            ours = _own(catalogue, home, name, by == log.item)
            part = Part(log.frame[inside & (member == place)], catalogue[out & ours], log)
            lines += [(*(span or ()), name, metric, float(figure(part))) for metric, figure in figures.items()]
    columns = ["group", "metric", "value"]
    return pd.DataFrame(lines, columns=columns if windows is None else ["first", "beyond", *columns])


def _members(log: Log, by: str | None, groups: Mapping[Any, Any] | None) -> tuple[Ints, list[Any]]:
    """Return the place of each row's group, (rows,), and the groups' names in order."""
    import pandas as pd

    if by is None:
        return np.zeros(len(log.frame), np.int64), ["all"]
    values = log.column(by)
    codes, found = pd.factorize(values, sort=groups is None)
    if (codes < 0).any():
        raise RecsimError(f"{by}: some values are missing, so these rows have no group; fill them, or drop the rows")
    if groups is None:
        return np.asarray(codes, np.int64), list(found)
    names = list(dict.fromkeys(groups[key] for key in groups.keys()))  # noqa: SIM118 (a Series iterates over its values)
    place = {name: number for number, name in enumerate(names)}
    of_value = np.array([place[name] for name in _given(found, groups, by)], np.int64)  # a value each, not a row each
    return of_value[codes] if len(found) else np.zeros(0, np.int64), names


def _given(values: pd.Index, groups: Mapping[Any, Any], by: str) -> list[Any]:
    """Return the group of each value."""
    missing = [value for value in values if value not in groups]
    if missing:
        raise RecsimError(f"groups: {missing[0]!r} of the column {by} has no group; give one to each value")
    return [groups[value] for value in values]


def _own(catalogue: pd.Index, home: list[Any] | None, group: Any, of_items: bool) -> npt.NDArray[np.bool_]:
    """Return which items a group is measured against: (items,)."""
    if home is not None:
        return np.array([name == group for name in home], np.bool_)
    return np.asarray(catalogue == group, np.bool_) if of_items else np.ones(len(catalogue), np.bool_)


def _spans(log: Log, windows: int | Sequence[Span] | None) -> list[Span | None]:
    """Return the windows as pairs (first, beyond); None for the whole log."""
    if windows is None:
        return [None]
    if not isinstance(windows, int):
        return list(windows)
    if windows < 1:
        raise RecsimError(f"windows: {windows} is not a number of epochs; give at least 1")
    epochs = log.column(log.epoch)
    return [(first, first + windows) for first in range(int(epochs.min()), int(epochs.max()) + 1, windows)] if len(epochs) else []


def _inside(epochs: pd.Series, span: Span) -> npt.NDArray[np.bool_]:
    return np.asarray((epochs >= span[0]) & (epochs < span[1]), np.bool_)


def _released(log: Log, catalogue: pd.Index, span: Span | None) -> npt.NDArray[np.bool_]:
    """Return which items are out before the end of a window: (items,)."""
    if log.released is None or span is None:
        return np.ones(len(catalogue), np.bool_)
    missing = [name for name in catalogue if name not in log.released]
    if missing:
        raise RecsimError(f"released: does not say when {missing[0]!r} came out; give an epoch for each item")
    return np.array([log.released[name] < span[1] for name in catalogue], np.bool_)
