"""Run one case in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

T = TypeVar("T")


def apart(work: Callable[..., T], *case: Any) -> T:
    """Give what work(*case) gives; `work` stands at the top of a module, so that the other process finds it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as one:
        return one.submit(work, *case).result()
