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

NOTES = 100  # sets of rules that are remembered, of 17,000 bytes and more each


class LiveShelf(Shelf):
    """A shelf that looks itself up once for all requests with the same rules; a change of a row corrects the notes."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._noted: dict[Any, tuple[Rules, NDArray[np.bool_]]] = {}
        self._lock = threading.Lock()

    def change(self, row: int, price: float | None, stock: float | None) -> None:
        """Write down a row's new price or stock, where it is told."""
        with self._lock:
            if price is not None:
                self.prices[row] = price
            if stock is not None:
                self.stock[row] = stock
            for rules, allowed in self._noted.values():
                allowed[row] = self.allowed(rules, np.array([row]))[0]

    def told(self, row: int) -> tuple[float | None, float | None]:
        """Say what a row costs and how many there are; None where it is not known."""
        price, stock = self.prices[row], self.stock[row]
        return None if math.isnan(price) else float(price), None if math.isnan(stock) else float(stock)

    def allowed_now(self, rules: Rules) -> NDArray[np.bool_]:
        """Say which rows may be shown, as `allowed` does, from the notes: (N,) bool, to read only."""
        wanted = rules.categories if rules.categories is None else frozenset(rules.categories)
        key = (rules.min_price, rules.max_price, wanted, frozenset(rules.not_categories))
        with self._lock:  # a change between looking and noting would be lost
            if key not in self._noted:
                if len(self._noted) >= NOTES:
                    self._noted.clear()
                self._noted[key] = replace(rules, exclude=()), self.allowed(rules)
            return self._noted[key][1]
