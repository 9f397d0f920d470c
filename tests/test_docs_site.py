"""The documentation: its site builds, every link in it leads somewhere, it needs no network, and what it shows exists."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from conftest import ROOT, environment
from filelock import FileLock
from typer.main import get_command

import recsim as rs
from recsim import cli, metrics
from recsim.recipe import FAMILIES, family

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src"}


# ------------------------------------------------------------------------------------------------------------- the site
@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Return the folder of the built site, built once for all processes of a test run; warnings fail it."""
    for library in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(library, reason="the site is built with what recsim-loop[docs] brings")
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if hasattr(request.config, "workerinput") else shared
    out, told = shared / "site" / "html", shared / "site.txt"
    with FileLock(shared / "site.lock"):
        if not told.exists():
            command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(out)]
            built = subprocess.run(command, capture_output=True, text=True, timeout=250, env=environment(), cwd=shared)
            told.write_text(f"{built.returncode}\n{built.stdout}{built.stderr}", encoding="utf-8")
    assert told.read_text(encoding="utf-8").strip() == "0", told.read_text(encoding="utf-8")
    return out


class Page(HTMLParser):
    """What a page links to, what it loads, and what in it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag == "a" and given.get("href"):
            self.links.add(given["href"])
        if tag in LOADED and given.get(LOADED[tag]):
            self.loads.add(given[LOADED[tag]])
        self.loads |= {part.strip().split(" ")[0] for part in given.get("srcset", "").split(",") if part.strip()}


def read(folder: Path) -> dict[Path, Page]:
    """Return all pages of a built site by path."""
    return {path.resolve(): Page(path) for path in folder.rglob("*.html")}


def astray(folder: Path) -> list[str]:
    """Return the links and files that lead nowhere within a site, as "page: link"."""
    pages, lost = read(folder), []
    for path, page in pages.items():
        for link in page.links | page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            goal = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[goal].ids if goal in pages else None
            if not goal.is_file() or (parts.fragment and anchors is not None and unquote(parts.fragment) not in anchors):
                lost.append(f"{path.name}: {link}")
    return sorted(lost)


def outside(folder: Path) -> list[str]:
    """Return the scripts, styles, fonts and images that a site would fetch from elsewhere."""
    named = [f"{path.name}: {load}" for path, page in read(folder).items() for load in page.loads if urlsplit(load).netloc]
    for path in folder.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")\s]+)", path.read_text(encoding="utf-8"))
        named += [f"{path.name}: {address}" for address in found]
    for path in [*folder.rglob("*.html"), *folder.rglob("*.js")]:
        text = path.read_text(encoding="utf-8")
        found = re.findall(r"\b(?:import|fetch|importScripts)\s*\(?\s*['\"]((?:https?:)?//[^'\"]+)", text)
        named += [f"{path.name}: {address}" for address in found]
    return sorted(named)


def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    """The site builds without a warning; its links, anchors, images and files are all there."""
    assert len(read(site)) > len(PAGES)
    assert astray(site) == []


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No script, style, font or image has an address outside the site, and formulas are in the page itself."""
    assert outside(site) == []
    text = (site / "model.html").read_text(encoding="utf-8")
    assert text.count("<math") > 20 and "merror" not in text


def test_what_is_wrong_with_a_site_is_found(tmp_path: Path) -> None:
    """A link to no page, one to no anchor, an address elsewhere in a page, and one in a style are each named."""
    (tmp_path / "one.html").write_text(
        '<h1 id="top">x</h1><a href="two.html">a</a><a href="#top">b</a><a href="#end">c</a><a href="https://example.org">d</a>'
        '<img src="here.png"><script src="//example.org/x.js"></script>', encoding="utf-8"
    )  # fmt: skip
    (tmp_path / "one.css").write_text("@font-face { src: url('https://example.org/font.woff') }", encoding="utf-8")
    assert astray(tmp_path) == ["one.html: #end", "one.html: here.png", "one.html: two.html"]
    assert outside(tmp_path) == ["one.css: https://example.org/font.woff", "one.html: //example.org/x.js"]


def test_the_reference_names_everything(site: Path) -> None:
    """Every kind, metric, command and public name has its place, made from the code."""
    pages = {name: Page(site / "_generated" / f"{name}.html") for name in ("settings", "metrics", "commands", "api")}
    every = {kind: recipe for base in FAMILIES.values() for kind, recipe in family(base).items()}
    kinds = {kind for kind, recipe in every.items() if recipe.__module__.startswith("recsim.")}  # other tests make some too
    assert {kind for kind in kinds if f"kind-{kind.lower()}" not in pages["settings"].ids} == set()
    modules = {name for name in rs.__all__ if isinstance(getattr(rs, name), ModuleType)}
    named = {name for name in rs.__all__ if f"recsim.{name}" not in pages["api"].ids}
    assert named - modules - kinds - set(family(rs.Design)) == set()
    assert {name for name in metrics.__all__ if f"recsim.metrics.{name}" not in pages["metrics"].ids} == set()
    text = (site / "_generated" / "metrics.html").read_text(encoding="utf-8")
    assert {name for name in (*metrics.METRICS, *metrics.GROUPED) if f">{name}</span>" not in text} == set()
    assert {name for name in get_command(cli.app).commands if f"recsim-{name}" not in pages["commands"].ids} == set()


