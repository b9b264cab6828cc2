"""The gate before a promotion: what the log of a trial has proven so far, however often one looks."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recolab.feedback.interleaving import CHALLENGER, CHAMPION, INTERLEAVING
from recolab.feedback.promoting import Decision, bernstein_sequence, judge_challenger
from recolab.feedback.reactions import WINDOW, join_reactions
from recolab.schema import LIST, MODEL, POLICY, TIME, VALUE


def judge_trial(
    impressions: pl.DataFrame,
    events: pl.DataFrame,
    champion: str,
    challenger: str,
    as_of: datetime,
    window: timedelta = WINDOW,
    alpha: float = 0.05,
) -> Decision:
    """Say whether a challenger is proven better by the lists that were mixed of the two; look as often as you like.

    A list counts when its window is over: before, what is still to come would change it. A win is decided by the weight of the
    strongest answer to each place (`join_reactions`), ties included.
    impressions: as of `read_impressions`    events: an Events table    as_of: naive UTC, what came later is not looked at
    ->  the decision, wrong with a probability of at most alpha over all looks
    Raises ValueError where no list of this trial is over.
    """
    wins = trial_wins(impressions, events, champion, challenger, as_of, window)
    if not len(wins):
        raise ValueError(
            f"no list of {champion!r} and {challenger!r} is older than {window} at {as_of}: wait for the first"
        )
    return judge_challenger(bernstein_sequence(wins, CHAMPION, CHALLENGER, alpha))


def trial_wins(
    impressions: pl.DataFrame,
    events: pl.DataFrame,
    champion: str,
    challenger: str,
    as_of: datetime,
    window: timedelta = WINDOW,
) -> NDArray[np.float64]:
    """Say who won each list of a trial, in the order in which they were shown: (n,) 1 the challenger, -1 the champion, 0 neither."""
    teams = {champion: CHAMPION, challenger: CHALLENGER}
    # Joined before anything is left out: an event that answers a newer list, of this trial or not, answers no older one.
    answered = join_reactions(impressions, events.filter(pl.col(TIME) <= as_of), window).impressions.filter(
        pl.col(POLICY) == INTERLEAVING,
        pl.col(TIME) <= as_of - window,
        # Both stand on a list of this trial, and nobody else: one of them alone may be of a trial against a third.
        (pl.col(MODEL).is_in(list(teams)).all() & (pl.col(MODEL).n_unique() == len(teams))).over(LIST),
    )
    team = pl.col(MODEL).replace_strict(teams, return_dtype=pl.Float64)
    lists = answered.group_by(LIST, maintain_order=True).agg((pl.col(VALUE) * team).sum().sign().alias("win"))
    wins: NDArray[np.float64] = lists["win"].to_numpy()
    return wins
