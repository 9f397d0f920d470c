"""Pictures of one run: the numbers drawn are those of the run, floors are what uniform draws give, items lie in their places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from plotted import WORLD, changed, line, texts

import recsim as rs
from recsim import coclicks, exposures, plot
from recsim.metrics import coverage, gini, gini_floor
from recsim.world import FEED


@pytest.fixture(scope="module")
def run() -> rs.Run:
    """One run of the small world."""
    return rs.run(WORLD, seed=3, progress=False)


@pytest.fixture(scope="module")
def last(run: rs.Run) -> int:
    """The last epoch."""
    return run.epochs - 1


def drawn_uniformly(items: int, draws: int, times: int) -> np.ndarray:
    """Return counts of uniform draws: (times, items), sorted upwards."""
    chance = np.random.default_rng(5)
    return np.sort(chance.multinomial(draws, np.full(items, 1 / items), times), axis=1)


# -------------------------------------------------------------------------------------------------------------- counts
def test_impressions_are_those_that_the_history_is_made_of(run: rs.Run) -> None:
    """Coverage, Gini index and number of impressions in every epoch follow from them, unseen items included."""
    for epoch in range(run.epochs):
        counts = exposures.impressions(run, epoch)
        for metric, value in {"coverage": coverage(counts), "gini": gini(counts), "impressions": counts.sum()}.items():
            assert value == pytest.approx(run.series(metric).loc[epoch]), metric


# -------------------------------------------------------------------------------------------------------------- floors
@pytest.mark.parametrize(("items", "draws"), [(1, 5), (10, 1), (1000, 50), (1000, 1000), (200, 100_000)])
def test_the_floor_of_the_lorenz_curve_has_the_gini_index_of_the_floor(items: int, draws: int) -> None:
    """Twice the area between curve and diagonal is gini_floor; the curve runs from (0, 0) to (1, 1), upwards and convex."""
    x, y = exposures.lorenz_floor(items, draws)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all() and (np.diff(y) >= 0).all() and (y <= x + 1e-12).all()
    if items > 1:
        assert 1 - 2 * np.trapezoid(y, x) == pytest.approx(gini_floor(items, draws), abs=1e-9)


def test_the_floor_of_the_lorenz_curve_is_the_mean_of_many_uniform_feeds() -> None:
    """At five shares of items 300 feeds lie around it, their mean within four standard errors and the 1 / items of Poisson."""
    items, draws = 2000, 3000
    x, y = exposures.lorenz_floor(items, draws)
    held = np.cumsum(drawn_uniformly(items, draws, 300), axis=1) / draws
    for share in (0.2, 0.4, 0.6, 0.8, 0.95):
        feeds = held[:, int(share * items) - 1]
        error = feeds.std(ddof=1) / np.sqrt(len(feeds))
        assert abs(feeds.mean() - np.interp(share, x, y)) < 4 * error + 1 / items


def test_the_floor_by_rank_is_the_mean_of_many_uniform_feeds() -> None:
    """Sorted counts of 2,000 Poisson feeds are within four standard errors of it at every tenth rank; its sum is the draws."""
    items, draws = 50, 120
    floor = exposures.rank_floor(items, draws, np.arange(1, items + 1))
    assert floor.sum() == pytest.approx(draws)
    feeds = -np.sort(-np.random.default_rng(6).poisson(draws / items, (2000, items)), axis=1)
    error = feeds.std(axis=0, ddof=1) / np.sqrt(len(feeds))
    assert (np.abs(feeds.mean(axis=0) - floor) < 4 * error + 1e-9)[::10].all()


@pytest.mark.parametrize(("items", "draws"), [(0, 1), (1, 0)])
def test_floors_of_nothing_are_refused(items: int, draws: int) -> None:
    """Without items or draws there is no curve, and a rank is one of the items."""
    with pytest.raises(rs.RecsimError, match="give one of each at least"):
        exposures.lorenz_floor(items, draws)
    with pytest.raises(rs.RecsimError, match="give whole numbers from 1 to 3"):
        exposures.rank_floor(3, 3, [4])


# ------------------------------------------------------------------------------------------------------- items by rank
def test_the_lorenz_curve_has_the_gini_index_of_the_history(run: rs.Run, last: int) -> None:
    """It ends at (1, 1), its area gives the Gini index of its epoch, which stands in the key, and the floor is drawn."""
    axes = plot.lorenz(run, [0, last])
    curves = [one for one in axes.lines if len(one.get_xdata()) == len(exposures.impressions(run, last)) + 1]
    x, y = (np.asarray(data, float) for data in curves[-1].get_data())
    assert (x[-1], y[-1]) == (1, pytest.approx(1))
    index = run.series("gini").loc[last]
    assert 1 - 2 * np.trapezoid(y, x) == pytest.approx(index)
    assert f"epoch {last}: Gini {index:.2f}" in texts(axes)
    counts = exposures.impressions(run, last)
    line(axes, exposures.lorenz_floor(len(counts), int(counts.sum()))[1])


def test_ranks_are_the_sorted_impressions(run: rs.Run, last: int) -> None:
    """The curve of an epoch is its counts above 0 from the largest on, and the key tells the share of items that have any."""
    axes = plot.ranks(run, last)
    counts = exposures.impressions(run, last)
    shown = -np.sort(-counts[counts > 0])
    drawn = line(axes, shown)
    assert np.array_equal(drawn.get_xdata(), np.arange(1, len(shown) + 1))
    assert any(f"{len(shown) / len(counts):.0%} of {len(counts)} items shown" in text for text in texts(axes.figure))
    assert axes.get_xscale() == axes.get_yscale() == "log"
    floors = [one for one in axes.lines if one.get_linestyle() == "--"]
    assert np.asarray(floors[0].get_ydata())[0] == pytest.approx(exposures.rank_floor(len(counts), int(counts.sum()), [1])[0])


def test_some_epochs_are_chosen_from_the_first_to_the_last(run: rs.Run) -> None:
    """By default the first and the last are among them; one that is not there is named with those that are."""
    labels = texts(plot.lorenz(run))
    assert any(text.startswith("epoch 0:") for text in labels)
    assert any(text.startswith(f"epoch {run.epochs - 1}:") for text in labels)
    for draw in (plot.lorenz, plot.ranks, plot.item_map):
        with pytest.raises(rs.RecsimError, match="epochs: the run has not closed 99; give some of 0 to 5"):
            draw(run, 99)
    with pytest.raises(rs.RecsimError, match="epochs: none are named"):
        plot.lorenz(run, [])


# -------------------------------------------------------------------------------------------------------------- topics
def test_topic_shares_are_those_of_the_items_shown(run: rs.Run, last: int) -> None:
    """Each impression counts for the topics of its item."""
    rows = run.items[(run.items["epoch"] == last) & run.items["origin"].isin([int(origin) for origin in FEED])]
    mass = np.zeros(5)
    for item, number in zip(rows["item"], rows["impressions"], strict=True):
        mass += number * run.catalog.loc[item, [f"topic {topic}" for topic in range(1, 6)]].to_numpy(float)
    assert exposures.topic_shares(run, last) == pytest.approx(mass / mass.sum())


def test_topic_demand_is_what_the_people_of_the_world_want(run: rs.Run, last: int) -> None:
    """It is the mean of the interests that the world itself ends with, the newborn one included, which nobody had before."""
    world = rs.World(WORLD, 3).advance(WORLD.days)
    assert exposures.topic_demand(run, last) == pytest.approx(world.crowd.own["interests"].mean(axis=0))
    assert exposures.topic_demand(run, 0)[-1] == 0 < exposures.topic_demand(run, last)[-1]


def test_topics_are_drawn_with_demand_beside_them(run: rs.Run, last: int) -> None:
    """Areas end at the shares of the last epoch; beside them are those of demand, from before a birth to what it has become."""
    axes = plot.topics(run)
    before, demand = (exposures.topic_demand(run, epoch) for epoch in (0, last))
    order = np.argsort(-demand, kind="stable")

    def upto(area: Any, at: float) -> float:
        corners = area.get_paths()[0].vertices
        return float(corners[np.isclose(corners[:, 0], at)][:, 1].max())

    shown, wanted = axes.collections[::2], axes.collections[1::2]
    assert [upto(area, last) for area in shown] == pytest.approx(np.cumsum(exposures.topic_shares(run, last)[order]))
    ends = [wanted[0].get_paths()[0].vertices[:, 0].min(), wanted[0].get_paths()[0].vertices[:, 0].max()]
    for end, level in zip(ends, (before, demand), strict=True):
        assert [upto(area, end) for area in wanted] == pytest.approx(np.cumsum(level[order]))
    assert {"new", "what people want,\nsame epochs"} <= set(texts(axes))
    still = exposures.topics(rs.run(WORLD.but(births=()), seed=3, progress=False))
    assert "what people\nwant" in texts(still)


# ------------------------------------------------------------------------------------------------------------ item map
def test_the_plane_keeps_what_lies_on_a_plane() -> None:
    """Points of a plane in space keep their distances, all variance is told, and a mirrored world is not drawn mirrored."""
    flat = np.random.default_rng(1).normal(size=(30, 2))
    turned = flat @ np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0][:2]
    places, shares = exposures.plane(turned)
    apart = [np.linalg.norm(points[:, None] - points[None], axis=-1) for points in (flat, places)]
    assert np.allclose(*apart) and shares.sum() == pytest.approx(1) and shares[0] >= shares[1]
    assert np.allclose(exposures.plane(turned[::-1])[0][::-1], places)
    assert np.array_equal(exposures.plane(np.ones((4, 3)))[0], np.zeros((4, 2)))
    assert exposures.plane(np.ones((3, 1)))[0].shape == (3, 2)


def test_every_item_is_on_the_map_once(run: rs.Run, last: int) -> None:
    """Shown ones are points of their maker's marker, the others dots; together those that are out, at the area of their share."""
    (axes,) = plot.item_map(run, last).axes
    counts = exposures.impressions(run, last)
    human = run.catalog["maker"].to_numpy()[: len(counts)] == "human"
    seen = [len(points.get_offsets()) for points in axes.collections]  # type: ignore[arg-type]
    unseen = [len(dots.get_xdata()) for dots in axes.lines]  # type: ignore[arg-type]
    assert seen == [int((counts[human] > 0).sum()), int((counts[~human] > 0).sum())]
    assert unseen == [int((counts[human] == 0).sum()), int((counts[~human] == 0).sum())]
    largest = max(points.get_sizes().max() for points in axes.collections)  # type: ignore[attr-defined]
    assert largest == pytest.approx(4000 * counts.max() / counts.sum())
    first = len(exposures.impressions(run, 0))
    assert f"epoch 0: {(exposures.impressions(run, 0) > 0).sum()} of {first} shown" in texts(plot.item_map(run))


