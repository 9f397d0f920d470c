"""The warm-up from a real log: what people did stands in the run's log, and teaches the first model and those after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import kill_again_and_again

import recsim as rs
from recsim.calibration import read_rows
from recsim.world import Origin


@pytest.fixture
def warm(calibrated: str) -> rs.Scenario:
    """A week among these people, whose log is known."""
    return rs.Scenario(
        name="warm", days=9.0, slate=4, population=rs.CalibratedUsers(world=calibrated), start=rs.Popularity(),
        catalog=rs.CalibratedItems(world=calibrated), recommender=rs.Popularity(), retrain=rs.Retrain(every=2.0),
        signals=(rs.LogReplay(world=calibrated),), log="impressions",
    )  # fmt: skip


def test_the_log_stands_in_the_log(warm: rs.Scenario, calibrated: str) -> None:
    """Once, as it was, before anybody visits; nobody has consumed it by that."""
    world = rs.World(warm, 1)
    world.advance(9.0)
    rows, real = world.log.columns(), read_rows(Path(calibrated))
    told = rows["origin"] == Origin.ANCHOR
    pairs = np.stack([rows["user"], rows["item"]])[:, told]
    assert (rows["time"][told] == 0).all() and sorted(pairs.T.tolist()) == sorted(real.T.tolist())
    names = pd.read_csv(Path(calibrated).parent / "log.csv").astype(str)
    assert [world.users.names[user] for user in real[0]] == names["user"].tolist()
    assert [world.items.names[item] for item in real[1]] == names["item"].tolist()
    assert (world.counters.clickers <= len(world.users)).all() and not world.crowd.consumed.count.sum() > (~told).sum()


def test_models_learn_from_it(warm: rs.Scenario, calibrated: str) -> None:
    """The model that starts knows nothing but the log; later ones know it as well, as long as the window reaches back to it."""
    count = np.bincount(read_rows(Path(calibrated))[1], minlength=len(rs.World(warm, 1).items))
    world = rs.World(warm, 1)
    assert world.model.counts.tolist() == count.tolist()
    assert world.advance(2.5).model.counts.sum() > count.sum() and (world.model.counts >= count).all()
    short = rs.World(warm.but(training=(rs.Window(last=1),)), 1).advance(4.5)
    assert short.model.counts.sum() < count.sum()
    last = rs.World(warm.but(signals=(rs.LogReplay(world=calibrated, last=50),)), 1)
    assert last.model.counts.tolist() == np.bincount(read_rows(Path(calibrated))[1, -50:], minlength=len(count)).tolist()
    later = rs.World(warm.but(signals=(rs.LogReplay(world=calibrated, from_day=3.0, to_day=3.5),)), 1)
    assert not later.model.counts.any() and (later.advance(4.5).model.counts >= count).all()


def test_a_count_of_rows_is_replayed(warm: rs.Scenario, calibrated: str, tmp_path: Path) -> None:
    """A count stands in for the rate, in a file too, and on a day that is given they are put in at once."""
    counted = warm.but(signals=(rs.LogReplay(world=calibrated, count=40, from_day=3.0),))
    (tmp_path / "counted.toml").write_text(counted.toml())
    assert rs.Scenario.load(tmp_path / "counted.toml").signals == counted.signals
    clicks = rs.run(counted, out=tmp_path / "run", progress=False).clicks
    assert clicks["time"][clicks["origin"] == Origin.ANCHOR].tolist() == [3 * 86_400] * 40


def test_a_warmed_up_run_goes_on_after_interruptions(warm: rs.Scenario, tmp_path: Path) -> None:
    """Killed and gone on with, all tables are those of a run left alone."""
    kill_again_and_again(warm, tmp_path / "run", (0.4, 0.8))


def test_other_people_did_not_do_it(warm: rs.Scenario, calibrated: str, tmp_path: Path) -> None:
    """Made-up people, people drawn from the fitted, and other items are refused in one line; so is a world without a log."""
    made_up = {"population": {"kind": "SyntheticUsers"}, "catalog": {"kind": "SyntheticItems"}}
    drawn = {"population": {"kind": "CalibratedUsers", "world": calibrated, "users": 40}}
    for other in (made_up, drawn, {"catalog": {"kind": "SyntheticItems"}}):
        with pytest.raises(rs.RecsimError, match="LogReplay replays what the people of"):
            rs.Scenario.parse(warm.table() | other)
    (tmp_path / "world").mkdir()
    for path in Path(calibrated).iterdir():
        if path.name != "log.parquet":
            (tmp_path / "world" / path.name).write_bytes(path.read_bytes())
    moved = {"world": str(tmp_path / "world")}
    people, items = rs.CalibratedUsers(**moved), rs.CalibratedItems(**moved)
    with pytest.raises(rs.RecsimError, match="its log cannot be read"):
        rs.World(warm.but(population=people, catalog=items, signals=(rs.LogReplay(**moved),)), 1)
