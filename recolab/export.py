"""From a trained sequence model to what serves it: the reading of one history, whole or by steps, compiled once, without torch."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import Tensor, nn

from recolab.compiled import INPUTS, KEEP, KEPT, LENGTH, STEP, STEP_INPUTS, CompiledEncoder, CompiledSteps
from recolab.lab import write_atomically
from recolab.models.network import SequenceNetwork, newest_state
from recolab.models.sequential import SequenceModel
from recolab.models.transformer import TransformerEncoder

Floats = NDArray[np.float32]
TOLERANCE = 1e-4  # of a state's numbers


class _LaidOut(nn.Module):
    """What may be read, and what is preferred for how far it lies back: laid out once for the longest history, cut for each.

    Gathered anew for every list, it took a third of a reading's time.
    """

    def __init__(self, encoder: TransformerEncoder, max_len: int) -> None:
        super().__init__()
        closed = ~encoder.visible(torch.ones(1, max_len, dtype=torch.bool))
        bias = torch.zeros(closed.shape).masked_fill(closed, -torch.inf)
        if encoder.relative is not None:
            bias = bias + encoder.relative(max_len)
        self.register_buffer("bias", bias.detach())
        self.bias: Tensor

    def forward(self, length: int) -> Tensor:
        """Cut: (n_heads or 1, T, T)."""
        return self.bias[:, :length, :length]


class _Newest(nn.Module):
    """The state after the newest of T visits of one history: (1, T, D) and ages (1, T) in days -> (1, D)."""

    def __init__(self, network: SequenceNetwork, max_len: int) -> None:
        super().__init__()
        self.norm_in, self.encoder, self.norm_out = network.norm_in, network.encoder, network.norm_out
        if isinstance(network.encoder, TransformerEncoder):
            self.encoder = _quicker(network.encoder, max_len)

    def forward(self, visits: Tensor, ages: Tensor) -> Tensor:
        """Read one history whole: nothing is padded."""
        is_visit = torch.ones_like(ages, dtype=torch.bool)
        state: Tensor = self.norm_out(newest_state(self.encoder, self.norm_in(visits), is_visit, ages))
        return state


class _Keep(nn.Module):
    """What later visits will ask of T visits: (1, T, D) and ages (1, T) in days -> (n_blocks, 2, 1, n_heads, T, d)."""

    def __init__(self, network: SequenceNetwork, max_len: int) -> None:
        super().__init__()
        self.norm_in, self.encoder = network.norm_in, _quicker(_steppable(network), max_len)

    def forward(self, visits: Tensor, ages: Tensor) -> Tensor:
        """Read one history whole."""
        return self.encoder.keep(self.norm_in(visits), torch.ones_like(ages, dtype=torch.bool), ages)


class _Step(nn.Module):
    """The state after one visit (1, 1, D) more than those that are kept, and what there is to keep of it."""

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.norm_in, self.encoder, self.norm_out = network.norm_in, _steppable(network), network.norm_out

    def forward(
        self, visit: Tensor, kept: Tensor, ages: Tensor | None = None, age: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read on; ages (1, P) of the ones that are kept, and its own (1, 1), where the encoder knows of times."""
        days = None if ages is None or age is None else torch.cat([ages, age], 1)
        state, own = self.encoder.step(self.norm_in(visit), days, kept)
        return self.norm_out(state), own


def _steppable(network: SequenceNetwork) -> TransformerEncoder:
    assert isinstance(network.encoder, TransformerEncoder)
    return network.encoder


def _quicker(encoder: TransformerEncoder, max_len: int) -> TransformerEncoder:
    """Share an encoder's weights, with its places laid out: what may be read is told by them, and not asked again."""
    quicker = copy(encoder)
    quicker.__dict__.pop("relative", None)  # where it is None, it is no module
    quicker._modules = dict(encoder._modules) | {"relative": _LaidOut(encoder, max_len)}
    quicker.visible = lambda is_event: torch.ones_like(is_event)[:, None]
    return quicker


def export_encoder(model: SequenceModel, path: Path) -> None:
    """Write the part of a model that reads one history as ONNX, for any number of visits; the item table stays apart.

    Raises ValueError for a model that foresees hidden visits, as it has no state after the newest, and for one that ONNX can
    only hold for one number of visits (a GRU, as torch exports it today): what was written is asked before it is kept.
    """
    if model.objective().n_blanks:
        raise ValueError(
            f"{model.name} foresees hidden visits and has no state after the newest: export a causal model"
        )
    newest = _Newest(model.module.eval(), model.config.max_len)
    length = torch.export.Dim(LENGTH, min=1, max=model.config.max_len)
    shapes = {"visits": {1: length}, "ages": {1: length}}
    program = _compiled(newest, _example(model, 3), INPUTS, ("state",), shapes)
    with write_atomically(path) as temporary:
        program.save(str(temporary))
        _require_equal(temporary, model)


