"""The simulated shop's stock: every purchase takes from it, every week's delivery fills it up, and at zero nobody buys."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.schema import ITEM, STOCK, TIME
from recolab.sources.shop_catalogue import Ints
from recolab.sources.shop_walk import DAY

WEEK = 7 * DAY


@dataclass
class Stockroom:
    """What lies behind the shelf of n_items, from `start` on; it remembers every change."""

    n_items: int
    start: datetime
    rng: np.random.Generator
    changes: list[tuple[Ints, Ints, Ints]] = field(default_factory=list)  # items, times, stock after

    def sell(self, item: Ints, at: Ints, quantity: Ints) -> NDArray[np.bool_]:
        """Sell in the order of time what is there  ->  (len,) which purchases happened.

        item: rows of the shelf    at: milliseconds since 1970
        """
        opening = int(np.datetime64(self.start, "ms").astype(np.int64))
        week = (at - opening) // WEEK
        n_weeks = int(week.max(initial=0)) + 1
        # The shop orders what it expects to sell, and is wrong about it.
        expected = np.bincount(item, quantity, self.n_items) / n_weeks
        supply = 1 + self.rng.poisson(expected * self.rng.uniform(0.6, 1.6, self.n_items))
        full = 2 * supply + 3
        stock = full.copy()
        self._note(np.arange(self.n_items), np.full(self.n_items, opening), stock)
        sold = np.zeros(len(item), bool)
        order = np.argsort(at, kind="stable")
        bounds = np.searchsorted(week[order], np.arange(n_weeks + 1))
        for number in range(n_weeks):
            if number:
                low = np.flatnonzero(stock < full)
                stock[low] = np.minimum(stock[low] + supply[low], full[low])
                self._note(low, np.full(len(low), opening + number * WEEK), stock[low])
            sales = order[bounds[number] : bounds[number + 1]]
            left = np.empty(len(sales), np.int64)
            for place, sale in enumerate(sales):
                row, wanted = item[sale], quantity[sale]
                sold[sale] = stock[row] >= wanted
                stock[row] -= wanted * sold[sale]
                left[place] = stock[row]
            done = sold[sales]
            self._note(item[sales][done], at[sales][done], left[done])
        return sold

    def history(self) -> pl.DataFrame:
        """List the stock after each change, in the order of time: item_id (row of the shelf), timestamp, stock."""
        item, at, stock = (np.concatenate(column) for column in zip(*self.changes, strict=True))
        table = pl.DataFrame({ITEM: item, TIME: at, STOCK: stock})
        return table.with_columns(pl.col(TIME).cast(pl.Datetime("ms")).cast(pl.Datetime("us")))

    def _note(self, item: Ints, at: Ints, stock: Ints) -> None:
        self.changes.append((item, at, stock.copy()))
