"""The command line: what it prints for people and for scripts, how it ends, and what it must not import."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, call, environment, spawn, stopped

import recsim as rs
from recsim import archive, arguments, cli, expectation, verdict
from recsim.metrics import METRICS
from recsim.world import FEED, HUMAN, Origin

SCENARIOS = sorted(path.stem for path in (ROOT / "scenarios").glob("*.toml"))


# ----------------------------------------------------------------------------------------------------------------- run
def test_json_is_one_object_with_what_scripts_need(small_file: str) -> None:
    """Standard output holds one JSON object, the digest of which is that of the same run in Python."""
    code, out, err = call("run", small_file, "--seed", "3", "--out", "there", "--json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert set(told) == {"out", "digest", "seed", "epochs", "seconds", "metrics"}
    assert (told["out"], told["seed"], told["epochs"]) == ("there", 3, 4)
    assert set(told["metrics"]) == set(METRICS)
    assert told["digest"] == rs.run(rs.Scenario.load(small_file), seed=3, progress=False).digest


def test_what_is_not_measured_is_null(small_file: str) -> None:
    """JSON has no NaN: a run without a trained model has null for depth."""
    code, out, _ = call("run", small_file, "--set", "days=5", "--json")
    assert code == 0
    assert json.loads(out, parse_constant=pytest.fail)["metrics"]["depth"] is None


def test_the_table_tells_what_moves(small_file: str) -> None:
    """People who change, come or go, makers, new interests and graphs have rows of their own; a still world has none of them."""
    moving = (
        '[arrivals]\nkind = "PoissonArrivals"\n[[dynamics]]\nkind = "Relaxation"\n[[creators]]\nkind = "AICreators"\n'
        '[[births]]\nname = "new"\nday = 9.0\n'
    )
    text = Path(small_file).read_text()
    Path("moving.toml").write_text("graphs = true\n" + text + moving)
    rows = {"interest_topics", "curiosity", "present", "ai_share", "generation", "new discovered", "users modularity"}
    for name, there in ((small_file, False), ("moving.toml", True)):
        code, out, _ = call("run", name, "--out", f"of {name}")
        assert code == 0
        assert {row for row in rows if f"\n{row} " in out} == (rows if there else set())


def test_people_get_table_answer_figure_and_folder(small_file: str) -> None:
    """Without --json there are ten metrics with units and floors, one answer, a figure and the path of the run."""
    code, out, _ = call("run", small_file)
    assert code == 0
    for metric, unit in verdict.SHOWN.items():
        assert re.search(rf"^{metric} .*{re.escape(unit)}$", out, re.MULTILINE)
    assert out.count("Does the loop narrow the feed?") == 1
    assert Path("runs/small-seed1/narrowing.png").read_bytes().startswith(b"\x89PNG")
    assert out.rstrip().endswith("runs/small-seed1")
    assert "\x1b" not in out


def test_default_folders_are_numbered(small_file: str) -> None:
    """A second run of the same name and seed goes to -2, a third to -3, and the first stays as it was."""
    first = [json.loads(call("run", small_file, "--json")[1])["out"] for _ in range(3)]
    assert first == [str(Path("runs") / name) for name in ("small-seed1", "small-seed1-2", "small-seed1-3")]


def test_settings_are_changed_by_path(small_file: str) -> None:
    """--set may be given again and again, reads values as TOML does, and takes the last of two."""
    call("run", small_file, "--set", "slate=4", "--set", "slate=5", "--set", "policy.kind=EpsilonGreedy", "--out", "there")
    scenario = rs.Scenario.load("there/scenario.toml")
    assert (scenario.slate, scenario.policy) == (5, rs.EpsilonGreedy())


@pytest.mark.parametrize("command", [[], ["small.toml"], ["--set", "slate=5"], ["small.toml", "--set", "slate=5", "--seed", "1"]])
def test_an_interrupted_run_goes_on(small_file: str, command: list[str]) -> None:
    """--resume ends with the digest of a run that nobody stopped, with or without naming what ran."""
    scenario = rs.Scenario.load(small_file)
    scenario = scenario.but(slate=5) if "slate=5" in command else scenario
    stopped(scenario, Path("there"))
    code, out, _ = call("run", *command, "--resume", "--out", "there", "--json")
    assert code == 0
    assert json.loads(out)["digest"] == rs.run(scenario, seed=1, progress=False).digest


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_run_with_130_and_how_to_go_on(small_file: str, number: int) -> None:
    """Ctrl-C and SIGTERM leave a folder that can be resumed, and one line that says how."""
    command = [sys.executable, "-m", "recsim", "run", small_file, "--set", "days=10000", "--out", "the run"]

    def heed() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs in the background inherits that it ignores Ctrl-C

    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        while not list(Path("the run/checkpoint").glob("epoch=*.npz")):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1].endswith("go on with recsim run --resume --out 'the run'")
    assert json.loads(Path("the run/manifest.json").read_text())["status"] == "interrupted"


def test_an_interruption_that_a_destructor_swallows_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python drops what is raised in __del__, Ctrl-C too: the command ends all the same."""

    class Dying:
        def __del__(self) -> None:
            raise KeyboardInterrupt

    def command(arguments: object) -> None:
        Dying()
        time.sleep(60)
        raise AssertionError("nobody was interrupted")

    monkeypatch.setattr(cli, "_run_command", command)
    hook = sys.unraisablehook
    with pytest.raises(SystemExit) as end:
        cli.main([])
    assert end.value.code == 130
    assert sys.unraisablehook is hook


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_any_width_will_do(small_file: str, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Nothing is wider than the terminal, and no figure is cut off."""
    monkeypatch.setenv("COLUMNS", columns)
    for command in (["run", small_file, "--out", "there"], ["describe", small_file]):
        _, out, _ = call(*command)
        assert max(len(line) for line in out.splitlines()) <= int(columns)
        assert "…" not in out


# ------------------------------------------------------------------------------------------------------------- verdict
def epochs(**metrics: list[float]) -> pd.DataFrame:
    """Return metrics by epoch that do not move but for those given; epoch 0 is that of the start."""
    length = len(next(iter(metrics.values())))
    still = {metric: np.ones(length) for metric in ["impressions", *verdict.JUDGED]}
    return pd.DataFrame(still | {"depth": [np.nan, *range(1, length)]} | metrics)


@pytest.mark.parametrize(
    ("metrics", "answer"),
    [
        ({"coverage_model": [1, 0.5, 0.3]}, "Yes:"),
        ({"coverage_model": [1, 0.5, 0.3], "feed_topics": [9, 5, 6]}, "In part:"),
        ({"coverage_model": [1, 0.5, 0.49]}, "No:"),
        ({"feed_topics": [1, 5, 6]}, "No, it widens it:"),
        ({"depth": [np.nan, np.nan]}, "There is no loop here"),
        ({"coverage_model": [1, 0, 0]}, "It cannot be told: nobody was shown anything"),
        ({"depth": [np.nan, 1]}, "It cannot be told"),
        ({"coverage_model": [1, 0.5, 0.5, 0.1], "impressions": [9, 9, 9, 2]}, "No:"),
        ({"coverage_model": [0, 0, 0], "coverage_model_floor": [0, 0, 0]}, "It cannot be told: nobody"),  # explored alone
    ],
)
def test_the_answer_follows_from_the_figures(metrics: dict[str, list[float]], answer: str) -> None:
    """What fell and what rose decides, from the first trained model to the last in an epoch that is not cut short."""
    said = verdict.verdict(epochs(**metrics), learns=True)
    assert said.startswith(f"Does the loop narrow the feed? {answer}")
    assert len(re.findall(r"\.(\s|$)", said)) == 1


def test_a_catalogue_that_grew_is_told() -> None:
    """A share of more items is no share of the same; one that stays is not spoken of."""
    grown = verdict.verdict(epochs(coverage_model=[1, 0.5, 0.3], released=[10, 1200, 4500]), learns=True)
    assert "Meanwhile the catalogue grew from 1,200 to 4,500 items" in grown
    assert "grew" not in verdict.verdict(epochs(coverage_model=[1, 0.5, 0.3], released=[10, 1200, 1210]), learns=True)


def test_a_feed_that_learns_nothing_is_not_said_to_narrow(small_file: str) -> None:
    """A random feed of the same world is told as one without a loop, whatever its figures do."""
    _, out, _ = call("run", small_file, "--set", "recommender.kind=Random")
    assert "There is no loop here:" in " ".join(out.split())


# ------------------------------------------------------------------------------------------------------------ describe
def test_describe_counts_what_a_run_will_do(small_file: str) -> None:
    """Epochs and sizes are exact, visits within four standard deviations, clicks and disk below their bounds."""
    told = json.loads(call("describe", small_file, "--json")[1])
    call("run", small_file, "--out", "there")
    run = rs.Run.load("there")
    assert (told["timeline"]["epochs"], told["sizes"]["users"], told["sizes"]["items"]) == (run.epochs, 40, 30)
    shown = run.history.query("window == 'epoch' and metric == 'impressions'")["value"].sum()
    expected = told["expected"]["impressions_at_most"]
    assert shown <= expected + 4 * 10 * np.sqrt(told["expected"]["visits"])
    assert len(run.clicks) <= told["expected"]["clicks_at_most"]
    assert sum(path.stat().st_size for path in Path("there").rglob("*.*")) <= told["bytes"]["disk_at_most"]


@pytest.mark.parametrize("days", [1, 7, 8, 14, 15, 28, 30])
@pytest.mark.parametrize("latency", [0, 1])
def test_the_timeline_is_that_of_the_run(small_file: str, days: int, latency: int) -> None:
    """Cuts and deployments at the very last second are not made, so they are not counted."""
    settings = {"days": str(days), "retrain.latency": str(latency)}
    scenario = rs.Scenario.load(small_file).with_settings(settings)
    world = rs.World.draw(scenario).advance(days)
    told = expectation._timeline(scenario)
    assert (told["epochs"], told["cuts"]) == (world.epoch + 1, world.cuts)
    began = max((day for day, *_ in world.history), default=0.0)
    assert told["last_epoch_days"] == pytest.approx(days - began)


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        (["days=5"], "retrain.every"),
        (["days=30"], "days"),
        ([], "retrain.latency"),
        (['training=[{kind="Window",last=40}]'], "training.0"),
        (['signals=[{kind="OrganicLift",rate=0.1,from_day=50}]'], "signals.0"),
        (["readings_every=50"], "readings_every"),
        (['creators=[{kind="Releases",from_day=50.0}]'], "creators.0"),
        (['births=[{name="new",day=50.0}]'], "births.0"),
        (["catalog.half_life=3.0"], "catalog.half_life"),
        (["slate=30"], "slate"),
        (["consumption=again"], "consumption, consumed"),
        (["consumed=stay"], "consumption, consumed"),
        (["consumption=once"], "consumption"),
        (["population.curiosity=1.0"], "curiosity"),
        (["recommender.kind=BPR"], "recommender"),
        (["recommender.kind=Random"], "recommender"),
        (["recommender.kind=ALS", "recommender.factors=31"], "recommender.factors"),
    ],
)
def test_odd_settings_are_pointed_out(small_file: str, settings: list[str], place: str) -> None:
    """What is allowed but seldom meant is said, with its place."""
    changes = [part for setting in settings for part in ("--set", setting)]
    code, out, _ = call("describe", small_file, *changes, "--json")
    assert code == 0
    assert any(line.startswith(f"{place}: ") for line in json.loads(out)["odd"])


@pytest.mark.parametrize("name", ["quickstart"])
def test_the_first_scenario_has_nothing_odd(name: str, small_file: str) -> None:
    """What newcomers see first is what one would do, and is found by name from any folder."""
    assert json.loads(call("describe", name, "--json")[1])["odd"] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_packaged_scenarios_are_found_by_name(name: str, small_file: str) -> None:
    """Every scenario that comes with recsim can be run by its name, and is called so."""
    assert arguments.scenario_of(name, None).name == name


def test_text_from_files_is_printed_as_it_is(small_file: str) -> None:
    """Square brackets and emoji codes in a file are not markup, and escape sequences do not reach the terminal."""
    _, out, _ = call("describe", small_file, "--set", 'about="[red]x[/red] [/] :smile:"')
    assert "[red]x[/red] [/] :smile:" in out
    _, out, _ = call("describe", small_file, "--set", 'about="a \\u001b[31m b"')
    assert "\x1b" not in out
    _, _, err = call("run", "\x1b[31mred.toml")
    assert "\x1b" not in err


# ---------------------------------------------------------------------------------------------------------- the others
def test_calibrate_reports_what_is_reproduced_and_what_is_assumed(small_file: str) -> None:
    """A log becomes a world; people read the comparison with the held-out fifth, scripts get the same numbers."""
    picks = np.random.default_rng(1)
    users, items = np.repeat(np.arange(30), 12), np.concatenate([picks.permutation(25)[:12] for _ in range(30)])
    pd.DataFrame({"u": users, "i": items, "t": picks.integers(0, 10**6, len(users))}).to_csv("log.csv", index=False)
    options = ["--user", "u", "--item", "i", "--time", "t", "--topics", "3"]
    code, out, _ = call("calibrate", "log.csv", *options, "--out", "w1")
    assert code == 0
    assert "the last fifth in time" in " ".join(out.split())
    assert "assumed" in out
    told = json.loads(call("calibrate", "log.csv", *options, "--out", "w2", "--json")[1])
    assert (told["out"], told["users"], told["topics"]) == ("w2", 30, 3)
    assert f"{told['held_out']['gini_simulated']:.3f}" in out
    world = ["--set", 'population={kind="CalibratedUsers",world="w1"}', "--set", 'catalog={kind="CalibratedItems",world="w1"}']
    assert call("run", small_file, *world, "--json")[0] == 0


def test_schema_is_json_and_knows_the_kinds() -> None:
    """The schema of a scenario file can be read by any editor."""

    def no_number(text: str) -> float:
        raise AssertionError(f"{text} is no JSON")

    schema = json.loads(call("schema")[1], parse_constant=no_number)
    assert schema["$defs"]["OrganicLift"]["properties"]["to_day"]["$comment"] == "default: inf"
    assert {"ALS", "EpsilonGreedy", "SyntheticUsers"} <= set(schema["$defs"])


@pytest.mark.parametrize("command", [[], ["--help"], ["-h"], ["run", "--help"], ["describe", "--help"], ["calibrate", "--help"]])
def test_help_is_help(command: list[str]) -> None:
    """Help goes to standard output and is no mistake."""
    code, out, err = call(*command)
    assert (code, err) == (0, "")
    assert out.startswith("Usage: recsim")


def test_version_is_one_line() -> None:
    """--version names the program."""
    assert call("--version")[1].startswith("recsim ")


@pytest.mark.parametrize(
    ("command", "what"),
    [
        (["rum"], "recsim: command line: no such command 'rum'"),
        (["run", "--sed", "1"], "recsim: run: no such option: --sed"),
        (["run", "--seed", "x"], "recsim: run: invalid value for '--seed'"),
        (["run", "--seed", "-1"], "recsim: run: invalid value for '--seed'"),
        (["calibrate", "x.csv"], "recsim: calibrate: missing option '--item'"),
    ],
)
def test_usage_errors_are_one_line(command: list[str], what: str) -> None:
    """What is wrong on the command line itself is told as every mistake is, and says where help is."""
    code, out, err = call(*command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(what)
    assert err.rstrip().endswith("--help")


def test_the_other_recsim_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A retired project of the same import name is noticed before anything goes strangely wrong."""
    monkeypatch.setattr(cli, "distribution", lambda name: type("Found", (), {"version": "0.2.4"}))
    code, _, err = call("schema")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("recsim: recsim 0.2.4: is another project")


def test_our_own_faults_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no mistake of the user's is raised with its traceback."""
    monkeypatch.setattr(cli, "scenario_of", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["run"])


@pytest.mark.skipif(os.name == "nt", reason="pipes")
def test_who_stops_reading_is_no_error() -> None:
    """`recsim schema | head -1` says nothing on standard error."""
    with subprocess.Popen(
        [sys.executable, "-m", "recsim", "schema"], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_the_program_runs_as_a_module(small_file: str) -> None:
    """`python -m recsim` from another folder runs, with plain output into a pipe."""
    done = spawn("run", small_file)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


def test_a_name_that_the_console_cannot_print_ends_no_run(small_file: str) -> None:
    """Output into a pipe of an old encoding shows an escape instead of the letter, and the run is whole."""
    done = subprocess.run(
        [sys.executable, "-m", "recsim", "run", small_file, "--out", "λ"],
        capture_output=True, timeout=120, env=environment(PYTHONIOENCODING="cp1252"),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"\u03bb" in done.stdout
    assert json.loads(Path("λ/manifest.json").read_text(encoding="utf-8"))["status"] == "done"


HEAVY = ("numpy", "pandas", "scipy", "pydantic", "matplotlib", "implicit", "simpy", "sklearn", "pyarrow", "rich")


@pytest.mark.parametrize("what", ["import recsim", "import recsim.cli"])
def test_nothing_heavy_is_imported_at_once(what: str) -> None:
    """The package and the command line import only typer and the standard library."""
    code = f"{what}; import sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("command", "seconds"), [(["-m", "recsim", "--help"], 0.7), (["-c", "import recsim"], 0.5)])
def test_help_and_import_are_quick(command: list[str], seconds: float) -> None:
    """Help and import take processor time that nobody notices: the best of three, so that a busy machine is no fault."""
    import resource

    def used() -> float:
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        before = spent.ru_utime + spent.ru_stime
        subprocess.run([sys.executable, *command], capture_output=True, check=True, env=environment())
        spent = resource.getrusage(resource.RUSAGE_CHILDREN)
        return spent.ru_utime + spent.ru_stime - before

    assert min(used() for _ in range(3)) < seconds


def test_no_distribution_called_recsim_is_here() -> None:
    """The check for the other recsim does not mistake this one for it."""
    with contextlib.suppress(PackageNotFoundError):
        pytest.fail(f"found {cli.distribution('recsim')}")


def test_numpy_asks_nothing_in_python_of_a_code() -> None:
    """What it asks of a number's class it drops whatever comes of it, an interruption too: so no step there may be Python's."""
    model, friend, column, asked = Origin.MODEL, Origin.FRIEND, np.arange(9, dtype=np.int8), []
    sys.setprofile(lambda frame, event, _: asked.append(frame.f_code.co_filename) if event == "call" else None)
    try:
        parts = np.full(9, model, np.int8), column == friend, np.isin(column, HUMAN), np.where(column > 4, friend, model)
        parts += column[friend], np.zeros((9, 2))[FEED, :]
    finally:
        sys.setprofile(None)
    assert len(parts) == 6 and not [name for name in asked if Path(name).name == "enum.py"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("method", ["__init__", "write"])
def test_an_interruption_amid_a_file_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """What the library says as it is left with half an archive does not stand in its place, nor is it told."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(zipfile._ZipWriteFile, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        archive._save(tmp_path / "part.npz", {"a": np.arange(3)})
    told: list[Any] = []
    for place, told_of in ((zipfile.ZipFile.__del__, 0), (cli.main, 1)):
        cli._not_lost(told.append, SimpleNamespace(exc_value=ValueError(), object=place))
        assert len(told) == told_of
