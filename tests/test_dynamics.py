"""Dynamics: their formulas by hand, what stays true of people however long they live, and whose rows change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

import recsim as rs
from recsim.behaviour import People, _race, organic
from recsim.catalog import Items
from recsim.crowd import Crowd
from recsim.population import Own, Users
from recsim.randomness import Floats, Randomness
from recsim.recipe import family
from recsim.simulation import World
from recsim.world import DAY, NOTHING, Items32, Seen, Slate, Visits

LIVELY = rs.Scenario(
    name="lively",
    days=9.0,
    slate=4,
    population=rs.SyntheticUsers(users=15, topics=4, mainstream=2, curiosity=0.3),
    catalog=rs.SyntheticItems(items=25, topics=4, mainstream=2),
    visits=rs.Poisson(rate=2.0, spread=0.5),
    choice=rs.Luce(outside=2.0, clicks=2),
    recommender=rs.Popularity(prior=1.0),
    policy=rs.EpsilonGreedy(epsilon=0.2),
    retrain=rs.Retrain(every=2.0, latency=0.3),
    signals=(rs.Panel(count=5), rs.Survey(count=4), rs.OrganicLift(rate=0.1)),
    readings_every=0.7,
    log="impressions",
)
EVERYTHING = (
    rs.Reinforcement(rate=0.1), rs.Relaxation(days=6.0), rs.Fatigue(gain=1.0), rs.Exposure(rate=0.05), rs.Withering(withers=0.2),
)  # fmt: skip
OURS = {name: kind for name, kind in family(rs.Dynamics).items() if kind.__module__ == "recsim.dynamics"}


def traces(scenario: rs.Scenario, seed: int = 5) -> tuple[str, str, str]:
    """Return all that a run leaves: the digests of clicks and impressions, and the history."""
    world = World(scenario, seed).advance(scenario.days)
    world.close_epoch()
    return world.log.digest.hex(), world.impressions.digest.hex(), repr(world.history)


# ------------------------------------------------------------------------------------------------ the formulas, by hand
ITEMS = rs.Items(np.arange(3, dtype=np.uint32), np.array([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]]), np.ones(3))


def rows(**columns: Any) -> Own:
    """Return the rows of one user who was born with two interests alike, and what she is by now."""
    born = {"innate": [0.5, 0.5], "interests": [0.5, 0.5], "curiosity": 0.4, "curiosity at birth": 0.4, "fatigue": [0.0, 0.0]}
    return {name: np.array([value]) for name, value in (born | columns).items()}


def after(dynamics: rs.Dynamics, own: Own, items: list[int], order: list[int], found: int = NOTHING) -> Own:
    """Return the rows after a visit in which the feed showed items and got clicks in this order, or an item was found."""
    seen = Seen(np.array([items], np.int32), np.array([order], np.int16), np.array([found], np.int32))
    dynamics.react(own, coming(np.zeros(1), 0, 0), seen, ITEMS)
    return own


def coming(user: npt.NDArray[Any], ordinal: int, second: int) -> Visits:
    """Return a visit of each of some users, all at one second."""
    nth, time = np.full(len(user), ordinal, np.uint32), np.full(len(user), second)
    return Visits(user.astype(np.int64), user.astype(np.uint64), nth, time, 25, Randomness(1), None)


def test_reinforcement_by_hand() -> None:
    """Each item consumed draws interests to its topics, in the order of the clicks; what was found without the feed too."""
    own = after(rs.Reinforcement(rate=0.2), rows(), [0, 1, 2], [2, 0, 1])
    assert own["interests"][0] == pytest.approx([0.8 * (0.8 * 0.5 + 0.2 * 0.25) + 0.2, 0.8 * (0.8 * 0.5 + 0.2 * 0.75)])
    own = after(rs.Reinforcement(rate=0.2), rows(), [NOTHING] * 3, [0] * 3, found=1)
    assert own["interests"][0] == pytest.approx([0.4, 0.6])
    own = after(rs.Reinforcement(rate=0.2), rows(), [0, 1, 2], [0, 0, 0])
    assert own["interests"].tolist() == [[0.5, 0.5]]


def test_relaxation_by_hand() -> None:
    """Of a shift from what she was born with exp(-t / days) is left."""
    own = rows(interests=[0.9, 0.1])
    rs.Relaxation(days=2.0).rest(own, np.array([3.0]))
    assert own["interests"][0] == pytest.approx([0.5 + 0.4 * np.exp(-1.5), 0.5 - 0.4 * np.exp(-1.5)])
    assert own["innate"].tolist() == [[0.5, 0.5]]


def test_fatigue_by_hand() -> None:
    """Every item consumed tires of its topics by the gain; it fades; what is wanted is theta exp(-fatigue)."""
    fatigue = rs.Fatigue(gain=2.0, days=4.0)
    own = after(fatigue, rows(fatigue=[0.1, 0.0]), [0, 2, 1], [2, 1, 0])
    assert own["fatigue"][0] == pytest.approx([0.1 + 2 * 0.25 + 2, 2 * 0.75])
    fatigue.rest(own, np.array([1.0]))
    assert own["fatigue"][0] == pytest.approx([2.6 * np.exp(-0.25), 1.5 * np.exp(-0.25)])
    wanted = fatigue.want(own, own["interests"])
    assert wanted[0] == pytest.approx(0.5 * np.exp(-np.array([2.6, 1.5]) * np.exp(-0.25)))
    assert own["interests"].tolist() == [[0.5, 0.5]]


def test_exposure_by_hand() -> None:
    """A slate draws interests to the mean of its topics, clicked or not; a visit without a slate does not."""
    for order in ([0, 0, 0], [1, 2, 0]):
        own = after(rs.Exposure(rate=0.1), rows(), [0, 2, NOTHING], order)
        assert own["interests"][0] == pytest.approx([0.9 * 0.5 + 0.1 * 0.625, 0.9 * 0.5 + 0.1 * 0.375])
    own = after(rs.Exposure(rate=0.1), rows(), [NOTHING] * 3, [0] * 3, found=0)
    assert own["interests"].tolist() == [[0.5, 0.5]]


def test_withering_by_hand() -> None:
    """Curiosity falls where the feed got a click, and comes part of the way back where it got none or was not asked."""
    withering = rs.Withering(withers=0.25, recovers=0.1)
    assert after(withering, rows(), [0, 1], [0, 1])["curiosity"] == pytest.approx([0.3])
    assert after(withering, rows(curiosity=0.2), [0, 1], [0, 0])["curiosity"] == pytest.approx([0.22])
    assert after(withering, rows(curiosity=0.2), [NOTHING, NOTHING], [0, 0], found=1)["curiosity"] == pytest.approx([0.22])


SOLO = rs.Scenario(
    days=8.0, slate=1, visits=rs.Regular(period=1.0), choice=rs.AlwaysClick(), consumption="again", consumed="stay",
    population=rs.SyntheticUsers(users=1, topics=3, mainstream=1, curiosity=0.5), recommender=rs.Popularity(),
    catalog=rs.SyntheticItems(items=1, topics=3, mainstream=1), retrain=rs.Retrain(every=3.0),
)  # fmt: skip


@pytest.mark.parametrize("kind", [rs.Reinforcement, rs.Exposure])
def test_a_life_with_one_item_has_a_closed_form(kind: type[rs.Reinforcement | rs.Exposure]) -> None:
    """With one item and a visit a day interests go to its topics: phi + (1 - rate)^n (theta_0 - phi) after n visits."""
    never = rs.SyntheticUsers(users=1, topics=3, mainstream=1)
    world = World(SOLO.but(dynamics=(kind(rate=0.3),), population=never), 1).advance(8.0)
    phi, born = world.items.topics[0], world.users.interests[0]
    assert world.crowd.own["interests"][0] == pytest.approx(phi + 0.7**8 * (born - phi), abs=1e-14)
    assert not np.allclose(phi, born)


def test_a_life_of_getting_tired_has_a_closed_form() -> None:
    """Fatigue of one item a day is a geometric sum, and fades on between the visits."""
    world = World(SOLO.but(dynamics=(rs.Fatigue(gain=0.7, days=2.0),)), 1).advance(8.0)
    phi, last = world.items.topics[0], int(world.crowd.settled[0])
    tired = 0.7 * phi * (1 - np.exp(-8 / 2.0)) / (1 - np.exp(-1 / 2.0))
    assert world.crowd.own["fatigue"][0] == pytest.approx(tired, abs=1e-12)
    later = world.crowd.wants(np.array([0]), last + 3 * DAY)[0]
    assert later == pytest.approx(world.users.interests[0] * np.exp(-tired * np.exp(-3 / 2.0)), abs=1e-12)


def test_a_life_of_curiosity_is_told_by_the_log() -> None:
    """Curiosity is what the formula makes of the log: satisfied where the click came by the feed."""
    world = World(SOLO.but(dynamics=(rs.Withering(withers=0.3, recovers=0.2),)), 1).advance(8.0)
    curiosity, organic = 0.5, world.log.columns()["origin"] == rs.Origin.ORGANIC
    for found in organic:
        curiosity = 0.8 * curiosity + 0.2 * 0.5 if found else 0.7 * curiosity
    assert len(organic) == 8 and 0 < organic.sum() < 8
    assert world.crowd.own["curiosity"][0] == pytest.approx(curiosity, abs=1e-14)


def test_what_relaxes_is_not_yet_back_at_the_next_visit() -> None:
    """With a visit a day, reinforced and relaxing, the shift from birth follows its recursion, and its limit."""
    never = rs.SyntheticUsers(users=1, topics=3, mainstream=1)
    both = rs.Reinforcement(rate=0.3), rs.Relaxation(days=2.0)
    world = World(SOLO.but(dynamics=both, days=60.0, population=never), 1).advance(60.0)
    phi, born = world.items.topics[0], world.users.interests[0]
    limit = 0.3 * (phi - born) / (1 - 0.7 * np.exp(-0.5))
    assert world.crowd.own["interests"][0] == pytest.approx(born + limit, abs=1e-9)
    second = int(world.crowd.settled[0]) + DAY
    assert world.crowd.minds(second)["interests"][0] == pytest.approx(born + limit * np.exp(-0.5), abs=1e-9)


# ------------------------------------------------------------------------------------------- however long people live
shares = st.floats(0, 1)
mixes = st.lists(
    st.one_of(
        st.builds(rs.Reinforcement, rate=shares),
        st.builds(rs.Relaxation, days=st.floats(1e-3, 1e6)),
        st.builds(rs.Fatigue, gain=st.floats(0, 100), days=st.floats(1e-2, 1e3)),
        st.builds(rs.Exposure, rate=shares),
        st.builds(rs.Withering, withers=shares, recovers=shares),
    ),
    min_size=1, max_size=5, unique_by=lambda dynamics: dynamics.kind,
)  # fmt: skip


def anything(chance: np.random.Generator, visits: int, slate: int = 4, items: int = 25) -> Seen:
    """Return what visits may have seen: slates with any clicks, empty slates, and what was found without the feed."""
    shown = chance.permuted(np.tile(np.arange(items, dtype=np.int32), (visits, 1)), axis=1)[:, :slate]
    fed, there = chance.random(visits) < 0.7, np.arange(slate) < chance.integers(0, slate + 1, visits)[:, None]
    shown = np.where(fed[:, None] & there, shown, NOTHING)
    clicks = (shown != NOTHING) & (chance.random(shown.shape) < 0.4)
    order = np.where(clicks, np.cumsum(clicks[:, ::-1], axis=1)[:, ::-1], 0).astype(np.int16)
    found = np.where(fed, NOTHING, chance.integers(0, items, visits)).astype(np.int32)
    return Seen(shown, order, found)


@given(mixes, st.integers(0, 2**32))
@settings(max_examples=20)
def test_people_stay_people_however_long_they_live(dynamics: list[rs.Dynamics], seed: int) -> None:
    """After any visits, interests are shares that sum to 1, nobody wants more than that, curiosity has not grown since birth nor
    fallen faster than its formula, and no fatigue is negative.
    """
    crowd = World(LIVELY.but(dynamics=tuple(dynamics), signals=()), 1).crowd
    chance, second, satisfied = np.random.default_rng(seed), 0, np.zeros(15)
    for ordinal in range(300):
        second += int(chance.exponential(DAY / 5))
        visits = coming(np.flatnonzero(chance.random(15) < 0.7), ordinal, second)
        seen = anything(chance, len(visits))
        if crowd.dynamics:
            crowd.react(visits, crowd.meet(visits), seen)
        satisfied[visits.user] += (seen.order > 0).any(axis=1)
    minds, wants = crowd.minds(second), crowd.wants(np.arange(15), second)
    assert np.abs(minds["interests"].sum(axis=1) - 1).max() < 1e-12
    assert (minds["interests"] > 0).all() and (wants > 0).all() and (wants <= minds["interests"]).all()
    withers = max((one.withers for one in dynamics if isinstance(one, rs.Withering)), default=0.0)
    assert (minds["curiosity"] <= 0.3 * (1 + 1e-12)).all()
    assert (minds["curiosity"] >= 0.3 * (1 - withers) ** satisfied * (1 - 1e-12)).all()
    assert (crowd.own.get("fatigue", np.zeros(1)) >= 0).all()


@pytest.mark.parametrize("choice", [rs.Luce(outside=1.0), rs.AlwaysClick()], ids=["luce", "always"])
def test_people_who_are_tired_of_everything_still_want_something(choice: rs.Choice) -> None:
    """However tired, what is wanted stays above 0: nothing overflows, and every utility is a number."""
    tired = LIVELY.but(
        dynamics=(rs.Fatigue(gain=100.0, days=50.0),), visits=rs.Poisson(rate=20.0), choice=choice, consumption="again",
        consumed="stay", days=6.0,
    )  # fmt: skip
    world = World(tired, 1).advance(6.0)
    world.close_epoch()
    assert world.crowd.own["fatigue"].max(axis=1).min() > 746  # from where on exp(-fatigue) is 0
    assert (world.crowd.wants(np.arange(15), 6 * DAY) > 0).all()
    figures = [value for _, _, _, group, metric, value in world.history if group == "all" and metric.startswith("utility")]
    assert figures and np.isfinite(figures).all()


# -------------------------------------------------------------------------------------------------- what is switched off
@pytest.fixture(scope="module")
def static() -> tuple[str, str, str]:
    """Return what the lively world leaves where nobody changes."""
    return traces(LIVELY)


@pytest.mark.parametrize("kind", OURS)
def test_a_dynamics_of_no_strength_leaves_the_static_world(kind: str, static: tuple[str, str, str]) -> None:
    """With strength 0 log, history and digests are those of the static world, byte for byte."""
    none = OURS[kind](**{OURS[kind].strength: 0.0}) if OURS[kind].strength else OURS[kind](days=float("inf"))
    assert none.off
    assert traces(LIVELY.but(dynamics=(none,))) == static


def test_all_dynamics_of_no_strength_leave_the_static_world(static: tuple[str, str, str]) -> None:
    """All of them at once, switched off, are nothing."""
    none = tuple(kind(**{kind.strength: 0.0}) for kind in OURS.values() if kind.strength)
    assert traces(LIVELY.but(dynamics=(*none, *none))) == static


def test_relaxation_alone_leaves_the_static_world(static: tuple[str, str, str]) -> None:
    """Who has nothing to come back from stays as she was born, to the last bit; only what counts list may differ."""
    assert traces(LIVELY.but(dynamics=(rs.Relaxation(days=3.0),))) == static


@pytest.mark.parametrize("dynamics", EVERYTHING, ids=lambda dynamics: dynamics.kind)
def test_every_dynamics_shows(dynamics: rs.Dynamics, static: tuple[str, str, str]) -> None:
    """Switched on, alone or with reinforcement to come back from, each leaves another log."""
    base = LIVELY.but(dynamics=(rs.Reinforcement(rate=0.3),)) if isinstance(dynamics, rs.Relaxation) else LIVELY
    assert traces(base.but(dynamics=(*base.dynamics, dynamics))) != (traces(base) if base.dynamics else static)


# --------------------------------------------------------------------------------------------------------- own rows only
def test_rows_change_only_when_their_user_visits() -> None:
    """Whoever did not come is, to the byte, what she was; readings, surveys and whoever asks change nobody."""
    world = World(LIVELY.but(dynamics=EVERYTHING), 5)
    crowd, came_ever = world.crowd, np.zeros(15, np.bool_)
    for day in np.arange(0.1, 6.0, 0.1):
        before = {name: column.copy() for name, column in crowd.own.items()} | {"settled": crowd.settled.copy()}
        ordinal = crowd.ordinal.copy()
        world.advance(day)
        now, stayed = crowd.own | {"settled": crowd.settled}, crowd.ordinal == ordinal
        assert all(now[name][stayed].tobytes() == column[stayed].tobytes() for name, column in before.items())
        assert (crowd.settled[~stayed] > before["settled"][~stayed]).all()
        came_ever |= ~stayed
        kept = {name: column.tobytes() for name, column in now.items()}
        crowd.wants(np.arange(15), world.now + DAY), crowd.minds(world.now + DAY), crowd.truth(world.now + DAY)
        assert {name: column.tobytes() for name, column in now.items()} == kept
    assert came_ever.all()


@pytest.mark.parametrize("forks", [False, True], ids=["open loop", "kept for forks"])
def test_shadow_rows_are_drawn_from_what_is_wanted_at_the_click(forks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every shadow row is the organic draw from what its user wanted as she came, which asking at that second gives too."""
    scenario = LIVELY.but(dynamics=EVERYTHING, open_loop=not forks, consumption="again", consumed="stay")
    wanted: dict[tuple[int, int], Floats] = {}
    meet = Crowd.meet

    def noted(crowd: Crowd, visits: Visits) -> People:
        people = meet(crowd, visits)
        for row, (user, ordinal, second) in enumerate(zip(visits.user, visits.ordinal, visits.time, strict=True)):
            wanted[int(user), int(ordinal)] = people.interests[row]
            assert crowd.wants(np.array([user]), int(second))[0].tobytes() == people.interests[row].tobytes()
        return people

    monkeypatch.setattr(Crowd, "meet", noted)
    world = World(scenario, 5, forks=forks).advance(scenario.days)
    shadow, clicks = world.shadow.columns(), world.log.columns()
    assert len(shadow["user"]) == clicks["clicked"].sum() > 100
    for number in range(2):
        at = np.flatnonzero(shadow["position"] == number)
        user, ordinal = shadow["user"][at].astype(np.int64), shadow["visit"][at]
        address, nth = world.users.address[user], ordinal.astype(np.uint32)
        visits = Visits(user, address, nth, shadow["time"][at], len(world.items), world.randomness, None)
        wants = np.array([wanted[key] for key in zip(user.tolist(), ordinal.tolist(), strict=True)])
        assert len(at) and (organic(visits, wants, world.crowd.demand, f"shadow#{number}") == shadow["item"][at]).all()


