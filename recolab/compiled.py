"""A compiled encoder, as whoever serves it needs it: without torch, whose import takes longer than all the rest of a start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Floats = NDArray[np.float32]
INPUTS = ("visits", "ages")


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
