"""What no list shows at first sight: two at once, the order of one moment, what is kept of the shelf, and what a clock is for."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Barrier, BrokenBarrierError, Event

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recolab.compiled import CompiledEncoder
from recolab.export import export_encoder
from recolab.histories import PAD, Catalog, build_catalog, pack
from recolab.live import Choir, Encoded, Favour, Linked, LiveRecommender, Session, Sessions
from recolab.live import sessions as live_sessions
from recolab.live.sessions import NOBODY
from recolab.live.tables import FloatTable
from recolab.models.neighbours import Transitions
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.rerank import Rules
from recolab.schema import ITEM
from recolab.training import TrainConfig
from tests.worlds import START, log, priced_ring

N_ITEMS = 12
NOW = START + timedelta(days=30)
SMALL = 0.05
A_WHILE = 0.3  # seconds that a thread waits for one that a lock keeps out


@pytest.fixture(scope="module")
def ring():
    """Twelve goods on a ring, of two categories, at rising prices, and shoppers who have walked on it."""
    return priced_ring(N_ITEMS, NOW)


@pytest.fixture
def live(ring):
    catalog, past = ring
    links = Transitions(half_life_days=0.5, reach=1).fit(past, catalog).links
    voices = [Linked(links, 0.5, "Transitions"), Favour(np.bincount(past.items, minlength=len(catalog)))]
    return LiveRecommender(catalog, past, Choir(voices, [1.0, 0.01]), np.eye(len(catalog), dtype=np.float32))


def shown(live, rules=None):
    return {pick.item for pick in live.recommend(1, N_ITEMS, rules)}


# Two at once


def test_two_events_of_one_shopper_at_one_moment_are_both_kept(ring, monkeypatch):
    sessions, both_inside, plus = Sessions(ring[1], most=9), Barrier(2), Session.plus

    def slowly(session, *event):
        with suppress(BrokenBarrierError):
            both_inside.wait(A_WHILE)
        return plus(session, *event)

    monkeypatch.setattr(Session, "plus", slowly)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda row: sessions.add("s", row, 100, 0), (3, 4)))
    assert sorted(sessions.of("s").items) == [3, 4]


def test_a_session_that_is_asked_for_is_not_pushed_out_meanwhile(ring):
    sessions, asked, pushed = Sessions(ring[1], most=1), Event(), Event()

    class Slow(OrderedDict):
        def move_to_end(self, key, last=True):
            asked.set()
            pushed.wait(A_WHILE)
            super().move_to_end(key, last)

    sessions.add("s", 3, 100, 0)
    sessions._open = Slow(sessions._open)
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(sessions.of, "s")
        assert asked.wait(60)
        sessions.add("another", 4, 100, 0)
        pushed.set()
        assert list(found.result().items) == [3]


def test_a_list_that_is_made_while_the_shelf_changes_leaves_nothing_of_the_old_shelf_behind(live, monkeypatch):
    looked, changed, allowed = Event(), Event(), live.shelf.allowed

    def slowly(*asked):
        found = allowed(*asked)
        looked.set()
        changed.wait(A_WHILE)
        return found

    monkeypatch.setattr(live.shelf, "allowed", slowly)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(shown, live)
        assert looked.wait(60)
        live.update_item(3, stock=0)
        changed.set()
        asked.result()
    assert shown(live) == set(range(N_ITEMS)) - {3}


# What is kept


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(1, 9), st.integers(0, 30), st.integers(0, 3)),
        max_size=40,
    )
)
def test_many_events_at_once_leave_what_they_would_one_by_one(ring, events):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_sessions, "KEPT", 3)
        patch.setattr(live_sessions, "RULED", 4)
        one_by_one, at_once = (Sessions(ring[1], most=2) for _ in range(2))
        for user, row, at, kind in events:
            one_by_one.add(user, row, at, kind)
        users, *numbers = zip(*events, strict=True) if events else ((), (), (), ())
        rows, times, kinds = (np.array(n, kind) for n, kind in zip(numbers, (np.int32, np.int64, np.int8), strict=True))
        at_once.add_all(users, rows, times, kinds)
        assert list(one_by_one._open) == list(at_once._open)
        for user in "abcd":
            told, kept = one_by_one.of(user), at_once.of(user)
            for mine, its in ((told, kept), (told.older or NOBODY, kept.older or NOBODY)):
                assert [list(mine.items), list(mine.times), list(mine.kinds)] == [
                    list(its.items),
                    list(its.times),
                    list(its.kinds),
                ]


def test_who_was_there_all_along_loses_nothing_to_those_who_came_meanwhile(ring):
    sessions, kinds = Sessions(ring[1], most=1), np.zeros(41, np.int8)
    sessions.add("x", 9, 50, 2)
    users = [name for n in range(20) for name in ("x", f"guest-{n}")] + ["x"]
    sessions.add_all(users, np.full(41, 3, np.int32), np.arange(100, 141), kinds)
    assert (len(sessions.of("x")), sessions.of("x").items[0]) == (22, 9)


def test_a_second_before_the_year_1970_is_the_second_before():
    moments = [datetime(1969, 12, 31, 23, 50, tzinfo=UTC) - timedelta(seconds=part) for part in (0, 0.5, 1)]
    assert [live_sessions.seconds_of(at) for at in moments] == [-600, -601, -601]


def test_whoever_only_asks_is_no_longer_the_one_who_was_away_longest(ring):
    sessions = Sessions(ring[1], most=2)
    sessions.add("a", 1, 100, 0)
    sessions.add("b", 2, 100, 0)
    sessions.of("a")
    sessions.add("c", 3, 100, 0)
    assert list(sessions._open) == ["a", "c"]
    assert list(sessions._away) == ["b"]
    assert [len(sessions.of(user)) for user in ("a", "b", "c")] == [1, 1, 1]  # and nobody's event is lost


def test_of_those_who_only_ask_too_the_one_who_was_away_longest_makes_room(ring):
    sessions = Sessions(ring[1], most=2)
    for user in (1, 2, 1, 3):
        sessions.of(user)
    assert list(sessions._asked) == [1, 3]


def test_each_rule_has_a_look_at_the_shelf_of_its_own(live):
    even, odd = set(range(0, N_ITEMS, 2)), set(range(1, N_ITEMS, 2))
    wanted = [
        (None, even | odd),
        (Rules(min_price=15), set(range(5, N_ITEMS))),
        (Rules(max_price=15), set(range(6))),
        (Rules(categories=["0"]), even),
        (Rules(categories=["1"]), odd),
        (Rules(not_categories=["0"]), odd),
        (Rules(not_categories=["1"]), even),
    ]
    for rules, items in [*wanted, *wanted]:  # looked up, and remembered
        assert shown(live, rules) == items


def test_events_of_one_moment_stay_in_the_order_in_which_they_came():
    session = NOBODY.plus(1, 100, 0).plus(9, 200, 0).plus(2, 100, 1)  # the last one late
    assert list(session.items) == [1, 2, 9]
    assert list(session.times) == [100, 100, 200]
    assert list(session.kinds) == [0, 1, 0]


# What is said


def test_nothing_is_the_last_that_a_judge_is_told(live, ring):
    scores = live.score(ring[1].take(slice(0, 3)))
    assert (scores[:, PAD] == -np.inf).all()
    assert np.isfinite(scores[:, 1:]).all()


def test_a_catalog_without_items_is_refused_when_it_is_opened(ring):
    empty = Catalog(pl.DataFrame({ITEM: [None]}, schema={ITEM: pl.Int64}))
    with pytest.raises(ValueError, match="a catalog without items"):
        LiveRecommender(empty, ring[1], Choir([], []), np.zeros((1, 2), np.float32))


@pytest.fixture(scope="module")
def timed():
    """A Transformer that heeds how long ago a basket was, by a bias loud enough to be heard; baskets of one to three goods.

    Its table is so small that the norm behind it does not hide how large a basket's sum is.
    """
    baskets = [
        (user, (user + day * size) % 9, day**2 / 4) for user in range(20) for day in range(8) for size in (1, 2, 3)
    ]
    events = log(baskets[::2] + baskets[1::3])
    catalog = build_catalog(events)
    past = pack(events, catalog, as_of=NOW)
    config = TransformerConfig(dim=16, max_len=10, negatives=0, time_bias=True)
    model = Transformer(config, TrainConfig(1, progress=False)).fit(past, catalog)
    with torch.no_grad():
        model.module.encoder.time.bias.copy_(torch.linspace(-6, 6, 12).expand(config.n_heads, -1))
        model.module.table.weight.mul_(SMALL)
    return model, past


def test_a_basket_counts_by_its_root_and_the_compiled_encoder_sees_how_long_ago_it_was(timed, tmp_path):
    model, past = timed
    export_encoder(model, tmp_path / "encoder.onnx")
    voice = Encoded(
        CompiledEncoder(tmp_path / "encoder.onnx", 10), FloatTable(model.module.table.weight.detach().numpy()), 10
    )
    sessions = Sessions(past, most=99)
    for user in past.users[:8]:
        session, wanted = sessions.of(user), model.score(past.take(slice(user, user + 1)))[0, 1:] / SMALL
        assert len(session.visits()) < len(session)  # baskets
        rows = np.arange(1, len(wanted) + 1)
        np.testing.assert_allclose(voice.opinion(session, past.as_of).of(rows) / SMALL, wanted, atol=2e-4)
        places = np.searchsorted(session.visits(), np.arange(len(session)), side="right")
        in_seconds = Session(session.items, past.as_of - 99 + places, session.kinds)  # the same visits, of just now
        assert np.abs(voice.opinion(in_seconds, past.as_of).of(rows) / SMALL - wanted).max() > 0.01


def test_who_serves_waits_for_nothing_that_only_learning_needs():
    code = "import sys, recolab.service.app; print(sorted({'torch', 'lightgbm', 'sklearn', 'optuna', 'matplotlib'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
