"""Drawing: what all figures share, which is ink, sheets with their panels, scales, keys, words that can be written, and files.

Drawn with matplotlib's objects alone, so nothing global changes and no window opens.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from recsim.benchmark import BENCHMARK
from recsim.errors import RecsimError
from recsim.files import whole
from recsim.inference import interval
from recsim.metrics import GROUPED, METRICS
from recsim.panels import TITLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from recsim.archive import Run

Floats = npt.NDArray[np.float64]
Place = str | os.PathLike[str] | None

INK, PALE, GRID = "#262626", "#8c8c8c", "#e6e6e6"
WIDE = 6.4  # inches of a sheet: 10 points are still read where it is 400 pixels wide
NARROW = 3.8  # inches below which a key is set smaller and never within a picture
FEW = 6  # lines that can have their names at their ends
MANY = 24  # names beyond which a key is set small
DASHED = (0, (3.5, 2.0))
"""How floors are drawn: what a uniform feed of the same volume would give."""



# -------------------------------------------------------------------------------------------------------------- words
def plain(text: str, most: int = 28) -> str:
    r"""Return text that matplotlib writes as it stands, in one line of so many characters at most.

    "$" begins no formula, "_" hides nothing from a key, what no font at hand can draw is a box, and control characters are gone.

    >>> plain("a $ and b $"), plain("_hidden"), plain("x" * 9, 5)
    ('a \\$ and b \\$', ' _hidden', 'xxxx…')
    """
    spaced = "".join(" " if letter.isspace() else letter for letter in text)
    words = " ".join("".join(letter for letter in spaced if unicodedata.category(letter)[0] != "C").split()) or "(no name)"
    short = words if len(words) <= most else f"{words[: most - 1].rstrip()}…"
    known = _letters()
    box = "□" if ord("□") in known else "?"
    drawn = "".join(letter if ord(letter) in known else box for letter in short).replace("$", r"\$")
    return f" {drawn}" if drawn.startswith("_") else drawn


def _letters() -> frozenset[int]:
    """Return the code points that the fonts of the reader's settings have, upright and bold."""
    from matplotlib.font_manager import FontProperties, findfont

    found: frozenset[int] = frozenset()
    for family in FontProperties().get_family():
        both = [_of_font(findfont(FontProperties(family=family, weight=weight))) for weight in ("normal", "bold")]
        found |= both[0] & both[1]
    return found


@lru_cache(maxsize=16)
def _of_font(path: str) -> frozenset[int]:
    from matplotlib.font_manager import get_font

    return frozenset(get_font(path).get_charmap())


def named(metric: str) -> tuple[str, str]:
    """Return what a metric is called above a panel, and its unit; "utility.niche" is that of a group.

    >>> named("gini"), named("utility.niche"), named("visits")
    (('Concentration', 'Gini index'), ('What people get: niche', 'true utility per item'), ('Visits', 'visits'))
    """
    name, _, group = metric.partition(".")
    text = (METRICS | GROUPED | BENCHMARK).get(name, "").split(";")[0]
    unit = text.rpartition(", ")[2].removeprefix("in ")
    title, unit = TITLES.get(name, (name.replace("_", " ").capitalize(), unit))
    return f"{title}: {plain(group)}" if group else title, unit


def topic_names(run: Run) -> list[str]:
    """Return the names of a run's topics: "topic 1", "topic 2", ..., and those of births by theirs."""
    births = [birth.name for birth in run.scenario.births]
    number = sum(str(name).startswith("topic ") for name in run.catalog) - len(births)
    return [f"topic {place + 1}" for place in range(number)] + births


