"""Who runs the cells of a study: what becomes of those whose process dies, hangs or is killed, and that nobody changes a cell."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import environment
from small_studies import TINY, _Harmful, cells, study_now, study_of

import recsim as rs
from recsim import executors
from recsim.executors import Local, perform
from recsim.studies import points, tasks_of
from recsim.workers import Task

UNIX = pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")


def outcomes(study: rs.Study, workers: int = 2, limit: float | None = None) -> dict[str, tuple[str, int]]:
    """Run a study without a folder; return message and tries by what the policy does, "" for one that serves."""
    crew = Local(workers, limit)
    try:
        over = list(perform(crew, tasks_of(study, points(study)), lambda running: None))
    finally:
        crew.close()
    return {getattr(task.scenario.policy, "harm", ""): (outcome.message, tries) for task, outcome, tries in over}


# ---------------------------------------------------------------------------------------------------------------- faults
@UNIX
def test_what_a_worker_suffers_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is killed, hangs or runs out of memory is tried again, then told of; an error of a kind is told at once."""
    monkeypatch.setattr(executors, "TRIES", 2)
    harms = [_Harmful(harm=harm) for harm in ("kill", "hang", "memory", "bug")]
    found = outcomes(study_of({"policy": [*harms, rs.Greedy()]}, 1), limit=3.0)
    assert found.pop("bug")[0].startswith("ZeroDivisionError: of mine (line ")
    assert found == {
        "kill": ("its process was killed by SIGKILL, as the system does when memory runs out", 2),
        "hang": ("took longer than the limit of 3 s", 2),
        "memory": ("ran out of memory", 2),
        "": ("", 1),
    }


@UNIX
@pytest.mark.parametrize("harm", ["kill", "memory"])
def test_a_cell_whose_worker_died_is_run_by_another(tmp_path: Path, harm: str) -> None:
    """The second try gives what an undisturbed one gives, and no failure is recorded."""
    study = study_of({"policy": [_Harmful(harm=harm, once=str(tmp_path / "once")), rs.Softmax()]}, 1)
    done = study_now(study, tmp_path / "there", workers=2)
    assert (tmp_path / "once").exists()
    assert (done.ran, len(done.failed)) == (2, 0)
    quiet = study_now(study, tmp_path / "quiet")
    assert cells(quiet.folder) == cells(done.folder)


class _Counting(rs.Greedy):
    """Says how many threads there are to compute with."""

    def place(self, *given, **more):  # type: ignore[no-untyped-def]
        """Say it."""
        from threadpoolctl import threadpool_info

        threads = {pool["num_threads"] for pool in threadpool_info()}
        raise rs.RecsimError(f"threads {threads} {os.environ['OMP_NUM_THREADS']}")


def test_a_worker_has_one_thread() -> None:
    """All libraries of a worker are held at one thread, by environment and by limit."""
    ((message, tries),) = outcomes(study_of({"policy": [_Counting()]}, 1)).values()
    assert (message, tries) == ("threads {1} 1", 1)


def test_cells_are_only_made_by_the_code_that_was_asked_for() -> None:
    """A worker that has other code or versions than the master refuses, or its cells would stand under a wrong address."""
    (task,) = tasks_of(study_of({"slate": [3]}, 1), points(study_of({"slate": [3]}, 1)))
    crew = Local(1, None)
    try:
        ((_, outcome, tries),) = perform(crew, [Task(*task[:4], made="other code")], lambda running: None)
    finally:
        crew.close()
    assert "code or versions here are not those of the master" in outcome.message
    assert (outcome.content, tries) == (None, 1)


# --------------------------------------------------------------------------------------------------------- other executors
def test_any_executor_will_do(tmp_path: Path) -> None:
    """A concurrent.futures executor gives the same cells, and no worker is left behind; what is none is refused."""
    with ThreadPoolExecutor(2) as pool:
        done = study_now(study_of(), tmp_path / "pool", executor=pool)
    assert (done.ran, executors._HERE) == (4, {})
    study_now(study_of(), tmp_path / "here")
    assert cells(tmp_path / "pool") == cells(tmp_path / "here")
    with pytest.raises(rs.RecsimError, match="executor: 3 is none; give the address of a Dask cluster"):
        study_now(study_of(), tmp_path / "none", executor=3)


