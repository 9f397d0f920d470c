"""What comes back when a remedy comes late? People who change by what they see, and exploration from half-time on.

    python scenarios/recovery.py [--seeds 12] [--figure recovery.png] [--write docs/experiments.md]

Prints, for each figure, how much of the gap between a feed that never explores and one that always does is closed in the end, and
how long half of it takes. The figure draws the share that is closed, week by week. With --write the table replaces what stands
between the two marks in each file named.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import marks

import recsim as rs
from recsim.tables import decimals_for, with_half

HERE = Path(__file__).parent
DAY = 70.0
SHOWN = {
    "gini": "Gini of impressions",
    "novelty": "novelty, bits",
    "feed_topics": "topics in a user's feed",
    "click_rate": "click rate",
    "interest_topics": "topics of her interests",
    "curiosity": "how often she searches",
    "depth": "depth of training rows",
}
DRAWN = "gini", "feed_topics", "interest_topics", "curiosity", "depth"


def recovered(seeds: int) -> rs.Recovery:
    """Return the recovery of the scenario's people when three positions in ten are given to chance from half-time on."""
    plain = rs.Scenario.load(HERE / "curiosity.toml")
    return rs.recover(plain, plain.but(policy=rs.EpsilonGreedy(epsilon=0.3)), DAY, seeds)


def line(row: dict) -> str:
    """Return a row of the table."""
    decimals = decimals_for([row["always"]])
    cells = [SHOWN[row["metric"]], *(f"{row[arm]:.{decimals}f}" for arm in ("never", "late", "always"))]
    if row["verdict"] == "no gap":
        cells += ["-", "-"]
    else:
        cells.append(with_half(row["closed"], row["closed_high"] - row["closed"], 2))
        cells.append("not in sight" if math.isinf(row["half"]) else f"{row['half']:.1f}")
    return "| " + " | ".join([*cells, row["verdict"]]) + " |"


def table(seeds: int, figure: Path | None) -> str:
    """Return the Markdown table, and draw the figure."""
    found = recovered(seeds)
    lines = ["| | never | late | always | share of the gap closed | days until half | |", "|---" * 7 + "|"]
    rows = {row["metric"]: row for row in found.summary.to_dict("records")}
    lines += [line(rows[metric]) for metric in SHOWN]
    if figure:
        draw(found, figure)
    foot = (
        f"Means of the last {found.last} of 20 weeks over {seeds} seeds ± half the 95 % interval (ratio of means, delta method). "
        f"late: from day {DAY:g} on. days until half: from then on, median over the seeds (Kaplan-Meier)."
    )
    text = "\n".join(lines) + f"\n\n{foot}\n"
    print(text)
    return text


def draw(found: rs.Recovery, path: Path) -> None:
    """Draw the share of the gap that is closed, by days since the remedy came, with its band."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="ticks", palette="colorblind")
    _, axes = plt.subplots(figsize=(6.5, 4.0), layout="constrained")
    for metric in DRAWN:
        way = found.path(metric)
        days = way["day"] - found.day
        (drawn,) = axes.plot(days, way["closed"], marker="o", markersize=4, label=SHOWN[metric])
        axes.fill_between(days, way["low"], way["high"], color=drawn.get_color(), alpha=0.15, linewidth=0)
    for height in (0.0, 1.0):
        axes.axhline(height, color="#8c8c8c", linewidth=1.0, zorder=0)
    axes.set(xlabel="days since the remedy came", ylabel="share of the gap closed", ylim=(-0.1, 1.45))
    axes.legend(frameon=False, ncols=2, loc="upper left")
    sns.despine()
    axes.figure.savefig(path, dpi=150)


def main() -> None:
    """Print the table, write it and draw the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--figure", type=Path, help="a PNG to draw the shares into")
    marks.fill(parser, "recovery", lambda chosen: table(chosen.seeds, chosen.figure))


if __name__ == "__main__":
    main()
