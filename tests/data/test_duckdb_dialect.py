"""The read-only dialect: what Great Expectations needs of it, and that it cannot write."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import sqlalchemy as sa

from data.duckdb_dialect import URL, BorrowedConnection, Loan
from data.warehouse import open_read_only


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dialect") / "a warehouse with $HOME in its name.duckdb"
    with contextlib.closing(duckdb.connect(path)) as connection:
        connection.execute("create table ratings (user_id varchar, item_id bigint, rating double, rated_at timestamp)")
        connection.execute("insert into ratings select 'u' || i, i, i / 2, timestamp '2026-01-01' from range(5) t(i)")
        connection.execute("create view good_ratings as select user_id, rating from ratings where rating >= 1")
        connection.execute("create table odd (tags varchar[], amount decimal(9, 2))")
    return path


@pytest.fixture
def connection(file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with contextlib.closing(open_read_only(file, "200MB")) as connection:
        yield connection


@pytest.fixture
def engine(connection: duckdb.DuckDBPyConnection) -> sa.Engine:
    return sa.create_engine(URL, creator=lambda: BorrowedConnection(Loan(connection)))


def test_reflects_the_columns_of_tables_and_views(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)

    assert inspector.get_table_names() == ["odd", "ratings"]
    assert inspector.get_view_names() == ["good_ratings"]
    assert "main" in inspector.get_schema_names()
    columns = inspector.get_columns("ratings")
    assert [column["name"] for column in columns] == ["user_id", "item_id", "rating", "rated_at"]
    assert [type(column["type"]) for column in columns] == [sa.String, sa.BigInteger, sa.Double, sa.DateTime]
    assert [column["name"] for column in inspector.get_columns("good_ratings", schema="main")] == ["user_id", "rating"]


def test_a_whole_table_is_reflected_also_with_types_it_has_no_name_for(engine: sa.Engine) -> None:
    odd = sa.Table("odd", sa.MetaData(), autoload_with=engine)

    assert [type(column.type) for column in odd.columns] == [sa.types.NullType, sa.types.NullType]


def test_a_missing_table_is_said_to_be_missing(engine: sa.Engine) -> None:
    inspector = sa.inspect(engine)

    assert inspector.has_table("ratings")
    assert not inspector.has_table("nothing")
    with pytest.raises(sa.exc.NoSuchTableError):
        inspector.get_columns("nothing")


def test_values_go_in_as_parameters(engine: sa.Engine) -> None:
    ratings = sa.table("ratings", sa.column("user_id"), sa.column("rating"))
    injected = "u1' or true --"
    with engine.connect() as connection:
        wanted = ratings.select().where(ratings.c.user_id.in_(["u1", "u3", injected]), ratings.c.rating < 1)
        assert connection.execute(wanted).all() == [("u1", 0.5)]
        assert connection.scalar(sa.text("select count(*) from ratings where user_id = :user"), {"user": injected}) == 0


def test_rows_are_readable_after_the_connection_was_handed_back(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        first = connection.execute(sa.text("select item_id from ratings order by item_id"))
        second = connection.execute(sa.text("select count(*) from ratings"))

    assert first.fetchone() == (0,)
    assert first.fetchmany(2) == [(1,), (2,)]
    assert first.fetchall() == [(3,), (4,)]
    assert second.scalar() == 5


@pytest.mark.parametrize(
    "statement",
    [
        "insert into ratings (item_id) values (1)",
        "delete from ratings",
        "drop view good_ratings",
        "create table t (a bit)",
    ],
)
def test_writing_is_refused(engine: sa.Engine, statement: str) -> None:
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="read-only mode"):
        connection.execute(sa.text(statement))


def test_other_files_are_out_of_reach(engine: sa.Engine, tmp_path: Path) -> None:
    (secret := tmp_path / "secret.txt").write_text("secret")
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="PermissionException"):
        connection.execute(sa.text("select * from read_text(:path)"), {"path": str(secret)})
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError, match="locked"):
        connection.execute(sa.text("set memory_limit = '9GB'"))


def test_the_memory_limit_holds(connection: duckdb.DuckDBPyConnection) -> None:
    assert connection.execute("select current_setting('memory_limit')").fetchone() == ("190.7 MiB",)


def test_temporary_tables_are_seen_by_every_engine_on_the_connection(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create temp table facts as select 7 as n_rows")
    for _ in range(2):
        engine = sa.create_engine(URL, creator=lambda: BorrowedConnection(Loan(connection)))
        assert sa.inspect(engine).has_table("facts")
        with engine.connect() as borrowed:
            assert borrowed.scalar(sa.text("select n_rows from facts")) == 7


def test_the_file_is_free_for_its_writer_once_the_owner_closed(file: Path) -> None:
    with contextlib.closing(open_read_only(file)) as connection:
        engine = sa.create_engine(URL, creator=lambda: BorrowedConnection(Loan(connection)))
        with engine.connect() as borrowed:
            borrowed.execute(sa.text("select 1"))

    with contextlib.closing(duckdb.connect(file)) as writer:  # the engine and its pool are still alive
        writer.execute("create or replace table written as select 1")
        writer.execute("drop table written")
    del engine
