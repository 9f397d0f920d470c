"""Policies one by one: chances that add up below any prefix, draws that agree with them, and tiny references written out."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from conftest import EVERY_POLICY
from scipy.integrate import quad
from scipy.stats import beta, chisquare

import recsim as rs
from recsim.candidates import best_left, relevance
from recsim.consumption import Consumed
from recsim.models import Chances, Order
from recsim.policies import Policy
from recsim.posteriors import Posteriors
from recsim.randomness import Randomness
from recsim.world import NOTHING, Origin, Published, Ranking, Slate, Visits

ITEMS, USERS = 7, 3
ORDER = np.array([4, 2, 0, 6, 1, 5, 3], np.int32)
SCORES = np.array([0.9, 0.7, 0.7, 0.1, -0.4, -np.inf, -np.inf])
COUNTS = np.array([5.0, 1.0, 9.0, 0.5, 3.0, 2.0, 2.0])
PUBLISHED = Published(
    COUNTS,
    np.array([100.0, 0.0, 300.0, 4.0, 60.0, 0.0, 20.0]),
    np.array([9.0, 0.0, 31.0, 2.0, 5.0, 0.0, 0.0]),
    np.array([[1, 0, 0], [0.5, 0.5, 0], [0.9, 0.1, 0], [0, 0, 1], [0.8, 0, 0.2], [0, 1, 0], [0.2, 0.2, 0.6]], np.float64),
    np.array([[0.6, 0.3, 0.1], [0, 0.5, 0.5], [0, 0, 0]], np.float64),
    np.array([1, 0, 1, 1, 0, 1, 0], np.int8),
)
POLICIES: dict[str, Policy] = EVERY_POLICY | {
    "few of softmax": rs.Softmax(temperature=1.0, candidates=3),
    "few of thompson": rs.Thompson(prior_clicks=0.5, prior_misses=2.0, candidates=3),
    "few of diversify": rs.Diversify(diversity=0.7, candidates=2),
}
DRAWS = {"epsilon", "proportional", "softmax", "thompson", "slots", "few of softmax", "few of thompson"}
GONE = [[], [2, 4], [0, 1, 2, 4, 6]]
MODELS = ["order", "scores", "draw"]


def visits(count: int, gone: list[int], seed: int = 17) -> Visits:
    """Return visits of three users in turn, who have had the same items."""
    had = Consumed.of(USERS, np.repeat(np.arange(USERS), len(gone)), np.tile(np.array(gone, np.int64), USERS))
    user = np.arange(count) % USERS
    nth = (np.arange(count) // USERS).astype(np.uint32)
    return Visits(user, user.astype(np.uint64), nth, np.zeros(count, np.int64), ITEMS, Randomness(seed), had)


def ranked(stand: Visits, gone: list[int], model: str, published: Published = PUBLISHED) -> Ranking:
    """Return a ranking without what is gone: a fixed order with or without scores, or a draw."""
    picks = np.array([3, 5, 4], np.int32)
    if model == "draw":
        drawn = Chances(1, COUNTS, np.ones(ITEMS)).rank(stand, 4)
        return replace(drawn, published=published, picks=picks)
    kept = ~np.isin(ORDER, gone)
    items, scores = (np.tile(row[kept], (len(stand), 1)) for row in (ORDER, SCORES))
    return Ranking(items, published, None, scores if model == "scores" else None, picks)


def part(ranking: Ranking, rows: slice) -> Ranking:
    """Return some rows of a ranking."""
    return replace(ranking, items=ranking.items[rows], scores=None if ranking.scores is None else ranking.scores[rows])


def same(one: Slate, other: Slate) -> bool:
    """Return whether two sets of slates agree to the byte."""
    return all(a.tobytes() == b.tobytes() for a, b in zip(vars(one).values(), vars(other).values(), strict=True))


def prefixes(gone: list[int], length: int) -> np.ndarray:
    """Return all the ways in which anybody can fill the first positions, (prefixes, length)."""
    left = [item for item in range(ITEMS) if item not in gone]
    ways = list(permutations(left, length))
    return np.array(ways, np.int32).reshape(len(ways), length)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("gone", GONE, ids=str)
@pytest.mark.parametrize("name", POLICIES)
def test_chances_add_up_below_any_prefix(name: str, gone: list[int], model: str) -> None:
    """Whoever filled the positions above: chances of all items are 1 in all, 0 for what is above or gone, or nothing is left."""
    for length in range(4):
        placed = np.repeat(prefixes(gone, length), USERS, axis=0)
        stand = visits(len(placed), gone)
        ranking = ranked(stand, gone, model)
        if model == "draw" and length:  # so that four drawn items are enough whoever filled the positions above
            ranking = replace(ranking, items=np.tile(ORDER[~np.isin(ORDER, gone)], (len(stand), 1)))
        chance = np.stack(
            [POLICIES[name].chance(stand, ranking, placed, np.full(len(placed), item, np.int32)) for item in range(ITEMS)]
        )
        taken = np.array([(placed == item).any(axis=1) | (item in gone) for item in range(ITEMS)])
        assert (chance[taken] == 0).all() and (chance >= 0).all()
        left = ITEMS - len(gone) - length
        assert np.allclose(chance.sum(axis=0), 1 if left else 0, rtol=0, atol=1e-9)
        item, _ = POLICIES[name].place(stand, ranking, placed)
        assert (item == NOTHING).all() if not left else (chance[item, np.arange(len(item))] > 0).all()
        assert (POLICIES[name].chance(stand, ranking, placed, np.full(len(placed), NOTHING, np.int32)) == 0).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("gone", GONE[:2], ids=str)
@pytest.mark.parametrize("name", sorted(DRAWS))
def test_draws_agree_with_chances_below_a_foreign_prefix(name: str, gone: list[int], model: str) -> None:
    """Chi-square of what is placed below what others put there; each case fails once in 10^6 at a fresh seed."""
    stand = visits(3_000, gone)
    ranking = ranked(stand, gone, model)
    for above in ([], [0], [6, 0], [5, 0, 1]):
        placed = np.tile(np.array(above, np.int32), (len(stand), 1)).reshape(len(stand), len(above))
        item, _ = POLICIES[name].place(stand, ranking, placed)
        wanted = [POLICIES[name].chance(stand, ranking, placed, np.full(len(stand), i, np.int32)).sum() for i in range(ITEMS)]
        if model == "draw" and above:  # here a fixed one of the four drawn items may be above
            item = item[item != NOTHING]
        seen, expected = np.bincount(item, minlength=ITEMS), np.array(wanted)
        assert (seen[expected < 1e-9] == 0).all()
        likely = expected > 1
        expected = expected[likely] * seen[likely].sum() / expected[likely].sum()
        assert len(expected) < 2 or chisquare(seen[likely], expected).pvalue > 1e-6, (above, seen, wanted)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", POLICIES)
def test_slates_are_the_same_at_once_or_by_position_in_any_tiles(name: str, model: str) -> None:
    """A policy's own `slate` gives, to the byte, what `place` and `chance` give, whoever else is served beside."""
    policy, gone = POLICIES[name], [2]
    stand = visits(60, gone)
    ranking = ranked(stand, gone, model)
    whole = policy.slate(stand, ranking, 5)
    assert same(whole, Policy.slate(policy, stand, ranking, 5))
    for tile in (1, 7):
        rows = [slice(start, start + tile) for start in range(0, 60, tile)]
        tiles = [policy.slate(stand.take(np.arange(60)[here]), part(ranking, here), 5) for here in rows]
        joined = Slate(*(np.concatenate([getattr(one, name) for one in tiles]) for name in vars(whole)))
        assert same(whole, joined)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", [name for name, policy in POLICIES.items() if policy.strength])
