"""recolab.report: what is out of date runs, in order; what fails stops the rest and spares the old report."""

import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import nbformat
import polars as pl
import pytest

from recolab.report.__main__ import main
from recolab.report.page import markdown_table
from recolab.report.parameters import (
    UnknownParameterError,
    defaults,
    read_parameter_file,
    settle,
    shared_parameters,
)
from recolab.report.running import _write_html
from recolab.report.stamps import Stamp, files_in, fingerprint, package_fingerprint, read_stamp, written_since

KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
PARAMETERS = 'SEED = 7\nDATA = "complete_journey"\nEVENTS = ""\nRUN: str = "complete_journey"\nSIZE = 2 * 3  # rows\n'
WRITE = """
import os, sys
from pathlib import Path
folder = Path(os.environ["RECOLAB_HOME"]) / "data" / "processed" / RUN
folder.mkdir(parents=True, exist_ok=True)
(folder / "python.txt").write_text(sys.executable)
(folder / "told.txt").write_text(f"{DATA}|{EVENTS}|{RUN}")
(folder / "note.json").write_text('"Made up for a test."')
(folder / "leaderboard.csv").write_text(
    "task,model,users,ndcg@10,ndcg@10_low,ndcg@10_high\\nrepeats,Hybrid,1200,0.5,0.4,0.6\\nnew items,EASE,7,0.2,0.1,0.3\\n"
)
(folder / "lifts.csv").write_text("task,lift,low,high,better\\nrepeats,12.34,9.0,15.06,1.0\\n")
print("cells ran in", Path.cwd().name)
"""
DRAW = """
import os
from pathlib import Path
from PIL import Image
from PIL.PngImagePlugin import PngInfo
info = PngInfo()
info.add_text("Title", "A finding")
folder = Path(os.environ["RECOLAB_FIGURES"])
folder.mkdir(parents=True, exist_ok=True)
Image.new("RGB", (4, 4)).save(folder / "02_dot.png", pnginfo=info)
"""


def write_notebook(folder, name, *cells, parameters=PARAMETERS):
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = [nbformat.v4.new_markdown_cell(f"# {name}")]
    if parameters:
        notebook.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    notebook.cells += [nbformat.v4.new_code_cell(cell) for cell in cells]
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


@dataclass
class Step:
    """What one `make report` printed and left."""

    code: int
    ran: list[str]
    stood: list[str]
    errors: str
    readme: str
    written: int
    files: list[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """One folder of two notebooks through all that happens to it: made, left alone, changed, broken, mended."""
    home = tmp_path_factory.mktemp("home")
    notebooks, reports = home / "notebooks", home / "reports"
    log = home / "my log.csv"
    log.write_text("user_id,item_id,timestamp\n")
    # Another environment's `python3` comes first in Jupyter's search, and it cannot run anything.
    kernel = home / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))

    def report() -> Step:
        out, errors = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(errors):
            code = main(["--events", str(log), "--run", "trial"], notebooks)
        lines = out.getvalue().splitlines()
        folder = reports / "trial"
        return Step(
            code,
            [line.split()[0] for line in lines if line.endswith(" GB")],
            [line.split()[0] for line in lines if line.endswith("up to date")],
            errors.getvalue(),
            (folder / "README.md").read_text(),
            (folder / "README.md").stat().st_mtime_ns,
            sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()),
        )

    steps = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECOLAB_HOME", str(home))
        patch.setenv("JUPYTER_PATH", str(home / "jupyter"))
        patch.delenv("RECOLAB_FIGURES", raising=False)
        write_notebook(notebooks, "01_write", WRITE)
        write_notebook(notebooks, "02_draw", DRAW)
        steps["made"] = report()
        steps["left alone"] = report()
        write_notebook(notebooks, "02_draw", "changed = 1", DRAW)
        steps["second changed"] = report()
        (home / "data" / "processed" / "trial" / "told.txt").write_text("by hand")
        steps["artefact touched"] = report()
        write_notebook(notebooks, "01_write", "1 / 0", WRITE)
        steps["broken"] = report()
        write_notebook(notebooks, "01_write", WRITE)
        steps["mended"] = report()
        write_notebook(notebooks, "01_write", "1 / 1", WRITE)
        steps["first changed"] = report()
    return home, steps


