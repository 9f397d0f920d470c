"""Pages: what a report is made of, as plain data, and how that becomes one HTML file that needs nothing else.

All text is escaped, also that within scripts; charts and their parameters hold codes in place of names; and the page itself
forbids any network, any script but its own two, and any evaluation of text as code.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsim.charts import EXTRA, Line, Spec, bundle
from recsim.console import as_json, printable
from recsim.errors import RecsimError
from recsim.files import faults, whole

SIGN = '<meta name="generator" content="recsim report">'  # of a file that may be replaced
ALL = 10**6  # columns of text: more than any table has
Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: its text, what it is sorted by (None: last), and whether it is marked."""

    text: str
    value: float | str | None = None
    marked: bool = False


@dataclass(frozen=True)
class Row:
    """A row of a table; the first cell is its head. code: of the line whose checkbox shows it, if any."""

    cells: Sequence[Cell]
    code: str = ""


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by each column. words: how many columns, from the first, are text; the others are figures."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Row]
    note: str = ""
    words: int = 1


@dataclass(frozen=True)
class Figure:
    """A chart: its caption, a sentence on how to read it, its specification, its rows as columns, and the same as a table."""

    caption: str
    about: str
    spec: Spec
    columns: Columns
    table: Table
    wide: bool = False


@dataclass(frozen=True)
class Text:
    """Text as it stands, such as commands or a TOML file."""

    caption: str
    text: str


@dataclass(frozen=True)
class Fold:
    """What is folded away under a line."""

    summary: str
    parts: Sequence[Table | Text]


@dataclass(frozen=True)
class Section:
    """A part of a page: its title, sentences, and what is in it."""

    title: str
    sentences: Sequence[str]
    parts: Sequence[Figure | Table | Text | Fold]


@dataclass(frozen=True)
class Key:
    """What has a checkbox: how it is drawn, and its name."""

    line: Line
    label: str


@dataclass(frozen=True)
class Page:
    """A report: of what kind, of what, the answer in sentences, facts by name, its keys by what they are, and its sections.

    epochs: those that the slider goes through, with what it says of each; none: no slider.
    """

    kind: str
    title: str
    answer: Sequence[str]
    facts: Mapping[str, str]
    keys: Mapping[str, Sequence[Key]]
    sections: Sequence[Section]
    epochs: Mapping[int, str] = field(default_factory=dict)


def write(page: Page, path: Path) -> Path:
    """Write a page, whole or not at all, and return its path.

    Raises RecsimError where there is another file than a report, where it cannot be written, and where what draws is missing.
    """
    with faults(path):
        if path.is_dir():
            raise RecsimError(f"{path}: is a folder; name the file to write, such as {path / 'report.html'}")
        if path.exists():
            with path.open("rb") as file:
                ours = SIGN.encode() in file.read(2000)
            if not ours:
                raise RecsimError(f"{path}: is there and is no report; choose another file")
    text = html(page)
    with faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as part:
        part.write_bytes(text.encode("utf-8", "replace"))
    return path


def html(page: Page) -> str:
    """Return a page as HTML. Raises RecsimError where what draws its charts is missing."""
    scripts = bundle(), _own("report.js")
    style = _own("report.css")
    figures = {name: part for name, part in _named(page) if isinstance(part, Figure)}
    data = {
        "labels": {key.line.code: key.label for keys in page.keys.values() for key in keys},
        "epochs": list(page.epochs),
        "charts": {name: {"spec": one.spec, "columns": one.columns} for name, one in figures.items()},
    }  # fmt: skip
    names = {id(part): name for name, part in _named(page)}
    allowed = f"style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    return _template().render(
        page=page, names=names, data=as_json(data, _short), scripts=scripts, style=style, policy=policy, last=len(page.epochs) - 1
    )


def _template() -> Any:
    """Return the template, in which whatever is put in is escaped, and letters that do not show themselves are blanks."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from markupsafe import Markup
    except ImportError:
        raise RecsimError(EXTRA) from None

    def shown(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    room = Environment(
        autoescape=True, loader=PackageLoader("recsim", "page"), undefined=StrictUndefined, finalize=shown, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    room.filters["id"] = id
    room.tests |= {kind.__name__.lower(): lambda part, kind=kind: isinstance(part, kind) for kind in (Figure, Table, Text, Fold)}
    return room.get_template("report.html")


def _own(name: str) -> str:
    """Return a text file that the page is made of."""
    return (Path(__file__).parent / "page" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """Return the hash of a script or a style as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _named(page: Page) -> list[tuple[str, Any]]:
    """Return sections and their parts, each with a name for addresses within the page."""
    return [(f"s{at}", section) for at, section in enumerate(page.sections)] + [
        (f"s{at}-{place}", part) for at, section in enumerate(page.sections) for place, part in enumerate(section.parts)
    ]


def _short(value: Any) -> Any:
    """Return a number to six digits, and text without what does not show."""
    if isinstance(value, str):
        return printable(value)
    return float(f"{value:.6g}") if isinstance(value, float) else value
