"""One loader per data set; all of them give the same two tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import narwhals as nw
import polars as pl

SOURCES = ("complete_journey", "shop", "article_case", "tabular")


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
    # Imported only when asked for: a source may need a package that the others do not.
    if name != "tabular" and (events or items):
        raise ValueError(f"{name} brings its own data; to read {events or items} use DATA = 'tabular'")
    if name == "complete_journey":
        from recolab.sources.complete_journey import load_complete_journey  # noqa: PLC0415

        return load_complete_journey()
    if name == "article_case":
        from recolab.sources.article_case import load_article_case  # noqa: PLC0415

        return load_article_case()
    if name == "shop":
        from recolab.sources.shop import load_shop  # noqa: PLC0415

        return load_shop()
    if name == "tabular":
        from recolab.sources.tabular import read_events  # noqa: PLC0415

        if not events:
            raise ValueError("tabular needs the path of your log: EVENTS = 'my_log.csv'")
        return read_events(events, items=items or None)
    raise ValueError(f"no source is called {name!r}; there are {', '.join(SOURCES)}")


def impossible(name: str) -> Mapping[str, nw.Expr]:
    """Say what else a source's log cannot mean, for `CleanRules(extra=...)`: reason -> true for a row to drop."""
    if name == "complete_journey":
        from recolab.sources.complete_journey import NOT_GOODS  # noqa: PLC0415

        return NOT_GOODS
    return {}
