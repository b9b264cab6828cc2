"""From a trained sequence model to what serves it: the reading of one history, compiled once, without torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import Tensor, nn

from recolab.compiled import INPUTS, LENGTH, CompiledEncoder
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
    newest = _Newest(model.module.eval(), model.config.max_len).eval()
    example = torch.zeros(1, 3, model.config.dim), torch.zeros(1, 3)
    length = torch.export.Dim(LENGTH, min=1, max=model.config.max_len)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            newest,
            example,
            input_names=list(INPUTS),
            output_names=["state"],
            dynamic_shapes={"visits": {1: length}, "ages": {1: length}},
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # it is only where the old exporter is asked
    with write_atomically(path) as temporary:
        program.save(str(temporary))
        _require_equal(temporary, model)


def _require_equal(path: Path, model: SequenceModel) -> None:
    """Ask both about histories of several lengths: an exporter may take the example's for the only one."""
    read, rng = CompiledEncoder(path, model.config.max_len), np.random.default_rng(0)
    for length in {1, 2, model.config.max_len}:
        bags, ages = (
            rng.normal(size=(length, model.config.dim)).astype(np.float32),
            rng.exponential(20, length).astype(np.float32),
        )
        wanted = _by_torch(model.module, torch.from_numpy(bags)[None], torch.from_numpy(ages)[None])
        try:
            found = read(bags, ages)
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
