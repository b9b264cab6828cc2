"""python -m recolab.service FOLDER: serve what `recolab.live.ship` wrote, on one process and one port."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import uvicorn

from recolab.live import open_live
from recolab.service.app import create_app

KEY = "RECOLAB_API_KEY"  # in the environment: asked of whoever writes
JOURNAL = "events.log"


def main() -> None:
    """Open the folder, recall its journal, and answer until told to stop."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path, help="written by recolab.live.ship")
    asked.add_argument("--host", default="127.0.0.1")
    asked.add_argument("--port", type=int, default=8000)
    told = asked.parse_args()
    key = os.environ.get(KEY, "")
    if not key:
        asked.error(f"set {KEY} in the environment: whoever writes events is asked for it")
    app = create_app(open_live(told.folder), told.folder / JOURNAL, key)
    uvicorn.run(app, host=told.host, port=told.port, http="httptools", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
