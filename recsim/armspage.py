"""The page of a comparison: arms epoch by epoch, their paired differences to the first, and what they cost."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim import charts
from recsim.archive import versions
from recsim.cells import slug
from recsim.comparison import LEAGUE, Comparison
from recsim.figures import Series, between, keys_of, lines_of, number_cell, number_cells, over_epochs, told_epochs
from recsim.fronts import unbeaten
from recsim.inference import SURE, interval
from recsim.pages import ALL, Cell, Figure, Fold, Key, Page, Row, Section, Table
from recsim.panels import ARMS, TITLES, Panel
from recsim.plans import KEPT
from recsim.provenance import again, settings
from recsim.tables import decimals_for, with_half, with_halves
from recsim.verdict import full_epochs, verdict

if TYPE_CHECKING:
    import pandas as pd

NAMED = 8  # arms that the answer names


def page(done: Comparison) -> Page:
    """Return the page of a comparison."""
    keys = keys_of(list(done.arms))
    first = next(iter(done.arms))
    spread = _spread(done)
    epochs = told_epochs(sorted(spread))
    scenario = done.arms[first]
    trained = [epoch for epoch in epochs if math.isfinite(spread[epoch].get((first, "depth"), (math.nan,))[0])] or epochs
    sections = [
        Section("Epoch by epoch", [_how_they_part(done)], [
            *(over_epochs(panel, epochs, _lines(spread, panel, epochs, list(done.arms)), keys, "arm") for panel in ARMS),
            _plane(spread, keys, trained)]),
        Section(f"Differences to {first}", [_how_to_read(done)], _league(done, keys)),
        Section("Cost against coverage", [
            "Cost: the feed clicks lost to the first arm and the labels paid for, in clicks per 1,000 visits. An arm is ringed "
            "where no other is at least as cheap, shows at least as much, and is better in one of both."], [_front(done, keys)]),
        Section("At the end", [_over_what(done)], [_final(done, keys), *_tuned(done, keys)]),
        settings(done.arms),
        _again(done),
    ]  # fmt: skip
    said = {epoch: f"{epoch}, to day {scenario.end_of(epoch):,.4g}" for epoch in epochs}
    title = f"{first} and {len(keys) - 1} other{'s' * (len(keys) != 2)}"
    return Page("Comparison", title, _answer(done), _facts(done), {"Arms": list(keys.values())}, sections, said)


Spread = Mapping[int, Mapping[tuple[str, str], tuple[float, float, float]]]


def _spread(done: Comparison) -> Spread:
    """Return mean and interval over the seeds, by epoch, then by arm and metric, of all metrics that the page shows by epoch."""
    wanted = {metric for panel in ARMS for metric in (*panel.lines.values(), *panel.floors.values())}
    rows = done.history[done.history["metric"].isin(wanted)]
    found: dict[int, dict[tuple[str, str], tuple[float, float, float]]] = {}
    wide = rows.pivot(index=["epoch", "arm", "metric"], columns="seed", values="value")
    for (epoch, arm, metric), values in zip(wide.index, wide.to_numpy(np.float64), strict=True):
        found.setdefault(int(epoch), {})[str(arm), str(metric)] = interval(values)
    return found


def _lines(spread: Spread, panel: Panel, epochs: Sequence[int], arms: Sequence[str]) -> dict[str, Series]:
    """Return the lines of a panel by arm, with their bands; the floor is that of the first arm."""
    metric, nothing = panel.lines[""], (math.nan,) * 3
    found = {}
    for arm in arms:
        values = np.array([spread[epoch].get((arm, metric), nothing) for epoch in epochs])
        floor = None
        if panel.floors and arm == arms[0]:
            floor = np.array([spread[epoch].get((arm, panel.floors[""]), nothing)[0] for epoch in epochs])
        found[arm] = Series(values[:, 0], values[:, 1], values[:, 2], floor)
    return found


# ------------------------------------------------------------------------------------------------------------ the answer
def _answer(done: Comparison) -> list[str]:
    """Return what narrowed under the first arm, how sure that is, which arms help, and what the cheapest of them does."""
    first = next(iter(done.arms))
    mean = done.history[done.history["arm"] == first].groupby(["epoch", "metric"])["value"].mean().unstack()
    over = f"mean of {_seeds(done)}" if len(done.seeds) > 1 else f"seed {done.seeds[0]}"
    cells = len(done.arms) * max(len(done.seeds), len(_kept(done).get("seeds", ())))
    missing = cells - len(done.digests)
    wait = f"Not all is there yet: {missing} of {cells} cells are missing; resume the comparison." if missing else ""
    if mean.empty:
        return [f"Nothing is there of {first}, which the others are compared with.", wait]
    return [
        verdict(mean, done.arms[first].recommender.learns, f"under {first} ({over})"), _how_sure(done, mean),
        done.answer(), *_others(done), wait,
    ]  # fmt: skip


def _seeds(done: Comparison) -> str:
    return f"{len(done.seeds)} seed{'s' * (len(done.seeds) != 1)}"


def _how_sure(done: Comparison, mean: pd.DataFrame) -> str:
    """Return the change of what the model shows, seed by seed, with its interval."""
    full = full_epochs(mean).index
    if len(full) < 2:
        return ""
    rows = done.history[(done.history["arm"] == next(iter(done.arms))) & (done.history["metric"] == "coverage_model")]
    table = rows.pivot(index="epoch", columns="seed", values="value")
    change, low, high = interval((table.loc[full[-1]] - table.loc[full[0]]).to_numpy(np.float64))
    if not math.isfinite(low):
        return "How sure that is cannot be told from one seed."
    sure = "more than chance explains" if low * high > 0 else "which may be chance"
    return (
        f"How sure is that? Seed by seed the share of the catalogue that the model shows moves by {_points(change, low, high)} "
        f"from epoch {full[0]} to {full[-1]}: {sure}."
    )


def _points(share: float, low: float, high: float) -> str:
    """Return a difference of shares with its interval, in words.

    >>> _points(-0.169, -0.178, -0.159)
    '-16.9 percentage points (95% interval -17.8 to -15.9)'
    """
    interval = f" ({SURE:.0%} interval {100 * low:+.1f} to {100 * high:+.1f})" if math.isfinite(low) else ""
    return f"{100 * share:+.1f} percentage points{interval}"


def _others(done: Comparison) -> list[str]:
    """Return what the cheapest arm that helps does to coverage and people, what the others that help cost, and which harm."""
    if len(done.seeds) < 2:
        return []
    first, wider = next(iter(done.arms)), done.wider()
    found = {(row["arm"], row["metric"]): row for row in done.differences.to_dict("records")}
    shown = {arm: found[arm, "coverage_model"] for arm in done.arms}
    told = []
    if wider:
        best, utility = shown[wider[0]], found[wider[0], "utility"]
        p = "p < 0.001" if best["p"] < 0.001 else f"p = {best['p']:.3f}"
        change = between(utility["difference"], utility["low"], utility["high"])
        told.append(
            f"Under {wider[0]} the model shows {best['mean']:.1%} of the catalogue, under {first} {shown[first]['mean']:.1%}: "
            f"{_points(best['difference'], best['low'], best['high'])}, {p} (Holm over the arms). The true utility of what "
            f"people consume moves by {change}."
        )
    costs = {arm: found[arm, "cost"] for arm in wider[1:NAMED]}
    prices = [f"{arm} ({with_half(row['mean'], row['mean_high'] - row['mean'], 1)})" for arm, row in costs.items()]
    if prices:
        more = f" and {len(wider) - NAMED} more" if len(wider) > NAMED else ""
        told.append(f"What also helps, with its cost in clicks per 1,000 visits: {', '.join(prices)}{more}.")
    changes = {arm: [100 * shown[arm][end] for end in ("difference", "high")] for arm in done.controls}
    controls = [f"{arm} ({with_half(change, high - change, 1)})" for arm, (change, high) in changes.items()]
    if controls:
        told.append(f"Controls, which are no cures, move the share that the model shows by points: {', '.join(controls)}.")
    falls = [arm for arm, row in shown.items() if row["p"] < 1 - SURE and row["difference"] < 0]
    worse = [arm for arm in falls if arm not in done.controls]
    if worse:
        more = f" and {len(worse) - NAMED} more" if len(worse) > NAMED else ""
        told.append(f"Under {', '.join(worse[:NAMED])}{more} the model shows less than under {first}.")
    return told


def _facts(done: Comparison) -> dict[str, str]:
    scenario = next(iter(done.arms.values()))
    return {
        "arms": str(len(done.arms)), "seeds": str(len(done.seeds)), "days": f"{scenario.days:g}",
        "part on day": f"{done.warm_up:g}", "averaged over": _ends(done), "price of a click": f"{done.price_click:g}",
    } | ({} if done.budget is None else {"tuned to a cost of": f"{done.budget:g}"})  # fmt: skip


def _ends(done: Comparison) -> str:
    return f"the last {done.last} epochs" if done.last > 1 else "the last epoch"


def _how_they_part(done: Comparison) -> str:
    return (
        f"Under each seed all arms share one world up to day {done.warm_up:g}, then each goes on by itself, with the same random "
        f"numbers wherever they can be shared."
    )


def _how_to_read(done: Comparison) -> str:
    if len(done.seeds) < 2:
        return "There is one seed, and so there are no intervals."
    return (
        f"Each difference is taken seed by seed. Thick: its {SURE:.0%} interval; thin: that of all arms together (Bonferroni); "
        f"filled where p < {1 - SURE:.2f} (paired t test, Holm over the arms)."
    )


def _over_what(done: Comparison) -> str:
    return f"Means of {_ends(done)} over {_seeds(done)} ± half the {SURE:.0%} interval (Student's t); marked: p < {1 - SURE:.2f}."


# ----------------------------------------------------------------------------------------------------------- its figures
def _plane(spread: Spread, keys: Mapping[str, Key], trained: Sequence[int]) -> Figure:
    """Return where the arms stand at an epoch in what the model shows and what people get."""
    nothing = (math.nan,) * 3
    columns: dict[str, list[Any]] = {name: [] for name in ("a", "e", "x", "v")}
    rows = []
    for epoch in trained:
        for arm, key in keys.items():
            pair = [spread[epoch].get((arm, metric), nothing)[0] for metric in ("coverage_model", "utility")]
            for name, value in zip(columns, (key.line.code, epoch, *pair), strict=True):
                columns[name].append(value)
            rows.append(Row([Cell(str(epoch), epoch), Cell(arm, arm), *number_cells(pair)], key.line.code))
    ends = _limits(columns["x"]), _limits(columns["v"])
    across, up = "coverage by the model, share of items", "true utility per item"
    about = (
        f"At the epoch of the slider, with the way that each arm has come since the first trained model (epoch {trained[0]}). "
        f"More is better in both."
    )
    table = Table("Coverage by the model and true utility, by epoch", ["epoch", "arm", across, up], rows, words=2)
    spec = charts.plane(lines_of(keys), across, up, ends)
    return Figure("What the model shows, and what people get", about, spec, columns, table, wide=True)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of a scale with a little room, the same whatever is shown of it."""
    known = [value for value in values if math.isfinite(value)]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    digits = 1 - math.floor(math.log10(room))
    return round(low - room, digits), round(high + room, digits)


