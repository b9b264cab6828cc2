"""The command behind `make report`: which data, which log, which run."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from recolab.lab import project_root
from recolab.report.parameters import EVERY, read_parameter_file, shared_parameters
from recolab.report.running import NotebookFailedError, make_report
from recolab.sources import SOURCES


def main(arguments: Sequence[str] | None = None, folder: Path | None = None) -> int:
    """Run the notebooks and write the report.

    arguments: the command line's, else of this process    folder: where the notebooks lie, else notebooks/
    ->  0, or 1 after printing what went wrong
    """
    told = _parser().parse_args(arguments)
    folder = folder or project_root() / "notebooks"
    notebooks = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    try:
        log = Path(told.events).expanduser() if told.events else None
        shared = shared_parameters(told.data or None, log, told.run, told.reading)
        file = {}
        if told.smoke:
            os.environ.setdefault("RECOLAB_HOME", tempfile.mkdtemp(prefix="recolab-smoke-"))
            if (folder / "smoke.yaml").exists():
                file = read_parameter_file(folder / "smoke.yaml", notebooks)
            shared.pop("RUN")
            named = shared if told.data or told.events else {}
            file[EVERY] = file.get(EVERY, {}) | named
            shared = {"RUN": "smoke"}
        print(f"\n{make_report(notebooks, shared, file) / 'README.md'}")
    except (NotebookFailedError, ValueError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\n{error}; each file is whole, the old one or the new: make room, then run this again", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recolab.report", description=main.__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--data", help=f"a source: {', '.join(SOURCES)}; the first by default")
    parser.add_argument("--events", help="the path of your own log; implies --data tabular")
    parser.add_argument("--reading", help="how your log is read, a YAML mapping: {columns: {customer: user_id}}")
    parser.add_argument("--run", help="name of the artefact folder; default: the source's or the log's name")
    parser.add_argument(
        "--smoke", action="store_true", help="tiny sizes (notebooks/smoke.yaml), into a temporary folder"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
