"""Does the whole loop hold in the service? Ten minutes of simulated shoppers: lists, answers, newcomers, updates, trials, promotions.

python -m benchmarks.service_loop               # eleven minutes, both cores
python -m benchmarks.service_loop --minutes 2   # a look

The simulated shop of `recolab.loop` is shipped as a real one and served by `python -m recolab.service`, exploring. Shoppers ask
and answer over HTTP, as many at once as there are lines. Beside them, an update learns from journal and log again and again, in a
process of its own; it is shipped, goes on trial, and the gate says whether it takes over. What has not come to the log,
what failed, and the service's memory are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, NamedTuple

import httpx2 as httpx
import numpy as np
import polars as pl

from benchmarks.apart import apart
from benchmarks.crashes import SECRET, free_port
from benchmarks.service_versions import PAST, first_version, next_version
from benchmarks.stamped import write_table
from recolab.feedback import Verdict, join_reactions, judge_trial, read_events, read_impressions
from recolab.live import EVENTS, IMPRESSIONS
from recolab.loop import LoopConfig, Offer, Opened, Shoppers, gather_shoppers, spend_day
from recolab.loop.shoppers import EVENT_KINDS
from recolab.schema import BRAND, CATEGORY, CLICK, ITEM, LIST, PRICE, TITLE
from recolab.service.__main__ import KEY
from recolab.service.health import PAUSE, is_well
from recolab.sources.shop_catalogue import Ints

MINUTES, SEED, LINES = 10.0, 7, 4
SIZE = LoopConfig(n_users=400, n_items=500, days=1000, pages_per_day=150, seed=SEED)
TRY = 0.05  # of places show something else than the best
HELD_BACK = 0.05  # of the shelf comes in while the shop is open
WINDOW = timedelta(seconds=15)  # in which a list is answered: shoppers here decide at once
VISIT_DAYS = 30 / 86_400  # in which nothing is shown twice
TRIAL_SECONDS, LOOK_SECONDS, SAMPLE_SECONDS = 180.0, 10.0, 5.0
SETTLED = 0.3  # of the time, after which memory shall be steady


class Door:
    """The service, as a policy of the simulated loop: what is opened is sent, lists are asked for, on several lines at once."""

    name = "Service"

    def __init__(self, url: str, shoppers: Shoppers) -> None:
        self.client = httpx.Client(base_url=url, headers={"X-API-Key": SECRET}, trust_env=False, timeout=60)
        self.ids = shoppers.shelf.items[ITEM].to_list()
        self.row_of, self.k = {item: row for row, item in enumerate(self.ids)}, shoppers.config.k
        self.pool, self.sent, self.asked, self.failed = ThreadPoolExecutor(LINES), 0, 0, Counter[str]()

    def learn(self, log: pl.DataFrame, shown: pl.DataFrame, night: int) -> None:
        """Do nothing: the service has heard it."""

    def watch(self, opened: Opened) -> None:
        """Send what was opened."""
        rows = zip(opened.user.tolist(), opened.item.tolist(), opened.deed.tolist(), strict=True)
        events = [(user, self.ids[item], kind) for user, item, deed in rows for kind in EVENT_KINDS[: deed + 1]]
        self.sent += sum(self.pool.map(self._send, events))

    def offer(self, user: Ints, at: Ints) -> Offer:  # noqa: ARG002
        """Ask for a list of each shopper."""
        rows = np.array(list(self.pool.map(self._ask, user.tolist())))
        self.asked += len(rows)
        return Offer(rows, np.ones(rows.shape), rows)

    def _send(self, event: tuple[int, Any, str]) -> bool:
        user, item, kind = event
        return self._answered("POST", "/events", json={"user_id": user, "item_id": item, "kind": kind}) is not None

    def _ask(self, user: int) -> list[int]:
        asked = {"user_id": str(user), "k": self.k, "not_seen_days": VISIT_DAYS, "not_bought_days": 0}
        answer = self._answered("GET", "/recommendations", params=asked)
        if answer is None:
            raise RuntimeError(f"no list for {user}: {dict(self.failed)}")
        return [self.row_of[place["item_id"]] for place in answer["items"]]

    def _answered(self, method: str, path: str, **more: Any) -> Any:
        answer = self.client.request(method, path, **more)
        if answer.is_success:
            return answer.json()
        self.failed[f"{method} {path}: {answer.status_code}"] += 1
        return None

    def close(self) -> None:
        """Hang up all lines."""
        self.pool.shutdown()
        self.client.close()

    def tell(self, method: str, path: str, **more: Any) -> Any:
        """Do what an owner does; raises where it is refused."""
        return self.client.request(method, path, **more).raise_for_status().json()


@dataclass
class Owner:
    """Who keeps the shop beside its shoppers: lets newcomers in, trains, tries out, and looks at the memory."""

    door: Door
    folder: Path
    pid: int
    newcomers: list[dict[str, Any]]
    over: Event = field(default_factory=Event)
    samples: list[dict[str, Any]] = field(default_factory=list)
    verdicts: list[str] = field(default_factory=list)

    def watch_memory(self) -> None:
        """Sample the service's memory, and who answers."""
        started = time.perf_counter()
        while not self.over.wait(SAMPLE_SECONDS):
            told = self.door.tell("GET", "/model")
            sample = {"second": round(time.perf_counter() - started, 1), "resident_mb": round(resident_mb(self.pid), 1)}
            self.samples.append(sample | {"version": told["version"], "trial": told["trial"]})

    def improve(self) -> None:
        """Update, try out, judge, promote or not; again and again."""
        self.door.tell("POST", "/items", json=self.newcomers)
        for number in count(2):
            apart(next_version, str(self.folder), self.door.tell("GET", "/model")["version"], str(number))
            if self.over.is_set():
                return
            self.door.tell("PUT", "/model/trial", json={"version": str(number)})
            self.verdicts.append(self._judge(number))
            if self.verdicts[-1] == Verdict.BETTER.value:
                self.door.tell("PUT", "/model", json={"version": str(number)})
            else:
                self.door.tell("DELETE", "/model/trial")

    def _judge(self, number: int) -> str:
        """Look every few seconds, which the gate allows, until it is sure or the trial has lasted long enough."""
        champion, ends = self.door.tell("GET", "/model")["version"], time.perf_counter() + TRIAL_SECONDS
        verdict = Verdict.UNKNOWN
        while verdict is Verdict.UNKNOWN and time.perf_counter() < ends and not self.over.wait(LOOK_SECONDS):
            shown, events = read_impressions(self.folder / IMPRESSIONS), read_events(self.folder / EVENTS)
            now = datetime.now(UTC).replace(tzinfo=None)
            try:
                verdict = judge_trial(shown, events, champion, str(number), now, WINDOW).verdict
            except ValueError:  # no list is over yet
                continue
        return verdict.value