# ----------------------------------------------------------------------------------------------------------- co-clicks
def test_the_co_click_graph_is_what_the_clicks_say(run: rs.Run, last: int) -> None:
    """Nodes are the items with most clickers, each link has Salton's cosine, and each item's three strongest links are there."""
    clicks = run.clicks[(run.clicks["epoch"] == last) & run.clicks["clicked"]]
    people = {int(item): set(rows["user"]) for item, rows in clicks.groupby("item")}
    found = coclicks.graph(run, most=12)
    ranked = sorted(people, key=lambda item: (-len(people[item]), item))[:12]
    assert sorted(found) == sorted(ranked)

    def cosine(one: int, other: int) -> float:
        return len(people[one] & people[other]) / np.sqrt(len(people[one]) * len(people[other]))

    for one, other, link in found.edges(data=True):
        assert link["weight"] == pytest.approx(cosine(one, other)) and link["both"] == len(people[one] & people[other])
    for item in ranked:
        strongest = sorted((cosine(item, other) for other in ranked if other != item), reverse=True)[:3]
        theirs = sorted((link["weight"] for *_, link in found.edges(item, data=True)), reverse=True)[:3]
        assert theirs == pytest.approx([weight for weight in strongest if weight > 0])


@pytest.mark.parametrize("by", ["topic", "community"])
def test_co_clicks_draw_every_item_in_the_colour_of_its_group(run: rs.Run, by: str) -> None:
    """As many points as items, and as many groups in the key as there are."""
    axes = plot.co_clicks(run, 1, most=20, by=by)  # type: ignore[arg-type]
    links, *groups = axes.collections
    found = coclicks.graph(run, 1, most=20)
    assert sum(len(points.get_offsets()) for points in groups) == len(found)  # type: ignore[arg-type]
    assert len(links.get_paths()) == found.number_of_edges()
    names = [text for text in texts(axes.figure) if text.startswith(by) or text == "new"]
    assert len(names) == len(groups)


def test_co_clicks_that_cannot_be_drawn(run: rs.Run) -> None:
    """Epochs, numbers and groups that are not there are named; an epoch without clicks says so."""
    with pytest.raises(rs.RecsimError, match="epoch: the run has not closed 77"):
        plot.co_clicks(run, 77)
    with pytest.raises(rs.RecsimError, match="most: must be a whole number from 2 on"):
        plot.co_clicks(run, most=1)
    with pytest.raises(rs.RecsimError, match="by: 'topics' is no way to colour items; did you mean 'topic'"):
        plot.co_clicks(run, by="topics")  # type: ignore[arg-type]
    silent = changed(run, "clicks", {})
    silent.__dict__["clicks"] = run.clicks.iloc[:0]
    assert "no clicks" in texts(plot.co_clicks(silent))
