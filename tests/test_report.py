"""Reports: what a page says is what was measured, whatever names and notes hold is text, and it is whole or not there."""

from __future__ import annotations

import builtins
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import PLAIN, call, quietly, stopped
from plotted import WORLD
from reader import Reader, read

import recsim as rs
from recsim import armspage, charts, runpage
from recsim.cells import Cell
from recsim.comparison import Comparison
from recsim.console import printable
from recsim.drawing import topic_names
from recsim.errors import RecsimError
from recsim.exposures import topic_demand, topic_shares
from recsim.inference import interval
from recsim.metrics import METRICS
from recsim.pages import Figure, Text
from recsim.rarity import lorenz
from recsim.survival import curve
from recsim.timelines import waited
from recsim.verdict import numbers

NASTY = [
    "plain", "</script><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onmouseover='alert(1)", "<!--<script>",
    "{{ 7 * 7 }} {% raw %}", "datum['constructor']('alert(1)')()", "\u05e9\u05dc\u05d5\u05dd \u202e gnp.exe",
    "a\u2028b\u2029c\x00d\x1b[31m", "&lt;b&gt; &amp;", "x" * 300, "=1+1", "`${alert(1)}`", "]]>", "javascript:alert(1)",
]  # fmt: skip
TOTALS = {"visits": 1000.0, "feed_clicks": 200.0, "clicks": 300.0, "spent": 0.0, "labels": 0.0}