def resident_mb(pid: int) -> float:
    """Read what a process holds in memory."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 2**10


def run(minutes: float, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Open the shop for so long  ->  figures and samples; raises where a part of the loop has failed."""
    start = datetime.now(UTC).replace(tzinfo=None, microsecond=0) - timedelta(days=SIZE.past_days)
    shoppers = gather_shoppers(LoopConfig(**vars(SIZE) | {"start": start}))
    shoppers.past().write_parquet(folder / PAST)
    shelf = shoppers.shelf.items.select(ITEM, TITLE, CATEGORY, BRAND, PRICE)
    late = np.random.default_rng(SEED).random(len(shelf)) < HELD_BACK
    apart(first_version, str(folder), shelf.filter(~late), SEED)
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "recolab.service", str(folder), "--port", str(port), "--explore", str(TRY)]
    with subprocess.Popen(command, env=os.environ | {KEY: SECRET}) as service:
        try:
            while service.poll() is None and not is_well(url):
                time.sleep(PAUSE)
            with closing(Door(url, shoppers)) as door:
                owner = Owner(door, folder, service.pid, shelf.filter(late).to_dicts())
                happened = keep_open(owner, shoppers, 60 * minutes)
        finally:
            service.send_signal(signal.SIGTERM)
    return figures(owner, happened), pl.DataFrame(owner.samples, infer_schema_length=None)


