"""How much common random numbers save: the variance of a paired difference beside that of an unpaired one, by epoch.

    python benchmarks/crn.py [--seeds 100] [--write docs/common-random-numbers.md]

Two arms, greedy and 2 % exploration, in a made-up world (500 people, 300 items, ALS on all clicks so far).
Paired: both arms of one seed. Unpaired: the arms of different seeds, averaged over all shifts of the seeds. Once the arms
are forked after the start epoch, which they then share, and once they are run apart from the first day. With --write the
table replaces what stands between the two marks in that file, and the figure beside it, img/crn.png, is drawn anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

import recsim as rs

Floats = npt.NDArray[np.float64]

EPSILONS = (0.0, 0.02)
METRICS = ("gini", "coverage_model")
EPOCHS = 8
MARKS = "<!-- common random numbers: begin -->\n", "<!-- common random numbers: end -->"


def scenario() -> rs.Scenario:
    """Return the world: a start epoch served at random, and eight that models serve."""
    every = 7.0
    return rs.Scenario(
        days=(EPOCHS + 1) * every, population=rs.SyntheticUsers(users=500), catalog=rs.SyntheticItems(items=300),
        recommender=rs.ALS(), retrain=rs.Retrain(every=every),
    )  # fmt: skip


def figures(world: rs.World) -> Floats:
    """Return the metrics of every epoch of a world at its end: (metrics, epochs)."""
    world.advance(world.scenario.days).close_epoch()
    values = {
        metric: [value for _, _, window, group, name, value in world.history if (window, group, name) == ("epoch", "all", metric)]
        for metric in METRICS
    }  # fmt: skip
    return np.array(list(values.values()))[:, 1:]


def measure(seeds: int, fork: bool) -> Floats:
    """Return (arms, seeds, metrics, epochs), from epoch 1, the first that a trained model serves.

    fork: whether the arms share the start epoch.
    """
    world, arms = scenario(), [scenario().but(policy=rs.EpsilonGreedy(epsilon=epsilon)) for epsilon in EPSILONS]
    pairs = []
    for seed in range(1, seeds + 1):
        if fork:
            shared = rs.World.draw(world, seed).advance(world.retrain.every)
            pairs.append([figures(shared.fork(arm)) for arm in arms])
        else:
            pairs.append([figures(rs.World.draw(arm, seed)) for arm in arms])
    return np.array(pairs).swapaxes(0, 1)


def ratio(arms: Floats) -> Floats:
    """Return the variance of the unpaired difference over that of the paired one: (metrics, epochs)."""
    one, other = arms
    unpaired = [(np.roll(other, shift, axis=0) - one).var(axis=0, ddof=1) for shift in range(1, len(one))]
    return np.asarray(np.mean(unpaired, axis=0) / (other - one).var(axis=0, ddof=1))


def error(arms: Floats) -> Floats:
    """Return the standard error of the ratio's logarithm, by the jackknife over seeds: (metrics, epochs)."""
    seeds = arms.shape[1]
    without = np.log([ratio(np.delete(arms, seed, axis=1)) for seed in range(seeds)])
    return np.asarray(without.std(axis=0) * np.sqrt(seeds - 1))


def table(measured: dict[str, Floats]) -> str:
    """Return the ratios as a table in Markdown, with their 95 % intervals."""
    columns = [f"{metric}, {name}" for name in measured for metric in METRICS]
    cells = []
    for arms in measured.values():
        middle, reach = ratio(arms), np.exp(1.96 * error(arms))
        for row, factor in zip(middle, reach, strict=True):
            cells.append([f"{_plain(r)} ({_plain(r / f)} to {_plain(r * f)})" for r, f in zip(row, factor, strict=True)])
    lines = [["epoch", *columns], ["---"] * (len(columns) + 1)]
    lines += [[str(epoch + 1), *(column[epoch] for column in cells)] for epoch in range(EPOCHS)]
    seeds = next(iter(measured.values())).shape[1]
    text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    note = f"Variance of the unpaired difference over that of the paired one, {seeds} seeds, 95 % interval (jackknife)."
    return f"{text}\n\n{note}\n"


def _plain(number: float) -> str:
    return f"{number:.0f}" if number >= 20 else f"{number:.1f}"


def draw(measured: dict[str, Floats], path: Path) -> None:
    """Write the figure: the ratio by epoch on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(METRICS), figsize=(9, 3.6), sharey=True, layout="constrained")
    epochs = np.arange(1, EPOCHS + 1)
    for place, (axis, metric) in enumerate(zip(axes, METRICS, strict=True)):
        for name, arms in measured.items():
            middle, reach = ratio(arms)[place], np.exp(1.96 * error(arms)[place])
            axis.plot(epochs, middle, marker="o", label=name)
            axis.fill_between(epochs, middle / reach, middle * reach, alpha=0.2)
        axis.axhline(1, color="grey", linewidth=1)
        axis.set(yscale="log", xlabel="epoch served by a model", title=metric)
    axes[0].set_ylabel("unpaired / paired variance")
    axes[-1].legend(frameon=False)
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main() -> None:
    """Print the table, or write it and the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--write", type=Path)
    given = parser.parse_args()
    measured = {
        "forked after the start epoch": measure(given.seeds, fork=True),
        "apart from the first day": measure(given.seeds, fork=False),
    }
    made = table(measured)
    print(made)
    if given.write:
        text = given.write.read_text(encoding="utf-8")
        begin, end = text.index(MARKS[0]) + len(MARKS[0]), text.index(MARKS[1])
        given.write.write_text(text[:begin] + made + text[end:], encoding="utf-8", newline="\n")
        draw(measured, given.write.parent / "img" / "crn.png")


if __name__ == "__main__":
    main()
