"""The examination that every recommender and every policy goes through, found by itself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from conftest import EVERY_POLICY, EVERY_RECOMMENDER

import recsim as rs
from recsim import kernels
from recsim.consumption import Consumed
from recsim.lottery import Lottery
from recsim.models import Chances, Factors, Model, Order, exact_bits, snap
from recsim.policies import Policy
from recsim.randomness import Randomness
from recsim.recipe import family
from recsim.recommenders import Recommender
from recsim.world import Visits


def test_every_kind_is_examined() -> None:
    """No recommender and no policy stands outside these lists: adding a class adds its tests."""
    for every, root in ((EVERY_RECOMMENDER, Recommender), (EVERY_POLICY, Policy)):
        ours = {name for name, kind in family(root).items() if kind.__module__.startswith("recsim.")}  # tests make kinds too
        assert {type(one).__name__ for one in every.values()} == ours


def shown(scenario: rs.Scenario, seed: int = 5) -> pd.DataFrame:
    """Return what the feed showed in a run."""
    impressions = rs.run(scenario, seed=seed, progress=False).impressions
    return impressions[impressions["position"] >= 0]


@pytest.mark.parametrize("items", [80, 9])
def test_slates_are_sound(small: rs.Scenario, recommender: rs.Recommender, policy: rs.Policy, items: int) -> None:
    """No item twice, none that does not exist, positions without a gap, propensities in (0, 1], origins that fit."""
    scenario = small.but(recommender=recommender, policy=policy, catalog=rs.SyntheticItems(items=items, topics=6))
    rows = shown(scenario)
    slates = rows.groupby(["user", "visit"])
    assert not rows.duplicated(["user", "visit", "item"]).any()
    assert rows["item"].between(0, items - 1).all()
    assert (slates["position"].max() + 1 == slates.size()).all()
    assert (slates.size() <= scenario.slate).all()
    assert rows["propensity"].between(0, 1 + 1e-12, inclusive="right").all()
    explores = isinstance(policy, rs.EpsilonGreedy | rs.Slots)
    assert set(rows["origin"]) <= ({rs.Origin.MODEL, rs.Origin.EXPLORE} if explores else {rs.Origin.MODEL})
    assert (rows.loc[rows["origin"] == rs.Origin.EXPLORE, "depth"] == 0).all()
    assert (rows.loc[rows["origin"] == rs.Origin.MODEL, "depth"] >= 1).all()


@pytest.mark.parametrize("users", [1, pytest.param(10_000, marks=pytest.mark.long)])
def test_slates_of_one_and_of_many_users(recommender: rs.Recommender, policy: rs.Policy, users: int) -> None:
    """The same with one user, and with ten thousand, whose catalogue of 12 items is nearly used up at the end."""
    scenario = rs.Scenario(
        days=4, slate=5, population=rs.SyntheticUsers(users=users, topics=4), catalog=rs.SyntheticItems(items=12, topics=4),
        visits=rs.Regular(period=0.5), choice=rs.Luce(outside=0.5, clicks=2), retrain=rs.Retrain(every=1.5),
        recommender=recommender, policy=policy, log="impressions",
    )  # fmt: skip
    rows = shown(scenario)
    assert not rows.duplicated(["user", "visit", "item"]).any()
    assert rows["item"].between(0, 11).all()
    assert rows["propensity"].between(0, 1 + 1e-12, inclusive="right").all()
    left = 12 - rows.groupby("user")["clicked"].sum()
    assert left.between(0, 11).all()


def test_what_was_consumed_leaves_the_slate(small: rs.Scenario, recommender: rs.Recommender) -> None:
    """With `once` and `leave` nothing is shown to a user after she consumed it, nor consumed twice."""
    run = rs.run(small.but(recommender=recommender), seed=6, progress=False)
    had = run.clicks.groupby(["user", "item"])["visit"].agg(["min", "size"])
    assert (had["size"] == 1).all()
    rows = run.impressions.join(had["min"].rename("had"), on=["user", "item"])
    assert (rows["had"].isna() | (rows["visit"] <= rows["had"])).all()


def visits(count: int, items: int, gone: list[int]) -> Visits:
    """Return many visits of one user, who has had some items."""
    consumed = Consumed.of(1, np.zeros(len(gone), np.int64), np.array(gone, np.int64))
    zeros = np.zeros(count, np.int64)
    return Visits(
        zeros, zeros.astype(np.uint64), np.arange(count, dtype=np.uint32), zeros, items, Randomness(17), consumed
    )


COUNTS = np.array([5.0, 1.0, 0.5, 9.0, 2.0, 2.0, 4.0, 3.0])
MODELS: dict[str, Model] = {
    "fixed order": Order(1, COUNTS, np.ones(8), np.argsort(-COUNTS).astype(np.int32), COUNTS),
    "random order": Chances(1, COUNTS, np.ones(8)),
    "even chances": Chances(1, np.ones(8), np.ones(8)),
}


FULL_SUPPORT = {"epsilon", "proportional", "softmax", "thompson"}  # of all items here, there being fewer than candidates


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("policy", EVERY_POLICY)
@pytest.mark.parametrize("gone", [[], [3, 6], [0, 1, 3, 4, 6]], ids=str)
def test_propensities_are_exact_given_what_stands_above(model: str, policy: str, gone: list[int]) -> None:
    """For every item and position the mean of [shown] / propensity is the share of slates in which it has support.

    That is unbiasedness of inverse propensity weighting, item by item, given the prefix; it holds where the propensity
    is that of the draw. Policies with full support give it to all items that are not above; what the others give it to
    their `chance` says. Each figure within 4 standard errors: 8 items, 4 positions, 9 cases of each of the 6 policies
    that draw give a false alarm at a fresh seed once in about 10 suites; the seed is fixed.
    """
    recipe = EVERY_POLICY[policy]
    stand = visits(3_000 if policy == "thompson" else 30_000, 8, gone)
    ranking = MODELS[model].rank(stand, 8 if model == "fixed order" else 4)
    slate = recipe.slate(stand, ranking, 4)
    if policy == "greedy" and ranking.weights is None:
        assert (slate.propensity[slate.items >= 0] == 1).all()
        return
    for position in range(4):
        here, above = slate.items[:, position], slate.items[:, :position]
        for item in set(range(8)) - set(gone):
            support = ~(above == item).any(axis=1) & (here >= 0)
            if policy not in FULL_SUPPORT:
                support &= recipe.chance(stand, ranking, above, np.full(len(here), item, np.int32)) > 0
            ratio = np.divide(here == item, slate.propensity[:, position], out=np.zeros(len(here)), where=here == item)
            excess = ratio - support
            assert abs(excess.mean()) <= 4 * excess.std() / np.sqrt(len(excess)) + 1e-12, (position, item)


def test_epsilon_of_one_is_uniform_whatever_the_ranking() -> None:
    """EpsilonGreedy(1) over a fixed order gives propensities 1/8, 1/7, 1/6, 1/5 and only explored rows."""
    stand = visits(1000, 8, [])
    slate = rs.EpsilonGreedy(epsilon=1.0).slate(stand, MODELS["fixed order"].rank(stand, 4), 4)
    assert np.allclose(slate.propensity, 1 / np.array([8, 7, 6, 5]))
    assert (slate.origin == rs.Origin.EXPLORE).all()


def test_a_nearly_exhausted_catalogue_still_gives_its_last_item() -> None:
    """Of 3,000 items all but one are gone: the draw, exact after 32 attempts, finds it with propensity 1."""
    stand = visits(50, 3000, [i for i in range(3000) if i != 1234])
    drawn = Lottery(np.ones(3000)).pick(stand, "x", np.zeros((50, 0), np.int32))
    assert (drawn == 1234).all()
    assert (Lottery(np.ones(3000)).share(stand, np.zeros((50, 0), np.int32), drawn) == 1).all()


@pytest.mark.parametrize(("width", "count", "levels"), [
    (50, 10, 30), (1000, 20, 30), (1007, 20, 10**6), (7, 10, 3), (1000, 64, 50), (1000, 65, 50), (1003, 300, 10**6), (90, 200, 9),
])  # fmt: skip
def test_the_best_are_those_of_a_full_sort(width: int, count: int, levels: int) -> None:
    """Top columns, equal ones in their order, and none that is barred or has no score, as a sort of the row gives them."""
    chance = np.random.default_rng(width)
    ties, rows = chance.permutation(width), chance.permutation(300)[:200]
    scores = chance.integers(0, levels, (200, width)).astype(np.float64)
    scores[chance.random(scores.shape) < 0.2] = -np.inf
    barred = chance.random((300, width + 5)) < 0.2  # also columns that are not looked at
    begins, columns = np.concatenate([[0], np.cumsum(barred.sum(axis=1))]), np.flatnonzero(barred) % (width + 5)
    names = chance.permutation(width).astype(np.int32)
    items, found = np.full((300, count), 9, np.int32), np.full((300, count), 9.0)
    kernels.best(scores.copy(), rows, begins, columns, ties, names, items, found)
    assert (np.delete(items, rows, axis=0) == 9).all() and (np.delete(found, rows, axis=0) == 9).all()
    for row in range(200):
        free = np.where(barred[rows[row], :width], -np.inf, scores[row])
        order = np.lexsort((ties, -free))
        order = order[np.isfinite(free[order])][:count]
        missing = count - len(order)
        assert items[rows[row]].tolist() == names[order].tolist() + [-1] * missing
        assert found[rows[row]].tolist() == free[order].tolist() + [-np.inf] * missing


@pytest.mark.parametrize("skew", [0.0, 1.0, 4.0])
@pytest.mark.parametrize(("n", "threads"), [(1, 1), (10, 2), (400, 1)])
def test_nothing_is_missed_by_looking_at_long_factors_first(skew: float, n: int, threads: int) -> None:
    """Factors of lengths alike and very different, coarse so that there are ties, people and items without rows, others gone.

    The ranking is that of a sort of all exact scores, whatever little of them was looked at.
    """
    chance = np.random.default_rng(int(skew * 100) + n)
    users, items, width = 300, 1200, 4
    lengths = np.arange(1, items + 1)[:, None] ** -skew
    own, theirs = np.rint(chance.normal(size=(users, width)) * 2), np.rint(chance.normal(size=(items, width)) * 3) * lengths
    known_users, known_items, counts = chance.random(users) < 0.9, chance.random(items) < 0.95, chance.integers(0, 3, items) * 1.0
    model = Factors(1, counts, np.ones(items), own, theirs, known_users, known_items)
    had = np.unique(chance.integers(0, users * items, 9000))
    gone = Consumed.of(users + 5, had // items, had % items)
    who = chance.permutation(users + 5)  # the last five came after the cut
    stand = Visits(who, who.astype(np.uint64), np.zeros(len(who), np.uint32), np.zeros(len(who), np.int64), items,
                   Randomness(1), gone)  # fmt: skip
    found = model.rank(stand, n, threads)
    bits = exact_bits(width)
    exact = snap(own, bits) @ snap(theirs, bits).T
    for row, user in enumerate(who):
        scores = np.full(items, -np.inf)
        if user < users and known_users[user]:
            scores[known_items] = exact[user, known_items]
        order = np.lexsort((np.arange(items), -counts, -scores))
        order = order[~gone.contains(np.full(items, user), order)][:n]
        assert found.items[row].tolist() == order.tolist()
        assert found.scores is not None
        assert (found.scores[row] == scores[order] * model.unit).all()


def test_few_columns_are_looked_at_where_lengths_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 20,000 items less than a twentieth is scored where an item's length falls with its rank."""
    chance, scored = np.random.default_rng(1), []
    model = Factors(1, np.ones(20_000), np.ones(20_000), chance.normal(size=(200, 8)),
                    chance.normal(size=(20_000, 8)) / np.arange(1, 20_001)[:, None], np.ones(200, bool),
                    np.ones(20_000, bool))  # fmt: skip
    whole = Factors.scores
    monkeypatch.setattr(Factors, "scores", lambda self, user, width: scored.append(len(user) * width) or whole(self, user, width))
    model.rank(visits(200, 20_000, []), 10)
    assert 0 < sum(scored) < 200 * 20_000 / 20


