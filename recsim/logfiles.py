"""Files of logs: tables as CSV, TSV or Parquet, read with every fault named by its file, line, column and value."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError, nearest

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Log:
    """What people did, a row for each time that one of them consumed or rated an item, in time order.

    user, item: (rows,) int32, places in user_names and item_names, which stand in the order of first appearance.
    time: (rows,) int64, seconds, never falling; None when the log has no time, and rows stand as in the file.
    """

    user: Codes
    item: Codes
    time: Ints | None
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.user)


def read_log(
    path: str | Path,
    user: str,
    item: str,
    time: str | None = None,
    rating: str | None = None,
    at_least: float | None = None,
) -> Log:
    """Return the log in a CSV, TSV (both also as .gz) or Parquet file with a header.

    user, item, time, rating: names of columns. Times are seconds, 0 or more, cut to whole ones (a Parquet column may
    hold timestamps instead). at_least: rows rated below it are left out; without it, a rating is only checked.
    Rows of the same time keep the order of the file. A table is read as tab-separated when its name ends in .tsv,
    .tab or .inter, else as comma-separated.

    Raises RecsimError in one line (file, line as an editor counts it, column, value, mend) when the file is missing,
    broken, empty or not UTF-8, when a column is missing or named twice, when a field is empty, when a time or rating is
    not a number from 0 up, when a row is there twice (same user, item and time), or when the threshold leaves nothing.
    """
    if at_least is not None and rating is None:
        raise RecsimError(f"{path}: at_least {at_least:g} needs ratings; name their column with rating")
    table = Table.open(Path(path), [name for name in (user, item, time, rating) if name is not None])
    users, items = table.texts(user), table.texts(item)
    times = table.seconds(time) if time else None
    ratings = table.numbers(rating, "rating") if rating else None
    table.refuse_repeats(users, items, times)
    keep = np.arange(len(users))
    if ratings is not None and at_least is not None:
        keep = np.flatnonzero(ratings >= at_least)
        if not len(keep):
            top = f"the highest of {len(ratings)} ratings is {ratings.max():g}"
            raise RecsimError(f"{path}: column {rating!r}: no rating is at least {at_least:g}, {top}; lower at_least")
    if times is not None:
        keep = keep[np.argsort(times[keep], kind="stable")]
    user_codes, user_names = by_first_appearance(users[keep])
    item_codes, item_names = by_first_appearance(items[keep])
    return Log(user_codes, item_codes, None if times is None else times[keep], user_names, item_names)


def by_first_appearance(names: npt.NDArray[Any]) -> tuple[Codes, tuple[str, ...]]:
    """Return the place of each name among the distinct ones, which stand in the order of first appearance, and those."""
    import pandas as pd

    codes, distinct = pd.factorize(names)
    return codes.astype(np.int32), tuple(str(name) for name in distinct)


@dataclass(frozen=True)
class Table:
    """The wanted columns of a file, and how to say where in it something is wrong."""

    path: Path
    columns: dict[str, Any]  # of pyarrow.ChunkedArray

    @classmethod
    def open(cls, path: Path, columns: list[str]) -> Table:
        """Return the wanted columns of a file as pyarrow arrays."""
        twice = next((name for name in columns if columns.count(name) > 1), None)
        if twice is not None:
            raise RecsimError(f"{path}: column {twice!r} is asked for twice; name a different column for each")
        if path.is_dir():
            raise RecsimError(f"{path}: is a folder; name the file in it that holds the log")
        if not path.exists():
            beside = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
            raise RecsimError(f"{path}: there is no such file; {nearest(path.name, beside[:20])}")
        try:
            if path.stat().st_size == 0:
                raise RecsimError(f"{path}: the file is empty; give one with a header line and rows")
            read = _read_parquet if _is_parquet(path) else _read_text
            table = read(path, columns)
        except OSError as fault:
            raise RecsimError(f"{path}: cannot be read ({fault}); get a whole copy of it") from None
        if not len(table):
            raise RecsimError(f"{path}: has a header but no rows; give a log with at least one row")
        return cls(path, {name: table[name] for name in columns})

    def fault(self, row: int, column: str, what: str) -> NoReturn:
        """Raise the error of one row, counted from 0, with its line as an editor shows it."""
        raise RecsimError(f"{self.path}: {self.place(row)}, column {column!r}: {what}")

    def place(self, row: int) -> str:
        """Return the line on which a row begins, the header being line 1; Parquet has rows, counted from 1."""
        if _is_parquet(self.path):
            return f"row {row + 1}"
        return f"line {next(line for count, (line, _) in enumerate(_records(self.path), -1) if count == row)}"

    def texts(self, column: str) -> npt.NDArray[Any]:
        """Return a column as (rows,) of str, none of them blank."""
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            texts = pc.fill_null(pc.cast(self.columns[column], pa.string()), "")
        except pa.ArrowInvalid as fault:
            raise RecsimError(f"{self.path}: column {column!r}: is no text ({fault}); store it as text") from None
        except pa.ArrowNotImplementedError:  # what pyarrow raises for types that have no text
            kind = self.columns[column].type
            raise RecsimError(f"{self.path}: column {column!r}: holds {kind}; store it as text or number") from None
        blank = pc.equal(pc.utf8_trim_whitespace(texts), "").to_numpy()
        if blank.any():
            self.fault(int(blank.argmax()), column, "the field is empty; fill it in or drop the row")
        return np.asarray(texts.to_pandas(), dtype=object)

    def numbers(self, column: str, noun: str) -> npt.NDArray[np.float64]:
        """Return a column as (rows,) finite numbers, 0 or more."""
        import pandas as pd

        texts = self.texts(column)
        numbers = np.asarray(pd.to_numeric(pd.Series(texts), errors="coerce"), np.float64)
        wrong = ~(np.isfinite(numbers) & (numbers >= 0))
        if wrong.any():
            row = int(wrong.argmax())
            self.fault(row, column, f"{texts[row]!r} is no {noun}; give a number, 0 or more, or drop the row")
        return numbers

    def seconds(self, column: str) -> Ints:
        """Return a column of times as (rows,) whole seconds, 0 or more."""
        import pyarrow as pa
        import pyarrow.compute as pc

        times = self.columns[column]
        if pa.types.is_timestamp(times.type):
            whole = pc.cast(pc.cast(times, pa.timestamp("s", times.type.tz), safe=False), pa.int64())
            return Table(self.path, {column: whole}).seconds(column)
        numbers = self.numbers(column, "time in seconds")
        if numbers.max() >= 2**53:
            row = int(numbers.argmax())
            self.fault(row, column, f"{self.texts(column)[row]!r} is too large for seconds; divide it down to seconds")
        return numbers.astype(np.int64)

    def refuse_repeats(self, users: npt.NDArray[Any], items: npt.NDArray[Any], times: Ints | None) -> None:
        """Raise when a row says the same as an earlier one."""
        import pandas as pd

        keys = {"user": pd.factorize(users)[0], "item": pd.factorize(items)[0]}
        frame = pd.DataFrame(keys if times is None else keys | {"time": times})
        again = np.asarray(frame.duplicated())
        if not again.any():
            return
        row = int(again.argmax())
        first = int((frame == frame.iloc[row]).all(axis=1).argmax())
        at = "" if times is None else f" at time {times[row]}"
        what = f"user {users[row]!r} and item {items[row]!r}{at} are already on {self.place(first)}"
        mend = "drop one of them" + ("" if times is not None else " or name a time column")
        raise RecsimError(f"{self.path}: {self.place(row)}: {what}; {mend}")


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


def _delimiter(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return "\t" if name.endswith((".tsv", ".tab", ".inter")) else ","


def _binary(path: Path) -> IO[bytes]:
    # A gzip file says so in its first two bytes, whatever it is called.
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path, "rb")) if packed else path.open("rb")


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the header and each row that is not blank, with the line on which it begins: slow, used for faults."""
    with _binary(path) as file, TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=_delimiter(path))
        line = 1
        try:
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
        except csv.Error as fault:
            raise RecsimError(f"{path}: line {line}: {fault}; close the quote that is open here") from None


