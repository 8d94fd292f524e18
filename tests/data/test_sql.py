"""Names and texts stay what they are, a row comes out as it went in, a transaction is whole or nothing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import duckdb
import pytest

from data.sql import insert, quote_identifier, quote_literal, rows, timestamp, transaction


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connected:
        connected.execute('create table "odd name" (number integer, rated_at timestamp)')
        yield connected


@pytest.mark.parametrize("name", ["plain", 'with "quotes"', 'x"; drop table files; --', "日本", " "])
def test_an_identifier_is_a_name_whatever_it_is(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    assert connection.sql(f"select 1 as {quote_identifier(name)}").columns == [name]


@pytest.mark.parametrize("text", ["plain", "it's", "'; drop table files; --", "''", "\\'", ""])
def test_a_literal_is_a_text_whatever_it_holds(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    assert connection.execute(f"select {quote_literal(text)}").fetchall() == [(text,)]


def test_a_row_comes_out_as_it_went_in(connection: duckdb.DuckDBPyConnection) -> None:
    moment = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    insert(connection, "odd name", [1, timestamp(moment)])
    found = rows(connection, 'select * from "odd name" where number = ?', [1])
    assert found == [{"number": 1, "rated_at": datetime(2025, 12, 31, 23, 30)}]
    assert found[0]["rated_at"].replace(tzinfo=UTC) == moment


def test_a_transaction_is_whole_or_nothing(connection: duckdb.DuckDBPyConnection) -> None:
    def fail() -> None:
        with transaction(connection):
            insert(connection, "odd name", [2, None])
            raise KeyboardInterrupt

    insert(connection, "odd name", [1, None])
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert rows(connection, 'select number from "odd name"') == [{"number": 1}]
