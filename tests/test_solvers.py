"""Processes that share the steps of a fit: whoever solves a row, and whatever becomes of him, the factors are the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from conftest import environment
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

import recsim as rs
from recsim import solvers
from recsim.interpreters import Interpreter
from recsim.simulation import World
from recsim.solvers import CREW, Fit, _step

FACTORS, PENALTY, STEPS = 8, 0.01, 3


@pytest.fixture(autouse=True)
def _one_blas_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(solvers, "ABLE", True)
    with threadpool_limits(1, user_api="blas"):
        yield
    CREW.dismiss()


def ready(size: int) -> list[Interpreter]:
    """Return so many processes as soon as all of them are there."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with CREW.of(size) as crew:
            if len(crew) == size:
                return crew
        time.sleep(0.05)
    raise TimeoutError(f"{size} processes did not come")


def matrix_of(users: int, items: int, seed: int = 1) -> csr_matrix:
    """Return a matrix of clicks in which the last tenth of the users have no rows."""
    chance = np.random.default_rng(seed)
    lengths = np.where(np.arange(users) < 0.9 * users, chance.integers(0, 9, users), 0)
    ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    items_of = chance.integers(0, items, ends[-1]).astype(np.int32)
    return csr_matrix((chance.random(ends[-1], np.float32) + 1, items_of, ends), shape=(users, items))


def factors_of(rows: int, seed: int) -> np.ndarray[Any, Any]:
    return 0.01 * np.random.default_rng(seed).random((rows, FACTORS), np.float32)


def alone(matrix: csr_matrix, steps: int) -> list[bytes]:
    """Return the factors after each of some steps, the columns' factors being other ones each time."""
    ours, result = factors_of(matrix.shape[0], 2), []
    for step in range(steps):
        _step(matrix, ours, factors_of(matrix.shape[1], step), PENALTY, STEPS)
        result.append(ours.tobytes())
    return result


