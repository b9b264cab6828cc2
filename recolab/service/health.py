"""python recolab/service/health.py [URL] [--wait SECONDS]: does the service make lists? Ends with 0 or 1, and needs no package."""

from __future__ import annotations

import argparse
import json
import time
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

URL = "http://127.0.0.1:8000"
PAUSE = 0.05  # seconds between two questions
_direct = build_opener(ProxyHandler({}))  # a proxy of the environment does not know this machine's own services


def is_well(url: str = URL) -> bool:
    """Ask a service once whether it makes lists."""
    try:
        with _direct.open(f"{url}/health", timeout=5) as answer:
            said = json.load(answer)
            return isinstance(said, dict) and said.get("ok") is True
    except (OSError, HTTPException, ValueError):  # nobody there, no HTTP, no JSON
        return False


def main() -> None:
    """Ask until the answer is good or the time is over."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("url", nargs="?", default=URL)
    asked.add_argument("--wait", type=float, default=0, help="seconds that a start may take")
    told = asked.parse_args()
    over = time.monotonic() + told.wait
    while not (well := is_well(told.url)) and time.monotonic() < over:
        time.sleep(PAUSE)
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
