"""A journal in columns tells what its lines tell, and where a part is missing, broken or of another journal, the lines do."""

from __future__ import annotations

import io
import shutil
import threading
from datetime import UTC, timedelta

import numpy as np
import pytest

from recolab.journal import Journal
from recolab.lab import write_atomically
from recolab.live import Choir, Favour, LiveRecommender, LiveShop, parts, recall
from recolab.schema import CART, ITEM, PURCHASE, TITLE, VIEW
from tests.worlds import START, priced_ring

N_ITEMS = 12
NOW = (START + timedelta(days=30)).replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(parts, "BYTES", 1000)


def recommender():
    catalog, past = priced_ring(N_ITEMS, START + timedelta(days=30))
    choir = Choir([Favour(np.ones(len(catalog), np.float32))], [1.0])
    return LiveRecommender(catalog, past, choir, np.eye(len(catalog), dtype=np.float32))


def fill(shop, first=0, last=60):
    """Let a shop live: events of known and new shoppers, late ones, unknown items, changes of the shelf, newcomers in between."""
    for n in range(first, last):
        kind = (VIEW, CART, PURCHASE)[n % 3]
        shop.observe(n % 7 if n % 2 else f"guest-{n % 5}", n % 14, kind, NOW + timedelta(seconds=(37 * n) % 100))
        if n % 9 == 0:
            shop.update_item(n % N_ITEMS, price=1.5 + n, stock=None if n % 2 else n)
        if n == 40:
            shop.welcome([{ITEM: 12, TITLE: "a thing"}])


@pytest.fixture
def lived(tmp_path):
    """A journal after such a life, without parts  ->  its path."""
    with LiveShop(recommender(), tmp_path) as shop:
        fill(shop)
    shutil.rmtree(tmp_path / "events.parts", ignore_errors=True)
    return tmp_path / "events.log"


def state(live):
    """All that a journal can have told a recommender."""
    sessions = {user: live._sessions.of(user) for user in [*range(8), *(f"guest-{n}" for n in range(5))]}
    told = {user: [list(s.items), list(s.times), list(s.kinds)] for user, s in sessions.items()}
    return told, [live.card(item) for item in range(live.n_items)]


def test_parts_tell_what_lines_tell(lived):
    from_lines = recall(recommender(), lived)
    assert from_lines.live.n_items == N_ITEMS + 1
    assert sum(len(part.events) for part in parts.parts(lived)) == 60
    *_, upto = parts.keep_parts(lived)
    assert lived.stat().st_size - 1000 <= upto == parts.reached(lived)
    assert len(list(parts.parts(lived))) > 4
    from_parts = recall(recommender(), lived)
    assert state(from_parts.live) == state(from_lines.live)
    assert from_parts[1:] == from_lines[1:]


def test_what_was_done_with_a_newcomer_before_it_came_in_nobody_knows_by_parts_either(lived):
    list(parts.keep_parts(lived))
    live = recall(recommender(), lived).live
    with_it = {user: int((live._sessions.of(user).items == N_ITEMS + 1).sum()) for user in range(7)}
    assert (
        sum(with_it.values()) + sum(int((live._sessions.of(f"guest-{n}").items == N_ITEMS + 1).sum()) for n in range(5))
        == 1
    )


def test_a_start_reads_no_line_that_a_part_sums_up(lived, monkeypatch):
    (*_, upto), read, lines = parts.keep_parts(lived), [], parts.lines

    def counted(path, start=0):
        if path == lived:
            read.append(start)
        return lines(path, start)

    monkeypatch.setattr(parts, "lines", counted)
    with LiveShop(recommender(), lived.parent):
        assert read == [upto]


@pytest.mark.parametrize("harm", ["gone", "cut", "no part", "a bit of its note", "a bit of its columns"])
def test_where_a_part_is_missing_or_broken_its_lines_are_read_and_it_is_kept_anew(harm, lived):
    wanted = state(recall(recommender(), lived).live)
    list(parts.keep_parts(lived))
    second = sorted((lived.parent / "events.parts").iterdir())[1]
    whole = second.read_bytes()
    at = {"a bit of its note": 30, "a bit of its columns": len(whole) - 300}.get(harm, 0)
    flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    second.unlink() if harm == "gone" else second.write_bytes({"cut": whole[:-5], "no part": b"?"}.get(harm, flipped))
    assert state(recall(recommender(), lived).live) == wanted
    assert parts.reached(lived) == int(second.name)
    assert max(parts.keep_parts(lived)) > int(second.name)
    assert state(recall(recommender(), lived).live) == wanted


