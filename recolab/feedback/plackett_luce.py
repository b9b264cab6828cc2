"""How often an item stands at a place when lists are drawn by their scores: exact for any number of items, without a draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# The k-th arrival is about 1/√k wide in log time; at this share of it the trapezium rule errs by less than the last digit.
_STEP, _WIDEST_STEP = 0.7, 0.2
_BEGIN, _END = 1e-18, 45.0  # what is missed before and after has no more probability than that, exp(-45)
_SMALLEST = 1e-300
_HELD_AT_ONCE = 2_000_000  # numbers


def position_propensities(logits: Floats, k: int) -> Floats:
    """Sum Plackett and Luce's model over all lists: how often each of N items stands at each of the first k places.

    Each item is a runner who arrives after an exponential time with rate exp(logit); the order of arrival is the list (Luce
    1959; Yellott 1977). So an item has place j if it arrives at a time t by which j - 1 others have: an integral over t of a
    Poisson-binomial, which costs N k² for each of a few hundred times, where the lists are N!/(N - k)! many.
    logits: (N,), -inf for an item that is closed  ->  (k, N), rows sum to 1
    Raises ValueError where the k-th largest logit lies so far below the largest that nothing is left of its probability.
    """
    rates = np.exp(logits - logits.max())
    rates /= rates.sum()
    is_open = rates > 0
    slowest = np.sort(rates)[-k]  # by the time it has surely arrived, k items have
    if not slowest > _SMALLEST:
        raise ValueError(
            f"the best and the {k}-th best logit are so far apart that the list is certain: use EpsilonGreedy(0)"
        )
    step = min(_STEP / np.sqrt(k), _WIDEST_STEP)
    times = np.exp(np.arange(np.log(_BEGIN), np.log(_END / slowest) + step, step))
    at_once = max(_HELD_AT_ONCE // (is_open.sum() * k), 1)
    propensities = np.zeros((k, len(logits)))
    for start in range(0, len(times), at_once):
        propensities[:, is_open] += _arrivals(rates[is_open], times[start : start + at_once], k)
    propensities *= step
    return propensities


def _arrivals(rates: Floats, times: Floats, k: int) -> Floats:
    """Sum over times the density (in log time) of arriving right then as number 1..k: (N,), (T,) -> (k, N)."""
    stay = np.exp(-rates[:, None] * times)  # (N, T) not yet there
    come = -np.expm1(-rates[:, None] * times)
    density = rates[:, None] * times * stay
    before, after = _counts(come, stay, k), _counts(come[::-1], stay[::-1], k)[::-1]
    found = np.empty((k, len(rates)))
    for place in range(k):
        # So many of the items that stand before it in the table have arrived, and the others of those that stand after it.
        others = np.einsum("ntj,ntj->nt", before[:, :, : place + 1], after[:, :, place::-1])
        found[place] = (density * others).sum(1)
    return found


def _counts(come: Floats, stay: Floats, k: int) -> Floats:
    """Say how probable it is that 0..k-1 of the items before each have arrived: (N, T) -> (N, T, k)."""
    counts = np.zeros((*come.shape, k))
    counts[0, :, 0] = 1
    for item in range(1, len(come)):
        counts[item] = counts[item - 1] * stay[item - 1, :, None]
        counts[item, :, 1:] += counts[item - 1, :, :-1] * come[item - 1, :, None]
    return counts
