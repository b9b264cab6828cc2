"""recolab.histories: every known event is packed once, in order, and every window and batch is worked by hand."""

import time
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recolab.histories import (
    PAD,
    all_windows,
    bucketed_batches,
    build_catalog,
    lay_out,
    load_catalog,
    load_histories,
    newest_window,
    next_visits,
    pack,
    visits,
)
from recolab.histories.catalog import Catalog
from recolab.histories.packed import ranges
from recolab.schema import (
    CART,
    CATEGORY,
    ITEM,
    KINDS,
    PRICE,
    PURCHASE,
    REVIEW,
    TIME,
    TITLE,
    USER,
    VIEW,
    SchemaError,
)

START = datetime(2024, 1, 1)
MIDNIGHT = 1_704_067_200  # 2024-01-01 00:00 UTC in seconds since 1970


def log(*rows, **more):
    """A purchase log of (user, item, day) rows."""
    users, items, days = zip(*rows, strict=True)
    return pl.DataFrame({USER: users, ITEM: items, TIME: [START + timedelta(days=day) for day in days], **more})


def packed(*rows, **more):
    events = log(*rows, **more)
    return pack(events, build_catalog(events))


def same(left, right):
    assert left.users == right.users
    assert (left.as_of, left.ordinal) == (right.as_of, right.ordinal)
    for name in ("items", "offsets", "times", "kinds"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)
        assert getattr(left, name).dtype == getattr(right, name).dtype


# Ann: a basket {1, 3} on day 0, then 2, then 1; Bob: nothing known; Cid: 3, then the basket {2, 1}.
SMALL = [("ann", 10, 0), ("cid", 30, 1), ("ann", 30, 0), ("ann", 20, 2), ("cid", 20, 3), ("cid", 10, 3), ("ann", 10, 5)]


# Catalog


def test_rows_follow_the_sorted_ids_after_an_empty_row_for_pad():
    catalog = build_catalog(log(("a", 30, 0), ("b", 10, 0), ("a", 20, 1), ("c", 10, 2)))
    assert catalog.items[ITEM].to_list() == [None, 10, 20, 30]
    assert len(catalog) == 4
    assert catalog.rows([20, 99, 10, 20]).tolist() == [2, PAD, 1, 2]
    assert catalog.rows([20]).dtype == np.int32
    assert catalog.rows([]).tolist() == []
    assert catalog.ids([3, PAD, 1]) == [30, None, 10]


@pytest.mark.parametrize("dtype", [pl.Int16, pl.UInt32])
def test_a_number_too_large_for_the_catalog_is_merely_unknown(dtype):
    catalog = build_catalog(log(("a", 1, 0)).with_columns(pl.col(ITEM).cast(dtype)))
    assert catalog.rows([2**40, -1, 1]).tolist() == [PAD, PAD, 1]


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["b", "a"])])
def test_categories_are_ids_too(dtype):
    events = log(("x", "b", 0), ("y", "a", 0)).with_columns(pl.col(ITEM).cast(dtype))
    catalog = build_catalog(events)
    assert catalog.ids(catalog.rows(["a", "zz", "b"])) == ["a", None, "b"]
    assert catalog.ids(pack(events, catalog).items) == ["b", "a"]


@pytest.mark.parametrize(("held", "asked"), [([1, 2], ["1"]), (["1", "2"], [1]), ([1, 2], [uuid.UUID(int=1)])])
def test_an_id_of_another_type_is_refused_not_missed(held, asked):
    catalog = build_catalog(log(*((0, item, 0) for item in held)))
    with pytest.raises(SchemaError, match="convert one of the two"):
        catalog.rows(asked)


def test_ids_of_two_types_in_one_list_are_refused():
    catalog = build_catalog(log((0, 1, 0)))
    with pytest.raises(SchemaError, match="mixes int and str"):
        catalog.rows([1, "1"])
    mixed = pd.DataFrame({USER: [1, 1], ITEM: pd.Series([1, "1"], dtype=object), TIME: pd.to_datetime([START, START])})
    with pytest.raises(SchemaError, match="item_id mixes int and str"):
        build_catalog(mixed)
    with pytest.raises(SchemaError, match="user_id mixes int and str"):
        pack(mixed.rename(columns={USER: ITEM, ITEM: USER}), catalog)


