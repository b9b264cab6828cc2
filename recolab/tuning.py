"""Give every model the same chance: the same number of trials, on validation only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
import polars as pl

from recolab.evaluation import K, Task, validation_score
from recolab.histories import Histories
from recolab.models import Recommender

Space = Mapping[str, Sequence[Any]]


def tune(
    make: Callable[..., Recommender],
    space: Space,
    histories: Histories,
    task: Task,
    trials: int = 8,
    seed: int = 7,
    metric: str = f"ndcg@{K}",
) -> tuple[dict[str, Any], pl.DataFrame]:
    """Search a model's few knobs with optuna's TPE; a space of at most `trials` points is searched whole.

    make: called with the knobs    space: knob -> its values    histories: to fit on    task: the validation question
    ->  the best knobs, and a table of all trials with the metric
    """
    size = 1
    for values in space.values():
        size *= len(values)
    sampler = optuna.samplers.GridSampler(space, seed=seed) if size <= trials else optuna.samplers.TPESampler(seed=seed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def worth(trial: optuna.Trial) -> float:
        knobs = {name: trial.suggest_categorical(name, list(values)) for name, values in space.items()}
        return validation_score(make(**knobs).fit(histories, task.catalog), task, metric)

    study.optimize(worth, n_trials=min(trials, size))
    rows = [trial.params | {metric: trial.value} for trial in study.trials]
    return study.best_params, pl.DataFrame(rows, strict=False).sort(metric, descending=True)
