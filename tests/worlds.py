"""Toy worlds with one right answer, for all tests that need one."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from recolab.histories import build_catalog, pack
from recolab.schema import BRAND, CATEGORY, ITEM, KIND, PRICE, PURCHASE, STOCK, TIME, TITLE, USER, VALUE, VIEW

START = datetime(2024, 1, 1)


def log(rows, kind=PURCHASE):
    """Events from (user, item, day) rows."""
    return pl.DataFrame(
        {
            USER: [user for user, _, _ in rows],
            ITEM: [item for _, item, _ in rows],
            TIME: [START + timedelta(days=day) for _, _, day in rows],
            KIND: [kind] * len(rows),
            VALUE: [1.0] * len(rows),
        }
    )


def carousel(n_users=60, n_items=8, length=12):
    """Shoppers who always step to the next item, and from the last one back to the first."""
    rows = [(user, (user + step) % n_items, step) for user in range(n_users) for step in range(length)]
    events = log(rows)
    items = pl.DataFrame(
        {
            ITEM: list(range(n_items)),
            TITLE: [f"thing {item}" for item in range(n_items)],
            CATEGORY: ["even" if item % 2 == 0 else "odd" for item in range(n_items)],
            BRAND: ["house"] * n_items,
        }
    )
    catalog = build_catalog(events, items)
    return pack(events, catalog), catalog, events


def priced_ring(n_items, now):
    """A carousel that was only looked at, so that all of it may still be bought: catalog, past.

    Goods have a price (10 and their number), a stock of 5, and are even or odd by category.
    """
    _, _, events = carousel(n_users=40, n_items=n_items, length=15)
    events = events.with_columns(pl.lit(VIEW).alias(KIND))
    numbers = pl.int_range(n_items, eager=True)
    items = pl.DataFrame(
        {ITEM: numbers, CATEGORY: (numbers % 2).cast(str), PRICE: 10.0 + numbers, STOCK: [5] * n_items}
    )
    catalog = build_catalog(events, items)
    return catalog, pack(events, catalog, as_of=now)
