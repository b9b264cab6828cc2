"""What a re-ranker knows about a user and an item beside the models' opinions: how often, how lately, how dear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Catalog, Histories, visits
from recolab.schema import BRAND, CATEGORY, PRICE, TITLE

Columns = dict[str, NDArray[np.float32]]
Ints = NDArray[np.int64]
HALF_LIVES_VISITS = (2, 7, 23, 90)
SOON_DAYS = 21
NEWEST = 10  # events of a history to which an item is compared, the newest NAMED of them one by one
NAMED = 3


def personal_features(histories: Histories, catalog: Catalog, owners: Ints, rows: Ints) -> Columns:
    """Describe M pairs of a history and an item: owners, rows (M,) -> name -> (M,), NaN where nothing is known.

    item_*: this user with this item; category_*, brand_*, title_*: with its like; user_*: the user alone
    """
    past = _past(histories)
    columns = _dealings("item", past, histories.items, owners, rows)
    for kind in (CATEGORY, BRAND, TITLE):
        codes = _codes(catalog, kind)
        dealings = _dealings(kind, past, codes[histories.items], owners, codes[rows])
        unknown = codes[rows] == 0
        columns |= {name: np.where(unknown, np.float32(np.nan), column) for name, column in dealings.items()}
    columns |= {name: column[owners] for name, column in _users(histories, past).items()}
    columns["price_to_usual"] = _price_to_usual(histories, catalog, owners, rows)
    return columns


def nearness(histories: Histories, vectors: NDArray[np.float32], owners: Ints, rows: Ints) -> Columns:
    """Tell how near M items stand to the newest of their histories: cosines, with vectors (N, D) of length 1 -> name -> (M,).

    nearness_1: to the newest event, ..., nearness_most and nearness_mean: to the newest ten; NaN where there are fewer
    """
    near = np.full((NEWEST, len(rows)), np.nan, np.float32)
    named, column = np.unique(rows, return_inverse=True)  # a batch names few of many items
    candidates = vectors[named].T
    for back in range(NEWEST):
        place = histories.offsets[1:] - 1 - back
        there = place >= histories.offsets[:-1]
        newest = np.zeros(len(histories), np.int64)
        newest[there] = histories.items[place[there]]
        cosines = (vectors[newest] @ candidates)[owners, column]
        near[back] = np.where(there[owners], cosines, np.nan)
    count = np.isfinite(near).sum(0)
    most = np.where(count > 0, np.fmax.reduce(near), np.float32(np.nan))
    mean = np.where(count > 0, np.nansum(near, 0) / np.maximum(count, 1), np.nan).astype(np.float32)
    one_by_one = {f"nearness_{back + 1}": near[back] for back in range(NAMED)}
    return one_by_one | {"nearness_most": most, "nearness_mean": mean}


def item_features(histories: Histories, catalog: Catalog) -> Columns:
    """Describe the N items by their price and by what everybody did with them and with their category: name -> (N,).

    Of an order without a clock the price alone is told: there are no last days, and in a set that was thinned to items
    with five events, as published ones are, a count below five says that an answer was held out.
    """
    price = {"item_price": catalog.column(PRICE).cast(float).to_numpy().astype(np.float32)}
    if histories.ordinal:
        return price
    past, codes = _past(histories), _codes(catalog, CATEGORY)
    columns = _everybody("item", past, histories.items, len(catalog))
    of_category = _everybody("category", past, codes[histories.items], int(codes.max(initial=0)) + 1)
    columns |= {name: np.where(codes == 0, np.float32(np.nan), column[codes]) for name, column in of_category.items()}
    return columns | price


@dataclass(frozen=True)
class _Past:
    """The V visits of all histories, oldest first in each: whose, days and visits before now; and each event's visit."""

    owner: Ints
    age: NDArray[np.float32]
    ago: Ints
    of_event: Ints
    per_owner: Ints


def _past(histories: Histories) -> _Past:
    visited = visits(histories)
    per_owner = np.diff(visited.offsets)
    owner = np.repeat(np.arange(len(histories)), per_owner)
    ago = np.repeat(visited.offsets[1:], per_owner) - 1 - np.arange(len(owner))
    of_event = np.repeat(np.arange(len(owner)), np.diff(visited.starts))
    return _Past(owner, histories.ages[visited.starts[:-1]], ago, of_event, per_owner)


@dataclass(frozen=True)
class _Meetings:
    """Every time an owner met a code, several in one visit counted once: P pairs, each oldest first, end to end."""

    pairs: Ints  # (P,) owner * width + code, sorted
    count: Ints  # (P,)
    visit: Ints  # (meetings,) in the order of the pairs
    width: int

    @property
    def last(self) -> Ints:
        """Where each pair's newest meeting stands: (P,)."""
        return np.cumsum(self.count) - 1

    @property
    def pair(self) -> Ints:
        """Which pair each meeting belongs to."""
        return np.repeat(np.arange(len(self.count)), self.count)


def _meetings(past: _Past, codes: NDArray[np.integer], width: int) -> _Meetings:
    once = np.unique(past.of_event * width + codes)
    visit = once // width
    keys = past.owner[visit] * width + once % width
    order = np.argsort(keys, kind="stable")  # visits are numbered oldest first
    pairs, count = np.unique(keys, return_counts=True)
    return _Meetings(pairs, count, visit[order], width)


