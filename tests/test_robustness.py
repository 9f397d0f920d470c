"""Robustness: the same arms in other worlds; two-way tables; worlds fitted to samples of a log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import contents
from small_studies import TINY

import recsim as rs
from recsim import resampling
from recsim.calibration import calibrate, read, read_rows
from recsim.logfiles import Log
from recsim.randomness import Randomness
from recsim.resampling import resampled
from recsim.robustness import crossed

ARMS = {"greedy": TINY, "chance": TINY.but(policy=rs.EpsilonGreedy(epsilon=0.5))}
WORLDS = {"choice: cascade": {"choice.kind": "Cascade"}, **rs.assumed({"choice.outside": (5.0, 20.0)}, rs.Grid())}


def found(out: Path | None = None, **more: object) -> rs.Robustness:
    """Return whether the two arms keep their order."""
    given = {"metrics": ["coverage", "cost"], "seeds": 3, "workers": 1, "progress": False} | more
    return rs.survives(ARMS, WORLDS, out=out, **given)  # type: ignore[arg-type]


def test_each_world_is_a_comparison_of_its_own(tmp_path: Path) -> None:
    """Values in a world are those of `compare` with the arms of that world; a second call takes all cells from the folder."""
    done = found(tmp_path)
    cascade = {name: arm.but(choice=rs.Cascade()) for name, arm in ARMS.items()}
    apart = rs.compare(cascade, 3, workers=1, progress=False).values
    for row in done.values[done.values["world"] == "choice: cascade"].itertuples():
        same = apart[(apart["arm"] == row.arm) & (apart["seed"] == row.seed) & (apart["metric"] == row.metric)]
        assert same["value"].item() == row.value
    cells = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()}
    assert len(cells) == 4 * 2 * 3
    assert found(tmp_path).values.equals(done.values)
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cells").iterdir()} == cells
    assert set(done.rankings["world"]) == {"base", *WORLDS}
    assert "coverage" in done.answer()
    assert max(map(len, done.table(80).splitlines())) <= 80


NOISE = np.array([0.0, 0.1, -0.1, 0.05, -0.05])


def made_up(gaps: dict[str, np.ndarray]) -> rs.Robustness:
    """Return two arms in one metric, of which the first is ahead by these gaps, one a seed, in each world."""
    rows = [
        (world, arm, seed, "m", gap if arm == "a" else 0.0)
        for world, seeds in gaps.items()
        for seed, gap in enumerate(seeds, 1)
        for arm in ("a", "b")
    ]
    frame = pd.DataFrame(rows, columns=["world", "arm", "seed", "metric", "value"])
    return rs.Robustness(["a", "b"], {world: {} for world in gaps}, ["m"], [*range(1, len(gaps["base"]) + 1)], 1, frame)


def test_a_pair_that_turns_round_is_told_from_one_that_may_do_so_by_chance() -> None:
    """A world of the other sign counts as turned; as a flip only where its seeds tell it."""
    wide = 30 * NOISE - 0.5
    made = made_up({"base": 1 + NOISE, "x: same": 2 + NOISE, "x: other": NOISE - 1, "x: weak": 1 + 30 * NOISE, "y": wide})
    pairs = made.pairs.set_index("world")
    assert pairs["verdict"].to_dict() == {
        "base": "told", "x: same": "same", "x: other": "flips", "x: weak": "not told", "y": "not told",
    }  # fmt: skip
    over = made.over.set_index("kind")
    assert over[["worlds", "agree", "same", "flips"]].loc["all"].tolist() == [4, 0.5, 1, 1]
    assert over["turned"].to_dict() == {"x": "x: other", "y": "y", "all": "x: other; y"}
    assert over["agree"].to_dict() == {"x": 2 / 3, "y": 0.0, "all": 0.5}
    assert made.rankings.set_index("world")["tau"].tolist() == [1.0, 1.0, -1.0, 1.0, -1.0]
    assert made.rankings.set_index("world")["turned"].tolist() == ["", "", "a over b", "", "a over b"]
    assert made.answer() == (
        "m: a > b (~: not told apart) survives in 2 of 4 worlds. a over b turns round in x: other, y, told in 1 of them."
    )


def test_a_flip_must_hold_among_all_worlds() -> None:
    """What would be told alone at p = 0.03 is not a flip among ten worlds, but is one where there is no other."""
    alone = made_up({"base": 1 + NOISE, "x: 0": -0.11 + NOISE})
    assert 0.02 < alone.pairs["p"].iloc[1] < 0.05
    assert alone.over["flips"].tolist() == [1]
    many = made_up({"base": 1 + NOISE, "x: 0": -0.11 + NOISE} | {f"x: {k}": NOISE for k in range(1, 10)})
    assert many.over["flips"].tolist() == [0]


@pytest.mark.parametrize(
    ("gaps", "says"),
    [
        ({"base": np.ones(1), "x": np.ones(1)}, "One seed cannot tell an effect from chance: give at least two."),
        ({"base": 0.01 + NOISE, "x": 1 + NOISE}, "m: 5 seeds tell no two arms apart in the base world."),
        ({"base": 1 + NOISE, "x": 1 + NOISE}, "m: a > b (~: not told apart) survives in 1 of 1 worlds."),
        (
            {"base": 1 + NOISE, "x": 30 * NOISE - 0.5},
            "m: a > b (~: not told apart) survives in 0 of 1 worlds. a over b turns round in x, told in none of them.",
        ),
    ],
)
def test_the_answer_says_what_the_seeds_tell(gaps: dict, says: str) -> None:
    """Too few seeds, arms that the base does not tell apart, a ranking that survives, one that may have turned by chance."""
    assert made_up(gaps).answer() == says


def test_intervals_over_worlds_and_seeds_hold_their_mean() -> None:
    """Of 2,000 tables with known spreads, the 95 % interval holds the mean in 93 to 98.5 %; 4 sigma are 2 %."""
    held = 0
    for number in range(2000):
        normal = lambda label, n, number=number: np.sqrt(  # noqa: E731  (Box and Muller)
            2 * Randomness(number).exponential(f"{label}.r", np.arange(n))
        ) * np.cos(2 * np.pi * Randomness(number).uniform(f"{label}.a", np.arange(n)))
        table = normal("world", 8)[:, None] + normal("seed", 5) + normal("rest", 40).reshape(8, 5)
        ends = crossed(table)
        held += ends["low"] <= 0 <= ends["high"]
    assert 0.93 <= held / 2000 <= 0.985


def test_a_sample_is_people_with_all_they_did() -> None:
    """Everybody in it has the rows of one person of the log, in order; the catalogue is that of the log."""
    user, item = np.array([0, 1, 0, 2, 1], np.int32), np.array([0, 1, 2, 0, 3], np.int32)
    log = Log(user, item, np.arange(5), ("a", "b", "c"), ("w", "x", "y", "z"))
    for sample in range(20):
        again = resampled(log, 1, sample)
        assert len(again.user_names) == 3
        assert (np.diff(again.time) >= 0).all()
        for place, name in enumerate(again.user_names):
            whose = log.user_names.index(name.partition("~")[0])
            assert again.item[again.user == place].tolist() == item[user == whose].tolist()


def calibrated(folder: Path) -> Path:
    """Return a world fitted to a small log, both in a folder."""
    rows = "\n".join(f"u{u},i{(u * 7 + k * k) % 15},{u * 9 + k}" for u in range(12) for k in range(4))
    (folder / "log.csv").write_text(f"user,item,time\n{rows}\n")
    calibrate(folder / "log.csv", folder / "world", user="user", item="item", topics=2)
    return folder / "world"


@pytest.mark.parametrize("step", ["fit", "write_world"])
def test_a_fit_that_breaks_off_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """The sample before it stays, nothing half done does, and the same call goes on to what a quiet one gives."""
    world, calls = calibrated(tmp_path), []
    whole = getattr(resampling, step)

    def breaks(*given: object) -> object:
        calls.append(given)
        done = whole(*given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(resampling, step, breaks)
    with pytest.raises(KeyboardInterrupt):
        rs.bootstrapped(world, tmp_path / "out", 3, workers=1, progress=False)
    (kept,) = (tmp_path / "out").iterdir()
    first = contents(kept)
    after = rs.bootstrapped(world, tmp_path / "out", 3, workers=1, progress=False)
    assert after[0] == kept
    assert contents(kept) == first
    assert len(calls) == 4
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in after}


def test_workers_change_nothing_in_a_world(tmp_path: Path) -> None:
    """Two processes write what one does, byte for byte."""
    world = calibrated(tmp_path)
    for workers in (1, 2):
        rs.bootstrapped(world, tmp_path / str(workers), 2, workers=workers, progress=False)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert contents(tmp_path / "1")


def test_worlds_of_samples_are_fitted_once(tmp_path: Path) -> None:
    """More samples add to those there are; each is a world in which arms can be run."""
    calibrated(tmp_path)
    one = rs.bootstrapped(tmp_path / "world", tmp_path / "out", 1, workers=1, progress=False)
    before = (one[0] / "users.parquet").stat().st_mtime_ns
    two = rs.bootstrapped(tmp_path / "world", tmp_path / "out", 2, workers=1, progress=False)
    assert two[0] == one[0]
    assert (two[0] / "users.parquet").stat().st_mtime_ns == before
    assert read(two[0]).interests.shape == read(two[1]).interests.shape == (12, 2)
    assert read_rows(two[0]).shape[0] == 2


@pytest.mark.parametrize(
    ("worlds", "says"),
    [({}, "worlds: "), ({"base": {"slate": 3}}, "worlds: "), ({"x": {"choice.outsid": 3.0}}, "x: choice.outsid: ")],
)
def test_what_cannot_be_is_one_line(worlds: dict, says: str) -> None:
    """Worlds that are none are refused before anything is run."""
    with pytest.raises(rs.RecsimError) as fault:
        rs.survives(ARMS, worlds, progress=False)
    assert str(fault.value).startswith(says)
