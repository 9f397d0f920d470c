"""Rarity: what becomes of rare cases, and figures of a catalogue that are fair to any volume.

All are pure functions of counts, one for each item *released, unseen ones included*; demand is what people would consume
if nobody steered them (p_u summed over users in a simulated world, an organic log elsewhere). NaN means that there is
nothing to measure.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from recsim.amounts import amounts, codes, jensen_shannon, ratio, share_of, whole
from recsim.errors import RecsimError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


# ------------------------------------------------------------------------------------------------- honest to volume


def lorenz(counts: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the Lorenz curve of exposure: which share of it the least exposed items hold, for every share of items.

    Points (j / n, sum of the j least x_i / sum x), j = 0..n. Twice the area between the curve and the diagonal is the
    Gini index.

    counts: (items,) non-negative, one per released item, *unseen items included*. Returns two arrays (items + 1,), the
    shares of items and of exposure, from (0, 0) to (1, 1), no unit; the second is NaN when nothing was shown. Raises
    RecsimError for counts that are negative, not finite or not one-dimensional, or none at all.
    Source: Lorenz 1905, "Methods of measuring the concentration of wealth", Publications of the American Statistical
    Association 9(70).

    >>> [curve.tolist() for curve in lorenz([6, 0, 2, 0])]
    [[0.0, 0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.0, 0.25, 1.0]]
    """
    x = np.sort(amounts("counts", counts))
    if not len(x):
        raise RecsimError("counts: there are no items; give one number for each released item")
    heights = np.concatenate([[0.0], np.cumsum(x)])
    total = float(heights[-1])
    return np.arange(len(x) + 1) / len(x), heights / total if total else np.full(len(x) + 1, np.nan)


def rarefied_coverage(counts: npt.ArrayLike, draws: int) -> float:
    """Return the coverage to expect of *draws* of the exposures alone, taken at random: comparable at any volume.

    1/n sum_i [1 - C(V - x_i, d) / C(V, d)], V = sum x and d draws without repeats: exact. Times the number of items it
    is the expected number of distinct items. The chance that none of x is drawn is a running product over x, so nothing
    cancels however large V is; time and memory grow with the greatest count, or with 40 V / d where that is less.

    counts: (items,) whole non-negative numbers, one per released item, *unseen items included*. draws: at least 0. Range
    0 to min(1, draws / items), no unit. NaN without items, and for more draws than there are exposures.
    Raises RecsimError also for counts that are not whole. Source: Hurlbert 1971, "The nonconcept of species diversity: a
    critique and alternative parameters", Ecology 52(4).

    >>> rarefied_coverage([2, 1, 1, 0], draws=2)    # of the six pairs of exposures one holds one item, five hold two
    0.4583333333333333
    """
    x = whole("counts", counts)
    total = float(x.sum())
    if draws < 0:
        raise RecsimError(f"draws: {draws} is not a number of draws; give at least 0")
    if not len(x) or draws > total:
        return math.nan
    if draws == 0:
        return 0.0
    missed = _missed(total, float(draws), int(x.max()))
    return float((1.0 - missed[np.minimum(x, len(missed) - 1).astype(np.int64)]).sum()) / len(x)


def _missed(total: float, draws: float, most: int) -> Floats:
    """Return the chance that no exposure of an item with x of them is drawn, for x = 0, 1, ..., until it is 0 or x is *most*."""
    enough = math.ceil(40 * total / draws) + 1  # e^-40 of a chance is none
    each = np.arange(min(most, enough, int(total - draws)), dtype=np.float64)
    chances = np.exp(np.concatenate([[0.0], np.cumsum(np.log1p(-draws / (total - each)))]))
    return chances if len(each) == most else np.append(chances, 0.0)


# ----------------------------------------------------------------------------------------------- against true demand


def tail_share(counts: npt.ArrayLike, demand: npt.ArrayLike, head: float = 0.8) -> float:
    """Return the share of exposure that is left for the tail: items outside the head that holds 80 % of true demand.

    The head is the fewest items that together hold the share *head* of demand, the most demanded first. Of items alike
    in demand at its edge each is in the head in part, as on average over their orders, so numbers of items do not matter.

    counts, demand: (items,) non-negative, one per released item, *unseen items included*. Range 0 to 1, no unit; shown in
    proportion to demand, the tail has at most 1 - head. NaN when nothing was shown or is demanded.
    Raises RecsimError for arrays of different length and a head outside (0, 1].
    Source: the short head and long tail of Anderson 2006, "The long tail", at the threshold of the contract.

    >>> tail_share([6, 2, 1, 1], demand=[50, 30, 15, 5])    # the first two hold 80 % of demand
    0.2
    """
    x = amounts("counts", counts)
    outside = tail(demand, head)
    if len(outside) != len(x):
        raise RecsimError(f"demand: there are {len(outside)} for {len(x)} items; give one number for each")
    return ratio(float((x * outside).sum()), float(x.sum()))


