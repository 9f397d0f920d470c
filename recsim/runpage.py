"""The page of a run: what narrowed, epoch by epoch, who gets how much of the feed, and what it is for groups of people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recsim import charts
from recsim.archive import Run, versions
from recsim.drawing import topic_names
from recsim.errors import RecsimError
from recsim.exposures import demands, impressions, received, topic_shares
from recsim.figures import Floats, Series, keys_of, lines_of, number_cell, number_cells, over_epochs, told_epochs
from recsim.metrics import METRICS
from recsim.pages import Cell, Figure, Key, Page, Row, Section, Table
from recsim.panels import GROUPED, GROUPS, LINES, RUN, Panel
from recsim.provenance import again, settings
from recsim.rarity import lorenz
from recsim.survival import curve
from recsim.timelines import How, waited
from recsim.verdict import full_epochs, numbers, verdict
from recsim.world import Origin

if TYPE_CHECKING:
    import pandas as pd

POINTS = 40  # of a curve, about
TOPICS = 24  # that have a line in a chart
HOWS: tuple[How, How] = ("shown", "clicked")


def page(done: Run) -> Page:
    """Return the page of a run."""
    wide, everybody = _wide(done), _everybody(done)
    epochs = told_epochs(sorted({int(epoch) for epoch in wide.index}))
    kinds, groups = keys_of(list(LINES.values()), first=0), keys_of(list(GROUPS.values()), "g", first=len(LINES))
    grouped = _grouped(wide, epochs, groups)
    sections = [
        Section("Epoch by epoch", [_what_an_epoch_is(done)], [
            over_epochs(panel, epochs, _lines(wide, panel, epochs), kinds, "line") for panel in RUN]),
        Section("Who gets how much", [
            "Below is one epoch, that of the slider. A feed that shows all items alike would follow the diagonal."],
            [*_exposure(done, epochs, kinds), _topics(done, epochs)]),
        *([Section("What is new", ["People who take a new interest up meet its items in the feed, or find them by themselves."],
                   _discovery(done, kinds))] if len(done.discovery) else []),
        *([Section("Groups", ["Users are mainstream or niche by their true interests; popular items are the fewest that hold "
                              "80 % of true demand."], grouped)] if grouped else []),
        Section("All metrics", [], [_table(wide)]),
        settings({done.scenario.name: done.scenario}),
        _again(done),
    ]  # fmt: skip
    keys = {"Lines": list(kinds.values())} | ({"Groups": list(groups.values())} if grouped else {})
    said = {epoch: f"{epoch}, to day {done.scenario.end_of(epoch):,.4g}" for epoch in epochs}
    return Page("Run", f"{done.scenario.name}, seed {done.seed}", _answer(done, everybody), _facts(done), keys, sections, said)


def _wide(done: Run) -> pd.DataFrame:
    """Return the metrics of whole epochs: a row an epoch, columns by (group, metric)."""
    rows = done.history[done.history["window"] == "epoch"]
    return rows.pivot(index="epoch", columns=["group", "metric"], values="value").sort_index().sort_index(axis=1)


def _everybody(done: Run) -> pd.DataFrame:
    """Return the metrics of all users and items: a row an epoch, a column a metric."""
    rows = done.history[(done.history["window"] == "epoch") & (done.history["group"] == "all")]
    return rows.pivot(index="epoch", columns="metric", values="value").sort_index()


def _what_an_epoch_is(done: Run) -> str:
    if done.scenario.epochs == 1:
        return "There is one epoch: no model was deployed before the end."
    return (
        f"An epoch lasts from one deployment of a model to the next, {done.scenario.retrain.every:g} days; epoch 0 is served by "
        f"{done.scenario.start.kind}, before there is a model."
    )


# ------------------------------------------------------------------------------------------------------- the answer
def _answer(done: Run, all_users: pd.DataFrame) -> list[str]:
    """Return what narrowed, how far that is from an even feed, what people and benchmark got, and how sure it is."""
    return [
        verdict(all_users, done.scenario.recommender.learns), _beside_floor(all_users), _meanwhile(all_users),
        "This is one run under one seed: it cannot tell an effect from chance, and no cure was tried in it. Compare it with "
        "others under the same seeds (recsim compare) to know what helps, at what cost, and how sure that is.",
    ]  # fmt: skip


def _beside_floor(table: pd.DataFrame) -> str:
    """Return where the feed stands at the end, beside a uniform feed of the same volume."""
    last = table.iloc[-1]
    shown, even = float(last["coverage_model"]), float(last["coverage_model_floor"])
    gini, floor = numbers([float(last["gini"]), float(last["gini_floor"])])
    if not float(last["impressions"]):
        return "In the last epoch the feed showed nothing."
    return (
        f"In the last epoch the model shows {shown:.1%} of the catalogue, where a uniform feed of the same volume would show "
        f"{even:.1%}; the Gini index of what is shown is {gini}, where that feed would have {floor}."
    )


def _meanwhile(table: pd.DataFrame) -> str:
    """Return what click rate and utility did from the first trained model to the last."""
    full = full_epochs(table)
    if len(full) < 2:
        return ""
    first, last = full.iloc[0], full.iloc[-1]
    rate, utility = (numbers([float(first[name]), float(last[name])]) for name in ("click_rate", "utility"))
    return (
        f"From epoch {full.index[0]} to {full.index[-1]} the click rate, which is what a benchmark sees, went from "
        f"{rate[0]} to {rate[1]}, and the true utility of what people consumed from {utility[0]} to {utility[1]}."
    )


def _facts(done: Run) -> dict[str, str]:
    history = done.history
    clicks = history[(history["group"] == "all") & (history["metric"] == "clicks") & (history["window"] == "epoch")]["value"]
    return {
        "seed": str(done.seed), "days": f"{done.scenario.days:g}", "epochs": str(done.epochs), "clicks": f"{clicks.sum():,.0f}",
        "recommender": done.scenario.recommender.kind, "policy": done.scenario.policy.kind,
    }  # fmt: skip


# --------------------------------------------------------------------------------------------------------- its figures
def _lines(wide: pd.DataFrame, panel: Panel, epochs: Sequence[int]) -> dict[str, Series]:
    """Return the lines of a panel, by what they are."""
    floors = {line: _column(wide, "all", metric, epochs) for line, metric in panel.floors.items()}
    return {
        LINES[line]: Series(_column(wide, "all", metric, epochs), floor=floors.get(line)) for line, metric in panel.lines.items()
    }


def _column(wide: pd.DataFrame, group: str, metric: str, epochs: Sequence[int]) -> Floats:
    if (group, metric) not in wide:
        return np.full(len(epochs), np.nan)
    column: Floats = wide[group, metric].loc[list(epochs)].to_numpy(np.float64)
    return column


def _grouped(wide: pd.DataFrame, epochs: Sequence[int], keys: Mapping[str, Key]) -> list[Figure]:
    """Return the panels of groups of which something was measured."""
    found = []
    for panel in GROUPED:
        series = {
            GROUPS[group]: Series(_column(wide, group, metric, epochs)) for group, metric in panel.lines.items()
            if (group, metric) in wide
        }  # fmt: skip
        if series:
            found.append(over_epochs(panel, epochs, series, keys, "group"))
    return found


def counts_of(done: Run, epoch: int) -> dict[str, Floats]:
    """Return what each item got in an epoch, by what it is, the least first: (released,) each, unseen items included."""
    each = {"shown": impressions(done, epoch), "model": received(done, epoch, origins=(Origin.MODEL,)),
            "clicked": received(done, epoch, "clicks")}  # fmt: skip
    return {LINES[line]: np.sort(got).astype(np.float64) for line, got in each.items()}


def _exposure(done: Run, epochs: Sequence[int], keys: Mapping[str, Key]) -> list[Figure]:
    """Return the Lorenz curve and the counts by rank, of every epoch that is shown."""
    curves: dict[str, list[Any]] = {name: [] for name in ("a", "e", "x", "v")}
    ranked: dict[str, list[Any]] = {name: [] for name in ("a", "e", "x", "v")}
    tops: list[Row] = []
    most = 1
    for epoch in epochs:
        got = counts_of(done, epoch)
        for name, each in got.items():
            x, y = lorenz(each) if each.any() else (np.zeros(0), np.zeros(0))
            some = _some(len(x))
            _add(curves, keys[name].line.code, epoch, x[some], y[some])
            down = each[::-1][: int((each > 0).sum())]
            ranks = np.unique(np.geomspace(1, max(1, len(down)), POINTS).round().astype(np.int64))[: len(down)]
            _add(ranked, keys[name].line.code, epoch, ranks.astype(np.float64), down[ranks - 1])
            most = max(most, len(each))
        tops += [_top(epoch, name, keys[name].line.code, each) for name, each in got.items()]
    heads = ["epoch", "what", "items with any", "of the top 1 %", "of the top 10 %", "of the lower half"]
    shares = Table("Share of all that some items have, by epoch", heads, tops, words=2)
    lines = lines_of(keys)
    about = "How much the items have together that are shown least."
    places = "Times that an item was shown or clicked, by its place among all."
    return [
        Figure("Lorenz curve", about, charts.curve(lines), curves, shares),
        Figure("By rank", places, charts.ranks(lines, most), ranked, shares),
    ]


def _topics(done: Run, epochs: Sequence[int]) -> Figure:
    """Return the topics of the feed beside what people want, the most wanted first, at every epoch that is shown."""
    shares = np.array([topic_shares(done, epoch) for epoch in epochs])
    wanted, unknown = np.full(shares.shape, math.nan), ""
    try:
        wanted = demands(done, epochs)
    except RecsimError as fault:
        unknown = f" What people want is not known here: {fault}."
    names, order = topic_names(done), np.argsort(-np.nan_to_num(wanted[-1]), kind="stable")
    columns: dict[str, list[Any]] = {name: [] for name in ("e", "label", "v", "w")}
    for place, epoch in enumerate(epochs):
        for topic in order[:TOPICS]:
            for name, value in zip(columns, (epoch, names[topic], shares[place, topic], wanted[place, topic]), strict=True):
                columns[name].append(float(value) if name in "vw" else value)
    rows = [
        Row([Cell(names[topic], names[topic]), *number_cells([wanted[0, topic], wanted[-1, topic], *shares[:, topic]])])
        for topic in order
    ]
    heads = ["topic", f"wanted, epoch {epochs[0]}", f"wanted, epoch {epochs[-1]}", *(f"shown, epoch {epoch}" for epoch in epochs)]
    table = Table("Topics of the feed and what people want, shares", heads, rows)
    top = float(np.nanmax([*shares.ravel(), *wanted.ravel(), 0.01]))
    more = f" The {TOPICS} most wanted of {len(order)}." if len(order) > TOPICS else ""
    about = f"At the epoch of the slider. Dot: share of what the feed shows; bar: share of what people truly want.{more}{unknown}"
    return Figure("Topics of the feed and what people want", about, charts.beside_demand(top), columns, table, wide=True)


def _discovery(done: Run, keys: Mapping[str, Key]) -> list[Figure]:
    """Return for each new interest who has not met it yet, by the days since people could."""
    found = []
    for place, birth in enumerate(done.scenario.births):
        people = done.discovery[done.discovery["birth"] == place]
        if not len(people):
            continue
        columns: dict[str, list[Any]] = {name: [] for name in ("a", "x", "v", "lo", "hi", "m")}
        rows = []
        end = max(float(people["until"].max() - people["since"].min()), 0.0)
        days, told = np.linspace(0, end, 2 * POINTS + 1), np.linspace(0, end, 6)
        for how in HOWS:
            key, steps = keys[LINES[how]], curve(*waited(people, how))
            at, few = (np.searchsorted(steps.days, some, side="right") - 1 for some in (days, told))
            marks = [int(turn % 10 == 5) for turn in range(len(days))]
            parts = ([key.line.code] * len(days), days.tolist(), steps.survivor[at].tolist(), steps.low[at].tolist(),
                     steps.high[at].tolist(), marks)  # fmt: skip
            for name, part in zip(columns, parts, strict=True):
                columns[name] += part
            cells = [
                number_cell(value, f"{value:.1%} ({low:.1%} to {high:.1%})")
                for value, low, high in zip(steps.survivor[few], steps.low[few], steps.high[few], strict=True)
            ]
            rows.append(Row([Cell(LINES[how], LINES[how]), *cells], key.line.code))
        about = (
            f"Of {len(people):,} people who take it up, how many have not been shown an item of it, and not clicked one, yet. "
            f"Band: 95% interval over the people (Kaplan and Meier)."
        )
        table = Table(f"Who has not met {birth.name} yet, by days", ["not yet", *(f"day {day:.4g}" for day in told)], rows)
        spec = charts.waiting([keys[LINES[how]].line for how in HOWS])
        found.append(Figure(f"Discovery of {birth.name}", about, spec, columns, table))
    return found


def _some(number: int) -> Any:
    """Return places along a curve: evenly, and closer where the most have most."""
    even = np.linspace(0, number - 1, POINTS // 2)
    end = number - 1 - np.geomspace(1, max(1, number - 1), POINTS // 2)
    return np.unique(np.concatenate([even, end, [number - 1]]).round().astype(np.int64))[-(POINTS + 1) :] if number else slice(0)


def _add(columns: dict[str, list[Any]], code: str, epoch: int, x: Floats, v: Floats) -> None:
    columns["a"] += [code] * len(x)
    columns["e"] += [epoch] * len(x)
    columns["x"] += x.tolist()
    columns["v"] += v.tolist()


def _top(epoch: int, name: str, code: str, counts: Floats) -> Row:
    """Return how much the most and the least have, of counts in ascending order."""
    total, number = float(counts.sum()), len(counts)
    ends = [counts[number - max(1, round(number / part)) :].sum() for part in (100, 10)] if number else [0.0, 0.0]
    parts = [float(end) / total if total else math.nan for end in (*ends, counts[: number // 2].sum())]
    reached = number_cells([float((counts > 0).sum())])
    return Row([Cell(str(epoch), epoch), Cell(name, name), *reached, *number_cells(parts)], code)


# -------------------------------------------------------------------------------------------------- tables, provenance
def _table(wide: pd.DataFrame) -> Table:
    """Return every metric of every group: at first, with the first model, in the middle, at last, and its floor."""
    index = [int(epoch) for epoch in wide.index]
    told = [index[place] for place in sorted({0, min(1, len(index) - 1), len(index) // 2, len(index) - 1})]
    rows = []
    for group, metric in map(tuple, wide.columns.tolist()):
        if str(metric).endswith("_floor"):
            continue
        floor = float(wide[group, f"{metric}_floor"].iloc[-1]) if (group, f"{metric}_floor") in wide else None
        values = [*wide[group, metric].loc[told].astype(float).tolist(), floor]
        what = METRICS.get(str(metric), "")
        rows.append(Row([Cell(metric, metric), Cell(group, group), Cell(what, what), *number_cells(values)]))
    heads = ["metric", "of", "what it is", *(f"epoch {epoch}" for epoch in told), "floor"]
    return Table("Metrics by epoch", heads, rows, "Floor: of a uniform feed of the last epoch's volume.", words=3)


def _again(done: Run) -> Section:
    manifest = done.manifest
    facts = {
        "seed": done.seed, "world_seed": done.scenario.world_seed, "digest of the clicks": done.digest,
        "hash of the scenario": done.scenario.hash, "seconds": f"{done.seconds:.1f}",
    } | {name: manifest[name] for name in ("impressions_digest", "world", "rows") if manifest.get(name)}
    platform = manifest.get("platform", {})
    made = manifest.get("versions") or versions()
    system = {name: platform[name] for name in ("system", "machine") if name in platform}
    command = f"recsim run scenario.toml --seed {done.seed} --out again"
    return again([], {"On the command line:": command}, facts, made | system)
