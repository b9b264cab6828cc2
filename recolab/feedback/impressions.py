"""Every list as it was served: a line each before anybody sees it, and parquet for whoever asks later."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import polars as pl

from recolab.journal import Journal, hold, replay
from recolab.lab import write_atomically
from recolab.schema import ITEM, LIST, MODEL, POLICY, POSITION, PROPENSITY, SCORE, TIME, USER

PART, MOST = 20_000, 1_000_000  # lists of one file
_LINES, _TABLE, _HELD = ".log", ".parquet", "writer.lock"
_NAME = "impressions-{:09d}"
_PACK = "import sys, pathlib; from recolab.feedback.impressions import pack; pack(pathlib.Path(sys.argv[1]))"
_COLUMNS = (LIST, USER, TIME, POSITION, ITEM, SCORE, PROPENSITY, POLICY, MODEL)
_TYPES: dict[str, Any] = {
    LIST: pl.Int64,
    TIME: pl.Datetime("us"),
    POSITION: pl.Int64,
    SCORE: pl.Float64,
    PROPENSITY: pl.Float64,
    POLICY: pl.String,
    MODEL: pl.String,
}


@dataclass(frozen=True)
class Shown:
    """One list of K items as it was served, ids as JSON has them: whole numbers or text.

    user: None for a stranger    scores: (K,)    propensities: (K,) how probable each item was at its place, given those above
    it; None where nobody knows, so that no estimate is made of it    policy: what drew the list    models: (K,) the version that brought each item
    """

    user: int | str | None
    at: datetime
    items: Sequence[int | str]
    scores: Sequence[float]
    propensities: Sequence[float | None]
    policy: str
    models: Sequence[str]


class ImpressionLog:
    """Lists in a folder, append-only: a journal that is written ahead, and a parquet file for each `PART` lists of it.

    A list outlives this process from the moment `write` returns, and the machine when its part is packed. A part is a journal
    until its parquet file is whole, and never counted twice: killed at any moment, the folder tells every list once. One writer.
    """

    def __init__(self, folder: Path, part: int = PART) -> None:
        """Open, and pack what the last writer had no time to.

        part: lists of one file, at most a million    Raises as `Journal`, and ValueError for a part that is none.
        """
        if not 1 <= part <= MOST:
            raise ValueError(f"part = {part!r} lists of one file must be from 1 to {MOST:,}")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.part = folder, part
        self._held, self._lock = hold(folder / _HELD), threading.Lock()
        self._packer = ThreadPoolExecutor(1, "impressions")
        try:
            self._begin(max(map(_number, _parts(folder)), default=0) + 1)
        except BaseException:
            os.close(self._held)
            raise
        self._pack_beside()

    def write(self, shown: Shown) -> int:
        """Write a list down  ->  its number in this log; raises as `Journal.write`."""
        with self._lock:
            if self._written == self.part:
                self._next_part()
            number = self._number * MOST + self._written
            self._journal.write(_record(number, shown))
            self._written += 1
        return number

    def _begin(self, number: int) -> None:
        self._journal, self._number, self._written = Journal(self.folder / (_NAME.format(number) + _LINES)), number, 0

    def _next_part(self) -> None:
        """Begin another journal, and pack the full one beside the shop."""
        full = self._journal
        self._begin(self._number + 1)
        full.close()
        self._pack_beside()

    def _pack_beside(self) -> None:
        """Pack every part that is full, also those that could not be packed before; `close` raises what still fails."""
        self._packer.submit(_pack_before, self.folder, self._number)

    def close(self) -> None:
        """Pack all that was written; once is enough."""
        if self._held < 0:
            return
        self._journal.close()
        self._packer.shutdown()
        try:
            for path in _parts(self.folder):
                pack(path)
        finally:
            os.close(self._held)
            self._held = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_impressions(folder: Path) -> pl.DataFrame:
    """Read all lists of a log, also one that is written to right now: a row for each item shown, lists in order.

    ->  list_id, user_id (null for a stranger), timestamp (naive UTC), position (from 1), item_id, score, propensity, policy, model
    Raises FileNotFoundError where the folder has no log, JournalError where a line is damaged.
    """
    parts = _parts(folder)
    if not parts:
        raise FileNotFoundError(f"{folder}: no impression log here; it begins with the first list that is served")
    tables = [_table(path) for path in parts]
    return pl.concat([one for one in tables if len(one)] or tables, how="vertical_relaxed")


def _parts(folder: Path) -> list[Path]:
    """Find each part once, oldest first: its parquet file where that is whole, else its journal."""
    found = {path.stem: path for ending in (_LINES, _TABLE) for path in sorted(folder.glob(f"impressions-*{ending}"))}
    return [found[stem] for stem in sorted(found)]


def _number(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def pack(path: Path) -> None:
    """Turn a journal into parquet, then let go of it; again and again, where it was interrupted."""
    if path.suffix == _LINES:
        table = _table(path)
        if len(table):
            with write_atomically(path.with_suffix(_TABLE)) as temporary:
                table.write_parquet(temporary)
    path.with_suffix(_LINES).unlink(missing_ok=True)


def _pack_before(folder: Path, number: int) -> None:
    """Pack in a process of its own: in a thread, a second of reading would hold up every list that is served meanwhile."""
    for path in _parts(folder):
        if _number(path) < number and path.suffix == _LINES:
            subprocess.run([sys.executable, "-c", _PACK, str(path)], check=True)


def _table(path: Path) -> pl.DataFrame:
    packed = path.with_suffix(_TABLE)
    rows = [] if packed.exists() else list(_rows(path))
    if not rows and packed.exists():  # perhaps only since a moment ago
        return pl.read_parquet(packed)
    columns: dict[str, Any] = dict(
        zip(_COLUMNS, zip(*rows, strict=True) if rows else [()] * len(_COLUMNS), strict=True)
    )
    columns |= {name: ids_of(columns[name]) for name in (USER, ITEM)}
    return pl.DataFrame(columns, schema_overrides=_TYPES)


def ids_of(values: Sequence[int | str | None]) -> pl.Series:
    """Make a column of ids: whole numbers where all are, else text, as a shop of numbers may have guests with names."""
    if all(one is None or (isinstance(one, int) and -(2**63) <= one < 2**63) for one in values):
        return pl.Series(values, dtype=pl.Int64)
    return pl.Series([one if one is None else str(one) for one in values], dtype=pl.String)


def _record(number: int, shown: Shown) -> dict[str, Any]:
    return {
        "list": number,
        "user": shown.user,
        "at": shown.at.astimezone(UTC).isoformat() if shown.at.tzinfo else shown.at.isoformat(),
        "items": list(shown.items),
        "scores": [float(score) for score in shown.scores],
        "propensities": list(shown.propensities),
        "policy": shown.policy,
        "models": list(shown.models),
    }


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    for one in replay(path.with_suffix(_LINES)):
        head = one["list"], one["user"], datetime.fromisoformat(one["at"]).replace(tzinfo=None)
        places = zip(one["items"], one["scores"], one["propensities"], one["models"], strict=True)
        for position, (item, score, propensity, model) in enumerate(places, start=1):
            yield (*head, position, item, score, propensity, one["policy"], model)