def test_the_first_run_makes_the_whole_report(story):
    _, steps = story
    made = steps["made"]
    assert (made.code, made.ran) == (0, ["01_write", "02_draw"]), made.errors
    assert made.files == [
        "README.md",
        "figures/02_dot.png",
        "leaderboard.csv",
        "run/01_write.html",
        "run/01_write.ipynb",
        "run/01_write.json",
        "run/02_draw.html",
        "run/02_draw.ipynb",
        "run/02_draw.json",
        "run/figures/02_dot.png",
    ]


def test_the_readme_has_note_leaderboards_and_figures_with_their_titles(story):
    readme = story[1]["made"].readme
    assert readme.startswith("# Report: trial\n")
    assert "**Data.** Made up for a test." in readme
    assert (
        "### repeats\n\n| model | users | ndcg@10 |\n| --- | ---: | ---: |\n| Hybrid | 1,200 | 0.5000 (0.40" in readme
    )
    assert "### new items" in readme
    assert "| task | ndcg@10, % more (95 % interval) |\n| --- | --- |\n| repeats | 12.3 (9.0 to 15.1) |" in readme
    assert "## [02_draw](../../notebooks/02_draw.ipynb)\n\n![A finding](figures/02_dot.png)" in readme
    assert "| notebook | seconds | peak memory, GB |" in readme


def test_a_kernel_is_this_python_and_runs_beside_the_notebooks(story):
    home, _ = story
    artefacts = home / "data" / "processed" / "trial"
    assert (artefacts / "python.txt").read_text() == sys.executable
    assert "cells ran in notebooks" in (home / "reports" / "trial" / "run" / "01_write.html").read_text()


def test_parameters_reach_the_notebook_also_with_a_space_in_the_path(story):
    home, _ = story
    told = (home / "data" / "processed" / "trial" / "told.txt").read_text()
    assert told == f"tabular|{home / 'my log.csv'}|trial"


def test_seconds_and_peak_memory_are_measured(story):
    stamp = read_stamp(story[0] / "reports" / "trial" / "run" / "01_write.json")
    assert 0.1 < stamp.seconds < 60
    assert 0.02 < stamp.peak_gb < 1  # a bare kernel has some 70 MB


def test_what_is_up_to_date_is_not_run_again(story):
    step = story[1]["left alone"]
    assert (step.code, step.ran, step.stood) == (0, [], ["01_write", "02_draw"])
    assert step.written == story[1]["made"].written


def test_a_changed_notebook_runs_again_and_those_before_it_do_not(story):
    step = story[1]["second changed"]
    assert (step.ran, step.stood) == (["02_draw"], ["01_write"])


def test_an_artefact_that_someone_else_wrote_is_made_again(story):
    step = story[1]["artefact touched"]
    assert (step.ran, step.stood) == (["01_write"], ["02_draw"])


def test_a_failure_shows_its_traceback_leaves_its_copy_and_stops_the_rest(story):
    home, steps = story
    step = steps["broken"]
    assert (step.code, step.ran, step.stood) == (1, [], [])
    assert "ZeroDivisionError: division by zero" in step.errors
    assert str(home / "reports" / "trial" / "run" / "01_write.unfinished.ipynb") in step.errors
    assert "run/01_write.unfinished.ipynb" in step.files


def test_a_failure_spares_the_old_report(story):
    _, steps = story
    assert steps["broken"].readme == steps["artefact touched"].readme
    assert set(steps["made"].files) - {"run/01_write.json"} < set(steps["broken"].files)


def test_a_notebook_that_failed_runs_again_even_as_it_was_before(story):
    step = story[1]["mended"]
    assert (step.code, step.ran, step.stood) == (0, ["01_write"], ["02_draw"])
    assert "run/01_write.unfinished.ipynb" not in step.files


def test_a_change_reaches_the_notebooks_that_stand_on_it(story):
    assert story[1]["first changed"].ran == ["01_write", "02_draw"]


def test_the_parameters_cell_is_read_with_its_defaults(tmp_path):
    notebook = write_notebook(tmp_path, "01_a")
    assert defaults(notebook) == {
        "SEED": 7,
        "DATA": "complete_journey",
        "EVENTS": "",
        "RUN": "complete_journey",
        "SIZE": None,  # computed, so nobody knows it before it runs
    }


