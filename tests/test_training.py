"""The rules of training: each by hand, off, in order, on time; and what teaches where the loop is open."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import recsim as rs
from recsim.eventlog import SCHEMA
from recsim.randomness import Randomness
from recsim.recipe import family
from recsim.simulation import World
from recsim.training import Lesson, Rule, tastes
from recsim.world import DAY, HUMAN, NOTHING, Origin, Rows

MODEL, EXPLORE, ORGANIC, SURVEY, ANCHOR, SYNTHETIC = (
    int(getattr(Origin, name)) for name in ("MODEL", "EXPLORE", "ORGANIC", "SURVEY", "ANCHOR", "SYNTHETIC")
)
NAN = float("nan")

EVERY_RULE: dict[str, tuple[Rule, Rule | None]] = {  # on, and off: a window and weights by origin have no strength
    "Window": (rs.Window(last=1), None),
    "OriginWeights": (rs.OriginWeights(organic=5.0), rs.OriginWeights()),
    "DepthWeights": (rs.DepthWeights(decay=0.5), rs.DepthWeights(decay=0.0)),
    "InversePropensity": (rs.InversePropensity(clip=20.0), rs.InversePropensity(clip=1.0)),
    "TailWeights": (rs.TailWeights(exponent=0.5), rs.TailWeights(exponent=0.0)),
    "Reservoir": (rs.Reservoir(rows=3), rs.Reservoir(rows=0)),
    "SyntheticRows": (rs.SyntheticRows(share=0.4), rs.SyntheticRows(share=0.0)),
    "WrongLabels": (rs.WrongLabels(rate=0.4), rs.WrongLabels(rate=0.0)),
}
EXPLORED = rs.OriginWeights(explore=0.3, organic=2.0)  # labels and lost rows matter only where something looks at them
ALL = (
    rs.Window(last=2), rs.WrongLabels(rate=0.2), rs.Reservoir(rows=2), rs.SyntheticRows(share=0.3), rs.DepthWeights(decay=0.3),
    rs.TailWeights(exponent=0.3), rs.InversePropensity(clip=4.0), rs.OriginWeights(organic=2.0),
)  # fmt: skip


def table(*rows: tuple[Any, ...], **more: list[Any]) -> Rows:
    """Return rows, given user, item and origin of each, and other columns where they matter."""
    user, item, origin = np.array(rows).reshape(-1, 3).T
    plain: dict[str, Any] = {
        "weight": np.ones(len(user)), "label": origin, "depth": np.isin(origin, (MODEL, SYNTHETIC)), "epoch": np.zeros(len(user)),
        "time": np.arange(len(user)), "visit": np.arange(len(user)), "propensity": np.full(len(user), NAN),
    }  # fmt: skip
    columns: dict[str, Any] = plain | {"user": user, "item": item, "origin": origin} | more
    kinds: dict[str, str] = SCHEMA | {"weight": "<f8", "label": "|i1"}
    return Rows(**{name: np.array(column, kinds[name]) for name, column in columns.items()})


def lesson(log: Rows | None = None, number: int = 1, ranking: tuple[int, ...] = (4, 2, 0)) -> Lesson:
    """Return a lesson for 50 users and 6 items, whose serving model ranks them all alike."""

    def rank(user: np.ndarray, n: int) -> np.ndarray:
        best = np.full(n, NOTHING, np.int32)
        best[: len(ranking)] = ranking[:n]
        return np.tile(best, (len(user), 1))

    chance = Randomness(5)
    return Lesson(
        number, np.arange(50, dtype=np.uint64), np.arange(6, dtype=np.uint32), chance, lambda: log or table(), rank,
        1.5 + np.arange(6),
    )  # fmt: skip


def same(rows: Rows, others: Rows) -> bool:
    """Return whether rows are equal, column by column and dtype by dtype."""
    pairs = [(column, getattr(others, name)) for name, column in vars(rows).items()]
    return all(one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype == float) for one, two in pairs)


# ------------------------------------------------------------------------------------------------------- by hand
def test_every_rule_is_examined() -> None:
    """No rule stands outside the list; each names the one setting that holds its strength, where it has one."""
    assert set(EVERY_RULE) == set(family(Rule))
    for on, off in EVERY_RULE.values():
        assert not on.strength or off == on.but(**{on.strength: getattr(off, on.strength)})


@pytest.mark.parametrize("name", EVERY_RULE)
def test_rules_take_no_rows_and_leave_the_rows_they_were_given(name: str) -> None:
    """A rule makes nothing of nothing, and changes no array in place."""
    rule, off = EVERY_RULE[name]
    assert len(rule.apply(table(), lesson())) == 0
    rows, again = (table((0, 1, MODEL), (1, 1, ORGANIC), propensity=[0.5, NAN]) for _ in range(2))
    rule.apply(rows, lesson(rows))
    assert same(rows, again)
    assert off is None or same(off.apply(rows, lesson(rows)), rows)


def test_depth_weights() -> None:
    """Labels decide: human signal and exploration have depth 0, what is taken for the model's has at least 1."""
    rows = table(
        (0, 0, MODEL), (0, 0, MODEL), (0, 0, ORGANIC), (0, 0, EXPLORE), (0, 0, ORGANIC), (0, 0, MODEL), (0, 0, SYNTHETIC),
        depth=[1.0, 3.0, 0.0, 0.0, 0.0, 3.0, 2.5], label=[MODEL, MODEL, ORGANIC, EXPLORE, MODEL, ORGANIC, SYNTHETIC],
        weight=[1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0],
    )  # fmt: skip
    weighed = rs.DepthWeights(decay=0.5).apply(rows, lesson())
    assert weighed.weight.tolist() == pytest.approx([0.5, 0.25, 1.0, 1.0, 0.5, 1.0, 0.5**2.5], rel=1e-15)
    near = rs.DepthWeights(decay=0.0, deepest=1.0).apply(rows, lesson())
    assert (near.depth.tolist(), near.weight.tolist()) == ([1.0, 0.0, 0.0, 0.0, 3.0], [1.0] * 5)
    assert rs.DepthWeights(deepest=0.0).apply(rows, lesson()).label.tolist() == [ORGANIC, EXPLORE, ORGANIC]


