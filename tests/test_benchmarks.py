"""The helpers of benchmarks/: a peer's lists are judged as our own scores are, and the clock gives nothing away."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta

import narwhals as nw
import numpy as np
import polars as pl
import pytest

from benchmarks import crashes, kept, quick, sequences, single, stamped, tasks, training, warm
from benchmarks.cost import Size, explained, made_up, multiply_adds
from benchmarks.grounds import Ground
from benchmarks.peers.shared import goes_on, peak_gb, read_log
from benchmarks.training import BESIDE, OURS, PEERS, figures, judge_lists, newest, table_of
from recolab.evaluation import K, judge
from recolab.folds import leave_one_out_tasks
from recolab.histories import visits
from recolab.lab import Lab, project_root
from recolab.metrics import top_k
from recolab.models.transformer import TransformerConfig
from recolab.recipe import HYBRID, SEQUENCE, Verdict
from recolab.schema import ITEM, TIME
from recolab.sources import Tables
from tests.worlds import START, carousel


class Fixed:
    """Scores without ties, the same for all."""

    name = "fixed"

    def score(self, histories):
        return np.tile(np.random.default_rng(0).permutation(31).astype(np.float32), (len(histories), 1))


@pytest.fixture
def ring():
    """Thirty goods, numbered from 1 as 0 is nothing, and shoppers who each step past six of them."""
    _, _, events = carousel(n_users=40, n_items=30, length=6)
    loo = leave_one_out_tasks(events.with_columns(pl.col(ITEM) + 1))
    return Ground("ring", loo.catalog, loo.training, loo.validation, loo.catalog, loo.training, loo.test)


def test_lists_of_a_peer_get_the_scores_that_the_model_behind_them_gets(ring):
    everybody = np.arange(len(ring.test))
    best = top_k(ring.test.mask(Fixed().score(ring.test.histories), everybody), K)
    items = np.array([ring.catalog.ids(row) for row in best])
    shuffled = np.random.default_rng(1).permutation(everybody)
    found = judge_lists(ring, np.array(ring.test.histories.users)[shuffled], items[shuffled])
    own = judge([Fixed()], ring.test)
    assert found == {score: pytest.approx(own[score].mean()) for score in ("ndcg@10", "hr@10")}
    assert 0 < found["hr@10"] < 1


def test_a_short_list_hits_nothing_where_it_ends(ring):
    users = np.array(ring.test.histories.users)
    assert judge_lists(ring, users, np.zeros((len(users), K), np.int64)) == {"ndcg@10": 0, "hr@10": 0}


def test_only_an_epoch_that_was_over_in_time_counts():
    rows = pl.DataFrame({"seconds": [30.0, 30.0, 30.0], "ndcg@10": [0.1, 0.2, 0.3], "hr@10": [0.4, 0.5, 0.6]})
    assert newest(rows, 1) == {"ndcg@10": 0.2, "hr@10": 0.5}
    assert newest(rows, 0.49) == {"ndcg@10": None, "hr@10": None}
    assert newest(rows, 9)["ndcg@10"] == 0.3


def test_a_training_that_was_late_is_made_anew_with_fewer_epochs(monkeypatch):
    tried = []

    def slow(_work, _negatives, epochs):
        tried.append(epochs)
        return pl.DataFrame({"seconds": [2.0] * epochs})

    monkeypatch.setattr(training, "apart", slow)
    assert training.ours_within(0, minutes=1, epoch_seconds=1.0)["seconds"].sum() <= 60
    assert tried == [57, 28]  # 95 % of a minute; then what fits, had every epoch taken two seconds
    assert len(training.ours_within(0, minutes=0.01, epoch_seconds=1.0)) == 1  # less is no training


def test_a_peer_goes_on_while_one_more_epoch_ends_in_time():
    assert goes_on([], 1)
    assert goes_on([9.0], 1)  # a second one, for a median
    assert goes_on([3.0, 3.0], 9)
    assert not goes_on([3.0, 3.0], 8.9)


def test_a_log_is_read_user_by_user(tmp_path):
    (tmp_path / "sequences.txt").write_text("2 7 8\n5 9\n")
    assert read_log(tmp_path / "sequences.txt") == {2: [7, 8], 5: [9]}


def test_this_program_holds_some_memory():
    assert 0.05 < peak_gb() < 64


def row(case, seconds, quality):
    return {"case": case, "seconds": seconds, "targets": 1 / seconds, "ndcg@10, 1 min": quality, "epochs": [3, 4]}


def test_a_ratio_above_one_is_for_recolab_and_what_nobody_measured_has_none():
    peers = {peer: row(peer, 20.0, None) for peer in PEERS}
    lines = list(figures(row("full cross-entropy", 2.0, 0.05), peers))
    assert {line["peer"] for line in lines} == set(BESIDE["full cross-entropy"])
    ratios = {line["unit"]: line["ratio"] for line in lines}
    assert ratios == {"s an epoch": 10, "targets/s": 10, "ndcg@10, 1 min": None}


def test_the_table_names_system_and_loss_and_only_like_losses_are_divided():
    mine = {case: row(case, 2.0, 0.05) for case in OURS}
    table = table_of(mine, {peer: row(peer, 20.0, None) for peer in PEERS})
    assert table["system"].to_list() == ["recolab"] * 3 + ["RecTools 0.19.0"] * 2 + ["RecBole 1.2.1"]
    assert table["epochs"][0] == "3 4"
    assert table["RecBole 1.2.1, cross-entropy, times as long"].to_list() == [10, None, None, None, None, None]


def test_made_up_histories_are_as_large_as_said():
    histories, catalog = made_up(Size(users=20, items=50, length=7))
    assert (len(histories), len(catalog)) == (20, 51)
    assert set(histories.lengths) == {7}
    assert 1 <= histories.items.min() <= histories.items.max() <= 50


def test_multiply_adds_by_hand():
    # One user, two items, width 2: a block is 2 x 12 x 4 + 2 x 2 x 2 x 2 = 112, the one asked position 10 draws x 2.
    config = TransformerConfig(dim=2, n_heads=1, n_blocks=1, negatives=10)
    assert multiply_adds(Size(users=1, items=5, length=2, dim=2), config) == 3 * (112 + 20)


def test_shares_are_of_the_measured_peak():
    row = {"steps": 10, "seconds": 2.0, "optimizer_gb_per_step": 1.0, "gflop_per_second": 25.0}
    found = explained(row, {"copy_gb_per_second": 10.0, "gemm_gflop_per_second": 100.0})
    assert (found["share_of_gemm_peak"], found["share_of_optimizer_at_full_bandwidth"]) == (0.25, 0.5)


BOARD = pl.DataFrame(
    {
        "set": "Beauty",
        "seed": 7,
        "model": ["Hybrid", "EASE", "Transformer", "Transformer, gated"],
        "hr@10": [0.12, 0.08, 0.09, 0.10],
        "ndcg@10": [0.0755, 0.05, 0.06, 0.07],
        "validation_ndcg@10": [0.085, 0.09, 0.08, 0.07],
    }
)


def test_the_hybrid_stands_beside_all_papers_and_the_best_sequence_model_on_validation_beside_those_of_ids():
    papers = {"set": ["Beauty", "Beauty", "Sports"], "model": ["S3-Rec", "WEARec", "WEARec"], "hr@10": [0.1, 0.09, 0.9]}
    literature = pl.DataFrame(papers | {"ndcg@10": [0.0604, 0.06, 0.9], "learns from": ["attributes", "ids", "ids"]})
    lines = list(sequences.figures(BOARD, literature))
    assert [(line["system"], line["peer"], line["unit"], line["ratio"]) for line in lines] == [
        ("recolab Hybrid", "S3-Rec", "hr@10", 1.2),
        ("recolab Hybrid", "S3-Rec", "ndcg@10", 1.25),
        ("recolab Transformer", "WEARec", "hr@10", 1),
        ("recolab Transformer", "WEARec", "ndcg@10", 1),
    ]


def test_a_set_and_a_seed_are_a_process_and_a_few_rows(monkeypatch):
    ring = project_root() / "data" / "sample" / "ring"
    monkeypatch.setattr(sequences, "find_sequences", lambda name: ring)
    monkeypatch.setattr(sequences, "kept", lambda benchmark, case, measure: measure())
    rows = sequences.rows_of("beauty", 0.001, 8)
    assert set(rows["model"]) > {"Hybrid", "Transformer", "Transitions"}
    assert rows.select("set", "seed", "minutes").unique().rows() == [("Beauty", 8, 0.001)]
    assert (rows["ndcg@10_low"] <= rows["ndcg@10_high"]).all()
    assert 0.05 < rows["peak_gb"].max() < 8


def test_a_warm_start_is_worth_the_epochs_that_a_cold_one_needs_to_stand_there():
    curves = {"warm": {1: 0.03, 2: 0.05, 4: 0.07}, "cold": {2: 0.01, 4: 0.04, 16: 0.06, 32: 0.05}}
    rows = [
        {"start": start, "seed": seed, "epochs": epochs, "ndcg@10": score + seed * 0.01}
        for start, curve in curves.items()
        for seed in (-1, 1)
        for epochs, score in curve.items()
    ]
    lines = warm.figures("GRU4Rec", pl.DataFrame(rows).sample(fraction=1, shuffle=True, seed=1))
    found = [(line["value"], line["peer_value"], line["ratio"]) for line in lines]
    # Two thirds of the way from 2 to 4 on a log scale, half of that from 4 to 16, and never; at the end, each start's best.
    assert found == [(1, 3.2, 3.17), (2, 8.0, 4.0), (4, None, None), (0.07, None, None), (0.06, None, None)]
    assert [line["unit"] for line in lines[3:]] == ["ndcg@10 after 4 epochs", "ndcg@10 after 16 epochs"]


def test_a_longer_training_that_is_no_better_is_needed_for_nothing():
    curve = pl.DataFrame({"epochs": [2, 4, 16, 32], "ndcg@10": [0.01, 0.04, 0.06, 0.06]})
    np.testing.assert_allclose(warm.needed(curve, np.array([0.005, 0.01, 0.06, 0.061])), [np.nan, 2, 16, np.inf])


@pytest.mark.parametrize("start", warm.STARTS)
@pytest.mark.parametrize("recipe", warm.RECIPES)
def test_a_training_of_some_epochs_is_a_row(recipe, start, ring, monkeypatch):
    monkeypatch.setattr(warm, "beauty", lambda: ring)
    row = warm.measure(recipe, "GRU4Rec", start, 2, 8)
    assert row.select("recipe", "model", "start", "epochs", "seed").rows() == [(recipe, "GRU4Rec", start, 2, 8)]
    assert row["ndcg@10"].item() > 0
    assert row["seconds"].item() > 0


@pytest.mark.parametrize(("recipe", "loss", "rate"), [("recolab", "softmax", 5e-3), ("SASRec", "bce", 1e-3)])
def test_a_warm_and_a_cold_training_differ_in_their_start_alone(recipe, loss, rate, ring, monkeypatch):
    made = []

    class Seen(warm.Gru4Rec):
        def __init__(self, config, training):
            made.append((config, training))
            super().__init__(config, training)

    monkeypatch.setattr(warm, "beauty", lambda: ring)
    monkeypatch.setitem(warm.MODELS, "GRU4Rec", Seen)
    for start in warm.STARTS:
        warm.measure(recipe, "GRU4Rec", start, 1, 8)
    (first, training), (second, other) = made
    assert (first.warm_start, second.warm_start) == (True, False)
    assert (replace(first, warm_start=False), training) == (second, other)
    assert (first.loss, training.learning_rate, training.seed) == (loss, rate, 8)


def test_a_quick_model_is_timed_from_the_raw_file_to_the_end_of_its_training(ring, monkeypatch):
    def slow():
        time.sleep(0.3)
        return ring

    monkeypatch.setattr(quick, "beauty", slow)
    monkeypatch.setattr(quick, "SHAPE", TransformerConfig(dim=16, negatives=0))
    [row] = quick.measure(8).to_dicts()
    assert row["seconds"] > 0.3 > row["evaluation_seconds"] > 0
    assert (row["seed"], row["users"]) == (8, 40)
    assert row["ndcg@10_low"] <= row["ndcg@10"] <= row["ndcg@10_high"]


def test_a_single_model_is_grown_from_the_raw_file_and_asked_once(monkeypatch, capsys):
    ring, written = project_root() / "data" / "sample" / "ring", []
    monkeypatch.setattr(single, "find_sequences", lambda name: ring)
    monkeypatch.setattr(single, "apart", lambda work, *case: work(*case))
    monkeypatch.setattr(single, "kept", lambda benchmark, case, measure: measure())
    monkeypatch.setattr(single, "write_table", lambda name, table, replacing: written.append(table))
    single.main(["beauty"], 0.001, [7, 8])
    [table] = written
    alone = ["Transformer", "Ensemble", "Taught Transformer"]
    models = [*alone, "Taught Transformer with followers"]
    assert table.select("set", "seed", "minutes", "model").rows() == [
        ("Beauty", seed, 0.001, model) for seed in (7, 8) for model in models
    ]
    assert (table["ndcg@10_low"] <= table["ndcg@10"]).all()
    first, together, one, other = table.filter(seed=7)["seconds"]
    assert first == together < one < other  # the ensemble is there when its best network is known
    assert table.filter(pl.col("model").is_in(alone))["trust"].to_list() == [0.0] * 6  # they have none to believe
    assert (table["networks"] == 1).all()  # a thousandth of a minute is one run
    assert table.filter(model="Ensemble")["dropout"].is_null().all()  # each of its networks has its own
    told = table.filter(pl.col("model") != "Ensemble")
    assert ((told["dim"] >= 64) & (told["epochs"] >= 1) & (told["epochs"] <= told["planned"])).all()
    assert set(told.filter(pl.col("model") != "Transformer")["dropout"]) == {0.0}
    assert told.filter(seed=7)["dim"].to_list() == [64, 128, 128]
    assert '"case": "Beauty, seed 8"' in capsys.readouterr().out


def test_what_is_kept_by_hand_speaks_of_the_sets_and_names_its_sources():
    literature, targets = Lab.noted("literature"), Lab.noted("targets")
    shown = {name for name, _ in sequences.SETS.values()}
    assert set(literature["set"]) == shown
    assert not literature["source"].has_nulls()
    assert not literature.select("set", "model").is_duplicated().any()
    assert (literature["ndcg@10"] < literature["hr@10"]).all()
    asked = targets.filter(benchmark="sequences")["case"].str.split(", ").list.first()
    assert set(asked) == shown
    assert set(targets.filter(benchmark="training")["case"]) < set(OURS)


def test_a_log_is_cut_where_so_large_a_share_of_its_events_has_happened():
    events = pl.DataFrame({TIME: [START + timedelta(days=day, microseconds=5) for day in range(11)]})
    assert tasks.at_share(events, 0.7) == START + timedelta(days=7)  # histories count whole seconds


def test_moments_of_a_case_follow_each_other_and_none_is_asked_what_a_later_one_asks(monkeypatch):
    _, _, events = carousel(n_users=60, n_items=30, length=20)
    monkeypatch.setattr(tasks, "load", lambda source: Tables(events, None, "a ring"))
    ends, make = [], tasks.make_fold
    monkeypatch.setattr(tasks, "make_fold", lambda *words: ends.append(words[2:]) or make(*words))
    case = tasks.cut("a ring", (0.5, 0.6, 0.7, 0.8), 2, allow_repeats=False)
    assert [len(part) for part in (case.moments, case.tests)] == [2, 2]
    assert [end for _, end in ends] == [*[begin for begin, _ in ends[1:]], None]
    known = [len(moment.histories.items) for moment in (*case.moments, *case.tests)]
    assert known == sorted(set(known))  # each knows more than the one before
    assert case.simple.keys() == tasks.WITH_CLOCK.keys()
    assert not any(moment.task.allow_repeats for moment in case.tests)


def test_what_a_source_calls_no_goods_is_asked_of_nobody(monkeypatch):
    _, _, events = carousel(n_users=60, n_items=30, length=20)
    monkeypatch.setattr(tasks, "load", lambda source: Tables(events, None, "a ring"))
    monkeypatch.setattr(tasks, "impossible", lambda source: {"postage": nw.col(ITEM) == 7})
    case = tasks.cut("a ring", (0.5, 0.8), allow_repeats=True)
    for moment in (*case.moments, *case.tests):
        assert 7 not in moment.task.catalog.ids(range(len(moment.task.catalog)))
        assert 6 in moment.task.catalog.ids(range(len(moment.task.catalog)))


def test_the_hybrid_meets_the_best_single_model_of_the_test_and_the_transformer_the_best_simple_one(monkeypatch):
    worth = {HYBRID: 0.5, SEQUENCE: 0.4, "EASE": 0.2, "Popularity": 0.1}
    users = [{"user": str(u), "hr@10": w, "recall@10": w, "ndcg@10": w, "mrr@10": w} for u in range(9) for w in [1.0]]
    rows = [
        {"model": m} | {k: v if k == "user" else w for k, v in user.items()} for m, w in worth.items() for user in users
    ]
    verdict = Verdict(
        pl.DataFrame(rows), worth, {**dict.fromkeys(worth, 2.0), "judging": 5.0}, dict.fromkeys(worth, "")
    )
    monkeypatch.setitem(tasks.CASES, "a ring", lambda: tasks.Case([], [], {}))
    monkeypatch.setattr(tasks, "follow_recipe", lambda *_: verdict)
    found = tasks.measure("a ring", 1.0, 7)
    lifts = {
        row["model"]: (row["best single"], row["lift"], row["best simple"], row["transformer_lift"])
        for row in found.iter_rows(named=True)
    }
    assert lifts[HYBRID] == (SEQUENCE, pytest.approx(25), None, None)
    assert lifts[SEQUENCE] == (None, None, "EASE", pytest.approx(100))
    assert lifts["EASE"] == (None, None, None, None)
    assert dict(found.select("model", "seconds").iter_rows())[HYBRID] == 8  # all models, not the judging
    lines = {line["system"]: (line["peer"], line["ratio"]) for line in tasks.figures(found)}
    assert lines == {HYBRID: (SEQUENCE, 1.25), SEQUENCE: ("EASE", 2.0)}


def test_an_evening_of_ratings_is_one_visit(monkeypatch):
    _, _, events = carousel(n_users=60, n_items=30, length=40)
    half_days = events.with_columns(((pl.col(TIME) - START) / 2 + START).alias(TIME))
    monkeypatch.setattr(tasks, "load", lambda source: Tables(half_days, None, "films"))
    case = tasks.cut("films", (0.5, 0.8), allow_repeats=True, by_day=True)
    history = case.moments[0].histories
    assert len(visits(history).starts) - 1 == len(history.items) / 2


def test_a_case_is_read_again_from_committed_code_only(monkeypatch, tmp_path):
    made = []

    def measure():
        made.append(1)
        return pl.DataFrame({"n": [len(made)]})

    monkeypatch.setattr(kept, "folder", lambda benchmark: tmp_path)
    monkeypatch.setattr(kept, "code_version", lambda: "abc")
    assert [kept.kept("ring", "one", measure)["n"][0] for _ in range(2)] == [1, 1]
    monkeypatch.setattr(kept, "code_version", lambda: "abc+")  # any change looks alike
    assert [kept.kept("ring", "one", measure)["n"][0] for _ in range(2)] == [2, 3]


def test_a_run_of_crashes_is_one_row_and_the_first_start_follows_no_kill():
    taken = {("a", START), ("b", START)}
    found = crashes.Endured(taken, {("b", START)}, [3.0, 1.004, 2.0], {}, 0)
    [row] = crashes.table_of(found, writers=2).rows()
    assert row == (2, 2, 2, 1, 2.0, 3.0)


def test_a_stamp_that_looks_like_a_number_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(stamped, "project_root", lambda: tmp_path)
    (tmp_path / "benchmarks").mkdir()
    for code, name in (("673e396", "Sports"), ("0123456", "Beauty"), ("abc1234", "Games")):
        monkeypatch.setattr(stamped, "code_version", lambda code=code: code)
        stamped.write_table("single", pl.DataFrame({"set": [name]}), replacing="set")
    lines = (tmp_path / "benchmarks" / "single.csv").read_text().splitlines()
    assert [(line.split(",")[0], line.split(",")[-1]) for line in lines[1:]] == [
        ("Games", "abc1234"),
        ("Beauty", "0123456"),
        ("Sports", "673e396"),
    ]
    assert lines[0] == "set,processor,measured,commit"
    assert lines[1].split(",")[1] == stamped.processor()


def test_a_table_says_on_what_it_was_measured_if_it_knows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("recolab.lab.project_root", lambda: tmp_path)
    (tmp_path / "benchmarks").mkdir()
    table = tmp_path / "benchmarks" / "single.csv"
    table.write_text("set,measured,commit\nSports,2026-11-28,0123456\n")
    assert Lab.measured("single").to_dicts() == [{"set": "Sports"}]
    assert capsys.readouterr().out == "benchmarks/single.csv, measured 2026-11-28 at commit 0123456\n"
    table.write_text("set,processor,measured,commit\nSports,,2026-11-28,abc\nBeauty,2 x AVX2,2026-11-28,abc\n")
    assert Lab.measured("single").columns == ["set"]
    assert capsys.readouterr().out.endswith(" at commit abc on 2 x AVX2\n")
