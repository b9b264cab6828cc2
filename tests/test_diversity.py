"""Variety is worth something, the score still counts, and a full group is closed."""

from __future__ import annotations

import numpy as np
import pytest

from recolab.rerank import dpp, mmr, take_best


def drawn(n=30, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, dim)).astype(np.float32)
    return rng.normal(size=n).astype(np.float32), vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


TWINS = np.array([[1, 0], [1, 0], [0, 1]], np.float32)  # the first two are one thing


def test_a_twin_of_what_is_on_the_list_comes_after_something_else():
    scores = np.array([3, 2.9, 1], np.float32)
    assert take_best(scores, 3).tolist() == [0, 1, 2]
    assert mmr(scores, TWINS, 3, weight=0.4).tolist() == [0, 2, 1]
    assert dpp(scores, TWINS, 3, weight=0.4).tolist() == [0, 2, 1]


def test_mmr_adds_up_as_on_paper():
    # Relevance 1, .5, 0; cosines with the first: .8 and 0. At weight .5: .25 - .4 = -.15 against 0 - 0.
    scores, vectors = np.array([2, 1, 0], np.float32), np.array([[1, 0], [0.8, 0.6], [0, 1]], np.float32)
    assert mmr(scores, vectors, 2, weight=0.5).tolist() == [0, 2]
    assert mmr(scores, vectors, 2, weight=0.7).tolist() == [0, 1]  # .35 - .24 = .11 against 0


@pytest.mark.parametrize("weight", [0.3, 0.6, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_each_choice_of_dpp_makes_the_determinant_as_large_as_one_item_can(seed, weight):
    scores, vectors = drawn(seed=seed)
    relevance = (scores - scores.min()) / (scores.max() - scores.min())
    quality = np.exp(weight / (2 * (1 - weight)) * (relevance.astype(np.float64) - 1))
    kernel = quality[:, None] * (vectors @ vectors.T).astype(np.float64) * quality
    wanted: list[int] = []
    for _ in range(5):
        worth = [
            -np.inf if j in wanted else np.linalg.slogdet(kernel[np.ix_([*wanted, j], [*wanted, j])])[1]
            for j in range(len(scores))
        ]
        wanted.append(int(np.argmax(worth)))
    assert dpp(scores, vectors, 5, weight).tolist() == wanted


@pytest.mark.parametrize("choose", [mmr, dpp])
def test_a_weight_of_one_is_the_order_of_the_scores(choose):
    scores, vectors = drawn()
    assert choose(scores, vectors, 8, weight=1).tolist() == np.argsort(-scores)[:8].tolist()


@pytest.mark.parametrize("choose", [mmr, dpp])
def test_where_nothing_new_is_left_the_list_is_filled_all_the_same(choose):
    scores, vectors = drawn(dim=2)
    chosen = choose(scores, vectors, 12, weight=0.3)
    assert len(set(chosen.tolist())) == 12
    assert len(choose(scores, vectors, 99)) == len(scores)


@pytest.mark.parametrize("choose", [mmr, dpp])
def test_a_group_has_at_most_so_many_places(choose):
    scores, vectors = drawn()
    groups = np.arange(len(scores)) % 4
    chosen = choose(scores, vectors, 8, groups=groups, most=2)
    assert np.bincount(groups[chosen]).tolist() == [2, 2, 2, 2]
    assert len(choose(scores, vectors, 20, groups=groups, most=2)) == 8  # more would break the rule


@pytest.mark.parametrize("choose", [mmr, dpp])
@pytest.mark.parametrize("weight", [-0.1, 1.1, float("nan")])
def test_a_weight_that_is_none_is_refused(choose, weight):
    with pytest.raises(ValueError, match=r"weight = .* must be from 0"):
        choose(*drawn(), 3, weight=weight)


def test_of_nothing_nothing_is_taken():
    empty = np.empty(0, np.float32), np.empty((0, 4), np.float32)
    assert [len(choose(*empty, 3)) for choose in (mmr, dpp)] == [0, 0]
