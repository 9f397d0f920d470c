"""What tests share: small worlds, one of every strategy, the command line, and arms to compare."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

import recsim as rs
from recsim import cli
from recsim.comparison import compare
from recsim.simulation import World

ROOT = Path(__file__).parent.parent
settings.register_profile("fixed", derandomize=True, database=None, deadline=None)
settings.register_profile("varied", database=None, deadline=None)
settings.load_profile("fixed")
"""Properties are tried on the same examples each time, and on others by `pytest --hypothesis-profile varied`."""


# -------------------------------------------------------------------------------------------------------- a small world
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


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the folder of a world fitted to a small log."""
    folder = tmp_path_factory.mktemp("replays")
    chance = np.random.default_rng(3)
    pairs = pd.DataFrame({"user": np.repeat(np.arange(30), 8), "item": chance.integers(0, 25, 240) ** 2 // 25}).drop_duplicates()
    pairs.sample(frac=1, random_state=1).assign(time=np.arange(len(pairs))).to_csv(folder / "log.csv", index=False)
    rs.calibrate(folder / "log.csv", folder / "world", user="user", item="item", time="time", topics=3)
    return str(folder / "world")


def grown(scenario: rs.Scenario, seed: int = 7, **how: int) -> World:
    """Return a world at its end, the last epoch closed."""
    world = World(scenario, seed, **how).advance(scenario.days)
    world.close_epoch()
    return world


def digests(world: World) -> tuple[str, str]:
    """Return the digests of clicks and impressions."""
    return world.log.digest.hex(), world.impressions.digest.hex()


# ------------------------------------------------------------------------------------------------ one of every strategy
EVERY_RECOMMENDER = {
    "random": rs.Random(),
    "shares": rs.Shares(shares=[1.0, 2.0, 3.0] * 25),
    "drawn": rs.Drawn(),
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
    "quota": rs.HumanQuota(share=0.5),
}


@pytest.fixture(params=EVERY_RECOMMENDER, scope="session")
def recommender(request: pytest.FixtureRequest) -> rs.Recommender:
    """One of every recommender, with settings that make it quick."""
    return EVERY_RECOMMENDER[request.param]


@pytest.fixture(params=EVERY_POLICY, scope="session")
def policy(request: pytest.FixtureRequest) -> rs.Policy:
    """One of every policy."""
    return EVERY_POLICY[request.param]


# ----------------------------------------------------------------------------------------------------- the command line
SMALL_FILE = """
name = "small"
days = 28
[population]
kind = "SyntheticUsers"
users = 40
[catalog]
kind = "SyntheticItems"
items = 30
[recommender]
kind = "Popularity"
"""


@pytest.fixture
def small_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Stand in a folder of its own that holds a small scenario, and return the scenario's name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    Path("small.toml").write_text(SMALL_FILE)
    return "small.toml"


def call(*arguments: str) -> tuple[int, str, str]:
    """Run a command within this process; return its exit code, and what it wrote to both streams."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert isinstance(end.value.code, int)
    return end.value.code, out.getvalue(), err.getvalue()


def spawn(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
    """Run a command as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "recsim", *arguments], capture_output=True, text=True, timeout=120, env=environment(), **more
    )  # type: ignore[call-overload,no-any-return]


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the recsim of this checkout is found and nothing asks for colours."""
    kept = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR", "COLUMNS")}
    return kept | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])} | more


def stopped(scenario: rs.Scenario, out: Path) -> None:
    """Leave the folder of a run of seed 1 that was interrupted after about half of it."""

    def stop(share: float, text: str) -> None:
        if share > 0.6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rs.run(scenario, seed=1, out=out, progress=stop)


class Killed(BaseException):
    """Ends a run as abruptly as can be from within: nothing of it is caught."""


def kill_again_and_again(scenario: rs.Scenario, out: Path, shares: tuple[float, ...]) -> None:
    """Kill a run of seed 3 at these shares of it, go on with it each time, and assert that it leaves what a quiet one leaves."""
    whole = rs.run(scenario, seed=3, progress=False)
    for share in shares:

        def stop(done: float, text: str, share: float = share) -> None:
            if done > share:
                raise Killed

        again = (out / "manifest.json").exists()
        with pytest.raises(Killed):
            rs.run(None if again else scenario, seed=3, out=out, resume=again, progress=stop)
        assert rs.Run.load(out).status == "running"
    resumed = rs.run(out=out, resume=True, progress=False)
    assert (resumed.status, resumed.digest) == ("done", whole.digest)
    for table in ("clicks", "impressions", "history", "items", "users", "discovery", "catalog"):
        assert getattr(resumed, table).equals(getattr(whole, table)), table


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder, byte for byte; a folder itself is None."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


# ------------------------------------------------------------------------------------------------------ arms to compare
TRAINED = rs.Scenario(
    days=32.0,
    slate=5,
    population=rs.SyntheticUsers(users=60, topics=4, curiosity=0.1),
    catalog=rs.SyntheticItems(items=50, topics=4),
    visits=rs.Poisson(rate=1.0),
    choice=rs.Luce(outside=4.0),
    recommender=rs.ALS(factors=6, iterations=3),
    retrain=rs.Retrain(every=4.0, latency=0.25),
    training=(rs.Window(last=2),),
)
PLAIN = rs.Scenario(
    name="plain",
    days=13.3,
    slate=5,
    population=rs.SyntheticUsers(users=60, topics=4, curiosity=0.1),
    catalog=rs.SyntheticItems(items=50, topics=4),
    visits=rs.Poisson(rate=1.5, spread=0.5),
    choice=rs.Luce(outside=4.0),
    recommender=rs.Popularity(prior=1.0),
    retrain=rs.Retrain(every=3.0, latency=0.4),
)
EXPLORING = PLAIN.but(name="exploring", policy=rs.EpsilonGreedy(epsilon=0.3))
ASKING = PLAIN.but(name="asking", signals=(rs.Survey(count=20),))
ARMS = {"plain": PLAIN, "30 % exploration": EXPLORING, "asking": ASKING}


def quietly(arms: object = ARMS, seeds: object = 3, out: Path | None = None, **more: object) -> rs.Comparison:
    """Compare in this process, without a word."""
    return compare(arms, seeds, out, **({"workers": 1, "progress": False} | more))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def compared() -> rs.Comparison:
    """Return the comparison of three arms over three seeds."""
    return quietly()
