"""What a run would do, without doing it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.atomic import read_json, sha256
from data.home import resolve_home
from data.published import open_current
from data.read_settings import load_settings
from data.sources import rating_files


def plan(config: Path, home_folder: Path | None, overrides: Sequence[str]) -> dict[str, Any]:
    """The rating files with what the ledger knows of each, and what is published. Changes nothing."""
    settings = load_settings(config, overrides)
    home = resolve_home(home_folder)
    known = {}
    if home.ledger.exists():
        known = {file["sha256"]: file["status"] for file in read_json(home.ledger)["files"]}
    files = [
        {"name": path.name, "size_bytes": path.stat().st_size, "status": known.get(sha256(path), "new")}
        for path in rating_files(settings.source.ratings)
    ]
    current = open_current(home)
    return {
        "home": str(home.root),
        "files": files,
        "n_new": sum(file["status"] in ("new", "refused") for file in files),
        "current": current.run_id if current else None,
        "train": settings.train.deployment or f"here ({settings.train.device})",
    }
