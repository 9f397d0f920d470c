"""Every mistake that a user can make ends in one line that says where, what and how to mend it, and leaves nothing behind."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL_FILE, call, contents, spawn, stopped

import recsim as rs
from recsim import cli
from recsim.recipe import FAMILIES, Recipe

SCENARIO = """
[recommender]
kind = "ALS"
factors = 8
[population]
kind = "SyntheticUsers"
topics = 12
"""
LOG = "user,item,time,rating\na,x,1,5\nb,y,2,4\na,y,3,3\nb,x,4,5\n"


def refused(*arguments: str, says: tuple[str, ...]) -> None:
    """Run a command that must fail by the user's mistake: one line with all that it must say, and nothing changed."""
    before = contents(Path())
    code, out, err = call(*arguments)
    assert (code, out) == (2, ""), err
    line = err.removesuffix("\n")
    assert line.startswith("recsim: ")
    assert "\n" not in line
    assert "Traceback" not in line
    for part in says:
        assert part in line
    assert contents(Path()) == before


# ------------------------------------------------------------------------------------------------------ scenario files
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dayss = 7", ("bad.toml: dayss:", "no such setting", "did you mean 'days'?")),
        (SCENARIO.replace("factors", "factor"), ("bad.toml: recommender.factor:", "ALS", "did you mean 'factors'?")),
        (SCENARIO.replace("ALS", "ASL"), ("bad.toml: recommender:", "'ASL'", "did you mean 'ALS'?")),
        (SCENARIO.replace("= 8", "= 0"), ("bad.toml: recommender.factors:", "greater than or equal to 1", "not 0")),
        (SCENARIO.replace("= 8", '= "8"'), ("bad.toml: recommender.factors:", "valid integer", "not '8'")),
        (SCENARIO.replace("= 8", "= 8.5"), ("bad.toml: recommender.factors:", "valid integer", "not 8.5")),
        ("recommender = 3", ("bad.toml: recommender:", "3 is no Recommender", "give a table with a kind")),
        ("[recommender]\nfactors = 8", ("bad.toml: recommender:", "has no kind", "ALS")),
        ("days = -1", ("bad.toml: days:", "greater than", "not -1")),
        ("days = inf", ("bad.toml: days:", "finite", "not inf")),
        ("days = 1e300", ("bad.toml: days:", "less than or equal to", "not 1e+300")),
        ("[retrain]\nevery = inf", ("bad.toml: retrain.every:", "finite", "not inf")),
        ("[retrain]\nevery = 2\nlatency = 2", ("bad.toml: retrain:", "shorter than every")),
        ("slate = 1_001", ("bad.toml: slate:", "less than or equal to 1000", "not 1001")),
        ('name = "a/b"', ("bad.toml: name:", "should match", "'a/b'")),
        ('[[training]]\nkind = "Windows"', ("bad.toml: training.0:", "'Windows'", "did you mean 'Window'?")),
        (SCENARIO.replace("12", "5"), ("population.topics:", "5 topics and items 12", "give both the same number")),
        ("days = = 7", ("bad.toml:", "broken TOML", "line 1", "mend it there")),
        ("[recommender\n", ("bad.toml:", "broken TOML", "line 1", "mend it there")),
        ("days = 7\ndays = 8\n", ("bad.toml:", "broken TOML", "line 2")),
        ("\xff", ("bad.toml:", "cannot be read as text", "give a TOML file")),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["run", "describe"])
