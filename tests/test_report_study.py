"""The page of a study: its answer, points and figures are those of `answer_study`, all of one window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PLAIN
from reader import read

import recsim as rs
from recsim.inference import interval
from recsim.outcomes import told
from recsim.tables import with_halves
from recsim.verdict import numbers


def test_a_study_says_what_it_answers(tmp_path: Path) -> None:
    """The page of a study answers as `answer_study` does, and has the mean of each point."""
    study = rs.Study(
        name="little", about="Is <it> so?", base=PLAIN, seeds=3,
        factors=(
            rs.Factor(path="policy", levels=({"name": "none", "kind": "Greedy"}, {"name": "30 %", "kind": "EpsilonGreedy",
                                                                                  "epsilon": 0.3})),
            rs.Factor(path="slate", levels=(3, 5)),
        ),
        keep=rs.Keep(metrics=("coverage*", "gini", "feed_clicks", "visits", "spent", "utility", "depth"),
                     windows=("last quarter", "every epoch")),
    )  # fmt: skip
    done = rs.run_study(study, tmp_path / "study", workers=1, progress=False)
    found = read(rs.report(done))
    answer = rs.answer_study(tmp_path / "study", ["coverage_model"])
    assert answer.text() in found.texts["section"][0]
    assert "Is <it> so?" in found.texts["section"][0]
    frame = done.frame
    rows = frame[(frame["metric"] == "coverage_model") & (frame["group"] == "all") & (frame["window"] == "last quarter")]
    means = rows.groupby("point")["value"].mean()
    heads, *points = found.tables["Means over the seeds"]
    place = [head.strip() for head in heads].index("coverage_model")
    ends = rows.groupby("point")["value"].apply(lambda values: interval(values)[2])
    assert [row[place] for row in points] == with_halves(means.tolist(), ends.tolist())
    assert f"goes from {means.min():.3f} at " in found.texts["section"][0]
    drawn = found.figure("Map of coverage_model: coverage by the model")
    assert [text.split("\n")[0] for text in drawn["t"]] == numbers(drawn["v"])
    assert np.allclose(drawn["hi"], ends, rtol=1e-4)
    assert [row[2] for row in points] == [told(level) for level in (3, 5, 3, 5)]
    assert any("ringed" in text.lower() for text in found.texts["figcaption"])


def test_levels_that_are_nearly_alike_stay_apart(tmp_path: Path) -> None:
    """Rates that differ in the eighth digit and names in the fortieth letter are levels of their own wherever they are told."""
    rates, names = (2.0, 2.0000001), ("a policy with a name that is long enough 1", "a policy with a name that is long enough 2")
    policies = tuple({"name": name, "kind": kind} for name, kind in zip(names, ("Greedy", "EpsilonGreedy"), strict=True))
    factors = rs.Factor(path="visits.rate", levels=rates), rs.Factor(path="policy", levels=policies)
    keep = rs.Keep(metrics=("coverage_model",), windows=("last quarter", "every epoch"))
    study = rs.Study(base=PLAIN, seeds=2, factors=factors, keep=keep)
    found = read(rs.report(rs.run_study(study, tmp_path / "study", workers=1, progress=False)))
    said = ["2", "2.0000001"]
    assert list(found.data["labels"].values()) == said
    assert len(set(found.figure("Coverage by the model")["a"])) == 2
    assert found.figure("Effects on coverage_model")["label"] == ["visits.rate: 2.0000001", f"policy: {names[1]}"]
    assert [row[1] for row in found.tables["Effects on coverage_model"][1:]] == [*said, *names]
    drawn = found.figure("Map of coverage_model")
    assert set(zip(drawn["xl"], drawn["label"], strict=True)) == {(rate, name) for rate in said for name in names}
    assert [row[1:3] for row in found.tables["Means over the seeds"][1:]] == [[rate, name] for rate in said for name in names]
    assert found.tables["Factors"][1:] == [["visits.rate", "2, 2.0000001"], ["policy", ", ".join(names)]]
    answer = rs.answer_study(tmp_path / "study", ["coverage_model"])
    assert all(text in answer.table(200) for text in (*said, *names))


def test_a_page_says_over_which_epochs_its_figures_go(tmp_path: Path) -> None:
    """All means of a page are of one window, which it names: that of `answer_study`, or where that has none the last one kept."""
    study = rs.Study(base=PLAIN, seeds=2, factors={"slate": [3, 5]}, keep=rs.Keep(metrics=("gini",)))
    for windows, window, words in (
        (("every epoch", "last quarter", "last 3"), None, "the last quarter of the epochs"),
        (("first trained", "last 3", "every epoch"), "last 3", "the last 3 epochs"),
    ):
        folder = tmp_path / windows[0]
        done = rs.run_study(study.but(keep=study.keep.but(windows=windows)), folder, workers=1, progress=False)
        found = read(rs.report(done))
        answer = rs.answer_study(folder, ["gini"], window=window)
        assert answer.text() in found.texts["section"][0]
        effects = answer.effects["gini"]
        assert [row[2] for row in found.tables["Effects on gini"][1:]] == numbers(effects.frame["mean"].tolist())
        ends = [interval(values) for values in effects.found.values]
        means = with_halves([mean for mean, _, _ in ends], [high for _, _, high in ends])
        assert [row[3] for row in found.tables["Means over the seeds"][1:]] == means
        assert ("figures are of", words) in zip(found.texts["dt"], found.texts["dd"], strict=True)
        assert any(text.startswith("Effects on gini") and f"Means over {words}." in text for text in found.texts["figcaption"])
        reading = effects.reading("with its")
        assert reading[0].upper() + reading[1:] in found.texts["p"]


@pytest.mark.parametrize(("design", "caption"), [
    (rs.LatinHypercube(points=8), "Surface of coverage_model"),
    (rs.Sobol(points=4), "What the variance of coverage_model comes from"),
])  # fmt: skip
def test_studies_of_ranges_have_their_figure(design: rs.Design, caption: str, tmp_path: Path) -> None:
    """A sample of two ranges has a map of its surface, and a Sobol study its indices, as `answer_study` has them."""
    outside = rs.Factor(path="choice.outside", low=2.0, high=20.0, scale="log")
    factors = rs.Factor(path="visits.rate", low=1.0, high=3.0), outside
    study = rs.Study(base=PLAIN, seeds=2, design=design, factors=factors, keep=rs.Keep(metrics=("coverage_model",)))
    found = read(rs.report(rs.run_study(study, tmp_path / "study", workers=1, progress=False)))
    answer = rs.answer_study(tmp_path / "study")
    drawn = found.figure(caption)
    if answer.indices:
        row = answer.indices["coverage_model"].frame.iloc[0]
        assert np.allclose(drawn["v"][:2], [row["total"], row["first"]], rtol=1e-4)
    else:
        middle = (np.array(drawn["x"][:1]) + drawn["x2"][:1]) / 2
        up = np.sqrt(np.array(drawn["y"][:1]) * drawn["y2"][:1])
        there = answer.surfaces["coverage_model"].predict({"visits.rate": middle, "choice.outside": up})
        assert np.allclose(drawn["v"][:1], there["mean"], rtol=1e-4)
    assert answer.text() in found.texts["section"][0]


@pytest.mark.parametrize(("factors", "keep", "said"), [
    ({"slate": [3, 5]}, rs.Keep(metrics=("gini",)), "one seed cannot tell an effect from chance"),
    ({"slate": [3, 5]}, rs.Keep(metrics=("gini",), windows=("every epoch",)), 'keep "last quarter" as well'),
])  # fmt: skip
def test_a_study_that_cannot_answer_says_why(factors: Any, keep: rs.Keep, said: str, tmp_path: Path) -> None:
    """The page of a study without an answer says so, and has its points all the same."""
    study = rs.Study(base=PLAIN, seeds=1, factors=factors, keep=keep)
    found = read(rs.report(rs.run_study(study, tmp_path / "study", workers=1, progress=False)))
    assert said in found.texts["section"][0]
    assert len(found.tables["Means over the seeds"]) == 3


def test_points_with_fewer_epochs_stand_in_the_table(tmp_path: Path) -> None:
    """The last quarter ends in another epoch where the model is trained more often: all points have their row and means."""
    keep = rs.Keep(metrics=("coverage_model",), windows=("last quarter",))
    study = rs.Study(base=PLAIN, factors={"retrain.every": [3.0, 2.0]}, seeds=2, keep=keep)
    found = rs.run_study(study, tmp_path / "s", workers=1, progress=False)
    rows = read(rs.report(found)).tables["Means over the seeds"][1:]
    assert [row[0] for row in rows] == ["0", "1"]
    means = found.frame[found.frame["group"] == "all"].groupby("point")["value"].mean()
    assert [row[-1].split(" ")[0] for row in rows] == numbers(means.tolist())
