"""Ask every model the same question, and say how sure the answer is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from recolab.allocator import keep_freed_memory
from recolab.histories import PAD, Catalog, Histories, pack
from recolab.metrics import hits_table, resampled_means, top_k
from recolab.models import Recommender

SCORES_AT_ONCE = 2**23  # that live in memory together, 32 MB: the larger the catalog, the fewer histories
AT_ONCE, LEAST_AT_ONCE = (
    1024,
    64,
)  # histories: with fewer, a product with a large table takes most of its time to read it
K = 10
METRICS = (f"hr@{K}", f"recall@{K}", f"ndcg@{K}", f"mrr@{K}")


@dataclass(frozen=True)
class Task:
    """One question: given these histories, what comes next?

    histories: B users who have an answer    wanted: (B, N) sparse 0/1    allow_repeats: whether what a user had already
    may be the answer; where not, the history is masked at -inf and only new items are wanted
    """

    name: str
    histories: Histories
    wanted: sparse.csr_matrix
    catalog: Catalog
    allow_repeats: bool

    def __len__(self) -> int:
        return len(self.histories)

    def sample(self, n: int, rng: np.random.Generator) -> Task:
        """Ask n of the histories only, drawn without return: for tuning, never for a report."""
        which = np.sort(rng.permutation(len(self))[:n])
        return replace(self, histories=self.histories.take(which), wanted=self.wanted[which])

    def mask(self, scores: NDArray[np.float32], which: NDArray[np.int64]) -> NDArray[np.float32]:
        """Put at -inf what may not be recommended to the histories `which`: (b, N) -> the same table, changed."""
        scores[:, PAD] = -np.inf
        if not self.allow_repeats:
            past = self.histories.take(which)
            scores[past.owners, past.items] = -np.inf
        return scores


def make_task(past: Histories, future: pl.DataFrame, catalog: Catalog, *, allow_repeats: bool, name: str = "") -> Task:
    """Pose the question of a split: each user's past, and the catalog items of the future as the answer.

    Users without a past, or with no item of the catalog to foresee, are not asked  (ValueError if nobody is left).
    """
    answers = pack(future, catalog)
    place = {user: b for b, user in enumerate(past.users)}
    pairs = [(place[user], a) for a, user in enumerate(answers.users) if user in place]
    met = np.array(pairs, np.int64).reshape(-1, 2)
    histories = past.take(met[:, 0])
    wanted = answers.take(met[:, 1]).matrix(len(catalog))
    wanted.data[:] = 1
    if not allow_repeats:
        had = histories.matrix(len(catalog))
        had.data[:] = 1
        wanted = (wanted - wanted.multiply(had)).tocsr()
        wanted.eliminate_zeros()
    asked = np.flatnonzero((np.diff(wanted.indptr) > 0) & (histories.lengths > 0))
    if len(asked) == 0:
        if len(met) == 0:
            raise ValueError(
                f"nobody can be asked: {len(past)} histories, {len(answers)} users with a future, none in both"
            )
        wish = "" if allow_repeats else " that they did not have before"
        raise ValueError(
            f"nobody can be asked: none of {len(met)} users foresees an item of {len(catalog) - 1} in the catalog{wish}; "
            "give a log of more users and items"
        )
    return Task(name, histories.take(asked), wanted[asked], catalog, allow_repeats)


def judge(models: Iterable[Recommender], task: Task, k: int = K) -> pl.DataFrame:
    """Measure every model on every history: one row each, columns model, user (its place in the task) and the metrics.

    Raises ValueError where two models have one name or nobody is asked, FloatingPointError where a score is not a number.
    """
    if not len(task):
        raise ValueError(f"the task {task.name!r} asks nobody: there is nothing to judge by")
    keep_freed_memory()
    tables: list[pl.DataFrame] = []
    turn = np.argsort(task.histories.lengths, kind="stable")  # of like length, histories share a network's rectangle
    batches, back = [turn[which] for which in slices(len(task), len(task.catalog))], np.argsort(turn)
    for model in models:
        if any(model.name == table["model"][0] for table in tables):
            raise ValueError(f"two models are called {model.name!r}: give one of them another name")
        parts = [hits_table(_scores(model, task, which), task.wanted[which], k) for which in batches]
        values = {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
        tables.append(pl.DataFrame({"model": [model.name] * len(task), "user": np.arange(len(task)), **values}))
    return pl.concat(tables)


def validation_score(model: Recommender, task: Task, metric: str = f"ndcg@{K}") -> float:
    """Read one mean off a task, for tuning and early stops."""
    return float(judge([model], task)[metric].mean())  # type: ignore[arg-type]


def leaderboard(judged: pl.DataFrame, rng: np.random.Generator, metrics: Sequence[str] = METRICS) -> pl.DataFrame:
    """Average over rows, with 95 % bootstrap intervals: a row a model, best ndcg first, columns metric, metric_low, metric_high.

    A user with several rows (one a cut) is drawn with all of them, as in `compare`.
    """
    rows = []
    for (model,), one in judged.group_by("model", maintain_order=True):
        users = one.group_by("user").agg(pl.len().alias("rows"), pl.col(metrics).sum()).sort("user")
        row: dict[str, object] = {"model": model, "users": len(users)}
        sums = resampled_means(users.select("rows", *metrics).to_numpy().astype(np.float64), rng)
        ends = np.quantile(sums[:, 1:] / sums[:, :1], [0.025, 0.975], axis=0)
        for metric, low, high in zip(metrics, *ends, strict=True):
            row |= {metric: one[metric].mean(), f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pl.DataFrame(rows).sort(f"ndcg@{K}", descending=True)


def compare(
    judged: pl.DataFrame, challenger: str, champion: str, rng: np.random.Generator, metric: str = f"ndcg@{K}"
) -> dict[str, float]:
    """Say by how much one model is better on the same users: paired bootstrap of the relative difference of means.

    A user with several rows (one a cut) is drawn with all of them, for one household's visits are no independent sample.
    ->  lift, low, high in percent of the champion's mean; better = share of resamples in which the challenger wins
    Raises ValueError where one was not judged, or not as often on the same users.
    """
    (who, a), (whom, b) = (_values(judged, model, metric) for model in (challenger, champion))
    if not who.equals(whom):
        raise ValueError(f"{challenger!r} and {champion!r} were not judged as often on the same users")
    means = resampled_means(np.stack([a, b], 1), rng)
    lifts = 100 * (means[:, 0] / np.maximum(means[:, 1], 1e-12) - 1)
    low, high = np.quantile(lifts, [0.025, 0.975])
    lift = 100 * (a.mean() / max(b.mean(), 1e-12) - 1)
    return {"lift": float(lift), "low": float(low), "high": float(high), "better": float((lifts > 0).mean())}


def recommend(model: Recommender, histories: Histories, catalog: Catalog, k: int = K) -> list[list[object]]:
    """List raw item ids for each history, best first: B lists of at most k ids."""
    lists = []
    for which in slices(len(histories), len(catalog)):
        scores = model.score(histories.take(which))
        best = top_k(scores, k)
        real = np.isfinite(np.take_along_axis(scores, best, 1))
        lists += [catalog.ids(row[ok]) for row, ok in zip(best, real, strict=True)]
    return lists


def _scores(model: Recommender, task: Task, which: NDArray[np.int64]) -> NDArray[np.float32]:
    return task.mask(model.score(task.histories.take(which)), which)


def slices(n: int, n_items: int) -> list[NDArray[np.int64]]:
    """Cut n histories into batches with about SCORES_AT_ONCE scores of so many items: arrays of places."""
    size = min(max(SCORES_AT_ONCE // n_items, LEAST_AT_ONCE), AT_ONCE)
    return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]


def _values(judged: pl.DataFrame, model: str, metric: str) -> tuple[pl.DataFrame, NDArray[np.float64]]:
    """Sum a metric over each user's rows: the users in order with their number of rows, and (users,) sums."""
    one = judged.filter(pl.col("model") == model)
    if len(one) == 0:
        raise ValueError(f"{model!r} was not judged; there are {judged['model'].unique().sort().to_list()}")
    sums = one.group_by("user").agg(pl.len(), pl.col(metric).sum()).sort("user")
    return sums.select("user", "len"), sums[metric].to_numpy()
