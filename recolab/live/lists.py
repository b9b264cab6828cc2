"""What a list may hold beside the best: a request's wishes, and the choice of k places that fulfils them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recolab.rerank import dpp, mmr, take_best

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
POOL = 100  # best items among which variety is looked for
_CHOOSE = {"mmr": mmr, "dpp": dpp}


@dataclass(frozen=True)
class Wish:
    """What one request asks beside `Rules`: nothing seen or bought in so many days again, and variety.

    most_per_category: places for one category    variety: 0, the order of the scores, to below 1    by: how variety is weighed
    """

    not_seen_days: float | None = None
    not_bought_days: float | None = None
    most_per_category: int | None = None
    variety: float = 0.0
    by: Literal["mmr", "dpp"] = "mmr"

    def __post_init__(self) -> None:
        if not 0 <= self.variety < 1:
            raise ValueError(f"variety = {self.variety!r} must be from 0 to below 1")
        if self.by not in _CHOOSE:
            raise ValueError(f"by = {self.by!r} must be one of {', '.join(_CHOOSE)}")
        for name in ("not_seen_days", "not_bought_days"):
            days = getattr(self, name)
            if days is not None and not days >= 0:
                raise ValueError(f"{name} = {days!r} must be 0 or more")
        if self.most_per_category is not None and self.most_per_category < 1:
            raise ValueError(f"most_per_category = {self.most_per_category!r} must be 1 or more")


@dataclass(frozen=True)
class Pick:
    """One place of a list: a raw item id, its score, and how much of it each voice said."""

    item: Any
    score: float
    shares: dict[str, float]


@dataclass(frozen=True)
class Card:
    """What a shopper is shown of an item: its title (its id where it has none), and what the shelf knows; None where it does not."""

    item: Any
    title: str
    category: str | None
    price: float | None
    stock: float | None


def choose(scores: Floats, vectors: Floats, groups: Ints, k: int, wish: Wish) -> Ints:
    """Take k of N items; where categories are capped, look further down until the list is full or all was asked.

    scores: (N,), -inf for what may not be shown    vectors: (N, D) of length 1    groups: (N,) categories  ->  rows, in order
    """
    pool = min(max(POOL, 2 * k), len(scores) - 1)
    while True:
        rows = largest(scores, pool)
        rows = rows[np.isfinite(scores[rows])]
        of_rows = np.where(groups[rows] > 0, groups[rows], -rows)  # an unknown category is no category in common
        if wish.variety:
            varied, weight = _CHOOSE[wish.by], 1 - wish.variety
            places = varied(scores[rows], vectors[rows], k, weight, of_rows, wish.most_per_category)
        else:
            places = take_best(scores[rows], k, of_rows, wish.most_per_category)
        if len(places) == k or pool >= len(scores) - 1 or len(rows) < pool:
            taken: Ints = rows[places]
            return taken
        pool = min(4 * pool, len(scores) - 1)


def largest(scores: Floats, n: int) -> NDArray[np.int64]:
    """Find the n largest, best first, ties by row: (N,) -> (n,)."""
    rows = np.sort(np.argpartition(scores, len(scores) - n)[len(scores) - n :])
    found: NDArray[np.int64] = rows[np.argsort(-scores[rows], kind="stable")]
    return found
