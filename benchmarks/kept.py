"""What a long benchmark has measured is kept, so that one that was stopped goes on where it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.stamped import code_version
from recolab.lab import DEFAULT_RUN, open_lab, write_atomically


def kept(benchmark: str, case: str, measure: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Read what this case gave before with the same code, or measure it now; uncommitted code has no name to find it by."""
    path = folder(benchmark) / f"{case}.parquet"
    if not path.exists() or code_version().endswith("+"):
        found = measure()
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_atomically(path) as temporary:
            found.write_parquet(temporary)
    return pl.read_parquet(path)


def folder(benchmark: str) -> Path:
    """Say where a benchmark keeps its cases: other code, another folder."""
    return open_lab(0, DEFAULT_RUN).artefact(benchmark) / code_version()
