"""The workbench of every notebook: seeds, threads, style, and artefacts that are never left half written."""

from __future__ import annotations

import inspect
import json
import os
import random
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from safetensors.numpy import load_file, save_file

DEFAULT_RUN = "complete_journey"
RESERVED_RUNS = ("", ".", "..", "run", "figures")  # reports/run and reports/figures are the default run's


@contextmanager
def write_atomically(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside `path`, renamed onto it when the block ends well and removed when it does not.

    So a reader sees the old file or the new one, never a half: not after a full disk, not after `kill -9`.
    Raises whatever the block raises; the old file is then untouched.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        flush(temporary)
        temporary.chmod(path.stat().st_mode if path.exists() else 0o644)  # mkstemp made it private
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    with suppress(OSError):  # the rename itself reaches the disk where folders can be flushed
        flush(path.parent)


def project_root() -> Path:
    """Find the folder that has notebooks/: the one around the package (an editable install), else where we stand."""
    beside = Path(__file__).resolve().parents[1]
    return beside if (beside / "notebooks").is_dir() else Path.cwd()


def home() -> Path:
    """Say where artefacts and reports go: $RECOLAB_HOME, so that a trial run leaves real ones alone, else the project."""
    return (project_root() / os.environ.get("RECOLAB_HOME", "")).resolve()


def data_root() -> Path:
    """Say where downloaded data sets lie: $RECOLAB_DATA, relative to the project's root, else data/raw."""
    return project_root() / Path(os.environ.get("RECOLAB_DATA") or "data/raw").expanduser()


@dataclass(frozen=True)
class Lab:
    """One run of the notebooks: its random numbers, its artefacts, its figures.

    seed: what everything was seeded with    run: the name its artefacts go by    rng: draws of this notebook
    """

    seed: int
    run: str
    rng: np.random.Generator

    def __post_init__(self) -> None:
        if Path(self.run).name != self.run or self.run in RESERVED_RUNS:
            raise ValueError(f"run = {self.run!r} must be a plain folder name, such as 'my_shop'")

    @property
    def data_root(self) -> Path:
        """Where downloaded data sets lie."""
        return data_root()

    @property
    def reports(self) -> Path:
        """Where this run reports: reports/ for the default run, reports/<run>/ for any other."""
        return home() / "reports" / ("" if self.run == DEFAULT_RUN else self.run)

    @property
    def artefacts(self) -> Path:
        """Where this run keeps what one notebook makes and the next one reads: data/processed/<run>/."""
        return home() / "data" / "processed" / self.run

    @property
    def figures(self) -> Path:
        """Where this run's figures go; `make report` sets $RECOLAB_FIGURES, to publish them only when all went well."""
        return Path(os.environ.get("RECOLAB_FIGURES") or self.reports / "figures")

    def artefact(self, name: str) -> Path:
        """Name a file of this run, for what `save` does not write; its folder is there, the file need not be."""
        path = self.artefacts / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def save(self, name: str, thing: Any) -> Path:
        """Keep something for the notebooks that follow, whole or not at all; the suffix says how.

        .parquet, .csv: a Polars table    .json: plain values    .safetensors: a dict of arrays or tensors
        Raises ValueError for another suffix.
        """
        path = self.artefact(name)
        with write_atomically(path) as temporary:
            match path.suffix:
                case ".parquet":
                    thing.write_parquet(temporary)
                case ".csv":
                    thing.write_csv(temporary)
                case ".json":
                    temporary.write_text(json.dumps(thing, indent=1, ensure_ascii=False))
                case ".safetensors":
                    save_file({key: np.ascontiguousarray(array) for key, array in thing.items()}, temporary)
                case _:
                    raise _unknown_suffix(path)
        return path

    def load(self, name: str) -> Any:
        """Read what an earlier notebook saved: a Polars table, plain values or a dict of NumPy arrays.

        Raises FileNotFoundError that names the notebook to run first, ValueError for a suffix `save` does not write.
        """
        path = self.need(name)
        match path.suffix:
            case ".parquet":
                return pl.read_parquet(path)
            case ".csv":
                return pl.read_csv(path)
            case ".json":
                return json.loads(path.read_text())
            case ".safetensors":
                return load_file(path)
            case _:
                raise _unknown_suffix(path)

    @staticmethod
    def measured(name: str) -> pl.DataFrame | None:
        """Read the stamped table that `make benchmark` left in benchmarks/, and say how old it is; None without one."""
        path = project_root() / "benchmarks" / f"{name}.csv"
        if not path.exists():
            print(f"{path.name} is not there: `make benchmark NAME={name.split('_', maxsplit=1)[0]}...` measures it")
            return None
        table = pl.read_csv(path, schema_overrides={"commit": pl.String})  # 673e396 is no number
        stamps = ("measured", "commit", "processor")  # tables of before 2026-12 do not name the last
        told = {one: " and ".join(table[one].drop_nulls().unique().sort()) for one in stamps if one in table.columns}
        on = f" on {told['processor']}" if told.get("processor") else ""
        print(f"benchmarks/{path.name}, measured {told['measured']} at commit {told['commit']}{on}")
        return table.drop(*told)

    @staticmethod
    def noted(name: str) -> pl.DataFrame:
        """Read a table of benchmarks/ that is kept by hand: what others published, what was tried."""
        return pl.read_csv(project_root() / "benchmarks" / f"{name}.csv")

    def need(self, name: str) -> Path:
        """Name a file of this run that must be there; raises FileNotFoundError that names the notebook to run first."""
        path = self.artefact(name)
        if not path.exists():
            first = (
                f"run notebooks/{writer}" if (writer := _first_to_mention(name)) else "run the notebooks before this"
            )
            raise FileNotFoundError(f"{path} is missing: {first} with RUN = {self.run!r} first, or `make report`")
        return path

    def save_figure(self, figure: Any, name: str) -> Path:
        """Write a figure (or the figure around some axes) as a PNG of 150 dpi that carries its own title.

        name: a plain name such as "02_dropped_rows"  ->  where it lies
        """
        figure = figure if hasattr(figure, "savefig") else figure.figure
        path = self.figures / f"{name}.png"
        titles = [figure.get_suptitle(), *(axes.get_title("left") or axes.get_title() for axes in figure.axes)]
        title = next(filter(None, titles), name).replace("\n", " ")
        with write_atomically(path) as temporary:
            figure.savefig(temporary, dpi=150, bbox_inches="tight", metadata={"Title": title})
        return path

    @staticmethod
    def show_source(*things: Callable[..., Any] | type) -> Any:
        """Show the code behind some names, highlighted, so that a notebook explains without defining."""
        from IPython.display import Code  # noqa: PLC0415  (only notebooks have IPython)

        class Source(Code):
            """Code in the font of code: a page takes the one of its sentences for what a cell puts out."""

            def _repr_html_(self) -> str:
                font = "<style>.highlight pre { font: 12px var(--jp-code-font-family, monospace); }</style>"
                return f"{font}{super()._repr_html_()}"  # type: ignore[no-untyped-call]

        text = "\n\n".join(textwrap.dedent(inspect.getsource(thing)) for thing in things)
        return Source(text, language="python")  # type: ignore[no-untyped-call]


def open_lab(seed: int, run: str = DEFAULT_RUN) -> Lab:
    """Seed everything, take the machine's cores, set the house style, and find this run's folders.

    seed: any int >= 0    run: the name its artefacts go by, a plain folder name  (ValueError otherwise)
    """
    import torch  # noqa: PLC0415  (two seconds that only learning pays, not who serves)

    lab = Lab(seed, run, np.random.default_rng(seed))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  (Surprise draws from NumPy's global state)
    torch.manual_seed(seed)
    torch.set_num_threads(_cores())
    from recolab.plots import house_style  # noqa: PLC0415  (the light core has no matplotlib)

    house_style()
    pl.Config(tbl_rows=20, fmt_str_lengths=80, tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True)
    return lab


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unknown_suffix(path: Path) -> ValueError:
    return ValueError(f"{path.name}: {path.suffix!r} is not one of .parquet, .csv, .json, .safetensors")


def _first_to_mention(name: str) -> str:
    """The notebook that writes an artefact runs before those that read it, so it is the first to mention it."""
    for notebook in sorted((project_root() / "notebooks").glob("*.ipynb")):
        source = "".join("".join(cell["source"]) for cell in json.loads(notebook.read_text())["cells"])
        if f'"{name}"' in source:
            return notebook.name
    return ""


def _cores() -> int:
    """Count the physical cores this process may use: a second thread on one core only slows a matrix product down."""
    import psutil  # noqa: PLC0415  (comes with the kernel of a notebook)

    if wished := os.environ.get("OMP_NUM_THREADS"):
        return int(wished)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, psutil.cpu_count(logical=False) or allowed)
