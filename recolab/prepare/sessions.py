"""Cut each user's stream of events into visits."""

from __future__ import annotations

import narwhals as nw
from narwhals.typing import IntoFrameT

from recolab.prepare.engines import entered, epoch_us, given_back, in_order, is_lazy, join, neighbour, require_clock
from recolab.schema import ITEM, SESSION, TIME, USER

_US, _NEW, _OFFSET = "__us", "__new", "__offset"


def sessionise(events: IntoFrameT, gap_minutes: float = 30) -> IntoFrameT:
    """Number the visits: a user who was silent for more than `gap_minutes` has come back for a new one.

    ->  the events with session_id (replaced if there), integers from 1, unique over all users, by user then time;
        rows in memory come sorted by user, timestamp, item
    Raises SchemaError for ordinal timestamps and ValueError for a negative gap.
    """
    if gap_minutes < 0:
        raise ValueError(f"gap_minutes must not be negative, not {gap_minutes}")
    frame = entered(events, (USER, ITEM, TIME))
    require_clock(frame, "sessionise")
    columns = [name for name in frame.collect_schema().names() if name != SESSION]
    frame = in_order(frame.select(*columns)).with_columns(epoch_us(frame).alias(_US))
    silence = nw.col(_US) - neighbour(frame, _US, 1, USER)
    is_new = (silence.is_null() | (silence > round(gap_minutes * 60e6))).cast(nw.Int64)
    frame = frame.with_columns(is_new.alias(_NEW))
    if not is_lazy(frame):  # users stand one after the other, so one running count numbers all visits
        return given_back(frame.with_columns(nw.col(_NEW).cum_sum().alias(SESSION)).select(*columns, SESSION), events)
    # A cluster counts within users, then shifts each user by the visits of those before: no window over all rows.
    visits = frame.group_by(USER).agg(nw.col(_NEW).sum())
    before = (nw.col(_NEW).cum_sum() - nw.col(_NEW)).over(order_by=USER)
    frame = frame.with_columns(nw.col(_NEW).cum_sum().over(USER, order_by=(TIME, ITEM)).alias(SESSION))
    frame = join(frame, visits.select(USER, before.alias(_OFFSET)), on=USER, how="left")
    return given_back(frame.with_columns(nw.col(SESSION) + nw.col(_OFFSET)).select(*columns, SESSION), events)
