"""Open one table on disk (csv, json lines, parquet, plain or gzipped) or say which line of it is broken."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

import polars as pl

from recolab.schema import SchemaError

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_JSON_LINES = (".jsonl", ".ndjson")
_PARQUET = (".parquet", ".pq")
_SPOKEN = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_STRAY_QUOTE = 'has a " that is not closed; quote the field and double the "'

Content = Path | bytes  # a file to be read where it lies, or what came out of a gzip


def read_file(
    path: str | Path, *, separator: str | None = None, id_columns: Collection[str] = ()
) -> tuple[pl.DataFrame, str]:
    """Read a file by its suffix: .csv, .tsv, .jsonl, .ndjson (each also with .gz), .parquet, .pq.

    separator: of a csv, one character; the default is the suffix's own    id_columns: as named in the file; in json lines
        their values must be of one type
    ->  the table, in which a csv's values are all text, as only its reader knows what they mean; and what was decided
    Raises SchemaError for a file that is missing, empty, damaged, no UTF-8, of another format, or without rows.
    """
    path = Path(path)
    suffix, is_zipped = _suffix(path)
    if not path.exists():
        raise SchemaError(f"{path}: no such file (looked for {path.absolute()})")
    if path.is_dir():
        raise SchemaError(f"{path}: is a folder; name one file in it")
    content: Content = _unzipped(path) if is_zipped else path
    if not (len(content) if isinstance(content, bytes) else path.stat().st_size):
        raise SchemaError(f"{path}: the file is empty; export the log again, with a header and rows")
    if suffix in _SEPARATORS:
        separator = _SEPARATORS[suffix] if separator is None else separator
        _check_separator(separator)
        table, said = _read_csv(path, content, separator), f"separator {_SPOKEN.get(separator, separator)}"
    elif suffix in _JSON_LINES:
        table, said = _read_json_lines(path, content, id_columns), "json lines"
    else:
        table, said = _read_parquet(path), "parquet"
    if table.is_empty():
        raise SchemaError(f"{path}: there is no row below the header {', '.join(table.columns)}; export the log again")
    return table, f"{path.name}: {len(table):,} rows ({said})"


def _check_separator(separator: str) -> None:
    if len(separator) != 1 or not separator.isascii() or separator in '"\r\n\0':
        raise SchemaError(f'separator {separator!r} must be one character, such as ; or , or | or a tab, "\\t"')


def is_untyped(path: str | Path) -> bool:
    """Tell the files whose values are all text (csv) from those that say themselves what is a number."""
    return _suffix(Path(path))[0] in _SEPARATORS


def refuse_doubled(names: Collection[str], where: str) -> None:
    """Raise SchemaError for names that occur twice, for nobody can say which column is meant."""
    if doubled := [f"{name!r} ({n} times)" for name, n in Counter(names).items() if n > 1]:
        raise SchemaError(f"{where}: doubled columns {', '.join(doubled)}; rename or remove one")


def _suffix(path: Path) -> tuple[str, bool]:
    """Find what the name promises: the format, and whether it is gzipped."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    is_zipped = suffixes[-1:] == [".gz"]
    suffix = (suffixes[:-1] if is_zipped else suffixes)[-1:]
    known = (*_SEPARATORS, *_JSON_LINES) if is_zipped else (*_SEPARATORS, *_JSON_LINES, *_PARQUET)
    if not suffix or suffix[0] not in known:
        ending = "".join(path.suffixes[-2:] if is_zipped else path.suffixes[-1:]) or "no suffix"
        raise SchemaError(
            f"{path}: cannot read {ending}; known are {' '.join(known)}{'' if is_zipped else ' (and .gz)'}"
        )
    return suffix[0], is_zipped


def _unzipped(path: Path) -> bytes:
    """Unpack by the standard library, which notices a truncated file."""
    try:
        return gzip.decompress(path.read_bytes())
    except EOFError as error:
        raise SchemaError(f"{path}: the gzip is truncated; fetch it again") from error
    except gzip.BadGzipFile as error:
        raise SchemaError(f"{path}: is no gzip file, whatever its name says ({error})") from error
    except zlib.error as error:
        raise SchemaError(f"{path}: the gzip is damaged ({error}); fetch it again") from error


def _opened(content: Content) -> BinaryIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SchemaError(f"{path}: cannot be read as parquet: {_first_line(error)}") from error


def _read_csv(path: Path, content: Content, separator: str) -> pl.DataFrame:
    """Read every value as text: quotes, newlines within them, a byte order mark and CRLF are understood."""
    header = _csv_header(path, content, separator)
    try:
        table = pl.read_csv(content, separator=separator, infer_schema=False)
    except pl.exceptions.PolarsError as error:
        _blame_bad_utf8(path, content)
        _blame_csv_record(path, content, separator, len(header))
        raise SchemaError(f"{path}: cannot be read as csv: {_first_line(error)}") from error
    if table.width != len(header):
        raise SchemaError(f"{path}: its lines end in a bare carriage return (old Mac); save it with newlines")
    table.columns = header
    return table


