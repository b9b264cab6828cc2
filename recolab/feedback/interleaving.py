"""Two rankers on one list: shoppers choose between them without knowing that they do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recolab.feedback.estimates import Estimate, Interval, Normal, estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CHAMPION, CHALLENGER = -1, 1
INTERLEAVING = "interleaving"  # what an impression log calls the policy of a list of both
_NORMAL = Normal()


class Interleaved(NamedTuple):
    """A list (k,) and the team (k,) that brought each item, CHAMPION or CHALLENGER."""

    items: Ints
    teams: Ints


def team_draft(
    champion: Ints,
    challenger: Ints,
    k: int,
    rng: np.random.Generator,
    groups: Sequence[Hashable] | None = None,
    most: int | None = None,
) -> Interleaved:
    """Let two rankers pick in turns what stands highest in their order and is still free (Radlinski, Kurup & Joachims 2008).

    Each round a coin says who picks first, so neither has the better places. champion, challenger: items, best first
    groups: of each item, at most `most` of one
    Raises ValueError where the two together cannot fill k places.
    """
    orders = {CHAMPION: iter(dict.fromkeys(champion.tolist())), CHALLENGER: iter(dict.fromkeys(challenger.tolist()))}
    listed, teams, count = dict[int, None](), list[int](), Counter[Hashable]()

    def is_open(item: int) -> bool:
        return item not in listed and (most is None or groups is None or count[groups[item]] < most)

    while len(listed) < k:
        length = len(listed)
        for team in rng.permutation(list(orders)).tolist():
            pick = next(filter(is_open, orders[team]), None) if len(listed) < k else None
            if pick is not None:
                listed[pick] = None
                teams.append(team)
                count.update([groups[pick]] if groups is not None else [])
        if len(listed) == length:
            raise ValueError(f"the two orders fill {length} places together, the list needs {k}")
    return Interleaved(np.array(list(listed), np.int64), np.array(teams, np.int64))


def interleaved_wins(rewards: Floats, teams: Ints) -> Floats:
    """Say who won each list: rewards (n, K), teams (n, K) -> (n,) 1 for the challenger, -1 for the champion, 0 for a tie."""
    wins: Floats = np.sign((np.asarray(rewards, np.float64) * teams).sum(1))
    return wins


def interleaving_preference(rewards: Floats, teams: Ints, interval: Interval = _NORMAL) -> Estimate:
    """Average the wins: the challenger's less the champion's, as a share of all lists (2 Δ_AB of Chapelle et al. 2012).

    rewards, teams: (n, K)  ->  from -1 to 1, 0 where shoppers do not care
    """
    wins = interleaved_wins(rewards, teams)
    return estimate(wins, np.ones(len(wins)), interval)
