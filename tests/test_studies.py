"""Studies: what their files may say, which cells follow, that nothing is run twice or mistaken, and what the folder holds."""

from __future__ import annotations

import errno
import json
import re
import sys
import time
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from small_studies import EPSILONS, TINY, cells, study_now, study_of

import recsim as rs
from recsim import cells as cells_of_all
from recsim import stores, workers
from recsim.recipe import family
from recsim.studies import plan_study, points, run_one, tasks_of

DOCUMENT = Path(__file__).parent.parent / "docs" / "studies.md"
EXAMPLES = sorted((Path(__file__).parent.parent / "scenarios" / "studies").glob("*.toml"))
QUICKSTART = (Path(__file__).parent.parent / "scenarios" / "quickstart.toml").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------ what a file says
FILE = """
about = "which is better"
base = "tiny.toml"
seeds = [3, 5]
[design]
kind = "OneAtATime"
[factors]
slate = [3, 4]
policy.kind = ["Greedy", "Softmax"]
"retrain.every" = {low = 1.0, high = 2.25, scale = "log", steps = 3}
signals = {levels = [{name = "none", value = []}, {name = "asked", value = [{kind = "Survey", count = 5}]}]}
network = [{name = "nobody"}, {name = "ring", kind = "SmallWorld"}]
[keep]
metrics = ["coverage*", "utility"]
groups = ["all"]
windows = ["first trained", "last quarter"]
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """Return a study file that says all there is to say."""
    (tmp_path / "tiny.toml").write_text(TINY.toml())
    (tmp_path / "which.toml").write_text(FILE)
    return tmp_path / "which.toml"


def test_a_file_says_what_is_varied(study_file: Path) -> None:
    """Paths may be tables or dotted, levels may be tables with a name; a name alone is the default; seeds are as listed."""
    study = rs.Study.load(study_file)
    assert (study.name, study.seeds, study.base, study.design) == ("which", (3, 5), TINY, rs.OneAtATime())
    found = points(study)
    assert [[level.label for level in point.levels] for point in found] == [
        [3, "Greedy", 1.0, "none", "nobody"],
        [4, "Greedy", 1.0, "none", "nobody"],
        [3, "Softmax", 1.0, "none", "nobody"],
        [3, "Greedy", 1.5, "none", "nobody"],
        [3, "Greedy", 2.25, "none", "nobody"],
        [3, "Greedy", 1.0, "asked", "nobody"],
        [3, "Greedy", 1.0, "none", "ring"],
    ]
    scenarios = [point.scenario for point in found]
    assert [one.slate for one in scenarios[:2]] == [3, 4]
    assert (scenarios[2].policy, scenarios[5].signals) == (rs.Softmax(), (rs.Survey(count=5),))
    assert (scenarios[5].network, scenarios[6].network) == (None, rs.SmallWorld())


def test_a_study_written_down_is_the_same(tmp_path: Path, study_file: Path) -> None:
    """The file in the folder of a study stands alone and has the same cells, also where levels are recipes."""
    for study in (rs.Study.load(study_file), study_of()):
        (tmp_path / "alone.toml").write_text(study.toml())
        again = rs.Study.load(tmp_path / "alone.toml")
        assert [task.cell for task in tasks_of(again, points(again))] == [task.cell for task in tasks_of(study, points(study))]
        assert [point.levels[0].label for point in points(again)] == [point.levels[0].label for point in points(study)]


def test_a_base_may_be_a_table_on_a_file(study_file: Path) -> None:
    """A table as base stands on the file that it names, setting by setting."""
    study_file.write_text('[base]\nbase = "tiny.toml"\nslate = 7\n[factors]\nslate = [3]\n')
    assert rs.Study.load(study_file).base == TINY.but(slate=7, name="tiny")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"tiny.toml"', '"tinny.toml"', "base: there is no file 'tinny.toml'"),
        ("about", "abuot", "Study has no such setting; did you mean 'about'?"),
        ("slate =", "slat =", "slat: Scenario has no such setting; did you mean 'slate'?"),
        ('"retrain.every"', '"retrain.evry"', "retrain.evry: Retrain has no such setting; did you mean 'every'?"),
        ('"Softmax"', '"Softmx"', "'Softmx' is not a Policy known here; did you mean 'Softmax'?"),
        ("[3, 4]", "[3, 0]", "point 1 (slate = 0, "),
        ("[3, 4]", "[3, 3]", "slate has two levels 3"),
        ("OneAtATime", "OneAtTime", "did you mean 'OneAtATime'?"),
        ("coverage*", "covrage", "keep.metrics: there is no 'covrage' in this world; did you mean 'coverage'?"),
        ('["all"]', '["al"]', "keep.groups: there is no 'al' in this world; did you mean 'all'?"),
        ("last quarter", "lst quarter", "there is no window 'lst quarter'; did you mean 'last quarter'?"),
        ("last quarter", "last 9", "'last 9' is more than the 6 epochs of a run"),
        ("seeds = [3, 5]", "seeds = [3, 3]", "seeds: give at least one, and none of them twice"),
        ("seeds = [3, 5]", "seeds = 800", "7 points under 800 seeds are 5,600 cells, and at most 50 are allowed"),
        ("value = []", "value = 3", "signals"),
        ("[factors]", "[factors", "broken TOML"),
        ("signals = {", '"signals.0.count" = [1]\nsignals = {', "signals.0.count: '0' is no place in a list of 0"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_runs(study_file: Path, old: str, new: str, says: str) -> None:
    """Path, level, metric, window, design or number: the mistake is named with the mend, and no folder is made."""
    assert old in FILE
    study_file.write_text("most = 50\n" + FILE.replace(old, new))
    with pytest.raises(rs.RecsimError) as fault:
        rs.run_study(study_file, study_file.parent / "there", progress=False)
    assert says in str(fault.value)
    assert "\n" not in str(fault.value)
    assert not (study_file.parent / "there").exists()


def test_settings_are_changed_together(tmp_path: Path) -> None:
    """Two settings that only hold together may vary one by one; recipes that no file could name stay what they are."""

    class _Mine(rs.Greedy):
        """A policy that no file can name."""

        rate: float = 0.5

    base = TINY.but(policy=_Mine())
    study = study_of({"retrain.latency": [4.0], "retrain.every": [5.0], "policy.rate": [0.25]}, base=base)
    (point,) = points(study)
    assert point.scenario.retrain == rs.Retrain(every=5.0, latency=4.0)
    assert point.scenario.policy == _Mine(rate=0.25)


# ------------------------------------------------------------------------------------------------------- what is found
def test_the_frame_holds_what_runs_tell(tmp_path: Path) -> None:
    """Every value is that of a run of the same scenario and seed; windows are means over its epochs."""
    study = study_of({"slate": [3, 4], "policy.kind": ["Greedy", "Softmax"]}, seeds=[2])
    frame = study_now(study, tmp_path / "there").frame
    assert list(frame) == ["point", "seed", "slate", "policy.kind", "cell", "window", "epoch", "group", "metric", "value"]
    run = rs.run(TINY.but(slate=4, policy=rs.Softmax()), seed=2, progress=False)
    mine = frame[(frame["slate"] == 4) & (frame["policy.kind"] == "Softmax")]
    every = mine[mine["window"] == "every epoch"].set_index(["epoch", "group", "metric"])["value"]
    told = run.history[run.history["window"] == "epoch"].set_index(["epoch", "group", "metric"])["value"]
    pd.testing.assert_series_equal(every.sort_index(), told.sort_index(), check_dtype=False, check_index_type=False)
    last = mine[(mine["window"] == "last 2") & (mine["metric"] == "gini")]
    assert last["value"].item() == pytest.approx(run.series("gini").iloc[-2:].mean(), rel=1e-15)
    assert last["epoch"].item() == run.epochs - 1


def test_only_what_is_asked_is_kept(tmp_path: Path) -> None:
    """Metrics, groups and windows by name or pattern; the mean of a window is missing where an epoch of it has no value."""
    keep = rs.Keep(metrics=("utility", "coverage*", "depth"), groups=("all", "n*"), windows=("first trained", "every epoch"))
    frame = study_now(study_of({"slate": [3]}, 1, keep=keep), tmp_path / "there").frame
    assert set(frame["group"]) == {"all", "niche"}
    assert {"utility", "depth", "coverage_floor"} <= set(frame["metric"]) <= {"utility", "depth"} | set(rs.metrics.METRICS)
    assert not set(frame["metric"]) & {"gini", "novelty"}
    by_window = frame.groupby("window")["epoch"].unique().map(list).to_dict()
    assert by_window == {"first trained": [1], "every epoch": [0, 1, 2]}
    depth = frame[(frame["metric"] == "depth") & (frame["window"] == "every epoch")]
    assert depth["value"].isna().tolist() == [True, False, False]


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
def test_any_reader_opens_the_folder(tmp_path: Path, library: str) -> None:
    """What docs/studies.md writes for pandas, Polars and DuckDB finds the rows that we find."""
    pytest.importorskip(library)
    done = study_now(study_of(), tmp_path / "there")
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    (code,) = (block for block in blocks if block.startswith(f"import {library}\n"))
    names: dict[str, pd.DataFrame] = {}
    exec(code.replace("there/", f"{(tmp_path / 'there').as_posix()}/"), names)
    key = ["cell", "window", "epoch", "group", "metric"]
    some = [*key, "policy", "point", "seed", "value"]
    expected, found = (frame[some].sort_values(key, ignore_index=True) for frame in (done.frame, names["found"]))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


# --------------------------------------------------------------------------------------------------- nothing runs twice
def test_running_again_does_only_what_is_missing(tmp_path: Path) -> None:
    """More seeds and levels only add; what was there stays to the byte, and what is taken away is no longer in the frame."""
    out = tmp_path / "there"
    assert (study_now(study_of(), out).ran, study_now(study_of(), out).ran) == (4, 0)
    before = cells(out)
    assert study_now(study_of(seeds=3), out).ran == 2
    more = study_now(study_of({"policy": [*EPSILONS["policy"], rs.Softmax()]}, 3), out)
    assert (more.cells, more.ran) == (9, 3)
    assert {name: cells(out)[name] for name in before} == before
    less = study_now(study_of({"policy": EPSILONS["policy"][:1]}, 1), out)
    assert (less.ran, less.frame["cell"].nunique(), len(cells(out))) == (0, 1, 9)


def test_points_that_are_alike_run_once(tmp_path: Path) -> None:
    """Two points of a sample that come to the same scenario share a cell, and both are in the frame."""
    study = study_of({"slate": [3, 4]}, 1, design=rs.LatinHypercube(points=6))
    done = study_now(study, tmp_path / "there")
    assert (done.cells, done.ran, len(cells(tmp_path / "there"))) == (2, 2, 2)
    assert sorted(done.frame["point"].unique()) == [0, 1, 2, 3, 4, 5]


def address(study: rs.Study) -> str:
    """Return the address of its first cell."""
    return tasks_of(study, points(study))[0].cell


def test_an_address_tells_all_that_a_cell_follows_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting, seed, what is kept, code and versions change it; names, what a log keeps, and the rest of the design do not."""
    same = address(study_of())
    unlike = [
        study_of(base=TINY.but(slate=5)), study_of({"policy": [rs.Softmax()]}), study_of(seeds=[2]),
        study_of(keep=rs.Keep(windows=("every epoch",))), study_of(base=TINY.but(world_seed=2)),
    ]  # fmt: skip
    assert len({same, *map(address, unlike)}) == 6
    renamed = TINY.but(name="x", log="impressions")
    alike = [study_of(name="other"), study_of(base=renamed), study_of(seeds=9, design=rs.OneAtATime())]
    assert {address(study) for study in alike} == {same}
    monkeypatch.setattr(cells_of_all, "_code", lambda: "other code")
    assert address(study_of()) != same


