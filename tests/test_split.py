"""The past never holds a piece of the future, whichever rule cuts the log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recolab.schema import BASKET, CART, ITEM, KIND, PURCHASE, SESSION, TIME, USER, VALUE, VIEW
from recolab.split import LeakError, Split, SplitError, assert_no_leak, by_time, cut_at, last_basket, leave_one_out

START = datetime(2024, 1, 1)


def log(rows: list[tuple[str, str, int]], **extra: list[object]) -> pl.DataFrame:
    """(user, item, minute) rows, all purchases."""
    table = pl.DataFrame(rows, schema=[USER, ITEM, "minute"], orient="row").select(
        USER,
        ITEM,
        (pl.lit(START) + pl.duration(minutes="minute")).alias(TIME),
        pl.lit(PURCHASE).alias(KIND),
        pl.lit(1.0).alias(VALUE),
    )
    return table.with_columns(**{name: pl.Series(values) for name, values in extra.items()})


def minute(number: int) -> datetime:
    return START + timedelta(minutes=number)


def items(side: pl.DataFrame) -> list[str]:
    return side[ITEM].to_list()


# by_time


def test_by_time_gives_the_first_basket_after_the_cut_and_only_to_users_with_a_past() -> None:
    events = log(
        [("u", "a", 0), ("u", "b", 10), ("u", "c", 10), ("u", "d", 20), ("new", "e", 11), ("gone", "f", 3)],
        basket_id=[1, 2, 2, 3, 4, 5],
    )
    split = by_time(events, minute(10))
    assert items(split.past) == ["a", "f"]
    assert items(split.future) == ["b", "c"]
    assert split.rule == "by_time(2024-01-01 00:10:00)"


def test_by_time_keeps_a_basket_whole_when_its_rows_straddle_minutes() -> None:
    events = log([("u", "a", 0), ("u", "b", 10), ("u", "c", 12)], basket_id=[1, 2, 2])
    assert items(by_time(events, minute(10)).future) == ["b", "c"]


def test_a_basket_that_straddles_the_cut_is_no_target_and_its_later_rows_are_left_out() -> None:
    events = log([("u", "a", 0), ("u", "b", 9), ("u", "c", 11), ("u", "d", 20)], basket_id=[1, 2, 2, 3])
    split = by_time(events, minute(10))
    assert items(split.past) == ["a", "b"]
    assert items(split.future) == ["d"]


def test_a_basket_is_a_session_without_basket_ids_and_a_moment_without_sessions() -> None:
    rows = [("u", "a", 0), ("u", "b", 10), ("u", "c", 11)]
    assert items(by_time(log(rows, session_id=["x", "y", "y"]), minute(10)).future) == ["b", "c"]
    assert items(by_time(log(rows), minute(10)).future) == ["b"]


def test_rows_without_a_basket_do_not_form_one_huge_basket() -> None:
    events = log([("u", "a", 0), ("u", "b", 10), ("u", "c", 30)], basket_id=[None, None, 7], session_id=[1, 2, 2])
    assert items(by_time(events, minute(10)).future) == ["b"]


def test_one_checkout_over_two_sessions_is_one_basket() -> None:
    events = log([("u", "a", 0), ("u", "b", 10), ("u", "c", 11)], basket_id=[1, 2, 2], session_id=[1, 2, 3])
    assert items(by_time(events, minute(5)).future) == ["b", "c"]


def test_equal_basket_ids_of_two_users_are_two_baskets() -> None:
    events = log([("u", "a", 0), ("v", "b", 1), ("u", "c", 10), ("v", "d", 20)], basket_id=[1, 9, 5, 1])
    assert items(by_time(events, minute(5)).future) == ["c", "d"]


def test_target_kinds_skip_the_views_before_a_purchase() -> None:
    events = log([("u", "a", 0), ("u", "b", 10), ("u", "c", 11), ("u", "d", 12)]).with_columns(
        pl.Series(KIND, [VIEW, VIEW, CART, PURCHASE])
    )
    assert items(by_time(events, minute(5)).future) == ["b"]
    assert items(by_time(events, minute(5), target_kinds=(PURCHASE,)).future) == ["d"]


def test_a_floor_that_no_item_reaches_is_named() -> None:
    events = log([("u", "a", 0), ("u", "b", 1), ("u", "a", 20)])
    with pytest.raises(SplitError, match=r"no item has 5 users before the cut .*the past has 1 users and 2 items"):
        by_time(events, minute(10), min_item_users=5)


def test_an_aware_cut_is_read_as_its_moment_in_utc() -> None:
    events = log([("u", "a", 0), ("u", "b", 120)])
    cut = datetime(2024, 1, 1, 2, 0, tzinfo=timezone(timedelta(hours=1)))  # 01:00 UTC
    assert by_time(events, cut).rule == "by_time(2024-01-01 01:00:00)"


def test_the_same_rule_on_the_past_gives_a_validation_split() -> None:
    events = log([("u", "a", 0), ("u", "b", 10), ("u", "c", 20)])
    inner = by_time(by_time(events, minute(20)).past, minute(10))
    assert (items(inner.past), items(inner.future)) == (["a"], ["b"])


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (log([("u", "a", 0), ("u", "b", 1)]), "before the cut.*cut_at"),
        (log([("u", "a", 900), ("u", "b", 901)]), "at or after the cut"),
        (log([("u", "a", 0)]), "1 event"),
        (log([("u", "a", 0), ("v", "b", 900)]), "nothing to judge"),
        (log([("u", "a", 0), ("u", "b", 900)]).with_columns(pl.Series(TIME, [1, 2])), "ordinal.*leave_one_out"),
        (log([("u", "a", 0), ("u", "b", 900)]).with_columns(pl.col(TIME).cast(pl.String)), "naive UTC"),
        (log([("u", "a", 0), ("u", "b", 900)]).drop(USER), "no column"),
        (log([("u", "a", 0), ("u", "b", 900)]).with_columns(pl.Series(USER, ["u", None])), "clean"),
    ],
)
def test_by_time_says_what_is_wrong_with_a_log(events: pl.DataFrame, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        by_time(events, minute(100))


def test_target_kinds_that_never_happen_are_an_error() -> None:
    with pytest.raises(SplitError, match=r"review.*purchase"):
        by_time(log([("u", "a", 0), ("u", "b", 9)]), minute(5), target_kinds=("review",))


# leave_one_out


def test_leave_one_out_takes_the_last_event_by_time_then_by_row() -> None:
    events = log([("u", "late", 9), ("u", "a", 0), ("v", "x", 1), ("u", "later", 9), ("v", "y", 0), ("once", "z", 4)])
    split = leave_one_out(events)
    assert items(split.future) == ["x", "later"]
    assert items(split.past) == ["late", "a", "y", "z"]


def test_leave_one_out_reads_ordinal_positions() -> None:
    events = log([("u", "a", 0), ("u", "b", 0), ("v", "c", 0)]).with_columns(pl.Series(TIME, [2, 1, 1]))
    assert items(leave_one_out(events).future) == ["a"]


def test_leave_one_out_drops_what_follows_the_last_target() -> None:
    events = log([("u", "a", 0), ("u", "b", 1), ("u", "c", 2)]).with_columns(pl.Series(KIND, [VIEW, PURCHASE, VIEW]))
    split = leave_one_out(events, target_kinds=(PURCHASE,))
    assert (items(split.past), items(split.future)) == (["a"], ["b"])


def test_leave_one_out_of_single_events_is_an_error() -> None:
    with pytest.raises(SplitError, match="nothing to judge"):
        leave_one_out(log([("u", "a", 0), ("v", "b", 1)]))


# last_basket


def test_last_basket_is_the_one_that_starts_last() -> None:
    events = log([("u", "a", 0), ("u", "b", 5), ("u", "c", 6), ("once", "z", 9)], basket_id=[1, 2, 2, 3])
    split = last_basket(events)
    assert (items(split.past), items(split.future)) == (["a", "z"], ["b", "c"])


def test_what_another_visit_does_during_the_last_one_is_left_out() -> None:
    events = log([("u", "a", 0), ("u", "b", 5), ("u", "during", 6)], session_id=[1, 2, 1])
    split = last_basket(events)
    assert (items(split.past), items(split.future)) == (["a"], ["b"])


def test_last_basket_of_a_kind_leaves_out_the_views_of_its_session() -> None:
    events = log([("u", "a", 0), ("u", "b", 5), ("u", "c", 6), ("u", "d", 9)], session_id=[1, 2, 2, 3])
    events = events.with_columns(pl.Series(KIND, [VIEW, VIEW, PURCHASE, VIEW]))
    split = last_basket(events, target_kinds=(PURCHASE,))
    assert (items(split.past), items(split.future)) == (["a"], ["c"])


# cut_at


def test_cut_at_finds_the_moment_with_the_nearest_share_before_it() -> None:
    events = log([("u", "a", 0), ("u", "b", 1), ("u", "c", 1), ("u", "d", 2), ("u", "e", 3)])
    assert cut_at(events, 0.8) == minute(3)  # 4 of 5
    assert cut_at(events, 0.5) == minute(2)  # 3 of 5 is nearer than 1 of 5
    assert cut_at(events, 0.01) == minute(1)  # something must be past


@pytest.mark.parametrize("share", [0, 1, 1.5, float("nan")])
def test_cut_at_refuses_a_share_that_is_none(share: float) -> None:
    with pytest.raises(SplitError, match="between 0 and 1"):
        cut_at(log([("u", "a", 0), ("u", "b", 1)]), share)


def test_cut_at_refuses_a_log_of_one_moment_and_positions() -> None:
    moment = log([("u", "a", 1), ("u", "b", 1)])
    with pytest.raises(SplitError, match="no moment has a past"):
        cut_at(moment, 0.5)
    with pytest.raises(SplitError, match="ordinal"):
        cut_at(moment.with_columns(pl.Series(TIME, [1, 2])), 0.5)


# assert_no_leak


@pytest.mark.parametrize(
    ("past", "future", "rule", "message"),
    [
        ([("u", "a", 5)], [("u", "b", 4)], "last_basket", "'u' with 1"),
        ([("u", "a", 5)], [("u", "b", 5)], "leave_two_out", "basket that also lies in the past"),
        ([("u", "a", 5)], [("u", "b", 4)], "leave_one_out", "'u' with 1"),
        ([("u", "a", 5), ("v", "c", 9)], [("u", "b", 8), ("u", "d", 9)], "by_time(x)", "2 future .* the whole past"),
    ],
)
def test_a_leak_is_named_with_its_user_and_count(
    past: list[tuple[str, str, int]], future: list[tuple[str, str, int]], rule: str, message: str
) -> None:
    with pytest.raises(LeakError, match=message):
        assert_no_leak(Split(log(past), log(future), rule))


def test_a_basket_on_both_sides_is_a_leak_even_when_it_is_in_order() -> None:
    past, future = log([("u", "a", 0)], basket_id=[1]), log([("u", "b", 9)], basket_id=[1])
    with pytest.raises(LeakError, match="basket"):
        assert_no_leak(Split(past, future, "by_time(x)"))


def test_another_basket_of_the_same_moment_is_a_leak() -> None:
    past, future = log([("u", "a", 5)], basket_id=[1]), log([("u", "b", 5)], basket_id=[2])
    with pytest.raises(LeakError, match="not later than the past of their user"):
        assert_no_leak(Split(past, future, "last_basket"))


# Invariants

rows = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from("abcd"), st.integers(0, 12), st.sampled_from([None, 1, 2, 3, 4])),
    min_size=2,
    max_size=25,
)
RULES: list[Callable[[pl.DataFrame], Split]] = [
    lambda events: by_time(events, minute(6)),
    lambda events: by_time(events, minute(6), target_kinds=(PURCHASE,)),
    leave_one_out,
    lambda events: leave_one_out(events, target_kinds=(PURCHASE,)),
    last_basket,
    lambda events: last_basket(events, target_kinds=(PURCHASE,)),
]


@pytest.mark.parametrize("column", [BASKET, SESSION])
@pytest.mark.parametrize("cut", RULES)
@settings(max_examples=50, deadline=None)
@given(rows=rows, seed=st.integers(0, 99))
def test_no_split_leaks_or_invents_and_each_gives_the_same_answer_twice(
    cut: Callable[[pl.DataFrame], Split], column: str, rows: list[tuple[str, str, int, int | None]], seed: int
) -> None:
    events = log([row[:3] for row in rows], **{column: pl.Series([row[3] for row in rows], dtype=pl.Int64)})
    kinds = pl.Series([VIEW, PURCHASE] * len(events)).sample(len(events), seed=seed)
    events = events.with_columns(kinds.alias(KIND)).with_row_index("row")
    try:
        split = cut(events)
    except SplitError:
        return
    assert_no_leak(split)
    both = pl.concat([split.past, split.future])
    assert both["row"].n_unique() == len(both)
    assert_frame_equal(both.sort("row"), events.join(both.select("row"), on="row", how="semi"))
    assert set(split.future[USER]) <= set(split.past[USER])
    again = cut(events)
    assert_frame_equal(again.past, split.past)
    assert_frame_equal(again.future, split.future)
    if split.rule.startswith("by_time"):
        assert_frame_equal(split.past, events.filter(pl.col(TIME) < minute(6)))
