"""What a policy is worth, and how far that may be off: a value, its interval, and how much data stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from recolab.feedback.support import effective_sample_size
from recolab.metrics import bootstrap_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A policy's value with the two ends of its interval.

    interval: how the ends were found    rows: of the log    effective_sample_size: unweighted rows that would tell as much
    mean_weight: 1 in expectation; well below, the log lacks what the target shows
    """

    value: float
    low: float
    high: float
    interval: str
    rows: int
    effective_sample_size: float
    mean_weight: float


class Interval(Protocol):
    """A way to bound the mean of independent terms."""

    name: ClassVar[str]

    def ends(self, terms: Floats) -> tuple[float, float]:
        """Bound the mean: (n,) -> low, high."""


@dataclass(frozen=True)
class Normal:
    """Mean ± z s/√n, by the central limit theorem: honest for many rows of moderate weight, too narrow for few heavy ones."""

    level: float = 0.95
    name: ClassVar[str] = "normal"

    def ends(self, terms: Floats) -> tuple[float, float]:
        """Bound the mean: (n,), n > 1 -> low, high."""
        reach = float(ndtri((1 + self.level) / 2) * terms.std(ddof=1) / np.sqrt(len(terms)))
        return float(terms.mean()) - reach, float(terms.mean()) + reach


@dataclass(frozen=True)
class Bernstein:
    """The empirical Bernstein bound (Maurer & Pontil 2009, th. 4, on both sides): true for any n, wide for few rows.

    least, most: what a term can be, known before the data; for clipped weights the clip times the largest reward
    """

    least: float
    most: float
    level: float = 0.95
    name: ClassVar[str] = "empirical Bernstein"

    def ends(self, terms: Floats) -> tuple[float, float]:
        """Bound the mean: (n,), n > 1 -> low, high; raises ValueError for a term that is not from least to most."""
        outside = (terms < self.least) | (terms > self.most)
        if outside.any():
            row = int(outside.argmax())
            raise ValueError(
                f"{outside.sum():,} of {len(terms):,} terms are not from {self.least} to {self.most}, first: row {row} "
                f"({terms[row]:.6g}); clip the weights or widen the bounds"
            )
        n, log = len(terms), float(np.log(4 / (1 - self.level)))  # each side has half of what may go wrong
        reach = np.sqrt(2 * terms.var(ddof=1) * log / n) + 7 * (self.most - self.least) * log / (3 * (n - 1))
        return float(terms.mean() - reach), float(terms.mean() + reach)


@dataclass(frozen=True)
class Bootstrap:
    """Percentiles of the mean over rows drawn anew (Efron 1979): follows skewed terms, and misses what no row shows."""

    level: float = 0.95
    rounds: int = 2000
    seed: int = 7
    name: ClassVar[str] = "bootstrap"

    def ends(self, terms: Floats) -> tuple[float, float]:
        """Bound the mean: (n,) -> low, high."""
        return bootstrap_interval(terms, np.random.default_rng(self.seed), self.level, self.rounds)


def estimate(terms: Floats, weights: Floats, interval: Interval) -> Estimate:
    """Average independent terms, one for each row of the log, and bound the average.

    terms: (n,)    weights: (n,) or (n, K), the importance weights in them
    Raises ValueError for fewer than two rows, from which no spread can be told.
    """
    if len(terms) < 2:
        raise ValueError("an interval needs at least 2 rows of the log")
    low, high = interval.ends(terms)
    return Estimate(
        float(terms.mean()),
        low,
        high,
        interval.name,
        len(terms),
        effective_sample_size(weights),
        float(weights.mean()),
    )
