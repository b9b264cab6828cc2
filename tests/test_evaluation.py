import numpy as np
import polars as pl
import pytest
from scipy import sparse

from recolab.evaluation import Task, compare, judge, leaderboard, make_task, recommend, slices, validation_score
from recolab.histories import build_catalog, pack
from recolab.models.popularity import PersonalFrequency, Popularity
from tests.worlds import log

PAST = log([(1, 10, 0), (1, 10, 1), (1, 20, 2), (2, 30, 0), (3, 10, 0)])
FUTURE = log([(1, 10, 5), (1, 30, 5), (2, 30, 5), (9, 10, 5), (3, 99, 5)])
CATALOG = build_catalog(PAST)  # 10, 20, 30 are rows 1, 2, 3
HISTORIES = pack(PAST, CATALOG)


def test_with_repeats_everything_of_the_next_visit_is_wanted():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True)
    assert task.histories.users == [1, 2]  # 9 has no past, what 3 will buy is not in the catalog
    assert task.wanted.toarray().tolist() == [[0, 1, 0, 1], [0, 0, 0, 1]]


def test_without_repeats_only_what_is_new_is_wanted_and_the_past_is_masked():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=False)
    assert task.histories.users == [1]
    assert task.wanted.toarray().tolist() == [[0, 0, 0, 1]]
    masked = task.mask(np.ones((1, 4), np.float32), np.array([0]))
    assert masked.tolist() == [[-np.inf, -np.inf, -np.inf, 1]]


def test_a_task_that_asks_nobody_is_an_error():
    with pytest.raises(ValueError, match="nobody can be asked: 3 histories, 1 users with a future"):
        make_task(HISTORIES, log([(9, 10, 5)]), CATALOG, allow_repeats=True)


def test_models_are_judged_by_the_same_numbers_as_by_hand():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True)
    judged = judge([PersonalFrequency().fit(HISTORIES, CATALOG)], task, k=1)
    assert judged["hr@1"].to_list() == [1.0, 1.0]
    assert judged["recall@1"].to_list() == [1.0, 1.0]  # of min(1, basket)
    assert validation_score(PersonalFrequency().fit(HISTORIES, CATALOG), task, "hr@10") == 1.0


def test_the_leaderboard_is_sorted_and_every_mean_lies_in_its_interval():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True)
    models = [m.fit(HISTORIES, CATALOG) for m in (Popularity(), PersonalFrequency())]
    board = leaderboard(judge(models, task), np.random.default_rng(0))
    assert board["ndcg@10"].is_sorted(descending=True)
    assert (board["ndcg@10_low"] <= board["ndcg@10"]).all()
    assert (board["ndcg@10"] <= board["ndcg@10_high"]).all()


def judged_of(a, b):
    return pl.concat(
        [
            pl.DataFrame({"model": [name] * len(values), "user": range(len(values)), "ndcg@10": values})
            for name, values in (("a", a), ("b", b))
        ]
    )


def test_the_paired_lift_by_hand_and_its_certainty():
    sure = compare(judged_of([0.2, 0.4, 0.6], [0.1, 0.2, 0.3]), "a", "b", np.random.default_rng(0))
    assert sure["lift"] == pytest.approx(100)
    assert sure["low"] == pytest.approx(100)  # twice as good on everyone: no resample says otherwise
    unsure = compare(judged_of([1.0, 0.0] * 20, [0.0, 1.0] * 20), "a", "b", np.random.default_rng(0))
    assert unsure["low"] < 0 < unsure["high"]


def test_a_model_that_was_not_judged_is_named():
    with pytest.raises(ValueError, match="'c' was not judged; there are \\['a', 'b'\\]"):
        compare(judged_of([1.0], [1.0]), "c", "a", np.random.default_rng(0))


def test_recommendations_are_raw_ids_best_first():
    assert recommend(PersonalFrequency().fit(HISTORIES, CATALOG), HISTORIES, CATALOG, k=2)[0] == [10, 20]


def test_batches_cover_everybody_and_a_sample_asks_fewer():
    assert np.concatenate(slices(600)).tolist() == list(range(600))
    wanted = sparse.csr_matrix(np.ones((3, 4), np.float32))
    task = Task("t", HISTORIES, wanted, CATALOG, True).sample(2, np.random.default_rng(0))
    assert (len(task), task.wanted.shape[0]) == (2, 2)
