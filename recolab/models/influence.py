"""How far back a sequence model reads: what its answer hangs on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recolab.histories import Histories, lay_out, newest_window, visits
from recolab.models.sequential import SequenceModel

PROBES = 8  # random directions in which the answer is pulled


def influence(model: SequenceModel, histories: Histories, n_visits: int, seed: int = 0) -> NDArray[np.float64]:
    """Share out the answer among the newest visits, by how strongly each could change it.

    Only histories of at least n_visits visits are asked; of each, the squared norm of the derivative of the last state by
    every visit's vector, estimated with random probes (Hutchinson 1989)  ->  (n_visits,) shares, newest first, that sum to 1
    Raises ValueError for more visits than the model reads, and where no history is that long.
    """
    reads = model.config.max_len - model.objective().n_blanks
    if not 1 <= n_visits <= reads:
        raise ValueError(f"n_visits = {n_visits} must be from 1 to {reads}, as many as the model reads")
    visited = visits(histories)
    long = np.flatnonzero(np.diff(visited.offsets) >= n_visits)
    if len(long) == 0:
        raise ValueError(f"no history has {n_visits} visits: ask for fewer")
    window = lay_out(histories, visited, newest_window(visited, n_visits)[long])
    seen: list[Tensor] = []

    def watch(_: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        seen.append(inputs[0].detach().requires_grad_())
        return seen[0], *inputs[1:]

    with model.module.encoder.register_forward_pre_hook(watch):
        answer = model.module.eval()(model.objective().question(window))[:, -1]
    rng, strength = torch.Generator().manual_seed(seed), torch.zeros(seen[0].shape[:2])
    for _ in range(PROBES):
        pull = torch.randn(answer.shape, generator=rng)
        (slope,) = torch.autograd.grad(answer, seen[0], pull, retain_graph=True)
        strength += slope.square().sum(-1)
    strength = strength[:, :n_visits]  # a blank where the answer is written is no visit
    shares: NDArray[np.float64] = (strength / strength.sum(1, keepdim=True)).mean(0).double().numpy()
    return shares[::-1].copy()
