"""A sequence model that also remembers what followed what: rare pairs that a network of few numbers an item has to smooth away."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Catalog, Histories
from recolab.models.ensemble import Ensemble
from recolab.models.neighbours import Transitions
from recolab.models.sequential import SequenceModel


class WithFollowers:
    """A trained network beside a table of followers: logit + trust · log(1 + sharpness · votes).

    A product of two experts (Hinton 2002), for both speak in logarithms: h·e_j of the network, and the votes of `Transitions`,
    which count what came soon after in all histories. Either knows of events their items, kinds and times alone.
    half_life_days: of what was read (steps where ordinal), back from the newest event: who was away is not forgotten
    Raises ValueError for a trust that is no number from 0 up, or a sharpness that is none above it.
    """

    def __init__(
        self,
        model: SequenceModel | Ensemble,
        trust: float = 1.0,
        sharpness: float = 30.0,
        half_life_days: float = 1.5,
        damping: float = 0.1,
        name: str | None = None,
    ) -> None:
        if not (0 <= trust < np.inf and 0 < sharpness < np.inf):
            raise ValueError(f"trust = {trust} must be a number from 0 up, sharpness = {sharpness} one above 0")
        self.model, self.trust, self.sharpness = model, trust, sharpness
        self.followers = Transitions(half_life_days, reach=10, damping=damping)
        self.name = name or f"{model.name} with followers"

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Count followers; the network has learned before, and stays as it is.

        Raises ValueError where it learned on a catalog of another size.
        """
        if (known := self.model.n_items) != len(catalog):
            raise ValueError(
                f"{self.model.name} knows {known} rows, the catalog has {len(catalog)}: give its own catalog"
            )
        self.followers.fit(histories, catalog)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Add what followers say to the logits: B histories -> (B, N), PAD at -inf; no past, what the network says alone."""
        scores = self.model.score(histories)
        votes = self.followers.votes(_brought_up(histories)).tocoo()
        scores[votes.row, votes.col] += self.trust * np.log1p(self.sharpness * votes.data)
        return scores


def _brought_up(histories: Histories) -> Histories:
    """Move each history until its newest event is now: votes that fade with the days would be lost in the logarithm."""
    newest = histories.times[histories.offsets[1:][histories.owners] - 1]
    return replace(histories, times=histories.times + (histories.as_of - newest))
