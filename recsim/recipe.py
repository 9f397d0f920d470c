"""Recipes: frozen, validated values; and the family a recipe of a given kind is looked up in.

A family is a class that lists its kinds by being their base. A table with `kind = "EpsilonGreedy"` in a scenario file
means the class of that name in the family that the setting belongs to: the module is the registry.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from recsim.errors import RecsimError, nearest

__all__ = ["FAMILIES", "FAMILY", "Kind", "Recipe", "Weights", "explain", "family", "listed", "plain", "possible"]


class Recipe(BaseModel):
    """A frozen value whose fields are the settings; every fault in them is found when it is made.

    Raises RecsimError in one line (where, what, how to mend) when a setting is unknown, missing or out of range.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False
    )

    def __new__(cls, **settings: Any) -> Self:
        """Make a recipe of a kind that has all methods that its family asks of it."""
        for method in sorted(cls.__abstractmethods__):
            raise cls.lacks(method)
        return super().__new__(cls)

    def __init__(self, **settings: Any) -> None:
        try:
            super().__init__(**settings)
        except ValidationError as fault:
            raise RecsimError(explain(fault, type(self))) from None

    # tells pydantic that its own way of filling a nested recipe still holds, so that faults keep their whole path
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def lacks(cls, method: str) -> RecsimError:
        """Return what is to be raised where a kind does not have a method that its family asks of it."""
        where = next(base.__module__ for base in cls.__mro__ if method in vars(base))
        return RecsimError(f"{where.rpartition('.')[2]}: {cls.__name__} has no method {method}; give it one, as in {where}")

    @property
    def kind(self) -> str:
        """The name by which a scenario file calls this class."""
        return type(self).__name__

    def but(self, **changes: Any) -> Self:
        """Return a copy with some settings changed, validated as a new recipe is."""
        return type(self)(**{name: getattr(self, name) for name in type(self).model_fields} | changes)


def plain(value: Any) -> Any:
    """Return a value as TOML has words for it: recipes as tables with their kind, tuples as lists, and nothing that is None.

    >>> plain({"span": (1, 2), "none": None, "inner": Recipe()})
    {'span': [1, 2], 'inner': {'kind': 'Recipe'}}
    """
    if isinstance(value, Recipe):
        value = {"kind": value.kind} | {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, dict):
        return {name: plain(part) for name, part in value.items() if part is not None}
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def listed(shares: Any) -> Any:
    """Return a list or array of numbers as the tuple that a recipe holds."""
    numbers = shares.tolist() if hasattr(shares, "tolist") else shares
    return tuple(map(float, numbers)) if isinstance(numbers, list) else numbers


def possible(shares: Any) -> Any:
    """Return weights as they are; raise ValueError where one is negative or all are 0. What is no tuple is not looked at."""
    if isinstance(shares, tuple) and shares and not (all(0 <= share <= 1e300 for share in shares) and 0 < sum(shares) <= 1e300):
        raise ValueError("shares must not be negative, one must be positive, and their sum at most 1e300")
    return shares


Weights = Annotated[tuple[float, ...], BeforeValidator(listed), AfterValidator(possible)]
"""The annotation of a field that holds a weight for each item: not negative, and not all 0; or nothing."""

R = TypeVar("R", bound=Recipe)


@cache
def _from_other_packages() -> dict[str, Any]:
    """Return the kinds that installed packages announce in the entry-point group recsim.kinds, not yet loaded."""
    return {point.name: point for point in entry_points(group="recsim.kinds")}


def family(base: type[R]) -> dict[str, type[R]]:
    """Return the kinds of a family by name: all public classes below *base* that are loaded."""
    kinds: dict[str, type[R]] = {}
    for child in base.__subclasses__():
        kinds |= family(child) | ({} if child.__name__.startswith("_") else {child.__name__: child})
    return kinds


def _choose(base: type[R], table: Any) -> Any:
    """Return the recipe that a table of a scenario file asks for by its kind; a recipe is handed through."""
    if isinstance(table, base):
        return table
    if isinstance(table, Recipe) or not isinstance(table, dict):
        raise PydanticCustomError("family", f"{table!r} is no {base.__name__}; give a table with a kind")
    settings = dict(table)
    name = settings.pop("kind", None)
    known = family(base)
    if isinstance(name, str) and name not in known and name in _from_other_packages():
        _from_other_packages()[name].load()
        known = family(base)
    if not isinstance(name, str) or name not in known:
        what = "has no kind" if name is None else f"{name!r} is not a {base.__name__} known here"
        raise PydanticCustomError("kind", f"{what}; {nearest(str(name or ''), known)}".replace("{", "{{"))
    try:
        return known[name].model_validate(settings)
    except ValidationError as fault:
        details: list[InitErrorDetails] = [
            {"type": PydanticCustomError("setting", _sentence(known[name], error).replace("{", "{{")),
             "loc": error["loc"], "input": error["input"]}
            for error in fault.errors(include_url=False)
        ]  # fmt: skip
        raise ValidationError.from_exception_data(name, details) from None


FAMILY = "x-family"  # stands in a JSON Schema where any kind of a family may stand


FAMILIES: dict[str, type[Recipe]] = {}
"""All families that a recipe has a field for, by name."""


class _Kind:
    """`Kind[Policy]` in a field's annotation: a recipe of the family, or a table that names its kind."""

    def __class_getitem__(cls, base: type[R]) -> Any:
        """Return the annotation for a field that holds one recipe of the family *base*."""
        FAMILIES[base.__name__] = base
        return Annotated[
            base,
            BeforeValidator(lambda table: _choose(base, table)),
            PlainSerializer(lambda recipe: {"kind": recipe.kind} | recipe.model_dump(), return_type=dict[str, Any]),
            WithJsonSchema({FAMILY: base.__name__}),
        ]


if TYPE_CHECKING:
    Kind = Annotated[R, "a kind of the family"]
else:
    Kind = _Kind


def _sentence(owner: type[BaseModel] | None, error: Any) -> str:
    """Return what is wrong with one setting, and the mend."""
    name, given = str(error["loc"][-1]) if error["loc"] else "", error["input"]
    if error["type"] == "extra_forbidden":
        here = owner.__name__ if owner else "this table"
        return f"{here} has no such setting; {nearest(name, owner.model_fields if owner else [])}"
    if error["type"] == "missing":
        return "is missing; give it a value"
    text = error["msg"].removeprefix("Value error, ")
    text = text.replace("Input should", "should", 1)
    whole = isinstance(given, dict) and error["type"] == "value_error"  # a fault of several settings together
    return text if whole or error["type"] in ("setting", "kind", "family") else f"{text}, not {_short(given)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def explain(fault: ValidationError, owner: type[BaseModel] | None = None) -> str:
    """Return the first fault as one line, its place as a dotted path; how many more there are at its end."""
    errors = fault.errors(include_url=False)
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"]) or (owner.__name__ if owner else "scenario")
    holder: type[BaseModel] | None = owner
    for part in first["loc"][:-1]:
        holder = _below(holder, part)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{place}: {_sentence(holder, first)}{more}"


def _below(owner: type[BaseModel] | None, part: Any) -> type[BaseModel] | None:
    """Return the recipe class of one field, where that is plain from its annotation."""
    field = owner.model_fields.get(str(part)) if owner else None
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


