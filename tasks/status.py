"""What is published, since when, from what, and how the last attempt ended; from small files alone."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from data import attempt
from data.atomic import read_json
from data.errors import UsageError
from data.home import Home, resolve_home
from data.published import PublishedRun, open_current


def status(home_folder: Path | None) -> dict[str, Any]:
    """The state of a home: home, current (the run id), published, ledger, last_run, stale.

    Stale is what was published longer ago than publish.stale_after_hours, or attempts that never published anything.
    """
    home = resolve_home(home_folder)
    if home.root.exists() and not home.root.is_dir():
        raise UsageError(f"{home.root}: the home is a file, not a folder. Give a folder with --home DIR.")
    current, last_run = open_current(home), attempt.newest(home)
    published = _published(current) if current else None
    return {
        "home": str(home.root),
        "current": current.run_id if current else None,
        "published": published,
        "ledger": _ledger(home),
        "last_run": last_run,
        "stale": published["age_hours"] > published["stale_after_hours"] if published else last_run is not None,
    }


def _published(current: PublishedRun) -> dict[str, Any]:
    manifest = current.manifest
    age = datetime.now(UTC) - datetime.fromisoformat(manifest["published_at"])
    return {
        "since": manifest["published_at"],
        "age_hours": round(age.total_seconds() / 3600, 2),
        "stale_after_hours": manifest["config"]["publish"]["stale_after_hours"],
        "as_of": manifest["window"]["as_of"],
        "gate": manifest["gate"],
        "density": manifest["snapshot"]["density"],
        "inputs": len(manifest["inputs"]),
        "rows": {file["path"]: file["rows"] for file in manifest["files"] if "rows" in file},
    }


def _ledger(home: Home) -> dict[str, Any] | None:
    try:
        return read_json(home.ledger)
    except FileNotFoundError:
        return None
