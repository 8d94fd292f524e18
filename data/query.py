"""SQL over the tables of one published run: DuckDB in memory, which can read that run's folder and nothing else."""

from pathlib import Path
from typing import Any

import duckdb

from data.errors import UsageError
from data.home import resolve_home
from data.published import require_current
from data.schemas import ALL_TABLES
from data.sql import quote_identifier, quote_literal


def query(home_folder: Path | None, sql: str) -> dict[str, Any]:
    """The columns and rows of a query over views named like the tables.

    Raises UsageError with DuckDB's own words when it does not run.
    """
    run = require_current(resolve_home(home_folder))
    connection = duckdb.connect(config={"autoinstall_known_extensions": False})
    try:
        connection.execute("set allowed_directories = $folders", {"folders": [str(run.folder)]})
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        for table in ALL_TABLES:
            name, path = quote_identifier(table.name), quote_literal(run.table(table.name))
            connection.execute(f"create view {name} as select * from read_parquet({path})")
        cursor = connection.execute(sql)
        columns = [column[0] for column in cursor.description or []]
        return {"run": run.run_id, "columns": columns, "rows": [list(row) for row in cursor.fetchall()]}
    except duckdb.Error as error:
        raise UsageError(f"the query does not run: {error}") from None
    finally:
        connection.close()
