"""The files that keep the service running start what is there, with words that it takes, and stop it without a loss."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from benchmarks.crashes import free_port
from recolab.lab import project_root
from recolab.live import EVENTS, Journal, replay
from recolab.service import health
from recolab.service.__main__ import KEY, parser
from tests.test_service import ship_world

DEPLOY = project_root() / "recolab" / "service" / "deploy"
UNIT, DOCKERFILE = DEPLOY / "recolab.service", (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["recolab"]


@pytest.fixture(scope="module")
def unit():
    read = configparser.ConfigParser(strict=True, interpolation=None, comment_prefixes="#")
    read.optionxform = str
    read.read(UNIT)
    return read


def words_of(instruction):
    """What a line of the Dockerfile that holds JSON says."""
    (said,) = re.findall(rf"^{instruction} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    return json.loads(said)


def told(words):
    """What the service understands of a command line; a word that it does not take ends the test."""
    _, flag, module, *rest = words
    assert flag == "-m"
    assert importlib.util.find_spec(f"{module}.__main__")
    return parser().parse_args(rest)


# systemd


def test_the_unit_starts_the_service_where_it_may_write(unit):
    service = unit["Service"]
    asked = told(shlex.split(service["ExecStart"]))
    assert service["ReadWritePaths"] == str(asked.folder)  # the journal lies there
    assert (service["ProtectSystem"], service["NoNewPrivileges"]) == ("strict", "yes")
    assert service["EnvironmentFile"]
    assert KEY not in UNIT.read_text().replace(f'"{KEY}=$(', "")  # the key stands in a file of its own


def test_the_unit_never_gives_up_but_for_words_that_will_not_change(unit):
    service = unit["Service"]
    assert (service["Restart"], unit["Unit"]["StartLimitIntervalSec"]) == ("always", "0")
    assert float(service["RestartSec"]) <= 2
    assert service["RestartPreventExitStatus"] == "2"  # argparse's


def test_the_unit_is_started_when_the_port_that_it_serves_answers(unit):
    service = unit["Service"]
    asked = told(shlex.split(service["ExecStart"]))
    _, script, url, flag, seconds = shlex.split(service["ExecStartPost"])
    assert (project_root() / Path(script).relative_to(service["WorkingDirectory"])).samefile(health.__file__)
    assert (urlsplit(url).hostname, urlsplit(url).port) == (asked.host, asked.port)
    assert flag == "--wait"
    assert float(seconds) < float(service["TimeoutStartSec"])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_knows_every_word_of_the_unit(unit, tmp_path):
    here = UNIT.read_text().replace(f"{unit['Service']['WorkingDirectory']}/.venv/bin/python", sys.executable)
    (tmp_path / UNIT.name).write_text(here)
    words = ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)]
    checked = subprocess.run(words, check=False, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert UNIT.name not in checked.stderr, checked.stderr


# Docker


def test_the_image_starts_the_service_on_the_folder_that_compose_brings():
    asked = told(words_of("ENTRYPOINT") + words_of("CMD"))
    assert str(asked.folder) == COMPOSE["volumes"][0]["target"]
    assert asked.host == "0.0.0.0"  # within the container; compose says who outside may ask
    assert COMPOSE["ports"] == [f"127.0.0.1:{asked.port}:{asked.port}"]
    _, script, url = words_of("  CMD")  # of HEALTHCHECK
    assert (project_root() / script).samefile(health.__file__)
    assert urlsplit(url).port == asked.port


def test_the_image_has_all_that_it_copies_and_nobody_is_root_in_it():
    copied = [words.split()[:-1] for words in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE)]
    assert all((project_root() / name).exists() for names in copied for name in names)
    assert "pip install --no-cache-dir -c constraints.txt '.[serve]'" in DOCKERFILE
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["recolab"]


def test_compose_builds_that_image_and_always_starts_it_again():
    build = COMPOSE["build"]
    assert (project_root() / build["context"] / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    assert (COMPOSE["restart"], COMPOSE["read_only"], COMPOSE["cap_drop"]) == ("always", True, ["ALL"])
    assert set(COMPOSE["environment"]) == {KEY}
    assert COMPOSE["environment"][KEY].startswith("${" + KEY + ":?")  # none, no start
    assert COMPOSE["security_opt"] == ["no-new-privileges:true"]


# Whom they start


def test_started_as_the_unit_says_it_stands_what_breaks_others_and_stops_without_a_loss(unit, tmp_path):
    folder, port = ship_world(tmp_path / "live"), free_port()
    service = unit["Service"]
    asked = told(shlex.split(service["ExecStart"]))
    ours = {str(asked.folder): str(folder), str(asked.port): str(port)}
    _, *words = [ours.get(word, word) for word in shlex.split(service["ExecStart"])]
    with subprocess.Popen([sys.executable, *words], env=os.environ | {KEY: "secret"}) as process:
        try:
            ready = [sys.executable, health.__file__, f"http://127.0.0.1:{port}", "--wait", "120"]
            assert subprocess.run(ready, check=False, env={"http_proxy": "http://127.0.0.1:9"}).returncode == 0
            excludes = "&".join(f"exclude={n}" for n in range(100_000))
            event, key = '{"user_id": 1, "item_id": 2}', "X-API-Key: secret"
            assert answer_to(port, f"GET /recommendations?user_id=1&{excludes}", (key,)) == 400
            assert answer_to(port, "GET /recommendations?user_id=1", (key, "Content-Length: 10000000")) == 200
            kind = "Content-Type: application/json"
            assert answer_to(port, "POST /events", (kind, "X-API-Key: schl\xfcssel"), event) == 401
            assert answer_to(port, "POST /events", (kind, key), event) == 200
        finally:
            process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert [record["item"] for record in replay(folder / EVENTS)] == [2]
    Journal(folder / EVENTS).close()  # nobody holds it any more
    assert not health.is_well(f"http://127.0.0.1:{port}")


def answer_to(port, request, headers=(), body=""):
    """Send what no client would  ->  the status of the answer."""
    length = () if any(line.startswith("Content-Length") for line in headers) else (f"Content-Length: {len(body)}",)
    head = "\r\n".join([f"{request} HTTP/1.1", "Host: here", "Connection: close", *length, *headers])
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        line.sendall(f"{head}\r\n\r\n{body}".encode("latin-1"))
        return int(line.recv(20).split()[1])


def test_health_is_what_the_service_says_of_itself_and_nothing_less(monkeypatch, tmp_path):
    for said, well in (('{"ok": true}', True), ('{"ok": false}', False), ("busy", False), ("[]", False), ("{}", False)):
        (tmp_path / "health").write_text(said)
        assert health.is_well(tmp_path.as_uri()) is well
    assert not health.is_well("http://127.0.0.1:9")


def test_health_ends_when_the_time_is_over(monkeypatch):
    asked = []
    monkeypatch.setattr(sys, "argv", ["health.py", "http://there", "--wait", "0.2"])
    monkeypatch.setattr(health, "is_well", asked.append)
    with pytest.raises(SystemExit, match="1"):
        health.main()
    assert len(asked) > 1
    assert set(asked) == {"http://there"}
    monkeypatch.setattr(health, "is_well", lambda url: True)
    with pytest.raises(SystemExit, match="0"):
        health.main()
