import pytest
import torch
from torch.nn import functional as F

from recolab.attention import Block, RelativePosition, SelfAttention, attend, visible_history


def test_attend_agrees_with_the_fused_attention_of_torch():
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 5, 4, dtype=torch.float64)
    visible = torch.ones(5, 5, dtype=torch.bool).tril()
    mixed, weights = attend(query, key, value, visible)
    torch.testing.assert_close(mixed, F.scaled_dot_product_attention(query, key, value, attn_mask=visible))
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 5, dtype=torch.float64))
    assert (weights[:, 0, 1:] == 0).all()


def test_attend_by_hand():
    query, key = torch.tensor([[2.0]]), torch.tensor([[0.0], [1.0]])
    value = torch.tensor([[10.0], [20.0]])
    mixed, weights = attend(query, key, value, torch.tensor([[True, True]]))
    share = 1 / (1 + torch.exp(torch.tensor(-2.0)))  # softmax of (0, 2)
    torch.testing.assert_close(weights, torch.stack([1 - share, share])[None])
    torch.testing.assert_close(mixed, (10 + 10 * share)[None, None])


def test_a_real_position_reads_the_past_and_no_padding_and_a_padded_one_itself():
    seen = visible_history(torch.tensor([[False, True, True]]))[0]
    assert seen.tolist() == [[True, False, False], [False, True, False], [False, True, True]]


def test_distances_count_back_from_the_reader():
    position = RelativePosition(1, 3)
    with torch.no_grad():
        position.bias.copy_(torch.tensor([[0.0, 1.0, 2.0]]))
    bias = position(4)[0]
    assert [bias[3, s].item() for s in range(4)] == [2.0, 2.0, 1.0, 0.0]  # beyond the longest: as far as can be


def test_a_head_count_that_does_not_divide_the_width_is_refused():
    with pytest.raises(ValueError, match="dim = 10 must be a multiple of n_heads = 3"):
        SelfAttention(10, 3, 0.0)


def test_a_block_agrees_with_torch_weight_for_weight():
    torch.manual_seed(0)
    ours = Block(8, 2, 0.0).eval()
    theirs = torch.nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).eval()
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.attention.project.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attention.project.bias)
        theirs.self_attn.out_proj.load_state_dict(ours.attention.join.state_dict())
        theirs.norm1.load_state_dict(ours.norm_read.state_dict())
        theirs.norm2.load_state_dict(ours.norm_think.state_dict())
        theirs.linear1.load_state_dict(ours.think[0].state_dict())
        theirs.linear2.load_state_dict(ours.think[2].state_dict())
    x = torch.randn(3, 5, 8)
    mask = torch.full((5, 5), -torch.inf).triu(1)
    torch.testing.assert_close(ours(x, mask), theirs(x, src_mask=mask), rtol=1e-5, atol=1e-6)
