"""How quality and cost grow with size: power laws, fitted to what was measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import curve_fit


@dataclass(frozen=True)
class Saturation:
    """score(size) = limit - gap · size^-exponent, sizes in units of the smallest one (after Kaplan et al. 2020).

    limit: what no size passes    gap: what the smallest size is short of it    exponent: how fast the gap closes
    limit_error: one standard error of the limit
    """

    limit: float
    gap: float
    exponent: float
    smallest: float
    limit_error: float

    def at(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Read the curve: (n,) sizes -> (n,) scores."""
        return self.limit - self.gap * (np.asarray(sizes, float) / self.smallest) ** -self.exponent

    def enough(self, share: float = 0.02) -> float:
        """Name the size from which the score stays within `share` of the limit."""
        needed = self.gap / (share * self.limit)
        return float(self.smallest * max(needed, 1.0) ** (1 / self.exponent))


def fit_saturation(sizes: ArrayLike, scores: ArrayLike) -> Saturation:
    """Fit the curve by least squares: (n,) sizes > 0 and (n,) scores, several at one size where there are seeds.

    Raises ValueError for fewer than four points, or fewer than three different sizes: three unknowns fit those by chance;
    and for a size that is not above 0 or a score that is no number.
    """
    x, y = np.asarray(sizes, float), np.asarray(scores, float)
    if x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all() and (x > 0).all()):
        raise ValueError(
            f"{len(x)} sizes and {len(y)} scores: give as many of each, sizes above 0 (a depth of 0 has no place on the "
            "curve), and no NaN"
        )
    if len(x) < 4 or len(np.unique(x)) < 3:
        raise ValueError(f"{len(x)} points at {len(np.unique(x))} sizes: give four points, at three sizes or more")
    smallest = x.min()
    start = (y.max(), max(y.max() - y[x == smallest].mean(), 1e-6), 0.5)
    bounds = ([-np.inf, 0, 0.05], [np.inf, np.inf, 5])
    found, covariance = curve_fit(lambda s, a, b, c: a - b * s**-c, x / smallest, y, p0=start, bounds=bounds)
    limit, gap, exponent = (float(value) for value in found)
    return Saturation(limit, gap, exponent, float(smallest), float(np.sqrt(covariance[0, 0])))


@dataclass(frozen=True)
class Power:
    """cost(size) = scale · size^exponent: a straight line where both are drawn as logarithms."""

    scale: float
    exponent: float

    def at(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Read the line: (n,) sizes -> (n,) costs."""
        return self.scale * np.asarray(sizes, float) ** self.exponent


def fit_power(sizes: ArrayLike, costs: ArrayLike) -> Power:
    """Fit the line by least squares of the logarithms: (n,) sizes and (n,) costs, all above 0.

    Raises ValueError for fewer than two different sizes, and for what has no logarithm.
    """
    x, y = np.asarray(sizes, float), np.asarray(costs, float)
    if x.shape != y.shape or not (np.isfinite([x, y]).all() and (x > 0).all() and (y > 0).all()):
        raise ValueError(f"{len(x)} sizes and {len(y)} costs: give as many of each, all of them numbers above 0")
    if len(np.unique(x)) < 2:
        raise ValueError(f"{len(x)} costs at {len(np.unique(x))} sizes: give two sizes or more")
    exponent, start = np.polyfit(np.log(x), np.log(y), 1)
    return Power(float(np.exp(start)), float(exponent))
