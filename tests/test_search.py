"""Search: trials follow from seed and folder alone, and come further than points spread at random."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from small_studies import study_of

import recsim as rs
from recsim.designs import Factor, LatinHypercube
from recsim.searching import Asker, hypervolume

pytest.importorskip("optuna")
FACTORS = {"policy": [rs.Greedy(), rs.EpsilonGreedy(epsilon=0.5)], "choice.outside": {"low": 2.0, "high": 20.0, "scale": "log"}}
AIMS = {"coverage": "max", "click_rate": "max"}


def searched(out: Path, trials: int = 6, **more: object) -> rs.Search:
    """Search the tiny world."""
    settings = {"batch": 4, "workers": 1, "progress": False} | more
    return rs.search(study_of(FACTORS), AIMS, out, trials, **settings)  # type: ignore[arg-type]


def test_a_search_repeats_itself_from_its_folder(tmp_path: Path) -> None:
    """More trials, two workers, or another call leave the trials that there were, and run no cell of theirs again."""
    first = searched(tmp_path / "a", 4)
    cells = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "a" / "cells").glob("*.parquet")}
    more = searched(tmp_path / "a", 6)
    assert more.frame.drop(columns="front").iloc[:4].equals(first.frame.drop(columns="front"))
    assert all((tmp_path / "a" / "cells" / name).stat().st_mtime_ns == time for name, time in cells.items())
    assert searched(tmp_path / "b", 6, workers=2).frame.equals(more.frame)
    assert more.hypervolumes()["hypervolume"].is_monotonic_increasing
    assert len(more.front) >= 1
    assert "trial" in more.table()


def test_it_comes_further_than_a_latin_hypercube() -> None:
    """On a known front, 200 trials dominate more than a Latin hypercube of 200 in each of 5 fixed seeds: 3 % by chance alone."""
    factors = [Factor(path=f"x{k}", low=0.0, high=1.0) for k in range(6)]

    def gains(x: np.ndarray) -> np.ndarray:  # ZDT1 (Zitzler, Deb and Thiele 2000), turned
        g = 1 + 9 * x[:, 1:].mean(axis=1)
        return -np.stack([x[:, 0], g * (1 - np.sqrt(x[:, 0] / g))], axis=1)

    for seed in range(5):
        asker, told = Asker(factors, 2, 20, seed), []
        for _ in range(10):
            values = gains(np.array(asker.ask(20), np.float64))
            asker.tell(values)
            told.append(values)
        spread = gains(LatinHypercube(points=200, seed=seed).shares(6))
        floor = [-1.1, -11.0]
        assert hypervolume(np.concatenate(told), floor) > hypervolume(spread, floor)


@pytest.mark.parametrize("aims", [{}, {"coverag": "max"}, {"coverage": "up"}])
def test_objectives_that_are_none_are_one_line(tmp_path: Path, aims: dict) -> None:
    """They are refused before anything is run, and leave no folder."""
    with pytest.raises(rs.RecsimError, match="objectives: "):
        rs.search(study_of(FACTORS), aims, tmp_path / "x", 4, progress=False)
    assert not (tmp_path / "x").exists()


def test_without_optuna_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be imported, the line says how to install it, and nothing is run."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(rs.RecsimError) as fault:
        searched(tmp_path / "x")
    assert str(fault.value) == 'search: needs Optuna; install it by pip install "recsim-loop[optuna]"'
    assert not (tmp_path / "x").exists()
