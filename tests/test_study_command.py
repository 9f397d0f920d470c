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


def test_answers_are_tables_words_and_a_figure(files: None) -> None:
    """`answer` prints tables no wider than 80 and what follows in words, and draws into the folder; as JSON it is one object."""
    call(*RUN, "--out", "there")
    code, out, err = call("study", "answer", "there", "--metric", "coverage", "--cost", "coverage_floor", "--width", "0.5")
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    lines = out.splitlines()
    assert lines[0] == "does exploring help?"
    assert "policy" in lines
    assert " ".join(out.split()).count("on the front of coverage_floor (min) and coverage (max)") == 1
    assert "to be safe; there are 2." in " ".join(out.split()) or "tell every difference of coverage" in " ".join(out.split())
    assert lines[-1] == f"figure  {Path('there') / 'answer.png'}"
    assert Path("there/answer.png").stat().st_size > 5000
    bounds = ["--cost", "coverage_floor", "--at-least", "coverage=0", "--loss", "coverage=0.9", "--reference", "policy=exploring"]
    told = json.loads(call("study", "answer", "there", *bounds, "--json")[1])
    assert list(told["effects"]) == ["coverage_model"]
    assert [row["level"] for row in told["effects"]["coverage_model"]] == ["greedy", "exploring"]
    assert told["cheapest"]["bounds"] == ["coverage >= 0", "a loss of coverage <= 0.9"]
    assert [row["loss of coverage"] for row in told["cheapest"]["points"]][1] == 0
    assert told["answer"].startswith(("What matters most to coverage_model is policy", "No factor changes coverage_model"))


def test_answers_are_of_the_window_and_group_that_are_asked_for(files: None) -> None:
    """Of two windows that were kept either can be had; another is refused with those that there are."""
    kept = '[keep]\nmetrics = ["utility"]\nwindows = ["last 2", "epoch 0"]\n'
    Path("which.toml").write_text(STUDY.partition("[keep]")[0] + kept)
    call(*RUN, "--out", "there")
    frame = rs.open_study("there").query("group == 'niche'").groupby(["window", "point"])["value"].mean()
    for window in ("last 2", "epoch 0"):
        asked = "study", "answer", "there", "--metric", "utility.niche", "--window", window, "--json"
        (rows,) = json.loads(call(*asked)[1])["effects"].values()
        assert rows[1]["difference"] == pytest.approx(frame[window, 1] - frame[window, 0])
    code, _, err = call("study", "answer", "there", "--metric", "utility", "--window", "last 3")
    assert code == 2 and "did you mean 'last 2'" in err


def test_answers_of_samples_are_surfaces_and_indices(files: None) -> None:
    """A sample of ranges is told of by slopes and a surface, a design of Sobol by indices, on the scales of the study."""
    ranges = '"policy.epsilon" = {low = 0.01, high = 0.9, scale = "log"}\n"slate" = {low = 2, high = 8, whole = true}\n'
    study = 'seeds = 2\n[base]\nbase = "tiny.toml"\n[base.policy]\nkind = "EpsilonGreedy"\n'
    for design in ("LatinHypercube", "Sobol"):
        text = f'{study}[design]\nkind = "{design}"\npoints = 8\n[factors]\n{ranges}[keep]\nmetrics = ["coverage*"]\n'
        Path("which.toml").write_text(text)
        call(*RUN, "--out", design)
        told = json.loads(call("study", "answer", design, "--metric", "coverage", "--json")[1])
        if design == "Sobol":
            assert [row["factor"] for row in told["indices"]["coverage"]["factors"]] == ["policy.epsilon", "slate"]
            assert (told["effects"], told["surfaces"]) == ({}, {})
            assert told["answer"].startswith("Most of what varies in coverage comes from ")
        else:
            assert [row["level"] for row in told["effects"]["coverage"]] == ["0.01 to 0.9", "2 to 8"]
            assert 0.01 <= told["surfaces"]["coverage"]["highest"]["policy.epsilon"] <= 0.9


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["study", "answer", "."], ".: holds no study"),
        (["study", "answer", "there"], "there: holds no study"),
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
        assert all(f"\n  {name} " in out for name in ("run", "plan", "cell", "describe", "answer"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--at-least", "coverage"], "--at-least coverage: is no METRIC=VALUE; write --at-least coverage=0.4"),
        (["--metric", "coverag"], "the study has kept no 'coverag'; did you mean 'coverage'?"),
        (["--at-least", "coverage=0.4"], "the study has kept no 'cost'; keep feed_clicks, visits, spent to have it"),
        (["--reference", "polcy=greedy"], "is no FACTOR=LEVEL of this study; did you mean 'policy'?"),
        (["--reference", "policy=gredy"], "policy has no such level; did you mean 'greedy'?"),
        (["--width", "-1"], "width: must be a number above 0"),
    ],
)
def test_questions_that_have_no_answer_are_one_line(files: None, arguments: list[str], says: str) -> None:
    """What is asked of a study that it has not kept, or that is no question, ends with 2 and one line."""
    call(*RUN, "--out", "there")
    code, out, err = call("study", "answer", "there", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