@pytest.mark.parametrize(
    ("engine", "name_of"),
    [
        (pl.DataFrame, int),
        (pl.DataFrame, str),
        (pd.DataFrame, int),
        (pd.DataFrame, str),
        (pd.DataFrame, lambda i: uuid.UUID(int=i)),
    ],
    ids=["polars int", "polars str", "pandas int", "pandas str", "pandas uuid"],
)
def test_ids_come_back_in_the_type_they_came_in(engine, name_of, tmp_path):
    raw = [name_of(i) for i in (7, 5, 7, 11)]
    events = engine({USER: raw[::-1], ITEM: raw, TIME: [START + timedelta(days=d) for d in range(4)]})
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    assert sorted(catalog.ids([1, 2, 3])) == sorted(set(raw))
    assert catalog.ids(catalog.rows(raw)) == raw
    assert sorted(histories.users) == sorted(set(raw))
    assert catalog.ids(histories.take(np.array([histories.users.index(raw[0])])).items) == [raw[1], raw[3]]
    catalog.save(tmp_path / "catalog.parquet")
    histories.save(tmp_path / "histories.safetensors")
    again = load_catalog(tmp_path / "catalog.parquet")
    assert again.items.equals(catalog.items)
    assert again.ids(again.rows(raw)) == raw
    same(load_histories(tmp_path / "histories.safetensors"), histories)


def test_a_price_is_the_listed_one_or_else_the_median_paid_in_the_past():
    events = log(("a", 1, 0), ("a", 1, 1), ("b", 1, 2), ("b", 2, 3), ("b", 3, 3), price=[4.0, 9.0, 5.0, 7.0, None])
    assert build_catalog(events).items[PRICE].to_list() == [None, 5.0, 7.0, None]
    listed = pl.DataFrame({ITEM: [1, 2, 3], PRICE: [None, 6, None]})
    assert build_catalog(events, listed).items[PRICE].to_list() == [None, 5.0, 6.0, None]
    no_number = listed.with_columns(pl.col(PRICE).cast(float).fill_null(float("nan")))
    assert build_catalog(events, no_number).items[PRICE].to_list() == [None, 5.0, 6.0, None]
    past = events.filter(pl.col(TIME) < START + timedelta(days=2))
    assert build_catalog(past).items[PRICE].to_list() == [None, 6.5]


def test_a_price_that_is_no_price_is_unknown():
    events = log(("a", 1, 0), ("a", 1, 1), ("b", 2, 2), ("b", 3, 3), price=[4.0, -4.0, float("nan"), float("inf")])
    assert build_catalog(events).items[PRICE].to_list() == [None, 4.0, None, None]
    listed = pl.DataFrame({ITEM: [1, 2, 3], PRICE: [float("nan"), float("nan"), 6.0]})
    assert build_catalog(events, listed).items[PRICE].to_list() == [None, 4.0, None, 6.0]
    assert build_catalog(events.drop(PRICE), listed).items[PRICE].to_list() == [None, None, None, 6.0]


def test_a_sold_item_that_the_item_table_lacks_stays_with_unknown_attributes():
    shelf = pl.DataFrame({ITEM: [3, 1, 8], TITLE: ["three", "one", "never sold"]})
    catalog = build_catalog(log(("a", 1, 0), ("a", 2, 1), ("b", 3, 2)), shelf)
    assert catalog.items[ITEM].to_list() == [None, 1, 2, 3]
    assert catalog.column(TITLE).to_list() == [None, "one", None, "three"]
    assert catalog.titles([3, 2]) == ["three", "2"]
    assert catalog.column(CATEGORY).to_list() == [None] * 4


def test_an_item_table_that_names_items_twice_or_in_another_type_is_refused():
    events = log(("a", 1, 0))
    with pytest.raises(SchemaError, match=r"1 items stand twice in the item table, first \[1\]"):
        build_catalog(events, pl.DataFrame({ITEM: [1, 1, 2]}))
    with pytest.raises(SchemaError, match="is Int64 in the events and String in the item table"):
        build_catalog(events, pl.DataFrame({ITEM: ["1"]}))


# Packing


