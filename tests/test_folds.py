from datetime import datetime

import numpy as np
import polars as pl
import pytest

from recolab.folds import fold_cuts, leave_one_out_tasks, load_fold, make_fold
from recolab.histories import lay_out, newest_window, visits
from recolab.prepare import clean
from recolab.schema import ITEM, PRICE, STOCK, TIME
from recolab.split import LeakError, Split, SplitError, leave_one_out
from tests.worlds import START, log


def days(n):
    return log([(1, 1, day) for day in range(n)])


def test_a_year_is_cut_at_its_last_month_and_twice_in_the_month_before():
    assert fold_cuts(days(366)) == [datetime(2024, 11, 1), datetime(2024, 11, 16), datetime(2024, 12, 1)]


def test_a_month_that_has_hardly_begun_does_not_count():
    learn, check, test = fold_cuts(days(340))  # it ends on 5 December
    assert (learn, check, test) == (datetime(2024, 10, 1), datetime(2024, 10, 16), datetime(2024, 11, 1))


def test_a_month_counts_from_its_twenty_first_day_on():
    assert fold_cuts(days(356))[-1] == datetime(2024, 12, 1)  # it ends on 21 December
    assert fold_cuts(days(355))[-1] == datetime(2024, 11, 1)


def test_a_short_log_is_cut_in_tenths():
    assert fold_cuts(days(11)) == [datetime(2024, 1, 8), datetime(2024, 1, 9), datetime(2024, 1, 10)]


def test_a_cut_falls_on_a_whole_second_for_that_is_what_a_saved_fold_remembers(tmp_path):
    events = log([(u, i, day) for u in range(3) for i in range(3) for day in range(i, 11, 3)])
    events = events.with_columns(pl.col(TIME) + pl.duration(microseconds=pl.int_range(pl.len()) * 1001))
    cuts = fold_cuts(events)
    assert [cut.microsecond for cut in cuts] == [0, 0, 0]
    fold = make_fold(events, None, cuts[0], min_item_users=1)
    fold.save(tmp_path)
    assert load_fold(tmp_path).cut == fold.cut == cuts[0]


def test_a_log_of_one_moment_or_of_positions_is_refused():
    with pytest.raises(SplitError, match="need a log with clock times"):
        fold_cuts(days(1))
    with pytest.raises(SplitError, match="need a log with clock times"):
        fold_cuts(days(9).with_columns(pl.Series(TIME, range(9))))


ROWS = [(u, i, d) for u in (1, 2, 3) for i, d in ((10, 0), (20, 1), (10, 5), (30, 5))] + [(1, 40, 0), (1, 10, 8)]


def test_floors_prices_and_rows_know_nothing_of_the_future():
    events = log(ROWS).with_columns(pl.when(pl.col(TIME) < datetime(2024, 1, 4)).then(2.0).otherwise(99.0).alias(PRICE))
    fold = make_fold(events, None, datetime(2024, 1, 4), datetime(2024, 1, 8), min_item_users=2)
    assert fold.catalog.ids(range(3)) == [None, 10, 20]  # 40 has one user, 30 is sold only later
    assert fold.catalog.column(PRICE).to_list() == [None, 2.0, 2.0]
    assert fold.histories.ages.max() == 3
    assert sorted(set(fold.future[ITEM])) == [10]
    assert fold.future[TIME].max() < datetime(2024, 1, 8)


def test_what_happens_at_the_end_is_not_looked_at():
    cut = datetime(2024, 1, 4)
    assert len(make_fold(log(ROWS), None, cut, datetime(2024, 1, 6, 1), min_item_users=2).future) == 3
    with pytest.raises(SplitError):
        make_fold(log(ROWS), None, cut, datetime(2024, 1, 6), min_item_users=2)


def test_the_catalog_of_an_earlier_cut_grows_and_keeps_its_rows():
    first = make_fold(log(ROWS), None, datetime(2024, 1, 4), min_item_users=2)
    events = pl.concat([log(ROWS), log([(1, 5, 5), (2, 5, 6), (1, 10, 30), (2, 10, 30)])])
    alone, grown = (
        make_fold(events, None, datetime(2024, 1, 20), min_item_users=2, before=before)
        for before in (None, first.catalog)
    )
    assert alone.catalog.ids(range(2)) == [None, 5]
    assert grown.catalog.ids(range(4)) == [None, 10, 20, 5]
    assert grown.histories.items.max() == len(grown.catalog) - 1
    assert grown.catalog.ids(grown.histories.items) == alone.catalog.ids(alone.histories.items)


