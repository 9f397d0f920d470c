"""Reports: what a run, a comparison or a study says, as one HTML file that opens from disk and needs nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recsim import armspage, runpage, studypage
from recsim.archive import Run
from recsim.comparison import Comparison
from recsim.errors import RecsimError
from recsim.pages import Page, write
from recsim.studies import StudyResult

SIGNS = {"manifest.json": "run", "comparison.json": "comparison", "study.toml": "study"}
"""The file by which a folder is known, and what it is a folder of."""


def report(what: str | Path | Run | Comparison | StudyResult, path: str | Path | None = None) -> Path:
    """Write the report of a run, a comparison or a study as one HTML file, and return its path.

    what: a folder, or what `run`, `compare` or `run_study` returned. path: the file, by default report.html in the folder; a
    report that is there is replaced, another file is not. The page holds all that it needs, its charts too, and loads nothing.
    Raises RecsimError in one line for a folder that holds none of these, a run that is not finished, a place that cannot be
    written, and where the extra that draws charts is not installed.
    """
    source = Path(what) if isinstance(what, (str, Path)) else what
    folder = source if isinstance(source, Path) else source.folder
    if path is None and folder is None:
        raise RecsimError("path: this was kept in no folder; name the file to write, such as report.html")
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite in a file is a gap on the page
        page = page_of(source)
    return write(page, Path(path) if path is not None else Path(folder or ".") / "report.html")


def page_of(what: Path | Run | Comparison | StudyResult) -> Page:
    """Return the page of a folder, or of what was returned. Raises RecsimError as `report` does."""
    if isinstance(what, Path):
        kind = kind_of(what)
        if kind == "study":
            return studypage.page(what)
        return page_of(Run.load(what) if kind == "run" else Comparison.load(what))
    if isinstance(what, StudyResult):
        return studypage.page(what.folder)
    if isinstance(what, Comparison):
        return armspage.page(what)
    if what.status != "done":
        where = what.folder or what.scenario.name
        raise RecsimError(f"{where}: its run is not finished ({what.status}); go on with recsim run --resume --out {where}")
    return runpage.page(what)


def kind_of(folder: Path) -> str:
    """Return what a folder is of: "run", "comparison" or "study". Raises RecsimError where it is none of them."""
    for sign, kind in SIGNS.items():
        if (folder / sign).is_file():
            return kind
    what = "holds no run, comparison or study" if folder.is_dir() else "is no folder"
    raise RecsimError(f"{folder}: {what}; give the folder that recsim run, compare or study has written")
