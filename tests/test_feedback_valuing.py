"""A policy's value is found in another one's log: as on paper, as often as the interval promises, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from recolab.feedback.estimates import Bernstein, Bootstrap, Normal
from recolab.feedback.rates import held_out_rates
from recolab.feedback.support import effective_sample_size, importance_weights, require_support
from recolab.feedback.valuing import clipped_ips, doubly_robust, ips, on_policy, snips

REWARDS = np.array([1.0, 0.0, 1.0, 0.0])
LOGGED = np.array([0.5, 0.5, 0.25, 0.25])
TARGET = np.array([0.25, 0.5, 0.5, 0.25])  # weights 1/2, 1, 2, 1


class World:
    """Three kinds of shoppers, six things to show, clicks with known probabilities: the value of any policy is a sum."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.clicks = rng.uniform(0.1, 0.6, (3, 6))
        self.logged = softmax(rng.normal(size=(3, 6)) * 0.5)
        self.target = softmax(3 * self.clicks)
        self.believed = self.clicks + rng.normal(0, 0.1, (3, 6))  # a model that is wrong
        self.truth = (self.target * self.clicks).sum(1).mean()

    def log(self, n, rng):
        """n rows: the kind of shopper, what was shown, the answer."""
        kinds = rng.integers(3, size=n)
        shown = (self.logged[kinds].cumsum(1) < rng.random((n, 1))).sum(1)
        return kinds, shown, (rng.random(n) < self.clicks[kinds, shown]).astype(float)

    def arguments(self, n, rng):
        kinds, shown, rewards = self.log(n, rng)
        return rewards, self.logged[kinds, shown], self.target[kinds, shown]

    def doubly_robust(self, n, rng, interval):
        kinds, shown, rewards = self.log(n, rng)
        expected = (self.target * self.believed).sum(1)[kinds]
        odds = self.logged[kinds, shown], self.target[kinds, shown]
        return doubly_robust(rewards, *odds, self.believed[kinds, shown], expected, interval)


def softmax(logits):
    weights = np.exp(logits)
    return weights / weights.sum(1, keepdims=True)


WORLD = World()


def many(value, runs=500, seed=11):
    """Value the target in so many logs of the same world."""
    rng = np.random.default_rng(seed)
    return [value(rng) for _ in range(runs)]


def coverage(found, truth=WORLD.truth):
    return np.mean([one.low <= truth <= one.high for one in found])


def off_by(found, truth=WORLD.truth):
    """How far the mean of the estimates is from a value, in its standard errors."""
    values = np.array([one.value for one in found])
    return (values.mean() - truth) / (values.std() / np.sqrt(len(values)))


# By hand


def test_the_weights_are_the_odds_of_what_was_shown():
    assert importance_weights(LOGGED, TARGET).tolist() == [0.5, 1, 2, 1]
    assert effective_sample_size(np.array([0.5, 1, 2, 1])) == pytest.approx(4.5**2 / 6.25)
    assert effective_sample_size(np.ones((7, 2))) == 7
    assert effective_sample_size(np.array([[1.0, 1], [1, 0]])) == 1  # the worse place
    assert effective_sample_size(np.zeros(3)) == 0


def test_estimates_add_up_as_on_paper():
    assert on_policy(REWARDS).value == 0.5
    assert ips(REWARDS, LOGGED, TARGET).value == pytest.approx((0.5 + 2) / 4)
    assert clipped_ips(REWARDS, LOGGED, TARGET, clip=1).value == pytest.approx((0.5 + 1) / 4)
    assert snips(REWARDS, LOGGED, TARGET).value == pytest.approx(2.5 / 4.5)
    # Terms .5 + w (r - .4): .8, .1, 1.7, .1.
    found = doubly_robust(REWARDS, LOGGED, TARGET, np.full(4, 0.4), np.full(4, 0.5))
    assert found.value == pytest.approx(2.7 / 4)
    assert (found.rows, found.mean_weight, found.effective_sample_size) == (4, 4.5 / 4, pytest.approx(3.24))


def test_intervals_add_up_as_on_paper():
    # Terms .5, 0, 2, 0: mean 5/8, variance 43/48.
    found = ips(REWARDS, LOGGED, TARGET, Normal(0.95))
    assert found.interval == "normal"
    assert found.high - found.value == pytest.approx(1.959964 * np.sqrt(43 / 48 / 4))
    assert found.value - found.low == pytest.approx(found.high - found.value)
    # ln(4 / .05) = 4.382; √(2 · 43/48 · 4.382 / 4) + 7 · 2 · 4.382 / (3 · 3).
    found = ips(REWARDS, LOGGED, TARGET, Bernstein(0, 2, 0.95))
    assert found.interval == "empirical Bernstein"
    assert found.high - found.value == pytest.approx(1.40098 + 6.81654, abs=1e-4)
    # The ratio's terms, 5/9 + w (r - 5/9) / (9/8): their mean is the ratio, their variance that of the delta method.
    found = snips(REWARDS, LOGGED, TARGET)
    terms = np.array([0.5 * 4, -5, 2 * 4, -5]) / 9 / (9 / 8)
    assert found.high - found.value == pytest.approx(1.959964 * terms.std(ddof=1) / 2)


