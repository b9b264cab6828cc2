"""recolab.attention: who reads whom, checked by hand and against PyTorch's own attention, encoder and decoder layers."""

import math

import pytest
import torch
from torch.nn import functional as F

from recolab.attention import (
    Block,
    CrossAttention,
    DecoderBlock,
    RelativePosition,
    RotaryPosition,
    SelfAttention,
    attend,
    visible_history,
    visible_others,
)
from recolab.attention.blocks import SwiGlu

KINDS = ("gelu", "swiglu")


def history_of(*lengths):
    """Left-padded rectangle: True where a visit stands."""
    width = max(lengths)
    return torch.tensor([[t >= width - n for t in range(width)] for n in lengths])


def bias_of(visible, dtype=torch.float64):  # of the type of what it is added to: PyTorch 2.13 misreads any other
    return torch.zeros(visible.shape, dtype=dtype).masked_fill(~visible, -torch.inf)[:, None]


def test_attention_by_hand_on_two_positions_of_one_number():
    # Row 0 sees itself only; row 1 weighs exp(1·0) against exp(1·ln 3): 1/4 and 3/4.
    query, key = torch.tensor([[1.0], [1.0]]), torch.tensor([[0.0], [math.log(3)]])
    mixed, weights = attend(query, key, torch.tensor([[4.0], [8.0]]), torch.ones(2, 2, dtype=torch.bool).tril())
    torch.testing.assert_close(weights, torch.tensor([[1.0, 0.0], [0.25, 0.75]]))
    torch.testing.assert_close(mixed, torch.tensor([[4.0], [7.0]]))


def test_attention_agrees_with_pytorch_in_double_precision():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 5, 8, dtype=torch.float64)
    visible = visible_history(history_of(5, 2))
    mixed, weights = attend(query, key, value, visible)
    torch.testing.assert_close(mixed, F.scaled_dot_product_attention(query, key, value, attn_mask=visible))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5, dtype=torch.float64))
    assert weights[~visible].abs().max() == 0


def test_a_position_reads_real_visits_of_the_past_and_a_padded_one_only_itself():
    assert visible_history(history_of(3, 2)).int().tolist() == [
        [[1, 0, 0], [1, 1, 0], [1, 1, 1]],
        [[1, 0, 0], [0, 1, 0], [0, 1, 1]],
    ]


def test_position_biases_count_back_from_the_reader_and_stop_at_the_farthest():
    position = RelativePosition(n_heads=2, max_len=3)
    with torch.no_grad():
        position.bias.copy_(torch.tensor([[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]]))
    biases = position(4)
    assert biases.shape == (2, 4, 4)
    assert biases[0, 3].tolist() == [2, 2, 1, 0]  # three steps back is past the farthest
    assert biases[1, 2, :3].tolist() == [12, 11, 10]
    torch.testing.assert_close(position(2), biases[:, :2, :2])


@pytest.mark.parametrize("n_heads", [1, 2, 4])
def test_the_heads_are_attention_as_the_formula_says_with_the_bias_added_to_the_fit(n_heads):
    torch.manual_seed(1)
    B, T, D = 3, 9, 8
    attention = SelfAttention(D, n_heads, dropout=0.5).double().eval()
    x = torch.randn(B, T, D, dtype=torch.float64)
    visible = visible_history(history_of(9, 4, 1))[:, None]
    far = torch.randn(n_heads, T, T, dtype=torch.float64)
    query, key, value = (part.chunk(n_heads, dim=-1) for part in attention.project(x).chunk(3, dim=-1))
    heads = []
    for h in range(n_heads):
        power = (query[h] @ key[h].transpose(1, 2) / math.sqrt(D / n_heads) + far[h]).exp() * visible[:, 0]
        heads.append(power / power.sum(-1, keepdim=True) @ value[h])
    expected = attention.join(torch.cat(heads, -1))
    torch.testing.assert_close(attention(x, far.masked_fill(~visible, -torch.inf)), expected)


def test_the_fused_path_equals_attend():
    torch.manual_seed(2)
    attention = SelfAttention(8, 2, dropout=0.0).double()
    x, visible = torch.randn(2, 9, 8, dtype=torch.float64), visible_history(history_of(9, 3))
    query, key, value = attention.project(x).view(2, 9, 3, 2, 4).permute(2, 0, 3, 1, 4)
    mixed, _ = attend(query, key, value, visible[:, None])
    torch.testing.assert_close(attention(x, bias_of(visible)), attention.join(mixed.transpose(1, 2).flatten(2)))


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="dim = 6 must be a multiple of n_heads = 4"):
        SelfAttention(6, 4, 0.0)
    for n_heads in (0, -2):
        with pytest.raises(ValueError, match=f"multiple of n_heads = {n_heads}, of which there must be 1 or more"):
            SelfAttention(6, n_heads, 0.0)


