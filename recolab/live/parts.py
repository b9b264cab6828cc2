"""What a journal's lines come to, in columns that are kept beside it: so that no start reads a month line by line."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from recolab.journal import Journal, as_line, lines
from recolab.lab import write_atomically
from recolab.live.sessions import seconds_of
from recolab.schema import ITEM, KIND, KINDS, TIME, USER

BYTES = 2**21  # of a journal that one part sums up: some fifteen thousand events
LOOKED_AT = 2**16  # bytes at either end of them by which a part knows its journal
# The journal's words for items that came in, for a change of models, and for the version that is on trial since.
NEW, MODEL, TRIAL = "new", "model", "trial"
_COLUMNS = {USER: pl.String, ITEM: pl.String, KIND: pl.Int8, TIME: pl.Int64}

Goods = dict[str, dict[str, float]]  # an item's last price and stock, by its id as text


class Newcomers(NamedTuple):
    """Items that came in after so many of a part's events, and what had been told of goods until then."""

    after: int
    goods: Goods
    rows: list[dict[str, Any]]


class Part(NamedTuple):
    """What some lines of a journal have told, up to the byte `end`.

    events: user and item as text, kind as an index into KINDS, time in seconds; in their order    news: in their order, too
    goods: what was told of them since    models: the last line about them, empty where there is none
    """

    events: pl.DataFrame
    news: list[Newcomers]
    goods: Goods
    models: dict[str, Any]
    end: int


def parts(journal: Path, start: int = 0) -> Iterator[Part]:
    """Give what a journal holds from a byte on: parts that were kept, then what its other lines say; raises as `journal.lines`."""
    while (part := _kept(journal, start)) is not None:
        yield part
        start = part.end
    yield _summed_up(journal, start)


def keep_parts(journal: Path) -> Iterator[int]:
    """Keep a part for each `BYTES` of a journal that have none yet  ->  the byte up to which there are parts, after each."""
    start = reached(journal)
    while (part := _summed_up(journal, start, BYTES)).end - start >= BYTES:
        columns = BytesIO()
        part.events.write_parquet(columns)
        note = part._asdict() | {"events": zlib.crc32(columns.getvalue()), "kinds": KINDS}
        path = _path(journal, start)
        path.parent.mkdir(exist_ok=True)
        with write_atomically(path) as temporary:
            temporary.write_bytes(as_line(note | {"seen": _seen(journal, start, part.end)}) + columns.getvalue())
        start = part.end
        yield start


def reached(journal: Path) -> int:
    """Say up to which byte of a journal there are parts."""
    start = 0
    while (note := _note(journal, start)) is not None:
        start = note["end"]
    return start


class PartsKeeper:
    """Keeps the parts of a journal that grows, in a thread of its own, one at a time; without them a start only takes longer."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self._tried, self._closing = journal, reached(journal.path), False
        self._worker = ThreadPoolExecutor(1, "parts")  # one for all: each new thread would keep memory of its own
        self._kept: Future[None] | None = None

    def look(self) -> None:
        """Begin another part where the journal has grown by one since it was last tried."""
        busy = self._kept is not None and not self._kept.done()
        if self.journal.size - self._tried >= BYTES and not busy:
            self._tried = self.journal.size
            self._kept = self._worker.submit(self._keep)

    def close(self) -> None:
        """Wait for the part that is being written."""
        self._closing = True
        self._worker.shutdown()

    def _keep(self) -> None:
        try:
            for upto in keep_parts(self.journal.path):
                self._tried = max(upto, self._tried)
                if self._closing:
                    break
        except OSError as error:  # a full disk: the journal itself says so
            warnings.warn(f"no part of {self.journal.path} is kept, and a start takes longer: {error}", stacklevel=1)


def _kept(journal: Path, start: int) -> Part | None:
    note = _note(journal, start)
    if note is None:
        return None
    _, _, columns = (path := _path(journal, start)).read_bytes().partition(b"\n")
    if zlib.crc32(columns) != note["events"]:
        path.unlink()  # broken: its lines are read, and sum up to another
        return None
    news, events = [Newcomers(*one) for one in note["news"]], pl.read_parquet(BytesIO(columns))
    return Part(events, news, note["goods"], note["models"], note["end"])


def _note(journal: Path, start: int) -> dict[str, Any] | None:
    """Read all of a part but its events; None where it is missing, broken, or of another journal that lay here before."""
    with suppress(OSError, ValueError):
        for _, line in lines(_path(journal, start)):  # the first, behind which the columns are
            note: dict[str, Any] = json.loads(line)
            fits = note["kinds"] == list(KINDS) and note["seen"] == _seen(journal, start, note["end"])
            return note if fits else None
    return None


def _seen(journal: Path, start: int, end: int) -> int:
    """Sum up both ends of some bytes of a journal; what lies between is the journal's own to watch over."""
    with journal.open("rb") as file:
        file.seek(start)
        first = file.read(min(LOOKED_AT, end - start))
        file.seek(max(end - LOOKED_AT, start))
        return zlib.crc32(file.read(end - file.tell()), zlib.crc32(first))


def _path(journal: Path, start: int) -> Path:
    return journal.with_suffix(".parts") / f"{start:015d}"


def _summed_up(journal: Path, start: int, most: float = float("inf")) -> Part:
    """Read lines until so many bytes have been read, or all."""
    columns: dict[str, list[Any]] = {
        name: [] for name in _COLUMNS
    }  # of rows, Polars would stop all else for a tenth of a second
    news, goods, models, end = list[Newcomers](), Goods(), dict[str, Any](), start
    for end, line in lines(journal, start):
        record = json.loads(line)
        if "user" in record:
            at = seconds_of(datetime.fromisoformat(record["at"]))
            event = (str(record["user"]), str(record["item"]), KINDS.index(record["kind"]), at)
            for column, value in zip(columns.values(), event, strict=True):
                column.append(value)
        elif NEW in record:
            news.append(Newcomers(len(columns[TIME]), goods, record[NEW]))
            goods = {}
        elif MODEL in record:
            models = record
        else:
            told = {name: record[name] for name in ("price", "stock") if record[name] is not None}
            goods.setdefault(str(record["item"]), {}).update(told)
        if end - start >= most:
            break
    return Part(pl.DataFrame(columns, schema=_COLUMNS), news, goods, models, end)
