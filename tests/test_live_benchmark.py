"""The live benchmark's shops: a grown one asks like its original, a walk tells of short lists, reading on is timed beside reading anew."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest

from benchmarks import live, live_load, live_shops, live_states
from benchmarks.live_shops import grown, lists, recall, walk
from recolab.live import Wish, open_shop, parts, replay, ship
from recolab.live.tables import FloatTable, IndexedTable, Int8Table, SkimmedTable, make_index
from recolab.models.neighbours import Transitions
from recolab.models.popularity import PersonalFrequency
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.rerank import Rules
from recolab.training import TrainConfig
from tests.worlds import START, priced_ring

N_ITEMS = 30


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    """A ring of goods, shipped as notebook 10 ships a shop."""
    folder = tmp_path_factory.mktemp("live")
    catalog, past = priced_ring(N_ITEMS, START)
    models = [
        Transformer(TransformerConfig(dim=8, max_len=10, negatives=0), TrainConfig(1, progress=False)),
        Transitions(half_life_days=4, reach=2),
        PersonalFrequency(5, 3),
    ]
    ship(folder, catalog, past, *(model.fit(past, catalog) for model in models))
    return folder


@pytest.fixture
def shop(ring, monkeypatch):
    for module in (live, live_shops):
        monkeypatch.setattr(module, "shipped", lambda: ring)
    monkeypatch.setattr(live_shops, "K", 5)


@pytest.mark.parametrize("n_items", [N_ITEMS, 100, 17])
def test_a_grown_shop_has_so_many_items_and_its_index_finds_what_asking_all_finds(shop, n_items):
    open_shop, index_recall = grown(n_items)
    near, exact = open_shop("indexed"), open_shop("whole")
    assert near.n_items == exact.n_items == n_items
    assert index_recall > 0.9
    users = near.past.users[:20]
    assert recall(lists(near, users), lists(exact, users)) > 0.9
    assert near.past.items.max() <= n_items


def test_a_shop_of_three_copies_spreads_its_shoppers_and_keeps_their_links_apart(shop):
    open_shop, _ = grown(3 * N_ITEMS)
    large, small = open_shop("skimmed"), grown(N_ITEMS)[0]("whole")
    for b in range(3):
        rows, real = (each.past.items[slice(*each.past.offsets[b : b + 2])] for each in (large, small))
        assert (rows - real == b * N_ITEMS).all()
    links, real = (each.choir.voices[1].links.toarray() for each in (large, small))
    for copy in range(3):
        part = slice(1 + copy * N_ITEMS, 1 + (copy + 1) * N_ITEMS)
        np.testing.assert_array_equal(links[part, part], real[1:, 1:])
    assert links.sum() == pytest.approx(3 * real.sum(), rel=1e-5)


def test_a_walk_times_each_event_with_its_list_and_counts_what_is_short(shop, monkeypatch):
    monkeypatch.setattr(live_shops, "all_rules", lambda _: (Rules(max_price=1000), Wish()))
    one = grown(N_ITEMS)[0]("skimmed")
    found = walk(one, one.past.users[:4], 6, seed=7, warm=2)
    assert (len(found.seconds), found.short) == (6, 0)
    assert found.quantile(0.5) <= found.quantile(0.99) < 1000
    monkeypatch.setattr(live_shops, "K", 100)
    assert walk(one, one.past.users[:4], 6, seed=7, warm=2).short == 8
    monkeypatch.setattr(live, "SHOPPERS", 4)
    with pytest.raises(AssertionError, match="lists were not full"):
        live.rounds(one, 3)


def test_the_share_of_a_list_that_was_found_is_counted_item_by_item():
    assert recall([{1, 2}, {3}], [{1, 9}, {3}]) == 0.75


def test_a_machine_has_a_bandwidth_and_a_speed():
    bandwidth, products = live.machine(1_000_000)
    assert 1e8 < bandwidth < 1e13
    assert 1e8 < products < 1e13


def test_reading_on_is_timed_beside_reading_anew(monkeypatch):
    monkeypatch.setattr(live_states, "RUNS", 2)
    assert min(live_states.anew_and_on(3)) > 0


def test_each_case_is_measured_and_named_in_its_rows(monkeypatch, capsys):
    monkeypatch.setattr(live, "apart", lambda work: work())
    monkeypatch.setitem(live.CASES, "start", lambda: [live.row("a start", 1.23456, "s")])
    written = []
    monkeypatch.setattr(live, "write_table", lambda name, table, replacing: written.append((name, table, replacing)))
    live.main(["start"])
    [(name, table, replacing)] = written
    assert (name, replacing, table["part"].to_list(), table["value"].to_list()) == ("live", "part", ["start"], [1.2346])
    assert '"case": "a start"' in capsys.readouterr().out
    assert isinstance(table, pl.DataFrame)


def test_a_floor_counts_the_bytes_that_a_table_reads_as_it_is_asked():
    table = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
    kinds = (FloatTable, SkimmedTable, Int8Table)
    assert [live.bytes_read(kind(table)) for kind in kinds] == [400 * 32, 400 * 12, 400 * 12]
    index, _ = make_index(table, table[1:9])
    few, indexed = [], IndexedTable(table, index)
    for opened in (1, index.nlist):
        index.nprobe = opened
        few.append(live.bytes_read(indexed))
    middles = 4 * index.nlist * 8
    assert few == pytest.approx([middles + 400 / index.nlist * index.code_size, middles + 400 * index.code_size])
    line = live.row("a list", 3.0, "ms", 0.5)
    assert (line["floor"], line["times the floor"], live.row("found", 0.9, "share", 1.0)["times the floor"]) == (
        0.5,
        6.0,
        None,
    )


def test_memory_is_told_as_it_was_first_last_and_at_most(monkeypatch):
    seen = iter([100.0, 100, 300, *[200.0] * 1000])
    monkeypatch.setattr(live_load, "EVERY", 0.001)
    monkeypatch.setattr(live_load, "_resident_mb", lambda pid: next(seen))
    with live_load.Watched(0) as memory:
        while len(memory.megabytes) < 10:
            time.sleep(0.001)
    memory.megabytes = memory.megabytes[:10]
    assert memory.figures() == {
        "memory, first fifth": (100, "MB"),
        "memory, last fifth": (200, "MB"),
        "memory, most": (300, "MB"),
    }


def test_a_journal_of_so_many_events_is_written_as_a_shop_would(ring, tmp_path, monkeypatch):
    monkeypatch.setattr(live_load, "shipped", lambda: ring)
    folder = live_load.copied(tmp_path)
    live_load.write_events(folder, 50)
    with open_shop(folder) as shop:
        assert sum(len(shop.live._sessions.of(user)) for user in list(shop.live._sessions._open)) >= 50
        assert {record["kind"] for record in replay(folder / "events.log")} == {"view"}


def test_before_a_load_each_shopper_has_lived_in_the_shop(ring, tmp_path, monkeypatch):
    monkeypatch.setattr(live_load, "shipped", lambda: ring)
    monkeypatch.setattr(parts, "BYTES", 2000)
    folder = live_load.copied(tmp_path)
    live_load.live_in(folder, 3)
    assert list((folder / "events.parts").iterdir())
    with open_shop(folder) as shop:
        met = live_load.shoppers(shop.live, 3)
        assert min(len(shop.live._sessions.of(user)) for user in met) > 64
