"""The shape of the code: imports run down only, heavy libraries stay in their rooms, importing changes nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import recsim
from recsim.cells import APART

HOME = Path(recsim.__file__).parent
FLOORS = [
    {"cli", "__main__"},
    {"arguments", "telling"},
    {"reports"},
    {"armspage", "runpage", "studypage"},
    {"figures", "provenance"},
    {"pages", "forecast"},
    {"plot", "expectation", "searching", "answers", "tipping"},
    {"coclicks", "exposures", "narrowing", "standings", "studypictures", "timelines"},
    {"surfaces", "fronts"},
    {"contrasts"},
    {"outcomes"},
    {"comparison", "abtest", "attribution", "recovery", "studies", "resampling", "robustness"},
    {"drawing", "plans", "tuning", "executors"},
    {"workers"},
    {"cells"},
    {"running", "arms", "offpolicy", "keeping"},
    {"simulation"},
    {"clock", "crowd", "feed", "benchmark"},
    {"stock"},
    {"archive"},
    {"scenario", "clickworlds"},
    {"replays"},
    {"calibration"},
    {"shortlists", "counting", "slates", "logrows", "slots", "tiles"},
    {
        "recommenders", "policies", "training", "behaviour", "dynamics", "presence", "creators", "births", "signals",
        "metrics", "clickmodels", "polarisation", "variety",
    },
    {"candidates", "posteriors", "models", "likelihoods", "concentration", "rarity", "accuracy", "likeness", "groups"},
    {"lottery"},
    {"world", "network", "estimators"},
    {"catalog", "population", "consumption", "eventlog", "datasets", "impressions", "designs", "stores", "settings"},
    {"recipe", "files", "progress", "logfiles", "simplex", "survival", "amounts", "ratios", "bisection", "charts", "solvers"},
    {"errors", "randomness", "inference", "tables", "console", "palette", "verdict", "panels", "codes"},
    {"kernels", "ahead", "interpreters"},
]  # fmt: skip
MODULES = {path.stem for path in HOME.glob("*.py")} - {"__init__"}
# population takes the Dirichlet draws of catalog: people and items share their topics
NEIGHBOURS = {("population", "catalog"), ("__main__", "cli")}
ROOMS = {
    "simpy": {"clock"}, "implicit": {"solvers"}, "numba": {"kernels"}, "seaborn": {"studypictures"},
    "sklearn": {"calibration", "surfaces"},
    "typer": {"cli"}, "networkx": {"network", "coclicks"}, "joblib": {"cells"},
    "distributed": {"executors"}, "cloudpickle": {"workers"}, "filelock": {"stores"}, "optuna": {"searching"},
    "altair": {"charts"}, "vl_convert": {"charts"}, "jinja2": {"pages"},
}  # fmt: skip


def imports(module: str) -> set[str]:
    """Return the full names of all that a module imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((HOME / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_module_has_its_floor() -> None:
    """The list of floors names all modules, each once."""
    assert sorted(name for floor in FLOORS for name in floor) == sorted(MODULES | {"__main__"})


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_run_down_only(module: str) -> None:
    """A module imports from lower floors only, and families never import each other."""
    level = {name: number for number, floor in enumerate(FLOORS) for name in floor}
    ours = {name.split(".")[1] for name in imports(module) if name.startswith("recsim.")} & MODULES
    assert {other for other in ours if level[other] <= level[module] and (module, other) not in NEIGHBOURS} == set()


@pytest.mark.parametrize("library", sorted(ROOMS))
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    """One module alone imports each of these libraries."""
    named = {m for m in MODULES if any(name.split(".")[0] == library for name in imports(m))}
    asked = {m for m in MODULES if f'import_module(f"{library}.' in (HOME / f"{m}.py").read_text(encoding="utf-8")}
    assert named | asked <= ROOMS[library]


def test_what_makes_a_cell_is_told_by_its_identity() -> None:
    """No module that a cell is made by is left out of the source text in its identity, but those that only tell."""
    reached: set[str] = set()
    new = {"cells"}
    while new:
        reached |= new
        new = {name.split(".")[1] for module in new for name in imports(module) if name.startswith("recsim.")} & MODULES - reached
    assert reached & set(APART) == {"progress", "tables", "verdict"}
    assert set(APART) - {"__init__"} < MODULES


def test_nothing_is_pickled_or_evaluated() -> None:
    """No module names pickle, eval or exec, nor numpy's own randomness."""
    for path in HOME.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            assert name not in ("pickle", "eval", "exec", "default_rng", "RandomState"), f"{path.name}: {name}"


def test_nothing_is_left_open() -> None:
    """No method says that it is not there: what a kind must bring is abstract, or said by its family in one line."""
    for path in HOME.glob("*.py"):
        names = {node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)}
        assert "NotImplementedError" not in names, path.name


def test_importing_is_light_and_changes_nothing() -> None:
    """`import recsim` loads no other library, and sets nothing up."""
    code = (
        "import sys, os, warnings; before = dict(os.environ), list(warnings.filters); import recsim\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'pydantic', 'matplotlib', 'implicit', 'simpy', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert before == (dict(os.environ), list(warnings.filters))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, cwd=HOME.parent)


def test_every_public_name_is_there_and_documented() -> None:
    """All names that recsim hands out exist, are the ones that type checkers see, and have a docstring of their own."""
    assert {*recsim._HOME, *recsim._MODULES} == set(recsim.__all__)
    seen = {name.split(".")[-1] for name in imports("__init__") if name.startswith("recsim.") and name.count(".") > 1}
    assert seen == set(recsim._HOME)
    for name in recsim.__all__:
        text = vars(getattr(recsim, name)).get("__doc__") or getattr(recsim, name).__doc__
        assert text and not text.startswith(f"{name}("), name


def test_every_scenario_is_packaged() -> None:
    """A wheel brings all scenario files, so that they are found by name where recsim is installed."""
    import tomllib

    root = HOME.parent
    brought = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = {f"scenarios/{path.name}" for path in (root / "scenarios").glob("*.toml")} | {"scenarios/strategies"}
    assert brought["force-include"] == {file: f"recsim/{file}" for file in files}
