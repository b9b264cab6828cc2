"""The gradients of attention derived by hand, so that nothing of it is left to belief."""

from __future__ import annotations

import math

from torch import Tensor

from recolab.attention.formula import attend


def attend_gradients(
    query: Tensor, key: Tensor, value: Tensor, visible: Tensor, upstream: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Carry a gradient back through softmax(QKᵀ/√d) V by the chain rule, one line a step.

    query: (..., T, d)    key, value: (..., S, d)    visible: (..., T, S) bool, as in `attend`
    upstream: (..., T, d), how much the loss grows with each number of the mixed values
    ->  the same for query (..., T, d), key (..., S, d) and value (..., S, d)
    """
    _, weights = attend(query, key, value, visible)  # (..., T, S)
    d_value = weights.transpose(-2, -1) @ upstream  # a value is in each row as much as it was read
    d_weights = upstream @ value.transpose(-2, -1)  # (..., T, S)
    # A row of softmax sums to 1: what one column gains the others lose, so only what beats the row's mean counts.
    d_fit = weights * (d_weights - (weights * d_weights).sum(-1, keepdim=True))
    d_fit = d_fit / math.sqrt(query.size(-1))
    return d_fit @ key, d_fit.transpose(-2, -1) @ query, d_value