def test_processes_begin_before_people_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there will be enough rows and threads for them, and not otherwise: they are there when the first model is trained."""
    monkeypatch.setattr(solvers, "LEAST", 300)
    people, drawn = rs.SyntheticUsers(users=300), []
    inside = rs.SyntheticUsers.draw
    monkeypatch.setattr(
        rs.SyntheticUsers, "draw", lambda self, chance: drawn.append(len(CREW._here.get(os.getpid(), []))) or inside(self, chance)
    )
    scenario = rs.Scenario(days=8, recommender=rs.ALS(), population=people, catalog=rs.SyntheticItems(items=300))
    for other, threads in (
        (scenario, 1), (scenario.but(days=7.0), 3), (scenario.but(population=people.but(users=299)), 3),
        (scenario.but(recommender=rs.Random()), 3),
        (scenario.but(catalog=rs.SyntheticItems(items=301)), 3), (scenario, 3),
    ):  # fmt: skip
        World(other, 1, threads)
    assert drawn == [0, 0, 0, 0, 0, 2]


@pytest.mark.parametrize("size", [1, 3])
def test_a_crew_finds_the_bits_that_one_finds_alone(size: int) -> None:
    """Step after step, for two matrices of one fit by turns, users without rows among them."""
    crew, fit = ready(size), Fit(STEPS)
    for seed in (1, 2):
        matrix, found = matrix_of(500, 40, seed), []
        ours = factors_of(500, 2)
        for step in range(3):
            fit.step(matrix, ours, factors_of(40, step), PENALTY, crew)
            found.append(ours.tobytes())
        assert found == alone(matrix, 3)


def test_the_parts_are_all_rows_once() -> None:
    """Whatever the sizes are, and where there are more parts than rows."""
    chance = np.random.default_rng(1)
    for _ in range(3000):
        rows, number = int(chance.integers(1, 3000)), int(chance.integers(2, 9))
        lengths = chance.integers(0, 30, rows)
        ends = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        matrix = csr_matrix((np.ones(ends[-1], np.float32), np.zeros(ends[-1], np.int32), ends), shape=(rows, 1))
        parts = solvers._parts(matrix, number)
        assert [start for start, _, _ in parts] + [rows] == [0] + [end for _, end, _ in parts]
        assert sum(part.nnz for _, _, part in parts) == matrix.nnz


def test_parts_without_rows_are_no_trouble() -> None:
    """Two rows for a crew of three."""
    matrix, ours = matrix_of(2, 5), factors_of(2, 2)
    Fit(STEPS).step(matrix, ours, factors_of(5, 0), PENALTY, ready(3))
    assert ours.tobytes() == alone(matrix, 1)[0]


def test_who_joins_between_two_steps_begins_with_what_was_found() -> None:
    """One process solves the first step, two the second, and the other one alone the third."""
    crew, matrix, fit = ready(2), matrix_of(300, 30), Fit(STEPS)
    ours, wanted = factors_of(300, 2), alone(matrix, 3)
    for step, some in enumerate((crew[:1], crew, crew[1:])):
        fit.step(matrix, ours, factors_of(30, step), PENALTY, some)
        assert ours.tobytes() == wanted[step]


def test_a_step_without_the_crew_is_known_to_it_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """While another thread has the crew a fit goes on alone; what its process holds is old then."""
    monkeypatch.setattr(solvers, "LEAST", 100)
    ready(1)
    matrix, wanted = matrix_of(300, 30), alone(matrix_of(300, 30), 4)
    solve = solvers.alternating()(factors=FACTORS, regularization=PENALTY).solver
    ours = factors_of(300, 2)
    for step in range(4):
        if step == 2:
            assert CREW._busy.acquire(blocking=False)
        solve(matrix, ours, factors_of(30, step), PENALTY, num_threads=2)
        if step == 2:
            CREW._busy.release()
        assert ours.tobytes() == wanted[step]


def test_fits_that_take_turns_do_not_see_each_other() -> None:
    """Two fits of the same matrix, a step of one after a step of the other, find what each finds alone."""
    crew, matrix, fits = ready(1), matrix_of(300, 30), (Fit(STEPS), Fit(STEPS))
    ours = [factors_of(300, 2), factors_of(300, 2)]
    wanted = alone(matrix, 3)
    for step in range(3):
        for fit, mine in zip(fits, ours, strict=True):
            fit.step(matrix, mine, factors_of(30, step), PENALTY, crew)
            assert mine.tobytes() == wanted[step]


@pytest.mark.parametrize("when", ["before", "between"])
def test_what_a_process_does_not_answer_is_solved_here(when: str) -> None:
    """One of two is killed before it is asked for the first time, or after its first answer; the other goes on."""
    crew, matrix, fit = ready(2), matrix_of(400, 30), Fit(STEPS)
    ours, wanted = factors_of(400, 2), alone(matrix, 3)
    for step in range(3):
        if step == (when == "between"):
            crew[0].popen.kill()
            crew[0].popen.wait()
        fit.step(matrix, ours, factors_of(30, step), PENALTY, crew)
        assert ours.tobytes() == wanted[step]
    assert len(ready(2)) == 2  # a fresh one takes its place


def test_one_that_dies_amid_its_work_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was asked, and is killed before it has answered."""
    (solver,), matrix, fit = ready(1), matrix_of(400, 30), Fit(STEPS)
    answer = Interpreter.answer

    def killed(process: Interpreter) -> Any:
        process.popen.kill()
        process.popen.wait()
        process.out.read()
        return answer(process)

    monkeypatch.setattr(Interpreter, "answer", killed)
    ours = factors_of(400, 2)
    fit.step(matrix, ours, factors_of(30, 0), PENALTY, [solver])
    assert ours.tobytes() == alone(matrix, 1)[0]


def test_an_interruption_leaves_no_answer_for_the_next() -> None:
    """Ctrl-C after a process was asked ends it, and the next fit has others."""
    (solver,), matrix = ready(1), matrix_of(400, 30)
    with pytest.raises(KeyboardInterrupt), CREW.of(1) as crew:
        assert crew == [solver]
        solver.ask(b"whatever")
        raise KeyboardInterrupt
    assert solver.popen.returncode is not None
    ours = factors_of(400, 2)
    Fit(STEPS).step(matrix, ours, factors_of(30, 0), PENALTY, ready(1))
    assert ours.tobytes() == alone(matrix, 1)[0]


