"""RecBole's SASRec: python -m benchmarks.peers.recbole_sasrec LOG LOSS SECONDS, in the environment of recbole.txt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.model.sequential_recommender import SASRec
from recbole.trainer import Trainer
from recbole.utils import init_seed

from benchmarks.peers.shared import K, Log, Peer, read_log, run

# What is not named is RecBole's own: two blocks and heads, width 64, dropout .5, length 50, Adam at .001, 2,048 prefixes a
# batch. Of each sequence every prefix is an example; the last is the test's and the one before it the validation's.
SETTINGS = {
    "data_path": "dataset",
    "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
    "train_neg_sample_args": None,
    "eval_args": {"split": {"LS": "valid_and_test"}, "group_by": "user", "order": "TO", "mode": "full"},
    "use_gpu": False,
    "seed": 7,
    "show_progress": False,
    "state": "WARNING",
}


def write_events(log: Log) -> None:
    """Write the log as RecBole reads it; its clock is the position."""
    path = Path("dataset", "beauty", "beauty.inter")
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{user}\t{item}\t{at}" for user, items in log.items() for at, item in enumerate(items)]
    path.write_text("\n".join(["user_id:token\titem_id:token\ttimestamp:float", *rows]) + "\n")


def make(path: Path, loss: str) -> Peer:
    """Make a model with RecBole's own settings."""
    log = read_log(path)
    write_events(log)
    config = Config(model="SASRec", dataset="beauty", config_dict=SETTINGS | {"loss_type": loss})
    init_seed(7, reproducibility=True)
    dataset = create_dataset(config)
    learn, _, test = data_preparation(config, dataset)
    model = SASRec(config, learn.dataset)
    trainer, done = Trainer(config, model), iter(range(10**9))
    raw = np.array([0, *map(int, dataset.field2id_token["item_id"][1:])])

    def one_epoch() -> None:
        trainer._train_epoch(learn, next(done))  # `fit` does no more, but for logs and files

    def lists() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        model.eval()
        users, items = [], []
        for asked, *_ in test:
            who = [int(user) for user in dataset.id2token("user_id", asked["user_id"].numpy())]
            with torch.no_grad():
                scores = model.full_sort_predict(asked).view(len(who), -1)
            scores[:, 0] = -torch.inf
            for row, user in zip(scores, who, strict=True):  # of a sequential model RecBole would mask nothing
                row[dataset.token2id("item_id", [str(item) for item in log[user][:-1]])] = -torch.inf
            users += who
            items.append(raw[scores.topk(K).indices.numpy()])
        return np.array(users), np.concatenate(items)

    return Peer(len(learn.dataset), one_epoch, lists)


if __name__ == "__main__":
    run(make)