def _dealings(prefix: str, past: _Past, codes: NDArray[np.integer], owners: Ints, asked: Ints) -> Columns:
    """How often and how lately each asked pair (owner, code) met, where events carry `codes` (E,)."""
    met = _meetings(past, codes, int(max(codes.max(initial=0), asked.max(initial=0))) + 1)
    age, ago, pair, last = past.age[met.visit], past.ago[met.visit], met.pair, met.last
    first, n = last - met.count + 1, len(met.pairs)
    again = met.count > 1
    gap_days = np.where(again, (age[first] - age[last]) / np.maximum(met.count - 1, 1), np.nan)
    gap_visits = np.where(again, (ago[first] - ago[last]) / np.maximum(met.count - 1, 1), np.nan)
    same = np.flatnonzero(pair[1:] == pair[:-1])
    squares = np.bincount(pair[same], ((age[same] - age[same + 1]) - gap_days[pair[same]]) ** 2, minlength=n)
    known: dict[str, NDArray[np.generic]] = {
        "count": met.count,
        "visit_share": met.count / past.per_owner[met.pairs // met.width],
        "days_since": age[last],
        "visits_since": ago[last],
        "days_known": age[first],
        "gap_days": gap_days,
        "gap_spread": np.where(again, np.sqrt(squares / np.maximum(met.count - 1, 1)), np.nan),
        "gap_visits": gap_visits,
        "due": age[last] / np.maximum(gap_days, 0.5),
        "due_visits": ago[last] / np.maximum(gap_visits, 0.5),
    }
    known |= {f"decay_{h}": np.bincount(pair, np.exp2(-ago / h), minlength=n) for h in HALF_LIVES_VISITS}
    wanted = owners * met.width + asked
    place = np.minimum(np.searchsorted(met.pairs, wanted), max(n - 1, 0))
    found = met.pairs[place] == wanted if n else np.zeros(len(wanted), bool)
    return {
        f"{prefix}_{name}": np.where(found, column[place] if n else np.nan, np.nan).astype(np.float32)
        for name, column in known.items()
    }


def _everybody(prefix: str, past: _Past, codes: NDArray[np.integer], n: int) -> Columns:
    """How much, how lately and how soon again everybody met each of n codes."""
    met = _meetings(past, codes, n)
    code, age, pair = (met.pairs % n)[met.pair], past.age[met.visit], met.pair
    within = {days: np.bincount(code[age <= days], minlength=n) for days in (7, 28)}
    same = np.flatnonzero(pair[1:] == pair[:-1])  # a meeting that another one follows
    gap, at = age[same] - age[same + 1], code[same]
    total, pairs = np.bincount(code, minlength=n), np.bincount(met.pairs % n, minlength=n)
    followed = np.bincount(at, minlength=n)
    columns = {
        "events": np.log1p(total),
        "events_28_days": np.log1p(within[28]),
        "trend": np.log1p(within[7]) - np.log1p(within[28] / 4),
        "rebuy_share": np.bincount((met.pairs % n)[met.count > 1], minlength=n) / np.maximum(pairs, 1),
        "soon_again": np.bincount(at[gap < SOON_DAYS], minlength=n) / np.maximum(total, 1),
        "usual_gap_days": np.where(followed > 0, np.bincount(at, gap, minlength=n) / np.maximum(followed, 1), np.nan),
    }
    return {f"all_{prefix}_{name}": column.astype(np.float32) for name, column in columns.items()}


def _users(histories: Histories, past: _Past) -> Columns:
    """What each of the B users is like: name -> (B,)."""
    some, n_visits = past.per_owner > 0, np.maximum(past.per_owner, 1)
    ends = np.cumsum(past.per_owner)
    youngest, oldest = np.full(len(histories), np.nan), np.full(len(histories), np.nan)
    youngest[some], oldest[some] = past.age[ends[some] - 1], past.age[(ends - past.per_owner)[some]]
    n_items = int(histories.items.max(initial=0)) + 1
    variety = np.bincount(np.unique(histories.owners * n_items + histories.items) // n_items, minlength=len(histories))
    columns = {
        "user_visits": past.per_owner,
        "user_days_since_visit": youngest,
        "user_gap_days": (oldest - youngest) / np.maximum(n_visits - 1, 1),
        "user_items_per_visit": histories.lengths / n_visits,
        "user_variety": variety / np.maximum(histories.lengths, 1),
    }
    return {name: column.astype(np.float32) for name, column in columns.items()}


def _codes(catalog: Catalog, column: str) -> Ints:
    """Number a column's values from 1, 0 where it says nothing: (N,)."""
    return catalog.column(column).cast(str).rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _price_to_usual(histories: Histories, catalog: Catalog, owners: Ints, rows: Ints) -> NDArray[np.float32]:
    """The item's price over the mean price of what the user had: (M,)."""
    price = catalog.column(PRICE).cast(float).to_numpy().astype(np.float64)
    paid = price[histories.items]
    known = np.isfinite(paid)
    total = np.bincount(histories.owners[known], paid[known], minlength=len(histories))
    count = np.bincount(histories.owners[known], minlength=len(histories))
    usual = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return (price[rows] / usual[owners]).astype(np.float32)
