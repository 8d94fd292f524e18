"""SQL over the current run."""

from pathlib import Path
from typing import Any


def query(home_folder: Path | None, sql: str) -> dict[str, Any]:
    """The columns and rows of a query over views named like the published tables."""
    from data.query import query as ask_duckdb

    return ask_duckdb(home_folder, sql)
