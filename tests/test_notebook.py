"""What a notebook shows of a run and of a comparison: their figures as a table, the answer, and nothing but text from names."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

import recsim as rs
from recsim.verdict import SHOWN


def table(page: str) -> list[list[str]]:
    """Return the cells of the only table of a page, as text."""
    (inside,) = re.findall(r"<tbody>(.*?)</tbody>", page)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line) for line in re.findall(r"<tr>(.*?)</tr>", inside)]


def test_a_run_shows_its_figures_and_its_answer(small: rs.Scenario) -> None:
    """A line a metric: the first, second, middle and last epoch as its history has them."""
    run = rs.run(small, seed=1, progress=False)
    page = run._repr_html_()
    assert repr(run) == f"<Run of small, seed 1: done, digest {run.digest[:12]}>"
    assert "Does the loop narrow the feed?" in page and f"small, seed 1: done, {run.epochs} epochs" in page
    lines = {line[0]: line[1:] for line in table(page)}
    assert list(lines) == list(SHOWN)
    last = [float(line[-3].replace(",", "")) for line in (lines["gini"], lines["coverage"])]
    assert last == pytest.approx([run.metrics["gini"], run.metrics["coverage"]], abs=6e-4)


def test_a_run_without_an_epoch_says_so(small: rs.Scenario, tmp_path: Path) -> None:
    """One that was interrupted at once."""

    def stop(share: float, text: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rs.run(small, seed=1, out=tmp_path / "run", progress=stop)
    assert "interrupted, no epoch is closed yet" in rs.Run.load(tmp_path / "run")._repr_html_()


def test_a_comparison_shows_a_line_an_arm(small: rs.Scenario) -> None:
    """Means with half their intervals, a star where an arm differs, and the answer; names are text."""
    arms = {"greedy": small, "<b>chance & more</b>": small.but(policy=rs.EpsilonGreedy(epsilon=0.5))}
    found = rs.compare(arms, 3, workers=1, progress=False)
    page = found._repr_html_()
    assert repr(found) == "<Comparison of greedy, <b>chance & more</b>: 3 seeds>"
    assert "&lt;b&gt;chance &amp; more" in page and "<b>chance" not in page
    lines = table(page)
    means = found.differences.set_index(["arm", "metric"])["mean"]
    for name, line in zip(arms, lines, strict=True):
        assert float(line[3].split(" ± ")[0]) == pytest.approx(means[name, "gini"], abs=6e-4)
    p = found.differences.set_index(["arm", "metric"]).loc[("<b>chance & more</b>", "gini"), "p"]
    assert lines[1][3].endswith("*") == (p < 0.05) and not any("*" in cell for cell in lines[0])
    alone = rs.compare(arms, [1], workers=1, progress=False)
    assert "One seed cannot tell" in alone._repr_html_() and pd.notna(means).all()
