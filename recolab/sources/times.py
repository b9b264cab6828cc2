"""Turn what a file or database holds into clock times, and say what was decided."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import polars as pl

from recolab.schema import SchemaError
from recolab.sources.conversion import as_whole

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
_ZONED = (
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%d %H:%M:%SZ",
    "%+",
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M%#z",
    "%Y-%m-%d %H:%M%#z",
)
_ZONE = r"(Z|z|UTC|[+-]\d\d:?(\d\d)?)$"


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
        raise SchemaError(
            f"{name}: all {len(column):,} values are missing; fill them, or see whether rows have the header's separator"
        )
    times, said = _read_times(name, column, unit)
    lost = times.null_count() - given
    if lost == len(column) - given:
        raise SchemaError(
            f"{name}: none of the {len(column) - given:,} values can be read as {said}, first: {column.to_list()[:3]}; "
            f"pass time_unit (s, ms, us, iso, ordinal, or a pattern such as '%d/%m/%Y %H:%M'), or write 2021-01-31 10:00:00"
        )
    unreadable = f", {lost:,} unreadable or out of range became null" if lost else ""
    return times, f"{name} {said}{unreadable}"


def _read_times(name: str, column: pl.Series, unit: str | None) -> tuple[pl.Series, str]:
    """Choose the reader by type first, for a type is certain and a magnitude is not."""
    if isinstance(column.dtype, pl.Datetime):
        zone, per_second = column.dtype.time_zone, _PER_SECOND[column.dtype.time_unit]
        column = _within_years(column, column.to_physical(), per_second)
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
    whole = as_whole(column, is_untyped=False)
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
    column = _within_years(column, column, per_second)
    if column.dtype.is_float() or unit == "ns":
        micros = (column * (1_000_000 / per_second)).round() if column.dtype.is_float() else column // 1_000
    else:
        micros = column.cast(pl.Int64) * (1_000_000 // per_second)
    return micros.cast(pl.Int64).cast(pl.Datetime("us")), f"{_SPOKEN[unit]} since 1970{how}"


def _within_years(column: pl.Series, count: pl.Series, per_second: int) -> pl.Series:
    """Make null of what Python cannot show, judged by its count since 1970."""
    is_known = count.cast(pl.Float64).is_between(_FIRST_YEAR * per_second, _LAST_YEAR * per_second)
    return column.zip_with(is_known.fill_null(True), column.clear(1))


def _most_likely_unit(name: str, column: pl.Series) -> str:
    """Take the unit in which most values are clock times after March 1973, so that a few wild ones decide nothing."""
    size = column.cast(pl.Float64).abs()
    floors = [0.0, *(_SMALLEST_CLOCK * 1_000**power for power in range(4)), float("inf")]
    counts = [int(size.is_between(low, high, closed="left").sum()) for low, high in pairwise(floors)]
    likely = max(range(5), key=counts.__getitem__)
    if likely > 0:
        return list(_PER_SECOND)[likely - 1]
    raise SchemaError(
        f"{name}: numbers such as {column.filter(size < _SMALLEST_CLOCK).to_list()[:3]} are too small for a clock; pass time_unit='ordinal' if "
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
