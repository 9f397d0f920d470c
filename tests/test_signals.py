"""Human signals: what they put where, how likely it was, and that a rate and a count of the same size agree."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from test_strategies import MODELS, visits

import recsim as rs
from recsim.recipe import family
from recsim.signals import Stream
from recsim.slates import compose
from recsim.world import Slate

EDGES = [(user, (user + step) % 120) for user in range(120) for step in (1, 7)]
SIGNALS: dict[str, rs.Signal] = {
    "lift": rs.OrganicLift(rate=0.2),
    "lift, counted": rs.OrganicLift(count=40),
    "panel": rs.Panel(rate=0.1),
    "panel, counted": rs.Panel(count=30),
    "editors": rs.EditorPicks(rate=0.4, picks=6),
    "editors, counted": rs.EditorPicks(count=60, picks=6, taste="even", position=2),
    "editors with a taste": rs.EditorPicks(rate=1.0, picks=3, taste=[1.0] * 5 + [0.0] * 75, every=1.5),
    "friends": rs.FriendShares(rate=0.3, edges=EDGES),
    "friends, counted": rs.FriendShares(count=25, edges=EDGES, position=1),
    "survey": rs.Survey(rate=0.1),
    "survey, counted": rs.Survey(count=15, every=1.0, from_day=2.0, to_day=9.0),
    "anchor": rs.AnchorReplay(rate=0.05, size=400),
    "anchor, every item": rs.AnchorReplay(count=20, each="item"),
    "anchor, given shares": rs.AnchorReplay(rate=0.1, size=200, shares=[2.0] + [1.0] * 79),
}
ALL = tuple(SIGNALS[name] for name in ("panel", "editors", "friends", "survey, counted", "anchor", "lift, counted"))


def test_every_kind_is_examined() -> None:
    """No signal stands outside this list: adding a class adds its tests."""
    assert {signal.kind for signal in SIGNALS.values()} == set(family(rs.Signal)) - {"LogReplay"}  # which needs a real log


def run(scenario: rs.Scenario, *signals: rs.Signal, seed: int = 3, tile: int = 4096, **settings: object) -> rs.Run:
    """Run a scenario with some signals."""
    return rs.run(scenario.but(signals=signals, **settings), seed=seed, tile=tile, progress=False)


@pytest.mark.parametrize("name", SIGNALS)
def test_the_log_does_not_depend_on_how_it_is_made(small: rs.Scenario, name: str) -> None:
    """Tiles, extra readings, a fork at the second of a cut, and a scenario file leave every signal's log as it is."""
    whole = run(small, SIGNALS[name])
    assert run(small, SIGNALS[name], tile=7).digest == whole.digest
    assert run(small, SIGNALS[name], readings_every=0.37).digest == whole.digest
    fork = rs.World(whole.scenario, 3, forks=True).advance(6).fork(whole.scenario).advance(small.days)
    fork.close_epoch()
    assert fork.log.digest.hex() == whole.digest
    assert rs.Scenario.parse({"signals": whole.scenario.table()["signals"]}).signals == (SIGNALS[name],)
    slates = whole.impressions
    assert not slates.duplicated(["user", "visit", "item"]).any()
    assert slates["propensity"].between(0, 1 + 1e-9, inclusive="right").all()


@pytest.mark.parametrize("name", SIGNALS)
def test_a_strength_of_nothing_is_no_signal(small: rs.Scenario, name: str) -> None:
    """With rate or count 0, also listed before another of its kind, the log is that of a world without the signal."""
    off = SIGNALS[name].but(**{SIGNALS[name].strength: 0})
    assert run(small, off).digest == run(small).digest
    assert run(small, off, SIGNALS[name]).digest == run(small, SIGNALS[name]).digest


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_leaves_its_mark(small: rs.Scenario, name: str) -> None:
    """Its origin is in the log, at depth 0; what nobody consumed is marked so; friends say how they had met the item."""
    signal = SIGNALS[name]
    log = run(small, signal).clicks
    mine = log[log["origin"] == signal.origin]
    assert len(mine) > 0
    assert (mine["depth"] == 0).all()
    told = signal.origin in (rs.Origin.SURVEY, rs.Origin.ANCHOR)
    assert (mine["clicked"] != told).all()
    assert ((mine["visit"] == -1) == told).all()
    assert ((log["via"] >= 0) == (log["origin"] == rs.Origin.FRIEND)).all()


