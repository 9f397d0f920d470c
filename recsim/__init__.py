"""recsim: a wind tunnel for recommender feeds.

Names are handed out when they are first asked for, so that `import recsim` is quick and changes nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_WHERE = {
    "recsim.archive": ["Run"],
    "recsim.behaviour": ["AlwaysClick", "Cascade", "Given", "Luce", "Poisson", "Regular"],
    "recsim.calibration": ["CalibratedItems", "CalibratedUsers", "calibrate"],
    "recsim.catalog": ["Items", "SyntheticItems"],
    "recsim.errors": ["RecsimError"],
    "recsim.policies": ["EpsilonGreedy", "Greedy", "Policy", "Proportional"],
    "recsim.population": ["SyntheticUsers", "Users"],
    "recsim.recommenders": [
        "ALS", "BPR", "ItemKNN", "LogisticMF", "Oracle", "Popularity", "Random", "Recommender", "Shares",
    ],
    "recsim.scenario": ["Retrain", "Scenario"],
    "recsim.signals": ["OrganicLift", "Signal"],
    "recsim.running": ["run"],
    "recsim.simulation": ["World"],
    "recsim.training": ["OriginWeights", "Rule", "Window"],
    "recsim.world": ["Origin"],
}  # fmt: skip
_HOME = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [*sorted(_HOME), "metrics", "plot"]


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
