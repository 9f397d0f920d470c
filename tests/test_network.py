"""Networks: what every kind must obey, the laws of each, and files of friendships."""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsim.errors import RecsimError
from recsim.network import Blocks, EdgeList, Friends, Network, PreferentialAttachment, SmallWorld
from recsim.polarisation import assortativity, friendships
from recsim.population import SyntheticUsers, Users
from recsim.randomness import Randomness
from recsim.recipe import family

WORLD = Randomness(1)
DRAWN = [SmallWorld(), PreferentialAttachment(), Blocks(), Blocks(homophily=0.0, friends=3.5), Blocks(homophily=1.0)]


def people(*sizes: int, names: tuple[str, ...] = ()) -> Users:
    """Return users in blocks of these sizes: everyone wants one topic more than the others."""
    block = np.repeat(np.arange(len(sizes)), sizes)
    users = len(block)
    interests = np.full((users, len(sizes)), 0.1)
    interests[np.arange(users), block] = 1.0
    interests /= interests.sum(axis=1, keepdims=True)
    address = np.arange(users, dtype=np.uint64)
    return Users(address, interests, np.ones(users), np.zeros(users), np.zeros(users, np.bool_), names)


def as_networkx(friends: Friends) -> nx.Graph:
    """Return the friendships as a graph of networkx."""
    graph = nx.empty_graph(len(friends))
    graph.add_edges_from(friends.edges().tolist())
    return graph


# ------------------------------------------------------------------------------------------------------------- friends
PAIRS = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30)


@given(PAIRS, st.lists(st.integers(0, 7), max_size=6))
def test_friends_are_mutual_sorted_and_no_one_twice(pairs: list[tuple[int, int]], asked: list[int]) -> None:
    """Whatever pairs are given, in whatever order, the rows are the sets of friends in ascending order."""
    friends = Friends.of(8, np.array(pairs, np.int64).reshape(-1, 2))
    expected = [sorted({b for a, b in pairs + [(b, a) for a, b in pairs] if a == u != b}) for u in range(8)]
    assert friends.start.dtype == np.int64 and friends.friend.dtype == np.int32 and len(friends) == 8
    assert [friends.friend[a:b].tolist() for a, b in zip(friends.start, friends.start[1:], strict=False)] == expected
    assert friends.degree.tolist() == [len(row) for row in expected]
    run, friend = friends.stretch(np.array(asked, np.int64))
    assert list(zip(run.tolist(), friend.tolist(), strict=True)) == [
        (r, f) for r, u in enumerate(asked) for f in expected[u]
    ]
    assert friends.edges().tolist() == [[u, v] for u in range(8) for v in expected[u] if u < v]
    again = Friends.of(8, friends.edges())
    assert (again.start == friends.start).all() and (again.friend == friends.friend).all()


def test_a_pair_with_somebody_who_is_not_there() -> None:
    """Whoever is no user is named as a fault, not cut off."""
    for pair in ([0, 3], [-1, 0]):
        with pytest.raises(RecsimError, match="names somebody who is none of the 3 users"):
            Friends.of(3, np.array([pair]))


# ----------------------------------------------------------------------------------------------------------- every kind
@pytest.mark.parametrize("network", DRAWN, ids=repr)
def test_every_kind_gives_sound_friendships(network: Network) -> None:
    """Rows ascend without repeats or loops, a friendship stands in both rows, the mean is near what was asked for."""
    friends = network.draw(WORLD, people(150, 100, 50))
    who = np.repeat(np.arange(300), friends.degree)
    assert (np.diff((who << 32) | friends.friend) > 0).all() and (who != friends.friend).all()
    assert set(zip(who.tolist(), friends.friend.tolist(), strict=True)) == set(
        zip(friends.friend.tolist(), who.tolist(), strict=True)
    )
    asked = network.friends  # type: ignore[attr-defined]
    sigma = np.sqrt(2 * asked / 300)  # of a mean of 300 degrees whose friendships are Poisson in number
    bias = asked * asked / 2 / 300 if isinstance(network, PreferentialAttachment) else 0.0
    assert abs(friends.degree.mean() + bias - asked) < 4 * sigma


@pytest.mark.parametrize("network", DRAWN, ids=repr)
def test_one_seed_one_network(network: Network) -> None:
    """The same seed gives the same friendships to the byte, another seed others."""
    users = people(60, 40)
    first, again, other = (network.draw(Randomness(seed), users) for seed in (1, 1, 2))
    assert first.start.tobytes() == again.start.tobytes() and first.friend.tobytes() == again.friend.tobytes()
    assert first.friend.tobytes() != other.friend.tobytes()


@pytest.mark.parametrize("network", DRAWN, ids=repr)
def test_the_order_of_users_does_not_matter(network: Network) -> None:
    """Where users stand in another order, each has the same friends."""
    users, order = people(60, 40), np.random.default_rng(1).permutation(100)
    moved = Users(users.address[order], users.interests[order], users.activity, users.curiosity, users.niche)
    here = Friends.of(100, order[network.draw(WORLD, moved).edges()])
    assert (here.friend == network.draw(WORLD, users).friend).all()


