"""Drift is told from chance: false alarms come as often as was said, planted changes are found, and what moved is named."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats

from recolab.feedback.day_orders import DriftConfig, order_days
from recolab.feedback.drift import (
    DriftWarning,
    drift_table,
    find_drift,
    find_unusual_drift,
    popularity_drift,
    price_drift,
    traffic_drift,
    warn_of_drift,
)
from recolab.schema import CATEGORY, ITEM, KIND, PRICE, PURCHASE, REVIEW, SESSION, TIME, USER, VALUE, VIEW, SchemaError
from recolab.sources.shop import ShopConfig, simulate_shop

START = datetime(2025, 1, 6)
SINCE, UNTIL = START + timedelta(days=42), START + timedelta(days=56)
CONFIG = DriftConfig(SINCE, UNTIL)
QUICK = replace(CONFIG, alpha=0.05, rounds=99)
RUNS = 60
IS_RECENT = pl.col(TIME) >= SINCE


def log(seed, n_events=3000, n_users=60):
    """A shop in which nothing drifts, at prices that vary by 10 % from one sale to the next."""
    config = ShopConfig(n_users=n_users, n_items=50, n_events=n_events, days=56, dirt_share=0, n_bots=0, seed=seed)
    events = simulate_shop(config).events.filter(pl.col(KIND) != REVIEW)
    noise = np.exp(np.random.default_rng(seed).normal(0, 0.1, len(events)))
    return events.with_columns(pl.col(PRICE) * noise)


def rows(days, items=None, prices=None, kind=PURCHASE):
    """One event a row, on the days given, each by a user of its own."""
    n = len(days)
    times = [START + timedelta(days=day) for day in days]
    table = {USER: range(n), ITEM: items or ["a"] * n, TIME: times, KIND: [kind] * n, VALUE: [1.0] * n}
    return pl.DataFrame(table | {PRICE: prices or [1.0] * n})


def named(drifts, name):
    (found,) = [drift for drift in drifts if drift.name == name]
    return found


@pytest.fixture(scope="module")
def busy():
    return log(1, n_events=12_000, n_users=200)


# Chance


@pytest.fixture(scope="module")
def calm():
    """P values of shops without drift: (RUNS, 3)."""
    return np.array([[drift.p for drift in find_drift(log(seed), QUICK)] for seed in range(RUNS)])


def test_without_drift_false_alarms_come_as_often_as_alpha_says(calm):
    alarms = (calm <= QUICK.alpha).sum(0)  # binomial
    low, high = stats.binom.interval(0.99, RUNS, QUICK.alpha)
    assert all(low <= count <= high for count in alarms), alarms
    assert alarms.sum() > 0


def test_without_drift_p_is_uniform(calm):
    assert all(stats.kstest(p, "uniform").pvalue > 0.01 for p in calm.T)


@pytest.mark.parametrize("thinned", [IS_RECENT, ~IS_RECENT], ids=["a fifth", "five times"])
def test_a_change_of_traffic_is_no_change_of_taste_or_price(thinned):
    sold = [log(seed).with_columns(pl.lit(PURCHASE).alias(KIND)) for seed in range(20)]
    found = [find_drift(events.filter(~thinned | (pl.col(SESSION) % 5 == 0)), QUICK) for events in sold]
    assert all(named(drifts, "traffic").is_drifting for drifts in found)
    for name in ("popularity", "price"):
        assert stats.kstest([named(drifts, name).p for drifts in found], "uniform").pvalue > 0.01


def test_an_alarm_is_a_p_of_alpha_or_less():
    for seed in range(10):
        for drift in find_drift(log(seed).filter(~IS_RECENT | (pl.col(SESSION) % 4 != 0)), QUICK):
            assert drift.is_drifting == (drift.p <= QUICK.alpha)


# What is planted is found


def test_items_that_change_places_in_popularity_are_found_and_named(busy):
    first, *_, last = busy[ITEM].value_counts(sort=True)[ITEM].head(30)
    swapped = busy.with_columns(
        pl.when(IS_RECENT).then(pl.col(ITEM).replace({first: last, last: first})).otherwise(ITEM)
    )
    found = find_drift(swapped.drop(PRICE), CONFIG)
    assert [drift.is_drifting for drift in found] == [False, True]
    drift = named(found, "popularity")
    names = re.findall(r"(\S+) [\d.]+% -> ", drift.what)
    assert set(names[:2]) == {first, last}
    whole = swapped.filter(pl.col(TIME) >= START + timedelta(days=1))  # the log begins within its first day
    counts = whole.group_by(IS_RECENT, maintain_order=True).agg((pl.col(ITEM) == first).mean())[ITEM]
    assert f"{first} {counts.max():.2%} -> {counts.min():.2%}" in drift.what


def test_a_category_is_heard_where_its_items_are_too_rare(busy):
    shelf = pl.DataFrame({ITEM: busy[ITEM].unique().sort()}).with_row_index()
    joined = busy.join(shelf.select(ITEM, (pl.col("index") < 10).cast(pl.String).alias(CATEGORY)), on=ITEM)
    less = joined.filter(~IS_RECENT | (pl.col(CATEGORY) == "false") | (pl.col(SESSION) % 3 == 0))
    found = popularity_drift(less, CONFIG, by=CATEGORY)
    assert found.is_drifting
    assert "shares by category; most: true " in found.what


@pytest.mark.parametrize("kinds", [[PURCHASE], [PURCHASE, VIEW]])
def test_prices_a_fifth_higher_are_found_whatever_is_bought(busy, kinds):
    dearer = busy.with_columns(pl.when(IS_RECENT).then(pl.col(PRICE) * 1.2).otherwise(PRICE).alias(PRICE))
    found = find_drift(dearer.filter(pl.col(KIND).is_in(kinds)), CONFIG)
    assert [drift.is_drifting for drift in found] == [False, False, True]
    mean = float(re.match(r"([+-][\d.]+)% on average", found[2].what)[1])
    assert mean == pytest.approx(20, abs=3)


def test_one_dear_item_is_named_first(busy):
    bought = busy.filter(pl.col(KIND) == PURCHASE)
    item = bought[ITEM].value_counts(sort=True)[ITEM][0]
    dearer = bought.with_columns(
        pl.when(IS_RECENT & (pl.col(ITEM) == item)).then(pl.col(PRICE) * 3).otherwise(PRICE).alias(PRICE)
    )
    found = price_drift(dearer, CONFIG)
    assert found.is_drifting
    assert f"most: {item} +" in found.what


def test_other_things_bought_is_no_change_of_price(busy):
    """The dear half of the shelf is bought twice as often: the mean price paid rises, no item's does."""
    middle = busy[PRICE].median()
    mix = busy.filter(~IS_RECENT | (pl.col(PRICE) > middle) | (pl.col(SESSION) % 2 == 0))
    paid = (
        mix.filter(pl.col(KIND) == PURCHASE)
        .group_by(IS_RECENT.alias("recent"))
        .agg(pl.col(PRICE).mean())
        .sort("recent")
    )
    assert paid[PRICE][1] > 1.1 * paid[PRICE][0]
    assert not price_drift(mix, CONFIG).is_drifting


