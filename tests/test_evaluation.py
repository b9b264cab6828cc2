import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from scipy import sparse

from recolab.evaluation import Task, compare, judge, leaderboard, make_task, recommend, slices, validation_score
from recolab.histories import build_catalog, pack
from recolab.models.popularity import PersonalFrequency, Popularity
from tests.worlds import log

PAST = log([(1, 10, 0), (1, 10, 1), (1, 20, 2), (2, 30, 0), (3, 10, 0)])
FUTURE = log([(0, 20, 5), (1, 10, 5), (1, 30, 5), (2, 30, 5), (9, 10, 5), (3, 99, 5)])
CATALOG = build_catalog(PAST)  # 10, 20, 30 are rows 1, 2, 3
HISTORIES = pack(PAST, CATALOG)


def test_with_repeats_everything_of_the_next_visit_is_wanted():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True)
    assert task.histories.users == [1, 2]  # 0 and 9 have no past, what 3 will buy is not in the catalog
    assert task.wanted.toarray().tolist() == [[0, 1, 0, 1], [0, 0, 0, 1]]


def test_a_task_of_nobody_judges_nothing():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True).sample(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="asks nobody"):
        validation_score(Popularity().fit(HISTORIES, CATALOG), task)


def test_without_repeats_only_what_is_new_is_wanted_and_the_past_is_masked():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=False)
    assert task.histories.users == [1]
    assert task.wanted.toarray().tolist() == [[0, 0, 0, 1]]
    masked = task.mask(np.ones((1, 4), np.float32), np.array([0]))
    assert masked.tolist() == [[-np.inf, -np.inf, -np.inf, 1]]


def test_a_task_that_asks_nobody_is_an_error():
    with pytest.raises(ValueError, match="nobody can be asked: 3 histories, 1 users with a future"):
        make_task(HISTORIES, log([(9, 10, 5)]), CATALOG, allow_repeats=True)


def test_whoever_had_only_things_the_catalog_does_not_know_is_not_asked():
    past = pack(pl.concat([PAST, log([(5, 77, 0)])]), CATALOG)
    task = make_task(past, log([(1, 10, 5), (5, 10, 5)]), CATALOG, allow_repeats=True)
    assert (past.users, task.histories.users) == ([1, 2, 3, 5], [1])


def test_batches_change_nothing(monkeypatch):
    future = log([(user, 30, 5) for user in (1, 2, 3)])
    task = make_task(HISTORIES, future, CATALOG, allow_repeats=False)
    model = PersonalFrequency().fit(HISTORIES, CATALOG)
    judged, lists = judge([model], task), recommend(model, HISTORIES, CATALOG)
    monkeypatch.setattr("recolab.evaluation.AT_ONCE", 1)
    assert judge([model], task).equals(judged)
    assert recommend(model, HISTORIES, CATALOG) == lists


class Counting(PersonalFrequency):
    """Says how many are asked at once."""

    def score(self, histories):
        self.asked.append(len(histories))
        return super().score(histories)


def test_a_larger_catalog_is_scored_for_fewer_histories_at_once(monkeypatch):
    monkeypatch.setattr("recolab.evaluation.SCORES_AT_ONCE", len(CATALOG))
    monkeypatch.setattr("recolab.evaluation.LEAST_AT_ONCE", 1)
    model, task = Counting().fit(HISTORIES, CATALOG), make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True)
    for ask, n in ((lambda: judge([model], task), len(task)), (lambda: recommend(model, HISTORIES, CATALOG), 3)):
        model.asked = []
        ask()
        assert model.asked == [1] * n


class Broken:
    """Says that it does not know."""

    name = "Broken"

    def score(self, histories):
        return np.array([[-np.inf, 1, np.nan, 0]] * len(histories), np.float32)


def test_a_score_that_is_not_a_number_is_an_error_and_never_a_place():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True)
    for ask in (lambda: judge([Broken()], task), lambda: recommend(Broken(), HISTORIES, CATALOG, k=1)):
        with pytest.raises(FloatingPointError, match="histories have a score that is not a number"):
            ask()


def test_two_models_of_one_name_are_refused():
    task = make_task(HISTORIES, FUTURE, CATALOG, allow_repeats=True)
    models = [Popularity().fit(HISTORIES, CATALOG), Popularity(last_days=1).fit(HISTORIES, CATALOG)]
    with pytest.raises(ValueError, match="two models are called 'Popularity'"):
        judge(models, task)


