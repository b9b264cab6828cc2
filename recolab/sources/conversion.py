"""Turn what a file or database holds into ids, clock times and numbers, and say what was decided."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import polars as pl

from recolab.schema import SchemaError

ORDINAL = "ordinal"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_SPOKEN = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
# 1e8 seconds are March 1973. What is smaller is an order or a date like 20240131; what is larger by 1000 is the next unit.
_SMALLEST_CLOCK = 1e8
_FIRST_YEAR, _LAST_YEAR = -62_135_596_800, 253_402_300_799  # seconds of the years 1 and 9999: what Python can show
_NAIVE = (
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
)
_ZONED = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%SZ", "%+", "%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z")
_ZONE = r"(Z|z|UTC|[+-]\d\d:?(\d\d)?)$"
_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"


class Ids(NamedTuple):
    """An id column of one table; `is_untyped` where the file has only text and its meaning must be found."""

    values: pl.Series
    is_untyped: bool


def to_ids(name: str, *parts: Ids) -> tuple[list[pl.Series], str]:
    """Give the id columns of several tables one type: integer only if every value of every part reads back as written.

    parts: the column in each table that has it  ->  the columns, Int64 or String, and which of the two in words
    So "007" stays text, and so does "7" beside it. Raises SchemaError where typed parts disagree, as 1 and "1" do.
    """
    columns = [_without_empty(part.values) for part in parts]
    whole = [_as_whole(column, part.is_untyped) for column, part in zip(columns, parts, strict=True)]
    numbers = [column for column in whole if column is not None]
    if len(numbers) == len(parts):
        return numbers, f"{name} integer"
    for column in columns:
        if column.dtype.is_float():
            odd = column.filter(column.is_finite() & (column != column.round()))
            raise SchemaError(
                f"{name}: holds {odd.to_list()[:1] or 'numbers beyond 2^53'}; ids must be integers or text"
            )
    if any(column.dtype.is_integer() for column in columns) and any(column.dtype == pl.String for column in columns):
        raise SchemaError(
            f"{name}: is {' in one table and '.join(_shown(c) for c in columns)} in the other; make both alike"
        )
    return columns, f"{name} {'text' if columns[0].dtype == pl.String else columns[0].dtype}"


def _shown(column: pl.Series) -> str:
    return f"{'integer' if column.dtype.is_integer() else 'text'} ({column.drop_nulls().to_list()[:1]})"


def _without_empty(column: pl.Series) -> pl.Series:
    """Make text of categories, and null of empty text: a missing id is missing, however it is written."""
    column = column.cast(pl.String) if column.dtype in {pl.Categorical, pl.Enum} else column
    has_empty = column.dtype == pl.String and (column == "").any()
    return column.replace("", None) if has_empty else column


def _as_whole(column: pl.Series, is_untyped: bool) -> pl.Series | None:
    """Read a column as integers; None where that would change a value."""
    if column.dtype == pl.Null:
        return column.cast(pl.Int64)
    if column.dtype.is_integer():
        number = column.cast(pl.Int64, strict=False)
        return number if number.null_count() == column.null_count() else None
    if column.dtype.is_float() or column.dtype.is_decimal():
        column = column.cast(pl.Float64).fill_nan(None)
        is_whole = ((column == column.round()) & (column.abs() <= 2**53)).all()
        return column.cast(pl.Int64) if is_whole else None
    if column.dtype != pl.String or not is_untyped:
        return None
    for part in (column.head(1000), column):  # a look at the head spares most text columns the second, whole one
        number = part.cast(pl.Int64, strict=False)
        if number.null_count() > part.null_count() or not (number.cast(pl.String) == part).all():
            return None
    return number


def to_numbers(name: str, column: pl.Series) -> pl.Series:
    """Read a column as Float64; empty is null, and NaN, infinite and negative values stay for `clean` to count.

    Raises SchemaError with the count and the first rows that are no number.
    """
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        number = text.cast(pl.Float64, strict=False)
        is_bad = number.is_null() & text.is_not_null() & (text != "")
        if is_bad.any():
            raise SchemaError(f"{name}: {is_bad.sum():,} values are no numbers, first: {_first_rows(column, is_bad)}")
        return number
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return column.cast(pl.Float64)
    raise SchemaError(f"{name}: is {column.dtype}, must be a number")


def to_plain(column: pl.Series) -> pl.Series:
    """Read another column of a csv as integers or decimals if all values are plainly that; else leave the text."""
    whole = _as_whole(column, is_untyped=True) if column.null_count() < len(column) else None
    if whole is not None:
        return whole
    is_decimal = all(part.str.contains(_PLAIN_NUMBER).all() for part in (column.head(1000), column))
    return column.cast(pl.Float64) if is_decimal and column.null_count() < len(column) else column


def to_times(name: str, column: pl.Series, unit: str | None) -> tuple[pl.Series, str]:
    """Read a column as naive UTC Datetime (us), or as integer positions for the unit "ordinal".

    unit: s, ms, us, ns since 1970; iso; ordinal; a pattern such as %d/%m/%Y; or None to tell by type and magnitude
    ->  the times, null where a value is unreadable or outside the years 1 to 9999, and what was decided, in words
    Raises SchemaError for an unknown unit, for numbers too small for a clock, and where nothing can be read.
    """
    if unit is not None and unit not in {*_PER_SECOND, "iso", ORDINAL} and "%" not in unit:
        raise SchemaError(
            f"time_unit must be one of {', '.join(_PER_SECOND)}, iso, ordinal or a pattern with %, not {unit!r}"
        )
    given = column.null_count() + (int((column == "").sum()) if column.dtype == pl.String else 0)
    if given == len(column):
        raise SchemaError(f"{name}: all {len(column):,} values are missing")
    times, said = _read_times(name, column, unit)
    lost = times.null_count() - given
    if lost == len(column) - given:
        raise SchemaError(
            f"{name}: none of the {len(column) - given:,} values can be read as {said}, first: {column.to_list()[:3]}; "
            f"pass time_unit (s, ms, us, iso, ordinal, or a pattern such as '%d/%m/%Y %H:%M')"
        )
    unreadable = f", {lost:,} unreadable or out of range became null" if lost else ""
    return times, f"{name} {said}{unreadable}"


def _read_times(name: str, column: pl.Series, unit: str | None) -> tuple[pl.Series, str]:
    """Choose the reader by type first, for a type is certain and a magnitude is not."""
    if isinstance(column.dtype, pl.Datetime):
        zone = column.dtype.time_zone
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zone else column
        return column.dt.cast_time_unit("us"), f"converted from {zone} to UTC" if zone else "taken as UTC"
    if column.dtype == pl.Date:
        return column.cast(pl.Datetime("us")), "dates, taken as midnight UTC"
    if unit is not None and (unit == "iso" or "%" in unit):
        return _read_texts(column.cast(pl.String), unit)
    if column.dtype == pl.String:
        number = column.str.strip_chars().cast(pl.Float64, strict=False)
        share_read = 1 - number.null_count() / len(column)
        if unit is None and share_read < 0.5:
            return _read_texts(column, "iso")
        exact = column.str.strip_chars().cast(pl.Int64, strict=False)
        column = exact if exact.null_count() == number.null_count() else number
    if not column.dtype.is_numeric():
        raise SchemaError(f"{name}: is {column.dtype}, must be a time, a number or text")
    if unit == ORDINAL:
        return _positions(name, column), "positions (ordinal)"
    return _read_numbers(name, column, unit)


def _positions(name: str, column: pl.Series) -> pl.Series:
    whole = _as_whole(column, is_untyped=False)
    if whole is None:
        raise SchemaError(f"{name}: positions must be whole numbers, first: {column.to_list()[:3]}")
    return whole


def _read_numbers(name: str, column: pl.Series, unit: str | None) -> tuple[pl.Series, str]:
    """Read a count since 1970; without a unit, the magnitude of most values gives it."""
    column = column.fill_nan(None) if column.dtype.is_float() else column
    how = ""
    if unit is None:
        unit, how = _most_likely_unit(name, column), " (by magnitude)"
    per_second = _PER_SECOND[unit]
    column = column.set(~column.cast(pl.Float64).is_between(_FIRST_YEAR * per_second, _LAST_YEAR * per_second), None)
    if column.dtype.is_float() or unit == "ns":
        micros = (column * (1_000_000 / per_second)).round() if column.dtype.is_float() else column // 1_000
    else:
        micros = column.cast(pl.Int64) * (1_000_000 // per_second)
    return micros.cast(pl.Int64).cast(pl.Datetime("us")), f"{_SPOKEN[unit]} since 1970{how}"


def _most_likely_unit(name: str, column: pl.Series) -> str:
    """Take the unit in which most values are clock times after March 1973, so that a few wild ones decide nothing."""
    size = column.cast(pl.Float64).abs()
    floors = [0.0, *(_SMALLEST_CLOCK * 1_000**power for power in range(4)), float("inf")]
    counts = [int(size.is_between(low, high, closed="left").sum()) for low, high in pairwise(floors)]
    likely = max(range(5), key=counts.__getitem__)
    if likely > 0:
        return list(_PER_SECOND)[likely - 1]
    raise SchemaError(
        f"{name}: numbers such as {column.drop_nulls().to_list()[:3]} are too small for a clock; pass time_unit='ordinal' if "
        "they are positions, 's' or 'ms' if they count from 1970, or a pattern such as '%Y%m%d' for dates"
    )


def _read_texts(column: pl.Series, unit: str) -> tuple[pl.Series, str]:
    """Read texts by a given pattern, or by those of ISO 8601; with a zone they are converted, without taken as UTC."""
    if unit != "iso":
        try:
            return _parse(column, unit), f"by the pattern {unit}"
        except pl.exceptions.PolarsError as error:
            raise SchemaError(f"the pattern {unit} cannot be used: {str(error).partition(chr(10))[0]}") from error
    text = column.str.strip_chars()
    # Each pattern costs a pass, so those that fit the head of the column go first.
    head = text.drop_nulls().head(100)
    patterns = sorted((*_NAIVE, *_ZONED), key=_misses(head))
    times = pl.Series(column.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(column))
    for pattern in patterns:
        left = (times.is_null() & text.is_not_null()).arg_true()
        if left.is_empty():
            break
        parsed = _parse(text if len(left) == len(text) else text.gather(left), pattern)
        times = parsed if len(left) == len(text) else times.scatter(left, parsed)
    n_zoned = int((times.is_not_null() & text.str.slice(10).str.contains(_ZONE)).sum())
    n_naive = len(times) - times.null_count() - n_zoned
    zoned = f"{n_zoned:,} with a zone converted to UTC" if n_zoned else ""
    naive = f"{n_naive:,} without a zone taken as UTC" if n_naive else ""
    return times, "ISO 8601" + "".join(f", {part}" for part in (zoned, naive) if part)


def _misses(head: pl.Series) -> Callable[[str], int]:
    return lambda pattern: _parse(head, pattern).null_count()


def _parse(text: pl.Series, pattern: str) -> pl.Series:
    """Read texts by one pattern; a zone in it is converted to UTC."""
    if re.search(r"%[HIMSTRXcs+]", pattern) is None:
        return text.str.to_date(pattern, strict=False).cast(pl.Datetime("us"))
    times = text.str.to_datetime(pattern, time_unit="us", strict=False)
    return (
        times.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        if times.dtype == pl.Datetime("us", "UTC")
        else times
    )


def _first_rows(column: pl.Series, is_bad: pl.Series) -> str:
    """Quote the first bad values; data rows count from 1, below the header."""
    return ", ".join(f"data row {row + 1} ({column[row]!r})" for row in is_bad.arg_true().head(3))
