"""Lists that try something, with the probability of what they show: without it no other policy can be valued from the log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recolab.feedback.plackett_luce import position_propensities

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_DRAWN_AT_ONCE = 10_000  # lists


class Policy(Protocol):
    """A way to make a list of k out of N scored items; a score of -inf closes an item."""

    def draw(self, scores: Floats, k: int, rng: np.random.Generator) -> Ints:
        """Make a list for each row of scores: (..., N) -> (..., k) places of items, in order."""

    def next_propensities(self, scores: Floats, taken: NDArray[np.bool_]) -> Floats:
        """Say what comes next once some items stand on the list: scores, taken (..., N) -> (..., N), rows sum to 1."""

    def position_propensities(self, scores: Floats, k: int) -> Floats:
        """Say how often each item stands at each place, over all lists: (N,) -> (k, N), rows sum to 1."""


@dataclass(frozen=True)
class EpsilonGreedy:
    """Fill each place with the best item left, or once in 1/epsilon with any item left, all alike."""

    epsilon: float

    def __post_init__(self) -> None:
        if not 0 <= self.epsilon <= 1:
            raise ValueError(f"epsilon = {self.epsilon!r} must be from 0, where nothing is tried, to 1")

    def draw(self, scores: Floats, k: int, rng: np.random.Generator) -> Ints:
        """Make a list for each row of scores: (..., N) -> (..., k); raises ValueError as `require_open`."""
        left = require_open(scores, k)
        drawn = np.empty((*left.shape[:-1], k), np.int64)
        for place in range(k):
            at_random = np.where(left > -np.inf, rng.random(left.shape), -1)
            tries = rng.random(left.shape[:-1]) < self.epsilon
            drawn[..., place] = np.where(tries, at_random.argmax(-1), left.argmax(-1))
            np.put_along_axis(left, drawn[..., place, None], -np.inf, -1)
        return drawn

    def next_propensities(self, scores: Floats, taken: NDArray[np.bool_]) -> Floats:
        """Share epsilon among all items left, and give the rest to the best: (..., N) -> (..., N)."""
        left = np.where(taken, -np.inf, scores)
        is_left = left > -np.inf
        propensities: Floats = self.epsilon * is_left / is_left.sum(-1, keepdims=True)
        best = left.argmax(-1)[..., None]
        np.put_along_axis(propensities, best, np.take_along_axis(propensities, best, -1) + 1 - self.epsilon, -1)
        return propensities

    def position_propensities(self, scores: Floats, k: int) -> Floats:
        """Follow how many better items stand on the list before each item does: (N,) -> (k, N), exact.

        Raises ValueError as `require_open`.
        """
        scores = require_open(scores, k)
        order = np.argsort(-scores, kind="stable")[: np.isfinite(scores).sum()]
        n, better = len(order), np.arange(len(order))[:, None]  # (n, 1) items better than each
        above = np.arange(k + 1)  # of them, so many stand on the list
        chances = np.zeros((n, k + 1))  # of being there, the item itself not on it
        chances[:, 0] = 1
        propensities = np.zeros((k, len(scores)))
        for place in range(k):
            worse = place - above
            share = self.epsilon / (n - place)
            is_best = above == better
            propensities[place, order] = (chances * (share + (1 - self.epsilon) * is_best)).sum(1)
            up = chances * (share * np.maximum(better - above, 0) + (1 - self.epsilon) * (above < better))
            stay = chances * share * np.maximum(n - 1 - better - worse, 0)
            chances = stay
            chances[:, 1:] += up[:, :-1]
        return propensities


@dataclass(frozen=True)
class Softmax:
    """Draw places one by one with probability ∝ exp(score / temperature): Plackett and Luce's model."""

    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature = {self.temperature!r} must be above 0, where all is greedy")

    def draw(self, scores: Floats, k: int, rng: np.random.Generator) -> Ints:
        """Add Gumbel noise and take the k largest (Kool et al. 2019): (..., N) -> (..., k); raises as `require_open`."""
        noisy = require_open(scores, k) / self.temperature
        noisy += rng.gumbel(size=noisy.shape)
        best = np.argpartition(-noisy, k - 1, axis=-1)[..., :k]
        order = np.argsort(-np.take_along_axis(noisy, best, -1), axis=-1)
        drawn: Ints = np.take_along_axis(best, order, -1)
        return drawn

    def next_propensities(self, scores: Floats, taken: NDArray[np.bool_]) -> Floats:
        """Softmax over what is left: (..., N) -> (..., N)."""
        logits = np.where(taken, -np.inf, scores) / self.temperature
        weights = np.exp(logits - logits.max(-1, keepdims=True))
        propensities: Floats = weights / weights.sum(-1, keepdims=True)
        return propensities

    def position_propensities(self, scores: Floats, k: int) -> Floats:
        """Integrate over the race behind the model: (N,) -> (k, N), exact; raises as `require_open`."""
        return position_propensities(require_open(scores, k) / self.temperature, k)


def require_open(scores: Floats, k: int) -> Floats:
    """Copy scores as float64, or raise ValueError where one is no number or +inf, or fewer than k items are open in a row."""
    copied = np.array(scores, np.float64)
    if np.isnan(copied).any() or (copied == np.inf).any():
        raise ValueError("a score is NaN or +inf: no probability can be told from it")
    if k < 1 or (fewest := int(np.isfinite(copied).sum(-1).min())) < k:
        raise ValueError(f"k = {k} must be from 1 to the number of open items" + (f", {fewest}" if k > 0 else ""))
    return copied


def step_distributions(policy: Policy, scores: Floats, rankings: Ints) -> Floats:
    """Say what a policy shows at each place of a list given what stands above: (..., N), (..., k) -> (..., k, N).

    Raises ValueError as `require_open`.
    """
    scores = require_open(scores, rankings.shape[-1])
    taken = np.zeros(scores.shape, bool)
    steps = np.empty(rankings.shape + scores.shape[-1:])
    for place in range(rankings.shape[-1]):
        steps[..., place, :] = policy.next_propensities(scores, taken)
        np.put_along_axis(taken, rankings[..., place : place + 1], True, -1)
    return steps


def step_propensities(policy: Policy, scores: Floats, rankings: Ints) -> Floats:
    """Say how probable each item of a list was given those above it; their product is the list's propensity.

    scores: (..., N)    rankings: (..., k) places of items  ->  (..., k)
    """
    steps = step_distributions(policy, scores, rankings)
    found: Floats = np.take_along_axis(steps, np.expand_dims(rankings, -1), -1).squeeze(-1)
    return found


class Propensities(NamedTuple):
    """Position-wise propensities (k, N) counted in drawn lists, and the standard error of each."""

    mean: Floats
    standard_error: Floats


def estimate_propensities(draw: Callable[[int], Ints], n_items: int, rounds: int) -> Propensities:
    """Count how often each item stands at each place, for policies without a formula: Monte Carlo, so only estimated.

    draw: n -> (n, k) lists    ->  0 where an item never came, which `importance_weights` refuses in a log
    """
    counts, done = None, 0
    while done < rounds:
        lists = draw(min(_DRAWN_AT_ONCE, rounds - done))
        found = np.stack([np.bincount(column, minlength=n_items) for column in lists.T])
        counts = found if counts is None else counts + found
        done += len(lists)
    if counts is None:
        raise ValueError(f"rounds = {rounds!r} must be 1 or more")
    mean = counts / rounds
    return Propensities(mean, np.sqrt(mean * (1 - mean) / rounds))
