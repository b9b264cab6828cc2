"""Item vectors from co-occurrence: a start for every item table that knows which goods go together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from recolab.histories import PAD, Histories


def cooccurrence_vectors(
    histories: Histories, n_items: int, dim: int, seed: int, reach: int = 10
) -> NDArray[np.float32]:
    """Factor how much oftener two items stand near each other than chance would have it (Levy & Goldberg 2014).

    Truncated SVD of the positive pointwise mutual information within `reach` events, weighted 1/distance
    ->  (N, dim), mean row norm 1, PAD zero
    """
    near = _windowed_counts(histories, n_items, reach)
    total, row, column = near.sum(), np.asarray(near.sum(1)).ravel(), np.asarray(near.sum(0)).ravel()
    near = near.tocoo()
    information = np.log(near.data * total / (row[near.row] * column[near.col]))
    keep = information > 0
    table = sparse.csr_matrix((information[keep], (near.row[keep], near.col[keep])), near.shape, dtype=np.float32)
    width = min(dim, max(min(table.shape) - 1, 1))
    left, strength, _ = randomized_svd(table, width, random_state=seed, n_iter=3)
    vectors = np.zeros((n_items, dim), np.float32)
    vectors[:, :width] = left * np.sqrt(strength)
    vectors[PAD] = 0
    norm = np.linalg.norm(vectors, axis=1)
    return vectors / max(float(norm[norm > 0].mean()) if (norm > 0).any() else 1.0, 1e-6)


def company(histories: Histories, n_items: int, n_known: int, reach: int = 10) -> sparse.csr_matrix:
    """Say in whose company new items are had: (M, n_known) shares that sum to 1, of the known rows near each new one.

    Near is within `reach` events, weighted 1/distance; the rows from n_known on are new, and one that nobody had has no company
    """
    items, owners = histories.items, histories.owners
    new, known, weights = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]
    for step in range(1, min(reach, max(len(items) - 1, 0)) + 1):
        left, right = items[:-step], items[step:]
        pairs = np.flatnonzero(((left >= n_known) != (right >= n_known)) & (owners[step:] == owners[:-step]))
        new.append(np.maximum(left[pairs], right[pairs]) - n_known)
        known.append(np.minimum(left[pairs], right[pairs]))
        weights.append(np.full(len(pairs), 1 / step, np.float32))
    near = sparse.csr_matrix(
        (np.concatenate(weights), (np.concatenate(new), np.concatenate(known))), (n_items - n_known, n_known)
    )
    total = np.asarray(near.sum(1)).ravel()
    shares: sparse.csr_matrix = (sparse.diags(1 / np.maximum(total, 1e-12)) @ near).tocsr()
    return shares


def _windowed_counts(histories: Histories, n_items: int, reach: int) -> sparse.csr_matrix:
    items, owners = histories.items, histories.owners
    near = sparse.csr_matrix((n_items, n_items), dtype=np.float32)
    for step in range(1, min(reach, max(len(items) - 1, 0)) + 1):
        same = owners[step:] == owners[:-step]
        weight = np.full(int(same.sum()), 1 / step, np.float32)
        near = near + sparse.csr_matrix((weight, (items[:-step][same], items[step:][same])), near.shape)
    return near + near.T
