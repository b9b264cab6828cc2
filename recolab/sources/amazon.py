"""Amazon's reviews: two sets that most papers report, one with titles, and one with days."""

from __future__ import annotations

import html
from pathlib import Path

import polars as pl

from recolab.schema import (
    BRAND,
    CATEGORY,
    ITEM,
    KIND,
    RATING,
    REVIEW,
    TIME,
    TITLE,
    USER,
    VALUE,
)
from recolab.sources import Tables
from recolab.sources.amazon_items import WORD, describe, read_pairs
from recolab.sources.raw import LINE, find_raw, refuse_twice, split_fields, whole
from recolab.sources.sequences import positions, read_sequences, require_known

_YEAR_2100 = 4_102_444_800  # seconds since 1970: what lies beyond is counted in another unit
_LICENCE = "Reviews of amazon.com, collected by McAuley et al. for research; each review stands for a purchase."
_S3_REC = (
    "https://github.com/RUCAIBox/CIKM2020-S3Rec has {0}.txt and {0}_item2attributes.json in its folder data; save them "
    "as sequences.txt and item_attributes.json in data/raw/{1}/"
)
_S3_REC_SETS = {"amazon_beauty": "Beauty", "amazon_sports": "Sports_and_Outdoors"}
_GAMES = (
    "https://github.com/RUCAIBox/LLMRank has Games-6k.test.inter and Games-6k.item in its folder of data sets; save "
    "them in data/raw/amazon_games/"
)
_TIMED = (
    "https://github.com/librahu/HIN-Datasets-for-Recommendation-and-Network-Embedding has user_item.dat, "
    "item_brand.dat and item_category.dat in its folder Amazon; save them in data/raw/amazon_timed/"
)


def load_beauty() -> Tables:
    """Load Beauty (2014) as S3-Rec prepared it: 5-core, 22,363 users, 12,101 items, 198,502 reviews, no clock.

    events: timestamp = position in the user's sequence (ordinal; the order within a day is arbitrary), value = 1
    items: attributes (S3-Rec's numbers); with asin_map.json.gz and graph/ also asin, brand, category (the widest below
        the root) and text (all its categories), by name
    Raises FileNotFoundError that says where to get it; SchemaError that names the file and line that cannot be read.
    """
    return _load_sequences("amazon_beauty")


def load_sports() -> Tables:
    """Load Sports and Outdoors (2014) as S3-Rec prepared it: 35,598 users, 18,357 items, 296,337 reviews.

    As `load_beauty`, but for the items: nobody published the attributes' names, so which of them is a brand is not known;
    `text` holds them as words, such as attribute_17.
    """
    return _load_sequences("amazon_sports")


def find_sequences(name: str) -> Path:
    """Find the folder of amazon_beauty or amazon_sports, for `recolab.benchmark`, which reads it as it lies.

    Raises FileNotFoundError that says where to get it.
    """
    origin = _S3_REC.format(_S3_REC_SETS[name], name)
    return find_raw(name, ("sequences.txt", "item_attributes.json"), origin)


def load_games() -> Tables:
    """Load Video Games (2018) as LLMRank prepared it: 50,546 users, 16,859 items, 440,264 reviews, no clock.

    Ids, which start at 0 there, are moved up by one.
    events: timestamp = position (ordinal), the item to be foreseen is the last; value = 1    items: title
    Raises FileNotFoundError that says where to get it; SchemaError that names the file and line that cannot be read.
    """
    folder = find_raw("amazon_games", ("Games-6k.test.inter", "Games-6k.item"), _GAMES)
    path, header = folder / "Games-6k.test.inter", "user_id:token\titem_id_list:token_seq\titem_id:token"
    table = split_fields(path, "\t", [USER, "history", "last"], header)
    users = table.with_columns(whole(path, table, USER))
    refuse_twice(path, users, USER)
    sequences = users.select(LINE, USER, pl.concat_list(pl.col("history").str.split(" "), "last").alias(ITEM))
    events = positions(path, sequences, least=0).with_columns(pl.col(USER, ITEM) + 1)

    path = folder / "Games-6k.item"
    goods = split_fields(path, "\t", [ITEM, TITLE], "item_id:token\ttitle:token_seq")
    goods = goods.with_columns(whole(path, goods, ITEM))
    refuse_twice(path, goods, ITEM)
    titles = [html.unescape(title).strip() or None for title in goods[TITLE]]
    items = pl.DataFrame({ITEM: goods[ITEM] + 1, TITLE: pl.Series(titles, dtype=pl.String)})
    require_known(folder / "Games-6k.test.inter", events, items, path)
    return Tables(events, items.sort(ITEM), f"Amazon Video Games 2018 (5-core, by LLMRank). {_LICENCE}")


def load_timed() -> Tables:
    """Load the reviews with days of HIN-Datasets: 6,170 users, 2,753 items, 195,791 ratings from 1998 to 2014.

    Ids, which start at 0 there, are moved up by one. Its co-view graph (item_view.dat) tells of the future and is
    not read.
    events: timestamp = midnight of the day of the review; value = rating, 1 to 5 stars
    items: brand and category by number (category the widest below the root), text = all its categories
    Raises FileNotFoundError that says where to get it; SchemaError that names the file and line that cannot be read.
    """
    folder = find_raw("amazon_timed", ("user_item.dat", "item_brand.dat", "item_category.dat"), _TIMED)
    path = folder / "user_item.dat"
    table = split_fields(path, "\t", [USER, ITEM, RATING, TIME])
    spans = {USER: (0, None), ITEM: (0, None), RATING: (1, 5), TIME: (0, _YEAR_2100)}
    numbers = pl.DataFrame([whole(path, table, name, *span) for name, span in spans.items()])
    events = numbers.select(
        pl.col(USER) + 1,
        pl.col(ITEM) + 1,
        pl.from_epoch(TIME).cast(pl.Datetime("us")).alias(TIME),
        pl.lit(REVIEW).alias(KIND),
        pl.col(RATING).cast(pl.Float64).alias(VALUE),
        pl.col(RATING).cast(pl.Float64),
    )
    brands, categories = (read_pairs(folder / f"item_{name}.dat", name) for name in (BRAND, CATEGORY))
    shelf = events.select(ITEM).unique().sort(ITEM)
    brands = brands.unique(ITEM, keep="first", maintain_order=True).rename({WORD: BRAND})
    items = shelf.join(brands, on=ITEM, how="left").join(describe(categories), on=ITEM, how="left").sort(ITEM)
    return Tables(events, items, f"Amazon reviews 1998 to 2014, by HIN-Datasets. {_LICENCE}")


def _load_sequences(name: str) -> Tables:
    """Load one of S3-Rec's sets."""
    tables = read_sequences(find_sequences(name))
    note = f"Amazon {_S3_REC_SETS[name].replace('_', ' ')} 2014 (5-core, by S3-Rec; {tables.note}). {_LICENCE}"
    return Tables(tables.events, tables.items, note)
