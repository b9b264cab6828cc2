"""Small networks of every architecture and of the variants that matter, for all tests that need one."""

from __future__ import annotations

from dataclasses import replace

from recolab.models.convolutional import Caser, CaserConfig, NextItNet, NextItNetConfig
from recolab.models.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
from recolab.models.recurrent import Gru4Rec, RecurrentConfig
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig

TINY = {"dim": 16, "max_len": 8, "dropout": 0.0, "negatives": 0, "batch_positions": 128}
BLOCK = TINY | {"n_heads": 2, "n_blocks": 1}
TRAINING = TrainConfig(epochs=12, learning_rate=1e-2, progress=False)
CAUSAL = {
    "Transformer": lambda: Transformer(TransformerConfig(**BLOCK), TRAINING),
    "Transformer, rotary": lambda: Transformer(
        TransformerConfig(**BLOCK, positions="rotary", gated=True, feed_forward="swiglu", time_bias=True), TRAINING
    ),
    "Transformer, post-norm": lambda: Transformer(
        TransformerConfig(**BLOCK, norm="post", positions="absolute"), TRAINING
    ),
    "Gru4Rec": lambda: Gru4Rec(RecurrentConfig(**TINY), TRAINING),
    "NextItNet": lambda: NextItNet(NextItNetConfig(**TINY, n_blocks=1), TRAINING),
    "Caser": lambda: Caser(CaserConfig(**TINY, reach=3, n_horizontal=4, n_vertical=2), TRAINING),
}
# It is asked only for what is hidden, a third of the visits, and so learns in as many more epochs.
BOTH_WAYS = {
    "BERT4Rec": lambda: Transformer(TransformerConfig(**BLOCK, hidden_share=0.3), replace(TRAINING, epochs=60)),
}
WRITERS = {
    "EncoderDecoder": lambda: EncoderDecoder(
        EncoderDecoderConfig(**BLOCK, n_decoder_blocks=1, list_len=4, list_share=0.5), replace(TRAINING, epochs=15)
    ),
}
SEQUENTIAL = CAUSAL | BOTH_WAYS | WRITERS