def export_steps(model: SequenceModel, folder: Path) -> bool:
    """Write what reads one visit more than was read before (`CompiledSteps`), asked before it is kept  ->  whether it was written.

    Only a causal Transformer, of four visits or more, knows such a step: others leave nothing here.
    """
    network, config = model.module.eval(), model.config
    encoder = network.encoder
    steps = isinstance(encoder, TransformerEncoder) and len(encoder.blocks) > 0 and config.max_len > 3
    if not steps or model.objective().n_blanks:
        return False
    length = torch.export.Dim(LENGTH, min=1, max=config.max_len)
    before = torch.export.Dim(KEPT, min=1, max=config.max_len - 1)
    keep, (bags, ages) = _Keep(network, config.max_len), _example(model, 3)
    with torch.no_grad():
        example = bags[:, :1], keep(bags, ages), ages, ages[:, :1]
    n_inputs = 2 if encoder.time is None else len(STEP_INPUTS)  # torch exports no input that nothing reads
    inputs = STEP_INPUTS[:n_inputs]
    shapes: dict[str, Any] = dict(zip(inputs, ({}, {4: before}, {1: before}, {}), strict=False))
    programs = {
        KEEP: _compiled(keep, (bags, ages), INPUTS, ("kept",), {"visits": {1: length}, "ages": {1: length}}),
        STEP: _compiled(_Step(network), example[:n_inputs], inputs, ("state", "own"), shapes),
    }
    with TemporaryDirectory(dir=folder) as made:
        for name, program in programs.items():
            program.save(str(Path(made) / name))
        _require_same_steps(Path(made), model)
        for name in programs:
            os.replace(Path(made) / name, folder / name)
    return True


def _compiled(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    shapes: dict[str, Any],
) -> torch.onnx.ONNXProgram:
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module.eval(),
            example,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # it is only where the old exporter is asked
    return program


def _example(model: SequenceModel, length: int) -> tuple[Tensor, Tensor]:
    """Draw a history: bags (1, T, D) and ages (1, T) in days."""
    rng = np.random.default_rng(length)
    bags, ages = rng.normal(size=(1, length, model.config.dim)), rng.exponential(20, (1, length))
    return torch.from_numpy(bags.astype(np.float32)), torch.from_numpy(ages.astype(np.float32))


def _require_same_steps(folder: Path, model: SequenceModel) -> None:
    read, longest = CompiledSteps(folder), model.config.max_len
    for length in {2, 3, longest}:
        bags, ages = _example(model, length)
        visits, days = bags[0].numpy(), ages[0].numpy()
        kept = read.keep(visits[:1], days[:1])
        for n in range(1, length):
            state, own = read.step(visits[n], days[: n + 1], kept)
            kept = np.concatenate([kept, own], -2)
        if not np.allclose(state, _by_torch(model.module, bags, ages), atol=TOLERANCE):
            raise ValueError(f"{model.name} says other things by steps, of {length} visits: serve it without them")


def _require_equal(path: Path, model: SequenceModel) -> None:
    """Ask both about histories of several lengths: an exporter may take the example's for the only one."""
    read = CompiledEncoder(path, model.config.max_len)
    for length in {1, 2, model.config.max_len}:
        bags, ages = _example(model, length)
        wanted = _by_torch(model.module, bags, ages)
        try:
            found = read(bags[0].numpy(), ages[0].numpy())
        except InvalidArgument as error:
            raise ValueError(f"{model.name} cannot be exported for histories of {length} visits: {error}") from error
        if not np.allclose(found, wanted, atol=TOLERANCE):
            raise ValueError(f"{model.name} says other things as ONNX, of {length} visits: serve it by torch")


def _by_torch(network: SequenceNetwork, visits: Tensor, ages: Tensor) -> Floats:
    """Read a history as the model itself does, none of what was made for speed being used: (D,)."""
    with torch.no_grad():
        is_visit = torch.ones_like(ages, dtype=torch.bool)
        states = network.norm_out(network.encoder(network.norm_in(visits), is_visit, ages))
    found: Floats = states[0, -1].numpy()
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep torch from speaking of its own deprecations and of packages that nobody asked for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
