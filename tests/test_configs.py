"""What no run can mean is refused where it is written, by the name of its field."""

import math
import re

import numpy as np
import pytest

from recolab.models.convolutional import CaserConfig, NextItNetConfig
from recolab.models.encoder_decoder import EncoderDecoderConfig
from recolab.models.network import SequenceConfig
from recolab.models.recurrent import RecurrentConfig
from recolab.models.transformer import TransformerConfig
from recolab.training import TrainConfig

EVERY = [SequenceConfig, TransformerConfig, RecurrentConfig, NextItNetConfig, CaserConfig, EncoderDecoderConfig]
SHARED = [
    ("dim", 0),
    ("dim", 8.0),
    ("dim", np.int64(8)),
    ("max_len", 0),
    ("dropout", -0.1),
    ("dropout", 1.0),
    ("dropout", math.nan),
    ("dropout", "0.1"),
    ("input_dropout", -0.1),
    ("input_dropout", 1.0),
    ("input_dropout", math.nan),
    ("input_dropout", "0.1"),
    ("negatives", -1),
    ("sampled_share", -0.1),
    ("sampled_share", 1.1),
    ("sampled_share", None),
    ("batch_positions", 0),
    ("loss", "hinge"),
]
OWN = [
    (TransformerConfig, "n_heads", 0),
    (TransformerConfig, "n_heads", 3),
    (TransformerConfig, "n_heads", -2),
    (TransformerConfig, "n_blocks", -1),
    (TransformerConfig, "positions", "Rotary"),
    (TransformerConfig, "norm", "both"),
    (TransformerConfig, "feed_forward", "relu"),
    (TransformerConfig, "hidden_share", -0.1),
    (TransformerConfig, "hidden_share", 1.0),
    (TransformerConfig, "hidden_share", math.nan),
    (RecurrentConfig, "n_layers", 0),
    (NextItNetConfig, "kernel", 0),
    (NextItNetConfig, "n_blocks", -1),
    (CaserConfig, "reach", 0),
    (CaserConfig, "n_horizontal", 0),
    (CaserConfig, "n_vertical", 0),
    (EncoderDecoderConfig, "list_len", 0),
    (EncoderDecoderConfig, "list_share", -0.1),
    (EncoderDecoderConfig, "list_share", 1.1),
    (EncoderDecoderConfig, "n_decoder_blocks", -1),
    (TrainConfig, "epochs", -1),
    (TrainConfig, "learning_rate", -1e-3),
    (TrainConfig, "learning_rate", math.nan),
    (TrainConfig, "learning_rate", math.inf),
    (TrainConfig, "weight_decay", -0.1),
    (TrainConfig, "weight_decay", math.inf),
    (TrainConfig, "warmup_share", -0.1),
    (TrainConfig, "warmup_share", 1.1),
    (TrainConfig, "patience", -1),  # not one epoch would run
    (TrainConfig, "seed", -1),
    (TrainConfig, "seed", 2**32),
]
EDGES = [
    (SequenceConfig, {"dim": 1, "max_len": 1, "dropout": 0, "negatives": 0, "batch_positions": 1}),
    (TransformerConfig, {"dim": 1, "n_heads": 1, "n_blocks": 0, "max_len": 1}),
    (TransformerConfig, {"hidden_share": 0.99, "max_len": 2}),
    (NextItNetConfig, {"kernel": 1, "n_blocks": 0}),
    (CaserConfig, {"reach": 1, "n_horizontal": 1, "n_vertical": 1}),
    (EncoderDecoderConfig, {"list_len": 1, "list_share": 0, "n_decoder_blocks": 0}),
    (EncoderDecoderConfig, {"list_share": 1}),
    (TrainConfig, {"epochs": 0, "learning_rate": 0, "weight_decay": 0, "warmup_share": 0, "patience": 0, "seed": 0}),
    (TrainConfig, {"warmup_share": 1.0, "seed": 2**32 - 1}),
]


@pytest.mark.parametrize(
    ("config", "field", "value"), [*((config, *case) for config in EVERY for case in SHARED), *OWN]
)
def test_a_field_that_makes_no_sense_is_named_with_its_value(config, field, value):
    with pytest.raises(ValueError, match=rf"^{config.__name__}: {field} = {re.escape(repr(value))} must be \S"):
        config(**{field: value})


@pytest.mark.parametrize(("config", "fields"), EDGES)
def test_the_edge_of_what_makes_sense_is_taken(config, fields):
    made = config(**fields)
    assert {name: getattr(made, name) for name in fields} == fields


def test_hidden_visits_need_a_place_to_read_beside_the_blank():
    with pytest.raises(ValueError, match="max_len = 1 must be 2 or more with hidden visits"):
        TransformerConfig(max_len=1, hidden_share=0.3)


def test_a_misspelt_word_is_told_the_words_there_are():
    with pytest.raises(ValueError, match="positions = 'Rotary' must be one of relative, rotary, absolute, none"):
        TransformerConfig(positions="Rotary")
    with pytest.raises(ValueError, match="loss = 'hinge' must be one of softmax, bce, bpr_max, top1_max"):
        SequenceConfig(loss="hinge")
