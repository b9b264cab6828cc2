"""The few things that differ between engines: order, windows, the clock, and small tables brought in from outside."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeAlias, cast

import narwhals as nw
from narwhals.typing import IntoFrame, IntoFrameT

from recolab.schema import ITEM, TIME, USER, SchemaError

Frame: TypeAlias = nw.DataFrame[Any] | nw.LazyFrame[Any]

ORDER = (USER, TIME, ITEM)
EPOCH = datetime(1970, 1, 1)
DAY_US = 86_400_000_000


def entered(table: IntoFrame, columns: Iterable[str]) -> Frame:
    """Take a table of any engine and refuse it if a column that the step reads is missing."""
    frame = cast(Frame, nw.from_native(table))
    names = frame.collect_schema().names()
    if missing := [name for name in columns if name not in names]:
        raise SchemaError(f"the table has no column {missing}; it has {names}")
    return frame


def given_back(frame: Frame, like: IntoFrameT) -> IntoFrameT:  # noqa: ARG001  `like` only tells mypy the type
    """Hand the native table back, of the engine that came in as `like`."""
    return cast(IntoFrameT, frame.to_native())


def is_lazy(frame: Frame) -> bool:
    """Tell a plan (Polars lazy, DuckDB, Spark) from rows in memory (pandas, Polars)."""
    return isinstance(frame, nw.LazyFrame)


def collected(frame: Frame) -> nw.DataFrame[Any]:
    """Run a plan into a Polars table; a table in memory stays as it is. For results far smaller than the log."""
    return frame.collect("polars") if isinstance(frame, nw.LazyFrame) else frame


def distinct(frame: Frame) -> Frame:
    """Keep one of each set of equal rows, in any order."""
    if isinstance(frame, nw.DataFrame):  # as a plan: Polars then works in parallel, at twice the speed
        return frame.lazy().unique(keep="any").collect()
    return frame.unique(keep="any")


def join(left: Frame, right: Frame, on: str | list[str], how: str) -> Frame:
    """Join two tables of one engine (mypy cannot know that both are of one kind)."""
    return cast(Frame, cast(Any, left).join(right, on=on, how=how))


def ids_for(frame: Frame, column: str, wanted: Frame) -> Frame:
    """Give the distinct values of `wanted`'s column as a table of the engine of `frame`, whatever engine they lie in."""
    ids = distinct(wanted.select(column)).drop_nulls()
    if ids.implementation is frame.implementation and is_lazy(ids) == is_lazy(frame):
        return ids
    small = collected(ids)
    if isinstance(frame, nw.DataFrame):
        return nw.from_dict({column: small[column].to_list()}, backend=frame.implementation)
    return _brought_in(small, frame)


def _brought_in(table: nw.DataFrame[Any], like: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Hand a small table in memory to the engine (and to the very connection or cluster) of a plan."""
    engine = like.implementation
    if engine.is_duckdb():
        small = table.to_native()  # noqa: F841  DuckDB finds it by name; its own lazy() would use another connection
        return cast("nw.LazyFrame[Any]", nw.from_native(like.to_native().query("_", "SELECT * FROM small")))
    session = like.to_native().sparkSession if engine.is_spark_like() else None
    return table.lazy(cast(Any, engine), session=session)


def only(frame: Frame, column: str, wanted: Frame, keep: bool = True) -> Frame:
    """Keep (or drop) the rows whose value of `column` occurs in `wanted`."""
    ids = ids_for(frame, column, wanted)
    if isinstance(frame, nw.DataFrame) and isinstance(ids, nw.DataFrame):  # looking ids up is ten times a join's speed
        is_wanted = nw.col(column).is_in(ids[column].to_list()).fill_null(False)
        return frame.filter(is_wanted if keep else ~is_wanted)
    return join(frame, ids, on=column, how="semi" if keep else "anti")


def in_order(frame: Frame, order: tuple[str, ...] = ORDER) -> Frame:
    """Sort a table in memory by user, timestamp, item; a plan has no order, its windows bring their own."""
    if isinstance(frame, nw.LazyFrame):
        return frame
    # Python objects (such as UUIDs in pandas) can be sorted but not compared with the nothing before the first row.
    can_look = not any(frame.schema[name] == nw.Object for name in order)
    if can_look and frame.select(rises=_rises(order))["rises"][1:].all():
        return frame
    # Sorting the keys alone and fetching each row once takes half as long as sorting whole rows.
    keys = frame.select(*order).with_row_index("__place").sort(*order)
    return frame[keys["__place"].to_numpy()]


def _rises(order: tuple[str, ...]) -> nw.Expr:
    """Ask each row to come after the one before; a look costs a hundredth of a sort, and most steps find order."""
    rises = nw.lit(True)
    for name in reversed(order):
        here, before = nw.col(name), nw.col(name).shift(1)
        rises = (here > before) | ((here == before) & rises)
    return rises.fill_null(False)


def neighbour(frame: Frame, column: str, step: int, *within: str) -> nw.Expr:
    """Look up `column` `step` rows earlier (later if negative) in time within the same user, session, ...; else null.

    frame: in memory its rows must lie by `within`, then time: looking at the row beside is ten times a window's speed
    """
    value = nw.col(column).shift(step)
    if is_lazy(frame):
        return value.over(*within, order_by=(TIME, ITEM))
    return nw.when(*(nw.col(name) == nw.col(name).shift(step) for name in within)).then(value)


def require_clock(frame: Frame, step: str) -> None:
    """Refuse ordinal positions where a step needs real time."""
    dtype = frame.collect_schema()[TIME]
    if dtype != nw.Datetime:
        raise SchemaError(f"{step} needs clock times; {TIME} is {dtype}" + " (ordinal)" * dtype.is_integer())


def epoch_us(frame: Frame) -> nw.Expr:
    """Express the timestamp as integer microseconds since 1970, which every engine can subtract."""
    time, engine = nw.col(TIME), frame.implementation
    if engine.is_spark_like():
        # Spark offers no duration arithmetic here; count days by the calendar's rule (years after 1601) instead.
        year = time.dt.year()
        leap_days = (year - 1969) // 4 - (year - 1901) // 100 + (year - 1601) // 400
        days = 365 * (year - 1970) + leap_days + time.dt.ordinal_day() - 1
        seconds = time.dt.hour() * 3600 + time.dt.minute() * 60 + time.dt.second()
        return days.cast(nw.Int64) * DAY_US + seconds.cast(nw.Int64) * 1_000_000 + time.dt.microsecond()
    if engine.is_duckdb():
        return (time - nw.lit(EPOCH)).dt.total_microseconds()
    return time.dt.timestamp("us")