def test_a_wrong_scenario(small_file: str, command: str, text: str, says: tuple[str, ...]) -> None:
    """A fault in a scenario file is told with the file, the setting and the value, before a folder is made."""
    Path("bad.toml").write_bytes(text.encode("latin-1"))
    refused(command, "bad.toml", says=says)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("smal.toml", ("smal.toml:", "no such scenario", "did you mean 'small.toml'?")),
        ("quikstart", ("quikstart:", "no such scenario", "did you mean 'quickstart'?")),
        ("nowhere/small.toml", ("nowhere/small.toml:", "no such scenario")),
        (".", (".:", "is not a file", "quickstart")),
    ],
)
def test_a_missing_scenario(small_file: str, name: str, says: tuple[str, ...]) -> None:
    """A misspelt name gets the nearest file, or the nearest scenario that comes with recsim."""
    refused("run", name, says=says)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("recommender.factorss=3", ("--set recommender.factorss:", "Popularity has no such setting", "prior, score")),
        ("recommendr.score=count", ("--set recommendr.score:", "no such setting", "did you mean 'recommender'?")),
        ("training.0.last=3", ("--set training.0.last:", "'0' is no place in a list of 0")),
        ("slate=ten", ("--set slate:", "valid integer", "not 'ten'")),
        ("slate", ("--set slate:", "write --set recommender.factors=64")),
        ("=3", ("--set =3:", "write --set recommender.factors=64")),
        ("policy.kind=EpsilonGredy", ("--set policy:", "'EpsilonGredy'", "did you mean 'EpsilonGreedy'?")),
    ],
)
def test_a_wrong_change(small_file: str, change: str, says: tuple[str, ...]) -> None:
    """A fault in --set is told with its path."""
    refused("run", small_file, "--set", change, says=says)


# ---------------------------------------------------------------------------------------------------------------- logs
@pytest.mark.parametrize(
    ("log", "options", "says"),
    [
        (None, "", ("log.csv:", "no such file")),
        ("", "", ("log.csv:", "is empty", "header line")),
        ("user,item,time,rating\n", "", ("log.csv:", "no rows", "at least one row")),
        (LOG.replace("b,y", "b,"), "", ("log.csv: line 3, column 'item':", "is empty", "drop the row")),
        (LOG.replace("b,y", ",y"), "", ("log.csv: line 3, column 'user':", "is empty", "drop the row")),
        (LOG.replace("b,y,2", "b,y,soon"), "", ("log.csv: line 3, column 'time':", "'soon'", "give a number")),
        (LOG.replace("b,y,2", "b,y,-2"), "", ("log.csv: line 3, column 'time':", "'-2'", "0 or more")),
        (LOG.replace("2,4", "2,good"), "--rating rating", ("log.csv: line 3, column 'rating':", "'good'", "give a number")),
        (LOG.replace("2,4", "2,-4"), "--rating rating", ("log.csv: line 3, column 'rating':", "'-4'", "0 or more")),
        (LOG + "a,x,1,4\n", "", ("log.csv: line 6:", "'a'", "'x'", "already on line 2", "drop one")),
        (LOG, "--item film", ("log.csv: line 1:", "no column 'film'", "valid are")),
        (LOG, "--item itm", ("log.csv: line 1:", "no column 'itm'", "did you mean 'item'?")),
        (LOG, "--rating rating --at-least 6", ("log.csv: column 'rating':", "at least 6", "highest", "lower at_least")),
        (LOG, "--at-least 4", ("log.csv:", "needs ratings")),
        (LOG + "a,b\n", "", ("log.csv: line 6:", "2 fields", "mend or drop the row")),
        (LOG, "--topics 5000", ("topics: 5000", "at most 4096")),
    ],
)  # fmt: skip
def test_a_wrong_log(small_file: str, log: str | None, options: str, says: tuple[str, ...]) -> None:
    """A fault in a log is told with its line, as an editor counts it, its column and its value."""
    if log is not None:
        Path("log.csv").write_text(log)
    columns = ["--user", "user", "--item", "item", "--time", "time"]
    refused("calibrate", "log.csv", *columns, *options.split(), "--out", "world", says=says)


def test_a_log_that_is_not_known(small_file: str) -> None:
    """A misspelt data set gets the nearest, and a missing world says how to make one."""
    refused("data", "movielens-100", says=("'movielens-100'", "did you mean 'movielens-100k'?"))
    world = 'population={kind="CalibratedUsers",world="there"}'
    refused("run", small_file, "--set", world, says=("'there'", "no such folder and no such data set"))


