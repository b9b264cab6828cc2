"""Attention and the pre-norm block: who may read whom, how much, and what is done with it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
    """Mix values by how well their keys answer the query: softmax(QKᵀ/√d) V (Vaswani et al. 2017, eq. 1).

    query, key, value: (..., T, d)    visible: (..., T, T) bool, True where a row may read a column
    ->  mixed values (..., T, d) and weights (..., T, T), each row summing to 1
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
    itself = torch.eye(length, dtype=torch.bool, device=is_event.device)
    # A padded row must see something, or its softmax is 0/0; letting it see itself is harmless.
    return past & (is_event[:, None, :] | itself)


class RelativePosition(nn.Module):
    """A learned preference of each head for how far back it reads (after Shaw et al. 2018, in the additive form of T5).

    Distances count back from the reader's own now, so neither padding nor a longer past moves them.
    """

    def __init__(self, n_heads: int, max_len: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(n_heads, max_len))

    def forward(self, length: int) -> Tensor:
        """Lay the biases out: (n_heads, T, T), entry [h, t, s] for reading t - s steps back."""
        steps = torch.arange(length, device=self.bias.device)
        back = (steps[:, None] - steps[None, :]).clamp(0, self.bias.size(1) - 1)
        laid_out: Tensor = self.bias[:, back]
        return laid_out


class SelfAttention(nn.Module):
    """Several heads that each read the past in their own way, then one linear map that joins what they found."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        if dim % n_heads:
            raise ValueError(f"dim = {dim} must be a multiple of n_heads = {n_heads}")
        self.n_heads, self.dropout = n_heads, dropout
        self.project = nn.Linear(dim, 3 * dim)
        self.join = nn.Linear(dim, dim)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Read the past: x (B, T, D), bias (B, n_heads, T, T) added to the fit, -inf where nothing may be read."""
        B, T, D = x.shape
        query, key, value = self.project(x).view(B, T, 3, self.n_heads, D // self.n_heads).permute(2, 0, 3, 1, 4)
        dropout = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias, dropout_p=dropout)
        joined: Tensor = self.join(mixed.transpose(1, 2).reshape(B, T, D))
        return joined


class Block(nn.Module):
    """One pre-norm Transformer block: read the past, then think about it, each added to what was known (Xiong et al. 2020)."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, n_heads, dropout)
        self.norm_read, self.norm_think = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.think = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Pass x (B, T, D) through the block with bias (B, n_heads, T, T)  ->  (B, T, D)."""
        x = x + self.dropout(self.attention(self.norm_read(x), bias))
        thought: Tensor = x + self.dropout(self.think(self.norm_think(x)))
        return thought
