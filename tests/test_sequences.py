"""A folder of sequences, with and without attributes; the published sets that come so are in test_amazon.py."""

from __future__ import annotations

import pytest

from recolab.schema import ITEM, TIME, USER, SchemaError, check_events
from recolab.sources.sequences import read_sequences


def test_a_line_is_a_user_and_its_items_in_order(tmp_path):
    (tmp_path / "sequences.txt").write_text("1 30 10 30\n2 20\n")
    tables = read_sequences(tmp_path)
    check_events(tables.events)
    assert tables.events.select(USER, ITEM, TIME).rows() == [(1, 30, 0), (1, 10, 1), (1, 30, 2), (2, 20, 0)]
    assert tables.items[ITEM].to_list() == [10, 20, 30]
    assert tables.note == "nothing is told of the items"


def test_attributes_are_read_where_they_lie_beside(tmp_path):
    (tmp_path / "sequences.txt").write_text("1 2 1\n")
    (tmp_path / "item_attributes.json").write_text('{"1": [5], "2": [5, 6]}')
    tables = read_sequences(str(tmp_path))
    assert tables.items["text"].to_list() == ["attribute_5", "attribute_5 attribute_6"]
    (tmp_path / "item_attributes.json").write_text('{"1": [5]}')
    with pytest.raises(SchemaError, match="1 items are not in item_attributes"):
        read_sequences(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("1 2\n1 3\n", "line 2 has the user_id 1"),
        ("1 2\n2\n", "line 2"),
        ("1 2 -3\n", "line 1"),
        ("1 a\n", "line 1"),
    ],
)
def test_what_is_no_sequence_is_named(text, message, tmp_path):
    (tmp_path / "sequences.txt").write_text(text)
    with pytest.raises(SchemaError, match=message):
        read_sequences(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"1": [5], "1": [6], "2": [5]}', "an item stands twice"),
        ("[" * 100_000, "must be {item number"),
        ('{"1": ["a"], "2": [5]}', r"found value of type String: \"a\"$"),
    ],
)
def test_attributes_that_cannot_be_meant_are_refused_in_a_sentence(text, message, tmp_path):
    (tmp_path / "sequences.txt").write_text("1 2 1\n")
    (tmp_path / "item_attributes.json").write_text(text)
    with pytest.raises(SchemaError, match=message):
        read_sequences(tmp_path)
