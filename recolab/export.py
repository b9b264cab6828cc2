"""From a trained sequence model to what serves it: the reading of one history, compiled once, without torch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument
from torch import Tensor, nn

from recolab.lab import write_atomically
from recolab.models.sequential import SequenceModel, SequenceNetwork
from recolab.models.transformer import TransformerEncoder

Floats = NDArray[np.float32]
INPUTS = ("visits", "ages")
TOLERANCE = 1e-4  # of a state's numbers


class _Newest(nn.Module):
    """The state after the newest of T visits of one history: (1, T, D) and ages (1, T) in days -> (1, D)."""

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.norm_in, self.encoder, self.norm_out = network.norm_in, network.encoder, network.norm_out
        if isinstance(self.encoder, TransformerEncoder):
            self.read = self.encoder.newest  # half of the work: in the last block only the newest visit asks
        else:
            self.read = lambda *visits: self.encoder(*visits)[:, -1]

    def forward(self, visits: Tensor, ages: Tensor) -> Tensor:
        """Read one history whole: nothing is padded."""
        is_visit = torch.ones_like(ages, dtype=torch.bool)
        state: Tensor = self.norm_out(self.read(self.norm_in(visits), is_visit, ages))
        return state


def export_encoder(model: SequenceModel, path: Path) -> None:
    """Write the part of a model that reads one history as ONNX, for any number of visits; the item table stays apart.

    Raises ValueError for a model that foresees hidden visits, as it has no state after the newest, and for one that ONNX can
    only hold for one number of visits (a GRU, as torch exports it today): what was written is asked before it is kept.
    """
    if model.objective().n_blanks:
        raise ValueError(
            f"{model.name} foresees hidden visits and has no state after the newest: export a causal model"
        )
    newest = _Newest(model.module).eval()
    example = torch.zeros(1, 3, model.config.dim), torch.zeros(1, 3)
    length = torch.export.Dim("visits", min=1, max=model.config.max_len)
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
        _require_equal(newest, temporary, model)


def _require_equal(newest: nn.Module, path: Path, model: SequenceModel) -> None:
    """Ask both about histories of several lengths: an exporter may take the example's for the only one."""
    read, rng = CompiledEncoder(path), np.random.default_rng(0)
    for length in {1, 2, model.config.max_len}:
        bags, ages = (
            rng.normal(size=(length, model.config.dim)).astype(np.float32),
            rng.exponential(20, length).astype(np.float32),
        )
        with torch.no_grad():
            [wanted] = newest(torch.from_numpy(bags)[None], torch.from_numpy(ages)[None]).numpy()
        try:
            found = read(bags, ages)
        except InvalidArgument as error:
            raise ValueError(f"{model.name} cannot be exported for histories of {length} visits: {error}") from error
        if not np.allclose(found, wanted, atol=TOLERANCE):
            raise ValueError(f"{model.name} says other things as ONNX, of {length} visits: serve it by torch")


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


class CompiledEncoder:
    """A history's state by ONNX Runtime, on one thread: of one short history, a second thread only waits."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def __call__(self, visits: Floats, ages: Floats) -> Floats:
        """Read T visits, oldest first: (T, D) bags of item vectors and (T,) ages in days -> (D,)."""
        [state] = self._session.run(None, {"visits": visits[None], "ages": ages[None]})
        found: Floats = state[0]
        return found
