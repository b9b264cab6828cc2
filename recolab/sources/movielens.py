"""MovieLens latest-small: 671 users, 100,004 timed ratings of films, with titles and genres."""

from __future__ import annotations

import polars as pl

from recolab.schema import CATEGORY, ITEM, KIND, RATING, REVIEW, TIME, TITLE, USER, VALUE
from recolab.sources import Tables
from recolab.sources.raw import find_raw
from recolab.sources.tabular import read_events

NOTE = (
    "MovieLens latest-small of October 2016 (Harper & Konstan 2015; GroupLens' licence: research, no endorsement): a "
    "development set that changes over time, so nothing measured on it is a shared research result; too few of its "
    "users live across one moment for a cut in time to say much."
)
_ORIGIN = (
    "https://grouplens.org/datasets/movielens/ has ml-latest-small.zip; save its ratings.csv and movies.csv in "
    "data/raw/ml_latest_small/"
)


def load_movielens() -> Tables:
    """Load the ratings and films of MovieLens latest-small, or of a newer release with the same two files.

    events: reviews; timestamp in UTC, value = rating = 0.5 to 5 stars
    items: title with year; category = the genres as listed, such as "Comedy|Drama" (a set: none comes first), null
        where none is listed
    The tags (tags.csv) are written after the fact and are not read.
    Raises FileNotFoundError that says where to get it; SchemaError that names the file and line that cannot be read.
    """
    folder = find_raw("ml_latest_small", ("ratings.csv", "movies.csv"), _ORIGIN)
    read = read_events(
        folder / "ratings.csv",
        {"userId": USER, "movieId": ITEM, "rating": RATING, "timestamp": TIME},
        items=folder / "movies.csv",
        item_columns={"movieId": ITEM, "title": TITLE, "genres": CATEGORY},
        time_unit="s",
    )
    events = read.events.with_columns(pl.lit(REVIEW).alias(KIND), pl.col(RATING).alias(VALUE))
    return Tables(events, read.items.with_columns(pl.col(CATEGORY).replace("(no genres listed)", None)), NOTE)
