"""How fast a log is prepared, and in how much memory: pandas and Polars through the same lines, at several sizes.

python -m benchmarks.prepare 1 10 50    # millions of events of the simulated shop
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import pandas as pd
import polars as pl

from recolab import prepare
from recolab.sources.shop import ShopConfig, write_shop

NOW = datetime(2025, 4, 1)
PANDAS_MILLIONS = 10  # beyond this pandas does not fit beside its own copies
RUNS = 3


def prepared(events):
    """Clean, cut into visits, keep the core, and describe events, users and items; -> rows kept."""
    events, _ = prepare.clean(events)
    events = prepare.sessionise(
        events.drop("session_id") if isinstance(events, pl.DataFrame) else events.drop(columns="session_id")
    )
    events = prepare.k_core(events, 5, 5)
    prepare.event_features(events)
    prepare.user_features(events, NOW)
    prepare.item_features(events, NOW)
    return len(events)


def measure(system: str, path: Path, answer) -> None:
    """Run one system once, alone in its process: seconds of preparation and peak memory in GB."""
    log = [pl.read_parquet(path) if system == "Polars" else pd.read_parquet(path)]
    size, started = len(log[0]), time.perf_counter()
    prepared(log.pop())  # handed over wholly: a second reference would keep the raw log in memory to the end
    seconds = time.perf_counter() - started
    answer.put((size / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))


def alone(system: str, path: Path) -> tuple[float, float]:
    """Measure in a process of its own, so that its peak memory is its own."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=measure, args=(system, path, answer))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{system} on {path.name} ended with {process.exitcode}")
    return answer.get()


def line(case: str, system: str, value: float, unit: str, peer: str | None = None, ratio: float | None = None) -> None:
    """Print one figure."""
    figure = {"benchmark": "prepare", "case": case, "system": system, "value": round(value, 3), "unit": unit}
    print(json.dumps(figure | {"peer": peer, "ratio": ratio and round(ratio, 2)}), flush=True)


def main(millions: list[int]) -> None:
    """Print rows per second and peak memory for each size."""
    with tempfile.TemporaryDirectory() as folder:
        for size in millions:
            path = Path(folder) / f"shop-{size}.parquet"
            write_shop(path, ShopConfig(n_users=size * 20_000, n_items=20_000, n_events=size * 1_000_000))
            systems = ["Polars", "pandas"] if size <= PANDAS_MILLIONS else ["Polars"]
            found = {system: [alone(system, path) for _ in range(RUNS)] for system in systems}
            speed = {s: statistics.median(v for v, _ in runs) for s, runs in found.items()}
            ratio = speed["Polars"] / speed["pandas"] if "pandas" in speed else None
            for system in systems:
                peer = ("pandas", ratio) if system == "Polars" and ratio else (None, None)
                line(f"{size} M events", system, speed[system], "rows/s", *peer)
                line(f"{size} M events", system, max(m for _, m in found[system]), "GB peak")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1, 10])
