"""Why an item stands on a list: what was done without which it would lose most of its score."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from recolab.histories import PAD
from recolab.live.opinions import Floats, Ints
from recolab.live.sessions import Session

if TYPE_CHECKING:
    from recolab.live.recommender import LiveRecommender

EXPLAINED = 20  # newest items of a session that may be named as a reason
DEEP = 1000  # places of a list on which an item is looked for again


def what_holds_up(session: Session, rows: Ints, scores: Callable[[Session], Floats]) -> list[int]:
    """Name for each of R rows the item of the session without which it would lose most; PAD where none holds it up.

    True by construction: each of the newest items is taken out in turn, once for all rows, and the scores are asked again.
    scores: what a session makes of the rows, (R,)  ->  R rows
    """
    taken_out = list(dict.fromkeys(session.items[::-1][:EXPLAINED].tolist()))
    if not taken_out or not len(rows):
        return [PAD] * len(rows)
    whole = scores(session)
    lost = np.stack([whole - scores(session.without(row)) for row in taken_out])
    worst = lost.argmax(axis=0)  # of equals, the newest
    return [taken_out[out] if lost[out, place] > 0 else PAD for place, out in enumerate(worst)]


def places_lost(
    live: LiveRecommender, visits: Iterable[Sequence[Hashable]], k: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Take reasons at their word: how many places does an item lose without the one that is named, and how many without another?

    live: one that tries nothing    visits: items of strangers, oldest first    k: places of their lists  ->  for each place with a reason, columns named and other:
    places lost without the item that is named and without another of the visit, drawn; what leaves the best `DEEP` has lost so many
    """
    rows = []
    for visit in visits:
        items = list(dict.fromkeys(visit))
        listed = [pick.item for pick in live.recommend_for(items, k)]
        for place, (item, why) in enumerate(zip(listed, live.reasons_for(items, listed), strict=True)):
            others = [one for one in items if one not in (why, item) and live.knows(one)]
            if why is None or not others:
                continue
            taken_out = {"named": why, "other": others[rng.integers(len(others))]}
            lists = {
                name: live.recommend_for([one for one in items if one != out], DEEP) for name, out in taken_out.items()
            }
            rows.append({name: _place_of(item, [pick.item for pick in one]) - place for name, one in lists.items()})
    return pl.DataFrame(rows, schema={"named": pl.Int64, "other": pl.Int64})


def _place_of(item: Hashable, listed: Sequence[Hashable]) -> int:
    return listed.index(item) if item in listed else len(listed)