@pytest.mark.parametrize("network", DRAWN, ids=repr)
def test_too_few_people(network: Network) -> None:
    """Nobody can have more friends than there are others."""
    with pytest.raises(RecsimError, match=r"^network.friends: .* friends each among 3 users; give at most 2$"):
        network.draw(WORLD, people(2, 1))
    assert network.draw(WORLD, people(12)).degree.max() < 12


def test_the_family_is_complete_and_light() -> None:
    """All kinds can be named in a scenario; the module is imported without networkx."""
    assert {"SmallWorld", "PreferentialAttachment", "Blocks", "EdgeList"} <= set(family(Network))
    code = "import sys, recsim.network; assert not {'networkx', 'pandas', 'scipy.sparse'} & set(sys.modules)"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=Path(__file__).parent.parent)
    with pytest.raises(RecsimError, match="friends: should be a multiple of 2, not 3"):
        SmallWorld(friends=3)


@pytest.mark.long
@pytest.mark.parametrize("network", DRAWN[:3], ids=repr)
def test_a_hundred_thousand_users(network: Network) -> None:
    """100,000 users with 10 friends each are befriended in under 20 s of one processor."""
    users = SyntheticUsers(users=100_000).draw(WORLD)
    began = time.process_time()
    friends = network.draw(WORLD, users)
    assert time.process_time() - began < 20
    assert friends.degree.mean() == pytest.approx(10, abs=0.06)  # 4 standard errors of 500,000 friendships


# ----------------------------------------------------------------------------------------------------------- their laws
def test_a_ring_has_the_triangles_of_a_ring() -> None:
    """With nothing rewired all have the same number of friends, of whose pairs 3 (k - 2) / (4 (k - 1)) are friends."""
    friends = SmallWorld(friends=6, rewired=0.0).draw(WORLD, people(200))
    assert set(friends.degree.tolist()) == {6}
    assert nx.average_clustering(as_networkx(friends)) == pytest.approx(3 * 4 / (4 * 5), abs=1e-12)


def test_rewiring_leaves_triangles_by_its_third_power() -> None:
    """Of a ring's n k (k - 2) / 8 triangles a share (1 - p)^3 is left: the mean of 20 worlds within 4 standard errors.

    The 500 friendships that are rewired here close some of the 90,000 pairs of somebody's friends, out of 2,000,000
    pairs of users: about 22 triangles, less than one standard error.
    """
    n, k, p = 2000, 10, 0.05
    worlds = [SmallWorld(friends=k, rewired=p).draw(Randomness(seed), people(n)) for seed in range(20)]
    triangles = np.array([sum(nx.triangles(as_networkx(friends)).values()) / 3 for friends in worlds])
    expected = n * k * (k - 2) / 8 * (1 - p) ** 3
    assert abs(triangles.mean() - expected) < 4 * triangles.std(ddof=1) / np.sqrt(20)
    assert {int(friends.degree.sum()) for friends in worlds} == {n * k}


def test_hubs_follow_the_power_law() -> None:
    """Shares of users with k friends are 2m (m + 1) / (k (k + 1) (k + 2)): 4 sigma for each k from 5 to 20, one seed.

    False alarm of the 16 together below .001; a binomial sigma is more than that of these counts.
    """
    users, m = 20_000, 5
    degree = PreferentialAttachment(friends=2 * m).draw(WORLD, people(users)).degree
    assert degree.sum() == 2 * m * (users - m)
    k = np.arange(m, 21)
    share = 2 * m * (m + 1) / (k * (k + 1) * (k + 2))
    found = np.bincount(degree, minlength=21)[m:21] / users
    assert (np.abs(found - share) < 4 * np.sqrt(share * (1 - share) / users)).all()
    assert degree.max() > 10 * degree.mean()


def test_hubs_are_anybody() -> None:
    """Who becomes a hub does not hang on her number: the rank correlation with it is 0 within 4 sigma."""
    degree = PreferentialAttachment().draw(WORLD, people(5000)).degree
    assert abs(pd.Series(degree).corr(pd.Series(np.arange(5000)), method="spearman")) < 4 / np.sqrt(5000)


SIZES = 900, 400, 180, 20