def test_prices_that_nobody_paid_are_none(busy):
    looked = IS_RECENT & (pl.col(KIND) != PURCHASE)
    dearer = busy.with_columns(pl.when(looked).then(pl.col(PRICE) * 2).otherwise(PRICE).alias(PRICE))
    assert price_drift(dearer, CONFIG) == price_drift(busy, CONFIG)


def test_half_the_visits_are_missed_and_so_is_a_shop_that_is_down(busy):
    half = traffic_drift(busy.filter(~IS_RECENT | (pl.col(SESSION) % 2 == 0)), CONFIG)
    assert half.is_drifting
    assert -60 < float(re.match(r"([+-]\d+)% events", half.what)[1]) < -40
    down = find_drift(busy.filter(~IS_RECENT), CONFIG)
    assert [drift.is_drifting for drift in down] == [True, False, False]
    assert down[0].what.startswith("-100% events")
    assert [drift.what[:10] for drift in down[1:]] == ["not judged"] * 2


def test_the_days_that_moved_are_named(busy):
    worst = SINCE + timedelta(days=5)
    gone = busy.filter(pl.col(TIME).dt.date() != worst.date())
    assert f"most: {worst:%Y-%m-%d} (0 instead of " in traffic_drift(gone, CONFIG).what


# By hand


