"""What serves says what was trained: the compiled encoder against torch, for every variant of the Transformer and for the others."""

from __future__ import annotations

import numpy as np
import pytest

from recolab.compiled import CompiledEncoder
from recolab.export import export_encoder
from recolab.models.convolutional import NextItNet
from recolab.models.recurrent import Gru4Rec
from recolab.models.transformer import Transformer
from recolab.training import TrainConfig
from tests.worlds import carousel

VARIANTS = {
    "as it stands": (Transformer, {}),
    "rotary, gated, SwiGLU, time": (
        Transformer,
        {"positions": "rotary", "gated": True, "feed_forward": "swiglu", "time_bias": True},
    ),
    "absolute, norm after": (Transformer, {"positions": "absolute", "norm": "post"}),
    "convolutions": (NextItNet, {}),
}


def trained(architecture, **shape):
    histories, catalog, _ = carousel(n_users=20, n_items=8, length=12)
    config = architecture.Config(dim=16, max_len=10, negatives=0, **shape)
    return architecture(config, TrainConfig(1, progress=False)).fit(histories, catalog), histories


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_history_is_read_as_torch_reads_it(variant, tmp_path):
    architecture, shape = VARIANTS[variant]
    model, histories = trained(architecture, **shape)
    export_encoder(model, tmp_path / "encoder.onnx")
    read = CompiledEncoder(tmp_path / "encoder.onnx", 10)
    table = model.module.table.weight.detach().numpy()
    for length in (1, 2, 7, 10):
        one = histories.take(slice(3, 4)).last(length)
        scores = table @ read(table[one.items], one.ages)
        np.testing.assert_allclose(scores[1:], model.score(one)[0, 1:], atol=1e-4)


def test_an_architecture_that_is_held_for_one_length_only_is_refused(tmp_path):
    model, _ = trained(Gru4Rec)
    with pytest.raises(ValueError, match="Gru4Rec cannot be exported for histories of"):
        export_encoder(model, tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())


def test_a_model_of_hidden_visits_is_refused(tmp_path):
    model, _ = trained(Transformer, hidden_share=0.3)
    with pytest.raises(ValueError, match="foresees hidden visits"):
        export_encoder(model, tmp_path / "encoder.onnx")
    assert not list(tmp_path.iterdir())
