"""Decide what is past and what is future, so that no model is ever judged on something it has seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from recolab.schema import BASKET, ITEM, KIND, SESSION, TIME, USER

_ROW = "__row"  # the caller's row order: it breaks ties and is restored at the end
_KEYS = ("__basket", "__session", "__moment")  # together they name one basket of one user


class SplitError(ValueError):
    """The log cannot be split this way; the message says what to do instead."""


class LeakError(AssertionError):
    """Something of the future lies in the past."""


@dataclass(frozen=True)
class Split:
    """A log in two parts: `past`, all that a model may see, and `future`, the events it is asked to foresee.

    past, future: event tables with the columns and row order of the log    rule: the split in words, such as "leave_one_out"
    """

    past: pl.DataFrame
    future: pl.DataFrame
    rule: str


def by_time(
    events: pl.DataFrame, cut: datetime, target_kinds: Sequence[str] | None = None, min_item_users: int = 1
) -> Split:
    """Cut the log at one moment for everybody, as a shop lives it: the default, and the only split without any leak.

    past: every event before `cut` (naive = UTC)
    future: for each user with a past, the first basket that starts at or after `cut`, of `target_kinds` only if given.
    A basket that straddles the cut is no target: its rows before the cut are past, the others are left out.
    min_item_users: items with fewer users before the cut are left out on both sides (the future has no say in it)
    Raises SplitError for ordinal timestamps, for a log on one side of the cut, where no item has so many users, and
    where nobody has a future.
    """
    _require(events, target_kinds)
    _require_clock(events)
    cut = cut.astimezone(UTC).replace(tzinfo=None) if cut.tzinfo else cut
    past, later = events.filter(pl.col(TIME) < cut), events.filter(pl.col(TIME) >= cut)
    if past.is_empty() or later.is_empty():
        raise SplitError(
            f"all {len(events)} events lie {'at or after' if past.is_empty() else 'before'} the cut {cut}; the log runs "
            f"from {events[TIME].min()!s} to {events[TIME].max()!s}: choose a cut inside, e.g. cut_at(events, 0.9)"
        )
    keyed_past = _with_keys(past)
    if min_item_users > 1:
        users = past.group_by(ITEM).agg(pl.n_unique(USER).alias("__users"))
        shelf = users.filter(pl.col("__users") >= min_item_users)
        if shelf.is_empty():
            raise SplitError(
                f"no item has {min_item_users} users before the cut {cut} (the past has {past[USER].n_unique()} users and "
                f"{len(users)} items): give a log of more users, or a smaller min_item_users"
            )
        past, later = past.join(shelf, on=ITEM, how="semi"), later.join(shelf, on=ITEM, how="semi")
    # Rows of a basket that began before the cut would hand the model the start of its own answer.
    fresh = _with_keys(later).join(keyed_past, on=[USER, *_KEYS], how="anti", nulls_equal=True)
    targets = _of_kinds(fresh, target_kinds).join(keyed_past, on=USER, how="semi").sort(TIME, _ROW)
    first = targets.unique(USER, keep="first", maintain_order=True)
    future = targets.join(first, on=[USER, *_KEYS], how="semi", nulls_equal=True)
    return _done(past, future, f"by_time({cut:%Y-%m-%d %H:%M:%S})", events.columns)


def leave_one_out(events: pl.DataFrame, target_kinds: Sequence[str] | None = None) -> Split:
    """Hold out each user's last event, the split of most published numbers; it leaks the clock between users.

    future: per user the last event (of `target_kinds` if given) by timestamp, then row order
    past: what that user did before it; users with nothing before it stay in the past wholly
    Raises SplitError where no user has two events.
    """
    _require(events, target_kinds)
    ordered = events.with_row_index(_ROW).sort(USER, TIME, _ROW)
    place = pl.int_range(pl.len()).over(USER)
    ordered = ordered.with_columns(place.alias("__place"))
    last = _of_kinds(ordered, target_kinds).group_by(USER).agg(pl.max("__place").alias("__last"))
    ordered = ordered.join(last.filter(pl.col("__last") > 0), on=USER, how="left")
    future = ordered.filter(pl.col("__place") == pl.col("__last"))
    past = ordered.filter(pl.col("__last").is_null() | (pl.col("__place") < pl.col("__last")))
    return _done(past, future, "leave_one_out", events.columns)


def last_basket(events: pl.DataFrame, target_kinds: Sequence[str] | None = None) -> Split:
    """Hold out each user's last basket (or session), for logs too short for one cut; it leaks the clock between users.

    future: per user the basket that starts last (of those with `target_kinds`, and only such rows, if given)
    past: what that user did before this basket began; users with nothing before it stay in the past wholly
    Raises SplitError where no user has two baskets.
    """
    _require(events, target_kinds)
    basket = [USER, *_KEYS]
    keyed = _with_keys(events)
    starts = keyed.group_by(basket).agg(pl.min(TIME).alias("__start"), pl.max(_ROW).alias("__end_row"))
    wanted = starts.join(_of_kinds(keyed, target_kinds), on=basket, how="semi", nulls_equal=True)
    last = wanted.sort("__start", "__end_row").unique(USER, keep="last", maintain_order=True)
    has_past = keyed.join(last.select(USER, "__start"), on=USER).filter(pl.col(TIME) < pl.col("__start"))
    last = last.join(has_past, on=USER, how="semi")
    future = _of_kinds(keyed, target_kinds).join(last, on=basket, how="semi", nulls_equal=True)
    # A second visit that runs beside the last one is neither past nor target: part of it happens during the answer.
    past = keyed.join(last.select(USER, "__start"), on=USER, how="left").filter(
        pl.col("__start").is_null() | (pl.col(TIME) < pl.col("__start"))
    )
    return _done(past, future, "last_basket", events.columns)


def cut_at(events: pl.DataFrame, share: float) -> datetime:
    """Find the moment that leaves a share of the log before it, to be given to `by_time`.

    share: in (0, 1)  ->  the timestamp in the log (naive UTC) with the share of events before it nearest to `share`
    Raises SplitError for another share, for ordinal timestamps and for a log of one moment.
    """
    if not 0 < share < 1:
        raise SplitError(f"share must lie between 0 and 1, not {share}")
    _require(events, None)
    _require_clock(events)
    moments = events.group_by(TIME).len().sort(TIME)
    moments = moments.with_columns((pl.col("len").cum_sum() - pl.col("len")).alias("before")).filter(
        pl.col("before") > 0
    )
    if moments.is_empty():
        raise SplitError(f"all {len(events)} events happen at {events[TIME][0]}: no moment has a past")
    off = (pl.col("before") / len(events) - share).abs()
    cut = moments.sort(off, TIME)[TIME][0]
    assert isinstance(cut, datetime)
    return cut


def assert_no_leak(split: Split) -> None:
    """Prove that the future is really later than the past: per user always, for everybody after `by_time`.

    Leave-one-out may cut a basket in two and orders equal timestamps by row, so there only an earlier future is a leak.
    Raises LeakError with the user and the number of future events at fault.
    """
    by_item = split.rule.startswith("leave_one_out")
    past, future = _with_keys(split.past), _with_keys(split.future)
    if not by_item:
        shared = future.join(past, on=[USER, *_KEYS], how="semi", nulls_equal=True)
        _refuse(shared, "belong to a basket that also lies in the past")
    latest = past.group_by(USER).agg(pl.max(TIME).alias("__latest"))
    known = future.join(latest, on=USER)
    early = pl.col(TIME) < pl.col("__latest") if by_item else pl.col(TIME) <= pl.col("__latest")
    _refuse(known.filter(early), "are not later than the past of their user")
    if split.rule.startswith("by_time"):
        _refuse(future.filter(pl.col(TIME) <= split.past[TIME].max()), "are not later than the whole past")


def _refuse(leaks: pl.DataFrame, fault: str) -> None:
    """Raise LeakError for a table of leaking future events, if there are any."""
    if not leaks.is_empty():
        worst = leaks.group_by(USER, maintain_order=True).len().sort("len", descending=True, maintain_order=True)
        user, count = worst.row(0)
        raise LeakError(
            f"{len(leaks)} future events of {len(worst)} users {fault}; the first: user {user!r} with {count}"
        )


def _require(events: pl.DataFrame, target_kinds: Sequence[str] | None) -> None:
    """Refuse tables in which past and future cannot even be asked for."""
    columns = [USER, ITEM, TIME] if target_kinds is None else [USER, ITEM, TIME, KIND]
    missing = [name for name in columns if name not in events.columns]
    if missing:
        raise SplitError(f"the log has no column {missing}; it has {events.columns}")
    if len(events) < 2:
        raise SplitError(f"a log of {len(events)} event(s) has no past and future; at least 2 are needed")
    for name in (USER, TIME):
        if empty := events[name].null_count():
            raise SplitError(f"{empty} events have no {name}: run prepare.clean(events) first")
    if target_kinds is not None and events.filter(pl.col(KIND).is_in(list(target_kinds))).is_empty():
        raise SplitError(
            f"no event is of the target kinds {tuple(target_kinds)}; kinds here: {sorted(events[KIND].unique())}"
        )


def _require_clock(events: pl.DataFrame) -> None:
    """Refuse positions: a third click of one user is not earlier than a fourth click of another."""
    kind_of_time = events.schema[TIME]
    if kind_of_time.is_integer():
        raise SplitError(f"{TIME} is ordinal (an order within each user, no clock): use leave_one_out(events)")
    if not isinstance(kind_of_time, pl.Datetime) or kind_of_time.time_zone is not None:
        raise SplitError(f"{TIME} must be a naive UTC Datetime, not {kind_of_time}")


def _with_keys(events: pl.DataFrame) -> pl.DataFrame:
    """Name each row's basket by basket_id; where that is absent by session_id; where both are by timestamp."""
    nothing = pl.lit(None, dtype=pl.Boolean)
    basket = pl.col(BASKET) if BASKET in events.columns else nothing
    session = pl.col(SESSION) if SESSION in events.columns else nothing
    return events.with_row_index(_ROW).with_columns(
        basket.alias(_KEYS[0]),
        pl.when(basket.is_null()).then(session).alias(_KEYS[1]),
        pl.when(basket.is_null() & session.is_null()).then(pl.col(TIME)).alias(_KEYS[2]),
    )


def _of_kinds(events: pl.DataFrame, kinds: Sequence[str] | None) -> pl.DataFrame:
    """Keep the events that may be targets."""
    return events if kinds is None else events.filter(pl.col(KIND).is_in(list(kinds)))


def _done(past: pl.DataFrame, future: pl.DataFrame, rule: str, columns: list[str]) -> Split:
    """Put both sides back into the caller's columns and row order."""
    if future.is_empty():
        raise SplitError(f"{rule}: no user has both a past and a future here, so there is nothing to judge a model on")
    past, future = (side.sort(_ROW) if _ROW in side.columns else side for side in (past, future))
    return Split(past.select(columns), future.select(columns), rule)
