"""Figures of runs, comparisons and studies, drawn with matplotlib: this is the list of them, each is drawn in a room below.

A function of one picture returns its Axes and takes `ax`, an Axes to draw into; one of several panels returns the Figure, and
takes `ax` where there is one panel. Each takes `path`, where to save the figure as well (its ending says as what), and `title`,
a line above. None opens a window or changes a setting of matplotlib; arms look as `recsim.palette.looks` says; what is not finite
is a gap; dashed is what a uniform feed of the same volume would give.
"""

from __future__ import annotations

from recsim.coclicks import co_clicks
from recsim.exposures import item_map, lorenz, ranks, topics
from recsim.narrowing import narrowing
from recsim.standings import dose, front, league
from recsim.studypictures import answer, heat_map
from recsim.timelines import benchmark, discovery, trajectories

__all__ = [
    "answer", "benchmark", "co_clicks", "discovery", "dose", "front", "heat_map", "item_map", "league", "lorenz", "narrowing",
    "ranks", "topics", "trajectories",
]  # fmt: skip
