"""Robustness: the same arms in other worlds; two-way tables; worlds fitted to samples of a log."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_studies import TINY

import recsim as rs
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


def test_worlds_of_samples_are_fitted_once(tmp_path: Path) -> None:
    """More samples add to those there are; each is a world in which arms can be run."""
    rows = "\n".join(f"u{u},i{(u * 7 + k * k) % 15},{u * 9 + k}" for u in range(12) for k in range(4))
    (tmp_path / "log.csv").write_text(f"user,item,time\n{rows}\n")
    calibrate(tmp_path / "log.csv", tmp_path / "world", user="user", item="item", topics=2)
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
