"""Every strategy beside the feed without one: on the people and films of MovieLens, or on another world.

    python scenarios/league.py [--base quickstart] [--seeds 20] [--out DIR] [--resume] [--write docs/strategies.md]

All arms part from one world on the day of the second training. It prints the table that `recsim compare` prints; with --write,
a table in Markdown replaces what stands between the two marks in that file. The runs are kept in the folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import marks

import recsim as rs
from recsim.arms import parting_day

HERE = Path(__file__).parent
COLUMNS = {
    "coverage_model": ("coverage by the model", "{:.3f}"),
    "coverage": ("coverage", "{:.3f}"),
    "gini": ("Gini", "{:.3f}"),
    "novelty": ("novelty, bits", "{:.2f}"),
    "utility": ("true utility", "{:.2f}"),
    "cost": ("cost", "{:.1f}"),
}


def arms(base: str) -> dict[str, rs.Scenario]:
    """Return the feed without a strategy, its controls, and every strategy, by name."""
    first, *others = (HERE / "strategies" / name for name in ("greedy.toml", *sorted(names())))
    greedy = rs.Scenario.load(first, HERE / f"{base}.toml")
    strategies = {path.stem: rs.Scenario.load(path, HERE / f"{base}.toml") for path in others}
    return {"greedy": greedy} | greedy.controls(parting_day(greedy)) | strategies


def names() -> set[str]:
    """Return the files of all strategies but the first."""
    return {path.name for path in (HERE / "strategies").glob("*.toml")} - {"greedy.toml"}


def markdown(done: rs.Comparison, base: str) -> str:
    """Return the league as a table in Markdown, the widest coverage by the model first."""
    found = {(row["arm"], row["metric"]): row for row in done.differences.to_dict("records")}
    order = sorted(done.arms, key=lambda arm: -found[arm, "coverage_model"]["mean"])
    lines = ["| arm | " + " | ".join(title for title, _ in COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for arm in order:
        cells = []
        for metric, (_, form) in COLUMNS.items():
            row = found[arm, metric]
            half = row["mean_high"] - row["mean"]
            star = "\\*" if row["p"] < 0.05 else ""
            cells.append("-" if row["mean"] != row["mean"] else f"{form.format(row['mean'])} ± {form.format(half)}{star}")
        lines.append(f"| {arm} | " + " | ".join(cells) + " |")
    foot = (
        f"World: `{base}`. Means of the last {done.last} epochs over {len(done.seeds)} seeds ± half the 95 % interval "
        "(Student's t). "
        "\\*: the paired difference to greedy has p < 0.05 (paired t test, Holm over the arms). Cost: feed clicks lost to greedy "
        "plus labels paid for, in clicks per 1,000 visits."
    )
    return "\n".join([*lines, "", foot, ""])


def played(chosen: argparse.Namespace) -> str:
    """Run the league, print it, and return it in Markdown."""
    done = rs.compare(arms(chosen.base), chosen.seeds, chosen.out, resume=chosen.resume)
    print(done.table(140), done.answer(), sep="\n")
    return markdown(done, chosen.base)


def main() -> None:
    """Print the league, and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--base", default="collapse", help="a scenario file beside this script, by name")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, help="a folder to keep the runs in")
    parser.add_argument("--resume", action="store_true", help="go on with the comparison in that folder")
    marks.fill(parser, "league", played)


if __name__ == "__main__":  # the worker processes import this file
    main()
