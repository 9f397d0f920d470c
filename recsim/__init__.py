"""recsim: a wind tunnel for recommender feeds.

Names are handed out when they are first asked for, so that `import recsim` is quick and changes nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see; the table below hands out the same names
    from recsim import benchmark, metrics, offpolicy, plot, polarisation, survival, variety
    from recsim.abtest import ABTest, ab_test
    from recsim.answers import Answer, answer_study
    from recsim.archive import Run
    from recsim.attribution import Attribution, attribute
    from recsim.behaviour import AlwaysClick, Cascade, Choice, Given, Luce, Pace, Poisson, Regular
    from recsim.births import Birth
    from recsim.calibration import CalibratedItems, CalibratedUsers, calibrate
    from recsim.catalog import Catalog, Items, SyntheticItems
    from recsim.clickmodels import ClickFit, fit_clicks
    from recsim.clickworlds import calibrate_clicks
    from recsim.comparison import Comparison, compare
    from recsim.contrasts import Effects, effects, interactions, seeds_needed
    from recsim.creators import AICreators, Creators, HumanCreators, Releases
    from recsim.designs import Design, Factor, Grid, LatinHypercube, Listed, OneAtATime, Sobol
    from recsim.dynamics import Dynamics, Exposure, Fatigue, Leaving, Reinforcement, Relaxation, Withering
    from recsim.errors import RecsimError
    from recsim.expectation import expect
    from recsim.fronts import Cheapest, Front, cheapest, front
    from recsim.impressions import Impressions, read_impressions
    from recsim.keeping import Keep
    from recsim.models import Model
    from recsim.network import Blocks, EdgeList, Friends, Network, PreferentialAttachment, SmallWorld
    from recsim.policies import (
        UCB,
        Calibrated,
        Diversify,
        EpsilonGreedy,
        Greedy,
        HumanQuota,
        Policy,
        PopularityDiscount,
        Proportional,
        Softmax,
        Thompson,
    )
    from recsim.population import Population, SyntheticUsers, Users
    from recsim.presence import (
        Arrivals,
        ExponentialLife,
        FixedLife,
        HyperexponentialLife,
        Lifetime,
        PoissonArrivals,
        WeibullLife,
    )
    from recsim.recommenders import (
        ALS,
        BPR,
        Drawn,
        Fitting,
        ItemKNN,
        LogisticMF,
        Oracle,
        Popularity,
        Random,
        Recommender,
        Shares,
    )
    from recsim.recovery import Recovery, recover
    from recsim.replays import LogReplay
    from recsim.reports import report
    from recsim.resampling import bootstrapped, recalibrated
    from recsim.robustness import Robustness, assumed, survives
    from recsim.running import run
    from recsim.scenario import Retrain, Scenario, schema
    from recsim.searching import Search, search
    from recsim.signals import AnchorReplay, EditorPicks, FriendShares, OrganicLift, Panel, Signal, Survey
    from recsim.simulation import World
    from recsim.slots import Slots
    from recsim.studies import Study, StudyResult, open_study, run_study
    from recsim.surfaces import Indices, Surface, sobol, surface
    from recsim.tipping import Tipping, tipping_point
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
    from recsim.world import Clicks, Counts, Origin, Published, Ranking, Rows, Seen, Slate, Visits

_WHERE = {
    "recsim.abtest": ["ABTest", "ab_test"],
    "recsim.answers": ["Answer", "answer_study"],
    "recsim.archive": ["Run"],
    "recsim.attribution": ["Attribution", "attribute"],
    "recsim.behaviour": ["AlwaysClick", "Cascade", "Choice", "Given", "Luce", "Pace", "Poisson", "Regular"],
    "recsim.births": ["Birth"],
    "recsim.calibration": ["CalibratedItems", "CalibratedUsers", "calibrate"],
    "recsim.catalog": ["Catalog", "Items", "SyntheticItems"],
    "recsim.clickmodels": ["ClickFit", "fit_clicks"],
    "recsim.clickworlds": ["calibrate_clicks"],
    "recsim.comparison": ["Comparison", "compare"],
    "recsim.contrasts": ["Effects", "effects", "interactions", "seeds_needed"],
    "recsim.creators": ["AICreators", "Creators", "HumanCreators", "Releases"],
    "recsim.designs": ["Design", "Factor", "Grid", "LatinHypercube", "Listed", "OneAtATime", "Sobol"],
    "recsim.dynamics": ["Dynamics", "Exposure", "Fatigue", "Leaving", "Reinforcement", "Relaxation", "Withering"],
    "recsim.errors": ["RecsimError"],
    "recsim.expectation": ["expect"],
    "recsim.fronts": ["Cheapest", "Front", "cheapest", "front"],
    "recsim.impressions": ["Impressions", "read_impressions"],
    "recsim.keeping": ["Keep"],
    "recsim.models": ["Model"],
    "recsim.network": ["Blocks", "EdgeList", "Friends", "Network", "PreferentialAttachment", "SmallWorld"],
    "recsim.policies": [
        "Calibrated", "Diversify", "EpsilonGreedy", "Greedy", "HumanQuota", "Policy", "PopularityDiscount", "Proportional",
        "Softmax", "Thompson", "UCB",
    ],
    "recsim.population": ["Population", "SyntheticUsers", "Users"],
    "recsim.presence": [
        "Arrivals", "ExponentialLife", "FixedLife", "HyperexponentialLife", "Lifetime", "PoissonArrivals", "WeibullLife",
    ],
    "recsim.recommenders": [
        "ALS", "BPR", "Drawn", "Fitting", "ItemKNN", "LogisticMF", "Oracle", "Popularity", "Random", "Recommender",
        "Shares",
    ],
    "recsim.recovery": ["Recovery", "recover"],
    "recsim.replays": ["LogReplay"],
    "recsim.reports": ["report"],
    "recsim.resampling": ["bootstrapped", "recalibrated"],
    "recsim.robustness": ["Robustness", "assumed", "survives"],
    "recsim.running": ["run"],
    "recsim.scenario": ["Retrain", "Scenario", "schema"],
    "recsim.searching": ["Search", "search"],
    "recsim.signals": ["AnchorReplay", "EditorPicks", "FriendShares", "OrganicLift", "Panel", "Signal", "Survey"],
    "recsim.simulation": ["World"],
    "recsim.slots": ["Slots"],
    "recsim.studies": ["Study", "StudyResult", "open_study", "run_study"],
    "recsim.surfaces": ["Indices", "Surface", "sobol", "surface"],
    "recsim.tipping": ["Tipping", "tipping_point"],
    "recsim.training": [
        "DepthWeights", "InversePropensity", "OriginWeights", "Reservoir", "Rule", "SyntheticRows", "TailWeights", "Window",
        "WrongLabels",
    ],
    "recsim.tuning": ["dose_response"],
    "recsim.world": ["Clicks", "Counts", "Origin", "Published", "Ranking", "Rows", "Seen", "Slate", "Visits"],
}  # fmt: skip
_MODULES = "benchmark", "metrics", "offpolicy", "plot", "polarisation", "survival", "variety"
_HOME = {name: module for module, names in _WHERE.items() for name in names}

__all__ = [
    "ALS",
    "BPR",
    "UCB",
    "ABTest",
    "AICreators",
    "AlwaysClick",
    "AnchorReplay",
    "Answer",
    "Arrivals",
    "Attribution",
    "Birth",
    "Blocks",
    "Calibrated",
    "CalibratedItems",
    "CalibratedUsers",
    "Cascade",
    "Catalog",
    "Cheapest",
    "Choice",
    "ClickFit",
    "Clicks",
    "Comparison",
    "Counts",
    "Creators",
    "DepthWeights",
    "Design",
    "Diversify",
    "Drawn",
    "Dynamics",
    "EdgeList",
    "EditorPicks",
    "Effects",
    "EpsilonGreedy",
    "ExponentialLife",
    "Exposure",
    "Factor",
    "Fatigue",
    "Fitting",
    "FixedLife",
    "FriendShares",
    "Friends",
    "Front",
    "Given",
    "Greedy",
    "Grid",
    "HumanCreators",
    "HumanQuota",
    "HyperexponentialLife",
    "Impressions",
    "Indices",
    "InversePropensity",
    "ItemKNN",
    "Items",
    "Keep",
    "LatinHypercube",
    "Leaving",
    "Lifetime",
    "Listed",
    "LogReplay",
    "LogisticMF",
    "Luce",
    "Model",
    "Network",
    "OneAtATime",
    "Oracle",
    "OrganicLift",
    "Origin",
    "OriginWeights",
    "Pace",
    "Panel",
    "Poisson",
    "PoissonArrivals",
    "Policy",
    "Popularity",
    "PopularityDiscount",
    "Population",
    "PreferentialAttachment",
    "Proportional",
    "Published",
    "Random",
    "Ranking",
    "Recommender",
    "Recovery",
    "RecsimError",
    "Regular",
    "Reinforcement",
    "Relaxation",
    "Releases",
    "Reservoir",
    "Retrain",
    "Robustness",
    "Rows",
    "Rule",
    "Run",
    "Scenario",
    "Search",
    "Seen",
    "Shares",
    "Signal",
    "Slate",
    "Slots",
    "SmallWorld",
    "Sobol",
    "Softmax",
    "Study",
    "StudyResult",
    "Surface",
    "Survey",
    "SyntheticItems",
    "SyntheticRows",
    "SyntheticUsers",
    "TailWeights",
    "Thompson",
    "Tipping",
    "Users",
    "Visits",
    "WeibullLife",
    "Window",
    "Withering",
    "World",
    "WrongLabels",
    "ab_test",
    "answer_study",
    "assumed",
    "attribute",
    "benchmark",
    "bootstrapped",
    "calibrate",
    "calibrate_clicks",
    "cheapest",
    "compare",
    "dose_response",
    "effects",
    "expect",
    "fit_clicks",
    "front",
    "interactions",
    "metrics",
    "offpolicy",
    "open_study",
    "plot",
    "polarisation",
    "read_impressions",
    "recalibrated",
    "recover",
    "report",
    "run",
    "run_study",
    "schema",
    "search",
    "seeds_needed",
    "sobol",
    "surface",
    "survival",
    "survives",
    "tipping_point",
    "variety",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _MODULES:
        return import_module(f"recsim.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("recsim-loop")
    raise AttributeError(f"module 'recsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
