"""Scenario: one frozen value that says all about a world, its feed and its timetable; from and to TOML."""

from __future__ import annotations

import hashlib
import json
import tomllib
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import Field, ValidationError, field_validator, model_validator

import recsim.slots  # noqa: F401  (its kind of policy is known once it is imported)
from recsim.behaviour import Choice, Luce, Pace, Poisson
from recsim.births import Birth
from recsim.calibration import CalibratedItems, CalibratedUsers
from recsim.catalog import Catalog, SyntheticItems
from recsim.creators import Creators
from recsim.dynamics import Dynamics
from recsim.errors import RecsimError
from recsim.files import read_toml
from recsim.network import Network
from recsim.policies import Greedy, Policy
from recsim.population import Population, SyntheticUsers
from recsim.presence import Arrivals, Lifetime
from recsim.recipe import FAMILIES, FAMILY, Kind, Recipe, explain, family, plain
from recsim.recommenders import ALS, Oracle, Popularity, Random, Recommender
from recsim.replays import LogReplay
from recsim.settings import changed
from recsim.signals import AnchorReplay, OrganicLift, Signal
from recsim.training import Rule, intervals
from recsim.world import DAY


class Retrain(Recipe):
    """When models are trained: every *every* days on the rows before that second, live *latency* days later."""

    every: float = Field(7.0, ge=1 / DAY, description="days from one cut to the next, at least a second")
    latency: float = Field(0.0, ge=0, description="days from a cut to the deployment; less than every")

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if round(self.latency * DAY) >= round(self.every * DAY):
            raise ValueError("latency must be shorter than every")
        return self


