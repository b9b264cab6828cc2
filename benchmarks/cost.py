"""What does an epoch cost as users, catalogue, length and width grow, and what stands between a step and the processor's peak?

python -m benchmarks.cost    # a quarter of an hour; name an axis (users, items, length, dim, events) to measure that one alone

Made-up histories, a Transformer, batches of 2,048 visits and as many sampled negatives, one axis at a time from BASE; each case in a process
of its own. The axis `events` builds the warm table alone, of a million items: it is what holds most memory there.

A share of the peak counts products of real positions only. `share_*` say where a profiled epoch spends its time: the products
themselves, AdamW over the table, and zeros, for each of the three look-ups of the table makes a gradient as large as it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import torch

from benchmarks.apart import apart
from benchmarks.kept import kept
from benchmarks.peers.shared import peak_gb
from benchmarks.stamped import write_table
from recolab.attention.cost import block_multiply_adds
from recolab.histories import Catalog, Histories
from recolab.models.item_vectors import cooccurrence_vectors
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.scaling import fit_power
from recolab.schema import ITEM
from recolab.training import TrainConfig

EPOCHS = 3
POSITIONS = 2048  # visits in a batch
BYTES = 4  # float32
PRODUCTS = ("aten::mm", "aten::addmm", "aten::bmm", "aten::baddbmm")
PASSES = 7  # AdamW at its best reads weight, gradient and two moments, and writes all but the gradient
SAID = ("seconds", "peak_gb", "share_of_gemm_peak", "share_products", "share_optimizer", "share_zeros")
Row = dict[str, Any]


@dataclass(frozen=True)
class Size:
    """One case: users, each with `length` items out of `items`, and the width of the model."""

    users: int = 8_000
    items: int = 10_000
    length: int = 16
    dim: int = 64


BASE = Size()
AXES: dict[str, list[int]] = {
    "users": [2_000, 8_000, 32_000],
    "items": [10_000, 100_000, 1_000_000],
    "length": [8, 16, 32, 64],
    "dim": [32, 64, 128, 256],
    "events": [1_000_000, 4_000_000, 16_000_000],
}


def made_up(size: Size) -> tuple[Histories, Catalog]:
    """Draw histories whose items are bought as unevenly as in a shop: the n-th with chance 1 / (n + 10)."""
    rng, n_events = np.random.default_rng(0), size.users * size.length
    share = np.cumsum(1 / (np.arange(size.items) + 10))
    places = np.searchsorted(share / share[-1], rng.random(n_events))
    histories = Histories(
        users=list(range(size.users)),
        items=(1 + rng.permutation(size.items)[places]).astype(np.int32),
        offsets=np.arange(size.users + 1) * size.length,
        times=np.tile(np.arange(size.length), size.users),
        kinds=np.full(n_events, 2, np.int8),
        as_of=size.length,
        ordinal=True,
    )
    return histories, Catalog(pl.DataFrame({ITEM: [None, *range(size.items)]}, schema={ITEM: pl.Int64}))


def multiply_adds(size: Size, config: TransformerConfig) -> int:
    """Count the multiply-adds of an epoch: blocks and the scores of the draws, once forward and twice back."""
    blocks = config.n_blocks * block_multiply_adds(size.users, size.length, size.dim)
    return 3 * (blocks + size.users * (size.length - 1) * config.negatives * size.dim)


def epoch_cost(size: Size) -> Row:
    """Train for some epochs, and one more under the profiler  ->  seconds, memory, arithmetic, and where the time goes."""
    histories, catalog = made_up(size)
    config = TransformerConfig(dim=size.dim, max_len=size.length, batch_positions=POSITIONS)
    before = peak_gb()
    model = Transformer(config, TrainConfig(EPOCHS, progress=False)).fit(histories, catalog)
    seconds, peak = float(np.median([row["seconds"] for row in model.log])), peak_gb()
    return {
        "seconds": seconds,
        "targets_per_second": size.users * (size.length - 1) / seconds,
        "data_gb": before,
        "peak_gb": peak,
        "gflop_per_second": 2 * multiply_adds(size, config) / seconds / 1e9,
        "steps": -(-size.users // (config.batch_positions // size.length)),
        "optimizer_gb_per_step": PASSES * BYTES * (size.items + 1) * size.dim / 1e9,
    } | shares(
        lambda: Transformer(replace(config, warm_start=False), TrainConfig(1, progress=False)).fit(histories, catalog)
    )


def shares(train: Callable[[], object]) -> Row:
    """Profile a training  ->  what share of its time goes into products, the optimizer, and zeros for dense gradients."""
    with torch.profiler.profile() as profiler:
        train()
    own = {event.key: event.self_cpu_time_total for event in profiler.key_averages()}
    (optimizer,) = (e.cpu_time_total for e in profiler.key_averages() if e.key.startswith("Optimizer.step"))
    parts = {
        "products": sum(own.get(name, 0) for name in PRODUCTS),
        "optimizer": optimizer,
        "zeros": own["aten::fill_"],
    }
    return {f"share_{name}": part / sum(own.values()) for name, part in parts.items()}


def warm_cost(n_events: int) -> Row:
    """Build the warm table of a million items from so many events."""
    size = Size(n_events // BASE.length, 1_000_000)
    histories, catalog = made_up(size)
    before, started = peak_gb(), time.perf_counter()
    cooccurrence_vectors(histories, len(catalog), size.dim, seed=7)
    return {"seconds": time.perf_counter() - started, "data_gb": before, "peak_gb": peak_gb()}


def machine() -> Row:
    """Measure what the machine can do at most: products of large matrices, and copies of an array that fits in no cache."""
    a, b = torch.randn(2, 2048, 2048)
    source = torch.randn(64 * 2**20)
    target = torch.empty_like(source)
    product, copy = best_seconds(lambda: a @ b), best_seconds(lambda: target.copy_(source))
    return {
        "gemm_gflop_per_second": 2 * 2048**3 / product / 1e9,
        "copy_gb_per_second": 2 * BYTES * len(source) / copy / 1e9,
    }


def best_seconds(work: Any, runs: int = 7) -> float:
    """Time the fastest of some runs: of a peak, nothing else is asked."""
    taken = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return min(taken)


def measured(axis: str, size: int) -> Row:
    """Measure one case in a process of its own."""
    if axis == "events":
        return apart(warm_cost, size)
    return apart(epoch_cost, replace(BASE, **{axis: size}))


def explained(row: Row, peak: Row) -> Row:
    """Add how near an epoch comes to the peak of products, and the share that the optimizer would take at full bandwidth."""
    if "steps" not in row:
        return row
    moved = row["steps"] * row["optimizer_gb_per_step"] / peak["copy_gb_per_second"]
    arithmetic = row["gflop_per_second"] / peak["gemm_gflop_per_second"]
    return row | {"share_of_gemm_peak": arithmetic, "share_of_optimizer_at_full_bandwidth": moved / row["seconds"]}


def axis_rows(axis: str, peak: Row) -> list[Row]:
    """Measure one axis, and print its figures and the exponents of its curve."""
    rows: list[Row] = []
    for size in AXES[axis]:
        [found] = kept("cost", f"{axis} {size}", lambda size=size: pl.DataFrame([measured(axis, size)])).to_dicts()  # type: ignore[misc]
        rows.append({"axis": axis, "size": size} | explained(found, peak))
        for name in SAID:
            if name in rows[-1]:
                say(f"{axis} {size:,}", rows[-1][name], name)
    for name in ("seconds", "peak_gb"):
        say(
            f"{axis}, {name} as size to the power of",
            fit_power(AXES[axis], [row[name] for row in rows]).exponent,
            "exponent",
        )
    return rows


def main(axes: list[str]) -> None:
    """Measure, print one JSON line per figure, and write the table."""
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    [peak] = kept("cost", "machine", lambda: pl.DataFrame([apart(machine)])).to_dicts()
    for name, value in peak.items():
        say("machine", value, name)
    rows = [row | peak for axis in axes for row in axis_rows(axis, peak)]
    write_table("cost", pl.DataFrame(rows, infer_schema_length=None))


def say(case: str, value: float, unit: str) -> None:
    """Print one figure."""
    line = {"benchmark": "cost", "case": case, "system": "recolab", "value": round(value, 4), "unit": unit}
    print(json.dumps(line | {"peer": None, "ratio": None}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(AXES))
