"""The scenario files that come with recsim: all of them run, and the documents name them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

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


@pytest.fixture
def illusion(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script about the benchmark that does not tell."""
    monkeypatch.syspath_prepend(str(HOME / "scenarios"))
    return importlib.import_module("illusion")


def test_the_first_pages_tell_what_the_table_of_the_benchmark_says(illusion: ModuleType) -> None:
    """The sentence in README and docs/index.md is the one that the script makes of the table in docs/benchmark.md."""
    between = illusion.marks.between
    table = between((HOME / "docs" / "benchmark.md").read_text(encoding="utf-8"), "illusion")
    told = illusion.sentence(table)
    pages = {name: (HOME / name).read_text(encoding="utf-8") for name in ("README.md", "docs/index.md")}
    assert {name: between(text, "illusion in words") for name, text in pages.items()} == dict.fromkeys(pages, told)
    for old, new in (("0.111 (-0.052 ±", "0.112 (-0.051 ±"), ("0.653 → 0.629", "0.653 → 0.628"), ("20 seeds", "9 seeds")):
        assert illusion.sentence(table.replace(old, new)) != told
    assert rs.Scenario.load(HOME / "scenarios" / "collapse.toml").days == 20 * 7  # the sentence calls it 20 weeks


def test_the_script_about_the_benchmark_writes_its_table_and_the_sentence(
    illusion: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a world of a few people each file gets what it has marks for, and the sentence has the figures of the table's row."""
    small = TINY.but(benchmark=3)
    last = small.but(slate=2)
    monkeypatch.setattr(illusion, "arms", lambda: dict(zip(illusion.DRAWN, (small, last), strict=True)))
    names = "illusion", "illusion in words"
    old, words = (f"[\n<!-- {name}: begin -->\nold\n<!-- {name}: end -->\n]\n" for name in names)
    both, alone = tmp_path / "both.md", tmp_path / "alone.md"
    both.write_text(old + words)
    alone.write_text(words)
    monkeypatch.setattr(sys, "argv", ["illusion.py", "--seeds", "2", "--write", str(both), str(alone)])
    illusion.main()
    text = both.read_text(encoding="utf-8")
    table, told = (illusion.marks.between(text, name) for name in names)
    assert text == (old + words).replace("old\n", table, 1).replace("old\n", told, 1)
    assert alone.read_text(encoding="utf-8") == words.replace("old\n", told)
    runs = [rs.run(last, seed=seed, progress=False).series("coverage_model") for seed in (1, 2)]
    first, final = (50 * sum(run.iloc[at] for run in runs) for at in (1, -1))
    assert f"shows {first:.1f} % of\nthe films at first and {final:.1f} % after" in told
    assert "over 2 seeds" in told
    with pytest.raises(rs.RecsimError, match=r"^table: has no row 'last 3 weeks teach'"):
        illusion.sentence(table.replace("last 3 weeks", "last 2 weeks"))


@pytest.mark.parametrize(("text", "fault"), [("no marks\n", "has no place for the table"), (None, "cannot be read")])
def test_a_script_makes_nothing_for_a_file_without_marks(
    illusion: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, fault: str
) -> None:
    """One line says which file it is, before anything has been simulated."""
    monkeypatch.setattr(illusion, "arms", lambda: pytest.fail("it has begun"))
    path = tmp_path / "text.md"
    path.write_text(text) if text else None
    monkeypatch.setattr(sys, "argv", ["illusion.py", "--write", str(path)])
    with pytest.raises(SystemExit, match=fault) as said:
        illusion.main()
    assert "\n" not in str(said.value)


def test_a_rival_model_gets_about_the_click_rate_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outside option found lies within a twentieth of the one at which a made-up click rate is the wanted one."""
    monkeypatch.syspath_prepend(str(HOME / "scenarios"))
    robust = importlib.import_module("robust")
    monkeypatch.setattr(robust, "clicked", lambda _, settings: 1 / settings["choice.outside"])
    found = robust.fitting(TINY, {"choice.kind": "Cascade"}, 1 / 17)
    assert found["choice.kind"] == "Cascade"
    assert abs(found["choice.outside"] / 17 - 1) < 0.05
