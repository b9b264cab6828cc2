"""Describe events, users, items and prices by numbers that a model or a shopkeeper can read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import narwhals as nw
from narwhals.typing import IntoFrameT

from recolab.prepare.engines import (
    DAY_US,
    EPOCH,
    Frame,
    entered,
    epoch_us,
    given_back,
    in_order,
    neighbour,
    require_clock,
)
from recolab.schema import (
    BASKET,
    CATEGORY,
    DWELL,
    ITEM,
    KIND,
    PRICE,
    PURCHASE,
    SESSION,
    TIME,
    USER,
)

_US = "__us"


def event_features(events: IntoFrameT, max_dwell_seconds: float = 1800.0) -> IntoFrameT:
    """Add to each event what its surroundings tell: how long it was looked at, when, and with how many others.

    ->  the events with dwell_seconds (kept where logged, else the time to the next event of the session, at most
        `max_dwell_seconds`; null for a session's last), hour_of_day (0..23 UTC), is_weekend, basket_size (events of
        the same user's basket, or session where there are no baskets); in memory sorted by user, timestamp, item
    Raises SchemaError without session_id (run `sessionise` first) and for ordinal timestamps.
    """
    frame = entered(events, (USER, ITEM, TIME, SESSION))
    require_clock(frame, "event_features")
    frame = in_order(frame, (USER, SESSION, TIME, ITEM)).with_columns(epoch_us(frame).alias(_US))
    names = frame.collect_schema().names()
    gap = neighbour(frame, _US, -1, USER, SESSION) - nw.col(_US)
    gap = nw.when(~nw.col(SESSION).is_null()).then(gap)
    dwell = _capped(gap.cast(nw.Float64) / 1e6, max_dwell_seconds)
    frame = frame.with_columns(dwell.alias("__dwell"), nw.len().over(USER, _basket(names)).alias("basket_size"))
    if BASKET in names:  # views belong to no basket, and "no basket" is not a big one
        frame = frame.with_columns(nw.when(~nw.col(BASKET).is_null()).then(nw.col("basket_size")).alias("basket_size"))
    logged = nw.coalesce(nw.col(DWELL).cast(nw.Float64), nw.col("__dwell")) if DWELL in names else nw.col("__dwell")
    frame = frame.with_columns(
        logged.alias(DWELL),
        nw.col(TIME).dt.hour().cast(nw.Int64).alias("hour_of_day"),
        _is_weekend(nw.col(_US)).alias("is_weekend"),
    )
    return given_back(in_order(frame.drop(_US, "__dwell")), events)


def user_features(events: IntoFrameT, now: datetime) -> IntoFrameT:
    """Sum up each user as of one moment; events at or after `now` are not looked at, so nothing leaks.

    now: naive UTC  ->  one row per user: user_id, n_events, n_items, n_purchases, recency_days (since the last event),
        tenure_days (since the first), purchases_per_week (over the tenure, at least one week), weekend_share (0..1),
        n_baskets and mean_basket_size in events; mean_price and mean_dwell_seconds if the events know them
    Raises SchemaError for missing columns and ordinal timestamps.
    """
    return given_back(_summary(events, USER, now).rename({"n_partners": "n_items", "age_days": "tenure_days"}), events)


def item_features(events: IntoFrameT, now: datetime) -> IntoFrameT:
    """Sum up each item as of one moment; events at or after `now` are not looked at, so nothing leaks.

    now: naive UTC  ->  one row per item: item_id, n_events, n_users, n_purchases, recency_days (since the last event),
        age_days (since the first), purchases_per_week (over the age, at least one week), weekend_share (0..1);
        mean_price and mean_dwell_seconds if the events know them
    Raises SchemaError for missing columns and ordinal timestamps.
    """
    return given_back(_summary(events, ITEM, now).rename({"n_partners": "n_users"}), events)


def price_bands(items: IntoFrameT, n_bands: int = 5) -> IntoFrameT:
    """Say how dear each item is among its own kind: a dear tea costs less than a cheap television.

    ->  the items with price_band: 1 (cheapest) .. n_bands, quantiles of price within the category, equal prices in one
        band; null where price or category is unknown
    Raises SchemaError without price and category, ValueError for fewer than 1 band.
    """
    if n_bands < 1:
        raise ValueError(f"n_bands must be at least 1, not {n_bands}")
    frame = entered(items, (ITEM, CATEGORY, PRICE))
    price = nw.col(PRICE)
    frame = frame.with_columns(
        price.rank("average").over(CATEGORY).cast(nw.Float64).alias("__rank"),
        price.count().over(CATEGORY).cast(nw.Float64).alias("__n"),
    )
    # The middle of an item's place, (rank - 1/2) / n, lies strictly between 0 and 1: no item falls off either end.
    band = (n_bands * (2 * nw.col("__rank") - 1) / (2 * nw.col("__n"))).floor() + 1
    known = ~(price.is_null() | nw.col(CATEGORY).is_null())
    frame = frame.with_columns(nw.when(known).then(band).alias("price_band"))
    return given_back(frame.drop("__rank", "__n"), items)


def _summary(events: IntoFrameT, key: str, now: datetime) -> Frame:
    """Count, average and date the events before `now` per user or per item."""
    frame = entered(events, (USER, ITEM, TIME, KIND))
    require_clock(frame, f"{key} features")
    now = now.astimezone(UTC).replace(tzinfo=None) if now.tzinfo else now
    now_us = (now - EPOCH) // timedelta(microseconds=1)
    names = frame.collect_schema().names()
    partner, basket = (ITEM, _basket(names)) if key == USER else (USER, _basket(names))
    means = {name: label for name, label in {PRICE: "mean_price", DWELL: "mean_dwell_seconds"}.items() if name in names}
    frame = frame.select(
        key,
        partner,
        *means,
        epoch_us(frame).alias(_US),
        nw.col(basket).alias("__basket"),
        (~nw.col(basket).is_null()).cast(nw.Int64).alias("__has_basket"),
        (nw.col(KIND) == PURCHASE).cast(nw.Int64).alias("__bought"),
        _is_weekend(epoch_us(frame)).cast(nw.Int64).alias("__weekend"),
    ).filter(nw.col(_US) < now_us)
    baskets = {
        "__baskets": nw.col("__basket").n_unique(),
        "__in_baskets": nw.col("__has_basket").sum(),
        "__all_in": nw.col("__has_basket").min(),
    }
    table = frame.group_by(key).agg(
        n_events=nw.len(),
        n_partners=nw.col(partner).n_unique(),
        n_purchases=nw.col("__bought").sum(),
        __first=nw.col(_US).min(),
        __last=nw.col(_US).max(),
        weekend_share=nw.col("__weekend").mean(),
        **(baskets if key == USER else {}),
        **{label: nw.col(name).mean() for name, label in means.items()},
    )
    return _dated(table, now_us)


def _dated(table: Frame, now_us: int) -> Frame:
    """Turn first and last moments into days before now, and counts into rates."""
    age = (now_us - nw.col("__first")).cast(nw.Float64) / DAY_US
    recency = (now_us - nw.col("__last")).cast(nw.Float64) / DAY_US
    weekly = nw.col("n_purchases") / nw.max_horizontal(age / 7, nw.lit(1.0))
    table = table.with_columns(
        recency.alias("recency_days"), age.alias("age_days"), weekly.alias("purchases_per_week")
    ).drop("__first", "__last")
    if "__baskets" not in table.collect_schema().names():
        return table
    n_baskets = nw.col("__baskets") - (1 - nw.col("__all_in"))  # null was counted as one basket
    table = table.with_columns(n_baskets.cast(nw.Int64).alias("n_baskets"))
    size = nw.when(nw.col("n_baskets") > 0).then(nw.col("__in_baskets") / nw.col("n_baskets"))
    return table.with_columns(size.alias("mean_basket_size")).drop("__baskets", "__in_baskets", "__all_in")


def _basket(names: list[str]) -> str:
    """Name the finest column that groups events: a checkout, else a visit, else a moment."""
    return next((name for name in (BASKET, SESSION) if name in names), TIME)


def _is_weekend(microseconds: nw.Expr) -> nw.Expr:
    """Tell Saturday and Sunday (UTC) by counting days from a Thursday; engines number weekdays differently."""
    return (microseconds // DAY_US + 3) % 7 >= 5


def _capped(seconds: nw.Expr, most: float) -> nw.Expr:
    """Cut at `most` where known; a plain minimum would turn the unknown into the cap on some engines."""
    return nw.when(seconds > most).then(nw.lit(most)).otherwise(seconds)
