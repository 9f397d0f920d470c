"""How arms look: the same colour, marker and dashes for the same strategy in every figure and on every page.

Six colours, searched for so that any two can be told apart whatever cones an eye lacks: 20 units of CIE L*a*b* of 1976, seen
as Machado, Oliveira and Fernandes 2009 model it, IEEE TVCG 15(6). They stand out from white paper as from a dark page with a
contrast of 3 to 1 (WCAG 2.2, 1.4.11). Beyond six arms the marker and the dashes tell more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from zlib import crc32

COLOURS = "#3c69f0", "#c38700", "#0fa596", "#a54b0f", "#695ab4", "#3c784b"
MARKERS = "o", "s", "^", "D", "v", "P"
DASHES = (), (5, 2), (1.5, 1.5), (7, 2, 1.5, 2), (9, 3), (3, 1.5, 1.5, 1.5)
NEUTRAL = "#808080"
BASES = "greedy", "base", "plain", "loop"
"""What other arms are compared with: grey, so that colour is for what differs."""
KNOWN = (
    "epsilon-greedy", "human-first", "thompson", "random", "oracle", "open loop", "no feed", "popularity", "panel", "calibrated",
    "slots", "inverse-propensity", "all items known", "softmax", "anchor-replay", "editor-picks", "diversify", "organic-lift",
    "replace", "ucb", "friend-shares", "survey", "popularity-discount", "tail-weights", "accumulate", "depth-weights",
    "reservoir", "synthetic", "proportional", "wrong-labels",
)  # fmt: skip
"""Names of strategies and controls, the most common first: they have the first looks, and no two of them the same."""


class Look(NamedTuple):
    """How an arm is drawn: its colour as #rrggbb, its marker as matplotlib names it, and its dashes in points, () solid."""

    colour: str
    marker: str
    dashes: tuple[float, ...]


def looks(arms: Iterable[str]) -> dict[str, Look]:
    """Return how each arm is drawn, by name, in the order given.

    A name of `KNOWN` or `BASES` has its look always. Any other has that which its letters lead to, or the next one that is free
    among these arms, so that it hardly ever changes from one comparison to the next. Beyond 36 arms looks are used again.

    >>> found = looks(["greedy", "epsilon-greedy", "mine"])
    >>> found["greedy"].colour, found["epsilon-greedy"].colour
    ('#808080', '#3c69f0')
    >>> found["epsilon-greedy"] == looks(["epsilon-greedy", "other"])["epsilon-greedy"]
    True
    """
    names = list(dict.fromkeys(arms))
    places = {name: KNOWN.index(name) for name in names if name in KNOWN}
    number = len(COLOURS) * len(MARKERS)
    for name in sorted(set(names) - set(places) - set(BASES)):
        place, taken = crc32(name.encode("utf-8", "surrogatepass")) % number, set(places.values())
        free = [at % number for at in range(place, place + number) if at % number not in taken]
        colours = {at % len(COLOURS) for at in taken}
        places[name] = next((at for at in free if at % len(COLOURS) not in colours), free[0] if free else place)
    return {name: Look(NEUTRAL, "o", ()) if name in BASES else _look(places[name]) for name in names}


def _look(place: int) -> Look:
    """Return one of the 36 looks: first the colours, then with the next marker and dashes."""
    again, colour = divmod(place, len(COLOURS))
    return Look(COLOURS[colour], MARKERS[again], DASHES[again])
