"""The worlds in which the engine is held against the scalar program: a small one, and what each of the others changes in it."""

from __future__ import annotations

from pathlib import Path

import recsim as rs

SMALL = rs.Scenario(
    name="small",
    days=20,
    slate=4,
    world_seed=3,
    population=rs.SyntheticUsers(users=12, topics=5, mainstream=2),
    catalog=rs.SyntheticItems(items=37, topics=5, mainstream=2),
    visits=rs.Poisson(rate=1.5, spread=0.7),
    choice=rs.Luce(outside=2.0),
    recommender=rs.Popularity(),
    retrain=rs.Retrain(every=4.0),
    log="impressions",
)
ALS = rs.ALS(factors=6, iterations=4)
WARM = rs.ALS(factors=6, iterations=4, warm=True, warm_iterations=2)
EPSILON = rs.EpsilonGreedy(epsilon=0.3)
MANY = {"choice": rs.Luce(outside=1.0, clicks=3, bias="log")}
AGAIN = {"consumption": "again", "consumed": "stay"}
LIFT = rs.OrganicLift(rate=0.3)
HUMAN = (rs.Window(last=2), rs.OriginWeights(organic=5.0))
CURIOUS = {"population": rs.SyntheticUsers(users=12, topics=5, mainstream=2, curiosity=0.2)}
FEW = {
    "days": 9.0,
    "population": rs.SyntheticUsers(users=8, topics=5, mainstream=2),
    "catalog": rs.SyntheticItems(items=9, topics=5, mainstream=2, appeal_spread=3.0),
    "visits": rs.Poisson(rate=4.0),
    "choice": rs.Luce(outside=0.3),
}
MIXED = {
    "population": rs.SyntheticUsers(users=12, topics=5, mainstream=2, curiosity=0.4),
    "policy": EPSILON,
    "retrain": rs.Retrain(every=2.0, latency=0.3),
}
WRONG = rs.WrongLabels(rate=0.3)
SHARES = rs.Shares(shares=(0.1, 0.7, 0.0, 3.3, 1.1, 0.2, 5.0, 0.3))
STEEP = rs.Shares(shares=(1e17, 1.0, 0.1, 1e-9, *[0.3] * 33))
THETA = tuple(tuple((7 * user + 3 * item) % 10 / 12 for item in range(37)) for user in range(12))
EDGES = tuple((user, (user + step) % 12) for user in range(12) for step in (1, 5))
PANEL, EDITORS = rs.Panel(rate=0.2), rs.EditorPicks(rate=0.5, picks=6)
FRIENDS = rs.FriendShares(rate=0.6, edges=EDGES)
SURVEY, ANCHOR = rs.Survey(rate=0.3, every=1.5), rs.AnchorReplay(rate=0.1, size=80)
PANEL_COUNT, EDITORS_COUNT = rs.Panel(count=9), rs.EditorPicks(count=20, picks=5, taste="even", position=1, every=3.0)
FRIENDS_COUNT = rs.FriendShares(count=7, edges=((0, 1), (1, 0), (3, 3), *EDGES), position=2, every=0.8)
SURVEY_COUNT, ANCHOR_ITEMS = rs.Survey(count=4), rs.AnchorReplay(count=6, each="item", every=2.5)
LATE = {"from_day": 3.2, "to_day": 13.7}
SHOPWINDOW = rs.EditorPicks(rate=1.0, picks=8, position=-1)
CROWD = {
    "population": rs.SyntheticUsers(users=170, topics=5, mainstream=2, curiosity=0.1),
    "days": 8.0,
    "retrain": rs.Retrain(every=2.0),
    "visits": rs.Poisson(rate=0.5),
}

# strong, so that in a few days all of them show
REINFORCED, RELAXED, TIRED = rs.Reinforcement(rate=0.2), rs.Relaxation(days=5.0), rs.Fatigue(gain=1.5, days=1.2)
EXPOSED, WITHERED = rs.Exposure(rate=0.1), rs.Withering(withers=0.3, recovers=0.1)
MOVING = {
    "dynamics": (REINFORCED, RELAXED, TIRED, EXPOSED, WITHERED), "days": 12.0, "retrain": rs.Retrain(every=3.0, latency=0.4),
    "policy": EPSILON, "population": rs.SyntheticUsers(users=12, topics=5, mainstream=2, curiosity=0.4),
}  # fmt: skip

