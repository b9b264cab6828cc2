"""A log in a database comes in by one query, and what SQLite lets happen to a column is not passed on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import polars as pl
import pytest

from recolab.schema import ITEM, PRICE, TIME, USER, VALUE, SchemaError
from recolab.sources.databases import _column
from recolab.sources.tabular import read_events, read_items

sa = pytest.importorskip("sqlalchemy")
QUERY = "SELECT visitor AS user_id, item_id, at AS timestamp, n AS value FROM log ORDER BY rowid"


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """A shop's database in memory, its columns without types, as SQLite allows."""
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE log (visitor, item_id, at, n)")
        connection.exec_driver_sql(
            "INSERT INTO log VALUES ('007', 1, '2021-01-01 10:00:00', 1), ('8', 2, '2021-01-01 10:05:00', 2.5)"
        )
    yield engine
    engine.dispose()


def refusal(query: str, engine: sa.Engine) -> str:
    with pytest.raises(SchemaError) as caught:
        read_events(query, connection=engine)
    return str(caught.value)


def test_an_engine_and_a_connection_give_the_same_log(engine: sa.Engine) -> None:
    expected = [("007", 1, datetime(2021, 1, 1, 10, 0), 1.0), ("8", 2, datetime(2021, 1, 1, 10, 5), 2.5)]
    tables = read_events(QUERY, connection=engine)
    assert tables.events.select(USER, ITEM, TIME, VALUE).rows() == expected
    assert tables.note.startswith("SQL query: 2 rows; item_id integer, user_id text; no kind: every row is a purchase")
    with engine.connect() as connection:
        assert read_events(QUERY, connection=connection).events.equals(tables.events)
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1  # the caller's connection stays open


def test_a_colon_or_percent_in_the_query_is_no_parameter(engine: sa.Engine) -> None:
    query = QUERY.replace("ORDER", "WHERE at LIKE '% 10:0%' AND visitor <> ' :x' ORDER")
    assert read_events(query, connection=engine).events.height == 2


def test_items_come_by_a_query_of_their_own(engine: sa.Engine) -> None:
    goods = "SELECT 1 AS item_id, 2.5 AS price UNION ALL SELECT 2, NULL"
    assert read_events(QUERY, connection=engine, items=goods).items.rows() == [(1, 2.5), (2, None)]
    assert read_items(goods, connection=engine).items.columns == [ITEM, PRICE]


def test_ids_that_differ_only_in_type_are_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO log VALUES (8, 2, '2021-01-01 10:00:00', 1)")
    message = refusal(QUERY, engine)
    assert message == "user_id: the query gives ids of several types (2 str, 1 int; first ['007', 8]); CAST them to one"


def test_a_query_that_fails_or_gives_nothing_is_explained(engine: sa.Engine) -> None:
    assert refusal("SELECT * FROM logs", engine) == "the database refuses the query: no such table: logs"
    assert refusal(QUERY.replace("ORDER", "WHERE 0 ORDER"), engine).startswith(
        "the query gives no row (columns user_id"
    )
    assert refusal("DELETE FROM log WHERE 0", engine) == "the query gives no table; write a SELECT"
    assert "doubled columns 'visitor' (2 times)" in refusal("SELECT visitor, visitor FROM log", engine)
    assert "no column 'user_id'" in refusal("SELECT * FROM log", engine)


def test_what_drivers_give_becomes_plain_columns() -> None:
    uid = UUID(int=7)
    assert _column("user_id", (uid, None), is_id=True).to_list() == [str(uid), None]
    assert _column("price", (Decimal("1.5"), 2, None), is_id=False).to_list() == [1.5, 2.0, None]
    assert _column("item_id", (Decimal(7), 8), is_id=True).dtype == pl.Float64  # whole, so to_ids makes it an integer
    assert _column("extra", (1, "a"), is_id=False).to_list() == ["1", "a"]
