"""A log of one's own comes in whole, every decision is told, and what cannot be decided is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recolab.prepare import clean
from recolab.schema import BASKET, CATEGORY, ITEM, KIND, PRICE, STOCK, TIME, USER, VALUE, SchemaError
from recolab.sources.tabular import read_events, read_items

TEN = datetime(2021, 1, 1, 10)
TEN_S = 1_609_495_200  # the same moment, counted by hand: 18,628 days and 10 hours since 1970
FULL = "user_id,item_id,timestamp,kind,value\n"


def write(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, columns: dict[str, str] | None = None, **how: Any) -> str:
    with pytest.raises(SchemaError) as caught:
        read_events(path, columns, **how)
    return str(caught.value)


def times_of(folder: Path, cells: list[str], unit: str | None = None) -> tuple[list[datetime | None], str]:
    rows = "".join(f'u{n},i,"{cell}"\n' for n, cell in enumerate(cells))
    tables = read_events(write(folder, "user_id,item_id,timestamp\n" + rows), time_unit=unit)
    return tables.events[TIME].to_list(), tables.note


def test_a_list_of_purchases_needs_three_columns_and_the_note_tells_every_decision(tmp_path: Path) -> None:
    path = write(tmp_path, f"client,sku,when,extra\nann,007,{TEN_S},1.5\nbob,8,{TEN_S + 60},2\n")
    tables = read_events(path, {"client": USER, "sku": ITEM, "when": TIME})
    assert tables.events.columns == [USER, ITEM, TIME, KIND, VALUE, "extra"]
    assert tables.events.row(0) == ("ann", "007", TEN, "purchase", 1.0, 1.5)
    assert tables.items.to_dict(as_series=False) == {ITEM: ["007", "8"]}
    assert tables.note == (
        "log.csv: 2 rows (separator comma); item_id text, user_id text; no kind: every row is a purchase; "
        "no value: 1 for every row; timestamp seconds since 1970 (by magnitude); no item table: items are bare ids. "
        "Origin and licence are those of your own data."
    )


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-5", "0"], [1, -5, 0]),
        (["1", "007"], ["1", "007"]),
        (["1", "+1"], ["1", "+1"]),
        (["1.0", "2.0"], ["1.0", "2.0"]),
        (["1", " 1"], ["1", " 1"]),
        (["9223372036854775807", "1"], [2**63 - 1, 1]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["1", ""], [1, None]),
        (['""', "a"], [None, "a"]),
        (["-0", "1"], ["-0", "1"]),
    ],
)
def test_an_id_is_an_integer_only_if_every_one_reads_back_as_written(
    tmp_path: Path, cells: list[str], expected: list[Any]
) -> None:
    rows = "".join(f"{cell},i,{TEN_S}\n" for cell in cells)
    tables = read_events(write(tmp_path, "user_id,item_id,timestamp\n" + rows))
    assert tables.events[USER].to_list() == expected


def test_a_leading_zero_far_below_the_head_of_the_file_still_keeps_all_ids_text(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n},{TEN_S}\n" for n in range(5_000)) + f"007,1,{TEN_S}\n"
    tables = read_events(write(tmp_path, "user_id,item_id,timestamp\n" + rows))
    assert tables.events.schema[USER] == pl.String
    assert tables.events.schema[ITEM] == pl.Int64


def test_events_and_items_agree_on_the_type_of_their_ids(tmp_path: Path) -> None:
    log = write(tmp_path, f"user_id,item_id,timestamp\n1,7,{TEN_S}\n")
    goods = write(tmp_path, "sku,category,price,stock,colour\n7,12,3.5,1,red\n007,,,,blue\n", "goods.csv")
    tables = read_events(log, items=goods, item_columns={"sku": ITEM})
    assert tables.events[ITEM].to_list() == ["7"]
    assert tables.items.columns == [ITEM, CATEGORY, PRICE, STOCK, "colour"]
    assert tables.items.rows() == [("7", "12", 3.5, 1.0, "red"), ("007", None, None, None, "blue")]
    assert "goods.csv: 2 rows (separator comma); item_id text." in tables.note


def test_integer_ids_in_one_parquet_and_text_ids_in_the_other_are_refused(tmp_path: Path) -> None:
    pl.DataFrame({USER: [1], ITEM: [1], TIME: [TEN]}).write_parquet(tmp_path / "log.parquet")
    pl.DataFrame({ITEM: ["1"]}).write_parquet(tmp_path / "goods.parquet")
    message = refusal(tmp_path / "log.parquet", items=tmp_path / "goods.parquet")
    assert message == "item_id: is integer ([1]) in one table and text (['1']) in the other; make both alike"


def test_whole_floats_become_integer_ids_and_fractions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pl.DataFrame({USER: [17850.0, None], ITEM: [1, 2], TIME: [TEN, TEN]}).write_parquet(path)
    assert read_events(path).events[USER].to_list() == [17850, None]
    pl.DataFrame({USER: [1.5], ITEM: [1], TIME: [TEN]}).write_parquet(path)
    assert refusal(path) == "user_id: holds [1.5]; ids must be integers or text"
    pl.DataFrame({USER: [2.0**60], ITEM: [1], TIME: [TEN]}).write_parquet(path)  # its neighbours cannot be told apart
    assert refusal(path) == "user_id: holds numbers beyond 2^53; ids must be integers or text"

    pl.DataFrame({USER: pl.Series([2.0**24], dtype=pl.Float32), ITEM: [1], TIME: [TEN]}).write_parquet(path)
    assert refusal(path) == "user_id: holds numbers beyond 2^24; ids must be integers or text"


def test_an_id_with_and_without_a_decimal_point_is_not_two_ids(tmp_path: Path) -> None:
    path = write(tmp_path, f"user_id,item_id,timestamp\n1,7.0,{TEN_S}\n2,8.0,{TEN_S}\n2.0,9.0,{TEN_S}\n")
    assert refusal(path) == "user_id: holds both '2' and '2.0'; write each id in one way, without the .0"
    log = write(tmp_path, f"user_id,item_id,timestamp\n1,7.0,{TEN_S}\n")
    goods = write(tmp_path, "item_id\n7\n8\n", "goods.csv")
    assert "item_id: holds both '7' and '7.0'" in refusal(log, items=goods)


def test_mixed_ids_of_json_lines_are_found_under_their_own_name(tmp_path: Path) -> None:
    rows = [{"visitor": visitor, ITEM: 1, TIME: TEN_S} for visitor in ("1", 1)]
    path = write(tmp_path, "\n".join(map(json.dumps, rows)), "log.jsonl")
    assert "line 2 has the visitor 1 as int, others have it as text" in refusal(path, {"visitor": USER})


@pytest.mark.parametrize(
    ("cell", "unit", "told"),
    [
        (f"{TEN_S}", None, "seconds since 1970 (by magnitude)"),
        (f"{TEN_S}.0", None, "seconds since 1970 (by magnitude)"),
        (f"{TEN_S}000", None, "milliseconds since 1970 (by magnitude)"),
        (f"{TEN_S}000000", None, "microseconds since 1970 (by magnitude)"),
        (f"{TEN_S}000000000", None, "nanoseconds since 1970 (by magnitude)"),
        (f"{TEN_S}", "s", "seconds since 1970"),
        (f"{TEN_S}000", "ms", "milliseconds since 1970"),
        (f"{TEN_S}000000", "us", "microseconds since 1970"),
        ("2021-01-01 10:00:00", None, "ISO 8601, 1 without a zone taken as UTC"),
        ("2021-01-01T10:00:00.000", "iso", "ISO 8601, 1 without a zone taken as UTC"),
        ("2021-01-01T10:00", None, "ISO 8601, 1 without a zone taken as UTC"),
        ("2021-01-01T10:00:00Z", None, "ISO 8601, 1 with a zone converted to UTC"),
        ("2021-01-01T12:00:00+02:00", None, "ISO 8601, 1 with a zone converted to UTC"),
        ("2021-01-01T10:00Z", None, "ISO 8601, 1 with a zone converted to UTC"),
        ("2021-01-01 12:00+02:00", None, "ISO 8601, 1 with a zone converted to UTC"),
        ("2021-01-01 05:00:00.000-0500", None, "ISO 8601, 1 with a zone converted to UTC"),
        ("01/01/2021 10:00", "%d/%m/%Y %H:%M", "by the pattern %d/%m/%Y %H:%M"),
    ],
)
def test_ten_o_clock_is_ten_o_clock_however_it_is_written(
    tmp_path: Path, cell: str, unit: str | None, told: str
) -> None:
    times, note = times_of(tmp_path, [cell], unit)
    assert times == [TEN]
    assert f"; timestamp {told};" in note


def test_days_become_midnight(tmp_path: Path) -> None:
    assert times_of(tmp_path, ["2021-01-01"])[0] == [datetime(2021, 1, 1)]
    assert times_of(tmp_path, ["20210101"], "%Y%m%d")[0] == [datetime(2021, 1, 1)]


def test_fractions_of_a_second_are_kept_to_the_microsecond(tmp_path: Path) -> None:
    exact = datetime(2021, 1, 1, 10, 0, 0, 123_456)
    assert times_of(tmp_path, ["2021-01-01T10:00:00.123456"])[0] == [exact]
    assert times_of(tmp_path, [f"{TEN_S}.123456"])[0] == [exact]
    assert times_of(tmp_path, [f"{TEN_S}123456"])[0] == [exact]


def test_iso_texts_of_several_shapes_in_one_column_are_all_read(tmp_path: Path) -> None:
    cells = ["2021-01-01 10:00:00", "2021-01-01T11:00:00+01:00", "2021-01-01T10:00:00.5Z", "2021-01-01", "soon", ""]
    times, note = times_of(tmp_path, cells)
    assert times == [TEN, TEN, TEN.replace(microsecond=500_000), datetime(2021, 1, 1), None, None]
    assert (
        "2 with a zone converted to UTC, 2 without a zone taken as UTC, 1 unreadable or out of range became null"
        in note
    )


def test_times_out_of_range_become_null_and_clean_counts_them(tmp_path: Path) -> None:
    cells = [f"{TEN_S}", f"{TEN_S}", f"{TEN_S}000", "99999999999999999", "never", "-1"]
    times, note = times_of(tmp_path, cells)
    assert times == [TEN, TEN, None, None, None, datetime(1969, 12, 31, 23, 59, 59)]
    assert "3 unreadable or out of range became null" in note
    _, report = clean(read_events(tmp_path / "log.csv").events)
    assert dict(report.select("reason", "rows").iter_rows())["bad time"] == 4


def test_a_few_wild_numbers_do_not_change_the_unit(tmp_path: Path) -> None:
    times, note = times_of(tmp_path, ["5", f"{TEN_S}000", f"{TEN_S}000"])
    assert times[1:] == [TEN, TEN]
    assert "milliseconds" in note


def test_small_numbers_are_not_taken_for_a_clock_unless_told(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp\na,b,1\na,c,2\n")
    message = refusal(path)
    assert message.startswith(
        "timestamp: numbers such as [1, 2] are too small for a clock; pass time_unit='ordinal' if they are"
    )
    ordinal = read_events(path, time_unit="ordinal")
    assert ordinal.events[TIME].to_list() == [1, 2]
    assert ordinal.events.schema[TIME] == pl.Int64
    assert read_events(path, time_unit="s").events[TIME].to_list()[0] == datetime(1970, 1, 1, 0, 0, 1)
    assert "numbers such as [20210101] are too small" in refusal(
        write(tmp_path, "user_id,item_id,timestamp\na,b,20210101\n")
    )
    assert "numbers such as [-5] are too small" in refusal(
        write(tmp_path, f"user_id,item_id,timestamp\na,b,-5\na,c,{TEN_S}\n")
    )
    halves = write(tmp_path, "user_id,item_id,timestamp\na,b,1.5\n")
    assert "positions must be whole numbers, first: [1.5]" in refusal(halves, time_unit="ordinal")


def test_times_of_which_none_can_be_read_are_an_error(tmp_path: Path) -> None:
    path = write(tmp_path, "user_id,item_id,timestamp\na,b,13/01/2021\na,c,\n")
    message = refusal(path)
    assert message.startswith(
        "timestamp: none of the 1 values can be read as ISO 8601, first: ['13/01/2021', None]; pass"
    )
    assert "none of the 1 values can be read as seconds since 1970" in refusal(path, time_unit="s")
    assert "the pattern %d/%m %Hh cannot be used" in refusal(path, time_unit="%d/%m %Hh")
    assert "time_unit must be one of s, ms, us, ns, iso, ordinal or a pattern with %" in refusal(path, time_unit="sec")
    empty = write(tmp_path, 'user_id,item_id,timestamp\na,b,\na,c,""\n')
    assert refusal(empty).startswith("timestamp: all 2 values are missing; fill them, or see whether")


def test_typed_times_of_a_parquet_are_converted_by_their_type(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    aware = pl.Series([TEN.replace(tzinfo=UTC)]).dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ns")
    pl.DataFrame({USER: [1], ITEM: [1], TIME: aware}).write_parquet(path)
    tables = read_events(path)
    assert tables.events.schema[TIME] == pl.Datetime("us")
    assert tables.events[TIME].to_list() == [TEN]
    assert "timestamp converted from Asia/Tokyo to UTC" in tables.note
    pl.DataFrame({USER: [1], ITEM: [1], TIME: [TEN.date()]}).write_parquet(path)
    assert "timestamp dates, taken as midnight UTC" in read_events(path).note
    pl.DataFrame({USER: [1], ITEM: [1], TIME: [True]}).write_parquet(path)
    assert "timestamp: is Boolean, must be a time, a number or text" in refusal(path)


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_typed_times_that_python_cannot_show_become_null_and_are_counted(tmp_path: Path, unit: Any) -> None:
    path = tmp_path / "log.parquet"
    wild = pl.Series([2**62 if unit != "ns" else None, 0, None]).cast(pl.Datetime(unit))
    pl.DataFrame({USER: [1, 1, 1], ITEM: [1, 2, 3], TIME: wild}).write_parquet(path)
    tables = read_events(path)
    assert tables.events[TIME].to_list() == [None, datetime(1970, 1, 1), None]
    assert ("1 unreadable or out of range became null" in tables.note) == (unit != "ns")


def test_impossible_values_come_in_for_clean_to_count(tmp_path: Path) -> None:
    rows = "".join(f"u,{n},{TEN_S},view,{value}\n" for n, value in enumerate(["1.5", "NaN", "-2", "inf", '" "', "2"]))
    events = read_events(write(tmp_path, FULL + rows)).events
    assert str(events[VALUE].to_list()) == "[1.5, nan, -2.0, inf, None, 2.0]"
    _, report = clean(events)
    assert dict(report.select("reason", "rows").iter_rows())["bad value"] == 4


def test_a_value_that_is_no_number_is_quoted_with_its_row(tmp_path: Path) -> None:
    rows = "".join(f"u,{n},{TEN_S},view,{value}\n" for n, value in enumerate(["1.5", "many", "2,5"]))
    message = refusal(write(tmp_path, FULL + rows.replace("2,5", '"2,5"')))
    assert (
        message
        == "value: 2 values are no numbers, first: data row 2 ('many'), data row 3 ('2,5'); correct or empty them"
    )


def test_missing_columns_are_named_with_what_may_have_been_meant(tmp_path: Path) -> None:
    path = write(tmp_path, f"userid,item_id, timestamp\nu,i,{TEN_S}\n")
    message = refusal(path)
    assert "no column 'user_id' (is it 'userid'?), 'timestamp' (is it ' timestamp'?)" in message
    assert "give theirs -> ours, such as columns={'its name for it': 'user_id'}" in message
    assert "no column 'user' (is it 'userid'?); the file has userid, item_id" in refusal(path, {"user": USER})


def test_two_columns_of_one_name_after_renaming_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f"user_id,account,item_id,timestamp\n1,2,3,{TEN_S}\n")
    assert "after renaming: doubled columns 'user_id' (2 times); rename or remove one" in refusal(
        path, {"account": USER}
    )


def test_kinds_are_renamed_and_unknown_ones_left_for_clean(tmp_path: Path) -> None:
    rows = "".join(f"u,{n},{TEN_S},{kind},1\n" for n, kind in enumerate(["pv", "buy", "stare", "view", ""]))
    path = write(tmp_path, FULL + rows)
    tables = read_events(path, kinds={"pv": "view", "buy": "purchase"})
    assert tables.events[KIND].to_list() == ["view", "purchase", "stare", "view", None]
    assert "2 rows of unknown kinds (" in tables.note
    assert refusal(path, kinds={"pv": "look"}) == "kinds: ['look'] are not among view, cart, purchase, review"


def test_a_log_without_any_known_kind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, FULL + f"u,1,{TEN_S},pv,1\nu,2,{TEN_S},pv,1\n")
    assert (
        refusal(path)
        == "kind: none of ['pv'] is known; rename them to view, cart, purchase, review, in the file or by kinds={'pv': 'view', ...}"
    )


def test_optional_columns_get_their_types_and_others_are_kept(tmp_path: Path) -> None:
    head = "user_id,item_id,timestamp,basket_id,price,text,paid,code,flag\n"
    path = write(tmp_path, head + f"1,2,{TEN_S},77,1.50,12,-3.0,0012,4\n1,2,{TEN_S},78,,nice,2,12,\n")
    events = read_events(path).events
    assert events.select(BASKET, PRICE, "text", "paid", "code", "flag").rows() == [
        (77, 1.5, "12", -3.0, "0012", 4),
        (78, None, "nice", 2.0, "12", None),
    ]


def test_an_item_table_alone_comes_with_no_events(tmp_path: Path) -> None:
    tables = read_items(write(tmp_path, "sku,price\n1,2.5\n2,\n"), {"sku": ITEM})
    assert tables.events.is_empty()
    assert tables.items.rows() == [(1, 2.5), (2, None)]
    assert tables.note.startswith("log.csv: 2 rows (separator comma); item_id integer.")


def test_an_item_table_with_doubled_ids_or_negative_prices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        SchemaError, match=r"item_id: 2 in rows of a doubled id, first: row 0 \(1\), row 2 \(1\)"
    ) as caught:
        read_items(write(tmp_path, "item_id,price\n1,2\n2,-1\n1,3\n"))
    assert r"price: 1 negative, first: row 1 (-1.0)" in str(caught.value)
    log = write(tmp_path, f"user_id,item_id,timestamp\n1,7,{TEN_S}\n", "visits.csv")
    assert "price: 1 negative, first: row 1 (-1.0)" in refusal(log, items=tmp_path / "log.csv")


def test_a_query_without_a_connection_is_recognised() -> None:
    with pytest.raises(SchemaError, match="this looks like a SQL query; pass connection="):
        read_events("SELECT * FROM log")
