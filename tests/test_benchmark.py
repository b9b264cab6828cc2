"""One call from a folder of sequences to a table, and nothing of the test in any choice."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import recolab
from recolab import growing
from recolab.benchmark import SIMPLE, benchmark
from recolab.schema import SchemaError

recolab_benchmark = sys.modules["recolab.benchmark"]  # the package gives the call this module's name

N_ITEMS = 30
UNTOLD = set(SIMPLE) - {"Content"}  # what takes part where nothing is told of the items


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 users walk around a ring of goods, each from its own start: what follows is certain, who comes is not."""
    path, rng = tmp_path_factory.mktemp("ring"), np.random.default_rng(0)
    walks = [[(start + step) % N_ITEMS + 1 for step in range(8)] for start in rng.integers(N_ITEMS, size=120)]
    lines = [f"{user} {' '.join(map(str, walk))}" for user, walk in enumerate(walks, start=1)]
    (path / "sequences.txt").write_text("\n".join(lines) + "\n")
    return path


def test_a_ring_is_learned_and_every_model_stands_in_the_table(folder, capsys):
    table = recolab.benchmark(folder, minutes=0.2)
    assert set(table["model"]) == {*UNTOLD, "Transformer", "Hybrid"}
    worth = dict(table.select("model", "ndcg@10").iter_rows())
    assert worth["Transitions"] > 0.9
    assert worth["Transformer"] > 3 * worth["Popularity"]
    assert worth["Hybrid"] > 0.9
    assert (table["ndcg@10_low"] <= table["ndcg@10"]).all()
    assert (table["ndcg@10"] <= table["ndcg@10_high"]).all()
    assert (table["validation_ndcg@10"] > 0).all()
    whole = table.filter(table["model"] == "Hybrid")["seconds"][0]
    assert whole == table["seconds"].max()
    chosen = dict(table.select("model", "settings").iter_rows())
    assert chosen["Transitions"].startswith("half_life_days = ")
    assert re.fullmatch(r"dim = \d+, dropout = .*, negatives = 0, epochs = \d+", chosen["Transformer"])
    assert chosen["Popularity"] == ""
    assert chosen["Hybrid"]
    assert "Transformer: " in capsys.readouterr().err


def test_what_is_held_out_for_the_test_changes_no_choice(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(growing, "LONG", 6)
    lines = [line.split() for line in (folder / "sequences.txt").read_text().splitlines()]
    other = np.random.default_rng(1).permutation([line[-1] for line in lines])
    text = "".join(f"{' '.join([*line[:-1], last])}\n" for line, last in zip(lines, other, strict=True))
    (tmp_path / "sequences.txt").write_text(text)
    # Time enough for every trial: only the clock could choose otherwise.
    first, second = (recolab.benchmark(where, minutes=60).sort("model") for where in (folder, tmp_path))
    assert first["validation_ndcg@10"].to_list() == second["validation_ndcg@10"].to_list()
    assert second.filter(second["model"] == "Hybrid")["ndcg@10"][0] < 0.5


def test_content_takes_part_where_something_is_told_of_the_items(folder, tmp_path):
    (tmp_path / "sequences.txt").write_text((folder / "sequences.txt").read_text())
    for told, takes_part in (
        ({str(i): [] for i in range(1, N_ITEMS + 1)}, False),
        ({str(i): [i % 3 + 1] for i in range(1, N_ITEMS + 1)}, True),
    ):
        (tmp_path / "item_attributes.json").write_text(json.dumps(told))
        assert ("Content" in benchmark(tmp_path, minutes=0.001)["model"]) is takes_part


def test_models_that_the_test_is_put_to_have_learned_from_training_alone(folder, monkeypatch):
    seen, follow = [], recolab_benchmark.follow_recipe
    monkeypatch.setattr(recolab_benchmark, "follow_recipe", lambda *words: seen.append(words) or follow(*words))
    benchmark(folder, minutes=0.001)
    [moment], [test], *_ = seen[0]
    # Of eight items each, the test asks for the last, of models that know six; the validation for the seventh, of five.
    assert [len(part.histories.items) for part in (moment, test)] == [5 * 120, 6 * 120]
    assert [len(part.task.histories.items) for part in (moment, test)] == [6 * 120, 7 * 120]


def test_little_time_gives_a_table_all_the_same(folder):
    table = benchmark(folder, minutes=0.001)
    assert len(table) == len(UNTOLD) + 2
    assert table["seconds"].max() < 30


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), "5", None, True])
def test_no_time_at_all_is_refused(minutes, folder):
    with pytest.raises(ValueError, match=r"minutes = .* must be above 0"):
        recolab.benchmark(folder, minutes=minutes)


@pytest.mark.parametrize("seed", [-1, 2**32, 7.0, "7", None, True, np.int64(7)])
def test_a_seed_that_not_every_model_understands_is_refused_before_anything_runs(seed, folder):
    with pytest.raises(ValueError, match=r"seed = .* must be a whole number from 0 to"):
        recolab.benchmark(folder, minutes=0.001, seed=seed)


@pytest.mark.parametrize(
    "sequences",
    [
        "1 1 2 3 4 5 6\n",  # one user: half of the users is nobody
        "".join(f"{u} {' '.join(str(10 * u + k) for k in range(5))}\n" for u in range(1, 40)),  # nobody is ever hit
    ],
)
def test_where_no_order_can_be_learned_the_hybrid_is_the_mean_of_all(sequences, tmp_path):
    (tmp_path / "sequences.txt").write_text(sequences)
    table = recolab.benchmark(tmp_path, minutes=0.001)
    assert set(table["model"]) == {*UNTOLD, "Transformer", "Hybrid"}
    assert table["validation_ndcg@10"].is_finite().all()


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_sequences_too_short_to_learn_from_are_refused_by_name(length, tmp_path):
    (tmp_path / "sequences.txt").write_text("".join(f"{u} {' '.join('1234'[:length])}\n" for u in range(1, 20)))
    with pytest.raises(SchemaError, match=rf"sequences\.txt: the longest sequence has {length} item.* 5 items or more"):
        recolab.benchmark(tmp_path)


def test_a_folder_without_sequences_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"sequences\.txt: no such file"):
        recolab.benchmark(tmp_path)
    (tmp_path / "sequences.txt").write_text("1 2 x 3\n")
    with pytest.raises(SchemaError, match=r"sequences\.txt: line 1"):
        recolab.benchmark(tmp_path)


def test_sequences_of_which_nobody_can_be_asked_are_refused_by_name(tmp_path):
    (tmp_path / "sequences.txt").write_text("".join(f"{user} 1 1 1 1 1 1\n" for user in range(1, 20)))
    with pytest.raises(SchemaError, match=r"sequences\.txt: nobody can be asked"):
        recolab.benchmark(tmp_path)
