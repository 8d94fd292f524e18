"""What was quarantined and why: counts by file and reason, with examples."""

import contextlib
from typing import Any

import duckdb

from data.errors import HomeLocked, UsageError
from data.home import Home
from data.sql import rows
from data.warehouse import open_read_only

_COUNTS = """
    select files.name as file, files.status, quarantine.reason, count(*) as n_rows,
           arg_min({'line': line, 'raw': raw}, line, ?) as examples
    from quarantine join files using (file_id)
    group by files.file_id, files.name, files.status, quarantine.reason
    order by files.file_id, n_rows desc, quarantine.reason
"""


def quarantined(home: Home, examples: int) -> list[dict[str, Any]]:
    """A row for each file and reason: file, status, reason, n_rows, and the first examples as {line, raw}.

    Files are in the order in which they came, reasons by count. Raises UsageError where there is no warehouse yet,
    HomeLocked while a run writes to it: DuckDB lets nobody else read then.
    """
    if not home.warehouse.is_file():
        raise UsageError(
            f"{home.root}: nothing was ingested here yet. Run `overnight ingest` first, or give the right --home DIR."
        )
    try:
        with contextlib.closing(open_read_only(home.warehouse)) as connection:
            groups = rows(connection, _COUNTS, [max(1, examples)])
    except (duckdb.IOException, duckdb.ConnectionException):  # another process writes, or this one
        raise HomeLocked(
            f"{home.warehouse}: a run is writing to it. Nothing was changed. Ask again when it has ended."
        ) from None
    return [{**group, "examples": group["examples"][:examples]} for group in groups]
