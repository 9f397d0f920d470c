"""One of every figure, for docs/figures.md: of the quickstart, machines that imitate, a newborn interest, arms, a study.

    python scenarios/figures.py --write docs/img [--seeds 3]

Runs what the figures show, some minutes on one core, and writes each as figure-NAME.png, in the size of a page on a screen.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

import recsim as rs
from recsim import plot
from recsim.files import whole

HERE = Path(__file__).parent
K = 10
COLOURS = 64


def arms(plain: rs.Scenario) -> dict[str, rs.Scenario]:
    """Return the arms that are compared, by name."""
    return {
        "greedy": plain,
        "epsilon-greedy": plain.but(policy=rs.EpsilonGreedy(epsilon=0.1)),
        "diversify": plain.but(policy=rs.Diversify(diversity=0.3)),
        "panel": plain.but(signals=(rs.Panel(rate=0.1),)),
        "popularity": plain.but(recommender=rs.Popularity()),
    }


def study(plain: rs.Scenario, seeds: int) -> rs.Study:
    """Return a study of two settings of the quickstart."""
    factors = {"policy": [rs.EpsilonGreedy(epsilon=share) for share in (0.0, 0.02, 0.1, 0.3)], "slate": [5, 10, 20]}
    return rs.Study(name="figures", base=plain.but(days=56.0), factors=factors, seeds=max(2, seeds))


def figures(seeds: int) -> dict[str, Callable[[], Any]]:
    """Run all that is to be drawn, and return what draws each figure, by its name."""
    quick, machines, newborn = (
        rs.run(rs.Scenario.load(HERE / f"{name}.toml").but(benchmark=K), seed=1, progress=False)
        for name in ("quickstart", "ai-creators", "newborn-interest")
    )
    plain, new = quick.scenario, newborn.scenario
    compared = rs.compare(arms(plain), seeds, progress=False)
    found = {name: rs.run(arm, seed=1, progress=False) for name, arm in arms(new).items()}
    with TemporaryDirectory() as folder:
        frame = rs.run_study(study(plain, seeds), Path(folder) / "study", progress=False).frame
    return {
        "narrowing": lambda: plot.narrowing(quick),
        "trajectories": lambda: plot.trajectories(compared),
        "lorenz": lambda: plot.lorenz(quick),
        "ranks": lambda: plot.ranks(machines),
        "topics": lambda: plot.topics(quick),
        "item_map": lambda: plot.item_map(machines),
        "co_clicks": lambda: plot.co_clicks(quick),
        "league": lambda: plot.league(compared),
        "front": lambda: plot.front(compared),
        "discovery": lambda: plot.discovery(found),
        "benchmark": lambda: plot.benchmark(quick),
        "heat_map": lambda: plot.heat_map(frame, "slate", "policy", "coverage_model"),
    }


def main() -> None:
    """Draw the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--write", type=Path, required=True, help="the folder that the pictures are written to")
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    for name, draw in figures(chosen.seeds).items():
        drawn = draw()
        figure = getattr(drawn, "figure", None) or drawn
        drawing = io.BytesIO()
        figure.savefig(drawing, format="png", dpi=100)
        with whole(chosen.write / f"figure-{name}.png") as part:
            few = Image.open(drawing).convert("RGB").quantize(COLOURS, Image.Quantize.MAXCOVERAGE)
            few.save(part, format="png", optimize=True)
        print(chosen.write / f"figure-{name}.png", flush=True)


if __name__ == "__main__":
    main()
