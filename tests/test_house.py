"""The house rules that no other tool checks: floors, sizes, words, notebooks, and lists that must agree."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from recolab import schema
from recolab.report.parameters import defaults, read_parameter_file, settle

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "recolab").rglob("*.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def room_of(path):
    """The floor plan knows rooms: a file or a folder directly below recolab/."""
    return path.relative_to(ROOT / "recolab").parts[0].removesuffix(".py")


def cells_of(path):
    cells = json.loads(path.read_text())["cells"]
    return [(cell["cell_type"], "".join(cell["source"]), cell) for cell in cells]


def code_of(path):
    return [source for kind, source, _ in cells_of(path) if kind == "code"]


# The package


@every_module
def test_a_module_says_on_its_first_line_what_it_is_for(path):
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    assert docstring
    assert docstring.splitlines()[0].endswith(".")


@every_module
def test_a_module_is_short_enough_to_be_read(path):
    assert len(path.read_text().splitlines()) <= 250


@every_module
def test_all_that_is_public_says_what_and_why(path):
    silent = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef):
            things = [thing for thing in node.body if isinstance(thing, ast.FunctionDef | ast.ClassDef)]
            silent += [thing.name for thing in things if thing.name[0] != "_" and not ast.get_docstring(thing)]
    assert not silent


def test_every_room_has_a_floor_and_every_floor_its_rooms():
    (contract,) = PROJECT["tool"]["importlinter"]["contracts"]
    planned = {room.strip() for layer in contract["layers"] for room in layer.split("|")}
    assert planned == {room_of(path) for path in MODULES} - {"__init__"}


@every_module
def test_a_module_has_tests_that_name_it_or_its_room(path):
    room = room_of(path)
    names = {f"test_{path.stem}.py", f"test_{room}.py", f"test_{room}_contract.py"}
    imported = [f"recolab.{room}.{path.stem} import", f"recolab.{room} import {path.stem}"]
    tests = {test.name: test.read_text() for test in (ROOT / "tests").glob("test_*.py")}
    assert room == "__init__" or names & set(tests) or any(line in text for text in tests.values() for line in imported)


@every_module
def test_a_column_is_named_through_schema(path):
    """The words that can only mean a column; where a source reads them in its own files they are theirs."""
    if room_of(path) in ("schema", "sources"):
        return
    words = {schema.USER, schema.ITEM, schema.TIME, schema.BASKET, schema.SESSION, schema.DWELL, schema.RATING}
    tree = ast.parse(path.read_text())
    typed = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in words]
    assert not [f"line {node.lineno}: {node.value!r}" for node in typed]


# The notebooks


@every_notebook
def test_a_notebook_is_numbered_and_small(path):
    cells = cells_of(path)
    assert re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem)
    assert len(cells) <= 40


@every_notebook
def test_a_notebook_opens_with_its_question_and_closes_with_its_answer(path):
    (first_kind, first, _), *_, (last_kind, last, _) = cells_of(path)
    assert (first_kind, last_kind) == ("markdown", "markdown")
    assert first.startswith(f"# {path.stem[:2]}")
    assert "**Question.**" in first
    assert last.startswith("## What we learned")


@every_notebook
def test_its_second_cell_alone_holds_the_parameters_and_the_third_opens_the_lab(path):
    cells = cells_of(path)
    tagged = [place for place, (*_, cell) in enumerate(cells) if "parameters" in cell["metadata"].get("tags", [])]
    assert tagged == [1]
    assert {"SEED", "RUN"} <= set(defaults(path))
    assert all(name.isupper() for name in defaults(path))
    assert "open_lab(SEED" in cells[2][1]


@every_notebook
def test_a_notebook_calls_and_does_not_define(path):
    for source in code_of(path):
        assert not re.search(r"^\s*[!%]", source, re.MULTILINE), "shell lines and magics do not run everywhere"
        defined = (ast.FunctionDef, ast.ClassDef, ast.AsyncFunctionDef)
        assert not [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, defined)]


@every_notebook
def test_a_cell_has_at_most_twelve_lines_of_code(path):
    for source in code_of(path):
        lines = [line for line in source.splitlines() if line.strip() and not line.strip().startswith("#")]
        assert len(lines) <= 12, source


@every_notebook
def test_a_notebook_is_committed_without_outputs(path):
    for kind, _, cell in cells_of(path):
        assert kind != "code" or (cell["outputs"], cell["execution_count"]) == ([], None)


@every_notebook
def test_a_notebook_names_no_path_of_one_machine(path):
    for source in code_of(path):
        texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
        assert not [text for text in texts if isinstance(text, str) and re.match(r"/\w|~|[A-Za-z]:\\", text)]


def test_the_smoke_parameters_are_parameters_of_the_notebooks():
    file = ROOT / "notebooks" / "smoke.yaml"
    told = read_parameter_file(file, NOTEBOOKS) if file.exists() else {}
    if NOTEBOOKS:
        assert list(settle(NOTEBOOKS, {"RUN": "smoke"}, told)) == NOTEBOOKS


# Lists that must agree


def requirements():
    """What pyproject.toml asks for, all extras together: canonical name -> version specifier."""
    extras = PROJECT["project"]["optional-dependencies"].values()
    texts = [*PROJECT["project"]["dependencies"], *(text for extra in extras for text in extra)]
    asked = [Requirement(text) for text in texts]
    return {canonicalize_name(one.name): str(one.specifier) for one in asked if one.name != "recolab"}


def test_environment_yml_asks_for_what_pyproject_asks_for():
    listed = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in listed["dependencies"] if isinstance(entry, dict)]
    names = [entry for entry in listed["dependencies"] if isinstance(entry, str)]
    assert names[:2] == [f"python{PROJECT['project']['requires-python']}", "pip"]
    assert pip[-1] == "-e ."
    found = {}
    for text in [*names[2:], *pip[:-1]]:
        one = Requirement(text.replace("python-duckdb", "duckdb"))  # conda-forge's name for it
        found[canonicalize_name(one.name)] = str(one.specifier)
    assert found == requirements()
    assert listed["channels"] == ["conda-forge", "nodefaults"]


def test_every_requirement_is_pinned_to_a_version_that_it_allows():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = {}
    for line in lines:
        if not line.startswith("#"):
            name, version = line.split("==")
            pins[canonicalize_name(name)] = version
    assert not [pin for pin in pins.values() if "+" in pin], "a local version is on no index"
    asked = requirements()
    assert set(asked) <= set(pins), set(asked) - set(pins)
    assert not [name for name, spec in asked.items() if not Requirement(name + spec).specifier.contains(pins[name])]


def test_the_light_core_has_nothing_of_the_notebooks():
    core = {canonicalize_name(Requirement(text).name) for text in PROJECT["project"]["dependencies"]}
    assert not core & {"matplotlib", "jupyterlab", "papermill", "pyspark", "duckdb", "seaborn", "ipywidgets", "psutil"}


def needed(names):
    """All distributions that some need, and those that they need."""
    found, asked = set(), [canonicalize_name(name) for name in names]
    while asked:
        if (name := asked.pop()) not in found:
            found.add(name)
            texts = map(Requirement, requires(name) or ())
            asked += [canonicalize_name(one.name) for one in texts if not one.marker or one.marker.evaluate()]
    return found


def test_the_package_alone_follows_its_recipe_without_the_extras():
    core = needed(Requirement(text).name for text in PROJECT["project"]["dependencies"])
    extras = set(requirements()) - core
    brought = packages_distributions().items()
    blocked = [module for module, by in brought if {canonicalize_name(name) for name in by} <= extras]
    assert {"matplotlib", "onnxruntime", "papermill"} <= set(blocked)
    code = "import sys; sys.modules.update(dict.fromkeys(sys.argv[1:])); import recolab; recolab.benchmark"
    done = subprocess.run([sys.executable, "-c", code, *blocked], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_every_make_target_is_explained():
    text = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert set(phony.split()) == set(re.findall(r"^([a-z]+):.*## \w", text, re.MULTILINE)) >= {"report", "test", "lab"}


def test_what_ci_runs_may_be_run():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text()
