"""The command line: run, compare, study, report and the others. What a command needs is imported when it runs."""

from __future__ import annotations

import json
import shlex
import signal
import sys
from _thread import interrupt_main
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from threading import Timer
from typing import Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup
from typer.main import get_command

from recsim.arguments import arms_of, free, provided, resumed, scenario_of, strengths_of, study_of
from recsim.console import console, say, say_json, show, warn
from recsim.errors import RecsimError
from recsim.telling import (
    answer_figure,
    compared,
    dose_figure,
    figure_of,
    league_figure,
    report,
    reported,
    say_answer,
    say_clicks,
    say_facts,
    say_fit,
    say_outline,
    say_reported,
    say_studied,
    studied,
    summary,
)

app = typer.Typer(
    help="A wind tunnel for feeds: what a feed does to people when it learns from the clicks that it caused.",
    rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting, such as recommender.factors=64; repeatable."),
]


# ------------------------------------------------------------------------------------------------------- the commands
@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Print the version or the help when no command is named."""
    if show_version:
        say(f"recsim {_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        say(context.get_help())


@app.command()
def run(
    scenario: Annotated[
        str | None,
        typer.Argument(help="A scenario file, or the name of one that comes with recsim.", show_default="quickstart"),
    ] = None,
    settings: Settings = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of all but people and items.", show_default="1")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to make for the run.", show_default="runs/NAME-seedSEED")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder given by --out.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads; they change the speed only.")] = 1,
    as_json: Json = False,
) -> None:
    """Run a scenario and judge its loop."""
    chosen = resumed(scenario, settings, out) if resume else scenario_of(scenario, settings)
    data = provided(chosen)
    out = out or free(Path("runs") / f"{chosen.name}-seed{1 if seed is None else seed}")
    with _interruptible(out):
        from recsim.running import run

        done = run(chosen, seed, out, threads=threads, resume=resume)
        figure = figure_of(done)
    if as_json:
        return say_json(summary(done))
    report(done, figure, data)


@app.command()
def compare(
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(help="Scenario files, or names of those that come with recsim; the others are compared with the first."),
    ] = None,
    settings: Settings = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Number of replications.", show_default="20")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to make for the comparison.", show_default="runs/compare-NAME")
    ] = None,
    warm_up: Annotated[
        float | None,
        typer.Option(min=0, metavar="DAYS", help="Day on which the arms part.", show_default="that of the second cut"),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(min=1, metavar="EPOCHS", help="Epochs at the end to average over.", show_default="a quarter of all"),
    ] = None,
    price_click: Annotated[
        float | None, typer.Option(metavar="PRICE", help="Of a click that the feed loses.", show_default="1")
    ] = None,
    equal_cost: Annotated[
        float | None, typer.Option(metavar="BUDGET", help="Tune each arm to cost so many clicks per 1,000 visits.")
    ] = None,
    strength: Annotated[
        list[str] | None,
        typer.Option(metavar="ARM=PATH", help="The setting that is an arm's strength; without a path: leave the arm as it is."),
    ] = None,
    dose: Annotated[bool, typer.Option("--dose", help="Also try each arm at several strengths.")] = False,
    base: Annotated[
        str | None, typer.Option(metavar="SCENARIO", help="What stands in for the base of files that build on one.")
    ] = None,
    controls: Annotated[bool, typer.Option("--controls", help="Also compare with the controls of the first scenario.")] = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; they change the speed only.", show_default="one a core")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the comparison in the folder given by --out.")] = False,
    as_json: Json = False,
) -> None:
    """Run several scenarios under the same seeds, and set them side by side."""
    if resume and out is None:
        raise RecsimError("--resume: there is no folder to go on with; name it with --out")
    arms, strengths = arms_of(scenarios or [], settings, base, controls, warm_up), strengths_of(strength)
    if not arms and not resume:
        raise RecsimError("compare: there is nothing to compare; name at least two scenarios, or one with --controls")
    data = provided(next(iter(arms.values()))) if arms else ""
    out = out or free(Path("runs") / f"compare-{next(iter(arms.values())).name}")
    kept = dict.fromkeys(list(arms)[len(scenarios or []) :]) | strengths
    with _interruptible(out, "compare", "comparison.json"):
        from recsim.comparison import compare

        done = compare(
            arms or None, seeds, out, warm_up=warm_up, last=last, workers=workers, equal_cost=equal_cost,
            price_click=price_click, strengths=kept, resume=resume,
        )  # fmt: skip
        figures = [league_figure(done), *([dose_figure(done, strengths, workers)] if dose else [])]
    if as_json:
        return say_json(compared(done))
    say(f"{done.table(console().width)}\n")
    for text in filter(None, (done.answer(), data)):
        show(f"{text}\n")
    say("\n".join([*(f"figure      {figure}" for figure in figures), f"comparison  {out}"]))


class _Studies(TyperGroup):
    """`recsim study STUDY.toml` runs it; the other commands are named before their file."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command to run where none is named."""
        args = args or ["--help"]
        named = args[0] in self.commands or args[0] in ("-h", "--help")
        return super().parse_args(ctx, args if named else ["run", *args])


