"""What is foreseen of a run: costs that grow as they should, samples that change nothing, and memory that is not there."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from conftest import call

import recsim as rs
from recsim import expectation, forecast
from recsim.forecast import PARTS, Epoch, Sample, costs, drivers, outlook, smaller
from recsim.randomness import Randomness
from recsim.world import DAY

UNIT = {
    "serving": [0.5, 0.001], "ranking": [0.0, 1e-6], "fitting": [0.25, 0.0, 0.002], "figures": [0.01, 1e-4],
    "writing": [0.0, 1e-4],
}  # fmt: skip


@pytest.fixture
def plain(small: rs.Scenario) -> rs.Scenario:
    """Return a world in which one week is as the other, and models learn from the last one alone."""
    return small.but(signals=(), days=10 * 7.0, retrain=rs.Retrain(every=7.0), training=(rs.Window(last=1),), log="clicks")


@pytest.fixture
def unit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let samples run no world, but cost what UNIT says, with ten visits and two clicks a person in every epoch."""

    def sample(scenario: rs.Scenario, users: int, of: int, threads: int, epochs: int, seconds: float) -> Sample:
        users = min(users, of)
        cuts, passed = scenario.models(scenario.days)[0], []
        for number in range(min(epochs, scenario.epochs)):
            rows = 2.0 * users
            epoch = Epoch(number, users, 80, 10.0 * users, rows, rows if number < cuts else 0.0, int(number < cuts), 1)
            epoch.seconds = {part: float(np.dot(drivers(part, epoch), UNIT[part])) for part in PARTS}
            passed.append(epoch)
        shares = np.full(scenario.epochs, 1 / scenario.epochs)
        return Sample(users, 0.1 + 0.001 * users, 0.01, passed, shares, [80] * scenario.epochs)

    clock = count(0.0, 0.01)
    monkeypatch.setattr(forecast, "now", lambda: next(clock))
    monkeypatch.setattr(forecast, "_sample", sample)


def foreseen(scenario: rs.Scenario, users: int) -> dict[str, float]:
    """Return the parts that are foreseen of so many people and ten visits each in every epoch."""
    facts = expectation.expect(scenario)
    facts["sizes"]["users"], facts["expected"]["visits"] = users, 10 * users * scenario.epochs
    parts: dict[str, float] = forecast._forecast(scenario, 1, facts, 0.0)["parts"]
    return parts


@pytest.mark.usefixtures("unit")
def test_every_part_grows_as_what_drives_it(plain: rs.Scenario) -> None:
    """From samples that cost so much a visit, a row and a person, what the whole run costs is worked out by hand."""
    users, epochs = 50_000, 10
    parts = foreseen(plain, users)
    visits, rows = 10 * users, 2 * users
    assert parts == pytest.approx(
        {
            "starting": 0.0, "drawing": 0.1 + 0.001 * users, "serving": epochs * (0.5 + 0.001 * visits),
            "ranking": epochs * 1e-6 * visits * 80, "fitting": (epochs - 1) * (0.25 + 0.002 * rows),
            "figures": epochs * (0.01 + 1e-4 * users), "writing": epochs * 1e-4 * visits,
        },
        rel=1e-3,
    )  # fmt: skip


@pytest.mark.usefixtures("unit")
def test_seconds_grow_with_the_days_and_rows_where_none_are_dropped(plain: rs.Scenario) -> None:
    """Twice the weeks take twice the serving; without a window the rows of all weeks teach, and fits take longer and longer."""
    short, long = (foreseen(plain.but(days=7.0 * weeks), 50_000) for weeks in (10, 20))
    assert {name: round(long[name] / short[name], 3) for name in ("serving", "ranking", "figures", "writing", "drawing")} == {
        "serving": 2.0, "ranking": 2.0, "figures": 2.0, "writing": 2.0, "drawing": 1.0,
    }  # fmt: skip
    assert long["fitting"] / short["fitting"] == pytest.approx(19 / 9, rel=1e-3)
    cuts, per_row = np.arange(1, 10), 0.002 * 2 * 50_000
    sample = forecast._sample(plain, 100, 100, 1, 10, 9.0)
    for epoch in sample.epochs[:-1]:
        epoch.rows = 200.0 * (epoch.number + 1)  # of all weeks
    course = forecast._course(plain.but(training=()), sample, 50_000, 10 * 50_000 * 10)
    assert [epoch.rows * 0.002 for epoch in course[:-1]] == pytest.approx((per_row * cuts).tolist())


def test_costs_are_found_and_never_negative() -> None:
    """Costs that made the seconds are found again; where more people took less time, people cost nothing."""
    driven = [[1.0, users, rows] for users, rows in ((300, 50), (300, 90), (1200, 200), (1200, 700))]
    assert costs(driven, (np.array(driven) @ [0.2, 0.001, 0.01]).tolist()) == pytest.approx([0.2, 0.001, 0.01])
    found = costs([[1.0, 100], [1.0, 200]], [2.0, 1.0])
    assert found[1] == 0 and 1.0 <= found[0] <= 2.0


