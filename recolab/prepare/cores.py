"""Keep the part of a log in which every user and every item is seen often enough to be learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import narwhals as nw
from narwhals.typing import IntoFrameT

from recolab.prepare.engines import collected, distinct, entered, given_back, in_order, only
from recolab.schema import ITEM, TIME, USER

_CODES = {USER: "__user", ITEM: "__item"}


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
    pairs = collected(distinct(frame.select(USER, ITEM)))
    whole = pairs.drop_nulls()
    ids = {name: whole.select(name).unique(keep="any").with_row_index(code) for name, code in _CODES.items()}
    core = _core(whole, ids, user_min, item_min)
    for name, code in _CODES.items():
        survivors = ids[name].join(core.select(code).unique(keep="any"), on=code, how="semi")
        # A pair is dropped only with its user or its item, so the survivors of both sides describe the core.
        if len(survivors) < len(ids[name]) or len(whole) < len(pairs):
            frame = only(frame, name, survivors)
    return given_back(in_order(frame), events)


def _core(
    pairs: nw.DataFrame[Any], ids: Mapping[str, nw.DataFrame[Any]], user_min: int, item_min: int
) -> nw.DataFrame[Any]:
    """Shrink the distinct pairs, as codes, until both minima hold; counting integers is far faster than counting texts."""
    for name, table in ids.items():
        pairs = pairs.join(table, on=name, how="inner")
    pairs, before = pairs.select(*_CODES.values()), -1
    while len(pairs) != before:
        before = len(pairs)
        pairs = pairs.filter(nw.len().over(_CODES[USER]) >= user_min).filter(nw.len().over(_CODES[ITEM]) >= item_min)
    return pairs
