"""Rating files into the warehouse: each file once, each record accounted for, pending until validated."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from data import ledger
from data.atomic import sha256, sync
from data.contract import checked_sql, is_time_type, positions, split_line, staged_from_lines, staged_from_parquet
from data.decode import GZIP_MAGIC, PARQUET_MAGIC
from data.errors import DataRefused, first_line
from data.home import Home, check_source
from data.lines import read_lines
from data.metadata import load_metadata
from data.settings import Settings, SourceSettings
from data.sources import rating_files
from data.sql import timestamp, transaction
from data.warehouse import opened

_CLOCKS_DIFFER = timedelta(days=1)  # a rating from farther in the future is an error, not a time zone


@dataclass(frozen=True)
class Ingested:
    """What one ingestion did: the files it loaded or refused, and how many it knew already."""

    entries: tuple[ledger.Entry, ...]
    n_known: int

    @property
    def n_loaded(self) -> int:
        return sum(entry.n_loaded for entry in self.entries)


def ingest(
    home: Home, settings: Settings, now: datetime, on_file: Callable[[str, int, int], None] = lambda *_: None
) -> Ingested:
    """Load every new file of the source as pending; a file whose content is known adds nothing.

    on_file     called with (name, number from 1, files) before each file
    Raises DataRefused after the last file when any was refused; the others stay pending.
    """
    files = rating_files(settings.source.ratings)
    check_source(home, settings.source.contract())
    home.landing.mkdir(exist_ok=True)
    entries, n_known, faults = [], 0, []
    with opened(home, settings.source.ids, reads_landing=True) as connection:
        load_metadata(connection, home, settings.source)
        try:
            for number, path in enumerate(files, 1):
                on_file(shown_name(path), number, len(files))
                try:
                    entry = _ingest_file(connection, home, settings, path, now)
                except DataRefused as fault:
                    faults.append(str(fault))
                    continue
                n_known += entry is None
                entries += [entry] if entry else []
        finally:
            ledger.export(connection, home)  # also what was loaded before a file that ended the ingestion
    faults += [_refusal(entry, settings) for entry in entries if entry.status == "refused"]
    if faults:
        raise DataRefused(" ".join(faults))
    return Ingested(tuple(entries), n_known)


def _ingest_file(
    connection: duckdb.DuckDBPyConnection, home: Home, settings: Settings, path: Path, now: datetime
) -> ledger.Entry | None:
    """The new entry of a file, or None if its content is known. What is hashed is what is read: our own copy."""
    copy = home.landing / ".incoming.tmp"
    shutil.copyfile(path, copy)
    try:
        digest = sha256(copy)
        known = ledger.find(connection, digest)
        if known and known.status != "refused":
            return None
        n_records = _stage(connection, copy, settings.source, shown_name(path), now)
        landed = home.landing / landing_name(digest, copy, settings.source)
        sync(copy)
        copy.replace(landed)
        with transaction(connection):
            if known:
                ledger.forget_refused(connection, known)
            entry = _load(connection, settings, path, digest, landed.stat().st_size, n_records, now)
        if entry.status == "refused":
            landed.unlink()
        return entry
    finally:
        copy.unlink(missing_ok=True)


def shown_name(path: Path) -> str:
    """The file's name as text: bytes that are no UTF-8 become question marks."""
    return path.name.encode("utf-8", "replace").decode()


def landing_name(digest: str, copy: Path, source: SourceSettings) -> str:
    """The name of a file's copy: its SHA-256 and what it is."""
    with copy.open("rb") as file:
        packed = ".gz" if file.read(2) == GZIP_MAGIC else ""
    return f"{digest}.{source.format}{packed}"


def _stage(connection: duckdb.DuckDBPyConnection, copy: Path, source: SourceSettings, name: str, now: datetime) -> int:
    """Fill the table `checked` with every record of the file, and return how many there are."""
    if copy.stat().st_size == 0:
        raise DataRefused(f"{name} is empty (0 bytes). Nothing of it was loaded. Have it sent again, then ingest.")
    parquet_times, unterminated = False, 0
    if source.format == "parquet":
        parquet_times = _stage_parquet(connection, copy, source, name)
    else:
        unterminated = _stage_text(connection, copy, source, name)
    timed = source.columns.timestamp is not None
    connection.execute(
        checked_sql(source, parquet_times),
        {
            "low": source.scale.min,
            "high": source.scale.max,
            "step": source.scale.step,
            "timed": timed,
            "latest": timestamp(now) + _CLOCKS_DIFFER,
            "unterminated": unterminated,
        },
    )
    return int(connection.execute("select count(*) from checked").fetchall()[0][0])