@pytest.mark.parametrize("factors", [1, 3, 32, 100])
def test_scores_are_exact_in_any_order(factors: int) -> None:
    """Sums of products of snapped factors equal those of Python's whole numbers, to the last bit."""
    chance = np.random.default_rng(factors)
    bits = exact_bits(factors)
    left, right = (snap(chance.normal(size=(20, factors)) * scale, bits) for scale in (1e-7, 3e4))
    exact = [[sum(int(a) * int(b) for a, b in zip(u, i, strict=True)) for i in right] for u in left]
    assert ((left @ right.T).astype(object) == np.array(exact, object)).all()
    assert max(abs(value) for row in exact for value in row) <= 2**53


def reachable(thing: object, seen: set[int]) -> list[type]:
    """Return the types of all that can be reached from a thing through its fields."""
    if id(thing) in seen or isinstance(thing, (np.ndarray, str, int, float, type(None))):
        return []
    seen.add(id(thing))
    inside = thing if isinstance(thing, (tuple, list)) else vars(thing).values() if hasattr(thing, "__dict__") else ()
    return [type(thing), *(kind for part in inside for kind in reachable(part, seen))]


def test_the_feed_is_handed_nothing_of_the_truth(small: rs.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """From what a recommender and a policy are called with no way leads to users, items or the world."""
    met: dict[str, set[type]] = {"fit": set(), "slate": set()}

    def watched(owner: type, name: str) -> None:
        plain = getattr(owner, name)

        def method(self: object, *arguments: object) -> object:
            met[name] |= set(reachable(arguments, set()))
            return plain(self, *arguments)

        monkeypatch.setattr(owner, name, method)

    watched(rs.Popularity, "fit")
    watched(rs.EpsilonGreedy, "slate")
    rs.run(small.but(recommender=rs.Popularity(), start=rs.Popularity(prior=1.0)), seed=1, progress=False)
    assert met["fit"] and met["slate"]
    assert not (met["fit"] | met["slate"]) & {rs.Users, rs.Items, rs.World}
