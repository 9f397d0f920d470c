"""Attribution: shares that add up, worlds with and without each cause, and what is not there to be taken away."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from conftest import TRAINED
from hypothesis import given, settings
from hypothesis import strategies as st

import recsim as rs
from recsim.attribution import SWITCHES, Apart, attribute, interaction, main_effect, shapley
from recsim.behaviour import position_bias
from recsim.inference import interval
from recsim.simulation import World

EVERYTHING = TRAINED.but(days=24.0, dynamics=(rs.Reinforcement(rate=0.05), rs.Relaxation(days=30.0)))


def game(causes: int) -> st.SearchStrategy[list[float]]:
    """Values of all worlds of some causes."""
    return st.lists(st.floats(-10, 10), min_size=1 << causes, max_size=1 << causes)


def by_orders(values: list[float], causes: int) -> list[float]:
    """Return the Shapley values as they are defined: what each adds as it comes, averaged over all orders."""
    added = np.zeros(causes)
    orders = list(permutations(range(causes)))
    for order in orders:
        there = 0
        for cause in order:
            added[cause] += values[there | 1 << cause] - values[there]
            there |= 1 << cause
    return (added / len(orders)).tolist()


@settings(max_examples=60)
@given(st.integers(1, 4).flatmap(lambda causes: st.tuples(st.just(causes), game(causes))))
def test_shares_are_those_over_all_orders_and_add_up(drawn: tuple[int, list[float]]) -> None:
    """Shapley values are the average over all orders, and their sum is what all causes together do."""
    causes, values = drawn
    found = shapley(values)
    assert found.tolist() == pytest.approx(by_orders(values, causes), abs=1e-9)
    assert found.sum() == pytest.approx(values[-1] - values[0], abs=1e-9)


@settings(max_examples=40)
@given(st.lists(st.floats(-10, 10), min_size=3, max_size=3), st.floats(-10, 10), st.floats(-10, 10))
def test_effects_of_a_known_game(each: list[float], both: float, base: float) -> None:
    """Three causes that add up but for the first two: every effect is as put in."""
    there = np.array([[world >> cause & 1 for cause in range(3)] for world in range(8)])
    values = base + there @ each + both * there[:, 0] * there[:, 1]
    wanted = [each[0] + both / 2, each[1] + both / 2, each[2]]
    assert shapley(values).tolist() == pytest.approx(wanted, abs=1e-9)
    assert [float(main_effect(values, cause)) for cause in range(3)] == pytest.approx(wanted, abs=1e-9)
    pairs = [float(interaction(values, *pair)) for pair in ((0, 1), (0, 2), (1, 2))]
    assert pairs == pytest.approx([both, 0, 0], abs=1e-9)


def test_main_effects_and_shares_differ_where_three_causes_need_each_other() -> None:
    """A cause that counts only beside both others has a third of what they do together, and a quarter as main effect."""
    values = [0.0] * 7 + [1.0]
    assert shapley([values, values])[1].tolist() == pytest.approx([1 / 3] * 3)
    assert float(main_effect(values, 2)) == 0.25


@pytest.mark.parametrize("worlds", [1, 3, 6])
def test_values_of_some_worlds_only_are_refused(worlds: int) -> None:
    """The number of worlds is a power of two."""
    with pytest.raises(rs.RecsimError, match=r"^values: there are \d worlds"):
        shapley(np.zeros(worlds))


# ------------------------------------------------------------------------------------------------------------ the worlds
@pytest.fixture(scope="module")
def found() -> rs.Attribution:
    """Two causes on a small world, and one that does nothing at all."""
    idle = EVERYTHING.but(training=(rs.Window(last=2), rs.OriginWeights()))
    switches = {"loop": SWITCHES["loop"], "idle": lambda s: s.but(training=s.training[:1]), "cold start": SWITCHES["cold start"]}
    return attribute(idle, switches, "gini", 3, workers=1, progress=False)


def test_worlds_are_those_of_the_scenarios(found: rs.Attribution) -> None:
    """World 7 is the scenario itself, world 6 its open loop: the mean of the last epochs of a run of its own."""
    for number, scenario in ((7, EVERYTHING), (6, EVERYTHING.but(open_loop=True))):
        for place, seed in enumerate(found.seeds):
            series = rs.run(scenario, seed=seed, progress=False).series("gini").to_numpy()
            assert found.worlds()[place, number] == series[-found.last :].mean()


def test_what_does_nothing_explains_nothing(found: rs.Attribution) -> None:
    """A cause without effect has exactly 0 in every term; the shares of the others add up to 1."""
    effects = found.effects.set_index(["kind", "term"])
    for kind in ("alone", "last", "main", "shapley"):
        assert (effects.loc[(kind, "idle"), ["value", "low", "high"]] == 0).all()
    assert effects.loc[("interaction", "loop x idle"), "value"] == 0
    assert effects.loc["shapley", "share"].sum() == pytest.approx(1)
    assert effects.loc[("last", "loop"), "value"] != 0


def test_effects_are_contrasts_with_intervals_over_seeds(found: rs.Attribution) -> None:
    """Each effect is the mean of what it is under each seed, with Student's t interval."""
    effects, v = found.effects.set_index(["kind", "term"]), found.worlds()
    wanted = {
        ("total", "all causes"): v[:, 7] - v[:, 0], ("alone", "cold start"): v[:, 4] - v[:, 0],
        ("last", "loop"): v[:, 7] - v[:, 6], ("shapley", "loop"): shapley(v)[:, 0],
    }  # fmt: skip
    for key, each in wanted.items():
        assert effects.loc[key, ["value", "low", "high"]].tolist() == pytest.approx(interval(each))
    share = effects.loc[("shapley", "loop"), "value"] / effects.loc[("total", "all causes"), "value"]
    assert effects.loc[("shapley", "loop"), "share"] == pytest.approx(share)
    assert len(effects) == 1 + 4 * 3 + 3
    assert found.effects_on("coverage_model")["value"].iloc[0] != effects["value"].iloc[0]
    assert "loop x cold start" in found.table()
    with pytest.raises(rs.RecsimError, match=r"^metric: there is no 'ginny'"):
        found.effects_on("ginny")


