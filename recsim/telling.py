"""What the commands tell: tables, figures and summaries of a run, a comparison, a study, an expectation or a calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsim.console import console, say, say_pairs, show
from recsim.progress import span

if TYPE_CHECKING:
    from rich.table import Table

    from recsim.answers import Answer
    from recsim.archive import Run
    from recsim.comparison import Comparison
    from recsim.scenario import Scenario
    from recsim.studies import StudyResult

def _moving(scenario: Scenario) -> dict[tuple[str, str], str]:
    """Return the metrics, by group, that tell of what moves in a world beside its feed, and their units."""
    shown: dict[tuple[str, str], str] = {}
    if scenario.dynamics:
        shown |= {("all", "interest_topics"): "topics per user", ("all", "curiosity"): "share of visits"}
    if scenario.arrivals or scenario.lifetime or any(dynamics.kind == "Leaving" for dynamics in scenario.dynamics):
        shown |= {("all", "present"): "people"}
    if scenario.creators:
        shown |= {
            ("all", "released"): "items", ("all", "ai_share"): "share of items",
            ("all", "ai_impressions"): "share of impressions",
            ("all", "generation"): "imitations", ("new", "variance_kept"): "1: as at first",
            ("shown", "variance_kept"): "1: as at first",
        }  # fmt: skip
    for birth in scenario.births:
        shown |= {(birth.name, "discovered"): "share of people", (birth.name, "taken_up"): "share of people"}
    return shown | ({("users", "modularity"): "-0.5 to 1"} if scenario.graphs else {})


def figure_of(done: Run) -> Path:
    """Draw what narrowed into the folder of a run and return the path."""
    from recsim import plot
    from recsim.files import faults

    assert done.folder is not None
    path = done.folder / "narrowing.png"
    with faults(path):
        plot.narrowing(done.history, path=path)
    return path


def summary(done: Run) -> dict[str, Any]:
    """Return what `run --json` prints."""
    return {
        "out": str(done.folder), "digest": done.digest, "seed": done.seed, "epochs": done.epochs,
        "seconds": done.seconds, "metrics": done.metrics,
    }  # fmt: skip


def league_figure(done: Comparison) -> Path:
    """Draw the differences between arms into the folder of a comparison and return the path."""
    from recsim import plot

    assert done.folder is not None
    path = done.folder / "league.png"
    plot.league(done, path=path)
    return path


def dose_figure(done: Comparison, strengths: dict[str, str | None], workers: int | None) -> Path:
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


def compared(done: Comparison) -> dict[str, Any]:
    """Return what `compare --json` prints."""
    return {
        "out": str(done.folder), "arms": list(done.arms), "seeds": done.seeds, "warm_up": done.warm_up, "last": done.last,
        "price_click": done.price_click, "equal_cost": done.budget, "strengths": done.strengths.to_dict("records"),
        "differences": done.differences.to_dict("records"), "answer": done.answer(),
    }  # fmt: skip


def report(done: Run, figure: Path, data: str) -> None:
    """Print the table, the answer, and where everything is."""
    from recsim.verdict import SHOWN, by_epoch, named, told_figures, verdict

    figures = by_epoch(done.history)
    moving = _moving(done.scenario)
    table = figures[[metric for metric in figures if ("all", metric) not in moving]]
    table = table.join(by_epoch(done.history, moving)) if moving else table
    shown = SHOWN | {named(*where): unit for where, unit in moving.items()}
    show(_metrics_table(*told_figures(table, shown, narrow=console().width < 72)))
    show("floor: what a uniform feed of the last epoch's volume would have")
    for text in filter(None, (verdict(figures, done.scenario.recommender.learns), data)):
        show(f"\n{text}")
    say(f"\nfigure  {figure}\nrun     {done.folder}")


def _metrics_table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> Table:
    """Return figures for a terminal."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0) if heads[-1] == "" else (0, 1, 0, 0))
    for place, heading in enumerate(heads):
        table.add_column(heading, justify="right" if place and heading else "left", no_wrap=heading != "")
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def say_facts(facts: Mapping[str, Any]) -> None:
    """Print what `describe` found, for people."""
    timeline, sizes, visits = facts["timeline"], facts["sizes"], facts["expected"]
    told, latency = facts["forecast"], f"{timeline['latency_days']:g} days after its cut"
    free, threads = told["free_bytes"], "one thread" if told["threads"] == 1 else f"{told['threads']} threads"
    most = sorted(told["parts"], key=lambda name: -told["parts"][name])[:2]
    lines = {
        "scenario": f"{facts['name']}: {facts['about']}".removesuffix(": "),
        "timeline": f"{timeline['days']:g} days, {timeline['epochs']} epochs: a cut every {timeline['every_days']:g} days "
        f"({timeline['cuts']} in all), {timeline['deployments']} deployments, each {latency}; the last epoch has "
        f"{timeline['last_epoch_days']:.4g} days",
        "sizes": f"{sizes['users']:,} users, {sizes['items']:,} items, {sizes['topics']} topics",
        "visits": f"about {visits['visits']:,}, of them {visits['organic_visits']:,} without the feed",
        "impressions": f"at most about {visits['impressions_at_most']:,}",
        "clicks": f"at most about {visits['clicks_at_most']:,}, one row each (an upper bound: not every visit clicks)",
        "memory": f"about {_bytes(told['memory_bytes'])}" + (f"; {_bytes(free)} are free" if free is not None else ""),
        "disk": f"at most about {_bytes(facts['bytes']['disk_at_most'])}",
        "time": f"about {span(max(1.0, told['seconds']))} on this machine in {threads}, as busy as it is now; most of it "
        f"{' and '.join(most)}",
        "odd": "\n".join(facts["odd"]) or "nothing",
    }  # fmt: skip
    say_pairs(lines)


