"""The shop that one looks at: a click moves the live list alone, what is sold out leaves it alone, and no title is markup."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from recolab.feedback import join_reactions, read_events, read_impressions
from recolab.histories import build_catalog, pack
from recolab.live import EVENTS, IMPRESSIONS, Choir, Favour, Linked, LiveRecommender, LiveShop
from recolab.models.neighbours import Transitions
from recolab.schema import CART, CATEGORY, EVENT_WEIGHT, ITEM, LIST, PRICE, PURCHASE, REVIEW, STOCK, TITLE, VALUE, VIEW
from recolab.storefront import Counter, SoldOutError, Storefront, visit
from recolab.storefront.pages import latencies, page
from recolab.storefront.tiles import tile
from recolab.storefront.visit import LIVE, NIGHTLY, POPULAR
from tests.worlds import START, carousel

NOW = START + timedelta(days=30)
N_ITEMS = 12
EVIL = '<img src=x onerror="alert(1)">'


def open_store(folder, user="a stranger", stock=None, k=3):
    """Twelve goods on a ring: whoever had one is shown the two after it; the names of some are no good."""
    _, _, events = carousel(n_users=40, n_items=N_ITEMS, length=15)
    numbers = pl.int_range(N_ITEMS, eager=True)
    items = pl.DataFrame(
        {
            ITEM: numbers,
            TITLE: [f"{EVIL} {item}" for item in range(N_ITEMS)],
            CATEGORY: [EVIL if item % 2 else "&amp" for item in range(N_ITEMS)],
            PRICE: 10.0 + numbers,
            STOCK: pl.Series([stock] * N_ITEMS, dtype=pl.Int64),
        }
    )
    catalog = build_catalog(events, items)
    past = pack(events, catalog, as_of=NOW)
    linked = Linked(Transitions(half_life_days=4, reach=2).fit(past, catalog).links, 4, "Transitions")
    favour = Favour(np.bincount(past.items, minlength=len(catalog)).astype(np.float32))
    live = LiveRecommender(catalog, past, Choir([linked, favour], [1.0, 0.1]), np.eye(N_ITEMS + 1, dtype=np.float32))
    return Storefront(LiveShop(live, folder), past, user, k, at=NOW)


@pytest.fixture
def opened(tmp_path_factory):
    """Open shops, each with a folder of its own."""
    return lambda **words: open_store(tmp_path_factory.mktemp("visit"), **words)


@pytest.fixture
def store(opened):
    return opened()


def shown(store):
    return {name: [place.card.item for place in places] for name, places in store.lists.items()}


def buy_out(store, item):
    while store.live.card(item).stock:
        store.click(item, PURCHASE)


def test_a_look_moves_the_live_list_and_neither_the_nightly_nor_the_popular_one(store):
    before = shown(store)
    assert before[LIVE] == before[NIGHTLY]
    store.click(6, VIEW)
    after = shown(store)
    assert after[LIVE][:2] == [7, 8]
    assert (after[NIGHTLY], after[POPULAR]) == (before[NIGHTLY], before[POPULAR])


def test_the_night_tells_the_batch_what_the_day_knew(store):
    store.click(6, VIEW)
    store.night()
    assert shown(store)[NIGHTLY] == shown(store)[LIVE]
    store.click(2, PURCHASE)
    assert shown(store)[NIGHTLY][:2] == [7, 8]


def test_whoever_buys_the_last_piece_takes_it_from_the_live_list_alone(store):
    first = shown(store)[NIGHTLY][0]
    assert shown(store)[POPULAR][0] == first
    left = store.live.card(first).stock
    store.click(first, PURCHASE)
    assert store.live.card(first).stock == left - 1
    buy_out(store, first)
    lists = store.lists
    assert first not in shown(store)[LIVE]
    assert [lists[name][0].sold_out for name in (LIVE, NIGHTLY, POPULAR)] == [False, True, True]
    assert page(store).count("sold out") == 2


def test_nobody_gets_what_is_sold_out_and_no_click_is_counted(store):
    buy_out(store, 4)
    done = len(store.clicks)
    for kind in (CART, PURCHASE):
        with pytest.raises(SoldOutError, match="4 is sold out"):
            store.click(4, kind)
    with pytest.raises(ValueError, match="kind = 'review' must be one of view, cart, purchase"):
        store.click(5, REVIEW)
    with pytest.raises(KeyError, match="99 is not in the catalog"):
        store.click(99, VIEW)
    assert len(store.clicks) == done
    store.click(4, VIEW)
    assert len(store.clicks) == done + 1


def test_the_reason_is_what_was_done_with_which_item(store):
    store.click(6, VIEW)
    assert [place.because for place in store.lists[LIVE][:2]] == [f"because you looked at {EVIL} 6"] * 2
    assert {place.because for name in (NIGHTLY, POPULAR) for place in store.lists[name]} == {None}
    store.click(6, CART)
    assert store.lists[LIVE][0].because == f"because you put {EVIL} 6 into the cart"


def test_what_is_its_own_reason_is_not_named_twice(store, monkeypatch):
    monkeypatch.setattr(visit.LiveRecommender, "reasons", lambda live, user, items, at: items)
    store.click(shown(store)[LIVE][0], VIEW)
    assert "because you looked at it" in [place.because for place in store.lists[LIVE]]


def test_a_shopper_of_the_past_is_told_of_earlier_visits_and_shown_what_is_new(opened):
    _, _, events = carousel(n_users=40, n_items=N_ITEMS, length=15)
    assert events.filter(user_id=1)[ITEM].n_unique() == N_ITEMS
    assert shown(opened(user=1))[LIVE] == []  # who had everything
    store = opened(k=6)
    store.live.observe("a stranger", 6, PURCHASE, NOW - timedelta(days=1))
    store.click(0, VIEW)
    told = {place.card.item: place.because for place in store.lists[LIVE]}
    assert told[7] == f"because of {EVIL} 6, on an earlier visit"


def test_places_tell_where_they_were_before_the_last_click(store):
    assert {place.moved for place in store.lists[LIVE]} == {0}
    before = shown(store)[LIVE]
    store.click(6, VIEW)
    moved = {place.card.item: place.moved for place in store.lists[LIVE]}
    assert moved == {
        item: before.index(item) - now if item in before else None for now, item in enumerate(shown(store)[LIVE])
    }
    assert None in moved.values()


def test_an_unknown_stock_is_drawn_from_the_seed_and_said_to_be_and_a_known_one_stands(store, opened):
    again, known = opened(), opened(stock=9)
    stock = [store.live.card(item).stock for item in range(N_ITEMS)]
    assert stock == [again.live.card(item).stock for item in range(N_ITEMS)]
    assert len(set(stock)) > 1
    assert min(stock) >= 1
    assert {known.live.card(item).stock for item in range(N_ITEMS)} == {9}
    assert (store.simulated, known.simulated) == (True, False)
    assert "simulated, drawn from seed 7" in page(store)
    assert "simulated" not in page(known)
    assert "no pictures" in page(known)


def test_every_word_of_the_shop_is_escaped(opened):
    store = opened(user=EVIL)
    store.click(6, VIEW)
    counter = Counter(store)
    html = page(store) + "".join(slot.card.value for slots in counter.slots.values() for slot in slots)
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;") > 12
    assert "&amp;amp" in html


def test_a_tile_is_of_its_category_and_always_the_same():
    assert tile("Bread", 1) == tile("Bread", 1) != tile("Bread", 2)
    assert ">B</text>" in tile("Bread", 1)
    assert ">7</text>" in tile("-7 up", 1)
    assert ">?</text>" in tile(None, 1)


def test_the_times_on_the_page_are_those_of_the_clicks(store):
    assert "no click yet" in page(store)
    for item in (1, 2, 3):
        store.click(item, VIEW)
    took = [click.milliseconds for click in store.clicks]
    assert min(took) > 0
    words = f"3 clicks, half answered within {np.median(took):.1f} ms, the slowest in {max(took):.1f} ms"
    assert words in page(store)
    assert latencies(store.clicks).count("<rect") == 3


def test_a_button_clicks_for_the_item_that_its_card_shows(store):
    counter = Counter(store)
    for kind in (VIEW, CART, PURCHASE):
        slot = counter.slots[LIVE][1]
        item = slot.item
        assert f"{EVIL} {item}".replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;") in slot.card.value
        slot.buttons[kind].click()
        assert (store.clicks[-1].kind, store.clicks[-1].card.item) == (kind, item)
    assert [slot.item for slot in counter.slots[LIVE]] == shown(store)[LIVE]
    assert [slot.item for slot in counter.slots[NIGHTLY]] == shown(store)[NIGHTLY] != shown(store)[LIVE]
    counter.night.click()
    assert [slot.item for slot in counter.slots[NIGHTLY]] == shown(store)[LIVE]


def test_buttons_of_what_is_sold_out_only_look_and_a_short_list_leaves_places_empty(store):
    counter = Counter(store)
    sold = shown(store)[NIGHTLY][0]
    for item in range(N_ITEMS - 1):
        buy_out(store, item)
    slot = counter.slots[NIGHTLY][0]
    assert slot.item == sold
    assert [slot.buttons[kind].disabled for kind in (VIEW, CART, PURCHASE)] == [False, True, True]
    assert [slot.row.layout.visibility for slot in counter.slots[LIVE]] == ["visible", "hidden", "hidden"]


def test_a_notebook_shows_the_buttons_and_a_report_the_page(store):
    bundle = Counter(store)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"] == page(store)


def test_a_visit_is_in_the_log_and_can_be_lived_again_from_it(tmp_path):
    store = open_store(tmp_path)
    buy_out(store, shown(store)[LIVE][0])
    store.click(6, CART)
    store.shop.close()
    again = open_store(tmp_path)
    assert shown(again)[LIVE] == shown(store)[LIVE]
    log, events = read_impressions(tmp_path / IMPRESSIONS), read_events(tmp_path / EVENTS)
    assert log[LIST].n_unique() == len(store.clicks) + 2  # one at each opening
    assert events[ITEM].to_list() == [click.card.item for click in store.clicks]
    answered = join_reactions(log, events).impressions
    assert answered.filter(pl.col(ITEM) == store.clicks[0].card.item)[VALUE].max() == EVENT_WEIGHT[PURCHASE]
