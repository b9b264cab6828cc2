"""How long is a full evaluation? Every test user, every item ranked, what was had masked, four metrics.

python -m benchmarks.evaluation complete_journey beauty    # after `make report`; two minutes
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

from benchmarks.grounds import GROUNDS
from recolab.evaluation import Task, judge
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig

RUNS = 5


def median_seconds(work: Callable[[], object], runs: int = RUNS) -> float:
    """Time some runs of the same work."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def products_alone(task: Task, dim: int) -> None:
    """Make the scores and nothing else: what no exact evaluation can be faster than."""
    table = torch.randn(len(task.catalog), dim)
    for block in torch.randn(len(task), dim).split(256):
        block @ table.T


def measure(place: str) -> dict[str, object]:
    """Time one data set, against the bare matrix products in the same run."""
    ground = GROUNDS[place]()
    # One epoch is enough: what the weights say does not change how long they are asked.
    model = Transformer(TransformerConfig(), TrainConfig(epochs=1, progress=False))
    model.fit(ground.known, ground.known_catalog)
    whole = median_seconds(lambda: judge([model], ground.test))
    bare = median_seconds(lambda: products_alone(ground.test, model.config.dim))
    return {
        "benchmark": "evaluation",
        "case": f"{len(ground.test):,} users x {len(ground.known_catalog) - 1:,} items",
        "system": f"{ground.name}, Transformer",
        "value": round(whole, 2),
        "unit": "s",
        "peer": "the matrix products alone",
        "ratio": round(whole / bare, 2),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


if __name__ == "__main__":
    for place in sys.argv[1:] or GROUNDS:
        print(json.dumps(measure(place)), flush=True)
