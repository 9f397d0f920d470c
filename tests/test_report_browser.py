"""Reports in a browser: what can be hovered, hidden, scrubbed and sorted, on any width, in light and dark, with no network."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import PLAIN, quietly
from PIL import Image
from test_report import NASTY, made

import recsim as rs
from recsim.palette import looks

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not there: pip install \"recsim-loop[dev]\"")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on the path")

ARMS = "greedy", "epsilon-greedy", "short", "survey"
KINDS = "run", "comparison", "study", "nasty"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages of a run, a comparison of four arms under two seeds, a study, and one with names made to break out."""
    folder = tmp_path_factory.mktemp("pages")
    arms = {
        "greedy": PLAIN, "epsilon-greedy": PLAIN.but(policy=rs.EpsilonGreedy(epsilon=0.3)), "short": PLAIN.but(slate=4),
        "survey": PLAIN.but(signals=(rs.Survey(count=20),)),
    }  # fmt: skip
    study = rs.Study(
        name="little", base=PLAIN, seeds=2,
        factors=(rs.Factor(path="slate", levels=(3, 5)), rs.Factor(path="choice.outside", levels=(2.0, 4.0))),
        keep=rs.Keep(windows=("last quarter", "every epoch"), metrics=("coverage*", "gini", "utility")),
    )  # fmt: skip
    found = {
        "run": rs.run(PLAIN.but(name="one"), seed=1, out=folder / "run", progress=False), "comparison": quietly(arms, 2),
        "study": rs.run_study(study, folder / "study", workers=1, progress=False),
        "nasty": made([f"{name} {at}" for at, name in enumerate(NASTY)], about="".join(NASTY[1:6])),
    }  # fmt: skip
    return {name: rs.report(what, folder / f"{name}.html") for name, what in found.items()}  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Chromium, without a window."""
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(browser: Browser, path: Path, width: int = 1280, scheme: Any = "light") -> tuple[Page, list[str]]:
    """Return a page with its charts drawn, and the list of all that it should not do: faults, warnings, and requests."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda fault: faults.append(str(fault)))
    page.on("dialog", lambda dialog: (faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda one: one.url.startswith(("file:", "data:")) or faults.append(one.url))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    return page, faults


def chart(page: Page, caption: str) -> Any:
    """Return the place of the chart with a caption."""
    return page.locator("figure", has=page.locator("strong", has_text=re.compile(f"^{caption}$"))).locator(".chart").first


def strokes(page: Page, caption: str) -> set[str]:
    """Return the colours of the lines in a chart."""
    drawn = chart(page, caption).locator("svg g.mark-line path")
    return {drawn.nth(at).get_attribute("stroke") or "" for at in range(drawn.count())} - {""}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1280])
@pytest.mark.parametrize("kind", KINDS)
def test_every_page_fits_and_is_quiet(kind: str, width: int, scheme: str, browser: Browser, pages: dict[str, Path]) -> None:
    """All charts are drawn, nothing sticks out to the side, no fault is told, and nothing is asked of a network."""
    page, faults = opened(browser, pages[kind], width, scheme)
    assert page.locator(".chart").count() == page.locator(".chart svg").count() > 4
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ends = page.evaluate("[...document.querySelectorAll('.chart svg')].map(one => one.getBoundingClientRect().right)")
    assert max(ends) <= width
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor + getComputedStyle(document.documentElement).color")
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light"), colour
    assert faults == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1280])