def test_a_sample_does_what_the_world_does(small: rs.Scenario) -> None:
    """The samples of a small world are that very world: its visits, clicks, training rows and cuts, epoch by epoch."""
    sample = forecast._sample(small, 120, 120, 1, 9, 1e9)
    run = rs.run(small, seed=1, progress=False)
    history = run.history.query("window == 'epoch' and group == 'all'").pivot(index="epoch", columns="metric", values="value")
    assert [epoch.clicks for epoch in sample.epochs] == np.bincount(run.clicks["epoch"]).tolist()
    assert sum(epoch.visits for epoch in sample.epochs) == pytest.approx(history["visits"].sum())
    assert [epoch.cuts for epoch in sample.epochs] == [1, 1, 1, 1, 0]
    assert [epoch.rows for epoch in sample.epochs[:4]] == [(run.clicks["time"] < cut * 3 * DAY).sum() for cut in (1, 2, 3, 4)]
    assert sample.shares.sum() == pytest.approx(1.0)
    assert (sample.shares / np.diff([0, *(small.end_of(epoch) for epoch in range(small.epochs))])).std() < 1e-12


def test_a_forecast_says_what_a_run_is_made_of_and_changes_nothing(small: rs.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts are there and add up; the scenario is the one it was, and so is a run after it."""
    monkeypatch.setattr(forecast, "SECONDS", 0.2)
    before, digest = small.toml(), rs.run(small, seed=3, progress=False).digest
    told = forecast.forecast(small)
    assert list(told["parts"]) == ["starting", "drawing", *PARTS]
    assert min(told["parts"].values()) >= 0
    assert told["seconds"] == pytest.approx(sum(told["parts"].values()), abs=0.01)
    assert told["memory_bytes"] <= expectation.expect(small)["bytes"]["memory_at_most"]
    assert (small.toml(), rs.run(small, seed=3, progress=False).digest) == (before, digest)


def test_samples_have_fewer_people_where_that_can_be(small: rs.Scenario, calibrated: str) -> None:
    """People and newcomers are scaled alike; people whose log is replayed are all needed."""
    large = small.but(population=rs.SyntheticUsers(users=50_000, topics=6), arrivals=rs.PoissonArrivals(rate=100.0))
    less = smaller(large, 500, 50_000)
    assert isinstance(less.arrivals, rs.PoissonArrivals)
    assert (len(less.population.draw(Randomness(1))), less.arrivals.rate) == (500, 1.0)
    assert less.but(population=large.population, arrivals=large.arrivals) == large
    people, items = rs.CalibratedUsers(world=calibrated), rs.CalibratedItems(world=calibrated)
    replayed = rs.Scenario(population=people, catalog=items, signals=(rs.LogReplay(world=calibrated),))
    assert smaller(replayed, 5, 30) is replayed
    assert smaller(replayed.but(signals=()), 5, 30).population == people.but(users=5)


def test_memory_that_is_not_there_is_told(small: rs.Scenario, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that takes more than is free is odd; one of which nobody knows what is free is not."""
    monkeypatch.setattr(forecast, "SECONDS", 0.1)
    for free, lines in ((100_000_000, 1), (8_000_000_000, 0), (None, 0)):
        monkeypatch.setattr(forecast, "free_memory", lambda free=free: free)
        odd = [line for line in outlook(small)["odd"] if line.startswith("memory: ")]
        assert len(odd) == lines
    monkeypatch.setattr(forecast, "free_memory", lambda: 100_000_000)
    assert "0.3 GB, and 0.1 GB are free: it will not fit" in outlook(small)["odd"][-1]


def test_memory_grows_with_people_items_and_clicks(small: rs.Scenario) -> None:
    """Each takes its bytes, and impressions those of one epoch."""
    sizes, visits = {"users": 1000, "items": 100, "topics": 6}, {"impressions_at_most": 10**6}
    plain = small.but(log="clicks")

    def more(scenario: rs.Scenario = plain, clicks: int = 10**5, **change: int) -> int:
        return expectation.memory(scenario, sizes | change, visits, clicks)

    assert more(clicks=2 * 10**5) - more() == 120 * 10**5
    assert more(users=2000) - more() == 1000 * (33 * 6 + 8 * 5 + 13 * 8 + 280)
    assert more(items=200) - more() == 100 * (60 * 6 + 23 * 8 + 900)
    assert more(small) - more() == 200 * (10**6 // small.epochs)


def test_describe_tells_time_and_memory(small: rs.Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People and scripts read the same; where nobody knows what memory is free, nothing is said of it."""
    monkeypatch.setattr(forecast, "SECONDS", 0.1)
    file = tmp_path / "small.toml"
    file.write_text(small.toml(), encoding="utf-8")
    told = json.loads(call("describe", str(file), "--json", "--threads", "2")[1])["forecast"]
    assert {"seconds", "memory_bytes", "free_bytes", "parts", "threads", "sample"} == set(told)
    assert told["threads"] == 2
    monkeypatch.setattr(forecast, "free_memory", lambda: None)
    text = " ".join(call("describe", str(file))[1].split())
    assert "on this machine in one thread" in text
    assert "are free" not in text
