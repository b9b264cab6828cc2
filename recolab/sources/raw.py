"""Public sets that you fetch yourself: where they lie, and how to get them where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from recolab.lab import data_root, project_root
from recolab.schema import SchemaError

LINE = "line"  # a row's place in its file, from 1
_SHOWN = 60  # characters of a broken line


def find_raw(name: str, files: Sequence[str], origin: str) -> Path:
    """Find the folder of a downloaded set: data/raw/<name>/, else $RECOLAB_DATA/<name>/.

    files: what must lie in it    origin: where to get them by hand, and under which names to save them
    Raises FileNotFoundError with the folders looked in, what is missing there, and the origin.
    """
    folders = list(dict.fromkeys(root / name for root in (project_root() / "data" / "raw", data_root())))
    missing = {folder: [file for file in files if not (folder / file).is_file()] for folder in folders}
    for folder, absent in missing.items():
        if not absent:
            return folder
    looked = "; ".join(f"{folder} has no {', '.join(absent)}" for folder, absent in missing.items())
    raise FileNotFoundError(f"{name} is not in the package, fetch it by hand: {origin}. Looked for it: {looked}")


def read_lines(path: Path) -> list[str]:
    """Read a text file by lines, without the newline at its end.

    Raises SchemaError for a file that is empty or no UTF-8, with the line.
    """
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SchemaError(f"{path}: line {line} is not UTF-8 (byte {content[error.start]:#04x})") from error
    if not text.strip():
        raise SchemaError(f"{path}: the file is empty; fetch it again")
    return text.removesuffix("\n").split("\n")


def split_fields(path: Path, separator: str, names: Sequence[str], header: str | None = None) -> pl.DataFrame:
    """Cut each line of a text file into its fields; a quote is a character like any other.

    header: what the first line must be; None for a file without one
    ->  a row a line: its number in the file as `line`, and the fields, all text
    Raises SchemaError for another header, and with the first line that has too few or too many fields.
    """
    lines = read_lines(path)
    first = 1 if header is None else 2
    if header is not None and lines[0] != header:
        raise SchemaError(f"{path}: line 1 must be {header!r}, not {lines[0][:_SHOWN]!r}")
    body = pl.Series(lines[first - 1 :], dtype=pl.String)
    fields = body.str.split(separator)
    bad = (fields.list.len() != len(names)).arg_true()
    if len(bad):
        row = bad[0]
        found = f"{len(fields[row])} field(s), must have {len(names)}"
        raise SchemaError(f"{path}: line {row + first} has {found}: {body[row][:_SHOWN]!r}")
    if body.is_empty():
        raise SchemaError(f"{path}: there is no line below the header; fetch it again")
    return fields.list.to_struct(fields=list(names)).struct.unnest().with_row_index(LINE, offset=first)


def whole(path: Path, table: pl.DataFrame, name: str, least: int = 0, most: int | None = None) -> pl.Series:
    """Read a column of texts as whole numbers from `least` to `most`: a table with `line`, the place in the file -> Int64.

    Raises SchemaError with the first line that holds anything else.
    """
    number = table[name].cast(pl.Int64, strict=False)
    bad = (number.is_null() | (number < least) | (False if most is None else number > most)).arg_true()
    if len(bad):
        line, value = table[LINE][bad[0]], table[name][bad[0]]
        end = "on" if most is None else f"to {most}"
        raise SchemaError(f"{path}: line {line} has the {name} {value!r}, must be a whole number from {least} {end}")
    return number


def refuse_twice(path: Path, table: pl.DataFrame, name: str) -> None:
    """Raise SchemaError with the first line whose value in a column stood in an earlier line already."""
    again = table.filter(~pl.col(name).is_first_distinct())
    if len(again):
        raise SchemaError(f"{path}: line {again[LINE][0]} has the {name} {again[name][0]!r}, as an earlier line has")
