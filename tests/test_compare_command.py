"""`recsim compare`: what it prints for people and for scripts, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import ASKING, PLAIN, call

import recsim as rs
from recsim import comparison


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder that holds two scenarios."""
    monkeypatch.chdir(tmp_path)
    for name, arm in (("plain", PLAIN), ("asking", ASKING)):
        Path(f"{name}.toml").write_text(arm.toml())


COMMAND = ["compare", "plain.toml", "asking.toml", "--seeds", "2", "--workers", "1"]


def test_people_get_table_answer_and_figure(files: None) -> None:
    """The command ends with the league, a sentence, a figure and the folder; no escape codes where there is no terminal."""
    code, out, err = call(*COMMAND)
    assert (code, err) == (0, "")
    folder = Path("runs") / "compare-plain"
    loaded = rs.Comparison.load(folder)
    assert all(metric in out for metric in comparison.LEAGUE)
    assert " ".join(loaded.answer().split()) in " ".join(out.split())
    assert out.rstrip().endswith(str(folder))
    assert (folder / "league.png").read_bytes().startswith(b"\x89PNG")
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80


def test_json_is_one_object(files: None) -> None:
    """With --json there is one object: what was compared, and the differences; more seeds extend it."""
    code, out, err = call(*COMMAND, "--out", "there", "--json", "--last", "2", "--controls", "--price-click", "0.5")
    told = json.loads(out, parse_constant=pytest.fail)
    assert (code, err, told["arms"][:2], told["seeds"], told["last"]) == (0, "", ["plain", "asking"], [1, 2], 2)
    assert set(told["arms"][2:]) == set(PLAIN.controls())
    code, out, _ = call("compare", "--resume", "--out", "there", "--seeds", "3", "--json", "--workers", "1")
    told = json.loads(out)
    assert (code, told["seeds"], told["last"], told["price_click"]) == (0, [1, 2, 3], 2, 0.5)


def test_doses_and_equal_cost_by_command(files: None) -> None:
    """--equal-cost tunes the arms, --dose draws their responses; controls are left as they are."""
    code, out, _ = call(*COMMAND, "--out", "there", "--equal-cost", "30", "--dose", "--controls")
    assert code == 0
    assert "asking: signals.0.count = " in out
    assert rs.Comparison.load("there").strengths["arm"].tolist() == ["asking"]
    assert Path("there/dose.png").read_bytes().startswith(b"\x89PNG")
    assert "asking" in pd.read_parquet("there/dose.parquet")["arm"].unique()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare"], "there is nothing to compare"),
        (["compare", "plain.toml"], "arms: give at least two scenarios"),
        (["compare", "plain.toml", "plain.toml"], "two scenarios are called plain"),
        (["compare", "--resume"], "--resume: there is no folder"),
        ([*COMMAND, "--strength", "asking"], "is no ARM=PATH"),
        ([*COMMAND, "--warm-up", "3.2"], "a model waits to go live"),
        ([*COMMAND, "--seeds", "x"], "compare: invalid value"),
    ],
)
def test_mistakes_are_one_line(files: None, arguments: list[str], says: str) -> None:
    """A mistake on the command line ends with 2 and one line."""
    code, out, err = call(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_arms_of_one_name_are_called_after_their_files(files: None) -> None:
    """Two scenarios of the same name are told apart by their files."""
    Path("other.toml").write_text(ASKING.but(name="plain").toml())
    _, out, _ = call("compare", "plain.toml", "other.toml", "--seeds", "1", "--workers", "1", "--json")
    assert json.loads(out)["arms"] == ["plain", "other"]
