"""An immutable snapshot: everything that training and scoring need, as Parquet under its own hash.

A GPU worker reads it without the warehouse, so this module imports neither duckdb nor great_expectations.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from data.atomic import read_json, sha256
from data.errors import MachineError

FORMAT_VERSION = 1
TABLES = ("ratings.parquet", "users.parquet", "items.parquet")
FACTS = "snapshot.json"


@dataclass(frozen=True)
class Snapshot:
    """A verified snapshot folder and its facts.

    ratings     user_code, item_code int32, rating float32, rated_at (null without timestamps), in_core, golden;
                sorted by user_code, item_code; the latest rating of each pair
    users       user_code (row number), user_id, in_core, n_ratings, mean_rating; core codes first
    items       item_code (row number), item_id, title, in_core, n_ratings, mean_rating, features;
                core codes first, then other rated items, then items known by their metadata alone
    """

    folder: Path
    facts: dict[str, Any]

    @property
    def hash(self) -> str:
        return str(self.facts["hash"])

    @property
    def n_users(self) -> int:
        return int(self.facts["n_users"])

    @property
    def n_items(self) -> int:
        """How many items have a rating."""
        return int(self.facts["n_items"])

    @property
    def n_core_users(self) -> int:
        return int(self.facts["density"]["after"]["n_users"])

    @property
    def n_core_items(self) -> int:
        return int(self.facts["density"]["after"]["n_items"])

    def ratings(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "ratings.parquet")

    def users(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "users.parquet")

    def items(self) -> pl.DataFrame:
        return pl.read_parquet(self.folder / "items.parquet")


def open_snapshot(folder: Path, expected_hash: str) -> Snapshot:
    """The snapshot, after every file was compared with its hash.

    Raises MachineError when anything is missing, changed or of a newer format.
    """
    try:
        facts = read_json(folder / FACTS)
        found = content_hash(facts, {name: sha256(folder / name) for name in TABLES})
        known, version = facts["hash"], int(facts["format_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MachineError(f"snapshot {folder.name}: cannot be read: {error}. Nothing was changed. {_REMEDY}") from None
    if version > FORMAT_VERSION:
        raise MachineError(
            f"snapshot {folder.name} has format {version}, this program knows up to "
            f"{FORMAT_VERSION}. Nothing was changed. Use the newer program."
        )
    if not found == known == expected_hash:
        raise MachineError(
            f"snapshot {folder.name}: its content has hash {found}, expected {expected_hash}. "
            f"Nothing was changed. {_REMEDY}"
        )
    return Snapshot(folder, facts)


def content_hash(facts: dict[str, Any], files: dict[str, str]) -> str:
    """The hash of what a model can see: the tables, the scale and the id types; not where they came from."""
    seen = {"format_version": facts["format_version"], "scale": facts["scale"], "ids": facts["ids"], "files": files}
    return hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()


_REMEDY = "Delete the folder and run again; it is rebuilt from the warehouse."
