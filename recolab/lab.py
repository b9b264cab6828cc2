"""The workbench of every notebook: seeds, threads, style, and artefacts that are never left half written."""

from __future__ import annotations

import inspect
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

DEFAULT_RUN = "complete_journey"


@contextmanager
def write_atomically(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside `path`, renamed onto it when the block ends well and removed when it does not.

    So a reader sees the old file or the new one, never a half: not after a full disk, not after `kill -9`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def project_root() -> Path:
    """Find the folder that holds notebooks/, data/ and reports/: $RECOLAB_HOME, else the package's, else here."""
    if home := os.environ.get("RECOLAB_HOME"):
        return Path(home).resolve()
    beside = Path(__file__).resolve().parents[1]
    return beside if (beside / "notebooks").is_dir() else Path.cwd()


@dataclass
class Lab:
    """One run of the notebooks: its random numbers, its artefacts, its figures."""

    seed: int
    run: str
    root: Path
    rng: np.random.Generator

    @property
    def data_root(self) -> Path:
        """Where downloaded data sets lie: $RECOLAB_DATA (relative to the project's root), else data/raw."""
        return self.root / os.environ.get("RECOLAB_DATA", "data/raw")

    @property
    def reports(self) -> Path:
        """Where this run reports: reports/ for the default run, reports/<run>/ for any other."""
        return self.root / "reports" if self.run == DEFAULT_RUN else self.root / "reports" / self.run

    def artefact(self, name: str) -> Path:
        """Name a file of this run: data/processed/<run>/<name>."""
        path = self.root / "data" / "processed" / self.run / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save(self, name: str, thing: Any) -> Path:
        """Keep a table (.parquet, .csv) or plain values (.json) for the notebooks that follow."""
        path = self.artefact(name)
        with write_atomically(path) as temporary:
            if path.suffix == ".json":
                temporary.write_text(json.dumps(thing, indent=1))
            elif path.suffix == ".csv":
                thing.write_csv(temporary)
            elif path.suffix == ".parquet":
                thing.write_parquet(temporary)
            else:
                raise ValueError(f"{name}: save writes .parquet, .csv and .json, not {path.suffix!r}")
        return path

    def load(self, name: str) -> Any:
        """Read what an earlier notebook saved; raises FileNotFoundError that says which step is missing."""
        path = self.need(name)
        if path.suffix == ".json":
            return json.loads(path.read_text())
        return pl.read_csv(path) if path.suffix == ".csv" else pl.read_parquet(path)

    def need(self, name: str) -> Path:
        """Name an artefact that must be there already."""
        path = self.artefact(name)
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: run the notebooks before this one first, or `make report`")
        return path

    def save_figure(self, axes: Any, name: str) -> Path:
        """Write a figure as PNG into this run's figures folder."""
        path = self.reports / "figures" / f"{name}.png"
        figure = axes.figure if hasattr(axes, "figure") else axes
        with write_atomically(path) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight")
        return path

    @staticmethod
    def show_source(thing: Callable[..., Any] | type) -> Any:
        """Show the code behind a name, so that a notebook explains without defining."""
        from IPython.display import Code  # noqa: PLC0415  (only notebooks have IPython)

        return Code(inspect.getsource(thing), language="python")


def open_lab(seed: int, run: str = DEFAULT_RUN) -> Lab:
    """Seed everything, take the machine's cores, set the house style, and find this run's folders.

    seed: any int    run: the name its artefacts go by, a plain folder name  (ValueError otherwise)
    """
    if not run or Path(run).name != run:
        raise ValueError(f"run = {run!r} must be a plain folder name, such as 'my_shop'")
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (Surprise draws from NumPy's global state)
    torch.manual_seed(seed)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", 0)) or len(os.sched_getaffinity(0)))
    from recolab.plots import house_style  # noqa: PLC0415  (the light core has no matplotlib)

    house_style()
    return Lab(seed, run, project_root(), np.random.default_rng(seed))