def test_a_changed_strategy_is_never_mistaken_for_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that is not ours has another address as soon as its file changes."""
    import importlib

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for half in ("1", "2", "1"):
        (tmp_path / "own_kind_of_a_study.py").write_text(f"import recsim as rs\nclass _Own(rs.Greedy):\n    half: int = {half}\n")
        sys.modules.pop("own_kind_of_a_study", None)
        importlib.invalidate_caches()
        found.append(address(study_of({"policy": [importlib.import_module("own_kind_of_a_study")._Own(half=1)]})))
    monkeypatch.delitem(sys.modules, "own_kind_of_a_study")
    assert found[0] == found[2] != found[1]


def test_cells_are_the_same_whoever_runs_them(tmp_path: Path) -> None:
    """One worker, two, and a command for each cell leave the same files, byte for byte."""
    study_now(study_of(), tmp_path / "one")
    study_now(study_of(), tmp_path / "two", workers=2)
    planned = plan_study(study_of(), tmp_path / "alone")
    assert [run_one(tmp_path / "alone", cell) for cell in planned] == [True] * 4
    assert [run_one(tmp_path / "alone", cell) for cell in planned] == [False] * 4
    assert plan_study(study_of(), tmp_path / "alone") == []
    assert cells(tmp_path / "one") == cells(tmp_path / "two") == cells(tmp_path / "alone")
    about = pq.read_schema(tmp_path / "one" / "cells" / f"{planned[0]}.parquet").metadata
    run = rs.run(TINY, seed=1, progress=False)
    assert about[b"digest"].decode() == run.digest


def test_a_cell_that_was_planned_with_other_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command printed before a change does not put a cell of the changed code under the old address; nor one of no study."""
    planned = plan_study(study_of(), tmp_path / "there")
    with pytest.raises(rs.RecsimError, match="has no cell abc"):
        run_one(tmp_path / "there", "abc")
    with pytest.raises(rs.RecsimError, match="holds no study"):
        run_one(tmp_path, planned[0])
    monkeypatch.setattr(cells_of_all, "_code", lambda: "other code")
    with pytest.raises(rs.RecsimError, match="planned with other code, versions or data"):
        run_one(tmp_path / "there", planned[0])


