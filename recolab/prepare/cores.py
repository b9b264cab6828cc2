"""Keep the part of a log in which every user and every item is seen often enough to be learned."""

from __future__ import annotations

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
    for column, survivors in zip((USER, ITEM), _survivors(pairs, user_min, item_min), strict=True):
        # A pair is dropped only with its user or its item, so the survivors of both sides describe the core.
        frame = frame if survivors is None else only(frame, column, survivors)
    return given_back(in_order(frame), events)


def _survivors(
    pairs: nw.DataFrame[Any], user_min: int, item_min: int
) -> tuple[nw.DataFrame[Any] | None, nw.DataFrame[Any] | None]:
    """Find the users and the items of the core, each as a table of ids; None where all of them stay."""
    whole = pairs.drop_nulls()
    # Counting small integers over and over is five times faster than counting texts.
    ids = [whole.select(name).unique(keep="any").with_row_index(code) for name, code in _CODES.items()]
    core, before = whole, -1
    for table, name in zip(ids, _CODES, strict=True):
        core = core.join(table, on=name, how="inner")
    core = core.select(*_CODES.values())
    while len(core) != before:
        before = len(core)
        core = core.filter(nw.len().over(_CODES[USER]) >= user_min).filter(nw.len().over(_CODES[ITEM]) >= item_min)
    kept = [
        table.join(core.select(code).unique(keep="any"), on=code, how="semi")
        for table, code in zip(ids, _CODES.values(), strict=True)
    ]
    all_stay = [len(left) == len(table) and len(whole) == len(pairs) for left, table in zip(kept, ids, strict=True)]
    users, items = (None if stays else left for left, stays in zip(kept, all_stay, strict=True))
    return users, items
