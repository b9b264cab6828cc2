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


def allowed_items(catalog: Catalog, rules: Rules | None = None) -> NDArray[np.bool_]:
    """Say which rows may be shown: (N,) bool. PAD and items with stock 0 never; an unknown price fails a price rule.

    Raises ValueError where the rules leave nothing.
    """
    rules = rules or Rules()
    stock = catalog.column(STOCK).cast(pl.Float64)
    allowed = (stock.is_null() | (stock > 0)).to_numpy().copy()
    price = catalog.column(PRICE).cast(pl.Float64).fill_nan(None)  # to Polars, NaN is dearer than any price
    if rules.min_price is not None:
        allowed &= (price >= rules.min_price).fill_null(False).to_numpy()
    if rules.max_price is not None:
        allowed &= (price <= rules.max_price).fill_null(False).to_numpy()
    if rules.categories is not None:
        allowed &= catalog.column(CATEGORY).cast(pl.String).is_in(list(rules.categories)).fill_null(False).to_numpy()
    allowed[catalog.rows(rules.exclude)] = False
    allowed[PAD] = False
    if not allowed.any():
        raise ValueError(f"{rules} leaves no item of {len(catalog) - 1} to show: loosen a rule")
    return allowed