def _read_text(path: Path, columns: list[str]) -> Any:
    """Return the wanted columns of a delimited text file, as text: a pyarrow.Table."""
    import pyarrow as pa
    from pyarrow import csv as arrow

    try:
        header = next(_records(path), (1, []))[1]
        _refuse_columns(path, header, columns)
        with _binary(path) as file:
            return arrow.read_csv(
                file,
                arrow.ReadOptions(use_threads=False),
                arrow.ParseOptions(delimiter=_delimiter(path), newlines_in_values=True),
                arrow.ConvertOptions(
                    include_columns=columns,
                    column_types=dict.fromkeys(columns, pa.string()),
                    strings_can_be_null=False,
                ),
            )
    except (EOFError, gzip.BadGzipFile) as fault:
        raise RecsimError(f"{path}: the compressed file is broken ({fault}); get a whole copy of it") from None
    except (pa.ArrowInvalid, UnicodeDecodeError) as fault:
        raise RecsimError(f"{path}: {_what_is_wrong(path) or fault}") from None


def _refuse_columns(path: Path, header: list[str], columns: list[str]) -> None:
    for name in columns:
        if name not in header:
            raise RecsimError(f"{path}: line 1: there is no column {name!r}; {nearest(name, header)}")
        if header.count(name) > 1:
            many = header.count(name)
            raise RecsimError(f"{path}: line 1: column {name!r} is there {many} times; rename all but one")


def _what_is_wrong(path: Path) -> str:
    """Return where a text cannot be read and why: not UTF-8, or a row of the wrong length; empty if neither."""
    with _binary(path) as file:
        for line, content in enumerate(file, 1):
            try:
                content.decode()
            except UnicodeDecodeError as fault:
                return f"line {line}: byte {content[fault.start]:#04x} is not UTF-8; save the file as UTF-8"
    rows = _records(path)
    _, header = next(rows)
    for line, row in rows:
        if len(row) != len(header):
            return f"line {line}: {len(row)} fields, but the header has {len(header)}; mend or drop the row"
    return ""


def _read_parquet(path: Path, columns: list[str]) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            for name in columns:
                if names.count(name) != 1:
                    many = "is there more than once; rename" if name in names else f"is missing; {nearest(name, names)}"
                    raise RecsimError(f"{path}: column {name!r} {many}")
            return file.read(columns=columns)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as fault:
        raise RecsimError(f"{path}: is no whole Parquet file ({fault}); get a whole copy of it") from None