def test_what_is_sold_out_today_was_not_known_at_the_cut():
    items = pl.DataFrame({ITEM: [10, 20, 30, 40], STOCK: [0, 1, 1, 1]})
    fold = make_fold(log(ROWS), items, datetime(2024, 1, 4), min_item_users=2)
    assert fold.catalog.column(STOCK).null_count() == len(fold.catalog)


def test_what_is_saved_is_loaded(tmp_path):
    fold = make_fold(log(ROWS), None, datetime(2024, 1, 4), min_item_users=1)
    fold.save(tmp_path)
    again = load_fold(tmp_path)
    assert again.cut == fold.cut == datetime(2024, 1, 4)
    assert again.future.equals(fold.future)
    assert (again.task(allow_repeats=True).wanted != fold.task(allow_repeats=True).wanted).nnz == 0


def test_a_cut_after_the_log_is_refused():
    with pytest.raises(SplitError):
        make_fold(log(ROWS), None, START.replace(year=2030))


def test_a_log_of_one_user_or_of_one_item_is_refused():
    one_user = log([(1, item, day) for day in range(9) for item in (10, 20)])
    with pytest.raises(SplitError, match="no item has 5 users before the cut"):
        make_fold(one_user, None, datetime(2024, 1, 4))
    one_item = log([(user, 10, day) for day in range(9) for user in range(9)])
    with pytest.raises(SplitError, match="only one item is left"):
        make_fold(one_item, None, datetime(2024, 1, 4))


def test_a_log_of_which_cleaning_left_nothing_is_refused():
    with pytest.raises(SplitError, match=r"no event is left to cut: the report of prepare\.clean"):
        fold_cuts(days(3).clear())


def test_a_log_with_nothing_between_two_cuts_is_refused():
    with pytest.raises(
        SplitError, match="nothing happens from 2024-01-04 12:00:00 to 2024-01-05 00:00:00, in a log of 6 "
    ):
        fold_cuts(days(6))
    gap = days(366).filter(~pl.col(TIME).is_between(datetime(2024, 11, 1), datetime(2024, 11, 30)))
    with pytest.raises(SplitError, match="give a longer one"):
        fold_cuts(gap)


def test_a_fold_that_nobody_wrote_names_the_notebook(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"fold_0 has no catalog\.parquet.*run notebooks/03_sequences_and_splits"
    ):
        load_fold(tmp_path / "fold_0")


def test_a_user_with_a_hundred_thousand_events_stands_beside_one_with_three():
    heavy = [(1, event % 50, event / 288) for event in range(100_000)]
    events, _ = clean(log([*heavy, (2, 1, 0), (2, 2, 1), (2, 3, 320)]))
    assert len(events) == 100_003
    fold = make_fold(events, None, datetime(2024, 10, 27), min_item_users=1)
    assert fold.histories.lengths.tolist() == [300 * 288, 2]
    assert fold.future[ITEM].to_list() == [300 * 288 % 50, 3]
    seen = visits(fold.histories)
    window = lay_out(fold.histories, seen, newest_window(seen, 64))
    assert window.is_visit.sum(1).tolist() == [64, 2]


# Leave-one-out

STEPS = [
    (1, 10, 0),
    (1, 20, 1),
    (1, 30, 2),
    (1, 40, 3),
    (2, 20, 0),
    (2, 10, 1),
    (2, 50, 2),
    (3, 10, 0),
    (3, 20, 1),
    (4, 10, 0),
]


def positions(rows=STEPS):
    return log(rows).with_columns(pl.Series(TIME, [step for _, _, step in rows]))


def raw(histories, catalog):
    """User -> raw item ids, oldest first."""
    return {
        user: catalog.ids(histories.items[slice(*histories.offsets[b : b + 2])])
        for b, user in enumerate(histories.users)
    }


def wanted(task):
    return [task.catalog.ids(row) for row in np.split(task.wanted.indices, task.wanted.indptr[1:-1])]


