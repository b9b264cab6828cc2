"""Tables that outlive the run that measured them: each row says when, and at which commit."""

from __future__ import annotations

import subprocess
from datetime import date

import polars as pl

from recolab.lab import project_root, write_atomically


def write_table(name: str, table: pl.DataFrame) -> None:
    """Write benchmarks/<name>.csv, stamped with the day and the commit, "+" where files differed from it."""
    commit = _git("rev-parse", "--short", "HEAD") + (
        "+" if _git("status", "--porcelain", "recolab", "benchmarks") else ""
    )
    stamped = table.with_columns(measured=pl.lit(f"{date.today()}"), commit=pl.lit(commit))
    with write_atomically(project_root() / "benchmarks" / f"{name}.csv") as temporary:
        stamped.write_csv(temporary)


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], cwd=project_root(), capture_output=True, text=True, check=True
    ).stdout.strip()