def test_a_strength_of_nothing_is_greedy(name: str, model: str) -> None:
    """At a strength of 0 the slates, origins and propensities are those of Greedy, byte for byte."""
    off = POLICIES[name].but(**{POLICIES[name].strength: 0.0})
    stand = visits(60, [1])
    ranking = ranked(stand, [1], model)
    assert same(off.slate(stand, ranking, 4), rs.Greedy().slate(stand, ranking, 4))
    assert same(Policy.slate(off, stand, ranking, 4), rs.Greedy().slate(stand, ranking, 4))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", POLICIES)
def test_an_exhausted_catalogue_ends_the_slate(name: str, model: str) -> None:
    """One item left is shown with propensity 1 and nothing after it; with none left the slate is empty; one user is enough."""
    for gone, shown in (([0, 1, 2, 3, 5, 6], [4]), (list(range(ITEMS)), [])):
        stand = visits(1, gone)
        slate = POLICIES[name].slate(stand, ranked(stand, gone, model), 3)
        assert slate.items.tolist() == [shown + [NOTHING] * (3 - len(shown))]
        assert np.allclose(slate.propensity[0, : len(shown)], 1, rtol=0, atol=1e-12)
        assert np.isnan(slate.propensity[0, len(shown) :]).all()


def z(scores: np.ndarray) -> np.ndarray:
    """Return scores standardised over those that are finite, the others at the lowest of them."""
    known = scores[np.isfinite(scores)]
    result = (scores - known.mean()) / known.std()
    return np.where(np.isfinite(result), result, result[np.isfinite(result)].min())


