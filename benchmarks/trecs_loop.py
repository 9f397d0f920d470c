"""A feed by popularity in T-RECS, to be run where it is installed: see `speed.py`, which makes that place.

    python benchmarks/trecs_loop.py [--users 1000] [--items 1000] [--steps 5] [--json FILE]

Everybody is shown ten items a step and picks one of them; popularity is trained every step. Its models of matrix factorisation
need a library that does not install beside it any more; nothing of them is used, so that library is only said to be there.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
import time
import types
from pathlib import Path


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("users", 1000), ("items", 1000), ("steps", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", metavar="FILE", type=Path)
    given = parser.parse_args()
    names = "lenskit", "lenskit.algorithms", "lenskit.algorithms.als"
    modules = [types.ModuleType(name) for name in names]
    modules[0].algorithms, modules[1].als = modules[1:]
    sys.modules.update(zip(names, modules, strict=True))
    from trecs.models import PopularityRecommender

    target = given.json.resolve() if given.json else None
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), contextlib.redirect_stderr(io.StringIO()):  # it logs
        model = PopularityRecommender(num_users=given.users, num_items=given.items, num_items_per_iter=10, seed=1, verbose=False)
        began = time.perf_counter()
        model.run(timesteps=given.steps, train_between_steps=True, disable_tqdm=True)
        seconds = time.perf_counter() - began
    figures = {"seconds": seconds, "visits": given.users * given.steps, "visits_per_second": given.users * given.steps / seconds}
    print(", ".join(f"{name} {value:,.4g}" for name, value in figures.items()))
    if target:
        target.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
