"""Keep the part of a log in which every user and every item is seen often enough to be learned."""

from __future__ import annotations

import narwhals as nw
from narwhals.typing import IntoFrameT

from recolab.prepare.engines import collected, entered, given_back, in_order, only
from recolab.schema import ITEM, TIME, USER


def k_core(events: IntoFrameT, user_min: int, item_min: int) -> IntoFrameT:
    """Drop users with few different items and items with few different users, again and again until none is left.

    user_min: distinct items per user    item_min: distinct users per item
    ->  all events of the largest log that satisfies both; a plan stays one, its distinct pairs are held in memory;
        rows in memory come sorted by user, timestamp, item
    Raises SchemaError for missing columns and ValueError for minima below 1.
    """
    if user_min < 1 or item_min < 1:
        raise ValueError(f"user_min and item_min must be at least 1, not {user_min} and {item_min}")
    frame = entered(events, (USER, ITEM, TIME))
    pairs, before = collected(frame.select(USER, ITEM).unique(keep="any")), -1
    while len(pairs) != before:
        before = len(pairs)
        pairs = pairs.filter(nw.len().over(USER) >= user_min).filter(nw.len().over(ITEM) >= item_min)
    # A pair is dropped only with its user or its item, so the survivors of both sides describe the core.
    return given_back(in_order(only(only(frame, USER, pairs), ITEM, pairs)), events)
