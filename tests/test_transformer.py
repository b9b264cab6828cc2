"""recolab.models.transformer: deaf to the future and to padding, whole after a cut or a save, and what it is made of."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch.nn import functional as F

from recolab import attention
from recolab.attention import attend
from recolab.histories import PAD, all_windows, build_catalog, lay_out, newest_window, pack, visits
from recolab.models import item_vectors
from recolab.models.item_vectors import cooccurrence_vectors
from recolab.models.network import SequenceNetwork
from recolab.models.transformer import Transformer, TransformerConfig, TransformerEncoder, attention_weights
from recolab.training import TrainConfig
from tests.worlds import carousel, log

CONFIG = TransformerConfig(dim=16, n_heads=2, n_blocks=2, max_len=16, dropout=0.0)
CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # outputs are layer-normed: about 1


def net(n_items, config=CONFIG):
    """An untrained net in which even the positions say something."""
    torch.manual_seed(0)
    module = SequenceNetwork(n_items, config, lambda: TransformerEncoder(config)).eval()
    torch.nn.init.normal_(module.encoder.relative.bias)
    return module


@pytest.fixture
def window():
    histories, catalog, _ = carousel(n_users=3)
    visited = visits(histories)
    return lay_out(histories, visited, all_windows(visited, 12)), len(catalog)


def test_the_future_cannot_change_the_past(window):
    batch, n_items = window
    module = net(n_items)
    before = module(batch)
    batch.items[11] = batch.items[11] % (n_items - 1) + 1  # the first history's last visit becomes another item
    after = module(batch)
    torch.testing.assert_close(after[0, :11], before[0, :11], **CLOSE)
    assert not torch.allclose(after[0, 11], before[0, 11], atol=1e-3)
    torch.testing.assert_close(after[1:], before[1:], **CLOSE)


def test_the_past_does_change_the_future(window):
    batch, n_items = window
    module = net(n_items)
    before = module(batch)
    batch.items[0] = batch.items[0] % (n_items - 1) + 1
    assert (module(batch)[0] - before[0]).abs().amax(1).min() > 1e-3


def test_a_longer_mate_in_the_batch_changes_nothing():
    histories, catalog, _ = carousel(n_users=2)
    short, long = histories.take(np.array([0])).last(3), histories.take(np.array([1]))
    module = net(len(catalog))
    visited = visits(short)
    alone = module(lay_out(short, visited, newest_window(visited, 16)))
    both = short.extend(long)
    visited = visits(both)
    together = module(lay_out(both, visited, newest_window(visited, 16)))
    assert together.shape[1] == 12
    torch.testing.assert_close(together[0, -3:], alone[0], **CLOSE)


def test_what_lies_before_the_window_changes_nothing():
    histories, catalog, _ = carousel(n_users=5, length=12)
    config = replace(CONFIG, max_len=4)
    model = Transformer(config, TrainConfig(epochs=1, progress=False)).fit(histories, catalog)
    np.testing.assert_allclose(model.score(histories)[:, 1:], model.score(histories.last(4))[:, 1:], **CLOSE)


def test_the_order_of_items_within_one_visit_says_nothing():
    histories, catalog, _ = carousel(n_users=2, length=4)
    histories.times[:4] = histories.times[0]  # one basket of four
    module = net(len(catalog))
    forward = module(lay_out(histories, visits(histories), all_windows(visits(histories), 8)))
    histories.items[:4] = histories.items[:4][::-1].copy()
    backward = module(lay_out(histories, visits(histories), all_windows(visits(histories), 8)))
    torch.testing.assert_close(forward, backward, **CLOSE)


def test_the_order_of_visits_does_say_something():
    events = log([("a", 0, 0), ("a", 1, 1), ("a", 2, 2), ("b", 1, 0), ("b", 0, 1), ("b", 2, 2)])
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    hidden = net(len(catalog))(lay_out(histories, visits(histories), all_windows(visits(histories), 8)))[:, -1]
    assert (hidden[0] - hidden[1]).abs().max() > 1e-3


def test_the_whole_net_over_attend_is_the_whole_net_over_the_fused_path(window, monkeypatch):
    batch, n_items = window
    module = net(n_items)
    fused = module(batch)

    def slow(query, key, value, attn_mask):
        fit = query @ key.transpose(-2, -1) / query.size(-1) ** 0.5 + attn_mask
        return fit.softmax(-1) @ value

    calls = []
    monkeypatch.setattr(
        attention.blocks.F, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or slow(*a, **k)
    )
    torch.testing.assert_close(module(batch), fused, **CLOSE)
    assert len(calls) == CONFIG.n_blocks
    with torch.no_grad():
        module.encoder.relative.bias.zero_()
    unbiased = module(batch)
    monkeypatch.setattr(
        attention.blocks.F,
        "scaled_dot_product_attention",
        lambda q, k, v, attn_mask: attend(q, k, v, attn_mask == 0)[0],
    )
    torch.testing.assert_close(module(batch), unbiased, **CLOSE)


def test_a_visit_is_the_sum_of_its_items_over_the_root_of_their_number():
    events = log([("a", 0, 0), ("a", 1, 0), ("a", 2, 0), ("a", 3, 0)])
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    visited = visits(histories)
    module = net(len(catalog), replace(CONFIG, n_blocks=0))
    with torch.no_grad():
        module.norm_in, module.norm_out = torch.nn.Identity(), torch.nn.Identity()
    hidden = module(lay_out(histories, visited, newest_window(visited, 8)))
    torch.testing.assert_close(hidden[0, 0], module.table.weight[1:5].sum(0) / 2)


def test_what_is_saved_and_loaded_scores_the_same(tmp_path):
    histories, catalog, _ = carousel(n_users=10)
    model = Transformer(CONFIG, TrainConfig(epochs=1, progress=False), name="mine").fit(histories, catalog)
    path = tmp_path / "model.safetensors"
    model.save(path)
    again = Transformer.load(path)
    np.testing.assert_array_equal(again.score(histories), model.score(histories))
    np.testing.assert_array_equal(again.score(histories.last(0)), model.score(histories.last(0)))
    assert (again.config, again.training, again.name) == (model.config, model.training, "mine")
    with safe_open(path, framework="pt") as file:
        assert json.loads(file.metadata()["settings"])["config"]["dim"] == 16


def test_a_save_that_fails_leaves_the_old_model(tmp_path, monkeypatch):
    histories, catalog, _ = carousel(n_users=10)
    model = Transformer(CONFIG, TrainConfig(epochs=1, progress=False)).fit(histories, catalog)
    path = tmp_path / "model.safetensors"
    model.save(path)
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recolab.models.sequential.save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("negatives", [0, 20])
def test_an_interrupted_training_goes_on_bit_for_bit(tmp_path, negatives):
    histories, catalog, _ = carousel(n_users=12)
    config = replace(CONFIG, dropout=0.3, negatives=negatives, batch_positions=40)
    training = TrainConfig(epochs=3, progress=False)
    whole = Transformer(config, training).fit(histories, catalog)
    seen = []

    def cut(_):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return 1.0

    path = tmp_path / "run.pt"
    with pytest.raises(KeyboardInterrupt):
        Transformer(config, training).fit(histories, catalog, cut, path)
    torch.rand(3)  # whatever happened between
    resumed = Transformer(config, training).fit(histories, catalog, lambda _: float(len(seen) + 1), path)
    # The first epoch scored 1, the later ones score 3: the second is the best.
    second = iter([1.0, 3.0, 3.0])
    expected = Transformer(config, training).fit(histories, catalog, lambda _: next(second))
    for name, part in expected.module.state_dict().items():
        assert torch.equal(resumed.module.state_dict()[name], part), name
    assert [row["loss"] for row in resumed.log] == [row["loss"] for row in whole.log]


def test_the_validation_sees_the_model_and_stops_it_early():
    histories, catalog, _ = carousel(n_users=10)
    model = Transformer(CONFIG, TrainConfig(epochs=9, patience=0, progress=False))
    seen = []

    def validate(so_far):
        seen.append(so_far.score(histories))
        return -float(len(seen))

    model.fit(histories, catalog, validate)
    assert len(seen) == 2
    np.testing.assert_array_equal(model.score(histories), seen[0])  # the better of the two
    assert not np.array_equal(seen[0], seen[1])


def test_pad_keeps_its_zero_vector_and_says_nothing():
    histories, catalog, _ = carousel(n_users=10)
    for negatives in (0, 20):
        model = Transformer(replace(CONFIG, negatives=negatives), TrainConfig(epochs=2, progress=False))
        assert model.fit(histories, catalog).module.table.weight[PAD].abs().max() == 0


def test_a_log_in_which_nobody_came_twice_is_refused_with_a_reason():
    events = log([("a", 0, 0), ("b", 1, 0)])
    catalog = build_catalog(events)
    with pytest.raises(ValueError, match="nothing to learn from"):
        Transformer(CONFIG, TrainConfig(epochs=1, progress=False)).fit(pack(events, catalog), catalog)


def test_the_score_is_the_last_state_times_the_table():
    histories, catalog, _ = carousel(n_users=4)
    model = Transformer(CONFIG, TrainConfig(epochs=1, progress=False)).fit(histories, catalog)
    visited = visits(histories)
    hidden = model.module(lay_out(histories, visited, newest_window(visited, 16)))[:, -1]
    expected = F.linear(hidden, model.module.table.weight).detach().numpy()
    np.testing.assert_allclose(model.score(histories)[:, 1:], expected[:, 1:], **CLOSE)


def test_without_a_past_what_sells_most_comes_first():
    events = log([("a", 0, 0), ("a", 1, 1), ("b", 1, 0), ("b", 2, 1), ("c", 1, 0)])
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    model = Transformer(CONFIG, TrainConfig(epochs=1, progress=False)).fit(histories, catalog)
    nobody = model.score(histories.take(np.array([0])).last(0))[0]
    assert catalog.ids([nobody.argmax()]) == [1]


def test_a_warm_start_puts_items_that_stand_together_close():
    histories, catalog, _ = carousel(n_users=40, n_items=12)
    vectors = cooccurrence_vectors(histories, len(catalog), 6, seed=0, reach=1)
    assert vectors.shape == (13, 6)
    assert (vectors[0] == 0).all()
    assert np.linalg.norm(vectors[1:], axis=1).mean() == pytest.approx(1, rel=1e-5)
    unit = vectors[1:] / np.linalg.norm(vectors[1:], axis=1, keepdims=True)
    alike = unit @ unit.T
    two_apart = np.mean([alike[i, (i + 2) % 12] for i in range(12)])  # both stand beside the one between
    far_apart = np.mean([alike[i, (i + 6) % 12] for i in range(12)])
    assert two_apart > far_apart + 0.2


def test_a_warm_start_of_a_single_item_or_of_more_width_than_items_is_still_a_start():
    for rows in ([("a", 0, 0)], [("a", 0, 0), ("a", 1, 1), ("a", 0, 2)]):
        events = log(rows)
        catalog = build_catalog(events)
        vectors = cooccurrence_vectors(pack(events, catalog), len(catalog), 6, seed=0)
        assert vectors.shape == (len(catalog), 6)
        assert np.isfinite(vectors).all()


def test_a_warm_start_factors_how_much_oftener_than_chance_two_items_stand_near(monkeypatch):
    events = log([("a", 1, 0), ("a", 2, 1), ("a", 3, 2), ("b", 3, 0)])
    catalog = build_catalog(events)
    tables, real = [], item_vectors.randomized_svd
    monkeypatch.setattr(item_vectors, "randomized_svd", lambda t, *a, **k: tables.append(t) or real(t, *a, **k))
    cooccurrence_vectors(pack(events, catalog), len(catalog), 2, seed=0, reach=2)
    # Next to each other 1, two apart 1/2, both ways: 5 in all, of which the items have 3/2, 2 and 3/2.
    near, far = np.log(1 * 5 / (3 / 2 * 2)), np.log(1 / 2 * 5 / (3 / 2 * 3 / 2))
    expected = [[0, near, far], [near, 0, near], [far, near, 0]]
    np.testing.assert_allclose(tables[0].toarray()[1:, 1:], expected, rtol=1e-6)


def test_negatives_follow_the_root_of_popularity_and_are_corrected_for_it(monkeypatch):
    events = log([("a", 0, 0), ("a", 1, 1), ("a", 1, 2), ("a", 2, 3), ("b", 1, 0)])
    catalog = build_catalog(events)
    chances, real = [], torch.multinomial
    monkeypatch.setattr(torch, "multinomial", lambda c, *a, **k: chances.append(c) or real(c, *a, **k))
    monkeypatch.setattr(
        "recolab.models.sequential.cooccurrence_vectors", lambda *_: np.zeros((len(catalog), 16), np.float32)
    )
    model = Transformer(replace(CONFIG, negatives=5000), TrainConfig(epochs=1, learning_rate=0.0, progress=False))
    log_of_one = model.fit(pack(events, catalog), catalog).log
    roots = np.sqrt([0, 2, 4, 2])  # PAD, and each item's events and one
    np.testing.assert_allclose(chances[0], roots / roots.sum(), rtol=1e-6)
    # Where all logits are 0, the sample stands for the three items, and the target stands beside them.
    assert log_of_one[0]["loss"] == pytest.approx(np.log(1 + 3), rel=0.01)


@pytest.mark.parametrize("positions", ["relative", "rotary"])
def test_the_weights_of_a_trained_model_make_what_its_blocks_put_out(positions):
    histories, catalog, _ = carousel(n_users=6)
    config = replace(CONFIG, positions=positions, max_len=5, dropout=0.2)
    model = Transformer(config, TrainConfig(epochs=1, progress=False)).fit(histories, catalog)
    seen = []
    for block in model.module.encoder.blocks:
        block.attention.register_forward_hook(lambda part, inputs, out: seen.append((part, inputs, out)))
    some = histories.take(np.array([0, 3]))
    window, weights = attention_weights(model, some)
    assert window.is_visit.shape == (2, 5)
    assert [tuple(one.shape) for one in weights] == 2 * [(2, 2, 5, 5)]
    for (part, (x, _), out), one in zip(seen, weights, strict=True):
        torch.testing.assert_close(one.sum(-1), torch.ones(2, 2, 5))
        assert one.triu(1).abs().max() == 0
        mixed = one @ part.shares(x)[2]
        torch.testing.assert_close(part.join(mixed.transpose(1, 2).flatten(2)), out, **CLOSE)
    before = len(seen)
    model.score(some)
    assert len(seen) == before + config.n_blocks  # and nobody listens any more: only this test does
    assert len(weights) == config.n_blocks


def test_the_weights_of_a_reader_of_hidden_visits_are_those_of_the_question_it_is_asked():
    histories, catalog, _ = carousel(n_users=6)
    model = Transformer(replace(CONFIG, max_len=5, hidden_share=0.3), TrainConfig(epochs=1, progress=False))
    model.fit(histories, catalog)
    read = []
    model.module.norm_in.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0].shape))
    window, weights = attention_weights(model, histories)
    model.score(histories)
    assert read == [(6, 5, 16)] * 2  # four visits and the blank: a fifth visit has no place that was ever trained
    assert window.is_visit.shape == (6, 5)
    assert weights[0].shape == (6, 2, 5, 5)
