import numpy as np
import pytest
import torch

from recolab.histories import all_windows, lay_out, visits
from recolab.models.item_vectors import cooccurrence_vectors
from recolab.models.transformer import NextVisitTransformer, Transformer, TransformerConfig, load_transformer
from recolab.training import TrainConfig
from tests.worlds import carousel

CONFIG = TransformerConfig(dim=16, n_heads=2, n_blocks=2, max_len=16, dropout=0.0)


@pytest.fixture
def window():
    histories, catalog, _ = carousel(n_users=3)
    visited = visits(histories)
    return lay_out(histories, visited, all_windows(visited, 12)), len(catalog)


def test_the_future_cannot_change_the_past(window):
    batch, n_items = window
    torch.manual_seed(0)
    module = NextVisitTransformer(n_items, CONFIG).eval()
    before = module(batch)
    batch.items[11] = batch.items[11] % (n_items - 1) + 1  # the first history's last visit becomes another item
    after = module(batch)
    torch.testing.assert_close(after[0, :11], before[0, :11], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(after[0, 11], before[0, 11], atol=1e-3)
    torch.testing.assert_close(after[1:], before[1:])


def test_the_order_of_items_within_one_visit_says_nothing():
    histories, catalog, _ = carousel(n_users=2, length=4)
    histories.times[:4] = histories.times[0]  # one basket of four
    torch.manual_seed(0)
    module = NextVisitTransformer(len(catalog), CONFIG).eval()
    forward = module(lay_out(histories, visits(histories), all_windows(visits(histories), 8)))
    histories.items[:4] = histories.items[:4][::-1].copy()
    backward = module(lay_out(histories, visits(histories), all_windows(visits(histories), 8)))
    torch.testing.assert_close(forward, backward)


def test_what_is_saved_and_loaded_scores_the_same(tmp_path):
    histories, catalog, _ = carousel(n_users=10)
    model = Transformer(CONFIG, TrainConfig(epochs=1, progress=False)).fit(histories, catalog)
    model.save(tmp_path / "model.safetensors")
    again = load_transformer(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.score(histories), model.score(histories))
    assert again.config == model.config


def test_a_warm_start_puts_items_that_stand_together_close():
    histories, catalog, _ = carousel(n_users=40, n_items=12)
    vectors = cooccurrence_vectors(histories, len(catalog), 6, seed=0, reach=1)
    assert vectors.shape == (13, 6)
    assert (vectors[0] == 0).all()
    unit = vectors[1:] / np.linalg.norm(vectors[1:], axis=1, keepdims=True)
    alike = unit @ unit.T
    two_apart = np.mean([alike[i, (i + 2) % 12] for i in range(12)])  # both stand beside the one between
    far_apart = np.mean([alike[i, (i + 6) % 12] for i in range(12)])
    assert two_apart > far_apart + 0.2
