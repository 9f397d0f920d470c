"""Makers who decide on the day: people who chase clicks and give up, machines that imitate, items that age, and quotas."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from conftest import digests, grown, kill_again_and_again
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

import recsim as rs
from recsim.catalog import NEVER, Maker
from recsim.creators import Creators, Made, Market
from recsim.lottery import Lottery
from recsim.randomness import Randomness
from recsim.simplex import Fit
from recsim.simulation import World
from recsim.world import DAY, Visits

HUMANS = rs.HumanCreators(creators=12, rate=0.3, chase=0.2, patience=0.9)
MACHINES = rs.AICreators(items=2.5, share=0.3, temperature=0.7, human=0.2, wrong=0.2)
MAKERS = (HUMANS, rs.Releases(items=0.5), MACHINES)


@pytest.fixture
def making(small: rs.Scenario) -> rs.Scenario:
    """A small world in which people and machines make things that age, and something new comes up."""
    return small.but(
        creators=MAKERS, catalog=rs.SyntheticItems(items=80, topics=6, half_life=5.0),
        births=(rs.Birth(name="new", day=4.0, items=5),),
        policy=rs.Slots(pattern=("match", "match", "match", "match", "explore")),
    )  # fmt: skip


def market(seed: int = 1, items: int = 40, topics: int = 4, **what: object) -> Market:
    """Return a market of items, of which the first half is labelled human."""
    made = rs.SyntheticItems(items=items, topics=topics, mainstream=0, focus=4.0).draw(Randomness(seed))
    rng, number = np.random.default_rng(seed), np.arange(items)
    plain = Market(
        second=5 * DAY, topics=made.topics, label=(number >= items // 2).astype(np.int8), generation=(number % 3).astype(float),
        address=made.address, creator=made.creator, impressions=rng.integers(0, 50, items), clicks=rng.integers(0, 9, items),
    )  # fmt: skip
    return replace(plain, **what)


def due(count: int, topics: int = 4, **what: object) -> rs.Items:
    """Return items of stream 1 that may come out."""
    items = rs.SyntheticItems(items=1, topics=topics).more(Randomness(9), np.uint32(2**24) + np.arange(count, dtype=np.uint32))
    return replace(items, **what)


# --------------------------------------------------------------------------------------------------------- the world
def test_a_world_of_makers_is_indifferent_to_how_it_is_served(making: rs.Scenario) -> None:
    """Tiles, threads, readings and uneven steps leave the same log."""
    world = grown(making)
    straight = digests(world)
    stock = world.crowd.stock
    assert stock.slots is not None and (stock.items.born == NEVER).any(), "nobody gave up, so nothing was left out"
    assert digests(grown(making, tile=37, threads=2)) == straight
    assert digests(grown(making.but(readings_every=making.days / 50))) == straight
    stepwise = World(making, 7)
    for day in (0.1, 2.9999, 3.0, 4.0, 8.5, making.days):
        stepwise.advance(day)
    stepwise.close_epoch()
    assert digests(stepwise) == straight


def test_a_world_of_makers_goes_on_after_interruptions(making: rs.Scenario, tmp_path: Path) -> None:
    """Killed at three places and gone on with, all tables are those of a run left alone."""
    kill_again_and_again(making.but(open_loop=True), tmp_path / "run", (0.3, 0.5, 0.8))


def test_a_fork_goes_on_with_what_makers_keep(making: rs.Scenario) -> None:
    """Under the same scenario a fork is the world itself; under other cures it has the same past and moments of its own."""
    first = World(making, 7, forks=True).advance(6.0)
    fork = first.fork(making).advance(making.days)
    fork.close_epoch()
    assert digests(fork) == digests(grown(making))
    cured = making.but(creators=(HUMANS, MAKERS[1], MACHINES.but(human=1.0, temperature=1.2)))
    other = first.fork(cured)
    past = first.crowd.stock.released
    assert other.crowd.stock.states[2] is not first.crowd.stock.states[2]
    assert all((other.crowd.stock.states[2][name] == first.crowd.stock.states[2][name]).all() for name in ("root", "mean"))
    other.advance(making.days)
    first.advance(making.days)
    ours, theirs = first.items, other.items
    assert np.array_equal(ours.topics[:past], theirs.topics[:past])
    machine = (ours.maker == Maker.AI) & (np.arange(len(ours)) >= past) & (ours.address == theirs.address)
    assert machine.sum() > 5 and not np.array_equal(ours.topics[machine], theirs.topics[machine])
    with pytest.raises(rs.RecsimError, match="creators: release on other days than in the first arm"):
        first.fork(making.but(creators=(HUMANS, MAKERS[1], MACHINES.but(every=2.0))))


def test_makers_of_another_kind_go_on_with_moments_of_their_own(making: rs.Scenario) -> None:
    """Who takes over from others with the same releases decides at each of her own moments to come, at none that has passed."""
    plain = making.but(creators=(rs.Releases(items=0.5),), births=())
    for before, after in (
        (plain, plain.but(creators=(rs.AICreators(items=0.5, temperature=0.0),))),
        (plain.but(creators=(rs.AICreators(items=0.5),)), plain),
        (plain.but(creators=()), plain.but(creators=(rs.AICreators(items=0.0, every=0.5),))),
        (plain.but(creators=(rs.AICreators(items=0.0),)), plain.but(creators=(rs.HumanCreators(rate=0.0, every=0.3),))),
    ):
        world = World(before, 7, forks=True).advance(6.5)
        fork = world.fork(after)
        moments = {makers: makers.moments(after.days) / DAY for makers in after.creators if makers.decides}
        assert (fork.next_release() or 0) >= 6.5 * DAY
        fork.advance(after.days)
        whole = World(after, 7).advance(after.days)
        assert fork.crowd.stock.released == whole.crowd.stock.released and np.array_equal(fork.items.born, whole.items.born)
        for makers, days in moments.items():
            if "moments" in fork.crowd.stock.states[0]:
                assert fork.crowd.stock.states[0]["moments"] == (days >= 6.5).sum(), makers


def test_what_is_out_stays_what_it_is_in_a_fork(making: rs.Scenario) -> None:
    """An arm whose makers are more appealing has the past of the first arm; what ages by then ages alike in both."""
    plain = making.but(creators=(MACHINES,))
    first = World(plain, 7, forks=True).advance(6.5)
    fork, past = first.fork(plain.but(creators=(MACHINES.but(appeal=9.0),))), first.crowd.stock.released
    first.advance(making.days)
    fork.advance(making.days)
    assert np.array_equal(first.items.appeal[:past], fork.items.appeal[:past])
    assert np.array_equal(first.crowd.stock.table()["appeal"][:past], fork.crowd.stock.table()["appeal"][:past])
    ai = np.flatnonzero(fork.items.maker[: fork.crowd.stock.released] == Maker.AI)
    assert (fork.items.appeal[ai[ai >= past]] > 8.9 * first.items.appeal[ai[ai >= past]]).all() and (ai >= past).sum() > 5


def test_makers_and_wholly_new_items_go_together(small: rs.Scenario) -> None:
    """Items that are about nothing but a new interest are in the figures of variety, and may be imitated."""
    new = small.but(births=(rs.Birth(name="new", day=4.0, items=9, purity=1.0),), creators=(rs.AICreators(share=1.0),))
    world = grown(new)
    assert (world.items.topics[world.items.address >> 24 == 255, -1] > 1 - 1e-8).all() and world.feed.released == 80 + 9 + 65


def test_the_tables_tell_who_made_what(making: rs.Scenario) -> None:
    """What came out stands in the catalogue by the second of its release, and the history's shares are those of tables."""
    run = rs.run(making, seed=7, progress=False)
    table, last = run.catalog, run.history[run.history["epoch"] == run.history["epoch"].max()]
    assert (table["item"] == np.arange(len(table))).all() and (table["born"].diff().dropna() >= 0).all()
    assert set(table["stream"]) == {0, 1, 2, 3, 255}
    assert ((table["maker"] == "ai") == (table["stream"] == 3)).all() and set(table["maker"]) == {"ai", "human"}
    assert (table["generation"] > 0).equals(table["maker"] == "ai")
    assert np.allclose(table.filter(regex=r"^topic \d").sum(axis=1), 1)
    value = last[last["group"] == "all"].set_index("metric")["value"]
    ai, seen = table["maker"] == "ai", run.items[run.items["epoch"] == run.items["epoch"].max()]
    seen = seen[seen["origin"] != 2].groupby("item")[["impressions", "clicks"]].sum().reindex(table["item"], fill_value=0)
    assert value["ai_share"] == pytest.approx(ai.mean(), abs=1e-15) and value["released"] == len(table)
    shown = seen["impressions"].to_numpy()
    assert value["ai_impressions"] == pytest.approx(shown[ai].sum() / shown.sum(), abs=1e-15) and value["ai_impressions"] > 0
    assert value["generation"] == pytest.approx((table["generation"] * shown).sum() / shown.sum(), abs=1e-15)
    variety = last[last["metric"] == "variance_kept"].set_index("group")["value"]
    assert set(variety.index) == {"catalogue", "new", "shown"}


