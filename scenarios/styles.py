"""What becomes of the variety of songs when machines imitate what the feed shows? Several cures, on two sides of the market.

    python scenarios/styles.py [--seeds 5] [--write docs/creators.md]

Prints for each arm, of the last three weeks: the machines' share of impressions; how many imitations their new songs are from
human work; how much of the first catalogue's variety is left in their new songs, and in all that is shown; clicks and utility.
Means over seeds with 95 % intervals (Student's t).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import marks
import numpy as np

import recsim as rs
from recsim.inference import holm, interval, paired_p

HERE = Path(__file__).parent
WEEKS = 3
FIRST = "machines imitate last week's"
COLUMNS = {
    "machines' share of the feed": "{:.2f}",
    "their songs: imitations from human work": "{:.1f}",
    "variance kept in them": "{:.2f}",
    "variance kept in what is shown": "{:.2f}",
    "click rate": "{:.4f}",
    "true utility": "{:.2f}",
}


def arms() -> dict[str, rs.Scenario]:
    """Return the arms by name."""
    plain = rs.Scenario.load(HERE / "ai-creators.toml")
    people, machines = plain.creators
    quota = plain.but(policy=rs.HumanQuota(share=1.0))

    def but(scenario: rs.Scenario, **changes: object) -> rs.Scenario:
        return scenario.but(creators=(people, machines.but(**changes)))

    return {
        "people only": but(plain, items=0.0),
        FIRST: plain,
        "without narrowing": but(plain, temperature=1.0),
        "half of each fit is human work": but(plain, human=0.5),
        "that, 3 labels in 10 wrong": but(plain, human=0.5, wrong=0.3),
        "they imitate all there has been": but(plain, pool="all"),
        "all positions for human work": quota,
        "that quota, 3 labels in 10 wrong": but(quota, wrong=0.3),
        "both cures": but(quota, human=0.5),
    }


def figures(run: rs.Run) -> list[float]:
    """Return the figures of one run's last weeks, in the order of the columns."""
    history = run.history
    late = history[(history["window"] == "epoch") & (history["epoch"] > history["epoch"].max() - WEEKS)]
    mean = late.groupby(["group", "metric"])["value"].mean()
    items, topics = run.catalog, run.catalog.filter(regex=r"^topic \d").to_numpy()
    new = ((items["maker"] == "ai") & (items["born"] > run.scenario.days - WEEKS * 7)).to_numpy()
    first = rs.variety.Reference.of(topics[(items["born"] == 0).to_numpy()])
    return [
        mean["all", "ai_impressions"], items["generation"][new].mean() if new.any() else np.nan,
        rs.variety.variance_kept(topics[new], first) if new.any() else np.nan, mean["shown", "variance_kept"],
        mean["all", "click_rate"], mean["all", "utility"],
    ]  # fmt: skip


def _differing(found: dict[str, np.ndarray], place: int) -> set[str]:
    """Return the arms whose figure differs from that of the first by paired t tests, adjusted for their number."""
    others = {name: values[:, place] - found[FIRST][:, place] for name, values in found.items() if name != FIRST}
    others = {name: change for name, change in others.items() if np.isfinite(change).all()}
    adjusted = holm([paired_p(change) for change in others.values()])
    return {name for name, p in zip(others, adjusted, strict=True) if p < 0.05}


def table(seeds: int) -> str:
    """Return the Markdown table."""
    found = {}
    for name, arm in arms().items():
        found[name] = np.array([figures(rs.run(arm, seed=seed, progress=False)) for seed in range(1, seeds + 1)])
        print(name, *found[name].mean(axis=0).round(4), flush=True)
    lines = ["| arm | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    differs = {place: _differing(found, place) for place in range(len(COLUMNS))}
    for name, values in found.items():
        cells = []
        for place, form in enumerate(COLUMNS.values()):
            mean, _, high = interval(values[:, place].tolist())
            mark = "\\*" if name in differs[place] else ""
            cells.append(f"{form.format(mean)} ± {form.format(high - mean)}{mark}" if np.isfinite(mean) else "-")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    about = (
        f"The last {WEEKS} weeks of 20; means over {seeds} seeds ± half the 95 % interval (Student's t). "
        f"\\*: the paired difference to '{FIRST}' has p < 0.05 (paired t test, Holm over the arms)."
    )
    return "\n".join([*lines, "", about, ""])


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    marks.fill(parser, "styles", lambda chosen: table(chosen.seeds))


if __name__ == "__main__":
    main()
