"""What tests of coming and going share: a world of a few people, those in which some come and leave, and every law of stays."""

from __future__ import annotations

import recsim as rs

PLAIN = rs.Scenario(
    name="plain",
    days=9.0,
    slate=3,
    population=rs.SyntheticUsers(users=15, topics=4, mainstream=2, curiosity=0.2),
    catalog=rs.SyntheticItems(items=25, topics=4, mainstream=2),
    visits=rs.Poisson(rate=1.5, spread=0.5),
    choice=rs.Luce(outside=6.0, clicks=2),
    recommender=rs.Random(),
    retrain=rs.Retrain(every=2.0, latency=0.3),
    log="impressions",
)
OPEN = PLAIN.but(arrivals=rs.PoissonArrivals(rate=4.0), lifetime=rs.WeibullLife(mean=5.0))
LEAVING = rs.Leaving(patience=2, chance=0.7, forever=0.3, away=1.5)
LIVING = OPEN.but(
    dynamics=(LEAVING, rs.Reinforcement(rate=0.1), rs.Relaxation(days=4.0), rs.Fatigue(), rs.Withering(withers=0.2)),
    network=rs.SmallWorld(friends=4),
    recommender=rs.ALS(factors=4, iterations=2, warm=True),
    policy=rs.Calibrated(calibration=0.3, candidates=10),
    signals=(
        rs.Panel(count=12), rs.EditorPicks(rate=0.1, every=2.0), rs.OrganicLift(count=8), rs.Survey(count=6, every=1.3),
        rs.FriendShares(rate=0.4), rs.AnchorReplay(rate=0.01),
    ),
)  # fmt: skip
LIVES = {
    "exponential": rs.ExponentialLife(mean=3.0),
    "fixed": rs.FixedLife(mean=3.0),
    "Weibull": rs.WeibullLife(mean=3.0, shape=0.6),
    "two kinds": rs.HyperexponentialLife(mean=3.0, spread=3.0),
}
