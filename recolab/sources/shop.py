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
from recolab.schema import ITEM, SESSION, STOCK, USER
from recolab.sources import Tables
from recolab.sources.shop_catalogue import Floats, Shelf, make_shelf
from recolab.sources.shop_dirt import BOT_EVENTS, plant_dirt
from recolab.sources.shop_stock import Stockroom
from recolab.sources.shop_traffic import EVENTS_PER_VIEW, Sell, act, review_texts
from recolab.sources.shop_walk import MEAN_VIEWS, Crowd, browse, make_crowd

NOTE = "A simulated shop: nobody bought anything, every number was drawn; what holds here need not hold in a real shop."
MOST_VISITS_PER_DAY = 0.4  # by the mean shopper; beyond it, shoppers who rest between visits could not do them all


@dataclass(frozen=True)
class ShopConfig:
    """How large a shop, and how dirty its log.

    n_events: of the log with all its dirt, met within 5 %    dirt_share: spoilt rows by clean row, bots apart
    Raises ValueError for a shop that cannot be: more events than its shoppers have days for, or fewer than its bots make.
    """

    n_users: int = 2_000
    n_items: int = 1_000
    n_events: int = 100_000
    days: int = 120
    start: datetime = datetime(2025, 1, 6)
    dirt_share: float = 0.02
    n_bots: int = 1
    seed: int = 7

    def __post_init__(self) -> None:
        if not 0 <= self.dirt_share <= 1:
            raise ValueError(f"dirt_share = {self.dirt_share} must lie in 0..1")
        if self.n_clean_events < 1:
            raise ValueError(
                f"n_events = {self.n_events} leaves nothing beside {self.n_bots} bots of {BOT_EVENTS} each"
            )
        most = int(MOST_VISITS_PER_DAY * MEAN_VIEWS * EVENTS_PER_VIEW * self.n_users * self.days)
        if self.n_clean_events > most:
            raise ValueError(
                f"n_events = {self.n_events:,} is too much for {self.n_users:,} users in {self.days} days, who make "
                f"{most:,} at most; ask for more of either"
            )

    @property
    def n_clean_events(self) -> int:
        """How many events are left for the shoppers, beside the dirt."""
        return int((self.n_events - self.n_bots * BOT_EVENTS) / (1 + self.dirt_share))


@dataclass(frozen=True)
class Truth:
    """What nobody sees in a real shop.

    dirt: columns row (of the delivered events) and reason (as `prepare.clean` calls it)    shelf, crowd: what drives all
    """

    dirt: pl.DataFrame
    shelf: Shelf
    crowd: Crowd


@dataclass(frozen=True)
class Shop:
    """What the shop logged, and what really happened.

    events: the delivered log, dirt and all    items: the item table, stock as at the end
    stock: item_id, timestamp and stock after each change, in the order of time
    """

    events: pl.DataFrame
    items: pl.DataFrame
    stock: pl.DataFrame
    truth: Truth

    def tables(self) -> Tables:
        """Hand over what a real shop would: the log and the item table, without the truth."""
        return Tables(self.events, self.items, NOTE)

    def next_item_probabilities(self, user: int, last_item: str | None = None) -> Floats:
        """Give the exact law of the next viewed item: (N,) in the order of `items`, sums to 1.

        last_item: the item viewed before in the same visit, None at its start
        Raises KeyError for a user or an item that this shop does not know.
        """
        crowd, shelf = self.truth.crowd, self.truth.shelf
        self._require_shopper(user)
        last = None if last_item is None else self.items[ITEM].index_of(last_item)
        if last is None and last_item is not None:
            raise KeyError(last_item)
        return shelf.step_law(crowd.taste[user], int(crowd.band[user]), int(crowd.brand[user]), last)

    def satisfaction(self, user: int) -> Floats:
        """Tell how much a shopper likes each item, which steers looks, carts and stars: (N,) in the order of `items`.

        Raises KeyError for a user that this shop does not know.
        """
        crowd, shelf = self.truth.crowd, self.truth.shelf
        self._require_shopper(user)
        return shelf.liking(int(crowd.band[user]), int(crowd.brand[user]), np.arange(len(shelf)))

    def _require_shopper(self, user: int) -> None:
        if not 0 <= user < len(self.truth.crowd.band):
            raise KeyError(user)


