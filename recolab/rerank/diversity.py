"""Lists that do not repeat themselves: greedy choices that weigh an item's score against what already stands on the list."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
_NOTHING_NEW = 1e-9  # a share of variance so small that the list has said it all
# What comes next, from what each candidate would gain the list, -inf where it may not stand there: (C,) -> a place.
Choice = Callable[[Floats], int]


def best_of(gains: Floats) -> int:
    """Choose what gains most."""
    return int(gains.argmax())


def take_best(
    scores: Floats, k: int, groups: Ints | None = None, most: int | None = None, choice: Choice = best_of
) -> Ints:
    """Take the k best of C candidates, at most `most` of one group: scores (C,), groups (C,) -> places, best first."""
    return _pick(k, scores, lambda _: scores, groups, most, choice)


def mmr(
    scores: Floats,
    vectors: Floats,
    k: int,
    weight: float = 0.7,
    groups: Ints | None = None,
    most: int | None = None,
    choice: Choice = best_of,
) -> Ints:
    """Choose k of C candidates by maximal marginal relevance: weight · relevance - (1 - weight) · nearest cosine on the list.

    scores: (C,), relevance is their place between the least and the largest    vectors: (C, D) of length 1    groups: (C,),
    at most `most` of one group    choice: a policy may try something else than the best  ->  places in the order chosen
    (Carbonell & Goldstein 1998)
    Raises ValueError for a weight that is not from 0 to 1.
    """
    relevance, nearest = weight * _relevance(scores, weight), np.full(len(scores), -np.inf, np.float32)
    cosines = (1 - weight) * (vectors @ vectors.T)  # of the pool, at once: k products one by one take longer

    def gains(chosen: int) -> Floats:
        np.maximum(nearest, cosines[chosen], out=nearest)
        gain: Floats = relevance - nearest
        return gain

    return _pick(k, relevance, gains, groups, most, choice)


def dpp(
    scores: Floats,
    vectors: Floats,
    k: int,
    weight: float = 0.7,
    groups: Ints | None = None,
    most: int | None = None,
    choice: Choice = best_of,
) -> Ints:
    """Choose k of C candidates whose determinant is greatest, one by one: the likeliest list of a determinantal point process.

    The kernel is q_i q_j cos(i, j) with q = exp(weight / (2 (1 - weight)) · relevance); a step costs C x (D + k), as the Cholesky
    factor grows by a row (Chen et al. 2018, alg. 1). Where nothing new is left, the best scores follow.
    scores, vectors, groups, most, choice  ->  places, as in `mmr`; a weight of 1 is the order of the scores
    """
    relevance = _relevance(scores, weight)
    if weight == 1:
        return take_best(relevance, k, groups, most, choice)
    quality = np.exp(
        weight / (2 * (1 - weight)) * (relevance.astype(np.float64) - 1)
    )  # the best has 1: all q alike scaled
    left, factor = quality**2, np.zeros((k, len(scores)))  # what each would add; rows of the factor
    done = 0

    def gains(chosen: int) -> Floats:
        nonlocal done
        if left[chosen] > _NOTHING_NEW * quality[chosen] ** 2:
            row = quality * quality[chosen] * (vectors @ vectors[chosen]) - factor[:done, chosen] @ factor[:done]
            factor[done] = row / np.sqrt(left[chosen])
            np.maximum(left - factor[done] ** 2, 0, out=left)
            done += 1
        adds = left > _NOTHING_NEW * quality**2
        return np.where(adds, left, relevance - 2)  # below all that add something, in the order of the scores

    return _pick(k, left.copy(), gains, groups, most, choice)


def _relevance(scores: Floats, weight: float) -> Floats:
    if not 0 <= weight <= 1:
        raise ValueError(
            f"weight = {weight!r} must be from 0, where only variety counts, to 1, where only the score does"
        )
    least = scores.min(initial=np.inf)
    relevance: Floats = (scores - least) / max(scores.max(initial=-np.inf) - least, 1e-12)
    return relevance


def _pick(
    k: int,
    gains: Floats,
    after: Callable[[int], Floats],
    groups: Ints | None,
    most: int | None,
    choice: Choice,
) -> Ints:
    """Choose by what is gained again and again, asking for new gains after each choice; a full group is closed."""
    closed, chosen, count = np.zeros(len(gains), np.float32), list[int](), dict[int, int]()
    for _ in range(min(k, len(gains))):
        left = gains + closed
        if left.max() == -np.inf:
            break
        place = choice(left)
        chosen.append(place)
        closed[place] = -np.inf
        if groups is not None and most is not None:
            group = int(groups[place])
            count[group] = count.get(group, 0) + 1
            if count[group] >= most:
                closed[groups == group] = -np.inf
        gains = after(place)
    return np.array(chosen, np.int64)