def _league(done: Comparison, keys: Mapping[str, Key]) -> list[Figure]:
    first = next(iter(done.arms))
    found = []
    for metric in LEAGUE:
        title, unit = TITLES[metric]
        rows = done.differences[(done.differences["metric"] == metric) & (done.differences["arm"] != first)].to_dict("records")
        own = done.differences[(done.differences["metric"] == metric) & (done.differences["arm"] == first)]["mean"]
        mean = number_cells(own.astype(float).tolist())[0].text
        columns = {
            "a": [keys[row["arm"]].line.code for row in rows], "label": [row["arm"] for row in rows],
            "s": [int(row["p"] < 1 - SURE) for row in rows],
        } | {name: [row[field] for row in rows] for name, field in (
            ("v", "difference"), ("lo", "low"), ("hi", "high"), ("flo", "family_low"), ("fhi", "family_high"), ("p", "p"))}
        fields = ("mean", "difference", "low", "high", "family_low", "family_high")
        table = Table(f"{title}: differences to {first}, {unit}", ["arm", *fields, "p"], [
            Row([Cell(row["arm"], row["arm"]), *number_cells([row[field] for field in fields]), _p_cell(row["p"])],
                keys[row["arm"]].line.code) for row in rows])
        about = f"{first} has {mean} ({unit})."
        found.append(Figure(title, about, charts.differences(lines_of(keys), f"difference, {unit}"), columns, table))
    return found  # fmt: skip


