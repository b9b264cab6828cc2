"""Cross-entropy over a catalog, in full or against sampled items."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from recolab.losses.one_pass import (
    ROWS,
    InOnePass,
    blocks,
    exponentials,
    hand_back,
    rows_at_once,
    target_logits,
    tiles_of,
)

DRAWN_CELLS = 2**19  # logits at once, where a few items are drawn: short blocks are more calls than work


def full_cross_entropy(
    hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None = None
) -> Tensor:
    """Ask each position for its targets among all items: mean over targets of log Σⱼ exp(h·eⱼ) - h·e_target.

    hidden: (P, D) positions    table: (N, D), row 0 = PAD    owners, targets: (M,), target m is asked of position owners[m]
    closed: (P, C) rows that are no answer at a position (a list has them already), PAD where there are fewer
    ->  scalar; logits exist for some positions at a time (CELLS of them, or ROWS positions where the catalog is large), and
    the gradient is taken while they do, the first one only
    Raises ValueError where nothing is asked, or something closed.
    """
    _require_open(owners, targets, closed)
    with torch.autocast(hidden.device.type, enabled=False):  # sums over a catalog want more digits than bfloat16 has
        loss: Tensor = FullCrossEntropy.apply(hidden.to(table.dtype), table, owners, targets, closed)  # type: ignore[no-untyped-call]
    return loss


class FullCrossEntropy(InOnePass):
    """Loss and gradient in one pass over blocks of rows: nothing of size positions x items is stored or computed twice."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, table: Tensor, owners: Tensor, targets: Tensor, closed: Tensor | None
    ) -> Tensor:
        """Sum over blocks of positions; with p = softmax(h Eᵀ) and y the targets, dh = (p - y) E and dE = (p - y)ᵀ h."""
        owners, order = owners.sort(stable=True)
        targets, share = targets[order], 1 / len(targets)
        asked = share * torch.bincount(owners, minlength=len(hidden)).to(hidden.dtype)[:, None]
        loss = -share * target_logits(hidden, table, owners, targets).sum()
        to_hidden = torch.zeros_like(hidden).index_add_(0, owners, table[targets], alpha=-share)
        to_table = torch.zeros_like(table).index_add_(0, targets, hidden[owners], alpha=-share)
        for block, _ in blocks(owners, len(hidden), rows_at_once(len(hidden), len(table))):
            rows = hidden[block]
            errors = tiles_of(rows, table)  # logits, soon p times total
            errors[0][:, 0] = -torch.inf  # PAD is not an answer
            if closed is not None:
                _close(errors, closed[block])
            total, log_total = exponentials(errors)
            loss += (asked[block] * log_total).sum()
            hand_back(errors, rows, asked[block] / total, table, (to_hidden[block], to_table))
        ctx.save_for_backward(to_hidden, to_table)
        return loss


def sampled_cross_entropy(
    hidden: Tensor,
    table: Tensor,
    owners: Tensor,
    targets: Tensor,
    negatives: Tensor,
    log_expected: Tensor,
    closed: Tensor | None = None,
) -> Tensor:
    """Ask each position for its targets among items sampled for the whole batch, corrected for how often each is drawn.

    hidden, table, owners, targets, closed: as above    negatives: (S,) rows    log_expected: (S,) log of the expected
    number of draws of each (the log-q correction of Bengio & Senécal 2008)  ->  scalar; made in blocks as the full one
    Raises ValueError where nothing is asked or drawn, or something closed is asked.
    """
    _require_open(owners, targets, closed)
    if not len(negatives):
        raise ValueError("nothing was drawn to compare the targets with: draw some, or ask the whole catalog")
    asked = owners, targets, negatives, log_expected.to(table.dtype), closed
    with torch.autocast(hidden.device.type, enabled=False):
        loss: Tensor = SampledCrossEntropy.apply(hidden.to(table.dtype), table, *asked)  # type: ignore[no-untyped-call]
    return loss


