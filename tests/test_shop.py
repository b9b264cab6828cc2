import time
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from scipy import stats

from recolab.prepare import clean, sessionise
from recolab.schema import (
    BRAND,
    CART,
    CATEGORY,
    DWELL,
    ITEM,
    KIND,
    PRICE,
    PURCHASE,
    QUANTITY,
    RATING,
    REVIEW,
    SESSION,
    STOCK,
    TEXT,
    TIME,
    TITLE,
    USER,
    VALUE,
    VIEW,
    check_events,
    check_items,
)
from recolab.sources import load
from recolab.sources import shop as shop_module
from recolab.sources.shop import NOTE, ShopConfig, load_shop, shop_chunks, simulate_shop, write_shop
from recolab.sources.shop_catalogue import make_shelf
from recolab.sources.shop_stock import Stockroom
from recolab.sources.shop_walk import HOURS, MOST_VIEWS

CONFIG = ShopConfig(n_users=300, n_items=200, n_events=20_000, days=60)
LARGE = ShopConfig(n_users=900, n_items=150, n_events=30_000, days=60)


@pytest.fixture(scope="module")
def shop():
    return simulate_shop(CONFIG)


@pytest.fixture(scope="module")
def honest(shop):
    """The log without its dirt."""
    return shop.events.with_row_index("row").join(shop.truth.dirt, on="row", how="anti").drop("row").sort(TIME)


def test_a_hundred_thousand_events_take_seconds():
    started = time.perf_counter()
    simulate_shop()
    assert time.perf_counter() - started < 9  # three times the promise


@pytest.mark.parametrize("config", [ShopConfig(), CONFIG, replace(CONFIG, dirt_share=0.3, n_bots=5)])
def test_the_log_is_as_long_as_asked_for_dirt_and_all(config):
    assert len(simulate_shop(config).events) == pytest.approx(config.n_events, rel=0.05)


def test_the_same_config_is_the_same_shop_and_another_seed_is_another(shop):
    again = simulate_shop(CONFIG)
    for name in ("events", "items", "stock"):
        assert getattr(again, name).equals(getattr(shop, name))
    assert again.truth.dirt.equals(shop.truth.dirt)
    other = simulate_shop(replace(CONFIG, seed=8))
    assert not other.events.equals(shop.events)
    assert not other.items.equals(shop.items)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"n_events": 1_000}, "leaves nothing beside 1 bots of 1200 each"),
        ({"n_users": 10}, "too much for 10 users in 120 days"),
        ({"dirt_share": 1.5}, "must lie in 0..1"),
    ],
)
def test_a_shop_that_cannot_be_is_refused_with_the_reason(fault, said):
    with pytest.raises(ValueError, match=said):
        ShopConfig(**fault)


def test_an_empty_category_is_refused():
    with pytest.raises(ValueError, match="n_items = 11"):
        make_shelf(11, 0)
    assert make_shelf(12, 0).items[CATEGORY].n_unique() == 12


# The catalogue


def test_prices_are_log_normal_within_a_category():
    shelf = make_shelf(12_000, 0)
    price = np.log(shelf.items[PRICE].to_numpy()[shelf.category == 11])
    # A book costs exp(6 ± 0.5); the price's rounding to a cent does not show.
    assert stats.kstest((price - 6) / 0.5, "norm").pvalue > 1e-3


def test_what_an_item_says_names_its_category_and_brand(shop):
    said = shop.items.select(
        pl.col(column).str.contains(pl.col(word), literal=True).all().alias(column + word)
        for column in (TITLE, TEXT)
        for word in (CATEGORY, BRAND)
    )
    assert said.row(0) == (True, True, True, True)


def test_popularity_has_a_long_tail(shop, honest):
    views = honest.filter(pl.col(KIND) == VIEW)[ITEM].value_counts(sort=True)["count"]
    assert views[:40].sum() > 0.4 * views.sum()  # 20 % of the items; 20 % of the views if all were alike
    assert len(views) > 0.9 * len(shop.items)


