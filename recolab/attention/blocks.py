"""Attention in several heads, and the blocks of encoder and decoder."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recolab.attention.dropout import Dropout
from recolab.attention.positions import RotaryPosition


class SelfAttention(nn.Module):
    """Several heads that each read the past in their own way, then one linear map that joins what they found."""

    def __init__(self, dim: int, n_heads: int, dropout: float, turn: RotaryPosition | None = None) -> None:
        super().__init__()
        _require_shares(dim, n_heads)
        self.n_heads, self.dropout, self.turn = n_heads, Dropout(dropout), turn
        self.project = nn.Linear(dim, 3 * dim)
        self.join = nn.Linear(dim, dim)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Read the past: x (B, T, D), bias (B, n_heads, S, T) added to the fit, -inf where not to read  ->  (B, S, D), the last S."""
        query, key, value = self.shares(x)
        return self.mix(query[:, :, -bias.size(-2) :], key, value, bias)

    def mix(self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        """Let S queries (B, n_heads, S, d) read T keys and values (B, n_heads, T, d), bias as in `forward`  ->  (B, S, D)."""
        joined: Tensor = self.join(_joined(_mixed(query, key, value, bias, self.dropout)))
        return joined

    def shares(self, x: Tensor, place: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Give each head its query, key and value: x (B, T, D) -> three of (B, n_heads, T, D / n_heads); place: of the first."""
        query, key, value = (_heads(part, self.n_heads) for part in self.project(x).chunk(3, dim=-1))
        if self.turn is not None:
            query, key = self.turn(query, place), self.turn(key, place)
        return query, key, value

    def weights(self, x: Tensor, bias: Tensor) -> Tensor:
        """Say how much each position reads of each: x and bias as in `forward` -> (B, n_heads, T, T), rows sum to 1."""
        query, key, _ = self.shares(x)
        return _weights(query, key, bias)


class CrossAttention(nn.Module):
    """Several heads in which one sequence asks and another answers: what a decoder reads of the encoded history."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        _require_shares(dim, n_heads)
        self.n_heads, self.dropout = n_heads, Dropout(dropout)
        self.ask, self.answer = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.join = nn.Linear(dim, dim)

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        """Read memory (B, S, D) from x (B, T, D), bias (B, n_heads, T, S) added to the fit  ->  (B, T, D)."""
        query, key, value = self.shares(x, memory)
        joined: Tensor = self.join(_joined(_mixed(query, key, value, bias, self.dropout)))
        return joined

    def shares(self, x: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give each head its query of x (B, n_heads, T, d) and its key and value of memory (B, n_heads, S, d)."""
        key, value = (_heads(part, self.n_heads) for part in self.answer(memory).chunk(2, dim=-1))
        return _heads(self.ask(x), self.n_heads), key, value

    def weights(self, x: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        """Say how much each position of x reads of memory: as in `forward` -> (B, n_heads, T, S), rows sum to 1."""
        query, key, _ = self.shares(x, memory)
        return _weights(query, key, bias)


class SwiGlu(nn.Module):
    """A feed-forward layer whose one half decides how much of the other passes (Shazeer 2020); as many weights as the plain one."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        width = 8 * dim // 3
        self.gate, self.up, self.down = nn.Linear(dim, width), nn.Linear(dim, width), nn.Linear(width, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Think about x: (..., D) -> (..., D)."""
        thought: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return thought


class Block(nn.Module):
    """One Transformer block: read the past, then think about it, each added to what was known.

    norm: "pre" normalises what is read (Xiong et al. 2020), "post" the sum (Vaswani et al. 2017)
    gated: let what is known decide how much of the new is added (LiGR, Borisyuk et al. 2024)
    """

    def __init__(
        self,
        dim: int,
        n_heads: int,
        dropout: float,
        norm: Literal["pre", "post"] = "pre",
        feed_forward: Literal["gelu", "swiglu"] = "gelu",
        gated: bool = False,
        turn: RotaryPosition | None = None,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.attention = SelfAttention(dim, n_heads, dropout, turn)
        self.norm_read, self.norm_think = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.think = SwiGlu(dim) if feed_forward == "swiglu" else _plain_feed_forward(dim)
        self.gates = nn.ModuleList([nn.Linear(dim, dim), nn.Linear(dim, dim)]) if gated else None
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """Pass x (B, T, D) through the block with bias (B, n_heads, S, T)  ->  (B, S, D), what the last S positions became."""
        return self.after(x[:, -bias.size(-2) :], self.attention(self.reads(x), bias))

    def reads(self, x: Tensor) -> Tensor:
        """Give what attention reads of what is known: (B, T, D) -> (B, T, D)."""
        read: Tensor = self.norm_read(x) if self.norm == "pre" else x
        return read

    def after(self, asks: Tensor, found: Tensor) -> Tensor:
        """Add what attention found to those that asked, and think: (B, S, D) each -> (B, S, D)."""
        thought: Tensor
        x = self._add(0, asks, found)
        if self.norm == "post":
            x = self.norm_read(x)
            thought = self.norm_think(self._add(1, x, self.think(x)))
            return thought
        thought = self._add(1, x, self.think(self.norm_think(x)))
        return thought

    def _add(self, step: int, known: Tensor, new: Tensor) -> Tensor:
        if self.gates is not None:
            new = self.gates[step](known).sigmoid() * new
        added: Tensor = known + self.dropout(new)
        return added


class DecoderBlock(nn.Module):
    """One pre-norm decoder block: read what was written, read the encoded history, then think (Vaswani et al. 2017, fig. 1)."""

    def __init__(self, dim: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, n_heads, dropout)
        self.cross = CrossAttention(dim, n_heads, dropout)
        self.norm_write, self.norm_read, self.norm_think = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.think = _plain_feed_forward(dim)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, own_bias: Tensor, cross_bias: Tensor) -> Tensor:
        """Pass what is written x (B, T, D) through the block, reading memory (B, S, D)  ->  (B, T, D).

        own_bias: (B, n_heads, T, T)    cross_bias: (B, n_heads, T, S); -inf where nothing may be read
        """
        x = x + self.dropout(self.attention(self.norm_write(x), own_bias))
        x = x + self.dropout(self.cross(self.norm_read(x), memory, cross_bias))
        thought: Tensor = x + self.dropout(self.think(self.norm_think(x)))
        return thought


def _plain_feed_forward(dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))


def _heads(x: Tensor, n_heads: int) -> Tensor:
    """Share a width among heads: (B, T, D) -> (B, n_heads, T, D / n_heads)."""
    return x.view(*x.shape[:2], n_heads, -1).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    """Lay heads side by side again: (B, n_heads, T, d) -> (B, T, D)."""
    return x.transpose(1, 2).flatten(2)


def _mixed(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, dropout: Dropout) -> Tensor:
    """Mix values by how well their keys answer: as `attend` does, bias (..., T, S) added to the fit -> (..., T, d)."""
    if not (dropout.training and dropout.share):
        return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
    # The fused path knows torch's own draws alone, which take longer than the formula itself.
    fit = query * query.size(-1) ** -0.5 @ key.transpose(-2, -1) + bias
    mixed: Tensor = dropout(fit.softmax(-1)) @ value
    return mixed


def _weights(query: Tensor, key: Tensor, bias: Tensor) -> Tensor:
    """Ask the fused path for its weights, which it keeps to itself: with the identity for values, they come out."""
    itself = torch.eye(key.size(-2), dtype=key.dtype, device=key.device).expand(*key.shape[:-1], -1)
    return F.scaled_dot_product_attention(query, key, itself, attn_mask=bias)


def _require_shares(dim: int, n_heads: int) -> None:
    if n_heads < 1 or dim % n_heads:
        raise ValueError(f"dim = {dim} must be a multiple of n_heads = {n_heads}, of which there must be 1 or more")
