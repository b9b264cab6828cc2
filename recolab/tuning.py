"""Give every model the same chance: the same number of trials, on validation only."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, product
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
    tasks: Sequence[Task],
    trials: int = 8,
    seed: int = 7,
    metric: str = f"ndcg@{K}",
    seconds: float | None = None,
) -> tuple[dict[str, dict[str, Any]], pl.DataFrame]:
    """Search a model's few knobs with optuna; a space of at most `trials` points is searched whole, in the order of its values.

    make: called with the knobs    space: knob -> its values, the likeliest first    histories: to fit on, once a trial    tasks: validation
    questions, each answered by every trial    seconds: no trial begins that would not end within so many  ->  task name -> the best knobs for it, and a table of all trials
    """
    size = math.prod(len(values) for values in space.values())
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["maximize"] * len(tasks), sampler=optuna.samplers.TPESampler(seed=seed))
    # Few trials, or little time, shall see the first corner of the space, where we expect the best.
    for point in islice(product(*space.values()), size if size <= trials else 1):
        study.enqueue_trial(dict(zip(space, point, strict=True)))

    def worth(trial: optuna.Trial) -> list[float]:
        knobs = {name: trial.suggest_categorical(name, list(values)) for name, values in space.items()}
        model = make(**knobs).fit(histories, tasks[0].catalog)
        return [validation_score(model, task, metric) for task in tasks]

    ends = math.inf if seconds is None else time.perf_counter() + seconds

    def stop_when_late(study: optuna.Study, newest: optuna.trial.FrozenTrial) -> None:
        another = newest.duration.total_seconds() if newest.duration else 0.0
        if time.perf_counter() + another >= ends:
            study.stop()

    study.optimize(worth, n_trials=min(trials, size), callbacks=[stop_when_late])
    done = [trial for trial in study.trials if trial.values is not None]  # the others were still waiting
    best = {task.name: max(done, key=lambda t: t.values[n]).params for n, task in enumerate(tasks)}
    rows = [
        trial.params | {task.name: value for task, value in zip(tasks, trial.values, strict=True)} for trial in done
    ]
    return best, pl.DataFrame(rows, strict=False)
