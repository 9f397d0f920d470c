"""Provenance of a page: the scenarios with what differs between them marked, and how to have the same again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recsim.pages import ALL, Cell, Fold, Row, Section, Table, Text
from recsim.scenario import Scenario

LONGEST = 120  # characters of a setting in a table
FILE = 20_000  # characters of a scenario that are shown


def settings(arms: Mapping[str, Scenario]) -> Section:
    """Return the scenarios of arms: what differs, marked where it is not as in the first; what does not; and whole."""
    tables = {name: dict(_flat(arm.table())) for name, arm in arms.items()}
    paths = dict.fromkeys(path for table in tables.values() for path in table)
    first, *others = tables
    differ = [path for path in paths if path not in ("name", "about") and len({t.get(path) for t in tables.values()}) > 1]
    same = [path for path in paths if path not in ("name", "about") and path not in differ]
    files = [Fold(f"{name}: the whole scenario", [Text(f"Scenario of {name}", _cut(arm.toml()))]) for name, arm in arms.items()]
    parts: list[Table | Fold] = []
    sentences = []
    if others:
        sentences = [_difference(first, differ)]
        parts += [Table(f"Settings that differ, marked where they are not as in {first}", ["setting", *tables], [
            Row([Cell(path, path), *(_setting(table, path, path in differ and table.get(path) != tables[first].get(path))
                                     for table in tables.values())]) for path in differ
        ], words=ALL)] if differ else []  # fmt: skip
    values = [Row([Cell(path, path), _setting(tables[first], path)]) for path in same]
    title = "Settings that are the same in all arms" if others else "All settings"
    parts.append(Fold(title, [Table(title, ["setting", "value"], values, words=ALL)]))
    abouts = [f"{name}: {arm.about}" if others else arm.about for name, arm in arms.items() if arm.about]
    return Section("The scenario" if not others else "The scenarios", [*sentences, *abouts], [*parts, *files])


def _difference(first: str, differ: Sequence[str]) -> str:
    if not differ:
        return "All arms have the same settings."
    return f"The arms differ in {len(differ)} setting{'s' * (len(differ) != 1)}; what is marked is not as in {first}."


def _setting(table: Mapping[str, str], path: str, marked: bool = False) -> Cell:
    text = table.get(path, "-")
    return Cell(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…", text, marked)


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings by dotted path, as text.

    >>> dict(_flat({"days": 7.0, "training": [{"kind": "Window", "last": 3}], "signals": []}))
    {'days': '7.0', 'training.0.kind': 'Window', 'training.0.last': '3', 'signals': 'none'}
    """
    pairs: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value):
        pairs = [(str(at), part) for at, part in enumerate(value)]
    if pairs:
        for name, part in pairs:
            yield from _flat(part, f"{path}.{name}" if path else name)
    else:
        yield path, _text(value)


def _text(value: Any) -> str:
    if value in ([], {}):
        return "none"
    return value if isinstance(value, str) else json.dumps(value).replace("Infinity", "inf")


def whole_file(title: str, table: Mapping[str, Any]) -> Fold:
    """Return a whole file, from its table, folded away."""
    import tomli_w

    return Fold(title, [Text(title, _cut(tomli_w.dumps(dict(table))))])


def _cut(text: str) -> str:
    return text if len(text) <= FILE else f"{text[:FILE]}\n… cut here: it is {len(text):,} characters long"


def again(
    sentences: Sequence[str], commands: Mapping[str, str], facts: Mapping[str, Any], versions: Mapping[str, Any],
    more: Sequence[Fold] = (),
) -> Section:  # fmt: skip
    """Return how to have the same again: commands by what they are, facts such as seeds and digests, and versions."""
    rows = [Row([Cell(name, name), Cell(str(value), str(value))]) for name, value in facts.items()]
    made = [Row([Cell(name, name), Cell(str(value), str(value))]) for name, value in versions.items()]
    parts: list[Table | Text | Fold] = [Text(name, text) for name, text in commands.items()]
    parts.append(Table("What it follows from", ["what", "value"], rows, words=ALL))
    parts.append(Fold("Versions that made it", [Table("Versions that made it", ["package", "version"], made, words=ALL)]))
    same = (
        "The same scenario, seeds and versions on the same kind of machine give the same log, byte for byte: its digest tells. "
        "The commands are for the folder that this page was made of."
    )
    return Section("How to have it again", [same, *sentences], [*parts, *more])