# ------------------------------------------------------------------------------------------------------------- folders
@pytest.mark.parametrize("command", ["run", "calibrate"])
def test_a_folder_that_exists_stays_as_it_is(small_file: str, command: str) -> None:
    """What is in a folder is never touched by something new."""
    Path("there").mkdir()
    Path("there/precious.txt").write_text("mine")
    Path("log.csv").write_text(LOG)
    arguments = {"run": [small_file], "calibrate": ["log.csv", "--user", "user", "--item", "item"]}[command]
    refused(command, *arguments, "--out", "there", says=("there:", "exists already", "another folder"))


@pytest.mark.parametrize("out", ["small.toml/run", "small.toml/a/b", "a" * 300])
def test_a_folder_that_cannot_be_made(small_file: str, out: str) -> None:
    """A path through a file, or a name that is too long, is told with the reason."""
    refused("run", small_file, "--out", out, says=(out, "cannot be written:", "choose another folder"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_that_may_not_be_written(small_file: str) -> None:
    """A missing permission is told."""
    Path("locked").mkdir(mode=0o500)
    refused("run", small_file, "--out", "locked/run", says=("locked/run", "permission denied"))


# -------------------------------------------------------------------------------------------------------------- resume
Damage = Callable[[Path], object]


def cut_short(pattern: str) -> Damage:
    """Return a damage that leaves the first half of a file."""

    def damage(folder: Path) -> None:
        path = sorted(folder.glob(pattern))[-1]
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


def flipped(pattern: str) -> Damage:
    """Return a damage that changes one byte in the middle of a file."""

    def damage(folder: Path) -> None:
        path = sorted(folder.glob(pattern))[-1]
        whole = bytearray(path.read_bytes())
        whole[len(whole) // 2] ^= 255
        path.write_bytes(whole)

    return damage


def without(pattern: str) -> Damage:
    """Return a damage that loses a file."""
    return lambda folder: sorted(folder.glob(pattern))[-1].unlink()


def holding(name: str, text: str) -> Damage:
    """Return a damage that puts another text into a file."""
    return lambda folder: (folder / name).write_text(text)


def replacing(name: str, old: str, new: str) -> Damage:
    """Return a damage that edits a file."""
    return lambda folder: (folder / name).write_text((folder / name).read_text().replace(old, new))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (without("manifest.json"), ("there:", "no run that can be read")),
        (cut_short("manifest.json"), ("there:", "no run that can be read")),
        (holding("manifest.json", "[]"), ("there:", "no run that can be read")),
        (replacing("manifest.json", '"seed": 1', '"seed": "one"'), ("there:", "no run that can be read")),
        (without("scenario.toml"), ("there/scenario.toml:", "no such file")),
        (replacing("scenario.toml", "slate = 10", "slate = 9"), ("there", "scenario")),
        (cut_short("checkpoint/epoch=*"), ("there/checkpoint/epoch=", "damaged", "start the run anew")),
        (flipped("checkpoint/epoch=*"), ("there/checkpoint/epoch=", "damaged", "start the run anew")),
        (lambda folder: np.savez(sorted(folder.glob("checkpoint/epoch=*"))[-1], x=1), ("damaged", "start the run anew")),
        (cut_short("checkpoint/items=*"), ("there/checkpoint/items=", "damaged", "start the run anew")),
        (cut_short("clicks/*"), ("there/clicks/epoch=", "damaged", "start the run anew")),
        (without("clicks/*"), ("there/clicks", "start the run anew")),
        (cut_short("history.parquet"), ("there/history.parquet", "damaged", "start the run anew")),
        (without("history.parquet"), ("there/history.parquet", "damaged", "start the run anew")),
    ],
)
def test_a_damaged_run_is_not_gone_on_with(small_file: str, damage: Damage, says: tuple[str, ...]) -> None:
    """Resuming says which file is damaged; it never goes on with other rows than the run had."""
    stopped(rs.Scenario.load(small_file), Path("there"))
    damage(Path("there"))
    code, out, err = call("run", "--resume", "--out", "there", "--json")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert all(part in err for part in says), err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--out", "nowhere"], ("nowhere:", "no run that can be read")),
        (["--out", "."], ("no run that can be read",)),
        (["--seed", "2", "--out", "there"], ("there:", "seed 1", "without naming a seed")),
        (["small.toml", "--set", "slate=5", "--out", "there"], ("there:", "another scenario")),
        (["--set", "slate=5", "--out", "there"], ("there:", "another scenario")),
        (["quickstart", "--out", "there"], ("there:", "another scenario")),
        ([], ("--resume:", "name it with --out")),
    ],
)
def test_resuming_something_else(small_file: str, arguments: list[str], says: tuple[str, ...]) -> None:
    """A folder is gone on with only by the run that is in it."""
    stopped(rs.Scenario.load(small_file), Path("there"))
    refused("run", "--resume", *arguments, says=says)


