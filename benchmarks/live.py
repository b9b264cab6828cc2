"""How soon is a list there? One shopper at a time, in process and over HTTP, beside RecTools and beside what the machine allows.

python -m benchmarks.live                 # after `make report`; half an hour, nothing beside it
python -m benchmarks.live process http    # some of: process, million, sizes, peer, encoder, http, start

Shop and model are the report's unless said. Every figure is the median of five rounds, each a p50 or a p99 of its own; a floor is
what the machine cannot go below: the bytes that must be read over the bandwidth, the products over the speed of a matrix product.
`http` wants wrk, as Debian has it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from benchmarks.apart import apart
from benchmarks.live_shops import SHOPPERS, K, grown, lists, recall, shipped, walk
from benchmarks.live_states import anew_and_kept
from benchmarks.peers.environments import python_of
from benchmarks.stamped import write_table
from recolab.lab import project_root
from recolab.live import Encoded, LiveRecommender, open_live
from recolab.live.opinions import Floats
from recolab.live.tables import FloatTable, Int8Table, ItemTable, SkimmedTable

ROUNDS, ASKED = 5, 2000
MILLION, FEWER = 1_000_000, 17_000
LENGTHS = (16, 64, 128, 512, 1024)
SIZES = (25_000, 50_000, 100_000, 200_000, 400_000)
HTTP_SECONDS, CONNECTIONS = 300, 6
Row = dict[str, Any]


def row(
    case: str, value: float, unit: str, floor: float | None = None, peer: str | None = None, ratio: float | None = None
) -> Row:
    """Make one figure."""
    return {"case": case, "value": round(value, 4), "unit": unit, "floor": floor, "peer": peer, "ratio": ratio}


def machine(n: int = 64_000_000) -> tuple[float, float]:
    """Measure one thread: bytes a second that a sum reads from memory, multiply-adds a second of a matrix product."""
    memory, square = np.ones(n, np.float32), np.ones((1024, 1024), np.float32)
    read, multiplied = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        memory @ memory
        read.append(time.perf_counter() - started)
        started = time.perf_counter()
        square @ square
        multiplied.append(time.perf_counter() - started)
    return 2 * memory.nbytes / float(np.median(read)), 1024**3 / float(np.median(multiplied))


def floor_ms(live: LiveRecommender, n_items: int) -> float:
    """Say what a list cannot be faster than: the table is read once, and 64 visits pass through two blocks of twelve products each."""
    bandwidth, products = machine()
    encoded = live.choir.voices[0]
    dim = live.vectors.shape[1]
    work = 24 * dim**2 * encoded.max_len  # type: ignore[attr-defined]
    return round(1e3 * (4 * n_items * dim / bandwidth + work / products), 3)


def rounds(live: LiveRecommender, n: int = ASKED) -> tuple[float, float]:
    """Walk five times  ->  the medians of p50 and p99, in ms; raises where a list is short."""
    [found] = in_turns([live], n)
    return found


def in_turns(lives: Sequence[LiveRecommender], n: int = ASKED) -> list[tuple[float, float]]:
    """Walk five times through each, in turns: a machine is not as quick in one minute as in the next  ->  as `rounds`."""
    walks = [[walk(live, live.past.users[:SHOPPERS], n, seed) for live in lives] for seed in range(ROUNDS)]
    if short := sum(each.short for turn in walks for each in turn):
        raise AssertionError(f"{short} lists were not full")
    middles = [[[each.quantile(share) for each in turn] for turn in walks] for share in (0.5, 0.99)]
    return [tuple(column) for column in np.median(middles, axis=1).T.tolist()]


def process() -> list[Row]:
    """Ask the report's shop as it is, with floats or eight bits alone for its item table, and with fewer items."""
    tables = {"float32": FloatTable, "skimmed": SkimmedTable, "int8": Int8Table}
    users = open_live(shipped()).past.users[:2000]
    exact, found = lists(_with_table(FloatTable), users), []
    for named, kind in tables.items():
        case = f"list, {named}, recall@{K} of float32"
        found.append(row(case, recall(lists(_with_table(kind), users), exact), "share", 1.0))
    lives = {named: _with_table(kind) for named, kind in tables.items()} | {
        "skimmed, fewer": grown(FEWER)[0]("skimmed")
    }
    with threadpool_limits(1):
        taken, floors = in_turns(list(lives.values())), [floor_ms(live, live.n_items) for live in lives.values()]
    for (named, live), (middle, slow), floor in zip(lives.items(), taken, floors, strict=True):
        case = f"event and list, {live.n_items:,} items, {named.removesuffix(', fewer')}"
        found += [row(f"{case}, p50", middle, "ms", floor), row(f"{case}, p99", slow, "ms", floor)]
    return found


