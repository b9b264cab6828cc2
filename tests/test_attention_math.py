"""recolab.attention by the formula: the article's equations, gradients by hand, costs, and PyTorch's own layers as oracle."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from recolab.attention import (
    Block,
    CrossAttention,
    DecoderBlock,
    RotaryPosition,
    SelfAttention,
    attend,
    attend_gradients,
    printed_attention,
    printed_decoder,
    printed_encoder,
    visible_history,
)
from recolab.attention.cost import (
    attention_bytes,
    attention_multiply_adds,
    block_multiply_adds,
    counted_bytes,
    counted_multiply_adds,
    measured_cost,
)
from recolab.attention.twins import torch_decoder_layer, torch_encoder_layer


def masked(visible):
    return torch.zeros(visible.shape, dtype=torch.float64).masked_fill(~visible, -torch.inf)


def some_past(B, T):
    """Causal, and padded on the left by another length in every row of the batch."""
    is_event = torch.arange(T) >= torch.arange(B)[:, None]
    return visible_history(is_event)


# The article's equations


def test_the_printed_encoder_and_decoder_are_the_article_s_layers_and_a_softmax():
    torch.manual_seed(0)
    for width, printed in ((2, printed_encoder), (1, printed_decoder)):
        layers = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 64, bias=False), nn.Softmax(-1))
        x = torch.randn(5, width)
        shares = printed(x, layers[0].weight, layers[0].bias, layers[2].weight)
        torch.testing.assert_close(shares, layers(x))
        assert shares.shape == (5, 64)


def test_the_printed_encoder_by_hand():
    # Hidden: ReLU(2 - 1) = 1 and ReLU(-2 - 1) = 0; outputs ln 3 · 1 against 0: 3/4 and 1/4.
    shares = printed_encoder(
        torch.tensor([1.0, 1.0]),
        torch.tensor([[1.0, 1.0], [-1.0, -1.0]]),
        torch.tensor([-1.0, -1.0]),
        torch.tensor([[math.log(3), 5.0], [0.0, 5.0]]),
    )
    torch.testing.assert_close(shares, torch.tensor([0.75, 0.25]))


def test_the_printed_attention_by_hand_hears_of_both_sides_one_number_only():
    # The dot product is 2; the outputs are 2·ln 2 and 0: 4/5 and 1/5.
    W_a, b_a = torch.tensor([[math.log(2)], [0.0]]), torch.zeros(2)
    expected = torch.tensor([0.8, 0.2])
    torch.testing.assert_close(
        printed_attention(torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.0]), W_a, b_a), expected
    )
    torch.testing.assert_close(
        printed_attention(torch.tensor([4.0, 9.0]), torch.tensor([0.5, 0.0]), W_a, b_a), expected
    )


# Gradients by hand


@pytest.mark.parametrize("shape", [(3, 6, 4), (2, 3, 6, 5)], ids=["one head", "three heads"])
def test_gradients_by_hand_are_those_of_autograd(shape):
    torch.manual_seed(1)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    visible = some_past(shape[0], shape[-2])
    visible = visible if len(shape) == 3 else visible[:, None]
    upstream = torch.randn(shape, dtype=torch.float64)
    theirs = torch.autograd.grad(attend(*inputs, visible)[0], inputs, upstream)
    for ours, its in zip(attend_gradients(*inputs, visible, upstream), theirs, strict=True):
        torch.testing.assert_close(ours, its, rtol=1e-12, atol=1e-13)


def test_gradients_by_hand_also_where_one_sequence_reads_another_of_another_width():
    torch.manual_seed(2)
    query, key, value = (
        torch.randn(2, n, d, dtype=torch.float64, requires_grad=True) for n, d in ((3, 4), (5, 4), (5, 7))
    )
    visible = torch.ones(2, 3, 5, dtype=torch.bool)
    upstream = torch.randn(2, 3, 7, dtype=torch.float64)
    theirs = torch.autograd.grad(attend(query, key, value, visible)[0], (query, key, value), upstream)
    for ours, its in zip(attend_gradients(query, key, value, visible, upstream), theirs, strict=True):
        torch.testing.assert_close(ours, its, rtol=1e-12, atol=1e-13)


def test_what_may_not_be_read_learns_nothing():
    query, key, value, upstream = torch.randn(4, 1, 5, 3, dtype=torch.float64)
    visible = some_past(1, 5)
    upstream[:, 3:] = 0  # nobody asks the last two positions
    _, d_key, d_value = attend_gradients(query, key, value, visible, upstream)
    assert d_key[:, 3:].abs().max() == d_value[:, 3:].abs().max() == 0
    assert d_value[:, :3].abs().min() > 0


# Weights, read off the fused path


@pytest.mark.parametrize("n_heads", [1, 2])
@pytest.mark.parametrize("turned", [False, True], ids=["plain", "rotary"])
def test_the_weights_of_self_attention_are_attend_s_and_make_its_output(n_heads, turned):
    torch.manual_seed(3)
    turn = RotaryPosition(8 // n_heads) if turned else None
    attention = SelfAttention(8, n_heads, dropout=0.5, turn=turn).double().eval()
    x, visible = torch.randn(2, 6, 8, dtype=torch.float64), some_past(2, 6)[:, None]
    weights = attention.weights(x, masked(visible))
    query, key, value = attention.shares(x)
    torch.testing.assert_close(weights, attend(query, key, value, visible)[1])
    far = torch.randn(n_heads, 6, 6, dtype=torch.float64)
    bias = far + masked(visible)
    mixed = attention.weights(x, bias) @ value
    torch.testing.assert_close(attention.join(mixed.transpose(1, 2).flatten(2)), attention(x, bias))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, n_heads, 6, dtype=torch.float64))


def test_the_weights_of_cross_attention_are_attend_s_and_make_its_output():
    torch.manual_seed(4)
    cross = CrossAttention(8, 2, dropout=0.5).double().eval()
    x, memory = torch.randn(2, 3, 8, dtype=torch.float64), torch.randn(2, 5, 8, dtype=torch.float64)
    visible = torch.tensor([[True] * 5, [False, False, True, True, True]])[:, None, None].expand(2, 1, 3, 5)
    mixed, weights = attend(*cross.shares(x, memory), visible)
    torch.testing.assert_close(cross.weights(x, memory, masked(visible)), weights)
    torch.testing.assert_close(cross(x, memory, masked(visible)), cross.join(mixed.transpose(1, 2).flatten(2)))


# PyTorch's own layers


def stirred(block):
    """A block in which no two parts are equal, as fresh norms are."""
    for part in block.parameters():
        nn.init.normal_(part, std=0.5)
    return block.double().eval()


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_and_pytorch_s_encoder_layer_agree_weight_for_weight(norm):
    torch.manual_seed(5)
    block = stirred(Block(8, 2, 0.3, norm=norm))
    x, mask = torch.randn(3, 5, 8, dtype=torch.float64), masked(some_past(1, 5)[0])
    torch.testing.assert_close(torch_encoder_layer(block)(x, src_mask=mask), block(x, mask))


def test_a_decoder_block_and_pytorch_s_decoder_layer_agree_weight_for_weight():
    torch.manual_seed(6)
    block = stirred(DecoderBlock(8, 2, 0.3))
    x, memory = torch.randn(3, 4, 8, dtype=torch.float64), torch.randn(3, 6, 8, dtype=torch.float64)
    own, cross = masked(some_past(1, 4)[0]), torch.zeros(4, 6, dtype=torch.float64)
    cross[:, 0] = -torch.inf
    theirs = torch_decoder_layer(block)(x, memory, tgt_mask=own, memory_mask=cross)
    torch.testing.assert_close(theirs, block(x, memory, own, cross))


def test_a_block_of_which_pytorch_has_no_layer_is_refused():
    for block in (
        Block(8, 2, 0.0, gated=True),
        Block(8, 2, 0.0, feed_forward="swiglu"),
        Block(8, 2, 0.0, turn=RotaryPosition(4)),
    ):
        with pytest.raises(ValueError, match="give a plain block"):
            torch_encoder_layer(block)


# Cost

SIZES = [(2, 64, 64, 2), (1, 100, 32, 4), (3, 7, 8, 1)]


@pytest.mark.parametrize(("B", "T", "D", "n_heads"), SIZES)
def test_multiply_adds_are_what_torch_counts(B, T, D, n_heads):
    query, key, value = torch.randn(3, B, n_heads, T, D // n_heads)
    visible = torch.ones(T, T, dtype=torch.bool).tril()
    assert counted_multiply_adds(lambda: attend(query, key, value, visible)) == attention_multiply_adds(B, T, D)
    fused = counted_multiply_adds(lambda: F.scaled_dot_product_attention(query, key, value, is_causal=True))
    assert fused == attention_multiply_adds(B, T, D)
    block, x, bias = Block(D, n_heads, 0.0), torch.randn(B, T, D), torch.zeros(T, T)
    assert counted_multiply_adds(lambda: block(x, bias)) == block_multiply_adds(B, T, D)


@pytest.mark.parametrize(("B", "T", "D", "n_heads"), SIZES)
def test_bytes_are_what_autograd_keeps(B, T, D, n_heads):
    query, key, value = (torch.randn(B, n_heads, T, D // n_heads, requires_grad=True) for _ in range(3))
    visible = torch.ones(T, T, dtype=torch.bool).tril()
    whole = counted_bytes(lambda: attend(query, key, value, visible)[0])
    assert whole == attention_bytes(B, T, D, n_heads, fused=False)
    fused = counted_bytes(lambda: F.scaled_dot_product_attention(query, key, value, is_causal=True))
    assert fused == attention_bytes(B, T, D, n_heads, fused=True)


def test_a_row_of_costs_is_predicted_as_it_is_counted():
    row = measured_cost(B=2, T=32, D=16, n_heads=2)
    assert row["T"] == 32
    for name in ("attention", "whole block", "attend", "fused"):
        assert row[name] == row[f"{name}, counted"] > 0
    assert row["whole block"] > row["attention"]
    assert min(row["attend, ms"], row["fused, ms"]) > 0


def test_costs_by_hand():
    # One history of 3 positions, width 4: 9 dot products of 4, and 9 rows of 4 mixed; 12 maps of 16 at 3 positions.
    assert attention_multiply_adds(1, 3, 4) == 72
    assert block_multiply_adds(1, 3, 4) == 72 + 3 * 12 * 16
    # Three (3, 4) and one (3, 3) of four bytes, and nine bytes of mask; against four (3, 4) and three numbers.
    assert attention_bytes(1, 3, 4, 1, fused=False) == 4 * (36 + 9) + 9
    assert attention_bytes(1, 3, 4, 1, fused=True) == 4 * (48 + 3)
