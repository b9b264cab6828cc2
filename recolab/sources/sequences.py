"""A folder of sequences, a line for each user, as sequence recommenders are published: no clock, only an order."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from recolab.schema import EVENT_COLUMNS, ITEM, KIND, REVIEW, TIME, USER, VALUE, SchemaError
from recolab.sources import Tables
from recolab.sources.amazon_items import name_items, read_attributes
from recolab.sources.raw import LINE, read_lines, refuse_twice, whole


def read_sequences(folder: str | Path) -> Tables:
    """Read a folder with sequences.txt, a line `user item item ...` each, and perhaps item_attributes.json.

    events: timestamp = position in the user's sequence (ordinal), value = 1    items: attributes and, as words, text;
    with asin_map.json.gz and graph/ also asin, brand, category and text by name; the bare ids without attributes
    Raises FileNotFoundError where there is no sequences.txt, SchemaError that names the file and line that cannot be read.
    """
    folder = Path(folder)
    path = folder / "sequences.txt"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it must hold a line `user item item ...` for each user")
    lines = pl.DataFrame({"text": read_lines(path)}).with_row_index(LINE, offset=1)
    fields = lines.select(LINE, pl.col("text").str.strip_chars().str.split(" ").alias(ITEM))
    users = fields.select(LINE, pl.col(ITEM).list.first().alias(USER), pl.col(ITEM).list.slice(1))
    users = users.with_columns(whole(path, users, USER, least=1))
    refuse_twice(path, users, USER)
    events = positions(path, users, least=1)
    described = folder / "item_attributes.json"
    if not described.is_file():
        return Tables(events, events.select(ITEM).unique().sort(ITEM), "nothing is told of the items")
    attributes = read_attributes(described)
    require_known(path, events, attributes, described)
    items, said = name_items(folder, attributes)
    return Tables(events, items.sort(ITEM), said)


def positions(path: Path, sequences: pl.DataFrame, least: int) -> pl.DataFrame:
    """Make an event of every item of a sequence: (line, user, list of item texts) a user."""
    if (lonely := sequences.filter(pl.col(ITEM).list.len() == 0)).height:
        raise SchemaError(f"{path}: line {lonely[LINE][0]} has a user without any item")
    steps = sequences.with_columns(pl.int_ranges(pl.col(ITEM).list.len()).alias(TIME)).explode(ITEM, TIME)
    steps = steps.with_columns(whole(path, steps, ITEM, least), pl.lit(REVIEW).alias(KIND), pl.lit(1.0).alias(VALUE))
    return steps.select(EVENT_COLUMNS)


def require_known(path: Path, events: pl.DataFrame, items: pl.DataFrame, described: Path) -> None:
    """Refuse an item file that does not belong to the log."""
    strangers = events.join(items, on=ITEM, how="anti")[ITEM].unique().sort()
    if len(strangers):
        raise SchemaError(
            f"{path}: {len(strangers)} items are not in {described.name}, first {strangers.head(3).to_list()}; the two "
            "files are not of one set"
        )
