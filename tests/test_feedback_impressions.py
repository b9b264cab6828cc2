"""Every list is told once, whatever kills the writer; every reaction finds its impression, and events come back as they were."""

from __future__ import annotations

import multiprocessing
import os
import random
import time
from contextlib import suppress
from datetime import datetime, timedelta

import polars as pl
import pytest

from recolab.feedback import (
    ImpressionLog,
    Shown,
    event_record,
    impressions,
    join_reactions,
    read_events,
    read_impressions,
)
from recolab.journal import Journal
from recolab.schema import (
    CLICK,
    EVENT_WEIGHT,
    ITEM,
    KIND,
    LIST,
    MODEL,
    POLICY,
    POSITION,
    PROPENSITY,
    PURCHASE,
    RATING,
    REVIEW,
    SCORE,
    TEXT,
    TIME,
    USER,
    VALUE,
    VIEW,
)

NOON = datetime(2026, 3, 1, 12)


def shown(user, *items, at=NOON, propensities=None):
    chances = propensities or [0.5] * len(items)
    return Shown(
        user, at, items, [float(len(items) - n) for n in range(len(items))], chances, "best", ["1"] * len(items)
    )


def test_a_list_is_read_as_it_was_shown(tmp_path):
    with ImpressionLog(tmp_path) as log:
        first = log.write(shown(7, 3, 5, propensities=[0.9, 0.25]))
        second = log.write(shown(None, 4, at=NOON + timedelta(hours=1), propensities=[None]))
        before = read_impressions(tmp_path)
    wanted = pl.DataFrame(
        {
            LIST: [first, first, second],
            USER: [7, 7, None],
            TIME: [NOON, NOON, NOON + timedelta(hours=1)],
            POSITION: [1, 2, 1],
            ITEM: [3, 5, 4],
            SCORE: [2.0, 1.0, 1.0],
            PROPENSITY: [0.9, 0.25, None],
            POLICY: ["best"] * 3,
            MODEL: ["1"] * 3,
        }
    )
    assert before.equals(wanted)
    assert read_impressions(tmp_path).equals(wanted)  # packed meanwhile
    assert before.schema == wanted.schema


def test_parts_are_packed_while_lists_are_written_and_ids_go_on(tmp_path):
    for round_ in range(3):
        with ImpressionLog(tmp_path, part=4) as log:
            numbers = [log.write(shown(user, 1, 2)) for user in range(10)]
            assert read_impressions(tmp_path)[USER].to_list()[-20:] == [user for user in range(10) for _ in (0, 1)]
        found = read_impressions(tmp_path)
        assert found[LIST].n_unique() == 10 * (round_ + 1) == len(found) / 2
        assert found[LIST].is_sorted()
        assert found[LIST][-1] == numbers[-1]
    assert not list(tmp_path.glob("*.log"))


def test_a_guest_with_a_name_makes_all_ids_text(tmp_path):
    with ImpressionLog(tmp_path, part=1) as log:
        for user in (7, "guest", None):
            log.write(shown(user, 3))
    assert read_impressions(tmp_path)[USER].to_list() == ["7", "guest", None]
    assert read_impressions(tmp_path)[ITEM].to_list() == [3, 3, 3]


def test_a_part_that_was_packed_but_not_let_go_is_told_once(tmp_path):
    log = ImpressionLog(tmp_path)
    log.write(shown(1, 2))
    log._journal.close()
    [lines] = tmp_path.glob("*.log")
    kept = lines.read_bytes()
    impressions.pack(lines)
    lines.write_bytes(kept)  # killed between the two steps
    os.close(log._held)
    assert len(read_impressions(tmp_path)) == 1
    with ImpressionLog(tmp_path):
        pass
    assert len(read_impressions(tmp_path)) == 1


def test_one_writer_at_a_time_and_a_part_is_a_number_of_lists(tmp_path):
    with ImpressionLog(tmp_path), pytest.raises(BlockingIOError, match="another process writes here"):
        ImpressionLog(tmp_path)
    ImpressionLog(tmp_path).close()
    with pytest.raises(ValueError, match="part = 0"):
        ImpressionLog(tmp_path, part=0)
    with pytest.raises(FileNotFoundError, match="no impression log"):
        read_impressions(tmp_path / "no such")


def write_on(folder, start, answers):
    """Write lists, and say of each that it was written, until killed."""
    log = ImpressionLog(folder, part=40)
    for number in range(start, 10**9):
        log.write(shown(number, 1, 2, 3))
        answers.send_bytes(b"%d" % number)


def test_killed_at_fifty_moments_every_list_that_was_answered_is_told_once(tmp_path):
    """Each kill lands somewhere in writing, in packing or between parts: a part is forty lists, a run some hundreds."""
    processes, rng, answered = multiprocessing.get_context("forkserver"), random.Random(7), []
    processes.set_forkserver_preload([__name__])  # so that a writer begins at once
    for _ in range(50):
        heard, answers = processes.Pipe(duplex=False)
        start = len(answered) and answered[-1] + 1000
        writer = processes.Process(target=write_on, args=(tmp_path, start, answers))
        writer.start()
        answers.close()
        first = int(heard.recv_bytes())  # it has begun
        time.sleep(rng.uniform(0, 0.05))
        writer.kill()
        answered.append(first)
        with suppress(EOFError, ConnectionResetError):
            while True:
                answered.append(int(heard.recv_bytes()))
        writer.join()
    users = read_impressions(tmp_path)[USER].to_list()
    assert len(users) == 3 * len(set(users))  # nothing twice
    assert set(answered) <= set(users)
    assert len(set(users)) <= len(answered) + 50  # a kill takes one answer at most


