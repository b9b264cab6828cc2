"""The web shop's till comes in whole, and whatever is no sale of goods to somebody is dropped under its name."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from recolab.prepare import CleanRules, clean
from recolab.schema import BASKET, ITEM, PRICE, QUANTITY, TIME, TITLE, USER, VALUE, SchemaError, check_events
from recolab.sources.online_retail import NOT_GOODS, load_online_retail

AT = datetime(2010, 12, 1, 8, 26)
LINES = [
    ("1", "85123A", "HEART", 6, AT, 2.55, "17850", "United Kingdom"),
    ("1", "85123a", "HEART", 1, AT, 2.95, "17850", "United Kingdom"),
    ("2", "22423", "CAKESTAND", 1, AT, 12.75, None, "France"),
    ("C3", "22423", "CAKESTAND", -1, AT, 12.75, "17851", "France"),
    ("4", "POST", "POSTAGE", 1, AT, 18.0, "17851", "France"),
    ("4", "m", "Manual", 1, AT, 18.0, "17851", "France"),
    ("5", "22423", "damaged?", 1, AT, 0.0, "17851", "France"),
    ("5", "22423", "damaged?", 2, AT, 0.0, "17851", "France"),
    ("6", "22423", "CAKESTAND", 0, AT, 1.0, "17851", "France"),
    ("7", "21000", "lost", -5, AT, 0.0, None, "United Kingdom"),
]
COLUMNS = ["InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECOLAB_DATA", str(tmp_path))
    (tmp_path / "online_retail").mkdir()
    path = tmp_path / "online_retail" / "online_retail.parquet"
    pl.DataFrame(LINES, schema=COLUMNS, orient="row").write_parquet(path)
    return path


def counts(report: pl.DataFrame) -> dict[str, int]:
    return {reason: rows for reason, rows in report.select("reason", "rows").rows() if rows}


def test_no_line_is_lost_on_loading_and_each_is_dropped_under_its_name(path: Path) -> None:
    tables = load_online_retail()
    assert len(tables.events) == len(LINES)
    kept, report = clean(tables.events, tables.items, rules=CleanRules(extra=NOT_GOODS))
    assert counts(report) == {
        "missing id": 2,
        "cancellation": 1,
        "no product": 2,
        "no quantity": 1,
        "nothing paid": 2,
        "kept": 2,
    }
    assert kept.select(USER, ITEM, TIME, VALUE, BASKET, QUANTITY, PRICE, "country").row(0) == (
        17850, "85123A", AT, 6.0, "1", 6, 2.55, "United Kingdom"
    )  # fmt: skip
    assert kept[ITEM].to_list() == ["85123A", "85123A"]


def test_a_title_is_what_a_product_is_called_when_it_is_paid_for(path: Path) -> None:
    items = load_online_retail().items
    assert items.rows() == [
        ("21000", None),
        ("22423", "CAKESTAND"),
        ("85123A", "HEART"),
        ("M", "Manual"),
        ("POST", "POSTAGE"),
    ]


def test_customers_are_integers_however_the_file_holds_them(path: Path) -> None:
    texts = pl.read_parquet(path)
    for kind in (pl.Categorical, pl.Float64, pl.Int64):
        texts.with_columns(pl.col("CustomerID").cast(pl.Int64).cast(pl.String).cast(kind)).write_parquet(path)
        assert load_online_retail().events[USER].to_list()[:3] == [17850, 17850, None]


def test_a_sheet_saved_with_other_types_is_refused(path: Path) -> None:
    table = pl.read_parquet(path)
    table.with_columns(pl.col("InvoiceDate").cast(pl.String), pl.col("Quantity").cast(pl.Float64)).write_parquet(path)
    with pytest.raises(
        SchemaError, match=r"Quantity is Float64, must be a whole number; InvoiceDate is String, must be"
    ):
        load_online_retail()
    table.drop("Country").write_parquet(path)
    with pytest.raises(SchemaError, match=r"online_retail\.parquet: no column Country; it has InvoiceNo, "):
        load_online_retail()


def test_the_real_till_has_the_published_counts_and_cleaning_accounts_for_every_line() -> None:
    try:
        tables = load_online_retail()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert (len(tables.events), tables.events[USER].null_count()) == (541_909, 135_080)
    assert (tables.events[TIME].min(), tables.events[TIME].max()) == (AT, datetime(2011, 12, 9, 12, 50))
    kept, report = clean(tables.events, tables.items, rules=CleanRules(extra=NOT_GOODS))
    assert sum(counts(report).values()) == 541_909
    assert counts(report)["cancellation"] == 8_905
    assert (len(kept), kept[USER].n_unique(), kept[ITEM].n_unique()) == (391_148, 4_334, 3_659)
    check_events(kept)
    assert tables.items.filter(pl.col(ITEM) == "85123A")[TITLE].item() == "WHITE HANGING HEART T-LIGHT HOLDER"
