"""What attention costs, predicted by formula and counted while it runs: multiply-adds, and bytes kept for the gradient."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

from recolab.attention.blocks import Block
from recolab.attention.formula import attend

BYTES_PER_NUMBER = 4  # float32


def attention_multiply_adds(B: int, T: int, D: int) -> int:
    """Predict the multiply-adds of QKᵀ and of the mix, T·T·D each; heads share D, so their number does not matter."""
    return 2 * B * T * T * D


def block_multiply_adds(B: int, T: int, D: int) -> int:
    """Predict the multiply-adds of a plain block: four maps of D·D, a feed-forward layer of eight, and attention."""
    return B * T * (4 + 8) * D * D + attention_multiply_adds(B, T, D)


def attention_bytes(B: int, T: int, D: int, n_heads: int, *, fused: bool) -> int:
    """Predict the bytes that causal attention keeps for its gradient, in float32.

    Both paths keep query, key and value (B, T, D). `attend` also keeps every weight (B, n_heads, T, T) and a mask (T, T)
    of one byte a cell; the fused path (Dao et al. 2022) keeps its output (B, T, D) and one number a row, and computes
    the weights again.
    """
    if fused:
        return BYTES_PER_NUMBER * (4 * B * T * D + B * n_heads * T)
    return BYTES_PER_NUMBER * (3 * B * T * D + B * n_heads * T * T) + T * T


def counted_multiply_adds(step: Callable[[], object]) -> int:
    """Run a step and count the multiply-adds of its matrix products; a fused kernel is opened, for torch counts none inside."""
    from torch.nn.attention import SDPBackend, sdpa_kernel  # noqa: PLC0415  (slow imports that only counting pays)
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        step()
    return int(counter.get_total_flops()) // 2  # torch counts a multiplication and an addition as two


def counted_bytes(step: Callable[[], object]) -> int:
    """Run a step and count the bytes that it keeps for its gradient, each piece of memory once."""
    kept: dict[int, Tensor] = {}  # holding them keeps their addresses from being used twice

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        result = step()
    del result
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def measured_cost(B: int, T: int, D: int, n_heads: int) -> dict[str, float]:
    """Predict and count what causal attention of T places costs, for `attend` and for the fused path: one row of a table.

    Counts are of multiply-adds and bytes kept; milliseconds are the median of three runs forward and back.
    """
    query, key, value = (torch.randn(B, n_heads, T, D // n_heads, requires_grad=True) for _ in range(3))
    past = torch.ones(T, T, dtype=torch.bool).tril()
    block, x, bias = Block(D, n_heads, 0.0), torch.randn(B, T, D), torch.zeros(T, T).masked_fill(~past, -torch.inf)

    def written_out() -> Tensor:
        return attend(query, key, value, past)[0]

    def fused() -> Tensor:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)

    return {
        "T": T,
        "attention": attention_multiply_adds(B, T, D),
        "whole block": block_multiply_adds(B, T, D),
        "attention, counted": counted_multiply_adds(written_out),
        "whole block, counted": counted_multiply_adds(lambda: block(x, bias)),
        "attend": attention_bytes(B, T, D, n_heads, fused=False),
        "fused": attention_bytes(B, T, D, n_heads, fused=True),
        "attend, counted": counted_bytes(written_out),
        "fused, counted": counted_bytes(fused),
        "attend, ms": _milliseconds(written_out),
        "fused, ms": _milliseconds(fused),
    }


def _milliseconds(step: Callable[[], Tensor], runs: int = 3) -> float:
    """Time a step forward and back: the median of some runs after one to warm up."""
    seconds = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        step().sum().backward()  # type: ignore[no-untyped-call]
        seconds.append(time.perf_counter() - started)
    return 1000 * statistics.median(seconds[1:])
