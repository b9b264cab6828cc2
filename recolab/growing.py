"""Transformers as good as so many minutes allow: as wide and as long as fits, with less and less dropout while that helps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any, cast

import numpy as np
import torch

from recolab.evaluation import Task, validation_score
from recolab.histories import Histories
from recolab.models.distilling import distil
from recolab.models.ensemble import Ensemble
from recolab.models.following import WithFollowers
from recolab.models.sequential import SequenceModel
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig
from recolab.tuning import Space, tune

DROPOUTS = ((0.5, 0.3), (0.3, 0.2), (0.15, 0.1))  # of the encoder, and of what it reads; the likeliest first
TEMPERATURE = 2.0  # of what is taught
LESSON = 1024  # visits in a batch of soft answers: each says more than what came alone
RATE = 7e-3  # learning rate for so many
NARROW, WIDE = 64, 128  # widths
LEAST, WORTH, LONG = 3, 4, 8  # epochs: of any run, for a wide table to be worth its price, of the longest run
SHORT = 6  # epochs: in fewer nothing is learned by heart, and the most dropout only slows
LESSONS = 12  # epochs, of who is taught
PATIENCE = 3  # epochs without a better score, after which a run has begun to learn by heart
SAMPLED = 2048  # items drawn for a batch where the whole catalog is too much to ask
REMEMBERED: Space = {  # how much followers count, the likeliest first
    "trust": [1.0, 2.0, 0.5],
    "sharpness": [30.0, 3.0, 10.0, 100.0],
    "damping": [0.1, 0.3, 0.5, 0.0],
    "half_life_days": [1.5, 5.0, 30.0],
}
TRIALS = 24  # of them, at most
NETWORKS = 6  # that an ensemble may choose from
TOGETHER = 3  # of them are to fit: three answer together about as well as four, and clearly better than two
APART = 1000  # between the seeds of runs: whoever repeats it all with the next seed shall meet none of them again
SEEDS = 2**32  # there are so many
SURE = 0.95  # of the time that is left: what was timed on a part may take a little longer on the whole
PROBED = 10  # one history in so many is enough to tell how long an epoch takes

Look = Callable[[Any], float]  # a model so far -> its score
Learn = Callable[[Histories, TrainConfig, Look], SequenceModel]


def grow_transformer(histories: Histories, task: Task, seconds: float, seed: int) -> Transformer:
    """Train as wide and as long as time allows, then with less dropout for as long as there is time and validation likes it.

    Every run has a whole schedule of its own, at most `LONG` epochs and `WIDE`, for the harm of too little dropout shows late; the second
    is shorter than the first where that took longer than planned.
    histories: all that may be learned from    seconds: about how long    ->  the best run at its best epoch; its log tells all
    Raises ValueError for seconds that are no number.
    """
    return max(_Runs(histories, task, seconds, seed, how_many=2).less_dropout(), key=_worth)


def grow_ensemble(histories: Histories, task: Task, seconds: float, seed: int) -> Ensemble:
    """Grow as `grow_transformer` does, but so that three fit; then more like the best one while there is time; those that help answer together.

    ->  best first, each of which makes the mean of the logits better on validation than those before it do alone
    Raises ValueError for seconds that are no number.
    """
    runs = _Runs(histories, task, seconds, seed, how_many=TOGETHER)
    models = runs.less_dropout()
    best = max(models, key=_worth).config
    while len(models) < NETWORKS and (epochs := runs.affordable()):
        models.append(runs.run((best.dropout, cast("float", best.input_dropout)), epochs))
    first, *others = sorted(models, key=_worth, reverse=True)
    together, worth = Ensemble([first]), _worth(first)
    for model in others:
        larger = Ensemble([*together.models, model])
        if (found := validation_score(larger, task)) > worth:
            together, worth = larger, found
    return together


def taught(ensemble: Ensemble, histories: Histories, task: Task, seconds: float, seed: int) -> SequenceModel:
    """Let one network, twice as wide, learn what several say together, in as many epochs as time allows, at most `LESSONS`.

    As wide as they are, or with dropout, it stayed further from them on histories that none had seen (Sports, in benchmarks/README.md).

    histories: those that they learned from    seconds: about how long; one epoch is taught whatever they are
    seed: another than theirs is made of it
    ->  the best epoch; its log tells all
    Raises ValueError for seconds that are no number.
    """
    ends, best, seed = _ends(seconds), ensemble.models[0], (seed + NETWORKS * APART) % SEEDS
    shape = replace(
        best.config,
        dim=2 * best.config.dim,
        dropout=0.0,
        input_dropout=0.0,
        warm_start=False,  # its table begins as theirs
        batch_positions=LESSON,
    )

    def learn(some: Histories, training: TrainConfig, look: Look) -> SequenceModel:
        student = type(best)(shape, training, f"Taught {best.name}")
        return distil(student, ensemble, some, task.catalog, TEMPERATURE, look)

    each = _epoch_seconds(histories, task, learn, seed)
    epochs = max(int(min((ends - time.perf_counter()) / each, LESSONS)), 1)
    training = TrainConfig(epochs, RATE, patience=PATIENCE, seed=seed, progress=False)
    return learn(histories, training, partial(validation_score, task=task))


def remember(
    model: SequenceModel | Ensemble, histories: Histories, task: Task, seconds: float, seed: int
) -> WithFollowers:
    """Let a trained model remember what followed what, as much as validation likes: with no trust at all where it is better alone.

    histories: those that the model learned from    seconds: at most, but for one trial and the last fit
    Raises ValueError for seconds that are no number.
    """
    ends = _ends(seconds)
    make = partial(WithFollowers, model)
    best, trials = tune(make, REMEMBERED, histories, [task], TRIALS, seed, seconds=ends - time.perf_counter())
    knobs = best[task.name]
    if trials[task.name].max() <= validation_score(model, task):  # type: ignore[operator]
        knobs = knobs | {"trust": 0.0}
    return make(**knobs).fit(histories, task.catalog)


def best_epoch(model: SequenceModel) -> tuple[int, float]:
    """Say which epoch was kept, and its validation score."""
    best = max(model.log, key=lambda row: row["validation"])
    return int(best["epoch"]), best["validation"]


class _Runs:
    """Whole trainings on the same histories, each from a seed of its own, in so many seconds; how_many of them if `WORTH` epochs fit."""

    def __init__(self, histories: Histories, task: Task, seconds: float, seed: int, how_many: int) -> None:
        self.ends, self.wanted, self.slowest = _ends(seconds), how_many, 0.0
        self.histories, self.task, self.seeds = histories, task, (n % SEEDS for n in count(seed, APART))
        self.negatives = 0 if _can_ask_all(histories, task, seconds) else SAMPLED
        wide = _shape(DROPOUTS[0], WIDE, self.negatives)

        def learn(some: Histories, training: TrainConfig, look: Look) -> SequenceModel:
            return Transformer(wide, training).fit(some, task.catalog, validate=look)

        each = _epoch_seconds(histories, task, learn, seed)
        self.dim, self.epochs = _planned(each, SURE * (self.ends - time.perf_counter()), how_many)

    def less_dropout(self) -> list[Transformer]:
        """Train with less and less dropout, until the newest is no better than the best or time is short."""
        first, *others = DROPOUTS if self.epochs >= SHORT else DROPOUTS[1:]
        models = [self.run(first, self.epochs)]
        for dropouts in others:
            if not (epochs := self.affordable()):
                break
            models.append(self.run(dropouts, epochs))
            if _worth(models[-1]) <= _worth(models[-2]):
                break
        return models

    def run(self, dropouts: tuple[float, float], epochs: int) -> Transformer:
        """Train once, from the next seed."""
        started = time.perf_counter()
        model = _trained(self, dropouts, epochs, next(self.seeds))
        self.slowest = max(self.slowest, (time.perf_counter() - started) / len(model.log))
        self.wanted -= 1
        return model

    def affordable(self) -> int:
        """Count the epochs of one more run, should they take as long as the slowest so far; 0 where it would end too late.

        The plan knew a probe alone: a run that is still to fit may be shorter than planned, as long as it is worth it.
        """
        left = self.ends - time.perf_counter()
        if self.wanted > 0:
            return _epochs(self.slowest, left, self.wanted, self.epochs)
        return self.epochs if self.epochs * self.slowest <= left else 0


def _ends(seconds: float) -> float:
    if math.isnan(seconds):
        raise ValueError("seconds is not a number: say how long it may take, or inf")
    return time.perf_counter() + seconds


def _worth(model: SequenceModel) -> float:
    return best_epoch(model)[1]


def _planned(epoch_seconds: float, seconds: float, how_many: int) -> tuple[int, int]:
    """Choose width and epochs of a run, where an epoch of a wide table takes so long  ->  dim, epochs.

    There shall be time for so many runs; but fewer wide ones are better than as many narrow ones, for which the shortest have to do.
    """
    if (epochs := _epochs(epoch_seconds, seconds, how_many, LONG)) >= WORTH:
        return WIDE, epochs
    return NARROW, LEAST


def _epochs(epoch_seconds: float, seconds: float, how_many: int, most: int) -> int:
    """Count the epochs of each of so many runs, or of as many fewer as leave each `WORTH`; 0 where not even one does."""
    shares = (int(min(seconds / runs / epoch_seconds, most)) for runs in range(how_many, 0, -1))
    return next((epochs for epochs in shares if epochs >= min(WORTH, most)), 0)


def _epoch_seconds(histories: Histories, task: Task, learn: Learn, seed: int) -> float:
    """Time an epoch, with its look at the validation, on some of the histories."""
    longer = np.flatnonzero(histories.lengths > 1)
    apart = PROBED if len(longer) >= 100 * PROBED else 1
    ends: list[float] = []

    def look(model: SequenceModel) -> float:
        started = time.perf_counter()
        score = validation_score(model, task)
        ends.append(time.perf_counter() - started)
        return score

    probe = learn(histories.take(longer[::apart]), TrainConfig(1, seed=seed, progress=False), look)
    return apart * probe.log[0]["seconds"] + ends[0]


def _trained(runs: _Runs, dropouts: tuple[float, float], epochs: int, seed: int) -> Transformer:
    training = TrainConfig(epochs, patience=PATIENCE, seed=seed, progress=False)
    model = Transformer(_shape(dropouts, runs.dim, runs.negatives), training)
    return model.fit(runs.histories, runs.task.catalog, validate=partial(validation_score, task=runs.task))


def _shape(dropouts: tuple[float, float], dim: int, negatives: int) -> TransformerConfig:
    inner, read = dropouts
    return TransformerConfig(dim=dim, dropout=inner, input_dropout=read, negatives=negatives, max_len=50)


def _can_ask_all(histories: Histories, task: Task, seconds: float) -> bool:
    """Tell whether a wide run over the whole catalog fits: three products of events x items x width an epoch.

    Sampled, it learns less from each epoch: in batches of 2,048, on Sports' validation, .0371 at best, and .0409 over all.
    """
    rows, table = torch.ones(256, WIDE), torch.ones(WIDE, 16_384)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(rows, table)
        taken.append(time.perf_counter() - started)
    per_product = float(np.median(taken)) / (len(rows) * table.shape[1])
    return WORTH * 3 * len(histories.items) * len(task.catalog) * per_product < seconds
