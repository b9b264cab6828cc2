"""What the simulated shoppers do about what they see: the funnel from a view to a cart, a purchase and a review."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.schema import (
    CART,
    DWELL,
    ITEM,
    KIND,
    PRICE,
    PURCHASE,
    QUANTITY,
    RATING,
    REVIEW,
    SESSION,
    TEXT,
    TIME,
    TITLE,
    USER,
    VALUE,
    VIEW,
)
from recolab.sources.shop_catalogue import Floats, Ints, Shelf
from recolab.sources.shop_walk import DAY, SECOND, Views

CART_SHARE, BUY_SHARE, REVIEW_SHARE = 0.2, 0.5, 0.3  # of views, of carts, of purchases
EVENTS_PER_VIEW = 1 + CART_SHARE * (1 + BUY_SHARE * (1 + REVIEW_SHARE))
STARS = ("awful", "poor", "fair", "good", "wonderful")

# Which of the purchases asked for could be served: rows of the shelf, times, quantities -> (len,) bool.
Sell = Callable[[Ints, Ints, Ints], NDArray[np.bool_]]


def cart_chance(liking: Floats) -> Floats:
    """Say how often what is viewed is carted: CART_SHARE (1 + tanh(liking) / 2), oftener what is liked; any shape."""
    return np.asarray(CART_SHARE * (1 + 0.5 * np.tanh(liking)))


def act(shelf: Shelf, views: Views, liking: Floats, sell: Sell | None, rng: np.random.Generator) -> pl.DataFrame:
    """Turn views into the log: what is liked is carted more often, half of that is bought, some of that is reviewed.

    liking: (V,)    sell: None serves everybody
    ->  events, sorted by time, users and visits numbered from 0; item_id is the row of the shelf
    """
    carted = np.flatnonzero(rng.random(len(liking)) < cart_chance(liking))
    bought = _once(views, carted[rng.random(len(carted)) < BUY_SHARE], len(shelf))
    paid, quantity = views.end[views.visit[bought]] + 30 * SECOND, rng.integers(1, 4, len(bought))
    if sell is not None:
        sold = sell(views.item[bought], paid, quantity)
        bought, paid, quantity = bought[sold], paid[sold], quantity[sold]
    judges = rng.random(len(bought)) < REVIEW_SHARE
    judged, told = bought[judges], paid[judges] + rng.integers(DAY, 10 * DAY, int(judges.sum()))
    stars = np.clip(np.round(3.5 + liking[judged] + rng.normal(0, 0.5, len(judged))), 1, 5)
    # A review is written days later, so it is a visit of its own.
    later = len(views.user) + np.arange(len(judged))
    carted_at = views.at[carted] + (views.dwell_seconds[carted] * SECOND / 2).astype(np.int64)
    everything = np.arange(len(views.item))
    parts = [
        _events(views, everything, views.at, VIEW, {DWELL: views.dwell_seconds}),
        _events(views, carted, carted_at, CART, {}),
        _events(views, bought, paid, PURCHASE, {QUANTITY: quantity.astype(float), VALUE: quantity.astype(float)}),
        _events(views, judged, told, REVIEW, {RATING: stars, VALUE: stars, SESSION: later}),
    ]
    log = pl.concat(parts, how="diagonal").sort(TIME, maintain_order=True)
    is_priced = pl.col(KIND) != REVIEW
    return log.with_columns(pl.when(is_priced).then(shelf.items[PRICE].gather(log[ITEM])).alias(PRICE))


def review_texts(log: pl.DataFrame, shelf: Shelf) -> pl.DataFrame:
    """Add the words of each review, which agree with its stars; null elsewhere."""
    rows = log.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("row"), ITEM, RATING).drop_nulls()
    manner = pl.Series(STARS).gather(rows[RATING].cast(pl.Int64) - 1)
    text = ("A " + manner + " thing, this " + shelf.items[TITLE].gather(rows[ITEM]) + ".").alias(TEXT)
    texts = rows.select("row").with_columns(text)
    return log.with_row_index("row").join(texts, on="row", how="left", maintain_order="left").drop("row")


def _once(views: Views, rows: Ints, n_items: int) -> Ints:
    """Keep the first of each item in each visit: a second cart of it is not a second purchase."""
    _, first = np.unique(views.visit[rows] * n_items + views.item[rows], return_index=True)
    return np.asarray(rows[np.sort(first)])


def _events(views: Views, rows: Ints, at: Ints, kind: str, more: dict[str, Floats | Ints]) -> pl.DataFrame:
    """Lay out events of one kind, at their times (milliseconds since 1970), about some views."""
    visit = views.visit[rows]
    columns = {USER: views.user[visit], ITEM: views.item[rows], TIME: at, SESSION: visit} | more
    table = pl.DataFrame(columns).with_columns(pl.lit(kind).alias(KIND))
    if VALUE not in columns:
        table = table.with_columns(pl.lit(1.0).alias(VALUE))
    return table.with_columns(pl.col(TIME).cast(pl.Datetime("ms")).cast(pl.Datetime("us")))