class Happened(NamedTuple):
    """What shoppers did: for so many seconds, lists that they were shown, clicks on them, and how many clicks the truth expected."""

    seconds: float = 0.0
    lists: int = 0
    clicks: int = 0
    expected: float = 0.0


def keep_open(owner: Owner, shoppers: Shoppers, seconds: float) -> Happened:
    """Let day after day of shoppers come until the time is over and an update was judged; raises what stopped the owner."""
    beside = [ThreadPoolExecutor(1) for _ in range(2)]
    works = [one.submit(work) for one, work in zip(beside, (owner.watch_memory, owner.improve), strict=True)]
    started, so_far = time.perf_counter(), Happened()
    try:
        for pages in shoppers.days():
            if (so_far.seconds > seconds and owner.verdicts) or any(one.done() for one in works):
                break
            diary = spend_day(shoppers, shoppers.crowd.taste, pages, owner.door)
            lists, clicks = so_far.lists + len(diary.lists), so_far.clicks + int((diary.stayed > 0).sum())
            expected = so_far.expected + float(diary.values.clicks.sum())
            so_far = Happened(time.perf_counter() - started, lists, clicks, expected)
    finally:
        owner.over.set()
    for one in works:
        one.result()
    return so_far


def figures(owner: Owner, happened: Happened) -> pl.DataFrame:
    """Hold what was done against what the log has of it."""
    shown, events = read_impressions(owner.folder / IMPRESSIONS), read_events(owner.folder / EVENTS)
    reactions = join_reactions(shown, events, WINDOW)
    memory = np.array([one["resident_mb"] for one in owner.samples])
    settled = memory[int(SETTLED * len(memory)) :]
    halves = np.array_split(settled, 2)
    found = {
        "requests": (owner.door.asked + owner.door.sent, "count"),
        "requests per second": ((owner.door.asked + owner.door.sent) / happened.seconds, "per second"),
        "requests that failed": (sum(owner.door.failed.values()), "count"),
        "lists that the log lacks": (abs(happened.lists - shown[LIST].n_unique()), "count"),
        "events that the journal lacks": (abs(owner.door.sent - len(events)), "count"),
        "clicks per list, expected by the truth": (happened.expected / happened.lists, "clicks"),
        "clicks per list": (happened.clicks / happened.lists, "clicks"),
        # More: some find on their own what they were shown a moment ago, and a log cannot tell.
        "answers per list, by the log": (float(reactions.impressions[CLICK].sum()) / happened.lists, "answers"),
        "versions tried": (len(owner.verdicts), "count"),
        "versions promoted": (owner.verdicts.count(Verdict.BETTER.value), "count"),
        "newcomers shown": (int(shown[ITEM].is_in([one[ITEM] for one in owner.newcomers]).sum()), "places"),
        "memory at first": (memory[0], "MB"),
        "memory, settled, first half": (halves[0].mean(), "MB"),
        "memory, settled, second half": (halves[1].mean(), "MB"),
        "memory at most": (memory.max(), "MB"),
    }
    rows = [{"case": case, "value": round(float(value), 4), "unit": unit} for case, (value, unit) in found.items()]
    return pl.DataFrame(rows).with_columns(minutes=pl.lit(round(happened.seconds / 60, 1)))


def main(minutes: float) -> None:
    """Run, print one JSON line per figure, and write the tables that notebook 11 shows."""
    with TemporaryDirectory() as scratch:
        table, samples = run(minutes, Path(scratch))
    for row in table.to_dicts():
        line = {"benchmark": "service_loop", "system": "recolab", **row, "peer": None, "ratio": None}
        print(json.dumps(line), flush=True)
    write_table("service_loop", table)
    write_table("service_loop_memory", samples)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--minutes", type=float, default=MINUTES)
    main(asked.parse_args().minutes)
