"""Make the reference numbers of other packages, and the small inputs from which they and we work them out.

    python make.py inputs   FOLDER [LOG]     with recsim: draws the slates, and what was held out, of a simulated log
    python make.py rectools FOLDER           with RecTools alone, in an environment of its own
    python make.py lenskit  FOLDER           with LensKit alone, in another

FOLDER then holds slates.csv (user, rank, item), held.csv and before.csv (user, item), features.csv (item, three flags),
and rectools.json and lenskit.json. `movielens-world` beside this file is made of the people and films fitted to
MovieLens 100K, living under scenarios/movielens.toml: nobody's ratings are in it. With LOG, a ratings.csv as `recsim data`
writes it, the inputs are those of the log itself, which its terms forbid to hand on: choose a folder that is not kept;
the numbers are in movielens-log.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

DEPTHS = (5, 10)
USERS, WHEN = 250, 4  # people whose slates are kept, and the epoch of the slates


def inputs(folder: Path, log: str | None = None) -> None:
    """Write the inputs: of the simulated log, or of a real one."""
    folder.mkdir(parents=True, exist_ok=True)
    slates, held, before, features = of_log(Path(log)) if log else of_world()
    slates.to_csv(folder / "slates.csv", index=False)
    held.to_csv(folder / "held.csv", index=False)
    before.to_csv(folder / "before.csv", index=False)
    features.to_csv(folder / "features.csv", index=False)


def of_world() -> tuple[pd.DataFrame, ...]:
    """Return the last slate that each of some people saw in one epoch, what they clicked later and had clicked before."""
    import recsim as rs

    home = Path(__file__).parents[2] / "scenarios"
    scenario = rs.Scenario.load(home / "movielens.toml").but(days=84, log="impressions")
    run = rs.run(scenario, seed=1, progress=False)
    world = rs.World(scenario, seed=1)
    shown, clicks = run.impressions, run.clicks
    shown = shown[(shown["epoch"] == WHEN) & (shown["position"] >= 0)]
    last = shown[shown["visit"] == shown.groupby("user")["visit"].transform("max")]
    slates = last.assign(rank=last["position"] + 1)[["user", "rank", "item"]].sort_values(["user", "rank"])
    chosen = slates["user"].unique()[:USERS]
    slates, clicks = slates[slates["user"].isin(chosen)], clicks[clicks["user"].isin(chosen)][["epoch", "user", "item"]]
    held, before = (clicks[part][["user", "item"]].drop_duplicates() for part in (clicks["epoch"] > WHEN, clicks["epoch"] < WHEN))
    flags = (world.items.topics[:, :3] > 0.1).astype(int)
    return slates, held, before, featured(flags)


def of_log(path: Path) -> tuple[pd.DataFrame, ...]:
    """Return slates of the films most rated before, less those she had rated; held out is the last fifth in time."""
    log = pd.read_csv(path).sort_values(["time", "user", "item"], kind="stable")
    log["user"], log["item"] = pd.factorize(log["user"], sort=True)[0], pd.factorize(log["item"], sort=True)[0]
    cut = int(0.8 * len(log))
    before, held = log[:cut][["user", "item"]], log[cut:][["user", "item"]]
    counts = before["item"].value_counts()
    popular = counts.sort_index().sort_values(ascending=False, kind="stable").index
    had = before.groupby("user")["item"].agg(set)
    rows = []
    for user in range(log["user"].max() + 1):
        new = [item for item in popular if item not in had.get(user, set())][user % 3 :: 2][:10]
        rows += [(user, rank + 1, item) for rank, item in enumerate(new)]
    items = np.arange(log["item"].max() + 1)
    flags = np.column_stack([items % 2, items // 2 % 2, items // 4 % 2])
    return pd.DataFrame(rows, columns=["user", "rank", "item"]), held, before, featured(flags)


def featured(flags: np.ndarray) -> pd.DataFrame:
    """Return three flags of each item, by which two items can be told apart."""
    return pd.DataFrame(flags, columns=["a", "b", "c"]).rename_axis("item").reset_index()


def tables(folder: Path) -> tuple[pd.DataFrame, ...]:
    """Return slates, held-out, earlier interactions and features."""
    return tuple(pd.read_csv(folder / f"{name}.csv") for name in ("slates", "held", "before", "features"))


def rectools(folder: Path) -> dict[str, float]:
    """Return RecTools' figures."""
    from rectools import metrics
    from rectools.metrics.distances import PairwiseHammingDistanceCalculator

    slates, held, before, features = (
        table.rename(columns={"user": "user_id", "item": "item_id"}) for table in tables(folder)
    )
    catalog = features["item_id"].to_numpy()
    apart = PairwiseHammingDistanceCalculator(features.set_index("item_id"))
    figures = {}
    for k in DEPTHS:
        asked = {
            f"recall@{k}": metrics.Recall(k),
            f"precision@{k}": metrics.Precision(k),
            f"hit_rate@{k}": metrics.HitRate(k),
            f"ndcg@{k}": metrics.NDCG(k, divide_by_achievable=True),
            f"ndcg_of_full_lists@{k}": metrics.NDCG(k),
            f"reciprocal_rank@{k}": metrics.MRR(k),
            f"novelty@{k}": metrics.MeanInvUserFreq(k),
            f"coverage@{k}": metrics.CatalogCoverage(k, normalize=True),
            f"intra_list_diversity@{k}": metrics.IntraListDiversity(k, apart),
            f"serendipity@{k}": metrics.Serendipity(k),
        }
        wanted = slates["user_id"].isin(held["user_id"])
        own = {name: metric for name, metric in asked.items() if not name.startswith("serendipity")}
        figures |= metrics.calc_metrics(own, slates, held, before, catalog)
        # its mean runs over users with a list, ours over users with something held out
        rest = {f"serendipity@{k}": asked[f"serendipity@{k}"]}
        figures |= metrics.calc_metrics(rest, slates[wanted], held, before, catalog)
        figures |= {f"serendipity_of_all_users@{k}": asked[f"serendipity@{k}"].calc(slates, held, before, catalog)}
    return {name: float(value) for name, value in figures.items()}


