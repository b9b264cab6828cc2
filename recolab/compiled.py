"""A compiled encoder, as whoever serves it needs it: without torch, whose import takes longer than all the rest of a start.

It reads a history whole, or, where there is much to read, one visit more than it has read before.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Floats = NDArray[np.float32]
INPUTS = ("visits", "ages")
STEP_INPUTS = ("visit", "kept", "ages", "age")  # the last two where the encoder knows of times
LENGTH, KEPT = "visits", "kept"  # what ONNX calls the number of them, and of those that were read before
KEEP, STEP = "keep.onnx", "step.onnx"


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


class CompiledSteps:
    """What was read of a history, and one visit more: the same state as `CompiledEncoder`'s, where that would read all anew.

    kept: (n_blocks, 2, 1, n_heads, P, d) float32, keys and values of the P visits that were read
    """

    def __init__(self, folder: Path) -> None:
        self._keep, self._step = _session(folder / KEEP), _session(folder / STEP)
        self._names = STEP_INPUTS[: len(self._step.get_inputs())]

    def keep(self, visits: Floats, ages: Floats) -> Floats:
        """Read P visits, as `CompiledEncoder` takes them  ->  kept."""
        [kept] = self._keep.run(None, {"visits": visits[None], "ages": ages[None]})
        found: Floats = kept
        return found

    def step(self, visit: Floats, ages: Floats, kept: Floats) -> tuple[Floats, Floats]:
        """Read one more: its bag (D,), and the ages (P + 1,) of all  ->  its state (D,), and what there is to keep of it (P = 1)."""
        asked = visit[None, None], kept, ages[None, :-1], ages[None, -1:]
        state, own = self._step.run(None, dict(zip(self._names, asked, strict=False)))
        return state[0], own


def _session(path: Path, length: int | None = None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    if length is not None:
        options.add_free_dimension_override_by_name(LENGTH, length)
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