def test_the_tables_hold_what_the_schema_demands(shop, honest):
    check_events(honest)
    check_items(shop.items)
    assert shop.items[ITEM][7] == "SKU-000007"


def test_each_kind_of_event_fills_its_own_columns(honest):
    filled = {
        kind: {name for name in (DWELL, PRICE, QUANTITY, RATING, TEXT) if rows[name].null_count() == 0}
        for (kind,), rows in honest.group_by(KIND)
    }
    expected = {VIEW: {DWELL, PRICE}, CART: {PRICE}, PURCHASE: {PRICE, QUANTITY}, REVIEW: {RATING, TEXT}}
    assert filled == expected
    nulls = {
        kind: {name for name in (DWELL, PRICE, QUANTITY, RATING, TEXT) if rows[name].null_count() == len(rows)}
        for (kind,), rows in honest.group_by(KIND)
    }
    assert all(filled[kind] | nulls[kind] == {DWELL, PRICE, QUANTITY, RATING, TEXT} for kind in filled)
    assert (honest.filter(pl.col(KIND) == PURCHASE)[VALUE] == honest.filter(pl.col(KIND) == PURCHASE)[QUANTITY]).all()


# The shoppers


def test_a_purchase_follows_a_cart_and_a_cart_a_view_in_the_same_visit(honest):
    first = honest.group_by(SESSION, ITEM).agg(
        [pl.col(TIME).filter(pl.col(KIND) == kind).min().alias(kind) for kind in (VIEW, CART, PURCHASE)]
    )
    for before, after in ((VIEW, CART), (CART, PURCHASE)):
        both = first.filter(pl.col(after).is_not_null())
        assert len(both) > 500
        assert (both[before] < both[after]).all()


def test_a_review_follows_a_purchase_by_days_and_no_purchase_is_reviewed_twice(honest):
    reviews = honest.filter(pl.col(KIND) == REVIEW).select(USER, ITEM, TIME)
    bought = honest.filter(pl.col(KIND) == PURCHASE).select(USER, ITEM, pl.col(TIME).alias("bought"))
    pairs = reviews.join(bought, on=[USER, ITEM])
    fits = pairs.filter((pl.col(TIME) - pl.col("bought")).is_between(timedelta(days=1), timedelta(days=10)))
    assert fits.select(USER, ITEM, TIME).unique().height == len(reviews) > 100
    n = pl.len().alias("n")
    told = reviews.group_by(USER, ITEM).agg(n).join(bought.group_by(USER, ITEM).agg(n), on=[USER, ITEM])
    assert (told["n"] <= told["n_right"]).all()


def test_cutting_at_half_an_hour_of_silence_finds_the_visits_exactly(honest):
    walked = honest.filter(pl.col(KIND) != REVIEW)
    cut = sessionise(walked.drop(SESSION), 30).sort(USER, TIME, ITEM)[SESSION]
    true = walked.sort(USER, TIME, ITEM)[SESSION]
    pairs = pl.DataFrame({"cut": cut, "true": true}).unique()
    assert len(pairs) == cut.n_unique() == true.n_unique()


def test_no_shopper_comes_near_a_bot():
    # As many events as the shoppers can be asked for, so that the busiest are as busy as they get.
    busy = simulate_shop(ShopConfig(n_users=100, n_items=50, n_events=31_000, days=120, dirt_share=0, n_bots=0)).events
    assert busy.group_by(USER, pl.col(TIME).dt.date()).len()["len"].max() < 300
    begins = busy.filter(pl.col(KIND) == VIEW).group_by(USER, SESSION).agg(pl.col(TIME).min(), pl.len().alias("n"))
    assert begins["n"].max() <= MOST_VIEWS
    pause = begins.sort(USER, TIME).select(pl.col(TIME).diff().over(USER)).to_series()
    assert pause.min() >= timedelta(
        hours=8
    )  # so at most four visits touch a day: 4 * 20 * (view, cart, purchase) = 240


