"""Would it pay to keep a history's states, and add one visit to them, instead of reading the history anew?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation import median_seconds
from recolab.compiled import CompiledEncoder
from recolab.export import export_encoder
from recolab.histories import PAD
from recolab.models.transformer import Transformer, TransformerConfig

Floats = NDArray[np.float32]
DIM, BLOCKS, HEADS = 64, 2, 2
RUNS = 300


@dataclass
class KeptStates:
    """The keys and values of T visits in two blocks, and the step that adds a visit: the products of a Transformer's, in NumPy.

    What its weights are does not change how long it takes, so they are drawn. Only the newest visits are read, so from the
    moment a history is longer than that, what was kept has read visits that a reading anew would not: the two part.
    """

    length: int

    def __post_init__(self) -> None:
        rng = np.random.default_rng(7)
        self.kept = rng.normal(size=(BLOCKS, 2, self.length, DIM)).astype(np.float32)
        self.into = rng.normal(size=(BLOCKS, DIM, 3 * DIM)).astype(np.float32)
        self.join = rng.normal(size=(BLOCKS, DIM, DIM)).astype(np.float32)
        self.up, self.down = (
            rng.normal(size=(BLOCKS, *shape)).astype(np.float32) for shape in ((DIM, 4 * DIM), (4 * DIM, DIM))
        )

    def step(self, x: Floats) -> Floats:
        """Add one visit (D,) in the place of the last  ->  its state (D,)."""
        for block in range(BLOCKS):
            query, key, value = np.split(_normed(x) @ self.into[block], 3)
            keys, values = self.kept[block]
            keys[-1], values[-1] = key, value
            x = (
                x
                + np.concatenate(
                    [
                        _read(*part)
                        for part in zip(
                            np.split(query, HEADS), np.split(keys, HEADS, 1), np.split(values, HEADS, 1), strict=True
                        )
                    ]
                )
                @ self.join[block]
            )
            x = x + np.maximum(_normed(x) @ self.up[block], 0) @ self.down[block]
        return x


def _normed(x: Floats) -> Floats:
    normed: Floats = (x - x.mean()) / (x.std() + 1e-5)
    return normed


def _read(query: Floats, keys: Floats, values: Floats) -> Floats:
    fit = keys @ query / np.float32(len(query) ** 0.5)
    weights = np.exp(fit - fit.max())
    read: Floats = weights @ values / weights.sum()
    return read


def anew_and_kept(length: int) -> tuple[float, float]:
    """Time a history of so many visits read anew by the compiled encoder, and one visit added to kept states: ms, medians."""
    model = Transformer(TransformerConfig(dim=DIM, n_blocks=BLOCKS, n_heads=HEADS, max_len=length))
    model.module = model.network(PAD + 2)
    model._popularity = np.zeros(PAD + 2, np.float32)
    with TemporaryDirectory() as folder:
        export_encoder(model, Path(folder) / "encoder.onnx")
        compiled = CompiledEncoder(Path(folder) / "encoder.onnx", length)
    bags, ages, states = (
        np.random.default_rng(7).normal(size=(length, DIM)).astype(np.float32),
        np.zeros(length, np.float32),
        KeptStates(length),
    )
    return tuple(
        1e3 * median_seconds(work, RUNS) for work in (lambda: compiled(bags, ages), lambda: states.step(bags[0]))
    )
