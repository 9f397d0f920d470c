"""Looks of arms: the same for the same name, told apart by more than one means, and visible on paper and on a dark page."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import recsim as rs
from recsim.palette import BASES, COLOURS, KNOWN, NEUTRAL, looks

STRATEGIES = Path(__file__).parents[1] / "scenarios" / "strategies"


def light(colour: str) -> np.ndarray:
    """Return a colour as linear light: (3,), in [0, 1] (IEC 61966-2-1)."""
    share = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 to 21 (WCAG 2.2)."""
    low, high = sorted(float(light(colour) @ [0.2126, 0.7152, 0.0722]) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colour", [*COLOURS, NEUTRAL])
@pytest.mark.parametrize("page", ["#ffffff", "#16181d"])
def test_every_colour_stands_out_from_paper_and_from_a_dark_page(colour: str, page: str) -> None:
    """The contrast is 3 to 1 at least."""
    assert contrast(colour, page) >= 3


def lab(rgb: np.ndarray) -> np.ndarray:
    """Return linear light as CIE L*a*b* of 1976, white D65: (3,)."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    f = np.cbrt(np.maximum(xyz / [0.9505, 1.0, 1.089], 0))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


SEEN = {
    "all cones": np.eye(3),
    "no red": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    "no green": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    "no blue": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
}
"""What somebody sees, of linear light: Machado, Oliveira and Fernandes 2009, "A physiologically-based model for simulation of
color vision deficiency", IEEE TVCG 15(6), severity 1.
"""


@pytest.mark.parametrize("eye", SEEN)
def test_colours_can_be_told_apart_whatever_cones_are_missing(eye: str) -> None:
    """Two of them are twenty units of L*a*b* apart at least, where two or three can just be noticed."""
    seen = [lab(np.clip(SEEN[eye] @ light(colour), 0, 1)) for colour in COLOURS]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 20


def test_every_strategy_that_comes_with_us_has_a_look_of_its_own() -> None:
    """The files and the controls are all known, and no two look alike."""
    names = {path.stem for path in STRATEGIES.glob("*.toml")} | set(rs.Scenario().controls())
    assert names <= {*KNOWN, *BASES}
    assert len(set(looks(KNOWN).values())) == len(KNOWN)


@given(st.lists(st.text(max_size=8), max_size=35, unique=True))
@example([str(place) for place in range(35)])
def test_up_to_36_arms_look_different_and_known_names_keep_their_look(names: list[str]) -> None:
    """Whatever the names are."""
    found = looks([*names, "epsilon-greedy"])
    assert found["epsilon-greedy"] == looks(["epsilon-greedy"])["epsilon-greedy"]
    others = {name for name in found if name not in BASES}
    assert len({found[name] for name in others}) == len(others)


@pytest.mark.parametrize("number", [2, 6])
def test_few_arms_of_any_name_differ_in_colour(number: int) -> None:
    """As long as there are colours."""
    assert len({look.colour for look in looks([f"mine {place}" for place in range(number)]).values()}) == number


def test_a_name_that_is_no_text_has_a_look() -> None:
    """Half of a pair of code units, as a damaged file has it, is a name like others."""
    assert looks(["a\udc80", "a"])["a\udc80"] != looks(["a\udc80", "a"])["a"]


def test_one_arm_more_leaves_the_others_as_they_are() -> None:
    """Where its letters lead elsewhere, and nobody gives way to a name that comes later."""
    names = ["alpha", "gamma", "greedy", "panel"]
    one, other = looks(names), looks([*names, "zeta"])
    assert {name: other[name] for name in names} == one
