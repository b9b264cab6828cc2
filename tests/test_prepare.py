"""Preparation drops only what cannot be true, counts all of it, and describes the rest in numbers checked by hand."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import narwhals as nw
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from recolab.prepare import (
    SOURCE,
    CleanRules,
    clean,
    event_features,
    integrate,
    item_features,
    k_core,
    price_bands,
    sessionise,
    user_features,
)
from recolab.schema import (
    BASKET,
    CATEGORY,
    DWELL,
    ITEM,
    KIND,
    PRICE,
    PURCHASE,
    SESSION,
    TIME,
    USER,
    VALUE,
    VIEW,
    SchemaError,
)

MONDAY = datetime(2024, 1, 1)
RULES = CleanRules(latest=datetime(2024, 12, 31))


def log(rows: list[tuple[Any, Any, float | None]], **columns: Any) -> pl.DataFrame:
    """(user, item, minutes after Monday midnight) rows; all views of value 1 unless columns say otherwise."""
    return pl.DataFrame(
        {
            USER: [row[0] for row in rows],
            ITEM: [row[1] for row in rows],
            TIME: [None if row[2] is None else MONDAY + timedelta(minutes=row[2]) for row in rows],
            KIND: [VIEW] * len(rows),
            VALUE: [1.0] * len(rows),
        },
        schema_overrides={TIME: pl.Datetime("us"), VALUE: pl.Float64},
    ).with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def dropped(report: pl.DataFrame) -> dict[str, int]:
    """The reasons that were met."""
    return {reason: rows for reason, rows in report.select("reason", "rows").iter_rows() if rows and reason != "kept"}


# clean

GOOD = ("u", "a", 0.0)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (log([GOOD, (None, "a", 1)]), "missing id"),
        (log([GOOD, ("u", None, 1)]), "missing id"),
        (log([GOOD, ("u", "", 1)]), "missing id"),
        (log([(1.0, "a", 0), (float("nan"), "a", 1)]), "missing id"),
        (log([GOOD, ("u", "a", None)]), "bad time"),
        (log([GOOD, ("u", "a", 366 * 1440)]), "bad time"),  # 2025
        (log([GOOD, ("u", "a", -30 * 366 * 1440)]), "bad time"),  # 1993
        (log([GOOD, GOOD]).with_columns(pl.Series(TIME, [0, -1])), "bad time"),
        (log([GOOD, GOOD], value=[1.0, None]), "bad value"),
        (log([GOOD, GOOD], value=[1.0, float("nan")]), "bad value"),
        (log([GOOD, GOOD], value=[1.0, float("inf")]), "bad value"),
        (log([GOOD, GOOD], value=[0.0, -0.5]), "bad value"),
        (log([GOOD, GOOD], value=[0, -1]), "bad value"),
        (log([GOOD, GOOD], kind=[VIEW, "stare"]), "unknown kind"),
        (log([GOOD, GOOD], kind=[VIEW, None]), "unknown kind"),
        (log([GOOD, GOOD], kind=[VIEW, "stare"]).with_columns(pl.col(KIND).cast(pl.Categorical)), "unknown kind"),
        (log([GOOD, GOOD]), "duplicate"),
    ],
)
def test_clean_drops_the_one_bad_row_and_names_the_reason(bad: pl.DataFrame, reason: str) -> None:
    kept, report = clean(bad, rules=RULES)
    assert_frame_equal(kept, bad.head(1))
    assert dropped(report) == {reason: 1}


def test_the_first_reason_that_applies_counts_and_all_rows_are_accounted_for() -> None:
    events = log(
        [(None, "a", None), ("u", "a", None), ("u", "zzz", 1), ("u", "zzz", 2), ("u", "a", 3), ("u", "a", 3)],
        value=[-1.0, -1.0, -1.0, 1.0, 1.0, 1.0],
    )
    _, report = clean(events, pl.DataFrame({ITEM: ["a", "a"]}), rules=RULES)
    assert dropped(report) == {"missing id": 1, "bad time": 1, "bad value": 1, "unknown item": 1, "duplicate": 1}
    assert report["rows"].sum() == len(events)
    assert report["share"].sum() == pytest.approx(1)
    assert report.row(-1) == ("kept", 1, pytest.approx(1 / 6))


def test_a_source_may_add_its_own_reasons() -> None:
    events = log([GOOD, ("u", "fuel", 1), ("u", "b", 2)], quantity=[1, 1, 0])
    extra = {"no quantity": nw.col("quantity") <= 0, "not a product": nw.col(ITEM) == "fuel"}
    kept, report = clean(events, rules=CleanRules(latest=RULES.latest, extra=extra))
    assert kept[ITEM].to_list() == ["a"]
    assert dropped(report) == {"no quantity": 1, "not a product": 1}
    with pytest.raises(SchemaError, match="duplicate"):
        clean(events, rules=CleanRules(extra={"duplicate": nw.col(VALUE) > 9}))


def test_one_day_above_the_limit_makes_a_bot_and_a_busy_year_does_not() -> None:
    burst = [("bot", f"i{n}", n / 100) for n in range(11)] + [("bot", "a", 90_000.0)]
    busy = [("fan", f"i{n}", n * 700.0) for n in range(60)]
    kept, report = clean(log(burst + busy), rules=CleanRules(latest=RULES.latest, max_events_per_day=10))
    assert dropped(report) == {"bot": 12}
    assert set(kept[USER]) == {"fan"}


def test_a_user_at_the_limit_is_no_bot() -> None:
    events = log([("u", f"i{n}", n / 100) for n in range(10)] + [("u", "a", 90_000.0)])
    assert dropped(clean(events, rules=CleanRules(latest=RULES.latest, max_events_per_day=10))[1]) == {}


def test_copies_of_one_event_do_not_make_a_bot() -> None:
    _, report = clean(log([GOOD] * 20), rules=CleanRules(latest=RULES.latest, max_events_per_day=10))
    assert dropped(report) == {"duplicate": 19}


def test_ordinal_times_have_no_days_and_so_no_bots() -> None:
    events = log([("u", f"i{n}", 0) for n in range(20)]).with_columns(pl.Series(TIME, range(20)))
    assert dropped(clean(events, rules=CleanRules(max_events_per_day=10))[1]) == {}


def test_clean_gives_rows_by_user_time_and_item() -> None:
    events = log([("v", "a", 0), ("u", "b", 1), ("u", "a", 1), ("u", "z", 0)])
    kept, _ = clean(events, rules=RULES)
    assert kept.select(USER, ITEM).rows() == [("u", "z"), ("u", "a"), ("u", "b"), ("v", "a")]


def test_an_empty_log_is_clean() -> None:
    kept, report = clean(log([GOOD]).head(0), rules=RULES)
    assert len(kept) == 0
    assert report["rows"].sum() == report["share"].sum() == 0


def test_uuids_in_a_pandas_log_are_ids_like_others() -> None:
    user, item = uuid.UUID(int=1), uuid.UUID(int=2)
    events = pd.DataFrame({USER: [user, user, None], ITEM: [item] * 3, TIME: [MONDAY] * 3, KIND: VIEW, VALUE: 1.0})
    kept, report = clean(events, pd.DataFrame({ITEM: [item]}), rules=RULES)
    assert dropped(report) == {"missing id": 1, "duplicate": 1}
    assert kept[USER].to_list() == [user]


def test_a_time_with_a_zone_is_judged_by_its_moment() -> None:
    events = log([GOOD, ("u", "a", 366 * 1440)]).with_columns(pl.col(TIME).dt.replace_time_zone("UTC"))
    assert dropped(clean(events, rules=RULES)[1]) == {"bad time": 1}


def test_tomorrow_is_a_bad_time_by_default() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    events = log([GOOD, GOOD]).with_columns(pl.Series(TIME, [now, now + timedelta(days=2)]).cast(pl.Datetime("us")))
    assert dropped(clean(events)[1]) == {"bad time": 1}


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (log([GOOD]).drop(KIND), "no column.*kind"),
        (log([GOOD]).with_columns(pl.col(TIME).cast(pl.String)), "timestamp must be"),
        (log([GOOD]).with_columns(pl.lit("much").alias(VALUE)), "value must be a number"),
    ],
)
def test_clean_refuses_tables_it_cannot_judge(events: pl.DataFrame, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        clean(events)


def test_items_with_ids_of_another_type_are_an_error_and_not_all_unknown() -> None:
    with pytest.raises(SchemaError, match="cast one"):
        clean(log([GOOD]), pl.DataFrame({ITEM: [1]}))


def test_clean_leaves_the_callers_table_alone() -> None:
    events = log([("v", "a", 0), GOOD, GOOD])
    before = events.clone()
    clean(events, rules=RULES)
    assert_frame_equal(events, before)


# integrate


def test_two_logs_become_one_and_shared_events_stay_in_the_first() -> None:
    web = log([GOOD, GOOD, ("u", "b", 1)], session_id=[1, 1, 1])
    till = log([("u", "b", 1), ("v", "c", 2)], kind=[VIEW, PURCHASE], price=[2.0, 3.0])
    whole, report = integrate({"web": web, "till": till})
    assert whole.select(ITEM, SESSION, PRICE, SOURCE).rows() == [
        ("a", 1, None, "web"),
        ("a", 1, None, "web"),
        ("b", 1, None, "web"),
        ("c", None, 3.0, "till"),
    ]
    assert report.rows() == [("web", 3, 0, 3), ("till", 2, 1, 1)]


def test_integrate_widens_numbers_and_clocks_and_refuses_ids_of_two_types() -> None:
    whole = log([GOOD])
    other = log([("v", "b", 1)], value=[3]).with_columns(pl.col(TIME).cast(pl.Datetime("ms")))
    both, _ = integrate({"a": whole, "b": other})
    assert both[VALUE].to_list() == [1.0, 3.0]
    assert both[TIME].to_list() == [MONDAY, MONDAY + timedelta(minutes=1)]
    with pytest.raises(SchemaError, match="user_id has types"):
        integrate({"a": whole, "b": log([(1, "b", 1)])})
    with pytest.raises(SchemaError, match="one engine"):
        integrate({"a": whole, "b": whole.to_pandas()})
    with pytest.raises(SchemaError, match="at least one"):
        integrate({})


# sessionise


def test_a_visit_ends_after_more_than_thirty_minutes_of_silence() -> None:
    events = log([("u", "a", 0), ("u", "b", 30), ("u", "c", 60.01), ("v", "d", 61), ("v", "e", 0)])
    visits = sessionise(events)
    assert visits.select(ITEM, SESSION).rows() == [("a", 1), ("b", 1), ("c", 2), ("e", 3), ("d", 4)]
    assert sessionise(events, gap_minutes=0.5)[SESSION].to_list() == [1, 2, 3, 4, 5]


def test_sessionise_replaces_old_sessions_and_is_the_same_when_lazy() -> None:
    events = log([("v", "a", 0), ("u", "b", 0), ("u", "c", 90)], session_id=["x", "y", "z"])
    assert sessionise(events)[SESSION].to_list() == [1, 2, 3]
    assert_frame_equal(sessionise(events.lazy()).collect().sort(SESSION), sessionise(events))


def test_positions_have_no_gaps() -> None:
    with pytest.raises(SchemaError, match="clock"):
        sessionise(log([GOOD]).with_columns(pl.Series(TIME, [1])))
    with pytest.raises(ValueError, match="negative"):
        sessionise(log([GOOD]), gap_minutes=-1)


# k_core


def test_the_core_is_taken_until_nothing_changes() -> None:
    # z goes first (one user), then w (one item left), then c (one user left): two rounds, and {u, v} x {a, b} stays.
    rows = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("v", "c"), ("w", "c"), ("w", "z"), ("u", "a")]
    core = k_core(log([(user, item, n) for n, (user, item) in enumerate(rows)]), user_min=2, item_min=2)
    assert core.select(USER, ITEM).rows() == [("u", "a"), ("u", "b"), ("u", "a"), ("v", "a"), ("v", "b")]


def test_repeats_do_not_make_a_pair_count_twice_and_nothing_may_remain() -> None:
    assert len(k_core(log([GOOD, ("u", "a", 1), ("u", "a", 2)]), user_min=2, item_min=1)) == 0
    with pytest.raises(ValueError, match="at least 1"):
        k_core(log([GOOD]), user_min=0, item_min=1)


def test_nobody_is_in_no_core() -> None:
    assert k_core(log([GOOD, (None, "a", 1)]), user_min=1, item_min=1)[USER].to_list() == ["u"]


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40),
    k=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_the_core_agrees_with_the_slow_definition(pairs: list[tuple[int, int]], k: tuple[int, int]) -> None:
    alive, size = set(pairs), -1
    while len(alive) != size:
        size = len(alive)
        alive = {(u, i) for u, i in alive if len({b for a, b in alive if a == u}) >= k[0]}
        alive = {(u, i) for u, i in alive if len({a for a, b in alive if b == i}) >= k[1]}
    core = k_core(log([(*pair, n) for n, pair in enumerate(pairs)]), *k)
    assert set(core.select(USER, ITEM).iter_rows()) == alive
    assert len(core) == sum(pair in alive for pair in pairs)


# features


def test_dwell_is_the_time_to_the_next_event_of_the_session_at_most_the_cap() -> None:
    events = log([("u", "a", 0), ("u", "b", 0.5), ("u", "c", 50), ("u", "d", 60)], session_id=[1, 1, 1, 2])
    told = event_features(events, max_dwell_seconds=600)
    assert told[DWELL].to_list() == [30.0, 600.0, None, None]
    logged = event_features(events.with_columns(pl.Series(DWELL, [7.0, None, None, 9.0])), max_dwell_seconds=600)
    assert logged[DWELL].to_list() == [7.0, 600.0, None, 9.0]


def test_event_features_know_the_hour_the_weekend_and_the_basket() -> None:
    day = 1440
    rows = [("u", "a", 61), ("u", "b", 62), ("u", "c", 5 * day), ("u", "d", 6 * day + 1439), ("u", "e", 7 * day)]
    told = event_features(log(rows, session_id=[1, 1, 2, 3, 4], basket_id=[None, None, 8, 8, 9]))
    assert told["hour_of_day"].to_list() == [1, 1, 0, 23, 0]
    assert told["is_weekend"].to_list() == [False, False, True, True, False]
    assert told["basket_size"].to_list() == [None, None, 2, 2, 1]
    assert event_features(log(rows, session_id=[1, 1, 2, 3, 4]))["basket_size"].to_list() == [2, 2, 1, 1, 1]


def test_event_features_need_sessions() -> None:
    with pytest.raises(SchemaError, match="session_id"):
        event_features(log([GOOD]))


def test_user_features_are_as_of_now() -> None:
    day = 1440
    events = log(
        [("u", "a", 0), ("u", "a", 5 * day), ("u", "b", 5 * day), ("u", "c", 14 * day), ("v", "a", 13 * day)],
        kind=[PURCHASE, PURCHASE, PURCHASE, PURCHASE, VIEW],
        basket_id=[1, 2, 2, 3, None],
        price=[2.0, 4.0, 6.0, 99.0, 1.0],
    )
    table = user_features(events, MONDAY + timedelta(days=14)).sort(USER)  # the event at `now` is not yet known
    expected = {
        USER: ["u", "v"],
        "n_events": [3, 1],
        "n_items": [2, 1],
        "n_purchases": [3, 0],
        "recency_days": [9.0, 1.0],
        "tenure_days": [14.0, 1.0],
        "purchases_per_week": [1.5, 0.0],
        "weekend_share": [2 / 3, 1.0],  # 13 days after a Monday is a Sunday
        "n_baskets": [2, 0],
        "mean_basket_size": [1.5, None],
        "mean_price": [4.0, 1.0],
    }
    assert_frame_equal(
        table, pl.DataFrame(expected), check_column_order=False, check_dtypes=False, check_row_order=False
    )


def test_rates_of_a_young_item_are_not_inflated() -> None:
    events = log([("u", "a", 0), ("v", "a", 1)], kind=[PURCHASE, PURCHASE], dwell_seconds=[10.0, 30.0])
    row = item_features(events, datetime(2024, 1, 2, tzinfo=UTC)).row(0, named=True)
    assert row["purchases_per_week"] == 2.0  # in one day, but a week is the least that is extrapolated from
    assert (row["n_users"], row["age_days"], row["mean_dwell_seconds"]) == (2, 1.0, 20.0)
    assert "n_baskets" not in row


def test_price_bands_are_quantiles_within_the_category() -> None:
    items = pl.DataFrame(
        {
            ITEM: list("abcdefghij"),
            CATEGORY: ["tea"] * 5 + ["tv", "tv", "tv", None, "tv"],
            PRICE: [3.0, 1.0, 2.0, 5.0, 4.0, 900.0, 900.0, 900.0, 1.0, None],
        }
    )
    assert price_bands(items)["price_band"].to_list() == [3, 1, 2, 5, 4, 3, 3, 3, None, None]
    assert price_bands(items, n_bands=1)["price_band"].drop_nulls().unique().to_list() == [1]
    with pytest.raises(ValueError, match="n_bands"):
        price_bands(items, n_bands=0)


def test_baskets_of_one_user_are_counted_by_visit_where_there_are_no_checkouts() -> None:
    events = log([("u", "a", 0), ("u", "b", 1), ("u", "c", 90)])
    assert user_features(sessionise(events), MONDAY + timedelta(days=1))["n_baskets"].item() == 2
    assert user_features(events.drop(BASKET, strict=False), MONDAY + timedelta(days=1))["n_baskets"].item() == 3
