"""What everybody buys, and what this user buys again and again: the two baselines that embarrass many models."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from recolab.histories import PAD, Catalog, Histories, visits_ago


def add_sales(sold: NDArray[np.int64], newer: Histories, n_items: int) -> NDArray[np.int64]:
    """Add the events of newer histories to what was sold before, of as many items or fewer: (N,) counts."""
    counts: NDArray[np.int64] = np.bincount(newer.items, minlength=n_items)
    counts[: len(sold)] += sold
    return counts


def faint(sold: NDArray[np.int64]) -> NDArray[np.float32]:
    """Turn sales (N,) into scores of at most a millionth, which order what nothing else speaks for."""
    ever = sold.astype(np.float32)
    scores: NDArray[np.float32] = ever / (ever.max(initial=1) * np.float32(1e6))
    return scores


class Popularity:
    """The same list for everyone: the items with most events, of all time or of the last days."""

    def __init__(self, last_days: float | None = None, name: str = "Popularity") -> None:
        self.last_days, self.name = last_days, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Count events per item; recent days count back from the moment the histories are packed for."""
        self._sold, self._recent = np.zeros(0, np.int64), histories.where(np.zeros(len(histories.items), bool))
        return self.update(histories, catalog)

    def update(self, newer: Histories, catalog: Catalog) -> Self:
        """Add new events, which gives what `fit` gives on all; of older ones none is kept but those of the last days."""
        self._sold = add_sales(self._sold, newer, len(catalog))
        # All-time counts order what the last days did not see.
        ever = counts = self._sold.astype(np.float32)
        if self.last_days is not None:
            both = self._recent.extend(newer)
            self._recent = both.where(both.ages <= self.last_days)
            counts = np.bincount(self._recent.items, minlength=len(catalog)).astype(np.float32)
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
        self._sold = np.zeros(0, np.int64)
        return self.update(histories, catalog)

    def update(self, newer: Histories, catalog: Catalog) -> Self:
        """Add the sales of new events, which gives what `fit` gives on all."""
        self._sold = add_sales(self._sold, newer, len(catalog))
        self.popularity = faint(self._sold)
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
