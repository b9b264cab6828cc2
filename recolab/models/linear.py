"""EASE: one ridge regression that foretells every item from all the others."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from recolab.histories import PAD, Catalog, Histories


class Ease:
    """The shallow autoencoder with a closed form (Steck 2019), in float32 and in place.

    Only the `max_items` most frequent items take part: memory 4 bytes x max_items², time max_items³. All others are
    ordered by popularity, like items of which the history says nothing.
    """

    def __init__(
        self, l2: float = 200.0, half_life_days: float | None = 120, max_items: int = 8000, name: str = "EASE"
    ) -> None:
        self.l2, self.half_life_days, self.max_items, self.name = l2, half_life_days, max_items, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Solve B = I - P / diag(P), P = (XᵀX + λI)⁻¹, for X of 0 and 1 (users, items)."""
        counts = np.bincount(histories.items, minlength=len(catalog)).astype(np.float32)
        counts[PAD] = 0
        self.kept = np.flatnonzero(counts > 0)[np.argsort(-counts[counts > 0], kind="stable")][: self.max_items]
        had = histories.matrix(len(catalog))[:, self.kept]
        had.data[:] = 1
        gram = np.asfortranarray((had.T @ had).toarray())
        gram[np.diag_indices_from(gram)] += self.l2
        inverse = _invert_in_place(gram).T  # symmetric, and so by rows: sparse products want rows
        diagonal = np.diag(inverse).copy()
        inverse /= -diagonal
        inverse[np.diag_indices_from(inverse)] = 0
        self.weights = inverse
        self.popularity = counts / (counts.max(initial=1) * 1e6)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Sum what the decayed history foretells: B histories -> (B, N)."""
        profile = histories.matrix(len(self.popularity), histories.weights(self.half_life_days) / np.float32(5))[
            :, self.kept
        ]
        profile.data = -np.expm1(-profile.data)
        scores = np.tile(self.popularity, (len(histories), 1))
        scores[:, self.kept] += profile @ self.weights
        scores[:, PAD] = -np.inf
        return scores


def _invert_in_place(gram: NDArray[np.float32]) -> NDArray[np.float32]:
    """Invert a positive definite matrix by Cholesky, in its own memory."""
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError(
            f"EASE: XᵀX + λI is not positive definite in float32: raise l2 (LAPACK says {failed})"
        )
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    rows = np.arange(len(inverse))
    for start in range(0, len(inverse), 1024):  # mirror the lower triangle by blocks: no second matrix
        block = slice(start, start + 1024)
        upper = rows[None, block] > rows[block, None]
        inverse[block, block][upper] = inverse[block, block].T[upper]
        inverse[block, start + 1024 :] = inverse[start + 1024 :, block].T
    result: NDArray[np.float32] = inverse
    return result
