"""The file ledger: one row per rating file, balanced, and its copy as JSON for readers who must not wait."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb

from data.atomic import write_json
from data.home import Home
from data.sql import insert, rows

Status = Literal["pending", "accepted", "refused"]


@dataclass(frozen=True)
class Entry:
    """What became of a file's records: each was loaded, a duplicate, quarantined or refused."""

    file_id: int
    name: str
    sha256: str
    size_bytes: int
    status: Status
    n_records: int
    n_loaded: int
    n_duplicates: int
    n_quarantined: int
    n_refused: int
    ingested_at: datetime

    def check_balance(self) -> None:
        """The law of conservation: no record is lost and none is counted twice."""
        accounted = self.n_loaded + self.n_duplicates + self.n_quarantined + self.n_refused
        if accounted != self.n_records:
            raise AssertionError(f"{self.name}: {self.n_records:,} records but {accounted:,} accounted for")


def find(connection: duckdb.DuckDBPyConnection, sha256: str) -> Entry | None:
    """The entry of the file with this content, if it was seen before."""
    found = rows(connection, "select * from files where sha256 = ?", [sha256])
    return Entry(**found[0]) if found else None


def new_file_id(connection: duckdb.DuckDBPyConnection) -> int:
    """The next number of a file."""
    return int(connection.execute("select nextval('file_ids')").fetchall()[0][0])


def add(connection: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    """Record a balanced entry."""
    entry.check_balance()
    insert(connection, "files", list(asdict(entry).values()))


def forget_refused(connection: duckdb.DuckDBPyConnection, entry: Entry) -> None:
    """Drop a refused entry and its quarantine, so that the file can be tried again."""
    connection.execute("delete from quarantine where file_id = ?", [entry.file_id])
    connection.execute("delete from files where file_id = ? and status = 'refused'", [entry.file_id])


def accept_pending(connection: duckdb.DuckDBPyConnection) -> None:
    """The pending files count from now on."""
    connection.execute("update files set status = 'accepted' where status = 'pending'")


def refuse_pending(connection: duckdb.DuckDBPyConnection) -> None:
    """Nothing of the pending files counts: their rows leave the log and stand in the ledger as refused."""
    connection.execute("delete from ratings where file_id in (select file_id from files where status = 'pending')")
    connection.execute("""
        update files set
            status = 'refused', n_refused = n_refused + n_loaded + n_duplicates, n_loaded = 0, n_duplicates = 0
        where status = 'pending'""")


def summary(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Totals over all files, and each file."""
    files = rows(connection, "select * from files order by file_id")
    counts = ("n_records", "n_loaded", "n_duplicates", "n_quarantined", "n_refused")
    totals = {name: sum(file[name] for file in files) for name in counts}
    statuses = {
        status: sum(file["status"] == status for file in files) for status in ("pending", "accepted", "refused")
    }
    described = [{**file, "ingested_at": f"{file['ingested_at']:%Y-%m-%dT%H:%M:%SZ}"} for file in files]
    return {"n_files": len(files), **statuses, **totals, "files": described}


def export(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Write the summary beside the warehouse."""
    write_json(home.ledger, summary(connection))
