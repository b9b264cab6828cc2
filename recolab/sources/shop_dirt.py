"""Dirt for the simulated shop's log, planted and written down, so that cleaning can be checked to the row."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl

from recolab.schema import DWELL, ITEM, KIND, SESSION, TIME, USER, VALUE, VIEW

BOT_EVENTS = 1_200  # of each bot, within one day
SECONDS_PER_LOOK = 5  # of a bot
BOT = "bot"
_EVEN = pl.int_range(pl.len()) % 2 == 0  # spoils every other copy one way, the rest the other way
_LATER = pl.col(TIME) + timedelta(days=40 * 365)
_RESET = datetime(1970, 1, 1) + (pl.col(TIME) - pl.col(TIME).dt.truncate("1d"))  # a clock that lost its date

# How a copy of a real event is spoilt, by the reason for which it must go.
SPOILT = {
    "missing id": [
        pl.when(_EVEN).then(None).otherwise(pl.col(USER)).alias(USER),
        pl.when(_EVEN).then(pl.col(ITEM)).alias(ITEM),
    ],
    "bad time": [pl.when(_EVEN).then(_LATER).otherwise(_RESET).alias(TIME)],
    "bad value": [pl.when(_EVEN).then(float("nan")).otherwise(-1.0).alias(VALUE)],
    "unknown item": [("GONE-" + pl.col(ITEM)).alias(ITEM)],
    "duplicate": [],
}


def plant_dirt(
    events: pl.DataFrame, share: float, n_bots: int, first_bot: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Mix spoilt copies of real events, exact copies and bots into a clean log, in random order.

    share: copies by clean row, as many for each reason of SPOILT    first_bot: the first bot's user id
    ->  the dirty log, and the truth: columns row, reason
    """
    n = int(len(events) * share / len(SPOILT))
    chosen = rng.choice(len(events), (len(SPOILT), n), replace=False)
    parts = [events.with_columns(pl.lit(None, pl.String).alias("reason"))]
    for (reason, changes), rows in zip(SPOILT.items(), chosen, strict=True):
        parts.append(events[rows].with_columns(*changes, pl.lit(reason).alias("reason")))
    parts += [_bot(events, first_bot + bot, rng).with_columns(pl.lit(BOT).alias("reason")) for bot in range(n_bots)]
    whole = pl.concat(parts)
    whole = whole[rng.permutation(len(whole))]
    truth = whole.select("reason").with_row_index("row").drop_nulls()
    return whole.drop("reason"), truth


def _bot(events: pl.DataFrame, name: int, rng: np.random.Generator) -> pl.DataFrame:
    """A bot opens page after page for hours, each in a visit of its own, as it keeps no cookies."""
    views = events.filter(pl.col(KIND) == VIEW)
    views = views[rng.integers(0, len(views), BOT_EVENTS)]
    night = views[TIME].dt.truncate("1d")[0] + timedelta(hours=2)
    nth = pl.int_range(pl.len())
    return views.with_columns(
        pl.lit(name, views.schema[USER]).alias(USER),
        (night + pl.duration(seconds=SECONDS_PER_LOOK * nth)).cast(views.schema[TIME]).alias(TIME),
        pl.lit(float(SECONDS_PER_LOOK)).alias(DWELL),
        (int(events[SESSION].max()) + 1 + (name * BOT_EVENTS + nth)).alias(SESSION),  # type: ignore[arg-type]
    )
