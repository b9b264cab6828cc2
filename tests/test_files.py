"""Every way a file can be broken has an answer that names the file, the line and the way out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from recolab.schema import SchemaError
from recolab.sources.files import is_untyped, read_file


def refusal(path: Path, **how: object) -> str:
    with pytest.raises(SchemaError) as caught:
        read_file(path, **how)  # type: ignore[arg-type]
    return str(caught.value)


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_csv_is_read_as_text_with_quotes_newlines_and_empty_cells_understood(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", 'user_id,title\n007,"a 5"" pipe,\nin two lines"\n8,\n')
    table, said = read_file(path)
    assert table.rows() == [("007", 'a 5" pipe,\nin two lines'), ("8", None)]
    assert said == "log.csv: 2 rows (separator comma)"


def test_a_byte_order_mark_and_windows_line_ends_leave_no_trace(tmp_path: Path) -> None:
    table, _ = read_file(write(tmp_path, "log.csv", b"\xef\xbb\xbfuser_id,item_id\r\n1,2\r\n"))
    assert table.to_dict(as_series=False) == {"user_id": ["1"], "item_id": ["2"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("log.csv", b"a,b\n1,x\n"),
        ("log.csv.gz", gzip.compress(b"a,b\n1,x\n", mtime=0)),
        ("log.tsv", b"a\tb\n1\tx\n"),
        (
            "log.TSV.gz",
            gzip.compress(b"a\tb\n", mtime=0) + gzip.compress(b"1\tx\n", mtime=0),
        ),  # two members, as `cat a.gz b.gz` writes
    ],
)
def test_the_suffix_tells_the_separator_and_the_packing(tmp_path: Path, name: str, content: bytes) -> None:
    path = write(tmp_path, name, content)
    assert read_file(path)[0].to_dict(as_series=False) == {"a": ["1"], "b": ["x"]}
    assert is_untyped(path)


def test_json_lines_and_parquet_say_themselves_what_is_a_number(tmp_path: Path) -> None:
    lines = '{"user_id":1,"item_id":"007"}\n\n{"user_id":2,"item_id":"8","new":true}\n'
    plain, packed = write(tmp_path, "a.jsonl", lines), write(tmp_path, "a.ndjson.gz", gzip.compress(lines.encode()))
    parquet = tmp_path / "a.parquet"
    read_file(plain)[0].write_parquet(parquet)
    for path in (plain, packed, parquet):
        assert read_file(path)[0].rows() == [(1, "007", None), (2, "8", True)]
        assert not is_untyped(path)


def test_a_key_that_only_late_lines_have_is_not_lost(tmp_path: Path) -> None:
    lines = '{"a":1}\n' * 5_000 + '{"a":1,"late":7}\n'
    assert read_file(write(tmp_path, "a.jsonl", lines))[0]["late"].sum() == 7


def test_what_is_not_a_file_with_rows_is_named(tmp_path: Path) -> None:
    assert "log.csv: no such file (looked for /" in refusal(tmp_path / "log.csv")
    folder = tmp_path / "logs.csv"
    folder.mkdir()
    assert "is a folder; name one file in it" in refusal(folder)
    assert "cannot read .xlsx; known are .csv .tsv .jsonl .ndjson .parquet .pq (and .gz)" in refusal(
        tmp_path / "a.xlsx"
    )
    assert "cannot read no suffix" in refusal(tmp_path / "log")
    assert "cannot read .parquet.gz; known are .csv .tsv .jsonl .ndjson" in refusal(tmp_path / "a.parquet.gz")


@pytest.mark.parametrize("name", ["e.csv", "e.jsonl", "e.parquet", "e.csv.gz"])
def test_an_empty_file_is_called_empty(tmp_path: Path, name: str) -> None:
    assert refusal(write(tmp_path, name, gzip.compress(b"") if name.endswith("gz") else b"")).endswith(
        "the file is empty; export the log again, with a header and rows"
    )


def test_a_header_without_rows_is_refused_in_every_format(tmp_path: Path) -> None:
    expected = "there is no row below the header user_id, item_id"
    assert expected in refusal(write(tmp_path, "a.csv", "user_id,item_id\n"))
    pl.DataFrame(schema={"user_id": pl.Int64, "item_id": pl.Int64}).write_parquet(tmp_path / "a.parquet")
    assert expected in refusal(tmp_path / "a.parquet")
    assert "the file has only blank lines" in refusal(write(tmp_path, "a.jsonl", "\n\n"))
    assert "the first line is blank" in refusal(write(tmp_path, "b.csv", "\nuser_id,item_id\n1,2\n"))


@pytest.mark.parametrize(("mark", "spoken"), [(";", "semicolon"), ("\t", "tab"), ("|", "bar")])
def test_a_wrong_separator_is_recognised_and_the_right_one_works(tmp_path: Path, mark: str, spoken: str) -> None:
    path = write(tmp_path, "a.csv", f"user_id{mark}item_id\n1{mark}2\n")
    assert f"the separator seems to be a {spoken}: pass separator={mark!r}" in refusal(path)
    assert read_file(path, separator=mark)[0].columns == ["user_id", "item_id"]


def test_a_wrong_separator_is_recognised_although_a_title_holds_the_right_one(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user_id;item_id;price, EUR\n1;2;3,50\n")
    assert "the first column is 'user_id;item_id;price'; the separator seems to be a semicolon" in refusal(path)
    titled = write(tmp_path, "b.csv", "size; colour,item_id\nM; red,2\n")
    assert read_file(titled)[0].columns == ["size; colour", "item_id"]


def test_lines_that_end_as_on_an_old_mac_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "user_id,item_id\r1,2\r3,4\r")
    assert refusal(path).endswith("a.csv: its lines end in a bare carriage return (old Mac); save it with newlines")


def test_doubled_columns_are_refused_instead_of_renamed(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "a.csv", "user_id,item_id,user_id\n1,2,3\n"))
    assert message.endswith("a.csv: doubled columns 'user_id' (2 times); rename or remove one")


def test_bytes_that_are_no_utf8_are_found_by_line(tmp_path: Path) -> None:
    body = "user_id,title\n" + "1,tea\n" * 3_000 + "2,caf\xe9\n"
    message = refusal(write(tmp_path, "a.csv", body.encode("latin-1")))
    assert "a.csv: line 3002 is not UTF-8 (byte 0xe9 at column 6); save the file as UTF-8" in message
    assert "line 1 is not UTF-8" in refusal(write(tmp_path, "b.csv", "user_id,a\n1,2\n".encode("utf-16")))
    assert "line 2 is not UTF-8" in refusal(write(tmp_path, "c.jsonl", b'{"a":"x"}\n{"a":"\xe9"}\n'))


@pytest.mark.parametrize("n_before", [0, 50_000])
def test_a_record_that_does_not_fit_is_found_by_line(tmp_path: Path, n_before: int) -> None:
    head = "user_id,title\n" + "1,tea\n" * n_before
    at = n_before + 2
    assert f"line {at} has 3 fields, the header has 2" in refusal(write(tmp_path, "a.csv", head + "2,a,b\n3,c\n"))
    for stray in ('2,5" pipe\n3,c\n', '2,"open\n3,c\n4,d\n'):
        message = refusal(write(tmp_path, "b.csv", head + stray))
        assert f'line {at} has a " that is not closed; quote the field and double the "' in message


def test_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'user_id,title\n1,"two\nlines"\n2,a,b\n')
    assert "line 4 has 3 fields, the header has 2" in refusal(path)


def test_a_gzip_that_is_truncated_damaged_or_none_at_all_is_told_apart(tmp_path: Path) -> None:
    packed = gzip.compress("".join(f"{n},{n * n}\n" for n in range(5_000)).encode())
    assert "the gzip is truncated; fetch it again" in refusal(write(tmp_path, "a.csv.gz", packed[:-200]))
    assert "is no gzip file, whatever its name says" in refusal(write(tmp_path, "b.csv.gz", b"a,b\n1,2\n"))
    damaged = packed[:1000] + b"\xff" * 200 + packed[1200:]
    assert "the gzip is damaged" in refusal(write(tmp_path, "c.csv.gz", damaged))


def test_a_parquet_that_is_none_is_refused(tmp_path: Path) -> None:
    assert "a.parquet: cannot be read as parquet" in refusal(write(tmp_path, "a.parquet", b"user_id,item_id\n1,2\n"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("hello", "line 3 is not JSON (Expecting value"),
        ('{"a":', "line 3 is not JSON (Expecting value"),
        ("{'a': 1}", "line 3 is not JSON (Expecting property name"),
        ('{"a":NaN}', "line 3 is not JSON (NaN is no JSON number; write null)"),
        ("[1]", "line 3 is not an object {...}, one of which each line must hold"),
        ("3", "line 3 is not an object"),
    ],
)
def test_a_line_that_is_no_json_object_is_found_by_number(tmp_path: Path, line: str, reason: str) -> None:
    assert reason in refusal(write(tmp_path, "a.jsonl", f'{{"a":1}}\n\n{line}\n{{"a":2}}\n'))


def test_ids_that_differ_only_in_type_are_found_but_a_text_that_looks_like_one_is_not(tmp_path: Path) -> None:
    lines = [json.dumps({"user_id": "1"}), json.dumps({"user_id": None, "shop": {"user_id": 1}})]
    path = write(tmp_path, "a.jsonl", "\n".join(lines))
    assert read_file(path, id_columns=["user_id"])[0]["user_id"].to_list() == ["1", None]
    path = write(tmp_path, "b.jsonl", "\n".join([*lines, '{"user_id" : 1}']))
    message = refusal(path, id_columns=["user_id"])
    assert "line 3 has the user_id 1 as int, others have it as text; ids must be of one type" in message


@pytest.mark.parametrize("separator", ["", ";;", "\\t", "\n", '"', "é"])
def test_a_separator_that_cannot_separate_is_refused(separator, tmp_path):
    (tmp_path / "log.csv").write_text("a;b\n1;2\n")
    with pytest.raises(SchemaError, match="must be one character"):
        read_file(tmp_path / "log.csv", separator=separator)


def test_a_separator_without_a_name_is_told_of_all_the_same(tmp_path):
    (tmp_path / "log.csv").write_text("a;b\n1;2\n")
    with pytest.raises(SchemaError, match=r"seems to be a semicolon: .* or save the file with ' 's"):
        read_file(tmp_path / "log.csv", separator=" ")
