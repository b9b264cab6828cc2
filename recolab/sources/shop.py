"""A simulated shop whose truth is known: what drives its shoppers, and which rows of its log are dirt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from recolab.lab import write_atomically
from recolab.schema import ITEM, KIND, PURCHASE, QUANTITY, REVIEW, SESSION, STOCK, TIME
from recolab.sources import Tables
from recolab.sources.shop_catalogue import Floats, Shelf, make_shelf
from recolab.sources.shop_dirt import BOT_EVENTS, plant_dirt
from recolab.sources.shop_traffic import Crowd, make_crowd, review_texts, visit

NOTE = "A simulated shop: nobody bought anything, every number was drawn; what holds here need not hold in a real shop."
WEEK_US = 7 * 86_400_000_000


@dataclass(frozen=True)
class ShopConfig:
    """How large a shop, and how dirty its log; n_events is met within a few percent."""

    n_users: int = 2_000
    n_items: int = 1_000
    n_events: int = 100_000
    days: int = 120
    start: datetime = datetime(2025, 1, 6)  # a Monday
    dirt_share: float = 0.02
    n_bots: int = 1
    seed: int = 7


@dataclass(frozen=True)
class Shop:
    """What the shop logged, and what really happened.

    events: the delivered log, dirt and all    items: the item table, stock as at the end    stock: item_id, timestamp and
    stock after each change    dirt: the rows of events that are dirt, with the reason    shelf, crowd: what drives all
    """

    events: pl.DataFrame
    items: pl.DataFrame
    stock: pl.DataFrame
    dirt: pl.DataFrame
    shelf: Shelf
    crowd: Crowd

    def next_item_probabilities(self, user: int, last_item: str | None = None) -> Floats:
        """Give the exact law of the next viewed item: (N,) in the order of `items`, which sums to 1."""
        last = None if last_item is None else int(self.items[ITEM].index_of(last_item) or 0)
        return self.shelf.step_law(self.crowd.taste[user], int(self.crowd.band[user]), last)


def simulate_shop(config: ShopConfig | None = None) -> Shop:
    """Run the shop once; the same config gives the same shop to the row."""
    config = config or ShopConfig()
    rng = np.random.default_rng([config.seed, 1])
    shelf, crowd = make_shelf(config.n_items, config.seed), make_crowd(config.n_users, rng)
    # What a bot looks at is dirt as well: the clean part is what remains of the events asked for.
    clean = config.n_events * (1 - config.dirt_share) - config.n_bots * BOT_EVENTS
    log = visit(shelf, crowd, max(int(clean), 1), config.days, _start_ms(config), 0, rng)
    log, stock = _sell(log, config, rng)
    log = log.with_columns(review_texts(log, shelf))
    log = log.with_columns(shelf.items[ITEM].gather(log[ITEM]).alias(ITEM))
    log = log.unique(maintain_order=True)
    events, dirt = plant_dirt(log, config.dirt_share, config.n_bots, config.n_users, rng)
    stock = stock.with_columns(shelf.items[ITEM].gather(stock[ITEM]).alias(ITEM))
    left = stock.group_by(ITEM, maintain_order=True).last().select(ITEM, STOCK)
    return Shop(events, shelf.items.join(left, on=ITEM, maintain_order="left"), stock, dirt, shelf, crowd)


def load_shop(config: ShopConfig | None = None) -> Tables:
    """Deliver the shop's log as any other source's: dirty, with the item table beside it."""
    shop = simulate_shop(config)
    return Tables(shop.events, shop.items, NOTE)


def shop_chunks(config: ShopConfig, chunk_events: int = 1_000_000) -> Iterator[pl.DataFrame]:
    """Stream a shop of any size, a crowd at a time, in the memory of one chunk.

    Each chunk has its own shoppers and its own random numbers, so chunks may be made in any order; the shelf is one.
    Stock, dirt and review texts are left out: they would need the whole log at once.
    """
    shelf = make_shelf(config.n_items, config.seed)
    n_chunks = -(-config.n_events // chunk_events)
    bounds = np.linspace(0, config.n_users, n_chunks + 1).astype(int)
    events = np.diff(np.linspace(0, config.n_events, n_chunks + 1).astype(int))
    for chunk, n_events in enumerate(events):
        rng = np.random.default_rng([config.seed, 2, chunk])
        crowd = make_crowd(max(int(bounds[chunk + 1] - bounds[chunk]), 1), rng)
        log = visit(shelf, crowd, int(n_events), config.days, _start_ms(config), int(bounds[chunk]), rng)
        yield log.with_columns(shelf.items[ITEM].gather(log[ITEM]).alias(ITEM))


def write_shop(path: Path, config: ShopConfig, chunk_events: int = 1_000_000) -> None:
    """Stream a shop into one parquet file, whole or not at all."""
    with write_atomically(path) as temporary:
        writer = None
        for chunk in shop_chunks(config, chunk_events):
            table = chunk.to_arrow()
            writer = writer or pq.ParquetWriter(temporary, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()


def _start_ms(config: ShopConfig) -> int:
    return int(pl.Series([config.start]).dt.epoch("ms")[0])


def _sell(log: pl.DataFrame, config: ShopConfig, rng: np.random.Generator) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sell in the order of time what is there, restock once a week; a purchase of what has run out did not happen.

    log: events sorted by time, item_id = row  ->  the log that happened, and item_id, timestamp, stock after each change
    """
    stock = rng.integers(5, 40, config.n_items)
    supply = rng.integers(1, 12, config.n_items)
    opening, start = stock.copy(), _start_ms(config) * 1000
    changes = [(row, start, int(stock[row])) for row in range(config.n_items)]
    refused, week = [], 0
    sales = log.with_row_index("row").filter(pl.col(KIND) == PURCHASE)
    for at, row, item, amount in sales.select(pl.col(TIME).dt.epoch("us"), "row", ITEM, QUANTITY).iter_rows():
        while (at - start) // WEEK_US > week:
            week += 1
            stock = np.minimum(stock + supply, opening)
            changes += [(i, start + week * WEEK_US, int(stock[i])) for i in range(config.n_items)]
        if stock[item] < amount:
            refused.append(row)
            continue
        stock[item] -= int(amount)
        changes.append((item, at, int(stock[item])))
    happened = log.with_row_index("row").filter(~pl.col("row").is_in(refused)).drop("row")
    bought = sales.filter(pl.col("row").is_in(refused)).select(SESSION, ITEM)
    # Nobody reviews what was not sold to them.
    gone = (pl.col(KIND) == REVIEW) & pl.struct(SESSION, ITEM).is_in(bought.to_struct("refused").implode())
    table = pl.DataFrame(changes, schema={ITEM: pl.Int64, TIME: pl.Int64, STOCK: pl.Int64}, orient="row")
    return happened.filter(~gone), table.with_columns(pl.col(TIME).cast(pl.Datetime("us")))
