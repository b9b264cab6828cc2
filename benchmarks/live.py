"""How soon is a list there? One shopper at a time, in process and over HTTP, beside RecTools and beside what the machine allows.

python -m benchmarks.live                 # after `make report`; half an hour, nothing beside it
python -m benchmarks.live process http    # some of: process, million, sizes, peer, encoder, batches, start, http, crowd

Shop and model are the report's unless said. Every figure is the median of five rounds, each a p50 or a p99 of its own. A floor is
what this machine does not go below: for a list, the bytes of the item table as it is asked over the bandwidth, and the encoder's
products over the speed of a matrix product; over HTTP, an answer that lies ready; for a start, Python with its libraries.
`http` and `crowd` want wrk, as Debian has it.
"""

from __future__ import annotations

import argparse
import json
import os
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
from benchmarks.live_load import copied, loaded, sum_up, write_events
from benchmarks.live_shops import SHOPPERS, K, grown, lists, recall, shipped, walk
from benchmarks.live_states import anew_and_on
from benchmarks.peers.environments import python_of
from benchmarks.stamped import write_table
from recolab.lab import project_root
from recolab.live import Encoded, LiveRecommender, open_live
from recolab.live.opinions import Floats
from recolab.live.tables import NAMED, FloatTable, IndexedTable, Int8Table, ItemTable, SkimmedTable

ROUNDS, ASKED = 5, 2000
MILLION, FEWER = 1_000_000, 17_000
LENGTHS = (16, 64, 128, 512, 1024)
SIZES = (25_000, 50_000, 100_000, 200_000, 400_000)
HTTP_SECONDS, CROWD_SECONDS = 300, 180
Row = dict[str, Any]


def row(
    case: str, value: float, unit: str, floor: float | None = None, peer: str | None = None, ratio: float | None = None
) -> Row:
    """Make one figure."""
    times = None if not floor or unit == "share" else round(max(value, floor) / min(value, floor), 1)
    told = {"case": case, "value": round(value, 4), "unit": unit, "floor": floor, "times the floor": times}
    return told | {"peer": peer, "ratio": ratio}


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


def floor_ms(live: LiveRecommender) -> float:
    """Say what a list cannot be faster than: the table is read once, and each visit passes two blocks of twelve products."""
    bandwidth, products = machine()
    encoded = encoded_of(live)
    work = 24 * live.vectors.shape[1] ** 2 * encoded.max_len
    return round(1e3 * (bytes_read(encoded.table) / bandwidth + work / products), 3)


def bytes_read(table: ItemTable) -> float:
    """Count the bytes of a table that one question reads: an index reads its middles, and the codes of the lists that it opens."""
    n_items, dim = len(table), table.vectors(np.arange(1)).shape[1]
    if isinstance(table, IndexedTable):
        index = table.index
        return 4 * index.nlist * dim + index.nprobe / index.nlist * n_items * index.code_size
    return n_items * (4 * dim if table.rough is table and isinstance(table, FloatTable) else dim + 4)


def encoded_of(live: LiveRecommender) -> Encoded:
    """Give the voice that reads the item table."""
    encoded = live.choir.voices[0]
    assert isinstance(encoded, Encoded)
    return encoded


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
        taken, floors = in_turns(list(lives.values())), [floor_ms(live) for live in lives.values()]
    for (named, live), (middle, slow), floor in zip(lives.items(), taken, floors, strict=True):
        case = f"event and list, {live.n_items:,} items, {named.removesuffix(', fewer')}"
        found += [row(f"{case}, p50", middle, "ms", floor), row(f"{case}, p99", slow, "ms", floor)]
    return found


def _with_table(kind: Callable[[Floats], ItemTable]) -> LiveRecommender:
    live = open_live(shipped())
    encoded = encoded_of(live)
    encoded.table = kind(encoded.table.vectors(np.arange(len(encoded.table))))
    return live


