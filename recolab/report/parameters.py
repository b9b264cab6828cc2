"""What a notebook may be told: its parameters cell is the list, and a word that is not on it is an error."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml

from recolab.lab import DEFAULT_RUN, RESERVED_RUNS
from recolab.sources import ORDINAL_SOURCES, SOURCES, check_reading

EVERY = "all"  # the key of a parameter file whose values go to every notebook


class UnknownParameterError(ValueError):
    """A parameter or a notebook that nobody knows; papermill would only log it and run with the default."""


def defaults(notebook: Path) -> dict[str, Any]:
    """Read the parameters cell: name -> default, None where the default is no literal.

    Raises UnknownParameterError where there is not exactly one such cell.
    """
    cells = nbformat.read(notebook, as_version=4).cells
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise UnknownParameterError(f"{notebook.name} has {len(tagged)} cells tagged `parameters`, must have 1")
    found: dict[str, Any] = {}
    for line in ast.parse(tagged[0]).body:
        targets = (
            line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name):
                found[target.id] = _literal(line.value)
    return found


def shared_parameters(
    data: str | None, events: Path | None, run: str | None, reading: str | None = None
) -> dict[str, Any]:
    """Settle the words that all notebooks share; a log of one's own is read as `tabular` and has its own run.

    data: a source's name    events: the log's path    run: the artefact folder's name, else the source's or the log's
    reading: how the log is read, words of `read_events` as a YAML mapping
    Raises ValueError for an unknown source, for one without a clock, for a log that is not there, for one given to
    another source, for tabular without one, and for a reading that is no such mapping or names an item table that is not there.
    """
    if data is not None and data not in SOURCES:
        raise ValueError(f"DATA = {data} is no source; there are {', '.join(SOURCES)}")
    if data in ORDINAL_SOURCES:
        raise ValueError(
            f"DATA = {data} knows the order of each user's events but no clock, and the report cuts at one moment for "
            "everybody: judge it leave-one-out, with recolab.folds.leave_one_out_tasks"
        )
    if events is not None and data not in (None, "tabular"):
        raise ValueError(f"EVENTS = {events} is a log of your own: leave DATA out, or say DATA=tabular, not {data}")
    if events is None and data == "tabular":
        raise ValueError("DATA=tabular needs the path of your log: EVENTS=my_log.csv")
    if events is not None and not events.is_file():
        raise ValueError(f"EVENTS = {events} is not a file")
    stem = events.name.split(".")[0].replace(" ", "_") if events is not None else ""
    name = f"log_{stem}" if stem in (DEFAULT_RUN, *RESERVED_RUNS) else stem
    told = {"READING": _reading(reading, events)} if reading else {}
    return told | {
        "DATA": "tabular" if events is not None else data or DEFAULT_RUN,
        "EVENTS": str(events.resolve()) if events is not None else "",
        "RUN": run or (name if events is not None else data or DEFAULT_RUN),
    }


def read_parameter_file(path: Path, notebooks: list[Path]) -> dict[str, dict[str, Any]]:
    """Read a YAML file of {notebook or `all`: {PARAMETER: value}}.

    Raises UnknownParameterError where it speaks of a notebook that is not there.
    """
    told = yaml.safe_load(path.read_text()) or {}
    if strangers := sorted(set(told) - {EVERY, *(notebook.stem for notebook in notebooks)}):
        raise UnknownParameterError(f"{path.name} speaks of {', '.join(strangers)}: no such notebook")
    return {key: dict(values or {}) for key, values in told.items()}


def settle(
    notebooks: list[Path], shared: Mapping[str, Any], told: Mapping[str, Mapping[str, Any]]
) -> dict[Path, dict[str, Any]]:
    """Say what each notebook is told: what all share, then the file's `all`, then the file's own part for it.

    What is for all goes to those that know the word; RUN goes to every one, or its artefacts would land elsewhere.
    Claims about the default data are not checked on any other: CHECK_CLAIMS is False there, where a notebook has it.
    Raises UnknownParameterError for a word for all that no notebook knows, for one's own word that it does not know,
    and for a notebook without RUN.
    """
    common = {**shared, **told.get(EVERY, {})}
    known = {notebook: defaults(notebook) for notebook in notebooks}
    if unknown := sorted(set(common) - {name for names in known.values() for name in names}):
        raise UnknownParameterError(f"no notebook has a parameter {', '.join(unknown)}")
    on_other_data = common.get("DATA") != DEFAULT_RUN or bool(told)
    chosen = {}
    for notebook, names in known.items():
        own = {"RUN": common.get("RUN", DEFAULT_RUN), **told.get(notebook.stem, {})}
        if unknown := sorted(set(own) - set(names)):
            raise UnknownParameterError(
                f"{notebook.name} has no parameter {', '.join(unknown)}; its parameters cell has {', '.join(names)}"
            )
        claims = {"CHECK_CLAIMS": False} if on_other_data and "CHECK_CLAIMS" in names else {}
        chosen[notebook] = claims | {name: common[name] for name in common if name in names} | own
    return chosen


def _reading(text: str, events: Path | None) -> dict[str, Any]:
    """Understand how a log is to be read; the item table's path is made absolute, as the log's is."""
    example = 'READING="{columns: {customer: user_id, sku: item_id}}"'
    try:
        told = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:  # a date that no calendar has is a ValueError
        raise ValueError(f"READING is no YAML ({str(error).splitlines()[0]}): write it as {example}") from error
    if not isinstance(told, dict):
        raise ValueError(f"READING = {text} is no mapping: write it as {example}")
    if events is None:
        raise ValueError("READING says how a log of your own is read: name the log, EVENTS=my_log.csv")
    check_reading(told)
    if "items" in told:
        items = Path(told["items"]).expanduser().resolve()
        if not items.is_file():
            raise ValueError(f"READING: items = {told['items']!r} is not a file (looked for {items})")
        told["items"] = str(items)
    return told


def _literal(value: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(value) if value is not None else None
    except ValueError:
        return None