def _bytes(number: float) -> str:
    """Return a size for people.

    >>> _bytes(900_000), _bytes(1_234_000_000)
    ('1 MB', '1.2 GB')
    """
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{max(1, round(number / 1e6))} MB"


def say_fit(report: Mapping[str, Any], out: Path) -> None:
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
    say_pairs(lines | {"assumed": report["assumed"], "world": str(out)})


def say_clicks(report: Mapping[str, Any], out: Path) -> None:
    """Print what a log of impressions says about clicks, and what it cannot say, for people."""
    clicks = report["clicks"]
    visits = "" if clicks["visits"] is None else f" in {clicks['visits']:,} visits"
    people = f"{report['users']:,} users" if report["settings"]["user"] else "no users"
    how = {
        "luce": "Luce: people choose one item of the slate, or leave",
        "given": "Given: rows one by one, items alike",
        "given by item": "Given: rows one by one, a click rate for each item",
    }[clicks["model"]]
    lines = {
        "log": f"{report['rows']:,} impressions{visits}, {clicks['clicked']:,} clicks; {report['items']:,} "
        f"items, {people}",
        "model": f"{how}; intervals hold the true figure with probability {clicks['click_rate']['level']:g}, each for itself",
        "click rate": _with_interval(clicks["click_rate"]),
    }  # fmt: skip
    if clicks["uniform_rate"]:
        lines["uniform"] = f"{_with_interval(clicks['uniform_rate'])} of a feed that shows all alike, by propensities"
    lines |= {name: _with_interval(estimate) for name, estimate in clicks["estimates"].items()}
    for shape, test in report["shapes"].items():
        lines[f"bias {shape}?"] = f"p = {test['p']:.2g}, against biases that are free (likelihood ratio)"
    unknown = "\n".join(f"{name}: {why}" for name, why in clicks["not_identified"].items())
    choice = "none: something that it needs is not identified" if report["choice"] is None else f"in {out / 'report.json'}"
    say_pairs(lines | {"not told": unknown or "nothing", "assumed": report["assumed"], "choice": choice, "world": str(out)})


def _with_interval(estimate: Mapping[str, Any]) -> str:
    """Return a figure and its interval; one that begins at 0 is a bound from above.

    >>> _with_interval({"value": 0.5, "low": 0.4, "high": 0.61, "level": 0.95})
    '0.5 (0.4 to 0.61)'
    >>> _with_interval({"value": 0.0, "low": 0.0, "high": None, "level": 0.95})
    '0 (no bound from above)'
    """
    if estimate["high"] is None:
        return f"{estimate['value']:.4g} (no bound from above)"
    between = f"{estimate['low']:.4g} to {estimate['high']:.4g}" if estimate["low"] else f"at most {estimate['high']:.4g}"
    return f"{estimate['value']:.4g} ({between})"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def studied(done: StudyResult) -> dict[str, Any]:
    """Return what `study --json` prints."""
    return {"out": str(done.folder), "cells": done.cells, "ran": done.ran, "failed": done.failed.to_dict("records")}


def say_studied(done: StudyResult) -> None:
    """Print how many cells a study has, and where they are, for people."""
    failed = done.failed["cell"].nunique()
    there = f"{done.cells:,}: {done.ran - failed:,} run now, {done.cells - done.ran:,} there already"
    say_pairs({"cells": f"{there}, {failed:,} failed" if failed else there, "study": str(done.folder)})


def say_outline(facts: Mapping[str, Any]) -> None:
    """Print what a study will take, for people."""
    say_pairs({
        "study": f"{facts['name']}: {facts['about']}".removesuffix(": "),
        "cells": f"{facts['cells']:,} ({facts['points']:,} points, {facts['seeds']:,} seed{'s' * (facts['seeds'] != 1)})",
        "time": f"very roughly {span(max(1.0, facts['seconds']))} on one core, from two epochs of the first cell",
        "disk": f"about {_bytes(facts['bytes'])}, {facts['rows']:,} values",
    })  # fmt: skip


def reported(path: Path) -> dict[str, Any]:
    """Return what `report --json` prints."""
    return {"path": str(path), "bytes": path.stat().st_size}


def say_reported(path: Path) -> None:
    """Print where a page is, and its size."""
    say(f"report  {path} ({_bytes(path.stat().st_size)})")


def answer_figure(found: Answer, folder: Path) -> Path:
    """Draw what a study says into its folder and return the path."""
    from recsim import plot

    path = folder / "answer.png"
    plot.answer(found.picture, path=path, title=_lines(found.about) or None)
    return path


def _lines(text: str) -> str:
    """Return text in lines that fit above a figure."""
    from textwrap import fill

    return fill(text, 62)


def say_answer(found: Answer, figure: Path) -> None:
    """Print what a study says: its question, the tables, and the answer in words."""
    if found.about:
        show(f"{found.about}\n")
    say(f"{found.table(min(80, console().width))}\n")
    show(f"{found.text()}\n")
    say(f"figure  {figure}")
