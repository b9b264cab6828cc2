"""Attention: who may read whom, how much, and what is done with it."""

from recolab.attention.article import printed_attention, printed_decoder, printed_encoder
from recolab.attention.blocks import Block, CrossAttention, DecoderBlock, SelfAttention
from recolab.attention.dropout import Dropout
from recolab.attention.formula import attend, visible_all, visible_history, visible_others
from recolab.attention.gradients import attend_gradients
from recolab.attention.positions import AbsolutePosition, RelativePosition, RotaryPosition, TimeBias

__all__ = [
    "AbsolutePosition",
    "Block",
    "CrossAttention",
    "DecoderBlock",
    "Dropout",
    "RelativePosition",
    "RotaryPosition",
    "SelfAttention",
    "TimeBias",
    "attend",
    "attend_gradients",
    "printed_attention",
    "printed_decoder",
    "printed_encoder",
    "visible_all",
    "visible_history",
    "visible_others",
]
