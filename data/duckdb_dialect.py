"""A small read-only SQLAlchemy dialect, so that Great Expectations can question a DuckDB file.

The published dialects for DuckDB do not fit: Great Expectations reads rows after it has handed the connection back,
and they reflect columns from a PostgreSQL catalogue that DuckDB lacks. Here rows are fetched as soon as a statement
ran, and columns come from `information_schema`.

The caller opens the file and closes it; the engines borrow that one connection, so temporary tables made on it are
seen by all of them, and nothing keeps the file open once the caller has let go:

    with open_read_only(path) as connection:
        engine = sqlalchemy.create_engine(URL, creator=lambda: BorrowedConnection(connection))
"""

from collections import deque
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import duckdb
import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.base import PGCompiler, PGIdentifierPreparer, PGTypeCompiler
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import ReflectedColumn, ReflectedPrimaryKeyConstraint
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.pool import StaticPool

NAME = "overnight_duckdb"
URL = f"{NAME}://"

COLUMN_TYPES: dict[str, type[sa.types.TypeEngine[Any]]] = {
    "BIGINT": sa.BigInteger,
    "BOOLEAN": sa.Boolean,
    "DATE": sa.Date,
    "DOUBLE": sa.Double,
    "FLOAT": sa.Float,
    "INTEGER": sa.Integer,
    "TIMESTAMP": sa.DateTime,
    "VARCHAR": sa.String,
}


class BufferedCursor:
    """A DB-API cursor whose rows are all fetched when the statement ran, so they outlive what comes after."""

    arraysize = 1

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._rows: deque[tuple[Any, ...]] = deque()
        self.description: Sequence[Any] | None = None
        self.rowcount = -1

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        result = self._connection.execute(statement, list(parameters))
        self.description = result.description
        self._rows = deque(result.fetchall() if self.description else ())
        self.rowcount = len(self._rows)

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.fetchmany(len(self._rows))

    def close(self) -> None:
        """Rows fetched before stay readable."""


class Loan:
    """A connection lent to engines that outlive it: Great Expectations keeps its last engines for good."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection: duckdb.DuckDBPyConnection | None = connection

    def end(self) -> None:
        """From here on nobody holds the connection but its owner."""
        self.connection = None


class BorrowedConnection:
    """A DB-API connection over one that its owner closes; every statement commits by itself."""

    def __init__(self, loan: Loan) -> None:
        self._loan = loan

    def cursor(self) -> BufferedCursor:
        if self._loan.connection is None:
            raise duckdb.ConnectionException("the connection was lent and has been taken back")
        return BufferedCursor(self._loan.connection)

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass


class ReadOnlyDuckDB(DefaultDialect):
    """PostgreSQL's SQL with `?` parameters; columns, tables and views from `information_schema`."""

    name = NAME
    driver = "duckdb"
    statement_compiler = PGCompiler
    type_compiler_cls = PGTypeCompiler
    preparer = PGIdentifierPreparer
    default_paramstyle = "qmark"
    default_schema_name = "main"
    supports_statement_cache = True
    supports_native_boolean = True

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        return duckdb

    @classmethod
    def get_pool_class(cls, url: sa.URL) -> type[sa.Pool]:
        return StaticPool

    def initialize(self, connection: sa.Connection) -> None:
        """Nothing to find out: the default asks for isolation levels and identifier lengths."""

    def get_schema_names(self, connection: sa.Connection, **kw: Any) -> list[str]:
        return list(connection.scalars(sa.text("select distinct table_schema from information_schema.tables")))

    def get_table_names(self, connection: sa.Connection, schema: str | None = None, **kw: Any) -> list[str]:
        return self._names(connection, schema, ("BASE TABLE", "LOCAL TEMPORARY"))

    def get_view_names(self, connection: sa.Connection, schema: str | None = None, **kw: Any) -> list[str]:
        return self._names(connection, schema, ("VIEW",))

    def has_table(self, connection: sa.Connection, table_name: str, schema: str | None = None, **kw: Any) -> bool:
        return bool(self._columns(connection, table_name, schema))

    def get_columns(
        self, connection: sa.Connection, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[ReflectedColumn]:
        columns = self._columns(connection, table_name, schema)
        if not columns:
            raise NoSuchTableError(table_name)
        return columns

    def get_pk_constraint(
        self, connection: sa.Connection, table_name: str, *args: Any, **kw: Any
    ) -> ReflectedPrimaryKeyConstraint:
        return {"constrained_columns": [], "name": None}

    def get_foreign_keys(self, connection: sa.Connection, table_name: str, *args: Any, **kw: Any) -> list[Any]:
        return []

    def get_indexes(self, connection: sa.Connection, table_name: str, *args: Any, **kw: Any) -> list[Any]:
        return []

    def _names(self, connection: sa.Connection, schema: str | None, kinds: tuple[str, ...]) -> list[str]:
        query = sa.text(
            "select table_name from information_schema.tables where table_catalog in (current_database(), 'temp')"
            " and table_schema = :schema and table_type in :kinds order by table_name"
        ).bindparams(sa.bindparam("kinds", kinds, expanding=True), schema=schema or self.default_schema_name)
        return list(connection.scalars(query))

    def _columns(self, connection: sa.Connection, table_name: str, schema: str | None) -> list[ReflectedColumn]:
        query = sa.text(
            "select column_name, data_type, is_nullable, column_default from information_schema.columns"
            " where table_catalog in (current_database(), 'temp') and table_schema = :schema and table_name = :name"
            " order by ordinal_position"
        ).bindparams(schema=schema or self.default_schema_name, name=str(table_name))
        return [
            {
                "name": row.column_name,
                "type": COLUMN_TYPES.get(row.data_type, sa.types.NullType)(),
                "nullable": row.is_nullable == "YES",
                "default": row.column_default,
            }
            for row in connection.execute(query)
        ]


registry.register(NAME, __name__, ReadOnlyDuckDB.__name__)
