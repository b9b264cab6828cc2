"""A Transformer grown on a ring of goods: what time allows, and never more than validation asks for."""

from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl
import pytest

from recolab import growing
from recolab.evaluation import validation_score
from recolab.folds import leave_one_out_tasks
from recolab.growing import best_epoch, grow_transformer, remember
from recolab.models.ensemble import Ensemble
from recolab.models.neighbours import Transitions
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.schema import ITEM, KIND, TIME, USER, VALUE
from recolab.training import TrainConfig

N_ITEMS = 30


@pytest.fixture(scope="module")
def ring():
    """80 users walk around a ring of goods, each from its own start."""
    starts = np.random.default_rng(0).integers(N_ITEMS, size=80)
    rows = [(u, (start + step) % N_ITEMS, step, "review", 1.0) for u, start in enumerate(starts) for step in range(8)]
    events = pl.DataFrame(rows, schema=[USER, ITEM, TIME, KIND, VALUE], orient="row")
    return leave_one_out_tasks(events)


class Told:
    """A run whose scores are made up: `worth` after every epoch, a little more at the end."""

    def __init__(self, worth, epochs, dropouts=(0.5, 0.3), seed=7):
        self.log = [{"epoch": float(e), "validation": worth + 0.001 * e} for e in range(1, epochs + 1)]
        self.config = TransformerConfig(dropout=dropouts[0], input_dropout=dropouts[1])
        self.training = TrainConfig(epochs, seed=seed)


@pytest.fixture
def runs(monkeypatch):
    """Every run that is made, with made-up seconds: an epoch of width 64 takes one; less dropout is better."""
    made, clock = [], [0.0]

    def trained(runs, dropouts, epochs, seed):
        made.append((dropouts, runs.dim, epochs))
        clock[0] += epochs * runs.dim / 64
        return Told(1 - sum(dropouts), epochs, dropouts, seed)

    monkeypatch.setattr(growing, "_trained", trained)
    monkeypatch.setattr(growing, "_epoch_seconds", lambda *_: 2.0)  # of width 128
    monkeypatch.setattr(growing, "_can_ask_all", lambda *_: True)
    monkeypatch.setattr(growing.time, "perf_counter", lambda: clock[0])
    return made


@pytest.mark.parametrize(
    ("seconds", "count", "dim", "epochs"),
    [
        (1000, 3, 128, 8),  # no run is longer than LONG
        (float("inf"), 3, 128, 8),
        (48, 3, 128, 8),
        (47, 2, 128, 8),  # 16 epochs' time each: a third would end a little late
        (27, 2, 128, 6),
        (25, 2, 128, 5),  # a twentieth stays free: five in 23.75 s
        (18, 2, 128, 4),
        (16, 1, 128, 7),  # half of it is too little for a wide table: one wide run is better than two narrow ones
        (7, 2, 64, 3),
        (1, 1, 64, 3),
        (-60, 1, 64, 3),  # others took more than their share: one run there is all the same
    ],
)
def test_time_decides_how_often_how_wide_and_how_long(seconds, count, dim, epochs, runs, ring):
    model = grow_transformer(ring.training, ring.validation, seconds, seed=7)
    tried = growing.DROPOUTS[epochs < growing.SHORT :][:count]  # the most dropout only slows a short run
    assert runs == [(dropouts, dim, epochs) for dropouts in tried]
    assert best_epoch(model)[1] == pytest.approx(1 - sum(tried[-1]) + 0.001 * epochs)


def test_less_dropout_is_tried_only_while_it_helps(runs, ring, monkeypatch):
    monkeypatch.setattr(growing, "DROPOUTS", ((0.5, 0.3), (0.6, 0.3), (0.1, 0.1)))
    model = grow_transformer(ring.training, ring.validation, 1000, seed=7)
    assert [dropouts for dropouts, _, _ in runs] == [(0.5, 0.3), (0.6, 0.3)]
    assert best_epoch(model)[1] == pytest.approx(0.2 + 0.001 * growing.LONG)


LEARNING = ((0.5, 0.3), (0.6, 0.3), (0.1, 0.1))  # the second is no better: the third is never tried


@pytest.mark.parametrize(
    ("seconds", "count"),
    [
        (1, 1),  # a first there is always
        (48, 3),  # the second may last as long as the first, and then there is time for one more of the first's dropout
        (float("inf"), growing.NETWORKS),
    ],
)
def test_networks_like_the_best_one_follow_while_there_is_time(seconds, count, runs, ring, monkeypatch):
    monkeypatch.setattr(growing, "DROPOUTS", LEARNING)
    monkeypatch.setattr(growing, "SHORT", 0)
    monkeypatch.setattr(growing, "validation_score", lambda ensemble, _: float(len(ensemble.models)))
    together = growing.grow_ensemble(ring.training, ring.validation, seconds, seed=7)
    assert [dropouts for dropouts, _, _ in runs] == [*LEARNING[:2], *[LEARNING[0]] * growing.NETWORKS][:count]
    assert len(together.models) == count  # all help here
    assert {model.training.seed for model in together.models} == {7 + growing.APART * n for n in range(count)}
    worths = [best_epoch(model)[1] for model in together.models]
    assert worths == sorted(worths, reverse=True)