def test_the_bootstrap_draws_rows_anew():
    log = WORLD.arguments(1000, np.random.default_rng(0))
    drawn, normal = ips(*log, Bootstrap(0.9)), ips(*log, Normal(0.9))
    assert drawn.interval == "bootstrap"
    assert (drawn.low, drawn.high) == pytest.approx((normal.low, normal.high), rel=0.02)
    assert drawn == ips(*log, Bootstrap(0.9))  # the same seed, the same ends


def test_a_policy_valued_from_its_own_log_has_the_mean_of_it():
    for value in (ips, snips):
        found = value(REWARDS, LOGGED, LOGGED)
        assert (found.value, found.effective_sample_size, found.mean_weight) == (0.5, 4, 1)


def test_a_perfect_model_leaves_nothing_to_weigh():
    rewards = np.array([0.3, 0.7, 0.3, 0.7])
    found = doubly_robust(rewards, LOGGED, TARGET, rewards, np.full(4, 0.6))
    assert (found.low, found.value, found.high) == pytest.approx((0.6, 0.6, 0.6))


def test_a_rate_is_told_without_the_rows_that_ask():
    # Two folds: rows 0, 2 and rows 1, 3; each learns from the other, with one row of its mean added.
    rates = held_out_rates(np.array([1.0, 0, 0, 1]), np.array([0, 0, 1, 0]), 2, prior_rows=1, folds=2)
    np.testing.assert_allclose(rates[0], [(1 + 0.5) / 3, 0.5])  # rows 1 and 3: cell 0 twice, one reward; cell 1 never
    np.testing.assert_allclose(rates[1], [(1 + 0.5) / 2, 0.5 / 2])
    np.testing.assert_array_equal(rates[0], rates[2])


# In a world whose truth is known


@pytest.mark.parametrize(
    "value",
    [
        lambda rng: ips(*WORLD.arguments(1000, rng)),
        lambda rng: WORLD.doubly_robust(1000, rng, Normal()),
        lambda rng: ips(*WORLD.arguments(400, rng), Bootstrap(rounds=300)),
    ],
    ids=["ips, normal", "doubly robust, normal", "ips, bootstrap"],
)
def test_an_unbiased_estimate_covers_the_truth_as_often_as_it_says(value):
    found = many(value)
    assert abs(off_by(found)) < 3
    assert 0.93 <= coverage(found) <= 0.97


def test_a_bernstein_interval_always_covers_and_pays_with_width():
    most = (WORLD.target / WORLD.logged).max()
    found = many(lambda rng: ips(*WORLD.arguments(1000, rng), Bernstein(0, most)))
    assert coverage(found) >= 0.99
    narrow = many(lambda rng: ips(*WORLD.arguments(1000, rng)))
    assert np.mean([a.high - a.low for a in found]) > 1.5 * np.mean([b.high - b.low for b in narrow])


def test_a_model_narrows_the_interval_even_where_it_is_wrong():
    plain = many(lambda rng: ips(*WORLD.arguments(1000, rng)))
    robust = many(lambda rng: WORLD.doubly_robust(1000, rng, Normal()))
    assert np.std([one.value for one in robust]) < 0.85 * np.std([one.value for one in plain])


def test_a_clip_shows_its_bias_exactly():
    clip = 1.0
    found = many(lambda rng: clipped_ips(*WORLD.arguments(1000, rng), clip))
    kept = (np.minimum(WORLD.target / WORLD.logged, clip) * WORLD.logged * WORLD.clicks).sum(1).mean()
    assert kept < 0.9 * WORLD.truth
    assert abs(off_by(found, kept)) < 3
    assert coverage(found, kept) >= 0.93  # it bounds the clipped mean
    assert coverage(found) < 0.5  # and misses the true one
    assert np.mean([one.mean_weight for one in found]) < 0.9  # as the estimate itself says


def test_self_normalising_is_off_for_few_rows_and_right_for_many():
    def only_seen(n):
        return lambda rng: snips(*WORLD.arguments(n, rng))

    few = many(only_seen(4), runs=8000)
    assert abs(off_by(few)) > 4
    many_rows = many(only_seen(1000))
    assert abs(off_by(many_rows)) < 3
    assert 0.93 <= coverage(many_rows) <= 0.97
    assert max(one.value for one in few) <= 1  # never outside what the rewards are


