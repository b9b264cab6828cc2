"""What a re-ranker knows about a user and an item beside the models' opinions: how often, how lately, how dear."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Catalog, Histories
from recolab.schema import CATEGORY, PRICE

Columns = dict[str, NDArray[np.float32]]
HALF_LIVES_DAYS = (7, 30, 90, 300)


def personal_features(
    histories: Histories, catalog: Catalog, owners: NDArray[np.int64], rows: NDArray[np.int64]
) -> Columns:
    """Describe M pairs of a history and an item: owners, rows (M,) -> name -> (M,), NaN where nothing is known.

    item_*: this user with this item; category_*: with its category; user_*: the user alone. Ages and gaps in days.
    """
    n_visits = _visits_per_history(histories)
    columns = _dealings("item", histories, histories.items, owners, rows, n_visits)
    codes = catalog.column(CATEGORY).cast(str).rank("dense").fill_null(0).to_numpy().astype(np.int64)
    dealings = _dealings("category", histories, codes[histories.items], owners, codes[rows], n_visits)
    unknown = codes[rows] == 0
    columns |= {name: np.where(unknown, np.nan, column).astype(np.float32) for name, column in dealings.items()}
    youngest = np.full(len(histories), np.nan, np.float32)
    some = histories.lengths > 0
    youngest[some] = histories.ages[histories.offsets[1:][some] - 1]
    columns["user_visits"] = n_visits[owners].astype(np.float32)
    columns["user_days_since_visit"] = youngest[owners]
    columns["user_items_per_visit"] = (histories.lengths / np.maximum(n_visits, 1))[owners].astype(np.float32)
    columns["price_to_usual"] = _price_to_usual(histories, catalog, owners, rows)
    return columns


def item_features(histories: Histories, catalog: Catalog) -> Columns:
    """Describe the N items by what everybody did: name -> (N,)."""
    n = len(catalog)
    ages = histories.ages
    had = histories.matrix(n)
    buyers = np.bincount(had.indices, minlength=n)
    again = np.bincount(had.indices[had.data > 1], minlength=n)
    counts = {days: np.bincount(histories.items[ages <= days], minlength=n) for days in (7, 28)}
    return {
        "item_events": np.log1p(np.bincount(histories.items, minlength=n)).astype(np.float32),
        "item_events_28_days": np.log1p(counts[28]).astype(np.float32),
        "item_trend": (np.log1p(counts[7]) - np.log1p(counts[28] / 4)).astype(np.float32),
        "item_rebuy_share": (again / np.maximum(buyers, 1)).astype(np.float32),
        "item_price": catalog.column(PRICE).cast(float).to_numpy().astype(np.float32),
    }


def _dealings(
    prefix: str,
    histories: Histories,
    codes: NDArray[np.integer],
    owners: NDArray[np.int64],
    asked: NDArray[np.int64],
    n_visits: NDArray[np.int64],
) -> Columns:
    """How often and how lately each asked pair (owner, code) met, where events carry `codes` (E,)."""
    width = int(max(codes.max(initial=0), asked.max(initial=0))) + 1
    met, pair = np.unique(histories.owners * width + codes, return_inverse=True)
    ages, n = histories.ages, len(met)
    count = np.bincount(pair, minlength=n)
    youngest, oldest = np.full(n, np.inf, np.float32), np.zeros(n, np.float32)
    np.minimum.at(youngest, pair, ages)
    np.maximum.at(oldest, pair, ages)
    gap = np.where(count > 1, (oldest - youngest) / np.maximum(count - 1, 1), np.nan)
    share = count / np.maximum(n_visits[met // width], 1)
    known: dict[str, NDArray[Any]] = {
        f"{prefix}_count": count,
        f"{prefix}_visit_share": share,
        f"{prefix}_days_since": youngest,
    }
    known |= {f"{prefix}_gap_days": gap, f"{prefix}_due": youngest / np.maximum(gap, 0.5)}
    known |= {f"{prefix}_decay_{h}": np.bincount(pair, np.exp2(-ages / h), minlength=n) for h in HALF_LIVES_DAYS}
    wanted = owners * width + asked
    place = np.minimum(np.searchsorted(met, wanted), max(n - 1, 0))
    found = met[place] == wanted if n else np.zeros(len(wanted), bool)
    return {name: np.where(found, column[place], np.nan).astype(np.float32) for name, column in known.items()}


def _visits_per_history(histories: Histories) -> NDArray[np.int64]:
    fresh = np.ones(len(histories.items), bool)
    fresh[1:] = (np.diff(histories.times) != 0) | (np.diff(histories.owners) != 0)
    return np.bincount(histories.owners, weights=fresh, minlength=len(histories)).astype(np.int64)


def _price_to_usual(
    histories: Histories, catalog: Catalog, owners: NDArray[np.int64], rows: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The item's price over the mean price of what the user had: (M,)."""
    price = catalog.column(PRICE).cast(float).to_numpy().astype(np.float64)
    paid = price[histories.items]
    known = np.isfinite(paid)
    total = np.bincount(histories.owners[known], paid[known], minlength=len(histories))
    count = np.bincount(histories.owners[known], minlength=len(histories))
    usual = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return (price[rows] / usual[owners]).astype(np.float32)
