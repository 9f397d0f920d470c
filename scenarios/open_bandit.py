"""Does our Thompson sampler share exposure as a real one did? Open Bandit's three campaigns beside simulated ones.

    python scenarios/open_bandit.py [--seeds 4]

The platform's sampler had learned for over a month before the week of the log; its posteriors at the start of that week come
with the log, so that the click rates of items are known, and from how much it had learned. Ours begins with nothing, among
items of those rates and with the position biases fitted to the log of the random policy, and learns once a day. Printed are Gini
indices of exposure over a week: of the log, with an interval of how far chance alone moves it (bootstrap over rows); of samples
of the platform's posteriors; and of ours after a quarter, a half, once and twice the traffic from which the platform's had
learned, means over seeds and 95 % intervals (Student's t). The last column is ours among items whose rates are fitted to the
clicks of the sample alone, drawn together as far as so few clicks ask for.

Clicks are rare, one in 200 impressions, and a sampler learns from clicks: items are simulated with ten times the rates and a
tenth of the traffic, under which posteriors are as wide relative to the rates, but for a factor of one minus the rate.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

import recsim as rs
from recsim.datasets import fetch
from recsim.inference import interval
from recsim.metrics import gini, gini_floor
from recsim.randomness import Randomness

DAYS = 35  # that the platform's sampler had learned: "over a month" (Saito et al. 2021)
WEEK = 7
SLATE = 3
USERS = 1000
LIFT = 10  # of rates, and fall of traffic
PARTS = {"a quarter": 0.25, "a half": 0.5, "as much": 1.0, "twice": 2.0}


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, default=4)
    seeds = parser.parse_args().seeds
    theirs = "campaign, items", "log: random (chance alone)", "log: Thompson", "its posteriors"
    print(" | ".join([*theirs, *(f"ours: {name}" for name in PARTS), "ours: sample"]))
    for campaign in ("men", "women", "all"):
        print(" | ".join(row(campaign, seeds)), flush=True)


def row(campaign: str, seeds: int) -> list[str]:
    """Return one line of the table."""
    counts = pd.read_csv(fetch("open-bandit") / "counts.csv").query("campaign == @campaign")
    alpha, beta = counts["alpha"].to_numpy(), counts["beta"].to_numpy()
    logs = [read(campaign, policy) for policy in ("random", "bts")]
    choice = rs.fit_clicks(logs[0]).choice
    assert choice is not None
    bias, traffic = tuple(choice["bias"]), float((alpha + beta - 2).sum())
    rates = alpha / (alpha + beta) / np.mean(bias)  # at the top; the platform counts those of all positions together
    even = gini(np.bincount(logs[0].item, minlength=len(rates)))
    told = [f"{campaign}, {len(rates)}", f"{even:.3f} ({gini_floor(len(rates), len(logs[0])):.3f})"]
    told += [spread_of(logs[1], len(rates)), f"{gini(of_posteriors(alpha, beta)):.3f}"]
    parts = list(PARTS.values())
    ours = [weeks(scenario(rates, bias, traffic, max(parts)), seed, parts) for seed in range(1, seeds + 1)]
    small = scenario(np.array(choice["theta"]), bias, traffic, 1.0)
    sample = [weeks(small, seed, [1.0])[0] for seed in range(1, seeds + 1)]
    return told + ["{:.3f} ({:.3f} to {:.3f})".format(*interval(column)) for column in (*np.transpose(ours), sample)]


def read(campaign: str, policy: str) -> rs.Impressions:
    """Return the impressions of a campaign under a policy."""
    path = fetch("open-bandit") / f"{policy}-{campaign}.csv"
    return rs.read_impressions(path, "item", "position", "click", propensity="propensity")


def spread_of(log: rs.Impressions, items: int) -> str:
    """Return the Gini index of exposure in a log and the interval of its bootstrap, told as text."""
    found = gini(np.bincount(log.item, minlength=items))
    rows = (Randomness(1).uniform("bootstrap", np.arange(len(log)), turn) * len(log) for turn in range(200))
    again = [gini(np.bincount(log.item[row.astype(np.int64)], minlength=items)) for row in rows]
    low, high = 2 * found - np.quantile(again, [0.975, 0.025])  # the basic bootstrap: drawing again makes shares less alike
    return f"{found:.3f} ({low:.3f} to {high:.3f})"


def of_posteriors(alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Return how often each item is among the highest, one for each position, of 20,000 samples of Beta posteriors."""
    from scipy.special import betaincinv

    chance = Randomness(1).uniform("sample", np.arange(20_000)[:, None], 0, np.arange(len(alpha)))
    highest = np.argsort(-betaincinv(alpha, beta, chance), axis=1)[:, :SLATE]
    return np.bincount(highest.ravel(), minlength=len(alpha))


def scenario(theta: np.ndarray, bias: tuple[float, ...], traffic: float, part: float) -> rs.Scenario:
    """Return a world of items with these click rates at the top, that lasts until such a part of the traffic has come."""
    return rs.Scenario(
        name="open-bandit",
        days=DAYS * part + WEEK,
        slate=SLATE,
        population=rs.SyntheticUsers(users=USERS, topics=1),
        catalog=rs.SyntheticItems(items=len(theta), topics=1),
        visits=rs.Poisson(rate=traffic / LIFT / SLATE / USERS / DAYS),
        choice=rs.Given(theta=theta * LIFT, bias=bias),
        recommender=rs.Popularity(score="click_rate", prior=1.0),
        policy=rs.Thompson(),
        retrain=rs.Retrain(every=1.0),
    )


def weeks(world: rs.Scenario, seed: int, parts: list[float]) -> list[float]:
    """Return the Gini index of exposure over the week that follows each part of the traffic."""
    shown = rs.run(world, seed=seed, progress=False).items.groupby(["epoch", "item"])["impressions"].sum()
    table = shown.unstack("epoch", fill_value=0).reindex(range(world.catalog.items), fill_value=0)
    days = [np.arange(WEEK) + int(DAYS * part) for part in parts]
    return [gini(table.reindex(columns=day, fill_value=0).sum(axis=1)) for day in days]


if __name__ == "__main__":
    main()
