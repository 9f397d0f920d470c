"""What the benchmarks share: the machine in words, processes pinned to processors, and the median of several."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PACKAGES = "numpy", "scipy", "numba", "simpy", "implicit", "mesa", "pyarrow"


def pin(threads: int) -> list[int] | None:
    """Keep this process on so many processors, where the system can do that; return which, None where it cannot."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    chosen = sorted(os.sched_getaffinity(0))[-threads:]
    os.sched_setaffinity(0, chosen)
    return chosen


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    from threadpoolctl import threadpool_info

    import recsim as rs

    model = platform.processor()
    cpus = Path("/proc/cpuinfo")
    if cpus.exists():
        lines = [line.partition(":")[2].strip() for line in cpus.read_text(encoding="utf-8").splitlines() if "model name" in line]
        model = lines[0] if lines else model
    return {
        "processor": model, "processors": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES}, "recsim": rs.__version__,
        "blas": sorted({f"{one['internal_api']} {one['version']} {one.get('architecture')}" for one in threadpool_info()}),
    }  # fmt: skip


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@contextmanager
def spent(owner: type, method: str) -> Iterator[Callable[[], float]]:
    """Give a function that returns the seconds spent in a method so far."""
    inside, seconds = getattr(owner, method), 0.0

    def timed(*arguments: Any, **named: Any) -> Any:
        nonlocal seconds
        began = time.perf_counter()
        try:
            return inside(*arguments, **named)
        finally:
            seconds += time.perf_counter() - began

    setattr(owner, method, timed)
    try:
        yield lambda: seconds
    finally:
        setattr(owner, method, inside)


def measured(script: str, *arguments: object, python: str = sys.executable) -> dict[str, Any]:
    """Return the figures that a script of this folder writes as JSON when run in a process of its own.

    Raises RuntimeError with what it said where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [python, "-W", "ignore", str(HERE / script), *map(str, arguments), "--json", str(path)]
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode or not path.exists():
            said = done.stderr.strip().splitlines()[-1:] or [str(done.returncode)]
            raise RuntimeError(f"{script} {' '.join(map(str, arguments))}: {said[0]}")
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return figures


def median(rounds: Sequence[dict[str, Any]], name: str) -> float:
    """Return the median of a figure over several rounds."""
    return float(np.median([one[name] for one in rounds]))
