"""A world from a real log: people and items fitted to what was consumed, and how well they reproduce it.

The model is latent Dirichlet allocation (Blei, Ng, Jordan, "Latent Dirichlet allocation", JMLR 3, 2003): a user is a
mixture of topics, a topic is a distribution over items, and a consumption is a topic drawn from the user, then an item
drawn from the topic. That is how people consume here when nothing steers them, with one difference: they consume an
item once. `fit` says how that is accounted for.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest, sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsim.catalog import Catalog, Items
from recsim.datasets import KNOWN, Ints, Log, cache, fetch, read_log
from recsim.errors import RecsimError, nearest
from recsim.files import appearing
from recsim.lottery import CELLS
from recsim.metrics import gini
from recsim.population import Population, Users
from recsim.progress import Progress
from recsim.randomness import Floats, Randomness

__all__ = ["CalibratedItems", "CalibratedUsers", "Fitted", "HeldOut", "calibrate", "fit", "hold_out", "provide", "read"]

Ints32 = npt.NDArray[np.int32]
Tell = Callable[[float, str], None]  # is told the share of the work that is done, 0 to 1, and what comes now

FORMAT = 2  # of a world folder; a change of it, or of what `fit` computes, makes cached worlds be fitted anew

# Settings of the fit, the same for every log. They were chosen on the first four fifths of MovieLens 100K alone, parted
# four to one in time once more, by the rank correlation there; the last fifth, which reports show, did not choose.
TOPICS = 20  # 10 differ more from seed to seed and foretell what single people take next less well
INTEREST_PRIOR = 1.0  # of theta: every mixture of topics is as likely; at 1/topics people come out too narrow
ITEM_PRIOR = 0.01  # of beta: at 1/topics the pseudo-counts outnumber what was consumed in the tail, and flatten it
REFITS = 1  # times that struck-out repeats are worked out; a second moves the figures by less than 0.007
ITERATIONS = 15, 30  # of variational Bayes before the last fit, and in it

ASSUMED = "a rating log does not identify outside option, position bias or click rate; they are assumed"


@dataclass(frozen=True)
class Fitted:
    """People and items in the parameters of a world.

    interests: (users, topics), positive, rows sum to 1 (theta). activity: (users,) positive, mean 1, rows of each user
    relative to the mean. niche: (users,) bool. topics: (items, topics), positive, rows sum to 1 (phi). appeal: (items,)
    positive (a), the times that the log's people would have consumed the item if they could have done so again.
    user_names, item_names: as in the log.
    """

    interests: Floats
    activity: Floats
    niche: npt.NDArray[np.bool_]
    topics: Floats
    appeal: Floats
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]

    def demand(self) -> Floats:
        """Return (topics, items), rows sum to 1: of those who want topic k, the share that wants item i (beta)."""
        weight = self.topics.T * self.appeal
        return np.asarray(weight / weight.sum(axis=1, keepdims=True), np.float64)


@dataclass(frozen=True)
class HeldOut:
    """How an organic run compares with the last fifth of a log, which the fit has not seen; means over several runs.

    gini: how unevenly popularity is shared among all items of the log, 0 to 1. correlation: Spearman's, of items'
    popularity in the run with that in the held-out part, -1 to 1; None where one of them does not vary.
    *_popularity: the same for people who all choose in proportion to popularity in the first four fifths.
    """

    rows: int
    users: int
    new_users: int
    runs: int
    gini: float
    gini_simulated: float
    gini_popularity: float
    correlation: float | None
    correlation_popularity: float | None


def _silent(share: float, what: str) -> None:
    pass


# ----------------------------------------------------------------------------------------------------------------------
# Fitting


def fit(
    log: Log,
    topics: int = TOPICS,
    seed: int = 0,
    interest_prior: float = INTEREST_PRIOR,
    item_prior: float = ITEM_PRIOR,
    progress: Tell = _silent,
) -> Fitted:
    """Return the people and items whose organic consumption explains the log best.

    Repeated pairs of user and item count once. With n_k the topic masses and beta_k the topics' distributions over
    items, a_i = sum_k n_k beta_ki and phi_ik = n_k beta_ki / a_i, so that the demand for topic k, W_k = sum_i phi_ik
    a_i, is n_k. topics: 1 or more. interest_prior, item_prior: Dirichlet parameters, above 0, at most 1.

    Someone who consumes each item once leaves no trace of wanting it again, so plain allocation takes the head of the
    catalogue for less wanted than it is, and the tail for more. The log is therefore seen as what remains of draws with
    replacement from which repeats were struck out; given interests, the expected number of struck-out repeats is known
    (`_with_repeats`), and allocation and completion take turns, as in expectation-maximisation (Dempster, Laird, Rubin,
    JRSS B 39, 1977). Variational Bayes starts from random numbers made of *seed*; BLAS is held to one thread, so that
    the same machine kind gives the same bytes.

    Raises RecsimError when a setting is out of range, or when the log has fewer than two users or items.
    """
    settings = {"topics": (topics, 4096), "interest_prior": (interest_prior, 1), "item_prior": (item_prior, 1)}
    for name, (value, top) in settings.items():
        if not 0 < value <= top:
            raise RecsimError(f"{name}: {value} is out of range; give a number above 0, at most {top}")
    if min(len(log.user_names), len(log.item_names)) < 2:
        raise RecsimError("the log: has fewer than two users or items, which teach nothing; give a longer one")
    user, item = _distinct(log)
    weight = np.ones(len(user))
    for turn in range(REFITS + 1):
        progress(turn / (REFITS + 1), "fitting topics")
        matrix = _matrix(log, user, item, weight)
        interests, masses = _allocate(matrix, topics, seed, (interest_prior, item_prior), ITERATIONS[turn == REFITS])
        if turn < REFITS:
            chance = _chances(interests, masses / masses.sum(axis=1, keepdims=True), user, item)
            weight = _with_repeats(user, chance)
    appeal = masses.sum(axis=0)
    shares = (masses / appeal).T
    rows = np.bincount(user, minlength=len(log.user_names))
    return Fitted(
        interests=interests,
        activity=_activity(rows),
        niche=_niche(interests, masses),
        topics=shares / shares.sum(axis=1, keepdims=True),
        appeal=appeal,
        user_names=log.user_names,
        item_names=log.item_names,
    )


def _distinct(log: Log) -> tuple[Ints, Ints]:
    """Return user and item of the rows, without those that repeat an earlier pair, in the order of the log."""
    keys = log.user.astype(np.int64) * len(log.item_names) + log.item
    first = np.sort(np.unique(keys, return_index=True)[1])
    return log.user[first].astype(np.int64), log.item[first].astype(np.int64)


def _matrix(log: Log, user: Ints, item: Ints, weight: Floats) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((weight, (user, item)), shape=(len(log.user_names), len(log.item_names)))


def _allocate(
    matrix: Any, topics: int, seed: int, priors: tuple[float, float], iterations: int
) -> tuple[Floats, Floats]:
    """Return theta (users, topics), and n_k beta_ki (topics, items), its prior included: all are positive."""
    from sklearn.decomposition import LatentDirichletAllocation
    from threadpoolctl import threadpool_limits

    model = LatentDirichletAllocation(
        topics,
        doc_topic_prior=priors[0],
        topic_word_prior=priors[1],
        max_iter=iterations,
        random_state=Randomness(seed).integer("calibration.fit"),
    )
    with threadpool_limits(limits=1, user_api="blas"):
        interests = np.asarray(model.fit_transform(matrix), np.float64)
    return interests / interests.sum(axis=1, keepdims=True), np.asarray(model.components_, np.float64)


def _chances(interests: Floats, demand: Floats, user: Ints, item: Ints) -> Floats:
    """Return p_u(i) of each pair (n,), without the matrix of all users and items."""
    result = np.zeros(len(user))
    for theta, beta in zip(interests.T, demand, strict=True):
        result += theta[user] * beta[item]
    return result


def _with_repeats(user: Ints, chance: Floats) -> Floats:
    """Return how often each item would be drawn in all (n,), at least 1, if a person's repeats had been recorded.

    user, chance: (n,), rows of one user in the order of consumption, and p_u(i) of each. Once a person has consumed a
    set C, a draw repeats something with probability P(C), so the wait for her next new item is 1 / (1 - P(C)) draws in
    expectation, and an item of C is drawn p_u(i) / (1 - P(C)) times meanwhile. Nothing is added after her last row.

    >>> _with_repeats(np.array([0, 0]), np.array([0.5, 0.1])).tolist()
    [2.0, 1.0]
    """
    order = np.argsort(user, kind="stable")
    p, lengths = chance[order], np.bincount(user)
    lengths = lengths[lengths > 0]
    first = np.repeat(np.cumsum(lengths) - lengths, lengths)
    last = np.repeat(np.cumsum(lengths) - 1, lengths)
    so_far = np.cumsum(p)
    had = so_far - (so_far - p)[first]
    # Who has had nearly all that she wants would count without bound; a thousand draws a row are as good as all.
    wait = 1 / np.maximum(1 - had, 1e-3)
    wait[last == np.arange(len(p))] = 0
    waits = np.cumsum(wait)
    result = np.empty(len(p))
    result[order] = 1 + p * (waits[last] - waits + wait)
    return result


def _activity(rows: Ints) -> Floats:
    """Return (users,) rows relative to their mean, kept between a tenth and ten times it, with mean 1.

    Without the bounds one tireless person could make half the log of a small world, or a rare guest none of it.
    """
    relative = np.clip(rows / rows.mean(), 0.1, 10)
    return np.asarray(relative / relative.mean(), np.float64)


def _niche(interests: Floats, masses: Floats) -> npt.NDArray[np.bool_]:
    """Return (users,) whether what a user wants is less popular than what four fifths of the users want.

    The popularity of what she wants is sum_i p_u(i) a_i, the mean appeal of an item that she would consume first.
    """
    of_topic = (masses * masses.sum(axis=0)).sum(axis=1) / masses.sum(axis=1)
    expected = (interests * of_topic).sum(axis=1)
    return np.asarray(expected < np.quantile(expected, 0.2), np.bool_)


# ----------------------------------------------------------------------------------------------------------------------
# Holding out


def hold_out(log: Log, topics: int = TOPICS, seed: int = 0, runs: int = 10, progress: Tell = _silent) -> HeldOut:
    """Return how well a world fitted on the first four fifths of the log, in time, reproduces the last.

    Each person of the held-out part consumes as many items as she did there, none twice and none that she had had
    before. Who is new there has the interests of a person drawn from those fitted. The last fifth lends nothing to the
    world but the names of its items and the number of items each person consumes.

    Raises RecsimError when the log has no time, or is too short to be parted.
    """
    if log.time is None:
        raise RecsimError("the log: has no time, so its last fifth cannot be held out; name the column with time")
    before = _head(log, len(log) * 4 // 5)
    fitted = fit(before, topics, seed, progress=_part(progress, 0.0, 0.7))
    had, items = _distinct(before), len(log.item_names)
    user, item = _distinct(log)
    user, item = user[len(had[0]) :], item[len(had[0]) :]
    if not len(user):
        raise RecsimError("the log: nothing is consumed for the first time in its last fifth; give a longer log")
    who, volume = np.unique(user, return_counts=True)
    crowd = _Crowd(who, volume, *had)
    held = np.bincount(item, minlength=items)
    demand, popularity = fitted.demand(), np.bincount(had[1], minlength=items).astype(np.float64)
    alike = np.ones((len(who), 1))
    ginis, correlations = np.zeros((runs, 2)), np.zeros((runs, 2))
    for run in range(runs):
        progress(0.7 + 0.3 * run / runs, "replaying the last fifth")
        randomness = Randomness(seed + run)
        interests = _interests(fitted, who, randomness)
        counts = crowd.consume(interests, demand, randomness), crowd.consume(alike, popularity[None], randomness)
        ginis[run] = [gini(count) for count in counts]
        correlations[run] = [_rank_correlation(count, held) for count in counts]
    return HeldOut(
        rows=len(user),
        users=len(who),
        new_users=int((who >= len(fitted.user_names)).sum()),
        runs=runs,
        gini=gini(held),
        gini_simulated=float(ginis[:, 0].mean()),
        gini_popularity=float(ginis[:, 1].mean()),
        correlation=_or_none(correlations[:, 0].mean()),
        correlation_popularity=_or_none(correlations[:, 1].mean()),
    )


def _head(log: Log, rows: int) -> Log:
    """Return the first rows of a log, with the people in them and all its items.

    People are numbered in the order in which they appear, so those in the first rows are the first.
    """
    user = log.user[:rows]
    people = log.user_names[: int(user.max(initial=-1)) + 1]
    time = None if log.time is None else log.time[:rows]
    return Log(user, log.item[:rows], time, people, log.item_names)


def _interests(fitted: Fitted, who: Ints, randomness: Randomness) -> Floats:
    """Return (n, topics): of people who are fitted their own interests, of new ones those of somebody who is."""
    anyone = (randomness.uniform("calibration.person", who) * len(fitted.user_names)).astype(np.int64)
    return fitted.interests[np.where(who < len(fitted.user_names), who, anyone)]


@dataclass(frozen=True)
class _Crowd:
    """Who consumes how much: who, volume (n,), who ascending; and what was consumed before: had_by, had (m,)."""

    who: Ints
    volume: Ints
    had_by: Ints
    had: Ints

    def consume(self, interests: Floats, demand: Floats, randomness: Randomness) -> Ints:
        """Return (items,) how many of these people consume each item, drawing from sum_k theta_uk beta_ki.

        A user's draws, repeats and what she had before struck out, are a race: item i arrives after an exponential
        time divided by its weight, and the first *volume* to arrive are consumed (Efraimidis and Spirakis, "Weighted
        random sampling with a reservoir", IPL 97, 2006).
        """
        items = demand.shape[1]
        result = np.zeros(items, np.int64)
        step = max(1, CELLS // items)
        for start in range(0, len(self.who), step):
            block = slice(start, start + step)
            who, volume = self.who[block], self.volume[block]
            weight = np.einsum("uk,ki->ui", interests[block], demand)  # no BLAS: its last bits vary with its threads
            arrival = randomness.exponential("calibration.race", who[:, None], which=np.arange(items))
            arrival /= np.maximum(weight, 1e-300)
            among = np.isin(self.had_by, who)
            arrival[np.searchsorted(who, self.had_by[among]), self.had[among]] = np.inf
            first = np.argsort(arrival, axis=1)[:, : volume.max()]
            result += np.bincount(first[np.arange(first.shape[1]) < volume[:, None]], minlength=items)
        return result


def _rank_correlation(left: Ints, right: Ints) -> float:
    """Return Spearman's rank correlation, ties at their mean rank; NaN when one side does not vary."""
    from scipy.stats import rankdata

    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    x, y = (ranks - ranks.mean() for ranks in (rankdata(left), rankdata(right)))
    return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# ----------------------------------------------------------------------------------------------------------------------
# World folders


def calibrate(
    log_path: str | Path,
    out: str | Path,
    *,
    user: str,
    item: str,
    time: str | None = None,
    rating: str | None = None,
    at_least: float | None = None,
    topics: int = TOPICS,
    seed: int = 0,
    progress: Tell = _silent,
) -> dict[str, Any]:
    """Fit a world to a log, write it as the folder *out*, and return its report.

    log_path, user, item, time, rating, at_least: as in `read_log`. topics, seed: as in `fit`. The folder holds
    users.parquet (name, activity, niche, theta_0 ...), items.parquet (name, appeal, phi_0 ...), log.parquet (the log
    itself: user, item, by their places, in time order) and report.json, all of the whole log; the report's "held_out" is
    of a second fit on its first four fifths, None when the log has no time.

    Raises RecsimError when *out* exists, and what `read_log`, `fit` and `hold_out` raise.
    """
    out = Path(out)
    if out.exists():
        raise RecsimError(f"{out}: exists already; choose another folder, or delete it")
    progress(0.0, "reading the log")
    log = read_log(log_path, user, item, time, rating, at_least)
    held_out = None
    if log.time is not None:
        held_out = asdict(hold_out(log, topics, seed, progress=_part(progress, 0.0, 0.5)))
    fitted = fit(log, topics, seed, progress=_part(progress, 0.5, 1.0))
    report = {
        "format": FORMAT,
        "source": {"file": Path(log_path).name, "sha256": hash_of(Path(log_path))},
        "settings": settings_of(topics, seed)
        | {"user": user, "item": item, "time": time, "rating": rating, "at_least": at_least},
        "versions": {package: version(package) for package in ("numpy", "scipy", "scikit-learn")},
        "rows": len(log),
        "users": len(log.user_names),
        "items": len(log.item_names),
        "topics": topics,
        "assumed": ASSUMED,
        "held_out": held_out,
    }
    with appearing(out) as folder:
        write_world(folder, fitted, report, log.user, log.item)
    progress(1.0, "done")
    return report


def _part(progress: Tell, start: float, end: float) -> Tell:
    return lambda share, what: progress(start + share * (end - start), what)


def settings_of(topics: int, seed: int) -> dict[str, Any]:
    """Return all that decides what is fitted, beside the log."""
    return {
        "topics": topics,
        "seed": seed,
        "interest_prior": INTEREST_PRIOR,
        "item_prior": ITEM_PRIOR,
        "refits": REFITS,
        "iterations": list(ITERATIONS),
    }


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def write_world(folder: Path, fitted: Fitted, report: dict[str, Any], user: Ints32, item: Ints32) -> None:
    """Write people, items, what they did, (rows,) users and items, and the report of a world into a folder."""
    import pandas as pd

    theta, phi = _columns("theta", fitted.interests), _columns("phi", fitted.topics)
    people = {"name": fitted.user_names, "activity": fitted.activity, "niche": fitted.niche}
    pd.DataFrame(people | theta).to_parquet(folder / "users.parquet", index=False)
    pd.DataFrame({"name": fitted.item_names, "appeal": fitted.appeal} | phi).to_parquet(
        folder / "items.parquet", index=False
    )
    pd.DataFrame({"user": user, "item": item}).to_parquet(folder / "log.parquet", index=False)
    (folder / "report.json").write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _columns(name: str, table: Floats) -> dict[str, Floats]:
    return {f"{name}_{k}": column for k, column in enumerate(table.T)}


def read(folder: Path) -> Fitted:
    """Return the people and items of a world folder.

    Raises RecsimError when the folder or a file in it is missing, damaged, or of another format.
    """
    import pandas as pd
    import pyarrow as pa

    mend = "delete the folder and calibrate it again"
    if not folder.is_dir():
        raise RecsimError(f"{folder}: there is no such world; make it with recsim calibrate")
    for name in ("report.json", "users.parquet", "items.parquet"):
        if not (folder / name).is_file():
            raise RecsimError(f"{folder}: is no world folder: it has no {name}; {mend}")
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        if report["format"] != FORMAT:
            raise RecsimError(f"{folder}: has format {report['format']}, but {FORMAT} is read here; {mend}")
        users, items = (pd.read_parquet(folder / name) for name in ("users.parquet", "items.parquet"))
        fitted = Fitted(
            interests=_table(users, "theta", report["topics"]),
            activity=users["activity"].to_numpy(np.float64),
            niche=users["niche"].to_numpy(np.bool_),
            topics=_table(items, "phi", report["topics"]),
            appeal=items["appeal"].to_numpy(np.float64),
            user_names=tuple(users["name"].astype(str)),
            item_names=tuple(items["name"].astype(str)),
        )
        _refuse_damage(fitted, report)
    except (KeyError, TypeError, ValueError, OSError, pa.ArrowException) as fault:
        raise RecsimError(f"{folder}: is damaged ({type(fault).__name__}: {fault}); {mend}") from None
    return fitted


def read_rows(folder: Path) -> npt.NDArray[np.int32]:
    """Return the log that a world folder was fitted to, (2, rows), users and items in time order.

    Raises RecsimError when the folder has none, or one that is damaged.
    """
    import pandas as pd
    import pyarrow as pa

    try:
        rows = pd.read_parquet(folder / "log.parquet")[["user", "item"]].to_numpy(np.int32).T
    except (KeyError, ValueError, OSError, pa.ArrowException) as fault:
        raise RecsimError(f"{folder}: its log cannot be read ({type(fault).__name__}); calibrate it again") from None
    return np.ascontiguousarray(rows)


def _table(frame: Any, name: str, topics: int) -> Floats:
    return np.ascontiguousarray(frame[[f"{name}_{k}" for k in range(topics)]].to_numpy(np.float64))


def _refuse_damage(fitted: Fitted, report: dict[str, Any]) -> None:
    """Raise ValueError when numbers cannot be those of a world: not so many, not positive, or no shares of 1."""
    if (len(fitted.activity), len(fitted.appeal)) != (report["users"], report["items"]):
        raise ValueError("rows are missing")
    for numbers in (fitted.interests, fitted.activity, fitted.topics, fitted.appeal):
        if not (np.isfinite(numbers).all() and (numbers > 0).all()):
            raise ValueError("a number is not positive")
    for shares in (fitted.interests, fitted.topics):
        if np.abs(shares.sum(axis=1) - 1).max(initial=0) > 1e-9:
            raise ValueError("shares do not sum to 1")


def provide(world: str | Path, progress: Tell | None = None) -> Path:
    """Return the folder of a world: itself, or that of a known data set, fetched and calibrated when it is not there.

    Worlds of known data sets live in the cache, under a name made of the log's hash, all settings and the format, so
    that what other settings made is never taken for them.

    Raises RecsimError when there is neither such a folder nor such a data set, and what `fetch` raises.
    """
    if str(world) not in KNOWN:
        if not Path(world).is_dir():
            known = nearest(str(world), KNOWN)
            raise RecsimError(f"world {str(world)!r}: there is no such folder and no such data set; {known}")
        return Path(world)
    name, known_log = str(world), KNOWN[str(world)]
    log = fetch(name) / known_log.file
    topics, seed = TOPICS, 0
    decisive = json.dumps([FORMAT, hash_of(log), asdict(known_log), settings_of(topics, seed)])
    folder = cache() / "worlds" / f"{name}-{sha256(decisive.encode()).hexdigest()[:16]}"
    if not folder.exists():
        with Progress(f"calibrating {name}") as bar:
            user, item, time, tell = known_log.user, known_log.item, known_log.time, progress or bar
            calibrate(log, folder, user=user, item=item, time=time, topics=topics, seed=seed, progress=tell)
    return folder


# ----------------------------------------------------------------------------------------------------------------------
# Recipes


class CalibratedUsers(Population):
    """People fitted to a real log, or drawn from them."""

    world: str = Field("movielens-100k", description="a world folder, or the name of a known data set")
    users: int | None = Field(
        None, ge=1, le=2**31 - 1, description="number drawn from the fitted; none: they themselves"
    )

    def draw(self, randomness: Randomness) -> Users:
        """Return the fitted people in their order, or each user as one of them, drawn with replacement.

        A drawn user takes interests, activity and niche from one person, so that what goes together stays together.
        """
        if self.users is not None:
            return self.more(randomness, np.arange(self.users, dtype=np.uint64))
        fitted = read(provide(self.world))
        people = np.arange(len(fitted.user_names))
        return replace(self._as(fitted, people.astype(np.uint64), people), names=fitted.user_names)

    def more(self, randomness: Randomness, address: npt.NDArray[np.uint64]) -> Users:
        """Return users who are each one of the fitted people, drawn with replacement."""
        fitted = read(provide(self.world))
        who = (randomness.uniform("users.person", address) * len(fitted.user_names)).astype(np.int64)
        return self._as(fitted, address, who)

    def _as(self, fitted: Any, address: npt.NDArray[np.uint64], who: npt.NDArray[np.int64]) -> Users:
        """Return users at these addresses who are as the people *who* are."""
        curiosity = np.full(len(address), self.curiosity)
        return Users(address, fitted.interests[who], fitted.activity[who], curiosity, fitted.niche[who])


class CalibratedItems(Catalog):
    """Items fitted to a real log."""

    world: str = Field("movielens-100k", description="a world folder, or the name of a known data set")

    def draw(self, randomness: Randomness) -> Items:
        """Return the fitted items in the order in which they appear in the log."""
        fitted = read(provide(self.world))
        return Items(
            address=np.arange(len(fitted.appeal), dtype=np.uint32),
            topics=fitted.topics,
            appeal=fitted.appeal,
            names=fitted.item_names,
        )

    def more(self, randomness: Randomness, address: npt.NDArray[np.uint32]) -> Items:
        """Return items that are each as one of the fitted is, drawn with replacement."""
        fitted = read(provide(self.world))
        which = (randomness.uniform("items.item", address) * len(fitted.appeal)).astype(np.int64)
        return Items(address, fitted.topics[which], fitted.appeal[which])
