"""What every loss over a catalog is made of: tiles of logits that fit a cache, and a gradient taken while they are there."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

ROWS = 128  # positions at once, at least: fewer read the table too often
CELLS = 2**23  # logits at once, where the catalog is small enough for more positions
TILE = 2**19  # logits of a tile, two megabytes: in a row of the whole catalog, the next position is pages away


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


def rows_at_once(n_positions: int, n_items: int) -> int:
    """Say how many positions make a block, so that about CELLS logits exist, and all blocks are about as large."""
    n_blocks = math.ceil(n_positions / max(ROWS, CELLS // n_items))
    return math.ceil(n_positions / n_blocks) if n_blocks else ROWS


def tiles_of(rows: Tensor, items: Tensor) -> list[Tensor]:
    """Make the logits of positions (R, D) and items (N, D), some items after the others: tiles (R, ...) of about TILE logits each."""
    return [rows @ part.T for part in torch.split(items, max(TILE // max(len(rows), 1), 1))]


def fill_with_products(scores: Tensor, rows: Tensor, items: Tensor) -> None:
    """Write the product of each of rows (R, D) with each of items (N, D) into scores (R, N), a tile of about TILE at a time."""
    tile = max(TILE // max(len(rows), 1), 1)
    for part, into in zip(torch.split(items, tile), torch.split(scores, tile, 1), strict=True):
        torch.mm(rows, part.T, out=into)


def hand_back(errors: list[Tensor], rows: Tensor, weight: Tensor, items: Tensor, into: tuple[Tensor, Tensor]) -> None:
    """Add to the gradients of positions (R, D) and items (N, D) what tiles of errors say, each position's as often as its weight (R, 1)."""
    (to_rows, to_items), widths = into, [tile.size(1) for tile in errors]
    rows, pushed = rows * weight, torch.zeros_like(rows)
    for tile, part, to_part in zip(errors, torch.split(items, widths), torch.split(to_items, widths), strict=True):
        pushed.addmm_(tile, part)
        to_part.addmm_(tile.T, rows)
    to_rows.addcmul_(pushed, weight)


def blocks(owners: Tensor, n_positions: int, rows: int) -> Iterator[tuple[slice, slice]]:
    """Go through positions some rows at a time: which they are, and which of the sorted owners (M,) ask them."""
    starts = range(0, n_positions, rows)
    bounds = torch.searchsorted(owners, owners.new_tensor([*starts, n_positions])).tolist()
    for start, first, last in zip(starts, bounds, bounds[1:], strict=False):
        yield slice(start, start + rows), slice(first, last)


def exponentials(tiles: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Turn tiles of logits (R, ...) in place into exp(logit - the row's largest)  ->  their sum (R, 1), and the log of Σ exp(logit) (R, 1)."""
    top = torch.stack([tile.amax(1) for tile in tiles], 1).amax(1, keepdim=True)
    top = top.masked_fill(top == -torch.inf, 0)  # where all is closed nothing is asked, and no NaN comes of it
    sums = torch.stack([tile.sub_(top).exp_().sum(1) for tile in tiles], 1)
    total = sums.sum(1, keepdim=True).clamp(min=torch.finfo(top.dtype).tiny)
    return total, total.log() + top
