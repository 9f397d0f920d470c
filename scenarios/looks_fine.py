"""Does it look fine while people narrow? MovieLens people who come to want more of what they consume, feed or no feed.

    python scenarios/looks_fine.py [--seeds 20] [--write docs/people.md]

Prints, for each arm, how figures change from the first trained model to the last epoch, with 95 % intervals over the seeds. With
--write the table replaces what stands between the two marks in each file named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import marks

import recsim as rs
from recsim.inference import interval

HERE = Path(__file__).parent
COLUMNS = {
    "feed_topics": ("topics in a user's feed", "{:+.2f}"),
    "interest_topics": ("topics of her interests", "{:+.2f}"),
    "interest_shift": ("share of them moved", "{:+.3f}"),
    "click_rate": ("click rate", "{:+.4f}"),
    "utility": ("true utility", "{:+.2f}"),
    "utility_innate": ("utility as at birth", "{:+.2f}"),
}


def arms() -> dict[str, rs.Scenario]:
    """Return the arms by name: the same changing people under several feeds, and people who do not change."""
    still = rs.Scenario.load(HERE / "collapse.toml")
    changing = still.but(dynamics=(rs.Reinforcement(rate=0.02),))
    controls = changing.controls()
    return {
        "nobody changes": still,
        "greedy ALS": changing,
        "the same, open loop": controls["open loop"],
        "random feed": controls["random"],
        "no feed": controls["no feed"],
    }


def table(seeds: int) -> str:
    """Return the Markdown table: mean changes over seeds and half-widths of their 95 % t intervals."""
    lines = ["| last epoch less first model | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for name, arm in arms().items():
        runs = [rs.run(arm, seed=seed, progress=False) for seed in range(1, seeds + 1)]
        cells = []
        for metric, (_, form) in COLUMNS.items():
            mean, _, high = interval([run.series(metric).iloc[-1] - run.series(metric).iloc[1] for run in runs])
            cells.append(f"{form.format(mean)} ± {form.format(high - mean).lstrip('+')}" if mean == mean else "-")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + f"\n\nMeans over {seeds} seeds ± half the 95 % interval (Student's t), paired within each seed.\n"


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=20)
    marks.fill(parser, "looks fine", lambda chosen: table(chosen.seeds))


if __name__ == "__main__":
    main()
