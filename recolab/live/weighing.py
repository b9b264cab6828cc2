"""How loud each voice should be: learned from what shoppers took next, by the likelihood of their choice among candidates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from recolab.evaluation import Task
from recolab.histories import PAD
from recolab.live.sessions import session_of
from recolab.live.voices import Voice

CANDIDATES = 50  # of every voice, for each shopper
PENALTY = 1e-3  # of a weight's square, in spreads of its voice
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def learn_weights(voices: Sequence[Voice], task: Task, n_users: int = 2000, seed: int = 7) -> list[float]:
    """Learn a weight for each voice: those under which what was wanted is likeliest among the candidates.

    A conditional logit (McFadden 1974): softmax over a list's candidates of the weighted sum of voices, the mean of its logarithm over
    the wanted items and the lists. voices: fitted on what was known before the task    n_users: asked at most
    ->  weights in the order of the voices
    """
    some = task.sample(n_users, np.random.default_rng(seed))
    opinions, starts, shares = _lists(voices, some)
    spread = np.maximum(opinions.std(0), 1e-9)
    found = minimize(surprise, np.zeros(len(voices)), (opinions / spread, starts, shares), "L-BFGS-B", jac=True)
    weights: list[float] = (found.x / spread).tolist()
    return weights


def surprise(weights: Floats, opinions: Floats, starts: Ints, shares: Floats) -> tuple[float, Floats]:
    """Tell how surprising what was wanted is under some weights, and which way that grows: the loss and its gradient.

    weights: (F,)    opinions: (M, F) of B lists' candidates    starts: (B,) where each list begins    shares: (M,) of what its
    shopper wanted, summing to 1 in each list  ->  mean of -log likelihood, with the penalty, and (F,)
    """
    lengths = np.diff(starts, append=len(opinions))
    worth = opinions @ weights
    top = np.maximum.reduceat(worth, starts)
    odds = np.exp(worth - np.repeat(top, lengths))
    total = np.add.reduceat(odds, starts)
    expected = (odds / np.repeat(total, lengths)) @ opinions / len(starts)
    wanted = shares @ opinions / len(starts)
    loss = float((np.log(total) + top).mean() - wanted @ weights + PENALTY * weights @ weights)
    return loss, expected - wanted + 2 * PENALTY * weights


def _lists(voices: Sequence[Voice], task: Task) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    """Gather what the voices say of their best items and of the wanted ones.

    ->  opinions (M, voices), where each shopper's candidates start (B,), and which share of the wish each one is (M,)
    """
    opinions, shares = [], []
    for b in range(len(task)):
        session = session_of(task.histories, b)
        said = np.stack([voice.scores(session, task.histories.as_of) for voice in voices])
        asked = np.isin(np.arange(said.shape[1]), task.wanted[b].indices)
        closed = np.zeros(said.shape[1], bool)
        closed[PAD] = True
        if not task.allow_repeats:
            closed[session.items] = True
        open_ = np.where(closed, -np.inf, said)
        n = min(CANDIDATES, said.shape[1])
        best = np.unique(np.argpartition(-open_, n - 1, axis=1)[:, :n])
        rows = np.union1d(best[~closed[best]], np.flatnonzero(asked & ~closed))
        opinions.append(said[:, rows].T.astype(np.float64))
        shares.append(asked[rows] / max(asked[rows].sum(), 1))
    starts: Ints = np.cumsum([0, *map(len, shares[:-1])])
    return np.concatenate(opinions), starts, np.concatenate(shares)
