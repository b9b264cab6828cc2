"""What README.md promises: its Python runs, its commands exist, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(not README.exists(), reason="there is no README.md yet")


def fenced(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_its_python_runs_from_top_to_bottom(tmp_path):
    script = "\n".join(fenced("python"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=os.environ | {"RECOLAB_HOME": str(tmp_path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_its_make_targets_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README.read_text(), re.MULTILINE))
    assert named
    assert named <= targets


def test_its_links_lead_to_files_that_are_there():
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", README.read_text())
    assert not [link for link in links if not (ROOT / link).exists()]
