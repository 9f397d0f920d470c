"""Polarisation: worked examples, networkx on the graph that is never made here, and what any graph must obey."""

from __future__ import annotations

import math
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim import polarisation
from recsim.errors import RecsimError
from recsim.polarisation import Mixing, assortativity, co_clicks, components, friendships, largest_component, modularity

USERS, ITEMS, GROUPS = 12, 9, 4


# ------------------------------------------------------------------------------------------------------------ examples
def test_groups_that_only_share_their_own_items() -> None:
    """Two groups of users without a common item: assortativity 1, and the most modularity that two groups can have."""
    mixing = co_clicks([0, 1, 2, 3], [0, 0, 1, 1], group=[0, 0, 1, 1])
    assert (modularity(mixing), assortativity(mixing)) == (0.5, 1.0)
    assert components([0, 1, 2, 3], [0, 0, 1, 1]) == 2


def test_groups_that_only_share_with_each_other() -> None:
    """Two users of different groups with a common item: the least that both figures can be."""
    mixing = co_clicks([0, 1], [0, 0], group=[0, 1])
    assert (modularity(mixing), assortativity(mixing)) == (-0.5, -1.0)


def test_one_group_alone() -> None:
    """Where all are of one group the modularity is 0, and there is no assortativity."""
    mixing = co_clicks([0, 1], [0, 0], group=[2, 2])
    assert modularity(mixing) == 0 and math.isnan(assortativity(mixing))


def test_those_who_share_nothing_have_no_figures() -> None:
    """Without links both figures are NaN; loners are parts of their own, and without clicks there is none."""
    mixing = co_clicks([0, 1], [0, 1], group=[0, 1])
    assert math.isnan(modularity(mixing)) and math.isnan(assortativity(mixing))
    assert (components([0, 1], [0, 1]), largest_component([0, 1], [0, 1])) == (2, 0.5)
    assert components([], []) == 0 and math.isnan(largest_component([], []))


def test_nobody_is_linked_to_herself() -> None:
    """Somebody who clicks one item over and over alone adds no link."""
    assert co_clicks([0, 0, 0, 1], [0, 0, 0, 1], group=[0, 0]) == Mixing(0, (0,))


def test_counts_are_repeated_rows() -> None:
    """A count of three is three rows; rows of one pair are added up before they are squared."""
    assert co_clicks([0, 1], [0, 0], [0, 1], [3, 2]) == co_clicks([0, 1, 0, 1, 0], [0] * 5, [0, 1]) == Mixing(0, (6, 6))


def test_sums_stay_exact_at_the_largest_volume() -> None:
    """Two billion clicks on one item are counted to the last one."""
    a, b = 2**30, 2**30 - 1
    assert co_clicks([0, 1], [0, 0], [0, 1], [a, b]) == Mixing(0, (a * b, a * b))


def test_all_figures_of_a_window() -> None:
    """Every figure has its description; friendships add a row; an empty window has the same rows, without values."""
    rows = polarisation.measure([0, 1, 2], [0, 0, 1], [0, 0, 1], [0, 1], edges=[[0, 1]])
    assert {metric for _, metric, _ in rows} == set(polarisation.POLARISATION)
    assert [row[:2] for row in rows][-2:] == [("all", "components"), ("friends", "assortativity")]
    empty = polarisation.measure([], [], [0, 0, 1], [0, 1])
    assert [row[:2] for row in empty] == [row[:2] for row in rows[:-1]]
    assert [value for *_, value in empty if not math.isnan(value)] == [0.0]


# ------------------------------------------------------------------------------------- the graph that is not made here
def shares(counts: np.ndarray) -> nx.MultiGraph:
    """Return the co-click graph of a matrix (nodes, links) of counts, a link of weight w as w links."""
    weight = counts @ counts.T
    graph = nx.MultiGraph()
    graph.add_nodes_from(range(len(counts)))
    graph.add_edges_from(
        (u, v) for u in range(len(counts)) for v in range(u) for _ in range(int(weight[u, v]))
    )  # fmt: skip
    return graph


def by_networkx(graph: Any, group: np.ndarray) -> tuple[float, float]:
    """Return modularity and assortativity as networkx has them."""
    nx.set_node_attributes(graph, dict(enumerate(group.tolist())), "group")
    parts = [set(np.flatnonzero(group == g).tolist()) for g in np.unique(group)]
    return nx.community.modularity(graph, parts), nx.attribute_assortativity_coefficient(graph, "group")


@pytest.mark.parametrize("seed", range(20))
def test_co_clicks_against_networkx(seed: int) -> None:
    """Modularity, assortativity and components of users and of items are those of the graph itself, within 1e-12."""
    chance = np.random.default_rng(seed)
    counts = chance.integers(1, 4, (USERS, ITEMS)) * (chance.random((USERS, ITEMS)) < chance.choice([0.15, 0.5]))
    user, item = np.nonzero(counts)
    for node, link, matrix in ((user, item, counts), (item, user, counts.T)):
        group = chance.integers(0, GROUPS, len(matrix))
        graph = shares(matrix)
        mixing = co_clicks(node, link, group, counts[user, item])
        assert (modularity(mixing), assortativity(mixing)) == pytest.approx(by_networkx(graph, group), abs=1e-12)
        parts = [part for part in nx.connected_components(graph) if matrix[list(part)].any()]
        assert components(node, link) == len(parts)
        assert largest_component(node, link) == max(map(len, parts)) / sum(map(len, parts))


