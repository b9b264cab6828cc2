"""Tables that outlive the run that measured them: each row says when, and at which state of the code."""

from __future__ import annotations

import subprocess
from datetime import date
from functools import cache

import polars as pl

from recolab.lab import project_root, write_atomically

CODE = ("recolab", "benchmarks/*.py")


@cache
def code_version() -> str:
    """Name the last commit that changed code, "+" where files differ from it; asked once, since a long run keeps what it began with."""
    return _git("log", "-1", "--format=%h", "--", *CODE) + ("+" if _git("status", "--porcelain", "--", *CODE) else "")


def write_table(name: str, table: pl.DataFrame, replacing: str | None = None) -> None:
    """Write benchmarks/<name>.csv, stamped with the day and the code; rows with another value in column `replacing` stay."""
    path = project_root() / "benchmarks" / f"{name}.csv"
    stamped = table.with_columns(measured=pl.lit(f"{date.today()}"), commit=pl.lit(code_version()))
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
