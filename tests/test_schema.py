"""A wrong table is told everything that is wrong with it, on every engine; a right one passes untouched and fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from recolab import schema
from recolab.schema import (
    EVENT_COLUMNS,
    ITEM,
    KIND,
    PRICE,
    STOCK,
    TIME,
    USER,
    VALUE,
    SchemaError,
    check_columns,
    check_events,
    check_items,
)

NOON = datetime(2024, 1, 1, 12)


@pytest.fixture(params=["polars", "pandas", "polars lazy", "duckdb"])
def native(request: pytest.FixtureRequest) -> Callable[[pl.DataFrame], Any]:
    """How a Polars table becomes one of another engine."""
    if request.param == "duckdb":
        connection = duckdb.connect()
        return lambda table: connection.from_arrow(table.to_arrow())
    return {"polars": lambda t: t, "pandas": pl.DataFrame.to_pandas, "polars lazy": pl.DataFrame.lazy}[request.param]


def log(**columns: Any) -> pl.DataFrame:
    """Four good events, with the given columns put in."""
    good = {USER: ["a", "a", "b", "b"], ITEM: [1, 2, 1, 3], TIME: [NOON] * 4, KIND: ["view"] * 4, VALUE: [1.0] * 4}
    return pl.DataFrame(good | columns)


def refusal(check: Callable[[Any], Any], table: Any) -> str:
    with pytest.raises(SchemaError) as caught:
        check(table)
    return str(caught.value)


def test_a_good_log_comes_back_untouched(native: Callable[[pl.DataFrame], Any]) -> None:
    table = native(log())
    assert check_events(table) is table
    assert check_columns(table) is table
    goods = native(pl.DataFrame({ITEM: ["x", "y"], PRICE: [0.0, None], STOCK: [3, None]}))
    assert check_items(goods) is goods


def test_every_problem_of_a_dirty_log_is_counted_on_every_engine(native: Callable[[pl.DataFrame], Any]) -> None:
    dirty = log(
        **{
            USER: ["a", None, "", "b"],
            TIME: [NOON, None, NOON, NOON],
            KIND: ["view", "stare", None, "cart"],
            VALUE: [-1.0, float("inf"), None, float("nan")],
        }
    )
    message = refusal(check_events, native(dirty))
    assert message.startswith("the events table has 6 problems:\n  - user_id: 2 missing, ")
    for found in (
        "timestamp: 1 missing, ",
        "kind: 2 unknown, ",
        "value: 1 infinite, ",
        "value: 1 negative, ",
        "value: 2 missing or NaN, ",
        "prepare.clean(events) drops and counts them",
    ):
        assert found in message
    assert check_columns(native(dirty)) is not None  # dirty rows may come in, to be cleaned


def test_rows_are_named_by_number_where_there_are_numbers_and_quoted_where_not() -> None:
    dirty = log(**{USER: [None, "a", "", None], VALUE: [1.0, 1.0, 1.0, -2.5]})
    message = refusal(check_events, dirty)
    assert "user_id: 3 missing, first: row 0 (None), row 2 (''), row 3 (None); prepare.clean" in message
    assert "value: 1 negative, first: row 3 (-2.5); prepare.clean" in message
    message = refusal(check_events, dirty.lazy())
    assert "value: 1 negative, such as user_id=None, item_id=3, timestamp=datetime.datetime(2024, 1, 1, 12," in message
    assert ", value=-2.5;" in message


def test_minus_infinity_is_infinite_and_not_negative_too() -> None:
    message = refusal(check_events, log(**{VALUE: [1.0, float("-inf"), 1.0, 1.0]}))
    assert message.startswith("the events table has a problem:\n  - value: 1 infinite, first: row 1 (-inf)")


def test_a_pandas_index_is_no_row_number() -> None:
    frame = log(**{VALUE: [1.0, 1.0, -3.0, 1.0]}).to_pandas().set_index(pd.Index([9, 9, 9, 9]))
    assert "value: 1 negative, first: row 2 (-3.0)" in refusal(check_events, frame)


def test_missing_columns_are_listed_with_those_that_are_there(native: Callable[[pl.DataFrame], Any]) -> None:
    table = native(log().drop(KIND, VALUE).rename({USER: "customer"}))
    for check in (check_events, check_columns):
        message = refusal(check, table)
        for name in (USER, KIND, VALUE):
            assert f"{name}: no such column; the table has customer, item_id, timestamp" in message
    assert "item_id: no such column" in refusal(check_items, native(pl.DataFrame({"sku": [1]})))


def test_columns_and_rows_are_judged_in_one_go() -> None:
    message = refusal(
        check_events, log(**{VALUE: ["1", "2", "3", "4"], KIND: ["view", "buy", "view", "view"]}).drop(TIME)
    )
    assert "timestamp: no such column" in message
    assert "value: is String, must be a number; cast it to Float64" in message
    assert "kind: 1 unknown, first: row 1 ('buy'); rename them to one of view, cart, purchase, review" in message


def test_doubled_columns_are_refused_where_an_engine_allows_them() -> None:
    frame = log().to_pandas()
    doubled = pd.concat([frame, frame[[USER]]], axis=1)
    assert "user_id: 2 columns have this name; keep one" in refusal(check_events, doubled)
    relation = duckdb.connect().sql("SELECT 1 AS item_id, 2 AS item_id")
    assert "item_id: 2 columns have this name; keep one" in refusal(check_items, relation)
    assert "user_id: no such column" in refusal(check_columns, relation)


def test_a_table_without_rows_is_refused_but_may_be_read(native: Callable[[pl.DataFrame], Any]) -> None:
    nothing = native(log().clear())
    assert "the table has no rows" in refusal(check_events, nothing)
    assert check_columns(nothing) is nothing


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ({TIME: ["2024-01-01"] * 4}, "timestamp: is String, must be Datetime (naive UTC) or integer (a position)"),
        ({TIME: [1.5] * 4}, "timestamp: is Float64, must be Datetime"),
        ({TIME: [NOON.date()] * 4}, "timestamp: is Date, must be Datetime"),
        ({VALUE: [True] * 4}, "value: is Boolean, must be a number"),
        ({KIND: [1] * 4}, "kind: is Int64, must be text, one of view, cart, purchase, review"),
        ({USER: [True] * 4}, "user_id: is Boolean, must be integers or text"),
        ({ITEM: [[1]] * 4}, "item_id: is List(Int64), must be integers or text"),
        ({"quantity": ["1"] * 4}, "quantity: is String, must be a number"),
        ({"session_id": [NOON] * 4}, "session_id: is Datetime"),
    ],
)
def test_a_wrong_type_is_named_with_the_right_one(column: dict[str, Any], expected: str) -> None:
    for check in (check_columns, check_events):
        assert expected in refusal(check, log(**column))


def test_float_ids_may_come_in_for_their_holes_but_are_not_clean() -> None:
    table = log(**{USER: [1.0, None, 2.0, 2.0]})
    assert check_columns(table) is table
    assert "user_id: is Float64, must be integers or text; drop missing ids (prepare.clean), then cast" in refusal(
        check_events, table
    )


def test_positions_are_accepted_as_times_unless_negative() -> None:
    assert check_events(log(**{TIME: [0, 1, 0, 1]})).height == 4
    assert "timestamp: 1 negative position(s), first: row 1 (-1)" in refusal(check_events, log(**{TIME: [0, -1, 0, 1]}))


def test_a_time_zone_is_refused_with_the_words_that_remove_it() -> None:
    aware = log().with_columns(pl.col(TIME).dt.replace_time_zone("Europe/Berlin"))
    message = refusal(check_events, aware)
    assert "timestamp: has the time zone Europe/Berlin, must be naive UTC; convert with pl.col(" in message
    naive = aware.with_columns(pl.col("timestamp").dt.convert_time_zone("UTC").dt.replace_time_zone(None))
    assert check_events(naive)[TIME][0] == datetime(2024, 1, 1, 11)

    events = aware.to_pandas()
    assert 'convert with events["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None)' in refusal(
        check_columns, events
    )
    check_events(events.assign(timestamp=events["timestamp"].dt.tz_convert("UTC").dt.tz_localize(None)))

    connection = duckdb.connect()
    relation = connection.from_arrow(log(**{TIME: [NOON.replace(tzinfo=UTC)] * 4}).to_arrow())
    assert "convert with timestamp AT TIME ZONE 'UTC'" in refusal(check_events, relation)
    check_events(relation.project("* REPLACE (timestamp AT TIME ZONE 'UTC' AS timestamp)"))


@pytest.mark.xdist_group("spark")
def test_spark_is_judged_as_the_others_are(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql.functions import to_utc_timestamp  # noqa: PLC0415

    path = str(tmp_path / "log.parquet")  # read by Java alone, which spares starting Python workers
    dirty = log(**{USER: ["a", "", "b", "b"], KIND: ["view", "stare"] * 2, VALUE: [1.0, float("nan"), 1.0, 1.0]})
    dirty.with_columns(pl.col(TIME).dt.replace_time_zone("UTC")).write_parquet(path)
    events = spark.read.parquet(path)
    message = refusal(check_events, events)
    for found in ("user_id: 1 missing, such as", "kind: 2 unknown", "value: 1 missing or NaN", "has the time zone UTC"):
        assert found in message
    assert 'must be naive UTC; convert with to_utc_timestamp("timestamp", spark.conf.get(' in message
    zone = spark.conf.get("spark.sql.session.timeZone")
    naive = events.filter("kind = 'view'").withColumn(TIME, to_utc_timestamp("timestamp", zone).cast("timestamp_ntz"))
    assert check_events(naive) is naive


@pytest.mark.parametrize("ids", [[1, "1", None, "2"], [None, "1", 1, float("nan")]])
def test_one_as_a_number_and_one_as_text_are_not_one_id(ids: list[Any]) -> None:
    frame = log().to_pandas().assign(user_id=pd.Series(ids, dtype=object))
    for check in (check_columns, check_events):
        message = refusal(check, frame)
        assert f"1 int (first: row {ids.index(1)}, 1)" in message
        assert "ids must be of one type: make them all integers or all text" in message


def test_a_polars_object_column_is_looked_into_as_well() -> None:
    table = log().with_columns(pl.Series(USER, [1, "1", None, 2], dtype=pl.Object))
    assert "user_id: holds 2 int (first: row 0, 1), 1 str (first: row 1, '1')" in refusal(check_columns, table)


def test_uuids_integers_and_texts_in_an_object_column_are_ids_if_alone() -> None:
    for ids in ([UUID(int=n) for n in (1, 1, 2, 2)], [1, 1, 2, 2**70], ["a", "a", "b", "b"]):
        frame = log().to_pandas().assign(user_id=pd.Series(ids, dtype=object))
        assert check_events(frame) is frame
    frame = log().to_pandas().assign(user_id=pd.Series([(1,), (1,), (2,), (2,)], dtype=object))
    assert "user_id: holds 4 tuple (first: row 0, (1,))" in refusal(check_columns, frame)


def test_items_are_one_row_each_and_no_price_is_impossible(native: Callable[[pl.DataFrame], Any]) -> None:
    goods = pl.DataFrame({ITEM: ["x", "y", "x", ""], PRICE: [1.0, -1.0, float("inf"), None], STOCK: [1, 0, -2, None]})
    message = refusal(check_items, native(goods))
    for found in (
        "items table has 5 problems",
        "item_id: 1 missing, ",
        "item_id: 2 in rows of a doubled id, ",
        "price: 1 infinite, ",
        "price: 1 negative, ",
        "stock: 1 negative, ",
    ):
        assert found in message


def test_an_item_column_of_which_nothing_is_known_may_be_without_a_type() -> None:
    goods = pl.DataFrame({ITEM: [1, 2], PRICE: [None, None]})
    assert check_items(goods) is goods


def test_a_million_events_are_checked_in_a_fraction_of_a_second() -> None:
    n = 1_000_000
    table = pl.DataFrame({USER: np.arange(n), ITEM: np.arange(n), TIME: np.arange(n), VALUE: np.ones(n)})
    table = table.with_columns(pl.lit("view").alias(KIND))
    started = time.perf_counter()
    check_events(table)
    assert time.perf_counter() - started < 1  # 0.03 s alone; the rest is room for a busy machine


def test_every_kind_has_a_weight_and_no_two_columns_one_name() -> None:
    assert set(schema.EVENT_WEIGHT) == set(schema.KINDS)
    names = {*EVENT_COLUMNS, *schema.ITEM_COLUMNS, *schema.ID_COLUMNS, *schema.NUMBER_COLUMNS}
    assert len(names) == 16
