"""What tests of studies share: a world of a few people, a study of it, and kinds of policies that do harm."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import recsim as rs

TINY = rs.Scenario(
    name="tiny",
    days=6.0,
    slate=4,
    population=rs.SyntheticUsers(users=20, topics=3, curiosity=0.1),
    catalog=rs.SyntheticItems(items=15, topics=3),
    visits=rs.Poisson(rate=1.0),
    recommender=rs.Popularity(prior=1.0),
    retrain=rs.Retrain(every=2.0, latency=0.1),
)
EPSILONS = {"policy": [rs.Greedy(), rs.EpsilonGreedy(epsilon=0.5)]}


def study_of(factors: object = EPSILONS, seeds: object = 2, **more: object) -> rs.Study:
    """Return a study of the tiny world."""
    settings = {"name": "tiny", "base": TINY, "keep": rs.Keep(windows=("every epoch", "last 2"))} | more
    return rs.Study(factors=factors, seeds=seeds, **settings)  # type: ignore[arg-type]


def study_now(study: rs.Study, out: Path, **more: object) -> rs.StudyResult:
    """Run a study by one worker, without a word."""
    return rs.run_study(study, out, **({"workers": 1, "progress": False} | more))  # type: ignore[arg-type]


def cells(folder: Path) -> dict[str, bytes]:
    """Return the cells of a study's folder, byte for byte, by name."""
    return {path.name: path.read_bytes() for path in (folder / "cells").glob("[!.]*")}


class _Harmful(rs.Greedy):
    """Does harm as it serves; where *once* names a file, only as long as that is not there."""

    harm: str = "bug"
    once: str = ""

    def place(self, *given, **more):  # type: ignore[no-untyped-def]
        """Do harm, then serve."""
        if not (self.once and Path(self.once).exists()):
            if self.once:
                Path(self.once).write_text(str(os.getpid()))
            HARMS[self.harm]()
        return super().place(*given, **more)


def _bug() -> None:
    print("a kind may print what it likes")
    raise ZeroDivisionError("of mine")


def _memory() -> None:
    raise MemoryError


HARMS = {
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "hang": lambda: time.sleep(600),
    "memory": _memory,
    "bug": _bug,
}