def test_no_bit_of_a_part_can_change_what_it_tells(lived):
    wanted, rng = state(recall(recommender(), lived).live), np.random.default_rng(0)
    list(parts.keep_parts(lived))
    kept = {path: path.read_bytes() for path in (lived.parent / "events.parts").iterdir()}
    for path, whole in kept.items():
        for at in rng.integers(len(whole), size=5).tolist():
            path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << at % 8)]) + whole[at + 1 :])
            assert state(recall(recommender(), lived).live) == wanted
            for other, bytes_ in kept.items():  # what was found broken is gone
                other.write_bytes(bytes_)


def test_what_is_told_of_goods_in_one_part_adds_to_what_another_told_and_models_stay(tmp_path):
    path = tmp_path / "events.log"
    with Journal(path) as journal:
        journal.append({"model": "1", "trial": "2"})
        journal.append({"item": 3, "price": 7.0, "stock": None})
        for _ in range(40):
            journal.append({"item": 3, "price": None, "stock": 9.0})
    list(parts.keep_parts(path))
    assert len(list(parts.parts(path))) > 1
    recalled = recall(recommender(), path)
    assert (recalled.live.card(3).price, recalled.live.card(3).stock) == (7, 9)
    assert recalled.trial_of("1") == "2"


def test_what_was_told_of_goods_before_an_item_came_in_is_not_told_of_it(tmp_path):
    path = tmp_path / "events.log"
    with Journal(path) as journal:
        journal.append({"item": 12, "price": None, "stock": 0.0})  # of another catalog, which had it
        journal.append({"new": [{ITEM: 12, TITLE: "a thing", "stock": 10}]})
    assert recall(recommender(), path).live.card(12).stock == 10


def test_parts_of_a_journal_that_was_moved_away_are_nobody_s(lived):
    list(parts.keep_parts(lived))
    lived.unlink()
    assert state(recall(recommender(), lived).live) == state(recommender())
    with LiveShop(recommender(), lived.parent) as shop:
        shop.observe("guest-0", 3, VIEW, NOW)
    assert parts.reached(lived) == 0
    assert list(recall(recommender(), lived).live._sessions.of("guest-0").items) == [4]


def test_an_open_shop_keeps_parts_while_it_lives(tmp_path):
    with LiveShop(recommender(), tmp_path) as shop:
        fill(shop)
    kept = parts.reached(tmp_path / "events.log")
    assert kept > 0
    with LiveShop(recommender(), tmp_path) as shop:
        fill(shop, 60, 90)
        told = state(shop.live)
    assert parts.reached(tmp_path / "events.log") > kept
    assert state(recall(recommender(), tmp_path / "events.log").live) == told


def test_a_disk_that_takes_no_part_stops_nothing_and_is_asked_once_a_part(tmp_path, monkeypatch):
    tries = []

    class Full(io.BytesIO):
        def write_bytes(self, _):
            tries.append(1)
            raise OSError("no space left on device")

    monkeypatch.setattr(parts, "write_atomically", lambda _: Full())
    warned = pytest.warns(UserWarning, match="a start takes longer: no space left")
    with warned, LiveShop(recommender(), tmp_path) as shop:
        fill(shop)
    size = (tmp_path / "events.log").stat().st_size
    assert 1 <= len(tries) <= size / 1000
    assert state(recall(recommender(), tmp_path / "events.log").live) == state(shop.live)


def test_who_closes_waits_for_the_part_that_is_written_and_for_no_other(lived, monkeypatch):
    begun, going_on, written = threading.Event(), threading.Event(), []

    def slowly(path):
        written.append(path)
        begun.set()
        going_on.wait(60)
        return write_atomically(path)

    monkeypatch.setattr(parts, "write_atomically", slowly)
    shop = LiveShop(recommender(), lived.parent)
    shop.observe(1, 3, VIEW, NOW)
    assert begun.wait(60)
    threading.Timer(0.2, going_on.set).start()
    shop.close()
    assert going_on.is_set()
    assert parts.reached(lived) > 0
    assert len(written) == 1


def test_a_damaged_line_is_still_named(lived):
    Journal(lived).close()
    whole = lived.read_bytes()
    lived.write_bytes(whole[:-40] + b"?" + whole[-39:])
    with pytest.raises(ValueError, match="damaged"):
        recall(recommender(), lived)
