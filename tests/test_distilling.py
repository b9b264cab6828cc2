"""recolab.models.distilling and the loss that it asks by: one network learns what several say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from recolab.histories import build_catalog, pack
from recolab.losses import ROWS, distillation_loss, full_cross_entropy, one_pass
from recolab.models import distilling
from recolab.models.distilling import distil
from recolab.models.encoder_decoder import EncoderDecoder
from recolab.models.ensemble import Ensemble
from recolab.models.objectives import Batches, NextVisit
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import ITEM
from recolab.training import TrainConfig
from tests.worlds import carousel, log


def lesson(n_positions=7, n_items=11, seed=0):
    """What a student of 4 numbers an item says, a teacher of 6, and how much each position counts."""
    rng = torch.Generator().manual_seed(seed)
    hidden, table = (torch.randn(n, 4, generator=rng, dtype=torch.float64) for n in (n_positions, n_items))
    said, teacher_table = (torch.randn(n, 6, generator=rng, dtype=torch.float64) for n in (n_positions, n_items))
    weights = torch.rand(n_positions, generator=rng, dtype=torch.float64)
    return hidden.requires_grad_(), table.requires_grad_(), said, teacher_table, weights / weights.sum()


def textbook(hidden, table, said, teacher_table, weights, temperature):
    taught = (said @ teacher_table[1:].T / temperature).softmax(1)
    known = (hidden @ table[1:].T / temperature).log_softmax(1)
    return -(temperature**2) * (weights[:, None] * taught * known).sum()


@pytest.mark.parametrize("tile", [None, 4 * ROWS, 1])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("n_positions", [7, ROWS, 2 * ROWS + 3])
def test_the_loss_is_the_textbooks_without_pad_in_value_and_gradient(n_positions, temperature, tile, monkeypatch):
    if tile:
        monkeypatch.setattr(one_pass, "CELLS", 1)
        monkeypatch.setattr(one_pass, "TILE", tile)
    inputs = lesson(n_positions)
    ours, theirs = distillation_loss(*inputs, temperature), textbook(*inputs, temperature)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=0)
    gradients = (torch.autograd.grad(loss, inputs[:2]) for loss in (ours, theirs))
    for mine, its in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-9, atol=1e-15)


def test_a_teacher_who_is_sure_teaches_what_came():
    hidden, table, _, _, _ = lesson()
    targets = torch.tensor([1, 5, 3, 2, 10, 7, 1])
    sure = 1000 * torch.eye(11, dtype=torch.float64)
    weights = torch.full((7,), 1 / 7, dtype=torch.float64)
    taught = distillation_loss(hidden, table, sure[targets], torch.eye(11, dtype=torch.float64), weights, 1.0)
    torch.testing.assert_close(taught, full_cross_entropy(hidden, table, torch.arange(7), targets))


def test_who_says_what_the_teacher_says_has_nothing_to_learn():
    hidden, table, _, _, weights = lesson()
    loss = distillation_loss(hidden, table, hidden.detach(), table.detach(), weights, 2.0)
    for gradient in torch.autograd.grad(loss, [hidden, table]):
        assert gradient.abs().max() < 1e-12


def test_a_sharp_temperature_is_still_a_number_that_never_teaches_pad():
    hidden, table, said, teacher_table, weights = lesson()
    loss = distillation_loss(hidden, table, 100 * said, teacher_table, weights, 1e-4)
    assert torch.isfinite(loss)
    assert torch.autograd.grad(loss, table)[0][0].abs().max() == 0


def test_a_teacher_of_other_digits_is_understood():
    hidden, table, said, teacher_table, weights = lesson()
    floats = said.float(), teacher_table.float(), weights.float()
    ours = distillation_loss(hidden, table, *floats, 1.0)
    torch.testing.assert_close(ours, textbook(hidden, table, said, teacher_table, weights, 1.0), rtol=1e-5, atol=0)


def test_pad_and_positions_of_no_weight_teach_nothing():
    hidden, table, said, teacher_table, weights = lesson()
    weights[2] = 0
    loss = distillation_loss(hidden, table, said, teacher_table, weights, 1.0)
    to_hidden, to_table = torch.autograd.grad(loss, [hidden, table])
    assert to_table[0].abs().max() == 0
    assert to_hidden[2].abs().max() == 0
    assert to_hidden[3].abs().max() > 0


SHAPE = TransformerConfig(dim=8, negatives=0, dropout=0.0)


def network(seed, epochs=1, **shape):
    return Transformer(replace(SHAPE, **shape), TrainConfig(epochs, seed=seed, progress=False))


@pytest.fixture(scope="module")
def school():
    """A carousel, and two networks that know it well."""
    histories, catalog, events = carousel()
    return histories, catalog, events, Ensemble([network(1, 20), network(2, 20, dim=4)]).fit(histories, catalog)


def shares(model, histories):
    return torch.from_numpy(model.score(histories)[:, 1:]).softmax(1).numpy()


def apart(model, teacher, histories):
    return np.abs(shares(model, histories) - shares(teacher, histories)).max(1).mean()


def test_a_student_comes_to_say_what_the_teacher_says(school):
    histories, catalog, _, teacher = school
    student = distil(network(3, 30), teacher, histories, catalog)
    by_itself = [network(3, epochs).fit(histories, catalog) for epochs in (0, 30)]
    for other in by_itself:
        assert apart(student, teacher, histories) < apart(other, teacher, histories) / 2
    assert len(student.log) == 30
    assert student.log[-1]["loss"] < student.log[0]["loss"]


def test_a_student_hears_the_teacher_and_not_what_came(school):
    histories, catalog, _, _ = school
    backwards = replace(histories, items=histories.items[::-1].copy())
    wrong = Ensemble([network(1, 20)]).fit(backwards, catalog)
    student = distil(network(3, 30), wrong, histories, catalog)
    right = network(3, 30).fit(histories, catalog)
    assert apart(student, wrong, histories) < apart(right, wrong, histories) / 2


def test_some_items_at_a_time_teach_as_all_do(school, monkeypatch):
    histories, catalog, _, teacher = school
    monkeypatch.setattr(distilling, "DRAWN", 3)
    student = distil(network(3, 60), teacher, histories, catalog)
    by_itself = network(3, 60).fit(histories, catalog)
    assert apart(student, teacher, histories) < apart(by_itself, teacher, histories) / 2


def test_what_is_taught_is_drawn_anew_without_return_and_never_more_than_there_is(school, monkeypatch):
    histories, catalog, _, teacher = school
    asked = []

    def listen(hidden, table, said, teacher_table, weights, temperature):
        asked.append(len(table))
        assert len(table) == len(teacher_table)
        return distillation_loss(hidden, table, said, teacher_table, weights, temperature)

    monkeypatch.setattr(distilling, "distillation_loss", listen)
    for drawn, rows in (
        (3, 4),
        (len(catalog) - 2, len(catalog) - 1),
        (len(catalog) - 1, len(catalog)),
        (99, len(catalog)),
    ):
        monkeypatch.setattr(distilling, "DRAWN", drawn)
        distil(network(3), teacher, histories, catalog)
        assert set(asked) == {rows}
        asked.clear()
    monkeypatch.setattr(distilling, "DRAWN", 4)
    draws = [distilling._drawn(9).tolist() for _ in range(200)]
    assert all(rows[0] == 0 and len(set(rows)) == 5 for rows in draws)
    assert np.bincount(np.concatenate(draws))[1:] == pytest.approx(100, abs=40)  # each in half of them


def lessons(teacher, histories, catalog, temperature=1.0, **shape):
    """A student who has heard an epoch and learned nothing from it: rate 0."""
    student = network(3, **shape)
    student.training = replace(student.training, learning_rate=0.0)
    return distil(student, teacher, histories, catalog, temperature)


def products(*models):
    """What any two items have in common, by the tables of all."""
    tables = [model.module.table.weight.detach().numpy() for model in models]
    return sum(table @ table.T for table in tables)


def test_a_student_begins_with_the_tables_of_the_teachers_as_far_as_they_fit(school):
    histories, catalog, _, teacher = school
    whole = products(*teacher.models) / 2
    np.testing.assert_allclose(products(lessons(teacher, histories, catalog, dim=12)), whole, atol=1e-5)
    values, directions = np.linalg.eigh(whole)
    strongest = (directions[:, -6:] * values[-6:]) @ directions[:, -6:].T
    np.testing.assert_allclose(products(lessons(teacher, histories, catalog, dim=6)), strongest, atol=1e-5)
    wider = lessons(teacher, histories, catalog, dim=20, warm_start=False).module.table.weight.detach()
    np.testing.assert_allclose((wider[:, :12] @ wider[:, :12].T).numpy(), whole, atol=1e-5)
    assert 0.01 < wider[1:, 12:].std() < 0.03  # noise
    assert (wider[0] == 0).all()


def test_a_teacher_does_not_forget_while_it_teaches_and_stays_as_it_is(school):
    histories, catalog, _, _ = school
    teacher = Ensemble([network(1, 5, dropout=0.5)]).fit(histories, catalog)
    before, said = teacher.score(histories), lessons(teacher, histories, catalog).log[0]["loss"]
    teacher.models[0].module.train()
    assert lessons(teacher, histories, catalog).log[0]["loss"] == pytest.approx(said, rel=1e-6)
    np.testing.assert_array_equal(teacher.score(histories), before)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_every_target_counts_once_and_the_temperature_is_heeded(temperature):
    """Baskets of one, two and three: what a position counts is how many came after it."""
    rows = [(user, item, step) for user in range(12) for step in range(4) for item in range(1 + (user + step) % 3)]
    events = log([(user, 10 * step + item, step) for user, item, step in rows])
    catalog = build_catalog(events)
    histories = pack(events, catalog)
    teacher = Ensemble([network(1, 5)]).fit(histories, catalog)
    batches = Batches(histories, NextVisit(), SHAPE.max_len, SHAPE.batch_positions)
    [batch] = batches.epoch(np.random.default_rng(0))
    heard = lessons(teacher, histories, catalog, temperature)
    student = heard.module
    asked, times = np.unique(batch.owners, return_counts=True)
    assert set(times) == {1, 2, 3}
    with torch.no_grad():
        hidden, said = (net.asked(batch)[asked] for net in (student, teacher.models[0].module))
        tables = student.table.weight, teacher.models[0].module.table.weight
        weights = torch.from_numpy(times / times.sum())
        expected = textbook(hidden, tables[0], said, tables[1], weights, temperature)
    assert heard.log[0]["loss"] == pytest.approx(expected.item(), rel=1e-4)


def test_the_best_epoch_of_a_student_is_kept_and_no_past_gets_what_sells(school):
    histories, catalog, _, teacher = school
    scores = iter([0.1, 0.3, 0.2])
    student = distil(network(3, 3), teacher, histories, catalog, validate=lambda _: next(scores))
    assert [row["validation"] for row in student.log] == [0.1, 0.3, 0.2]
    nobody = histories.take([0]).where(np.zeros(histories.lengths[0], bool))
    np.testing.assert_array_equal(student.score(nobody)[:, 1:], teacher.score(nobody)[:, 1:])


@pytest.mark.parametrize("temperature", [0.0, -2.0, float("nan"), float("inf")])
def test_a_temperature_that_is_none_is_refused(temperature, school):
    histories, catalog, _, teacher = school
    with pytest.raises(ValueError, match=r"temperature = .* must be a number above 0"):
        distil(network(3), teacher, histories, catalog, temperature)


def test_a_student_or_a_teacher_who_is_not_asked_at_every_visit_is_refused(school):
    histories, catalog, _, teacher = school
    with pytest.raises(
        ValueError, match="Transformer does not foresee the next visit after each: distil causal models"
    ):
        distil(network(3, hidden_share=0.3), teacher, histories, catalog)
    reader = network(1, hidden_share=0.3).fit(histories, catalog)
    with pytest.raises(ValueError, match="does not foresee the next visit"):
        distil(network(3), Ensemble([reader]), histories, catalog)
    writer = EncoderDecoder(EncoderDecoder.Config(dim=8), TrainConfig(0, progress=False))
    with pytest.raises(ValueError, match="EncoderDecoder does not foresee the next visit"):
        distil(writer, teacher, histories, catalog)


def test_a_student_that_reads_further_than_its_teacher_is_refused(school):
    histories, catalog, _, _ = school
    short = Ensemble([network(1, 0, max_len=5)]).fit(histories, catalog)
    with pytest.raises(ValueError, match="Transformer reads 6 visits, a teacher 5: give it as few"):
        distil(network(3, max_len=6), short, histories, catalog)
    assert len(distil(network(3, max_len=4), short, histories, catalog).log) == 1


def test_another_catalog_than_the_teachers_is_refused(school):
    histories, _, events, teacher = school
    smaller = build_catalog(events.filter(pl.col(ITEM) < 5))
    with pytest.raises(ValueError, match="Ensemble knows 9 rows, the catalog has 6: give its own"):
        distil(network(3), teacher, histories, smaller)
