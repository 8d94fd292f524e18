"""The history of runs in the warehouse: one row an attempt that got as far as the warehouse."""

import json
from datetime import datetime
from typing import Any

from data.home import Home
from data.settings import IdTypes
from data.sql import insert, rows, timestamp, transaction
from data.warehouse import opened

_VOLUMES_KEPT = 28  # nights whose median says what is usual


def record(
    home: Home,
    ids: IdTypes,
    attempt: dict[str, Any],
    *,
    snapshot: str | None,
    n_new_ratings: int,
    metrics: list[dict[str, Any]],
    decision: dict[str, Any] | None,
) -> None:
    """Write the row of an attempt, replacing an earlier part of the same one."""
    values = [
        attempt["run_id"],
        _time(attempt["started_at"]),
        _time(attempt["finished_at"]),
        attempt["outcome"]["name"],
        attempt["outcome"]["message"],
        snapshot,
        n_new_ratings,
        json.dumps(metrics),
        json.dumps(decision),
    ]
    with opened(home, ids) as connection, transaction(connection):
        connection.execute("delete from runs where run_id = ?", [attempt["run_id"]])
        insert(connection, "runs", values)


def previous_volumes(home: Home, ids: IdTypes) -> tuple[int, ...]:
    """The new ratings of the last nights that had any, newest last; the first load is history, not a night."""
    with opened(home, ids) as connection:
        found = rows(
            connection,
            """
            select cast(sum(n_loaded) as bigint) as n_new from files where status = 'accepted' and n_loaded > 0
            group by ingested_at order by ingested_at""",
        )
    return tuple(int(row["n_new"]) for row in found[1:])[-_VOLUMES_KEPT:]


def _time(text: str) -> datetime:
    return timestamp(datetime.fromisoformat(text))
