"""The article's case is exactly what the article prints, in the module and in the sample files alike."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from recolab.schema import CATEGORY, ITEM, PRICE, STOCK, TIME, USER, check_events, check_items
from recolab.sources import load
from recolab.sources.article_case import load_article_case
from recolab.sources.tabular import read_events

SAMPLE = Path(__file__).parent.parent / "data" / "sample"


def test_the_case_is_two_users_and_five_views_at_the_printed_times() -> None:
    events = load_article_case().events
    assert events.select(USER, ITEM, TIME).rows() == [
        (1, 1001, datetime(2021, 1, 1, 10, 0)),
        (1, 1002, datetime(2021, 1, 1, 10, 5)),
        (1, 1003, datetime(2021, 1, 1, 10, 10)),
        (2, 1004, datetime(2021, 1, 1, 11, 0)),
        (2, 1005, datetime(2021, 1, 1, 11, 5)),
    ]
    assert events["kind"].unique().to_list() == ["view"]


def test_the_goods_have_the_printed_prices_and_1003_is_sold_out() -> None:
    items = load_article_case().items
    assert items.select(ITEM, CATEGORY, PRICE, STOCK).rows() == [
        (1001, "electronics", 3000, 10),
        (1002, "electronics", 4000, 5),
        (1003, "electronics", 5000, 0),
        (1004, "grain and oil", 20, 100),
        (1005, "grain and oil", 30, 50),
    ]


def test_the_case_passes_the_strict_checks() -> None:
    tables = load_article_case()
    assert check_events(tables.events) is tables.events
    assert check_items(tables.items) is tables.items


def test_the_sample_files_hold_the_same_two_tables() -> None:
    tables, sample = load_article_case(), read_events(SAMPLE / "events.csv", items=SAMPLE / "items.csv")
    assert_frame_equal(sample.events, tables.events)
    assert_frame_equal(sample.items, tables.items, check_dtypes=False)  # a stock read from a file may be half a kilo


def test_the_sample_stays_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 100_000


def test_sources_are_loaded_by_the_name_a_notebook_gives() -> None:
    assert_frame_equal(load("article_case").events, load_article_case().events)
    events, items = str(SAMPLE / "events.csv"), str(SAMPLE / "items.csv")
    assert load("tabular", events, {"items": items}).items.height == 5
    assert load("tabular", events).items.columns == [ITEM]
    with pytest.raises(
        ValueError, match="no source is called 'movies'; there are complete_journey, shop, article_case"
    ):
        load("movies")
    with pytest.raises(ValueError, match="tabular needs the path of your log"):
        load("tabular")
    with pytest.raises(ValueError, match=r"article_case brings its own data; to read log\.csv use DATA = 'tabular'"):
        load("article_case", "log.csv")
