"""Environments of the peers' own: made once, and made anew where their list of requirements has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from recolab.lab import DEFAULT_RUN, open_lab, project_root


def python_of(peer: str) -> Path:
    """Find the interpreter that has what benchmarks/peers/<peer>.txt pins, installing it the first time."""
    pins = Path(__file__).parent / f"{peer}.txt"
    home = open_lab(0, DEFAULT_RUN).artefact("peers") / peer
    python, stamp = home / "bin" / "python", home / "installed.txt"
    if not stamp.exists() or stamp.read_text() != pins.read_text():
        for words in (
            [sys.executable, "-m", "venv", "--clear", str(home)],
            [str(python), "-m", "pip", "install", "--requirement", str(pins)],
        ):
            subprocess.run(words, check=True, stdout=sys.stderr)  # standard output is for figures
        stamp.write_text(pins.read_text())
    return python


def run_peer(peer: str, folder: Path, *words: str) -> None:
    """Run a peer's script in its environment; what it writes goes into `folder`, what it says to standard error."""
    command = [str(python_of(peer)), "-m", f"benchmarks.peers.{peer}_sasrec", *words]
    environment = os.environ | {"PYTHONPATH": str(project_root())}
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=sys.stderr)