def test_distances_are_those_of_paper_and_pencil():
    # Before: a, a, a, b a week; in the recent one b alone, at twice its price of 2 (a: 1).
    before = [(7 * week + day, "aaab"[day], 1.0 + (day == 3)) for week in range(6) for day in range(4)]
    recent = [(42 + day, "b", 4.0) for day in range(4)]
    events = rows(*map(list, zip(*before, *recent, strict=True)))
    config = DriftConfig(SINCE, SINCE + timedelta(days=7), alpha=0.1, rounds=99)
    traffic, popularity, price = find_drift(events, config)
    p, m = np.array([0.75, 0.25]), np.array([0.375, 0.625])
    divergence = (p * np.log2(p / m)).sum() / 2 + np.log2(1 / m[1]) / 2
    assert popularity.statistic == pytest.approx(np.sqrt(divergence), abs=0.01)
    assert popularity.what == "shares by item_id; most: a 75.00% -> 0.00%, b 25.00% -> 100.00%"
    assert price.statistic == pytest.approx(np.log(2))
    assert price.what == "+100.0% on average for the same items; most: b +100.0%"
    assert (traffic.statistic, traffic.p) == (0, 1)
    fewer = traffic_drift(events.filter((pl.col(TIME) < SINCE) | (pl.col(TIME) < SINCE + timedelta(days=1))), config)
    assert fewer.statistic == pytest.approx(np.log(4.5 / 1.5))
    assert fewer.what.startswith("-75% events against the same weekdays before; most: 2025-02-18 (0 instead of 1)")


def test_prices_that_never_vary_do_not_drift_by_rounding_errors():
    """Twenty items at prices that no float holds exactly, sold in every order."""
    for seed in range(5):
        items = np.random.default_rng(seed).integers(20, size=560)
        prices = (0.1 + items / 7).tolist()
        found = price_drift(rows([day for day in range(56) for _ in range(10)], items.tolist(), prices), QUICK)
        assert (found.statistic, found.threshold, found.p) == (0, 0, 1)


def test_weekdays_keep_their_places_in_every_order(busy):
    days = order_days(busy, replace(CONFIG, until=SINCE + timedelta(days=10)))
    by_weekday = days.is_recent @ np.eye(7)[np.arange(days.true.size) % 7]
    assert (by_weekday == by_weekday[0]).all()
    assert by_weekday[0].sum() == 10
    assert len(np.unique(days.is_recent, axis=0)) > 900


def test_a_week_that_is_busy_on_saturday_is_no_drift_on_a_saturday():
    """Each day of the log is as its weekday always is; four recent days are the four busiest."""
    busy_days = [day for day in range(60) for _ in range(90 if day % 7 > 2 else 10)]
    found = traffic_drift(rows(busy_days), DriftConfig(START + timedelta(days=45), START + timedelta(days=49)))
    assert (found.statistic, found.is_drifting) == (0, False)


def test_a_weekday_that_was_never_before_is_not_compared():
    events = rows([day for day in range(13) for _ in range(900 if day % 7 > 4 else 3)])
    config = DriftConfig(START + timedelta(days=5), START + timedelta(days=13), alpha=0.1, rounds=99)
    found = traffic_drift(events, config)
    assert (found.statistic, found.what) == (0, "+0% events against the same weekdays before; most: ")


def test_only_whole_days_and_only_the_reference_asked_for_are_compared():
    events = rows([day for day in range(56) for _ in range(3)] + [56] * 500 + [0] * 500)
    found = traffic_drift(events, DriftConfig(SINCE, UNTIL, reference_days=28))
    assert (found.statistic, found.what[:3]) == (0, "+0%")


# Habit


def turnover(seed, extra=()):
    """A shop whose goods come and go: each is sold for about three weeks; the days of `extra` sell nothing but one thing."""
    rng = np.random.default_rng(seed)
    days = np.repeat(np.arange(154), 30)
    items = np.where(np.isin(days, extra), -1, rng.poisson(days / 3 + 20))
    return rows(days.tolist(), [str(item) for item in items]).drop(PRICE)


def test_a_shop_whose_goods_come_and_go_is_not_always_alarmed():
    config = DriftConfig(
        START + timedelta(days=140), START + timedelta(days=154), reference_days=28, alpha=0.05, rounds=99
    )
    always = [named(find_drift(turnover(seed), config), "popularity").is_drifting for seed in range(12)]
    unusual = [named(find_unusual_drift(turnover(seed), config, 7), "popularity").is_drifting for seed in range(12)]
    assert all(always)
    assert sum(unusual) <= stats.binom.ppf(0.995, 12, config.alpha)
    hit = named(find_unusual_drift(turnover(0, extra=range(147, 154)), config, 7), "popularity")
    assert hit.is_drifting
    assert "-1 0.00% -> 50.00%" in hit.what


def test_a_fifth_of_the_traffic_is_not_unusual_taste_where_taste_always_changes():
    """All distances are longer among fewer events; so habit is counted in what chance makes of them."""
    config = DriftConfig(
        START + timedelta(days=140), START + timedelta(days=154), reference_days=28, alpha=0.05, rounds=99
    )
    is_recent = pl.col(TIME) >= config.since
    rare = [turnover(seed).filter(~is_recent | (pl.col(USER) % 5 == 0)) for seed in range(6)]
    found = [find_unusual_drift(events, config, 7) for events in rare]
    assert all(named(drifts, "traffic").is_drifting for drifts in found)
    assert sum(named(drifts, "popularity").is_drifting for drifts in found) <= 1


