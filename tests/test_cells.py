"""The folder of a comparison: its cells are whole, go on where they were, and are taken only where all that made them holds."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import ARMS, ASKING, EXPLORING, PLAIN, contents, environment, quietly
from pydantic import Field

import recsim as rs
from recsim.cells import Bench, Job, read_cell, write_columns


# -------------------------------------------------------------------------------------------------------- what it holds
def test_a_folder_holds_all(tmp_path: Path, compared: rs.Comparison) -> None:
    """What was kept and loaded is what was compared; its tables open in any Parquet reader."""
    done = quietly(out=tmp_path / "there")
    loaded = rs.Comparison.load(tmp_path / "there")
    for frame in ("values", "differences", "history", "costs", "strengths"):
        pd.testing.assert_frame_equal(getattr(loaded, frame), getattr(compared, frame), check_like=True)
    assert (loaded.arms, loaded.seeds, loaded.table()) == (done.arms, [1, 2, 3], compared.table())
    assert len(pq.read_table(tmp_path / "there" / "differences.parquet")) == len(compared.differences)
    assert [path.name for path in sorted((tmp_path / "there" / "arms").iterdir())] == [
        "00-plain.toml", "01-30-exploration.toml", "02-asking.toml",
    ]  # fmt: skip
    about = json.loads((tmp_path / "there" / "comparison.json").read_text())
    assert (about["status"], about["arms"], about["warm_up"]) == ("done", list(ARMS), 6.0)


def test_arms_may_differ_in_what_is_measured(tmp_path: Path) -> None:
    """A figure that only one arm has is NaN in the epochs before the arms part, and in the other arm as far as it goes."""
    watched = PLAIN.but(graphs=True)
    done = rs.compare({"plain": PLAIN, "watched": watched}, 1, tmp_path / "there", warm_up=6.0, workers=1, progress=False)
    cell, _ = read_cell(next((tmp_path / "there" / "cells").glob("01-*.parquet")))
    late = cell.columns["epoch"] >= 1  # that in which the arms part is measured at its end
    assert np.isfinite(cell.columns["modularity.users"][late]).all() and np.isnan(cell.columns["modularity.users"][~late]).all()
    assert done.arms["watched"] == watched


def test_more_seeds_and_arms_extend(tmp_path: Path) -> None:
    """Going on with more seeds or arms keeps the cells there are, and ends with those of a comparison made at once."""
    once, grown = tmp_path / "once", tmp_path / "grown"
    quietly(out=once)
    quietly({"plain": PLAIN, "30 % exploration": EXPLORING}, [1, 3], grown)
    ran: list[str] = []
    quietly(ARMS, [2], grown, resume=True, progress=lambda share, text: ran.append(text))
    assert sorted(ran) == [
        "00-plain-seed00002", "01-30-exploration-seed00002", *(f"02-asking-seed{seed:05d}" for seed in (1, 2, 3)),
    ]  # fmt: skip
    assert contents(grown / "cells") == contents(once / "cells")
    again: list[str] = []
    quietly(None, None, grown, resume=True, progress=lambda share, text: again.append(text))
    assert again == []


def test_cells_are_the_same_whoever_makes_them(tmp_path: Path) -> None:
    """Two processes leave the same cells as one, to the byte."""
    quietly(out=tmp_path / "one")
    quietly(out=tmp_path / "two", workers=2)
    assert contents(tmp_path / "one" / "cells") == contents(tmp_path / "two" / "cells")


def test_a_cell_that_does_not_hold_is_made_anew(tmp_path: Path) -> None:
    """A cell that is damaged, or made by other code, is not taken; the rest is."""
    quietly(seeds=2, out=tmp_path / "there")
    before = contents(tmp_path / "there" / "cells")
    cells = tmp_path / "there" / "cells"
    (cells / "00-plain-seed00001.parquet").write_bytes(b"PAR1 nothing PAR1")
    foreign, _ = read_cell(cells / "02-asking-seed00001.parquet")
    about = {"identity": "other code", "digest": "", "totals": json.dumps(foreign.totals)}
    write_columns(cells / "02-asking-seed00002.parquet", foreign.columns, about)
    (cells / ".02-asking-seed00003.parquet.part").write_bytes(b"half")
    ran: list[str] = []
    quietly(None, None, tmp_path / "there", resume=True, progress=lambda share, text: ran.append(text))
    assert sorted(ran) == ["00-plain-seed00001", "02-asking-seed00002"]
    assert contents(tmp_path / "there" / "cells") == before


# --------------------------------------------------------------------------------------------- what a cell follows from
def test_identity_tells_all_that_a_cell_follows_from() -> None:
    """Another seed, arm, first arm, warm-up, or other code gives another identity; name and log do not."""

    def identity(first: rs.Scenario = PLAIN, arm: rs.Scenario = ASKING, seed: int = 1, warm_up: float = 6.0) -> str:
        bench = Bench(first, warm_up, None, 1, lambda share, text: None)
        return bench.identity(Job("file", arm, seed))

    same = identity()
    assert same == identity(arm=ASKING.but(name="other"))
    others = [identity(PLAIN.but(slate=4)), identity(arm=PLAIN), identity(seed=2), identity(warm_up=3.0)]
    assert len({same, *others}) == 5


def test_identity_tells_the_source_of_own_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class of the caller's, changed in body or in its file, gives another identity; one without source always does."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    file = tmp_path / "some_own_policy.py"

    def identity(text: str) -> str:
        file.write_text(f"import recsim as rs\nHALF = 1\nclass _Own(rs.Greedy):\n    def reach(self, size):\n        {text}\n")
        sys.modules.pop(file.stem, None)
        importlib.invalidate_caches()
        return of(importlib.import_module(file.stem)._Own)

    def of(kind: type[rs.Policy]) -> str:
        bench = Bench(PLAIN, 6.0, None, 1, lambda share, text: None)
        return bench.identity(Job("file", PLAIN.but(policy=kind()), 1))

    texts = ["return size", "return size + 1", "return size + HALF\nHALF = 2"]
    found = [identity(text) for text in texts]
    monkeypatch.delitem(sys.modules, file.stem)
    assert len(set(found)) == 3
    assert identity(texts[0]) == found[0]
    typed: dict[str, Any] = {"__name__": "__nowhere__", "Greedy": rs.Greedy}
    exec("class _Typed(Greedy):\n    pass", typed)
    assert of(typed["_Typed"]) != of(typed["_Typed"])


class _Listed(rs.EpsilonGreedy):
    """A policy with a setting that cannot be hashed."""

    notes: list[str] = Field(default_factory=list)


def test_own_recipes_need_not_be_hashable() -> None:
    """A recipe with a list among its settings can be compared, and stand in the first arm."""
    done = quietly({"plain": PLAIN.but(policy=_Listed(epsilon=0.3, notes=["a"])), "same": EXPLORING}, 1)
    assert (done.differences["difference"].dropna() == 0).all()


# ------------------------------------------------------------------------------------------------------------- going on
def test_going_on_is_as_the_folder_says(tmp_path: Path) -> None:
    """What is not given when going on is what it was: the epochs averaged, the price of a click, with equal cost too."""
    for name, equal in (("plainly", {}), ("equal", {"equal_cost": 30.0})):
        quietly({"plain": PLAIN, "asking": ASKING}, 1, tmp_path / name, last=2, price_click=0.5, **equal)
        again = quietly(None, None, tmp_path / name, resume=True)
        assert (again.last, again.price_click) == (2, 0.5)
    assert quietly(None, None, tmp_path / "plainly", resume=True, price_click=2.0).price_click == 2


def interrupted(folder: Path, stop: int, whole_group: bool) -> subprocess.Popen[str]:
    """Start a comparison by command, stop it after its first cells, and return its process, ended."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from recsim import cli; cli.main(sys.argv[1:])"
    )
    command = ["compare", "plain.toml", "asking.toml", "--seeds", "20", "--out", folder.name, "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *command], cwd=folder.parent, env=environment(), start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until = time.monotonic() + 120
    while len(list(folder.glob("cells/0*"))) < 3 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    (os.killpg if whole_group else os.kill)(process.pid, stop)
    process.wait(30)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="groups of processes are killed otherwise there")
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_whoever_stops_it_whole_cells_are_kept(tmp_path: Path, stop: int, code: int) -> None:
    """Ctrl-C, SIGTERM and kill -9 leave whole cells, and going on gives those that nobody interrupted."""
    for name, arm in (("plain", PLAIN), ("asking", ASKING)):
        (tmp_path / f"{name}.toml").write_text(arm.toml())
    process = interrupted(tmp_path / "there", stop, whole_group=stop == signal.SIGKILL)
    assert process.stdout and process.stderr
    words = process.stderr.read()
    process.stdout.close(), process.stderr.close()
    assert process.returncode == code, words
    if code == 130:
        assert words.splitlines()[-1].endswith("go on with recsim compare --resume --out there")
        assert "Traceback" not in words
        assert "Warning" not in words
    cut = rs.Comparison.load(tmp_path / "there")
    kept = {name: content for name, content in contents(tmp_path / "there" / "cells").items() if not name.startswith(".")}
    assert len(cut.history.groupby(["arm", "seed"])) == len(kept) < 40
    ran: list[str] = []
    done = quietly(None, None, tmp_path / "there", resume=True, progress=lambda share, text: ran.append(text))
    assert (len(ran), done.seeds) == (40 - len(kept), list(range(1, 21)))
    assert {name: contents(tmp_path / "there" / "cells")[name] for name in kept} == kept
    quietly({"plain": PLAIN, "asking": ASKING}, 20, tmp_path / "whole")
    assert contents(tmp_path / "there" / "cells") == contents(tmp_path / "whole" / "cells")


def test_another_comparison_is_refused(tmp_path: Path) -> None:
    """A folder takes more arms and seeds of its comparison, and no other."""
    there = tmp_path / "there"
    pair = {"plain": PLAIN, "asking": ASKING}
    quietly(pair, 1, there)
    refused: list[tuple[dict[str, object], str]] = [
        ({"resume": False}, "exists already"),
        ({"arms": {"plain": PLAIN, "asking": EXPLORING}}, "asking is another scenario there"),
        ({"arms": {"plain": PLAIN, "other": EXPLORING}}, "asking is missing here"),
        ({"arms": {"asking": ASKING, "plain": PLAIN}}, "its first arm is plain"),
        ({"warm_up": 3.0}, "with warm_up 6.0"),
        ({"equal_cost": 3.0}, "with equal_cost None"),
    ]
    for more, says in refused:
        with pytest.raises(rs.RecsimError) as fault:
            quietly(**({"arms": pair, "seeds": 1, "out": there, "resume": True} | more))  # type: ignore[arg-type]
        assert says in str(fault.value)
    for empty in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(rs.RecsimError, match="holds no comparison"):
            quietly(out=empty, resume=True)
        with pytest.raises(rs.RecsimError, match="holds no comparison"):
            rs.Comparison.load(empty)