def simulate_shop(config: ShopConfig | None = None) -> Shop:
    """Run the shop once; the same config gives the same shop to the row."""
    config = config or ShopConfig()
    rng = np.random.default_rng([config.seed, 1])
    shelf, crowd = make_shelf(config.n_items, config.seed), make_crowd(config.n_users, rng)
    room = Stockroom(config.n_items, config.start, rng)
    log = review_texts(_trade(shelf, crowd, config, config.n_clean_events, room.sell, rng), shelf)
    events, dirt = plant_dirt(_named(log, shelf), config.dirt_share, config.n_bots, config.n_users, rng)
    stock = _named(room.history(), shelf)
    left = stock.group_by(ITEM, maintain_order=True).last().select(ITEM, STOCK)
    items = shelf.items.join(left, on=ITEM, how="left", maintain_order="left")
    return Shop(events, items, stock, Truth(dirt, shelf, crowd))


def load_shop(config: ShopConfig | None = None) -> Tables:
    """Deliver the shop's log as any other source's: dirty, with the item table beside it."""
    return simulate_shop(config).tables()


def shop_chunks(config: ShopConfig, chunk_events: int = 1_000_000) -> Iterator[pl.DataFrame]:
    """Stream a shop of any size, a crowd at a time, in the memory of one chunk of about chunk_events.

    Each chunk has its own shoppers, its own visits and its own random numbers; the shelf is that of `simulate_shop`.
    Stock, dirt and review texts are left out: they would need the whole log at once.
    """
    shelf = make_shelf(config.n_items, config.seed)
    n_chunks = min(-(-config.n_events // chunk_events), config.n_users)
    users = np.linspace(0, config.n_users, n_chunks + 1).astype(int)
    events = np.linspace(0, config.n_events, n_chunks + 1).astype(int)
    first_visit = 0
    for chunk in range(n_chunks):
        rng = np.random.default_rng([config.seed, 2, chunk])
        crowd = make_crowd(int(users[chunk + 1] - users[chunk]), rng)
        log = _trade(shelf, crowd, config, int(events[chunk + 1] - events[chunk]), None, rng)
        yield _named(log.with_columns(pl.col(USER) + int(users[chunk]), pl.col(SESSION) + first_visit), shelf)
        first_visit += int(log[SESSION].max()) + 1  # type: ignore[arg-type]


def write_shop(path: Path, config: ShopConfig, chunk_events: int = 1_000_000) -> None:
    """Stream a shop into one parquet file, a row group per chunk, whole or not at all."""
    chunks = (chunk.to_arrow() for chunk in shop_chunks(config, chunk_events))
    first = next(chunks)
    with write_atomically(path) as temporary, pq.ParquetWriter(temporary, first.schema) as writer:
        writer.write_table(first)
        for chunk in chunks:
            writer.write_table(chunk)


def _trade(
    shelf: Shelf, crowd: Crowd, config: ShopConfig, n_events: int, sell: Sell | None, rng: np.random.Generator
) -> pl.DataFrame:
    """Let a crowd shop until the log has about n_events; items by their row of the shelf."""
    views, liking = browse(shelf, crowd, round(n_events / EVENTS_PER_VIEW), config.start, config.days, rng)
    return act(shelf, views, liking, sell, rng)


def _named(table: pl.DataFrame, shelf: Shelf) -> pl.DataFrame:
    """Call items by their ids instead of their rows."""
    return table.with_columns(shelf.items[ITEM].gather(table[ITEM]).alias(ITEM))