@pytest.mark.parametrize("homophily", [0.0, 0.5, 0.9])
def test_blocks_have_the_friendships_that_are_expected(homophily: float) -> None:
    """Within and between blocks the friendships of 10 worlds are as many as expected, within 4 binomial sigma.

    Everyone has the same number of friends in expectation, whatever the size of her block. False alarm of the 30
    numbers below .002.
    """
    friends, users = 8.0, sum(SIZES)
    block = np.repeat(np.arange(4), SIZES)
    found = np.zeros((4, 4))
    for seed in range(10):
        edges = block[Blocks(friends=friends, homophily=homophily).draw(Randomness(seed), people(*SIZES)).edges()]
        np.add.at(found, (edges[:, 0], edges[:, 1]), 1)
    anyone = friends * (1 - homophily) / (users - 1)
    for a, size in enumerate(SIZES):
        for b in range(a + 1):
            own = friends * homophily / (size - 1) + anyone if a == b else anyone
            pairs = 10 * (size * (size - 1) // 2 if a == b else size * SIZES[b])
            number = found[a, b] + (found[b, a] if a != b else 0)
            assert abs(number - pairs * own) <= 4 * np.sqrt(pairs * own * (1 - own)), (a, b)


@pytest.mark.parametrize("homophily", [0.0, 0.3, 0.8, 1.0])
def test_homophily_is_the_assortativity_of_the_blocks(homophily: float) -> None:
    """Assortativity by main interest is what was asked for: 4 sigma of 20,000 friendships, and 1 / users of bias."""
    users = people(2000, 1200, 800)
    friends = Blocks(homophily=homophily).draw(WORLD, users)
    found = assortativity(friendships(friends.edges(), users.interests.argmax(axis=1)))
    assert abs(found - homophily) < 4 / np.sqrt(20_000) + 1 / 800
    assert homophily < 1 or found == 1


def test_small_blocks_are_complete() -> None:
    """Where a block has fewer people than friends are wanted from it, all in it are friends; a loner has none."""
    friends = Blocks(friends=9.0, homophily=1.0).draw(WORLD, people(50, 4, 1))
    assert friends.degree[50:].tolist() == [3, 3, 3, 3, 0]


# ---------------------------------------------------------------------------------------------------------------- files
NAMED = people(4, names=("ann", "bob", "cem", "dov"))
ROWS = [("ann", "bob"), ("bob", "ann"), ("dov", "ann"), ("cem", "cem")]
FRIENDSHIPS = [[0, 1], [0, 3]]


@pytest.mark.parametrize("name", ["f.csv", "f.tsv", "f.csv.gz", "f.parquet"])
def test_friendships_from_a_file(tmp_path: Path, name: str) -> None:
    """Any of the formats gives the same friendships, in either order of a pair; nothing is random about them."""
    table, path = pd.DataFrame(ROWS, columns=["who", "whom"]), tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path, index=False)
    else:
        text = table.to_csv(index=False, sep="\t" if "tsv" in name else ",").encode()
        path.write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    network = EdgeList(file=str(path), one="who", other="whom")
    assert network.draw(Randomness(1), NAMED).edges().tolist() == FRIENDSHIPS
    assert network.draw(Randomness(2), NAMED).edges().tolist() == FRIENDSHIPS


@pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
def test_users_without_names_go_by_their_numbers(tmp_path: Path, name: str) -> None:
    """The file names users that have no names by their running numbers from 0 on."""
    table, path = pd.DataFrame({"a": [0, 3, 1], "b": [1, 0, 0]}), tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)
    assert EdgeList(file=str(path)).draw(WORLD, people(4)).edges().tolist() == FRIENDSHIPS


def test_a_path_counts_from_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is named as other files are in a scenario."""
    (tmp_path / "friends.csv").write_text("a,b\nann,bob\n")
    monkeypatch.chdir(tmp_path)
    assert EdgeList(file="friends.csv").draw(WORLD, NAMED).edges().tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("text", "columns", "error"),
    [
        ("a,b\nann,bob\nann,eve\n", ("a", "b"), "f.csv: line 3, column 'b': there is no user 'eve'; leave the row out"),
        ("a,b\nann,\n", ("a", "b"), "f.csv: line 2, column 'b': the field is empty; fill it in or drop the row"),
        ("a,b\nann,ann\n", ("a", "b"), "f.csv: nobody has a friend: each row names one user twice; give pairs"),
        ("a,b\n", ("a", "b"), "f.csv: has a header but no rows"),
        ("a,b\nann,bob\n", ("a", "c"), "f.csv: line 1: there is no column 'c'"),
        (
            "a,b\nann,bob\n",
            ("a", "a"),
            "network.other: is 'a', as the first column is; name a different column for each",
        ),
        (None, ("a", "b"), "f.csv: there is no such file"),
    ],
)
def test_files_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, columns: tuple[str, str], error: str
) -> None:
    """Each fault of a file is told in one line: file, place, what, mend."""
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("f.csv").write_text(text)
    with pytest.raises(RecsimError) as fault:
        EdgeList(file="f.csv", one=columns[0], other=columns[1]).draw(WORLD, NAMED)
    assert str(fault.value).startswith(error) and "\n" not in str(fault.value)


def test_a_number_that_is_no_user(tmp_path: Path) -> None:
    """Users without names are told how they are numbered."""
    (tmp_path / "f.csv").write_text("a,b\n0,1\n0,4\n")
    with pytest.raises(RecsimError, match=r"line 3, column 'b': there is no user '4'; they are numbered from 0 to 3$"):
        EdgeList(file=str(tmp_path / "f.csv")).draw(WORLD, people(4))