# ---------------------------------------------------------------------------------------------------------- the folder
def test_damaged_cells_are_run_again(tmp_path: Path) -> None:
    """A cell of which the end is missing, or all, is not taken."""
    out = tmp_path / "there"
    study_now(study_of(), out)
    before = cells(out)
    some, other, *_ = before
    (out / "cells" / some).write_bytes(before[some][:-9])
    (out / "cells" / other).write_bytes(b"")
    assert study_now(study_of(), out).ran == 2
    assert cells(out) == before


def test_a_full_disk_leaves_whole_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk takes no more the study ends in one line; what is there is whole, and going on gives the rest."""
    study_now(study_of(), tmp_path / "quiet")
    written: list[Path] = []
    write = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        written.append(self)
        if len(written) > 4:  # the study, its design and two cells
            write(self, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(rs.RecsimError, match="cannot be written: no space left on device"):
        study_now(study_of(), tmp_path / "there")
    monkeypatch.undo()
    kept = cells(tmp_path / "there")
    assert len(kept) == 2
    assert kept.items() <= cells(tmp_path / "quiet").items()
    assert not list((tmp_path / "there").rglob("*.part"))
    assert study_now(study_of(), tmp_path / "there").ran == 2
    assert cells(tmp_path / "there") == cells(tmp_path / "quiet")


def test_a_second_master_is_told(tmp_path: Path) -> None:
    """Who comes while another is at work in the folder is told in one line; who comes after is let in."""
    store = stores.Store(tmp_path / "there")
    with store.held(), pytest.raises(rs.RecsimError, match="another recsim is at work in it; wait until it has ended"):
        study_now(study_of(), tmp_path / "there")
    planned = plan_study(study_of(), tmp_path / "there")
    with store.claimed(planned[0]), pytest.raises(rs.RecsimError, match="is being run by another recsim"):
        run_one(tmp_path / "there", planned[0])
    assert study_now(study_of(), tmp_path / "there").ran == 4


def test_another_study_does_not_take_a_folder_over(tmp_path: Path) -> None:
    """A folder is that of the study whose name it has; one without cells says so when it is opened."""
    plan_study(study_of(), tmp_path / "there")
    with pytest.raises(rs.RecsimError, match="no cell of the study is there yet"):
        rs.open_study(tmp_path / "there")
    with pytest.raises(rs.RecsimError, match="holds the study tiny, not another"):
        study_now(study_of(name="another"), tmp_path / "there")
    with pytest.raises(rs.RecsimError, match="holds no study"):
        rs.open_study(tmp_path)


def test_what_is_half_written_is_cleared_away(tmp_path: Path) -> None:
    """A remnant of a killed process goes when it is old; one that may be being written stays."""
    import os

    plan_study(study_of(), tmp_path / "there")
    old, new = (tmp_path / "there" / "cells" / f".{name}.parquet.part" for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * stores.STALE,) * 2)
    study_now(study_of(), tmp_path / "there")
    assert (old.exists(), new.exists()) == (False, True)


def test_failures_are_recorded_and_tried_again(tmp_path: Path) -> None:
    """A cell that fails leaves a record with its message and the others run; mended, the record goes."""
    from small_studies import _Harmful

    once = str(tmp_path / "once")
    study = study_of({"policy": [rs.Greedy(), _Harmful(harm="bug", once=once)]}, 1)
    done = study_now(study, tmp_path / "there")
    assert done.failed[["point", "seed", "tries"]].to_numpy().tolist() == [[1, 1, 1]]
    assert done.failed["message"].item().startswith("ZeroDivisionError: of mine (line ")
    assert done.frame["point"].unique().tolist() == [0]
    (record,) = (tmp_path / "there" / "failed").iterdir()
    assert json.loads(record.read_text())["message"] == done.failed["message"].item()
    again = study_now(study, tmp_path / "there")
    assert (again.ran, len(again.failed), again.frame["point"].nunique()) == (1, 0, 2)
    assert not list((tmp_path / "there" / "failed").iterdir())


def test_a_cell_that_fails_alone_is_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command for one cell ends in a line with its message, which the folder keeps until the cell is had."""
    cell, *_ = plan_study(study_of(), tmp_path / "there")

    def fails(*given: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr(workers, "cell_content", fails)
    with pytest.raises(rs.RecsimError, match=rf"cell {cell[:12]} failed: ran out of memory; mend that and try again"):
        run_one(tmp_path / "there", cell)
    assert stores.Store(tmp_path / "there").failed()["message"].tolist() == ["ran out of memory"]
    monkeypatch.undo()
    assert run_one(tmp_path / "there", cell)
    assert not len(stores.Store(tmp_path / "there").failed())


def test_progress_tells_of_the_whole_study(tmp_path: Path) -> None:
    """It counts what was there before, what runs and what failed, and its share is that of what is to be done now."""
    from small_studies import _Harmful

    study_now(study_of(), tmp_path / "there")
    told: list[tuple[float, str]] = []
    study = study_of({"policy": [*EPSILONS["policy"], rs.Softmax(), _Harmful(harm="bug")]})
    study_now(study, tmp_path / "there", progress=lambda share, text: told.append((share, text)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1
    assert told[-1][1] in [f"{done} of 8 cells done, {running} running, {failed} failed"
                           for done, failed in ((6, 1), (5, 2)) for running in (0, 1)]  # fmt: skip


def test_kinds_of_design_are_listed_in_the_documents() -> None:
    """docs/studies.md names every design and window."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [kind for kind in family(rs.Design) if f"`{kind}`" not in text] == []
    assert [window for window in ("every epoch", "first trained", "last quarter") if f'"{window}"' not in text] == []


def test_the_file_in_the_documents_is_one(tmp_path: Path) -> None:
    """The study that docs/studies.md writes out loads, and every point of it holds."""
    text = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)[0]
    (tmp_path / "studies").mkdir()
    (tmp_path / "quickstart.toml").write_text(QUICKSTART)
    (tmp_path / "studies" / "one.toml").write_text(text)
    study = rs.Study.load(tmp_path / "studies" / "one.toml")
    assert len(points(study)) == study.design.size(study.factors) == 2 * 4 * 2 * 2 * 2


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_run(tmp_path: Path, path: Path) -> None:
    """Every study that comes with recsim holds, and its first cell runs, in a smaller world of three epochs."""
    study = rs.Study.load(path)
    assert study.about
    catalog = study.base.catalog
    people, items = study.base.population.but(users=50), catalog.but(items=40) if hasattr(catalog, "items") else catalog
    small = study.but(base=study.base.but(population=people, catalog=items, days=20), seeds=1)
    (cell, *_) = plan_study(small, tmp_path / "there")
    assert run_one(tmp_path / "there", cell)
    assert len(rs.open_study(tmp_path / "there"))