def test_evenings_are_busy_and_the_week_starts_where_the_calendar_says():
    # Two starts, a Monday and a Thursday, tell the same week.
    for start in (datetime(2025, 1, 6), datetime(2025, 1, 9)):
        shop = simulate_shop(ShopConfig(n_items=50, start=start, days=70, dirt_share=0, n_bots=0))
        begins = shop.events.filter(pl.col(KIND) == VIEW).group_by(SESSION).agg(pl.col(TIME).min())[TIME]
        weekday, hour = begins.dt.weekday().value_counts().sort(TIME), begins.dt.hour().value_counts().sort(TIME)
        assert weekday["count"].arg_max() == 5  # Saturday
        assert weekday["count"][:2].max() < weekday["count"][4:].min()
        share = hour["count"].to_numpy() / len(begins)
        np.testing.assert_allclose(share, HOURS / HOURS.sum(), atol=0.012)


def test_a_review_says_what_its_stars_say(honest):
    words = {1: "awful", 2: "poor", 3: "fair", 4: "good", 5: "wonderful"}
    reviews = honest.filter(pl.col(KIND) == REVIEW)
    assert set(reviews[RATING]) == set(words)
    for stars, word in words.items():
        assert reviews.filter(pl.col(RATING) == stars)[TEXT].str.contains(f"A {word} thing").all()


def test_a_review_is_a_visit_of_its_own(honest):
    reviews = honest.filter(pl.col(KIND) == REVIEW)[SESSION]
    assert reviews.is_unique().all()
    assert not set(reviews) & set(honest.filter(pl.col(KIND) != REVIEW)[SESSION])


def test_satisfaction_is_quality_less_a_far_price_and_more_for_the_brand(shop):
    shelf, crowd = shop.truth.shelf, shop.truth.crowd
    far, liked = abs(shelf.band[9] - crowd.band[4]), shelf.brand[9] == crowd.brand[4]
    assert shop.satisfaction(4)[9] == pytest.approx(shelf.quality[9] - far + (1 if liked else 0))
    assert len(set(abs(shelf.band - crowd.band[4]))) > 1  # so the sign of it shows elsewhere
    worst = np.argmax(abs(shelf.band - crowd.band[4]))
    assert shop.satisfaction(4)[worst] <= shelf.quality[worst] - 1 + (shelf.brand[worst] == crowd.brand[4]) + 1e-9


def test_stars_looks_and_carts_rise_with_the_true_satisfaction(shop, honest):
    place = {item: row for row, item in enumerate(shop.items[ITEM])}
    rows = np.array([place[item] for item in honest[ITEM]])
    likes = np.stack([shop.satisfaction(user) for user in range(CONFIG.n_users)])
    known = honest.with_columns(pl.Series("liking", likes[honest[USER].to_numpy(), rows]))
    reviews = known.filter(pl.col(KIND) == REVIEW)
    wanted = (3.5 + reviews["liking"]).clip(1, 5)
    # Normal noise of sd 0.5, rounding to whole stars: sd √(1/4 + 1/12) = 0.58 at most.
    assert (reviews[RATING] - wanted).std() < 0.6
    assert abs((reviews[RATING] - wanted).mean()) < 0.1
    views = known.filter(pl.col(KIND) == VIEW)
    slope = stats.linregress(views["liking"], views[DWELL].log())
    assert slope.slope == pytest.approx(0.3, abs=5 * slope.stderr)
    mean = known.group_by(KIND).agg(pl.col("liking").mean())
    by_kind = dict(mean.iter_rows())
    assert by_kind[CART] > by_kind[VIEW] + 0.1


# The law