studies = typer.Typer(
    cls=_Studies, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
app.add_typer(
    studies, name="study",
    help="Run a scenario at many settings and seeds: recsim study STUDY.toml; or plan or describe that, run one cell, or find "
    "where a factor tips.",
)  # fmt: skip
StudyFile = Annotated[Path, typer.Argument(metavar="STUDY.toml", help="A study file.")]
StudyOut = Annotated[
    Path | None, typer.Option(help="Folder of the study; what is in it is not run again.", show_default="runs/study-NAME")
]


@studies.command("run")
def study_run(
    file: StudyFile,
    out: StudyOut = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine.", show_default="one a core")
    ] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run the cells on a Dask cluster, such as tcp://host:8786.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Kill and try again a cell that takes longer.", show_default="none")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run the cells of a study that are missing; the name of this command may be left out."""
    if cluster is not None and workers is not None:
        raise RecsimError("--workers: are processes on this machine; leave it out where --cluster says who runs the cells")
    asked = study_of(file)
    out = out or Path("runs") / f"study-{asked.name}"
    with _interruptible(out, sign="study.toml", again=["study", str(file), "--out", str(out)]):
        from recsim.studies import run_study

        done = run_study(asked, out, workers=workers, executor=cluster, limit=limit)
    if as_json:
        say_json(studied(done))
    else:
        say_studied(done)
    if len(done.failed):
        first = done.failed["message"].iloc[0]
        raise RecsimError(f"{out / 'failed'}: says why cells failed, the first: {first}; the same command tries them again")


@studies.command("plan")
def study_plan(file: StudyFile, out: StudyOut = None, as_json: Json = False) -> None:
    """Print a shell command for each cell that is missing, for job arrays; a command whose cell is there does nothing."""
    from recsim.studies import plan_study

    asked = study_of(file)
    out = out or Path("runs") / f"study-{asked.name}"
    commands = [shlex.join(["recsim", "study", "cell", str(out), cell]) for cell in plan_study(asked, out)]
    if as_json:
        return say_json({"out": str(out), "commands": commands})
    if commands:
        say("\n".join(commands))


@studies.command("cell")
def study_cell(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study that was planned or run.")],
    cell: Annotated[str, typer.Argument(help="Address of the cell.")],
    as_json: Json = False,
) -> None:
    """Run one cell of a study here, if it is not there yet."""
    from recsim.studies import run_one

    ran = run_one(folder, cell)
    if as_json:
        return say_json({"out": str(folder), "cell": cell, "ran": ran})
    say(f"{cell[:12]}  {'is done' if ran else 'was there already'}")


@studies.command("describe")
def study_describe(file: StudyFile, as_json: Json = False) -> None:
    """Say how many cells a study has, how long they take and how much room."""
    from recsim.studies import outline

    facts = outline(study_of(file))
    if as_json:
        return say_json(facts)
    say_outline(facts)


@studies.command("answer")
def study_answer(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study that was run.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="What to tell of; utility.niche: of a group; repeatable.", show_default="coverage_model, or the like"),
    ] = None,
    cost: Annotated[
        str | None, typer.Option(metavar="METRIC", help="What is to be small; alone: the front of it and the metrics.")
    ] = None,
    at_least: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=VALUE", help="What the cheapest point must keep; repeatable.")
    ] = None,
    at_most: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=VALUE", help="What it must stay below; repeatable.")
    ] = None,
    loss: Annotated[
        list[str] | None, typer.Option(metavar="METRIC=SHARE", help="The share that it may lose of the reference's; repeatable.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(metavar="FACTOR=LEVEL", help="What losses are relative to; repeatable.", show_default="the first point"),
    ] = None,
    width: Annotated[
        float | None, typer.Option(help="Say how many seeds tell differences to plus or minus this.")
    ] = None,
    window: Annotated[
        str | None, typer.Option(help='Of which epochs, such as "last 4".', show_default="the one kept, or last quarter")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a study has found: effects, Sobol indices or a surface, the cheapest point, in tables and in words."""
    from recsim.answers import answer_study, by_name, levels_by_name

    found = answer_study(
        folder, metric or (), cost=cost, at_least=by_name("--at-least", at_least), at_most=by_name("--at-most", at_most),
        loss=by_name("--loss", loss), reference=levels_by_name(folder, reference), width=width,
        window=window,
    )  # fmt: skip
    figure = answer_figure(found, folder)
    if as_json:
        return say_json({"out": str(folder), "figure": str(figure)} | found.facts())
    say_answer(found, figure)


@studies.command("tipping")
def study_tipping(
    file: StudyFile,
    metric: Annotated[str, typer.Option(help="The metric whose mean changes its sign, or crosses --at.")],
    group: Annotated[str, typer.Option(help="Of whom, or of what.")] = "all",
    late: Annotated[
        str, typer.Option(metavar="WINDOW", help='Its epochs: "last quarter", "last 4" or "epoch 7".')
    ] = "last quarter",
    early: Annotated[
        str | None, typer.Option(metavar="WINDOW", help="Take the change since then.", show_default="none")
    ] = None,
    at: Annotated[float, typer.Option(metavar="VALUE", help="What it is compared with.")] = 0.0,
    width: Annotated[
        float | None,
        typer.Option(help="Of the interval; on a logarithmic scale 0.1 is 10 %.", show_default="a tenth of the range"),
    ] = None,
    most: Annotated[int | None, typer.Option(metavar="CELLS", help="Cells at most.", show_default="those of the study")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the search; what is in it is not run again.", show_default="runs/tipping-NAME"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes on this machine.", show_default="one a core")
    ] = None,
    as_json: Json = False,
) -> None:
    """Search the range of a study's one factor for where a metric tips, by bisection with replications."""
    asked = study_of(file)
    out = out or Path("runs") / f"tipping-{asked.name}"
    given = {"metric": metric, "group": group, "late": late, "early": early, "at": at, "width": width, "most": most, "out": out}
    with _interruptible(out, sign="study.toml", again=["study", "tipping", str(file), *_options(given)]):
        from recsim.tipping import tipping_point

        found = tipping_point(
            asked, out, metric=metric, group=group, late=late, early=early, at=at, width=width, most=most, workers=workers
        )
    if as_json:
        return say_json(found.summary())
    say(found.table(console().width))
    show(f"{found.answer()}\n")
    say(f"study  {out}")


def _options(given: dict[str, Any]) -> list[str]:
    """Return options as a command takes them, without those that are not given."""
    return [part for name, value in given.items() if value is not None for part in (f"--{name}", str(value))]


@app.command("report")
def page(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run, a comparison or a study.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="File to write.", show_default="DIR/report.html")] = None,
    as_json: Json = False,
) -> None:
    """Write what a run, a comparison or a study says as one HTML page that opens from disk."""
    from recsim.reports import report

    path = report(folder, out)
    if as_json:
        return say_json(reported(path))
    say_reported(path)


