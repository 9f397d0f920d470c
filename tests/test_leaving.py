"""Leaving after bad visits, by hand: what counts as bad, how many are put up with, and for how long somebody stays away."""

from __future__ import annotations

import math

import numpy as np
import pytest

import recsim as rs
from recsim.dynamics import AWAY
from recsim.population import Own
from recsim.randomness import Randomness
from recsim.world import DAY, NOTHING, Seen, Visits

NOBODY = rs.Items(np.arange(2, dtype=np.uint32), np.array([[1.0], [1.0]]), np.ones(2))


def leave(leaving: rs.Leaving, own: Own, kinds: str, ordinal: int = 0, second: int = 1000) -> Own:
    """Return the rows after a visit of each user: b bad, c with a click, o organic, n with nothing to be shown."""
    users = np.arange(len(kinds))
    shown = np.array([[0, 1] if kind in "bc" else [NOTHING, NOTHING] for kind in kinds], np.int32)
    order = np.array([[0, int(kind == "c")] for kind in kinds], np.int16)
    found = np.array([0 if kind == "o" else NOTHING for kind in kinds], np.int32)
    nth, time = np.full(len(users), ordinal, np.uint32), np.full(len(users), second)
    visits = Visits(users, users.astype(np.uint64), nth, time, 2, Randomness(1), None)
    leaving.react(own, visits, Seen(shown, order, found), NOBODY)
    return own


def at_home(users: int) -> Own:
    """Return the rows of people who have just come."""
    people = rs.SyntheticUsers(users=users, topics=1, mainstream=0).draw(Randomness(1))
    return rs.Leaving().columns(Randomness(1), people, NOBODY)


def test_only_bad_visits_in_a_row_are_counted() -> None:
    """A visit to the feed without a click counts; a click, a search, or an empty feed puts the count back to 0."""
    patient, own = rs.Leaving(patience=9), at_home(4)
    for _ in range(3):
        leave(patient, own, "bbbb")
    assert own["bad visits"].tolist() == [3, 3, 3, 3]
    leave(patient, own, "bcon")
    assert own["bad visits"].tolist() == [4, 0, 0, 0] and not own[AWAY].any()


def test_patience_is_the_number_of_bad_visits() -> None:
    """With probability 1 she goes at bad visit number *patience*, neither before nor after, and starts the count anew."""
    for patience in (1, 2, 5):
        own = at_home(1)
        for visit in range(patience):
            assert not own[AWAY].any() and own["bad visits"][0] == visit
            leave(rs.Leaving(patience=patience, chance=1.0, forever=0.0), own, "b", visit)
        assert own[AWAY][0] > 1000 and own["bad visits"][0] == 0


def test_the_time_away_is_as_it_is_written_down() -> None:
    """Days are -log(uniform) * away from the second of the visit on, each at the address of user and visit."""
    leaving = rs.Leaving(patience=1, chance=0.6, forever=0.4, away=3.0)
    own = leave(leaving, at_home(200), "b" * 200, 7)
    coin, ever, days = (Randomness(1).uniform(f"Leaving.{what}", np.arange(200), 7) for what in ("coin", "forever", "away"))
    goes, back = coin < leaving.chance, 1000 + -np.log(days) * leaving.away * DAY
    np.testing.assert_allclose(own[AWAY], np.where(goes, np.where(ever < leaving.forever, np.inf, back), 0.0))
    assert own["bad visits"].tolist() == np.where(goes, 0, 1).tolist()
    assert 90 < goes.sum() < 150 and 25 < np.isinf(own[AWAY]).sum() < 75


@pytest.mark.parametrize("forever", [0.0, 1.0])
def test_for_ever_is_for_ever_and_never_is_never(forever: float) -> None:
    """At 1 nobody comes back, at 0 everybody does; the mean time away is the one stated, within 4 standard errors."""
    own = leave(rs.Leaving(patience=1, chance=1.0, forever=forever, away=2.0), at_home(4000), "b" * 4000)
    if forever:
        assert np.isinf(own[AWAY]).all()
    else:
        assert ((own[AWAY] - 1000) / DAY).mean() == pytest.approx(2.0, abs=4 * 2.0 / math.sqrt(4000))
