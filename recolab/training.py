"""The one loop that calls an optimizer."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from recolab.allocator import keep_freed_memory
from recolab.lab import write_atomically

# A batch, and the share of the run that is done -> (mean loss, how many targets it speaks for).
Loss = Callable[[Any, float], tuple[Tensor, int]]
Batches = Callable[[np.random.Generator], Iterable[Any]]


@dataclass(frozen=True)
class TrainConfig:
    """How long and how fast to learn; after more than `patience` epochs in a row without a better validation score it stops."""

    epochs: int = 10
    learning_rate: float = 5e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.05
    patience: int = 2
    seed: int = 7
    progress: bool = True

    def __post_init__(self) -> None:
        require_types(self)
        require(
            self,
            epochs=(self.epochs >= 0, "0 or more"),
            learning_rate=(0 <= self.learning_rate < math.inf, "0 or more"),
            weight_decay=(0 <= self.weight_decay < math.inf, "0 or more"),
            warmup_share=(0 <= self.warmup_share <= 1, "from 0 to 1"),
            patience=(self.patience >= 0, "0 or more"),
            seed=(0 <= self.seed < 2**32, "from 0 to 2**32 - 1"),
        )


def require_types(config: Any) -> None:
    """Refuse a field of a config that is no int, no number or none of its words: a misspelt word would pass for another.

    Raises ValueError that names the field and what it may be.
    """
    for name, kind in get_type_hints(type(config)).items():
        value, words = getattr(config, name), get_args(kind) if get_origin(kind) is Literal else ()
        if words:
            require(config, **{name: (value in words, f"one of {', '.join(words)}")})
        elif kind is int:  # a number of numpy's is refused as json cannot save it
            require(config, **{name: (isinstance(value, int), f"a plain int, not {type(value).__name__}")})
        elif kind is float or (kind == float | None and value is not None):
            fits = isinstance(value, (int, float))
            require(config, **{name: (fits, f"a plain float, not {type(value).__name__}")})


def require(config: Any, **fields: tuple[bool, str]) -> None:
    """Raise ValueError for the first field of a config that does not hold, with its value: name=(holds, what it must be)."""
    for name, (holds, must) in fields.items():
        if not holds:
            raise ValueError(f"{type(config).__name__}: {name} = {getattr(config, name)!r} must be {must}")


@dataclass
class _State:
    """All that an interrupted run needs to go on as if nothing had happened."""

    epoch: int
    log: list[dict[str, float]]
    best: dict[str, Tensor]
    best_score: float
    best_epoch: int


def fit(
    module: nn.Module,
    loss_of: Loss,
    batches_of: Batches,
    config: TrainConfig,
    validate: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
) -> list[dict[str, float]]:
    """Train with AdamW, warm-up and cosine decay; keep the weights of the best validation score (the last without one).

    loss_of: batch, share of the run that is done -> (scalar loss, number of targets)    batches_of: rng -> batches of one epoch
    validate: () -> score, larger is better    checkpoint: written after every epoch; found there, a run goes on from it
    ->  one row per epoch: epoch, loss, targets_per_second, seconds, and validation where there is one
    Raises ValueError where the checkpoint is another run's or no batch comes, FloatingPointError where the loss or the
    validation is not a number.
    """
    keep_freed_memory()
    # Fused, a step needs no scratch table: over a million items, fetching two anew took half of all training.
    optimizer = torch.optim.AdamW(_groups(module, config.weight_decay), lr=config.learning_rate, fused=True)
    state = _State(0, [], deepcopy(module.state_dict()), -math.inf, 0)
    if checkpoint is not None and checkpoint.exists():
        _resume(checkpoint, module, optimizer, state, config)
    while state.epoch < config.epochs and state.epoch - state.best_epoch <= config.patience:
        state.epoch += 1
        row = _one_epoch(module, loss_of, batches_of, optimizer, config, state.epoch)
        score = float(state.epoch)
        if validate is not None:
            module.eval()
            score = row["validation"] = validate()
            if math.isnan(score):
                raise FloatingPointError(
                    f"validation is {score} in epoch {state.epoch}: nothing says which weights to keep"
                )
        state.log.append(row)
        if score > state.best_score:
            state.best, state.best_score, state.best_epoch = deepcopy(module.state_dict()), score, state.epoch
        if checkpoint is not None:
            _save(checkpoint, module, optimizer, state, config)
    optimizer.zero_grad(set_to_none=True)  # the newest gradient is as large as the model, and nobody asks for it
    module.load_state_dict(state.best)
    module.eval()
    return state.log


def _one_epoch(
    module: nn.Module,
    loss_of: Loss,
    batches_of: Batches,
    optimizer: torch.optim.Optimizer,
    config: TrainConfig,
    epoch: int,
) -> dict[str, float]:
    # Every epoch draws from its own seed, so a resumed run meets the same batches and the same dropout.
    torch.manual_seed(config.seed * 100_003 + epoch)
    batches = list(batches_of(np.random.default_rng([config.seed, epoch])))
    if not batches:
        raise ValueError(f"epoch {epoch} has no batch: there is nothing to learn from")
    module.train()
    started, total, seen = time.perf_counter(), 0.0, 0
    with tqdm(batches, desc=f"epoch {epoch}", unit="batch", leave=False, disable=not config.progress) as bar:
        for step, batch in enumerate(bar):
            done = (epoch - 1 + step / len(batches)) / config.epochs
            rate = _rate(config, done)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, n_targets = loss_of(batch, done)
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"loss is {loss.item()} in epoch {epoch}: try a smaller learning_rate than {rate:.1e}"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total, seen = total + loss.item() * n_targets, seen + n_targets
            bar.set_postfix(loss=f"{total / seen:.3f}", per_second=f"{seen / (time.perf_counter() - started):,.0f}")
    seconds = time.perf_counter() - started
    return {"epoch": epoch, "loss": total / seen, "targets_per_second": seen / seconds, "seconds": seconds}


def _rate(config: TrainConfig, done: float) -> float:
    """Climb to the learning rate in the first share of the run, then follow half a cosine down to a hundredth."""
    if done < config.warmup_share:
        return config.learning_rate * max(done / config.warmup_share, 0.02)
    left = (done - config.warmup_share) / (1 - config.warmup_share)
    return config.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * left)) / 2)


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices only: shrinking a bias or a norm helps nobody."""
    matrices = [p for p in module.parameters() if p.ndim > 1]
    others = [p for p in module.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def _save(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, state: _State, config: TrainConfig) -> None:
    whole = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "config": asdict(config)}
    with write_atomically(path) as temporary:
        torch.save(whole | vars(state), temporary)


def _resume(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, state: _State, config: TrainConfig
) -> None:
    whole = torch.load(path, weights_only=True)
    if whole["config"] | {"progress": config.progress} != asdict(config):
        raise ValueError(f"{path} belongs to a run with {whole['config']}: delete it, or train with that config")
    module.load_state_dict(whole["module"])
    optimizer.load_state_dict(whole["optimizer"])
    for name in vars(state):
        setattr(state, name, whole[name])
