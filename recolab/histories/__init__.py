"""Ids become rows and logs become packed arrays: one entry per event, one offset per history, never a padded cell."""

from recolab.histories.batches import (
    Rectangle,
    Visits,
    all_windows,
    append_blank,
    bucketed_batches,
    has_next,
    hide,
    lay_out,
    newest_window,
    next_visits,
    visits,
    visits_ago,
)
from recolab.histories.catalog import PAD, Catalog, build_catalog, load_catalog
from recolab.histories.packed import SECONDS_PER_DAY, Histories, load_histories, pack

__all__ = [
    "PAD",
    "SECONDS_PER_DAY",
    "Catalog",
    "Histories",
    "Rectangle",
    "Visits",
    "all_windows",
    "append_blank",
    "bucketed_batches",
    "build_catalog",
    "has_next",
    "hide",
    "lay_out",
    "load_catalog",
    "load_histories",
    "newest_window",
    "next_visits",
    "pack",
    "visits",
    "visits_ago",
]