def tail(demand: npt.ArrayLike, head: float = 0.8) -> Floats:
    """Return how much of each item is outside the head that holds the share *head* of demand: (items,), 0 to 1.

    1 for the tail, 0 for the head, and between for items alike in demand at the edge; NaN where nothing is demanded.
    See `tail_share`.

    >>> tail([50, 20, 20, 10]).tolist()    # one of the two that are alike is not enough for 80 %
    [0.0, 0.0, 0.0, 1.0]
    >>> tail([60, 20, 20]).tolist()
    [0.0, 0.5, 0.5]
    """
    wanted = amounts("demand", demand)
    share_of("head", head, "the demand")
    total = float(wanted.sum())
    if total == 0:
        return np.full(len(wanted), np.nan)
    falling = np.sort(wanted)[::-1]
    size = int(np.searchsorted(np.cumsum(falling), head * total * (1 - 1e-12))) + 1  # what rounding takes is not missed
    size = min(size, len(wanted))
    edge = falling[size - 1]
    above, alike = int((wanted > edge).sum()), int((wanted == edge).sum())
    return np.where(wanted > edge, 0.0, np.where(wanted == edge, 1 - (size - above) / alike, 1.0))


def demand_divergence(counts: npt.ArrayLike, demand: npt.ArrayLike) -> float:
    """Return how far exposure is from true demand, item by item: 0 the same shares, 1 nothing in common.

    The Jensen-Shannon divergence of x_i / sum x from d_i / sum d. Few exposures are far from any demand by chance alone:
    compare at equal volume.

    counts, demand: (items,) non-negative, one per released item, *unseen items included*. Range 0 to 1, in bits. NaN when
    nothing was shown or is demanded. Raises RecsimError for arrays of different length.
    Source: Lin 1991, "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37(1).

    >>> demand_divergence([3, 1, 0], [75, 25, 0]), demand_divergence([1, 0], [0, 7])
    (0.0, 1.0)
    """
    x = amounts("counts", counts)
    return float(jensen_shannon(x[None], amounts("demand", demand, like=len(x))[None])[0])


# ------------------------------------------------------------------------------------------------ what dies, and when


def extinct_items(table: npt.ArrayLike, epochs: int, released: npt.ArrayLike | None = None) -> float:
    """Return how many items have died out by the end: out for at least *epochs* epochs, and in the last so many not shown.

    |{i : r_i <= E - n, and x_ei = 0 for e = E - n .. E - 1}| with E rows and n epochs. Items never shown are among them;
    `extinct_items(table[:, table.any(axis=0)], n)` counts those that have lived once.

    table: (all epochs, items) non-negative, impressions of each item in each epoch, *unseen items included*. epochs: at
    least 1. released: (items,) the row in which each item came out, 0 for all where not given; items that came too late
    to have been ignored for so long do not count. Range 0 to items, in items. NaN with fewer rows than epochs.
    Raises RecsimError for a table of other than two dimensions or holding what is no count.

    >>> extinct_items([[4, 1, 0, 0], [5, 0, 0, 0], [3, 0, 0, 2]], epochs=2)    # the second has died, the third never lived
    2.0
    """
    shown = np.asarray(table)
    if shown.ndim != 2:
        raise RecsimError(f"table: has {shown.ndim} dimensions instead of 2; give (epochs, items)")
    if epochs < 1:
        raise RecsimError(f"epochs: {epochs} is not a number of epochs; give at least 1")
    rows, items = shown.shape
    amounts("table", shown.ravel())
    came = np.zeros(items) if released is None else amounts("released", released, like=items)
    if rows < epochs:
        return math.nan
    return float(((came <= rows - epochs) & ~(shown[rows - epochs :] > 0).any(axis=0)).sum())


