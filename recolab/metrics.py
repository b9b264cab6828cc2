"""Count hits: where the wanted items stand in a ranking, and what that place is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float32]
RESAMPLED_AT_ONCE = 1_000_000  # draws held in memory by the bootstrap
_FEW_WANTED = 4  # items a history: so many are counted sooner than a top-k is found


def top_k(scores: Floats, k: int) -> NDArray[np.int64]:
    """List the k best rows of each history, best first, ties by row: (B, N) -> (B, min(k, N))."""
    k = min(k, scores.shape[1])
    values, rows = _best(scores, k + 1)
    best, gate = rows[:, :k].copy(), values[:, k - 1]
    # Any of the items that tie at the gate may have been taken; the first rows shall win: a list is reproducible.
    for b in np.flatnonzero(values[:, k:].max(1, initial=-np.inf) == gate):
        above = np.flatnonzero(scores[b] > gate[b])
        best[b] = np.concatenate([above, np.flatnonzero(scores[b] == gate[b])[: k - len(above)]])
    best.sort(axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
    return np.take_along_axis(best, order, 1)


def ranks_within(scores: Floats, wanted: sparse.csr_matrix, k: int) -> NDArray[np.float64]:
    """Rank the wanted items; equal scores share their mean rank, so that a constant score wins nothing.

    scores: (B, N)    wanted: (B, N) sparse, M entries  ->  (M,) ranks from 1 in the order of `wanted`, inf beyond k
    """
    owners = np.repeat(np.arange(len(scores)), np.diff(wanted.indptr))
    own = scores[owners, wanted.indices]
    k = min(k, scores.shape[1])
    near = np.flatnonzero(np.isfinite(own))
    if len(own) > _FEW_WANTED * len(scores):
        gate = _best(scores, k)[0][:, -1]  # the k-th best score of each history
        near = near[own[near] >= gate[owners[near]]]
    else:
        _refuse_nan(_largest(scores))
    ranks = np.full(len(own), np.inf)
    for m in near:
        row = scores[owners[m]]
        better = np.count_nonzero(row > own[m])
        if better < k:
            ranks[m] = better + (np.count_nonzero(row == own[m]) + 1) / 2
    ranks[ranks > k] = np.inf
    return ranks


def hits_table(scores: Floats, wanted: sparse.csr_matrix, k: int) -> dict[str, NDArray[np.float64]]:
    """Measure every history's list of length k against what was wanted.

    scores: (B, N)    wanted: (B, N) sparse 0/1, at least one entry a row
    ->  name -> (B,): hr (any hit), recall (hits over min(k, wanted)), ndcg (gain 1 per item, ideal = the first
    min(k, wanted) places; Järvelin & Kekäläinen 2002) and mrr (one over the best rank)
    """
    ranks = ranks_within(scores, wanted, k)
    owners = np.repeat(np.arange(len(scores)), np.diff(wanted.indptr))
    hit = np.isfinite(ranks)
    reachable = np.minimum(np.diff(wanted.indptr), k)
    ideal = np.cumsum(1 / np.log2(np.arange(2, k + 2)))[reachable - 1]
    n_hits = np.bincount(owners[hit], minlength=len(scores))
    gain = np.bincount(owners, weights=1 / np.log2(1 + ranks), minlength=len(scores))
    best = np.full(len(scores), np.inf)
    np.minimum.at(best, owners, ranks)
    return {
        f"hr@{k}": (n_hits > 0).astype(np.float64),
        f"recall@{k}": n_hits / reachable,
        f"ndcg@{k}": gain / ideal,
        f"mrr@{k}": 1 / best,
    }


def _best(scores: Floats, k: int) -> tuple[Floats, NDArray[np.int64]]:
    """Find the k largest scores of each row and where they stand; torch's top-k is ten times numpy's partition."""
    values, rows = (found.numpy() for found in _tensor(scores).topk(min(k, scores.shape[1])))
    _refuse_nan(values[:, :1])  # to torch, NaN is the largest of all
    return values, rows


def _largest(scores: Floats) -> Floats:
    """Find the largest score of each row, NaN where any is: (B, N) -> (B,); torch asks all cores."""
    largest: Floats = _tensor(scores).amax(1).numpy()
    return largest


def _tensor(scores: Floats) -> Tensor:
    """Show a table to torch, copied only where it is not laid out as torch wants it or may not be written."""
    import torch  # noqa: PLC0415  (two seconds that only judging pays, not who serves)

    return torch.from_numpy(np.require(scores, requirements=["C", "W"]))


def _refuse_nan(largest: Floats) -> None:
    """Raise FloatingPointError if the largest score of a history is NaN, as it is where any of its scores is."""
    if lost := np.isnan(largest).sum():
        raise FloatingPointError(f"{lost} of {len(largest)} histories have a score that is not a number")


def coverage(lists: NDArray[np.int64], n_items: int) -> float:
    """Share of the catalog that is ever shown: lists (B, K) of rows, n_items without PAD."""
    return len(np.unique(lists)) / n_items


def diversity(lists: NDArray[np.int64], vectors: Floats) -> float:
    """Mean distance, 1 - cosine, between two items of one list: lists (B, K) of rows, vectors (N, D) of length 1.

    ->  0 where a list repeats one thing (intra-list distance, Ziegler et al. 2005)
    """
    k, whole = lists.shape[1], vectors[lists].sum(1)  # (B, D): |Σ v|² holds each pair twice, and each item with itself
    alike = ((whole**2).sum(1) - k) / (k * (k - 1))
    return float(1 - alike.mean())


def novelty(lists: NDArray[np.int64], popularity: Floats) -> float:
    """Mean surprise of the shown items in bits, -log2 of each item's share of events: lists (B, K), popularity (N,)."""
    share = popularity / popularity.sum()
    return float(-np.log2(np.maximum(share[lists], 1e-12)).mean())