def reactions(*rows):
    return pl.DataFrame(rows, [USER, ITEM, KIND, TIME], orient="row").with_columns(pl.lit(1.0).alias(VALUE))


def logged(tmp_path, *lists):
    with ImpressionLog(tmp_path) as log:
        for one in lists:
            log.write(one)
    return read_impressions(tmp_path)


def hours(n):
    return NOON + timedelta(hours=n)


def test_each_reaction_finds_the_newest_impression_before_it(tmp_path):
    lists = logged(tmp_path, shown(1, 10, 11), shown(1, 11, 10, at=hours(2)), shown(2, 10), shown(None, 12))
    events = reactions(
        (1, 10, VIEW, hours(1)),  # the first list, place 1
        (1, 10, PURCHASE, hours(3)),  # the second, place 2
        (1, 10, PURCHASE, hours(4)),  # the same again
        (1, 11, VIEW, hours(27)),  # a day and an hour after the second
        (1, 12, VIEW, hours(3)),  # shown to a stranger only
        (2, 10, VIEW, hours(-1)),  # before it was shown
        (2, 10, VIEW, hours(24)),  # just in time
    )
    joined = join_reactions(lists, events)
    counts = {fate: joined.count(fate) for fate in ("answer", "doubled", "late", "orphan")}
    assert counts == {"answer": 3, "doubled": 1, "late": 1, "orphan": 2}
    weights = [EVENT_WEIGHT[VIEW], 0, 0, EVENT_WEIGHT[PURCHASE], EVENT_WEIGHT[VIEW], 0]
    assert joined.impressions[VALUE].to_list() == weights
    assert joined.impressions[CLICK].to_list() == [weight > 0 for weight in weights]
    assert joined.impressions.drop(VALUE, CLICK, RATING, TEXT).equals(lists)
    wider = join_reactions(lists, events, timedelta(hours=25))
    assert (wider.count("late"), wider.count("answer")) == (0, 4)


def test_ratings_and_words_come_with_their_impression(tmp_path):
    lists = logged(tmp_path, shown(1, 10, 11))
    review = reactions((1, 11, REVIEW, hours(1))).with_columns(pl.lit(4.0).alias(RATING), pl.lit("schön").alias(TEXT))
    found = join_reactions(lists, review).impressions
    assert found[RATING].to_list() == [None, 4.0]
    assert found[TEXT].to_list() == [None, "schön"]


def test_events_come_back_from_a_journal_unchanged_and_in_order(tmp_path):
    events = pl.DataFrame(
        {
            USER: [1, 2, 1],
            ITEM: ["a", "b", "ä c"],
            TIME: [hours(0), hours(1), hours(2)],
            KIND: [VIEW, PURCHASE, REVIEW],
            VALUE: [1.0, 3.0, 2.5],
            RATING: [None, None, 2.5],
            TEXT: [None, None, "不好"],
        },
        schema_overrides={TIME: pl.Datetime("us")},
    )
    with Journal(tmp_path / "events.log") as journal:
        for user, item, at, kind, value, rating, text in reversed(events.rows()):
            journal.append(event_record(user, item, kind, at, value, rating, text))
            journal.append({"item": item, "price": 1.0, "stock": None})  # no event
    assert read_events(tmp_path / "events.log").equals(events)


def test_a_guest_s_events_find_the_impressions_of_a_shop_of_numbers(tmp_path):
    lists = logged(tmp_path, shown(1, 10), shown("guest", 10))
    joined = join_reactions(lists, reactions(("guest", 10, VIEW, hours(1))))
    assert joined.impressions[CLICK].to_list() == [False, True]


def test_a_second_review_is_counted_double_and_its_stars_are_the_last(tmp_path):
    lists = logged(tmp_path, shown(1, 10))
    two = reactions((1, 10, REVIEW, hours(1)), (1, 10, REVIEW, hours(2))).with_columns(pl.Series(RATING, [1.0, 5.0]))
    joined = join_reactions(lists, two)
    assert (joined.count("doubled"), joined.impressions[RATING].to_list()) == (1, [5.0])


def test_what_happens_with_an_impression_does_not_answer_it(tmp_path):
    lists = logged(tmp_path, shown(1, 10), shown(1, 10, at=hours(1)))
    assert join_reactions(lists, reactions((1, 10, VIEW, hours(1)))).impressions[CLICK].to_list() == [True, False]


def test_a_part_that_could_not_be_packed_is_packed_later(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise OSError("no space left on device")

    log = ImpressionLog(tmp_path, part=2)
    monkeypatch.setattr(impressions.subprocess, "run", fails)
    for user in range(7):
        log.write(shown(user, 1))
    monkeypatch.undo()
    log.close()
    assert read_impressions(tmp_path)[USER].to_list() == list(range(7))
    assert not list(tmp_path.glob("*.log"))
