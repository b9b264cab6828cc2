"""A compiled encoder, as whoever serves it needs it: without torch, whose import takes longer than all the rest of a start."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Floats = NDArray[np.float32]
INPUTS = ("visits", "ages")
LENGTH = "visits"  # what ONNX calls the number of them


class CompiledEncoder:
    """A history's state by ONNX Runtime, on one thread: of one short history, a second thread only waits.

    longest: visits of the histories that are met most, those of all who came often; compiled for this number alone, their
    shapes are worked out once, which saves a fifth of the time (of 64 visits)
    """

    def __init__(self, path: Path, longest: int) -> None:
        self.longest = longest
        self._any, self._whole = _session(path), _session(path, longest)

    def __call__(self, visits: Floats, ages: Floats) -> Floats:
        """Read T visits, oldest first: (T, D) bags of item vectors and (T,) ages in days -> (D,)."""
        session = self._whole if len(visits) == self.longest else self._any
        [state] = session.run(None, {"visits": visits[None], "ages": ages[None]})
        found: Floats = state[0]
        return found


def _session(path: Path, length: int | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if length is not None:
        options.add_free_dimension_override_by_name(LENGTH, length)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
