"""Dirt for the simulated shop's log, planted and written down, so that cleaning can be checked to the row."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from recolab.schema import ITEM, KIND, TIME, USER, VALUE, VIEW

BOT_EVENTS = 1_200  # of each bot, within one day
REASONS = ("missing id", "bad time", "bad value", "unknown item", "duplicate")


def plant_dirt(
    events: pl.DataFrame, share: float, n_bots: int, first_bot: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mix spoilt copies of real events, exact copies and bots into a clean log, in random order.

    share: spoilt rows by clean row, split evenly over REASONS  ->  the dirty log, and the truth: columns row, reason
    """
    n = int(len(events) * share / len(REASONS))
    chosen = rng.permutation(len(events))[: n * len(REASONS)].reshape(len(REASONS), n)
    spoil = {
        "missing id": pl.when(pl.int_range(pl.len()) % 2 == 0).then(None).otherwise(pl.col(USER)).alias(USER),
        "bad time": (pl.col(TIME) + timedelta(days=365 * 40)).alias(TIME),
        "bad value": pl.when(pl.int_range(pl.len()) % 2 == 0).then(float("nan")).otherwise(-1.0).alias(VALUE),
        "unknown item": (pl.lit("GONE-") + pl.col(ITEM)).alias(ITEM),
        "duplicate": pl.col(VALUE),
    }
    parts = [events.with_columns(pl.lit("").alias("reason"))]
    for reason, rows in zip(REASONS, chosen, strict=True):
        copies = events[rows.tolist()].with_columns(spoil[reason], pl.lit(reason).alias("reason"))
        if reason == "missing id":  # every other one lacks the item instead
            lacks = pl.when(pl.col(USER).is_null()).then(pl.col(ITEM)).otherwise(None).alias(ITEM)
            copies = copies.with_columns(lacks)
        parts.append(copies)
    bots = (_bot(events, first_bot + bot, rng) for bot in range(n_bots))
    parts += [bot.with_columns(pl.lit("bot").alias("reason")) for bot in bots]
    whole = pl.concat(parts)
    whole = whole[rng.permutation(len(whole)).tolist()]
    truth = whole.select("reason").with_row_index("row").filter(pl.col("reason") != "")
    return whole.drop("reason"), truth


def _bot(events: pl.DataFrame, name: int, rng: np.random.Generator) -> pl.DataFrame:
    """A bot looks at everything within hours of one day, one view every few seconds."""
    views: pl.DataFrame = events.filter(pl.col(KIND) == VIEW)
    views = views[rng.integers(0, len(views), BOT_EVENTS).tolist()]
    day = views[TIME].dt.truncate("1d")[0]
    clock = pl.Series([day + timedelta(hours=2, seconds=5 * second) for second in range(BOT_EVENTS)])
    return views.with_columns(
        pl.lit(name).cast(views.schema[USER]).alias(USER), clock.cast(views.schema[TIME]).alias(TIME)
    )