def test_inverse_propensity() -> None:
    """1 / propensity up to the clip; what the feed did not place keeps its weight; no chance in the world warns."""
    rows = table(*[(0, 0, MODEL)] * 5, propensity=[0.5, 0.01, NAN, 1 + 1e-15, 0.0], weight=[1.0, 3.0, 2.0, 1.0, 1.0])
    with np.errstate(all="raise"):
        assert rs.InversePropensity(clip=4.0).apply(rows, lesson()).weight.tolist() == [2.0, 12.0, 2.0, 1.0, 4.0]


def test_tail_weights() -> None:
    """Items of weight 4 and 1: with exponent 1/2 their rows weigh 1 : 2, with 1 the items weigh alike; the total stays."""
    rows = table((0, 3, MODEL), (1, 3, MODEL), (2, 5, MODEL), weight=[3.0, 1.0, 1.0])
    half = rs.TailWeights(exponent=0.5).apply(rows, lesson()).weight
    assert half.tolist() == pytest.approx([3 * 5 / 6, 5 / 6, 2 * 5 / 6], rel=1e-15)
    assert rs.TailWeights(exponent=1.0).apply(rows, lesson()).per_item(6).tolist() == pytest.approx([0, 0, 0, 2.5, 0, 2.5])
    tiny = rs.TailWeights(exponent=10.0).apply(table(*[(0, 3, MODEL)] * 9, (1, 5, MODEL), weight=[1.0] * 9 + [1e-9]), lesson())
    assert tiny.weight.sum() == pytest.approx(9.0) and np.isfinite(tiny.weight).all()


def test_reservoir() -> None:
    """The last two human rows of an item come back with weight 1, behind the others and in the order of the log; once."""
    log = table(
        (0, 1, ORGANIC), (1, 1, SURVEY), (2, 1, MODEL), (3, 2, ANCHOR), (3, 2, ANCHOR), (4, 1, ORGANIC), (5, 1, MODEL),
        time=[0, 1, 2, 3, 3, 4, 5], visit=[0, -1, 0, -1, -1, 0, 0],
    )  # fmt: skip
    window = log.take(np.array([6]))
    kept = rs.Reservoir(rows=2).apply(window, lesson(log))
    assert same(kept, window.and_(log.take(np.array([1, 3, 4, 5]))))
    assert same(rs.Reservoir(rows=2).apply(kept, lesson(log)), kept)
    assert rs.Reservoir(rows=1).apply(log.take(np.array([5, 6])), lesson(log)).user.tolist() == [4, 5, 3]
    assert same(rs.Reservoir(rows=9).apply(log, lesson(log)), log)


