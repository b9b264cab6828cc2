"""Why an item stands on a list: what was done without which it would lose most of its score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recolab.histories import PAD
from recolab.live.opinions import Floats, Ints
from recolab.live.sessions import Session

EXPLAINED = 20  # newest items of a session that may be named as a reason


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
