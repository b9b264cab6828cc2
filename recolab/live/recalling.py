"""What a journal holds, told again to a recommender that was opened anew."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from recolab.live.ids import of_type, plain
from recolab.live.newcomers import welcome
from recolab.live.parts import MODEL, TRIAL, Goods, parts
from recolab.live.recommender import LiveRecommender
from recolab.live.sessions import seconds_of
from recolab.schema import ITEM, KIND, TIME, USER


class Recalled(NamedTuple):
    """What a journal has told.

    live: the recommender, or one that knows newcomers too    end: the byte after the last line    models: the last line about
    them, empty where there is none
    """

    live: LiveRecommender
    end: int
    models: dict[str, Any]

    def trial_of(self, champion: str) -> str | None:
        """Name the version that was on trial beside a champion at the end."""
        return self.models.get(TRIAL) if self.models.get(MODEL) == champion else None


def recall(live: LiveRecommender, journal: Path, start: int = 0) -> Recalled:
    """Tell a recommender what a journal holds from a byte on; raises JournalError that names a damaged line."""
    end, models, waiting, goods = start, dict[str, Any](), list[pl.DataFrame](), Goods()
    for part in parts(journal, start):
        told, unlearned = 0, pl.col(TIME) >= seconds_of(live.as_of)  # what the models have learned from is in them
        for news in part.news:  # what was told of newcomers before they came in, nobody knew
            waiting.append(part.events[told : news.after].filter(unlearned))
            _tell(live, waiting)
            _mark(live, _later(goods, news.goods))
            live, told, waiting, goods = widened(live, news.rows)[0], news.after, [], {}
        waiting.append(part.events[told:].filter(unlearned))
        end, models, goods = part.end, part.models or models, _later(goods, part.goods)
    _tell(live, waiting)
    _mark(live, goods)
    return Recalled(live, end, models)


def _later(goods: Goods, told: Goods) -> Goods:
    return goods | {item: goods.get(item, {}) | changed for item, changed in told.items()}


def _tell(live: LiveRecommender, events: list[pl.DataFrame]) -> None:
    told = pl.concat(events)
    users, items = (_ids(told[column], kind) for column, kind in ((USER, live.user_type), (ITEM, live.item_type)))
    live.observe_all(users, items, told[TIME].to_numpy(), told[KIND].to_numpy())


def _mark(live: LiveRecommender, goods: Goods) -> None:
    for name, changed in goods.items():
        if live.knows(item := of_type(name, live.item_type)):  # a newer catalog may have dropped it
            live.update_item(item, **changed)


def _ids(names: pl.Series, kind: type) -> list[Hashable]:
    read = {name: of_type(name, kind) for name in names.unique().to_list()}
    return [read[name] for name in names.to_list()]


def hear(live: LiveRecommender, user: Hashable, item: Hashable, kind: str, at: datetime) -> bool:
    """Tell a recommender an event, but for one that its models have learned from  ->  whether the catalog knows the item."""
    item = of_type(item, live.item_type)
    return live.knows(item) if at < live.as_of else live.observe(of_type(user, live.user_type), item, kind, at)


def widened(live: LiveRecommender, rows: list[dict[str, Any]]) -> tuple[LiveRecommender, int]:
    """Make a recommender that knows some items more  ->  it, and how many: who is known already is passed over."""
    rows = [row | {ITEM: of_type(row[ITEM], live.item_type)} for row in rows]
    new = {row[ITEM]: row | {ITEM: plain(row[ITEM])} for row in rows if not live.knows(row[ITEM])}
    if not new:
        return live, 0
    return welcome(live, pl.DataFrame(list(new.values()), infer_schema_length=None)), len(new)


def in_step(wider: LiveRecommender, now: LiveRecommender) -> LiveRecommender:
    """Give a wider recommender the prices and stocks of this moment."""
    if wider is not now:
        wider.shelf.follow(now.shelf)
    return wider
