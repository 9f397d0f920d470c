"""Plans: what a comparison is, and the folder that says so, in which it can go on, with more seeds or arms."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsim.archive import versions
from recsim.cells import slug
from recsim.errors import RecsimError
from recsim.files import PART, absent, appearing, faults, whole
from recsim.scenario import Scenario

KEPT = "comparison.json"
FRESH = "choose another folder, or go on with the comparison in it by resuming it"
_OPTIONS = ("seeds", "warm_up", "last", "price_click", "equal_cost", "settings", "tuning_seeds")


@dataclass
class Plan:
    """What a comparison is, and its folder: arms/ and cells/, levels/ of strengths, and `comparison.json`."""

    arms: dict[str, Scenario]
    seeds: list[int]
    warm_up: float
    last: int
    price_click: float
    equal_cost: float | None = None
    settings: dict[str, str | None] = field(default_factory=dict)
    tuning_seeds: list[int] = field(default_factory=list)
    strengths: list[dict[str, Any]] = field(default_factory=list)
    folder: Any = None

    @classmethod
    def read(cls, folder: Path) -> Plan:
        """Return what a folder holds.

        Raises RecsimError when that is no comparison, or a damaged one.
        """
        try:
            kept = json.loads((folder / KEPT).read_text(encoding="utf-8"))
            kept = {key: kept[key] for key in (*_OPTIONS, "arms", "strengths")}
            for name in kept["arms"]:
                name.encode()  # JSON can tell of letters that cannot be written
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise RecsimError(f"{folder}: holds no comparison that can be read; give the folder that one has written") from None
        arms = {name: Scenario.load(folder / _arm_file(place, name)) for place, name in enumerate(kept.pop("arms"))}
        return cls(arms=arms, folder=folder, **kept)

    def joined(self, asked: Plan) -> Plan:
        """Return this comparison with the arms and seeds that are asked for as well.

        Raises RecsimError where it is another comparison: an arm differs or is missing, or what its cells follow from.
        """
        mend = f"give what {self.folder / KEPT} says, or another folder"
        if next(iter(asked.arms)) != next(iter(self.arms)):
            raise RecsimError(f"{self.folder}: its first arm is {next(iter(self.arms))}; {mend}")
        for name, arm in self.arms.items():
            if name not in asked.arms or asked.arms[name].hash != arm.hash:
                how = "is another scenario there" if name in asked.arms else "is missing here"
                raise RecsimError(f"{self.folder}: holds a comparison of other arms, {name} {how}; {mend}, or only add arms")
        fixed = ["warm_up", "equal_cost"] + (["price_click"] if self.equal_cost is not None else [])
        for name in fixed:
            if getattr(self, name) != getattr(asked, name):
                raise RecsimError(f"{self.folder}: holds a comparison with {name} {getattr(self, name)}; {mend}")
        taken = set(self.tuning_seeds) & set(asked.seeds)
        if taken:
            raise RecsimError(f"seeds: strengths were tuned on seed {min(taken)}; report seeds below {min(self.tuning_seeds)}")
        arms = self.arms | {name: arm for name, arm in asked.arms.items() if name not in self.arms}
        seeds = sorted({*self.seeds, *asked.seeds})
        return Plan(
            arms, seeds, self.warm_up, asked.last, asked.price_click, self.equal_cost, asked.settings | self.settings,
            self.tuning_seeds, self.strengths, self.folder,
        )  # fmt: skip

    def create(self, folder: Path) -> None:
        """Make the folder.

        Raises RecsimError when it is there already, or cannot be made.
        """
        absent(folder, FRESH)
        with appearing(folder) as self.folder:
            self.save("running")
        self.folder = folder

    def save(self, status: str) -> None:
        """Write arms and options."""
        if self.folder is None:
            return
        with faults(self.folder):
            (self.folder / "arms").mkdir(exist_ok=True)
        for place, (name, arm) in enumerate(self.arms.items()):
            _text(self.folder / _arm_file(place, name), arm.toml())
        options = {key: getattr(self, key) for key in _OPTIONS}
        about = {"status": status, "arms": list(self.arms)} | options | {"strengths": self.strengths, "versions": versions()}
        _text(self.folder / KEPT, json.dumps(about, indent=2) + "\n")

    def tuned(self) -> dict[str, Scenario]:
        """Return the arms as they are run: at their tuned strengths."""
        found = {row["arm"]: {row["setting"]: repr(row["strength"])} for row in self.strengths}
        return {name: arm.with_settings(found[name]) if name in found else arm for name, arm in self.arms.items()}


def _arm_file(place: int, name: str) -> str:
    return f"arms/{place:02d}-{slug(name)}.toml"


def clear(folder: Path) -> None:
    """Remove what was being written when a process was killed."""
    with faults(folder):
        for part in folder.rglob(f".*{PART}"):
            part.unlink()


def _text(path: Path, text: str) -> None:
    with whole(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")