def torch_layer(ours, norm_first):
    """PyTorch's own encoder layer of width 8 and 2 heads, with the weights of our block."""
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first, dtype=torch.float64
    ).eval()
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.attention.project.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attention.project.bias)
        theirs.self_attn.out_proj.load_state_dict(ours.attention.join.state_dict())
        theirs.norm1.load_state_dict(ours.norm_read.state_dict())
        theirs.norm2.load_state_dict(ours.norm_think.state_dict())
        theirs.linear1.load_state_dict(ours.think[0].state_dict())
        theirs.linear2.load_state_dict(ours.think[2].state_dict())
    return theirs


def test_a_block_agrees_with_pytorch_s_encoder_layer_weight_for_weight():
    torch.manual_seed(0)
    ours = Block(8, 2, 0.0).double().eval()
    theirs = torch_layer(ours, norm_first=True)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.full((5, 5), -torch.inf, dtype=torch.float64).triu(1)
    torch.testing.assert_close(ours(x, mask), theirs(x, src_mask=mask))


def test_a_block_is_deaf_to_the_future_and_to_padding():
    torch.manual_seed(3)
    block = Block(8, 2, dropout=0.3).double().eval()
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    bias = bias_of(visible_history(history_of(6)))
    before = block(x, bias)
    other = x.clone()
    other[:, 4:] = torch.randn(1, 2, 8, dtype=torch.float64)
    after = block(other, bias)
    torch.testing.assert_close(after[:, :4], before[:, :4])
    assert (after[:, 4:] - before[:, 4:]).abs().min() > 1e-6
    padded = torch.cat([torch.randn(1, 3, 8, dtype=torch.float64), x], 1)
    is_visit = torch.tensor([[False] * 3 + [True] * 6])
    torch.testing.assert_close(block(padded, bias_of(visible_history(is_visit)))[:, 3:], before)


def test_dropout_acts_in_training_only():
    torch.manual_seed(4)
    block, x, bias = Block(8, 2, dropout=0.5), torch.randn(1, 4, 8), torch.zeros(1, 1, 4, 4)
    assert not torch.equal(block(x, bias), block(x, bias))
    block.eval()
    assert torch.equal(block(x, bias), block(x, bias))


def test_a_post_norm_block_agrees_with_pytorch_s_encoder_layer_weight_for_weight():
    torch.manual_seed(0)
    ours = Block(8, 2, 0.0, norm="post").double().eval()
    for norm in (ours.norm_read, ours.norm_think):  # else both do the same, and may change places
        torch.nn.init.normal_(norm.weight)
    theirs = torch_layer(ours, norm_first=False)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    mask = torch.full((5, 5), -torch.inf, dtype=torch.float64).triu(1)
    torch.testing.assert_close(ours(x, mask), theirs(x, src_mask=mask))


def test_half_of_a_swiglu_decides_how_much_of_the_other_half_passes_by_hand():
    # Width 8 · 1 // 3 = 2. At x = 2 the gates are 2 and -2, the ups 6 and 2; silu(a) = a / (1 + e⁻ᵃ).
    layer = SwiGlu(1)
    with torch.no_grad():
        for part, weights in ((layer.gate, [[1.0], [-1.0]]), (layer.up, [[3.0], [1.0]]), (layer.down, [[1.0, 10.0]])):
            part.weight.copy_(torch.tensor(weights))
            part.bias.zero_()
    expected = 2 / (1 + math.exp(-2)) * 6 + 10 * (-2 / (1 + math.exp(2)) * 2)
    assert layer(torch.tensor([2.0])).item() == pytest.approx(expected, rel=1e-6)


def test_a_swiglu_has_about_as_many_weights_as_the_plain_layer():
    plain, gated = (sum(p.numel() for p in Block(96, 2, 0.0, feed_forward=kind).think.parameters()) for kind in KINDS)
    assert gated == pytest.approx(plain, rel=0.01)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_gate_that_is_open_changes_nothing_and_one_that_is_shut_adds_nothing(norm):
    torch.manual_seed(0)
    gated, plain = Block(8, 2, 0.0, norm, gated=True), Block(8, 2, 0.0, norm)
    plain.load_state_dict({name: part for name, part in gated.state_dict().items() if "gates" not in name})
    x, bias = torch.randn(2, 4, 8), torch.zeros(1, 1, 4, 4)
    with torch.no_grad():
        for gate in gated.gates:
            gate.weight.zero_()
            gate.bias.fill_(40)
        torch.testing.assert_close(gated(x, bias), plain(x, bias))
        for gate in gated.gates:
            gate.bias.fill_(-200)
    shut = x if norm == "pre" else F.layer_norm(F.layer_norm(x, (8,)), (8,))
    torch.testing.assert_close(gated(x, bias), shut)


