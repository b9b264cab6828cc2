"""What a journal's lines come to, in columns that are kept beside it: so that no start reads a month line by line."""

from __future__ import annotations

import json
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from recolab.journal import Journal, lines
from recolab.lab import write_atomically
from recolab.live.sessions import seconds_of
from recolab.schema import ITEM, KIND, KINDS, TIME, USER

BYTES = 2**22  # of a journal that one part sums up: some thirty thousand events
# The journal's words for items that came in, for a change of models, and for the version that is on trial since.
NEW, MODEL, TRIAL = "new", "model", "trial"
_COLUMNS = {USER: pl.String, ITEM: pl.String, KIND: pl.Int8, TIME: pl.Int64}
_NOTE = "recolab"
_BROKEN = (
    OSError,
    KeyError,
    ValueError,
    pl.exceptions.PolarsError,
)  # what a part is worth that cannot be read: nothing


class Part(NamedTuple):
    """What some lines of a journal have told, up to the byte `end`.

    events: user and item as text, kind as an index into KINDS, time in seconds; in their order    news: items that came in, after
    how many of the events    goods: each item's last price and stock    models: the last line about them, empty where there is none
    last: where the last line begins, and its checksum
    """

    events: pl.DataFrame
    news: list[tuple[int, list[dict[str, Any]]]]
    goods: dict[str, dict[str, float]]
    models: dict[str, Any]
    end: int
    last: tuple[int, int]


def parts(journal: Path, start: int = 0) -> Iterator[Part]:
    """Give what a journal holds from a byte on: parts that were kept, then what its other lines say; raises as `journal.lines`."""
    while (part := _kept(journal, start)) is not None:
        yield part
        start = part.end
    yield _summed_up(journal, start)


def keep_parts(journal: Path) -> int:
    """Keep a part for each `BYTES` of a journal that have none yet  ->  the byte up to which there are parts."""
    start = reached(journal)
    while (part := _summed_up(journal, start, BYTES)).end - start >= BYTES:
        note = part._asdict() | {"events": None}
        path = _path(journal, start)
        path.parent.mkdir(exist_ok=True)
        with write_atomically(path) as temporary:
            part.events.write_parquet(temporary, metadata={_NOTE: json.dumps(note)})
        start = part.end
    return start


def reached(journal: Path) -> int:
    """Say up to which byte of a journal there are parts."""
    start = 0
    while (note := _note(journal, start)) is not None:
        start = note["end"]
    return start


class PartsKeeper:
    """Keeps the parts of a journal that grows, in a thread of its own, one at a time; without them a start only takes longer."""

    def __init__(self, journal: Journal) -> None:
        self.journal, self._upto = journal, reached(journal.path)
        self._thread: threading.Thread | None = None

    def look(self) -> None:
        """Begin another part where the journal has grown by one."""
        busy = self._thread is not None and self._thread.is_alive()
        if self.journal.size - self._upto >= BYTES and not busy:
            self._thread = threading.Thread(target=self._keep, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Wait for the part that is being written."""
        if self._thread is not None:
            self._thread.join()

    def _keep(self) -> None:
        try:
            self._upto = keep_parts(self.journal.path)
        except OSError as error:  # a full disk: the journal itself says so
            self._upto = self.journal.size
            warnings.warn(f"no part of {self.journal.path} is kept, and a start takes longer: {error}", stacklevel=1)


def _kept(journal: Path, start: int) -> Part | None:
    note = _note(journal, start)
    if note is None:
        return None
    with suppress(*_BROKEN):
        events = pl.read_parquet(_path(journal, start))
        return Part(**note | {"events": events, "news": [(after, rows) for after, rows in note["news"]]})
    return None


def _note(journal: Path, start: int) -> dict[str, Any] | None:
    """Read all of a part but its events; None where it is missing, broken, or of another journal that lay here before."""
    with suppress(*_BROKEN):
        note: dict[str, Any] = json.loads(pl.read_parquet_metadata(_path(journal, start))[_NOTE])
        begin, mark = note["last"]
        with journal.open("rb") as file:
            file.seek(begin)
            line = file.read(note["end"] - begin)
        if line.endswith(b"\n") and zlib.crc32(line[9:-1]) == mark:
            return note
    return None


def _path(journal: Path, start: int) -> Path:
    return journal.with_suffix(".parts") / f"{start:015d}.parquet"


def _summed_up(journal: Path, start: int, most: float = float("inf")) -> Part:
    """Read lines until so many bytes have been read, or all."""
    part, events = Part(pl.DataFrame(schema=_COLUMNS), [], {}, {}, start, (start, 0)), list[tuple[str, str, int, int]]()
    for end, line in lines(journal, start):
        record = json.loads(line)
        part = part._replace(end=end, last=(end - len(line) - 10, zlib.crc32(line)))
        if "user" in record:
            at = seconds_of(datetime.fromisoformat(record["at"]))
            events.append((str(record["user"]), str(record["item"]), KINDS.index(record["kind"]), at))
        elif NEW in record:
            part.news.append((len(events), record[NEW]))
        elif MODEL in record:
            part = part._replace(models=record)
        else:
            told = {name: record[name] for name in ("price", "stock") if record[name] is not None}
            part.goods.setdefault(str(record["item"]), {}).update(told)
        if end - start >= most:
            break
    return part._replace(events=pl.DataFrame(events, schema=_COLUMNS, orient="row"))
