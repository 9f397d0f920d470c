"""What a command is asked for: scenarios by file or name, settings by path, folders, and the data that they need."""

from __future__ import annotations

import os
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from recsim.console import warn
from recsim.errors import RecsimError, nearest

if TYPE_CHECKING:
    from recsim.scenario import Scenario
    from recsim.studies import Study


def scenario_of(name: str | None, settings: list[str] | None, base: str | None = None) -> Scenario:
    """Return the scenario of a file, or the packaged one of that name, on another base if one is given, with settings changed."""
    from recsim.scenario import Scenario

    below = _file(base) if base else None
    return Scenario.load(_file(name or "quickstart"), below).with_settings(_by_path(settings))


def _file(name: str) -> Path:
    """Return the path of a scenario file.

    Raises RecsimError, with the nearest name, when there is none.
    """
    packaged, path = _packaged(), Path(name)
    if path.is_file():
        return path
    if name in packaged:
        return packaged[name]
    if path.exists():
        raise RecsimError(f"{name}: is not a file; name a scenario file, or one of {', '.join(sorted(packaged))}")
    beside = [str(path.with_name(other.name)) for other in path.parent.glob("*.toml")]
    raise RecsimError(f"{name}: there is no such scenario; {nearest(name, [*packaged, *beside[:20]])}")


def _packaged() -> dict[str, Path]:
    """Return the scenarios that come with recsim, by name; in a checkout they lie beside the package."""
    here = Path(__file__).parent
    folder = next((place for place in (here / "scenarios", here.parent / "scenarios") if place.is_dir()), here)
    return {path.stem: path for path in (*sorted(folder.glob("strategies/*.toml")), *sorted(folder.glob("*.toml")))}


def _by_path(settings: list[str] | None) -> dict[str, str]:
    """Return settings by dotted path, the last one given of each."""
    parts = [text.partition("=") for text in settings or []]
    for path, equals, value in parts:
        if not (path and equals):
            raise RecsimError(f"--set {path}{equals}{value}: is no PATH=VALUE; write --set recommender.factors=64")
    return {path.strip(): value.strip() for path, _, value in parts}


def resumed(name: str | None, settings: list[str] | None, out: Path | None) -> Scenario:
    """Return the scenario that a run to go on with must be of: the one named, or what its folder says."""
    from recsim.archive import read_manifest
    from recsim.scenario import Scenario

    if out is None:
        raise RecsimError("--resume: there is no folder to go on with; name it with --out")
    read_manifest(out)
    if name is not None:
        return scenario_of(name, settings)
    return Scenario.load(out / "scenario.toml").with_settings(_by_path(settings))


def free(folder: Path) -> Path:
    """Return the folder, or the first of folder-2, folder-3, ... that is not there."""
    others = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return next(path for path in chain([folder], others) if not os.path.lexists(path))


def provided(scenario: Scenario) -> str:
    """Fetch and calibrate the known logs that a scenario asks for, and return their terms and citation in a line."""
    from recsim.calibration import provide
    from recsim.datasets import KNOWN, cache, fetch

    asked = {str(getattr(part, "world", "")) for part in (scenario.population, scenario.catalog)}
    lines = []
    for name in sorted(asked & set(KNOWN)):
        if not (cache() / name).exists():
            warn(f"fetching {name} into {cache()} ...")
        terms = fetch(name) / "TERMS.txt"
        provide(name)
        lines.append(f"People and items are fitted to {name}. {_citation(terms)} Terms: {terms}")
    return "\n".join(lines)


def _citation(terms: Path) -> str:
    """Return the paragraph of a data set's terms that says how to cite it, in one line."""
    paragraphs = terms.read_text(encoding="utf-8").split("\n\n")
    return " ".join(next((text for text in paragraphs if text.startswith("Cite:")), "").split())


def arms_of(
    names: list[str], settings: list[str] | None, base: str | None, controls: bool, warm_up: float | None
) -> dict[str, Scenario]:
    """Return scenarios by their names, or by those of their files where two are called alike; then the controls of the first."""
    from recsim.arms import parting_day

    found = [scenario_of(name, settings, base) for name in names]
    stems = [Path(name).stem for name in names]
    called = [arm.name for arm in found]
    calls = [stem if called.count(call) > 1 else call for call, stem in zip(called, stems, strict=True)]
    twice = sorted({call for call in calls if calls.count(call) > 1})
    if twice:
        raise RecsimError(f"compare: two scenarios are called {twice[0]}; give each a name of its own")
    more = found[0].controls(parting_day(found[0], warm_up)) if controls and found else {}
    return dict(zip(calls, found, strict=True)) | {name: arm for name, arm in more.items() if name not in calls}


def strengths_of(given: list[str] | None) -> dict[str, str | None]:
    """Return the setting that is the strength of each arm, as it was given; None for an arm that is to stay as it is."""
    parts = [text.partition("=") for text in given or []]
    for name, equals, path in parts:
        if not (name and equals):
            raise RecsimError(f"--strength {name}{equals}{path}: is no ARM=PATH; write --strength exploring=policy.epsilon")
    return {name.strip(): path.strip() or None for name, _, path in parts}


def study_of(file: Path) -> Study:
    """Return the study of a file, and fetch the known logs that its base asks for.

    Raises RecsimError, with the nearest name, when there is no such file.
    """
    from recsim.studies import Study

    if not file.exists():
        beside = [str(file.with_name(other.name)) for other in file.parent.glob("*.toml")]
        raise RecsimError(f"{file}: there is no such study; {nearest(str(file), beside[:20])}")
    study = Study.load(file)
    provided(study.base)
    return study
