"""What was taken is there after a crash, what was torn is cut off, and what is damaged is named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from recolab.live import Journal, JournalError, replay

WRITER = """
import sys
from pathlib import Path
from recolab.journal import Journal
journal = Journal(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**9):
    journal.append({"number": number, "user": "Ω" * (number % 50)})
    print(number, flush=True)
"""


def test_records_come_back_in_order_and_of_their_types(tmp_path):
    records = [{"user": 7, "item": "ä b"}, {"user": "7", "at": 1.5, "item": None}, {"more": [1, {"x": True}]}]
    for record in records:  # each time opened anew
        with Journal(tmp_path / "in" / "events.log") as journal:
            journal.append(record)
    assert list(replay(tmp_path / "in" / "events.log")) == records
    assert list(replay(tmp_path / "no such")) == []


@pytest.mark.parametrize("torn", [1, 5, 9, 12])
def test_a_torn_end_is_passed_over_and_written_over(torn, tmp_path):
    path = tmp_path / "events.log"
    with Journal(path) as journal:
        journal.append({"n": 1})
        journal.append({"n": 2})
    path.write_bytes(path.read_bytes()[:-torn])
    assert list(replay(path)) == [{"n": 1}]
    with Journal(path) as journal:
        journal.append({"n": 3})
    assert list(replay(path)) == [{"n": 1}, {"n": 3}]
    assert (tmp_path / "events.log.torn").read_bytes()  # what was cut off can be looked at


def test_a_whole_line_is_never_cut_off_and_a_strange_file_never_emptied(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text('{"precious": 1}\n')
    with pytest.raises(JournalError, match="line 1: damaged"):
        Journal(path)
    assert path.read_text() == '{"precious": 1}\n'


def test_after_the_disk_has_failed_nothing_is_taken(tmp_path, monkeypatch):
    def fail(file):
        raise OSError(5, "Input/output error")

    with Journal(tmp_path / "events.log") as journal:
        journal.append({"n": 1})
        monkeypatch.setattr(os, "fdatasync", fail)
        with pytest.raises(OSError, match="Input/output"):
            journal.append({"n": 2})
        monkeypatch.undo()
        with pytest.raises(OSError, match="what it holds is unknown: open it again"):
            journal.append({"n": 3})


def test_what_follows_a_line_is_done_in_the_order_of_the_lines(tmp_path):
    done = []
    with Journal(tmp_path / "events.log") as journal, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: journal.append({"n": n}, lambda: done.append(n)), range(100)))
    assert [record["n"] for record in replay(tmp_path / "events.log")] == done


def test_damage_in_the_middle_is_named_and_nothing_is_cut(tmp_path):
    path = tmp_path / "events.log"
    with Journal(path) as journal:
        for number in range(3):
            journal.append({"n": number})
    damaged = path.read_bytes().replace(b'{"n":1}', b'{"n":7}')
    path.write_bytes(damaged)
    with pytest.raises(JournalError, match=r"events\.log, line 2: damaged"):
        list(replay(path))
    with pytest.raises(JournalError, match="line 2"):
        Journal(path)
    assert path.read_bytes() == damaged


def test_many_threads_share_the_disk_and_none_is_told_too_soon(tmp_path, monkeypatch):
    path, syncs = tmp_path / "events.log", []
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (time.sleep(0.002), sync(file), syncs.append(1)))
    with Journal(path) as journal, ThreadPoolExecutor(16) as pool:

        def write(number):
            journal.append({"n": number})
            assert journal._synced > 0
            return number

        assert sorted(pool.map(write, range(200))) == list(range(200))
        assert journal._synced == 200
    assert sorted(record["n"] for record in replay(path)) == list(range(200))
    assert 0 < len(syncs) < 150


def test_two_processes_cannot_write_one_journal(tmp_path):
    with (
        Journal(tmp_path / "events.log"),
        pytest.raises(BlockingIOError, match=r"another process writes here.*events\.log"),
    ):
        Journal(tmp_path / "events.log")


def test_what_cannot_be_written_leaves_no_half_line(tmp_path, monkeypatch):
    path = tmp_path / "events.log"
    with Journal(path) as journal:
        journal.append({"n": 1})
        with pytest.raises(TypeError):
            journal.append({"n": object()})
        with pytest.raises(ValueError, match="not JSON compliant"):
            journal.append({"n": float("nan")})
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:5]))
        with pytest.raises(OSError, match=r"only 5 of \d+ bytes were written; is the disk full\?"):
            journal.append({"n": 2})
        monkeypatch.undo()
        journal.append({"n": 3})
    assert list(replay(path)) == [{"n": 1}, {"n": 3}]


def test_killed_again_and_again_it_loses_nothing_that_was_acknowledged(tmp_path):
    path, told = tmp_path / "events.log", -1
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(told + 1)], stdout=subprocess.PIPE, text=True
        ) as writer:
            for _ in range(25):
                told = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            told = max([told, *(int(line) for line in writer.stdout if line.endswith("\n"))])
        numbers = [record["number"] for record in replay(path)]
        assert set(range(told + 1)) <= set(numbers)
        told = max(numbers)


def test_the_folder_is_on_the_disk_too_before_a_journal_is_written_to(tmp_path, monkeypatch):
    flushed, flush = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (flushed.append(os.fstat(file).st_ino), flush(file)))
    with Journal(tmp_path / "new" / "newer" / "events.log") as journal:
        folders = (journal.path.parent, journal.path.parent.parent, tmp_path)  # two of them are new, in one that is not
        assert flushed == [folder.stat().st_ino for folder in folders]
        journal.append({"n": 1})
    with Journal(journal.path):
        assert flushed[3:] == [folders[0].stat().st_ino]