def test_relevance_is_scores_in_standard_deviations() -> None:
    """Whatever the unit and the zero of the scores; places stand for scores that nobody has; equal scores are all 0."""
    items = np.tile(ORDER, (4, 1))
    scores = np.stack([SCORES, 1e9 * SCORES - 5, np.full(ITEMS, -np.inf), np.full(ITEMS, 0.1)])
    result = relevance(items, scores)
    assert np.allclose(result[:2], z(SCORES))
    assert np.allclose(result[2], z(-np.arange(7.0))) and np.allclose(relevance(items, None)[0], result[2])
    assert (result[3] == 0).all()


def greedily(worth: object, size: int) -> list[int]:
    """Return the slate that takes, again and again, the item of ORDER with the largest worth(place in ORDER, slate so far)."""
    slate: list[int] = []
    for _ in range(size):
        left = [place for place in range(ITEMS) if ORDER[place] not in slate]
        slate.append(int(ORDER[max(left, key=lambda place: worth(place, slate))]))  # type: ignore[operator]
    return slate


@pytest.mark.parametrize("strength", [0.2, 0.5, 0.9])
def test_rerankers_equal_their_formulas(strength: float) -> None:
    """MMR, Steck's calibration with the whole divergence, and the discount, each searched for by hand."""
    stand = visits(USERS, [])
    ranking, value = ranked(stand, [], "scores"), z(SCORES)
    topics, taste = PUBLISHED.topics, PUBLISHED.taste

    def cosine(one: int, other: int) -> float:
        a, b = topics[one], topics[other]
        return float(a @ b / np.sqrt((a @ a) * (b @ b)))

    def mmr(place: int, slate: list[int]) -> float:
        return (1 - strength) * value[place] - strength * max((cosine(ORDER[place], j) for j in slate), default=0.0)

    def steck(user: int, place: int, slate: list[int]) -> float:
        p, q = taste[user], topics[[*slate, ORDER[place]]].mean(axis=0)
        smooth = 0.99 * q + 0.01 * p
        divergence = sum(p[k] * np.log(p[k] / smooth[k]) for k in range(3) if p[k])
        return (1 - strength) * value[place] - strength * divergence

    diverse = rs.Diversify(diversity=strength).slate(stand, ranking, 5)
    assert diverse.items.tolist() == [greedily(mmr, 5)] * USERS
    calibrated = rs.Calibrated(calibration=strength).slate(stand, ranking, 5)
    assert calibrated.items.tolist() == [
        *(greedily(lambda place, slate, user=user: steck(user, place, slate), 5) for user in range(2)), ORDER[:5].tolist()
    ]  # fmt: skip
    discounted = rs.PopularityDiscount(exponent=strength).slate(stand, ranking, 5)
    worth = value - strength * np.log(1 + COUNTS[ORDER])
    assert discounted.items[0].tolist() == greedily(lambda place, _: worth[place], 5)
    for slate in (diverse, calibrated, discounted):
        assert (slate.propensity == 1).all() and (slate.origin == Origin.MODEL).all()


def test_softmax_has_the_chances_of_plackett_and_luce() -> None:
    """exp(z / temperature) over the sum of the candidates left; no others have any; a rank that moves shifts no other draw."""
    stand, policy = visits(50, []), rs.Softmax(temperature=0.7, candidates=5)
    ranking, weight = ranked(stand, [], "scores"), np.exp(z(SCORES[:5]) / 0.7)
    placed = np.full((50, 1), ORDER[1], np.int32)
    for place in range(ITEMS):
        wanted = weight[place] / weight[[0, 2, 3, 4]].sum() if place in (0, 2, 3, 4) else 0.0
        assert np.allclose(policy.chance(stand, ranking, placed, np.full(50, ORDER[place], np.int32)), wanted, rtol=1e-12)
    alike = replace(ranking, scores=np.zeros(ranking.items.shape))
    turned = replace(alike, items=np.concatenate([alike.items[:, 4::-1], alike.items[:, 5:]], axis=1))
    assert same(policy.slate(stand, alike, 5), policy.slate(stand, turned, 5))


