"""Polarisation: whether those of a kind keep to themselves, in who clicks what others click and in who knows whom.

Two users are linked by the items that both clicked, two items by the users who clicked both. Such a co-click graph of a
million clicks has far more links than there are clicks; but all that is asked of it here follows from the clicks, so no
link is ever made. Groups are given, not searched for: communities that an algorithm finds differ from one version of it
to the next, and there are some in every graph. All sums are of whole numbers and exact, so that neither the order of
rows nor the names of groups move the last bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsim.errors import RecsimError

Ints = npt.NDArray[np.int64]

POLARISATION: dict[str, str] = {
    "modularity": "weight of links within groups beyond what strengths alone would give, as a share of all, -1/2 to 1",
    "assortativity": "the same as a share of the most that it can be, -1 to 1; 0: groups do not matter",
    "largest_component": "share of those with a click in the largest connected part of the co-click graph, 0 to 1",
    "components": "connected parts of the co-click graphs, of users and of items alike, a number",
}


@dataclass(frozen=True)
class Mixing:
    """How groups of nodes share the weight of a graph's links: what modularity and assortativity are made of.

    inside: twice the weight of all links within a group. strength: for each group the weight of links at its nodes, a
    link within it at both ends; their sum W is twice the weight of all links.
    """

    inside: int
    strength: tuple[int, ...]


def modularity(mixing: Mixing) -> float:
    """Return how much more weight lies within groups than if links only kept the strengths of their ends.

    Q = sum_g [in_g / W - (s_g / W)^2], in_g twice the weight within group g, s_g the strengths of its nodes, W their sum.

    Range -1/2 (two groups, all links between them) to 1 - 1 / groups, no unit; 0: as mixed as chance, or one group
    alone. NaN without links.
    Source: Newman 2004, "Analysis of weighted networks", Physical Review E 70, 056131; the range as in Brandes et al.
    2008, "On modularity clustering", IEEE Transactions on Knowledge and Data Engineering 20(2).

    >>> modularity(Mixing(inside=12, strength=(7, 7)))    # two triangles and a link between them
    0.35714285714285715
    """
    whole, by_chance = _whole(mixing)
    return (mixing.inside * whole - by_chance) / whole**2 if whole else math.nan


def assortativity(mixing: Mixing) -> float:
    """Return how far like keeps to like: 1 is only, 0 is as chance has it, below 0 is shunning.

    r = (tr e - sum_g a_g^2) / (1 - sum_g a_g^2), with tr e = sum_g in_g / W the share of weight within groups and a_g =
    s_g / W: the modularity over the most that it could be with these strengths.

    Range -1 to 1, no unit. NaN without links, or when one group has them all.
    Source: Newman 2003, "Mixing patterns in networks", Physical Review E 67, 026126, equation (2).

    >>> round(assortativity(Mixing(inside=12, strength=(7, 7))), 12)
    0.714285714286
    """
    whole, by_chance = _whole(mixing)
    most = whole**2 - by_chance
    return (mixing.inside * whole - by_chance) / most if most else math.nan


def _whole(mixing: Mixing) -> tuple[int, int]:
    """Return W and W^2 sum_g a_g^2, as Python's whole numbers, which know no overflow."""
    return sum(mixing.strength), sum(strength**2 for strength in mixing.strength)