def million() -> list[Row]:
    """Ask a shop of a million items by its index."""
    open_shop, index_recall = grown(MILLION)
    found = [row(f"a million items, of the exact 10 best among the index's {NAMED}", index_recall, "share", 1.0)]
    live = open_shop("indexed")
    users = live.past.users[:SHOPPERS]
    for named, ruled in (("lists", False), ("lists with all rules", True)):
        near, exact = (lists(one, users, ruled=ruled) for one in (live, open_shop("whole")))
        found.append(row(f"a million items, {named}, recall@{K} of exact", recall(near, exact), "share", 1.0))
    with threadpool_limits(1):
        for named, asked, n in (("by an index", live, ASKED), ("exact", open_shop("whole"), 200)):
            (middle, slow), floor = rounds(asked, n), floor_ms(asked)
            case = f"event and list, a million items, {named}"
            found += [row(f"{case}, p50", middle, "ms", floor), row(f"{case}, p99", slow, "ms", floor)]
    return found


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
        found += [
            line,
            row(f"{n_items:,} items, of the exact 10 best among the index's {NAMED}", index_recall, "share", 1.0),
        ]
    return found


def peer() -> list[Row]:
    """Ask RecTools' SASRec of the same size, of the same histories, for one user's list."""
    live = open_live(shipped())
    past, length = live.past, encoded_of(live).max_len
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
    """Read a history anew at several lengths, beside reading on from what was kept of it."""
    found = []
    with threadpool_limits(1):
        for length in LENGTHS:
            anew, on = anew_and_on(length)
            case, peer = f"a history of {length} visits read anew", "read on from what was kept"
            found.append(row(case, anew, "ms", None, peer, round(on / anew, 2)))
    return found


def batches() -> list[Row]:
    """Ask the table for many shoppers at once, beside one after the other: the most that waiting for each other could save."""
    table, rng = encoded_of(open_live(shipped())).table, np.random.default_rng(7)
    whole, found = table.vectors(np.arange(len(table))), []
    with threadpool_limits(1):
        for many in (8, 32):
            states = rng.normal(size=(many, whole.shape[1])).astype(np.float32)
            together, alone = (
                _milliseconds(lambda s=states: whole @ s.T),
                _milliseconds(lambda s=states: table.rough.scores(s[0])),
            )
            case = f"the item table for {many} shoppers at once, each"
            found.append(row(case, together / many, "ms", None, "skimmed for one", round(alone * many / together, 2)))
    return found


def _milliseconds(work: Callable[[], object], n: int = 200) -> float:
    taken = []
    for _ in range(n):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return 1e3 * float(np.median(taken))


LIBRARIES = "import faiss, numpy, onnxruntime, polars, safetensors.numpy, scipy.sparse"
FIRST_LIST = "import sys; from pathlib import Path; from recolab.live import open_shop; assert open_shop(Path(sys.argv[1])).recommend('?')"


def start() -> list[Row]:
    """Open a shop in a new process, and ask for the first list: after an empty journal, after lines, and after a million events in parts."""
    floor, found = round(_seconds_of(LIBRARIES), 3), []
    for n, kept in ((0, False), (100_000, False), (1_000_000, True)):
        with TemporaryDirectory() as made:
            folder = copied(Path(made))
            write_events(folder, n)
            if kept:
                sum_up(folder)
            case = f"from a new process to the first list, {n:,} events in the journal{', in parts' * kept}"
            found.append(row(case, _seconds_of(FIRST_LIST, str(folder)), "s", floor))
    return found


def _seconds_of(code: str, *words: str) -> float:
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, *words], cwd=project_root(), check=True)
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))


def http() -> list[Row]:
    """Load the service with events and lists in turn of a thousand shoppers, by wrk on the same cores."""
    return [row(case, *figure) for case, figure in loaded("an event and a list in turn", 1000, HTTP_SECONDS).items()]


def crowd() -> list[Row]:
    """Load it with five times as many shoppers as have a session in memory: does memory stay where it is?"""
    figures = loaded("10,000 shoppers, an event and a list in turn", 10_000, CROWD_SECONDS)
    return [row(case, *figure) for case, figure in figures.items()]


CASES: dict[str, Callable[[], list[Row]]] = {
    "process": process,
    "million": million,
    "sizes": sizes,
    "peer": peer,
    "encoder": encoder,
    "batches": batches,
    "start": start,
    "http": http,
    "crowd": crowd,
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
