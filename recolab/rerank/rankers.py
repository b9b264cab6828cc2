"""Ways to weigh opinions: a line that anyone can read, trees that also see when each opinion counts, and both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recolab.evaluation import K, Task, slices
from recolab.metrics import hits_table
from recolab.rerank.candidates import Candidates, of_owners, standardised


class Ranker(Protocol):
    """Learns from candidates whose answers are known, then orders others."""

    name: str

    def fit(self, candidates: Candidates) -> Self:
        """Learn which candidates were wanted."""

    def rank(self, candidates: Candidates) -> NDArray[np.float32]:
        """Score candidates, larger is better: (M,).

        Raises ValueError where they are described otherwise than those it learned from.
        """


class EqualBlend:
    """Every model's opinion counts the same: for a shop too young to have answers that weights could be learned from."""

    def __init__(self, name: str = "Equal blend") -> None:
        self.name = name

    def fit(self, candidates: Candidates) -> Self:  # noqa: ARG002
        """Learn nothing."""
        return self

    def rank(self, candidates: Candidates) -> NDArray[np.float32]:
        """Average the models' scores, each in standard deviations over its list: (M,)."""
        opinions = [c for c, name in enumerate(candidates.names) if name.endswith(" score")]
        mean: NDArray[np.float32] = candidates.features[:, opinions].mean(1, dtype=np.float32)
        return mean


class LinearBlend:
    """A weighted sum of the models' opinions, the weights learned by logistic regression: nothing hides in it."""

    def __init__(self, penalty: float = 1.0, name: str = "Blend") -> None:
        self.penalty, self.name = penalty, name

    def fit(self, candidates: Candidates) -> Self:
        """Fit the weights of the score and rank columns on what was wanted.

        Raises ValueError where all candidates were wanted, or none.
        """
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (two seconds that only learning pays)

        if not candidates.can_teach():
            raise ValueError(
                f"of {len(candidates.wanted):,} candidates {candidates.wanted.sum():,} were wanted: there is nothing to "
                "tell apart, give a longer log"
            )
        self.known = candidates.names
        self.columns = [c for c, name in enumerate(candidates.names) if name.endswith((" score", " rank"))]
        self.names = [candidates.names[c] for c in self.columns]
        opinions = candidates.features[:, self.columns].astype(np.float64)
        self.centre, self.spread = opinions.mean(0), np.maximum(opinions.std(0), 1e-9)
        line = LogisticRegression(C=1 / self.penalty, max_iter=500).fit(
            (opinions - self.centre) / self.spread, candidates.wanted
        )
        self.slopes = line.coef_[0]
        return self

    def rank(self, candidates: Candidates) -> NDArray[np.float32]:
        """Sum the weighted opinions: (M,)."""
        _require(self.known, candidates)
        opinions = (candidates.features[:, self.columns] - self.centre) / self.spread
        scores: NDArray[np.float32] = (opinions @ self.slopes).astype(np.float32)
        return scores

    def weights(self) -> pl.DataFrame:
        """Give the weight of one standard deviation of each opinion; of a rank, smaller is better, so minus is praise."""
        return pl.DataFrame({"name": self.names, "weight": self.slopes}).sort(pl.col("weight").abs(), descending=True)


class BoostedRanker:
    """Boosted trees under LambdaMART's loss (Burges 2010), on opinions and on what is known of user and item."""

    def __init__(self, rounds: int = 150, leaves: int = 15, seed: int = 7, name: str = "Trees") -> None:
        self.rounds, self.leaves, self.seed, self.name = rounds, leaves, seed, name

    def fit(self, candidates: Candidates) -> Self:
        """Grow trees on the lists of all owners that have a wanted candidate."""
        import lightgbm  # noqa: PLC0415  (two seconds that only learning pays)

        starts = np.flatnonzero(np.diff(candidates.owners, prepend=-1))
        data = lightgbm.Dataset(
            candidates.features,
            candidates.wanted.astype(np.int32),
            group=np.diff(starts, append=len(candidates.owners)),
        )
        self.names = candidates.names
        self.trees = lightgbm.train(
            {
                "objective": "lambdarank",
                "lambdarank_truncation_level": 20,
                "label_gain": [0, 1],
                "num_leaves": self.leaves,
                "learning_rate": 0.04,
                "min_data_in_leaf": 300,
                "lambda_l2": 10,
                "feature_fraction": 0.4,
                "bagging_fraction": 0.5,
                "bagging_freq": 1,
                "seed": self.seed,
                "deterministic": True,
                "force_row_wise": True,
                "verbose": -1,
            },
            data,
            num_boost_round=self.rounds,
        )
        return self

    def rank(self, candidates: Candidates) -> NDArray[np.float32]:
        """Sum the leaves: (M,)."""
        _require(self.names, candidates)
        return np.asarray(self.trees.predict(candidates.features), dtype=np.float32)

    def weights(self) -> pl.DataFrame:
        """Give each feature's share of the total gain."""
        gain = self.trees.feature_importance("gain")
        table = pl.DataFrame({"name": self.names, "weight": gain / max(gain.sum(), 1e-12)})
        return table.sort("weight", descending=True)