@given(seed=st.integers(0, 2**32), patience=st.floats(0.1, 5.0), rate=st.floats(0.0, 1.0), days=st.floats(1.0, 12.0))
@settings(max_examples=15)
def test_no_item_is_lost_or_made_twice(seed: int, patience: float, rate: float, days: float) -> None:
    """At every second each planned item is out, still to come, or left out; what is out stays where it is and as it is."""
    scenario = rs.Scenario(
        days=days, slate=3, population=rs.SyntheticUsers(users=20, topics=4), recommender=rs.Popularity(),
        catalog=rs.SyntheticItems(items=10, topics=4), births=(rs.Birth(name="new", day=0.7, items=2),),
        retrain=rs.Retrain(every=2.0),
        creators=(rs.HumanCreators(creators=5, rate=rate, patience=patience), rs.AICreators(items=2.5), rs.Releases(items=1.5)),
    )  # fmt: skip
    world = World(scenario, seed)
    planned, before = world.crowd.stock.planned, world.items.take(slice(0))
    for day in np.linspace(0, days, 7)[1:]:
        world.advance(float(day))
        stock, items = world.crowd.stock, world.items
        out, second = stock.released, world.now
        assert sorted(items.address.tolist()) == sorted(planned.address.tolist())
        assert (items.born[:out] < second).all() and (np.diff(items.born) >= 0).all()
        assert (out + (items.born[out:] == NEVER).sum() + (planned.born >= second).sum()) == len(planned)
        assert np.array_equal(items.address[: len(before)], before.address)
        assert np.array_equal(items.topics[: len(before)], before.topics)
        slots = np.arange(len(items)) if stock.slots is None else stock.slots
        assert np.array_equal(planned.address[slots], items.address) and (np.diff(slots[:out]) > 0).all()
        assert np.allclose(items.topics.sum(axis=1), 1) and (items.topics >= 0).all() and len(world.feed.shelf) == out
        before = items.take(slice(out))


