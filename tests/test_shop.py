import time
from datetime import timedelta

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from scipy import stats

from recolab.prepare import clean
from recolab.schema import CART, ITEM, KIND, PURCHASE, QUANTITY, RATING, REVIEW, SESSION, STOCK, TEXT, TIME, USER, VIEW
from recolab.sources import load
from recolab.sources.shop import ShopConfig, shop_chunks, simulate_shop, write_shop
from recolab.sources.shop_catalogue import make_shelf
from recolab.sources.shop_traffic import Crowd, walk

CONFIG = ShopConfig(n_users=300, n_items=200, n_events=20_000, days=40)


@pytest.fixture(scope="module")
def shop():
    return simulate_shop(CONFIG)


@pytest.fixture(scope="module")
def honest(shop):
    """The log without its dirt."""
    return shop.events.with_row_index("row").join(shop.dirt, on="row", how="anti").drop("row").sort(TIME)


def test_a_hundred_thousand_events_take_seconds():
    started = time.perf_counter()
    shop = simulate_shop()
    assert time.perf_counter() - started < 6  # a second when nothing else runs
    assert 90_000 <= len(shop.events) <= 110_000


def test_the_same_config_is_the_same_shop(shop):
    again = simulate_shop(CONFIG)
    assert again.events.equals(shop.events)
    assert again.items.equals(shop.items)
    assert not simulate_shop(ShopConfig(n_users=300, n_items=200, n_events=20_000, days=40, seed=8)).events.equals(
        shop.events
    )


def test_cleaning_finds_exactly_the_planted_dirt_reason_by_reason(shop, honest):
    kept, report = clean(shop.events, shop.items)
    planted = dict(shop.dirt["reason"].value_counts().iter_rows())
    found = {reason: rows for reason, rows, _ in report.iter_rows() if reason != "kept" and rows}
    assert found == planted
    assert len(planted) == 6
    assert kept.sort(pl.all()).equals(honest.select(kept.columns).sort(pl.all()))


def test_a_purchase_follows_a_cart_and_a_cart_a_view(honest):
    first = honest.group_by(SESSION, ITEM).agg(
        [pl.col(TIME).filter(pl.col(KIND) == kind).min().alias(kind) for kind in (VIEW, CART, PURCHASE, REVIEW)]
    )
    for before, after in ((VIEW, CART), (CART, PURCHASE), (PURCHASE, REVIEW)):
        both = first.filter(pl.col(after).is_not_null())
        assert len(both) > 20
        assert (both[before] < both[after]).all()


def test_stock_is_never_negative_and_nothing_is_sold_beyond_it(shop, honest):
    assert shop.stock[STOCK].min() >= 0
    sold = honest.filter(pl.col(KIND) == PURCHASE).select(ITEM, TIME, QUANTITY).sort(TIME)
    changes = shop.stock.sort(TIME, maintain_order=True)
    at_sale = sold.join_asof(changes, on=TIME, by=ITEM, allow_exact_matches=False, check_sortedness=False)
    assert (at_sale[STOCK] >= at_sale[QUANTITY]).all()
    assert (at_sale[STOCK] == at_sale[QUANTITY]).any(), "nothing ever ran out, so the rule was not tried"


def test_no_shopper_comes_near_a_bot(honest):
    per_day = honest.group_by(USER, pl.col(TIME).dt.date()).len()["len"]
    assert per_day.max() < 300


def test_a_review_says_what_its_stars_say(honest):
    reviews = honest.filter(pl.col(KIND) == REVIEW)
    assert reviews.filter(pl.col(RATING) == 5)[TEXT].str.contains("wonderful").all()
    assert reviews.filter(pl.col(RATING) <= 1)[TEXT].str.contains("awful").all()
    assert honest.filter(pl.col(KIND) != REVIEW)[TEXT].is_null().all()


@pytest.mark.parametrize("last", [None, 3])
def test_shoppers_step_by_the_law_that_is_told(last):
    shelf = make_shelf(60, 0)
    rng = np.random.default_rng(0)
    crowd = Crowd(rng.dirichlet(np.ones(12), 1), np.array([1]))
    law = shelf.step_law(crowd.taste[0], 1, last)
    assert law.sum() == pytest.approx(1)
    n = 60_000
    seen = walk(shelf, crowd, np.zeros(n, int), np.full(n, 2), rng).reshape(n, 2)
    nexts = seen[:, 0] if last is None else seen[seen[:, 0] == last, 1]
    expected = law * len(nexts)
    often = expected >= 5
    counts = np.append(np.bincount(nexts, minlength=60)[often], (~often[nexts]).sum())
    wanted = np.append(expected[often], expected[~often].sum())
    assert stats.chisquare(counts, wanted * counts.sum() / wanted.sum()).pvalue > 1e-4
    uniform = np.full(len(counts), counts.sum() / len(counts))
    assert stats.chisquare(counts, uniform).pvalue < 1e-10, "a test that any law passes is no test"


def test_the_law_can_be_asked_by_ids(shop):
    law = shop.next_item_probabilities(5, shop.items[ITEM][7])
    assert law.shape == (200,)
    assert law.sum() == pytest.approx(1)
    same = shop.shelf.category == shop.shelf.category[7]
    assert law[same].sum() >= 0.5


def test_a_large_shop_comes_in_chunks_of_one_shelf_and_other_shoppers(tmp_path):
    config = ShopConfig(n_users=900, n_items=150, n_events=30_000, days=30)
    chunks = list(shop_chunks(config, 10_000))
    assert len(chunks) == 3
    assert all(8_500 < len(chunk) < 11_500 for chunk in chunks)
    users = [set(chunk[USER]) for chunk in chunks]
    assert not users[0] & users[1] | users[1] & users[2]
    assert set(chunks[0][ITEM]) <= set(make_shelf(150, 7).items[ITEM])
    write_shop(tmp_path / "shop.parquet", config, 10_000)
    assert pq.read_metadata(tmp_path / "shop.parquet").num_rows == sum(map(len, chunks))
    assert [path.name for path in tmp_path.iterdir()] == ["shop.parquet"]


def test_a_visit_ends_before_the_next_day_is_over(honest):
    visits = honest.filter(pl.col(KIND) != REVIEW).group_by(SESSION).agg((pl.max(TIME) - pl.min(TIME)).alias("span"))
    assert visits["span"].max() < timedelta(hours=12)


def test_the_shop_is_a_source_like_any_other():
    assert load("shop").note.startswith("A simulated shop")
