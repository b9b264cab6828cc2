"""The simulated shop's shelf, and the law by which a shopper steps from one item to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.schema import BRAND, CATEGORY, ITEM, PRICE, TEXT, TITLE

CATEGORIES = ("tea", "coffee", "rice", "pasta", "soap", "lamp", "chair", "shirt", "shoe", "phone", "camera", "book")
BRANDS = ("Alba", "Boreal", "Cedar", "Delta", "Ember", "Fjord", "Grove", "Haven")
ADJECTIVES = ("plain", "bright", "sturdy", "soft", "travel", "family", "classic", "new")
N_BANDS = 3  # cheap, middle, dear within a category
FOLLOW = 0.25  # chance to step to a companion of the item just seen
STAY, GO_WITH = 0.5, 0.2  # else: to stay in the category, to go to one that goes with it; the rest by taste
COMPANION_SHARES = np.array([0.6, 0.3, 0.1])  # of an item's three companions

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Shelf:
    """N items sorted by category, with what drives their sale.

    items: the item table    category, brand, band: (N,)    quality: (N,), mean 0    goes_with: (C, C) rows sum to 1
    companions: (N, 3) rows of the items that are looked at after this one, by COMPANION_SHARES
    appeal: (N_BANDS * brands, N) chance of an item within its category, for shoppers of each style (see `style`)
    """

    items: pl.DataFrame
    category: Ints
    brand: Ints
    band: Ints
    quality: Floats
    goes_with: Floats
    companions: Ints
    appeal: Floats

    def __len__(self) -> int:
        return len(self.items)

    def step_law(self, taste: Floats, band: int, brand: int, last: int | None) -> Floats:
        """Give the chance of each item to be viewed next, by a shopper u who has just viewed item j.

        P(i | u, j) = FOLLOW · companion_j(i) + (1 - FOLLOW) · P(c_i | u, c_j) · P(i | c_i, u)
        P(c | u, b) = STAY · [c = b] + GO_WITH · goes_with[b, c] + (1 - STAY - GO_WITH) · taste_u[c]
        P(i | c, u) ∝ popularity_i · exp(-|band_i - band_u|) · 2^[brand_i = brand_u]
        A visit opens by taste alone: P(i | u) = taste_u[c_i] · P(i | c_i, u).

        taste: (C,)    band, brand: what the shopper likes    last: the row of j, None at the start  ->  (N,), sums to 1
        """
        within = self.appeal[style(band, brand)]
        if last is None:
            return np.asarray(taste[self.category] * within)
        before = self.category[last]
        by_category = GO_WITH * self.goes_with[before] + (1 - STAY - GO_WITH) * taste
        by_category[before] += STAY
        law = (1 - FOLLOW) * by_category[self.category] * within
        np.add.at(law, self.companions[last], FOLLOW * COMPANION_SHARES)  # a companion may be there twice
        return np.asarray(law)

    def liking(self, band: Ints | int, brand: Ints | int, rows: Ints) -> Floats:
        """Tell how satisfied a shopper is with items: quality_i - |band_i - band_u| + [brand_i = brand_u]  ->  (len,)."""
        likes_brand = self.brand[rows] == brand
        return np.asarray(self.quality[rows] - np.abs(self.band[rows] - band) + likes_brand)

    def draw(self, styles: Ints, categories: Ints, rng: np.random.Generator) -> Ints:
        """Draw an item by P(i | c, u) for each shopper's style and category  ->  (len,) rows."""
        first = self._first[categories]
        # The appeals of one category sum to 1, so on the ladder of all of them each takes a stretch of length 1.
        target = styles * len(CATEGORIES) + categories + rng.random(len(styles))
        rows = np.searchsorted(self._ladder, target, side="right") - styles * len(self)
        return np.asarray(np.clip(rows, first, self._first[categories + 1] - 1))  # against rounding at a stretch's end

    @cached_property
    def _ladder(self) -> Floats:
        """The appeals of all styles, one after the other, summed up."""
        return np.cumsum(self.appeal)

    @cached_property
    def _first(self) -> Ints:
        """The first row of each category, and the end."""
        return np.searchsorted(self.category, np.arange(len(CATEGORIES) + 1))


