"""When is a challenger proven better? Intervals that stay true however often one looks at them, and a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_BOLDEST = 0.5  # of a bet; more would gain on rare large differences, and lose everything on one


class Verdict(StrEnum):
    """What the differences between challenger and champion have shown so far."""

    BETTER = "better"
    WORSE = "worse"
    UNKNOWN = "not known yet"


class ConfidenceSequence(NamedTuple):
    """Ends (..., n) of an interval after each observation; with probability 1 - alpha the mean is in all of them at once."""

    low: Floats
    high: Floats


@dataclass(frozen=True)
class Decision:
    """The verdict after `seen` differences; `decided_at`, of them, had made it, 0 where it is not known yet."""

    verdict: Verdict
    low: float
    high: float
    seen: int
    decided_at: int


def bernstein_sequence(differences: Floats, least: float, most: float, alpha: float = 0.05) -> ConfidenceSequence:
    """Bound the mean of bounded differences at all times: the predictable plug-in empirical Bernstein confidence sequence.

    True for any number of observations, not only for many; as narrow as their variance allows (Waudby-Smith & Ramdas 2024,
    th. 2). Ends that were found once are kept where later ones are wider: the mean is taken not to move.
    differences: (..., n) in order of arrival, from least to most  ->  ends (..., n)
    Raises ValueError for a difference outside the bounds, or none at all.
    """
    x = (_bounded(differences, least, most) - least) / (most - least)
    n = np.arange(1, x.shape[-1] + 1)
    means = (0.5 + x.cumsum(-1)) / (n + 1)
    variances = (0.25 + ((x - means) ** 2).cumsum(-1)) / (n + 1)
    mean_before, variance_before = _shifted(means, 0.5), _shifted(variances, 0.25)
    log = np.log(2 / alpha)
    bets = np.minimum(np.sqrt(2 * log / (variance_before * n * np.log(1 + n))), _BOLDEST)
    cost = 4 * (x - mean_before) ** 2 * (-np.log1p(-bets) - bets) / 4
    total = bets.cumsum(-1)
    centre, reach = (bets * x).cumsum(-1) / total, (log + cost.cumsum(-1)) / total
    return _kept(
        least + (most - least) * np.maximum(centre - reach, 0), least + (most - least) * np.minimum(centre + reach, 1)
    )


def mixture_sequence(
    differences: Floats, spread: float, alpha: float = 0.05, narrowest_at: int = 1000
) -> ConfidenceSequence:
    """Bound the mean of sub-Gaussian differences at all times: Robbins' normal mixture (Robbins 1970; Howard et al. 2021).

    spread: σ of the sub-Gaussian tail, (most - least) / 2 for what is bounded    narrowest_at: the number of observations where
    the ends shall be closest    differences: (..., n) in order of arrival  ->  ends (..., n)
    Raises ValueError for a difference that is no number, or none at all.
    """
    x = _bounded(differences, -np.inf, np.inf)
    n = np.arange(1, x.shape[-1] + 1)
    log = -2 * np.log(alpha)
    sharpness = (log + np.log(log + 1)) / narrowest_at  # ρ² of the mixing Gaussian (Waudby-Smith et al. 2021, app. B)
    grown = n * sharpness + 1
    reach = spread * np.sqrt(2 * grown / (n**2 * sharpness) * np.log(np.sqrt(grown) / alpha))
    centre = x.cumsum(-1) / n
    return _kept(centre - reach, centre + reach)


def judge_challenger(sequence: ConfidenceSequence) -> Decision:
    """Say whether the challenger is better, from the first moment at which its interval leaves 0; look as often as you like.

    sequence: ends (n,) for the mean of challenger minus champion, as of `interleaved_wins` or `ab_differences`
    """
    low, high = sequence
    left = np.flatnonzero((low > 0) | (high < 0))
    if not len(left):
        return Decision(Verdict.UNKNOWN, float(low[-1]), float(high[-1]), len(low), 0)
    verdict = Verdict.BETTER if low[left[0]] > 0 else Verdict.WORSE
    return Decision(verdict, float(low[-1]), float(high[-1]), len(low), int(left[0]) + 1)


def ab_differences(rewards: Floats, is_challenger: NDArray[np.bool_], share: float) -> Floats:
    """Turn an A/B test into differences whose mean is what the challenger adds: r / share, or -r / (1 - share).

    rewards: (n,) a shopper each    is_challenger: (n,), drawn with probability `share`, whatever came before
    ->  (n,), bounded by -most / (1 - share) and most / share for rewards from 0 to most
    """
    if not 0 < share < 1:
        raise ValueError(f"share = {share!r} must lie between 0 and 1: both must be shown")
    rewards = np.asarray(rewards, np.float64)
    return np.where(is_challenger, rewards / share, -rewards / (1 - share))


def _bounded(differences: Floats, least: float, most: float) -> Floats:
    x = np.asarray(differences, np.float64)
    if not x.size:
        raise ValueError("there is no difference yet: wait for the first")
    outside = ~((x >= least) & (x <= most))
    if outside.any():
        first = tuple(map(int, np.argwhere(outside)[0]))
        raise ValueError(f"{outside.sum():,} of {x.size:,} differences are not from {least} to {most}, first: {first}")
    return x


def _shifted(values: Floats, first: float) -> Floats:
    """What was known before each observation."""
    return np.concatenate([np.full_like(values[..., :1], first), values[..., :-1]], -1)


def _kept(low: Floats, high: Floats) -> ConfidenceSequence:
    """Keep the closest ends so far: a mean that is in all intervals is in what they share."""
    return ConfidenceSequence(np.maximum.accumulate(low, -1), np.minimum.accumulate(high, -1))
