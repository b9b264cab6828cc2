"""python -m recolab.service FOLDER: serve what `recolab.live.ship` wrote, on one process and one port."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import NoReturn

import uvicorn
from threadpoolctl import threadpool_limits

from recolab.feedback import EpsilonGreedy
from recolab.live import LiveShop, open_shop
from recolab.service.app import create_app

KEY = "RECOLAB_API_KEY"  # in the environment: asked of whoever writes
LAST_ANSWERS = 10  # seconds that requests under way have when the service is told to stop


def parser() -> argparse.ArgumentParser:
    """Say which words the command takes; the files in deploy/ are tested against it."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path, help="written by recolab.live.ship")
    asked.add_argument("--host", default="127.0.0.1")
    asked.add_argument("--port", type=int, default=8000)
    asked.add_argument("--explore", type=float, metavar="SHARE", help="of places that try one of the 100 best items")
    return asked


def main() -> None:
    """Open the folder, recall its journal, and answer until told to stop."""
    asked = parser()
    told = asked.parse_args()
    key = os.environ.get(KEY, "")
    if not key:
        asked.error(f"set {KEY} in the environment: whoever writes events is asked for it")
    try:
        policy = None if told.explore is None else EpsilonGreedy(told.explore)
    except ValueError as error:
        asked.error(str(error).replace("epsilon", "--explore"))
    # uvicorn raises the signal again when its last answer is given: a stop that was asked for is no failure.
    signal.signal(signal.SIGTERM, _end)
    # One list is made at a time: a second thread of BLAS would only wait, loudly, for its share of a product.
    with threadpool_limits(1, "blas"), _opened(asked, told.folder) as shop:
        shop.explore(policy)
        uvicorn.run(
            create_app(shop, key),
            host=told.host,
            port=told.port,
            http="httptools",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=LAST_ANSWERS,
        )


def _opened(asked: argparse.ArgumentParser, folder: Path) -> LiveShop:
    try:
        return open_shop(folder)
    except BlockingIOError as error:
        asked.error(f"{folder} is served already: {error.strerror} ({error.filename})")
    except FileNotFoundError as error:
        asked.error(f"{error}\n(`make report` ships a shop before `make serve` opens it)")


def _end(*_: object) -> NoReturn:
    raise SystemExit(0)


if __name__ == "__main__":
    main()
