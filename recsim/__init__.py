"""recsim: a wind tunnel for recommender feeds.

Names are handed out when they are first asked for, so that `import recsim` is quick and changes nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see; the table below hands out the same names
    from recsim import metrics, plot
    from recsim.archive import Run
    from recsim.behaviour import AlwaysClick, Cascade, Choice, Given, Luce, Pace, Poisson, Regular
    from recsim.calibration import CalibratedItems, CalibratedUsers, calibrate
    from recsim.catalog import Catalog, Items, SyntheticItems
    from recsim.comparison import Comparison, compare
    from recsim.errors import RecsimError
    from recsim.expectation import expect
    from recsim.policies import (
        UCB,
        Calibrated,
        Diversify,
        EpsilonGreedy,
        Greedy,
        Policy,
        PopularityDiscount,
        Proportional,
        Slots,
        Softmax,
        Thompson,
    )
    from recsim.population import Population, SyntheticUsers, Users
    from recsim.recommenders import (
        ALS,
        BPR,
        Fitting,
        ItemKNN,
        LogisticMF,
        Model,
        Oracle,
        Popularity,
        Random,
        Recommender,
        Shares,
    )
    from recsim.running import run
    from recsim.scenario import Retrain, Scenario, schema
    from recsim.signals import AnchorReplay, EditorPicks, FriendShares, OrganicLift, Panel, Signal, Survey
    from recsim.simulation import World
    from recsim.training import (
        DepthWeights,
        InversePropensity,
        OriginWeights,
        Reservoir,
        Rule,
        SyntheticRows,
        TailWeights,
        Window,
        WrongLabels,
    )
    from recsim.tuning import dose_response
    from recsim.world import Clicks, Counts, Origin, Published, Ranking, Rows, Slate, Visits

_WHERE = {
    "recsim.archive": ["Run"],
    "recsim.behaviour": ["AlwaysClick", "Cascade", "Choice", "Given", "Luce", "Pace", "Poisson", "Regular"],
    "recsim.calibration": ["CalibratedItems", "CalibratedUsers", "calibrate"],
    "recsim.catalog": ["Catalog", "Items", "SyntheticItems"],
    "recsim.comparison": ["Comparison", "compare"],
    "recsim.errors": ["RecsimError"],
    "recsim.expectation": ["expect"],
    "recsim.policies": [
        "Calibrated", "Diversify", "EpsilonGreedy", "Greedy", "Policy", "PopularityDiscount", "Proportional", "Slots", "Softmax",
        "Thompson", "UCB",
    ],
    "recsim.population": ["Population", "SyntheticUsers", "Users"],
    "recsim.recommenders": [
        "ALS", "BPR", "Fitting", "ItemKNN", "LogisticMF", "Model", "Oracle", "Popularity", "Random", "Recommender", "Shares",
    ],
    "recsim.running": ["run"],
    "recsim.scenario": ["Retrain", "Scenario", "schema"],
    "recsim.signals": ["AnchorReplay", "EditorPicks", "FriendShares", "OrganicLift", "Panel", "Signal", "Survey"],
    "recsim.simulation": ["World"],
    "recsim.training": [
        "DepthWeights", "InversePropensity", "OriginWeights", "Reservoir", "Rule", "SyntheticRows", "TailWeights", "Window",
        "WrongLabels",
    ],
    "recsim.tuning": ["dose_response"],
    "recsim.world": ["Clicks", "Counts", "Origin", "Published", "Ranking", "Rows", "Slate", "Visits"],
}  # fmt: skip
_HOME = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "ALS",
    "BPR",
    "UCB",
    "AlwaysClick",
    "AnchorReplay",
    "Calibrated",
    "CalibratedItems",
    "CalibratedUsers",
    "Cascade",
    "Catalog",
    "Choice",
    "Clicks",
    "Comparison",
    "Counts",
    "DepthWeights",
    "Diversify",
    "EditorPicks",
    "EpsilonGreedy",
    "Fitting",
    "FriendShares",
    "Given",
    "Greedy",
    "InversePropensity",
    "ItemKNN",
    "Items",
    "LogisticMF",
    "Luce",
    "Model",
    "Oracle",
    "OrganicLift",
    "Origin",
    "OriginWeights",
    "Pace",
    "Panel",
    "Poisson",
    "Policy",
    "Popularity",
    "PopularityDiscount",
    "Population",
    "Proportional",
    "Published",
    "Random",
    "Ranking",
    "Recommender",
    "RecsimError",
    "Regular",
    "Reservoir",
    "Retrain",
    "Rows",
    "Rule",
    "Run",
    "Scenario",
    "Shares",
    "Signal",
    "Slate",
    "Slots",
    "Softmax",
    "Survey",
    "SyntheticItems",
    "SyntheticRows",
    "SyntheticUsers",
    "TailWeights",
    "Thompson",
    "Users",
    "Visits",
    "Window",
    "World",
    "WrongLabels",
    "calibrate",
    "compare",
    "dose_response",
    "expect",
    "metrics",
    "plot",
    "run",
    "schema",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in ("metrics", "plot"):
        return import_module(f"recsim.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("recsim-loop")
    raise AttributeError(f"module 'recsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
