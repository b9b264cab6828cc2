"""What shoppers did about what they were shown: events of the journal, each beside the impression that it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sys import float_info
from typing import Any

import polars as pl

from recolab.feedback.impressions import ids_of
from recolab.journal import replay
from recolab.schema import (
    CLICK,
    EVENT_WEIGHT,
    ITEM,
    KIND,
    LIST,
    POSITION,
    RATING,
    TEXT,
    TIME,
    USER,
    VALUE,
    check_events,
)

WINDOW = timedelta(days=1)
FATE, SHOWN = "fate", "shown_at"
ANSWER, LATE, DOUBLED, ORPHAN = "answer", "late", "doubled", "orphan"


@dataclass(frozen=True)
class Reactions:
    """Events beside impressions.

    events: the events with fate, and of the newest impression before each its list_id, position and shown_at, null for an orphan
    impressions: all that was shown with click, whether anything answered it; value, the weight of the strongest answer (0 for
    none); rating and text of its last review
    """

    events: pl.DataFrame
    impressions: pl.DataFrame

    def count(self, fate: str) -> int:
        """Count events of one fate: an answer, late (after the window), doubled (the same kind again), or an orphan (never shown)."""
        return int((self.events[FATE] == fate).sum())


def event_record(
    user: Any,
    item: Any,
    kind: str,
    at: datetime,
    value: float = 1.0,
    rating: float | None = None,
    text: str | None = None,
) -> dict[str, Any]:
    """Write an event as a journal holds it; `read_events` reads it back unchanged.

    Raises ValueError for what `read_events` would stumble over, for ever.
    """
    for name, one in ((USER, user), (ITEM, item)):
        if not (type(one) is int and -(2**63) <= one < 2**63) and not (isinstance(one, str) and one):
            raise ValueError(f"{name} = {one!r} must be a whole number of 64 bits, or text")
    for name, number in ((VALUE, value), (RATING, rating)):
        if number is not None and not (isinstance(number, (int, float)) and 0 <= number <= float_info.max):
            raise ValueError(f"{name} = {number!r} must be a number from 0 up, which JSON knows")
    if text is not None and not isinstance(text, str):
        raise ValueError(f"{TEXT} = {text!r} must be text")
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    record = {"user": user, "item": item, "kind": kind, "at": moment.isoformat()}
    more = {VALUE: None if value == 1 else value, RATING: rating, TEXT: text}
    return record | {name: told for name, told in more.items() if told is not None}


def read_events(journal: Path) -> pl.DataFrame:
    """Read the events of a journal as an Events table, oldest first: they go back to where every log comes in.

    ->  user_id, item_id, timestamp (naive UTC), kind, value, rating and text (null where none was given)
    Raises JournalError where a line is damaged.
    """
    found = [record for record in replay(journal) if "user" in record]
    columns = {
        USER: ids_of([one["user"] for one in found]),
        ITEM: ids_of([one["item"] for one in found]),
        TIME: [_naive(datetime.fromisoformat(one["at"])) for one in found],
        KIND: [one["kind"] for one in found],
        VALUE: [one.get(VALUE, 1.0) for one in found],
        RATING: [one.get(RATING) for one in found],
        TEXT: [one.get(TEXT) for one in found],
    }
    types: dict[str, Any] = {
        TIME: pl.Datetime("us"),
        KIND: pl.String,
        VALUE: pl.Float64,
        RATING: pl.Float64,
        TEXT: pl.String,
    }
    events = pl.DataFrame(columns, schema_overrides=types)
    return check_events(events.sort(TIME, maintain_order=True)) if found else events


def _naive(at: datetime) -> datetime:
    """Give a moment in UTC; the first hours of the year 1, east of Greenwich, have none."""
    try:
        return at.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        return datetime.min if at.year == 1 else datetime.max


def join_reactions(impressions: pl.DataFrame, events: pl.DataFrame, window: timedelta = WINDOW) -> Reactions:
    """Set each event beside the newest impression of its item for its shopper that came before it.

    impressions: as of `read_impressions`; those of strangers are answered by nobody    events: an Events table    window: from
    the impression on, in which an event answers it
    """
    for name in (USER, ITEM):
        if impressions[name].dtype != events[name].dtype:  # numbers on one side, and a guest's name on the other
            impressions, events = (table.with_columns(pl.col(name).cast(pl.String)) for table in (impressions, events))
    shown = impressions.filter(pl.col(USER).is_not_null()).select(
        USER, ITEM, LIST, POSITION, TIME, pl.col(TIME).alias(SHOWN)
    )
    joined = events.sort(TIME, maintain_order=True).join_asof(
        shown.sort(TIME, maintain_order=True),
        on=TIME,
        by=[USER, ITEM],
        check_sortedness=False,
        allow_exact_matches=False,
    )
    late = pl.col(TIME) - pl.col(SHOWN) > window
    joined = joined.with_columns(
        pl.when(pl.col(LIST).is_null())
        .then(pl.lit(ORPHAN))
        .when(late)
        .then(pl.lit(LATE))
        .when(pl.int_range(pl.len()).over(LIST, POSITION, KIND) > 0)
        .then(pl.lit(DOUBLED))
        .otherwise(pl.lit(ANSWER))
        .alias(FATE)
    )
    return Reactions(joined, _answered(impressions, joined.filter(pl.col(FATE).is_in([ANSWER, DOUBLED]))))


def _answered(impressions: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    weight = pl.col(KIND).cast(pl.String).replace_strict(EVENT_WEIGHT, return_dtype=pl.Float64)
    last = [
        (pl.col(name).drop_nulls().last() if name in answers.columns else pl.lit(None, kind)).alias(name)
        for name, kind in ((RATING, pl.Float64), (TEXT, pl.String))
    ]
    strongest = answers.group_by(LIST, POSITION).agg(weight.max().alias(VALUE), *last)
    joined = impressions.join(strongest, on=[LIST, POSITION], how="left", maintain_order="left")
    return joined.with_columns(pl.col(VALUE).is_not_null().alias(CLICK), pl.col(VALUE).fill_null(0.0))
