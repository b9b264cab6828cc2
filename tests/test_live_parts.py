"""A journal in columns tells what its lines tell, and where a part is missing, broken or of another journal, the lines do."""

from __future__ import annotations

import shutil
from datetime import UTC, timedelta

import numpy as np
import pytest

from recolab.journal import Journal
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
    upto = parts.keep_parts(lived)
    assert lived.stat().st_size - 1000 <= upto == parts.reached(lived)
    assert len(list(parts.parts(lived))) > 4
    from_parts = recall(recommender(), lived)
    assert state(from_parts.live) == state(from_lines.live)
    assert from_parts[1:] == from_lines[1:]


def test_what_was_done_with_a_newcomer_before_it_came_in_nobody_knows_by_parts_either(lived):
    parts.keep_parts(lived)
    live = recall(recommender(), lived).live
    with_it = {user: int((live._sessions.of(user).items == N_ITEMS + 1).sum()) for user in range(7)}
    assert (
        sum(with_it.values()) + sum(int((live._sessions.of(f"guest-{n}").items == N_ITEMS + 1).sum()) for n in range(5))
        == 1
    )


def test_a_start_reads_no_line_that_a_part_sums_up(lived, monkeypatch):
    upto, read, lines = parts.keep_parts(lived), [], parts.lines

    def counted(path, start=0):
        read.append(start)
        return lines(path, start)

    monkeypatch.setattr(parts, "lines", counted)
    with LiveShop(recommender(), lived.parent):
        assert read == [upto]


@pytest.mark.parametrize("harm", ["gone", "cut", "no parquet", "pages"])
def test_where_a_part_is_missing_or_broken_its_lines_are_read(harm, lived):
    wanted = state(recall(recommender(), lived).live)
    parts.keep_parts(lived)
    second = sorted((lived.parent / "events.parts").iterdir())[1]
    whole = second.read_bytes()
    harmed = {
        "cut": whole[:-5],
        "no parquet": b"no parquet",
        "pages": b"PAR1" + bytes(len(whole) // 3) + whole[4 + len(whole) // 3 :],
    }
    second.unlink() if harm == "gone" else second.write_bytes(harmed[harm])
    assert state(recall(recommender(), lived).live) == wanted
    if harm != "pages":  # which only who reads them sees
        assert parts.reached(lived) == int(second.stem)
        assert parts.keep_parts(lived) > int(second.stem)
        assert state(recall(recommender(), lived).live) == wanted


def test_parts_of_a_journal_that_was_moved_away_are_nobody_s(lived):
    parts.keep_parts(lived)
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


def test_a_disk_that_takes_no_part_stops_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(parts, "write_atomically", fails)
    with (
        pytest.warns(UserWarning, match="a start takes longer: no space left"),
        LiveShop(recommender(), tmp_path) as shop,
    ):
        fill(shop)
    assert state(recall(recommender(), tmp_path / "events.log").live) == state(shop.live)


def test_a_damaged_line_is_still_named(lived):
    Journal(lived).close()
    whole = lived.read_bytes()
    lived.write_bytes(whole[:-40] + b"?" + whole[-39:])
    with pytest.raises(ValueError, match="damaged"):
        recall(recommender(), lived)