def _p_cell(p: float) -> Cell:
    return number_cell(p, "-" if math.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}")


def _front(done: Comparison, keys: Mapping[str, Key]) -> Figure:
    """Return cost against what the model shows, with what is unbeaten in both ringed."""
    parts = {
        metric: done.differences[done.differences["metric"] == metric].set_index("arm").loc[list(done.arms)]
        for metric in ("cost", "coverage_model")
    }
    cost, shown = (parts[metric]["mean"].to_numpy(np.float64) for metric in ("cost", "coverage_model"))
    best = unbeaten(np.stack([-cost, shown]))
    columns: dict[str, list[Any]] = {"a": [key.line.code for key in keys.values()], "b": [int(one) for one in best]}
    for names, metric in ((("x", "xlo", "xhi"), "cost"), (("v", "lo", "hi"), "coverage_model")):
        for name, field in zip(names, ("mean", "mean_low", "mean_high"), strict=True):
            columns[name] = parts[metric][field].astype(float).tolist()
    texts = {mean: with_halves(columns[mean], columns[high]) for mean, high in (("x", "xhi"), ("v", "hi"))}
    rows = [
        Row([Cell(arm, arm), *(number_cell(columns[name][at], texts[name][at]) for name in texts),
             Cell("yes" if best[at] else "no", "yes" if best[at] else "no")], key.line.code)
        for at, (arm, key) in enumerate(keys.items())
    ]  # fmt: skip
    across, up = "cost, clicks per 1,000 visits", "coverage by the model, share of items"
    table = Table("Cost and coverage", ["arm", across, up, "ringed"], rows, f"± half the {SURE:.0%} interval (Student's t).")
    about = "To the left is cheaper, further up is wider. Lines: 95% intervals of each mean by itself."
    return Figure("Cost and coverage", about, charts.front(lines_of(keys), across, up), columns, table, wide=True)