def test_another_thread_goes_without() -> None:
    """While one has the crew, nobody else waits for it."""
    ready(1)
    found = []

    def look() -> None:
        with CREW.of(1) as crew:
            found.append(len(crew))

    with CREW.of(1) as crew:
        other = threading.Thread(target=look)
        other.start()
        other.join()
        assert (len(crew), found) == (1, [0])


def test_where_no_process_can_be_started_all_is_solved_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The crew is empty, and nothing is said."""

    def forbidden(*arguments: Any, **named: Any) -> None:
        raise OSError("no more processes")

    CREW.dismiss()
    monkeypatch.setattr(subprocess, "Popen", forbidden)
    with CREW.of(2) as crew:
        assert crew == []


def test_one_that_cannot_begin_is_tried_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, or says something else first; then all is solved here, and no other is started."""
    monkeypatch.setattr(CREW, "_failed", 0)
    CREW.dismiss()
    started, begin = [], Interpreter.__init__

    def broken(process: Interpreter, module: str) -> None:
        monkeypatch.setattr(sys, "path", ["print('hello')"])
        begin(process, "no_such_module")
        started.append(process)

    monkeypatch.setattr(Interpreter, "__init__", broken)
    end = time.monotonic() + 60
    while CREW._failed < solvers.TRIES and time.monotonic() < end:
        with CREW.of(1) as crew:
            assert crew == []
        time.sleep(0.02)
    with CREW.of(1) as crew:
        assert (crew, len(started)) == ([], solvers.TRIES)


def test_an_idle_process_ends_in_peace() -> None:
    """It says nothing, and its code is 0."""
    code = "from recsim import interpreters; interpreters.IDLE = 0.2; interpreters.serve(lambda frame: frame)"
    pipe = subprocess.PIPE
    idle = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe, env=environment())
    assert idle.wait(60) == 0
    assert idle.communicate() == (b"\x01" + bytes(7) + b"R", b"")


def test_a_matrix_is_sent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a whole fit, though the steps between are those of items, which nobody shares."""
    monkeypatch.setattr(solvers, "LEAST", 100)
    ready(1)
    sent, ask = [], Interpreter.ask

    def watched(process: Interpreter, head: bytes, *parts: Any) -> bool:
        sent.append(len(parts))
        return ask(process, head, *parts)

    monkeypatch.setattr(Interpreter, "ask", watched)
    fitted = solvers.alternating()(factors=FACTORS, iterations=4, num_threads=2, random_state=1)
    fitted.fit(matrix_of(300, 30), show_progress=False)
    assert sent == [5, 1, 1, 1]


@pytest.mark.parametrize("threads", [2, 3])
def test_a_run_is_the_same_with_and_without(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Its digest is that of one thread, and its steps over users were shared."""
    monkeypatch.setattr(solvers, "LEAST", 100)
    shared, step = [], Fit.step

    def watched(fit: Fit, matrix: Any, *arguments: Any) -> None:
        shared.append((matrix.shape, len(arguments[-1])))
        step(fit, matrix, *arguments)

    monkeypatch.setattr(Fit, "step", watched)
    scenario = rs.Scenario(
        days=21, slate=5, population=rs.SyntheticUsers(users=300), catalog=rs.SyntheticItems(items=200),
        recommender=rs.ALS(factors=FACTORS, warm=True), retrain=rs.Retrain(every=7),
    )  # fmt: skip
    one = rs.run(scenario, seed=3, progress=False).digest
    assert not shared
    ready(threads - 1)
    assert rs.run(scenario, seed=3, threads=threads, progress=False).digest == one
    assert set(shared) == {((300, 200), threads - 1)}


@pytest.mark.skipif(sys.platform == "win32", reason="processes are killed otherwise there")
def test_none_outlives_who_started_it() -> None:
    """One whose master is killed with -9 goes too."""
    code = (
        "import time\nfrom recsim.solvers import CREW\ncrew = []\n"
        "while not crew:\n    with CREW.of(1) as crew:\n        time.sleep(0.05)\n"
        "print(crew[0].popen.pid, flush=True)\ntime.sleep(60)\n"
    )
    master = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment())
    assert master.stdout
    solver = int(master.stdout.readline())
    master.kill()
    master.communicate()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(solver, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError(f"process {solver} is still there")
