"""Judge models on published sequences in so many minutes, every choice made on validation."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl

from recolab import rerank
from recolab.evaluation import judge, leaderboard, validation_score
from recolab.folds import LeaveOneOut, leave_one_out_tasks
from recolab.growing import grow_transformer
from recolab.models import Recommender
from recolab.models.content import Content
from recolab.models.linear import Ease
from recolab.models.neighbours import Transitions, UserNeighbours
from recolab.models.popularity import Popularity
from recolab.schema import USER, SchemaError
from recolab.sources.sequences import read_sequences
from recolab.tuning import Space, tune

LOOK_USERS = 3000  # of the validation, asked by every trial and after every epoch
CANDIDATES = 40  # of every model, for each user
# A history's time runs in steps: half-lives are in items. The likeliest value stands first.
SIMPLE: dict[str, tuple[Callable[..., Recommender], Space]] = {
    "Popularity": (Popularity, {}),
    "Transitions": (Transitions, {"half_life_days": [1.4, 0.7, 3], "damping": [0.3, 0.5], "reach": [10, 5]}),
    "User neighbours": (UserNeighbours, {"half_life_days": [4, 2, 10], "k": [200, 100]}),
    "Content": (Content, {"half_life_days": [1.5, 5], "words": ["tfidf", "count"]}),
    "EASE": (Ease, {"l2": [100.0, 300.0], "half_life_days": [1.4, 4], "max_items": [12_500]}),  # 4 bytes x items²
}
TRIALS = 6  # at most, for each
LEAST = 4  # items of at least one user: two are held out, and a sequence model learns from what follows what
MOST_SEED = 2**31 - 1  # LightGBM's
SHARES = {"simple models": 0.25, "sequence model": 0.5}  # of the minutes; the hybrid takes what is left


@dataclass
class _Clock:
    """The seconds that each part took, told as they pass."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time what happens within."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
        print(f"{name}: {self.seconds[name]:.0f} s", file=sys.stderr, flush=True)


def benchmark(path: str | Path, minutes: float = 25, seed: int = 7) -> pl.DataFrame:
    """Judge simple models, one sequence model and their hybrid on a folder of sequences, leave-one-out, all items ranked.

    path: a folder with sequences.txt and perhaps item_attributes.json (`sources.sequences`)    minutes: about how long
    ->  a row a model, best first: metrics of the test with 95 % intervals, its score on validation, and its seconds,
    the hybrid's being those of all. What is chosen is chosen on validation; the test is asked once, at the end.
    Raises what `read_sequences` and `leave_one_out_tasks` raise, SchemaError where no user has four items, and
    ValueError for minutes that are no number above 0 and for a seed that is no whole number.
    """
    _check_words(minutes, seed)
    clock = _Clock()
    with clock.part("reading"):
        tables = read_sequences(path)
        _require_length(path, tables.events)
        loo = leave_one_out_tasks(tables.events, tables.items)
    models: list[Recommender] = []
    for name, (make, space) in SIMPLE.items():
        with clock.part(name):
            models.append(_tuned(name, make, space, loo, 60 * minutes * SHARES["simple models"] / len(SIMPLE), seed))
    with clock.part("Transformer"):
        few = loo.validation.sample(LOOK_USERS, np.random.default_rng(seed))
        models.append(grow_transformer(loo.training, few, 60 * minutes * SHARES["sequence model"], seed))
    with clock.part("Hybrid"):
        hybrid, score = _hybrid(models, loo, seed)
    with clock.part("judging"):
        judged = judge([*models, hybrid], loo.test)
        on_validation = {model.name: validation_score(model, loo.validation) for model in models}
    return _table(judged, on_validation | {hybrid.name: score}, clock.seconds, seed)


def _check_words(minutes: float, seed: int) -> None:
    """Refuse at once what would only be met after half of the time."""
    if not (isinstance(minutes, Real) and 0 < minutes < math.inf):
        raise ValueError(f"minutes = {minutes!r} must be above 0, and a finite number")
    if type(seed) is not int or not 0 <= seed <= MOST_SEED:
        raise ValueError(f"seed = {seed!r} must be a whole number from 0 to {MOST_SEED}")


def _require_length(path: str | Path, events: pl.DataFrame) -> None:
    """Refuse sequences of which nothing is left to learn from."""
    longest = max(events[USER].value_counts()["count"])
    if longest < LEAST:
        raise SchemaError(
            f"{Path(path) / 'sequences.txt'}: the longest sequence has {longest} item(s); two of each are held out, and a "
            f"sequence model learns from what follows what: give users of {LEAST} items or more"
        )


def _tuned(
    name: str, make: Callable[..., Recommender], space: Space, loo: LeaveOneOut, seconds: float, seed: int
) -> Recommender:
    """Choose the knobs on some users of the validation, and fit."""
    few = loo.validation.sample(LOOK_USERS, np.random.default_rng(seed))
    knobs: dict[str, Any] = {}
    if space:
        best, _ = tune(make, space, loo.training, [few], TRIALS, seed, seconds=seconds)
        knobs = best[few.name]
    return make(name=name, **knobs).fit(loo.training, loo.catalog)


def _hybrid(models: list[Recommender], loo: LeaveOneOut, seed: int) -> tuple[rerank.Hybrid, float]:
    """Learn from the validation in what order the models' candidates belong  ->  the hybrid, its score on unseen halves."""
    facts = rerank.item_features(loo.training, loo.catalog)
    learn = rerank.propose(models, loo.validation, facts, CANDIDATES, answered=True)
    ranker, scores = rerank.choose_by_halves(rerank.contenders(seed=seed), learn, loo.validation, seed)
    hybrid = rerank.Hybrid(models, ranker, allow_repeats=loo.test.allow_repeats, n_candidates=CANDIDATES)
    return hybrid.fit(loo.training, loo.catalog), scores[ranker.name]


def _table(judged: pl.DataFrame, on_validation: dict[str, float], seconds: dict[str, float], seed: int) -> pl.DataFrame:
    """Put intervals, validation and seconds beside each other; reading counts for every model, all models for the hybrid."""
    board = leaderboard(judged, np.random.default_rng(seed))
    whole = sum(seconds.values()) - seconds["judging"]
    taken = {name: whole if name == "Hybrid" else seconds["reading"] + seconds[name] for name in board["model"]}
    columns = {"validation_ndcg@10": on_validation, "seconds": taken}
    return board.with_columns(
        pl.Series(name, [values[model] for model in board["model"]]) for name, values in columns.items()
    )


class _Callable(ModuleType):
    """A room and the one thing that is done in it share a name: `recolab.benchmark(path)` shall work whoever imported it."""

    def __call__(self, path: str | Path, minutes: float = 25, seed: int = 7) -> pl.DataFrame:
        return benchmark(path, minutes, seed)


sys.modules[__name__].__class__ = _Callable