def test_runs_with_all_signals_go_on_after_an_interruption(small: rs.Scenario, tmp_path: object) -> None:
    """Stopped at a retraining and resumed, a world with every stream goes on to the same log, open loop or not."""
    for number, open_loop in enumerate((False, True)):
        scenario = small.but(signals=ALL, open_loop=open_loop)
        folder = f"{tmp_path}/{number}"

        def stop(share: float, text: str) -> None:
            if share > 0.6:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rs.run(scenario, seed=4, out=folder, progress=stop)
        again = rs.run(out=folder, resume=True, progress=False)
        assert again.digest == rs.run(scenario, seed=4, progress=False).digest


# ------------------------------------------------------------------------------------------------------ propensities
def slates(model: str, policy: rs.Policy, signals: tuple[rs.Signal, ...], count: int, gone: list[int]) -> Slate:
    """Return the slates of many visits of one user: 8 items, 4 positions; editors picked 1, 3 and 5."""
    streams = [signal.stream(0, 1, 7.0) for signal in signals]
    for stream in streams:
        stream.picks, stream.picks_address = np.array([1, 3, 5], np.int32), np.array([1, 3, 5], np.uint32)
    stand = visits(count, 8, gone)
    return compose(stand, MODELS[model].rank(stand, 4), 4, policy, streams)


MIXES = {
    "panel": (rs.Panel(rate=0.3),),
    "editors": (rs.EditorPicks(rate=0.5, position=1),),
    "both": (rs.EditorPicks(rate=0.5), rs.Panel(rate=0.4)),
    "both, the other way": (rs.Panel(rate=0.4), rs.EditorPicks(rate=0.5, position=2)),
}


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("policy", [rs.Greedy(), rs.EpsilonGreedy(epsilon=0.3)], ids=["greedy", "epsilon"])
@pytest.mark.parametrize("gone", [[], [3, 6]], ids=str)
def test_propensities_of_a_mixture(mix: str, model: str, policy: rs.Policy, gone: list[int]) -> None:
    """For every item with support, the mean of [shown] / propensity is the share of slates without the item above.

    30,000 slates, 4 standard errors each: about 30 figures in each of 48 cases give a false alarm at a fresh seed once in
    ten suites; the numbers are fixed.
    """
    slate = slates(model, policy, MIXES[mix], 30_000, gone)
    support = policy.kind == "EpsilonGreedy" or model != "fixed order"
    for position in range(4):
        here, propensity = slate.items[:, position], slate.propensity[:, position]
        full = support or (mix != "editors" and any(isinstance(signal, rs.Panel) for signal in MIXES[mix]))
        for item in set(range(8)) - set(gone) if full else ():
            before = (slate.items[:, :position] == item).any(axis=1)
            ratio = np.divide(here == item, propensity, out=np.zeros(len(here)), where=here == item)
            excess = ratio - np.where(before | (here < 0), 0.0, 1.0)
            assert abs(excess.mean()) <= 4 * excess.std() / np.sqrt(len(excess)) + 1e-12, (position, item)
    assert ((slate.propensity > 0) | (slate.items < 0)).all()


def test_many_signals_at_once_do_not_depend_on_the_tile(small: rs.Scenario) -> None:
    """Eight sets of signals are added up in one order, also where a tile holds a single visit."""
    editors = (rs.EditorPicks(rate=0.3, position=place, picks=4) for place in (0, 1))
    signals = (*editors, rs.Panel(rate=0.1))
    logs = {run(small, *signals, policy=rs.EpsilonGreedy(epsilon=0.3), days=7.0, tile=tile).digest for tile in (1, 7, 4096)}
    assert len(logs) == 1


def test_a_slate_is_as_likely_as_the_product_of_its_rows() -> None:
    """Slates of a panel over a fixed order come as often as their propensities say: chi-square over all slates of two
    positions, p > 1e-4.
    """
    slate = slates("fixed order", rs.Greedy(), (rs.Panel(rate=0.5), rs.EditorPicks(rate=0.3)), 60_000, [])
    keys = slate.items[:, 0] * 8 + slate.items[:, 1]
    first = np.unique(keys, return_index=True, return_counts=True)
    expected = slate.propensity[:, :2].prod(axis=1)[first[1]] * len(keys)
    assert abs(expected.sum() - len(keys)) < 1e-6 * len(keys)
    assert stats.chisquare(first[2], expected * len(keys) / expected.sum()).pvalue > 1e-4


