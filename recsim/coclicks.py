"""Co-clicks: the items that most people clicked as a graph, two of them linked where the same people clicked both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from recsim.drawing import INK, PALE, WIDE, Place, sheet, topic_names
from recsim.errors import RecsimError, nearest, whole_number
from recsim.palette import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from recsim.archive import Run

Ints = npt.NDArray[np.int64]
KEPT = 3  # links of each item that are drawn, its strongest
NAMED = 12  # groups that have a look of their own


def graph(run: Run, epoch: int | None = None, most: int = 150) -> Any:
    """Return the co-click graph of the items that most people clicked in an epoch, as a networkx.Graph.

    Nodes are items, with `clickers`, the people who clicked them, and `topic`, their main one. Of each item the three strongest
    links are there: `weight`, the people who clicked both over the root of the product of those who clicked each, Salton's
    cosine, 0 to 1; `both`, those people. The raw number would link everything to what is popular.

    epoch: by default the last one. most: items, ties by running number. Source: Salton and McGill 1983, "Introduction to Modern
    Information Retrieval". Raises RecsimError for an epoch that the run has not closed, and for fewer than two items.
    """
    import networkx
    from scipy.sparse import coo_matrix

    there = sorted(int(one) for one in run.series("clicks").index)
    chosen = there[-1] if epoch is None else epoch
    if chosen not in there:
        raise RecsimError(f"epoch: the run has not closed {epoch!r}; give one of {there[0]} to {there[-1]}")
    whole_number("most", most, 2)
    log = run.clicks
    rows = log.loc[(log["epoch"] == chosen) & log["clicked"], ["user", "item"]].drop_duplicates()
    clickers = np.bincount(rows["item"].to_numpy(np.int64), minlength=len(run.catalog))
    kept = np.argsort(-clickers, kind="stable")[:most]
    kept = kept[clickers[kept] > 0]
    place = np.full(len(clickers), -1)
    place[kept] = np.arange(len(kept))
    column = place[rows["item"].to_numpy(np.int64)]
    ours = column >= 0
    size = (int(rows["user"].max()) + 1 if len(rows) else 0, len(kept))
    table = coo_matrix((np.ones(int(ours.sum()), np.int64), (rows["user"].to_numpy(np.int64)[ours], column[ours])), size).tocsr()
    both = np.asarray((table.T @ table).toarray(), np.int64)
    alone = clickers[kept]
    weight = both / np.sqrt(np.outer(alone, alone)) if len(kept) else np.zeros((0, 0))
    np.fill_diagonal(weight, 0.0)
    found = networkx.Graph()
    topic = run.catalog["topic"].to_numpy(np.int64)
    found.add_nodes_from((int(item), {"clickers": int(clickers[item]), "topic": int(topic[item])}) for item in kept)
    for one, row in enumerate(weight):
        for other in np.argsort(-row, kind="stable")[:KEPT]:
            if row[other] > 0:
                found.add_edge(int(kept[one]), int(kept[other]), weight=float(row[other]), both=int(both[one, other]))
    return found


def co_clicks(
    run: Run, epoch: int | None = None, most: int = 150, by: Literal["topic", "community"] = "topic", path: Place = None,
    title: str | None = None, ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Return one picture of the items that most people clicked in an epoch, linked to those that the same people clicked.

    The area of a point is the people who clicked it, a link the wider the larger the share of them that two items have in common,
    see `graph`. The fewer links lead from one to the other, the closer they lie: Kamada and Kawai 1989, "An algorithm for drawing
    general undirected graphs", Information Processing Letters 31(1). by: colour and marker are the item's main "topic", or the
    "community" that Louvain's method finds, which is a way of looking and no measure (see `recsim.polarisation` for those).
    Groups beyond twelve share a grey. path, title, ax: as for `lorenz`. Raises RecsimError as `graph` does.
    """
    import networkx
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    if by not in ("topic", "community"):
        raise RecsimError(f"by: {by!r} is no way to colour items; {nearest(by, ['topic', 'community'])}")
    found = graph(run, epoch, most)
    page = sheet(ax, across=1, size=(WIDE, 5.4))
    axes = page.axes[0]
    axes.set_axis_off()
    nodes = list(found)
    if not nodes:
        axes.annotate("no clicks", (0.5, 0.5), xycoords="axes fraction", ha="center", color=PALE, fontsize=10)
        page.done(path, title)
        return axes
    at = networkx.kamada_kawai_layout(found, dist=_ways(found))
    links = [([at[one], at[other]], weight) for one, other, weight in found.edges(data="weight")]
    widths = [0.3 + 2.2 * weight for _, weight in links]
    axes.add_collection(LineCollection([ends for ends, _ in links], linewidths=widths, colors=PALE, alpha=0.45, zorder=1))
    largest = max(found.nodes[node]["clickers"] for node in nodes)
    groups = _groups(found, by, run)
    handles: dict[str, Line2D] = {}
    for turn, (name, members) in enumerate(groups.items()):
        own = turn < NAMED
        colour, marker = (COLOURS[turn % len(COLOURS)], MARKERS[turn // len(COLOURS) * 2]) if own else (PALE, ".")
        area = [18 + 240 * found.nodes[node]["clickers"] / largest for node in members]
        x, y = np.array([at[node] for node in members]).T
        axes.scatter(x, y, s=area, color=colour, marker=marker, edgecolors="white", linewidths=0.7, zorder=2)
        handle = Line2D([], [], linestyle="", marker=marker, color=colour, mec="white", markersize=9)
        handles.setdefault(name if own else "others", handle)
    axes.margins(0.04)
    which = run.series("clicks").index.max() if epoch is None else epoch
    people = f"largest point: {largest:,} people" if largest != 1 else "largest point: one person"
    axes.set_title(f"epoch {which}: {len(nodes)} items, {people}", loc="left", fontsize=10.5, color=INK)
    page.key(list(handles.values()), handles)
    page.done(path, title)
    return axes


def _ways(found: Any) -> dict[int, dict[int, int]]:
    """Return how many links lead from each item to each other; where there is no way, as many as on the longest that there is."""
    import networkx

    ways = dict(networkx.all_pairs_shortest_path_length(found))
    beyond = max(1, *(max(row.values()) for row in ways.values()))
    return {one: {other: row.get(other, beyond) for other in found} for one, row in ways.items()}


def _groups(found: Any, by: str, run: Run) -> dict[str, list[int]]:
    """Return the items of each group by its name, the largest group first."""
    import networkx

    if by == "community":
        parts = [sorted(part) for part in networkx.community.louvain_communities(found, weight="weight", seed=1)]
        ordered = sorted(parts, key=lambda part: (-len(part), part[0]))
        return {f"community {turn}": part for turn, part in enumerate(ordered, 1)}
    topics: dict[int, list[int]] = {}
    for node, topic in found.nodes(data="topic"):
        topics.setdefault(topic, []).append(node)
    names = topic_names(run)
    return {names[topic]: topics[topic] for topic in sorted(topics, key=lambda one: (-len(topics[one]), one))}
