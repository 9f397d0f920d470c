"""Small worlds that tests share."""

from __future__ import annotations

import pytest

import recsim as rs


@pytest.fixture(scope="session")
def small() -> rs.Scenario:
    """120 people, 80 items, four epochs with latency: every part of the engine is at work, in a fraction of a second."""
    return rs.Scenario(
        name="small",
        days=13.3,
        slate=5,
        population=rs.SyntheticUsers(users=120, topics=6, curiosity=0.1),
        catalog=rs.SyntheticItems(items=80, topics=6),
        visits=rs.Poisson(rate=1.5, spread=0.8),
        choice=rs.Luce(outside=4.0, clicks=2),
        recommender=rs.ALS(factors=8, iterations=3),
        policy=rs.EpsilonGreedy(epsilon=0.1),
        retrain=rs.Retrain(every=3.0, latency=0.4),
        signals=(rs.OrganicLift(rate=0.2, from_day=5.0),),
        log="impressions",
    )


EVERY_RECOMMENDER = {
    "random": rs.Random(),
    "shares": rs.Shares(shares=[1.0, 2.0, 3.0] * 25),
    "count": rs.Popularity(prior=1.0),
    "click rate": rs.Popularity(score="click_rate", prior=1.0),
    "cosine": rs.ItemKNN(neighbours=10),
    "bm25": rs.ItemKNN(neighbours=10, similarity="bm25"),
    "als": rs.ALS(factors=8, iterations=3),
    "als warm": rs.ALS(factors=8, iterations=3, warm=True, warm_iterations=1),
    "bpr": rs.BPR(factors=8, iterations=5),
    "logistic": rs.LogisticMF(factors=8, iterations=3),
    "oracle": rs.Oracle(),
}
EVERY_POLICY = {
    "greedy": rs.Greedy(),
    "epsilon": rs.EpsilonGreedy(epsilon=0.3),
    "proportional": rs.Proportional(exponent=0.8),
    "softmax": rs.Softmax(temperature=0.5, candidates=20),
    "thompson": rs.Thompson(),
    "ucb": rs.UCB(width=0.5),
    "diversify": rs.Diversify(diversity=0.5, candidates=20),
    "calibrated": rs.Calibrated(calibration=0.5, candidates=20),
    "discount": rs.PopularityDiscount(exponent=0.5, candidates=20),
    "slots": rs.Slots(pattern=("match", "tail", "fresh", "explore", "editor")),
}


@pytest.fixture(params=EVERY_RECOMMENDER, scope="session")
def recommender(request: pytest.FixtureRequest) -> rs.Recommender:
    """One of every recommender, with settings that make it quick."""
    return EVERY_RECOMMENDER[request.param]


@pytest.fixture(params=EVERY_POLICY, scope="session")
def policy(request: pytest.FixtureRequest) -> rs.Policy:
    """One of every policy."""
    return EVERY_POLICY[request.param]
