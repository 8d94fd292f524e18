"""What statements are made with: names and values quoted, rows in and out, all of a block or none of it."""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb


def quote_identifier(name: str) -> str:
    """A name as SQL identifier: the one way in which a name enters a statement."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """A text as SQL literal, for the places that take no parameter: views and the patterns of functions."""
    return "'" + text.replace("'", "''") + "'"


def timestamp(moment: datetime) -> datetime:
    """A moment as the parameter of a DuckDB timestamp: UTC, without a zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def rows(connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries; for small results."""
    cursor = connection.execute(sql, list(parameters))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def insert(connection: duckdb.DuckDBPyConnection, table: str, values: Sequence[Any]) -> None:
    """Add one row, its values in the order of the table's columns."""
    marks = ", ".join("?" * len(values))
    connection.execute(f"insert into {quote_identifier(table)} values ({marks})", list(values))


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All statements of the block, or none."""
    connection.begin()
    try:
        yield
        connection.commit()
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.rollback()
        raise
