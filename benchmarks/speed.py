"""How fast recsim is beside the work that it cannot avoid and beside others, how it grows, and what it needs: one table.

    python benchmarks/speed.py [--only NAME ...] [--rounds 5] [--json FILE] [--write docs/speed.md]

Every figure is taken in a process of its own, kept on as many processors as it may use; what is compared is measured in turns,
round by round, so that whatever else the machine does meets both, and medians of the rounds make the ratios. `million` and
`bare` take minutes. T-RECS is installed into an environment of its own that is thrown away afterwards; where that fails, it is
left out with a word, as Mesa is where it is not installed. The JSON has every round and the machine; parts that are in the file
already stay in it, and in the table, which --write puts between the marks of a page.

    bare        100,000 users x 10,000 items, ALS, 10 epochs, beside implicit's fits and filtered lists for the same matrices
    all         the same with all impressions kept and the team's benchmark
    peers       visits per second beside Mesa, SimPy with a process a person, and T-RECS; popularity trained every step
    serving     with ALS every five steps: the whole, and what is neither fit nor list
    growth      exponents of the time in users, items, visits, and epochs with a window of three
    threads     two threads against one
    small       1,000 users x 1,000 items, 20 epochs, start-up included
    million     1,000,000 users x 100,000 items, 3 epochs, two threads: minutes and memory
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from machine import machine, measured, median
from rich.console import Console
from rich.table import Table

TRECS = "trecs==0.2.1", "numpy==1.23.5", "pandas==1.5.3", "scipy<1.12", "networkx<3.2", "tqdm", "scikit-learn<1.4"


class Row(NamedTuple):
    """A line of the table: what is compared, the figure, what it is made of, and what is wanted of it."""

    what: str
    figure: float
    made_of: str
    wanted: str


Rounds = dict[str, list[dict[str, Any]]]


def turns(rounds: int, **runs: Callable[[], dict[str, Any]]) -> Rounds:
    """Return the figures of several runs, taken in turns."""
    found: Rounds = {name: [] for name in runs}
    for number in range(rounds):
        for name, run in runs.items():
            print(f"  {name}, round {number + 1} of {rounds}", file=sys.stderr, flush=True)
            found[name].append(run())
    return found


def bare(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return how a run compares with implicit's own work."""
    found = turns(rounds, loop=partial(measured, "loop.py"))
    return found, _beside(found, "loop", "100,000 x 10,000, ALS, clicks kept", "at most 0.8")