# ------------------------------------------------------------------------------------------------- a dynamics of one's own
class _Mood(rs.Dynamics):
    """A mood that each click lifts and each visit without one spoils, and that passes: `mood` (users,)."""

    step: float = Field(0.8, ge=0, description="how far one visit moves it")

    def columns(self, randomness: Randomness, users: Users, items: Items) -> Own:
        return {"mood": 2 * randomness.uniform("Mood.first", users.address) - 1}

    def rest(self, own: Own, days: Floats) -> None:
        own["mood"] *= np.exp(-days)

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        own["mood"] += np.where((seen.order > 0).any(axis=1), self.step, -self.step)


class _Moody(rs.Choice):
    """Click the top item in a good mood, whatever it is."""

    def click(self, visits: Visits, slate: Slate, people: People) -> npt.NDArray[np.int16]:
        order = np.zeros(slate.items.shape, np.int16)
        order[:, 0] = people.free(slate.items[:, :1])[:, 0] & (visits.uniform("Moody.click") < cheerful(people.own["mood"]))
        return order

    def utility(self, visits: Visits, items: Items32, people: People) -> Floats:
        return people.own["mood"]


def cheerful(mood: Any) -> Any:
    """Return the probability of a click in a mood."""
    return 1 / (1 + np.exp(-mood))