def test_the_last_item_is_the_test_the_one_before_it_the_validation_and_the_rest_is_training():
    held = leave_one_out_tasks(positions())
    assert raw(held.training, held.catalog) == {1: [10, 20], 2: [20], 3: [10], 4: [10]}
    assert raw(held.validation.histories, held.catalog) == {1: [10, 20], 2: [20]}
    assert wanted(held.validation) == [[30], [10]]
    assert raw(held.test.histories, held.catalog) == {1: [10, 20, 30], 2: [20, 10], 3: [10]}  # of 4 nothing is known
    assert wanted(held.test) == [[40], [50], [20]]
    assert not held.test.allow_repeats


def test_a_model_of_earlier_histories_is_as_old_at_the_validation_as_one_of_training_at_the_test():
    held = leave_one_out_tasks(positions())
    for model, task in ((held.earlier, held.validation), (held.training, held.test)):
        known = dict(zip(model.users, model.lengths, strict=True))
        asked = dict(zip(task.histories.users, task.histories.lengths, strict=True))
        assert max(asked.values()) > 1
        assert all(known.get(user, 0) == length - 1 for user, length in asked.items() if length > 1)


def test_every_item_of_the_log_is_ranked_but_nothing_else_of_held_out_events_is_known():
    priced = positions().with_columns(pl.Series(PRICE, [1.0, 2.0, 99.0, 99.0, 4.0, 99.0, 99.0, 3.0, 99.0, 5.0]))
    items = pl.DataFrame({ITEM: [10, 40, 60], STOCK: [1, 0, 1], "title": ["ten", "forty", "never sold"]})
    held = leave_one_out_tasks(priced, items)
    assert held.catalog.ids(range(6)) == [None, 10, 20, 30, 40, 50]
    assert held.catalog.column(PRICE).to_list() == [None, 3.0, 3.0, None, None, None]  # 99 was paid later
    assert held.catalog.column("title").to_list() == [None, "ten", None, None, "forty", None]
    assert held.catalog.column(STOCK).null_count() == 6
    assert set(held.training.items) == set(held.catalog.rows([10, 20]))


def test_steps_count_back_from_the_end_of_each_history_whether_or_not_there_is_a_clock():
    a_year_apart = log([(user, item, 365 * day) for user, item, day in STEPS])
    for events in (positions(), a_year_apart):
        held = leave_one_out_tasks(events.sample(len(events), shuffle=True, seed=1))
        assert held.training.ordinal
        assert held.training.ages.tolist() == [1, 0, 0, 0, 0]
        assert held.test.histories.ages.tolist() == [2, 1, 0, 1, 0, 0]


def test_what_happens_at_one_moment_stays_one_visit():
    held = leave_one_out_tasks(log([(1, 10, 0), (1, 20, 0), (1, 30, 5), (1, 40, 6), (1, 50, 7)]))
    assert np.diff(visits(held.training).starts).tolist() == [2, 1]


def test_a_log_in_which_nobody_has_three_events_cannot_be_judged_leave_one_out():
    with pytest.raises(SplitError, match="nothing to judge"):
        leave_one_out_tasks(positions([(1, 10, 0), (1, 20, 1), (2, 10, 0)]))


def test_with_repeats_what_was_had_may_be_wanted_again():
    again = positions([(1, 10, 0), (1, 20, 1), (1, 30, 2), (1, 10, 3), (2, 10, 0), (2, 20, 1), (2, 30, 2)])
    assert wanted(leave_one_out_tasks(again, allow_repeats=True).test) == [[10], [30]]
    assert wanted(leave_one_out_tasks(again).test) == [[30]]


def test_a_split_that_leaks_is_refused_in_both_questions(monkeypatch):
    asked = []

    def leak_in(question):
        def split(events):
            asked.append(leave_one_out(events))
            if len(asked) == question:
                first = asked[-1].past.head(1)
                return Split(asked[-1].past, first, "leave_one_out")  # what is known already, before user 1's last
            return asked[-1]

        return split

    for question in (1, 2):
        asked.clear()
        monkeypatch.setattr("recolab.folds.leave_one_out", leak_in(question))
        with pytest.raises(LeakError, match="not later than the past of their user; the first: user 1"):
            leave_one_out_tasks(positions())
        assert len(asked) == 2