# ----------------------------------------------------------------------------------------------------------- full disk
def test_a_disk_that_fills_up_at_any_file(small_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever file is the one too many: one line, only whole files, and --resume ends as if nothing had been."""
    monkeypatch.setattr(cli, "figure_of", lambda run: run.folder)
    command = ["run", small_file, "--set", "days=15", "--out", "there", "--json"]
    digest = rs.run(rs.Scenario.load(small_file).but(days=15.0), seed=1, progress=False).digest
    for at in count(1):
        code, out, err = filling_up(command, monkeypatch, at)
        if code == 0:
            break
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "no space left on device; make room there" in err
        whole_files(Path("there"))
        again = call(*command, *(["--resume"] if Path("there").exists() else []))
        assert json.loads(again[1])["digest"] == digest
        shutil.rmtree("there")
    assert at > 10


def filling_up(command: list[str], monkeypatch: pytest.MonkeyPatch, at: int) -> tuple[int, str, str]:
    """Run on a disk on which file number *at* and all later ones do not fit."""
    left, rename = iter(range(at - 1)), Path.replace

    def full(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        return call(*command)


def whole_files(folder: Path) -> None:
    """Assert that every file that is there can be read, and that no part of another lies about."""
    import pandas as pd

    for path in folder.rglob("*"):
        assert not path.name.startswith("."), path
        if path.suffix == ".parquet":
            pd.read_parquet(path, partitioning=None)
        elif path.suffix == ".npz":
            np.load(path, allow_pickle=False).close()
        elif path.suffix == ".json":
            json.loads(path.read_text())


def test_a_disk_that_is_really_full(small_file: str, tmp_path: Path) -> None:
    """On a disk of 256 KB the run ends in one line; with more room it is gone on with to the same digest."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        if os.name == "nt" or subprocess.run(mount, capture_output=True, check=False).returncode:
            pytest.skip("no right to mount")
    except FileNotFoundError:
        pytest.skip("no mount")
    command = ["run", small_file, "--set", "days=280", "--json"]
    try:
        code, _, err = call(*command, "--out", str(disk / "run"))
        assert (code, err.count("\n")) == (2, 1)
        assert "no space left on device" in err
        whole_files(disk / "run")
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        code, out, _ = call(*command, "--resume", "--out", str(disk / "run"))
        assert code == 0
        assert json.loads(out)["digest"] == json.loads(call(*command, "--out", "elsewhere")[1])["digest"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


# ----------------------------------------------------------------------------------------------------------- processes
@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "bad.toml"],
        ["run", "small.toml", "--set", "slate=ten"],
        ["run", "small.toml", "--out", "small.toml/x"],
        ["calibrate", "bad.toml", "--user", "u", "--item", "i", "--out", "w"],
    ],
)
def test_a_process_says_the_same(small_file: str, arguments: list[str]) -> None:
    """A process of its own ends with 2 and one line, whatever libraries print."""
    Path("bad.toml").write_text(SMALL_FILE + "factor = 3\n")
    before = contents(Path())
    done = spawn(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("recsim: ")
    assert contents(Path()) == before


# ------------------------------------------------------------------------------------------------ what no file can hold
DAMAGED = "a\udc80"  # what Python makes of a file name that is no UTF-8
PEOPLE, THINGS = rs.SyntheticUsers(users=5), rs.SyntheticItems(items=10)
TINY = rs.Scenario(days=3.0, population=PEOPLE, catalog=THINGS, retrain=rs.Retrain(every=1.0))
OTHER = TINY.but(slate=3)


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (lambda out: rs.compare({"a": TINY, DAMAGED: OTHER}, seeds=2, out=out, progress=False), "arms: "),
        (lambda out: rs.survives({DAMAGED: TINY, "b": OTHER}, {"world": {"slate": 4}}, out=out, progress=False), "arms: "),
        (lambda out: rs.survives({"a": TINY, "b": OTHER}, {DAMAGED: {"slate": 4}}, out=out, progress=False), "worlds: "),
        (lambda _: rs.attribute(TINY, {DAMAGED: lambda scenario: scenario.but(slate=3)}, progress=False), "switches: "),
        (lambda _: rs.Factor(path="policy", levels=({"name": DAMAGED, "kind": "Greedy"}, "Random")), "policy has a level "),
        (lambda _: TINY.but(about=DAMAGED), "about: "),
        (lambda out: rs.run(TINY, seed=1, out=out / DAMAGED, progress=False), ""),
        (lambda out: rs.compare({"a": TINY, "b": OTHER}, seeds=2, out=out / DAMAGED, progress=False), ""),
        (lambda out: rs.survives({"a": TINY, "b": OTHER}, {"w": {"slate": 4}}, out=out / DAMAGED, progress=False), ""),
        (lambda out: rs.run_study(rs.Study(base=TINY, factors={"slate": [3, 4]}), out / DAMAGED, progress=False), ""),
    ],
)
def test_a_name_that_no_file_can_hold_is_refused_before_anything_is_run(
    tmp_path: Path, asked: Callable[[Path], object], where: str
) -> None:
    """A name or folder with half of a letter is one line that shows it escaped, as every terminal can; nothing is left."""
    with pytest.raises(rs.RecsimError) as fault:
        asked(tmp_path / "out")
    said = str(fault.value)
    said.encode()
    assert where in said and "a\\udc80" in said and "\n" not in said
    assert "unicode" in said or "cannot be written as UTF-8" in said
    assert list(tmp_path.iterdir()) == []


