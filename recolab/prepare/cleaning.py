"""Throw out the events that cannot be true, and say how many went for which reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Any

import narwhals as nw
import polars as pl
from narwhals.typing import IntoFrame, IntoFrameT

from recolab.prepare.engines import (
    ORDER,
    Frame,
    collected,
    distinct,
    entered,
    given_back,
    ids_for,
    in_order,
    join,
    only,
)
from recolab.schema import EVENT_COLUMNS, ITEM, KIND, KINDS, TIME, USER, VALUE, SchemaError

MISSING_ID, BAD_TIME, BAD_VALUE, UNKNOWN_ITEM, UNKNOWN_KIND, DUPLICATE, BOT, KEPT = (
    "missing id",
    "bad time",
    "bad value",
    "unknown item",
    "unknown kind",
    "duplicate",
    "bot",
    "kept",
)
_CODE, _KNOWN, _ROW = "__code", "__known", "__row"


def _end_of_today() -> datetime:
    return datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time())


@dataclass(frozen=True)
class CleanRules:
    """What makes an event impossible; the defaults suit any shop.

    earliest, latest: naive UTC, both still good    min_value: still good    max_events_per_day: per user and calendar day
    extra: reason -> narwhals expression that is true for a row to drop, such as {"refund": nw.col("quantity") <= 0}
    """

    earliest: datetime = datetime(1995, 1, 1)  # before the first web shops
    latest: datetime = field(default_factory=_end_of_today)
    min_value: float = 0.0
    kinds: tuple[str, ...] = KINDS
    max_events_per_day: int = 1000
    extra: Mapping[str, nw.Expr] = field(default_factory=lambda: MappingProxyType({}))


def clean(
    events: IntoFrameT, items: IntoFrame | None = None, *, rules: CleanRules | None = None
) -> tuple[IntoFrameT, pl.DataFrame]:
    """Drop impossible events and count each under the first reason that applies, so that no row vanishes unseen.

    Reasons in order: missing id (null, NaN, empty), bad time, bad value, unknown item (not in `items`, if given),
    unknown kind, the rules' `extra`, duplicate (equal in all columns; one stays), bot (all events of a user with more
    than `max_events_per_day` on one day; not asked of ordinal times).
    ->  the kept rows, same engine and columns, in memory sorted by user, timestamp, item; and the report
        (reason, rows, share), whose last row is "kept" and whose rows sum to the input. Lazy input stays lazy.
    Raises SchemaError for missing columns and for columns of an impossible type.
    """
    rules = CleanRules() if rules is None else rules
    frame = entered(events, EVENT_COLUMNS)
    columns = frame.collect_schema().names()
    if items is not None:
        catalog = entered(items, [ITEM])
        _require_like_ids(frame, catalog)
        known = ids_for(frame, ITEM, catalog).with_columns(nw.lit(True).alias(_KNOWN))
        frame = join(frame, known, on=ITEM, how="left")
    faults = _faults(frame, rules, checks_items=items is not None)
    # Reasons travel as small integers: a text per row would cost more than all checks together.
    frame = frame.with_columns(_first_true(list(faults.values())).alias(_CODE))
    coded = collected(frame.group_by(_CODE).agg(nw.len().alias("rows")))
    rows = dict(zip(coded[_CODE].to_list(), coded["rows"].to_list(), strict=True))
    counts = {reason: int(rows.get(code, 0)) for code, reason in enumerate(faults, start=1)}

    kept = _distinct(in_order(frame.filter(nw.col(_CODE) == 0).select(*columns)))
    per_user = collected(kept.group_by(USER).agg(nw.len().alias("rows")))
    n_distinct = int(per_user["rows"].sum()) if len(per_user) else 0
    bots = _bots(kept, per_user, rules.max_events_per_day)
    counts[DUPLICATE] = int(rows.get(0, 0)) - n_distinct
    counts[BOT] = int(bots["rows"].sum()) if len(bots) else 0
    kept = only(kept, USER, bots, keep=False) if len(bots) else kept
    counts[KEPT] = n_distinct - counts[BOT]
    return given_back(in_order(kept), events), _report(counts)


def _distinct(frame: Frame) -> Frame:
    """Keep one of each set of equal rows; in order, equal rows share user, time and item with a neighbour."""
    if not isinstance(frame, nw.DataFrame):
        return distinct(frame)
    # Hashing only the rows beside a twin spares the memory of hashing the log.
    beside = nw.any_horizontal(
        *(
            nw.all_horizontal(*(nw.col(name) == nw.col(name).shift(step) for name in ORDER), ignore_nulls=False)
            for step in (1, -1)
        ),
        ignore_nulls=True,
    )
    numbered = frame.with_row_index(_ROW)
    suspects = numbered.filter(beside)
    first = suspects.unique(frame.columns, keep="first", maintain_order=True)
    repeats = suspects.join(first.select(_ROW), on=_ROW, how="anti")
    if not len(repeats):
        return frame
    return join(numbered, repeats.select(_ROW), on=_ROW, how="anti").drop(_ROW)


def _faults(frame: Frame, rules: CleanRules, checks_items: bool) -> dict[str, nw.Expr]:
    """Name what can be wrong with a single row, in the order of judgement; true means drop."""
    schema = frame.collect_schema()
    kind = nw.col(KIND) if schema[KIND] == nw.String else nw.col(KIND).cast(nw.String)
    faults = {
        MISSING_ID: _is_missing(USER, schema[USER]) | _is_missing(ITEM, schema[ITEM]),
        BAD_TIME: _is_bad_time(schema[TIME], rules),
        BAD_VALUE: _is_bad_value(schema[VALUE], rules.min_value),
        UNKNOWN_ITEM: nw.col(_KNOWN).is_null() if checks_items else nw.lit(False),
        UNKNOWN_KIND: nw.col(KIND).is_null() | ~kind.is_in(rules.kinds),
    }
    if taken := set(rules.extra) & {*faults, DUPLICATE, BOT, KEPT}:
        raise SchemaError(f"an extra rule may not be called {sorted(taken)}: clean counts its own reasons under it")
    return faults | dict(rules.extra)


def _first_true(conditions: list[nw.Expr]) -> nw.Expr:
    """Number the first condition that is true, from 1; 0 where none is."""
    chain: Any = nw.when(conditions[0]).then(nw.lit(1, nw.Int16))
    for number, condition in enumerate(conditions[1:], start=2):
        chain = chain.when(condition).then(nw.lit(number, nw.Int16))
    return chain.otherwise(nw.lit(0, nw.Int16))  # type: ignore[no-any-return]


def _is_missing(name: str, dtype: nw.dtypes.DType) -> nw.Expr:
    """See through the three disguises of a missing id: null, NaN and the empty text."""
    missing = nw.col(name).is_null()
    if dtype.is_float():
        return missing | nw.col(name).is_nan()
    return missing | (nw.col(name) == "") if dtype == nw.String else missing


def _is_bad_time(dtype: nw.dtypes.DType, rules: CleanRules) -> nw.Expr:
    """Ask a clock time to lie within the rules, an ordinal one not to be negative."""
    moment = nw.col(TIME)
    if dtype.is_integer():
        return moment.is_null() | (moment < 0)
    if not isinstance(dtype, nw.Datetime):
        raise SchemaError(f"{TIME} must be a Datetime or an integer position, not {dtype}")
    zone = UTC if dtype.time_zone else None  # a naive bound cannot be compared with an aware time
    earliest, latest = (nw.lit(bound.replace(tzinfo=zone)) for bound in (rules.earliest, rules.latest))
    return moment.is_null() | (moment < earliest) | (moment > latest)


def _is_bad_value(dtype: nw.dtypes.DType, min_value: float) -> nw.Expr:
    """Ask a value to be a finite number that is not too small."""
    if not dtype.is_numeric():
        raise SchemaError(f"{VALUE} must be a number, not {dtype}")
    value = nw.col(VALUE) if dtype.is_float() else nw.col(VALUE).cast(nw.Float64)
    return value.is_null() | ~value.is_finite() | (value < min_value)


def _require_like_ids(frame: Frame, catalog: Frame) -> None:
    """Refuse item ids of two types, which would make every item unknown."""
    ours, theirs = frame.collect_schema()[ITEM], catalog.collect_schema()[ITEM]
    if ours.is_numeric() != theirs.is_numeric():
        raise SchemaError(f"{ITEM} is {ours} in the events but {theirs} in the items; cast one of them")


def _bots(kept: Frame, per_user: nw.DataFrame[Any], max_events_per_day: int) -> nw.DataFrame[Any]:
    """Find the users who once did more in a day than a person can, with their numbers of rows."""
    heavy = per_user.filter(nw.col("rows") > max_events_per_day)
    if not len(heavy) or kept.collect_schema()[TIME] != nw.Datetime:
        return heavy.head(0)
    day = nw.col(TIME).dt.truncate("1d").alias("__day")  # only the few heavy users' days are counted
    days = only(kept.select(USER, TIME), USER, heavy).with_columns(day).group_by(USER, "__day")
    busy = days.agg(nw.len().alias("__n")).filter(nw.col("__n") > max_events_per_day).select(USER)
    found = only(heavy, USER, collected(busy))
    assert isinstance(found, nw.DataFrame)
    return found


def _report(counts: dict[str, int]) -> pl.DataFrame:
    """Lay the counts out as a table with shares of the input."""
    table = pl.DataFrame(
        {"reason": list(counts), "rows": list(counts.values())}, schema={"reason": pl.String, "rows": pl.Int64}
    )
    total = sum(counts.values())
    return table.with_columns((pl.col("rows") / total if total else pl.lit(0.0)).alias("share"))