@pytest.mark.parametrize(
    ("seconds", "count", "dim", "epochs"),
    [
        (1000, growing.NETWORKS, 128, 8),
        (54, 3, 128, 8),
        (48, 3, 128, 7),  # three shorter ones rather than two of LONG
        (27, 3, 128, 4),
        (24, 2, 128, 5),  # three would be too short for a wide table
        (15, 1, 128, 7),
        (7, 2, 64, 3),
    ],
)
def test_runs_are_as_short_as_three_of_them_want(seconds, count, dim, epochs, runs, ring, monkeypatch):
    monkeypatch.setattr(growing, "validation_score", lambda ensemble, _: float(len(ensemble.models)))
    growing.grow_ensemble(ring.training, ring.validation, seconds, seed=7)
    assert [(wide, long) for _, wide, long in runs] == [(dim, epochs)] * count


@pytest.mark.parametrize(
    ("seconds", "epochs"),
    [
        (27, [5, 4, 4]),  # by the probe, three of five epochs
        (22, [4, 4]),  # the second takes what is left: with 14 seconds for two, neither would be worth it
        (25, [4, 4, 4]),
    ],
)
def test_a_probe_too_quick_makes_the_other_runs_shorter_not_fewer(seconds, epochs, runs, ring, monkeypatch):
    monkeypatch.setattr(growing, "_epoch_seconds", lambda *_: 1.6)  # of two that it takes
    monkeypatch.setattr(growing, "validation_score", lambda ensemble, _: float(len(ensemble.models)))
    growing.grow_ensemble(ring.training, ring.validation, seconds, seed=7)
    assert [long for _, _, long in runs] == epochs