class SampledCrossEntropy(InOnePass):
    """Mean of log(1 + Z / exp(h·e_target)), Z = Σⱼ exp(h·eⱼ) / expectedⱼ over the draws; the gradient in the same pass."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        owners: Tensor,
        targets: Tensor,
        negatives: Tensor,
        log_expected: Tensor,
        closed: Tensor | None,
    ) -> Tensor:
        """Sum over blocks of positions; with b = log Z - h·e_target, dh·e_target is -σ(b), and σ(b) falls to the draws by their share of Z."""
        owners, order = owners.sort(stable=True)
        targets = targets[order]
        wanted = target_logits(hidden, table, owners, targets)  # (M,)
        vectors, to_hidden, behind = table[negatives], torch.empty_like(hidden), torch.empty_like(wanted)
        to_vectors = torch.zeros_like(vectors)
        ordered = None if closed is None else negatives.sort()
        for block, mine in blocks(owners, len(hidden), max(ROWS, DRAWN_CELLS // len(negatives))):
            rows, at = hidden[block], owners[mine] - block.start
            errors = torch.addmm(
                -log_expected, rows, vectors.T
            )  # (ROWS, S): logits, soon their share of Z, then their gradient
            if closed is not None and ordered is not None:
                _shut(errors, *ordered, closed[block])
            total, log_total = exponentials([errors])
            log_total.masked_fill_(total < 1, -torch.inf)  # the largest has 1, so here all that was drawn is closed
            behind[mine] = log_total[at, 0] - wanted[mine]
            push = torch.zeros_like(total).index_add_(0, at, behind[mine].sigmoid()[:, None] / len(targets))
            errors *= push / total
            to_hidden[block] = errors @ vectors
            to_vectors.addmm_(errors.T, rows)
        pull = behind.sigmoid()[:, None] / len(targets)
        to_table = torch.zeros_like(table).index_add_(0, negatives, to_vectors)
        to_table.index_add_(0, targets, pull * hidden[owners], alpha=-1)
        ctx.save_for_backward(to_hidden.index_add_(0, owners, pull * table[targets], alpha=-1), to_table)
        return F.softplus(behind).mean()


def _require_open(owners: Tensor, targets: Tensor, closed: Tensor | None) -> None:
    if not len(targets):
        raise ValueError("no target is asked for, so there is no mean: leave such a batch out")
    if closed is not None and (shut := int((closed[owners] == targets[:, None]).any(1).sum())):
        raise ValueError(f"{shut} of {len(targets)} targets are closed at their own position: ask for open ones only")


def _close(tiles: list[Tensor], closed: Tensor) -> None:
    """Put at -inf the items that are closed at a position: tiles of (R, N), closed (R, C) rows of the catalog."""
    start = 0
    for tile in tiles:
        rows, places = ((start <= closed) & (closed < start + tile.size(1))).nonzero(as_tuple=True)
        tile.index_put_((rows, closed[rows, places] - start), tile.new_tensor(-torch.inf))
        start += tile.size(1)


def _shut(drawn: Tensor, ordered: Tensor, place: Tensor, closed: Tensor) -> None:
    """Put at -inf the draws that are closed at a position: drawn (P, S), its items in order and where they stand (S,), closed (P, C)."""
    # In order, the draws of one item lie side by side: two look-ups find them, a fifth of the cost of a (P, N) table.
    closed = closed.contiguous()
    first, last = torch.searchsorted(ordered, closed), torch.searchsorted(ordered, closed, right=True)
    times = (last - first).flatten()
    nth = torch.arange(int(times.sum())) - (times.cumsum(0) - times).repeat_interleave(times)
    columns = place[first.flatten().repeat_interleave(times) + nth]
    rows = torch.arange(closed.numel()).repeat_interleave(times) // closed.size(1)
    drawn.index_put_((rows, columns), drawn.new_tensor(-torch.inf))
