"""The published runs and the pointer to the current one: switched atomically, resolved once by a reader."""

import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from data.atomic import read_json, sha256, sync, write_json, write_text
from data.errors import MachineError, UsageError
from data.home import Home
from data.schemas import ALL_TABLES, SCHEMA_VERSION

MANIFEST = "manifest.json"
_READERS_FINISH = timedelta(days=7)  # a retired run is left alone so long


@dataclass(frozen=True)
class PublishedRun:
    """One whole run as a reader sees it: the folder, resolved once, and its manifest."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def run_id(self) -> str:
        return self.folder.name

    def table(self, name: str) -> str:
        """The path, or pattern of paths, of a table."""
        return str(self.folder / next(table.pattern for table in ALL_TABLES if table.name == name))


def open_current(home: Home) -> PublishedRun | None:
    """The current run, or None when nothing is published yet. Read all tables of one question from one of these."""
    try:
        run_id = (home.published / "CURRENT").read_text("utf-8").strip()
    except FileNotFoundError:
        return None
    return open_run(home, run_id)


def require_current(home: Home) -> PublishedRun:
    """The current run; UsageError when nothing is published yet."""
    if (current := open_current(home)) is None:
        raise UsageError(
            f"{home.root}: nothing is published here yet. Run `overnight run` first, or give the right --home DIR."
        )
    return current


def open_run(home: Home, run_id: str) -> PublishedRun:
    """A published run by its id; MachineError when its manifest is missing or unreadable."""
    folder = home.published_run(run_id)
    try:
        return PublishedRun(folder, read_json(folder / MANIFEST))
    except (OSError, ValueError) as error:
        raise MachineError(
            f"published run {run_id}: its manifest cannot be read ({error}). Nothing was changed. "
            "Run again, or point published/CURRENT to another run in published/runs."
        ) from None


def all_runs(home: Home) -> list[PublishedRun]:
    """Every published run, newest first."""
    folders = sorted((home.published / "runs").glob(f"*/{MANIFEST}"), reverse=True)
    return [open_run(home, path.parent.name) for path in folders if not path.parent.name.startswith(".")]


def champion_of(home: Home, snapshot_hash: str) -> PublishedRun | None:
    """The newest blessed run of another, so an earlier, snapshot; None on the first night."""
    return next((run for run in all_runs(home) if run.manifest["snapshot"]["hash"] != snapshot_hash), None)


def write_manifest(folder: Path, facts: dict[str, Any]) -> None:
    """Write the manifest of a run folder, last: its existence means that every file is there, with these hashes."""
    files = [
        {"path": str(path.relative_to(folder)), "bytes": path.stat().st_size, "sha256": sha256(path), **_rows(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    write_json(folder / MANIFEST, {"schema_version": SCHEMA_VERSION, "files": files, **facts})


def verify(run: PublishedRun) -> None:
    """Compare every file of a run with its manifest; MachineError names the first that differs."""
    for file in run.manifest["files"]:
        path = run.folder / file["path"]
        if not path.is_file() or sha256(path) != file["sha256"]:
            raise MachineError(
                f"published run {run.run_id}: {file['path']} is missing or does not have the hash of the manifest. "
                "CURRENT was not changed. Publish again."
            )


def switch_current(home: Home, run_id: str) -> None:
    """Point CURRENT to a run: whoever reads the line sees the old run or the new, never a mix."""
    write_text(home.published / "CURRENT", run_id)  # no newline: people's own SQL trims it, and that means blanks only
    link = home.published / ".current.tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("runs") / run_id)
    os.replace(link, home.published / "current")
    sync(home.published)


def write_views(home: Home) -> None:
    """Write views.sql: plain DuckDB reads it in the home folder and has every table of one run as a view."""
    views = [
        f"create or replace view {table.name} as from read_parquet(getvariable('run') || '/{table.pattern}');"
        for table in ALL_TABLES
    ]
    write_text(
        home.root / "views.sql",
        "\n".join(
            [
                "-- Start DuckDB in this folder, then: .read views.sql",
                "-- The pointer is resolved once, here: all views read the same run until this is read again.",
                "set variable run = (",
                "    select 'published/runs/' || trim(content, e' \\r\\n') from read_text('published/CURRENT'));",
                *views,
                "",
            ]
        ),
    )


def retire_old_runs(home: Home, keep_runs: int, now: datetime) -> list[str]:
    """Delete published runs beyond the newest `keep_runs`, but none that is current or younger than a week."""
    current = open_current(home)
    kept = {current.run_id} if current else set()
    oldest_kept = f"{now.astimezone(UTC) - _READERS_FINISH:%Y%m%dT%H%M%SZ}"
    for left in (home.published / "runs").glob(".*.retired.tmp"):
        shutil.rmtree(left)  # by a run that was killed while it did this
    retired = [run for run in all_runs(home)[keep_runs:] if run.run_id not in kept and run.run_id < oldest_kept]
    for run in retired:
        hidden = run.folder.with_name(f".{run.run_id}.retired.tmp")
        run.folder.rename(hidden)
        shutil.rmtree(hidden)
    return [run.run_id for run in retired]


def _rows(path: Path) -> dict[str, int]:
    if path.suffix != ".parquet":
        return {}
    import pyarrow.parquet as pq  # a reader of manifests does not need it

    return {"rows": pq.read_metadata(path).num_rows}