def test_a_reservoir_knows_no_better_than_the_labels() -> None:
    """Behind WrongLabels all that is kept is what was taken for human signal; before it the truth is kept."""
    log = table((0, 1, ORGANIC), (1, 1, MODEL), (2, 2, SURVEY))
    wrong, keep = rs.WrongLabels(rate=1.0), rs.Reservoir(rows=5)
    mistaken = lesson(log)
    after = keep.apply(wrong.apply(table(), mistaken), mistaken)
    assert (after.user.tolist(), after.label.tolist(), after.origin.tolist()) == ([1], [ORGANIC], [MODEL])
    clear = lesson(log)
    before = wrong.apply(keep.apply(table(), clear), clear)
    assert (before.user.tolist(), before.label.tolist()) == ([0, 2], [MODEL, MODEL])


def test_synthetic_rows() -> None:
    """Six rows that weigh 9: a share of 0.4 is four more of weight 1.5, of users with rows, about the model's best."""
    users, weight, time = (7, 7, 8, 9, 9, 30), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0], [3, 9, 4, 1, 1, 1]
    rows = table(*[(user, 1, MODEL) for user in users], weight=weight, time=time)
    more = rs.SyntheticRows(share=0.4, best=2).apply(rows, lesson(number=3))
    made = more.take(np.arange(6, len(more)))
    assert same(more.take(np.arange(6)), rows)
    assert made.weight.tolist() == [1.5] * 4
    assert set(made.user) <= {7, 8, 9, 30} and set(made.item) <= {4, 2}
    assert made.depth.tolist() == [1.5 + item for item in made.item]
    for name, value in {"origin": SYNTHETIC, "label": SYNTHETIC, "epoch": 2, "time": 9, "visit": -1}.items():
        assert set(getattr(made, name).tolist()) == {value}
    assert np.isnan(made.propensity).all()


def test_synthetic_rows_are_spread_evenly_and_grow_up_to_the_most() -> None:
    """The share of each model is as said; users and items come alike (4 standard errors); a model without items makes none."""
    rows = table(*[(user % 40, 1, MODEL) for user in range(400)])
    recipe = rs.SyntheticRows(share=0.1, growth=0.2, most=0.6, best=10)
    for number, share in ((1, 0.1), (2, 0.3), (4, 0.6), (9, 0.6)):
        more = recipe.apply(rows, lesson(number=number))
        assert more.weight[400:].sum() / more.weight.sum() == pytest.approx(share, abs=1e-3)
    made = rs.SyntheticRows(share=0.95).apply(rows, lesson()).take(np.arange(400, 8000))
    for column, kinds in ((made.user, 40), (made.item, 3)):
        counts, mean = np.array(list(Counter(column.tolist()).values())), len(made) / kinds
        assert len(counts) == kinds and np.abs(counts - mean).max() < 4 * np.sqrt(mean * (1 - 1 / kinds))
    assert same(recipe.apply(rows, lesson(ranking=())), rows)


def test_wrong_labels() -> None:
    """A share of the labels is wrong (4 standard errors), origins stay; a row's coin is its own, whoever stands beside it."""
    origin = [MODEL, EXPLORE, ORGANIC, SURVEY] * 1000
    rows = table(*[(n % 50, n % 6, origin[n]) for n in range(4000)], visit=[n if n % 4 < 3 else -1 for n in range(4000)])
    mistaken = rs.WrongLabels(rate=0.3).apply(rows, lesson(number=4))
    wrong = mistaken.label != rows.label
    for code, label in ((MODEL, ORGANIC), (EXPLORE, ORGANIC), (ORGANIC, MODEL), (SURVEY, MODEL)):
        ours = rows.origin == code
        assert abs(wrong[ours].sum() - 300) < 4 * np.sqrt(1000 * 0.3 * 0.7)
        assert set(mistaken.label[ours & wrong]) == {label}
    assert np.array_equal(mistaken.origin, rows.origin)
    some = np.arange(3999, 0, -7)
    assert same(rs.WrongLabels(rate=0.3).apply(rows.take(some), lesson(number=9)), mistaken.take(some))
    assert not (wrong & (rs.WrongLabels(rate=0.5).apply(rows, lesson()).label == rows.label)).any()