def test_ucb_follows_the_bound() -> None:
    """Items never shown come first, the lower before the higher; then mean + width sqrt(2 log N / n)."""
    shown, clicks = PUBLISHED.impressions, PUBLISHED.clicks
    for width in (0.0, 0.1, 1.0):
        known = [i for i in range(ITEMS) if shown[i]]
        by = sorted(known, key=lambda i: -(clicks[i] / shown[i] + width * np.sqrt(2 * np.log(shown.sum()) / shown[i])))
        stand = visits(USERS, [1])
        slate = rs.UCB(width=width).slate(stand, ranked(stand, [1], "order"), 6)
        assert slate.items.tolist() == [[5, *by]] * USERS and (slate.propensity == 1).all()


def quadrature(clicks: np.ndarray, misses: np.ndarray, item: int) -> float:
    """Return the probability that the Beta sample of an item is the highest of all."""
    others = [j for j in range(len(clicks)) if j != item]
    own = beta(clicks[item], misses[item])
    low, high = own.ppf(1e-13), own.isf(1e-13)
    where = np.unique([*np.clip(own.ppf([0.01, 0.5, 0.99]), low, high)])
    product = lambda x: own.pdf(x) * np.prod(beta.cdf(x, clicks[others], misses[others]))  # noqa: E731
    return float(quad(product, low, high, points=where, limit=400, epsabs=1e-9)[0])


def test_thompson_is_the_beta_posterior_within_the_stated_error() -> None:
    """All items, and all but those placed: each chance within 0.005 of quadrature, whatever the posteriors' widths."""
    chance = np.random.default_rng(3)
    cases = [(PUBLISHED.clicks, PUBLISHED.impressions)]
    for most in (20, 3_000, 1_000_000):
        impressions = chance.integers(0, most, 25).astype(np.float64)
        cases.append((chance.binomial(impressions.astype(int), chance.beta(2, 20, 25)).astype(np.float64), impressions))
    for clicks, impressions in cases:
        a, b = 1 + clicks, 1 + impressions - clicks
        best = np.argsort(-a / (a + b), kind="stable")
        stand = replace(visits(1, []), released=len(a), gone=None)
        ranking = Ranking(np.zeros((1, 0), np.int32), replace(PUBLISHED, clicks=clicks, impressions=impressions))
        for gone in (0, 1, 4, 12):
            rest = best[gone:]
            for item in range(0, len(rest), 3):
                ours = rs.Thompson().chance(stand, ranking, best[None, :gone].astype(np.int32), rest[[item]].astype(np.int32))
                assert abs(ours[0] - quadrature(a[rest], b[rest], item)) < 0.005, (gone, item)


def test_tabulated_posteriors_add_up_exactly() -> None:
    """Taking items out of the product one by one, in any order, leaves the bits of the sum over those left."""
    chance = np.random.default_rng(4)
    clicks = chance.integers(0, 50, 300).astype(np.float64)
    table = Posteriors(1 + clicks, 1.0 + chance.integers(0, 5_000, 300)).log_below
    order = chance.permutation(300)
    below = table.sum(axis=0)
    for item in order[:290]:
        below = below - table[item]
    assert below.tobytes() == table[np.sort(order[290:])].sum(axis=0).tobytes()


def test_slots_are_filled_from_their_sets() -> None:
    """Each slot draws from its set with its origin and propensity; a set with nothing left is a match; the pattern repeats."""
    stand = visits(300, [3])
    ranking = ranked(stand, [3], "scores")
    policy = rs.Slots(pattern=("editor", "fresh", "match", "editor", "tail"), fresh_below=1.0)
    slate = policy.slate(stand, ranking, 6)
    assert set(slate.items[:, 0]) == {4, 5} and np.allclose(slate.propensity[:, 0], 1 / 2)
    assert set(slate.items[:, 1]) == {1, 5}
    assert np.allclose(slate.propensity[:, 1], np.where(slate.items[:, 0] == 5, 1.0, 0.5))
    head = {2, 0, 4, 5}  # 9 + 5 + 3 + 2 of 22.5
    assert set(slate.items[:, 4]) <= set(range(ITEMS)) - head
    assert (slate.origin[:, [0, 1, 2]] == [Origin.EDITOR, Origin.EXPLORE, Origin.MODEL]).all()
    used_up = np.isin(slate.items[:, :3], [4, 5]).sum(axis=1) == 2
    assert (slate.origin[:, 3] == np.where(used_up, Origin.MODEL, Origin.EDITOR)).all()
    assert (slate.propensity[:, 3] == 1).all()
    with pytest.raises(rs.RecsimError, match=r"pattern\.1: should be 'match'"):
        rs.Slots(pattern=["match", "tial"])


