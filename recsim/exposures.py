"""Exposures: how a run's feed shared its impressions among items and topics, epoch by epoch, beside a uniform feed and demand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsim.archive import Run
from recsim.births import Birth
from recsim.crowd import everybody
from recsim.drawing import (
    DASHED,
    FLOOR_NAME,
    INK,
    NARROW,
    PALE,
    WIDE,
    Floats,
    Place,
    empty,
    floor_handle,
    framed,
    over_epochs,
    plain,
    shades,
    sheet,
    topic_names,
)
from recsim.errors import RecsimError
from recsim.metrics import gini
from recsim.palette import COLOURS
from recsim.randomness import Randomness
from recsim.rarity import lorenz as lorenz_of
from recsim.world import DAY, FEED, Origin

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Ints = npt.NDArray[np.int64]
SEVERAL = 4  # epochs that are drawn where none are asked for
FLOOR = COLOURS[3]  # stands out from the shades of epochs
MAKERS = {"human": ("o", COLOURS[0]), "ai": ("^", COLOURS[1])}


# ---------------------------------------------------------------------------------------------------- what was shown
def received(run: Run, epoch: int, what: str = "impressions", origins: Iterable[int] = tuple(Origin)) -> Ints:
    """Return what each item that was out by the end of an epoch got in it, unseen ones included: (released,).

    what: impressions or clicks. origins: the ways to the item that count.
    """
    released = int(run.series("released").loc[epoch])
    rows = run.items[(run.items["epoch"] == epoch) & run.items["origin"].isin([int(origin) for origin in origins])]
    summed = np.bincount(rows["item"].to_numpy(np.int64), rows[what].to_numpy(np.float64), minlength=released)
    return summed.astype(np.int64)


def impressions(run: Run, epoch: int) -> Ints:
    """Return the impressions in the feed of each item that was out by the end of an epoch: (released,), as `received`."""
    return received(run, epoch, origins=FEED)


def _chosen(run: Run, epochs: int | Iterable[int] | None) -> list[int]:
    """Return the epochs to draw: those asked for, or some from the first to the last, most of them early, when most happens.

    Raises RecsimError for one that the run has not closed.
    """
    there = [int(epoch) for epoch in sorted(run.series("released").index)]
    if epochs is None:
        places = np.unique((np.geomspace(1, len(there), SEVERAL) - 1).round().astype(int))
        return [there[place] for place in places]
    asked = [epochs] if isinstance(epochs, (int, np.integer)) else list(epochs)
    if not asked:
        raise RecsimError("epochs: none are named; give some, or leave it out")
    for epoch in asked:
        if epoch not in there:
            raise RecsimError(f"epochs: the run has not closed {epoch!r}; give some of {there[0]} to {there[-1]}")
    return [int(epoch) for epoch in dict.fromkeys(asked)]


# ------------------------------------------------------------------------------------------------ floors of the curves
def lorenz_floor(items: int, draws: int) -> tuple[Floats, Floats]:
    """Return the Lorenz curve to expect of so many independent uniform draws: chance alone is unequal.

    With counts of Poisson's law, l = draws / items, its corners are (F(k), F(k - 1)), k = 0, 1, ..., F the distribution function:
    the items with at most k have l F(k - 1) of the mean of l, since k p(k) = l p(k - 1). Twice the area between it and the
    diagonal is `recsim.metrics.gini_floor`.

    items: at least 1. draws: at least 1. Returns two arrays, from (0, 0) to (1, 1), no unit. Raises RecsimError for less.

    >>> [curve[:3].round(3).tolist() for curve in lorenz_floor(1000, 1000)]
    [[0.0, 0.368, 0.736], [0.0, 0.0, 0.368]]
    """
    from scipy.stats import poisson

    law = poisson(_mean(items, draws))
    counts = np.arange(int(law.ppf(1e-12)), int(law.isf(1e-12)) + 1)
    return np.array([0.0, *law.cdf(counts), 1.0]), np.array([0.0, *law.cdf(counts - 1), 1.0])


def rank_floor(items: int, draws: int, ranks: npt.ArrayLike) -> Floats:
    """Return how many of so many uniform draws to expect for the item at a rank, 1 being the one with most: (ranks,).

    With independent counts of Poisson's law, l = draws / items: the sum over k of P(the r-th largest > k), which is that of r or
    more out of *items* that are above k, each with 1 - F(k).

    items, draws: at least 1. ranks: (ranks,) whole, 1 to items. Source: David and Nagaraja 2003, "Order Statistics", 3rd
    edition, 2.1 and 3.1. Raises RecsimError for numbers outside these ranges.

    >>> rank_floor(2, 2, [1, 2]).round(3).tolist()    # of two Poisson counts of mean 1 the larger and the smaller
    [1.524, 0.476]
    """
    from scipy.stats import binom, poisson

    law, rank = poisson(_mean(items, draws)), np.asarray(ranks, np.int64)
    if rank.ndim != 1 or not ((rank >= 1) & (rank <= items)).all():
        raise RecsimError(f"ranks: give whole numbers from 1 to {items}, one dimension")
    low, high = int(law.ppf(1e-12)), int(law.isf(1e-12 / items)) + 1
    above = law.sf(np.arange(low, high + 1))
    return low + np.asarray(binom.sf(rank[:, None] - 1, items, above[None, :]), np.float64).sum(axis=1)


def _mean(items: int, draws: int) -> float:
    if items < 1 or draws < 1:
        raise RecsimError(f"items: {items}, draws: {draws}; give one of each at least")
    return draws / items


# ------------------------------------------------------------------------------------------------------ items by rank
def lorenz(
    run: Run, epochs: int | Iterable[int] | None = None, path: Place = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Return one picture of how impressions are shared among items: Lorenz curves of some epochs, with their Gini indices.

    epochs: some of the run's, by default four from the first to the last, more of them early; the later, the lighter. All items
    that were out count, unseen ones included. Dashed is what a uniform feed of the same volume would give, see `lorenz_floor`,
    one for all epochs that are alike in items and volume; the thin line is all alike.
    path, title: as for `narrowing`. ax: where to draw.
    Raises RecsimError for epochs that the run has not.
    """
    from matplotlib.ticker import PercentFormatter

    page = sheet(ax, across=1, size=(5.2, 4.9))
    axes, chosen = page.axes[0], _chosen(run, epochs)
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=0.8, zorder=1)
    lines, floors = [], list[tuple[int, int]]()
    for epoch, colour in zip(chosen, shades(len(chosen)), strict=True):
        counts = impressions(run, epoch)
        if _apart(floors, counts):
            axes.plot(*lorenz_floor(*floors[-1]), color=FLOOR, linestyle=DASHED, linewidth=1.4, zorder=4)
        share = f"Gini {gini(counts):.2f}" if counts.any() else "nothing shown"
        lines += axes.plot(*lorenz_of(counts), color=colour, linewidth=2.0, zorder=3, label=f"epoch {epoch}: {share}")
    framed(axes, x="share of items, least shown first", y="share of impressions", grid="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set(xlim=(0, 1), ylim=(0, 1))
    names = [*(str(line.get_label()) for line in lines), FLOOR_NAME]
    handles = [*lines, floor_handle(FLOOR)]
    if page.room[0] < NARROW:
        page.key(handles, names)
    else:
        axes.legend(handles, names, loc="upper left", frameon=False, fontsize=10, labelcolor=INK)
    page.done(path, title)
    return axes


def _apart(floors: list[tuple[int, int]], counts: Ints) -> bool:
    """Return whether the floor of these counts is to be drawn, and note it: not of nothing, nor if it is there."""
    items, draws = len(counts), int(counts.sum())
    alike = (abs(items - one) <= 0.03 * one and abs(draws - other) <= 0.05 * other for one, other in floors)
    if not draws or any(alike):
        return False
    floors.append((items, draws))
    return True


def ranks(
    run: Run, epochs: int | Iterable[int] | None = None, path: Place = None, title: str | None = None, ax: Axes | None = None
) -> Axes:
    """Return one picture of impressions by rank, both on log axes: some epochs, the item shown most at the left.

    epochs: as for `lorenz`; the key says which share of the items was shown at all, those that were not have no place on a log
    axis. Dashed is what a uniform feed of the same volume would give, see `rank_floor`. path, title, ax: as for `lorenz`.
    Raises RecsimError for epochs that the run has not.
    """
    page = sheet(ax, across=1, size=(WIDE, 4.2))
    axes, chosen = page.axes[0], _chosen(run, epochs)
    lines, floors, items = [], list[tuple[int, int]](), 1
    for epoch, colour in zip(chosen, shades(len(chosen)), strict=True):
        counts = np.sort(impressions(run, epoch))[::-1]
        items = max(items, len(counts))
        shown = counts[counts > 0]
        if _apart(floors, counts):
            at = np.unique(np.geomspace(1, len(counts), 200).round().astype(np.int64))
            floor = rank_floor(*floors[-1], at)
            axes.plot(at, np.where(floor >= 0.5, floor, math.nan), color=FLOOR, linestyle=DASHED, linewidth=1.4, zorder=4)
        share = f"{len(shown) / len(counts):.0%} of {len(counts):,} items shown" if len(counts) else "no items"
        label = f"epoch {epoch}: {share}"
        (line,) = axes.plot(np.arange(1, len(shown) + 1), shown, color=colour, linewidth=2.0, zorder=3, label=label)
        line.set(marker="o", markersize=2.5) if len(shown) < 30 else None
        lines.append(line)
    axes.set(xscale="log", yscale="log")
    framed(axes, x="rank of the item in its epoch", y="impressions of the item", grid="both")
    axes.set_xlim(1, max(2, items) * 1.15)
    axes.set_ylim(bottom=0.8)
    names = [*(str(line.get_label()) for line in lines), FLOOR_NAME]
    page.key([*lines, floor_handle(FLOOR)], names)
    page.done(path, title)
    return axes


# -------------------------------------------------------------------------------------------------------------- topics
def topic_shares(run: Run, epoch: int) -> Floats:
    """Return which share of an epoch's impressions is about each topic, by the mixtures of the items: (topics,), sum 1.

    NaN where nothing was shown.
    """
    counts = impressions(run, epoch)
    mixtures = _mixtures(run)[: len(counts)]
    total = float((counts @ mixtures).sum())
    return counts @ mixtures / total if total else np.full(mixtures.shape[1], math.nan)


def topic_demand(run: Run, epoch: int) -> Floats:
    """Return what people want, as shares of topics: (topics,), the mean over those who are there at the end of an epoch.

    Their interests are drawn anew from scenario and seed: those they were born with and have taken up by then, not what dynamics
    made of them since. Raises RecsimError where the scenario's people cannot be drawn, since the log they come from is gone.
    """
    return demands(run, [epoch])[0]


def demands(run: Run, epochs: Sequence[int]) -> Floats:
    """Return what people want at the end of each of some epochs: (epochs, topics), see `topic_demand`."""
    scenario, people = run.scenario, run.users
    users = everybody(scenario, run.seed)
    births: Sequence[tuple[int, Birth]] = sorted(enumerate(scenario.births), key=lambda one: one[1].second)
    found = []
    for epoch in epochs:
        day, interests = scenario.end_of(epoch), users.interests.copy()
        for place, birth in births:
            if birth.second <= day * DAY:
                takes = birth.takes(Randomness(run.seed), users, place)
                new = np.zeros(interests.shape[1])
                new[len(new) - len(births) + place] = 1.0
                interests[takes] = (1 - birth.weight) * interests[takes] + birth.weight * new
        here = (people["since"].to_numpy() <= day) & (people["until"].to_numpy() > day)
        known = interests[: len(here)][here]
        found.append(known.mean(axis=0) if len(known) else np.full(interests.shape[1], math.nan))
    return np.array(found, np.float64)


def topics(run: Run, path: Place = None, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Return one picture of what the feed is about: shares of topics by epoch as areas, and beside them what people want.

    Areas are stacked by demand at the end, what is wanted most at the bottom and darkest; topics of births are striped. At the
    right is the demand, see `topic_demand`, with the names of the topics that have room: a bar where it is the same at the end of
    every epoch, else the same epochs in small. A white gap is an epoch in which nothing was shown. path, title, ax: as for
    `lorenz`.
    """
    from matplotlib.ticker import PercentFormatter

    page = sheet(ax, across=1, size=(WIDE, 4.2))
    axes = page.axes[0]
    epochs = _all_epochs(run)
    wanted = demands(run, epochs)
    moves, demand = bool(np.ptp(np.nan_to_num(wanted), axis=0).max() > 0.005), wanted[-1]
    order = np.argsort(-np.nan_to_num(demand), kind="stable")
    shares = np.array([topic_shares(run, epoch) for epoch in epochs])[:, order]
    names = topic_names(run)
    old = len(names) - len(run.scenario.births)
    colours = shades(len(order))
    x = np.array(epochs, np.float64)
    if len(x) == 1:  # an area has no width of its own
        x, shares = x + np.array([-0.4, 0.4]), np.repeat(shares, 2, axis=0)
    wide = (0.4 if len(epochs) == 1 else 0.3 if moves else 0.1) * (x[-1] - x[0])
    start, bottom, base = x[-1] + 0.06 * (x[-1] - x[0]), np.zeros(len(x)), np.zeros(len(x))
    small = start + wide * (x - x[0]) / (x[-1] - x[0])
    heights = wanted if moves else np.repeat([demand], len(x), axis=0)
    for place, (topic, colour) in enumerate(zip(order, colours, strict=True)):
        hatch = "///" if topic >= old else None
        how: dict[str, Any] = {"facecolor": colour, "linewidth": 0.6, "edgecolor": "white", "hatch": hatch}
        axes.fill_between(x, bottom, bottom + shares[:, place], **how)
        axes.fill_between(small, base, base + heights[:, topic], **how)
        if demand[topic] >= 0.045:
            axes.annotate(
                plain(names[topic], 18), (start + wide, base[-1] + demand[topic] / 2), (4, 0), textcoords="offset points",
                va="center", fontsize=9.5, color=INK, annotation_clip=False,
            )  # fmt: skip
        bottom, base = bottom + shares[:, place], base + np.nan_to_num(heights[:, topic])
    framed(axes, y="share of impressions")
    over_epochs(axes, epochs)
    axes.set_xticks([tick for tick in axes.get_xticks() if x[0] <= tick <= x[-1]])
    axes.set_xlim(x[0], start + wide)
    axes.set_ylim(0, 1)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.spines["bottom"].set_visible(False)
    axes.grid(visible=False)
    heading = "what people want,\nsame epochs" if moves else "what people\nwant"
    axes.annotate(
        heading, (start + wide / 2, 1), (0, 4), textcoords="offset points", ha="center", va="bottom", fontsize=9.5,
        color=INK, annotation_clip=False,
    )  # fmt: skip
    axes.annotate("what the\nfeed shows", (x[0], 1), (0, 4), textcoords="offset points", va="bottom", fontsize=9.5, color=INK)
    page.done(path, title)
    return axes


def _all_epochs(run: Run) -> list[int]:
    return [int(epoch) for epoch in sorted(run.series("released").index)]


def _mixtures(run: Run) -> Floats:
    """Return what each item is about: (items, topics)."""
    columns = [name for name in run.catalog if str(name).startswith("topic ")]
    return run.catalog[columns].to_numpy(np.float64)


# ---------------------------------------------------------------------------------------------------- items on a plane
def plane(mixtures: Floats) -> tuple[Floats, Floats]:
    """Return where items lie on the plane on which their topics differ most, and the share of the variance along each axis.

    The two first principal components of *mixtures*, (items, topics): (items, 2) and (2,); the largest loading of each is
    positive, so that a picture is never mirrored. Zero where there is nothing left that differs. By numpy.linalg.svd.
    """
    centred = mixtures - mixtures.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * np.sign(axes[:2][np.arange(len(axes[:2])), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    total = float((sizes**2).sum())
    places, shares = np.zeros((len(mixtures), 2)), np.zeros(2)
    places[:, : len(axes)] = centred @ axes.T
    shares[: len(axes)] = sizes[:2] ** 2 / total if total > 0 else 0.0
    return places, shares


def item_map(
    run: Run, epochs: int | Iterable[int] | None = None, path: Place = None, title: str | None = None, ax: Axes | None = None
) -> Figure:
    """Return one figure of the items that were out, by what they are about: a panel an epoch, the same plane in all.

    Circles are made by people, triangles by machines; their area is their share of the epoch's impressions, a dot is an item that
    was not shown. The plane is that of the two first principal components of the topic mixtures of all items of the run, see
    `plane`. epochs: as for `lorenz`. path, title: as for `narrowing`. ax: where to draw, for one epoch.
    Raises RecsimError for epochs that the run has not.
    """
    from matplotlib.lines import Line2D

    chosen = _chosen(run, epochs)
    across, size = (2, (WIDE / 2, 3.0)) if len(chosen) > 1 else (1, (WIDE, 5.4))
    page = sheet(ax, len(chosen), across, size, sharex=True, sharey=True)
    places, shares = plane(_mixtures(run))
    maker = run.catalog["maker"].to_numpy()
    for place, (axes, epoch) in enumerate(zip(page.axes, chosen, strict=True)):
        counts = impressions(run, epoch)
        out, volume = np.arange(len(counts)), max(1, int(counts.sum()))
        for kind, (marker, colour) in MAKERS.items():
            ours = out[maker[: len(out)] == kind]
            unseen, seen = ours[counts[ours] == 0], ours[counts[ours] > 0]
            axes.plot(*places[unseen].T, marker, color=colour, markersize=1.4, alpha=0.35, mew=0, zorder=1)
            area = np.maximum(4000.0 * counts[seen] / volume, 4.0)
            how = {"s": area, "marker": marker, "color": colour, "edgecolors": "white", "linewidths": 0.25}
            axes.scatter(places[seen, 0], places[seen, 1], **how, alpha=0.6, zorder=2)
        framed(axes, f"epoch {epoch}: {int((counts > 0).sum()):,} of {len(counts):,} shown", grid="both")
        axes.set_xlabel(f"1st component, {shares[0]:.0%}" if place >= len(chosen) - 2 else "", fontsize=10, color=INK)
        axes.set_ylabel("" if place % 2 else f"2nd component, {shares[1]:.0%}", fontsize=10, color=INK)
        axes.tick_params(labelbottom=False, labelleft=False, length=0)
        if not len(out):
            empty(axes, "nothing is out")
    kinds = [kind for kind in MAKERS if (maker == kind).any()]
    handles = [Line2D([], [], linestyle="", marker=MAKERS[kind][0], color=MAKERS[kind][1], markersize=8) for kind in kinds]
    names = {"human": "made by people", "ai": "made by machines"}
    dots = Line2D([], [], linestyle="", marker=".", color=PALE, markersize=3)
    page.key([*handles, dots], [*(names[kind] for kind in kinds), "not shown"])
    page.done(path, title)
    return page.figure
