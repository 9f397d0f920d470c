"""The pages of the reference, written from the code each time the site is built: settings, metrics, commands, Python names."""

from __future__ import annotations

import inspect
import json
import math
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import recsim as rs
from recsim import metrics
from recsim.recipe import FAMILIES, FAMILY, Recipe, family
from recsim.world import DAY

HOME = Path(__file__).parent.parent
WRITTEN = "Birth", "Factor", "Keep", "Retrain", "Scenario", "Study"  # tables in files, whose settings stand on that page
MODULES = "benchmark", "metrics", "offpolicy", "plot", "polarisation", "survival", "variety"


def write(folder: Path) -> None:
    """Write all pages, leaving those as they are that would not change, so that Sphinx reads them once only."""
    pages = {"settings": settings(), "metrics": measures(), "commands": commands(), "api": names(), "notebooks": notebooks()}
    for name, text in pages.items():
        _put(folder / f"{name}.md", text.encode())
    for path in (HOME / "notebooks").glob("*.ipynb"):
        _put(folder / path.name, path.read_bytes())
    wanted = {f"{name}.md" for name in pages} | {path.name for path in (HOME / "notebooks").glob("*.ipynb")}
    for path in set(folder.iterdir()):
        if path.name not in wanted:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _put(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


# ------------------------------------------------------------------------------------------------------------ docstrings
def prose(text: str | None) -> str:
    """Return a docstring as Markdown: examples in fences, and nothing that Markdown would take for a mark by mistake."""
    parts = re.split(r"(^>>> .*?(?=\n\n|\Z))", inspect.cleandoc(text or ""), flags=re.MULTILINE | re.DOTALL)
    return "\n".join(f"```python\n{part}\n```" if part.startswith(">>> ") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    """Return text in which powers and angle brackets are what they are, outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _marked(part) for part in parts)


def _marked(text: str) -> str:
    for mark in ("**", "<", "~"):
        text = text.replace(mark, "".join(f"\\{sign}" for sign in mark))
    text = re.sub(r"^([-+#]|\d+\.)(?= )", r"\\\1", text, flags=re.MULTILINE)  # a line of a formula is no list
    return re.sub(r"(?<=\S) \* (?=\S)", r" \\* ", text)


def first(text: str | None) -> str:
    """Return the first sentence of a docstring."""
    return prose(inspect.cleandoc(text or "").split("\n\n")[0].replace("\n", " "))


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [list(heads), ["---"] * len(list(heads)), *map(list, rows)]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines)


# -------------------------------------------------------------------------------------------------------------- settings
def settings() -> str:
    """Return the page of all settings of scenario and study files, with types, defaults, ranges and meanings."""
    uses: dict[str, list[str]] = {}
    for name, schema in rs.Scenario.model_json_schema()["properties"].items():
        for base in re.findall(rf'"{FAMILY}": "(\w+)"', json.dumps(schema)):
            uses.setdefault(base, []).append(name)
    text = [
        "# Settings",
        "A scenario file is TOML. This page is made from the JSON Schema that `recsim schema` prints for editors.",
        "`scenarios/quickstart.toml` explains the usual ones in their places.",
        "(kind-scenario)=", "## The scenario", prose(rs.Scenario.__doc__), fields(rs.Scenario),
        "(kind-retrain)=", "### retrain", prose(rs.Retrain.__doc__), fields(rs.Retrain),
        "(kind-birth)=", "### births", prose(rs.Birth.__doc__), fields(rs.Birth),
    ]  # fmt: skip
    for name, base in FAMILIES.items():
        if name not in uses:
            continue
        text += [f"({name.lower()}-kinds)=", f"## {' and '.join(uses[name])}", prose(base.__doc__)]
        text += ["Each is a table with its `kind`:"]
        for kind, recipe in family(base).items():
            if recipe.__module__.startswith("recsim."):
                text += [f"(kind-{kind.lower()})=", f"### {kind}", prose(recipe.__doc__), fields(recipe)]
    text += ["(kind-study)=", "## Study files", "See [Studies](../studies.md).", fields(rs.Study)]
    text += ["(kind-keep)=", "### keep", prose(rs.Keep.__doc__), fields(rs.Keep)]
    text += ["(kind-factor)=", "### a factor", prose(rs.Factor.__doc__), fields(rs.Factor)]
    text += ["(design-kinds)=", "## design", prose(rs.Design.__doc__)]
    for kind, recipe in family(rs.Design).items():
        text += [f"(kind-{kind.lower()})=", f"### {kind}", prose(recipe.__doc__), fields(recipe)]
    return "\n\n".join(text) + "\n"


def fields(recipe: type[Recipe]) -> str:
    """Return the table of a recipe's settings; a recipe without any says so."""
    schema = recipe.model_json_schema()
    rows = []
    for name, part in schema.get("properties", {}).items():
        needed = name in schema.get("required", [])
        default = "*(needed)*" if needed else _default(recipe.model_fields[name].get_default(call_default_factory=True))
        rows.append([f"`{name}`", _type(part), default, _range(part), _escaped(part.get("description", ""))])
    return table(["setting", "type", "default", "range", "what it is"], rows) if rows else "It has no settings."


def _default(value: Any) -> str:
    """Return a default as a scenario file would say it."""
    if isinstance(value, Recipe):
        return f"`{value.kind}`"
    if value is None:
        return "–"
    plain = json.dumps(value, default=lambda given: f"{given!r}") if not isinstance(value, float) else f"{value:g}"
    return f"`{plain}`"


def _type(part: dict[str, Any]) -> str:
    """Return the type of a setting in words."""
    if FAMILY in part:
        return f"[a kind](#{part[FAMILY].lower()}-kinds)"
    if "$ref" in part:
        return f"[a table](#kind-{part['$ref'].rsplit('/', 1)[1].lower()})"
    if "anyOf" in part:
        return " or ".join(dict.fromkeys(_type(one) for one in part["anyOf"] if one.get("type") != "null"))
    if "enum" in part:
        return " or ".join(f"`{json.dumps(value)}`" for value in part["enum"])
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if part.get("type") == "array":
        return f"list of {_type(part.get('items', {})).replace('[a ', '[').replace(']', 's]', 1)}"
    words = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false", "object": "table"}
    return words.get(part.get("type", ""), "anything")


def _range(part: dict[str, Any]) -> str:
    """Return the range that a setting must lie in."""
    inner = {key: value for one in part.get("anyOf", []) for key, value in one.items()} | part
    signs = {"minimum": "≥", "exclusiveMinimum": "\\>", "maximum": "≤", "exclusiveMaximum": "\\<"}
    return ", ".join(f"{sign} {_number(inner[key])}" for key, sign in signs.items() if key in inner)


def _number(value: float) -> str:
    """Return a number as one writes it: a second as the share of a day that it is, large powers of two as powers."""
    if value == 1 / DAY:
        return "1/86400"
    if value > 2**24 and math.log2(value).is_integer():
        return f"2^{math.log2(value):.0f}"
    return f"{value:.0f}" if value == int(value) and value < 10**9 else f"{value:.3g}"


# --------------------------------------------------------------------------------------------------------------- metrics
def measures() -> str:
    """Return the page of all metrics: those of every epoch's history, and the functions that they are made of."""
    return "\n\n".join([
        "# Metrics",
        "What each name in the history of a run means, and the functions behind them. "
        "[Measures that tell the truth](../measures.md) says how to use them.",
        "## In every epoch's history", "`run.series(name)` gives one by epoch.",
        table(["name", "what it is, in which unit and range"], _meanings(metrics.METRICS)),
        "## Of groups", "These mean something else, or only something, for a group: `run.series(name, group)`.",
        table(["name", "what it is"], _meanings(metrics.GROUPED)),
        "## Functions", prose(metrics.__doc__),
        *(_described("recsim.metrics", name, getattr(metrics, name)) for name in sorted(metrics.__all__, key=str.lower)),
    ]) + "\n"  # fmt: skip


def _meanings(texts: dict[str, str]) -> list[list[str]]:
    return [[f"`{name}`", _escaped(text)] for name, text in texts.items()]


# -------------------------------------------------------------------------------------------------------------- commands
def commands() -> str:
    """Return the page of all commands with their arguments and options, as `--help` has them."""
    from typer.main import get_command

    from recsim.cli import app

    text = ["# Commands", prose(app.info.help), "`recsim COMMAND --help` says the same on a terminal. "
            "Exit codes: 0 done, 1 a fault of recsim, 2 a mistake in what was asked, 130 interrupted."]  # fmt: skip
    return "\n\n".join([*text, *_command(get_command(app), "recsim", None)]) + "\n"


def _command(command: Any, path: str, parent: Any) -> list[str]:
    """Return the sections of a command and of all below it."""
    context = command.make_context(path.rsplit(" ", 1)[-1], [], parent=parent, resilient_parsing=True)
    pieces = " ".join(command.collect_usage_pieces(context))
    records = [record for record in (part.get_help_record(context) for part in command.get_params(context)) if record]
    text = [f"## {path}"] if parent else []
    text += [_escaped(inspect.cleandoc(command.help or ""))] if parent else []
    text += [f"```text\n{path} {pieces}\n```", table(["argument or option", "meaning"], _meanings(dict(records)))]
    for name, below in getattr(command, "commands", {}).items():
        text += _command(below, f"{path} {name}", context)
    return text


# ---------------------------------------------------------------------------------------------------------- Python names
def names() -> str:
    """Return the page of all public names: what is called, what comes back, what can be built on, and the kinds."""
    kinds = {kind for base in (*FAMILIES.values(), rs.Design) for kind in family(base)}
    things = {name: getattr(rs, name) for name in rs.__all__ if name not in MODULES and name not in kinds}
    called = {name: thing for name, thing in things.items() if not inspect.isclass(thing)}
    bases = {name: thing for name, thing in things.items() if name in FAMILIES or name == "Design"}
    values = {name: thing for name, thing in things.items() if name not in called and name not in bases}
    text = [
        "# Python", "`import recsim as rs`, and every name here is `rs.NAME`. What a name takes and gives, its units and what "
        "it raises, stand in its docstring, which this page is made from.",
        "## What is called", *_all("recsim", called),
        "## What is handed in and out", *_all("recsim", values),
        "## What can be built on", "One's own kind is a class below one of these: see [Your own kinds](../own-kinds.md).",
        *_all("recsim", bases),
        "## Kinds", "Each is made with its [settings](settings.md), by name.",
        table(["kind", "what it is"], [[f"[`{kind}`](#kind-{kind.lower()})", first(getattr(rs, kind).__doc__)]
              for base in FAMILIES.values() for kind in family(base) if kind in rs.__all__]),
    ]  # fmt: skip
    for module in MODULES:
        if module == "metrics":
            text += ["## recsim.metrics", "Has a [page of its own](metrics.md)."]
            continue
        home = getattr(rs, module)
        public = getattr(home, "__all__", None) or [
            name for name, thing in vars(home).items()
            if not name.startswith("_") and callable(thing) and getattr(thing, "__module__", "") == home.__name__
        ]  # fmt: skip
        text += [f"## recsim.{module}", prose(home.__doc__)]
        text += _all(f"recsim.{module}", {name: getattr(home, name) for name in public if callable(getattr(home, name))})
    return "\n\n".join(text) + "\n"


def _all(module: str, things: dict[str, Any]) -> list[str]:
    return [_described(module, name, thing) for name, thing in sorted(things.items(), key=lambda pair: pair[0].lower())]


def _described(module: str, name: str, thing: Any) -> str:
    """Return one name with its signature, docstring and methods."""
    if not callable(thing):
        return f"`````{{py:data}} {module}.{name}\nThe table above, as a dictionary.\n`````"
    if not inspect.isclass(thing):
        return f"`````{{py:function}} {module}.{name}{signature(thing)}\n{prose(thing.__doc__)}\n`````"
    parts = [prose(vars(thing).get("__doc__"))]
    recipe = issubclass(thing, Recipe)
    if name in WRITTEN:
        parts.append(f"Its settings: [{name}](settings.md#kind-{name.lower()}).")
    elif recipe and thing.model_fields:
        parts.append(fields(thing))
    for method, value in _methods(thing).items():
        kind = "property" if not callable(value) else "method"
        how = signature(value, bound=True) if callable(value) else ""
        mark = ":classmethod:\n" if inspect.ismethod(value) else ""
        text = value.__doc__ if callable(value) else _doc_of(thing, method)
        parts.append(f"````{{py:{kind}}} {method}{how}\n{mark}\n{prose(text)}\n````")
    own = "" if recipe or "__init__" not in vars(thing) else signature(thing)
    return f"`````{{py:class}} {module}.{name}{own}\n" + "\n\n".join(parts) + "\n`````"


def _methods(thing: type) -> dict[str, Any]:
    """Return the public methods and properties of a class that recsim wrote and documented."""
    found: dict[str, Any] = {}
    for home in thing.__mro__:
        if not home.__module__.startswith("recsim.") or home is Recipe:
            continue
        for name, value in vars(home).items():
            plain = getattr(value, "func", getattr(value, "fget", getattr(value, "__func__", value)))
            if not name.startswith("_") and inspect.isfunction(plain) and plain.__doc__:
                found.setdefault(name, value if hasattr(value, "fget") or hasattr(value, "func") else getattr(thing, name))
    return dict(sorted(found.items()))


def _doc_of(thing: type, name: str) -> str:
    value = inspect.getattr_static(thing, name)
    return getattr(value, "__doc__", None) or getattr(getattr(value, "func", None), "__doc__", "") or ""


def signature(function: Callable[..., Any], bound: bool = False) -> str:
    """Return a signature as it was written, without *self*."""
    parts: list[str] = []
    previous = None
    for parameter in inspect.signature(function).parameters.values():
        if bound and parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and previous not in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL):
            parts.append("*")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        note = f": {_written(parameter.annotation)}" if parameter.annotation is not parameter.empty else ""
        default = f" = {parameter.default!r}" if parameter.default is not parameter.empty else ""
        parts.append(f"{star}{parameter.name}{note}{default if '<' not in default else ' = ...'}")
        previous = parameter.kind
    result = inspect.signature(function).return_annotation
    arrow = f" -> {_written(result)}" if result is not inspect.Signature.empty else ""
    return f"({', '.join(parts)}){arrow}"


def _written(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "Literal[" + ", ".join(map(repr, get_args(annotation))) + "]"
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


# ------------------------------------------------------------------------------------------------------------- notebooks
def notebooks() -> str:
    """Return the page that lists the notebooks of the repository, as they were last run."""
    listed = "\n".join(sorted(path.stem for path in (HOME / "notebooks").glob("*.ipynb")))
    about = "Each is in the folder `notebooks` of the repository, and shown here as it was last run."
    return f"# Notebooks\n\n{about}\n\n```{{toctree}}\n{listed}\n```\n"
