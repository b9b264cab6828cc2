"""recolab.models.sequential: what every network does, whichever way it reads a history."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from recolab.histories import all_windows, build_catalog, lay_out, pack, visits, visits_ago
from recolab.models.convolutional import NextItNet
from recolab.models.network import SequenceConfig, SequenceNetwork
from recolab.models.recurrent import Gru4Rec
from recolab.models.sequential import SequenceModel
from recolab.models.transformer import Transformer
from recolab.training import TrainConfig
from tests.networks import BOTH_WAYS, CAUSAL, SEQUENTIAL
from tests.worlds import carousel, log


@pytest.fixture(autouse=True)
def read_in_several_batches(monkeypatch):
    """As many as any shop has: the worlds here would fit into one."""
    monkeypatch.setattr("recolab.models.sequential.READ_POSITIONS", 128)


CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # outputs are layer-normed: about 1


def untrained(name, n_items=9):
    """A network whose every part says something: biases and positions of 0 would hide what they do."""
    torch.manual_seed(0)
    model = SEQUENTIAL[name]()
    module = SequenceNetwork(n_items, model.config, model.encoder).eval()
    for path, part in module.encoder.named_parameters():
        if part.ndim == 1 or path in ("relative.bias", "time.bias", "absolute.vectors.weight"):
            torch.nn.init.normal_(part, std=0.5)
    return module


def laid_out(histories, max_len=8):
    visited = visits(histories)
    return lay_out(histories, visited, all_windows(visited, max_len))


@pytest.mark.parametrize("name", CAUSAL)
def test_the_future_cannot_change_the_past(name):
    module, batch = untrained(name), laid_out(carousel(n_users=3, length=8)[0])
    before = module(batch)
    batch.items[7] = batch.items[7] % 8 + 1  # the first history's last visit becomes another item
    after = module(batch)
    torch.testing.assert_close(after[0, :7], before[0, :7], **CLOSE)
    assert (after[0, 7] - before[0, 7]).abs().max() > 1e-3
    torch.testing.assert_close(after[1:], before[1:], **CLOSE)


@pytest.mark.parametrize("name", [*CAUSAL, *BOTH_WAYS])
def test_the_newest_state_alone_is_the_last_of_all_states(name):
    module, histories = untrained(name), carousel(n_users=3, length=8)[0]
    batch = laid_out(histories.where(visits_ago(histories) < 3 + 2 * histories.owners))  # of 3, 5 and 7 visits
    torch.testing.assert_close(module.newest(batch), module(batch)[:, -1], **CLOSE)


@pytest.mark.parametrize("name", CAUSAL)
def test_the_visit_before_changes_what_is_foreseen(name):
    module, batch = untrained(name), laid_out(carousel(n_users=1, length=8)[0])
    before = module(batch)
    batch.items[6] = batch.items[6] % 8 + 1
    assert (module(batch)[0, 7] - before[0, 7]).abs().max() > 1e-3


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_a_reader_of_both_ways_hears_the_future(name):
    module, batch = untrained(name), laid_out(carousel(n_users=1, length=8)[0])
    before = module(batch)
    batch.items[7] = batch.items[7] % 8 + 1
    assert (module(batch) - before)[0].abs().amax(1).min() > 1e-4


@pytest.mark.parametrize(
    ("name", "swapped", "asked"),
    [*((name, [6, 5], 7) for name in SEQUENTIAL), *((name, [7, 6], 0) for name in BOTH_WAYS)],
)
def test_the_order_of_what_is_read_is_heard_behind_and_where_it_may_be_ahead(name, swapped, asked):
    module, batch = untrained(name), laid_out(carousel(n_users=1, length=8)[0])
    before = module(batch)
    batch.items[sorted(swapped)] = batch.items[swapped]
    assert (module(batch) - before)[0, asked].abs().max() > 1e-3


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_when_a_visit_was_is_heard_by_the_bias_of_time_alone(name):
    module, batch = untrained(name), laid_out(carousel(n_users=1, length=8)[0])
    before = module(batch)
    batch.ages[0, :4] += 30
    change = (module(batch) - before)[0, 7].abs().max()
    assert change > 1e-3 if name == "Transformer, rotary" else change == 0


@pytest.mark.parametrize("name", SEQUENTIAL)
@pytest.mark.parametrize("more", [1, 3])
def test_padding_of_any_length_and_content_changes_nothing(name, more):
    encoder = untrained(name).encoder
    torch.manual_seed(1)
    x, ages = torch.randn(2, 5 + more, 16), 100 * torch.rand(2, 5 + more)
    is_visit = torch.arange(5 + more)[None].expand(2, -1) >= more
    padded, alone = encoder(x, is_visit, ages), encoder(x[:, more:], is_visit[:, more:], ages[:, more:])
    torch.testing.assert_close(padded[:, more:], alone, **CLOSE)
    assert padded.isfinite().all()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_what_can_be_learnt_by_heart_is(name):
    # Who steps from item to item has one next visit, so the loss has nothing to keep it from 0; unlearnt it is ln 8.
    # Where visits are hidden by chance, some draws leave one visit to tell all others from.
    epochs, near = (250, 0.5) if name in BOTH_WAYS else (120, 0.1)  # what is hidden depends on the processor
    histories, catalog, _ = carousel(n_users=8, length=8)
    model = SEQUENTIAL[name]()
    model.training = replace(model.training, epochs=epochs)
    losses = [row["loss"] for row in model.fit(histories, catalog).log]
    assert losses[0] > 1
    assert np.mean(losses[-9:]) < near


@pytest.mark.parametrize("loss", ["bce", "bpr_max", "top1_max"])
def test_the_pairwise_losses_of_gru4rec_learn_the_carousel_too(loss):
    histories, catalog, _ = carousel()
    small = SEQUENTIAL["Gru4Rec"]()
    model = Gru4Rec(replace(small.config, loss=loss, negatives=32), replace(small.training, epochs=25))
    scores = model.fit(histories, catalog).score(histories)
    last = histories.items[histories.offsets[1:] - 1]
    assert (scores.argmax(1) == last % 8 + 1).all()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_what_is_saved_and_loaded_scores_the_same(name, tmp_path):
    histories, catalog, _ = carousel(n_users=10)
    model = SEQUENTIAL[name]()
    model.training = replace(model.training, epochs=1)
    model.fit(histories, catalog).save(tmp_path / "model")
    again = type(model).load(tmp_path / "model")
    assert (again.config, again.training, again.name) == (model.config, model.training, model.name)
    np.testing.assert_array_equal(again.score(histories), model.score(histories))


def test_the_file_of_another_architecture_or_of_another_program_is_refused(tmp_path):
    histories, catalog, _ = carousel(n_users=4)
    gru = SEQUENTIAL["Gru4Rec"]()
    gru.training = replace(gru.training, epochs=1)
    gru.fit(histories, catalog).save(tmp_path / "gru")
    with pytest.raises(ValueError, match="gru holds a Gru4Rec, not a Transformer: load it as what it is"):
        Transformer.load(tmp_path / "gru")
    with pytest.raises(ValueError, match="not a NextItNet"):
        NextItNet.load(tmp_path / "gru")
    for note in (None, {"format": "pt"}):
        save_file({"weight": torch.zeros(2)}, tmp_path / "foreign", note)
        with pytest.raises(ValueError, match="foreign holds a file that no model here wrote, not a Gru4Rec"):
            Gru4Rec.load(tmp_path / "foreign")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    histories, catalog, _ = carousel(n_users=4)
    model = SEQUENTIAL["Gru4Rec"]()
    model.training = replace(model.training, epochs=1)
    path = tmp_path_factory.mktemp("saved") / "gru"
    model.fit(histories, catalog).save(path)
    return model, path


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_file_that_was_cut_off_says_what_to_do(saved, tmp_path, kept):
    (tmp_path / "half").write_bytes(saved[1].read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"half is damaged or holds no model \(.*\): train it again"):
        Gru4Rec.load(tmp_path / "half")


@pytest.mark.parametrize(
    "changed",
    [
        lambda settings, weights: settings["config"].update(depth=3),
        lambda settings, weights: settings["config"].update(dim=8),
        lambda settings, weights: settings["training"].update(optimizer="sgd"),
        lambda settings, weights: settings.pop("training"),
        lambda settings, weights: weights.pop("popularity"),
        lambda settings, weights: weights.pop("blank"),
        lambda settings, weights: weights.update(more=torch.zeros(2)),
    ],
)
def test_the_file_of_another_version_says_what_to_do(saved, tmp_path, changed):
    with safe_open(saved[1], framework="pt") as file:
        note, weights = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    settings = json.loads(note["settings"])
    changed(settings, weights)
    save_file(weights, tmp_path / "other", note | {"settings": json.dumps(settings)})
    with pytest.raises(ValueError, match=r"(?s)other was written by another version of recolab \(.*\): train it again"):
        Gru4Rec.load(tmp_path / "other")


def test_a_save_that_fails_leaves_the_file_that_was_there(saved, tmp_path, monkeypatch):
    model, path = saved
    (tmp_path / "gru").write_bytes(path.read_bytes())

    def half(weights, temporary, note):
        temporary.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr("recolab.models.sequential.save_file", half)
    with pytest.raises(OSError, match="no space left"):
        model.save(tmp_path / "gru")
    assert (tmp_path / "gru").read_bytes() == path.read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["gru"]


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_no_place_is_asked_that_was_never_trained(name):
    histories, catalog, _ = carousel(n_users=10, length=12)
    model, widths = SEQUENTIAL[name](), []
    model.training = replace(model.training, epochs=1)
    model.fit(histories, catalog)
    model.module.norm_in.register_forward_pre_hook(lambda _, inputs: widths.append(inputs[0].shape[1]))
    scores = model.score(histories)
    assert set(widths) == {8}
    read = 7 if name in BOTH_WAYS else 8  # the blank takes a place
    np.testing.assert_allclose(scores[:, 1:], model.score(histories.last(read))[:, 1:], **CLOSE)


def test_what_is_asked_nothing_meets_no_catalog(monkeypatch):
    # Of three visits two have a successor: the loss is handed two positions, and each its own targets.
    events = log([("a", 0, 0), ("a", 1, 1), ("a", 2, 1), ("a", 3, 2)])
    catalog = build_catalog(events)
    handed = []

    def spy(hidden, table, owners, targets, closed):
        assert closed is None
        handed.append((hidden.shape, owners.tolist(), targets.tolist()))
        return hidden.sum()

    monkeypatch.setattr("recolab.models.sequential.catalog_loss", lambda *_: spy)
    Gru4Rec(training=TrainConfig(epochs=1, progress=False)).fit(pack(events, catalog), catalog)
    assert handed == [((2, 64), [0, 0, 1], [2, 3, 4])]


def test_a_hidden_visit_is_the_blank_whatever_else_is_in_the_batch():
    module = untrained("BERT4Rec")
    with torch.no_grad():
        torch.nn.init.normal_(module.blank)
        module.norm_in, module.norm_out = torch.nn.Identity(), torch.nn.Identity()
    module.encoder = Reading()
    batch = laid_out(carousel(n_users=2, length=3)[0])
    objective = BOTH_WAYS["BERT4Rec"]().objective()
    asked = module(objective.question(batch))
    assert asked.shape == (2, 4, 16)
    torch.testing.assert_close(asked[:, -1], module.blank.expand(2, -1))
    torch.testing.assert_close(asked[:, :-1], module(batch))


class Reading(torch.nn.Module):
    """An encoder that gives back what it reads."""

    def forward(self, x, is_visit, ages):
        return x


def test_an_architecture_must_bring_its_encoder():
    class Nothing(SequenceModel):
        Config = SequenceConfig

    with pytest.raises(NotImplementedError):
        Nothing().encoder()


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_who_has_not_learned_scores_nothing(name):
    with pytest.raises(ValueError, match="has no item table yet: fit it first"):
        SEQUENTIAL[name]().score(carousel(n_users=3, length=8)[0])


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_who_has_only_begun_scores_already(name):
    histories, catalog = carousel(n_users=3, length=8)[:2]
    scores = SEQUENTIAL[name]().begin(histories, catalog).score(histories)
    assert np.isfinite(scores[:, 1:]).all()


def test_who_has_no_past_is_shown_what_sells_most():
    events = log([(u, item, day) for u in range(6) for day, item in enumerate([1, 2, 2, 3 if u else 2])])
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    model = Gru4Rec(Gru4Rec.Config(dim=8, negatives=0), TrainConfig(epochs=1, progress=False)).fit(histories, catalog)
    nobody = replace(histories.take(np.arange(1)).last(0), users=["somebody new"])
    sold = np.log1p(np.bincount(histories.items, minlength=len(catalog)).astype(np.float32))
    np.testing.assert_array_equal(model.score(nobody)[0, 1:], sold[1:])


def test_what_is_read_has_a_dropout_of_its_own_or_that_of_the_encoder():
    one, other = SequenceConfig(dim=4, dropout=0.3), SequenceConfig(dim=4, dropout=0.3, input_dropout=0.1)
    assert [SequenceNetwork(5, config, torch.nn.Identity).dropout.share for config in (one, other)] == [0.3, 0.1]


def test_a_schedule_draws_items_first_and_asks_the_whole_catalog_at_the_end():
    histories, catalog, _ = carousel(n_users=12)
    training = TrainConfig(epochs=4, progress=False)
    shape = replace(Transformer.Config(dim=8, max_len=8), negatives=20)
    drawn, whole, both = (
        [row["loss"] for row in Transformer(config, training).fit(histories, catalog).log]
        for config in (shape, replace(shape, negatives=0), replace(shape, sampled_share=0.5))
    )
    assert both[:2] == drawn[:2]
    assert both[2] not in (drawn[2], whole[2])
    never = Transformer(replace(shape, sampled_share=0.0), training).fit(histories, catalog)
    assert [row["loss"] for row in never.log] == whole
    with pytest.raises(ValueError, match="loss = 'bce' must be softmax"):
        replace(shape, loss="bce", sampled_share=0.5)


@pytest.mark.parametrize(("warm_start", "length"), [(True, 0.5), (False, 0.02 * 8)])
def test_item_vectors_begin_short(warm_start, length):
    histories, catalog, _ = carousel(n_users=12, length=20)
    shape = Transformer.Config(dim=64, n_blocks=0, warm_start=warm_start)
    table = Transformer(shape, TrainConfig(epochs=0)).fit(histories, catalog).module.table.weight.detach()
    assert table[1:].norm(dim=1).mean() == pytest.approx(length, rel=0.1)
    assert not table[0].any()


def test_item_vectors_are_directions_of_the_table():
    model = Transformer(Transformer.Config(dim=8), TrainConfig(epochs=0)).fit(*carousel(n_users=12)[:2])
    vectors, table = model.item_vectors(), model.module.table.weight.detach().numpy()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [0, *[1] * (len(vectors) - 1)], rtol=1e-5)
    np.testing.assert_allclose((vectors * table).sum(1), np.linalg.norm(table, axis=1), rtol=1e-5)
