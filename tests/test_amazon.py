"""Amazon's sets come in as they were published, and a line that cannot be read is named."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from recolab.schema import (
    BRAND,
    CATEGORY,
    ITEM,
    KIND,
    RATING,
    TEXT,
    TIME,
    TITLE,
    USER,
    VALUE,
    SchemaError,
    check_events,
)
from recolab.sources import Tables, load
from recolab.sources.amazon import find_sequences
from recolab.sources.amazon_items import ATTRIBUTES

MAP = {"id2user": {"1": "A"}, "id2item": {"1": "B01", "2": "B02", "3": "B03", "4": "B04"}}
GRAPH = {
    "product": "B03\nB01\nB02\nB99\n",
    "brand": "OPI\nUnknown\n",
    "brand_p_b": "1\n0\n\n0\n",
    "category": "Beauty\nMakeup\nNails\n",
    "category_p_c": "0\n0 2 1\n1 0\n0\n",
}


@pytest.fixture
def beauty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECOLAB_DATA", str(tmp_path))
    folder = tmp_path / "amazon_beauty"
    folder.mkdir()
    (folder / "sequences.txt").write_text("1 3 1 2\n2 1 4\n")
    (folder / "item_attributes.json").write_text('{"3": [7], "1": [2, 7], "2": [], "4": [2]}')
    return folder


def with_names(folder: Path) -> Path:
    (folder / "graph").mkdir()
    (folder / "asin_map.json.gz").write_bytes(gzip.compress(json.dumps(MAP).encode()))
    for name, text in GRAPH.items():
        (folder / "graph" / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def refusal(name: str) -> str:
    with pytest.raises(SchemaError) as caught:
        load(name)
    return str(caught.value)


def test_the_folder_of_a_set_is_found_or_it_is_said_where_to_get_it(beauty: Path) -> None:
    assert find_sequences("amazon_beauty") == beauty
    with pytest.raises(FileNotFoundError, match=r"CIKM2020-S3Rec has Sports_and_Outdoors\.txt"):
        find_sequences("amazon_sports")


def test_a_sequence_becomes_reviews_at_positions(beauty: Path) -> None:
    events = check_events(load("amazon_beauty").events)
    assert events.select(USER, ITEM, TIME).rows() == [(1, 3, 0), (1, 1, 1), (1, 2, 2), (2, 1, 0), (2, 4, 1)]
    assert set(events.select(KIND, VALUE).rows()) == {("review", 1.0)}


def test_attributes_without_names_are_words_and_nobody_guesses_which_is_a_brand(beauty: Path) -> None:
    tables = load("amazon_beauty")
    assert tables.items.columns == [ITEM, ATTRIBUTES, TEXT]
    assert tables.items.rows() == [
        (1, [2, 7], "attribute_2 attribute_7"),
        (2, [], ""),
        (3, [7], "attribute_7"),
        (4, [2], "attribute_2"),
    ]
    assert "attributes by number" in tables.note


def test_the_graph_gives_names_and_the_widest_category_below_the_root_stands_for_the_item(beauty: Path) -> None:
    items = load(with_names(beauty).name).items
    assert items.select(ITEM, BRAND, CATEGORY, TEXT).rows() == [
        (1, "OPI", "Makeup", "Makeup Nails Beauty"),  # Makeup has two items, Nails one, Beauty all
        (2, None, "Makeup", "Makeup Beauty"),
        (3, None, "Beauty", "Beauty"),  # nobody makes "Unknown", and no other category is known
        (4, None, None, None),  # the graph does not know it
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 3 1 2\n2 1 x\n", "line 2 has the item_id 'x', must be a whole number from 1 on"),
        ("1 3 1 2\n2 1 0\n", "line 2 has the item_id '0', must be a whole number from 1 on"),
        ("1 3 1 2\n2 1  4\n", "line 2 has the item_id '', must be a whole number from 1 on"),
        ("1 3 1 2\n\n", "line 2 has the user_id '', must be a whole number from 1 on"),
        ("1 3 1 2\n2\n", "line 2 has a user without any item"),
        ("1 3 1 2\n\n\n", "line 2 has the user_id '', must be a whole number from 1 on"),
        ("1 3 1 2\n1 4\n", "line 2 has the user_id 1, as an earlier line has"),
        ("1 3 1 2\n01 4\n", "line 2 has the user_id 1, as an earlier line has"),
        ("1 3 1 9\n", "1 items are not in item_attributes.json, first [9]; the two files are not of one set"),
    ],
)
def test_a_broken_sequence_is_named_with_its_line(beauty: Path, text: str, said: str) -> None:
    (beauty / "sequences.txt").write_text(text)
    assert refusal("amazon_beauty") == f"{beauty / 'sequences.txt'}: {said}"


def test_a_broken_description_is_named_with_its_file(beauty: Path) -> None:
    with_names(beauty)
    brands = beauty / "graph" / "brand_p_b.txt.gz"
    for broken in ("2", "-1", "x"):  # -1 is no name counted from the end
        brands.write_bytes(gzip.compress(f"1\n0\n\n{broken}\n".encode()))
        assert refusal("amazon_beauty") == f"{brands}: line 4 has {broken!r}, must be a number below 2, of a name"
    brands.write_bytes(gzip.compress(b"1\n0\n"))
    assert refusal("amazon_beauty") == f"{brands}: has 2 lines, must have 4, one an item"
    brands.write_bytes(b"1")
    assert refusal("amazon_beauty").startswith(f"{brands}: cannot be unpacked")
    brands.unlink()
    assert refusal("amazon_beauty").startswith(f"{brands.parent}: has no brand_p_b.txt.gz; fetch the folder again")
    (beauty / "item_attributes.json").write_text('{"1": "two"}')
    assert refusal("amazon_beauty").startswith(f"{beauty / 'item_attributes.json'}: must be {{item number")


def test_names_without_the_map_of_asins_are_refused(beauty: Path) -> None:
    (with_names(beauty) / "asin_map.json.gz").write_bytes(gzip.compress(b"{}"))
    assert "must map item numbers to ASINs under id2item: 'id2item'" in refusal("amazon_beauty")
    (beauty / "asin_map.json.gz").unlink()
    assert "asin_map.json.gz must lie beside it" in refusal("amazon_beauty")


@pytest.mark.parametrize(
    "table",
    [
        [1],
        3,
        {"id2item": ["B01"]},
        {"id2item": {"x": "B01"}},
        {"id2item": {"1": 7}},
        {"id2item": {"1": "B", "01": "C"}},
    ],
)
def test_a_broken_map_of_asins_is_named_with_its_file(beauty: Path, table: object) -> None:
    asins = with_names(beauty) / "asin_map.json.gz"
    asins.write_bytes(gzip.compress(json.dumps(table).encode()))
    assert refusal("amazon_beauty").startswith(f"{asins}: must map item numbers to ASINs under id2item: ")
    asins.write_bytes(gzip.compress(json.dumps(MAP).encode())[:-9])
    assert refusal("amazon_beauty").startswith(f"{asins}: cannot be unpacked")


def test_what_is_one_item_under_two_names_is_refused(beauty: Path) -> None:
    (beauty / "item_attributes.json").write_text('{"3": [7], "1": [2], "2": [], "4": [2], "03": [1]}')
    assert refusal("amazon_beauty").endswith("an item stands twice")
    (beauty / "item_attributes.json").write_text('{"3": [7], "1": [2], "2": [], "4": [2]}')
    products = with_names(beauty) / "graph" / "product.txt.gz"
    products.write_bytes(gzip.compress(b"B03\nB01\nB01\nB99\n"))
    assert refusal("amazon_beauty") == f"{products}: has B01 twice; fetch it again"


def test_names_in_files_of_windows_are_names_too(beauty: Path) -> None:
    with_names(beauty)
    expected = load("amazon_beauty").items
    for name, text in GRAPH.items():
        windows = text.replace("\n", "\r\n").encode()
        (beauty / "graph" / f"{name}.txt.gz").write_bytes(gzip.compress(windows))
    assert load("amazon_beauty").items.equals(expected)


def test_a_graph_of_other_items_names_none_of_them(beauty: Path) -> None:
    (with_names(beauty) / "graph" / "product.txt.gz").write_bytes(gzip.compress(b"C1\nC2\nC3\nC4\n"))
    assert load("amazon_beauty").items.select(BRAND, CATEGORY, TEXT).null_count().row(0) == (4, 4, 4)


GAMES = "user_id:token\titem_id_list:token_seq\titem_id:token\n"
TITLES = "item_id:token\ttitle:token_seq\n"


def write_games(folder: Path, log: str, titles: str) -> Path:
    (folder / "amazon_games").mkdir(exist_ok=True)
    (folder / "amazon_games" / "Games-6k.test.inter").write_text(GAMES + log)
    (folder / "amazon_games" / "Games-6k.item").write_text(TITLES + titles)
    return folder / "amazon_games"


def test_ids_from_zero_are_moved_up_and_the_item_to_foresee_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOLAB_DATA", str(tmp_path))
    folder = write_games(tmp_path, "0\t0 1\t2\n", '1\tTom &amp; "Jerry"\n0\tFire Emblem\n2\t\n')
    tables = load("amazon_games")
    assert tables.events.select(USER, ITEM, TIME).rows() == [(1, 1, 0), (1, 2, 1), (1, 3, 2)]
    assert tables.items.rows() == [(1, "Fire Emblem"), (2, 'Tom & "Jerry"'), (3, None)]
    write_games(tmp_path, "0\t0 1\t2\n1\t0 -1\t2\n", "0\tA\n1\tB\n2\tC\n")
    assert refusal("amazon_games") == (
        f"{folder / 'Games-6k.test.inter'}: line 3 has the item_id '-1', must be a whole number from 0 on"
    )
    write_games(tmp_path, "0\t0 1\t2\n", "0\tA\n1\tB\n")
    assert "1 items are not in Games-6k.item, first [3]" in refusal("amazon_games")
    write_games(tmp_path, "0\t0 1\t2\n00\t0 1\t2\n", "0\tA\n1\tB\n2\tC\n")
    assert refusal("amazon_games").endswith("Games-6k.test.inter: line 3 has the user_id 0, as an earlier line has")
    write_games(tmp_path, "0\t0 1\t2\n", "0\tA\n1\tB\n01\tC\n2\tD\n")
    assert refusal("amazon_games").endswith("Games-6k.item: line 4 has the item_id 1, as an earlier line has")


def test_reviews_with_days_have_stars_and_a_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOLAB_DATA", str(tmp_path))
    folder = tmp_path / "amazon_timed"
    folder.mkdir()
    (folder / "user_item.dat").write_text("0\t1\t5\t1386201600\n1\t0\t2\t86400\n")
    (folder / "item_brand.dat").write_text("0,3\n1,0\n")
    (folder / "item_category.dat").write_text("0,0\n0,1\n1,0\n1,1\n1,2\n2,0\n3,2\n")
    (folder / "item_view.dat").write_text("a leak, and never read")
    tables = load("amazon_timed")
    assert tables.events.select(USER, ITEM, TIME, VALUE, RATING).rows() == [
        (1, 2, datetime(2013, 12, 5), 5.0, 5.0),
        (2, 1, datetime(1970, 1, 2), 2.0, 2.0),
    ]
    assert tables.items.rows() == [
        (1, "brand_3", "category_1", "category_1 category_0"),
        (2, "brand_0", "category_1", "category_1 category_2 category_0"),  # as wide: the first by name
    ]
    (folder / "user_item.dat").write_text("0\t1\t5\t1386201600\n1\t0\t2.5\t86400\n")
    assert "line 2 has the rating '2.5'" in refusal("amazon_timed")
    (folder / "user_item.dat").write_text("0\t1\t5\t1386201600\n1\t0\t6\t86400\n")
    assert "line 2 has the rating '6', must be a whole number from 1 to 5" in refusal("amazon_timed")
    (folder / "user_item.dat").write_text("0\t1\t5\t1386201600\n1\t0\t5\t1386201600000\n")
    assert "line 2 has the timestamp '1386201600000', must be a whole number from 0 to 41" in refusal("amazon_timed")


# The real sets, where somebody fetched them


def real(name: str) -> Tables:
    try:
        return load(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("name", "users", "items", "events"),
    [
        ("amazon_beauty", 22_363, 12_101, 198_502),
        ("amazon_sports", 35_598, 18_357, 296_337),
        ("amazon_games", 50_546, 16_859, 440_264),
        ("amazon_timed", 6_170, 2_753, 195_791),
    ],
)
def test_a_real_set_has_the_published_counts(name: str, users: int, items: int, events: int) -> None:
    tables = real(name)
    log = check_events(tables.events)
    assert (log[USER].n_unique(), log[ITEM].n_unique(), len(log), len(tables.items)) == (users, items, events, items)
    assert (log[USER].min(), log[ITEM].min(), log[USER].max(), log[ITEM].max()) == (1, 1, users, items)
    assert log.group_by(USER).len()["len"].min() >= 5
    assert log.select(USER, ITEM).is_unique().all()


def test_what_real_items_are_called() -> None:
    beauty = real("amazon_beauty").items
    assert beauty.row(0, named=True) == {
        ITEM: 1,
        ATTRIBUTES: [173, 1, 162, 171],
        "asin": "B004756YJA",
        BRAND: "OPI",
        CATEGORY: "Makeup",
        TEXT: "Makeup Nails Nail Polish Beauty",
    }
    assert beauty[CATEGORY].null_count() == 0
    games = real("amazon_games").items
    assert games[TITLE][:2].to_list() == ["Fire Emblem: The Sacred Stones", "GBA 6-Pak Care Case - Game Boy Advance"]
    assert games.filter(pl.col(TITLE).str.contains("&amp;")).is_empty()
