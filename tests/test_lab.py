"""recolab.lab: the same draws for the same seed, and artefacts that are whole or not there."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from recolab import lab as lab_module
from recolab import plots
from recolab.lab import open_lab, project_root, write_atomically


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("RECOLAB_HOME", str(tmp_path))
    monkeypatch.delenv("RECOLAB_FIGURES", raising=False)
    return open_lab(7, "trial")


def draws():
    return [random.random(), np.random.rand(), torch.rand(1).item()]  # noqa: NPY002


def test_the_same_seed_gives_the_same_draws_from_all_four_sources(lab):
    first = [*draws(), lab.rng.random()]
    again = open_lab(7, "trial")
    assert [*draws(), again.rng.random()] == first
    other = open_lab(8, "trial")
    assert all(a != b for a, b in zip([*draws(), other.rng.random()], first, strict=True))


def test_torch_uses_the_threads_it_is_given(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    try:
        open_lab(7)
        assert torch.get_num_threads() == 3
        monkeypatch.delenv("OMP_NUM_THREADS")
        open_lab(7)
        assert 1 <= torch.get_num_threads() <= os.cpu_count()
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("run", ["", ".", "..", "../x", "a/b", "/tmp", "run", "figures"])
def test_a_run_that_is_no_plain_folder_name_is_refused(run):
    with pytest.raises(ValueError, match="plain folder name"):
        open_lab(7, run)


def test_the_project_is_found_from_any_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECOLAB_HOME", raising=False)
    monkeypatch.delenv("RECOLAB_FIGURES", raising=False)
    assert (project_root() / "recolab" / "lab.py").exists()
    assert open_lab(7).reports == project_root() / "reports"
    assert open_lab(7).figures == project_root() / "reports" / "figures"
    assert open_lab(7, "shop").figures == project_root() / "reports" / "shop" / "figures"


def test_an_installed_package_without_notebooks_works_where_you_stand(tmp_path, monkeypatch):
    monkeypatch.setattr(lab_module, "__file__", str(tmp_path / "site-packages" / "recolab" / "lab.py"))
    monkeypatch.chdir(tmp_path)
    assert project_root() == tmp_path


def test_data_lies_where_recolab_data_says_seen_from_the_project(lab, tmp_path, monkeypatch):
    monkeypatch.delenv("RECOLAB_DATA", raising=False)
    assert lab.data_root == project_root() / "data" / "raw"
    monkeypatch.setenv("RECOLAB_DATA", "../shared/data")
    assert lab.data_root == project_root() / "../shared/data"
    monkeypatch.setenv("RECOLAB_DATA", str(tmp_path))
    assert lab.data_root == tmp_path


def test_what_is_saved_is_loaded_again_by_its_suffix(lab, tmp_path):
    table = pl.DataFrame({"a": [1, 2], "b": ["x", "ü"]})
    assert lab.save("t.parquet", table) == tmp_path / "data" / "processed" / "trial" / "t.parquet"
    lab.save("t.csv", table)
    lab.save("settings.json", {"weight": 0.5, "name": "Größe"})
    lab.save("weights.safetensors", {"w": torch.eye(2), "v": np.arange(6).reshape(2, 3).T})
    assert lab.load("t.parquet").equals(table)
    assert lab.load("t.csv").equals(table)
    assert lab.load("settings.json") == {"weight": 0.5, "name": "Größe"}
    loaded = lab.load("weights.safetensors")
    np.testing.assert_array_equal(loaded["w"], np.eye(2, dtype=np.float32))
    np.testing.assert_array_equal(loaded["v"], [[0, 3], [1, 4], [2, 5]])


def test_an_unknown_suffix_is_refused_and_leaves_nothing(lab):
    with pytest.raises(ValueError, match=r"'\.pkl' is not one of \.parquet"):
        lab.save("model.pkl", {})
    assert list(lab.artefacts.iterdir()) == []
    lab.artefact("model.pkl").touch()
    with pytest.raises(ValueError, match=r"'\.pkl'"):
        lab.load("model.pkl")


def test_a_missing_artefact_names_the_notebook_that_writes_it(lab, tmp_path, monkeypatch):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name, line in [("03_split", 'lab.save("split.parquet", past)'), ("06_model", 'lab.load("split.parquet")')]:
        (folder / f"{name}.ipynb").write_text(json.dumps({"cells": [{"source": [line]}]}))
    monkeypatch.setattr(lab_module, "project_root", lambda: tmp_path)
    with pytest.raises(FileNotFoundError, match=r"run notebooks/03_split\.ipynb with RUN = 'trial' first"):
        lab.load("split.parquet")
    with pytest.raises(FileNotFoundError, match="run the notebooks before this"):
        lab.load("nobody_writes.parquet")


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "deep" / "table.csv"
    with write_atomically(path) as temporary:
        temporary.write_text("old")

    def write_onto_a_full_disk():
        with write_atomically(path) as temporary:
            temporary.write_text("ne")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_onto_a_full_disk()
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == ["table.csv"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_text("old")
    script = f"""
        import os, signal
        from recolab.lab import write_atomically
        with write_atomically({str(path)!r}) as temporary:
            temporary.write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_no_artefact_is_lost_to_a_full_disk(lab, tmp_path):
    table, arrays = pl.DataFrame({"a": range(9)}), {"w": np.arange(9)}
    things = {"t.parquet": table, "t.csv": table, "t.json": [1], "t.safetensors": arrays}
    for name, thing in things.items():
        lab.save(name, thing)
    old = {file.name: file.read_bytes() for file in lab.artefacts.iterdir()}
    script = """
        import resource
        import numpy as np, polars as pl
        from recolab.lab import open_lab
        lab, noise = open_lab(7, "trial"), np.random.default_rng(7).random(100_000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
        table = pl.DataFrame({"a": noise})
        things = {"t.parquet": table, "t.csv": table, "t.json": noise.tolist(), "t.safetensors": {"w": noise}}
        for name, thing in things.items():
            try:
                lab.save(name, thing)
            except Exception as error:
                print(name, error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines() if "File too large" in line] == list(things)
    assert {file.name: file.read_bytes() for file in lab.artefacts.iterdir()} == old


def test_the_temporary_name_keeps_the_suffix_and_the_file_its_permissions(tmp_path):
    path = tmp_path / "t.parquet"
    with write_atomically(path) as temporary:
        assert temporary.suffix == ".parquet"
        assert temporary.parent == tmp_path
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o600)
    with write_atomically(path) as temporary:
        temporary.write_text("secret")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_light_core_can_write_without_drawing():
    script = "import sys, recolab.lab; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_saved_figure_carries_its_title_and_has_150_dots_per_inch(lab, tmp_path):
    axes = plots.long_tail([3, 2, 1], title="Few items\nhold most")
    path = lab.save_figure(axes, "02_tail")
    assert path == tmp_path / "reports" / "trial" / "figures" / "02_tail.png"
    with Image.open(path) as picture:
        assert picture.info["Title"] == "Few items hold most"
        assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    axes.figure.suptitle("")
    axes.set_title("Said by\nthe axes")
    with Image.open(lab.save_figure(axes.figure, "02_tail")) as picture:
        assert picture.info["Title"] == "Said by the axes"


def test_figures_go_where_the_report_gathers_them(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("RECOLAB_FIGURES", str(tmp_path / "staged"))
    assert lab.save_figure(plots.long_tail([1]), "x") == tmp_path / "staged" / "x.png"


def test_source_is_shown_with_its_definition(lab):
    shown = lab.show_source(write_atomically)
    assert "def write_atomically(" in shown.data
    assert 'class="highlight"' in shown._repr_html_()
    assert "monospace" in shown._repr_html_()
    both = lab.show_source(write_atomically, type(lab).need).data
    assert "def write_atomically(" in both
    assert "\n\ndef need(" in both  # a method is shown without its class's indent


def test_a_table_kept_by_hand_is_read_as_it_stands(lab, monkeypatch, tmp_path):
    monkeypatch.setattr(lab_module, "project_root", lambda: tmp_path)
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "others.csv").write_text("model,ndcg@10\na,0.5\n")
    assert lab.noted("others").rows() == [("a", 0.5)]
