"""Whatever a list tries, the odds of what it shows are known: by formula, and as often as they say."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from recolab.feedback.exploring import (
    EpsilonGreedy,
    Softmax,
    estimate_propensities,
    step_distributions,
    step_propensities,
)
from recolab.feedback.plackett_luce import position_propensities
from recolab.feedback.thompson import BlendPosterior, beta_thompson

SCORES = np.array([1.0, 0.2, -0.5, -np.inf, 2.0])  # the fourth may not be shown
OPEN = [0, 1, 2, 4]
POLICIES = [Softmax(0.7), EpsilonGreedy(0.3), EpsilonGreedy(0), EpsilonGreedy(1)]

every_policy = pytest.mark.parametrize("policy", POLICIES, ids=repr)


def all_lists(k):
    return np.array(list(itertools.permutations(OPEN, k)))


def chances(policy, lists):
    return step_propensities(policy, np.broadcast_to(SCORES, (len(lists), len(SCORES))), lists).prod(1)


@every_policy
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_propensities_of_all_lists_sum_to_one(policy, k):
    assert chances(policy, all_lists(k)).sum() == pytest.approx(1, abs=1e-12)


@every_policy
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_an_item_stands_at_a_place_as_often_as_all_lists_together_say(policy, k):
    lists, found = all_lists(k), np.zeros((k, len(SCORES)))
    for place in range(k):
        np.add.at(found[place], lists[:, place], chances(policy, lists))
    np.testing.assert_allclose(policy.position_propensities(SCORES, k), found, atol=1e-12)


@every_policy
def test_lists_are_drawn_as_often_as_their_propensity_says(policy):
    n, lists = 40_000, all_lists(2)
    drawn = policy.draw(np.broadcast_to(SCORES, (n, len(SCORES))), 2, np.random.default_rng(0))
    seen = Counter(map(tuple, drawn.tolist()))
    assert set(seen) <= set(map(tuple, lists.tolist()))
    expected = chances(policy, lists)
    shares = np.array([seen[tuple(ranking)] for ranking in lists.tolist()]) / n
    error = np.sqrt(expected * (1 - expected) / n)
    assert (np.abs(shares - expected) <= 4 * error).all()


def test_a_list_of_plackett_and_luce_adds_up_as_on_paper():
    # Weights 1, 2, 3: first the last item, 3/6, then the first one, 1/3 of what is left.
    scores = np.log([1.0, 2.0, 3.0])
    assert step_propensities(Softmax(), scores, np.array([2, 0])) == pytest.approx([3 / 6, 1 / 3])
    # The second item is second behind the first, 1/6 · 2/5, or behind the third, 3/6 · 2/3.
    assert Softmax().position_propensities(scores, 2)[1, 1] == pytest.approx(1 / 15 + 1 / 3)


def test_a_list_of_epsilon_greedy_adds_up_as_on_paper():
    # Best first: 1 - .3 + .3/3 = .8; then the worst of two: .3/2; and it is best of what is left at the end.
    scores = np.array([3.0, 2.0, 1.0])
    assert step_propensities(EpsilonGreedy(0.3), scores, np.array([0, 2, 1])) == pytest.approx([0.8, 0.15, 1])


def test_a_whole_shelf_has_exact_propensities_too():
    scores = np.random.default_rng(1).normal(size=300)
    exact, n = Softmax(0.5).position_propensities(scores, 10), 20_000
    np.testing.assert_allclose(exact.sum(1), 1, atol=1e-10)
    rng = np.random.default_rng(2)
    counted = estimate_propensities(
        lambda lists: Softmax(0.5).draw(np.broadcast_to(scores, (lists, 300)), 10, rng), 300, n
    )
    misses = np.abs(counted.mean - exact) / np.sqrt(exact * (1 - exact) / n)
    assert misses.max() < 5.5
    assert (misses**2).mean() == pytest.approx(1, abs=0.1)  # the errors are as large as chance makes them
    np.testing.assert_allclose(counted.standard_error, np.sqrt(counted.mean * (1 - counted.mean) / n))


def test_far_scores_leave_the_order_that_they_force():
    propensities = Softmax().position_propensities(np.array([0.0, -100, -50, -200]), 4)
    np.testing.assert_allclose(propensities, np.eye(4)[[0, 2, 1, 3]], atol=1e-12)
    with pytest.raises(ValueError, match="so far apart that the list is certain"):
        position_propensities(np.array([0.0, -800]), 2)


@every_policy
def test_what_stands_on_the_list_and_what_is_closed_cannot_come_next(policy):
    steps = step_distributions(policy, SCORES, np.array([4, 0, 1]))
    np.testing.assert_allclose(steps.sum(1), 1)
    assert (steps[:, 3] == 0).all()
    assert (steps[1:, 4] == 0).all()
    assert steps[2, 0] == 0


@every_policy
@pytest.mark.parametrize(
    ("scores", "k", "why"),
    [
        (SCORES, 5, "k = 5 must be from 1 to the number of open items, 4"),
        (SCORES, 0, "k = 0"),
        (np.array([1, np.nan]), 1, "NaN"),
        (np.array([1, np.inf]), 1, "inf"),
    ],
)
def test_scores_that_make_no_list_are_refused(policy, scores, k, why):
    with pytest.raises(ValueError, match=why):
        policy.draw(scores, k, np.random.default_rng(0))
    with pytest.raises(ValueError, match=why):
        policy.position_propensities(scores, k)


def test_settings_that_are_none_are_refused():
    with pytest.raises(ValueError, match="epsilon"):
        EpsilonGreedy(1.1)
    with pytest.raises(ValueError, match="temperature"):
        Softmax(0)
    with pytest.raises(ValueError, match="rounds"):
        estimate_propensities(lambda n: np.zeros((n, 1), np.int64), 1, 0)


# Thompson sampling

PRIOR = BlendPosterior(np.array([0.5, 0.5]), np.array([[2.0, 0.5], [0.5, 1.0]]), noise=0.5)
OPINIONS = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.6], [-0.5, 0.2]])


def test_an_answer_sharpens_the_posterior_as_on_paper():
    # One voice, prior N(0, 1), an answer 2 to an opinion 1 with noise 1/2: precision 1 + 4, mean 4 · 2 / 5.
    prior = BlendPosterior(np.array([0.0]), np.array([[1.0]]), noise=0.5)
    learned = prior.learn(np.array([[1.0]]), np.array([2.0]))
    assert (learned.mean.item(), learned.precision.item()) == (pytest.approx(1.6), 5)


def test_answers_one_by_one_teach_as_much_as_all_at_once():
    rewards = np.array([1.0, 0, 1, 0])
    step = PRIOR
    for opinion, reward in zip(OPINIONS, rewards, strict=True):
        step = step.learn(opinion[None], np.array([reward]))
    whole = PRIOR.learn(OPINIONS, rewards)
    np.testing.assert_allclose(step.mean, whole.mean)
    np.testing.assert_allclose(step.precision, whole.precision)


def test_weights_are_drawn_with_the_mean_and_covariance_that_are_believed():
    drawn = PRIOR.draw_weights(200_000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(0), PRIOR.mean, atol=0.01)
    np.testing.assert_allclose(np.cov(drawn.T), np.linalg.inv(PRIOR.precision), atol=0.02)


def test_the_truth_is_found_and_then_shown():
    rng, truth, belief = np.random.default_rng(3), np.array([0.2, 1.0]), PRIOR
    for _ in range(500):
        shown = OPINIONS[belief.draw(OPINIONS, 1, 1, rng)[0]]
        belief = belief.learn(shown, shown @ truth + rng.normal(0, 0.5, 1))
    assert belief.position_propensities(OPINIONS, 1, 1000, rng).mean[0, 1] > 0.95  # the best of the four


def test_two_items_stand_first_as_often_as_the_gaussian_says():
    # The first two of OPINIONS differ by w1 - w2 ~ N(0, s²), so each is ahead half of the time.
    found = PRIOR.position_propensities(OPINIONS[:2], 2, 40_000, np.random.default_rng(0))
    assert (np.abs(found.mean - 0.5) < 4 * found.standard_error).all()


def test_the_inverse_of_a_served_propensity_is_right_on_average():
    """Counting the served list among the drawn ones: plain counts would be 0 at times, and their inverse infinite."""
    rng, rounds = np.random.default_rng(5), 60
    truth = PRIOR.position_propensities(OPINIONS, 1, 200_000, rng).mean[0]
    served = [PRIOR.serve(OPINIONS, 1, rounds, rng) for _ in range(4000)]
    inverse = np.zeros((len(served), 4))
    for row, one in zip(inverse, served, strict=True):
        row[one.ranking] = 1 / one.propensities
    # An item shown with probability p has p · E[1 / p̂] = 1 - (1 - p)^(rounds + 1).
    wrong = inverse.mean(0) - (1 - (1 - truth) ** (rounds + 1))
    assert (np.abs(wrong) < 3 * inverse.std(0) / np.sqrt(len(served))).all()
    assert all(one.propensities[0] > 0 for one in served)
    assert all(one.standard_error[0] >= 0 for one in served)


def test_the_only_item_is_served_for_certain():
    served = PRIOR.serve(OPINIONS[:1], 1, 60, np.random.default_rng(0))
    assert (served.ranking.item(), served.propensities.item(), served.standard_error.item()) == (0, 1, 0)


def test_bernoulli_thompson_agrees_with_the_integral_over_two_beta_distributions():
    # P(Beta(2, 1) > Beta(1, 1)) = ∫ 2x · x dx = 2/3.
    found = beta_thompson(np.array([2.0, 1]), np.array([1.0, 1]), 2, 40_000, np.random.default_rng(0))
    assert abs(found.mean[0, 0] - 2 / 3) < 4 * found.standard_error[0, 0]
    assert found.mean[1, 1] == found.mean[0, 0]
