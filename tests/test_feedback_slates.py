"""A list's value in another policy's log: exact where shoppers read as an estimate assumes, and off where they do not."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from recolab.feedback.estimates import Normal
from recolab.feedback.exploring import Softmax, step_distributions, step_propensities
from recolab.feedback.slates import cascade_doubly_robust, cascade_ips, item_position_ips, slate_ips

REWARDS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
LOGGED = np.array([[0.5, 0.5], [0.5, 1.0], [0.25, 0.5]])
TARGET = np.array([[0.25, 1.0], [0.5, 0.5], [0.5, 0.25]])  # weights ½ 2, 1 ½, 2 ½

N, K = 5, 3
LISTS = np.array(list(itertools.permutations(range(N), K)))
CLICKS = np.random.default_rng(1).uniform(0.1, 0.7, N)
SCORES = {"logged": np.random.default_rng(2).normal(size=N) * 0.6, "target": 2 * CLICKS}
AFTER_A_CLICK = 0.3  # who clicked on the item above clicks less


def each(policy, lists):
    return step_propensities(Softmax(), np.broadcast_to(SCORES[policy], (len(lists), N)), lists)


class Cascade:
    """Shoppers read down, and a click tires them: a place depends on those above it."""

    tires = AFTER_A_CLICK

    def answer(self, lists, rng):
        rewards = np.zeros(lists.shape)
        for place in range(K):
            tired = rewards[:, place - 1] if place else np.zeros(len(lists))
            chance = CLICKS[lists[:, place]] * np.where(tired, self.tires, 1)
            rewards[:, place] = rng.random(len(lists)) < chance
        return rewards

    def truth(self):
        """Follow the chance of a click down all lists that there are."""
        clicked, total = np.zeros(len(LISTS)), 0
        for place in range(K):
            clicked = CLICKS[LISTS[:, place]] * (1 - clicked * (1 - self.tires))
            total = total + clicked
        return (each("target", LISTS).prod(1) * total).sum()


class Independent(Cascade):
    """Each place speaks for itself."""

    tires = 1.0


class Rising(Independent):
    """A place depends on the one below: what is under it draws the eye away."""

    def answer(self, lists, rng):
        chance = CLICKS[lists].copy()
        chance[:, :-1] *= 1 - CLICKS[lists[:, 1:]]
        return (rng.random(lists.shape) < chance).astype(float)

    def truth(self):
        chance = CLICKS[LISTS].copy()
        chance[:, :-1] *= 1 - CLICKS[LISTS[:, 1:]]
        return (each("target", LISTS).prod(1) * chance.sum(1)).sum()


def by_position(policy, lists):
    return Softmax().position_propensities(SCORES[policy], K)[np.arange(K), lists]


def robust(rewards, lists):
    """A model that knows nothing of tiredness and exaggerates."""
    belief = 1.2 * CLICKS
    steps = step_distributions(Softmax(), np.broadcast_to(SCORES["target"], (len(lists), N)), lists)
    later = np.array([K - 1 - place for place in range(K)]) * belief.mean()
    return cascade_doubly_robust(
        rewards, each("logged", lists), each("target", lists), belief[lists] + later, steps @ belief + later
    )


VALUES = {
    "slate": lambda rewards, lists: slate_ips(rewards, each("logged", lists), each("target", lists)),
    "item-position": lambda rewards, lists: item_position_ips(
        rewards, by_position("logged", lists), by_position("target", lists)
    ),
    "cascade": lambda rewards, lists: cascade_ips(rewards, each("logged", lists), each("target", lists)),
    "cascade doubly robust": robust,
}


def runs_of(value, world, n=1000, runs=500):
    rng = np.random.default_rng(13)
    found = []
    for _ in range(runs):
        lists = Softmax().draw(np.broadcast_to(SCORES["logged"], (n, N)), K, rng)
        found.append(VALUES[value](world.answer(lists, rng), lists))
    return found


def off_by(found, truth):
    values = np.array([one.value for one in found])
    return (values.mean() - truth) / (values.std() / np.sqrt(len(values)))


def test_estimates_add_up_as_on_paper():
    # Whole lists: odds 1, ½, 1 times sums 1, 1, 2.
    assert slate_ips(REWARDS, LOGGED, TARGET).value == pytest.approx((1 + 0.5 + 2) / 3)
    assert item_position_ips(REWARDS, LOGGED, TARGET).value == pytest.approx((0.5 + 0.5 + 2.5) / 3)
    assert cascade_ips(REWARDS, LOGGED, TARGET).value == pytest.approx((0.5 + 0.5 + (2 + 1)) / 3)


def test_cascade_doubly_robust_adds_up_as_on_paper():
    predicted, expected = np.array([[1.0, 0.5]] * 3), np.array([[0.8, 0.4]] * 3)
    # From the last place up: .4 + w (r - .5), then .8 + w (r + that - 1).
    last = np.array([0.4 + 2 * -0.5, 0.4 + 0.5 * 0.5, 0.4 + 0.5 * 0.5])
    first = np.array([0.8 + 0.5 * (1 + last[0] - 1), 0.8 + (last[1] - 1), 0.8 + 2 * (1 + last[2] - 1)])
    found = cascade_doubly_robust(REWARDS, LOGGED, TARGET, predicted, expected)
    assert found.value == pytest.approx(first.mean())
    nothing = np.zeros((3, 2))
    assert cascade_doubly_robust(REWARDS, LOGGED, TARGET, nothing, nothing) == cascade_ips(REWARDS, LOGGED, TARGET)


def test_a_list_of_one_place_is_a_thing_shown():
    column = slice(0, 1)
    arrays = REWARDS[:, column], LOGGED[:, column], TARGET[:, column]
    assert slate_ips(*arrays) == item_position_ips(*arrays) == cascade_ips(*arrays)


def test_the_effective_sample_size_is_that_of_the_worst_place():
    found = cascade_ips(REWARDS, LOGGED, TARGET)
    first, second = np.array([0.5, 1, 2]), np.array([1, 0.5, 1])
    assert found.effective_sample_size == pytest.approx(min(w.sum() ** 2 / (w**2).sum() for w in (first, second)))


@pytest.mark.parametrize(
    ("value", "world"),
    [
        ("slate", Cascade()),
        ("cascade", Cascade()),
        ("cascade doubly robust", Cascade()),
        ("item-position", Independent()),
        ("cascade", Independent()),
        ("slate", Rising()),
    ],
)
def test_where_shoppers_read_as_assumed_the_truth_is_covered_as_often_as_promised(value, world):
    found, truth = runs_of(value, world), world.truth()
    assert abs(off_by(found, truth)) < 3
    assert 0.93 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.97


@pytest.mark.parametrize(("value", "world"), [("item-position", Cascade()), ("cascade", Rising())])
def test_where_they_do_not_an_estimate_is_off(value, world):
    assert abs(off_by(runs_of(value, world, n=4000, runs=200), world.truth())) > 4


def test_the_more_is_assumed_the_less_the_estimates_spread():
    spread = {value: np.std([one.value for one in runs_of(value, Independent(), runs=150)]) for value in VALUES}
    assert spread["item-position"] < spread["cascade"] < spread["slate"]
    assert spread["cascade doubly robust"] < spread["cascade"]


@pytest.mark.parametrize("value", [slate_ips, item_position_ips, cascade_ips])
def test_a_log_that_cannot_carry_the_question_is_refused_with_its_rows(value):
    logged = LOGGED.copy()
    logged[1, 1] = 0
    with pytest.raises(ValueError, match=r"1 of 6 logged propensities are 0, .*; first: row \(1, 1\)"):
        value(REWARDS, logged, TARGET)
    logged[1, 1] = np.nan
    with pytest.raises(ValueError, match=r"1 of 6 logged propensities are missing"):
        value(REWARDS, logged, TARGET, Normal())
    with pytest.raises(ValueError, match=r"must be \(lists, places\)"):
        value(REWARDS[:, 0], LOGGED, TARGET)


def test_predictions_that_are_missing_are_refused():
    gone = np.full((3, 2), np.nan)
    with pytest.raises(ValueError, match="6 of 6 predicted are missing"):
        cascade_doubly_robust(REWARDS, LOGGED, TARGET, gone, np.ones((3, 2)))
