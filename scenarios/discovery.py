"""How long until people meet what they would love? A new interest under several strategies, as curves of survival.

    python scenarios/discovery.py [--seeds 5] [--figure discovery.png] [--write docs/people.md]

Prints, for each strategy, the share of those who take the new interest up that has been shown an item about it, and has consumed
one, by the end, and the median days until then with its 95 % interval (Kaplan-Meier over the people of all seeds). The figure
draws the curves with their bands.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import marks
import numpy as np
import pandas as pd

import recsim as rs
from recsim.timelines import waited

HERE = Path(__file__).parent


def arms() -> dict[str, rs.Scenario]:
    """Return the arms by name."""
    plain = rs.Scenario.load(HERE / "newborn-interest.toml")
    return {
        "greedy": plain,
        "5 % exploration": plain.but(policy=rs.EpsilonGreedy(epsilon=0.05)),
        "one slot for the fresh": plain.but(policy=rs.Slots(pattern=(*("match",) * 9, "fresh"), fresh_below=50.0)),
        "editors, 1 visit in 5": plain.but(signals=(rs.EditorPicks(rate=0.2, picks=50),)),
        "search, 1 visit in 5": plain.but(signals=(rs.OrganicLift(rate=0.2),)),
    }


def told(curve: rs.survival.Curve) -> str:
    """Return the median days with its interval, as text."""
    days = ["never" if np.isinf(day) else f"{day:.1f}" for day in rs.survival.median(curve)]
    return f"{days[0]} ({days[1]} to {days[2]})"


def table(seeds: int, figure: Path | None) -> str:
    """Return the Markdown table, and draw the figure."""
    lines = ["| strategy | shown one | days until then | consumed one | days until then |", "|---" * 5 + "|"]
    drawn = {}
    for name, arm in arms().items():
        drawn[name] = [rs.run(arm, seed=seed, progress=False) for seed in range(1, seeds + 1)]
        found = pd.concat([run.discovery for run in drawn[name]])
        cells = []
        for how in ("shown", "clicked"):
            days, waiting = waited(found, how)
            cells += [f"{1 - waiting.mean():.0%}", told(rs.survival.curve(days, waiting))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    if figure:
        rs.plot.discovery(drawn, path=figure)
    return "\n".join(lines) + f"\n\nPeople of {seeds} seeds; medians with 95 % intervals (Kaplan-Meier, log-log).\n"


def main() -> None:
    """Print the table, write it and draw the curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--figure", type=Path, help="a PNG to draw the curves into")
    marks.fill(parser, "discovery", lambda chosen: table(chosen.seeds, chosen.figure))


if __name__ == "__main__":
    main()
