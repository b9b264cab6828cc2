"""What a list may hold beside the best: a request's wishes, and the choice of k places that fulfils them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recolab.live.opinions import Floats, Ints, largest
from recolab.rerank import dpp, mmr, take_best

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


def choose(scores: Floats, rows: Ints, vectors: Floats, groups: Ints, k: int, wish: Wish) -> Ints:
    """Take k of C candidates; where categories are capped, look further down until the list is full or all was asked.

    scores: (C,), -inf for what may not be shown    rows: (C,) of the catalog    vectors: (N, D) of length 1    groups: (N,)
    categories  ->  places among the candidates, in order
    """
    pool = max(POOL, 2 * k)
    while True:
        best = largest(scores, pool)
        shown = rows[best]
        of_shown = np.where(groups[shown] > 0, groups[shown], -shown)  # an unknown category is no category in common
        if wish.variety:
            varied, weight = _CHOOSE[wish.by], 1 - wish.variety
            places = varied(scores[best], vectors[shown], k, weight, of_shown, wish.most_per_category)
        else:
            places = take_best(scores[best], k, of_shown, wish.most_per_category)
        if len(places) == k or len(best) < pool:
            taken: Ints = best[places]
            return taken
        pool = 4 * pool
