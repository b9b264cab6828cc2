"""The closed loop: day after day the same shoppers come to a shop under each policy, and what they did is what it learns from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from recolab.loop.days import Diary, Policy, Values, spend_day
from recolab.loop.shoppers import Shoppers, drifted
from recolab.metrics import coverage, entropy_bits, gini, overlap
from recolab.sources.shop_catalogue import Floats, Ints

TOP_SHARE = 0.01  # of the items, the most shown ones


@dataclass
class Branch:
    """One policy's shop: its shoppers' tastes as they have drifted, and its log."""

    policy: Policy
    taste: Floats
    log: list[pl.DataFrame]


def run_loop(shoppers: Shoppers, policies: Iterable[Policy]) -> pl.DataFrame:
    """Run a shop for each policy over the same days, with the same shoppers and the same luck  ->  a row a day and policy."""
    branches = [Branch(policy, shoppers.crowd.taste, [shoppers.past()]) for policy in policies]
    for branch in branches:
        branch.policy.learn(branch.log[0], pl.DataFrame(), shoppers.midnight(0))
    rows = []
    for day, pages in enumerate(shoppers.days(), start=1):
        for branch in branches if len(pages.user) else ():  # a day on which nobody comes teaches nothing
            diary = spend_day(shoppers, branch.taste, pages, branch.policy)
            branch.taste = drifted(branch.taste, diary.clicks_by(shoppers))
            branch.log.append(shoppers.log(diary.opened))
            branch.policy.learn(pl.concat(branch.log), diary.shown(shoppers), shoppers.midnight(day))
            head = {"policy": branch.policy.name, "seed": shoppers.config.seed, "day": day}
            rows.append(head | measure(shoppers, branch.taste, diary))
    return pl.DataFrame(rows)


def measure(shoppers: Shoppers, taste: Floats, diary: Diary) -> dict[str, float]:
    """Sum a day up: expected values by list, how the exposure was shared, and how narrow and how alike lists have become.

    ->  lists of the day; by list: clicks, purchases, regret (purchases below the best list), given_up (purchases, for trying);
    click_satisfaction and satisfaction, the mean liking of what is clicked and bought; coverage, gini and top_share of the exposure;
    shown_bits, the categories of a visit; alike, the items that two visits share; taste_bits, the shoppers' tastes at the day's end
    """
    n_items, values = len(shoppers.shelf), Values(*(column.mean() for column in diary.values))
    exposures = np.sort(np.bincount(diary.lists.ravel(), minlength=n_items))[::-1]
    return {
        "lists": len(diary.lists),
        "clicks": float(values.clicks),
        "purchases": float(values.purchases),
        "regret": float(values.best - values.purchases),
        "given_up": float(values.given_up),
        "click_satisfaction": float(values.liked_clicks / values.clicks),
        "satisfaction": float(values.liked_purchases / values.purchases),
        "coverage": coverage(diary.lists, n_items),
        "gini": gini(exposures),
        "top_share": exposures[: max(round(TOP_SHARE * n_items), 1)].sum() / exposures.sum(),
        "shown_bits": float(entropy_bits(_by_visit(diary, shoppers.shelf.category[diary.lists])).mean()),
        "alike": overlap(_by_visit(diary, diary.lists) > 0),
        "taste_bits": float(entropy_bits(taste).mean()),
    }


def _by_visit(diary: Diary, shown: Ints) -> Ints:
    """Count in each visit what was shown: (L, K) numbers from 0 -> (visits, numbers)."""
    counts = np.zeros((int(diary.visit.max()) + 1, int(shown.max()) + 1), np.int64)
    np.add.at(counts, (diary.visit[:, None], shown), 1)
    return counts
