"""What tests of reports share: a page, read."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any


class Reader(HTMLParser):
    """Reads a page: its elements with the names of their attributes, the cells of its tables, and the text of each element."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in ("meta", "input", "line", "rect", "circle", "path"):
            self._open.append(tag)
            self.texts.setdefault(tag, []).append("")
        if tag == "table":
            self._rows = []
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close an element; a table is kept under its caption."""
        if self._open and self._open[-1] == tag:
            self._open.pop()
        if tag == "table":
            self.tables[self.texts["caption"][-1]] = self._rows

    def handle_data(self, data: str) -> None:
        """Add text to the elements that are open."""
        for tag in set(self._open):
            self.texts[tag][-1] += data
        if "tr" in self._open and ("td" in self._open or "th" in self._open):
            self._rows[-1][-1] += data

    @property
    def data(self) -> Any:
        """What the charts are made of."""
        return json.loads(next(text for text in self.texts["script"] if text.startswith("{")))

    def figure(self, caption: str) -> dict[str, list[Any]]:
        """Return the rows of a chart, as columns, by the caption."""
        titles = [value for tag, name, value in self.attributes if (tag, name) == ("div", "aria-label") and value]
        charts_ = [value for tag, name, value in self.attributes if (tag, name) == ("div", "id") and value != "tip"]
        labels = [title for title in titles if not title.startswith(("Table:", "Scenario", "On the", "In Python", "The whole"))]
        return next(
            self.data["charts"][name]["columns"] for label, name in zip(labels, charts_, strict=True) if label.startswith(caption)
        )


def read(path: Path) -> Reader:
    """Return a page that was written, read."""
    return Reader(path.read_text(encoding="utf-8"))