def test_one_item_that_does_not_come_out_changes_few_draws() -> None:
    """Where the 800th of 1,600 items is missing, less than 1 % of draws change but for its own; by running number a fifth do."""
    who = np.arange(100_000)
    visits = Visits(who, who.astype(np.uint64), np.zeros(len(who), np.uint32), who * 0, 1600, Randomness(4), None)
    weights = np.random.default_rng(2).lognormal(size=1600)
    gone, slots = 800, np.delete(np.arange(1600), 800)
    full, less = Lottery(weights).draw(visits, "x"), Lottery(np.delete(weights, gone), slots).draw(visits, "x")
    others = full != gone
    assert (slots[less[others]] != full[others]).mean() < 0.01
    assert (slots[Lottery(np.delete(weights, gone)).draw(visits, "x")[others]] != full[others]).mean() > 0.1
    share, exact = np.bincount(less, minlength=1599) / len(who), np.delete(weights, gone) / np.delete(weights, gone).sum()
    assert (np.abs(share - exact) < 6 * np.sqrt(exact / len(who))).all()  # 6 sigma each: 3e-6 for all of them


def test_all_of_a_lottery_goes_by_slots() -> None:
    """Picks without replacement, shares and what is left are of items, wherever they stand."""
    who, slots = np.arange(500), np.array([0, 5, 2, 9, 4])
    visits = Visits(who, who.astype(np.uint64), np.zeros(500, np.uint32), who * 0, 5, Randomness(4), None)
    lottery, placed = Lottery(np.array([1.0, 2.5, 3.0, 0.0, 1e-7]), slots), np.zeros((500, 0), np.int32)
    for _ in range(4):
        item = lottery.pick(visits, "x", placed)
        assert np.allclose(lottery.left(visits, placed), 6.5000001 - lottery.weights[0][placed].sum(axis=1), rtol=1e-9)
        placed = np.column_stack([placed, item])
    assert (np.sort(placed, axis=1) == [0, 1, 2, 4]).all()
    assert (lottery.pick(visits, "x", placed) == -1).all() and (lottery.left(visits, placed) == 0).all()


