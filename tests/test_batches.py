"""recolab.histories.batches: visits are emptied, blanks added and ages told, worked by hand on two small histories."""

import numpy as np
import pytest

from recolab.histories import (
    append_blank,
    build_catalog,
    has_next,
    hide,
    lay_out,
    newest_window,
    next_visits,
    pack,
    visits,
)
from tests.worlds import log

# Ann: the basket {1, 3} on day 0, then 2 on day 2, then 1 on day 5; Cid: 3 on day 1, then the basket {2, 1} on day 3.
SMALL = [("ann", 1, 0), ("ann", 3, 0), ("ann", 2, 2), ("ann", 1, 5), ("cid", 3, 1), ("cid", 2, 3), ("cid", 1, 3)]


@pytest.fixture
def window():
    return laid_out(SMALL)


def laid_out(rows):
    events = log(rows)
    histories = pack(events, build_catalog(events))
    visited = visits(histories)
    return lay_out(histories, visited, newest_window(visited, 9))


def test_a_rectangle_knows_the_size_and_the_age_of_every_visit(window):
    assert window.sizes.tolist() == [2, 1, 1, 1, 2]
    assert window.is_visit.tolist() == [[True, True, True], [False, True, True]]
    assert window.ages.tolist() == [
        [5, 3, 0],
        [0, 4, 2],
    ]  # days before Ann's newest, which is the log's; 0 where padded
    assert window.ages.dtype == np.float32


def test_the_ages_of_positions_are_steps():
    events = log([("a", 1, 0), ("a", 2, 1), ("a", 1, 2)])
    events = events.with_columns(timestamp=np.array([4, 6, 9]))
    histories = pack(events, build_catalog(events))
    visited = visits(histories)
    assert lay_out(histories, visited, newest_window(visited, 2)).ages.tolist() == [[3, 0]]


def test_hidden_visits_are_emptied_and_asked_for(window):
    emptied, owners, targets = hide(window, np.array([True, False, False, False, True]))
    assert owners.tolist() == [0, 0, 4, 4]
    assert targets.tolist() == [1, 3, 2, 1]
    assert emptied.items.tolist() == [2, 1, 3]
    assert emptied.starts.tolist() == [0, 0, 1, 2, 3]
    assert emptied.sizes.tolist() == [0, 1, 1, 1, 0]
    for name in ("cells", "is_visit", "ages"):  # that there was a visit, and when, is no secret
        assert getattr(emptied, name) is getattr(window, name)
    assert window.items.tolist() == [1, 3, 2, 1, 3, 2, 1]  # the window itself is as it was


def test_all_visits_may_be_hidden_and_none(window):
    emptied, owners, targets = hide(window, np.ones(5, bool))
    assert (emptied.items.tolist(), emptied.starts.tolist()) == ([], [0] * 5)
    assert (owners.tolist(), targets.tolist()) == ([0, 0, 1, 2, 3, 4, 4], window.items.tolist())
    same, owners, targets = hide(window, np.zeros(5, bool))
    assert (same.items.tolist(), same.starts.tolist()) == (window.items.tolist(), window.starts.tolist())
    assert (len(owners), len(targets)) == (0, 0)


def test_a_blank_visit_of_now_stands_after_the_newest_of_every_history(window):
    asked = append_blank(window)
    assert asked.items.tolist() == window.items.tolist()
    assert asked.is_visit.tolist() == [[True, True, True, True], [False, True, True, True]]
    assert asked.ages.tolist() == [[5, 3, 0, 0], [0, 4, 2, 0]]
    assert asked.cells.tolist() == [0, 1, 2, 5, 6, 3, 7]  # the blanks come last, in the last column
    assert asked.starts.tolist() == [0, 2, 3, 4, 5, 7, 7]
    assert asked.sizes.tolist() == [2, 1, 1, 1, 2, 0, 0]


def test_only_visits_that_are_asked_answer_for_the_next():
    events = log(SMALL)
    histories = pack(events, build_catalog(events))
    visited = visits(histories)
    windows = newest_window(visited, 9)
    assert has_next(visited).tolist() == [True, True, False, True, False]
    owners, targets = next_visits(histories, visited, windows)
    assert (owners.tolist(), targets.tolist()) == ([0, 1, 3, 3], [2, 1, 2, 1])
    asks = np.array([False, True, False, True, False])
    owners, targets = next_visits(histories, visited, windows, asks)
    assert (owners.tolist(), targets.tolist()) == ([1, 3, 3], [1, 2, 1])


def test_a_history_of_nothing_has_no_next_visit_and_takes_nobody_else_s():
    events = log(SMALL)
    histories = pack(events, build_catalog(events))
    kept = np.array([name == "cid" for name in histories.users])[histories.owners]
    assert has_next(visits(histories.where(kept))).tolist() == [True, False]
    assert has_next(visits(histories.where(~kept))).tolist() == [True, True, False]