def lenskit(folder: Path) -> dict[str, float]:
    """Return LensKit's figures."""
    from lenskit.data import ItemList
    from lenskit.metrics import NDCG, Hit, ListGini, LogRankWeight, Precision, Recall, RecipRank
    from lenskit.stats import gini

    slates, held, _, features = tables(folder)
    lists = slates.groupby("user")["item"].agg(list)
    truth = held.groupby("user")["item"].agg(list)
    users = [user for user in lists.index if user in truth.index]
    figures = {}
    for k in DEPTHS:
        pairs = [(ItemList(lists[user][:k], ordered=True), ItemList(truth[user])) for user in users]
        asked = {
            f"recall@{k}": Recall(),  # without n, so that the divisor is all that was held out
            f"recall_of_reachable@{k}": Recall(k),
            f"precision@{k}": Precision(k),
            f"hit_rate@{k}": Hit(k),
            f"ndcg@{k}": NDCG(k, weight=LogRankWeight(offset=1)),  # log2(r + 1)
            f"ndcg_of_clipped_ranks@{k}": NDCG(k),  # log2(max(r, 2))
            f"reciprocal_rank@{k}": RecipRank(k),
        }
        for name, metric in asked.items():
            figures[name] = float(np.mean([metric.measure_list(*pair) for pair in pairs]))
        top = slates[slates["rank"] <= k]["item"]
        figures[f"gini@{k}"] = float(gini(np.bincount(top, minlength=len(features))))
        counted = ListGini(k, items=len(features))
        every = [counted.compute_list_data(ItemList(row[:k], ordered=True), None) for row in lists]
        figures[f"list_gini@{k}"] = float(counted.global_aggregate(every))
    return figures


def main(what: str, folder: str, log: str | None = None) -> None:
    """Make one of the three."""
    if what == "inputs":
        inputs(Path(folder), log)
        return
    figures = {"rectools": rectools, "lenskit": lenskit}[what](Path(folder))
    text = json.dumps({"package": what, "version": version(what), "figures": figures}, indent=1) + "\n"
    (Path(folder) / f"{what}.json").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