def style(band: Ints | int, brand: Ints | int) -> Ints | int:
    """Number the pairs of a price band and a brand, as in the rows of `Shelf.appeal`."""
    return band * len(BRANDS) + brand


def make_shelf(n_items: int, seed: int) -> Shelf:
    """Stock a shelf: prices log-normal within a category, popularity a long tail, words that tell what a thing is.

    n_items: at least one per category, else ValueError
    """
    if n_items < len(CATEGORIES):
        raise ValueError(f"n_items = {n_items} leaves a category empty; there are {len(CATEGORIES)}, so ask for more")
    rng = np.random.default_rng([seed, 0])
    others = rng.integers(0, len(CATEGORIES), n_items - len(CATEGORIES))
    category = np.sort(np.concatenate([np.arange(len(CATEGORIES)), others]))
    brand, adjective = rng.integers(0, len(BRANDS), n_items), rng.integers(0, len(ADJECTIVES), n_items)
    price = np.exp(rng.normal(np.linspace(1, 6, len(CATEGORIES))[category], 0.5)).clip(0.01).round(2)
    size = np.bincount(category)[category]
    band = _places(price, category) * N_BANDS // size
    popularity = 1 / (1 + _places(rng.random(n_items), category))  # Zipf's law, in each category
    goes_with = rng.dirichlet(np.full(len(CATEGORIES), 0.3), len(CATEGORIES))
    shelf = Shelf(
        items=_item_table(category, brand, adjective, price),
        category=category,
        brand=brand,
        band=band,
        quality=rng.normal(0, 1, n_items),
        goes_with=goes_with,
        companions=np.zeros((n_items, len(COMPANION_SHARES)), np.int64),
        appeal=_appeal(popularity, category, brand, band),
    )
    return replace(shelf, companions=_choose_companions(shelf, rng))


def pick(chances: Floats, rng: np.random.Generator) -> Ints:
    """Draw a column for each row by its chances: (n, C), rows sum to 1  ->  (n,)."""
    reached = rng.random(len(chances))[:, None] > np.cumsum(chances, axis=1)
    return np.asarray(np.minimum(reached.sum(axis=1), chances.shape[1] - 1))


def _places(value: Floats, category: Ints) -> Ints:
    """Rank a value within the category, from 0; rows are sorted by category."""
    order = np.lexsort((value, category))
    place = np.empty(len(value), np.int64)
    place[order] = np.arange(len(value)) - np.searchsorted(category, category)
    return place


def _appeal(popularity: Floats, category: Ints, brand: Ints, band: Ints) -> Floats:
    """P(i | c_i, u) for each style that a shopper may have: (styles, N)."""
    near = np.exp(-np.abs(band - np.arange(N_BANDS)[:, None]))[:, None, :]
    liked = np.where(brand == np.arange(len(BRANDS))[:, None], 2.0, 1.0)[None, :, :]
    weight = (popularity * near * liked).reshape(N_BANDS * len(BRANDS), -1)
    total = np.stack([np.bincount(category, row) for row in weight])
    return np.asarray(weight / total[:, category])


def _choose_companions(shelf: Shelf, rng: np.random.Generator) -> Ints:
    """Give each item companions from categories that go with its own: (N, 3) rows."""
    shape = (len(shelf), len(COMPANION_SHARES))
    category = pick(np.repeat(shelf.goes_with[shelf.category], shape[1], axis=0), rng)
    return shelf.draw(rng.integers(0, len(shelf.appeal), len(category)), category, rng).reshape(shape)


def _item_table(category: Ints, brand: Ints, adjective: Ints, price: Floats) -> pl.DataFrame:
    kind = pl.Series(CATEGORIES).gather(category)
    maker = pl.Series(BRANDS).gather(brand)
    manner = pl.Series(ADJECTIVES).gather(adjective)
    return pl.DataFrame(
        {
            ITEM: "SKU-" + pl.Series(np.arange(len(kind))).cast(pl.String).str.zfill(6),
            TITLE: manner + " " + kind + " by " + maker,
            CATEGORY: kind,
            BRAND: maker,
            PRICE: price,
            TEXT: "A "
            + manner
            + " "
            + kind
            + " made by "
            + maker
            + ", for those who like a "
            + manner
            + " "
            + kind
            + ".",
        }
    )
