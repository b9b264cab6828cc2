"""Judge models on published sequences in so many minutes, every choice made on validation."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl

from recolab.evaluation import leaderboard
from recolab.folds import LeaveOneOut, leave_one_out_tasks
from recolab.models.content import Content, item_texts
from recolab.models.linear import Ease
from recolab.models.neighbours import Transitions, UserNeighbours
from recolab.models.popularity import Popularity
from recolab.recipe import HYBRID, Clock, Moment, Simple, Verdict, follow_recipe
from recolab.schema import USER, SchemaError
from recolab.sources import Tables
from recolab.sources.sequences import read_sequences

# A history's time runs in steps: half-lives are in items. The likeliest value stands first.
SIMPLE: Simple = {
    "Popularity": (Popularity, {}),
    "Transitions": (Transitions, {"half_life_days": [1.4, 0.7, 3], "damping": [0.1, 0.3], "reach": [10, 5]}),
    "User neighbours": (UserNeighbours, {"half_life_days": [4, 2, 10], "k": [200, 100]}),
    "Content": (Content, {"half_life_days": [1.5, 5], "words": ["tfidf", "count"]}),
    "EASE": (Ease, {"l2": [100.0, 300.0], "half_life_days": [1.4, 4], "max_items": [20_000]}),  # 4 bytes x items²
}
LEAST = 5  # items of at least one user: three are held out in turn, and a sequence model learns from what follows what
MOST_SEED = 2**31 - 1  # LightGBM's


def benchmark(path: str | Path, minutes: float = 25, seed: int = 7) -> pl.DataFrame:
    """Judge simple models, one sequence model and their hybrid on a folder of sequences, leave-one-out, all items ranked.

    path: a folder with sequences.txt and perhaps item_attributes.json (`sources.sequences`)    minutes: about how long
    ->  a row a model, best first: metrics of the test with 95 % intervals, its score on validation, its seconds (the
    hybrid's being those of all) and the settings that were chosen. What is chosen is chosen on validation; the test is asked once, at the end.
    Raises what `read_sequences` raises, SchemaError where no user has five items or none has a new one to foresee, and
    ValueError for minutes that are no number above 0 and for a seed that is no whole number.
    """
    _check_words(minutes, seed)
    clock = Clock()
    with clock.part("reading"):
        tables = read_sequences(path)
        _require_length(path, tables.events)
        loo = _cut(path, tables)
    told = any(item_texts(loo.catalog))  # where nothing is, content would be popularity under another name
    simple = {name: model for name, model in SIMPLE.items() if told or name != "Content"}
    moment, test = Moment(loo.earlier, loo.validation), Moment(loo.training, loo.test)
    return _table(follow_recipe([moment], [test], simple, minutes, seed, clock), seed)


def _check_words(minutes: float, seed: int) -> None:
    """Refuse at once what would only be met after half of the time."""
    if isinstance(minutes, bool) or not (isinstance(minutes, Real) and 0 < minutes < math.inf):
        raise ValueError(f"minutes = {minutes!r} must be above 0, and a finite number")
    if type(seed) is not int or not 0 <= seed <= MOST_SEED:
        raise ValueError(f"seed = {seed!r} must be a whole number from 0 to {MOST_SEED}")


def _cut(path: str | Path, tables: Tables) -> LeaveOneOut:
    """Hold out the last items, or name the file of which nobody can be asked."""
    try:
        return leave_one_out_tasks(tables.events, tables.items)
    except ValueError as error:
        raise SchemaError(f"{Path(path) / 'sequences.txt'}: {error}") from error


def _require_length(path: str | Path, events: pl.DataFrame) -> None:
    """Refuse sequences of which nothing is left to learn from."""
    longest = max(events[USER].value_counts()["count"])
    if longest < LEAST:
        raise SchemaError(
            f"{Path(path) / 'sequences.txt'}: the longest sequence has {longest} item(s); three of each are held out in turn, and a "
            f"sequence model learns from what follows what: give users of {LEAST} items or more"
        )


def _table(verdict: Verdict, seed: int) -> pl.DataFrame:
    """Put intervals, validation and seconds beside each other; reading counts for every model, all models for the hybrid."""
    board, seconds = leaderboard(verdict.judged, np.random.default_rng(seed)), verdict.seconds
    whole = sum(seconds.values()) - seconds["judging"]
    taken = {name: whole if name == HYBRID else seconds["reading"] + seconds[name] for name in board["model"]}
    columns: dict[str, Mapping[str, object]] = {
        "validation_ndcg@10": verdict.on_validation,
        "seconds": taken,
        "settings": verdict.settings,
    }
    return board.with_columns(
        pl.Series(name, [values[model] for model in board["model"]]) for name, values in columns.items()
    )


class _Callable(ModuleType):
    """A room and the one thing that is done in it share a name: `recolab.benchmark(path)` shall work whoever imported it."""

    def __call__(self, path: str | Path, minutes: float = 25, seed: int = 7) -> pl.DataFrame:
        return benchmark(path, minutes, seed)


sys.modules[__name__].__class__ = _Callable
