"""Several networks that learn apart and answer together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recolab.histories import Catalog, Histories
from recolab.models.sequential import SequenceModel


class Ensemble:
    """Networks that learn apart, each from a seed of its own, and answer together (deep ensembles, Lakshminarayanan et al. 2017).

    The mean of their logits is the geometric mean of what they hold likely (the paper takes the arithmetic one), and a mean of
    products h·e is one product again, of all states and all item vectors laid end to end: one network in branches.
    models: that learn by the same loss, so that their logits are of one scale; of one catalog, if they have learned already
    Raises ValueError where there is none.
    """

    def __init__(self, models: Sequence[SequenceModel], name: str = "Ensemble") -> None:
        if not models:
            raise ValueError(f"{name} has no network to ask: give one or more")
        self.models, self.name = tuple(models), name

    @property
    def n_items(self) -> int:
        """Count the rows of the catalog, PAD included; raises ValueError where the networks know different ones."""
        sizes = {model.n_items for model in self.models}
        if len(sizes) > 1:
            raise ValueError(f"the networks of {self.name} know catalogs of {sorted(sizes)} rows: fit them on one")
        return sizes.pop()

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Let each learn anew, from its own seed."""
        for model in self.models:
            model.fit(histories, catalog)
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Average the logits: B histories -> (B, N), PAD at -inf; no past, what sells most."""
        scores = np.zeros((len(histories), self.n_items), np.float32)
        for model in self.models:
            scores += model.score(histories)
        scores /= len(self.models)
        return scores