@UNIX
def test_a_dask_cluster_gives_the_same_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers of a real cluster leave what one process here leaves, byte for byte; a cell that dies there is told of."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "TRIES", 2)
    study_now(study_of(), tmp_path / "here")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster:
        done = study_now(study_of(), tmp_path / "there", workers=None, executor=cluster.scheduler_address)
        assert (done.ran, len(done.failed)) == (4, 0)
        with distributed.Client(cluster, set_as_default=False) as client:
            harmed = study_of({"policy": [_Harmful(harm="kill"), rs.Softmax()]}, 1)
            bad = study_now(harmed, tmp_path / "bad", workers=None, executor=client)
            left = client.run(lambda: len(executors._HERE))
    assert bad.failed["message"].str.contains("killed by SIGKILL").tolist() == [True]
    assert len(cells(tmp_path / "bad")) == 1
    assert list(left.values()) == [0, 0]
    assert cells(tmp_path / "there") == cells(tmp_path / "here")


def test_a_cluster_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers it is said, before any cell is run."""
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "PATIENCE", 0.5)
    with pytest.raises(rs.RecsimError, match=r"cluster: tcp://127\.0\.0\.1:9: .* give the address that dask scheduler prints"):
        study_now(study_of(), tmp_path / "there", workers=None, executor="tcp://127.0.0.1:9")
    assert not cells(tmp_path / "there")


# ------------------------------------------------------------------------------------------------------- who starts it
SCRIPT = """
import recsim as rs

class Own(rs.Greedy):
    '''A policy of a script that has no guard.'''

    def reach(self, size):
        return size

base = rs.Scenario(days=15, population=rs.SyntheticUsers(users=20), catalog=rs.SyntheticItems(items=15), recommender=rs.Random())
study = rs.Study(base=base, factors={"policy": [rs.Greedy(), Own()]}, seeds=1)
print(rs.run_study(study, "there", workers=2, progress=False).frame["policy"].nunique())
"""


@pytest.mark.parametrize("how", ["script", "prompt"])
def test_scripts_need_no_guard(tmp_path: Path, how: str) -> None:
    """A plain script, or what is typed into an interpreter or a notebook, can run a study with classes of its own."""
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-W", "error", "script.py" if how == "script" else "-"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, input=SCRIPT
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("2", "")


def alive(pid: int) -> bool:
    """Return whether a process is there, and no zombie."""
    import psutil

    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def until(true: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it has not come true in time"
        time.sleep(0.05)


def master(folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start the study of a folder by command, in a group of its own, heeding Ctrl-C."""
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from recsim import cli; cli.main(sys.argv[1:])"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, "study", "study.toml", "--out", "there", "--workers", "2", *more], cwd=folder,
        env=environment(), start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def written(folder: Path, study: rs.Study) -> None:
    """Write the file of a study into a folder."""
    (folder / "study.toml").write_text(study.toml())


@UNIX
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_master_that_is_stopped_takes_its_workers_along(tmp_path: Path, number: int) -> None:
    """Ctrl-C and SIGTERM end with 130 and how to go on; kill -9 too leaves no worker, no lock, and whole cells."""
    import psutil

    written(tmp_path, study_of({"slate": [3, 4, 5]}, 20, base=TINY.but(days=16)))
    process = master(tmp_path)
    until(lambda: len(cells(tmp_path / "there")) > 2)
    workers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    assert len(workers) == 2
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130), errors
    if number != signal.SIGKILL:
        assert errors.splitlines()[-1].endswith("what is done is kept; go on with recsim study study.toml --out there")
        assert "Traceback" not in errors
    until(lambda: not any(map(alive, workers)), 10)
    kept = cells(tmp_path / "there")
    assert 2 < len(kept) < 60
    done = study_now(rs.Study.load(tmp_path / "study.toml"), tmp_path / "there", workers=2)
    assert done.ran == 60 - len(kept)
    assert kept.items() <= cells(tmp_path / "there").items()


