"""Does the benchmark tell? What a platform's own team sees of its model beside what the feed does, on MovieLens people and films.

    python scenarios/illusion.py [--seeds 20] [--figure docs/img/illusion.png] [--write docs/benchmark.md README.md docs/index.md]

Prints, for each arm, figures of the first trained model and of the last epoch, with the mean change and its 95 % interval over
the seeds, and in how many seeds the alarm goes off. The figure draws benchmark and truth of two arms on one chart each, the
first trained model being 1, with 95 % bands. With --write the table, and the sentence that tells its second row, replace what
stands between their marks in each file named.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import marks
import numpy as np
import numpy.typing as npt

import recsim as rs
from recsim.benchmark import alarm
from recsim.inference import interval

HERE = Path(__file__).parent
K = 10
COLUMNS = {
    ("ndcg", "all"): (f"NDCG@{K}, own log", 3),
    ("ndcg_organic", "all"): (f"NDCG@{K}, organic log", 3),
    ("click_rate", "all"): ("click rate", 4),
    ("coverage_model", "all"): ("coverage by the model", 3),
    ("utility", "niche"): ("utility of niche users", 2),
}
DRAWN = "all clicks teach", "last 3 weeks teach"
Floats = npt.NDArray[np.float64]


def arms() -> dict[str, rs.Scenario]:
    """Return the arms by name, each with a benchmark."""
    weeks = rs.Scenario.load(HERE / "collapse.toml")
    controls = weeks.controls()
    plain = {
        DRAWN[0]: rs.Scenario.load(HERE / "movielens.toml"),
        DRAWN[1]: weeks,
        "the same, open loop": controls["open loop"],
        "the same, 10 % exploration": weeks.but(policy=rs.EpsilonGreedy(epsilon=0.1)),
        "random feed": controls["random"],
        "no feed": controls["no feed"],
    }
    return {name: arm.but(benchmark=K) for name, arm in plain.items()}


def table(seeds: int, figure: Path | None) -> str:
    """Return the Markdown table, and draw the figure."""
    lines = ["| first model → last epoch | " + " | ".join(title for title, _ in COLUMNS.values()) + " | alarm |"]
    lines.append("|---" * (len(COLUMNS) + 2) + "|")
    drawn = {}
    for name, arm in arms().items():
        runs = [rs.run(arm, seed=seed, progress=False) for seed in range(1, seeds + 1)]
        cells = []
        for (metric, group), (_, decimals) in COLUMNS.items():
            cells.append(moved(np.array([run.series(metric, group).iloc[[1, -1]] for run in runs]), decimals))
        lines.append(f"| {name} | " + " | ".join([*cells, alarms(runs)]) + " |")
        print(lines[-1], flush=True)
        if name in DRAWN:
            drawn[name] = runs
    if figure:
        rs.plot.benchmark(drawn, path=figure)
    return "\n".join(lines) + f"\n\nMeans over {seeds} seeds; in brackets the change ± half its 95 % interval (Student's t).\n"


def sentence(table: str) -> str:
    """Return what a table says of the last weeks' clicks, in words: its own figures, none computed anew but shares as percents.

    Raises RecsimError for a text that holds no such table.
    """
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines() if line.startswith("| ")]
    row = next((dict(zip(rows[0], cells, strict=True)) for cells in rows if cells[0] == DRAWN[1]), {})
    seeds = re.search(r"over (\d+) seeds", table)
    benchmark, coverage = (COLUMNS[metric, "all"][0] for metric in ("ndcg", "coverage_model"))
    if not (row and seeds):
        raise rs.RecsimError(f"table: has no row {DRAWN[1]!r} or does not say over how many seeds; make it by this script")
    first, last, change, half = map(percents, figures(row[coverage]), ("", "", "+", ""))
    told = (
        "On the people and films of MovieLens, trained on the last three weeks of clicks, the model shows "
        f"{first} % of\nthe films at first and {last} % after 20 weeks ({change} ± {half} points, "
        f"95 % interval over {seeds[1]} seeds),\n"
    )
    first, last, change, half = figures(row[benchmark])
    team = f"while the benchmark that its team sees, NDCG@{K} on its own log, goes from"
    return f"{told}{team} {first} to {last} ({change} ± {half}).\n"


def figures(cell: str) -> tuple[str, str, str, str]:
    """Return the figures of a cell that `moved` has made: first, last, their difference, and half its interval."""
    first, last, change, half = re.findall(r"[-+]?(?:\d+\.\d+|nan)", cell)
    return first, last, change, half


def percents(share: str, sign: str = "") -> str:
    """Return a share of three decimals in percents, as exact as it is told."""
    return f"{float(share) * 100:{sign}.1f}"


def moved(ends: Floats, decimals: int) -> str:
    """Return first and last mean, and the mean change with its half-width, as text; *ends*: (seeds, 2)."""
    mean, _, high = interval(ends[:, 1] - ends[:, 0])
    if mean != mean:
        return "-"
    first, last = (f"{value:.{decimals}f}" for value in ends.mean(axis=0))
    return f"{first} → {last} ({mean:+.{decimals}f} ± {high - mean:.{decimals}f})"


def alarms(runs: list[rs.Run]) -> str:
    """Return in how many runs the alarm goes off, in which epoch at the median, and by what, as text."""
    found = [alert for alert in (alarm(run.history) for run in runs) if alert]
    if not found:
        return f"0 of {len(runs)}"
    why = [f"{sum(name in alert.fallen for alert in found)} by {name}" for name in ("coverage", "niche welfare")]
    return f"{len(found)} of {len(runs)}, epoch {np.median([alert.epoch for alert in found]):g} ({', '.join(why)})"


def main() -> None:
    """Print the table, write it and draw the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--figure", type=Path, help="a PNG to draw benchmark and truth into")
    marks.fill(parser, "illusion", lambda chosen: table(chosen.seeds, chosen.figure), {"illusion in words": sentence})


if __name__ == "__main__":
    main()
