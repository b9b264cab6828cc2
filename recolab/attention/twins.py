"""The same blocks made of PyTorch's own layers, weight for weight: an outside oracle for ours."""

from __future__ import annotations

import torch
from torch import nn

from recolab.attention.blocks import Block, DecoderBlock


def torch_encoder_layer(block: Block) -> nn.TransformerEncoderLayer:
    """Copy a plain block into PyTorch's encoder layer, dropout off.

    Raises ValueError for a gated, rotary or SwiGLU block, of which PyTorch has no layer.
    """
    if block.gates is not None or block.attention.turn is not None or not isinstance(block.think, nn.Sequential):
        raise ValueError("PyTorch's encoder layer is neither gated, rotary nor SwiGLU: give a plain block")
    D, like = block.attention.join.in_features, block.attention.join.weight
    layer = nn.TransformerEncoderLayer(
        D, block.attention.n_heads, 4 * D, 0.0, "gelu", batch_first=True, norm_first=block.norm == "pre"
    ).to(like)
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(block.attention.project.weight)  # queries, keys, values, in this order
        layer.self_attn.in_proj_bias.copy_(block.attention.project.bias)
    pairs = [
        (layer.self_attn.out_proj, block.attention.join),
        (layer.norm1, block.norm_read),
        (layer.norm2, block.norm_think),
        (layer.linear1, block.think[0]),
        (layer.linear2, block.think[2]),
    ]
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    return layer.eval()


def torch_decoder_layer(block: DecoderBlock) -> nn.TransformerDecoderLayer:
    """Copy a decoder block into PyTorch's decoder layer, dropout off."""
    D, like = block.attention.join.in_features, block.attention.join.weight
    layer = nn.TransformerDecoderLayer(
        D, block.attention.n_heads, 4 * D, 0.0, "gelu", batch_first=True, norm_first=True
    ).to(like)
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(block.attention.project.weight)
        layer.self_attn.in_proj_bias.copy_(block.attention.project.bias)
        layer.multihead_attn.in_proj_weight.copy_(torch.cat([block.cross.ask.weight, block.cross.answer.weight]))
        layer.multihead_attn.in_proj_bias.copy_(torch.cat([block.cross.ask.bias, block.cross.answer.bias]))
    pairs = [
        (layer.self_attn.out_proj, block.attention.join),
        (layer.multihead_attn.out_proj, block.cross.join),
        (layer.norm1, block.norm_write),
        (layer.norm2, block.norm_read),
        (layer.norm3, block.norm_think),
        (layer.linear1, block.think[0]),
        (layer.linear2, block.think[2]),
    ]
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    return layer.eval()
