"""Online Retail (UCI): a year of a British web shop for gifts, with prices and names, minute by minute."""

from __future__ import annotations

from pathlib import Path

import narwhals as nw
import polars as pl
import polars.selectors as cs

from recolab.schema import (
    BASKET,
    ITEM,
    KIND,
    PRICE,
    PURCHASE,
    QUANTITY,
    TIME,
    TITLE,
    USER,
    VALUE,
    SchemaError,
)
from recolab.sources import Tables
from recolab.sources.conversion import Ids, to_ids
from recolab.sources.files import read_file
from recolab.sources.raw import find_raw

# Postage, fees, discounts, corrections, samples, and the pads that go with a cushion for a tenth of a penny.
NOT_PRODUCTS = ("POST", "DOT", "C2", "M", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS")

# What the till recorded though nobody took goods home: reason -> true for a line to drop, as
# prepare.CleanRules(extra=...) takes it. A line without a customer is dropped before, as "missing id".
NOT_GOODS = {
    "cancellation": nw.col(BASKET).str.starts_with("C"),
    "no product": nw.col(ITEM).is_in(NOT_PRODUCTS),
    "no quantity": nw.col(QUANTITY) <= 0,
    "nothing paid": nw.col(PRICE) <= 0,
}

NOTE = (
    "Online Retail (Chen 2015, UCI Machine Learning Repository, CC BY 4.0): a British web shop for gifts, December "
    "2010 to December 2011; many of its customers are wholesalers, and a quarter of the lines has no customer."
)
_ORIGIN = (
    "https://archive.ics.uci.edu/dataset/352/online+retail has 'Online Retail.xlsx'; save it as "
    "data/raw/online_retail/online_retail.parquet, with InvoiceNo and StockCode as text"
)
_COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


def load_online_retail() -> Tables:
    """Load every line of the till as it is; `prepare.clean` with `NOT_GOODS` leaves the goods and counts what it drops.

    events: 541,909 purchases, with basket_id (invoice; C... is a cancellation), quantity (negative where goods went
        back), price (per unit, GBP) and country; user null where there is no customer; item = stock code in capitals, for
        the shop wrote 85123a and 85123A of one product; value = quantity, 0 where goods went back; timestamp = the shop's
        clock, taken as UTC. The purchase that a cancellation takes back stays, as no line says which it was.
    items: title = the product's most frequent description on paid lines, as others are remarks ("damaged?"), null where
        it never was paid for; no category is published
    Raises FileNotFoundError that says where to get it; SchemaError for a missing column or an impossible type.
    """
    path = find_raw("online_retail", ("online_retail.parquet",), _ORIGIN) / "online_retail.parquet"
    lines = read_file(path)[0].with_columns(cs.categorical().cast(pl.String))
    _require_till(path, lines)
    customers = lines["CustomerID"]
    (users,), _ = to_ids("CustomerID", Ids(customers, is_untyped=customers.dtype == pl.String))
    quantity = pl.col("Quantity").cast(pl.Int64)
    events = lines.select(
        users.alias(USER),
        pl.col("StockCode").cast(pl.String).str.to_uppercase().alias(ITEM),
        pl.col("InvoiceDate").cast(pl.Datetime("us")).alias(TIME),
        pl.lit(PURCHASE).alias(KIND),
        quantity.clip(lower_bound=0).cast(pl.Float64).alias(VALUE),
        pl.col("InvoiceNo").cast(pl.String).alias(BASKET),
        quantity.alias(QUANTITY),
        pl.col("UnitPrice").cast(pl.Float64).alias(PRICE),
        pl.col("Country").cast(pl.String).alias("country"),
    )
    return Tables(events, _items(events, lines["Description"].cast(pl.String)), NOTE)


def _require_till(path: Path, lines: pl.DataFrame) -> None:
    """Refuse a file that is no till of this shop, or was saved with other types."""
    schema = lines.schema
    if missing := [name for name in _COLUMNS if name not in schema]:
        raise SchemaError(f"{path}: no column {', '.join(missing)}; it has {', '.join(schema)}")
    wanted = {"Quantity": "a whole number", "UnitPrice": "a number", "InvoiceDate": "a Datetime without a zone"}
    fits = {
        "Quantity": schema["Quantity"].is_integer(),
        "UnitPrice": schema["UnitPrice"].is_numeric(),
        "InvoiceDate": isinstance(schema["InvoiceDate"], pl.Datetime) and schema["InvoiceDate"].time_zone is None,
    }
    if wrong := [f"{name} is {schema[name]}, must be {wanted[name]}" for name, fit in fits.items() if not fit]:
        raise SchemaError(f"{path}: {'; '.join(wrong)}; save the sheet with these types")


def _items(events: pl.DataFrame, described: pl.Series) -> pl.DataFrame:
    """List every stock code with its most frequent description; of two as frequent, the first in the alphabet."""
    paid = events.select(ITEM, PRICE, QUANTITY, described.str.strip_chars().alias(TITLE)).filter(
        (pl.col(PRICE) > 0) & (pl.col(QUANTITY) > 0) & (pl.col(TITLE) != "")
    )
    names = paid.group_by(ITEM, TITLE).len().sort(ITEM, "len", TITLE, descending=[False, True, False])
    titles = names.unique(ITEM, keep="first", maintain_order=True).select(ITEM, TITLE)
    codes = events.select(pl.col(ITEM).drop_nulls().unique().sort())
    return codes.join(titles, on=ITEM, how="left", maintain_order="left")
