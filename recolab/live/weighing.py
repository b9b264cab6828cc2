"""How loud each voice should be: learned from what shoppers took next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recolab.evaluation import K, Task
from recolab.histories import PAD
from recolab.live.sessions import session_of
from recolab.live.voices import Voice

BEST = 50  # items that each voice may propose to a shopper
LOUDNESS = (0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)  # in spreads of a voice; the best voice alone begins at 1
_GAINS = 1 / np.log2(np.arange(2, K + 2))


@dataclass(frozen=True)
class Lists:
    """What B shoppers could have been shown, list after list: M items.

    opinions: (M, F) of the voices, in their spreads    owners: (M,) whose list, rising    wanted: (M,) bool    ideal: (B,) the
    gain of a list that shows all that was wanted first
    """

    opinions: NDArray[np.float64]
    owners: NDArray[np.int64]
    wanted: NDArray[np.bool_]
    ideal: NDArray[np.float64]

    def worth(self, weights: NDArray[np.float64]) -> float:
        """Judge the order that weights (F,) give: ndcg@10."""
        order = np.lexsort((-(self.opinions @ weights), self.owners))
        owners = self.owners[order]
        places = np.arange(len(order)) - np.searchsorted(owners, owners)
        hits = self.wanted[order] & (places < K)
        gains = np.bincount(owners[hits], _GAINS[places[hits]], len(self.ideal))
        return float((gains / self.ideal).mean())


def learn_weights(voices: Sequence[Voice], task: Task, n_users: int = 1500, seed: int = 7) -> list[float]:
    """Learn a weight for each voice by coordinate ascent on ndcg@10 itself (Metzler & Croft 2007).

    It begins with the voice that is best alone, and turns one weight at a time to the best of `LOUDNESS` while that helps: so
    the sum is never worse than its best voice on what it learned from. (A likelihood over the catalog was tried, and was: it
    cares for the whole order, a list for its first places.)
    voices: fitted on what was known before the task    n_users: asked at most  ->  weights in the order of the voices
    """
    said, spread = _lists(voices, task.sample(n_users, np.random.default_rng(seed)))
    weights = max(np.eye(len(voices)), key=said.worth)
    best, before = said.worth(weights), -1.0
    while best > before:
        before = best
        for voice in range(len(voices)):
            trials = [np.where(np.arange(len(voices)) == voice, loud, weights) for loud in (weights[voice], *LOUDNESS)]
            weights = max(trials, key=said.worth)  # the first of equals: a weight stays where turning it brings nothing
        best = said.worth(weights)
    found: list[float] = (weights / spread).tolist()
    return found


def _lists(voices: Sequence[Voice], task: Task) -> tuple[Lists, NDArray[np.float64]]:
    """Gather what the voices say of each other's best items  ->  lists, and the spread of each voice (F,)."""
    n_items, opinions, wanted = len(task.catalog), [], []
    for b in range(len(task)):
        session = session_of(task.histories, b)
        said = np.zeros((len(voices), n_items), np.float32)
        for scores, voice in zip(said, voices, strict=True):
            voice.opinion(session, task.histories.as_of).add_to(scores, 1)
        open_ = said.copy()
        open_[:, PAD] = -np.inf
        if not task.allow_repeats:
            open_[:, session.items] = -np.inf
        n = min(BEST, n_items)
        rows = np.unique(np.argpartition(open_, n_items - n, axis=1)[:, n_items - n :])
        rows = rows[np.isfinite(open_[0, rows])]
        opinions.append(said[:, rows].T.astype(np.float64))
        wanted.append(np.isin(rows, task.wanted[b].indices))
    whole = np.concatenate(opinions)
    spread = np.maximum(whole.std(0), 1e-9)
    owners = np.repeat(np.arange(len(task)), list(map(len, wanted)))
    ideal = np.cumsum(_GAINS)[np.minimum(np.diff(task.wanted.indptr), K) - 1]
    return Lists(whole / spread, owners, np.concatenate(wanted), ideal), spread
