"""The shelf of a running shop: prices and stock change while lists are made from it."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Catalog
from recolab.rerank import Rules, Shelf

NOTES = 50  # sets of rules that are remembered, of 4 bytes x N each


class LiveShelf(Shelf):
    """A shelf that looks itself up once for all requests with the same rules; a change of a row corrects the notes."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._noted: dict[Any, tuple[Rules, NDArray[np.float32]]] = {}
        self._lock = threading.Lock()

    def change(self, row: int, price: float | None, stock: float | None) -> None:
        """Write down a row's new price or stock, where it is told."""
        with self._lock:
            if price is not None:
                self.prices[row] = price
            if stock is not None:
                self.stock[row] = stock
            for rules, bars in self._noted.values():
                bars[row] = _bars(self.allowed(rules, np.array([row])))[0]

    def follow(self, shelf: LiveShelf) -> None:
        """Take over what another shelf, of the first rows, knows now; before anybody asks this one."""
        with self._lock, shelf._lock:
            self._noted.clear()
            for mine, its in ((self.prices, shelf.prices), (self.stock, shelf.stock)):
                mine[: len(its)] = its

    def told(self, row: int) -> tuple[float | None, float | None]:
        """Say what a row costs and how many there are; None where it is not known."""
        price, stock = self.prices[row], self.stock[row]
        return None if math.isnan(price) else float(price), None if math.isnan(stock) else float(stock)

    def bars(self, rules: Rules, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Say what keeps rows, or all, from being shown, as `allowed` does: 0 or -inf, to be added to scores and never changed."""
        if rows is not None:
            return _bars(self.allowed(rules, rows))
        wanted = rules.categories if rules.categories is None else frozenset(rules.categories)
        key = (rules.min_price, rules.max_price, wanted, frozenset(rules.not_categories))
        with self._lock:  # a change between looking and noting would be lost
            if key not in self._noted:
                if len(self._noted) >= NOTES:
                    self._noted.clear()
                self._noted[key] = replace(rules, exclude=()), _bars(self.allowed(rules))
            return self._noted[key][1]


def _bars(allowed: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(allowed, np.float32(0), np.float32(-np.inf))
