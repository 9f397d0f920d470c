"""Does the ranking of cures survive what is not known about people? MovieLens arms in worlds that the log might as well be of.

    python scenarios/robust.py [--seeds 4] [--figure robust.png] [--write docs/experiments.md]

Prints, for each metric and pair of arms, the difference in the arms' own world, its range and interval over 15 other worlds, and
in how many of these it has the same sign. Six worlds are fitted to bootstrap samples of the log's people, the first time only:
they are kept in the user's cache. Three have another model of choice, with about as many clicks for the greedy feed; six take
settings that a log of ratings does not tell from anywhere in their ranges. The figure draws each arm beside the greedy one in
every world. With --write the table replaces what stands between the two marks in each file named.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import marks
import numpy as np

import recsim as rs
from recsim.datasets import cache
from recsim.settings import changed
from recsim.tables import decimals_for, with_half

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).parent
DAYS, LAST, SAMPLES, POINTS = 42.0, 2, 6, 6
SHOWN = {
    "coverage_model": "coverage by the model",
    "gini": "Gini of impressions",
    "utility": "utility of a click",
    "click_rate": "click rate",
}
RIVALS = {
    "cascade": {"choice.kind": "Cascade"},
    "up to 3 clicks": {"choice.clicks": 3},
    "no position bias": {"choice.bias": "none"},
}
RANGES = {
    "choice.outside": {"low": 5.0, "high": 20.0, "scale": "log"},
    "choice.bias": (0.2, 1.0),  # the exponent of the position by which attention falls
    "population.curiosity": (0.0, 0.2),
    "visits.spread": (0.2, 1.0),
}
KINDS = {"recalibrated": "other samples of people", "choice": "other models of choice", "assumed": "other assumed settings"}
TITLES = (
    "metric", "pair", "base", "range over worlds", "mean over worlds", "same sign", "told so", "told the contrary",
)  # fmt: skip


def arms() -> dict[str, rs.Scenario]:
    """Return the greedy feed and three cures, by name."""
    greedy = rs.Scenario.load(HERE / "movielens.toml").but(days=DAYS)
    explored = greedy.but(policy=rs.EpsilonGreedy(epsilon=0.1))
    return {
        "greedy": greedy,
        "exploration": explored,
        "propensity": explored.but(training=(rs.InversePropensity(clip=10.0),)),
        "searches": greedy.but(signals=(rs.OrganicLift(rate=0.2),)),
    }


def worlds(greedy: rs.Scenario) -> dict[str, dict[str, Any]]:
    """Return the other worlds by name, and what each of them changes."""
    wanted = clicked(greedy, {})
    rivals = {f"choice: {name}": fitting(greedy, settings, wanted) for name, settings in RIVALS.items()}
    points = rs.assumed(RANGES, rs.LatinHypercube(points=POINTS))
    samples = rs.bootstrapped("movielens-100k", cache() / "bootstrap", SAMPLES)
    return rs.recalibrated(samples) | rivals | points


def fitting(greedy: rs.Scenario, settings: Mapping[str, Any], wanted: float) -> dict[str, Any]:
    """Return a rival model of choice with the outside option that gives the greedy feed about the click rate that is wanted.

    By bisection on the logarithm of its weight, from 2.7 to 55, to about a twentieth of it, under one seed.
    """
    low, high = 1.0, 4.0
    while high - low > 0.1:
        middle = (low + high) / 2
        more = clicked(greedy, {**settings, "choice.outside": math.exp(middle)}) > wanted
        low, high = (middle, high) if more else (low, middle)
    return {**settings, "choice.outside": round(math.exp((low + high) / 2), 2)}


def clicked(greedy: rs.Scenario, settings: Mapping[str, Any]) -> float:
    """Return the click rate of the greedy feed in the last epoch of the first half of its days."""
    short = changed(greedy, settings).but(days=greedy.days / 2)
    return float(rs.run(short, seed=1, progress=False).metrics["click_rate"])


def table(seeds: int, figure: Path | None) -> str:
    """Return the Markdown table, and draw the figure."""
    chosen = arms()
    found = rs.survives(chosen, worlds(chosen["greedy"]), list(SHOWN), seeds, last=LAST)
    lines = ["| " + " | ".join(TITLES) + " |", "|---" * len(TITLES) + "|"]
    lines += [line for metric in SHOWN for line in lines_of(found, metric)]
    if figure:
        draw(found, figure)
    counts = ", ".join(f"{len(names)} {kind}" for kind, names in found.kinds.items() if kind in KINDS)
    foot = (
        f"Means of the last {found.last} of {DAYS / 7:g} weeks over {len(found.seeds)} seeds. base: ± half the 95 % interval "
        "over seeds (Student's t, paired); \\*: told apart (Holm over the pairs). mean over worlds: ± half that over worlds and "
        f"seeds. told: p < 0.05; the contrary: by Holm over all pairs and worlds. Worlds beside the base: {counts}."
    )
    text = "\n".join(lines) + f"\n\n{foot}\n"
    print(text, found.answer(), sep="\n")
    return text


def lines_of(found: rs.Robustness, metric: str) -> list[str]:
    """Return the rows of the table about one metric, a pair a row."""
    pairs, over = (frame[frame["metric"] == metric] for frame in (found.pairs, found.over))
    decimals = max(decimals_for(list(pairs["difference"])), 4 if metric == "click_rate" else 0)
    rows = over[over["kind"] == next(reversed(found.kinds))].to_dict("records")
    return [line(row, pairs[(pairs["arm"] == row["arm"]) & (pairs["other"] == row["other"])], decimals) for row in rows]


def line(row: Mapping[str, Any], pair: pd.DataFrame, decimals: int) -> str:
    """Return a row of the table; row: of the pair over all other worlds; pair: in each world, the base first."""
    base, others = pair.iloc[0], pair["difference"].iloc[1:]
    low, high = (f"{end:+.{decimals}f}" for end in (others.min(), others.max()))
    cells = [
        SHOWN[row["metric"]], f"{row['arm']} over {row['other']}",
        with_half(base["difference"], base["high"] - base["difference"], decimals, "+") + "\\*" * bool(row["apart"]),
        f"{low} to {high}", with_half(row["mean"], row["high"] - row["mean"], decimals, "+"),
        f"{round(row['agree'] * row['worlds'])} of {row['worlds']}", str(row["same"]), str(row["flips"]),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def draw(found: rs.Robustness, path: Path) -> None:
    """Draw each arm's difference to the first one in every world, a panel a metric, the base as a line across its arm."""
    import matplotlib.pyplot as plt
    import seaborn as sns

    sns.set_theme(style="ticks", palette="colorblind")
    figure, panels = plt.subplots(2, 2, figsize=(9.0, 6.6), layout="constrained")
    for axes, metric in zip(panels.ravel(), SHOWN, strict=True):
        panel(axes, found, metric)
    figure.legend(*panels[0, 0].get_legend_handles_labels(), frameon=False, ncols=2, loc="outside lower center")
    sns.despine()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def panel(axes: Any, found: rs.Robustness, metric: str) -> None:
    """Draw one metric: dots side by side by kind of world, with a marker of its own beside a colour."""
    first, *others = found.arms
    values, names = found.table_of(metric), list(found.worlds)
    kinds = [kind for kind in KINDS if kind in found.kinds]
    for row, arm in enumerate(others):
        gaps = dict(zip(names, (values[arm] - values[first]).mean(axis=1), strict=True))
        label = "" if row else "the arms' own world"
        axes.plot([gaps["base"]] * 2, [row - 0.4, row + 0.4], color="black", linewidth=2, label=label)
        for place, (kind, marker) in enumerate(zip(kinds, "osD", strict=False)):
            dots = [gaps[name] for name in found.kinds[kind]]
            heights = row + 0.25 * (place - (len(kinds) - 1) / 2) + np.linspace(-0.07, 0.07, len(dots))
            label = "" if row else KINDS[kind]
            axes.scatter(dots, heights, s=26, marker=marker, color=f"C{place}", alpha=0.85, linewidth=0, label=label)
    axes.axvline(0.0, color="#8c8c8c", linewidth=1.0, zorder=0)
    axes.set(title=SHOWN[metric], xlabel=f"difference to {first}", yticks=range(len(others)), yticklabels=others)
    axes.set_ylim(len(others) - 0.5, -0.5)
    axes.locator_params(axis="x", nbins=5)


def main() -> None:
    """Print the table, write it and draw the figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--figure", type=Path, help="a PNG to draw the differences into")
    marks.fill(parser, "robust", lambda chosen: table(chosen.seeds, chosen.figure))


if __name__ == "__main__":
    main()