def transitions(events):
    """User, item before (null at a visit's start) and item of each view."""
    views = events.filter(pl.col(KIND) == VIEW).sort(USER, TIME)
    return views.select(USER, pl.col(ITEM).shift().over(SESSION).alias("before"), ITEM)


def surprise(shop, steps):
    """Ask how likely steps this odd are under the law: Pearson's statistic by the item before  ->  p-value.

    A sum of draws by different shoppers' laws varies less than a multinomial of their mean, so the p-value errs upwards.
    """
    place = {item: row for row, item in enumerate(shop.items[ITEM])}
    total, freedom = 0.0, 0
    for _, rows in steps.group_by("before"):
        states = rows.group_by(USER, "before").len().iter_rows()
        expected = sum(n * shop.next_item_probabilities(user, before) for user, before, n in states)
        counts = np.bincount([place[item] for item in rows[ITEM]], minlength=len(place))
        often = expected >= 5
        total += ((counts - expected)[often] ** 2 / expected[often]).sum()
        freedom += int(often.sum())
    return stats.chi2.sf(total, freedom)


@pytest.fixture(scope="module")
def walked():
    """A small shelf that few shoppers walked along very often."""
    return simulate_shop(ShopConfig(n_users=40, n_items=24, n_events=60_000, days=700, n_bots=0, dirt_share=0))


@pytest.mark.parametrize("is_start", [True, False])
def test_shoppers_step_by_the_law_that_is_told(walked, is_start):
    steps = transitions(walked.events).filter(pl.col("before").is_null() == is_start)
    assert surprise(walked, steps) > 1e-4


@pytest.mark.parametrize(
    "part",
    [
        {"companions": lambda shelf: (shelf.companions + 1) % 24},
        {"goes_with": lambda shelf: shelf.goes_with[::-1]},
        {"appeal": lambda shelf: np.roll(shelf.appeal, 8, axis=0)},
        {"appeal": lambda shelf: np.roll(shelf.appeal, 1, axis=0)},
    ],
    ids=["companions", "categories", "price bands", "brands"],
)
def test_a_wrong_law_is_found_out(walked, part):
    ((name, change),) = part.items()
    shelf = replace(walked.truth.shelf, **{name: change(walked.truth.shelf)})
    wrong = replace(walked, truth=replace(walked.truth, shelf=shelf))
    steps = transitions(walked.events).filter(pl.col("before").is_not_null())
    assert surprise(wrong, steps) < 1e-10


def test_the_law_reads_as_its_formula(walked):
    shelf, crowd = walked.truth.shelf, walked.truth.crowd
    user, last, item = 3, 5, 17
    law = walked.next_item_probabilities(user, walked.items[ITEM][last])
    # P(i | u, j) written out by hand for one item.
    mine, before = shelf.category[item], shelf.category[last]
    by_category = 0.5 * (mine == before) + 0.2 * shelf.goes_with[before, mine] + 0.3 * crowd.taste[user, mine]
    rivals = [i for i in range(24) if shelf.category[i] == mine]
    within = shelf.appeal[crowd.band[user] * 8 + crowd.brand[user]]
    assert within[rivals].sum() == pytest.approx(1)
    companion = sum(share for share, row in zip((0.6, 0.3, 0.1), shelf.companions[last], strict=True) if row == item)
    assert law[item] == pytest.approx(0.25 * companion + 0.75 * by_category * within[item])
    assert law.sum() == pytest.approx(1)
    assert walked.next_item_probabilities(user).sum() == pytest.approx(1)


def test_the_law_of_a_stranger_or_of_an_unknown_item_is_refused(shop):
    with pytest.raises(KeyError, match="SKU-x"):
        shop.next_item_probabilities(5, "SKU-x")
    for user in (-1, 300):
        with pytest.raises(KeyError):
            shop.next_item_probabilities(user)
        with pytest.raises(KeyError):
            shop.satisfaction(user)


# The stock


