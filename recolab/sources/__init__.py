"""One loader per data set; all of them give the same two tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import narwhals as nw
import polars as pl

# name -> module and function    (tabular reads what it is given)
_LOADERS = {
    "complete_journey": ("complete_journey", "load_complete_journey"),
    "shop": ("shop", "load_shop"),
    "article_case": ("article_case", "load_article_case"),
    "amazon_beauty": ("amazon", "load_beauty"),
    "amazon_sports": ("amazon", "load_sports"),
    "amazon_games": ("amazon", "load_games"),
    "amazon_timed": ("amazon", "load_timed"),
    "ml_latest_small": ("movielens", "load_movielens"),
    "online_retail": ("online_retail", "load_online_retail"),
}
SOURCES = (*_LOADERS, "tabular")
# What may be said of how one's own log is read, words of `tabular.read_events`, and what each is.
_READING = {"columns": dict, "items": str, "item_columns": dict, "kinds": dict, "time_unit": str, "separator": str}
# An order within each user but no clock: no moment cuts them for everybody, so they are judged leave-one-out.
ORDINAL_SOURCES = ("amazon_beauty", "amazon_sports", "amazon_games")


@dataclass(frozen=True)
class Tables:
    """What a source delivers: what happened, what it happened to, and one honest sentence on origin and licence."""

    events: pl.DataFrame
    items: pl.DataFrame
    note: str


def load(name: str, events: str = "", reading: Mapping[str, Any] | None = None) -> Tables:
    """Load a source by the name that a notebook's DATA parameter holds.

    name: one of SOURCES    events: the file of one's own log, for tabular only    reading: how it is read, words of
    `tabular.read_events` (READING)
    Raises ValueError for an unknown name or word, for tabular without a file and for a file given to another source;
    and whatever the source itself raises.
    """
    if name != "tabular" and (events or reading):
        raise ValueError(f"{name} brings its own data; to read {events or reading} use DATA = 'tabular'")
    if name == "tabular":
        from recolab.sources.tabular import read_events  # noqa: PLC0415

        if not events:
            raise ValueError("tabular needs the path of your log: EVENTS = 'my_log.csv'")
        return read_events(events, **check_reading(reading or {}))
    if name not in _LOADERS:
        raise ValueError(f"no source is called {name!r}; there are {', '.join(SOURCES)}")
    # Imported only when asked for: a source may need a package that the others do not.
    module, function = _LOADERS[name]
    tables: Tables = getattr(import_module(f"recolab.sources.{module}"), function)()
    return tables


def check_reading(reading: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return how a log is read, or raise ValueError that names the first word which cannot be meant."""
    if not isinstance(reading, Mapping):
        raise ValueError(f"READING = {reading!r} must be a mapping, such as {{'separator': ';'}}")
    for word, value in reading.items():
        if word not in _READING:
            raise ValueError(f"READING knows {', '.join(_READING)}, not {word}")
        if not isinstance(value, _READING[word]):
            kind = "a mapping, theirs to ours" if _READING[word] is dict else "a text"
            raise ValueError(f"READING: {word} = {value!r} must be {kind}")
        if isinstance(value, dict):
            _check_names(word, value)
    if "item_columns" in reading and "items" not in reading:
        raise ValueError(
            "READING: item_columns names the columns of an item table: give its path too, items: goods.csv"
        )
    return reading


def _check_names(word: str, names: Mapping[Any, Any]) -> None:
    """Refuse names that are no text: YAML reads a bare 1, yes or null as something else, which no column is called."""
    for pair in names.items():
        for name in pair:
            if not isinstance(name, str):
                raise ValueError(f"READING: {word} has {name!r}, which is no text: put it into quotes, '...'")


def impossible(name: str) -> Mapping[str, nw.Expr]:
    """Say what else a source's log cannot mean, for `CleanRules(extra=...)`: reason -> true for a row to drop."""
    if name in ("complete_journey", "online_retail"):
        rules: Mapping[str, nw.Expr] = import_module(f"recolab.sources.{name}").NOT_GOODS
        return rules
    return {}
