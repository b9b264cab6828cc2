"""Cross-entropy against what a teacher says of the whole catalog: knowledge distillation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from recolab.losses.one_pass import InOnePass, exponentials, hand_back, rows_at_once, tiles_of


def distillation_loss(
    hidden: Tensor, table: Tensor, said: Tensor, teacher_table: Tensor, weights: Tensor, temperature: float
) -> Tensor:
    """Ask each position for all that a teacher holds likely: -T² Σₚ wₚ Σⱼ qₚⱼ log pₚⱼ, p and q softmax of logits / T (Hinton et al. 2015).

    hidden: (P, D) positions    table: (N, D), row 0 = PAD    said, teacher_table: (P, D') and (N, D'), whose product is the
    teacher's logits    weights: (P,) of the positions, summing to 1    temperature: T, above 1 softer
    ->  scalar, with a gradient to hidden and table alone; logits exist for some positions at a time, as in full_cross_entropy
    """
    with torch.autocast(hidden.device.type, enabled=False):
        inputs = *(known.to(table.dtype) for known in (said, teacher_table, weights)), temperature
        loss: Tensor = DistillationLoss.apply(hidden.to(table.dtype), table, *inputs)  # type: ignore[no-untyped-call]
    return loss


class DistillationLoss(InOnePass):
    """Loss and gradient in one pass over blocks of rows, the teacher's logits made beside the student's and forgotten with them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        table: Tensor,
        said: Tensor,
        teacher_table: Tensor,
        weights: Tensor,
        temperature: float,
    ) -> Tensor:
        """Sum over blocks of positions; with w the weights, dh = T w (p - q) E and dE = T (w (p - q))ᵀ h."""
        loss, items, others = hidden.new_zeros(()), table[1:], teacher_table[1:]  # PAD is not an answer
        to_hidden, to_table = torch.zeros_like(hidden), torch.zeros_like(table)
        at_once = rows_at_once(len(hidden), len(table))
        for block in (slice(start, start + at_once) for start in range(0, len(hidden), at_once)):
            rows, weight = hidden[block], temperature * weights[block, None]
            taught = tiles_of(said[block] / temperature, others)
            whole, _ = exponentials(taught)  # a tile holds q times whole
            errors = tiles_of(rows / temperature, items)
            likely = sum(map(torch.linalg.vecdot, taught, errors))[:, None] / whole  # Σⱼ qⱼ zⱼ
            total, log_total = exponentials(errors)
            loss += (temperature * weight * (log_total - likely)).sum()
            for error, told in zip(errors, taught, strict=True):
                error.addcmul_(told, total / whole, value=-1)  # (p - q) times total
            hand_back(errors, rows, weight / total, items, (to_hidden[block], to_table[1:]))
        ctx.save_for_backward(to_hidden, to_table)
        return loss