def test_tastes() -> None:
    """The mean topics of a user's rows by weight; zeros for who has none."""
    topics = np.array([[1.0, 0.0], [0.0, 1.0]])
    found = tastes(table((0, 0, MODEL), (0, 1, MODEL), (0, 1, MODEL), (2, 1, MODEL), weight=[2.0, 1.0, 1.0, 7.0]), 3, topics)
    assert found.tolist() == [[0.5, 0.5], [0.0, 0.0], [0.0, 1.0]]
    assert tastes(table(), 2, topics).tolist() == [[0.0, 0.0], [0.0, 0.0]]


# ------------------------------------------------------------------------------------------------------ in a world
@pytest.fixture
def taught(monkeypatch: pytest.MonkeyPatch) -> dict[int, Rows]:
    """The rows that every Popularity model was fitted on, by the number of the model."""
    lessons: dict[int, Rows] = {}
    fit = rs.Popularity.fit

    def noted(self: rs.Popularity, rows: Rows, setting: rs.Fitting) -> rs.Model:
        lessons[setting.epoch] = rows
        return fit(self, rows, setting)

    monkeypatch.setattr(rs.Popularity, "fit", noted)
    return lessons


def digest(scenario: rs.Scenario, **how: int) -> str:
    """Return the digest of a run of a scenario."""
    return rs.run(scenario, seed=7, progress=False, **how).digest


@pytest.mark.parametrize("name", EVERY_RULE)
def test_a_rule_that_is_off_leaves_the_log_byte_for_byte(small: rs.Scenario, name: str) -> None:
    """Its strength at the least value, the rule might as well not stand there, wherever it stands; else the log is another."""
    on, off = EVERY_RULE[name]
    plain = small.but(training=(rs.Window(last=2), EXPLORED), days=10.0)
    assert digest(plain.but(training=(rs.Window(last=2), on, EXPLORED))) != digest(plain)
    if off:
        assert digest(plain.but(training=(rs.Window(last=2), off, EXPLORED))) == digest(plain)
        assert digest(plain.but(training=(off, rs.Window(last=2), EXPLORED, off))) == digest(plain)


def test_rules_work_one_after_the_other(small: rs.Scenario, taught: dict[int, Rows]) -> None:
    """What stands behind works on what stands before; a window comes first, wherever it stands."""
    one = small.but(recommender=rs.Popularity(), days=7.0)

    def rows(*rules: Rule) -> Rows:
        taught.clear()
        digest(one.but(training=rules))
        return taught[2]

    none, fill = rs.OriginWeights(synthetic=0.0), rs.SyntheticRows(share=0.5)
    assert (rows(none, fill).origin == SYNTHETIC).sum() > 100
    assert (rows(fill, none).origin == SYNTHETIC).sum() == 0
    keep, heavy = rs.Reservoir(rows=1), rs.OriginWeights(organic=3.0)
    window = rs.Window(last=1)
    back = rows(heavy, keep, window).weight[rows(heavy, window).weight.size :]
    assert len(back) and set(back) == {1.0}
    assert set(rows(window, keep, heavy).weight[-len(back) :]) == {3.0}
    assert same(rows(window, keep, heavy), rows(keep, heavy, window, rs.Window(last=2)))


def test_all_rules_together_are_indifferent_to_tiles_threads_and_interruptions(small: rs.Scenario, tmp_path: Path) -> None:
    """Eight rules, in the open loop too: tiles, threads, and a run gone on with after Ctrl-C change nothing."""

    def stop(done: float, text: str) -> None:
        if done > 0.7:
            raise KeyboardInterrupt

    for open_loop in (False, True):
        scenario, out = small.but(training=ALL, open_loop=open_loop), tmp_path / f"{open_loop}"
        whole = digest(scenario)
        assert digest(scenario, tile=37, threads=2) == whole
        with pytest.raises(KeyboardInterrupt):
            rs.run(scenario, seed=7, out=out, progress=stop)
        assert rs.run(out=out, resume=True, progress=False).digest == whole