def half_life(
    item: npt.ArrayLike,
    time: npt.ArrayLike,
    clicks: npt.ArrayLike | None = None,
    released: npt.ArrayLike | None = None,
    least: int = 2,
) -> float:
    """Return how long items live: the time by which half of an item's clicks had come, the median over items.

    Median over i of t_i - r_i, t_i the first moment by which at least half of the clicks on i had come, r_i its release,
    or its first click where releases are not given. What the log's end cuts off makes it shorter.

    item: (rows,) places from 0 on. time: (rows,) finite. clicks: (rows,) non-negative, of each row, 1 where not given, so
    counts by epoch and item will do. released: by item, in the same unit. least: clicks that an item needs to count;
    *items with fewer, unseen ones too, do not*. Range 0 upwards, in the unit of time. NaN where no item counts.
    Raises RecsimError for rows that do not fit each other. Source: the half-life of a literature by Burton and Kebler
    1960, "The half-life of some scientific and technical literatures", American Documentation 11(1), for clicks.

    >>> half_life([0, 0, 0, 0, 1, 1, 2], [1.0, 2.0, 4.0, 9.0, 5.0, 8.0, 7.0])    # 2 - 1, and 5 - 5; the third has one click
    0.5
    """
    births = None if released is None else np.asarray(released, np.float64)
    what, when = codes("item", item, below=None if births is None else len(births)), np.asarray(time, np.float64)
    if when.shape != what.shape or not np.isfinite(when).all():
        raise RecsimError(f"time: give one finite number for each of the {len(what)} rows")
    weight = np.ones(len(what)) if clicks is None else amounts("clicks", clicks, like=len(what), of="rows")
    there = weight > 0
    what, when, weight = what[there], when[there], weight[there]
    order = np.lexsort((when, what))
    what, when, weight = what[order], when[order], weight[order]
    first = np.flatnonzero(np.diff(what, prepend=-1))
    so_far = np.cumsum(weight)
    before = so_far[first] - weight[first]
    total = np.diff(before, append=so_far[-1] if len(so_far) else 0.0)[: len(first)]
    half = np.searchsorted(so_far, before + total / 2)
    begun = when[first] if births is None else births[what[first]]
    ages = (when[half] - begun)[total >= least]
    return float(np.median(ages)) if len(ages) else math.nan


def low_welfare(utility: npt.ArrayLike, consumed: npt.ArrayLike | None = None, share: float = 0.1) -> float:
    """Return the welfare below which the worst-off tenth of users are: the 10th percentile.

    The quantile *share* of w_u = utility_u / consumed_u over users, by linear interpolation between them.

    utility: (users,) finite, the sum of the true utility of what each consumed. consumed: (users,) things consumed; users
    without any do not count. Without it utility is taken as it is, of all users. share: in (0, 1]. In the unit of utility
    per item consumed. NaN where no user counts. Raises RecsimError for arrays of different length and what is no number.
    Source: definition 7 of Hyndman and Fan 1996, "Sample quantiles in statistical packages", The American Statistician 50(4).

    >>> low_welfare([0, 2, 8, 9, 0], consumed=[1, 1, 2, 1, 0], share=0.5)    # the median of 0, 2, 4 and 9
    3.0
    """
    sums = np.asarray(utility, np.float64)
    if sums.ndim != 1 or not np.isfinite(sums).all():
        raise RecsimError(f"utility: its shape is {sums.shape}; give one finite number for each user")
    share_of("share", share, "the users")
    if consumed is not None:
        number = amounts("consumed", consumed, like=len(sums), of="users")
        sums = sums[number > 0] / number[number > 0]
    return float(np.quantile(sums, share)) if len(sums) else math.nan


# ----------------------------------------------------------------------------------------------------- their creators


def by_creator(counts: npt.ArrayLike, creator: npt.ArrayLike, creators: int | None = None) -> Floats:
    """Return the exposure of each creator: (creators,), on which every measure of counts can be used.

    sum of x_i over the items i of each creator; `gini(by_creator(...))` is inequality among creators,
    `coverage(by_creator(...))` the share of creators who were shown at all.

    counts: (items,) non-negative, or (epochs, items) for a table by epoch such as `extinct_items` takes. creator: (items,)
    the place of each item's creator, from 0 on. creators: how many there are, *those without items or exposure included*;
    as many as *creator* names where not given. In the unit of counts. Raises RecsimError for arrays that do not fit.
    Source: a sum.

    >>> by_creator([5, 0, 2, 0], creator=[0, 0, 1, 2], creators=4).tolist()
    [5.0, 2.0, 0.0, 0.0]
    """
    x = np.asarray(counts)
    amounts("counts", x.ravel())
    who = codes("creator", creator, below=creators)
    if x.ndim not in (1, 2) or x.shape[-1] != len(who):
        raise RecsimError(f"creator: there are {len(who)} for counts of shape {x.shape}; give one for each item")
    size = int(who.max(initial=-1)) + 1 if creators is None else creators
    rows = [np.bincount(who, weights=row, minlength=size) for row in np.atleast_2d(x)]  # one row an epoch
    return np.asarray(rows[0] if x.ndim == 1 else np.reshape(rows, (len(x), size)), np.float64)