def test_a_task_in_which_nobody_buys_what_the_catalog_has_or_anything_new_says_so():
    with pytest.raises(ValueError, match="none of 1 users foresees an item of 3 in the catalog; give a log"):
        make_task(HISTORIES, log([(1, 99, 5)]), CATALOG, allow_repeats=True)
    with pytest.raises(ValueError, match="of 3 in the catalog that they did not have before; give a log"):
        make_task(HISTORIES, log([(1, 10, 5)]), CATALOG, allow_repeats=False)


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
    assert sure["better"] == 1
    assert sure["low"] == pytest.approx(100)  # twice as good on everyone: no resample says otherwise
    unsure = compare(judged_of([1.0, 0.0] * 20, [0.0, 1.0] * 20), "a", "b", np.random.default_rng(0))
    assert unsure["low"] < 0 < unsure["high"]


def test_a_user_with_several_rows_is_drawn_with_all_of_them():
    # User 1 alone: .6 against .2; user 2 alone: .1 against .2; both: .7 against .4.
    a = pl.DataFrame({"model": "a", "user": [1, 2, 1], "ndcg@10": [0.2, 0.1, 0.4]})
    b = pl.DataFrame({"model": "b", "user": [2, 1, 1], "ndcg@10": [0.2, 0.1, 0.1]})
    said = compare(pl.concat([a, b]), "a", "b", np.random.default_rng(0))
    assert (said["lift"], said["low"], said["high"]) == pytest.approx((75, -50, 200))
    assert said["better"] == pytest.approx(0.75, abs=0.05)
    for other in (b.head(2), b.with_columns(user=pl.Series([2, 1, 3])), pl.concat([b, b])):
        with pytest.raises(ValueError, match="'a' and 'b' were not judged as often on the same users"):
            compare(pl.concat([a, other]), "a", "b", np.random.default_rng(0))


def test_the_interval_of_a_lift_is_that_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(1.1, 0.2, 2000)
    said = compare(judged_of(values, np.ones(2000)), "a", "b", np.random.default_rng(1))
    half = 100 * 1.96 * values.std() / 2000**0.5
    assert said["low"] == pytest.approx(said["lift"] - half, abs=half / 10)
    assert said["high"] == pytest.approx(said["lift"] + half, abs=half / 10)


def test_a_user_of_several_cuts_is_one_user_to_the_interval():
    once = judged_of(np.random.default_rng(0).random(30), np.ones(30)).with_columns(pl.lit(0.0).alias("hr@10"))
    metrics = ["ndcg@10", "hr@10"]
    one, four = (leaderboard(pl.concat([once] * n), np.random.default_rng(1), metrics) for n in (1, 4))
    assert_frame_equal(one, four)  # said four times it is no surer
    uneven = pl.concat([once, once.filter(pl.col("user") == 0)])
    row = leaderboard(uneven, np.random.default_rng(1), metrics).filter(model="a")
    assert row["users"].item() == 30
    assert row["ndcg@10"].item() == pytest.approx(uneven.filter(model="a")["ndcg@10"].mean())


def test_a_model_that_was_not_judged_is_named():
    with pytest.raises(ValueError, match="'c' was not judged; there are \\['a', 'b'\\]"):
        compare(judged_of([1.0], [1.0]), "c", "a", np.random.default_rng(0))


def test_recommendations_are_raw_ids_best_first():
    assert recommend(PersonalFrequency().fit(HISTORIES, CATALOG), HISTORIES, CATALOG, k=2)[0] == [10, 20]


def test_batches_cover_everybody_and_a_sample_asks_fewer():
    for n_items, at_once in ((10, 1024), (12_102, 693), (10**6, 64)):
        batches = slices(2600, n_items)
        assert np.concatenate(batches).tolist() == list(range(2600))
        assert {len(batch) for batch in batches[:-1]} == {at_once}
    wanted = sparse.csr_matrix(np.eye(4, dtype=np.float32)[1:])  # user 1 wants row 1, and so on
    for seed in range(5):
        task = Task("t", HISTORIES, wanted, CATALOG, True).sample(2, np.random.default_rng(seed))
        assert (len(task), task.wanted.shape[0]) == (2, 2)
        assert task.wanted.indices.tolist() == task.histories.users