ONE_ITEM = rs.Scenario(
    days=4.0, slate=1, consumption="again", consumed="stay", recommender=rs.Popularity(), retrain=rs.Retrain(every=1.0),
    population=rs.SyntheticUsers(users=4, topics=2), catalog=rs.SyntheticItems(items=1, topics=2),
    visits=rs.Regular(period=1.0), choice=rs.AlwaysClick(), signals=(rs.Survey(rate=1.0, from_day=0.5),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "depths"),
    [
        ((), [1, 1 + 4 / 8, 1 + (4 + 6) / 16, 1 + (4 + 6 + 6.5) / 24]),
        ((rs.OriginWeights(survey=3.0),), [1, 1 + 4 / 16, 1 + (4 + 5) / 32, 1 + (4 + 5 + 5.125) / 48]),
        ((rs.Window(last=1),), [1, 1 + 4 / 8, 1 + 6 / 8, 1 + 7 / 8]),
        ((rs.OriginWeights(survey=0.0),), [1, 2, 1 + (4 + 8) / 8, 1 + (4 + 8 + 10) / 12]),
    ],
    ids=["all", "survey first", "replace", "no survey"],
)
def test_depth_by_hand(rules: tuple[Rule, ...], depths: list[float]) -> None:
    """One item, four people who click it daily and name it daily in a survey: the depth of every epoch, by hand."""
    clicks = rs.run(ONE_ITEM.but(training=rules), seed=1, progress=False).clicks
    assert clicks.groupby(["epoch", "origin"]).size().eq(4).all()
    assert (clicks.loc[clicks["origin"] == SURVEY, "depth"] == 0).all()
    assert clicks[clicks["origin"] == MODEL].groupby("epoch")["depth"].unique().str[0].tolist() == depths


def test_depth_is_that_of_the_log(small: rs.Scenario) -> None:
    """Of many items, with exploration and human signal: 1 + the mean depth, by weight, of the rows about the item."""
    weights = {MODEL: 1.0, EXPLORE: 0.5, ORGANIC: 2.0, SURVEY: 3.0}
    scenario = small.but(
        recommender=rs.Popularity(), retrain=rs.Retrain(every=3.0), signals=(rs.Survey(count=20, from_day=1.0),),
        training=(rs.OriginWeights(explore=0.5, organic=2.0, survey=3.0),),
    )  # fmt: skip
    log = rs.run(scenario, seed=3, progress=False).clicks
    weight = log["origin"].map(weights)
    checked = 0
    for row in log[(log["origin"] == MODEL) & (log["epoch"] <= 3)].itertuples():
        before = (log["time"] < row.epoch * 3 * DAY) & (log["item"] == row.item)
        mean = np.average(log["depth"][before], weights=weight[before]) if before.any() and row.epoch else 0.0
        assert row.depth == pytest.approx(1 + mean, rel=1e-12)
        checked += row.depth > 1
    assert checked > 100


def test_no_row_from_after_the_cut_teaches(small: rs.Scenario, taught: dict[int, Rows]) -> None:
    """Nor one from the very second of the cut: an answer given then waits for the next model, and is not lost to it."""
    every = small.retrain.every
    scenario = small.but(recommender=rs.Popularity(), signals=(rs.Survey(rate=1.0, every=every),))
    users, rules = scenario.population.users, (rs.Reservoir(rows=2), rs.SyntheticRows(share=0.2))
    for window, answers in (((), [users, 2 * users, 3 * users, 4 * users]), ((rs.Window(last=1),), [users] * 4)):
        for more in ((), rules):
            digest(scenario.but(training=(*window, *more)))
            for number, rows in taught.items():
                assert rows.time.max() < number * every * DAY
            if not more:
                assert [int((rows.origin == SURVEY).sum()) for rows in taught.values()] == answers


def test_every_injected_row_teaches_once(small: rs.Scenario, taught: dict[int, Rows]) -> None:
    """Answers and replayed rows are in the training data exactly once, with their weight, origin and depth 0."""
    scenario = small.but(
        recommender=rs.Popularity(), training=(rs.OriginWeights(survey=2.5, anchor=0.5),),
        signals=(rs.Survey(count=15, every=0.7), rs.AnchorReplay(rate=0.5, size=60, every=1.0), rs.AnchorReplay(count=3, size=9)),
    )  # fmt: skip
    log = rs.run(scenario, seed=7, progress=False).clicks
    for number, rows in taught.items():
        before = log[log["time"] < number * small.retrain.every * DAY]
        for origin, weight in ((SURVEY, 2.5), (ANCHOR, 0.5)):
            ours, theirs = rows.take(rows.origin == origin), before[before["origin"] == origin]
            assert list(zip(ours.user, ours.item, ours.time, strict=True)) == list(
                zip(theirs["user"], theirs["item"], theirs["time"], strict=True)
            )
            assert set(ours.weight) == {weight} and set(ours.depth) == {0.0} and set(ours.label) == {origin}
            assert not theirs["clicked"].any() and len(ours)
        assert len(rows) == len(before)
    counts = log.groupby(["origin", "time"]).size()
    assert set(counts[SURVEY]) == {15} and len(counts[SURVEY]) == 19
    assert (counts[ANCHOR].loc[[0, 3 * DAY, 6 * DAY]] > 3).all()