def _stage_text(connection: duckdb.DuckDBPyConnection, copy: Path, source: SourceSettings, name: str) -> int:
    """Stage a text file; the number of its last line if that one may be cut, else 0."""
    text, quoted = read_lines(connection, copy, source, name)
    header = split_line(text.first_line, source.delimiter)
    connection.execute(staged_from_lines(source, positions(source, header, name), len(header), quoted))
    return 0 if text.terminated or source.final_newline == "optional" else text.n_lines


def _stage_parquet(connection: duckdb.DuckDBPyConnection, copy: Path, source: SourceSettings, name: str) -> bool:
    """Stage a Parquet file; whether its times are times rather than numbers."""
    with copy.open("rb") as file:
        if file.read(4) != PARQUET_MAGIC:
            raise DataRefused(
                f"{name} is no Parquet file. Nothing of it was loaded. Set source.format, or have it sent again."
            )
    try:
        described = connection.execute("describe select * from read_parquet($path)", {"path": str(copy)}).fetchall()
        types = {str(row[0]): str(row[1]) for row in described}
        connection.execute(staged_from_parquet(source, types, name), {"path": str(copy)})
    except duckdb.Error as error:
        raise DataRefused(
            f"{name}: the Parquet is damaged: {first_line(error)}. "
            "Nothing of it was loaded. Have it sent again, then ingest again."
        ) from None
    column = source.columns.timestamp
    name_of_time = list(types)[column - 1] if isinstance(column, int) else column
    return name_of_time is not None and is_time_type(types[name_of_time])


_NEW_RATINGS = """
    insert into ratings
    with fresh as (
        select user_id, item_id, rating, rated_at, max(line) as line
        from checked
        where reason is null
        group by user_id, item_id, rating, rated_at
    )
    select user_id, item_id, rating, rated_at, $file_id, line
    from fresh anti join candidate_ratings using (user_id, item_id, rating, rated_at)
"""

# Without timestamps 3, 4, 3 are three opinions: only a repetition of the opinion before it is a duplicate.
_NEW_UNTIMED_RATINGS = """
    insert into ratings
    with known as (
        select user_id, item_id, rating, 0 as line from candidate_latest
    ), in_order as (
        select user_id, item_id, rating, line,
            lag(rating) over (partition by user_id, item_id order by line) as before
        from (select user_id, item_id, rating, line from checked where reason is null union all select * from known)
    )
    select user_id, item_id, rating, null, $file_id, line
    from in_order
    where line > 0 and rating is distinct from before
"""


def _load(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    path: Path,
    digest: str,
    size_bytes: int,
    n_records: int,
    now: datetime,
) -> ledger.Entry:
    """Move what was staged into log and quarantine, and write the balanced entry; one transaction."""
    file_id = ledger.new_file_id(connection)
    connection.execute(
        "insert into quarantine select $file_id, line, raw, reason from checked where reason is not null",
        {"file_id": file_id},
    )
    n_quarantined = int(connection.execute("select count(*) from checked where reason is not null").fetchall()[0][0])
    refused = n_quarantined > settings.validate_.max_quarantined_share * n_records
    n_loaded = 0 if refused else _insert(connection, settings.source, file_id)
    n_good = n_records - n_quarantined
    entry = ledger.Entry(
        file_id=file_id,
        name=shown_name(path),
        sha256=digest,
        size_bytes=size_bytes,
        status="refused" if refused else "pending",
        n_records=n_records,
        n_loaded=n_loaded,
        n_duplicates=0 if refused else n_good - n_loaded,
        n_quarantined=n_quarantined,
        n_refused=n_good if refused else 0,
        ingested_at=timestamp(now),
    )
    ledger.add(connection, entry)
    return entry


def _insert(connection: duckdb.DuckDBPyConnection, source: SourceSettings, file_id: int) -> int:
    timed = source.columns.timestamp is not None
    connection.execute(_NEW_RATINGS if timed else _NEW_UNTIMED_RATINGS, {"file_id": file_id})
    return int(connection.execute("select count(*) from ratings where file_id = ?", [file_id]).fetchall()[0][0])


def _refusal(entry: ledger.Entry, settings: Settings) -> str:
    share = entry.n_quarantined / entry.n_records
    return (
        f"{entry.name}: {entry.n_quarantined:,} of {entry.n_records:,} rows ({share:.2%}) break the contract, "
        f"the limit is {settings.validate_.max_quarantined_share:.2%}. Nothing of this file was loaded; "
        "its rows and their reasons are listed by `overnight quarantine`. Correct the file, then ingest again."
    )
