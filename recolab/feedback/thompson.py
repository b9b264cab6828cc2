"""Thompson sampling: believe in one draw of what is not known for sure, and show what would then be best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from recolab.feedback.exploring import Propensities, estimate_propensities

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Served(NamedTuple):
    """A list (k,) and the estimated propensity of each item at its place, with its standard error: both (k,)."""

    ranking: Ints
    propensities: Floats
    standard_error: Floats


@dataclass(frozen=True)
class BlendPosterior:
    """What is known of a blend's weights: a Gaussian, made sharper by each answer (Agrawal & Goyal 2013).

    mean: (F,) weights of the voices    precision: (F, F), the inverse of their covariance    noise: the spread of a reward around
    the blend's score
    """

    mean: Floats
    precision: Floats
    noise: float = 1.0

    def learn(self, opinions: Floats, rewards: Floats) -> Self:
        """Add answers by Bayes' rule for linear regression: opinions (M, F) of what was shown, rewards (M,) -> the new posterior."""
        precision: Floats = self.precision + opinions.T @ opinions / self.noise**2
        told: Floats = self.precision @ self.mean + opinions.T @ rewards / self.noise**2
        return replace(self, mean=np.linalg.solve(precision, told).astype(np.float64), precision=precision)

    def draw_weights(self, rounds: int, rng: np.random.Generator) -> Floats:
        """Draw weights to believe in: (rounds, F)."""
        # With precision = L Lᵀ, a solution of Lᵀ x = z has the covariance (L Lᵀ)⁻¹.
        factor = np.linalg.cholesky(self.precision)
        return self.mean + np.linalg.solve(factor.T, rng.standard_normal((len(self.mean), rounds))).T

    def draw(self, opinions: Floats, k: int, rounds: int, rng: np.random.Generator) -> Ints:
        """Make lists from the voices' opinions (N, F) of N open items  ->  (rounds, k), best first."""
        return best_of(self.draw_weights(rounds, rng) @ opinions.T, k)

    def position_propensities(self, opinions: Floats, k: int, rounds: int, rng: np.random.Generator) -> Propensities:
        """Estimate how often each item stands at each place, by so many drawn lists: (N, F) -> two of (k, N)."""
        return estimate_propensities(lambda n: self.draw(opinions, k, n, rng), len(opinions), rounds)

    def serve(self, opinions: Floats, k: int, rounds: int, rng: np.random.Generator) -> Served:
        """Make one list, and estimate the propensities of what it shows by so many more.

        The list is counted among them: then none is 0, and over lists the mean of 1 / propensity is the true one, but for
        what has a true propensity far below 1 / rounds.
        """
        ranking = self.draw(opinions, k, 1, rng)[0]
        others = self.position_propensities(opinions, k, rounds, rng).mean[np.arange(k), ranking]
        shares = (others * rounds + 1) / (rounds + 1)
        return Served(ranking, shares, np.sqrt(shares * (1 - shares) / (rounds + 1)))


def beta_thompson(clicks: Floats, misses: Floats, k: int, rounds: int, rng: np.random.Generator) -> Propensities:
    """Estimate the places that Bernoulli Thompson sampling gives to N items (Chapelle & Li 2011).

    clicks, misses: (N,) of each item's Beta distribution, prior counts in them  ->  two of (k, N)
    """
    return estimate_propensities(lambda n: best_of(rng.beta(clicks, misses, (n, len(clicks))), k), len(clicks), rounds)


def best_of(scores: Floats, k: int) -> Ints:
    """List the k best of each row, best first: (n, N) -> (n, k)."""
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
    found: Ints = np.take_along_axis(best, order, 1)
    return found
