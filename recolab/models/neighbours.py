"""Neighbours: items bought by the same people, items that follow each other, people who buy the same items."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.preprocessing import normalize

from recolab.histories import PAD, Catalog, Histories, visits
from recolab.models.popularity import add_sales, faint

BLOCK = 1024  # rows whose similarities are dense at one time


def keep_strongest(table: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """Keep the k largest positive entries of each row: (R, C) sparse -> (R, C) with at most k entries a row.

    Works through dense blocks of rows: memory 4 bytes x BLOCK x C beside the result.
    """
    k = min(k, table.shape[1])
    parts = []
    for start in range(0, table.shape[0], BLOCK):
        dense = table[start : start + BLOCK].toarray()
        values, best = (found.numpy() for found in torch.from_numpy(dense).topk(k, sorted=False))
        rows = np.broadcast_to(np.arange(len(dense))[:, None], best.shape)
        real = values > 0
        parts.append(sparse.csr_matrix((values[real], (rows[real], best[real])), dense.shape, dtype=np.float32))
    return sparse.vstack(parts).tocsr()


def strongest_links(left: sparse.csr_matrix, right: sparse.csr_matrix, k: int, *, itself: bool) -> sparse.csr_matrix:
    """Multiply (N, R) by (R, N) and keep each row's k largest entries, a block of rows at a time, so N² never exists.

    itself: whether an item may be its own neighbour
    """
    parts = []
    for start in range(0, left.shape[0], BLOCK):
        block = (left[start : start + BLOCK] @ right).tocsr()
        if not itself:
            rows = np.arange(block.shape[0])
            block = block - sparse.csr_matrix((block[rows, rows + start].A1, (rows, rows + start)), block.shape)
        parts.append(keep_strongest(block, k))
    return sparse.vstack(parts).tocsr()


class _ItemToItem:
    """Scores by a sparse item-to-item table: each recent item votes for its neighbours. Memory: 8 bytes x N x k."""

    links: sparse.csr_matrix
    popularity: NDArray[np.float32]

    def __init__(self, half_life_days: float, k: int, name: str) -> None:
        self.half_life_days, self.k, self.name = half_life_days, k, name

    def votes(self, histories: Histories) -> sparse.csr_matrix:
        """Let the decayed history vote: B histories -> (B, N) sparse, 0 or more."""
        decayed = histories.matrix(self.links.shape[0], histories.weights(self.half_life_days))
        return (decayed @ self.links).tocsr()

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Rank by votes: B histories -> (B, N); popularity orders what nobody votes for."""
        scores: NDArray[np.float32] = self.votes(histories).toarray() + self.popularity
        scores[:, PAD] = -np.inf
        return scores


class ItemNeighbours(_ItemToItem):
    """Items are alike when the same users had them: cosine of their columns (Sarwar et al. 2001)."""

    def __init__(self, half_life_days: float = 60, k: int = 200, name: str = "Item neighbours") -> None:
        super().__init__(half_life_days, k, name)

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Compare all pairs of items, a block of rows at a time; an item is no neighbour of itself."""
        self._users: list[Any] = []
        self._had, self._sold = sparse.csr_matrix((0, len(catalog)), dtype=np.float32), np.zeros(0, np.int64)
        return self.update(histories, catalog)

    def update(self, newer: Histories, catalog: Catalog) -> Self:
        """Add new pairs of user and item, which gives what `fit` gives on all events. Kept: 8 bytes per distinct pair.

        A buyer more turns an item's column, and with it every cosine that the item is in: the table is made anew, which
        takes as long as in `fit`.
        """
        self._users = list(dict.fromkeys([*self._users, *newer.users]))
        place = {user: b for b, user in enumerate(self._users)}
        self._had.resize(len(place), len(catalog))
        pairs = newer.matrix(len(catalog)).tocoo()
        rows = np.array([place[user] for user in newer.users], np.int64)[pairs.row]
        self._had = self._had + sparse.csr_matrix((pairs.data, (rows, pairs.col)), self._had.shape)
        self._had.data[:] = 1
        columns = normalize(self._had, axis=0).tocsr()  # (B, N)
        self.links = strongest_links(columns.T.tocsr(), columns, self.k, itself=False)
        self._sold = add_sales(self._sold, newer, len(catalog))
        self.popularity = faint(self._sold)
        return self


class Transitions(_ItemToItem):
    """What follows what: pairs of items in visits up to `reach` apart, a pair weighing 1/distance; items repeat."""

    def __init__(
        self, half_life_days: float = 30, reach: int = 5, damping: float = 0.5, k: int = 200, name: str = "Transitions"
    ) -> None:
        super().__init__(half_life_days, k, name)
        self.reach, self.damping = reach, damping

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Count followers, divided by popularity to the power `damping` on both sides."""
        bought, later = followed(histories, len(catalog), self.reach)
        sold = np.bincount(histories.items, minlength=len(catalog))
        bought = (bought @ damped(sold, self.damping)).tocsr()
        self.links = strongest_links(bought.T.tocsr(), (later @ bought).tocsr(), self.k, itself=True)
        self.popularity = faint(sold)
        return self