@pytest.mark.parametrize("seed", range(10))
def test_friendships_against_networkx(seed: int) -> None:
    """Modularity and assortativity of friendships are those of networkx, within 1e-12."""
    chance = np.random.default_rng(seed)
    graph, group = nx.gnp_random_graph(30, 0.2, seed=seed), chance.integers(0, GROUPS, 30)
    mixing = friendships(list(graph.edges()), group)
    assert (modularity(mixing), assortativity(mixing)) == pytest.approx(by_networkx(graph, group), abs=1e-12)


# ---------------------------------------------------------------------------------------------- what must always hold
CLICKS = st.lists(st.tuples(st.integers(0, USERS - 1), st.integers(0, ITEMS - 1)), max_size=60)
GROUPING = st.lists(st.integers(0, GROUPS - 1), min_size=USERS, max_size=USERS)


def ends(clicks: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return users and items of the clicks."""
    user, item = np.array(clicks, np.int64).reshape(-1, 2).T
    return user, item


def figures(user: np.ndarray, item: np.ndarray, group: np.ndarray) -> str:
    """Return all figures of one graph, to the last bit."""
    mixing = co_clicks(user, item, group)
    return repr((modularity(mixing), assortativity(mixing), components(user, item), largest_component(user, item)))


@given(CLICKS, GROUPING, st.randoms(use_true_random=False))
def test_names_and_order_do_not_matter(clicks: list[tuple[int, int]], grouping: list[int], random: Any) -> None:
    """Users, items and groups can be numbered anew, and rows be shuffled: no figure changes by a bit."""

    def mixed(size: int) -> np.ndarray:
        return np.array(random.sample(range(size), size), np.int64)

    (user, item), group = ends(clicks), np.array(grouping)
    users, items, groups, rows = mixed(USERS), mixed(ITEMS), mixed(GROUPS), mixed(len(clicks))
    renamed = np.empty(USERS, np.int64)
    renamed[users] = groups[group]
    assert figures(users[user][rows], items[item][rows], renamed) == figures(user, item, group)


@given(CLICKS, GROUPING, st.integers(2, 5))
def test_volume_does_not_matter(clicks: list[tuple[int, int]], grouping: list[int], times: int) -> None:
    """Each click made several times over changes no figure by a bit."""
    user, item = ends(clicks)
    more = np.repeat(user, times), np.repeat(item, times)
    assert figures(*more, np.array(grouping)) == figures(user, item, np.array(grouping))


@given(CLICKS, GROUPING)
def test_bounds(clicks: list[tuple[int, int]], grouping: list[int]) -> None:
    """Both figures keep within their ranges, have the same sign, and assortativity is the greater in size."""
    user, item = ends(clicks)
    mixing = co_clicks(user, item, grouping)
    q, r = modularity(mixing), assortativity(mixing)
    assert math.isnan(q) or -0.5 <= q <= 1 - 1 / len(set(grouping))
    assert math.isnan(r) or (-1 <= r <= 1 and q * r >= 0 and abs(q) <= abs(r))
    assert 0 <= components(user, item) <= min(len(set(user.tolist())), len(set(item.tolist())))


# -------------------------------------------------------------------------------------------------------------- errors
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([0, 3], [0, 0], [0, 0]), "node: 3 is beyond the 2 that have a group; give a group to each"),
        (([0, 1], [0], [0, 0]), "link: there are 1 for 2 nodes and 2 counts; give as many of each"),
        (([0, 1], [0, 0.5], [0, 0]), "link: holds float64, not whole numbers"),
        (([0, -1], [0, 0], [0, 0]), "node: holds -1 to 0; give whole numbers from 0 on"),
        (([0, 1], [[0], [0]], [0, 0]), "link: has 2 dimensions instead of 1"),
        (([0, 1], [0, 0], [0, 0], [2**31 - 1, 1]), "count: sums to 2147483648"),
    ],
)
def test_what_is_no_click(arguments: tuple[Any, ...], text: str) -> None:
    """Rows that do not fit are named, in one line."""
    with pytest.raises(RecsimError) as fault:
        co_clicks(*arguments)
    assert str(fault.value).startswith(text)


def test_what_is_no_friendship() -> None:
    """Edges of another shape, or beyond the users, are named; so are clicks without an item."""
    with pytest.raises(RecsimError, match=r"^edges: their shape is \(2, 3\)"):
        friendships([[0, 1, 2], [0, 1, 2]], [0, 0, 0])
    with pytest.raises(RecsimError, match=r"^edges: 7 is beyond the 3 users"):
        friendships([[0, 7]], [0, 0, 0])
    with pytest.raises(RecsimError, match=r"^link: there are 1 for 2 nodes; give one for each"):
        components([0, 1], [0])