# ------------------------------------------------------------------------------------------------- the text it is made from
def test_every_page_is_in_a_table_of_contents() -> None:
    """A page that no toctree names cannot be found by those who read the site."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
    lines = "\n".join(re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL)).splitlines()
    named = {line.strip().removesuffix(".md") for line in lines} | {"index"}
    missing = [path.name for path in PAGES if path.stem not in named]
    assert [f"docs/{name} is in no toctree; name it in one of docs/index.md" for name in missing] == []


def blocks(kind: str) -> list[Any]:
    """Return the code blocks of one kind in README, CONTRIBUTING and docs, each as a test parameter."""
    found = {path.name: re.findall(rf"```{kind}\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL) for path in TEXTS}
    return [pytest.param(text, id=f"{name}-{number}") for name, texts in found.items() for number, text in enumerate(texts)]


def commands_of(text: str) -> list[list[str]]:
    """Return what follows recsim in each command of a shell block, as words."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||[|>]", line.split(" #")[0] if not line.startswith("#") else ""):
            words = shlex.split(part)
            found += [[word.strip("[]") for word in words[1:]]] if words and words[0].split("/")[-1] == "recsim" else []
    return found


def understood(words: list[str]) -> dict[str, Any]:
    """Return what the command line makes of some words; raises where it knows no such command or option."""
    command: Any = get_command(cli.app)
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        if command.name == "study" and words[0] not in command.commands:
            words = ["run", *words]  # its name may be left out
        if words[0] not in command.commands:
            raise ValueError(f"no such command: {words[0]}")
        command, words = command.commands[words[0]], words[1:]
    context = command.make_context("recsim", [], resilient_parsing=True)
    context.resilient_parsing = False
    given, rest, _ = command.make_parser(context).parse_args(list(words))
    if rest:
        raise ValueError(f"no such argument: {rest[0]}")
    return dict(given)


@pytest.mark.parametrize("text", blocks("sh"))
def test_commands_in_the_documents_exist(text: str) -> None:
    """Each recsim command of a block is one, has these options, and names scenarios and studies that are there."""
    names = {path.stem for folder in ("scenarios", "scenarios/strategies") for path in (ROOT / folder).glob("*.toml")}
    for words in commands_of(text):
        given = understood(words)
        told = [given.get("scenario"), *(given.get("scenarios") or ())]
        assert [name for name in told if name and not name.endswith(".toml") and name not in names] == []
        assert [word for word in words if word.startswith("scenarios/") and not (ROOT / word).exists()] == []


@pytest.mark.parametrize("words", ["rum", "run --sede 3", "study tipping x.toml --metrik gini", "compare greedy --seeds"])
def test_a_command_that_is_none_is_found(words: str) -> None:
    """What is no command, no option, or lacks its value, does not pass for one."""
    with pytest.raises(Exception, match=r"(?i)no such|requires an argument"):
        understood(words.split())


@pytest.mark.parametrize("text", blocks("toml"))
def test_tables_in_the_documents_load(text: str, tmp_path: Path) -> None:
    """Each block of TOML is a scenario, a study, or an entry point that recsim looks for."""
    table = tomllib.loads(text)
    if "project" in table:
        assert list(table["project"]["entry-points"]) == ["recsim.kinds"]
    elif "factors" in table:
        folder = tmp_path / "scenarios" / "studies"  # a base is named from where a study lies
        shutil.copytree(ROOT / "scenarios", folder.parent)
        (folder / "written.toml").write_text(text, encoding="utf-8")
        assert len(rs.Study.load(folder / "written.toml").factors) == len(table["factors"])
    else:
        rs.Scenario.parse(table)


def test_docstrings_become_markdown_that_says_the_same() -> None:
    """Powers, products and angle brackets are no marks of Markdown, and examples are fenced."""
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec and spec.loader
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.prose("2**32 and 3**4, `2**5`, *rate*") == r"2\*\*32 and 3\*\*4, `2**5`, *rate*"
    assert generate.prose('uniform("<kind>.coin") < rate') == r'uniform("\<kind>.coin") \< rate'
    assert generate.prose("(a\n- b) * c") == "(a\n\\- b) \\* c"
    assert generate.prose("Return 1.\n\n>>> one()\n1") == "Return 1.\n\n\n```python\n>>> one()\n1\n```\n"


# ------------------------------------------------------------------------------------------------------------- citation
def test_the_citation_agrees_with_the_package() -> None:
    """CITATION.cff has what CFF 1.2 asks for, and the version and licence of pyproject.toml."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert str(cited["cff-version"]) == "1.2.0" and cited["type"] == "software"
    assert str(cited["version"]) == project["version"]
    assert cited["license"] == project["license"] and (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License")
    assert [author["name"] for author in cited["authors"]] == ["The recsim authors"]
