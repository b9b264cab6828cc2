"""Next-item models under one contract: fit on histories, then score every item of the catalog for each history."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Catalog, Histories


class Recommender(Protocol):
    """What every model promises, whichever way it keeps the promise."""

    name: str

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Learn from what users did; the catalog tells what there is and what it is like."""

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Score each item as what comes next: B histories -> (B, N), larger is better, PAD at -inf."""


@runtime_checkable
class Embeds(Protocol):
    """A model that has placed every item somewhere: what lies near is alike."""

    def item_vectors(self) -> NDArray[np.float32]:
        """Give each item's vector, of length 1 (PAD of length 0): (N, D)."""
