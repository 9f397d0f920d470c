"""The scenario files that come with recsim: all of them run, and the documents name them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest
from small_studies import TINY

import recsim as rs
from recsim.recipe import family

HOME = Path(__file__).parent.parent
STRATEGIES = sorted((HOME / "scenarios" / "strategies").glob("*.toml"))


@pytest.mark.parametrize("path", STRATEGIES, ids=lambda path: path.stem)
def test_every_strategy_runs_on_the_made_up_world(path: Path) -> None:
    """A strategy's file, on another base than its own, gives a world that differs from the base in feed, training or signals."""
    base = HOME / "scenarios" / "quickstart.toml"
    scenario = rs.Scenario.load(path, base)
    rs.World(rs.Scenario.load(base), 1).fork(scenario)
    assert scenario.name == path.stem
    assert scenario.about
    assert rs.run(scenario.but(days=15), seed=1, progress=False).metrics["visits"] > 0


def test_the_documents_name_every_strategy_and_kind() -> None:
    """No file and no kind of policy, signal or training rule is missing in docs/strategies.md."""
    text = (HOME / "docs" / "strategies.md").read_text(encoding="utf-8")
    assert [path.stem for path in STRATEGIES if f"| {path.stem} |" not in text] == []
    kinds = {kind for base in (rs.Policy, rs.Signal, rs.Rule) for kind in family(base)}
    assert [kind for kind in kinds if f"`{kind}`" not in text] == []


def test_a_base_is_laid_under(tmp_path: Path) -> None:
    """What a file says replaces what its base says, table by table; name and about are its own."""
    policy = '[policy]\nkind = "EpsilonGreedy"\nepsilon = 0.5\n'
    (tmp_path / "under.toml").write_text(f'about = "under"\ndays = 30\nslate = 4\n{policy}')
    (tmp_path / "over.toml").write_text('base = "under.toml"\nslate = 7\n[policy]\nkind = "Greedy"\n')
    over = rs.Scenario.load(tmp_path / "over.toml")
    assert (over.name, over.about, over.days, over.slate, over.policy) == ("over", "", 30, 7, rs.Greedy())


@pytest.mark.parametrize("base", ['"loop.toml"', '"nowhere.toml"', "3", '"."'])
def test_a_base_that_leads_nowhere_is_said(tmp_path: Path, base: str) -> None:
    """A base that is missing, no file, no text, or the file itself is one line."""
    (tmp_path / "loop.toml").write_text(f"base = {base}\n")
    with pytest.raises(rs.RecsimError) as fault:
        rs.Scenario.load(tmp_path / "loop.toml")
    assert "\n" not in str(fault.value)


def test_controls_differ_from_the_feed_and_run() -> None:
    """Every control is an arm of the same world, and is what it says."""
    first = rs.Scenario(
        days=15, consumption="again", consumed="stay", population=rs.SyntheticUsers(users=150, topics=6),
        catalog=rs.SyntheticItems(items=60, topics=6),
        recommender=rs.ALS(factors=8, iterations=3), policy=rs.EpsilonGreedy(epsilon=0.1),
        training=(rs.Window(last=1),), retrain=rs.Retrain(every=3),
    )  # fmt: skip
    runs = {name: rs.run(arm, seed=1, progress=False) for name, arm in first.controls().items()}
    assert set(runs) == {"oracle", "random", "popularity", "no feed", "open loop", "all items known"}
    plain = rs.run(first, seed=1, progress=False)
    assert len({run.digest for run in (plain, *runs.values())}) == 7
    assert runs["no feed"].metrics["feed_clicks"] == 0
    assert runs["oracle"].metrics["utility"] > plain.metrics["utility"] > runs["random"].metrics["utility"]
    known = runs["all items known"].clicks
    assert known.loc[known["origin"] == rs.Origin.ANCHOR].groupby("time")["item"].nunique().eq(60).all()
    open_loop = runs["open loop"]
    assert open_loop.metrics["human_share"] == 1.0
    assert open_loop.metrics["depth"] == 0.0


def test_a_feed_that_learns_from_click_rates_has_no_open_loop() -> None:
    """Its other controls are there; asked for by hand the placebo is refused in one line."""
    for settings in ({"policy": rs.UCB()}, {"recommender": rs.Popularity(score="click_rate")}):
        first = rs.Scenario(**settings)
        assert set(first.controls()) == {"oracle", "random", "popularity", "no feed", "all items known"}
        with pytest.raises(rs.RecsimError, match=r"click rates$"):
            first.but(open_loop=True)


def test_the_script_about_robustness_writes_its_table_and_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a world of a few people: a row a metric and pair, in their place, and a picture; rival models are found for it."""
    monkeypatch.syspath_prepend(str(HOME / "scenarios"))
    robust = importlib.import_module("robust")
    arms = {"greedy": TINY, "chance": TINY.but(policy=rs.EpsilonGreedy(epsilon=0.5)), "searches": TINY.but(slate=3)}
    monkeypatch.setattr(robust, "arms", lambda: arms)
    monkeypatch.setattr(robust, "POINTS", 2)
    monkeypatch.setattr(robust, "LAST", 1)
    monkeypatch.setattr(rs, "bootstrapped", lambda *_: [])
    text, figure = tmp_path / "text.md", tmp_path / "figure.png"
    text.write_text("before\n<!-- robust: begin -->\nold\n<!-- robust: end -->\nafter\n")
    monkeypatch.setattr(sys, "argv", ["robust.py", "--seeds", "2", "--write", str(text), "--figure", str(figure)])
    robust.main()
    lines = text.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 1 + len(robust.SHOWN) * 3
    assert {row.count("|") for row in rows} == {len(robust.TITLES) + 1}
    assert all(" of 5 |" in row for row in rows[1:])
    assert "3 choice, 2 assumed" in lines[-3]
    assert (lines[0], lines[-1]) == ("before", "after")
    assert figure.read_bytes()[:4] == b"\x89PNG"


def test_a_rival_model_gets_about_the_click_rate_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outside option found lies within a twentieth of the one at which a made-up click rate is the wanted one."""
    monkeypatch.syspath_prepend(str(HOME / "scenarios"))
    robust = importlib.import_module("robust")
    monkeypatch.setattr(robust, "clicked", lambda _, settings: 1 / settings["choice.outside"])
    found = robust.fitting(TINY, {"choice.kind": "Cascade"}, 1 / 17)
    assert found["choice.kind"] == "Cascade"
    assert abs(found["choice.outside"] / 17 - 1) < 0.05
