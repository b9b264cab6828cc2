"""One Transformer as good as so many minutes allow: dropout by short runs, then a wide table and as many epochs as fit."""

from __future__ import annotations

import time
from functools import partial

import numpy as np
import torch

from recolab.evaluation import Task, validation_score
from recolab.histories import Histories
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig

DROPOUTS = ((0.5, 0.3), (0.3, 0.2), (0.15, 0.1))  # of the encoder, and of what it reads; the likeliest first
NARROW, WIDE = 64, 128  # a trial's table, and that of the model which is kept where time allows
SHORT, FEW, LONG = 5, 6, 12  # epochs: of a trial, of a wide table at least, of any run at most
TRYING = 0.35  # of the time, at most, goes into trials
SAMPLED = 2048  # items drawn for a batch where the whole catalog is too much to ask


def grow_transformer(histories: Histories, task: Task, seconds: float, seed: int) -> Transformer:
    """Choose the dropouts on a validation task, then train as wide and as long as the time allows; keep the best epoch.

    histories: all that may be learned from    seconds: about how long    ->  the fitted model; its log tells every epoch
    """
    negatives = 0 if _can_ask_all(histories, task, seconds) else SAMPLED
    train = partial(_trained, histories, task, negatives, seed)
    started, tried, passed = time.perf_counter(), dict[tuple[float, float], Transformer](), 0.0
    for dropouts in DROPOUTS:
        if tried and passed + passed / len(tried) > seconds * TRYING:
            break
        tried[dropouts] = train(dropouts, NARROW, SHORT)
        passed = time.perf_counter() - started
    chosen = max(tried, key=lambda dropouts: best_epoch(tried[dropouts])[1])
    narrow = int((seconds - passed) / (passed / len(tried) / SHORT))  # epochs for which there is time
    wide = narrow * NARROW // WIDE
    if max(narrow, wide) <= SHORT:
        return tried[chosen]
    dim, epochs = (WIDE, wide) if wide >= FEW else (NARROW, narrow)
    grown = train(chosen, dim, min(epochs, LONG))
    return max((tried[chosen], grown), key=lambda model: best_epoch(model)[1])


def best_epoch(model: Transformer) -> tuple[int, float]:
    """Say which epoch was kept, and its validation score."""
    best = max(model.log, key=lambda row: row["validation"])
    return int(best["epoch"]), best["validation"]


def _trained(
    histories: Histories, task: Task, negatives: int, seed: int, dropouts: tuple[float, float], dim: int, epochs: int
) -> Transformer:
    inner, read = dropouts
    shape = TransformerConfig(
        dim=dim, dropout=inner, input_dropout=read, start_norm=0.5, negatives=negatives, max_len=50
    )
    training = TrainConfig(epochs, patience=epochs, seed=seed, progress=False)
    model = Transformer(shape, training)
    return model.fit(histories, task.catalog, validate=lambda so_far: validation_score(so_far, task))


def _can_ask_all(histories: Histories, task: Task, seconds: float) -> bool:
    """Tell whether a trial over the whole catalog fits its time: three products of events x items x width an epoch."""
    rows, table = torch.ones(256, NARROW), torch.ones(NARROW, 16_384)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        torch.mm(rows, table)
        taken.append(time.perf_counter() - started)
    per_product = float(np.median(taken)) / (len(rows) * table.shape[1])
    return SHORT * 3 * len(histories.items) * len(task.catalog) * per_product < seconds * TRYING