# ------------------------------------------------------------------------------------------------------------- sheets
@dataclass(frozen=True)
class Sheet:
    """What is drawn on: the axes of its panels, and whether the figure is its own or the caller has given the axes."""

    axes: list[Axes]
    own: bool

    @property
    def figure(self) -> Figure:
        """The figure that the panels are on."""
        figure = self.axes[0].get_figure(root=True)
        assert figure is not None
        return figure

    @property
    def room(self) -> tuple[float, float]:
        """Width and height of what is drawn on, in inches: of a sheet of its own, or of the axes that are given."""
        wide, high = self.figure.get_size_inches()
        place = self.axes[0].get_position()
        return (WIDE, float(high)) if self.own else (float(place.width * wide), float(place.height * high))

    def key(self, handles: Sequence[Any], names: Iterable[str]) -> None:
        """Put one key below all panels, where it covers nothing; a sheet of its own grows by what that takes."""
        from matplotlib.transforms import offset_copy

        labels = [plain(name, 60) for name in names]
        if not labels:
            return
        narrow = self.room[0] < NARROW
        size = 7.5 if len(labels) > MANY else 8.5 if narrow else 10.0
        room = self.room[0] + (0.5 if narrow else -0.2)  # a narrow key may stand below the labels of the axis too
        across = max(1, int(room / ((0.6 if narrow else 0.75) + 0.0078 * size * max(map(len, labels)))))
        across = -(-len(labels) // -(-len(labels) // across))  # as many columns as the lines need
        how: dict[str, Any] = {"ncols": across, "frameon": False, "fontsize": size, "labelcolor": INK}
        how["handlelength"] = 2.0 if narrow else 2.6
        if self.own:
            self.figure.set_figheight(self.figure.get_figheight() + 0.022 * size * -(-len(labels) // across))
            self.figure.legend(list(handles), labels, loc="outside lower center", **how)
        else:
            below = offset_copy(self.axes[0].transAxes, self.figure, y=-36, units="points")  # of the label of the axis
            how |= {"loc": "upper center", "bbox_to_anchor": (0.5, 0), "bbox_transform": below, "borderaxespad": 0}
            self.axes[0].legend(list(handles), labels, **how)

    def ends(self, lines: dict[str, tuple[float, float]]) -> bool:
        """Write names at the right ends of lines, where a sheet of its own has a line of text for each; return whether it had.

        lines: where each ends, in data.
        """
        axes, size = self.axes[0], 10.0
        if not self.own or not 1 < len(lines) <= FEW or not np.isfinite(list(lines.values())).all():
            return False
        self.figure.draw_without_rendering()
        heights = np.sort(axes.transData.transform(list(lines.values()))[:, 1])
        if (np.diff(heights) * 72 / self.figure.dpi < 1.15 * size).any():
            return False
        for name, end in lines.items():
            axes.annotate(plain(name), end, (7, 0), textcoords="offset points", va="center", fontsize=size, color=INK,
                          annotation_clip=False)  # fmt: skip
        return True

    def beside(self, points: dict[str, tuple[float, float]], bars: Sequence[npt.ArrayLike]) -> set[str]:
        """Write names beside points where they cover no other name, no point and no bar; return those that had no room.

        points: in data. bars: both ends of each, (2, 2), in data.
        """
        from matplotlib.transforms import Bbox

        axes, left = self.axes[0], set(points)
        self.figure.draw_without_rendering()
        room, dot = axes.get_window_extent(), 5 * self.figure.dpi / 72
        ends = [axes.transData.transform(bar) for bar in bars]
        dots = axes.transData.transform(list(points.values()))
        taken = [Bbox([place - dot, place + dot]) for place in dots]
        taken += [Bbox([np.min(pair, axis=0), np.max(pair, axis=0)]).padded(1) for pair in ends if np.isfinite(pair).all()]
        for name, point in points.items():
            for right, up in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                text = axes.annotate(
                    plain(name), point, (5 * right, 2.5 * up), textcoords="offset points", fontsize=9.5, color=INK,
                    ha="left" if right > 0 else "right", va="bottom" if up > 0 else "top",
                )  # fmt: skip
                box = text.get_window_extent()
                inside = room.x0 <= box.x0 and box.x1 <= room.x1 and room.y0 <= box.y0 and box.y1 <= room.y1
                if np.isfinite(point).all() and inside and not box.count_overlaps(taken):
                    taken.append(box)
                    left.discard(name)
                    break
                text.remove()
        return left

    def done(self, path: Place, title: str | None) -> None:
        """Put the title above and save the figure, where they are given."""
        if title is not None and self.own:
            heading(self.figure, title)
        elif title is not None:
            self.axes[0].set_title(fill(plain(title, 300), 58), loc="left", fontsize=11, fontweight="bold", color=INK)
        if not self.own:
            self._fit()
        if path is not None:
            save(self.figure, Path(path))

    def _fit(self) -> None:
        """Break the words around axes that are given into lines that are no longer than these."""
        from matplotlib.text import Text

        self.figure.draw_without_rendering()  # what stands around the axes takes from them
        axes, (wide, high) = self.axes[0], self.room
        for text, letters in ((axes.xaxis.label, 14 * (wide + 0.4)), (axes.yaxis.label, 14 * high)):
            text.set_text(fill(text.get_text(), max(12, int(letters))))
        heading = axes.get_title(loc="left")
        for text in axes.findobj(Text):
            if heading and isinstance(text, Text) and text.get_text() == heading:
                text.set_text("\n".join(fill(line, max(12, int(10.5 * wide))) for line in heading.split("\n")))


def sheet(
    ax: Axes | None, panels: int = 1, across: int = 2, size: tuple[float, float] | None = None, **shared: Any
) -> Sheet:
    """Return a new sheet of so many panels, or the axes that are given as one.

    across: panels in a row. size: inches of a panel, by default what fits the width of a sheet. shared: sharex, sharey.
    Raises RecsimError where one Axes is given for several panels.
    """
    from matplotlib.figure import Figure

    if ax is not None:
        if panels != 1:
            raise RecsimError(f"ax: one Axes cannot hold {panels} panels; leave it out, or ask for a single panel")
        return Sheet([ax], own=False)
    across = max(1, min(across, panels))
    wide, high = size or ((WIDE, 4.0) if across == 1 else (WIDE / across, 2.7))
    down = -(-panels // across)
    figure = Figure(figsize=(wide * across, high * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, **shared)
    for empty in grid.flat[panels:]:
        empty.set_axis_off()
    if shared.get("sharex") and panels < down * across:
        for axes in grid[-2, panels - across * (down - 1) :]:
            axes.tick_params(labelbottom=True)  # nothing stands below it
    return Sheet(list(grid.flat[:panels]), own=True)


def heading(figure: Figure, title: str) -> None:
    """Write a title above a figure, in as many lines as it takes, by which it grows."""
    letters = max(20, int(figure.get_figwidth() * 8.2))
    lines = fill(plain(title, 300), letters)
    figure.set_figheight(figure.get_figheight() + 0.21 * (1 + lines.count("\n")))
    figure.suptitle(lines, fontsize=12, fontweight="bold", color=INK)


def save(figure: Figure, path: Path) -> None:
    """Write the figure beside its place and rename it, so that nobody ever finds half of it.

    Raises RecsimError for an ending that matplotlib does not write, and for what a disk refuses.
    """
    kind = path.suffix.removeprefix(".").lower()
    valid = figure.canvas.get_supported_filetypes()
    if kind not in valid:
        raise RecsimError(f"{path}: matplotlib writes no '{kind}'; valid are {', '.join(sorted(valid))}")
    with whole(path) as part:
        figure.savefig(part, format=kind, dpi=200)


# ------------------------------------------------------------------------------------------------------------- panels
def framed(axes: Axes, title: str = "", x: str = "", y: str = "", grid: Literal["x", "y", "both"] = "y") -> None:
    """Put what stands around a panel: a title, units on its axes, pale lines to read by. grid: "x", "y" or "both"."""
    lines = [fill(line, 60) for line in title.split("\n")]
    axes.set_title("\n".join(lines), loc="left", fontsize=10.5, fontweight="bold", color=INK)
    axes.set_xlabel(x, fontsize=10, color=INK)
    axes.set_ylabel(y, fontsize=10, color=INK)
    axes.tick_params(labelsize=9.5, colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def empty(axes: Axes, why: str = "not measured") -> None:
    """Say that there is nothing in a panel."""
    axes.annotate(why, (0.5, 0.5), xycoords="axes fraction", ha="center", color=PALE, fontsize=10)
    axes.set_yticks([])


def scaled(axes: Axes, seen: npt.ArrayLike, top: float | None = None) -> None:
    """Let the value axis begin at 0, or below what is below it, and end above all that is seen; say so where that is nothing.

    top: the upper end of the scale, where the unit has one.
    """
    from matplotlib.ticker import MaxNLocator

    values = np.ravel(np.asarray(seen, np.float64))
    values = values[np.isfinite(values)]
    if not len(values):
        empty(axes)
        return
    low, high = float(values.min()), float(values.max())
    end = max(top, high) if top is not None else high + 0.08 * (high - min(low, 0.0))
    bottom = low - 0.08 * (end - low) if low < 0 else 0.0
    axes.set_ylim(bottom, end if end > bottom else bottom + 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.ticklabel_format(axis="y", useOffset=False)


def over_epochs(axes: Axes, epochs: Sequence[int]) -> None:
    """Label the axis of epochs, with whole numbers and a little room at both ends."""
    from matplotlib.ticker import MaxNLocator

    room = max(0.5 if len(epochs) == 1 else 0.0, 0.025 * (epochs[-1] - epochs[0]))
    axes.set_xlabel("epoch", fontsize=10, color=INK)
    axes.set_xlim(epochs[0] - room, epochs[-1] + room)
    if len(epochs) <= 6:
        axes.set_xticks(list(epochs))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))


# -------------------------------------------------------------------------------------------------------------- lines
def finite(values: npt.ArrayLike) -> Floats:
    """Return numbers in which what is not finite is NaN, which is drawn as a gap."""
    array = np.asarray(values, np.float64)
    return np.where(np.isfinite(array), array, np.nan)


def bands(values: npt.ArrayLike) -> Floats:
    """Return mean, lower and upper end of the 95 % interval of the mean for each column: (3, columns).

    values: (seeds, columns); what is not finite does not count. Student's t, see `recsim.inference.interval`.
    """
    return np.transpose([interval(column) for column in finite(values).T]).reshape(3, -1)


def within(means: npt.ArrayLike, ends: npt.ArrayLike) -> Floats:
    """Return the ends of intervals as far as a scale is to reach for them: half the span of what is drawn beyond it, no farther.

    Few seeds have intervals so wide that nothing else could be seen beside them.
    """
    known = finite(means)
    known = known[np.isfinite(known)]
    if not len(known):
        return known
    room = 0.5 * max(float(np.ptp(known)), 0.1 * float(np.abs(known).max()))
    return np.clip(finite(ends), known.min() - room, known.max() + room).ravel()


def nothing(values: npt.ArrayLike) -> bool:
    """Return whether no value is finite: a line of these must be clipped, or it would be laid out as if it were at the corner."""
    return not np.isfinite(np.asarray(values, np.float64)).any()


def alone_in(values: Floats) -> npt.NDArray[np.bool_]:
    """Return which values stand between gaps, where there is no line to see: (n,)."""
    known = np.isfinite(values)
    beside = np.pad(known, 1)
    return known & ~beside[:-2] & ~beside[2:]


def marked(values: Floats, first: int = 0) -> list[int]:
    """Return at which places to put a marker: about eight, and wherever a value stands alone between gaps."""
    every = max(1, round(len(values) / 8))
    chosen = alone_in(values) | (np.arange(len(values)) % every == first % every)
    return [int(place) for place in np.flatnonzero(chosen & np.isfinite(values))]


def widened(x: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return a floor to draw; of a single epoch a short level line, since a dashed line has no points of its own."""
    if len(x) > 1:
        return x, values
    return x + np.array([-0.4, 0.4]), np.repeat(values, 2)


def shades(number: int) -> list[str]:
    """Return colours from dark to light, so that what is later is lighter: cividis without its end, which is lost on paper."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(shade) for shade in colormaps["cividis"](np.linspace(0.0, 0.82, number))]


def floor_handle(colour: str = PALE) -> Line2D:
    """Return what stands for floors in a key."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, linewidth=1.4, linestyle=DASHED)


FLOOR_NAME = "uniform feed, same volume"
