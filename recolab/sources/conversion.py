"""Turn what a file or database holds into ids and numbers, and say what was decided."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from recolab.schema import SchemaError

_PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?$"


class Ids(NamedTuple):
    """An id column of one table; `is_untyped` where the file has only text and its meaning must be found."""

    values: pl.Series
    is_untyped: bool


def to_ids(name: str, *parts: Ids) -> tuple[list[pl.Series], str]:
    """Give the id columns of several tables one type: integer only if every value of every part reads back as written.

    parts: the column in each table that has it  ->  the columns, Int64 or String, and which of the two in words
    So "007" stays text, and so does "7" beside it. Raises SchemaError where typed parts disagree, as 1 and "1" do, and
    where texts hold one number in two ways, as "1" and "1.0" do.
    """
    columns = [_without_empty(part.values) for part in parts]
    whole = [as_whole(column, part.is_untyped) for column, part in zip(columns, parts, strict=True)]
    numbers = [column for column in whole if column is not None]
    if len(numbers) == len(parts):
        return numbers, f"{name} integer"
    for column in columns:
        if column.dtype.is_float():
            odd = column.filter(column.is_finite() & (column != column.round()))
            bits = 24 if column.dtype == pl.Float32 else 53
            raise SchemaError(
                f"{name}: holds {odd.to_list()[:1] or f'numbers beyond 2^{bits}'}; ids must be integers or text"
            )
    if any(column.dtype.is_integer() for column in columns) and any(column.dtype == pl.String for column in columns):
        raise SchemaError(
            f"{name}: is {' in one table and '.join(_shown(c) for c in columns)} in the other; make both alike"
        )
    _refuse_two_spellings(name, columns)
    return columns, f"{name} {'text' if columns[0].dtype == pl.String else columns[0].dtype}"


def _refuse_two_spellings(name: str, columns: list[pl.Series]) -> None:
    """Raise SchemaError for "1.0" beside "1": one id that went through a float column on one of its ways here."""
    texts = [column for column in columns if column.dtype == pl.String]
    floats = [column.filter(column.str.contains(r"^-?\d+\.0$").fill_null(False)) for column in texts]
    for number in floats:
        whole = number.str.strip_suffix(".0").unique()
        for column in texts:
            if len(whole) and len(twice := whole.filter(whole.is_in(column.implode()))):
                first = twice.sort()[0]
                raise SchemaError(
                    f"{name}: holds both {first!r} and '{first}.0'; write each id in one way, without the .0"
                )


def _shown(column: pl.Series) -> str:
    return f"{'integer' if column.dtype.is_integer() else 'text'} ({column.drop_nulls().to_list()[:1]})"


def _without_empty(column: pl.Series) -> pl.Series:
    """Make text of categories, and null of empty text: a missing id is missing, however it is written."""
    column = column.cast(pl.String) if isinstance(column.dtype, pl.Categorical | pl.Enum) else column
    has_empty = column.dtype == pl.String and (column == "").any()
    return column.replace("", None) if has_empty else column


def as_whole(column: pl.Series, is_untyped: bool) -> pl.Series | None:
    """Read a column as integers; None where that would change a value."""
    if column.dtype == pl.Null:
        return column.cast(pl.Int64)
    if column.dtype.is_integer():
        number = column.cast(pl.Int64, strict=False)
        return number if number.null_count() == column.null_count() else None
    if column.dtype.is_float() or column.dtype.is_decimal():
        exact_to = 2**24 if column.dtype == pl.Float32 else 2**53
        column = column.cast(pl.Float64).fill_nan(None)
        is_whole = ((column == column.round()) & (column.abs() < exact_to)).all()
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
            raise SchemaError(
                f"{name}: {is_bad.sum():,} values are no numbers, first: {_first_rows(column, is_bad)}; correct or empty them"
            )
        return number
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return column.cast(pl.Float64)
    raise SchemaError(f"{name}: is {column.dtype}, must be a number")


def to_plain(column: pl.Series) -> pl.Series:
    """Read another column of a csv as integers or decimals if all values are plainly that; else leave the text."""
    whole = as_whole(column, is_untyped=True) if column.null_count() < len(column) else None
    if whole is not None:
        return whole
    is_decimal = all(part.str.contains(_PLAIN_NUMBER).all() for part in (column.head(1000), column))
    return column.cast(pl.Float64) if is_decimal and column.null_count() < len(column) else column


def _first_rows(column: pl.Series, is_bad: pl.Series) -> str:
    """Quote the first bad values; data rows count from 1, below the header."""
    return ", ".join(f"data row {row + 1} ({column[row]!r})" for row in is_bad.arg_true().head(3))