def co_clicks(
    node: npt.ArrayLike, link: npt.ArrayLike, group: npt.ArrayLike, count: npt.ArrayLike | None = None
) -> Mixing:
    """Return how groups mix in the graph whose nodes are linked by what they have in common, without that graph.

    Nodes u, v have a link of weight sum_i c_ui c_vi, c the counts. With C_i = sum_u c_ui and G_gi the same over group g
    alone, in_g = sum_i (G_gi^2 - sum_(u in g) c_ui^2) and s_g = sum_i (G_gi C_i - sum_(u in g) c_ui^2). What is popular
    links many, so it weighs with the square of its clicks (Newman 2001, "Scientific collaboration networks. II",
    Physical Review E 64, 016132, divides each item's share by the number of others; here it is not divided).

    node, link: (rows,) running numbers from 0, one row for each click: users and items for the graph of users, the
    other way round for that of items. group: (nodes,) running number of each node's group. count: (rows,) whole, not
    negative, by default 1; rows of the same node and link are added up. Time: that of sorting the rows.
    Raises RecsimError where numbers are not whole, or do not fit each other.
    Source: derived from the definitions; checked against the graph itself.

    >>> co_clicks([0, 1, 1, 2], [0, 0, 1, 1], group=[0, 0, 1])    # 0 and 1 share an item, so do 1 and 2
    Mixing(inside=2, strength=(3, 1))
    """
    of = _numbers("group", group)
    node, link, count = _pairs(node, link, count)
    if len(node) and node.max() >= len(of):
        raise RecsimError(f"node: {node.max()} is beyond the {len(of)} that have a group; give a group to each")
    groups = int(of.max(initial=-1)) + 1
    own = _sums(of[node], count * count, groups)
    cell, where = np.unique((link << 32) | of[node], return_inverse=True)
    among = _sums(where, count, len(cell))
    shared = _sums(link, count)
    strength = _sums(cell & 0xFFFFFFFF, among * shared[cell >> 32], groups) - own
    return Mixing(int((among * among).sum() - own.sum()), tuple(strength.tolist()))


def friendships(edges: npt.ArrayLike, group: npt.ArrayLike) -> Mixing:
    """Return how groups mix in a graph of friendships, each of weight 1.

    edges: (friendships, 2) running numbers of users, each friendship once, as `Friends.edges` gives them. group:
    (users,) running number of each user's group. Raises RecsimError where an edge names a user without a group.

    >>> friendships([[0, 1], [1, 2]], group=[0, 0, 1])
    Mixing(inside=2, strength=(3, 1))
    """
    shape = np.shape(edges)
    if len(shape) != 2 or shape[1] != 2:
        raise RecsimError(f"edges: their shape is {shape}; give two users for each, (friendships, 2)")
    of, ends = _numbers("group", group), _numbers("edges", np.ravel(edges))
    if len(ends) and ends.max() >= len(of):
        raise RecsimError(f"edges: {ends.max()} is beyond the {len(of)} users that have a group; give a group to each")
    one, other = of[ends[0::2]], of[ends[1::2]]
    strength = np.bincount(of[ends], minlength=int(of.max(initial=-1)) + 1)
    return Mixing(2 * int((one == other).sum()), tuple(strength.tolist()))


def components(user: npt.ArrayLike, item: npt.ArrayLike) -> int:
    """Return how many parts the co-click graph has between which there is no way.

    They are counted among users with a click, or, which gives the same number, among items with a click: each part of
    the graph of users and items together holds some of both. 1: all hang together.

    user, item: (rows,) running numbers, one row for each click. Range 0, without clicks, to the number of users or
    items with a click, whichever is smaller. Raises RecsimError where rows are no running numbers, or not as many.

    >>> components([0, 1, 2], [0, 0, 5])
    2
    """
    return len(np.unique(_parts(user, item)[1]))


def largest_component(node: npt.ArrayLike, link: npt.ArrayLike) -> float:
    """Return the share of nodes with a click that hang together in the largest part of the co-click graph.

    The number of parts alone says little: a few loners beside one large whole are many parts too.

    node, link: as in `co_clicks`. Range 1 / (nodes with a click) to 1, no unit. NaN without clicks. Raises RecsimError
    as `components` does.

    >>> largest_component([0, 1, 2, 3], [0, 0, 0, 5])
    0.75
    """
    node, part = _parts(node, link)
    sizes = np.bincount(part[np.unique(node, return_index=True)[1]])
    return float(sizes.max() / sizes.sum()) if len(sizes) else math.nan


