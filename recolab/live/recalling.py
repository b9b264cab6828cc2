"""What a journal holds, told again to a recommender that was opened anew."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from recolab.journal import records
from recolab.live.ids import of_type, plain
from recolab.live.newcomers import welcome
from recolab.live.recommender import LiveRecommender
from recolab.schema import ITEM

# The journal's words for items that came in, for a change of models, and for the version that is on trial since.
NEW, MODEL, TRIAL = "new", "model", "trial"


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
    end, models, waiting = start, dict[str, Any](), list[dict[str, Any]]()
    for end, record in records(journal, start):  # noqa: B007  the last one is returned
        if "user" in record:
            waiting.append(record)
        elif NEW in record:  # what was done with its items before, nobody knew
            _tell(live, waiting)
            live, waiting = widened(live, record[NEW])[0], []
        elif MODEL in record:
            models = record
        elif live.knows(item := of_type(record["item"], live.item_type)):  # a newer catalog may have dropped it
            live.update_item(item, price=record["price"], stock=record["stock"])
    _tell(live, waiting)
    return Recalled(live, end, models)


def _tell(live: LiveRecommender, events: list[dict[str, Any]]) -> None:
    """Tell a recommender many events, but for those that its models have learned from."""
    moments = [datetime.fromisoformat(event["at"]) for event in events]
    new = [n for n, at in enumerate(moments) if at >= live.as_of]
    users = [of_type(events[n]["user"], live.user_type) for n in new]
    items = [of_type(events[n]["item"], live.item_type) for n in new]
    live.observe_all(users, items, [events[n]["kind"] for n in new], [moments[n] for n in new])


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
