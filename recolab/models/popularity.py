"""What everybody buys, and what this user buys again and again: the two baselines that embarrass many models."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from recolab.histories import PAD, Catalog, Histories, visits_ago


class Popularity:
    """The same list for everyone: the items with most events, of all time or of the last days."""

    def __init__(self, last_days: float | None = None, name: str = "Popularity") -> None:
        self.last_days, self.name = last_days, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Count events per item; recent days count back from the moment the histories are packed for."""
        counted = slice(None) if self.last_days is None else histories.ages <= self.last_days
        counts = np.bincount(histories.items[counted], minlength=len(catalog)).astype(np.float32)
        # All-time counts order what the last days did not see.
        ever = np.bincount(histories.items, minlength=len(catalog)).astype(np.float32)
        self.popularity = counts + ever / (ever.sum() + 1)
        self.popularity[PAD] = -np.inf
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Repeat the counts: B histories -> (B, N)."""
        scores: NDArray[np.float32] = np.tile(self.popularity, (len(histories), 1))
        return scores


class PersonalFrequency:
    """What the user had most often, an event counting half as much every half-life; popularity orders the rest.

    The baseline to beat where people buy the same things again (Li et al. 2023, "A next basket recommendation
    reality check"). Half-lives run in days, in the user's own visits, or both; None forgets nothing.
    """

    def __init__(
        self,
        half_life_days: float | None = None,
        half_life_visits: float | None = None,
        name: str = "Personal frequency",
    ) -> None:
        self.half_life_days, self.half_life_visits, self.name = half_life_days, half_life_visits, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Remember popularity; the personal part is read from the histories at score time."""
        ever = np.bincount(histories.items, minlength=len(catalog)).astype(np.float32)
        self.popularity = ever / (ever.max(initial=1) * 1e6)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Sum decayed event weights: B histories -> (B, N)."""
        weights = histories.weights(self.half_life_days)
        if self.half_life_visits is not None:
            weights = weights * np.exp2(-visits_ago(histories) / np.float32(self.half_life_visits))
        scores: NDArray[np.float32] = histories.matrix(len(self.popularity), weights).toarray()
        scores += self.popularity
        scores[:, PAD] = -np.inf
        return scores