MOODY = LIVELY.but(
    dynamics=(_Mood(), rs.Reinforcement(rate=0.2)), choice=_Moody(), signals=(), population=rs.SyntheticUsers(users=15, topics=4),
    consumption="again", consumed="stay", catalog=rs.SyntheticItems(items=25, topics=4),
)  # fmt: skip


def test_a_choice_reads_the_column_of_a_dynamics() -> None:
    """A mood of one's own making decides every click, as a life retold from the log alone says."""
    world = World(MOODY, 5, tile=4).advance(MOODY.days)
    shown = {name: column.tolist() for name, column in world.impressions.columns().items()}
    mood = (2 * Randomness(MOODY.world_seed).uniform("Mood.first", world.users.address) - 1).tolist()
    last = [0] * 15
    tops = [row for row, position in enumerate(shown["position"]) if position == 0]
    for row in tops:
        user, second, clicked = shown["user"][row], shown["time"][row], shown["clicked"][row]
        mood[user] *= float(np.exp(-(second - last[user]) / DAY))
        number = world.randomness.uniform("Moody.click", np.uint64(user), np.uint32(shown["visit"][row]))
        assert clicked == bool(number < cheerful(mood[user]))
        mood[user], last[user] = mood[user] + (0.8 if clicked else -0.8), second
    assert len(tops) > 100
    assert world.crowd.own["mood"] == pytest.approx(mood)


