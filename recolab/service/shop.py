"""The shop that is served: the live recommender that answers now, and what its journal tells it again after a start."""

from __future__ import annotations

import re
from collections.abc import Hashable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl

from recolab.live import LiveRecommender, replay, welcome
from recolab.schema import ITEM

NEW = "new"  # the journal's word for items that came in
_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # as whole numbers of logs are


class Shop:
    """The live recommender that answers now: another one takes its place in one step, and whoever asks has the one or the other."""

    def __init__(self, live: LiveRecommender) -> None:
        self.live = live

    def widened(self, rows: list[dict[str, Any]]) -> tuple[LiveRecommender, int]:
        """Make a recommender that knows some items more  ->  it, and how many: who is known already is passed over."""
        live = self.live
        rows = [row | {ITEM: of_type(row[ITEM], live.item_type)} for row in rows]
        new = {row[ITEM]: row | {ITEM: plain(row[ITEM])} for row in rows if not live.knows(row[ITEM])}
        if not new:
            return live, 0
        return welcome(live, pl.DataFrame(list(new.values()), infer_schema_length=None)), len(new)

    def take(self, wider: LiveRecommender) -> None:
        """Let a wider one answer from now on, with the prices and stocks of this moment."""
        if wider is not self.live:
            wider.shelf.follow(self.live.shelf)
            self.live = wider


def recall(shop: Shop, journal_path: Path) -> int:
    """Tell a shop again what its journal holds, but for events that its models have learned from  ->  how many records."""
    count = 0
    for count, record in enumerate(replay(journal_path), start=1):  # noqa: B007  counted for the caller
        live = shop.live
        if NEW in record:
            shop.take(shop.widened(record[NEW])[0])
            continue
        item = of_type(record["item"], live.item_type)
        if "user" in record:
            at = datetime.fromisoformat(record["at"])
            if at >= live.as_of:
                live.observe(of_type(record["user"], live.user_type), item, record["kind"], at)
        elif live.knows(item):  # a newer catalog may have dropped it
            live.update_item(item, price=record["price"], stock=record["stock"])
    return count


def of_type(value: int | str, kind: type) -> Hashable:
    """Read an id as the catalog or the log holds it: a path has no numbers, JSON has no UUIDs, and a shopper has one name."""
    if kind is str:
        return str(value)
    if kind is int and isinstance(value, str) and _NUMBER.fullmatch(value):
        return int(value)
    if kind is UUID and isinstance(value, str):
        with suppress(ValueError):
            return UUID(value)
    return value


def plain(item: Any) -> Any:
    """Write an id as JSON can."""
    return str(item) if isinstance(item, UUID) else item
