"""recolab.training: the same run, bit for bit, however often it is cut; and the best weights, whatever came after."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from recolab import training
from recolab.training import TrainConfig, fit

CONFIG = TrainConfig(epochs=5, learning_rate=0.01, patience=9, progress=False)
ROOT = Path(__file__).resolve().parents[1]


def problem(slow=0.0):
    """A small net with dropout and batch statistics on random data: every random number and every buffer counts."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    data = torch.randn(64, 4)

    def loss_of(batch, _):
        time.sleep(slow)
        return (net(data[batch]).squeeze(1) - data[batch].sum(1)).square().mean(), len(batch)

    return net, loss_of, lambda rng: rng.permutation(64).reshape(8, 8)


def run(config=CONFIG, validate=None, checkpoint=None):
    """Train the small net; the net and the log."""
    net, loss_of, batches = problem()
    return net, fit(net, loss_of, batches, config, validate, checkpoint)


@pytest.fixture(scope="module")
def whole():
    """What an undisturbed run comes to."""
    return run()


def same(left, right):
    left, right = left.state_dict(), right.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def cut_after(k, score=float):
    """A validation that ends the run before the checkpoint of epoch k + 1 is written."""
    seen = []

    def validate():
        seen.append(1)
        if len(seen) > k:
            raise KeyboardInterrupt
        return score(len(seen))

    return validate


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(whole):
    assert same(run()[0], whole[0])
    assert not same(run(replace(CONFIG, seed=8))[0], whole[0])


def test_the_loss_falls_and_each_epoch_tells_how_it_went():
    log = run(replace(CONFIG, epochs=12))[1]
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]
    assert [row["epoch"] for row in log] == list(range(1, 13))
    assert all(row["seconds"] * row["targets_per_second"] == pytest.approx(64) for row in log)


def test_the_loss_of_an_epoch_is_the_mean_over_targets_not_over_batches():
    weight = nn.Linear(1, 1)
    told = {0: (10.0, 1), 1: (2.0, 3)}  # (10·1 + 2·3) / 4 = 4

    def loss_of(batch, _):
        loss, n_targets = told[batch]
        return loss + 0 * weight.weight.sum(), n_targets

    log = fit(weight, loss_of, lambda _: [0, 1], replace(CONFIG, epochs=1))
    assert log[0]["loss"] == pytest.approx(4)


def test_the_loss_is_told_how_much_of_the_run_is_done():
    weight, told = nn.Linear(1, 1), []

    def loss_of(_, done):
        told.append(done)
        return 0 * weight.weight.sum(), 1

    fit(weight, loss_of, lambda _: [0, 1], replace(CONFIG, epochs=2))
    assert told == [0, 0.25, 0.5, 0.75]


def test_every_epoch_has_draws_of_its_own():
    net, batches, dropped = nn.Linear(1, 1), [], []

    def batches_of(rng):
        batches.append(rng.random())
        return [0]

    def loss_of(*_):
        dropped.append(torch.rand(1).item())
        return 0 * net.weight.sum(), 1

    fit(net, loss_of, batches_of, CONFIG)
    assert len(set(batches)) == len(set(dropped)) == CONFIG.epochs


def test_watching_changes_nothing_even_where_the_watcher_draws(whole):
    def validate():
        return torch.rand(1).item() + next(counter)

    counter = iter(range(9))
    assert same(run(validate=validate)[0], whole[0])


@pytest.mark.parametrize("k", [1, 3])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, k, whole):
    with pytest.raises(KeyboardInterrupt):
        run(validate=cut_after(k), checkpoint=tmp_path / "run.pt")
    net, log = run(checkpoint=tmp_path / "run.pt")
    assert same(net, whole[0])
    assert [row["epoch"] for row in log] == [1, 2, 3, 4, 5]
    assert [row["loss"] for row in log] == [row["loss"] for row in whole[1]]