def test_a_notebook_without_a_parameters_cell_is_refused(tmp_path):
    with pytest.raises(UnknownParameterError, match="0 cells tagged"):
        defaults(write_notebook(tmp_path, "01_a", parameters=""))


def test_a_parameter_that_no_cell_knows_is_an_error_before_anything_runs(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RECOLAB_HOME", str(tmp_path))
    write_notebook(tmp_path, "01_a")
    write_notebook(tmp_path, "02_b", parameters=PARAMETERS.replace("RUN", "RUNS"))
    assert main([], tmp_path) == 1
    told = capsys.readouterr().err
    assert "02_b.ipynb has no parameter RUN; its parameters cell has SEED, DATA, EVENTS, RUNS" in told
    assert not (tmp_path / "reports").exists()


def test_a_word_for_all_goes_to_those_that_know_it_but_somebody_must(tmp_path):
    first = write_notebook(tmp_path, "01_a")
    second = write_notebook(tmp_path, "02_b", parameters='SEED = 7\nRUN = "x"\n')
    told = settle([first, second], {"DATA": "shop", "RUN": "smoke"}, {})
    assert told == {first: {"DATA": "shop", "RUN": "smoke"}, second: {"RUN": "smoke"}}
    with pytest.raises(UnknownParameterError, match="no notebook has a parameter DATA"):
        settle([second], {"DATA": "shop", "RUN": "smoke"}, {})


def test_a_parameter_file_speaks_to_all_or_to_one(tmp_path):
    first, second = write_notebook(tmp_path, "01_a"), write_notebook(tmp_path, "02_b")
    (tmp_path / "smoke.yaml").write_text("all: {SIZE: 10, DATA: shop}\n02_b: {SIZE: 20}\n")
    told = read_parameter_file(tmp_path / "smoke.yaml", [first, second])
    chosen = settle([first, second], {"RUN": "smoke"}, told)
    assert chosen[first] == {"RUN": "smoke", "DATA": "shop", "SIZE": 10}
    assert chosen[second] == {"RUN": "smoke", "DATA": "shop", "SIZE": 20}


def test_a_parameter_file_that_names_a_stranger_is_refused(tmp_path):
    notebook = write_notebook(tmp_path, "01_a")
    (tmp_path / "smoke.yaml").write_text("01_b: {SIZE: 1}\n")
    with pytest.raises(UnknownParameterError, match="speaks of 01_b"):
        read_parameter_file(tmp_path / "smoke.yaml", [notebook])
    with pytest.raises(UnknownParameterError, match="no notebook has a parameter SIZES"):
        settle([notebook], {}, {"all": {"SIZES": 1}})
    with pytest.raises(UnknownParameterError, match=r"01_a\.ipynb has no parameter SIZES"):
        settle([notebook], {}, {"01_a": {"SIZES": 1}})


def test_claims_are_checked_on_the_default_data_only(tmp_path):
    notebook = write_notebook(tmp_path, "01_a", parameters=PARAMETERS + "CHECK_CLAIMS = True\n")
    other = write_notebook(tmp_path, "02_b", parameters='RUN = "x"\nCHECK_CLAIMS = True\n')

    def claims(shared, file):
        return [told.get("CHECK_CLAIMS") for told in settle([notebook, other], shared, file).values()]

    assert claims(shared_parameters(None, None, None), {}) == [None, None]
    assert claims(shared_parameters("shop", None, None), {}) == [False, False]
    assert claims({"RUN": "smoke", "DATA": "complete_journey"}, {"all": {"SIZE": 1}}) == [False, False]


def test_a_log_of_ones_own_is_tabular_absolute_and_a_run_of_its_own(tmp_path, monkeypatch):
    (tmp_path / "my log.csv.gz").touch()
    monkeypatch.chdir(tmp_path)
    told = shared_parameters(None, Path("my log.csv.gz"), None)
    assert told == {"DATA": "tabular", "EVENTS": str(tmp_path / "my log.csv.gz"), "RUN": "my_log"}
    (tmp_path / "complete_journey.csv").touch()
    assert shared_parameters(None, Path("complete_journey.csv"), None)["RUN"] == "log_complete_journey"
    assert shared_parameters("shop", None, None) == {"DATA": "shop", "EVENTS": "", "RUN": "shop"}
    assert shared_parameters("shop", None, "try")["RUN"] == "try"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--events", "nowhere.csv"], "is not a file"),
        (
            ["--data", "amazon_beauty"],
            "no clock, and the report cuts at one moment for everybody: judge it leave-one-out",
        ),
        (["--data", "shops"], "DATA = shops is no source; there are complete_journey, shop"),
        (["--data", "tabular"], "needs the path of your log"),
        (["--events", "log.csv", "--data", "shop"], "leave DATA out"),
        (["--data", "shop", "--run", "a/b"], "plain folder name"),
        (["--events", "log.csv", "--reading", "columns: {a: b"], "READING is no YAML"),
        (["--events", "log.csv", "--reading", "customer"], "READING = customer is no mapping"),
        (["--events", "log.csv", "--reading", "{1: a}"], "READING knows columns, items"),
        (["--events", "log.csv", "--reading", "{kinds: 2020-13-45}"], "READING is no YAML (month must be in 1..12)"),
        (["--events", "log.csv", "--reading", "{kinds: {1: view, buy: cart}}"], "kinds has 1, which is no text"),
        (["--events", "log.csv", "--reading", "{items: goods.csv}"], "items = 'goods.csv' is not a file (looked for /"),
        (["--data", "shop", "--reading", "{separator: ';'}"], "name the log, EVENTS=my_log.csv"),
    ],
)
def test_a_command_that_cannot_be_meant_is_refused(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RECOLAB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Path("log.csv").touch()
    assert main(arguments, tmp_path) == 1
    assert message in capsys.readouterr().err


def test_how_a_log_is_read_reaches_the_notebooks_that_ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "log.csv").touch()
    (tmp_path / "goods.csv").touch()
    told = shared_parameters(None, Path("log.csv"), None, "{columns: {customer: user_id}, items: goods.csv}")
    assert told["READING"] == {"columns": {"customer": "user_id"}, "items": str(tmp_path / "goods.csv")}
    asks, other = write_notebook(tmp_path, "01_a"), write_notebook(tmp_path, "02_b")
    notebook = nbformat.read(asks, 4)
    [words] = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    words.source += "\nREADING = {}"
    nbformat.write(notebook, asks)
    chosen = settle([asks, other], told, {})
    assert chosen[asks]["READING"] == told["READING"]
    assert "READING" not in chosen[other]