def followed(histories: Histories, n_items: int, reach: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Say what each visit held, (V, N), and which visits follow it within reach, (V, V), with weight 1/distance."""
    visited = visits(histories)
    n_visits = len(visited.starts) - 1
    owner = np.repeat(np.arange(len(histories)), np.diff(visited.offsets))
    visit_of = np.repeat(np.arange(n_visits), np.diff(visited.starts))
    ones = np.ones(len(histories.items), np.float32)
    bought = sparse.csr_matrix((ones, (visit_of, histories.items)), (n_visits, n_items))
    later = sparse.csr_matrix((n_visits, n_visits), dtype=np.float32)
    for step in range(1, min(reach, n_visits - 1) + 1):
        same = np.flatnonzero(owner[step:] == owner[:-step])
        weight = np.full(len(same), 1 / step, np.float32)
        later = later + sparse.csr_matrix((weight, (same, same + step)), later.shape)
    return bought, later


def damped(sold: NDArray[np.int64], damping: float) -> sparse.dia_matrix:
    """Scale each item by its sales to the power -damping: (N,) events -> (N, N) diagonal.

    Raises ValueError for a damping that is no number from 0 up.
    """
    if not 0 <= damping < np.inf:
        raise ValueError(f"damping = {damping!r} must be a number from 0 up")
    return sparse.diags(np.maximum(sold, 1).astype(np.float32) ** -np.float32(damping))


class UserNeighbours:
    """What people with a like basket bought lately: cosine of decayed histories, the k nearest vote."""

    def __init__(self, half_life_days: float = 60, k: int = 100, name: str = "User neighbours") -> None:
        self.half_life_days, self.k, self.name = half_life_days, k, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Keep everybody's profile. Memory: 8 bytes per distinct user-item pair."""
        self.n_items = len(catalog)
        self.profiles = self._profile(histories)
        self.liked = self.profiles.copy()
        self.liked.data = -np.expm1(-self.liked.data)  # buying ten times is not ten votes
        self.place = {user: b for b, user in enumerate(histories.users)}
        self.popularity = faint(np.bincount(histories.items, minlength=self.n_items))
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Ask the nearest users, oneself excepted: B histories -> (B, N)."""
        if not len(histories):
            return np.empty((0, self.n_items), np.float32)
        alike = (normalize(self._profile(histories)) @ normalize(self.profiles).T).tocoo()
        oneself = np.array([self.place.get(user, -1) for user in histories.users])
        other = alike.col != oneself[alike.row]
        alike = sparse.csr_matrix((alike.data[other], (alike.row[other], alike.col[other])), alike.shape)
        near = normalize(keep_strongest(alike, self.k), norm="l1")
        scores: NDArray[np.float32] = (near @ self.liked).toarray() + self.popularity
        scores[:, PAD] = -np.inf
        return scores

    def _profile(self, histories: Histories) -> sparse.csr_matrix:
        table = histories.matrix(self.n_items, histories.weights(self.half_life_days) / np.float32(5))
        table.data = np.log1p(table.data)
        return table