@pytest.fixture
def known() -> Iterator[None]:
    """Let scenario files name the kinds of this file, which elsewhere are none of their families."""
    _Mood.__name__, _Moody.__name__ = "Mood", "Moody"
    yield
    _Mood.__name__, _Moody.__name__ = "_Mood", "_Moody"


@pytest.mark.usefixtures("known")
def test_a_dynamics_of_ones_own_goes_on_after_an_interruption(tmp_path: Path) -> None:
    """Its column is in the checkpoint like any other: the run ends as the one that was left alone."""

    def stop(done: float, text: str) -> None:
        if done > 0.6:
            raise KeyboardInterrupt

    whole = rs.run(MOODY, seed=5, progress=False)
    with pytest.raises(KeyboardInterrupt):
        rs.run(MOODY, seed=5, out=tmp_path / "run", progress=stop)
    resumed = rs.run(out=tmp_path / "run", resume=True, progress=False)
    assert (resumed.digest, resumed.status) == (whole.digest, "done")
    assert resumed.history.equals(whole.history)


class _Column(rs.Dynamics):
    """A dynamics that keeps a column, and moves it."""

    name: str
    more: ClassVar[int] = 0

    def columns(self, randomness: Randomness, users: Users, items: Items) -> Own:
        return {self.name: np.zeros(len(users) + self.more)}