def test_the_gates_read_what_is_known_each_its_own_step():
    torch.manual_seed(0)
    block, x, bias = (
        Block(8, 2, 0.0, gated=True).double(),
        torch.randn(2, 4, 8).double(),
        torch.zeros(1, 1, 4, 4).double(),
    )
    read = x + block.gates[0](x).sigmoid() * block.attention(block.norm_read(x), bias)
    expected = read + block.gates[1](read).sigmoid() * block.think(block.norm_think(read))
    torch.testing.assert_close(block(x, bias), expected)


def test_a_block_hands_its_turn_to_its_heads():
    torch.manual_seed(0)
    turned = Block(8, 2, 0.0, turn=RotaryPosition(4)).double()
    x, bias = torch.randn(1, 5, 8).double(), torch.zeros(1, 1, 5, 5).double()
    query, key, value = turned.attention.project(turned.norm_read(x)).view(1, 5, 3, 2, 4).permute(2, 0, 3, 1, 4)
    turn = RotaryPosition(4)
    mixed, _ = attend(turn(query), turn(key), value, torch.ones(5, 5, dtype=torch.bool))
    read = x + turned.attention.join(mixed.transpose(1, 2).flatten(2))
    torch.testing.assert_close(turned(x, bias), read + turned.think(turned.norm_think(read)))


@pytest.mark.parametrize("n_heads", [1, 2, 4])
def test_what_a_writer_reads_is_attention_as_the_formula_says(n_heads):
    torch.manual_seed(5)
    cross = CrossAttention(8, n_heads, dropout=0.0).double().eval()
    x, memory = torch.randn(2, 3, 8, dtype=torch.float64), torch.randn(2, 5, 8, dtype=torch.float64)
    visible = visible_others(history_of(5, 2), 3)
    heads = (part.unflatten(2, (n_heads, -1)).transpose(1, 2) for part in cross.answer(memory).chunk(2, -1))
    query = cross.ask(x).unflatten(2, (n_heads, -1)).transpose(1, 2)
    mixed, weights = attend(query, *heads, visible[:, None])
    torch.testing.assert_close(cross(x, memory, bias_of(visible)), cross.join(mixed.transpose(1, 2).flatten(2)))
    assert weights[1, :, :, :3].abs().max() == 0  # padding of the memory


def test_a_decoder_block_agrees_with_pytorch_s_decoder_layer_weight_for_weight():
    torch.manual_seed(6)
    ours = DecoderBlock(8, 2, 0.0).double().eval()
    theirs = torch.nn.TransformerDecoderLayer(
        8, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True, dtype=torch.float64
    ).eval()
    with torch.no_grad():
        for norm in (ours.norm_write, ours.norm_read, ours.norm_think):  # or the order of the norms would not show
            torch.nn.init.normal_(norm.weight)
            torch.nn.init.normal_(norm.bias)
        theirs.self_attn.in_proj_weight.copy_(ours.attention.project.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attention.project.bias)
        theirs.self_attn.out_proj.load_state_dict(ours.attention.join.state_dict())
        theirs.multihead_attn.in_proj_weight.copy_(torch.cat([ours.cross.ask.weight, ours.cross.answer.weight]))
        theirs.multihead_attn.in_proj_bias.copy_(torch.cat([ours.cross.ask.bias, ours.cross.answer.bias]))
        theirs.multihead_attn.out_proj.load_state_dict(ours.cross.join.state_dict())
        theirs.norm1.load_state_dict(ours.norm_write.state_dict())
        theirs.norm2.load_state_dict(ours.norm_read.state_dict())
        theirs.norm3.load_state_dict(ours.norm_think.state_dict())
        theirs.linear1.load_state_dict(ours.think[0].state_dict())
        theirs.linear2.load_state_dict(ours.think[2].state_dict())
    x, memory = torch.randn(3, 4, 8, dtype=torch.float64), torch.randn(3, 6, 8, dtype=torch.float64)
    is_visit, past = history_of(6, 2, 1), torch.ones(4, 4, dtype=torch.bool).tril()
    mine = ours(x, memory, bias_of(past[None]), bias_of(visible_others(is_visit, 4)))
    its = theirs(x, memory, tgt_mask=~past, memory_key_padding_mask=~is_visit)
    torch.testing.assert_close(mine, its)
