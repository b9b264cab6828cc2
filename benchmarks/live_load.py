"""The service under a load on the same two cores: how many answers, how late, and what becomes of its memory."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Hashable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.live_shops import shipped
from recolab.feedback import event_record
from recolab.journal import Journal
from recolab.lab import project_root
from recolab.live import EVENTS, IMPRESSIONS, LiveRecommender, open_live
from recolab.live.parts import keep_parts
from recolab.schema import VIEW
from recolab.service import health

URL, CONNECTIONS = "http://127.0.0.1:8765", 6
READY = "/page/icon.svg"  # an answer that lies ready: what the server and the load cost themselves
LIVED = 100  # events of each shopper before the load, on average: models read 64 visits
WARM = 60  # seconds of the load before it is watched: the first parts of the journal are summed up by then
EVERY = 2.0  # seconds between two looks at the memory
Figures = dict[str, tuple[float, str] | tuple[float, str, float]]


def copied(made: Path) -> Path:
    """Copy the shop without what it has heard  ->  where to."""
    heard = shutil.ignore_patterns(f"{Path(EVENTS).stem}.*", f"{IMPRESSIONS}*")
    return Path(shutil.copytree(shipped(), made / "live", ignore=heard))


def shoppers(live: LiveRecommender, n: int) -> list[Hashable]:
    """Name n shoppers: those of the past, then strangers."""
    return [*live.past.users, *(f"guest-{number}" for number in range(n))][:n]


def write_events(folder: Path, n: int, n_shoppers: int = 20_000) -> None:
    """Write a journal of n events, five a second, of shoppers and strangers."""
    live, rng = open_live(folder), np.random.default_rng(7)
    users = shoppers(live, n_shoppers)
    who, what = rng.integers(len(users), size=n), live.catalog.ids(rng.integers(1, len(live.catalog), n))
    with Journal(folder / EVENTS) as journal:
        for number, (user, item) in enumerate(zip(who, what, strict=True)):
            at = live.as_of + timedelta(seconds=number / 5)
            journal.write(event_record(users[user], item, VIEW, at))
        journal.flush()


def sum_up(folder: Path) -> None:
    """Keep parts of a journal, as a service does while it runs."""
    for _ in keep_parts(folder / EVENTS):
        pass


def live_in(folder: Path, n_shoppers: int) -> None:
    """Write so many events that all sessions hold as many visits as are read: while they fill, memory grows as it should."""
    write_events(folder, LIVED * n_shoppers, n_shoppers)
    sum_up(folder)


def loaded(named: str, n_shoppers: int, seconds: int) -> Figures:
    """Serve a copy of the shop, and load it  ->  figures by case."""
    if shutil.which("wrk") is None:
        raise FileNotFoundError("wrk is not installed: the load comes from it (Debian's package wrk)")
    with TemporaryDirectory() as made:
        folder, walk = copied(Path(made)), Path(made) / "walk.txt"
        live_in(folder, n_shoppers)
        live = open_live(folder)
        users = shoppers(live, n_shoppers)
        items = live.catalog.ids(np.random.default_rng(7).integers(1, len(live.catalog), n_shoppers))
        walk.write_text("\n".join(f"{user} {item}" for user, item in zip(users, items, strict=True)))
        environment = os.environ | {"RECOLAB_API_KEY": "benchmark", "RECOLAB_WALK": str(walk)}
        command = [sys.executable, "-m", "recolab.service", str(folder), "--port", URL.rpartition(":")[2]]
        with subprocess.Popen(command, cwd=project_root(), env=environment) as served:
            try:
                wait_for_answer()
                ready = _wrk(environment, 10, READY)
                _wrk(environment, WARM)
                with Watched(served.pid) as memory:
                    told = _wrk(environment, seconds)
            finally:
                served.terminate()
    case = f"HTTP, {named}, {CONNECTIONS} connections, {seconds} s"
    return {f"{case}, {name}": figure for name, figure in (_told(told, ready) | memory.figures()).items()}


class Watched:
    """The memory of a process, looked at every now and then."""

    def __init__(self, pid: int) -> None:
        self.pid, self.megabytes = pid, list[float]()
        self._over, self._thread = threading.Event(), threading.Thread(target=self._watch)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def figures(self) -> Figures:
        """Say what it was in the first and in the last fifth of the time, and at most."""
        seen = np.array(self.megabytes)
        fifth = max(len(seen) // 5, 1)
        told = {"first": seen[:fifth].mean(), "last": seen[-fifth:].mean(), "most": seen.max()}
        return {f"memory, {name}{' fifth' * (name != 'most')}": (float(value), "MB") for name, value in told.items()}

    def _watch(self) -> None:
        while not self._over.wait(EVERY):
            self.megabytes.append(_resident_mb(self.pid))


def wait_for_answer(patience: float = 60) -> None:
    """Wait until the service makes lists; raises TimeoutError."""
    over = time.monotonic() + patience
    while not health.is_well(URL):
        if time.monotonic() > over:
            raise TimeoutError(f"{URL} does not answer")
        time.sleep(0.1)


def _told(told: list[int], ready: list[int]) -> Figures:
    requests, microseconds, middle, slow, longest, refused, broken, late = told
    ready_requests, ready_microseconds, ready_middle, ready_slow, *_ = ready
    rate, ready_rate = requests / microseconds, ready_requests / ready_microseconds
    return {
        "p50": (middle / 1e3, "ms", ready_middle / 1e3),
        "p99": (slow / 1e3, "ms", ready_slow / 1e3),
        "longest": (longest / 1e3, "ms"),
        "answers": (1e6 * rate, "per second", round(1e6 * ready_rate, 1)),
        "errors": (refused + broken + late, "count"),
    }


def _wrk(environment: dict[str, str], seconds: int, path: str = "") -> list[int]:
    script = project_root() / "benchmarks" / "live.lua"
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", "-s", str(script), URL]
    environment = environment | {"RECOLAB_PATH": path}
    told = subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout
    found = re.search(r"FIGURES ([\d ]+)", told)
    assert found, told
    return [int(word) for word in found.group(1).split()]


def _resident_mb(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 2**10