def test_a_shop_that_is_down_is_unusual():
    config = DriftConfig(
        START + timedelta(days=140), START + timedelta(days=154), reference_days=28, alpha=0.05, rounds=99
    )
    down = find_unusual_drift(turnover(0).filter(pl.col(TIME) < config.since), config, 7)
    assert [drift.is_drifting for drift in down] == [True, False]


def test_what_is_usual_is_no_excuse_for_chance():
    """Where the earlier windows say less than chance does, chance decides."""
    config = DriftConfig(START + timedelta(days=49), UNTIL, reference_days=14, alpha=0.05, rounds=99)
    for seed in range(3):
        alone, both = find_drift(log(seed), config), find_unusual_drift(log(seed), config, 5)
        assert all(two.threshold >= one.threshold and two.p >= one.p for one, two in zip(alone, both, strict=True))
        assert [one.statistic for one in alone] == [two.statistic for two in both]


# Warnings, tables, bad input


def test_each_drift_is_a_warning_that_names_it_and_calm_is_silent(busy):
    half = find_drift(busy.filter(~IS_RECENT | (pl.col(SESSION) % 2 == 0)), CONFIG)
    with pytest.warns(
        DriftWarning, match=r"traffic has drifted since 2025-02-17 \(p = 0.001\): -\d+% events"
    ) as caught:
        warn_of_drift(half)
    assert [str(one.message).split()[0] for one in caught] == ["traffic"]
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_drift(find_drift(busy, CONFIG))


def test_the_table_has_a_row_for_each(busy):
    found = find_drift(busy.drop(PRICE), CONFIG)
    table = drift_table(found)
    assert table["name"].to_list() == ["traffic", "popularity"]
    assert table["is_drifting"].to_list() == [drift.is_drifting for drift in found]
    assert table["until"].to_list() == [UNTIL, UNTIL]


def test_the_same_seed_finds_the_same(busy):
    assert find_drift(busy, CONFIG) == find_drift(busy, CONFIG)


def test_impossible_prices_and_unknown_categories_are_left_out(busy):
    holes = busy.with_columns(pl.lit(None, pl.Float64).alias(PRICE), pl.lit(None, pl.String).alias(CATEGORY))
    assert "not judged: no item was bought at a known price" in price_drift(holes, CONFIG).what
    assert "no event with category" in popularity_drift(holes, CONFIG, CATEGORY).what
    spoilt = [0.0, -1.0, float("nan"), float("inf"), None]
    more = pl.concat([busy, *[busy.filter(IS_RECENT).with_columns(pl.lit(x, pl.Float64).alias(PRICE)) for x in spoilt]])
    assert price_drift(more, CONFIG) == price_drift(busy, CONFIG)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"until": SINCE + timedelta(hours=23)}, "there is no whole day"),
        ({"since": SINCE.replace(tzinfo=UTC)}, "must be naive UTC"),
        ({"alpha": 0.001, "rounds": 99}, "alpha = 0.001 must lie from 0.01, which 99 rounds can tell, to 1"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused(fault, said):
    with pytest.raises(ValueError, match=said):
        replace(CONFIG, **fault)


def test_a_log_that_cannot_be_compared_is_refused_with_the_reason(busy):
    with pytest.raises(
        ValueError, match=r"41 days before and 1 recent ones have 6 orders .* needs 200: give a longer log"
    ):
        find_drift(busy, replace(CONFIG, until=SINCE + timedelta(days=1)))
    with pytest.raises(ValueError, match="0 days before and 14 recent ones have 1 orders"):
        find_drift(busy.filter(IS_RECENT), CONFIG)
    with pytest.raises(ValueError, match="0 days before"):
        find_drift(busy.clear(), CONFIG)
    with pytest.raises(ValueError, match="timestamp: holds positions"):
        find_drift(busy.with_columns(pl.int_range(pl.len()).alias(TIME)), CONFIG)
    with pytest.raises(SchemaError, match="item_id: no such column"):
        find_drift(busy.drop(ITEM), CONFIG)
    with pytest.raises(SchemaError, match="price: no such column"):
        price_drift(busy.drop(PRICE), CONFIG)
    with pytest.raises(
        ValueError, match=r"12 earlier windows .* need a log from 2024-06-10 .* on; this one begins at 2025-01-0"
    ):
        find_unusual_drift(busy, CONFIG)