# ------------------------------------------------------------------------------------------------------- the placebo
def world(scenario: rs.Scenario, day: float) -> World:
    """Return a world at a day."""
    return World(scenario, 7).advance(day)


def test_in_the_open_loop_shadow_rows_teach_and_nothing_else(small: rs.Scenario, taught: dict[int, Rows]) -> None:
    """For each click one shadow row of the same user and second; a model counts those before its cut, and no click."""
    scenario = small.but(recommender=rs.Popularity(), open_loop=True, signals=(rs.Survey(rate=0.1),))
    end = world(scenario, scenario.days)
    shadow, clicks = pd.DataFrame(end.shadow.columns()), pd.DataFrame(end.log.columns()).query("clicked")
    pairs = ["user", "time", "visit"]
    assert shadow.groupby(pairs).size().equals(clicks.groupby(pairs).size())
    assert set(shadow["origin"]) == {ORGANIC} and not shadow["clicked"].any()
    assert not shadow.duplicated(["user", "item"]).any()
    assert set(clicks["origin"]) - {ORGANIC}
    for number, rows in taught.items():
        before = shadow[shadow["time"] < number * small.retrain.every * DAY]
        assert rows.per_item(80).tolist() == np.bincount(before["item"], minlength=80).tolist()
        assert np.isin(rows.origin, HUMAN).all() and not rows.depth.any()
    before = shadow[shadow["time"] < end.cuts * small.retrain.every * DAY]
    assert end.model.counts.tolist() == np.bincount(before["item"], minlength=80).tolist()


@pytest.mark.parametrize("consumption", ["once", "again"])
def test_nobody_consumes_what_the_shadow_does(small: rs.Scenario, consumption: str) -> None:
    """Under a model that learns nothing the open loop leaves the log as it was, but for the depth of what taught it."""
    deaf = small.but(recommender=rs.Random(), consumption=consumption)
    ours, theirs = (world(one, small.days).log.columns() for one in (deaf, deaf.but(open_loop=True)))
    for name in set(SCHEMA) - {"depth"}:
        assert ours[name].tobytes() == theirs[name].tobytes(), name
    assert set(theirs["depth"]) == {0.0, 1.0} and ours["depth"].max() > 1


@pytest.mark.parametrize("last", [1, 2])
def test_a_world_that_may_be_forked_publishes_the_counts_of_its_window(small: rs.Scenario, last: int) -> None:
    """Though it keeps all intervals: whatever a fork may need, what is published is that of a world that keeps the window."""
    windowed = small.but(policy=rs.UCB(), training=(rs.Window(last=last),))
    plain, kept = world(windowed, 12.9), World(windowed, 7, forks=True).advance(12.9)
    assert np.array_equal(plain.feed.published.impressions, kept.feed.published.impressions)
    assert plain.feed.published.impressions.sum() < plain.counters.ever[0].sum()


@pytest.mark.parametrize("consumption", ["once", "again"])
def test_a_fork_into_the_open_loop_has_the_shadow_of_its_past(small: rs.Scenario, consumption: str) -> None:
    """For the same clicks the shadow rows are those of a world that was open from the start, also where items run out."""
    deaf = small.but(
        recommender=rs.Random(), consumption=consumption, catalog=rs.SyntheticItems(items=15, topics=6), days=7.0,
        choice=rs.Luce(outside=1.0, clicks=3), training=(rs.Window(last=1),), population=rs.SyntheticUsers(users=40, topics=6),
    )  # fmt: skip
    open_ = deaf.but(open_loop=True)
    for day in (2.0, 5.0):
        forked, always = World(deaf, 7, forks=True).advance(day).fork(open_), world(open_, day)
        for until in (day, deaf.days):
            ours, theirs = (one.advance(until).shadow.columns() for one in (forked, always))
            assert len(ours["time"]) > 100
            for name in SCHEMA:
                assert ours[name].tobytes() == theirs[name].tobytes(), name
            assert same(forked.feed.training_rows(forked.now), always.feed.training_rows(always.now))