def _csv_header(path: Path, content: Content, separator: str) -> list[str]:
    """Read the first record by Python's own reader, since Polars renames doubled columns without a word."""
    try:
        with _opened(content) as stream:
            text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
            header = next(csv.reader(text, delimiter=separator), [])
    except UnicodeDecodeError:
        _blame_bad_utf8(path, content)
        raise
    if not header:
        raise SchemaError(f"{path}: the first line is blank; it must name the columns")
    others = [mark for mark in _SPOKEN if mark != separator and mark in header[0]]
    mark = max(others, key=header[0].count, default="")
    if mark and header[0].count(mark) >= len(header):
        raise SchemaError(
            f"{path}: the first column is {header[0]!r}; the separator seems to be a {_SPOKEN[mark]}: pass "
            f"separator={mark!r}, or save the file with {_SPOKEN.get(separator, repr(separator))}s"
        )
    refuse_doubled(header, str(path))
    return header


def _blame_bad_utf8(path: Path, content: Content) -> None:
    """Raise SchemaError with the first line that is no UTF-8, if there is one."""
    with _opened(content) as stream:
        for number, line in enumerate(stream, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                raise SchemaError(
                    f"{path}: line {number} is not UTF-8 (byte {line[error.start]:#04x} at column {error.start + 1}); "
                    "save the file as UTF-8"
                ) from error


def _blame_csv_record(path: Path, content: Content, separator: str, width: int) -> None:
    """Raise SchemaError with the first record that does not fit the header, or whose quotes do not match."""
    with _opened(content) as stream:
        lines = io.TextIOWrapper(stream, "utf-8-sig", newline="")
        seen: list[str] = []
        reader = csv.reader(_remembered(lines, seen), delimiter=separator, strict=True)
        line = 1
        try:
            for record in reader:
                is_quote_left = len(seen) == 1 and seen[0].count('"') % 2 == 1
                if is_quote_left or (len(seen) > 1 and len(record) != width):
                    raise SchemaError(f"{path}: line {line} {_STRAY_QUOTE}")
                if len(record) > width:
                    raise SchemaError(f"{path}: line {line} has {len(record)} fields, the header has {width}")
                line = reader.line_num + 1
                seen.clear()
        except csv.Error as error:
            raise SchemaError(f"{path}: line {line} {_STRAY_QUOTE} ({error})") from error


def _remembered(lines: Iterator[str], seen: list[str]) -> Iterator[str]:
    """Pass lines on, and keep those of the present record."""
    for line in lines:
        seen.append(line)
        yield line


def _read_json_lines(path: Path, content: Content, id_columns: Collection[str]) -> pl.DataFrame:
    """Read one object per line; every line is looked at for its type, so that 1 and "1" are not made one."""
    try:
        table = pl.read_ndjson(content, infer_schema_length=None)
    except (pl.exceptions.PolarsError, OSError) as error:
        _blame_bad_utf8(path, content)
        _blame_json_line(path, content)
        raise SchemaError(f"{path}: cannot be read as json lines: {_first_line(error)}") from error
    for name in id_columns:
        if table.schema.get(name) == pl.String:
            _blame_mixed_ids(path, content, name)
    return table


def _blame_json_line(path: Path, content: Content) -> None:
    """Raise SchemaError with the first line that is not one JSON object, if there is one."""
    n_objects = 0
    with _opened(content) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                value = json.loads(line, parse_constant=_no_constant)
            except ValueError as error:
                raise SchemaError(f"{path}: line {number} is not JSON ({error}): {line[:60]!r}") from error
            if not isinstance(value, dict):
                raise SchemaError(f"{path}: line {number} is not an object {{...}}, one of which each line must hold")
            n_objects += 1
    if not n_objects:
        raise SchemaError(f"{path}: the file has only blank lines")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number; write null")


def _blame_mixed_ids(path: Path, content: Content, name: str) -> None:
    """Raise SchemaError if some ids of a column are numbers and some are text; Polars would turn all into text."""
    lines = pl.read_csv(
        content, has_header=False, separator="\x01", quote_char=None, new_columns=["line"], infer_schema=False
    ).with_row_index("number", offset=1)
    key = re.escape(json.dumps(name, ensure_ascii=False))
    bare = lines.filter(pl.col("line").str.contains(rf'{key}\s*:\s*[^"\sn]'))
    for number, line in bare.iter_rows():  # a text field may look like one, so each suspect is read properly
        value = json.loads(line).get(name)
        if value is not None and not isinstance(value, str):
            raise SchemaError(
                f"{path}: line {number} has the {name} {value!r} as {type(value).__name__}, others have it as text; "
                "ids must be of one type"
            )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
