"""The worked case of the article: two visitors, five views, five goods, one of them sold out."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from recolab.schema import CATEGORY, ITEM, KIND, PRICE, STOCK, TIME, USER, VALUE, VIEW
from recolab.sources import Tables

NOTE = (
    "The article's own two tables (section 4.3, its words for the categories translated): invented by its author to show a "
    "calculation, so nothing measured on them says anything about a shop."
)

_VIEWS = [(1, 1001, 10, 0), (1, 1002, 10, 5), (1, 1003, 10, 10), (2, 1004, 11, 0), (2, 1005, 11, 5)]
_GOODS = [
    (1001, "electronics", 3000.0, 10),
    (1002, "electronics", 4000.0, 5),
    (1003, "electronics", 5000.0, 0),
    (1004, "grain and oil", 20.0, 100),
    (1005, "grain and oil", 30.0, 50),
]


def load_article_case() -> Tables:
    """Load the article's case, the smallest log on which its slips can be seen and ours are tested not to be.

    events: 5 views of 2 users on 2021-01-01, value 1    items: 5 goods with category, price (yuan) and stock (pieces)
    """
    views = [(user, item, datetime(2021, 1, 1, hour, minute), VIEW, 1.0) for user, item, hour, minute in _VIEWS]
    columns: dict[str, pl.DataType] = {
        USER: pl.Int64(),
        ITEM: pl.Int64(),
        TIME: pl.Datetime("us"),
        KIND: pl.String(),
        VALUE: pl.Float64(),
    }
    goods: dict[str, pl.DataType] = {ITEM: pl.Int64(), CATEGORY: pl.String(), PRICE: pl.Float64(), STOCK: pl.Int64()}
    events = pl.DataFrame(views, schema=columns, orient="row")
    return Tables(events, pl.DataFrame(_GOODS, schema=goods, orient="row"), NOTE)
