"""One Transformer as good as so many minutes allow: as wide and as long as fits, with less and less dropout while that helps."""

from __future__ import annotations

import math
import time
from functools import partial

import numpy as np
import torch

from recolab.evaluation import Task, validation_score
from recolab.histories import Histories
from recolab.models.following import WithFollowers
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig
from recolab.tuning import Space, tune

DROPOUTS = ((0.5, 0.3), (0.3, 0.2), (0.15, 0.1))  # of the encoder, and of what it reads; the likeliest first
NARROW, WIDE = 64, 128  # widths
LEAST, WORTH, LONG = 3, 4, 12  # epochs: of any run, for a wide table to be worth its price, of the longest run
PATIENCE = 3  # epochs without a better score, after which a run has begun to learn by heart
SAMPLED = 2048  # items drawn for a batch where the whole catalog is too much to ask
REMEMBERED: Space = {  # how much followers count, the likeliest first
    "trust": [1.0, 2.0, 0.5],
    "sharpness": [30.0, 3.0, 10.0, 100.0],
    "damping": [0.1, 0.3, 0.5, 0.0],
    "half_life_days": [1.5, 5.0, 30.0],
}
TRIALS = 24  # of them, at most
PROBED = 10  # one history in so many is enough to tell how long an epoch takes


def grow_transformer(histories: Histories, task: Task, seconds: float, seed: int) -> Transformer:
    """Train as wide and as long as time allows, then with less dropout for as long as there is time and validation likes it.

    Every run is a whole one: a short trial would praise the least dropout, whose harm shows late.
    histories: all that may be learned from    seconds: about how long    ->  the best run at its best epoch; its log tells all
    Raises ValueError for seconds that are no number.
    """
    if math.isnan(seconds):
        raise ValueError("seconds is not a number: say how long it may take, or inf")
    ends = time.perf_counter() + seconds
    negatives = 0 if _can_ask_all(histories, task, seconds) else SAMPLED
    dim, epochs = _affordable(_epoch_seconds(histories, task, negatives, seed), seconds)
    best: Transformer | None = None
    for dropouts in DROPOUTS:
        started = time.perf_counter()
        model = _trained(histories, task, negatives, seed, dropouts, dim, epochs)
        if best is not None and best_epoch(model)[1] <= best_epoch(best)[1]:
            return best
        best, now = model, time.perf_counter()
        if now + (now - started) > ends:
            break
    return best  # type: ignore[return-value]  # there is a first


def remember(model: Transformer, histories: Histories, task: Task, seconds: float, seed: int) -> WithFollowers:
    """Let a trained model remember what followed what, as much as validation likes: with no trust at all where it is better alone.

    histories: those that the model learned from    seconds: at most, but for one trial and the last fit
    """
    make = partial(WithFollowers, model)
    best, trials = tune(make, REMEMBERED, histories, [task], TRIALS, seed, seconds=seconds)
    knobs = best[task.name]
    if trials[task.name].max() <= validation_score(model, task):  # type: ignore[operator]
        knobs = knobs | {"trust": 0.0}
    return make(**knobs).fit(histories, task.catalog)


def best_epoch(model: Transformer) -> tuple[int, float]:
    """Say which epoch was kept, and its validation score."""
    best = max(model.log, key=lambda row: row["validation"])
    return int(best["epoch"]), best["validation"]


def _affordable(epoch_seconds: float, seconds: float) -> tuple[int, int]:
    """Choose width and epochs of a run, where an epoch of a narrow table takes so long  ->  dim, epochs.

    Half of the time is for another run with less dropout; but one wide run is better than two narrow ones.
    """
    for dim, share in ((WIDE, 1 / 2), (WIDE, 1), (NARROW, 1 / 2)):
        epochs = int(min(seconds * share * NARROW / (dim * epoch_seconds), LONG))
        if epochs >= WORTH:
            break
    return dim, max(epochs, LEAST)


def _epoch_seconds(histories: Histories, task: Task, negatives: int, seed: int) -> float:
    """Time an epoch of a narrow table, with its look at the validation, on some of the histories."""
    longer = np.flatnonzero(histories.lengths > 1)
    apart = PROBED if len(longer) >= 100 * PROBED else 1
    ends: list[float] = []

    def look(model: Transformer) -> float:
        started = time.perf_counter()
        score = validation_score(model, task)
        ends.append(time.perf_counter() - started)
        return score

    probe = Transformer(_shape(DROPOUTS[0], NARROW, negatives), TrainConfig(1, seed=seed, progress=False))
    probe.fit(histories.take(longer[::apart]), task.catalog, validate=look)
    return apart * probe.log[0]["seconds"] + ends[0]


def _trained(
    histories: Histories, task: Task, negatives: int, seed: int, dropouts: tuple[float, float], dim: int, epochs: int
) -> Transformer:
    training = TrainConfig(epochs, patience=PATIENCE, seed=seed, progress=False)
    model = Transformer(_shape(dropouts, dim, negatives), training)
    return model.fit(histories, task.catalog, validate=lambda so_far: validation_score(so_far, task))


def _shape(dropouts: tuple[float, float], dim: int, negatives: int) -> TransformerConfig:
    inner, read = dropouts
    return TransformerConfig(
        dim=dim, dropout=inner, input_dropout=read, start_norm=0.5, negatives=negatives, max_len=50
    )


def _can_ask_all(histories: Histories, task: Task, seconds: float) -> bool:
    """Tell whether a wide run over the whole catalog fits: three products of events x items x width an epoch.

    Sampled, it learns less from each epoch: on Sports' validation .0371 at best, and .0409 over the whole catalog.
    """
    rows, table = torch.ones(256, WIDE), torch.ones(WIDE, 16_384)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(rows, table)
        taken.append(time.perf_counter() - started)
    per_product = float(np.median(taken)) / (len(rows) * table.shape[1])
    return WORTH * 3 * len(histories.items) * len(task.catalog) * per_product < seconds
