"""`recsim study`: what it prints for people and for scripts, and how it ends."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from conftest import call
from small_studies import TINY, cells

import recsim as rs
from recsim import executors

STUDY = """
about = "does exploring help?"
seeds = 2
base = "tiny.toml"
[factors]
"policy" = [{name = "greedy", kind = "Greedy"}, {name = "exploring", kind = "EpsilonGreedy"}]
[keep]
metrics = ["coverage*"]
"""
RUN = ["study", "which.toml", "--workers", "1"]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder that holds a scenario and a study of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("tiny.toml").write_text(TINY.toml())
    Path("which.toml").write_text(STUDY)


def test_people_get_numbers_and_the_folder(files: None) -> None:
    """The command ends with how many cells were run and where they are; run again it runs none, under its full name too."""
    code, out, err = call(*RUN)
    assert (code, err) == (0, "")
    assert out.splitlines() == ["cells  4: 4 run now, 0 there already", f"study  {Path('runs') / 'study-which'}"]
    code, out, _ = call("study", "run", "which.toml")
    assert (code, out.splitlines()[0]) == (0, "cells  4: 0 run now, 4 there already")
    assert rs.open_study("runs/study-which")["policy"].unique().tolist() == ["greedy", "exploring"]


def test_json_is_one_object(files: None) -> None:
    """With --json there is one object, also when cells failed; options may come first."""
    code, out, err = call("study", "--json", "--out", "there", "--workers", "1", "which.toml")
    assert (code, err) == (0, "")
    assert json.loads(out) == {"out": "there", "cells": 4, "ran": 4, "failed": []}


def test_each_cell_has_a_command(files: None) -> None:
    """`plan` prints a command for each cell that is missing; they do their cell once, and the study then finds all there."""
    code, out, err = call("study", "plan", "which.toml", "--out", "a folder")
    commands = [shlex.split(line) for line in out.splitlines()]
    assert (code, err, len(commands)) == (0, "", 4)
    assert all(command[:5] == ["recsim", "study", "cell", "a folder", command[4]] for command in commands)
    for command in commands[:3]:
        code, out, _ = call(*command[1:])
        assert (code, out) == (0, f"{command[4][:12]}  is done\n")
    assert call(*commands[0][1:])[1] == f"{commands[0][4][:12]}  was there already\n"
    assert len(json.loads(call("study", "plan", "which.toml", "--out", "a folder", "--json")[1])["commands"]) == 1
    ran = json.loads(call(*RUN, "--out", "a folder", "--json")[1])["ran"]
    assert (ran, len(cells(Path("a folder")))) == (1, 4)
    assert call("study", "plan", "which.toml", "--out", "a folder") == (0, "", "")


def test_describe_says_what_it_takes(files: None) -> None:
    """It says cells, time and disk and runs none; the values that it expects are those that there will be."""
    told = json.loads(call("study", "describe", "which.toml", "--json")[1])
    assert (told["points"], told["seeds"], told["cells"]) == (2, 2, 4)
    assert told["seconds"] > 0
    assert not Path("runs").exists()
    code, out, _ = call("study", "describe", "which.toml")
    assert code == 0
    assert "does exploring help?" in out
    assert f"{told['rows']} values" in out
    call(*RUN, "--out", "there")
    assert len(rs.open_study("there")) == told["rows"]
    size = sum(map(len, cells(Path("there")).values()))
    assert size / 2 < told["bytes"] < 2 * size


def test_a_failure_ends_with_two_and_its_message(files: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where cells fail the others are kept, and the last line says why the first of them failed."""
    monkeypatch.setattr(executors, "TRIES", 1)
    code, out, err = call(*RUN, "--out", "there", "--limit", "0.001", "--json")
    told = json.loads(out)
    assert (code, len(told["failed"])) == (2, 4)
    assert {row["message"] for row in told["failed"]} == {"took longer than the limit of 0.001 s"}
    last = err.splitlines()[-1]
    assert "says why cells failed, the first: took longer than the limit of 0.001 s; the same command tries them again" in last
    assert json.loads(call(*RUN, "--out", "there", "--json")[1]) == {"out": "there", "cells": 4, "ran": 4, "failed": []}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["study", "wich.toml"], "wich.toml: there is no such study; did you mean 'which.toml'?"),
        ([*RUN, "--cluster", "tcp://x:1"], "--workers: are processes on this machine"),
        ([*RUN, "--limit", "0"], "limit: must be a number of seconds above 0"),
        (["study", "cell", ".", "abc"], "holds no study"),
        (["study", "cell"], "study cell: missing argument"),
        (["study", "tiny.toml"], "base: is missing; give it a value"),
    ],
)
def test_mistakes_are_one_line(files: None, arguments: list[str], says: str) -> None:
    """A mistake on the command line ends with 2 and one line."""
    code, out, err = call(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err


def test_help_names_the_commands(files: None) -> None:
    """Without an argument, and with --help, there is a list of what can be done with a study."""
    for arguments in (["study"], ["study", "--help"]):
        code, out, _ = call(*arguments)
        assert code == 0
        assert all(f"\n  {name} " in out for name in ("run", "plan", "cell", "describe"))
