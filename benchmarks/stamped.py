"""Tables that outlive the run that measured them: each row says when, at which state of the code, and on what."""

from __future__ import annotations

import os
import subprocess
from datetime import date
from functools import cache

import polars as pl
import torch

from recolab.lab import project_root, write_atomically

CODE = ("recolab", "benchmarks/*.py")


@cache
def code_version() -> str:
    """Name the last commit that changed code, "+" where files differ from it; asked once, since a long run keeps what it began with."""
    return _git("log", "-1", "--format=%h", "--", *CODE) + ("+" if _git("status", "--porcelain", "--", *CODE) else "")


def processor() -> str:
    """Say how many cores there are, and how wide torch's kernels calculate on them: minutes of AVX512 are not those of AVX2."""
    return f"{os.cpu_count()} x {torch.backends.cpu.get_cpu_capability()}"


def write_table(name: str, table: pl.DataFrame, replacing: str | None = None) -> None:
    """Write benchmarks/<name>.csv, stamped with the machine, the day and the code; rows with another value in column `replacing` stay."""
    path = project_root() / "benchmarks" / f"{name}.csv"
    stamps = {"processor": processor(), "measured": f"{date.today()}", "commit": code_version()}
    stamped = table.with_columns(**{name: pl.lit(stamp) for name, stamp in stamps.items()})
    if replacing and path.exists():
        others = pl.read_csv(path, schema_overrides={"commit": pl.String}).filter(
            ~pl.col(replacing).is_in(table[replacing].implode())
        )
        stamped = pl.concat([stamped, others], how="diagonal_relaxed")  # older rows may lack a column
    with write_atomically(path) as temporary:
        stamped.write_csv(temporary)


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=project_root(), capture_output=True, text=True, check=True
    ).stdout.strip()
