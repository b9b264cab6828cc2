"""The same question asked at several moments, of the shop or, where there is no clock, of each user's own history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import polars as pl

from recolab.evaluation import Task, make_task
from recolab.histories import Catalog, Histories, build_catalog, load_catalog, load_histories, pack
from recolab.lab import write_atomically
from recolab.schema import PRICE, STOCK, TIME, USER
from recolab.split import SplitError, assert_no_leak, by_time, leave_one_out

MONTHS_FROM_DAYS = 180  # a log this long is cut at the first of a month
FULL_MONTH_DAYS = 20  # the last month counts when it has run at least so long
_FILES = ("catalog.parquet", "histories.safetensors", "future.parquet")


@dataclass(frozen=True)
class Fold:
    """A log cut at one moment: all that was known then, and each user's next visit after it.

    cut: naive UTC    catalog: what was sold before the cut    histories: B users    future: events to foresee
    """

    cut: datetime
    catalog: Catalog
    histories: Histories
    future: pl.DataFrame

    def task(self, *, allow_repeats: bool) -> Task:
        """Pose the question: the next visit with repeats, or only what is new to the user."""
        name = "next visit" if allow_repeats else "new items only"
        return make_task(self.histories, self.future, self.catalog, allow_repeats=allow_repeats, name=name)

    def save(self, folder: Path) -> None:
        """Write catalog, histories and future into a folder, each whole or not at all."""
        self.catalog.save(folder / "catalog.parquet")
        self.histories.save(folder / "histories.safetensors")
        with write_atomically(folder / "future.parquet") as temporary:
            self.future.write_parquet(temporary)


def load_fold(folder: Path) -> Fold:
    """Read what `Fold.save` wrote; raises FileNotFoundError that says what to run first."""
    if missing := [name for name in _FILES if not (folder / name).exists()]:
        raise FileNotFoundError(f"{folder} has no {', '.join(missing)}: run notebooks/03_sequences_and_splits first")
    histories = load_histories(folder / "histories.safetensors")
    cut = datetime(1970, 1, 1) + timedelta(seconds=histories.as_of)
    return Fold(cut, load_catalog(folder / "catalog.parquet"), histories, pl.read_parquet(folder / "future.parquet"))


def make_fold(
    events: pl.DataFrame,
    items: pl.DataFrame | None,
    cut: datetime,
    end: datetime | None = None,
    min_item_users: int = 5,
    before: Catalog | None = None,
) -> Fold:
    """Cut clean events at one moment; floors, paid prices and rows come from before the cut only, stock is left out.

    end: events from here on are not looked at    min_item_users: items with fewer users before the cut are left out
    before: the catalog of an earlier cut, which grows and keeps its rows
    Raises SplitError where one side is empty or only one item is left, LeakError where the past holds a piece of the
    future.
    """
    events = events if end is None else events.filter(pl.col(TIME) < end)
    split = by_time(events, cut, min_item_users=min_item_users)
    assert_no_leak(split)
    # An item table tells the stock of today, which is the future of every cut.
    catalog = build_catalog(split.past, None if items is None else items.drop(STOCK, strict=False))
    if len(catalog) < 3:  # PAD and one item
        raise SplitError(
            f"only one item is left before the cut {cut}, so there is nothing to choose between: give a log of more items, "
            "or a smaller min_item_users"
        )
    catalog = catalog if before is None else before.grow(catalog.items)
    return Fold(cut, catalog, pack(split.past, catalog, cut), split.future)


@dataclass(frozen=True)
class LeaveOneOut:
    """The protocol of most published numbers: each user's last item is the test, the one before it the validation.

    catalog: every item of the log    training: histories without the last two items, all that a model may be fitted on
    validation: foresee the last but one from training; choose settings here
    test: foresee the last, from training and the validation item, which enters nothing but these histories
    """

    catalog: Catalog
    training: Histories
    validation: Task
    test: Task

    @property
    def earlier(self) -> Histories:
        """Training without its last items: to the validation as old as training is to the test.

        At the test a list knows one item more than its model, and goods have come up that the model hardly met. Settings
        chosen with a model that knows all but the answer are chosen for a younger model than the test will see.
        """
        return self.training.without_last()


def leave_one_out_tasks(
    events: pl.DataFrame, items: pl.DataFrame | None = None, *, allow_repeats: bool = False
) -> LeaveOneOut:
    """Pose the two questions of leave-one-out, for logs without a clock and for numbers beside published ones.

    As published, every item of the log is ranked, those included that only a held-out event knows: no model can have
    learned anything of them, and no count or price comes from held-out events, only that such an item exists. In a set
    thinned to items with five events, a count below five tells that some were held out: `rerank.item_features` is silent.
    As published, histories are masked (`allow_repeats=False`). A user of two events is asked only in the test, a user
    of one never. Time runs in steps, each history's end being now: clock times are replaced by their order, so
    half-lives are in steps. What others did later than a user's target is in the training: leave-one-out leaks the clock.
    Raises SplitError where no user has three events, LeakError where a history holds a piece of its future.
    """
    if not events.schema[TIME].is_integer():
        events = events.with_columns(pl.col(TIME).rank("dense").over(USER).cast(pl.Int64))
    last = leave_one_out(events)
    before = leave_one_out(last.past)
    for split in (last, before):
        assert_no_leak(split)
    held_out = pl.concat([before.future, last.future])
    if PRICE in events.columns:  # an item may be known to exist, but not what will be paid for it
        held_out = held_out.with_columns(pl.lit(None, events.schema[PRICE]).alias(PRICE))
    goods = None if items is None else items.drop(STOCK, strict=False)
    catalog = build_catalog(pl.concat([before.past, held_out]), goods)
    training, known = pack(before.past, catalog), pack(last.past, catalog)
    ask = partial(make_task, catalog=catalog, allow_repeats=allow_repeats)
    return LeaveOneOut(
        catalog,
        training,
        validation=ask(training, before.future, name="leave-one-out validation"),
        test=ask(known, last.future, name="leave-one-out test"),
    )


def fold_cuts(events: pl.DataFrame) -> list[datetime]:
    """Choose three moments at the end of a log: to learn, to check and to test; steps of a tenth where it is short.

    The test month begins at the last; the month before it, the validation month, begins at the first and is halved by the
    second, for an order learned lately holds better than one learned from more but older months.
    ->  naive UTC moments in order
    Raises SplitError where the log is empty or one moment, and where nothing happens between two of the cuts.
    """
    if events.is_empty():
        raise SplitError("no event is left to cut: the report of prepare.clean says what was dropped and why")
    first, last = events[TIME].min(), events[TIME].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime) or first == last:
        raise SplitError(
            f"the log runs from {first!s} to {last!s}: cuts in time need a log with clock times that goes on; an order "
            "without a clock is judged by leave_one_out_tasks"
        )
    if (last - first).days < MONTHS_FROM_DAYS:
        tenths = (first + (last - first) * (1 - k / 10) for k in (3, 2, 1))
        return _with_events(events, [cut.replace(microsecond=0) for cut in tenths])  # histories count whole seconds
    test = last.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    if (last - test).days < FULL_MONTH_DAYS:
        test = (test - timedelta(days=1)).replace(day=1)
    learn = (test - timedelta(days=1)).replace(day=1)
    check = learn + timedelta(days=(test - learn).days // 2)
    return _with_events(events, [learn, check, test])


def _with_events(events: pl.DataFrame, cuts: list[datetime]) -> list[datetime]:
    """Give the cuts back if something happens after each of them and before the next."""
    for begin, end in pairwise([*cuts, datetime.max]):
        if events.filter(pl.col(TIME).is_between(begin, end, closed="left")).is_empty():
            raise SplitError(
                f"nothing happens from {begin} to {end}, in a log of {len(events):,} events from {events[TIME].min()!s} "
                f"to {events[TIME].max()!s}: it is too short or too sparse for three cuts, give a longer one"
            )
    return cuts
