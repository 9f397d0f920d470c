"""Tiles of visits: all are served, nobody before what she has done before is written down, and few wait for more than that."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from recsim.behaviour import People
from recsim.randomness import Randomness
from recsim.tiles import Tile, tiles
from recsim.world import Visits


def rounds(users: int, share: float, loyal: bool = False) -> Iterator[Visits]:
    """Yield rounds: each has the users of the one before, each of whom comes again with that probability; at times all.

    loyal: those who come again are those of low numbers.
    """
    chance, number, user = np.random.default_rng(1), 0, np.arange(0, 3 * users, 3)
    every = user
    while len(user):
        time = np.full(len(user), number)
        yield Visits(user, user.astype(np.uint64), time.astype(np.uint32), time, 5, Randomness(1), None)
        number += 1
        again = np.arange(len(user)) < int(share * len(user)) if loyal else chance.random(len(user)) < share
        user = every if number == 3 else user[again]


CUT = [(1, 1, 1), (200, 7, 1), (200, 7, 2), (5000, 10_000, 1), (9000, 10_000, 2), (9000, 10_000, 5), (20_000, 3000, 3)]


@pytest.mark.parametrize("loyal", [False, True])
@pytest.mark.parametrize(("users", "size", "threads"), CUT)
def test_tiles_are_all_visits_each_after_those_of_its_users(users: int, size: int, threads: int, loyal: bool) -> None:
    """In the order of the rounds every visit is there once, and what its user did before is written down by then."""
    made = list(tiles(rounds(users, 0.4, loyal), size, threads))
    whole = list(rounds(users, 0.4, loyal))
    served = [np.concatenate([getattr(tile.visits, name) for tile in made]) for name in ("user", "ordinal")]
    for column, name in zip(served, ("user", "ordinal"), strict=True):
        np.testing.assert_array_equal(column, np.concatenate([getattr(one, name) for one in whole]))
    last = np.full(3 * users, -1)
    for number, (visits, after) in enumerate(made):
        assert last[visits.user].max() < after or not visits.time.any()
        assert after <= number and len(visits) <= size
        last[visits.user] = number


def test_a_tile_waits_for_its_own_users_alone() -> None:
    """With several threads a tile may begin while half a round is still being served; the first round waits for nothing."""
    made: list[Tile] = list(tiles(rounds(9000, 0.8), 100_000, 2))
    begins = {int(one.visits.time[0]): place for place, one in reversed(list(enumerate(made)))}
    waited = [(int(one.visits.time[0]), one.after) for one in made]
    assert all(after == 0 for number, after in waited if not number)
    ahead = [after < begins[number] for number, after in waited if 0 < number < 6]
    assert np.mean(ahead) >= 0.5
    assert {one.after for one in tiles(iter(list(rounds(9000, 0.8))[:1]), 1000, 1)} == {0}


SOME = np.array([3, 1]), np.array([False, True, False, True]), slice(1, 3), slice(None), np.array([], np.int64)


@pytest.mark.parametrize("rows", SOME)
def test_some_people_are_their_own_rows(rows: np.ndarray | slice) -> None:
    """By number, by a mask or by a stretch: what is taken of people is what numpy's index takes of each column."""
    user, interests = np.arange(10, 14), np.arange(8.0).reshape(4, 2)
    own = {"mood": np.arange(4.0), "wants": np.arange(12.0).reshape(4, 3)}
    some = People(user, interests, np.ones((3, 2)), np.arange(3, dtype=np.uint32), None, own).take(rows)
    np.testing.assert_array_equal(some.user, user[rows])
    np.testing.assert_array_equal(some.interests, interests[rows])
    for name, column in own.items():
        np.testing.assert_array_equal(some.own[name], column[rows])