class Scenario(Recipe):
    """People, feed and timetable of one world. Every setting has a default; days are days of simulated time."""

    name: str = Field("scenario", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$", description="a name for folders")
    about: str = Field("", max_length=2000, description="what to look at, in a sentence")
    days: float = Field(140.0, ge=1 / DAY, le=1e6, description="length of the run, at least a second")
    slate: int = Field(10, ge=1, le=1000, description="positions of a slate")
    world_seed: int = Field(1, ge=0, lt=2**63, description="seed that draws people and items")
    population: Kind[Population] = Field(default_factory=SyntheticUsers, description="who the people are")
    catalog: Kind[Catalog] = Field(default_factory=SyntheticItems, description="what there is to consume")
    births: tuple[Birth, ...] = Field((), description="interests that come into the world on a day")
    network: Kind[Network] | None = Field(None, description="who is a friend of whom; without one nobody is")
    creators: tuple[Kind[Creators], ...] = Field((), description="who releases items while the world goes on")
    visits: Kind[Pace] = Field(default_factory=Poisson, description="when people come")
    choice: Kind[Choice] = Field(default_factory=Luce, description="what people click")
    consumption: Literal["once", "again"] = Field("once", description="whether an item can be consumed again")
    consumed: Literal["leave", "stay"] = Field("leave", description="whether consumed items leave the slate or stay")
    arrivals: Kind[Arrivals] | None = Field(None, description="when new people come; without it nobody does")
    lifetime: Kind[Lifetime] | None = Field(None, description="how long people stay whatever happens; without it, for ever")
    dynamics: tuple[Kind[Dynamics], ...] = Field((), description="how people change, one after the other")
    recommender: Kind[Recommender] = Field(default_factory=ALS, description="how models are trained")
    policy: Kind[Policy] = Field(default_factory=Greedy, description="how a ranking becomes a slate")
    start: Kind[Recommender] = Field(default_factory=Random, description="what serves before the first deployment")
    retrain: Retrain = Field(default_factory=Retrain, description="when models are trained")
    training: tuple[Kind[Rule], ...] = Field((), description="rules that choose and weigh rows, in this order")
    signals: tuple[Kind[Signal], ...] = Field((), description="streams of human signal")
    open_loop: bool = Field(False, description="whether models learn from what people would do unsteered: the placebo")
    readings_every: float = Field(0.0, ge=0, description="days between readings within an epoch; 0: epochs only")
    graphs: bool = Field(False, description="whether to measure the graphs of co-clicks in every epoch: polarisation")
    benchmark: int = Field(0, ge=0, le=1000, description="items a list of the team's benchmark of every epoch; 0: none is taken")
    log: Literal["clicks", "impressions"] = Field("clicks", description="what the run folder keeps row by row")

    @field_validator("readings_every")
    @classmethod
    def _readable(cls, days: float) -> float:
        if 0 < round(days * DAY, 9) < 1:
            raise ValueError("must be 0 or at least a second")
        return days

    @field_validator("births")
    @classmethod
    def _apart(cls, births: tuple[Birth, ...]) -> tuple[Birth, ...]:
        names = [birth.name for birth in births]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two are called {twice}; give each a name of its own")
        if len(births) > 50:
            raise ValueError(f"there are {len(births)}, and 50 is the most")
        return births

    @field_validator("creators")
    @classmethod
    def _few(cls, creators: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(creators) > 200:
            raise ValueError(f"there are {len(creators)}, and 200 is the most")
        return creators

    @model_validator(mode="after")
    def _placebo(self) -> Self:
        if self.open_loop and self.recommender.counts_impressions:
            raise ValueError("open_loop teaches rows that nobody was shown, but the recommender learns from click rates")
        if self.open_loop and self.policy.counts_impressions:
            raise ValueError(f"open_loop teaches rows that nobody was shown, but {self.policy.kind} learns from click rates")
        return self

    @model_validator(mode="after")
    def _same_world(self) -> Self:
        for signal in self.signals:
            if isinstance(signal, LogReplay):
                people, items = self.population, self.catalog
                same = isinstance(people, CalibratedUsers) and people.users is None and people.world == signal.world
                if not (same and isinstance(items, CalibratedItems) and items.world == signal.world):
                    raise ValueError(
                        f"LogReplay replays what the people of {signal.world} did with its items; let population be "
                        "CalibratedUsers of that world, without a number of users, and catalog its CalibratedItems"
                    )
        return self

    @field_validator("training", "signals", "dynamics", "creators", "births", mode="before")
    @classmethod
    def _listed(cls, tables: Any) -> Any:
        return tuple(tables) if isinstance(tables, list) else tables

    @classmethod
    def load(cls, path: str | Path, base: str | Path | None = None) -> Scenario:
        """Return the scenario of a TOML file; without a name of its own it is called after the file.

        A file may name another as its `base`, by a path from where it lies: what it says itself, table by table,
        replaces what the base says. base: another file to stand in for that one. Raises RecsimError in one line when
        a file is missing, broken, or wrong in any setting.
        """
        return cls.parse(_with_base(Path(path), base), where=str(path), name=Path(path).stem)

    @classmethod
    def parse(cls, table: dict[str, Any], where: str = "scenario", name: str = "scenario") -> Scenario:
        """Return the scenario of a nested table, as TOML gives it."""
        try:
            return cls.model_validate({"name": name} | table)
        except ValidationError as fault:
            raise RecsimError(f"{where}: {explain(fault, cls)}") from None

    def with_settings(self, settings: dict[str, str], where: str = "--set") -> Scenario:
        """Return the scenario with settings given as text by dotted path, such as {"recommender.factors": "64"}."""
        try:
            return changed(self, {path: _value(text) for path, text in settings.items()})
        except RecsimError as fault:
            raise RecsimError(f"{where} {fault}") from None

    def controls(self, from_day: float = 0.0) -> dict[str, Scenario]:
        """Return the arms beside which an effect of the loop can be seen, by name.

        oracle: ranks by true preference, the upper bound. random: no model. popularity: no personal model. no feed:
        all visits are organic. open loop: the same feed, but models learn from what people would have done unsteered; not
        there where a strategy learns from click rates, since of what nobody was shown there is none. all items known: a
        row by somebody who wants it for every item, so that no item is missing for want of a first click; put in on
        *from_day*, where arms part later than at the beginning.
        """
        plain = self.but(policy=Greedy())
        to_day = float("inf") if intervals(self.training) else from_day + 1 / DAY  # without a window it stays for ever
        known = AnchorReplay(each="item", rate=1.0, from_day=from_day, to_day=to_day)
        from_clicks = not (self.recommender.counts_impressions or self.policy.counts_impressions)
        return {
            "oracle": plain.but(recommender=Oracle(), start=Oracle()),
            "random": plain.but(recommender=Random(), start=Random()),
            "popularity": plain.but(recommender=Popularity()),
            "no feed": self.but(signals=(*self.signals, OrganicLift(rate=1.0))),
            **({"open loop": self.but(open_loop=True)} if from_clicks else {}),
            "all items known": self.but(signals=(*self.signals, known)),
        }

    def models(self, day: float) -> tuple[int, int]:
        """Return how many models are cut before a day, and how many are deployed before it.

        >>> Scenario(days=28).models(14.0), Scenario(days=28).models(14.5)
        ((1, 1), (2, 2))
        """
        second, every, latency = (round(days * DAY) for days in (day, self.retrain.every, self.retrain.latency))
        return max(0, (second - 1) // every), max(0, (second - 1 - latency) // every)

    @property
    def epochs(self) -> int:
        """How many epochs a run has: one before the first deployment, and one from each on."""
        return self.models(self.days)[1] + 1

    def end_of(self, epoch: int) -> float:
        """Return the day on which an epoch ends."""
        every, latency = (round(days * DAY) for days in (self.retrain.every, self.retrain.latency))
        return min(((epoch + 1) * every + latency) / DAY, self.days)

    def table(self) -> dict[str, Any]:
        """Return the scenario as a nested table of plain values, every setting written out."""
        table: dict[str, Any] = plain(self.model_dump())
        return table

    def toml(self) -> str:
        """Return the scenario as TOML, every setting written out; `load` gives an equal scenario back."""
        import tomli_w

        return tomli_w.dumps(self.table())

    @property
    def hash(self) -> str:
        """The SHA-256 of all settings but name and about, as hexadecimal text."""
        table = {key: value for key, value in self.table().items() if key not in ("name", "about")}
        return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a scenario file, with all kinds that are known, for editors.

    JSON has no infinity: a setting whose default is one has no default there, but a comment that says it.
    """
    whole = Scenario.model_json_schema()
    definitions: dict[str, Any] = whole.pop("$defs", {})
    for base in FAMILIES.values():
        for kind, recipe in family(base).items():
            table = recipe.model_json_schema()
            definitions |= table.pop("$defs", {})
            table["properties"] = {"kind": {"const": kind}} | table.get("properties", {})
            definitions[kind] = table | {"required": ["kind", *table.get("required", [])]}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | whole | {"$defs": definitions}
    return cast("dict[str, Any]", _with_kinds(schema))


def _with_kinds(schema: Any) -> Any:
    """Return the schema with every place for a family replaced by the choice of its kinds, and no number that JSON has not."""
    if isinstance(schema, list):
        return [_with_kinds(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    rest = {key: _with_kinds(part) for key, part in schema.items() if key != FAMILY}
    if isinstance(rest.get("default"), float) and not isfinite(rest["default"]):
        rest["$comment"] = f"default: {rest.pop('default')}"
    if FAMILY not in schema:
        return rest
    return rest | {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in sorted(family(FAMILIES[schema[FAMILY]]))]}


def _with_base(path: Path, base: str | Path | None, depth: int = 0) -> dict[str, Any]:
    """Return the table of a file laid over that of its base."""
    table = read_toml(path, "scenario")
    named = table.pop("base", None)
    if named is None:
        return table
    if base is None and not (isinstance(named, str) and named.endswith(".toml")):
        raise RecsimError(f"{path}: base: {named!r} is no scenario file; give the path of one, from where this file lies")
    if depth > 8:
        raise RecsimError(f"{path}: base: leads in a circle, or through more than 8 files; name one that builds on no other")
    below = Path(base) if base is not None else path.parent / str(named)
    if base is None and not _is_file(below):
        raise RecsimError(f"{path}: base: there is no file {named!r}; give the path of one, from where this file lies")
    under = _with_base(below, None, depth + 1)
    return {key: value for key, value in under.items() if key not in ("name", "about")} | table


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except ValueError:  # a zero byte in its name, before Python 3.12
        return False


def _value(text: str) -> Any:
    """Return a setting's value as TOML reads it; what is no TOML value is a word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, KeyError):
        return text
