"""One loader per data set; all of them give the same two tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module

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
# An order within each user but no clock: no moment cuts them for everybody, so they are judged leave-one-out.
ORDINAL_SOURCES = ("amazon_beauty", "amazon_sports", "amazon_games")


@dataclass(frozen=True)
class Tables:
    """What a source delivers: what happened, what it happened to, and one honest sentence on origin and licence."""

    events: pl.DataFrame
    items: pl.DataFrame
    note: str


def load(name: str, events: str = "", items: str = "") -> Tables:
    """Load a source by the name that a notebook's DATA parameter holds.

    name: one of SOURCES    events, items: files of one's own log, for tabular only
    Raises ValueError for an unknown name, for tabular without a file and for a file given to another source; and
    whatever the source itself raises.
    """
    if name != "tabular" and (events or items):
        raise ValueError(f"{name} brings its own data; to read {events or items} use DATA = 'tabular'")
    if name == "tabular":
        from recolab.sources.tabular import read_events  # noqa: PLC0415

        if not events:
            raise ValueError("tabular needs the path of your log: EVENTS = 'my_log.csv'")
        return read_events(events, items=items or None)
    if name not in _LOADERS:
        raise ValueError(f"no source is called {name!r}; there are {', '.join(SOURCES)}")
    # Imported only when asked for: a source may need a package that the others do not.
    module, function = _LOADERS[name]
    tables: Tables = getattr(import_module(f"recolab.sources.{module}"), function)()
    return tables


def impossible(name: str) -> Mapping[str, nw.Expr]:
    """Say what else a source's log cannot mean, for `CleanRules(extra=...)`: reason -> true for a row to drop."""
    if name in ("complete_journey", "online_retail"):
        rules: Mapping[str, nw.Expr] = import_module(f"recolab.sources.{name}").NOT_GOODS
        return rules
    return {}