def test_the_slowest_epoch_that_ran_plans_what_follows(runs, ring, monkeypatch):
    """The first stops early, after four epochs of 2.2 seconds; the others take one each, and nobody counts on it."""
    planned, clock = [], [0.0]

    def trained(_, dropouts, epochs, seed):
        ran, each = (epochs, 1.0) if planned else (4, 2.2)
        planned.append(epochs)
        clock[0] += ran * each
        return Told(1 - sum(dropouts), ran, dropouts, seed)

    monkeypatch.setattr(growing, "_trained", trained)
    monkeypatch.setattr(growing, "_epoch_seconds", lambda *_: 1.6)
    monkeypatch.setattr(growing.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(growing, "validation_score", lambda ensemble, _: float(len(ensemble.models)))
    growing.grow_ensemble(ring.training, ring.validation, 27, seed=7)
    assert planned == [5, 4, 5]


def test_whoever_makes_the_mean_worse_is_left_out(runs, ring, monkeypatch):
    asked = []

    def worth(ensemble, task):
        assert task is ring.validation
        asked.append([model.training.seed for model in ensemble.models])
        return 0.5 if 1007 in asked[-1] else 0.9 + 0.01 * len(ensemble.models)

    monkeypatch.setattr(growing, "DROPOUTS", LEARNING)
    monkeypatch.setattr(growing, "validation_score", worth)
    together = growing.grow_ensemble(ring.training, ring.validation, 64, seed=7)
    assert len(runs) == 4
    assert asked == [[7, 2007], [7, 2007, 3007], [7, 2007, 3007, 1007]]
    assert [model.training.seed for model in together.models] == [7, 2007, 3007]


def test_grown_networks_know_the_ring_together(ring, monkeypatch):
    monkeypatch.setattr(growing, "WIDE", 32)
    monkeypatch.setattr(growing, "NARROW", 16)
    monkeypatch.setattr(growing, "NETWORKS", 3)
    together = growing.grow_ensemble(ring.training, ring.validation, 1000, seed=7)
    score = validation_score(together, ring.validation)
    assert score >= best_epoch(together.models[0])[1] > 0.5
    remembering = remember(together, ring.training, ring.validation, 0.0, 7)
    assert remembering.name == "Ensemble with followers"


@pytest.fixture(scope="module")
def masters(ring):
    """Two networks that know the ring, grown in a moment."""
    models = [
        Transformer(TransformerConfig(dim=16, negatives=0), TrainConfig(30, seed=s, progress=False)) for s in (1, 2)
    ]
    return Ensemble(models).fit(ring.training, ring.validation.catalog)


def test_who_is_taught_is_twice_as_wide_as_the_best_and_else_like_it_but_without_dropout(ring, masters):
    student = growing.taught(masters, ring.training, ring.validation, 1000, 3)
    assert student.name == "Taught Transformer"
    assert student.config == replace(
        masters.models[0].config,
        dim=32,
        dropout=0.0,
        input_dropout=0.0,
        warm_start=False,
        batch_positions=growing.LESSON,
    )
    seed = 3 + growing.NETWORKS * growing.APART
    assert student.training == TrainConfig(
        growing.LESSONS, growing.RATE, patience=growing.PATIENCE, seed=seed, progress=False
    )
    assert best_epoch(student)[1] == validation_score(student, ring.validation) > 0.3


@pytest.mark.parametrize(("seconds", "epochs"), [(-5.0, 1), (0.0, 1), (3.5, 3), (float("inf"), growing.LESSONS)])
def test_time_decides_how_many_epochs_are_taught(seconds, epochs, ring, masters, monkeypatch):
    monkeypatch.setattr(growing, "_epoch_seconds", lambda *_: 1.0)
    monkeypatch.setattr(growing.time, "perf_counter", lambda: 0.0)

    def distil(student, ensemble, histories, catalog, temperature, look):
        assert (ensemble, histories, temperature) == (masters, ring.training, growing.TEMPERATURE)
        assert look.keywords == {"task": ring.validation}
        return student

    monkeypatch.setattr(growing, "distil", distil)
    assert growing.taught(masters, ring.training, ring.validation, seconds, 3).training.epochs == epochs


def test_neither_ensemble_nor_student_without_a_number_of_seconds(ring, masters):
    for grow in (growing.grow_ensemble, partial(growing.taught, masters), partial(remember, masters)):
        with pytest.raises(ValueError, match="seconds is not a number"):
            grow(ring.training, ring.validation, float("nan"), seed=7)


def test_the_largest_seed_has_others_after_it(runs, ring, monkeypatch):
    monkeypatch.setattr(growing, "validation_score", lambda ensemble, _: float(len(ensemble.models)))
    together = growing.grow_ensemble(ring.training, ring.validation, 48, seed=2**32 - 1)
    assert {model.training.seed for model in together.models} == {2**32 - 1, growing.APART - 1, 2 * growing.APART - 1}


def test_an_epoch_is_timed_on_some_of_many_histories(ring):
    learned = []

    def learn(some, training, look):
        assert (training.epochs, training.seed) == (1, 7)
        learned.append(len(some))
        model = untaught(ring)
        look(model)
        model.log = [{"seconds": 2.0}]
        return model

    few = ring.training
    many = few.take(np.tile(np.arange(len(few)), 20))
    assert 2 < growing._epoch_seconds(few, ring.validation, learn, 7) < 4
    assert 20 < growing._epoch_seconds(many, ring.validation, learn, 7) < 22
    assert learned == [80, 160]


def test_validation_chooses_the_dropouts_and_the_epoch(ring, monkeypatch):
    monkeypatch.setattr(growing, "DROPOUTS", ((0.95, 0.95), (0.0, 0.0)))
    monkeypatch.setattr(growing, "WIDE", 32)
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


def untaught(loo):
    """Make a network that has learned nothing."""
    shape = TransformerConfig(dim=8, warm_start=False)
    return Transformer(shape, TrainConfig(0, progress=False)).fit(loo.training, loo.validation.catalog)


def test_what_followed_what_is_remembered_where_validation_likes_it(ring):
    model = untaught(ring)
    remembering = remember(model, ring.training, ring.validation, 5.0, 7)
    assert remembering.trust > 0
    assert remembering.name == "Transformer with followers"
    assert validation_score(remembering, ring.validation) > 0.9 > validation_score(model, ring.validation)


class Knowing(Transformer):
    """A network that knows the ring better than its log does: the log of this world steps back."""

    def score(self, histories):
        scores = np.zeros((len(histories), 1 + N_ITEMS), np.float32)
        newest = histories.items[histories.offsets[1:] - 1]
        scores[np.arange(len(histories)), 1 + newest % N_ITEMS] = 1.0
        return scores


@pytest.mark.parametrize("seconds", [0.0, 5.0])
def test_followers_that_only_harm_are_not_believed(ring, seconds):
    plain, backwards = untaught(ring), ring.training.take(slice(None))
    knowing = Knowing(plain.config, plain.training)
    knowing.module = plain.module
    backwards.items[:] = np.concatenate([part[::-1] for part in np.split(backwards.items, backwards.offsets[1:-1])])
    assert remember(knowing, backwards, ring.validation, seconds, 7).trust == 0


def test_followers_are_counted_in_what_may_be_learned_from_and_nowhere_else(ring):
    half = ring.training.take(slice(40))
    remembering = remember(untaught(ring), half, ring.validation, 0.0, 7)
    counted = Transitions(1.5, reach=10, damping=remembering.followers.damping).fit(half, ring.validation.catalog)
    np.testing.assert_array_equal(remembering.followers.links.toarray(), counted.links.toarray())


def test_no_time_at_all_is_no_number(ring):
    with pytest.raises(ValueError, match="seconds is not a number"):
        grow_transformer(ring.training, ring.validation, float("nan"), seed=7)


def test_without_time_the_likeliest_is_taken_as_it_is(ring):
    remembering = remember(untaught(ring), ring.training, ring.validation, 0.0, 7)
    assert (remembering.trust, remembering.sharpness) == (1.0, 30.0)
