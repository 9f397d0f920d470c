"""The command line: run, compare, describe, calibrate, data, schema. What it needs is imported when a command asks for it."""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution, version
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from typer.main import get_command

from recsim.errors import RecsimError, nearest

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table

    from recsim.archive import Run
    from recsim.comparison import Comparison
    from recsim.scenario import Scenario

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
        _print(f"recsim {_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        _print(context.get_help())


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
    chosen = _resumed(scenario, settings, out) if resume else _scenario(scenario, settings)
    data = _provided(chosen)
    out = out or _free(Path("runs") / f"{chosen.name}-seed{1 if seed is None else seed}")
    with _interruptible(out):
        from recsim.running import run

        done = run(chosen, seed, out, threads=threads, resume=resume)
        figure = _figure(done)
    if as_json:
        return _print_json(_summary(done))
    _report(done, figure, data)


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
    arms, strengths = _arms(scenarios or [], settings, base, controls, warm_up), _strengths(strength)
    if not arms and not resume:
        raise RecsimError("compare: there is nothing to compare; name at least two scenarios, or one with --controls")
    data = _provided(next(iter(arms.values()))) if arms else ""
    out = out or _free(Path("runs") / f"compare-{next(iter(arms.values())).name}")
    kept = dict.fromkeys(list(arms)[len(scenarios or []) :]) | strengths
    with _interruptible(out, "compare", "comparison.json"):
        from recsim.comparison import compare

        done = compare(
            arms or None, seeds, out, warm_up=warm_up, last=last, workers=workers, equal_cost=equal_cost,
            price_click=price_click, strengths=kept, resume=resume,
        )  # fmt: skip
        figures = [_league(done), *([_doses(done, strengths, workers)] if dose else [])]
    if as_json:
        return _print_json(_compared(done))
    _print(f"{done.table(_console().width)}\n")
    for text in filter(None, (done.answer(), data)):
        _show(f"{text}\n")
    _print("\n".join([*(f"figure      {figure}" for figure in figures), f"comparison  {out}"]))


@app.command()
def describe(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of one that comes with recsim.")],
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Say what a run will take, and what is odd."""
    from recsim.expectation import expect

    chosen = _scenario(scenario, settings)
    _provided(chosen)
    facts = expect(chosen)
    if as_json:
        return _print_json(facts)
    _show_facts(facts)


@app.command()
def calibrate(
    log: Annotated[Path, typer.Argument(help="A log as CSV, TSV or Parquet, with a header.")],
    user: Annotated[str, typer.Option(help="Column with the user.")],
    item: Annotated[str, typer.Option(help="Column with the item.")],
    out: Annotated[Path, typer.Option(metavar="WORLD", help="Folder to make for the world.")],
    time: Annotated[str | None, typer.Option(help="Column with the time in seconds.")] = None,
    rating: Annotated[str | None, typer.Option(help="Column with a rating.")] = None,
    at_least: Annotated[float | None, typer.Option(help="Leave out rows that are rated below this.")] = None,
    topics: Annotated[int | None, typer.Option(min=1, help="Number of topics.", show_default="recsim.calibration.TOPICS")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the fit.")] = 0,
    as_json: Json = False,
) -> None:
    """Make a world from a real log."""
    from recsim.calibration import TOPICS
    from recsim.calibration import calibrate as fit
    from recsim.progress import Progress

    with Progress(f"calibrating {log.name}") as bar:
        report = fit(
            log, out, user=user, item=item, time=time, rating=rating, at_least=at_least,
            topics=TOPICS if topics is None else topics, seed=seed, progress=bar,
        )  # fmt: skip
    if as_json:
        return _print_json({"out": str(out)} | report)
    _show_fit(report, out)


@app.command()
def data(
    name: Annotated[str, typer.Argument(help="Name of a known log, such as movielens-100k.")],
    source: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="A copy that you have.")] = None,
    as_json: Json = False,
) -> None:
    """Fetch a real log, and print its terms."""
    from recsim.datasets import fetch

    folder = fetch(name, source)
    terms = (folder / "TERMS.txt").read_text(encoding="utf-8")
    if as_json:
        return _print_json({"name": name, "path": str(folder), "terms": terms})
    _print(f"{terms}\n{folder}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a scenario file."""
    from recsim.scenario import schema

    _print(json.dumps(schema(), indent=2))


# ---------------------------------------------------------------------------------------------- which scenario, where
def _scenario(name: str | None, settings: list[str] | None, base: str | None = None) -> Scenario:
    """Return the scenario of a file, or the packaged one of that name, on another base if one is given, with settings changed."""
    from recsim.scenario import Scenario

    below = _file(base) if base else None
    return Scenario.load(_file(name or "quickstart"), below).with_settings(_by_path(settings))


def _file(name: str) -> Path:
    """Return the path of a scenario file.

    Raises RecsimError, with the nearest name, when there is none.
    """
    packaged, path = _packaged(), Path(name)
    if path.is_file():
        return path
    if name in packaged:
        return packaged[name]
    if path.exists():
        raise RecsimError(f"{name}: is not a file; name a scenario file, or one of {', '.join(sorted(packaged))}")
    beside = [str(path.with_name(other.name)) for other in path.parent.glob("*.toml")]
    raise RecsimError(f"{name}: there is no such scenario; {nearest(name, [*packaged, *beside[:20]])}")


def _packaged() -> dict[str, Path]:
    """Return the scenarios that come with recsim, by name; in a checkout they lie beside the package."""
    here = Path(__file__).parent
    folder = next((place for place in (here / "scenarios", here.parent / "scenarios") if place.is_dir()), here)
    return {path.stem: path for path in (*sorted(folder.glob("strategies/*.toml")), *sorted(folder.glob("*.toml")))}


def _by_path(settings: list[str] | None) -> dict[str, str]:
    """Return settings by dotted path, the last one given of each."""
    parts = [text.partition("=") for text in settings or []]
    for path, equals, value in parts:
        if not (path and equals):
            raise RecsimError(f"--set {path}{equals}{value}: is no PATH=VALUE; write --set recommender.factors=64")
    return {path.strip(): value.strip() for path, _, value in parts}


def _resumed(name: str | None, settings: list[str] | None, out: Path | None) -> Scenario:
    """Return the scenario that a run to go on with must be of: the one named, or what its folder says."""
    from recsim.archive import read_manifest
    from recsim.scenario import Scenario

    if out is None:
        raise RecsimError("--resume: there is no folder to go on with; name it with --out")
    read_manifest(out)
    if name is not None:
        return _scenario(name, settings)
    return Scenario.load(out / "scenario.toml").with_settings(_by_path(settings))


def _free(folder: Path) -> Path:
    """Return the folder, or the first of folder-2, folder-3, ... that is not there."""
    others = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], others) if not os.path.lexists(path))


