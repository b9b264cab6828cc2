"""The compiled encoder is asked without torch, and says what the model says."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import torch

from recolab.compiled import CompiledEncoder
from recolab.export import export_encoder
from recolab.models.transformer import Transformer, TransformerConfig


def test_a_compiled_encoder_says_in_a_process_without_torch_what_the_model_says(tmp_path):
    model = Transformer(TransformerConfig(dim=8, max_len=5))
    model.module = model.network(4)
    with torch.no_grad():  # places and times that matter
        model.module.encoder.relative.bias.copy_(torch.linspace(-2, 2, 10).view(2, 5))
    export_encoder(model, tmp_path / "encoder.onnx")
    bags = np.random.default_rng(0).normal(size=(3, 8)).astype(np.float32)
    np.save(tmp_path / "bags.npy", bags)
    code = (
        "import sys, numpy as np; from pathlib import Path; from recolab.compiled import CompiledEncoder; "
        "folder = Path(sys.argv[1]); bags = np.load(folder / 'bags.npy'); "
        "np.save(folder / 'state.npy', CompiledEncoder(folder / 'encoder.onnx', 5)(bags, np.zeros(3, np.float32))); "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    network, everywhere = model.module.eval(), torch.ones(1, 3, dtype=torch.bool)
    with torch.no_grad():
        read = network.encoder(network.norm_in(torch.from_numpy(bags)[None]), everywhere, torch.zeros(1, 3))
        wanted = network.norm_out(read)[0, -1].numpy()
    np.testing.assert_allclose(np.load(tmp_path / "state.npy"), wanted, atol=1e-4)
    for longest in (5, 3):  # three visits are any number, or the one that it was compiled for
        found = CompiledEncoder(tmp_path / "encoder.onnx", longest)(bags, np.zeros(3, np.float32))
        np.testing.assert_allclose(found, wanted, atol=1e-4)
