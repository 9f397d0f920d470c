"""A/B tests inside a world: users split between two feeds, what the team would conclude, and what is true.

The truth is the difference of two worlds that go wholly under A and wholly under B. The test differs from it where the two
feeds are taught by one log: then each has what the other found out. Brennan et al. 2025, "Reducing symbiosis bias through better
A/B tests of recommendation algorithms" (WWW), call this symbiosis bias, and diverted logs one of its cures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim import training
from recsim.arms import check_arms, lean, parting_day, seed_numbers
from recsim.cells import Bench, Cell, Job
from recsim.counting import Counters
from recsim.errors import RecsimError, nearest
from recsim.feed import Feed
from recsim.inference import SURE, interval
from recsim.progress import told
from recsim.randomness import Floats
from recsim.ratios import difference, linearised
from recsim.scenario import Scenario
from recsim.simulation import World
from recsim.tables import decimals_for, with_half
from recsim.world import FEED, Bools, Counts, Rows, Visits

if TYPE_CHECKING:
    import pandas as pd

LOGS = "shared", "diverted"
FREE = "name", "about", "slate", "recommender", "policy", "training", "start"
"""Settings in which the two arms of a test may differ."""
COUNTED = "users", "visits", "feed_clicks", "clicks", "utility"
"""What is added up of each user while the test is on; `users` is 1 of each."""
METRICS = {
    "clicks": ("feed_clicks", "visits"),
    "visits": ("visits", "users"),
    "utility": ("utility", "clicks"),
}
"""What is tested, as the ratio of two sums over users: clicks in the feed per visit, visits per user, and true utility per item
consumed, which no team can see."""
VERDICTS = "right", "missed", "wrong", "false alarm"


# ------------------------------------------------------------------------------------------------------ the split world
class ArmFeed(Feed):
    """The feed of one arm: taught by everybody's rows and counts, or since the split by those of its own users alone.

    What there was before the split teaches both. mates: the feeds whose counts it knows, itself among them. mine: (users,),
    whose rows teach it; None: everybody's. split: the second from which that holds.
    """

    mates: Sequence[Feed] = ()
    mine: Bools | None = None
    split = 0
    began = 0  # models trained before the split
    past: Counters | None = None  # what was counted before the split

    def take_over(self, other: Feed) -> None:
        """Go on with the model of another feed; what it counted is kept apart, and counting begins anew."""
        fresh, self.counters = self.counters, Counters(*self._sizes(), None, each=True)
        super().take_over(other)
        self.past, self.counters, self.began = self.counters, fresh, other.cuts
        self.counters.know(self.shelf.topics)

    def _sizes(self) -> tuple[int, int, Floats]:
        return len(self.users), self.counters.epoch.shape[2], self.shelf.topics

    def _taught(self, since: int, now: int) -> Rows:
        rows = super()._taught(since, now)
        return rows if self.mine is None else rows.take((rows.time < self.split) | self.mine[rows.user])

    def _counts(self) -> Counts:
        """Return what was counted over the time of the training rows, by number of the interval: a mate may be one ahead."""
        last = training.intervals(self.scenario.training)
        oldest = 0 if last is None else self.cuts + 1 - last
        known = [(feed.counters, self.began) for feed in self.mates or (self,)]
        known += [(self.past, 0)] if self.past else []
        impressions, clicks = np.sum([
            tally
            for counters, first in known
            for number, tally in enumerate(counters.intervals, first)
            if number >= oldest
        ], axis=0)  # fmt: skip
        return Counts(impressions[:, : self.released], clicks[:, : self.released])


class Trial(World):
    """A world whose users are split by a coin between two arms, each with a feed of its own; all else they share.

    group: (users,), 1 for those under the second arm. There is no history; `totals` says what each user did.
    """

    feed_kind = ArmFeed

    def __init__(self, warm: World, arms: tuple[Scenario, Scenario], share: float, log: str = "shared") -> None:
        """Go on from a world drawn with forks=True. share: probability that a user comes under the second arm."""
        super().__init__(arms[0], warm.seed, warm.threads, warm.tile, forks=True, like=warm)
        self.shadows = self.scenario.open_loop  # there is no fork from here
        self.arms, self.feeds = arms, (self.feed, self._feed(arms[1]))
        self.group = (self.randomness.uniform("Trial.arm", self.users.address) < share).astype(np.int8)
        if warm.now:
            self._take_over(warm)
            self.feeds[1].take_over(warm.feed)
        for place, feed in enumerate(self.feeds):
            assert isinstance(feed, ArmFeed)
            feed.split, feed.mates = warm.now, self.feeds if log == "shared" else (feed,)
            feed.mine = None if log == "shared" else self.group == place
        self.live = [place for place in (0, 1) if (self.group == place).any()]  # an arm without users has no feed
        self._under(self.live[0])
        self.begin()

    def _under(self, place: int) -> None:
        """Let the feed of an arm be the one that visits meet."""
        self.scenario, self.feed = self.arms[place], self.feeds[place]

    def receive(self, rounds: Iterable[Visits]) -> None:
        """Let users visit, each the feed of her arm."""
        for visits in rounds:
            for place in self.live:
                self._under(place)
                super().receive([visits.take(self.group[visits.user] == place)])
            np.add.at(self.visited, visits.user, 1)

    def train(self) -> None:
        """Fit the next model of each arm on the rows before this second."""
        for place in self.live:
            self.feeds[place].train(self._now)

    def deploy(self) -> None:
        """Close the epoch, and let the models trained last serve the next."""
        self.close_epoch()
        for place in self.live:
            self.feeds[place].deploy()
        self._deployed = self._now

    def release(self) -> None:
        """Let the items come out that are due, and all get older, by what both arms have counted."""
        past = getattr(self.feed, "past", None)
        known = [feed.counters for feed in self.feeds] + ([past] if past else [])
        impressions, clicks = np.sum([counters.ever for counters in known], axis=0)
        self.crowd.stock.change(self._now, impressions, clicks)
        for place in self.live:
            self.feeds[place].restock(self.crowd.stock.shelf)

    # --------------------------------------------------------------------------------------------- what each user did
    def read(self, window: str) -> None:
        """Add up what each user did, as an epoch closes."""
        if window == "epoch":
            self.closed += self._open()

    def begin(self) -> None:
        """Count from now on."""
        self.visited = np.zeros(len(self.users), np.int64)
        self.closed: Floats = -self._open()

    def _open(self) -> Floats:
        """Return feed clicks, clicks and utility of each user since the epoch began: (3, users)."""
        rows = self.log.columns(self.log.epoch_start)
        clicked, n = rows["clicked"], len(self.users)
        fed = clicked & np.isin(rows["origin"], FEED)
        clicks = [np.bincount(rows["user"][which], minlength=n) for which in (fed, clicked)]
        return np.array([*clicks, sum(feed.counters.utility for feed in self.feeds)], np.float64)

    @property
    def totals(self) -> dict[str, Floats]:
        """What each user did since `begin`, by name: (users,) each."""
        rows = np.vstack([np.ones(len(self.users)), self.visited, self.closed + self._open()])
        return dict(zip(COUNTED, rows, strict=True))


# --------------------------------------------------------------------------------------------------- one seed, one test
def run_test(
    first: Scenario, second: Scenario, warm_up: float, seed: int, logs: Sequence[str] = LOGS[:1], share: float = 0.5,
    settle: float = 0.0,
) -> Cell:  # fmt: skip
    """Return one test under each kind of log beside the truth: columns of rows, a log and a metric each.

    Columns: log, metric, true_a and true_b of the worlds wholly under an arm, a and b of the two groups, estimate (b less a),
    low, high, p, unspoilt (the difference of the same two groups, each in the world wholly under its arm), users_a, users_b.
    """
    warm = World(first, seed, forks=True).advance(warm_up)

    def world(share: float, log: str) -> Trial:
        trial = Trial(warm, (first, second), share, log).advance(warm_up + settle)
        trial.begin()
        return trial.advance(first.days)

    wholly = [world(share, "shared").totals for share in (0.0, 1.0)]
    rows = [row for log in logs for row in _judged(world(share, log), wholly, log)]
    return Cell({name: np.array([row[name] for row in rows]) for name in rows[0]}, {}, "")


def _judged(trial: Trial, wholly: Sequence[dict[str, Floats]], log: str) -> list[dict[str, Any]]:
    """Return a row a metric of what one test finds, and of what is true."""
    totals, rows = trial.totals, []
    for metric, (above, below) in METRICS.items():
        true = [linearised(arm[above], arm[below])[0] for arm in wholly]
        groups = trial.group == 0, trial.group == 1
        a, b = ((totals[above][mine], totals[below][mine]) for mine in groups)
        alone = [linearised(arm[above][mine], arm[below][mine])[0] for arm, mine in zip(wholly, groups, strict=True)]
        estimate, low, high, p = difference(b, a)
        rows.append({
            "log": log, "metric": metric, "true_a": true[0], "true_b": true[1], "a": linearised(*a)[0], "b": linearised(*b)[0],
            "estimate": estimate, "low": low, "high": high, "p": p, "unspoilt": alone[1] - alone[0], "users_a": len(a[0]),
            "users_b": len(b[0]),
        })  # fmt: skip
    return rows


def verdict(truth: float, low: float, high: float) -> str:
    """Return how a test with an interval from *low* to *high* decided, where the difference is *truth*.

    "right": the side of the truth, or nothing found where there is nothing; "missed": nothing found; "wrong": the other side;
    "false alarm": a side where there is none. Empty without an interval.

    >>> [verdict(0.1, 0.05, 0.3), verdict(0.1, -0.1, 0.3), verdict(0.1, -0.3, -0.05), verdict(0.0, 0.05, 0.3)]
    ['right', 'missed', 'wrong', 'false alarm']
    """
    if math.isnan(low) or math.isnan(truth):
        return ""
    side = 1 if low > 0 else -1 if high < 0 else 0
    if not side:
        return "missed" if truth else "right"
    return "false alarm" if not truth else "right" if side * truth > 0 else "wrong"


# ------------------------------------------------------------------------------------------------------------ many seeds
@dataclass
class ABTest:
    """A/B tests of one pair of arms, a test a seed and kind of log.

    a, b: the arms. seeds: the replications. logs: which of "shared" and "diverted". share: of users under B. warm_up: the day of
    the split; settle: days after it that do not count.
    frame: seed, log, metric, true_a, true_b, truth (true_b less true_a), a, b, estimate (b less a), low, high, p, unspoilt (what
    the same two groups would differ by if neither arm knew of the other), users_a, users_b, verdict, covered (whether the
    interval holds the truth; NaN without one).
    """

    a: Scenario
    b: Scenario
    seeds: list[int]
    logs: tuple[str, ...]
    share: float
    warm_up: float
    settle: float
    frame: pd.DataFrame = field(repr=False)

    @cached_property
    def summary(self) -> pd.DataFrame:
        """What the tests were worth, a row a log and metric.

        log, metric, seeds (those with an interval); truth, error (mean estimate less truth) and bias (mean estimate less
        unspoilt), by seed, each with the ends of its 95 % interval over the seeds (truth_low, ..., Student's t); estimate;
        coverage: share of the tests' intervals that hold the truth of their world; wrong_sign: share of estimates of the other
        sign than the truth; then the shares of verdicts. error and bias have one mean in the long run, since the coin does not
        know what anybody does; in bias the luck of who came under which arm cancels.
        """
        import pandas as pd

        rows = []
        for (log, metric), found in self.frame.groupby(["log", "metric"], sort=False):
            found = found[found["verdict"] != ""]
            row = {"log": log, "metric": metric, "seeds": len(found), "estimate": found["estimate"].mean()}
            estimate, truth = found["estimate"], found["truth"]
            for name, values in {"truth": truth, "error": estimate - truth, "bias": estimate - found["unspoilt"]}.items():
                row |= dict(zip((name, f"{name}_low", f"{name}_high"), interval(values), strict=True))
            row |= {"coverage": found["covered"].mean(), "wrong_sign": (found["truth"] * found["estimate"] < 0).mean()}
            rows.append(row | {name: (found["verdict"] == name).mean() for name in VERDICTS})
        return pd.DataFrame(rows)

    def table(self, width: int = 120) -> str:
        """Return the summary as text, and a line on how to read it. width: of that line."""
        lines = [f"{'log':9}{'metric':9}{'true B - A':>18}{'estimate':>10}{'bias':>18}{'covered':>9}" + _heads()]
        for row in self.summary.to_dict("records"):
            decimals = 1 + decimals_for([row["truth"], row["bias"]])
            truth = with_half(row["truth"], row["truth_high"] - row["truth"], decimals, "+")
            bias = with_half(row["bias"], row["bias_high"] - row["bias"], decimals, "+")
            shares = "".join(f"{row[name]:>{len(name) + 2}.0%}" for name in VERDICTS)
            estimate = with_half(row["estimate"], math.nan, decimals, "+")
            lines.append(f"{row['log']:9}{row['metric']:9}{truth:>18}{estimate:>10}{bias:>18}{row['coverage']:>9.0%}{shares}")
        foot = (
            f"{len(self.seeds)} seeds, {self.share:.0%} of users under B from day {self.warm_up:g} on, {self.settle:g} days not "
            "counted. bias: estimate less what the same groups would differ by in two whole worlds. "
            f"±: half the {SURE:.0%} interval over the seeds. covered: the test's own {SURE:.0%} interval holds the truth. "
            "Units: clicks in the feed per visit; visits per user; true utility per item consumed."
        )
        return "\n".join([*lines, fill(foot, width)])

    def answer(self) -> str:
        """Return one sentence for each kind of log: what is true of clicks, and what the tests found."""
        told = []
        for row in self.summary[self.summary["metric"] == "clicks"].to_dict("records"):
            wrong = row["wrong"] + row["false alarm"]
            decimals = 1 + decimals_for([row["truth"], row["estimate"]])
            told.append(
                f"With {row['log']} logs B brings {row['truth']:+.{decimals}f} clicks per visit, the tests say "
                f"{row['estimate']:+.{decimals}f}; they decide for the wrong side in {wrong:.0%}, and miss it in "
                f"{row['missed']:.0%}."
            )
        return " ".join(told)


def _heads() -> str:
    return "".join(f"  {name}" for name in VERDICTS)


def ab_test(
    a: Scenario,
    b: Scenario,
    seeds: int | Iterable[int] = 20,
    *,
    log: str | Sequence[str] = "shared",
    share: float = 0.5,
    warm_up: float | None = None,
    settle: float = 0.0,
    workers: int | None = None,
    progress: bool | Callable[[float, str], None] = True,
) -> ABTest:
    """Run A/B tests inside a world, and beside each the two worlds that go wholly under A and wholly under B.

    a, b: arms that differ in slate, recommender, policy, training or start alone. Under each seed world A runs for *warm_up* days
    (by default as `compare` does), then a coin at each user's address decides under which arm she comes. log: "shared": both
    models learn from the rows of all; "diverted": each, from the split on, from those of its own users; or both. share: the
    probability of B. settle: days after the split that do not count. The team's estimate takes users as units: a ratio of sums,
    linearised, with Welch's interval. The truth is of the same people, visits and days, and of the same random numbers.
    seeds, workers, progress: as in `compare`. Raises RecsimError in one line for what the user can mend.
    """
    logs = (log,) if isinstance(log, str) else tuple(log)
    day = _checked(a, b, logs, share, warm_up, settle)
    numbers, first, second = seed_numbers(seeds), lean(a), lean(b)
    with told("A/B test", progress) as say:
        work = partial(run_test, logs=logs, share=share, settle=settle)
        bench = Bench(first, day, None, workers, say, work)
        cells = bench.cells([Job(f"seed {seed}", second, seed) for seed in numbers])
    return ABTest(a, b, numbers, logs, share, day, settle, _frame(numbers, cells))


def _frame(seeds: Sequence[int], cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the tests of all seeds, with the truth and the verdict on each."""
    import pandas as pd

    frame = pd.concat([pd.DataFrame(cell.columns).assign(seed=seed) for seed, cell in zip(seeds, cells, strict=True)])
    truth = frame["true_b"] - frame["true_a"]
    said = [verdict(*row) for row in zip(truth, frame["low"], frame["high"], strict=True)]
    covered = ((frame["low"] <= truth) & (truth <= frame["high"])).where(pd.Series(said, frame.index) != "")
    frame = frame.assign(truth=truth, verdict=said, covered=covered.astype(np.float64))
    order = ["seed", "log", "metric", "true_a", "true_b", "truth", "a", "b", "estimate", "low", "high", "p"]
    return frame[[*order, "unspoilt", "users_a", "users_b", "verdict", "covered"]].reset_index(drop=True)


def _checked(a: Scenario, b: Scenario, logs: Sequence[str], share: float, warm_up: float | None, settle: float) -> float:
    """Return the day of the split, or say what cannot be tested."""
    for name in logs:
        if name not in LOGS:
            raise RecsimError(f"log: there is no {name!r}; {nearest(str(name), LOGS)}")
    if not logs or len(set(logs)) < len(logs):
        raise RecsimError("log: give shared, diverted or both, each once")
    if not (isinstance(share, (int, float)) and 0 < share < 1):
        raise RecsimError(f"share: must lie between 0 and 1, not {share!r}; it is the share of users under B")
    day = parting_day(a, warm_up)
    if not (isinstance(settle, (int, float)) and 0 <= settle < a.days - day):
        raise RecsimError(f"settle: must be days from 0 to before {a.days - day:g}, when the test ends, not {settle!r}")
    for name in Scenario.model_fields:
        if name not in FREE and getattr(a, name) != getattr(b, name):
            raise RecsimError(f"{name}: differs between the arms of a test; let them differ in feed and training alone")
    check_arms({"A": a, "B": b}, day)
    return day