def _with_table(kind: Callable[[Floats], ItemTable]) -> LiveRecommender:
    live = open_live(shipped())
    encoded = live.choir.voices[0]
    assert isinstance(encoded, Encoded)
    encoded.table = kind(encoded.table.vectors(np.arange(len(encoded.table))))
    return live


def million() -> list[Row]:
    """Ask a shop of a million items by its index."""
    open_shop, index_recall = grown(MILLION)
    found = [row("a million items, the index alone, recall@10", index_recall, "share", 1.0)]
    live = open_shop("indexed")
    users = live.past.users[:SHOPPERS]
    for named, ruled in (("lists", False), ("lists with all rules", True)):
        near, exact = (lists(one, users, ruled=ruled) for one in (live, open_shop("whole")))
        found.append(row(f"a million items, {named}, recall@{K} of exact", recall(near, exact), "share", 1.0))
    with threadpool_limits(1):
        middle, slow = rounds(live)
        floor = floor_ms(live, live.n_items)
        exact_middle, exact_slow = rounds(open_shop("whole"), 200)
    case = "event and list, a million items"
    found += [row(f"{case}, p50", middle, "ms", floor), row(f"{case}, p99", slow, "ms", floor)]
    return [
        *found,
        row(f"{case}, exact, p50", exact_middle, "ms", floor),
        row(f"{case}, exact, p99", exact_slow, "ms", floor),
    ]


def sizes() -> list[Row]:
    """Find the size from which an index is quicker."""
    found = []
    for n_items in SIZES:
        open_shop, index_recall = grown(n_items)
        with threadpool_limits(1):
            (near, _), (skimmed, _) = rounds(open_shop("indexed"), 300), rounds(open_shop("skimmed"), 300)
        line = row(
            f"event and list by an index, {n_items:,} items, p50", near, "ms", None, "skimmed", round(skimmed / near, 2)
        )
        found += [line, row(f"the index alone, {n_items:,} items, recall@10", index_recall, "share", 1.0)]
    return found


def peer() -> list[Row]:
    """Ask RecTools' SASRec of the same size, of the same histories, for one user's list."""
    live = open_live(shipped())
    past, length = live.past, live.choir.voices[0].max_len  # type: ignore[attr-defined]
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        ids = np.array(live.catalog.ids(range(1, len(live.catalog))))
        lines = (
            " ".join(map(str, [b + 1, *ids[part - 1]]))
            for b, part in enumerate(np.split(past.items, past.offsets[1:-1]))
        )
        log.write_text("\n".join(lines))
        command = [str(python_of("rectools")), "-m", "benchmarks.peers.rectools_one", str(log), str(length)]
        environment = os.environ | {"PYTHONPATH": str(project_root())}
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=sys.stderr)
        taken = json.loads((Path(folder) / "one.json").read_text())
    theirs = 1e3 * float(np.median(taken))
    with threadpool_limits(1):
        ours, _ = rounds(live)
    return [
        row(
            "event and list with all rules, p50",
            ours,
            "ms",
            None,
            "RecTools, one user's list without rules",
            round(theirs / ours, 1),
        ),
        row("RecTools, one user's list, p50", theirs, "ms"),
    ]