def gini(counts: NDArray[np.int64]) -> float:
    """Say how unequally N items are shown: 0 where all alike, 1 - 1/N where one has all; counts (N,) (Gini 1912).

    Raises ValueError where nothing was counted.
    """
    if not counts.sum() > 0:
        raise ValueError("nothing was shown, so nobody had more of it than others")
    n = len(counts)
    return float(2 * (np.arange(1, n + 1) * np.sort(counts)).sum() / (n * counts.sum()) - (n + 1) / n)


def entropy_bits(counts: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Say how mixed each row of counts or shares is, in bits: (B, C) -> (B,), 0 where one column has all (Shannon 1948)."""
    shares = counts / counts.sum(1, keepdims=True)
    return np.asarray(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(1))


def overlap(shown: NDArray[np.bool_]) -> float:
    """Say how alike what two visitors were shown is: the mean Jaccard index of two rows of B, (B, N) (Chaney et al. 2018).

    ->  1 where all saw the same, 0 where no two saw one thing; NaN for less than two rows
    """
    rows = shown.astype(np.float64)
    sizes, both = rows.sum(1), rows @ rows.T
    one, other = np.triu_indices(len(rows), 1)
    if not len(one):
        return float("nan")
    return float((both[one, other] / (sizes[one] + sizes[other] - both[one, other])).mean())


def bootstrap_interval(
    values: NDArray[np.float64], rng: np.random.Generator, level: float = 0.95, rounds: int = 2000
) -> tuple[float, float]:
    """Bound the mean by resampling histories: (B,) -> the two ends of the percentile interval (Efron 1979)."""
    low, high = bootstrap_intervals(values[:, None], rng, level, rounds)[0]
    return float(low), float(high)


def bootstrap_intervals(
    values: NDArray[np.float64], rng: np.random.Generator, level: float = 0.95, rounds: int = 2000
) -> NDArray[np.float64]:
    """Bound several means at once, by the same draws of histories: (B, M) -> (M, 2)."""
    ends: NDArray[np.float64] = np.quantile(
        resampled_means(values, rng, rounds), [(1 - level) / 2, (1 + level) / 2], axis=0
    ).T
    return ends


def resampled_means(values: NDArray[np.float64], rng: np.random.Generator, rounds: int = 2000) -> NDArray[np.float64]:
    """Average over histories drawn anew with return, the same draw for all columns: (B,) or (B, M) -> (rounds,) or (rounds, M)."""
    n, means = len(values), []
    at_once = max(RESAMPLED_AT_ONCE // n, 1)
    for start in range(0, rounds, at_once):
        drawn = rng.integers(n, size=(min(at_once, rounds - start), n), dtype=np.int32)
        times = np.stack([np.bincount(one, minlength=n) for one in drawn])  # faster than to draw how often each comes
        means.append(times @ values / n)
    return np.concatenate(means)
