"""Tastes as factors: the rating SVD of scikit-surprise, ranked by one matrix product."""

from __future__ import annotations

from typing import Self

import numpy as np
import pandas as pd
import surprise
from numpy.typing import NDArray

from recolab.histories import PAD, Catalog, Histories
from recolab.schema import ITEM, RATING, USER


class SurpriseSvd:
    """Funk's SVD on event weights: r̂ = μ + b_u + b_i + p_u·q_i (Koren et al. 2009).

    Surprise fits ratings and a log has none, so a pair's rating is log(1 + the sum of its event weights). Users it
    has not met get μ + b_i.
    """

    def __init__(self, n_factors: int = 32, epochs: int = 10, seed: int = 7, name: str = "SVD (Surprise)") -> None:
        self.n_factors, self.epochs, self.seed, self.name = n_factors, epochs, seed, name

    def fit(self, histories: Histories, catalog: Catalog) -> Self:
        """Fit on the distinct (user, item) pairs."""
        pairs = histories.matrix(len(catalog), histories.weights()).tocoo()
        rating = np.log1p(pairs.data)
        table = pd.DataFrame({USER: pairs.row, ITEM: pairs.col, RATING: rating})
        scale = surprise.Reader(rating_scale=(float(rating.min(initial=0)), float(rating.max(initial=1))))
        train = surprise.Dataset.load_from_df(table, scale).build_full_trainset()
        svd = surprise.SVD(n_factors=self.n_factors, n_epochs=self.epochs, random_state=self.seed).fit(train)
        users = [train.to_raw_uid(u) for u in range(train.n_users)]
        items = [train.to_raw_iid(i) for i in range(train.n_items)]
        self.item_bias = np.full(len(catalog), svd.bi.min() - 1, np.float32)  # never met: behind all others
        self.item_bias[items] = svd.bi
        self.item_factors = np.zeros((len(catalog), self.n_factors), np.float32)
        self.item_factors[items] = svd.qi
        self.user_factors = np.zeros((len(histories) + 1, self.n_factors), np.float32)  # the last one: a stranger
        self.user_factors[users] = svd.pu
        self.place = {user: b for b, user in enumerate(histories.users)}
        return self

    def score(self, histories: Histories) -> NDArray[np.float32]:
        """Rank by the raw estimate; what is equal for all items of a user, μ + b_u, is left out: (B, N)."""
        who = [self.place.get(user, -1) for user in histories.users]
        scores: NDArray[np.float32] = self.user_factors[who] @ self.item_factors.T + self.item_bias
        scores[:, PAD] = -np.inf
        return scores
