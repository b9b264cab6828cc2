"""The shelf: which row of every table belongs to which item."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from numpy.typing import NDArray

from recolab.lab import write_atomically
from recolab.schema import ITEM, PRICE, TITLE, SchemaError

PAD = 0  # the row of "nothing"
_ROW = "__row"


@dataclass(frozen=True)
class Catalog:
    """Raw item ids by row, with their attributes.

    items: N rows, row 0 = PAD (all null), the others sorted by item id until the catalog grew    uuids: whether raw ids are given back as uuid.UUID
    """

    items: pl.DataFrame
    uuids: bool = False

    def __len__(self) -> int:
        return len(self.items)

    def rows(self, ids: Iterable[object]) -> NDArray[np.int32]:
        """Find the rows of raw item ids: (n,) ids -> (n,) rows, PAD where the catalog does not know the id.

        Raises SchemaError for ids of another type: 7 and "7" are two things.
        """
        asked = id_series(ids, ITEM).rename(ITEM)
        if len(asked) == 0:
            return np.zeros(0, np.int32)
        kind = self.items.schema[ITEM]
        if asked.dtype.is_integer() != kind.is_integer():
            raise SchemaError(f"{ITEM} is {asked.dtype} here and {kind} in the catalog: convert one of the two")
        known = self.items.select(ITEM).with_row_index(_ROW)
        found = asked.cast(kind, strict=False).to_frame().join(known, on=ITEM, how="left", maintain_order="left")[_ROW]
        return found.fill_null(PAD).to_numpy().astype(np.int32)

    def grow(self, items: pl.DataFrame) -> Catalog:
        """Append the items of a table that are not known yet: a row that was given once is that item's for good.

        items: item_id, and what else is known of them, such as the `items` of a newer catalog; what it says of known items
        is not read  ->  a new catalog, whose first rows are these
        Raises SchemaError for ids of another type, or a new item that stands twice.
        """
        told = items.filter(pl.col(ITEM).is_not_null())
        new = told.filter(self.rows(told[ITEM]) == PAD)
        if twice := new.filter(pl.col(ITEM).is_duplicated())[ITEM].unique().sort().to_list():
            raise SchemaError(f"{ITEM}: {len(twice)} new items stand twice in the table, first {twice[:3]}")
        new = new.select(c for c in self.items.columns if c in new.columns)
        new = new.with_columns(pl.col(ITEM).cast(self.items.schema[ITEM]))
        return Catalog(pl.concat([self.items, new], how="diagonal_relaxed"), self.uuids)

    def ids(self, rows: Iterable[int]) -> list[Any]:
        """Give back raw item ids: (n,) rows -> n ids of the type they came in, None for PAD."""
        raw = self.items[ITEM].gather(np.asarray(list(rows), dtype=np.int64)).to_list()
        return [None if x is None else uuid.UUID(x) for x in raw] if self.uuids else raw

    def column(self, name: str) -> pl.Series:
        """Read one attribute, aligned with the rows: (N,); all null where the shop does not know it."""
        return self.items[name] if name in self.items.columns else pl.Series(name, [None] * len(self))

    def titles(self, rows: Iterable[int]) -> list[str]:
        """Name items for people: their title, or their id where there is none."""
        rows = [int(r) for r in rows]
        named = self.column(TITLE).gather(rows).to_list()
        return [str(i) if t is None else str(t) for t, i in zip(named, self.ids(rows), strict=True)]

    def save(self, path: Path) -> None:
        """Write the catalog as parquet, to a temporary name first."""
        table = self.items.to_arrow().replace_schema_metadata({"recolab": json.dumps({"uuids": self.uuids})})
        with write_atomically(path) as temporary:
            pq.write_table(table, temporary)


def load_catalog(path: Path) -> Catalog:
    """Read what `Catalog.save` wrote."""
    note = json.loads((pq.read_schema(path).metadata or {}).get(b"recolab", b"{}"))
    return Catalog(pl.read_parquet(path), **note)


def build_catalog(past: Any, items: Any = None) -> Catalog:
    """List every item of the past, sorted by id, with its attributes and its median paid price where none is listed.

    past: events a model may see (never the future: even a price would leak)    items: the shop's item table, if any
    Raises SchemaError where events and items name their items in two types, or an item stands twice.
    """
    ids, uuids = id_column(past, ITEM)
    shelf = ids.unique().sort().to_frame()
    if items is not None:
        shelf = shelf.join(_attributes(items, ids.dtype), on=ITEM, how="left", maintain_order="left")
    if PRICE in shelf.columns:
        shelf = shelf.with_columns(pl.col(PRICE).cast(pl.Float64).fill_nan(None))
    if PRICE in past.columns:
        paid = pl.DataFrame({ITEM: ids, "__paid": pl.Series(past[PRICE])})
        paid = paid.filter(pl.col("__paid").is_between(0, float("inf"), closed="left"))  # no refund, no NaN
        paid = paid.group_by(ITEM).agg(pl.median("__paid"))
        shelf = shelf.join(paid, on=ITEM, how="left", maintain_order="left")
        listed = [PRICE] if PRICE in shelf.columns else []
        shelf = shelf.with_columns(pl.coalesce(*listed, "__paid").alias(PRICE)).drop("__paid")
    nothing = pl.DataFrame({ITEM: [None]}, schema={ITEM: ids.dtype})
    return Catalog(pl.concat([nothing, shelf], how="diagonal"), uuids)


def _attributes(items: Any, dtype: pl.DataType) -> pl.DataFrame:
    ids, _ = id_column(items, ITEM)
    if ids.dtype.is_integer() != dtype.is_integer():
        raise SchemaError(f"{ITEM} is {dtype} in the events and {ids.dtype} in the item table: convert one of the two")
    table = items if isinstance(items, pl.DataFrame) else pl.from_pandas(items.drop(columns=ITEM))
    table = table.with_columns(ids.cast(dtype).alias(ITEM))
    twice = table.filter(pl.col(ITEM).is_duplicated())[ITEM].unique()
    if len(twice):
        raise SchemaError(f"{ITEM}: {len(twice)} items stand twice in the item table, first {twice.head(3).to_list()}")
    return table


def id_column(table: Any, name: str) -> tuple[pl.Series, bool]:
    """Read an id column of a pandas or Polars table as Polars ids; say whether they were UUIDs."""
    column = table[name]
    if isinstance(column, pl.Series):
        return column, False
    first = next((x for x in column if x is not None), None)
    return id_series(column, name), isinstance(first, uuid.UUID)


def id_series(ids: Iterable[object], name: str) -> pl.Series:
    """Turn raw ids of one type into a Polars column: integers stay integers, UUIDs become their text.

    Raises SchemaError where two types are mixed.
    """
    if isinstance(ids, pl.Series):
        return ids
    raw = list(ids)
    kinds = {_plain(type(x)) for x in raw if x is not None}
    if len(kinds) > 1:
        raise SchemaError(f"{name} mixes {' and '.join(sorted(k.__name__ for k in kinds))}: use one type for all ids")
    if kinds == {int}:
        return pl.Series(name, [None if x is None else int(x) for x in raw], dtype=pl.Int64)  # type: ignore[call-overload]
    return pl.Series(name, [None if x is None else str(x) for x in raw], dtype=pl.String)


def _plain(kind: type) -> type:
    return int if issubclass(kind, (int, np.integer)) and not issubclass(kind, bool) else kind
