"""A challenger on trial: shoppers choose between two recommenders on one list, without knowing that they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from recolab.feedback import CHAMPION, team_draft
from recolab.live.ids import of_type
from recolab.live.lists import Pick, Wish
from recolab.live.recommender import LiveRecommender
from recolab.rerank import Rules


@dataclass
class Trial:
    """A challenger that answers beside the champion; whose version it is stands at each place in the impression log."""

    challenger: LiveRecommender
    version: str
    rng: np.random.Generator

    def answer(
        self,
        live: LiveRecommender,
        picks: list[Pick],
        user: int | str,
        k: int,
        rules: Rules | None,
        wish: Wish | None,
        at: datetime | None,
    ) -> tuple[list[Pick], list[int]]:
        """Mix a champion's picks with those of the challenger for the same shopper  ->  as `mixed`."""
        theirs = self.challenger.recommend(of_type(user, self.challenger.user_type), k, rules, wish, at)
        groups = {pick.item: self.challenger.group(pick.item) for pick in theirs}
        groups |= {pick.item: live.group(pick.item) for pick in picks}
        return self.mixed(picks, theirs, k, groups, wish.most_per_category if wish else None)

    def mixed(
        self,
        champion: Sequence[Pick],
        challenger: Sequence[Pick],
        k: int,
        groups: dict[object, Hashable],
        most: int | None,
    ) -> tuple[list[Pick], list[int]]:
        """Let the two pick in turns (`team_draft`)  ->  at most k places, and the team that brought each.

        groups: each item's category, at most `most` places for one
        """
        ours, theirs = ({pick.item: pick for pick in side} for side in (champion, challenger))
        items = list(theirs | ours)
        number = {item: place for place, item in enumerate(items)}
        first, second = (np.array([number[item] for item in side], np.int64) for side in (ours, theirs))
        group_of = [groups[item] for item in items]
        room = sum(count if most is None else min(count, most) for count in Counter(group_of).values())
        drawn = team_draft(first, second, min(k, room), self.rng, group_of, most)
        teams: list[int] = drawn.teams.tolist()
        picked = [(items[place], team) for place, team in zip(drawn.items.tolist(), teams, strict=True)]
        return [(ours if team == CHAMPION else theirs)[item] for item, team in picked], teams


class Seats(NamedTuple):
    """Who answers, under which name, and who is on trial beside it."""

    live: LiveRecommender
    version: str
    trial: Trial | None