# ---------------------------------------------------------------------------------------- rates, counts and timetables
STILL = rs.Scenario(
    days=12, slate=4, consumption="again", consumed="stay", visits=rs.Regular(period=0.5),
    population=rs.SyntheticUsers(users=60, topics=4, curiosity=0.1), catalog=rs.SyntheticItems(items=40, topics=4),
    recommender=rs.Popularity(), retrain=rs.Retrain(every=3.0), log="impressions",
)  # fmt: skip
PAIRS = {  # 60 users come 360 times in 3 days, 324 of them in the feed on average
    "lift": (rs.OrganicLift(rate=0.2), rs.OrganicLift(count=72)),
    "panel": (rs.Panel(rate=0.25), rs.Panel(count=81)),
    "editors": (rs.EditorPicks(rate=0.25), rs.EditorPicks(count=81)),
    "survey": (rs.Survey(rate=0.2), rs.Survey(count=12)),
    "anchor": (rs.AnchorReplay(rate=0.2, size=300), rs.AnchorReplay(count=60, size=300)),
}


def amount(signal: rs.Signal, seed: int) -> float:
    """Return how many impressions and rows of its origin a signal leaves."""
    result = run(STILL, signal, seed=seed)
    shown = (result.impressions["origin"] == signal.origin).sum()
    return float(shown or (result.clicks["origin"] == signal.origin).sum())


@pytest.mark.parametrize("pair", PAIRS)
def test_a_rate_and_a_count_of_the_same_size_agree(pair: str) -> None:
    """Over 24 worlds their means differ by no more than 4 standard errors (6e-5 a pair at fresh seeds)."""
    rate, count = (np.array([amount(signal, seed) for seed in range(24)]) for signal in PAIRS[pair])
    error = np.sqrt((rate.var(ddof=1) + count.var(ddof=1)) / 24)
    assert abs(rate.mean() - count.mean()) <= 4 * error + 1e-9
    assert rate.mean() > 20


def test_counts_are_kept_exactly() -> None:
    """A count touches so many visits an epoch, asks so many people, replays so many rows: no more, no fewer."""
    for signal, per_epoch in ((rs.Panel(count=30), 120), (rs.EditorPicks(count=30), 30), (rs.Survey(count=30), 30)):
        assert amount(signal, 1) == 4 * per_epoch
    lifted = run(STILL, rs.OrganicLift(count=30)).clicks["origin"].eq(rs.Origin.ORGANIC).sum()
    assert lifted == run(STILL).clicks["origin"].eq(rs.Origin.ORGANIC).sum() + 4 * 30


def test_counts_are_kept_beside_each_other() -> None:
    """A counted lift does not take visits that a counted panel has chosen, whichever is listed first."""
    panel, lift = rs.Panel(count=30), rs.OrganicLift(count=40)
    for signals in ((panel, lift), (lift, panel)):
        shown = run(STILL, *signals).impressions
        assert (shown["origin"] == rs.Origin.PANEL).sum() == 4 * 120


def test_a_signal_of_a_fork_begins_there() -> None:
    """An arm's own signal has its first moment at the second of the fork, not at the next one of a timetable from day 0."""
    scenario = STILL.but(signals=(rs.EditorPicks(rate=1.0, every=30.0),))
    fork = rs.World(STILL, 1, forks=True).advance(6).fork(scenario).advance(7)
    assert len(fork.streams[0].picks) == 20
    assert fork.streams[0].moments == 1


def test_a_schedule_is_kept() -> None:
    """From and to a day, every so many days."""
    log = run(STILL, rs.Survey(count=5, from_day=2.0, to_day=7.0, every=1.5)).clicks
    asked = log[log["origin"] == rs.Origin.SURVEY]
    assert asked.groupby("time").size().to_dict() == {round(day * 86_400): 5 for day in (2.0, 3.5, 5.0, 6.5)}
    shown = run(STILL, rs.Panel(rate=1.0, from_day=2.0, to_day=7.0)).impressions
    days = shown.loc[shown["origin"] == rs.Origin.PANEL, "time"] / 86_400
    assert days.min() >= 2.0
    assert days.max() < 7.0
    assert (shown.loc[shown["time"].between(2 * 86_400, 7 * 86_400 - 1), "origin"] == rs.Origin.PANEL).all()


def test_what_is_asked_costs() -> None:
    """Answers and picks are labels; their price is spent. Moments are at days 0, 3, 6, 9, each before the model of
    that day is live.
    """
    history = run(STILL, rs.Survey(count=5, price=2.0), rs.EditorPicks(rate=0.5, picks=3, price=0.5))
    assert history.series("labels").tolist() == [16.0, 8.0, 8.0, 0.0]
    assert history.series("spent").tolist() == [23.0, 11.5, 11.5, 0.0]
    assert history.series("visits").sum() == 60 * 24