def _provided(scenario: Scenario) -> str:
    """Fetch and calibrate the known logs that a scenario asks for, and return their terms and citation in a line."""
    from recsim.calibration import provide
    from recsim.datasets import KNOWN, cache, fetch

    asked = {str(getattr(part, "world", "")) for part in (scenario.population, scenario.catalog)}
    lines = []
    for name in sorted(asked & set(KNOWN)):
        if not (cache() / name).exists():
            _tell(f"fetching {name} into {cache()} ...")
        terms = fetch(name) / "TERMS.txt"
        provide(name)
        lines.append(f"People and items are fitted to {name}. {_citation(terms)} Terms: {terms}")
    return "\n".join(lines)


def _citation(terms: Path) -> str:
    """Return the paragraph of a data set's terms that says how to cite it, in one line."""
    paragraphs = terms.read_text(encoding="utf-8").split("\n\n")
    return " ".join(next((text for text in paragraphs if text.startswith("Cite:")), "").split())


def _arms(
    names: list[str], settings: list[str] | None, base: str | None, controls: bool, warm_up: float | None
) -> dict[str, Scenario]:
    """Return scenarios by their names, or by those of their files where two are called alike; then the controls of the first."""
    from recsim.arms import parting_day

    found = [_scenario(name, settings, base) for name in names]
    stems = [Path(name).stem for name in names]
    called = [arm.name for arm in found]
    calls = [stem if called.count(call) > 1 else call for call, stem in zip(called, stems, strict=True)]
    twice = sorted({call for call in calls if calls.count(call) > 1})
    if twice:
        raise RecsimError(f"compare: two scenarios are called {twice[0]}; give each a name of its own")
    more = found[0].controls(parting_day(found[0], warm_up)) if controls and found else {}
    return dict(zip(calls, found, strict=True)) | {name: arm for name, arm in more.items() if name not in calls}