class _Longer(_Column):
    """A column of one row too many."""

    more = 1


@pytest.mark.parametrize(
    ("dynamics", "message"),
    [
        ((rs.Fatigue(), rs.Reinforcement(), rs.Fatigue(days=3.0)), "dynamics.2: its column 'fatigue' is there already"),
        ((rs.Withering(), rs.Withering()), "dynamics.1: its column 'curiosity at birth' is there already"),
        ((_Column(name="mood"), _Column(name="mood")), "dynamics.1: its column 'mood' is there already"),
        ((_Column(name="interests"),), "dynamics.0: its column 'interests' is there already"),
        ((_Column(name="innate"),), "dynamics.0: its column 'innate' is there already"),
        ((_Longer(name="mood"),), "dynamics.0: its column 'mood' has 16 rows"),
        ((rs.Reinforcement(rate=0.0), _Longer(name="mood")), "dynamics.1: its column 'mood' has 16 rows"),
    ],
)
def test_columns_that_do_not_fit_are_told_in_one_line(dynamics: tuple[rs.Dynamics, ...], message: str) -> None:
    """Two columns of one name and a column that has not a row a user raise where they stand in the scenario."""
    with pytest.raises(rs.RecsimError, match=f"^{re.escape(message)}; give .+$") as fault:
        World(LIVELY.but(dynamics=dynamics), 1)
    assert "\n" not in str(fault.value)