LEAVING = rs.Leaving(patience=1, chance=0.7, forever=0.3, away=2.0)
BRIEF = {
    "days": 12.0, "retrain": rs.Retrain(every=3.0, latency=0.4), "policy": EPSILON, "visits": rs.Poisson(rate=2.0, spread=0.7),
}  # fmt: skip
COMING = {**BRIEF, "arrivals": rs.PoissonArrivals(rate=0.9)}
RELEASES = rs.Releases(items=1.4, every=0.7), rs.Releases(items=3.0, every=2.0, from_day=1.0, to_day=9.0)
GROWING = {**BRIEF, "creators": RELEASES[:1]}
NEWBORN = rs.Birth(name="newborn", day=3.3, share=0.6, weight=0.5, items=6)
BORN = {**BRIEF, "births": (NEWBORN,)}
PEOPLE = rs.HumanCreators(creators=5, rate=0.4, every=0.7)
CHASERS = rs.HumanCreators(creators=6, rate=0.5, every=0.9, chase=0.5, patience=1.5, focus=8.0, wrong=0.4)
MACHINES = rs.AICreators(items=1.6, every=1.1, share=0.2)
COPIERS = rs.AICreators(
    items=2.0, every=0.6, from_day=0.4, pool="last", share=1.0, refit=2, temperature=0.5, human=0.3, wrong=0.3,
)  # fmt: skip
MADE = {**BRIEF, "creators": (PEOPLE,)}
BOTH = {**BRIEF, "creators": (CHASERS, RELEASES[0], COPIERS, MACHINES)}
HASTY = {**BRIEF, "creators": (CHASERS.but(patience=0.3), RELEASES[0], COPIERS, MACHINES)}  # items missing from early on
SHARED = rs.FriendShares(rate=0.7, every=0.6)
FILE = rs.EdgeList(file=str(Path(__file__).parent / "oracle" / "friends.csv"), one="user", other="friend")
RULES = (
    rs.Window(last=2), WRONG, rs.Reservoir(rows=3), rs.SyntheticRows(share=0.2, best=5), rs.DepthWeights(decay=0.2),
    rs.TailWeights(exponent=0.3), rs.InversePropensity(clip=5.0), rs.OriginWeights(organic=3.0, synthetic=0.4),
)  # fmt: skip
LIVING = {
    **MOVING, "dynamics": (*MOVING["dynamics"], LEAVING.but(patience=2)), "arrivals": rs.PoissonArrivals(rate=1.1),
    "lifetime": rs.WeibullLife(mean=9.0, shape=0.7), "births": (NEWBORN,), "creators": RELEASES, "signals": (SHARED,),
    "network": rs.SmallWorld(friends=4, rewired=0.3), "visits": rs.Poisson(rate=3.0, spread=0.7), "days": 14.0,
    "choice": rs.Luce(outside=1.0),
}  # fmt: skip

