"""What a list may hold beside the best: a request's wishes, and the choice of k places that fulfils them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import numpy as np

from recolab.feedback import INTERLEAVING, Draw, Policy, Shown
from recolab.histories.packed import SECONDS_PER_DAY
from recolab.live.ids import plain
from recolab.live.opinions import Floats, Ints, largest
from recolab.live.sessions import Session
from recolab.rerank import best_of, dpp, mmr, take_best
from recolab.schema import KINDS, PURCHASE

POOL = 100  # best items among which variety is looked for
_CHOOSE = {"mmr": mmr, "dpp": dpp}


@dataclass(frozen=True)
class Wish:
    """What one request asks beside `Rules`: whether things may come back, and variety.

    not_seen_days: nothing that was seen in so many days    not_bought_days: nothing that was bought in so many days; infinitely
    many, as here, make a list of what is new, 0 lets all come back    most_per_category: places for one category    variety: 0, the
    order of the scores, to below 1    by: how variety is weighed
    """

    not_seen_days: float | None = None
    not_bought_days: float = math.inf
    most_per_category: int | None = None
    variety: float = 0.0
    by: Literal["mmr", "dpp"] = "mmr"

    @property
    def again(self) -> bool:
        """Whether something may stand there that was bought before: voices are weighed for that question."""
        return self.not_bought_days < math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.variety < 1:
            raise ValueError(f"variety = {self.variety!r} must be from 0 to below 1")
        if self.by not in _CHOOSE:
            raise ValueError(f"by = {self.by!r} must be one of {', '.join(_CHOOSE)}")
        if self.not_seen_days is not None and not self.not_seen_days >= 0:
            raise ValueError(f"not_seen_days = {self.not_seen_days!r} must be 0 or more")
        if self.not_bought_days is None or not self.not_bought_days >= 0:
            raise ValueError(
                f"not_bought_days = {self.not_bought_days!r} must be 0 or more; infinite, nothing comes back"
            )
        if self.most_per_category is not None and self.most_per_category < 1:
            raise ValueError(f"most_per_category = {self.most_per_category!r} must be 1 or more")


@dataclass(frozen=True)
class Pick:
    """One place of a list: a raw item id, its score, how much of it each voice said, and its chance to stand here.

    propensity: given the places above; 1 where nothing is tried
    """

    item: Any
    score: float
    shares: dict[str, float]
    propensity: float = 1.0


@dataclass(frozen=True)
class Card:
    """What a shopper is shown of an item: its title (its id where it has none), and what the shelf knows; None where it does not."""

    item: Any
    title: str
    category: str | None
    price: float | None
    stock: float | None


def not_again(session: Session, wish: Wish, now: int) -> Ints:
    """Find the rows of what this shopper did that shall not come back."""
    seen, _ = session.since(now - (wish.not_seen_days or 0) * SECONDS_PER_DAY)
    items, kinds = session.since(now - wish.not_bought_days * SECONDS_PER_DAY)
    return np.concatenate([seen, items[kinds == KINDS.index(PURCHASE)]]).astype(np.int64)


def choose(
    scores: Floats,
    rows: Ints,
    exactly: Callable[[Ints], Floats],
    vectors: Floats,
    groups: Ints,
    k: int,
    wish: Wish,
    draw: Draw | None = None,
) -> tuple[Ints, Floats, list[float]]:
    """Take k of C candidates; where categories are capped, look further down until the list is full or all was asked.

    scores: (C,), nearly what they are worth, -inf for what may not be shown    rows: (C,) of the catalog, rising    exactly: what
    some rows are worth, by which those that look best are ranked    vectors: (N, D) of length 1    groups: (N,) categories
    draw: tries something among the best `POOL`, by relevance from 0 to 1  ->  rows in order, what each is worth, and the chance
    of each given those before it
    """
    pool = max(POOL, 2 * k)
    while True:
        best = np.sort(rows[largest(scores, pool)])
        worth = exactly(best)
        order = np.argsort(-worth, kind="stable")  # ties by row
        best, worth = best[order], worth[order]
        if draw is None and not wish.variety and wish.most_per_category is None:  # the order of the scores is the list
            return best[:k], worth[:k], [1.0] * len(best[:k])
        of_best = np.where(groups[best] > 0, groups[best], -best)  # an unknown category is no category in common
        if draw is not None:
            draw.propensities.clear()
        if draw is None and not wish.variety:
            places = take_best(worth, k, of_best, wish.most_per_category)
        else:
            varied, choice = _CHOOSE[wish.by], draw or best_of
            places = varied(worth, vectors[best], k, 1 - wish.variety, of_best, wish.most_per_category, choice)
        if len(places) == k or len(best) < pool:  # how many can be filled is no matter of what was drawn
            return best[places], worth[places], list(draw.propensities) if draw else [1.0] * len(places)
        pool = 4 * pool


def as_shown(
    user: int | str, at: datetime, picks: list[Pick], policy: Policy | str | None, versions: list[str]
) -> Shown:
    """Write a list as the impression log has it: nobody knows how probable a place of a mixed list was."""
    policy = "best" if policy is None else str(policy)
    chances = [None if policy == INTERLEAVING else pick.propensity for pick in picks]
    return Shown(
        user, at, [plain(pick.item) for pick in picks], [pick.score for pick in picks], chances, policy, versions
    )