# ------------------------------------------------------------------------------------------------------------ people
def test_people_make_what_they_care_for(small: rs.Scenario) -> None:
    """Without chasing, an item is about its maker's profile, to the focus, whoever is shown."""
    world = grown(small.but(creators=(rs.HumanCreators(creators=5, rate=0.9, focus=2e4),)))
    state, items = world.crowd.stock.states[0], world.items
    theirs = items.address >> 24 == 1
    assert theirs.sum() > 30 and (items.creator[theirs] < 5).all() and (items.creator[~theirs] == -1).all()
    assert np.abs(items.topics[theirs] - state["profile"][items.creator[theirs]]).max() < 4.5 / math.sqrt(4 * 2e4)
    assert state["active"].all()


def test_a_coin_decides_who_makes_something() -> None:
    """Each makes something at a moment with probability *rate*: the mean is within 4 standard errors, 6e-5."""
    moment, creator = rs.HumanCreators(creators=200, rate=0.07).opportunities(Randomness(2), 1, 100)
    assert abs(len(moment) / 20_000 - 0.07) < 4 * math.sqrt(0.07 * 0.93 / 20_000)
    assert (np.diff(moment * 200 + creator) > 0).all() and moment.max() == 99 and set(creator) == set(range(200))


def test_who_chases_makes_what_is_clicked() -> None:
    """A share of items is made after an item drawn by its clicks since the last moment, each within 4 standard errors, 6e-5."""
    makers, seen, count = rs.HumanCreators(creators=1, chase=0.3, focus=1e6), market(), 20_000
    state = makers.begin(Randomness(1), 1, rs.SyntheticItems(topics=4))
    before, here = state["profile"].copy(), due(count, creator=np.zeros(count, np.int32))
    for clicks in (seen.clicks, 2 * seen.clicks + 100 * (np.arange(40) == 7)):
        now, was = clicks, np.zeros(40) if clicks is seen.clicks else seen.clicks
        made = makers.make(Randomness(1), state, replace(seen, clicks=now), here)
        models = np.vstack([before, seen.topics])
        after = np.argmin(np.abs(made.topics[:, None] - models).sum(axis=2), axis=1)
        exact = np.append(0.7, 0.3 * (now - was) / (now - was).sum())
        assert (np.abs(np.bincount(after, minlength=41) / count - exact) <= 4 * np.sqrt(exact / count)).all()
    quiet = makers.make(Randomness(1), state, replace(seen, clicks=now), here)
    assert np.abs(quiet.topics - before).max() < 0.01 and np.array_equal(state["profile"], before)


def test_who_is_not_seen_gives_up() -> None:
    """After *patience* days with items out of which none was shown; who has nothing out, or is shown, goes on."""
    makers = rs.HumanCreators(creators=3, patience=2.0, rate=1.0)
    state, chance = makers.begin(Randomness(1), 1, rs.SyntheticItems(topics=4)), Randomness(1)
    here = due(2, creator=np.array([0, 1], np.int32))
    assert makers.make(chance, state, market(items=2, second=1 * DAY), here).out.tolist() == [True, True]
    first = market(items=2, second=2 * DAY, address=here.address, creator=here.creator, impressions=np.array([0, 0]))
    state["impressions"] = np.zeros(2, np.int64)
    shown = replace(first, impressions=np.array([0, 4]))
    nobody = due(0, creator=np.zeros(0, np.int32))
    makers.make(chance, state, shown, nobody)
    makers.make(chance, state, replace(shown, second=3 * DAY), nobody)
    assert state["active"].tolist() == [True, True, True]  # two days, not more
    both = due(2, creator=np.array([0, 1], np.int32))
    assert makers.make(chance, state, replace(shown, second=3 * DAY + 1), both).out.tolist() == [False, True]
    makers.make(chance, state, replace(shown, second=5 * DAY, impressions=np.array([9, 4])), nobody)
    assert state["active"].tolist() == [False, False, True]


