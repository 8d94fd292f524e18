"""Item and user files: titles and features, replaced whole at each ingestion."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb

from data.contract import column_position, fields_sql, id_sql, split_line
from data.errors import UsageError, first_line
from data.home import Home
from data.lines import read_lines
from data.settings import IdType, ItemsSource, SourceSettings, UsersSource
from data.sources import existing_file
from data.sql import quote_identifier, transaction


def load_metadata(connection: duckdb.DuckDBPyConnection, home: Home, source: SourceSettings) -> None:
    """Replace the tables `items` and `users` by what the declared files hold now.

    Raises UsageError for a missing file or column, a line of another shape or an id that is not one.
    """
    if (items := source.items) is not None:
        _stage(connection, home, items, "source.items")
        wanted = [("item", items.columns.item), ("title", items.columns.title)]
        _replace(connection, "items", source.ids.item, items, wanted)
    if (users := source.users) is not None:
        _stage(connection, home, users, "source.users")
        _replace(connection, "users", source.ids.user, users, [("user", users.columns.user)])


def feature_name(column: str | int) -> str:
    """What a feature is called in the published table: its header, or its position."""
    return column if isinstance(column, str) else f"column_{column}"


def _stage(connection: duckdb.DuckDBPyConnection, home: Home, form: ItemsSource | UsersSource, setting: str) -> None:
    """Fill the temp table `metadata(line, fields)` and leave the header in `metadata_header(name)`."""
    path = existing_file(form.path, f"{setting}.path")
    copy = home.landing / ".metadata.tmp"
    shutil.copyfile(path, copy)
    try:
        stage = _stage_parquet if form.format == "parquet" else _stage_text
        stage(connection, copy, form, path.name)
    except duckdb.Error as error:
        raise UsageError(f"{path.name}: cannot be read: {first_line(error)}. Nothing was loaded.") from None
    finally:
        copy.unlink(missing_ok=True)


def _stage_text(connection: duckdb.DuckDBPyConnection, copy: Path, form: ItemsSource | UsersSource, name: str) -> None:
    text, quoted = read_lines(connection, copy, form, name)
    header = split_line(text.first_line, form.delimiter)
    connection.execute(f"""
        create or replace temp table metadata as
            select rowid + 1 as line, {fields_sql(form.delimiter, quoted)} as fields
            from raw_lines where rowid >= {int(form.header)} and raw is not null and raw <> ''""")
    _remember_header(connection, header)
    odd = connection.execute(
        "select min(line), count(*) from metadata where coalesce(len(fields), 0) <> ?", [len(header)]
    ).fetchall()[0]
    if odd[1]:
        raise UsageError(
            f"{name}: {odd[1]:,} lines do not have {len(header)} columns, the first is line {odd[0]}. "
            "Nothing was loaded. Correct the file, or its delimiter in the configuration."
        )


def _stage_parquet(
    connection: duckdb.DuckDBPyConnection, copy: Path, form: ItemsSource | UsersSource, name: str
) -> None:
    path = {"path": str(copy)}
    header = [str(row[0]) for row in connection.execute("describe select * from read_parquet($path)", path).fetchall()]
    texts = ", ".join(f"cast({quote_identifier(column)} as varchar)" for column in header)
    connection.execute(
        f"""
        create or replace temp table metadata as
            select row_number() over () as line, [{texts}] as fields from read_parquet($path)""",
        path,
    )
    _remember_header(connection, header)


def _remember_header(connection: duckdb.DuckDBPyConnection, header: list[str]) -> None:
    connection.execute(
        "create or replace temp table metadata_header as select unnest($names) as name", {"names": header}
    )


def _replace(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    kind: IdType,
    form: ItemsSource | UsersSource,
    wanted: Sequence[tuple[str, str | int | None]],
) -> None:
    """Replace a table's rows by `metadata`; the first line of an id counts."""
    name, setting = Path(form.path).name, f"source.{table}.columns"
    header = [row[0] for row in connection.execute("select name from metadata_header").fetchall()]

    def field(column: str | int | None, key: str) -> str:
        return "null" if column is None else f"fields[{column_position(column, header, name, f'{setting}.{key}')}]"

    texts = [field(column, key) for key, column in wanted]
    features = ", ".join(field(column, "features") for column in form.columns.features)
    names = {"names": [feature_name(column) for column in form.columns.features]}
    ids = id_sql(kind, texts[0])
    odd = connection.execute(f"select min(line), count(*) from metadata where ({ids}) is null").fetchall()[0]
    if odd[1]:
        raise UsageError(
            f"{name}: {odd[1]:,} lines have no {kind} id, the first is line {odd[0]}. Nothing was loaded. "
            "Correct the file or source.ids."
        )
    with transaction(connection):
        connection.execute(f"delete from {quote_identifier(table)}")
        connection.execute(
            f"""
            insert into {quote_identifier(table)}
            select {", ".join([ids, *texts[1:]])}, map($names::varchar[], [{features}]::varchar[])
            from metadata
            qualify row_number() over (partition by {ids} order by line) = 1""",
            names,
        )
