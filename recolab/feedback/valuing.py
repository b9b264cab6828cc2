"""What would another policy have earned? Estimates from the log of the one that ran, a thing shown and an answer a row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recolab.feedback.estimates import Estimate, Interval, Normal, estimate
from recolab.feedback.support import importance_weights, require_rows

Floats = NDArray[np.float64]
_NORMAL = Normal()


def on_policy(rewards: Floats, interval: Interval = _NORMAL) -> Estimate:
    """Average what the policy that ran has earned: rewards (n,); what the others are held against."""
    require_rows(len(rewards), rewards=rewards)
    return estimate(np.asarray(rewards, np.float64), np.ones(len(rewards)), interval)


def ips(rewards: Floats, logged: Floats, target: Floats, interval: Interval = _NORMAL) -> Estimate:
    """Weigh each reward by how much oftener the target would have earned it: mean w r (Horvitz & Thompson 1952).

    rewards: (n,)    logged, target: (n,) probabilities of what was shown  ->  unbiased where support is whole
    Raises ValueError as `importance_weights`.
    """
    return clipped_ips(rewards, logged, target, np.inf, interval)


def clipped_ips(rewards: Floats, logged: Floats, target: Floats, clip: float, interval: Interval = _NORMAL) -> Estimate:
    """Weigh as `ips`, no weight above `clip` (Ionides 2008): less spread, too low for rewards that are never negative.

    The interval is of the clipped mean: what the clip takes away is not in it. mean_weight says how much was left.
    rewards, logged, target: (n,)  ->  Raises ValueError as `importance_weights`, and for a clip that is not above 0.
    """
    if not clip > 0:
        raise ValueError(f"clip = {clip!r} must be above 0")
    weights = np.minimum(_weights(rewards, logged, target), clip)
    return estimate(weights * rewards, weights, interval)


def snips(rewards: Floats, logged: Floats, target: Floats, interval: Interval = _NORMAL) -> Estimate:
    """Divide by the weights that were met instead of the 1 they should average: Σ w r / Σ w (Swaminathan & Joachims 2015).

    Never outside what the rewards are, though its interval may be; off by a bias that shrinks as 1/n. Its terms are the ratio's
    linear part around the estimate (delta method), whose mean it is.
    rewards, logged, target: (n,)  ->  Raises ValueError as `importance_weights`, and where all weights are 0.
    """
    weights = _weights(rewards, logged, target)
    if not weights.any():
        raise ValueError(f"the target shows nothing of what was shown: all {len(weights):,} weights are 0")
    ratio = (weights * rewards).sum() / weights.sum()
    return estimate(ratio + weights * (rewards - ratio) / weights.mean(), weights, interval)


def doubly_robust(
    rewards: Floats, logged: Floats, target: Floats, predicted: Floats, expected: Floats, interval: Interval = _NORMAL
) -> Estimate:
    """Begin with what a model expects of the target, and weigh only what it got wrong (Dudík, Langford & Li 2011).

    rewards, logged, target: (n,)    predicted: (n,) the model's reward of what was shown    expected: (n,) its mean over
    what the target would have shown, Σ_a target(a) · predicted(a)
    ->  unbiased where support is whole, whatever the model says, if it was not fitted to these rewards (`rates.held_out_rates`)
    Raises ValueError as `importance_weights`, and for predictions that are missing.
    """
    weights = _weights(rewards, logged, target)
    require_rows(len(weights), predicted=predicted, expected=expected)
    return estimate(expected + weights * (rewards - predicted), weights, interval)


def _weights(rewards: Floats, logged: Floats, target: Floats) -> Floats:
    weights = importance_weights(logged, target)
    if weights.ndim != 1:
        raise ValueError(f"a row has one thing shown; the propensities are {weights.shape}: lists go to `slates`")
    require_rows(len(weights), rewards=rewards)
    return weights
