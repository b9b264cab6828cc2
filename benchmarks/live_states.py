"""From how many visits on does it pay to keep what was read of a history, and to read on, instead of reading it anew?"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.evaluation import median_seconds
from recolab.compiled import CompiledEncoder, CompiledSteps
from recolab.export import export_encoder, export_steps
from recolab.histories import PAD
from recolab.models.transformer import Transformer, TransformerConfig

DIM, BLOCKS, HEADS = 64, 2, 2
RUNS = 300


def anew_and_on(length: int) -> tuple[float, float]:
    """Time a list's reading after one visit more: all of so many visits anew, or the last two on what is kept: ms, medians.

    (The newest may still grow, so it is kept only when the next has come.) What the weights are does not change how long it takes.
    """
    model = Transformer(TransformerConfig(dim=DIM, n_blocks=BLOCKS, n_heads=HEADS, max_len=length + 1))
    model.module = model.network(PAD + 2)
    with TemporaryDirectory() as made:
        folder = Path(made)
        export_encoder(model, folder / "encoder.onnx")
        export_steps(model, folder)
        anew, steps = CompiledEncoder(folder / "encoder.onnx", length), CompiledSteps(folder)
    visits, ages = np.random.default_rng(7).normal(size=(length, DIM)).astype(np.float32), np.zeros(length, np.float32)
    kept = steps.keep(visits[:-2], ages[:-2])

    def read_on() -> None:
        _, own = steps.step(visits[-2], ages[:-1], kept)
        steps.step(visits[-1], ages, np.concatenate([kept, own], -2))

    return tuple(1e3 * median_seconds(work, RUNS) for work in (lambda: anew(visits, ages), read_on))
