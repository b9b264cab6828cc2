"""The simulated shop's shelf, and the law by which a shopper steps from one item to the next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.schema import BRAND, CATEGORY, ITEM, PRICE, TEXT, TITLE

CATEGORIES = ("tea", "coffee", "rice", "pasta", "soap", "lamp", "chair", "shirt", "shoe", "phone", "camera", "book")
BRANDS = ("Alba", "Boreal", "Cedar", "Delta", "Ember", "Fjord", "Grove", "Haven")
ADJECTIVES = ("plain", "bright", "sturdy", "soft", "travel", "family", "classic", "new")
N_BANDS = 3  # cheap, middle, dear within a category
STAY, GO_WITH = 0.5, 0.2  # chance to stay in the category, and to step to one that goes with it; else by taste

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shelf:
    """N items sorted by category, with what drives their sale.

    items: the item table    category, band: (N,) int    quality: (N,), mean 0    goes_with: (C, C) rows sum to 1
    appeal: (N_BANDS, N) chance of an item within its category, for shoppers of each price band
    """

    items: pl.DataFrame
    category: NDArray[np.int64]
    band: NDArray[np.int64]
    quality: Floats
    goes_with: Floats
    appeal: Floats

    def __len__(self) -> int:
        return len(self.items)

    def step_law(self, taste: Floats, band: int, last: int | None) -> Floats:
        """The next viewed item: P(i | u, last) = P(category | u, last) · appeal_band(i | category)  ->  (N,).

        P(c | u, last) = STAY·[c = c_last] + GO_WITH·goes_with[c_last, c] + (1 - STAY - GO_WITH)·taste_u[c]; a session
        opens by taste alone.    taste: (C,)    last: the row of the item viewed before, None at the start
        """
        chance = taste.copy()
        if last is not None:
            before = self.category[last]
            chance = (1 - STAY - GO_WITH) * taste + GO_WITH * self.goes_with[before]
            chance[before] += STAY
        law: Floats = chance[self.category] * self.appeal[band]
        return law


def make_shelf(n_items: int, seed: int) -> Shelf:
    """Stock a shelf: prices log-normal within a category, popularity a long tail, words that tell what a thing is."""
    rng = np.random.default_rng([seed, 0])
    category = np.sort(rng.integers(0, len(CATEGORIES), n_items))
    brand, adjective = rng.integers(0, len(BRANDS), n_items), rng.integers(0, len(ADJECTIVES), n_items)
    price = np.exp(rng.normal(np.linspace(1, 6, len(CATEGORIES))[category], 0.5)).round(2) + 0.01
    rank = np.empty(n_items, np.int64)  # the place of an item's price within its category
    band = np.empty(n_items, np.int64)
    tail = np.empty(n_items)
    for c in range(len(CATEGORIES)):
        mine = np.flatnonzero(category == c)
        rank[mine] = price[mine].argsort().argsort()
        band[mine] = rank[mine] * N_BANDS // max(len(mine), 1)
        tail[mine] = 1 / (1 + rng.permutation(len(mine)))
    appeal = tail * np.exp(-np.abs(band - np.arange(N_BANDS)[:, None]))
    total = np.stack([np.bincount(category, row, minlength=len(CATEGORIES)) for row in appeal])
    goes_with = rng.dirichlet(np.full(len(CATEGORIES), 0.3), len(CATEGORIES))
    return Shelf(
        _item_table(category, brand, adjective, price),
        category,
        band,
        rng.normal(0, 1, n_items),
        goes_with,
        appeal / total[:, category],
    )


def _item_table(
    category: NDArray[np.int64], brand: NDArray[np.int64], adjective: NDArray[np.int64], price: Floats
) -> pl.DataFrame:
    kind = [CATEGORIES[c] for c in category]
    maker = [BRANDS[b] for b in brand]
    manner = [ADJECTIVES[a] for a in adjective]
    words = list(zip(manner, maker, kind, strict=True))
    return pl.DataFrame(
        {
            ITEM: [f"SKU-{n:06d}" for n in range(len(kind))],
            TITLE: [f"{m} {k} by {b}" for m, b, k in words],
            CATEGORY: kind,
            BRAND: maker,
            PRICE: price,
            TEXT: [f"A {m} {k} made by {b}; made for those who like a {m} {k}." for m, b, k in words],
        }
    )
