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


def problem(slow=0.0):
    """A small net with dropout on random data: every random number counts."""
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    data = torch.randn(64, 4)

    def loss_of(batch):
        time.sleep(slow)
        return (net(data[batch]).squeeze(1) - data[batch].sum(1)).square().mean(), len(batch)

    return net, loss_of, lambda rng: rng.permutation(64).reshape(8, 8)


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def whole_run(config=CONFIG):
    net, loss_of, batches = problem()
    fit(net, loss_of, batches, config)
    return weights(net)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    assert torch.equal(whole_run(), whole_run())
    assert not torch.equal(whole_run(), whole_run(replace(CONFIG, seed=8)))


def test_the_loss_falls():
    net, loss_of, batches = problem()
    log = fit(net, loss_of, batches, replace(CONFIG, epochs=12))
    assert log[-1]["loss"] < 0.7 * log[0]["loss"]


@pytest.mark.parametrize("k", [1, 3])
def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path, k):
    net, loss_of, batches = problem()
    seen = []

    def stop_after_k():
        seen.append(1)
        if len(seen) > k:
            raise KeyboardInterrupt
        return float(len(seen))

    with pytest.raises(KeyboardInterrupt):
        fit(net, loss_of, batches, CONFIG, stop_after_k, tmp_path / "run.pt")
    net, loss_of, batches = problem()
    fit(net, loss_of, batches, CONFIG, None, tmp_path / "run.pt")
    assert torch.equal(weights(net), whole_run())


def test_a_killed_run_goes_on_bit_for_bit(tmp_path):
    checkpoint = tmp_path / "run.pt"
    script = (
        "from tests.test_training import *\n"
        f"net, loss_of, batches = problem(slow=0.05)\nfit(net, loss_of, batches, CONFIG, None, Path({str(checkpoint)!r}))\n"
    )
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen([sys.executable, "-c", script], cwd=root)
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, "it ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    net, loss_of, batches = problem()
    log = fit(net, loss_of, batches, CONFIG, None, checkpoint)
    assert len(log) == CONFIG.epochs
    assert torch.equal(weights(net), whole_run())


def test_the_best_epoch_is_kept_and_patience_ends_the_run():
    net, loss_of, batches = problem()
    scores, kept = iter([1.0, 3.0, 2.0, 1.0, 9.0]), []

    def validate():
        kept.append(weights(net))
        return next(scores)

    log = fit(net, loss_of, batches, replace(CONFIG, patience=1), validate)
    assert [row["validation"] for row in log] == [1.0, 3.0, 2.0, 1.0]
    assert torch.equal(weights(net), kept[1])


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    net, loss_of, batches = problem()
    fit(net, loss_of, batches, replace(CONFIG, epochs=1), None, tmp_path / "run.pt")
    with pytest.raises(ValueError, match="belongs to a run with"):
        fit(net, loss_of, batches, CONFIG, None, tmp_path / "run.pt")


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    net, loss_of, batches = problem()
    path = tmp_path / "run.pt"
    fit(net, loss_of, batches, replace(CONFIG, epochs=1), None, path)
    before = path.read_bytes()

    def no_space(_, file):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.torch, "save", no_space)
    path.rename(tmp_path / "kept.pt")
    path.write_bytes(before)
    with pytest.raises(OSError, match="No space left"):
        training._save(path, net, torch.optim.AdamW(net.parameters()), training._State(1, [], {}, 0.0, 1), CONFIG)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kept.pt", "run.pt"]


def test_a_loss_that_is_no_number_stops_the_run_with_advice():
    net, _, batches = problem()
    with pytest.raises(FloatingPointError, match="smaller learning_rate"):
        fit(net, lambda _: (torch.tensor(float("nan")), 1), batches, CONFIG)
