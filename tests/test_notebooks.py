"""Every notebook, in order, on tiny sizes, by the command that makes the report, and far from real artefacts."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))

# They feed each other, so they are one chain, and one worker's job.
pytestmark = pytest.mark.xdist_group("notebooks")


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """Run all of them once; -> the folder of executed copies, and what the command printed."""
    home = tmp_path_factory.mktemp("smoke")
    done = subprocess.run(
        [sys.executable, "-m", "recolab.report", "--smoke"],
        env=os.environ | {"RECOLAB_HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    print(done.stdout)
    return home / "reports" / "smoke", done


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end_on_tiny_sizes(notebook, smoke):
    folder, done = smoke
    executed = folder / "run" / notebook.name
    if (folder / "run" / f"{notebook.stem}.unfinished.ipynb").exists() or not (folder / "run").exists():
        pytest.fail(done.stderr[-6000:], pytrace=False)
    assert executed.exists(), "a notebook before this one failed"
    cells = nbformat.read(executed, as_version=4).cells
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code" and cell.source.strip())
    assert (folder / "run" / f"{notebook.stem}.html").stat().st_size > 0


@pytest.mark.skipif(not NOTEBOOKS, reason="there are no notebooks yet")
def test_the_smoke_run_ends_in_a_report(smoke):
    folder, done = smoke
    assert done.returncode == 0, done.stderr[-2000:]
    assert (folder / "README.md").read_text().startswith("# Report: smoke")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_warns_of_nothing(notebook, smoke):
    executed = smoke[0] / "run" / notebook.name
    if not executed.exists():
        pytest.skip("it did not run")
    outputs = [out for cell in nbformat.read(executed, as_version=4).cells for out in cell.get("outputs", [])]
    assert not [out.text for out in outputs if out.output_type == "stream" and "Warning" in out.text]
