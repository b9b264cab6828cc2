"""A journal of events that survives the machine: a line is on the disk before anybody is told that it was taken."""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from recolab.lab import flush


class JournalError(ValueError):
    """A journal that holds something else than what was written to it."""


class Journal:
    """Append-only lines of JSON, each behind its checksum; safe to write to from several threads, by one process at a time.

    Who waits until the disk has a line shares the next turn with all who came while the disk was busy (group commit).
    What a crash left unfinished at the end was told to nobody: it is cut off when the journal is opened again.
    """

    def __init__(self, path: Path, sound: int = 0) -> None:
        """Open, and put an unfinished last line aside, in NAME.torn.

        sound: bytes of it that are known to hold whole lines
        Raises JournalError where a line is damaged, BlockingIOError where another process writes here.
        """
        new = [folder for folder in path.parents if not folder.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = hold(path)
        try:
            self._put_aside(sound_length(path, sound))
            for folder in (path.parent, *(one.parent for one in new)):  # a line in a file that nobody finds is lost
                flush(folder)
        except BaseException:
            os.close(self._file)
            raise
        self._writing, self._syncing = threading.Lock(), threading.Lock()
        self._written = self._synced = 0  # lines
        self.size = path.stat().st_size  # bytes
        self._lost: OSError | None = None  # what the disk said when it last failed

    @property
    def is_sound(self) -> bool:
        """Whether the disk has taken all that it was given; if not, nothing is taken any more."""
        return self._lost is None

    def append(self, record: dict[str, Any], then: Callable[[], Any] = lambda: None) -> Any:
        """Write a record and wait for the disk  ->  what `then` gave; raises as `write` and `flush`."""
        given = self.write(record, then)
        self.flush()
        return given

    def write(self, record: dict[str, Any], then: Callable[[], Any] = lambda: None) -> Any:
        """Write a record: it outlives this process at once, and the machine from the next `flush` on  ->  what `then` gave.

        then: called in the order of the lines, so that who replays them comes to the same end
        Raises TypeError for what JSON does not know, OSError where the disk is full or has failed: nothing is taken any more.
        """
        line = as_line(record)
        with self._writing:
            self._require_disk()
            self._write_whole(line)
            self._written += 1
            return then()

    def flush(self) -> None:
        """Wait until the disk has all that was written before; raises OSError where it fails."""
        mine = self._written
        with self._syncing:
            self._require_disk()
            if self._synced < mine:
                all_so_far = self._written
                try:
                    os.fdatasync(self._file)
                except OSError as error:  # pages may be gone though a second call succeeds: nobody may believe it
                    self._lost = error
                    raise
                self._synced = all_so_far

    def _require_disk(self) -> None:
        if self._lost is not None:
            raise OSError(f"{self.path}: the disk failed ({self._lost}), and what it holds is unknown: open it again")

    def _put_aside(self, whole: int) -> None:
        with self.path.open("rb") as file:
            file.seek(whole)
            torn = file.read()
        if torn:
            self.path.with_name(f"{self.path.name}.torn").write_bytes(torn)
            os.ftruncate(self._file, whole)

    def _write_whole(self, line: bytes) -> None:
        """Write all of a line or nothing: a half one would join the next."""
        try:
            written = os.write(self._file, line)
            if written < len(line):
                raise OSError(f"{self.path}: only {written} of {len(line)} bytes were written; is the disk full?")
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += written

    def close(self) -> None:
        """Let another process write; once is enough."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def replay(path: Path) -> Iterator[dict[str, Any]]:
    """Read all records, oldest first; an unfinished last line is passed over, a journal that is not there is empty.

    Raises JournalError that names the line where one is damaged.
    """
    for _, record in records(path):
        yield record


def sound_length(path: Path, start: int = 0) -> int:
    """Say how many bytes hold whole lines, of which the first are known to; raises as `replay`."""
    return max((end for end, _ in lines(path, start)), default=start)


def records(path: Path, start: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read as `replay`, from a byte where a line begins  ->  each record after the byte where its line ends."""
    for end, body in lines(path, start):
        yield end, json.loads(body)


def lines(path: Path, start: int = 0) -> Iterator[tuple[int, bytes]]:
    """Check each line by its checksum from a byte on where one begins, and read none  ->  the byte where it ends, and its record's JSON; raises as `replay`."""
    if not path.exists():
        return
    end = start
    with path.open("rb") as file:
        file.seek(start)
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return  # a crash left it unfinished, and nobody was told that it was taken
            mark, _, body = line.removesuffix(b"\n").partition(b" ")
            if mark != b"%08x" % zlib.crc32(body):
                raise JournalError(
                    f"{path}, line {number}{f' after byte {start:,}' if start else ''}: damaged; move the journal away and keep what `replay` reads"
                )
            end += len(line)
            yield end, body


def as_line(record: dict[str, Any]) -> bytes:
    """Write a record as a line behind its checksum; raises TypeError for what JSON does not know."""
    body = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def hold(path: Path) -> int:
    """Open a file that no other process holds; closing it, or the end of this process, lets go  ->  its descriptor.

    Raises BlockingIOError where another process holds it.
    """
    import fcntl  # noqa: PLC0415  not on Windows, which the rest of the package runs on

    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise BlockingIOError(error.errno, "another process writes here, end it first", str(path)) from None
    return file
