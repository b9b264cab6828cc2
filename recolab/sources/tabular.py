"""The user's own log, out of a csv, json lines or parquet file or a SQL query, with every decision told."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from recolab.schema import (
    EVENT_COLUMNS,
    ID_COLUMNS,
    ITEM,
    ITEM_COLUMNS,
    KIND,
    KINDS,
    NUMBER_COLUMNS,
    PURCHASE,
    TIME,
    USER,
    VALUE,
    SchemaError,
    check_columns,
    check_items,
)
from recolab.sources import Tables
from recolab.sources.conversion import Ids, to_ids, to_numbers, to_plain
from recolab.sources.databases import read_query
from recolab.sources.files import is_untyped, read_file, refuse_doubled
from recolab.sources.times import to_times

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Source = str | Path
_YOURS = "Origin and licence are those of your own data."


class _Raw(NamedTuple):
    """A table with our names but still their values; `is_untyped` where all of them are text."""

    table: pl.DataFrame
    is_untyped: bool
    said: list[str]


def read_events(
    source: Source,
    columns: Mapping[str, str] | None = None,
    *,
    items: Source | None = None,
    item_columns: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
    time_unit: str | None = None,
    separator: str | None = None,
    connection: Connection | Engine | None = None,
) -> Tables:
    """Read a log as it is, faulty rows included, so that `prepare.clean` can count them; the note tells all decisions.

    source, items: a file (.csv .tsv .jsonl .ndjson, also with .gz, .parquet), or with a connection a SQL query
    columns, item_columns: theirs -> ours, for names that differ    kinds: theirs -> ours, such as {"buy": "purchase"}
    time_unit: s, ms, us, ns, iso, ordinal or a pattern; None tells by type and magnitude    separator: of a csv
    ->  events with all columns of the source (kind = purchase and value = 1 where absent); items, or the bare item ids
    Raises SchemaError for whatever cannot be read, with the file, the line and the way out.
    """
    events = _read(source, columns or {}, (USER, ITEM, TIME), separator, connection)
    goods = None if items is None else _read(items, item_columns or {}, (ITEM,), separator, connection)
    shared, said = to_ids(ITEM, *(Ids(raw.table[ITEM], raw.is_untyped) for raw in (events, goods) if raw is not None))
    times, times_said = to_times(TIME, events.table[TIME], time_unit)
    log = _converted(events, shared[0], said).with_columns(times)
    log = _with_kinds(_with_defaults(log, events.said), kinds or {}, events.said)
    extras = [name for name in log.columns if name not in EVENT_COLUMNS]
    log = check_columns(log.select(*EVENT_COLUMNS, *extras))
    if goods is None:
        catalog = log.select(pl.col(ITEM).drop_nulls().unique().sort())
        return Tables(log, catalog, _note([*events.said, times_said, "no item table: items are bare ids"]))
    catalog = check_items(_converted(goods, shared[1], said))
    return Tables(log, catalog, _note([*events.said, times_said], goods.said))


def read_items(
    source: Source,
    columns: Mapping[str, str] | None = None,
    *,
    separator: str | None = None,
    connection: Connection | Engine | None = None,
) -> Tables:
    """Read an item table alone; to go with a log, give it to `read_events`, which finds one type for the ids of both.

    source, columns, separator, connection: as in `read_events`  ->  no events; items with all columns of the source
    Raises SchemaError as `read_events` does, and for missing or doubled item ids and negative prices or stocks.
    """
    goods = _read(source, columns or {}, (ITEM,), separator, connection)
    shared, said = to_ids(ITEM, Ids(goods.table[ITEM], goods.is_untyped))
    catalog = check_items(_converted(goods, shared[0], said))
    id_type = catalog.schema[ITEM]
    no_events = pl.DataFrame(
        schema={USER: pl.Int64(), ITEM: id_type, TIME: pl.Datetime("us"), KIND: pl.String(), VALUE: pl.Float64()}
    )
    return Tables(no_events, catalog, _note(goods.said))


def _read(
    source: Source,
    columns: Mapping[str, str],
    required: Collection[str],
    separator: str | None,
    connection: Connection | Engine | None,
) -> _Raw:
    """Read a source and give its columns our names."""
    ids = {*ID_COLUMNS, *(theirs for theirs, ours in columns.items() if ours in ID_COLUMNS)}
    if connection is not None:
        table, said = read_query(str(source), connection, id_columns=ids)
        return _Raw(_renamed(table, columns, required, "the query's answer"), False, [said])
    if isinstance(source, str) and source.lstrip()[:7].lower() in {"select ", "select\n", "with "}:
        raise SchemaError("this looks like a SQL query; pass connection= with it (a SQLAlchemy engine or connection)")
    table, said = read_file(source, separator=separator, id_columns=ids)
    return _Raw(_renamed(table, columns, required, str(source)), is_untyped(source), [said])


def _renamed(table: pl.DataFrame, columns: Mapping[str, str], required: Collection[str], where: str) -> pl.DataFrame:
    """Rename the columns; say what is missing, and what may have been meant."""
    there = table.columns
    if absent := [name for name in columns if name not in there]:
        raise SchemaError(f"{where}: no column {_with_guess(absent, there)}; the file has {', '.join(there)}")
    names = [columns.get(name, name) for name in there]
    refuse_doubled(names, f"{where} after renaming")
    if missing := [name for name in required if name not in names]:
        example = f"columns={{'its name for it': '{missing[0]}'}}"
        raise SchemaError(
            f"{where}: no column {_with_guess(missing, there)}; the file has {', '.join(there)}; rename in the file, or "
            f"give theirs -> ours, such as {example} (a file without a header needs one)"
        )
    table.columns = names
    return table


def _with_guess(absent: list[str], there: list[str]) -> str:
    guesses = [(name, get_close_matches(name, there, n=1)) for name in absent]
    return ", ".join(f"{name!r}" + (f" (is it {near[0]!r}?)" if near else "") for name, near in guesses)


def _converted(raw: _Raw, item_ids: pl.Series, item_said: str) -> pl.DataFrame:
    """Type every column but the time and the kind: ids, numbers, and what else a csv holds."""
    made, decided = {ITEM: item_ids}, [item_said]
    for column in raw.table:
        name = column.name
        if name in ID_COLUMNS and name != ITEM:
            (made[name],), said = to_ids(name, Ids(column, raw.is_untyped))
            decided.append(said)
        elif name in NUMBER_COLUMNS:
            made[name] = to_numbers(name, column)
        elif raw.is_untyped and name not in {*EVENT_COLUMNS, *ITEM_COLUMNS}:
            made[name] = to_plain(column)
    raw.said.append(", ".join(decided))
    return raw.table.with_columns(*made.values())


def _with_defaults(log: pl.DataFrame, said: list[str]) -> pl.DataFrame:
    """Fill in what a plain list of purchases does not say."""
    if KIND not in log.columns:
        said.append("no kind: every row is a purchase")
        log = log.with_columns(pl.lit(PURCHASE).alias(KIND))
    if VALUE not in log.columns:
        said.append("no value: 1 for every row")
        log = log.with_columns(pl.lit(1.0).alias(VALUE))
    return log


def _with_kinds(log: pl.DataFrame, kinds: Mapping[str, str], said: list[str]) -> pl.DataFrame:
    """Rename the kinds; unknown ones stay for `clean` to count, unless all are unknown, which no cleaning can mend."""
    if wrong := sorted(set(kinds.values()) - set(KINDS)):
        raise SchemaError(f"kinds: {wrong} are not among {', '.join(KINDS)}")
    kind = log[KIND].cast(pl.String)
    kind = kind.replace(dict(kinds)) if kinds else kind
    found = kind.value_counts(sort=True)
    unknown = found.filter(~pl.col(KIND).is_in(KINDS) | pl.col(KIND).is_null())
    if len(unknown) == len(found):
        most = unknown[KIND].head(5).to_list()
        raise SchemaError(
            f"{KIND}: none of {most} is known; rename them to {', '.join(KINDS)}, in the file or by "
            f"kinds={{{most[0]!r}: 'view', ...}}"
        )
    if len(unknown):
        n = int(unknown["count"].sum())
        said.append(f"{n:,} rows of unknown kinds ({', '.join(map(str, unknown[KIND].head(5)))}) left for clean")
    return log.with_columns(kind)


def _note(*tables: list[str]) -> str:
    """Put what was decided into one sentence per table."""
    return " ".join([*("; ".join(said) + "." for said in tables), _YOURS])
