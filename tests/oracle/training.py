"""Training data: the rules that take, weigh or add the rows from which a model learns, one after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import numpy as np

import recsim as rs

from .chance import Numbers, Tree, Visit
from .eventlog import HUMAN, MODEL, ORGANIC, SYNTHETIC, Row
from .recommenders import Model, Taught
from .truth import Truth


@dataclass
class Training:
    """What the model of a number is trained on: the rules work on `rows`, one after the other.

    past: all rows before the cut, labelled as the rules so far have it. serving: the model that makes rows up.
    """

    number: int
    past: list[Taught]
    rows: list[Taught]
    serving: Model
    numbers: Numbers
    truth: Truth

    @classmethod
    def of(cls, number: int, log: list[Row], first: int, serving: Model, numbers: Numbers, truth: Truth) -> Training:
        """Return the training on a log before rules have worked on it; *first*: the second at which the window begins."""
        past = [
            Taught(n, row.time, row.visit, row.user, row.item, row.origin, row.origin, row.depth, row.propensity, 1.0)
            for n, row in enumerate(log)
        ]
        return cls(number, past, [row for row in past if row.time >= first], serving, numbers, truth)

    def follow(self, rule: rs.Rule) -> None:
        """Let one rule take, weigh or add rows."""
        match rule:
            case rs.OriginWeights():
                names = ["model", "explore", "organic", "friend", "editor", "survey", "panel", "anchor", "synthetic"]
                self.weigh(lambda row: getattr(rule, names[row.label]))
            case rs.DepthWeights():
                self.weigh(lambda row: by_depth(rule, row))
            case rs.InversePropensity():
                self.weigh(lambda row: inverse(row.propensity, rule.clip))
            case rs.TailWeights():
                self.weigh_tail(rule.exponent)
            case rs.Reservoir():
                self.rows += self.forgotten(rule.rows)
            case rs.SyntheticRows():
                self.rows += self.made_up(rule)
            case rs.WrongLabels():
                self.past = [self.mistaken(row, rule.rate) for row in self.past]
                self.rows = [self.mistaken(row, rule.rate) for row in self.rows]

    def weigh(self, factor: Callable[[Taught], float]) -> None:
        """Multiply the weights of the rows; those of weight 0 are left out."""
        weighed = [row._replace(weight=row.weight * factor(row)) for row in self.rows]
        self.rows = [row for row in weighed if row.weight > 0]

    def weigh_tail(self, exponent: float) -> None:
        """Weigh rows by how rare their items are, so that the total stays."""
        about: dict[int, float] = {}
        for row in self.rows:
            about[row.item] = about.get(row.item, 0.0) + row.weight
        rare = {item: float(np.power(weight / min(about.values()), -exponent)) for item, weight in about.items()}
        before = after = 0.0
        for row in self.rows:
            before += row.weight
            after += row.weight * rare[row.item]
        self.weigh(lambda row: rare[row.item] * (before / after))

    def forgotten(self, keep: int) -> list[Taught]:
        """Return the last human rows about each item, so many of each, that are no longer among the rows."""
        left: dict[int, int] = {}
        found = []
        for row in reversed(self.past):
            if row.label in HUMAN and left.setdefault(row.item, keep) > 0:
                left[row.item] -= 1
                found.append(row)
        there = {row.number for row in self.rows}
        return [row for row in reversed(found) if row.number not in there]

    def made_up(self, rule: rs.SyntheticRows) -> list[Taught]:
        """Return rows that the serving model makes up."""
        share = min(rule.share + rule.growth * (self.number - 1), rule.most)
        have = {row.user for row in self.rows}
        tree = Tree([float(user in have) for user in range(self.truth.users)])
        total, made = 0.0, []
        for row in self.rows:
            total += row.weight
        chance = Numbers(int(self.numbers.uniform("Lesson.rank", 0, self.number) * 2**31))
        for j in range(round(len(self.rows) * share / (1 - share))):
            label = f"SyntheticRows.user@{self.number}"
            user = tree.item(self.numbers.block(label, j, 0, len(tree.levels) - 1))
            ranking = self.serving.ranking(Visit(chance, self.truth.address[user], j, user), lambda item: True)
            best = list(islice(ranking, rule.best))
            item = best[math.floor(self.numbers.uniform("SyntheticRows.item", j, self.number) * len(best))]
            last, depth = max(row.time for row in self.rows), self.serving.depth[item]
            made.append(
                Taught(-1, last, -1, user, item, SYNTHETIC, SYNTHETIC, depth, math.nan, total / len(self.rows))
            )
        return made

    def mistaken(self, row: Taught, rate: float) -> Taught:
        """Return the row with its label wrong, if its coin says so."""
        label, when = ("WrongLabels.visit", row.visit) if row.visit >= 0 else ("WrongLabels.time", row.time)
        who, which = self.truth.address[row.user], self.truth.item_address[row.item]
        if self.numbers.uniform(label, who, when, which) < rate:
            return row._replace(label=MODEL if row.origin in HUMAN else ORGANIC)
        return row


def by_depth(rule: rs.DepthWeights, row: Taught) -> float:
    """Return the factor of a row for its depth, as its label has it."""
    depth = max(row.depth, 1.0) if row.label in (MODEL, SYNTHETIC) else 0.0
    if rule.deepest is not None and depth > rule.deepest:
        return 0.0
    return float(np.power(1 - rule.decay, np.array([depth, depth]))[0])  # alone, NumPy would square for a depth of 2


def inverse(propensity: float, clip: float) -> float:
    """Return the inverse of a propensity, from 1 to *clip*; 1 for what the feed did not place."""
    return 1.0 if math.isnan(propensity) else max(1.0, min(1 / propensity, clip))