def encoder() -> list[Row]:
    """Read a history anew at several lengths, beside one visit more on states that were kept."""
    found = []
    with threadpool_limits(1):
        for length in LENGTHS:
            anew, kept = anew_and_kept(length)
            case, peer = f"a history of {length} visits read anew", "a visit added to kept states"
            found.append(row(case, anew, "ms", None, peer, round(kept / anew, 2)))
    return found


def start() -> list[Row]:
    """Open the folder in a new process, and ask for the first list."""
    code = "from pathlib import Path; import sys; from recolab.live import open_live; assert open_live(Path(sys.argv[1])).recommend('?')"
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, str(shipped())], cwd=project_root(), check=True)
        taken.append(time.perf_counter() - started)
    return [row("from a new process to the first list", float(np.median(taken)), "s")]


def http() -> list[Row]:
    """Load the service with events and lists in turn, by wrk on the same cores."""
    if shutil.which("wrk") is None:
        raise FileNotFoundError("wrk is not installed: the load comes from it (Debian's package wrk)")
    with TemporaryDirectory() as made:
        folder = Path(made) / "live"
        shutil.copytree(shipped(), folder, ignore=shutil.ignore_patterns("events.log*"))
        live = open_live(folder)
        pairs = Path(made) / "walk.txt"
        users, items = live.past.users[:1000], live.catalog.ids(range(1, 1001))
        pairs.write_text("\n".join(f"{user} {item}" for user, item in zip(users, items, strict=True)))
        environment = os.environ | {"RECOLAB_API_KEY": "benchmark", "RECOLAB_WALK": str(pairs)}
        command = [sys.executable, "-m", "recolab.service", str(folder), "--port", "8765"]
        with subprocess.Popen(command, cwd=project_root(), env=environment) as served:
            try:
                _wait_for("http://127.0.0.1:8765/health")
                _load(environment, 10)
                before = _resident_mb(served.pid)
                told = _load(environment, HTTP_SECONDS)
                after = _resident_mb(served.pid)
            finally:
                served.terminate()
    requests, microseconds, middle, slow, longest, refused, broken, late = told
    case = f"HTTP, an event and a list in turn, {CONNECTIONS} connections, {HTTP_SECONDS} s"
    figures = {"p50": (middle / 1e3, "ms"), "p99": (slow / 1e3, "ms"), "longest": (longest / 1e3, "ms")}
    figures |= {"answers": (1e6 * requests / microseconds, "per second"), "errors": (refused + broken + late, "count")}
    figures |= {"memory before": (before, "MB"), "memory after": (after, "MB")}
    return [row(f"{case}, {name}", *figure) for name, figure in figures.items()]


def _load(environment: dict[str, str], seconds: int) -> list[int]:
    script = project_root() / "benchmarks" / "live.lua"
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        str(script),
        "http://127.0.0.1:8765",
    ]
    told = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found = re.search(r"FIGURES ([\d ]+)", told)
    assert found, told
    return [int(word) for word in found.group(1).split()]


def _wait_for(url: str) -> None:
    from urllib.request import urlopen  # noqa: PLC0415

    for _ in range(200):
        try:
            with urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"{url} does not answer")


def _resident_mb(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 2**10


CASES: dict[str, Callable[[], list[Row]]] = {
    "process": process,
    "million": million,
    "sizes": sizes,
    "peer": peer,
    "encoder": encoder,
    "start": start,
    "http": http,
}


def measured(names: list[str]) -> Iterator[Row]:
    """Measure cases, each in a process of its own."""
    for name in names:
        for figure in apart(CASES[name]):
            yield {"part": name} | figure


def main(names: list[str]) -> None:
    """Measure, print one JSON line per figure, and write the table that notebook 10 shows."""
    rows = []
    for figure in measured(names):
        rows.append(figure)
        print(json.dumps({"benchmark": "live", "system": "recolab"} | figure), flush=True)
    write_table("live", pl.DataFrame(rows, infer_schema_length=None), replacing="part")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all by default")
    told = asked.parse_args()
    if strangers := set(told.cases) - set(CASES):
        asked.error(f"{', '.join(sorted(strangers))}: no such case; there are {', '.join(CASES)}")
    main(told.cases or list(CASES))
