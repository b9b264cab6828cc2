"""Transitions to which new visits are added: counts of pairs are sums, so that old visits need not be read again."""

from __future__ import annotations

from typing import Self

import numpy as np
from scipy import sparse

from recolab.histories import Catalog, Histories, visits, visits_ago
from recolab.models.neighbours import Transitions, damped, followed, keep_strongest
from recolab.models.popularity import add_sales, faint


class AddedTransitions(Transitions):
    """Transitions that keep every pair and not only the strongest, so that they can grow. Memory: 8 bytes per pair."""

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Count from nothing."""
        self._pairs = sparse.csr_matrix((len(catalog), len(catalog)), dtype=np.float32)
        self._newest_visits = histories.where(np.zeros(len(histories.items), bool))
        self._sold, self._counted_to = np.zeros(0, np.int64), np.iinfo(np.int64).min
        return self.update(histories, catalog)

    def update(self, newer: Histories, catalog: Catalog) -> Self:
        """Add the pairs whose later visit is new, which gives what `fit` gives on all events; of the old, `reach` visits a user are kept.

        Exact for items that enter with their first event. Where a floor lets them in later (`folds.make_fold`), the pairs of
        their events before that are missing, until the next `fit`.
        Raises ValueError for events that are not later than all that was counted, and for an update by positions, which do
        not say what is new.
        """
        self._require_later(newer)
        known = self._newest_visits.extend(newer)
        bought, later = followed(known, len(catalog), self.reach)
        is_new = known.times[visits(known).starts[:-1]] > self._counted_to
        later = later @ sparse.diags(is_new.astype(np.float32))
        self._pairs.resize(len(catalog), len(catalog))
        self._pairs = self._pairs + bought.T.tocsr() @ (later @ bought).tocsr()
        self._newest_visits = known.where(visits_ago(known) < self.reach)
        self._counted_to = int(known.times.max(initial=self._counted_to))
        self._sold = add_sales(self._sold, newer, len(catalog))
        scale = damped(self._sold, self.damping)
        self.links = keep_strongest((scale @ self._pairs @ scale).tocsr(), self.k)
        self.popularity = faint(self._sold)
        return self

    def _require_later(self, newer: Histories) -> None:
        counted = self._sold.any()
        if counted and newer.ordinal:
            raise ValueError("positions do not say what is new: fit anew on the whole log")
        if late := int((newer.times <= self._counted_to).sum()):
            raise ValueError(
                f"{late:,} of {len(newer.times):,} events are not later than {self._counted_to}, the newest that was counted: "
                "give each event once, or fit anew"
            )
