"""Does the loop narrow the feed? Four arms on the MovieLens world over ten seeds, as a table with 95 % intervals.

    python scenarios/first_answer.py [--seeds 10] [--write README.md]

With --write the table replaces what stands between the two marks in each file named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import marks
import numpy as np
from scipy.stats import t

import recsim as rs

HERE = Path(__file__).parent
COLUMNS = {
    "coverage_model": ("coverage by the model", "{:.3f}"),
    "gini": ("Gini of impressions", "{:.3f}"),
    "novelty": ("novelty, bits", "{:.2f}"),
    "click_rate": ("click rate", "{:.4f}"),
    "utility": ("true utility", "{:.2f}"),
    "depth": ("depth of training rows", "{:.2f}"),
}


def arms() -> dict[str, rs.Scenario]:
    """Return the arms by name."""
    movielens, collapse = (rs.Scenario.load(HERE / f"{name}.toml") for name in ("movielens", "collapse"))
    return {
        "no loop: random feed": movielens.but(recommender=rs.Random()),
        "loop, all clicks teach": movielens,
        "loop, last 3 weeks teach": collapse,
        "the same, 20 % organic visits weighing 5": collapse.but(
            signals=(rs.OrganicLift(rate=0.2),), training=(*collapse.training, rs.OriginWeights(organic=5.0))
        ),
    }


def table(seeds: int) -> str:
    """Return the Markdown table of the last epoch: means over seeds and half-widths of their 95 % t intervals."""
    lines = ["| last of 20 weeks | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for name, arm in arms().items():
        runs = [rs.run(arm, seed=seed, progress=False).metrics for seed in range(1, seeds + 1)]
        cells = []
        for metric, (_, form) in COLUMNS.items():
            values = np.array([run[metric] for run in runs])
            half = t.ppf(0.975, seeds - 1) * values.std(ddof=1) / np.sqrt(seeds)
            cells.append(f"{form.format(values.mean())} ± {form.format(half)}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + f"\n\nMeans over {seeds} seeds ± half the 95 % interval (Student's t).\n"


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    marks.fill(parser, "first answer", lambda given: table(given.seeds))


if __name__ == "__main__":
    main()