def test_a_small_log_is_packed_by_user_and_time():
    histories = packed(*SMALL)
    assert histories.users == ["ann", "cid"]
    assert histories.offsets.tolist() == [0, 4, 7]
    assert histories.items.tolist() == [1, 3, 2, 1, 3, 2, 1]
    assert ((histories.times - MIDNIGHT) / 86_400).tolist() == [0, 0, 2, 5, 1, 3, 3]
    assert histories.lengths.tolist() == [4, 3]
    assert histories.owners.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert histories.as_of == MIDNIGHT + 5 * 86_400
    assert histories.ages.tolist() == [5, 5, 3, 0, 4, 2, 2]
    assert len(histories) == 2


def test_kinds_are_kept_and_a_log_without_them_is_all_purchases():
    rows = [("a", 1, day) for day in range(4)]
    histories = packed(*rows, kind=[REVIEW, VIEW, CART, PURCHASE])
    assert [KINDS[code] for code in histories.kinds] == [REVIEW, VIEW, CART, PURCHASE]
    assert histories.weights().tolist() == [5, 1, 3, 5]
    assert histories.weights(half_life_days=1).tolist() == [5 / 8, 1 / 4, 3 / 2, 5]
    assert [KINDS[code] for code in packed(*rows).kinds] == [PURCHASE] * 4


def test_an_event_of_an_unknown_item_is_left_out_and_its_user_stays():
    events = log(("a", 1, 0), ("a", 9, 1), ("b", 9, 2))
    histories = pack(events, build_catalog(log(("x", 1, 0))))
    assert histories.users == ["a", "b"]
    assert histories.lengths.tolist() == [1, 0]
    assert histories.items.tolist() == [1]
    assert histories.as_of == MIDNIGHT + 2 * 86_400  # the log was read up to there


def test_the_moment_of_the_next_list_can_be_given():
    events = log(("a", 1, 0))
    histories = pack(events, build_catalog(events), as_of=START + timedelta(days=2, hours=12))
    assert histories.ages.tolist() == [2.5]
    assert pack(events, build_catalog(events), as_of=MIDNIGHT + 86_400).ages.tolist() == [1]
    noon = START + timedelta(days=2, hours=12)
    for unit in ("us", "ns", "m"):
        assert pack(events, build_catalog(events), as_of=np.datetime64(noon, unit)).as_of == histories.as_of


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_are_seconds_whatever_their_unit(unit):
    events = log(("a", 1, 3)).with_columns(pl.col(TIME).dt.cast_time_unit(unit))
    assert pack(events, build_catalog(events)).times.tolist() == [MIDNIGHT + 3 * 86_400]


def test_positions_stay_positions_and_age_in_steps_from_the_end_of_their_own_history():
    events = log(("a", 1, 0), ("a", 2, 0), ("b", 1, 0)).with_columns(pl.Series(TIME, [5, 2, 3]))
    histories = pack(events, build_catalog(events))
    assert histories.ordinal
    assert histories.times.tolist() == [2, 5, 3]
    assert histories.ages.tolist() == [3, 0, 0]  # b's third step is not older than a's fifth
    assert histories.weights(half_life_days=1).tolist() == [5 / 8, 5, 5]
    assert histories.ages_of(np.array([2, 0])).tolist() == [0, 3]
    empty_between = replace(histories, users=["a", "nobody", "b"], offsets=np.array([0, 2, 2, 3]))
    assert empty_between.ages.tolist() == [3, 0, 0]


events_of_anyone = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(0, 6), st.sampled_from(KINDS)), min_size=1, max_size=40
)


def table(rows):
    return log(*(row[:3] for row in rows), kind=[row[3] for row in rows])


