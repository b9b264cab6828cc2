"""Who may appear on the list at all: the best items of several models, with what each model thinks of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recolab.evaluation import Task, slices
from recolab.metrics import top_k
from recolab.models import Embeds, Recommender
from recolab.rerank.features import Columns, nearness, personal_features
from recolab.rerank.rules import allowed_items


@dataclass(frozen=True)
class Candidates:
    """M pairs of a history and an item, by history, with F features each.

    owners, rows: (M,) the history's place in the task and the catalog row    features: (M, F) float32, named by `names`
    wanted: (M,) bool, whether the pair is an answer of the task
    """

    owners: NDArray[np.int64]
    rows: NDArray[np.int64]
    features: NDArray[np.float32]
    names: list[str]
    wanted: NDArray[np.bool_]

    def can_teach(self) -> bool:
        """Tell whether an order can be learned: some were wanted and some were not."""
        return bool(self.wanted.any() and not self.wanted.all())


def propose(
    models: Sequence[Recommender],
    task: Task,
    everybody: Columns,
    n: int = 30,
    allowed: NDArray[np.bool_] | None = None,
    *,
    answered: bool = False,
) -> Candidates:
    """Gather each model's n best items per history, and describe every pair.

    everybody: `item_features` of the histories that the models were fitted on. A model's opinion enters twice:
    "<name> score", in standard deviations over the union, and "<name> rank", log2 of one plus its place in it; a model
    with item vectors says "<name> nearness_..." too (`features.nearness`).
    allowed: (N,) bool, what may be shown at all; by default what is in stock    answered: leave out histories of whose
    answers none is proposed, for they teach no order of candidates and cost as much as those that do
    Raises ValueError where two models have one name, for the later one would silence the other.
    """
    if len({model.name for model in models}) < len(models):
        raise ValueError(f"two models have one name: {[model.name for model in models]}")
    allowed = allowed_items(task.catalog) if allowed is None else allowed
    batches = slices(len(task), len(task.catalog))
    parts = [_propose_some(models, task, everybody, n, allowed, which, answered) for which in batches]
    return join_candidates(parts)


def join_candidates(parts: Sequence[Candidates]) -> Candidates:
    """Put candidates of several batches, or of several cuts, end to end; a later cut's owners are numbered on from the one before.

    Raises ValueError where the parts are described by other features.
    """
    names = parts[0].names
    if any(part.names != names for part in parts):
        raise ValueError("these candidates were proposed by other models: propose all of them with the same list")
    rows, features, wanted = (
        np.concatenate([getattr(part, column) for part in parts]) for column in ("rows", "features", "wanted")
    )
    return Candidates(_numbered_on([part.owners for part in parts]), rows, features, names, wanted)


def _numbered_on(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Join owners: batches of one cut go on rising; where they do not, another cut begins, and its owners are other histories."""
    numbered, highest = list[NDArray[np.int64]](), -1
    for owners in parts:
        again = len(owners) > 0 and owners[0] <= highest
        numbered.append(owners + (highest + 1) * again)
        highest = max(highest, int(numbered[-1].max(initial=-1)))
    return np.concatenate(numbered)


def of_owners(candidates: Candidates, which: NDArray[np.bool_]) -> Candidates:
    """Keep the candidates of some histories: which (B,) bool."""
    kept = which[candidates.owners]
    columns = {name: getattr(candidates, name)[kept] for name in ("owners", "rows", "features", "wanted")}
    return replace(candidates, **columns)


def without_opinion(candidates: Candidates, model: str) -> Candidates:
    """Take all that one model says away, to see what is lost; the candidates stay the same.

    Raises ValueError where no such model has an opinion.
    """
    said = tuple(f"{model} {word}" for word in ("score", "rank", "nearness_"))
    kept = [c for c, name in enumerate(candidates.names) if not name.startswith(said)]
    if len(kept) == len(candidates.names):
        raise ValueError(f"{model!r} has no opinion among {candidates.names}")
    names = [candidates.names[c] for c in kept]
    return replace(candidates, features=candidates.features[:, kept], names=names)


def _propose_some(
    models: Sequence[Recommender],
    task: Task,
    everybody: Columns,
    n: int,
    allowed: NDArray[np.bool_],
    which: NDArray[np.int64],
    answered: bool,
) -> Candidates:
    past = task.histories.take(which)
    tables = [task.mask(model.score(past), which) for model in models]
    for table in tables:
        table[:, ~allowed] = -np.inf
    chosen = np.zeros(tables[0].shape, bool)
    for table in tables:
        best = top_k(table, n)
        np.put_along_axis(chosen, best, np.isfinite(np.take_along_axis(table, best, 1)), 1)
    wanted = task.wanted[which].toarray() > 0
    if answered:
        chosen[~(chosen & wanted).any(1)] = False
    owners, rows = np.nonzero(chosen)
    columns: Columns = {}
    for model, table in zip(models, tables, strict=True):
        columns |= _opinion(model.name, table[owners, rows], owners)
        if isinstance(model, Embeds):
            near = nearness(past, model.item_vectors(), owners, rows)
            columns |= {f"{model.name} {name}": column for name, column in near.items()}
    columns |= personal_features(past, task.catalog, owners, rows)
    columns |= {name: column[rows] for name, column in everybody.items()}
    return Candidates(which[owners], rows, np.stack(list(columns.values()), 1), list(columns), wanted[owners, rows])


def standardised(scores: NDArray[np.float32], owners: NDArray[np.int64]) -> NDArray[np.float32]:
    """Make scores comparable between users: (M,) of pairs sorted by owner -> in standard deviations from their mean."""
    _, start, count = np.unique(owners, return_index=True, return_counts=True)
    mean = np.repeat(np.add.reduceat(scores, start) / count, count)
    spread = np.repeat(np.sqrt(np.add.reduceat((scores - mean) ** 2, start) / count), count)
    units: NDArray[np.float32] = ((scores - mean) / np.maximum(spread, 1e-9)).astype(np.float32)
    return units


def _opinion(name: str, scores: NDArray[np.float32], owners: NDArray[np.int64]) -> Columns:
    """Tell one model's opinion twice: (M,) scores of pairs sorted by owner -> score and rank columns."""
    _, start, count = np.unique(owners, return_index=True, return_counts=True)
    order = np.lexsort((-scores, owners))
    place = np.empty(len(scores))
    place[order] = np.arange(len(scores)) - np.repeat(start, count)
    return {f"{name} score": standardised(scores, owners), f"{name} rank": np.log2(place + 2).astype(np.float32)}
