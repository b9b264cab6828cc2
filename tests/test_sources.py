from pathlib import Path

import polars as pl
import pytest

from recolab import sources
from recolab.schema import ITEM, USER, SchemaError
from recolab.sources.conversion import Ids, to_ids
from recolab.sources.raw import find_raw, read_lines, refuse_twice, split_fields, whole
from recolab.sources.tabular import read_events


def test_a_source_is_loaded_by_its_name():
    tables = sources.load("article_case")
    assert (len(tables.events), len(tables.items)) == (5, 5)
    assert tables.note


def test_a_log_of_ones_own_goes_with_tabular_and_with_nothing_else(tmp_path):
    path = tmp_path / "my log.csv"
    path.write_text("user_id,item_id,timestamp\n1,007,2024-01-01\n2,008,2024-01-02\n")
    tables = sources.load("tabular", str(path))
    assert tables.events[USER].to_list() == [1, 2]
    assert tables.events[ITEM].to_list() == ["007", "008"]
    assert tables.events.equals(read_events(path).events)
    with pytest.raises(ValueError, match="use DATA = 'tabular'"):
        sources.load("article_case", str(path))
    with pytest.raises(ValueError, match="tabular needs the path of your log"):
        sources.load("tabular")


def test_a_log_in_other_words_is_read_as_it_is_told(tmp_path):
    path, goods = tmp_path / "log.csv", tmp_path / "goods.csv"
    path.write_text("customer;sku;at;did\n1;a;2024-01-01;buy\n2;b;2024-01-02;look\n")
    goods.write_text("item_id,title\na,Tea\nb,Cup\n")
    words = {"customer": "user_id", "sku": "item_id", "at": "timestamp", "did": "kind"}
    kinds = {"buy": "purchase", "look": "view"}
    reading = {"columns": words, "separator": ";", "kinds": kinds}
    tables = sources.load("tabular", str(path), reading)
    assert tables.events.select(USER, ITEM, "kind").rows() == [(1, "a", "purchase"), (2, "b", "view")]
    goods.write_text("item_id;title\na;Tea\nb;Cup\n")
    tables = sources.load("tabular", str(path), {**reading, "items": str(goods)})
    assert tables.items["title"].to_list() == ["Tea", "Cup"]


@pytest.mark.parametrize(
    ("reading", "message"),
    [
        ({"colums": {}}, "READING knows columns, items, .*, not colums"),
        ({"columns": ["user_id"]}, "columns = .* must be a mapping, theirs to ours"),
        ({"separator": 59}, "separator = 59 must be a text"),
        ({"columns": {1: "user_id"}}, "columns has 1, which is no text: put it into quotes"),
        ({"columns": {"customer": ["user_id"]}}, r"columns has \['user_id'\], which is no text"),
        ({"kinds": {True: "purchase", "buy": "purchase"}}, "kinds has True, which is no text"),
        ({"item_columns": {"sku": "item_id"}}, "item_columns .* give its path too"),
        ("separator: ';'", "READING = .* must be a mapping"),
    ],
)
def test_words_that_say_nothing_of_reading_are_refused(reading, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        sources.load("tabular", str(tmp_path / "log.csv"), reading)
    with pytest.raises(ValueError, match="use DATA = 'tabular'"):
        sources.load("shop", reading={"separator": ";"})


def test_an_unknown_source_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="no source is called 'grocer'; there are complete_journey"):
        sources.load("grocer")


def test_only_tills_have_rules_of_their_own():
    assert set(sources.impossible("complete_journey")) == {"no quantity", "nothing paid", "no goods"}
    assert set(sources.impossible("online_retail")) == {"cancellation", "no product", "no quantity", "nothing paid"}
    assert sources.impossible("tabular") == {}


def test_ids_are_whole_numbers_only_if_every_one_reads_back():
    ([whole], _), ([text], _) = (to_ids(ITEM, Ids(pl.Series(v), is_untyped=True)) for v in (["1", "22"], ["1", "022"]))
    assert (whole.dtype, text.dtype) == (pl.Int64, pl.String)


def test_ids_of_categories_are_read_as_the_text_they_stand_for():
    column = pl.Series(["7", "8", "7"], dtype=pl.Categorical)
    ([numbers], _), ([text], _) = (to_ids(USER, Ids(column, is_untyped)) for is_untyped in (True, False))
    assert (numbers.to_list(), text.to_list(), text.dtype) == ([7, 8, 7], ["7", "8", "7"], pl.String)


def test_every_source_but_ones_own_log_has_a_row_in_the_data_readme():
    readme = (Path(__file__).parents[1] / "data" / "README.md").read_text()
    assert not [name for name in sources.SOURCES if f"| `{name}` |" not in readme]
    assert set(sources.ORDINAL_SOURCES) < set(sources.SOURCES)


def test_a_downloaded_set_is_looked_for_in_two_folders_and_missed_with_its_origin(tmp_path, monkeypatch):
    monkeypatch.setattr("recolab.sources.raw.project_root", lambda: tmp_path)
    monkeypatch.setenv("RECOLAB_DATA", str(tmp_path / "elsewhere"))
    raw, elsewhere = tmp_path / "data" / "raw" / "toys", tmp_path / "elsewhere" / "toys"
    for folder, files in ((raw, ["a.txt"]), (elsewhere, ["a.txt", "b.txt"])):
        folder.mkdir(parents=True)
        for file in files:
            (folder / file).write_text("1")
    assert find_raw("toys", ["a.txt"], "ask Ann") == raw
    assert find_raw("toys", ["a.txt", "b.txt"], "ask Ann") == elsewhere
    with pytest.raises(FileNotFoundError) as missed:
        find_raw("toys", ["b.txt", "c.txt"], "ask Ann")
    assert str(missed.value) == (
        f"toys is not in the package, fetch it by hand: ask Ann. Looked for it: {raw} has no b.txt, c.txt; "
        f"{elsewhere} has no c.txt"
    )


def test_a_line_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "log.dat"

    def refusal(text, ask):
        path.write_bytes(text)
        with pytest.raises(SchemaError) as caught:
            ask()
        return str(caught.value).removeprefix(f"{path}: ")

    def number():
        return whole(path, split_fields(path, ",", ["a", "b"], "A,B"), "b", least=1)

    path.write_bytes(b"\xef\xbb\xbfA,B\r\n7,1\r\n8,2\r\n")
    assert number().to_list() == [1, 2]
    assert refusal(b" \n", lambda: read_lines(path)) == "the file is empty; fetch it again"
    assert refusal(b"A,B\n1,\xff\n", number) == "line 2 is not UTF-8 (byte 0xff)"
    assert refusal(b"B,A\n1,2\n", number) == "line 1 must be 'A,B', not 'B,A'"
    assert refusal(b"A,B\n", number) == "there is no line below the header; fetch it again"
    assert refusal(b"A,B\n1,2\n3\n", number) == "line 3 has 1 field(s), must have 2: '3'"
    assert refusal(b"A,B\n1,2\n3,x\n", number) == "line 3 has the b 'x', must be a whole number from 1 on"
    assert refusal(b"A,B\n1,0\n3,x\n", number) == "line 2 has the b '0', must be a whole number from 1 on"
    twice = b"A,B\n1,2\n3,2\n"
    said = refusal(twice, lambda: refuse_twice(path, split_fields(path, ",", ["a", "b"], "A,B"), "b"))
    assert said == "line 3 has the b '2', as an earlier line has"