@pytest.fixture(scope="module")
def page(compared: rs.Comparison, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Return the page of the comparison of three arms."""
    return read(rs.report(compared, tmp_path_factory.mktemp("page") / "report.html"))


def made(
    names: list[str], seeds: int = 2, epochs: int = 4, value: Callable[[int, int, int], float] | None = None, about: str = "",
    lost: Callable[[int], float] = float,
) -> Comparison:  # fmt: skip
    """Return a comparison of made-up cells. value: of arm, seed and epoch, for all metrics; lost: clicks of an arm."""
    value = value or (lambda arm, seed, epoch: 0.1 + 0.01 * arm + 0.001 * seed * (1 + arm % 3) + 0.1 / (1 + epoch))
    days = PLAIN.retrain.every * (epochs - 1) + 2.0
    arms = {name: PLAIN.but(days=max(days, 2.0), about=about) for name in names}
    groups = [f"{metric}.{group}" for metric in ("utility", "feed_topics") for group in ("mainstream", "niche")]
    cells = {
        (name, seed): Cell(
            {"epoch": np.arange(epochs, dtype=np.int32)} | {
                metric: np.array([value(arm, seed, epoch) for epoch in range(epochs)]) for metric in [*METRICS, *groups]
            }, TOTALS | {"feed_clicks": 200.0 - lost(arm) + seed}, "00" * 32,
        ) for arm, name in enumerate(names) for seed in range(1, seeds + 1)
    }  # fmt: skip
    strengths = pd.DataFrame([], columns=["arm", "setting", "strength", "cost", "reached", "monotone"])
    return Comparison(arms, list(range(1, seeds + 1)), 3.0, 1, 1.0, None, strengths, None, cells)


# ------------------------------------------------------------------------------------------------------ what a page says
def test_a_comparison_is_answered_first(compared: rs.Comparison, page: Reader) -> None:
    """The first section says what the comparison itself answers, and how sure that is, before any chart."""
    answer = page.texts["section"][0]
    assert compared.answer() in answer
    assert "Does the loop narrow the feed?" in answer
    first = compared.history[(compared.history["arm"] == "plain") & (compared.history["metric"] == "coverage_model")]
    table = first.pivot(index="epoch", columns="seed", values="value")
    change, low, before, after = re.findall(
        r"moves by ([-+.\d]+) percentage points \(95% interval ([-+.\d]+) to .*? from epoch (\d+) to (\d+):", answer)[0]
    assert (int(before), int(after)) == (1, 3)  # the last epoch is cut short
    moved = interval((table.loc[3] - table.loc[1]).to_numpy())
    assert [float(change), float(low)] == pytest.approx([100 * moved[0], 100 * moved[1]], abs=0.051)


def test_the_answer_tells_gains_other_cures_and_harm() -> None:
    """A cure with a cost below 0 is said to gain; others that help stand with their cost, and those that harm by name."""
    shown, lost = (0.3, 0.5, 0.6, 0.1, 0.3), (0.0, -10.0, 50.0, 0.0, 0.0)
    names = ["plain", "free", "dear", "worse", "same"]
    done = made(names, 4, 4, lambda arm, seed, _: shown[arm] + 0.002 * seed, lost=lambda arm: lost[arm])
    answer = " ".join(armspage.page(done).answer)
    assert "the cheapest of them is free, which costs nothing, but gains 10.0 ± 0.0 clicks per 1,000 visits." in answer
    assert "Under free the model shows 50.5% of the catalogue, under plain 30.5%: +20.0 percentage points" in answer
    assert "What also helps, with its cost in clicks per 1,000 visits: dear (50.0 ± 0.0)." in answer
    assert "Under worse the model shows less than under plain." in answer


def test_the_final_table_is_that_of_the_comparison(compared: rs.Comparison, page: Reader) -> None:
    """Every mean and half interval of the league stands in the table at the end, and in it alone what differs is marked."""
    rows = {row[0]: row[1:] for row in page.tables["All arms"][1:]}
    lines = compared.table(400).splitlines()
    assert list(rows) == list(compared.arms)
    for arm, cells in rows.items():
        assert re.split(r"\s{2,}", next(line for line in lines if line.startswith(arm)).strip())[1:] == cells


def test_differences_are_those_of_the_comparison(compared: rs.Comparison, page: Reader) -> None:
    """The chart and the table of each metric hold the paired differences with their intervals."""
    table = compared.differences
    for metric, title in (("coverage_model", "Coverage by the model"), ("cost", "Cost"), ("utility", "What people get")):
        rows = table[(table["metric"] == metric) & (table["arm"] != "plain")]
        caption = next(name for name in page.tables if name.startswith(f"{title}: differences to plain"))
        for row, told_ in zip(rows.to_dict("records"), page.tables[caption][1:], strict=True):
            fields = ("mean", "difference", "low", "high", "family_low", "family_high")
            assert told_[:7] == [row["arm"], *numbers([row[field] for field in fields])]
        (drawn,) = [
            chart["columns"] for chart in page.data["charts"].values()
            if "flo" in chart["columns"] and np.allclose(chart["columns"]["v"], rows["difference"], rtol=1e-4, equal_nan=True)
        ]  # fmt: skip
        assert np.allclose(drawn["lo"], rows["low"], rtol=1e-4)
        assert np.allclose(drawn["fhi"], rows["family_high"], rtol=1e-4)


def test_trajectories_are_means_over_the_seeds(compared: rs.Comparison, page: Reader) -> None:
    """What is drawn over the epochs is the mean over the seeds with Student's interval."""
    history = compared.history[(compared.history["arm"] == "30 % exploration") & (compared.history["metric"] == "coverage")]
    wanted = history.groupby("epoch")["value"].mean()
    drawn = pd.DataFrame(page.figure("Coverage of the catalogue"))
    ours = drawn[(drawn["a"] == "a1") & (drawn["f"] == 0)].set_index("e")
    assert page.data["labels"]["a1"] == "30 % exploration"
    assert np.allclose(ours["v"], wanted, rtol=1e-5)
    assert ((ours["lo"] <= ours["v"]) & (ours["v"] <= ours["hi"])).all()


def test_what_differs_between_the_arms_is_marked(page: Reader) -> None:
    """The table of settings has those that differ, marked in the arms that are not as the first."""
    (caption,) = [name for name in page.tables if name.startswith("Settings that differ")]
    rows = {row[0]: row[1:] for row in page.tables[caption][1:]}
    assert rows["policy.kind"] == ["Greedy", "EpsilonGreedy", "Greedy"]
    assert rows["signals.0.count"] == ["-", "-", "20"]
    assert "recommender.prior" not in rows
    assert {row[0]: row[1] for row in page.tables["Settings that are the same in all arms"][1:]}["recommender.prior"] == "1.0"


def test_how_to_have_it_again_is_said_and_holds(tmp_path: Path) -> None:
    """The lines of Python on the page, run in the folder, give the same digests."""
    arms = {"plain": PLAIN, "it's <b>": PLAIN.but(policy=rs.EpsilonGreedy(epsilon=0.3))}
    done = quietly(arms, [3, 5], tmp_path / "one")
    code = next(text for text in read(rs.report(tmp_path / "one")).texts["pre"] if text.startswith("import recsim"))
    assert compile(code, "page", "exec")
    inside = code.replace("rs.compare(arms,", "rs.compare(arms, workers=1, progress=False,")
    inside = inside.replace("'arms/", f"'{tmp_path}/one/arms/")
    room: dict[str, Any] = {}
    builtins.exec(inside.replace('"again"', repr(str(tmp_path / "again"))), room)
    assert Comparison.load(tmp_path / "again").digests.equals(done.digests)


def test_a_run_says_what_its_history_says(small: rs.Scenario, tmp_path: Path) -> None:
    """The page of a run holds its figures at the end, and curves whose area is the Gini index."""
    done = rs.run(small, seed=1, out=tmp_path / "run", progress=False)
    found = read(rs.report(tmp_path / "run"))
    rows = {(row[0], row[1]): row[3:] for row in found.tables["Metrics by epoch"][1:]}
    last = done.series("utility", "niche")
    assert rows["utility", "niche"][:-1] == numbers([last.iloc[0], last.iloc[1], last.iloc[2], last.iloc[4]])
    assert f"{done.metrics['coverage_model']:.1%} of the catalogue" in found.texts["section"][0]
    assert done.digest in found.texts["table"][-2] + found.texts["table"][-3]
    for line, metric in (("shown in the feed", "gini"), ("shown by the model itself", "gini_model"), ("clicked", "gini_clicks")):
        counts = runpage.counts_of(done, 2)[line]
        x, y = lorenz(counts)
        assert 1 - 2 * float(np.trapezoid(y, x)) == pytest.approx(done.series(metric).loc[2])
    assert {chart["columns"].get("e", [0])[-1] for chart in found.data["charts"].values()} == {done.epochs - 1}


def test_a_run_says_what_people_want_and_when_they_find_what_is_new(tmp_path: Path) -> None:
    """Topics stand with their share of the feed and of demand at every epoch; who has not met what is new is as survival says."""
    done = rs.run(WORLD, seed=3, progress=False)
    found = read(rs.report(done, tmp_path / "page.html"))
    drawn, names = found.figure("Topics of the feed and what people want"), topic_names(done)
    for epoch in (0, done.epochs - 1):
        here = [at for at, one in enumerate(drawn["e"]) if one == epoch]
        order = [names.index(drawn["label"][at]) for at in here]
        assert sorted(order) == list(range(len(names)))
        assert np.allclose([drawn["v"][at] for at in here], topic_shares(done, epoch)[order], rtol=1e-4)
        assert np.allclose([drawn["w"][at] for at in here], topic_demand(done, epoch)[order], rtol=1e-4)
    assert [row[0] for row in found.tables["Topics of the feed and what people want, shares"][1:]] == [names[at] for at in order]
    drawn = found.figure("Discovery of new")
    for how, code in (("shown", "a0"), ("clicked", "a2")):
        steps = curve(*waited(done.discovery, how))
        ours = [at for at, one in enumerate(drawn["a"]) if one == code]
        told_ = [steps.survivor[steps.days <= drawn["x"][at] + 1e-9][-1] for at in ours]
        assert np.allclose([drawn["v"][at] for at in ours], told_, rtol=1e-4) and min(told_) < 1
    plain = read(rs.report(rs.run(WORLD.but(births=()), seed=3, progress=False), tmp_path / "plain.html"))
    assert "What is new" not in plain.texts["h2"] and "What is new" in found.texts["h2"]


# ----------------------------------------------------------------------------------------------- what a name may hold
def shape(reader: Reader) -> list[tuple[str, tuple[str, ...]]]:
    """Return elements and names of attributes, but for the marks in the keys, which go by the name."""
    return [one for one in reader.elements if one[0] not in ("rect", "circle", "path")]


@pytest.mark.parametrize("epochs", [1, 4])
def test_names_and_notes_are_text_alone(epochs: int, tmp_path: Path) -> None:
    """Sixty arms with names made to break out give the same elements and attributes as sixty with tame ones."""
    nasty = [f"{NASTY[at % len(NASTY)]}{at // len(NASTY) or ''}" for at in range(60)]
    ugly = [math.nan, math.inf, -math.inf, 1e300, 0.0]

    def value(arm: int, seed: int, epoch: int) -> float:
        return ugly[(arm + seed + epoch) % 5] if arm % 4 == 3 else 0.1 + 0.001 * arm + 0.01 * seed

    pages = [
        read(rs.report(made(names, 2, epochs, value, about), tmp_path / f"{at}.html"))
        for at, (names, about) in enumerate((([f"n{at}" for at in range(60)], "a note"), (nasty, "".join(NASTY[1:-3]))))
    ]
    assert shape(pages[0]) == shape(pages[1])
    text = (tmp_path / "1.html").read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert not set("<>&\u2028\u2029") & set(data)
    assert json.loads(data)["labels"] == {f"a{at}": printable(name) for at, name in enumerate(nasty)}
    said = [printable(name).encode("utf-8", "replace").decode() for name in nasty]
    assert [row[0] for row in pages[1].tables["All arms"][1:]] == said
    assert not any(name.startswith("on") for _, names in pages[1].elements for name in names)
    measured = [rows for name, rows in pages[1].tables.items() if not name.startswith("Settings")]
    assert not {cell.lower() for rows in measured for row in rows for cell in row[1:]} & {"nan", "inf", "-inf", "none"}
    assert any("-" in row[1:] for row in pages[1].tables["All arms"])


def test_no_name_is_part_of_a_specification(tmp_path: Path) -> None:
    """Specifications are the same whatever the arms are called: names are data."""
    specs = [
        read(rs.report(made(names), tmp_path / f"{at}.html")).data["charts"]
        for at, names in enumerate((["greedy", "panel", "survey"], ["greedy", "panel", "datum.x']); alert(1); //"]))
    ]
    for one, other in zip(*(found.values() for found in specs), strict=True):
        plain = [json.dumps(chart["spec"], sort_keys=True) for chart in (one, other)]
        seen = [re.sub(r'"#[0-9a-f]{6}"|"(circle|square|cross|diamond|triangle-\w+)"|\[[\d., ]+\]', "", text) for text in plain]
        assert seen[0] == seen[1]


def test_the_page_forbids_all_that_it_does_not_need(page: Reader) -> None:
    """Its policy allows its own scripts and style alone, no evaluation and no address; it names none either."""
    contents = [str(value) for tag, name, value in page.attributes if (tag, name) == ("meta", "content")]
    (policy,) = [text for text in contents if "default-src" in text]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not [value for _, name, value in page.attributes if name in ("src", "href") and not str(value).startswith("#")]


def test_headings_landmarks_and_names(page: Reader) -> None:
    """Headings are in order, every chart has a name and a table, every button and box a label, identifiers are unique."""
    order = [tag for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert order[0] == "h1"
    assert set(order[1:]) == {"h2"}
    identifiers = [value for _, name, value in page.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    tags = [tag for tag, _ in page.elements]
    assert tags.count("figure") == tags.count("figcaption") == len(page.data["charts"])
    assert ("html", "lang", "en") in page.attributes
    assert {"main", "header", "footer", "nav"} <= set(tags)


# --------------------------------------------------------------------------------------------------- size, files, errors
def test_a_large_comparison_stays_small(tmp_path: Path) -> None:
    """Twelve arms under twenty seeds over forty epochs take less than 5 MB."""
    path = rs.report(made([f"arm {at}" for at in range(12)], 20, 40), tmp_path / "report.html")
    assert path.stat().st_size < 5e6


def test_a_page_is_whole_or_not_there(compared: rs.Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report is replaced by a new one, the same to the byte; another file is not touched; a fault leaves nothing."""
    path = rs.report(compared, tmp_path / "deep" / "page.html")
    first = path.read_bytes()
    assert rs.report(compared, path).read_bytes() == first
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    with pytest.raises(RecsimError, match=r"mine\.html: is there and is no report; choose another file"):
        rs.report(compared, tmp_path / "mine.html")
    with pytest.raises(RecsimError, match="is a folder"):
        rs.report(compared, tmp_path)
    monkeypatch.setattr(Path, "replace", _full)
    with pytest.raises(RecsimError, match="cannot be written"):
        rs.report(compared, tmp_path / "deep" / "other.html")
    assert [one.name for one in (tmp_path / "deep").iterdir()] == ["page.html"]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_mistakes_are_told_in_one_line(small: rs.Scenario, compared: rs.Comparison, tmp_path: Path) -> None:
    """A folder that is none, one that is empty, a run that is not finished, a comparison kept nowhere."""
    stopped(small, tmp_path / "half")
    for what, told_ in (
        (tmp_path / "nothing", "is no folder; give the folder that"),
        (tmp_path, "holds no run, comparison or study"),
        (tmp_path / "half", r"its run is not finished \(interrupted\); go on with recsim run --resume --out"),
    ):
        with pytest.raises(RecsimError, match=told_):
            rs.report(what)
        code, _, error = call("report", str(what))
        assert (code, error.count("\n")) == (2, 1)
    with pytest.raises(RecsimError, match="kept in no folder; name the file"):
        rs.report(compared)
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize("missing", ["altair", "vl_convert", "jinja2"])
def test_the_missing_extra_is_named(
    missing: str, compared: rs.Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without what draws, one line says what to install, and nothing is written."""
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.split(".")[0] == missing:
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RecsimError, match=re.escape('pip install "recsim-loop[report]"')):
        rs.report(compared, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_an_unfinished_comparison_says_so(tmp_path: Path) -> None:
    """Where cells are missing the page says how many, in the answer."""
    quietly({"plain": PLAIN, "b": PLAIN.but(slate=4)}, 2, tmp_path / "two")
    next((tmp_path / "two" / "cells").glob("01-*seed00002*")).unlink()
    assert "1 of 4 cells are missing" in read(rs.report(tmp_path / "two")).texts["section"][0]
    next((tmp_path / "two" / "cells").glob("00-*seed00002*")).unlink()  # a seed of which there is nothing is missing too
    assert "2 of 4 cells are missing" in read(rs.report(tmp_path / "two")).texts["section"][0]


def test_a_comparison_without_its_first_arm_says_so(tmp_path: Path) -> None:
    """Where nothing of the first arm is there yet, the page says that in place of an answer."""
    quietly({"plain": PLAIN, "b": PLAIN.but(slate=4)}, 2, tmp_path / "two")
    for cell in (tmp_path / "two" / "cells").glob("00-*"):
        cell.unlink()
    answer = read(rs.report(tmp_path / "two")).texts["section"][0]
    assert "Nothing is there of plain" in answer
    assert "2 of 4 cells are missing" in answer


def test_the_command_has_every_digit_and_the_strengths(compared: rs.Comparison) -> None:
    """Who has a comparison again has the same options, to the last digit, and tunes the same settings."""
    arms = {"plain": PLAIN, "asking": PLAIN.but(name="asking", signals=(rs.Survey(count=20),)), "wide": PLAIN.but(name="wide")}
    row = {"arm": "asking", "setting": "signals.0.count", "strength": 9.0, "cost": 2.0, "reached": True, "monotone": True}
    done = replace(compared, arms=arms, warm_up=10 / 3, price_click=1.23456789, budget=2.0, _cells={})
    done.strengths = pd.DataFrame([row])
    texts = [part.text for part in armspage._again(done).parts if isinstance(part, Text)]
    line, code = texts
    assert "--warm-up 3.3333333333333335 " in line
    assert "--price-click 1.23456789 --equal-cost 2 --strength asking=signals.0.count --strength wide= --out again" in line
    assert "strengths={'asking': 'signals.0.count', 'wide': None}" in code


def test_the_command_says_where_the_page_is(small: rs.Scenario, tmp_path: Path) -> None:
    """`recsim report` writes into the folder, or where --out says; --json gives the path and the size."""
    rs.run(small.but(days=4.0), seed=1, out=tmp_path / "run", progress=False)
    code, out, _ = call("report", str(tmp_path / "run"))
    assert (code, out.startswith(f"report  {tmp_path / 'run' / 'report.html'} (")) == (0, True)
    code, out, _ = call("report", str(tmp_path / "run"), "--out", str(tmp_path / "x.html"), "--json")
    found = json.loads(out)
    assert (code, found["path"]) == (0, str(tmp_path / "x.html"))
    assert found["bytes"] == (tmp_path / "x.html").stat().st_size


def test_names_that_are_alike_at_first_are_told_apart() -> None:
    """Names of columns of a map and of points of a front that have no room lose their middles, not their ends."""
    converter = pytest.importorskip("vl_convert")
    names = [f"{'a name that is long enough ' * 2}{number}" for number in (1, 2)]
    rows = [
        {"xl": name, "label": f"row {place}", "x": place, "v": place, "b": 1, "t": "1\n±1"}
        for place, name in enumerate(names)
    ]
    front = charts.front([charts.Line("a0", "#3c69f0", "circle")], "x", "y")
    for spec, some in ((charts.grid(True), rows), (front, [row | {"a": "a0", "label": row["xl"]} for row in rows])):
        svg = converter.vegalite_to_svg(spec | {"width": 500, "datasets": {"rows": some}})
        said = [text for text in re.findall(r">([^<]+)</text>", svg) if text.startswith("a name")]
        assert [(text[-3:], "…" in text) for text in said] == [("h 1", True), ("h 2", True)]


def test_every_chart_is_of_the_grammar() -> None:
    """Each kind of chart is accepted by the schema of Vega-Lite, and takes the two parameters of the page."""
    looks = [charts.Line("a0", "#3c69f0", "circle"), charts.Line("a1", "#c38700", "square", (4.0, 2.0))]
    ends = (0.0, 1.0), (0.0, 1.0)
    for spec in (
        charts.lines(looks, "share"), charts.curve(looks), charts.ranks(looks, 9), charts.plane(looks, "x", "y", ends),
        charts.differences(looks, "d"), charts.front(looks, "x", "y"), charts.levels("d"), charts.grid(True), charts.grid(False),
        charts.surface((True, False)), charts.beside_demand(0.3), charts.waiting(looks),
    ):  # fmt: skip
        assert {one["name"] for one in spec["params"]} >= {"shown", "epoch"}
        assert "url" not in json.dumps(spec)


def test_epochs_are_thinned_evenly(tmp_path: Path) -> None:
    """Of very many epochs a hundred are shown, the first and the last among them."""
    drawn = read(rs.report(made(["greedy", "panel"], 2, 1000), tmp_path / "report.html")).data
    assert (len(drawn["epochs"]), drawn["epochs"][0], drawn["epochs"][-1]) == (100, 0, 999)


def test_the_front_is_of_those_that_nothing_beats() -> None:
    """An arm is ringed where none is as cheap and shows as much, and is better in one."""
    page = armspage.page(made(["greedy", "dear", "wide"], value=lambda arm, seed, epoch: (0.5, 0.4, 0.9)[arm] + 0.01 * seed))
    figures = [part for section in page.sections for part in section.parts if isinstance(part, Figure)]
    (drawn,) = [one for one in figures if one.caption == "Cost and coverage"]
    assert list(drawn.columns["b"]) == [1, 0, 1]


def _walk(value: Any) -> Iterator[Any]:
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(part)


def test_every_number_of_a_chart_is_finite_or_a_gap(tmp_path: Path) -> None:
    """JSON has no NaN and no infinity: what is not finite is null."""
    done = made(["a", "b"], value=lambda arm, seed, epoch: math.nan if epoch else math.inf)
    data = read(rs.report(done, tmp_path / "x.html")).data
    assert all(math.isfinite(value) for value in _walk(data) if isinstance(value, float))
