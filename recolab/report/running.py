"""The one way notebooks are run: in order, each in a fresh kernel of this very Python, and not without need."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import papermill
import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbconvert import HTMLExporter

from recolab.lab import Lab, write_atomically
from recolab.report.page import publish
from recolab.report.parameters import settle
from recolab.report.stamps import Stamp, files_in, fingerprint, package_fingerprint, read_stamp, written_since

logging.getLogger("papermill").setLevel(logging.ERROR)  # unknown parameters are our own error, and a real one
_WIDGET = "application/vnd.jupyter.widget-view+json"


class NotebookFailedError(RuntimeError):
    """A notebook stopped before its end; the message has its traceback and says where the partial copy lies."""


class ThisPython(AsyncKernelManager):
    """Start kernels from the running interpreter, whatever `python3` means to Jupyter on this machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """The one kernel there is."""
        # Its one warning, that messages to this very machine are not encrypted, would be printed for every notebook.
        quietly = ["--log-level=ERROR", "--HistoryManager.enabled=False"]
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}", *quietly]
        return KernelSpec(argv=command, display_name="Python 3", language="python")


def make_report(
    notebooks: list[Path], shared: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]] | None = None
) -> Path:
    """Run what is out of date, in order, then publish leaderboard, figures and README; what stands is left alone.

    notebooks: in the order to run    shared: parameters for all, with RUN    told: a parameter file's contents
    ->  the report's folder
    Raises UnknownParameterError before anything runs, NotebookFailedError at the first failure: later ones do not run
    and the old report stays as it was.
    """
    lab = Lab(0, shared["RUN"], np.random.default_rng(0))
    chosen = settle(notebooks, shared, told or {})
    folder = lab.reports / "run"
    folder.mkdir(parents=True, exist_ok=True)
    old = {notebook: read_stamp(folder / f"{notebook.stem}.json") for notebook in notebooks}
    last_written = {path: written for stamp in old.values() if stamp for path, written in stamp.artefacts.items()}
    package, stamps, news = package_fingerprint(), dict[Path, Stamp](), False
    for notebook, parameters in chosen.items():
        mark = fingerprint(notebook, parameters, package, list(stamps.values()))
        stamp, copies = old[notebook], [folder / f"{notebook.stem}{suffix}" for suffix in (".ipynb", ".html")]
        if stamp is None or not stamp.stands(mark, copies, last_written):
            stamp, news = _run(notebook, parameters, mark, lab), True
            print(f"{notebook.stem:<28} {stamp.seconds:7.1f} s   {stamp.peak_gb:5.2f} GB", flush=True)
        else:
            print(f"{notebook.stem:<28} up to date", flush=True)
        stamps[notebook] = stamp
    if news or not (lab.reports / "README.md").exists():
        publish(lab, stamps)
    return lab.reports


def _run(notebook: Path, parameters: dict[str, Any], mark: str, lab: Lab) -> Stamp:
    """Execute one notebook under an unfinished name, which it loses at the end."""
    folder = lab.reports / "run"
    note = folder / f"{notebook.stem}.json"
    note.unlink(missing_ok=True)  # from here on its artefacts may be a mixture, until it comes to its end
    unfinished, staged = folder / f"{notebook.stem}.unfinished.ipynb", folder / "figures"
    artefacts, figures = files_in(lab.artefacts), files_in(staged)
    started = time.perf_counter()
    with _environment(RECOLAB_FIGURES=str(staged)), _peak_memory() as peak:
        try:
            papermill.execute_notebook(
                notebook,
                unfinished,
                parameters,
                kernel_name="python3",
                cwd=notebook.parent,
                progress_bar={"desc": notebook.stem, "unit": "cell", "leave": False},
                kernel_manager_class=ThisPython,
            )
        except Exception as error:
            raise NotebookFailedError(f"{error}\n{notebook.name} failed; as far as it came: {unfinished}") from error
    seconds = time.perf_counter() - started
    _write_html(unfinished, folder / f"{notebook.stem}.html")
    unfinished.replace(folder / notebook.name)
    written = written_since(artefacts, lab.artefacts), written_since(figures, staged)
    stamp = Stamp(mark, round(seconds, 1), round(peak[0] / 1e9, 2), *written)
    stamp.save(note)
    return stamp


def _write_html(notebook: Path, path: Path) -> None:
    """Make a page of its own, pictures inside; of what moved while it ran, the still picture is left where there is one."""
    content = nbformat.read(notebook, as_version=4)
    content.metadata.pop("widgets", None)
    for cell in content.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _stands_still(output)]
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(content)
    with write_atomically(path) as temporary:
        temporary.write_text(page)


def _stands_still(output: Any) -> bool:
    """Take the widget out of an output  ->  whether there is anything left to look at."""
    moved = output.get("data", {}).pop(_WIDGET, None)
    return moved is None or "text/html" in output.data


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Let kernels inherit some variables, and put the old ones back."""
    old = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """Watch the kernel from outside, ten times a second: its largest resident memory, with its children, in bytes."""
    peak, done = [0], threading.Event()
    earlier = set(psutil.Process().children(recursive=True))

    def watch() -> None:
        while not done.wait(0.1):
            peak[0] = max(peak[0], sum(map(_resident, set(psutil.Process().children(recursive=True)) - earlier)))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