WORLDS = {
    "random": {"recommender": rs.Random()},
    "random, explored": {"recommender": rs.Random(), "policy": EPSILON},
    "popularity": {},
    "popularity, explored": {"policy": EPSILON},
    "popularity, stay": {"consumed": "stay", "policy": EPSILON, **MANY},
    "popularity, again but leave": {"consumption": "again", **CURIOUS},
    "click rate": {"recommender": rs.Popularity(score="click_rate")} | MANY,
    "click rate, prior and window": {
        "recommender": rs.Popularity(score="click_rate", prior=0.5), "policy": EPSILON, "training": HUMAN,
        "signals": (LIFT,), "choice": rs.Luce(outside=1.0, bias=0.7),
    },
    "als": {"recommender": ALS},
    "als, explored, many clicks": {"recommender": ALS, "policy": EPSILON, **MANY},
    "als, stay, again": {"recommender": rs.ALS(factors=5, iterations=3, alpha=4.0, regularization=0.1), **AGAIN, **MANY},
    "als, warm": {"recommender": WARM, "policy": EPSILON, **CURIOUS},
    "als, warm, late": {"recommender": WARM, "retrain": rs.Retrain(every=3.3, latency=1.7), "training": HUMAN, **CURIOUS},
    "als, sparse": {
        "recommender": ALS, "training": (rs.Window(last=1),), "retrain": rs.Retrain(every=0.5), "days": 9.0,
    },
    "als, warm, sparse": {
        "recommender": WARM, "training": (rs.Window(last=1),), "retrain": rs.Retrain(every=0.5), "days": 9.0,
    },
    "als, many items": {
        "recommender": ALS, "policy": EPSILON, "catalog": rs.SyntheticItems(items=300, topics=5), "visits": rs.Regular(),
    },
    "als, many users": {**CROWD, "recommender": ALS, "training": HUMAN},
    "popularity, many users": {**CROWD, "consumption": "again"},
    "oracle": {"recommender": rs.Oracle(), "policy": EPSILON},
    "proportional": {"policy": rs.Proportional(exponent=1.0), "recommender": rs.Popularity(prior=1.0)},
    "proportional, no prior": {"policy": rs.Proportional(exponent=1.5), "start": rs.Popularity(prior=1.0)},
    "proportional, als": {"policy": rs.Proportional(exponent=0.5), "recommender": ALS, "training": HUMAN, **CURIOUS},
    "proportional, steep": {
        "days": 12.0,
        "policy": rs.Proportional(exponent=19.0), "recommender": rs.Popularity(score="click_rate", prior=0.3),
    },
    "shares": {"start": SHARES, "policy": EPSILON},
    "shares, greedy": {"start": SHARES, "recommender": SHARES, "consumed": "stay", **MANY},
    "shares, steep": {"days": 9.0, "start": STEEP, "recommender": STEEP, "policy": EPSILON},
    "shares, soon used up": {"days": 10.0, "start": SHARES, "recommender": SHARES, "policy": EPSILON, **MANY},
    "lift": {"signals": (LIFT,), "training": HUMAN},
    "lift, for some days": {
        "signals": (rs.OrganicLift(rate=0.3, from_day=4.25, to_day=17.5), rs.OrganicLift(rate=0.9, from_day=16.0)),
        "training": (rs.OriginWeights(organic=0.3, model=0.7, explore=0.0),), "policy": EPSILON, **MANY, **CURIOUS,
    },
    "almost exhausted": {**FEW, "signals": (LIFT,), "policy": EPSILON},
    "almost exhausted, random": {**FEW, "signals": (LIFT,), "recommender": rs.Random(), "policy": EPSILON},
    "almost exhausted, proportional": {
        **FEW, "signals": (LIFT,), "policy": rs.Proportional(), "recommender": rs.Popularity(prior=0.1),
    },
    "always click": {"visits": rs.Regular(period=0.7), "choice": rs.AlwaysClick(), "policy": EPSILON},
    "always click, stay": {"visits": rs.Regular(period=0.7), "choice": rs.AlwaysClick(), "consumed": "stay"},
    "given": {"choice": rs.Given(theta=THETA, bias=(1.0, 0.5, 0.25, 0.125)), "policy": EPSILON},
    "given, a number": {"choice": rs.Given(theta=0.4, bias="log"), **AGAIN},
    "cascade": {"choice": rs.Cascade(outside=2.0, satisfied=0.4, bias="log"), "policy": EPSILON},
    "cascade, stay": {"choice": rs.Cascade(outside=0.5, bias=1.3), "consumed": "stay"},
    "depth": {**MIXED, "training": (rs.DepthWeights(decay=0.3),)},
    "depth, deepest": {**MIXED, "recommender": ALS, "training": (WRONG, rs.DepthWeights(decay=0.0, deepest=1.7))},
    "inverse propensity": {**MIXED, "training": (rs.InversePropensity(clip=6.0),)},
    "inverse propensity, random": {
        **MIXED, "recommender": rs.Popularity(prior=0.3), "policy": rs.Proportional(), "training": (rs.InversePropensity(),),
    },
    "tail": {**MIXED, "recommender": ALS, "training": (rs.OriginWeights(organic=2.5), rs.TailWeights(exponent=0.7))},
    "reservoir": {**MIXED, "training": (rs.Window(last=1), rs.Reservoir(rows=2))},
    "reservoir, mistaken, weighed": {
        **MIXED, "recommender": ALS,
        "training": (
            WRONG, rs.OriginWeights(organic=0.0), rs.Reservoir(rows=1), rs.OriginWeights(organic=0.7), rs.Window(last=2),
        ),
    },
    "made up": {**MIXED, "training": (rs.SyntheticRows(share=0.4),)},
    "made up, more and more": {
        **MIXED, "training": (rs.OriginWeights(organic=0.6), rs.SyntheticRows(share=0.1, growth=0.3, most=0.8, best=3)),
    },
    "made up, als": {**MIXED, "recommender": ALS, "training": (rs.SyntheticRows(share=0.5),), "start": SHARES, "days": 12.0},
    "made up, by chance": {
        **MIXED, "recommender": SHARES, "policy": rs.Proportional(exponent=0.9), "start": SHARES, "days": 8.0,
        "training": (rs.Window(last=1), rs.SyntheticRows(share=0.5, best=20)),
    },
    "mistaken": {**MIXED, "training": (WRONG, rs.OriginWeights(model=0.2))},
    "all rules": {**MIXED, "training": RULES},
    "all rules, the other way round": {
        **MIXED, "recommender": ALS, "training": (
            rs.OriginWeights(organic=3.0, synthetic=0.4), rs.InversePropensity(clip=5.0), rs.TailWeights(exponent=0.3),
            rs.DepthWeights(decay=0.2), rs.SyntheticRows(share=0.2, best=5), rs.Reservoir(rows=3), WRONG, rs.Window(last=2),
        ),
    },
    "open loop": {**MIXED, "open_loop": True},
    "open loop, many clicks": {**MIXED, "open_loop": True, "recommender": ALS, "training": HUMAN, **MANY},
    "open loop, again": {**MIXED, "open_loop": True, **AGAIN, **MANY, "training": (rs.Window(last=1), rs.Reservoir(rows=1))},
    "almost exhausted, open loop": {**FEW, "open_loop": True, "signals": (LIFT,)},
    "lift, counted": {"signals": (rs.OrganicLift(count=11),), **CURIOUS},
    "lifts of both sorts": {
        "signals": (rs.OrganicLift(count=5, every=1.3, **LATE), LIFT, rs.OrganicLift(count=8)), "policy": EPSILON,
    },
    "lifts and a panel, counted": {
        "signals": (PANEL_COUNT, rs.OrganicLift(count=9), rs.OrganicLift(count=7, every=3.0), EDITORS_COUNT), **CURIOUS,
    },
    "a counted lift that ends, and a panel": {"signals": (PANEL_COUNT, rs.OrganicLift(count=20, to_day=13.0))},
    "panel": {"signals": (PANEL,), **MANY},
    "panel, counted, for some days": {"signals": (PANEL_COUNT.but(every=2.0, **LATE),), "recommender": ALS, **CURIOUS},
    "panels, random": {"signals": (PANEL, PANEL_COUNT), "recommender": SHARES, "start": SHARES, "policy": EPSILON},
    "editors": {"signals": (EDITORS,), "policy": EPSILON},
    "editors, counted, stay": {"signals": (EDITORS_COUNT,), **AGAIN, **MANY},
    "editors with a taste": {
        "signals": (rs.EditorPicks(rate=0.9, picks=9, taste=(3.0, 0.0, 0.5) + (0.0,) * 30 + (1.0,) * 4, position=3, **LATE),),
    },
    "friends": {"signals": (FRIENDS,), **MANY},
    "friends, counted": {"signals": (FRIENDS_COUNT,), "policy": EPSILON, **CURIOUS, **AGAIN},
    "friends, for some days": {"signals": (FRIENDS.but(every=None, **LATE),), "recommender": rs.Random()},
    "friends of two sorts": {
        "signals": (FRIENDS.but(every=0.5), FRIENDS_COUNT.but(position=0), FRIENDS_COUNT.but(every=1.1)), **CURIOUS, **MANY,
    },
    "survey": {"signals": (SURVEY,), "recommender": ALS},
    "surveys, counted": {"signals": (SURVEY_COUNT, SURVEY.but(rate=1.0, **LATE)), "training": (rs.Window(last=1),), **AGAIN},
    "anchor": {"signals": (ANCHOR,), "start": rs.Popularity()},
    "anchor, late": {"signals": (ANCHOR.but(**LATE),), "start": rs.Popularity()},
    "anchor, every item": {"signals": (ANCHOR_ITEMS,), "start": ALS, "recommender": ALS},
    "anchor, warm": {"signals": (ANCHOR,), "start": WARM, "recommender": WARM},
    "anchors, given shares": {
        "signals": (ANCHOR, ANCHOR_ITEMS.but(**LATE), rs.AnchorReplay(count=9, size=30, shares=(2.0, 0.0) + (1.0,) * 35)),
        "start": rs.Popularity(), "policy": rs.Proportional(exponent=0.5), **AGAIN,
    },
    "told at one second": {
        "signals": (SURVEY.but(every=2.0), ANCHOR.but(every=2.0), SURVEY_COUNT.but(every=2.0), ANCHOR.but(every=2.0)),
        "visits": rs.Regular(period=0.05), "days": 5.0, "retrain": rs.Retrain(every=2.0), **AGAIN,
    },
    "panel and editors": {"signals": (PANEL, EDITORS), "policy": EPSILON, **MANY},
    "editors and panel": {"signals": (EDITORS, EDITORS_COUNT, PANEL), "policy": EPSILON, "consumed": "stay"},
    "editors and panel, drawn": {
        "signals": (EDITORS.but(position=2), PANEL_COUNT), "policy": rs.Proportional(), "recommender": rs.Popularity(prior=0.3),
    },
    "editors and friends": {"signals": (FRIENDS, EDITORS, rs.EditorPicks(rate=0.3, picks=30)), "recommender": ALS, **MANY},
    "all signals": {
        "signals": (rs.OrganicLift(count=6), EDITORS, FRIENDS, SURVEY, PANEL, ANCHOR, LIFT), "policy": EPSILON,
        "recommender": ALS, "start": rs.Popularity(), **CURIOUS, **MANY,
    },
    "all signals, counted": {
        "signals": (ANCHOR_ITEMS, PANEL_COUNT, SURVEY_COUNT, FRIENDS_COUNT, EDITORS_COUNT, rs.OrganicLift(count=9)),
        "retrain": rs.Retrain(every=2.5, latency=0.7), "training": (WRONG, rs.InversePropensity(), rs.Reservoir(rows=2)), **MANY,
    },
    "all signals, open loop": {"signals": (PANEL, FRIENDS, SURVEY, ANCHOR, EDITORS), "open_loop": True, "policy": EPSILON},
    "almost exhausted, all signals": {
        **FEW, "signals": (PANEL, LIFT, FRIENDS_COUNT.but(edges=((0, 1), (2, 3))), EDITORS, SURVEY),
    },
    "signals of no strength": {"signals": (PANEL.but(rate=0.0), rs.Survey(count=0), PANEL), "policy": EPSILON},
    "ucb": {"policy": rs.UCB()},
    "ucb, ties": {
        **FEW, "policy": rs.UCB(width=0.0), "choice": rs.Luce(outside=400.0), "retrain": rs.Retrain(every=1.0), **AGAIN,
        "signals": (LIFT, PANEL),
    },
    "ucb, wide, signals": {
        "policy": rs.UCB(width=3.0), "recommender": ALS, "training": HUMAN, "signals": (LIFT, PANEL, FRIENDS), **MANY,
    },
    "slots": {"policy": rs.Slots(pattern=("match", "fresh", "tail", "explore"))},
    "slots, repeated": {
        "policy": rs.Slots(pattern=("tail", "fresh", "match"), fresh_below=30.0), "recommender": ALS, **CURIOUS, **MANY,
    },
    "slots, random": {"policy": rs.Slots(), "recommender": SHARES, "start": SHARES, **AGAIN},
    "slots, editors, panel": {
        "policy": rs.Slots(pattern=("editor", "match", "editor")), "signals": (SHOPWINDOW, PANEL, EDITORS_COUNT), **MANY,
    },
    "almost exhausted, slots": {**FEW, "policy": rs.Slots(pattern=("explore", "tail", "fresh", "match")), "signals": (LIFT,)},
    "discount": {"policy": rs.PopularityDiscount(exponent=0.7)},
    "discount, als": {
        "policy": rs.PopularityDiscount(exponent=0.3, candidates=9), "recommender": ALS, "training": HUMAN, **CURIOUS,
    },
    "discount, few candidates": {
        "policy": rs.PopularityDiscount(exponent=2.0, candidates=3), "recommender": rs.Oracle(), "signals": (PANEL, EDITORS),
    },
    "discount, random": {"policy": rs.PopularityDiscount(), "recommender": SHARES, "start": rs.Random()},
    "diversify": {"policy": rs.Diversify()},
    "diversify, als": {
        "policy": rs.Diversify(diversity=0.7, candidates=9), "recommender": ALS, "signals": (PANEL, EDITORS), **MANY,
    },
    "diversify, random": {"policy": rs.Diversify(), "recommender": rs.Random(), "days": 9.0},
    "calibrated": {"policy": rs.Calibrated(), **CURIOUS},
    "calibrated, als": {
        "policy": rs.Calibrated(calibration=0.8, candidates=9), "recommender": ALS, "training": (rs.OriginWeights(organic=3.5),),
        "signals": (PANEL, EDITORS), **CURIOUS, **MANY,
    },
    "calibrated, all rules": {**MIXED, "policy": rs.Calibrated(), "training": RULES},
    "calibrated, anchor": {"policy": rs.Calibrated(), "start": ALS, "signals": (ANCHOR,)},
    "thompson": {"policy": rs.Thompson(), "days": 12.0},
    "thompson, few candidates": {
        "policy": rs.Thompson(candidates=6, prior_clicks=0.5, prior_misses=3.0), "recommender": ALS, "signals": (PANEL,),
        "days": 12.0, **MANY,
    },
    "thompson, random": {"policy": rs.Thompson(candidates=3), "recommender": SHARES, "days": 9.0},
    "almost exhausted, thompson": {**FEW, "policy": rs.Thompson(), "signals": (LIFT, EDITORS)},
    "neighbours": {"recommender": rs.ItemKNN(neighbours=5)},
    "neighbours, weighed": {
        "recommender": rs.ItemKNN(), "policy": EPSILON, "training": (rs.OriginWeights(organic=3.5),), **CURIOUS, **MANY,
    },
    "neighbours, bm25": {
        "recommender": rs.ItemKNN(similarity="bm25", neighbours=8), "policy": rs.Softmax(temperature=0.5), **AGAIN, **MANY,
    },
    "neighbours, sparse": {
        "recommender": rs.ItemKNN(), "start": rs.ItemKNN(), "signals": (ANCHOR,), "retrain": rs.Retrain(every=0.5), "days": 8.0,
        "training": (rs.Window(last=1),),
    },
    "softmax": {"policy": rs.Softmax(temperature=0.5)},
    "softmax, als": {"policy": rs.Softmax(temperature=1.0), "recommender": ALS, "training": HUMAN, **CURIOUS, **MANY},
    "softmax, few candidates": {
        "policy": rs.Softmax(candidates=3), "recommender": rs.Oracle(), "signals": (PANEL, EDITORS, FRIENDS), **MANY,
    },
    "softmax, cold": {"policy": rs.Softmax(temperature=1e-6), "recommender": rs.Popularity(score="click_rate"), **AGAIN},
    "softmax, random": {"policy": rs.Softmax(), "recommender": rs.Random()},
    "almost exhausted, softmax": {**FEW, "policy": rs.Softmax(temperature=2.0, candidates=5), "signals": (LIFT, PANEL)},
    "reinforcement": {**MOVING, "dynamics": (REINFORCED,), "recommender": ALS},
    "relaxation": {**MOVING, "dynamics": (RELAXED,)},
    "fatigue": {**MOVING, "dynamics": (TIRED,), **AGAIN},
    "exposure": {**MOVING, "dynamics": (EXPOSED,), **MANY},
    "withering": {**MOVING, "dynamics": (WITHERED,), "signals": (LIFT,)},
    "dynamics": {**MOVING},
    "dynamics, again, many clicks": {**MOVING, **AGAIN, **MANY, "recommender": ALS, "training": HUMAN},
    "dynamics, stay": {**MOVING, "consumed": "stay", "choice": rs.Cascade(outside=0.5, satisfied=0.4)},
    "dynamics, the other way round": {
        **MOVING, "dynamics": (WITHERED, EXPOSED, TIRED, RELAXED, EXPOSED, REINFORCED), **MANY, "consumption": "again",
    },
    "dynamics, some off": {
        **MOVING, "dynamics": (rs.Reinforcement(rate=0.0), RELAXED, rs.Fatigue(gain=0.0), rs.Withering(withers=0.0), EXPOSED),
    },
    "dynamics, oracle": {**MOVING, "recommender": rs.Oracle(), "start": rs.Oracle(), **AGAIN, "visits": rs.Regular(period=0.6)},
    "dynamics, clicks all the same": {**MOVING, "choice": rs.AlwaysClick(), "policy": rs.UCB(), **AGAIN},
    "dynamics, open loop": {**MOVING, "open_loop": True, "recommender": ALS, **MANY},
    "dynamics, open loop, again": {**MOVING, "open_loop": True, **AGAIN, **MANY, "signals": (SURVEY, FRIENDS)},
    "dynamics, surveys and anchors": {
        **MOVING, "signals": (SURVEY, ANCHOR, ANCHOR_ITEMS.but(**LATE), SURVEY_COUNT, ANCHOR.but(**LATE)),
        "start": rs.Popularity(),
    },
    "dynamics, counted": {
        **MOVING,
        "signals": (PANEL_COUNT.but(every=2.0), EDITORS_COUNT, rs.OrganicLift(count=7), rs.OrganicLift(count=5, every=1.7)),
    },
    "dynamics, all signals": {
        **MOVING, "signals": (rs.OrganicLift(count=6), EDITORS_COUNT, FRIENDS, SURVEY, PANEL_COUNT, ANCHOR, LIFT, PANEL),
        "recommender": ALS, "start": rs.Popularity(), **MANY,
    },
    "dynamics, almost exhausted": {
        **FEW, "dynamics": MOVING["dynamics"], "signals": (LIFT,), "open_loop": True, "retrain": rs.Retrain(every=2.0),
    },
    "leaving": {**MOVING, "dynamics": (LEAVING,)},
    "leaving, in the end": {
        **MOVING, "dynamics": (LEAVING.but(patience=3, chance=0.5), TIRED), "choice": rs.Luce(outside=8.0), "signals": (
            PANEL_COUNT.but(every=2.0), SURVEY, SURVEY_COUNT, FRIENDS, rs.OrganicLift(count=8),
        ),
    },
    "leaving, nothing to show": {
        **FEW, "dynamics": (LEAVING.but(chance=0.2, away=0.5),), "signals": (LIFT,), "choice": rs.Luce(outside=0.01),
        "days": 12.0,
    },
    "arrivals": COMING,
    "arrivals, als, many clicks": {**COMING, "recommender": ALS, **MANY},
    "arrivals, warm": {**COMING, "recommender": WARM, "days": 20.0, **MANY},
    "arrivals, neighbours": {**COMING, "recommender": rs.ItemKNN(neighbours=6), **MANY},
    "arrivals, oracle": {**COMING, "recommender": rs.Oracle(), "start": rs.Oracle(), "dynamics": MOVING["dynamics"]},
    "arrivals, for some days": {
        **COMING, "arrivals": rs.PoissonArrivals(rate=3.0, from_day=2.3, to_day=6.7), "visits": rs.Regular(period=0.6),
    },
    "arrivals, all signals": {
        **COMING, "start": rs.Popularity(), **MANY, "signals": (
            PANEL_COUNT, EDITORS, FRIENDS, SURVEY, SURVEY_COUNT, ANCHOR, ANCHOR_ITEMS, rs.OrganicLift(count=9),
        ),
    },
    "arrivals, all rules": {**COMING, "recommender": ALS, "training": RULES, "start": SHARES, **CURIOUS},
    "arrivals, all rules, by chance": {**COMING, "recommender": SHARES, "training": RULES, "start": SHARES},
    "lifetime, fixed": {**COMING, "lifetime": rs.FixedLife(mean=5.0)},
    "lifetime, exponential": {
        "lifetime": rs.ExponentialLife(mean=9.0), "signals": (PANEL_COUNT, SURVEY_COUNT, rs.OrganicLift(count=9)),
    },
    "lifetime, weibull": {**COMING, "lifetime": rs.WeibullLife(mean=8.0, shape=0.7), "signals": (SURVEY, ANCHOR)},
    "lifetime, two kinds": {**COMING, "lifetime": rs.HyperexponentialLife(mean=8.0), "signals": (SURVEY, FRIENDS)},
    "releases": GROWING,
    "releases, two streams, als": {
        **GROWING, "creators": RELEASES, "recommender": ALS, **MANY, "training": (rs.Window(last=2),), **AGAIN,
    },
    "releases, warm": {**GROWING, "recommender": WARM, "creators": (RELEASES[0].but(appeal=5.0),)},
    "releases, random": {**GROWING, "recommender": rs.Random()},
    "releases, shares": {**GROWING, "recommender": SHARES, "start": SHARES, **MANY},
    "releases, drawn": {**GROWING, "recommender": rs.Drawn(), "training": (rs.OriginWeights(organic=2.5),), **CURIOUS},
    "releases, oracle": {**GROWING, "recommender": rs.Oracle(), **MANY},
    "releases, proportional": {**GROWING, "policy": rs.Proportional(), "recommender": rs.Popularity(prior=0.4)},
    "releases, ucb": {**GROWING, "policy": rs.UCB()},
    "releases, slots": {**GROWING, "policy": rs.Slots(pattern=("match", "fresh", "tail", "explore"))},
    "releases, softmax": {**GROWING, "policy": rs.Softmax(temperature=1.0)},
    "releases, softmax, als": {**GROWING, "policy": rs.Softmax(temperature=1.0), "recommender": ALS},
    "releases, discount": {**GROWING, "policy": rs.PopularityDiscount()},
    "releases, diversify": {**GROWING, "policy": rs.Diversify(diversity=0.5), "recommender": ALS, **CURIOUS},
    "releases, calibrated": {**GROWING, "policy": rs.Calibrated(), **CURIOUS},
    "releases, thompson": {**GROWING, "policy": rs.Thompson()},
    "releases, thompson, few candidates": {**FEW, "policy": rs.Thompson(candidates=9), "signals": (LIFT,), "creators": RELEASES},
    "releases, quota": {
        **GROWING, "policy": rs.HumanQuota(share=0.7), "creators": (RELEASES[0].but(wrong=0.6),), "recommender": ALS, **MANY,
        **AGAIN,
    },
    "releases, quota, editors": {
        **GROWING, "policy": rs.HumanQuota(share=0.5, candidates=9), "creators": (RELEASES[1].but(wrong=0.8),),
        "signals": (EDITORS, PANEL), **AGAIN,
    },
    "releases, neighbours": {**GROWING, "recommender": rs.ItemKNN(neighbours=6), **MANY},
    "releases, exhausted": {**FEW, "creators": RELEASES, "signals": (LIFT, PANEL), "retrain": rs.Retrain(every=2.0, latency=1.5)},
    "releases, all signals": {
        **GROWING, "start": rs.Popularity(), "signals": (
            PANEL_COUNT, EDITORS, EDITORS_COUNT, FRIENDS, SURVEY, ANCHOR, ANCHOR_ITEMS.but(**LATE), ANCHOR.but(**LATE),
            rs.EditorPicks(rate=0.9, picks=9, taste=(3.0, 0.0, 0.5) + (0.0,) * 30 + (1.0,) * 4, position=3),
        ),
    },
    "releases, all rules": {**MIXED, "creators": RELEASES, "training": RULES},
    "people make": MADE,
    "people chase": {**MADE, "creators": (PEOPLE.but(chase=0.6),), **CURIOUS, **MANY},
    "people give up": {**MADE, "creators": (PEOPLE.but(patience=1.2),)},
    "people chase and give up, als": {**MADE, "creators": (CHASERS,), "recommender": ALS, **CURIOUS, **MANY},
    "machines imitate": {**BRIEF, "creators": (MACHINES,)},
    "machines imitate the last": {**BRIEF, "creators": (MACHINES.but(pool="last", share=0.5),), "recommender": ALS},
    "machines wait for something to imitate": {
        **BRIEF, "creators": (MACHINES.but(every=0.3, refit=3), PEOPLE), "catalog": rs.SyntheticItems(items=1, topics=5), **AGAIN,
    },
    "machines, few at a time": {**BRIEF, "creators": (COPIERS.but(items=0.6),), "policy": rs.Proportional(exponent=0.8), **AGAIN},
    "machines, fitted now and then": {**BRIEF, "creators": (MACHINES.but(refit=2, temperature=0.5, wrong=0.4),), **MANY},
    "machines and human work": {**BRIEF, "creators": (PEOPLE, MACHINES.but(human=0.5, wrong=0.3, to_day=8.5)), **CURIOUS},
    "machines, human work alone": {**BRIEF, "creators": (COPIERS.but(human=1.0, wrong=0.0), PEOPLE.but(wrong=1.0))},
    "people and machines": BOTH,
    "people and machines, als": {**BOTH, "recommender": ALS, "training": (rs.Window(last=2),), **MANY, **CURIOUS},
    "people and machines, many items": {
        **BOTH, "catalog": rs.SyntheticItems(items=90, topics=9, mainstream=2), "recommender": ALS,
        "population": rs.SyntheticUsers(users=12, topics=9, mainstream=2, curiosity=0.2), "days": 8.0,
    },
    "people and machines, quota": {**BOTH, "policy": rs.HumanQuota(share=0.7), "recommender": ALS, **MANY, **AGAIN},
    "people and machines, slots": {**HASTY, "policy": rs.Slots(pattern=("match", "fresh", "tail", "explore"))},
    "people and machines, softmax": {**BOTH, "policy": rs.Softmax(temperature=1.0)},
    "people and machines, thompson": {**HASTY, "policy": rs.Thompson(), "days": 8.0},
    "people and machines, ucb": {**BOTH, "policy": rs.UCB(), **MANY},
    "people and machines, random": {**BOTH, "recommender": rs.Random(), **MANY},
    "people and machines, drawn": {**BOTH, "recommender": rs.Drawn(), "training": (rs.OriginWeights(organic=2.5),), **CURIOUS},
    "people and machines, proportional": {**BOTH, "policy": rs.Proportional(), "recommender": rs.Popularity(prior=0.4)},
    "people and machines, neighbours": {**BOTH, "recommender": rs.ItemKNN(neighbours=6), **MANY},
    "people and machines, calibrated": {**BOTH, "policy": rs.Calibrated(), **CURIOUS},
    "people and machines, made up by chance": {
        **BOTH, "recommender": rs.Random(), "training": (rs.SyntheticRows(share=0.5, best=20),), "policy": rs.Proportional(),
    },
    "people and machines, all rules": {**BOTH, "training": RULES, **CURIOUS},
    "people and machines, all signals": {
        **BOTH, "start": rs.Popularity(), "signals": (
            PANEL_COUNT, EDITORS, EDITORS_COUNT, FRIENDS, SURVEY, ANCHOR, ANCHOR_ITEMS.but(**LATE), LIFT, PANEL,
        ),
    },
    "people and machines, ageing": {
        **BOTH, "catalog": rs.SyntheticItems(items=37, topics=5, mainstream=2, half_life=3.0), **AGAIN, **CURIOUS,
    },
    "people and machines, births": {
        **BOTH, "births": (NEWBORN, NEWBORN.but(name="first", day=0.0)), "recommender": ALS, "signals": (LIFT,), **MANY,
    },
    "people and machines, dynamics": {**MOVING, "creators": BOTH["creators"], "recommender": ALS},
    "people and machines, arrivals": {**COMING, "creators": BOTH["creators"], "recommender": rs.Oracle(), **MANY},
    "people and machines, open loop": {**BOTH, "open_loop": True, **MANY},
    "people and machines, almost exhausted": {**FEW, "creators": BOTH["creators"], "signals": (LIFT, PANEL), "policy": EPSILON},
    "ageing": {**GROWING, "catalog": rs.SyntheticItems(items=37, topics=5, mainstream=2, half_life=3.0), **AGAIN, **CURIOUS},
    "birth": BORN,
    "births": {
        **BORN, "births": (NEWBORN, NEWBORN.but(name="first", day=0.0), NEWBORN.but(name="third", items=2, weight=0.2)),
        "dynamics": MOVING["dynamics"], "recommender": ALS, "signals": (LIFT,), **MANY,
    },
    "birth of what is there from the first": {
        **BORN, "births": (NEWBORN.but(day=0.0, purity=1.0),), "signals": (ANCHOR, ANCHOR_ITEMS, LIFT), "start": rs.Oracle(),
    },
    "birth without items": {**BORN, "births": (NEWBORN.but(items=0),), "signals": (LIFT, SURVEY)},
    "birth, newcomers": {**BORN, **COMING, "signals": (LIFT,), "recommender": rs.Oracle()},
    "small world": {"network": rs.SmallWorld(friends=4, rewired=0.3), "signals": (SHARED,)},
    "preferential attachment": {"network": rs.PreferentialAttachment(friends=4), "signals": (SHARED.but(rate=None, count=6),)},
    "blocks": {"network": rs.Blocks(friends=3.5, homophily=0.7), "signals": (SHARED, FRIENDS)},
    "blocks, newcomers": {**COMING, "network": rs.Blocks(friends=5.0), "signals": (SHARED,), **MANY},
    "friends of a file, newcomers": {**COMING, "network": FILE, "signals": (SHARED,), **MANY},
    "living": LIVING,
    "living, als, many clicks": {**LIVING, "recommender": ALS, **MANY},
    "living, again": {**LIVING, **AGAIN, **MANY},
    "living, oracle": {**LIVING, "recommender": rs.Oracle(), "start": rs.Oracle(), "catalog": rs.SyntheticItems(
        items=37, topics=5, mainstream=2, half_life=6.0,
    )},
    "living, neighbours, calibrated": {**LIVING, "recommender": rs.ItemKNN(neighbours=6), "policy": rs.Calibrated()},
    "living, open loop": {**LIVING, "open_loop": True, "recommender": ALS},
    "living, all signals": {
        **LIVING, "start": rs.Popularity(), **MANY, "signals": (
            SHARED, rs.OrganicLift(count=6), EDITORS_COUNT, FRIENDS, SURVEY, PANEL_COUNT, ANCHOR, LIFT, PANEL,
        ),
    },
    "living, all rules": {**LIVING, "signals": (SHARED, SURVEY, ANCHOR), "training": RULES, "recommender": ALS},
    "living, people and machines": {
        **LIVING, "creators": BOTH["creators"], "recommender": ALS, "policy": rs.HumanQuota(share=0.6), **AGAIN,
        "catalog": rs.SyntheticItems(items=37, topics=5, mainstream=2, half_life=6.0),
    },
    "living, people and machines, all signals": {
        **LIVING, "creators": BOTH["creators"], "start": rs.Popularity(), **MANY, "signals": (
            SHARED, rs.OrganicLift(count=6), EDITORS_COUNT, FRIENDS, SURVEY, PANEL_COUNT, ANCHOR, LIFT, PANEL,
        ),
    },
}  # fmt: skip
