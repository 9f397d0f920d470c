"""The measures against RecTools and LensKit, on the same slates: `reference/make.py` made their numbers.

Inputs of the simulated log are kept; those of the real log are made anew of the copy in the user's cache, where there is one.
"""

from __future__ import annotations

import json
import math
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from recsim import metrics
from recsim.datasets import cache

HERE = Path(__file__).parent / "reference"
RATINGS = cache() / "movielens-100k" / "ratings.csv"
Tables = tuple[pd.DataFrame, ...]


@pytest.fixture(scope="module", params=["world", "log"])
def made(request: pytest.FixtureRequest) -> tuple[Tables, dict[str, dict[str, float]]]:
    """Return the inputs, and the figures of each package."""
    folder, make = HERE / f"movielens-{request.param}", runpy.run_path(str(HERE / "make.py"))
    if request.param == "log" and not RATINGS.is_file():
        pytest.skip("the log is not in the cache: recsim data movielens-100k")
    tables: Tables = make["tables"](folder) if request.param == "world" else make["of_log"](RATINGS)
    return tables, {name: json.loads((folder / f"{name}.json").read_text())["figures"] for name in ("rectools", "lenskit")}


def ours(tables: Tables, k: int) -> dict[str, float]:
    """Return our figures by the names of theirs."""
    slates, held, before, features = tables
    items = len(features)
    users = pd.Index(sorted({*slates["user"], *held["user"], *before["user"]}))
    lists = np.full((len(users), k), -1)
    top = slates[slates["rank"] <= k]
    lists[users.get_indexer(top["user"]), top["rank"] - 1] = top["item"]
    truth = users.get_indexer(held["user"]), held["item"].to_numpy()
    counts = np.bincount(top["item"], minlength=items)
    known = np.bincount(before["item"], minlength=items)
    flags = features[["a", "b", "c"]].to_numpy()
    hamming = (flags[:, None] != flags[None]).sum(axis=2)
    figures = {
        "recall": metrics.recall(lists, *truth),
        "precision": metrics.precision(lists, *truth),
        "hit_rate": metrics.hit_rate(lists, *truth),
        "ndcg": metrics.ndcg(lists, *truth),
        "reciprocal_rank": metrics.reciprocal_rank(lists, *truth),
        "novelty": metrics.novelty(counts, known, before["user"].nunique()),
        "coverage": metrics.coverage(counts),
        "gini": metrics.gini(counts),
        "list_gini": metrics.gini(counts),
        "intra_list_diversity": metrics.intra_list_diversity(lists[(lists >= 0).any(axis=1)], distance=hamming),
        "serendipity": metrics.serendipity(lists, *truth, popularity=known),
    }
    return {f"{name}@{k}": value for name, value in figures.items()}


@pytest.mark.parametrize("k", [5, 10])
@pytest.mark.parametrize("package", ["rectools", "lenskit"])
def test_what_is_defined_alike_is_equal(made: tuple[Tables, Any], package: str, k: int) -> None:
    """All that a package defines as we do is the same number, to 1e-9."""
    tables, theirs = made
    figures = ours(tables, k)
    shared = set(figures) & set(theirs[package])
    assert len(shared) == {"rectools": 9, "lenskit": 7}[package]
    for name in shared:
        assert figures[name] == pytest.approx(theirs[package][name], abs=1e-9), name


def test_what_is_defined_otherwise_differs(made: tuple[Tables, Any]) -> None:
    """Where the documentation says that a definition is another one, so is the number."""
    tables, theirs = made
    figures = ours(tables, 10)
    for package, name, other in [
        ("rectools", "ndcg", "ndcg_of_full_lists"),
        ("rectools", "serendipity", "serendipity_of_all_users"),
        ("lenskit", "recall", "recall_of_reachable"),
        ("lenskit", "ndcg", "ndcg_of_clipped_ranks"),
    ]:
        assert not math.isclose(figures[f"{name}@10"], theirs[package][f"{other}@10"], rel_tol=1e-3), other


def test_inputs_are_small_and_nobodys_ratings() -> None:
    """What is kept is under 200 kB, and of the real log nothing but numbers."""
    kept = [path for path in HERE.rglob("*") if path.suffix in (".csv", ".json")]
    assert sum(path.stat().st_size for path in kept) < 200_000
    assert {path.name for path in (HERE / "movielens-log").iterdir()} == {"rectools.json", "lenskit.json"}


def test_serendipity_as_documented_elsewhere() -> None:
    """The worked example in the documentation of RecTools' Serendipity, for those users to whom something was held out."""
    popularity: npt.NDArray[np.int64] = np.array([3, 2, 0, 0])
    lists = np.array([[0, 1], [1, 2], [2, -1], [1, 2]])
    held = [0, 0, 1, 1, 2, 3], [0, 1, 1, 2, 1, 1]
    by_user = [metrics.serendipity(lists[[u]], [0] * held[0].count(u), [i for v, i in zip(*held, strict=True) if v == u],
                                   popularity) for u in range(4)]  # fmt: skip
    assert by_user == [0, 0.5, 0, 0.125]