def test_a_log_that_cannot_be_read_ends_in_one_clear_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RECOLAB_HOME", str(tmp_path))
    (tmp_path / "log.csv").write_text("user_id;item_id;timestamp\n1;2;1609495200\n")
    write_notebook(tmp_path / "notebooks", "01_a", "from recolab import sources\nsources.load(DATA, EVENTS)")
    assert main(["--events", str(tmp_path / "log.csv")], tmp_path / "notebooks") == 1
    *_, last, _, where = capsys.readouterr().err.rstrip().splitlines()
    assert "SchemaError" in last
    assert last.endswith("seems to be a semicolon: pass separator=';', or save the file with commas")
    assert where.startswith("01_a.ipynb failed; as far as it came: ")
    assert Path(where.partition("came: ")[2]).exists()


def test_a_disk_that_fills_up_ends_in_a_sentence_and_not_a_traceback(tmp_path, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setenv("RECOLAB_HOME", str(tmp_path))
    monkeypatch.setattr("recolab.report.running._run", full)
    write_notebook(tmp_path / "notebooks", "01_a")
    assert main(["--data", "shop"], tmp_path / "notebooks") == 1
    assert "[Errno 28] No space left on device; each file is whole" in capsys.readouterr().err


def test_a_fingerprint_changes_with_each_thing_that_matters(tmp_path, monkeypatch):
    notebook, log = write_notebook(tmp_path, "01_a"), tmp_path / "log.csv"
    log.write_text("a")
    first = Stamp("first", 1.0, 0.1, {"a.csv": 1}, {})
    told = {"EVENTS": str(log)}
    marks = [fingerprint(notebook, told, "package", [first])]
    marks.append(fingerprint(notebook, {**told, "K": 5}, "package", [first]))
    marks.append(fingerprint(notebook, told, "other package", [first]))
    marks.append(fingerprint(notebook, told, "package", [Stamp("second", 1.0, 0.1, {"a.csv": 1}, {})]))
    log.write_text("ab")
    marks.append(fingerprint(notebook, told, "package", [first]))
    told["READING"] = {"items": str(tmp_path / "goods.csv")}
    for goods in ("a", "ab"):
        (tmp_path / "goods.csv").write_text(goods)
        marks.append(fingerprint(notebook, told, "package", [first]))
    write_notebook(tmp_path, "01_a", "new = 1")
    marks.append(fingerprint(notebook, told, "package", [first]))
    write_notebook(tmp_path, "01_a", 'long = lab.measured("long")')
    marks.append(fingerprint(notebook, told, "package", [first]))
    monkeypatch.setattr("recolab.report.stamps.project_root", lambda: tmp_path)
    (tmp_path / "benchmarks").mkdir()
    for lift in (1, 2):
        (tmp_path / "benchmarks" / "long.csv").write_text(f"lift,{lift}")
        marks.append(fingerprint(notebook, told, "package", [first]))
    write_notebook(tmp_path, "01_a", 'others = lab.noted("others")')
    for score in (1, 2):
        (tmp_path / "benchmarks" / "others.csv").write_text(f"score,{score}")
        marks.append(fingerprint(notebook, told, "package", [first]))
    assert len(set(marks)) == len(marks)


def test_a_fingerprint_does_not_change_with_what_does_not_matter(tmp_path):
    notebook = write_notebook(tmp_path, "01_a")
    mark = fingerprint(notebook, {}, "package", [])
    assert fingerprint(notebook, {}, "package", [Stamp("no artefact", 1.0, 0.1, {}, {"a.png": 1})]) == mark
    content = nbformat.read(notebook, as_version=4)
    content.cells[1].execution_count = 3
    content.metadata["language_info"] = {"name": "python", "version": "3.12"}
    nbformat.write(content, notebook)
    assert fingerprint(notebook, {}, "package", []) == mark


def test_the_package_counts_but_not_the_way_reports_are_written(tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "split.py").write_text("a = 1")
    (tmp_path / "report" / "page.py").write_text("a = 1")
    mark = package_fingerprint(tmp_path)
    (tmp_path / "report" / "page.py").write_text("a = 2")
    assert package_fingerprint(tmp_path) == mark
    (tmp_path / "split.py").write_text("a = 2")
    assert package_fingerprint(tmp_path) != mark


def test_a_stamp_that_cannot_be_read_is_none(tmp_path):
    assert read_stamp(tmp_path / "none.json") is None
    (tmp_path / "half.json").write_text('{"fingerprint": "a"')
    (tmp_path / "old.json").write_text('{"fingerprint": "a"}')
    assert read_stamp(tmp_path / "half.json") is None
    assert read_stamp(tmp_path / "old.json") is None


def test_new_and_rewritten_files_are_listed_in_the_order_of_writing(tmp_path):
    for name, time in [("kept", 1), ("rewritten", 2)]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(time, time))
    before = files_in(tmp_path)
    for name, time in [("b_new", 3), ("rewritten", 4), (".temporary", 5)]:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, ns=(time, time))
    assert written_since(before, tmp_path) == {str(tmp_path / "b_new"): 3, str(tmp_path / "rewritten"): 4}


def test_a_table_prints_values_with_their_intervals():
    table = pl.DataFrame(
        {"model": ["a|b"], "users": [1234], "hr": [0.25], "hr_low": [0.2], "hr_high": [0.31], "x": [3.5]}
    )
    assert markdown_table(table) == (
        "| model | users | hr | x |\n| --- | ---: | ---: | ---: |\n| a\\|b | 1,234 | 0.2500 (0.2000 to 0.3100) | 3.50 |"
    )


def test_of_what_moved_in_a_notebook_the_page_keeps_the_still_picture(tmp_path):
    widget = {"application/vnd.jupyter.widget-view+json": {"model_id": "gone"}, "text/plain": "Bar()"}
    outputs = [widget, widget | {"text/html": "<b>it stood still</b>"}, {"text/plain": "a value"}]
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("display_data", data) for data in outputs])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "one.ipynb")
    _write_html(tmp_path / "one.ipynb", tmp_path / "one.html")
    page = (tmp_path / "one.html").read_text()
    assert page.count("<b>it stood still</b>") == page.count("a value") == 1
    assert "Bar()" not in page
    assert "widget-view" not in page
