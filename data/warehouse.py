"""The DuckDB file: how it is opened, its tables and views, its format version."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb

from data.errors import MachineError, UsageError, first_line
from data.home import Home
from data.settings import IdTypes
from data.sql import transaction

FORMAT_VERSION = 1
# Enough for 20 million ratings in memory, and a bound; what does not fit spills to the home folder.
_MEMORY_LIMIT = "3GB"
_SQL_TYPES = {"integer": "bigint", "string": "varchar"}


@contextlib.contextmanager
def opened(home: Home, ids: IdTypes, *, reads_landing: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse for writing, its tables made where missing, closed at the end.

    Nothing outside the home can be read: only landing/, and only where the caller says so.
    Raises UsageError for a warehouse of a newer program, MachineError when the file cannot be opened.
    """
    try:
        connection = duckdb.connect(home.warehouse, config={"autoinstall_known_extensions": False})
    except duckdb.Error as error:
        raise MachineError(f"{home.warehouse}: cannot be opened: {first_line(error)}. Nothing was changed.") from None
    try:
        _restrict(connection, home, reads_landing)
        _create(connection, ids)
        yield connection
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise MachineError(
            f"{home.warehouse}: disk or memory said no: {first_line(error)}. What was committed before stands; "
            "make room or mend the permission, then run again."
        ) from None
    finally:
        connection.close()


def open_read_only(path: Path, memory_limit: str = "2GB") -> duckdb.DuckDBPyConnection:
    """The file, open for reading: within the memory limit, without extensions, network or other files.

    Limits are set after connecting: DuckDB refuses a second connection to a file under another configuration.
    Temporary tables are still possible, they never reach the file.
    """
    connection = duckdb.connect(str(path), read_only=True)
    try:
        connection.execute("set memory_limit = ?", [memory_limit])
        connection.execute("set enable_progress_bar = false")
        connection.execute("set autoinstall_known_extensions = false")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
    except duckdb.Error:
        connection.close()
        raise
    return connection


def _restrict(connection: duckdb.DuckDBPyConnection, home: Home, reads_landing: bool) -> None:
    connection.execute(f"set memory_limit = '{_MEMORY_LIMIT}'")
    connection.execute("set temp_directory = $folder", {"folder": str(home.root / ".spill")})
    connection.execute("set timezone = 'UTC'")
    connection.execute("set enable_progress_bar = false")
    if reads_landing:
        connection.execute("set allowed_directories = $folders", {"folders": [str(home.landing)]})
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _create(connection: duckdb.DuckDBPyConnection, ids: IdTypes) -> None:
    connection.execute("create table if not exists meta (key varchar, value varchar)")
    known = connection.execute("select value from meta where key = 'format_version'").fetchall()
    if not known:
        with transaction(connection):
            connection.execute(_TABLES.format(user=_SQL_TYPES[ids.user], item=_SQL_TYPES[ids.item]))
            connection.execute("insert into meta values ('format_version', ?)", [str(FORMAT_VERSION)])
    elif int(known[0][0]) > FORMAT_VERSION:
        raise UsageError(
            f"the warehouse has format {known[0][0]}, this program knows up to {FORMAT_VERSION}. "
            "Nothing was changed. Use the newer program."
        )


_TABLES = """
create sequence file_ids;

create table files (
    file_id bigint, name varchar, sha256 varchar, size_bytes bigint, status varchar,
    n_records bigint, n_loaded bigint, n_duplicates bigint, n_quarantined bigint, n_refused bigint,
    ingested_at timestamp);

create table ratings (
    user_id {user}, item_id {item}, rating double, rated_at timestamp, file_id bigint, line bigint);

create table quarantine (file_id bigint, line bigint, raw varchar, reason varchar);
create table items (item_id {item}, title varchar, features map(varchar, varchar));
create table users (user_id {user}, features map(varchar, varchar));

create table runs (
    run_id varchar, started_at timestamp, finished_at timestamp, outcome varchar, message varchar,
    snapshot varchar, n_new_ratings bigint, metrics json, decision json);

create view pending_files as select * from files where status = 'pending';

create view pending_ratings as
    select ratings.* from ratings semi join pending_files using (file_id);

create view candidate_ratings as
    select ratings.*
    from ratings semi join (select file_id from files where status in ('pending', 'accepted')) using (file_id);

create view candidate_latest as
    select user_id, item_id, rating, rated_at from candidate_ratings
    qualify row_number() over (
        partition by user_id, item_id order by rated_at desc nulls last, file_id desc, line desc) = 1;

create view latest_ratings as
    select user_id, item_id, rating, rated_at
    from ratings semi join (select file_id from files where status = 'accepted') using (file_id)
    qualify row_number() over (
        partition by user_id, item_id order by rated_at desc nulls last, file_id desc, line desc) = 1;
"""
