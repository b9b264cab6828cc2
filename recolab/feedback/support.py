"""Weights between two policies, and the refusal to make any where what was logged cannot carry them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SHOWN = 3  # rows named in a refusal


def importance_weights(logged: Floats, target: Floats) -> Floats:
    """Say how much oftener the target policy shows what was shown: target / logged.

    logged, target: (...) probabilities of what was shown, each row's own  ->  (...), 1 on average where support is whole
    Raises ValueError that counts and names the rows where a probability is missing, outside 0 to 1, or a logged one is 0.
    """
    logged, target = np.asarray(logged, np.float64), np.asarray(target, np.float64)
    _require_like("the target's probabilities", target, logged)
    if not logged.size:
        raise ValueError("the log has no rows: nothing was shown, so nothing can be valued")
    _require_probabilities("logged propensities", logged)
    _refuse("logged propensities", logged == 0, "are 0, though what they stand for was shown")
    _require_probabilities("the target's probabilities", target)
    weights: Floats = target / logged
    return weights


def require_support(logged: Floats, target: Floats) -> None:
    """Demand that the logging policy could have shown whatever the target policy shows.

    logged, target: (..., N) the whole distributions, for each row or once for all
    Raises ValueError that counts and names the places where the target has probability and the logging policy none, and
    where a probability is missing or outside 0 to 1.
    """
    logged, target = np.asarray(logged, np.float64), np.asarray(target, np.float64)
    _require_like("the target's probabilities", target, logged)
    _require_probabilities("logged propensities", logged)
    _require_probabilities("the target's probabilities", target)
    _refuse("the target's probabilities", (target > 0) & (logged == 0), "are above 0 for what the log could never show")


def effective_sample_size(weights: Floats) -> float:
    """Say how many unweighted rows would tell as much: (Σw)² / Σw² (Kish 1965), the least over places.

    weights: (n,) or (n, K)  ->  0 where the target shows nothing of what was shown
    """
    squares = (weights**2).sum(0)
    return float(np.min(weights.sum(0) ** 2 / np.where(squares > 0, squares, 1)))


def require_rows(rows: int, **columns: Floats) -> None:
    """Raise ValueError that names what has not as many rows as the log, or a number that is missing or infinite."""
    for name, column in columns.items():
        if len(column) != rows:
            raise ValueError(f"{name} has {len(column)} rows, the log has {rows}")
        _refuse(name, ~np.isfinite(column), "are missing or infinite")


def _require_probabilities(name: str, numbers: Floats) -> None:
    _refuse(name, np.isnan(numbers), "are missing (NaN)")
    _refuse(name, (numbers < 0) | (numbers > 1), "are not between 0 and 1")


def _require_like(name: str, numbers: Floats, others: Floats) -> None:
    if numbers.shape != others.shape:
        raise ValueError(f"{name} have the shape {numbers.shape}, the logged propensities {others.shape}")


def _refuse(name: str, is_bad: NDArray[np.bool_], what: str) -> None:
    """Raise ValueError where anything is bad: how many of how many, and the first."""
    bad = np.argwhere(is_bad)
    if len(bad):
        first = ", ".join(str(tuple(map(int, row)) if is_bad.ndim > 1 else int(row[0])) for row in bad[:_SHOWN])
        raise ValueError(f"{len(bad):,} of {is_bad.size:,} {name} {what}; first: row {first}")
