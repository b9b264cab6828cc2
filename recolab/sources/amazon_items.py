"""What is known of Amazon's items: brands and categories, by name where somebody published them, else by number."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl

from recolab.schema import BRAND, CATEGORY, ITEM, TEXT, SchemaError
from recolab.sources.raw import split_fields, whole

ASIN = "asin"  # Amazon's own number of an item
ATTRIBUTES = "attributes"  # S3-Rec's numbers of an item's categories and, where frequent, its brand
WORD = "word"
_GRAPH = ("product.txt.gz", "brand.txt.gz", "brand_p_b.txt.gz", "category.txt.gz", "category_p_c.txt.gz")
_NO_BRAND = ("", "Unknown")


def read_attributes(path: Path) -> pl.DataFrame:
    """Read {item: [number, ...]}."""
    try:
        table = json.loads(path.read_bytes(), object_pairs_hook=_without_doubles)
        return _by_item(table, ATTRIBUTES, pl.List(pl.Int64()))
    except (ValueError, TypeError, AttributeError, RecursionError, pl.exceptions.PolarsError) as error:
        said = str(error).partition("\n")[0]
        raise SchemaError(f"{path}: must be {{item number: [attribute number, ...]}}: {said}") from error


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs; of two with one key, JSON would keep the later without a word."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("an item stands twice")
    return table


def _by_item(table: dict[str, Any], name: str, kind: pl.DataType) -> pl.DataFrame:
    """Lay {item: value} out as two columns; raises ValueError where two keys are one item, such as "7" and "07"."""
    columns = {ITEM: [int(item) for item in table], name: list(table.values())}
    if len(set(columns[ITEM])) < len(table):
        raise ValueError("an item stands twice")
    return pl.DataFrame(columns, schema={ITEM: pl.Int64(), name: kind})


def name_items(folder: Path, attributes: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Describe the items by the names of graph/, or, without it, by words that stand for the numbers."""
    words = attributes.with_columns(
        pl.col(ATTRIBUTES).list.eval("attribute_" + pl.element().cast(pl.String)).list.join(" ").alias(TEXT)
    )
    asins = folder / "asin_map.json.gz"
    if asins.is_file():
        words = words.join(_read_asins(asins), on=ITEM, how="left")
    if not (folder / "graph").is_dir():
        return words, "attributes by number"
    if missing := [file for file in _GRAPH if not (folder / "graph" / file).is_file()]:
        raise SchemaError(f"{folder / 'graph'}: has no {', '.join(missing)}; fetch the folder again, or remove it")
    if ASIN not in words.columns:
        raise SchemaError(f"{folder / 'graph'}: names its items by ASIN, so asin_map.json.gz must lie beside it")
    products, brands, brand_of, categories, category_of = (_zipped_lines(folder / "graph" / file) for file in _GRAPH)
    graph = pl.DataFrame({ASIN: products})
    if twice := graph.filter(~pl.col(ASIN).is_first_distinct())[ASIN].to_list():
        raise SchemaError(f"{folder / 'graph' / _GRAPH[0]}: has {twice[0]} twice; fetch it again")
    named = graph.with_columns(_by_number(folder / "graph" / _GRAPH[2], brand_of, brands, len(products), BRAND))
    told = graph.with_columns(_by_number(folder / "graph" / _GRAPH[4], category_of, categories, len(products), WORD))
    pairs = told.explode(WORD).drop_nulls().join(words.select(ASIN, ITEM), on=ASIN).select(ITEM, WORD)
    items = words.drop(TEXT).join(named.with_columns(pl.col(BRAND).list.join(", ")), on=ASIN, how="left")
    items = items.join(describe(pairs), on=ITEM, how="left").with_columns(pl.col(BRAND).replace(list(_NO_BRAND), None))
    return items, "brands and categories by name"


def _by_number(path: Path, lines: list[str], names: list[str], n_items: int, column: str) -> pl.Series:
    """Turn each item's line of numbers into the names at these places: (n_items,) lists of text."""
    if len(lines) != n_items:
        raise SchemaError(f"{path}: has {len(lines)} lines, must have {n_items}, one an item")
    for place, line in enumerate(lines, start=1):
        for number in line.split():
            if not (number.isdecimal() and int(number) < len(names)):
                raise SchemaError(
                    f"{path}: line {place} has {number!r}, must be a number below {len(names)}, of a name"
                )
    return pl.Series(column, [[names[int(number)] for number in line.split()] for line in lines], pl.List(pl.String))


def read_pairs(path: Path, name: str) -> pl.DataFrame:
    """Read lines `item,number` as the item, moved up by one, and a word for the number."""
    table = split_fields(path, ",", [ITEM, name])
    word = (f"{name}_" + whole(path, table, name).cast(pl.String)).alias(WORD)
    return pl.DataFrame([whole(path, table, ITEM) + 1, word])


def describe(pairs: pl.DataFrame) -> pl.DataFrame:
    """Choose a category of each item out of pairs (item, word), and join all its words as text.

    The files keep no order of the tree, but a branch holds more items than its twigs: the widest category stands for
    the item; the widest of all is the root, which says something only of an item that has no other.
    """
    width = pairs.group_by(WORD).agg(pl.n_unique(ITEM).alias("__width"))
    root = width.sort("__width", WORD, descending=[True, False])[WORD].first()
    ranked = pairs.join(width, on=WORD).sort(
        ITEM, pl.col(WORD).eq_missing(root), "__width", WORD, descending=[False, False, True, False]
    )
    return ranked.group_by(ITEM, maintain_order=True).agg(
        pl.col(WORD).first().alias(CATEGORY), pl.col(WORD).unique(maintain_order=True).str.join(" ").alias(TEXT)
    )


def _zipped_lines(path: Path) -> list[str]:
    return _unzipped(path).replace("\r\n", "\n").removesuffix("\n").split("\n")


def _read_asins(path: Path) -> pl.DataFrame:
    """Read {"id2item": {item: ASIN}}."""
    text = _unzipped(path)
    try:
        return _by_item(json.loads(text)["id2item"], ASIN, pl.String())
    except (ValueError, TypeError, KeyError, AttributeError, pl.exceptions.PolarsError) as error:
        raise SchemaError(f"{path}: must map item numbers to ASINs under id2item: {error}") from error


def _unzipped(path: Path) -> str:
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, ValueError) as error:
        raise SchemaError(f"{path}: cannot be unpacked ({error}); fetch it again") from error