def test_nothing_is_sold_beyond_the_stock_which_is_never_negative(shop, honest):
    assert shop.stock[STOCK].min() >= 0
    assert shop.stock[TIME].is_sorted()
    sold = honest.filter(pl.col(KIND) == PURCHASE).select(ITEM, TIME, QUANTITY).sort(TIME)
    at_sale = sold.join_asof(shop.stock, on=TIME, by=ITEM, allow_exact_matches=False, check_sortedness=False)
    assert (at_sale[STOCK] >= at_sale[QUANTITY]).all()
    assert (at_sale[STOCK] == at_sale[QUANTITY]).any(), "nothing ever ran out, so the rule was not tried"


def test_what_is_left_is_what_came_less_what_was_sold(shop, honest):
    steps = shop.stock.with_columns(pl.col(STOCK).diff().over(ITEM).alias("step"))
    gone = -steps.filter(pl.col("step") < 0).group_by(ITEM).agg(pl.col("step").sum()).sort(ITEM)["step"]
    bought = honest.filter(pl.col(KIND) == PURCHASE).group_by(ITEM).agg(pl.col(QUANTITY).sum()).sort(ITEM)
    assert gone.to_list() == bought[QUANTITY].to_list()
    assert (steps["step"].fill_null(1) != 0).all()
    last = shop.stock.group_by(ITEM).agg(pl.col(STOCK).last())
    assert shop.items.join(last, on=ITEM, suffix="_last").select((pl.col(STOCK) == pl.col("stock_last")).all()).item()


def test_a_delivery_comes_after_a_week_and_an_empty_shelf_sells_nothing():
    room = Stockroom(1, datetime(2025, 1, 6), np.random.default_rng(0))
    hour, week = 3_600_000, 7 * 86_400_000
    start = 1_736_121_600_000  # 2025-01-06 in milliseconds
    # A hundred asks for three within days, then quiet until the last, ten weeks on: a tenth of it comes a week.
    at = np.append(start + np.arange(100) * hour, start + 10 * week + hour)
    sold = room.sell(np.zeros(101, np.int64), at, np.full(101, 3))
    history = room.history()
    full = history[STOCK][0]
    served = full // 3
    assert 0 < served < 100
    assert sold[:100].tolist() == [True] * served + [False] * (100 - served)
    assert history[STOCK][: served + 1].to_list() == [full - 3 * n for n in range(served + 1)]
    assert history[TIME][served + 1] == datetime(2025, 1, 13)
    assert history[STOCK][-2] == full  # filled up, and not beyond
    assert sold[100]


# The dirt


def test_cleaning_finds_exactly_the_planted_dirt_reason_by_reason(shop, honest):
    kept, report = clean(shop.events, shop.items)
    planted = dict(shop.truth.dirt["reason"].value_counts().iter_rows())
    found = {reason: rows for reason, rows, _ in report.iter_rows() if reason != "kept" and rows}
    assert found == planted
    assert set(planted) == {"missing id", "bad time", "bad value", "unknown item", "duplicate", "bot"}
    assert kept.sort(pl.all()).equals(honest.select(kept.columns).sort(pl.all()))


def test_the_truth_of_the_dirt_is_what_the_rows_show(shop):
    events = shop.events.with_row_index("row")
    dirt = {reason: events.join(rows, on="row") for (reason,), rows in shop.truth.dirt.group_by("reason")}
    assert len({len(rows) for reason, rows in dirt.items() if reason != "bot"}) == 1
    assert dirt["missing id"].select((pl.col(USER).is_null() ^ pl.col(ITEM).is_null()).all()).item()
    years = set(dirt["bad time"][TIME].dt.year())
    assert 1970 in years
    assert max(years) == 2065
    assert dirt["bad value"].select((pl.col(VALUE).is_nan() | (pl.col(VALUE) < 0)).all()).item()
    assert not set(dirt["unknown item"][ITEM]) & set(shop.items[ITEM])
    assert shop.events.is_duplicated().sum() == 2 * len(dirt["duplicate"])