def test_known_items_are_known_in_the_open_loop_too() -> None:
    """What is replayed teaches beside the shadow rows, one row an item and moment, and nothing else of the log does."""
    open_world = SWITCHES["cold start"](EVERYTHING).but(open_loop=True)
    plain, apart = (kind(open_world, 1).advance(10.0) for kind in (World, Apart))
    rows = apart.feed.training_rows(10 * 86400)
    replayed = rows.origin == rs.Origin.ANCHOR
    assert np.bincount(rows.item[replayed], minlength=50).min() == 2
    assert np.array_equal(np.sort(rows.time), rows.time)
    assert (~replayed).sum() > 100
    assert not (plain.feed.training_rows(10 * 86400).origin == rs.Origin.ANCHOR).any()


def test_each_switch_takes_one_cause_away() -> None:
    """The open loop, even attention of the same volume, people who are as they were born, and items that are known."""
    assert SWITCHES["loop"](EVERYTHING).open_loop
    assert [moved.kind for moved in SWITCHES["reinforcement"](EVERYTHING).dynamics] == ["Relaxation"]
    even = SWITCHES["position bias"](EVERYTHING).choice
    assert even.bias == "none"
    assert 5 / even.outside == pytest.approx(position_bias("log", 5).sum() / 4.0)
    assert SWITCHES["cold start"](EVERYTHING).signals[-1].each == "item"


@pytest.mark.parametrize(
    ("scenario", "more", "says"),
    [
        (EVERYTHING.but(dynamics=()), {}, "switches: reinforcement is not at work"),
        (EVERYTHING.but(choice=rs.AlwaysClick()), {"switches": ["position bias"]}, "switches: position bias cannot be taken"),
        (EVERYTHING, {"switches": ["lop"]}, "switches: there is no 'lop'"),
        (EVERYTHING, {"switches": []}, "switches: there are 0"),
        (EVERYTHING, {"switches": {str(n): SWITCHES["loop"] for n in range(7)}}, "switches: there are 7"),
        (EVERYTHING, {"last": 60}, "last: there are"),
        (EVERYTHING, {"seeds": 0}, "seeds: "),
        (EVERYTHING, {"switches": "loop", "metric": "ginny", "workers": 1}, "metric: there is no 'ginny'"),
    ],
)
def test_what_cannot_be_attributed_is_said(scenario: rs.Scenario, more: dict, says: str) -> None:
    """One line says what is wrong."""
    with pytest.raises(rs.RecsimError) as fault:
        attribute(scenario, **({"seeds": 1, "progress": False} | more))
    assert str(fault.value).startswith(says)
    assert "\n" not in str(fault.value)
