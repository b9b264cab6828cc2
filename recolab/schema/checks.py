"""The checks that guard a table: every fault at once, with its rows and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import narwhals as nw
from narwhals.typing import IntoFrame, IntoFrameT

from recolab.schema.words import (
    EVENT_COLUMNS,
    ID_COLUMNS,
    ITEM,
    ITEM_COLUMNS,
    KIND,
    KINDS,
    NUMBER_COLUMNS,
    PRICE,
    STOCK,
    TIME,
    USER,
    VALUE,
)

Frame: TypeAlias = nw.DataFrame[Any] | nw.LazyFrame[Any]
_SHOWN = 3  # bad rows quoted per problem
_CLEAN = "prepare.clean(events) drops and counts them"
_TO_NAIVE_UTC = {
    "polars": 'pl.col("timestamp").dt.convert_time_zone("UTC").dt.replace_time_zone(None)',
    "pandas": 'events["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None)',
    "duckdb": "timestamp AT TIME ZONE 'UTC'",
    "pyspark": 'to_utc_timestamp("timestamp", spark.conf.get("spark.sql.session.timeZone")).cast("timestamp_ntz")',
}


class SchemaError(ValueError):
    """A table that is not what it should be; the message names every fault found and what to do about it."""


class _Fault(NamedTuple):
    """One thing that can be wrong with a row: true in `is_bad` where it is."""

    column: str
    what: str
    is_bad: nw.Expr
    remedy: str


def check_columns(table: IntoFrameT, required: Sequence[str] = EVENT_COLUMNS) -> IntoFrameT:
    """Ask a raw table only for its columns and their types, so that dirty rows can come in and be counted by `clean`.

    table: any frame that narwhals knows    required: columns that must be there; other known ones are checked if there
    ->  the table itself, unchanged
    Raises SchemaError with every missing, doubled or wrongly typed column.
    """
    frame = _entered(table, required)
    _refuse(_column_problems(frame, required, is_raw=True), "table")
    return table


def check_events(events: IntoFrameT) -> IntoFrameT:
    """Demand a clean event log, as every later step takes it for granted; rows in doubt belong to `clean` first.

    ->  the log itself, unchanged
    Raises SchemaError with every problem found: columns and types, no rows, missing ids, times and values, unknown
    kinds, negative or infinite values; each with its count, its first rows and what to do.
    """
    frame = _entered(events, EVENT_COLUMNS)
    problems = _column_problems(frame, EVENT_COLUMNS, is_raw=False)
    sound = _sound_columns(frame, problems, EVENT_COLUMNS)
    faults = [_missing_id(frame, name, _CLEAN) for name in (USER, ITEM) if name in sound]
    if TIME in sound:
        faults.append(_Fault(TIME, "missing", nw.col(TIME).is_null(), _CLEAN))
        if sound[TIME].is_integer():
            faults.append(_Fault(TIME, "negative position(s)", nw.col(TIME) < 0, _CLEAN))
    if KIND in sound:
        kind = nw.col(KIND).cast(nw.String)
        unknown = nw.col(KIND).is_null() | ~kind.is_in(KINDS)
        faults.append(_Fault(KIND, "unknown", unknown, f"rename them to one of {', '.join(KINDS)}, or {_CLEAN}"))
    if VALUE in sound:
        faults += _bad_numbers(VALUE, sound[VALUE], _CLEAN)
        missing = nw.col(VALUE).is_null() | _as_float(VALUE, sound[VALUE]).is_nan()
        faults.append(_Fault(VALUE, "missing or NaN", missing, _CLEAN))
    _refuse([*problems, *_row_problems(frame, faults)], "events table")
    return events


def check_items(items: IntoFrameT) -> IntoFrameT:
    """Demand an item table with one row per item; prices and stocks may be unknown, but not impossible.

    ->  the table itself, unchanged
    Raises SchemaError with every problem found: columns and types, no rows, missing or doubled item ids, negative or
    infinite prices and stocks; each with its count, its first rows and what to do.
    """
    frame = _entered(items, [ITEM])
    problems = _column_problems(frame, [ITEM], is_raw=False)
    sound = _sound_columns(frame, problems, ITEM_COLUMNS)
    faults: list[_Fault] = []
    if ITEM in sound:
        doubled = ~nw.col(ITEM).is_null() & (nw.len().over(ITEM) > 1)
        faults = [
            _missing_id(frame, ITEM, "drop these rows"),
            _Fault(ITEM, "in rows of a doubled id", doubled, "keep one row per item"),
        ]
    for name in (PRICE, STOCK):
        if name in sound and sound[name].is_numeric():
            faults += _bad_numbers(name, sound[name], "correct them, or make them null (unknown)")
    _refuse([*problems, *_row_problems(frame, faults)], "items table")
    return items


def _entered(table: IntoFrame, required: Sequence[str]) -> Frame:
    """Take a table of any engine; doubled columns end the check at once, for nobody can say which one is meant."""
    if not type(table).__module__.startswith(("polars", "narwhals")):  # these two cannot hold doubled columns
        names = [str(name) for name in cast(Any, table).columns]
        if doubled := [f"{name}: {n} columns have this name; keep one" for name, n in Counter(names).items() if n > 1]:
            _refuse(doubled + _missing_columns(names, required), "table")
    return cast(Frame, nw.from_native(table))


def _missing_columns(names: Sequence[str], required: Sequence[str]) -> list[str]:
    """Name each column that is not there, and those that are."""
    there = ", ".join(names) or "no column at all"
    return [f"{name}: no such column; the table has {there}" for name in required if name not in names]


def _column_problems(frame: Frame, required: Sequence[str], is_raw: bool) -> list[str]:
    """Judge the columns without reading a row, but for ids of mixed types, which only their values show."""
    schema = frame.collect_schema()
    problems = _missing_columns(schema.names(), required)
    for name, dtype in schema.items():
        if name in ID_COLUMNS:
            problems += _id_problems(frame, name, dtype, is_raw)
        elif name == TIME:
            problems += _time_problems(frame, dtype)
        elif name == KIND and not isinstance(dtype, nw.String | nw.Categorical | nw.Enum):
            problems.append(f"{KIND}: is {dtype}, must be text, one of {', '.join(KINDS)}")
        elif name in NUMBER_COLUMNS and not dtype.is_numeric() and (name in required or dtype != nw.Unknown):
            problems.append(f"{name}: is {dtype}, must be a number; cast it to Float64")
    return problems


def _id_problems(frame: Frame, name: str, dtype: nw.dtypes.DType, is_raw: bool) -> list[str]:
    """Accept integers, text and columns of one Python type; 1 and "1" in one column are two ids that look like one."""
    if isinstance(dtype, nw.Object) and isinstance(frame, nw.DataFrame):
        column = frame[name]
        holes = column.is_null().to_list()  # None, NaN and NA alike
        types = ["" if hole else type(value).__name__ for value, hole in zip(column.to_list(), holes, strict=True)]
        counts = Counter(filter(None, types))
        if len(counts) < 2 and set(counts) <= {"int", "str", "UUID"}:
            return []
        firsts = [(n, kind, types.index(kind)) for kind, n in counts.items()]
        found = ", ".join(f"{n:,} {kind} (first: row {row}, {column[row]!r})" for n, kind, row in firsts)
        return [f"{name}: holds {found}; ids must be of one type: make them all integers or all text"]
    is_id = dtype.is_integer() or isinstance(dtype, nw.String | nw.Categorical | nw.Enum | nw.Object | nw.Unknown)
    if is_id or (is_raw and dtype.is_float()):  # a float is how pandas holds integers with holes; clean drops the holes
        return []
    return [
        f"{name}: is {dtype}, must be integers or text; drop missing ids (prepare.clean), then cast to Int64 or String"
    ]


def _time_problems(frame: Frame, dtype: nw.dtypes.DType) -> list[str]:
    """Accept naive clock times and integer positions."""
    if isinstance(dtype, nw.Datetime) and dtype.time_zone is not None:
        engine = str(frame.implementation.value)
        remedy = _TO_NAIVE_UTC.get(engine, "convert to UTC, then drop the zone")
        return [f"{TIME}: has the time zone {dtype.time_zone}, must be naive UTC; convert with {remedy}"]
    if isinstance(dtype, nw.Datetime) or dtype.is_integer():
        return []
    return [f"{TIME}: is {dtype}, must be Datetime (naive UTC) or integer (a position); sources.tabular parses texts"]


def _sound_columns(frame: Frame, problems: list[str], wanted: Sequence[str]) -> dict[str, nw.dtypes.DType]:
    """Keep the columns whose rows can be judged, as their type is right."""
    unsound = {problem.partition(":")[0] for problem in problems}
    return {name: dtype for name, dtype in frame.collect_schema().items() if name in wanted and name not in unsound}


def _missing_id(frame: Frame, name: str, remedy: str) -> _Fault:
    """A missing id is null, or an empty text."""
    dtype = frame.collect_schema()[name]
    is_text = isinstance(dtype, nw.String | nw.Categorical | nw.Enum)
    is_bad = nw.col(name).is_null() | (nw.col(name).cast(nw.String) == "") if is_text else nw.col(name).is_null()
    return _Fault(name, "missing", is_bad, remedy)


def _as_float(name: str, dtype: nw.dtypes.DType) -> nw.Expr:
    return nw.col(name) if dtype.is_float() else nw.col(name).cast(nw.Float64)


def _bad_numbers(name: str, dtype: nw.dtypes.DType, remedy: str) -> list[_Fault]:
    """No amount is infinite or negative."""
    number = _as_float(name, dtype)
    infinite = ~number.is_finite() & ~number.is_nan()
    return [
        _Fault(name, "infinite", infinite, remedy),
        _Fault(name, "negative", (number < 0) & number.is_finite(), remedy),
    ]


def _row_problems(frame: Frame, faults: Sequence[_Fault]) -> list[str]:
    """Count all faults in one pass; only where there is one, look again for its first rows."""
    flags = {f"__fault{number}": fault.is_bad for number, fault in enumerate(faults)}
    flagged = frame.with_columns(**flags) if flags else frame
    sums = flagged.select(nw.len().alias("__rows"), *(nw.col(flag).cast(nw.Int64).sum() for flag in flags))
    counted = (sums.collect("polars") if isinstance(sums, nw.LazyFrame) else sums).row(0)
    if counted[0] == 0:
        return ["the table has no rows; was it filtered too hard, or is the file only a header?"]
    return [
        f"{fault.column}: {int(n):,} {fault.what}, {_first_rows(flagged, flag, fault.column)}; {fault.remedy}"
        for fault, flag, n in zip(faults, flags, counted[1:], strict=True)
        if n
    ]


def _first_rows(flagged: Frame, flag: str, column: str) -> str:
    """Quote the first bad rows by number; a plan has no row numbers, so there a whole row is shown."""
    if isinstance(flagged, nw.DataFrame):
        bad = flagged.with_row_index("__row").filter(nw.col(flag)).head(_SHOWN)
        pairs = zip(bad["__row"].to_list(), bad[column].to_list(), strict=True)
        return "first: " + ", ".join(f"row {row} ({value!r})" for row, value in pairs)
    known = [name for name in flagged.collect_schema().names() if name in (*EVENT_COLUMNS, *ITEM_COLUMNS)]
    row = flagged.filter(nw.col(flag)).select(*known).head(1).collect("polars").row(0)
    return "such as " + ", ".join(f"{name}={value!r}" for name, value in zip(known, row, strict=True))


def _refuse(problems: Sequence[str], what: str) -> None:
    """Raise all problems at once, a line each."""
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise SchemaError(f"the {what} has {count}:" + "".join(f"\n  - {problem}" for problem in problems))
