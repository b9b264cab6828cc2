"""The shelf of a running shop: prices and stock change while lists are made from it."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Catalog
from recolab.rerank import Rules, Shelf

NOTES = 100  # sets of rules that are remembered, of 17,000 bytes and more each


class LiveShelf(Shelf):
    """A shelf that looks itself up once for all requests with the same rules; a change empties the notes."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._allowed: dict[Any, NDArray[np.bool_]] = {}
        self._lock = threading.Lock()

    def change(self, row: int, price: float | None, stock: float | None) -> None:
        """Write down a row's new price or stock, where it is told."""
        with self._lock:
            if price is not None:
                self.prices[row] = price
            if stock is not None:
                self.stock[row] = stock
            self._allowed = {}

    def told(self, row: int) -> tuple[float | None, float | None]:
        """Say what a row costs and how many there are; None where it is not known."""
        price, stock = self.prices[row], self.stock[row]
        return None if math.isnan(price) else float(price), None if math.isnan(stock) else float(stock)

    def allowed(self, rules: Rules | None = None) -> NDArray[np.bool_]:
        """Say which rows may be shown, as `Shelf.allowed` does: (N,) bool, to read only."""
        rules = rules or Rules()
        sets = (
            rules.categories if rules.categories is None else frozenset(rules.categories),
            frozenset(rules.not_categories),
        )
        key = (rules.min_price, rules.max_price, *sets)
        allowed = self._allowed.get(key)
        if allowed is None:
            with self._lock:
                if len(self._allowed) > NOTES:
                    self._allowed = {}
                allowed = self._allowed[key] = super().allowed(rules)
        return allowed
