"""benchmarks.weekly: who is never updated, what is chosen before the walk, and what is said of it, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from benchmarks import weekly
from benchmarks.weekly import FROZEN, REPLAYED, RETRAINED, TUNED, Frozen, against_retrain, best_of, by_week
from recolab.evaluation import K
from recolab.feedback.updating import UpdateConfig
from recolab.folds import make_fold
from recolab.histories import build_catalog, pack
from recolab.lab import project_root
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig
from tests.networks import SEQUENTIAL
from tests.worlds import START, carousel, log


def test_who_is_never_updated_neither_reads_nor_lists_what_came_later():
    histories, catalog, events = carousel(n_users=10)
    model = SEQUENTIAL["Gru4Rec"]().fit(histories, catalog)
    grown = catalog.grow(build_catalog(log([("x", 99, 0)])).items)
    more = pack(pl.concat([events, log([(user, 99, 20) for user in range(10)])]), grown)
    scores = Frozen(model, len(grown)).score(more)
    np.testing.assert_allclose(scores[:, 1:-1], model.score(histories)[:, 1:], rtol=1e-5)
    assert (scores[:, -1] == -np.inf).all()


def test_the_best_of_those_that_are_fast_enough_is_chosen_with_and_without_replay():
    choice = pl.DataFrame(
        {
            "learning_rate": [1e-3, 2e-3, 3e-3, 4e-3],
            "epochs": [1, 2, 3, 4],
            "replay": [0.0, 0.0, 0.1, 0.1],
            "context": [8, 16, 24, 32],
            "ndcg@10": [0.1, 0.2, 0.3, 0.4],
            "time_share": [0.05, 0.1, 0.09, 0.11],
        }
    )
    without, with_replay = (best_of(choice, replay=replay) for replay in (False, True))
    assert (without.training.learning_rate, without.training.epochs, without.context) == (2e-3, 2, 16)
    assert (with_replay.training.learning_rate, with_replay.replay, with_replay.context) == (3e-3, 0.1, 24)


def test_where_no_setting_is_fast_enough_that_is_said():
    slow = pl.DataFrame({"replay": [0.1], "time_share": [0.2], "ndcg@10": [0.3]})
    with pytest.raises(ValueError, match=r"no setting with replay .* takes 20%"):
        best_of(slow, replay=True)


def judged(scores, seconds):
    """Two weeks of 40 households, who all get a model's score, give or take what their number says."""
    rows = []
    for seed in (7, 8):
        for week in (2, 9):
            for name, score in scores.items():
                for user in range(40):
                    value = score * (1 + (user % 5 - 2) / 10)
                    rows.append((name, f"{user}", value, "next visit", datetime(2017, 10, week), seed, seconds[name]))
    columns = ["model", "user", f"ndcg@{K}", "task", "cut", "seed", "seconds"]
    return pl.DataFrame(rows, columns, orient="row")


SECONDS = {FROZEN: 0.0, TUNED: 2.0, REPLAYED: 4.0, RETRAINED: 40.0}


def test_an_update_is_within_the_margin_when_all_of_its_interval_is():
    found = against_retrain(judged({FROZEN: 0.9, TUNED: 0.995, REPLAYED: 1.02, RETRAINED: 1.0}, SECONDS))
    together = {row["model"]: row for row in found.filter(pl.col("seed").is_null()).iter_rows(named=True)}
    assert [together[name]["within_margin"] for name in (FROZEN, TUNED, REPLAYED)] == [False, True, True]
    assert [together[name]["time_share"] for name in (FROZEN, TUNED, REPLAYED)] == [0, 0.05, 0.1]
    assert together[TUNED]["lift"] == pytest.approx(-0.5)
    assert found["seed"].to_list() == [7] * 3 + [8] * 3 + [None] * 3


def test_a_margin_is_not_met_by_a_mean_alone():
    """A challenger that is as good on average, but from household to household by chance, has not shown it."""
    table = judged({FROZEN: 1.0, TUNED: 1.0, REPLAYED: 1.0, RETRAINED: 1.0}, SECONDS)
    swing = pl.when(pl.col("user").cast(int) % 2 == 0).then(1.5).otherwise(0.5)
    swung = table.with_columns(
        pl.when(pl.col("model") == TUNED).then(swing).otherwise(pl.col("ndcg@10")).alias("ndcg@10")
    )
    row = against_retrain(swung).filter(pl.col("seed").is_null() & (pl.col("model") == TUNED))
    assert abs(row["lift"][0]) < 1e-6
    assert not row["within_margin"][0]


def test_a_week_is_averaged_for_each_seed_and_for_all_of_them():
    table = by_week(judged({FROZEN: 0.5, TUNED: 0.6, REPLAYED: 0.7, RETRAINED: 0.8}, SECONDS))
    assert len(table) == 2 * 4 * 3
    one = table.filter((pl.col("model") == TUNED) & pl.col("seed").is_null() & (pl.col("week") == "2017-10-09"))
    assert one["ndcg@10"][0] == pytest.approx(0.6)
    assert one["ndcg@10_low"][0] < 0.6 < one["ndcg@10_high"][0]
    assert (one["users"][0], one["seconds"][0]) == (40, 2.0)


def test_the_weeks_that_choose_end_before_those_that_judge():
    assert weekly.CHOSEN_FROM + weekly.WEEK * (weekly.CHOSEN_ON + 1) <= weekly.FIRST
    ends = weekly.FIRST + weekly.WEEK * (weekly.WEEKS + 1)
    assert ends == datetime(2018, 1, 1)


def test_an_update_is_by_default_as_the_weeks_before_the_walk_chose():
    choice = pl.read_csv(project_root() / "benchmarks" / "weekly_choice.csv")
    chosen = best_of(choice, replay=True)
    default = UpdateConfig()
    assert (chosen.replay, chosen.context) == (default.replay, default.context)
    assert chosen.training == replace(default.training, progress=False)


def weeks(first, n_weeks):
    """A carousel with a step a day in place of the log, cut at a first moment and every week after it."""
    assert (first, n_weeks) == (weekly.CHOSEN_FROM, weekly.CHOSEN_ON)
    _, _, events = carousel(n_users=30, n_items=8, length=60)
    cuts = [START + timedelta(days=20 + 7 * week) for week in range(n_weeks + 1)]
    return iter([make_fold(events, None, cut, cut + weekly.WEEK) for cut in cuts])


def short(fold, epochs, seed):
    shape = TransformerConfig(dim=16, negatives=0, batch_positions=128)
    return Transformer(shape, TrainConfig(epochs=epochs, seed=seed, progress=False)).fit(fold.histories, fold.catalog)


def test_how_long_to_train_is_asked_of_the_weeks_before_the_walk(monkeypatch):
    """Each length trains on what was known before each of the weeks, and only the longer one learns where to step."""
    trained_on = []
    monkeypatch.setattr(weekly, "LENGTHS", (1, 12))
    monkeypatch.setattr(weekly, "folds_of", weeks)
    monkeypatch.setattr(weekly, "trained", lambda *told: trained_on.append(told) or short(*told))
    found = weekly.choose_length(seed=9)
    asked = [fold.cut for fold in weeks(weekly.CHOSEN_FROM, weekly.CHOSEN_ON)][1:]
    assert [(fold.cut, epochs, seed) for fold, epochs, seed in trained_on] == [
        (c, e, 9) for e in (1, 12) for c in asked
    ]
    assert found["training_epochs"].to_list() == [1, 12]
    assert found["ndcg@10"][1] > found["ndcg@10"][0] + 0.1
    assert (found["seconds"] > 0).all()