def test_a_model_that_has_seen_the_rows_is_too_sure_and_a_held_out_one_is_not():
    """Two rows a cell: a mean of what it is asked about explains even chance, so that nothing seems left in doubt."""
    rng, n, cells = np.random.default_rng(4), 400, 200
    target = softmax(rng.normal(size=(1, cells)))[0]

    def value(held_out):
        shown, rewards = rng.integers(cells, size=n), rng.integers(2, size=n).astype(float)
        counts = np.maximum(np.bincount(shown, minlength=cells), 1)
        seen = np.tile(np.bincount(shown, rewards, cells) / counts, (n, 1))
        rates = held_out_rates(rewards, shown, cells, prior_rows=5) if held_out else seen
        odds = np.full(n, 1 / cells), target[shown]
        return doubly_robust(rewards, *odds, rates[np.arange(n), shown], rates @ target)

    assert coverage(many(lambda _: value(held_out=False)), 0.5) < 0.85
    assert coverage(many(lambda _: value(held_out=True)), 0.5) >= 0.93


# Refused


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"logged": [np.nan, 0.5, 0.5]}, r"1 of 3 logged propensities are missing \(NaN\); first: row 0"),
        ({"logged": [0.5, 0.0, 0.0]}, r"2 of 3 logged propensities are 0, though .* first: row 1, 2"),
        ({"logged": [0.5, 1.5, 0.5]}, r"1 of 3 logged propensities are not between 0 and 1; first: row 1"),
        ({"logged": [0.5, 0.5, -0.5]}, r"1 of 3 logged propensities are not between 0 and 1; first: row 2"),
        ({"target": [0.5, 0.5, np.nan]}, r"1 of 3 the target's probabilities are missing"),
        ({"target": [0.5, 0.5, 2.0]}, r"1 of 3 the target's probabilities are not between"),
        ({"target": [0.5, 0.5]}, r"the target's probabilities have the shape \(2,\), the logged propensities \(3,\)"),
        ({"rewards": [0.5, 0.5]}, "rewards has 2 rows, the log has 3"),
        ({"rewards": [0.5, 0.5, np.inf]}, "1 of 3 rewards are missing or infinite; first: row 2"),
    ],
)
@pytest.mark.parametrize("value", [ips, snips])
def test_a_log_that_cannot_carry_the_question_is_refused_with_its_rows(value, broken, why):
    log = {"rewards": [1, 0, 1], "logged": [0.5, 0.5, 0.5], "target": [0.5, 0.5, 0.5]} | broken
    with pytest.raises(ValueError, match=why):
        value(*(np.array(log[name], float) for name in ("rewards", "logged", "target")))


def test_a_target_that_shows_what_the_log_never_could_is_refused():
    logged, target = np.array([[0.5, 0.5, 0], [0, 0.5, 0.5]]), np.array([[0.2, 0.8, 0], [0.1, 0.9, 0]])
    require_support(logged[:1], target[:1])
    with pytest.raises(ValueError, match=r"1 of 6 .* above 0 for what the log could never show; first: row \(1, 0\)"):
        require_support(logged, target)


def test_a_log_that_lacks_what_the_target_shows_says_so_by_its_mean_weight():
    logged, target = np.full(1000, 0.5), np.full(1000, 0.2)  # two things shown, the target mostly shows a third
    assert ips(np.ones(1000), logged, target).mean_weight == pytest.approx(0.4)


def test_what_says_nothing_is_refused():
    nothing = np.array([])
    with pytest.raises(ValueError, match="the log has no rows"):
        ips(nothing, nothing, nothing)
    with pytest.raises(ValueError, match="at least 2 rows"):
        ips(np.ones(1), np.ones(1), np.ones(1))
    with pytest.raises(ValueError, match="all 4 weights are 0"):
        snips(REWARDS, LOGGED, np.zeros(4))
    with pytest.raises(ValueError, match="clip"):
        clipped_ips(REWARDS, LOGGED, TARGET, clip=0)
    with pytest.raises(ValueError, match="lists go to `slates`"):
        ips(np.ones(2), np.ones((2, 3)), np.ones((2, 3)))
    with pytest.raises(ValueError, match="1 of 4 predicted are missing"):
        doubly_robust(REWARDS, LOGGED, TARGET, np.array([1, 1, 1, np.nan]), np.ones(4))
    with pytest.raises(ValueError, match=r"1 of 4 terms are not from 0 to 1, first: row 2 \(2\)"):
        ips(REWARDS, LOGGED, TARGET, Bernstein(0, 1))
