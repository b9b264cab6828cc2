"""The formula, and the masks that say who may read whom."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Mix values by how well their keys answer the query: softmax(QKᵀ/√d) V (Vaswani et al. 2017, eq. 1).

    query: (..., T, d)    key, value: (..., S, d), S = T where a history reads itself
    visible: (..., T, S) bool, True where a row may read a column
    ->  mixed values (..., T, d) and weights (..., T, S), each row summing to 1
    """
    fit = query @ key.transpose(-2, -1) / math.sqrt(query.size(-1))
    weights = fit.masked_fill(~visible, -torch.inf).softmax(dim=-1)
    return weights @ value, weights


def visible_history(is_event: Tensor) -> Tensor:
    """Say which positions each position may read: real ones, in the past or now.

    is_event: (B, T) bool, False where padded  ->  (B, T, T) bool, True where row t may read column s
    """
    length = is_event.size(1)
    past = torch.ones(length, length, dtype=torch.bool, device=is_event.device).tril()
    return past & visible_all(is_event)


def visible_all(is_event: Tensor) -> Tensor:
    """Say which positions each position may read where it may read both ways: all real ones.

    is_event: (B, T) bool, False where padded  ->  (B, T, T) bool, True where row t may read column s
    """
    itself = torch.eye(is_event.size(1), dtype=torch.bool, device=is_event.device)
    # A padded row must see something, or its softmax is 0/0; letting it see itself is harmless.
    return is_event[:, None, :] | itself


def visible_others(is_event: Tensor, length: int) -> Tensor:
    """Say which of the events a writer reads: all real ones, whatever it has written so far.

    is_event: (B, S) bool, False where padded    length: T, how much is written  ->  (B, T, S) bool
    """
    return is_event[:, None, :].expand(-1, length, -1)
