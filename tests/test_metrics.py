"""recolab.metrics: fractions worked by hand, scikit-learn's ndcg_score, and a slow reference that cannot be misread."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse
from sklearn.metrics import ndcg_score

from recolab import metrics
from recolab.metrics import (
    bootstrap_interval,
    bootstrap_intervals,
    coverage,
    entropy_bits,
    gini,
    hits_table,
    novelty,
    overlap,
    ranks_within,
    resampled_means,
    top_k,
)

LOG3 = math.log2(3)


def wanted_from(*rows, n):
    """A wanted table: one list of rows per history."""
    owners = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    columns = np.array([c for row in rows for c in row], int)
    return sparse.csr_matrix((np.ones(len(columns), np.float32), (owners, columns)), (len(rows), n))


def test_the_best_come_first_and_ties_go_by_row():
    scores = np.array([[-np.inf, 3, 1, 3, 2], [-np.inf, 0, 0, 0, 0]], np.float32)
    assert top_k(scores, 3).tolist() == [[1, 3, 4], [1, 2, 3]]
    assert top_k(scores, 9).tolist() == [[1, 3, 4, 2, 0], [1, 2, 3, 4, 0]]


def test_ties_within_the_list_and_at_its_end_go_by_row():
    assert top_k(np.array([[-np.inf, 5, 1, 1, 1]], np.float32), 2).tolist() == [[1, 2]]
    scores = np.random.default_rng(0).integers(0, 40, (30, 300)).astype(np.float32)
    np.testing.assert_array_equal(top_k(scores, 20), np.argsort(-scores, axis=1, kind="stable")[:, :20])


def test_one_list_of_three_by_hand():
    # Ranks: item 1 first, item 2 third, item 4 fifth (outside), item 3 not wanted.
    scores = np.array([[-np.inf, 9, 6, 8, 1, 5]], np.float32)
    table = hits_table(scores, wanted_from([1, 2, 4], n=6), k=3)
    assert table["hr@3"].tolist() == [1]
    assert table["recall@3"] == pytest.approx([2 / 3])
    assert table["ndcg@3"] == pytest.approx([(1 + 1 / 2) / (1 + 1 / LOG3 + 1 / 2)])
    assert table["mrr@3"].tolist() == [1]


def test_a_list_shorter_than_the_basket_can_still_be_perfect():
    table = hits_table(np.array([[-np.inf, 4, 3, 2, 1]], np.float32), wanted_from([1, 2, 3, 4], n=5), k=2)
    assert {name: values.tolist() for name, values in table.items()} == {
        "hr@2": [1],
        "recall@2": [1],
        "ndcg@2": [1],
        "mrr@2": [1],
    }


def test_a_miss_is_zero_everywhere():
    scores = np.array([[-np.inf, 4, 3, 2, 1], [-np.inf, 1, 2, 3, 4]], np.float32)
    table = hits_table(scores, wanted_from([4], [4], n=5), k=2)
    assert {name: values.tolist() for name, values in table.items()} == {name: [0, 1] for name in table}


def test_equal_scores_share_their_mean_rank():
    scores = np.array([[-np.inf, 5, 2, 2, 2, 1]], np.float32)
    assert ranks_within(scores, wanted_from([1, 2, 4, 5], n=6), k=5).tolist() == [1, 3, 3, 5]
    table = hits_table(scores, wanted_from([3], n=6), k=3)
    assert table["ndcg@3"] == pytest.approx([1 / 2])
    assert table["mrr@3"] == pytest.approx([1 / 3])
    assert ranks_within(scores, wanted_from([3], n=6), k=2).tolist() == [np.inf]


@pytest.mark.parametrize("k", [1, 3, 10, 99])
def test_ranks_are_the_same_whether_all_are_counted_or_only_those_in_reach(monkeypatch, k):
    rng = np.random.default_rng(k)
    scores = rng.integers(0, 12, (20, 40)).astype(np.float32)  # full of ties
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    wanted = wanted_from(*(rng.choice(40, 5, replace=False) for _ in range(20)), n=40)
    ranks = []
    for few in (0, 99):
        monkeypatch.setattr("recolab.metrics._FEW_WANTED", few)
        ranks.append(ranks_within(scores, wanted, k))
        with pytest.raises(FloatingPointError, match="1 of 20 histories have a score that is not a number"):
            ranks_within(np.where(np.arange(20)[:, None] == 7, np.float32(np.nan), scores), wanted, k)
    np.testing.assert_array_equal(*ranks)
    assert np.isfinite(ranks[0]).any()


def test_what_is_barred_is_never_hit():
    scores = np.array([[-np.inf, -np.inf, 1, -np.inf]], np.float32)
    assert ranks_within(scores, wanted_from([1, 2, 3], n=4), k=4).tolist() == [np.inf, 1, np.inf]


@pytest.mark.parametrize("n_items", [20, 101])
def test_constant_scores_win_no_more_than_chance(n_items):
    scores = np.zeros((1, n_items + 1), np.float32)
    scores[:, 0] = -np.inf
    for name, values in hits_table(scores, wanted_from([n_items // 2], n=n_items + 1), k=10).items():
        chance = 10 / n_items if name[:2] in {"hr", "re"} else 10 / n_items / 2
        assert values[0] <= chance, name


@pytest.mark.parametrize("k", [1, 5, 10, 40])
def test_ndcg_agrees_with_scikit_learn_where_nothing_is_tied(k):
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(40, dtype=np.float32), (30, 1)), axis=1)
    wanted = (rng.random((30, 40)) < 0.15).astype(np.float32)
    wanted[np.arange(30), rng.integers(0, 40, 30)] = 1
    ours = hits_table(scores, sparse.csr_matrix(wanted), k)[f"ndcg@{k}"]
    theirs = [ndcg_score(wanted[b : b + 1], scores[b : b + 1], k=k) for b in range(30)]
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def slowly(scores, wanted, k):
    """The four measures of one history, one comparison at a time."""
    ranks = []
    for item in wanted:
        better = sum(other > scores[item] for other in scores)
        equal = sum(other == scores[item] for other in scores)
        rank = better + (1 + equal) / 2
        if math.isfinite(scores[item]) and rank <= k:
            ranks.append(rank)
    reachable = min(k, len(wanted))
    return {
        f"hr@{k}": float(len(ranks) > 0),
        f"recall@{k}": len(ranks) / reachable,
        f"ndcg@{k}": sum(1 / math.log2(1 + r) for r in ranks)
        / sum(1 / math.log2(1 + r) for r in range(1, reachable + 1)),
        f"mrr@{k}": 1 / min(ranks) if ranks else 0.0,
    }


@given(
    scores=hnp.arrays(
        np.float32, st.tuples(st.integers(1, 4), st.integers(2, 9)), elements=st.sampled_from([0, 1, 2, 3])
    ),
    k=st.integers(1, 12),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_all_measures_agree_with_a_slow_reference_ties_included(scores, k, data):
    scores[:, 0] = -np.inf
    some = st.lists(st.integers(1, scores.shape[1] - 1), min_size=1, unique=True)
    wanted = [sorted(data.draw(some)) for _ in scores]
    table = hits_table(scores, wanted_from(*wanted, n=scores.shape[1]), k)
    for b, items in enumerate(wanted):
        assert {name: values[b] for name, values in table.items()} == pytest.approx(slowly(scores[b], items, k))


def test_coverage_is_the_share_of_items_ever_shown():
    assert coverage(np.array([[1, 2], [2, 3]]), n_items=12) == pytest.approx(3 / 12)


def test_novelty_is_the_mean_surprise_in_bits():
    # Shares 1/2, 1/4, 1/4: surprises of 1, 2 and 2 bits.
    popularity = np.array([0, 4, 2, 2], np.float32)
    assert novelty(np.array([[1, 2], [3, 1]]), popularity) == pytest.approx((1 + 2 + 2 + 1) / 4)


def test_exposure_is_equal_or_all_in_one_hand_or_between():
    assert gini(np.array([3, 3, 3, 3])) == 0
    assert gini(np.array([0, 0, 8, 0])) == pytest.approx(3 / 4)
    # Mean difference of all ordered pairs of 1, 2, 5, over twice the mean: (2 · (1 + 4 + 3) / 9) / (2 · 8 / 3).
    assert gini(np.array([5, 1, 2])) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="nothing was shown"):
        gini(np.zeros(4, np.int64))


def test_entropy_is_counted_in_bits_for_each_row():
    np.testing.assert_allclose(entropy_bits(np.array([[4, 0, 0], [2, 2, 0], [2, 1, 1]])), [0, 1, 1.5])
    np.testing.assert_allclose(entropy_bits(np.array([[0.5, 0.25, 0.25]])), [1.5])


def test_overlap_is_the_mean_jaccard_index_of_all_pairs():
    shown = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 0, 0]], bool)
    assert overlap(shown) == pytest.approx((1 / 3 + 1 + 1 / 3) / 3)
    assert math.isnan(overlap(shown[:1]))


def test_a_bootstrap_interval_is_that_of_the_normal_approximation():
    values = np.random.default_rng(0).normal(0.3, 0.2, 4000)
    low, high = bootstrap_interval(values, np.random.default_rng(1))
    half = 1.96 * values.std() / math.sqrt(4000)
    assert low == pytest.approx(values.mean() - half, abs=half / 10)
    assert high == pytest.approx(values.mean() + half, abs=half / 10)


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    intervals = [bootstrap_interval(rng.exponential(1, 60), rng, level=0.9, rounds=400) for _ in range(300)]
    covered = np.mean([low <= 1 <= high for low, high in intervals])
    assert 0.82 <= covered <= 0.94  # 90 %, a little less as 60 draws are few and skew


def test_several_means_are_bounded_by_the_same_draws():
    values = np.random.default_rng(4).random((50, 2))
    both = bootstrap_intervals(values, np.random.default_rng(1))
    alone = [bootstrap_interval(column, np.random.default_rng(1)) for column in values.T]
    np.testing.assert_allclose(both, alone, rtol=1e-12)


def test_a_bootstrap_repeats_with_its_seed():
    values = np.arange(10.0)
    assert bootstrap_interval(values, np.random.default_rng(3)) == bootstrap_interval(values, np.random.default_rng(3))


def test_a_bootstrap_of_many_histories_is_drawn_in_pieces_and_is_the_same(monkeypatch):
    values = np.random.default_rng(0).random((50, 2))
    whole = resampled_means(values, np.random.default_rng(1), rounds=101)
    monkeypatch.setattr(metrics, "RESAMPLED_AT_ONCE", 7 * 50)
    pieces = resampled_means(values, np.random.default_rng(1), rounds=101)
    assert whole.shape == (101, 2)
    np.testing.assert_allclose(pieces, whole, rtol=1e-12)
    np.testing.assert_allclose(whole[:, 0], resampled_means(values[:, 0], np.random.default_rng(1), rounds=101))


@pytest.mark.parametrize("n_wanted", [1, 5])  # counted, and found by a top-k
def test_a_table_laid_out_otherwise_or_that_may_not_be_written_is_ranked_alike(n_wanted):
    scores = np.random.default_rng(3).normal(size=(4, 9)).astype(np.float32)
    wanted = sparse.csr_matrix(np.arange(9)[None] < np.full((4, 1), n_wanted), dtype=np.float32)
    expected = hits_table(scores.copy(), wanted, 3)
    locked = scores.copy()
    locked.flags.writeable = False
    for other in (locked, np.asfortranarray(scores), scores[:, ::-1].copy()[:, ::-1]):
        found = hits_table(other, wanted, 3)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)
