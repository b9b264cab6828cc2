"""The same question for whole lists: the less a place depends on the others, the fewer propensities multiply.

`slate_ips` assumes nothing, the cascade that a place depends on those above it, item-position that it depends on no other.
Each assumption cuts the spread and, where shoppers do not keep to it, costs a bias. Rewards are per place; a value is that of
a list, the sum over its places (weigh them beforehand for a discounted sum).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recolab.feedback.estimates import Estimate, Interval, Normal, estimate
from recolab.feedback.support import importance_weights, require_rows

Floats = NDArray[np.float64]
_NORMAL = Normal()


def slate_ips(rewards: Floats, logged: Floats, target: Floats, interval: Interval = _NORMAL) -> Estimate:
    """Weigh a list's rewards by the odds of the whole list: unbiased whatever shoppers do, and wildest.

    rewards: (n, K)    logged, target: (n, K) probabilities of each place's item given those above it
    Raises ValueError as `importance_weights`.
    """
    whole = _weights(rewards, logged, target).prod(1)
    return estimate(whole * rewards.sum(1), whole, interval)


def item_position_ips(rewards: Floats, logged: Floats, target: Floats, interval: Interval = _NORMAL) -> Estimate:
    """Weigh each place's reward by that place alone (Li et al. 2018, the item-position click model).

    rewards: (n, K)    logged, target: (n, K) probabilities of the item at that place over all lists, not given those above
    ->  unbiased where a reward depends on an item and its place only
    Raises ValueError as `importance_weights`.
    """
    weights = _weights(rewards, logged, target)
    return estimate((weights * rewards).sum(1), weights, interval)


def cascade_ips(rewards: Floats, logged: Floats, target: Floats, interval: Interval = _NORMAL) -> Estimate:
    """Weigh each place's reward by that place and those above it (reward interaction; McInerney et al. 2020, not self-normalised).

    rewards: (n, K)    logged, target: (n, K) probabilities of each place's item given those above it
    ->  unbiased where a reward depends on nothing below it
    Raises ValueError as `importance_weights`.
    """
    weights = _weights(rewards, logged, target).cumprod(1)
    return estimate((weights * rewards).sum(1), weights, interval)


def cascade_doubly_robust(
    rewards: Floats, logged: Floats, target: Floats, predicted: Floats, expected: Floats, interval: Interval = _NORMAL
) -> Estimate:
    """Weigh, from the last place up, only what a model got wrong of the rest of the list (Kiyohara et al. 2022).

    rewards, logged, target: (n, K) as for `cascade_ips`    predicted: (n, K) the model's sum of rewards from a place on,
    given the items down to it    expected: (n, K) the same before its item is known, averaged over the target's choice
    ->  unbiased where `cascade_ips` is, whatever the model says, if it was not fitted to these rewards
    Raises ValueError as `importance_weights`, and for predictions that are missing.
    """
    weights = _weights(rewards, logged, target)
    require_rows(len(weights), predicted=predicted, expected=expected)
    rest = np.zeros(len(weights))
    for place in reversed(range(weights.shape[1])):
        wrong = rewards[:, place] + rest - predicted[:, place]
        rest = expected[:, place] + weights[:, place] * wrong
    return estimate(rest, weights.cumprod(1), interval)


def _weights(rewards: Floats, logged: Floats, target: Floats) -> Floats:
    weights = importance_weights(logged, target)
    if weights.ndim != 2 or np.shape(rewards) != weights.shape:
        raise ValueError(f"rewards are {np.shape(rewards)}, propensities {weights.shape}: both must be (lists, places)")
    require_rows(len(weights), rewards=rewards)
    return weights