SLEEPING = """
import os, pathlib, time
import recsim as rs

class Sleeping(rs.Greedy):
    '''A policy that never ends.'''

    def place(self, *given, **more):
        pathlib.Path("part").write_text(str(os.getpid()))
        os.replace("part", "sleeper")
        time.sleep(600)

base = rs.Scenario(days=15, population=rs.SyntheticUsers(users=20), catalog=rs.SyntheticItems(items=15), recommender=rs.Random())
rs.run_study(rs.Study(base=base, factors={"policy": [Sleeping()]}, seeds=1), "there", workers=1, progress=False)
"""


@UNIX
def test_a_worker_goes_amid_its_cell_when_its_master_is_killed(tmp_path: Path) -> None:
    """No orphan works on at a cell that nobody waits for any more, and that the next master runs."""
    process = subprocess.Popen([sys.executable, "-c", SLEEPING], cwd=tmp_path, env=environment())
    until((tmp_path / "sleeper").exists)
    sleeper = int((tmp_path / "sleeper").read_text())
    assert alive(sleeper)
    process.kill()
    process.wait()
    until(lambda: not alive(sleeper), 10)


# ---------------------------------------------------------------------------------------------------------------- kills
def kill_again_and_again(folder: Path, study: rs.Study, kills: int, pause: tuple[float, float]) -> list[str]:
    """Run a study, kill a worker and its master by turns at random moments, go on each time; return who was killed.

    When it is done before so many kills, half of its cells are taken away, so that no kill meets an idle study.
    """
    import psutil

    chance, killed = random.Random(1), []
    written(folder, study)
    process = master(folder)
    while len(killed) < kills:
        time.sleep(chance.uniform(*pause))
        if process.poll() is not None:
            errors = process.communicate()[1]
            assert process.returncode in (0, -9), errors
            if process.returncode == 0:
                for name in chance.sample(sorted(cells(folder / "there")), 30):
                    (folder / "there" / "cells" / name).unlink()
            process = master(folder)
            continue
        if len(killed) % 2:
            process.kill()
            killed.append("master")
        elif workers := psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                chance.choice(workers).kill()
                killed.append("worker")
    process.communicate(timeout=600)
    return killed


def check_kills(tmp_path: Path, study: rs.Study, kills: int, pause: tuple[float, float]) -> None:
    """Assert that a study that is killed again and again ends with what a quiet one leaves."""
    killed = kill_again_and_again(tmp_path, study, kills, pause)
    done = study_now(study, tmp_path / "there", workers=2)
    quiet = study_now(study, tmp_path / "quiet", workers=2)
    print(f"\n{len(killed)} kills: {killed.count('master')} of the master, {killed.count('worker')} of a worker")
    assert (len(done.failed), len(list((tmp_path / "there" / "failed").iterdir()))) == (0, 0)
    assert len(cells(tmp_path / "quiet")) == 60
    assert cells(tmp_path / "there") == cells(tmp_path / "quiet")
    assert done.frame.equals(quiet.frame)
    shutil.rmtree(tmp_path / "there")


@UNIX
def test_kills_lose_nothing(tmp_path: Path) -> None:
    """Four kills at random moments: the store ends as the uninterrupted one, byte for byte, no cell lost, none twice."""
    check_kills(tmp_path, study_of({"slate": [2, 3, 4, 5, 6]}, 12, base=TINY.but(days=16)), 4, (2.0, 4.0))


@UNIX
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_thirty_kills_lose_nothing(tmp_path: Path) -> None:
    """Thirty kills at random moments during a study of 60 cells of a second or so: the store ends as the uninterrupted one."""
    base = TINY.but(days=280, population=rs.SyntheticUsers(users=60, topics=3, curiosity=0.1))
    check_kills(tmp_path, study_of({"slate": [2, 3, 4, 5, 6]}, 12, base=base), 30, (1.0, 6.0))