def test_a_comparison_with_a_name_that_no_file_can_hold_is_damaged(tmp_path: Path) -> None:
    """JSON can tell of half a letter; a folder that does so is refused in one line."""
    folder = tmp_path / "compared"
    rs.compare({"a": TINY, "b": OTHER}, seeds=1, out=folder, workers=1, progress=False)
    kept = folder / "comparison.json"
    kept.write_text(kept.read_text(encoding="utf-8").replace('"b"', '"b\\udc80"'), encoding="utf-8")
    with pytest.raises(rs.RecsimError, match="holds no comparison that can be read"):
        rs.Comparison.load(folder)


@pytest.mark.parametrize(
    ("family", "method"),
    [(family, method) for family in FAMILIES.values() for method in sorted(family.__abstractmethods__)],
    ids=lambda part: getattr(part, "__name__", part),
)
def test_a_kind_without_a_method_is_refused_as_it_is_made(family: type[Recipe], method: str) -> None:
    """One line names the kind, the method, and where to look one up; with the method there is a recipe."""
    brings = {name: lambda *arguments: None for name in family.__abstractmethods__}
    whole = type("_Whole", (family,), {"__module__": __name__} | brings)
    assert whole().kind == "_Whole"
    lacking = type("_Lacking", (family,), {"__module__": __name__} | {n: f for n, f in brings.items() if n != method})
    with pytest.raises(rs.RecsimError, match=rf"^\w+: _Lacking has no method {method}; give it one, as in recsim\.\w+$"):
        lacking()
