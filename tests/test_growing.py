"""A Transformer grown on a ring of goods: what time allows, and never more than validation asks for."""

import numpy as np
import polars as pl
import pytest

from recolab import growing
from recolab.folds import leave_one_out_tasks
from recolab.growing import best_epoch, grow_transformer
from recolab.schema import ITEM, KIND, TIME, USER, VALUE

N_ITEMS = 30


@pytest.fixture(scope="module")
def ring():
    """80 users walk around a ring of goods, each from its own start."""
    starts = np.random.default_rng(0).integers(N_ITEMS, size=80)
    rows = [(u, (start + step) % N_ITEMS, step, "review", 1.0) for u, start in enumerate(starts) for step in range(8)]
    events = pl.DataFrame(rows, schema=[USER, ITEM, TIME, KIND, VALUE], orient="row")
    return leave_one_out_tasks(events)


@pytest.fixture
def runs(monkeypatch):
    """Every run that is made, with made-up seconds: an epoch of width 64 takes one, and nothing is learned."""
    made, clock = [], [0.0]

    class Told:
        def __init__(self, dropouts, dim, epochs):
            self.log = [
                {"epoch": float(e), "validation": sum(dropouts) + 0.001 * e * dim} for e in range(1, epochs + 1)
            ]

    def trained(_, __, ___, ____, dropouts, dim, epochs):
        made.append((dropouts, dim, epochs))
        clock[0] += epochs * dim / 64
        return Told(dropouts, dim, epochs)

    monkeypatch.setattr(growing, "_trained", trained)
    monkeypatch.setattr(growing, "_can_ask_all", lambda *_: True)
    monkeypatch.setattr(growing.time, "perf_counter", lambda: clock[0])
    return made


@pytest.mark.parametrize(
    ("seconds", "trials", "last"),
    [
        (1000, 3, (128, 12)),  # no run is longer than LONG
        (43, 3, (128, 12)),  # 15 are gone, 28 are left: 14 wide epochs
        (30, 2, (128, 10)),  # a third trial would not fit a third of the time
        (17, 1, (128, 6)),
        (16, 1, (64, 11)),  # five wide epochs learn less than eleven narrow ones
        (10, 1, None),  # five epochs again would only repeat the trial
        (1, 1, None),
        (-60, 1, None),  # others took more than their share: one trial there is all the same
    ],
)
def test_time_decides_how_much_is_tried_how_wide_and_how_long(seconds, trials, last, runs, ring):
    grow_transformer(ring.training, ring.validation, seconds, seed=7)
    assert runs[:trials] == [(dropouts, 64, 5) for dropouts in growing.DROPOUTS[:trials]]
    assert runs[trials:] == ([] if last is None else [((0.5, 0.3), *last)])


def test_validation_chooses_the_dropouts_and_the_epoch(ring, monkeypatch):
    monkeypatch.setattr(growing, "DROPOUTS", ((0.95, 0.95), (0.0, 0.0)))
    monkeypatch.setattr(growing, "NARROW", 16)
    model = grow_transformer(ring.training, ring.validation, seconds=1000, seed=7)
    assert (model.config.dropout, model.config.input_dropout) == (0.0, 0.0)
    scores = [row["validation"] for row in model.log]
    assert best_epoch(model) == (1 + int(np.argmax(scores)), max(scores))
    assert best_epoch(model)[1] > 0.9


def test_a_catalog_too_large_for_the_time_is_sampled(ring):
    model = grow_transformer(ring.training, ring.validation, seconds=1e-9, seed=7)
    assert model.config.negatives == growing.SAMPLED
    assert grow_transformer(ring.training, ring.validation, seconds=20, seed=7).config.negatives == 0


def test_a_longer_run_that_is_worse_than_its_trial_is_not_kept(ring, monkeypatch):
    class Told:
        def __init__(self, epochs, score):
            self.log = [{"epoch": float(e), "validation": score} for e in range(1, epochs + 1)]

    monkeypatch.setattr(
        growing, "_trained", lambda _, __, ___, ____, _____, dim, epochs: Told(epochs, 1 / (dim * epochs))
    )
    grown = grow_transformer(ring.training, ring.validation, seconds=1000, seed=7)
    assert len(grown.log) == growing.SHORT