@given(rows=events_of_anyone, sold=st.sets(st.integers(0, 8), min_size=1))
@settings(max_examples=80, deadline=None)
def test_every_known_event_is_packed_once_sorted_by_user_and_time_in_the_order_of_the_log(rows, sold):
    catalog = build_catalog(log(*((0, item, 0) for item in sold)))
    histories = pack(table(rows), catalog)
    expected = sorted((row for row in rows if row[1] in sold), key=lambda row: (row[0], row[2]))  # a stable sort
    unpacked = zip(
        [histories.users[b] for b in histories.owners],
        catalog.ids(histories.items),
        ((histories.times - MIDNIGHT) // 86_400).tolist(),
        [KINDS[code] for code in histories.kinds],
        strict=True,
    )
    assert list(unpacked) == expected
    assert histories.users == sorted({row[0] for row in rows})


@given(rows=events_of_anyone.filter(lambda rows: len(rows) > 1), data=st.data())
@settings(max_examples=60, deadline=None)
def test_extending_is_packing_all_at_once_even_where_events_come_late(rows, data):
    cut = data.draw(st.integers(1, len(rows) - 1))
    catalog = build_catalog(table(rows))
    longer = pack(table(rows[:cut]), catalog).extend(pack(table(rows[cut:]), catalog))
    whole = pack(table(rows), catalog)
    same(longer.take(np.array([longer.users.index(user) for user in whole.users])), whole)


def test_extending_keeps_the_places_of_known_users_and_puts_new_ones_last():
    events = log(("b", 1, 0), ("c", 1, 1), ("b", 2, 2), ("a", 2, 3))
    catalog = build_catalog(events)
    longer = pack(events[:2], catalog).extend(pack(events[2:], catalog))
    assert longer.users == ["b", "c", "a"]
    assert longer.offsets.tolist() == [0, 2, 3, 4]
    assert longer.items.tolist() == [1, 2, 1, 2]


def test_taking_picks_in_the_order_asked_and_the_last_are_the_newest():
    histories = packed(*SMALL)
    chosen = histories.take(np.array([1, 0, 1]))
    assert chosen.users == ["cid", "ann", "cid"]
    assert chosen.offsets.tolist() == [0, 3, 7, 10]
    assert chosen.items.tolist() == [3, 2, 1, 1, 3, 2, 1, 3, 2, 1]
    same(histories.take(slice(0, 1)), histories.take(np.array([0])))
    newest = histories.last(2)
    assert newest.items.tolist() == [2, 1, 2, 1]
    assert newest.offsets.tolist() == [0, 2, 4]
    same(histories.last(99), histories)
    assert histories.last(0).lengths.tolist() == [0, 0]


def test_the_users_by_items_table_sums_events_or_their_weights():
    histories = packed(*SMALL)
    assert histories.matrix(4).toarray().tolist() == [[0, 2, 1, 1], [0, 1, 1, 1]]
    weights = np.arange(7, dtype=np.float32)
    assert histories.matrix(4, weights).toarray().tolist() == [[0, 3, 2, 1], [0, 6, 5, 4]]


def test_a_write_that_fails_leaves_the_old_histories(tmp_path, monkeypatch):
    path = tmp_path / "histories.safetensors"
    histories = packed(*SMALL)
    histories.save(path)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recolab.histories.packed.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        histories.last(1).save(path)
    same(load_histories(path), histories)
    assert [file.name for file in tmp_path.iterdir()] == ["histories.safetensors"]


def test_a_million_events_are_packed_in_a_blink():
    rng = np.random.default_rng(0)
    events = pl.DataFrame(
        {
            USER: rng.integers(0, 50_000, 1_000_000),
            ITEM: rng.integers(0, 20_000, 1_000_000),
            TIME: rng.integers(MIDNIGHT, MIDNIGHT + 10**7, 1_000_000) * 1_000_000,
        }
    ).with_columns(pl.col(TIME).cast(pl.Datetime("us")))
    started = time.perf_counter()
    histories = pack(events, build_catalog(events))
    assert time.perf_counter() - started < 3
    assert len(histories.items) == 1_000_000


def test_ranges_are_listed_one_after_another():
    indices, offsets = ranges(np.array([5, 2, 7]), np.array([7, 2, 10]))
    assert indices.tolist() == [5, 6, 7, 8, 9]
    assert offsets.tolist() == [0, 2, 2, 5]


# Windows and batches


def test_events_of_one_moment_are_one_visit():
    visited = visits(packed(*SMALL))
    assert visited.starts.tolist() == [0, 2, 3, 4, 5, 7]
    assert visited.offsets.tolist() == [0, 3, 5]


def test_two_users_at_one_moment_make_two_visits_and_an_empty_history_none():
    events = log(("a", 1, 0), ("b", 9, 0), ("c", 2, 0), ("d", 9, 0))
    visited = visits(pack(events, build_catalog(events.filter(pl.col(ITEM) < 9))))
    assert visited.starts.tolist() == [0, 1, 2]
    assert visited.offsets.tolist() == [0, 1, 1, 2, 2]
    assert newest_window(visited, 5).tolist() == [[0, 1], [1, 1], [1, 2], [2, 2]]
    assert all_windows(visited, 5).tolist() == [[0, 1], [1, 2]]


def test_the_newest_window_holds_the_last_visits():
    assert newest_window(visits(packed(*SMALL)), 2).tolist() == [[1, 3], [3, 5]]


def test_windows_are_cut_from_the_newest_visit_back():
    histories = packed(*((user, 1, day) for user, n in (("a", 5), ("b", 2)) for day in range(n)))
    assert all_windows(visits(histories), 2).tolist() == [[3, 5], [1, 3], [0, 1], [5, 7]]


@given(rows=events_of_anyone, max_len=st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_windows_lose_no_visit_and_hold_none_twice(rows, max_len):
    visited = visits(packed(*(row[:3] for row in rows)))
    windows = all_windows(visited, max_len)
    assert sorted(ranges(windows[:, 0], windows[:, 1])[0]) == list(range(len(visited.starts) - 1))
    assert (windows[:, 1] - windows[:, 0]).max() <= max_len
    owner = np.searchsorted(visited.offsets, windows, side="right")
    assert (owner[:, 0] == np.searchsorted(visited.offsets, windows[:, 1] - 1, side="right")).all()  # one user each


def test_windows_are_laid_out_to_the_right():
    histories = packed(*SMALL)
    visited = visits(histories)
    both = lay_out(histories, visited, newest_window(visited, 9))
    assert both.is_visit.tolist() == [[True, True, True], [False, True, True]]
    assert both.items.tolist() == [1, 3, 2, 1, 3, 2, 1]
    assert both.starts.tolist() == [0, 2, 3, 4, 5]
    assert both.cells.tolist() == [0, 1, 2, 4, 5]
    turned = lay_out(histories, visited, np.array([[3, 5], [2, 3]]))
    assert turned.items.tolist() == [3, 2, 1, 1]
    assert turned.starts.tolist() == [0, 1, 3]
    assert turned.cells.tolist() == [0, 1, 3]


def test_a_history_of_nothing_is_a_row_of_padding():
    histories = packed(*SMALL).last(0)
    visited = visits(histories)
    empty = lay_out(histories, visited, newest_window(visited, 4))
    assert empty.is_visit.tolist() == [[False], [False]]
    assert [len(part) for part in (empty.items, empty.starts, empty.cells)] == [0, 0, 0]


def test_each_visit_asks_for_the_items_of_the_next_one():
    histories = packed(*SMALL)
    visited = visits(histories)
    # Visits: 0 {1, 3} -> 1 {2} -> 2 {1} of Ann; 3 {3} -> 4 {2, 1} of Cid.
    owners, targets = next_visits(histories, visited, newest_window(visited, 9))
    assert owners.tolist() == [0, 1, 3, 3]
    assert targets.tolist() == [2, 1, 2, 1]
    # Windows of one visit, newest first: visits 2, 1, 0 and 4, 3; owners count in that order.
    owners, targets = next_visits(histories, visited, all_windows(visited, 1))
    assert owners.tolist() == [1, 2, 4, 4]
    assert targets.tolist() == [1, 2, 2, 1]


def test_an_empty_history_takes_no_target_from_its_neighbour():
    events = log(("a", 1, 0), ("a", 2, 1), ("b", 9, 0), ("c", 1, 0), ("c", 2, 1), ("d", 9, 1))
    histories = pack(events, build_catalog(events.filter(pl.col(ITEM) < 9)))
    visited = visits(histories)
    owners, targets = next_visits(histories, visited, newest_window(visited, 9))
    assert owners.tolist() == [0, 2]
    assert targets.tolist() == [2, 2]


def test_histories_that_begin_empty_lose_no_target():
    events = log(("a", 9, 0), ("b", 1, 0), ("b", 2, 1))
    histories = pack(events, build_catalog(events.filter(pl.col(ITEM) < 9)))
    visited = visits(histories)
    owners, targets = next_visits(histories, visited, newest_window(visited, 9))
    assert (owners.tolist(), targets.tolist()) == ([0], [2])


@given(
    lengths=st.lists(st.integers(1, 30), max_size=40).map(lambda lengths: np.array(lengths, np.int64)),
    positions=st.integers(1, 100),
    seed=st.none() | st.integers(0, 5),
)
@settings(max_examples=100, deadline=None)
def test_batches_hold_each_history_once_and_no_more_cells_than_allowed(lengths, positions, seed):
    rng = None if seed is None else np.random.default_rng(seed)
    batches = list(bucketed_batches(lengths, positions, rng))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:  # a history longer than the budget goes alone
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= positions


def test_batches_gather_like_lengths_and_follow_their_seed():
    lengths = np.repeat([20, 1, 5], 8)
    in_order = list(bucketed_batches(lengths, 40))
    assert [lengths[batch].tolist() for batch in in_order] == [[1] * 8, [5] * 8, *[[20] * 2] * 4]
    once, again, other = (list(bucketed_batches(lengths, 40, np.random.default_rng(s))) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(once, again, strict=True))
    assert [batch.tolist() for batch in once] != [batch.tolist() for batch in other]


def test_a_catalog_without_items_has_pad_alone():
    assert Catalog(pl.DataFrame({ITEM: [None]}, schema={ITEM: pl.Int64})).rows([1, 2]).tolist() == [PAD, PAD]


def test_without_the_last_event_who_had_no_other_is_left_out():
    events = log((1, 10, 0), (1, 20, 1), (1, 30, 2), (2, 10, 0), (3, 20, 0), (3, 10, 1))
    catalog = build_catalog(events)
    shorter = pack(events, catalog).without_last()
    assert shorter.users == [1, 3]
    assert catalog.ids(shorter.items) == [10, 20, 20]
    assert shorter.offsets.tolist() == [0, 2, 3]
    assert shorter.times.tolist() == pack(events, catalog).times[[0, 1, 4]].tolist()
    assert len(shorter.without_last().without_last()) == 0


def test_a_catalog_that_grows_keeps_its_rows_and_what_they_say():
    old = build_catalog(log(("a", 5, 0), ("a", 9, 0)), pl.DataFrame({ITEM: [5, 9], TITLE: ["five", "nine"]}))
    newer = build_catalog(
        log(("a", 1, 0), ("a", 9, 0), ("a", 7, 0)), pl.DataFrame({ITEM: [9, 7], TITLE: ["another nine", "seven"]})
    )
    grown = old.grow(newer.items)
    assert grown.ids(range(5)) == [None, 5, 9, 1, 7]
    assert grown.titles(range(1, 5)) == ["five", "nine", "1", "seven"]
    assert grown.rows([7, 5, 3]).tolist() == [4, 1, PAD]
    assert len(old) == 3
    assert grown.grow(newer.items).items.equals(grown.items)  # nothing new, nothing changed


def test_uuids_stay_uuids_in_a_catalog_that_grows():
    first, second = uuid.UUID(int=2), uuid.UUID(int=1)
    old, newer = (build_catalog(pd.DataFrame({ITEM: [item]})) for item in (first, second))
    grown = old.grow(newer.items)
    assert grown.ids([1, 2]) == [first, second]


def test_what_a_catalog_cannot_grow_by_is_named():
    catalog = build_catalog(log(("a", 5, 0)))
    with pytest.raises(SchemaError, match="item_id is String here and Int64 in the catalog"):
        catalog.grow(pl.DataFrame({ITEM: ["5"]}))
    with pytest.raises(SchemaError, match=r"item_id: 1 new items stand twice in the table, first \[7\]"):
        catalog.grow(pl.DataFrame({ITEM: [7, 7, 8]}))


def test_some_of_the_events_are_kept_and_all_of_the_histories():
    histories = packed(("a", 1, 0), ("a", 2, 1), ("b", 1, 2), ("c", 2, 3))
    few = histories.where(np.array([False, True, False, True]))
    assert few.users == ["a", "b", "c"]
    assert few.offsets.tolist() == [0, 1, 1, 2]
    assert few.items.tolist() == [2, 2]
    assert few.times.tolist() == histories.times[[1, 3]].tolist()
    assert few.as_of == histories.as_of


def test_a_batch_is_as_wide_as_its_longest_history_wherever_that_stands():
    class Stir:
        """Stirs so that the longest comes first, and leaves batches in order."""

        def random(self, n):
            return np.array([0.0] + [1.0] * (n - 1))

        def shuffle(self, batches):
            pass

    lengths = np.array([20, 19, 19, 19, 19])  # three with the long one are 60 cells, three of the others 57
    assert [batch.tolist() for batch in bucketed_batches(lengths, 59, Stir())] == [[0, 1], [2, 3, 4]]
    assert list(bucketed_batches(lengths[:0], 59)) == []
    assert [batch.tolist() for batch in bucketed_batches(lengths[:2], 5)] == [[1], [0]]  # longer than a batch: alone
