"""What makes a finished notebook out of date: itself, its parameters, the package, or a notebook that it stands on."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import nbformat

from recolab.lab import project_root, write_atomically


@dataclass(frozen=True)
class Stamp:
    """What is remembered of a notebook that ran to its end.

    fingerprint: what it was run from    seconds, peak_gb: what it took
    artefacts, figures: path -> time (ns) of each file it wrote, in the order of writing
    """

    fingerprint: str
    seconds: float
    peak_gb: float
    artefacts: dict[str, int]
    figures: dict[str, int]

    def save(self, path: Path) -> None:
        """Write the stamp beside the executed copy."""
        with write_atomically(path) as temporary:
            temporary.write_text(json.dumps(asdict(self), indent=1))

    def stands(self, fingerprint: str, copies: Iterable[Path], last_written: Mapping[str, int]) -> bool:
        """Tell whether nothing has to run again: nothing that matters changed, and all that was written is still there.

        copies: the executed notebook and its page    last_written: artefact -> time (ns) by the last report's notebooks,
        for someone may have run a notebook by hand since
        """
        untouched = all(_written(Path(path)) == last_written.get(path) for path in self.artefacts)
        return (
            self.fingerprint == fingerprint and untouched and all(map(Path.exists, [*map(Path, self.figures), *copies]))
        )


def read_stamp(path: Path) -> Stamp | None:
    """Read a stamp; None where there is none, or one of another version."""
    try:
        return Stamp(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def fingerprint(notebook: Path, parameters: dict[str, Any], package: str, before: list[Stamp]) -> str:
    """Name by one hash all that a notebook's outcome hangs on.

    The tables of benchmarks/ that the notebook reads count too.
    package: `package_fingerprint()`    before: the stamps of the earlier notebooks; those that left artefacts count
    """
    cells = [(cell.cell_type, cell.source) for cell in nbformat.read(notebook, as_version=4).cells]
    asked = re.findall(r'(?:measured|noted)\("(\w+)"\)', "\n".join(source for _, source in cells))
    tables = [table.read_text() for name in asked if (table := project_root() / "benchmarks" / f"{name}.csv").exists()]
    reading = parameters.get("READING") or {}
    logs = [Path(path) for path in (parameters.get("EVENTS"), reading.get("items")) if path]
    files = [[log.stat().st_size, log.stat().st_mtime_ns] for log in logs if log.is_file()]
    upstream = [stamp.fingerprint for stamp in before if stamp.artefacts]
    return _hash(
        json.dumps([cells, tables, parameters, files, package, upstream], sort_keys=True, default=str).encode()
    )


def package_fingerprint(package: Path | None = None) -> str:
    """Name by one hash the package's sources, the pinned libraries and the Python; how a report is written is no part.

    package: its folder, else that of recolab
    """
    package = package or Path(__file__).resolve().parents[1]
    sources = [file for file in sorted(package.rglob("*.py")) if file.relative_to(package).parts[0] != "report"]
    pins = project_root() / "constraints.txt"
    texts = [str(file.relative_to(package)).encode() + b"\0" + file.read_bytes() for file in sources]
    return _hash(b"\0".join([sys.version.encode(), pins.read_bytes() if pins.exists() else b"", *texts]))


def files_in(folder: Path) -> dict[str, int]:
    """Remember when every file below a folder was last written, to see later which ones are new."""
    found = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")]
    return {str(file): written for written, file in sorted((file.stat().st_mtime_ns, file) for file in found)}


def written_since(before: Mapping[str, int], folder: Path) -> dict[str, int]:
    """List what is new or rewritten below a folder, oldest first."""
    return {file: written for file, written in files_in(folder).items() if before.get(file) != written}


def _written(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
