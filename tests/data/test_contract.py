"""Splitting a line and spelling an id; the zoo and the plain reader of test_ingest.py hold the whole contract."""

import contextlib

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contract import column_position, fields_sql, id_sql, split_line
from data.errors import UsageError

CONNECTION = duckdb.connect()


def split_by_sql(line: str, delimiter: str) -> list[str] | None:
    query = f"select {fields_sql(delimiter, True)} from (select $raw::varchar as raw)"
    with contextlib.closing(CONNECTION.cursor()) as cursor:
        found: list[str] | None = cursor.execute(query, {"raw": line}).fetchall()[0][0]
    return found


@pytest.mark.parametrize(
    ("line", "delimiter", "fields"),
    [
        ("a,b", ",", ["a", "b"]),
        ("", ",", [""]),
        (",,", ",", ["", "", ""]),
        ('"a,b",c', ",", ["a,b", "c"]),
        ('"a""b"', ",", ['a"b']),
        ('""', ",", [""]),
        ("a::b", "::", ["a", "b"]),
        ('"a::b"', "::", ['"a', 'b"']),
        ("a\\b", "\\", ["a", "b"]),
        ("a]b^c", "]", ["a", "b^c"]),
        ("a'b", "'", ["a", "b"]),
        ('"a€"€b', "€", ["a€", "b"]),
        ("a b", " ", ["a", "b"]),
        ("a.b", ".", ["a", "b"]),
        ('"a', ",", None),
        ('a"b,c', ",", None),
        ('"a"b,c', ",", None),
        ('"a" ,b', ",", None),
    ],
)
def test_fields(line: str, delimiter: str, fields: list[str] | None) -> None:
    assert split_by_sql(line, delimiter) == fields
    if fields is not None:
        assert split_line(line, delimiter) == fields


@given(
    fields=st.lists(st.text(alphabet='a1"€,; |', max_size=4), min_size=1, max_size=5),
    delimiter=st.sampled_from([",", ";", "|", "€"]),
)
@settings(deadline=None)
def test_what_was_quoted_properly_comes_back(fields: list[str], delimiter: str) -> None:
    line = delimiter.join(
        '"' + field.replace('"', '""') + '"' if set(field) & {'"', delimiter} else field for field in fields
    )
    assert split_by_sql(line, delimiter) == fields == split_line(line, delimiter)


def test_a_column_by_name_or_position() -> None:
    header = ["user", "item", "note", "note"]
    assert [column_position(column, header, "f", "s") for column in ("user", "item", 1, 4)] == [1, 2, 1, 4]
    for column, phrase in (
        ("note", "more than one"),
        ("USER", "did you mean 'user'?"),
        ("x", "is it a header?"),
        (0, "asks for column 0"),
        (5, "asks for"),
    ):
        with pytest.raises(UsageError) as caught:
            column_position(column, header, "f", "s")
        assert phrase in str(caught.value)


@pytest.mark.parametrize("kind", ["integer", "string"])
@pytest.mark.parametrize(
    "text",
    [
        "0",
        "-7",
        "9223372036854775807",
        "9223372036854775808",
        "-0",
        "007",
        "1.0",
        "1e3",
        " 1",
        "1 ",
        "1\n",
        "",
        "a",
        "é" * 64,
        "é" * 65,
    ],
)
def test_ids(kind: str, text: str) -> None:
    with contextlib.closing(CONNECTION.cursor()) as cursor:
        ((found,),) = cursor.execute(
            f"select {id_sql(kind, 'text')} from (select $text::varchar as text)", {"text": text}
        ).fetchall()  # type: ignore[arg-type]
    if kind == "string":
        assert found == (text if 1 <= len(text.encode()) <= 128 else None)
    else:
        assert found == (int(text) if text in ("0", "-7", "9223372036854775807") else None)