# ---------------------------------------------------------------------------------------------------------- machines
@pytest.mark.parametrize("human", [0.0, 0.25, 1.0])
def test_machines_imitate_what_was_shown_most(human: float) -> None:
    """The law is that of the *share* shown most, and of human-labelled work by its weight; samples are at their addresses."""
    makers, seen = rs.AICreators(share=0.2, temperature=0.6, human=human), market()
    state, here = makers.begin(Randomness(1), 1, rs.SyntheticItems(topics=4)), due(6)
    made = makers.make(Randomness(3), state, seen, here)
    most = np.argsort(-seen.impressions, kind="stable")[:8]
    weight = np.zeros(40)
    weight[most] += (1 - human) / 8
    weight[:20] += human / 20
    y = np.log(seen.topics) @ np.linalg.svd(np.eye(4) - 0.25)[0][:, :3]  # some orthonormal basis: the law does not depend on it
    mean, fit = weight @ y, Fit(state["mean"], state["root"])
    covariance = (weight[:, None] * (y - mean)).T @ (y - mean)
    eigenvalues = np.linalg.eigvalsh(state["root"] @ state["root"].T)
    assert np.allclose(eigenvalues, np.linalg.eigvalsh(covariance), rtol=1e-9, atol=1e-12)
    normal = ndtri(Randomness(3).uniform("AICreators.z", here.address[:, None], 0, np.arange(3)))
    assert made.out.all() and np.array_equal(made.topics, fit.sample(normal, 0.6))
    assert np.allclose(made.generation, 1 + weight @ seen.generation, rtol=1e-12)


def test_machines_fit_again_when_it_is_time() -> None:
    """Every *refit* moments, to what came out since, by what was shown since; with fewer than two items there is no new law."""
    makers, chance, catalog = rs.AICreators(refit=2, pool="last", share=0.5), Randomness(3), rs.SyntheticItems(topics=4)
    state, seen = makers.begin(chance, 1, catalog), market()
    makers.make(chance, state, seen, due(1))
    first = state["mean"].copy()
    later = market(items=46, impressions=np.append(seen.impressions + 99, [5, 1, 4, 2, 0, 9]))
    later = replace(later, topics=np.append(seen.topics, later.topics[40:], axis=0))
    makers.make(chance, state, later, due(1))
    assert np.array_equal(state["mean"], first)
    makers.make(chance, state, later, due(1))
    assert np.allclose(state["mean"], Fit.of(later.topics[[40, 42, 45]]).mean, rtol=1e-12)
    kept = state["mean"].copy()
    makers.make(chance, state, later, due(1))
    assert makers.make(chance, state, later, due(1)).out.all() and np.array_equal(state["mean"], kept)
    none = replace(later, impressions=later.impressions + 1)
    makers.make(chance, state, none, due(1))
    before = state["impressions"].copy()
    makers.make(chance, state, replace(none, impressions=none.impressions + 50), due(1))
    assert np.array_equal(state["impressions"], before)  # shown most is since the last fit, and there was none
    few = makers.begin(chance, 1, catalog)
    assert not makers.make(chance, few, market(items=1), due(3)).out.any()


def test_labels_are_wrong_at_their_rate() -> None:
    """A share of items is taken for the work of the other kind, each by a coin of its own: 4 standard errors, 6e-5."""
    for makers in (rs.AICreators(items=40, wrong=0.3), rs.Releases(items=40, wrong=0.3)):
        items = makers.works(Randomness(2), 1, rs.SyntheticItems(items=2), 100.0)
        assert (items.maker == makers.maker).all()
        assert abs((items.label != items.maker).mean() - 0.3) < 4 * math.sqrt(0.21 / len(items))