class _Top(Policy):
    """Shows the best item of the ranking again and again."""

    def place(self, visits: Visits, ranking: Ranking, placed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the best item, whatever is placed."""
        return ranking.items[:, 0], np.zeros(len(visits), np.int8)


class _Sure(_Top):
    """Says that it was sure."""

    def chance(self, visits: Visits, ranking: Ranking, placed: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Return 1."""
        return np.ones(len(visits))


@pytest.mark.parametrize(("policy", "fault"), [(_Top(), "has no method chance"), (_Sure(), "places an item twice")])
def test_a_policy_of_ones_own_is_examined(small: rs.Scenario, policy: Policy, fault: str) -> None:
    """What is missing in it, or what it does wrong, is said in one line."""
    with pytest.raises(rs.RecsimError, match=fault):
        rs.run(small.but(policy=policy), seed=1, progress=False)


class _Odd(_Sure):
    """Says that an item was there for a reason that does not exist, or shows one that does not."""

    place_of: int = 0
    origin: int = 0

    def place(self, visits: Visits, ranking: Ranking, placed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the best item left, or one beyond the last."""
        item = best_left(ranking, placed)
        return item + np.int32(self.place_of), np.full(len(visits), self.origin, np.int8)


@pytest.mark.parametrize("origin", [-100, 9, 127])
def test_an_origin_that_does_not_exist_is_refused(small: rs.Scenario, origin: int) -> None:
    """It would be counted where there is no room for it."""
    with pytest.raises(rs.RecsimError, match=f"slate: holds origin {origin} of 9, counted from 0; mend"):
        rs.run(small.but(policy=_Odd(origin=origin)), seed=1, progress=False)


class _Far(Order):
    """Ranks items far beyond those that are out."""

    def rank(self, visits: Visits, n: int, threads: int = 1) -> Ranking:
        """Return the order, its numbers being 3,000 too high."""
        ranking = super().rank(visits, n, threads)
        return replace(ranking, items=ranking.items + np.int32(3000))


class _Beyond(rs.Popularity):
    """Learns to rank items that are not out."""

    model = _Far

    def fit(self, rows: rs.Rows, setting: rs.Fitting) -> Order:
        """Return popularity, and another order."""
        return _Far(**vars(super().fit(rows, setting)))


def test_an_item_that_does_not_exist_is_refused(small: rs.Scenario) -> None:
    """Whoever ranks it, and whatever people look at."""
    strange = small.but(start=_Beyond(), choice=rs.AlwaysClick(), consumption="again", consumed="stay")
    with pytest.raises(rs.RecsimError, match=r"slate: holds item 30\d\d of 80, counted from 0; mend"):
        rs.run(strange, seed=1, progress=False)


class _Worst(rs.Greedy):
    """Shows the ranking from below."""

    def reach(self, size: int) -> int:
        """Return enough for all."""
        return ITEMS

    def place(self, visits: Visits, ranking: Ranking, placed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the last item left."""
        at = (ranking.items >= 0).sum(axis=1) - 1 - placed.shape[1]
        return ranking.items[np.arange(len(visits)), at], np.zeros(len(visits), np.int8)

    def chance(self, visits: Visits, ranking: Ranking, placed: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Return 1 for the last item left."""
        return (item == self.place(visits, ranking, placed)[0]).astype(float)


def test_a_kind_that_places_otherwise_is_heard_whatever_it_is_derived_from() -> None:
    """The short cut of the kind that it is derived from is not taken; one that changes neither method keeps it."""
    stand = visits(4, [0])
    ranking = ranked(stand, [0], "scores")
    assert (_Worst().slate(stand, ranking, 3).items == ORDER[:-4:-1]).all()

    class Renamed(rs.Greedy):
        """Greedy by another name."""

    assert Renamed.slate is rs.Greedy.slate
    assert same(Renamed().slate(stand, ranking, 3), rs.Greedy().slate(stand, ranking, 3))
