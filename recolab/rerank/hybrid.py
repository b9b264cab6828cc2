"""The hybrid recommender: several models propose, one ranker orders, rules decide what may be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from recolab.evaluation import Task
from recolab.histories import PAD, Catalog, Histories
from recolab.models import Recommender
from recolab.rerank.candidates import propose
from recolab.rerank.features import Columns, item_features
from recolab.rerank.rankers import Ranker
from recolab.rerank.rules import Rules, allowed_items


class Hybrid:
    """Candidates from fitted models in the order of a fitted ranker; popularity fills what is left of the list."""

    def __init__(
        self,
        models: Sequence[Recommender],
        ranker: Ranker,
        *,
        allow_repeats: bool,
        n_candidates: int = 30,
        rules: Rules | None = None,
        name: str = "Hybrid",
    ) -> None:
        self.models, self.ranker, self.allow_repeats = models, ranker, allow_repeats
        self.n_candidates, self.rules, self.name = n_candidates, rules, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Read what everybody did: the models and the ranker are fitted already, on data of their own."""
        self.catalog = catalog
        self.allowed = allowed_items(catalog, self.rules)
        self.everybody: Columns = item_features(histories, catalog)
        self.popularity = np.log1p(np.bincount(histories.items, minlength=len(catalog)))
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Order the candidates first and all other allowed items by popularity behind them: B histories -> (B, N)."""
        if not len(histories):
            return np.empty((0, len(self.catalog)), np.float32)
        nothing = sparse.csr_matrix((len(histories), len(self.catalog)), dtype=np.float32)
        task = Task("asked", histories, nothing, self.catalog, self.allow_repeats)
        found = propose(self.models, task, self.everybody, self.n_candidates, self.allowed)
        ranked = self.ranker.rank(found)
        below = ranked.min(initial=0) - 1
        behind = below - 1 + self.popularity / (self.popularity.max(initial=1) + 1)
        scores = np.tile(behind, (len(histories), 1))
        scores[found.owners, found.rows] = ranked
        scores[:, ~self.allowed] = -np.inf
        scores[:, PAD] = -np.inf
        return task.mask(scores.astype(np.float32), np.arange(len(histories)))
