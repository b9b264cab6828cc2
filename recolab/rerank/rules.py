"""Rules that no score can overrule: what is not in the catalog, out of stock or out of bounds is never shown."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.histories import PAD, Catalog
from recolab.schema import CATEGORY, PRICE, STOCK


@dataclass(frozen=True)
class Rules:
    """What may be shown: prices in the catalog's currency, both ends allowed; an unknown stock counts as in stock."""

    min_price: float | None = None
    max_price: float | None = None
    categories: Collection[str] | None = None
    exclude: Collection[object] = ()
    not_categories: Collection[str] = ()


class Shelf:
    """What rules ask of the catalog's N rows, laid out so that a request is answered in microseconds.

    prices, stock: (N,), NaN where unknown, and free to change    groups: (N,) the category's number, 0 where unknown
    """

    def __init__(self, catalog: Catalog) -> None:
        self.prices, self.stock = (
            catalog.column(name).cast(pl.Float64).fill_null(np.nan).to_numpy().copy() for name in (PRICE, STOCK)
        )
        names = catalog.column(CATEGORY).cast(pl.String)
        self.numbers = {name: number for number, name in enumerate(names.drop_nulls().unique().sort(), start=1)}
        self._is_item = np.arange(len(names)) != PAD
        self.groups = np.array([self.numbers.get(name, 0) for name in names], np.int64)

    def allowed(self, rules: Rules | None = None, rows: NDArray[np.integer] | slice = slice(None)) -> NDArray[np.bool_]:
        """Say which of some rows, or of all, may be shown, `rules.exclude` left aside: (n,) bool.

        PAD and items with stock 0 never; an unknown price fails a price rule, an unknown category one that names what is wanted.
        """
        rules = rules or Rules()
        allowed: NDArray[np.bool_] = self._is_item[rows] & ~(self.stock[rows] <= 0)  # NaN is not
        if rules.min_price is not None:
            allowed &= self.prices[rows] >= rules.min_price
        if rules.max_price is not None:
            allowed &= self.prices[rows] <= rules.max_price
        if rules.categories is not None:
            allowed &= self._is_one_of(rules.categories)[self.groups[rows]]
        if rules.not_categories:
            allowed &= ~self._is_one_of(rules.not_categories)[self.groups[rows]]
        return allowed

    def _is_one_of(self, names: Collection[str]) -> NDArray[np.bool_]:
        """Tell which categories' numbers are meant."""
        meant = np.zeros(len(self.numbers) + 1, bool)
        meant[[self.numbers[name] for name in map(str, names) if name in self.numbers]] = True
        return meant


def allowed_items(catalog: Catalog, rules: Rules | None = None) -> NDArray[np.bool_]:
    """Say which rows of a catalog may be shown: (N,) bool, as `Shelf.allowed` does, without what `rules` exclude.

    Raises ValueError where the rules leave nothing.
    """
    rules = rules or Rules()
    allowed = Shelf(catalog).allowed(rules)
    allowed[catalog.rows(rules.exclude)] = False
    if not allowed.any():
        raise ValueError(f"{rules} leaves no item of {len(catalog) - 1} to show: loosen a rule")
    return allowed