# --------------------------------------------------------------------------------------------------- tables, provenance
def _final(done: Comparison, keys: Mapping[str, Key]) -> Table:
    """Return the league: each arm's means with half their intervals, marked where it differs from the first."""
    found = {(row["arm"], row["metric"]): row for row in done.differences.to_dict("records")}
    decimals = {metric: decimals_for([found[arm, metric]["mean"] for arm in done.arms]) for metric in LEAGUE}
    rows = []
    for arm, key in keys.items():
        cells = []
        for metric in LEAGUE:
            row = found[arm, metric]
            text = with_half(row["mean"], row["mean_high"] - row["mean"], decimals[metric])
            cells.append(number_cell(row["mean"], text, bool(row["p"] < 1 - SURE)))
        rows.append(Row([Cell(arm, arm), *cells], key.line.code))
    return Table("All arms", ["arm", *(', '.join(TITLES[metric]) for metric in LEAGUE)], rows)


def _tuned(done: Comparison, keys: Mapping[str, Key]) -> list[Table]:
    """Return the strengths that arms were tuned to, where they were."""
    rows = [
        Row([Cell(row["arm"], row["arm"]), Cell(row["setting"], row["setting"]), *number_cells([row["strength"]]),
             *number_cells([row["cost"]]), Cell("yes" if row["reached"] else "no", str(row["reached"]))],
            keys[row["arm"]].line.code)
        for row in done.strengths.to_dict("records")
    ]  # fmt: skip
    title = f"Strengths tuned to a cost of {done.budget:g}" if done.budget is not None else ""
    return [Table(title, ["arm", "setting", "strength", "cost on the tuning seeds", "budget reached"], rows)] if rows else []


def _again(done: Comparison) -> Section:
    files = [f"arms/{at:02d}-{slug(name)}.toml" for at, name in enumerate(done.arms)]
    options = {"warm_up": done.warm_up, "last": done.last, "price_click": done.price_click, "equal_cost": done.budget}
    given = {name: value for name, value in options.items() if value is not None}
    pairs = [f"    {name!r}: rs.Scenario.load({file!r})," for name, file in zip(done.arms, files, strict=True)]
    found = dict(zip(done.strengths["arm"], done.strengths["setting"], strict=True))
    dials = {name: found.get(name) for name in list(done.arms)[1:]} if done.budget is not None else {}  # None: as it is
    told = [f"{name}={value!r}" for name, value in given.items()] + ([f"strengths={dials!r}"] if dials else [])
    called = ", ".join(["arms", f"seeds={done.seeds}", *told, 'out="again"'])
    commands = {"In Python:": "\n".join(["import recsim as rs", "", "arms = {", *pairs, "}", f"rs.compare({called})"])}
    if done.seeds == list(range(1, len(done.seeds) + 1)) and [arm.name for arm in done.arms.values()] == list(done.arms):
        flags = [part for name, value in given.items() for part in (f"--{name.replace('_', '-')}", str(value).removesuffix(".0"))]
        flags += [part for name, setting in dials.items() for part in ("--strength", f"{name}={setting or ''}")]
        line = shlex.join(["recsim", "compare", *files, "--seeds", str(len(done.seeds)), *flags, "--out", "again"])
        commands = {"On the command line:": line} | commands
    facts = {
        "seeds": ", ".join(map(str, done.seeds)), "world_seed": next(iter(done.arms.values())).world_seed,
    } | {f"hash of {name}": arm.hash for name, arm in done.arms.items()}  # fmt: skip
    rows = [
        Row([Cell(row["arm"], row["arm"]), Cell(str(row["seed"]), row["seed"]), Cell(row["digest"], row["digest"])])
        for row in done.digests.to_dict("records")
    ]
    digests = Fold("Digests of the clicks", [Table("Digests of the clicks", ["arm", "seed", "digest"], rows, words=ALL)])
    return again([], commands, facts, _versions(done), [digests])


def _versions(done: Comparison) -> dict[str, Any]:
    """Return the versions that a folder names, or those of this program."""
    kept = _kept(done).get("versions")
    return dict(kept) if isinstance(kept, dict) else dict(versions())


def _kept(done: Comparison) -> dict[str, Any]:
    """Return what the folder says of the comparison; nothing where there is none, or no longer."""
    path = None if done.folder is None else done.folder / KEPT
    kept = json.loads(path.read_text(encoding="utf-8")) if path is not None and path.is_file() else {}
    return dict(kept)
