import ctypes
import subprocess
import sys

import pytest

from recolab import allocator, evaluation, training
from recolab.allocator import keep_freed_memory
from recolab.models.popularity import Popularity
from recolab.models.transformer import Transformer, TransformerConfig
from recolab.training import TrainConfig
from tests.worlds import carousel, log

FAULTS = """
import resource, torch
from recolab.allocator import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        torch.ones({megabytes} * 2**18)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 50

faults()
before, can = faults(), keep_freed_memory()
faults()
print(can, before, faults())
"""


def counted(megabytes):
    found = subprocess.run(
        [sys.executable, "-c", FAULTS.format(megabytes=megabytes)], capture_output=True, text=True, check=True
    )
    can, before, after = found.stdout.split()
    if can == "False":
        pytest.skip("no glibc, so freed memory goes where its C library sends it")
    return float(before), float(after)


def test_an_array_that_was_freed_is_used_again_without_new_pages():
    before, after = counted(megabytes=48)
    assert before > 10_000  # 48 MB are 12,288 pages
    assert after < before / 20


def test_a_larger_array_still_goes_back_to_the_system():
    _, after = counted(megabytes=80)
    assert after > 10_000


class NoSuchLibrary:
    """A C library that is not glibc."""


def test_where_there_is_no_glibc_nothing_is_touched(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: NoSuchLibrary())
    assert keep_freed_memory() is False


def test_what_the_library_refuses_is_said(monkeypatch):
    class Refusing:
        @staticmethod
        def mallopt(name, value):
            return int(name != allocator.TRIM_THRESHOLD)

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Refusing())
    assert keep_freed_memory() is False


@pytest.mark.parametrize("work", ["fit", "judge"])
def test_who_trains_and_who_judges_asks_for_it(work, monkeypatch):
    asked = []
    for module in (training, evaluation):
        monkeypatch.setattr(module, "keep_freed_memory", lambda module=module: asked.append(module))
    past, catalog, _ = carousel(n_users=8, n_items=6, length=6)
    if work == "fit":
        Transformer(TransformerConfig(dim=8, max_len=5, negatives=0), TrainConfig(1, progress=False)).fit(past, catalog)
    else:
        task = evaluation.make_task(past, log([(user, 1, 40) for user in past.users]), catalog, allow_repeats=True)
        evaluation.judge([Popularity().fit(past, catalog)], task)
    assert asked == [training if work == "fit" else evaluation]