def _strengths(given: list[str] | None) -> dict[str, str | None]:
    """Return the setting that is the strength of each arm, as it was given; None for an arm that is to stay as it is."""
    parts = [text.partition("=") for text in given or []]
    for name, equals, path in parts:
        if not (name and equals):
            raise RecsimError(f"--strength {name}{equals}{path}: is no ARM=PATH; write --strength exploring=policy.epsilon")
    return {name.strip(): path.strip() or None for name, _, path in parts}


# --------------------------------------------------------------------------------------------------- what a run tells
SHOWN = {
    "coverage": "share of items",
    "coverage_model": "share of items",
    "gini": "0 even to 1 uneven",
    "effective_items": "items",
    "novelty": "bits",
    "feed_topics": "topics per user",
    "click_rate": "clicks/impression",
    "utility": "per item consumed",
    "human_share": "share of rows",
    "depth": "generations",
}
"""The metrics of the table that ends a run, and their units."""

def _figure(done: Run) -> Path:
    """Draw what narrowed into the folder of a run and return the path."""
    from recsim import plot
    from recsim.files import faults

    assert done.folder is not None
    path = done.folder / "narrowing.png"
    with faults(path):
        plot.narrowing(done.history, path=path)
    return path


def _summary(done: Run) -> dict[str, Any]:
    return {
        "out": str(done.folder), "digest": done.digest, "seed": done.seed, "epochs": done.epochs,
        "seconds": done.seconds, "metrics": done.metrics,
    }  # fmt: skip


def _league(done: Comparison) -> Path:
    """Draw the differences between arms into the folder of a comparison and return the path."""
    from recsim import plot

    assert done.folder is not None
    path = done.folder / "league.png"
    plot.league(done, path=path)
    return path


def _doses(done: Comparison, strengths: dict[str, str | None], workers: int | None) -> Path:
    """Try the arms that have one strength at several levels, into the folder, and return the path of the figure."""
    from recsim import plot
    from recsim.files import whole
    from recsim.tuning import dose_response, strength_setting

    assert done.folder is not None
    first, *others = done.arms.items()
    named = {name: strengths.get(name) for name, arm in others if name in strengths or len(strength_setting(first[1], arm)) == 1}
    arms = dict([first]) | {name: done.arms[name] for name in named if strengths.get(name, "") is not None}
    frame = dose_response(
        arms, None, done.seeds, done.folder, strengths={name: path for name, path in named.items() if path},
        warm_up=done.warm_up, last=done.last, workers=workers, price_click=done.price_click,
    )  # fmt: skip
    with whole(done.folder / "dose.parquet") as part:
        frame.to_parquet(part)
    path = done.folder / "dose.png"
    plot.dose(frame, path=path)
    return path


def _compared(done: Comparison) -> dict[str, Any]:
    return {
        "out": str(done.folder), "arms": list(done.arms), "seeds": done.seeds, "warm_up": done.warm_up, "last": done.last,
        "price_click": done.price_click, "equal_cost": done.budget, "strengths": done.strengths.to_dict("records"),
        "differences": done.differences.to_dict("records"), "answer": done.answer(),
    }  # fmt: skip