def test_no_row_is_spoilt_or_copied_twice():
    shop = simulate_shop(replace(CONFIG, dirt_share=1, n_bots=0))
    copies = (shop.truth.dirt["reason"] == "duplicate").sum()
    assert copies > 1_500
    assert shop.events.is_duplicated().sum() == 2 * copies


def test_a_bot_is_too_fast_on_one_day_and_shares_no_visit_with_a_shopper():
    shop = simulate_shop(replace(CONFIG, n_bots=2))
    bots = shop.events.filter(pl.col(USER) >= CONFIG.n_users)
    per_day = bots.group_by(USER, pl.col(TIME).dt.date()).len()["len"].to_list()
    assert per_day == [1_200, 1_200]
    others = shop.events.filter(pl.col(USER) < CONFIG.n_users)
    assert not set(bots[SESSION]) & set(others[SESSION])
    assert bots[SESSION].n_unique() == 2_400


def test_a_shop_without_dirt_is_clean():
    shop = simulate_shop(replace(CONFIG, dirt_share=0, n_bots=0))
    assert len(shop.truth.dirt) == 0
    assert len(clean(shop.events, shop.items)[0]) == len(shop.events)


# Large shops


def test_a_large_shop_comes_in_chunks_of_one_shelf_and_other_shoppers():
    chunks = list(shop_chunks(LARGE, 10_000))
    assert [round(len(chunk), -4) for chunk in chunks] == [10_000] * 3
    assert all(len(chunk) == pytest.approx(10_000, rel=0.1) for chunk in chunks)
    for column in (USER, SESSION):
        assert sum(chunk[column].n_unique() for chunk in chunks) == pl.concat(chunks)[column].n_unique()
    assert pl.concat(chunks)[USER].max() < LARGE.n_users
    shelf = simulate_shop(LARGE).items
    known = pl.concat(chunks).join(shelf, on=ITEM, suffix="_shelf").filter(pl.col(PRICE).is_not_null())
    assert (known[PRICE] == known["price_shelf"]).all()
    assert len(known) == sum(len(chunk) - (chunk[KIND] == REVIEW).sum() for chunk in chunks)
    assert chunks[1].equals(list(shop_chunks(LARGE, 10_000))[1])


def test_more_chunks_than_shoppers_do_not_invent_shoppers():
    config = ShopConfig(n_users=3, n_items=12, n_events=600, dirt_share=0, n_bots=0)
    chunks = list(shop_chunks(config, 100))
    assert [set(chunk[USER]) for chunk in chunks] == [{0}, {1}, {2}]


def test_a_large_shop_is_written_chunk_by_chunk_as_it_is_streamed(tmp_path):
    write_shop(tmp_path / "shop.parquet", LARGE, 10_000)
    assert pl.read_parquet(tmp_path / "shop.parquet").equals(pl.concat(shop_chunks(LARGE, 10_000)))
    assert pq.read_metadata(tmp_path / "shop.parquet").num_row_groups == 3  # a reader needs the memory of one
    assert [path.name for path in tmp_path.iterdir()] == ["shop.parquet"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    def fails(config, chunk_events):
        yield next(shop_chunks(config, chunk_events))
        raise OSError("disk full")

    (tmp_path / "shop.parquet").write_text("old")
    monkeypatch.setattr(shop_module, "shop_chunks", fails)
    with pytest.raises(OSError, match="disk full"):
        write_shop(tmp_path / "shop.parquet", LARGE, 10_000)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.parquet"]
    assert (tmp_path / "shop.parquet").read_text() == "old"


def test_the_shop_is_a_source_like_any_other():
    tables = load_shop(CONFIG)
    assert tables.note == NOTE
    assert tables.events.equals(simulate_shop(CONFIG).events)
    assert load("shop").note == NOTE
