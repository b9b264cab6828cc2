from datetime import datetime

import polars as pl
import pytest

from recolab.folds import fold_cuts, load_fold, make_fold
from recolab.schema import ITEM, PRICE, STOCK, TIME
from recolab.split import SplitError
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
