"""Would an A/B test have told? MovieLens people split between two feeds that learn from one log, or each from its own.

    python scenarios/ab_test.py [--seeds 20] [--write docs/experiments.md]

Prints, for each pair of arms and kind of log, the true difference of two whole worlds in clicks per visit, what the tests found,
and how they decided. With --write the table replaces what stands between the two marks in each file named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import marks

import recsim as rs
from recsim.tables import with_half

HERE = Path(__file__).parent
WARM_UP, DAYS, SETTLE = 28.0, 84.0, 14.0
TITLES = (
    "B beside greedy", "log", "true B - A", "tests say", "bias by interference", "interval holds truth", "right", "missed",
    "wrong",
)  # fmt: skip


def arms() -> tuple[rs.Scenario, dict[str, rs.Scenario]]:
    """Return arm A, and what is tested against it by name."""
    greedy = rs.Scenario.load(HERE / "collapse.toml").but(days=DAYS)
    propensity = rs.Scenario.load(HERE / "strategies" / "inverse-propensity.toml").but(days=DAYS)
    return greedy, {
        "greedy again": greedy,
        "10 % exploration": greedy.but(policy=propensity.policy),
        "the same, clicks weighed by it": propensity,
        "by popularity": greedy.but(recommender=rs.Popularity()),
    }


def line(name: str, row: dict) -> str:
    """Return a row of the table: of one pair and kind of log."""
    cells = [name, row["log"], with_half(row["truth"], row["truth_high"] - row["truth"], 4, "+"), f"{row['estimate']:+.4f}"]
    cells.append(with_half(row["bias"], row["bias_high"] - row["bias"], 4, "+"))
    cells += [f"{row[share]:.0%}" for share in ("coverage", "right", "missed")] + [f"{row['wrong'] + row['false alarm']:.0%}"]
    return "| " + " | ".join(cells) + " |"


def table(seeds: int) -> str:
    """Return the Markdown table."""
    lines = ["| " + " | ".join(TITLES) + " |", "|---" * len(TITLES) + "|"]
    greedy, others = arms()
    for name, other in others.items():
        found = rs.ab_test(greedy, other, seeds, log=("shared", "diverted"), warm_up=WARM_UP, settle=SETTLE, progress=False)
        rows = found.summary[found.summary["metric"] == "clicks"]
        lines += [line(name, row) for row in rows.to_dict("records")]
        print(*lines[-2:], sep="\n", flush=True)
    foot = (
        f"Clicks in the feed per visit. {seeds} seeds; ±: half the 95 % interval over them (Student's t). Half of the users "
        f"are under B from day {WARM_UP:g} on; days {WARM_UP + SETTLE:g} to {DAYS:g} count. wrong: significant for the other "
        "side, or where there is nothing."
    )
    return "\n".join(lines) + f"\n\n{foot}\n"


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    marks.fill(parser, "ab test", lambda chosen: table(chosen.seeds))


if __name__ == "__main__":
    main()