def everything(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return the same where all is kept and measured."""
    found = turns(rounds, loop=partial(measured, "loop.py", "--impressions"))
    return found, _beside(found, "loop", "the same, all impressions kept", "at most 1.6")


def _beside(found: Rounds, name: str, what: str, wanted: str) -> list[Row]:
    seconds, fits, lists, own_fits, own_lists = (
        median(found[name], figure) for figure in ("seconds", "implicit_fits", "implicit_lists", "fits", "lists")
    )
    visits = median(found[name], "visits_per_second")
    return [
        Row(f"{what}: time / implicit's fits and lists", median(found[name], "ratio"),
            f"{seconds:.1f} s / ({fits:.1f} + {lists:.1f}) s; {visits:,.0f} visits/s", wanted),
        Row(f"{what}: time / its own fits and lists", median(found[name], "own_ratio"),
            f"{seconds:.1f} s / ({own_fits:.1f} + {own_lists:.1f}) s", "at most 1.2" if "clicks" in what else ""),
    ]  # fmt: skip


def peers(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return how many visits a second recsim serves beside others, with popularity trained every step."""
    found, rows = {}, []
    for users, items, steps, others in (
        (100_000, 10_000, 5, ("mesa", "simpy")), (10_000, 1000, 20, ("mesa", "simpy", "trecs")), (1000, 10_000, 40, ("trecs",)),
    ):  # fmt: skip
        size = "--users", users, "--items", items
        if "mesa" in others and find_spec("mesa") is None:
            print("  Mesa is not installed (pip install mesa): left out", file=sys.stderr)
            others = tuple(name for name in others if name != "mesa")
        runs = {name: partial(measured, "peers.py", name, *size, "--steps", steps) for name in ("recsim", *others)}
        with trecs() as python:
            if "trecs" in others and python:
                fewer = 2 if users > items else 1
                runs["trecs"] = partial(measured, "trecs_loop.py", *size, "--steps", fewer, python=python)
            elif "trecs" in others:
                del runs["trecs"]
            here = turns(rounds, **runs)
        ours = median(here["recsim"], "visits_per_second")
        for name in here.keys() - {"recsim"}:
            theirs = median(here[name], "visits_per_second")
            wanted = ("60" if users > items else "500") if name == "trecs" else "3" if users == 100_000 else ""
            rows.append(Row(f"{users:,} x {items:,}, popularity: visits/s / those of {name}", ours / theirs,
                            f"{ours:,.0f} / {theirs:,.0f}", wanted and f"at least {wanted}"))  # fmt: skip
        found |= {f"{name} {users} x {items}": figures for name, figures in here.items()}
    return found, rows


@contextmanager
def trecs() -> Iterator[str | None]:
    """Give the Python of an environment that has T-RECS; None where it cannot be made."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = str(Path(folder) / ("Scripts" if sys.platform == "win32" else "bin") / "python")
        quiet = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = [subprocess.run(command, capture_output=True, check=False) for command in (
            [*quiet, *TRECS[1:]], [*quiet, "--no-deps", TRECS[0]],
        )]  # fmt: skip
        if any(one.returncode for one in done):
            print("  T-RECS cannot be installed here: left out", file=sys.stderr)
        yield None if any(one.returncode for one in done) else python


def serving(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return how a run with ALS compares with a process a person, the whole and the serving alone."""
    size = "--users", 100_000, "--items", 10_000, "--steps", 10, "--every", 5, "--als"
    found = turns(rounds, **{name: partial(measured, "peers.py", name, *size) for name in ("recsim", "simpy")})
    rows = []
    for figure, what, wanted in (("seconds", "the whole", "at least 4"), ("serving", "the serving alone", "at least 30")):
        ours, theirs = median(found["recsim"], figure), median(found["simpy"], figure)
        rows.append(Row(f"100,000 x 10,000, ALS: {what}, times as fast as SimPy with a process a person", theirs / ours,
                        f"{theirs:.1f} s / {ours:.1f} s", wanted))  # fmt: skip
    return found, rows


def growth(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return the exponents with which the time grows, each from one end of a range of four to the other."""
    base = {"users": 40_000, "items": 4000, "visits": 5, "epochs": 5}
    found, rows = {}, []
    for name in base:
        low, high = base, base | {name: 4 * base[name]}
        args = {end: [part for key, value in sizes.items() for part in (f"--{key}", value)] for end, sizes in
                (("low", low), ("high", high))}  # fmt: skip
        window = ["--window", 3] if name == "epochs" else []
        here = turns(rounds, **{end: partial(measured, "loop.py", "--alone", *window, *args[end]) for end in args})
        one, other = median(here["low"], "seconds"), median(here["high"], "seconds")
        rows.append(Row(f"growth of the time in {name}: exponent", math.log(other / one) / math.log(4),
                        f"{one:.1f} s to {other:.1f} s for four times as many", "at most 1.1"))  # fmt: skip
        found |= {f"{name} {end}": figures for end, figures in here.items()}
    return found, rows


def threads(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return what a second thread adds."""
    found = turns(
        rounds, one=partial(measured, "loop.py", "--alone"), two=partial(measured, "loop.py", "--alone", "--threads", 2)
    )
    if len({one["digest"] for rounds_ in found.values() for one in rounds_}) > 1:
        raise RuntimeError("threads: the digests differ")
    one, two = median(found["one"], "seconds"), median(found["two"], "seconds")
    fits = median(found["one"], "fits"), median(found["two"], "fits")
    made = f"{one:.1f} s / {two:.1f} s; of it fits {fits[0]:.1f} s / {fits[1]:.1f} s"
    return found, [
        Row("two threads, times as fast as one, same digest", one / two, made, "at least 1.6"),
        Row("the same without the fits", (one - fits[0]) / (two - fits[1]), f"{one - fits[0]:.1f} s / {two - fits[1]:.1f} s", ""),
    ]


SMALL = """days = 140
slate = 10
population = {kind = "SyntheticUsers", users = 1000}
catalog = {kind = "SyntheticItems", items = 1000}
recommender = {kind = "ALS", factors = 32}
retrain = {every = 7}
"""


def small(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return how long a small run takes, start-up included: in memory from Python, and from the command line."""

    def once(*command: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "small.toml").write_text(SMALL, encoding="utf-8")
            began = time.perf_counter()
            subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, check=True)
            return {"seconds": time.perf_counter() - began}

    code = "import recsim as rs; rs.run(rs.Scenario.load('small.toml'), progress=False)"
    command = "-m", "recsim", "run", "small.toml", "--out", "run"
    found = turns(rounds, python=partial(once, "-c", code), command=partial(once, *command))
    what = "1,000 x 1,000, ALS cold, 20 epochs, start-up included: seconds"
    return found, [Row(what, median(found["python"], "seconds"), "from Python, in memory", "below 3"),
                   Row(what, median(found["command"], "seconds"), "the command, with folder and figure", "")]  # fmt: skip


def million(rounds: int) -> tuple[Rounds, list[Row]]:
    """Return what a run of a million people takes, once."""
    size = "--users", 1_000_000, "--items", 100_000, "--epochs", 3, "--threads", 2, "--alone", "--folder"
    found = turns(1, run=partial(measured, "loop.py", *size))
    run = found["run"][0]
    made = f"fits {run['fits']:.0f} s, lists {run['lists']:.0f} s of both threads together, {run['visits']:,} visits"
    memory = f"{run['peak_gib']:.2f} of the process, {run['beside_gib']:.2f} of the one that solves beside it"
    return found, [Row("1,000,000 x 100,000, ALS, 3 epochs, two threads: minutes", run["seconds"] / 60, made, "below 12"),
                   Row("the same: peak memory in GiB", run["peak_gib"] + run["beside_gib"], memory, "below 4")]  # fmt: skip


PARTS = {"bare": bare, "all": everything, "peers": peers, "serving": serving, "growth": growth, "threads": threads,
         "small": small, "million": million}  # fmt: skip
MARKS = "<!-- speed: begin -->\n", "<!-- speed: end -->"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE", type=Path)
    parser.add_argument("--write", metavar="FILE", type=Path)
    given = parser.parse_args()
    kept: dict[str, Any] = {"parts": {}}
    if given.json and given.json.exists():
        kept = json.loads(given.json.read_text(encoding="utf-8"))
    for name in given.only:
        print(f"{name}:", file=sys.stderr, flush=True)
        found, rows = PARTS[name](given.rounds)
        kept["machine"] = machine()
        kept["parts"][name] = {"rounds": found, "rows": [row._asdict() for row in rows]}
        for row in rows:
            print(f"    {row.what}: {row.figure:.2f} ({row.made_of}; {row.wanted})", file=sys.stderr, flush=True)
        if given.json:
            given.json.write_text(json.dumps(kept, indent=1), encoding="utf-8")
    rows = [Row(**row) for name in PARTS if name in kept["parts"] for row in kept["parts"][name]["rows"]]
    table = Table("what", "figure", "made of", "wanted", title="recsim beside others")
    for row in rows:
        table.add_row(row.what, f"{row.figure:.2f}", row.made_of, row.wanted)
    Console(width=150).print(table)
    if given.write:
        before, begin, rest = given.write.read_text(encoding="utf-8").partition(MARKS[0])
        made = page(rows, kept["machine"])
        given.write.write_text(before + begin + made + rest[rest.index(MARKS[1]) :], encoding="utf-8", newline="\n")


def page(rows: list[Row], where: dict[str, Any]) -> str:
    """Return the table as Markdown, with the machine."""
    lines = ["| what | figure | made of | wanted |", "|---|---:|---|---|"]
    lines += [f"| {row.what} | {row.figure:.2f} | {row.made_of} | {row.wanted} |" for row in rows]
    packages = ", ".join(f"{name} {version}" for name, version in where["packages"].items() if version)
    on = f"On {where['processors']} processors ({where['processor']}), Python {where['python']}, {packages}."
    return "\n".join([*lines, "", on, ""])


if __name__ == "__main__":
    main()
