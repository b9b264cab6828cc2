"""The service as a user starts it: a process of its own on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import httpx2 as httpx


def served(folder, port):
    """Start the service, and wait until it answers; its key is `secret`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "recolab.service", str(folder), "--port", str(port)],
        env=os.environ | {"RECOLAB_API_KEY": "secret"},
    )
    for _ in range(400):
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200:
                return process
        except httpx.TransportError:
            time.sleep(0.05)
    process.kill()
    raise AssertionError("the service did not start")


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return asked.getsockname()[1]
