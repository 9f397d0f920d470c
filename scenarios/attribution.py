"""What narrows the feed? Five causes on MovieLens people, taken away one by one and together: 32 worlds under each seed.

    python scenarios/attribution.py [--seeds 8] [--write docs/experiments.md]

Prints how much each cause adds to the loss of coverage by the model, and to the Gini index. With --write the table replaces what
stands between the two marks in each file named.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import marks
import numpy as np

import recsim as rs
from recsim.attribution import SWITCHES, Attribution
from recsim.tables import with_half

HERE = Path(__file__).parent
DAYS = 42.0
KINDS = {"alone": "by itself", "last": "where all others are", "shapley": "over all orders"}
METRICS = {"coverage_model": "coverage by the model", "gini": "Gini"}


class PopularFirst(rs.Policy):
    """Show at the top what was clicked most of all that she has not had, and the ranking below it."""

    def _top(self, visits: rs.Visits, ranking: rs.Ranking) -> np.ndarray:
        counts = ranking.published.counts
        order = ranking.published.once("PopularFirst", lambda: np.argsort(-counts, kind="stable")[:60].astype(np.int32))
        had = visits.barred(np.broadcast_to(order, (len(visits), len(order))))
        return np.where(had.all(axis=1), ranking.items[:, 0], order[had.argmin(axis=1)])

    def place(self, visits: rs.Visits, ranking: rs.Ranking, placed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what is most popular for the first position, and the best of the ranking for the others."""
        if placed.shape[1]:
            return rs.Greedy().place(visits, ranking, placed)
        return self._top(visits, ranking), np.full(len(visits), rs.Origin.MODEL, np.int8)

    def chance(self, visits: rs.Visits, ranking: rs.Ranking, placed: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Return 1 for what stands there, else 0."""
        if placed.shape[1]:
            return rs.Greedy().chance(visits, ranking, placed, item)
        return (item == self._top(visits, ranking)).astype(np.float64)


def without_slot(scenario: rs.Scenario) -> rs.Scenario:
    """Return the scenario whose first position is the model's."""
    return scenario.but(policy=rs.Greedy())


def world() -> rs.Scenario:
    """Return the world in which all five causes are at work."""
    collapse = rs.Scenario.load(HERE / "collapse.toml")
    return collapse.but(days=DAYS, dynamics=(rs.Reinforcement(rate=0.02),), policy=PopularFirst())


def rows_of(found: Attribution, metric: str) -> list[str]:
    """Return the rows of the table about one metric."""
    effects = {(row["kind"], row["term"]): row for row in found.effects_on(metric).to_dict("records")}
    lines = []
    for cause in [*found.causes, "all causes"]:
        kinds = KINDS if cause in found.causes else dict.fromkeys(["", " ", "total"])
        rows = [effects.get((kind, cause)) for kind in kinds]
        cells = [with_half(row["value"], row["high"] - row["value"], 3, "+") if row else "" for row in rows]
        share = effects["shapley", cause] if cause in found.causes else None
        cells.append(with_half(share["share"], share["share_high"] - share["share"], 2) if share else "1")
        lines.append(f"| {METRICS[metric]} | {cause} | " + " | ".join(cells) + " |")
    return lines


def pairs_of(found: Attribution, metric: str) -> str:
    """Return a line on the pairs of causes whose interaction has an interval beside 0."""
    rows = [row for row in found.effects_on(metric).to_dict("records") if row["kind"] == "interaction"]
    clear = [f"{row['term']} {row['value']:+.3f}" for row in rows if row["low"] * row["high"] > 0]
    return f"Pairs that do not just add up in {METRICS[metric]}: " + ("; ".join(clear) if clear else "none that is clear") + "."


def table(seeds: int) -> str:
    """Return the Markdown table, and two lines on interactions."""
    found = rs.attribute(world(), SWITCHES | {"popularity slot": without_slot}, "coverage_model", seeds)
    lines = ["| change in | cause | " + " | ".join(KINDS.values()) + " | share of all |", "|---" * (len(KINDS) + 3) + "|"]
    lines += [line for metric in METRICS for line in rows_of(found, metric)]
    means = {metric: found.worlds(metric).mean(axis=0) for metric in METRICS}
    ends = ", ".join(f"{METRICS[name]} {mean[0]:.3f} to {mean[-1]:.3f}" for name, mean in means.items())
    many = "epoch" if found.last == 1 else f"{found.last} epochs"
    foot = (
        f"From no cause to all five: {ends}. Means of the last {many} of {DAYS:g} days over {seeds} seeds ± half "
        "the 95 % interval (Student's t, paired)."
    )
    text = "\n".join(lines) + "\n\n" + "\n".join([foot, *(pairs_of(found, metric) for metric in METRICS)]) + "\n"
    print(text)
    return text


def main() -> None:
    """Print the table, and write it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=8)
    marks.fill(parser, "attribution", lambda chosen: table(chosen.seeds))


if __name__ == "__main__":
    main()