class _Taste(rs.Dynamics):
    """A dynamics whose column begins as what people were born with, and moves."""

    def columns(self, randomness: Randomness, users: Users, items: Items) -> Own:
        return {"taste": users.interests}

    def react(self, own: Own, visits: Visits, seen: Seen, items: Items) -> None:
        own["taste"][:] = 0.0


def test_a_column_never_writes_into_people_as_they_were_born() -> None:
    """A dynamics may hand out what it was given: the world keeps a copy."""
    world = World(LIVELY.but(dynamics=(_Taste(),)), 1)
    drawn = world.drawn
    world.advance(3.0)
    assert not world.crowd.own["taste"][world.crowd.ordinal > 0].any()
    assert world.drawn == drawn


def test_arms_share_how_people_change() -> None:
    """A fork may not change people, and says so in one line."""
    world = World(LIVELY.but(dynamics=EVERYTHING), 1).advance(1.0)
    with pytest.raises(rs.RecsimError, match=r"^dynamics: differs between arms; .+$"):
        world.fork(LIVELY.but(dynamics=EVERYTHING[:-1]))


def test_what_is_wanted_less_than_not_at_all_never_wins() -> None:
    """A dynamic of one's own may leave a want of 0, -0 or below: it arrives never, not first."""
    race = _race(np.full((1, 4), 0.5), np.array([[0.0, -0.0, -1e-18, 2.0]]))
    assert race.tolist() == [[np.inf, np.inf, np.inf, 0.25]]