def measure(
    user: npt.ArrayLike, item: npt.ArrayLike, user_group: npt.ArrayLike, item_group: npt.ArrayLike,
    edges: npt.ArrayLike | None = None,
) -> list[tuple[str, str, float]]:  # fmt: skip
    """Return all figures of one window's clicks as rows (group, metric, value); `POLARISATION` says what each is.

    user, item: (clicks,) running numbers. user_group: (users,), such as each user's main interest; item_group:
    (items,), such as each item's main topic. edges: friendships, where there are any. The group is 'users' or 'items'
    for the two co-click graphs, 'all' for what they have in common, 'friends' for the friendships. Always the same rows
    in the same order; NaN where a figure is not defined.

    >>> [row for row in measure([0, 1], [0, 0], [0, 1], [0]) if row[1] == "modularity"]
    [('users', 'modularity', -0.5), ('items', 'modularity', nan)]
    """
    rows: list[tuple[str, str, float]] = []
    for name, node, link, group in (("users", user, item, user_group), ("items", item, user, item_group)):
        mixing = co_clicks(node, link, group)
        rows += [
            (name, "modularity", modularity(mixing)),
            (name, "assortativity", assortativity(mixing)),
            (name, "largest_component", largest_component(node, link)),
        ]
    rows.append(("all", "components", float(components(user, item))))
    if edges is not None:
        rows.append(("friends", "assortativity", assortativity(friendships(edges, user_group))))
    return rows


# ------------------------------------------------------------------------------------------------- what is accepted


def _numbers(name: str, values: npt.ArrayLike) -> Ints:
    """Return running numbers, or say what is wrong: they are whole, from 0 on, and below 2**31."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise RecsimError(f"{name}: has {array.ndim} dimensions instead of 1; its shape is {array.shape}")
    if len(array) and array.dtype.kind not in "bui":
        raise RecsimError(f"{name}: holds {array.dtype}, not whole numbers; give whole numbers from 0 on")
    if len(array) and not 0 <= array.min() <= array.max() < 2**31:
        raise RecsimError(f"{name}: holds {array.min()} to {array.max()}; give whole numbers from 0 on, below 2**31")
    return array.astype(np.int64)


def _pairs(node: npt.ArrayLike, link: npt.ArrayLike, count: npt.ArrayLike | None) -> tuple[Ints, Ints, Ints]:
    """Return each pair of node and link once, with its count: three arrays (pairs,)."""
    node, link = _numbers("node", node), _numbers("link", link)
    times = np.ones(len(node), np.int64) if count is None else _numbers("count", count)
    if not len(node) == len(link) == len(times):
        raise RecsimError(
            f"link: there are {len(link)} for {len(node)} nodes and {len(times)} counts; give as many of each"
        )
    if times.sum() >= 2**31:
        raise RecsimError(
            f"count: sums to {times.sum()}, whose square is no number of 64 bits; give at most 2**31 - 1 clicks"
        )
    pair, where = np.unique((node << 32) | link, return_inverse=True)
    return pair >> 32, pair & 0xFFFFFFFF, _sums(where, times, len(pair))


def _sums(place: Ints, value: Ints, size: int | None = None) -> Ints:
    """Return the sum of the values at each place: whole numbers, which numpy's bincount would add up as fractions."""
    result = np.zeros(int(place.max(initial=-1)) + 1 if size is None else size, np.int64)
    np.add.at(result, place, value)
    return result


def _parts(node: npt.ArrayLike, link: npt.ArrayLike) -> tuple[Ints, Ints]:
    """Return the node of each row, and the running number of the connected part that the row is in: both (rows,)."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    node, link = _numbers("node", node), _numbers("link", link)
    if len(node) != len(link):
        raise RecsimError(f"link: there are {len(link)} for {len(node)} nodes; give one for each")
    if not len(node):
        return node, link
    (nodes, one), (links, other) = (np.unique(end, return_inverse=True) for end in (node, link))
    size = len(nodes) + len(links)
    graph = coo_matrix((np.ones(len(one), np.int8), (one, len(nodes) + other)), (size, size))
    return node, connected_components(graph, directed=False)[1][one].astype(np.int64)