class RankerSum:
    """Several rankers, each heard equally: their scores in standard deviations over each list, added up."""

    def __init__(self, rankers: Sequence[Ranker], name: str = "Blend and trees") -> None:
        self.rankers, self.name = rankers, name

    def fit(self, candidates: Candidates) -> Self:
        """Fit every ranker on the same candidates."""
        for ranker in self.rankers:
            ranker.fit(candidates)
        return self

    def rank(self, candidates: Candidates) -> NDArray[np.float32]:
        """Add up what the rankers say: (M,)."""
        voices = [standardised(ranker.rank(candidates), candidates.owners) for ranker in self.rankers]
        total: NDArray[np.float32] = np.sum(voices, 0, dtype=np.float32)
        return total


def contenders(rounds: int = 150, seed: int = 7) -> list[Ranker]:
    """Name the rankers among which validation decides, the simplest first; not fitted yet."""
    line, trees = LinearBlend(), BoostedRanker(rounds, seed=seed)
    return [line, trees, RankerSum([line, trees])]


def choose_ranker(
    rankers: Sequence[Ranker], learn: Candidates, check: Candidates, task: Task, metric: str = f"ndcg@{K}"
) -> tuple[Ranker, dict[str, float]]:
    """Fit every ranker at one cut and take the best at the next: task is what `check` answers  ->  it, and all scores."""
    _fit_each(rankers, learn)
    judged = [judge_ranker(ranker, check, task)[metric].to_numpy().mean() for ranker in rankers]
    return rankers[int(np.argmax(judged))], {r.name: float(j) for r, j in zip(rankers, judged, strict=True)}


def choose_by_halves(
    rankers: Sequence[Ranker], candidates: Candidates, task: Task, seed: int = 7, metric: str = f"ndcg@{K}"
) -> tuple[Ranker, dict[str, float]]:
    """Where there is one question only: learn from half of the users, look at the others, and the reverse.

    task: what `candidates` answer  ->  the best ranker, fitted on all of them, and every ranker's mean over all users;
    EqualBlend, which learns nothing, where one half has nothing to tell apart
    """
    first = np.random.default_rng(seed).permutation(len(task)) < len(task) // 2
    if not all(of_owners(candidates, half).can_teach() for half in (first, ~first)):
        rankers = [EqualBlend()]
    unseen = {ranker.name: np.zeros(len(task)) for ranker in rankers}
    for learn in (first, ~first):
        _fit_each(rankers, of_owners(candidates, learn))
        others = of_owners(candidates, ~learn)
        for ranker in rankers:
            unseen[ranker.name][~learn] = judge_ranker(ranker, others, task)[metric].to_numpy()[~learn]
    scores = {name: float(values.mean()) for name, values in unseen.items()}
    best = max(rankers, key=lambda ranker: scores[ranker.name])
    return best.fit(candidates), scores


def _fit_each(rankers: Sequence[Ranker], candidates: Candidates) -> None:
    """Fit every ranker once: a sum of rankers that are here themselves has learned when they have."""
    for ranker in rankers:
        if not (isinstance(ranker, RankerSum) and all(member in rankers for member in ranker.rankers)):
            ranker.fit(candidates)


def judge_ranker(ranker: Ranker, candidates: Candidates, task: Task) -> pl.DataFrame:
    """Measure an order of candidates as `evaluation.judge` measures a model; what was no candidate is no hit."""
    shape = task.wanted.shape
    place = sparse.csr_matrix((np.arange(1, len(candidates.rows) + 1), (candidates.owners, candidates.rows)), shape)
    scores = ranker.rank(candidates)
    parts = []
    for which in slices(*shape):
        some = place[which].tocoo()
        table = np.full(some.shape, -np.inf, np.float32)
        table[some.row, some.col] = scores[some.data - 1]
        parts.append(hits_table(table, task.wanted[which], K))
    values = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return pl.DataFrame({"model": [ranker.name] * len(task), "user": np.arange(len(task)), **values})


def _require(known: list[str], candidates: Candidates) -> None:
    """Refuse columns in another order: nothing else would say that each opinion is taken for another's."""
    if candidates.names != known:
        raise ValueError("other columns than it learned from: propose with the same models in the same order")
