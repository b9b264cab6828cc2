"""Is an event lost that was acknowledged, when the service is killed again and again while it takes events?

python -m benchmarks.crashes    # two minutes; a copy of the live shop that `make report` has written

The service is started as its user starts it, and again whenever it ends, as the systemd unit and the compose file in
recolab/service/deploy do. Four writers send events and ask for a list after each; at random moments the service is killed (`kill -9`).
An event counts as acknowledged when its answer was read. This shows that no answer comes before the record is with the system;
that the record is on the disk before a power cut, no process can show: a test counts the calls.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock, Thread
from typing import Any, Self

import httpx2 as httpx
import numpy as np
import polars as pl

from benchmarks.stamped import write_table
from recolab.histories import load_catalog
from recolab.lab import DEFAULT_RUN, open_lab
from recolab.live import EVENTS, replay
from recolab.service.__main__ import KEY
from recolab.service.health import PAUSE, is_well

KILLS, WRITERS, SEED = 20, 4, 7
LIFE = (0.1, 2.0)  # seconds under load between the first answer and the kill, drawn evenly
PATIENCE = 120  # seconds that a start may take
SECRET = "secret"
Taken = set[tuple[str, datetime]]  # whose event, of when: no two are alike


class Supervisor:
    """Serves a folder, and serves it again whenever the service ends: what systemd and Docker do, small enough for a test."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.url, self.seconds = (
            f"http://127.0.0.1:{port}",
            list[float](),
        )  # seconds from each start to its first answer
        self._command = [sys.executable, "-m", "recolab.service", str(folder), "--port", str(port)]
        self._up, self._over, self._starting = Event(), False, Lock()
        self._keeper = Thread(target=self._keep)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._starting:
            self._over = True
            if self.process is not None:
                self.process.terminate()
        self._keeper.join()

    def await_answer(self) -> None:
        """Wait until the service that was started last has answered; raises TimeoutError."""
        if not self._up.wait(PATIENCE):
            raise TimeoutError(f"{self._command} did not answer within {PATIENCE} seconds")

    def kill(self) -> None:
        """End the service as a crash does."""
        assert self.process is not None
        self._up.clear()
        self.process.kill()

    def _keep(self) -> None:
        while True:
            started = time.perf_counter()
            with self._starting:
                if self._over:
                    return
                self.process = subprocess.Popen(self._command, env=os.environ | {KEY: SECRET})
            while self.process.poll() is None and not is_well(self.url):
                time.sleep(PAUSE)
            if self.process.poll() is None:
                self.seconds.append(time.perf_counter() - started)
                self._up.set()
            self.process.wait()


@dataclass
class Endured:
    """What was left after so many kills.

    taken: events that were acknowledged    lost: those of them that the journal lacks    seconds: from each start to its first answer
    lists: what each writer was shown at the end    code: with which the service ended when it was asked to
    """

    taken: Taken
    lost: Taken
    seconds: list[float]
    lists: dict[str, list[Any]]
    code: int | None


def endure(folder: Path, items: Sequence[Any], kills: int, writers: int, seed: int) -> Endured:
    """Kill the service of a shipped folder under load, so many times, and count what is lost; raises what no crash explains."""
    rng, over = np.random.default_rng(seed), Event()
    with Supervisor(folder) as supervisor, ThreadPoolExecutor(writers) as pool:
        try:
            supervisor.await_answer()
            writing = [pool.submit(write_until, over, supervisor.url, f"writer {w}", items) for w in range(writers)]
            for _ in range(kills):
                supervisor.await_answer()
                time.sleep(rng.uniform(*LIFE))
                supervisor.kill()
            supervisor.await_answer()
            time.sleep(LIFE[0])
        finally:
            over.set()
        taken: Taken = set().union(*(one.result() for one in writing))
        lists = {user: listed(supervisor.url, user) for user in {user for user, _ in taken}}
    kept = {(record["user"], datetime.fromisoformat(record["at"])) for record in replay(folder / EVENTS)}
    assert supervisor.process is not None
    return Endured(taken, taken - kept, supervisor.seconds, lists, supervisor.process.returncode)


def write_until(over: Event, url: str, user: str, items: Sequence[Any]) -> Taken:
    """Send a shopper's events one after the other, with a list after each  ->  those that were acknowledged."""
    taken: Taken = set()
    with httpx.Client(base_url=url, headers={"X-API-Key": SECRET}, trust_env=False) as client:
        for n in count():
            if over.is_set():
                break
            at = datetime.now(UTC)
            event = {"user_id": user, "item_id": items[n % len(items)], "timestamp": at.isoformat()}
            try:
                client.post("/events", json=event).raise_for_status()
                taken.add((user, at))
                client.get("/recommendations", params={"user_id": user}).raise_for_status()
            except httpx.TransportError:  # it is down: whether this event was taken, nobody was told
                time.sleep(0.1)
    return taken


def listed(url: str, user: str) -> list[Any]:
    """Ask for a shopper's list."""
    answer = httpx.get(
        f"{url}/recommendations", params={"user_id": user}, headers={"X-API-Key": SECRET}, trust_env=False
    )
    return [place["item_id"] for place in answer.raise_for_status().json()["items"]]


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port


def table_of(found: Endured, writers: int) -> pl.DataFrame:
    """Lay a run out in one row."""
    row = {
        "kills": len(found.seconds) - 1,
        "writers": writers,
        "acknowledged": len(found.taken),
        "lost": len(found.lost),
        "first_answer_seconds_median": round(float(np.median(found.seconds)), 2),
        "first_answer_seconds_max": round(max(found.seconds), 2),
    }
    return pl.DataFrame([row])


def main() -> None:
    """Kill, count, print one JSON line per figure, and write the table."""
    shop = open_lab(SEED, DEFAULT_RUN).need("live")
    with TemporaryDirectory() as scratch:
        folder = Path(shutil.copytree(shop, Path(scratch) / "live"))
        (folder / EVENTS).unlink(missing_ok=True)  # what the shop's own service has taken is not ours to count
        catalog = load_catalog(folder / "catalog.parquet")
        items = catalog.ids(np.random.default_rng(SEED).permutation(np.arange(1, len(catalog))))
        table = table_of(endure(folder, items, KILLS, WRITERS, SEED), WRITERS)
    [row] = table.to_dicts()
    case = f"{row.pop('kills')} kills, {row.pop('writers')} writers"
    for unit, value in row.items():
        line = {"benchmark": "crashes", "case": case, "system": "recolab", "value": value, "unit": unit}
        print(json.dumps(line | {"peer": None, "ratio": None}), flush=True)
    write_table("crashes", table)


if __name__ == "__main__":
    main()
