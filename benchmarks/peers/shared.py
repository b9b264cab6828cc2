"""What every peer's script does alike: read the log, train by the clock, hand back lists; it needs NumPy alone."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

K = 10
LEAST_EPOCHS = 2  # a single epoch is no median, even where it takes all of the time
Log = dict[int, list[int]]


@dataclass(frozen=True)
class Peer:
    """A model that is ready to learn.

    targets: items that an epoch asks for    one_epoch: learn from all of them once
    lists: -> raw ids of users (U,) and of their best items (U, K), history left out, 0 where there are fewer
    """

    targets: int
    one_epoch: Callable[[], None]
    lists: Callable[[], tuple[NDArray[np.int64], NDArray[np.int64]]]


def read_log(path: Path) -> Log:
    """Read a line `user item item ...` each; the last item is the test's, the one before it the validation's."""
    lines = ([int(word) for word in line.split()] for line in path.read_text().splitlines())
    return {user: items for user, *items in lines}


def goes_on(seconds: list[float], limit: float) -> bool:
    """Say whether one more epoch, as long as the last one, ends in time."""
    return len(seconds) < LEAST_EPOCHS or sum(seconds) + seconds[-1] <= limit


def peak_gb() -> float:
    """Say how much memory this program ever held, where Linux tells; elsewhere that of its parent may be counted too."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage there begins with what the parent held when it made this process
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def run(make: Callable[[Path, str], Peer]) -> None:
    """Train one peer until the time is up; in the current folder leave log.json, a row an epoch, and EPOCH.npz, its lists.

    Of the command line: the log, the loss, the seconds of training. What lists cost is on no clock.
    """
    path, loss, limit = sys.argv[1:]
    started = time.perf_counter()
    peer = make(Path(path), loss)
    prepare = time.perf_counter() - started
    seconds: list[float] = []
    rows = []
    while goes_on(seconds, float(limit)):
        started = time.perf_counter()
        peer.one_epoch()
        seconds.append(time.perf_counter() - started)
        row = {"epoch": len(seconds), "seconds": seconds[-1], "targets": peer.targets}
        rows.append(row | {"peak_gb": peak_gb(), "prepare": prepare})
        users, items = peer.lists()
        np.savez(f"{len(seconds)}.npz", users=users, items=items)
    Path("log.json").write_text(json.dumps(rows))
