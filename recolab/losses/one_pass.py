"""What every loss over a catalog is made of: blocks of rows that fit a cache, and a gradient taken while they are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

ROWS = 128  # positions whose logits live in a core's cache at once, at least


class InOnePass(torch.autograd.Function):
    """A loss whose forward pass has found the gradients already: to hidden (P, D) and table (N, D), its first two inputs."""

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Hand on what the forward pass found."""
        to_hidden, to_table = ctx.saved_tensors
        return upstream[0] * to_hidden, upstream[0] * to_table, *[None] * (len(ctx.needs_input_grad) - 2)


def target_logits(hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor) -> Tensor:
    """Give h·e of each target: as in full_cross_entropy -> (M,)."""
    return (hidden[owners] * table[targets]).sum(-1)


def blocks(owners: Tensor, n_positions: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """Go through positions some rows at a time: which they are, and which of the sorted owners (M,) ask them."""
    starts = range(0, n_positions, rows)
    bounds = torch.searchsorted(owners, owners.new_tensor([*starts, n_positions])).tolist()
    for start, first, last in zip(starts, bounds, bounds[1:], strict=False):
        yield slice(start, start + rows), slice(first, last)


def exponentials(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits (R, N) in place into exp(logit - the largest)  ->  their sum (R, 1), and the log of Σ exp(logit) (R, 1)."""
    top = logits.amax(1, keepdim=True)
    top = top.masked_fill(top == -torch.inf, 0)  # where all is closed nothing is asked, and no NaN comes of it
    total = logits.sub_(top).exp_().sum(1, keepdim=True).clamp(min=torch.finfo(logits.dtype).tiny)
    return total, total.log() + top
