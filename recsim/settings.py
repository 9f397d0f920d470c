"""Settings by path: a recipe with some of them changed, all at once, to values of a file or to recipes of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from recsim.errors import RecsimError, nearest
from recsim.recipe import Recipe

Kept = TypeVar("Kept", bound=Recipe)


def changed(recipe: Kept, values: Mapping[str, Any]) -> Kept:
    """Return a recipe, such as a scenario, with settings changed by dotted path, in their order; None is the default.

    A value is what a scenario file could say there, or a recipe. What is not changed stays the object that it is, so that recipes
    of classes that no file could name are kept. Raises RecsimError, with the path, where there is no such setting, or the
    recipe as a whole does not hold.

    >>> from recsim.scenario import Scenario
    >>> changed(Scenario(), {"policy.kind": "EpsilonGreedy", "policy.epsilon": 0.2}).policy
    EpsilonGreedy(epsilon=0.2)
    """
    opened = _Opened(recipe)
    for path, value in values.items():
        try:
            opened.put(path.split("."), value)
        except KeyError as fault:
            raise RecsimError(f"{path}: {fault.args[0]}") from None
    return type(recipe)(**opened.closed())


class _Opened:
    """A recipe that is being changed: its class and its settings, of which those on the way to a change are opened too."""

    def __init__(self, recipe: Recipe) -> None:
        self.kind: type[Recipe] = type(recipe)
        self.parts: dict[str, Any] = {name: getattr(recipe, name) for name in self.kind.model_fields}

    def put(self, path: list[str], value: Any) -> None:
        """Change one setting, or one in what it holds."""
        name, *rest = path
        if name not in self.kind.model_fields:
            raise KeyError(f"{self.kind.__name__} has no such setting; {nearest(name, self.kind.model_fields)}")
        if rest:
            self.parts[name] = _put(self.parts.get(name), rest, value)
        elif value is None:
            self.parts.pop(name, None)
        else:
            self.parts[name] = value

    def closed(self) -> dict[str, Any]:
        """Return the settings, with what was opened below made anew."""
        settings = {}
        for name, part in self.parts.items():
            try:
                settings[name] = _closed(part)
            except RecsimError as fault:
                raise RecsimError(f"{name}.{fault}") from None
        return settings


def _put(holder: Any, path: list[str], value: Any) -> Any:
    """Return what a setting holds, changed at a path in it: a recipe, a list of them, or a table."""
    name, *rest = path
    if name == "kind" and not rest and isinstance(holder, (Recipe, _Opened, dict)):
        return holder if _kind(holder) == value else {"kind": value}  # another kind begins with its own defaults
    if isinstance(holder, (tuple, list)):
        if not (name.isdigit() and int(name) < len(holder)):
            raise KeyError(f"{name!r} is no place in a list of {len(holder)}; give a number from 0 on")
        place = int(name)
        return [*holder[:place], _put(holder[place], rest, value) if rest else value, *holder[place + 1 :]]
    if isinstance(holder, dict):
        return holder | {name: _put(holder.get(name, {}), rest, value) if rest else value}
    if isinstance(holder, Recipe):
        holder = _Opened(holder)
    if not isinstance(holder, _Opened):
        raise KeyError(f"there is no table with {name!r}; give its kind first, or a whole table as level")
    holder.put(path, value)
    return holder


def _kind(holder: Any) -> Any:
    if isinstance(holder, dict):
        return holder.get("kind")
    return holder.kind.__name__ if isinstance(holder, _Opened) else holder.kind


def _closed(part: Any) -> Any:
    if isinstance(part, _Opened):
        return part.kind(**part.closed())
    return [_closed(one) for one in part] if isinstance(part, list) else part