def test_a_killed_run_goes_on_bit_for_bit(tmp_path, whole):
    checkpoint = tmp_path / "run.pt"
    script = f"""
from tests.test_training import *
net, loss_of, batches = problem(slow=0.03)
fit(net, loss_of, batches, CONFIG, None, Path({str(checkpoint)!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    deadline = time.monotonic() + 60
    while epochs_done(checkpoint) < 2 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 2 <= epochs_done(checkpoint) < CONFIG.epochs
    net, log = run(checkpoint=checkpoint)
    assert len(log) == CONFIG.epochs
    assert same(net, whole[0])


def epochs_done(checkpoint):
    return torch.load(checkpoint, weights_only=True)["epoch"] if checkpoint.exists() else 0


def test_the_best_epoch_is_kept_and_patience_ends_the_run():
    net, loss_of, batches = problem()
    scores, kept = iter([1.0, 3.0, 2.0, 1.0, 9.0]), []

    def validate():
        assert not net.training
        kept.append([part.clone() for part in net.state_dict().values()])
        return next(scores)

    log = fit(net, loss_of, batches, replace(CONFIG, patience=1), validate)
    assert [row["validation"] for row in log] == [1.0, 3.0, 2.0, 1.0]
    assert all(map(torch.equal, net.state_dict().values(), kept[1]))
    assert not net.training


def test_a_resumed_run_still_knows_the_best_epoch_before_the_cut(tmp_path):
    best_first = iter([9.0, 1.0, 1.0, 1.0, 1.0])
    uncut, _ = run(validate=lambda: next(best_first))
    with pytest.raises(KeyboardInterrupt):
        run(validate=cut_after(2, score=lambda n: 9.0 if n == 1 else 1.0), checkpoint=tmp_path / "run.pt")
    resumed, log = run(validate=lambda: 1.0, checkpoint=tmp_path / "run.pt")
    assert same(resumed, uncut)
    assert [row["validation"] for row in log] == [9.0, 1.0, 1.0, 1.0, 1.0]


def test_a_finished_run_is_not_trained_again(tmp_path):
    done, _ = run(checkpoint=tmp_path / "run.pt")
    net, _, batches = problem()

    def loss_of(*_):
        raise AssertionError("trained again")

    log = fit(net, loss_of, batches, CONFIG, None, tmp_path / "run.pt")
    assert len(log) == CONFIG.epochs
    assert same(net, done)


@pytest.mark.parametrize("other", [{"epochs": 6}, {"seed": 8}, {"learning_rate": 0.02}])
def test_a_checkpoint_of_another_run_is_refused(tmp_path, other):
    run(replace(CONFIG, epochs=1), checkpoint=tmp_path / "run.pt")
    with pytest.raises(ValueError, match="belongs to a run with"):
        run(replace(CONFIG, **{"epochs": 1} | other), checkpoint=tmp_path / "run.pt")


def test_a_progress_bar_does_not_make_another_run(tmp_path):
    run(replace(CONFIG, epochs=1), checkpoint=tmp_path / "run.pt")
    assert len(run(replace(CONFIG, epochs=1, progress=True), checkpoint=tmp_path / "run.pt")[1]) == 1


def test_a_full_disk_leaves_the_checkpoint_before_and_the_run_goes_on_from_it(tmp_path, monkeypatch, whole):
    path, save, writes = tmp_path / "run.pt", torch.save, []

    def no_space_for_the_third(whole, file):
        writes.append(file)
        if len(writes) == 3:
            Path(file).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(whole, file)

    monkeypatch.setattr(training.torch, "save", no_space_for_the_third)
    with pytest.raises(OSError, match="No space left"):
        run(checkpoint=path)
    assert [file.name for file in tmp_path.iterdir()] == ["run.pt"]
    assert epochs_done(path) == 2
    monkeypatch.undo()
    assert same(run(checkpoint=path)[0], whole[0])


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run_with_advice_and_spares_the_weights(loss):
    net, _, batches = problem()
    before, _, _ = problem()
    with pytest.raises(FloatingPointError, match=r"in epoch 1: try a smaller learning_rate"):
        fit(net, lambda *_: (net[0].weight.sum() * loss, 1), batches, CONFIG)
    assert same(net, before)


def test_nothing_to_learn_from_is_said():
    net, loss_of, _ = problem()
    with pytest.raises(ValueError, match="nothing to learn from"):
        fit(net, loss_of, lambda _: [], CONFIG)


def test_a_validation_that_is_no_number_is_no_reason_to_keep_untrained_weights():
    net, loss_of, batches = problem()
    with pytest.raises(FloatingPointError, match="validation is nan in epoch 1"):
        fit(net, loss_of, batches, CONFIG, lambda: float("nan"))


def test_the_rate_climbs_to_its_height_and_falls_along_half_a_cosine_to_a_hundredth():
    config = TrainConfig(learning_rate=2.0, warmup_share=0.2)
    rates = [training._rate(config, done) for done in (0, 0.1, 0.2, 0.6, 1.0)]
    assert rates == pytest.approx([2 * 0.02, 1.0, 2.0, 2 * (0.01 + 0.99 / 2), 0.02])


def test_matrices_decay_and_biases_do_not():
    net = nn.Linear(2, 2)
    with torch.no_grad():
        net.weight.fill_(1.0)
        net.bias.fill_(1.0)
    config = replace(CONFIG, epochs=1, learning_rate=0.5, weight_decay=0.1, warmup_share=0.0)
    fit(net, lambda *_: (0 * (net.weight.sum() + net.bias.sum()), 1), lambda _: [0], config)
    torch.testing.assert_close(net.weight, torch.full((2, 2), 1 - 0.5 * 0.1))  # one step, no gradient: decay alone
    assert net.bias.tolist() == [1, 1]
