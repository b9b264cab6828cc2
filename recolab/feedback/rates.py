"""The smallest reward model there is: how often each thing was answered, told without the rows it is asked about."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def held_out_rates(rewards: Floats, cells: Ints, n_cells: int, prior_rows: float = 100, folds: int = 5) -> Floats:
    """Average the rewards of each cell over the other folds, drawn towards their mean as if by so many rows more.

    rewards: (n,)    cells: (n,) from 0, such as item x place    folds: row i is in fold i mod `folds`, so that shuffling is the
    caller's    ->  (n, n_cells): each row's reward model, which has not seen the row (cross-fitting, Chernozhukov et al. 2018)
    """
    fold = np.arange(len(rewards)) % folds
    models = np.empty((folds, n_cells))
    for held in range(folds):
        others = fold != held
        sums = np.bincount(cells[others], rewards[others], n_cells)
        mean = rewards[others].mean()
        models[held] = (sums + prior_rows * mean) / (np.bincount(cells[others], minlength=n_cells) + prior_rows)
    return models[fold]
