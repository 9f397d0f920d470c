"""Numbers with their intervals as text, and columns of them in as many blocks as fit the width of a line."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence


def as_html(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> str:
    """Return a table of text as HTML for a notebook, with a title above and notes below; all text is shown as it is.

    >>> as_html("a", ["", "gini"], [["<b>", "0.5"]]).count("&lt;b&gt;")
    1
    """
    first = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in heads)
    lines = [
        f'<tr><th scope="row" style="text-align: left">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:]) + "</tr>"
        for row in rows
    ]
    below = "".join(f'<p style="max-width: 60em">{html.escape(note)}</p>' for note in notes)
    caption = f'<caption style="text-align: left"><b>{html.escape(title)}</b></caption>'
    return f"<div><table>{caption}<thead><tr>{first}</tr></thead><tbody>{''.join(lines)}</tbody></table>{below}</div>"


def decimals_for(values: Sequence[float]) -> int:
    """Return with how many decimals numbers of this size are written."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 3 if largest < 10 else 1 if largest < 1000 else 0


def with_half(value: float, half: float, decimals: int, sign: str = "") -> str:
    """Return a number with half its interval; '-' for what was not measured.

    >>> with_half(0.1234, 0.002, 3), with_half(0.1234, math.nan, 2, sign="+"), with_half(math.nan, math.nan, 3)
    ('0.123 ± 0.002', '+0.12', '-')
    """
    if not math.isfinite(value):
        return "-"
    text = f"{value:{sign},.{decimals}f}"
    return f"{text} ± {half:,.{decimals}f}" if math.isfinite(half) else text


def with_halves(means: Sequence[float], highs: Sequence[float]) -> list[str]:
    """Return means with half their intervals, of which the upper ends are given, all with as many decimals.

    >>> with_halves([0.1, 0.25], [0.12, math.nan])
    ['0.100 ± 0.020', '0.250']
    """
    decimals = decimals_for(means)
    return [with_half(mean, high - mean, decimals) for mean, high in zip(means, highs, strict=True)]


def blocks_of(heads: list[str], columns: list[list[str]], width: int) -> str:
    """Return columns beside each other under the same heads of lines, in as many blocks as fit the width."""
    room = max(map(len, heads))
    blocks: list[list[list[str]]] = [[]]
    for column in columns:
        taken = room + sum(2 + max(map(len, other)) for other in blocks[-1])
        if blocks[-1] and taken + 2 + max(map(len, column)) > width:
            blocks.append([])
        blocks[-1].append(column)
    texts = []
    for block in blocks:
        cells = [[cell.rjust(max(map(len, column))) for cell in column] for column in block]
        lines = zip([head.ljust(room) for head in heads], *cells, strict=True)
        texts.append("\n".join("  ".join(line).rstrip() for line in lines))
    return "\n\n".join(texts) + "\n"