def test_charts_are_seen_on_the_screen(
    width: int, scheme: str, browser: Browser, pages: dict[str, Path], tmp_path: Path
) -> None:
    """A picture of the page has the ground of its scheme, the colour of every arm, and axes that stand out from the ground."""
    page, _ = opened(browser, pages["comparison"], width, scheme)
    page.screenshot(path=tmp_path / f"comparison-{width}-{scheme}.png", full_page=True)
    chart(page, "Coverage by the model").screenshot(path=tmp_path / "chart.png")
    page.close()
    seen = np.asarray(Image.open(tmp_path / "chart.png").convert("RGB"), np.float64)
    ground = seen[0, 0].mean()
    assert ground > 240 if scheme == "light" else ground < 40
    for name, look in looks(ARMS).items():
        colour = [int(look.colour[at : at + 2], 16) for at in (1, 3, 5)]
        assert (np.abs(seen - colour).max(axis=2) < 12).sum() > 15, name
    text = seen[:, : seen.shape[1] // 12].mean(axis=2)  # the labels of the axis
    assert np.abs(text - ground).max() > 90


@pytest.mark.parametrize(("width", "room"), [(390, False), (800, True), (1280, True)])
def test_what_is_jumped_to_is_seen(width: int, room: bool, browser: Browser, pages: dict[str, Path]) -> None:
    """A heading that the contents lead to stands below the controls where these stay at the top, elsewhere at the top."""
    page, faults = opened(browser, pages["nasty"], width)
    page.locator("nav a", has_text="Cost against coverage").click()
    heading = page.locator("h2", has_text="Cost against coverage").bounding_box()
    bar = page.locator(".controls").bounding_box()
    assert heading and bar
    lowest = bar["y"] + bar["height"] if room else 0.0
    assert (bar["y"] >= 0) == room
    assert lowest - 1 <= heading["y"] <= lowest + 30
    assert faults == []
    page.close()


def test_heads_of_rows_and_columns_stay(browser: Browser, pages: dict[str, Path]) -> None:
    """In a table that is scrolled within its place the arm and the head of a column are still to be read, word by word."""
    page, _ = opened(browser, pages["nasty"], 390)
    place = page.locator(".box", has=page.locator("caption", has_text=re.compile("^All arms$")))
    place.evaluate("one => { one.style.maxHeight = '15rem'; one.scrollLeft = 200; one.scrollTop = 150; }")
    outer, row, head = (one.bounding_box() for one in (place, place.locator("tbody th").nth(5), place.locator("thead th").nth(3)))
    assert outer and row and head
    assert (row["x"], head["y"]) == pytest.approx((outer["x"], outer["y"]), abs=1)
    word = place.locator("thead button", has_text="Concentration").bounding_box()
    assert word and word["width"] > 90  # of the word as a whole
    page.close()


def test_no_mark_lies_on_the_frame(browser: Browser, pages: dict[str, Path]) -> None:
    """The dots of the differences lie wholly between the ends of their chart, also where the largest is a round number."""
    page, _ = opened(browser, pages["nasty"])
    place = chart(page, "Cost")
    ends = "one => [...one.querySelectorAll('%s')].map(part => part.getBoundingClientRect()).map(box => [box.left, box.right])"
    where = "g.mark-symbol path", "g.role-frame.root > g > path.background"
    dots, (frame, *_) = (place.evaluate(ends % part) for part in where)
    assert len(dots) > 20
    assert frame[0] < min(left for left, _ in dots)
    assert frame[1] > max(right for _, right in dots)
    page.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_long_names_keep_both_ends(width: int, browser: Browser, pages: dict[str, Path]) -> None:
    """What has no room beside a chart loses its middle: names that are alike at first are told apart by their ends."""
    page, _ = opened(browser, pages["nasty"], width)
    (said,) = [text for text in chart(page, "Cost").locator("svg text").all_text_contents() if text.startswith("xxx")]
    assert re.fullmatch(r"x+…x+ 10", said)
    page.close()


def test_a_mark_says_what_it_is(browser: Browser, pages: dict[str, Path]) -> None:
    """Hovering over a line shows its arm, its epoch and its value; leaving it hides that."""
    page, _ = opened(browser, pages["comparison"])
    place = chart(page, "Coverage by the model")
    place.scroll_into_view_if_needed()
    mark = place.locator("svg g.mark-symbol").last.locator("path").nth(2)
    box = mark.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = page.locator("#tip")
    tip.wait_for(state="visible")
    told = tip.inner_text().split("\n")
    assert told[0] == "arm"
    assert told[1] in ARMS
    assert {"epoch", "value"} <= set(told)
    page.mouse.move(5, 5)
    tip.wait_for(state="hidden")
    page.close()


def test_a_strategy_can_be_hidden(browser: Browser, pages: dict[str, Path]) -> None:
    """Unticking an arm takes it out of every chart and table at once, and ticking it brings it back."""
    page, faults = opened(browser, pages["comparison"])
    colours = [look.colour for look in looks(ARMS).values()]
    blue = colours[1]
    assert (blue, len(set(colours))) == ("#3c69f0", 4)
    assert blue in strokes(page, "Coverage by the model")
    row = page.locator("tr[data-code=a1]", has_text="epsilon-greedy").last
    assert row.is_visible()
    before = chart(page, "Cost").locator("svg").bounding_box()
    page.locator("input[data-code=a1]").uncheck()
    page.wait_for_function("() => !document.querySelector('.chart svg').outerHTML.includes('#3c69f0')")
    assert blue not in strokes(page, "Coverage by the model") | strokes(page, "Concentration")
    assert not row.is_visible()
    assert page.locator("tr[data-code=a2]").last.is_visible()
    after = chart(page, "Cost").locator("svg").bounding_box()
    assert before and after and after["height"] < before["height"]
    page.locator("input[data-code=a1]").check()
    page.wait_for_function("() => document.querySelector('.chart svg').outerHTML.includes('#3c69f0')")
    assert row.is_visible()
    page.locator("button[data-all=no]").click()
    page.wait_for_function("() => !document.querySelector('.chart svg').outerHTML.includes('#808080')")
    assert strokes(page, "Concentration") == set()
    page.locator("button[data-all=yes]").click()
    page.wait_for_function("() => document.querySelector('.chart svg').outerHTML.includes('#3c69f0')")
    assert faults == []
    page.close()


PLANE = "What the model shows, and what people get"


@pytest.mark.parametrize(("kind", "caption"), [("run", "Lorenz curve"), ("comparison", PLANE)])
def test_epochs_are_scrubbed_by_keyboard(kind: str, caption: str, browser: Browser, pages: dict[str, Path]) -> None:
    """The slider goes back an epoch with the arrow key: what it says changes, and the chart with it."""
    page, faults = opened(browser, pages[kind])
    page.locator("#epoch").focus()
    said, drawn = page.locator("output").inner_text(), chart(page, caption).inner_html()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("([place, old]) => document.getElementById(place).innerHTML !== old",
                           arg=[chart(page, caption).get_attribute("id"), drawn])  # fmt: skip
    assert said.startswith("4, to day 13.3")
    assert page.locator("output").inner_text().startswith("3, to day 12.4")
    assert page.locator("#epoch").get_attribute("aria-valuetext") == page.locator("output").inner_text()
    assert faults == []
    page.close()


def test_the_slider_stays_in_reach_on_a_phone(browser: Browser, pages: dict[str, Path]) -> None:
    """Wherever one has scrolled to, the slider is on the screen, covers no more than a line, and every checkbox can be seen."""
    page, faults = opened(browser, pages["comparison"], 390)
    page.evaluate("document.querySelectorAll('.chart')[3].scrollIntoView()")
    box = page.locator("#epoch").bounding_box()
    high = page.evaluate("window.innerHeight")
    assert box is not None and high - 60 < box["y"] < box["y"] + box["height"] <= high
    assert page.locator(".keys").evaluate("keys => keys.scrollHeight <= keys.clientHeight")
    assert faults == []
    page.close()


@pytest.mark.parametrize("width", [390, 800])
def test_no_head_of_a_table_is_broken_within_a_word(width: int, browser: Browser, pages: dict[str, Path]) -> None:
    """Each word in a head of the tables of points and of settings stands in one line."""
    page, _ = opened(browser, pages["study"], width)
    heads = page.locator("thead bdi").evaluate_all(
        "all => all.filter(one => one.offsetHeight && !/[ _.-]/.test(one.textContent)).map(one => [one.textContent, "
        "one.offsetHeight])"
    )
    assert {"point", "slate", "coverage"} <= {str(text) for text, _ in heads}
    assert [text for text, height in heads if height > 30] == []
    page.close()


def test_tables_are_sorted_by_their_heads(browser: Browser, pages: dict[str, Path]) -> None:
    """A button in the head sorts by its column, the largest first, then the other way round, and says so."""
    page, _ = opened(browser, pages["comparison"])
    table = page.locator("table", has=page.locator("caption", has_text=re.compile("^All arms$")))
    head = table.locator("thead th").nth(2)
    assert head.get_attribute("aria-sort") == "none"
    for order in ("descending", "ascending"):
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == order
        values = [float(value.split(" ")[0]) for value in table.locator("tbody td:nth-child(3)").all_inner_texts()]
        assert values == sorted(values, reverse=order == "descending")
        assert len(set(values)) > 1
    table.locator("thead th").first.locator("button").click()
    assert table.locator("tbody th").all_inner_texts() == sorted(ARMS)
    assert head.get_attribute("aria-sort") == "none"
    page.close()


def test_names_stay_text(browser: Browser, pages: dict[str, Path]) -> None:
    """Names that would be markup or code elsewhere are read as they are, in keys, axes and tooltips, and run nothing."""
    page, faults = opened(browser, pages["nasty"])
    assert page.locator("img").count() == 0
    assert page.locator("label bdi").all_text_contents()[1] == "</script><script>alert(1)</script> 1"
    place = chart(page, "Cost")
    place.scroll_into_view_if_needed()
    assert "</script><script>" in " ".join(place.locator("svg text").all_text_contents())
    box = place.locator("svg g.mark-symbol").last.locator("path").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.locator("#tip").wait_for(state="visible")
    assert "</script>" in page.locator("#tip").inner_text()
    assert page.locator("#tip script, #tip img").count() == 0
    assert faults == []
    page.close()


@pytest.mark.parametrize(("kind", "scheme"), [*((kind, "light") for kind in KINDS), ("run", "dark"), ("comparison", "dark")])
def test_no_serious_hindrance_is_found(kind: str, scheme: str, browser: Browser, pages: dict[str, Path]) -> None:
    """Nothing is serious or critical to axe, with what is folded away unfolded; the tab key reaches the skip link first."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not there")
    page = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme, bypass_csp=True)  # type: ignore[arg-type]
    page.goto(pages[kind].as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = axe.Axe().run(page).response["violations"]
    bad = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in bad] == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.close()
