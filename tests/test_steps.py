"""A history that is read one visit more at a time says what it says when it is read whole, and nothing is read twice."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from recolab.compiled import KEEP, STEP, CompiledEncoder, CompiledSteps
from recolab.export import export_encoder, export_steps
from recolab.live import Encoded, open_voices, ship
from recolab.live import encoded as room
from recolab.live.sessions import NOBODY
from recolab.live.tables import FloatTable
from recolab.models.convolutional import NextItNet
from recolab.models.neighbours import Transitions
from recolab.models.popularity import PersonalFrequency
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import KINDS, VIEW
from recolab.training import TrainConfig
from tests.worlds import START, carousel, priced_ring

LONGEST, ITEMS, DAY = 12, 9, 86_400
VARIANTS = {
    "as it stands": {},
    "rotary, gated, SwiGLU, time": {
        "positions": "rotary",
        "gated": True,
        "feed_forward": "swiglu",
        "time_bias": True,
    },
    "absolute, norm after, time": {"positions": "absolute", "norm": "post", "time_bias": True},
    "no places, one block, four heads": {"positions": "none", "n_blocks": 1, "n_heads": 4},
}


def told_apart(**shape):
    """A Transformer whose weights, those of places and times too, all matter."""
    model = Transformer(TransformerConfig(dim=16, max_len=LONGEST, **shape))
    torch.manual_seed(3)
    model.module = model.network(ITEMS + 1).eval()
    model._popularity = np.zeros(ITEMS + 1, np.float32)
    with torch.no_grad():
        for weight in model.module.parameters():
            weight.add_(0.4 * torch.randn_like(weight))
    return model


@pytest.fixture(scope="module", params=VARIANTS)
def exported(request, tmp_path_factory):
    folder, model = tmp_path_factory.mktemp("steps"), told_apart(**VARIANTS[request.param])
    export_encoder(model, folder / "encoder.onnx")
    assert export_steps(model, folder)
    return model, CompiledEncoder(folder / "encoder.onnx", LONGEST), CompiledSteps(folder)


def drawn(length):
    rng = np.random.default_rng(length)
    return rng.normal(size=(length, 16)).astype(np.float32), np.sort(rng.exponential(30, length).astype(np.float32))[
        ::-1
    ].copy()


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_step_of_the_encoder_is_its_whole_reading_cut_there(variant):
    model = told_apart(**VARIANTS[variant])
    encoder = model.module.encoder.double()
    x, ages = (torch.from_numpy(part).double()[None] for part in drawn(LONGEST))
    everywhere = torch.ones_like(ages, dtype=torch.bool)
    with torch.no_grad():
        whole, kept = encoder(x, everywhere, ages), encoder.keep(x[:, :1], everywhere[:, :1], ages[:, :1])
        for n in range(1, LONGEST):
            state, own = encoder.step(x[:, n : n + 1], ages[:, : n + 1], kept)
            torch.testing.assert_close(state, whole[:, n])
            kept = torch.cat([kept, own], -2)
        torch.testing.assert_close(kept, encoder.keep(x, everywhere, ages))


@pytest.mark.parametrize("known", [1, 5, LONGEST - 1])
def test_compiled_steps_say_what_the_compiled_encoder_says(exported, known):
    _, encoder, steps = exported
    visits, ages = drawn(LONGEST)
    kept = steps.keep(visits[:known], ages[:known])
    for n in range(known, LONGEST):
        state, own = steps.step(visits[n], ages[: n + 1], kept)
        np.testing.assert_allclose(state, encoder(visits[: n + 1], ages[: n + 1]), atol=1e-4)
        kept = np.concatenate([kept, own], -2)


def test_others_know_no_step_and_leave_nothing(tmp_path):
    histories, catalog, _ = carousel(n_users=20, n_items=8, length=12)
    once = TrainConfig(1, progress=False)
    shape = {"dim": 16, "max_len": 10, "negatives": 0}
    for model in (
        NextItNet(NextItNet.Config(**shape), once),
        Transformer(TransformerConfig(**shape, hidden_share=0.3), once),
        Transformer(TransformerConfig(**shape, n_blocks=0), once),
        Transformer(TransformerConfig(**shape | {"max_len": 3}), once),
    ):
        assert not export_steps(model.fit(histories, catalog), tmp_path)
    assert not list(tmp_path.iterdir())


def test_steps_that_say_something_else_are_refused(tmp_path, monkeypatch):
    model = told_apart()
    step = type(model.module.encoder).step
    monkeypatch.setattr(type(model.module.encoder), "step", lambda *asked: (1.01 * step(*asked)[0], step(*asked)[1]))
    monkeypatch.setattr(model.module, "norm_out", torch.nn.Identity())
    with pytest.raises(ValueError, match="other things by steps, of 2 visits"):
        export_steps(model, tmp_path)
    assert not list(tmp_path.iterdir())


class Counted:
    """Compiled steps that count what they are asked."""

    def __init__(self, steps):
        self.steps, self.whole, self.single = steps, 0, 0

    def keep(self, visits, ages):
        self.whole += 1
        return self.steps.keep(visits, ages)

    def step(self, visit, ages, kept):
        self.single += 1
        return self.steps.step(visit, ages, kept)


@pytest.fixture
def reader(exported, monkeypatch):
    """Somebody who reads on from four visits, and one who reads all anew."""
    model, encoder, steps = exported
    monkeypatch.setattr(room, "LONG", 4)
    monkeypatch.setattr(room, "MISSED", 2)
    table = FloatTable(model.module.table.weight.detach().numpy())
    return Encoded(encoder, table, LONGEST, steps=Counted(steps)), Encoded(encoder, table, LONGEST)


def seen(reader, session, row, at):
    after = session.plus(row, at, KINDS.index(VIEW))
    reader.follow(session, after, row, at, KINDS.index(VIEW))
    return after


def agree(reader, anew, session):
    fresh = replace(session, memory={})
    np.testing.assert_allclose(reader.state(session), anew.state(fresh), atol=1e-4)


def walked(reader, n):
    session = NOBODY
    for number in range(n):
        session = seen(reader, session, 1 + number % ITEMS, number * DAY)
    return session


def test_after_each_visit_only_that_visit_is_read(reader):
    reading, anew = reader
    session = walked(reading, 4)
    for number in range(4, LONGEST - 1):
        agree(reading, anew, session)
        session = seen(reading, session, 1 + number % ITEMS, number * DAY)
    assert (reading.steps.whole, reading.steps.single) == (1, 1 + 2 * (LONGEST - 7))


def test_a_visit_that_grows_is_read_as_it_has_become(reader):
    reading, anew = reader
    session = walked(reading, 6)
    agree(reading, anew, session)
    for row in (7, 3):
        session = seen(reading, session, row, 5 * DAY)  # of the newest visit
        agree(reading, anew, session)
    session = seen(reading, session, 2, 6 * DAY)
    agree(reading, anew, session)
    assert reading.steps.whole == 1


def test_what_came_late_or_all_at_once_or_pushes_a_visit_out_is_read_anew(reader):
    reading, anew = reader
    session = walked(reading, 6)
    for day, row, n_whole in ((5, 3, 1), (2, 8, 1), (6, 1, 2)):  # the second is late: visits after it have not read it
        agree(reading, anew, session)
        session = seen(reading, session, row, day * DAY)
        agree(reading, anew, session)
        assert reading.steps.whole == n_whole
    for number in (7, 8):
        session = seen(reading, session, 1 + number % ITEMS, number * DAY)
    agree(reading, anew, session)
    assert reading.steps.whole == 3  # two had come, and the newest of before was unread
    for number in range(9, LONGEST + 3):
        session = seen(reading, session, 1 + number % ITEMS, number * DAY)
        agree(reading, anew, session)
    assert reading.steps.whole == 3
    assert reading.steps not in session.memory  # nothing is kept of who has come too often


def test_visits_half_a_day_apart_fall_on_the_edges_of_time_alike_whenever_they_are_read(reader):
    reading, anew = reader
    session, at = NOBODY, 1_700_000_000
    for number in range(LONGEST - 1):
        at += DAY * (1 + 2 * (number % 2)) // 2
        session = seen(reading, session, 1 + number % ITEMS, at)
        agree(reading, anew, session)
        said = [reading.opinion(session, at + later).state for later in (0, 1, 1801)]
        np.testing.assert_array_equal(said[0], said[1])
        np.testing.assert_array_equal(said[0], said[2])


def test_few_visits_and_who_only_asks_are_read_anew_and_nothing_is_kept_of_them(reader):
    reading, anew = reader
    session = walked(reading, 3)
    for _ in range(2):
        agree(reading, anew, session)
    assert reading.steps not in session.memory
    session = seen(reading, session, 5, 3 * DAY)
    assert session.memory[reading.steps].size == 0
    for _ in range(2):
        agree(reading, anew, replace(session, memory={}))
    assert (reading.steps.whole, reading.steps.single) == (0, 0)


def test_a_shop_whose_model_reads_far_back_is_shipped_with_steps_and_others_without(tmp_path):
    catalog, past = priced_ring(20, START)
    transitions, habit = Transitions().fit(past, catalog), PersonalFrequency().fit(past, catalog)
    for max_len, far in ((room.LONG + 1, True), (room.LONG, False)):
        shape = TransformerConfig(dim=8, max_len=max_len, negatives=0)
        model = Transformer(shape, TrainConfig(1, progress=False)).fit(past, catalog)
        ship(tmp_path, catalog, past, model, transitions, habit)
        assert {(tmp_path / name).exists() for name in (KEEP, STEP)} == {far}
        assert (open_voices(tmp_path)[0].steps is not None) == far
        note = json.loads((tmp_path / "live.json").read_text())
        (tmp_path / "live.json").write_text(json.dumps({name: note[name] for name in note if name != "steps"}))
        assert open_voices(tmp_path)[0].steps is None  # they may be of a shop that was here before