@app.command()
def describe(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of one that comes with recsim.")],
    settings: Settings = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the run.")] = 1,
    as_json: Json = False,
) -> None:
    """Say what a run will take on this machine, by a try of about two seconds, and what is odd."""
    from recsim.forecast import outlook

    chosen = scenario_of(scenario, settings)
    provided(chosen)
    facts = outlook(chosen, threads)
    if as_json:
        return say_json(facts)
    say_facts(facts)


@app.command()
def calibrate(
    log: Annotated[Path, typer.Argument(help="A log as CSV, TSV or Parquet, with a header.")],
    item: Annotated[str, typer.Option(help="Column with the item.")],
    out: Annotated[Path, typer.Option(metavar="WORLD", help="Folder to make for the world.")],
    user: Annotated[str | None, typer.Option(help="Column with the user; a log of impressions may lack it.")] = None,
    time: Annotated[str | None, typer.Option(help="Column with the time in seconds.")] = None,
    rating: Annotated[str | None, typer.Option(help="Column with a rating.")] = None,
    at_least: Annotated[float | None, typer.Option(help="Leave out rows that are rated below this.")] = None,
    position: Annotated[
        str | None, typer.Option(help="Column with the position: the log is of all that was shown, and clicks are fitted too.")
    ] = None,
    clicked: Annotated[str | None, typer.Option(help="Column with 1 where it was clicked, else 0.")] = None,
    visit: Annotated[str | None, typer.Option(help="Column with the visit: what was shown together.")] = None,
    propensity: Annotated[str | None, typer.Option(help="Column with the probability that the item was shown there.")] = None,
    topics: Annotated[int | None, typer.Option(min=1, help="Number of topics.", show_default="recsim.calibration.TOPICS")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the fit.")] = 0,
    as_json: Json = False,
) -> None:
    """Make a world from a real log."""
    from recsim.calibration import TOPICS
    from recsim.progress import Progress

    shown = {"position": position, "clicked": clicked, "visit": visit, "propensity": propensity}
    consumed = {"time": time, "rating": rating, "at_least": at_least}
    fit, columns = _fitter({"user": user, "item": item}, shown, consumed)
    with Progress(f"calibrating {log.name}") as bar:
        report = fit(log, out, **columns, topics=TOPICS if topics is None else topics, seed=seed, progress=bar)
    if as_json:
        return say_json({"out": str(out)} | report)
    (say_clicks if "clicks" in report else say_fit)(report, out)


def _fitter(
    both: dict[str, Any], shown: dict[str, Any], consumed: dict[str, Any]
) -> tuple[Callable[..., dict[str, Any]], dict[str, Any]]:
    """Return what makes a world of a log, of impressions or of what was consumed, and the columns that it reads."""
    if any(shown.values()):
        for name in ("position", "clicked"):
            if shown[name] is None:
                raise RecsimError(f"calibrate: --{name} is missing: a log of impressions has both a position and a click")
        other = next((name for name, value in consumed.items() if value is not None), None)
        if other is not None:
            raise RecsimError(f"calibrate: --{other.replace('_', '-')}: is not for a log of impressions; leave it out")
        from recsim.clickworlds import calibrate_clicks

        return calibrate_clicks, both | shown
    if both["user"] is None:
        raise RecsimError("calibrate: --user is missing: name its column, or for a log of impressions --position and --clicked")
    from recsim.calibration import calibrate

    return calibrate, both | consumed


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="Name of a known log: movielens-100k or open-bandit.")],
    source: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="A copy that you have.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a real log, and print its terms."""
    from recsim.datasets import fetch

    folder = fetch(name, source)
    terms = (folder / "TERMS.txt").read_text(encoding="utf-8")
    if as_json:
        return say_json({"name": name, "path": str(folder), "terms": terms})
    say(f"{terms}\n{folder}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a scenario file."""
    from recsim.scenario import schema

    say(json.dumps(schema(), indent=2, allow_nan=False))


# ----------------------------------------------------------------------------------------------------- how it all ends
_USAGE = cast("type[Exception]", typer.BadParameter.__mro__[1])  # typer's own errors; where it keeps them has changed


class _Interrupted(Exception):
    """A run was stopped by Ctrl-C or SIGTERM; the text says how to go on."""


@contextmanager
def _interruptible(
    out: Path, command: str = "run", sign: str = "manifest.json", again: Sequence[str] = ()
) -> Iterator[None]:
    """Turn an interruption into a line that says how to go on with what is in *out*, if its *sign* is there by then.

    again: the command that goes on, where that is not the one that resumes.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not (out / sign).is_file():
            raise
        text = shlex.join(["recsim", *(again or [command, "--resume", "--out", str(out)])])
        raise _Interrupted(f"interrupted: what is done is kept; go on with {text}") from None


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave: 0 done, 2 the user's mistake, 130 interrupted; our own faults are raised."""
    for stream in (sys.stdout, sys.stderr):  # a name that the console's encoding lacks must not end a run
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    before, hook = _on_terminate(_stop), sys.unraisablehook
    sys.unraisablehook = partial(_not_lost, hook)
    try:
        sys.exit(_outcome(lambda: _run_command(arguments)))
    finally:
        _on_terminate(before)
        sys.unraisablehook = hook


def _not_lost(hook: Callable[[Any], object], lost: Any) -> None:
    """Interrupt anew, a moment later, where Python could not hand an interruption on, as in a destructor; tell of all else."""
    if isinstance(lost.exc_value, KeyboardInterrupt):
        Timer(0.05, interrupt_main, (signal.SIGTERM,)).start()
    elif getattr(lost.object, "__qualname__", "") != "ZipFile.__del__":  # it complains of what an interruption has left open
        hook(lost)


def _on_terminate(handler: Any) -> Any:
    """Set what SIGTERM does, and return what it did; outside the main thread nothing is set."""
    with suppress(ValueError, TypeError):
        return signal.signal(signal.SIGTERM, handler)
    return None


def _run_command(arguments: Sequence[str] | None) -> None:
    _refuse_namesake()
    command = get_command(app)
    done = command.main(arguments, prog_name="recsim", standalone_mode=False)
    if done == 130:  # newer typer turns Ctrl-C into this
        raise KeyboardInterrupt


def _outcome(command: Callable[[], None]) -> int:
    """Return the exit code of a command, its fault told in one line."""
    try:
        command()
    except RecsimError as fault:
        return _complain(str(fault), 2)
    except _USAGE as fault:
        return _complain(_usage(fault), 2)
    except MemoryError:
        return _complain("memory: there is not enough for this world; see recsim describe, and lower what it takes", 2)
    except _Interrupted as fault:
        return _complain(str(fault), 130)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted: nothing was begun that could be gone on with; give the same command again", 130)
    return 0


def _complain(text: str, code: int) -> int:
    warn(f"recsim: {text}")
    return code


def _usage(fault: Any) -> str:
    """Return one line for what typer says is wrong with the command line."""
    where = fault.ctx.command_path if fault.ctx else "recsim"
    what = " ".join(str(fault.format_message()).split()).rstrip(".")
    place = where.removeprefix("recsim").strip() or "command line"
    return f"{place}: {what[:1].lower()}{what[1:]}; see {where} --help"


def _refuse_namesake() -> None:
    """Raise when another project of the same name is installed: both would be the package `recsim`."""
    with suppress(PackageNotFoundError):
        found = distribution("recsim").version
        raise RecsimError(
            f"recsim {found}: is another project with the same import name; pip uninstall recsim, then reinstall recsim-loop"
        )


def _version() -> str:
    try:
        return version("recsim-loop")
    except PackageNotFoundError:
        return "(not installed)"
