"""Ask a database for a table, over any SQLAlchemy connection."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from contextlib import nullcontext
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import polars as pl

from recolab.schema import SchemaError
from recolab.sources.files import refuse_doubled

if TYPE_CHECKING:  # SQLAlchemy comes with recolab[lab]; whoever has a connection has it
    from sqlalchemy import Connection, Engine


def read_query(
    query: str, connection: Connection | Engine, *, id_columns: Collection[str] = ()
) -> tuple[pl.DataFrame, str]:
    """Run one SQL query and hold its answer as a table.

    id_columns: as named by the query; their values must be of one type, for SQLite stores 1 and "1" in one column
    ->  the table, numbers as the database has them (Decimal as float, UUID as text); and what was read
    Raises SchemaError for a query that fails, gives no table or no row, for doubled columns and for mixed ids.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415  only a caller with a connection needs it

    # An engine lends a connection for this query; a connection stays the caller's, with its transaction.
    borrowed: Any = connection.connect() if hasattr(connection, "connect") else nullcontext(connection)
    try:
        with borrowed as live:
            result = live.exec_driver_sql(query)  # the driver's own words: a colon in the query is no parameter
            if not result.returns_rows:
                raise SchemaError("the query gives no table; write a SELECT")
            names, rows = list(result.keys()), result.fetchall()
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise SchemaError(f"the database refuses the query: {reason}") from error
    refuse_doubled(names, "the query's answer")
    if not rows:
        raise SchemaError(f"the query gives no row (columns {', '.join(names)})")
    columns = [
        _column(name, values, is_id=name in id_columns)
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    ]
    return pl.DataFrame(columns), f"SQL query: {len(rows):,} rows"


def _column(name: str, values: tuple[Any, ...], is_id: bool) -> pl.Series:
    """Make one typed column of what the driver gave, widening numbers but never turning a number into an id of text."""
    counts = Counter(type(value) for value in values if value is not None)
    kinds = set(counts)
    if is_id and len(kinds) > 1 and not kinds <= {int, float, Decimal}:
        found = ", ".join(f"{n:,} {kind.__name__}" for kind, n in counts.items())
        firsts = [next(value for value in values if type(value) is kind) for kind in counts]
        raise SchemaError(f"{name}: the query gives ids of several types ({found}; first {firsts}); CAST them to one")
    if kinds == {UUID} or (len(kinds) > 1 and str in kinds):
        return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    if len(kinds) > 1 or kinds == {Decimal}:
        return pl.Series(name, [None if value is None else float(value) for value in values], dtype=pl.Float64)
    return pl.Series(name, values)