def test_survey_answers_follow_true_preference() -> None:
    """Everyone asked again and again names items as p_u says: chi-square over items, one topic, p > 1e-4."""
    one = {"topics": 1, "mainstream": 0}
    people, items = rs.SyntheticUsers(users=60, **one), rs.SyntheticItems(items=40, **one)
    result = run(STILL, rs.Survey(rate=1.0, every=0.25), population=people, catalog=items)
    named = result.clicks.loc[result.clicks["origin"] == rs.Origin.SURVEY, "item"]
    appeal = rs.World(result.scenario, 3).items.appeal
    counts = np.bincount(named, minlength=40)
    assert counts.sum() == 60 * 48
    assert stats.chisquare(counts, counts.sum() * appeal / appeal.sum()).pvalue > 1e-4


def test_shares_reach_friends_only() -> None:
    """Whatever a friend shared had been consumed before by somebody she is a friend of."""
    log = run(STILL.but(population=rs.SyntheticUsers(users=120, topics=4)), rs.FriendShares(rate=1.0, edges=EDGES)).clicks
    shared = log[log["origin"] == rs.Origin.FRIEND]
    assert len(shared) > 30
    for row in shared.head(50).itertuples():
        friends = [a if b == row.user else b for a, b in EDGES if row.user in (a, b)]
        known = log[log["user"].isin(friends) & (log["item"] == row.item) & (log["time"] < row.time)]
        assert row.via in set(known["origin"])


def test_a_log_for_every_item_asks_those_who_want_it() -> None:
    """The one user of each item is drawn from P(u | i): expected mean preference within 4 standard errors."""
    scenario = STILL.but(population=rs.SyntheticUsers(users=60, topics=4), catalog=rs.SyntheticItems(items=4000, topics=4))
    world = rs.World(scenario.but(signals=(rs.AnchorReplay(rate=1.0, each="item"),)), 3)
    user = world.occasion(0).fans(np.arange(4000, dtype=np.int32), "x")
    wanted = world.users.interests @ world.crowd.demand.weights
    share = wanted / wanted.sum(axis=0)
    got, mean = share[user, np.arange(4000)], (share**2).sum(axis=0)
    assert abs((got - mean).mean()) <= 4 * (got - mean).std() / np.sqrt(4000)


def test_a_start_may_learn_from_before_the_loop() -> None:
    """A start that learns is trained on the anchor's log, where there is one from day 0."""
    anchor = rs.AnchorReplay(rate=0.0001, size=3000, shares=[0.0] * 7 + [1.0] + [0.0] * 32)
    shown = run(STILL, anchor, start=rs.Popularity()).impressions
    assert (shown.loc[(shown["epoch"] == 0) & (shown["position"] == 0), "item"] == 7).all()


BAD: dict[str, dict[str, object]] = {
    "strength": {"kind": "Panel"},
    "both": {"kind": "Panel", "rate": 0.1, "count": 3},
    "order": {"kind": "Survey", "rate": 0.1, "to_day": 0.0},
    "taste": {"kind": "EditorPicks", "rate": 0.1, "taste": [-1.0]},
    "price": {"kind": "Survey", "count": 1, "price": -1.0},
}


@pytest.mark.parametrize("fault", BAD)
def test_faults_are_said_in_one_line(fault: str) -> None:
    """What does not fit is found when the scenario is made."""
    with pytest.raises(rs.RecsimError, match=r"^scenario: signals\.0"):
        rs.Scenario.parse({"signals": [BAD[fault]]})


@pytest.mark.parametrize(
    "signal",
    [
        rs.Survey(count=61), rs.EditorPicks(rate=0.1, position=4), rs.FriendShares(rate=0.1, position=9),
        rs.EditorPicks(rate=0.1, taste=[1.0]), rs.FriendShares(rate=0.1, edges=[(0, 60)]),
        rs.AnchorReplay(count=41, each="item"), rs.AnchorReplay(rate=0.1, shares=[1.0]),
    ],
    ids=lambda signal: signal.kind,
)  # fmt: skip
def test_what_does_not_fit_the_world_is_said(signal: rs.Signal) -> None:
    """Sizes are checked before anything runs."""
    with pytest.raises(rs.RecsimError, match=r"^signals\."):
        rs.World(STILL.but(signals=(signal,)), 1)


def test_streams_hold_arrays_only() -> None:
    """All state of a stream can go into a checkpoint."""
    stream = rs.Panel(rate=0.1).stream(0, 5, 7.0)
    assert isinstance(stream, Stream)
    assert all(isinstance(value, (np.ndarray, int, float)) for value in stream.arrays().values())