def _report(done: Run, figure: Path, data: str) -> None:
    """Print the table, the answer, and where everything is."""
    from recsim.verdict import verdict

    by_epoch = _by_epoch(done)
    _show(_metrics_table(by_epoch, narrow=_console().width < 72))
    _show("floor: what a uniform feed of the last epoch's volume would have")
    for text in filter(None, (verdict(by_epoch, done.scenario.recommender.learns), data)):
        _show(f"\n{text}")
    _print(f"\nfigure  {figure}\nrun     {done.folder}")


def _by_epoch(done: Run) -> pd.DataFrame:
    """Return the metrics of all users, a row an epoch and a column a metric."""
    rows = done.history[(done.history["window"] == "epoch") & (done.history["group"] == "all")]
    return rows.pivot(index="epoch", columns="metric", values="value").sort_index()


def _metrics_table(by_epoch: pd.DataFrame, narrow: bool) -> Table:
    """Return first epoch, first trained, middle and last, and the floor; a narrow terminal gets fewer columns."""
    from rich.table import Table
    from rich.text import Text

    from recsim.verdict import numbers

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0) if narrow else (0, 2, 0, 0))
    epochs = _told_epochs(list(by_epoch.index), narrow)
    table.add_column("metric" if narrow else "epoch", no_wrap=True)
    for heading in (*map(str, epochs), "floor"):
        table.add_column(heading, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("")
    for metric, unit in SHOWN.items():
        if metric in by_epoch:
            values = by_epoch.loc[epochs, metric].tolist()
            floor = by_epoch[f"{metric}_floor"].iloc[-1] if f"{metric}_floor" in by_epoch else None
            cells = [metric, *numbers([*values, floor])]
            table.add_row(*map(Text, cells if narrow else [*cells, unit]))
    return table


def _told_epochs(epochs: Sequence[int], narrow: bool) -> list[int]:
    """Return the epochs of the table: the start, the first trained model, the middle and the last.

    >>> _told_epochs(range(20), narrow=False), _told_epochs(range(20), narrow=True), _told_epochs([0], narrow=False)
    ([0, 1, 10, 19], [0, 10, 19], [0])
    """
    places = {0, len(epochs) // 2, len(epochs) - 1} | (set() if narrow else {min(1, len(epochs) - 1)})
    return [epochs[place] for place in sorted(places)]


def _show_facts(facts: Mapping[str, Any]) -> None:
    """Print what `describe` found, for people."""
    timeline, sizes, visits = facts["timeline"], facts["sizes"], facts["expected"]
    latency = f"{timeline['latency_days']:g} days after its cut"
    lines = {
        "scenario": f"{facts['name']}: {facts['about']}".removesuffix(": "),
        "timeline": f"{timeline['days']:g} days, {timeline['epochs']} epochs: a cut every {timeline['every_days']:g} days "
        f"({timeline['cuts']} in all), {timeline['deployments']} deployments, each {latency}; the last epoch has "
        f"{timeline['last_epoch_days']:.4g} days",
        "sizes": f"{sizes['users']:,} users, {sizes['items']:,} items, {sizes['topics']} topics",
        "visits": f"about {visits['visits']:,}, of them {visits['organic_visits']:,} without the feed",
        "impressions": f"at most about {visits['impressions_at_most']:,}",
        "clicks": f"at most about {visits['clicks_at_most']:,}, one row each (an upper bound: not every visit clicks)",
        "memory": f"at most about {_bytes(facts['bytes']['memory_at_most'])}",
        "disk": f"at most about {_bytes(facts['bytes']['disk_at_most'])}",
        "time": f"very roughly {_duration(facts['serving_seconds'])} to serve the visits on one core; training comes on top",
        "odd": "\n".join(facts["odd"]) or "nothing",
    }  # fmt: skip
    _print_pairs(lines)


def _bytes(number: float) -> str:
    """Return a size for people.

    >>> _bytes(900_000), _bytes(1_234_000_000)
    ('1 MB', '1.2 GB')
    """
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{max(1, round(number / 1e6))} MB"


def _duration(seconds: float) -> str:
    """Return a stretch of time for people.

    >>> _duration(0.4), _duration(200), _duration(20_000)
    ('1 s', '3 minutes', '6 hours')
    """
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes" if seconds < 6000 else f"{round(seconds / 3600)} hours"


def _show_fit(report: Mapping[str, Any], out: Path) -> None:
    """Print how well a calibrated world reproduces its log, for people."""
    held = report["held_out"]
    lines = {
        "log": f"{report['rows']:,} rows, {report['users']:,} users, {report['items']:,} items, {report['topics']} topics",
        "held out": "nothing: the log has no time, so how well it is reproduced is not known; name its column with --time",
    }  # fmt: skip
    if held:
        lines["held out"] = (
            f"the last fifth in time: {held['rows']:,} rows of {held['users']:,} users, {held['new_users']:,} of them "
            f"new; an organic run of a world fitted to the first four fifths, mean of {held['runs']}:"
        )
        lines["Gini"] = (
            f"{held['gini']:.3f} in the log, {held['gini_simulated']:.3f} in the run "
            f"({held['gini_popularity']:.3f} if all chose by popularity alone)"
        )
        lines["ranks"] = (
            f"correlation of the items' popularity in log and run {_or_dash(held['correlation'])} "
            f"({_or_dash(held['correlation_popularity'])} if all chose by popularity alone)"
        )
    _print_pairs(lines | {"assumed": report["assumed"], "world": str(out)})


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


# ------------------------------------------------------------------------------------------------------ what is printed
def _print(text: str) -> None:
    """Print to standard output; who has stopped reading is not an error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _hush()


def _hush() -> None:
    """Let what is still to be printed go nowhere, at the exit of Python too."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(text: str) -> None:
    """Print one line to standard error."""
    with suppress(BrokenPipeError):
        print(_printable(text), file=sys.stderr, flush=True)


def _printable(text: str) -> str:
    """Return text that only shows itself on a terminal: a file may hold escape sequences that do more."""
    return "".join(letter if letter.isprintable() or letter == "\n" else " " for letter in text)


def _print_json(value: Mapping[str, Any]) -> None:
    _print(json.dumps(_plain(value), indent=2, allow_nan=False))


def _plain(value: Any) -> Any:
    """Return a value as JSON knows it; what is not a finite number is null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _console() -> Console:
    """Return a console for standard output that takes text as it is."""
    from rich.console import Console

    return Console(file=sys.stdout, markup=False, emoji=False, highlight=False)


def _show(what: Any) -> None:
    """Print text, wrapped to the terminal and not interpreted, or a table."""
    from rich.text import Text

    console = _console()
    with console.capture() as printed:
        console.print(Text(what) if isinstance(what, str) else what)
    _print("\n".join(line.rstrip() for line in printed.get().splitlines()))


def _print_pairs(lines: Mapping[str, str]) -> None:
    """Print names and what is to be said about each, wrapped in a column of its own."""
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in lines.items():
        table.add_row(Text(name, style="bold"), Text(_printable(text)))
    _show(table)


# ----------------------------------------------------------------------------------------------------- how it all ends
_USAGE = cast("type[Exception]", typer.BadParameter.__mro__[1])  # typer's own errors; where it keeps them has changed


class _Interrupted(Exception):
    """A run was stopped by Ctrl-C or SIGTERM; the text says how to go on."""


@contextmanager
def _interruptible(out: Path, command: str = "run", sign: str = "manifest.json") -> Iterator[None]:
    """Turn an interruption into a line that says how to go on with what is in *out*, if its *sign* is there by then."""
    try:
        yield
    except KeyboardInterrupt:
        if not (out / sign).is_file():
            raise
        again = f"recsim {command} --resume --out {shlex.quote(str(out))}"
        raise _Interrupted(f"interrupted: what is done is kept; go on with {again}") from None


def _stop(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave: 0 done, 2 the user's mistake, 130 interrupted; our own faults are raised."""
    for stream in (sys.stdout, sys.stderr):  # a name that the console's encoding lacks must not end a run
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")
    before = _on_terminate(_stop)
    try:
        sys.exit(_outcome(lambda: _run_command(arguments)))
    finally:
        _on_terminate(before)


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
    _tell(f"recsim: {text}")
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
