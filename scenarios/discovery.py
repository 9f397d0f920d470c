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


def waited(found: pd.DataFrame, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the days that each waited, and whether she was still waiting when nobody watched her any more."""
    waiting = ~np.isfinite(found[how].to_numpy())
    return np.where(waiting, found["until"], found[how]) - found["since"].to_numpy(), waiting


def told(curve: rs.survival.Curve) -> str:
    """Return the median days with its interval, as text."""
    days = ["never" if np.isinf(day) else f"{day:.1f}" for day in rs.survival.median(curve)]
    return f"{days[0]} ({days[1]} to {days[2]})"


def table(seeds: int, figure: Path | None) -> str:
    """Return the Markdown table, and draw the figure."""
    lines = ["| strategy | shown one | days until then | consumed one | days until then |", "|---" * 5 + "|"]
    curves = {}
    for name, arm in arms().items():
        found = pd.concat([rs.run(arm, seed=seed, progress=False).discovery for seed in range(1, seeds + 1)])
        cells = []
        for how in ("shown", "clicked"):
            days, waiting = waited(found, how)
            curves[name, how] = rs.survival.curve(days, waiting)
            cells += [f"{1 - waiting.mean():.0%}", told(curves[name, how])]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    if figure:
        draw({name: curve for (name, how), curve in curves.items() if how == "clicked"}, figure)
    return "\n".join(lines) + f"\n\nPeople of {seeds} seeds; medians with 95 % intervals (Kaplan-Meier, log-log).\n"


def draw(curves: dict[str, rs.survival.Curve], path: Path) -> None:
    """Draw who has not consumed an item of the new interest yet, by days since it was born."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="ticks", palette="colorblind")
    _, axes = plt.subplots(figsize=(6.5, 4.0), layout="constrained")
    for name, curve in curves.items():
        (line,) = axes.step(curve.days, curve.survivor, where="post", label=name)
        axes.fill_between(curve.days, curve.low, curve.high, step="post", color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="days since it was born", ylabel="share who have not found it", ylim=(0, 1), xlim=(0, None))
    axes.legend(frameon=False, title="strategy")
    sns.despine()
    axes.figure.savefig(path, dpi=150)


def main() -> None:
    """Print the table, write it and draw the curves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--figure", type=Path, help="a PNG to draw the curves into")
    marks.fill(parser, "discovery", lambda chosen: table(chosen.seeds, chosen.figure))


if __name__ == "__main__":
    main()
