"""Items that nobody has had yet: they enter a running shop as what they are like, by the words that describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy import sparse

from recolab.histories import Catalog
from recolab.live.choir import Choir
from recolab.live.opinions import Floats
from recolab.live.stock import LiveShelf
from recolab.schema import ITEM, check_items

if TYPE_CHECKING:
    from recolab.live.recommender import LiveRecommender

NEAREST = 20  # items of which a new one is the mean
CELLS = 10_000_000  # likenesses that are dense at one time


def welcome(live: LiveRecommender, items: pl.DataFrame) -> LiveRecommender:
    """Make a live recommender that knows some items more, each a mean of the known items whose words are nearest to its own.

    What was observed is shared with `live`, and so are its prices and stocks as they are now: exchange the two at once.
    items: item_id, and what is known of title, category, brand, text, price and stock; what shares no word with any known item
    is found by rules alone
    Raises SchemaError for a table that is none, ValueError for an item that is known already or an id of another type.
    """
    check_items(items)
    _require_new(live, items)
    catalog = live.catalog.grow(items)
    like = likeness(catalog, len(live.catalog))
    old = live.choir
    choir = Choir([voice.welcome(like) for voice in old.voices], old.weights, old.weights_again)
    vectors = np.concatenate([live.vectors, _unit(like @ live.vectors)])
    shelf = LiveShelf(catalog)
    shelf.follow(live.shelf)
    return live.grown(catalog, choir, vectors, shelf)


def likeness(catalog: Catalog, n_known: int) -> sparse.csr_matrix:
    """Say of which of the first rows of a catalog the others are like: (M, n_known) shares that sum to 1, none where no word is shared."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: PLC0415  (a second that only a newcomer pays)

    from recolab.models.content import item_texts  # noqa: PLC0415

    words = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b").fit_transform([*item_texts(catalog), "?a"])[:-1]
    known = words[:n_known].T.tocsc()
    blocks = range(n_known, len(catalog), max(CELLS // n_known, 1))
    return sparse.vstack([_nearest(words[start : start + blocks.step], known) for start in blocks], "csr")


def _nearest(words: sparse.csr_matrix, known: sparse.csc_matrix) -> sparse.csr_matrix:
    """Keep each row's nearest known items, as shares: (M, W) and (W, N) -> (M, N)."""
    near = (words @ known).toarray().astype(np.float32)
    if near.shape[1] > NEAREST:
        near[near < np.partition(near, -NEAREST, axis=1)[:, [-NEAREST]]] = 0
    return sparse.csr_matrix(near / np.maximum(near.sum(1, keepdims=True), 1e-12))


def _require_new(live: LiveRecommender, items: pl.DataFrame) -> None:
    for item in items[ITEM]:
        if live.knows(item):
            raise ValueError(f"{ITEM} = {item!r} is in the catalog already: update_item changes its price and stock")
        if live.catalog.items.schema[ITEM].is_integer() != isinstance(item, int):
            raise ValueError(f"{ITEM} = {item!r}: the catalog's ids are {live.item_type.__name__}")


def _unit(vectors: Floats) -> Floats:
    unit: Floats = (vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)).astype(np.float32)
    return unit