def test_a_factor_on_appeal_is_one() -> None:
    """All else is as the catalogue would draw it."""
    plain, better = (rs.Releases(items=3, appeal=a).works(Randomness(2), 1, rs.SyntheticItems(), 9.0) for a in (1.0, 2.5))
    assert np.array_equal(better.appeal, 2.5 * plain.appeal) and np.array_equal(better.topics, plain.topics)


def test_makers_who_do_not_say_what_they_make_are_told() -> None:
    """The methods that a kind needs are named by what calls them."""

    class _Idle(Creators):
        pass

    with pytest.raises(rs.RecsimError, match="creators: _Idle has no method opportunities"):
        _Idle().works(Randomness(1), 1, rs.SyntheticItems(), 5.0)


class Rolling(rs.Releases):
    """Makers of a test's own: *how* says what they make."""

    how: str = "fine"

    decides: ClassVar[bool] = True

    def make(self, randomness: Randomness, state: dict[str, np.ndarray], market: Market, due: rs.Items) -> Made:
        """Return the planned items, their topics moved on by all that was made before; or what is none."""
        state["made"] = np.array(int(state.get("made", 0)) + len(due))
        own = market.topics.shape[1]
        topics = np.roll(due.topics[:, :own], int(state["made"]) // 3, axis=1)
        other = {"large": 5 * topics, "nothing": topics * np.nan, "wide": np.full((len(due), own + 2), 1 / (own + 2))}
        topics = other.get(self.how, topics)
        return Made(np.ones(len(due), np.bool_), topics, np.full(len(due), math.nan if self.how == "ages" else 0.0))


def test_makers_of_ones_own_go_on_with_all_they_keep(small: rs.Scenario, tmp_path: Path) -> None:
    """What they began to keep on the way is in the checkpoint as well."""
    kill_again_and_again(small.but(creators=(Rolling(items=2.0),)), tmp_path / "run", (0.3, 0.5, 0.8))


@pytest.mark.parametrize("how", ["large", "nothing", "wide", "ages"])
def test_what_makers_of_ones_own_make_is_looked_at(small: rs.Scenario, how: str) -> None:
    """Topics that are no mixtures, and generations that are no numbers, end the run in one line."""
    with pytest.raises(rs.RecsimError, match=r"creators\.0: Rolling\.make"):
        grown(small.but(creators=(Rolling(items=2.0, how=how),)))


@pytest.mark.parametrize(
    "makers", [rs.Releases(items=1e300), rs.AICreators(items=1e9), rs.HumanCreators(creators=100_000, rate=1.0)]
)
def test_too_many_items_are_refused_at_once(makers: Creators) -> None:
    """Whatever their number, before any is drawn."""
    with pytest.raises(rs.RecsimError, match="creators: would release"):
        makers.works(Randomness(1), 1, rs.SyntheticItems(), 500.0)


def test_moments_after_all_time_are_none() -> None:
    """However late they begin, and however seldom they release."""
    assert not len(rs.Releases(every=1e300).moments(9.0)) and not len(rs.Releases(from_day=1e300).moments(9.0))


# ------------------------------------------------------------------------------------------------------------ ageing
def test_appeal_halves_with_age(small: rs.Scenario) -> None:
    """Each day an item has 2^(-age / half-life) of its first appeal, as far as people and the truth are concerned."""
    catalog = rs.SyntheticItems(items=80, topics=6, half_life=4.0)
    world = World(small.but(catalog=catalog, creators=(rs.Releases(items=3),)), 7)
    fresh = world.crowd.stock.planned
    for day in (0.5, 6.5, 13.0):
        world.advance(day)
        out = slice(world.crowd.stock.released)
        age = math.ceil(day) - 1 - fresh.born[out] / DAY
        assert np.allclose(world.items.appeal[out], fresh.appeal[out] * 0.5 ** (age / 4.0), rtol=1e-12)
    plain = replace(fresh, appeal=world.items.appeal)
    assert np.array_equal(world.crowd.demand.weights, plain.demand_by_topic(world.crowd.stock.released))
    assert world.crowd.truth(world.now).items is world.items


def test_a_catalogue_without_newcomers_does_not_feel_its_age(small: rs.Scenario) -> None:
    """Where all is equally old nothing gains, however old it is: shares of demand stay what they were."""
    world = World(small.but(catalog=rs.SyntheticItems(items=80, topics=6, half_life=0.01)), 7)
    before = world.crowd.demand.weights.copy()
    world.advance(13.0)
    assert world.items.appeal.max() < 1e-200
    assert np.allclose(world.crowd.demand.weights, before, rtol=1e-12)


# ------------------------------------------------------------------------------------------------------------- quotas
@pytest.mark.parametrize("share", [0.25, 0.5, 0.8, 1.0])
def test_a_quota_holds_from_the_top_down(share: float, small: rs.Scenario) -> None:
    """Of the first r positions floor(share r) are labelled human, and what comes first within a label is what ranks first."""
    ranked = np.array([np.random.default_rng(row).permutation(40) for row in range(200)], np.int32)
    label = (np.arange(40) % 4 > 0).astype(np.int8)
    published = replace(rs.Published.of(np.ones(40)), label=label)
    who = np.arange(200)
    visits = Visits(who, who.astype(np.uint64), np.zeros(200, np.uint32), who * 0, 40, Randomness(1), None)
    slate = rs.HumanQuota(share=share, candidates=40).slate(visits, rs.Ranking(ranked, published), 10).items
    human = np.cumsum(label[slate] == 0, axis=1)
    assert (human >= np.floor(share * np.arange(1, 11) + 1e-9)).all()
    place = np.argsort(ranked, axis=1)
    for row in range(200):
        for kind in (0, 1):
            places = place[row, slate[row][label[slate[row]] == kind]]
            assert (np.diff(places) > 0).all()
            best = np.flatnonzero(label[ranked[row]] == kind)[: len(places)]
            assert places.tolist() == best.tolist()
    few = rs.HumanQuota(share=1.0, candidates=5).slate(visits, rs.Ranking(ranked[:, :12], published), 10)
    assert (np.sort(few.items, axis=1) == np.sort(ranked[:, :10], axis=1)).all() and (few.propensity == 1).all()


def test_a_quota_is_one_of_the_label(making: rs.Scenario) -> None:
    """In a world it keeps its share of what is believed to be human, right or wrong."""
    makers = (rs.AICreators(items=20, share=1.0, wrong=0.3, appeal=30.0),)
    popular = {"start": rs.Popularity(), "recommender": rs.Popularity(), "policy": rs.Greedy()}
    plain = making.but(creators=makers, births=(), consumed="stay", **popular)
    for policy, all_human in ((rs.Greedy(), False), (rs.HumanQuota(share=1.0, candidates=500), True)):
        world = grown(plain.but(policy=policy, signals=(rs.Panel(rate=0.3),)))
        rows = world.impressions.columns()
        late = (rows["time"] > 6 * DAY) & (rows["origin"] == 0)
        assert late.sum() > 1000 and (world.items.label[rows["item"][late]] == 0).all() == all_human
        assert (world.items.maker[rows["item"][late]] == 1).any()  # some machines' work passes for people's


def test_rows_made_up_by_a_model_of_chance_do_not_depend_on_other_arms(small: rs.Scenario) -> None:
    """A model that draws its lists is shared by all arms of a fork: whichever asks it first, it draws from the slots of items."""
    made_up = small.but(
        recommender=rs.Random(), policy=rs.Proportional(), training=(rs.SyntheticRows(share=0.5),), signals=(),
        creators=(rs.HumanCreators(creators=20, rate=0.5, patience=0.8, every=0.5),),
    )  # fmt: skip
    other = made_up.but(policy=rs.Greedy())

    def lived(world: World, arm: rs.Scenario) -> bytes:
        return world.fork(arm).advance(small.days).log.columns()["item"].tobytes()

    alone = lived(World(made_up, 7, forks=True).advance(7.5), other)
    shared = World(made_up, 7, forks=True).advance(7.5)
    lived(shared, made_up)
    assert len(shared.crowd.stock.slots) > 0
    assert lived(shared, other) == alone
